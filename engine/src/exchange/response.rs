//! A response of the upstream -> what the client gets of it: the edits of its head, and its body as the plan makes it. The
//! host hands over what comes and sends what comes back; it holds the head until there is something behind it.
//!
//! Invariant: no byte of a body under a plan leaves but by [`Exchange::response_body`], and none after a fault.

use super::steps::{BodyEnd, ResponseHead};
use super::{Exchange, OutOfOrder, Reply, Stage};
use crate::body::coding::{Coding, Decoder};
use crate::body::redact::{Framing, Redactor};
use crate::body::{Sink, Unreadable, media};
use crate::decide::{Snapshot, Worker, judge_response};
use crate::decision::{HeaderLines, OwnedDecision, Reason, ResponseDemand};
use crate::image::paths::PathSteps as _;
use crate::limits::RESPONSE_CHECKED_BYTES;
use portcullis_base::Detail;

/// Header names of a response that say something of the bytes that came, in lower case: a plan changes them.
const OF_THE_BYTES: [&str; 9] = [
    "accept-ranges",
    "content-digest",
    "content-encoding",
    "content-length",
    "content-md5",
    "content-range",
    "digest",
    "etag",
    "repr-digest",
];

/// Bytes that are kept between responses.
const BYTES_KEEP_MAX: usize = 1 << 16;

/// What the host does with a response.
#[derive(Debug)]
pub enum ResponseNext<'e> {
    /// Send it on, with these edits of its head: its body as it came, or what was put out of it.
    Pass(ResponseEdits<'e>),
    /// Hand its body over by [`Exchange::response_body`] and send what is put out. Hold the head back, with these edits,
    /// until there is something to send behind it or the end was reached.
    Stream(ResponseEdits<'e>),
    /// Send this instead of it; nothing of it was sent.
    Replace(Reply<'e>),
    /// A part of it was sent, and it cannot go on: break the stream off, so that the client sees that it is not whole.
    Reset,
}

/// How the head of a response changes. Removals come before additions.
#[derive(Clone, Copy, Debug)]
pub struct ResponseEdits<'e> {
    decision: &'e OwnedDecision,
    /// Header lines of the response, where the host has shown them.
    seen: Option<&'e [(&'e [u8], &'e [u8])]>,
}

impl<'e> ResponseEdits<'e> {
    /// Names to remove, in lower case; where the host has shown the response's headers, only such as are among them.
    pub fn remove(&self) -> impl Iterator<Item = &'e str> + use<'e> {
        let seen = self.seen;
        let is_there = move |name: &&str| {
            seen.is_none_or(|lines| {
                lines
                    .iter()
                    .any(|(own, _)| own.eq_ignore_ascii_case(name.as_bytes()))
            })
        };
        replaced(self.decision)
            // What the upstream varies by still holds.
            .filter(|name| *name != "vary")
            .filter(is_there)
    }

    /// Lines to add.
    pub fn add(&self) -> HeaderLines<'e> {
        self.decision.response_set()
    }
}

/// Names that the policy removes or alone writes, or that its plan makes untrue.
fn replaced(decision: &OwnedDecision) -> impl Iterator<Item = &str> {
    let planned: &'static [&'static str] = match decision.response() {
        Some(_) => &OF_THE_BYTES,
        None => &[],
    };
    let set = decision.response_set().map(|(name, _)| name);
    let dropped = decision.response_drop().chain(set);
    dropped.chain(planned.iter().copied())
}

/// A response's body under way.
#[derive(Debug, Default)]
pub(super) struct ResponseBody {
    redactor: Redactor,
    coding: Coding,
    /// Of the first body that was coded, and used again.
    decoder: Option<Decoder>,
    /// All of the body, where conditions are to be checked before any of it goes on.
    whole: Vec<u8>,
    /// The same, redacted.
    redacted: Vec<u8>,
    /// Something came.
    has_input: bool,
    /// Something was put out.
    has_output: bool,
}

impl ResponseBody {
    pub(super) fn clear(&mut self) {
        (self.has_input, self.has_output) = (false, false);
        for buffer in [&mut self.whole, &mut self.redacted] {
            buffer.clear();
            if buffer.capacity() > BYTES_KEEP_MAX {
                *buffer = Vec::new();
            }
        }
    }

    /// The head is there: how the body is read, if it can be.
    fn begin(
        &mut self,
        plan: &ResponseDemand<'_>,
        snapshot: &Snapshot,
        headers: &[(&[u8], &[u8])],
    ) -> Result<(), Detail> {
        self.clear();
        let framing = media::framing(headers)?;
        self.coding = media::coding(headers)?;
        match &mut self.decoder {
            _ if self.coding == Coding::Identity => {}
            Some(decoder) => decoder.begin(self.coding),
            None => self.decoder = Some(Decoder::new(self.coding)),
        }
        if !plan.require().is_empty() && framing != Framing::Json {
            return Err(Detail::MediaType);
        }
        let (image, keys) = (&snapshot.image, snapshot.data.keys());
        let states = image.paths(plan.service()).states();
        let has_key = keys.redaction().is_some();
        self.redactor
            .begin(plan, image.config(), states, has_key, framing);
        Ok(())
    }
}

/// Why a response does not go on.
enum Fault {
    Unreadable(Detail),
    /// A condition is not true; the status of its `else`.
    Refused(u16),
}

impl From<Unreadable> for Fault {
    fn from(Unreadable(detail): Unreadable) -> Fault {
        Fault::Unreadable(detail)
    }
}

impl Exchange {
    /// The head of the upstream's response is there: its HTTP status and its header lines, where the host has them at
    /// hand. Under a plan that needs a body to read, a host that shows no headers gets a refusal.
    pub fn response_head<'e>(
        &'e mut self,
        status: Option<u16>,
        headers: Option<&'e [(&'e [u8], &'e [u8])]>,
    ) -> Result<ResponseNext<'e>, OutOfOrder> {
        self.steps.expect(Stage::Forward)?;
        let head = if self.steps.has_response_plan() {
            self.planned_head(status, headers.unwrap_or_default())
        } else {
            Ok(ResponseHead::NoBody)
        };
        self.steps
            .response_head(head.unwrap_or(ResponseHead::Unreadable))?;
        self.upstream_status = status;
        if let Err(detail) = head {
            self.refuse_response(Fault::Unreadable(detail));
        }
        Ok(self.response_next(headers))
    }

    /// What the head says of a body that a plan is waiting for.
    fn planned_head(
        &mut self,
        status: Option<u16>,
        headers: &[(&[u8], &[u8])],
    ) -> Result<ResponseHead, Detail> {
        match status {
            Some(101) => return Err(Detail::SwitchingProtocols),
            Some(206) => return Err(Detail::PartialContent),
            // RFC 9110, sections 15.3.5, 15.3.6 and 15.4.5.
            Some(204 | 205 | 304) => return Ok(ResponseHead::NoBody),
            _ if self.is_head || media::content_length(headers) == Some(0) => {
                return Ok(ResponseHead::NoBody);
            }
            _ => {}
        }
        let (Some(pin), Some(plan)) = (&self.pin, self.decision.response()) else {
            return Err(Detail::MediaType);
        };
        self.response.begin(&plan, pin, headers)?;
        Ok(ResponseHead::HasBody)
    }

    /// A part of a response's body under a plan, any number of bytes, and whether it is the last one. `out` gets what goes
    /// to the client; what this call put out is to be thrown away where it says [`ResponseNext::Replace`] or
    /// [`ResponseNext::Reset`].
    pub fn response_body(
        &mut self,
        worker: &mut Worker,
        chunk: &[u8],
        end: bool,
        out: &mut dyn Sink,
    ) -> Result<ResponseNext<'_>, OutOfOrder> {
        self.steps.expect(Stage::ResponseBody)?;
        let mut counted = Counted { out, bytes: 0 };
        match self.respond(worker, chunk, end, &mut counted) {
            Ok(()) => {
                self.response.has_output |= counted.bytes > 0;
                if end {
                    self.steps.response_body(BodyEnd::CarriedOut)?;
                }
            }
            Err(fault) => {
                let end = if self.response.has_output {
                    BodyEnd::BrokenOff
                } else {
                    BodyEnd::Refused
                };
                self.steps.response_body(end)?;
                self.refuse_response(fault);
            }
        }
        Ok(self.response_next(None))
    }

    fn respond(
        &mut self,
        worker: &mut Worker,
        chunk: &[u8],
        end: bool,
        out: &mut dyn Sink,
    ) -> Result<(), Fault> {
        let Some(pin) = self.pin.clone() else {
            return Err(Fault::Unreadable(Detail::MediaType));
        };
        self.response.has_input |= !chunk.is_empty();
        if self.response.coding == Coding::Identity {
            self.respond_plain(&pin, chunk, out)?;
        } else if let Some(mut decoder) = self.response.decoder.take() {
            let mut decoded = decoder.push(chunk, &mut |part| self.respond_plain(&pin, part, out));
            if end && self.response.has_input {
                decoded = decoded.and_then(|()| Ok(decoder.end()?));
            }
            self.response.decoder = Some(decoder);
            decoded?;
        }
        if end {
            self.end_of_response(&pin, worker, out)
        } else {
            Ok(())
        }
    }

    fn checks_response(&self) -> bool {
        let plan = self.decision.response();
        plan.is_some_and(|plan| !plan.require().is_empty())
    }

    /// A part of the body as it is without its coding.
    fn respond_plain(&mut self, snapshot: &Snapshot, part: &[u8], out: &mut dyn Sink) -> Result<(), Fault> {
        if !self.checks_response() {
            return Ok(self.redact(snapshot, part, out)?);
        }
        let kept = &mut self.response.whole;
        if kept.len() + part.len() > RESPONSE_CHECKED_BYTES {
            return Err(Fault::Unreadable(Detail::TooLarge));
        }
        kept.extend_from_slice(part);
        Ok(())
    }

    fn end_of_response(
        &mut self,
        snapshot: &Snapshot,
        worker: &mut Worker,
        out: &mut dyn Sink,
    ) -> Result<(), Fault> {
        if self.checks_response() {
            return self.check(snapshot, worker, out);
        }
        // An empty body holds nothing.
        if self.response.has_input {
            self.end_redaction(snapshot, out)?;
        }
        Ok(())
    }

    fn redact(&mut self, snapshot: &Snapshot, part: &[u8], out: &mut dyn Sink) -> Result<(), Unreadable> {
        let service = self.decision.response().map_or(0, |plan| plan.service());
        let (paths, key) = (snapshot.image.paths(service), snapshot.data.keys().redaction());
        self.response.redactor.push(paths, key, part, out)
    }

    fn end_redaction(&mut self, snapshot: &Snapshot, out: &mut dyn Sink) -> Result<(), Unreadable> {
        let service = self.decision.response().map_or(0, |plan| plan.service());
        let (paths, key) = (snapshot.image.paths(service), snapshot.data.keys().redaction());
        self.response.redactor.end(paths, key, out)
    }

    /// All of the body is kept: checks the plan's conditions and redacts it.
    fn check(&mut self, snapshot: &Snapshot, worker: &mut Worker, out: &mut dyn Sink) -> Result<(), Fault> {
        let (whole, mut redacted) = (
            std::mem::take(&mut self.response.whole),
            std::mem::take(&mut self.response.redacted),
        );
        // What cannot be read is unreadable, whatever the conditions would say of it.
        let result = self
            .redact(snapshot, &whole, &mut redacted)
            .and_then(|()| self.end_redaction(snapshot, &mut redacted))
            .map_err(Fault::from)
            .and_then(|()| self.conditions(snapshot, worker, &whole));
        if result.is_ok() {
            out.write(&redacted);
        }
        (self.response.whole, self.response.redacted) = (whole, redacted);
        result
    }

    fn conditions(&mut self, snapshot: &Snapshot, worker: &mut Worker, body: &[u8]) -> Result<(), Fault> {
        let (begun, decision) = (self.begun, &self.decision);
        let require = decision.response().map_or(&[][..], |plan| plan.require());
        self.waiting
            .with_view(|request| judge_response(snapshot, request, begun, worker, require, body))
            .map_err(Fault::Refused)
    }

    fn refuse_response(&mut self, fault: Fault) {
        let unreadable = Reason::ResponseUnreadable;
        let (reason, status, detail) = match fault {
            Fault::Unreadable(detail) => (unreadable, unreadable.status(), Some(detail)),
            Fault::Refused(status) => (Reason::ResponseRefused, status, None),
        };
        self.refuse(reason, status, None);
        if let Some(detail) = detail {
            self.decision.set_detail(detail.code());
        }
    }

    fn response_next<'e>(&'e self, seen: Option<&'e [(&'e [u8], &'e [u8])]>) -> ResponseNext<'e> {
        let edits = ResponseEdits {
            decision: &self.decision,
            seen,
        };
        match self.steps.stage() {
            Stage::ResponseBody => ResponseNext::Stream(edits),
            Stage::Respond => ResponseNext::Pass(edits),
            Stage::Reset => ResponseNext::Reset,
            _ => ResponseNext::Replace(self.reply()),
        }
    }

    fn expect_response(&self) -> Result<(), OutOfOrder> {
        match self.steps.stage() {
            Stage::ResponseBody | Stage::Respond => Ok(()),
            _ => Err(OutOfOrder),
        }
    }

    /// The edits of [`ResponseNext::Pass`] or [`ResponseNext::Stream`] again, with all names to remove.
    pub fn response_edits(&self) -> Result<ResponseEdits<'_>, OutOfOrder> {
        self.expect_response()?;
        Ok(ResponseEdits {
            decision: &self.decision,
            seen: None,
        })
    }

    /// Names to remove from the response's trailers: those that the policy removes or alone writes, or that its plan makes
    /// untrue.
    pub fn response_trailers(&self) -> Result<impl Iterator<Item = &str>, OutOfOrder> {
        self.expect_response()?;
        Ok(replaced(&self.decision))
    }
}

/// A sink that counts what went through it.
struct Counted<'s> {
    out: &'s mut dyn Sink,
    bytes: usize,
}

impl Sink for Counted<'_> {
    fn write(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len();
        self.out.write(bytes);
    }
}
