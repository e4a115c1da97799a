//! Decision graphs -> Graphviz text.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::bound::slots;
use super::{Inspection, children, entries, roots};
use portcullis::image::Image;
use portcullis::image::entry::Node;
use portcullis::image::layout::{self, LEAF, dir, var};

/// Nodes that a picture shows at most: past that nobody reads it.
const DOT_NODES_MAX: usize = 400;

impl Inspection {
    /// The decision graphs as Graphviz text, cut at some 400 nodes with a note.
    pub fn dot(image: &Image) -> String {
        let mut out =
            String::from("digraph portcullis {\n  rankdir=LR; node [shape=box, fontname=\"sans-serif\"];\n");
        let (mut seen, mut drawn) = (BTreeSet::new(), 0);
        'entries: for (e, (_, entry)) in entries(image).enumerate() {
            for (name, root) in roots(image, &entry) {
                if root & LEAF != 0 {
                    continue;
                }
                let _ = writeln!(
                    out,
                    "  e{e} [label=\"entry {e}\", shape=ellipse];\n  e{e} -> n{root} [label=\"{name}\"];"
                );
                let mut todo = vec![root];
                while let Some(node) = todo.pop() {
                    if !seen.insert(node) {
                        continue;
                    }
                    drawn += 1;
                    if drawn > DOT_NODES_MAX {
                        let _ = writeln!(
                            out,
                            "  more [label=\"cut at {DOT_NODES_MAX} nodes\", shape=note];"
                        );
                        break 'entries;
                    }
                    let read = Node::read(node, |at| image.word(at));
                    let _ = writeln!(
                        out,
                        "  n{node} [label=\"{}\"];",
                        escape(&variable(image, read.var))
                    );
                    for (class, child) in children(image, read) {
                        let label = class.map_or_else(|| "else".to_string(), |c| c.to_string());
                        if child & LEAF != 0 {
                            let _ = writeln!(
                                out,
                                "  l{node}_{label} [label=\"{}\", shape=plaintext];",
                                child & !LEAF
                            );
                            let _ = writeln!(out, "  n{node} -> l{node}_{label} [label=\"{label}\"];");
                        } else {
                            let _ = writeln!(out, "  n{node} -> n{child} [label=\"{label}\"];");
                            todo.push(child);
                        }
                    }
                }
            }
        }
        out.push_str("}\n");
        out
    }
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

fn variable(image: &Image, id: u32) -> String {
    let at = image.word(dir::VARS) + id * layout::VAR;
    let (head, b) = (image.word(at), image.word(at + 1));
    let (kind, a) = (head >> var::KIND_SHIFT, head & var::A_MAX);
    let fact = |slot: u32| {
        let source = image.config().sources.get(slot as usize);
        source.map_or_else(String::new, |s| format!("{s:?}"))
    };
    match kind {
        var::TEXT
        | var::NUMBER
        | var::PATTERN
        | var::SOME_PATTERN
        | var::ADDRESS
        | var::ADDRESS4
        | var::BOOL => fact(a),
        var::ELEMENT => element(image, a, b, &fact),
        var::KNOWN => format!("known {}", fact(a)),
        var::EXISTS => format!("exists {}", fact(a)),
        var::ANCHOR => format!("credential {a} of {b}"),
        var::PRESENTED => format!("credential {a} presented"),
        var::VALID => format!("credential {a} valid"),
        var::COMPARE => format!("{} ~ {}", fact(a), fact(b >> 4)),
        var::CONTAINS => format!("{} in {}", fact(b), fact(a)),
        var::LIST => format!("{} in list {b}", fact(a)),
        var::HOURS => format!("now in hours {b}"),
        var::SAMPLE => format!("sample of {}", fact(a)),
        var::AGE => format!("age of {}", fact(a)),
        _ => format!("condition {id}"),
    }
}

fn element(image: &Image, set: u32, bit: u32, fact: &dyn Fn(u32) -> String) -> String {
    let at = image.word(dir::SETS) + set * layout::SET;
    let text = slots(image, image.word(at + 1)).find(|slot| slot.value == bit);
    let text = text.and_then(|t| image.bytes().get(t.offset as usize..(t.offset + t.len) as usize));
    let text = String::from_utf8_lossy(text.unwrap_or(&[]));
    format!("{} has {text}", fact(image.word(at)))
}
