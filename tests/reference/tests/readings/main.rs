//! Each reading of decision 0001 that the reference implements, with a vector that shows it.
#![allow(clippy::unwrap_used, reason = "a helper of tests may fail the test")]

mod facts;
mod normalisation;
mod obligations;
mod verdicts;
mod world;
