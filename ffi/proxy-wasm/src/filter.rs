//! The phases of one proxied exchange: request headers -> decision -> forward with rewrites, or a local reply;
//! response headers -> what the decision sets and drops there. Knows no ABI.
//!
//! Invariant: unless in shadow mode, nothing goes on ([`Step::Continue`]) that was not allowed with everything the
//! allow demands carried out. A local reply passes the response phase of the very same filter, so the state says
//! that there is nothing more to do.

use std::rc::Rc;

use portcullis::decide::{Effect, OwnedDecision, Reason};
use portcullis::exchange::{ChargeOutcome, Exchange, Next, Rewrites};
use portcullis::{Now, Snapshot};

use crate::config::Logged;
use crate::deployment::Deployment;
use crate::facts::{Facts, Line};
use crate::host::{Host, Level, Map, Refused};
use crate::log;
use crate::reply::{DECISION_HEADER, Refusal};
use crate::shared::Shared;

/// Whether the gateway goes on with the exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It does.
    Continue,
    /// It does not: it was answered.
    Stop,
}

/// What became of a request, as counters and log lines tell it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruling {
    /// Effect.
    pub effect: Effect,
    /// Status of the answer, 200 where it goes on.
    pub status: u16,
    /// Why.
    pub reason: Reason,
    /// Detail code.
    pub detail: Option<String>,
    /// Id of the deciding rule.
    pub rule: Option<String>,
    /// Tags of the policy.
    pub tags: Vec<String>,
    /// Reported rules, and whether they were true (or unknown).
    pub report: Vec<(String, bool)>,
}

/// One proxied exchange.
#[derive(Debug)]
pub struct Filter {
    deployment: Rc<Deployment>,
    context: u32,
    state: State,
}

#[derive(Debug)]
enum State {
    /// No request was seen.
    Waiting,
    /// It went on; what the response gets.
    Forwarded(ForResponse),
    /// It was answered here.
    Replied,
    /// Shadow mode saw it.
    Watched,
}

#[derive(Debug)]
struct ForResponse {
    id: String,
    drop: Vec<String>,
    set: Vec<(String, String)>,
}

impl Filter {
    /// An exchange under the deployment in force; `context` is the gateway's number of it.
    pub fn new(deployment: Rc<Deployment>, context: u32) -> Filter {
        Filter {
            deployment,
            context,
            state: State::Waiting,
        }
    }

    /// Request headers are there. Asked again, it decides again; it replies once.
    pub fn request_headers(&mut self, host: &dyn Host, shared: &Shared) -> Step {
        if matches!(self.state, State::Replied) {
            return Step::Stop;
        }
        let deployment = Rc::clone(&self.deployment);
        let Some(facts) = Facts::read(host, &deployment.options) else {
            let id = shared.ids.of(None, self.context);
            let ruling = Ruling::internal("headers_unreadable");
            return self.refuse(host, shared, &id, &Facts::default(), ruling, None);
        };
        let id = shared.ids.of(facts.header("x-request-id"), self.context);
        let now = Now {
            wall_us: host.now_us(),
            mono_us: 0,
        };
        let Ok(mut worker) = shared.worker.try_borrow_mut() else {
            return self.refuse(host, shared, &id, &facts, Ruling::internal("reentered"), None);
        };
        let mut exchange = facts.with_view(|view| deployment.engine.begin(&mut worker, view, now));
        drop(worker);
        if let Err(missing) = settle(&mut exchange) {
            return self.refuse(host, shared, &id, &facts, Ruling::internal(missing), None);
        }
        let snapshot = exchange.snapshot().map(|snapshot| &**snapshot);
        let ruling = Ruling::of(exchange.decision(), snapshot);
        match exchange.next() {
            Next::Forward(rewrites) => self.forward(host, shared, &id, &facts, ruling, &rewrites),
            _ => self.refuse(host, shared, &id, &facts, ruling, Some(exchange.decision())),
        }
    }

    /// A part of the request's body, or its trailers.
    pub fn request_rest(&self) -> Step {
        match self.state {
            State::Forwarded(_) | State::Watched => Step::Continue,
            State::Waiting if self.deployment.options.shadow => Step::Continue,
            State::Waiting | State::Replied => Step::Stop,
        }
    }

    /// Response headers are there: of the upstream, of this filter's own reply, or of a reply that the gateway made
    /// before this filter saw a request. Only the first is touched.
    pub fn response_headers(&mut self, host: &dyn Host, shared: &Shared) -> Step {
        let State::Forwarded(response) = &self.state else {
            return Step::Continue;
        };
        if response.apply(host).is_ok() {
            return Step::Continue;
        }
        let id = response.id.clone();
        let ruling = Ruling::internal("response_not_rewritten");
        self.refuse(host, shared, &id, &Facts::default(), ruling, None)
    }

    fn forward(
        &mut self,
        host: &dyn Host,
        shared: &Shared,
        id: &str,
        facts: &Facts,
        ruling: Ruling,
        rewrites: &Rewrites<'_>,
    ) -> Step {
        let line = facts.line();
        if !self.deployment.options.shadow {
            if rewrite(host, &line, rewrites).is_err() {
                let ruling = Ruling::internal("request_not_rewritten");
                return self.refuse(host, shared, id, facts, ruling, None);
            }
            self.state = State::Forwarded(ForResponse {
                id: id.to_string(),
                drop: rewrites.response_drop.to_vec(),
                set: rewrites.response_set.to_vec(),
            });
        } else {
            self.state = State::Watched;
        }
        self.tell(host, shared, id, &line, &ruling);
        Step::Continue
    }

    fn refuse(
        &mut self,
        host: &dyn Host,
        shared: &Shared,
        id: &str,
        facts: &Facts,
        ruling: Ruling,
        decision: Option<&OwnedDecision>,
    ) -> Step {
        self.tell(host, shared, id, &facts.line(), &ruling);
        if self.deployment.options.shadow {
            self.state = State::Watched;
            return Step::Continue;
        }
        self.state = State::Replied;
        let refusal = Refusal {
            status: ruling.status,
            reason: ruling.reason,
            message: decision.and_then(|decision| decision.message.as_deref()),
            headers: decision.map_or(&[], |decision| &decision.response_set),
            id,
        };
        if refusal.send(|reply| host.reply(reply)).is_err() {
            // Perhaps it was a header that the gateway did not like. Whatever happens, nothing goes on.
            let bare = Refusal {
                headers: &[],
                message: None,
                ..refusal
            };
            if bare.send(|reply| host.reply(reply)).is_err() {
                host.log(Level::Error, "portcullis: the gateway sends no reply");
            }
        }
        Step::Stop
    }

    fn tell(&self, host: &dyn Host, shared: &Shared, id: &str, line: &Line<'_>, ruling: &Ruling) {
        let options = &self.deployment.options;
        let (effect, reason) = (ruling.effect, ruling.reason);
        shared.counters.decision(host, effect, reason, options.shadow);
        let logged = match options.log {
            Logged::All => true,
            Logged::Denied => effect == Effect::Deny,
            Logged::None => false,
        };
        if logged {
            let line = log::Line {
                id,
                ruling,
                method: line.method,
                target: line.target,
                policy: &self.deployment.digest,
                shadow: options.shadow,
            };
            host.log(Level::Info, &line.text());
        }
    }
}

/// Answers the questions that the plugin can answer; what it can not is the error. Quotas need a store, which no
/// plugin has by itself; bodies are not read yet.
fn settle(exchange: &mut Exchange) -> Result<(), &'static str> {
    if matches!(exchange.next(), Next::Charge(_)) {
        exchange.charged(ChargeOutcome::StoreFailed);
    }
    match exchange.next() {
        Next::Charge(_) => Err("quotas_not_enforced"),
        Next::ReadBody { .. } => Err("request_body_not_enforced"),
        Next::Forward(rewrites) if rewrites.response.is_some() => Err("response_body_not_enforced"),
        Next::Forward(_) | Next::Reply(_) => Ok(()),
    }
}

/// Makes the request what was decided on.
fn rewrite(host: &dyn Host, line: &Line<'_>, rewrites: &Rewrites<'_>) -> Result<(), Refused> {
    for name in rewrites.request_drop {
        host.remove(Map::Request, name)?;
    }
    for (name, value) in rewrites.request_set {
        // Replacing may leave a second line of the name behind.
        host.remove(Map::Request, name)?;
        host.add(Map::Request, name, value)?;
    }
    if line.has_path && rewrites.target.as_bytes() != line.target {
        host.replace(Map::Request, ":path", rewrites.target)?;
    }
    Ok(())
}

impl ForResponse {
    fn apply(&self, host: &dyn Host) -> Result<(), Refused> {
        for name in &self.drop {
            host.remove(Map::Response, name)?;
        }
        // What the upstream varies by still holds.
        let replaced = self.set.iter().filter(|(name, _)| name != "vary");
        for (name, _) in replaced {
            host.remove(Map::Response, name)?;
        }
        for (name, value) in &self.set {
            host.add(Map::Response, name, value)?;
        }
        host.replace(Map::Response, DECISION_HEADER, &self.id)
    }
}

impl Ruling {
    fn internal(detail: &str) -> Ruling {
        Ruling {
            effect: Effect::Deny,
            status: Reason::Internal.status(),
            reason: Reason::Internal,
            detail: Some(detail.to_string()),
            rule: None,
            tags: Vec::new(),
            report: Vec::new(),
        }
    }

    fn of(decision: &OwnedDecision, snapshot: Option<&Snapshot>) -> Ruling {
        let rules = snapshot.map(|snapshot| &snapshot.image.config().rules);
        let id_of = |rule: u32| {
            let rule = rules.and_then(|rules| rules.get(rule as usize));
            rule.map_or_else(String::new, |rule| rule.id.to_string())
        };
        let report = decision.report.iter();
        Ruling {
            effect: decision.effect,
            status: decision.status,
            reason: decision.reason,
            detail: decision.detail.clone(),
            rule: decision.rule.map(id_of),
            tags: decision.tags.clone(),
            report: report.map(|(rule, certain)| (id_of(*rule), *certain)).collect(),
        }
    }
}
