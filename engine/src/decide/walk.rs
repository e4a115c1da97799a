//! An entry and the request's facts -> leaves of its graphs. A walk visits each variable at most once a graph, in
//! order, and edges point forward, so it ends; what it cost is bounded by `inspect`.

use crate::data::Data;
use crate::facts::Facts;
use crate::identity::Credentials;
use crate::image::config::Config;
use crate::image::entry::Entry;
use crate::image::ids::RuleId;
use crate::image::ids::{ClassId, NodeRef, Slot, VarId};
use crate::image::layout::{HEAD, VAR, dir, entry, lack, node, var};
use crate::image::symbols::{PART, Symbols};
use crate::image::tables::{View, partition};
use crate::value::{Arena, List};
use portcullis_base::CredentialKinds;

use super::bitmap::Candidates;
use super::classify::{Set, Sight, classify};
use super::scratch::Memory;

/// Arms up to which a sparse node is searched from the front.
const LINEAR_ARMS: u32 = 4;

pub(super) struct Walk<'d> {
    pub(super) sight: Sight<'d>,
    memory: Memory<'d>,
    sets: &'d mut [Set<'d>],
    entry: Entry,
    /// Where the entry stands.
    at: u32,
}

impl<'d> Walk<'d> {
    #[expect(clippy::too_many_arguments, reason = "the parts of a decision, once")]
    pub(super) fn new(
        view: View<'d>,
        config: &'d Config,
        data: &'d Data,
        facts: &'d Facts<'d>,
        credentials: &'d Credentials<'d>,
        memory: Memory<'d>,
        arena: &'d Arena,
        at: u32,
    ) -> Walk<'d> {
        let sight = Sight {
            view,
            config,
            data,
            facts,
            credentials,
        };
        let mut walk = Walk {
            sight,
            memory,
            sets: arena.alloc_slice_fill_copy(view.word(dir::SET_COUNT) as usize, Set::New),
            entry: Entry::read(at, |at| view.word(at)),
            at,
        };
        for at in walk.items(entry::SUBS) {
            let id = VarId(walk.word(at));
            walk.sub(id);
        }
        walk
    }

    #[inline]
    pub(super) fn word(&self, at: u32) -> u32 {
        self.sight.view.word(at)
    }

    /// Offsets of the items of an array.
    fn items(&self, array: usize) -> impl Iterator<Item = u32> + use<> {
        let (start, count) = self.entry.array(array);
        let size = entry::ITEM.get(array).copied().unwrap_or(1);
        (0..count).map(move |n| start + n * size)
    }

    /// Evaluates a sub-condition. They come in dependency order: each reads only earlier ones.
    fn sub(&mut self, id: VarId) {
        let root = NodeRef(self.word(self.word(dir::VARS) + id.0 * VAR + 1));
        let holds = self.follow(root) != 0;
        self.memory.remember(id, ClassId::of(holds));
    }

    /// Evaluates a sub-condition of those on responses; they too come in dependency order.
    pub(super) fn holds(&mut self, id: VarId) -> bool {
        self.sub(id);
        self.memory.class(id) == Some(ClassId::of(true))
    }

    /// Walks on with other facts. What was classified before was not asked of them.
    pub(super) fn set_facts(&mut self, facts: &'d Facts<'d>) {
        self.sight.facts = facts;
    }

    #[inline]
    pub(super) fn class(&mut self, id: VarId) -> ClassId {
        match self.memory.class(id) {
            Some(class) => class,
            None => self.look(id),
        }
    }

    #[inline(never)]
    fn look(&mut self, id: VarId) -> ClassId {
        let at = self.word(dir::VARS) + id.0 * VAR;
        // A sub-condition that its entry does not list cannot come from our compiler; unknown is closed.
        let class = if self.word(at) >> var::KIND_SHIFT == var::SUB {
            ClassId::UNKNOWN
        } else {
            classify(self.sight, &mut self.memory, self.sets, at)
        };
        self.memory.remember(id, class);
        class
    }

    /// The leaf that a graph leads to.
    pub(super) fn follow(&mut self, root: NodeRef) -> u32 {
        let mut next = root;
        loop {
            if let Some(leaf) = next.leaf() {
                return leaf;
            }
            let at = next.0;
            let head = self.word(at);
            let class = self.class(VarId(head & node::VAR_MAX));
            let is = ClassId(head >> node::CLASS_SHIFT & node::CLASS_MAX) == class;
            next = NodeRef(match head >> node::FORM_SHIFT {
                node::FALL if is => self.word(at + 1),
                node::FALL => return 0,
                node::TWO if is => self.word(at + 1),
                node::TWO => self.word(at + 2),
                node::SPARSE => self.search(at, class),
                _ if class.0 < self.word(at + 1) => self.word(at + 3 + class.0),
                _ => self.word(at + 2),
            });
        }
    }

    /// The child of a sparse node.
    fn search(&self, at: u32, ClassId(class): ClassId) -> u32 {
        let count = self.word(at + 1);
        let arm = |i: u32| self.word(at + 3 + i);
        let found = if count <= LINEAR_ARMS {
            (0..count).find(|i| arm(*i) == class)
        } else {
            Some(partition(count, |i| arm(i) < class)).filter(|i| *i < count && arm(*i) == class)
        };
        match found {
            Some(i) => self.word(at + 3 + count + i),
            None => self.word(at + 2),
        }
    }

    /// The items of an array that can say something, in order.
    #[inline]
    fn candidates(&self, array: usize) -> Candidates {
        let filter = match self.entry.filters {
            0 => 0,
            filters => self.word(filters + (array - entry::DENY) as u32),
        };
        let (items, count) = self.entry.array(array);
        let size = entry::ITEM.get(array).copied().unwrap_or(1);
        Candidates::new(items, size, count, filter)
    }

    /// What the first graph of a list that says something says: leaf 0 is nothing, any other one more than an index.
    fn first(&mut self, array: usize) -> Option<u32> {
        if self.entry.filters == 0 {
            for at in self.items(array) {
                let leaf = self.follow(NodeRef(self.word(at)));
                if leaf != 0 {
                    return self.entry.meaning(array, leaf).checked_sub(1);
                }
            }
            return None;
        }
        let mut candidates = self.candidates(array);
        while let Some(at) = candidates.next(self) {
            let leaf = self.follow(NodeRef(self.word(at)));
            if leaf != 0 {
                return self.entry.meaning(array, leaf).checked_sub(1);
            }
        }
        None
    }

    /// Head of the deciding deny.
    pub(super) fn deny(&mut self) -> Option<u32> {
        self.first(entry::DENY)
    }

    /// The rule and status of a deny head.
    pub(super) fn head(&self, head: u32) -> Option<(RuleId, u32)> {
        if head >= self.word(dir::HEAD_COUNT) {
            return None;
        }
        let at = self.word(dir::HEADS) + head * HEAD;
        Some((RuleId(self.word(at)), self.word(at + 1)))
    }

    /// The deciding allow.
    pub(super) fn grant(&mut self) -> Option<RuleId> {
        self.first(entry::GRANT).map(RuleId)
    }

    /// Granting allows: the deciding one and those with a body that grant, sorted, unique.
    pub(super) fn granting(&mut self, deciding: RuleId, arena: &'d Arena) -> &'d [RuleId] {
        if self.entry.array(entry::OBLIGE).1 == 0 {
            return arena.alloc_slice_copy(&[deciding]);
        }
        let mut rules = List::new_in(arena);
        rules.push(deciding);
        let mut candidates = self.candidates(entry::OBLIGE);
        while let Some(at) = candidates.next(self) {
            if self.follow(NodeRef(self.word(at + 1))) != 0 {
                rules.push(RuleId(self.word(at)));
            }
        }
        crate::value::order::sort(&mut rules);
        rules.dedup();
        rules.into_bump_slice()
    }

    /// Standing rules that are true (`true`) or unknown.
    pub(super) fn standing(&mut self, arena: &'d Arena) -> &'d [(RuleId, bool)] {
        self.three_valued(entry::STANDING, arena)
    }

    /// Reported rules likewise.
    pub(super) fn reports(&mut self, arena: &'d Arena) -> &'d [(RuleId, bool)] {
        self.three_valued(entry::REPORT, arena)
    }

    #[inline(always)]
    fn three_valued(&mut self, array: usize, arena: &'d Arena) -> &'d [(RuleId, bool)] {
        if self.entry.array(array).1 == 0 {
            return &[];
        }
        self.walk_three_valued(array, arena)
    }

    fn walk_three_valued(&mut self, array: usize, arena: &'d Arena) -> &'d [(RuleId, bool)] {
        let mut out = List::new_in(arena);
        let mut candidates = self.candidates(array);
        while let Some(at) = candidates.next(self) {
            if self.follow(NodeRef(self.word(at + 1))) != 0 {
                out.push((RuleId(self.word(at)), true));
            } else if self.follow(NodeRef(self.word(at + 2))) != 0 {
                out.push((RuleId(self.word(at)), false));
            }
        }
        out.into_bump_slice()
    }

    /// Whether anything that the entry may grant or that stands over it obliges to anything.
    #[inline]
    pub(super) fn obliges(&self) -> bool {
        self.entry.array(entry::OBLIGE).1 != 0 || self.entry.array(entry::STANDING).1 != 0
    }

    /// What the entry answers where no allow applies.
    pub(super) fn fallback(&self) -> u32 {
        self.entry.fallback
    }

    /// Text index of the Allow header.
    pub(super) fn allow_text(&self) -> u32 {
        self.entry.allow
    }

    /// Credential kinds that the entry's allows read.
    pub(super) fn kinds(&self) -> CredentialKinds {
        self.entry.kinds
    }

    /// The smallest allow that lacks only acr or age.
    pub(super) fn lacks_age(&mut self) -> Option<RuleId> {
        self.first(entry::AGE).map(RuleId)
    }

    /// The allow with the smallest scope set that lacks only scopes.
    pub(super) fn lacks_scope(&mut self) -> Option<RuleId> {
        self.first(entry::SCOPE).map(RuleId)
    }

    /// Whether a rule's acr and age are lacking.
    pub(super) fn lacked_acr_and_age(&mut self, rule: RuleId) -> (bool, bool) {
        // A rule with several targets has a record for each; the one that lacks nothing else is meant.
        for item in self.items(entry::FRESH) {
            let record = self.word(item);
            if self.word(record) != rule.0 {
                continue;
            }
            let acr = self.follow(NodeRef(self.word(record + 1))) == 0;
            let age = self.follow(NodeRef(self.word(record + 2))) == 0;
            let mut rest = (0..self.word(record + 3)).map(|i| record + 4 + i);
            if (acr || age) && rest.all(|root| self.follow(NodeRef(self.word(root))) != 0) {
                return (acr, age);
            }
        }
        (false, false)
    }

    /// Calls `f` with each allow of the entry and its parts (kind, text) that are not true. Behind a condition stand its
    /// facts that are unknown, with the [`Unknown`] above the bits of the kind.
    pub(super) fn explanations(&mut self, symbols: &Symbols, mut f: impl FnMut(RuleId, Vec<(u32, u32)>)) {
        let (subs, explanations) = symbols.of(self.at);
        subs.iter().for_each(|id| self.sub(VarId(*id)));
        for explanation in explanations {
            let (mut parts, mut lacking) = (Vec::new(), false);
            for part in explanation.parts.chunks_exact(PART as usize) {
                let [kind, text, root] = *part else { continue };
                let slot = Slot(kind >> lack::KIND_BITS);
                if slot.0 << lack::KIND_BITS | lack::FACT != kind {
                    lacking = self.follow(NodeRef(root)) == 0;
                    if lacking {
                        parts.push((kind, text));
                    }
                } else if lacking && let Some(unknown) = self.sight.facts.unknown(slot) {
                    parts.push((lack::FACT | (unknown as u32) << lack::KIND_BITS, text));
                }
            }
            f(RuleId(explanation.rule), parts);
        }
    }
}
