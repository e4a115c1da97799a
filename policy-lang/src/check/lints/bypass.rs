//! Allows -> those that also grant what a narrower allow grants with more demands (`W0031`): `/Patient/{id}` takes
//! `/Patient/$export` too, and whoever meets it needs nothing of what the second asks.
//!
//! Knows allows and the denies that guard their paths; what a condition can hold is told by its written parts alone.

use crate::check::apart::may_take;
use crate::check::meet::parts;
use crate::check::reach::Tree;
use crate::model::{
    ANY_ALLOW_METHODS, Atom, CaptureKind, Comparison, Cond, Effect, Fact, Methods, Operand, Owner, Pattern,
    Policy, Requires, Rule, Segment, ServiceId, Tail, Target, Value,
};
use std::collections::BTreeMap;

/// Pairs of targets that are compared at most.
const COMPARED_MAX: usize = 1 << 20;

/// A wide allow, a narrow one whose demands it leaves out, and the way out.
pub(super) struct Bypass<'p> {
    pub(super) wide: &'p Rule,
    pub(super) narrow: &'p Rule,
    /// What the narrow one demands on top, for people.
    pub(super) demands: String,
    pub(super) help: String,
}

/// The targets of a service's allows, by number, and by path.
#[derive(Default)]
struct Grants<'p> {
    tree: Tree<'p>,
    all: Vec<(&'p Rule, &'p Target)>,
}

/// For each wide allow the first narrow one, in the order of rules.
pub(super) fn bypasses(policy: &Policy) -> Vec<Bypass<'_>> {
    let mut services: BTreeMap<ServiceId, Grants<'_>> = BTreeMap::new();
    for rule in policy.rules.iter().filter(|rule| rule.effect == Effect::Allow) {
        let Owner::Service(service) = rule.owner else {
            continue;
        };
        let grants = services.entry(service).or_default();
        for target in &rule.targets {
            grants.tree.add(target, grants.all.len());
            grants.all.push((rule, target));
        }
    }
    let mut found: BTreeMap<&str, Bypass<'_>> = BTreeMap::new();
    let mut compared = 0;
    for (service, grants) in &services {
        for (narrow, target) in &grants.all {
            let mut near = Vec::new();
            grants.tree.covering(target, &mut near);
            near.sort_unstable();
            for (wide, wide_target) in near.iter().filter_map(|at| grants.all.get(*at)) {
                compared += 1;
                if compared > COMPARED_MAX {
                    return found.into_values().collect();
                }
                if found.contains_key(wide.id.as_str()) || std::ptr::eq(*wide, *narrow) {
                    continue;
                }
                let demands = demands(policy, (wide, wide_target), (narrow, target));
                if let Some(demands) = demands
                    && !denied(policy, *service, narrow, target)
                {
                    let help = way_out(policy, wide_target, target);
                    found.insert(
                        &wide.id,
                        Bypass {
                            wide,
                            narrow,
                            demands,
                            help,
                        },
                    );
                }
            }
        }
    }
    found.into_values().collect()
}

/// What the narrow allow demands and the wide one does not, where that one grants all that it grants.
fn demands(
    policy: &Policy,
    (wide, wide_target): (&Rule, &Target),
    (narrow, target): (&Rule, &Target),
) -> Option<String> {
    let methods = |target: &Target, name: &str| match &target.methods {
        Methods::Any => ANY_ALLOW_METHODS.contains(&name),
        Methods::Only(names) => names.iter().any(|method| method == name),
    };
    let shared = match &target.methods {
        Methods::Any => ANY_ALLOW_METHODS.iter().any(|name| methods(wide_target, name)),
        Methods::Only(names) => names.iter().any(|name| methods(wide_target, name)),
    };
    if wide_target.kind != target.kind || !shared || !covers(&wide_target.pattern, &target.pattern) {
        return None;
    }
    let own = parts(&narrow.condition);
    let asked = |part: &Cond| match on_literals(part, &wide_target.pattern, &target.pattern) {
        Some(holds) => holds,
        None => implied(part, own),
    };
    if !parts(&wide.condition).iter().all(asked) {
        return None;
    }
    let lacking = lacking(&narrow.requires, &wide.requires);
    let literal = literal_taken(&wide_target.pattern, &target.pattern);
    // Below a rest, other scopes may well be meant as another way in.
    if !literal && !self::lacking(&wide.requires, &narrow.requires).is_empty() {
        return None;
    }
    let mut more = lacking;
    let conditions = own
        .iter()
        .filter(|part| **part != Cond::True && !parts(&wide.condition).contains(part));
    more.extend(conditions.map(|part| format!("`{}`", policy.show(part))));
    (!more.is_empty()).then(|| more.join(" and "))
}

/// What the first asks of a token and the second does not.
fn lacking(of: &Requires, other: &Requires) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for scope in of.scopes.iter().filter(|scope| !other.scopes.contains(scope)) {
        out.push(format!("the scope `{scope}`"));
    }
    if let Some(acr) = of.acr.as_ref().filter(|_| of.acr != other.acr) {
        out.push(format!("the acr `{acr}`"));
    }
    if let Some(age) = of.max_age_us
        && other.max_age_us.is_none_or(|other| other > age)
    {
        out.push(format!("an authentication of at most {}s ago", age / 1_000_000));
    }
    out
}

/// Whether a part holds wherever all of `own` do, by their text.
fn implied(part: &Cond, own: &[Cond]) -> bool {
    let all = |cond: &Cond| parts(cond).iter().all(|part| own.contains(part));
    match part {
        Cond::True => true,
        Cond::Any(alternatives) => own.contains(part) || alternatives.iter().any(all),
        other => all(other),
    }
}

/// Whether every path of `b` is one of `a`, and some of `a` is none of `b`.
fn covers(a: &Pattern, b: &Pattern) -> bool {
    let (x, y) = (a.segments.len(), b.segments.len());
    let fits = match (&a.tail, &b.tail) {
        (Tail::Rest(_), _) => x <= y,
        (x_tail, y_tail) => x == y && x_tail == y_tail,
    };
    let plain = |segment: &Segment| match segment {
        Segment::Any => true,
        Segment::Capture {
            prefix, suffix, kind, ..
        } => prefix.is_empty() && suffix.is_empty() && *kind == CaptureKind::Text,
        Segment::Literal(_) => false,
    };
    let taken = |(wide, narrow): (&Segment, &Segment)| match (wide, narrow) {
        (wide, Segment::Literal(text)) => match wide {
            Segment::Capture {
                kind: CaptureKind::Regex(_),
                ..
            } => false,
            wide => may_take(wide, text),
        },
        (wide, _) => plain(wide),
    };
    let below = matches!(a.tail, Tail::Rest(_)) && (x < y || !matches!(b.tail, Tail::Rest(_)));
    fits && a.segments.iter().zip(&b.segments).all(taken) && (below || literal_taken(a, b))
}

/// Whether somewhere a capture or `*` of the first takes a literal of the second.
fn literal_taken(a: &Pattern, b: &Pattern) -> bool {
    let mut pairs = a.segments.iter().zip(&b.segments);
    pairs.any(|(wide, narrow)| !matches!(wide, Segment::Literal(_)) && matches!(narrow, Segment::Literal(_)))
}

/// The literal that a capture of the wide pattern takes.
fn literal<'p>(name: &str, wide: &Pattern, narrow: &'p Pattern) -> Option<&'p str> {
    let mut pairs = wide.segments.iter().zip(&narrow.segments);
    pairs.find_map(|pair| match pair {
        (
            Segment::Capture {
                name: own,
                prefix,
                suffix,
                ..
            },
            Segment::Literal(text),
        ) if own == name => text.strip_prefix(prefix.as_str())?.strip_suffix(suffix.as_str()),
        _ => None,
    })
}

/// Whether a part of the wide condition holds for the literals of the narrow path; `None` where it asks something else.
fn on_literals(part: &Cond, wide: &Pattern, narrow: &Pattern) -> Option<bool> {
    let text = |fact: &Fact| match fact {
        Fact::Capture { name, .. } => literal(name, wide, narrow),
        _ => None,
    };
    let equal = |text: &str, value: &Value| match value {
        Value::String(value) => value == text,
        Value::Int(value) => value.to_string() == text,
        _ => false,
    };
    match part {
        Cond::Not(inner) => on_literals(inner, wide, narrow).map(|holds| !holds),
        Cond::Any(alternatives) => {
            let all: Option<Vec<bool>> = alternatives
                .iter()
                .map(|cond| on_literals(cond, wide, narrow))
                .collect();
            all.map(|all| all.contains(&true))
        }
        Cond::Atom(Atom::Compare {
            left,
            op: op @ (Comparison::Equal | Comparison::NotEqual),
            right: Operand::Value(value),
            ignore_case: false,
        }) => text(left).map(|text| equal(text, value) == (*op == Comparison::Equal)),
        Cond::Atom(Atom::OneOf { fact, values }) => {
            text(fact).map(|text| values.iter().any(|value| equal(text, value)))
        }
        _ => None,
    }
}

/// Whether a deny refuses whoever does not meet the narrow allow's own conditions, wherever that grants.
fn denied(policy: &Policy, service: ServiceId, narrow: &Rule, target: &Target) -> bool {
    let own = parts(&narrow.condition);
    policy.rules.iter().any(|rule| {
        let here = match rule.owner {
            Owner::Service(other) => other == service,
            Owner::Guard(_) => true,
        };
        rule.effect == Effect::Deny
            && !rule.report
            && here
            && matches!(&rule.condition, Cond::Not(inner) if implied(inner, own))
            && rule.targets.iter().any(|deny| {
                deny.methods == Methods::Any
                    && (deny.pattern == target.pattern || covers(&deny.pattern, &target.pattern))
            })
    })
}

/// An edit that leaves the narrow path to the narrow allow.
fn way_out(policy: &Policy, wide: &Target, narrow: &Target) -> String {
    let captures = wide.pattern.segments.iter().filter_map(|segment| match segment {
        Segment::Capture { name, kind, .. } => {
            let text = literal(name, &wide.pattern, &narrow.pattern)?;
            let value = match kind {
                CaptureKind::Int => Value::Int(text.parse().ok()?),
                CaptureKind::Uuid => Value::String(text.to_ascii_lowercase()),
                _ => Value::String(text.to_owned()),
            };
            Some(format!("path.{name} == {}", policy.show(&value)))
        }
        _ => None,
    });
    let captures: Vec<String> = captures.collect();
    let literals: Option<Vec<&str>> = narrow
        .pattern
        .segments
        .iter()
        .map(|segment| match segment {
            Segment::Literal(text) if !text.contains(['/', '\\', '%']) => Some(text.as_str()),
            _ => None,
        })
        .collect();
    let excluded = match (captures.is_empty(), literals, &narrow.pattern.tail) {
        (false, ..) => captures.join(" and "),
        (_, Some(literals), Tail::None) => {
            let path = format!("/{}", literals.join("/"));
            let below = matches!(wide.pattern.tail, Tail::Rest(_));
            let slashed = below.then(|| format!("{path}/"));
            let excluded = Atom::OneOf {
                fact: Fact::Path,
                values: [path].into_iter().chain(slashed).map(Value::String).collect(),
            };
            policy.show(&excluded).to_string()
        }
        _ => return "give both the same demands, or write the paths of this allow one by one".to_owned(),
    };
    format!("exclude them here: `unless {excluded}`")
}
