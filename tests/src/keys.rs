//! The test keys of `tests/data/keys` -> keys that sign, and the key set of their public halves.

use std::path::PathBuf;

use portcullis_sign::SigningKey;

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
    use super::{public, signing};

    #[test]
    fn keys_are_found_by_name() {
        let key = signing("es256-next").unwrap();
        assert!(public().unwrap().contains(key.kid().unwrap()));
        assert!(signing("es257").unwrap_err().contains("es257"));
    }
}
