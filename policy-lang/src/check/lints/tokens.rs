//! Conditions and demands about tokens -> those that no request can meet, and those that any tenant meets. Knows no
//! syntax.

use crate::check::credentials::REGISTERED;
use crate::model::{Anchor, Atom, Cond, Fact, IssuerId, Policy, Rule};
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
