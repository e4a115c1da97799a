//! The backend of RustCrypto's crates: builds for every target, needs no randomness, and imports nothing in WASM.

use alloc::boxed::Box;
use core::fmt;

use ed25519_dalek::Verifier as _;
use p256::ecdsa::signature::hazmat::PrehashVerifier as _;
use p256::elliptic_curve::point::AffineCoordinates;
use p256::elliptic_curve::sec1::{FromSec1Point, ModulusSize, ToSec1Point};
use p256::elliptic_curve::{AffinePoint, CurveArithmetic, FieldBytes, FieldBytesSize};
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
                // By coordinates: the reader of SEC 1's form brings the code for compressed points.
                match curve {
                    Curve::P256 => Key::P256(point(x, y)?),
                    Curve::P384 => Key::P384(point(x, y)?),
                    Curve::P521 => return Err(KeyFault::Curve),
                }
            }
            PublicKey::Ed25519(bytes) => Key::Ed25519(edwards::key(bytes)?),
        }))
    }
}

/// The key of two coordinates, each of the curve's length; not the neutral element, which has none.
fn point<C>(x: &[u8], y: &[u8]) -> Result<ecdsa::VerifyingKey<C>, KeyFault>
where
    C: ecdsa::EcdsaCurve + CurveArithmetic,
    AffinePoint<C>: AffineCoordinates<FieldRepr = FieldBytes<C>> + FromSec1Point<C> + ToSec1Point<C>,
    FieldBytesSize<C>: ModulusSize,
{
    let number = |bytes: &[u8]| FieldBytes::<C>::try_from(bytes).map_err(|_| KeyFault::Point);
    let point = AffinePoint::<C>::from_coordinates(&number(x)?, &number(y)?).into_option();
    ecdsa::VerifyingKey::from_affine(point.ok_or(KeyFault::Point)?).map_err(|_| KeyFault::Point)
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
