//! What only shows when rules or services are compared: equal bases, differing options, clashing obligations.

use super::apart::example;
use super::cx::Cx;
use super::disjoint::disjoint;
use super::meet::{Item, MAX_PAIRS, clashing};
use crate::model::{
    Accept, AcceptKind, AcceptedField, Base, Cond, Effect, HeaderAction, HeaderValue, HostOptions,
    HostPattern, Many, Rule,
};
use std::collections::{BTreeMap, BTreeSet, HashMap};

impl Cx<'_> {
    /// All comparisons.
    pub(super) fn conflicts(&self) {
        self.service_pairs();
        self.header_sets();
        self.accepts();
    }

    /// Services that share a host are compared where they have a base in common, or differ in their options.
    fn service_pairs(&self) {
        let services = &self.policy.services;
        let mut hosts: BTreeMap<&HostPattern, Vec<usize>> = BTreeMap::new();
        for (at, service) in services.iter().enumerate() {
            for host in &service.hosts {
                hosts.entry(host).or_default().push(at);
            }
        }
        let mut pairs = BTreeSet::new();
        for same_host in hosts.values() {
            let mut bases: BTreeMap<&Base, Vec<usize>> = BTreeMap::new();
            let mut options: BTreeMap<HostOptions, Vec<usize>> = BTreeMap::new();
            for at in same_host {
                let Some(service) = services.get(*at) else {
                    continue;
                };
                let room = MAX_PAIRS.saturating_sub(pairs.len());
                let base = bases.entry(&service.base).or_default();
                let differing = options.iter().filter(|(other, _)| **other != service.options);
                let earlier = base.iter().chain(differing.flat_map(|(_, at)| at));
                pairs.extend(earlier.take(room).map(|earlier| (*at, *earlier)));
                base.push(*at);
                options.entry(service.options).or_default().push(*at);
            }
        }
        for (later, earlier) in pairs {
            if let (Some(service), Some(other)) = (services.get(later), services.get(earlier)) {
                let (names, at) = ((&service.name, &other.name), (other.span, "the other service"));
                if service.base == other.base {
                    self.report.error_at_both(
                        "G0412",
                        service.span,
                        format!("`{}` and `{}` have the same host and base", names.0, names.1),
                        at,
                        "exactly one service answers a request; join them, or give them different bases",
                    );
                }
                if service.options != other.options {
                    self.report.error_at_both(
                        "G0413",
                        service.span,
                        format!(
                            "`{}` and `{}` share a host, but not its options",
                            names.0, names.1
                        ),
                        at,
                        "write the same normalisation options into both",
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
            let items: Vec<_> = group
                .iter()
                .map(|(_, text, rule)| Item { trait_: *text, rule })
                .collect();
            for (later, earlier) in clashing(&self.policy, &items, |a, b| a != b).pairs {
                let (Some((header, text, rule)), Some((_, other_text, other))) =
                    (group.get(later), group.get(earlier))
                else {
                    continue;
                };
                self.report.error_at_both(
                    "G0517",
                    rule.span,
                    format!(
                        "`{}` is set to {text:?} here and to {other_text:?} elsewhere",
                        header.1
                    ),
                    (
                        other.span,
                        &both("by this rule, for requests that both match", rule, other),
                    ),
                    "make one condition the negation of the other, or set it in one place",
                );
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
        // Equal accepts have one id; it stands for them in comparisons.
        let mut ids: HashMap<String, usize> = HashMap::new();
        let mut distinct: Vec<&[Accept]> = Vec::new();
        let mut items = Vec::new();
        for rule in &rules {
            let next = distinct.len();
            let id = *ids
                .entry(format!("{:?}", rule.obligations.accept))
                .or_insert(next);
            if id == next {
                distinct.push(&rule.obligations.accept);
            }
            items.push((id, *rule));
        }
        let clash = |a: usize, b: usize| {
            let of = |id: usize| distinct.get(id).copied().unwrap_or_default();
            rules_clash(of(a), of(b)).is_some()
        };
        // Two allows bind together only where both grant, which their principals mostly rule out: a selective one is
        // compared with what is none, and with those of its own condition.
        let selective =
            |r: &Rule| r.effect == Effect::Allow && !(r.condition == Cond::True && r.requires.is_empty());
        let all: Vec<_> = items
            .iter()
            .map(|(id, rule)| Item {
                trait_: (*id, selective(rule)),
                rule,
            })
            .collect();
        let mut pairs = clashing(&self.policy, &all, |a, b| !(a.1 && b.1) && clash(a.0, b.0)).pairs;
        let mut alike: HashMap<&Cond, Vec<usize>> = HashMap::new();
        for (at, (_, rule)) in items.iter().enumerate().filter(|(_, (_, rule))| selective(rule)) {
            alike.entry(&rule.condition).or_default().push(at);
        }
        for group in alike.values().filter(|group| group.len() > 1) {
            let members: Vec<_> = group
                .iter()
                .filter_map(|at| items.get(*at))
                .map(|(id, rule)| Item { trait_: *id, rule })
                .collect();
            let found = clashing(&self.policy, &members, |a, b| clash(*a, *b)).pairs;
            let whole = |(a, b): (usize, usize)| Some((*group.get(a)?, *group.get(b)?));
            pairs.extend(found.into_iter().filter_map(whole));
        }
        pairs.sort_unstable();
        pairs.dedup();
        for (later, earlier) in pairs {
            if let (Some(rule), Some(other)) = (rules.get(later), rules.get(earlier)) {
                let why = rules_clash(&rule.obligations.accept, &other.obligations.accept);
                self.accept_pair(rule, other, why);
            }
        }
        for rule in rules {
            self.accept_pair(rule, rule, queries_clash(&rule.obligations.accept));
        }
    }

    fn accept_pair(&self, rule: &Rule, other: &Rule, why: Option<String>) {
        if let Some(why) = why {
            self.report.error_at_both(
                "G0518",
                rule.span,
                format!("nothing satisfies both accepts: {why}"),
                (other.span, &both("the other accept binds here", rule, other)),
                "all accepts that bind apply; make them agree",
            );
        }
    }
}

/// A label, with a request that both rules match where one can be given.
fn both(label: &str, a: &Rule, b: &Rule) -> String {
    match example(a, b) {
        Some(request) => format!("{label}, such as `{request}`"),
        None => label.to_owned(),
    }
}

/// Why no message, or none of a media type that both name, satisfies the accepts of two rules. Those of a body are
/// alternatives within each.
fn rules_clash(a: &[Accept], b: &[Accept]) -> Option<String> {
    let is_query = |accept: &Accept| accept.kind == AcceptKind::Query;
    let (mut have_bodies, mut share_type) = (false, false);
    for (a, b) in a.iter().flat_map(|a| b.iter().map(move |b| (a, b))) {
        let meet = if is_query(a) || is_query(b) {
            is_query(a) && is_query(b)
        } else {
            have_bodies = true;
            let meet = a.kind.shares_type(&b.kind);
            share_type |= meet;
            meet
        };
        let why = if meet { clash(a, b) } else { None };
        if why.is_some() {
            return why;
        }
    }
    (have_bodies && !share_type)
        .then(|| "a body has one media type, and the rules accept none in common".to_owned())
}

/// Why no query satisfies the accepts of one rule.
fn queries_clash(accepts: &[Accept]) -> Option<String> {
    let queries: Vec<_> = accepts.iter().filter(|a| a.kind == AcceptKind::Query).collect();
    let mut later = queries.iter().enumerate();
    later.find_map(|(n, a)| queries.iter().take(n).find_map(|b| clash(a, b)))
}

/// Why no message satisfies both, of queries or of one media type.
fn clash(a: &Accept, b: &Accept) -> Option<String> {
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
            let g = b
                .fields
                .get(b.fields.binary_search_by(|g| g.path.cmp(&f.path)).ok()?)?;
            let needed = demanded(f) || demanded(g);
            // What is one value to one and a list to the other is measured by other bounds.
            (needed && f.many == g.many && !(f.nullable && g.nullable) && disjoint(f, g))
                .then(|| format!("no value of `{}` is both", f.path))
        })
    })
}

/// Whether every body must have the field: it is not optional, and does not lie in an array or object that may be missing.
fn demanded(field: &AcceptedField) -> bool {
    let is_list = field.many != Many::One;
    !field.optional && !is_list && !field.path.contains("[]") && !field.path.contains('.')
}

/// Whether the field is named, or something inside it. Fields are sorted by path.
fn knows(accept: &Accept, path: &str) -> bool {
    let first_from = |start: &str| {
        let at = accept.fields.partition_point(|f| f.path.as_str() < start);
        accept.fields.get(at)
    };
    first_from(path).is_some_and(|f| f.path == path)
        || ['.', '['].iter().any(|step| {
            let inside = format!("{path}{step}");
            first_from(&inside).is_some_and(|f| f.path.starts_with(&inside))
        })
}
