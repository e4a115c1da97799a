//! The automaton of redaction paths, and the paths that obligations name.

use super::{Check, Checked, bad};
use crate::image::config::Redaction;
use crate::image::layout::{self, HAS_EDGES, dir};

impl Check<'_> {
    pub(super) fn paths(&mut self) -> Checked {
        let w = |at: u32| self.word(at);
        let (rows, states) = (w(dir::PATH_ROW_COUNT), w(dir::PATH_STATE_COUNT));
        let (first_row, first_state) = (w(dir::PATH_ROWS), w(dir::PATH_STATES));
        self.map("path members", w(dir::PATH_EDGES), rows, states)?;
        self.records("path states", first_state, states, layout::PATH_STATE)?;
        self.records("path rows", first_row, rows, layout::PATH_ROW)?;
        self.index("path states", dir::PATH_STATE_COUNT, 0, states)?;
        self.index("path rows", dir::PATH_ROW_COUNT, 0, rows)?;
        // The dead state leads nowhere.
        let dead = first_state..first_state + layout::PATH_STATE;
        let dead_row = first_row..first_row + layout::PATH_ROW;
        if let Some(at) = dead.chain(dead_row).find(|at| self.word(*at) != 0) {
            return bad("dead path state", at);
        }
        let roots = self.word(dir::PATH_ROOTS);
        let services = self.word(dir::SERVICE_COUNT);
        self.range("path roots", roots, services)?;
        for at in (0..services).map(|service| roots + service) {
            self.index("path root", at, self.word(at), states)?;
        }
        for at in (0..states).map(|state| first_state + state * layout::PATH_STATE) {
            self.index("path state", at, self.word(at), rows)?;
            self.path_list(self.word(at + 1))?;
        }
        for at in (0..rows).map(|row| first_row + row * layout::PATH_ROW) {
            self.index("path row", at, self.word(at) & !HAS_EDGES, states)?;
            self.index("path row", at, self.word(at + 1), states)?;
            self.path_indexes(self.word(at + 2), states)?;
            self.path_list(self.word(at + 3))?;
        }
        self.named_paths()
    }

    /// A count and ascending ids.
    fn path_list(&mut self, at: u32) -> Checked {
        if at == 0 {
            return Ok(());
        }
        let paths = self.config.paths.len() as u32;
        self.once("path list", at, &|check| {
            check.range("path list", at, 1)?;
            let count = check.word(at);
            check.range("path list", at + 1, count)?;
            check.look("path list", at, count.saturating_add(1))?;
            check.ascending("path list", at + 1, count, 1, Some(paths))?;
            Ok(0)
        })?;
        Ok(())
    }

    /// A count, and ascending indexes each with its state.
    fn path_indexes(&mut self, at: u32, states: u32) -> Checked {
        if at == 0 {
            return Ok(());
        }
        self.once("path indexes", at, &|check| {
            check.range("path indexes", at, 1)?;
            let count = check.word(at);
            check.records("path indexes", at + 1, count, 2)?;
            check.look("path indexes", at, count.saturating_mul(2).saturating_add(1))?;
            check.ascending("path indexes", at + 1, count, 2, None)?;
            let mut next = (0..count).map(|i| at + 2 + 2 * i);
            next.try_for_each(|at| check.index("path indexes", at, check.word(at), states))?;
            Ok(0)
        })?;
        Ok(())
    }

    /// The first words of records ascend, and are below a count where they are indexes into something.
    fn ascending(
        &self,
        what: &'static str,
        first: u32,
        count: u32,
        size: u32,
        below: Option<u32>,
    ) -> Checked {
        let mut last = None;
        for at in (0..count).map(|i| first + i * size) {
            let word = self.word(at);
            if last.is_some_and(|last| last >= word) || below.is_some_and(|below| word >= below) {
                return bad(what, at);
            }
            last = Some(word);
        }
        Ok(())
    }

    /// Whoever redacts finds each path that a rule names by its text.
    fn named_paths(&self) -> Checked {
        let paths = &self.config.paths;
        if let Some(at) = paths.windows(2).position(|pair| pair.first() >= pair.last()) {
            return bad("redaction paths", at as u32);
        }
        let is_there = |path: &String| paths.binary_search(path).is_ok();
        for redaction in self.config.rules.bodies().iter().flat_map(|body| &body.redact) {
            let known = match redaction {
                Redaction::Only(only) => only.iter().all(is_there),
                Redaction::Op(path, _) => is_there(path),
            };
            if !known {
                return bad("redaction path", 0);
            }
        }
        Ok(())
    }
}
