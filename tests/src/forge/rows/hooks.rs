//! Signatures of webhooks and API keys, right ones and forged ones -> rows that are this corpus's own.

use super::{NOW, Outcome as _, Row, get};
use crate::forge::key::{Key, hmac_hex};
use base64::Engine as _;
use portcullis_vectors::Vector;
use serde_json::json;

const HOOK_NEW: &[u8] = b"PLANTED-new secret of the webhooks in tests";
const HOOK_OLD: &[u8] = b"PLANTED-old secret of the webhooks in tests";

const PEPPER: &[u8] = b"PLANTED-pepper of the API keys in tests";

pub(super) fn rows() -> Vec<Row> {
    vec![plain_hooks(), stamped_hooks(), api_keys()]
}

/// Secrets beside the policy, by name.
pub(super) fn files() -> Vec<(&'static str, String)> {
    let text = |bytes: &[u8]| format!("{}\n", String::from_utf8_lossy(bytes));
    vec![
        ("hook-new.key", text(HOOK_NEW)),
        ("hook-old.key", text(HOOK_OLD)),
        ("pepper.key", text(PEPPER)),
        ("partners.keys", key_file()),
    ]
}

fn post(id: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Vector {
    let mut vector = get(id, path, headers);
    vector.request.method = "POST".to_string();
    vector.request.body = Some(body.to_string());
    vector
}

const BODY: &str = r#"{"action":"opened","number":1}"#;

fn plain_hooks() -> Row {
    let sent = |id: &str, value: &str| post(id, "/hook", &[("x-hub-signature-256", value)], BODY);
    let signed = |secret: &[u8], body: &str| format!("sha256={}", hmac_hex(secret, body.as_bytes()));
    let right = signed(HOOK_NEW, BODY);
    let (hex, half) = (right.trim_start_matches("sha256="), &right[..39]);
    Row {
        name: "V03",
        about: "webhooks: a MAC of the body, under either secret while they rotate",
        vectors: vec![
            sent("V03-other-secret", &signed(b"guessed", BODY)).refused("bad_signature"),
            sent("V03-other-body", &signed(HOOK_NEW, "{}")).refused("bad_signature"),
            sent(
                "V03-line-end-in-the-secret",
                &signed(&[HOOK_NEW, b"\n"].concat(), BODY),
            )
            .refused("bad_signature"),
            sent("V03-zeros", &format!("sha256={}", "0".repeat(64))).refused("bad_signature"),
            post("V03-no-body", "/hook", &[("x-hub-signature-256", &right)], "").refused("bad_signature"),
            sent("V03-no-prefix", hex).refused("malformed_credential"),
            sent("V03-other-prefix", &format!("sha1={hex}")).refused("malformed_credential"),
            sent("V03-prefix-case", &format!("SHA256={hex}")).refused("malformed_credential"),
            sent("V03-half", half).refused("malformed_credential"),
            sent("V03-prefix-alone", "sha256=").refused("malformed_credential"),
            sent("V03-no-hex", &right.replace(|c: char| c.is_ascii_digit(), "g"))
                .refused("malformed_credential"),
            sent("V03-empty", "").refused("malformed_credential"),
            post(
                "V03-two",
                "/hook",
                &[("x-hub-signature-256", &right), ("x-hub-signature-256", &right)],
                BODY,
            )
            .refused("ambiguous_credential"),
            sent("V03-twin", &right).allowed("hook"),
            sent(
                "V03-twin-upper-case",
                &format!("sha256={}", hex.to_ascii_uppercase()),
            )
            .allowed("hook"),
            sent("V03-twin-old-secret", &signed(HOOK_OLD, BODY)).allowed("hook"),
            post(
                "V03-twin-empty",
                "/hook",
                &[("x-hub-signature-256", &signed(HOOK_NEW, ""))],
                "",
            )
            .allowed("hook"),
        ],
    }
}

fn stamped_hooks() -> Row {
    let mac = |secret: &[u8], stamp: &str, body: &str| {
        base64::engine::general_purpose::STANDARD
            .encode(Key::Secret(secret.to_vec()).sign("HS256", format!("v0:{stamp}:{body}").as_bytes()))
    };
    let sent = |id: &str, stamp: &str| {
        let value = mac(HOOK_NEW, stamp, BODY);
        post(
            id,
            "/stamped",
            &[("x-signature", &value), ("x-timestamp", stamp)],
            BODY,
        )
    };
    let at = |offset: i64| (NOW + offset).to_string();
    let now = at(0);
    let right = mac(HOOK_NEW, &now, BODY);
    let with = |id: &str, value: &str, stamps: &[&str]| {
        let headers: Vec<(&str, &str)> = [("x-signature", value)]
            .into_iter()
            .chain(stamps.iter().map(|stamp| ("x-timestamp", *stamp)))
            .collect();
        post(id, "/stamped", &headers, BODY)
    };
    Row {
        name: "V04",
        about: "webhooks with a timestamp, which is signed and lies in its window",
        vectors: vec![
            sent("V04-stale", &at(-301)).refused("stale_signature"),
            sent("V04-ahead", &at(301)).refused("stale_signature"),
            sent("V04-milliseconds", &format!("{now}000")).refused("stale_signature"),
            with("V04-other-stamp", &right, &[&at(1)]).refused("bad_signature"),
            with("V04-old-secret", &mac(HOOK_OLD, &now, BODY), &[&now]).refused("bad_signature"),
            with("V04-no-stamp", &right, &[]).refused("malformed_credential"),
            with("V04-two-stamps", &right, &[&now, &now]).refused("malformed_credential"),
            sent("V04-leading-zero", &format!("0{now}")).refused("malformed_credential"),
            sent("V04-plus", &format!("+{now}")).refused("malformed_credential"),
            sent("V04-fraction", &format!("{now}.0")).refused("malformed_credential"),
            sent("V04-negative", "-1").refused("malformed_credential"),
            sent("V04-long", &"9".repeat(30)).refused("malformed_credential"),
            with("V04-no-padding", right.trim_end_matches('='), &[&now]).refused("malformed_credential"),
            with(
                "V04-hex",
                &hmac_hex(HOOK_NEW, format!("v0:{now}:{BODY}").as_bytes()),
                &[&now],
            )
            .refused("malformed_credential"),
            sent("V04-no-clock", &now).at(None).refused("no_clock"),
            sent("V04-twin", &now).allowed("stamped"),
            sent("V04-twin-oldest", &at(-300)).allowed("stamped"),
            sent("V04-twin-newest", &at(300)).allowed("stamped"),
        ],
    }
}

/// Keys by id: one for good, one that ends when all are decided, one a second later, one without fields.
fn key_file() -> String {
    let line = |id: &str, key: &str, more: &str| {
        format!(
            "{{\"id\": \"{id}\", \"hash\": \"{}\"{more}}}\n",
            hmac_hex(PEPPER, key.as_bytes())
        )
    };
    [
        line("k-1", "PLANTED-pk_live_1", r#", "fields": {"plan": "pro"}"#),
        line(
            "k-2",
            "PLANTED-pk_live_2",
            r#", "expires": "2026-11-23T12:00:00Z", "fields": {"plan": "pro"}"#,
        ),
        line(
            "k-3",
            "PLANTED-pk_live_3",
            r#", "expires": "2026-11-23T13:00:01+01:00", "fields": {"plan": "pro"}"#,
        ),
        line("k-4", "PLANTED-pk_live_4", ""),
    ]
    .concat()
}

fn api_keys() -> Row {
    let sent = |id: &str, key: &str| get(id, "/key", &[("x-api-key", key)]);
    let hash = hmac_hex(PEPPER, b"PLANTED-pk_live_1");
    Row {
        name: "V07",
        about: "API keys are looked up by their keyed hash, and end when their file says",
        vectors: vec![
            sent("V07-unknown", "PLANTED-pk_live_0").refused("unknown_api_key"),
            sent("V07-its-hash", &hash).refused("unknown_api_key"),
            sent("V07-its-id", "k-1").refused("unknown_api_key"),
            sent("V07-prefix", "PLANTED-pk_live_").refused("unknown_api_key"),
            sent("V07-case", "PLANTED-PK_LIVE_1").refused("unknown_api_key"),
            sent("V07-scheme", "Bearer PLANTED-pk_live_1").refused("unknown_api_key"),
            sent("V07-long", &"k".repeat(1_025)).refused("unknown_api_key"),
            sent("V07-ended", "PLANTED-pk_live_2").refused("expired"),
            sent("V07-no-clock", "PLANTED-pk_live_3")
                .at(None)
                .refused("no_clock"),
            sent("V07-empty", "").refused("malformed_credential"),
            get(
                "V07-two",
                "/key",
                &[
                    ("x-api-key", "PLANTED-pk_live_1"),
                    ("x-api-key", "PLANTED-pk_live_1"),
                ],
            )
            .refused("ambiguous_credential"),
            sent("V07-no-fields", "PLANTED-pk_live_4")
                .expects(json!({"effect": "deny", "status": 403, "reason": "no_rule"})),
            sent("V07-twin", "PLANTED-pk_live_1").allowed("key"),
            sent("V07-twin-spaces", "  PLANTED-pk_live_1 ").allowed("key"),
            sent("V07-twin-last-second", "PLANTED-pk_live_3").allowed("key"),
            sent("V07-twin-no-clock-needed", "PLANTED-pk_live_1")
                .at(None)
                .allowed("key"),
        ],
    }
}
