//! A list of an entry, with or without a filter -> the items that can say something, in order. A filter is read in
//! blocks: the bitmaps of the request's classes are and-ed variable by variable, until nothing is left or all are
//! read. Steps are bounded by the filter's size; nothing is allocated.

use super::walk::Walk;
use crate::image::ids::{ClassId, VarId};
use crate::image::layout::filter::{self, BLOCK_WORDS};
use crate::image::tables::partition;

/// The items of an array that can say something.
pub(super) struct Candidates {
    items: u32,
    size: u32,
    count: u32,
    /// Offset of the filter, 0 for none: then all items can.
    filter: u32,
    /// Index of the next item.
    next: u32,
    /// What is left of the bits of the word before `word`.
    bits: u32,
    /// Index of the next word.
    word: u32,
    block: [u32; BLOCK_WORDS as usize],
}

impl Candidates {
    /// Of `count` items of `size` words at `items`.
    #[inline]
    pub(super) fn new(items: u32, size: u32, count: u32, filter: u32) -> Candidates {
        Candidates {
            items,
            size,
            count,
            filter,
            next: 0,
            bits: 0,
            word: 0,
            block: [0; BLOCK_WORDS as usize],
        }
    }

    /// Offset of the next one.
    #[inline]
    pub(super) fn next(&mut self, walk: &mut Walk<'_>) -> Option<u32> {
        let index = if self.filter == 0 {
            self.next
        } else {
            self.filtered(walk)?
        };
        if index >= self.count {
            return None;
        }
        self.next = index + 1;
        Some(self.items + index * self.size)
    }

    fn filtered(&mut self, walk: &mut Walk<'_>) -> Option<u32> {
        while self.bits == 0 {
            if self.word >= self.count.div_ceil(u32::BITS) {
                return None;
            }
            let place = self.word % BLOCK_WORDS;
            if place == 0 {
                self.load(walk);
            }
            self.bits = self.block.get(place as usize).copied().unwrap_or(0);
            self.word += 1;
        }
        let bit = self.bits.trailing_zeros();
        self.bits &= self.bits - 1;
        Some((self.word - 1) * u32::BITS + bit)
    }

    /// The block from `word` on.
    fn load(&mut self, walk: &mut Walk<'_>) {
        let len = (self.count.div_ceil(u32::BITS) - self.word).min(BLOCK_WORDS);
        self.block = [u32::MAX; BLOCK_WORDS as usize];
        let block = self.block.get_mut(..len as usize).unwrap_or_default();
        for column in 0..walk.word(self.filter + filter::COLUMNS) {
            let at = self.filter + filter::LEN + column * filter::COLUMN;
            let ClassId(class) = walk.class(VarId(walk.word(at)));
            let view = walk.sight.view;
            let default = view.run(self.filter + view.word(at + 1) + self.word, len);
            let (classes, count) = (self.filter + view.word(at + 2), view.word(at + 3));
            let of = |i: u32| classes + i * filter::CLASS;
            let found = partition(count, |i| view.word(of(i)) < class);
            let mut left = 0;
            let mut done = 0;
            if found < count && view.word(of(found)) == class {
                let (patches, count) = (self.filter + view.word(of(found) + 1), view.word(of(found) + 2));
                let patch = |i: u32| patches + i * filter::PATCH;
                let first = match self.word {
                    0 => 0,
                    word => partition(count, |i| view.word(patch(i)) < word),
                };
                for i in first..count {
                    let index = view.word(patch(i)).wrapping_sub(self.word);
                    if index >= len {
                        break;
                    }
                    left |= and(block, default, done, index);
                    if let Some(word) = block.get_mut(index as usize) {
                        *word &= view.word(patch(i) + 1);
                        left |= *word;
                    }
                    done = index + 1;
                }
            }
            left |= and(block, default, done, len);
            if left == 0 {
                return;
            }
        }
    }
}

/// Ands the words from `from` to `to`; gives all that is left of them, or-ed.
#[inline]
fn and(block: &mut [u32], with: &[u32], from: u32, to: u32) -> u32 {
    let range = from as usize..to as usize;
    let (Some(block), Some(with)) = (block.get_mut(range.clone()), with.get(range)) else {
        return 0;
    };
    let mut left = 0;
    for (word, with) in block.iter_mut().zip(with) {
        *word &= with;
        left |= *word;
    }
    left
}
