//! Bytes -> 64 bits: the hash of an image's text maps. Stable, since it is part of the format.
//!
//! Eight bytes at a time, each folded in by a 64 × 64 -> 128 bit multiplication. A map is perfect: it was built so that
//! no two of its keys share a slot, and a key from outside costs one probe whatever it is. So the hash has to be quick
//! and to differ by seed; it need not withstand attacks.

const K0: u64 = 0x9e37_79b9_7f4a_7c15;
const K1: u64 = 0xd6e8_feb8_6659_fd93;
const K2: u64 = 0xa076_1d64_78bd_642f;

/// Both halves of a product, folded.
#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}

#[inline]
fn word(bytes: &[u8], at: usize) -> u64 {
    bytes
        .get(at..at + 8)
        .and_then(|b| b.try_into().ok())
        .map_or(0, u64::from_le_bytes)
}

#[inline]
fn half(bytes: &[u8], at: usize) -> u64 {
    bytes
        .get(at..at + 4)
        .and_then(|b| b.try_into().ok())
        .map_or(0, |b| u64::from(u32::from_le_bytes(b)))
}

/// The hash of a text in a context (a state of routes, a kind of host pattern) under a seed.
#[inline]
pub fn hash(seed: u32, context: u32, bytes: &[u8]) -> u64 {
    let len = bytes.len();
    let start = (u64::from(seed) << 32 | u64::from(context)) ^ K0;
    let mut h = fold(start, K1 ^ len as u64);
    if let (4..=8, Some(first), Some(last)) = (len, bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        // What follows comes to the same for so short a text, which most are.
        let last = u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << 32;
        return fold(h ^ last, K2);
    }
    let mut at = 0;
    while len - at > 8 {
        h = fold(h ^ word(bytes, at), K1);
        at += 8;
    }
    // The last one to eight bytes; of four or more as two halves that may overlap.
    let last = match len - at {
        0 => 0,
        8 => word(bytes, at),
        n @ 4..8 => half(bytes, at) | half(bytes, at + n - 4) << 32,
        n => {
            let byte = |i: usize| bytes.get(at + i).map_or(0, |b| u64::from(*b));
            byte(0) | byte(n / 2) << 8 | byte(n - 1) << 16
        }
    };
    fold(h ^ last, K2)
}

/// The slot of a hash under its bucket's displacement.
#[inline]
pub fn displaced(hash: u64, displacement: u32, slots: u32) -> u32 {
    let spread = (hash ^ u64::from(displacement).wrapping_mul(K0)).wrapping_mul(K2) >> 32;
    ((spread * u64::from(slots)) >> 32) as u32
}

#[cfg(test)]
mod tests;
