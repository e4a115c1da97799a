//! The test keys of `tests/data/keys` -> keys that sign, and the key set of their public halves.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_sign::SigningKey;
use serde_json::Value;

use crate::corpus::root;

/// The folder of the keys.
pub fn folder() -> PathBuf {
    root().join("tests/data/keys")
}

/// A key by the name of its file, as `es256`; the README of the folder lists them.
///
/// # Errors
///
/// What cannot be read, for the message of a test.
pub fn signing(name: &str) -> Result<SigningKey, String> {
    let path = folder().join(format!("{name}.private.jwk.json"));
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    SigningKey::from_jwk(&text).map_err(|error| format!("{name}: {error}"))
}

/// The bytes of a secret by the name of its file, as `hs256`: what a secret's file in a policy holds.
///
/// # Errors
///
/// What cannot be read.
pub fn secret_bytes(name: &str) -> Result<Vec<u8>, String> {
    let path = folder().join(format!("{name}.private.jwk.json"));
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let jwk: Value = serde_json::from_str(&text).map_err(|error| format!("{name}: {error}"))?;
    let k = jwk["k"].as_str().ok_or(format!("{name}: no secret"))?;
    URL_SAFE_NO_PAD
        .decode(k)
        .map_err(|error| format!("{name}: {error}"))
}

/// The JSON Web Key Set of the public halves of all of them.
///
/// # Errors
///
/// It cannot be read.
pub fn public() -> Result<String, String> {
    let path = folder().join("public.jwks.json");
    std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::{public, secret_bytes, signing};

    #[test]
    fn keys_are_found_by_name() {
        let key = signing("es256-next").unwrap();
        assert!(public().unwrap().contains(key.kid().unwrap()));
        assert_eq!(secret_bytes("hs512").unwrap().len(), 64);
        assert!(secret_bytes("es256").unwrap_err().contains("no secret"));
        assert!(signing("es257").unwrap_err().contains("es257"));
    }
}
