//! Entries: one head word that says what is there, and what is there.
//!
//! Most entries decide for one rule, and their graphs differ from those of other rules in nothing but the rule at their
//! leaves. Such a graph is written with leaf 1, so that equal conditions share their nodes, and the entry says what
//! leaf 1 means.

use std::collections::{BTreeSet, HashMap};

use super::Writer;
use super::nodes::Nodes;
use crate::entries::{Entries, Entry, Explanation};
use crate::graph::{Ref, YES};
use crate::vars::{Var, Vars};
use portcullis::image::config::Config;
use portcullis::image::layout::{dir, entry, fallback, lack};

/// No leaf but 0.
const NONE: u32 = 0;
/// Several leaves.
const MANY: u32 = u32::MAX;

/// An entry's graphs of denies, grants, lacks of age and of scope, with leaves as they are written.
pub(super) struct Labels {
    /// What leaf 1 means where the bit of an array is set.
    label: u32,
    bits: u32,
    graphs: [Vec<Ref>; 4],
}

/// Finds the graphs that have one leaf and gives them leaf 1.
pub(super) fn labels(plan: &Entries, vars: &mut Vars) -> Vec<Labels> {
    let mut leaves = Vec::with_capacity(vars.graph.nodes().len());
    for node in vars.graph.nodes() {
        // Children have smaller indices.
        let children = std::iter::once(&node.default).chain(node.arms.iter().map(|arm| &arm.1));
        let only = children.fold(NONE, |only, child| match (only, leaf_of(*child, &leaves)) {
            (only, NONE) => only,
            (NONE, leaf) => leaf,
            (only, leaf) if only == leaf => only,
            _ => MANY,
        });
        leaves.push(only);
    }
    let mut out = Vec::with_capacity(plan.entries.len());
    for of in &plan.entries {
        let mut graphs = [&of.deny, &of.grant, &of.age, &of.scope].map(Vec::clone);
        let only = |graph: &Vec<Ref>| match graph.as_slice() {
            [root @ Ref::Node(_)] => {
                Some(leaf_of(*root, &leaves)).filter(|leaf| *leaf != MANY && *leaf != NONE)
            }
            _ => None,
        };
        // The grant's rule if it has one; the lacks of the same rule then share its label.
        let label = only(&graphs[1]).or_else(|| graphs.iter().find_map(only));
        let mut bits = 0;
        for (i, graph) in graphs.iter_mut().enumerate() {
            if label.is_some() && only(graph) == label {
                bits |= 1 << i;
                graph
                    .iter_mut()
                    .for_each(|root| *root = vars.graph.label(*root, 1));
            }
        }
        out.push(Labels {
            label: label.unwrap_or(0),
            bits,
            graphs,
        });
    }
    out
}

fn leaf_of(root: Ref, leaves: &[u32]) -> u32 {
    match root {
        Ref::Leaf(value) => value,
        Ref::Node(index) => leaves[index as usize],
    }
}

/// Keeps the texts of Allow headers; gives their indices by the plan's.
pub(super) fn allow_texts(plan: &Entries, config: &mut Config) -> HashMap<u32, u32> {
    let used = plan.entries.iter().filter(|e| e.fallback == fallback::METHOD);
    let used: BTreeSet<u32> = used.map(|e| e.allow).collect();
    config.texts = used.iter().map(|i| plan.texts[*i as usize].clone()).collect();
    used.into_iter().zip(0..).collect()
}

/// Every graph that the image needs.
pub(super) fn roots(plan: &Entries, labels: &[Labels], symbols: bool) -> Vec<Ref> {
    let mut out = Vec::new();
    for (of, labels) in plan.entries.iter().zip(labels) {
        out.extend(hot_roots(of, labels));
        if symbols {
            out.extend(of.closest.iter().flat_map(|e| e.1.iter()).map(|part| part.2));
        }
    }
    out
}

fn hot_roots(of: &Entry, labels: &Labels) -> Vec<Ref> {
    let mut out = labels.graphs.concat();
    out.extend(of.oblige.iter().map(|o| o.1));
    out.extend(of.standing.iter().chain(&of.report).flat_map(|s| [s.1, s.2]));
    out.extend(fresh(of).flat_map(|e| e.1.iter()).map(|part| part.2));
    out
}

/// Explanations of allows that ask for an acr or an age: the challenge says which of them lacks.
fn fresh(of: &Entry) -> impl Iterator<Item = &Explanation> {
    let asks = |e: &&Explanation| e.1.iter().any(|part| part.0 == lack::ACR || part.0 == lack::AGE);
    of.closest.iter().filter(asks)
}

impl Writer {
    /// Gives the offset of each entry.
    pub(super) fn entries(
        &mut self,
        plan: &Entries,
        vars: &Vars,
        labels: &[Labels],
        allow_texts: &HashMap<u32, u32>,
        nodes: &Nodes,
        symbols: bool,
    ) -> Vec<u32> {
        let filters = self.filters(plan);
        self.directory(dir::FRESH, self.here());
        let mut known: HashMap<Vec<u32>, u32> = HashMap::new();
        let mut records = Vec::with_capacity(plan.entries.len());
        for of in &plan.entries {
            let mut offsets: Vec<u32> = fresh(of)
                .map(|e| {
                    *known
                        .entry(fresh_words(e, nodes))
                        .or_insert_with_key(|words| self.push(words))
                })
                .collect();
            offsets.sort_unstable();
            offsets.dedup();
            records.push(offsets);
        }
        self.directory(dir::ENTRIES, self.here());
        // Entries that differ in their explanations only are one where nobody explains.
        let mut known: HashMap<(Vec<u32>, &[Explanation]), u32> = HashMap::new();
        let mut offsets = Vec::with_capacity(plan.entries.len());
        let has_subs = vars.vars.iter().any(|v| matches!(v, Var::Sub(_)));
        for (((of, labels), fresh), filters) in plan.entries.iter().zip(labels).zip(records).zip(filters) {
            let subs = if has_subs {
                vars.subs_of(hot_roots(of, labels))
            } else {
                Vec::new()
            };
            let allow = allow_texts.get(&of.allow).copied().unwrap_or(0);
            let words = entry_words(of, labels, (allow, filters), subs, fresh, nodes);
            let explained = if symbols { of.closest.as_slice() } else { &[] };
            let made = known.entry((words, explained));
            offsets.push(*made.or_insert_with_key(|(words, _)| self.push(words)));
        }
        self.directory(dir::ENTRIES_END, self.here());
        self.directory(dir::ENTRY_COUNT, known.len() as u32);
        offsets
    }
}

/// Rule, acr, age, and the roots of the rest.
fn fresh_words((rule, parts): &Explanation, nodes: &Nodes) -> Vec<u32> {
    let of = |kind: u32| {
        parts
            .iter()
            .find(|part| part.0 == kind)
            .map_or(YES, |part| part.2)
    };
    let rest = parts
        .iter()
        .filter(|part| part.0 != lack::ACR && part.0 != lack::AGE)
        .filter(|part| part.0 & ((1 << lack::KIND_BITS) - 1) != lack::FACT);
    let rest: Vec<u32> = rest.map(|part| nodes.reference(part.2)).collect();
    let head = [
        *rule,
        nodes.reference(of(lack::ACR)),
        nodes.reference(of(lack::AGE)),
        rest.len() as u32,
    ];
    head.into_iter().chain(rest).collect()
}

fn entry_words(
    of: &Entry,
    labels: &Labels,
    (allow, filters): (u32, u32),
    subs: Vec<u32>,
    fresh: Vec<u32>,
    nodes: &Nodes,
) -> Vec<u32> {
    let root = |r: &Ref| nodes.reference(*r);
    let roots = |items: &[Ref]| items.iter().map(root).collect::<Vec<u32>>();
    let pairs = |items: &[(u32, Ref)]| items.iter().flat_map(|i| [i.0, root(&i.1)]).collect::<Vec<u32>>();
    let triples = |items: &[(u32, Ref, Ref)]| {
        let words = items.iter().flat_map(|i| [i.0, root(&i.1), root(&i.2)]);
        words.collect::<Vec<u32>>()
    };
    let [deny, grant, age, scope] = &labels.graphs;
    let arrays: [Vec<u32>; entry::ARRAYS] = [
        subs,
        roots(deny),
        roots(grant),
        roots(age),
        roots(scope),
        pairs(&of.oblige),
        triples(&of.standing),
        triples(&of.report),
        fresh,
    ];
    let mut head = of.fallback << entry::FALLBACK_SHIFT
        | of.kinds << entry::KINDS_SHIFT
        | labels.bits << entry::LABELLED_SHIFT;
    let mut words = vec![0];
    if of.fallback == fallback::METHOD {
        words.push(allow);
    }
    if labels.bits != 0 {
        words.push(labels.label);
    }
    if filters != 0 {
        head |= 1 << entry::FILTERED_SHIFT;
        words.push(filters);
    }
    for (i, (array, size)) in arrays.iter().zip(entry::ITEM).enumerate() {
        if array.is_empty() {
            continue;
        }
        head |= 1 << i << entry::PRESENT_SHIFT;
        if array.len() as u32 != size {
            head |= 1 << i << entry::COUNTED_SHIFT;
            words.push(array.len() as u32 / size);
        }
        words.extend(array);
    }
    words[0] = head;
    words
}
