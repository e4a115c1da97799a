//! Plans -> words and bytes of an image. Nodes are written so that every edge points forward; equal tables, rows and
//! texts are written once.

use std::collections::{BTreeSet, HashMap};

use portcullis_lang::model::{HostPattern, Policy};

use super::CompileError;
use super::emit_bitmap::words_of;
use super::entries::{Entry, Plan};
use super::graph::{Node, Ref};
use super::lower::Leaf;
use super::pattern::Table;
use super::routes::Routes;
use super::vars::{Var, Vars};
use crate::image::config::Config;
use crate::image::layout::{self, KINDS, LEAF, dir, entry, var};
use crate::image::tables::{EMPTY, hash_bytes, hash_pair};
use crate::image::{IMAGE_BYTES_MAX, assemble};

/// Writes the image.
pub(super) fn emit(
    policy: &Policy,
    mut config: Config,
    patterns: Vec<Table>,
    vars: &Vars,
    routes: &Routes,
    plan: Plan,
) -> Result<Vec<u8>, CompileError> {
    let mut out = Writer {
        words: vec![0; dir::LEN as usize],
        ..Writer::default()
    };
    config.texts = plan.texts.clone();

    let methods: Vec<(&[u8], u32)> = plan.methods.iter().map(|m| m.as_bytes()).zip(0..).collect();
    out.directory(dir::METHODS, plan.methods.len() as u32);
    out.text_map(dir::METHOD_MAP, &methods);
    let segments = out.segments(policy, routes);
    out.hosts(policy, &segments);
    out.routes(routes, &segments);
    let nodes = out.nodes(vars);
    out.vars(vars, &nodes);
    out.entries(&plan, vars, &nodes);

    let heads: Vec<u32> = plan
        .heads
        .iter()
        .flat_map(|h| [h.0, u32::from(h.1), u32::from(h.2)])
        .collect();
    out.records(dir::HEADS, dir::HEAD_COUNT, &heads, layout::HEAD);
    let tables: Vec<u32> = patterns.iter().map(|t| out.push(&t.words())).collect();
    out.records(dir::PATTERNS, dir::PATTERN_COUNT, &tables, 1);

    if out.words.len() * 4 + out.bytes.len() > IMAGE_BYTES_MAX / 2 {
        return Err(CompileError::ImageTooLarge);
    }
    Ok(assemble(&config, &out.words, &out.bytes))
}

#[derive(Default)]
pub(super) struct Writer {
    words: Vec<u32>,
    /// Offsets of [`Plan::filters`].
    pub(super) filters: Vec<u32>,
    bytes: Vec<u8>,
    texts: HashMap<Vec<u8>, u32>,
    tables: HashMap<Vec<u32>, u32>,
}

impl Writer {
    fn directory(&mut self, word: u32, value: u32) {
        self.words[word as usize] = value;
    }

    pub(super) fn push(&mut self, words: &[u32]) -> u32 {
        let at = self.words.len() as u32;
        self.words.extend_from_slice(words);
        at
    }

    /// The same words are written once.
    pub(super) fn shared(&mut self, words: Vec<u32>) -> u32 {
        if let Some(at) = self.tables.get(&words) {
            return *at;
        }
        let at = self.push(&words);
        self.tables.insert(words, at);
        at
    }

    fn records(&mut self, at: u32, count: u32, words: &[u32], size: u32) {
        let start = self.push(words);
        self.directory(at, start);
        self.directory(count, words.len() as u32 / size);
    }

    fn text(&mut self, text: &[u8]) -> (u32, u32) {
        let len = text.len() as u32;
        if let Some(at) = self.texts.get(text) {
            return (*at, len);
        }
        let at = self.bytes.len() as u32;
        self.bytes.extend_from_slice(text);
        self.texts.insert(text.to_vec(), at);
        (at, len)
    }

    fn text_map(&mut self, word: u32, entries: &[(&[u8], u32)]) {
        let at = self.text_table(entries);
        self.directory(word, at);
    }

    fn text_table(&mut self, entries: &[(&[u8], u32)]) -> u32 {
        let slots = entries.iter().map(|(text, value)| {
            let (at, len) = self.text(text);
            [at, len, *value]
        });
        let slots: Vec<[u32; 3]> = slots.collect();
        let table = map(&slots, 1, |seed, i| hash_bytes(seed, entries[i].0));
        self.shared(table)
    }

    fn pair_map(&mut self, word: u32, slots: &[[u32; 3]]) {
        let table = map(slots, 0, |seed, i| hash_pair(seed, slots[i][0], slots[i][1]));
        let at = self.shared(table);
        self.directory(word, at);
    }

    /// Numbers every literal segment of routes and bases.
    fn segments(&mut self, policy: &Policy, routes: &Routes) -> HashMap<String, u32> {
        let mut all: BTreeSet<&str> = routes.edges.keys().map(|(_, text)| text.as_str()).collect();
        all.extend(policy.services.iter().flat_map(|s| &s.base).map(String::as_str));
        let numbered: Vec<(&[u8], u32)> = all.iter().map(|text| text.as_bytes()).zip(0..).collect();
        self.text_map(dir::SEGMENT_MAP, &numbered);
        all.into_iter().map(str::to_string).zip(0..).collect()
    }

    /// Host patterns to groups, groups to tries of bases, bases to services.
    fn hosts(&mut self, policy: &Policy, segments: &HashMap<String, u32>) {
        let patterns: BTreeSet<&HostPattern> = policy.services.iter().flat_map(|s| &s.hosts).collect();
        let mut keys: Vec<(Vec<u8>, u32)> = Vec::new();
        let (mut groups, mut bases, mut edges) = (Vec::new(), Vec::new(), Vec::new());
        for (group, pattern) in (0..).zip(patterns) {
            let key = match pattern {
                HostPattern::Exact(host) => format!("={host}"),
                HostPattern::OneLabel(suffix) => format!("*{suffix}"),
                HostPattern::Labels(suffix) => format!("+{suffix}"),
                HostPattern::Any => String::new(),
            };
            keys.push((key.into_bytes(), group));
            let root = bases.len() as u32;
            bases.push(0);
            let mut options = 0;
            for (index, service) in policy
                .services
                .iter()
                .enumerate()
                .filter(|(_, s)| s.hosts.contains(pattern))
            {
                let of = service.options;
                let bits = [
                    of.merge_slashes,
                    of.encoded_slash_as_data,
                    of.path_parameters_kept,
                    of.method_override_kept,
                ];
                options |= bits
                    .iter()
                    .zip(0..)
                    .map(|(on, bit)| u32::from(*on) << bit)
                    .sum::<u32>();
                let mut at = root;
                for segment in &service.base {
                    let segment = segments.get(segment).copied().unwrap_or(EMPTY - 1);
                    let known = edges
                        .iter()
                        .find(|e: &&[u32; 3]| e[0] == at && e[1] == segment)
                        .map(|e| e[2]);
                    at = known.unwrap_or_else(|| {
                        let fresh = bases.len() as u32;
                        bases.push(0);
                        edges.push([at, segment, fresh]);
                        fresh
                    });
                }
                bases[at as usize] = index as u32 + 1;
            }
            groups.extend([options, root]);
        }
        let keys: Vec<(&[u8], u32)> = keys.iter().map(|(key, group)| (key.as_slice(), *group)).collect();
        self.text_map(dir::HOST_MAP, &keys);
        self.records(dir::GROUPS, dir::GROUP_COUNT, &groups, layout::GROUP);
        self.pair_map(dir::BASE_EDGES, &edges);
        self.records(dir::BASES, dir::BASE_COUNT, &bases, 1);
    }

    fn routes(&mut self, routes: &Routes, segments: &HashMap<String, u32>) {
        let tables: Vec<u32> = routes.tables.iter().map(|t| self.push(&t.words())).collect();
        let mut states = Vec::with_capacity(routes.states.len() * layout::STATE as usize);
        for state in &routes.states {
            let (automaton, next, count) = match &state.classes {
                Some((table, next)) => (
                    tables[*table as usize],
                    self.shared(next.clone()),
                    next.len() as u32,
                ),
                None => (0, 0, 0),
            };
            states.extend([state.default, automaton, next, count, state.plain, state.slash]);
        }
        self.records(dir::STATES, dir::STATE_COUNT, &states, layout::STATE);
        let edges: Vec<[u32; 3]> = routes
            .edges
            .iter()
            .filter_map(|((state, text), next)| Some([*state, *segments.get(text)?, *next]))
            .collect();
        self.pair_map(dir::ROUTE_EDGES, &edges);
        let services: Vec<u32> = routes
            .roots
            .iter()
            .zip(&routes.nopath)
            .flat_map(|(root, none)| [*root, *none])
            .collect();
        self.records(dir::SERVICES, dir::SERVICE_COUNT, &services, layout::SERVICE);
    }

    /// Children have smaller indices than their parents; written backwards, every edge points forward.
    fn nodes(&mut self, vars: &Vars) -> Vec<u32> {
        let nodes = vars.graph.nodes();
        let size = |node: &Node| 3 + 2 * node.arms.len() as u32;
        let start = self.words.len() as u32;
        let mut offsets = vec![0; nodes.len()];
        let mut at = start;
        for (index, node) in nodes.iter().enumerate().rev() {
            offsets[index] = at;
            at += size(node);
        }
        for node in nodes.iter().rev() {
            let arms = node
                .arms
                .iter()
                .flat_map(|(class, child)| [*class, reference(*child, &offsets)]);
            let head = [
                node.var,
                node.arms.len() as u32,
                reference(node.default, &offsets),
            ];
            let words: Vec<u32> = head.into_iter().chain(arms).collect();
            self.push(&words);
        }
        self.directory(dir::NODES, start);
        self.directory(dir::NODES_END, at);
        offsets
    }

    fn vars(&mut self, vars: &Vars, nodes: &[u32]) {
        let mut records = Vec::with_capacity(vars.vars.len() * layout::VAR as usize);
        for of in &vars.vars {
            let mut words = self.var(of, nodes);
            words.resize(layout::VAR as usize, 0);
            records.extend(words);
        }
        self.records(dir::VARS, dir::VAR_COUNT, &records, layout::VAR);
    }

    fn var(&mut self, of: &Var, nodes: &[u32]) -> Vec<u32> {
        let halves = |n: u64| [n as u32, (n >> 32) as u32];
        match of {
            Var::Text(slot, values) => {
                let entries: Vec<(&[u8], u32)> = values.iter().map(|v| v.as_bytes()).zip(2..).collect();
                vec![var::TEXT, *slot, self.text_table(&entries)]
            }
            Var::Number(slot, thresholds) => {
                let mut table = vec![thresholds.len() as u32];
                table.extend(thresholds.iter().flat_map(|n| halves(*n as u64)));
                vec![var::NUMBER, *slot, self.shared(table)]
            }
            Var::Pattern(slot, table) => vec![var::PATTERN, *slot, self.shared(table.words())],
            Var::Address(slot, ranges) => {
                let mut table = vec![ranges.len() as u32];
                for (start, class) in ranges {
                    table.extend((0..4).map(|k| (start >> (32 * k)) as u32));
                    table.push(*class);
                }
                vec![var::ADDRESS, *slot, self.shared(table)]
            }
            Var::Sub(root) => vec![var::SUB, reference(*root, nodes)],
            Var::Plain(leaf) => match leaf {
                Leaf::Element(slot, text) => {
                    let (at, len) = self.text(text.as_bytes());
                    vec![var::ELEMENT, *slot, at, len]
                }
                Leaf::Known(slot) => vec![var::KNOWN, *slot],
                Leaf::Bool(slot) => vec![var::BOOL, *slot],
                Leaf::Exists(slot) => vec![var::EXISTS, *slot],
                Leaf::Anchor(kind, index) => vec![var::ANCHOR, u32::from(*kind), *index],
                Leaf::Presented(kind) => vec![var::PRESENTED, u32::from(*kind)],
                Leaf::Valid(kind) => vec![var::VALID, u32::from(*kind)],
                Leaf::Compare(left, right, op, fold) => {
                    vec![var::COMPARE, *left, *right, *op, u32::from(*fold)]
                }
                Leaf::Contains(set, element) => vec![var::CONTAINS, *set, *element],
                Leaf::List(slot, list) => vec![var::LIST, *slot, *list],
                Leaf::Hours(slot, hours) => vec![var::HOURS, *slot, *hours],
                Leaf::Sample(slot, name, below) => {
                    let (at, len) = self.text(name.as_bytes());
                    let [low, high] = halves(*below as u64);
                    vec![
                        var::SAMPLE,
                        *slot,
                        at,
                        len,
                        low,
                        high,
                        u32::from(*below > u128::from(u64::MAX)),
                    ]
                }
                Leaf::Age(auth_time, now, us) => {
                    let [low, high] = halves(*us as u64);
                    vec![var::AGE, *auth_time, *now, low, high]
                }
                // These became variables of their own kinds above.
                Leaf::TextIn(slot, _) | Leaf::Matches(slot, _) => vec![var::KNOWN, *slot],
                Leaf::Number(slot, ..) | Leaf::NumberIn(slot, _) | Leaf::Address(slot, _) => {
                    vec![var::KNOWN, *slot]
                }
            },
        }
    }

    fn entries(&mut self, plan: &Plan, vars: &Vars, nodes: &[u32]) {
        self.filters = plan.filters.iter().map(|f| self.push(&words_of(f))).collect();
        let offsets: Vec<u32> = plan.entries.iter().map(|e| self.entry(e, vars, nodes)).collect();
        self.records(dir::ENTRIES, dir::ENTRY_COUNT, &offsets, 1);
        let width = plan.methods.len() + 1;
        let mut accepts = Vec::with_capacity(plan.rows.len() * KINDS as usize);
        for row in &plan.rows {
            for kind in row.chunks(width) {
                accepts.push(self.shared(kind.to_vec()));
            }
        }
        self.records(dir::ACCEPTS, dir::ACCEPT_COUNT, &accepts, KINDS);
    }

    fn entry(&mut self, of: &Entry, vars: &Vars, nodes: &[u32]) -> u32 {
        let root = |r: &Ref| reference(*r, nodes);
        let mut closest = Vec::new();
        for (rule, parts) in &of.closest {
            let mut record = vec![*rule, parts.len() as u32];
            record.extend(
                parts
                    .iter()
                    .flat_map(|(kind, text, test)| [*kind, *text, root(test)]),
            );
            closest.push(self.shared(record));
        }
        let subs = subs(of, vars);
        let pairs = |items: &[(u32, Ref)]| items.iter().flat_map(|i| [i.0, root(&i.1)]).collect::<Vec<u32>>();
        let triples = |items: &[(u32, Ref, Ref)]| {
            items
                .iter()
                .flat_map(|i| [i.0, root(&i.1), root(&i.2)])
                .collect::<Vec<u32>>()
        };
        let roots = |items: &[Ref]| items.iter().map(root).collect::<Vec<u32>>();
        let arrays = [
            subs,
            roots(&of.deny),
            roots(&of.grant),
            roots(&of.age),
            roots(&of.scope),
            pairs(&of.oblige),
            triples(&of.standing),
            triples(&of.report),
            closest,
        ];
        let mut words = vec![of.fallback, of.allow, of.kinds];
        words.extend(
            arrays
                .iter()
                .zip(entry::ITEM)
                .map(|(array, size)| array.len() as u32 / size),
        );
        words.push(self.filters_of(of));
        words.extend(arrays.iter().flatten());
        self.shared(words)
    }
}

fn reference(r: Ref, offsets: &[u32]) -> u32 {
    match r {
        Ref::Leaf(value) => LEAF | value,
        Ref::Node(index) => offsets[index as usize],
    }
}

/// Sub-conditions that the entry's graphs test, with those that these test; ascending ids are dependency order.
fn subs(of: &Entry, vars: &Vars) -> Vec<u32> {
    if !vars.vars.iter().any(|v| matches!(v, Var::Sub(_))) {
        return Vec::new();
    }
    let mut todo: Vec<Ref> = [&of.deny, &of.grant, &of.age, &of.scope]
        .into_iter()
        .flatten()
        .copied()
        .collect();
    todo.extend(of.oblige.iter().map(|o| o.1));
    todo.extend(of.standing.iter().chain(&of.report).flat_map(|s| [s.1, s.2]));
    todo.extend(of.closest.iter().flat_map(|c| c.1.iter()).map(|part| part.2));
    let (mut seen, mut found) = (BTreeSet::new(), BTreeSet::new());
    while let Some(at) = todo.pop() {
        let Ref::Node(index) = at else { continue };
        if !seen.insert(index) {
            continue;
        }
        let node = vars.graph.node(index);
        if let Some(Var::Sub(root)) = vars.vars.get(node.var as usize)
            && found.insert(node.var)
        {
            todo.push(*root);
        }
        todo.push(node.default);
        todo.extend(node.arms.iter().map(|arm| arm.1));
    }
    found.into_iter().collect()
}

/// Open addressing at most half full, with the seed of 16 under which the longest probe is shortest. Word `mark` of an
/// empty slot is [`EMPTY`].
fn map(entries: &[[u32; 3]], mark: usize, hash: impl Fn(u32, usize) -> u32) -> Vec<u32> {
    let slots = (entries.len() * 2).next_power_of_two().max(2);
    let mask = slots as u32 - 1;
    let place = |seed: u32| {
        let mut table: Vec<Option<usize>> = vec![None; slots];
        let mut longest = 0;
        for i in 0..entries.len() {
            let mut slot = hash(seed, i) & mask;
            let mut probe = 1;
            while table[slot as usize].is_some() {
                slot = (slot + 1) & mask;
                probe += 1;
            }
            table[slot as usize] = Some(i);
            longest = longest.max(probe);
        }
        (longest, table)
    };
    let mut best = (0, place(0));
    for seed in 1..16 {
        if best.1.0 <= 2 {
            break;
        }
        let tried = place(seed);
        if tried.0 < best.1.0 {
            best = (seed, tried);
        }
    }
    let mut empty = [0; 3];
    empty[mark] = EMPTY;
    let mut words = vec![best.0, mask];
    words.extend(
        best.1
            .1
            .into_iter()
            .flat_map(|slot| slot.map_or(empty, |i| entries[i])),
    );
    words
}
