//! Hosts, bases, states, shapes and accepts.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use portcullis_lang::model::{HostPattern, Policy};

use super::{TextKey, Writer};
use crate::CompileError;
use crate::entries::Entries;
use crate::routes::Routes;
use portcullis::image::layout::{self, HAS_EDGES, dir, host};

/// Words that hold an index of an accept until accepts are written.
pub(super) struct Pending(Vec<u32>);

/// Where each accept stands.
pub(super) struct Accepts(Vec<u32>);

impl Writer {
    /// Host patterns to groups, groups to tries of bases, bases to services.
    pub(super) fn hosts(&mut self, policy: &Policy) -> Result<(), CompileError> {
        // Services of each pattern, in order.
        let mut patterns: BTreeMap<&HostPattern, Vec<usize>> = BTreeMap::new();
        for (index, service) in policy.services.iter().enumerate() {
            let hosts: BTreeSet<&HostPattern> = service.hosts.iter().collect();
            hosts
                .into_iter()
                .for_each(|host| patterns.entry(host).or_default().push(index));
        }
        let mut keys: Vec<TextKey<'_>> = Vec::new();
        let (mut groups, mut bases) = (Vec::new(), Vec::<u32>::new());
        let mut edges: BTreeMap<(u32, &str), u32> = BTreeMap::new();
        for (group, (pattern, services)) in (0..).zip(&patterns) {
            keys.push(match pattern {
                HostPattern::Exact(name) => (host::EXACT, name.as_bytes(), group),
                HostPattern::OneLabel(suffix) => (host::ONE_LABEL, suffix.as_bytes(), group),
                HostPattern::Labels(suffix) => (host::LABELS, suffix.as_bytes(), group),
                HostPattern::Any => (host::ANY, &[], group),
            });
            let root = bases.len() as u32;
            bases.push(0);
            let mut options = 0;
            for index in services {
                let service = &policy.services[*index];
                let of = service.options;
                let bits = [
                    of.merge_slashes,
                    of.encoded_slash_as_data,
                    of.path_parameters_kept,
                    of.method_override_kept,
                    of.encoded_backslash_as_data,
                ];
                for (bit, on) in bits.into_iter().enumerate() {
                    options |= u32::from(on) << bit;
                }
                let mut at = root;
                for segment in &service.base {
                    at = *edges.entry((at, segment)).or_insert_with(|| {
                        bases[at as usize] |= HAS_EDGES;
                        bases.push(0);
                        bases.len() as u32 - 1
                    });
                }
                bases[at as usize] |= *index as u32 + 1;
            }
            groups.extend([options, root]);
        }
        self.text_map(dir::HOST_MAP, keys.into_iter())?;
        self.records(dir::GROUPS, dir::GROUP_COUNT, &groups, layout::GROUP);
        let edges = edges
            .iter()
            .map(|((from, text), to)| (*from, text.as_bytes(), *to));
        self.text_map(dir::BASE_EDGES, edges)?;
        self.records(dir::BASES, dir::BASE_COUNT, &bases, 1);
        Ok(())
    }

    pub(super) fn routes(&mut self, routes: &Routes) -> Result<Pending, CompileError> {
        let edges = routes.edges.iter();
        let edges = edges.map(|((state, text), next)| (*state, text.as_bytes(), *next));
        self.text_map(dir::ROUTE_EDGES, edges)?;
        let with_edges: BTreeSet<u32> = routes.edges.keys().map(|(state, _)| *state).collect();
        let tables: Vec<u32> = routes.tables.iter().map(|t| self.shared(t.words())).collect();
        let mut states = Vec::with_capacity(routes.states.len() * layout::STATE as usize);
        for (id, state) in (0u32..).zip(&routes.states) {
            let classes = state.classes.as_ref().map_or(0, |(table, next)| {
                let head = [tables[*table as usize], next.len() as u32];
                self.shared(head.iter().chain(next).copied().collect())
            });
            let flag = if with_edges.contains(&id) { HAS_EDGES } else { 0 };
            states.extend([state.default | flag, classes, state.plain, state.slash]);
        }
        let at = self.here();
        self.records(dir::STATES, dir::STATE_COUNT, &states, layout::STATE);
        let mut pending: Vec<u32> = (at..self.here())
            .step_by(layout::STATE as usize)
            .flat_map(|s| [s + 2, s + 3])
            .collect();
        let services: Vec<u32> = routes
            .roots
            .iter()
            .zip(&routes.nopath)
            .flat_map(|(root, none)| [*root, *none])
            .collect();
        let at = self.here();
        self.records(dir::SERVICES, dir::SERVICE_COUNT, &services, layout::SERVICE);
        pending.extend((at + 1..self.here()).step_by(layout::SERVICE as usize));
        Ok(Pending(pending))
    }

    /// Rows of entries, as a shape that many accepts share and the few entries that differ.
    pub(super) fn accepts(&mut self, plan: &Entries) -> Result<Accepts, CompileError> {
        let mut shapes: HashMap<Vec<u32>, u32> = HashMap::new();
        let mut split = Vec::with_capacity(plan.rows.len());
        self.directory(dir::SHAPES, self.here());
        for row in &plan.rows {
            let mut entries: Vec<u32> = Vec::new();
            let mut locals: HashMap<u32, u32> = HashMap::new();
            let local = |entry: &u32| {
                *locals.entry(*entry).or_insert_with(|| {
                    entries.push(*entry);
                    entries.len() as u32 - 1
                })
            };
            let cells: Vec<u32> = row.iter().map(local).collect();
            // A cell of a shape is half a word.
            if entries.len() > usize::from(u16::MAX) {
                return Err(CompileError::ImageTooLarge);
            }
            let halves = cells.chunks(2).map(|c| c[0] | c.get(1).unwrap_or(&0) << 16);
            let shape: Vec<u32> = std::iter::once(entries.len() as u32).chain(halves).collect();
            let at = *shapes.entry(shape).or_insert_with_key(|shape| self.push(shape));
            split.push((at, entries));
        }
        self.directory(dir::ACCEPTS, self.here());
        let accepts = split.iter().map(|(shape, entries)| {
            let at = self.push(&[*shape]);
            self.push(entries);
            at
        });
        let accepts = accepts.collect();
        self.directory(dir::ACCEPTS_END, self.here());
        Ok(Accepts(accepts))
    }

    /// Indices of accepts and entries become offsets.
    pub(super) fn link(&mut self, states: &Pending, accepts: &Accepts, entries: &[u32]) {
        for at in &states.0 {
            let index = self.words[*at as usize];
            self.words[*at as usize] = accepts.0[index as usize];
        }
        for at in &accepts.0 {
            let shape = self.words[*at as usize];
            let count = self.words[shape as usize];
            for cell in at + 1..=at + count {
                let index = self.words[cell as usize];
                self.words[cell as usize] = entries[index as usize];
            }
        }
    }
}
