//! The C ABI as a WASM module without imports: the functions and structs of `portcullis.h`, 32 bits wide, and buffers
//! for whoever calls them from outside.
//!
//! ```text
//! portcullis_alloc                    a buffer in the module's memory, for the host to write into
//! portcullis_engine_new, _load..      as in C
//! portcullis_worker_new               as in C
//! portcullis_exchange_begin           as in C: the host has written the request struct into a buffer
//! portcullis_exchange_next, _..       as in C
//! portcullis_free
//! ```
//!
//! `README.md` has the layout of the structs in bytes, and `examples` a host for it in JavaScript. The module's memory is
//! the host's to write, so a pointer is believed as in C; one past the end of memory is an error. A defect is a trap:
//! the call that it meets decides nothing, and neither does the instance ever after.

// linked for its exported functions, which are this module's too
pub use portcullis_c::{exports, status, types};

// what only a host outside the memory needs
mod buffers;
pub use buffers::{portcullis_alloc, portcullis_free};

// what such a host goes by
mod layout;
