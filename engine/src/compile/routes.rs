//! Path patterns -> one automaton over segments per service. Patterns share a trie; the trie, with its wildcards, is
//! a nondeterministic automaton and is determinised, so that one walk yields the set of all patterns that match.
//! Segments with typed or affixed captures are told apart by a byte automaton of the state's own.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use portcullis_lang::model::{
    CaptureKind, Effect, Owner, Pattern, Policy, Segment, ServiceId, Tail, TargetKind,
};

use super::CompileError;
use super::pattern::{self, Table};
use crate::canary::canary;

/// A rule with one of its targets.
pub(super) type Instance = (u32, u32);

/// States that one service may have per node of its trie: determinising wildcards that overlap at every depth could
/// double the states at each.
const STATES_PER_NODE_MAX: usize = 64;
/// States that any service may have.
const STATES_MIN: usize = 4_096;

/// A state of the deterministic automaton.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    /// Next state of a segment that no edge and no class knows.
    pub(super) default: u32,
    /// Index into [`Routes::tables`] and next states by its classes.
    pub(super) classes: Option<(u32, Vec<u32>)>,
    /// Index into [`Routes::accepts`].
    pub(super) plain: u32,
    /// Likewise, after a trailing slash.
    pub(super) slash: u32,
}

/// All services' automata in one numbering; state 0 is dead, accept 0 is empty.
#[derive(Debug, Default)]
pub(super) struct Routes {
    pub(super) states: Vec<State>,
    /// (state, segment) -> state.
    pub(super) edges: BTreeMap<(u32, String), u32>,
    /// Sets of instances that match together, sorted.
    pub(super) accepts: Vec<Vec<Instance>>,
    /// Root state of each service.
    pub(super) roots: Vec<u32>,
    /// Accept of requests without a path, by service.
    pub(super) nopath: Vec<u32>,
    pub(super) tables: Vec<Table>,
    accept_index: HashMap<Vec<Instance>, u32>,
    table_index: HashMap<Vec<String>, u32>,
}

#[derive(Default)]
struct Node {
    literals: BTreeMap<String, usize>,
    any: Option<usize>,
    /// (matcher, child)
    matchers: BTreeMap<Matcher, usize>,
    plain: Vec<Instance>,
    slash: Vec<Instance>,
    rest: Vec<Instance>,
}

/// A segment that is neither literal nor free.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Matcher {
    regex: String,
    /// Text that the regex matches though it captures nothing: `prefix + suffix`.
    empty: Option<String>,
}

fn matcher(prefix: &str, suffix: &str, kind: &CaptureKind) -> Option<Matcher> {
    let inner = match kind {
        CaptureKind::Text if prefix.is_empty() && suffix.is_empty() => return None,
        CaptureKind::Text => ".+".to_string(),
        CaptureKind::Int => pattern::int(),
        CaptureKind::Uuid => pattern::UUID.to_string(),
        CaptureKind::Regex(regex) => format!("(?:{regex})"),
    };
    let regex = format!("{}{inner}{}", pattern::escape(prefix), pattern::escape(suffix));
    let affixed = !prefix.is_empty() || !suffix.is_empty();
    let empty = (affixed && matches!(kind, CaptureKind::Regex(_))).then(|| format!("{prefix}{suffix}"));
    Some(Matcher { regex, empty })
}

impl Routes {
    /// Plans the routes of all services.
    pub(super) fn plan(policy: &Policy) -> Result<Routes, CompileError> {
        let mut routes = Routes {
            states: vec![State::default()],
            ..Routes::default()
        };
        routes.accept(Vec::new());
        for (index, service) in policy.services.iter().enumerate() {
            let trie = trie(policy, ServiceId(index as u32));
            let root = routes.determinise(&trie, &service.name)?;
            routes.roots.push(root);
            let nopath = routes.accept(nopath(policy, ServiceId(index as u32)));
            routes.nopath.push(nopath);
        }
        Ok(routes)
    }

    fn accept(&mut self, mut set: Vec<Instance>) -> u32 {
        set.sort_unstable();
        set.dedup();
        if let Some(index) = self.accept_index.get(&set) {
            return *index;
        }
        let index = self.accepts.len() as u32;
        self.accepts.push(set.clone());
        self.accept_index.insert(set, index);
        index
    }

    fn table(&mut self, regexes: &[String]) -> Result<u32, CompileError> {
        if let Some(index) = self.table_index.get(regexes) {
            return Ok(*index);
        }
        let table = Table::build(regexes).map_err(|_| CompileError::PatternTooLarge {
            pattern: regexes.join(" | "),
        })?;
        let index = self.tables.len() as u32;
        self.tables.push(table);
        self.table_index.insert(regexes.to_vec(), index);
        Ok(index)
    }

    /// Subset construction; `rest` nodes stay in every set below them.
    fn determinise(&mut self, trie: &[Node], service: &str) -> Result<u32, CompileError> {
        let max = STATES_MIN.max(trie.len().saturating_mul(STATES_PER_NODE_MAX));
        let first = self.states.len() as u32;
        let mut ids: HashMap<Set, u32> = HashMap::new();
        let mut queue = Vec::new();
        let mut number = |set: Set, states: &mut Vec<State>, queue: &mut Vec<Set>| {
            if set.nodes.is_empty() && set.rests.is_empty() {
                return 0;
            }
            *ids.entry(set).or_insert_with_key(|set| {
                states.push(State::default());
                queue.push(set.clone());
                states.len() as u32 - 1
            })
        };
        let root = number(
            Set::of(trie, [0].into(), BTreeSet::new()),
            &mut self.states,
            &mut queue,
        );
        let mut at = 0;
        while at < queue.len() {
            if self.states.len() - first as usize > max {
                return Err(CompileError::RoutesTooAmbiguous {
                    service: service.to_string(),
                    max,
                });
            }
            let set = queue[at].clone();
            // Roots are numbered first and in order, so ids are dense from `first` on.
            let id = first + at as u32;
            at += 1;
            let nodes = || set.nodes.iter().map(|n| &trie[*n]);
            let free: BTreeSet<usize> = nodes().filter_map(|n| n.any).collect();
            let matchers: BTreeMap<&Matcher, BTreeSet<usize>> =
                nodes()
                    .flat_map(|n| &n.matchers)
                    .fold(BTreeMap::new(), |mut all, (matcher, child)| {
                        all.entry(matcher).or_insert_with(BTreeSet::new).insert(*child);
                        all
                    });
            let regexes: Vec<String> = matchers.keys().map(|m| m.regex.clone()).collect();
            let children: Vec<&BTreeSet<usize>> = matchers.values().collect();
            let table = if regexes.is_empty() {
                None
            } else {
                Some(self.table(&regexes)?)
            };

            let default = number(
                Set::of(trie, free.clone(), set.rests.clone()),
                &mut self.states,
                &mut queue,
            );
            let mut by_class = Vec::new();
            if let Some(table) = table {
                for members in self.tables[table as usize].sets.clone() {
                    let mut next = free.clone();
                    members.iter().for_each(|m| next.extend(children[*m]));
                    by_class.push(number(
                        Set::of(trie, next, set.rests.clone()),
                        &mut self.states,
                        &mut queue,
                    ));
                }
            }
            let mut literals: BTreeMap<&str, BTreeSet<usize>> = BTreeMap::new();
            for (text, child) in nodes().flat_map(|n| &n.literals) {
                literals.entry(text).or_default().insert(*child);
            }
            // A regex capture must not be empty, which its regex does not say.
            for text in matchers.keys().filter_map(|m| m.empty.as_deref()) {
                literals.entry(text).or_default();
            }
            for (text, own) in literals {
                let mut next: BTreeSet<usize> = free.union(&own).copied().collect();
                if let Some(table) = table {
                    let table = &self.tables[table as usize];
                    for member in &table.sets[table.run(text.as_bytes()) as usize] {
                        let captures_nothing = matchers
                            .keys()
                            .nth(*member)
                            .is_some_and(|m| m.empty.as_deref() == Some(text));
                        if !captures_nothing {
                            next.extend(children[*member]);
                        }
                    }
                }
                let next = number(
                    Set::of(trie, next, set.rests.clone()),
                    &mut self.states,
                    &mut queue,
                );
                self.edges.insert((id, text.to_string()), next);
            }
            let rests = || set.rests.iter().flat_map(|n| trie[*n].rest.iter().copied());
            let plain = self.accept(
                nodes()
                    .flat_map(|n| n.plain.iter().copied())
                    .chain(rests())
                    .collect(),
            );
            let slash = self.accept(
                nodes()
                    .flat_map(|n| n.slash.iter().copied())
                    .chain(rests())
                    .collect(),
            );
            let classes = table.map(|t| (t, by_class));
            self.states[id as usize] = State {
                default,
                classes,
                plain,
                slash,
            };
        }
        Ok(root)
    }
}

/// Trie nodes reached, and nodes above whose `/**` covers all that is below.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Set {
    nodes: BTreeSet<usize>,
    rests: BTreeSet<usize>,
}

impl Set {
    fn of(trie: &[Node], nodes: BTreeSet<usize>, mut rests: BTreeSet<usize>) -> Set {
        rests.extend(nodes.iter().copied().filter(|n| !trie[*n].rest.is_empty()));
        Set { nodes, rests }
    }
}

/// The rules that take part in a service: its own and those of all guards.
fn takes_part(owner: Owner, service: ServiceId) -> bool {
    match owner {
        Owner::Service(own) => own == service,
        Owner::Guard(_) => true,
    }
}

fn trie(policy: &Policy, service: ServiceId) -> Vec<Node> {
    let slash_ignored = policy
        .services
        .get(service.index())
        .is_some_and(|s| s.trailing_slash_ignored);
    let mut trie = vec![Node::default()];
    for (r, rule) in policy
        .rules
        .iter()
        .enumerate()
        .filter(|(_, rule)| takes_part(rule.owner, service))
    {
        let wide = canary!(
            DenySlash,
            slash_ignored,
            rule.effect != Effect::Allow || slash_ignored
        );
        for (t, target) in rule
            .targets
            .iter()
            .enumerate()
            .filter(|(_, t)| t.kind != TargetKind::NoPath)
        {
            insert(&mut trie, &target.pattern, (r as u32, t as u32), wide);
        }
    }
    trie
}

/// `wide`: covers itself with a trailing slash.
fn insert(trie: &mut Vec<Node>, pattern: &Pattern, instance: Instance, wide: bool) {
    let mut at = 0;
    for segment in &pattern.segments {
        let fresh = trie.len();
        let node = &mut trie[at];
        let slot = match segment {
            Segment::Literal(text) => node.literals.entry(text.clone()).or_insert(fresh),
            Segment::Any => node.any.get_or_insert(fresh),
            Segment::Capture {
                prefix, suffix, kind, ..
            } => match matcher(prefix, suffix, kind) {
                Some(matcher) => node.matchers.entry(matcher).or_insert(fresh),
                None => node.any.get_or_insert(fresh),
            },
        };
        at = *slot;
        if at == fresh {
            trie.push(Node::default());
        }
    }
    let node = &mut trie[at];
    match &pattern.tail {
        Tail::None => {
            node.plain.push(instance);
            if wide {
                node.slash.push(instance);
            }
        }
        Tail::Slash => node.slash.push(instance),
        Tail::Rest(_) => node.rest.push(instance),
    }
}

/// What can match `OPTIONS *` and CONNECT's authority form: targets that name them, and `/**` from the root in denies
/// and standing rules.
fn nopath(policy: &Policy, service: ServiceId) -> Vec<Instance> {
    let mut out = Vec::new();
    for (r, rule) in policy
        .rules
        .iter()
        .enumerate()
        .filter(|(_, rule)| takes_part(rule.owner, service))
    {
        for (t, target) in rule.targets.iter().enumerate() {
            let everything = target.kind == TargetKind::Http
                && target.pattern.segments.is_empty()
                && matches!(target.pattern.tail, Tail::Rest(_));
            if target.kind == TargetKind::NoPath || (everything && rule.effect != Effect::Allow) {
                out.push((r as u32, t as u32));
            }
        }
    }
    out
}
