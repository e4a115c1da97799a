//! A plan of redactions -> its Gate text, and what it leaves of a document: slowly and obviously, from
//! `docs/semantics.md#redact`.

use hmac::{Hmac, KeyInit as _, Mac as _};
use portcullis_tests::rng::Rng;
use sha2::Sha256;

use super::document::{Member, Node, Text, Value};
use super::host::SALT;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Member(&'static str),
    Index(usize),
    Each,
    Any,
    Deep,
}

/// In the order of their strength.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Drop,
    Replace(&'static str),
    Hash,
    Mask { first: bool, keep: usize },
    Truncate(usize),
}

pub(crate) type Path = Vec<Step>;

#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    pub(crate) operations: Vec<(Path, Operation)>,
    pub(crate) lists: Vec<Vec<Path>>,
}

/// Where a value stands: each step down.
#[derive(Clone, Debug)]
pub(crate) enum Down {
    /// `None`: a name with a lone surrogate, which no path can write.
    Member(Option<String>),
    Element(usize),
}

fn path(rng: &mut Rng) -> Path {
    const STEPS: [Step; 14] = [
        Step::Member("a"),
        Step::Member("a"),
        Step::Member("a"),
        Step::Member("b"),
        Step::Member("b"),
        Step::Member("odd key"),
        Step::Member("é"),
        Step::Any,
        Step::Deep,
        Step::Deep,
        Step::Each,
        Step::Each,
        Step::Index(0),
        Step::Index(1),
    ];
    let mut path: Path = Vec::new();
    for _ in 0..=rng.below(3) {
        let step = STEPS[rng.below(STEPS.len())];
        // Two of them are one, and an error of the policy.
        if !(step == Step::Deep && path.last() == Some(&Step::Deep)) {
            path.push(step);
        }
    }
    path
}

fn operation(rng: &mut Rng) -> Operation {
    match rng.below(9) {
        0..3 => Operation::Drop,
        3 => Operation::Replace(["-", "\"gone\"\n"][rng.below(2)]),
        4 => Operation::Hash,
        5 => Operation::Mask {
            first: false,
            keep: 0,
        },
        6 | 7 => Operation::Mask {
            first: rng.chance(50),
            keep: 1 + rng.below(4),
        },
        _ => Operation::Truncate(1 + rng.below(5)),
    }
}

impl Plan {
    pub(crate) fn random(rng: &mut Rng) -> Plan {
        let mut plan = Plan::default();
        for _ in 0..rng.below(5) {
            plan.operations.push((path(rng), operation(rng)));
        }
        for _ in 0..[0, 0, 0, 1, 2][rng.below(5)] {
            plan.lists.push(Plan::paths(rng));
        }
        if plan.operations.is_empty() && plan.lists.is_empty() {
            plan.operations.push((path(rng), operation(rng)));
        }
        plan
    }

    pub(crate) fn paths(rng: &mut Rng) -> Vec<Path> {
        (0..=rng.below(3)).map(|_| path(rng)).collect()
    }

    /// A service on a host of this name, of which `GET /a` is redacted by an allow and by a standing rule together.
    pub(crate) fn service(&self, name: &str) -> String {
        let half = self.operations.len().div_ceil(2);
        let (own, standing) = self.operations.split_at(half);
        let block = |operations: &[(Path, Operation)], list: Option<&Vec<Path>>| {
            let mut lines = String::new();
            if let Some(list) = list {
                let texts: Vec<String> = list.iter().map(|path| path_text(path)).collect();
                lines.push_str(&format!("only {{ {} }} ", texts.join(", ")));
            }
            operations
                .iter()
                .for_each(|line| lines.push_str(&operation_text(line)));
            if lines.is_empty() {
                String::new()
            } else {
                format!("redact response {{ {lines}}}")
            }
        };
        let rest: String = std::iter::once(block(standing, self.lists.get(1)))
            .chain(self.lists.iter().skip(2).map(|list| block(&[], Some(list))))
            .filter(|block| !block.is_empty())
            .map(|block| format!("  on GET /a {{ {block} }}\n"))
            .collect();
        let allow = block(own, self.lists.first());
        format!("service {name} on \"{name}.example\" {{\n  allow anyone to GET /a {{ {allow} }}\n{rest}}}\n")
    }

    /// What is left of a whole document, and whether anything was taken out.
    pub(crate) fn left_of(&self, document: &Value) -> (Value, bool) {
        let mut dropped = false;
        let node = self
            .left(&document.node, &mut Vec::new(), &mut dropped)
            .unwrap_or_else(|| Node::Word("null".to_string()));
        (
            Value {
                node,
                ..document.clone()
            },
            dropped,
        )
    }

    fn left(&self, node: &Node, place: &mut Vec<Down>, dropped: &mut bool) -> Option<Node> {
        let is_container = matches!(node, Node::Array(..) | Node::Object(..));
        for list in &self.lists {
            let is_kept = list.iter().any(|path| reaches_above(path, place));
            let is_on_the_way = is_container && list.iter().any(|path| reaches(path, place, true));
            if !is_kept && !is_on_the_way {
                return None;
            }
        }
        let own = self
            .operations
            .iter()
            .filter(|(path, _)| reaches(path, place, false));
        let strongest = own.map(|(_, operation)| *operation).reduce(stronger);
        match strongest {
            None => {}
            Some(Operation::Drop) => return None,
            Some(Operation::Replace(with)) => return Some(written(with)),
            Some(operation) => {
                let text = match node {
                    Node::Word(word) => word.clone(),
                    Node::Text(text) => text.chars.clone()?,
                    Node::Array(..) | Node::Object(..) => return None,
                };
                return Some(written(&changed(&text, operation)));
            }
        }
        match node {
            Node::Array(elements, inside) => {
                let mut left = Vec::new();
                for (index, element) in elements.iter().enumerate() {
                    place.push(Down::Element(index));
                    match self.left(&element.node, place, dropped) {
                        Some(node) => left.push(Value {
                            node,
                            ..element.clone()
                        }),
                        None => *dropped = true,
                    }
                    place.pop();
                }
                Some(Node::Array(left, inside))
            }
            Node::Object(members, inside) => {
                let mut left = Vec::new();
                for member in members {
                    place.push(Down::Member(member.name.chars.clone()));
                    match self.left(&member.value.node, place, dropped) {
                        Some(node) => left.push(Member {
                            value: Value {
                                node,
                                ..member.value.clone()
                            },
                            ..member.clone()
                        }),
                        None => *dropped = true,
                    }
                    place.pop();
                }
                Some(Node::Object(left, inside))
            }
            other => Some(other.clone()),
        }
    }
}

/// The stronger of two operations on one value.
fn stronger(a: Operation, b: Operation) -> Operation {
    use Operation::{Drop, Hash, Mask, Replace, Truncate};
    match (a, b) {
        (Drop, _) | (_, Drop) => Drop,
        (Replace(x), Replace(y)) if x != y => Drop,
        (Replace(text), _) | (_, Replace(text)) => Replace(text),
        (Hash, _) | (_, Hash) => Hash,
        (Mask { first: x, keep: k }, Mask { first: y, keep: l }) => Mask {
            first: x,
            // Nothing kept is kept at either end.
            keep: if x == y { k.min(l) } else { 0 },
        },
        (mask @ Mask { .. }, _) | (_, mask @ Mask { .. }) => mask,
        (Truncate(x), Truncate(y)) => Truncate(x.min(y)),
    }
}

fn changed(text: &str, operation: Operation) -> String {
    let chars: Vec<char> = text.chars().collect();
    match operation {
        Operation::Hash => {
            let mut mac = Hmac::<Sha256>::new_from_slice(SALT).unwrap();
            mac.update(text.as_bytes());
            let tag = mac.finalize().into_bytes();
            tag.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
        }
        Operation::Mask { first, keep } => {
            let keep = if chars.len() <= keep { 0 } else { keep };
            let is_kept = |index: usize| {
                if first {
                    index < keep
                } else {
                    index >= chars.len() - keep
                }
            };
            let masked = chars.iter().enumerate();
            masked
                .map(|(index, char)| if is_kept(index) { *char } else { '*' })
                .collect()
        }
        Operation::Truncate(to) => chars.iter().take(to).collect(),
        Operation::Drop | Operation::Replace(_) => unreachable!("these leave no text of the value"),
    }
}

/// A text as JSON with the fewest escapes.
fn written(text: &str) -> Node {
    let mut raw = String::new();
    for char in text.chars() {
        match char {
            '"' | '\\' => raw.extend(['\\', char]),
            '\0'..' ' => raw.push_str(&format!("\\u{:04x}", u32::from(char))),
            char => raw.push(char),
        }
    }
    Node::Text(Text {
        raw,
        chars: Some(text.to_string()),
    })
}

fn takes(step: Step, down: &Down) -> bool {
    match (step, down) {
        (Step::Any, _) | (Step::Each, Down::Element(_)) => true,
        (Step::Member(name), Down::Member(Some(own))) => name == own,
        (Step::Index(index), Down::Element(own)) => index == *own,
        _ => false,
    }
}

fn reaches_by_steps(steps: &[Step], place: &[Down], below: bool) -> bool {
    match (steps.split_first(), place.split_first()) {
        (None, None) => !below,
        (None, Some(_)) => false,
        (Some((Step::Deep, rest)), Some((_, under))) => {
            reaches_by_steps(rest, place, below) || reaches_by_steps(steps, under, below)
        }
        (Some((Step::Deep, rest)), None) => below || reaches_by_steps(rest, place, below),
        (Some(_), None) => below,
        (Some((step, rest)), Some((down, under))) => {
            takes(*step, down) && reaches_by_steps(rest, under, below)
        }
    }
}

/// Whether a path ends at a place; with `below`, whether one could end inside of it.
pub(crate) fn reaches(steps: &[Step], place: &[Down], below: bool) -> bool {
    let in_element = match place.split_first() {
        Some((Down::Element(_), under)) => {
            steps.first() != Some(&Step::Each) && reaches_by_steps(steps, under, below)
        }
        _ => false,
    };
    reaches_by_steps(steps, place, below) || in_element
}

/// Whether a path ends at a place or above it.
pub(crate) fn reaches_above(steps: &[Step], place: &[Down]) -> bool {
    (0..=place.len()).any(|length| reaches(steps, &place[..length], false))
}

fn path_text(path: &[Step]) -> String {
    let mut out = String::new();
    for step in path {
        if !out.is_empty() && !matches!(step, Step::Index(_) | Step::Each) {
            out.push('.');
        }
        match step {
            Step::Member(name) if name.bytes().all(|byte| byte.is_ascii_alphanumeric()) => out.push_str(name),
            Step::Member(name) => out.push_str(&format!("\"{name}\"")),
            Step::Index(index) => out.push_str(&format!("[{index}]")),
            Step::Each => out.push_str("[]"),
            Step::Any => out.push('*'),
            Step::Deep => out.push_str("**"),
        }
    }
    out
}

fn operation_text((path, operation): &(Path, Operation)) -> String {
    let path = path_text(path);
    match operation {
        Operation::Drop => format!("drop {path}; "),
        Operation::Replace("-") => format!("replace {path} with \"-\"; "),
        Operation::Replace(_) => format!("replace {path} with \"\\\"gone\\\"\\n\"; "),
        Operation::Hash => format!("hash {path}; "),
        Operation::Mask { keep: 0, .. } => format!("mask {path}; "),
        Operation::Mask { first, keep } => {
            let end = if *first { "first" } else { "last" };
            format!("mask {path} keep {end} {keep}; ")
        }
        Operation::Truncate(to) => format!("truncate {path} to {to}; "),
    }
}
