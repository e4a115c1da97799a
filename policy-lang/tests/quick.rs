//! The quick way of the parser and the grammar read every text alike: trees, spans and complaints.

use portcullis_lang::parse::{parse, parse_by_grammar};
use portcullis_lang::source::FileId;
use std::path::Path;

const FILE: FileId = FileId(0);

/// Mutants of each text.
const MUTANTS: usize = 20;

/// Pieces that turn a plain statement into one that is not.
const PIECES: [&str; 40] = [
    ";",
    ",",
    "{",
    "}",
    "(",
    ")",
    "[",
    "]",
    "|",
    "/",
    "=",
    "==",
    "<",
    ".",
    "%",
    "\"",
    "'",
    "#",
    "\\",
    " ",
    "\n",
    "not ",
    "and ",
    "or ",
    "when ",
    "in ",
    "has any ",
    "from ",
    "anyone",
    "any",
    "with scope ",
    "1",
    "1.5",
    "30s",
    "true",
    "a/b",
    "é",
    "\u{202e}",
    "/x{y",
    "ignore case",
];

#[track_caller]
fn alike(text: &str) {
    let (quick, grammar) = (parse(FILE, text), parse_by_grammar(FILE, text));
    if quick != grammar {
        // The first statement that differs says more than the whole.
        let pairs = quick.file.items.iter().zip(&grammar.file.items);
        let first = pairs.into_iter().find(|(a, b)| a != b);
        panic!(
            "{text}\n\n{first:#?}\n{:#?}\n{:#?}",
            quick.diagnostics, grammar.diagnostics
        );
    }
}

struct Rng(u64);

impl Rng {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n.max(1)
    }
}

/// Every Gate text below a folder: files, and samples in pages.
fn texts(folder: &Path, out: &mut Vec<String>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let extension = path.extension().and_then(|e| e.to_str());
        if path.is_dir() {
            texts(&path, out);
        } else if extension == Some("gate") {
            out.extend(std::fs::read_to_string(&path));
        } else if extension == Some("md") {
            let page = std::fs::read_to_string(&path).unwrap_or_default();
            let samples = page.split("```gate").skip(1);
            out.extend(samples.map(|s| s.split("```").next().unwrap_or("").to_owned()));
        }
    }
}

fn all() -> Vec<String> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let mut out = Vec::new();
    for folder in ["policy-lang/tests", "policies", "docs", "tests/corpus"] {
        texts(&Path::new(root).join(folder), &mut out);
    }
    assert!(out.len() > 50, "{} texts", out.len());
    out
}

#[test]
fn texts_are_read_alike() {
    all().iter().for_each(|text| alike(text));
}

#[test]
fn broken_texts_are_read_alike() {
    let seed = std::env::var("PORTCULLIS_SEED")
        .ok()
        .and_then(|s| s.parse().ok())
        .unwrap_or(2026);
    println!("seed {seed}");
    let mut rng = Rng(seed);
    for text in all().iter().filter(|text| text.len() < 20_000) {
        for _ in 0..MUTANTS {
            let mut mutant: Vec<char> = text.chars().collect();
            for _ in 0..1 + rng.below(3) {
                let at = rng.below(mutant.len() + 1);
                let end = (at + rng.below(9)).min(mutant.len());
                let piece = PIECES[rng.below(PIECES.len())].chars();
                match rng.below(3) {
                    0 => drop(mutant.drain(at..end)),
                    1 => drop(mutant.splice(at..at, piece)),
                    _ => drop(mutant.splice(at..end, piece)),
                }
            }
            alike(&mutant.into_iter().collect::<String>());
        }
    }
}
