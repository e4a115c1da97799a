//! How many words of the image a decision reads at most: every structure at its worst, under the limits on requests.
//! A bound and no estimate: a counting build never reads more. Explanations, which are for people, are not decisions.

use std::collections::{BTreeSet, HashMap};

use super::{Nodes, children, roots};
use portcullis::image::Image;
use portcullis::image::config::Source;
use portcullis::image::entry::{Entry, Node};
use portcullis::image::layout::{self, HAS_EDGES, LEAF, dir, entry, filter, node, var};
use portcullis::image::tables::{DFA_HEAD, EMPTY, IN_TURN, MAP_HEAD, MAP_SLOT};
use portcullis::limits;

/// Words of opening a map and of one probe that finds its text.
fn probe(image: &Image, map: u32) -> u64 {
    let longest = slots(image, map).map(|slot| slot.len).max().unwrap_or(0);
    u64::from(MAP_HEAD + 1 + MAP_SLOT) + u64::from(longest.div_ceil(4))
}

/// A slot of a map that is taken.
pub(super) struct Slot {
    pub(super) offset: u32,
    pub(super) len: u32,
    pub(super) value: u32,
}

/// The slots of a map that are taken.
pub(super) fn slots(image: &Image, map: u32) -> impl Iterator<Item = Slot> + '_ {
    let w = |at: u32| image.word(at);
    let first = map + MAP_HEAD + w(map + 1) + 1;
    let slots = (0..w(map + 2)).map(move |i| first + i * MAP_SLOT);
    slots.filter(move |at| w(at + 3) != EMPTY).map(move |at| Slot {
        offset: w(at + 2),
        len: w(at + 3),
        value: w(at + 4),
    })
}

/// Words of running an automaton over so many bytes.
fn dfa(bytes: usize) -> u64 {
    4 + 2 * bytes as u64
}

/// Words of a binary search whose items have so many words.
fn search(items: u32, words: u64) -> u64 {
    u64::from(u32::BITS - items.leading_zeros() + 1) * words
}

/// Words of one node on a way.
pub(super) fn node(of: &Node) -> u64 {
    // Each look at a class may read the variable's place; what the classifier reads is counted once.
    match of.form {
        node::FALL => 2,
        node::TWO => 3,
        // Classes from the front or by search, a class looked at again, a child.
        node::SPARSE => 4 + search(of.count, 1).max(5),
        _ => 4,
    }
}

/// The longest text of a fact.
fn text_bytes(source: Option<&Source>) -> usize {
    match source {
        Some(Source::Cell { .. }) => limits::TABLE_BYTES,
        Some(Source::Path | Source::Segment { .. } | Source::Rest { .. } | Source::Query(_)) => {
            limits::TARGET_BYTES
        }
        Some(Source::Context(_)) => limits::CONTEXT_BYTES,
        Some(
            Source::Claim(_) | Source::BesideClaim(..) | Source::Scopes | Source::KeyId | Source::KeyField(_),
        ) => limits::CLAIMS_BYTES,
        _ => limits::HEADER_BYTES,
    }
}

/// Words of classifying a variable once; elements of sets are counted with their set.
fn classifier(image: &Image, id: u32) -> u64 {
    let w = |at: u32| image.word(at);
    let at = w(dir::VARS) + id * layout::VAR;
    let (head, b) = (w(at), w(at + 1));
    let source = image.config().sources.get((head & var::A_MAX) as usize);
    // The place of variables, the kind (looked at twice), both parameters.
    4 + match head >> var::KIND_SHIFT {
        var::TEXT => probe(image, b),
        var::NUMBER => 1 + search(w(b), 2),
        var::PATTERN => dfa(text_bytes(source)),
        // The elements are of one text, each with the automaton's head; implied ones are counted with sets.
        var::SOME_PATTERN => 4 * dfa(text_bytes(source)),
        var::ADDRESS => 2 + search(w(b), 4),
        var::ADDRESS4 => 2 + search(w(b) & !IN_TURN, 1),
        var::SAMPLE => 5 + u64::from(w(b + 1).div_ceil(4)),
        var::AGE => 3,
        _ => 0,
    }
}

/// Words of looking through a set once. Its elements came in a token, a context or a certificate, each with at least a
/// separator, and each costs a probe.
fn set(image: &Image, set: u32) -> u64 {
    let w = |at: u32| image.word(at);
    let at = w(dir::SETS) + set * layout::SET;
    let source = image.config().sources.get(w(at) as usize);
    let elements = (text_bytes(source) / 2 + 1) as u64;
    // Implied scopes come on top of those that were sent.
    let implied: usize = image
        .config()
        .issuers
        .iter()
        .map(|i| i.implies.iter().map(|(_, all)| all.len()).sum::<usize>())
        .max()
        .unwrap_or(0);
    8 + (elements + implied as u64) * probe(image, w(at + 1))
}

/// Host, path and method.
fn route(image: &Image) -> u64 {
    let w = |at: u32| image.word(at);
    // Exact, one label, and each suffix; options once more.
    let hosts = (limits::HOST_BYTES / 2 + 3) as u64;
    let segments = limits::SEGMENTS as u64;
    let bases = if (0..w(dir::BASE_COUNT)).any(|i| w(w(dir::BASES) + i) & HAS_EDGES != 0) {
        probe(image, w(dir::BASE_EDGES)) + 1
    } else {
        0
    };
    let bytes: u64 = 2 * limits::TARGET_BYTES as u64;
    let automata = (0..w(dir::STATE_COUNT)).any(|i| w(w(dir::STATES) + i * layout::STATE + 1) != 0);
    let automata = if automata { bytes + segments * 6 } else { 0 };
    let step = 2 + probe(image, w(dir::ROUTE_EDGES));
    hosts * probe(image, w(dir::HOST_MAP))
        + segments * (bases + step)
        + automata
        + probe(image, w(dir::METHOD_MAP))
        + 24
}

/// Words that asking a filter for all its rows reads at most: each bitmap once, with a search for the class in each
/// block of it.
fn filter_words_max(words: &[u32], start: u32) -> u64 {
    let word = |at: u32| u64::from(words.get((start + at) as usize).copied().unwrap_or(0));
    let bitmap = word(filter::ROWS).div_ceil(u64::from(u32::BITS));
    let blocks = bitmap.div_ceil(u64::from(filter::BLOCK_WORDS));
    let columns = (0..word(filter::COLUMNS) as u32).map(|i| {
        let classes = word(filter::LEN + i * filter::COLUMN + 3);
        let search = u64::from(64 - classes.leading_zeros());
        let patched = 2 * u64::from(64 - bitmap.leading_zeros());
        bitmap * 3 + blocks * (filter::COLUMN as u64 + search + u64::from(filter::CLASS) + patched)
    });
    u64::from(filter::LEN) + columns.sum::<u64>()
}

/// Words of an entry's filters, each read to its end.
pub(super) fn filters(image: &Image, of: &Entry) -> u64 {
    let lists = (0..filter::LISTS).filter(|_| of.filters != 0);
    lists
        .map(|list| image.word(of.filters + list))
        .filter(|at| *at != 0)
        .map(|at| 1 + filter_words_max(image.words(), at))
        .sum()
}

/// The bound of an image.
pub(super) fn words(image: &Image, nodes: &Nodes, entries: &[(u32, Entry)]) -> u64 {
    let w = |at: u32| image.word(at);
    let mut vars = HashMap::new();
    let mut sets = HashMap::new();
    let mut worst = 0;
    for (at, of) in entries {
        let arrays = entry::ITEM.iter().enumerate();
        let items: u64 = arrays
            .map(|(i, size)| u64::from(of.array(i).1) * u64::from(size + 1))
            .sum();
        let mut cost = u64::from(of.end - at) + items + filters(image, of);
        let roots = roots(image, of);
        // A record's head, its roots, and as often as it is named.
        cost += roots.len() as u64 * 8;
        cost += roots
            .iter()
            .map(|(_, root)| nodes.depth(*root).words)
            .sum::<u64>();
        let mut reached = BTreeSet::new();
        let mut seen = BTreeSet::new();
        let mut todo: Vec<u32> = roots.iter().map(|r| r.1).collect();
        while let Some(at) = todo.pop() {
            if at & LEAF != 0 || !seen.insert(at) {
                continue;
            }
            let read = Node::read(at, w);
            reached.insert(read.var);
            todo.extend(children(image, read).map(|child| child.1));
        }
        let mut own_sets = BTreeSet::new();
        for id in reached {
            cost += *vars.entry(id).or_insert_with(|| classifier(image, id));
            let head = w(w(dir::VARS) + id * layout::VAR);
            if head >> var::KIND_SHIFT == var::ELEMENT {
                own_sets.insert(head & var::A_MAX);
            }
        }
        for id in own_sets {
            cost += *sets.entry(id).or_insert_with(|| set(image, id));
        }
        worst = worst.max(cost);
    }
    // A deny's head, and the automata that accepted queries may run over each parameter.
    let patterns = u64::from(w(dir::PATTERN_COUNT));
    let queries =
        patterns * (8 * limits::QUERY_PARAMETERS as u64 + dfa(limits::TARGET_BYTES) + u64::from(DFA_HEAD));
    route(image) + worst + queries + 4
}
