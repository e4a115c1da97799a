//! Rule trees -> rules: heads, ids, order. Bodies are the obligations' business.

use super::conditions::Expansion;
use super::cx::{Captures, Cx, Env, sort_dedup};
use super::quotas::PendingLimit;
use super::targets::Place;
use crate::ast::{self, Requirement, Verb};
use crate::model::{Cond, CredentialKind, Effect, Obligations, Owner, Requires, Respond, Rule};
use crate::source::{Span, Spanned};
use portcullis_base::quote::GateString;
use std::collections::{BTreeMap, BTreeSet};

/// Statuses that lead to another place: permanent, found, see other, and those that keep the method.
const REDIRECTS: [u32; 5] = [301, 302, 303, 307, 308];

/// A service or guard while its rules are read.
pub(super) struct OwnerCx<'t> {
    pub(super) name: &'t str,
    pub(super) owner: Owner,
    pub(super) place: Place<'t>,
    /// By which name all hosts of the service capture their first label.
    pub(super) host_label: Option<&'t str>,
    /// Rule names so far.
    pub(super) rule_names: BTreeMap<String, Span>,
}

/// A rule before quota ids and its place in the order are known.
pub(super) struct PendingRule {
    pub(super) rule: Rule,
    pub(super) limits: Vec<PendingLimit>,
    /// Text before the line number, line, column.
    key: (String, u32, u32),
}

impl Cx<'_> {
    /// One rule; `None` where it makes no sense, which is reported.
    pub(super) fn rule(
        &self,
        owner: &mut OwnerCx<'_>,
        rule: &ast::Rule,
        lines: &mut BTreeSet<(u32, u32)>,
    ) -> Option<PendingRule> {
        let (key, id) = self.rule_id(owner, rule, lines);
        let effect = match rule.verb.node {
            Verb::Allow => Effect::Allow,
            Verb::Deny => Effect::Deny,
            Verb::On => Effect::On,
        };
        self.clauses(owner, rule, effect);
        let before = self.report.count();
        let targets = self.targets(owner.place, &rule.targets);
        if targets.is_empty() || self.report.count() > before {
            return None;
        }
        let env = Env::new(owner.place.scope, Captures::Targets(&targets)).on(owner.host_label);
        let condition = self.rule_condition(env, rule);
        let requires = self.requires(&rule.with);
        let respond = rule.respond.as_ref().and_then(|r| self.respond(r));
        let mut obligations = Obligations::default();
        let mut limits = Vec::new();
        let mut marks = super::obligations::Marks::default();
        if let Some(body) = &rule.body {
            self.body(
                env,
                owner.name,
                effect,
                body,
                &mut obligations,
                &mut limits,
                &mut marks,
            );
            self.captures_agree(rule.head, &targets, &obligations, &limits);
        }
        let because = rule.because.as_ref().map(|b| b.node.clone());
        let (condition, reads) = condition?;
        let rule = Rule {
            id,
            span: rule.head,
            owner: owner.owner,
            effect,
            report: rule.report,
            targets,
            condition,
            reads,
            requires,
            respond,
            because,
            obligations,
            public: marks.public,
            deprecated: marks.deprecated,
        };
        Some(PendingRule { rule, limits, key })
    }

    fn rule_id(
        &self,
        owner: &mut OwnerCx<'_>,
        rule: &ast::Rule,
        lines: &mut BTreeSet<(u32, u32)>,
    ) -> ((String, u32, u32), String) {
        let at = rule.verb.span;
        let (line, column) = self.sources.line_column(at.file, at.start);
        let first = lines.insert((at.file.0, line));
        if let Some(name) = &rule.name {
            if let Some(earlier) = owner.rule_names.insert(name.node.clone(), name.span) {
                self.report.error_at_both(
                    "G0110",
                    name.span,
                    format!("two rules of `{}` are named `{}`", owner.name, name.node),
                    (earlier, "the other one"),
                    "names are unique in their service or guard",
                );
            }
            let id = format!("{}/{}", owner.name, name.node);
            return ((id.clone(), 0, 0), id);
        }
        let file = format!("{}:", self.sources.name(at.file));
        if first {
            let id = format!("{file}{line}");
            ((file, line, 0), id)
        } else {
            let id = format!("{file}{line}:{column}");
            ((file, line, column), id)
        }
    }

    /// Clauses that a verb does not take.
    fn clauses(&self, owner: &OwnerCx<'_>, rule: &ast::Rule, effect: Effect) {
        let wrong = |span: Span, message: &str, help: &str| self.report.error("G0502", span, message, help);
        if effect == Effect::Allow {
            if matches!(owner.owner, Owner::Guard(_)) {
                self.report.error(
                    "G0501",
                    rule.head,
                    "a guard holds no allows",
                    "move it into a service",
                );
            }
            if rule.report {
                wrong(
                    rule.head,
                    "an allow is never only reported",
                    "`report` marks denies and `on`",
                );
            }
        }
        if effect != Effect::Allow
            && let Some(with) = rule.with.first()
        {
            wrong(
                with.span,
                "only allows demand scopes, acr or age",
                "ask for them in `when`",
            );
        }
        if effect != Effect::Deny {
            if let Some(because) = &rule.because {
                wrong(because.span, "only denies give a reason", "leave `because` out");
            }
            if let Some(respond) = &rule.respond {
                wrong(respond.span, "only denies respond", "leave `respond` out");
            }
        }
        if effect == Effect::Deny && rule.body.is_some() {
            wrong(rule.head, "a deny has no body", "put obligations into an `on`");
        }
        if effect == Effect::On && rule.body.as_ref().is_none_or(Vec::is_empty) {
            wrong(
                rule.head,
                "an `on` without a body obliges to nothing",
                "give it a body",
            );
        }
        if effect != Effect::On && rule.principals.is_empty() {
            wrong(rule.head, "the rule names nobody", "write `anyone` or principals");
        }
    }

    /// (principals) and (when) and not (unless), within one pair of bounds; and the kinds of credential that they name.
    fn rule_condition(&self, env: Env<'_>, rule: &ast::Rule) -> Option<(Cond, Vec<CredentialKind>)> {
        let mut state = Expansion::default();
        let mut parts = Vec::new();
        if rule.verb.node != Verb::On {
            let who: Vec<Option<Cond>> = rule
                .principals
                .iter()
                .map(|p| self.principal(env, p, &mut state))
                .collect();
            parts.push(who.into_iter().collect::<Option<Vec<_>>>().map(Cond::any));
        }
        if let Some(when) = &rule.when {
            parts.push(self.expand(env, when, &mut state));
        }
        if let Some(unless) = &rule.unless {
            parts.push(self.expand(env, unless, &mut state).map(Cond::negate));
        }
        let parts = parts.into_iter().collect::<Option<Vec<_>>>()?;
        Some((Cond::all(parts), state.reads.into_iter().collect()))
    }

    fn requires(&self, with: &[Spanned<Requirement>]) -> Requires {
        let mut out = Requires::default();
        for Spanned { node, span } in with {
            match node {
                Requirement::Scope(scopes) => {
                    for scope in scopes {
                        self.scope_text(scope);
                        if scope.node.contains('*') {
                            self.report.warning(
                                "W0021",
                                scope.span,
                                format!("`{}` is a scope with a star in its name, not a glob", scope.node),
                                format!(
                                    "for every scope of that form write `with scope like {}`",
                                    GateString(&scope.node)
                                ),
                            );
                        }
                    }
                    out.scopes.extend(scopes.iter().map(|s| s.node.clone()));
                }
                Requirement::ScopeLike(glob) => {
                    self.scope_glob(glob);
                    out.scope_globs.push(glob.node.clone());
                }
                Requirement::Acr(acr) => {
                    if out.acr.as_ref().is_some_and(|a| *a != acr.node) {
                        self.report.error(
                            "G0504",
                            *span,
                            "one token has not two acr values",
                            "keep one `acr`",
                        );
                    }
                    self.acr_text(acr);
                    out.acr = Some(acr.node.clone());
                }
                Requirement::MaxAge(age) => {
                    let us = self.ok(*span, super::literals::duration(age));
                    out.max_age_us = [out.max_age_us, us].into_iter().flatten().min();
                }
            }
        }
        if let (Some(first), []) = (with.first(), self.policy.issuers.as_slice()) {
            self.report.error(
                "G0504",
                first.span,
                "no issuer could meet this demand",
                "declare an `issuer`",
            );
        }
        sort_dedup(&mut out.scopes);
        sort_dedup(&mut out.scope_globs);
        out
    }

    fn respond(&self, respond: &Spanned<ast::Respond>) -> Option<Respond> {
        let status = &respond.node.status;
        let code = status.node;
        let wrong = match (&respond.node.to, respond.node.retry_after.is_some()) {
            (Some(_), false) if REDIRECTS.contains(&code) => None,
            (Some(_), true) if REDIRECTS.contains(&code) => Some((
                "a redirect cannot take `retry after`".to_owned(),
                "leave `retry after` out".to_owned(),
            )),
            (Some(to), _) => Some((
                format!("{code} does not lead to another place"),
                format!("write `respond 308 to \"{}\"`, or leave `to` out", to.node),
            )),
            (None, _) if (400..=599).contains(&code) => None,
            (None, _) if REDIRECTS.contains(&code) => Some((
                format!("a redirect with {code} says where it leads"),
                format!("write `respond {code} to \"https://www.example.com/\"`"),
            )),
            (None, _) => Some((
                format!("a deny cannot answer {code}"),
                "write a status in 400 ..= 599, as in `respond 403`, or a redirect, as in `respond 308 to \"/moved\"`"
                    .to_owned(),
            )),
        };
        if let Some((message, help)) = wrong {
            return self.report.invalid("G0505", respond.span, message, help);
        }
        if let Some(to) = &respond.node.to {
            self.ok(to.span, super::literals::header_value(&to.node))?;
        }
        let retry_after_s = match &respond.node.retry_after {
            Some(after) => {
                let us = self.ok(after.span, super::literals::duration(&after.node))?;
                u64::try_from(us).ok().map(|us| us.div_ceil(1_000_000))
            }
            None => None,
        };
        Some(Respond {
            status: u16::try_from(status.node).ok()?,
            location: respond.node.to.as_ref().map(|t| t.node.clone()),
            retry_after_s,
        })
    }

    /// Sorts the rules by id (section 6: by bytes and number) and settles their limits.
    pub(super) fn order_rules(&mut self, mut pending: Vec<PendingRule>) {
        pending.sort_by(|a, b| a.key.cmp(&b.key));
        let mut rules = Vec::with_capacity(pending.len());
        for item in pending {
            let mut rule = item.rule;
            let mut limits: Vec<_> = item.limits.iter().filter_map(|l| self.settle(l)).collect();
            limits.sort_by_key(|l| l.quota);
            rule.obligations.limits = limits;
            rules.push(rule);
        }
        self.policy.rules = rules;
    }
}
