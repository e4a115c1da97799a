//! Whatever Envoy makes of a path before its filters, with each of its settings: what it forwards afterwards is what
//! the plugin decided, and no spelling of what is closed comes through.

use portcullis_tests::corpus::{self, CorpusCase};
use portcullis_tests::counts;
use portcullis_tests_envoy::config::{self, Normalise};
use portcullis_tests_envoy::process::{Envoy, Folder};
use portcullis_tests_envoy::upstream::Upstream;
use portcullis_vectors::{Vector, parse_line};

use crate::case::{Case, Outcome};
use crate::verdict::unlogged;

const ESCAPED: [&str; 4] = [
    "KEEP_UNCHANGED",
    "REJECT_REQUEST",
    "UNESCAPE_AND_REDIRECT",
    "UNESCAPE_AND_FORWARD",
];

/// All spellings of one row of the catalogue, and below each the closed subtree, on hosts that relax one rule each.
fn spellings() -> Vec<Vector> {
    let hosts = ["h.example", "merge.example", "slash.example", "params.example"];
    let ways = [
        "",
        "/.",
        "/",
        "/open/..",
        "/open/%2e%2e",
        "/open/.%2E",
        "/open%2f..",
        "/open%2F%2e%2e",
        "/open%5c..",
        "/open\\..",
        "/open;x/..",
        "/open//..",
        "/open/%252e%252e",
    ];
    let names = [
        "/admin",
        "/%61dmin",
        "/admin/",
        "/admin//x",
        "/admin%2fx",
        "/admin;v=1/x",
        "%2fadmin",
        "%5Cadmin",
    ];
    let mut out = Vec::new();
    for host in hosts {
        for (w, way) in ways.iter().enumerate() {
            for (n, name) in names.iter().enumerate() {
                let line = serde_json::json!({
                    "id": format!("{host}-{w}-{n}"),
                    "request": {"method": "GET", "target": format!("{way}{name}"), "authority": host},
                });
                out.push(parse_line(&line.to_string()).unwrap());
            }
        }
    }
    out
}

/// The rows of the path group that share its policy, as one case.
fn paths() -> CorpusCase {
    let rows = corpus::hostile()
        .unwrap()
        .into_iter()
        .filter(|case| case.name.starts_with("hostile/path/"));
    let mut rows: Vec<CorpusCase> = rows.filter(|case| !case.refused).collect();
    let shared = std::fs::read(corpus::root().join("tests/corpus/hostile/path/policy.gate")).unwrap();
    rows.retain(|case| case.gate_files.iter().all(|(_, text)| *text == shared));
    let vectors: Vec<Vector> = rows
        .iter()
        .flat_map(|case| case.vectors.clone())
        .chain(spellings())
        .collect();
    CorpusCase {
        vectors,
        ..rows.swap_remove(0)
    }
}

#[test]
fn what_is_forwarded_is_what_was_decided_with_every_path_setting() {
    let upstream = Upstream::start(true).unwrap();
    let folder = Folder::new().unwrap();
    let all = paths();
    let mut settings = Vec::new();
    for escaped in ESCAPED {
        for (path, slashes) in [(false, false), (false, true), (true, false), (true, true)] {
            settings.push(Normalise {
                path,
                slashes,
                escaped,
            });
        }
    }
    let cases: Vec<(Normalise, Case)> = settings
        .into_iter()
        .enumerate()
        .map(|(number, normalise)| {
            let named = CorpusCase {
                name: format!("paths-{number}"),
                ..all.clone()
            };
            (normalise, Case::new(&named, "https", &folder.path("")))
        })
        .collect();
    let listeners: Vec<_> = cases
        .iter()
        .flat_map(|(normalise, case)| case.listeners(*normalise, &upstream))
        .collect();
    let envoy = Envoy::start(folder, &config::envoy(&listeners, &[upstream.address()]), 2).unwrap();
    let (mut wrong, mut lines) = (Vec::new(), Vec::new());
    let (mut decided, mut by_envoy, mut rewritten) = (0, 0, 0);
    for (normalise, case) in &cases {
        for vector in &all.vectors {
            match case.run(vector, &upstream, &mut lines) {
                Err(lines) => wrong.extend(
                    lines
                        .into_iter()
                        .map(|l| format!("{normalise:?} {}: {l}", vector.id)),
                ),
                Ok(Outcome::NotCarried(why)) => wrong.push(format!("{}: not carried: {why}", vector.id)),
                Ok(Outcome::RefusedByEnvoy) => by_envoy += 1,
                Ok(Outcome::Decided(change)) => {
                    decided += 1;
                    rewritten += u64::from(change.is_some());
                }
            }
        }
    }
    wrong.extend(unlogged(&lines, &envoy.log().unwrap()));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    println!(
        "{decided} decided, {rewritten} of them on a path that Envoy had changed, {by_envoy} refused by Envoy"
    );
    assert!(rewritten > 0 && by_envoy > 0, "the settings did nothing");
    counts::executed("envoy_paths", decided).unwrap();
}
