//! What a host and an exchange tell each other. Computes nothing.

use crate::decision::{Charge, HeaderLines, OwnedDecision, Reason, Texts};

/// The steps that a host carries out. The default carries out none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Carries {
    /// Asks about opaque tokens. A host that does not gets the verdict on a token that is not verified.
    pub introspection: bool,
    /// Charges quotas. A host that does not gets no allow that demands it; denials and preflights stay what they are.
    pub charges: bool,
    /// Reads and judges the request's body. The signature of a message is not verified where a host does not.
    pub request_body: bool,
    /// Carries out a response plan.
    pub response_body: bool,
}

/// What the host does next.
#[derive(Debug)]
pub enum Next<'e> {
    /// Ask what is known of this opaque token, then call [`Exchange::introspected`].
    Introspect(&'e [u8]),
    /// Read the request's body up to this many bytes, then call [`Exchange::request_body`]. Where the decision depends on the
    /// body ([`Exchange::is_decided`] is false), hand over all of its bytes and send upstream what was handed over; nothing is
    /// judged then but its size. Else judge it against [`OwnedDecision::request_body`]; of a body that was read before the
    /// decision the end alone is to be told again.
    ReadBody {
        /// Bytes.
        max: u64,
    },
    /// Charge all of these quotas or none, then call [`Exchange::charged`] or
    /// [`Exchange::store_failed`].
    Charge(Charges<'e>),
    /// Send the request upstream, then call [`Exchange::response_head`].
    Forward(Rewrites<'e>),
    /// Answer the client; nothing goes upstream. Only [`Exchange::finish`] is left.
    Reply(Reply<'e>),
}

/// Quotas to charge, in the order in which [`Exchange::charged`] takes their outcomes.
#[derive(Clone, Copy, Debug)]
pub struct Charges<'e> {
    pub(super) decision: &'e OwnedDecision,
}

impl<'e> Charges<'e> {
    /// The charges, sorted by the quota's name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Charge<'e>> + use<'e> {
        self.decision.quotas()
    }
}

/// How the request changes on its way. Drops come before sets.
#[derive(Clone, Debug)]
pub struct Rewrites<'e> {
    /// Target to forward.
    pub target: &'e str,
    /// Headers to remove.
    pub drop: Texts<'e>,
    /// Headers to set.
    pub set: HeaderLines<'e>,
}

/// An answer of the gateway itself. It tells the client nothing of the policy but what the policy says aloud.
#[derive(Clone, Debug)]
pub struct Reply<'e> {
    /// HTTP status.
    pub status: u16,
    /// Why.
    pub reason: Reason,
    /// `because` of the deciding deny.
    pub message: Option<&'e str>,
    /// Headers.
    pub headers: HeaderLines<'e>,
}

/// What the host heard of an opaque token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Introspection<'a> {
    /// It is good now: the host has looked at the answer's `active` and at its times, which are not judged again.
    Active {
        /// Issuer name in the policy.
        issuer: &'a str,
        /// Claims, a JSON object.
        claims: &'a [u8],
    },
    /// It is not.
    Inactive {
        /// Issuer name in the policy.
        issuer: &'a str,
        /// Detail code, as `expired`.
        fault: &'a str,
    },
    /// The issuer did not tell: the token counts as not verified.
    Unavailable,
}

/// What became of one charge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChargeOutcome {
    /// There was enough left. Only where this is true of all was anything charged.
    pub admitted: bool,
    /// What is left of the limit, in units of the quota's cost.
    pub remaining: u64,
    /// Time until as much is left as was asked for (refused), or until nothing is used (admitted), µs.
    pub reset_us: u64,
}

/// A part of the request's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestBody<'a> {
    /// Some bytes of it. More than the decision accepts are refused at once.
    Chunk(&'a [u8]),
    /// All of it was there, and this is what it turned out to be.
    End(BodyOutcome),
}

/// What the body turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyOutcome {
    /// As accepted.
    Accepted,
    /// Not readable in its media type.
    Syntax,
    /// Not of an accepted shape.
    Shape,
    /// Over the limit.
    TooLarge,
    /// Of no accepted media type.
    MediaType,
}

impl BodyOutcome {
    pub(super) fn refusal(self) -> Option<(Reason, u16)> {
        let of = |reason: Reason| Some((reason, reason.status()));
        match self {
            BodyOutcome::Accepted => None,
            BodyOutcome::Syntax => Some((Reason::BodyRefused, 400)),
            BodyOutcome::Shape => of(Reason::BodyRefused),
            BodyOutcome::TooLarge => of(Reason::TooLarge),
            BodyOutcome::MediaType => of(Reason::UnsupportedMediaType),
        }
    }
}

/// How an exchange ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The client has its answer.
    Completed,
    /// The client, the upstream or the host broke off.
    Aborted,
}

/// What a log tells of an exchange.
#[derive(Clone, Copy, Debug)]
pub struct Record<'e> {
    /// The verdict as it was in the end; that of an exchange which ended before its decision denies.
    pub decision: &'e OwnedDecision,
    /// HTTP status that the client got: the upstream's or that of the reply; `None` where it got none.
    pub status: Option<u16>,
    /// Since it began, µs of the monotonic clock.
    pub duration_us: u64,
    /// How it ended. An exchange that still waited for a step was aborted, whatever its host said.
    pub end: End,
    /// The key set that ought to be fetched again, by its file's name in the policy: a token named a key that is not in
    /// it, or it was never loaded. Told once in a [`crate::limits::KEYS_FETCH_US`] by one worker, whatever callers send.
    pub keys_to_fetch: Option<&'e str>,
}
