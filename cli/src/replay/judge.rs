//! (policy, log line) -> allowed, denied, or cannot tell because of what.
//!
//! A log lacks claims, bodies, cookies, most headers. A judgement is certain only if it holds for every completion
//! of the line: the policy is approximated from both sides over what the line leaves open ([`approximate`]), and the engine is
//! asked twice. What is left open but has few values (scheme, upgrade, preflight, gRPC) is tried in all of them.
//!
//! A completion is a well-formed request: headers that were not logged do not make it malformed, logged ones were
//! sent once, and only a line with status 101 asked for an upgrade. Quotas and penalties are not counted.

use std::collections::{BTreeSet, HashMap};

use portcullis::decision::{Effect, Reason};
use portcullis::{Credential, Engine, Exchange, Now, RequestView, Snapshot, Worker};
use portcullis_lang::model::{Atom, Fact, HostPattern, Owner, Policy, Rule, TargetKind, Trust};

use super::facts;
use super::line::Entry;
use crate::error::CliError;
use crate::subject::begin;
use portcullis_compile::approximate::{self, Approximation, Open, WORST_NOW_US};

/// What became of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Every completion is allowed.
    Allowed {
        /// An allow that grants it, whatever the rest.
        rule: String,
    },
    /// Every completion is denied.
    Denied {
        /// The deciding deny's id, else the reason code.
        by: String,
    },
    /// Some are, some are not, or nobody can say.
    CannotTell {
        /// The allow that would grant it at best.
        rule: String,
        /// What was not logged and would decide.
        because: BTreeSet<String>,
    },
}

/// A judgement with the route of its line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// What became of it.
    pub outcome: Outcome,
    /// The smallest allow whose target matches, else the reason code of there being none.
    pub route: String,
}

/// What the log's reader knows that the log does not say.
#[derive(Clone, Debug, Default)]
pub struct Assumptions {
    /// Authority of lines that name none.
    pub host: Option<String>,
    /// Scheme of lines that name none.
    pub scheme: Option<String>,
    /// No request carried a credential that failed.
    pub credentials_valid: bool,
}

/// Makes an image and its data of a model; the judge does no I/O.
pub type Prepare<'p> = dyn FnMut(&Policy) -> Result<Snapshot, CliError> + 'p;

/// The facts that lines differ in, of those the policy reads.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Logged {
    host: bool,
    port: bool,
    query: bool,
    client_ip: bool,
    now: bool,
    protocol: bool,
    headers: BTreeSet<String>,
}

/// The policy, approximated from both sides.
struct Pair {
    grant: Engine,
    denial: Engine,
}

/// Judges lines of one policy.
pub struct Judge<'p> {
    policy: Policy,
    assumptions: Assumptions,
    prepare: Box<Prepare<'p>>,
    routes: Engine,
    pairs: HashMap<Logged, Pair>,
    /// Header facts that the policy reads.
    header_facts: BTreeSet<String>,
    has_credentials: bool,
    has_cors: bool,
    has_grpc: bool,
    worker: Worker,
}

impl<'p> Judge<'p> {
    /// A judge for a policy.
    pub fn new(
        policy: &Policy,
        assumptions: Assumptions,
        mut prepare: Box<Prepare<'p>>,
    ) -> Result<Judge<'p>, CliError> {
        let mut policy = policy.clone();
        // The logged address is `client.ip` itself: whoever wrote it has walked the proxies.
        policy.trust = Trust {
            headers: policy.trust.headers,
            ..Trust::default()
        };
        let mut header_facts = BTreeSet::new();
        for rule in &policy.rules {
            rule.condition.for_each_atom(&mut |atom: &Atom| {
                atom.for_each_fact(&mut |fact| {
                    if let Fact::Header(name) = fact {
                        header_facts.insert(name.clone());
                    }
                });
            });
        }
        for quota in &policy.quotas {
            for key in quota.by.iter().flat_map(|part| &part.facts) {
                if let Fact::Header(name) = &key.fact {
                    header_facts.insert(name.clone());
                }
            }
        }
        let is_grpc = |rule: &Rule| rule.targets.iter().any(|t| t.kind == TargetKind::Grpc);
        Ok(Judge {
            routes: prepare(&approximate::routes(&policy))?.into(),
            has_credentials: !policy.issuers.is_empty()
                || !policy.keys.is_empty()
                || !policy.peers.is_empty()
                || !policy.signatures.is_empty(),
            has_cors: policy.services.iter().any(|s| s.cors.is_some()),
            has_grpc: policy.rules.iter().any(is_grpc),
            policy,
            assumptions,
            prepare,
            pairs: HashMap::new(),
            header_facts,
            worker: Worker::default(),
        })
    }

    /// Judges a line.
    pub fn judge(&mut self, entry: &Entry) -> Result<Judgement, CliError> {
        let host = entry.host.clone().or_else(|| self.assumptions.host.clone());
        let logged = self.logged(entry, host.as_deref());
        // Without any named host every host selects the same services; the fact itself stays open.
        let Some(host) = host.or_else(|| only_host(&self.policy)) else {
            return Err(CliError::Usage(
                "the log does not say to which host its requests went: name it with `--host`".to_string(),
            ));
        };
        let variants = self.variants(entry);
        if !self.pairs.contains_key(&logged) {
            let pair = self.pair(&logged)?;
            self.pairs.insert(logged.clone(), pair);
        }
        let Some(pair) = self.pairs.get(&logged) else {
            return Err(CliError::Usage("the policy was not prepared".to_string()));
        };
        let request = Shaped { entry, host: &host };
        let route = route(&self.routes, &request, &variants, &mut self.worker);
        let best: Vec<Exchange> = variants
            .iter()
            .map(|variant| request.decide(&pair.grant, variant, Approximation::Over, &mut self.worker))
            .collect();
        if let Some(first) = best.first()
            && best.iter().all(is_denied)
        {
            let by = decider(first);
            return Ok(Judgement {
                outcome: Outcome::Denied { by },
                route,
            });
        }
        let worst: Vec<Exchange> = variants
            .iter()
            .map(|variant| request.decide(&pair.denial, variant, Approximation::Under, &mut self.worker))
            .collect();
        let granted = best.iter().find(|e| !is_denied(e));
        let rule = granted.map(decider).unwrap_or_default();
        let mut because = BTreeSet::new();
        for (exchange, variant) in worst.iter().zip(&variants) {
            because.extend(self.blockers(&logged, exchange, variant, &rule));
        }
        let same = !best.iter().any(is_denied);
        if !same {
            because.extend(variants.iter().flat_map(|v| v.names()));
        }
        let outcome = if because.is_empty() {
            let rule = worst.first().map(decider).unwrap_or_default();
            Outcome::Allowed { rule }
        } else {
            Outcome::CannotTell { rule, because }
        };
        Ok(Judgement { outcome, route })
    }

    /// What a line settles of what the policy reads.
    fn logged(&self, entry: &Entry, host: Option<&str>) -> Logged {
        let has_header = |name: &String| entry.headers.iter().any(|(n, _)| n == name);
        Logged {
            host: host.is_some(),
            port: host.is_some_and(|h| h.rsplit_once(':').is_some_and(|(_, p)| p.parse::<u16>().is_ok())),
            query: entry.query_logged,
            client_ip: entry.client_ip.is_some(),
            now: entry.time_us.is_some(),
            protocol: entry.protocol.is_some(),
            headers: self
                .header_facts
                .iter()
                .filter(|n| has_header(n))
                .cloned()
                .collect(),
        }
    }

    fn pair(&mut self, logged: &Logged) -> Result<Pair, CliError> {
        let is_open = |fact: &Fact| is_open(fact, logged);
        let open = Open {
            fact: &is_open,
            credentials: true,
            query: !logged.query,
        };
        let grant = approximate::approximate(&self.policy, &open, Approximation::Over);
        let denial = approximate::approximate(&self.policy, &open, Approximation::Under);
        Ok(Pair {
            grant: (self.prepare)(&grant)?.into(),
            denial: (self.prepare)(&denial)?.into(),
        })
    }

    /// Every combination of what has few values.
    fn variants(&self, entry: &Entry) -> Vec<Variant> {
        let scheme = entry.scheme.clone().or_else(|| self.assumptions.scheme.clone());
        let schemes = match scheme.as_deref() {
            Some("http") => vec![(false, false)],
            Some(_) => vec![(true, false)],
            None => vec![(true, true), (false, true)],
        };
        let either = |open: bool| if open { vec![false, true] } else { vec![false] };
        let content_type = entry.headers.iter().any(|(n, _)| n == "content-type");
        let mut variants = Vec::new();
        for (https, scheme_open) in schemes {
            for upgrade in either(entry.status == Some(101)) {
                for grpc in either(self.has_grpc && entry.method == b"POST" && !content_type) {
                    for preflight in either(self.has_cors && entry.method == b"OPTIONS") {
                        variants.push(Variant {
                            https,
                            scheme_open,
                            upgrade,
                            grpc,
                            preflight,
                        });
                    }
                }
            }
        }
        variants
    }

    /// Why a line that is granted at best is not certainly allowed.
    fn blockers(
        &self,
        logged: &Logged,
        exchange: &Exchange,
        variant: &Variant,
        best_rule: &str,
    ) -> BTreeSet<String> {
        let mut because = BTreeSet::new();
        let worst = exchange.decision();
        let is_open = |fact: &Fact| is_open(fact, logged);
        let open = Open {
            fact: &is_open,
            credentials: true,
            query: !logged.query,
        };
        let rule_named = |id: &str| self.policy.rules.iter().find(|r| r.id == id);
        let name = |fact: &Fact| self.policy.show(fact).to_string();
        if !is_denied(exchange) {
            if variant.preflight {
                return because;
            }
            if worst.request_body().is_some() {
                because.insert("the request body".to_string());
            }
            if worst.response().is_some_and(|plan| !plan.require().is_empty()) {
                because.insert("the response body".to_string());
            }
            let id = decider(exchange);
            let anonymous = rule_named(&id).is_some_and(|rule| match rule.owner {
                Owner::Service(s) => self
                    .policy
                    .services
                    .get(s.index())
                    .is_some_and(|s| s.invalid_credentials_anonymous),
                Owner::Guard(_) => false,
            });
            if self.has_credentials && !anonymous && !self.assumptions.credentials_valid {
                because.insert(facts::VALIDITY.to_string());
            }
            return because;
        }
        match worst.reason() {
            Reason::DeniedByRule => {
                let id = decider(exchange);
                match rule_named(&id) {
                    Some(rule) => facts::open_in(&self.policy, rule, &open, &mut because),
                    None => drop(because.insert("request.query".to_string())),
                }
            }
            Reason::QuotaKeyUnknown => {
                let quota = self
                    .policy
                    .quotas
                    .iter()
                    .find(|q| Some(q.name.as_str()) == worst.detail());
                because.extend(quota.iter().flat_map(|q| open.quota_facts(q)).map(name));
            }
            Reason::TransportRefused => {
                let fact = if worst.detail() == Some("sni") {
                    Fact::Sni
                } else {
                    Fact::Scheme
                };
                because.insert(name(&fact));
            }
            Reason::Gone => drop(because.insert(name(&Fact::Now))),
            _ => {}
        }
        if because.is_empty()
            && let Some(rule) = rule_named(best_rule)
        {
            facts::open_in(&self.policy, rule, &open, &mut because);
        }
        if because.is_empty() {
            because.extend(variant.names());
        }
        if because.is_empty() {
            because.insert("facts that were not logged".to_string());
        }
        because
    }
}

/// One choice of what has few values.
#[derive(Clone, Copy, Debug)]
struct Variant {
    https: bool,
    scheme_open: bool,
    upgrade: bool,
    grpc: bool,
    preflight: bool,
}

impl Variant {
    /// The choices it makes.
    fn names(self) -> Vec<String> {
        let choices = [
            (self.scheme_open, "request.scheme"),
            (self.upgrade, "request.header[\"upgrade\"]"),
            (self.grpc, "request.content_type"),
            (self.preflight, "request.header[\"origin\"]"),
        ];
        choices
            .into_iter()
            .filter(|c| c.0)
            .map(|c| c.1.to_string())
            .collect()
    }
}

/// A line as a request.
struct Shaped<'e> {
    entry: &'e Entry,
    host: &'e str,
}

impl Shaped<'_> {
    fn decide(&self, engine: &Engine, v: &Variant, side: Approximation, worker: &mut Worker) -> Exchange {
        let entry = self.entry;
        let mut headers: Vec<(&[u8], &[u8])> = Vec::new();
        // Only what facts are read from: what else is in a logged header must not make the request malformed.
        for (name, value) in &entry.headers {
            if !matches!(
                name.as_str(),
                "authorization" | "cookie" | "host" | "connection" | "upgrade"
            ) {
                headers.push((name.as_bytes(), value));
            }
        }
        if v.upgrade {
            headers.extend([
                (b"connection" as &[u8], b"upgrade" as &[u8]),
                (b"upgrade", b"websocket"),
            ]);
        }
        if v.grpc {
            headers.push((b"content-type", b"application/grpc"));
        }
        if v.preflight {
            headers.retain(|(n, _)| *n != b"origin" && *n != b"access-control-request-method");
            headers.push((b"origin", b"https://origin.invalid"));
            headers.push((b"access-control-request-method", b"GET"));
        }
        // The name a client would have sent in its handshake: the host as the engine normalises it.
        let port = self
            .host
            .rsplit_once(':')
            .filter(|(_, port)| port.parse::<u16>().is_ok());
        let name = port.map_or(self.host, |(name, _)| name).to_ascii_lowercase();
        let name = name.strip_suffix('.').unwrap_or(&name);
        let request = RequestView {
            method: &entry.method,
            scheme: if v.https { b"https" } else { b"http" },
            authority: Some(self.host.as_bytes()),
            target: &entry.target,
            headers: &headers,
            socket_peer: entry.client_ip,
            certificate: None,
            sni: (side == Approximation::Over).then_some(name.as_bytes()),
            protocol: entry.protocol.as_deref().unwrap_or_default().as_bytes(),
            credential: Credential::FromHeaders,
            key: None,
            signature: None,
            beside: &[],
            context: b"",
        };
        let worst_now = (side == Approximation::Under).then_some(WORST_NOW_US);
        let now = Now {
            wall_us: entry.time_us.or(worst_now),
            mono_us: 0,
        };
        begin(engine, worker, &request, now)
    }
}

/// Whether a line leaves a fact open.
fn is_open(fact: &Fact, logged: &Logged) -> bool {
    match fact {
        Fact::Method | Fact::Scheme | Fact::Path | Fact::Capture { .. } => false,
        Fact::Host | Fact::HostLabel(_) => !logged.host,
        Fact::Port => !logged.port,
        Fact::Query(_) => !logged.query,
        Fact::Header(name) => !logged.headers.contains(name),
        Fact::Protocol => !logged.protocol,
        Fact::ClientIp => !logged.client_ip,
        Fact::Now => !logged.now,
        Fact::Cell { key, .. } => is_open(key, logged),
        Fact::Cookie(_)
        | Fact::Size
        | Fact::ContentType
        | Fact::Sni
        | Fact::ConnectionIp
        | Fact::Claim(_)
        | Fact::BesideClaim(..)
        | Fact::Scopes
        | Fact::KeyId
        | Fact::KeyField(_)
        | Fact::Peer(_)
        | Fact::SignatureName
        | Fact::Response { .. }
        | Fact::Context(_)
        | Fact::Trusted(_) => true,
    }
}

/// A host that stands for all, where the policy names none.
fn only_host(policy: &Policy) -> Option<String> {
    let named = policy
        .services
        .iter()
        .flat_map(|s| &s.hosts)
        .any(|h| *h != HostPattern::Any);
    (!named).then(|| "host.invalid".to_string())
}

/// Where the line belongs: the allow whose target it reaches first, in any variant.
fn route(routes: &Engine, request: &Shaped<'_>, variants: &[Variant], worker: &mut Worker) -> String {
    let mut reached: Vec<Exchange> = variants
        .iter()
        .filter(|v| !v.preflight)
        .map(|v| request.decide(routes, v, Approximation::Over, worker))
        .collect();
    reached.sort_by_key(|exchange| exchange.decision().effect() != Effect::Allow);
    reached.first().map(decider).unwrap_or_default()
}

fn is_denied(exchange: &Exchange) -> bool {
    exchange.decision().effect() == Effect::Deny
}

/// The id of the deciding rule, else the reason with its detail.
pub(super) fn decider(exchange: &Exchange) -> String {
    let decision = exchange.decision();
    match (decision.rule(), decision.detail()) {
        (Some(rule), _) => exchange.rule_id(rule).to_string(),
        (None, Some(detail)) => format!("{} {detail}", decision.reason().code()),
        (None, None) => decision.reason().code().to_string(),
    }
}
