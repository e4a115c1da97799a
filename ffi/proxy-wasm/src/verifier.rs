//! The gateway's signature algorithms -> a [`Backend`] of the engine. Envoy offers a function `verify_signature` to its
//! plugins, of which each call costs a few percent of what the same takes inside the VM; where it is not there, or says
//! anything but yes or no, the plugin's own code answers. Knows no tokens.
//!
//! The verdict never depends on who gave it. So a signature goes to the gateway only in the one form that its bytes can
//! have, after the checks that libraries make in different ways: the lengths, and that both numbers of an ECDSA signature
//! lie between 1 and the order of the curve.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use portcullis_base::Algorithm;
use portcullis_base::jwks::{Curve, PublicKey};
use portcullis_crypto::{Backend, KeyFault, Portable, Verifier, der_signature, spki};

use crate::host::Refused;
use crate::protobuf::{Field, field};

/// Calls Envoy's function `verify_signature` with a serialised `VerifySignatureArguments`; its `VerifySignatureResult`.
pub type VerifySignature = fn(&[u8]) -> Result<Vec<u8>, Refused>;

/// The status of a function that the gateway does not have.
const NOT_FOUND: u32 = 1;

/// Order of P-256, most significant byte first (SEC 2, section 2.4.2).
const P256_ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc,
    0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

/// Order of P-384 (SEC 2, section 2.5.1).
const P384_ORDER: [u8; 48] = [
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xc7, 0x63, 0x4d, 0x81, 0xf4, 0x37, 0x2d, 0xdf, 0x58, 0x1a,
    0x0d, 0xb2, 0x48, 0xb0, 0xa7, 0x7a, 0xec, 0xec, 0x19, 0x6a, 0xcc, 0xc5, 0x29, 0x73,
];

/// Keys that the gateway verifies with where it can.
#[derive(Debug)]
pub struct Gateways {
    call: VerifySignature,
    /// The gateway said that it has no such function.
    is_missing: Arc<AtomicBool>,
}

impl Gateways {
    /// By a gateway's function.
    pub fn new(call: VerifySignature) -> Gateways {
        Gateways {
            call,
            is_missing: Arc::default(),
        }
    }
}

impl Backend for Gateways {
    fn prepare(&self, key: &PublicKey) -> Result<Box<dyn Verifier>, KeyFault> {
        // Whether a key is good is judged in one place.
        let own = Portable.prepare(key)?;
        let Some(form) = Form::of(key) else {
            return Ok(own);
        };
        Ok(Box::new(Key {
            own,
            form,
            spki: spki(key),
            call: self.call,
            is_missing: Arc::clone(&self.is_missing),
        }))
    }
}

/// A key for which the gateway is asked.
#[derive(Debug)]
struct Key {
    own: Box<dyn Verifier>,
    form: Form,
    spki: Vec<u8>,
    call: VerifySignature,
    is_missing: Arc<AtomicBool>,
}

/// How signatures of a key look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    P256,
    P384,
    /// Of so many bytes.
    Rsa(usize),
}

impl Form {
    /// `None` for a key that Envoy cannot verify with.
    fn of(key: &PublicKey) -> Option<Form> {
        match key {
            PublicKey::Ec {
                curve: Curve::P256, ..
            } => Some(Form::P256),
            PublicKey::Ec {
                curve: Curve::P384, ..
            } => Some(Form::P384),
            PublicKey::Rsa { modulus, .. } => Some(Form::Rsa(modulus.len())),
            PublicKey::Ec {
                curve: Curve::P521, ..
            }
            | PublicKey::Ed25519(_) => None,
        }
    }

    /// Envoy's name of the hash, and the signature as Envoy takes it; `None` where Envoy does not know the algorithm.
    /// `Some(Err)` is a signature that no key made.
    fn signature(
        self,
        algorithm: Algorithm,
        signature: &[u8],
    ) -> Option<Result<(&'static str, Vec<u8>), Never>> {
        let ecdsa = |order: &[u8]| {
            let (r, s) = signature.split_at_checked(order.len()).ok_or(Never)?;
            let is_below = |number: &[u8]| number.len() == order.len() && number < order;
            // The conversion refuses a zero.
            let der = der_signature(signature).filter(|_| is_below(r) && is_below(s));
            der.ok_or(Never)
        };
        let (hash, signature) = match (self, algorithm) {
            (Form::P256, Algorithm::Es256) => ("sha256", ecdsa(&P256_ORDER)),
            (Form::P384, Algorithm::Es384) => ("sha384", ecdsa(&P384_ORDER)),
            (Form::Rsa(bytes), Algorithm::Rs256 | Algorithm::Rs384 | Algorithm::Rs512) => {
                let hash = match algorithm {
                    Algorithm::Rs256 => "sha256",
                    Algorithm::Rs384 => "sha384",
                    _ => "sha512",
                };
                let block = if signature.len() == bytes {
                    Ok(signature.to_vec())
                } else {
                    Err(Never)
                };
                (hash, block)
            }
            _ => return None,
        };
        Some(signature.map(|signature| (hash, signature)))
    }
}

/// No key made the signature.
struct Never;

impl Verifier for Key {
    fn verify(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        let own = || self.own.verify(algorithm, message, signature);
        if self.is_missing.load(Ordering::Relaxed) {
            return own();
        }
        let (hash, given) = match self.form.signature(algorithm, signature) {
            None => return own(),
            Some(Err(Never)) => return false,
            Some(Ok(given)) => given,
        };
        match (self.call)(&arguments(hash, &self.spki, &given, message)) {
            Ok(result) => answer(&result).unwrap_or_else(own),
            Err(Refused(status)) => {
                self.is_missing.fetch_or(status == NOT_FOUND, Ordering::Relaxed);
                own()
            }
        }
    }
}

/// `envoy.source.extensions.common.wasm.VerifySignatureArguments`.
fn arguments(hash: &str, spki: &[u8], signature: &[u8], text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(hash.len() + spki.len() + signature.len() + text.len() + 16);
    for (number, content) in [(1, hash.as_bytes()), (2, spki), (3, signature), (4, text)] {
        out.push(number << 3 | 2);
        let mut len = content.len();
        while len >= 0x80 {
            out.push(len as u8 | 0x80);
            len >>= 7;
        }
        out.push(len as u8);
        out.extend_from_slice(content);
    }
    out
}

/// What `envoy.source.extensions.common.wasm.VerifySignatureResult` says: field 1 is whether the signature is good, field
/// 2 why not. `None` for bytes that say neither.
fn answer(message: &[u8]) -> Option<bool> {
    let (mut rest, mut is_good, mut has_error) = (message, false, false);
    while let Some((number, content)) = field(&mut rest).ok()? {
        match (number, content) {
            (1, Field::Varint(value @ (0 | 1))) => is_good = value == 1,
            (2, Field::Bytes(error)) => has_error = !error.is_empty(),
            _ => return None,
        }
    }
    match (is_good, has_error) {
        (true, false) => Some(true),
        (false, true) => Some(false),
        // Nothing at all is what a gateway would say that failed in silence.
        (true, true) | (false, false) => None,
    }
}

#[cfg(test)]
#[path = "tests/verifier.rs"]
mod tests;
