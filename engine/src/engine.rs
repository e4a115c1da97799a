//! The policy in force for all threads -> exchanges under it. Loading is slow and swaps at its very end: what fails
//! leaves what was in force. Beginning an exchange reads one number and takes no lock unless there was a swap.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use crate::data::DataError;
use crate::decide::{Now, Pin, Snapshot, Worker};
use crate::exchange::{Carries, Exchange, Next};
use crate::image::{Image, LoadError, Trust, TrustError};
use crate::quota::QuotaStore;
use crate::view::RequestView;

/// Numbers of engines; 0 is none.
static ENGINES: AtomicU64 = AtomicU64::new(1);

/// The policy in force, shared by all threads. Without one, everything is denied.
#[derive(Debug)]
pub struct Engine {
    /// Another one in each engine of the process, so that a worker can tell whose policy it knows.
    number: u64,
    /// Rises with every swap.
    version: AtomicU64,
    current: RwLock<Option<Arc<Snapshot>>>,
    /// Outlives what is in force: a reload keeps what was spent.
    quotas: Option<Arc<QuotaStore>>,
}

impl Default for Engine {
    fn default() -> Engine {
        Engine {
            number: ENGINES.fetch_add(1, Ordering::Relaxed),
            version: AtomicU64::new(0),
            current: RwLock::new(None),
            quotas: None,
        }
    }
}

impl From<Snapshot> for Engine {
    /// With a snapshot in force.
    fn from(snapshot: Snapshot) -> Engine {
        Engine {
            current: RwLock::new(Some(Arc::new(snapshot))),
            ..Engine::default()
        }
    }
}

impl Engine {
    /// Without a policy.
    pub fn new() -> Engine {
        Engine::default()
    }

    /// Charges by this store what nodes do not share, at once where an exchange is decided. Without one all charges are the
    /// host's. Processes or engines that share the store share its buckets.
    #[must_use]
    pub fn with_quotas(self, store: impl Into<Arc<QuotaStore>>) -> Engine {
        Engine {
            quotas: Some(store.into()),
            ..self
        }
    }

    /// The store of [`Engine::with_quotas`].
    pub fn quotas(&self) -> Option<&QuotaStore> {
        self.quotas.as_deref()
    }

    /// Puts a snapshot in force. Exchanges under way keep the one they began with. Where a sealed image is in force,
    /// an unsealed one and one of an older serial are refused, unless the new one was loaded with rollback allowed.
    pub fn swap(&self, snapshot: Arc<Snapshot>) -> Result<(), TrustError> {
        // A poisoned lock still holds a whole snapshot: nothing is left half-written by replacing an Arc.
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(in_force) = current.as_ref() {
            snapshot
                .image
                .admission()
                .may_follow(in_force.image.admission())?;
        }
        *current = Some(snapshot);
        self.version.fetch_add(1, Ordering::Release);
        Ok(())
    }

    /// Builds a snapshot and puts it in force. A bad image leaves the last good one there; a bad data file leaves the
    /// last good one that the new policy declares alike, and is told. One thread loads: of two loads at once the later one
    /// may keep what was in force before the earlier.
    pub fn load(
        &self,
        image: &[u8],
        trust: &Trust,
        files: &dyn Fn(&str) -> Option<Vec<u8>>,
    ) -> Result<Vec<DataError>, LoadError> {
        let image = Image::load(image, trust)?;
        let before = self.snapshot().map(|snapshot| Arc::clone(&snapshot.data));
        let (data, errors) = before.unwrap_or_default().reload(image.config(), files);
        self.swap(Arc::new(Snapshot::new(image, data)))?;
        Ok(errors)
    }

    /// What is in force; the lock is held for the copy of one pointer.
    pub fn snapshot(&self) -> Option<Arc<Snapshot>> {
        self.current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Begins an exchange under what is in force; where nothing is, it replies with a denial. Whatever the exchange was
    /// before is forgotten; if it was not finished, that was an abort. The worker keeps a reference to the policy until
    /// its next exchange.
    #[inline]
    pub fn begin<'e>(
        &self,
        exchange: &'e mut Exchange,
        worker: &mut Worker,
        request: &RequestView<'_>,
        carries: Carries,
        now: Now,
    ) -> Next<'e> {
        let pin = self.pin(worker);
        exchange.charge_by(self.quotas.as_ref());
        exchange.begin(pin, worker, request, carries, now)
    }

    #[inline]
    fn pin(&self, worker: &mut Worker) -> Option<Pin> {
        // The number first: a swap in between makes the next exchange look again.
        let version = self.version.load(Ordering::Acquire);
        worker.in_force.get(self.number, version, || self.snapshot())
    }
}
