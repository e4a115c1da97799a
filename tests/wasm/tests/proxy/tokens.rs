//! Tokens that the plugin verifies itself, with Envoy's function for signatures and without it: the answers are the same.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_lang::model::Algorithm;
use portcullis_sign::SigningKey;
use portcullis_tests::{counts, forge, keys};
use portcullis_tests_wasm::proxy::{Fault, Request, Vm, request_of};
use serde_json::{Value, json};

use crate::support::{NOON_NS, SHIPPED, answered, base64, decisions, get};

const NOON_S: u64 = NOON_NS / 1_000_000_000;
const ASKED: &str = "call_foreign_function verify_signature";

const POLICY: &str = r#"gate 1;
issuer corp {
  url "https://id.example.com/"; audience "api";
  algorithms RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA; keys "corp.jwks.json";
}
principal staff = token from corp;
service s on "a.example" {
  allow anyone to GET /open;
  allow staff to GET /staff as staff;
}
"#;

/// Every algorithm with the key that signs it, and whether Envoy's function knows it.
const ALGORITHMS: [(&str, &str, bool); 11] = [
    ("RS256", "rsa", true),
    ("RS384", "rsa", true),
    ("RS512", "rsa-4096", true),
    ("RS256", "rsa-2049", true),
    ("ES256", "es256", true),
    ("ES384", "es384", true),
    ("PS256", "rsa", false),
    ("PS384", "rsa-4096", false),
    ("PS512", "rsa-2049", false),
    ("EdDSA", "ed25519", false),
    ("Ed25519", "ed25519", false),
];

fn key(name: &str) -> SigningKey {
    keys::signing(name).unwrap()
}

fn claims() -> Value {
    json!({"iss": "https://id.example.com/", "aud": "api", "sub": "u", "exp": NOON_S + 300, "iat": NOON_S})
}

fn token(alg: &str, key_name: &str, claims: &Value) -> String {
    let key = key(key_name);
    let header = json!({"alg": alg, "kid": key.kid()});
    let algorithm = Algorithm::from_code(alg).unwrap();
    key.token(algorithm, &header.to_string(), &claims.to_string())
        .unwrap()
}

/// The plugin with the test keys as its issuer's, and perhaps with Envoy's function.
fn start(has_function: bool) -> Vm {
    start_with(&keys::public().unwrap(), has_function)
}

fn start_with(key_set: &str, has_function: bool) -> Vm {
    let mut vm = SHIPPED.instantiate().unwrap();
    vm.gateway().verifies_signatures = has_function;
    vm.configure(&configuration(key_set)).unwrap();
    vm
}

fn configuration(key_set: &str) -> String {
    let files = BTreeMap::from([("corp.jwks.json".to_string(), keys::public().unwrap().into_bytes())]);
    let gate = [("policy.gate".to_string(), POLICY.as_bytes().to_vec())];
    let checked = portcullis_lang::check::load(&gate, &files);
    let policy = checked
        .policy
        .unwrap_or_else(|| panic!("{:?}", checked.diagnostics));
    let image = portcullis_compile::compile(&policy).unwrap();
    json!({"image": base64(&image), "data": {"corp.jwks.json": base64(key_set.as_bytes())},
        "log": "all", "explain": true})
    .to_string()
}

fn bearing(path: &str, token: &str) -> Request {
    get(path).with_header("authorization", format!("Bearer {token}"))
}

/// What the plugin says of a token, and the detail in its log.
fn verdict(vm: &mut Vm, token: &str) -> (u32, String) {
    vm.gateway().log.clear();
    let (status, _) = answered(vm, &bearing("/staff", token));
    let said = decisions(vm).remove(0);
    (status, said["detail"].as_str().unwrap_or_default().to_string())
}

fn questions(vm: &mut Vm) -> usize {
    vm.gateway().calls.iter().filter(|call| *call == ASKED).count()
}

/// A token with another signature of the same length.
fn forged(token: &str) -> String {
    let (rest, signature) = token.rsplit_once('.').unwrap();
    let turned: String = signature.chars().rev().collect();
    // The last character holds spare bits, which must be 0.
    format!(
        "{rest}.{}",
        if turned.len().is_multiple_of(4) {
            turned
        } else {
            format!("{}A", &turned[..turned.len() - 1])
        }
    )
}

#[test]
fn j_every_algorithm_is_verified_with_the_function_and_without() {
    for has_function in [true, false] {
        let mut vm = start(has_function);
        for (alg, name, known) in ALGORITHMS {
            let good = token(alg, name, &claims());
            assert_eq!(verdict(&mut vm, &good), (200, String::new()), "{alg} {name}");
            let asked = usize::from(known && has_function);
            if has_function {
                assert_eq!(questions(&mut vm), asked, "{alg} {name}");
            }
            // Known by now.
            assert_eq!(verdict(&mut vm, &good), (200, String::new()), "{alg} {name}");
            assert_eq!(questions(&mut vm), 0, "{alg} {name}");
            assert_eq!(
                verdict(&mut vm, &forged(&good)),
                (401, "bad_signature".into()),
                "{alg} {name}"
            );
            let other =
                json!({"iss": "https://id.example.com/", "aud": "api", "sub": "other", "exp": NOON_S + 300});
            let (head, _) = good.split_once('.').unwrap();
            let (_, body) = token(alg, name, &other)
                .split_once('.')
                .map(|(a, b)| (a.to_string(), b.to_string()))
                .unwrap();
            let (body, _) = body.split_once('.').unwrap();
            let (_, signature) = good.rsplit_once('.').unwrap();
            let swapped = format!("{head}.{body}.{signature}");
            assert_eq!(
                verdict(&mut vm, &swapped),
                (401, "bad_signature".into()),
                "{alg} {name}"
            );
        }
    }
}

/// Wycheproof's faults in tokens: what Envoy's function answers and what the plugin finds itself are one.
#[test]
fn wycheproofs_tokens_are_judged_alike_with_the_function_and_without() {
    let made = forge::transplanted().unwrap();
    let files: BTreeMap<String, Vec<u8>> = made.files.into_iter().collect();
    let policy = portcullis_lang::check::load_text_with(&made.gate, &files).policy;
    let image = portcullis_compile::compile(&policy.unwrap()).unwrap();
    let data: BTreeMap<&String, String> = files.iter().map(|(name, bytes)| (name, base64(bytes))).collect();
    let all = json!({"image": base64(&image), "data": data, "log": "all", "explain": true}).to_string();
    for has_function in [true, false] {
        let mut vm = SHIPPED.instantiate().unwrap();
        vm.gateway().verifies_signatures = has_function;
        vm.configure(&all).unwrap();
        let (mut asked, mut compared) = (0, 0);
        for vector in &made.vectors {
            let request = request_of(vector, Some(NOON_NS as i64 / 1_000)).unwrap();
            vm.gateway().log.clear();
            let (status, _) = answered(&mut vm, &request);
            let said = decisions(&mut vm).remove(0);
            let expected = serde_json::to_value(vector.expect.as_ref().unwrap()).unwrap();
            assert_eq!(said["detail"], expected["detail"], "{} {has_function}", vector.id);
            assert_eq!(
                status,
                expected["status"].as_u64().unwrap_or(200) as u32,
                "{}",
                vector.id
            );
            asked += questions(&mut vm);
            compared += 1;
        }
        if has_function {
            // RS256, RS384, RS512 and ES256 with a signature of the right length.
            assert!(asked >= 240, "asked {asked} times");
            counts::executed("proxy_wycheproof_tokens", compared).unwrap();
        }
    }
}

#[test]
fn a_gateway_without_the_function_is_asked_once() {
    let mut vm = start(false);
    let mut asked = 0;
    for at in 0..4 {
        let mut claims = claims();
        claims["sub"] = json!(format!("u{at}"));
        assert_eq!(verdict(&mut vm, &token("ES256", "es256", &claims)).0, 200);
        asked += questions(&mut vm);
    }
    assert_eq!(asked, 1);
}

/// Whatever the gateway does wrong, the verdict is that of the plugin's own code.
#[test]
fn a_function_that_fails_changes_no_verdict() {
    let faults = [
        Fault::Status(2),
        Fault::Status(10),
        Fault::StatusWithBytes(10),
        Fault::Null,
        Fault::Garbage,
    ];
    for fault in faults {
        let mut vm = start(true);
        let faulty = ("proxy_call_foreign_function".to_string(), fault);
        vm.gateway().faults.extend([faulty]);
        let good = token("ES256", "es256", &claims());
        assert_eq!(verdict(&mut vm, &forged(&good)).0, 401, "{fault:?}");
        assert_eq!(verdict(&mut vm, &good).0, 200, "{fault:?}");
        assert_eq!(questions(&mut vm), 1, "{fault:?}");
    }
}

/// NGINX's host has functions of its own, of which nothing is believed.
#[test]
fn nginx_is_not_asked() {
    let mut all: Value = serde_json::from_str(&configuration(&keys::public().unwrap())).unwrap();
    all["gateway"] = json!("nginx");
    let mut vm = SHIPPED.instantiate_in_nginx().unwrap();
    vm.gateway().verifies_signatures = true;
    vm.configure(&all.to_string()).unwrap();
    let given = portcullis_vectors::parse_line(
        r#"{"id":"v","request":{"method":"GET","url":"https://a.example/staff"}}"#,
    )
    .unwrap();
    let request =
        portcullis_tests_wasm::proxy::nginx_request_of(&given, Some(NOON_NS as i64 / 1_000)).unwrap();
    let bearer = format!("Bearer {}", token("ES256", "es256", &claims()));
    assert_eq!(
        answered(&mut vm, &request.with_header("authorization", bearer)).0,
        200
    );
    assert_eq!(questions(&mut vm), 0);
}

#[test]
fn times_audience_and_issuer_are_judged_by_the_gateways_clock() {
    let mut vm = start(true);
    for (member, value, detail) in [
        ("exp", json!(NOON_S - 300), "expired"),
        ("nbf", json!(NOON_S + 300), "not_yet_valid"),
        ("aud", json!("other"), "wrong_audience"),
        ("iss", json!("https://other.example.com/"), "unknown_issuer"),
    ] {
        let mut claims = claims();
        claims[member] = value;
        let refused = verdict(&mut vm, &token("ES256", "es256", &claims));
        assert_eq!(refused, (401, detail.into()));
        // Cheap checks come first.
        assert_eq!(questions(&mut vm), 0, "{detail}");
    }
    // Without a clock nothing is valid.
    let timeless = Request {
        now_ns: None,
        ..bearing("/staff", &token("ES256", "es256", &claims()))
    };
    assert_eq!(answered(&mut vm, &timeless).0, 401);
}

#[test]
fn j_a_token_bound_to_a_certificate_is_good_on_its_connection_alone() {
    let mut all: Value = serde_json::from_str(&configuration(&keys::public().unwrap())).unwrap();
    all["certificates_validated"] = json!(true);
    let mut vm = SHIPPED.start(&all.to_string()).unwrap();
    let mut bound = claims();
    // Of 32 zero bytes.
    bound["cnf"] = json!({"x5t#S256": "A".repeat(43)});
    let token = token("ES256", "es256", &bound);
    let on = |digit: &str| {
        bearing("/staff", &token)
            .with_property("connection/mtls", [1])
            .with_property("connection/sha256_peer_certificate_digest", digit.repeat(64))
    };
    assert_eq!(answered(&mut vm, &on("0")).0, 200);
    assert_eq!(answered(&mut vm, &on("1")).0, 401);
    assert_eq!(answered(&mut vm, &bearing("/staff", &token)).0, 401);
}

#[test]
fn keys_rotate_by_a_new_configuration_and_the_log_says_when_one_is_missing() {
    let next = key("es256-next");
    let set: Value = serde_json::from_str(&keys::public().unwrap()).unwrap();
    let all = set["keys"].as_array().unwrap();
    let without: Vec<&Value> = all
        .iter()
        .filter(|key| key["kid"] != next.kid().unwrap())
        .collect();
    let mut vm = start_with(&json!({ "keys": without }).to_string(), true);
    let by_next = token("ES256", "es256-next", &claims());
    let told = |vm: &mut Vm| {
        let log = vm.gateway().log.iter();
        log.filter(|line| line.level == 3 && line.text.contains("corp.jwks.json"))
            .count()
    };
    vm.gateway().log.clear();
    for _ in 0..3 {
        assert_eq!(answered(&mut vm, &bearing("/staff", &by_next)).0, 401);
    }
    // Callers make up key ids as they like.
    assert_eq!(told(&mut vm), 1);
    vm.configure(&configuration(&keys::public().unwrap())).unwrap();
    assert_eq!(answered(&mut vm, &bearing("/staff", &by_next)).0, 200);
    // A set that cannot be read leaves the last good one.
    vm.gateway().log.clear();
    vm.configure(&configuration("{}")).unwrap();
    assert_eq!(told(&mut vm), 1);
    assert_eq!(answered(&mut vm, &bearing("/staff", &by_next)).0, 200);
}

#[test]
fn without_a_key_set_no_token_is_good() {
    let mut all: Value = serde_json::from_str(&configuration("{}")).unwrap();
    all["data"] = json!({});
    let mut vm = SHIPPED.start(&all.to_string()).unwrap();
    assert_eq!(answered(&mut vm, &get("/open")).0, 200);
    let token = token("ES256", "es256", &claims());
    assert_eq!(verdict(&mut vm, &token), (401, "keys_not_loaded".into()));
}

/// Whatever is wrong with them, no token, key or secret is told.
#[test]
fn l_no_token_key_or_secret_is_told() {
    const SECRET: &str = "PLANTED-3f1c9a0e7b52d846-a-secret-of-hmac";
    let policy = POLICY
        .replace(
            "RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA",
            "HS256",
        )
        .replace(r#"keys "corp.jwks.json";"#, "secret shared;")
        .replace(
            "issuer corp",
            "secret shared from file \"shared.secret\";\nissuer corp",
        );
    let image = {
        let files = BTreeMap::from([("shared.secret".to_string(), SECRET.as_bytes().to_vec())]);
        let checked =
            portcullis_lang::check::load(&[("policy.gate".to_string(), policy.into_bytes())], &files);
        let policy = checked
            .policy
            .unwrap_or_else(|| panic!("{:?}", checked.diagnostics));
        portcullis_compile::compile(&policy).unwrap()
    };
    let planted = |text: &str| text.contains("PLANTED") || text.contains("eyJ");
    let mut said = Vec::new();
    let jwk = json!({"kty": "oct", "k": URL_SAFE_NO_PAD.encode(SECRET)});
    let key = SigningKey::from_jwk(&jwk.to_string()).unwrap();
    let mut late = claims();
    late["exp"] = json!(NOON_S - 300);
    let sign = |claims: &Value| {
        key.token(Algorithm::Hs256, r#"{"alg":"HS256"}"#, &claims.to_string())
            .unwrap()
    };
    let good = sign(&claims());
    // Good, too short, too long, and a private key in a secret's place.
    let too_long = "PLANTED-".repeat(1_000);
    for (file, status) in [(SECRET, 200), ("PLANTED-short", 401), (&too_long, 401), ("", 401)] {
        let mut vm = SHIPPED.instantiate().unwrap();
        let configuration = json!({"image": base64(&image), "log": "all", "explain": true,
            "data": {"shared.secret": base64(file.as_bytes())}});
        vm.configure(&configuration.to_string()).unwrap();
        for token in [
            good.as_str(),
            &forged(&good),
            &sign(&late),
            "PLANTED.PLANTED.PLANTED",
            "eyJ",
        ] {
            let outcome = crate::support::exchange(&mut vm, &bearing("/staff", token));
            if token == good {
                assert_eq!(crate::support::answer(&outcome).0, status, "{}", file.len());
            }
            said.push(format!(
                "{:?}",
                outcome
                    .reply
                    .map(|reply| (reply.headers, String::from_utf8(reply.body)))
            ));
        }
        said.extend(vm.gateway().log.iter().map(|line| line.text.clone()));
    }
    // A key set with a private half in it is refused, without a word of it.
    let private = json!({"keys": [{"kty": "EC", "crv": "P-256", "x": "PLANTED", "y": "PLANTED", "d": "PLANTED-d", "kid": "k"}]});
    let mut vm = start_with(&private.to_string(), true);
    said.extend(vm.gateway().log.iter().map(|line| line.text.clone()));
    assert!(said.len() > 20);
    for text in said {
        assert!(!planted(&text), "{text}");
    }
}
