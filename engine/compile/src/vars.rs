//! Tests -> variables with classes. All tests of one kind on one fact become one variable, whose classifier maps the
//! fact's value to a class; a test is then a set of classes. Variables are ordered by what they cost to classify,
//! cheap and selective ones first.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use ipnet::IpNet;
use portcullis_base::address;

use super::CompileError;
use super::graph::{Graph, NO, Ref, YES};
use super::lower::{Leaf, Lowered, Test};
use super::pattern::{self, Table};
use super::slots::Slots;
use portcullis::image::config::Source;
use portcullis::image::ids::Slot;
use portcullis::image::layout::op;

/// A variable and its classifier.
#[derive(Clone, Debug)]
pub enum Var {
    /// Sorted literals; the class of the i-th is i + 2.
    Text(Slot, Vec<String>),
    /// Sorted thresholds; class 1 + how many are at most the value.
    Number(Slot, Vec<i64>),
    /// An automaton; its accept classes are the classes but one.
    Pattern(Slot, Table),
    /// An automaton for the elements of a set: whether it accepts one of them.
    SomePattern(Slot, Table),
    /// (start, class), sorted; class 1 before the first.
    Address(Slot, Vec<(u128, u32)>),
    /// Any other leaf: two classes, or three with unknown.
    Plain(Leaf),
    /// A condition that is evaluated before the graphs that test it.
    Sub(Ref),
}

/// A test as classes of a variable.
#[derive(Clone, Debug)]
struct Meaning {
    var: u32,
    /// Classes where it is true, sorted.
    yes: Vec<u32>,
    /// Number of classes.
    count: u32,
}

impl Meaning {
    /// Of a variable with so many literals: a class each, one for none of them and one for unknown.
    fn of(var: u32, classes: impl Iterator<Item = u32>, literals: usize) -> Meaning {
        let yes: BTreeSet<u32> = classes.collect();
        Meaning {
            var,
            yes: yes.into_iter().collect(),
            count: literals as u32 + 2,
        }
    }
}

/// Thresholds of order that one variable holds: a test of order is true for all classes on one side, so its node has
/// an arm for each threshold, and n tests of one variable would have n times n.
const ORDERED_MAX: usize = 256;
/// Networks that one variable tells apart at most.
const NETWORKS_MAX: usize = 1_024;
/// Networks up to which they share variables at all. Many that overlap cut each other into many classes, and each test
/// then names many; a variable of its own costs a test a search of a few ranges and the image a few words.
const TOGETHER_MAX: usize = 32;
/// Arms for each range of the networks of one variable: a network's node has an arm for each class inside it, so wide
/// networks over many narrow ones, all in one variable, would have the product of their numbers.
const ARMS_PER_RANGE: usize = 8;

/// Leaves with the classes where they are true.
type Meanings = Vec<(Leaf, Vec<u32>)>;

/// All variables, their graph and what is known of it.
#[derive(Debug, Default)]
pub struct Vars {
    /// By number.
    pub vars: Vec<Var>,
    /// Of all entries and sub-conditions.
    pub graph: Graph,
    /// By leaf: the graphs of "certainly false" and "certainly true".
    leaves: Vec<[Ref; 2]>,
    meanings: HashMap<Leaf, Meaning>,
    /// The text variable of a slot, and its number variables.
    texts: HashMap<Slot, u32>,
    numbers: HashMap<Slot, Vec<u32>>,
    subs: HashMap<Ref, u32>,
    /// The sub-conditions that are conditions on responses.
    responses: Vec<u32>,
}

/// Networks as inclusive ranges, sorted and merged.
pub(super) fn ranges(nets: &[IpNet]) -> Vec<(u128, u128)> {
    let mut all: Vec<(u128, u128)> = nets
        .iter()
        .flat_map(|n| address::ranges(n.network(), n.prefix_len()))
        .collect();
    all.sort_unstable();
    let mut merged: Vec<(u128, u128)> = Vec::new();
    for (start, end) in all {
        match merged.last_mut() {
            Some(last) if start <= last.1.saturating_add(1) => last.1 = last.1.max(end),
            _ => merged.push((start, end)),
        }
    }
    merged
}

/// What all tests on the policy's facts ask, collected before variables are numbered.
#[derive(Default)]
struct Asked {
    texts: BTreeMap<Slot, BTreeSet<String>>,
    /// Thresholds of equality, and those of order.
    numbers: BTreeMap<Slot, [BTreeSet<i64>; 2]>,
    patterns: BTreeMap<Slot, BTreeSet<String>>,
    some_patterns: BTreeSet<(Slot, String)>,
    addresses: BTreeMap<Slot, BTreeSet<Vec<(u128, u128)>>>,
    plain: BTreeSet<Leaf>,
}

impl Asked {
    fn leaf(&mut self, leaf: &Leaf) {
        match leaf {
            Leaf::TextIn(slot, values) => self
                .texts
                .entry(*slot)
                .or_default()
                .extend(values.iter().cloned()),
            Leaf::Number(slot, operator, n) => {
                let own = self.numbers.entry(*slot).or_default();
                let ordered = *operator != op::EQ;
                thresholds(*operator, *n, &mut own[usize::from(ordered)]);
            }
            Leaf::NumberIn(slot, values) => {
                let own = self.numbers.entry(*slot).or_default();
                values.iter().for_each(|n| thresholds(op::EQ, *n, &mut own[0]));
            }
            Leaf::Matches(slot, regex) => {
                self.patterns.entry(*slot).or_default().insert(regex.clone());
            }
            Leaf::SomeMatches(slot, regex) => {
                self.some_patterns.insert((*slot, regex.clone()));
            }
            Leaf::Address(slot, ranges) => {
                self.addresses.entry(*slot).or_default().insert(ranges.clone());
            }
            other => {
                self.plain.insert(other.clone());
            }
        }
    }
}

/// Where the truth of a comparison changes: at `n`, after `n`, or both.
fn thresholds(operator: u32, n: i64, out: &mut BTreeSet<i64>) {
    if matches!(operator, op::EQ | op::LT | op::GE) {
        out.insert(n);
    }
    if matches!(operator, op::EQ | op::LE | op::GT) {
        out.extend(n.checked_add(1));
    }
}

impl Vars {
    /// Numbers all variables and builds their classifiers.
    pub(super) fn plan(lowered: &Lowered, slots: &Slots, nodes_max: usize) -> Result<Vars, CompileError> {
        let mut asked = Asked::default();
        lowered.leaves.iter().for_each(|leaf| asked.leaf(leaf));
        let mut vars = Vars::default();
        vars.graph.max = nodes_max;
        let mut unordered: Vec<(u32, Var, Meanings)> = Vec::new();
        let rank = |slot: Slot| slots.sources.get(slot.index()).map_or(u32::MAX, cost);

        for (slot, texts) in asked.texts {
            unordered.push((
                rank(slot),
                Var::Text(slot, texts.into_iter().collect()),
                Vec::new(),
            ));
        }
        for (slot, [equal, ordered]) in asked.numbers {
            let mut number = |thresholds: Vec<i64>| {
                unordered.push((rank(slot) + 1, Var::Number(slot, thresholds), Vec::new()));
            };
            if ordered.len() <= ORDERED_MAX {
                number(equal.union(&ordered).copied().collect());
            } else {
                number(equal.into_iter().collect());
                let ordered: Vec<i64> = ordered.into_iter().collect();
                ordered.chunks(ORDERED_MAX).for_each(|some| number(some.to_vec()));
            }
        }
        for (slot, nets) in asked.addresses {
            let nets: Vec<Vec<(u128, u128)>> = nets.into_iter().collect();
            for (classes, meanings) in address_groups(slot, &nets) {
                unordered.push((rank(slot) + 2, Var::Address(slot, classes), meanings));
            }
        }
        for (slot, patterns) in asked.patterns {
            let patterns: Vec<String> = patterns.into_iter().collect();
            let groups = pattern::group(&patterns).map_err(|i| CompileError::PatternTooLarge {
                pattern: patterns[i].clone(),
                span: None,
            })?;
            for (members, table) in groups {
                let meanings = inverted(members.len(), (1..).zip(&table.sets))
                    .into_iter()
                    .zip(&members)
                    .map(|(classes, index)| (Leaf::Matches(slot, patterns[*index].clone()), classes))
                    .collect();
                unordered.push((rank(slot) + 3, Var::Pattern(slot, table), meanings));
            }
        }
        for (slot, regex) in asked.some_patterns {
            let table = Table::build(std::slice::from_ref(&regex));
            let table = table.map_err(|_| CompileError::PatternTooLarge {
                pattern: regex.clone(),
                span: None,
            })?;
            let meaning = (Leaf::SomeMatches(slot, regex), vec![2]);
            unordered.push((rank(slot) + 5, Var::SomePattern(slot, table), vec![meaning]));
        }
        for leaf in asked.plain {
            let cost = plain_cost(&leaf, &rank);
            unordered.push((cost, Var::Plain(leaf), Vec::new()));
        }
        // Stable: equal costs keep the order above, which is sorted.
        unordered.sort_by_key(|(cost, _, _)| *cost);
        for (id, (_, var, meanings)) in unordered.into_iter().enumerate() {
            vars.number(id as u32, &var, meanings);
            vars.vars.push(var);
        }
        for leaf in &lowered.leaves {
            let meaning = vars.meaning(leaf);
            let graphs = [false, true].map(|truth| vars.leaf(leaf, &meaning, truth));
            vars.leaves.push(graphs);
        }
        vars.meanings.clear();
        Ok(vars)
    }

    fn number(&mut self, id: u32, var: &Var, meanings: Meanings) {
        let count = match var {
            Var::Text(_, values) => values.len() as u32 + 2,
            Var::Number(_, thresholds) => thresholds.len() as u32 + 2,
            Var::Pattern(_, table) => table.sets.len() as u32 + 1,
            Var::Address(_, ranges) => ranges.iter().map(|r| r.1).max().unwrap_or(1) + 1,
            Var::SomePattern(..) | Var::Plain(_) | Var::Sub(_) => 3,
        };
        for (leaf, yes) in meanings {
            self.meanings.insert(leaf, Meaning { var: id, yes, count });
        }
        match var {
            Var::Text(slot, _) => drop(self.texts.insert(*slot, id)),
            Var::Number(slot, _) => self.numbers.entry(*slot).or_default().push(id),
            _ => {}
        }
        if let Var::Plain(leaf) = var {
            // `known` has the classes unknown and known only.
            let yes = if matches!(leaf, Leaf::Known(_)) { 1 } else { 2 };
            self.meanings.insert(
                leaf.clone(),
                Meaning {
                    var: id,
                    yes: vec![yes],
                    count,
                },
            );
        }
    }

    fn meaning(&self, leaf: &Leaf) -> Meaning {
        let found = match leaf {
            Leaf::TextIn(slot, values) => self.texts.get(slot).and_then(|id| self.text_classes(*id, values)),
            Leaf::Number(slot, operator, n) => self.number_classes(*slot, *operator, *n),
            Leaf::NumberIn(slot, values) => self.number_in(*slot, values),
            other => self.meanings.get(other).cloned(),
        };
        // Every leaf was asked for above; a leaf without a variable would be never true.
        found.unwrap_or(Meaning {
            var: u32::MAX - 1,
            yes: Vec::new(),
            count: 2,
        })
    }

    fn text_classes(&self, var: u32, values: &[String]) -> Option<Meaning> {
        let Var::Text(_, all) = self.vars.get(var as usize)? else {
            return None;
        };
        let place = |v: &String| all.binary_search(v).ok().map(|i| i as u32 + 2);
        Some(Meaning::of(var, values.iter().filter_map(place), all.len()))
    }

    /// The thresholds of a number variable.
    fn thresholds(&self, var: u32) -> &[i64] {
        match self.vars.get(var as usize) {
            Some(Var::Number(_, all)) => all,
            _ => &[],
        }
    }

    /// The variable of the slot that has all thresholds of a comparison.
    fn number_classes(&self, slot: Slot, operator: u32, n: i64) -> Option<Meaning> {
        let mut own = BTreeSet::new();
        thresholds(operator, n, &mut own);
        let ids = self.numbers.get(&slot)?;
        let fits = |id: &&u32| own.iter().all(|n| self.thresholds(**id).binary_search(n).is_ok());
        let var = *ids.iter().find(fits)?;
        let all = self.thresholds(var);
        let count = all.len() as u32 + 2;
        // Class 2 + i starts at the i-th threshold.
        let start = 1 + all.partition_point(|t| *t < n) as u32;
        let after = 2 + all.partition_point(|t| *t <= n) as u32;
        let (from, to) = match operator {
            op::EQ => (after - 1, after),
            op::LT => (1, start + 1),
            op::LE => (1, after),
            op::GT => (after, count),
            _ => (start + 1, count),
        };
        Some(Meaning::of(var, from..to.min(count), all.len()))
    }

    fn number_in(&self, slot: Slot, values: &[i64]) -> Option<Meaning> {
        let var = *self.numbers.get(&slot)?.first()?;
        let all = self.thresholds(var);
        let class = |n: &i64| 1 + all.partition_point(|t| t <= n) as u32;
        Some(Meaning::of(var, values.iter().map(class), all.len()))
    }

    /// The graph of "definitely true" (`truth`) or "definitely false" of a condition.
    pub(super) fn graph_of(&mut self, test: &Test, truth: bool) -> Ref {
        match test {
            Test::True => {
                if truth {
                    YES
                } else {
                    NO
                }
            }
            Test::Not(inner) => self.graph_of(inner, !truth),
            Test::Leaf(id) => self
                .leaves
                .get(*id as usize)
                .map_or(NO, |graphs| graphs[usize::from(truth)]),
            Test::All(parts) => self.fold(parts, truth, truth),
            Test::Any(parts) => self.fold(parts, truth, !truth),
        }
    }

    /// "Not definitely false": true or unknown.
    pub(super) fn maybe(&mut self, test: &Test) -> Ref {
        let no = self.graph_of(test, false);
        self.graph.not(no)
    }

    fn fold(&mut self, parts: &[Test], truth: bool, conjunction: bool) -> Ref {
        let mut graphs: Vec<Ref> = parts.iter().map(|part| self.graph_of(part, truth)).collect();
        // The last variables first: what comes then is put on top, and a chain of n tests costs n steps.
        graphs.sort_by_key(|r| std::cmp::Reverse(self.graph.var(*r)));
        let mut all = if conjunction { YES } else { NO };
        for part in graphs {
            all = if conjunction {
                self.and(part, all)
            } else {
                self.or(part, all)
            };
        }
        all
    }

    /// And, never over budget: a side that is too large becomes a variable of its own.
    pub(super) fn and(&mut self, a: Ref, b: Ref) -> Ref {
        self.combine(a, b, Graph::and)
    }

    /// Or, likewise.
    pub(super) fn or(&mut self, a: Ref, b: Ref) -> Ref {
        self.combine(a, b, Graph::or)
    }

    fn combine(
        &mut self,
        a: Ref,
        b: Ref,
        operation: fn(&mut Graph, Ref, Ref) -> Result<Ref, super::graph::OverBudget>,
    ) -> Ref {
        if let Ok(done) = operation(&mut self.graph, a, b) {
            return done;
        }
        let a = self.sub(a);
        if let Ok(done) = operation(&mut self.graph, a, b) {
            return done;
        }
        let b = self.sub(b);
        // Two single nodes: at most two new ones.
        operation(&mut self.graph, a, b).unwrap_or(NO)
    }

    /// The graph as a variable that is evaluated before.
    fn sub(&mut self, root: Ref) -> Ref {
        if let Ref::Leaf(_) = root {
            return root;
        }
        let next = self.vars.len() as u32;
        let id = *self.subs.entry(root).or_insert(next);
        if id == next {
            self.vars.push(Var::Sub(root));
        }
        self.graph.make(id, NO, vec![(2, YES)])
    }

    /// A condition on responses as the last of sub-conditions that are evaluated in turn; what it always is where it is
    /// constant.
    pub(super) fn condition(&mut self, test: &Test) -> Result<Vec<u32>, bool> {
        let root = self.graph_of(test, true);
        if let Ref::Leaf(_) = root {
            return Err(root == YES);
        }
        let test = self.sub(root);
        self.responses.extend(self.subs.get(&root));
        Ok(self.subs_of(vec![test]))
    }

    /// Roots of the conditions on responses.
    pub(super) fn response_roots(&self) -> impl Iterator<Item = Ref> {
        let vars = self.responses.iter().filter_map(|id| self.vars.get(*id as usize));
        vars.filter_map(|var| match var {
            Var::Sub(root) => Some(*root),
            _ => None,
        })
    }

    /// Sub-conditions that graphs test, with those that these test; ascending ids are dependency order.
    pub(super) fn subs_of(&self, mut todo: Vec<Ref>) -> Vec<u32> {
        let (mut seen, mut found) = (BTreeSet::new(), BTreeSet::new());
        while let Some(at) = todo.pop() {
            let Ref::Node(index) = at else { continue };
            if !seen.insert(index) {
                continue;
            }
            let node = self.graph.node(index);
            if let Some(Var::Sub(root)) = self.vars.get(node.var as usize)
                && found.insert(node.var)
            {
                todo.push(*root);
            }
            todo.push(node.default);
            todo.extend(node.arms.iter().map(|arm| arm.1));
        }
        found.into_iter().collect()
    }

    fn leaf(&mut self, leaf: &Leaf, meaning: &Meaning, truth: bool) -> Ref {
        let Meaning { var, yes, count } = meaning;
        let (var, count) = (*var, *count);
        let two_valued = matches!(
            leaf,
            Leaf::Exists(_) | Leaf::Anchor(..) | Leaf::Presented(_) | Leaf::Valid(_) | Leaf::Age(..)
        );
        let of = |class: u32| {
            let holds = yes.binary_search(&class).is_ok();
            let is_known = class != 0 || two_valued;
            if is_known && holds == truth { YES } else { NO }
        };
        let default = of(1);
        // Only classes that differ from class 1: those of the literals, or all others.
        let arms: Vec<(u32, Ref)> = if yes.binary_search(&1).is_ok() {
            (0..count).filter(|c| *c != 1).map(|c| (c, of(c))).collect()
        } else {
            std::iter::once(0)
                .chain(yes.iter().copied())
                .map(|c| (c, of(c)))
                .collect()
        };
        self.graph.make(var, default, arms)
    }
}

type Classes = (Vec<(u128, u32)>, Meanings);

/// Networks in as few variables as halving finds, none with too many arms.
fn address_groups(slot: Slot, nets: &[Vec<(u128, u128)>]) -> Vec<Classes> {
    let mut out = Vec::new();
    let together = if nets.len() > TOGETHER_MAX {
        1
    } else {
        NETWORKS_MAX
    };
    let mut todo: Vec<&[Vec<(u128, u128)>]> = nets.chunks(together).rev().collect();
    while let Some(group) = todo.pop() {
        let made = address_classes(slot, group);
        let arms: usize = made.1.iter().map(|meaning| meaning.1.len()).sum();
        let ranges: usize = group.iter().map(Vec::len).sum();
        if group.len() > 1 && arms > ranges.saturating_mul(ARMS_PER_RANGE) {
            let (left, right) = group.split_at(group.len() / 2);
            todo.push(right);
            todo.push(left);
        } else {
            out.push(made);
        }
    }
    out
}

/// Cuts the address space where membership changes; ranges with the same members share a class. Class 1 is none.
fn address_classes(slot: Slot, nets: &[Vec<(u128, u128)>]) -> Classes {
    let mut cuts: BTreeMap<u128, Vec<(usize, bool)>> = BTreeMap::new();
    for (i, ranges) in nets.iter().enumerate() {
        for (start, end) in ranges {
            cuts.entry(*start).or_default().push((i, true));
            if let Some(after) = end.checked_add(1) {
                cuts.entry(after).or_default().push((i, false));
            }
        }
    }
    let mut classes: HashMap<Vec<usize>, u32> = HashMap::from([(Vec::new(), 1)]);
    let mut sets: Vec<Vec<usize>> = vec![Vec::new()];
    // How many ranges of a network are open; a network's own ranges were merged, so one at most but at a cut.
    let mut open: BTreeMap<usize, i64> = BTreeMap::new();
    let mut out: Vec<(u128, u32)> = Vec::new();
    for (at, changes) in cuts {
        for (i, opens) in changes {
            let n = open.entry(i).or_default();
            *n += if opens { 1 } else { -1 };
            if *n == 0 {
                open.remove(&i);
            }
        }
        let set: Vec<usize> = open.keys().copied().collect();
        let class = *classes.entry(set).or_insert_with_key(|set| {
            sets.push(set.clone());
            sets.len() as u32
        });
        if out.last().map_or(1, |last| last.1) != class {
            out.push((at, class));
        }
    }
    let meanings = inverted(nets.len(), (1..).zip(&sets))
        .into_iter()
        .zip(nets)
        .map(|(yes, ranges)| (Leaf::Address(slot, ranges.clone()), yes))
        .collect();
    (out, meanings)
}

/// Classes with their members -> members with their classes, ascending.
fn inverted<'s>(members: usize, classes: impl Iterator<Item = (u32, &'s Vec<usize>)>) -> Vec<Vec<u32>> {
    let mut out = vec![Vec::new(); members];
    for (class, set) in classes {
        for member in set {
            if let Some(own) = out.get_mut(*member) {
                own.push(class);
            }
        }
    }
    out
}

/// What it costs to fetch a fact, roughly in the order of pointer chases; ten apart to leave room for kinds.
fn cost(source: &Source) -> u32 {
    match source {
        Source::Segment { .. } => 10,
        Source::Method | Source::Scheme | Source::Host | Source::HostLabel | Source::Port => 20,
        Source::Path | Source::Sni => 20,
        Source::Size | Source::ContentType | Source::Protocol | Source::ConnectionIp | Source::Now => 30,
        Source::Rest { .. } => 40,
        Source::Header(_) | Source::Trusted(_) | Source::ClientIp => 50,
        Source::Query(_) | Source::Cookie(_) => 60,
        Source::KeyId | Source::SignatureName | Source::PeerSpiffe | Source::PeerDns => 70,
        Source::PeerSubject | Source::PeerFingerprint | Source::KeyField(_) => 80,
        Source::Claim(_) | Source::BesideClaim(..) | Source::Scopes => 90,
        Source::Context(_) => 100,
        Source::Cell { .. } => 110,
        Source::Response(..) => 115,
    }
}

fn plain_cost(leaf: &Leaf, rank: &dyn Fn(Slot) -> u32) -> u32 {
    match leaf {
        Leaf::Anchor(..) | Leaf::Presented(_) | Leaf::Valid(_) => 0,
        Leaf::Exists(slot) | Leaf::Known(slot) | Leaf::Bool(slot) => rank(*slot) + 1,
        Leaf::Element(slot, _) => rank(*slot) + 4,
        Leaf::Compare(a, b, ..) | Leaf::Contains(a, b) | Leaf::Age(a, b, _) => rank(*a).max(rank(*b)) + 5,
        Leaf::List(slot, _) => rank(*slot) + 6,
        Leaf::Hours(..) => 120,
        Leaf::Sample(slot, ..) => rank(*slot).max(120) + 1,
        _ => 0,
    }
}
