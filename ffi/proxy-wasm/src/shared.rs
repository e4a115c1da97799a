//! What all requests of one VM share. A VM has one thread, so cells suffice; nothing here is held across a call that
//! could come back.

use std::cell::RefCell;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};

use portcullis::{Exchange, Worker};

use crate::counters::Counters;
use crate::deployment::Kept;
use crate::ids::Ids;

/// Exchanges that are kept: more than a VM usually has under way at once.
const EXCHANGES_KEEP_MAX: usize = 64;

/// Bytes that are kept room for between parts of bodies: what a gateway usually hands over at once.
const OUT_KEEP_MAX: usize = 1 << 16;

/// One a VM.
#[derive(Debug)]
pub struct Shared {
    /// Scratch of the engine.
    pub worker: RefCell<Worker>,
    /// Exchanges that are over and keep their buffers for the next ones.
    exchanges: RefCell<Vec<Exchange>>,
    /// What is put out of a part of a response's body; the gateway has copied it before the next part comes.
    out: RefCell<Vec<u8>>,
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
            exchanges: RefCell::default(),
            out: RefCell::default(),
            kept: RefCell::default(),
            counters: Counters::default(),
            ids: Ids::new(seed(2)),
        }
    }
}

impl Shared {
    /// An exchange to begin, with the buffers of an earlier one if there is any.
    pub fn exchange(&self) -> Exchange {
        let kept = self.exchanges.try_borrow_mut().ok();
        kept.and_then(|mut kept| kept.pop()).unwrap_or_default()
    }

    /// Takes an exchange back, which lets go of its policy.
    pub fn take_back(&self, mut exchange: Exchange) {
        exchange.clear();
        if let Ok(mut kept) = self.exchanges.try_borrow_mut()
            && kept.len() < EXCHANGES_KEEP_MAX
        {
            kept.push(exchange);
        }
    }

    /// Calls `f` with an empty buffer; `None` where it is in use.
    pub fn with_out<T>(&self, f: impl FnOnce(&mut Vec<u8>) -> T) -> Option<T> {
        let mut out = self.out.try_borrow_mut().ok()?;
        out.clear();
        let result = f(&mut out);
        if out.capacity() > OUT_KEEP_MAX {
            *out = Vec::new();
        }
        Some(result)
    }
}
