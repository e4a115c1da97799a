//! The test keys of this tree: each signs what both halves of it agree on, and what is published of them is their public
//! halves alone.

#![expect(clippy::expect_used, reason = "a test that cannot read its keys fails")]

use std::path::PathBuf;

use portcullis_base::{Algorithm, jwks};
use portcullis_crypto::{Backend as _, Portable};
use portcullis_sign::{JwkError, SigningKey};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../tests/data/keys")
}

/// Names and texts of all private keys, in the order of their names.
fn texts() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder()).expect("the folder of keys") {
        let path = entry.expect("a file").path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if name.ends_with(".private.jwk.json") {
            found.push((name, std::fs::read_to_string(path).expect("a text")));
        }
    }
    found.sort();
    found
}

#[test]
fn every_key_signs_what_its_public_half_verifies() {
    let texts = texts();
    assert_eq!(texts.len(), 9);
    for (name, text) in texts {
        let key = SigningKey::from_jwk(&text).unwrap();
        let file = name.strip_suffix(".private.jwk.json").unwrap();
        assert_eq!(key.kid(), Some(format!("test-{file}").as_str()));
        let verifier = key.public_key().map(|public| Portable.prepare(&public).unwrap());
        for algorithm in Algorithm::ALL {
            let Some(signature) = key.sign(algorithm, b"message") else {
                assert!(!key.algorithms().contains(&algorithm));
                continue;
            };
            assert_eq!(
                key.sign(algorithm, b"message").as_ref(),
                Some(&signature),
                "{name}"
            );
            let verify = |message: &[u8]| match (&verifier, key.secret()) {
                (Some(verifier), None) => verifier.verify(algorithm, message, &signature),
                (None, Some(secret)) => secret.verify_hs(algorithm, message, &signature),
                _ => panic!("{name}"),
            };
            assert!(verify(b"message"), "{name} {algorithm:?}");
            assert!(!verify(b"massage"), "{name} {algorithm:?}");
        }
        assert!(!key.algorithms().is_empty());
    }
}

#[test]
fn the_published_set_is_of_the_public_halves() {
    let keys: Vec<SigningKey> = texts()
        .iter()
        .map(|(_, text)| SigningKey::from_jwk(text).unwrap())
        .collect();
    let path = folder().join("public.jwks.json");
    let made = portcullis_sign::jwks(&keys);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), made);
    let set = jwks::read(made.as_bytes()).unwrap();
    let read: Vec<_> = set.keys.into_iter().map(|jwk| (jwk.kid, jwk.key)).collect();
    let own: Vec<_> = keys
        .iter()
        .filter_map(|key| Some((key.kid().map(str::to_string), key.public_key()?)))
        .collect();
    assert_eq!(read, own);
    assert_eq!(read.len(), 7);
}

#[test]
fn a_token_is_what_was_written_and_its_signature() {
    let key = SigningKey::from_jwk(&texts().remove(0).1).unwrap();
    assert_eq!(
        key.header(Algorithm::EdDsa, Some("at+jwt")),
        r#"{"alg":"EdDSA","kid":"test-ed25519","typ":"at+jwt"}"#
    );
    let token = key.token(Algorithm::EdDsa, r#"{"alg":"none"}"#, "{}").unwrap();
    let (input, signature) = token.rsplit_once('.').unwrap();
    assert_eq!(input, "eyJhbGciOiJub25lIn0.e30");
    assert_eq!(input, portcullis_sign::signing_input(br#"{"alg":"none"}"#, b"{}"));
    assert_eq!(signature.len(), 86);
    assert_eq!(key.token(Algorithm::Es256, "{}", "{}"), None);
}

#[test]
fn what_is_no_private_key_is_named() {
    let es256 = texts()
        .into_iter()
        .find(|(name, _)| name.starts_with("es256."))
        .unwrap()
        .1;
    let other = texts()
        .into_iter()
        .find(|(name, _)| name.starts_with("es256-next."))
        .unwrap()
        .1;
    let rsa = texts()
        .into_iter()
        .find(|(name, _)| name.starts_with("rsa."))
        .unwrap()
        .1;
    let with = |text: &str, name: &str, value: Option<&str>| {
        let mut jwk: serde_json::Value = serde_json::from_str(text).unwrap();
        let members = jwk.as_object_mut().unwrap();
        members.remove(name);
        members.extend(value.map(|value| (name.to_string(), value.into())));
        SigningKey::from_jwk(&jwk.to_string()).unwrap_err()
    };
    let d = serde_json::from_str::<serde_json::Value>(&other).unwrap()["d"]
        .as_str()
        .unwrap()
        .to_string();
    assert_eq!(with(&es256, "d", None), JwkError::Public("d"));
    assert_eq!(with(&es256, "d", Some(&d)), JwkError::Mismatch);
    assert_eq!(with(&es256, "d", Some("AA")), JwkError::Member("d"));
    assert_eq!(with(&es256, "alg", Some("RS256")), JwkError::Algorithm);
    assert_eq!(with(&es256, "alg", Some("none")), JwkError::Algorithm);
    assert_eq!(with(&es256, "crv", Some("P-521")), JwkError::Kind);
    assert_eq!(with(&es256, "kty", None), JwkError::Member("kty"));
    assert_eq!(with(&rsa, "d", Some("AQAB")), JwkError::Mismatch);
    assert_eq!(
        with(&rsa, "n", Some("AQAB")),
        JwkError::Fault(portcullis_crypto::KeyFault::Modulus)
    );
    let error = |text: &str| SigningKey::from_jwk(text).unwrap_err();
    assert_eq!(error("x"), JwkError::NotAnObject);
    assert_eq!(error(r#"{"keys":[]}"#), JwkError::Set);
}

#[test]
fn nothing_private_is_shown() {
    for (_, text) in texts() {
        let jwk: serde_json::Value = serde_json::from_str(&text).unwrap();
        let key = SigningKey::from_jwk(&text).unwrap();
        let shown = format!("{key:?} {:?} {:?}", key.public_jwk(), key.secret());
        for name in ["d", "k", "p", "q", "dp", "dq", "qi"] {
            if let Some(private) = jwk[name].as_str() {
                assert!(!shown.contains(private), "{name}");
            }
        }
    }
}
