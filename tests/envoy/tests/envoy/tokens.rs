//! Tokens that the plugin verifies in a real Envoy, whose function for signatures it calls.

use std::collections::BTreeMap;
use std::time::Instant;

use portcullis_lang::model::Algorithm;
use portcullis_tests::keys;
use portcullis_tests_envoy::plugin;
use serde_json::{Value, json};

use crate::case::PLUGIN;
use crate::gateway::Gateway;

const POLICY: &str = r#"gate 1;
issuer corp {
  url "https://id.example.com/"; audience "api";
  algorithms RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA; keys "corp.jwks.json";
}
principal staff = token from corp;
service s on "h.example" { allow staff to GET /staff; }
"#;

const ALGORITHMS: [(Algorithm, &str); 11] = [
    (Algorithm::Rs256, "rsa"),
    (Algorithm::Rs384, "rsa"),
    (Algorithm::Rs512, "rsa-4096"),
    (Algorithm::Rs256, "rsa-2049"),
    (Algorithm::Es256, "es256"),
    (Algorithm::Es384, "es384"),
    (Algorithm::Ps256, "rsa"),
    (Algorithm::Ps384, "rsa-4096"),
    (Algorithm::Ps512, "rsa-2049"),
    (Algorithm::EdDsa, "ed25519"),
    (Algorithm::Ed25519, "ed25519"),
];

fn token(algorithm: Algorithm, name: &str, members: Value) -> String {
    let key = keys::signing(name).unwrap();
    let mut claims = json!({"iss": "https://id.example.com/", "aud": "api", "exp": 4_102_444_800_u64});
    if let (Some(claims), Value::Object(members)) = (claims.as_object_mut(), members) {
        claims.extend(members);
    }
    let header = key.header(algorithm, None);
    key.token(algorithm, &header, &claims.to_string()).unwrap()
}

fn start() -> Gateway {
    let set = keys::public().unwrap().into_bytes();
    let files = BTreeMap::from([("corp.jwks.json".to_string(), set)]);
    let gate = [("policy.gate".to_string(), POLICY.as_bytes().to_vec())];
    let policy = portcullis_lang::check::load(&gate, &files).policy.unwrap();
    let image = portcullis_compile::compile(&policy).unwrap();
    let mut configuration = plugin::configuration(&image, &files, &[]);
    configuration["log"] = "none".into();
    Gateway::start(&PLUGIN, &configuration.to_string())
}

fn status(gateway: &Gateway, token: &str) -> u16 {
    gateway.get("/staff", &format!("authorization: Bearer {token}\r\n"))
}

#[test]
fn j_every_algorithm_is_verified_in_envoy() {
    let gateway = start();
    assert_eq!(gateway.get("/staff", ""), 401);
    for (algorithm, name) in ALGORITHMS {
        let good = token(algorithm, name, json!({"sub": "u"}));
        let other = token(algorithm, name, json!({"sub": "other"}));
        let (rest, _) = good.rsplit_once('.').unwrap();
        let (_, signature) = other.rsplit_once('.').unwrap();
        let (what, begun) = (format!("{} {name}", algorithm.code()), Instant::now());
        // Of the good ones the first is verified, and later ones are known to one worker or both.
        for _ in 0..3 {
            assert_eq!(status(&gateway, &format!("{rest}.{signature}")), 401, "{what}");
            assert_eq!(status(&gateway, &good), 200, "{what}");
            assert_eq!(status(&gateway, &other), 200, "{what}");
        }
        println!("{what}: nine requests in {} µs", begun.elapsed().as_micros());
        let late = token(algorithm, name, json!({"exp": 1_700_000_000}));
        assert_eq!(status(&gateway, &late), 401, "{what}");
    }
    assert!(gateway.upstream.count() >= 66);
}
