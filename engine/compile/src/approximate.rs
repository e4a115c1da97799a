//! policy model -> policy model that no longer asks for some facts, which are left open.
//!
//! A condition over open facts is bounded from both sides: in the over-approximation of what is allowed every test of an
//! open fact comes out as is best for the request, in the under-approximation as is worst. Kleene's logic is monotone, so
//! what the first still denies is denied whatever the open facts are, and what the second still allows is allowed
//! whatever they are. Deciding stays with the engine: both policies are compiled and asked like any other.

use portcullis_lang::model::{
    Accept, AcceptKind, Amount, Atom, Cond, Effect, Fact, Limit, Methods, Obligations, Owner, Pattern,
    Policy, Quota, Requires, Rule, Segment, Tail, Target, TargetKind,
};

/// From which side what a policy allows is approximated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Approximation {
    /// At least what it allows: open facts are as is best for the request.
    Over,
    /// At most what it allows: they are as is worst for it.
    Under,
}

/// What is left open.
pub struct Open<'o> {
    /// Whether a fact is.
    pub fact: &'o dyn Fn(&Fact) -> bool,
    /// Whether credentials are: anchors, what was presented, scopes and freshness.
    pub credentials: bool,
    /// Whether the query is, so that nobody knows what `accept query` says.
    pub query: bool,
}

/// An instant past every sunset: the worst `now` there is.
pub const WORST_NOW_US: i64 = 253_402_300_799_000_000;

/// Id of the rules that stand for what may bind and may not; no rule of a policy can have it.
pub const OPEN_RULE: &str = "~open";

impl Open<'_> {
    /// Whether an atom tests something open.
    pub fn atom(&self, atom: &Atom) -> bool {
        match atom {
            Atom::Anchor(_) | Atom::Presented(_) => self.credentials,
            _ => {
                let mut open = false;
                atom.for_each_fact(&mut |fact| open |= (self.fact)(fact));
                open
            }
        }
    }

    /// Whether a rule's head rests on something open.
    pub fn rule(&self, rule: &Rule) -> bool {
        let mut open = self.requires(&rule.requires);
        rule.condition.for_each_atom(&mut |atom| open |= self.atom(atom));
        open
    }

    fn requires(&self, requires: &Requires) -> bool {
        !requires.is_empty() && self.credentials || requires.max_age_us.is_some() && (self.fact)(&Fact::Now)
    }

    fn amount(&self, amount: &Amount) -> bool {
        matches!(amount, Amount::Fact { fact, .. } if (self.fact)(fact))
    }

    /// The open facts without which a quota cannot be charged: of its key, its limit, its cost.
    pub fn quota_facts<'q>(&self, quota: &'q Quota) -> Vec<&'q Fact> {
        let mut facts = Vec::new();
        for part in &quota.by {
            if part.facts.iter().all(|key| (self.fact)(&key.fact)) {
                facts.extend(part.facts.iter().map(|key| &key.fact));
            }
        }
        for amount in [&quota.limit, &quota.cost] {
            if let Amount::Fact { fact, .. } = amount
                && self.amount(amount)
            {
                facts.push(fact);
            }
        }
        facts
    }
}

/// The policy without its open facts. Reports, tests, proofs and penalties are left out: they decide nothing.
pub fn approximate(policy: &Policy, open: &Open<'_>, side: Approximation) -> Policy {
    let mut closed = policy.clone();
    closed.tests.clear();
    closed.proofs.clear();
    closed.rules.retain(|rule| !rule.report);
    for fact in &mut closed.context {
        if (open.fact)(&Fact::Context(fact.name.clone())) {
            fact.default = None;
        }
    }
    let mut added = Vec::new();
    for rule in &mut closed.rules {
        match side {
            Approximation::Over => ease(rule, open),
            Approximation::Under => harden(rule, open, &mut added),
        }
    }
    for service in &mut closed.services {
        service.penalties.clear();
        if side == Approximation::Over {
            service.default_limit = None;
        }
    }
    closed.guards.iter_mut().for_each(|guard| guard.penalties.clear());
    if side == Approximation::Under {
        added.extend(default_limits(policy));
    }
    for (i, mut rule) in added.into_iter().enumerate() {
        rule.id = format!("{OPEN_RULE}/{i}");
        closed.rules.push(rule);
    }
    closed
}

/// The policy with nothing left but its allows' targets: which of them a request reaches.
pub fn routes(policy: &Policy) -> Policy {
    let everything = Open {
        fact: &|_| true,
        credentials: true,
        query: true,
    };
    let mut routes = approximate(policy, &everything, Approximation::Over);
    routes.rules.retain(|rule| rule.effect == Effect::Allow);
    for service in &mut routes.services {
        service.require.clear();
        service.sunset_us = None;
    }
    routes.guards.iter_mut().for_each(|guard| guard.require.clear());
    routes
}

/// A rule as is best for the request.
fn ease(rule: &mut Rule, open: &Open<'_>) {
    let rests_on_open = open.rule(rule);
    let grants = rule.effect == Effect::Allow;
    rule.condition = replace_open(&rule.condition, false, grants, open);
    if open.credentials {
        rule.requires = Requires::default();
    } else if (open.fact)(&Fact::Now) {
        rule.requires.max_age_us = None;
    }
    rule.obligations.limits.clear();
    // An allow that may not grant may not bind either.
    let may_not_bind = grants && rests_on_open;
    rule.obligations
        .accept
        .retain(|accept| !is_query(accept) || !(open.query || may_not_bind));
}

/// A rule as is worst for the request, and what may bind beside it.
fn harden(rule: &mut Rule, open: &Open<'_>, added: &mut Vec<Rule>) {
    let grants = rule.effect == Effect::Allow;
    let rests_on_open = open.rule(rule);
    let binding = replace_open(&rule.condition, false, true, open);
    if open.query && rule.obligations.accept.iter().any(is_query) {
        added.push(beside(
            rule,
            Effect::Deny,
            binding.clone(),
            Obligations::default(),
        ));
        rule.obligations.accept.retain(|accept| !is_query(accept));
    }
    if grants && rests_on_open {
        let body = Obligations {
            limits: rule.obligations.limits.clone(),
            accept: rule.obligations.accept.clone(),
            require_response: rule.obligations.require_response.clone(),
            ..Obligations::default()
        };
        if !body.is_empty() {
            added.push(beside(rule, Effect::On, binding, body));
        }
    }
    rule.condition = replace_open(&rule.condition, false, !grants, open);
    if grants && open.requires(&rule.requires) {
        rule.condition = falsehood();
        rule.requires = Requires::default();
    }
}

/// A rule about the same requests (or more) with another effect.
fn beside(rule: &Rule, effect: Effect, condition: Cond, obligations: Obligations) -> Rule {
    let targets = rule.targets.iter().map(|target| match target.kind {
        TargetKind::NoPath => everything_below(&[], target),
        _ => target.clone(),
    });
    Rule {
        effect,
        condition,
        obligations,
        targets: targets.collect(),
        requires: Requires::default(),
        respond: None,
        because: None,
        ..rule.clone()
    }
}

fn everything_below(base: &[String], like: &Target) -> Target {
    Target {
        methods: Methods::Any,
        pattern: Pattern {
            segments: base.iter().cloned().map(Segment::Literal).collect(),
            tail: Tail::Rest(None),
        },
        kind: TargetKind::Http,
        span: like.span,
    }
}

/// Default limits as standing rules: which other quota displaces one may rest on open facts.
fn default_limits(policy: &Policy) -> Vec<Rule> {
    let mut rules = Vec::new();
    for (i, service) in policy.services.iter().enumerate() {
        let owns = |rule: &&Rule| matches!(rule.owner, Owner::Service(s) if s.index() == i);
        let (Some(limit), Some(like)) = (&service.default_limit, policy.rules.iter().find(owns)) else {
            continue;
        };
        let Some(target) = like.targets.first() else {
            continue;
        };
        let limits: Vec<Limit> = vec![limit.clone()];
        let mut rule = beside(
            like,
            Effect::On,
            Cond::True,
            Obligations {
                limits,
                ..Obligations::default()
            },
        );
        rule.targets = vec![everything_below(&service.base, target)];
        rule.report = false;
        rules.push(rule);
    }
    rules
}

fn is_query(accept: &Accept) -> bool {
    accept.kind == AcceptKind::Query
}

fn falsehood() -> Cond {
    Cond::Not(Box::new(Cond::True))
}

/// The condition with negations at its atoms and every test of an open fact replaced by `to`.
/// Depth is bounded by the checker.
fn replace_open(cond: &Cond, negated: bool, to: bool, open: &Open<'_>) -> Cond {
    let truth = |value: bool| if value { Cond::True } else { falsehood() };
    match cond {
        Cond::True => truth(!negated),
        Cond::Not(inner) => replace_open(inner, !negated, to, open),
        Cond::All(parts) | Cond::Any(parts) => {
            let all = matches!(cond, Cond::All(_)) != negated;
            let parts: Vec<Cond> = parts
                .iter()
                .map(|part| replace_open(part, negated, to, open))
                .collect();
            let decisive = truth(!all);
            if parts.contains(&decisive) {
                return decisive;
            }
            let parts = parts.into_iter().filter(|part| *part != truth(all));
            match all {
                true => Cond::all(parts),
                false => Cond::any(parts),
            }
        }
        Cond::Atom(atom) if open.atom(atom) => truth(to),
        Cond::Atom(_) if negated => cond.clone().negate(),
        Cond::Atom(_) => cond.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn atom(fact: Fact) -> Cond {
        Cond::Atom(Atom::IsTrue(fact))
    }

    #[test]
    fn open_tests_are_replaced_and_known_ones_stay() {
        let open = Open {
            fact: &|f| matches!(f, Fact::Context(_)),
            credentials: true,
            query: false,
        };
        let known = atom(Fact::Host);
        let unknown = atom(Fact::Context("x".into()));
        // not (known or unknown) = not known and not unknown
        let cond = Cond::any([known.clone(), unknown.clone()]).negate();
        assert_eq!(replace_open(&cond, false, true, &open), known.clone().negate());
        assert_eq!(replace_open(&cond, false, false, &open), falsehood());
        // Negated twice it is itself again.
        assert_eq!(replace_open(&cond.clone().negate(), false, false, &open), known);
        assert_eq!(
            replace_open(&Cond::all([known.clone(), unknown]), false, true, &open),
            known
        );
    }
}
