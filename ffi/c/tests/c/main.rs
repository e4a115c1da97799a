//! C programs, built in the test run against the library of this very build, and what they must print. What the header
//! says of itself, and what is installed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test"
)]
#![cfg(target_os = "linux")]

mod build;
mod corpus;
mod header;
