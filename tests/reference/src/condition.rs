//! Conditions over facts -> true, false, unknown (section 3). Every part is evaluated, whatever the others say.

use portcullis_lang::model::{Atom, Comparison, Cond, Fact, Operand, Policy, Requires};
use sha2::{Digest, Sha256};

use crate::facts::{Captures, Datum, World};
use crate::{Reference, Trace, glob};

/// Kleene's strong logic; the order makes `and` the minimum and `or` the maximum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Truth {
    False,
    Unknown,
    True,
}

impl From<bool> for Truth {
    fn from(value: bool) -> Truth {
        if value { Truth::True } else { Truth::False }
    }
}

impl From<Option<bool>> for Truth {
    fn from(value: Option<bool>) -> Truth {
        value.map_or(Truth::Unknown, Truth::from)
    }
}

impl Truth {
    fn not(self) -> Truth {
        match self {
            Truth::False => Truth::True,
            Truth::Unknown => Truth::Unknown,
            Truth::True => Truth::False,
        }
    }
}

/// One rule's view of the world.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) reference: &'a Reference<'a>,
    pub(crate) world: &'a World<'a>,
    pub(crate) captures: &'a Captures,
}

impl View<'_> {
    /// Evaluates a condition; the checker bounds its depth.
    pub(crate) fn evaluate(&self, condition: &Cond, trace: &mut Trace) -> Truth {
        match condition {
            Cond::True => Truth::True,
            Cond::Not(inner) => {
                trace.operator("not");
                self.evaluate(inner, trace).not()
            }
            Cond::All(parts) => {
                trace.operator("and");
                parts
                    .iter()
                    .map(|part| self.evaluate(part, trace))
                    .fold(Truth::True, Truth::min)
            }
            Cond::Any(parts) => {
                trace.operator("or");
                parts
                    .iter()
                    .map(|part| self.evaluate(part, trace))
                    .fold(Truth::False, Truth::max)
            }
            Cond::Atom(atom) => {
                let truth = self.atom(atom);
                note(self.reference.policy, atom, truth, trace);
                truth
            }
        }
    }

    fn known(&self, fact: &Fact) -> Option<Datum> {
        self.world.known(fact, self.captures)
    }

    fn text(&self, fact: &Fact) -> Option<Vec<u8>> {
        match self.known(fact)? {
            Datum::Text(text) => Some(text),
            _ => None,
        }
    }

    fn operand(&self, operand: &Operand) -> Option<Datum> {
        match operand {
            Operand::Value(value) => Some(Datum::from(value)),
            Operand::Fact(fact) => self.known(fact),
        }
    }

    fn set(&self, fact: &Fact) -> Option<std::collections::BTreeSet<Vec<u8>>> {
        match self.known(fact)? {
            Datum::Set(items) => Some(items),
            _ => None,
        }
    }

    fn atom(&self, atom: &Atom) -> Truth {
        let credentials = &self.world.credentials;
        match atom {
            Atom::Anchor(anchor) => credentials.holds(*anchor).into(),
            Atom::Presented(kind) => credentials.is_presented(*kind).into(),
            Atom::Exists(fact) => self.world.fact(fact, self.captures).sent.into(),
            other => self.test(other).into(),
        }
    }

    /// The atoms that may be unknown: `None`.
    fn test(&self, atom: &Atom) -> Option<bool> {
        match atom {
            Atom::Anchor(_) | Atom::Presented(_) | Atom::Exists(_) => None,
            Atom::IsTrue(fact) => match self.known(fact)? {
                Datum::Bool(value) => Some(value),
                _ => None,
            },
            Atom::Compare {
                left,
                op,
                right,
                ignore_case,
            } => compare(&self.known(left)?, *op, &self.operand(right)?, *ignore_case),
            Atom::OneOf { fact, values } => {
                let datum = self.known(fact)?;
                Some(values.iter().any(|value| Datum::from(value) == datum))
            }
            Atom::InList { fact, list } => {
                Some(self.reference.data.list(*list)?.contains(&self.known(fact)?))
            }
            Atom::InNetwork { fact, network } => {
                let Datum::Ip(address) = self.known(fact)? else {
                    return None;
                };
                let network = self.reference.policy.networks.get(network.index())?;
                Some(network.nets.iter().any(|net| net.contains(&address)))
            }
            Atom::InHours { hours } => {
                self.reference
                    .zones
                    .contains(self.reference.policy, *hours, self.world.now?)
            }
            Atom::Contains { set, element } => {
                let items = self.set(set)?;
                let Datum::Text(element) = self.operand(element)? else {
                    return None;
                };
                Some(items.contains(&element))
            }
            Atom::HasAny { set, values } => {
                let items = self.set(set)?;
                Some(values.iter().any(|value| items.contains(value.as_bytes())))
            }
            Atom::HasAll { set, values } => {
                let items = self.set(set)?;
                Some(values.iter().all(|value| items.contains(value.as_bytes())))
            }
            Atom::Like { fact, glob } => Some(glob::matches(glob, &self.text(fact)?)),
            Atom::Matches { fact, regex } => self.reference.patterns.is_match(regex, &self.text(fact)?),
            Atom::Sample { fact, name, below } => {
                let text = self.known(fact)?.to_text()?;
                let hash = Sha256::new()
                    .chain_update(name)
                    .chain_update([0])
                    .chain_update(text)
                    .finalize();
                let first = hash
                    .iter()
                    .take(8)
                    .fold(0_u128, |sum, byte| sum << 8 | u128::from(*byte));
                Some(first < *below)
            }
        }
    }

    /// Whether `with scope ..` holds; false without a valid token that says its scopes.
    pub(crate) fn has_scopes(&self, requires: &Requires) -> bool {
        self.has_named_scopes(requires) && self.has_scopes_like(requires)
    }

    /// Whether each glob of `with scope like ..` has a scope.
    pub(crate) fn has_scopes_like(&self, requires: &Requires) -> bool {
        let had = || self.set(&Fact::Scopes).unwrap_or_default();
        let globs = &requires.scope_globs;
        globs.is_empty()
            || globs
                .iter()
                .all(|glob| had().iter().any(|scope| glob::matches(glob, scope)))
    }

    fn has_named_scopes(&self, requires: &Requires) -> bool {
        requires.scopes.is_empty()
            || self
                .set(&Fact::Scopes)
                .is_some_and(|had| requires.scopes.iter().all(|s| had.contains(s.as_bytes())))
    }

    /// A claim, where it was sent: `with` never sees a default.
    fn sent(&self, claim: &str) -> Option<Fact> {
        let fact = Fact::Claim(claim.to_string());
        self.world.fact(&fact, self.captures).sent.then_some(fact)
    }

    /// Whether `with acr ..` holds.
    pub(crate) fn has_acr(&self, requires: &Requires) -> bool {
        let had = || self.sent("acr").and_then(|acr| self.text(&acr));
        requires
            .acr
            .as_ref()
            .is_none_or(|acr| had().is_some_and(|had| had == acr.as_bytes()))
    }

    /// Whether `with max age ..` holds.
    pub(crate) fn has_age(&self, requires: &Requires) -> bool {
        let Some(max) = requires.max_age_us else {
            return true;
        };
        let at = self.sent("auth_time").and_then(|fact| self.known(&fact));
        match (self.world.now, at) {
            (Some(now), Some(Datum::Instant(at))) => i128::from(now) - i128::from(at) <= i128::from(max),
            _ => false,
        }
    }
}

fn compare(left: &Datum, op: Comparison, right: &Datum, ignore_case: bool) -> Option<bool> {
    let equal = match (left, right) {
        (Datum::Text(a), Datum::Text(b)) if ignore_case => a.eq_ignore_ascii_case(b),
        _ => left == right,
    };
    let order = match (left, right) {
        (Datum::Int(a), Datum::Int(b))
        | (Datum::Instant(a), Datum::Instant(b))
        | (Datum::Duration(a), Datum::Duration(b)) => Some(a.cmp(b)),
        _ => None,
    };
    match op {
        Comparison::Equal => Some(equal),
        Comparison::NotEqual => Some(!equal),
        Comparison::Less => order.map(|o| o.is_lt()),
        Comparison::LessOrEqual => order.map(|o| o.is_le()),
        Comparison::Greater => order.map(|o| o.is_gt()),
        Comparison::GreaterOrEqual => order.map(|o| o.is_ge()),
    }
}

fn note(policy: &Policy, atom: &Atom, truth: Truth, trace: &mut Trace) {
    trace.atoms += 1;
    if truth == Truth::Unknown {
        trace.unknown_atoms += 1;
    }
    atom.for_each_fact(&mut |fact| {
        if fact.host_label().is_some() {
            trace.operator("host label");
        }
    });
    trace.operator(match atom {
        Atom::Anchor(_) => "anchor",
        Atom::Presented(_) => "presented",
        Atom::Exists(_) => "exists",
        Atom::IsTrue(_) => "is true",
        Atom::Compare {
            op: Comparison::Equal,
            ..
        } => "==",
        Atom::Compare {
            op: Comparison::NotEqual,
            ..
        } => "!=",
        Atom::Compare {
            op: Comparison::Less, ..
        } => "<",
        Atom::Compare {
            op: Comparison::LessOrEqual,
            ..
        } => "<=",
        Atom::Compare {
            op: Comparison::Greater,
            ..
        } => ">",
        Atom::Compare {
            op: Comparison::GreaterOrEqual,
            ..
        } => ">=",
        Atom::OneOf { .. } => "one of",
        Atom::InList { list, .. } if policy.lists.get(list.index()).is_some_and(|l| l.networks) => {
            "in list of networks"
        }
        Atom::InList { .. } => "in list",
        Atom::InNetwork { .. } => "in network",
        Atom::InHours { .. } => "in hours",
        Atom::Contains { .. } => "in set",
        Atom::HasAny { .. } => "has any",
        Atom::HasAll { .. } => "has all",
        Atom::Like { .. } => "like",
        Atom::Matches { .. } => "matches",
        Atom::Sample { .. } => "sample",
    });
    if matches!(
        atom,
        Atom::Compare {
            ignore_case: true,
            ..
        }
    ) {
        trace.operator("ignore case");
    }
    let two_facts = matches!(
        atom,
        Atom::Compare {
            right: Operand::Fact(_),
            ..
        } | Atom::Contains {
            element: Operand::Fact(_),
            ..
        }
    );
    if two_facts {
        trace.operator("fact to fact");
    }
}
