//! A deny -> what requests lack that make its condition unknown, so that it refuses them (`W0002`), and the edit that
//! says so openly. Knows no other rule.

use super::word;
use crate::model::{Atom, Comparison, Cond, CredentialKind, Fact, Policy};

/// What a request may lack.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lacking<'c> {
    /// A whole credential, with all its facts.
    Credential(CredentialKind),
    /// One fact.
    Fact(&'c Fact),
}

/// What a warning says.
pub(super) struct Absent {
    /// What is lacking, for people.
    pub(super) what: String,
    /// The way out.
    pub(super) help: String,
}

/// Different things that are looked at in one condition at most.
const LACKING_MAX: usize = 8;
/// Tests of one condition that are looked at, each alone, for the one that is to be edited.
const TESTS_MAX: usize = 64;

/// Values that a condition can have: a set of these.
const TRUE: u8 = 1;
const FALSE: u8 = 2;
const UNKNOWN: u8 = 4;

/// What requests lack that make the condition unknown, whatever else they hold.
/// Facts that are `never` known have a warning of their own, and no `exists` may ask for them.
pub(super) fn absent(policy: &Policy, cond: &Cond, never: impl Fn(&Fact) -> bool) -> Option<Absent> {
    let mut all: Vec<Lacking<'_>> = Vec::new();
    cond.for_each_atom(&mut |atom| {
        if matches!(atom, Atom::Anchor(_) | Atom::Presented(_) | Atom::Exists(_)) || bounds_size(atom) {
            return;
        }
        atom.for_each_fact(&mut |fact| {
            let lacking = match fact.credential() {
                Some(kind) => Lacking::Credential(kind),
                None if may_be_absent(policy, fact) && !never(fact) => Lacking::Fact(fact),
                None => return,
            };
            if all.len() < LACKING_MAX && !all.contains(&lacking) {
                all.push(lacking);
            }
        });
    });
    all.retain(|lacking| lacking.outcomes(cond, None, &mut 0) & UNKNOWN != 0);
    let first = all.first()?;
    let mut names: Vec<String> = Vec::new();
    for lacking in &all {
        names.push(match lacking {
            Lacking::Credential(kind) if kind.beside_index().is_some() => {
                format!("a token from `{}`", policy.kind_name(*kind))
            }
            Lacking::Credential(kind) => format!("a {}", word(*kind)),
            Lacking::Fact(fact) => format!("`{}`", policy.show(*fact)),
        });
    }
    Some(Absent {
        what: names.join(" or "),
        help: first.help(policy, cond),
    })
}

/// An ordered comparison of `request.size`, which has a warning of its own.
pub(super) fn bounds_size(atom: &Atom) -> bool {
    matches!(
        atom,
        Atom::Compare { left: Fact::Size, op, .. } if !matches!(op, Comparison::Equal | Comparison::NotEqual)
    )
}

/// Whether ordinary requests come without the fact. Credentials' facts are counted by credential.
fn may_be_absent(policy: &Policy, fact: &Fact) -> bool {
    match fact {
        Fact::Query(_)
        | Fact::Header(_)
        | Fact::Cookie(_)
        | Fact::Size
        | Fact::ContentType
        | Fact::Sni
        | Fact::Trusted(_)
        | Fact::Cell { .. } => true,
        Fact::Context(name) => policy
            .context
            .iter()
            .any(|declared| declared.name == *name && declared.default.is_none()),
        _ => false,
    }
}

impl Lacking<'_> {
    fn covers(self, fact: &Fact) -> bool {
        let own = match self {
            Lacking::Credential(kind) => fact.credential() == Some(kind),
            Lacking::Fact(lacking) => fact == lacking,
        };
        own || matches!(fact, Fact::Cell { key, .. } if self.covers(key))
    }

    /// The values that a condition can have. With `only`, comparisons but the one of that number find all they need.
    fn outcomes(self, cond: &Cond, only: Option<usize>, number: &mut usize) -> u8 {
        match cond {
            Cond::True => TRUE,
            Cond::Not(inner) => not(self.outcomes(inner, only, number)),
            Cond::All(parts) => parts
                .iter()
                .fold(TRUE, |all, part| and(all, self.outcomes(part, only, number))),
            Cond::Any(parts) => not(parts
                .iter()
                .fold(TRUE, |all, part| and(all, not(self.outcomes(part, only, number))))),
            Cond::Atom(atom) => {
                let this = *number;
                *number += 1;
                self.of_atom(atom, only.is_none_or(|only| only == this))
            }
        }
    }

    fn of_atom(self, atom: &Atom, unknown: bool) -> u8 {
        let is_false = match atom {
            Atom::Anchor(anchor) => self == Lacking::Credential(anchor.kind()),
            Atom::Presented(kind) => self == Lacking::Credential(*kind),
            Atom::Exists(fact) => self.covers(fact),
            _ => {
                let mut lacks = false;
                atom.for_each_fact(&mut |fact| lacks |= self.covers(fact));
                return if lacks && unknown { UNKNOWN } else { TRUE | FALSE };
            }
        };
        if is_false { FALSE } else { TRUE | FALSE }
    }

    /// The first comparison that makes the condition unknown, as it stands and with absence as a case of its own, which
    /// refuses the same requests.
    fn help(self, policy: &Policy, cond: &Cond) -> String {
        let mut found = None;
        let mut number = 0;
        tests(cond, false, &mut |atom, negated| {
            let this = number;
            number += 1;
            if found.is_none() && this < TESTS_MAX && self.outcomes(cond, Some(this), &mut 0) & UNKNOWN != 0 {
                found = Some((atom, negated));
            }
        });
        let Some((atom, negated)) = found else {
            return "ask for absence by `exists` as a case of its own".to_owned();
        };
        let mut facts: Vec<String> = Vec::new();
        atom.for_each_fact(&mut |fact| {
            if self.covers(fact) {
                let fact = match fact.credential() {
                    Some(kind) if has_default(policy, fact) => policy.kind_name(kind).to_owned(),
                    _ => policy.show(fact).to_string(),
                };
                if !facts.contains(&fact) {
                    facts.push(fact);
                }
            }
        });
        let (before, between) = if negated {
            ("exists ", " and ")
        } else {
            ("not exists ", " or ")
        };
        let guards: Vec<String> = facts.iter().map(|fact| format!("{before}{fact}")).collect();
        let mut help = format!(
            "to refuse them and say so, write `({}{between}{})`",
            guards.join(between),
            policy.show(atom)
        );
        if !negated {
            let fact = facts.first().map_or("", String::as_str);
            help.push_str(&format!("; `exists {fact} and` would let them pass"));
        }
        help
    }
}

/// Whether a claim or field has a default somewhere: then it may be there without having been sent.
fn has_default(policy: &Policy, fact: &Fact) -> bool {
    match fact {
        Fact::Claim(name) => {
            let mut claims = policy.issuers.iter().flat_map(|issuer| &issuer.claims);
            claims.any(|claim| claim.name == *name && claim.default.is_some())
        }
        Fact::BesideClaim(id, name) => {
            let issuer = policy.beside.get(id.index());
            let mut claims = issuer.into_iter().flat_map(|issuer| &issuer.claims);
            claims.any(|claim| claim.name == *name && claim.default.is_some())
        }
        Fact::KeyField(name) => {
            let mut fields = policy.keys.iter().flat_map(|keys| &keys.fields);
            fields.any(|field| field.name == *name && field.default.is_some())
        }
        _ => false,
    }
}

/// Every atom, left to right, with whether an odd number of `not` stands before it.
fn tests<'c>(cond: &'c Cond, negated: bool, f: &mut impl FnMut(&'c Atom, bool)) {
    match cond {
        Cond::True => {}
        Cond::Not(inner) => tests(inner, !negated, f),
        Cond::All(parts) | Cond::Any(parts) => parts.iter().for_each(|part| tests(part, negated, f)),
        Cond::Atom(atom) => f(atom, negated),
    }
}

fn not(values: u8) -> u8 {
    let (mut out, values) = (values & UNKNOWN, values);
    if values & TRUE != 0 {
        out |= FALSE;
    }
    if values & FALSE != 0 {
        out |= TRUE;
    }
    out
}

/// Kleene's `and` of two values that are chosen on their own.
fn and(a: u8, b: u8) -> u8 {
    let mut out = (a | b) & FALSE;
    if a & TRUE != 0 && b & TRUE != 0 {
        out |= TRUE;
    }
    let open = TRUE | UNKNOWN;
    if (a & UNKNOWN != 0 && b & open != 0) || (b & UNKNOWN != 0 && a & open != 0) {
        out |= UNKNOWN;
    }
    out
}
