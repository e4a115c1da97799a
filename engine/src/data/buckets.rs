//! Keys -> buckets of a hash table that is built once and then only read: where the keys stand that may equal a given
//! one. Knows hashes and positions; what a key is and how it is stored is its owner's business.
//!
//! There are as many buckets as keys, so a look-up reads one bucket and compares one key on average. The keys of a
//! table are its operator's, the key that is asked for may be an attacker's: whatever it is, it costs no more than
//! the fullest bucket, and [`BUCKET_KEYS`] bounds that one.

use std::ops::Range;

/// Keys in one bucket. A good hash reaches it once in a hundred thousand tables of ten million keys.
pub(super) const BUCKET_KEYS: u32 = 16;

/// Seeds tried until no bucket is fuller than [`BUCKET_KEYS`]; keys that were chosen to collide under one of them
/// do not under the next, which depends on all of them.
const SEEDS: u64 = 8;

/// Something to look up.
pub(super) trait Key {
    /// Stable: no platform and no run differs.
    fn hash(&self, seed: u64) -> u64;
}

impl Key for i64 {
    fn hash(&self, seed: u64) -> u64 {
        finish(step(seed, self.cast_unsigned()))
    }
}

impl Key for u128 {
    fn hash(&self, seed: u64) -> u64 {
        finish(step(step(seed, *self as u64), (*self >> 64) as u64))
    }
}

impl Key for &[u8] {
    fn hash(&self, seed: u64) -> u64 {
        let mut chunks = self.chunks_exact(8);
        let mut hash = step(seed, self.len() as u64);
        for chunk in &mut chunks {
            hash = step(hash, word(chunk));
        }
        finish(step(hash, word(chunks.remainder())))
    }
}

/// At most eight bytes as a little-endian word.
fn word(bytes: &[u8]) -> u64 {
    let mut word = [0; 8];
    for (to, from) in word.iter_mut().zip(bytes) {
        *to = *from;
    }
    u64::from_le_bytes(word)
}

fn step(hash: u64, word: u64) -> u64 {
    fold(hash ^ word, 0x9e37_79b9_7f4a_7c15) ^ hash.rotate_left(29)
}

fn finish(hash: u64) -> u64 {
    fold(hash, 0xd6e8_feb8_6659_fd93)
}

/// Both halves of the product: every bit of the input reaches every bit of the result.
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}

/// Where the keys of each bucket stand.
#[derive(Clone, Debug)]
pub(super) struct Buckets {
    seed: u64,
    /// Start of each bucket in its owner's unit, and the end of the last.
    starts: Box<[u32]>,
}

impl Buckets {
    /// Spreads keys, each given once, and calls `put` for one after the other in the order of their buckets; it stores
    /// the key and says where the next would start. `seed` must depend on all keys.
    pub(super) fn build<K: Key>(keys: &[K], seed: u64, mut put: impl FnMut(usize, &K) -> u32) -> Buckets {
        let (seed, order) = spread(keys, seed);
        let mut order = order.into_iter().peekable();
        let mut starts = Vec::with_capacity(keys.len() + 1);
        let mut end = 0;
        starts.push(end);
        for bucket in 0..keys.len() as u32 {
            while let Some((_, index)) = order.next_if(|(at, _)| *at == bucket) {
                let index = index as usize;
                end = keys.get(index).map_or(end, |key| put(index, key));
            }
            starts.push(end);
        }
        Buckets {
            seed,
            starts: starts.into_boxed_slice(),
        }
    }

    /// Where a key stands if it is there.
    pub(super) fn find<K: Key>(&self, key: &K) -> Range<usize> {
        let bucket = bucket(key.hash(self.seed), self.count()) as usize;
        match self.starts.get(bucket..bucket.saturating_add(2)) {
            Some([start, end]) => *start as usize..*end as usize,
            _ => 0..0,
        }
    }

    /// Bytes of memory.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.starts)
    }

    fn count(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }
}

/// A seed, and the keys' buckets and indices in that order.
fn spread<K: Key>(keys: &[K], seed: u64) -> (u64, Vec<(u32, u32)>) {
    let mut best: Option<(u32, u64)> = None;
    for attempt in 0..SEEDS {
        let seed = step(seed, attempt);
        let fullest = fullest(keys, seed);
        if best.is_none_or(|(least, _)| fullest < least) {
            best = Some((fullest, seed));
        }
        if fullest <= BUCKET_KEYS {
            break;
        }
    }
    let seed = best.map_or(seed, |(_, seed)| seed);
    let mut order: Vec<(u32, u32)> = (0..)
        .zip(keys)
        .map(|(index, key)| (bucket(key.hash(seed), keys.len()), index))
        .collect();
    crate::value::order::sort(&mut order);
    (seed, order)
}

fn fullest<K: Key>(keys: &[K], seed: u64) -> u32 {
    let mut counts = vec![0u32; keys.len()];
    for key in keys {
        if let Some(count) = counts.get_mut(bucket(key.hash(seed), keys.len()) as usize) {
            *count += 1;
        }
    }
    counts.into_iter().max().unwrap_or_default()
}

/// Tables have fewer than 2^32 keys: so many lines, and so many bytes, fit none of the files.
fn bucket(hash: u64, count: usize) -> u32 {
    (((hash >> 32) * count as u64) >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_stands_in_its_bucket_and_no_bucket_is_crowded() {
        for count in [0u32, 1, 2, 3, 1_000, 100_000] {
            let texts: Vec<String> = (0..count).map(|n| format!("user-{n:06}")).collect();
            let keys: Vec<&[u8]> = texts.iter().map(|text| text.as_bytes()).collect();
            let mut placed = Vec::new();
            let buckets = Buckets::build(&keys, 1, |index, _| {
                placed.push(index);
                placed.len() as u32
            });
            assert_eq!(placed.len(), keys.len());
            for (index, key) in keys.iter().enumerate() {
                let at = buckets.find(key);
                assert!(at.len() <= BUCKET_KEYS as usize, "{count}");
                assert!(placed[at].contains(&index), "{count}: {index}");
            }
            assert!(buckets.find(&b"absent".as_slice()).len() <= BUCKET_KEYS as usize);
        }
    }

    /// Keys that all fall into one bucket under the first seed need a second; the look-up stays bounded.
    #[test]
    fn keys_chosen_to_collide_are_spread_by_another_seed() {
        let first = step(7, 0);
        let keys: Vec<i64> = (0..)
            .filter(|key: &i64| key.hash(first) >> 56 == 0)
            .take(4_000)
            .collect();
        assert!(fullest(&keys, first) > BUCKET_KEYS);
        let (seed, order) = spread(&keys, 7);
        assert_ne!(seed, first);
        assert!(fullest(&keys, seed) <= BUCKET_KEYS);
        assert_eq!(order.len(), keys.len());
    }
}
