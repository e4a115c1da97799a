//! RSA signatures (RFC 8017): the public operation, and the paddings RSASSA-PKCS1-v1_5 (section 8.2.2) and RSASSA-PSS
//! (section 8.1.2) for what comes out of it. Public numbers only, so times may depend on them.
//!
//! The encoded message of PKCS #1 is built and compared, never parsed: what a lenient parser would skip is refused.

use alloc::vec::Vec;

use crypto_bigint::modular::{BoxedMontyForm, BoxedMontyParams};
use crypto_bigint::{BoxedUint, Odd};
use portcullis_base::Algorithm;
use portcullis_base::jwks::{RSA_BITS_MAX, RSA_BITS_MIN};

use crate::{Hash, KeyFault, RSA_EXPONENT_MAX};

/// A public key, ready for use.
pub(crate) struct Key {
    /// Big-endian, as long as signatures are.
    modulus: Vec<u8>,
    bits: usize,
    exponent: u64,
    field: BoxedMontyParams,
}

/// The numbers of a key within their limits: bits of the modulus, and the exponent.
///
/// # Errors
///
/// [`KeyFault::Modulus`] or [`KeyFault::Exponent`].
pub(crate) fn limits(modulus: &[u8], exponent: &[u8]) -> Result<(usize, u64), KeyFault> {
    let (Some(first), Some(last)) = (modulus.first(), modulus.last()) else {
        return Err(KeyFault::Modulus);
    };
    let bits = modulus.len() * 8 - first.leading_zeros() as usize;
    if *first == 0 || last & 1 == 0 || !(RSA_BITS_MIN..=RSA_BITS_MAX).contains(&bits) {
        return Err(KeyFault::Modulus);
    }
    let mut number = 0u64;
    for byte in exponent {
        if number > RSA_EXPONENT_MAX {
            return Err(KeyFault::Exponent);
        }
        number = number << 8 | u64::from(*byte);
    }
    if number & 1 == 0 || !(3..=RSA_EXPONENT_MAX).contains(&number) {
        return Err(KeyFault::Exponent);
    }
    Ok((bits, number))
}

impl Key {
    pub(crate) fn new(modulus: &[u8], exponent: &[u8]) -> Result<Key, KeyFault> {
        let (bits, exponent) = limits(modulus, exponent)?;
        let number = BoxedUint::from_be_slice_vartime(modulus);
        let odd = Odd::new(number).into_option().ok_or(KeyFault::Modulus)?;
        Ok(Key {
            modulus: modulus.to_vec(),
            bits,
            exponent,
            field: BoxedMontyParams::new_vartime(odd),
        })
    }

    /// Whether the signature is that of the message. False for algorithms of other keys.
    pub(crate) fn verify(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        let pss = match algorithm {
            Algorithm::Rs256 | Algorithm::Rs384 | Algorithm::Rs512 => false,
            Algorithm::Ps256 | Algorithm::Ps384 | Algorithm::Ps512 => true,
            _ => return false,
        };
        let Some(encoded) = self.encoded(signature) else {
            return false;
        };
        let hash = Hash::of(algorithm);
        if pss {
            is_pss(&encoded, self.bits - 1, hash, message).unwrap_or(false)
        } else {
            encoded == pkcs1(encoded.len(), hash, message)
        }
    }

    /// RSAVP1 (section 5.2.2): the signature to the power of the exponent, with as many bytes as the modulus. `None` where
    /// the signature has another length or is not less than the modulus.
    fn encoded(&self, signature: &[u8]) -> Option<Vec<u8>> {
        // Big-endian numbers of one length are in the order of their bytes.
        if signature.len() != self.modulus.len() || signature >= self.modulus.as_slice() {
            return None;
        }
        let number = BoxedUint::from_be_slice(signature, self.field.bits_precision()).ok()?;
        let base = BoxedMontyForm::new(number, &self.field);
        let mut power = base.clone();
        // From the bit below the highest.
        for bit in (0..self.exponent.ilog2()).rev() {
            power = power.square();
            if self.exponent >> bit & 1 == 1 {
                power = power.mul(&base);
            }
        }
        let bytes = power.retrieve().to_be_bytes();
        let zeros = bytes.len().checked_sub(signature.len())?;
        Some(bytes.get(zeros..)?.to_vec())
    }
}

/// EMSA-PKCS1-v1_5 (section 9.2) in so many bytes: at least 256, which any hash fits.
fn pkcs1(length: usize, hash: Hash, message: &[u8]) -> Vec<u8> {
    let digest = hash.digest(&[message]);
    // DigestInfo: the object identifier of the hash (2.16.840.1.101.3.4.2.N) with its NULL, and the hash.
    let (number, octets) = match hash {
        Hash::Sha256 => (1, 32),
        Hash::Sha384 => (2, 48),
        Hash::Sha512 => (3, 64),
    };
    let info = [
        0x30,
        0x11 + octets,
        0x30,
        0x0d,
        6,
        9,
        0x60,
        0x86,
        0x48,
        1,
        0x65,
        3,
        4,
        2,
        number,
        5,
        0,
        4,
        octets,
    ];
    let padding = length.saturating_sub(3 + info.len() + digest.as_bytes().len());
    let mut out = Vec::with_capacity(length);
    out.extend([0, 1]);
    out.resize(2 + padding, 0xff);
    out.push(0);
    out.extend(info);
    out.extend(digest.as_bytes());
    out
}

/// EMSA-PSS (section 9.1.2), with a salt as long as the hash and MGF1 of the same hash (RFC 7518, section 3.5). `bits` is
/// one less than the modulus has. `None` is false.
fn is_pss(encoded: &[u8], bits: usize, hash: Hash, message: &[u8]) -> Option<bool> {
    let octets = bits.div_ceil(8);
    // A modulus of 8n + 1 bits: the byte before is zero.
    let encoded = match encoded.len().checked_sub(octets)? {
        0 => encoded,
        _ => encoded.strip_prefix(&[0])?,
    };
    let (trailer, body) = encoded.split_last()?;
    let (masked, digest) = body.split_at_checked(body.len().checked_sub(hash.length())?)?;
    let mut block = masked.to_vec();
    // MGF1 (appendix B.2.1).
    for (part, counter) in block.chunks_mut(hash.length()).zip(0u32..) {
        let mask = hash.digest(&[digest, &counter.to_be_bytes()]);
        for (byte, mask) in part.iter_mut().zip(mask.as_bytes()) {
            *byte ^= mask;
        }
    }
    // The bits above those that the modulus has room for are zero in the signature, and the mask's are dropped.
    let unused = 8 * octets - bits;
    let top = 0xffu8.checked_shr(unused as u32)?;
    if masked.first()? & !top != 0 {
        return None;
    }
    *block.first_mut()? &= top;
    let (padding, salt) = block.split_at_checked(block.len().checked_sub(hash.length())?)?;
    let (one, zeros) = padding.split_last()?;
    let again = hash.digest(&[&[0; 8], hash.digest(&[message]).as_bytes(), salt]);
    Some(*trailer == 0xbc && *one == 1 && zeros.iter().all(|byte| *byte == 0) && again.as_bytes() == digest)
}
