//! An algorithm -> a policy that reads its tokens, and tokens as a flood brings them, one good one beside many forged ones:
//! for measuring what each costs. Knows no evaluator.

use std::collections::BTreeMap;

use serde_json::json;

use super::key::Key;
use super::token::{Fault, Token};

/// How many tokens there are where all differ: more than a worker keeps of forged ones.
const DIFFERENT: usize = 256;

/// When they are decided, µs since 1970: 2026-11-23T12:00:00Z.
pub const FLOOD_NOW_US: i64 = 1_795_435_200_000_000;

/// Tokens of one kind.
#[derive(Clone, Debug)]
pub struct Wave {
    /// What is sent.
    pub name: &'static str,
    /// The values of `authorization`.
    pub headers: Vec<String>,
    /// Whether the policy allows a request with one of them.
    pub allowed: bool,
}

/// A policy with its key set, and tokens.
#[derive(Clone, Debug)]
pub struct Flood {
    /// Of the key that the good tokens are signed with.
    pub algorithm: &'static str,
    /// Gate text; it allows `GET /a` of `h` to callers with a valid token.
    pub gate: String,
    /// The key set beside it.
    pub files: BTreeMap<String, Vec<u8>>,
    /// The kinds of tokens.
    pub waves: Vec<Wave>,
}

impl Flood {
    /// With P-256 and with RSA.
    pub fn all() -> [Flood; 2] {
        [
            Flood::of(&Key::P256("corp"), &Key::P256("mallory")),
            Flood::of(&Key::Rsa("corp"), &Key::Rsa("other")),
        ]
    }

    fn of(key: &Key, forger: &Key) -> Flood {
        let algorithm = key.algorithm();
        let gate = format!(
            "gate 1;\n\
             issuer corp {{ url \"https://corp.example/\"; audience \"api\"; algorithms {algorithm}; keys \"corp.jwks.json\"; }}\n\
             principal caller = token from corp;\n\
             service s on \"h\" {{ allow caller to GET /a; }}\n"
        );
        let set = json!({ "keys": [key.jwk(Some("k1"), None)] }).to_string();
        let claims = |index: usize, aud: &str| {
            let exp = FLOOD_NOW_US / 1_000_000 + 3_600;
            format!(
                "{{\"iss\":\"https://corp.example/\",\"aud\":\"{aud}\",\"exp\":{exp},\"sub\":\"u{index}\"}}"
            )
        };
        let forged = |index: usize| Token::new(forger, Some("k1"), &claims(index, "api"));
        let wave = |name, allowed, tokens: Vec<String>| Wave {
            name,
            headers: tokens.iter().map(|token| format!("Bearer {token}")).collect(),
            allowed,
        };
        let many = |token: &dyn Fn(usize) -> String| (0..DIFFERENT).map(token).collect::<Vec<_>>();
        let good = Token::new(key, Some("k1"), &claims(0, "api"));
        Flood {
            algorithm,
            gate,
            files: BTreeMap::from([("corp.jwks.json".to_string(), set.into_bytes())]),
            waves: vec![
                wave("cached good", true, vec![good.text()]),
                wave("one forged", false, vec![good.broken(Fault::LastByte)]),
                wave("different forged", false, many(&|index| forged(index).text())),
                wave(
                    "different kids",
                    false,
                    many(&|index| {
                        Token::new(forger, Some(&format!("k{}", index + 2)), &claims(index, "api")).text()
                    }),
                ),
                wave(
                    "other audiences",
                    false,
                    many(&|index| Token::new(forger, Some("k1"), &claims(index, "other")).text()),
                ),
            ],
        }
    }
}
