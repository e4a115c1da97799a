//! Accepts that bind -> one demand on the request's body. Does not read bodies.

use super::{Binding, Bound};
use crate::decision::BodyDemand;
use crate::image::config::{AcceptBody, AcceptKind};
use crate::request::ContentType;
use crate::value::List;

/// Bytes of a body whose `accept` names no limit (decision 0001).
const MAX_BYTES_DEFAULT: u64 = 1_048_576;

/// A rule that binds has accepts, and none for the media type that the request names.
pub(super) struct UnsupportedMediaType;

/// The smallest limit; unknown fields are stripped only where every accept of fields strips.
pub(super) fn demand<'b>(
    b: &Binding<'b>,
    rules: &[Bound<'b>],
) -> Result<Option<BodyDemand<'b>>, UnsupportedMediaType> {
    let mut accepting = List::new_in(b.arena);
    let (mut max_bytes, mut strips, mut refuses) = (u64::MAX, false, false);
    for bound in rules.iter().filter(|bound| !bound.rule.body.accept.is_empty()) {
        let accepts = &bound.rule.body.accept;
        for accept in alternative(accepts, &b.canonical.content_type).ok_or(UnsupportedMediaType)? {
            max_bytes = max_bytes.min(accept.max_bytes.unwrap_or(MAX_BYTES_DEFAULT));
            if !matches!(accept.kind, AcceptKind::Type(_)) {
                strips |= accept.strip_unknown;
                refuses |= !accept.strip_unknown;
            }
        }
        accepting.push(bound.index);
    }
    Ok((!accepting.is_empty()).then(|| BodyDemand {
        accept: accepting.into_bump_slice(),
        max_bytes,
        strip_unknown: strips && !refuses,
    }))
}

/// Of several accepts of a rule the one for the request's media type, `None` without one. All of them where the request
/// names no type; and one alone counts for every request, as whoever reads the body sees its type.
fn alternative<'c>(accepts: &'c [AcceptBody], content_type: &ContentType<'_>) -> Option<&'c [AcceptBody]> {
    let named = match content_type {
        _ if accepts.len() < 2 => return Some(accepts),
        ContentType::Absent => return Some(accepts),
        ContentType::Ill => return None,
        ContentType::Known(named) => named,
    };
    let chosen = accepts.iter().find(|accept| match &accept.kind {
        AcceptKind::Json => is_json(named),
        AcceptKind::Form => *named == "application/x-www-form-urlencoded",
        AcceptKind::Type(own) => own == named,
    });
    chosen.map(std::slice::from_ref)
}

/// `application/json`, or a type whose suffix says so (RFC 6839, section 3.1).
fn is_json(media_type: &str) -> bool {
    media_type == "application/json" || media_type.ends_with("+json")
}
