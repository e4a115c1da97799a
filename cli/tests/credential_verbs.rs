//! Keys and tokens: the built binary on key files, discovery documents and tokens, exit codes and all.

#![allow(clippy::unwrap_used, reason = "a helper of tests may fail its test")]

mod common;

use common::Folder;

const PARTNERS: &str = r#"gate 1;
secret pepper from file "pepper.key";
keys partners { header "x-api-key"; file "partners.jsonl"; secret pepper; fields { plan: string; seats: int = 1; } }
principal partner = key from partners;
service api on "api.example.com" { allow partner to GET /catalogue/** as catalogue; }
"#;

#[test]
fn a_file_of_api_keys_is_no_file_of_vectors_whatever_it_is_called() {
    let line = format!("{{\"id\":\"k-1\",\"hash\":\"{}\"}}\n", "0".repeat(64));
    let vector = r#"{"id":"none","request":{"method":"GET","url":"https://api.example.com/catalogue/1"},"expect":{"effect":"deny","status":401}}"#;
    let folder = Folder::new(&[
        ("p/api.gate", PARTNERS),
        ("p/pepper.key", "made up, and long enough\n"),
        ("p/partners.jsonl", &line),
        ("p/requests.jsonl", vector),
    ]);
    for path in ["p", "p/api.gate"] {
        folder.run(&["test", path]).is(0, &["1 passed"]);
        folder.run(&["eval", path]).is(0, &["none"]);
    }
    // What no policy names is one.
    folder.write("p/other.jsonl", line.as_bytes());
    folder.run(&["test", "p"]).is(2, &["other.jsonl"]);
}

/// The policy with its secret, without a key file.
fn partners() -> Folder {
    Folder::new(&[
        ("p/api.gate", PARTNERS),
        ("p/pepper.key", "made up, and long enough\n"),
    ])
}

fn lines(folder: &Folder) -> Vec<serde_json::Value> {
    let text = String::from_utf8(folder.read("p/partners.jsonl")).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn a_new_key_is_shown_once_and_its_hash_is_kept() {
    let folder = partners();
    let made = folder
        .run(&["apikey", "new", "p", "--field", "plan=free"])
        .is(0, &["made", "`k-"]);
    let first = made.out.trim().to_owned();
    assert!(
        first.starts_with("pk_") && first.len() == 3 + 43,
        "{}",
        first.len()
    );
    assert!(!made.err.contains(&first), "the key is on standard output alone");
    let json = folder
        .run(&[
            "apikey",
            "new",
            "p/api.gate",
            "--keys",
            "partners",
            "--id",
            "k-2",
            "--prefix",
            "live_",
            "--json",
            "--expires",
            "2099-01-01T00:00:00Z",
            "--field",
            "plan=gold",
            "--field",
            "seats=5",
        ])
        .is(0, &["\"k-2\""]);
    let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    let second = json["key"].as_str().unwrap();
    assert!(second.starts_with("live_") && json["fields"]["seats"] == 5);
    let written = lines(&folder);
    assert_eq!(written.len(), 2);
    assert_eq!(written[1]["expires"], "2099-01-01T00:00:00Z");
    assert_eq!(written[0]["fields"], serde_json::json!({"plan": "free"}));
    for key in [&first, second] {
        assert!(
            !written.iter().any(|line| line.to_string().contains(key)),
            "no key is kept"
        );
    }
    folder.run(&["check", "p"]).is(0, &["fine"]);
    // The same keys hashed again have the same hashes.
    let hashed = folder.run_with(
        &["apikey", "hash", "p"],
        format!("\n k-9 {first}\r\n{second}").as_bytes(),
    );
    let hashed = hashed.is(0, &["\"k-9\""]);
    let again: Vec<serde_json::Value> = hashed
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(again[0]["hash"], written[0]["hash"]);
    assert_eq!(again[1]["hash"], written[1]["hash"]);
    let listed = folder
        .run(&["apikey", "list", "p"])
        .is(0, &["k-2", "no end", "2 keys", "gold"]);
    let ended = folder
        .run(&["apikey", "list", "p", "--json", "--now", "2100-01-01T00:00:00Z"])
        .is(0, &["\"expired\":true"]);
    let hash = written[1]["hash"].as_str().unwrap();
    for ran in [&listed, &ended] {
        assert!(
            ran.out.contains(&hash[..8]) && !ran.out.contains(&hash[..9]),
            "{ran:?}"
        );
    }
}

/// By a second hand: RFC 2104 over the bytes of key and secret.
#[test]
fn the_hash_is_hmac_sha_256_under_the_secret() {
    let folder = partners();
    let ran = folder
        .run_with(&["apikey", "hash", "p"], b"k-1 pk_known")
        .is(0, &["k-1"]);
    let secret = portcullis_crypto::Secret::new(b"made up, and long enough");
    let mut hmac = secret.hmac(portcullis_crypto::Hash::Sha256);
    hmac.update(b"pk_known");
    let line: serde_json::Value = serde_json::from_str(ran.out.trim()).unwrap();
    let hex: String = hmac
        .finish()
        .as_bytes()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(line["hash"], hex);
}

#[test]
fn what_a_policy_does_not_declare_makes_no_key() {
    let folder = partners();
    for (args, said) in [
        (
            vec!["--field", "tier=1"],
            "no field `tier`; they declare `plan`, `seats`",
        ),
        (vec!["--field", "seats=many"], "not an integer"),
        (vec!["--field", "plan=a", "--field", "plan=b"], "given twice"),
        (vec!["--field", "plan"], "NAME=VALUE"),
        (vec!["--expires", "tomorrow"], "no RFC 3339 instant"),
        (
            vec!["--keys", "others"],
            "no keys `others`; it declares `partners`",
        ),
        (vec!["--id", ""], "an id has 1 to 128 bytes"),
        (vec!["--prefix", "a b"], "--prefix"),
    ] {
        let args: Vec<&str> = ["apikey", "new", "p"].into_iter().chain(args).collect();
        folder.run(&args).is(2, &[said]);
    }
    assert!(!folder.path().join("p/partners.jsonl").exists());
    folder.run(&["apikey", "list", "p"]).is(0, &["no file", "0 keys"]);
    folder
        .run(&["apikey", "new", "p", "--id", "k-1", "--field", "plan=a"])
        .is(0, &["made"]);
    let before = folder.read("p/partners.jsonl");
    folder
        .run(&["apikey", "new", "p", "--id", "k-1", "--field", "plan=a"])
        .is(2, &["line 2", "\"k-1\""]);
    // A file that `check` does not take is left as it is.
    folder.write("p/partners.jsonl", b"not json");
    folder
        .run(&["apikey", "new", "p", "--field", "plan=a"])
        .is(1, &["G0632"]);
    assert_eq!(folder.read("p/partners.jsonl"), b"not json");
    assert!(!before.is_empty());
    folder.write("p/pepper.key", b"\n");
    folder.run(&["apikey", "list", "p"]).is(1, &["G063"]);
    let host =
        "gate 1; keys k { header \"x-key\"; } principal p = key from k; service s { allow p to GET /a; }";
    folder.write("h/a.gate", host.as_bytes());
    folder
        .run(&["apikey", "new", "h"])
        .is(2, &["no keys with a file"]);
    folder
        .run(&["apikey", "new", "h", "--keys", "k"])
        .is(2, &["the host verifies them"]);
}

#[test]
fn no_message_about_keys_holds_one() {
    let folder = partners();
    for input in [
        "k-1 pk_planted_and_long extra",
        "k-1 pk_planted_and_long\nk-1 pk_planted_and_long",
        "k-1 pk_planted_and_long\nk-2 pk_planted_and_long",
        "pk_planted_\u{e9}",
        &format!("{} x", "pk_planted".repeat(20)),
        "a\nb\u{0}pk_planted",
    ] {
        let ran = folder.run_with(&["apikey", "hash", "p"], input.as_bytes());
        assert_eq!(ran.code, 2, "{input}");
        assert!(!ran.err.contains("planted") && ran.out.is_empty(), "{}", ran.err);
    }
    folder
        .run_with(&["apikey", "hash", "p"], b"short")
        .is(0, &["can be guessed"]);
    assert!(folder.run(&["apikey", "hash", "p", "pk_planted"]).code == 2);
}

#[test]
fn keys_made_at_once_are_all_kept() {
    let folder = partners();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                folder
                    .run(&["apikey", "new", "p", "--field", "plan=free"])
                    .is(0, &["made"])
            });
        }
    });
    assert_eq!(lines(&folder).len(), 8);
    let left: Vec<_> = std::fs::read_dir(folder.path().join("p")).unwrap().collect();
    assert_eq!(left.len(), 3, "{left:?}");
}

const METADATA: &str = r#"{
  "issuer": "https://login.example.com/realms/shop",
  "jwks_uri": "https://login.example.com/realms/shop/certs",
  "authorization_endpoint": "https://login.example.com/realms/shop/auth",
  "token_endpoint": "https://login.example.com/realms/shop/token",
  "introspection_endpoint": "https://login.example.com/realms/shop/introspect",
  "id_token_signing_alg_values_supported": ["none", "HS256", "RS256", "ES256", "ES512", "ES256K"],
  "scopes_supported": ["openid", "orders:read"],
  "claims_supported": ["sub", "iss", "email", "email_verified", "groups", "updated_at", "tenant", "nonce", "scp"],
  "acr_values_supported": ["gold"],
  "frontchannel_logout_supported": true
}"#;

const JWKS: &str = r#"{"keys":[{"kty":"EC","crv":"P-256","kid":"a","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}]}"#;

#[test]
fn a_discovery_document_becomes_an_issuer_that_checks() {
    let folder = Folder::new(&[("idp.json", METADATA), ("keys.json", JWKS)]);
    let ran = folder.run(&[
        "import",
        "oidc",
        "idp.json",
        "--jwks",
        "keys.json",
        "--audience",
        "orders-api",
        "-o",
        "p",
    ]);
    let ran = ran.is(0, &["wrote p/login.gate", "wrote p/login.jwks.json"]);
    let text = String::from_utf8(folder.read("p/login.gate")).unwrap();
    for part in [
        "issuer login {",
        "url \"https://login.example.com/realms/shop\";",
        "audience \"orders-api\";",
        "algorithms ES256, RS256;",
        "keys \"login.jwks.json\";",
        "scopes from scp;",
        "email: string;",
        "email_verified: bool;",
        "groups: set or string;",
        "updated_at: instant;",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(folder.read("p/login.jwks.json"), JWKS.as_bytes());
    // What was not carried over is named: every member, algorithm and claim that the policy does not hold.
    for part in [
        "`none`",
        "`HS256`",
        "`ES512`",
        "`ES256K`",
        "`RS256` has no key",
        "openid, orders:read",
        "`tenant`",
        "`nonce`",
        "introspection_endpoint",
        "acr_values_supported",
        "frontchannel_logout_supported",
        "token_endpoint",
        "authorization_endpoint",
    ] {
        assert!(ran.err.contains(part), "{part}: {}", ran.err);
    }
    folder.run(&["fmt", "--check", "p"]).is(0, &["0 would change"]);
    folder.run(&["check", "p"]).is(0, &["fine"]);
    // Nothing is replaced unless it is asked for; keys are replaced by keys, never by a placeholder.
    folder
        .run(&["import", "oidc", "idp.json", "-o", "p"])
        .is(2, &["--force"]);
    folder
        .run(&["import", "oidc", "idp.json", "-o", "p", "--force"])
        .is(0, &["replace-by-your-audience"]);
    assert_eq!(folder.read("p/login.jwks.json"), JWKS.as_bytes());
    folder.run(&["check", "p"]).is(0, &["fine"]);
}

#[test]
fn documents_of_other_kinds_are_named_and_their_texts_stay_texts() {
    let folder = Folder::new(&[("keys.json", JWKS), ("none.json", "{}"), ("list.json", "[]")]);
    folder
        .run(&["import", "oidc", "keys.json"])
        .is(2, &["this is a key set"]);
    folder
        .run(&["import", "oidc", "none.json"])
        .is(2, &["no text `issuer`"]);
    folder
        .run(&["import", "oidc", "list.json"])
        .is(2, &["not an object"]);
    let tenants = r#"{"issuer": "https://login.example.com/{tenantid}/v2.0"}"#;
    folder.write("t.json", tenants.as_bytes());
    let ran = folder.run(&[
        "import",
        "oidc",
        "t.json",
        "--name",
        "Tenants of 7",
        "--jwks",
        "keys.json",
    ]);
    let ran = ran.is(
        0,
        &[
            "url like \"https://login.example.com/*/v2.0\";",
            "algorithms ES256;",
            "tenant's token",
        ],
    );
    assert!(ran.out.contains("issuer Tenants_of_7 {"), "{}", ran.out);
    folder
        .run(&["import", "oidc", "t.json", "--jwks", "t.json"])
        .is(2, &["there is no array `keys`"]);
    let hostile = "{\"issuer\": \"https://a.example/\\\"; opaque; #\\n\", \"x\\u001b[2J\": 1, \"id_token_signing_alg_values_supported\": [\"\\u001b[2Jx\"]}";
    folder.write("h.json", hostile.as_bytes());
    let ran = folder.run(&["import", "oidc", "h.json"]);
    assert!(
        !ran.out.contains("opaque;\n") && !ran.err.contains('\u{1b}'),
        "{ran:?}"
    );
}

#[test]
fn a_test_key_signs_what_its_key_set_verifies() {
    let folder = Folder::new(&[("claims.json", "{\"sub\": \"u1\",  \"exp\": 1}\n")]);
    for (alg, other) in [
        ("ES256", "ES384"),
        ("ES384", "ES256"),
        ("EdDSA", "RS256"),
        ("Ed25519", "HS256"),
    ] {
        let key = format!("{alg}.jwk.json");
        folder
            .run(&["token", "key", alg, "--alg", alg, "--kid", "k1"])
            .is(0, &["made", &key]);
        folder.run(&["token", "key", alg, "--alg", alg]).is(2, &[&key]);
        let signed = folder
            .run(&["token", "sign", "--key", &key, "--claims", "claims.json"])
            .is(0, &["for tests"]);
        let parts: Vec<Vec<u8>> = signed.out.trim().split('.').map(decode).collect();
        let header: serde_json::Value = serde_json::from_slice(&parts[0]).unwrap();
        assert!(header["alg"] == alg && header["kid"] == "k1", "{header}");
        assert_eq!(parts[1], b"{\"sub\": \"u1\",  \"exp\": 1}", "byte for byte");
        let set = portcullis_base::jwks::read(&folder.read(&format!("{alg}.jwks.json"))).unwrap();
        let verifier = portcullis_crypto::backend().prepare(&set.keys[0].key).unwrap();
        let (message, _) = signed.out.trim().rsplit_once('.').unwrap();
        let algorithm = portcullis_base::Algorithm::from_code(alg).unwrap();
        assert!(verifier.verify(algorithm, message.as_bytes(), &parts[2]));
        assert!(!verifier.verify(algorithm, b"other", &parts[2]));
        folder
            .run(&["token", "sign", "--key", &key, "--claims", "{}", "--alg", other])
            .is(2, &["does not sign under", alg]);
        let private = String::from_utf8(folder.read(&key)).unwrap();
        let private: serde_json::Value = serde_json::from_str(&private).unwrap();
        assert!(!signed.err.contains(private["d"].as_str().unwrap()));
    }
    // What a tester asks for is made, whatever it is.
    let forged = folder.run_with(
        &[
            "token",
            "sign",
            "--key",
            "ES256.jwk.json",
            "--claims",
            "-",
            "--header",
            "{\"alg\":\"none\"}",
        ],
        b"no json",
    );
    let forged = forged.is(0, &["no JSON object"]);
    assert_eq!(
        decode(forged.out.split('.').next().unwrap()),
        b"{\"alg\":\"none\"}"
    );
    let timed = folder.run(&[
        "token",
        "sign",
        "--key",
        "ES256.jwk.json",
        "--claims",
        "{\"sub\":\"u\"}",
        "--lifetime",
        "10m",
        "--kid",
        "x",
        "--typ",
        "at+jwt",
    ]);
    let timed = timed.is(0, &[]);
    let parts: Vec<Vec<u8>> = timed.out.trim().split('.').map(decode).collect();
    let claims: serde_json::Value = serde_json::from_slice(&parts[1]).unwrap();
    assert_eq!(
        claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(),
        600
    );
    let header: serde_json::Value = serde_json::from_slice(&parts[0]).unwrap();
    assert!(header["kid"] == "x" && header["typ"] == "at+jwt");
    folder
        .run(&["token", "sign", "--key", "ES256.jwks.json", "--claims", "{}"])
        .is(2, &["key set"]);
    folder
        .run(&["token", "key", "r", "--alg", "RS256"])
        .is(2, &["openssl genrsa"]);
}

#[test]
fn the_secret_of_a_test_key_is_the_bytes_of_its_file() {
    let folder = Folder::new(&[]);
    folder
        .run(&["token", "key", "h", "--alg", "HS512"])
        .is(0, &["h.secret"]);
    let secret = folder.read("h.secret");
    let bytes = portcullis_base::secret::read(&secret, 64).unwrap();
    let signed = folder
        .run(&["token", "sign", "--key", "h.jwk.json", "--claims", "{}"])
        .is(0, &[]);
    let (message, tag) = signed.out.trim().rsplit_once('.').unwrap();
    let secret = portcullis_crypto::Secret::new(bytes);
    assert!(secret.verify_hs(
        portcullis_base::Algorithm::Hs512,
        message.as_bytes(),
        &decode(tag)
    ));
}

fn decode(text: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(text)
        .unwrap()
}

const ISSUERS: &str = r#"gate 1;
issuer corp {
  url "https://idp.example.com/";
  audience "orders-api";
  algorithms ES256;
  keys "corp.jwks.json";
  type "at+jwt";
}
issuer staff { url "https://staff.example.com/"; audience "orders-api"; algorithms HS256; secret shared; from header "x-staff"; }
issuer edge { url "https://edge.example.com/"; audience "orders-api"; verified by gateway; from header "x-edge"; }
secret shared from file "hmac.secret";
principal customer = token from corp;
service api on "api.example.com" { allow customer to GET /orders/** as orders; }
"#;

/// The policy with the keys of its issuers, and a token of the first.
fn issuers() -> (Folder, String) {
    let folder = Folder::new(&[("p/api.gate", ISSUERS)]);
    folder.run(&["token", "key", "p/corp", "--kid", "k1"]).is(0, &[]);
    folder
        .run(&["token", "key", "p/hmac", "--alg", "HS256"])
        .is(0, &[]);
    let token = sign(
        &folder,
        r#"{"iss":"https://idp.example.com/","aud":"orders-api","sub":"u1","exp":4000000000}"#,
    );
    (folder, token)
}

fn sign(folder: &Folder, claims: &str) -> String {
    let ran = folder.run(&[
        "token",
        "sign",
        "--key",
        "p/corp.jwk.json",
        "--typ",
        "at+jwt",
        "--claims",
        claims,
    ]);
    ran.is(0, &[]).out.trim().to_owned()
}

#[test]
fn each_issuer_says_what_it_makes_of_a_token() {
    let (folder, token) = issuers();
    let judged = |args: &[&str], token: &str| {
        let args: Vec<&str> = ["token", "p", "-"].iter().chain(args).copied().collect();
        folder.run_with(&args, format!("Bearer {token}\n").as_bytes())
    };
    let ran = judged(&["--now", "2026-12-01T00:00:00Z"], &token).is(
        0,
        &[
            "judged at 2026-12-01T00:00:00Z",
            "corp: accepted",
            "staff: refused: unknown_issuer",
            "edge: not verified here",
            "2096-10-02T07:06:40Z",
            "at+jwt",
        ],
    );
    let (message, signature) = token.rsplit_once('.').unwrap();
    for secret in [signature, message, "u1"] {
        assert!(!ran.out.contains(secret) && !ran.err.contains(secret), "{ran:?}");
    }
    let json = judged(&["--json", "--now", "2100-01-01T00:00:00Z"], &token).is(1, &[]);
    let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(json["accepted"], false);
    assert_eq!(json["now"], "2100-01-01T00:00:00Z");
    let corp = &json["issuers"][0];
    assert!(corp["issuer"] == "corp" && corp["detail"] == "expired", "{corp}");
    let checks: Vec<(&str, bool)> = corp["checks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|check| {
            (
                check["check"].as_str().unwrap(),
                check["passed"].as_bool().unwrap(),
            )
        })
        .collect();
    let order = [
        "header",
        "issuer",
        "algorithm",
        "type",
        "key",
        "audience",
        "times",
        "binding",
        "signature",
    ];
    assert_eq!(checks.iter().map(|check| check.0).collect::<Vec<_>>(), order);
    assert!(
        checks
            .iter()
            .all(|(check, passed)| *passed == (*check != "times"))
    );
    // Another text under the same signature, and texts that are no tokens.
    let other = sign(
        &folder,
        r#"{"iss":"https://idp.example.com/","aud":"other","exp":4000000000}"#,
    );
    judged(&[], &other).is(1, &["refused: wrong_audience", "aud \"other\""]);
    let forged = format!("{}.{signature}", other.rsplit_once('.').unwrap().0);
    judged(&[], &forged).is(1, &["bad_signature"]);
    for text in ["", "planted", "planted.planted.", "a.b.c.d"] {
        let ran = judged(&[], text).is(1, &["no token", "malformed_token"]);
        assert!(!ran.out.contains("planted") && !ran.err.contains("planted"));
    }
    folder
        .run_with(&["token", "p", "-"], &[0xff; 40_000])
        .is(1, &["token_too_large"]);
    let shown = folder.run(&["token", "p", &token]).is(0, &["seen by others"]);
    assert!(!shown.err.contains(signature));
    folder.run(&["token", "p"]).is(2, &["Usage"]);
    judged(&["--now", "now"], &token).is(2, &["no RFC 3339 instant"]);
    judged(&["--certificate", "ab"], &token).is(2, &["64 digits"]);
}

#[test]
fn a_token_that_names_a_certificate_is_judged_with_one() {
    let (folder, _) = issuers();
    let thumbprint = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
    let claims = format!(
        r#"{{"iss":"https://idp.example.com/","aud":["orders-api"],"exp":4000000000,"cnf":{{"x5t#S256":"{thumbprint}"}}}}"#
    );
    let token = sign(&folder, &claims);
    let fingerprint: String = (0..32).map(|byte| format!("{byte:02X}")).collect();
    let bytes = token.as_bytes();
    folder
        .run_with(&["token", "p", "-"], bytes)
        .is(1, &["certificate_mismatch", "cnf with x5t#S256"]);
    folder
        .run_with(&["token", "p", "-", "--certificate", &fingerprint], bytes)
        .is(0, &["corp: accepted"]);
}

#[test]
fn vectors_carry_real_tokens() {
    let (folder, token) = issuers();
    let (message, _) = token.rsplit_once('.').unwrap();
    let vector = |id: &str, bearer: &str, expect: &str| {
        format!(
            r#"{{"id":"{id}","request":{{"method":"GET","url":"https://api.example.com/orders/1"}},"bearer":"{bearer}","now":"2026-12-01T00:00:00Z","expect":{expect}}}"#
        ) + "\n"
    };
    let other = sign(
        &folder,
        r#"{"iss":"https://idp.example.com/","aud":"other","exp":4000000000}"#,
    );
    let forged = format!("{message}.{}", other.rsplit_once('.').unwrap().1);
    let lines = vector("good", &token, r#"{"effect":"allow","rule":"api/orders"}"#)
        + &vector("forged", &forged, r#"{"status":401,"detail":"bad_signature"}"#)
        + &vector("other", &other, r#"{"status":401,"detail":"wrong_audience"}"#);
    folder.write("p/requests.jsonl", lines.as_bytes());
    folder.run(&["test", "p"]).is(0, &["3 passed"]);
    let ran = folder.run(&["eval", "p"]).is(0, &["good", "bad_signature"]);
    assert!(!ran.out.contains(&token) && !ran.err.contains(&token));
    folder
        .run(&["explain", "p", "p/requests.jsonl:forged"])
        .is(1, &["bad_signature"]);
}
