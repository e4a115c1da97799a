//! Items -> numbers in order of first use, equal items one number. Knows nothing of what the items are.

use std::collections::HashMap;
use std::hash::Hash;

/// The index of an item in a list that holds each item once; a new one is appended.
pub(super) fn number<T: Clone + Eq + Hash>(all: &mut Vec<T>, known: &mut HashMap<T, u32>, item: T) -> u32 {
    *known.entry(item).or_insert_with_key(|item| {
        all.push(item.clone());
        all.len() as u32 - 1
    })
}
