//! The phases of one proxied exchange: request headers -> [`Exchange`] -> forward with rewrites, or a local reply; response
//! headers -> the exchange's edits of them. Knows no ABI, and no policy: what is due and what is granted, the engine says.
//!
//! Invariant: unless in shadow mode, nothing goes on ([`Step::Continue`]) but what [`Next::Forward`] and
//! [`ResponseNext::Pass`] let go. A local reply passes the response phase of the very same filter, so the state says that
//! there is nothing more to do.

use std::rc::Rc;

use portcullis::decision::{Effect, HeaderLines, Reason};
use portcullis::exchange::{End, ResponseEdits, Rewrites};
use portcullis::{Carries, Exchange, Next, Now, RequestView, ResponseNext};

use crate::config::{Kind, Logged};
use crate::deployment::Deployment;
use crate::facts::{Facts, Line, Rewriting};
use crate::host::{Host, Level, Map, Refused};
use crate::log;
use crate::pairs::Pairs;
use crate::reply::{DECISION_HEADER, Refusal};
use crate::shared::Shared;
use crate::text::quote;

/// The plugin has no store of quotas, which it says when a charge is due, and reads no bodies yet.
const CARRIES: Carries = Carries {
    introspection: false,
    charges: true,
    request_body: false,
    response_body: false,
};

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
    /// Begun with the request's headers.
    exchange: Option<Exchange>,
    /// Where the decision was logged.
    id: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// No request was seen.
    Waiting,
    /// It went on.
    Forwarded,
    /// It was answered here.
    Replied,
    /// Shadow mode saw it.
    Watched,
}

impl Filter {
    /// An exchange under the deployment in force; `context` is the gateway's number of it.
    pub fn new(deployment: Rc<Deployment>, context: u32) -> Filter {
        Filter {
            deployment,
            context,
            state: State::Waiting,
            exchange: None,
            id: None,
        }
    }

    /// Request headers are there. Asked again, it decides again; it replies once.
    pub fn request_headers(&mut self, host: &dyn Host, shared: &Shared) -> Step {
        if self.state == State::Replied {
            return Step::Stop;
        }
        (self.state, self.id) = (State::Waiting, None);
        let mut exchange = self.exchange.take().unwrap_or_else(|| shared.exchange());
        let deployment = Rc::clone(&self.deployment);
        let step = match Facts::read(host, &deployment.options, deployment.reads) {
            Ok(facts) => {
                self.begin(&mut exchange, host, shared, &facts);
                self.settle(&mut exchange, host, shared, &facts)
            }
            Err(error) => {
                exchange.reject(error.reason(), &error.to_string());
                self.settle(&mut exchange, host, shared, &Facts::default())
            }
        };
        self.exchange = Some(exchange);
        step
    }

    fn begin(&self, exchange: &mut Exchange, host: &dyn Host, shared: &Shared, facts: &Facts<'_>) {
        let deployment = &self.deployment;
        let wall_us = deployment.reads.clock.then(|| host.now_us()).flatten();
        let now = Now {
            wall_us,
            // There is no other clock. What it measures is when keys were last asked for.
            mono_us: wall_us
                .and_then(|now| u64::try_from(now).ok())
                .unwrap_or_default(),
        };
        facts.with_view(|view| self.decide(exchange, shared, view, now));
    }

    /// From the beginning of the decision to what is next.
    fn decide(&self, exchange: &mut Exchange, shared: &Shared, view: &RequestView<'_>, now: Now) {
        let Ok(mut worker) = shared.worker.try_borrow_mut() else {
            exchange.reject(Reason::Internal, "reentered");
            return;
        };
        let next = self
            .deployment
            .engine
            .begin(exchange, &mut worker, view, CARRIES, now);
        // No plugin has a store by itself.
        if matches!(next, Next::Charge(_)) {
            let _ = exchange.store_failed();
        }
    }

    /// Does what the exchange says.
    fn settle(
        &mut self,
        exchange: &mut Exchange,
        host: &dyn Host,
        shared: &Shared,
        facts: &Facts<'_>,
    ) -> Step {
        if let Next::Forward(rewrites) = exchange.next()
            && let Err((reason, detail)) = self.carry_out(host, facts, &rewrites)
        {
            let _ = exchange.failed(reason, detail);
        }
        match exchange.next() {
            Next::Forward(_) => self.forward(exchange, host, shared, facts),
            Next::Reply(_) => self.refuse(exchange, host, shared, facts),
            // The engine asks for no step that is not carried; should it, nothing goes on.
            Next::Introspect(_) | Next::ReadBody { .. } | Next::Charge(_) => {
                exchange.reject(Reason::Internal, "unsettled");
                self.refuse(exchange, host, shared, facts)
            }
        }
    }

    /// Request trailers are there; what the policy alone writes comes by them neither.
    pub fn request_trailers(&mut self, host: &dyn Host, shared: &Shared) -> Step {
        let (State::Forwarded, Some(exchange)) = (self.state, &self.exchange) else {
            return self.request_rest();
        };
        let removed = exchange
            .request_trailers()
            .is_ok_and(|mut names| names.all(|name| host.remove(Map::RequestTrailers, name).is_ok()));
        if removed {
            return Step::Continue;
        }
        self.replace(host, shared, "request_trailers_not_rewritten")
    }

    /// Response trailers are there. The answer is on its way, so what cannot be carried out ends it.
    pub fn response_trailers(&mut self, host: &dyn Host) -> Step {
        let (State::Forwarded, Some(exchange)) = (self.state, &self.exchange) else {
            return Step::Continue;
        };
        // As in the headers, an id is never somebody else's.
        let rewritten = exchange.response_trailers().is_ok_and(|names| {
            names
                .chain([DECISION_HEADER])
                .all(|name| host.remove(Map::ResponseTrailers, name).is_ok())
        });
        if rewritten {
            return Step::Continue;
        }
        host.log(Level::Error, "portcullis: response trailers were not rewritten");
        if self.in_nginx() {
            return Step::Continue;
        }
        self.state = State::Replied;
        host.close();
        Step::Stop
    }

    /// A part of the request's body.
    pub fn request_rest(&self) -> Step {
        match self.state {
            State::Forwarded | State::Watched => Step::Continue,
            State::Waiting if self.deployment.options.shadow => Step::Continue,
            State::Waiting | State::Replied => Step::Stop,
        }
    }

    /// Response headers are there: of the upstream, of this filter's own reply, or of a reply that the gateway made
    /// before this filter saw a request. Only the first is touched.
    pub fn response_headers(&mut self, host: &dyn Host, shared: &Shared) -> Step {
        let in_nginx = self.in_nginx();
        let (State::Forwarded, Some(exchange)) = (self.state, &mut self.exchange) else {
            return Step::Continue;
        };
        // Another head of the same response (1xx) is edited as the first.
        let edits = match exchange.response_head(None, None) {
            Ok(ResponseNext::Pass(edits)) => Some(edits),
            Ok(ResponseNext::CarryOut(_) | ResponseNext::Replace(_)) => None,
            Err(_) => exchange.response_edits().ok(),
        };
        // Looking costs a call. NGINX's host makes empty lines of what is removed and was not there.
        let seen = in_nginx.then(|| host.headers(Map::Response)).flatten();
        match edits {
            Some(edits) if apply(host, &edits, self.id.as_deref(), seen.as_ref()).is_ok() => Step::Continue,
            // No response is held back there, and a trap lets it pass too.
            _ if in_nginx => {
                host.log(Level::Error, "portcullis: the response was not rewritten");
                Step::Continue
            }
            _ => self.replace(host, shared, "response_not_rewritten"),
        }
    }

    fn in_nginx(&self) -> bool {
        self.deployment.options.gateway == Kind::Nginx
    }

    /// Makes the request what was decided on, unless in shadow mode; where the gateway cannot, the reason and detail of
    /// a refusal.
    fn carry_out(
        &self,
        host: &dyn Host,
        facts: &Facts<'_>,
        rewrites: &Rewrites<'_>,
    ) -> Result<(), (Reason, &'static str)> {
        let line = facts.line();
        if line.rewriting == Rewriting::Additions
            && let Some(detail) = obstacle(facts, &line, rewrites)
        {
            return Err((Reason::Malformed, detail));
        }
        if self.deployment.options.shadow {
            return Ok(());
        }
        rewrite(host, &line, rewrites).map_err(|Refused(_)| (Reason::Internal, "request_not_rewritten"))
    }

    /// Answers in the place of what was on its way under an allow that cannot be carried out.
    fn replace(&mut self, host: &dyn Host, shared: &Shared, detail: &str) -> Step {
        let mut exchange = self.exchange.take().unwrap_or_else(|| shared.exchange());
        if exchange.failed(Reason::Internal, detail).is_err() {
            exchange.reject(Reason::Internal, detail);
        }
        let step = self.refuse(&exchange, host, shared, &Facts::default());
        self.exchange = Some(exchange);
        step
    }

    /// The gateway has done with the exchange.
    pub fn end(&mut self, host: &dyn Host, shared: &Shared) {
        if let Some(mut exchange) = self.exchange.take() {
            // Of one that was forwarded the gateway does not say how it ended.
            let record = exchange.finish(End::Completed, Now::default());
            if let Some(file) = record.ok().and_then(|record| record.keys_to_fetch) {
                let mut line =
                    String::from("portcullis: a token names a key that is not loaded, fetch again ");
                quote(&mut line, file.as_bytes(), log::TEXT_MAX);
                host.log(Level::Warn, &line);
            }
            shared.take_back(exchange);
        }
    }

    /// Lets the request go on, which by now is what was decided on.
    fn forward(&mut self, exchange: &Exchange, host: &dyn Host, shared: &Shared, facts: &Facts<'_>) -> Step {
        let effect = exchange.decision().effect();
        self.count(exchange, host, shared);
        // An id leads to a log line, so without one there is none.
        self.id = self.logs(effect).then(|| shared.ids.next(self.context));
        if let Some(id) = &self.id {
            self.log(host, id, facts, exchange);
        }
        self.state = match self.deployment.options.shadow {
            true => State::Watched,
            false => State::Forwarded,
        };
        Step::Continue
    }

    fn refuse(&mut self, exchange: &Exchange, host: &dyn Host, shared: &Shared, facts: &Facts<'_>) -> Step {
        let decision = exchange.decision();
        let id = self.id.take().unwrap_or_else(|| shared.ids.next(self.context));
        self.count(exchange, host, shared);
        if self.logs(decision.effect()) {
            self.log(host, &id, facts, exchange);
        }
        if self.deployment.options.shadow {
            self.state = State::Watched;
            return Step::Continue;
        }
        self.state = State::Replied;
        let refusal = Refusal {
            status: decision.status(),
            reason: decision.reason(),
            message: decision.message(),
            headers: decision.response_set(),
            id: &id,
            explain: self.deployment.options.explain,
        };
        if refusal.send(|reply| host.reply(reply)).is_err() {
            // Perhaps it was a header that the gateway did not like. Whatever happens, nothing goes on.
            let bare = Refusal {
                headers: HeaderLines::default(),
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

    fn count(&self, exchange: &Exchange, host: &dyn Host, shared: &Shared) {
        let (decision, shadow) = (exchange.decision(), self.deployment.options.shadow);
        shared
            .counters
            .decision(host, decision.effect(), decision.reason(), shadow);
    }

    fn logs(&self, effect: Effect) -> bool {
        match self.deployment.options.log {
            Logged::All => true,
            Logged::Denied => effect == Effect::Deny,
            Logged::None => false,
        }
    }

    fn log(&self, host: &dyn Host, id: &str, facts: &Facts<'_>, exchange: &Exchange) {
        let line = facts.line();
        let line = log::Line {
            id,
            request_id: facts.header("x-request-id"),
            exchange,
            method: line.method,
            target: line.target,
            policy: &self.deployment.digest,
            shadow: self.deployment.options.shadow,
        };
        host.log(Level::Info, &line.text());
    }
}

/// What of a request that can only be added to is not what was decided on: the detail of a refusal.
fn obstacle(facts: &Facts<'_>, line: &Line<'_>, rewrites: &Rewrites<'_>) -> Option<&'static str> {
    let set = rewrites.set.clone().map(|(name, _)| name);
    let mut replaced = rewrites.drop.clone().chain(set);
    let asks = |value: &[u8]| {
        let mut options = value.split(|byte| *byte == b',');
        options.any(|option| option.trim_ascii().eq_ignore_ascii_case(b"upgrade"))
    };
    if rewrites.target.as_bytes() != line.target {
        Some("not_canonical")
    } else if replaced.any(|name| facts.values(name).next().is_some()) {
        Some("header_not_removable")
    } else if facts.values("upgrade").next().is_some() && !facts.values("connection").any(asks) {
        // Not an upgrade, so it was decided on as a plain request. Configurations that look at `$http_upgrade` alone
        // make an upgrade of it.
        Some("upgrade_without_connection")
    } else {
        None
    }
}

fn rewrite(host: &dyn Host, line: &Line<'_>, rewrites: &Rewrites<'_>) -> Result<(), Refused> {
    // Where nothing can be removed, there is none of these.
    if line.rewriting != Rewriting::Additions {
        let set = rewrites.set.clone().map(|(name, _)| name);
        for name in rewrites.drop.clone().chain(set) {
            host.remove(Map::Request, name)?;
        }
    }
    // Replacing may leave a second line of the name behind.
    for (name, value) in rewrites.set.clone() {
        host.add(Map::Request, name, value)?;
    }
    if line.rewriting == Rewriting::Path && rewrites.target.as_bytes() != line.target {
        host.replace(Map::Request, ":path", rewrites.target)?;
    }
    Ok(())
}

/// Edits the response's headers. `seen` are those that are there; without it, everything is removed that may be there.
/// What fails does not keep the rest from being done: the first failure is told.
fn apply(
    host: &dyn Host,
    edits: &ResponseEdits<'_>,
    id: Option<&str>,
    seen: Option<&Pairs>,
) -> Result<(), Refused> {
    let is_there = |name: &str| seen.is_none_or(|seen| seen.values(name).next().is_some());
    // One line that becomes one line: removed and added it would leave an empty one behind in NGINX.
    let is_replaced = |name: &str| {
        seen.is_some_and(|seen| seen.only(name).is_some())
            && edits.add().filter(|(own, _)| *own == name).count() == 1
            && name != "vary"
    };
    let mut done = Ok(());
    for name in edits.remove() {
        if is_there(name) && !is_replaced(name) {
            done = done.and(host.remove(Map::Response, name));
        }
    }
    for (name, value) in edits.add() {
        done = done.and(match is_replaced(name) {
            true => host.replace(Map::Response, name, value),
            false => host.add(Map::Response, name, value),
        });
    }
    // With an id or without, the header is never somebody else's.
    if is_there(DECISION_HEADER) {
        done = done.and(host.remove(Map::Response, DECISION_HEADER));
    }
    match id {
        Some(id) => done.and(host.add(Map::Response, DECISION_HEADER, id)),
        None => done,
    }
}

#[cfg(test)]
#[path = "tests/allocations.rs"]
mod tests;
