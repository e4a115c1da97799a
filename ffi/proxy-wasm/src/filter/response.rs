//! The response phases: its head and body -> what the exchange lets go of them. Under a plan the gateway holds the head
//! until the first bytes are put out, and sends what is put out in the place of what came.

use portcullis::ResponseNext;
use portcullis::decision::Reason;
use portcullis::exchange::Exchange;

use super::{Filter, State, Step, edits};
use crate::facts::Facts;
use crate::host::{Body, Host, Level, Map};
use crate::pairs::Pairs;
use crate::reply::DECISION_HEADER;
use crate::shared::Shared;

/// What the exchange says of a part of a body.
enum Put {
    /// More is to come.
    Part,
    /// That was all.
    Whole,
    /// The client gets a reply in its place.
    Replaced,
    /// What the client has got of it is all that it gets.
    Reset,
    /// It cannot be carried out: the detail code.
    Failed(&'static str),
}

impl Filter {
    /// Response headers are there: of the upstream, of this filter's own reply, or of a reply that the gateway made
    /// before this filter let a request go. Only the first is touched. `end`: nothing follows them.
    pub fn response_headers(&mut self, host: &dyn Host, shared: &Shared, end: bool) -> Step {
        let in_nginx = self.in_nginx();
        if matches!(self.state, State::Streaming | State::Bodiless) {
            return self.fail(host, shared, "response_not_rewritten");
        }
        let (State::Forwarded, Some(exchange)) = (self.state, &mut self.exchange) else {
            return Step::Continue;
        };
        if exchange.decision().response().is_some() {
            return self.planned_head(host, shared, end);
        }
        // Another head of the same response (1xx) is edited as the first.
        let next = match exchange.response_head(None, None) {
            Ok(ResponseNext::Pass(edits)) => Some(edits),
            Ok(_) => None,
            Err(_) => exchange.response_edits().ok(),
        };
        // Looking costs a call. NGINX's host makes empty lines of what is removed and was not there.
        let seen = in_nginx.then(|| host.headers(Map::Response)).flatten();
        match next {
            Some(next) if edits::apply(host, &next, self.id.as_deref(), seen.as_ref()).is_ok() => {
                Step::Continue
            }
            // No response is held back there, and a trap lets it pass too.
            _ if in_nginx => {
                host.log(Level::Error, "portcullis: the response was not rewritten");
                Step::Continue
            }
            _ => {
                let step = self.replace(host, shared, "response_not_rewritten");
                self.state = State::Ended;
                step
            }
        }
    }

    /// The head of a response that a plan is waiting for.
    fn planned_head(&mut self, host: &dyn Host, shared: &Shared, end: bool) -> Step {
        let Some(mut exchange) = self.exchange.take() else {
            return self.fail(host, shared, "response_not_rewritten");
        };
        let head = host.headers(Map::Response).unwrap_or_default();
        let status = status(&head);
        let mut lines: Vec<(&[u8], &[u8])> =
            head.iter().filter(|(name, _)| !name.starts_with(b":")).collect();
        if end && head.values("content-length").next().is_none() {
            // The gateway says so in another way.
            lines.push((b"content-length", b"0"));
        }
        let (id, has_none) = (self.id.as_deref(), None);
        let put = match exchange.response_head(status, Some(&lines)) {
            Ok(ResponseNext::Pass(next)) => match edits::apply(host, &next, id, has_none) {
                Ok(()) => Put::Whole,
                Err(_) => Put::Failed("response_not_rewritten"),
            },
            // Edited now, and held: a reply in its place has lines of its own.
            Ok(ResponseNext::Stream(next)) => match edits::apply(host, &next, id, has_none) {
                Ok(()) => Put::Part,
                Err(_) => Put::Failed("response_not_rewritten"),
            },
            Ok(ResponseNext::Replace(_)) => Put::Replaced,
            Ok(ResponseNext::Reset) => Put::Reset,
            Err(_) => Put::Failed("response_not_due"),
        };
        let step = match put {
            Put::Whole => {
                self.state = State::Bodiless;
                Step::Continue
            }
            Put::Part => {
                self.state = State::Streaming;
                match end {
                    true => self.part(&mut exchange, host, shared, &[], true),
                    false => Step::Stop,
                }
            }
            other => self.conclude(&mut exchange, host, shared, other),
        };
        self.exchange = Some(exchange);
        step
    }

    /// A part of the response's body is there, `size` bytes; `end`: it is the last one.
    pub fn response_body(&mut self, host: &dyn Host, shared: &Shared, size: usize, end: bool) -> Step {
        match self.state {
            State::Streaming => {}
            // Whatever the head says, nothing passes by the plan.
            State::Bodiless if size > 0 => return self.fail(host, shared, "body_not_announced"),
            State::Ended => return Step::Stop,
            State::Waiting
            | State::Reading
            | State::Forwarded
            | State::Bodiless
            | State::Replied
            | State::Watched => return Step::Continue,
        }
        self.has_parts = true;
        let Some(mut exchange) = self.exchange.take() else {
            return self.fail(host, shared, "response_not_due");
        };
        let step = match host.body(Body::Response, 0, size) {
            Ok(part) => self.part(&mut exchange, host, shared, &part, end),
            Err(_) => self.conclude(&mut exchange, host, shared, Put::Failed("body_unreadable")),
        };
        self.exchange = Some(exchange);
        step
    }

    /// Response trailers are there. The answer is on its way, so what cannot be carried out ends it.
    pub fn response_trailers(&mut self, host: &dyn Host, shared: &Shared) -> Step {
        if self.state == State::Streaming {
            let Some(mut exchange) = self.exchange.take() else {
                return self.fail(host, shared, "response_not_due");
            };
            let step = self.part(&mut exchange, host, shared, &[], true);
            self.exchange = Some(exchange);
            if step == Step::Stop {
                return step;
            }
        }
        let (State::Forwarded | State::Bodiless, Some(exchange)) = (self.state, &self.exchange) else {
            return match self.state {
                State::Ended => Step::Stop,
                _ => Step::Continue,
            };
        };
        // As in the headers, an id is never another one's.
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
        self.state = State::Ended;
        host.close();
        Step::Stop
    }

    /// Hands a part of the body over and puts what comes out of it in its place.
    fn part(
        &mut self,
        exchange: &mut Exchange,
        host: &dyn Host,
        shared: &Shared,
        part: &[u8],
        end: bool,
    ) -> Step {
        let put = shared.with_out(|out| {
            let Ok(mut worker) = shared.worker.try_borrow_mut() else {
                return (Put::Failed("reentered"), 0);
            };
            let put = match exchange.response_body(&mut worker, part, end, out) {
                Ok(ResponseNext::Stream(_)) => Put::Part,
                Ok(ResponseNext::Pass(_)) => Put::Whole,
                Ok(ResponseNext::Replace(_)) => Put::Replaced,
                Ok(ResponseNext::Reset) => Put::Reset,
                Err(_) => Put::Failed("response_not_due"),
            };
            let is_changed = !(part.is_empty() && out.is_empty());
            match put {
                Put::Part | Put::Whole if is_changed && host.set_body(Body::Response, out).is_err() => {
                    (Put::Failed("response_not_rewritten"), 0)
                }
                other => (other, out.len()),
            }
        });
        match put {
            // The head waits for something to send behind it.
            Some((Put::Part, 0)) if !self.is_sent => Step::Stop,
            Some((Put::Part, _)) => {
                self.is_sent = true;
                Step::Continue
            }
            Some((Put::Whole, _)) => {
                // What is still to come is trailers.
                (self.is_sent, self.state) = (true, State::Bodiless);
                Step::Continue
            }
            Some((other, _)) => self.conclude(exchange, host, shared, other),
            None => self.conclude(exchange, host, shared, Put::Failed("reentered")),
        }
    }

    /// Ends a response that does not go on: by a reply where nothing of it was sent, else by breaking it off.
    fn conclude(&mut self, exchange: &mut Exchange, host: &dyn Host, shared: &Shared, put: Put) -> Step {
        if let Put::Failed(detail) = put
            && exchange.failed(Reason::Internal, detail).is_err()
        {
            exchange.reject(Reason::Internal, detail);
        }
        // What came is not held for the gateway to send; where there is nothing held, there is nothing to take away.
        let _ = host.set_body(Body::Response, &[]);
        let facts = Facts::default();
        if self.is_sent || matches!(put, Put::Reset) {
            self.tell(exchange, host, shared, &facts);
            self.state = State::Ended;
            host.close();
        } else {
            self.refuse(exchange, host, shared, &facts);
            self.state = State::Ended;
        }
        Step::Stop
    }

    /// As [`Filter::conclude`], of an exchange that the plugin itself cannot carry out.
    fn fail(&mut self, host: &dyn Host, shared: &Shared, detail: &'static str) -> Step {
        let mut exchange = self.exchange.take().unwrap_or_else(|| shared.exchange());
        // Of a response without a body the head has left.
        self.is_sent |= self.state == State::Bodiless;
        let step = self.conclude(&mut exchange, host, shared, Put::Failed(detail));
        self.exchange = Some(exchange);
        step
    }
}

/// The status that a head says.
fn status(head: &Pairs) -> Option<u16> {
    std::str::from_utf8(head.only(":status")?).ok()?.parse().ok()
}
