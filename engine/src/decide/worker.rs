//! What one thread keeps between decisions: memory that is used again, and tokens that it has seen. Knows no rules.

use super::pin::InForce;
use super::scratch::Scratch;
use crate::identity::{StaleKeysOf, TokenCache};
use crate::image::Image;
use crate::value::Arena;
use crate::view::KnownToken;

/// Scratch of one thread. Reusing it saves allocations and changes no decision: once its arena has grown to what
/// requests need, deciding allocates nothing.
#[derive(Debug, Default)]
pub struct Worker {
    pub(super) scratch: Scratch,
    pub(super) arena: Arena,
    pub(super) tokens: TokenCache,
    /// The policy of the last exchange.
    pub(crate) in_force: InForce,
}

/// Bytes that a worker keeps between decisions: what one honest request needs, many times over. A request that needed
/// more gives them back.
const ARENA_KEEP_MAX: usize = 1 << 18;

impl Worker {
    /// A worker whose token cache hashes under a seed, which should be random and the host's own.
    pub fn with_seed(seed: u64) -> Worker {
        Worker {
            tokens: TokenCache::new(seed),
            ..Worker::default()
        }
    }

    /// Keeps a token that the host has verified, so that [`crate::Credential::FromHeaders`] finds it by its bearer: under
    /// the same policy, up to its `exp` or what [`KnownToken::until`] says. Until then nobody looks at keys, revocation
    /// or age again, so whoever needs that sooner ends the token earlier or calls [`Worker::forget_tokens`].
    pub fn remember(&mut self, bearer: &[u8], token: KnownToken) {
        self.tokens.insert(bearer, token);
    }

    /// Forgets all tokens.
    pub fn forget_tokens(&mut self) {
        self.tokens.clear();
    }

    /// Whose keys ought to be fetched, as the last decision showed.
    pub(crate) fn take_stale_keys(&mut self) -> Option<StaleKeysOf> {
        self.tokens.take_stale()
    }

    /// Lets go of the policy of the last exchange, which is else kept until the next one.
    pub fn forget_policy(&mut self) {
        self.in_force.forget();
    }

    /// Image words read since the worker was made; 0 unless the engine was built to count.
    pub fn words_touched(&self) -> u64 {
        self.scratch.touched.get()
    }

    /// Forgets the last decision.
    pub(super) fn start(&mut self, image: &Image) {
        if self.arena.allocated_bytes() > ARENA_KEEP_MAX {
            self.arena = Arena::new();
        } else {
            self.arena.reset();
        }
        self.scratch.start(image);
    }
}
