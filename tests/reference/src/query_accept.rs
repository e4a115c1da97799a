//! `accept query`: clauses that bind and a query -> the query to forward, or 400 or 422 (section 7).

use portcullis_base::Detail;
use std::net::IpAddr;

use portcullis_lang::model::{Accept, AcceptedField, AcceptedType, Bounds, Many, Policy};

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
            .map(|(_, _, value)| value.as_str())
            .collect();
        field_fits(field, &given, patterns).map_err(|_| SHAPE)?;
    }
    if known.len() == parameters.len() {
        return Ok(request.query.clone());
    }
    let kept: Vec<&str> = known.iter().map(|(raw, _, _)| *raw).collect();
    Ok((!kept.is_empty()).then(|| kept.join("&")))
}

/// The values that are given of a field of a query or form, in their order, or the first thing that is wrong.
pub(crate) fn field_fits(field: &AcceptedField, given: &[&str], patterns: &Patterns) -> Result<(), Detail> {
    let values: Vec<&str> = match field.many {
        Many::Separated(at) => given.iter().flat_map(|text| text.split(at)).collect(),
        Many::One | Many::Given => given.to_vec(),
    };
    for value in &values {
        value_fits(field, value, patterns)?;
    }
    if given.is_empty() && field.optional {
        return Ok(());
    }
    let (least, most) = match field.many {
        Many::One => (1, 1),
        Many::Given | Many::Separated(_) => field.bounds.items.unwrap_or((0, u64::MAX)),
    };
    let is_one_list = !matches!(field.many, Many::Separated(_)) || given.len() <= 1;
    if is_one_list && (least..=most).contains(&(values.len() as u64)) {
        Ok(())
    } else if given.is_empty() {
        Err(Detail::MissingField)
    } else {
        Err(Detail::WrongCount)
    }
}

fn value_fits(field: &AcceptedField, value: &str, patterns: &Patterns) -> Result<(), Detail> {
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
    let size = size.ok_or(Detail::WrongType)?;
    // a bound that is no integer is met by nothing
    let bound = |text: &Option<String>, holds: fn(i128, i128) -> bool| match (size, text) {
        (Some(size), Some(text)) => text.parse().is_ok_and(|bound| holds(size, bound)),
        _ => true,
    };
    if !bound(&bounds.min, |size, min| size >= min) || !bound(&bounds.max, |size, max| size <= max) {
        return Err(Detail::OutOfRange);
    }
    is_listed(bounds, value)?;
    is_matched(bounds, value, patterns)
}

/// Whether a text is one of those that are allowed.
pub(crate) fn is_listed(bounds: &Bounds, value: &str) -> Result<(), Detail> {
    match &bounds.one_of {
        Some(texts) if !texts.iter().any(|text| text == value) => Err(Detail::NotInList),
        _ => Ok(()),
    }
}

/// Whether the regex, where there is one, matches a text.
pub(crate) fn is_matched(bounds: &Bounds, value: &str, patterns: &Patterns) -> Result<(), Detail> {
    match &bounds.matches {
        Some(regex) if patterns.is_match(regex, value.as_bytes()) != Some(true) => Err(Detail::NoMatch),
        _ => Ok(()),
    }
}
