//! Callers that the engine verifies itself: API keys by their keyed hashes, signed messages while their bodies go by, and
//! certificates that a proxy tells of; with what a host carries out and what it does not.

#![expect(clippy::unwrap_used, reason = "a test that can not set itself up fails")]

mod keys;
mod messages;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use portcullis::decision::{Effect, Reason};
use portcullis::exchange::Introspection;
use portcullis::{
    Carries, Claim, Credential, Data, DataError, Engine, Exchange, Image, KnownToken, Next, Now, RequestView,
    SignatureFact, Snapshot, Trust, Worker, decide,
};
use portcullis_crypto::{Hash, Secret};

const POLICY: &str = r#"gate 1;
issuer corp { url "https://idp.example.com/"; opaque; claims { tenant: string; groups: set = []; } }
secret pepper from file "pepper.key";
secret old from file "old.key";
secret new from file "new.key";
keys partners { header "x-api-key"; file "partners.keys"; secret pepper; fields { plan: string = "none"; } }
keys staff { header "x-staff-key"; cookie "staff"; file "staff.keys"; secret pepper; }
keys hosted { header "x-hosted-key"; }
signature github { header "x-hub"; hmac sha256 hex prefix "sha256="; over body; secret old, new; }
signature stripe { header "x-signature"; hmac sha256 base64; over "v1:" timestamp "." body "!"; secret new; timestamp header "x-timestamp" within 5m; }
principal partner = key from partners;
principal employee = key from staff;
principal hub = signed by github;
principal shop = signed by stripe;
principal tenant = token from corp and token.tenant == "t1" and "a b" in token.groups;
trust { proxies 10.0.0.0/8; header "x-user" as edge.user: string; }
service api on "api.example.com" {
  allow partner to GET /gold when key.plan == "gold";
  allow partner to GET /none when key.plan == "none";
  allow employee to GET /staff;
  allow hub to POST /hook;
  allow hub to POST /text { accept type "text/plain" max 1KiB; }
  allow shop to POST /shop;
  allow tenant to POST /both when signed by github;
  allow anyone to GET /open;
  allow anyone to GET /set { set request header "x-other" "policy"; }
}
service relaxed on "relaxed.example.com" {
  invalid credentials anonymous;
  allow hub to POST /hook;
  allow anyone to POST /open;
}
"#;

const ALL: Carries = Carries {
    introspection: true,
    charges: true,
    request_body: true,
    response_body: true,
};

const NOW_S: i64 = 1_700_000_000;

const NOW: Now = Now {
    wall_us: Some(NOW_S * 1_000_000),
    mono_us: 0,
};

const PEPPER: &[u8] = b"0123456789abcdef-pepper";
const OLD: &[u8] = b"0123456789abcdef-old";
const NEW: &[u8] = b"0123456789abcdef-new";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn hmac(secret: &[u8], message: &[u8]) -> Vec<u8> {
    let mut hmac = Secret::new(secret).hmac(Hash::Sha256);
    hmac.update(message);
    hmac.finish().as_bytes().to_vec()
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let word =
            chunk.iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for digit in 0..4 {
            let index = (word >> (18 - 6 * digit)) as usize & 63;
            text.push(if digit > chunk.len() {
                '='
            } else {
                char::from(DIGITS[index])
            });
        }
    }
    text
}

fn line(id: &str, key: &str, more: &str) -> String {
    format!(
        "{{\"id\":\"{id}\",\"hash\":\"{}\"{more}}}\n",
        hex(&hmac(PEPPER, key.as_bytes()))
    )
}

type Files = BTreeMap<String, Vec<u8>>;

fn files() -> Files {
    let partners = [
        line("k-1", "pk_gold", r#","fields":{"plan":"gold"}"#),
        line("k-2", "pk_bare", ""),
        line("k-3", "pk_old", r#","expires":"2023-11-14T22:13:20Z""#),
        line("k-4", "pk_new", r#","expires":"2023-11-14T22:13:20.000001Z""#),
        line("k-5", &"x".repeat(1_025), ""),
    ];
    [
        ("pepper.key", [PEPPER, b"\n"].concat()),
        ("old.key", OLD.to_vec()),
        ("new.key", [NEW, b"\r\n"].concat()),
        ("partners.keys", partners.concat().into_bytes()),
        ("staff.keys", line("s-1", "sk_staff", "").into_bytes()),
    ]
    .map(|(name, bytes)| (name.to_string(), bytes))
    .into()
}

fn image() -> Image {
    let checked =
        portcullis_lang::check::load(&[("p.gate".to_string(), POLICY.as_bytes().to_vec())], &files());
    let policy = checked
        .policy
        .unwrap_or_else(|| panic!("{:?}", checked.diagnostics));
    Image::load(&portcullis_compile::compile(&policy).unwrap(), &Trust::Unsigned).unwrap()
}

fn snapshot(files: &Files) -> (Snapshot, Vec<DataError>) {
    let image = image();
    let (data, errors) = Data::load(image.config(), &|name| files.get(name).cloned());
    (Snapshot::new(image, data), errors)
}

fn engine(files: &Files) -> Engine {
    Engine::from(snapshot(files).0)
}

type Lines<'a> = [(&'a [u8], &'a [u8])];

fn view<'a>(method: &'a str, host: &'a str, target: &'a str, headers: &'a Lines<'a>) -> RequestView<'a> {
    RequestView {
        method: method.as_bytes(),
        authority: Some(host.as_bytes()),
        target: target.as_bytes(),
        headers,
        ..RequestView::default()
    }
}

/// Reason and detail of a plain decision.
fn decided(
    snapshot: &Snapshot,
    target: &str,
    headers: &[(&str, &str)],
    now: Now,
) -> (Reason, Option<String>) {
    let lines: Vec<(&[u8], &[u8])> = headers
        .iter()
        .map(|(n, v)| (n.as_bytes(), v.as_bytes()))
        .collect();
    let view = view("GET", "api.example.com", target, &lines);
    let mut worker = Worker::default();
    let decision = decide(snapshot, &view, now, &mut worker);
    (decision.reason, decision.detail.map(str::to_string))
}

fn invalid(detail: &str) -> (Reason, Option<String>) {
    (Reason::InvalidToken, Some(detail.to_string()))
}
