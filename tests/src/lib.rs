//! The harness that puts one corpus and endless generated pairs of policy and request through every evaluator.
//!
//! ```text
//! vectors --bridge--> the engine's own request structure --decide--> verdict lines
//! seed --generate--> Gate text, side files, vectors --oracle--> both evaluators, every member compared
//! description --forge--> tokens, API keys and signatures, right and forged
//! corpus folders --corpus--> cases: policies with vectors that say what must come out
//! ```
//!
//! Knows both evaluators and no gateway; runners of hosts reuse [`bridge`], [`corpus`] and [`handed_over`]. Tokens of tests are signed with [`keys`].

pub mod adversarial;
pub mod bridge;
pub mod corpus;
pub mod counts;
pub mod forge;
pub mod generate;
pub mod handed_over;
pub mod hostile;
pub mod keys;
pub mod oracle;
pub mod rng;
pub mod shrink;
pub mod workload;
pub mod wycheproof;
