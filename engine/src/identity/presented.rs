//! Request -> where and how often a kind of credential is presented, by its syntax alone. Knows no keys and verifies nothing.

use super::Kind;
use crate::image::config::{Config, TokenPlace};
use crate::request::{Canonical, Upgrade, headers};
use crate::value::text;
use portcullis_base::Detail;

/// How often a kind is presented in the request.
pub(super) enum Presented {
    No,
    Once,
    Malformed,
    /// Once, with a scheme that asks for a proof of each request.
    WithProof,
    Ambiguous,
}

/// The form of one that is presented.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Shape {
    WellFormed,
    Malformed,
    WithProof,
}

impl Shape {
    pub(super) fn of(is_well_formed: bool) -> Shape {
        if is_well_formed {
            Shape::WellFormed
        } else {
            Shape::Malformed
        }
    }
}

impl Presented {
    /// With further ones, in the form of each.
    pub(super) fn and(self, found: impl Iterator<Item = Shape>) -> Presented {
        found.fold(self, |before, shape| match (before, shape) {
            (Presented::No, Shape::WellFormed) => Presented::Once,
            (Presented::No, Shape::Malformed) => Presented::Malformed,
            (Presented::No, Shape::WithProof) => Presented::WithProof,
            _ => Presented::Ambiguous,
        })
    }

    /// What the headers say against the host's word; `None` where the host's word counts.
    pub(super) fn verdict<T>(self, handed_over: bool) -> Option<Kind<'static, T>> {
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

/// Where a token is presented: at the place of an issuer, the first of those that look there.
#[derive(Clone, Copy)]
pub(super) struct PresentedAt {
    pub(super) issuer: usize,
    pub(super) in_query: bool,
}

impl PresentedAt {
    pub(super) fn is_read_by(self, issuer: usize, config: &Config) -> bool {
        let of = |index: usize| config.issuers.get(index);
        issuer == self.issuer
            || if self.in_query {
                of(issuer).map(|i| &i.query) == of(self.issuer).map(|i| &i.query)
            } else {
                of(issuer).map(|i| &i.place) == of(self.issuer).map(|i| &i.place)
            }
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
pub(super) fn presented_tokens(canonical: &Canonical<'_>, config: &Config) -> (Presented, PresentedAt) {
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

/// The token that is presented once, at this place.
pub(super) fn token_at<'a>(canonical: &Canonical<'a>, config: &Config, by: PresentedAt) -> Option<&'a [u8]> {
    let issuer = config.issuers.get(by.issuer)?;
    if by.in_query {
        return in_query(canonical, issuer.query.as_deref()?).next()?;
    }
    at_place(canonical, &issuer.place)
}

/// The first token at a place.
pub(super) fn at_place<'a>(canonical: &Canonical<'a>, place: &TokenPlace) -> Option<&'a [u8]> {
    match place {
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

pub(super) fn token68(value: &[u8]) -> Shape {
    let end = value.iter().rposition(|b| *b != b'=').map_or(0, |last| last + 1);
    let token = value.get(..end).unwrap_or_default();
    Shape::of(!token.is_empty() && text::is_token68(token))
}
