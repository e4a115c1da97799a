//! The documented example responses of the GitHub API, through its imported policy with a guard that hides secrets: what
//! the client gets is what a reader of the whole tree would have left of each.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

use std::collections::BTreeMap;
use std::io::Read as _;

use portcullis::exchange::ChargeOutcome;
use portcullis::{Carries, Exchange, Next, ResponseNext, Worker};
use portcullis_bridge::OwnedRequest;
use portcullis_tests::bridge::Subject;
use portcullis_tests::corpus;
use portcullis_vectors::Vector;
use serde_json::Value;

/// Members that hold what is secret, or personal.
const GUARD: &str = r#"gate 1;
guard privacy {
  on any /** {
    redact response { drop **.client_secret; drop **.pem; drop **.token; drop **.hashed_token; mask **.email; replace **.url with "-"; }
  }
}
"#;

const CARRIES: Carries = Carries {
    introspection: false,
    charges: true,
    request_body: true,
    response_body: true,
};

/// Slowly and obviously what the guard says.
fn redacted(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(redacted).collect(),
        Value::Object(members) => {
            let kept = members.iter().filter_map(|(name, value)| {
                let value = match (name.as_str(), value) {
                    ("client_secret" | "pem" | "token" | "hashed_token", _) => return None,
                    ("url", _) => Value::from("-"),
                    ("email", Value::Array(_) | Value::Object(_)) => return None,
                    ("email", Value::String(text)) => "*".repeat(text.chars().count()).into(),
                    ("email", other) => "*".repeat(other.to_string().len()).into(),
                    _ => redacted(value),
                };
                Some((name.clone(), value))
            });
            Value::Object(kept.collect())
        }
        other => other.clone(),
    }
}

/// Each operation's documented response bodies, by the name of its rule.
fn examples() -> BTreeMap<String, Vec<Value>> {
    let packed = std::fs::read(corpus::root().join("policies/github/github.openapi.json.gz")).unwrap();
    let mut text = String::new();
    flate2::read::GzDecoder::new(&packed[..])
        .read_to_string(&mut text)
        .unwrap();
    let document: Value = serde_json::from_str(&text).unwrap();
    let mut all: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for operation in document["paths"]
        .as_object()
        .unwrap()
        .values()
        .flat_map(|path| path.as_object().unwrap().values())
    {
        let Some(id) = operation["operationId"].as_str() else {
            continue;
        };
        let rule = id.replace(|c: char| !c.is_ascii_alphanumeric(), "_");
        for response in operation["responses"].as_object().unwrap().values() {
            let content = &response["content"]["application/json"];
            let one = content.get("example").cloned();
            let named = content["examples"].as_object();
            let more = named
                .into_iter()
                .flat_map(|named| named.values().map(|example| example["value"].clone()));
            all.entry(rule.clone())
                .or_default()
                .extend(one.into_iter().chain(more));
        }
    }
    all
}

/// What the client of an allowed request gets of a response, cut into parts.
fn answer(subject: &Subject, worker: &mut Worker, vector: &Vector, body: &[u8], part: usize) -> Vec<u8> {
    let request = OwnedRequest::from_vector(vector).unwrap();
    let mut exchange = Exchange::new();
    request.with_view(|view| {
        subject
            .engine()
            .begin(&mut exchange, worker, view, CARRIES, request.now());
    });
    if let Next::Charge(charges) = exchange.next() {
        let admitted = ChargeOutcome {
            admitted: true,
            remaining: 1,
            reset_us: 1,
        };
        let outcomes = vec![admitted; charges.iter().len()];
        exchange.charged(outcomes.into_iter()).unwrap();
    }
    // What is sent to the operation is not what this is about.
    if matches!(exchange.next(), Next::ReadBody { .. }) {
        return Vec::new();
    }
    assert!(matches!(exchange.next(), Next::Forward(_)), "{}", vector.id);
    let head: [(&[u8], &[u8]); 1] = [(b"content-type", b"application/json; charset=utf-8")];
    let next = exchange.response_head(Some(200), Some(&head)).unwrap();
    assert!(matches!(next, ResponseNext::Stream(_)), "{}", vector.id);
    let mut sent = Vec::new();
    for chunk in body.chunks(part) {
        let next = exchange.response_body(worker, chunk, false, &mut sent).unwrap();
        assert!(matches!(next, ResponseNext::Stream(_)), "{}", vector.id);
    }
    let next = exchange.response_body(worker, b"", true, &mut sent).unwrap();
    assert!(matches!(next, ResponseNext::Pass(_)), "{}", vector.id);
    sent
}

#[test]
fn documented_responses_of_github_lose_what_the_guard_hides_and_nothing_else() {
    let policies = corpus::policies().unwrap();
    let mut case = policies
        .into_iter()
        .find(|case| case.name == "policies/github")
        .unwrap();
    case.gate_files.push(("privacy.gate".into(), GUARD.into()));
    let checked = case.check();
    let policy = checked
        .policy
        .unwrap_or_else(|| panic!("{:?}", checked.diagnostics));
    let subject = Subject::compile(&policy, &case.files).unwrap();
    let (mut worker, examples) = (Worker::default(), examples());
    let (mut read, mut changed) = (0, 0);
    for vector in &case.vectors {
        for example in examples.get(&vector.id).into_iter().flatten() {
            let body = serde_json::to_vec_pretty(example).unwrap();
            let whole = answer(&subject, &mut worker, vector, &body, body.len().max(1));
            if whole.is_empty() {
                continue;
            }
            assert_eq!(
                whole,
                answer(&subject, &mut worker, vector, &body, 7),
                "{}",
                vector.id
            );
            let left: Value = serde_json::from_slice(&whole).unwrap();
            assert_eq!(left, redacted(example), "{}", vector.id);
            read += 1;
            changed += u32::from(left != *example);
        }
    }
    assert!(read >= 250 && changed >= 150, "{read} {changed}");
}
