//! A socket's address -> whether a trusted hop is behind it, and the quoted lists that hops write into headers (RFC 7239,
//! section 4; Envoy's `x-forwarded-client-cert`) -> their parts. Knows no names in those lists.

use crate::image::config::Config;
use crate::value::{Arena, List, address};
use std::net::IpAddr;

/// Whether the address is a trusted proxy's.
pub(crate) fn is_proxy(config: &Config, address: IpAddr) -> bool {
    address::in_ranges(&config.proxies, address::unmapped(address))
}

/// Splits where no quotes are open.
pub(crate) fn split_quoted(list: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let (mut quoted, mut escaped) = (false, false);
    list.split(move |byte| {
        let splits = *byte == separator && !quoted;
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ => {}
        }
        splits
    })
}

/// A quoted string's text, or what stands there without quotes.
pub(crate) fn unquoted<'a>(value: &'a [u8], arena: &'a Arena) -> Option<&'a [u8]> {
    let Some(rest) = value.strip_prefix(b"\"") else {
        let plain = |b: &u8| b.is_ascii_graphic() && !matches!(b, b'"' | b'\\');
        return (!value.is_empty() && value.iter().all(plain)).then_some(value);
    };
    let mut inner = rest.strip_suffix(b"\"")?;
    let mut out = List::with_capacity_in(inner.len(), arena);
    while let [byte, tail @ ..] = inner {
        inner = match (byte, tail) {
            (b'"', _) | (b'\\', []) => return None,
            (b'\\', [escaped, after @ ..]) => {
                out.push(*escaped);
                after
            }
            _ => {
                out.push(*byte);
                tail
            }
        };
    }
    Some(out.into_bump_slice())
}
