//! The backend of AWS-LC: C and assembly, several times quicker than the portable one.
//!
//! It gives the portable backend's answers, by the same limits of keys and the same rules for Ed25519, which AWS-LC is
//! more lenient about.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters,
};
use portcullis_base::Algorithm;
use portcullis_base::jwks::{Curve, PublicKey};

use crate::{Backend, KeyFault, Verifier, edwards, rsa};

/// Verifies with AWS-LC.
#[derive(Clone, Copy, Debug, Default)]
pub struct Native;

static RSA: [(Algorithm, &RsaParameters); 6] = [
    (Algorithm::Rs256, &RSA_PKCS1_2048_8192_SHA256),
    (Algorithm::Rs384, &RSA_PKCS1_2048_8192_SHA384),
    (Algorithm::Rs512, &RSA_PKCS1_2048_8192_SHA512),
    (Algorithm::Ps256, &RSA_PSS_2048_8192_SHA256),
    (Algorithm::Ps384, &RSA_PSS_2048_8192_SHA384),
    (Algorithm::Ps512, &RSA_PSS_2048_8192_SHA512),
];

impl Backend for Native {
    fn prepare(&self, key: &PublicKey) -> Result<Box<dyn Verifier>, KeyFault> {
        Ok(Box::new(match key {
            PublicKey::Rsa { modulus, exponent } => {
                rsa::limits(modulus, exponent)?;
                let zeros = exponent.iter().take_while(|byte| **byte == 0).count();
                let numbers = PublicKeyComponents {
                    n: modulus.as_slice(),
                    e: exponent.get(zeros..).unwrap_or_default(),
                };
                // A parsed key is for one algorithm.
                let keys: Result<Vec<_>, _> = RSA
                    .iter()
                    .map(|(algorithm, parameters)| {
                        Ok((*algorithm, numbers.to_parsed_public_key(parameters)?))
                    })
                    .collect();
                Key::Rsa(keys.map_err(|_: aws_lc_rs::error::KeyRejected| KeyFault::Modulus)?)
            }
            PublicKey::Ec { curve, x, y } => {
                if [x.len(), y.len()] != [curve.length(); 2] {
                    return Err(KeyFault::Point);
                }
                // Uncompressed (SEC 1, section 2.3.3); AWS-LC checks that it is on the curve.
                let point = [&[4], x.as_slice(), y].concat();
                let (algorithm, parameters) = match curve {
                    Curve::P256 => (Algorithm::Es256, &ECDSA_P256_SHA256_FIXED),
                    Curve::P384 => (Algorithm::Es384, &ECDSA_P384_SHA384_FIXED),
                    Curve::P521 => return Err(KeyFault::Curve),
                };
                let key = ParsedPublicKey::new(parameters, &point).map_err(|_| KeyFault::Point)?;
                Key::Ec(algorithm, key)
            }
            PublicKey::Ed25519(bytes) => {
                edwards::key(bytes)?;
                Key::Ed25519(ParsedPublicKey::new(&ED25519, bytes).map_err(|_| KeyFault::Point)?)
            }
        }))
    }
}

enum Key {
    Rsa(Vec<(Algorithm, ParsedPublicKey)>),
    Ec(Algorithm, ParsedPublicKey),
    Ed25519(ParsedPublicKey),
}

impl Verifier for Key {
    fn verify(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Key::Rsa(keys) => keys
                .iter()
                .find(|(own, _)| *own == algorithm)
                .is_some_and(|(_, key)| key.verify_sig(message, signature).is_ok()),
            Key::Ec(own, key) => *own == algorithm && key.verify_sig(message, signature).is_ok(),
            Key::Ed25519(key) => {
                matches!(algorithm, Algorithm::Ed25519 | Algorithm::EdDsa)
                    && edwards::signature(signature)
                        .is_some_and(|bytes| key.verify_sig(message, bytes).is_ok())
            }
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Key::Rsa(_) => "Rsa",
            Key::Ec(Algorithm::Es256, _) => "P256",
            Key::Ec(..) => "P384",
            Key::Ed25519(_) => "Ed25519",
        })
    }
}
