//! A vector -> the same vector as a host hands its token over. In a vector, what a token leaves out of `iss`, `aud`, `exp`,
//! `iat` and `cnf` counts as met where the issuer is `verified by gateway`; no host has such tokens, so here it is written
//! out. Crate and host are then asked about the same vector.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis::image::config::{Config, Issuer};
use portcullis_vectors::{PeerCert, Vector};
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// When vectors are decided that do not say it.
const NOON: &str = "2026-11-23T12:00:00Z";

/// 2100-01-01T00:00:00Z: after every vector and after every run.
const END_S: i64 = 4_102_444_800;

/// SHA-256 of no certificate, in hexadecimal.
const FINGERPRINT: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// With all that the issuer of its token asks for, if the gateway verifies that token.
pub fn handed_over(vector: &Vector, config: &Config) -> Vector {
    let mut vector = vector.clone();
    let found = vector.token.as_ref().and_then(|token| {
        let issuer = config.issuers.iter().find(|own| own.name == token.issuer)?;
        let claims = token.claims.as_ref().filter(|_| issuer.verified_by_gateway)?;
        let present: BTreeMap<String, IgnoredAny> = serde_json::from_str(claims.get()).ok()?;
        Some((issuer, claims.get().to_string(), present))
    });
    let Some((issuer, claims, present)) = found else {
        return vector;
    };
    let now = vector.now.get_or_insert_with(|| NOON.to_string()).clone();
    let mut missing: Vec<(&str, Value)> = members(issuer, &now);
    if issuer.bound_to_certificate && !present.contains_key("cnf") {
        let peer = vector.request.peer.get_or_insert_with(PeerCert::default);
        let fingerprint = peer.fingerprint.get_or_insert_with(|| FINGERPRINT.to_string());
        missing.push((
            "cnf",
            json!({"x5t#S256": URL_SAFE_NO_PAD.encode(unhex(fingerprint))}),
        ));
    }
    missing.retain(|(name, _)| !present.contains_key(*name));
    // The members that are there stay as they are written.
    let written = missing.iter().map(|(name, value)| format!("\"{name}\":{value}"));
    let written: Vec<String> = written.collect();
    let rest = claims.trim_start().strip_prefix('{').unwrap_or_default();
    let comma = if written.is_empty() || present.is_empty() {
        ""
    } else {
        ","
    };
    let claims = format!("{{{}{comma}{rest}", written.join(","));
    if let Some(token) = &mut vector.token {
        token.claims = RawValue::from_string(claims).ok();
    }
    vector
}

/// What an issuer asks of each token.
fn members(issuer: &Issuer, now: &str) -> Vec<(&'static str, Value)> {
    let mut members = vec![
        ("iss", json!(issuer.url.replace('*', "a"))),
        ("exp", json!(END_S)),
    ];
    members.extend(issuer.audiences.first().map(|audience| ("aud", json!(audience))));
    if issuer.max_age_us.is_some() {
        let now: Option<jiff::Timestamp> = now.parse().ok();
        members.extend(now.map(|now| ("iat", json!(now.as_second()))));
    }
    members
}

fn unhex(text: &str) -> Vec<u8> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).unwrap_or_default() as u8;
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| pair.iter().fold(0, |byte, half| byte << 4 | digit(half)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::handed_over;
    use portcullis_vectors::parse_line;

    fn claims(clauses: &str, token: &str) -> String {
        let text = format!(
            r#"gate 1; issuer corp {{ url "https://id.example.com/"; audience "a"; {clauses} }}
            service s on "a.example" {{ allow anyone to GET /a; }}"#
        );
        let checked = portcullis_lang::check::load_text(&text);
        let image = portcullis_compile::compile(&checked.policy.unwrap()).unwrap();
        let image = portcullis::Image::load(&image, &portcullis::Trust::Unsigned).unwrap();
        let line = format!(
            r#"{{"id":"v","request":{{"method":"GET","url":"https://a.example/a"}},"token":{{"issuer":"corp","claims":{token}}}}}"#
        );
        let vector = handed_over(&parse_line(&line).unwrap(), image.config());
        vector.token.unwrap().claims.unwrap().get().to_string()
    }

    #[test]
    fn what_a_gateway_would_have_checked_is_written_out() {
        let gateway = "verified by gateway;";
        assert_eq!(
            claims(gateway, "{}"),
            r#"{"iss":"https://id.example.com/","exp":4102444800,"aud":"a"}"#
        );
        assert_eq!(
            claims(gateway, r#"{"sub": "u", "exp":1}"#),
            r#"{"iss":"https://id.example.com/","aud":"a","sub": "u", "exp":1}"#
        );
        let bound = claims("verified by gateway; bound to certificate;", "{}");
        assert!(
            bound.contains(r#""cnf":{"x5t#S256":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}"#),
            "{bound}"
        );
    }

    #[test]
    fn what_is_no_object_or_of_another_issuer_stays() {
        assert_eq!(claims("verified by gateway;", "[1]"), "[1]");
        assert_eq!(claims("opaque;", "{}"), "{}");
    }
}
