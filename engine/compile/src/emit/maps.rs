//! Texts in contexts -> a text map without collisions: hash and displace (Belazzougui, Botelho and Dietzfelbinger
//! 2009). Keys fall into buckets; the largest bucket first, each gets the first displacement under which all its keys
//! find empty slots.

use crate::CompileError;
use portcullis::image::hash::{displaced, hash};
use portcullis::image::tables::EMPTY;

/// Keys that share a displacement, on average.
const BUCKET_KEYS: usize = 4;
/// Displacements tried for a bucket before the next seed.
const DISPLACEMENTS_MAX: u32 = 1 << 16;
/// Seeds tried, each with more slots than the last: only keys that hash alike under all of them exhaust these.
const SEEDS_MAX: u32 = 16;

/// A key: context, text with its place in the byte pool, value.
pub(super) struct Key<'k> {
    pub(super) context: u32,
    pub(super) text: &'k [u8],
    pub(super) at: u32,
    pub(super) value: u32,
}

/// The words of the map.
pub(super) fn words(keys: &[Key<'_>]) -> Result<Vec<u32>, CompileError> {
    if keys.is_empty() {
        // One displacement, no slot.
        return Ok(vec![0, 0, 0, 0]);
    }
    for seed in 0..SEEDS_MAX {
        let slots = keys.len() + keys.len() * (1 + seed as usize) / 16 + usize::from(keys.len() > 1);
        if let Some(words) = place(keys, seed, slots) {
            return Ok(words);
        }
    }
    Err(CompileError::TextsHashAlike { texts: keys.len() })
}

fn place(keys: &[Key<'_>], seed: u32, slots: usize) -> Option<Vec<u32>> {
    let buckets = (keys.len() / BUCKET_KEYS).next_power_of_two();
    let mask = buckets as u32 - 1;
    let hashes: Vec<u64> = keys.iter().map(|k| hash(seed, k.context, k.text)).collect();
    let mut members: Vec<Vec<usize>> = vec![Vec::new(); buckets];
    for (i, hash) in hashes.iter().enumerate() {
        members[(*hash as u32 & mask) as usize].push(i);
    }
    let mut order: Vec<usize> = (0..buckets).collect();
    order.sort_by_key(|b| std::cmp::Reverse(members[*b].len()));

    let mut displacements = vec![0; buckets];
    let mut taken: Vec<Option<usize>> = vec![None; slots];
    let mut wanted = Vec::new();
    for bucket in order {
        let fits = |displacement: &u32| {
            wanted.clear();
            members[bucket].iter().all(|i| {
                let slot = displaced(hashes[*i], *displacement, slots as u32) as usize;
                let free = taken[slot].is_none() && !wanted.contains(&slot);
                wanted.push(slot);
                free
            })
        };
        displacements[bucket] = (0..DISPLACEMENTS_MAX).find(fits)?;
        for (i, slot) in members[bucket].iter().zip(&wanted) {
            taken[*slot] = Some(*i);
        }
    }
    let mut words = vec![seed, mask, slots as u32];
    words.extend(displacements);
    for slot in taken {
        words.extend(match slot {
            None => [0, 0, 0, EMPTY, 0],
            Some(i) => {
                let Key {
                    context,
                    text,
                    at,
                    value,
                } = keys[i];
                [context, (hashes[i] >> 32) as u32, at, text.len() as u32, value]
            }
        });
    }
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis::image::tables::{Map, View};

    #[test]
    fn every_key_is_found_and_no_other() {
        for n in [0, 1, 2, 3, 17, 1_000] {
            let texts: Vec<String> = (0..n).map(|i| format!("segment-{i}")).collect();
            let (mut pool, mut keys) = (Vec::new(), Vec::new());
            for (i, text) in (0u32..).zip(&texts) {
                let at = pool.len() as u32;
                pool.extend_from_slice(text.as_bytes());
                keys.extend([3, 5].map(|context| Key {
                    context,
                    text: text.as_bytes(),
                    at,
                    value: i * context,
                }));
            }
            let words = words(&keys).unwrap();
            let touched = std::cell::Cell::new(0);
            let view = View {
                words: &words,
                bytes: &pool,
                touched: &touched,
            };
            let map = Map::open(view, 0);
            for key in &keys {
                assert_eq!(map.find(view, key.context, key.text), Some(key.value));
                assert_eq!(map.find(view, key.context + 1, key.text), None);
            }
            assert_eq!(map.find(view, 3, b"segment-x"), None);
            assert_eq!(map.find(view, 3, b""), None);
        }
    }
}
