//! Benchmarks stand beside this file; the crate has no code of its own.
