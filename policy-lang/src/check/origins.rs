//! Origin text -> an origin that a browser can send, or the pattern of one label. Origins are compared byte for byte, so
//! only their canonical spelling can ever match (RFC 6454, section 6.2).

use super::hosts;
use super::literals::{Bad, bad};
use crate::model::HostPattern;

/// Scheme, host in lower case, port unless the default. A first label `*` stands for any one label, with two labels or
/// more behind it.
pub(super) fn origin(text: &str) -> Result<(), Bad> {
    if let Some((scheme, behind)) = text.split_once("://*.")
        && !behind.contains('*')
    {
        let labels = behind.split(':').next().unwrap_or_default().split('.').count();
        return match fix(&format!("{scheme}://{behind}")) {
            None if labels >= 2 && behind.contains(|c: char| c.is_ascii_alphabetic()) => Ok(()),
            None => bad(
                "G0515",
                format!("`{text}` is every site of a top-level domain"),
                "name two labels behind the star, as in `https://*.example.com`",
            ),
            Some(_) => bad(
                "G0515",
                format!("`{text}` is not an origin that a browser can send"),
                "write scheme, star and host in lower case, as in `https://*.example.com`",
            ),
        };
    }
    if text.contains('*') {
        return bad(
            "G0515",
            format!("the star in `{text}` is not the whole first label of a host"),
            "write `https://*.example.com` for every host one label below `example.com`, or list the origins",
        );
    }
    match fix(text) {
        None => Ok(()),
        Some(help) => bad(
            "G0515",
            format!("`{text}` is not an origin that a browser can send"),
            help,
        ),
    }
}

/// How an origin without a star is written right, or `None` where it is.
fn fix(text: &str) -> Option<String> {
    let help = || Some("write scheme and host, as in `https://app.example.com`".to_owned());
    let (scheme, default_port) = match text.split_once("://") {
        Some(("https", _)) => ("https", "443"),
        Some(("http", _)) => ("http", "80"),
        _ => return help(),
    };
    let rest = text
        .strip_prefix(scheme)
        .and_then(|t| t.strip_prefix("://"))
        .unwrap_or_default();
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (rest, None),
    };
    if port.is_some_and(|p| p == default_port || !p.parse::<u16>().is_ok_and(|n| n > 0 && n.to_string() == p))
    {
        return Some(format!(
            "leave the port out, or write another one: `{scheme}://{host}`"
        ));
    }
    match hosts::host(host) {
        Ok(HostPattern::Exact(canonical)) if canonical == host => None,
        Ok(HostPattern::Exact(canonical)) => Some(format!("write `{scheme}://{canonical}`")),
        _ => help(),
    }
}
