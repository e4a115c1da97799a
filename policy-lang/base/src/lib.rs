//! What the policy language and the engine share, each thing once.
//!
//! - [`verdict`]: the closed sets [`Reason`] and [`Detail`], why a request got its verdict
//! - [`algorithm`]: [`Algorithm`], what signs a token
//! - [`address`]: addresses and networks as numbers and ranges of them
//! - [`apikeys`]: files of API keys as ids, keyed hashes and fields
//! - [`base64url`]: base64url texts as bytes
//! - [`credential`]: [`CredentialKind`] and sets of kinds
//! - [`invisible`]: characters that show nothing, or something else than they are
//! - [`quote`]: texts as string literals of Gate and of JSON
//! - [`instant`]: RFC 3339 texts and HTTP dates, days and their dates
//! - [`json`]: JSON texts as tapes of nodes
//! - [`list`]: list files as values
//! - [`jwks`]: JSON Web Key Sets as public keys
//! - [`secret`]: files of secrets as their bytes
//! - [`media`]: which media types are gRPC's
//!
//! This crate depends on nothing and knows no policy, no request and no image.
#![no_std]
#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

extern crate alloc;

pub mod address;
pub mod algorithm;
pub mod apikeys;
pub mod base64url;
pub mod credential;
pub mod instant;
pub mod invisible;
pub mod json;
pub mod jwks;
pub mod list;
pub mod media;
pub mod quote;
pub mod secret;
pub mod verdict;

pub use algorithm::Algorithm;
pub use credential::{CredentialKind, CredentialKinds};
pub use verdict::{Detail, Reason};
