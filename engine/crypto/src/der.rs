//! A public key or an ECDSA signature -> DER (X.690), as libraries take them that read no JWK: SubjectPublicKeyInfo
//! (RFC 5280, section 4.1; RFC 5480, section 2; RFC 8410, section 4) and ECDSA-Sig-Value (RFC 3279, section 2.2.3).
//! Whether a key is sound is not looked at.

use alloc::vec::Vec;

use portcullis_base::jwks::{Curve, PublicKey};

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const SEQUENCE: u8 = 0x30;

/// `rsaEncryption` (1.2.840.113549.1.1.1) with its NULL.
const RSA: &[u8] = &[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 5, 0];
/// `id-ecPublicKey` (1.2.840.10045.2.1), which the curve follows.
const EC: &[u8] = &[6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
/// `prime256v1` (1.2.840.10045.3.1.7).
const P256: &[u8] = &[6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
/// `secp384r1` (1.3.132.0.34).
const P384: &[u8] = &[6, 5, 0x2b, 0x81, 4, 0, 0x22];
/// `secp521r1` (1.3.132.0.35).
const P521: &[u8] = &[6, 5, 0x2b, 0x81, 4, 0, 0x23];
/// `id-Ed25519` (1.3.101.112).
const ED25519: &[u8] = &[6, 3, 0x2b, 0x65, 0x70];

/// The SubjectPublicKeyInfo of a key; points are uncompressed.
pub fn spki(key: &PublicKey) -> Vec<u8> {
    let (algorithm, bits) = match key {
        PublicKey::Rsa { modulus, exponent } => {
            let numbers = element(SEQUENCE, &[&integer(modulus), &integer(exponent)]);
            (element(SEQUENCE, &[RSA]), element(BIT_STRING, &[&[0], &numbers]))
        }
        PublicKey::Ec { curve, x, y } => {
            let curve = match curve {
                Curve::P256 => P256,
                Curve::P384 => P384,
                Curve::P521 => P521,
            };
            // No unused bits, then the point: 4 for uncompressed (SEC 1, section 2.3.3).
            (
                element(SEQUENCE, &[EC, curve]),
                element(BIT_STRING, &[&[0, 4], x, y]),
            )
        }
        PublicKey::Ed25519(bytes) => (element(SEQUENCE, &[ED25519]), element(BIT_STRING, &[&[0], bytes])),
    };
    element(SEQUENCE, &[&algorithm, &bits])
}

/// The DER form of an ECDSA signature whose `r` and `s` stand one after the other with the length of the curve: 64, 96 or
/// 132 bytes. `None` for any other length, or where one of the two is 0. That they are less than the order is not looked
/// at.
pub fn der_signature(r_s: &[u8]) -> Option<Vec<u8>> {
    if ![Curve::P256, Curve::P384, Curve::P521]
        .into_iter()
        .any(|curve| curve.length() * 2 == r_s.len())
    {
        return None;
    }
    let (r, s) = r_s.split_at(r_s.len() / 2);
    let zero = |number: &[u8]| number.iter().all(|byte| *byte == 0);
    if zero(r) || zero(s) {
        return None;
    }
    Some(element(SEQUENCE, &[&integer(r), &integer(s)]))
}

/// An INTEGER of a big-endian number that is not negative: no leading zeros, but one where the top bit is set.
fn integer(number: &[u8]) -> Vec<u8> {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    let digits = number.get(zeros..).unwrap_or_default();
    let positive: &[u8] = match digits.first() {
        Some(first) if *first < 0x80 => &[],
        _ => &[0],
    };
    element(INTEGER, &[positive, digits])
}

/// A tag, the length of the parts together, and the parts.
fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut out = Vec::with_capacity(length + 4);
    out.push(tag);
    match length {
        0..0x80 => out.push(length as u8),
        0x80..0x100 => out.extend([0x81, length as u8]),
        // Numbers have at most 1,025 bytes, so all lengths fit two.
        _ => out.extend([0x82, (length >> 8) as u8, length as u8]),
    }
    for part in parts {
        out.extend_from_slice(part);
    }
    out
}
