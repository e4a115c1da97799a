//! Reading the image's tables: hash maps, automata, ranges, thresholds. All live in one array of words; what
//! stands where was checked once at the door ([`super::validate`]), so a read past the end can not happen and,
//! should it, yields zero and never a panic.

use std::cell::Cell;

/// The words and bytes of an image, with a count of the words read.
#[derive(Clone, Copy)]
pub(crate) struct View<'i> {
    pub(crate) words: &'i [u32],
    pub(crate) bytes: &'i [u8],
    #[cfg_attr(not(feature = "count"), allow(dead_code))]
    pub(crate) touched: &'i Cell<u64>,
}

impl<'i> View<'i> {
    /// The word at an offset.
    #[inline]
    pub(crate) fn word(&self, at: u32) -> u32 {
        #[cfg(feature = "count")]
        self.touched.set(self.touched.get() + 1);
        self.words.get(at as usize).copied().unwrap_or(0)
    }

    /// Words that follow each other.
    #[inline]
    pub(crate) fn run(&self, at: u32, len: u32) -> &'i [u32] {
        #[cfg(feature = "count")]
        self.touched.set(self.touched.get() + u64::from(len));
        let start = at as usize;
        self.words
            .get(start..start.saturating_add(len as usize))
            .unwrap_or(&[])
    }

    /// Bytes of the byte pool.
    #[inline]
    pub(crate) fn text(&self, offset: u32, len: u32) -> &'i [u8] {
        #[cfg(feature = "count")]
        self.touched.set(self.touched.get() + u64::from(len.div_ceil(4)));
        let start = offset as usize;
        self.bytes
            .get(start..start.saturating_add(len as usize))
            .unwrap_or(&[])
    }
}

/// An empty slot of a map.
pub(crate) const EMPTY: u32 = u32::MAX;
/// Words before a map's slots: seed, mask.
pub(crate) const MAP_HEAD: u32 = 2;
/// Words of a slot of a text map: offset, length, value; of a pair map: a, b, value.
pub(crate) const MAP_SLOT: u32 = 3;

/// FNV-1a with a seed and a final mix; stable, since it is part of the format. The keys are the policy's, chosen
/// at compile time with a seed under which no probe is long, so a hostile key costs one bounded probe.
pub(crate) fn hash_bytes(seed: u32, bytes: &[u8]) -> u32 {
    let mut h = 0xcbf2_9ce4_8422_2325_u64 ^ (u64::from(seed).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    for byte in bytes {
        h = (h ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    mix(h)
}

/// The same for a pair of words.
pub(crate) fn hash_pair(seed: u32, a: u32, b: u32) -> u32 {
    mix((u64::from(a) << 32 | u64::from(b)) ^ (u64::from(seed).wrapping_mul(0x9e37_79b9_7f4a_7c15)))
}

fn mix(mut h: u64) -> u32 {
    h = (h ^ (h >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    h = (h ^ (h >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    (h ^ (h >> 32)) as u32
}

/// The value of a text in a text map.
pub(crate) fn find_text(view: View<'_>, map: u32, key: &[u8]) -> Option<u32> {
    let (seed, mask) = (view.word(map), view.word(map + 1));
    let mut slot = hash_bytes(seed, key) & mask;
    for _ in 0..=mask {
        let at = map + MAP_HEAD + slot * MAP_SLOT;
        let len = view.word(at + 1);
        if len == EMPTY {
            return None;
        }
        if len as usize == key.len() && view.text(view.word(at), len) == key {
            return Some(view.word(at + 2));
        }
        slot = (slot + 1) & mask;
    }
    None
}

/// The value of a pair in a pair map.
pub(crate) fn find_pair(view: View<'_>, map: u32, a: u32, b: u32) -> Option<u32> {
    let (seed, mask) = (view.word(map), view.word(map + 1));
    let mut slot = hash_pair(seed, a, b) & mask;
    for _ in 0..=mask {
        let at = map + MAP_HEAD + slot * MAP_SLOT;
        let first = view.word(at);
        if first == EMPTY {
            return None;
        }
        if first == a && view.word(at + 1) == b {
            return Some(view.word(at + 2));
        }
        slot = (slot + 1) & mask;
    }
    None
}

/// Words before an automaton's transitions: states, byte classes, start, then 64 words of byte classes.
pub(crate) const DFA_HEAD: u32 = 3 + 64;

/// Runs an automaton over the whole text; the class of patterns that match it, 0 for none.
///
/// Layout: states, byte classes, start, 256 byte classes packed into 64 words, `states * classes` transitions,
/// `states` accept classes. State 0 is dead.
pub(crate) fn run_dfa(view: View<'_>, dfa: u32, text: &[u8]) -> u32 {
    let (states, classes, mut state) = (view.word(dfa), view.word(dfa + 1), view.word(dfa + 2));
    for byte in text {
        let class = view.word(dfa + 3 + u32::from(*byte >> 2)).to_le_bytes()[usize::from(*byte & 3)];
        state = view.word(dfa + DFA_HEAD + state * classes + u32::from(class));
        if state == 0 {
            return 0;
        }
    }
    view.word(dfa + DFA_HEAD + states * classes + state)
}

/// `1 +` how many of the sorted thresholds are at most `value`. Layout: count, then low and high words.
pub(crate) fn find_threshold(view: View<'_>, table: u32, value: i64) -> u32 {
    let at = |i: u32| {
        let (low, high) = (view.word(table + 1 + 2 * i), view.word(table + 2 + 2 * i));
        (u64::from(low) | u64::from(high) << 32) as i64
    };
    1 + partition(view.word(table), |i| at(i) <= value)
}

/// The class of the last range that starts at or before `value`, 1 before the first. Layout: count, then four
/// words of the start (low first) and the class.
pub(crate) fn find_range(view: View<'_>, table: u32, value: u128) -> u32 {
    let start = |i: u32| {
        (0..4).fold(0u128, |acc, k| {
            acc | u128::from(view.word(table + 1 + 5 * i + k)) << (32 * k)
        })
    };
    match partition(view.word(table), |i| start(i) <= value) {
        0 => 1,
        n => view.word(table + 1 + 5 * (n - 1) + 4),
    }
}

/// First index below `n` for which the predicate fails (it holds up to there and not after).
pub(crate) fn partition(n: u32, holds: impl Fn(u32) -> bool) -> u32 {
    let (mut low, mut high) = (0, n);
    while low < high {
        let middle = low + (high - low) / 2;
        if holds(middle) {
            low = middle + 1
        } else {
            high = middle
        }
    }
    low
}
