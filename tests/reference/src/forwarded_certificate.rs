//! `x-forwarded-client-cert` -> the certificate that its nearest hop tells of, where a trusted hop sent the request and the
//! policy reads certificates. Reads one character after the other.

use std::net::IpAddr;

use portcullis_lang::model::Policy;
use portcullis_vectors::{PeerCert, Vector};

use crate::client_ip::is_trusted;
use crate::normalise::{Canonical, is_token};

/// In lower case.
pub(crate) const HEADER: &str = "x-forwarded-client-cert";

/// A pair: name, value without its quotes.
type Pair = (String, String);

/// What a trusted hop tells, if it tells anything: `Some(None)` where that cannot be read.
pub(crate) fn told(policy: &Policy, request: &Canonical, vector: &Vector) -> Option<Option<PeerCert>> {
    let lines: Vec<&[u8]> = request.header(HEADER).collect();
    let socket: Option<IpAddr> = vector
        .request
        .client_ip
        .as_ref()
        .and_then(|text| text.parse().ok());
    let is_trusted = socket.is_some_and(|socket| is_trusted(&policy.trust, socket.to_canonical()));
    (policy.reads_certificate() && is_trusted && !lines.is_empty()).then(|| read(&lines))
}

/// The certificate of the last element; `None` where the header came more than once or any element is not of the form.
fn read(lines: &[&[u8]]) -> Option<PeerCert> {
    let [line] = lines else { return None };
    let elements = elements(std::str::from_utf8(line).ok()?)?;
    let certificates: Option<Vec<PeerCert>> = elements.iter().map(|pairs| certificate(pairs)).collect();
    certificates?.pop()
}

fn certificate(pairs: &[Pair]) -> Option<PeerCert> {
    let values = |wanted: &str| -> Vec<String> {
        let named = pairs.iter().filter(|(name, _)| name.eq_ignore_ascii_case(wanted));
        named.map(|(_, value)| value.clone()).collect()
    };
    let given =
        |wanted: &str| -> Vec<String> { values(wanted).into_iter().filter(|v| !v.is_empty()).collect() };
    let at_most_one = |mut values: Vec<String>| -> Option<Option<String>> {
        let last = values.pop();
        values.is_empty().then_some(last)
    };
    let hash = at_most_one(values("hash"))?;
    let is_digest = |hash: &String| hash.len() == 64 && hash.chars().all(|c| c.is_ascii_hexdigit());
    if !hash.iter().all(is_digest) {
        return None;
    }
    let ids = given("uri")
        .into_iter()
        .filter(|uri| uri.starts_with("spiffe://"));
    Some(PeerCert {
        spiffe: at_most_one(ids.collect())?,
        dns: given("dns"),
        subject: at_most_one(given("subject"))?,
        fingerprint: hash.map(|hash| hash.to_ascii_lowercase()),
        ..PeerCert::default()
    })
}

/// Elements divided by commas, pairs by semicolons.
fn elements(line: &str) -> Option<Vec<Vec<Pair>>> {
    let mut rest = line.chars().peekable();
    let mut elements = vec![Vec::new()];
    loop {
        let mut name = String::new();
        loop {
            match rest.next()? {
                '=' => break,
                c => name.push(c),
            }
        }
        let name = name.trim_start_matches([' ', '\t']).to_string();
        if !is_token(name.as_bytes()) {
            return None;
        }
        let mut value = String::new();
        if rest.next_if_eq(&'"').is_some() {
            loop {
                match rest.next()? {
                    '"' => break,
                    '\\' => value.push(rest.next()?),
                    c => value.push(c),
                }
            }
        } else {
            while let Some(c) = rest.next_if(|c| c.is_ascii_graphic() && !matches!(c, '"' | '\\' | ',' | ';'))
            {
                value.push(c);
            }
        }
        while rest.next_if(|c| matches!(c, ' ' | '\t')).is_some() {}
        elements.last_mut()?.push((name, value));
        match rest.next() {
            None => return Some(elements),
            Some(';') => {}
            Some(',') => elements.push(Vec::new()),
            Some(_) => return None,
        }
    }
}
