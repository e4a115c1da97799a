//! Image -> sizes, counts, worst-case steps and a picture of its graphs, for people and for budgets in CI.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::layout::{self, LEAF, dir, entry, var};
use super::{Image, validate_bitmap};

/// What an image holds and what a decision can cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// Format version.
    pub format: u32,
    /// SHA-256 of the image.
    pub digest: [u8; 32],
    /// Section name, bytes.
    pub sections: Vec<(&'static str, usize)>,
    /// Services.
    pub services: usize,
    /// Rules.
    pub rules: usize,
    /// Facts the policy reads.
    pub facts: usize,
    /// Methods told apart.
    pub methods: usize,
    /// States of the routes.
    pub states: usize,
    /// Sets of patterns that match together.
    pub accepts: usize,
    /// Entries.
    pub entries: usize,
    /// Variables (classifiers).
    pub variables: usize,
    /// Decision nodes.
    pub nodes: usize,
    /// Nodes on the longest way through the worst entry's graphs, all graphs of a decision counted.
    pub steps_max: u64,
    /// Graphs that the worst entry walks; more than one a kind where merging them was over budget.
    pub graphs_max: u64,
    /// Entries with rule bitmaps for one of their lists; all others are graphs alone.
    pub entries_with_bitmaps: usize,
    /// Words of bitmaps that the worst entry reads.
    pub bitmap_words_max: u64,
}

pub(super) fn inspect(image: &Image) -> Inspection {
    let w = |at: u32| image.directory(at);
    let depths = depths(image);
    let (mut steps_max, mut graphs_max) = (0, 0);
    let (mut entries_with_bitmaps, mut bitmap_words_max) = (0, 0);
    for e in 0..w(dir::ENTRY_COUNT) {
        let roots = roots(image, w(w(dir::ENTRIES) + e));
        let steps = roots.iter().map(|(_, root)| depth(&depths, *root)).sum();
        steps_max = steps_max.max(steps);
        let filters = w(w(w(dir::ENTRIES) + e) + entry::FILTERS);
        if filters != 0 {
            entries_with_bitmaps += 1;
            let own = (0..validate_bitmap::LISTS)
                .map(|list| w(filters + list))
                .filter(|at| *at != 0);
            let read = own.map(|at| validate_bitmap::words_max(&image.words, at)).sum();
            bitmap_words_max = bitmap_words_max.max(read);
        }
        graphs_max = graphs_max.max(roots.len() as u64);
    }
    let name = |id| match id {
        layout::CONFIG => "config",
        layout::WORDS => "words",
        _ => "bytes",
    };
    Inspection {
        format: layout::FORMAT_VERSION,
        digest: image.digest,
        sections: image.sections.iter().map(|(id, len)| (name(*id), *len)).collect(),
        services: image.config.services.len(),
        rules: image.config.rules.len(),
        facts: image.config.sources.len(),
        methods: w(dir::METHODS) as usize,
        states: w(dir::STATE_COUNT) as usize,
        accepts: w(dir::ACCEPT_COUNT) as usize,
        entries: w(dir::ENTRY_COUNT) as usize,
        variables: w(dir::VAR_COUNT) as usize,
        nodes: node_offsets(image).len(),
        steps_max,
        graphs_max,
        entries_with_bitmaps,
        bitmap_words_max,
    }
}

/// Offsets of all nodes, in order.
fn node_offsets(image: &Image) -> Vec<u32> {
    let (mut at, end) = (image.directory(dir::NODES), image.directory(dir::NODES_END));
    let mut out = Vec::new();
    while at < end {
        out.push(at);
        at += 3 + 2 * image.directory(at + 1);
    }
    out
}

fn children(image: &Image, at: u32) -> impl Iterator<Item = (Option<u32>, u32)> + '_ {
    let arms = image.directory(at + 1);
    let arm = move |i: u32| {
        (
            Some(image.directory(at + 3 + 2 * i)),
            image.directory(at + 4 + 2 * i),
        )
    };
    std::iter::once((None, image.directory(at + 2))).chain((0..arms).map(arm))
}

/// Longest way from each node to a leaf, by offset; edges point forward, so one backward pass does.
fn depths(image: &Image) -> Vec<(u32, u64)> {
    let mut out: Vec<(u32, u64)> = Vec::new();
    let mut by_offset = std::collections::HashMap::new();
    for at in node_offsets(image).into_iter().rev() {
        let below = children(image, at)
            .map(|(_, c)| by_offset.get(&c).copied().unwrap_or(0))
            .max()
            .unwrap_or(0);
        by_offset.insert(at, below + 1);
        out.push((at, below + 1));
    }
    out.reverse();
    out
}

fn depth(depths: &[(u32, u64)], root: u32) -> u64 {
    depths
        .binary_search_by_key(&root, |d| d.0)
        .ok()
        .map_or(0, |i| depths[i].1)
}

/// All graphs of an entry with what they are for.
fn roots(image: &Image, at: u32) -> Vec<(&'static str, u32)> {
    let w = |at: u32| image.directory(at);
    let names = [
        "sub",
        "deny",
        "allow",
        "lacks age",
        "lacks scope",
        "obligation",
        "standing",
        "report",
    ];
    let mut out = Vec::new();
    let mut item = at + entry::LEN;
    for (i, size) in entry::ITEM.iter().enumerate() {
        for _ in 0..w(at + entry::SUBS + i as u32) {
            match names.get(i) {
                Some(name @ &"sub") => out.push((*name, w(w(dir::VARS) + w(item) * layout::VAR + 1))),
                Some(name) if *size == 1 => out.push((*name, w(item))),
                Some(name) => out.extend((1..*size).map(|k| (*name, w(item + k)))),
                None => {}
            }
            item += size;
        }
    }
    out
}

/// Nodes that a picture shows at most: past that nobody reads it.
const DOT_NODES_MAX: usize = 400;

impl Inspection {
    /// The decision graphs as Graphviz text, cut at some 400 nodes with a note.
    pub fn dot(image: &Image) -> String {
        let mut out =
            String::from("digraph portcullis {\n  rankdir=LR; node [shape=box, fontname=\"sans-serif\"];\n");
        let (mut seen, mut drawn) = (BTreeSet::new(), 0);
        'entries: for e in 0..image.directory(dir::ENTRY_COUNT) {
            let at = image.directory(image.directory(dir::ENTRIES) + e);
            for (name, root) in roots(image, at) {
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
                    let _ = writeln!(
                        out,
                        "  n{node} [label=\"{}\"];",
                        escape(&variable(image, image.directory(node)))
                    );
                    for (class, child) in children(image, node) {
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
    let at = image.directory(dir::VARS) + id * layout::VAR;
    let p = |i: u32| image.directory(at + 1 + i);
    let fact = |slot: u32| {
        image
            .config
            .sources
            .get(slot as usize)
            .map_or_else(String::new, |s| format!("{s:?}"))
    };
    match image.directory(at) {
        var::TEXT | var::NUMBER | var::PATTERN | var::ADDRESS | var::BOOL => fact(p(0)),
        var::ELEMENT => {
            let start = p(1) as usize;
            let text = image.bytes.get(start..start + p(2) as usize).unwrap_or(&[]);
            format!("{} has {}", fact(p(0)), String::from_utf8_lossy(text))
        }
        var::KNOWN => format!("known {}", fact(p(0))),
        var::EXISTS => format!("exists {}", fact(p(0))),
        var::ANCHOR => format!("credential {} of {}", p(0), p(1)),
        var::PRESENTED => format!("credential {} presented", p(0)),
        var::VALID => format!("credential {} valid", p(0)),
        var::COMPARE => format!("{} ~ {}", fact(p(0)), fact(p(1))),
        var::CONTAINS => format!("{} in {}", fact(p(1)), fact(p(0))),
        var::LIST => format!("{} in list {}", fact(p(0)), p(1)),
        var::HOURS => format!("now in hours {}", p(1)),
        var::SAMPLE => format!("sample of {}", fact(p(0))),
        var::AGE => format!("age of {}", fact(p(0))),
        _ => format!("condition {id}"),
    }
}
