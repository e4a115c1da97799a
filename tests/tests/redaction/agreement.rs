//! Random documents under random plans: byte for byte what walking the tree leaves of them, whatever they are cut into.

use portcullis_tests::counts;
use portcullis_tests::rng::Rng;

use super::document::{Drawer, Style, Value, compact};
use super::drawn;
use super::host::{Answer, HEAD, Host};
use super::plan::Plan;

/// Pairs of every run.
const PAIRS: u64 = 8_000;

/// Plans of one policy, each in a service of its own, and documents that each is applied to.
const PLANS: usize = 12;
const DOCUMENTS: usize = 25;

/// A response of one or more JSON texts.
struct Response {
    content_type: &'static str,
    body: String,
    /// What is left of it, and whether white space in it is as it was.
    left: String,
    is_exact: bool,
}

fn response(rng: &mut Rng, plan: &Plan) -> Response {
    let (content_type, count, lines) = match rng.below(10) {
        0..7 => ("application/json", 1, true),
        7 | 8 => ("application/x-ndjson", 1 + rng.below(3), false),
        _ => ("text/event-stream", 1 + rng.below(3), false),
    };
    let style = Style {
        spaced: rng.chance(40),
        lines,
        container: rng.chance(90),
    };
    let mut drawer = Drawer {
        rng,
        style,
        next: 100_000,
    };
    let documents: Vec<Value> = (0..count).map(|_| drawer.document()).collect();
    let (mut body, mut left, mut is_exact) = (String::new(), String::new(), true);
    for document in documents {
        let (kept, dropped) = plan.left_of(&document);
        is_exact &= !dropped;
        for (out, text) in [(&mut body, document.text()), (&mut left, kept.text())] {
            match content_type {
                "application/json" => out.push_str(&text),
                "application/x-ndjson" => out.push_str(&format!("{text}\n")),
                // One space behind the colon is not part of the data, and one is put out.
                _ => out.push_str(&format!("data: {}\n\n", text.trim_start_matches(' '))),
            }
        }
    }
    Response {
        content_type,
        body,
        left,
        is_exact,
    }
}

/// Parts of random lengths.
fn random_parts<'b>(rng: &mut Rng, body: &'b [u8]) -> Vec<&'b [u8]> {
    let (mut rest, mut parts) = (body, Vec::new());
    while !rest.is_empty() {
        let (part, after) = rest.split_at(rng.below(20).min(rest.len()));
        parts.push(part);
        rest = after;
    }
    parts
}

#[test]
fn the_redactor_leaves_what_walking_the_tree_leaves() {
    let (seed, pairs) = drawn("redaction_pairs", PAIRS);
    let (mut read, mut changed, mut dropped) = (0, 0, 0);
    let mut index = 0;
    while read < pairs {
        let mut rng = Rng::part(seed, index);
        index += 1;
        let plans: Vec<Plan> = (0..PLANS).map(|_| Plan::random(&mut rng)).collect();
        let services = plans.iter().enumerate();
        let policy: String = services
            .map(|(number, plan)| plan.service(&format!("s{number}")))
            .collect();
        let policy = format!("{HEAD}{policy}");
        let mut host = Host::new(&policy);
        for (number, plan) in plans.iter().enumerate() {
            let authority = format!("s{number}.example");
            for _ in 0..DOCUMENTS {
                let case = response(&mut rng, plan);
                let body = case.body.as_bytes();
                let whole = host.answer(&authority, case.content_type, std::iter::once(body));
                let Answer::Whole(bytes) = &whole else {
                    panic!(
                        "part {} of {seed:#x}: {whole:?}\n{}\n{plan:?}",
                        index - 1,
                        case.body
                    );
                };
                let text = std::str::from_utf8(bytes).unwrap();
                let context = || {
                    format!(
                        "part {} of {seed:#x}\n{}\n{}",
                        index - 1,
                        case.body,
                        plan.service("s")
                    )
                };
                if case.is_exact {
                    assert_eq!(text, case.left, "{}", context());
                } else {
                    // White space beside what was taken out may go with it, line ends between texts may not.
                    assert_eq!(compact(text), compact(&case.left), "{}", context());
                    if case.content_type != "application/json" {
                        assert_eq!(text.lines().count(), case.left.lines().count(), "{}", context());
                    }
                    dropped += 1;
                }
                let size = [1, 2, 3, 5, 7, 16, 64][rng.below(7)];
                let parts = random_parts(&mut rng, body);
                assert_eq!(
                    host.answer(&authority, case.content_type, body.chunks(size)),
                    whole,
                    "chunks of {size}: {}",
                    context()
                );
                assert_eq!(
                    host.answer(&authority, case.content_type, parts.iter().copied()),
                    whole,
                    "{parts:?}: {}",
                    context()
                );
                read += 1;
                changed += u64::from(text != case.body);
            }
        }
    }
    eprintln!("{read} pairs, {changed} changed, {dropped} with something taken out");
    if pairs >= PAIRS {
        assert!(
            changed * 3 > read && dropped * 5 > read,
            "{read} {changed} {dropped}"
        );
        counts::executed("redaction_pairs", read).unwrap();
    }
}
