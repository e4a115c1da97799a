//! The redaction paths of each service -> one automaton over members and elements of a JSON text, by subset construction
//! within a budget. Knows no JSON and no redaction.
//!
//! A position is a path with as many of its steps taken. What a position set can reach depends only on those that have
//! steps left: they are a row, and a state is a row with the paths that end there. So `**.a` and `**.b`, whose rows are
//! equal everywhere, cost an edge each and not one a state.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use portcullis_lang::Span;
use portcullis_lang::model::{JsonStep, Policy, Redaction, Rule, Service, json_steps};

use super::CompileError;
use super::routes::owners;

/// Edges that the rows of one service may have: at least this many ..
const EDGES_MIN: usize = 1 << 16;
/// .. and this many a step of its paths. `**` before two members makes each pair of such paths an edge.
const EDGES_PER_STEP: usize = 16;
/// Positions that are put together for one service, in all sets: bounds the time.
const POSITIONS_MIN: usize = 1 << 24;
/// .. and this many a step of its paths.
const POSITIONS_PER_STEP: usize = 256;

/// Where the states of a row lead.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// Next state of a member that no edge names.
    pub member: u32,
    /// Next state of an element that no index names.
    pub element: u32,
    /// Index and next state, ascending.
    pub indexes: Vec<(u32, u32)>,
    /// Paths that may end below, ascending.
    pub live: Vec<u32>,
}

/// All services' automata in one numbering; state 0 and row 0 are dead.
#[derive(Debug, Default)]
pub struct Paths {
    /// Paths of the policy, sorted, unique; ids index it.
    pub texts: Vec<String>,
    /// Root state of each service.
    pub roots: Vec<u32>,
    /// Row and the paths that end there, ascending.
    pub states: Vec<(u32, Vec<u32>)>,
    /// Rows.
    pub rows: Vec<Row>,
    /// (row, member) -> state.
    pub edges: BTreeMap<(u32, String), u32>,
}

/// Too many edges or positions.
struct TooLarge;

/// Whether the paths of a policy can be compiled.
pub(super) fn check(policy: &Policy) -> Result<(), CompileError> {
    Paths::plan(policy).map(drop)
}

impl Paths {
    /// Plans the redaction paths of all services.
    pub(super) fn plan(policy: &Policy) -> Result<Paths, CompileError> {
        let texts: BTreeSet<&str> = policy.rules.iter().flat_map(paths_of).collect();
        let texts: Vec<&str> = texts.into_iter().collect();
        let mut builder = Builder::of(&texts)?;
        let id = |text: &str| texts.binary_search(&text).unwrap_or(0) as u32;
        let (own, guards) = owners(policy);
        let mut known: HashMap<Vec<u32>, u32> = HashMap::new();
        let mut roots = Vec::with_capacity(own.len());
        for (service, own) in policy.services.iter().zip(own) {
            let rules = || guards.iter().chain(&own).filter_map(|r| policy.rules.get(*r));
            let ids: BTreeSet<u32> = rules().flat_map(paths_of).map(id).collect();
            let ids: Vec<u32> = ids.into_iter().collect();
            let root = match known.get(&ids) {
                Some(root) => *root,
                None => builder
                    .service(&ids)
                    .map_err(|TooLarge| too_large(service, rules()))?,
            };
            known.insert(ids, root);
            roots.push(root);
        }
        let Builder { paths, .. } = builder;
        Ok(Paths {
            texts: texts.into_iter().map(str::to_owned).collect(),
            roots,
            ..paths
        })
    }
}

/// The paths of a rule's redactions.
fn paths_of(rule: &Rule) -> impl Iterator<Item = &str> {
    fn of(redaction: &Redaction) -> &[String] {
        match redaction {
            Redaction::Op { path, .. } => std::slice::from_ref(path),
            Redaction::Only(paths) => paths,
        }
    }
    rule.obligations.redact.iter().flat_map(of).map(String::as_str)
}

/// The error that names the first path, in the order of rules, with which the automaton is too large.
fn too_large<'r>(service: &Service, rules: impl Iterator<Item = &'r Rule>) -> CompileError {
    let mut all: Vec<(&str, Span)> = Vec::new();
    let mut seen = BTreeSet::new();
    for rule in rules {
        let new = paths_of(rule).filter(|path| seen.insert(*path));
        all.extend(new.map(|path| (path, rule.span)));
    }
    let fits = |count: usize| {
        let texts: BTreeSet<&str> = all.iter().take(count).map(|path| path.0).collect();
        let texts: Vec<&str> = texts.into_iter().collect();
        let ids: Vec<u32> = (0..texts.len() as u32).collect();
        Builder::of(&texts).is_ok_and(|mut builder| builder.service(&ids).is_ok())
    };
    let (mut most, mut too_many) = (0, all.len());
    while too_many - most > 1 {
        let middle = most + (too_many - most) / 2;
        *(if fits(middle) { &mut most } else { &mut too_many }) = middle;
    }
    let (path, span) = all.get(most).copied().unwrap_or(("", service.span));
    CompileError::RedactionPathsTooLarge {
        service: service.name.clone(),
        span,
        path: path.to_owned(),
        others: most,
    }
}

struct Builder {
    paths: Paths,
    /// The step at each position; `None` where a path ends. Positions from the length of this list on stand before the
    /// text of a service: its elements are where paths without a leading `[]` start too.
    steps: Vec<Option<JsonStep>>,
    /// Path of each position.
    path: Vec<u32>,
    /// First position of each path.
    first: Vec<u32>,
    /// Where the paths start that a position before a text leads to.
    starts: Vec<Vec<u32>>,
    /// Positions of each row.
    sets: Vec<Vec<u32>>,
    row_ids: HashMap<Vec<u32>, u32>,
    state_ids: HashMap<(u32, Vec<u32>), u32>,
}

impl Builder {
    fn of(texts: &[&str]) -> Result<Builder, CompileError> {
        let mut builder = Builder {
            paths: Paths::default(),
            steps: Vec::new(),
            path: Vec::new(),
            first: Vec::new(),
            starts: Vec::new(),
            sets: Vec::new(),
            row_ids: HashMap::new(),
            state_ids: HashMap::new(),
        };
        for (id, text) in (0..).zip(texts) {
            let steps = json_steps(text).map_err(|_| CompileError::RedactionPath {
                path: (*text).to_owned(),
            })?;
            builder.first.push(builder.steps.len() as u32);
            builder.path.resize(builder.steps.len() + steps.len() + 1, id);
            builder.steps.extend(steps.into_iter().map(Some));
            builder.steps.push(None);
        }
        builder.state(Vec::new());
        Ok(builder)
    }

    /// The root state of the paths; rows that others made are shared and cost nothing.
    fn service(&mut self, ids: &[u32]) -> Result<u32, TooLarge> {
        let first: Vec<u32> = ids
            .iter()
            .filter_map(|id| self.first.get(*id as usize))
            .copied()
            .collect();
        if first.is_empty() {
            return Ok(0);
        }
        let is_each = |at: &u32| matches!(self.step(*at), Some(JsonStep::Each));
        let count = first
            .iter()
            .map(|at| self.path.partition_point(|p| *p <= self.path[*at as usize]) - *at as usize);
        let steps: usize = count.sum();
        let edges_max = EDGES_MIN.max(steps.saturating_mul(EDGES_PER_STEP));
        let positions_max = POSITIONS_MIN.max(steps.saturating_mul(POSITIONS_PER_STEP));
        let starts = first.iter().copied().filter(|at| !is_each(at)).collect();
        let before = (self.steps.len() + self.starts.len()) as u32;
        self.starts.push(starts);
        let mut root = first;
        root.push(before);
        let mut row = self.sets.len() as u32;
        let root = self.state(root);
        let (mut edges, mut positions) = (0, 0);
        while let Some(set) = self.sets.get(row as usize).cloned() {
            self.row(row, &set, &mut edges, &mut positions, (edges_max, positions_max))?;
            row += 1;
        }
        Ok(root)
    }

    fn step(&self, position: u32) -> Option<&JsonStep> {
        self.steps.get(position as usize)?.as_ref()
    }

    /// Where a row leads.
    fn row(
        &mut self,
        row: u32,
        set: &[u32],
        edges: &mut usize,
        positions: &mut usize,
        (edges_max, positions_max): (usize, usize),
    ) -> Result<(), TooLarge> {
        let (mut member, mut element) = (Vec::new(), Vec::new());
        let mut names: BTreeMap<String, Vec<u32>> = BTreeMap::new();
        let mut indexes: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for position in set.iter().copied() {
            let next = position + 1;
            match self.step(position) {
                Some(JsonStep::Member(name)) => names.entry(name.clone()).or_default().push(next),
                Some(JsonStep::Index(index)) => indexes.entry(*index).or_default().push(next),
                Some(JsonStep::Each) => element.push(next),
                Some(JsonStep::Any) => {
                    member.push(next);
                    element.push(next);
                }
                Some(JsonStep::Deep) => {
                    member.push(position);
                    element.push(position);
                }
                None => {
                    let before = (position as usize).checked_sub(self.steps.len());
                    element.extend(before.and_then(|i| self.starts.get(i)).into_iter().flatten());
                }
            }
        }
        let mut spend = |edge: usize, set: &[u32]| {
            *edges += edge;
            *positions += set.len() + 1;
            if *edges > edges_max || *positions > positions_max {
                Err(TooLarge)
            } else {
                Ok(())
            }
        };
        spend(0, set)?;
        let made = Row {
            member: self.state(member.clone()),
            element: self.state(element.clone()),
            ..Row::default()
        };
        for (name, own) in names {
            let next: Vec<u32> = member.iter().copied().chain(own).collect();
            spend(1, &next)?;
            let next = self.state(next);
            if next != made.member {
                self.paths.edges.insert((row, name), next);
            }
        }
        let mut by_index = Vec::new();
        for (index, own) in indexes {
            let next: Vec<u32> = element.iter().copied().chain(own).collect();
            spend(1, &next)?;
            let next = self.state(next);
            if next != made.element {
                by_index.push((index, next));
            }
        }
        if let Some(row) = self.paths.rows.get_mut(row as usize) {
            row.member = made.member;
            row.element = made.element;
            row.indexes = by_index;
        }
        Ok(())
    }

    /// The state of positions, and of those that they are at without a step.
    fn state(&mut self, mut set: Vec<u32>) -> u32 {
        let mut at = 0;
        while let Some(position) = set.get(at).copied() {
            if self.step(position) == Some(&JsonStep::Deep) {
                set.push(position + 1);
            }
            at += 1;
        }
        set.sort_unstable();
        set.dedup();
        let ends = |at: &u32| matches!(self.steps.get(*at as usize), Some(None));
        let (ended, open): (Vec<u32>, Vec<u32>) = set.into_iter().partition(ends);
        let ids = |positions: &[u32]| {
            let mut ids: Vec<u32> = positions
                .iter()
                .filter_map(|at| self.path.get(*at as usize))
                .copied()
                .collect();
            ids.dedup();
            ids
        };
        let (accepts, live) = (ids(&ended), ids(&open));
        let rows = &mut self.paths.rows;
        let sets = &mut self.sets;
        let row = *self.row_ids.entry(open).or_insert_with_key(|open| {
            rows.push(Row {
                live,
                ..Row::default()
            });
            sets.push(open.clone());
            sets.len() as u32 - 1
        });
        let states = &mut self.paths.states;
        *self.state_ids.entry((row, accepts)).or_insert_with_key(|state| {
            states.push(state.clone());
            states.len() as u32 - 1
        })
    }
}
