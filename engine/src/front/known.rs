//! A verified token's claims --read once--> [`KnownToken`], its facts; and the bearers a worker has seen --> the same.
//! A cache saves reading and changes no decision: it answers for the very bytes that were verified, never past their
//! expiry, only under the policy that they were read for, and never where more than the bearer was verified (a bound
//! certificate, a proof). Verifies nothing and reads no clock.

use super::Arena;
use super::credentials::{self, Claims};
use super::facts::{self, Value};
use super::json::{Json, Member};
use crate::image::Image;
use crate::image::hash::hash;
use crate::limits;
use lru::LruCache;
use std::hash::{BuildHasher, Hasher};
use std::net::IpAddr;

/// A value that outlives its request.
#[derive(Clone, Debug)]
enum Kept {
    Bool(bool),
    Int(i64),
    Bytes(Box<[u8]>),
    Ip(IpAddr),
    Set(Box<[Box<[u8]>]>),
}

impl Kept {
    fn of(value: Value<'_>) -> Kept {
        match value {
            Value::Bool(value) => Kept::Bool(value),
            Value::Int(value) => Kept::Int(value),
            Value::Bytes(value) => Kept::Bytes(value.into()),
            Value::Ip(value) => Kept::Ip(value),
            Value::Set(elements) => {
                let mut sorted = elements.to_vec();
                crate::order::sort(&mut sorted);
                sorted.dedup();
                Kept::Set(sorted.into_iter().map(Box::from).collect())
            }
        }
    }

    /// Bytes of memory beside its own place, about.
    fn bytes(&self) -> usize {
        match self {
            Kept::Bool(_) | Kept::Int(_) | Kept::Ip(_) => 0,
            Kept::Bytes(bytes) => bytes.len(),
            Kept::Set(elements) => elements.iter().map(|e| ELEMENT_BYTES + e.len()).sum(),
        }
    }

    fn value<'a>(&'a self, arena: &'a Arena) -> Value<'a> {
        match self {
            Kept::Bool(value) => Value::Bool(*value),
            Kept::Int(value) => Value::Int(*value),
            Kept::Bytes(value) => Value::Bytes(value),
            Kept::Ip(value) => Value::Ip(*value),
            Kept::Set(elements) => {
                Value::Set(arena.alloc_slice_fill_iter(elements.iter().map(|element| &**element)))
            }
        }
    }
}

/// What an element of a set takes beside its text: a fat pointer and an allocation.
const ELEMENT_BYTES: usize = 48;

/// A claim that was sent: its value, `None` where it is ill-typed.
type Sent = Option<Kept>;

/// A token that was verified, with the facts that one policy reads from it.
#[derive(Clone, Debug)]
pub struct KnownToken {
    issuer: Box<str>,
    claims: Box<[u8]>,
    /// Digest of the policy that the facts are for.
    policy: [u8; 32],
    /// Index of the issuer in that policy.
    place: usize,
    /// By claim of the policy.
    facts: Box<[Option<Sent>]>,
    scopes: Option<Sent>,
    /// `exp` in µs, or what the host set before it; a token without one never expires here.
    expires_us: Option<i64>,
    /// It is bound to a key or a certificate (`cnf`), which has to be looked at each time.
    bound: bool,
}

/// A token without facts: its detail code, as in a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoToken(pub &'static str);

impl KnownToken {
    /// Reads the claims (a JSON object) that `issuer` (its name in the policy) vouches for and the host has verified.
    pub fn read(image: &Image, issuer: &str, claims: &[u8]) -> Result<KnownToken, NoToken> {
        let config = image.config();
        let place = config.issuers.iter().position(|own| own.name == issuer);
        let place = place.ok_or(NoToken("unknown_issuer"))?;
        let arena = Arena::new();
        let read = credentials::json_claims(claims, &arena).map_err(NoToken)?;
        let mut facts: Vec<Option<Sent>> = vec![None; config.claims.len()];
        let (Claims::Json(json), Some(of)) = (&read, config.issuers.get(place)) else {
            return Err(NoToken("malformed_token"));
        };
        for declared in &of.claims {
            let ty = config.claims.get(declared.claim as usize).map(|claim| claim.1);
            if let (Some(ty), Some(slot)) = (ty, facts.get_mut(declared.claim as usize)) {
                let sent = facts::json_claim(json, declared, ty, &arena);
                *slot = sent.map(|value| value.map(Kept::of));
            }
        }
        let scopes = facts::scopes(&read, of, &arena);
        Ok(KnownToken {
            issuer: issuer.into(),
            claims: claims.into(),
            policy: image.digest(),
            place,
            facts: facts.into(),
            scopes: scopes.sent.then(|| scopes.value.map(Kept::of)),
            expires_us: expiry(json),
            bound: json
                .object()
                .is_some_and(|claims| !matches!(claims.member(b"cnf"), Member::Absent)),
        })
    }

    /// Ends it earlier than its `exp`: at the issuer's `max age`, when keys rotate, when it must be asked about again.
    pub fn until(mut self, end_us: i64) -> KnownToken {
        self.expires_us = Some(self.expires_us.map_or(end_us, |own| own.min(end_us)));
        self
    }

    /// Bytes of memory, about.
    fn bytes(&self) -> usize {
        let facts = self.facts.iter().chain([&self.scopes]).flatten().flatten();
        // A place for every claim of the policy, sent or not.
        size_of::<KnownToken>()
            + size_of_val(&*self.facts)
            + self.claims.len()
            + self.issuer.len()
            + facts.map(Kept::bytes).sum::<usize>()
    }

    /// Whether it is over, as far as anybody knows: where nobody knows the time, one that expires is.
    pub(super) fn is_over(&self, now_us: Option<i64>) -> bool {
        now_us.map_or(self.expires_us.is_some(), |now| self.has_expired(now))
    }

    /// Whether its `exp` lies behind; never of a token without one.
    pub fn has_expired(&self, now_us: i64) -> bool {
        self.expires_us.is_some_and(|end| now_us >= end)
    }

    pub(super) fn issuer(&self) -> &str {
        &self.issuer
    }

    pub(super) fn claims(&self) -> &[u8] {
        &self.claims
    }

    /// The issuer's index under the policy of this digest, if the facts are for that.
    pub(super) fn place(&self, policy: &[u8; 32]) -> Option<usize> {
        (self.policy == *policy).then_some(self.place)
    }

    /// What was sent of a claim; `Some(None)` is ill-typed.
    pub(super) fn claim<'a>(&'a self, claim: u32, arena: &'a Arena) -> Option<Option<Value<'a>>> {
        let sent = self.facts.get(claim as usize)?.as_ref()?;
        Some(sent.as_ref().map(|kept| kept.value(arena)))
    }

    /// Its scopes, implied ones among them.
    pub(super) fn scopes<'a>(&'a self, arena: &'a Arena) -> Option<Option<Value<'a>>> {
        let sent = self.scopes.as_ref()?;
        Some(sent.as_ref().map(|kept| kept.value(arena)))
    }
}

fn expiry(claims: &Json<'_>) -> Option<i64> {
    match claims.object()?.member(b"exp") {
        // What is no integer has expired: who verified it must have read another.
        Member::Once(item) => Some(
            item.int()
                .and_then(|seconds| seconds.checked_mul(1_000_000))
                .unwrap_or(i64::MIN),
        ),
        Member::Absent | Member::Twice => None,
    }
}

/// The tokens that a worker has seen, by their bearer. Bounded; the one that was asked for least lately goes first.
#[derive(Clone, Debug)]
pub struct TokenCache {
    known: LruCache<Box<[u8]>, KnownToken, Seed>,
}

/// A hash under a seed of the host's. Only tokens that were verified are kept, so nobody who can not have tokens
/// issued can choose where they fall.
#[derive(Clone, Copy, Debug, Default)]
struct Seed(u64);

impl BuildHasher for Seed {
    type Hasher = Seed;

    fn build_hasher(&self) -> Seed {
        *self
    }
}

impl Hasher for Seed {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = hash(self.0 as u32, (self.0 >> 32) as u32, bytes);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl Default for TokenCache {
    fn default() -> TokenCache {
        TokenCache::new(0)
    }
}

impl TokenCache {
    /// An empty cache for at most [`limits::KNOWN_TOKENS`] tokens; `seed` should be random.
    pub fn new(seed: u64) -> TokenCache {
        TokenCache {
            // Bounded by `insert`: a cache with a bound of its own takes room for all of it at once, also in workers
            // that never see a bearer.
            known: LruCache::unbounded_with_hasher(Seed(seed)),
        }
    }

    /// Keeps a token beside the bearer that was verified. One over [`limits::KNOWN_TOKEN_BYTES`] is not kept, nor one
    /// that is bound to a key or a certificate.
    pub fn insert(&mut self, bearer: &[u8], token: KnownToken) {
        if !token.bound && bearer.len().saturating_add(token.bytes()) <= limits::KNOWN_TOKEN_BYTES {
            self.known.put(bearer.into(), token);
            if self.known.len() > limits::KNOWN_TOKENS {
                self.known.pop_lru();
            }
        }
    }

    /// The token of a bearer, all of whose bytes are compared; none that is over, and none that was verified under
    /// another policy, whose issuers may trust other keys.
    pub(super) fn find(
        &mut self,
        bearer: &[u8],
        policy: &[u8; 32],
        now_us: Option<i64>,
    ) -> Option<(usize, &KnownToken)> {
        let token = self.known.get(bearer)?;
        let place = token.place(policy)?;
        (!token.is_over(now_us)).then_some((place, token))
    }

    /// Forgets all: keys were rotated, tokens revoked.
    pub fn clear(&mut self) {
        self.known.clear();
    }

    /// How many it holds.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }
}
