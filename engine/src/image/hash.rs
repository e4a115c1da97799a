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
mod tests {
    use super::*;

    /// A change here is a new format version.
    #[test]
    fn golden_vectors() {
        let text = b"abcdefghijklmnopqrstuvwxyz";
        let seen: Vec<u64> = [0, 1, 3, 4, 7, 8, 9, 16, 26]
            .iter()
            .map(|n| hash(7, 11, &text[..*n]))
            .collect();
        assert_eq!(seen, GOLDEN);
        assert_eq!(displaced(seen[4], 5, 1_000), 820);
    }

    const GOLDEN: [u64; 9] = [
        0x7bf6943ae9e94598,
        0xb51d3c3657b01fe0,
        0x58dc8892c307a074,
        0xe988c8d072e78410,
        0x9b7f917b95f2dfb1,
        0x24e49aa47731c210,
        0x6c223a9d91adf593,
        0xb075bbb73bb051fc,
        0xdba7dcd7d0617e8f,
    ];

    #[test]
    fn length_context_seed_and_every_byte_count() {
        let text = [0u8; 40];
        let mut seen = std::collections::BTreeSet::new();
        for n in 0..text.len() {
            assert!(seen.insert(hash(0, 0, &text[..n])), "{n} zeros");
            for i in 0..n {
                let mut changed = text;
                changed[i] = 1;
                assert!(seen.insert(hash(0, 0, &changed[..n])), "{n} zeros, {i}");
            }
        }
        assert_ne!(hash(0, 1, b"a"), hash(1, 0, b"a"));
    }
}
