//! RSA signatures (RFC 8017, sections 8.1.1 and 8.2.1), by one power of the private exponent. Written apart from the code
//! that verifies them, which the tests hold against this.

use crypto_bigint::modular::{BoxedMontyForm, BoxedMontyParams};
use crypto_bigint::{BoxedUint, Odd};
use portcullis_base::Algorithm;
use portcullis_base::jwks::PublicKey;
use portcullis_crypto::{Hash, KeyFault, Secret};
use sha2::{Digest as _, Sha256, Sha384, Sha512};

use crate::JwkError;

/// A private key, without its primes: slow, which tests do not mind.
pub(crate) struct Private {
    modulus: Vec<u8>,
    exponent: Vec<u8>,
    field: BoxedMontyParams,
    power: BoxedUint,
    /// What salts are made of.
    salts: Secret,
}

impl Private {
    /// A key of big-endian numbers. Limits of the public ones are checked when they are prepared for verifying.
    pub(crate) fn new(modulus: &[u8], exponent: &[u8], private: &[u8]) -> Result<Private, JwkError> {
        let number = BoxedUint::from_be_slice_vartime(modulus);
        if number.bit_width() < 2048 {
            return Err(JwkError::Fault(KeyFault::Modulus));
        }
        let precision = number.bits_precision();
        let odd = Odd::new(number).into_option();
        Ok(Private {
            modulus: modulus.to_vec(),
            exponent: exponent.to_vec(),
            field: BoxedMontyParams::new_vartime(odd.ok_or(JwkError::Fault(KeyFault::Modulus))?),
            power: BoxedUint::from_be_slice(private, precision).map_err(|_| JwkError::Member("d"))?,
            salts: Secret::new(private),
        })
    }

    pub(crate) fn public_key(&self) -> PublicKey {
        PublicKey::Rsa {
            modulus: self.modulus.clone(),
            exponent: self.exponent.clone(),
        }
    }

    /// `None` for algorithms of other keys.
    pub(crate) fn sign(&self, algorithm: Algorithm, message: &[u8]) -> Option<Vec<u8>> {
        let digest = hash(Hash::of(algorithm), &[message]);
        let encoded = match algorithm {
            Algorithm::Rs256 => self.pkcs1(
                b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20",
                &digest,
            ),
            Algorithm::Rs384 => self.pkcs1(
                b"\x30\x41\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x02\x05\x00\x04\x30",
                &digest,
            ),
            Algorithm::Rs512 => self.pkcs1(
                b"\x30\x51\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x03\x05\x00\x04\x40",
                &digest,
            ),
            Algorithm::Ps256 | Algorithm::Ps384 | Algorithm::Ps512 => {
                self.pss(Hash::of(algorithm), &digest)?
            }
            _ => return None,
        };
        self.power(&encoded)
    }

    /// The private operation on an encoded message, for tests that encode their own: `message` has as many bytes as the
    /// modulus and is less than it, or the answer is `None`.
    pub(crate) fn power(&self, message: &[u8]) -> Option<Vec<u8>> {
        if message.len() != self.modulus.len() || message >= self.modulus.as_slice() {
            return None;
        }
        let base = BoxedUint::from_be_slice(message, self.field.bits_precision()).ok()?;
        let power = BoxedMontyForm::new(base, &self.field).pow(&self.power);
        let bytes = power.retrieve().to_be_bytes();
        Some(bytes.get(bytes.len() - message.len()..)?.to_vec())
    }

    /// EMSA-PKCS1-v1_5 (section 9.2).
    fn pkcs1(&self, info: &[u8], digest: &[u8]) -> Vec<u8> {
        let mut encoded = vec![0xff; self.modulus.len() - info.len() - digest.len()];
        if let [zero, one, .., last] = encoded.as_mut_slice() {
            (*zero, *one, *last) = (0, 1, 0);
        }
        encoded.extend(info);
        encoded.extend(digest);
        encoded
    }

    /// EMSA-PSS (section 9.1.1) with a salt as long as the hash.
    fn pss(&self, kind: Hash, digest: &[u8]) -> Option<Vec<u8>> {
        let mut salt = self.salts.hmac(kind);
        salt.update(b"salt");
        salt.update(digest);
        let salt = salt.finish();
        let h = hash(kind, &[&[0; 8], digest, salt.as_bytes()]);
        let bits = self.modulus.len() * 8 - self.modulus.first()?.leading_zeros() as usize - 1;
        let octets = bits.div_ceil(8);
        let mut block = vec![0; octets - 2 * h.len() - 2];
        block.push(1);
        block.extend(salt.as_bytes());
        let mask = (0u32..).flat_map(|counter| hash(kind, &[&h, &counter.to_be_bytes()]));
        for (byte, mask) in block.iter_mut().zip(mask) {
            *byte ^= mask;
        }
        *block.first_mut()? &= 0xff >> (8 * octets - bits);
        let before = vec![0; self.modulus.len() - octets];
        Some([&before[..], &block, &h, &[0xbc]].concat())
    }
}

fn hash(kind: Hash, parts: &[&[u8]]) -> Vec<u8> {
    let message = parts.concat();
    match kind {
        Hash::Sha256 => Sha256::digest(message).to_vec(),
        Hash::Sha384 => Sha384::digest(message).to_vec(),
        Hash::Sha512 => Sha512::digest(message).to_vec(),
    }
}
