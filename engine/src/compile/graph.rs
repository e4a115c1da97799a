//! Tests over classes -> hash-consed, ordered, multi-valued decision diagrams (Bryant 1986; Srinivasan et al. 1990
//! for the multi-valued kind). Knows neither rules nor facts: a variable is a number, its classes are numbers.
//!
//! Canonical form: a node's default is its child for class 1, its arms are the other classes with another child, in
//! order; so equal functions are the same node. Every operation has a budget and gives up rather than blow up;
//! who called it then keeps the parts apart.

use std::collections::HashMap;

#[cfg(test)]
mod tests;

/// A node or a leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Ref {
    /// A value; 0 is false or nothing.
    Leaf(u32),
    /// Index into the graph's nodes; its children are smaller.
    Node(u32),
}

/// False, or no rule.
pub(super) const NO: Ref = Ref::Leaf(0);
/// True.
pub(super) const YES: Ref = Ref::Leaf(1);

/// An operation needed more new nodes than its budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OverBudget;

/// New nodes that one operation may make. It also bounds the depth of the recursion: a path of a result has at most
/// as many nodes as both operands have variables, and each operand was made within the same budget.
pub(super) const OPERATION_NODES_MAX: u32 = 1_000;

/// One decision.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Node {
    /// Variable; smaller than those of its children.
    pub(super) var: u32,
    /// Child of class 1 and of every class that no arm names.
    pub(super) default: Ref,
    /// Other classes, ascending, each with a child that is not the default.
    pub(super) arms: Vec<(u32, Ref)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Op {
    And,
    Or,
    /// The left leaf unless it is 0, else the right one.
    First,
}

/// All nodes of a policy, shared between its graphs.
#[derive(Debug, Default)]
pub(super) struct Graph {
    nodes: Vec<Node>,
    unique: HashMap<Node, u32>,
    memo: HashMap<(Op, Ref, Ref), Ref>,
    labels: HashMap<(Ref, u32), Ref>,
}

impl Graph {
    pub(super) fn node(&self, index: u32) -> &Node {
        &self.nodes[index as usize]
    }

    pub(super) fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// A node; arms that do not differ from the default vanish.
    pub(super) fn make(&mut self, var: u32, default: Ref, mut arms: Vec<(u32, Ref)>) -> Ref {
        arms.retain(|(_, child)| *child != default);
        if arms.is_empty() {
            return default;
        }
        let node = Node { var, default, arms };
        if let Some(index) = self.unique.get(&node) {
            return Ref::Node(*index);
        }
        let index = self.nodes.len() as u32;
        self.nodes.push(node.clone());
        self.unique.insert(node, index);
        Ref::Node(index)
    }

    pub(super) fn and(&mut self, a: Ref, b: Ref) -> Result<Ref, OverBudget> {
        let mut budget = OPERATION_NODES_MAX;
        self.apply(Op::And, a, b, &mut budget)
    }

    pub(super) fn or(&mut self, a: Ref, b: Ref) -> Result<Ref, OverBudget> {
        let mut budget = OPERATION_NODES_MAX;
        self.apply(Op::Or, a, b, &mut budget)
    }

    /// Not, of a graph with leaves 0 and 1. Linear, so without a budget.
    pub(super) fn not(&mut self, a: Ref) -> Ref {
        self.relabel(a, u32::MAX)
    }

    /// The graph with leaf `value` where `a` is true.
    pub(super) fn label(&mut self, a: Ref, value: u32) -> Ref {
        self.relabel(a, value)
    }

    /// `u32::MAX` swaps 0 and 1; any other value replaces 1.
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
                    .into_iter()
                    .map(|(class, child)| (class, self.relabel(child, value)))
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
        match ranked {
            [] => Vec::new(),
            [one] => vec![*one],
            _ => {
                let (left, right) = ranked.split_at(ranked.len() / 2);
                let (mut left, right) = (self.first_of(left), self.first_of(right));
                if let ([a], [b]) = (left.as_slice(), right.as_slice()) {
                    let mut budget = OPERATION_NODES_MAX;
                    if let Ok(merged) = self.apply(Op::First, *a, *b, &mut budget) {
                        return vec![merged];
                    }
                }
                left.extend(right);
                left
            }
        }
    }

    fn apply(&mut self, op: Op, a: Ref, b: Ref, budget: &mut u32) -> Result<Ref, OverBudget> {
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
        let var = self.var(a).min(self.var(b));
        let (left, right) = (self.split(a, var), self.split(b, var));
        let default = self.apply(op, left.0, right.0, budget)?;
        let mut arms = Vec::with_capacity(left.1.len().max(right.1.len()));
        let (mut i, mut j) = (0, 0);
        while i < left.1.len() || j < right.1.len() {
            let next = |arms: &[(u32, Ref)], at: usize| arms.get(at).map_or(u32::MAX, |arm| arm.0);
            let (x, y) = (next(&left.1, i), next(&right.1, j));
            let class = x.min(y);
            let take = |arms: &[(u32, Ref)], at: &mut usize, here: bool, default: Ref| {
                if here {
                    *at += 1;
                    arms[*at - 1].1
                } else {
                    default
                }
            };
            let p = take(&left.1, &mut i, x == class, left.0);
            let q = take(&right.1, &mut j, y == class, right.0);
            arms.push((class, self.apply(op, p, q, budget)?));
        }
        let before = self.nodes.len();
        let made = self.make(var, default, arms);
        if self.nodes.len() > before {
            *budget = budget.checked_sub(1).ok_or(OverBudget)?;
        }
        self.memo.insert(key, made);
        Ok(made)
    }

    fn var(&self, a: Ref) -> u32 {
        match a {
            Ref::Leaf(_) => u32::MAX,
            Ref::Node(index) => self.node(index).var,
        }
    }

    /// Children of `a` under a variable that is not above it.
    fn split(&self, a: Ref, var: u32) -> (Ref, Vec<(u32, Ref)>) {
        match a {
            Ref::Node(index) if self.node(index).var == var => {
                let node = self.node(index);
                (node.default, node.arms.clone())
            }
            _ => (a, Vec::new()),
        }
    }
}
