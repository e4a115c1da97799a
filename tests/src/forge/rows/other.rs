//! Tokens in other places, bound tokens, claims of gateways -> rows that are this corpus's own.

use super::{NOW, Outcome as _, Row, bearer, claims, claims_of, encode, get, login, of_corp};
use crate::forge::key::Key;
use crate::forge::token::Token;
use portcullis_vectors::{Bytes, PeerCert, Vector};
use serde_json::value::RawValue;

pub(super) fn rows() -> Vec<Row> {
    vec![bound(), gateway(), places(), swapped()]
}

/// A certificate's fingerprint in hexadecimal.
const FINGERPRINT: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

/// The same as `cnf` has it.
fn thumbprint(fingerprint: &str) -> String {
    let digit = |at: usize| u8::from_str_radix(&fingerprint[at..at + 2], 16).unwrap_or_default();
    encode(&(0..fingerprint.len()).step_by(2).map(digit).collect::<Vec<u8>>())
}

fn with_certificate(vector: Vector, fingerprint: Option<&str>) -> Vector {
    let mut vector = vector;
    vector.request.peer = Some(PeerCert {
        fingerprint: fingerprint.map(str::to_string),
        ..PeerCert::default()
    });
    vector
}

fn bound() -> Row {
    let token = |path: &str, cnf: &str| {
        let cnf = if cnf.is_empty() {
            String::new()
        } else {
            format!("\"cnf\":{cnf}")
        };
        match path {
            "/corp" => of_corp(&claims(&cnf)).text(),
            _ => Token::new(&login(), None, &claims_of("https://bound.example.com/", &cnf)).text(),
        }
    };
    let own = format!(r#"{{"x5t#S256":"{}"}}"#, thumbprint(FINGERPRINT));
    let sent = |id: &str, path: &str, cnf: &str| {
        with_certificate(bearer(id, path, &token(path, cnf)), Some(FINGERPRINT))
    };
    let other = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    Row {
        name: "V01",
        about: "tokens that are bound to the caller's certificate, or to a key whose proof is not verified",
        vectors: vec![
            bearer("V01-no-certificate", "/bound", &token("/bound", &own)).refused("certificate_mismatch"),
            with_certificate(
                bearer("V01-no-fingerprint", "/bound", &token("/bound", &own)),
                None,
            )
            .refused("certificate_mismatch"),
            with_certificate(bearer("V01-other", "/bound", &token("/bound", &own)), Some(other))
                .refused("certificate_mismatch"),
            with_certificate(
                bearer("V01-short", "/bound", &token("/bound", &own)),
                Some(&FINGERPRINT[..40]),
            )
            .refused("certificate_mismatch"),
            sent("V01-not-bound", "/bound", "").refused("certificate_mismatch"),
            sent("V01-hex", "/bound", &format!(r#"{{"x5t#S256":"{FINGERPRINT}"}}"#))
                .refused("certificate_mismatch"),
            sent(
                "V01-padded",
                "/bound",
                &format!(r#"{{"x5t#S256":"{}="}}"#, thumbprint(FINGERPRINT)),
            )
            .refused("certificate_mismatch"),
            sent("V01-empty-text", "/bound", r#"{"x5t#S256":""}"#).refused("certificate_mismatch"),
            sent("V01-sha1", "/bound", r#"{"x5t":"dGhpcyBpcyBhIHNoYTE"}"#).refused("proof_not_supported"),
            sent("V01-number", "/bound", r#"{"x5t#S256":1}"#).refused("proof_not_supported"),
            sent("V01-null", "/corp", "null").refused("proof_not_supported"),
            sent("V01-nothing", "/corp", "{}").refused("proof_not_supported"),
            sent("V01-array", "/corp", "[]").refused("proof_not_supported"),
            sent(
                "V01-jkt",
                "/corp",
                r#"{"jkt":"0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}"#,
            )
            .refused("proof_not_supported"),
            sent(
                "V01-jkt-beside",
                "/corp",
                &format!(r#"{{"x5t#S256":"{}","jkt":"x"}}"#, thumbprint(FINGERPRINT)),
            )
            .refused("proof_not_supported"),
            bearer("V01-anywhere", "/corp", &token("/corp", &own)).refused("certificate_mismatch"),
            sent("V01-twin", "/bound", &own).allowed("bound"),
            sent("V01-twin-anywhere", "/corp", &own).allowed("corp"),
            bearer("V01-twin-unbound", "/corp", &token("/corp", "")).allowed("corp"),
        ],
    }
}

fn gateway() -> Row {
    let said = |id: &str, claims: &str| {
        let mut vector = get(id, "/gateway", &[]);
        vector.token = Some(portcullis_vectors::Token {
            issuer: "gateway".to_string(),
            claims: RawValue::from_string(claims.to_string()).ok(),
            invalid: None,
        });
        vector
    };
    let iat = |age: i64| format!(r#"{{"iat":{}}}"#, NOW - age);
    let cnf = format!(r#"{{"cnf":{{"x5t#S256":"{}"}}}}"#, thumbprint(FINGERPRINT));
    let token = Token::new(&login(), None, &claims_of("https://gateway.example.com/", "")).text();
    Row {
        name: "V02",
        about: "`verified by gateway`: the signature is the gateway's word, the claims are judged here",
        vectors: vec![
            said("V02-issuer", r#"{"iss":"https://idp.example.com/"}"#).refused("unknown_issuer"),
            said("V02-issuer-number", r#"{"iss":1}"#).refused("unknown_issuer"),
            said("V02-audience", r#"{"aud":"other"}"#).refused("wrong_audience"),
            said("V02-expired", r#"{"exp":2000}"#).refused("expired"),
            said("V02-exp-text", r#"{"exp":"9999999999"}"#).refused("malformed_token"),
            said("V02-nbf", r#"{"nbf":1795435231}"#).refused("not_yet_valid"),
            said("V02-too-old", &iat(3630)).refused("too_old"),
            said("V02-no-certificate", &cnf).refused("certificate_mismatch"),
            said("V02-jkt", r#"{"cnf":{"jkt":"x"}}"#).refused("proof_not_supported"),
            said(
                "V02-all",
                r#"{"sub":"u","aud":"other","iat":1000,"exp":2000,"cnf":{"x5t#S256":"AAAA"}}"#,
            )
            .refused("wrong_audience"),
            said("V02-no-clock", r#"{"exp":9999999999}"#)
                .at(None)
                .refused("no_clock"),
            said("V02-twice", r#"{"exp":9999999999,"exp":1}"#).refused("duplicate_member"),
            get(
                "V02-nothing-handed-over",
                "/gateway",
                &[("x-gateway-token", &token)],
            )
            .refused("not_verified"),
            said("V02-twin", "{}").allowed("gateway"),
            said("V02-twin-no-clock", r#"{"aud":["orders"]}"#)
                .at(None)
                .allowed("gateway"),
            said(
                "V02-twin-times",
                r#"{"iss":"https://gateway.example.com/","exp":1795435171,"nbf":1795435230}"#,
            )
            .allowed("gateway"),
            said("V02-twin-age", &iat(3629)).allowed("gateway"),
            with_certificate(said("V02-twin-certificate", &cnf), Some(FINGERPRINT)).allowed("gateway"),
        ],
    }
}

fn places() -> Row {
    let token = of_corp(&claims("")).text();
    let edge = Token::new(&login(), None, &claims_of("https://edge.example.com/", "")).text();
    let value = |token: &str| format!("Bearer {token}");
    let mut bytes = get("V05-no-text", "/corp", &[]);
    bytes.request.headers = vec![("authorization".to_string(), Bytes(b"Bearer \xff\xfe".to_vec()))];
    Row {
        name: "V05",
        about: "a token counts where its issuer looks, and once",
        vectors: vec![
            get(
                "V05-other-place",
                "/corp",
                &[("cookie", &format!("edge={token}"))],
            )
            .refused("unknown_issuer"),
            bearer("V05-edge-in-authorization", "/edge", &edge).refused("unknown_issuer"),
            get(
                "V05-two-places",
                "/edge",
                &[
                    ("authorization", &value(&token)),
                    ("cookie", &format!("edge={edge}")),
                ],
            )
            .refused("ambiguous_credential"),
            get(
                "V05-twice",
                "/corp",
                &[
                    ("authorization", &value(&token)),
                    ("authorization", &value(&token)),
                ],
            )
            .refused("ambiguous_credential"),
            bearer("V05-list", "/corp", &format!("{token}, {token}")).refused("ambiguous_credential"),
            get(
                "V05-two-spaces",
                "/corp",
                &[("authorization", &format!("Bearer  {token}"))],
            )
            .refused("malformed_credential"),
            get("V05-scheme-alone", "/corp", &[("authorization", "Bearer")]).refused("malformed_credential"),
            get(
                "V05-proof",
                "/corp",
                &[("authorization", &format!("DPoP {token}"))],
            )
            .refused("proof_not_supported"),
            bytes.refused("malformed_credential"),
            bearer(
                "V05-gateway-in-authorization",
                "/gateway",
                &Token::new(&login(), None, &claims_of("https://gateway.example.com/", "")).text(),
            )
            .refused("unknown_issuer"),
            get(
                "V05-twin",
                "/corp",
                &[("authorization", &format!("bearer {token}"))],
            )
            .allowed("corp"),
            get(
                "V05-twin-cookie",
                "/edge",
                &[("cookie", &format!("a=b; edge={edge}"))],
            )
            .allowed("edge"),
        ],
    }
}

fn swapped() -> Row {
    let token = |id: &str, path: &str, key: &Key, iss: &str| {
        bearer(
            id,
            path,
            &Token::new(key, Some("es-1"), &claims_of(iss, "")).text(),
        )
    };
    let (corp_key, partner_key) = (Key::P256("corp"), Key::P256("partner"));
    let (corp, partner) = ("https://idp.example.com/", "https://partner.example.com/");
    Row {
        name: "V06",
        about: "two issuers whose keys have the same `kid`",
        vectors: vec![
            token("V06-partner-as-corp", "/corp", &partner_key, corp).refused("bad_signature"),
            token("V06-corp-as-partner", "/partner", &corp_key, partner).refused("bad_signature"),
            bearer(
                "V06-algorithm-of-the-other",
                "/partner",
                &Token::new(&Key::Ed25519("corp"), Some("ed"), &claims_of(partner, "")).text(),
            )
            .refused("algorithm_not_allowed"),
            bearer(
                "V06-kid-of-the-other",
                "/partner",
                &Token::new(&corp_key, Some("es-2"), &claims_of(partner, "")).text(),
            )
            .refused("unknown_key"),
            token("V06-twin-corp", "/corp", &corp_key, corp).allowed("corp"),
            token("V06-twin-partner", "/partner", &partner_key, partner).allowed("partner"),
        ],
    }
}
