//! What compiles but surprises: the warnings, each with a name that `# allow NAME: reason` takes.

use super::cx::{Captures, Cx, Env};
use super::names::{Kind, Node};
use crate::model::{Atom, Cond, CredentialKind, Effect, Methods, Tail, TargetKind};

impl Cx<'_> {
    /// All warnings.
    pub(super) fn lints(&self) {
        self.unanchored_principals();
        for rule in &self.policy.rules {
            if rule.effect == Effect::Deny && !rule.report {
                let mut bare = Vec::new();
                unguarded(&rule.condition, &mut Vec::new(), &mut bare);
                if let Some(kind) = bare.first() {
                    self.report.warning(
                        "W0002",
                        rule.span,
                        format!(
                            "callers without a {} make this deny's condition unknown, and it refuses them",
                            word(*kind)
                        ),
                        "put the credential, or `exists FACT and`, beside the comparison",
                    );
                }
            }
            let everything = rule.targets.iter().any(|t| {
                t.methods == Methods::Any
                    && t.kind == TargetKind::Http
                    && matches!(t.pattern.tail, Tail::Rest(_))
                    && {
                        let base = match rule.owner {
                            crate::model::Owner::Service(id) => {
                                self.policy.services.get(id.index()).map_or(0, |s| s.base.len())
                            }
                            crate::model::Owner::Guard(_) => 0,
                        };
                        t.pattern.segments.len() == base
                    }
            });
            if rule.effect == Effect::Allow
                && everything
                && rule.condition == Cond::True
                && rule.requires.is_empty()
            {
                self.report.warning(
                    "W0003",
                    rule.span,
                    "this allows anyone everything in the service",
                    "name the methods and paths that are public",
                );
            }
        }
    }

    /// A principal is someone: without an anchor it is a guess about facts.
    fn unanchored_principals(&self) {
        for entry in self.names.everywhere().filter(|e| e.kind == Kind::Principal) {
            let Node::Cond(expr) = entry.node else { continue };
            let before = self.report.count();
            let cond = self.condition(Env::new(entry.scope, Captures::Any), expr);
            if self.report.count() > before {
                continue;
            }
            if cond.is_some_and(|c| !anchored(&c)) {
                self.report.warning(
                    "W0001",
                    entry.span,
                    format!("principal `{}` rests on no verified credential", entry.name),
                    "start it with `token from`, `key from`, `peer from` or `signed by`",
                );
            }
        }
    }
}

fn word(kind: CredentialKind) -> &'static str {
    match kind {
        CredentialKind::Token => "token",
        CredentialKind::Key => "key",
        CredentialKind::Peer => "client certificate",
        CredentialKind::Signature => "signature",
    }
}

/// Whether the condition can only hold with a verified credential.
fn anchored(cond: &Cond) -> bool {
    match cond {
        Cond::True | Cond::Not(_) => false,
        Cond::All(parts) => parts.iter().any(anchored),
        Cond::Any(parts) => parts.iter().all(anchored),
        Cond::Atom(atom) => matches!(atom, Atom::Anchor(_)),
    }
}

/// Kinds of credential that an atom reads with neither an anchor of the kind nor `exists` beside it.
fn unguarded<'c>(cond: &'c Cond, beside: &mut Vec<&'c Atom>, out: &mut Vec<CredentialKind>) {
    match cond {
        Cond::True => {}
        Cond::Not(inner) => unguarded(inner, beside, out),
        Cond::All(parts) | Cond::Any(parts) => {
            let before = beside.len();
            for part in parts {
                match part {
                    Cond::Atom(atom) => beside.push(atom),
                    Cond::Not(inner) => {
                        if let Cond::Atom(atom) = inner.as_ref() {
                            beside.push(atom);
                        }
                    }
                    _ => {}
                }
            }
            parts.iter().for_each(|p| unguarded(p, beside, out));
            beside.truncate(before);
        }
        Cond::Atom(Atom::Anchor(_) | Atom::Presented(_) | Atom::Exists(_)) => {}
        Cond::Atom(atom) => {
            atom.for_each_fact(&mut |fact| {
                let Some(kind) = fact.credential() else {
                    return;
                };
                let guarded = beside.iter().any(|b| match b {
                    Atom::Anchor(anchor) => anchor.kind() == kind,
                    Atom::Presented(presented) => *presented == kind,
                    Atom::Exists(other) => other == fact,
                    _ => false,
                });
                if !guarded {
                    out.push(kind);
                }
            });
        }
    }
}
