//! C structs of pointers and lengths -> calls of the engine -> numbers, and texts that the exchange owns.
//!
//! ```text
//! portcullis_engine_new, _load..      an image, a file or policy text, put in force for all threads
//! portcullis_worker_new               one a thread
//! portcullis_exchange_begin           a request struct in, the verdict out, or what the host has to do before
//! portcullis_exchange_next, _..       the steps of the exchange, what binds with it, and the verdict's line
//! portcullis_exchange_free
//! ```
//!
//! `include/portcullis.h` is generated from this crate and says of every function who owns what, which threads may
//! call it, how long its texts live, and how it fails. No policy logic is here: what a decision is, the engine says.
//!
//! Handles are numbers with a generation, not pointers: one that was freed, or made up, is an error. Pointers are
//! read in `memory` alone. No panic leaves a function: what it was working on is poisoned, and the gate stays shut.

// what C programs see
pub mod exports;
pub mod types;

// the borders: pointers, handles, panics
mod guard;
mod handles;
mod memory;
pub mod status;

// what handles stand for
mod engine;
mod worker;

// struct -> request, exchange -> struct
mod request;
mod verdict;
