//! A credential as it is presented + the policy's keys -> what it says, or the detail code of the first check that
//! fails. One function a check, in the order in which `docs/decision/0001-readings.md` lists them.
//!
//! Signatures and MACs are computed by `jsonwebtoken`, which is handed bytes and judges nothing else. Knows no headers,
//! no cookies and no rules.

// files -> keys and secrets
pub(crate) mod key_file;
pub(crate) mod key_set;
pub(crate) mod keys;

// checks of what a token claims
pub(crate) mod claims;

// what is presented -> what it says
pub(crate) mod api_key;
pub(crate) mod signature;
pub(crate) mod token;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey};

/// What a credential is judged by beside itself.
pub(crate) struct Circumstances<'a> {
    /// µs since the epoch, where the host gives it.
    pub(crate) now: Option<i64>,
    /// SHA-256 of the connection's verified certificate, in hexadecimal.
    pub(crate) fingerprint: Option<&'a str>,
}

/// HMAC-SHA-256 (RFC 2104) of a message under a secret that is not empty.
fn hmac_sha256(secret: &[u8], message: &[u8]) -> Option<Vec<u8>> {
    let key = EncodingKey::from_secret(secret).ok()?;
    let text = jsonwebtoken::crypto::sign(message, &key, Algorithm::HS256).ok()?;
    URL_SAFE_NO_PAD.decode(text).ok()
}
