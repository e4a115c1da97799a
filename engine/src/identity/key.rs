//! Request, the host's word and the hashes of keys -> the API key. Verifies what is presented and not handed over. Knows no
//! rules.

use super::presented::{Presented, Shape};
use super::{Key, Kind};
use crate::data::apikeys::KnownKey;
use crate::data::keys::Keys;
use crate::image::config::{Config, KeySet};
use crate::limits;
use crate::request::Canonical;
use crate::value::Arena;
use crate::value::json::Json;
use crate::view::{KeyFact, RequestView};
use portcullis_base::Detail;

/// The key of a request.
#[inline(never)]
pub(super) fn key<'a>(
    view: &'a RequestView<'a>,
    canonical: &Canonical<'a>,
    config: &Config,
    verification: (&'a Keys, Option<i64>),
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
    if is_presented && view.key.is_none() {
        return looked_up(canonical, config, verification, arena);
    }
    if let Some(verdict) = presented.verdict(view.key.is_some()) {
        return verdict;
    }
    let key = handed_over_key(view, config, arena);
    // As with tokens. One is presented, so it is in the set's own place or in another's.
    let is_own = |keys: &KeySet| at_place(canonical, keys).is_some();
    match &key {
        Kind::Valid(of) if is_presented && !config.keys.get(of.keys).is_some_and(is_own) => {
            Kind::Invalid(Detail::AmbiguousCredential.code())
        }
        _ => key,
    }
}

/// The key that stands at one of the places of a set.
fn at_place<'a>(canonical: &Canonical<'a>, keys: &KeySet) -> Option<&'a [u8]> {
    let header = keys.header.as_deref();
    let cookie = keys.cookie.as_deref();
    let in_header = header.and_then(|name| canonical.headers.all(name).next());
    in_header.or_else(|| cookie.and_then(|name| canonical.cookie_values(name).next()))
}

/// The one key that is presented, by the first of the sets that look there and know it; where none does, the first of them
/// says why.
#[inline(never)]
fn looked_up<'a>(
    canonical: &Canonical<'a>,
    config: &Config,
    (keys, now_us): (&'a Keys, Option<i64>),
    arena: &'a Arena,
) -> Kind<'a, Key<'a>> {
    let mut fault = None;
    for (place, set) in config.keys.iter().enumerate() {
        let Some(presented) = at_place(canonical, set) else {
            continue;
        };
        let unknown = match (keys.api_keys(place), &set.file) {
            (Some(loaded), _) => match loaded.find(presented) {
                Some(key) => return in_time(place, key, now_us, arena),
                None => Detail::UnknownApiKey,
            },
            (None, Some(_)) => Detail::KeysNotLoaded,
            // The host should have verified it.
            (None, None) => Detail::NotVerified,
        };
        fault = fault.or(Some(unknown));
    }
    Kind::Invalid(fault.unwrap_or(Detail::NotVerified).code())
}

fn in_time<'a>(place: usize, key: KnownKey<'a>, now_us: Option<i64>, arena: &'a Arena) -> Kind<'a, Key<'a>> {
    match (key.expires_us, now_us) {
        (Some(_), None) => Kind::Invalid(Detail::NoClock.code()),
        (Some(end), Some(now)) if now >= end => Kind::Invalid(Detail::Expired.code()),
        _ => verified_key(place, key.id, key.fields.as_bytes(), arena),
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
