//! image --load--> [`Image`]; request bytes --[`decide()`]--> [`Decision`]; a proxied request --[`Exchange`]--> what its
//! host does next.
//!
//! The modules are floors: each knows those above it in this list and none below it. A request passes them in this
//! order too.
//!
//! This crate knows no policy text, no HTTP server and no gateway. Deciding is a pure function of image, data, request
//! and now: no clock, no randomness, no I/O, no threads, no recursion. `portcullis-compile` makes images.

#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

// bounds on all that comes from outside
pub mod limits;

// memory of a decision, values, forms of text
mod value;

// hashed keys and costs -> who is admitted, on this node
pub mod quota;

// what a decision says, and what a host hands over
pub mod decision;
pub mod view;

// bytes -> image, and what an image holds; lists and tables beside it
mod data;
pub mod image;

// request -> its one spelling -> credentials -> facts
mod facts;
mod identity;
mod request;

// who granted -> what binds with it
mod obligations;

// facts -> decision
pub mod decide;

// bytes of bodies -> what may go on
pub mod body;

// decision -> one line of JSON, the same in every host
pub mod verdict;

// one proxied request and its response
pub mod exchange;

// the policy in force
mod engine;

pub use data::{Data, DataError};
pub use decide::{Explanation, Now, Snapshot, Worker, decide, decide_explained, judge_token};
pub use decision::{Decision, OwnedDecision};
pub use engine::Engine;
pub use exchange::{Carries, Exchange, Next, OutOfOrder, ResponseNext};
pub use facts::{Reads, claims_read};
pub use identity::{Check, IssuerJudgement, Judgement, NoToken};
pub use image::{Image, LoadError, Trust, TrustedKeys};
pub use view::{Claim, Credential, KeyFact, KnownToken, PeerCert, RequestView, SignatureFact};
