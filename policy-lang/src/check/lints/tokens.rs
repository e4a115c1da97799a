//! Conditions and demands about tokens -> those that no request can meet, and those that any tenant meets. Knows no
//! syntax.

use crate::check::credentials::REGISTERED;
use crate::model::{Anchor, Atom, Cond, CredentialKind, Fact, Issuer, IssuerId, Policy, Rule, TokenSource};
use std::collections::BTreeSet;

/// The issuers of whose tokens one must be there for a condition to be true; `None` where it holds without.
pub(super) fn wanted(cond: &Cond) -> Option<BTreeSet<IssuerId>> {
    match cond {
        Cond::Atom(Atom::Anchor(Anchor::Token(id))) => Some([*id].into()),
        Cond::All(parts) => parts
            .iter()
            .filter_map(wanted)
            .reduce(|a, b| a.intersection(&b).copied().collect()),
        Cond::Any(parts) => parts.iter().map(wanted).try_fold(BTreeSet::new(), |all, part| {
            let mut all = all;
            all.extend(part?);
            Some(all)
        }),
        Cond::True | Cond::Not(_) | Cond::Atom(_) => None,
    }
}

/// Two issuers of both of which a condition wants a token.
fn both(cond: &Cond) -> Option<(IssuerId, IssuerId)> {
    match cond {
        Cond::All(parts) => parts.iter().find_map(both).or_else(|| {
            let sets: Vec<BTreeSet<IssuerId>> = parts.iter().filter_map(wanted).collect();
            let pairs = sets.iter().enumerate();
            let mut pairs =
                pairs.flat_map(|(at, set)| sets.iter().skip(at + 1).map(move |other| (set, other)));
            let (set, other) = pairs.find(|(set, other)| set.is_disjoint(other))?;
            Some((*set.first()?, *other.first()?))
        }),
        Cond::Any(parts) => parts.iter().find_map(both),
        Cond::True | Cond::Not(_) | Cond::Atom(_) => None,
    }
}

/// What to write where a condition wants tokens of two issuers, so that it never holds.
pub(super) fn two_tokens(policy: &Policy, cond: &Cond) -> Option<String> {
    if !wanted(cond)?.is_empty() {
        return None;
    }
    let issuers =
        both(cond).and_then(|(a, b)| Some((policy.issuers.get(a.index())?, policy.issuers.get(b.index())?)));
    let Some((first, second)) = issuers else {
        return Some("join the issuers with `or` where a token of either will do".to_owned());
    };
    let (a, b) = (&first.name, &second.name);
    let mut help = format!("write `token from {a} or token from {b}` where either will do");
    let room = policy.beside.len() < CredentialKind::BESIDE_MAX;
    // One that has its place already comes first.
    let mut can: Vec<&Issuer> = [second, first]
        .into_iter()
        .filter(|_| room)
        .filter(|i| can_be_beside(policy, i))
        .collect();
    can.sort_by_key(|issuer| !has_own_place(policy, issuer));
    if let Some(issuer) = can.first() {
        let place = match has_own_place(policy, issuer) {
            true => String::new(),
            false => format!("from header \"x-{}-token\"; ", issuer.name.replace('_', "-")),
        };
        help.push_str(&format!(
            "; where a request carries both, write `{place}beside;` in issuer `{0}`, whose claims are then `{0}.sub` and the like",
            issuer.name
        ));
    }
    Some(help)
}

/// Whether the clause `beside` may stand in an issuer as it is, but for its place.
fn can_be_beside(policy: &Policy, issuer: &Issuer) -> bool {
    let scopes = issuer.scopes == ["scope"] && issuer.implies.is_empty();
    let place = issuer.source == TokenSource::Authorization || has_own_place(policy, issuer);
    !issuer.url_like && issuer.query.is_none() && !issuer.opaque && scopes && place
}

/// Whether an issuer's tokens stand in a header or cookie that no other issuer reads.
fn has_own_place(policy: &Policy, issuer: &Issuer) -> bool {
    let mut all = policy.issuers.iter().chain(&policy.beside);
    issuer.source != TokenSource::Authorization
        && !all.any(|other| other.name != issuer.name && other.source == issuer.source)
}

/// The name of an issuer per tenant by whose tokens an allow is met whatever tenant they are of.
pub(super) fn any_tenant<'p>(policy: &'p Policy, rule: &Rule) -> Option<&'p str> {
    let issuers = wanted(&rule.condition)?;
    let mut issuers = issuers.iter().filter_map(|id| policy.issuers.get(id.index()));
    let issuer = issuers.find(|issuer| issuer.url_like)?;
    let mut reads = false;
    rule.condition.for_each_atom(&mut |atom| {
        atom.for_each_fact(&mut |fact| {
            if let Fact::Claim(name) = fact {
                reads |= name == "iss" || !REGISTERED.iter().any(|(registered, _)| registered == name);
            }
        });
    });
    (!reads).then_some(&issuer.name)
}

/// Whether a rule asks for the age of a login, and all its callers show keys.
pub(super) fn age_of_a_key(rule: &Rule) -> bool {
    let (mut keys, mut others) = (false, false);
    rule.condition.for_each_atom(&mut |atom| match atom {
        Atom::Anchor(Anchor::Key(_)) => keys = true,
        Atom::Anchor(_) => others = true,
        _ => {}
    });
    rule.requires.max_age_us.is_some() && keys && !others
}
