//! CORS: a service's clause and a request -> whether it is a preflight, and the response headers (section 5, and
//! the Fetch standard's protocol).

use portcullis_lang::model::{Cors, Service};

use crate::normalise::Canonical;

/// OPTIONS with an origin and a method asked for, each once.
pub(crate) fn is_preflight(service: &Service, request: &Canonical) -> bool {
    service.cors.is_some()
        && request.method == "OPTIONS"
        && request.single_header("origin").is_some()
        && request.single_header("access-control-request-method").is_some()
}

/// The headers of an answered preflight or of any other verdict of the service.
pub(crate) fn headers(service: &Service, request: &Canonical, preflight: bool) -> Vec<(String, String)> {
    let mut out = Vec::new();
    let (Some(cors), Some(origin)) = (&service.cors, request.single_header("origin")) else {
        return out;
    };
    let vary = || ("vary".to_string(), "origin".to_string());
    let Some(origin) = allowed(cors, origin) else {
        return if preflight { vec![vary()] } else { out };
    };
    let mut push = |name: &str, value: String| out.push((format!("access-control-{name}"), value));
    push("allow-origin", origin);
    if preflight {
        push("allow-methods", cors.methods.join(", "));
        if !cors.headers.is_empty() {
            push("allow-headers", cors.headers.join(", "));
        }
    }
    if cors.credentials {
        push("allow-credentials", "true".to_string());
    }
    if let Some(seconds) = cors.max_age_s.filter(|_| preflight) {
        push("max-age", seconds.to_string());
    }
    if !cors.any_origin {
        out.push(vary());
    }
    out
}

/// What to answer an origin, or nothing for a foreign one.
fn allowed(cors: &Cors, origin: &[u8]) -> Option<String> {
    if cors.any_origin {
        return Some("*".to_string());
    }
    let origin = std::str::from_utf8(origin).ok()?;
    let is_allowed = cors.origins.iter().any(|allowed| match allowed.split_once('*') {
        None => allowed == origin,
        Some((before, behind)) => origin
            .strip_prefix(before)
            .and_then(|rest| rest.strip_suffix(behind))
            .is_some_and(is_label),
    });
    is_allowed.then(|| origin.to_string())
}

/// One label of lower-case letters, digits, `_` and, inside, `-`.
fn is_label(text: &str) -> bool {
    let inside = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-';
    !text.is_empty()
        && text.len() <= 63
        && text.bytes().all(inside)
        && !text.starts_with('-')
        && !text.ends_with('-')
}
