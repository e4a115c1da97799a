//! The corpus of forged credentials is what the forge makes, Wycheproof's faults among them, and the reference evaluator verifies each as expected.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

use std::collections::BTreeSet;

use portcullis_reference::Reference;
use portcullis_tests::{corpus, forge};
use portcullis_vectors::{Vector, compare};

fn lines(about: &str, vectors: &[Vector]) -> Vec<u8> {
    let vectors: Vec<String> = vectors
        .iter()
        .map(|vector| serde_json::to_string(vector).unwrap())
        .collect();
    format!("// {about}\n{}\n", vectors.join("\n")).into_bytes()
}

/// Files as the forge makes them, by their names in the folder of hostile cases.
fn made() -> Vec<(String, Vec<u8>)> {
    let files = forge::files()
        .into_iter()
        .map(|(name, text)| (format!("tokens/{name}"), text.into_bytes()));
    let rows = forge::rows().into_iter().map(|row| {
        (
            format!("tokens/{}.jsonl", row.name),
            lines(row.about, &row.vectors),
        )
    });
    let transplanted = forge::transplanted().unwrap();
    let about = "Project Wycheproof's JSON Web Signatures, with claims for their payloads; see tests/src/forge/transplant.rs";
    let more = [
        ("policy.gate".to_string(), transplanted.gate.into_bytes()),
        ("jws.jsonl".to_string(), lines(about, &transplanted.vectors)),
    ];
    let more = more
        .into_iter()
        .chain(transplanted.files)
        .map(|(name, text)| (format!("wycheproof/{name}"), text));
    files.chain(rows).chain(more).collect()
}

/// Values instead of lines, so that the order of members is no matter.
fn values(text: &[u8]) -> Vec<serde_json::Value> {
    let lines = std::str::from_utf8(text)
        .unwrap()
        .lines()
        .filter(|line| line.starts_with('{'));
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn the_corpus_is_what_the_forge_makes() {
    let folder = corpus::root().join("tests/corpus/hostile");
    for (name, text) in made() {
        let path = folder.join(&name);
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let written = std::fs::read(&path).unwrap();
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
        let is_forged = ["hostile/tokens/", "hostile/wycheproof/"]
            .iter()
            .any(|folder| case.name.starts_with(folder));
        if !is_forged || case.refused {
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
