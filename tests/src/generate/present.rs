//! The claims of a request in the making -> a token that is really signed, at the place where its issuer looks, right or
//! broken in one way; and what is handed over instead is gone.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_lang::model::{Algorithm, Issuer, Policy, TokenSource};
use portcullis_vectors::PeerCert;
use serde_json::json;
use std::collections::BTreeMap;

use super::draft::Draft;
use crate::forge::{Fault, Key, Token};
use crate::rng::Rng;

/// The names that issuers of generated policies have.
const NAMES: [&str; 5] = ["i0", "i1", "access", "inner", "zone"];

/// The key set of a generated issuer: a key of each of two kinds.
pub(super) fn key_set(issuer: &str) -> Vec<u8> {
    let keys: Vec<_> = public_keys(issuer)
        .map(|(key, kid)| key.jwk(Some(kid), None))
        .into();
    json!({ "keys": keys }).to_string().into_bytes()
}

fn public_keys(issuer: &str) -> [(Key, &'static str); 2] {
    let name = NAMES.into_iter().find(|name| *name == issuer).unwrap_or_default();
    [(Key::P256(name), "ec"), (Key::Ed25519(name), "ed")]
}

/// Now and then the token that would be handed over is signed and presented.
pub(super) fn present(draft: &mut Draft, policy: &Policy, files: &BTreeMap<String, Vec<u8>>, rng: &mut Rng) {
    let issuer = policy
        .issuers
        .iter()
        .find(|issuer| Some(&issuer.name) == draft.issuer.as_ref());
    if let Some(issuer) = issuer
        && draft.token_fault.is_none()
        && rng.chance(9)
    {
        registered(draft, issuer, rng);
        let claims = draft.claims_text();
        let token = signed(policy, issuer, &claims, files, rng);
        put(draft, issuer, token, rng);
        draft.issuer = None;
    }
    for issuer in &policy.beside {
        let Some(Ok(claims)) = draft.beside.get(&issuer.name) else {
            continue;
        };
        if rng.chance(12) {
            let mut claims = claims.clone();
            for (name, value) in [
                ("iss", json!(issuer.url)),
                ("aud", json!("svc")),
                ("exp", json!(1_895_435_200)),
            ] {
                if rng.chance(97) {
                    claims.insert(name.to_string(), value);
                }
            }
            let claims = serde_json::Value::Object(claims).to_string();
            let token = signed(policy, issuer, &claims, files, rng);
            put(draft, issuer, token, rng);
            draft.beside.remove(&issuer.name);
        }
    }
}

/// What an issuer of real tokens writes: mostly what is asked for, now and then at the edge of it.
fn registered(draft: &mut Draft, issuer: &Issuer, rng: &mut Rng) {
    let iss = issuer.url.replace('*', "t1");
    let iss = match rng.below(90) {
        0 => iss.trim_end_matches('/').to_string(),
        1 => "https://idp1.example.com/".to_string(),
        2 => format!("{iss}x"),
        _ => iss,
    };
    if rng.chance(98) {
        draft.claims.insert("iss".to_string(), json!(iss));
    }
    let aud = match rng.below(60) {
        0 => json!("other"),
        1 => json!(["svc", 1]),
        2 => json!([]),
        3..=9 => json!(["other", "svc"]),
        _ => json!("svc"),
    };
    match draft.claims.get_mut("aud") {
        Some(serde_json::Value::Array(items)) if rng.chance(80) => items.push(json!("svc")),
        _ => drop(draft.claims.insert("aud".to_string(), aud)),
    }
    // about the edges of both leeways, around the second in which it is decided
    let edge =
        |rng: &mut Rng| 1_795_435_200 + rng.pick(&[-3661, -3600, -60, -31, -30, 0, 30, 31, 60, 61, 100]);
    for (name, percent) in [("exp", 6), ("nbf", 12), ("iat", 25)] {
        if rng.chance(percent) {
            let at = edge(rng);
            let value = match rng.below(12) {
                0 => json!(format!("{}{at}.25", super::draft::NUMBER)),
                1 => json!(format!("{}{at}e0", super::draft::NUMBER)),
                2 => json!(at.to_string()),
                3 => json!(-at),
                _ => json!(at),
            };
            draft.claims.insert(name.to_string(), value);
        }
    }
    if rng.chance(4) {
        draft.claims.remove("exp");
    } else {
        draft.claims.entry("exp").or_insert_with(|| json!(1_895_435_200));
    }
    if rng.chance(if issuer.bound_to_certificate { 90 } else { 5 }) {
        bind(draft, rng);
    }
}

/// A token that is bound to a certificate, mostly the one that is there.
fn bind(draft: &mut Draft, rng: &mut Rng) {
    let own = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    let bytes: Vec<u8> = (0..32)
        .map(|at| u8::from_str_radix(&own[2 * at..2 * at + 2], 16).unwrap_or_default())
        .collect();
    let cnf = match rng.below(20) {
        0 => json!({"jkt": "x"}),
        1 => json!({}),
        2 => json!(null),
        3 => json!({"x5t#S256": own}),
        4 => json!({"x5t#S256": URL_SAFE_NO_PAD.encode(&bytes), "x": 1}),
        _ => json!({"x5t#S256": URL_SAFE_NO_PAD.encode(&bytes)}),
    };
    draft.claims.insert("cnf".to_string(), cnf);
    if rng.chance(80) {
        let peer = draft.peer.get_or_insert_with(PeerCert::default);
        peer.fingerprint = Some(match rng.below(8) {
            0 => own.to_ascii_uppercase(),
            1 => own[1..].to_string(),
            2 => own.replace('9', "8"),
            _ => own.to_string(),
        });
    }
}

/// Mostly by a key that the issuer has, under an algorithm that it lists.
fn signed(
    policy: &Policy,
    issuer: &Issuer,
    claims: &str,
    files: &BTreeMap<String, Vec<u8>>,
    rng: &mut Rng,
) -> String {
    let secret = issuer.secret.and_then(|id| policy.secrets.get(id.index()));
    let (key, kid) = match secret.and_then(|secret| files.get(&secret.file)) {
        Some(bytes) => (Key::Secret(bytes.trim_ascii_end().to_vec()), "x"),
        None => {
            let lists = |wanted: &[Algorithm]| {
                issuer.algorithms.is_empty() || issuer.algorithms.iter().any(|a| wanted.contains(a))
            };
            let takes_edwards = lists(&[Algorithm::EdDsa, Algorithm::Ed25519]);
            let [ec, ed] = public_keys(&issuer.name);
            // a key of the other kind now and then; else the one that is quick to verify
            let other = rng.chance(3);
            let prefers_ec = lists(&[Algorithm::Es256]) && (!takes_edwards || rng.chance(8));
            if prefers_ec != other { ec } else { ed }
        }
    };
    let algorithm = key.algorithm();
    let kid = rng.chance(60).then_some(kid);
    let mut members = vec![format!("\"alg\":\"{algorithm}\"")];
    members.extend(kid.map(|kid| format!("\"kid\":\"{kid}\"")));
    if let Some(typ) = &issuer.typ {
        let typ = match rng.below(12) {
            0 => "JWT".to_string(),
            1 => format!("application/{typ}"),
            2 => typ.to_ascii_uppercase(),
            _ => typ.clone(),
        };
        members.push(format!("\"typ\":\"{typ}\""));
    }
    let token = Token::new(&key, kid, claims).header(&format!("{{{}}}", members.join(",")));
    if rng.chance(22) {
        token.broken(Fault::ALL[rng.below(Fault::ALL.len())])
    } else {
        token.text()
    }
}

/// Where the issuer looks, now and then where another one does.
fn put(draft: &mut Draft, issuer: &Issuer, token: String, rng: &mut Rng) {
    if let Some(name) = issuer.query.as_ref()
        && draft.header("upgrade").is_some()
        && rng.chance(60)
    {
        draft.query.push((name.clone(), token));
        return;
    }
    let source = if rng.chance(3) {
        &TokenSource::Authorization
    } else {
        &issuer.source
    };
    match source {
        TokenSource::Authorization => {
            draft.headers.push((
                "authorization".to_string(),
                format!("Bearer {token}").into_bytes(),
            ));
        }
        TokenSource::Header(name) => draft.headers.push((name.clone(), token.into_bytes())),
        TokenSource::Cookie(name) => draft.cookies.push((name.clone(), token)),
    }
}
