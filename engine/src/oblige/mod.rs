//! Head of a verdict -> whole verdict: what binds with it. Quotas, headers, redaction, demands on bodies and
//! queries, CORS, sunset and transport, merged so that the strictest wins, whatever the order (section 7).
//!
//! Invariant: this module decides nothing about rules. Who granted and which standing rules are true or unknown
//! is handed in as a [`Binding`]; it knows no graph, no route and no policy syntax.

// verdict -> headers of the engine's own
mod cors;
mod grpc;
mod http_date;

// rules that bind -> one demand each
mod body;
mod headers;
mod query;
mod quotas;
mod redact;

#[cfg(test)]
mod tests;

use crate::decide::{Decision, Effect, Reason, ResponsePlan};
use crate::front::Canonical;
use crate::front::credentials::Credentials;
use crate::front::facts::Facts;
use crate::image::config::{Config, Cors, Rule, RuleIndex, Service};

pub use cors::is_preflight;
pub use grpc::status as grpc_status;
pub use http_date::imf_fixdate;

/// Challenge of each credential kind, in the order of kinds.
pub const CHALLENGES: [&str; 4] = ["Bearer", "ApiKey", "Certificate", "Signature"];

/// Who grants, what stands, and the request they are about.
pub struct Binding<'b> {
    /// Declarations of the image.
    pub config: &'b Config,
    /// Index into [`Config::services`].
    pub service: u32,
    /// Facts of the request.
    pub facts: &'b Facts<'b>,
    /// The request, normalised.
    pub canonical: &'b Canonical<'b>,
    /// Its credentials.
    pub credentials: &'b Credentials<'b>,
    /// TLS server name as the host gave it.
    pub sni: Option<&'b [u8]>,
    /// µs since the epoch, if the host gave it.
    pub now_us: Option<i64>,
    /// Allows that granted, sorted.
    pub granting: &'b [RuleIndex],
    /// `on` rules whose condition is true (true) or unknown (false), sorted; reported ones are not among them.
    pub standing: &'b [(RuleIndex, bool)],
    /// Whether bytes match the pattern table of [`crate::image::config::QueryField::matches`].
    pub match_pattern: &'b dyn Fn(u32, &[u8]) -> bool,
}

/// A rule that binds.
#[derive(Clone, Copy)]
struct Bound<'b> {
    index: RuleIndex,
    rule: Rule<'b>,
    /// Granting, or standing and true: its `set` and `tag` bind too.
    certain: bool,
}

impl<'b> Binding<'b> {
    fn service(&self) -> Option<&'b Service> {
        self.config.services.get(self.service as usize)
    }

    fn standing_rules(&self) -> impl Iterator<Item = Bound<'b>> + use<'b> {
        let config = self.config;
        self.standing.iter().filter_map(move |&(index, certain)| {
            config
                .rules
                .get(index as usize)
                .map(|rule| Bound { index, rule, certain })
        })
    }

    /// Granting allows and standing rules, by rule id.
    fn all_rules(&self) -> Vec<Bound<'b>> {
        let config = self.config;
        let granting = self.granting.iter().filter_map(move |&index| {
            config.rules.get(index as usize).map(|rule| Bound {
                index,
                rule,
                certain: true,
            })
        });
        let mut rules: Vec<Bound<'b>> = granting.chain(self.standing_rules()).collect();
        rules.sort_by_key(|bound| bound.index);
        rules
    }
}

/// Where a request stands in the life of what it asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sunset {
    /// No sunset binds.
    None,
    /// The earliest one that binds lies ahead (or the host gave no `now`): µs since the epoch.
    Before(i64),
    /// Past one.
    Gone,
}

/// The sunset of the service and of the standing rules that bind.
pub fn sunset(b: &Binding) -> Sunset {
    let of_service = b.service().and_then(|service| service.sunset_us);
    let earliest = b
        .standing_rules()
        .filter_map(|bound| bound.rule.body.sunset_us)
        .chain(of_service)
        .min();
    match (earliest, b.now_us) {
        (None, _) => Sunset::None,
        (Some(end), Some(now)) if now >= end => Sunset::Gone,
        (Some(end), _) => Sunset::Before(end),
    }
}

/// The detail code of the first demand on the connection that is not met.
pub fn transport(b: &Binding) -> Option<&'static str> {
    let of_service = b
        .service()
        .map_or((false, false), |s| (s.require_tls, s.require_sni));
    let (tls, sni) = b.standing_rules().fold(of_service, |(tls, sni), bound| {
        (
            tls || bound.rule.body.require_tls,
            sni || bound.rule.body.require_sni,
        )
    });
    let is_host = |name: &[u8]| name.eq_ignore_ascii_case(b.canonical.host.as_bytes());
    if tls && b.canonical.scheme != "https" {
        Some("tls")
    } else if sni && !b.sni.is_some_and(is_host) {
        Some("sni")
    } else {
        None
    }
}

/// After an allow granted (the caller set effect, status, reason and rule): a query or a quota that cannot be
/// keyed may still refuse; else everything that binds is filled in.
pub fn allow(b: &Binding, decision: &mut Decision) {
    let rules = b.all_rules();
    let target = match query::judge(b, &rules) {
        Ok(target) => target,
        Err(refusal) => {
            deny(
                decision,
                Reason::QueryRefused,
                refusal.status,
                Some(refusal.detail.to_string()),
            );
            return refuse(b, decision);
        }
    };
    match quotas::on_allow(b, &rules) {
        Ok(charges) => decision.quotas = charges,
        Err(unknown) => return refuse_quota(b, unknown, decision),
    }
    decision.rules = rules
        .iter()
        .filter(|bound| binds_on_allow(bound))
        .map(|bound| bound.index)
        .collect();
    decision.request_body = body::demand(&rules);
    decision.response = response_plan(&rules);
    decision.tags = tags(&rules);
    decision.upstream_target = Some(target);
    own_headers(b, decision);
    headers::request(b, &rules, decision);
    headers::response(b, &rules, decision);
}

/// After a denial within a service (the caller set the head; `response_set` may already hold challenges,
/// `allow`, `retry-after` and `location`, in this order): what standing rules carry on denials.
pub fn refuse(b: &Binding, decision: &mut Decision) {
    let standing: Vec<Bound> = b.standing_rules().collect();
    let charged = quotas::on_denial(b, &standing);
    carry(b, &standing, charged, decision);
}

/// Answers a preflight: before rules, under the quotas of the standing rules.
pub fn preflight(b: &Binding, cors: &Cors, decision: &mut Decision) {
    let standing: Vec<Bound> = b.standing_rules().collect();
    let charged = match quotas::on_preflight(b, &standing) {
        Ok(charged) => charged,
        Err(unknown) => return refuse_quota(b, unknown, decision),
    };
    decision.effect = Effect::Answer;
    decision.reason = Reason::Preflight;
    decision.status = Reason::Preflight.status();
    own_sunset(b, decision);
    cors::answer(b.canonical, cors, &mut decision.response_set);
    carry_after_own(b, &standing, charged, decision);
}

/// What a denial or an answer carries: charges, tags, response headers, and the rules they come from.
fn carry(b: &Binding, standing: &[Bound], charged: quotas::Charged, decision: &mut Decision) {
    own_headers(b, decision);
    carry_after_own(b, standing, charged, decision);
}

fn carry_after_own(b: &Binding, standing: &[Bound], charged: quotas::Charged, decision: &mut Decision) {
    let certain: Vec<Bound> = standing.iter().filter(|bound| bound.certain).copied().collect();
    headers::response(b, &certain, decision);
    decision.tags = tags(&certain);
    decision.rules = standing
        .iter()
        .filter(|bound| {
            let body = &bound.rule.body;
            let shows = !body.tags.is_empty() || body.headers.iter().any(|op| !op.request);
            (bound.certain && shows) || charged.by_rules.contains(&bound.index)
        })
        .map(|bound| bound.index)
        .collect();
    decision.quotas = charged.charges;
}

fn refuse_quota(b: &Binding, unknown: quotas::Unknown, decision: &mut Decision) {
    let status = if unknown.kind.is_some() {
        401
    } else {
        Reason::QuotaKeyUnknown.status()
    };
    deny(decision, Reason::QuotaKeyUnknown, status, Some(unknown.quota));
    let challenge = unknown.kind.and_then(|kind| CHALLENGES.get(usize::from(kind)));
    decision
        .response_set
        .extend(challenge.map(|text| ("www-authenticate".to_string(), (*text).to_string())));
    refuse(b, decision);
}

/// Makes a denial of a decision that so far was something else; only its reports stay.
fn deny(decision: &mut Decision, reason: Reason, status: u16, detail: Option<String>) {
    let report = std::mem::take(&mut decision.report);
    *decision = Decision {
        effect: Effect::Deny,
        status,
        reason,
        detail,
        report,
        ..Decision::default()
    };
}

/// Headers of the engine itself that any verdict of a service may carry; the caller's come before them.
fn own_headers(b: &Binding, decision: &mut Decision) {
    own_sunset(b, decision);
    if let Some(cors) = b.service().and_then(|service| service.cors.as_ref()) {
        cors::actual(b.canonical, cors, &mut decision.response_set);
    }
    if decision.effect == Effect::Deny && b.canonical.is_grpc() {
        let status = grpc::status(decision.status).to_string();
        decision.response_set.push(("grpc-status".to_string(), status));
    }
}

fn own_sunset(b: &Binding, decision: &mut Decision) {
    if let Sunset::Before(end) = sunset(b) {
        decision
            .response_set
            .push(("sunset".to_string(), imf_fixdate(end)));
    }
}

/// Whether a rule obliges anything on this allow. A granting allow does where it has a body; a standing rule
/// of unknown condition does not by its sets and tags.
fn binds_on_allow(bound: &Bound) -> bool {
    let body = &bound.rule.body;
    let certain = bound.certain;
    !body.limits.is_empty()
        || !body.redact.is_empty()
        || !body.accept.is_empty()
        || !body.accept_query.is_empty()
        || !body.require_response.is_empty()
        || body.headers.iter().any(|op| certain || op.value.is_none())
        || (certain && !body.tags.is_empty())
        || body.require_tls
        || body.require_sni
        || body.sunset_us.is_some()
}

fn tags(rules: &[Bound]) -> Vec<String> {
    let certain = rules.iter().filter(|bound| bound.certain);
    let mut tags: Vec<String> = certain
        .flat_map(|bound| bound.rule.body.tags.iter().cloned())
        .collect();
    tags.sort();
    tags.dedup();
    tags
}

fn response_plan(rules: &[Bound]) -> Option<ResponsePlan> {
    let redact = redact::merge(rules.iter().flat_map(|bound| &bound.rule.body.redact));
    let require: Vec<(RuleIndex, u16)> = rules
        .iter()
        .flat_map(|bound| {
            bound
                .rule
                .body
                .require_response
                .iter()
                .map(|&status| (bound.index, status))
        })
        .collect();
    (!redact.is_empty() || !require.is_empty()).then_some(ResponsePlan { redact, require })
}
