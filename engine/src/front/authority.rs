//! `:authority`, Host header and absolute targets -> one host and one port, or a refusal. Knows no policy patterns.

use super::headers::{self, Header};
use super::{Malformed, target, text};
use crate::canary::canary;
use crate::limits;
use crate::request::RequestView;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Host and port in their one spelling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    /// Lower case, one trailing dot removed; IPv6 in brackets.
    pub host: String,
    /// As given, else the scheme's.
    pub port: u16,
}

/// Step 8: the one authority of a request.
pub(super) fn of_request(
    view: &RequestView<'_>,
    lines: &[Header<'_>],
    scheme: &str,
) -> Result<Authority, Malformed> {
    let mut hosts = headers::all(lines, "host");
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err(Malformed::bad("duplicate_host"));
    }
    match (view.authority, host) {
        (Some(given), None) | (None, Some(given)) => parse(given, scheme),
        (Some(given), Some(host)) => {
            let given = parse(given, scheme)?;
            match parse(host, scheme)? == given {
                true => Ok(given),
                false => Err(Malformed::bad("host_mismatch")),
            }
        }
        (None, None) => match target::absolute(view.target) {
            Some((given, _)) => parse(given, scheme),
            None => Err(Malformed::bad("missing_host")),
        },
    }
}

/// Reads `host[:port]`.
pub(super) fn parse(given: &[u8], scheme: &str) -> Result<Authority, Malformed> {
    let bad_host = Malformed::bad("bad_host");
    // User info and zones would move where host and port are split.
    if given.iter().any(|b| matches!(b, b'@' | b'%')) {
        return Err(bad_host);
    }
    let (host, port) = split_port(given).ok_or(bad_host)?;
    let host = match host.strip_prefix(b"[") {
        Some(rest) => bracketed(rest),
        None => name(host),
    };
    let host = host.ok_or(bad_host)?;
    let port = match port {
        None if scheme == "http" => 80,
        None => 443,
        Some(digits) if text::is_decimal(digits) => match text::lossy(digits).parse::<u16>() {
            Ok(port) if port > 0 => port,
            _ => return Err(Malformed::bad("bad_port")),
        },
        Some(_) => return Err(Malformed::bad("bad_port")),
    };
    Ok(Authority { host, port })
}

/// Host with its brackets, and what follows the colon.
pub(super) fn split_port(given: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
    if given.first() == Some(&b'[') {
        let end = given.iter().position(|b| *b == b']')? + 1;
        return match given.get(end..)? {
            [] => Some((given, None)),
            [b':', port @ ..] => Some((given.get(..end)?, Some(port))),
            _ => None,
        };
    }
    // The last colon: an IPv6 address without brackets then leaves a colon in the host, which refuses it.
    match given.iter().rposition(|b| *b == b':') {
        Some(at) => Some((given.get(..at)?, Some(given.get(at + 1..)?))),
        None => Some((given, None)),
    }
}

/// An IPv6 literal in the spelling of RFC 5952, which is the one that the standard library writes.
fn bracketed(rest: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(rest.strip_suffix(b"]")?).ok()?;
    let address: Ipv6Addr = text.parse().ok()?;
    (address.to_string() == text).then(|| format!("[{text}]"))
}

/// A DNS name of letters, digits and hyphens, or four canonical decimals.
fn name(host: &[u8]) -> Option<String> {
    let host = host.strip_suffix(b".").unwrap_or(host);
    let host = canary!(HostCase, text::lossy(host).to_string(), text::lower(host));
    if host.len() > limits::HOST_BYTES || !host.split('.').all(is_label) {
        return None;
    }
    let last = host.rsplit('.').next().unwrap_or_default();
    let looks_numeric = last.bytes().all(|b| b.is_ascii_digit()) || last.starts_with("0x");
    if looks_numeric && host.parse::<Ipv4Addr>().ok()?.to_string() != host {
        return None;
    }
    Some(host)
}

fn is_label(label: &str) -> bool {
    (1..=limits::LABEL_BYTES).contains(&label.len())
        && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}
