//! What compiles but surprises: the warnings, each with a name that `# allow NAME: reason` takes.

mod absent;
mod bypass;
mod slash;
mod tokens;

use super::cx::{Captures, Cx, Env};
use super::names::{Kind, Node};
use crate::diagnostic::Diagnostic;
use crate::model::{
    Algorithm, Atom, Cond, CredentialKind, Effect, Methods, Redaction, RedactionOp, Rule, Tail, TargetKind,
};
use crate::source::Span;

impl Cx<'_> {
    /// All warnings.
    pub(super) fn lints(&self) {
        self.open_issuers();
        self.unverified_algorithms();
        self.unanchored_principals();
        self.bypassed_demands();
        for rule in &self.policy.rules {
            if rule.effect == Effect::Deny
                && !rule.report
                && let Some(absent) = absent::absent(&self.policy, &rule.condition, |fact| {
                    self.never_known(fact).is_some()
                })
            {
                self.report.warning(
                    "W0002",
                    rule.span,
                    format!(
                        "requests without {} make this deny's condition unknown, and it refuses them",
                        absent.what
                    ),
                    absent.help,
                );
            }
            self.token_demands(rule);
            self.path_tests(rule);
            self.sizes(rule);
            self.hashes(rule);
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

    /// `W0022`: `token from a and token from b`.
    fn two_tokens(&self, span: Span, condition: &Cond) {
        if let Some(help) = tokens::two_tokens(&self.policy, condition) {
            let message = "a request has one token, so it is never from two issuers";
            self.report.warning("W0022", span, message, help);
        }
    }

    fn token_demands(&self, rule: &Rule) {
        if rule.effect != Effect::Allow {
            return;
        }
        self.two_tokens(rule.span, &rule.condition);
        if let Some(issuer) = tokens::any_tenant(&self.policy, rule) {
            self.report.warning(
                "W0023",
                rule.span,
                format!("this allows callers of every tenant of `{issuer}`"),
                "ask for `token.iss`, or for a claim that names the tenant, as in `when token.tid in [\"t1\", \"t2\"]`",
            );
        }
        if tokens::age_of_a_key(rule) {
            self.report.warning(
                "W0024",
                rule.span,
                "`with max age` asks when a token's holder logged in, and these callers show keys",
                "name a principal with `token from`, or leave `with max age` out",
            );
        }
    }

    /// A token for another API, or signed by a weaker algorithm of the key, is as good as one that was meant.
    fn open_issuers(&self) {
        for issuer in self.policy.issuers.iter().chain(&self.policy.beside) {
            let signed = !issuer.verified_by_gateway && !issuer.opaque;
            let (what, clause) = match (
                issuer.audiences.is_empty(),
                issuer.algorithms.is_empty() && signed,
            ) {
                (true, true) => (
                    "audience and no algorithms",
                    "audience \"orders-api\"; algorithms ES256;",
                ),
                (true, false) => ("audience", "audience \"orders-api\";"),
                (false, true) => ("algorithms", "algorithms ES256;"),
                (false, false) => continue,
            };
            self.report.warning(
                "W0025",
                issuer.span,
                format!("the issuer `{}` names no {what}", issuer.name),
                format!("write what its tokens for this API say, as in `{clause}`"),
            );
        }
    }

    /// Nothing here verifies ES512, so a token that a caller presents is refused.
    fn unverified_algorithms(&self) {
        for issuer in self.policy.issuers.iter().chain(&self.policy.beside) {
            let verified_here = !issuer.verified_by_gateway && !issuer.opaque;
            if verified_here && issuer.algorithms.contains(&Algorithm::Es512) {
                self.report.warning(
                    "W0026",
                    issuer.span,
                    format!("tokens with ES512 are not verified, so those of `{}` are refused", issuer.name),
                    "let the issuer sign with ES256, ES384 or EdDSA, or a filter before the engine verify its tokens and write `verified by gateway;`",
                );
            }
        }
    }

    fn bypassed_demands(&self) {
        for bypass in bypass::bypasses(&self.policy) {
            let message = format!(
                "this allow also grants requests that `{}` grants only with {}",
                bypass.narrow.id, bypass.demands
            );
            let warning = Diagnostic::warning("W0031", bypass.wide.span, message);
            let related = warning.related(bypass.narrow.span, "the narrower allow");
            self.report.push(related.help(bypass.help));
        }
    }

    fn path_tests(&self, rule: &Rule) {
        if rule.report {
            return;
        }
        if let Some((test, slashed)) = slash::escaped(&self.policy, rule) {
            self.report.warning(
                "W0032",
                rule.span,
                format!("a path that ends in `/` escapes `{test}`, and the rule's target takes such paths"),
                format!("write `{slashed}`"),
            );
        }
    }

    fn sizes(&self, rule: &Rule) {
        let mut bounds = false;
        rule.condition
            .for_each_atom(&mut |atom| bounds |= absent::bounds_size(atom));
        if bounds {
            self.report.warning(
                "W0034",
                rule.span,
                "`request.size` is the Content-Length, which a chunked body does not have, so it bounds no upload",
                "bound the body itself, in the braces of the allow: `accept type \"application/octet-stream\" max 10MiB;`",
            );
        }
    }

    fn hashes(&self, rule: &Rule) {
        let hash = |redaction: &Redaction| {
            matches!(
                redaction,
                Redaction::Op {
                    op: RedactionOp::Hash,
                    ..
                }
            )
        };
        if self.policy.redaction_key.is_none() && rule.obligations.redact.iter().any(hash) {
            self.report.warning(
                "W0033",
                rule.span,
                "`hash` drops the value here, because the policy declares no redaction key",
                "declare one: `secret salt from file \"salt.key\"; redaction key salt;`",
            );
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
            if let Some(cond) = &cond {
                self.two_tokens(entry.span, cond);
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
        CredentialKind::Beside1 | CredentialKind::Beside2 | CredentialKind::Beside3 => "second token",
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
