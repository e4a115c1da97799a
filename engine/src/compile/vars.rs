//! Tests -> variables with classes. All tests of one kind on one fact become one variable, whose classifier maps the
//! fact's value to a class; a test is then a set of classes. Variables are ordered by what they cost to classify,
//! cheap and selective ones first.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use ipnet::IpNet;
use portcullis_lang::model::Policy;

use super::CompileError;
use super::graph::{Graph, NO, Ref, YES};
use super::lower::{Leaf, Lowered, Part, Test};
use super::pattern::{self, Table};
use super::slots::Slots;
use crate::canary::canary;
use crate::image::config::{Slot, Source};
use crate::image::layout::op;

/// Networks that share a classifier; where a policy names more, each has its own.
const NETWORKS_MAX: usize = 32;

/// A variable and its classifier.
#[derive(Clone, Debug)]
pub(super) enum Var {
    /// Sorted literals; the class of the i-th is i + 2.
    Text(Slot, Vec<String>),
    /// Sorted thresholds; class 1 + how many are at most the value.
    Number(Slot, Vec<i64>),
    Pattern(Slot, Table),
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

/// Leaves with the classes where they are true.
type Meanings = Vec<(Leaf, Vec<u32>)>;

/// All variables, their graph and what is known of it.
#[derive(Debug)]
pub(super) struct Vars {
    pub(super) vars: Vec<Var>,
    pub(super) graph: Graph,
    meanings: HashMap<Leaf, Meaning>,
    /// The text and number variables of a slot.
    by_slot: HashMap<(Slot, bool), u32>,
    tests: HashMap<(Test, bool), Ref>,
}

/// An address as a number, IPv4 as IPv4-mapped.
pub(super) fn ip_number(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().into(),
        IpAddr::V6(v6) => v6.into(),
    }
}

fn last_address(net: &IpNet) -> u128 {
    let last = ip_number(net.broadcast());
    canary!(
        CidrEdge,
        last.saturating_sub(1).max(ip_number(net.network())),
        last
    )
}

/// Networks as inclusive ranges, sorted and merged.
pub(super) fn ranges(nets: &[IpNet]) -> Vec<(u128, u128)> {
    let mut all: Vec<(u128, u128)> = nets
        .iter()
        .map(|n| (ip_number(n.network()), last_address(n)))
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
    numbers: BTreeMap<Slot, BTreeSet<i64>>,
    patterns: BTreeMap<Slot, BTreeSet<String>>,
    addresses: BTreeMap<Slot, BTreeSet<Vec<(u128, u128)>>>,
    plain: BTreeSet<Leaf>,
}

impl Asked {
    fn test(&mut self, test: &Test) {
        match test {
            Test::True => {}
            Test::Not(inner) => self.test(inner),
            Test::All(parts) | Test::Any(parts) => parts.iter().for_each(|p| self.test(p)),
            Test::Leaf(leaf) => self.leaf(leaf),
        }
    }

    fn leaf(&mut self, leaf: &Leaf) {
        match leaf {
            Leaf::TextIn(slot, values) => self
                .texts
                .entry(*slot)
                .or_default()
                .extend(values.iter().cloned()),
            Leaf::Number(slot, operator, n) => {
                thresholds(*operator, *n, self.numbers.entry(*slot).or_default())
            }
            Leaf::NumberIn(slot, values) => {
                let own = self.numbers.entry(*slot).or_default();
                values.iter().for_each(|n| thresholds(op::EQ, *n, own));
            }
            Leaf::Matches(slot, regex) => {
                self.patterns.entry(*slot).or_default().insert(regex.clone());
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
    if matches!(operator, op::EQ | op::NE | op::LT | op::GE) {
        out.insert(n);
    }
    if matches!(operator, op::EQ | op::NE | op::LE | op::GT) {
        out.extend(n.checked_add(1));
    }
}

impl Vars {
    /// Numbers all variables and builds their classifiers.
    pub(super) fn plan(policy: &Policy, lowered: &Lowered, slots: &mut Slots) -> Result<Vars, CompileError> {
        let mut asked = Asked::default();
        for instance in lowered.iter().flatten() {
            asked.test(&instance.condition);
            for part in &instance.parts {
                let (Part::Scope(_, test) | Part::Acr(test) | Part::Age(test) | Part::Condition(_, test)) =
                    part;
                asked.test(test);
            }
        }
        // Denies without an answer of their own ask whether a credential of their kind is valid.
        if policy.rules.iter().any(|r| !r.credentials().is_empty()) {
            asked.plain.extend((0..4).map(Leaf::Valid));
        }
        let mut vars = Vars {
            vars: Vec::new(),
            graph: Graph::default(),
            meanings: HashMap::new(),
            by_slot: HashMap::new(),
            tests: HashMap::new(),
        };
        let mut unordered: Vec<(u32, Var, Meanings)> = Vec::new();
        let rank = |slot: Slot| slots.sources.get(slot as usize).map_or(u32::MAX, cost);

        for (slot, texts) in asked.texts {
            unordered.push((
                rank(slot),
                Var::Text(slot, texts.into_iter().collect()),
                Vec::new(),
            ));
        }
        for (slot, numbers) in asked.numbers {
            unordered.push((
                rank(slot) + 1,
                Var::Number(slot, numbers.into_iter().collect()),
                Vec::new(),
            ));
        }
        for (slot, nets) in asked.addresses {
            // Many networks that overlap cut each other into many classes, and a wide one is then true in most of them.
            // A classifier of its own costs each test a search of a few ranges and the image a few words.
            let together = if nets.len() > NETWORKS_MAX {
                1
            } else {
                NETWORKS_MAX
            };
            let nets: Vec<Vec<(u128, u128)>> = nets.into_iter().collect();
            for nets in nets.chunks(together) {
                let (classes, meanings) = address_classes(slot, nets.iter().cloned().collect());
                unordered.push((rank(slot) + 2, Var::Address(slot, classes), meanings));
            }
        }
        for (slot, patterns) in asked.patterns {
            let patterns: Vec<String> = patterns.into_iter().collect();
            let groups = pattern::group(&patterns).map_err(|i| CompileError::PatternTooLarge {
                pattern: patterns[i].clone(),
            })?;
            for (members, table) in groups {
                let meanings = members
                    .iter()
                    .enumerate()
                    .map(|(place, index)| {
                        let classes = (0..table.sets.len() as u32)
                            .filter(|c| table.sets[*c as usize].contains(&place))
                            .map(|c| c + 1)
                            .collect();
                        (Leaf::Matches(slot, patterns[*index].clone()), classes)
                    })
                    .collect();
                unordered.push((rank(slot) + 3, Var::Pattern(slot, table), meanings));
            }
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
        Ok(vars)
    }

    fn number(&mut self, id: u32, var: &Var, meanings: Meanings) {
        let count = match var {
            Var::Text(_, values) => values.len() as u32 + 2,
            Var::Number(_, thresholds) => thresholds.len() as u32 + 2,
            Var::Pattern(_, table) => table.sets.len() as u32 + 1,
            Var::Address(_, ranges) => ranges.iter().map(|r| r.1).max().unwrap_or(1) + 1,
            Var::Plain(_) | Var::Sub(_) => 3,
        };
        for (leaf, yes) in meanings {
            self.meanings.insert(leaf, Meaning { var: id, yes, count });
        }
        match var {
            Var::Text(slot, _) => drop(self.by_slot.insert((*slot, true), id)),
            Var::Number(slot, _) => drop(self.by_slot.insert((*slot, false), id)),
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
        if let Some(meaning) = self.meanings.get(leaf) {
            return meaning.clone();
        }
        let slot = match leaf {
            Leaf::TextIn(slot, _) => (*slot, true),
            Leaf::Number(slot, ..) | Leaf::NumberIn(slot, _) => (*slot, false),
            _ => (Slot::MAX, false),
        };
        let id = self.by_slot.get(&slot).copied();
        let found = id
            .zip(id.and_then(|id| self.vars.get(id as usize)))
            .and_then(|(var, of)| {
                let (yes, values) = match (of, leaf) {
                    (Var::Text(_, all), Leaf::TextIn(_, values)) => {
                        let place = |v: &String| all.binary_search(v).ok().map(|i| i as u32 + 2);
                        let mut yes: Vec<u32> = values.iter().filter_map(place).collect();
                        yes.sort_unstable();
                        yes.dedup();
                        (yes, all.len())
                    }
                    (Var::Number(_, all), Leaf::Number(_, operator, n)) => {
                        (number_classes(all, |v| holds(*operator, v, *n)), all.len())
                    }
                    (Var::Number(_, all), Leaf::NumberIn(_, values)) => {
                        (number_classes(all, |v| values.contains(&v)), all.len())
                    }
                    _ => return None,
                };
                Some(Meaning {
                    var,
                    yes,
                    count: values as u32 + 2,
                })
            });
        // Every leaf was asked for above; a leaf without a variable would be never true.
        found.unwrap_or(Meaning {
            var: u32::MAX - 1,
            yes: Vec::new(),
            count: 2,
        })
    }

    /// The graph of "definitely true" (`truth`) or "definitely false" of a condition.
    pub(super) fn graph_of(&mut self, test: &Test, truth: bool) -> Ref {
        match test {
            Test::True => return if truth { YES } else { NO },
            Test::Not(inner) => return self.graph_of(inner, !truth),
            _ => {}
        }
        let key = (test.clone(), truth);
        if let Some(done) = self.tests.get(&key) {
            return *done;
        }
        let root = match test {
            Test::All(parts) => self.fold(parts, truth, truth),
            Test::Any(parts) => self.fold(parts, truth, !truth),
            Test::Leaf(leaf) => self.leaf(leaf, truth),
            Test::True | Test::Not(_) => NO,
        };
        self.tests.insert(key, root);
        root
    }

    /// "Not definitely false": true or unknown.
    pub(super) fn maybe(&mut self, test: &Test) -> Ref {
        let no = self.graph_of(test, false);
        self.graph.not(no)
    }

    fn fold(&mut self, parts: &[Test], truth: bool, conjunction: bool) -> Ref {
        let mut all = if conjunction { YES } else { NO };
        for part in parts {
            let part = self.graph_of(part, truth);
            all = if conjunction {
                self.and(all, part)
            } else {
                self.or(all, part)
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
        let known = self
            .vars
            .iter()
            .position(|v| matches!(v, Var::Sub(own) if *own == root));
        let id = known.unwrap_or_else(|| {
            self.vars.push(Var::Sub(root));
            self.vars.len() - 1
        });
        self.graph.make(id as u32, NO, vec![(2, YES)])
    }

    fn leaf(&mut self, leaf: &Leaf, truth: bool) -> Ref {
        let Meaning { var, yes, count } = self.meaning(leaf);
        let two_valued = matches!(
            leaf,
            Leaf::Exists(_) | Leaf::Anchor(..) | Leaf::Presented(_) | Leaf::Valid(_) | Leaf::Age(..)
        );
        let of = |class: u32| {
            let holds = yes.binary_search(&class).is_ok();
            let unknown = class == 0 && !two_valued;
            if unknown {
                NO
            } else if holds == truth {
                YES
            } else {
                NO
            }
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

fn number_classes(thresholds: &[i64], holds: impl Fn(i64) -> bool) -> Vec<u32> {
    // A class is an interval [low, high); the truth of every test is constant on it, so its first value decides.
    let first = std::iter::once(i64::MIN).chain(thresholds.iter().copied());
    first
        .zip(1u32..)
        .filter(|(low, _)| holds(*low))
        .map(|(_, class)| class)
        .collect()
}

fn holds(operator: u32, value: i64, n: i64) -> bool {
    match operator {
        op::EQ => value == n,
        op::NE => value != n,
        op::LT => value < n,
        op::LE => value <= n,
        op::GT => value > n,
        _ => value >= n,
    }
}

type Classes = (Vec<(u128, u32)>, Meanings);

/// Cuts the address space where membership changes; ranges with the same members share a class. Class 1 is none.
fn address_classes(slot: Slot, nets: BTreeSet<Vec<(u128, u128)>>) -> Classes {
    let nets: Vec<Vec<(u128, u128)>> = nets.into_iter().collect();
    let mut cuts: BTreeMap<u128, Vec<(usize, bool)>> = BTreeMap::new();
    for (i, ranges) in nets.iter().enumerate() {
        for (start, end) in ranges {
            cuts.entry(*start).or_default().push((i, true));
            if let Some(after) = end.checked_add(1) {
                cuts.entry(after).or_default().push((i, false));
            }
        }
    }
    let mut sets: BTreeMap<BTreeSet<usize>, u32> = BTreeMap::from([(BTreeSet::new(), 1)]);
    let mut open: BTreeMap<usize, i64> = BTreeMap::new();
    let mut out: Vec<(u128, u32)> = Vec::new();
    for (at, changes) in cuts {
        for (i, opens) in changes {
            *open.entry(i).or_default() += if opens { 1 } else { -1 };
        }
        let set: BTreeSet<usize> = open.iter().filter(|(_, n)| **n > 0).map(|(i, _)| *i).collect();
        let next = sets.len() as u32 + 1;
        let class = *sets.entry(set).or_insert(next);
        if out.last().map_or(1, |last| last.1) != class {
            out.push((at, class));
        }
    }
    let meanings = nets
        .iter()
        .enumerate()
        .map(|(i, ranges)| {
            let mut yes: Vec<u32> = sets
                .iter()
                .filter(|(set, _)| set.contains(&i))
                .map(|(_, class)| *class)
                .collect();
            yes.sort_unstable();
            (Leaf::Address(slot, ranges.clone()), yes)
        })
        .collect();
    (out, meanings)
}

/// What it costs to fetch a fact, roughly in the order of pointer chases; ten apart to leave room for kinds.
fn cost(source: &Source) -> u32 {
    match source {
        Source::Segment { .. } => 10,
        Source::Method | Source::Scheme | Source::Host | Source::Port | Source::Path | Source::Sni => 20,
        Source::Size | Source::ContentType | Source::Protocol | Source::ConnectionIp | Source::Now => 30,
        Source::Rest { .. } => 40,
        Source::Header(_) | Source::Trusted(_) | Source::ClientIp => 50,
        Source::Query(_) | Source::Cookie(_) => 60,
        Source::KeyId | Source::SignatureName | Source::PeerSpiffe | Source::PeerDns => 70,
        Source::PeerSubject | Source::PeerFingerprint | Source::KeyField(_) => 80,
        Source::Claim(_) | Source::Scopes => 90,
        Source::Context(_) => 100,
        Source::Cell { .. } => 110,
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
