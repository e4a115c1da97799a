//! The proxy-wasm plugin as it ships, in wasmtime behind a gateway of our own. Names begin with the row of the
//! hostile catalogue that a test is about.

#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]

// what tests share
mod support;

// the module itself
mod artifact;
mod memory;

// the plugin behind a gateway
mod bodies;
mod configuration;
mod corpus;
mod faults;
mod host_calls;
mod log_lines;
mod nginx;
mod phases;
mod responses;
mod tokens;
mod trailers;
mod trust;
