//! The functions of the header. Each checks its pointers, takes the lock of its handle, calls what is behind it and
//! returns a code; none holds anything between calls.

mod engine;
mod error;
mod exchange;
mod steps;
mod version;
mod worker;

pub use engine::*;
pub use error::*;
pub use exchange::*;
pub use steps::*;
pub use version::*;
pub use worker::*;
