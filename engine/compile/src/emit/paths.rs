//! The automaton of redaction paths -> words of an image, as `layout` says.

use super::Writer;
use crate::CompileError;
use crate::paths::Paths;
use portcullis::image::layout::{self, HAS_EDGES, dir};

impl Writer {
    pub(super) fn paths(&mut self, paths: &Paths) -> Result<(), CompileError> {
        let edges = paths.edges.iter();
        self.text_map(
            dir::PATH_EDGES,
            edges.map(|((row, name), next)| (*row, name.as_bytes(), *next)),
        )?;
        let roots = self.push(&paths.roots);
        self.directory(dir::PATH_ROOTS, roots);
        let mut states = Vec::new();
        for (row, accepts) in &paths.states {
            states.extend([*row, self.list(accepts.len(), accepts.iter().copied())]);
        }
        self.records(
            dir::PATH_STATES,
            dir::PATH_STATE_COUNT,
            &states,
            layout::PATH_STATE,
        );
        let mut rows = Vec::new();
        for (id, row) in (0..).zip(&paths.rows) {
            let own = paths.edges.range((id, String::new())..).next();
            let has_edges = own.is_some_and(|((row, _), _)| *row == id);
            let indexes = row.indexes.iter().flat_map(|(index, next)| [*index, *next]);
            rows.extend([
                row.member | if has_edges { HAS_EDGES } else { 0 },
                row.element,
                self.list(row.indexes.len(), indexes),
                self.list(row.live.len(), row.live.iter().copied()),
            ]);
        }
        self.records(dir::PATH_ROWS, dir::PATH_ROW_COUNT, &rows, layout::PATH_ROW);
        Ok(())
    }

    /// A count and words; offset 0 is the empty list.
    fn list(&mut self, count: usize, words: impl Iterator<Item = u32>) -> u32 {
        if count == 0 {
            return 0;
        }
        self.shared(std::iter::once(count as u32).chain(words).collect())
    }
}
