//! Request target -> path and query, or no path (step 9). Knows the four forms of RFC 9112 and nothing of paths.

use super::headers::{Lines, name};
use super::{Malformed, authority};
use crate::value::Arena;
use crate::view::RequestView;
use portcullis_base::Detail;

/// A target before its bytes are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RawForm<'a> {
    /// Path and query, starting with `/`, or with what may follow an empty path.
    Path(&'a [u8]),
    /// `*` or an authority.
    NoPath(&'a [u8]),
}

/// Which of the forms the target has, and whether the method may have it.
pub(super) fn form<'a>(
    view: &'a RequestView<'a>,
    lines: &Lines<'_>,
    own: authority::Authority<'_>,
    scheme: &str,
    arena: &'a Arena,
) -> Result<RawForm<'a>, Malformed> {
    let target = view.target;
    if target.first() == Some(&b'/') && view.method != b"CONNECT" {
        return Ok(RawForm::Path(target));
    }
    let bad_target = Malformed::bad(Detail::BadTarget);
    if target == b"*" {
        return match view.method {
            b"OPTIONS" => Ok(RawForm::NoPath(target)),
            _ => Err(bad_target),
        };
    }
    let same = |given: &'a [u8]| authority::parse(given, scheme, arena).is_ok_and(|given| given == own);
    if view.method == b"CONNECT" {
        if matches!(authority::split_port(target), Some((_, Some(_)))) && same(target) {
            return Ok(RawForm::NoPath(target));
        }
        // HTTP/1 has no pseudo-headers, and a CONNECT there opens a tunnel.
        if !lines.has(name::PROTOCOL) || view.protocol.starts_with(b"HTTP/1") {
            return Err(bad_target);
        }
    }
    if let Some((given, rest)) = absolute(target) {
        return match same(given) {
            true => Ok(RawForm::Path(rest)),
            false => Err(Malformed::bad(Detail::HostMismatch)),
        };
    }
    match target.first() {
        Some(b'/') => Ok(RawForm::Path(target)),
        _ => Err(bad_target),
    }
}

/// Authority and rest of an absolute target.
pub(super) fn absolute(target: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = ["http://", "https://"].iter().find_map(|scheme| {
        let (head, rest) = target.split_at_checked(scheme.len())?;
        head.eq_ignore_ascii_case(scheme.as_bytes()).then_some(rest)
    })?;
    let end = rest
        .iter()
        .position(|b| matches!(b, b'/' | b'?' | b'#'))
        .unwrap_or(rest.len());
    rest.split_at_checked(end)
}
