//! A verified token's claims --read once--> [`KnownToken`], its facts; and the bearers a worker has seen --> the same.
//! A cache saves reading and changes no decision: it answers for the very bytes that were verified, never past their
//! expiry, only under the policy that they were read for, and never where more than the bearer was verified (a bound
//! certificate, a proof). Verifies nothing and reads no clock.

use super::claims::{Claims, json_field};
use crate::image::Image;
use crate::image::hash::hash;
use crate::limits;
use crate::value::json::{Json, Member};
use crate::value::{Arena, OwnedValue, text};
use crate::view::{KnownToken, Sent};
use lru::LruCache;
use portcullis_base::Detail;
use std::hash::{BuildHasher, Hasher};

/// A token without facts: what is wrong, as in a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoToken(pub Detail);

impl KnownToken {
    /// Reads the claims (a JSON object) that `issuer` (its name in the policy) vouches for and the host has verified.
    pub fn read(image: &Image, issuer: &str, claims: &[u8]) -> Result<KnownToken, NoToken> {
        let config = image.config();
        let place = config.issuers.iter().position(|own| own.name == issuer);
        let place = place.ok_or(NoToken(Detail::UnknownIssuer))?;
        let arena = Arena::new();
        let read = Claims::read(claims, &arena).map_err(NoToken)?;
        let mut facts: Vec<Option<Sent>> = vec![None; config.claims.len()];
        let (Claims::Json(json), Some(of)) = (&read, config.issuers.get(place)) else {
            return Err(NoToken(Detail::MalformedToken));
        };
        for declared in &of.claims {
            let ty = config.claims.get(declared.claim as usize).map(|claim| claim.1);
            if let (Some(ty), Some(slot)) = (ty, facts.get_mut(declared.claim as usize)) {
                let sent = json_field(json, &declared.field, ty, &arena);
                *slot = sent.map(|value| value.map(OwnedValue::of));
            }
        }
        let scopes = read.scopes(of, &arena);
        Ok(KnownToken {
            issuer: issuer.into(),
            claims: claims.into(),
            policy: image.digest(),
            place,
            facts: facts.into(),
            scopes: scopes.sent.then(|| scopes.value.map(OwnedValue::of)),
            expires_us: expiry(json),
            bound: json
                .object()
                .is_some_and(|claims| !matches!(claims.member(b"cnf"), Member::Absent)),
        })
    }
}

fn expiry(claims: &Json<'_>) -> Option<i64> {
    match claims.object()?.member(b"exp") {
        // What is no number of seconds has expired: who verified it must have read another.
        Member::Once(item) => Some(item.number().and_then(text::seconds).unwrap_or(i64::MIN)),
        Member::Absent | Member::Twice => None,
    }
}

/// The tokens that a worker has seen, by their bearer. Bounded; the one that was asked for least lately goes first.
#[derive(Clone, Debug)]
pub(crate) struct TokenCache {
    known: LruCache<Box<[u8]>, KnownToken, Seed>,
}

/// A hash under a seed of the host's. Only tokens that were verified are kept, so nobody who cannot have tokens
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
    pub(crate) fn new(seed: u64) -> TokenCache {
        TokenCache {
            // Bounded by `insert`: a cache with a bound of its own takes room for all of it at once, also in workers
            // that never see a bearer.
            known: LruCache::unbounded_with_hasher(Seed(seed)),
        }
    }

    /// Keeps a token beside the bearer that was verified. One over [`limits::KNOWN_TOKEN_BYTES`] is not kept, nor one
    /// that is bound to a key or a certificate.
    pub(crate) fn insert(&mut self, bearer: &[u8], token: KnownToken) {
        if !token.bound && bearer.len().saturating_add(token.bytes()) <= limits::KNOWN_TOKEN_BYTES {
            self.known.put(bearer.into(), token);
            if self.known.len() > limits::KNOWN_TOKENS {
                self.known.pop_lru();
            }
        }
    }

    /// The token of a bearer, all of whose bytes are compared; none that is over, and none that was verified under
    /// another policy, whose issuers may trust other keys.
    pub(crate) fn find(
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
    pub(crate) fn clear(&mut self) {
        self.known.clear();
    }
}
