//! What holds of redaction whatever the plan: what is hidden does not appear, a second time changes nothing, `only` and
//! `drop` leave what the other takes, and no cut matters.

use portcullis_tests::rng::Rng;

use super::document::{Drawer, Node, Style, Value, marker};
use super::drawn;
use super::host::{Answer, HEAD, Host};
use super::plan::{Down, Operation, Path, Plan, Step, reaches_above};

/// Pairs of every run, and documents for each plan.
const PAIRS: u64 = 4_000;
const DOCUMENTS: u64 = 20;

const PLAIN: Style = Style {
    spaced: false,
    lines: false,
    container: true,
};

fn document(rng: &mut Rng) -> Value {
    Drawer {
        rng,
        style: PLAIN,
        next: 100_000,
    }
    .document()
}

/// Every text of a document with where it stands.
fn texts(node: &Node, place: &mut Vec<Down>, out: &mut Vec<(Vec<Down>, String)>) {
    match node {
        Node::Text(text) => {
            let at = text.raw.match_indices('U').map(|(at, _)| at);
            let mark = at
                .filter_map(|at| text.raw.get(at..at + marker(0).len()))
                .find(|mark| mark.ends_with('V'));
            out.push((place.clone(), mark.unwrap().to_string()));
        }
        Node::Word(_) => {}
        Node::Array(elements, _) => {
            for (index, element) in elements.iter().enumerate() {
                place.push(Down::Element(index));
                texts(&element.node, place, out);
                place.pop();
            }
        }
        Node::Object(members, _) => {
            for member in members {
                place.push(Down::Member(member.name.chars.clone()));
                texts(&member.value.node, place, out);
                place.pop();
            }
        }
    }
}

fn marked(document: &Value) -> Vec<(Vec<Down>, String)> {
    let mut out = Vec::new();
    texts(&document.node, &mut Vec::new(), &mut out);
    out
}

fn redacted(host: &mut Host, authority: &str, body: &[u8]) -> Vec<u8> {
    match host.answer(authority, "application/json", std::iter::once(body)) {
        Answer::Whole(bytes) => bytes,
        other => panic!("{other:?}: {}", String::from_utf8_lossy(body)),
    }
}

fn text_of(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn what_a_plan_hides_does_not_appear() {
    let (seed, pairs) = drawn("redaction_hidden", PAIRS);
    let mut hidden = 0;
    for part in 0..pairs.div_ceil(DOCUMENTS) {
        let mut rng = Rng::part(seed ^ 1, part);
        let plan = Plan::random(&mut rng);
        let mut host = Host::new(&format!("{HEAD}{}", plan.service("s")));
        for _ in 0..DOCUMENTS {
            let document = document(&mut rng);
            let left = redacted(&mut host, "s.example", document.text().as_bytes());
            let left = text_of(&left);
            for (place, mark) in marked(&document) {
                // No operation leaves as much of a text as a marker is long.
                let is_hidden = plan
                    .operations
                    .iter()
                    .any(|(path, _)| reaches_above(path, &place))
                    || plan
                        .lists
                        .iter()
                        .any(|list| !list.iter().any(|path| reaches_above(path, &place)));
                assert_eq!(
                    left.contains(&mark),
                    !is_hidden,
                    "{mark} at {place:?}, part {part} of {seed:#x}\n{}\n{}\n{left}",
                    document.text(),
                    plan.service("s")
                );
                hidden += u64::from(is_hidden);
            }
        }
    }
    assert!(hidden >= pairs / 2, "{hidden}");
}

#[test]
fn a_second_redaction_changes_nothing() {
    let (seed, pairs) = drawn("redaction_twice", PAIRS);
    let mut changed = 0;
    for part in 0..pairs.div_ceil(DOCUMENTS) {
        let mut rng = Rng::part(seed ^ 2, part);
        let mut plan = Plan::random(&mut rng);
        let moves = |path: &Path| path.iter().any(|step| matches!(step, Step::Index(_)));
        // A hash is hashed again; where elements are taken out, an index is another's; the text that replaces a container
        // on the way of an `only` is not on it; and the null in place of a whole body is a value of its own.
        plan.operations.retain(|(path, operation)| {
            *operation != Operation::Hash && !moves(path) && *path != [Step::Deep]
        });
        if plan.lists.iter().flatten().any(moves) {
            plan.lists.clear();
        }
        if !plan.lists.is_empty() {
            plan.operations
                .retain(|(_, operation)| !matches!(operation, Operation::Replace(_)));
        }
        if plan.operations.is_empty() && plan.lists.is_empty() {
            plan.operations
                .push((vec![Step::Deep, Step::Member("a")], Operation::Drop));
        }
        let mut host = Host::new(&format!("{HEAD}{}", plan.service("s")));
        for _ in 0..DOCUMENTS {
            let body = document(&mut rng).text();
            let once = redacted(&mut host, "s.example", body.as_bytes());
            let twice = redacted(&mut host, "s.example", &once);
            assert_eq!(
                text_of(&once),
                text_of(&twice),
                "part {part} of {seed:#x}\n{body}\n{}",
                plan.service("s")
            );
            changed += u64::from(once != body.as_bytes());
        }
    }
    assert!(changed >= pairs / 5, "{changed}");
}

#[test]
fn only_keeps_what_drop_takes() {
    let (seed, pairs) = drawn("redaction_complements", PAIRS);
    let (mut kept, mut taken) = (0, 0);
    for part in 0..pairs.div_ceil(DOCUMENTS) {
        let mut rng = Rng::part(seed ^ 3, part);
        let paths = Plan::paths(&mut rng);
        let only = Plan {
            operations: Vec::new(),
            lists: vec![paths.clone()],
        };
        let drop = Plan {
            operations: paths.into_iter().map(|path| (path, Operation::Drop)).collect(),
            lists: Vec::new(),
        };
        let mut host = Host::new(&format!(
            "{HEAD}{}{}",
            only.service("kept"),
            drop.service("taken")
        ));
        for _ in 0..DOCUMENTS {
            let document = document(&mut rng);
            let body = document.text();
            let left = ["kept.example", "taken.example"]
                .map(|authority| redacted(&mut host, authority, body.as_bytes()));
            let [by_only, by_drop] = left.each_ref().map(|bytes| text_of(bytes));
            for (place, mark) in marked(&document) {
                assert_ne!(
                    by_only.contains(&mark),
                    by_drop.contains(&mark),
                    "{mark} at {place:?}, part {part} of {seed:#x}\n{body}\n{}",
                    drop.service("taken")
                );
                kept += u64::from(by_only.contains(&mark));
                taken += u64::from(by_drop.contains(&mark));
            }
        }
    }
    assert!(kept >= pairs / 4 && taken >= pairs / 4, "{kept} {taken}");
}

#[test]
fn parts_of_any_size_are_redacted_alike() {
    let (seed, _) = drawn("redaction_cuts", 0);
    let mut rng = Rng::new(seed ^ 4);
    let plan = Plan {
        operations: vec![
            (vec![Step::Deep, Step::Member("b")], Operation::Drop),
            (
                vec![Step::Deep, Step::Member("a"), Step::Any],
                Operation::Mask {
                    first: false,
                    keep: 2,
                },
            ),
            (vec![Step::Any, Step::Member("odd key")], Operation::Replace("-")),
            (vec![Step::Deep, Step::Member("é")], Operation::Hash),
        ],
        lists: Vec::new(),
    };
    let mut host = Host::new(&format!("{HEAD}{}", plan.service("s")));
    let style = Style {
        spaced: true,
        lines: true,
        container: true,
    };
    let mut drawer = Drawer {
        rng: &mut rng,
        style,
        next: 100_000,
    };
    let mut body = String::from("[");
    while body.len() < 160_000 {
        body.push_str(if body.len() > 1 { "," } else { "" });
        body.push_str(&drawer.document().text());
    }
    body.push(']');
    let whole = redacted(&mut host, "s.example", body.as_bytes());
    assert!(
        whole.len() > 50_000 && whole.len() < body.len(),
        "{}",
        whole.len()
    );
    for size in [
        1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 64, 255, 256, 1_000, 1_024, 4_095, 4_096, 16_384, 65_536,
    ] {
        let answer = host.answer("s.example", "application/json", body.as_bytes().chunks(size));
        assert!(
            answer == Answer::Whole(whole.clone()),
            "chunks of {size}, {seed:#x}"
        );
    }
}
