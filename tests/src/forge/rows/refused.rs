//! Key sets and secrets that no policy is taken with -> rows of policies that are refused, each with its file.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_vectors::Vector;
use serde_json::{Value, json};

use super::{Outcome as _, Row, bearer, claims, claims_of, get, of_corp, shared};
use crate::forge::key::Key;
use crate::forge::token::Token;

/// A policy that is refused, by the name of its vector and its file, and the file.
struct Refused {
    id: &'static str,
    /// Of the issuer, behind its `url` and `audience`.
    clauses: &'static str,
    file: &'static str,
    text: String,
    /// The error.
    code: &'static str,
}

fn set(keys: &[Value]) -> String {
    format!("{:#}\n", json!({ "keys": keys }))
}

/// An odd number of so many bits.
fn modulus(bits: usize) -> Vec<u8> {
    let mut bytes = vec![0xa5; bits / 8];
    bytes[bits / 8 - 1] = 0xa7;
    bytes
}

fn rsa(bits: usize) -> Value {
    json!({"kty": "RSA", "kid": "weak", "n": URL_SAFE_NO_PAD.encode(modulus(bits)), "e": "AQAB"})
}

/// A public key with the private number that goes with it.
fn private() -> Value {
    let mut jwk = Key::P256("corp").jwk(Some("es-1"), None);
    jwk["d"] = json!("PLANTED-0123456789abcdef0123456789abcdef012");
    jwk
}

const KEYS: &str = "algorithms ES256, RS256; keys";

fn key_sets() -> Vec<Refused> {
    let keys = |id, file, text| Refused {
        id,
        clauses: KEYS,
        file,
        text,
        code: "G0630",
    };
    let [one, next] = ["corp", "corp next"].map(|name| Key::P256(name).jwk(Some("es-1"), None));
    vec![
        keys("V08-weak-rsa", "V08-weak-rsa.json", set(&[rsa(1024)])),
        keys(
            "V08-nearly-strong-rsa",
            "V08-nearly-strong-rsa.json",
            set(&[rsa(2040)]),
        ),
        keys("V08-enormous-rsa", "V08-enormous-rsa.json", set(&[rsa(8200)])),
        keys(
            "V08-one-kid-twice",
            "V08-one-kid-twice.json",
            set(&[one.clone(), next]),
        ),
        keys("V08-private-key", "V08-private-key.json", set(&[private()])),
        keys(
            "V08-secret-among-keys",
            "V08-secret-among-keys.json",
            set(&[one.clone(), shared().jwk(Some("hs"), None)]),
        ),
        keys("V08-one-key", "V08-one-key.json", format!("{one}\n")),
        keys(
            "V08-discovery",
            "V08-discovery.json",
            "{\"issuer\": \"https://idp.example.com/\", \"jwks_uri\": \"https://idp.example.com/keys\"}\n"
                .to_string(),
        ),
        keys(
            "V08-page",
            "V08-page.json",
            "<!doctype html><title>502 Bad Gateway</title>\n".to_string(),
        ),
        keys("V08-empty", "V08-empty.json", "\n".to_string()),
    ]
}

fn secrets() -> Vec<Refused> {
    let secret = |id, clauses, file, text: &str| Refused {
        id,
        clauses,
        file,
        text: format!("{text}\n"),
        code: "G0633",
    };
    let bytes = "PLANTED-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    vec![
        secret("J18-word", "algorithms HS256; secret", "J18-word.key", "secret"),
        secret(
            "J18-short",
            "algorithms HS256; secret",
            "J18-short.key",
            &bytes[..31],
        ),
        secret(
            "J18-short-for-hs384",
            "algorithms HS384; secret",
            "J18-short-for-hs384.key",
            &bytes[..47],
        ),
        secret(
            "J18-short-for-hs512",
            "algorithms HS512; secret",
            "J18-short-for-hs512.key",
            &bytes[..63],
        ),
        secret(
            "J18-short-for-one-of-three",
            "algorithms HS256, HS384, HS512; secret",
            "J18-short-for-one-of-three.key",
            &bytes[..32],
        ),
        secret(
            "J18-line-ends",
            "algorithms HS256; secret",
            "J18-line-ends.key",
            &"\n".repeat(40),
        ),
    ]
}

impl Refused {
    fn gate(&self) -> String {
        let (clauses, file) = (self.clauses, self.file);
        let (declared, clause) = match clauses.strip_suffix("secret") {
            Some(_) => (
                format!("secret own from file \"{file}\";\n"),
                format!("{clauses} own;"),
            ),
            None => (String::new(), format!("{clauses} \"{file}\";")),
        };
        format!(
            "gate 1;\n{declared}issuer i {{ url \"https://i.example.com/\"; audience \"a\"; {clause} }}\n\
             principal caller = token from i;\n\
             service s on \"api.example.com\" {{ allow caller to GET /a; }}\n"
        )
    }

    fn vector(&self) -> Vector {
        get(self.id, "/a", &[]).expects(json!({
            "effect": "deny", "status": 503, "reason": "no_policy", "detail": self.code,
        }))
    }
}

/// Policies and files beside them, by name.
pub(super) fn files() -> Vec<(String, String)> {
    let all = key_sets().into_iter().chain(secrets());
    all.flat_map(|refused| {
        [
            (format!("{}.refused.gate", refused.id), refused.gate()),
            (refused.file.to_string(), refused.text),
        ]
    })
    .collect()
}

pub(super) fn rows() -> Vec<Row> {
    let vectors = |all: Vec<Refused>, twin: Vector| {
        let refused = all.iter().map(Refused::vector);
        refused.chain([twin]).collect()
    };
    let of_shared = Token::new(&shared(), None, &claims_of("https://shared.example.com/", ""));
    vec![
        Row {
            name: "J18",
            about: "a secret shorter than the hash of its algorithm is guessed from one token, so no policy is taken with it",
            vectors: vectors(
                secrets(),
                bearer("J18-twin", "/shared", &of_shared.text()).allowed("shared"),
            ),
        },
        Row {
            name: "V08",
            about: "a key set that is weak, ambiguous, private or no key set is refused whole, by its name",
            vectors: vectors(
                key_sets(),
                bearer("V08-twin", "/corp", &of_corp(&claims("")).text()).allowed("corp"),
            ),
        },
    ]
}
