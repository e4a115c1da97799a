//! `test` on vectors with a sequence: the built binary counts quotas and penalties over time.

mod common;

use common::Folder;

const POLICY: &str = r#"gate 1;
service s on "api.example.com" {
  allow anyone to GET /a;
  on GET /a { limit 2 per 1m by client.ip; }
  block by client.ip for 10m when denied more than 1 per 1h;
}
"#;

/// A vector of one client that asks for a path at these times.
fn vector(path: &str, moments: &str) -> String {
    format!(
        r#"{{"id": "seq", "request": {{"method": "GET", "url": "https://api.example.com{path}", "client_ip": "203.0.113.7"}}, "sequence": [{moments}]}}"#
    )
}

#[test]
fn quotas_hold_over_a_sequence() {
    let moments = r#"{"at": "0s", "expect": {"status": 200}}, {"at": "0s", "expect": {"effect": "allow"}},
        {"at": "29999999us", "expect": {"status": 429, "reason": "quota_exceeded"}},
        {"at": "29999999us", "client_ip": "203.0.113.8", "expect": {"status": 200}},
        {"at": "30s", "expect": {"status": 200}}, {"at": "30s", "expect": {"status": 429}}"#
        .replace('\n', " ");
    let folder = Folder::new(&[("a.gate", POLICY), ("v.jsonl", &vector("/a", &moments))]);
    folder.run(&["test", "."]).is(0, &["1 passed"]);
    let wrong = moments.replace("429}", "200}");
    folder.write("v.jsonl", vector("/a", &wrong).as_bytes());
    folder
        .run(&["test", "."])
        .is(1, &["at 30000000us", "status: expected 200, got 429"]);
}

#[test]
fn penalties_hold_over_a_sequence() {
    let moments = r#"{"at": "0s", "expect": {"reason": "no_route"}}, {"at": "0s", "expect": {"reason": "no_route"}}, {"at": "599s", "expect": {"status": 403, "reason": "blocked"}}, {"at": "10m", "expect": {"reason": "no_route"}}"#;
    let folder = Folder::new(&[("a.gate", POLICY), ("v.jsonl", &vector("/b", moments))]);
    folder.run(&["test", "."]).is(0, &["1 passed"]);
}

#[test]
fn a_sequence_that_goes_back_or_has_no_unit_is_broken() {
    for (moments, problem) in [
        (
            r#"{"at": "2s", "expect": {}}, {"at": "1s", "expect": {}}"#,
            "no earlier",
        ),
        (r#"{"at": "2", "expect": {}}"#, "is no time"),
    ] {
        let folder = Folder::new(&[("a.gate", POLICY), ("v.jsonl", &vector("/a", moments))]);
        let ran = folder.run(&["test", "."]);
        assert!(format!("{ran:?}").contains(problem), "{ran:#?}");
    }
}
