//! `eval`, `explain`, `test` and the command's own descriptions.

mod common;

use common::{Folder, POLICY, VECTORS, garbage};
use serde_json::Value;

#[test]
fn eval_prints_verdicts_and_judges_expectations() {
    let folder = Folder::shop();
    let ran = folder
        .run(&["eval", "."])
        .is(0, &["3 vectors", "2 of 2 as expected"]);
    let effects: Vec<Value> = ran
        .out
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["effect"].clone())
        .collect();
    assert_eq!(effects, ["allow", "deny", "deny"]);
    // An image says the same, byte for byte.
    folder.run(&["compile", ".", "-o", "i"]).is(0, &[]);
    assert_eq!(folder.run(&["eval", "i", "shop.jsonl"]).is(0, &[]).out, ran.out);
    assert_eq!(
        folder
            .run_with(&["eval", "i", "-"], VECTORS.as_bytes())
            .is(0, &[])
            .out,
        ran.out
    );
    folder.write(
        "shop.jsonl",
        VECTORS.replace("\"status\": 403", "\"status\": 200").as_bytes(),
    );
    folder.run(&["eval", "."]).is(
        1,
        &["differs", "shop.jsonl:2: scope", "status: expected 200", "1 of 2"],
    );
}

#[test]
fn broken_vectors_are_counted_and_the_rest_is_decided() {
    let folder = Folder::shop();
    let mut lines = VECTORS.as_bytes().to_vec();
    lines.extend_from_slice(b"{\"id\": \"x\"\n\xff\xfe\n{\"id\": \"y\", \"requst\": {}}\n");
    folder.write("half.jsonl", &lines);
    let ran = folder
        .run(&["eval", ".", "half.jsonl"])
        .is(2, &["half.jsonl:4", "half.jsonl:6", "requst", "3 broken"]);
    assert_eq!(ran.out.lines().count(), 3);
    folder.write("garbage.jsonl", &garbage(1 << 20));
    folder.run(&["eval", ".", "garbage.jsonl"]).is(2, &["0 vectors"]);
    folder
        .run(&["eval", ".", "missing.jsonl"])
        .is(2, &["missing.jsonl"]);
    folder.run(&["eval", "missing", "shop.jsonl"]).is(2, &["missing"]);
}

#[test]
fn explain_names_what_lacked_and_what_decided() {
    let folder = Folder::shop();
    folder
        .run(&["explain", ".", "shop.jsonl:open"])
        .is(0, &["allowed", "granted by", "shop/health"]);
    folder.run(&["explain", ".", "shop.jsonl:scope"]).is(
        1,
        &[
            "insufficient_scope",
            "closest",
            "shop/read",
            "the scope `orders:read`",
            "passes (tried)",
        ],
    );
    folder.run(&["explain", ".", "shop.jsonl:denied"]).is(
        1,
        &[
            "denied by",
            "shop/unlucky (shop.gate:15)",
            "unlucky",
            "condition is true",
            "would pass",
        ],
    );
    let json = folder
        .run(&["explain", "--json", ".", "shop.jsonl:denied"])
        .is(1, &[]);
    let value: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(value["denies"][0]["rule"], "shop/unlucky");
    assert_eq!(value["without_denies"]["reason"], "allowed");
    let inline = VECTORS.lines().next().unwrap();
    folder.run(&["explain", ".", inline]).is(0, &["allowed"]);
    folder
        .run(&["explain", ".", "shop.jsonl"])
        .is(2, &["more than one vector"]);
    folder
        .run(&["explain", ".", "shop.jsonl:nobody"])
        .is(2, &["no vector `nobody`"]);
    folder.run(&["explain", ".", "{}"]).is(2, &["no vector"]);
}

#[test]
fn test_runs_blocks_and_vectors() {
    let folder = Folder::shop();
    folder
        .run(&["test", "."])
        .is(0, &["4 passed, 0 failed", "shop.gate:20", "shop.jsonl:1"]);
    folder.write(
        "shop.gate",
        POLICY.replace("expect deny 403", "expect deny 404").as_bytes(),
    );
    let failed = folder.run(&["test", "."]).is(
        1,
        &["1 failed", "shop.gate:21", "expected status 404, got deny 403"],
    );
    assert!(failed.out.contains("FAILED"));
    folder
        .run(&["test", "--filter", "scope", "."])
        .is(0, &["1 passed"]);
    folder.write(
        "shop.gate",
        POLICY
            .replace("with tag \"read\"", "with tag \"write\"")
            .as_bytes(),
    );
    folder
        .run(&["test", "--json", "."])
        .is(1, &["what binds: tag", "\"failed\":1"]);
    folder.write("shop.gate", b"gate 1; rubbish");
    folder.run(&["test", "."]).is(1, &["does not compile"]);
}

#[test]
fn an_unset_clock_that_decides_is_an_error_and_proofs_never_pass_silently() {
    let policy = r#"gate 1;
service s on "h.example" {
  allow anyone to GET /a when now < 2027-01-01T00:00:00Z;
  allow anyone to GET /b;
}
test "clock" {
  expect deny GET "https://h.example/a";
  expect allow GET "https://h.example/b";
  given now 2026-01-01T00:00:00Z;
  expect allow GET "https://h.example/a";
}
prove "nobody deletes" { never allow DELETE /** on s; }
"#;
    let folder = Folder::new(&[("p.gate", policy)]);
    folder.run(&["test", "."]).is(
        1,
        &[
            "p.gate:7",
            "depends on the time",
            "2 passed, 1 failed",
            "not proved yet",
            "1 proof not proved yet",
        ],
    );
}

#[test]
fn the_command_describes_itself() {
    let folder = Folder::new(&[]);
    folder
        .run(&["--version"])
        .is(0, &["portcullis ", "image format "]);
    folder
        .run(&["--help"])
        .is(0, &["Exit codes", "Examples", "replay", "--color"]);
    for verb in [
        "check", "fmt", "compile", "inspect", "eval", "explain", "test", "apikey", "token", "import",
        "replay", "man",
    ] {
        folder
            .run(&[verb, "--help"])
            .is(0, &["Usage: portcullis", "Examples:"]);
        folder.run(&["man", verb]).is(0, &[".TH"]);
    }
    folder.run(&["man"]).is(0, &[".TH portcullis"]);
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        folder.run(&["completions", shell]).is(0, &["portcullis"]);
    }
    folder.run(&["nonsense"]).is(2, &["nonsense"]);
    let colored = folder.run(&["check", "--color", "always", "."]).is(2, &[]);
    assert!(
        !folder
            .run(&["check", "--color", "never", "."])
            .err
            .contains('\x1b')
    );
    assert!(colored.err.contains('\x1b'));
}

/// A fact that is absent, one of another type, one given twice and a condition that is false read differently, in
/// `explain` and in `closest`.
#[test]
fn why_a_condition_is_not_true_is_told_apart() {
    let folder = Folder::new(&[(
        "p.gate",
        r#"gate 1;
issuer app { url "https://idp.example.com/"; audience "api"; algorithms RS256; claims { verified: bool; level: int; } }
principal user = token from app;
service s on "api.example.com" {
  allow user to GET /claim when token.verified as claim;
  allow anyone to GET /header when request.header["x-plan"] == "gold" as header;
  allow anyone to GET /query when request.query.page matches '[0-9]+' as query;
  allow user to GET /level;
  deny user to GET /level when not token.level >= 3 as level;
}
"#,
    )]);
    let vector = |path: &str, headers: &str, claims: &str| {
        format!(
            r#"{{"id":"a","request":{{"method":"GET","url":"https://api.example.com{path}","headers":[{headers}]}},"token":{{"issuer":"app","claims":{{"sub":"u"{claims}}}}}}}"#
        )
    };
    let once = r#"["x-plan","free"]"#;
    let twice = r#"["x-plan","gold"],["x-plan","free"]"#;
    for (path, headers, claims, says, state) in [
        ("/claim", "", "", "`token.verified` is absent", Some("absent")),
        (
            "/claim",
            "",
            r#","verified":"true""#,
            "was sent, but is no value of its type",
            Some("ill_typed"),
        ),
        (
            "/claim",
            "",
            r#","verified":false"#,
            "`token.verified` to be true; it is false",
            None,
        ),
        ("/header", "", "", "is absent", Some("absent")),
        ("/header", twice, "", "was given more than once", Some("twice")),
        ("/header", once, "", "to be true; it is false", None),
        (
            "/query?page=1&page=2",
            "",
            "",
            "was given more than once",
            Some("twice"),
        ),
    ] {
        let vector = vector(path, headers, claims);
        folder.run(&["explain", ".", &vector]).is(1, &[says]);
        folder.write("v.jsonl", vector.as_bytes());
        let out = folder.run(&["eval", ".", "v.jsonl"]).out;
        let verdict: serde_json::Value = serde_json::from_str(&out).unwrap();
        let is = &verdict["closest"][0]["lacks"][1]["is"];
        assert_eq!(is.as_str(), state, "{vector}: {out}");
    }
    for (claims, says) in [
        ("", "`token.level` is absent"),
        (
            r#","level":"3""#,
            "`token.level` was sent, but is no value of its type",
        ),
        (r#","level":2"#, "its condition is true"),
    ] {
        folder
            .run(&["explain", ".", &vector("/level", "", claims)])
            .is(1, &["denied by", says]);
    }
}

/// A body that a test gives is judged: it passes an `accept` that takes it, and none that does not.
#[test]
fn the_body_of_a_test_is_judged() {
    let folder = Folder::new(&[(
        "p.gate",
        r#"gate 1;
quota fair = 5 per 1m by client.ip;
service s on "api.example.com" {
  allow anyone to POST /users as create { limit fair; accept body max 1KiB { name: string; } }
  allow anyone to POST /free as free;
}
test "no json" { given body "not json"; expect allow POST "https://api.example.com/users"; }
test "said no json" { given body "not json"; expect deny 400 POST "https://api.example.com/users"; }
test "no name" { given body "{}"; expect allow POST "https://api.example.com/users"; }
test "said no name" { given body "{}"; expect deny 422 POST "https://api.example.com/users"; }
test "no json type" {
  given header "content-type" "text/plain", body "{\"name\":\"a\"}";
  expect deny 415 POST "https://api.example.com/users";
}
test "a name" { given body "{\"name\":\"a\"}"; expect allow POST "https://api.example.com/users" by create; }
test "no accept" {
  given body "{}";
  expect allow POST "https://api.example.com/free";
  expect deny 404 POST "https://api.example.com/other";
}
test "everything before it" { expect allow POST "https://api.example.com/users" by create; }
"#,
    )]);
    let long = format!("{{\"name\":\"{}\"}}", "x".repeat(1_100)).replace('"', "\\\"");
    let vector = |id: &str, body: &str, expect: &str| {
        format!(
            r#"{{"id": "{id}", "request": {{"method": "POST", "url": "https://api.example.com/users", "client_ip": "192.0.2.1", "headers": [["content-type", "application/json"]]{body}}}, "expect": {{{expect}}}}}
"#
        )
    };
    let vectors = [
        vector("refused", r#", "body": "[]""#, r#""effect": "allow""#),
        vector("without", "", r#""effect": "allow""#),
        vector("good", r#", "body": "{\"name\":\"a\"}""#, r#""effect": "allow""#),
        vector(
            "large",
            &format!(r#", "body": "{long}""#),
            r#""status": 413, "reason": "too_large""#,
        ),
        vector(
            "extra",
            r#", "body": "{\"name\":\"a\",\"b\":1}""#,
            r#""status": 422, "detail": "unknown_field""#,
        ),
    ];
    folder.write("v.jsonl", vectors.concat().as_bytes());
    folder.run(&["test", "."]).is(
        1,
        &[
            "no json: allow",
            "expected allow, got deny 400",
            "no name: allow",
            "expected allow, got deny 422",
            "refused: POST",
            "11 passed, 3 failed",
        ],
    );
    let told = folder
        .run(&["eval", ".", "v.jsonl"])
        .is(1, &["differs", "4 of 5 as expected"]);
    assert_eq!(
        told.out
            .lines()
            .filter(|line| line.contains("\"status\":422"))
            .count()
            + told
                .out
                .lines()
                .filter(|line| line.contains("\"status\": 422"))
                .count(),
        2
    );
}
