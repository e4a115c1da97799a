//! What the benchmarks share: policies made ready, the engine behind one adapter, and the floors.
//!
//! A floor is hand-written code for the workload's rules alone. It has no policy language, no reasons, no
//! obligations and no refusals; it says how little a decision can cost, not how one should be made.

// how much to run
pub mod scale;

// policy -> snapshot, request -> call of the engine
pub mod adapter;
pub mod caller;
pub mod setup;
pub mod shapes;

// a size -> documents, and a document -> what the client gets of it
pub mod documents;
pub mod response;

// hand-written decisions
pub mod claim_scan;
pub mod floor;

// calls -> median and p99
pub mod spread;
