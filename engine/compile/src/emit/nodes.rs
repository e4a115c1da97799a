//! Graphs -> nodes. Only nodes that some root reaches are written, children behind their parents, each in the form that
//! is smallest for it.

use super::Writer;
use crate::CompileError;
use crate::graph::{Node, Ref};
use crate::vars::{Var, Vars};
use portcullis::image::layout::{LEAF, dir, node};

/// A dense node may be this many words larger than a sparse one: it is found by index and not by search.
const DENSE_SLACK: u32 = 4;

/// Where nodes stand.
pub(super) struct Nodes {
    /// By index; 0 where a node was not written.
    offsets: Vec<u32>,
}

impl Nodes {
    /// Writes all nodes that the roots reach, through sub-conditions too.
    pub(super) fn write(out: &mut Writer, vars: &Vars, mut todo: Vec<Ref>) -> Result<Nodes, CompileError> {
        if vars.vars.len() as u32 > node::VAR_MAX {
            return Err(CompileError::ImageTooLarge);
        }
        let nodes = vars.graph.nodes();
        let mut reached = vec![false; nodes.len()];
        while let Some(at) = todo.pop() {
            let Ref::Node(index) = at else { continue };
            if std::mem::replace(&mut reached[index as usize], true) {
                continue;
            }
            let of = vars.graph.node(index);
            if let Some(Var::Sub(root)) = vars.vars.get(of.var as usize) {
                todo.push(*root);
            }
            todo.push(of.default);
            todo.extend(of.arms.iter().map(|arm| arm.1));
        }
        // Children have smaller indices than their parents; written backwards, every edge points forward.
        let mut made = Nodes {
            offsets: vec![0; nodes.len()],
        };
        let start = out.here();
        let mut at = start;
        for index in (0..nodes.len()).rev().filter(|i| reached[*i]) {
            made.offsets[index] = at;
            at += Form::of(&nodes[index]).len();
        }
        for index in (0..nodes.len()).rev().filter(|i| reached[*i]) {
            made.node(out, &nodes[index]);
        }
        out.directory(dir::NODES, start);
        out.directory(dir::NODES_END, at);
        Ok(made)
    }

    /// A node's offset or a leaf.
    pub(super) fn reference(&self, r: Ref) -> u32 {
        match r {
            Ref::Leaf(value) => LEAF | value,
            Ref::Node(index) => self.offsets[index as usize],
        }
    }

    /// The same for a graph that explanations alone may ask, which is not there where they are not: a leaf that nobody
    /// reads.
    pub(super) fn reference_if_written(&self, r: Ref) -> u32 {
        match self.reference(r) {
            0 => LEAF,
            written => written,
        }
    }

    fn node(&self, out: &mut Writer, of: &Node) {
        let default = self.reference(of.default);
        let arms = of
            .arms
            .iter()
            .map(|(class, child)| (*class, self.reference(*child)));
        match Form::of(of) {
            Form::Two { falls } => {
                let form = if falls { node::FALL } else { node::TWO };
                for (class, child) in arms {
                    out.push(&[
                        form << node::FORM_SHIFT | class << node::CLASS_SHIFT | of.var,
                        child,
                    ]);
                }
                if !falls {
                    out.push(&[default]);
                }
            }
            Form::Sparse(count) => {
                out.push(&[node::SPARSE << node::FORM_SHIFT | of.var, count, default]);
                out.words.extend(arms.clone().map(|arm| arm.0));
                out.words.extend(arms.map(|arm| arm.1));
            }
            Form::Dense(count) => {
                out.push(&[node::DENSE << node::FORM_SHIFT | of.var, count, default]);
                let first = out.words.len();
                out.words.resize(first + count as usize, default);
                for (class, child) in arms {
                    out.words[first + class as usize] = child;
                }
            }
        }
    }
}

/// How a node is written.
enum Form {
    Two { falls: bool },
    Sparse(u32),
    Dense(u32),
}

impl Form {
    fn of(node: &Node) -> Form {
        let count = node.arms.len() as u32;
        let span = node.arms.last().map_or(0, |arm| arm.0.saturating_add(1));
        if count == 1 && span <= node::CLASS_MAX + 1 {
            return Form::Two {
                falls: node.default == Ref::Leaf(0),
            };
        }
        if span <= 2 * count + DENSE_SLACK {
            Form::Dense(span)
        } else {
            Form::Sparse(count)
        }
    }

    fn len(&self) -> u32 {
        match self {
            Form::Two { falls: true } => 2,
            Form::Two { falls: false } => 3,
            Form::Sparse(count) => 3 + 2 * count,
            Form::Dense(count) => 3 + count,
        }
    }
}
