//! What the request presents and what the host verified -> one state a kind. Two of one kind, and one that nobody
//! verified, are invalid, never ignored. Knows no rules; does no cryptography.

use super::json::Json;
use super::{Canonical, headers, text};
use crate::image::config::{Config, Issuer, TokenPlace};
use crate::limits;
use crate::request::{Credential, KeyFact, PeerCert, RequestView, SignatureFact};
use std::collections::BTreeSet;

/// Token, key, peer, signature: the order in which failures are told.
pub const TOKEN: u8 = 0;
/// API key.
pub const KEY: u8 = 1;
/// Client certificate.
pub const PEER: u8 = 2;
/// Signed message.
pub const SIGNATURE: u8 = 3;

/// State of a credential kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing presented, nothing handed over.
    Absent,
    /// Verified.
    Valid,
    /// Presented and not good.
    Invalid,
}

/// A credential of one kind.
#[derive(Clone, Debug)]
enum Kind<T> {
    Absent,
    Valid(T),
    Invalid(String),
}

impl<T> Kind<T> {
    fn invalid(detail: &str) -> Kind<T> {
        Kind::Invalid(detail.to_string())
    }

    fn state(&self) -> State {
        match self {
            Kind::Absent => State::Absent,
            Kind::Valid(_) => State::Valid,
            Kind::Invalid(_) => State::Invalid,
        }
    }

    fn valid(&self) -> Option<&T> {
        match self {
            Kind::Valid(credential) => Some(credential),
            _ => None,
        }
    }

    fn fault(&self) -> Option<&str> {
        match self {
            Kind::Invalid(detail) => Some(detail),
            _ => None,
        }
    }
}

/// A verified token.
#[derive(Clone, Debug)]
pub(super) struct Token<'a> {
    pub(super) issuer: usize,
    pub(super) claims: Json<'a>,
}

/// A verified API key.
#[derive(Clone, Debug)]
pub(super) struct Key<'a> {
    pub(super) keys: usize,
    pub(super) id: &'a str,
    pub(super) fields: Json<'a>,
}

/// A verified certificate.
#[derive(Clone, Debug)]
pub(super) struct Peer<'a> {
    pub(super) certificate: &'a PeerCert<'a>,
    /// The `peers` that its trust domain belongs to.
    claimed_by: Vec<usize>,
}

/// All credentials of a request.
#[derive(Clone, Debug)]
pub struct Credentials<'a> {
    token: Kind<Token<'a>>,
    key: Kind<Key<'a>>,
    peer: Kind<Peer<'a>>,
    signature: Kind<usize>,
}

/// How often a kind is presented in the headers.
enum Presented {
    No,
    Once,
    Malformed,
    Ambiguous,
}

impl Presented {
    /// `well_formed` of each presented credential.
    fn count(found: impl Iterator<Item = bool>) -> Presented {
        found.fold(Presented::No, |before, well_formed| match (before, well_formed) {
            (Presented::No, true) => Presented::Once,
            (Presented::No, false) => Presented::Malformed,
            _ => Presented::Ambiguous,
        })
    }

    /// What the headers say against the host's word; `None` where the host's word counts.
    fn verdict<T>(self, handed_over: bool) -> Option<Kind<T>> {
        match (self, handed_over) {
            (Presented::Ambiguous, _) => Some(Kind::invalid("ambiguous_credential")),
            (Presented::Malformed, _) => Some(Kind::invalid("malformed_credential")),
            (Presented::Once, false) => Some(Kind::invalid("not_verified")),
            (Presented::No, false) => Some(Kind::Absent),
            (_, true) => None,
        }
    }
}

impl<'a> Credentials<'a> {
    /// Reads all kinds.
    pub fn read(view: &'a RequestView<'a>, canonical: &Canonical<'a>, config: &Config) -> Credentials<'a> {
        Credentials {
            token: token(view, canonical, config),
            key: key(view, canonical, config),
            peer: peer(view, config),
            signature: signature(view, canonical, config),
        }
    }

    /// State of a kind; kinds that are none are absent.
    pub fn state(&self, kind: u8) -> State {
        match kind {
            TOKEN => self.token.state(),
            KEY => self.key.state(),
            PEER => self.peer.state(),
            SIGNATURE => self.signature.state(),
            _ => State::Absent,
        }
    }

    /// Whether a valid credential of the kind is there; a peer also needs some `peers` that claims it.
    pub fn valid(&self, kind: u8) -> bool {
        match kind {
            PEER => self.peer.valid().is_some_and(|peer| !peer.claimed_by.is_empty()),
            _ => self.state(kind) == State::Valid,
        }
    }

    /// Whether a credential of the kind was presented, good or not.
    pub fn presented(&self, kind: u8) -> bool {
        self.state(kind) != State::Absent
    }

    /// Whether the declaration `index` of the kind verified what is there.
    pub fn anchor(&self, kind: u8, index: u32) -> bool {
        let index = index as usize;
        match kind {
            TOKEN => self.token.valid().is_some_and(|token| token.issuer == index),
            KEY => self.key.valid().is_some_and(|key| key.keys == index),
            PEER => self
                .peer
                .valid()
                .is_some_and(|peer| peer.claimed_by.contains(&index)),
            SIGNATURE => self.signature.valid() == Some(&index),
            _ => false,
        }
    }

    /// The first invalid kind with its detail code.
    pub fn first_invalid(&self) -> Option<(u8, String)> {
        [
            self.token.fault(),
            self.key.fault(),
            self.peer.fault(),
            self.signature.fault(),
        ]
        .into_iter()
        .zip(TOKEN..)
        .find_map(|(fault, kind)| Some((kind, fault?.to_string())))
    }

    pub(super) fn token(&self) -> Option<&Token<'a>> {
        self.token.valid()
    }

    pub(super) fn key(&self) -> Option<&Key<'a>> {
        self.key.valid()
    }

    pub(super) fn peer(&self) -> Option<&Peer<'a>> {
        self.peer.valid()
    }

    pub(super) fn signature(&self) -> Option<usize> {
        self.signature.valid().copied()
    }
}

/// Credentials are seen even where a hop may drop their header.
fn all<'s, 'a>(canonical: &'s Canonical<'a>, name: &'s str) -> impl Iterator<Item = &'a [u8]> + use<'s, 'a> {
    headers::all(&canonical.headers, name)
}

fn token<'a>(view: &'a RequestView<'a>, canonical: &Canonical<'a>, config: &Config) -> Kind<Token<'a>> {
    let handed_over = !matches!(view.credential, Credential::Absent);
    if let Some(verdict) = presented_tokens(canonical, config).verdict(handed_over) {
        return verdict;
    }
    let find = |name: &str| config.issuers.iter().position(|issuer| issuer.name == name);
    match view.credential {
        Credential::Absent => Kind::Absent,
        Credential::Verified { issuer, claims } => match find(issuer) {
            Some(issuer) => verified_token(issuer, claims),
            None => Kind::invalid("unknown_issuer"),
        },
        Credential::Invalid { fault, .. } => Kind::invalid(fault),
    }
}

fn verified_token(issuer: usize, claims: &[u8]) -> Kind<Token<'_>> {
    if claims.len() > limits::CLAIMS_BYTES {
        return Kind::invalid("token_too_large");
    }
    match Json::parse(claims, limits::CLAIMS_BYTES) {
        Ok(claims) if claims.object().is_none() => Kind::invalid("malformed_token"),
        Ok(claims) if claims.has_duplicate_members() => Kind::invalid("duplicate_member"),
        Ok(claims) => Kind::Valid(Token { issuer, claims }),
        Err(_) => Kind::invalid("malformed_token"),
    }
}

fn presented_tokens(canonical: &Canonical<'_>, config: &Config) -> Presented {
    let mut places: Vec<&TokenPlace> = Vec::new();
    for Issuer { place, .. } in &config.issuers {
        if !places.contains(&place) {
            places.push(place);
        }
    }
    let found = places.into_iter().flat_map(|place| -> Vec<bool> {
        match place {
            TokenPlace::Authorization => all(canonical, "authorization").flat_map(bearer).collect(),
            TokenPlace::Header(name) => all(canonical, name).map(is_token68).collect(),
            TokenPlace::Cookie(name) => canonical.cookie_values(name).map(is_token68).collect(),
        }
    });
    Presented::count(found)
}

/// The tokens of an Authorization line, each well-formed or not; none for another scheme.
fn bearer(line: &[u8]) -> Vec<bool> {
    let end = line
        .iter()
        .position(|b| !text::is_token_byte(*b))
        .unwrap_or(line.len());
    let (scheme, rest) = line.split_at_checked(end).unwrap_or_default();
    if !scheme.eq_ignore_ascii_case(b"bearer") && !scheme.eq_ignore_ascii_case(b"dpop") {
        return Vec::new();
    }
    match rest.contains(&b',') {
        true => vec![false; 2],
        false => vec![rest.strip_prefix(b" ").is_some_and(is_token68)],
    }
}

fn is_token68(value: &[u8]) -> bool {
    let end = value.iter().rposition(|b| *b != b'=').map_or(0, |last| last + 1);
    let in_alphabet = |b: &u8| b.is_ascii_alphanumeric() || b"-._~+/".contains(b);
    end > 0 && value.iter().take(end).all(in_alphabet)
}

fn key<'a>(view: &'a RequestView<'a>, canonical: &Canonical<'a>, config: &Config) -> Kind<Key<'a>> {
    let names: BTreeSet<&String> = config
        .keys
        .iter()
        .filter_map(|keys| keys.header.as_ref())
        .collect();
    let cookies: BTreeSet<&String> = config
        .keys
        .iter()
        .filter_map(|keys| keys.cookie.as_ref())
        .collect();
    let in_headers = names.iter().flat_map(|name| all(canonical, name));
    let in_cookies = cookies.iter().flat_map(|name| canonical.cookie_values(name));
    let presented = Presented::count(in_headers.chain(in_cookies).map(|value| !value.is_empty()));
    if let Some(verdict) = presented.verdict(view.key.is_some()) {
        return verdict;
    }
    let find = |name: &str| config.keys.iter().position(|keys| keys.name == name);
    match &view.key {
        None => Kind::Absent,
        Some(KeyFact::Verified { keys, id, fields }) => match find(keys) {
            Some(keys) => verified_key(keys, id, fields),
            None => Kind::invalid("unknown_keys"),
        },
        Some(KeyFact::Invalid { fault, .. }) => Kind::invalid(fault),
    }
}

fn verified_key<'a>(keys: usize, id: &'a str, fields: &'a [u8]) -> Kind<Key<'a>> {
    match object_or_none(fields, limits::CLAIMS_BYTES) {
        Some(fields) if fields.has_duplicate_members() => Kind::invalid("duplicate_member"),
        Some(fields) => Kind::Valid(Key { keys, id, fields }),
        None => Kind::invalid("malformed_key"),
    }
}

/// A JSON object; no text is `{}`.
pub(super) fn object_or_none(text: &[u8], max_bytes: usize) -> Option<Json<'_>> {
    let text = if text.is_empty() { b"{}" } else { text };
    Json::parse(text, max_bytes)
        .ok()
        .filter(|json| json.object().is_some())
}

fn peer<'a>(view: &'a RequestView<'a>, config: &Config) -> Kind<Peer<'a>> {
    let Some(certificate) = &view.certificate else {
        return Kind::Absent;
    };
    if let Some(fault) = certificate.fault {
        return Kind::invalid(fault);
    }
    let domain = certificate.spiffe.and_then(trust_domain);
    let claims = |domains: &Vec<String>| domains.iter().any(|d| Some(d.as_bytes()) == domain);
    let claimed_by = (0..)
        .zip(&config.peers)
        .filter(|(_, domains)| claims(domains))
        .map(|(index, _)| index)
        .collect();
    Kind::Valid(Peer {
        certificate,
        claimed_by,
    })
}

/// `spiffe://DOMAIN/..`; SPIFFE writes it in lower case, and another spelling is another domain.
fn trust_domain(spiffe: &[u8]) -> Option<&[u8]> {
    spiffe.strip_prefix(b"spiffe://")?.split(|b| *b == b'/').next()
}

fn signature(view: &RequestView<'_>, canonical: &Canonical<'_>, config: &Config) -> Kind<usize> {
    let names: BTreeSet<&String> = config.signatures.iter().map(|(_, header)| header).collect();
    let lines = names.into_iter().flat_map(|name| all(canonical, name));
    let presented = Presented::count(lines.map(|value| !value.is_empty()));
    if let Some(verdict) = presented.verdict(view.signature.is_some()) {
        return verdict;
    }
    let find = |wanted: &str| config.signatures.iter().position(|(name, _)| name == wanted);
    match &view.signature {
        None => Kind::Absent,
        Some(SignatureFact::Verified { name }) => match find(name) {
            Some(index) => Kind::Valid(index),
            None => Kind::invalid("unknown_signature"),
        },
        Some(SignatureFact::Invalid { fault, .. }) => Kind::invalid(fault),
    }
}
