//! The documentation, held to its word: every Gate sample compiles or yields the code it names, every JSON sample
//! parses, every path in back-ticks exists, every command names a verb, and tables are those of the code.
//!
//! Knows Markdown only as fences and back-ticks; how a sample is marked stands in `CONTRIBUTING.md`.

mod gate;
mod markdown;
mod tables;
mod vectors;

use std::path::{Path, PathBuf};

/// The repository's root.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A page by its name relative to the root.
struct Page {
    name: String,
    text: String,
}

/// README and its siblings, and everything below `docs`.
fn pages() -> Vec<Page> {
    let root = root();
    let mut names = Vec::new();
    for folder in ["", "docs", "docs/decision"] {
        for entry in std::fs::read_dir(root.join(folder)).unwrap() {
            let file = entry.unwrap().file_name().into_string().unwrap();
            if file.ends_with(".md") {
                names.push(Path::new(folder).join(file).to_string_lossy().into_owned());
            }
        }
    }
    names.sort();
    let pages: Vec<Page> = names
        .into_iter()
        .map(|name| Page {
            text: std::fs::read_to_string(root.join(&name)).unwrap(),
            name,
        })
        .collect();
    assert!(pages.len() >= 12, "the documentation is there");
    pages
}

/// The first words inside a folder or file name that make a text in back-ticks a path of this repository.
const ROOTS: [&str; 14] = [
    "benches/",
    "cli/",
    "docs/",
    "engine/",
    "ffi/",
    "policies/",
    "policy-lang/",
    "tests/",
    "xtask/",
    ".ci/",
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "deny.toml",
];

#[test]
fn every_path_in_back_ticks_exists() {
    let mut missing = Vec::new();
    for page in pages() {
        for text in markdown::back_ticked(&page.text) {
            let is_path = ROOTS.iter().any(|root| text.starts_with(root))
                && !text.contains(|c: char| c.is_whitespace() || "<>{}()*|$".contains(c))
                && !text.starts_with("tests/failures");
            if is_path && !root().join(&text).exists() {
                missing.push(format!("{}: `{text}`", page.name));
            }
        }
    }
    assert!(missing.is_empty(), "named but not there:\n{}", missing.join("\n"));
}

#[test]
fn every_link_leads_to_a_file() {
    let mut broken = Vec::new();
    for page in pages() {
        let folder = root().join(&page.name).parent().unwrap().to_path_buf();
        for target in markdown::links(&page.text) {
            let file = target.split('#').next().unwrap_or("");
            if !file.is_empty() && !file.contains("://") && !folder.join(file).exists() {
                broken.push(format!("{}: ({target})", page.name));
            }
        }
    }
    assert!(broken.is_empty(), "links to nothing:\n{}", broken.join("\n"));
}

#[test]
fn every_command_names_a_verb() {
    let read = |file: &str| std::fs::read_to_string(root().join(file)).unwrap();
    let (main, args) = (read("xtask/src/main.rs"), read("cli/src/args.rs"));
    let help = main
        .split("Verbs:\n")
        .nth(1)
        .unwrap()
        .split("\";")
        .next()
        .unwrap();
    let chores: Vec<&str> = help.lines().filter_map(|l| l.split_whitespace().next()).collect();
    let verbs: Vec<String> = args
        .split("pub enum Verb {")
        .nth(1)
        .unwrap()
        .split("\n}")
        .next()
        .unwrap()
        .lines()
        .filter_map(|l| l.trim().split_once('('))
        .map(|(name, _)| name.to_ascii_lowercase())
        .collect();
    assert!(
        chores.contains(&"demo") && verbs.iter().any(|v| v == "check"),
        "{chores:?} {verbs:?}"
    );
    let mut unknown = Vec::new();
    let mut seen = 0;
    for page in pages() {
        let fenced = markdown::fences(&page.text)
            .into_iter()
            .filter(|f| f.lang() == "sh");
        let lines: Vec<String> = fenced
            .flat_map(|f| f.text.lines().map(str::to_string).collect::<Vec<_>>())
            .collect();
        for line in lines.into_iter().chain(markdown::back_ticked(&page.text)) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let known = match words.as_slice() {
                ["cargo", "xtask", verb, ..] => chores.contains(verb),
                ["portcullis", verb, ..] if !verb.starts_with('-') => verbs.iter().any(|v| v == verb),
                _ => continue,
            };
            seen += 1;
            if !known {
                unknown.push(format!("{}: {line}", page.name));
            }
        }
    }
    assert!(seen > 10, "commands are found");
    assert!(unknown.is_empty(), "no such verb:\n{}", unknown.join("\n"));
}
