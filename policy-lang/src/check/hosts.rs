//! Host text -> host patterns: lower case, A-labels, the spellings that a normalised request can have.

use super::literals::{Bad, bad, canonical};
use crate::model::HostPattern;
use std::net::{Ipv4Addr, Ipv6Addr};

/// A host of a service, and the name by which it captures its first label: `{tenant}.example.com`, to the choice of a
/// service `*.example.com`.
pub(super) fn captured(text: &str) -> Result<(HostPattern, Option<String>), Bad> {
    let Some((inner, suffix)) = text.strip_prefix('{').and_then(|t| t.split_once("}.")) else {
        if text.contains(['{', '}']) {
            return bad(
                "G0411",
                format!("`{text}` captures something else than its first label"),
                "write one whole label in front, as in `{tenant}.example.com`",
            );
        }
        return host(text).map(|host| (host, None));
    };
    let label = super::paths::capture_name(inner)?;
    Ok((name(suffix, text).map(HostPattern::OneLabel)?, Some(label)))
}

/// A host of a service.
pub(super) fn host(text: &str) -> Result<HostPattern, Bad> {
    if let Some(suffix) = text.strip_prefix("**.") {
        return name(suffix, text).map(HostPattern::Labels);
    }
    if let Some(suffix) = text.strip_prefix("*.") {
        return name(suffix, text).map(HostPattern::OneLabel);
    }
    if let Some(inner) = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')) {
        return match inner.parse::<Ipv6Addr>() {
            Ok(address) => {
                canonical("G0411", text, format_args!("[{address}]"), text.to_owned()).map(HostPattern::Exact)
            }
            Err(_) => bad(
                "G0411",
                format!("`{text}` is not an IPv6 address"),
                "write it as `[2001:db8::1]`",
            ),
        };
    }
    if text.parse::<Ipv4Addr>().is_ok() {
        return Ok(HostPattern::Exact(text.to_owned()));
    }
    name(text, text).map(HostPattern::Exact)
}

/// A character of a message.
fn shown(odd: char) -> String {
    match odd {
        ' ' => "a space".to_owned(),
        _ if odd.is_control() => "a control character".to_owned(),
        '`' => "a backtick".to_owned(),
        _ => format!("`{odd}`"),
    }
}

fn name(text: &str, whole: &str) -> Result<String, Bad> {
    let help =
        "write a name such as `api.example.com`, `*.example.com` or `**.example.com`, without port and path";
    if let Some((host, port)) = text.split_once(':')
        && !host.is_empty()
        && port.bytes().all(|b| b.is_ascii_digit())
    {
        return bad(
            "G0411",
            format!("`{whole}` holds a port, and a service answers on every port"),
            format!("write `{}`", whole.trim_end_matches(port).trim_end_matches(':')),
        );
    }
    let odd = |c: &char| c.is_ascii() && !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    if let Some(odd) = text.chars().find(odd) {
        return bad(
            "G0411",
            format!("`{whole}` is not a host: no host holds {}", shown(odd)),
            help,
        );
    }
    let Ok(ascii) = idna::domain_to_ascii(text) else {
        return bad("G0411", format!("`{whole}` is not a host"), help);
    };
    let label = |l: &str| {
        (1..=63).contains(&l.len())
            && !l.starts_with('-')
            && !l.ends_with('-')
            && l.bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'))
    };
    let numeric = |l: &str| l.bytes().all(|b| b.is_ascii_digit()) || l.starts_with("0x");
    let last = ascii.rsplit('.').next().unwrap_or_default();
    if ascii.len() > 253 || !ascii.split('.').all(label) || numeric(last) {
        return bad("G0411", format!("`{whole}` is not a host"), help);
    }
    Ok(ascii)
}
