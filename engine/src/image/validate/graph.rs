//! Nodes, variables and entries.

use super::{Check, Checked, Found, Starts, bad};
use crate::image::entry::{Entry, Node};
use crate::image::layout::{self, dir, entry, fallback, node, var};
use crate::image::tables::IN_TURN;
use crate::image::{ENTRY_STEPS_MAX, LoadError};
use portcullis_base::CredentialKind;

impl Check<'_> {
    /// Reads all nodes in order, then from the last one their children: each is a leaf or starts a node further on, so
    /// the steps below a node are known when it is met.
    pub(super) fn nodes(&mut self) -> Checked {
        let (from, end) = self.region("nodes", dir::NODES, dir::NODES_END)?;
        self.nodes = Starts::of(from, end);
        let vars = self.word(dir::VAR_COUNT);
        let mut starts = Vec::new();
        let mut at = from;
        while at < end {
            let of = Node::read(at, |at| self.word(at));
            if of.end > end || of.end <= at {
                return bad("node", at);
            }
            self.index("node", at, of.var, vars)?;
            starts.push(at);
            at = of.end;
        }
        for at in starts.into_iter().rev() {
            let of = Node::read(at, |at| self.word(at));
            let arms = of.arms(|at| self.word(at)).map(|arm| arm.1);
            let mut below = 0;
            // What starts before this node has no steps yet, so an edge back is no root either.
            for child in of.default().into_iter().chain(arms).map(|at| self.word(at)) {
                below = below.max(self.root(at, child)?);
            }
            self.nodes.mark(at, below.saturating_add(1));
            debug_assert!(of.form <= node::DENSE);
        }
        Ok(())
    }

    pub(super) fn vars(&mut self) -> Checked {
        let (sets, set_count) = (self.word(dir::SETS), self.word(dir::SET_COUNT));
        self.records("sets", sets, set_count, layout::SET)?;
        // A bit is a word of scratch: no more of them than the image has words.
        let bits = self.word(dir::BITS);
        self.index("bits", dir::BITS, bits, self.words.len() as u32)?;
        let elements = self.word(dir::ELEMENTS);
        self.records("elements", elements, bits, layout::ELEMENT)?;
        for at in (0..bits).map(|bit| elements + bit * layout::ELEMENT) {
            self.text("element", at, self.word(at), self.word(at + 1))?;
        }
        for at in (0..set_count).map(|i| sets + i * layout::SET) {
            self.index("set", at, self.word(at), self.config.sources.len() as u32)?;
            let map = self.word(at + 1);
            self.once("elements", map, &|check| {
                check.map("elements", map, 1, bits).map(|()| 0)
            })?;
        }
        let (vars, count) = (self.word(dir::VARS), self.word(dir::VAR_COUNT));
        self.records("variables", vars, count, layout::VAR)?;
        (0..count).try_for_each(|v| self.var(vars + v * layout::VAR))
    }

    fn var(&mut self, at: u32) -> Checked {
        let (head, b) = (self.word(at), self.word(at + 1));
        let (kind, a) = (head >> var::KIND_SHIFT, head & var::A_MAX);
        let slots = self.config.sources.len() as u32;
        match kind {
            var::ELEMENT => {
                self.index("element", at, a, self.word(dir::SET_COUNT))?;
                return self.index("element", at, b, self.word(dir::BITS));
            }
            var::ANCHOR | var::PRESENTED | var::VALID => {
                return self.index("credential kind", at, a, CredentialKind::ALL.len() as u32);
            }
            var::SUB => return self.root(at, b).map(drop),
            _ => self.index("variable", at, a, slots)?,
        }
        match kind {
            var::TEXT => self
                .once("text class", b, &|check| {
                    check.map("text class", b, 1, u32::MAX).map(|()| 0)
                })
                .map(drop),
            var::NUMBER => {
                self.range("thresholds", b, 1)?;
                self.records("thresholds", b + 1, self.word(b), 2)
            }
            // A class is one more than the automaton's.
            var::PATTERN if self.dfa(b)? == u32::MAX => bad("automaton", at),
            var::PATTERN => Ok(()),
            var::SOME_PATTERN => self.dfa(b).map(drop),
            var::ADDRESS => {
                self.range("ranges", b, 1)?;
                self.records("ranges", b + 1, self.word(b), 5)
            }
            var::ADDRESS4 => {
                self.range("ranges", b, 1)?;
                let width = if self.word(b) & IN_TURN != 0 { 1 } else { 2 };
                self.records("ranges", b + 1, self.word(b) & !IN_TURN, width)
            }
            var::KNOWN | var::BOOL | var::EXISTS => Ok(()),
            var::COMPARE => self.index("variable", at, b >> 4, slots),
            var::CONTAINS => self.index("variable", at, b, slots),
            var::LIST => self.index("list", at, b, self.config.lists.len() as u32),
            var::HOURS => self.index("hours", at, b, self.config.hours.len() as u32),
            var::SAMPLE => {
                self.range("sample", b, 5)?;
                // Each is hashed by each decision that asks.
                self.look("sample", b, self.word(b + 1).div_ceil(4))?;
                self.text("sample", b, self.word(b), self.word(b + 1))
            }
            var::AGE => {
                self.range("age", b, 3)?;
                self.index("variable", at, self.word(b), slots)
            }
            _ => bad("variable kind", at),
        }
    }

    /// Heads of denies and pattern tables.
    pub(super) fn answers(&mut self) -> Checked {
        let (heads, head_count) = (self.word(dir::HEADS), self.word(dir::HEAD_COUNT));
        self.records("heads", heads, head_count, layout::HEAD)?;
        for at in (0..head_count).map(|head| heads + head * layout::HEAD) {
            self.index("head", at, self.word(at), self.config.rules.len() as u32)?;
        }
        let (patterns, count) = (self.word(dir::PATTERNS), self.word(dir::PATTERN_COUNT));
        self.records("patterns", patterns, count, 1)?;
        (0..count).try_for_each(|i| self.dfa(self.word(patterns + i)).map(drop))
    }

    pub(super) fn entries(&mut self) -> Checked {
        let fresh = self.fresh()?;
        let (from, end) = self.region("entries", dir::ENTRIES, dir::ENTRIES_END)?;
        self.entries = Starts::of(from, end);
        let mut filters = super::bitmaps::Filters::default();
        let (rules, texts) = (self.config.rules.len() as u32, self.config.texts.len() as u32);
        let mut at = from;
        while at < end {
            let of = Entry::read(at, |at| self.word(at));
            if of.end > end || of.end <= at {
                return bad("entry", at);
            }
            let items = std::array::from_fn(|list| of.array(entry::DENY + list).1);
            filters.entry(self.words, of.filters, items, self.word(dir::VAR_COUNT))?;
            if of.fallback == fallback::METHOD {
                self.index("entry", at, of.allow, texts)?;
            }
            let mut steps = 0u64;
            for (array, size) in entry::ITEM.iter().enumerate() {
                let (first, count) = of.array(array);
                // The arrays end with the entry, which fits.
                for item in (0..count).map(|i| first + i * size) {
                    let word = self.word(item);
                    // Ascending: nothing is asked twice, or asking would take longer than reading it did.
                    let ascends = item == first || word > self.word(item - 1);
                    match array {
                        entry::SUBS if self.is_sub(word) && ascends => {
                            let graph = self.word(dir::VARS) + word * layout::VAR + 1;
                            steps += u64::from(self.root(item, self.word(graph))?);
                        }
                        entry::SUBS => return bad("sub-condition", item),
                        // Leaves are bounded where they are read: nodes are shared by graphs with different
                        // leaves, and an unknown head or rule is refused as internal.
                        entry::DENY | entry::GRANT | entry::AGE | entry::SCOPE => {
                            steps += u64::from(self.root(item, word)?);
                        }
                        entry::FRESH => match fresh.steps(word).filter(|_| ascends) {
                            Some(own) => steps += u64::from(own),
                            None => return bad("freshness", item),
                        },
                        _ => {
                            self.index("entry", item, word, rules)?;
                            for i in 1..*size {
                                steps += u64::from(self.root(item, self.word(item + i))?);
                            }
                        }
                    }
                }
            }
            if steps > ENTRY_STEPS_MAX {
                return Err(Box::new(LoadError::Steps { at, steps }));
            }
            self.entries.mark(at, 0);
            at = of.end;
        }
        Ok(())
    }

    /// Whether a variable is a sub-condition, whose second word was checked to be a graph.
    pub(super) fn is_sub(&self, id: u32) -> bool {
        id < self.word(dir::VAR_COUNT)
            && self.word(self.word(dir::VARS) + id * layout::VAR) >> var::KIND_SHIFT == var::SUB
    }

    /// Records of allows that ask for an acr or an age.
    fn fresh(&self) -> Found<Starts> {
        let (from, end) = self.region("freshness", dir::FRESH, dir::ENTRIES)?;
        let mut records = Starts::of(from, end);
        let mut at = from;
        while at < end {
            let next = at.checked_add(4).and_then(|n| n.checked_add(self.word(at + 3)));
            let next = next.filter(|next| *next <= end);
            let next = next.map_or_else(|| bad("freshness", at), Ok)?;
            self.index("freshness", at, self.word(at), self.config.rules.len() as u32)?;
            let mut steps = 0u32;
            for root in (at + 1..at + 3).chain(at + 4..next) {
                steps = steps.saturating_add(self.root(root, self.word(root))?);
            }
            records.mark(at, steps);
            at = next;
        }
        Ok(records)
    }
}
