//! The backend of RustCrypto's crates: builds for every target, needs no randomness, and imports nothing in WASM.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use ed25519_dalek::Verifier as _;
use p256::ecdsa::signature::hazmat::PrehashVerifier as _;
use portcullis_base::Algorithm;
use portcullis_base::jwks::{Curve, PublicKey};

use crate::{Backend, Hash, KeyFault, Verifier, edwards, rsa};

/// Verifies with code in Rust alone.
#[derive(Clone, Copy, Debug, Default)]
pub struct Portable;

impl Backend for Portable {
    fn prepare(&self, key: &PublicKey) -> Result<Box<dyn Verifier>, KeyFault> {
        Ok(Box::new(match key {
            PublicKey::Rsa { modulus, exponent } => Key::Rsa(rsa::Key::new(modulus, exponent)?),
            PublicKey::Ec { curve, x, y } => {
                let point = point(*curve, x, y)?;
                match curve {
                    Curve::P256 => {
                        Key::P256(p256::ecdsa::VerifyingKey::from_sec1_bytes(&point).map_err(no_point)?)
                    }
                    Curve::P384 => {
                        Key::P384(p384::ecdsa::VerifyingKey::from_sec1_bytes(&point).map_err(no_point)?)
                    }
                    Curve::P521 => return Err(KeyFault::Curve),
                }
            }
            PublicKey::Ed25519(bytes) => Key::Ed25519(edwards::key(bytes)?),
        }))
    }
}

/// The uncompressed form of a point (SEC 1, section 2.3.3). Its coordinates are of the curve's length; that they are a
/// point of it is not looked at.
pub(crate) fn point(curve: Curve, x: &[u8], y: &[u8]) -> Result<Vec<u8>, KeyFault> {
    if [x.len(), y.len()] != [curve.length(); 2] {
        return Err(KeyFault::Point);
    }
    Ok([&[4], x, y].concat())
}

fn no_point(_: p256::ecdsa::Error) -> KeyFault {
    KeyFault::Point
}

enum Key {
    Rsa(rsa::Key),
    P256(p256::ecdsa::VerifyingKey),
    P384(p384::ecdsa::VerifyingKey),
    Ed25519(ed25519_dalek::VerifyingKey),
}

impl Verifier for Key {
    fn verify(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        let digest = || Hash::of(algorithm).digest(&[message]);
        match (self, algorithm) {
            (Key::Rsa(key), _) => key.verify(algorithm, message, signature),
            // `from_slice` takes exactly two numbers of the curve's length, each in 1..n; both halves of `s` are taken.
            (Key::P256(key), Algorithm::Es256) => p256::ecdsa::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify_prehash(digest().as_bytes(), &signature).is_ok()),
            (Key::P384(key), Algorithm::Es384) => p384::ecdsa::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify_prehash(digest().as_bytes(), &signature).is_ok()),
            (Key::Ed25519(key), Algorithm::Ed25519 | Algorithm::EdDsa) => edwards::signature(signature)
                .is_some_and(|bytes| {
                    key.verify(message, &ed25519_dalek::Signature::from_bytes(bytes))
                        .is_ok()
                }),
            _ => false,
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Key::Rsa(_) => "Rsa",
            Key::P256(_) => "P256",
            Key::P384(_) => "P384",
            Key::Ed25519(_) => "Ed25519",
        })
    }
}
