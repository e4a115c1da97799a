//! Socket address and forwarding headers -> the client's address. Walks from the right, where trusted hops write, and
//! never looks left of the first untrusted entry.

use crate::image::config::Config;
use crate::limits;
use crate::request::authority::split_port;
use crate::request::hop::{is_proxy, split_quoted, unquoted};
use crate::request::{Canonical, headers};
use crate::value::{Arena, List, address, text};
use std::net::IpAddr;

/// What `client.ip` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClientIp {
    /// The host knows no socket address.
    Absent,
    /// A trusted hop said something that cannot be believed.
    Ill,
    /// Known, IPv4-mapped addresses unmapped.
    Known(IpAddr),
}

/// The client of a request.
pub(crate) fn find<'a>(
    config: &Config,
    socket_peer: Option<IpAddr>,
    canonical: &Canonical<'a>,
    arena: &'a Arena,
) -> ClientIp {
    let Some(socket) = socket_peer.map(address::unmapped) else {
        return ClientIp::Absent;
    };
    if config.proxies.is_empty() || !is_proxy(config, socket) {
        return ClientIp::Known(socket);
    }
    let joined = |name: &'static str| -> Option<&'a [u8]> {
        if !canonical.headers.has(headers::name::FORWARDED) {
            return None;
        }
        let mut lines = canonical.header_values(name);
        let (first, second) = (lines.next()?, lines.next());
        let Some(second) = second else {
            return Some(first);
        };
        let mut list = List::new_in(arena);
        list.extend_from_slice_copy(first);
        for line in std::iter::once(second).chain(lines) {
            list.push(b',');
            list.extend_from_slice_copy(line);
        }
        Some(list.into_bump_slice())
    };
    let mut entries = List::new_in(arena);
    match (joined("x-forwarded-for"), joined("forwarded")) {
        (Some(_), Some(_)) => return ClientIp::Ill,
        (None, None) => {
            return if config.hops.is_some() {
                ClientIp::Ill
            } else {
                ClientIp::Known(socket)
            };
        }
        (Some(list), None) => entries.extend(
            list.split(|b| *b == b',')
                .take(limits::FORWARDING_ENTRIES + 1)
                .map(text::trim)
                .map(|entry| address::parse(entry).or_else(|| node(entry))),
        ),
        (None, Some(list)) => entries.extend(
            split_quoted(list, b',')
                .take(limits::FORWARDING_ENTRIES + 1)
                .map(|entry| element(entry, arena)),
        ),
    }
    if entries.len() > limits::FORWARDING_ENTRIES {
        return ClientIp::Ill;
    }
    walk(config, &entries).map_or(ClientIp::Ill, ClientIp::Known)
}

/// `None` entries are unparsable; the last one was written by the nearest hop.
fn walk(config: &Config, entries: &[Option<IpAddr>]) -> Option<IpAddr> {
    let wanted = config.hops.map(|hops| hops.max(1));
    let mut place = 0;
    let mut leftmost = None;
    for entry in entries.iter().rev() {
        let entry = (*entry)?;
        place += 1;
        let trusted = is_proxy(config, entry);
        match wanted {
            Some(hops) if place == hops => return Some(entry),
            Some(_) if !trusted => return None,
            None if !trusted => return Some(entry),
            _ => leftmost = Some(entry),
        }
    }
    // With `hops` there were too few entries.
    if wanted.is_some() { None } else { leftmost }
}

/// The address of the one `for` of an element of `Forwarded`.
fn element(element: &[u8], arena: &Arena) -> Option<IpAddr> {
    let mut found = None;
    for pair in split_quoted(element, b';') {
        let (name, value) = text::split_once(text::trim(pair), b'=')?;
        let value = unquoted(value, arena)?;
        if !text::is_token(name) {
            return None;
        }
        if name.eq_ignore_ascii_case(b"for") && found.replace(node(value)?).is_some() {
            return None;
        }
    }
    found
}

/// `192.0.2.1`, `192.0.2.1:80`, `[2001:db8::1]`, `[2001:db8::1]:80`.
fn node(node: &[u8]) -> Option<IpAddr> {
    let (host, port) = split_port(node)?;
    let is_port = |digits: &[u8]| (1..=5).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    if !port.is_none_or(is_port) {
        return None;
    }
    match host.strip_prefix(b"[") {
        Some(rest) => {
            let inner = rest.strip_suffix(b"]")?;
            inner.contains(&b':').then(|| address::parse(inner))?
        }
        None if host.contains(&b':') => None,
        None => address::parse(host),
    }
}
