//! Path patterns -> one automaton over segments per service. Patterns share a trie; the trie, with its wildcards, is
//! a nondeterministic automaton and is determinised, so that one walk yields the set of all patterns that match.
//! Segments with typed or affixed captures are told apart by a byte automaton of the state's own.

use std::collections::{BTreeMap, HashMap};

use portcullis_lang::model::{
    CaptureKind, Effect, Owner, Pattern, Policy, Segment, Service, Tail, TargetKind,
};

use super::CompileError;
use super::number::number;
use super::pattern::{self, Table, TooLarge};

/// A rule with one of its targets: their indices.
pub type Instance = (u32, u32);

/// States that one service may have per node of its trie: determinising wildcards that overlap at every depth could
/// double the states at each.
const STATES_PER_NODE_MAX: usize = 64;
/// States that any service may have.
const STATES_MIN: usize = 4_096;

/// A state of the deterministic automaton.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// Next state of a segment that no edge and no class knows.
    pub default: u32,
    /// Index into [`Routes::tables`] and next states by its classes.
    pub classes: Option<(u32, Vec<u32>)>,
    /// Index into [`Routes::accepts`].
    pub plain: u32,
    /// Likewise, after a trailing slash.
    pub slash: u32,
}

/// All services' automata in one numbering; state 0 is dead, accept 0 is empty.
#[derive(Debug, Default)]
pub struct Routes {
    /// All states.
    pub states: Vec<State>,
    /// (state, segment) -> state.
    pub edges: BTreeMap<(u32, String), u32>,
    /// Sets of instances that match together, sorted.
    pub accepts: Vec<Vec<Instance>>,
    /// Root state of each service.
    pub roots: Vec<u32>,
    /// Accept of requests without a path, by service.
    pub nopath: Vec<u32>,
    /// Automata over segments.
    pub tables: Vec<Table>,
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

/// Whether the paths of a policy can be compiled.
pub(super) fn check(policy: &Policy) -> Result<(), CompileError> {
    // Paths of literals have as many states as their text has segments.
    let literal = |segment: &Segment| matches!(segment, Segment::Literal(_));
    let mut targets = policy.rules.iter().flat_map(|rule| &rule.targets);
    if targets.all(|target| target.pattern.segments.iter().all(literal)) {
        return Ok(());
    }
    Routes::plan(policy).map(drop)
}

impl Routes {
    /// Plans the routes of all services.
    pub(super) fn plan(policy: &Policy) -> Result<Routes, CompileError> {
        let mut routes = Routes {
            states: vec![State::default()],
            ..Routes::default()
        };
        routes.accept(Vec::new());
        let (own, guards) = owners(policy);
        for (service, own) in policy.services.iter().zip(own) {
            let rules = || guards.iter().chain(&own).copied();
            let trie = trie(policy, service.trailing_slash_ignored, rules());
            let root = routes.determinise(policy, &trie, service)?;
            routes.roots.push(root);
            let nopath = routes.accept(nopath(policy, rules()));
            routes.nopath.push(nopath);
        }
        Ok(routes)
    }

    fn accept(&mut self, mut set: Vec<Instance>) -> u32 {
        set.sort_unstable();
        set.dedup();
        number(&mut self.accepts, &mut self.accept_index, set)
    }

    fn table(&mut self, regexes: &[String]) -> Result<u32, TooLarge> {
        if let Some(index) = self.table_index.get(regexes) {
            return Ok(*index);
        }
        let table = Table::build(regexes)?;
        let index = self.tables.len() as u32;
        self.tables.push(table);
        self.table_index.insert(regexes.to_vec(), index);
        Ok(index)
    }

    /// Subset construction; `rest` nodes stay in every set below them.
    fn determinise(
        &mut self,
        policy: &Policy,
        trie: &[Node],
        service: &Service,
    ) -> Result<u32, CompileError> {
        let max = STATES_MIN.max(trie.len().saturating_mul(STATES_PER_NODE_MAX));
        let first = self.states.len() as u32;
        let mut sets = Sets {
            policy,
            trie,
            ids: HashMap::new(),
            queue: Vec::new(),
        };
        let root = sets.number(&mut self.states, vec![0], &[]);
        let mut at = 0;
        while let Some(set) = sets.queue.get(at).cloned() {
            if self.states.len() - first as usize > max {
                return Err(CompileError::RoutesTooAmbiguous {
                    service: service.name.clone(),
                    span: service.span,
                    max,
                });
            }
            // Roots are numbered first and in order, so ids are dense from `first` on.
            let id = first + at as u32;
            at += 1;
            self.state(&mut sets, id, &set)?;
        }
        Ok(root)
    }

    /// Where a state leads, segment by segment, and what it accepts.
    fn state(&mut self, sets: &mut Sets<'_>, id: u32, set: &Set) -> Result<(), CompileError> {
        let trie = sets.trie;
        let nodes = || set.nodes.iter().map(|n| &trie[*n]);
        let free: Vec<usize> = nodes().filter_map(|n| n.any).collect();
        let mut matchers: BTreeMap<&Matcher, Vec<usize>> = BTreeMap::new();
        for (matcher, child) in nodes().flat_map(|n| &n.matchers) {
            matchers.entry(matcher).or_default().push(*child);
        }
        let children: Vec<&Vec<usize>> = matchers.values().collect();
        let table = if matchers.is_empty() {
            None
        } else {
            let regexes: Vec<String> = matchers.keys().map(|m| m.regex.clone()).collect();
            let table = self.table(&regexes);
            Some(table.map_err(|TooLarge| too_large(sets.policy, trie, &matchers))?)
        };

        let default = sets.number(&mut self.states, free.clone(), &set.rests);
        let mut by_class = Vec::new();
        if let Some(table) = table {
            for members in self.tables[table as usize].sets.clone() {
                let mut next = free.clone();
                members.iter().for_each(|m| next.extend(children[*m]));
                by_class.push(sets.number(&mut self.states, next, &set.rests));
            }
        }
        let mut literals: Vec<(&str, Option<usize>)> = nodes()
            .flat_map(|n| &n.literals)
            .map(|(text, child)| (text.as_str(), Some(*child)))
            .collect();
        // A regex capture must not be empty, which its regex does not say.
        literals.extend(matchers.keys().filter_map(|m| Some((m.empty.as_deref()?, None))));
        literals.sort_unstable();
        for own in literals.chunk_by(|a, b| a.0 == b.0) {
            let text = own[0].0;
            let mut next = free.clone();
            next.extend(own.iter().filter_map(|literal| literal.1));
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
            let next = sets.number(&mut self.states, next, &set.rests);
            self.edges.insert((id, text.to_string()), next);
        }
        let rests = || set.rests.iter().flat_map(|n| trie[*n].rest.iter().copied());
        let plain = nodes().flat_map(|n| n.plain.iter().copied()).chain(rests());
        let plain = self.accept(plain.collect());
        let slash = nodes().flat_map(|n| n.slash.iter().copied()).chain(rests());
        let slash = self.accept(slash.collect());
        self.states[id as usize] = State {
            default,
            classes: table.map(|t| (t, by_class)),
            plain,
            slash,
        };
        Ok(())
    }
}

/// Trie nodes reached, and nodes above whose `/**` covers all that is below; both sorted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Set {
    nodes: Vec<usize>,
    rests: Vec<usize>,
}

/// Sets of one service, numbered as they are found.
struct Sets<'t> {
    policy: &'t Policy,
    trie: &'t [Node],
    ids: HashMap<Set, u32>,
    queue: Vec<Set>,
}

impl Sets<'_> {
    /// The state of nodes and of what is above them; 0 where there is nothing.
    fn number(&mut self, states: &mut Vec<State>, mut nodes: Vec<usize>, above: &[usize]) -> u32 {
        nodes.sort_unstable();
        nodes.dedup();
        let own = nodes.iter().copied().filter(|n| !self.trie[*n].rest.is_empty());
        let mut rests: Vec<usize> = above.iter().copied().chain(own).collect();
        rests.sort_unstable();
        rests.dedup();
        if nodes.is_empty() && rests.is_empty() {
            return 0;
        }
        let queue = &mut self.queue;
        *self.ids.entry(Set { nodes, rests }).or_insert_with_key(|set| {
            states.push(State::default());
            queue.push(set.clone());
            states.len() as u32 - 1
        })
    }
}

/// The error for matchers of one segment whose automaton is too large: it names the first rule, in the order of the
/// policy, with which it becomes so. Only a regex can be tested in a condition instead, so regexes come last.
fn too_large(policy: &Policy, trie: &[Node], matchers: &BTreeMap<&Matcher, Vec<usize>>) -> CompileError {
    let mut by_rule: Vec<(bool, Instance, &Matcher)> = Vec::new();
    for (matcher, children) in matchers {
        if let Some(first) = first_below(trie, children) {
            let is_regex = matches!(written(policy, first, matcher), Some((_, CaptureKind::Regex(_))));
            by_rule.push((is_regex, first, matcher));
        }
    }
    by_rule.sort_unstable();
    let fits = |count: usize| {
        let regexes: Vec<String> = by_rule.iter().take(count).map(|m| m.2.regex.clone()).collect();
        Table::build(&regexes).is_ok()
    };
    let (mut most, mut too_many) = (0, by_rule.len());
    while too_many - most > 1 {
        let middle = most + (too_many - most) / 2;
        *(if fits(middle) { &mut most } else { &mut too_many }) = middle;
    }
    let Some((_, first, matcher)) = by_rule.get(most) else {
        // Every matcher stands on the way to a rule.
        return CompileError::PatternTooLarge {
            span: None,
            pattern: matchers
                .keys()
                .map(|m| m.regex.as_str())
                .collect::<Vec<_>>()
                .join(" | "),
        };
    };
    let rule = &policy.rules[first.0 as usize];
    let capture = match written(policy, *first, matcher) {
        Some((name, CaptureKind::Regex(regex))) => Some((name.clone(), regex.clone())),
        _ => None,
    };
    CompileError::PathPatternsTooLarge {
        rule: rule.id.clone(),
        span: rule.targets[first.1 as usize].span,
        pattern: match &capture {
            Some((name, regex)) => format!("{{{name}:'{regex}'}}"),
            None => matcher.regex.clone(),
        },
        others: most,
        effect: rule.effect,
        capture,
    }
}

/// The first instance at or below nodes.
fn first_below(trie: &[Node], nodes: &[usize]) -> Option<Instance> {
    let mut todo = nodes.to_vec();
    let mut first: Option<Instance> = None;
    while let Some(node) = todo.pop().map(|n| &trie[n]) {
        for instance in node.plain.iter().chain(&node.slash).chain(&node.rest) {
            first = Some(first.map_or(*instance, |f| f.min(*instance)));
        }
        todo.extend(
            node.literals
                .values()
                .chain(&node.any)
                .chain(node.matchers.values()),
        );
    }
    first
}

/// The capture of an instance's pattern that a matcher came from.
fn written<'p>(
    policy: &'p Policy,
    instance: Instance,
    matcher: &Matcher,
) -> Option<(&'p String, &'p CaptureKind)> {
    let pattern = &policy.rules[instance.0 as usize].targets[instance.1 as usize].pattern;
    pattern.segments.iter().find_map(|segment| match segment {
        Segment::Capture {
            name,
            prefix,
            suffix,
            kind,
        } => (self::matcher(prefix, suffix, kind).as_ref() == Some(matcher)).then_some((name, kind)),
        Segment::Literal(_) | Segment::Any => None,
    })
}

/// The rules that take part in each service but for those of guards, and those of guards, which take part in all.
pub(super) fn owners(policy: &Policy) -> (Vec<Vec<usize>>, Vec<usize>) {
    let (mut own, mut guards) = (vec![Vec::new(); policy.services.len()], Vec::new());
    for (index, rule) in policy.rules.iter().enumerate() {
        match rule.owner {
            Owner::Service(service) => own
                .get_mut(service.index())
                .into_iter()
                .for_each(|s| s.push(index)),
            Owner::Guard(_) => guards.push(index),
        }
    }
    (own, guards)
}

fn trie(policy: &Policy, slash_ignored: bool, rules: impl Iterator<Item = usize>) -> Vec<Node> {
    let mut trie = vec![Node::default()];
    for (r, rule) in rules.map(|r| (r, &policy.rules[r])) {
        let wide = rule.effect != Effect::Allow || slash_ignored;
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
fn nopath(policy: &Policy, rules: impl Iterator<Item = usize>) -> Vec<Instance> {
    let mut out = Vec::new();
    for (r, rule) in rules.map(|r| (r, &policy.rules[r])) {
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
