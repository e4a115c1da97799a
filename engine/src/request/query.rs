//! Query -> parameters, each decoded once. Never refuses a spelling (that is for `accept query`), only a flood.

use super::Malformed;
use crate::limits;
use crate::value::{Arena, text};
use portcullis_base::Detail;

/// One query parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Param<'a> {
    /// Decoded; `None` where a triple is bad, and then it matches no name.
    pub name: Option<&'a [u8]>,
    /// Decoded; `None` where a triple is bad.
    pub value: Option<&'a [u8]>,
    /// As sent, for what is forwarded.
    pub raw: &'a [u8],
}

/// At the first `?`.
pub(super) fn split(target: &[u8]) -> (&[u8], Option<&[u8]>) {
    match text::split_once(target, b'?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    }
}

fn parts(query: &[u8]) -> impl Iterator<Item = &[u8]> {
    query.split(|b| *b == b'&').filter(|part| !part.is_empty())
}

/// Whether there are not more parameters than anybody looks through.
pub(super) fn check(query: &[u8]) -> Result<(), Malformed> {
    match parts(query).count() > limits::QUERY_PARAMETERS {
        true => Err(Malformed {
            status: 414,
            detail: Detail::TooManyParameters,
        }),
        false => Ok(()),
    }
}

/// Parameters between `&`, empty ones left out; what was sent past the limit was refused before.
pub(super) fn params<'a>(query: &'a [u8], arena: &'a Arena) -> &'a [Param<'a>] {
    let mut params = crate::value::List::new_in(arena);
    params.extend(
        parts(query)
            .take(limits::QUERY_PARAMETERS)
            .map(|raw| param(raw, arena)),
    );
    params.into_bump_slice()
}

fn param<'a>(raw: &'a [u8], arena: &'a Arena) -> Param<'a> {
    let (name, value) = text::split_once(raw, b'=').unwrap_or((raw, b""));
    Param {
        name: text::decode(name, true, arena),
        value: text::decode(value, true, arena),
        raw,
    }
}
