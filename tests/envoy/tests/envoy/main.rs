//! The plugin in a real Envoy: the corpus, path settings, failures, memory, tokens, bodies, and the example that people run.

#![expect(clippy::unwrap_used, reason = "a test that can not set itself up fails")]

mod bodies;
mod case;
mod corpus;
mod example;
mod failures;
mod gateway;
mod paths;
mod soak;
mod tokens;
mod verdict;
