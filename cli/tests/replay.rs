//! `replay`: what it counts, and that what it calls certain is certain.

// Helpers of tests may fail their test.
#![allow(clippy::unwrap_used)]

mod common;

use std::io::Write as _;

use common::{Folder, POLICY, garbage};
use portcullis::decision::Effect;
use portcullis::{Credential, Data, Image, Now, RequestView, Snapshot, Worker, decide};
use portcullis_cli::replay::judge::{Assumptions, Judge, Outcome};
use portcullis_cli::replay::line;
use portcullis_lang::check;
use serde_json::Value;

const LOG: &str = r#"192.0.2.9 - - [17/May/2015:10:05:03 +0000] "GET /v1/health HTTP/1.1" 200 12 "-" "x"
192.0.2.9 - - [17/May/2015:10:05:03 +0000] "GET /v1/orders/42 HTTP/1.1" 200 12 "-" "x"
192.0.2.9 - - [17/May/2015:10:05:03 +0000] "GET /v1/orders/13 HTTP/1.1" 200 12
this is no line
192.0.2.9 - - [17/May/2015:10:05:03 +0000] "GET /wp-admin/ HTTP/1.1" 404 12
192.0.2.9 - - [17/May/2015:10:05:03 +0000] "GET /v1/%2e%2e/%2fetc HTTP/1.1" 404 12
"#;

fn counts(json: &str) -> [u64; 4] {
    let value: Value = serde_json::from_str(json).unwrap();
    ["allowed", "denied", "cannot_tell", "broken"].map(|name| value[name].as_u64().unwrap())
}

#[test]
fn lines_are_allowed_denied_or_cannot_be_told() {
    let folder = Folder::shop();
    folder.write("a.log", LOG.as_bytes());
    let strict = folder
        .run(&["replay", ".", "a.log", "--json"])
        .is(0, &["a.log:4"]);
    assert_eq!(counts(&strict.out), [0, 3, 2, 1]);
    let lenient = folder
        .run(&["replay", ".", "a.log", "--assume-valid-credentials", "--json"])
        .is(0, &[]);
    assert_eq!(counts(&lenient.out), [1, 3, 1, 1]);
    let shown = folder.run(&["replay", ".", "a.log", "--each"]).is(
        0,
        &[
            "cannot tell",
            "shop/unlucky",
            "no_service",
            "malformed encoded_slash",
            "token from corp",
            "token.scope",
        ],
    );
    assert!(shown.out.contains("a.log:3 denied shop/unlucky"), "{shown:#?}");
    // An image knows its routes and no more.
    folder.run(&["compile", ".", "-o", "i"]).is(0, &[]);
    let image = folder
        .run(&["replay", "i", "a.log", "--host", "api.example.com", "--json"])
        .is(0, &[]);
    assert_eq!(counts(&image.out), [0, 2, 3, 1]);
    folder.run(&["replay", "i", "a.log"]).is(2, &["--host"]);
}

#[test]
fn packed_logs_json_lines_and_rubbish() {
    let folder = Folder::shop();
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(LOG.as_bytes()).unwrap();
    folder.write("a.log.gz", &packed.finish().unwrap());
    let ran = folder.run(&["replay", ".", "a.log.gz", "--json"]).is(0, &[]);
    assert_eq!(counts(&ran.out), [0, 3, 2, 1]);
    let json = br#"{"request": "GET /v1/health HTTP/1.1", "host": "api.example.com", "scheme": "https"}
{"request": "GET /v1/health HTTP/1.1", "host": "elsewhere.example"}
{"no": "request"}
"#;
    let ran = folder
        .run_with(
            &["replay", ".", "-", "--assume-valid-credentials", "--json"],
            json,
        )
        .is(0, &[]);
    assert_eq!(counts(&ran.out), [1, 1, 0, 1]);
    folder.write("garbage.log", &garbage(1 << 20));
    folder.run(&["replay", ".", "garbage.log"]).is(2, &["skipped"]);
    folder.write("long.log", &vec![b'x'; 3 << 20]);
    folder
        .run(&["replay", ".", "long.log"])
        .is(2, &["longer than", "1 broken line"]);
    folder
        .run(&["replay", ".", "missing.log"])
        .is(2, &["missing.log"]);
    let two = POLICY.replace(
        "on \"api.example.com\"",
        "on \"api.example.com\", \"b.example.com\"",
    );
    folder.write("shop.gate", two.as_bytes());
    folder.write("a.log", LOG.as_bytes());
    folder.run(&["replay", ".", "a.log"]).is(2, &["--host"]);
}

/// A policy that reads most kinds of facts a log lacks, and some that it holds.
const OPEN: &str = r#"gate 1;
issuer corp { url "https://idp.example.com/"; audience "a"; algorithms ES256; keys "k.json"; claims { tier: string = "free"; } }
context { risk: int; maintenance: bool = false; }
network office = 10.0.0.0/8;
principal user = token from corp;
quota per_user = 5 per 1s by token.sub;
quota per_ip = 5 per 1s by client.ip;
service s on "h.example" {
  invalid credentials anonymous;
  allow anyone to GET /open { limit per_ip; }
  allow anyone to GET /keyed { limit per_user; }
  allow user to GET /user with scope "r";
  allow anyone to GET /plain when not exists token;
  allow anyone to GET /either when context.risk > 5 or client.ip in office;
  allow anyone to GET /both when context.risk > 5 and client.ip in office;
  deny anyone to any /either when request.header["user-agent"] like "**bot**";
  deny anyone to any /open when context.maintenance and not client.ip in office;
  allow anyone to GET /dated when now < 2020-01-01T00:00:00Z;
  allow anyone to GET /ticket when request.query.t == "1";
  on GET /ticket when context.risk > 5 { accept query { t: string; } }
  allow anyone to POST /upload { accept body { a: int; } }
  on GET /secure/** { require tls; require sni == host; }
  allow anyone to GET /secure/a;
  deny anyone to any /tier when token.tier == "free";
  allow anyone to GET /tier;
  allow anyone to GET /strict when context.risk > 5 { accept query { t: string; } }
  allow anyone to GET /strict;
}
"#;

#[test]
fn certain_means_every_completion() {
    let files = std::collections::BTreeMap::from([("k.json".to_string(), b"{\"keys\":[]}".to_vec())]);
    let checked = check::load_text_with(OPEN, &files);
    let policy = checked
        .policy
        .unwrap_or_else(|| panic!("{:#?}", checked.diagnostics));
    let snapshot = |policy: &_| {
        let image = Image::load(
            &portcullis_compile::compile(policy).unwrap(),
            &portcullis::Trust::Unsigned,
        )
        .unwrap();
        let data = Data::empty(image.config());
        Ok(Snapshot::new(image, data))
    };
    let real = snapshot(&policy).unwrap_or_else(|e: portcullis_cli::CliError| panic!("{e}"));
    let assumptions = Assumptions {
        host: Some("h.example".into()),
        ..Assumptions::default()
    };
    let mut judge = Judge::new(&policy, assumptions, Box::new(snapshot)).unwrap();
    let mut worker = Worker::default();
    let (mut allowed, mut denied, mut open) = (0, 0, 0);
    let paths = "/open /keyed /user /plain /either /both /dated /ticket /ticket?t=1 /ticket?t=1&u=2 /upload \
                 /secure/a /tier /strict /strict?u=1 /nowhere /%2f";
    for path in paths.split_whitespace() {
        for method in ["GET", "POST", "DELETE"] {
            for ip in ["10.1.1.1", "192.0.2.1", "client.example"] {
                for agent in ["-", "robot", "mozilla"] {
                    for year in ["2015", "2024", "none"] {
                        let text = format!(
                            "{ip} - - [17/May/{year}:10:05:03 +0000] \"{method} {path} HTTP/1.1\" 200 1 \"-\" \"{agent}\""
                        );
                        let entry = line::parse(text.as_bytes()).unwrap();
                        let judgement = judge.judge(&entry).unwrap();
                        let effects = completions(&entry, &real, &mut worker);
                        match judgement.outcome {
                            Outcome::Allowed { .. } => {
                                allowed += 1;
                                assert!(effects.iter().all(|e| *e == Effect::Allow), "{text}");
                            }
                            Outcome::Denied { .. } => {
                                denied += 1;
                                assert!(effects.iter().all(|e| *e == Effect::Deny), "{text}");
                            }
                            Outcome::CannotTell { because, .. } => {
                                open += 1;
                                assert!(!because.is_empty(), "{text}");
                            }
                        }
                    }
                }
            }
        }
    }
    assert!(
        allowed > 20 && denied > 500 && open > 100,
        "{allowed} {denied} {open}"
    );
}

/// Effects of requests that would have left this line in the log.
fn completions(entry: &line::Entry, snapshot: &Snapshot, worker: &mut Worker) -> Vec<Effect> {
    let tokens = [
        Credential::FromHeaders,
        Credential::Verified {
            issuer: "corp",
            claims: br#"{"sub":"u","scope":"r"}"#,
        },
        Credential::Verified {
            issuer: "corp",
            claims: br#"{"sub":"u","scope":"w","tier":"pro"}"#,
        },
        Credential::Invalid {
            issuer: "corp",
            fault: "expired",
        },
    ];
    let contexts: [&[u8]; 4] = [
        b"",
        br#"{"risk":9}"#,
        br#"{"risk":1,"maintenance":true}"#,
        br#"{"risk":"x"}"#,
    ];
    let agent = entry
        .headers
        .iter()
        .find(|(n, _)| n == "user-agent")
        .map(|(_, v)| v.as_slice());
    let agents: Vec<Option<&[u8]>> = match agent {
        Some(agent) => vec![Some(agent)],
        None => vec![None, Some(b"-")],
    };
    let addresses = match entry.client_ip {
        Some(ip) => vec![Some(ip)],
        None => vec!["10.1.1.1".parse().ok(), "192.0.2.1".parse().ok()],
    };
    let nows = match entry.time_us {
        Some(now) => vec![Some(now)],
        None => vec![Some(0), Some(1_800_000_000_000_000), None],
    };
    let mut effects = Vec::new();
    for credential in &tokens {
        for context in contexts {
            for agent in &agents {
                for socket_peer in &addresses {
                    for wall_us in &nows {
                        for scheme in [b"https" as &[u8], b"http"] {
                            for sni in [None, Some(b"h.example" as &[u8])] {
                                let headers: Vec<(&[u8], &[u8])> =
                                    agent.iter().map(|a| (b"user-agent" as &[u8], *a)).collect();
                                let request = RequestView {
                                    method: &entry.method,
                                    scheme,
                                    authority: Some(b"h.example"),
                                    target: &entry.target,
                                    headers: &headers,
                                    socket_peer: *socket_peer,
                                    sni,
                                    credential: credential.clone(),
                                    context,
                                    ..RequestView::default()
                                };
                                let now = Now {
                                    wall_us: *wall_us,
                                    mono_us: 0,
                                };
                                effects.push(decide(snapshot, &request, now, worker).effect);
                            }
                        }
                    }
                }
            }
        }
    }
    effects
}
