//! `:authority`, Host header and absolute targets -> one host and one port, or a refusal. Knows no policy patterns.

use super::headers::{Lines, name};
use super::{Malformed, target};
use crate::limits;
use crate::value::Arena;
use crate::value::text::{self, class, is_spelled};
use crate::view::RequestView;
use portcullis_base::Detail;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Host and port in their one spelling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Authority<'a> {
    /// Lower case, one trailing dot removed; IPv6 in brackets; empty where an HTTP/1.0 request names none.
    pub host: &'a str,
    /// As given, else the scheme's.
    pub port: u16,
}

const BAD_HOST: Malformed = Malformed::bad(Detail::BadHost);
const BAD_PORT: Malformed = Malformed::bad(Detail::BadPort);

/// Step 8: the one authority of a request.
pub(super) fn of_request<'a>(
    view: &'a RequestView<'a>,
    lines: &Lines<'a>,
    scheme: &str,
    arena: &'a Arena,
) -> Result<Authority<'a>, Malformed> {
    let mut hosts = lines.framing(name::HOST, "host");
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err(Malformed::bad(Detail::DuplicateHost));
    }
    match (view.authority, host) {
        (Some(given), None) | (None, Some(given)) => parse(given, scheme, arena),
        (Some(given), Some(host)) => {
            let given = parse(given, scheme, arena)?;
            match parse(host, scheme, arena)? == given {
                true => Ok(given),
                false => Err(Malformed::bad(Detail::HostMismatch)),
            }
        }
        (None, None) => match target::absolute(view.target) {
            Some((given, _)) => parse(given, scheme, arena),
            // HTTP/1.0 knows requests without a host. No `on` takes them, for no pattern of one is empty.
            None if view.protocol == b"HTTP/1.0" => Ok(Authority {
                host: "",
                port: default_port(scheme),
            }),
            None => Err(Malformed::bad(Detail::MissingHost)),
        },
    }
}

fn default_port(scheme: &str) -> u16 {
    if scheme == "http" { 80 } else { 443 }
}

/// Reads `host[:port]`.
pub(super) fn parse<'a>(given: &'a [u8], scheme: &str, arena: &'a Arena) -> Result<Authority<'a>, Malformed> {
    let default_port = default_port(scheme);
    if let Some(host) = plain(given) {
        return Ok(Authority {
            host,
            port: default_port,
        });
    }
    // What follows refuses user info and zones too: `@` and `%` are in no label, no address and no port.
    let (host, port) = split_port(given).ok_or(BAD_HOST)?;
    let host = match host.strip_prefix(b"[") {
        Some(rest) => bracketed(host, rest),
        None => dns_name(host, arena),
    };
    if let Some(digits) = port
        && (given.contains(&b'@') || digits.contains(&b'%'))
    {
        return Err(BAD_HOST);
    }
    let host = host.ok_or(BAD_HOST)?;
    let port = match port {
        None => default_port,
        Some(digits) if text::is_decimal(digits) => match text::int(digits).map(u16::try_from) {
            Some(Ok(port)) if port > 0 => port,
            _ => return Err(BAD_PORT),
        },
        Some(_) => return Err(BAD_PORT),
    };
    Ok(Authority { host, port })
}

/// A DNS name that is canonical as it stands, as most are: lower case, no port, short, and not like an address.
fn plain(given: &[u8]) -> Option<&str> {
    let (mut all, mut any) = (class::HOST, 0);
    for byte in given {
        let own = text::classes(*byte);
        all &= own;
        any |= own;
    }
    if all == 0 || any & class::UPPER != 0 || given.len() > limits::LABEL_BYTES {
        return None;
    }
    let mut from = 0;
    text::each_place(given, b'.', |at| {
        let label = given.get(from..at).filter(|label| is_label(label));
        from = at + 1;
        label.map(|_| ())
    })?;
    let last = given.get(from..).filter(|label| is_label(label))?;
    // What ends like a number is looked at by the long way.
    match last {
        [.., b'0'..=b'9'] | [b'0', b'x', ..] => None,
        _ => std::str::from_utf8(given).ok(),
    }
}

/// Host with its brackets, and what follows the colon.
pub(crate) fn split_port(given: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
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
fn bracketed<'a>(host: &'a [u8], rest: &'a [u8]) -> Option<&'a str> {
    let text = std::str::from_utf8(rest.strip_suffix(b"]")?).ok()?;
    let address: Ipv6Addr = text.parse().ok()?;
    match is_spelled(address, text) {
        true => std::str::from_utf8(host).ok(),
        false => None,
    }
}

/// A DNS name of letters, digits, hyphens and underscores, or four canonical decimals.
fn dns_name<'a>(host: &'a [u8], arena: &'a Arena) -> Option<&'a str> {
    let host = host.strip_suffix(b".").unwrap_or(host);
    if host.len() > limits::HOST_BYTES {
        return None;
    }
    let (mut upper, mut from) = (0, 0);
    let mut last = host;
    for (at, byte) in host.iter().enumerate() {
        let classes = text::classes(*byte);
        upper |= classes & class::UPPER;
        if *byte == b'.' {
            if !is_label(host.get(from..at)?) {
                return None;
            }
            from = at + 1;
            last = host.get(from..)?;
        } else if classes & class::LABEL == 0 {
            return None;
        }
    }
    if !is_label(last) {
        return None;
    }
    let host = std::str::from_utf8(host).ok()?;
    let host = if upper == 0 {
        host
    } else {
        text::lower(host, arena)
    };
    let looks_numeric = last.iter().all(|b| b.is_ascii_digit()) || matches!(last, [b'0', b'x' | b'X', ..]);
    if looks_numeric && !host.parse::<Ipv4Addr>().is_ok_and(|v4| is_spelled(v4, host)) {
        return None;
    }
    Some(host)
}

/// Its bytes were looked at before.
fn is_label(label: &[u8]) -> bool {
    (1..=limits::LABEL_BYTES).contains(&label.len())
        && label.first() != Some(&b'-')
        && label.last() != Some(&b'-')
}
