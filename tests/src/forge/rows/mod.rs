//! The rows of `tests/corpus/hostile/tokens`: for each a name, what it is about, and its vectors, with signed tokens.
//! `UPDATE_DOCS=1 cargo test -p portcullis-tests --test forged` writes them.

mod claims;
mod header;
mod hooks;
mod other;
mod refused;
mod signatures;

use base64::Engine as _;
use portcullis_vectors::{Bytes, Expect, Request, Vector};
use serde_json::{Value, json};

use super::key::Key;
use super::token::Token;

/// When all of them are decided, where nothing else is said: 2026-11-23T12:00:00Z.
pub(super) const NOW: i64 = 1_795_435_200;

/// A file of vectors.
#[derive(Clone, Debug)]
pub struct Row {
    /// Of the catalogue of hostile cases, or of this corpus alone.
    pub name: &'static str,
    /// Its first line.
    pub about: &'static str,
    /// Refused cases and their allowed twins.
    pub vectors: Vec<Vector>,
}

/// All rows.
pub fn rows() -> Vec<Row> {
    [
        header::rows(),
        claims::rows(),
        signatures::rows(),
        other::rows(),
        hooks::rows(),
        refused::rows(),
    ]
    .concat()
}

/// Keys of `corp` by `kid`: two of one kind, as while keys rotate.
pub(super) fn corp() -> [(Key, &'static str); 6] {
    [
        (Key::P256("corp"), "es-1"),
        (Key::P256("corp next"), "es-2"),
        (Key::P384("corp"), "es384"),
        (Key::Ed25519("corp"), "ed"),
        (Key::Rsa("corp"), "rsa"),
        (Key::Rsa("other"), "rs-only"),
    ]
}

/// The secret of `shared`.
pub(super) fn shared() -> Key {
    Key::Secret(b"PLANTED-0123456789abcdef01234567".to_vec())
}

/// The key of most other issuers; their set has no `kid`.
pub(super) fn login() -> Key {
    Key::Ed25519("login")
}

/// Key sets and secrets beside the policy, and policies that are refused with theirs, by name.
pub fn files() -> Vec<(String, String)> {
    let set = |keys: Vec<Value>| format!("{:#}\n", json!({ "keys": keys }));
    let text = |bytes: &[u8]| format!("{}\n", String::from_utf8_lossy(bytes));
    let corp = corp().map(|(key, kid)| key.jwk(Some(kid), (kid == "rs-only").then_some("RS256")));
    let mut files = vec![
        ("corp.jwks.json", set(corp.to_vec())),
        (
            "partner.jwks.json",
            set(vec![Key::P256("partner").jwk(Some("es-1"), None)]),
        ),
        ("login.jwks.json", set(vec![login().jwk(None, None)])),
        ("hs.key", text(&shared().public_bytes())),
    ];
    files.extend(hooks::files());
    let files = files.into_iter().map(|(name, text)| (name.to_string(), text));
    files.chain(refused::files()).collect()
}

/// Claims of `corp` that are all right, with members put behind, or in place of those of the same name.
pub(super) fn claims(others: &str) -> String {
    claims_of("https://idp.example.com/", others)
}

/// The same for another `iss`.
pub(super) fn claims_of(iss: &str, others: &str) -> String {
    let others = Some(others).filter(|others| !others.is_empty());
    let own =
        registered(iss).filter(|(name, _)| !others.is_some_and(|o| o.contains(&format!("\"{name}\":"))));
    let members: Vec<String> = own.map(member).chain(others.map(str::to_string)).collect();
    format!("{{{}}}", members.join(","))
}

/// Claims without one of them.
pub(super) fn claims_without(left_out: &str) -> String {
    let own = registered("https://idp.example.com/").filter(|(name, _)| *name != left_out);
    let members: Vec<String> = own.map(member).collect();
    format!("{{{}}}", members.join(","))
}

fn registered(iss: &str) -> impl Iterator<Item = (&'static str, String)> {
    let claims = [
        ("iss", format!("\"{iss}\"")),
        ("sub", "\"u1\"".to_string()),
        ("aud", "\"orders\"".to_string()),
        ("exp", (NOW + 600).to_string()),
    ];
    claims.into_iter()
}

fn member((name, value): (&str, String)) -> String {
    format!("\"{name}\":{value}")
}

/// A token of `corp`, by its quickest key.
pub(super) fn of_corp(claims: &str) -> Token {
    Token::new(&Key::Ed25519("corp"), Some("ed"), claims)
}

/// A token of just the 16,384 bytes that are read.
pub fn largest() -> String {
    // with a header of this length the rest can be filled
    let header = r#"{"alg":"EdDSA", "kid":"ed"}"#;
    let of_length = |padding: usize| {
        let claims = claims(&format!("\"pad\":\"{}\"", "p".repeat(padding)));
        of_corp(&claims).header(header).text()
    };
    let about = (16_384 - of_length(0).len()) / 4 * 3;
    let near = (about - 4..about + 4).map(of_length);
    near.into_iter()
        .find(|token| token.len() == 16_384)
        .unwrap_or_default()
}

/// `GET` of a path with header lines, at [`NOW`].
pub(super) fn get(id: &str, path: &str, headers: &[(&str, &str)]) -> Vector {
    Vector {
        id: id.to_string(),
        request: Request {
            method: "GET".to_string(),
            url: Some(format!("https://api.example.com{path}")),
            headers: headers
                .iter()
                .map(|(name, value)| (name.to_string(), Bytes::from(*value)))
                .collect(),
            client_ip: Some("192.0.2.1".to_string()),
            ..Request::default()
        },
        token: None,
        key: None,
        signature: None,
        beside: Default::default(),
        bearer: None,
        context: None,
        now: Some("2026-11-23T12:00:00Z".to_string()),
        upstream: None,
        expect: None,
        sequence: Vec::new(),
    }
}

/// With a token in the Authorization header.
pub(super) fn bearer(id: &str, path: &str, token: &str) -> Vector {
    get(id, path, &[("authorization", &format!("Bearer {token}"))])
}

/// How a vector goes on.
pub(super) trait Outcome {
    /// 401, with this detail.
    fn refused(self, detail: &str) -> Vector;
    /// Allowed by a rule.
    fn allowed(self, rule: &str) -> Vector;
    /// Some other verdict.
    fn expects(self, verdict: Value) -> Vector;
    /// Decided at another instant, or at none.
    fn at(self, now: Option<&str>) -> Vector;
}

impl Outcome for Vector {
    fn refused(self, detail: &str) -> Vector {
        self.expects(json!({"effect": "deny", "status": 401, "reason": "invalid_token", "detail": detail}))
    }

    fn allowed(self, rule: &str) -> Vector {
        self.expects(json!({"effect": "allow", "rule": format!("api/{rule}")}))
    }

    fn expects(self, verdict: Value) -> Vector {
        let expect: Option<Expect> = serde_json::from_value(verdict).ok();
        Vector { expect, ..self }
    }

    fn at(self, now: Option<&str>) -> Vector {
        Vector {
            now: now.map(str::to_string),
            ..self
        }
    }
}

/// Base64url without padding.
pub(super) fn encode(bytes: &[u8]) -> String {
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

/// A token of `corp` that is all right.
pub(super) fn valid() -> String {
    of_corp(&claims("")).text()
}

pub(super) fn with_header(id: &str, header: &str, detail: &str) -> Vector {
    bearer(id, "/corp", &of_corp(&claims("")).header(header).text()).refused(detail)
}
