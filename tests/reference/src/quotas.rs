//! Limits that bind -> charges with key, cost and limit in force, or the quota that is unknown (section 7).
//! Holds no buckets: whether a charge fits is the store's business.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::Ipv6Net;
use portcullis_lang::model::{
    Amount, CredentialKind, Fact, KeyFact, KeyPart, Limit, Period, Policy, Quota, QuotaId,
};
use portcullis_vectors::QuotaCharge;

use crate::condition::View;
use crate::facts::{Captures, Datum};
use crate::obligations::Binding;

/// A quota whose key, cost or limit is unknown.
pub(crate) struct UnknownQuota {
    pub(crate) quota: String,
    /// The first kind, in the order of kinds, that an unknown fact belongs to and that is not valid.
    pub(crate) kind: Option<CredentialKind>,
}

/// A use of a quota by a rule.
struct Use<'c> {
    cost: Option<&'c Amount>,
    view: View<'c>,
}

type Uses<'c> = BTreeMap<QuotaId, Vec<Use<'c>>>;

/// Whether the limit counts calls over time, as opposed to calls in flight.
pub(crate) fn is_rate(policy: &Policy, limit: &Limit) -> bool {
    policy
        .quotas
        .get(limit.quota.index())
        .is_some_and(|quota| quota.period != Period::InFlight)
}

/// All charges of an allow or an answered preflight, sorted by name; the first unknown quota, by name, refuses.
pub(crate) fn charges(
    policy: &Policy,
    bindings: &[Binding<'_>],
    default: Option<&Limit>,
) -> Result<Vec<QuotaCharge>, UnknownQuota> {
    let mut uses = uses(bindings);
    let has_rate = bindings
        .iter()
        .flat_map(|b| &b.rule.obligations.limits)
        .any(|limit| is_rate(policy, limit));
    // a default limit reads no captures, so any rule's view will do
    if let (Some(limit), Some(any), false) = (default, bindings.first(), has_rate) {
        let view = View {
            captures: &NO_CAPTURES,
            ..any.view
        };
        uses.entry(limit.quota).or_default().push(Use {
            cost: limit.cost.as_ref(),
            view,
        });
    }
    let mut out = Vec::new();
    for (id, uses) in &uses {
        if let Some(quota) = policy.quotas.get(id.index()) {
            out.extend(charge(policy, quota, uses)?);
        }
    }
    Ok(out)
}

/// `counting denied` quotas of standing rules; unknown ones are left out.
pub(crate) fn counting_denied(policy: &Policy, standing: &[Binding<'_>]) -> Vec<QuotaCharge> {
    let uses = uses(standing);
    let counting = uses.iter().filter_map(|(id, uses)| {
        let quota = policy
            .quotas
            .get(id.index())
            .filter(|quota| quota.counting_denied)?;
        charge(policy, quota, uses).ok()
    });
    counting.flatten().collect()
}

static NO_CAPTURES: Captures = Captures::new();

fn uses<'c>(bindings: &[Binding<'c>]) -> Uses<'c> {
    let mut uses = Uses::new();
    for binding in bindings {
        for limit in &binding.rule.obligations.limits {
            let one = Use {
                cost: limit.cost.as_ref(),
                view: binding.view,
            };
            uses.entry(limit.quota).or_default().push(one);
        }
    }
    uses
}

/// One charge a key, at the largest cost and under the smallest limit of all uses.
fn charge(policy: &Policy, quota: &Quota, uses: &[Use<'_>]) -> Result<Vec<QuotaCharge>, UnknownQuota> {
    let mut by_key: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    let mut unknown = BTreeSet::new();
    let mut failed = false;
    for one in uses {
        let known = (
            key(policy, &quota.by, one.view, &mut unknown),
            amount(one.cost.unwrap_or(&quota.cost), one.view, &mut unknown),
            amount(&quota.limit, one.view, &mut unknown),
        );
        match known {
            (Some(key), Some(cost), Some(limit)) => {
                let entry = by_key.entry(key).or_insert((cost, limit));
                *entry = (entry.0.max(cost), entry.1.min(limit));
            }
            _ => failed = true,
        }
    }
    if failed {
        let credentials = uses.first().map(|one| &one.view.world.credentials);
        let kind = unknown
            .into_iter()
            .find(|kind| credentials.is_some_and(|c| !c.is_valid(*kind)));
        return Err(UnknownQuota {
            quota: quota.name.clone(),
            kind,
        });
    }
    Ok(by_key
        .into_iter()
        .map(|(key, (cost, limit))| entry(quota, key, cost, limit))
        .collect())
}

fn entry(quota: &Quota, key: String, cost: u64, limit: u64) -> QuotaCharge {
    let plain = QuotaCharge {
        name: quota.name.clone(),
        key,
        cost,
        limit,
        ..QuotaCharge::default()
    };
    match &quota.period {
        Period::Rate { period_us, burst } => QuotaCharge {
            period_us: Some(*period_us),
            burst: Some(burst.unwrap_or(limit)),
            ..plain
        },
        Period::Calendar { unit, zone } => QuotaCharge {
            calendar: Some((*unit).to_string()),
            zone: Some(zone.clone()),
            ..plain
        },
        Period::InFlight => QuotaCharge {
            in_flight: Some(true),
            ..plain
        },
    }
}

/// The kinds that a fact's credential is of; a cell's key counts.
fn kinds_of(fact: &Fact) -> Option<CredentialKind> {
    match fact {
        Fact::Cell { key, .. } => kinds_of(key),
        other => other.credential(),
    }
}

fn amount(amount: &Amount, view: View<'_>, unknown: &mut BTreeSet<CredentialKind>) -> Option<u64> {
    let (fact, at_most) = match amount {
        Amount::Fixed(n) => return Some(*n).filter(|n| *n >= 1),
        Amount::Fact { fact, at_most } => (fact, at_most),
    };
    let value = match view.world.known(fact, view.captures) {
        Some(Datum::Int(value)) => u64::try_from(value).ok().filter(|value| *value >= 1),
        _ => None,
    };
    if value.is_none() {
        unknown.extend(kinds_of(fact));
    }
    value.map(|value| at_most.map_or(value, |ceiling| value.min(ceiling)))
}

/// The parts `FACT:LENGTH:VALUE`, joined by commas; before the first of a token stands its issuer's name.
fn key(
    policy: &Policy,
    parts: &[KeyPart],
    view: View<'_>,
    unknown: &mut BTreeSet<CredentialKind>,
) -> Option<String> {
    let mut texts: Vec<String> = Vec::new();
    let mut complete = true;
    for part in parts {
        let known = part
            .facts
            .iter()
            .find_map(|key| Some((key, value_text(key, view)?)));
        let Some((key, value)) = known else {
            complete = false;
            unknown.extend(part.facts.iter().filter_map(|key| kinds_of(&key.fact)));
            continue;
        };
        // two issuers' subjects are two callers
        if is_of_token(&key.fact) && !texts.iter().any(|text| text.starts_with("token.")) {
            let issuer = policy.issuers.get(view.world.credentials.token.valid()?.issuer)?;
            let sent = view.world.sent_issuer().filter(|_| issuer.url_like);
            texts.push(part_text(
                "token.iss",
                sent.as_deref().unwrap_or(&issuer.name).as_bytes(),
            ));
        }
        texts.push(part_text(&key.text, &value));
    }
    complete.then(|| texts.join(","))
}

fn is_of_token(fact: &Fact) -> bool {
    matches!(fact, Fact::Claim(_) | Fact::Scopes)
}

fn value_text(key: &KeyFact, view: View<'_>) -> Option<Vec<u8>> {
    let text = match view.world.known(&key.fact, view.captures)? {
        Datum::Bool(b) => b.to_string(),
        Datum::Int(i) | Datum::Instant(i) | Datum::Duration(i) => i.to_string(),
        Datum::Text(text) => return Some(text),
        Datum::Set(items) => return Some(items.into_iter().collect::<Vec<_>>().join(&b' ')),
        Datum::Ip(IpAddr::V4(v4)) => v4.to_string(),
        Datum::Ip(IpAddr::V6(v6)) => Ipv6Net::new(v6, key.prefix.unwrap_or(64))
            .ok()?
            .trunc()
            .to_string(),
    };
    Some(text.into_bytes())
}

/// Bytes that are no text stand as hexadecimal digits behind an `x` in place of the length.
fn part_text(fact: &str, value: &[u8]) -> String {
    match std::str::from_utf8(value) {
        Ok(text) => format!("{fact}:{}:{text}", text.len()),
        Err(_) => {
            let digits: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("{fact}:x:{digits}")
        }
    }
}
