//! An entry and the request's facts -> leaves of its graphs. A walk visits each variable at most once a graph, in
//! order, and edges point forward, so it ends; what it cost is bounded by `inspect`.

use crate::canary::canary;
use crate::data::Data;
use crate::front::{Credentials, Facts};
use crate::image::config::{Config, RuleIndex};
use crate::image::layout::{HEAD, LEAF, VAR, dir, entry, lack, var};
use crate::image::tables::{View, partition, run_dfa};

use super::bitmap::Candidates;
use super::classify::{Sight, classify};

/// Arms up to which a node is searched from the front.
const LINEAR_ARMS: u32 = 8;

pub(super) struct Walk<'c> {
    pub(super) sight: Sight<'c>,
    /// (epoch, class) by variable.
    classes: &'c mut [(u32, u32)],
    epoch: u32,
    entry: u32,
    /// First item of each of the entry's arrays.
    arrays: [u32; entry::ITEM.len()],
    /// Offset of the entry's filters, 0 for none.
    filters: u32,
    granted: Option<u32>,
}

impl<'c> Walk<'c> {
    #[allow(clippy::too_many_arguments)] // the parts of a decision, once
    pub(super) fn new(
        view: View<'c>,
        config: &'c Config,
        data: &'c Data,
        facts: &'c Facts<'c>,
        credentials: &'c Credentials<'c>,
        classes: &'c mut [(u32, u32)],
        epoch: u32,
        entry: u32,
    ) -> Walk<'c> {
        let mut arrays = [0; entry::ITEM.len()];
        let mut at = entry + entry::LEN;
        for (i, size) in entry::ITEM.iter().enumerate() {
            arrays[i] = at;
            at += view.word(entry + entry::SUBS + i as u32) * size;
        }
        let sight = Sight {
            view,
            config,
            data,
            facts,
            credentials,
        };
        let mut walk = Walk {
            sight,
            classes,
            epoch,
            entry,
            arrays,
            filters: view.word(entry + entry::FILTERS),
            granted: None,
        };
        // Sub-conditions are in dependency order: each reads only earlier ones.
        for (at, _) in walk.items(entry::SUBS) {
            let id = walk.word(at);
            let root = walk.word(walk.word(dir::VARS) + id * VAR + 1);
            let holds = walk.follow(root) != 0;
            walk.remember(id, 1 + u32::from(holds));
        }
        walk
    }

    pub(super) fn word(&self, at: u32) -> u32 {
        self.sight.view.word(at)
    }

    /// Offsets of the items of an array, with their index.
    fn items(&self, array: u32) -> impl Iterator<Item = (u32, u32)> + use<> {
        let i = (array - entry::SUBS) as usize;
        let (start, size) = (self.arrays[i], entry::ITEM[i]);
        (0..self.word(self.entry + array)).map(move |n| (start + n * size, n))
    }

    fn remember(&mut self, id: u32, class: u32) {
        if let Some(slot) = self.classes.get_mut(id as usize) {
            *slot = (self.epoch, class);
        }
    }

    pub(super) fn class(&mut self, id: u32) -> u32 {
        match self.classes.get(id as usize) {
            Some((epoch, class)) if *epoch == self.epoch => *class,
            _ => {
                let at = self.word(dir::VARS) + id * VAR;
                // A sub-condition that its entry does not list can not come from our compiler; unknown is closed.
                let class = if self.word(at) == var::SUB {
                    0
                } else {
                    classify(self.sight, at)
                };
                self.remember(id, class);
                class
            }
        }
    }

    /// The leaf that a graph leads to.
    pub(super) fn follow(&mut self, root: u32) -> u32 {
        let mut at = root;
        while at & LEAF == 0 {
            let class = self.class(self.word(at));
            let arms = self.word(at + 1);
            let arm = |i: u32| self.word(at + 3 + 2 * i);
            let found = if arms <= LINEAR_ARMS {
                (0..arms).find(|i| arm(*i) == class)
            } else {
                Some(partition(arms, |i| arm(i) < class)).filter(|i| *i < arms && arm(*i) == class)
            };
            at = match found {
                Some(i) => self.word(at + 4 + 2 * i),
                None => self.word(at + 2),
            };
        }
        at & !LEAF
    }

    /// The items of an array that can say something, in order.
    fn candidates(&self, array: u32) -> Candidates {
        let i = (array - entry::SUBS) as usize;
        let filter = match self.filters {
            0 => 0,
            filters => self.word(filters + array - entry::DENY),
        };
        let count = self.word(self.entry + array);
        Candidates::new(self.arrays[i], entry::ITEM[i], count, filter)
    }

    fn first_leaf(&mut self, array: u32) -> u32 {
        let mut candidates = self.candidates(array);
        while let Some(at) = candidates.next(self) {
            let leaf = self.follow(self.word(at));
            if leaf != 0 {
                return leaf;
            }
        }
        0
    }

    /// Head of the deciding deny + 1, or 0.
    pub(super) fn deny(&mut self) -> u32 {
        self.first_leaf(entry::DENY)
    }

    /// The rule and status of a deny head.
    pub(super) fn head(&self, head: u32) -> Option<(RuleIndex, u32)> {
        if head >= self.word(dir::HEAD_COUNT) {
            return None;
        }
        let at = self.word(dir::HEADS) + head * HEAD;
        Some((self.word(at), self.word(at + 2)))
    }

    /// The deciding allow + 1, or 0. Walked once.
    pub(super) fn grant(&mut self) -> u32 {
        if let Some(leaf) = self.granted {
            return leaf;
        }
        let leaf = self.first_leaf(entry::GRANT);
        self.granted = Some(leaf);
        leaf
    }

    /// Granting allows: the deciding one and those with a body that grant, sorted, unique.
    pub(super) fn granting(&mut self, deciding: RuleIndex) -> Vec<RuleIndex> {
        let mut rules = vec![deciding];
        let mut candidates = self.candidates(entry::OBLIGE);
        while let Some(at) = candidates.next(self) {
            let grants = self.follow(self.word(at + 1)) != 0;
            if canary!(IdleAllow, true, grants) {
                rules.push(self.word(at));
            }
        }
        rules.sort_unstable();
        rules.dedup();
        rules
    }

    /// Standing rules that are true (`true`) or unknown.
    pub(super) fn standing(&mut self) -> Vec<(RuleIndex, bool)> {
        self.three_valued(entry::STANDING)
    }

    /// Reported rules likewise.
    pub(super) fn reports(&mut self) -> Vec<(RuleIndex, bool)> {
        self.three_valued(entry::REPORT)
    }

    fn three_valued(&mut self, array: u32) -> Vec<(RuleIndex, bool)> {
        let mut out = Vec::new();
        let mut candidates = self.candidates(array);
        while let Some(at) = candidates.next(self) {
            if self.follow(self.word(at + 1)) != 0 {
                out.push((self.word(at), true));
            } else if self.follow(self.word(at + 2)) != 0 {
                out.push((self.word(at), false));
            }
        }
        out
    }

    /// What the entry answers where no allow applies.
    pub(super) fn fallback(&self) -> u32 {
        self.word(self.entry + entry::FALLBACK)
    }

    /// Text index of the Allow header.
    pub(super) fn allow_text(&self) -> u32 {
        self.word(self.entry + entry::ALLOW)
    }

    /// Credential kinds that the entry's allows read.
    pub(super) fn kinds(&self) -> u8 {
        self.word(self.entry + entry::KINDS) as u8
    }

    /// The smallest allow that lacks only acr or age, + 1.
    pub(super) fn lacks_age(&mut self) -> u32 {
        self.first_leaf(entry::AGE)
    }

    /// The allow with the smallest scope set that lacks only scopes, + 1.
    pub(super) fn lacks_scope(&mut self) -> u32 {
        self.first_leaf(entry::SCOPE)
    }

    /// Whether a rule's acr and age are lacking.
    pub(super) fn lacked_acr_and_age(&mut self, rule: RuleIndex) -> (bool, bool) {
        // A rule with several targets has an explanation for each; the one that lacks nothing else is meant.
        let only = |parts: &[(u32, u32)]| parts.iter().all(|p| p.0 == lack::ACR || p.0 == lack::AGE);
        let found = self
            .explanations()
            .into_iter()
            .find(|e| e.0 == rule && !e.1.is_empty() && only(&e.1));
        let parts = found.map(|e| e.1).unwrap_or_default();
        let lacks = |kind| parts.iter().any(|p| p.0 == kind);
        (lacks(lack::ACR), lacks(lack::AGE))
    }

    /// Each allow of the entry with the parts (kind, text) that are not true.
    pub(super) fn explanations(&mut self) -> Vec<(RuleIndex, Vec<(u32, u32)>)> {
        let mut out = Vec::new();
        for (item, _) in self.items(entry::CLOSEST) {
            let record = self.word(item);
            let mut parts = Vec::new();
            for part in (0..self.word(record + 1)).map(|i| record + 2 + 3 * i) {
                if self.follow(self.word(part + 2)) == 0 {
                    parts.push((self.word(part), self.word(part + 1)));
                }
            }
            out.push((self.word(record), parts));
        }
        out
    }
}

/// Whether a pattern table of the image matches a text.
pub(super) fn matches(view: View<'_>, pattern: u32, text: &[u8]) -> bool {
    let at = view.word(dir::PATTERNS) + pattern;
    pattern < view.word(dir::PATTERN_COUNT) && run_dfa(view, view.word(at), text) != 0
}
