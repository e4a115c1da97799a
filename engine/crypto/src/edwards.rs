//! What an Ed25519 key and signature must be beyond the equation (RFC 8032, section 5.1.7), for all backends alike:
//! libraries differ in these rules, and a signature that one host accepts and another refuses is a fault.
//!
//! - A key is in canonical form and not of small order. Under a key of small order anyone can sign.
//! - `R` is not of small order.
//! - `S` is less than the order of the group, and `R` is the canonical form of the computed point, compared as bytes:
//!   both libraries have it so. Both use the equation without the cofactor.

use ed25519_dalek::VerifyingKey;

use crate::KeyFault;

/// `y` of the eight points of small order, little-endian; each but 1 and -1 is that of two points. From
/// `EIGHT_TORSION` of curve25519-dalek, which a test compares.
const SMALL_ORDER: [[u8; 32]; 5] = [
    [0; 32],
    number(1, 0, 0),
    number(0xec, 0xff, 0x7f),
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5,
        0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a,
        0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
    ],
];

/// The bit of the last byte that is the sign of `x`.
const SIGN: u8 = 0x80;

const fn number(low: u8, middle: u8, high: u8) -> [u8; 32] {
    let mut bytes = [middle; 32];
    bytes[0] = low;
    bytes[31] = high;
    bytes
}

/// The key of 32 bytes.
pub(crate) fn key(bytes: &[u8]) -> Result<VerifyingKey, KeyFault> {
    let bytes: &[u8; 32] = bytes.try_into().map_err(|_| KeyFault::Point)?;
    // p is 2^255 - 19: a `y` that is not less than it has this form.
    let [low, middle @ .., high] = bytes;
    if *low >= 0xed && middle.iter().all(|byte| *byte == 0xff) && high & !SIGN == 0x7f {
        return Err(KeyFault::Weak);
    }
    // The other second form is a sign where `x` is 0, and these points are of small order.
    if is_small_order(bytes) {
        return Err(KeyFault::Weak);
    }
    VerifyingKey::from_bytes(bytes).map_err(|_| KeyFault::Point)
}

/// The `R` and `S` of a signature; `None` for one of another length, or with an `R` of small order.
pub(crate) fn signature(bytes: &[u8]) -> Option<&[u8; 64]> {
    let bytes: &[u8; 64] = bytes.try_into().ok()?;
    let (r, _) = bytes.split_first_chunk::<32>()?;
    (!is_small_order(r)).then_some(bytes)
}

fn is_small_order(point: &[u8; 32]) -> bool {
    let mut y = *point;
    let [.., high] = &mut y;
    *high &= !SIGN;
    SMALL_ORDER.contains(&y)
}

#[cfg(test)]
mod tests {
    use curve25519_dalek::constants::EIGHT_TORSION;

    use super::{KeyFault, SMALL_ORDER, key, signature};

    #[test]
    fn points_of_small_order_are_listed() {
        for point in EIGHT_TORSION {
            let bytes = point.compress().to_bytes();
            assert_eq!(key(&bytes), Err(KeyFault::Weak));
            assert_eq!(signature(&[bytes, [1; 32]].concat()), None);
        }
        for y in SMALL_ORDER {
            for sign in [0, 0x80] {
                let mut bytes = y;
                bytes[31] |= sign;
                assert!(ed25519_dalek::VerifyingKey::from_bytes(&bytes).is_ok_and(|key| key.is_weak()));
            }
        }
    }

    #[test]
    fn keys_have_one_form() {
        for low in 0xed..=0xff {
            for high in [0x7f, 0xff] {
                assert_eq!(
                    key(&super::number(low, 0xff, high)),
                    Err(KeyFault::Weak),
                    "{low:x}"
                );
            }
        }
        // The largest canonical `y` is -1, of small order; 2 is no point's.
        assert_eq!(key(&super::number(2, 0, 0)), Err(KeyFault::Point));
        assert_eq!(key(&[1; 31]), Err(KeyFault::Point));
        assert!(key(&super::number(3, 0, 0)).is_ok());
    }
}
