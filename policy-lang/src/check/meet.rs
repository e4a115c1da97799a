//! Rules -> the pairs of them that one request may match and that clash, without looking at every two.
//!
//! Rules alike in everything that decides whether they clash with a third are one class; classes find those they may
//! meet by owner, method and path. Knows targets and conditions; what a clash is, its caller says.

use super::paths::may_overlap;
use crate::model::{Cond, Methods, Owner, Pattern, Rule, Segment, ServiceId, Tail, Target, TargetKind};
use std::collections::{BTreeMap, HashMap};

/// Pairs that one comparison of all rules yields at most: far more than a load reports errors.
pub(super) const MAX_PAIRS: usize = 4096;

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
}

/// For each rule and each class that it clashes with, the pair with the first of that class; sorted.
pub(super) fn clashing<K: Ord + Clone>(items: &[Item<'_, K>], clash: impl Fn(&K, &K) -> bool) -> Found {
    let mut found = Found::default();
    let classes = classes(items);
    let mut index = Index::default();
    for (at, members) in classes.iter().enumerate() {
        let Some(this) = members.first().and_then(|first| items.get(*first)) else {
            continue;
        };
        let mut near = Vec::new();
        for target in &this.rule.targets {
            index.near(this.rule.owner, target, &mut near);
            index.add(this.rule.owner, target, at);
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
                && can_meet(this.rule, that.rule)
                && !exclusive(&this.rule.condition, &that.rule.condition)
            {
                pair_up(members, others, &mut found.pairs);
                pair_up(others, members, &mut found.pairs);
            }
        }
        if found.pairs.len() > MAX_PAIRS {
            break;
        }
    }
    found.pairs.sort_unstable();
    found.pairs.truncate(MAX_PAIRS);
    found
}

/// Each of `members` with the first of `others`, where that stands before it.
fn pair_up(members: &[usize], others: &[usize], pairs: &mut Vec<(usize, usize)>) {
    if let Some(first) = others.first() {
        let later = members.iter().filter(|member| *member > first);
        pairs.extend(later.take(MAX_PAIRS).map(|member| (*member, *first)));
    }
}

/// Indices of equal items, in the order of their first.
fn classes<K: Ord + Clone>(items: &[Item<'_, K>]) -> Vec<Vec<usize>> {
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
        let key = (item.trait_.clone(), item.rule.owner, targets, excluding);
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

/// Whether one request can match both rules, as far as owners, methods and paths tell.
fn can_meet(a: &Rule, b: &Rule) -> bool {
    let owners = match (a.owner, b.owner) {
        (Owner::Service(x), Owner::Service(y)) => x == y,
        _ => true,
    };
    owners
        && a.targets.iter().any(|x| {
            b.targets.iter().any(|y| {
                let methods = match (&x.methods, &y.methods) {
                    (Methods::Only(x), Methods::Only(y)) => {
                        // In standing rules GET covers HEAD.
                        x.iter()
                            .any(|m| y.contains(m) || (m == "HEAD" && y.iter().any(|n| n == "GET")))
                            || (x.iter().any(|m| m == "GET") && y.iter().any(|m| m == "HEAD"))
                    }
                    _ => true,
                };
                let pathless = |k: TargetKind| k == TargetKind::NoPath;
                methods && (pathless(x.kind) || pathless(y.kind) || may_overlap(&x.pattern, &y.pattern))
            })
        })
}

/// Whether a conjunct of one is the negation of a conjunct of the other: then they are never both true.
pub(super) fn exclusive(a: &Cond, b: &Cond) -> bool {
    let negation = |a: &Cond, b: &Cond| match (a, b) {
        (Cond::Not(inner), other) | (other, Cond::Not(inner)) => **inner == *other,
        _ => false,
    };
    negation(a, b) || parts(a).iter().any(|p| parts(b).iter().any(|q| negation(p, q)))
}

fn parts(cond: &Cond) -> &[Cond] {
    match cond {
        Cond::All(parts) => parts,
        other => std::slice::from_ref(other),
    }
}

/// Whose targets a tree holds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Service(ServiceId),
    Guards,
    /// Both: what guards may meet.
    Everyone,
}

/// Targets by owner and method (`None` is `any`), then by path.
#[derive(Default)]
struct Index<'p> {
    trees: BTreeMap<(Place, Option<&'p str>), Tree<'p>>,
}

impl<'p> Index<'p> {
    fn add(&mut self, owner: Owner, target: &'p Target, class: usize) {
        let own = match owner {
            Owner::Service(id) => Place::Service(id),
            Owner::Guard(_) => Place::Guards,
        };
        for place in [own, Place::Everyone] {
            match &target.methods {
                Methods::Any => self.trees.entry((place, None)).or_default().add(target, class),
                Methods::Only(names) => names.iter().for_each(|name| {
                    let tree = self.trees.entry((place, Some(name))).or_default();
                    tree.add(target, class);
                }),
            }
        }
    }

    /// Classes with a target that may meet this one, among others.
    fn near(&self, owner: Owner, target: &Target, out: &mut Vec<usize>) {
        let places = match owner {
            Owner::Service(id) => vec![Place::Service(id), Place::Guards],
            Owner::Guard(_) => vec![Place::Everyone],
        };
        for place in places {
            let mut look = |method: Option<&str>| {
                if let Some(tree) = self.trees.get(&(place, method)) {
                    tree.near(target, out);
                }
            };
            match &target.methods {
                Methods::Only(names) => {
                    look(None);
                    for name in names {
                        look(Some(name));
                        match name.as_str() {
                            "GET" => look(Some("HEAD")),
                            "HEAD" => look(Some("GET")),
                            _ => {}
                        }
                    }
                }
                Methods::Any => {
                    let all = (place, None)..;
                    let all = self.trees.range(all).take_while(|((p, _), _)| *p == place);
                    all.for_each(|(_, tree)| tree.near(target, out));
                }
            }
        }
    }
}

/// Patterns segment by segment.
struct Tree<'p> {
    nodes: Vec<Node<'p>>,
    pathless: Vec<usize>,
}

#[derive(Default)]
struct Node<'p> {
    literals: BTreeMap<&'p str, usize>,
    /// Captures and `*`.
    wild: Option<usize>,
    /// Classes of patterns that end here.
    ends: Vec<usize>,
    /// Classes of patterns that take any rest from here.
    rests: Vec<usize>,
}

impl Default for Tree<'_> {
    fn default() -> Self {
        Tree {
            nodes: vec![Node::default()],
            pathless: Vec::new(),
        }
    }
}

impl<'p> Tree<'p> {
    fn add(&mut self, target: &'p Target, class: usize) {
        if target.kind == TargetKind::NoPath {
            self.pathless.push(class);
            return;
        }
        let mut at = 0;
        for segment in &target.pattern.segments {
            let fresh = self.nodes.len();
            let Some(node) = self.nodes.get_mut(at) else {
                return;
            };
            at = match segment {
                Segment::Literal(text) => *node.literals.entry(text).or_insert(fresh),
                _ => *node.wild.get_or_insert(fresh),
            };
            if at == fresh {
                self.nodes.push(Node::default());
            }
        }
        if let Some(node) = self.nodes.get_mut(at) {
            match target.pattern.tail {
                Tail::Rest(_) => node.rests.push(class),
                _ => node.ends.push(class),
            }
        }
    }

    fn near(&self, target: &Target, out: &mut Vec<usize>) {
        out.extend(&self.pathless);
        let segments = &target.pattern.segments;
        let pathless = target.kind == TargetKind::NoPath;
        let rest = pathless || matches!(target.pattern.tail, Tail::Rest(_));
        // Nodes, and how many segments led there.
        let mut open = vec![(0, 0)];
        while let Some((at, depth)) = open.pop() {
            let Some(node) = self.nodes.get(at) else { continue };
            out.extend(&node.rests);
            let segment = segments.get(depth).filter(|_| !pathless);
            let below = node.literals.values().chain(&node.wild).copied();
            match segment {
                None if rest => {
                    out.extend(&node.ends);
                    open.extend(below.map(|at| (at, depth)));
                }
                None => out.extend(&node.ends),
                Some(Segment::Literal(text)) => {
                    let next = node.literals.get(text.as_str()).into_iter().chain(&node.wild);
                    open.extend(next.map(|at| (*at, depth + 1)));
                }
                Some(_) => open.extend(below.map(|at| (at, depth + 1))),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::load_text;
    use crate::model::{HeaderAction, HeaderValue, Policy};

    fn policy(rules: &[String]) -> Policy {
        let text = format!(
            "gate 1;\nissuer main {{ url \"https://id.example.com\"; audience \"a\"; verified by gateway; }}\n\
             service s {{\n{}\n}}\nguard g {{ on any /guarded/** {{ tag \"g\"; }} }}",
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
        let found = clashing(&items(&policy), |a, b| a != b);
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
                let (x, y) = (&a.rule.condition, &b.rule.condition);
                if a.trait_ != b.trait_ && can_meet(a.rule, b.rule) && !exclusive(x, y) {
                    want.push((i, j));
                }
            }
        }
        assert!(want.len() > 100);
        assert_eq!(clashing(&items, |a, b| a != b).pairs, want);
    }
}
