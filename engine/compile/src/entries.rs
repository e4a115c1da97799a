//! Accept sets × methods × kinds of exchange -> entries: which instances take part, and the graphs of their verdict.

use portcullis_base::CredentialKinds;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use portcullis_lang::model::{Policy, RuleId};

use super::bitmap::{self, Filter};
use super::graph::{NO, Ref};
use super::instances::{Graphs, Instances};
use super::lower::Lowered;
use super::number::number;
use super::routes::{Instance, Routes};
use super::shapes::{Shapes, pick, rule};
use super::vars::{Var, Vars};
use super::{CompileError, Form};
use portcullis::image::layout::filter;

/// Graphs of one list that an entry is walked through in turn. A merge over budget leaves several; past this many,
/// rule bitmaps find those that can say something.
const LIST_GRAPHS_MAX: usize = 8;

/// An allow and its parts: kind, text, root.
pub type Explanation = (u32, Rc<[(u32, u32, Ref)]>);

/// Which items of a list can say something: index into [`Entries::filters`]; `None` where all are tried.
pub type Filtered = Option<u32>;

/// The lists of an entry that can have a filter, in the order of its arrays.
pub const LISTS: usize = filter::LISTS as usize;

/// An entry before it becomes words.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The first rule that takes part, for messages; 0 where none does.
    pub first: u32,
    /// What it answers where no allow applies: [`portcullis::image::layout::fallback`].
    pub fallback: u32,
    /// Index into [`Entries::texts`]: the Allow header of a 405.
    pub allow: u32,
    /// Kinds of credentials that its allows read, a bit each.
    pub kinds: u32,
    /// Deciding denies, best first; leaves are 1 + an index into [`Entries::heads`].
    pub deny: Vec<Ref>,
    /// Granting allows; leaves are 1 + the rule.
    pub grant: Vec<Ref>,
    /// Allows that lack nothing but acr or age; leaves are 1 + the rule.
    pub age: Vec<Ref>,
    /// Allows that lack nothing but scopes, the smallest set first; leaves are 1 + the rule. Those whose globs are not
    /// met come last; their leaf is that of no rule.
    pub scope: Vec<Ref>,
    /// Allows with obligations, and when each grants.
    pub oblige: Vec<(u32, Ref)>,
    /// Standing obligations: when each is true, and when true or unknown.
    pub standing: Vec<(u32, Ref, Ref)>,
    /// Reported rules, likewise.
    pub report: Vec<(u32, Ref, Ref)>,
    /// Rule, parts (kind, text, root).
    pub closest: Vec<Explanation>,
    /// Deny, grant, age, scope, oblige, standing, report.
    pub filters: [Filtered; LISTS],
}

impl Entry {
    /// Every root, but for those of filters, which have none.
    fn roots(&mut self, f: &mut dyn FnMut(&mut Ref)) {
        [&mut self.deny, &mut self.grant, &mut self.age, &mut self.scope]
            .into_iter()
            .flatten()
            .for_each(&mut *f);
        self.oblige.iter_mut().for_each(|item| f(&mut item.1));
        for item in self.standing.iter_mut().chain(&mut self.report) {
            f(&mut item.1);
            f(&mut item.2);
        }
        for (_, parts) in &mut self.closest {
            let mut own = parts.to_vec();
            own.iter_mut().for_each(|part| f(&mut part.2));
            *parts = own.into();
        }
    }
}

/// Everything that an image's hot part says, but for variables and routes.
#[derive(Debug, Default)]
pub struct Entries {
    /// Methods that the policy tells apart.
    pub methods: Vec<String>,
    /// By accept: entry by kind × (methods + 1).
    pub rows: Vec<Vec<u32>>,
    /// Each once.
    pub entries: Vec<Entry>,
    /// Shared by entries with equal lists.
    pub filters: Vec<Filter>,
    /// Rule, certain, status.
    pub heads: Vec<(u32, bool, u16)>,
    /// Texts of explanations and Allow headers, each once; 0 is the empty one.
    pub texts: Vec<String>,
}

/// Plans all entries.
pub(super) fn plan(
    policy: &Policy,
    lowered: &Lowered,
    routes: &Routes,
    vars: &mut Vars,
    form: Form,
) -> Result<Entries, CompileError> {
    let mut shapes = Shapes::new(policy);
    let mut planner = Planner {
        policy,
        vars,
        form,
        instances: Instances::new(policy, lowered),
        texts: Texts::default(),
        heads: HashMap::new(),
        known: HashMap::new(),
        merged: HashMap::new(),
        plan: Entries {
            methods: shapes.methods.clone(),
            ..Entries::default()
        },
    };
    for accept in &routes.accepts {
        let row = shapes.row(accept);
        let entries = row.takings.iter().map(|taking| {
            let allow = planner.texts.number(&taking.allow);
            planner.entry(pick(accept, taking), taking.fallback, allow)
        });
        let entries: Vec<u32> = entries.collect::<Result<_, _>>()?;
        let cells = row.cells.iter().map(|taking| entries[*taking as usize]);
        planner.plan.rows.push(cells.collect());
    }
    Ok(planner.finish())
}

/// Texts of explanations and Allow headers, each once; 0 is the empty one.
#[derive(Debug, Default)]
struct Texts {
    all: Vec<String>,
    index: HashMap<String, u32>,
}

impl Texts {
    fn number(&mut self, text: &str) -> u32 {
        number(&mut self.all, &mut self.index, text.to_string())
    }
}

struct Planner<'p> {
    policy: &'p Policy,
    vars: &'p mut Vars,
    form: Form,
    instances: Instances<'p>,
    texts: Texts,
    heads: HashMap<(u32, bool, u16), u32>,
    /// (instances that take part, fallback, allow text) -> entry.
    known: HashMap<(Vec<Instance>, u32, u32), u32>,
    /// Ranked lists, as merged: rules of guards take part everywhere, often in equal lists.
    merged: HashMap<Vec<Ref>, (Vec<Ref>, Filtered)>,
    plan: Entries,
}

/// A deny in the order of section 6.
struct Ranked<'r> {
    certain: bool,
    status: u16,
    answer: (Option<&'r str>, Option<u64>, Option<&'r str>),
    rule: u32,
    root: Ref,
}

impl Planner<'_> {
    fn entry(&mut self, takes: Vec<Instance>, fallback: u32, allow: u32) -> Result<u32, CompileError> {
        let key = (takes, fallback, allow);
        if let Some(known) = self.known.get(&key) {
            return Ok(*known);
        }
        let entry = self.build(&key.0, fallback, allow)?;
        let index = self.plan.entries.len() as u32;
        self.plan.entries.push(entry);
        self.known.insert(key, index);
        Ok(index)
    }

    /// After each rule: what a full graph gave means nothing.
    fn within_budget(&self, rule: u32) -> Result<(), CompileError> {
        if !self.vars.graph.is_full() {
            return Ok(());
        }
        Err(CompileError::TooManyNodes {
            rule: self.policy.rule(RuleId(rule)).id.clone(),
            max: self.vars.graph.max,
        })
    }

    fn build(&mut self, takes: &[Instance], fallback: u32, allow: u32) -> Result<Entry, CompileError> {
        let (mut denies, mut age, mut grant) = (Vec::new(), Vec::new(), Vec::new());
        let (mut scope, mut globs) = (Vec::new(), Vec::new());
        let (mut oblige, mut closest, mut kinds) = (BTreeMap::new(), Vec::new(), CredentialKinds::NONE);
        let (mut standing, mut report) = (BTreeMap::new(), BTreeMap::new());
        for at in takes {
            let texts = &mut self.texts;
            let graphs = self
                .instances
                .graphs(self.vars, &mut |text| texts.number(text), *at);
            self.within_budget(at.0)?;
            let of = rule(self.policy, *at);
            match graphs {
                Graphs::Allow {
                    granted,
                    grant: root,
                    age: stale,
                    scope: missing,
                    glob,
                    parts,
                } => {
                    kinds = kinds.union(self.instances.kinds[at.0 as usize]);
                    grant.push(root);
                    age.push(stale);
                    if missing != NO {
                        scope.push((&of.requires.scopes, at.0, missing));
                    }
                    if glob != NO {
                        globs.push(glob);
                    }
                    closest.push((at.0, parts));
                    // It binds where any of its instances grants.
                    if !of.obligations.is_empty() {
                        let before = oblige.get(&at.0).copied().unwrap_or(NO);
                        oblige.insert(at.0, self.vars.or(before, granted));
                    }
                }
                Graphs::Deny { heads } => {
                    let respond = of.respond.as_ref();
                    denies.extend(heads.iter().map(|head| Ranked {
                        certain: head.certain,
                        status: head.status,
                        answer: (
                            respond.and_then(|r| r.location.as_deref()),
                            respond.and_then(|r| r.retry_after_s),
                            of.because.as_deref(),
                        ),
                        rule: at.0,
                        root: head.root,
                    }));
                }
                Graphs::Standing { yes, maybe } => {
                    let list = if of.report { &mut report } else { &mut standing };
                    let before: (Ref, Ref) = list.get(&at.0).copied().unwrap_or((NO, NO));
                    let both = (self.vars.or(before.0, yes), self.vars.or(before.1, maybe));
                    list.insert(at.0, both);
                }
            }
        }
        // The smallest scope set first, then those that no client can be told.
        let rank = |scopes: &[String]| (scopes.len(), scopes.join(" "));
        scope.sort_by_cached_key(|(scopes, rule, _)| (rank(scopes), *rule));
        let deny = self.deny(denies)?;
        let (deny, grant) = (self.ranked(deny), self.ranked(grant));
        let (age, scope) = (
            self.ranked(age),
            self.ranked(scope.into_iter().map(|s| s.2).chain(globs).collect()),
        );
        let three = |list: BTreeMap<u32, (Ref, Ref)>| -> Vec<(u32, Ref, Ref)> {
            list.into_iter()
                .map(|(rule, (yes, maybe))| (rule, yes, maybe))
                .collect()
        };
        let oblige: Vec<(u32, Ref)> = oblige.into_iter().collect();
        let (standing, report) = (three(standing), three(report));
        let filters = [
            deny.1,
            grant.1,
            age.1,
            scope.1,
            self.side(oblige.iter().map(|item| item.1).collect()),
            self.side(standing.iter().map(|item| item.2).collect()),
            self.side(report.iter().map(|item| item.2).collect()),
        ];
        // Merging makes nodes too.
        let first = takes.first().map_or(0, |at| at.0);
        self.within_budget(first)?;
        Ok(Entry {
            first,
            fallback,
            allow,
            kinds: u32::from(kinds.bits()),
            deny: deny.0,
            grant: grant.0,
            age: age.0,
            scope: scope.0,
            oblige,
            standing,
            report,
            closest,
            filters,
        })
    }

    /// Denies in order of rank (section 6): true before unknown, the larger status, the smaller answer, the smaller id.
    fn deny(&mut self, mut ranked: Vec<Ranked<'_>>) -> Result<Vec<Ref>, CompileError> {
        ranked.sort_by_key(|of| (!of.certain, std::cmp::Reverse(of.status), of.answer, of.rule));
        let mut labelled = Vec::with_capacity(ranked.len());
        for of in &ranked {
            let key = (of.rule, of.certain, of.status);
            let next = self.plan.heads.len() as u32;
            let head = *self.heads.entry(key).or_insert(next);
            if head == next {
                self.plan.heads.push(key);
            }
            labelled.push(self.vars.graph.label(of.root, head + 1));
            self.within_budget(of.rule)?;
        }
        Ok(labelled)
    }

    /// A list of which the first that says something decides: merged, or filtered where merging is over budget.
    fn ranked(&mut self, mut list: Vec<Ref>) -> (Vec<Ref>, Filtered) {
        list.retain(|root| *root != NO);
        if list.is_empty() {
            return (list, None);
        }
        if let Some(known) = self.merged.get(&list) {
            return known.clone();
        }
        let graphs = match self.form {
            Form::Bitmaps => None,
            Form::Graphs => Some(self.vars.graph.first_of(&list)),
            Form::Auto => Some(self.vars.graph.first_of(&list)).filter(|g| g.len() <= LIST_GRAPHS_MAX),
        };
        let made = match graphs {
            Some(graphs) => (graphs, None),
            None => (list.clone(), Some(self.filter(&list))),
        };
        self.merged.insert(list, made.clone());
        made
    }

    /// A list of which all that say something count.
    fn side(&mut self, list: Vec<Ref>) -> Filtered {
        let wanted = match self.form {
            Form::Graphs => false,
            Form::Bitmaps => !list.is_empty(),
            Form::Auto => list.len() > LIST_GRAPHS_MAX,
        };
        wanted.then(|| self.filter(&list))
    }

    fn filter(&mut self, list: &[Ref]) -> u32 {
        self.plan.filters.push(bitmap::filter(&self.vars.graph, list));
        self.plan.filters.len() as u32 - 1
    }

    /// What the entries do not reach is dropped; merges left much of it.
    fn finish(mut self) -> Entries {
        let mut roots = Vec::new();
        for entry in &mut self.plan.entries {
            entry.roots(&mut |root| roots.push(*root));
        }
        roots.extend(self.vars.vars.iter().filter_map(|var| match var {
            Var::Sub(root) => Some(*root),
            _ => None,
        }));
        let moved = self.vars.graph.keep(&roots);
        for entry in &mut self.plan.entries {
            entry.roots(&mut |root| *root = moved(*root));
        }
        for var in &mut self.vars.vars {
            if let Var::Sub(root) = var {
                *root = moved(*root);
            }
        }
        self.plan.texts = self.texts.all;
        self.plan
    }
}
