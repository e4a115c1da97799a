//! Accept sets × methods × kinds of exchange -> entries: which instances take part, and the graphs of their verdict.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use portcullis_lang::model::{ANY_ALLOW_METHODS, Effect, Methods, Policy, Rule, RuleId, Target, TargetKind};

use super::graph::{NO, Ref, YES};
use super::lower::{Lowered, Part, Test};
use super::routes::{Instance, Routes};
use super::vars::Vars;
use crate::canary::canary;
use crate::image::layout::{KINDS, fallback, lack};

/// An allow and its parts: kind, text, root.
pub(super) type Explanation = (u32, Vec<(u32, u32, Ref)>);

/// An entry before it becomes words.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Entry {
    pub(super) fallback: u32,
    /// Index into [`Plan::texts`].
    pub(super) allow: u32,
    pub(super) kinds: u32,
    pub(super) deny: Vec<Ref>,
    pub(super) grant: Vec<Ref>,
    pub(super) age: Vec<Ref>,
    pub(super) scope: Vec<Ref>,
    pub(super) oblige: Vec<(u32, Ref)>,
    pub(super) standing: Vec<(u32, Ref, Ref)>,
    pub(super) report: Vec<(u32, Ref, Ref)>,
    /// Rule, parts (kind, text, root).
    pub(super) closest: Vec<Explanation>,
}

/// Everything that an image's hot part says, but for variables and routes.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) methods: Vec<String>,
    /// By accept: entry by kind × (methods + 1).
    pub(super) rows: Vec<Vec<u32>>,
    pub(super) entries: Vec<Entry>,
    /// Rule, certain, status.
    pub(super) heads: Vec<(u32, bool, u16)>,
    pub(super) texts: Vec<String>,
    text_index: HashMap<String, u32>,
    head_index: HashMap<(u32, bool, u16), u32>,
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

/// Plans all entries.
pub(super) fn plan(policy: &Policy, lowered: &Lowered, routes: &Routes, vars: &mut Vars) -> Plan {
    let mut planner = Planner {
        policy,
        lowered,
        vars,
        plan: Plan::default(),
        known: HashMap::new(),
    };
    planner.plan.methods = methods(policy);
    for accept in &routes.accepts {
        let row = planner.row(accept);
        planner.plan.rows.push(row);
    }
    planner.plan
}

/// Every method that some rule names, and those of `any` in allows.
fn methods(policy: &Policy) -> Vec<String> {
    let mut all: BTreeSet<String> = ANY_ALLOW_METHODS.iter().map(|m| m.to_string()).collect();
    // An extended CONNECT can be a websocket.
    all.insert("CONNECT".to_string());
    for target in policy.rules.iter().flat_map(|r| &r.targets) {
        if let Methods::Only(names) = &target.methods {
            all.extend(names.iter().cloned());
        }
    }
    all.into_iter().collect()
}

/// Whether a target takes the request in, its path given.
fn covers(rule: &Rule, target: &Target, shape: Shape<'_>) -> bool {
    let named = match (&target.methods, shape.method) {
        (Methods::Any, Some(method)) if rule.effect == Effect::Allow => ANY_ALLOW_METHODS.contains(&method),
        (Methods::Any, None) if rule.effect == Effect::Allow => false,
        (Methods::Any, _) => true,
        (Methods::Only(names), Some(method)) => {
            let has = |name: &str| names.iter().any(|n| n == name);
            // In denies and standing rules GET covers HEAD.
            has(method) || (rule.effect != Effect::Allow && head_folds(method) && has("GET"))
        }
        (Methods::Only(_), None) => false,
    };
    match (target.kind, rule.effect) {
        (TargetKind::Http, Effect::Allow) => named && shape.upgrade == Upgrade::None,
        (TargetKind::WebSocket, _) => shape.upgrade == Upgrade::WebSocket,
        (TargetKind::Grpc, Effect::Allow) => named && shape.grpc && shape.upgrade == Upgrade::None,
        (TargetKind::Http | TargetKind::Grpc | TargetKind::NoPath, _) => named,
    }
}

fn head_folds(method: &str) -> bool {
    canary!(DenyHead, false, method == "HEAD")
}

struct Planner<'p> {
    policy: &'p Policy,
    lowered: &'p Lowered,
    vars: &'p mut Vars,
    plan: Plan,
    /// (instances that take part, fallback, allow text) -> entry.
    known: HashMap<(Vec<Instance>, u32, u32), u32>,
}

impl Planner<'_> {
    fn target(&self, (rule, target): Instance) -> (&Rule, &Target) {
        let rule = self.policy.rule(RuleId(rule));
        (rule, &rule.targets[target as usize])
    }

    fn test(&self, (rule, target): Instance) -> &super::lower::Instance {
        &self.lowered[rule as usize][target as usize]
    }

    fn text(&mut self, text: &str) -> u32 {
        if let Some(index) = self.plan.text_index.get(text) {
            return *index;
        }
        let index = self.plan.texts.len() as u32;
        self.plan.texts.push(text.to_string());
        self.plan.text_index.insert(text.to_string(), index);
        index
    }

    /// The entries of one accept set, by kind and method; the last method stands for all others.
    fn row(&mut self, accept: &[Instance]) -> Vec<u32> {
        let methods = self.plan.methods.clone();
        let mut row = Vec::with_capacity(KINDS as usize * (methods.len() + 1));
        for kind in 0..KINDS {
            let upgrade = [Upgrade::None, Upgrade::WebSocket, Upgrade::Other][(kind / 2) as usize];
            for method in methods.iter().map(Some).chain([None]) {
                let shape = Shape {
                    method: method.map(String::as_str),
                    upgrade,
                    grpc: kind % 2 == 1,
                };
                row.push(self.entry(accept, shape));
            }
        }
        row
    }

    fn entry(&mut self, accept: &[Instance], shape: Shape<'_>) -> u32 {
        let takes: Vec<Instance> = accept
            .iter()
            .copied()
            .filter(|i| {
                let (rule, target) = self.target(*i);
                covers(rule, target, shape)
            })
            .collect();
        let is_allow = |i: &Instance| self.target(*i).0.effect == Effect::Allow;
        let routes: Vec<Instance> = accept.iter().copied().filter(is_allow).collect();
        let without_path = routes
            .iter()
            .all(|i| self.target(*i).1.kind == TargetKind::NoPath);
        let (fallback, allow) = if routes.is_empty() || (without_path && !takes.iter().any(is_allow)) {
            (fallback::NO_ROUTE, 0)
        } else {
            let allowed = self.allowed(&routes);
            let named = shape.method.is_some_and(|m| allowed.contains(m)) || takes.iter().any(is_allow);
            if named {
                (fallback::CLASSES, 0)
            } else {
                let names: Vec<&str> = allowed.iter().map(String::as_str).collect();
                (fallback::METHOD, self.text(&names.join(", ")))
            }
        };
        let key = (takes, fallback, allow);
        if let Some(known) = self.known.get(&key) {
            return *known;
        }
        let entry = self.build(&key.0, fallback, allow);
        let index = self.plan.entries.len() as u32;
        self.plan.entries.push(entry);
        self.known.insert(key, index);
        index
    }

    /// The union of the methods of allows.
    fn allowed(&self, routes: &[Instance]) -> BTreeSet<String> {
        let mut out = BTreeSet::new();
        for instance in routes {
            match &self.target(*instance).1.methods {
                Methods::Any => out.extend(ANY_ALLOW_METHODS.iter().map(|m| m.to_string())),
                Methods::Only(names) => out.extend(names.iter().cloned()),
            }
        }
        out
    }

    fn build(&mut self, takes: &[Instance], fallback: u32, allow: u32) -> Entry {
        let of = |effect: Effect, report: bool| -> Vec<Instance> {
            let select = |i: &&Instance| {
                let rule = self.policy.rule(RuleId(i.0));
                rule.effect == effect && rule.report == report
            };
            takes.iter().filter(select).copied().collect()
        };
        let (allows, standing) = (of(Effect::Allow, false), of(Effect::On, false));
        let enforced = of(Effect::Deny, false);
        let denies = canary!(
            ReportEnforced,
            [enforced, of(Effect::Deny, true)].concat(),
            enforced
        );
        let mut reported = of(Effect::Deny, true);
        reported.extend(of(Effect::On, true));
        reported.sort_unstable();
        let kinds = allows
            .iter()
            .fold(0, |kinds, (r, _)| kinds | kinds_of(self.policy.rule(RuleId(*r))));
        Entry {
            fallback,
            allow,
            kinds: u32::from(kinds),
            deny: self.deny(&denies),
            grant: self.grant(&allows),
            age: self.lacking_age(&allows),
            scope: self.lacking_scope(&allows),
            oblige: self.oblige(&allows),
            standing: self.three_valued(&standing),
            report: self.three_valued(&reported),
            closest: self.closest(&allows),
        }
    }

    /// Denies in order of rank (section 6): true before unknown, the larger status, the smaller answer, the smaller id.
    fn deny(&mut self, denies: &[Instance]) -> Vec<Ref> {
        struct Ranked<'r> {
            certain: bool,
            status: u16,
            answer: (Option<&'r str>, Option<u64>, Option<&'r str>),
            rule: u32,
            root: Ref,
        }
        let mut ranked = Vec::new();
        for instance in denies {
            let rule = self.policy.rule(RuleId(instance.0));
            let condition = &self.lowered[instance.0 as usize][instance.1 as usize].condition;
            for certain in [true, false] {
                let applies = if certain {
                    self.vars.graph_of(condition, true)
                } else {
                    canary!(
                        DenyUnknown,
                        self.vars.graph_of(condition, true),
                        self.vars.maybe(condition)
                    )
                };
                let respond = rule.respond.as_ref();
                let answer = (
                    respond.and_then(|r| r.location.as_deref()),
                    respond.and_then(|r| r.retry_after_s),
                    rule.because.as_deref(),
                );
                let mut push = |status, root| {
                    ranked.push(Ranked {
                        certain,
                        status,
                        answer,
                        rule: instance.0,
                        root,
                    })
                };
                match (respond, kinds_of(rule)) {
                    (Some(respond), _) => push(respond.status, applies),
                    (None, 0) => push(403, applies),
                    (None, kinds) => {
                        let valid = self.valid(kinds);
                        let without = self.vars.graph_of(&valid, false);
                        let with = self.vars.graph_of(&valid, true);
                        let (without, with) = (self.vars.and(applies, without), self.vars.and(applies, with));
                        push(401, without);
                        push(403, with);
                    }
                }
            }
        }
        ranked.sort_by(|a, b| {
            (
                !a.certain,
                std::cmp::Reverse(rank_status(a.status)),
                a.answer,
                a.rule,
            )
                .cmp(&(
                    !b.certain,
                    std::cmp::Reverse(rank_status(b.status)),
                    b.answer,
                    b.rule,
                ))
        });
        let labelled: Vec<Ref> = ranked
            .iter()
            .map(|r| {
                let next = self.plan.heads.len() as u32;
                let key = (r.rule, r.certain, r.status);
                let head = *self.plan.head_index.entry(key).or_insert_with(|| {
                    self.plan.heads.push(key);
                    next
                });
                self.vars.graph.label(r.root, head + 1)
            })
            .collect();
        self.vars.graph.first_of(&labelled)
    }

    /// "One of these kinds is valid."
    fn valid(&self, kinds: u8) -> Test {
        let kinds = (0..4).filter(|k| kinds & (1 << k) != 0);
        Test::Any(kinds.map(|k| Test::Leaf(super::lower::Leaf::Valid(k))).collect())
    }

    /// What of an allow holds: condition, scopes, acr and age.
    fn held(&mut self, instance: Instance) -> (Ref, Ref, Ref) {
        let super::lower::Instance { condition, parts } = self.test(instance).clone();
        let condition = self.vars.graph_of(&condition, true);
        let (mut scopes, mut fresh) = (YES, YES);
        for part in &parts {
            match part {
                Part::Scope(_, test) => {
                    let test = self.vars.graph_of(test, true);
                    scopes = canary!(
                        ScopesAny,
                        if scopes == YES {
                            test
                        } else {
                            self.vars.or(scopes, test)
                        },
                        self.vars.and(scopes, test)
                    );
                }
                Part::Acr(test) | Part::Age(test) => {
                    let test = self.vars.graph_of(test, true);
                    fresh = self.vars.and(fresh, test);
                }
                Part::Condition(..) => {}
            }
        }
        (condition, scopes, fresh)
    }

    fn granted(&mut self, instance: Instance) -> Ref {
        let (condition, scopes, fresh) = self.held(instance);
        let both = self.vars.and(scopes, fresh);
        self.vars.and(condition, both)
    }

    fn grant(&mut self, allows: &[Instance]) -> Vec<Ref> {
        let roots: Vec<Ref> = allows
            .iter()
            .map(|i| {
                let root = self.granted(*i);
                self.vars.graph.label(root, i.0 + 1)
            })
            .collect();
        self.vars.graph.first_of(&roots)
    }

    fn lacking_age(&mut self, allows: &[Instance]) -> Vec<Ref> {
        let mut roots = Vec::new();
        for instance in allows {
            let (condition, scopes, fresh) = self.held(*instance);
            if fresh != YES {
                let stale = self.vars.graph.not(fresh);
                let rest = self.vars.and(condition, scopes);
                let root = self.vars.and(rest, stale);
                roots.push(self.vars.graph.label(root, instance.0 + 1));
            }
        }
        self.vars.graph.first_of(&roots)
    }

    fn lacking_scope(&mut self, allows: &[Instance]) -> Vec<Ref> {
        let mut ranked = Vec::new();
        for instance in allows {
            let (condition, scopes, fresh) = self.held(*instance);
            if scopes != YES {
                let missing = self.vars.graph.not(scopes);
                let rest = self.vars.and(condition, fresh);
                let root = self.vars.and(rest, missing);
                let wanted = &self.policy.rule(RuleId(instance.0)).requires.scopes;
                ranked.push((
                    wanted.len(),
                    wanted.join(" "),
                    instance.0,
                    self.vars.graph.label(root, instance.0 + 1),
                ));
            }
        }
        ranked.sort_by(|a, b| (a.0, &a.1, a.2).cmp(&(b.0, &b.1, b.2)));
        let roots: Vec<Ref> = ranked.into_iter().map(|r| r.3).collect();
        self.vars.graph.first_of(&roots)
    }

    /// By rule: it binds where any of its instances grants.
    fn oblige(&mut self, allows: &[Instance]) -> Vec<(u32, Ref)> {
        let mut out: BTreeMap<u32, Ref> = BTreeMap::new();
        for instance in allows
            .iter()
            .filter(|i| !self.policy.rule(RuleId(i.0)).obligations.is_empty())
        {
            let root = self.granted(*instance);
            let before = out.get(&instance.0).copied().unwrap_or(NO);
            out.insert(instance.0, self.vars.or(before, root));
        }
        out.into_iter().collect()
    }

    fn three_valued(&mut self, rules: &[Instance]) -> Vec<(u32, Ref, Ref)> {
        let mut out: BTreeMap<u32, (Ref, Ref)> = BTreeMap::new();
        for instance in rules {
            let condition = self.test(*instance).condition.clone();
            let (yes, maybe) = (self.vars.graph_of(&condition, true), self.vars.maybe(&condition));
            let before = out.get(&instance.0).copied().unwrap_or((NO, NO));
            let both = (self.vars.or(before.0, yes), self.vars.or(before.1, maybe));
            out.insert(instance.0, both);
        }
        out.into_iter()
            .map(|(rule, (yes, maybe))| (rule, yes, maybe))
            .collect()
    }

    fn closest(&mut self, allows: &[Instance]) -> Vec<Explanation> {
        let mut out = Vec::new();
        for instance in allows {
            let parts = self.test(*instance).parts.clone();
            let mut roots = Vec::new();
            for part in &parts {
                let (kind, text, test) = match part {
                    Part::Scope(scope, test) => (lack::SCOPE, self.text(scope), test),
                    Part::Acr(test) => (lack::ACR, 0, test),
                    Part::Age(test) => (lack::AGE, 0, test),
                    Part::Condition(text, test) => (lack::CONDITION, self.text(text), test),
                };
                roots.push((kind, text, self.vars.graph_of(test, true)));
            }
            out.push((instance.0, roots));
        }
        out
    }
}

/// Bit k: reads credential kind k.
pub(super) fn kinds_of(rule: &Rule) -> u8 {
    rule.credentials()
        .into_iter()
        .fold(0, |kinds, kind| kinds | 1 << kind as u8)
}

fn rank_status(status: u16) -> u16 {
    canary!(DenyRank, u16::MAX - status, status)
}
