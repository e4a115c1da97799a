//! What only shows when rules or services are compared: equal bases, differing options, clashing obligations.

use super::accept::order;
use super::cx::Cx;
use super::paths::may_overlap;
use crate::diagnostic::Diagnostic;
use crate::model::{
    Accept, AcceptKind, AcceptedField, AcceptedType, Cond, Effect, HeaderAction, HeaderValue, Methods, Owner,
    Rule, TargetKind,
};
use std::cmp::Ordering;

impl Cx<'_> {
    /// All comparisons.
    pub(super) fn conflicts(&self) {
        self.service_pairs();
        self.header_sets();
        self.accepts();
    }

    fn service_pairs(&self) {
        let services = &self.policy.services;
        for (i, service) in services.iter().enumerate() {
            for other in services.iter().take(i) {
                if !service.hosts.iter().any(|h| other.hosts.contains(h)) {
                    continue;
                }
                if service.base == other.base {
                    self.report.push(
                        Diagnostic::error(
                            "G0412",
                            service.span,
                            format!(
                                "`{}` and `{}` have the same host and base",
                                service.name, other.name
                            ),
                        )
                        .related(other.span, "the other service")
                        .help(
                            "exactly one service answers a request; join them, or give them different bases",
                        ),
                    );
                }
                if service.options != other.options {
                    self.report.push(
                        Diagnostic::error(
                            "G0413",
                            service.span,
                            format!(
                                "`{}` and `{}` share a host, but not its options",
                                service.name, other.name
                            ),
                        )
                        .related(other.span, "the other service")
                        .help("write the same normalisation options into both"),
                    );
                }
            }
        }
    }

    fn header_sets(&self) {
        let mut sets = Vec::new();
        for rule in &self.policy.rules {
            for op in &rule.obligations.headers {
                if let HeaderAction::Set(HeaderValue::Literal(text)) = &op.action {
                    sets.push(((op.direction, op.name.as_str()), text, rule));
                }
            }
        }
        sets.sort_by(|a, b| a.0.cmp(&b.0));
        for group in sets.chunk_by(|a, b| a.0 == b.0) {
            for (i, (header, text, rule)) in group.iter().enumerate() {
                for (_, other_text, other) in group.iter().take(i) {
                    if text != other_text
                        && can_meet(rule, other)
                        && !exclusive(&rule.condition, &other.condition)
                    {
                        self.report.push(
                            Diagnostic::error(
                                "G0517",
                                rule.span,
                                format!(
                                    "`{}` is set to {text:?} here and to {other_text:?} elsewhere",
                                    header.1
                                ),
                            )
                            .related(other.span, "by this rule, for requests that both match")
                            .help("make one condition the negation of the other, or set it in one place"),
                        );
                    }
                }
            }
        }
    }

    fn accepts(&self) {
        let rules: Vec<&Rule> = self
            .policy
            .rules
            .iter()
            .filter(|r| !r.obligations.accept.is_empty())
            .collect();
        for (i, rule) in rules.iter().enumerate() {
            for other in rules.iter().take(i + 1) {
                let same = std::ptr::eq(*rule, *other);
                // Two allows bind together only where both grant, which their principals mostly rule out.
                let both_allow = rule.effect == Effect::Allow && other.effect == Effect::Allow;
                let always = |r: &Rule| r.condition == Cond::True && r.requires.is_empty();
                let together = same
                    || (can_meet(rule, other)
                        && !exclusive(&rule.condition, &other.condition)
                        && (!both_allow
                            || rule.condition == other.condition
                            || always(rule)
                            || always(other)));
                if !together {
                    continue;
                }
                for (n, a) in rule.obligations.accept.iter().enumerate() {
                    let others = &other.obligations.accept;
                    for b in others.iter().take(if same { n } else { others.len() }) {
                        if let Some(why) = clash(a, b) {
                            self.report.push(
                                Diagnostic::error(
                                    "G0518",
                                    rule.span,
                                    format!("nothing satisfies both accepts: {why}"),
                                )
                                .related(other.span, "the other accept binds here")
                                .help("all accepts that bind apply; make them agree"),
                            );
                        }
                    }
                }
            }
        }
    }
}

/// Whether one request can match both rules, as far as owners, methods and paths tell.
fn can_meet(a: &Rule, b: &Rule) -> bool {
    let owners = match (a.owner, b.owner) {
        (Owner::Service(x), Owner::Service(y)) => x == y,
        _ => true,
    };
    owners
        && a.targets.iter().any(|x| {
            b.targets.iter().any(|y| {
                let methods = match (&x.methods, &y.methods) {
                    (Methods::Only(x), Methods::Only(y)) => {
                        // In standing rules GET covers HEAD.
                        x.iter()
                            .any(|m| y.contains(m) || (m == "HEAD" && y.iter().any(|n| n == "GET")))
                            || (x.iter().any(|m| m == "GET") && y.iter().any(|m| m == "HEAD"))
                    }
                    _ => true,
                };
                let pathless = |k: TargetKind| k == TargetKind::NoPath;
                methods && (pathless(x.kind) || pathless(y.kind) || may_overlap(&x.pattern, &y.pattern))
            })
        })
}

/// Whether a conjunct of one is the negation of a conjunct of the other: then they are never both true.
fn exclusive(a: &Cond, b: &Cond) -> bool {
    fn parts(cond: &Cond) -> Vec<Cond> {
        match cond {
            Cond::All(parts) => parts.clone(),
            other => vec![other.clone()],
        }
    }
    let (x, y) = (parts(a), parts(b));
    a.clone().negate() == *b || x.iter().any(|p| y.contains(&p.clone().negate()))
}

/// Why no message satisfies both.
fn clash(a: &Accept, b: &Accept) -> Option<String> {
    if a.kind != b.kind {
        let query = a.kind == AcceptKind::Query || b.kind == AcceptKind::Query;
        return (!query).then(|| "a body has one media type".to_owned());
    }
    let missing = |x: &Accept, y: &Accept| {
        x.fields
            .iter()
            .find(|f| {
                demanded(f)
                    && !y.strip_unknown
                    && !matches!(y.kind, AcceptKind::Media(_))
                    && !knows(y, &f.path)
            })
            .map(|f| format!("`{}` is demanded by one and unknown to the other", f.path))
    };
    missing(a, b).or_else(|| missing(b, a)).or_else(|| {
        a.fields.iter().find_map(|f| {
            let g = b.fields.iter().find(|g| g.path == f.path)?;
            let needed = demanded(f) || demanded(g);
            (needed && !(f.nullable && g.nullable) && disjoint(f, g))
                .then(|| format!("no value of `{}` is both", f.path))
        })
    })
}

/// Whether every body must have the field: it is not optional, and does not lie in an array or object that may be missing.
fn demanded(field: &AcceptedField) -> bool {
    !field.optional && !field.path.contains("[]") && !field.path.contains('.')
}

fn knows(accept: &Accept, path: &str) -> bool {
    accept.fields.iter().any(|f| {
        f.path == path
            || f.path
                .strip_prefix(path)
                .is_some_and(|rest| rest.starts_with(['.', '[']))
    })
}

fn disjoint(a: &AcceptedField, b: &AcceptedField) -> bool {
    use AcceptedType::{Any, Instant, Int, Ip, Number, String};
    let fits = a.ty == b.ty
        || matches!(
            (a.ty, b.ty),
            (Any, _)
                | (_, Any)
                | (Int, Number)
                | (Number, Int)
                | (String, Ip | Instant)
                | (Ip | Instant, String)
        );
    if !fits {
        return true;
    }
    let above = |min: &Option<std::string::String>, max: &Option<std::string::String>| match (min, max) {
        (Some(min), Some(max)) => order(min, max) == Ordering::Greater,
        _ => false,
    };
    let apart = match (&a.bounds.one_of, &b.bounds.one_of) {
        (Some(x), Some(y)) => !x.iter().any(|t| y.contains(t)),
        _ => false,
    };
    let lengths = a.ty == b.ty || !matches!((a.ty, b.ty), (String, _) | (_, String));
    apart || (lengths && (above(&a.bounds.min, &b.bounds.max) || above(&b.bounds.min, &a.bounds.max)))
}
