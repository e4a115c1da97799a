//! The phases of one proxied exchange: request headers -> decision -> forward with rewrites, or a local reply;
//! response headers -> what the decision sets and drops there. Knows no ABI.
//!
//! Invariant: unless in shadow mode, nothing goes on ([`Step::Continue`]) that was not allowed with everything the
//! allow demands carried out. A local reply passes the response phase of the very same filter, so the state says
//! that there is nothing more to do.

use std::rc::Rc;

use portcullis::Now;
use portcullis::decide::OwnedDecision;
use portcullis::decision::{Effect, Reason};
use portcullis::exchange::{ChargeOutcome, Exchange, Next, Reply, Rewrites};

use crate::config::Logged;
use crate::deployment::Deployment;
use crate::facts::{Facts, Line, Rewriting};
use crate::host::{Host, Level, Map, Refused};
use crate::log;
use crate::reply::{DECISION_HEADER, Refusal};
use crate::ruling::Ruling;
use crate::shared::Shared;

/// Whether the gateway goes on with the exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It does.
    Continue,
    /// It does not: it was answered.
    Stop,
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
    /// It went on; what its later parts get.
    Forwarded(Binding),
    /// It was answered here.
    Replied,
    /// Shadow mode saw it.
    Watched,
}

/// What an allow demands of the parts that come after the request's headers.
#[derive(Debug)]
struct Binding {
    /// Where the decision was logged.
    id: Option<String>,
    /// Names that the policy alone writes upstream.
    request: Vec<String>,
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
        self.state = State::Waiting;
        let deployment = Rc::clone(&self.deployment);
        let facts = match Facts::read(host, &deployment.options, deployment.reads) {
            Ok(facts) => facts,
            Err(error) => {
                let ruling = Ruling::internal(&error.to_string());
                return self.refuse(host, shared, &Facts::default(), ruling, None);
            }
        };
        let now = Now {
            wall_us: deployment.reads.clock.then(|| host.now_us()).flatten(),
            mono_us: 0,
        };
        let Ok(mut worker) = shared.worker.try_borrow_mut() else {
            return self.refuse(host, shared, &facts, Ruling::internal("reentered"), None);
        };
        let mut exchange = facts.with_view(|view| deployment.engine.begin(&mut worker, view, now));
        drop(worker);
        if let Err(missing) = settle(&mut exchange) {
            return self.refuse(host, shared, &facts, Ruling::internal(missing), None);
        }
        match exchange.next() {
            Next::Forward(rewrites) => {
                let carried_out = match deployment.options.shadow {
                    true => Ok(()),
                    false => carry_out(host, &facts.line(), &rewrites),
                };
                match carried_out {
                    Ok(()) => self.forward(host, shared, &facts, exchange),
                    Err(ruling) => self.refuse(host, shared, &facts, ruling, None),
                }
            }
            Next::Reply(reply) => {
                let ruling = Ruling::of(&exchange).replied(&reply);
                self.refuse(host, shared, &facts, ruling, Some(&reply))
            }
            Next::Charge(_) | Next::ReadBody { .. } => {
                self.refuse(host, shared, &facts, Ruling::internal("unsettled"), None)
            }
        }
    }

    /// Request trailers are there; what the policy alone writes comes by them neither.
    pub fn request_trailers(&mut self, host: &dyn Host, shared: &Shared) -> Step {
        let State::Forwarded(binding) = &self.state else {
            return self.request_rest();
        };
        let mut names = binding.request.iter();
        if names.all(|name| host.remove(Map::RequestTrailers, name).is_ok()) {
            return Step::Continue;
        }
        self.replace(host, shared, "request_trailers_not_rewritten")
    }

    /// Response trailers are there. The answer is on its way, so what can not be carried out ends it.
    pub fn response_trailers(&mut self, host: &dyn Host) -> Step {
        let State::Forwarded(binding) = &self.state else {
            return Step::Continue;
        };
        let set = binding.set.iter().map(|(name, _)| name);
        // As in the headers, an id is never somebody else's.
        let names = binding.drop.iter().chain(set).map(String::as_str);
        let rewritten = names
            .chain([DECISION_HEADER])
            .all(|name| host.remove(Map::ResponseTrailers, name).is_ok());
        if rewritten {
            return Step::Continue;
        }
        host.log(Level::Error, "portcullis: response trailers were not rewritten");
        self.state = State::Replied;
        host.close();
        Step::Stop
    }

    /// A part of the request's body.
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
        let State::Forwarded(binding) = &self.state else {
            return Step::Continue;
        };
        if binding.apply(host).is_ok() {
            return Step::Continue;
        }
        self.replace(host, shared, "response_not_rewritten")
    }

    /// Answers in the place of what was on its way under an allow that can not be carried out.
    fn replace(&mut self, host: &dyn Host, shared: &Shared, detail: &str) -> Step {
        self.refuse(host, shared, &Facts::default(), Ruling::internal(detail), None)
    }

    /// Lets the request go on, which by now is what was decided on.
    fn forward(&mut self, host: &dyn Host, shared: &Shared, facts: &Facts<'_>, exchange: Exchange) -> Step {
        let decision = exchange.decision();
        self.count(host, shared, decision.effect, decision.reason);
        // An id leads to a log line, so without one there is none.
        let id = self.logs(decision.effect).then(|| shared.ids.next(self.context));
        if let Some(id) = &id {
            self.log(host, id, facts, &Ruling::of(&exchange));
        }
        self.state = match self.deployment.options.shadow {
            true => State::Watched,
            false => State::Forwarded(Binding::of(exchange.into_decision(), id)),
        };
        Step::Continue
    }

    fn refuse(
        &mut self,
        host: &dyn Host,
        shared: &Shared,
        facts: &Facts<'_>,
        ruling: Ruling,
        said: Option<&Reply<'_>>,
    ) -> Step {
        let known = match &self.state {
            State::Forwarded(binding) => binding.id.clone(),
            State::Waiting | State::Replied | State::Watched => None,
        };
        let id = known.unwrap_or_else(|| shared.ids.next(self.context));
        self.count(host, shared, ruling.effect, ruling.reason);
        if self.logs(ruling.effect) {
            self.log(host, &id, facts, &ruling);
        }
        if self.deployment.options.shadow {
            self.state = State::Watched;
            return Step::Continue;
        }
        self.state = State::Replied;
        let refusal = Refusal {
            status: ruling.status,
            reason: ruling.reason,
            message: said.and_then(|reply| reply.message),
            headers: said.map_or(&[], |reply| reply.headers),
            id: &id,
            explain: self.deployment.options.explain,
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
                // A client that waits for one would wait for ever.
                host.close();
            }
        }
        Step::Stop
    }

    fn count(&self, host: &dyn Host, shared: &Shared, effect: Effect, reason: Reason) {
        let shadow = self.deployment.options.shadow;
        shared.counters.decision(host, effect, reason, shadow);
    }

    fn logs(&self, effect: Effect) -> bool {
        match self.deployment.options.log {
            Logged::All => true,
            Logged::Denied => effect == Effect::Deny,
            Logged::None => false,
        }
    }

    fn log(&self, host: &dyn Host, id: &str, facts: &Facts<'_>, ruling: &Ruling) {
        let line = facts.line();
        let line = log::Line {
            id,
            request_id: facts.header("x-request-id"),
            ruling,
            method: line.method,
            target: line.target,
            policy: &self.deployment.digest,
            shadow: self.deployment.options.shadow,
        };
        host.log(Level::Info, &line.text());
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

/// Makes the request what was decided on; where the gateway does not, the ruling is another one.
fn carry_out(host: &dyn Host, line: &Line<'_>, rewrites: &Rewrites<'_>) -> Result<(), Ruling> {
    if line.rewriting == Rewriting::Refused && rewrites.target.as_bytes() != line.target {
        return Err(Ruling {
            status: Reason::Malformed.status(),
            reason: Reason::Malformed,
            ..Ruling::internal("not_canonical")
        });
    }
    rewrite(host, line, rewrites).map_err(|Refused(_)| Ruling::internal("request_not_rewritten"))
}

fn rewrite(host: &dyn Host, line: &Line<'_>, rewrites: &Rewrites<'_>) -> Result<(), Refused> {
    for name in rewrites.request_drop {
        host.remove(Map::Request, name)?;
    }
    for (name, value) in rewrites.request_set {
        // Replacing may leave a second line of the name behind.
        host.remove(Map::Request, name)?;
        host.add(Map::Request, name, value)?;
    }
    if line.rewriting == Rewriting::Path && rewrites.target.as_bytes() != line.target {
        host.replace(Map::Request, ":path", rewrites.target)?;
    }
    Ok(())
}

impl Binding {
    fn of(decision: OwnedDecision, id: Option<String>) -> Binding {
        let mut request = decision.request_drop;
        request.extend(decision.request_set.into_iter().map(|(name, _)| name));
        Binding {
            id,
            request,
            drop: decision.response_drop,
            set: decision.response_set,
        }
    }

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
        // With an id or without, the header is never somebody else's.
        host.remove(Map::Response, DECISION_HEADER)?;
        match &self.id {
            Some(id) => host.add(Map::Response, DECISION_HEADER, id),
            None => Ok(()),
        }
    }
}
