//! Filters of an image: every offset, index and bound, checked once. All parts of a filter follow each other without a
//! gap and no two filters overlap, so this is linear in the image's length.

use std::collections::BTreeMap;

use super::Checked;
use crate::image::layout::filter;

/// Words that filters take, by their start: length, rows.
#[derive(Debug, Default)]
pub(super) struct Filters {
    known: BTreeMap<u32, (u32, u32)>,
}

fn bad(at: u32) -> Checked {
    super::bad("filter", at)
}

impl Filters {
    /// An entry's filters: `at` is the offset of their offsets or 0, `items` the lengths of its lists.
    pub(super) fn entry(
        &mut self,
        words: &[u32],
        at: u32,
        items: [u32; filter::LISTS as usize],
        vars: u32,
    ) -> Checked {
        if at == 0 {
            return Ok(());
        }
        for (list, items) in (0..).zip(items) {
            let Some(word) = at.checked_add(list) else {
                return bad(at);
            };
            match words.get(word as usize) {
                None => return bad(at),
                Some(0) => {}
                Some(start) => self.filter(words, *start, items, vars)?,
            }
        }
        Ok(())
    }

    fn filter(&mut self, words: &[u32], start: u32, items: u32, vars: u32) -> Checked {
        if let Some((_, rows)) = self.known.get(&start) {
            return if *rows == items { Ok(()) } else { bad(start) };
        }
        // What is checked ends where the next filter starts, so no word is checked twice.
        let next = self
            .known
            .range(start..)
            .next()
            .map_or(words.len(), |n| *n.0 as usize);
        let before = self.known.range(..start).next_back();
        if before.is_some_and(|(other, (len, _))| start - other < *len) {
            return bad(start);
        }
        let Some(own) = words.get(start as usize..next) else {
            return bad(start);
        };
        match length(own, items, vars) {
            Some(len) => {
                self.known.insert(start, (len, items));
                Ok(())
            }
            None => bad(start),
        }
    }
}

/// The length of a filter that is in order.
fn length(own: &[u32], items: u32, vars: u32) -> Option<u32> {
    let word = |at: u32| own.get(at as usize).copied();
    let (rows, columns) = (word(filter::ROWS)?, word(filter::COLUMNS)?);
    if rows != items {
        return None;
    }
    let bitmap = rows.div_ceil(u32::BITS);
    let mut at = columns.checked_mul(filter::COLUMN)?.checked_add(filter::LEN)?;
    word(at.checked_sub(1)?)?;
    for column in (0..columns).map(|i| filter::LEN + i * filter::COLUMN) {
        let classes = at.checked_add(bitmap)?;
        if word(column)? >= vars || word(column + 1)? != at || word(column + 2)? != classes {
            return None;
        }
        let count = word(column + 3)?;
        let mut end = count.checked_mul(filter::CLASS)?.checked_add(classes)?;
        word(end.checked_sub(1)?)?;
        let mut last = None;
        for class in (0..count).map(|i| classes + i * filter::CLASS) {
            let (own_class, patches) = (word(class)?, word(class + 2)?);
            if last.is_some_and(|last| last >= own_class) || word(class + 1)? != end {
                return None;
            }
            last = Some(own_class);
            let next = patches.checked_mul(filter::PATCH)?.checked_add(end)?;
            word(next.checked_sub(1)?)?;
            let mut index = None;
            for patch in (0..patches).map(|i| end + i * filter::PATCH) {
                let own_index = word(patch)?;
                if own_index >= bitmap || index.is_some_and(|last| last >= own_index) {
                    return None;
                }
                index = Some(own_index);
            }
            end = next;
        }
        at = end;
    }
    Some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two rows of one variable, of which class 2 keeps the first: a whole filter.
    const WHOLE: [u32; 12] = [2, 1, 0, 6, 7, 1, 0, 2, 10, 1, 0, 1];

    #[test]
    fn a_whole_filter_passes_and_no_other_does() {
        assert_eq!(length(&WHOLE, 2, 1), Some(12));
        for at in 0..WHOLE.len() {
            // The default bitmap, a class and a patch's bits may be anything.
            if ![6, 7, 11].contains(&at) {
                let mut broken = WHOLE;
                broken[at] += 1;
                assert_eq!(length(&broken, 2, 1), None, "word {at}");
            }
            assert_eq!(length(&WHOLE[..at], 2, 1), None, "cut at {at}");
        }
    }

    #[test]
    fn filters_do_not_overlap() {
        // Offsets of the filters from word 1 on, one filter at word 8.
        let mut words = vec![0; 8];
        words.extend(WHOLE);
        let mut filters = Filters::default();
        let mut try_at = |start, items| {
            words[1] = start;
            filters.entry(&words, 1, [items, 0, 0, 0, 0, 0, 0], 1).is_ok()
        };
        assert!(try_at(8, 2) && try_at(8, 2));
        assert!(!try_at(10, 2) && !try_at(8, 3) && !try_at(99, 2));
        assert!(Filters::default().entry(&words, 0, [9; 7], 1).is_ok());
    }
}
