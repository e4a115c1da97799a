//! Rules -> instances (a rule with one of its targets) whose conditions test slots. Facts are resolved, composite
//! operators are taken apart (`has any` is an `or` of element tests); the logic stays three-valued here and is split
//! into true-tests and false-tests where graphs are built. Equal tests of one fact are one leaf with a number.

use portcullis_base::quote::GateString;
use portcullis_base::{CredentialKind, address};
use std::collections::HashMap;

use portcullis_lang::model::{Atom, Comparison, Cond, Effect, Fact, Operand, Pattern, Policy, RuleId, Value};

use super::number::number;
use super::pattern;
use super::slots::Slots;
use portcullis::image::ids::Slot;
use portcullis::image::layout::op;

/// A condition over slots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Test {
    /// Always true.
    True,
    Not(Box<Test>),
    All(Vec<Test>),
    Any(Vec<Test>),
    /// Index into [`Lowered::leaves`].
    Leaf(u32),
}

/// One test of one variable.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Leaf {
    /// The text is one of these.
    TextIn(Slot, Vec<String>),
    /// The number compares.
    Number(Slot, u32, i64),
    /// The number is one of these.
    NumberIn(Slot, Vec<i64>),
    /// The text matches the regex.
    Matches(Slot, String),
    /// Some element of the set matches the regex.
    SomeMatches(Slot, String),
    /// The address lies in one of these inclusive ranges.
    Address(Slot, Vec<(u128, u128)>),
    /// The set holds the element.
    Element(Slot, String),
    /// The fact is known.
    Known(Slot),
    /// The bool is true.
    Bool(Slot),
    /// A value was sent.
    Exists(Slot),
    /// The credential of this kind is that of the declaration at an index.
    Anchor(CredentialKind, u32),
    /// A credential of this kind was presented.
    Presented(CredentialKind),
    /// A valid credential of this kind is there.
    Valid(CredentialKind),
    /// Two facts compare by an operator ([`op`]); whether text ignores case.
    Compare(Slot, Slot, u32, bool),
    /// The set (first) holds the text of the other fact.
    Contains(Slot, Slot),
    /// The value is in the list at an index.
    List(Slot, u32),
    /// The instant lies in the hours at an index.
    Hours(Slot, u32),
    /// The value's sample under a name lies below a threshold.
    Sample(Slot, String, u128),
    /// auth_time, now, µs: the first is at most so old.
    Age(Slot, Slot, i64),
}

/// Facts of one part that an explanation tells of.
const FACTS_MAX: usize = 8;

/// One part of an allow that can be lacking.
#[derive(Clone, Debug)]
pub(super) enum Part {
    Scope(String, Test),
    /// A glob over scopes, as it is told to people.
    ScopeLike(String, Test),
    Acr(Test),
    Age(Test),
    /// With the facts that can make it unknown, as they are told to people.
    Condition(String, Test, Vec<(String, Slot)>),
}

/// A rule as seen through one of its targets.
#[derive(Clone, Debug)]
pub(super) struct Instance {
    pub(super) condition: Test,
    /// Requirements and top-level conjuncts, of allows.
    pub(super) parts: Vec<Part>,
}

/// All rules over numbered leaves.
#[derive(Debug, Default)]
pub(super) struct Lowered {
    /// By rule, then by target.
    pub(super) instances: Vec<Vec<Instance>>,
    pub(super) leaves: Vec<Leaf>,
    index: HashMap<Leaf, u32>,
    /// By rule: its conditions on responses.
    pub(super) responses: Vec<Vec<Test>>,
    /// By credential kind: "one of it is valid". Denies without an answer of their own ask for it.
    pub(super) valid: [u32; CredentialKind::ALL.len()],
}

impl Lowered {
    fn leaf(&mut self, leaf: Leaf) -> u32 {
        number(&mut self.leaves, &mut self.index, leaf)
    }
}

/// Lowers all rules.
pub(super) fn lower(policy: &Policy, slots: &mut Slots) -> Lowered {
    let mut lowered = Lowered::default();
    for (i, rule) in policy.rules.iter().enumerate() {
        let id = RuleId(i as u32);
        let instances = rule
            .targets
            .iter()
            .map(|target| instance(policy, id, &target.pattern, slots, &mut lowered))
            .collect();
        lowered.instances.push(instances);
        let responses = responses(policy, id, slots, &mut lowered);
        lowered.responses.push(responses);
    }
    if policy
        .rules
        .iter()
        .any(|r| r.effect == Effect::Deny && !r.credentials().is_empty())
    {
        for kind in CredentialKind::ALL {
            if kind
                .beside_index()
                .is_none_or(|index| index < policy.beside.len())
            {
                lowered.valid[kind as usize] = lowered.leaf(Leaf::Valid(kind));
            }
        }
    }
    lowered
}

/// Conditions on responses; what they capture stands at one place in all targets of the rule.
fn responses(policy: &Policy, id: RuleId, slots: &mut Slots, lowered: &mut Lowered) -> Vec<Test> {
    let rule = policy.rule(id);
    let Some(target) = rule.targets.first() else {
        return Vec::new();
    };
    let mut lowering = Lowering {
        policy,
        pattern: &target.pattern,
        slots,
        lowered,
    };
    let required = rule.obligations.require_response.iter();
    required
        .map(|required| lowering.cond(&required.condition))
        .collect()
}

fn instance(
    policy: &Policy,
    id: RuleId,
    pattern: &Pattern,
    slots: &mut Slots,
    lowered: &mut Lowered,
) -> Instance {
    let rule = policy.rule(id);
    let mut lowering = Lowering {
        policy,
        pattern,
        slots,
        lowered,
    };
    let condition = lowering.cond(&rule.condition);
    let mut parts = Vec::new();
    if rule.effect == Effect::Allow {
        let globs = &rule.requires.scope_globs;
        let scopes = lowering.slot(
            &Fact::Scopes,
            !(rule.requires.scopes.is_empty() && globs.is_empty()),
        );
        for glob in globs {
            let test = lowering.leaf(Leaf::SomeMatches(scopes, pattern::glob(glob)));
            parts.push(Part::ScopeLike(
                format!("with scope like {}", GateString(glob)),
                test,
            ));
        }
        for scope in &rule.requires.scopes {
            let test = lowering.leaf(Leaf::Element(scopes, scope.clone()));
            parts.push(Part::Scope(scope.clone(), test));
        }
        if let Some(acr) = &rule.requires.acr {
            let slot = lowering.slot(&Fact::Claim("acr".into()), true);
            let test = lowering.leaf(Leaf::TextIn(slot, vec![acr.clone()]));
            parts.push(Part::Acr(lowering.as_sent("acr", slot, test)));
        }
        if let Some(us) = rule.requires.max_age_us {
            let auth_time = lowering.slot(&Fact::Claim("auth_time".into()), true);
            let now = lowering.slot(&Fact::Now, true);
            let test = lowering.leaf(Leaf::Age(auth_time, now, us));
            parts.push(Part::Age(lowering.as_sent("auth_time", auth_time, test)));
        }
        let mut conjunct = |cond: &Cond, test: &Test| {
            let text = policy.show(cond).to_string();
            parts.push(Part::Condition(text, test.clone(), lowering.facts(cond)));
        };
        match (&rule.condition, &condition) {
            (Cond::True, _) => {}
            (Cond::All(conds), Test::All(tests)) => {
                conds
                    .iter()
                    .zip(tests)
                    .for_each(|(cond, test)| conjunct(cond, test));
            }
            (cond, test) => conjunct(cond, test),
        }
    }
    Instance { condition, parts }
}

struct Lowering<'l> {
    policy: &'l Policy,
    pattern: &'l Pattern,
    slots: &'l mut Slots,
    lowered: &'l mut Lowered,
}

impl Lowering<'_> {
    fn leaf(&mut self, leaf: Leaf) -> Test {
        Test::Leaf(self.lowered.leaf(leaf))
    }

    /// A test of a claim that never sees a default.
    fn as_sent(&mut self, claim: &str, slot: Slot, test: Test) -> Test {
        let claims = self.policy.issuers.iter().flat_map(|issuer| &issuer.claims);
        if claims
            .filter(|own| own.name == claim)
            .all(|own| own.default.is_none())
        {
            return test;
        }
        Test::All(vec![self.leaf(Leaf::Exists(slot)), test])
    }

    fn slot(&mut self, fact: &Fact, wanted: bool) -> Slot {
        if wanted {
            self.slots.slot(self.policy, fact, Some(self.pattern))
        } else {
            Slot(0)
        }
    }

    /// The facts that a condition compares, each with its text; at most [`FACTS_MAX`].
    fn facts(&mut self, cond: &Cond) -> Vec<(String, Slot)> {
        let mut facts: Vec<&Fact> = Vec::new();
        cond.for_each_atom(&mut |atom| {
            if !matches!(atom, Atom::Exists(_)) {
                atom.for_each_fact(&mut |fact| {
                    if facts.len() < FACTS_MAX && !facts.contains(&fact) {
                        facts.push(fact);
                    }
                });
            }
        });
        let slot = |fact| (self.policy.show(fact).to_string(), self.slot(fact, true));
        facts.into_iter().map(slot).collect()
    }

    fn cond(&mut self, cond: &Cond) -> Test {
        match cond {
            Cond::True => Test::True,
            Cond::Not(inner) => Test::Not(Box::new(self.cond(inner))),
            Cond::All(parts) => Test::All(parts.iter().map(|p| self.cond(p)).collect()),
            Cond::Any(parts) => Test::Any(parts.iter().map(|p| self.cond(p)).collect()),
            Cond::Atom(atom) => self.atom(atom),
        }
    }

    fn atom(&mut self, atom: &Atom) -> Test {
        let leaf = match atom {
            Atom::Anchor(anchor) => Leaf::Anchor(anchor.kind(), anchor_index(*anchor)),
            Atom::Presented(kind) => Leaf::Presented(*kind),
            Atom::Exists(fact) => Leaf::Exists(self.slot(fact, true)),
            Atom::IsTrue(fact) => Leaf::Bool(self.slot(fact, true)),
            Atom::Compare {
                left,
                op,
                right,
                ignore_case,
            } => return self.compare(left, *op, right, *ignore_case),
            Atom::OneOf { fact, values } => {
                let slot = self.slot(fact, true);
                one_of(slot, values)
            }
            Atom::InList { fact, list } => Leaf::List(self.slot(fact, true), list.0),
            Atom::InNetwork { fact, network } => {
                let nets = self
                    .policy
                    .networks
                    .get(network.index())
                    .map(|n| n.nets.as_slice())
                    .unwrap_or_default();
                Leaf::Address(self.slot(fact, true), super::vars::ranges(nets))
            }
            Atom::InHours { hours } => Leaf::Hours(self.slot(&Fact::Now, true), hours.0),
            Atom::Contains {
                set,
                element: Operand::Value(value),
            } => Leaf::Element(self.slot(set, true), text_of(value)),
            Atom::Contains {
                set,
                element: Operand::Fact(element),
            } => Leaf::Contains(self.slot(set, true), self.slot(element, true)),
            Atom::HasAny { set, values } => return self.elements(set, values, true),
            Atom::HasAll { set, values } => return self.elements(set, values, false),
            Atom::Like { fact, glob } => Leaf::Matches(self.slot(fact, true), pattern::glob(glob)),
            Atom::Matches { fact, regex } => Leaf::Matches(self.slot(fact, true), regex.clone()),
            Atom::Sample { fact, name, below } => Leaf::Sample(self.slot(fact, true), name.clone(), *below),
        };
        self.leaf(leaf)
    }

    /// `[]` is decided by whether the set is known: false for `has any`, true for `has all`.
    fn elements(&mut self, set: &Fact, values: &[String], any: bool) -> Test {
        let slot = self.slot(set, true);
        match (values.is_empty(), any) {
            (true, true) => Test::Not(Box::new(self.leaf(Leaf::Known(slot)))),
            (true, false) => self.leaf(Leaf::Known(slot)),
            (false, any) => {
                let parts = values
                    .iter()
                    .map(|v| self.leaf(Leaf::Element(slot, v.clone())))
                    .collect();
                if any { Test::Any(parts) } else { Test::All(parts) }
            }
        }
    }

    fn compare(&mut self, left: &Fact, op: Comparison, right: &Operand, ignore_case: bool) -> Test {
        let slot = self.slot(left, true);
        let operator = match op {
            Comparison::Equal => op::EQ,
            Comparison::NotEqual => op::NE,
            Comparison::Less => op::LT,
            Comparison::LessOrEqual => op::LE,
            Comparison::Greater => op::GT,
            Comparison::GreaterOrEqual => op::GE,
        };
        let value = match right {
            Operand::Fact(right) => {
                let right = self.slot(right, true);
                return self.leaf(Leaf::Compare(slot, right, operator, ignore_case));
            }
            Operand::Value(value) => value,
        };
        let equal = match value {
            Value::Bool(true) => self.leaf(Leaf::Bool(slot)),
            Value::Bool(false) => Test::Not(Box::new(self.leaf(Leaf::Bool(slot)))),
            Value::Int(n) | Value::Instant(n) | Value::Duration(n) => {
                let operator = if operator == op::NE { op::EQ } else { operator };
                self.leaf(Leaf::Number(slot, operator, *n))
            }
            Value::String(text) if ignore_case => {
                self.leaf(Leaf::Matches(slot, pattern::ignoring_case(text)))
            }
            Value::String(text) => self.leaf(Leaf::TextIn(slot, vec![text.clone()])),
            Value::Ip(ip) => self.leaf(Leaf::Address(
                slot,
                vec![(address::number(*ip), address::number(*ip))],
            )),
            Value::Set(_) => self.leaf(Leaf::Known(slot)),
        };
        if operator == op::NE {
            Test::Not(Box::new(equal))
        } else {
            equal
        }
    }
}

fn one_of(slot: Slot, values: &[Value]) -> Leaf {
    let numbers: Vec<i64> = values
        .iter()
        .filter_map(|v| match v {
            Value::Int(n) | Value::Instant(n) | Value::Duration(n) => Some(*n),
            _ => None,
        })
        .collect();
    let addresses: Vec<(u128, u128)> = values
        .iter()
        .filter_map(|v| match v {
            Value::Ip(ip) => Some((address::number(*ip), address::number(*ip))),
            _ => None,
        })
        .collect();
    if !numbers.is_empty() {
        Leaf::NumberIn(slot, numbers)
    } else if !addresses.is_empty() {
        Leaf::Address(slot, addresses)
    } else {
        Leaf::TextIn(slot, values.iter().map(text_of).collect())
    }
}

fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        _ => String::new(),
    }
}

fn anchor_index(anchor: portcullis_lang::model::Anchor) -> u32 {
    use portcullis_lang::model::Anchor;
    match anchor {
        Anchor::Token(id) => id.0,
        Anchor::Key(id) => id.0,
        Anchor::Peer(id) => id.0,
        Anchor::Signed(id) => id.0,
        Anchor::Beside(id) => id.0,
    }
}
