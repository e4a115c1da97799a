//! Hosts, bases, states, shapes and accepts.

use super::{Check, Checked, Starts, bad};
use crate::image::entry::shape_words;
use crate::image::layout::{self, HAS_EDGES, KINDS, dir};

impl Check<'_> {
    pub(super) fn routes(&mut self) -> Checked {
        self.accepts()?;
        let w = |at: u32| self.word(at);
        let (groups, bases, states) = (w(dir::GROUP_COUNT), w(dir::BASE_COUNT), w(dir::STATE_COUNT));
        let services = w(dir::SERVICE_COUNT);
        self.map("methods", w(dir::METHOD_MAP), 1, w(dir::METHODS))?;
        self.map("hosts", w(dir::HOST_MAP), 4, groups)?;
        self.map("bases", w(dir::BASE_EDGES), bases, bases)?;
        self.map("routes", w(dir::ROUTE_EDGES), states, states)?;
        self.records("groups", w(dir::GROUPS), groups, layout::GROUP)?;
        for at in (0..groups).map(|group| w(dir::GROUPS) + group * layout::GROUP) {
            self.index("group", at, w(at + 1), bases)?;
        }
        self.records("bases", w(dir::BASES), bases, 1)?;
        for at in (0..bases).map(|base| w(dir::BASES) + base) {
            let max = services.saturating_add(1);
            self.index("base", at, w(at) & !HAS_EDGES, max)?;
        }
        if services as usize != self.config.services.len() {
            return bad("services", dir::SERVICE_COUNT);
        }
        self.records("services", w(dir::SERVICES), services, layout::SERVICE)?;
        for at in (0..services).map(|service| w(dir::SERVICES) + service * layout::SERVICE) {
            self.index("service", at, w(at), states)?;
            self.accept(at, w(at + 1))?;
        }
        self.states()
    }

    fn states(&mut self) -> Checked {
        let (states, count) = (self.word(dir::STATES), self.word(dir::STATE_COUNT));
        self.records("states", states, count, layout::STATE)?;
        self.index("states", dir::STATE_COUNT, 0, count)?;
        for at in (0..count).map(|state| states + state * layout::STATE) {
            self.index("state", at, self.word(at) & !HAS_EDGES, count)?;
            self.accept(at, self.word(at + 2))?;
            self.accept(at, self.word(at + 3))?;
            let classes = self.word(at + 1);
            if classes == 0 {
                continue;
            }
            self.range("state classes", classes, 2)?;
            let accepts = self.dfa(self.word(classes))?;
            self.once("state classes", classes, &|check| {
                let next = check.word(classes + 1);
                check.range("state classes", classes + 2, next)?;
                check.look("state classes", classes, next)?;
                let mut all = (0..next).map(|i| classes + 2 + i);
                all.try_for_each(|at| check.index("state class", at, check.word(at), count))?;
                if next < accepts { bad("state", at) } else { Ok(0) }
            })?;
        }
        Ok(())
    }

    /// Shapes say which of an accept's entries a method and a kind of exchange take; then the accepts themselves.
    fn accepts(&mut self) -> Checked {
        let len = shape_words(self.word(dir::METHODS));
        let (from, end) = self.region("shapes", dir::SHAPES, dir::ACCEPTS)?;
        let mut shapes = Starts::of(from, end);
        let mut at = from;
        while at < end {
            let next = len.checked_add(1).and_then(|n| n.checked_add(at));
            let next = next.filter(|next| *next <= end);
            let next = next.map_or_else(|| bad("shape", at), Ok)?;
            let cells = (self.word(dir::METHODS) + 1) * KINDS;
            for cell in 0..cells {
                let local = self.word(at + 1 + cell / 2) >> (16 * (cell & 1)) & 0xffff;
                self.index("shape", at, local, self.word(at))?;
            }
            shapes.mark(at, 0);
            at = next;
        }
        let (from, end) = self.region("accepts", dir::ACCEPTS, dir::ACCEPTS_END)?;
        self.accepts = Starts::of(from, end);
        let mut at = from;
        while at < end {
            let shape = self.word(at);
            if !shapes.has(shape) {
                return bad("accept", at);
            }
            let next = self.word(shape).checked_add(1).and_then(|n| n.checked_add(at));
            let next = next.filter(|next| *next <= end);
            let next = next.map_or_else(|| bad("accept", at), Ok)?;
            if let Some(entry) = (at + 1..next).find(|e| !self.entries.has(self.word(*e))) {
                return bad("accept", entry);
            }
            self.accepts.mark(at, 0);
            at = next;
        }
        Ok(())
    }

    fn accept(&self, at: u32, accept: u32) -> Checked {
        if self.accepts.has(accept) {
            Ok(())
        } else {
            bad("accept", at)
        }
    }
}
