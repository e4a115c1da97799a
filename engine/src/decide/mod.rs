//! (image, data, request, now) --> [`Decision`]. Total: whatever the bytes are, there is a decision.
//!
//! Pure: no clock, no I/O, no recursion; steps are bounded by the image. Invariant: no rule is looked at here that
//! the route did not select, and a rule's condition is never interpreted: what it says is in the graph.

// request -> entry
mod route;

// entry and facts -> leaves of its graphs
mod bitmap;
mod classify;
mod scratch;
mod walk;

// leaves -> decision, in the order of section 6
mod evaluation;
mod explain;
mod refusal;
mod response;

// before a decision
mod introspect;
mod pin;
mod worker;

pub use crate::facts::Unknown;
pub use explain::{Closest, Explanation, Lack, decide_explained, explain};
pub(crate) use introspect::{opaque_token, signed_message};
pub(crate) use pin::Pin;
pub(crate) use response::judge_response;
pub use worker::Worker;

use std::sync::Arc;

use crate::data::Data;
use crate::decision::{Decision, PenaltyKey, Reason};
use crate::identity::Judgement;
use crate::image::Image;
use crate::view::RequestView;
use evaluation::Evaluation;

/// One policy with its data: what one decision sees. Either is replaced without the other.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The compiled policy.
    pub image: Arc<Image>,
    /// Lists and tables.
    pub data: Arc<Data>,
}

impl Snapshot {
    /// Of a policy and its data.
    pub fn new(image: impl Into<Arc<Image>>, data: impl Into<Arc<Data>>) -> Snapshot {
        Snapshot {
            image: image.into(),
            data: data.into(),
        }
    }
}

/// The penalties that a request's addresses are enough for: their keys are looked up before anything is verified. Of a request
/// that has no canonical form or no service there are none.
pub(crate) fn address_penalties<'d>(
    s: &'d Snapshot,
    r: &'d RequestView<'d>,
    now: Now,
    w: &'d mut Worker,
) -> &'d [PenaltyKey<'d>] {
    w.start(&s.image);
    Evaluation::address_penalties(s, r, now, w)
}

/// How the issuers of a policy judge a token, check by check. `fingerprint`: SHA-256 of the connection's certificate, in
/// hexadecimal.
pub fn judge_token(s: &Snapshot, token: &[u8], now: Now, fingerprint: Option<&[u8]>) -> Judgement {
    let config = s.image.config();
    crate::identity::judge(config, s.data.keys(), token, now.wall_us, fingerprint)
}

/// The instant of a decision, given by the host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Wall clock, µs since the epoch, for expiry and calendars; `None`: every comparison on `now` is unknown.
    pub wall_us: Option<i64>,
    /// Monotonic clock, µs, for refill.
    pub mono_us: u64,
}

/// Decides one request. Total: whatever the bytes are, there is a decision. It borrows from all it was made of, so a
/// worker holds one at a time.
pub fn decide<'d>(s: &'d Snapshot, r: &'d RequestView<'d>, now: Now, w: &'d mut Worker) -> Decision<'d> {
    // Written in place: it is large, and each hand that it went through would copy it.
    let mut decision = Decision::default();
    if s.image.admission().is_shut(now.wall_us) {
        decision.status = Reason::NoPolicy.status();
        return decision;
    }
    w.start(&s.image);
    match Evaluation::begin(s, r, now, w) {
        Ok(mut evaluation) => evaluation.decide(&mut decision),
        Err(refusal) => refusal.write(&mut decision),
    }
    decision
}
