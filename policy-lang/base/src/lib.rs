//! What the policy language and the engine share, each thing once.
//!
//! - [`verdict`]: the closed sets [`Reason`] and [`Detail`], why a request got its verdict
//! - [`credential`]: [`CredentialKind`] and sets of kinds
//!
//! This crate depends on nothing, allocates nothing and knows no policy, no request and no image.
#![no_std]

pub mod credential;
pub mod verdict;

pub use credential::{CredentialKind, CredentialKinds};
pub use verdict::{Detail, Reason};
