//! Limits that bind -> charges with their keys, or the quota that cannot be keyed. A quota is charged once a
//! verdict, at its largest cost. Knows no buckets and no stores.

use portcullis_base::CredentialKind;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv6Addr};

use super::{Binding, Bound};
use crate::decision::{Charge, PenaltyKey};
use crate::image::config::{Amount, KeyFact, Limit, Period, Quota, Source};
use crate::image::ids::RuleId;
use crate::image::ids::Slot;
use crate::value::Value;
use crate::value::{List, Text};

/// IPv6 keys count by their network, for a single host owns a /64.
const IPV6_PREFIX_DEFAULT: u8 = 64;

/// A quota whose key, cost or limit is unknown.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unknown<'b> {
    /// Its name.
    pub(super) quota: &'b str,
    /// The credential kind that would have told, where the request has no valid one.
    pub(super) kind: Option<CredentialKind>,
}

/// Charges with the rules that demand them.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Charged<'b> {
    pub(super) charges: List<'b, Charge<'b>>,
    pub(super) by_rules: List<'b, RuleId>,
}

/// A limit in force.
#[derive(Clone, Copy)]
struct Use<'b> {
    quota: &'b Quota,
    limit: &'b Limit,
    /// The rule it is of; the service's default is of none.
    rule: Option<RuleId>,
}

/// Sorted by the quota's name. A quota keyed by captures stands in the config once for each place of them, under one
/// name.
type Uses<'b> = List<'b, Use<'b>>;

/// All that bind; the service's default where no rate of a rule does.
pub(super) fn on_allow<'b>(
    b: &Binding<'b>,
    rules: &[Bound<'b>],
) -> Result<List<'b, Charge<'b>>, Unknown<'b>> {
    let mut uses = uses(b, rules);
    let rated = uses.iter().any(|of| !matches!(of.quota.period, Period::InFlight));
    let default = b.service().and_then(|service| service.default_limit.as_ref());
    if let Some(limit) = default.filter(|_| !rated)
        && let Some(quota) = quota_of(b, limit)
    {
        uses.push(Use {
            quota,
            limit,
            rule: None,
        });
        sort(&mut uses);
    }
    charge_all(b, &uses).map(|charged| charged.charges)
}

/// All that standing rules ask for.
pub(super) fn on_preflight<'b>(b: &Binding<'b>, standing: &[Bound<'b>]) -> Result<Charged<'b>, Unknown<'b>> {
    charge_all(b, &uses(b, standing))
}

/// Those of standing rules that count denied requests; what cannot be keyed is left out.
pub(super) fn on_denial<'b>(b: &Binding<'b>, standing: &[Bound<'b>]) -> Charged<'b> {
    let mut charged = Charged::new(b);
    for of_name in uses(b, standing).chunk_by(same_name) {
        if of_name.iter().any(|of| of.quota.counting_denied) {
            // What cannot be keyed leaves nothing behind.
            let _ = charged.add(b, of_name);
        }
    }
    charged
}

/// Those of reported rules; what cannot be keyed is left out.
pub(super) fn tried<'b>(b: &Binding<'b>, reported: &[Bound<'b>]) -> List<'b, Charge<'b>> {
    let mut charged = Charged::new(b);
    for of_name in uses(b, reported).chunk_by(same_name) {
        // What cannot be keyed leaves nothing behind.
        let _ = charged.add(b, of_name);
    }
    charged.charges
}

/// The penalties of the service and of all guards, but those whose keys are unknown.
pub(super) fn penalties<'b>(b: &Binding<'b>) -> List<'b, PenaltyKey<'b>> {
    let mut keys = List::new_in(b.arena);
    for (penalty, index) in b.config.penalties.iter().zip(0..) {
        if penalty.service.is_some_and(|service| service != b.service) {
            continue;
        }
        let mut misses = Misses {
            b,
            any: false,
            kind: None,
        };
        let key = key(b, &penalty.by, &mut misses);
        if !misses.any {
            keys.push(PenaltyKey { penalty: index, key });
        }
    }
    keys
}

fn quota_of<'b>(b: &Binding<'b>, limit: &Limit) -> Option<&'b Quota> {
    b.config.quotas.get(limit.quota as usize)
}

fn uses<'b>(b: &Binding<'b>, rules: &[Bound<'b>]) -> Uses<'b> {
    let mut uses = List::new_in(b.arena);
    for bound in rules {
        for limit in &bound.rule.body.limits {
            if let Some(quota) = quota_of(b, limit) {
                uses.push(Use {
                    quota,
                    limit,
                    rule: Some(bound.index),
                });
            }
        }
    }
    sort(&mut uses);
    uses
}

fn sort(uses: &mut [Use<'_>]) {
    let key = |of: &Use<'_>| (of.rule.is_none(), of.rule);
    crate::value::order::sort_by(uses, |a, b| (&a.quota.name, key(a)).cmp(&(&b.quota.name, key(b))));
}

fn same_name(a: &Use<'_>, b: &Use<'_>) -> bool {
    a.quota.name == b.quota.name
}

fn charge_all<'b>(b: &Binding<'b>, uses: &[Use<'b>]) -> Result<Charged<'b>, Unknown<'b>> {
    let mut charged = Charged::new(b);
    uses.chunk_by(same_name)
        .try_for_each(|of_name| charged.add(b, of_name))?;
    Ok(charged)
}

impl<'b> Charged<'b> {
    fn new(b: &Binding<'b>) -> Charged<'b> {
        Charged {
            charges: List::new_in(b.arena),
            by_rules: List::new_in(b.arena),
        }
    }

    /// The charges of one name, one a key, sorted by it. Everything unknown is looked at before it fails: the first
    /// kind, in the order of kinds, of which the request has no valid credential that would have told.
    fn add(&mut self, b: &Binding<'b>, uses: &[Use<'b>]) -> Result<(), Unknown<'b>> {
        let mut charges: List<'b, Charge<'b>> = List::new_in(b.arena);
        let mut misses = Misses {
            b,
            any: false,
            kind: None,
        };
        for Use { quota, limit, .. } in uses {
            let key = key(b, &quota.by, &mut misses);
            let (cost, cost_kind) = match &limit.cost {
                Some(here) => (here, limit.cost_kind),
                None => (&quota.cost, quota.cost_kind),
            };
            let cost = misses.check(amount(b, cost), cost_kind);
            let in_force = misses.check(amount(b, &quota.limit), quota.limit_kind);
            if let (Some(cost), Some(in_force)) = (cost, in_force) {
                match charges.iter_mut().find(|charge| charge.key == key) {
                    Some(charge) => {
                        charge.cost = charge.cost.max(cost);
                        charge.limit = charge.limit.min(in_force);
                    }
                    None => charges.push(Charge {
                        quota: limit.quota,
                        key,
                        cost,
                        limit: in_force,
                    }),
                }
            }
        }
        if misses.any {
            return Err(Unknown {
                quota: uses.first().map_or("", |of| &of.quota.name),
                kind: misses.kind,
            });
        }
        crate::value::order::sort_by_key(&mut charges, |charge| charge.key);
        self.charges.append(&mut charges);
        self.by_rules.extend(uses.iter().filter_map(|of| of.rule));
        Ok(())
    }
}

/// What was unknown, and the first kind of credential that is missing for it.
struct Misses<'m, 'b> {
    b: &'m Binding<'b>,
    any: bool,
    kind: Option<CredentialKind>,
}

impl Misses<'_, '_> {
    fn note(&mut self, kind: Option<CredentialKind>) {
        self.any = true;
        let missing = kind.filter(|&kind| !self.b.credentials.valid(kind));
        self.kind = self.kind.into_iter().chain(missing).min();
    }

    fn check<T>(&mut self, value: Option<T>, kind: Option<CredentialKind>) -> Option<T> {
        if value.is_none() {
            self.note(kind);
        }
        value
    }
}

/// The composite key; of each part the first alternative that is known.
fn key<'b>(b: &Binding<'b>, by: &[Vec<KeyFact>], misses: &mut Misses) -> &'b str {
    let mut key = Text::new_in(b.arena);
    let mut issuer_told = false;
    for part in by {
        if !part
            .iter()
            .any(|fact| push_fact(b, fact, &mut issuer_told, &mut key))
        {
            part.iter().for_each(|fact| misses.note(fact.kind));
        }
    }
    key.into_bump_str()
}

/// At least 1, else it counts as unknown.
fn amount(b: &Binding, amount: &Amount) -> Option<u64> {
    let value = match amount {
        Amount::Fixed(n) => *n,
        Amount::Fact(slot, at_most) => match b.facts.fetch(*slot).value {
            Some(Value::Int(n)) => u64::try_from(n).ok()?.min(at_most.unwrap_or(u64::MAX)),
            _ => return None,
        },
    };
    (value >= 1).then_some(value)
}

/// Appends a known fact. Before the first of a token stands its issuer, for two issuers may name one subject.
fn push_fact<'b>(b: &Binding<'b>, fact: &KeyFact, issuer_told: &mut bool, key: &mut Text<'b>) -> bool {
    let Some(value) = b.facts.fetch(fact.slot).value else {
        return false;
    };
    if of_token(b, fact.slot) && !*issuer_told {
        let issuers = b.config.issuers.iter().zip(0..);
        // Claims are known only where an issuer verified the token.
        let Some((issuer, _)) = issuers
            .into_iter()
            .find(|(_, i)| b.credentials.anchor(CredentialKind::Token, *i))
        else {
            return false;
        };
        // Behind a pattern of URLs stand many that may name one subject.
        let own = b
            .credentials
            .token()
            .filter(|_| issuer.url_like)
            .and_then(|token| token.claims.iss(b.arena));
        push_part("token.iss", own.unwrap_or(issuer.name.as_bytes()), key);
        *issuer_told = true;
    }
    match &value {
        Value::Ip(address) => {
            let mut text = Text::new_in(b.arena);
            push_address(*address, fact.prefix, &mut text);
            push_part(&fact.text, text.as_bytes(), key);
        }
        other => push_part(&fact.text, b.facts.text(other), key),
    }
    true
}

fn of_token(b: &Binding, slot: Slot) -> bool {
    matches!(
        b.config.sources.get(slot.index()),
        Some(Source::Claim(_) | Source::Scopes)
    )
}

/// IPv4 as text, IPv6 by its network; a prefix is about IPv6 only.
fn push_address(address: IpAddr, prefix: Option<u8>, key: &mut Text<'_>) {
    // Writing into a text does not fail.
    let _ = match address {
        IpAddr::V4(v4) => write!(key, "{v4}"),
        IpAddr::V6(v6) => {
            let bits = prefix.unwrap_or(IPV6_PREFIX_DEFAULT).min(128);
            let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
            write!(key, "{}/{bits}", Ipv6Addr::from(u128::from(v6) & mask))
        }
    };
}

/// `FACT:LENGTH:VALUE`, or `FACT:x:HEX` of bytes that are no text. The length makes parts prefix-free, so no value can
/// imitate the end of its part and two lists of values never make one key.
fn push_part(fact: &str, value: &[u8], key: &mut Text<'_>) {
    if !key.is_empty() {
        key.push(',');
    }
    key.push_str(fact);
    if let Ok(text) = std::str::from_utf8(value) {
        let _ = write!(key, ":{}:", text.len());
        key.push_str(text);
    } else {
        key.push_str(":x:");
        value.iter().for_each(|byte| {
            let _ = write!(key, "{byte:02x}");
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_count_by_their_network() {
        for (address, prefix, text) in [
            ("192.0.2.9", None, "192.0.2.9"),
            ("192.0.2.9", Some(24), "192.0.2.9"),
            ("2001:db8:1:2:3:4:5:6", None, "2001:db8:1:2::/64"),
            ("2001:db8:1:2:3:4:5:6", Some(128), "2001:db8:1:2:3:4:5:6/128"),
            ("2001:db8::1", Some(0), "::/0"),
        ] {
            let arena = crate::value::Arena::new();
            let mut key = Text::new_in(&arena);
            push_address(address.parse().unwrap(), prefix, &mut key);
            assert_eq!(key, text);
        }
    }

    #[test]
    fn parts_cannot_imitate_each_other() {
        let parts = |parts: &[(&str, &[u8])]| {
            let arena = crate::value::Arena::new();
            let mut key = Text::new_in(&arena);
            parts
                .iter()
                .for_each(|(fact, value)| push_part(fact, value, &mut key));
            key.as_str().to_string()
        };
        assert_eq!(parts(&[("a", b"x"), ("b", b"")]), "a:1:x,b:0:");
        assert_eq!(parts(&[("a", b"x,b:1:y"), ("b", b"z")]), "a:7:x,b:1:y,b:1:z");
        assert_eq!(parts(&[("a", "\u{fc}\0".as_bytes())]), "a:3:\u{fc}\0");
        assert_eq!(parts(&[("a", b"\xffA")]), "a:x:ff41");
        assert_eq!(parts(&[("a", b"x:ff41")]), "a:6:x:ff41");
    }
}
