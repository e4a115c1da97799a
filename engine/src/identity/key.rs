//! Request and the host's word -> the API key. Knows no rules.

use super::presented::{Presented, Shape};
use super::{Key, Kind};
use crate::image::config::{Config, KeySet};
use crate::limits;
use crate::request::Canonical;
use crate::value::Arena;
use crate::value::json::Json;
use crate::view::{KeyFact, RequestView};
use portcullis_base::Detail;

/// The key of a request.
pub(super) fn key<'a>(
    view: &'a RequestView<'a>,
    canonical: &Canonical<'a>,
    config: &Config,
    arena: &'a Arena,
) -> Kind<'a, Key<'a>> {
    let not_empty = |value: &[u8]| Shape::of(!value.is_empty());
    let mut presented = Presented::No;
    for (at, keys) in config.keys.iter().enumerate() {
        let mut before = config.keys.iter().take(at);
        if let Some(name) = keys.header.as_deref()
            && !before.clone().any(|other| other.header.as_deref() == Some(name))
        {
            presented = presented.and(canonical.headers.all(name).map(not_empty));
        }
        if let Some(name) = keys.cookie.as_deref()
            && !before.any(|other| other.cookie.as_deref() == Some(name))
        {
            presented = presented.and(canonical.cookie_values(name).map(not_empty));
        }
    }
    let is_presented = matches!(presented, Presented::Once);
    if let Some(verdict) = presented.verdict(view.key.is_some()) {
        return verdict;
    }
    let key = handed_over_key(view, config, arena);
    // As with tokens. One is presented, so it is in the set's own place or in another's.
    let is_own = |keys: &KeySet| {
        let header = keys.header.as_deref();
        let cookie = keys.cookie.as_deref();
        header.is_some_and(|name| canonical.headers.all(name).next().is_some())
            || cookie.is_some_and(|name| canonical.cookie_values(name).next().is_some())
    };
    match &key {
        Kind::Valid(of) if is_presented && !config.keys.get(of.keys).is_some_and(is_own) => {
            Kind::Invalid(Detail::AmbiguousCredential.code())
        }
        _ => key,
    }
}

/// The host's word.
fn handed_over_key<'a>(view: &'a RequestView<'a>, config: &Config, arena: &'a Arena) -> Kind<'a, Key<'a>> {
    let find = |name: &str| config.keys.iter().position(|keys| keys.name == name);
    match &view.key {
        None => Kind::Absent,
        Some(KeyFact::Verified { keys, id, fields }) => match find(keys) {
            Some(keys) => verified_key(keys, id, fields, arena),
            None => Kind::Invalid(Detail::UnknownKeys.code()),
        },
        Some(KeyFact::Invalid { fault, .. }) => Kind::Invalid(fault),
    }
}

fn verified_key<'a>(keys: usize, id: &'a str, fields: &'a [u8], arena: &'a Arena) -> Kind<'a, Key<'a>> {
    match Json::object_or_none(fields, limits::CLAIMS_BYTES, arena) {
        Some(fields) if fields.has_duplicate_members() => Kind::Invalid(Detail::DuplicateMember.code()),
        Some(fields) => Kind::Valid(Key { keys, id, fields }),
        None => Kind::Invalid(Detail::MalformedKey.code()),
    }
}
