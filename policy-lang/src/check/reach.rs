//! Targets of rules by owner, method, path and one value of a fact -> those that one request may meet together.
//!
//! Answers hold too many, never too few. Knows targets; conditions only as the value that [`super::meet`] picks.

use crate::model::{Methods, Owner, Segment, ServiceId, Tail, Target, TargetKind, Value};
use std::collections::BTreeMap;

/// Whose targets a tree holds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Service(ServiceId),
    Guards,
    /// Both: what guards may meet.
    Everyone,
}

/// Which rules a tree holds, by the value that they ask of the fact which tells most of them apart.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Bucket<'p> {
    /// All of them.
    All,
    /// Those that ask for no value.
    Free,
    /// Those that ask for this value, maybe among others.
    One(&'p Value),
}

/// Targets by owner, value of a fact and method (`None` is `any`), then by path.
#[derive(Default)]
pub(super) struct Index<'p> {
    trees: BTreeMap<(Place, Bucket<'p>, Option<&'p str>), Tree<'p>>,
}

impl<'p> Index<'p> {
    /// Adds a target of a class of rules that apply only where the fact is one of `values`; with none, whatever it is.
    pub(super) fn add(&mut self, owner: Owner, target: &'p Target, values: &[&'p Value], class: usize) {
        let own = match owner {
            Owner::Service(id) => Place::Service(id),
            Owner::Guard(_) => Place::Guards,
        };
        let free = values.is_empty().then_some(Bucket::Free);
        let buckets = values.iter().map(|value| Bucket::One(value)).chain(free);
        for bucket in buckets.chain([Bucket::All]) {
            for place in [own, Place::Everyone] {
                let mut add = |method| {
                    let tree = self.trees.entry((place, bucket, method)).or_default();
                    tree.add(target, class);
                };
                match &target.methods {
                    Methods::Any => add(None),
                    Methods::Only(names) => names.iter().for_each(|name| add(Some(name))),
                }
            }
        }
    }

    /// Classes with a target that may meet this one, among others.
    pub(super) fn near(&self, owner: Owner, target: &Target, values: &[&'p Value], out: &mut Vec<usize>) {
        let places = match owner {
            Owner::Service(id) => vec![Place::Service(id), Place::Guards],
            Owner::Guard(_) => vec![Place::Everyone],
        };
        let buckets: Vec<Bucket<'_>> = match values {
            [] => vec![Bucket::All],
            _ => values
                .iter()
                .map(|value| Bucket::One(value))
                .chain([Bucket::Free])
                .collect(),
        };
        for place in places {
            for bucket in &buckets {
                self.near_in(place, *bucket, target, out);
            }
        }
    }

    fn near_in(&self, place: Place, bucket: Bucket<'_>, target: &Target, out: &mut Vec<usize>) {
        let mut look = |method: Option<&str>| {
            if let Some(tree) = self.trees.get(&(place, bucket, method)) {
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
                let all = self.trees.range((place, bucket, None)..);
                let all = all.take_while(|((p, b, _), _)| *p == place && *b == bucket);
                all.for_each(|(_, tree)| tree.near(target, out));
            }
        }
    }
}

/// Patterns segment by segment.
pub(super) struct Tree<'p> {
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
    pub(super) fn add(&mut self, target: &'p Target, class: usize) {
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

    /// Classes of patterns that may take every path that this one takes: a capture or `*` may stand for a literal,
    /// and not the other way.
    pub(super) fn covering(&self, target: &Target, out: &mut Vec<usize>) {
        let segments = &target.pattern.segments;
        let rest = matches!(target.pattern.tail, Tail::Rest(_));
        // Nodes, and how many segments led there.
        let mut open = vec![(0, 0)];
        while let Some((at, depth)) = open.pop() {
            let Some(node) = self.nodes.get(at) else { continue };
            out.extend(&node.rests);
            match segments.get(depth) {
                None if rest => {}
                None => out.extend(&node.ends),
                Some(Segment::Literal(text)) => {
                    let next = node.literals.get(text.as_str()).into_iter().chain(&node.wild);
                    open.extend(next.map(|at| (*at, depth + 1)));
                }
                Some(_) => open.extend(node.wild.map(|at| (at, depth + 1))),
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
