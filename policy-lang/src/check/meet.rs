//! Rules -> the pairs of them that one request may match and that clash, without looking at every two.
//!
//! Rules alike in everything that decides whether they clash with a third are one class; classes find those they may
//! meet by owner, method, path and the value that most rules ask of one fact. Knows targets and conditions; what a
//! clash is, its caller says.

use super::apart::{apart, targets_meet};
use super::reach::Index;
use crate::model::{
    Atom, Comparison, Cond, Fact, Methods, Operand, Pattern, Policy, Rule, TargetKind, Value,
};
use std::collections::{BTreeMap, HashMap};

/// Pairs that one comparison of all rules yields at most: far more than a load reports errors.
pub(super) const MAX_PAIRS: usize = 4096;
/// Pairs of classes that are compared, and pairs of rules whose conditions are, at most. What is past them is not
/// looked at: it would take longer than an author waits, and a clash of obligations at run time is the closed one.
const MAX_COMPARED: usize = 4 << 20;
const MAX_CONDITIONS: usize = 1 << 14;

/// A rule, and what of it makes it clash: rules with equal `trait_` clash with the same others.
pub(super) struct Item<'p, K> {
    pub(super) trait_: K,
    pub(super) rule: &'p Rule,
}

/// What pairs were found, by index, the later first, and how many were compared.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) pairs: Vec<(usize, usize)>,
    pub(super) compared: usize,
    /// Pairs of rules whose conditions were looked at.
    conditions: usize,
}

/// For each rule and each class that it clashes with, the pair with the first of that class that it meets; sorted.
pub(super) fn clashing<K: Ord + Clone>(
    policy: &Policy,
    items: &[Item<'_, K>],
    clash: impl Fn(&K, &K) -> bool,
) -> Found {
    let mut found = Found::default();
    let fact = telling_fact(items);
    let classes = classes(items, fact);
    let mut index = Index::default();
    for (at, members) in classes.iter().enumerate() {
        let Some(this) = members.first().and_then(|first| items.get(*first)) else {
            continue;
        };
        let values = fact.map_or_else(Vec::new, |fact| values_of(&this.rule.condition, fact));
        let mut near = Vec::new();
        for target in &this.rule.targets {
            index.near(this.rule.owner, target, &values, &mut near);
            index.add(this.rule.owner, target, &values, at);
        }
        near.sort_unstable();
        near.dedup();
        for other in near.into_iter().filter(|other| *other != at) {
            let others = classes.get(other).map_or(&[][..], Vec::as_slice);
            let Some(that) = others.first().and_then(|first| items.get(*first)) else {
                continue;
            };
            found.compared += 1;
            if clash(&this.trait_, &that.trait_)
                && targets_meet(this.rule, that.rule)
                && !exclusive(&this.rule.condition, &that.rule.condition)
            {
                pair_up(policy, items, (members, others), &mut found);
                pair_up(policy, items, (others, members), &mut found);
            }
        }
        if found.pairs.len() > MAX_PAIRS || found.compared > MAX_COMPARED {
            break;
        }
    }
    found.pairs.sort_unstable();
    found.pairs.truncate(MAX_PAIRS);
    found
}

/// Each of `members` with the first of `others` that stands before it and that it meets.
fn pair_up<K>(
    policy: &Policy,
    items: &[Item<'_, K>],
    (members, others): (&[usize], &[usize]),
    found: &mut Found,
) {
    for member in members {
        if found.pairs.len() > MAX_PAIRS {
            return;
        }
        let Some(rule) = items.get(*member).map(|item| item.rule) else {
            continue;
        };
        for other in others.iter().take_while(|other| *other < member) {
            let Some(that) = items.get(*other).map(|item| item.rule) else {
                continue;
            };
            found.conditions += 1;
            if found.conditions > MAX_CONDITIONS {
                return;
            }
            if !apart(policy, rule, that) {
                found.pairs.push((*member, *other));
                break;
            }
        }
    }
}

/// The fact whose value most rules ask for: it tells more of them apart than any other.
fn telling_fact<'p, K>(items: &[Item<'p, K>]) -> Option<&'p Fact> {
    let mut counts: BTreeMap<&Fact, usize> = BTreeMap::new();
    for item in items {
        for part in parts(&item.rule.condition) {
            if let Some((fact, _)) = asked(part) {
                *counts.entry(fact).or_default() += 1;
            }
        }
    }
    counts
        .into_iter()
        .max_by_key(|(_, count)| *count)
        .map(|(fact, _)| fact)
}

/// The values of one fact that a part of a condition asks for. Captures are facts of one rule alone.
fn asked(part: &Cond) -> Option<(&Fact, Vec<&Value>)> {
    let (fact, values) = match part {
        Cond::Atom(Atom::Compare {
            left,
            op: Comparison::Equal,
            right: Operand::Value(value),
            ignore_case: false,
        }) => (left, vec![value]),
        Cond::Atom(Atom::OneOf { fact, values }) => (fact, values.iter().collect()),
        _ => return None,
    };
    (!matches!(fact, Fact::Capture { .. })).then_some((fact, values))
}

/// What a condition asks a fact to be, by its first part that does.
fn values_of<'p>(cond: &'p Cond, fact: &Fact) -> Vec<&'p Value> {
    let mut asked = parts(cond).iter().filter_map(asked);
    asked
        .find(|(other, _)| *other == fact)
        .map_or_else(Vec::new, |(_, values)| values)
}

/// Indices of equal items, in the order of their first.
fn classes<K: Ord + Clone>(items: &[Item<'_, K>], fact: Option<&Fact>) -> Vec<Vec<usize>> {
    let exclusions = exclusions(items);
    let mut ids = BTreeMap::new();
    let mut classes: Vec<Vec<usize>> = Vec::new();
    for (at, (item, excluding)) in items.iter().zip(exclusions).enumerate() {
        let targets: Vec<(&Methods, &Pattern, TargetKind)> = item
            .rule
            .targets
            .iter()
            .map(|t| (&t.methods, &t.pattern, t.kind))
            .collect();
        let values = fact.map_or_else(Vec::new, |fact| values_of(&item.rule.condition, fact));
        let key = (item.trait_.clone(), item.rule.owner, targets, values, excluding);
        let id = *ids.entry(key).or_insert(classes.len());
        match classes.get_mut(id) {
            Some(class) => class.push(at),
            None => classes.push(vec![at]),
        }
    }
    classes
}

/// For each item the conjuncts of its condition that some other item negates: the others exclude nobody.
fn exclusions<K>(items: &[Item<'_, K>]) -> Vec<Vec<(u32, bool)>> {
    // A condition without its `not`, alone or as a whole -> id, and which of the two ways it occurs.
    let mut known: HashMap<(&Cond, bool), (u32, [bool; 2])> = HashMap::new();
    let mut all: Vec<Vec<((&Cond, bool), bool)>> = Vec::new();
    for item in items {
        let cond = &item.rule.condition;
        let whole = std::iter::once((cond, true));
        let mut own = Vec::new();
        for (part, whole) in parts(cond).iter().map(|part| (part, false)).chain(whole) {
            let (bare, negated) = match part {
                Cond::Not(inner) => (inner.as_ref(), true),
                other => (other, false),
            };
            let next = known.len() as u32;
            let entry = known.entry((bare, whole)).or_insert((next, [false; 2]));
            let [plain, not] = &mut entry.1;
            *(if negated { not } else { plain }) = true;
            own.push(((bare, whole), negated));
        }
        all.push(own);
    }
    let relevant = |(key, negated): &((&Cond, bool), bool)| match known.get(key) {
        Some((id, [true, true])) => Some((*id, *negated)),
        _ => None,
    };
    all.iter()
        .map(|own| {
            let mut own: Vec<(u32, bool)> = own.iter().filter_map(relevant).collect();
            own.sort_unstable();
            own.dedup();
            own
        })
        .collect()
}

/// Whether a conjunct of one is the negation of a conjunct of the other: then they are never both true.
pub(super) fn exclusive(a: &Cond, b: &Cond) -> bool {
    let negation = |a: &Cond, b: &Cond| match (a, b) {
        (Cond::Not(inner), other) | (other, Cond::Not(inner)) => **inner == *other,
        _ => false,
    };
    negation(a, b) || parts(a).iter().any(|p| parts(b).iter().any(|q| negation(p, q)))
}

/// The parts of an `and`, or the condition itself.
pub(super) fn parts(cond: &Cond) -> &[Cond] {
    match cond {
        Cond::All(parts) => parts,
        other => std::slice::from_ref(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::load_text;
    use crate::model::{HeaderAction, HeaderValue, Policy};

    fn policy(rules: &[String]) -> Policy {
        let methods: Vec<String> = (0..=rules.len()).map(|n| format!("X{n}")).collect();
        let text = format!(
            "gate 1;\nmethods {};\nissuer main {{ url \"https://id.example.com\"; audience \"a\"; verified by gateway; }}\n\
             service s {{\n{}\n}}\nguard g {{ on any /guarded/** {{ tag \"g\"; }} }}",
            methods.join(", "),
            rules.join("\n")
        );
        load_text(&text).policy.unwrap()
    }

    /// Header values of the rules, as the check compares them.
    fn items(policy: &Policy) -> Vec<Item<'_, &str>> {
        let rules = policy.rules.iter();
        rules
            .filter_map(|rule| match &rule.obligations.headers.first()?.action {
                HeaderAction::Set(HeaderValue::Literal(text)) => Some(Item {
                    trait_: text.as_str(),
                    rule,
                }),
                _ => None,
            })
            .collect()
    }

    #[track_caller]
    fn compared(count: usize, at_most: usize, rule: impl Fn(usize) -> String) {
        let rules: Vec<String> = (0..count).map(rule).collect();
        let policy = policy(&rules);
        let found = clashing(&policy, &items(&policy), |a, b| a != b);
        assert!(found.pairs.is_empty());
        assert!(found.compared <= at_most, "{} pairs of {count}", found.compared);
    }

    /// Counted, not timed: none of these compares every two rules.
    #[test]
    fn rules_that_can_not_clash_are_not_compared() {
        const MANY: usize = 2_000;
        let set = |value: &str| format!("{{ set header \"x-a\" \"{value}\"; }}");
        compared(MANY, 0, |n| format!("on GET /x{n} {}", set(&n.to_string())));
        compared(MANY, 0, |n| format!("on X{n} /x {}", set(&n.to_string())));
        compared(MANY, 0, |n| {
            format!("on any /x when token.sub == \"u{n}\" {}", set("v"))
        });
        compared(MANY, 1, |n| {
            let (not, value) = [("", "v"), ("not ", "w")][n % 2];
            format!(
                "on any /x when token.sub == \"u{n}\" and {not}request.sni == \"a\" {}",
                set(value)
            )
        });
    }

    /// Against every two rules, over overlapping paths, methods and conditions.
    #[test]
    fn the_pairs_are_those_of_all_comparisons() {
        let paths = [
            "/a",
            "/{x}",
            "/a/b",
            "/a/*",
            "/{x}/b",
            "/a/**",
            "/**",
            "/a/{x:int}",
            "/",
        ];
        let methods = ["GET", "HEAD", "any", "POST|PUT", "PUT"];
        let conds = [
            "",
            "when request.sni == \"a\"",
            "when not request.sni == \"a\"",
            "when request.sni == \"a\" and request.port == 1",
        ];
        let mut rules = Vec::new();
        for (i, path) in paths.iter().enumerate() {
            for (j, method) in methods.iter().enumerate() {
                let (cond, value) = (conds[(i * 3 + j) % 4], (i + j * 2) % 4);
                // Mostly other headers, so that the policy compiles: the test compares them as one.
                rules.push(format!(
                    "on {method} {path} {cond} {{ set header \"x-{i}-{j}\" \"{value}\"; }}"
                ));
            }
        }
        let policy = policy(&rules);
        let items = items(&policy);
        let mut want = Vec::new();
        for (i, a) in items.iter().enumerate() {
            for (j, b) in items.iter().enumerate().take(i) {
                let meet = targets_meet(a.rule, b.rule) && !apart(&policy, a.rule, b.rule);
                if a.trait_ != b.trait_ && meet {
                    want.push((i, j));
                }
            }
        }
        assert!(want.len() > 100);
        assert_eq!(clashing(&policy, &items, |a, b| a != b).pairs, want);
    }
}
