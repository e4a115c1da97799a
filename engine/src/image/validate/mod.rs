//! Every offset, index and bound of an image, checked once, in time linear in its length. After this a decision
//! reads without failing: texts lie in the pool, edges of graphs point forward, automata stay in their tables.
//!
//! Records of one kind stand in one region, are read once from its start to its end, and whoever refers to one must
//! refer to where one starts. So no record is checked once for each of its users.

pub(super) mod bitmaps;
mod config;
mod graph;
mod paths;
mod routes;

use std::cell::Cell;
use std::collections::HashMap;

use super::LoadError;
use super::config::Config;
use super::layout::{LEAF, dir};
use super::symbols::Symbols;
use super::tables::{DFA_HEAD, EMPTY, MAP_HEAD, MAP_SLOT};

/// The error is boxed: it is handed up by some hundred calls and met by none, and one word of it costs a test.
type Found<T> = Result<T, Box<LoadError>>;
type Checked = Found<()>;

struct Check<'a> {
    config: &'a Config,
    words: &'a [u32],
    bytes: &'a [u8],
    /// With the steps of the longest way from each.
    nodes: Starts,
    entries: Starts,
    accepts: Starts,
    /// Tables that passed, by kind: several variables and states share one.
    tables: HashMap<(&'static str, u32), u32>,
    /// Words of tables that were looked at.
    spent: Cell<usize>,
}

/// Tables of an image of ours do not overlap, though equal words of two kinds may stand in one place. So checking them
/// takes less than this many looks at a word, and an image that asks for more is built to keep us busy.
const LOOKS_PER_WORD: usize = 4;

/// Where records of a region start, and what walking one costs at most: 1 and its steps a start, 0 a word that is none.
#[derive(Default)]
struct Starts {
    from: u32,
    costs: Vec<u32>,
}

impl Starts {
    fn of(from: u32, end: u32) -> Starts {
        Starts {
            from,
            costs: vec![0; end.saturating_sub(from) as usize],
        }
    }

    fn mark(&mut self, at: u32, steps: u32) {
        let index = at.checked_sub(self.from).map(|i| i as usize);
        if let Some(cost) = index.and_then(|i| self.costs.get_mut(i)) {
            *cost = steps.saturating_add(1);
        }
    }

    /// Steps from a start; `None` where none is.
    fn steps(&self, at: u32) -> Option<u32> {
        let index = at.checked_sub(self.from)? as usize;
        self.costs.get(index)?.checked_sub(1)
    }

    fn has(&self, at: u32) -> bool {
        self.steps(at).is_some()
    }
}

/// Checks an image's parts against each other; reads the symbols, where there are any.
pub(super) fn validate(
    config: &Config,
    words: &[u32],
    bytes: &[u8],
    symbols: Option<&[u8]>,
) -> Result<Option<Symbols>, LoadError> {
    checked(config, words, bytes, symbols).map_err(|error| *error)
}

fn checked(config: &Config, words: &[u32], bytes: &[u8], symbols: Option<&[u8]>) -> Found<Option<Symbols>> {
    let mut check = Check {
        config,
        words,
        bytes,
        nodes: Starts::default(),
        entries: Starts::default(),
        accepts: Starts::default(),
        tables: HashMap::new(),
        spent: Cell::new(0),
    };
    check.range("directory", 0, dir::LEN)?;
    check.config()?;
    check.nodes()?;
    check.vars()?;
    check.answers()?;
    check.entries()?;
    check.routes()?;
    check.paths()?;
    let symbols = symbols.map(|section| {
        let root = |root: u32| check.root(0, root).is_ok();
        let sub = |id: u32| check.is_sub(id);
        let entry = |at: u32| check.entries.has(at);
        let bounds = (config.rules.len() as u32, config.sources.len() as u32);
        Symbols::read(section, bounds, &root, &sub, &entry)
    });
    symbols.transpose().map_err(Box::new)
}

#[cold]
fn bad<T>(what: &'static str, at: u32) -> Found<T> {
    Err(Box::new(LoadError::Bounds { what, at }))
}

impl Check<'_> {
    fn word(&self, at: u32) -> u32 {
        self.words.get(at as usize).copied().unwrap_or(0)
    }

    fn range(&self, what: &'static str, at: u32, len: u32) -> Checked {
        match at.checked_add(len) {
            Some(end) if end as usize <= self.words.len() => Ok(()),
            _ => bad(what, at),
        }
    }

    /// `count` records of `size` words.
    fn records(&self, what: &'static str, at: u32, count: u32, size: u32) -> Checked {
        self.range(
            what,
            at,
            count.checked_mul(size).map_or_else(|| bad(what, at), Ok)?,
        )
    }

    /// The bounds of a region, given by two words of the directory.
    fn region(&self, what: &'static str, from: u32, end: u32) -> Found<(u32, u32)> {
        let (from, end) = (self.word(from), self.word(end));
        if from <= end && end as usize <= self.words.len() {
            Ok((from, end))
        } else {
            bad(what, from)
        }
    }

    fn index(&self, what: &'static str, at: u32, index: u32, count: u32) -> Checked {
        if index < count { Ok(()) } else { bad(what, at) }
    }

    fn text(&self, what: &'static str, at: u32, offset: u32, len: u32) -> Checked {
        match offset.checked_add(len) {
            Some(end) if end as usize <= self.bytes.len() => Ok(()),
            _ => bad(what, at),
        }
    }

    /// A node or a leaf; gives the steps of the longest way from there.
    fn root(&self, at: u32, root: u32) -> Found<u32> {
        match root & LEAF {
            0 => self.nodes.steps(root).map_or_else(|| bad("graph root", at), Ok),
            _ => Ok(0),
        }
    }

    /// A text map: a power of two of displacements, texts in the pool, each context and value below its bound.
    fn map(&self, what: &'static str, at: u32, contexts: u32, values: u32) -> Checked {
        self.range(what, at, MAP_HEAD)?;
        let (mask, slots) = (self.word(at + 1), self.word(at + 2));
        let buckets = mask.checked_add(1).filter(|n| n.is_power_of_two());
        let buckets = buckets.map_or_else(|| bad(what, at), Ok)?;
        self.range(what, at + MAP_HEAD, buckets)?;
        let first = at + MAP_HEAD + buckets;
        self.records(what, first, slots, MAP_SLOT)?;
        self.look(what, at, slots * MAP_SLOT)?;
        for s in (0..slots).map(|slot| first + slot * MAP_SLOT) {
            if self.word(s + 3) == EMPTY {
                continue;
            }
            self.text(what, s, self.word(s + 2), self.word(s + 3))?;
            self.index(what, s, self.word(s), contexts)?;
            self.index(what, s, self.word(s + 4), values)?;
        }
        Ok(())
    }

    /// Checks a table that may be shared only the first time.
    fn once(&mut self, what: &'static str, at: u32, check: &dyn Fn(&Self) -> Found<u32>) -> Found<u32> {
        if let Some(known) = self.tables.get(&(what, at)) {
            return Ok(*known);
        }
        let answer = check(self)?;
        self.tables.insert((what, at), answer);
        Ok(answer)
    }

    /// Before a table is looked through whose words are known to be there.
    fn look(&self, what: &'static str, at: u32, words: u32) -> Checked {
        let spent = self.spent.get().saturating_add(words as usize);
        self.spent.set(spent);
        if spent > self.words.len().saturating_mul(LOOKS_PER_WORD) {
            return bad(what, at);
        }
        Ok(())
    }

    /// An automaton; gives the number of its accept classes.
    fn dfa(&mut self, at: u32) -> Found<u32> {
        self.once("automaton", at, &|check| check.dfa_at(at))
    }

    fn dfa_at(&self, at: u32) -> Found<u32> {
        self.range("automaton", at, DFA_HEAD)?;
        let (states, classes, start) = (self.word(at), self.word(at + 1), self.word(at + 2));
        let cells = states
            .checked_mul(classes)
            .map_or_else(|| bad("automaton", at), Ok)?;
        let len = cells
            .checked_add(states)
            .map_or_else(|| bad("automaton", at), Ok)?;
        self.range("automaton", at + DFA_HEAD, len)?;
        self.look("automaton", at, len.saturating_add(DFA_HEAD))?;
        self.index("automaton", at + 2, start, states)?;
        for byte in 0..=255u32 {
            let class = self.word(at + 3 + byte / 4) >> (8 * (byte % 4)) & 0xff;
            self.index("automaton", at + 3 + byte / 4, class, classes)?;
        }
        for cell in (0..cells).map(|cell| at + DFA_HEAD + cell) {
            self.index("automaton", cell, self.word(cell), states)?;
        }
        let accepts = (0..states).map(|s| self.word(at + DFA_HEAD + cells + s));
        Ok(accepts.max().unwrap_or(0).saturating_add(1))
    }
}
