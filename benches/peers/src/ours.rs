//! The engine, the floors, and matchit alone, as evaluators.

use portcullis::{Snapshot, Worker};
use portcullis_benches::adapter::Requests;
use portcullis_benches::floor::{self, Floor};
use portcullis_benches::setup;
use portcullis_tests::workload::{self, Workload};

use crate::evaluator::Evaluator;
use crate::router::{NONE, Router};

/// The engine: text to image to snapshot, as a product loads it.
pub struct Engine {
    snapshot: Snapshot,
    requests: Requests,
}

impl Engine {
    /// Loads the workload's policy; the requests are prepared before, as they are for the others.
    pub fn load(work: &Workload, requests: Requests) -> Engine {
        Engine {
            snapshot: Engine::snapshot(work),
            requests,
        }
    }

    /// The workload's policy, loaded.
    pub fn snapshot(work: &Workload) -> Snapshot {
        let image = setup::image(&work.gate(), &workload::files()).unwrap();
        setup::snapshot(&image).unwrap()
    }
}

impl Evaluator for Engine {
    type State<'a> = Worker;

    fn state(&self) -> Worker {
        self.requests.worker()
    }

    fn allowed<'a>(&'a self, worker: &mut Worker, i: usize) -> bool {
        self.requests.allowed(&self.snapshot, i, worker)
    }
}

/// A floor.
pub struct HandWritten<'w> {
    pub floor: Floor<'w>,
    pub handing: floor::Handing,
}

impl Evaluator for HandWritten<'_> {
    type State<'a>
        = ()
    where
        Self: 'a;

    fn state(&self) {}

    fn allowed<'a>(&'a self, _: &mut (), i: usize) -> bool {
        self.floor.allowed(self.handing, i)
    }
}

/// Routing alone: whether the route is known. No decision.
pub struct Routing<'w> {
    pub work: &'w Workload,
    pub router: Router,
}

impl Evaluator for Routing<'_> {
    type State<'a>
        = ()
    where
        Self: 'a;

    fn state(&self) {}

    fn allowed<'a>(&'a self, _: &mut (), i: usize) -> bool {
        self.router.find(&self.work.requests[i]) != NONE
    }
}
