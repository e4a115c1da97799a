//! Reading the image's tables: text maps, automata, ranges, thresholds. All live in one array of words; what
//! stands where was checked once at the door ([`super::validate`]), so a read past the end cannot happen and,
//! should it, yields zero and never a panic.

use std::cell::Cell;

use super::hash::{displaced, hash};
use super::layout::dir;

/// The words and bytes of an image, with a count of the words read.
#[derive(Clone, Copy)]
pub struct View<'i> {
    /// Routes, graphs and tables.
    pub words: &'i [u32],
    /// Texts that words point to.
    pub bytes: &'i [u8],
    /// Words read so far, where the engine was built to count.
    #[cfg_attr(not(feature = "count"), allow(dead_code))]
    pub touched: &'i Cell<u64>,
}

impl<'i> View<'i> {
    /// The word at an offset.
    #[inline]
    pub fn word(&self, at: u32) -> u32 {
        #[cfg(feature = "count")]
        self.touched.set(self.touched.get() + 1);
        self.words.get(at as usize).copied().unwrap_or(0)
    }

    /// A record: words that follow each other, as many as it has.
    #[inline]
    pub fn record<const N: usize>(&self, at: u32) -> [u32; N] {
        #[cfg(feature = "count")]
        self.touched.set(self.touched.get() + N as u64);
        self.words
            .get(at as usize..)
            .and_then(|words| words.first_chunk::<N>())
            .copied()
            .unwrap_or([0; N])
    }

    /// Words that follow each other.
    #[inline]
    pub fn run(&self, at: u32, len: u32) -> &'i [u32] {
        #[cfg(feature = "count")]
        self.touched.set(self.touched.get() + u64::from(len));
        let start = at as usize;
        self.words
            .get(start..start.saturating_add(len as usize))
            .unwrap_or(&[])
    }

    /// Bytes of the byte pool.
    #[inline]
    pub fn text(&self, offset: u32, len: u32) -> &'i [u8] {
        #[cfg(feature = "count")]
        self.touched.set(self.touched.get() + u64::from(len.div_ceil(4)));
        let start = offset as usize;
        self.bytes
            .get(start..start.saturating_add(len as usize))
            .unwrap_or(&[])
    }
}

/// The length of an empty slot of a map.
pub const EMPTY: u32 = u32::MAX;
/// Words before a map's displacements: seed, bucket mask, slots.
pub const MAP_HEAD: u32 = 3;
/// Words of a slot: context, high half of the hash, offset and length of the text, value.
pub const MAP_SLOT: u32 = 5;

/// A text map: hash and displace, one probe. Layout: seed, bucket mask, slots; a displacement by bucket; the slots.
#[derive(Clone, Copy)]
pub struct Map {
    seed: u32,
    mask: u32,
    slots: u32,
    at: u32,
}

impl Map {
    #[inline]
    /// The map at an offset.
    pub fn open(view: View<'_>, at: u32) -> Map {
        let [seed, mask, slots] = view.record(at);
        Map {
            seed,
            mask,
            slots,
            at: at + MAP_HEAD,
        }
    }

    /// The value of a text in a context.
    #[inline]
    pub fn find(self, view: View<'_>, context: u32, key: &[u8]) -> Option<u32> {
        if self.slots == 0 {
            return None;
        }
        let hash = hash(self.seed, context, key);
        let displacement = view.word(self.at + (hash as u32 & self.mask));
        let slot = self.at + self.mask + 1 + MAP_SLOT * displaced(hash, displacement, self.slots);
        let [own, tag, offset, len, value] = view.record(slot);
        // The half of the hash that the bucket does not use: a key from outside ends there.
        let fits = tag == (hash >> 32) as u32 && own == context && len as usize == key.len();
        (fits && view.text(offset, len) == key).then_some(value)
    }
}

/// The value of a text in a map without contexts.
pub fn find_text(view: View<'_>, map: u32, key: &[u8]) -> Option<u32> {
    Map::open(view, map).find(view, 0, key)
}

/// Words before an automaton's transitions: states, byte classes, start, then 64 words of byte classes.
pub const DFA_HEAD: u32 = 3 + 64;

/// Runs an automaton over the whole text; the class of patterns that match it, 0 for none.
///
/// Layout: states, byte classes, start, 256 byte classes packed into 64 words, `states * classes` transitions,
/// `states` accept classes. State 0 is dead.
pub fn run_dfa(view: View<'_>, dfa: u32, text: &[u8]) -> u32 {
    let (states, classes, mut state) = (view.word(dfa), view.word(dfa + 1), view.word(dfa + 2));
    for byte in text {
        let class = view.word(dfa + 3 + u32::from(*byte >> 2)) >> (8 * (*byte & 3)) & 0xff;
        state = view.word(dfa + DFA_HEAD + state * classes + class);
        if state == 0 {
            return 0;
        }
    }
    view.word(dfa + DFA_HEAD + states * classes + state)
}

/// Whether a text matches the pattern table at an index of the image's.
pub fn matches(view: View<'_>, pattern: u32, text: &[u8]) -> bool {
    let at = view.word(dir::PATTERNS).saturating_add(pattern);
    pattern < view.word(dir::PATTERN_COUNT) && run_dfa(view, view.word(at), text) != 0
}

/// `1 +` how many of the sorted thresholds are at most `value`. Layout: count, then low and high words.
pub fn find_threshold(view: View<'_>, table: u32, value: i64) -> u32 {
    let at = |i: u32| {
        let (low, high) = (view.word(table + 1 + 2 * i), view.word(table + 2 + 2 * i));
        (u64::from(low) | u64::from(high) << 32) as i64
    };
    1 + partition(view.word(table), |i| at(i) <= value)
}

/// The class of the last range that starts at or before `value`, 1 before the first. Layout: count, then four
/// words of the start (low first) and the class.
pub fn find_range(view: View<'_>, table: u32, value: u128) -> u32 {
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

/// Set on the count of IPv4 ranges whose classes are 2 and 1 in turn and not written.
pub const IN_TURN: u32 = 1 << 31;

/// The same for IPv4. Layout: count (with [`IN_TURN`]), starts, classes.
pub fn find_range4(view: View<'_>, table: u32, value: u32) -> u32 {
    let count = view.word(table);
    let n = count & !IN_TURN;
    match partition(n, |i| view.word(table + 1 + i) <= value) {
        0 => 1,
        at if count & IN_TURN != 0 => 1 + (at & 1),
        at => view.word(table + n + at),
    }
}

/// First index below `n` for which the predicate fails (it holds up to there and not after).
#[inline]
pub fn partition(n: u32, holds: impl Fn(u32) -> bool) -> u32 {
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
