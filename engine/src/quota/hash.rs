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
    /// Not what it is.
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
        let mut hasher = Sip::new(Seed { k0: 0, k1: 0 });
        hasher.write(&(name.len() as u64).to_le_bytes());
        hasher.write(name.as_bytes());
        hasher.write(kind.as_bytes());
        QuotaNumber(hasher.finish().0)
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
        let mut hasher = Sip::new(seed);
        // Of fixed length, so no key can imitate it.
        hasher.write(&quota.0.to_le_bytes());
        hasher.write(key);
        let (place, tag) = hasher.finish();
        KeyHash { quota, place, tag }
    }
}

/// SipHash-2-4 with 128 bits of result, over bytes that come in pieces.
struct Sip {
    v: [u64; 4],
    /// Bytes that are no whole word yet, in the low ones.
    tail: u64,
    len: u64,
}

impl Sip {
    fn new(seed: Seed) -> Sip {
        Sip {
            v: [
                seed.k0 ^ 0x736f_6d65_7073_6575,
                seed.k1 ^ 0x646f_7261_6e64_6f6d ^ 0xee,
                seed.k0 ^ 0x6c79_6765_6e65_7261,
                seed.k1 ^ 0x7465_6462_7974_6573,
            ],
            tail: 0,
            len: 0,
        }
    }

    fn write(&mut self, bytes: &[u8]) {
        let mut bytes = bytes;
        while !self.len.is_multiple_of(8)
            && let Some((first, rest)) = bytes.split_first()
        {
            self.byte(*first);
            bytes = rest;
        }
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.word(u64::from_le_bytes(*word));
        }
        self.len += 8 * words.len() as u64;
        rest.iter().for_each(|byte| self.byte(*byte));
    }

    fn byte(&mut self, byte: u8) {
        self.tail |= u64::from(byte) << (8 * (self.len % 8));
        self.len += 1;
        if self.len.is_multiple_of(8) {
            let word = std::mem::take(&mut self.tail);
            self.word(word);
        }
    }

    #[inline]
    fn word(&mut self, word: u64) {
        self.v[3] ^= word;
        self.round();
        self.round();
        self.v[0] ^= word;
    }

    #[inline]
    fn round(&mut self) {
        let [mut v0, mut v1, mut v2, mut v3] = self.v;
        v0 = v0.wrapping_add(v1);
        v2 = v2.wrapping_add(v3);
        v1 = v1.rotate_left(13) ^ v0;
        v3 = v3.rotate_left(16) ^ v2;
        v0 = v0.rotate_left(32).wrapping_add(v3);
        v2 = v2.wrapping_add(v1);
        v1 = v1.rotate_left(17) ^ v2;
        v3 = v3.rotate_left(21) ^ v0;
        v2 = v2.rotate_left(32);
        self.v = [v0, v1, v2, v3];
    }

    fn finish(mut self) -> (u64, u64) {
        let last = self.tail | (self.len << 56);
        self.word(last);
        self.v[2] ^= 0xee;
        (0..4).for_each(|_| self.round());
        let first = self.v[0] ^ self.v[1] ^ self.v[2] ^ self.v[3];
        self.v[1] ^= 0xdd;
        (0..4).for_each(|_| self.round());
        (first, self.v[0] ^ self.v[1] ^ self.v[2] ^ self.v[3])
    }
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
            for cut in 0..=len {
                let mut hasher = Sip::new(seed);
                hasher.write(&message[..cut]);
                hasher.write(&message[cut..len]);
                let (first, second) = hasher.finish();
                let text: Vec<u8> = [first.to_le_bytes(), second.to_le_bytes()].concat();
                assert_eq!(text, digest.to_be_bytes(), "{len} bytes, cut at {cut}");
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
