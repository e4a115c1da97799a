//! A public key or a secret, a message and a signature -> yes or no.
//!
//! - [`Backend`] prepares public keys, [`Verifier`] answers for one of them (feature `public-key`): `Portable` everywhere,
//!   `Native` where the feature `native-crypto` is on; both give the same answers, and [`backend`] is the quicker one
//! - [`Secret`], [`Hmac`], [`Tag`]: keyed hashes (RFC 2104)
//! - [`spki`] and [`der_signature`]: keys and signatures as other libraries take them
//!
//! This crate knows no token, no policy, no JSON, no base64, no clock and no randomness, and signs nothing.
#![no_std]
#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

extern crate alloc;

mod der;
#[cfg(feature = "public-key")]
mod edwards;
mod mac;
#[cfg(feature = "native-crypto")]
mod native;
#[cfg(feature = "public-key")]
mod portable;
#[cfg(feature = "public-key")]
mod rsa;

use alloc::boxed::Box;
use core::fmt;

use portcullis_base::Algorithm;
use portcullis_base::jwks::PublicKey;

pub use der::{der_signature, spki};
pub use mac::{Hash, Hmac, Secret, Tag};
#[cfg(feature = "native-crypto")]
pub use native::Native;
#[cfg(feature = "public-key")]
pub use portable::Portable;

/// What signatures are verified with.
pub trait Backend: Send + Sync {
    /// Prepares a key for many signatures; done once, when a key set is loaded.
    ///
    /// # Errors
    ///
    /// The key cannot be used: [`KeyFault`].
    fn prepare(&self, key: &PublicKey) -> Result<Box<dyn Verifier>, KeyFault>;
}

/// A public key that verifies.
pub trait Verifier: Send + Sync + fmt::Debug {
    /// Whether `signature` is the key's own of `message` under `algorithm`, in the form of RFC 7518 (section 3): `r` and
    /// `s` of the curve's length one after the other, the 64 bytes of Ed25519, or as many bytes as an RSA modulus has.
    /// An algorithm that is not for keys of this type is false, as are those whose key is a secret.
    fn verify(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool;
}

/// Why a public key cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyFault {
    /// A curve that no backend supports.
    Curve,
    /// The build verifies no public-key signatures.
    NotSupported,
    /// Coordinates that are not of a point of the curve, or bytes that are no point.
    Point,
    /// An Ed25519 key of small order, for which anyone can sign, or one that is not written in its one canonical form
    /// (RFC 8032, section 5.1.3).
    Weak,
    /// An RSA modulus that is even, starts with a zero byte, or has too few or too many bits
    /// ([`portcullis_base::jwks::RSA_BITS_MIN`], [`portcullis_base::jwks::RSA_BITS_MAX`]).
    Modulus,
    /// An RSA exponent that is even, less than 3 or more than [`RSA_EXPONENT_MAX`].
    Exponent,
}

impl fmt::Display for KeyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            KeyFault::Curve => "its curve is not supported",
            KeyFault::NotSupported => "this build verifies no signatures",
            KeyFault::Point => "it is not a point of its curve",
            KeyFault::Weak => "it is of small order or not in canonical form",
            KeyFault::Modulus => "its modulus is even or not of 2048 to 8192 bits",
            KeyFault::Exponent => "its exponent is even, less than 3 or more than 33 bits long",
        })
    }
}

impl core::error::Error for KeyFault {}

/// Largest RSA exponent: 33 bits, as other libraries have it. Larger ones are not used, and make verifying slow.
pub const RSA_EXPONENT_MAX: u64 = (1 << 33) - 1;

/// The quickest backend that this build has; one that takes no key where it was built without `public-key`.
pub fn backend() -> &'static dyn Backend {
    #[cfg(feature = "native-crypto")]
    return &Native;
    #[cfg(all(feature = "public-key", not(feature = "native-crypto")))]
    return &Portable;
    #[cfg(not(feature = "public-key"))]
    return &NoBackend;
}

/// Every backend of this build by name, for tests and benchmarks that hold them against each other.
pub fn backends() -> &'static [(&'static str, &'static dyn Backend)] {
    &[
        #[cfg(feature = "public-key")]
        ("portable", &Portable),
        #[cfg(feature = "native-crypto")]
        ("native", &Native),
    ]
}

/// Of a build that verifies no public-key signatures.
#[cfg(not(feature = "public-key"))]
struct NoBackend;

#[cfg(not(feature = "public-key"))]
impl Backend for NoBackend {
    fn prepare(&self, _: &PublicKey) -> Result<Box<dyn Verifier>, KeyFault> {
        Err(KeyFault::NotSupported)
    }
}
