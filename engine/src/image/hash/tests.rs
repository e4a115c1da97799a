//! The hash stays what it was, and tells apart what differs in length, context, seed or one byte.

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
