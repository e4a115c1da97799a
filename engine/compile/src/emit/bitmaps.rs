//! Filters -> words of an image, as `layout::filter` says.

use super::Writer;
use crate::bitmap::Filter;
use crate::entries::{Entries, Entry};
use portcullis::image::layout::filter;

impl Writer {
    /// Writes all filters; gives of each entry the offset of the offsets of its own, or 0 where it has none.
    pub(super) fn filters(&mut self, plan: &Entries) -> Vec<u32> {
        let filters: Vec<u32> = plan.filters.iter().map(|f| self.push(&words_of(f))).collect();
        plan.entries
            .iter()
            .map(|of| self.filters_of(of, &filters))
            .collect()
    }

    fn filters_of(&mut self, of: &Entry, filters: &[u32]) -> u32 {
        if of.filters.iter().all(Option::is_none) {
            return 0;
        }
        let offset = |list: &Option<u32>| list.and_then(|i| filters.get(i as usize)).copied().unwrap_or(0);
        let offsets = of.filters.iter().map(offset).collect();
        self.shared(offsets)
    }
}

/// A filter's words.
fn words_of(of: &Filter) -> Vec<u32> {
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
