//! (secret seed, quota, key) -> 128 bits that stand for the key: SipHash-2-4-128 (Aumasson and Bernstein), so that a
//! caller who chooses keys cannot choose where they fall. Knows no buckets.

/// What keys are hashed under. Random, and secret from callers; all that share a store share it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Seed {
    k0: u64,
    k1: u64,
}

impl Seed {
    /// Of 16 random bytes.
    pub fn new(bytes: [u8; 16]) -> Seed {
        let bits = u128::from_le_bytes(bytes);
        Seed::from_words(bits as u64, (bits >> 64) as u64)
    }

    pub(super) const fn from_words(k0: u64, k1: u64) -> Seed {
        Seed { k0, k1 }
    }

    pub(super) fn words(self) -> [u64; 2] {
        [self.k0, self.k1]
    }
}

impl std::fmt::Debug for Seed {
    /// A secret, so its bytes are left out.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seed(..)")
    }
}

/// Says which quota a bucket is of: the same number in every image that declares the quota by this name, of this kind and
/// with this period. It outlives a reload that changes the limit, the burst or the cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QuotaNumber(pub u64);

impl QuotaNumber {
    /// `kind` tells apart what counts differently: the period in µs, the calendar unit and zone, in flight.
    pub fn of(name: &str, kind: &str) -> QuotaNumber {
        // Authors choose names, and no caller does: it need not be secret.
        let bytes = [name.as_bytes(), kind.as_bytes()].concat();
        QuotaNumber(sip(Seed { k0: 0, k1: 0 }, Some(name.len() as u64), &bytes).0)
    }
}

/// A key of a quota, hashed. Two keys are one with a chance of 2^-120.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyHash {
    pub(super) quota: QuotaNumber,
    /// Where it is looked for.
    pub(super) place: u64,
    /// What it is told by there.
    pub(super) tag: u64,
}

impl KeyHash {
    /// Of a composite key, as a charge writes it.
    pub fn new(seed: Seed, quota: QuotaNumber, key: &[u8]) -> KeyHash {
        // The quota is of fixed length, so no key can imitate it.
        let (place, tag) = sip(seed, Some(quota.0), key);
        KeyHash { quota, place, tag }
    }
}

/// SipHash-2-4 with 128 bits of result, over a first word if there is one and bytes after it.
fn sip(seed: Seed, first: Option<u64>, bytes: &[u8]) -> (u64, u64) {
    let mut v = [
        seed.k0 ^ 0x736f_6d65_7073_6575,
        seed.k1 ^ 0x646f_7261_6e64_6f6d ^ 0xee,
        seed.k0 ^ 0x6c79_6765_6e65_7261,
        seed.k1 ^ 0x7465_6462_7974_6573,
    ];
    let mut len = bytes.len() as u64;
    if let Some(word) = first {
        v = compress(v, word);
        len += 8;
    }
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        v = compress(v, u64::from_le_bytes(*word));
    }
    let tail = rest
        .iter()
        .rev()
        .fold(0, |tail, byte| (tail << 8) | u64::from(*byte));
    v = compress(v, tail | (len << 56));
    v[2] ^= 0xee;
    v = round(round(round(round(v))));
    let place = v[0] ^ v[1] ^ v[2] ^ v[3];
    v[1] ^= 0xdd;
    v = round(round(round(round(v))));
    (place, v[0] ^ v[1] ^ v[2] ^ v[3])
}

#[inline(always)]
fn compress([v0, v1, v2, v3]: [u64; 4], word: u64) -> [u64; 4] {
    let [v0, v1, v2, v3] = round(round([v0, v1, v2, v3 ^ word]));
    [v0 ^ word, v1, v2, v3]
}

#[inline(always)]
fn round([mut v0, mut v1, mut v2, mut v3]: [u64; 4]) -> [u64; 4] {
    v0 = v0.wrapping_add(v1);
    v2 = v2.wrapping_add(v3);
    v1 = v1.rotate_left(13) ^ v0;
    v3 = v3.rotate_left(16) ^ v2;
    v0 = v0.rotate_left(32).wrapping_add(v3);
    v2 = v2.wrapping_add(v1);
    v1 = v1.rotate_left(17) ^ v2;
    v3 = v3.rotate_left(21) ^ v0;
    v2 = v2.rotate_left(32);
    [v0, v1, v2, v3]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first vectors of `vectors.h` of the reference implementation: key 00..0f, message 00..n.
    #[test]
    fn as_the_reference_implementation() {
        let seed = Seed::new(std::array::from_fn(|i| i as u8));
        let message: Vec<u8> = (0..15).collect();
        for (len, digest) in [
            (0, 0xa381_7f04_ba25_a8e6_6df6_7214_c755_0293),
            (1, 0xda87_c1d8_6b99_af44_3476_5911_9b22_fc45),
            (2, 0x8177_228d_a4a4_5dc7_fca3_8bde_f60a_ffe4),
            (3, 0x9c70_b60c_5267_a94e_5f33_b6b0_2985_ed51),
            (4, 0xf881_64c1_2d9c_8faf_7d0f_6e7c_7bcd_5579),
            (15, 0x5493_e999_33b0_a811_7e08_ec0f_97cf_c3d9_u128),
        ] {
            let text = |(first, second): (u64, u64)| [first.to_le_bytes(), second.to_le_bytes()].concat();
            assert_eq!(
                text(sip(seed, None, &message[..len])),
                digest.to_be_bytes(),
                "{len} bytes"
            );
            if let Some((first, rest)) = message[..len].split_first_chunk::<8>() {
                let first = u64::from_le_bytes(*first);
                assert_eq!(
                    text(sip(seed, Some(first), rest)),
                    digest.to_be_bytes(),
                    "{len} bytes"
                );
            }
        }
    }

    #[test]
    fn quotas_and_keys_are_told_apart() {
        let seed = Seed::new([7; 16]);
        let key = |name: &str, kind: &str, key: &str| {
            KeyHash::new(seed, QuotaNumber::of(name, kind), key.as_bytes())
        };
        assert_eq!(key("a", "rate", "k"), key("a", "rate", "k"));
        for other in [
            key("b", "rate", "k"),
            key("a", "flight", "k"),
            key("a", "rate", "l"),
            key("ar", "ate", "k"),
        ] {
            assert_ne!(key("a", "rate", "k"), other);
        }
        let elsewhere = KeyHash::new(Seed::new([8; 16]), QuotaNumber::of("a", "rate"), b"k");
        assert_ne!(key("a", "rate", "k"), elsewhere);
        assert_eq!(format!("{seed:?}"), "Seed(..)");
    }
}
