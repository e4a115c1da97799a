//! Policies that would blow up whatever merges rules: bounded images, bounded decisions, and the verdicts of the
//! reference in every form. Bounds are bytes, nodes and words, never seconds. Tests are named after the rows of the
//! catalogue of hostile input that they are for.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a test"
)]

use std::collections::BTreeMap;

use portcullis::Worker;
use portcullis_compile::{CompileError, CompileOptions, Form, compile_with};
use portcullis_tests::adversarial::{self, Shape};
use portcullis_tests::bridge::Subject;
use portcullis_tests::counts;
use portcullis_tests::oracle::{self, Pair};

/// Image bytes for a byte of policy text, at most: linear, whatever the rules are.
const IMAGE_BYTES_PER_TEXT_BYTE: usize = 64;

/// Decides a shape's requests with the reference and with every form; gives the most words that one decision touched,
/// and the bound that `inspect` prints: both without symbols, since explanations are no part of a decision.
fn same_in_every_form(shape: &Shape) -> (Subject, u64, u64) {
    let none = BTreeMap::new();
    let policy = oracle::checked(&shape.text, &none).unwrap();
    let mut pair = Pair::new(&policy, &none).unwrap();
    pair.in_all_forms(&policy, &none).unwrap();
    for vector in &shape.vectors {
        if let Err(difference) = pair.decide(vector) {
            panic!("{}: {difference}", shape.name);
        }
    }
    let options = CompileOptions {
        symbols: false,
        ..CompileOptions::default()
    };
    let bare = Subject::load(&compile_with(&policy, &options).unwrap(), &none).unwrap();
    let mut worker = Worker::default();
    let mut most = 0;
    for vector in &shape.vectors {
        let before = worker.words_touched();
        bare.line_with(vector, &mut worker).unwrap();
        most = most.max(worker.words_touched() - before);
    }
    let subject = Subject::compile(&policy, &none).unwrap();
    (subject, most, portcullis_compile::inspect(bare.image()).words_max)
}

#[test]
fn x03_rules_that_share_nothing_stay_linear_in_bytes_and_words() {
    let mut decided = 0;
    for shape in adversarial::all() {
        let (subject, words, bound) = same_in_every_form(&shape);
        let inspection = portcullis_compile::inspect(subject.image());
        let bytes: usize = inspection.sections.iter().map(|section| section.1).sum();
        eprintln!(
            "{}: text {} bytes, image {bytes} bytes, {} nodes, {words} words touched at most, \
             {bound} by `inspect`",
            shape.name,
            shape.text.len(),
            inspection.nodes
        );
        assert!(
            bytes <= shape.text.len() * IMAGE_BYTES_PER_TEXT_BYTE,
            "{}: {bytes} bytes",
            shape.name
        );
        assert!(
            words > 0 && words <= bound,
            "{}: {words} words of at most {bound}",
            shape.name
        );
        decided += shape.vectors.len() as u64;
    }
    counts::executed("adversarial", decided).unwrap();
}

/// A route whose rules each name a caller is one switch: what it costs does not grow with the callers.
#[test]
fn x03_a_wide_switch_is_one_node() {
    let words = [100, 10_000].map(|rules| {
        let policy = oracle::checked(&adversarial::subjects(rules).text, &BTreeMap::new()).unwrap();
        let subject = Subject::compile(&policy, &BTreeMap::new()).unwrap();
        let inspection = portcullis_compile::inspect(subject.image());
        // One that grants; what explains a denial asks each rule by itself.
        assert!(
            inspection.nodes <= 2 * rules + 10,
            "{rules} rules: {} nodes",
            inspection.nodes
        );
        let mut worker = Worker::default();
        let vector = adversarial::vector(1, "{\"sub\":\"u77\"}");
        let line = subject.line_with(&vector, &mut worker).unwrap();
        assert!(line.contains("\"allowed\""), "{line}");
        worker.words_touched()
    });
    assert!(words[1] <= words[0] + 16, "{words:?}");
}

/// `rules` rules that all ask the same long question, which names `scopes` scopes.
fn long_question(head: &str, rules: usize, scopes: usize) -> String {
    let none_of: Vec<String> = (0..scopes)
        .map(|scope| format!("not (\"s{scope}\" in token.scope)"))
        .collect();
    let mut text = format!(
        "gate 1;\nissuer idp {{ url \"https://idp.example.com/\"; audience \"api\"; verified by gateway; }}\n\
         condition stranger = {};\nservice api on \"api.example.com\" {{\n  allow anyone to GET /one;\n",
        none_of.join(" and ")
    );
    (0..rules).for_each(|_| text.push_str(&format!("  {head} to GET /one when stranger;\n")));
    text.push_str("}\n");
    text
}

/// Rules that each need nodes of their own: the budget ends the compilation, and names a rule.
#[test]
fn x03_nodes_have_a_budget() {
    let policy = oracle::checked(&long_question("deny anyone", 1_000, 1_000), &BTreeMap::new()).unwrap();
    let options = CompileOptions {
        nodes_max: 100_000,
        ..CompileOptions::default()
    };
    let refused = compile_with(&policy, &options);
    assert!(
        matches!(&refused, Err(CompileError::TooManyNodes { rule, max: 100_000 }) if rule.contains(".gate:")),
        "{:?}",
        refused.map(|image| image.len())
    );
}

/// Rules that share their nodes, but are walked one by one: an image is small and its decision would take seconds. The
/// image's door says so, to the compiler as to everyone else.
#[test]
fn x03_steps_of_a_decision_have_a_bound() {
    let text = long_question("report deny anyone", 2_500, 1_000);
    let policy = oracle::checked(&text, &BTreeMap::new()).unwrap();
    let refused = compile_with(&policy, &CompileOptions::default());
    assert!(
        matches!(&refused, Err(CompileError::TooManySteps { steps, max, .. }) if steps > max),
        "{:?}",
        refused.map(|image| image.len())
    );
    let text = long_question("report deny anyone", 1_000, 1_000);
    let policy = oracle::checked(&text, &BTreeMap::new()).unwrap();
    let subject = Subject::compile(&policy, &BTreeMap::new()).unwrap();
    assert!(portcullis_compile::inspect(subject.image()).steps_max > 1_000_000);
}

/// The text of a policy whose only condition is a regex.
fn regex(pattern: &str) -> String {
    format!(
        "gate 1;\nservice s on \"h.example\" {{ allow anyone to GET /a when request.query.q matches '{pattern}'; }}\n"
    )
}

#[test]
fn x04_a_regex_is_linear_or_refused() {
    // Nested repetition: a small automaton, one step a byte.
    let policy = oracle::checked(&regex("(a+)+b"), &BTreeMap::new()).unwrap();
    let subject = Subject::compile(&policy, &BTreeMap::new()).unwrap();
    let mut worker = Worker::default();
    let mut touched = Vec::new();
    for length in [1_000, 2_000] {
        let before = worker.words_touched();
        let target = format!("/a?q={}", "a".repeat(length));
        let vector = serde_json::from_str(&format!(
            "{{\"id\":\"x\",\"request\":{{\"method\":\"GET\",\"authority\":\"h.example\",\"target\":\"{target}\"}}}}"
        ));
        let line = subject.line_with(&vector.unwrap(), &mut worker).unwrap();
        assert!(line.contains("\"no_rule\""), "{line}");
        touched.push(worker.words_touched() - before);
    }
    assert!(touched[1] < touched[0] * 3, "{touched:?}");
    // Repetitions that multiply, and classes of all of Unicode: no automaton is built beyond its bound.
    for pattern in [
        "x{1000}{1000}",
        "(x{1,1000}){1,1000}y",
        "\\pL{500}",
        "(?u)\\pL{500}",
        "(.*a.{40}){3}b",
    ] {
        match oracle::checked(&regex(pattern), &BTreeMap::new()) {
            Err(errors) => assert!(!errors.is_empty(), "{pattern}"),
            Ok(policy) => {
                for form in [Form::Auto, Form::Graphs, Form::Bitmaps] {
                    let options = CompileOptions {
                        form,
                        ..CompileOptions::default()
                    };
                    let refused = compile_with(&policy, &options);
                    assert!(
                        matches!(refused, Err(CompileError::PatternTooLarge { .. })),
                        "{pattern}: {:?}",
                        refused.map(|image| image.len())
                    );
                }
            }
        }
    }
}
