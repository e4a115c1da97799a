//! The phases of one proxied exchange: request headers and body -> [`Exchange`] -> forward with rewrites, or a local reply;
//! response headers and body -> the exchange's edits of them. Knows no ABI, and no policy: what is due and what is granted,
//! the engine says.
//!
//! Invariant: unless in shadow mode, nothing goes on ([`Step::Continue`]) but what [`Next::Forward`] and
//! [`portcullis::ResponseNext`] let go: a body that is to be judged is held, with the head before it, until it was; a body
//! under a plan leaves as the exchange puts it out. A local reply passes the response phase of the very same filter, so the
//! state says that there is nothing more to do.

mod edits;
mod response;

use std::rc::Rc;

use portcullis::decision::{Effect, HeaderLines, Reason};
use portcullis::exchange::{End, Rewrites};
use portcullis::{Carries, Exchange, Next, Now, RequestView};

use crate::config::{Kind, Logged};
use crate::deployment::Deployment;
use crate::facts::{Facts, Rewriting};
use crate::host::{Body, Host, Level, Map};
use crate::log;
use crate::reply::Refusal;
use crate::shared::Shared;
use crate::text::quote;

/// The steps that the plugin carries out. It has no store of quotas, which it says when a charge is due. NGINX's proxy-wasm
/// host changes no head once a body comes.
fn carries(gateway: Kind) -> Carries {
    let bodies = gateway == Kind::Envoy;
    Carries {
        introspection: false,
        charges: true,
        request_body: bodies,
        response_body: bodies,
    }
}

/// Envoy as it comes hands over no body while a head is held.
const NO_PARTS: &str = "portcullis: nothing came of a body that is to be read; \
    if nothing ever does, say `allow_on_headers_stop_iteration: true` in the plugin's `config`";

/// No plugin has a store by itself.
fn charge(exchange: &mut Exchange) {
    if matches!(exchange.next(), Next::Charge(_)) {
        let _ = exchange.store_failed();
    }
}

/// Whether the gateway goes on with the exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It does.
    Continue,
    /// It does not: it holds what came, or it was answered.
    Stop,
}

/// One proxied exchange.
#[derive(Debug)]
pub struct Filter {
    deployment: Rc<Deployment>,
    context: u32,
    state: State,
    /// Bytes that the gateway holds of the request's body and the engine has seen.
    seen: usize,
    /// A part of the body that is read has come.
    has_parts: bool,
    /// The response's head has left, and with it the first bytes of its body.
    is_sent: bool,
    /// Begun with the request's headers.
    exchange: Option<Exchange>,
    /// Where the decision was logged.
    id: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// No request was seen.
    Waiting,
    /// Its body is read; nothing of it has gone on.
    Reading,
    /// It went on.
    Forwarded,
    /// The body of its response goes through the engine.
    Streaming,
    /// Its response is under a plan, and its head says that there is no body.
    Bodiless,
    /// It was answered here.
    Replied,
    /// It was answered here or broken off after its response came: nothing of that goes on.
    Ended,
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
            seen: 0,
            has_parts: false,
            is_sent: false,
            exchange: None,
            id: None,
        }
    }

    /// Request headers are there; `end`: nothing follows them. Asked again, it decides again; it replies once.
    pub fn request_headers(&mut self, host: &dyn Host, shared: &Shared, end: bool) -> Step {
        if matches!(self.state, State::Replied | State::Ended) {
            return Step::Stop;
        }
        (self.state, self.id) = (State::Waiting, None);
        (self.seen, self.has_parts, self.is_sent) = (0, false, false);
        let mut exchange = self.exchange.take().unwrap_or_else(|| shared.exchange());
        let deployment = Rc::clone(&self.deployment);
        let step = match Facts::read(host, &deployment.options, deployment.reads) {
            Ok(facts) => {
                self.begin(&mut exchange, host, shared, &facts);
                if end && matches!(exchange.next(), Next::ReadBody { .. }) {
                    self.read(&mut exchange, host, shared, &[], true);
                }
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

    /// A part of the request's body is there: the gateway holds `size` bytes of it, those of parts that were held before
    /// among them. `end`: it is the last one.
    pub fn request_body(&mut self, host: &dyn Host, shared: &Shared, size: usize, end: bool) -> Step {
        if self.state != State::Reading {
            return self.request_rest();
        }
        self.has_parts = true;
        // What goes on is held no longer.
        let from = match self.deployment.options.shadow {
            true => 0,
            false => self.seen,
        };
        let part = match size.checked_sub(from) {
            Some(_) => host.body(Body::Request, from, size).ok(),
            None => None,
        };
        self.seen = size;
        self.go_on(host, shared, part.as_deref(), end)
    }

    /// Request trailers are there; what the policy alone writes comes by them neither. They end a body.
    pub fn request_trailers(&mut self, host: &dyn Host, shared: &Shared) -> Step {
        if self.state == State::Reading {
            let step = self.go_on(host, shared, Some(&[]), true);
            if step == Step::Stop {
                return step;
            }
        }
        let (State::Forwarded | State::Streaming | State::Bodiless, Some(exchange)) =
            (self.state, &self.exchange)
        else {
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

    /// What comes of a request that nothing more is to be known of.
    fn request_rest(&self) -> Step {
        match self.state {
            State::Forwarded | State::Streaming | State::Bodiless | State::Watched => Step::Continue,
            State::Waiting | State::Reading if self.deployment.options.shadow => Step::Continue,
            State::Waiting | State::Reading | State::Replied | State::Ended => Step::Stop,
        }
    }

    /// Goes on with a request that is read, by a part of its body; `None` is one that the gateway does not give.
    fn go_on(&mut self, host: &dyn Host, shared: &Shared, part: Option<&[u8]>, end: bool) -> Step {
        let mut exchange = self.exchange.take().unwrap_or_else(|| shared.exchange());
        match part {
            Some(part) => self.read(&mut exchange, host, shared, part, end),
            None => {
                exchange.reject(Reason::Internal, "body_unreadable");
            }
        }
        let step = match exchange.next() {
            Next::ReadBody { .. } => self.hold(),
            _ => {
                let facts = Facts::held(host).unwrap_or_else(|error| {
                    exchange.reject(error.reason(), &error.to_string());
                    Facts::default()
                });
                self.settle(&mut exchange, host, shared, &facts)
            }
        };
        self.exchange = Some(exchange);
        step
    }

    fn begin(&self, exchange: &mut Exchange, host: &dyn Host, shared: &Shared, facts: &Facts<'_>) {
        let now = self.now(host);
        facts.with_view(|view| self.decide(exchange, shared, view, now));
    }

    fn now(&self, host: &dyn Host) -> Now {
        let wall_us = self.deployment.reads.clock.then(|| host.now_us()).flatten();
        Now {
            wall_us,
            // There is no other clock. What it measures is when keys were last asked for.
            mono_us: wall_us
                .and_then(|now| u64::try_from(now).ok())
                .unwrap_or_default(),
        }
    }

    /// From the beginning of the decision to what is next.
    fn decide(&self, exchange: &mut Exchange, shared: &Shared, view: &RequestView<'_>, now: Now) {
        let Ok(mut worker) = shared.worker.try_borrow_mut() else {
            exchange.reject(Reason::Internal, "reentered");
            return;
        };
        let (engine, carries) = (&self.deployment.engine, carries(self.deployment.options.gateway));
        engine.begin(exchange, &mut worker, view, carries, now);
        charge(exchange);
    }

    /// Hands a part of the request's body over.
    fn read(&self, exchange: &mut Exchange, host: &dyn Host, shared: &Shared, part: &[u8], end: bool) {
        // What is decided is decided at its end.
        let now = if end { self.now(host) } else { Now::default() };
        let Ok(mut worker) = shared.worker.try_borrow_mut() else {
            exchange.reject(Reason::Internal, "reentered");
            return;
        };
        if exchange.request_body(&mut worker, part, end, now).is_err() {
            exchange.reject(Reason::Internal, "body_not_due");
        }
        charge(exchange);
    }

    /// The gateway holds what came of the request, and what is yet to come.
    fn hold(&mut self) -> Step {
        self.state = State::Reading;
        match self.deployment.options.shadow {
            true => Step::Continue,
            false => Step::Stop,
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
            Next::ReadBody { .. } => self.hold(),
            // The engine asks for no step that is not carried; should it, nothing goes on.
            Next::Introspect(_) | Next::Charge(_) => {
                exchange.reject(Reason::Internal, "unsettled");
                self.refuse(exchange, host, shared, facts)
            }
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
            && let Some(detail) = edits::obstacle(facts, &line, rewrites)
        {
            return Err((Reason::Malformed, detail));
        }
        if self.deployment.options.shadow {
            return Ok(());
        }
        edits::rewrite(host, &line, rewrites)
            .and_then(|()| match rewrites.body {
                Some(body) => edits::replace_body(host, facts, self.seen, body),
                None => Ok(()),
            })
            .map_err(|_| (Reason::Internal, "request_not_rewritten"))
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
        if matches!(self.state, State::Reading | State::Streaming) && !self.has_parts {
            // Or the other side broke off.
            host.log(Level::Warn, NO_PARTS);
        }
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

    /// Counts and logs what was refused; its id.
    fn tell(&mut self, exchange: &Exchange, host: &dyn Host, shared: &Shared, facts: &Facts<'_>) -> String {
        let id = self.id.take().unwrap_or_else(|| shared.ids.next(self.context));
        self.count(exchange, host, shared);
        if self.logs(exchange.decision().effect()) {
            self.log(host, &id, facts, exchange);
        }
        id
    }

    fn refuse(&mut self, exchange: &Exchange, host: &dyn Host, shared: &Shared, facts: &Facts<'_>) -> Step {
        let decision = exchange.decision();
        let id = self.tell(exchange, host, shared, facts);
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
            problem: match exchange.next() {
                Next::Reply(reply) => reply.problem,
                _ => None,
            },
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

#[cfg(test)]
#[path = "tests/allocations.rs"]
mod tests;
