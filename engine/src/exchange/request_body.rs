//! The bytes of a request's body, part by part -> what the accepts that bind say of it, once all of it is there. Keeps what
//! has to be judged; what goes upstream is the host's, unless an accept strips something of it.

use std::cell::Cell;
use std::fmt::Write;

use super::{Exchange, Next, OutOfOrder, Stage};
use crate::body::accept::{self, BodyHead, BodyRefusal, Judged};
use crate::body::media;
use crate::decide::{Now, Worker};
use crate::decision::Reason;
use crate::image::config::AcceptBody;
use portcullis_base::quote::JsonString;

/// Largest body that a decision can depend on, bytes: as of an `accept` that names no limit.
const BODY_BEFORE_BYTES_MAX: u64 = 1_048_576;

/// Bytes that are kept between requests.
const BYTES_KEEP_MAX: usize = 1 << 16;

/// A request's body under way.
#[derive(Debug, Default)]
pub(super) struct RequestBody {
    head: BodyHead,
    /// Its length, where the head tells it.
    told_bytes: Option<u64>,
    bytes: Vec<u8>,
    /// How many there were, kept or not.
    count: u64,
    is_whole: bool,
    rewritten: Vec<u8>,
    is_rewritten: bool,
    problem: String,
}

impl RequestBody {
    pub(super) fn clear(&mut self) {
        self.head.clear();
        (self.count, self.is_whole, self.is_rewritten) = (0, false, false);
        self.told_bytes = None;
        self.problem.clear();
        for buffer in [&mut self.bytes, &mut self.rewritten] {
            buffer.clear();
            if buffer.capacity() > BYTES_KEEP_MAX {
                *buffer = Vec::new();
            }
        }
    }

    pub(super) fn keep_head(&mut self, headers: &[(&[u8], &[u8])]) {
        self.head.copy_from(headers);
        self.told_bytes = media::content_length(headers);
    }

    /// The body to send in place of the one that came.
    pub(super) fn rewritten(&self) -> Option<&[u8]> {
        self.is_rewritten.then_some(self.rewritten.as_slice())
    }

    /// What the client is told of a refused body.
    pub(super) fn problem(&self) -> Option<&str> {
        (!self.problem.is_empty()).then_some(self.problem.as_str())
    }

    /// RFC 9457; the `type` is left out, which means `about:blank`.
    fn set_problem(&mut self, refusal: &BodyRefusal) {
        let title = match refusal.status {
            413 => "Content Too Large",
            415 => "Unsupported Media Type",
            422 => "Unprocessable Content",
            _ => "Bad Request",
        };
        self.problem.clear();
        let (status, code) = (refusal.status, refusal.detail.code());
        let (code, pointer) = (JsonString(code), JsonString(refusal.pointer.as_str()));
        // Writing into a text does not fail.
        let _ = write!(
            self.problem,
            r#"{{"title":"{title}","status":{status},"code":{code},"pointer":{pointer}}}"#
        );
    }
}

impl Exchange {
    /// A part of the request's body for [`Next::ReadBody`], any number of bytes, and whether it is the last one. More bytes
    /// than may come are refused at once (413).
    pub fn request_body(
        &mut self,
        worker: &mut Worker,
        chunk: &[u8],
        end: bool,
        now: Now,
    ) -> Result<Next<'_>, OutOfOrder> {
        self.steps.expects_body()?;
        let is_decided = self.is_decided();
        self.body.count = self.body.count.saturating_add(chunk.len() as u64);
        if self.body.count > self.body_bytes_max() {
            self.steps.body(false)?;
            self.refuse_body(&BodyRefusal::too_large());
            // Of what is not decided yet nothing but the refusal is known.
            return Ok(self.next());
        }
        if let Some(signed) = &mut self.signed {
            signed.update(chunk);
        }
        if !is_decided || self.reads_body() {
            self.body.bytes.extend_from_slice(chunk);
        }
        if !end {
            return Ok(self.next());
        }
        self.body.is_whole = true;
        if is_decided {
            self.judge_known_body();
        } else {
            self.steps.body(true)?;
            self.judge_signature(now);
            self.decide_waiting(worker, now);
        }
        Ok(self.next())
    }

    /// Largest body that may come now, bytes.
    #[cfg_attr(target_family = "wasm", inline(never))]
    pub(super) fn body_bytes_max(&self) -> u64 {
        match (self.steps.stage(), self.decision.request_body()) {
            (Stage::BodyBefore, _) => BODY_BEFORE_BYTES_MAX,
            (_, Some(demand)) => demand.max_bytes,
            (_, None) => 0,
        }
    }

    /// Whether an accept that binds asks for more than the body's size and type.
    fn reads_body(&self) -> bool {
        self.accepts().any(AcceptBody::reads_body)
    }

    /// Accepts of the rules that bind, for the request's media type.
    fn accepts(&self) -> impl Iterator<Item = &AcceptBody> {
        let rules = self.snapshot().map(|snapshot| &snapshot.image.config().rules);
        let bound = self
            .decision
            .request_body()
            .map_or(&[][..], |demand| demand.accept);
        bound
            .iter()
            .filter_map(move |rule| rules?.get(rule.index()))
            .flat_map(|rule| self.body.head.alternatives(&rule.body.accept))
    }

    /// Judges the body if that is the next step and enough of it is known: it has come, be it before the decision, or it is
    /// going to be too large.
    #[inline]
    pub(super) fn judge_known_body(&mut self) {
        if self.steps.stage() == Stage::Body {
            self.judge_what_is_known();
        }
    }

    #[cold]
    fn judge_what_is_known(&mut self) {
        if self.body.told_bytes > Some(self.body_bytes_max()) {
            let _ = self.steps.body(false);
            return self.refuse_body(&BodyRefusal::too_large());
        }
        if !self.body.is_whole {
            return;
        }
        let mut rewritten = std::mem::take(&mut self.body.rewritten);
        let judged = self.judge_body(&mut rewritten);
        self.body.rewritten = rewritten;
        self.body.is_rewritten = matches!(judged, Ok(Judged::Rewritten));
        // The stage was looked at.
        let _ = self.steps.body(judged.is_ok());
        if let Err(refusal) = judged {
            self.refuse_body(&refusal);
        }
    }

    fn judge_body(&self, rewritten: &mut Vec<u8>) -> Result<Judged, BodyRefusal> {
        let (Some(demand), Some(snapshot)) = (self.decision.request_body(), self.snapshot()) else {
            return Err(BodyRefusal::too_large());
        };
        if self.body.count > demand.max_bytes {
            return Err(BodyRefusal::too_large());
        }
        accept::judge_head(self.accepts(), &self.body.head, self.body.count == 0)?;
        if !self.reads_body() {
            return Ok(Judged::AsItCame);
        }
        let accepts: Vec<&AcceptBody> = self.accepts().collect();
        accept::judge(
            &accepts,
            demand.strip_unknown,
            snapshot.image.view(&Cell::new(0)),
            &self.body.bytes,
            rewritten,
        )
    }

    fn refuse_body(&mut self, refusal: &BodyRefusal) {
        self.refuse(refusal.reason, refusal.status, None);
        if refusal.reason != Reason::TooLarge {
            self.decision.set_detail(refusal.detail.code());
        }
        if !self.grpc {
            self.body.set_problem(refusal);
        }
    }
}
