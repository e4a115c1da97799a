//! C programs, built in the test run against the library of this very build, and what they must print. What the header
//! says of itself, and what is installed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that can not set itself up fails"
)]
#![cfg(target_os = "linux")]

// sources -> programs -> what they print
mod build;

// what the programs show
mod corpus;
mod programs;

// what people read and install
mod header;
mod install;

// what is easier asked in Rust
mod tokens;
mod trust;
