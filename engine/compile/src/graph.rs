//! Tests over classes -> hash-consed, ordered, multi-valued decision diagrams (Bryant 1986; Srinivasan et al. 1990
//! for the multi-valued kind). Knows neither rules nor facts: a variable is a number, its classes are numbers.
//!
//! Canonical form: a node's default is its child for class 1, its arms are the other classes with another child, in
//! order; so equal functions are the same node. Every operation has a budget and gives up rather than blow up;
//! who called it then keeps the parts apart.

use std::hash::{BuildHasher, BuildHasherDefault};
use std::rc::Rc;

use super::hash::{Mix, Numbered};

#[cfg(test)]
mod tests;

/// A node or a leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ref {
    /// A value; 0 is false or nothing.
    Leaf(u32),
    /// Index into the graph's nodes; its children are smaller.
    Node(u32),
}

/// False, or no rule.
pub const NO: Ref = Ref::Leaf(0);
/// True.
pub const YES: Ref = Ref::Leaf(1);

/// An operation needed more steps than its budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OverBudget;

/// Pairs of nodes that one `and` or `or` may visit, which bounds the nodes it makes: a condition of a few dozen tests
/// stays far below, and one that does not is cheaper as parts.
pub(super) const OPERATION_PAIRS_MAX: u32 = 256;
/// Pairs that merging `n` graphs of a list may visit: [`MERGE_PAIRS_MIN`] and this many a graph. An entry whose graphs
/// do not merge within it is no decision tree by nature; rule bitmaps are smaller then.
pub(super) const MERGE_PAIRS_PER_GRAPH: u32 = 16;
/// See [`MERGE_PAIRS_PER_GRAPH`].
pub(super) const MERGE_PAIRS_MIN: u32 = 8_000;
/// Calls of an operation inside each other. A leaf lets the other operand through without one, so a conjunction of more
/// facts than this has a longer path, one node a fact.
pub(super) const DEPTH_MAX: u32 = 500;

/// Classes, ascending, with their children.
type Arms = Rc<[(u32, Ref)]>;

/// One decision.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Node {
    /// Variable; smaller than those of its children.
    pub var: u32,
    /// Child of class 1 and of every class that no arm names.
    pub default: Ref,
    /// Other classes, ascending, each with a child that is not the default.
    pub arms: Rc<[(u32, Ref)]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Op {
    And,
    Or,
    /// The left leaf unless it is 0, else the right one.
    First,
}

/// What is left of an operation's budget.
struct Budget {
    pairs: u32,
    depth: u32,
}

/// All nodes of a policy, shared between its graphs.
#[derive(Debug)]
pub struct Graph {
    nodes: Vec<Node>,
    /// Hash of a node -> the last node with it; `chain` leads to the others.
    unique: Numbered<u64, u32>,
    chain: Vec<u32>,
    memo: Numbered<(Op, Ref, Ref), Ref>,
    labels: Numbered<(Ref, u32), Ref>,
    /// Nodes that may be made.
    pub(super) max: usize,
    full: bool,
}

/// End of a chain.
const NONE: u32 = u32::MAX;

impl Default for Graph {
    fn default() -> Graph {
        Graph {
            nodes: Vec::new(),
            unique: Numbered::default(),
            chain: Vec::new(),
            memo: Numbered::default(),
            labels: Numbered::default(),
            max: super::NODES_MAX,
            full: false,
        }
    }
}

impl Graph {
    /// The node at an index that a [`Ref::Node`] of this graph holds.
    pub fn node(&self, index: u32) -> &Node {
        &self.nodes[index as usize]
    }

    /// All nodes; a child comes before its parents.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Whether more nodes were asked for than may be made. From then on nothing that was made means anything.
    pub(super) fn is_full(&self) -> bool {
        self.full
    }

    /// A node; arms that do not differ from the default vanish.
    pub(super) fn make(&mut self, var: u32, default: Ref, mut arms: Vec<(u32, Ref)>) -> Ref {
        arms.retain(|(_, child)| *child != default);
        if arms.is_empty() {
            return default;
        }
        let hash = BuildHasherDefault::<Mix>::default().hash_one((var, default, &arms));
        let last = self.unique.get(&hash).copied().unwrap_or(NONE);
        let mut at = last;
        while let Some(node) = self.nodes.get(at as usize) {
            if node.var == var && node.default == default && *node.arms == *arms {
                return Ref::Node(at);
            }
            at = self.chain[at as usize];
        }
        if self.nodes.len() >= self.max {
            self.full = true;
            return default;
        }
        let index = self.nodes.len() as u32;
        self.nodes.push(Node {
            var,
            default,
            arms: arms.into(),
        });
        self.chain.push(last);
        self.unique.insert(hash, index);
        Ref::Node(index)
    }

    pub(super) fn and(&mut self, a: Ref, b: Ref) -> Result<Ref, OverBudget> {
        self.operate(Op::And, a, b, &mut { OPERATION_PAIRS_MAX })
    }

    pub(super) fn or(&mut self, a: Ref, b: Ref) -> Result<Ref, OverBudget> {
        self.operate(Op::Or, a, b, &mut { OPERATION_PAIRS_MAX })
    }

    fn operate(&mut self, op: Op, a: Ref, b: Ref, pairs: &mut u32) -> Result<Ref, OverBudget> {
        let mut budget = Budget {
            pairs: *pairs,
            depth: DEPTH_MAX,
        };
        let done = self.apply(op, a, b, &mut budget);
        *pairs = budget.pairs;
        done
    }

    /// Not, of a graph with leaves 0 and 1. Linear, so without a budget.
    pub(super) fn not(&mut self, a: Ref) -> Ref {
        self.relabel(a, u32::MAX)
    }

    /// The graph with leaf `value` where `a` is true.
    pub(super) fn label(&mut self, a: Ref, value: u32) -> Ref {
        self.relabel(a, value)
    }

    /// `u32::MAX` swaps 0 and 1; any other value replaces 1. As deep as the operand, which is no
    /// deeper than the facts that its condition tests.
    fn relabel(&mut self, a: Ref, value: u32) -> Ref {
        match a {
            Ref::Leaf(0) if value == u32::MAX => YES,
            Ref::Leaf(0) => NO,
            Ref::Leaf(_) if value == u32::MAX => NO,
            Ref::Leaf(_) => Ref::Leaf(value),
            Ref::Node(index) => {
                if let Some(done) = self.labels.get(&(a, value)) {
                    return *done;
                }
                let Node { var, default, arms } = self.node(index).clone();
                let default = self.relabel(default, value);
                let arms = arms
                    .iter()
                    .map(|(class, child)| (*class, self.relabel(*child, value)))
                    .collect();
                let made = self.make(var, default, arms);
                self.labels.insert((a, value), made);
                made
            }
        }
    }

    /// Merges graphs in order of rank, the first leaf that is not 0 winning, as far as the budget carries: the result
    /// is one graph, or several to be tried in turn.
    pub(super) fn first_of(&mut self, ranked: &[Ref]) -> Vec<Ref> {
        let scaled = (ranked.len() as u32).saturating_mul(MERGE_PAIRS_PER_GRAPH);
        let mut pairs = scaled.saturating_add(MERGE_PAIRS_MIN);
        self.halves(ranked, &mut pairs)
    }

    /// As deep as the logarithm of the graphs' number.
    fn halves(&mut self, ranked: &[Ref], pairs: &mut u32) -> Vec<Ref> {
        match ranked {
            [] => Vec::new(),
            [one] => vec![*one],
            _ => {
                let (left, right) = ranked.split_at(ranked.len() / 2);
                let (mut left, right) = (self.halves(left, pairs), self.halves(right, pairs));
                if let ([a], [b]) = (left.as_slice(), right.as_slice()) {
                    // No single merge may eat the budget of all the others.
                    let own = (ranked.len() as u32).saturating_mul(MERGE_PAIRS_PER_GRAPH / 4);
                    let given = own.saturating_add(MERGE_PAIRS_MIN / 8).min(*pairs);
                    let mut rest = given;
                    let merged = self.operate(Op::First, *a, *b, &mut rest);
                    *pairs -= given - rest;
                    if let Ok(merged) = merged {
                        return vec![merged];
                    }
                }
                left.extend(right);
                left
            }
        }
    }

    fn apply(&mut self, op: Op, a: Ref, b: Ref, budget: &mut Budget) -> Result<Ref, OverBudget> {
        match (op, a, b) {
            (Op::And, Ref::Leaf(0), _) | (Op::And, _, Ref::Leaf(0)) => return Ok(NO),
            (Op::And, Ref::Leaf(_), x) | (Op::And, x, Ref::Leaf(_)) => return Ok(x),
            (Op::Or, Ref::Leaf(0), x) | (Op::Or, x, Ref::Leaf(0)) => return Ok(x),
            (Op::Or, Ref::Leaf(_), _) | (Op::Or, _, Ref::Leaf(_)) => return Ok(YES),
            (Op::First, Ref::Leaf(0), x) | (Op::First, x, Ref::Leaf(0)) => return Ok(x),
            (Op::First, Ref::Leaf(_), _) => return Ok(a),
            _ if a == b => return Ok(a),
            _ => {}
        }
        // And and or commute: one memo entry for both orders.
        let key = if op != Op::First && b < a {
            (op, b, a)
        } else {
            (op, a, b)
        };
        if let Some(done) = self.memo.get(&key) {
            return Ok(*done);
        }
        budget.pairs = budget.pairs.checked_sub(1).ok_or(OverBudget)?;
        budget.depth = budget.depth.checked_sub(1).ok_or(OverBudget)?;
        let var = self.var(a).min(self.var(b));
        let (left, right) = (self.split(a, var), self.split(b, var));
        let default = self.apply(op, left.0, right.0, budget)?;
        let left_arms = left.1.as_deref().unwrap_or_default();
        let right_arms = right.1.as_deref().unwrap_or_default();
        let mut arms = Vec::with_capacity(left_arms.len() + right_arms.len());
        let (mut i, mut j) = (0, 0);
        while i < left_arms.len() || j < right_arms.len() {
            let next = |arms: &[(u32, Ref)], at: usize| arms.get(at).map_or(u32::MAX, |arm| arm.0);
            let (x, y) = (next(left_arms, i), next(right_arms, j));
            let class = x.min(y);
            let take = |arms: &[(u32, Ref)], at: &mut usize, here: bool, default: Ref| {
                if here {
                    *at += 1;
                    arms[*at - 1].1
                } else {
                    default
                }
            };
            let p = take(left_arms, &mut i, x == class, left.0);
            let q = take(right_arms, &mut j, y == class, right.0);
            arms.push((class, self.apply(op, p, q, budget)?));
        }
        budget.depth += 1;
        let made = self.make(var, default, arms);
        self.memo.insert(key, made);
        Ok(made)
    }

    /// The variable of a root; leaves have none and come last.
    pub(super) fn var(&self, a: Ref) -> u32 {
        match a {
            Ref::Leaf(_) => u32::MAX,
            Ref::Node(index) => self.node(index).var,
        }
    }

    /// Children of `a` under a variable that is not above it.
    fn split(&self, a: Ref, var: u32) -> (Ref, Option<Arms>) {
        match a {
            Ref::Node(index) if self.node(index).var == var => {
                let node = self.node(index);
                (node.default, Some(node.arms.clone()))
            }
            _ => (a, None),
        }
    }

    /// Drops every node that no root reaches, and what was remembered of operations; gives the new place of a root.
    pub(super) fn keep(&mut self, roots: &[Ref]) -> impl Fn(Ref) -> Ref + use<> {
        let mut wanted = vec![false; self.nodes.len()];
        for root in roots {
            if let Ref::Node(index) = root {
                wanted[*index as usize] = true;
            }
        }
        // Children are smaller: one pass from the top reaches all.
        for index in (0..self.nodes.len()).rev() {
            if wanted[index] {
                let node = &self.nodes[index];
                let children = std::iter::once(node.default).chain(node.arms.iter().map(|arm| arm.1));
                children.for_each(|child| {
                    if let Ref::Node(child) = child {
                        wanted[child as usize] = true;
                    }
                });
            }
        }
        let (max, full) = (self.max, self.full);
        let mut place = vec![NONE; self.nodes.len()];
        let mut kept: Vec<Node> = Vec::new();
        for (index, node) in std::mem::take(self).nodes.into_iter().enumerate() {
            if wanted[index] {
                place[index] = kept.len() as u32;
                let moved = |r: Ref| match r {
                    Ref::Node(old) => Ref::Node(place[old as usize]),
                    leaf => leaf,
                };
                kept.push(Node {
                    var: node.var,
                    default: moved(node.default),
                    arms: node
                        .arms
                        .iter()
                        .map(|(class, child)| (*class, moved(*child)))
                        .collect(),
                });
            }
        }
        self.nodes = kept;
        (self.max, self.full) = (max, full);
        move |r| match r {
            Ref::Node(old) => place.get(old as usize).map_or(NO, |new| Ref::Node(*new)),
            leaf => leaf,
        }
    }
}
