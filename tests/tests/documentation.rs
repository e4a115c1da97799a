//! What the documentation shows is true: every Gate sample checks, every JSON line parses, every path exists.

#![expect(clippy::unwrap_used, reason = "a test that can not set itself up fails")]

use portcullis::decision::{Detail, Reason};
use portcullis_vectors::Vector;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What fragments of documentation may use without declaring it.
const WORLD: &str = r#"gate 1;
issuer corp { url "https://idp.example.com/"; audience "api"; algorithms ES256; keys "corp.jwks.json";
  claims { tenant: string; tier: string = "free"; groups: set = []; } }
keys partners { header "x-api-key"; fields { plan: string; } }
context { order_tenant: string; risk: int; maintenance: bool = false; }
network office = 10.20.0.0/16;
hours business = mon..fri 08:00..18:00 in "Europe/Berlin";
list revoked: string from "revoked.txt";
table plans from "plans.json" { rpm: int; }
principal customer = token from corp;
principal staff = token from corp and "staff" in token.groups;
principal partner = key from partners;
quota per_user = 1000 per 1h by token.sub;
"#;

fn files() -> BTreeMap<String, Vec<u8>> {
    [
        ("corp.jwks.json", "{\"keys\":[]}"),
        ("login.jwks.json", "{\"keys\":[]}"),
        ("i.jwks.json", "{\"keys\":[]}"),
        ("partners.keys", ""),
        ("resellers.keys", ""),
        ("pepper.key", "0123456789abcdef0123456789abcdef"),
        ("hook.secret", "0123456789abcdef0123456789abcdef"),
        ("hook.key", "0123456789abcdef0123456789abcdef"),
        ("salt.key", "0123456789abcdef0123456789abcdef"),
        ("empty.key", ""),
        ("revoked.txt", "x\n"),
        ("banned.txt", "192.0.2.1\n"),
        ("drop.txt", "192.0.2.0/24\n"),
        ("plans.json", "{\"free\":{\"rpm\":5}}"),
        ("limits.json", "{\"free\":{\"rpm\":5,\"active\":true}}"),
    ]
    .map(|(name, text)| (name.to_string(), text.as_bytes().to_vec()))
    .into()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_path_buf()
}

/// Every Markdown file of the project's own documentation, with its text.
fn pages() -> Vec<(PathBuf, String)> {
    let mut out = Vec::new();
    let mut folders = vec![root().join("docs"), root().join("policies")];
    for name in [
        "README.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "benches/README.md",
        "ffi/README.md",
        "ffi/wasm/README.md",
        "ffi/proxy-wasm/examples/envoy/README.md",
        "ffi/proxy-wasm/README.md",
        "ffi/proxy-wasm/examples/nginx/README.md",
    ] {
        out.push(root().join(name));
    }
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "md") {
                out.push(path);
            }
        }
    }
    out.into_iter()
        .map(|p| (p.clone(), std::fs::read_to_string(&p).unwrap()))
        .collect()
}

/// Fenced blocks: info string, text, line.
fn fences(text: &str) -> Vec<(String, String, usize)> {
    let (mut out, mut open): (Vec<(String, String, usize)>, bool) = (Vec::new(), false);
    for (i, line) in text.lines().enumerate() {
        match (line.strip_prefix("```"), open) {
            (Some(info), false) => {
                out.push((info.trim().to_string(), String::new(), i + 1));
                open = true;
            }
            (Some(_), true) => open = false,
            (None, true) => {
                let block = &mut out.last_mut().unwrap().1;
                block.push_str(line);
                block.push('\n');
            }
            (None, false) => {}
        }
    }
    out
}

#[test]
fn every_gate_sample_checks() {
    let mut samples = 0;
    for (page, text) in pages() {
        for (info, sample, line) in fences(&text) {
            let Some(kind) = info.strip_prefix("gate") else {
                continue;
            };
            let policy = match kind.trim() {
                "fragment" => format!("{WORLD}{sample}"),
                "service" => format!("{WORLD}service sample on \"sample.example.com\" {{\n{sample}}}\n"),
                _ => sample,
            };
            let checked = portcullis_lang::check::load_text_with(&policy, &files());
            let place = format!("{}:{line}", page.display());
            match kind.trim().strip_prefix("error=") {
                Some(code) => assert!(
                    checked.diagnostics.iter().any(|d| d.code == code),
                    "{place}: no {code} in {:#?}",
                    checked.diagnostics
                ),
                None => {
                    let shown =
                        portcullis_lang::render::render(&checked.diagnostics, &checked.sources, false);
                    let policy = checked.policy.unwrap_or_else(|| panic!("{place}: {shown}"));
                    assert!(
                        portcullis_compile::compile(&policy).is_ok(),
                        "{place} does not compile"
                    );
                }
            }
            samples += 1;
        }
    }
    assert!(samples >= 20, "only {samples} samples were found");
}

#[test]
fn every_json_sample_is_json() {
    for (page, text) in pages() {
        for (_, sample, line) in fences(&text).into_iter().filter(|f| f.0 == "json") {
            for json in sample.lines() {
                let parsed = serde_json::from_str::<serde_json::Value>(json);
                assert!(parsed.is_ok(), "{}:{line}: {json}", page.display());
            }
        }
    }
}

/// The back-ticked words in the first column of the tables below a heading.
fn first_column(page: &str, heading: &str) -> Vec<String> {
    let page = std::fs::read_to_string(root().join(page)).unwrap();
    let below = page.split(&format!("\n{heading}\n")).nth(1).unwrap();
    let section = below.split("\n#").next().unwrap_or_default();
    let words = |row: &str| -> Vec<String> {
        let cell = row.split('|').nth(1).unwrap_or_default();
        cell.split('`').skip(1).step_by(2).map(str::to_string).collect()
    };
    section.lines().flat_map(words).collect()
}

#[test]
fn every_detail_of_an_invalid_credential_is_documented() {
    let mut documented = first_column("docs/semantics.md", "### Why a credential is invalid");
    documented.sort();
    let mut all: Vec<&str> = Detail::ALL
        .iter()
        .skip_while(|detail| **detail != Detail::AmbiguousCredential)
        .take_while(|detail| **detail != Detail::Tls)
        .map(|detail| detail.code())
        .collect();
    all.sort_unstable();
    assert_eq!(documented, all);
}

#[test]
fn the_reasons_of_vectors_are_those_of_the_engine() {
    let mut documented = first_column("docs/vectors.md", "## Reasons");
    documented.sort();
    let mut all: Vec<&str> = Reason::ALL.iter().map(|reason| reason.code()).collect();
    all.sort_unstable();
    assert_eq!(documented, all);

    let vector = |reason: &str| {
        let text = format!(
            r#"{{"id":"a","request":{{"method":"GET","url":"https://a/"}},"expect":{{"reason":"{reason}"}}}}"#
        );
        serde_json::from_str::<Vector>(&text)
    };
    assert!(Reason::ALL.iter().all(|reason| vector(reason.code()).is_ok()));
    let refused = vector("pending").unwrap_err().to_string();
    assert!(
        refused.contains("no verdict has the reason `pending`"),
        "{refused}"
    );
}

/// Back-ticked words that begin with a folder of the project are paths, and exist.
#[test]
fn every_path_exists() {
    let folders = [
        "policy-lang/",
        "engine/",
        "cli/",
        "ffi/",
        "policies/",
        "tests/",
        "benches/",
        "docs/",
        "xtask/",
        ".ci/",
    ];
    let mut paths = 0;
    for (page, text) in pages() {
        for word in text.split('`').skip(1).step_by(2) {
            let path = word.trim_end_matches('/');
            let plain = !path.contains(['*', ' ', '{', ':']) && folders.iter().any(|f| word.starts_with(f));
            if plain && path != "tests/failures" {
                assert!(
                    root().join(path).exists(),
                    "{}: `{word}` does not exist",
                    page.display()
                );
                paths += 1;
            }
        }
    }
    assert!(paths >= 10, "only {paths} paths were found");
}

/// What the first page shows is a policy with vectors, which the corpus runs through every evaluator.
#[test]
fn the_first_page_shows_a_policy_that_is_tested() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let first = |kind: &str| {
        let sample = fences(&readme).into_iter().find(|fence| fence.0 == kind);
        sample.unwrap_or_else(|| panic!("no {kind}")).1
    };
    let folder = root().join("policies/orders");
    let policy = std::fs::read_to_string(folder.join("orders.gate")).unwrap();
    let vectors = std::fs::read_to_string(folder.join("orders.jsonl")).unwrap();
    assert_eq!(first("gate"), policy);
    assert_eq!(first("json").lines().next(), vectors.lines().next());
    assert!(
        first("json").contains("\"bearer\""),
        "the first request has a token"
    );
}

/// Shell lines call verbs that exist.
#[test]
fn every_command_names_a_verb() {
    const VERBS: [&str; 14] = [
        "check", "fmt", "compile", "image", "inspect", "eval", "explain", "test", "accept", "redact",
        "import", "replay", "apikey", "token",
    ];
    const CHORES: [&str; 10] = [
        "demo", "test", "canary", "fuzz", "licences", "tidy", "bench", "envoy", "plugin", "module",
    ];
    for (page, text) in pages() {
        for (_, sample, line) in fences(&text).into_iter().filter(|f| f.0 == "sh") {
            for command in sample.lines() {
                let words: Vec<&str> = command.split_whitespace().collect();
                let known = match words.as_slice() {
                    ["portcullis", verb, ..] => VERBS.contains(verb),
                    ["cargo", "xtask", chore, ..] => CHORES.contains(chore),
                    _ => true,
                };
                assert!(known, "{}:{line}: {command}", page.display());
            }
        }
    }
}
