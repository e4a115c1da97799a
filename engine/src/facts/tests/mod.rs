//! Requests as far as their facts, against decision 0001.

mod client_ip;
mod credentials;
mod facts;
mod malformed;
mod paths;

use super::*;
use crate::data::Data;
use crate::identity::Verification;
use crate::image::config::{HostOptions, Source, Type};
use crate::image::ids::Slot;
use crate::request::{Head, Malformed};
use crate::view::*;

/// A request that is fine; tests change what they are about.
pub(super) fn get(target: &str) -> RequestView<'_> {
    RequestView {
        method: b"GET",
        authority: Some(b"api.example.com"),
        target: target.as_bytes(),
        protocol: b"HTTP/1.1",
        ..RequestView::default()
    }
}

/// The code, or the canonical path.
#[track_caller]
pub(super) fn outcome(view: &RequestView<'_>, options: HostOptions) -> Result<String, &'static str> {
    match normalise(view, &Config::default(), &Arena::new(), options) {
        Ok(canonical) => Ok(canonical.upstream_target().to_string()),
        Err(malformed) => Err(malformed.detail.code()),
    }
}

/// The canonical form under options.
pub(super) fn normalise<'a>(
    view: &'a RequestView<'a>,
    config: &Config,
    arena: &'a Arena,
    options: HostOptions,
) -> Result<&'a Canonical<'a>, Malformed> {
    Head::read(view, config, arena)?.normalise(options)
}

/// One fact of a request, with the text form of its value.
pub(super) fn fact(config: &Config, view: &RequestView<'_>, source: Source) -> (bool, Option<String>) {
    let config = Config {
        sources: vec![source],
        ..config.clone()
    };
    let data = Data::empty(&config);
    let arena = Arena::new();
    let canonical = normalise(view, &config, &arena, HostOptions::default()).unwrap();
    let credentials = Credentials::read(view, canonical, &config, Verification::nothing(), &arena);
    let facts = Facts::new(&config, &data, view, canonical, &credentials, None, &arena);
    let fetched = facts.fetch(Slot(0));
    let text = fetched.value.map(|value| facts.text(&value));
    (
        fetched.sent,
        text.map(|text| String::from_utf8(text.to_vec()).unwrap()),
    )
}

pub(super) fn sent(text: &str) -> (bool, Option<String>) {
    (true, Some(text.to_string()))
}

pub(super) const ABSENT: (bool, Option<String>) = (false, None);
pub(super) const ILL: (bool, Option<String>) = (true, None);

/// Inclusive range of one IPv4 network of 8 bits.
pub(super) fn net8(first: &str) -> (u128, u128) {
    let first = address::number(address::parse(first.as_bytes()).unwrap());
    (first, first | 0xff_ffff)
}

pub(super) fn claims_of(types: &[(&str, Type)]) -> Vec<(String, Type)> {
    types.iter().map(|(name, ty)| (name.to_string(), *ty)).collect()
}
