//! Authority bytes -> host in its one spelling and the port, if one is given.

use portcullis_base::Detail;
use std::net::{Ipv4Addr, Ipv6Addr};

/// A host and a port as given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Authority {
    pub(crate) host: String,
    pub(crate) port: Option<u16>,
}

const BAD_HOST: Detail = Detail::BadHost;
const BAD_PORT: Detail = Detail::BadPort;

/// The detail code on failure; the host is looked at before the port.
pub(crate) fn parse_authority(bytes: &[u8]) -> Result<Authority, Detail> {
    let text = std::str::from_utf8(bytes).map_err(|_| BAD_HOST)?;
    let (host, port) = if text.starts_with('[') {
        let end = text.find(']').ok_or(BAD_HOST)?;
        let (host, rest) = text.split_at(end + 1);
        (
            ipv6(host)?,
            if rest.is_empty() {
                None
            } else {
                Some(rest.strip_prefix(':').ok_or(BAD_HOST)?)
            },
        )
    } else {
        match text.split_once(':') {
            None => (name(text)?, None),
            // a second colon: an IPv6 address without its brackets
            Some((_, port)) if port.contains(':') => return Err(BAD_HOST),
            Some((host, port)) => (name(host)?, Some(port)),
        }
    };
    let port = port.map(|text| parse_port(text).ok_or(BAD_PORT)).transpose()?;
    Ok(Authority { host, port })
}

fn parse_port(text: &str) -> Option<u16> {
    let canonical = !text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|_| canonical)
}

fn ipv6(bracketed: &str) -> Result<String, Detail> {
    let inner = bracketed.trim_start_matches('[').trim_end_matches(']');
    let address: Ipv6Addr = inner.parse().map_err(|_| BAD_HOST)?;
    // the standard library prints the RFC 5952 spelling
    if format!("[{address}]") == bracketed {
        Ok(bracketed.to_string())
    } else {
        Err(BAD_HOST)
    }
}

fn name(text: &str) -> Result<String, Detail> {
    let host = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    let label_ok = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if host.len() > 253 || !host.split('.').all(label_ok) {
        return Err(BAD_HOST);
    }
    let last = host.rsplit('.').next().unwrap_or_default();
    let looks_numeric = last.bytes().all(|b| b.is_ascii_digit()) || last.starts_with("0x");
    // the standard library's reading of an IPv4 address is exactly four canonical decimals
    if looks_numeric && host.parse::<Ipv4Addr>().is_err() {
        Err(BAD_HOST)
    } else {
        Ok(host)
    }
}
