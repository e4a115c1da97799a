//! A list of graphs -> rule bitmaps (Lakshman and Stiliadis 1998): for each variable and class, a bit for every graph
//! that can still say something. Their conjunction leaves few graphs, in order of rank, and each is asked itself; so
//! a bit too many costs time and never a decision, and the size is linear in the list and its tests.

use std::collections::BTreeMap;

use super::graph::{Graph, Ref};

/// Bits of a word.
const BITS: u32 = u32::BITS;
/// A variable gets bitmaps where its tests number at least one for this many words of a bitmap; a rarer test is left
/// to the graphs. So bitmaps have at most this many words for each test.
const COLUMN_WORDS_PER_TEST: usize = 8;
/// Nodes of one graph that are looked at for the classes without which it says nothing; of a larger one only its
/// first test counts.
const GRAPH_NODES_MAX: usize = 500;

/// Bitmaps of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// Length of the list.
    pub rows: u32,
    /// By variable.
    pub columns: Vec<Column>,
}

/// One variable's bitmaps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// The variable.
    pub var: u32,
    /// The bitmap of every class that `classes` does not name.
    pub default: Vec<u32>,
    /// Classes, ascending, with the words that differ from the default's: (index, word), ascending.
    pub classes: Vec<(u32, Vec<(u32, u32)>)>,
}

/// Classes of a variable: these, or all but these; sorted.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Classes {
    but: bool,
    named: Vec<u32>,
}

impl Classes {
    fn union(&self, other: &Classes) -> Classes {
        let has = |named: &[u32], class: &u32| named.binary_search(class).is_ok();
        let (a, b) = (&self.named, &other.named);
        let mut named: Vec<u32> = match (self.but, other.but) {
            (false, false) => a.iter().chain(b).copied().collect(),
            (true, true) => a.iter().filter(|c| has(b, c)).copied().collect(),
            (true, false) => a.iter().filter(|c| !has(b, c)).copied().collect(),
            (false, true) => b.iter().filter(|c| !has(a, c)).copied().collect(),
        };
        named.sort_unstable();
        named.dedup();
        Classes {
            but: self.but || other.but,
            named,
        }
    }
}

/// Variable -> classes without which a graph says nothing.
type Needs = BTreeMap<u32, Classes>;

/// Bitmaps over a list's graphs.
pub(super) fn filter(graph: &Graph, list: &[Ref]) -> Filter {
    let words = list.len().div_ceil(BITS as usize);
    let mut tests: BTreeMap<u32, Vec<(u32, Classes)>> = BTreeMap::new();
    for (row, root) in (0..).zip(list) {
        for (var, classes) in needs(graph, *root) {
            tests.entry(var).or_default().push((row, classes));
        }
    }
    let columns = tests
        .into_iter()
        .filter(|(_, tests)| tests.len() * COLUMN_WORDS_PER_TEST >= words)
        .map(|(var, tests)| column(var, words, &tests))
        .collect();
    Filter {
        rows: list.len() as u32,
        columns,
    }
}

fn column(var: u32, words: usize, tests: &[(u32, Classes)]) -> Column {
    let mut default = vec![u32::MAX; words];
    let mut flips: BTreeMap<(u32, u32), u32> = BTreeMap::new();
    for (row, classes) in tests {
        let (word, bit) = (row / BITS, 1 << (row % BITS));
        if !classes.but {
            default[word as usize] &= !bit;
        }
        for class in &classes.named {
            *flips.entry((*class, word)).or_default() |= bit;
        }
    }
    let mut classes: Vec<(u32, Vec<(u32, u32)>)> = Vec::new();
    for ((class, word), bits) in flips {
        let patch = (word, default[word as usize] ^ bits);
        match classes.last_mut() {
            Some((last, patches)) if *last == class => patches.push(patch),
            _ => classes.push((class, vec![patch])),
        }
    }
    Column {
        var,
        default,
        classes,
    }
}

/// What every way to a leaf other than 0 has in common.
fn needs(graph: &Graph, root: Ref) -> Needs {
    let Ref::Node(root) = root else {
        return Needs::new();
    };
    let Some(nodes) = below(graph, root) else {
        return Needs::from([(graph.node(root).var, not_to_zero(graph, root))]);
    };
    // Ascending, so children come before their parents.
    let mut known: BTreeMap<u32, Needs> = BTreeMap::new();
    for index in nodes {
        let node = graph.node(index);
        let mut common: Option<Needs> = None;
        let mut seen = Vec::new();
        for child in std::iter::once(node.default).chain(node.arms.iter().map(|arm| arm.1)) {
            if child == Ref::Leaf(0) || seen.contains(&child) {
                continue;
            }
            if seen.len() < 8 {
                seen.push(child);
            }
            let empty = Needs::new();
            let own = match child {
                Ref::Node(child) => known.get(&child).unwrap_or(&empty),
                Ref::Leaf(_) => &empty,
            };
            common = Some(match common {
                None => own.clone(),
                Some(before) => before
                    .into_iter()
                    .filter_map(|(var, classes)| Some((var, classes.union(own.get(&var)?))))
                    .collect(),
            });
        }
        let mut needs = common.unwrap_or_default();
        needs.insert(node.var, not_to_zero(graph, index));
        known.insert(index, needs);
    }
    known.remove(&root).unwrap_or_default()
}

/// Classes under which a node does not lead straight to 0.
fn not_to_zero(graph: &Graph, index: u32) -> Classes {
    let node = graph.node(index);
    let but = node.default != Ref::Leaf(0);
    let named = node
        .arms
        .iter()
        .filter(|arm| (arm.1 == Ref::Leaf(0)) == but)
        .map(|arm| arm.0)
        .collect();
    Classes { but, named }
}

/// A node and all below it, ascending, unless they are too many.
fn below(graph: &Graph, root: u32) -> Option<Vec<u32>> {
    let mut seen = std::collections::BTreeSet::from([root]);
    let mut todo = vec![root];
    while let Some(index) = todo.pop() {
        let node = graph.node(index);
        for child in std::iter::once(node.default).chain(node.arms.iter().map(|arm| arm.1)) {
            if let Ref::Node(child) = child
                && seen.insert(child)
            {
                todo.push(child);
            }
        }
        if seen.len() > GRAPH_NODES_MAX {
            return None;
        }
    }
    Some(seen.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::super::graph::{NO, YES};
    use super::*;

    /// Every filter keeps each row that says something, over all classes of three variables.
    #[test]
    fn no_bit_is_missing() {
        let mut graph = Graph::default();
        let mut list = Vec::new();
        for seed in 0..200u32 {
            let test = |graph: &mut Graph, var: u32, bits: u32| {
                let of = |class: u32| if bits >> class & 1 == 1 { YES } else { NO };
                graph.make(var, of(1), [0, 2, 3].map(|class| (class, of(class))).to_vec())
            };
            let parts =
                [0, 1, 2].map(|var| test(&mut graph, var, seed.wrapping_mul(0x9e37_79b9) >> (4 * var)));
            let both = graph.and(parts[0], parts[1]).unwrap();
            let root = if seed % 3 == 0 {
                graph.or(both, parts[2])
            } else {
                graph.and(both, parts[2])
            };
            list.push(graph.label(root.unwrap(), seed + 1));
        }
        let filter = filter(&graph, &list);
        assert_eq!(filter.columns.len(), 3);
        let mut dropped = 0;
        for classes in (0..64u32).map(|n| [n & 3, n >> 2 & 3, n >> 4]) {
            for (row, root) in list.iter().enumerate() {
                let mut at = *root;
                while let Ref::Node(index) = at {
                    let node = graph.node(index);
                    let class = classes[node.var as usize];
                    let arm = node.arms.iter().find(|arm| arm.0 == class);
                    at = arm.map_or(node.default, |arm| arm.1);
                }
                let kept = filter.columns.iter().all(|column| {
                    let patches = column
                        .classes
                        .iter()
                        .find(|c| c.0 == classes[column.var as usize]);
                    let word = patches
                        .and_then(|c| c.1.iter().find(|patch| patch.0 == row as u32 / 32))
                        .map_or(column.default[row / 32], |patch| patch.1);
                    word >> (row % 32) & 1 == 1
                });
                assert!(kept || at == NO, "row {row}, classes {classes:?}");
                dropped += u32::from(!kept);
            }
        }
        assert!(dropped > 64 * 200 / 2, "{dropped}");
    }
}
