//! What a host and an exchange tell each other. Computes nothing.

use super::charge::{Counted, is_for_host};
use crate::decision::{Charge, HeaderLines, OwnedDecision, Reason};
use crate::image::config::Config;

/// The steps that a host carries out. The default carries out none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Carries {
    /// Asks about opaque tokens. A host that does not gets the verdict on a token that is not verified.
    pub introspection: bool,
    /// Charges quotas that the engine's own store does not: those that nodes share, or all where the engine has none. A host
    /// that does not gets no allow that demands it; denials and preflights stay what they are.
    pub charges: bool,
    /// Hands over the request's body and holds it until it was judged. The signature of a message is not verified where a
    /// host does not.
    pub request_body: bool,
    /// Hands over the response's body and sends what comes back in its place.
    pub response_body: bool,
}

/// What the host does next.
#[derive(Debug)]
pub enum Next<'e> {
    /// Ask what is known of this opaque token, then call [`Exchange::introspected`].
    Introspect(&'e [u8]),
    /// Read the request's body up to this many bytes and hand all of them over by [`Exchange::request_body`]. Send nothing of
    /// it before [`Next::Forward`].
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
    /// Where the engine has charged this node's own.
    pub(super) shared_of: Option<&'e Config>,
}

impl<'e> Charges<'e> {
    /// The charges, sorted by the quota's name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Charge<'e>> + use<'e> {
        let shared_of = self.shared_of;
        let is_asked = move |charge: &Charge<'_>| shared_of.is_none_or(|config| is_for_host(config, charge));
        let asked = self.decision.quotas().filter(is_asked);
        Counted {
            left: asked.clone().count(),
            inner: asked,
        }
    }
}

/// How the request changes on its way. Drops come before sets.
#[derive(Clone, Debug)]
pub struct Rewrites<'e> {
    /// Target to forward.
    pub target: &'e str,
    /// The body to send in place of the one that came, with its length; `None`: as it came.
    pub body: Option<&'e [u8]>,
    pub(super) decision: &'e OwnedDecision,
}

impl<'e> Rewrites<'e> {
    /// Headers to remove, in lower case. Of a response under a plan nothing can be read but all of it as it is, so no part
    /// and no coding of it is asked for; of a body that was rewritten its old digests are untrue. Its length is put right
    /// by whoever sends it.
    pub fn drop(&self) -> impl ExactSizeIterator<Item = &'e str> + use<'e> {
        let plan: &[&str] = if self.is_planned() {
            &["accept-encoding", "if-range", "range"]
        } else {
            &[]
        };
        let body: &[&str] = if self.body.is_some() {
            &["content-digest", "content-md5", "digest", "repr-digest"]
        } else {
            &[]
        };
        let own = Joined(plan.iter().copied(), body.iter().copied());
        Joined(self.decision.request_drop(), own)
    }

    /// Headers to set.
    pub fn set(&self) -> impl ExactSizeIterator<Item = (&'e str, &'e str)> + use<'e> {
        let plan: &[(&str, &str)] = if self.is_planned() {
            &[("accept-encoding", "identity")]
        } else {
            &[]
        };
        Joined(self.decision.request_set(), plan.iter().copied())
    }

    fn is_planned(&self) -> bool {
        self.decision.response().is_some()
    }
}

/// One list after another, both of known length.
#[derive(Clone, Debug)]
struct Joined<A, B>(A, B);

impl<T, A: ExactSizeIterator<Item = T>, B: ExactSizeIterator<Item = T>> Iterator for Joined<A, B> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        self.0.next().or_else(|| self.1.next())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let len = self.0.len() + self.1.len();
        (len, Some(len))
    }
}

impl<T, A: ExactSizeIterator<Item = T>, B: ExactSizeIterator<Item = T>> ExactSizeIterator for Joined<A, B> {}

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
    /// Where the request's body was refused: a JSON object to send as `application/problem+json` (RFC 9457). It names the
    /// first offending place and no value.
    pub problem: Option<&'e str>,
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
