//! Two rules -> whether no request can meet both: by their methods, their paths, the values their conditions ask of one
//! fact, and what they ask of a path.
//!
//! "Apart" is certain; what cannot be told within bounds may meet. A condition counts where it is true: two that only
//! an absent fact makes unknown together are apart.

use super::meet::{exclusive, parts};
use super::texts::{Texts, shortest, some_text};
use crate::model::{
    Atom, CaptureKind, Comparison, Cond, Fact, Methods, Operand, Owner, Pattern, Policy, Rule, Segment, Tail,
    Target, TargetKind, Type, Value,
};
use std::net::IpAddr;

/// Tests of one fact that are looked at together at most.
const TESTS_MAX: usize = 64;

/// Whether one request can match both rules, as far as owners, methods and the kinds of segments tell.
pub(super) fn targets_meet(a: &Rule, b: &Rule) -> bool {
    owners_meet(a, b) && a.targets.iter().any(|x| b.targets.iter().any(|y| quick(x, y)))
}

/// Whether no request that matches both rules makes both their conditions true.
pub(super) fn apart(policy: &Policy, a: &Rule, b: &Rule) -> bool {
    if exclusive(&a.condition, &b.condition) || facts_apart(policy, &a.condition, &b.condition) {
        return true;
    }
    a.targets.iter().all(|x| {
        let paths_apart = |y| quick(x, y) && !paths_apart(x, &a.condition, y, &b.condition);
        !b.targets.iter().any(paths_apart)
    })
}

/// A request that both rules may match, for people: a method and a path. `None` where conditions on captures, or the
/// size of the patterns, leave it open.
pub(super) fn example(a: &Rule, b: &Rule) -> Option<String> {
    a.targets.iter().find_map(|x| {
        let mut meeting = b.targets.iter().filter(|y| quick(x, y) && !pathless(x, y));
        meeting.find_map(|y| {
            let (s, t) = (&x.pattern.segments, &y.pattern.segments);
            let asked = s.iter().any(|s| about(s, &a.condition).next().is_some())
                || t.iter().any(|t| about(t, &b.condition).next().is_some());
            if asked {
                return None;
            }
            let tests = path_tests(x, &a.condition, y, &b.condition)?;
            let path = String::from_utf8(shortest(&tests.sets, |inside| tests.hold(2, inside))??).ok()?;
            let method = match (&x.methods, &y.methods) {
                (Methods::Only(names), Methods::Any) | (Methods::Any, Methods::Only(names)) => {
                    names.first()?
                }
                (Methods::Only(x), Methods::Only(y)) => x.iter().find(|name| y.contains(name))?,
                (Methods::Any, Methods::Any) => "GET",
            };
            (!path.contains(|c: char| c.is_control() || c == ' ')).then(|| format!("{method} {path}"))
        })
    })
}

fn owners_meet(a: &Rule, b: &Rule) -> bool {
    match (a.owner, b.owner) {
        (Owner::Service(x), Owner::Service(y)) => x == y,
        _ => true,
    }
}

fn pathless(x: &Target, y: &Target) -> bool {
    x.kind == TargetKind::NoPath || y.kind == TargetKind::NoPath
}

/// Methods and paths, without conditions and automata.
fn quick(x: &Target, y: &Target) -> bool {
    let methods = match (&x.methods, &y.methods) {
        (Methods::Only(x), Methods::Only(y)) => {
            // In standing rules GET covers HEAD.
            let get = |names: &[String]| names.iter().any(|m| m == "GET");
            let head = |names: &[String]| names.iter().any(|m| m == "HEAD");
            x.iter().any(|m| y.contains(m)) || (head(x) && get(y)) || (get(x) && head(y))
        }
        _ => true,
    };
    methods && (pathless(x, y) || may_overlap(&x.pattern, &y.pattern))
}

/// Whether the patterns fit each other in length and in their literals.
fn may_overlap(a: &Pattern, b: &Pattern) -> bool {
    let (x, y) = (a.segments.len(), b.segments.len());
    let fits = match (&a.tail, &b.tail) {
        (Tail::Rest(_), Tail::Rest(_)) => true,
        (Tail::Rest(_), _) => x <= y,
        (_, Tail::Rest(_)) => y <= x,
        _ => x == y,
    };
    fits && !a.segments.iter().zip(&b.segments).any(|pair| match pair {
        (Segment::Literal(x), Segment::Literal(y)) => x != y,
        (Segment::Literal(text), capture @ Segment::Capture { .. })
        | (capture @ Segment::Capture { .. }, Segment::Literal(text)) => !may_take(capture, text),
        _ => false,
    })
}

/// Whether a segment of a pattern may take a text; a regex is not looked at.
pub(super) fn may_take(segment: &Segment, text: &str) -> bool {
    match segment {
        Segment::Literal(literal) => literal == text,
        Segment::Any => true,
        Segment::Capture {
            prefix, suffix, kind, ..
        } => text
            .strip_prefix(prefix.as_str())
            .and_then(|t| t.strip_suffix(suffix.as_str()))
            .is_some_and(|t| {
                !t.is_empty()
                    && match kind {
                        CaptureKind::Int => super::literals::int(t).is_ok(),
                        CaptureKind::Uuid => is_uuid(t),
                        CaptureKind::Text | CaptureKind::Regex(_) => true,
                    }
            }),
    }
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(i, b)| match i {
            8 | 13 | 18 | 23 => b == b'-',
            _ => b.is_ascii_hexdigit(),
        })
}

/// The only fact that a condition asks about.
fn only_fact(cond: &Cond) -> Option<&Fact> {
    let mut only = None;
    let mut several = false;
    cond.for_each_atom(&mut |atom| {
        several |= matches!(atom, Atom::Anchor(_) | Atom::Presented(_));
        atom.for_each_fact(&mut |fact| several |= *only.get_or_insert(fact) != fact);
    });
    only.filter(|_| !several)
}

/// Whether both conditions ask values of one fact that it cannot have together.
fn facts_apart(policy: &Policy, a: &Cond, b: &Cond) -> bool {
    let asked = |cond| {
        parts(cond)
            .iter()
            .filter_map(|part| Some((only_fact(part)?, part)))
    };
    let mut facts: Vec<&Fact> = asked(a).map(|(fact, _)| fact).collect();
    facts.sort();
    facts.dedup();
    facts.into_iter().any(|fact| {
        let of = |cond| asked(cond).filter(|(f, _)| *f == fact).map(|(_, part)| part);
        // A capture is another segment in the other rule; paths are compared with them.
        let local = matches!(fact, Fact::Capture { .. } | Fact::Response { .. });
        if local || of(b).next().is_none() {
            return false;
        }
        let conds: Vec<&Cond> = of(a).chain(of(b)).take(TESTS_MAX).collect();
        !may_hold(policy.type_of(fact), &conds)
    })
}

/// Whether some value of one fact, or its absence, makes all the conditions true.
fn may_hold(ty: Type, conds: &[&Cond]) -> bool {
    let none = |exists: bool| {
        move |atom: &Atom| match atom {
            Atom::Exists(_) => Some(exists),
            _ => None,
        }
    };
    // Not sent; sent, and not as one value of its type.
    if all_true(conds, &none(false)) || all_true(conds, &none(true)) {
        return true;
    }
    match ty {
        Type::String => text_may_hold(conds),
        Type::Bool => [true, false].into_iter().any(|value| {
            all_hold(conds, &|atom| match atom {
                Atom::Exists(_) => Some(true),
                Atom::IsTrue(_) => Some(value),
                Atom::Compare {
                    op,
                    right: Operand::Value(Value::Bool(other)),
                    ..
                } => compared(*op, value.cmp(other)),
                _ => None,
            })
        }),
        Type::Int | Type::Instant | Type::Duration => numbers_may_hold(conds),
        Type::Ip => addresses_may_hold(conds),
        Type::Set => true,
    }
}

/// Whether each is true; what is not known is not.
fn all_true(conds: &[&Cond], atom: &impl Fn(&Atom) -> Option<bool>) -> bool {
    conds.iter().all(|cond| value(cond, atom) == Some(true))
}

/// Whether none is false; what is not known may be true.
fn all_hold(conds: &[&Cond], atom: &impl Fn(&Atom) -> Option<bool>) -> bool {
    conds.iter().all(|cond| value(cond, atom) != Some(false))
}

/// Kleene's logic.
fn value(cond: &Cond, atom: &impl Fn(&Atom) -> Option<bool>) -> Option<bool> {
    let all = |parts: &[Cond], neutral: bool| {
        let mut all = Some(neutral);
        for part in parts {
            match value(part, atom) {
                Some(found) if found != neutral => return Some(found),
                Some(_) => {}
                None => all = None,
            }
        }
        all
    };
    match cond {
        Cond::True => Some(true),
        Cond::Not(inner) => value(inner, atom).map(|found| !found),
        Cond::All(parts) => all(parts, true),
        Cond::Any(parts) => all(parts, false),
        Cond::Atom(test) => atom(test),
    }
}

fn compared(op: Comparison, order: std::cmp::Ordering) -> Option<bool> {
    Some(match op {
        Comparison::Equal => order.is_eq(),
        Comparison::NotEqual => order.is_ne(),
        Comparison::Less => order.is_lt(),
        Comparison::LessOrEqual => order.is_le(),
        Comparison::Greater => order.is_gt(),
        Comparison::GreaterOrEqual => order.is_ge(),
    })
}

fn number(value: &Value) -> Option<i64> {
    match value {
        Value::Int(v) | Value::Instant(v) | Value::Duration(v) => Some(*v),
        _ => None,
    }
}

/// Between two numbers that are asked for, all numbers are alike: each, and its neighbours, are tried.
fn numbers_may_hold(conds: &[&Cond]) -> bool {
    let mut tried = vec![i64::MIN, i64::MAX];
    for cond in conds {
        cond.for_each_atom(&mut |atom| {
            let mut add = |value: &Value| {
                let near = |n: i64| [n.saturating_sub(1), n, n.saturating_add(1)];
                tried.extend(number(value).into_iter().flat_map(near));
            };
            match atom {
                Atom::Compare {
                    right: Operand::Value(value),
                    ..
                } => add(value),
                Atom::OneOf { values, .. } => values.iter().take(TESTS_MAX).for_each(add),
                _ => {}
            }
        });
    }
    tried.sort_unstable();
    tried.dedup();
    tried.into_iter().any(|n| {
        all_hold(conds, &|atom| match atom {
            Atom::Exists(_) => Some(true),
            Atom::Compare {
                op,
                right: Operand::Value(value),
                ..
            } => compared(*op, n.cmp(&number(value)?)),
            Atom::OneOf { values, .. } if values.len() <= TESTS_MAX => {
                Some(values.iter().any(|value| number(value) == Some(n)))
            }
            _ => None,
        })
    })
}

/// Addresses that are asked for, and one that is none of them.
fn addresses_may_hold(conds: &[&Cond]) -> bool {
    let mut tried: Vec<Option<IpAddr>> = vec![None];
    for cond in conds {
        cond.for_each_atom(&mut |atom| {
            if let Atom::Compare {
                right: Operand::Value(Value::Ip(address)),
                ..
            } = atom
            {
                tried.push(Some(*address));
            }
        });
    }
    tried.into_iter().any(|address| {
        all_hold(conds, &|atom| match atom {
            Atom::Exists(_) => Some(true),
            Atom::Compare {
                op,
                right: Operand::Value(Value::Ip(other)),
                ..
            } => match op {
                Comparison::Equal => Some(address == Some(*other)),
                Comparison::NotEqual => Some(address != Some(*other)),
                _ => None,
            },
            _ => None,
        })
    })
}

/// The tests of a text, each as a set of texts, with what stands before and after the text where it is captured.
#[derive(Default)]
struct Tests<'c> {
    sets: Vec<Texts>,
    /// Each test, with the index of its set.
    atoms: Vec<(&'c Atom, usize)>,
    conds: Vec<&'c Cond>,
}

impl<'c> Tests<'c> {
    /// Adds a condition, where all its tests can be told. `before` and `after` stand around the text.
    fn add(&mut self, cond: &'c Cond, fold: bool, (before, after): (&str, &str)) {
        let set = |atom| {
            let start = Texts::empty().literal(before.as_bytes(), false)?;
            of_test(start, atom, fold)?.literal(after.as_bytes(), false)
        };
        let mut found = Vec::new();
        let mut known = true;
        cond.for_each_atom(&mut |atom| {
            if !matches!(atom, Atom::Exists(_)) {
                match set(atom) {
                    Some(set) => found.push((atom, set)),
                    None => known = false,
                }
            }
        });
        if !known || self.sets.len() + found.len() > TESTS_MAX {
            return;
        }
        for (atom, set) in found {
            self.atoms.push((atom, self.sets.len()));
            self.sets.push(set);
        }
        self.conds.push(cond);
    }

    /// Whether a text that is inside of these sets is in the first `count` and makes the conditions true.
    fn hold(&self, count: usize, inside: &[bool]) -> bool {
        inside.iter().take(count).all(|inside| *inside)
            && all_true(&self.conds, &|atom| match atom {
                Atom::Exists(_) => Some(true),
                _ => {
                    let (_, at) = self.atoms.iter().find(|(other, _)| std::ptr::eq(*other, atom))?;
                    let excluded = matches!(
                        atom,
                        Atom::Compare {
                            op: Comparison::NotEqual,
                            ..
                        }
                    );
                    Some(*inside.get(*at)? != excluded)
                }
            })
    }

    fn may_hold(&self, count: usize) -> bool {
        some_text(&self.sets, |inside| self.hold(count, inside)) != Some(false)
    }
}

/// The texts that a test is about, behind others: for `!=` those that it excludes. `None` for tests of other kinds.
fn of_test(before: Texts, atom: &Atom, fold: bool) -> Option<Texts> {
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Int(value) => Some(value.to_string()),
        _ => None,
    };
    match atom {
        Atom::Compare {
            op: Comparison::Equal | Comparison::NotEqual,
            right: Operand::Value(value),
            ignore_case,
            ..
        } => before.literal(text(value)?.as_bytes(), *ignore_case || fold),
        Atom::OneOf { values, .. } => {
            let texts: Option<Vec<String>> = values.iter().map(text).collect();
            before.one_of(&texts?, fold)
        }
        Atom::Like { glob, .. } if !fold => before.glob(glob),
        Atom::Matches { regex, .. } if !fold => before.regex(regex),
        _ => None,
    }
}

fn text_may_hold(conds: &[&Cond]) -> bool {
    let mut tests = Tests::default();
    conds.iter().for_each(|cond| tests.add(cond, false, ("", "")));
    tests.conds.len() < 2 || tests.may_hold(0)
}

/// Whether no path fits both targets and what the conditions ask of it.
fn paths_apart(x: &Target, a: &Cond, y: &Target, b: &Cond) -> bool {
    if pathless(x, y) {
        return false;
    }
    let pairs = x.pattern.segments.iter().zip(&y.pattern.segments);
    if pairs.into_iter().any(|(s, t)| segments_apart(s, a, t, b)) {
        return true;
    }
    let of_path = |cond| {
        parts(cond)
            .iter()
            .any(|part| only_fact(part) == Some(&Fact::Path))
    };
    (of_path(a) || of_path(b)) && path_tests(x, a, y, b).is_some_and(|tests| !tests.may_hold(2))
}

/// Both patterns, and what the conditions ask of `request.path` alone.
fn path_tests<'c>(x: &Target, a: &'c Cond, y: &Target, b: &'c Cond) -> Option<Tests<'c>> {
    let mut tests = Tests {
        sets: vec![path_texts(&x.pattern)?, path_texts(&y.pattern)?],
        ..Tests::default()
    };
    for part in parts(a).iter().chain(parts(b)) {
        if only_fact(part) == Some(&Fact::Path) {
            tests.add(part, false, ("", ""));
        }
    }
    Some(tests)
}

/// Whether no text is both segments and what the conditions ask of their captures.
fn segments_apart(s: &Segment, a: &Cond, t: &Segment, b: &Cond) -> bool {
    let plain = |segment: &Segment, cond: &Cond| match segment {
        Segment::Any => true,
        Segment::Literal(_) => false,
        Segment::Capture {
            prefix, suffix, kind, ..
        } => {
            prefix.is_empty()
                && suffix.is_empty()
                && *kind == CaptureKind::Text
                && about(segment, cond).next().is_none()
        }
    };
    if plain(s, a) || plain(t, b) {
        // The other segment alone: its own tests are no matter of two rules.
        return false;
    }
    if let (Segment::Literal(x), Segment::Literal(y)) = (s, t) {
        return x != y;
    }
    let int = |segment: &Segment| {
        matches!(segment, Segment::Capture { prefix, suffix, kind: CaptureKind::Int, .. }
            if prefix.is_empty() && suffix.is_empty())
    };
    if int(s) && int(t) {
        let conds: Vec<&Cond> = about(s, a).chain(about(t, b)).take(TESTS_MAX).collect();
        return !numbers_may_hold(&conds);
    }
    let (Some(x), Some(y)) = (
        segment_texts(Texts::empty(), s, false),
        segment_texts(Texts::empty(), t, false),
    ) else {
        return false;
    };
    let mut tests = Tests {
        sets: vec![x, y],
        ..Tests::default()
    };
    for (segment, cond) in [(s, a), (t, b)] {
        let Segment::Capture {
            prefix, suffix, kind, ..
        } = segment
        else {
            continue;
        };
        for part in about(segment, cond) {
            tests.add(part, *kind == CaptureKind::Uuid, (prefix, suffix));
        }
    }
    !tests.may_hold(2)
}

/// What a condition asks of the capture of a segment, and of nothing else.
fn about<'c>(segment: &Segment, cond: &'c Cond) -> impl Iterator<Item = &'c Cond> {
    let own = match segment {
        Segment::Capture { name, .. } => Some(name.clone()),
        _ => None,
    };
    parts(cond).iter().filter(move |part| {
        matches!((only_fact(part), &own), (Some(Fact::Capture { name, .. }), Some(own)) if name == own)
    })
}

/// The texts of a segment behind others: decoded, or as `request.path` writes them.
fn segment_texts(before: Texts, segment: &Segment, in_path: bool) -> Option<Texts> {
    let literal = |set: Texts, text: &str| {
        let mut bytes = Vec::new();
        for byte in text.bytes() {
            match byte {
                b'/' | b'\\' | b'%' if in_path => bytes.extend_from_slice(format!("%{byte:02X}").as_bytes()),
                other => bytes.push(other),
            }
        }
        set.literal(&bytes, false)
    };
    let any = |set: Texts| {
        if in_path {
            set.without(b'/', true)
        } else {
            set.anything(true)
        }
    };
    match segment {
        Segment::Literal(text) => literal(before, text),
        Segment::Any => any(before),
        Segment::Capture {
            prefix, suffix, kind, ..
        } => {
            let before = literal(before, prefix)?;
            let with = match kind {
                CaptureKind::Text => any(before),
                CaptureKind::Int => before.regex("0|-?[1-9][0-9]{0,18}"),
                CaptureKind::Uuid => before
                    .regex("[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"),
                CaptureKind::Regex(regex) => {
                    let own = Texts::empty().regex(regex)?;
                    if in_path && [b'/', b'\\', b'%'].into_iter().any(|byte| own.mentions(byte)) {
                        any(before)
                    } else {
                        before.regex(regex)
                    }
                }
            };
            literal(with?, suffix)
        }
    }
}

/// The texts of `request.path` that a pattern takes, with and without a slash at the end.
fn path_texts(pattern: &Pattern) -> Option<Texts> {
    let mut texts = Texts::empty();
    for segment in &pattern.segments {
        texts = segment_texts(texts.literal(b"/", false)?, segment, true)?;
    }
    match pattern.tail {
        Tail::None => texts.maybe(|texts| texts.literal(b"/", false)),
        Tail::Slash => texts.literal(b"/", false),
        Tail::Rest(_) => texts.maybe(|texts| texts.literal(b"/", false)?.anything(false)),
    }
}
