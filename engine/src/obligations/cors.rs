//! Request of a service with `cors` -> the CORS headers of its answer (Fetch standard, CORS protocol). Knows no
//! rules: a preflight is answered before them.

use super::{Binding, text};
use crate::decision::Set;
use crate::image::config::Cors;
use crate::request::Canonical;
use crate::value::List;

type Headers<'b> = List<'b, Set<'b>>;

/// Whether the request is a preflight: OPTIONS with one `origin` and one `access-control-request-method`.
pub(crate) fn is_preflight(canonical: &Canonical, _cors: &Cors) -> bool {
    canonical.method == b"OPTIONS"
        && canonical.header_values("origin").count() == 1
        && canonical.header_values("access-control-request-method").count() == 1
}

/// Headers of a preflight's answer.
pub(super) fn answer<'b>(b: &Binding<'b>, cors: &'b Cors, headers: &mut Headers<'b>) {
    if let Some(origin) = allowed_origin(b.canonical, cors) {
        put(headers, "access-control-allow-origin", origin);
        put(headers, "access-control-allow-methods", &cors.methods);
        if !cors.headers.is_empty() {
            put(headers, "access-control-allow-headers", &cors.headers);
        }
        if cors.credentials {
            put(headers, "access-control-allow-credentials", "true");
        }
        if let Some(seconds) = cors.max_age_s {
            put(
                headers,
                "access-control-max-age",
                text(b.arena, format_args!("{seconds}")),
            );
        }
    }
    if !cors.any_origin {
        put(headers, "vary", "origin");
    }
}

/// Headers of any other verdict: only for an origin that is allowed.
pub(super) fn actual<'b>(canonical: &'b Canonical, cors: &'b Cors, headers: &mut Headers<'b>) {
    let Some(origin) = allowed_origin(canonical, cors) else {
        return;
    };
    put(headers, "access-control-allow-origin", origin);
    if cors.credentials {
        put(headers, "access-control-allow-credentials", "true");
    }
    if !cors.any_origin {
        put(headers, "vary", "origin");
    }
}

/// What `access-control-allow-origin` says: the one origin of the request where it is listed, `*` for any.
fn allowed_origin<'c>(canonical: &'c Canonical, cors: &'c Cors) -> Option<&'c str> {
    let mut origins = canonical.header_values("origin");
    let origin: &[u8] = origins.next()?;
    if origins.next().is_some() {
        return None;
    }
    // The checker refuses `*` together with credentials; should it come, nobody is allowed.
    match (cors.any_origin, cors.credentials) {
        (true, false) => Some("*"),
        (true, true) => None,
        (false, _) => cors
            .origins
            .iter()
            .find(|o| o.as_bytes() == origin)
            .map(String::as_str)
            .or_else(|| one_label(origin, cors)),
    }
}

/// The origin, where a pattern of one label means it.
fn one_label<'c>(origin: &'c [u8], cors: &Cors) -> Option<&'c str> {
    let fits = |(before, behind): &(String, String)| {
        let rest = origin.strip_prefix(before.as_bytes())?;
        let label = rest.strip_suffix(behind.as_bytes())?;
        let is_label = (1..=63).contains(&label.len())
            && !label.starts_with(b"-")
            && !label.ends_with(b"-")
            && label
                .iter()
                .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_'));
        is_label.then_some(())
    };
    cors.one_label.iter().find_map(fits)?;
    std::str::from_utf8(origin).ok()
}

fn put<'b>(headers: &mut Headers<'b>, name: &'b str, value: &'b str) {
    headers.push((name, value));
}
