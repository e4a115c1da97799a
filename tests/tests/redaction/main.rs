//! What the engine leaves of responses and takes of requests: foreign JSON texts, random documents under random plans
//! against an obvious reader of trees, random shapes against JSON Schema, and the memory that all this takes.
//!
//! `PORTCULLIS_SEED` replays a seed, `PORTCULLIS_PAIRS` sets how many pairs are drawn, at most [`PAIRS_MAX`].
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test, which prints its seed"
)]

// random JSON documents as trees, with the bytes they are written in
mod document;
// policies and exchanges: a body in, what goes on out
mod host;
// the bytes that stay under a plan, by walking the tree
mod plan;

// random plans and documents against the walk
mod agreement;
// bytes held at once, and when the first ones leave
mod memory;
// the texts of JSONTestSuite
mod parsing;
// what holds of every plan, without an oracle
mod properties;
// accepted bodies against JSON Schema
mod shapes;

/// Pairs of a run that is asked for more.
const PAIRS_MAX: u64 = 100_000;

/// The seed of the run that every change must pass: one that cannot turn red by chance. Long runs draw a new one.
const SEED: u64 = 0x7265_6461_6374_696f;

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    match text.strip_prefix("0x") {
        Some(digits) => Some(u64::from_str_radix(digits, 16).unwrap()),
        None => Some(text.parse().unwrap()),
    }
}

/// The seed of this run and how many pairs it draws; both are printed, so that a failure can be replayed.
fn drawn(suite: &str, pairs: u64) -> (u64, u64) {
    let seed = number("PORTCULLIS_SEED").unwrap_or(SEED);
    let pairs = number("PORTCULLIS_PAIRS").unwrap_or(pairs).min(PAIRS_MAX);
    eprintln!("{suite}: PORTCULLIS_SEED={seed:#x} PORTCULLIS_PAIRS={pairs}");
    (seed, pairs)
}
