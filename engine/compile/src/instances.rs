//! An instance (a rule with one of its targets) -> its graphs, once, however many entries it takes part in.

use portcullis_base::{CredentialKind, CredentialKinds};
use std::rc::Rc;

use portcullis_lang::model::{Effect, Policy, Rule, RuleId};

use super::graph::{NO, Ref, YES};
use super::lower::{Lowered, Part, Test};
use super::routes::Instance;
use super::vars::Vars;
use portcullis::image::layout::lack;

/// A deny, as one of the heads it can decide with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub(super) certain: bool,
    pub(super) status: u16,
    /// Leaves 0 and 1.
    pub(super) root: Ref,
}

/// What an instance can say.
#[derive(Clone, Debug)]
pub(super) enum Graphs {
    /// Of an allow; the roots but `granted` have the leaves 0 and rule + 1.
    Allow {
        /// Leaves 0 and 1.
        granted: Ref,
        grant: Ref,
        /// Lacks only acr or age.
        age: Ref,
        /// Lacks only scopes, all of them by name.
        scope: Ref,
        /// Lacks only scopes, one of them by a glob.
        glob: Ref,
        /// Kind, text, test.
        parts: Rc<[(u32, u32, Ref)]>,
    },
    Deny {
        heads: Rc<[Head]>,
    },
    /// True, and true or unknown.
    Standing {
        yes: Ref,
        maybe: Ref,
    },
}

/// All instances' graphs, made when first asked for.
pub(super) struct Instances<'p> {
    policy: &'p Policy,
    lowered: &'p Lowered,
    known: Vec<Vec<Option<Graphs>>>,
    /// By rule: credential kinds that it reads.
    pub(super) kinds: Vec<CredentialKinds>,
}

impl<'p> Instances<'p> {
    pub(super) fn new(policy: &'p Policy, lowered: &'p Lowered) -> Instances<'p> {
        Instances {
            policy,
            lowered,
            known: lowered
                .instances
                .iter()
                .map(|targets| vec![None; targets.len()])
                .collect(),
            kinds: policy.rules.iter().map(kinds_of).collect(),
        }
    }

    /// The graphs of a deny or of a standing rule that is reported are those of a standing rule.
    pub(super) fn graphs(
        &mut self,
        vars: &mut Vars,
        texts: &mut dyn FnMut(&str) -> u32,
        at: Instance,
    ) -> Graphs {
        let (rule, target) = (at.0 as usize, at.1 as usize);
        if let Some(known) = &self.known[rule][target] {
            return known.clone();
        }
        let of = self.policy.rule(RuleId(at.0));
        let made = match of.effect {
            Effect::Allow => self.allow(vars, texts, at),
            Effect::Deny if !of.report => self.deny(vars, at),
            Effect::Deny | Effect::On => {
                let condition = &self.lowered.instances[rule][target].condition;
                Graphs::Standing {
                    yes: vars.graph_of(condition, true),
                    maybe: vars.maybe(condition),
                }
            }
        };
        self.known[rule][target] = Some(made.clone());
        made
    }

    fn deny(&self, vars: &mut Vars, at: Instance) -> Graphs {
        let rule = self.policy.rule(RuleId(at.0));
        let condition = &self.lowered.instances[at.0 as usize][at.1 as usize].condition;
        let mut heads = Vec::new();
        for certain in [true, false] {
            let applies = if certain {
                vars.graph_of(condition, true)
            } else {
                vars.maybe(condition)
            };
            let mut push = |status, root| {
                heads.push(Head {
                    certain,
                    status,
                    root,
                })
            };
            match (&rule.respond, self.kinds[at.0 as usize]) {
                (Some(respond), _) => push(respond.status, applies),
                (None, CredentialKinds::NONE) => push(403, applies),
                (None, kinds) => {
                    let valid = self.valid(kinds);
                    let without = vars.graph_of(&valid, false);
                    let with = vars.graph_of(&valid, true);
                    push(401, vars.and(applies, without));
                    push(403, vars.and(applies, with));
                }
            }
        }
        Graphs::Deny { heads: heads.into() }
    }

    /// "One of these kinds is valid."
    fn valid(&self, kinds: CredentialKinds) -> Test {
        let leaf = |kind: CredentialKind| Test::Leaf(self.lowered.valid[kind as usize]);
        Test::Any(kinds.iter().map(leaf).collect())
    }

    fn allow(&self, vars: &mut Vars, texts: &mut dyn FnMut(&str) -> u32, at: Instance) -> Graphs {
        let super::lower::Instance { condition, parts } =
            &self.lowered.instances[at.0 as usize][at.1 as usize];
        let condition = vars.graph_of(condition, true);
        let (mut scopes, mut globs, mut fresh) = (YES, YES, YES);
        let mut explained = Vec::with_capacity(parts.len());
        for part in parts {
            let (kind, text, test) = match part {
                Part::Scope(scope, test) => (lack::SCOPE, texts(scope), test),
                Part::ScopeLike(text, test) => (lack::CONDITION, texts(text), test),
                Part::Acr(test) => (lack::ACR, 0, test),
                Part::Age(test) => (lack::AGE, 0, test),
                Part::Condition(text, test, _) => (lack::CONDITION, texts(text), test),
            };
            let root = vars.graph_of(test, true);
            explained.push((kind, text, root));
            match part {
                Part::Scope(..) => scopes = vars.and(scopes, root),
                Part::ScopeLike(..) => globs = vars.and(globs, root),
                Part::Acr(_) | Part::Age(_) => fresh = vars.and(fresh, root),
                Part::Condition(_, _, facts) => {
                    for (text, slot) in facts
                        .iter()
                        .filter(|(_, slot)| slot.0 >> (32 - lack::KIND_BITS) == 0)
                    {
                        explained.push((lack::FACT | slot.0 << lack::KIND_BITS, texts(text), YES));
                    }
                }
            }
        }
        let label = at.0 + 1;
        let had = vars.and(scopes, globs);
        let both = vars.and(had, fresh);
        let granted = vars.and(condition, both);
        let met = vars.and(fresh, globs);
        let mut lacking = |rest: Ref, part: Ref, label: u32| {
            if part == YES {
                return NO;
            }
            let missing = vars.graph.not(part);
            let rest = vars.and(condition, rest);
            let root = vars.and(rest, missing);
            vars.graph.label(root, label)
        };
        let (age, scope) = (lacking(had, fresh, label), lacking(met, scopes, label));
        // No rule has this label, so the challenge names no scopes.
        let glob = lacking(fresh, globs, self.lowered.instances.len() as u32 + 1);
        Graphs::Allow {
            granted,
            grant: vars.graph.label(granted, label),
            age,
            scope,
            glob,
            parts: explained.into(),
        }
    }
}

/// Credential kinds that a rule reads.
pub(super) fn kinds_of(rule: &Rule) -> CredentialKinds {
    rule.credentials().into_iter().collect()
}
