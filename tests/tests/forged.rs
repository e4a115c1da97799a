//! The corpus of forged credentials is what the forge makes, and the reference evaluator verifies each as expected.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

use std::collections::BTreeSet;

use portcullis_reference::Reference;
use portcullis_tests::{corpus, forge};
use portcullis_vectors::compare;

/// Files as the forge makes them.
fn made() -> Vec<(String, String)> {
    let files = forge::files()
        .into_iter()
        .map(|(name, text)| (name.to_string(), text));
    let rows = forge::rows().into_iter().map(|row| {
        let vectors: Vec<String> = row
            .vectors
            .iter()
            .map(|vector| serde_json::to_string(vector).unwrap())
            .collect();
        (
            format!("{}.jsonl", row.name),
            format!("// {}\n{}\n", row.about, vectors.join("\n")),
        )
    });
    files.chain(rows).collect()
}

/// Values instead of lines, so that the order of members is no matter.
fn values(text: &str) -> Vec<serde_json::Value> {
    let lines = text.lines().filter(|line| line.starts_with('{'));
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn the_corpus_is_what_the_forge_makes() {
    let folder = corpus::root().join("tests/corpus/hostile/tokens");
    for (name, text) in made() {
        let path = folder.join(&name);
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let written = std::fs::read_to_string(&path).unwrap();
        let is_same = match name.ends_with(".jsonl") {
            true => values(&written) == values(&text),
            false => written == text,
        };
        assert!(
            is_same,
            "{name} is not what the forge makes: UPDATE_DOCS=1 writes it"
        );
    }
}

#[test]
fn the_reference_verifies_what_is_forged() {
    let mut complaints = Vec::new();
    let mut forged = BTreeSet::new();
    for case in corpus::hostile().unwrap() {
        if !case.name.starts_with("hostile/tokens/") || case.refused {
            continue;
        }
        let checked = case.check();
        let policy = checked
            .policy
            .unwrap_or_else(|| panic!("{}: {:#?}", case.name, checked.diagnostics));
        let reference = Reference::new(&policy, &case.files);
        for vector in &case.vectors {
            let verdict = serde_json::to_value(reference.decide(vector)).unwrap();
            for mismatch in compare(vector.expect.as_ref().unwrap(), &verdict) {
                complaints.push(format!(
                    "{}: {} is {}, expected {}",
                    vector.id, mismatch.member, mismatch.actual, mismatch.expected
                ));
            }
            if verdict["reason"] == "invalid_token" {
                forged.insert(vector.id.clone());
            }
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    assert!(forged.len() >= 200, "only {} forged credentials", forged.len());
}
