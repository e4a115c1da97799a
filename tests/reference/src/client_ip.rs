//! Socket address and forwarding headers -> `client.ip` (section 4).

use std::net::IpAddr;

use portcullis_lang::model::Trust;

use crate::facts::{Datum, Found, parse_ip};
use crate::normalise::{Canonical, is_token, trim};

/// Entries of a forwarding header, all lines together.
const ENTRIES_MAX: usize = 64;

/// Whether the socket's address is a trusted proxy.
pub(crate) fn is_trusted(trust: &Trust, address: IpAddr) -> bool {
    trust.proxies.iter().any(|net| net.contains(&address))
}

/// The client behind trusted proxies.
pub(crate) fn client_ip(trust: &Trust, request: &Canonical, socket: Option<IpAddr>) -> Found {
    let Some(socket) = socket else {
        return Found::absent();
    };
    if !is_trusted(trust, socket) {
        return Found::known(Datum::Ip(socket));
    }
    let forwarded_for: Vec<&[u8]> = request.header("x-forwarded-for").collect();
    let forwarded: Vec<&[u8]> = request.header("forwarded").collect();
    let entries: Vec<Option<IpAddr>> = match (forwarded_for.is_empty(), forwarded.is_empty()) {
        (true, true) if trust.hops.is_none() => return Found::known(Datum::Ip(socket)),
        (true, true) | (false, false) => return Found::ill_typed(),
        (false, true) => forwarded_for
            .join(&b","[..])
            .split(|b| *b == b',')
            .map(forwarded_for_entry)
            .collect(),
        (true, false) => split_outside_quotes(&forwarded.join(&b","[..]), b',')
            .into_iter()
            .map(forwarded_element)
            .collect(),
    };
    if entries.len() > ENTRIES_MAX {
        return Found::ill_typed();
    }
    let address = match trust.hops {
        Some(hops) => nth_from_right(trust, &entries, hops as usize),
        None => first_untrusted_from_right(trust, &entries),
    };
    address.map_or_else(Found::ill_typed, |address| Found::known(Datum::Ip(address)))
}

fn nth_from_right(trust: &Trust, entries: &[Option<IpAddr>], hops: usize) -> Option<IpAddr> {
    let mut from_right = entries.iter().rev();
    for _ in 1..hops {
        let proxy = (*from_right.next()?)?;
        if !is_trusted(trust, proxy) {
            return None;
        }
    }
    *from_right.next()?
}

fn first_untrusted_from_right(trust: &Trust, entries: &[Option<IpAddr>]) -> Option<IpAddr> {
    let mut leftmost = None;
    for entry in entries.iter().rev() {
        let address = (*entry)?;
        if !is_trusted(trust, address) {
            return Some(address);
        }
        leftmost = Some(address);
    }
    leftmost
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:80`.
fn forwarded_for_entry(entry: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(trim(entry)).ok()?;
    if text.starts_with('"') {
        return None;
    }
    parse_ip(text).or_else(|| node(text))
}

fn split_outside_quotes(text: &[u8], separator: u8) -> Vec<&[u8]> {
    let mut quoted = false;
    text.split(move |byte| {
        quoted ^= *byte == b'"';
        *byte == separator && !quoted
    })
    .collect()
}

/// `for=192.0.2.1;proto=https`: every pair must be one, exactly one of them is `for`.
fn forwarded_element(element: &[u8]) -> Option<IpAddr> {
    let mut nodes = Vec::new();
    for pair in split_outside_quotes(trim(element), b';') {
        let pair = trim(pair);
        let equals = pair.iter().position(|b| *b == b'=')?;
        let (name, value) = (pair.get(..equals)?, pair.get(equals + 1..)?);
        if !is_token(name) {
            return None;
        }
        if name.eq_ignore_ascii_case(b"for") {
            nodes.push(node(std::str::from_utf8(value).ok()?)?);
        }
    }
    match nodes.as_slice() {
        [only] => Some(*only),
        _ => None,
    }
}

/// `192.0.2.1`, `192.0.2.1:80`, `[2001:db8::1]`, `[2001:db8::1]:80`, with or without quotes.
fn node(text: &str) -> Option<IpAddr> {
    let text = match text.strip_prefix('"') {
        Some(rest) => rest.strip_suffix('"')?,
        None => text,
    };
    let (address, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, after) = rest.split_once(']')?;
            address.contains(':').then_some(())?;
            (
                address,
                if after.is_empty() {
                    None
                } else {
                    Some(after.strip_prefix(':')?)
                },
            )
        }
        None => text
            .split_once(':')
            .map_or((text, None), |(address, port)| (address, Some(port))),
    };
    let port_ok = port.is_none_or(|p| (1..=5).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_digit()));
    parse_ip(address).filter(|_| port_ok)
}
