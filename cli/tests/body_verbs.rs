//! `accept` and `redact`: bytes in, bytes or a refusal out.

mod common;

use common::Folder;
use serde_json::Value;

const POLICY: &str = r#"gate 1;
quota fair = 5 per 1m by client.ip;
service users on "api.example.com" {
  allow anyone to POST /users as create {
    limit fair;
    accept body max 1KiB strip unknown { name: string max 8; items[].count: int 1..100; }
    redact response { drop password; mask card keep last 4; }
  }
  allow anyone to PUT /users as replace { accept body { name: string; } }
  allow anyone to GET /users as list { redact response { drop password; } }
  allow anyone to GET /free as free;
  deny anyone to GET /never as never;
}
"#;

const VECTORS: &str = r#"{"id": "create", "request": {"method": "POST", "url": "https://api.example.com/users", "client_ip": "192.0.2.1"}}
{"id": "created", "request": {"method": "POST", "url": "https://api.example.com/users", "client_ip": "192.0.2.1", "headers": [["content-type", "application/json"]], "body": "{\"name\":\"a\",\"items\":[]}"}}
{"id": "replace", "request": {"method": "PUT", "url": "https://api.example.com/users", "client_ip": "192.0.2.1"}}
{"id": "text", "request": {"method": "PUT", "url": "https://api.example.com/users", "client_ip": "192.0.2.1", "headers": [["content-type", "text/plain"]]}}
{"id": "list", "request": {"method": "GET", "url": "https://api.example.com/users", "client_ip": "192.0.2.1"}}
{"id": "free", "request": {"method": "GET", "url": "https://api.example.com/free"}}
{"id": "never", "request": {"method": "GET", "url": "https://api.example.com/never"}}
"#;

fn folder() -> Folder {
    Folder::new(&[("users.gate", POLICY), ("users.jsonl", VECTORS)])
}

#[test]
fn accept_writes_what_goes_upstream() {
    let folder = folder();
    for (vector, sent, upstream) in [
        (
            "create",
            r#"{ "name":"a", "role": "admin", "items": [{"count": 1, "sku": 2}] }"#,
            r#"{"name":"a","items":[{"count":1}]}"#,
        ),
        ("replace", r#"{ "name" : "a" }"#, r#"{ "name" : "a" }"#),
        ("free", "anything", "anything"),
    ] {
        let vector = format!("users.jsonl:{vector}");
        let ran = folder.run_with(&["accept", ".", "--vector", &vector], sent.as_bytes());
        assert_eq!(ran.is(0, &[]).out, upstream, "{vector}");
    }
    // Longer than what is read at a time, and an image says the same.
    folder.run(&["compile", ".", "-o", "i"]).is(0, &[]);
    let long = format!(r#"{{"name":"a"{}}}"#, " ".repeat(200_000));
    let ran = folder.run_with(
        &["accept", "i", "--vector", "users.jsonl:replace"],
        long.as_bytes(),
    );
    assert_eq!(ran.is(0, &[]).out, long);
}

#[test]
fn accept_names_the_status_and_the_place() {
    let folder = folder();
    let long = " ".repeat(2_000);
    for (vector, sent, told) in [
        ("replace", "{", "refused: 400 "),
        ("replace", "", "refused: 400 "),
        (
            "replace",
            r#"{"name":1}"#,
            "refused: 422 body_refused: wrong_type at /name",
        ),
        (
            "replace",
            r#"{"name":"a","x":1}"#,
            "refused: 422 body_refused: unknown_field at /x",
        ),
        (
            "replace",
            "{}",
            "refused: 422 body_refused: missing_field at /name",
        ),
        (
            "create",
            r#"{"name":"a","items":[{"count":1},{"count":0}]}"#,
            "out_of_range at /items/1/count",
        ),
        ("create", &long, "refused: 413 too_large"),
        ("text", "{}", "refused: 415 unsupported_media_type"),
        ("never", "{}", "refused: 403 denied_by_rule"),
    ] {
        let vector = format!("users.jsonl:{vector}");
        let ran = folder.run_with(&["accept", ".", "--vector", &vector], sent.as_bytes());
        assert_eq!(ran.is(1, &[told]).out, "", "{vector}");
    }
    let vector = ["accept", "--json", ".", "--vector", "users.jsonl:replace"];
    let ran = folder.run_with(&vector, br#"{"name":"secret","x":1}"#);
    let ran = ran.is(1, &[]);
    let refusal: Value = serde_json::from_str(&ran.err).unwrap();
    assert_eq!(
        (&refusal["status"], &refusal["detail"]),
        (&422.into(), &"unknown_field".into())
    );
    assert_eq!(refusal["problem"]["pointer"], "/x");
    assert!(!ran.err.contains("secret"));
}

#[test]
fn redact_writes_what_the_client_gets() {
    let folder = folder();
    let large = format!(
        r#"[{}{{"password":"p","a":1}}]"#,
        r#"{"a":1,"password":"hidden"},"#.repeat(10_000)
    );
    let shown = format!(r#"[{}{{"a":1}}]"#, r#"{"a":1},"#.repeat(10_000));
    for (vector, args, sent, client) in [
        (
            "created",
            &[][..],
            r#"{"id":1,"password":"x","card":"4111111111111111"}"#,
            r#"{"id":1,"card":"************1111"}"#,
        ),
        ("list", &[], large.as_str(), shown.as_str()),
        (
            "list",
            &["--content-type", "application/x-ndjson", "--status", "404"],
            "{\"password\":1}\n{\"a\":2}\n",
            "{}\n{\"a\":2}\n",
        ),
        ("list", &["--status", "204"], "", ""),
        ("free", &[], "<p>password</p>", "<p>password</p>"),
    ] {
        let vector = format!("users.jsonl:{vector}");
        let args = [&["redact", ".", "--vector", &vector], args].concat();
        assert_eq!(
            folder.run_with(&args, sent.as_bytes()).is(0, &[]).out,
            client,
            "{vector}"
        );
    }
}

#[test]
fn redact_lets_out_nothing_that_it_cannot_read() {
    let folder = folder();
    for (vector, args, sent, told) in [
        (
            "list",
            &[][..],
            "<p>password</p>",
            "refused: 502 response_unreadable: not_json",
        ),
        (
            "list",
            &["--content-type", "text/html"],
            "{}",
            "refused: 502 response_unreadable: media_type",
        ),
        (
            "list",
            &["--status", "206"],
            "{}",
            "refused: 502 response_unreadable: partial_content",
        ),
        ("never", &[], "{}", "refused: 403 denied_by_rule"),
    ] {
        let vector = format!("users.jsonl:{vector}");
        let args = [&["redact", ".", "--vector", &vector], args].concat();
        assert_eq!(
            folder.run_with(&args, sent.as_bytes()).is(1, &[told]).out,
            "",
            "{vector}"
        );
    }
    let cut = format!(
        r#"[{}{{"password":"hidden"#,
        r#"{"a":1,"password":"hidden"},"#.repeat(10_000)
    );
    let ran = folder.run_with(
        &["redact", "--json", ".", "--vector", "users.jsonl:list"],
        cut.as_bytes(),
    );
    let ran = ran.is(1, &[]);
    assert!(ran.out.starts_with(r#"[{"a":1},"#) && !ran.out.contains("hidden"));
    let refusal: Value = serde_json::from_str(&ran.err).unwrap();
    assert_eq!(
        (&refusal["status"], &refusal["reason"]),
        (&502.into(), &"response_unreadable".into())
    );
    // What cannot be asked is an error of usage.
    let needs_body = ["redact", ".", "--vector", "users.jsonl:create"];
    folder
        .run_with(&needs_body, b"{}")
        .is(2, &["no `body`", "users.jsonl"]);
    for verb in ["redact", "accept"] {
        folder
            .run_with(&[verb, ".", "--vector", "-"], b"{}")
            .is(2, &["standard input"]);
        folder
            .run_with(&[verb, ".", "--vector", "users.jsonl:none"], b"{}")
            .is(2, &["no vector `none`"]);
    }
}

/// A vector whose upstream answers so.
fn answered(id: &str, path: &str, upstream: &str, client: &str) -> String {
    format!(
        r#"{{"id": "{id}", "request": {{"method": "GET", "url": "https://api.example.com/{path}"}}, "upstream": {upstream}, "expect": {{"client": {client}}}}}"#
    ) + "\n"
}

const USER: &str = r#"{"status": 200, "headers": [["content-type", "application/json"], ["ETag", "1"]], "body": "{\"a\":1,\"password\":2}"}"#;
const BROKEN: &str =
    r#"{"status": 200, "headers": [["content-type", "application/json"]], "parts": ["{\"a\":1", "}}"]}"#;

#[test]
fn vectors_say_what_the_client_gets() {
    let good = answered(
        "list",
        "users",
        USER,
        r#"{"status": 200, "headers": [["etag", null], ["Content-Type", "application/json"]], "body": "{\"a\":1}", "reset": false}"#,
    ) + &answered(
        "broken",
        "users",
        BROKEN,
        r#"{"reset": true, "body": "{\"a\":1", "reason": "response_unreadable", "detail": "not_json"}"#,
    ) + &answered("free", "free", USER, r#"{"headers": [["etag", "1"]]}"#)
        + &answered(
            "never",
            "never",
            USER,
            r#"{"status": 403, "reason": "denied_by_rule"}"#,
        );
    let folder = Folder::new(&[("users.gate", POLICY), ("users.jsonl", &good)]);
    folder.run(&["test", "."]).is(0, &["4 passed"]);
    let ran = folder.run(&["eval", "."]);
    let ran = ran.is(0, &["4 of 4 as expected"]);
    let lines: Vec<Value> = ran
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines[0]["client"]["body"], r#"{"a":1}"#);
    assert_eq!(
        (&lines[0]["status"], &lines[1]["client"]["reset"]),
        (&200.into(), &true.into())
    );
    assert_eq!(lines[3]["client"]["body"], Value::Null);
    let table = folder.run(&["eval", "--table", "."]);
    assert!(table.is(0, &[]).out.contains("deny 403, client 403"));
    // The response that the vector brings, and another one.
    let vector = ["redact", ".", "--vector", "users.jsonl:list"];
    assert_eq!(folder.run_with(&vector, b"{").is(0, &[]).out, r#"{"a":1}"#);
    let other = [&vector[..], &["--status", "200"]].concat();
    assert_eq!(folder.run_with(&other, br#"{"password":1}"#).is(0, &[]).out, "{}");
    let vector = ["redact", ".", "--vector", "users.jsonl:broken"];
    assert_eq!(
        folder
            .run_with(&vector, b"")
            .is(1, &["502 response_unreadable"])
            .out,
        r#"{"a":1"#
    );
    let vector = ["redact", ".", "--vector", "users.jsonl:never"];
    assert_eq!(
        folder.run_with(&vector, b"").is(1, &["403 denied_by_rule"]).out,
        ""
    );
}

#[test]
fn a_client_that_gets_something_else_is_a_finding() {
    for (client, told) in [
        (r#"{"status": 404}"#, "client.status: expected 404, got 200"),
        (r#"{"body": "{}"}"#, "client.body: expected"),
        (r#"{"body_base64": "e30="}"#, "client.body: expected"),
        (r#"{"body_base64": "/w=="}"#, "client.body_base64: expected"),
        (r#"{"headers": [["etag", "1"]]}"#, "client.headers.etag: expected"),
        (
            r#"{"headers": [["content-type", null]]}"#,
            "client.headers.content-type: expected",
        ),
        (
            r#"{"headers": [["content-type", "application/json"], ["content-type", "text/html"]]}"#,
            "client.headers.content-type: expected",
        ),
        (r#"{"reset": true}"#, "client.reset: expected true"),
        (r#"{"reason": "response_refused"}"#, "client.reason: expected"),
        (r#"{"detail": "not_json"}"#, "client.detail: expected"),
    ] {
        let vector = answered("list", "users", USER, client);
        let folder = Folder::new(&[("users.gate", POLICY), ("users.jsonl", &vector)]);
        let ran = folder.run(&["test", "."]);
        assert!(ran.is(1, &[]).out.contains(told), "{client}");
    }
    let same = answered("list", "users", USER, r#"{"body_base64": "eyJhIjoxfQ=="}"#);
    let folder = Folder::new(&[("users.gate", POLICY), ("users.jsonl", &same)]);
    folder.run(&["test", "."]).is(0, &["1 passed"]);
}

#[test]
fn an_upstream_that_cannot_be_is_named() {
    for (upstream, client, told) in [
        (
            r#"{"status": 100}"#,
            "{}",
            "`upstream.status` is 101 or 200 to 599",
        ),
        (r#"{"body": ""}"#, "{}", "missing field `status`"),
        (
            r#"{"status": 200, "trailers": []}"#,
            "{}",
            "unknown field `trailers`",
        ),
        (
            r#"{"status": 200, "body": "", "parts": []}"#,
            "{}",
            "`upstream` takes one of",
        ),
        (
            r#"{"status": 200, "body_base64": "!"}"#,
            "{}",
            "`upstream.body_base64`",
        ),
        (USER, r#"{"rule": "a"}"#, "`expect.client`: unknown field `rule`"),
        (
            USER,
            r#"{"body": "", "body_base64": ""}"#,
            "`expect.client` takes one of",
        ),
        (
            USER,
            r#"{"headers": [["a", "1"], ["A", null]]}"#,
            "is there and absent",
        ),
        (
            USER,
            r#"{"reason": "tired"}"#,
            "no verdict has the reason `tired`",
        ),
    ] {
        let vector = answered("list", "users", upstream, client);
        let folder = Folder::new(&[("users.gate", POLICY), ("users.jsonl", &vector)]);
        folder.run(&["test", "."]).is(2, &[told]);
    }
    let alone = r#"{"id": "a", "request": {"method": "GET", "url": "https://h/"}, "expect": {"client": {}}}"#;
    let folder = Folder::new(&[("users.gate", POLICY), ("users.jsonl", alone)]);
    folder
        .run(&["test", "."])
        .is(2, &["`expect.client` needs `upstream`"]);
    // A body under an accept comes first.
    let open = r#"{"id": "a", "request": {"method": "PUT", "url": "https://api.example.com/users"}, "upstream": {"status": 200}, "expect": {"client": {}}}"#;
    let folder = Folder::new(&[("users.gate", POLICY), ("users.jsonl", open)]);
    assert!(
        folder
            .run(&["test", "."])
            .is(1, &[])
            .out
            .contains("has no `body`")
    );
}
