//! Query -> parameters, each decoded once. Never refuses a spelling (that is for `accept query`), only a flood.

use super::{Malformed, text};
use crate::limits;

/// One query parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Param<'a> {
    /// Decoded; `None` where a triple is bad, and then it matches no name.
    pub name: Option<Vec<u8>>,
    /// Decoded; `None` where a triple is bad.
    pub value: Option<Vec<u8>>,
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

/// Parameters between `&`, empty ones left out.
pub(super) fn params(query: &[u8]) -> Result<Vec<Param<'_>>, Malformed> {
    let parts = || query.split(|b| *b == b'&').filter(|part| !part.is_empty());
    if parts().count() > limits::QUERY_PARAMETERS {
        return Err(Malformed {
            status: 414,
            detail: "too_many_parameters",
        });
    }
    Ok(parts().map(param).collect())
}

fn param(raw: &[u8]) -> Param<'_> {
    let (name, value) = text::split_once(raw, b'=').unwrap_or((raw, b""));
    let decoded = |text| text::decode(text, true).map(|decoded| decoded.into_owned());
    Param {
        name: decoded(name),
        value: decoded(value),
        raw,
    }
}
