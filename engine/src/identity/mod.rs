//! What the request presents and what the host verified -> one state a kind. Two of one kind, and one that nobody
//! verified, are invalid, never ignored. Knows no rules; does no cryptography.

mod cached;
pub(crate) mod claims;

pub use cached::NoToken;
pub(crate) use cached::TokenCache;

use crate::image::config::{Config, Issuer, KeySet, TokenPlace};
use crate::limits;
use crate::request::{Canonical, Upgrade, headers};
use crate::value::json::Json;
use crate::value::{Arena, List, text};
use crate::view::{Credential, KeyFact, KnownToken, PeerCert, RequestView, SignatureFact};
use claims::Claims;
use portcullis_base::{CredentialKind, Detail};

/// State of a credential kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CredentialState {
    /// Nothing presented, nothing handed over.
    Absent,
    /// Verified.
    Valid,
    /// Presented and not good.
    Invalid,
}

/// A credential of one kind.
#[derive(Clone, Copy, Debug)]
enum Kind<'a, T> {
    Absent,
    Valid(T),
    /// A [`Detail`]'s code, or what the host said.
    Invalid(&'a str),
}

impl<'a, T> Kind<'a, T> {
    fn state(&self) -> CredentialState {
        match self {
            Kind::Absent => CredentialState::Absent,
            Kind::Valid(_) => CredentialState::Valid,
            Kind::Invalid(_) => CredentialState::Invalid,
        }
    }

    fn valid(&self) -> Option<&T> {
        match self {
            Kind::Valid(credential) => Some(credential),
            _ => None,
        }
    }

    fn fault(&self) -> Option<&'a str> {
        match self {
            Kind::Invalid(detail) => Some(detail),
            _ => None,
        }
    }
}

/// A verified token.
#[derive(Clone, Debug)]
pub(crate) struct Token<'a> {
    pub(crate) issuer: usize,
    pub(crate) claims: Claims<'a>,
}

/// A verified API key.
#[derive(Clone, Debug)]
pub(crate) struct Key<'a> {
    pub(crate) keys: usize,
    pub(crate) id: &'a str,
    pub(crate) fields: Json<'a>,
}

/// A verified certificate.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer<'a> {
    pub(crate) certificate: &'a PeerCert<'a>,
    /// The `peers` that its trust domain belongs to.
    claimed_by: &'a [u32],
}

/// All credentials of a request.
#[derive(Clone, Debug)]
pub(crate) struct Credentials<'a> {
    token: Kind<'a, Token<'a>>,
    key: Kind<'a, Key<'a>>,
    peer: Kind<'a, Peer<'a>>,
    signature: Kind<'a, usize>,
    /// By `beside` issuer; each token's issuer is its own position.
    beside: &'a [Kind<'a, Token<'a>>],
}

/// What of earlier requests and of the clock a token may be looked up by.
pub(crate) struct Seen<'a, 'p> {
    /// Tokens known by their bearer.
    pub tokens: Option<&'a mut TokenCache>,
    /// Digest of the policy.
    pub policy: &'p [u8; 32],
    /// µs since the epoch.
    pub now_us: Option<i64>,
}

#[cfg(test)]
impl Seen<'_, 'static> {
    /// Nothing was seen before.
    pub(crate) fn nothing() -> Self {
        Seen {
            tokens: None,
            policy: &[0; 32],
            now_us: None,
        }
    }
}

/// How often a kind is presented in the request.
enum Presented {
    No,
    Once,
    Malformed,
    /// Once, with a scheme that asks for a proof of each request.
    WithProof,
    Ambiguous,
}

/// The form of one that is presented.
#[derive(Clone, Copy, PartialEq)]
enum Shape {
    WellFormed,
    Malformed,
    WithProof,
}

impl Shape {
    fn of(is_well_formed: bool) -> Shape {
        if is_well_formed {
            Shape::WellFormed
        } else {
            Shape::Malformed
        }
    }
}

impl Presented {
    /// With further ones, in the form of each.
    fn and(self, found: impl Iterator<Item = Shape>) -> Presented {
        found.fold(self, |before, shape| match (before, shape) {
            (Presented::No, Shape::WellFormed) => Presented::Once,
            (Presented::No, Shape::Malformed) => Presented::Malformed,
            (Presented::No, Shape::WithProof) => Presented::WithProof,
            _ => Presented::Ambiguous,
        })
    }

    /// What the headers say against the host's word; `None` where the host's word counts.
    fn verdict<T>(self, handed_over: bool) -> Option<Kind<'static, T>> {
        match (self, handed_over) {
            (Presented::Ambiguous, _) => Some(Kind::Invalid(Detail::AmbiguousCredential.code())),
            (Presented::Malformed, _) => Some(Kind::Invalid(Detail::MalformedCredential.code())),
            (Presented::WithProof, _) => Some(Kind::Invalid(Detail::ProofNotSupported.code())),
            (Presented::Once, false) => Some(Kind::Invalid(Detail::NotVerified.code())),
            (Presented::No, false) => Some(Kind::Absent),
            (_, true) => None,
        }
    }
}

impl<'a> Credentials<'a> {
    /// Reads all kinds.
    pub(crate) fn read(
        view: &'a RequestView<'a>,
        canonical: &Canonical<'a>,
        config: &Config,
        seen: Seen<'a, '_>,
        arena: &'a Arena,
    ) -> Credentials<'a> {
        Credentials {
            token: token(view, canonical, config, seen, arena),
            key: key(view, canonical, config, arena),
            peer: peer(view, config, arena),
            signature: signature(view, canonical, config),
            beside: if config.beside.is_empty() {
                &[]
            } else {
                beside(view, canonical, config, arena)
            },
        }
    }

    /// State of a kind.
    pub(crate) fn state(&self, kind: CredentialKind) -> CredentialState {
        match kind {
            CredentialKind::Token => self.token.state(),
            CredentialKind::Key => self.key.state(),
            CredentialKind::Peer => self.peer.state(),
            CredentialKind::Signature => self.signature.state(),
            CredentialKind::Beside1 | CredentialKind::Beside2 | CredentialKind::Beside3 => kind
                .beside_index()
                .and_then(|index| self.beside.get(index))
                .map_or(CredentialState::Absent, Kind::state),
        }
    }

    /// Whether a valid credential of the kind is there; a peer also needs some `peers` that claims it.
    pub(crate) fn valid(&self, kind: CredentialKind) -> bool {
        match kind {
            CredentialKind::Peer => self.peer.valid().is_some_and(|peer| !peer.claimed_by.is_empty()),
            _ => self.state(kind) == CredentialState::Valid,
        }
    }

    /// Whether a credential of the kind was presented, good or not.
    pub(crate) fn presented(&self, kind: CredentialKind) -> bool {
        self.state(kind) != CredentialState::Absent
    }

    /// Whether the declaration at `place` of the kind verified what is there.
    pub(crate) fn anchor(&self, kind: CredentialKind, place: u32) -> bool {
        let index = place as usize;
        match kind {
            CredentialKind::Token => self.token.valid().is_some_and(|token| token.issuer == index),
            CredentialKind::Key => self.key.valid().is_some_and(|key| key.keys == index),
            CredentialKind::Peer => self
                .peer
                .valid()
                .is_some_and(|peer| peer.claimed_by.contains(&place)),
            CredentialKind::Signature => self.signature.valid() == Some(&index),
            // A kind of one issuer.
            _ => self.valid(kind),
        }
    }

    /// The first invalid kind with its detail code.
    #[inline]
    pub(crate) fn first_invalid(&self) -> Option<(CredentialKind, &'a str)> {
        let of = |kind: CredentialKind, fault: Option<&'a str>| fault.map(|fault| (kind, fault));
        of(CredentialKind::Token, self.token.fault())
            .or_else(|| of(CredentialKind::Key, self.key.fault()))
            .or_else(|| of(CredentialKind::Peer, self.peer.fault()))
            .or_else(|| of(CredentialKind::Signature, self.signature.fault()))
            .or_else(|| {
                let mut tokens = self.beside.iter().enumerate();
                tokens.find_map(|(at, token)| of(CredentialKind::beside(at), token.fault()))
            })
    }

    pub(crate) fn token(&self) -> Option<&Token<'a>> {
        self.token.valid()
    }

    /// The token of the `beside` issuer at a position.
    pub(crate) fn beside(&self, index: usize) -> Option<&Token<'a>> {
        self.beside.get(index)?.valid()
    }

    pub(crate) fn key(&self) -> Option<&Key<'a>> {
        self.key.valid()
    }

    pub(crate) fn peer(&self) -> Option<&Peer<'a>> {
        self.peer.valid()
    }

    pub(crate) fn signature(&self) -> Option<usize> {
        self.signature.valid().copied()
    }
}

fn token<'a>(
    view: &'a RequestView<'a>,
    canonical: &Canonical<'a>,
    config: &Config,
    seen: Seen<'a, '_>,
    arena: &'a Arena,
) -> Kind<'a, Token<'a>> {
    let (presented, presented_by) = presented_tokens(canonical, config);
    if let (Credential::FromHeaders, Presented::Once) = (&view.credential, &presented) {
        let found = seen.tokens.and_then(|tokens| {
            let (issuer, token) = tokens.find(the_bearer(canonical)?, seen.policy, seen.now_us)?;
            // Another issuer's token counts in its own place only.
            let place = config.issuers.get(issuer).map(|of| &of.place);
            (place == Some(&TokenPlace::Authorization)).then_some((issuer, token))
        });
        return match found {
            Some((issuer, token)) => Kind::Valid(Token {
                issuer,
                claims: Claims::Known(token),
            }),
            None => Kind::Invalid(Detail::NotVerified.code()),
        };
    }
    let handed_over = !matches!(view.credential, Credential::Absent | Credential::FromHeaders);
    let is_presented = matches!(presented, Presented::Once);
    if let Some(verdict) = presented.verdict(handed_over) {
        return verdict;
    }
    let token = handed_over_token(view, config, seen, arena);
    // What is presented where its issuer does not look is a second one, which nobody has verified.
    match &token {
        Kind::Valid(of) if is_presented && !presented_by.is_read_by(of.issuer, config) => {
            Kind::Invalid(Detail::AmbiguousCredential.code())
        }
        _ => token,
    }
}

/// The tokens of `beside` issuers, each read at its issuer's own header or cookie alone.
#[inline(never)]
fn beside<'a>(
    view: &'a RequestView<'a>,
    canonical: &Canonical<'a>,
    config: &Config,
    arena: &'a Arena,
) -> &'a [Kind<'a, Token<'a>>] {
    let mut out = List::new_in(arena);
    for (index, issuer) in config.beside.iter().enumerate() {
        let mut handed_over = view.beside.iter().filter(|token| token.issuer == issuer.name);
        let token = handed_over.next();
        let presented = match &issuer.place {
            // No compiler of ours makes it.
            TokenPlace::Authorization => Presented::Ambiguous,
            TokenPlace::Header(name) => Presented::No.and(canonical.headers.all(name).map(token68)),
            TokenPlace::Cookie(name) => Presented::No.and(canonical.cookie_values(name).map(token68)),
        };
        let verdict = match handed_over.next() {
            Some(_) => Presented::Ambiguous.verdict(true),
            None => presented.verdict(token.is_some()),
        };
        out.push(match (verdict, token.map(|token| token.claims)) {
            (Some(verdict), _) => verdict,
            (None, None) => Kind::Absent,
            (None, Some(Err(fault))) => Kind::Invalid(fault),
            (None, Some(Ok(claims))) => match Claims::read(claims, arena) {
                Ok(claims) => Kind::Valid(Token {
                    issuer: index,
                    claims,
                }),
                Err(detail) => Kind::Invalid(detail.code()),
            },
        });
    }
    out.into_bump_slice()
}

/// Where a token is presented: at the place of an issuer, the first of those that look there.
#[derive(Clone, Copy)]
struct PresentedAt {
    issuer: usize,
    in_query: bool,
}

impl PresentedAt {
    fn is_read_by(self, issuer: usize, config: &Config) -> bool {
        let of = |index: usize| config.issuers.get(index);
        issuer == self.issuer
            || if self.in_query {
                of(issuer).map(|i| &i.query) == of(self.issuer).map(|i| &i.query)
            } else {
                of(issuer).map(|i| &i.place) == of(self.issuer).map(|i| &i.place)
            }
    }
}

/// The host's word.
fn handed_over_token<'a>(
    view: &'a RequestView<'a>,
    config: &Config,
    seen: Seen<'a, '_>,
    arena: &'a Arena,
) -> Kind<'a, Token<'a>> {
    match view.credential {
        Credential::Absent | Credential::FromHeaders => Kind::Absent,
        Credential::Verified { issuer, claims } => verified(issuer, claims, config, arena),
        Credential::Split { claims, .. } if claims.len() > limits::SPLIT_CLAIMS => {
            Kind::Invalid(Detail::TokenTooLarge.code())
        }
        Credential::Split { issuer, claims } => match place_of(issuer, config) {
            Some(issuer) => Kind::Valid(Token {
                issuer,
                claims: Claims::Split(claims),
            }),
            None => Kind::Invalid(Detail::UnknownIssuer.code()),
        },
        Credential::Known(token) if token.is_over(seen.now_us) => Kind::Invalid(Detail::Expired.code()),
        Credential::Known(token) => known(token, seen.policy, config, arena),
        Credential::Invalid { fault, .. } => Kind::Invalid(fault),
    }
}

fn place_of(issuer: &str, config: &Config) -> Option<usize> {
    config.issuers.iter().position(|own| own.name == issuer)
}

fn verified<'a>(issuer: &str, claims: &'a [u8], config: &Config, arena: &'a Arena) -> Kind<'a, Token<'a>> {
    match (place_of(issuer, config), Claims::read(claims, arena)) {
        (None, _) => Kind::Invalid(Detail::UnknownIssuer.code()),
        (Some(issuer), Ok(claims)) => Kind::Valid(Token { issuer, claims }),
        (Some(_), Err(detail)) => Kind::Invalid(detail.code()),
    }
}

/// A token whose facts are at hand and that the host vouches for. Under another policy than they were read for, its
/// claims are read again.
fn known<'a>(
    token: &'a KnownToken,
    policy: &[u8; 32],
    config: &Config,
    arena: &'a Arena,
) -> Kind<'a, Token<'a>> {
    match token.place(policy) {
        Some(issuer) => Kind::Valid(Token {
            issuer,
            claims: Claims::Known(token),
        }),
        None => verified(token.issuer(), token.claims(), config, arena),
    }
}

/// The token of the one Authorization line, well-formed by an earlier look, where its scheme asks for no proof of each
/// request as DPoP does.
fn the_bearer<'a>(canonical: &Canonical<'a>) -> Option<&'a [u8]> {
    let mut lines = canonical
        .headers
        .framing(headers::name::AUTHORIZATION, "authorization");
    lines.find_map(|line| {
        let (scheme, token) = text::split_once(line, b' ')?;
        scheme.eq_ignore_ascii_case(b"bearer").then_some(token)
    })
}

/// How often tokens are presented, and where the first one is.
fn presented_tokens(canonical: &Canonical<'_>, config: &Config) -> (Presented, PresentedAt) {
    // Several issuers may look at one place, which presents its tokens once.
    let places = config
        .issuers
        .iter()
        .enumerate()
        .filter(|(at, issuer)| !config.issuers.iter().take(*at).any(|i| i.place == issuer.place))
        .map(|(at, issuer)| (at, &issuer.place));
    let mut presented = Presented::No;
    let mut by = PresentedAt {
        issuer: 0,
        in_query: false,
    };
    for (at, place) in places {
        let before = matches!(presented, Presented::No);
        presented = match place {
            TokenPlace::Authorization => presented.and(
                canonical
                    .headers
                    .framing(headers::name::AUTHORIZATION, "authorization")
                    .flat_map(bearer),
            ),
            TokenPlace::Header(name) => presented.and(canonical.headers.all(name).map(token68)),
            TokenPlace::Cookie(name) => presented.and(canonical.cookie_values(name).map(token68)),
        };
        if before && !matches!(presented, Presented::No) {
            by.issuer = at;
        }
    }
    if canonical.upgrade == Upgrade::WebSocket {
        for (at, issuer) in config.issuers.iter().enumerate() {
            let Some(name) = issuer.query.as_deref() else {
                continue;
            };
            if config
                .issuers
                .iter()
                .take(at)
                .any(|i| i.query.as_deref() == Some(name))
            {
                continue;
            }
            let before = matches!(presented, Presented::No);
            let values = in_query(canonical, name);
            presented = presented.and(values.map(|value| value.map_or(Shape::Malformed, token68)));
            if before && !matches!(presented, Presented::No) {
                by = PresentedAt {
                    issuer: at,
                    in_query: true,
                };
            }
        }
    }
    (presented, by)
}

/// The values of a query parameter, decoded; `None` for one that does not decode.
fn in_query<'c, 'a>(
    canonical: &'c Canonical<'a>,
    name: &'c str,
) -> impl Iterator<Item = Option<&'a [u8]>> + use<'c, 'a> {
    let params = canonical.params().iter();
    params
        .filter(|param| param.name == Some(name.as_bytes()))
        .map(|param| param.value)
}

/// The one token that the request presents, where an issuer of opaque tokens looks.
pub(crate) fn presented_opaque_token<'a>(canonical: &Canonical<'a>, config: &Config) -> Option<&'a [u8]> {
    let (Presented::Once, by) = presented_tokens(canonical, config) else {
        return None;
    };
    let is_opaque = |(at, issuer): (usize, &Issuer)| issuer.opaque && by.is_read_by(at, config);
    if !config.issuers.iter().enumerate().any(is_opaque) {
        return None;
    }
    let issuer = config.issuers.get(by.issuer)?;
    if by.in_query {
        return in_query(canonical, issuer.query.as_deref()?).next()?;
    }
    match &issuer.place {
        TokenPlace::Authorization => the_bearer(canonical),
        TokenPlace::Header(name) => canonical.headers.all(name).next(),
        TokenPlace::Cookie(name) => canonical.cookie_values(name).next(),
    }
}

/// The tokens of an Authorization line; none for another scheme.
fn bearer(line: &[u8]) -> impl Iterator<Item = Shape> + use<> {
    let end = line
        .iter()
        .position(|b| !text::is_token_byte(*b))
        .unwrap_or(line.len());
    let (scheme, rest) = line.split_at_checked(end).unwrap_or_default();
    let is_bearer = scheme.eq_ignore_ascii_case(b"bearer");
    let with_proof = !is_bearer && scheme.eq_ignore_ascii_case(b"dpop");
    let found = if !is_bearer && !with_proof {
        [None, None]
    } else if rest.contains(&b',') {
        [Some(Shape::Malformed), Some(Shape::Malformed)]
    } else {
        let shape = rest.strip_prefix(b" ").map_or(Shape::Malformed, token68);
        let proven = with_proof && shape == Shape::WellFormed;
        [Some(if proven { Shape::WithProof } else { shape }), None]
    };
    found.into_iter().flatten()
}

fn token68(value: &[u8]) -> Shape {
    let end = value.iter().rposition(|b| *b != b'=').map_or(0, |last| last + 1);
    let token = value.get(..end).unwrap_or_default();
    Shape::of(!token.is_empty() && text::is_token68(token))
}

fn key<'a>(
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

fn peer<'a>(view: &'a RequestView<'a>, config: &Config, arena: &'a Arena) -> Kind<'a, Peer<'a>> {
    let Some(certificate) = &view.certificate else {
        return Kind::Absent;
    };
    if let Some(fault) = certificate.fault {
        return Kind::Invalid(fault);
    }
    let domain = certificate.spiffe.and_then(trust_domain);
    let claims = |domains: &Vec<String>| domains.iter().any(|d| Some(d.as_bytes()) == domain);
    let mut claimed_by = List::new_in(arena);
    claimed_by.extend(
        (0..)
            .zip(&config.peers)
            .filter(|(_, domains)| claims(domains))
            .map(|(index, _)| index),
    );
    Kind::Valid(Peer {
        certificate,
        claimed_by: claimed_by.into_bump_slice(),
    })
}

/// `spiffe://DOMAIN/..`; SPIFFE writes it in lower case, and another spelling is another domain.
fn trust_domain(spiffe: &[u8]) -> Option<&[u8]> {
    spiffe.strip_prefix(b"spiffe://")?.split(|b| *b == b'/').next()
}

fn signature<'a>(view: &'a RequestView<'a>, canonical: &Canonical<'_>, config: &Config) -> Kind<'a, usize> {
    let mut presented = Presented::No;
    for (at, (_, header)) in config.signatures.iter().enumerate() {
        if !config
            .signatures
            .iter()
            .take(at)
            .any(|(_, other)| other == header)
        {
            presented = presented.and(
                canonical
                    .headers
                    .all(header)
                    .map(|value| Shape::of(!value.is_empty())),
            );
        }
    }
    let is_presented = matches!(presented, Presented::Once);
    if let Some(verdict) = presented.verdict(view.signature.is_some()) {
        return verdict;
    }
    let find = |wanted: &str| config.signatures.iter().position(|(name, _)| name == wanted);
    let is_own = |(_, header): &(String, String)| canonical.headers.all(header).next().is_some();
    match &view.signature {
        None => Kind::Absent,
        Some(SignatureFact::Verified { name }) => match find(name) {
            Some(index) if is_presented && !config.signatures.get(index).is_some_and(is_own) => {
                Kind::Invalid(Detail::AmbiguousCredential.code())
            }
            Some(index) => Kind::Valid(index),
            None => Kind::Invalid(Detail::UnknownSignature.code()),
        },
        Some(SignatureFact::Invalid { fault, .. }) => Kind::Invalid(fault),
    }
}
