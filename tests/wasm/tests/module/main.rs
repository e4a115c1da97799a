//! The WASM module as it ships, in wasmtime, in Node and in a browser: the same bytes as the crate, and what hosts do
//! wrong is an error, never an open gate.

#![expect(clippy::unwrap_used, reason = "a test that can not set itself up fails")]

// what tests share
mod support;

// the module itself
mod artifact;

// the module in wasmtime
mod corpus;
mod misuse;
mod redaction;
mod trust;

// the examples
mod browser;
mod node;
