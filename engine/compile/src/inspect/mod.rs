//! Image -> sizes, counts, worst cases and a picture of its graphs, for people and for budgets in CI.

mod bound;
mod dot;

use portcullis::Image;
use portcullis::image::entry::{Entry, Node};
use portcullis::image::layout::{self, LEAF, dir, entry};

/// What an image holds and what a decision can cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// Format version.
    pub format: u32,
    /// SHA-256 of the image.
    pub digest: [u8; 32],
    /// Section name, bytes.
    pub sections: Vec<(&'static str, usize)>,
    /// Parts of the section of words, bytes.
    pub parts: Vec<(&'static str, usize)>,
    /// Entries by form.
    pub forms: Vec<(Form, usize)>,
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
    /// Words of rule bitmaps that the worst entry reads.
    pub bitmap_words_max: u64,
    /// Words of the image that a decision reads at most, for the largest request that passes the limits.
    pub words_max: u64,
}

/// How an entry decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Form {
    /// By decision graphs alone.
    Graphs,
    /// Rule bitmaps find the graphs of at least one list that can say something.
    Bitmaps,
}

impl Form {
    /// All forms.
    pub const ALL: &'static [Form] = &[Form::Graphs, Form::Bitmaps];

    /// As people read it.
    pub fn name(self) -> &'static str {
        match self {
            Form::Graphs => "graphs",
            Form::Bitmaps => "bitmaps",
        }
    }

    fn of(entry: &Entry) -> Form {
        match entry.filters {
            0 => Form::Graphs,
            _ => Form::Bitmaps,
        }
    }
}

/// Sizes, counts, worst-case steps and words of an image.
pub fn inspect(image: &Image) -> Inspection {
    let w = |at: u32| image.word(at);
    let nodes = Nodes::read(image);
    let entries: Vec<(u32, Entry)> = entries(image).collect();
    let (mut steps_max, mut graphs_max) = (0, 0);
    let mut bitmap_words_max = 0;
    let mut forms: Vec<(Form, usize)> = Form::ALL.iter().map(|form| (*form, 0)).collect();
    for (_, entry) in &entries {
        let roots = roots(image, entry);
        steps_max = steps_max.max(roots.iter().map(|(_, root)| nodes.depth(*root).steps).sum());
        bitmap_words_max = bitmap_words_max.max(bound::filters(image, entry));
        graphs_max = graphs_max.max(roots.len() as u64);
        let form = Form::of(entry);
        forms.iter_mut().filter(|f| f.0 == form).for_each(|f| f.1 += 1);
    }
    let name = |id| match id {
        layout::CONFIG => "config",
        layout::RULES => "rules",
        layout::WORDS => "words",
        layout::BYTES => "bytes",
        _ => "symbols",
    };
    let mut start = 0;
    let parts = layout::PARTS.iter().zip(dir::PART_ENDS..).map(|(name, end)| {
        let words = w(end).saturating_sub(start);
        start = w(end);
        (*name, 4 * words as usize)
    });
    Inspection {
        format: layout::FORMAT_VERSION,
        digest: image.digest(),
        sections: image
            .sections()
            .iter()
            .map(|(id, len)| (name(*id), *len))
            .collect(),
        parts: parts.collect(),
        forms,
        services: image.config().services.len(),
        rules: image.config().rules.len(),
        facts: image.config().sources.len(),
        methods: w(dir::METHODS) as usize,
        states: w(dir::STATE_COUNT) as usize,
        accepts: accepts(image),
        entries: entries.len(),
        variables: w(dir::VAR_COUNT) as usize,
        nodes: nodes.depths.len(),
        steps_max,
        graphs_max,
        bitmap_words_max,
        words_max: bound::words(image, &nodes, &entries),
    }
}

/// Offset and head of every entry, in order.
fn entries(image: &Image) -> impl Iterator<Item = (u32, Entry)> + '_ {
    let (mut at, end) = (image.word(dir::ENTRIES), image.word(dir::ENTRIES_END));
    std::iter::from_fn(move || {
        let from = at;
        (from < end).then(|| {
            let entry = Entry::read(from, |at| image.word(at));
            at = entry.end;
            (from, entry)
        })
    })
}

fn accepts(image: &Image) -> usize {
    let (mut at, end) = (image.word(dir::ACCEPTS), image.word(dir::ACCEPTS_END));
    let mut count = 0;
    while at < end {
        at += 1 + image.word(image.word(at));
        count += 1;
    }
    count
}

/// What the longest way from a node to a leaf costs.
#[derive(Clone, Copy, Default)]
struct Depth {
    /// Nodes.
    steps: u64,
    /// Words of nodes.
    words: u64,
}

/// All nodes with their depths.
struct Nodes {
    /// By offset.
    depths: Vec<(u32, Depth)>,
}

impl Nodes {
    /// Edges point forward, so one pass from the end does.
    fn read(image: &Image) -> Nodes {
        let word = |at: u32| image.word(at);
        let (mut at, end) = (word(dir::NODES), word(dir::NODES_END));
        let mut nodes = Nodes { depths: Vec::new() };
        while at < end {
            nodes.depths.push((at, Depth::default()));
            at = Node::read(at, word).end;
        }
        for i in (0..nodes.depths.len()).rev() {
            let node = Node::read(nodes.depths[i].0, word);
            let mut below = Depth::default();
            for (_, child) in children(image, node) {
                let child = nodes.depth(child);
                below.steps = below.steps.max(child.steps);
                below.words = below.words.max(child.words);
            }
            nodes.depths[i].1 = Depth {
                steps: below.steps + 1,
                words: below.words + bound::node(&node),
            };
        }
        nodes
    }

    fn depth(&self, root: u32) -> Depth {
        let found = self.depths.binary_search_by_key(&root, |d| d.0).ok();
        found
            .and_then(|i| self.depths.get(i))
            .map_or(Depth::default(), |d| d.1)
    }
}

/// Class (none for the default) and target of every edge that is written.
fn children(image: &Image, node: Node) -> impl Iterator<Item = (Option<u32>, u32)> + '_ {
    let word = |at: u32| image.word(at);
    let default = node.default().map(|at| (None, word(at)));
    let arms = node.arms(word).map(move |(class, at)| (Some(class), word(at)));
    default.into_iter().chain(arms)
}

/// All graphs of an entry with what they are for. Subs come first.
fn roots(image: &Image, of: &Entry) -> Vec<(&'static str, u32)> {
    let w = |at: u32| image.word(at);
    let names = [
        "sub",
        "deny",
        "allow",
        "lacks age",
        "lacks scope",
        "obligation",
        "standing",
        "report",
        "freshness",
    ];
    let mut out = Vec::new();
    for ((array, name), size) in names.into_iter().enumerate().zip(entry::ITEM) {
        let (first, count) = of.array(array);
        for item in (0..count).map(|i| first + i * size) {
            match array {
                entry::SUBS => out.push((name, w(w(dir::VARS) + w(item) * layout::VAR + 1))),
                entry::FRESH => {
                    let record = w(item);
                    let rest = (0..w(record + 3)).map(|i| record + 4 + i);
                    out.extend((record + 1..record + 3).chain(rest).map(|at| (name, w(at))));
                }
                _ if size == 1 => out.push((name, w(item))),
                _ => out.extend((1..size).map(|i| (name, w(item + i)))),
            }
        }
    }
    out.retain(|root| root.1 & LEAF == 0 || root.0 != "freshness");
    out
}
