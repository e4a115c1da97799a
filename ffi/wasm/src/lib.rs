//! Numbers across the WASM boundary -> calls of the engine. A plain module: C-style exports, no imports, for any
//! WASM host and the browser.
//!
//! ```text
//! p = portcullis_alloc(n)              write n bytes at p in the module's memory
//! portcullis_trust_key(id, key)        once: from then on only sealed images load
//! e = portcullis_load(p, n)            an image; 0 is an error
//! portcullis_data(e, name, file)       each list and table
//! r = portcullis_request_new()         then its setters, a pointer and a length for every text
//! portcullis_decide(e, r)              2 is allow; everything else keeps the gate shut
//! portcullis_verdict_ptr(), _len()     the verdict's line, until the next decision
//! ```
//!
//! The host owns what it allocates: it frees each buffer with `portcullis_free`, any time after the call that took
//! it, for every call copies. Handles carry a generation: a freed one is an error, not another object. A pointer
//! that `portcullis_alloc` did not give is an error, not a read of something else. A panic is a trap, and a trap is
//! a denial: a module that trapped is to be instantiated anew.
//!
//! This crate holds no policy logic and knows no JSON of its callers but the texts they hand over.

// pointers -> bytes
mod memory;

// handles -> objects
mod handles;
mod request;
mod state;

// exports -> calls
mod exports;

pub use exports::*;
pub use state::Status;
