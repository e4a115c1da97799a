//! What all requests of one VM share. A VM has one thread, so cells suffice; nothing here is held across a call that
//! could come back.

use std::cell::RefCell;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};

use portcullis::Worker;

use crate::counters::Counters;
use crate::deployment::Kept;
use crate::ids::Ids;

/// One a VM.
#[derive(Debug)]
pub struct Shared {
    /// Scratch of the engine.
    pub worker: RefCell<Worker>,
    /// Last good deployments.
    pub kept: RefCell<Kept>,
    /// Counters of the gateway.
    pub counters: Counters,
    /// Decision ids.
    pub ids: Ids,
}

impl Default for Shared {
    fn default() -> Shared {
        // The hasher's seed is the host's randomness; without it ids are merely easier to guess.
        let seed = |salt: u64| {
            let mut hasher = RandomState::new().build_hasher();
            hasher.write_u64(salt);
            hasher.finish()
        };
        Shared {
            worker: RefCell::new(Worker::with_seed(seed(1))),
            kept: RefCell::default(),
            counters: Counters::default(),
            ids: Ids::new(seed(2)),
        }
    }
}
