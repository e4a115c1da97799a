//! Methods and kinds of exchange -> which of the rules that share a path take part in each. Most paths have rules of
//! the same few kinds, so the answer is worked out once for a list of kinds and not for each path.

use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use portcullis_lang::model::{ANY_ALLOW_METHODS, Effect, Methods, Policy, RuleId, TargetKind};

use super::number::number;
use super::routes::Instance;
use portcullis::image::layout::{KINDS, fallback};

/// All that selects a rule beside its path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Kind {
    effect: Effect,
    target: TargetKind,
    methods: Methods,
}

/// What of a request's shape selects instances beside its path.
#[derive(Clone, Copy)]
struct Shape<'s> {
    /// `None`: a method that the policy does not name.
    method: Option<&'s str>,
    upgrade: Upgrade,
    grpc: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Upgrade {
    None,
    WebSocket,
    Other,
}

/// Places in a list of instances, with what an entry of them answers where no allow applies.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Taking {
    pub(super) places: Vec<usize>,
    pub(super) fallback: u32,
    /// The Allow header of [`fallback::METHOD`].
    pub(super) allow: String,
}

/// A list's row: what takes part where, each taking once.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) takings: Vec<Taking>,
    /// By kind of exchange × (methods + 1): index into `takings`.
    pub(super) cells: Vec<u32>,
}

/// Kinds of a policy's instances, and the rows already worked out.
#[derive(Debug)]
pub(super) struct Shapes {
    pub(super) methods: Vec<String>,
    kinds: Vec<Kind>,
    /// By rule, then by target: index into `kinds`.
    of: Vec<Vec<u32>>,
    rows: HashMap<Vec<u32>, Rc<Row>>,
}

impl Shapes {
    pub(super) fn new(policy: &Policy) -> Shapes {
        let mut kinds = Vec::new();
        let mut index: HashMap<Kind, u32> = HashMap::new();
        let mut of = Vec::with_capacity(policy.rules.len());
        for rule in &policy.rules {
            let mut kind = |methods: &Methods, target| {
                let kind = Kind {
                    effect: rule.effect,
                    target,
                    methods: methods.clone(),
                };
                number(&mut kinds, &mut index, kind)
            };
            of.push(rule.targets.iter().map(|t| kind(&t.methods, t.kind)).collect());
        }
        Shapes {
            methods: methods(policy),
            kinds,
            of,
            rows: HashMap::new(),
        }
    }

    /// The row of a set of instances.
    pub(super) fn row(&mut self, accept: &[Instance]) -> Rc<Row> {
        let kind = |i: &Instance| self.of[i.0 as usize][i.1 as usize];
        let key: Vec<u32> = accept.iter().map(kind).collect();
        if let Some(known) = self.rows.get(&key) {
            return known.clone();
        }
        let row = Rc::new(self.work_out(&key));
        self.rows.insert(key, row.clone());
        row
    }

    /// The last method stands for all others.
    fn work_out(&self, list: &[u32]) -> Row {
        let mut row = Row {
            takings: Vec::new(),
            cells: Vec::with_capacity(KINDS as usize * (self.methods.len() + 1)),
        };
        let mut index: HashMap<Taking, u32> = HashMap::new();
        let kinds: BTreeSet<u32> = list.iter().copied().collect();
        for exchange in 0..KINDS {
            let upgrade = [Upgrade::None, Upgrade::WebSocket, Upgrade::Other][(exchange / 2) as usize];
            for method in self.methods.iter().map(Some).chain([None]) {
                let shape = Shape {
                    method: method.map(String::as_str),
                    upgrade,
                    grpc: exchange % 2 == 1,
                };
                let taking = self.taking(list, &kinds, shape);
                row.cells.push(number(&mut row.takings, &mut index, taking));
            }
        }
        row
    }

    fn taking(&self, list: &[u32], kinds: &BTreeSet<u32>, shape: Shape<'_>) -> Taking {
        let of = |kind: u32| &self.kinds[kind as usize];
        let take: BTreeSet<u32> = kinds.iter().copied().filter(|k| covers(of(*k), shape)).collect();
        let places = (0..list.len()).filter(|i| take.contains(&list[*i])).collect();
        let is_allow = |kind: &&u32| of(**kind).effect == Effect::Allow;
        let mut routes = kinds.iter().filter(is_allow).map(|k| of(*k)).peekable();
        let granting = take.iter().any(|k| is_allow(&k));
        let no_route = Taking {
            places,
            fallback: fallback::NO_ROUTE,
            allow: String::new(),
        };
        if routes.peek().is_none() {
            return no_route;
        }
        let routes: Vec<&Kind> = routes.collect();
        if routes.iter().all(|k| k.target == TargetKind::NoPath) && !granting {
            return no_route;
        }
        let allowed = allowed(&routes);
        if shape.method.is_some_and(|m| allowed.contains(m)) || granting {
            Taking {
                fallback: fallback::CLASSES,
                ..no_route
            }
        } else {
            Taking {
                fallback: fallback::METHOD,
                allow: allowed.into_iter().collect::<Vec<_>>().join(", "),
                ..no_route
            }
        }
    }
}

/// Every method that some rule names, and those of `any` in allows.
fn methods(policy: &Policy) -> Vec<String> {
    let mut all: BTreeSet<&str> = ANY_ALLOW_METHODS.into_iter().collect();
    for target in policy.rules.iter().flat_map(|r| &r.targets) {
        if let Methods::Only(names) = &target.methods {
            all.extend(names.iter().map(String::as_str));
        }
    }
    all.into_iter().map(str::to_string).collect()
}

/// The union of the methods of allows.
fn allowed<'k>(routes: &[&'k Kind]) -> BTreeSet<&'k str> {
    let mut out = BTreeSet::new();
    for kind in routes {
        match &kind.methods {
            Methods::Any => out.extend(ANY_ALLOW_METHODS),
            Methods::Only(names) => out.extend(names.iter().map(String::as_str)),
        }
    }
    out
}

/// Whether a target takes the request in, its path given.
fn covers(kind: &Kind, shape: Shape<'_>) -> bool {
    let named = match (&kind.methods, shape.method) {
        (Methods::Any, Some(method)) if kind.effect == Effect::Allow => ANY_ALLOW_METHODS.contains(&method),
        (Methods::Any, None) if kind.effect == Effect::Allow => false,
        (Methods::Any, _) => true,
        (Methods::Only(names), Some(method)) => {
            let has = |name: &str| names.iter().any(|n| n == name);
            // In denies and standing rules GET covers HEAD.
            has(method) || (kind.effect != Effect::Allow && head_folds(method) && has("GET"))
        }
        (Methods::Only(_), None) => false,
    };
    match (kind.target, kind.effect) {
        (TargetKind::Http, Effect::Allow) => named && shape.upgrade == Upgrade::None,
        (TargetKind::WebSocket, _) => shape.upgrade == Upgrade::WebSocket,
        (TargetKind::Grpc, Effect::Allow) => named && shape.grpc && shape.upgrade == Upgrade::None,
        (TargetKind::Http | TargetKind::Grpc | TargetKind::NoPath, _) => named,
    }
}

fn head_folds(method: &str) -> bool {
    method == "HEAD"
}

/// Picks the places of a taking.
pub(super) fn pick(accept: &[Instance], taking: &Taking) -> Vec<Instance> {
    taking
        .places
        .iter()
        .filter_map(|i| accept.get(*i).copied())
        .collect()
}

/// The rule of an instance.
pub(super) fn rule(policy: &Policy, instance: Instance) -> &portcullis_lang::model::Rule {
    policy.rule(RuleId(instance.0))
}
