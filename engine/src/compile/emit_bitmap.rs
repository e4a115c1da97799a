//! Filters -> words of an image, as `layout::filter` says.

use super::bitmap::Filter;
use super::emit::Writer;
use super::entries::Entry;
use crate::image::layout::filter;

impl Writer {
    /// Offset of an entry's offsets of filters, or 0 where it has none.
    pub(super) fn filters_of(&mut self, of: &Entry) -> u32 {
        if of.filters.iter().all(Option::is_none) {
            return 0;
        }
        let offset = |list: &Option<u32>| {
            list.and_then(|i| self.filters.get(i as usize))
                .map_or(0, |at| *at)
        };
        let offsets = of.filters.iter().map(offset).collect();
        self.shared(offsets)
    }
}

/// A filter's words.
pub(super) fn words_of(of: &Filter) -> Vec<u32> {
    let count = of.columns.len() as u32;
    let mut words = vec![of.rows, count];
    let mut at = filter::LEN + count * filter::COLUMN;
    for column in &of.columns {
        let classes = at + column.default.len() as u32;
        let patches: usize = column.classes.iter().map(|class| class.1.len()).sum();
        let named = column.classes.len() as u32;
        words.extend([column.var, at, classes, named]);
        at = classes + named * filter::CLASS + patches as u32 * filter::PATCH;
    }
    for column in &of.columns {
        words.extend(&column.default);
        let mut at = words.len() as u32 + column.classes.len() as u32 * filter::CLASS;
        for (class, patches) in &column.classes {
            words.extend([*class, at, patches.len() as u32]);
            at += patches.len() as u32 * filter::PATCH;
        }
        words.extend(
            column
                .classes
                .iter()
                .flat_map(|class| &class.1)
                .flat_map(|(word, bits)| [*word, *bits]),
        );
    }
    words
}
