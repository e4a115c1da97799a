//! Quota specs, amounts and keys -> model quotas.

use super::captures::Kept;
use super::cx::{Captures, Cx, Env};
use super::limits::{MAX_AMOUNT, MAX_PERIOD_US, MIN_PERIOD_US};
use super::literals::{amount, type_word, zone};
use super::names::{Entry, Kind, Node};
use crate::ast::{AmountExpr, Duration, KeyExpr, Name, PeriodExpr, QuotaSpec};
use crate::model::{
    Amount, CalendarUnit, Fact, KeyFact, KeyPart, Limit, Period, Quota, QuotaId, StoreFailure, Type,
};
use crate::source::{Span, Spanned};

impl Cx<'_> {
    /// Every declared quota.
    pub(super) fn named_quotas(&self) {
        for entry in self.names.everywhere().filter(|e| e.kind == Kind::Quota) {
            let Node::Quota(spec) = entry.node else { continue };
            self.quota(entry, spec);
        }
    }

    fn quota(&self, entry: &Entry<'_>, spec: &QuotaSpec) {
        let name = quota_name(&self.scope_names, entry);
        // Captures are those of the targets that it limits, which are looked at where it is used.
        let env = Env::new(entry.scope, Captures::Any);
        if let Some(quota) = self.quota_spec(env, name.clone(), entry.span, spec) {
            self.quotas.borrow_mut().insert(name, quota);
        }
    }

    fn quota_spec(&self, env: Env<'_>, name: String, span: Span, spec: &QuotaSpec) -> Option<Quota> {
        let limit = self.amount(env, &spec.limit)?;
        if let Amount::Fact { at_most: None, .. } = limit {
            self.report.error(
                "G0512",
                spec.limit.span,
                "a limit that is a fact needs a ceiling",
                "add `at most N`",
            );
        }
        let period = match &spec.period {
            PeriodExpr::Per(duration, burst) => Period::Rate {
                period_us: match same_bucket(&limit, duration, burst.as_ref()) {
                    None => self.period(duration)?,
                    Some(same) => {
                        return self.report.invalid(
                            "G0513",
                            duration.span,
                            format!(
                                "a quota cannot count by `{}`: its shortest period is 1s",
                                duration.node.text
                            ),
                            format!("write `{same}`, which is the same bucket"),
                        );
                    }
                },
                burst: match burst {
                    Some(burst) => Some(self.ok(burst.span, amount(&burst.node))?),
                    None => None,
                },
            },
            PeriodExpr::Calendar(unit, zone_name) => {
                self.ok(zone_name.span, zone(&zone_name.node))?;
                let Some(unit) = CalendarUnit::ALL.into_iter().find(|u| u.code() == unit.node) else {
                    return self.report.invalid(
                        "G0512",
                        unit.span,
                        format!("`{}` is not a calendar period", unit.node),
                        "write `day`, `week` or `month`",
                    );
                };
                Period::Calendar {
                    unit,
                    zone: zone_name.node.clone(),
                }
            }
            PeriodExpr::InFlight => Period::InFlight,
        };
        let cost = match &spec.cost {
            Some(cost) => self.amount(env, cost)?,
            None => Amount::Fixed(1),
        };
        let on_store_failure = match spec.on_store_failure.as_ref().map(|n| (n, n.node.as_str())) {
            None | Some((_, "deny")) => StoreFailure::Deny,
            Some((_, "allow")) => StoreFailure::Allow,
            Some((_, "local")) => StoreFailure::Local,
            Some((name, other)) => {
                return self.report.invalid(
                    "G0512",
                    name.span,
                    format!("`{other}` is not what a store failure can mean"),
                    "write `allow`, `deny` or `local`",
                );
            }
        };
        let by = self.key(env, &spec.by)?;
        self.caller_chooses(&by, span);
        Some(Quota {
            name,
            span,
            limit,
            period,
            by,
            cost,
            shared: spec.shared,
            on_store_failure,
            counting_denied: spec.counting_denied,
        })
    }

    /// 1 s ..= 400 d.
    pub(super) fn period(&self, duration: &Spanned<Duration>) -> Option<i64> {
        if (MIN_PERIOD_US..=MAX_PERIOD_US).contains(&duration.node.us) {
            return Some(duration.node.us);
        }
        self.report.invalid(
            "G0513",
            duration.span,
            format!("a period of `{}` is out of range", duration.node.text),
            "periods lie in 1s ..= 400d",
        )
    }

    fn amount(&self, env: Env<'_>, expr: &Spanned<AmountExpr>) -> Option<Amount> {
        match &expr.node {
            AmountExpr::Int(text) => self.ok(expr.span, amount(text)).map(Amount::Fixed),
            AmountExpr::Fact(reference, at_most) => {
                let (fact, ty) = self.fact(env, reference)?;
                if ty != Type::Int {
                    self.mismatch(reference.span, ty, Type::Int);
                    return None;
                }
                let at_most = match at_most {
                    Some(text) => Some(self.ok(text.span, amount(&text.node))?),
                    None => None,
                };
                Some(Amount::Fact { fact, at_most })
            }
        }
    }

    /// `by A else B, C`.
    pub(super) fn key(&self, env: Env<'_>, parts: &[KeyExpr]) -> Option<Vec<KeyPart>> {
        let mut out = Vec::new();
        for part in parts {
            let mut facts: Vec<KeyFact> = Vec::new();
            for (reference, prefix) in &part.facts {
                let (fact, ty) = self.fact(env, reference)?;
                if matches!(ty, Type::Instant | Type::Duration | Type::Set) {
                    return self.report.invalid(
                        "G0514",
                        reference.span,
                        format!("a quota cannot count by a value of type {}", type_word(ty)),
                        "count by a fact that names one caller, as `client.ip` or `token.sub`",
                    );
                }
                // A key holds a capture's text, whatever its type.
                let fact = match fact {
                    Fact::Capture { name, .. } => Fact::Capture {
                        name,
                        ty: Type::String,
                    },
                    other => other,
                };
                let prefix = match prefix {
                    None => None,
                    Some(n) if ty == Type::Ip && (1..=128).contains(&n.node) => u8::try_from(n.node).ok(),
                    Some(n) => {
                        return self.report.invalid(
                            "G0514",
                            n.span,
                            "this prefix length makes no sense",
                            "only addresses have one, in 1 ..= 128",
                        );
                    }
                };
                facts.push(KeyFact {
                    fact,
                    prefix,
                    text: crate::format::fact(reference),
                });
            }
            out.push(KeyPart { facts });
        }
        Some(out)
    }

    /// `limit NAME [cost ..]`. Ids stand for the order of names only once [`Cx::sort_quotas`] has run.
    pub(super) fn limit(
        &self,
        env: Env<'_>,
        name: &Name,
        cost: Option<&Spanned<AmountExpr>>,
    ) -> Option<PendingLimit> {
        let entry = self.expect(env.scope, name, &[Kind::Quota])?;
        let cost = match cost {
            Some(cost) => Some(self.amount(env, cost)?),
            None => None,
        };
        let quota = quota_name(&self.scope_names, &entry);
        self.captured(env, &quota, name.span);
        Some(PendingLimit { quota, cost })
    }

    /// `limit 5 per 1m by client.ip`: one quota for each owner and text.
    pub(super) fn inline_limit(&self, env: Env<'_>, owner: &str, spec: &QuotaSpec) -> Option<PendingLimit> {
        let name = format!("{owner}/inline:{}", crate::format::quota_spec(spec));
        let quota = self.quota_spec(env, name.clone(), spec.span, spec)?;
        self.quotas.borrow_mut().entry(name.clone()).or_insert(quota);
        Some(PendingLimit {
            quota: name,
            cost: None,
        })
    }

    /// What a body keeps of its targets: the captures of its limits, and those of a limit that takes another cost.
    pub(super) fn captures_of(&self, limit: &PendingLimit, out: &mut Kept) {
        let quotas = self.quotas.borrow();
        let facts = quotas.get(&limit.quota).into_iter().flat_map(Quota::facts);
        facts
            .chain(limit.cost.as_ref().and_then(Amount::fact))
            .for_each(|fact| out.note(fact));
    }

    /// Every target that a named quota limits has the captures that it counts by, and the service the host's label.
    fn captured(&self, env: Env<'_>, name: &str, at: Span) {
        let quotas = self.quotas.borrow();
        let facts = quotas.get(name).into_iter().flat_map(Quota::facts);
        for label in facts
            .filter_map(Fact::host_label)
            .filter(|label| !env.host.has(label))
        {
            self.report.error(
                "G0409",
                at,
                format!("`{name}` reads `host.{label}`, which not all hosts of this service capture"),
                format!(
                    "write every host of the service as in `service shop on \"{{{label}}}.example.com\"`"
                ),
            );
        }
        let facts = quotas.get(name).into_iter().flat_map(Quota::facts);
        for (fact, capture) in facts.filter_map(|fact| Some((fact, fact.capture()?))) {
            let targets = match env.captures {
                Captures::Targets(targets) => targets,
                Captures::Any => continue,
                Captures::None => {
                    self.report.error(
                        "G0409",
                        at,
                        format!(
                            "`{name}` reads `path.{capture}`, and there is no target here that captures it"
                        ),
                        "use it in the body of rules whose targets capture it",
                    );
                    continue;
                }
            };
            for target in targets {
                match target.pattern.captures().into_iter().find(|c| c.0 == capture) {
                    None => self.report.error_at_both(
                        "G0409",
                        at,
                        format!(
                            "`{name}` reads `path.{capture}`, which a target of this rule does not capture"
                        ),
                        (target.span, "this target"),
                        format!("write `{{{capture}}}` into every target of the rule"),
                    ),
                    Some((_, ty)) if ty != Type::String && matches!(fact, Fact::Cell { .. }) => {
                        self.mismatch(at, ty, Type::String);
                    }
                    Some(_) => {}
                }
            }
        }
    }

    /// `W0020`: whoever may choose the key has as many buckets as they like.
    fn caller_chooses(&self, by: &[KeyPart], at: Span) {
        let chosen = |fact: &Fact| {
            matches!(
                fact,
                Fact::Capture { .. }
                    | Fact::HostLabel(_)
                    | Fact::Header(_)
                    | Fact::Query(_)
                    | Fact::Cookie(_)
            )
        };
        let mut facts = by.iter().flat_map(|part| &part.facts);
        if facts.all(|key| chosen(&key.fact)) {
            let parts = by.iter().map(|part| {
                let facts = part
                    .facts
                    .iter()
                    .map(|key| self.policy.show(&key.fact).to_string());
                facts.collect::<Vec<_>>().join(" else ")
            });
            let parts: Vec<String> = parts.collect();
            self.report.warning(
                "W0020",
                at,
                "a caller chooses the key of this quota and so gets as many buckets as it likes",
                format!(
                    "count by the caller too, as in `by {}, client.ip`",
                    parts.join(", ")
                ),
            );
        }
    }

    /// The id of a quota by name, once all are known.
    pub(super) fn settle(&self, pending: &PendingLimit) -> Option<Limit> {
        let quotas = &self.policy.quotas;
        let at = quotas.binary_search_by(|q| q.name.cmp(&pending.quota)).ok()?;
        Some(Limit {
            quota: QuotaId(u32::try_from(at).ok()?),
            cost: pending.cost.clone(),
        })
    }
}

/// The bucket of a limit for less than a second, as a limit for whole seconds.
fn same_bucket(limit: &Amount, per: &Spanned<Duration>, burst: Option<&Spanned<String>>) -> Option<String> {
    let us = u64::try_from(per.node.us)
        .ok()
        .filter(|us| (1..1_000_000).contains(us))?;
    let Amount::Fixed(n) = limit else { return None };
    let (mut a, mut b) = (us, 1_000_000);
    while b > 0 {
        (a, b) = (b, a % b);
    }
    let times = 1_000_000 / a;
    let scaled = n.checked_mul(times).filter(|n| *n <= MAX_AMOUNT)?;
    let burst = burst.map_or_else(|| n.to_string(), |burst| burst.node.clone());
    Some(format!("{scaled} per {}s burst {burst}", us / a))
}

/// A limit by its quota's name: ids are given when all quotas are known.
#[derive(Clone, Debug)]
pub(super) struct PendingLimit {
    pub(super) quota: String,
    pub(super) cost: Option<Amount>,
}

/// Global quotas by name, local ones as `service/name`.
fn quota_name(scope_names: &[String], entry: &Entry<'_>) -> String {
    match entry.scope.and_then(|s| scope_names.get(s.0)) {
        Some(owner) => format!("{owner}/{}", entry.name),
        None => entry.name.to_owned(),
    }
}
