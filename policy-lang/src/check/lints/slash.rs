//! Rules -> tests of the path that a trailing slash escapes (`W0032`). A target of a deny covers a path with and
//! without one; `request.path like "**.bak"` does not. Knows no other rule.

use crate::check::texts::{Texts, some_text};
use crate::model::{Atom, Comparison, Cond, Effect, Fact, Operand, Policy, Rule, Tail, Value};

/// Tests of a path in one `or` that are looked at together.
const TESTS_MAX: usize = 16;

/// The way out for the first test that a path escapes by a trailing slash: text of the test, and of what to write.
pub(super) fn escaped(policy: &Policy, rule: &Rule) -> Option<(String, String)> {
    let slash = match rule.effect {
        Effect::Deny | Effect::On => |tail: &Tail| *tail != Tail::Slash,
        Effect::Allow => |tail: &Tail| matches!(tail, Tail::Rest(_)),
    };
    if !rule.targets.iter().any(|target| slash(&target.pattern.tail)) {
        return None;
    }
    // What narrows an allow is what it excludes.
    let wanted = rule.effect == Effect::Allow;
    let mut found = None;
    look(rule, &rule.condition, wanted, &mut found);
    let atom = found?;
    let (written, slashed) = match atom {
        Atom::Like { fact, glob } => {
            let slashed = Atom::Like {
                fact: fact.clone(),
                glob: format!("{glob}/"),
            };
            (
                atom,
                format!("({} or {})", policy.show(atom), policy.show(&slashed)),
            )
        }
        Atom::Compare {
            left,
            right: Operand::Value(Value::String(text)),
            ..
        } => {
            let both = Atom::OneOf {
                fact: left.clone(),
                values: vec![Value::String(text.clone()), Value::String(format!("{text}/"))],
            };
            (atom, policy.show(&both).to_string())
        }
        Atom::OneOf { fact, values } => {
            let slashed = values.iter().filter_map(|value| match value {
                Value::String(text) if !text.ends_with('/') => Some(Value::String(format!("{text}/"))),
                _ => None,
            });
            let both = Atom::OneOf {
                fact: fact.clone(),
                values: values.iter().cloned().chain(slashed).collect(),
            };
            (atom, policy.show(&both).to_string())
        }
        Atom::Matches { fact, regex } => {
            let slashed = Atom::Matches {
                fact: fact.clone(),
                regex: format!("(?:{regex})/?"),
            };
            (atom, policy.show(&slashed).to_string())
        }
        _ => return None,
    };
    Some((policy.show(written).to_string(), slashed))
}

/// Finds the first test that is escaped, among those whose truth makes the rule apply (or, `negated`, not apply).
fn look<'r>(rule: &'r Rule, cond: &'r Cond, negated: bool, found: &mut Option<&'r Atom>) {
    if found.is_some() {
        return;
    }
    match cond {
        Cond::True => {}
        Cond::Not(inner) => look(rule, inner, !negated, found),
        Cond::Atom(_) if !negated => test(rule, std::slice::from_ref(cond), found),
        Cond::Atom(_) => {}
        Cond::Any(parts) if !negated => {
            test(rule, parts, found);
            let inner = parts.iter().filter(|part| !matches!(part, Cond::Atom(_)));
            inner.for_each(|part| look(rule, part, negated, found));
        }
        Cond::All(parts) | Cond::Any(parts) => {
            parts.iter().for_each(|part| look(rule, part, negated, found));
        }
    }
}

/// Some path satisfies one of the tests and, with a slash behind it, none.
fn test<'r>(rule: &'r Rule, parts: &'r [Cond], found: &mut Option<&'r Atom>) {
    let atoms = parts.iter().filter_map(|part| match part {
        Cond::Atom(atom) => Some((atom, sets(rule, atom)?)),
        _ => None,
    });
    let atoms: Vec<(&Atom, Vec<Texts>)> = atoms.take(TESTS_MAX).collect();
    for (atom, own) in &atoms {
        let slashed = own.iter().filter_map(|set| set.clone().literal(b"/", false));
        let mut all: Vec<Texts> = slashed.collect();
        let count = all.len();
        all.extend(atoms.iter().flat_map(|(_, sets)| sets.iter().cloned()));
        let Some(twice) = Texts::empty().glob("**//") else {
            return;
        };
        all.push(twice);
        let escapes = some_text(&all, |inside| {
            let (own, others) = inside.split_at_checked(count).unwrap_or_default();
            own.contains(&true) && !others.contains(&true)
        });
        if escapes == Some(true) {
            *found = Some(atom);
            return;
        }
    }
}

/// The texts of a test of the whole path, or of its rest.
fn sets(rule: &Rule, atom: &Atom) -> Option<Vec<Texts>> {
    let of_path = |fact: &Fact| match fact {
        Fact::Path => true,
        Fact::Capture { name, .. } => rule
            .targets
            .iter()
            .any(|target| matches!(&target.pattern.tail, Tail::Rest(Some(rest)) if rest == name)),
        _ => false,
    };
    match atom {
        Atom::Like { fact, glob } if of_path(fact) => Some(vec![Texts::empty().glob(glob)?]),
        Atom::Matches { fact, regex } if of_path(fact) => Some(vec![Texts::empty().regex(regex)?]),
        Atom::Compare {
            left,
            op: Comparison::Equal,
            right: Operand::Value(Value::String(text)),
            ignore_case,
        } if of_path(left) => Some(vec![Texts::empty().literal(text.as_bytes(), *ignore_case)?]),
        Atom::OneOf { fact, values } if of_path(fact) && values.len() <= TESTS_MAX => values
            .iter()
            .map(|value| match value {
                Value::String(text) => Texts::empty().literal(text.as_bytes(), false),
                _ => None,
            })
            .collect(),
        _ => None,
    }
}
