//! The text of a JSON Web Key Set (RFC 7517) -> its public keys, or nothing where any of it cannot be taken. Keys of other
//! kinds, and those that are not for signatures, are skipped.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::claims::claim;
use crate::json::{self, Json};

/// Most bytes of a set.
const BYTES_MAX: usize = 1 << 20;

/// One public key.
pub(crate) struct Jwk {
    pub(crate) kid: Option<String>,
    /// The only algorithm that it is for, where it says so.
    pub(crate) alg: Option<String>,
    pub(crate) key: PublicKey,
}

/// The numbers of a key, big-endian.
pub(crate) enum PublicKey {
    Rsa { modulus: Vec<u8>, exponent: Vec<u8> },
    P256 { x: Vec<u8>, y: Vec<u8> },
    P384 { x: Vec<u8>, y: Vec<u8> },
    Ed25519(Vec<u8>),
}

pub(crate) fn read(bytes: &[u8]) -> Option<Vec<Jwk>> {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if text.len() > BYTES_MAX {
        return None;
    }
    let Ok(Json::Object(set)) = json::parse(text) else {
        return None;
    };
    let Some(Json::Array(items)) = claim(&set, "keys") else {
        return None;
    };
    let mut keys: Vec<Jwk> = Vec::new();
    for item in items {
        let Json::Object(members) = item else { return None };
        let Some(key) = jwk(members)? else { continue };
        if key.kid.is_some() && keys.iter().any(|other| other.kid == key.kid) {
            return None;
        }
        keys.push(key);
    }
    Some(keys)
}

/// `Some(None)` for a key that is skipped.
fn jwk(members: &[(String, Json)]) -> Option<Option<Jwk>> {
    let names = members.iter().map(|(name, _)| name);
    if names
        .clone()
        .any(|name| names.clone().filter(|other| *other == name).count() > 1)
    {
        return None;
    }
    let text = |name: &str| match claim(members, name) {
        Some(Json::String(text)) => Some(text.clone()),
        _ => None,
    };
    let kty = text("kty")?;
    let is_private = claim(members, "d").is_some() && ["RSA", "EC", "OKP"].contains(&kty.as_str());
    if is_private || kty == "oct" {
        return None;
    }
    let verifies = match claim(members, "key_ops") {
        None => true,
        Some(Json::Array(ops)) => ops.contains(&Json::String("verify".to_string())),
        Some(_) => false,
    };
    if !verifies || text("use").is_some_and(|usage| usage != "sig") {
        return Some(None);
    }
    let key = match (kty.as_str(), text("crv").as_deref()) {
        ("RSA", _) => rsa(number(members, "n")?, number(members, "e")?)?,
        ("EC", Some("P-256")) => PublicKey::P256 {
            x: of_length(members, "x", 32)?,
            y: of_length(members, "y", 32)?,
        },
        ("EC", Some("P-384")) => PublicKey::P384 {
            x: of_length(members, "x", 48)?,
            y: of_length(members, "y", 48)?,
        },
        ("OKP", Some("Ed25519")) => PublicKey::Ed25519(of_length(members, "x", 32)?),
        ("EC" | "OKP", None) => return None,
        _ => return Some(None),
    };
    let kid = match claim(members, "kid") {
        None => None,
        Some(Json::String(kid)) => Some(kid.clone()),
        Some(_) => return None,
    };
    Some(Some(Jwk {
        kid,
        alg: text("alg"),
        key,
    }))
}

fn number(members: &[(String, Json)], name: &str) -> Option<Vec<u8>> {
    match claim(members, name) {
        Some(Json::String(text)) => URL_SAFE_NO_PAD.decode(text).ok(),
        _ => None,
    }
}

fn of_length(members: &[(String, Json)], name: &str, length: usize) -> Option<Vec<u8>> {
    number(members, name).filter(|bytes| bytes.len() == length)
}

/// 2,048 to 8,192 bits; an odd exponent of at most 8 bytes that is not 1.
fn rsa(modulus: Vec<u8>, exponent: Vec<u8>) -> Option<PublicKey> {
    let modulus: Vec<u8> = modulus.into_iter().skip_while(|byte| *byte == 0).collect();
    let bits = modulus.len() * 8 - modulus.first()?.leading_zeros() as usize;
    let value = exponent
        .iter()
        .fold(0u128, |sum, byte| sum << 8 | u128::from(*byte));
    let is_fine = (2_048..=8_192).contains(&bits) && exponent.len() <= 8 && value & 1 == 1 && value > 1;
    is_fine.then_some(PublicKey::Rsa { modulus, exponent })
}
