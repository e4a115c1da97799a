//! The policy in force of an engine -> a worker's own reference to it. Looking it up again costs no atomic that other
//! threads write to. Knows no engine but its number.

use std::sync::Arc;

use super::Snapshot;

/// A snapshot, counted within one worker and its exchanges: other threads do not touch the outer counter.
pub(crate) type Pin = Arc<Arc<Snapshot>>;

/// What was in force in an engine when it was last looked up.
#[derive(Debug, Default)]
pub(crate) struct InForce {
    /// Number of the engine, from 1; 0 is none.
    engine: u64,
    version: u64,
    pin: Option<Pin>,
}

impl InForce {
    /// The snapshot in force in version `version` of the engine. `look_up` is called where the worker knows another one.
    #[inline]
    pub(crate) fn get(
        &mut self,
        engine: u64,
        version: u64,
        look_up: impl FnOnce() -> Option<Arc<Snapshot>>,
    ) -> Option<Pin> {
        if self.engine != engine || self.version != version {
            self.pin = None;
            self.pin = look_up().map(Arc::new);
            (self.engine, self.version) = (engine, version);
        }
        self.pin.clone()
    }

    /// Lets go of the snapshot.
    pub(crate) fn forget(&mut self) {
        *self = InForce::default();
    }
}
