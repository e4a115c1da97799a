//! policy model --compile--> image --load--> [`Image`]; request bytes --[`decide()`]--> [`Decision`]
//!
//! The way of a request, and the folders it passes:
//!
//! ```text
//! RequestView --front--> canonical request, credentials, facts
//!             --decide--> service, entry, graph walks, head of the verdict
//!             --oblige--> what binds with it: quotas, headers, redaction, bodies
//!             --verdict--> one line of JSON, the same bytes in every host
//! ```
//!
//! The way of a policy: `compile` lowers the checked model to true and false tests over facts, determinises the
//! routes, builds classifiers and decision graphs and writes an image; `image` is the only door back in.
//!
//! This crate knows no policy syntax, no HTTP server and no gateway. Deciding is a pure function of image, data,
//! request and now: no clock, no randomness, no I/O, no threads, no recursion.

// bytes -> image, and what an image holds
pub mod image;

// lists and tables beside the policy
pub mod data;

// request -> facts
pub mod front;
pub mod request;

// facts -> verdict
pub mod decide;
pub mod limits;
pub mod oblige;
pub mod verdict;

// one proxied request and its response
pub mod exchange;

// sorting, in less code than std's
mod order;

pub use data::{Data, DataError};
pub use decide::{Decision, Now, OwnedDecision, Snapshot, Worker, decide, decide_explained};
pub use exchange::{Engine, Exchange, Next};
pub use front::known::{KnownToken, NoToken};
pub use image::{Image, LoadError, Trust, TrustedKeys};
pub use request::{Claim, Credential, KeyFact, PeerCert, RequestView, SignatureFact};
