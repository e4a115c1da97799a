//! A token that was verified before, with the facts that one policy reads from it: what a host keeps and hands over
//! again. Reads no claims itself.

use crate::value::{Arena, OwnedValue, Value};

/// A claim that was sent: its value, `None` where it is ill-typed.
pub(crate) type Sent = Option<OwnedValue>;

/// What a token is bound to (`cnf`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Bound {
    /// Nothing.
    No,
    /// The certificate of this `x5t#S256`.
    Certificate(Box<[u8]>),
    /// Something that is not looked at here.
    Other,
}

/// A token that was verified, with the facts that one policy reads from it.
#[derive(Clone, Debug)]
pub struct KnownToken {
    pub(crate) issuer: Box<str>,
    pub(crate) claims: Box<[u8]>,
    /// Digest of the policy that the facts are for.
    pub(crate) policy: [u8; 32],
    /// Index of the issuer in that policy.
    pub(crate) place: usize,
    /// Among those with `beside`.
    pub(crate) beside: bool,
    /// Generation of the keys that verified it; `None` where the host did.
    pub(crate) keys: Option<[u8; 32]>,
    /// From when on it is good, µs; `None`: from ever on.
    pub(crate) starts_us: Option<i64>,
    /// By claim of the policy.
    pub(crate) facts: Box<[Option<Sent>]>,
    pub(crate) scopes: Option<Sent>,
    /// `exp` in µs, or what the host set before it; a token without one never expires here.
    pub(crate) expires_us: Option<i64>,
    /// What it is bound to, which has to be looked at each time.
    pub(crate) bound: Bound,
}

impl KnownToken {
    /// Ends it earlier than its `exp`: at the issuer's `max age`, when keys rotate, when it must be asked about again.
    pub fn until(mut self, end_us: i64) -> KnownToken {
        self.expires_us = Some(self.expires_us.map_or(end_us, |own| own.min(end_us)));
        self
    }

    /// Bytes of memory, about.
    pub(crate) fn bytes(&self) -> usize {
        let facts = self.facts.iter().chain([&self.scopes]).flatten().flatten();
        // A place for every claim of the policy, sent or not.
        size_of::<KnownToken>()
            + size_of_val(&*self.facts)
            + self.claims.len()
            + self.issuer.len()
            + facts.map(OwnedValue::bytes).sum::<usize>()
    }

    /// Whether it is over, as far as anybody knows: where nobody knows the time, one that expires is.
    pub(crate) fn is_over(&self, now_us: Option<i64>) -> bool {
        let has_times = self.expires_us.is_some() || self.starts_us.is_some();
        now_us.map_or(has_times, |now| {
            self.has_expired(now) || self.starts_us.is_some_and(|start| now < start)
        })
    }

    /// Whether its `exp` lies behind; never of a token without one.
    pub fn has_expired(&self, now_us: i64) -> bool {
        self.expires_us.is_some_and(|end| now_us >= end)
    }

    pub(crate) fn issuer(&self) -> &str {
        &self.issuer
    }

    pub(crate) fn claims(&self) -> &[u8] {
        &self.claims
    }

    /// The issuer's index under the policy of this digest, if the facts are for that.
    pub(crate) fn place(&self, policy: &[u8; 32]) -> Option<usize> {
        (self.policy == *policy).then_some(self.place)
    }

    /// What was sent of a claim; `Some(None)` is ill-typed.
    pub(crate) fn claim<'a>(&'a self, claim: u32, arena: &'a Arena) -> Option<Option<Value<'a>>> {
        let sent = self.facts.get(claim as usize)?.as_ref()?;
        Some(sent.as_ref().map(|kept| kept.value(arena)))
    }

    /// Its scopes, implied ones among them.
    pub(crate) fn scopes<'a>(&'a self, arena: &'a Arena) -> Option<Option<Value<'a>>> {
        let sent = self.scopes.as_ref()?;
        Some(sent.as_ref().map(|kept| kept.value(arena)))
    }
}
