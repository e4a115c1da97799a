//! Sorting in place, for everything that decides or loads. Std's unstable sort is some six kilobytes for each type it
//! sorts, a fifth of the whole WASM module; there a plain sort of a few hundred bytes does. The same order either way,
//! as long as what compares equal is equal.

use std::cmp::Ordering;

/// Smallest first.
#[inline]
pub(crate) fn sort<T: Ord>(list: &mut [T]) {
    sort_by(list, T::cmp);
}

/// Smallest key first.
#[inline]
pub(crate) fn sort_by_key<T, K: Ord>(list: &mut [T], key: impl Fn(&T) -> K) {
    sort_by(list, |a, b| key(a).cmp(&key(b)));
}

/// Smallest first by a comparison.
#[cfg(not(target_family = "wasm"))]
#[inline]
pub(crate) fn sort_by<T>(list: &mut [T], compare: impl FnMut(&T, &T) -> Ordering) {
    list.sort_unstable_by(compare);
}

/// Smallest first by a comparison.
#[cfg(target_family = "wasm")]
pub(crate) fn sort_by<T>(list: &mut [T], compare: impl FnMut(&T, &T) -> Ordering) {
    small_sort(list, compare);
}

/// Longest list that is sorted by insertion.
#[cfg(any(target_family = "wasm", test))]
const INSERTION_MAX: usize = 16;

/// By insertion where the list is short, else by a heap: never more than n log n comparisons.
#[cfg(any(target_family = "wasm", test))]
fn small_sort<T>(list: &mut [T], mut compare: impl FnMut(&T, &T) -> Ordering) {
    if list.len() <= INSERTION_MAX {
        for end in 1..list.len() {
            let mut at = end;
            while at > 0 && compare(&list[at], &list[at - 1]).is_lt() {
                list.swap(at, at - 1);
                at -= 1;
            }
        }
        return;
    }
    // A heap with the largest on top, grown from its last parent ...
    let mut unsorted = list.len();
    let mut parent = unsorted / 2;
    while unsorted > 1 {
        match parent {
            0 => {
                // ... whose top goes behind what is left of it.
                unsorted -= 1;
                list.swap(0, unsorted);
            }
            _ => parent -= 1,
        }
        let heap = &mut list[..unsorted];
        let mut node = parent;
        while let Some(child) = larger_child(heap, node, &mut compare) {
            if compare(&heap[node], &heap[child]).is_ge() {
                break;
            }
            heap.swap(node, child);
            node = child;
        }
    }
}

#[cfg(any(target_family = "wasm", test))]
fn larger_child<T>(heap: &[T], node: usize, compare: &mut impl FnMut(&T, &T) -> Ordering) -> Option<usize> {
    let (left, right) = (2 * node + 1, 2 * node + 2);
    match (heap.get(left)?, heap.get(right)) {
        (a, Some(b)) if compare(a, b).is_lt() => Some(right),
        _ => Some(left),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_small_sort_sorts() {
        let mut state = 1u32;
        for len in (0..70).chain([500, 501]) {
            for spread in [2, 10, u32::MAX] {
                let mut list: Vec<u32> = (0..len)
                    .map(|_| {
                        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                        (state >> 8) % spread
                    })
                    .collect();
                let mut expected = list.clone();
                expected.sort_unstable();
                small_sort(&mut list, u32::cmp);
                assert_eq!(list, expected);
            }
        }
    }
}
