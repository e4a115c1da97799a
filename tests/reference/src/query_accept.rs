//! `accept query`: clauses that bind and a query -> the query to forward, or 400 or 422 (section 7).

use portcullis_base::Detail;
use std::net::IpAddr;

use portcullis_lang::model::{Accept, AcceptedField, AcceptedType, Many, Policy};

use crate::facts::{parse_int, parse_ip};
use crate::hours::parse_instant;
use crate::normalise::Canonical;
use crate::patterns::Patterns;

const SHAPE: (u16, Detail) = (422, Detail::QueryShape);

/// What stands after the `?`, `None` without one. All clauses apply; a name is unknown if any does not know it.
pub(crate) fn accepted(
    policy: &Policy,
    accepts: &[&Accept],
    request: &Canonical,
    patterns: &Patterns,
) -> Result<Option<String>, (u16, Detail)> {
    if accepts.is_empty() {
        return Ok(request.query.clone());
    }
    let mut parameters = Vec::new();
    for parameter in &request.parameters {
        let text = |bytes: &Option<Vec<u8>>| bytes.clone().and_then(|bytes| String::from_utf8(bytes).ok());
        match (text(&parameter.name), text(&parameter.value)) {
            (Some(name), Some(value)) => parameters.push((parameter.raw.as_str(), name, value)),
            _ => return Err((400, Detail::QuerySyntax)),
        }
    }
    // what presents a token is passed over
    let is_known = |name: &str| {
        policy.presents_token(name)
            || accepts
                .iter()
                .all(|a| a.fields.iter().any(|field| field.path == name))
    };
    let known: Vec<_> = parameters.iter().filter(|(_, name, _)| is_known(name)).collect();
    let strips = accepts.iter().all(|accept| accept.strip_unknown);
    if known.len() < parameters.len() && !strips {
        return Err(SHAPE);
    }
    for field in accepts.iter().flat_map(|accept| &accept.fields) {
        let given: Vec<&str> = parameters
            .iter()
            .filter(|(_, name, _)| *name == field.path)
            .map(|(_, _, v)| v.as_str())
            .collect();
        let is_one = |texts: &[&str]| texts.len() == 1 && value_fits(field, texts[0], patterns);
        let is_list = |items: &[&str]| {
            let (least, most) = field.bounds.items.unwrap_or((0, u64::MAX));
            (least..=most).contains(&(items.len() as u64))
                && items.iter().all(|item| value_fits(field, item, patterns))
        };
        let fits = match (field.many, given.as_slice()) {
            (Many::One, texts) => is_one(texts),
            (Many::Given, texts) => is_list(texts),
            (Many::Separated(_), []) => is_list(&[]),
            (Many::Separated(at), [text]) => is_list(&text.split(at).collect::<Vec<_>>()),
            (Many::Separated(_), _) => false,
        };
        let is_left_out = given.is_empty() && field.optional;
        if !fits && !is_left_out {
            return Err(SHAPE);
        }
    }
    if known.len() == parameters.len() {
        return Ok(request.query.clone());
    }
    let kept: Vec<&str> = known.iter().map(|(raw, _, _)| *raw).collect();
    Ok((!kept.is_empty()).then(|| kept.join("&")))
}

fn value_fits(field: &AcceptedField, value: &str, patterns: &Patterns) -> bool {
    let bounds = &field.bounds;
    let size = match field.ty {
        AcceptedType::Bool => matches!(value, "true" | "false").then_some(None),
        AcceptedType::Int => parse_int(value).map(|i| Some(i128::from(i))),
        AcceptedType::String => i128::try_from(value.chars().count()).ok().map(Some),
        AcceptedType::Ip => parse_ip(value).map(|_: IpAddr| None),
        AcceptedType::Instant => parse_instant(value).map(|_| None),
        // bodies only
        AcceptedType::Number | AcceptedType::Object | AcceptedType::Any => None,
    };
    let Some(size) = size else { return false };
    // a bound that is no integer is met by nothing
    let bound = |text: &Option<String>, holds: fn(i128, i128) -> bool| match (size, text) {
        (Some(size), Some(text)) => text.parse().is_ok_and(|bound| holds(size, bound)),
        _ => true,
    };
    bound(&bounds.min, |size, min| size >= min)
        && bound(&bounds.max, |size, max| size <= max)
        && bounds
            .one_of
            .as_ref()
            .is_none_or(|texts| texts.iter().any(|text| text == value))
        && bounds
            .matches
            .as_ref()
            .is_none_or(|regex| patterns.is_match(regex, value.as_bytes()) == Some(true))
}
