//! Query parameters and the `accept query`s that bind -> a refusal, or the target to forward. A closed world: all
//! that bind apply, and a parameter is known only where all of them know it.

use std::str::FromStr;

use super::{Binding, Bound};
use crate::image::config::{QueryField, QueryType};
use crate::image::tables::matches;
use crate::request::Param;
use crate::value::text::is_spelled;
use crate::value::{List, Text};
use portcullis_base::{Detail, instant};

/// Why a query is refused.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) detail: Detail,
}

const SYNTAX: Refusal = Refusal {
    status: 400,
    detail: Detail::QuerySyntax,
};
const SHAPE: Refusal = Refusal {
    status: 422,
    detail: Detail::QueryShape,
};

/// A parameter of a query or a form, as text.
pub(crate) struct GivenParam<'p> {
    pub(crate) name: &'p str,
    pub(crate) value: &'p str,
    /// As sent.
    pub(crate) raw: &'p [u8],
}

/// Judges the query; the target comes back without the parameters that are stripped.
pub(super) fn judge<'b>(b: &Binding<'b>, rules: &[Bound<'b>]) -> Result<&'b str, Refusal> {
    let accepts = b.list(rules.iter().flat_map(|bound| &bound.rule.body.accept_query));
    let target = b.canonical.upstream_target();
    if accepts.is_empty() {
        return Ok(target);
    }
    let mut all = List::new_in(b.arena);
    for param in b.canonical.params() {
        all.push(given(param).ok_or(SYNTAX)?);
    }
    // A token is no parameter of the application's.
    let presents_token = |name: &str| {
        b.config
            .issuers
            .iter()
            .any(|issuer| issuer.query.as_deref() == Some(name))
    };
    let known = |name: &str| {
        presents_token(name)
            || accepts
                .iter()
                .all(|accept| accept.fields.iter().any(|f| f.name == name))
    };
    let stripped = all.iter().any(|param| !known(param.name));
    if stripped && accepts.iter().any(|accept| !accept.strip_unknown) {
        return Err(SHAPE);
    }
    let matches = |pattern, text: &[u8]| matches(b.view, pattern, text);
    let fits = |field: &QueryField| field_fits(field, &all, &matches).is_ok();
    if !accepts.iter().all(|accept| accept.fields.iter().all(fits)) {
        return Err(SHAPE);
    }
    if !stripped {
        return Ok(target);
    }
    let path = target.split_once('?').map_or(target, |(path, _)| path);
    let mut kept = Text::from_str_in(path, b.arena);
    let mut separator = '?';
    for param in all.iter().filter(|param| known(param.name)) {
        kept.push(separator);
        // ASCII, as all of the target.
        kept.push_str(std::str::from_utf8(param.raw).unwrap_or_default());
        separator = '&';
    }
    Ok(kept.into_bump_str())
}

fn given<'p>(param: &Param<'p>) -> Option<GivenParam<'p>> {
    Some(GivenParam {
        name: std::str::from_utf8(param.name?).ok()?,
        value: std::str::from_utf8(param.value?).ok()?,
        raw: param.raw,
    })
}

/// Whether what is given under a field's name is what the field accepts; what is wrong with the first value that is not.
pub(crate) fn field_fits(
    field: &QueryField,
    given: &[GivenParam<'_>],
    matches: &dyn Fn(u32, &[u8]) -> bool,
) -> Result<(), Detail> {
    let (mut times, mut count) = (0u64, 0u64);
    for param in given.iter().filter(|param| param.name == field.name) {
        let mut rest = Some(param.value);
        while let Some(text) = rest {
            let (value, after) = match field.separator.and_then(|at| text.split_once(char::from(at))) {
                Some((value, after)) => (value, Some(after)),
                None => (text, None),
            };
            value_fits(field, value, matches)?;
            count += 1;
            rest = after;
        }
        times += 1;
    }
    if times == 0 && field.optional {
        return Ok(());
    }
    let (least, most) = field.items.unwrap_or((1, 1));
    // One text is split; two of them are not one list.
    let is_one = field.separator.is_none() || times <= 1;
    match is_one && (least..=most).contains(&count) {
        true => Ok(()),
        false if times == 0 => Err(Detail::MissingField),
        false => Err(Detail::WrongCount),
    }
}

fn value_fits(field: &QueryField, text: &str, matches: &dyn Fn(u32, &[u8]) -> bool) -> Result<(), Detail> {
    // What `min` and `max` measure; a type that has no measure is only checked for its form.
    let measure = match field.ty {
        QueryType::Bool if matches!(text, "true" | "false") => None,
        QueryType::Int => Some(canonical_int(text).ok_or(Detail::WrongType)?),
        QueryType::String => i64::try_from(text.chars().count()).ok(),
        QueryType::Ip if canonical_ip(text) => None,
        QueryType::Instant => Some(instant::parse(text.as_bytes()).map_err(|_| Detail::WrongType)?),
        QueryType::Bool | QueryType::Ip => return Err(Detail::WrongType),
    };
    let is_out = |n: i64| field.min.is_some_and(|min| n < min) || field.max.is_some_and(|max| n > max);
    if measure.is_some_and(is_out) {
        return Err(Detail::OutOfRange);
    }
    let is_listed = |texts: &Vec<String>| texts.iter().any(|one| one == text);
    if !field.one_of.as_ref().is_none_or(is_listed) {
        return Err(Detail::NotInList);
    }
    match field.matches {
        Some(table) if !matches(table, text.as_bytes()) => Err(Detail::NoMatch),
        _ => Ok(()),
    }
}

/// `-?(0|[1-9][0-9]*)` within i64, `-0` left out.
pub(crate) fn canonical_int(text: &str) -> Option<i64> {
    let value = i64::from_str(text).ok()?;
    is_spelled(value, text).then_some(value)
}

/// Four canonical decimals, or IPv6 text without a zone.
pub(crate) fn canonical_ip(text: &str) -> bool {
    crate::value::address::parse(text.as_bytes()).is_some()
}

#[cfg(test)]
mod tests;
