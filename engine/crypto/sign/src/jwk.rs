//! The text of a private JSON Web Key -> the key, and back to its public half. What is read is checked against itself: a
//! public member that is not the private one's is an error, for a key like that signs what no one can verify.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_base::Algorithm;
use portcullis_base::jwks::{Curve, PublicKey};
use portcullis_crypto::{Backend as _, Portable, Secret};
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use crate::{Private, SigningKey, rsa};

/// Why a text is no key to sign with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwkError {
    /// Not a JSON object.
    #[error("a private JWK is one JSON object")]
    NotAnObject,
    /// A key set.
    #[error("this is a key set; a private JWK is one key")]
    Set,
    /// `kty` or `crv` is missing or names a kind that is not supported.
    #[error("the key is not of the kind EC (P-256, P-384), OKP (Ed25519), RSA or oct")]
    Kind,
    /// The private member is missing: a public key.
    #[error("the key has no private member `{0}`")]
    Public(&'static str),
    /// A member is missing or cannot be read.
    #[error("the key has no valid member `{0}`")]
    Member(&'static str),
    /// `alg` is not an algorithm of keys of this kind.
    #[error("the member `alg` is not an algorithm of keys of this kind")]
    Algorithm,
    /// The public members are not those of the private one.
    #[error("the public members of the key are not those of the private one")]
    Mismatch,
    /// The numbers are out of range.
    #[error("the key cannot be used: {0}")]
    Fault(portcullis_crypto::KeyFault),
}

pub(crate) fn read(text: &str) -> Result<SigningKey, JwkError> {
    let Ok(Value::Object(jwk)) = serde_json::from_str(text) else {
        return Err(JwkError::NotAnObject);
    };
    if jwk.contains_key("keys") {
        return Err(JwkError::Set);
    }
    let private = match (member(&jwk, "kty")?, jwk.get("crv").and_then(Value::as_str)) {
        ("oct", _) => Private::Secret(Secret::new(&private(&jwk, "k")?)),
        ("EC", Some("P-256")) => {
            let d = private(&jwk, "d")?;
            Private::P256(p256::ecdsa::SigningKey::from_slice(&d).map_err(|_| JwkError::Member("d"))?)
        }
        ("EC", Some("P-384")) => {
            let d = private(&jwk, "d")?;
            Private::P384(p384::ecdsa::SigningKey::from_slice(&d).map_err(|_| JwkError::Member("d"))?)
        }
        ("OKP", Some("Ed25519")) => {
            let d = private(&jwk, "d")?;
            let seed: &[u8; 32] = d.as_slice().try_into().map_err(|_| JwkError::Member("d"))?;
            Private::Ed25519(ed25519_dalek::SigningKey::from_bytes(seed))
        }
        ("RSA", _) => {
            let d = private(&jwk, "d")?;
            let modulus = bytes(&jwk, "n").ok_or(JwkError::Member("n"))?;
            let exponent = bytes(&jwk, "e").ok_or(JwkError::Member("e"))?;
            Private::Rsa(rsa::Private::new(&modulus, &exponent, &d)?)
        }
        _ => return Err(JwkError::Kind),
    };
    let alg = match jwk.get("alg") {
        Some(alg) => {
            let alg = alg.as_str().and_then(Algorithm::from_code);
            Some(alg.ok_or(JwkError::Algorithm)?)
        }
        None => None,
    };
    let kid = match jwk.get("kid") {
        Some(kid) => Some(kid.as_str().ok_or(JwkError::Member("kid"))?.to_string()),
        None => None,
    };
    let key = SigningKey { kid, alg, private };
    check(&key, &jwk)?;
    Ok(key)
}

/// That `alg` is for this kind, that the public members are those of the private key, and that they verify.
fn check(key: &SigningKey, jwk: &Map<String, Value>) -> Result<(), JwkError> {
    if let Some(alg) = key.alg
        && key.sign(alg, b"").is_none()
    {
        return Err(JwkError::Algorithm);
    }
    let (Some(public), Some(own)) = (key.public_key(), public_jwk(key)) else {
        return Ok(());
    };
    for name in ["x", "y", "n", "e"] {
        if jwk.get(name).is_some_and(|value| own.get(name) != Some(value)) {
            return Err(JwkError::Mismatch);
        }
    }
    let verifier = Portable.prepare(&public).map_err(JwkError::Fault)?;
    let proof = key.algorithms().first().copied().and_then(|algorithm| {
        let signature = key.sign(algorithm, b"proof")?;
        Some(verifier.verify(algorithm, b"proof", &signature))
    });
    match proof {
        Some(true) => Ok(()),
        _ => Err(JwkError::Mismatch),
    }
}

fn member<'j>(jwk: &'j Map<String, Value>, name: &'static str) -> Result<&'j str, JwkError> {
    jwk.get(name)
        .and_then(Value::as_str)
        .ok_or(JwkError::Member(name))
}

fn bytes(jwk: &Map<String, Value>, name: &'static str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(member(jwk, name).ok()?).ok()
}

fn private(jwk: &Map<String, Value>, name: &'static str) -> Result<Zeroizing<Vec<u8>>, JwkError> {
    if !jwk.contains_key(name) {
        return Err(JwkError::Public(name));
    }
    bytes(jwk, name).map(Zeroizing::new).ok_or(JwkError::Member(name))
}

pub(crate) fn public_key(private: &Private) -> Option<PublicKey> {
    let ec = |curve: Curve, point: &[u8]| {
        // 4, x, y: uncompressed (SEC 1, section 2.3.3).
        let (x, y) = point.strip_prefix(&[4])?.split_at_checked(curve.length())?;
        Some(PublicKey::Ec {
            curve,
            x: x.to_vec(),
            y: y.to_vec(),
        })
    };
    match private {
        Private::P256(key) => ec(Curve::P256, key.verifying_key().to_sec1_point(false).as_bytes()),
        Private::P384(key) => ec(Curve::P384, key.verifying_key().to_sec1_point(false).as_bytes()),
        Private::Ed25519(key) => Some(PublicKey::Ed25519(key.verifying_key().to_bytes().to_vec())),
        Private::Rsa(key) => Some(key.public_key()),
        Private::Secret(_) => None,
    }
}

pub(crate) fn public_jwk(key: &SigningKey) -> Option<Value> {
    let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let mut jwk = match key.public_key()? {
        PublicKey::Rsa { modulus, exponent } => {
            json!({ "kty": "RSA", "n": text(&modulus), "e": text(&exponent) })
        }
        PublicKey::Ec { curve, x, y } => {
            let crv = match curve {
                Curve::P256 => "P-256",
                Curve::P384 => "P-384",
                Curve::P521 => "P-521",
            };
            json!({ "kty": "EC", "crv": crv, "x": text(&x), "y": text(&y) })
        }
        PublicKey::Ed25519(bytes) => json!({ "kty": "OKP", "crv": "Ed25519", "x": text(&bytes) }),
    };
    let members = jwk.as_object_mut()?;
    members.insert("use".into(), "sig".into());
    members.extend(key.kid().map(|kid| ("kid".into(), kid.into())));
    members.extend(key.alg.map(|alg| ("alg".into(), alg.code().into())));
    Some(jwk)
}

/// The key set of the public halves, as an issuer publishes it; secrets are left out.
pub fn jwks<'k>(keys: impl IntoIterator<Item = &'k SigningKey>) -> String {
    let keys: Vec<Value> = keys.into_iter().filter_map(public_jwk).collect();
    format!("{:#}\n", json!({ "keys": keys }))
}
