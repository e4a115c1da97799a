//! A form (`application/x-www-form-urlencoded`) and the accepts of forms that bind -> accepted, without what is stripped, or
//! refused. Names and values are judged as those of queries are.

use super::{BodyRefusal, Judged, POINTER_BYTES_MAX};
use crate::image::config::{AcceptBody, QueryField};
use crate::image::tables::{View, matches};
use crate::obligations::{GivenParam, field_fits};
use crate::value::{Arena, text};
use portcullis_base::Detail;

pub(super) fn judge(
    accepts: &[&AcceptBody],
    strip_unknown: bool,
    view: View<'_>,
    body: &[u8],
    out: &mut Vec<u8>,
) -> Result<Judged, BodyRefusal> {
    let arena = Arena::new();
    let pairs = body.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty());
    let given: Option<Vec<GivenParam<'_>>> = pairs.map(|raw| given(raw, &arena)).collect();
    let given = given.ok_or(BodyRefusal::syntax(Detail::NotAForm))?;
    let is_known = |name: &str| {
        let knows = |accept: &&AcceptBody| accept.fields.iter().any(|field| field.name == name);
        accepts.iter().all(knows)
    };
    let unknown = given.iter().find(|param| !is_known(param.name));
    if let Some(param) = unknown
        && !strip_unknown
    {
        return Err(refused(Detail::UnknownField, param.name));
    }
    for field in accepts.iter().flat_map(|accept| &accept.fields) {
        fits(field, &given, view)?;
    }
    if unknown.is_none() {
        return Ok(Judged::AsItCame);
    }
    for param in given.iter().filter(|param| is_known(param.name)) {
        if !out.is_empty() {
            out.push(b'&');
        }
        out.extend_from_slice(param.raw);
    }
    Ok(Judged::Rewritten)
}

fn given<'p>(raw: &'p [u8], arena: &'p Arena) -> Option<GivenParam<'p>> {
    let (name, value) = text::split_once(raw, b'=').unwrap_or((raw, b""));
    Some(GivenParam {
        name: std::str::from_utf8(text::decode(name, true, arena)?).ok()?,
        value: std::str::from_utf8(text::decode(value, true, arena)?).ok()?,
        raw,
    })
}

fn fits(field: &QueryField, given: &[GivenParam<'_>], view: View<'_>) -> Result<(), BodyRefusal> {
    let matches = |pattern, text: &[u8]| matches(view, pattern, text);
    field_fits(field, given, &matches).map_err(|detail| refused(detail, &field.name))
}

fn refused(detail: Detail, name: &str) -> BodyRefusal {
    let name: String = name.chars().take(POINTER_BYTES_MAX / 4).collect();
    BodyRefusal::shape(detail, name)
}
