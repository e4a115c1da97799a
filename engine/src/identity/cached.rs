//! A verified token's claims --read once--> [`KnownToken`], its facts; and what a worker has seen of presented tokens: those
//! that are good, those whose signature is wrong, and whose keys ought to be fetched. A cache saves verifying and reading
//! and changes no decision: it answers for the very bytes that were verified, under the policy and the keys that they were
//! verified with, between the token's own times, and on the connection that it is bound to. Verifies nothing and reads no
//! clock.

use super::claims::{Asked, Claims, Confirmation, json_field};
use super::token::{Validity, is_thumbprint, judge_kept, of_one};
use crate::image::Image;
use crate::image::config::{Config, Issuer};
use crate::image::hash::hash;
use crate::limits;
use crate::value::json::{Json, Member};
use crate::value::{Arena, OwnedValue, text};
use crate::view::{Bound, KnownToken, Sent};
use lru::LruCache;
use portcullis_base::Detail;
use std::hash::{BuildHasher, Hasher};

/// A token without facts: what is wrong, as in a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoToken(pub Detail);

impl KnownToken {
    /// Reads the claims (a JSON object) that `issuer` (its name in the policy) vouches for and the host has verified. Where
    /// the gateway verifies an issuer's tokens, or they are opaque, what the issuer's clauses ask of the claims is looked at
    /// here, and their times whenever the token is used.
    pub fn read(image: &Image, issuer: &str, claims: &[u8]) -> Result<KnownToken, NoToken> {
        let config = image.config();
        let place = config.issuers.iter().position(|own| own.name == issuer);
        let place = place.ok_or(NoToken(Detail::UnknownIssuer))?;
        let arena = Arena::new();
        let read = Claims::read(claims, &arena).map_err(NoToken)?;
        let (Claims::Json(json), Some(of)) = (&read, config.issuers.get(place)) else {
            return Err(NoToken(Detail::MalformedToken));
        };
        let mut validity = Validity {
            starts_us: None,
            ends_us: expiry(json),
        };
        if of.verified_by_gateway || of.opaque {
            validity = judge_kept(&read, of, Asked::ALL.of(of), &arena).map_err(NoToken)?;
        } else if of.url_like {
            of_one(&read, of, &arena).map_err(NoToken)?;
        }
        Ok(KnownToken {
            issuer: issuer.into(),
            claims: claims.into(),
            policy: image.digest(),
            place,
            beside: false,
            keys: None,
            facts: facts(json, of, config, &arena),
            scopes: scopes(&read, of, &arena),
            starts_us: validity.starts_us,
            expires_us: validity.ends_us,
            bound: match read.confirmation() {
                Confirmation::Absent => Bound::No,
                Confirmation::Certificate(_) | Confirmation::Other => Bound::Other,
            },
        })
    }
}

/// What is kept of a token that was verified here.
pub(super) struct Verified<'t, 'a> {
    pub(super) config: &'t Config,
    pub(super) issuer: &'t Issuer,
    pub(super) place: usize,
    pub(super) beside: bool,
    pub(super) claims: &'t Claims<'a>,
    pub(super) text: &'t [u8],
    pub(super) validity: Validity,
    pub(super) policy: &'t [u8; 32],
    pub(super) keys: &'t [u8; 32],
}

impl Verified<'_, '_> {
    /// `None` of claims that are no JSON.
    fn known(&self, arena: &Arena) -> Option<KnownToken> {
        let Claims::Json(json) = self.claims else {
            return None;
        };
        Some(KnownToken {
            issuer: self.issuer.name.as_str().into(),
            claims: self.text.into(),
            policy: *self.policy,
            place: self.place,
            beside: self.beside,
            keys: Some(*self.keys),
            facts: facts(json, self.issuer, self.config, arena),
            scopes: scopes(self.claims, self.issuer, arena),
            starts_us: self.validity.starts_us,
            expires_us: self.validity.ends_us,
            bound: match self.claims.confirmation() {
                Confirmation::Absent => Bound::No,
                Confirmation::Certificate(thumbprint) => Bound::Certificate(thumbprint.into()),
                Confirmation::Other => Bound::Other,
            },
        })
    }
}

fn facts(json: &Json<'_>, of: &Issuer, config: &Config, arena: &Arena) -> Box<[Option<Sent>]> {
    let mut facts: Vec<Option<Sent>> = vec![None; config.claims.len()];
    for declared in &of.claims {
        let ty = config.claims.get(declared.claim as usize).map(|claim| claim.1);
        if let (Some(ty), Some(slot)) = (ty, facts.get_mut(declared.claim as usize)) {
            let sent = json_field(json, &declared.field, ty, arena);
            *slot = sent.map(|value| value.map(OwnedValue::of));
        }
    }
    facts.into()
}

fn scopes(claims: &Claims<'_>, of: &Issuer, arena: &Arena) -> Option<Sent> {
    let scopes = claims.scopes(of, arena);
    scopes.sent.then(|| scopes.value.map(OwnedValue::of))
}

fn expiry(claims: &Json<'_>) -> Option<i64> {
    match claims.object()?.member(b"exp") {
        // What is no number of seconds has expired: who verified it must have read another.
        Member::Once(item) => Some(item.number().and_then(text::seconds).unwrap_or(i64::MIN)),
        Member::Absent | Member::Twice => None,
    }
}

/// The tokens that a worker has seen, by their bytes as presented. Bounded; the one that was asked for least lately goes
/// first.
#[derive(Clone, Debug)]
pub(crate) struct TokenCache {
    /// Places in `tokens`.
    known: LruCache<Box<[u8]>, usize, Seed>,
    tokens: Vec<KnownToken>,
    /// Each with the generation of the keys that did not make its signature.
    forged: LruCache<Box<[u8]>, [u8; 32], Seed>,
    stale: StaleKeys,
}

/// A hash under a seed of the host's. Of tokens that callers choose freely only [`limits::FORGED_TOKENS`] are kept, so
/// where they fall does not matter.
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

/// What a cached token is looked up for.
#[derive(Clone, Copy)]
pub(super) struct LookUp<'t> {
    pub(super) bearer: &'t [u8],
    /// Its issuer is one with `beside`.
    pub(super) beside: bool,
    pub(super) policy: &'t [u8; 32],
    pub(super) keys: &'t [u8; 32],
    pub(super) now_us: Option<i64>,
    pub(super) fingerprint: Option<&'t [u8]>,
}

impl TokenCache {
    /// An empty cache for at most [`limits::KNOWN_TOKENS`] tokens; `seed` should be random.
    pub(crate) fn new(seed: u64) -> TokenCache {
        TokenCache {
            // Bounded by `insert`: a cache with a bound of its own takes room for all of it at once, also in workers
            // that never see a bearer.
            known: LruCache::unbounded_with_hasher(Seed(seed)),
            tokens: Vec::new(),
            forged: LruCache::unbounded_with_hasher(Seed(seed)),
            stale: StaleKeys::default(),
        }
    }

    /// Keeps a token beside the bearer that was verified. One over [`limits::KNOWN_TOKEN_BYTES`] is not kept, nor one
    /// that is bound to what is not looked at here.
    pub(crate) fn insert(&mut self, bearer: &[u8], token: KnownToken) {
        if token.bound == Bound::Other
            || bearer.len().saturating_add(token.bytes()) > limits::KNOWN_TOKEN_BYTES
        {
            return;
        }
        let is_full = self.known.len() >= limits::KNOWN_TOKENS;
        let place = match self.known.get(bearer).copied() {
            None if is_full => self.known.pop_lru().map(|(_, place)| place),
            found => found,
        };
        match place.and_then(|place| self.tokens.get_mut(place)) {
            Some(slot) => *slot = token,
            None => self.tokens.push(token),
        }
        let place = place.unwrap_or(self.tokens.len() - 1);
        self.known.put(bearer.into(), place);
    }

    /// Keeps a token that was verified here.
    pub(super) fn keep(&mut self, bearer: &[u8], token: &Verified<'_, '_>, arena: &Arena) {
        if let Some(token) = token.known(arena) {
            self.insert(bearer, token);
        }
    }

    /// Where the token of a bearer is, all of whose bytes are compared; none that is over, none that was verified under
    /// another policy or other keys, and none on another connection than its own.
    #[inline]
    pub(super) fn find(&mut self, of: LookUp<'_>) -> Option<usize> {
        let place = *self.known.get(of.bearer)?;
        let token = self.tokens.get(place)?;
        let is_bound_here = match &token.bound {
            Bound::No => true,
            Bound::Certificate(thumbprint) => is_thumbprint(thumbprint, of.fingerprint),
            Bound::Other => false,
        };
        let is_good = token.place(of.policy).is_some()
            && token.beside == of.beside
            && token.keys.is_none_or(|keys| keys == *of.keys)
            && !token.is_over(of.now_us)
            && is_bound_here;
        is_good.then_some(place)
    }

    /// The token at a place that was found since the last one was inserted, or that is still there.
    pub(super) fn at(&self, place: usize) -> Option<&KnownToken> {
        self.tokens.get(place)
    }

    /// Whether these keys did not make the token's signature.
    pub(super) fn is_forged(&mut self, bearer: &[u8], keys: &[u8; 32]) -> bool {
        self.forged.get(bearer) == Some(keys)
    }

    /// Keeps a token whose signature is wrong; a long one is verified each time.
    pub(super) fn keep_forged(&mut self, bearer: &[u8], keys: &[u8; 32]) {
        if bearer.len() <= limits::FORGED_TOKEN_BYTES {
            self.forged.put(bearer.into(), *keys);
            if self.forged.len() > limits::FORGED_TOKENS {
                self.forged.pop_lru();
            }
        }
    }

    /// A token came whose key is not among those of the issuer.
    pub(super) fn miss_key(&mut self, issuer: StaleKeysOf, now_us: i64) {
        self.stale.miss(issuer, now_us);
    }

    /// Whose keys ought to be fetched again, as the last request showed.
    pub(crate) fn take_stale(&mut self) -> Option<StaleKeysOf> {
        self.stale.due.take()
    }

    /// Forgets all: keys were rotated, tokens revoked.
    pub(crate) fn clear(&mut self) {
        self.known.clear();
        self.tokens.clear();
        self.forged.clear();
    }
}

/// An issuer by its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StaleKeysOf {
    pub(crate) place: usize,
    pub(crate) beside: bool,
}

/// Keys that are asked for at most once a [`limits::KEYS_FETCH_US`] and issuer: callers make up key ids as they like.
#[derive(Clone, Debug, Default)]
struct StaleKeys {
    /// When they were last asked for, µs since the epoch. As many as there are issuers.
    asked: Vec<(StaleKeysOf, i64)>,
    due: Option<StaleKeysOf>,
}

impl StaleKeys {
    fn miss(&mut self, issuer: StaleKeysOf, now_us: i64) {
        match self.asked.iter_mut().find(|(of, _)| *of == issuer) {
            Some((_, at)) if now_us.abs_diff(*at) < limits::KEYS_FETCH_US => return,
            Some((_, at)) => *at = now_us,
            None => self.asked.push((issuer, now_us)),
        }
        self.due = Some(issuer);
    }
}
