//! Every recipe of `docs/cookbook.md`: its policy compiles and stands as the formatter writes it, and its requests come
//! out as written, in both evaluators.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

use std::collections::BTreeMap;

use portcullis_tests::corpus::root;
use portcullis_tests::oracle::{FILE, Pair, checked, difference};
use portcullis_vectors::{compare, parse_lines};
use serde_json::Value;

struct Recipe<'p> {
    heading: &'p str,
    policy: &'p str,
    /// Files beside the policy that the page shows.
    files: Vec<(&'p str, &'p str)>,
    vectors: &'p str,
}

/// The recipes of the page; one that lacks a policy or requests fails the test.
fn recipes(page: &str) -> Vec<Recipe<'_>> {
    page.split("\n## ")
        .skip(1)
        .map(|section| {
            let (heading, text) = section.split_once('\n').unwrap();
            let mut found: Vec<(&str, &str)> = Vec::new();
            for block in text.split("\n```").skip(1).step_by(2) {
                found.push(block.split_once('\n').unwrap());
            }
            let only = |info: &str| {
                let mut texts = found.iter().filter(|(i, _)| *i == info).map(|(_, t)| *t);
                let text = texts
                    .next()
                    .unwrap_or_else(|| panic!("{heading}: no block of `{info}`"));
                assert!(texts.next().is_none(), "{heading}: two blocks of `{info}`");
                text
            };
            Recipe {
                heading,
                policy: only("gate"),
                files: found
                    .iter()
                    .filter_map(|(info, text)| Some((info.strip_prefix("text ")?, *text)))
                    .collect(),
                vectors: only("jsonl"),
            }
        })
        .collect()
}

/// What a recipe's policy names and the page does not show.
fn files(recipe: &Recipe<'_>) -> BTreeMap<String, Vec<u8>> {
    let mut files: BTreeMap<String, Vec<u8>> = [
        ("corp.jwks.json", "{\"keys\":[]}"),
        ("login.jwks.json", "{\"keys\":[]}"),
        ("partners.keys", ""),
        ("pepper.key", "0123456789abcdef0123456789abcdef"),
        ("hook.secret", "0123456789abcdef0123456789abcdef"),
    ]
    .map(|(name, text)| (name.to_string(), text.as_bytes().to_vec()))
    .into();
    files.extend(
        recipe
            .files
            .iter()
            .map(|(n, t)| ((*n).to_string(), t.as_bytes().to_vec())),
    );
    files
}

#[test]
fn every_recipe_comes_out_as_written() {
    let page = std::fs::read_to_string(root().join("docs/cookbook.md")).unwrap();
    let recipes = recipes(&page);
    let (mut requests, mut faults) = (0, Vec::new());
    for recipe in &recipes {
        let files = files(recipe);
        let text = format!("{}\n", recipe.policy);
        let policy = match checked(&text, &files) {
            Ok(policy) => policy,
            Err(error) => {
                faults.push(format!("{}: {error}", recipe.heading));
                continue;
            }
        };
        let parsed = portcullis_lang::parse::parse(portcullis_lang::FileId(0), &text);
        let formatted = portcullis_lang::format::format(&parsed.file, &text);
        if formatted != text {
            faults.push(format!(
                "{}: {FILE} is formatted so:\n{formatted}",
                recipe.heading
            ));
        }
        let mut pair = Pair::new(&policy, &files).unwrap();
        let mut effects = Vec::new();
        for (line, vector) in parse_lines(recipe.vectors) {
            let vector = vector.unwrap_or_else(|e| panic!("{}: line {line}: {e}", recipe.heading));
            let name = format!("{}, `{}`", recipe.heading, vector.id);
            let reference = pair.reference(&vector);
            let engine: Value = serde_json::from_str(&pair.line(&vector).unwrap()).unwrap();
            let expect = vector
                .expect
                .as_ref()
                .unwrap_or_else(|| panic!("{name}: nothing is expected"));
            for mismatch in compare(expect, &engine) {
                faults.push(format!(
                    "{name}: {} is {}, expected {}",
                    mismatch.member, mismatch.actual, mismatch.expected
                ));
            }
            effects.push(engine.get("effect").cloned());
            if let Some(difference) = difference(&reference, &serde_json::from_value(engine).unwrap()) {
                faults.push(format!("{name}: evaluators differ\n{difference}"));
            }
            requests += 1;
        }
        effects.dedup();
        let what_is_seen = [
            "A canary for some of the callers",
            "Fields that not everyone sees",
        ];
        if effects.len() < 2 && !what_is_seen.contains(&recipe.heading) {
            faults.push(format!("{}: nothing tells allowed from refused", recipe.heading));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert_eq!((recipes.len(), requests), (21, 74));
}
