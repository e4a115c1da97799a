//! Request, the host's word and the keys -> the token of a request and those of `beside` issuers. Verifies what is presented
//! and not handed over, each token once as long as its worker knows it. Knows no rules.

use super::cached::{LookUp, StaleKeysOf, TokenCache, Verified};
use super::claims::{Asked, Claims};
use super::presented::{Presented, PresentedAt, at_place, presented_tokens, token_at, token68};
use super::token::{Check, Compact, Trial, is_issuer, judge_claims, of_one, times};
use super::{Kind, Peer, Token, Verification};
use crate::image::config::{Config, Issuer, TokenPlace};
use crate::limits;
use crate::request::Canonical;
use crate::value::{Arena, List};
use crate::view::{Credential, KnownToken, RequestView};
use portcullis_base::Detail;

/// A token as far as it is known while tokens may still be added to the cache.
enum Step<'a> {
    Done(Kind<'a, Token<'a>>),
    /// In the cache.
    Cached {
        issuer: usize,
        at: usize,
    },
}

impl Step<'_> {
    fn invalid(detail: Detail) -> Self {
        Step::Done(Kind::Invalid(detail.code()))
    }

    fn absent() -> Self {
        Step::Done(Kind::Absent)
    }
}

impl<'a> Step<'a> {
    fn resolved(self, cache: Option<&'a TokenCache>) -> Kind<'a, Token<'a>> {
        match self {
            Step::Done(kind) => kind,
            Step::Cached { issuer, at } => match cache.and_then(|cache| cache.at(at)) {
                Some(token) => Kind::Valid(Token {
                    issuer,
                    claims: Claims::Known(token),
                }),
                // What was found lately is not what goes first.
                None => Kind::Invalid(Detail::NotVerified.code()),
            },
        }
    }
}

/// What all tokens of a request are read with.
struct Reader<'r, 'a> {
    view: &'a RequestView<'a>,
    config: &'r Config,
    peer: Option<&'r Peer<'a>>,
    arena: &'a Arena,
}

/// The token, and those of `beside` issuers by their place.
pub(super) fn tokens<'a>(
    view: &'a RequestView<'a>,
    canonical: &Canonical<'a>,
    config: &Config,
    mut verification: Verification<'a, '_>,
    peer: Option<&Peer<'a>>,
    arena: &'a Arena,
) -> (Kind<'a, Token<'a>>, &'a [Kind<'a, Token<'a>>]) {
    let reader = Reader {
        view,
        config,
        peer,
        arena,
    };
    let is_handed_over = !matches!(view.credential, Credential::FromHeaders);
    if is_handed_over && config.beside.is_empty() {
        return (reader.told_token(canonical, &mut verification), &[]);
    }
    reader.all(is_handed_over, canonical, verification)
}

impl<'a> Reader<'_, 'a> {
    /// Of the connection's certificate.
    fn fingerprint(&self) -> Option<&'a [u8]> {
        self.peer?.certificate.fingerprint()
    }

    /// Tokens that are presented, and those of `beside` issuers.
    #[inline(never)]
    fn all(
        &self,
        is_handed_over: bool,
        canonical: &Canonical<'a>,
        mut verification: Verification<'a, '_>,
    ) -> (Kind<'a, Token<'a>>, &'a [Kind<'a, Token<'a>>]) {
        let token = match is_handed_over {
            true => Step::Done(self.told_token(canonical, &mut verification)),
            false => self.token(canonical, &mut verification),
        };
        let mut steps = List::new_in(self.arena);
        for (place, issuer) in self.config.beside.iter().enumerate() {
            steps.push(self.beside(place, issuer, canonical, &mut verification));
        }
        let cache = verification.tokens.map(|cache| &*cache);
        let mut beside = List::with_capacity_in(steps.len(), self.arena);
        for step in steps.drain(..) {
            beside.push(step.resolved(cache));
        }
        (token.resolved(cache), beside.into_bump_slice())
    }

    /// The token that the request presents, where the host hands over none.
    #[inline]
    fn token(&self, canonical: &Canonical<'a>, verification: &mut Verification<'a, '_>) -> Step<'a> {
        let (presented, by) = presented_tokens(canonical, self.config);
        match presented {
            Presented::Once => match token_at(canonical, self.config, by) {
                Some(bearer) => self.presented(bearer, by, verification),
                None => Step::invalid(Detail::NotVerified),
            },
            other => other.verdict(false).map_or_else(Step::absent, Step::Done),
        }
    }

    /// The token that the host hands over.
    #[inline]
    fn told_token(
        &self,
        canonical: &Canonical<'a>,
        verification: &mut Verification<'a, '_>,
    ) -> Kind<'a, Token<'a>> {
        let (presented, by) = presented_tokens(canonical, self.config);
        match presented {
            Presented::No => return self.handed_over(verification),
            Presented::Once => {}
            other => return other.verdict(true).unwrap_or(Kind::Absent),
        }
        let token = self.handed_over(verification);
        let Kind::Valid(of) = &token else {
            return token;
        };
        // What is presented where its issuer does not look is a second one, which is not verified.
        if !by.is_read_by(of.issuer, self.config) {
            return Kind::Invalid(Detail::AmbiguousCredential.code());
        }
        if let (Some(issuer), Credential::Verified { claims, .. }) =
            (self.config.issuers.get(of.issuer), &self.view.credential)
            && issuer.opaque
        {
            self.keep_introspected(canonical, by, issuer, of, claims, verification);
        }
        token
    }

    /// Keeps what is known of an opaque token for a while, so that it is not asked about with every request.
    #[cold]
    fn keep_introspected(
        &self,
        canonical: &Canonical<'a>,
        by: PresentedAt,
        issuer: &Issuer,
        token: &Token<'a>,
        text: &'a [u8],
        verification: &mut Verification<'a, '_>,
    ) {
        let (Some(now), Some(cache)) = (verification.now_us, verification.tokens.as_deref_mut()) else {
            return;
        };
        let validity = times(&token.claims, issuer, Asked::INTROSPECTED, Some(now));
        let bearer = token_at(canonical, self.config, by);
        if let (Ok(mut validity), Some(bearer)) = (validity, bearer) {
            let end = now.saturating_add(limits::INTROSPECTED_US);
            validity.ends_us = Some(validity.ends_us.map_or(end, |own| own.min(end)));
            let kept = Verified {
                config: self.config,
                issuer,
                place: token.issuer,
                beside: false,
                claims: &token.claims,
                text,
                validity,
                policy: verification.policy,
                keys: verification.keys.generation(),
            };
            cache.keep(bearer, &kept, self.arena);
        }
    }

    #[inline]
    fn presented(
        &self,
        bearer: &'a [u8],
        by: PresentedAt,
        verification: &mut Verification<'a, '_>,
    ) -> Step<'a> {
        if let Some((issuer, at)) = self.cached(bearer, false, verification)
            && by.is_read_by(issuer, self.config)
        {
            return Step::Cached { issuer, at };
        }
        match self.verified_here(bearer, by, verification) {
            Ok(token) => Step::Done(Kind::Valid(token)),
            Err(detail) => Step::invalid(detail),
        }
    }

    #[inline]
    fn cached(
        &self,
        bearer: &[u8],
        beside: bool,
        verification: &mut Verification<'a, '_>,
    ) -> Option<(usize, usize)> {
        let cache = verification.tokens.as_mut()?;
        let at = cache.find(LookUp {
            bearer,
            beside,
            policy: verification.policy,
            keys: verification.keys.generation(),
            now_us: verification.now_us,
            fingerprint: self.fingerprint(),
        })?;
        Some((cache.at(at)?.place, at))
    }

    #[cold]
    fn verified_here(
        &self,
        bearer: &'a [u8],
        by: PresentedAt,
        verification: &mut Verification<'a, '_>,
    ) -> Result<Token<'a>, Detail> {
        if !cfg!(feature = "jwt") {
            return Err(Detail::NotVerified);
        }
        let read_here = || {
            let issuers = self.config.issuers.iter().enumerate();
            issuers.filter(|(at, _)| by.is_read_by(*at, self.config))
        };
        let token = Compact::read(bearer, self.arena);
        let maker = match &token {
            Ok(token) => maker(read_here(), token, self.arena),
            Err(_) => None,
        };
        match (token, maker) {
            (Ok(token), Some((place, issuer))) if !issuer.verified_by_gateway => {
                let of = StaleKeysOf { place, beside: false };
                self.verify(bearer, token, issuer, of, verification)
            }
            // Its issuer knows what it is.
            _ if read_here().any(|(_, issuer)| issuer.opaque) => Err(Detail::NotVerified),
            (Err(fault), _) => Err(fault),
            (Ok(token), maker) => {
                token.header()?;
                // The gateway should have verified it.
                Err(maker.map_or(Detail::UnknownIssuer, |_| Detail::NotVerified))
            }
        }
    }

    /// A token before the issuer that its `iss` names.
    fn verify(
        &self,
        bearer: &'a [u8],
        token: Compact<'a>,
        issuer: &Issuer,
        of: StaleKeysOf,
        verification: &mut Verification<'a, '_>,
    ) -> Result<Token<'a>, Detail> {
        let keys = verification.keys;
        let trial = Trial {
            token: &token,
            issuer,
            keys: match of.beside {
                true => keys.beside(of.place),
                false => keys.issuer(of.place),
            },
            now_us: verification.now_us,
            fingerprint: self.fingerprint(),
            arena: self.arena,
        };
        for check in Check::ALL {
            let mut cache = verification.tokens.as_deref_mut();
            let is_forged = check == Check::Signature
                && cache
                    .as_mut()
                    .is_some_and(|cache| cache.is_forged(bearer, keys.generation()));
            let made = if is_forged {
                Err(Detail::BadSignature)
            } else {
                check.make(&trial)
            };
            let Err(detail) = made else {
                continue;
            };
            match (detail, cache) {
                (Detail::UnknownKey | Detail::KeysNotLoaded, Some(cache)) => {
                    cache.miss_key(of, verification.now_us.unwrap_or_default());
                }
                (Detail::BadSignature, Some(cache)) if !is_forged => {
                    cache.keep_forged(bearer, keys.generation());
                }
                _ => {}
            }
            return Err(detail);
        }
        if let Some(cache) = verification.tokens.as_deref_mut() {
            let kept = Verified {
                config: self.config,
                issuer,
                place: of.place,
                beside: of.beside,
                claims: &token.claims,
                text: token.text,
                validity: times(&token.claims, issuer, Asked::ALL, verification.now_us)?,
                policy: verification.policy,
                keys: keys.generation(),
            };
            cache.keep(bearer, &kept, self.arena);
        }
        Ok(Token {
            issuer: of.place,
            claims: token.claims,
        })
    }

    /// The token of a `beside` issuer, read at its own header or cookie alone.
    #[inline(never)]
    fn beside(
        &self,
        place: usize,
        issuer: &Issuer,
        canonical: &Canonical<'a>,
        verification: &mut Verification<'a, '_>,
    ) -> Step<'a> {
        let mut handed_over = self
            .view
            .beside
            .iter()
            .filter(|token| token.issuer == issuer.name);
        let token = handed_over.next();
        let presented = match &issuer.place {
            // No compiler of ours makes it.
            TokenPlace::Authorization => Presented::Ambiguous,
            TokenPlace::Header(name) => Presented::No.and(canonical.headers.all(name).map(token68)),
            TokenPlace::Cookie(name) => Presented::No.and(canonical.cookie_values(name).map(token68)),
        };
        if let (None, Presented::Once, Some(bearer)) = (token, &presented, at_place(canonical, &issuer.place))
        {
            if let Some((issuer, at)) = self.cached(bearer, true, verification)
                && issuer == place
            {
                return Step::Cached { issuer, at };
            }
            return match self.verified_beside(bearer, place, issuer, verification) {
                Ok(token) => Step::Done(Kind::Valid(token)),
                Err(detail) => Step::invalid(detail),
            };
        }
        let verdict = match handed_over.next() {
            Some(_) => Presented::Ambiguous.verdict(true),
            None => presented.verdict(token.is_some()),
        };
        match (verdict, token.map(|token| token.claims)) {
            (Some(verdict), _) => Step::Done(verdict),
            (None, None) => Step::absent(),
            (None, Some(Err(fault))) => Step::Done(Kind::Invalid(fault)),
            (None, Some(Ok(claims))) => {
                let claims = Claims::read(claims, self.arena).and_then(|claims| match issuer.url_like {
                    true => of_one(&claims, issuer, self.arena).map(|()| claims),
                    false => Ok(claims),
                });
                match claims {
                    Ok(claims) => Step::Done(Kind::Valid(Token {
                        issuer: place,
                        claims,
                    })),
                    Err(detail) => Step::invalid(detail),
                }
            }
        }
    }

    #[cold]
    fn verified_beside(
        &self,
        bearer: &'a [u8],
        place: usize,
        issuer: &Issuer,
        verification: &mut Verification<'a, '_>,
    ) -> Result<Token<'a>, Detail> {
        let token = Compact::read(bearer, self.arena);
        if issuer.opaque || issuer.verified_by_gateway || !cfg!(feature = "jwt") {
            return Err(Detail::NotVerified);
        }
        let of = StaleKeysOf { place, beside: true };
        self.verify(bearer, token?, issuer, of, verification)
    }

    /// The host's word.
    fn handed_over(&self, verification: &Verification<'_, '_>) -> Kind<'a, Token<'a>> {
        let (now_us, config) = (verification.now_us, self.config);
        match self.view.credential {
            Credential::FromHeaders => Kind::Absent,
            Credential::Verified { issuer, claims } => self.told(issuer, claims, Asked::ALL, now_us),
            Credential::Named { issuer, claims } => self.told(issuer, claims, Asked::NAMED, now_us),
            Credential::Split { claims, .. } if claims.len() > limits::SPLIT_CLAIMS => {
                Kind::Invalid(Detail::TokenTooLarge.code())
            }
            Credential::Split { issuer, claims } => match place_of(issuer, config) {
                Some(of) => self.judged(of, Claims::Split(claims), Asked::ALL, now_us),
                None => Kind::Invalid(Detail::UnknownIssuer.code()),
            },
            Credential::Known(token) if token.is_over(now_us) => Kind::Invalid(Detail::Expired.code()),
            Credential::Known(token) => self.known(token, verification),
            Credential::Invalid { fault, .. } => Kind::Invalid(fault),
        }
    }

    #[cfg_attr(not(target_family = "wasm"), inline(always))]
    fn told(&self, issuer: &str, claims: &'a [u8], asked: Asked, now_us: Option<i64>) -> Kind<'a, Token<'a>> {
        match (place_of(issuer, self.config), Claims::read(claims, self.arena)) {
            (None, _) => Kind::Invalid(Detail::UnknownIssuer.code()),
            (Some(of), Ok(claims)) => self.judged(of, claims, asked, now_us),
            (Some(_), Err(detail)) => Kind::Invalid(detail.code()),
        }
    }

    /// Claims that somebody verified. Who verifies tokens for an issuer says nothing of what else the issuer asks for.
    #[inline]
    fn judged(
        &self,
        (place, issuer): (usize, &Issuer),
        claims: Claims<'a>,
        asked: Asked,
        now_us: Option<i64>,
    ) -> Kind<'a, Token<'a>> {
        if (issuer.verified_by_gateway || issuer.opaque || issuer.url_like)
            && let Err(detail) = self.judge(issuer, &claims, asked, now_us)
        {
            return Kind::Invalid(detail.code());
        }
        Kind::Valid(Token {
            issuer: place,
            claims,
        })
    }

    #[cold]
    fn judge(
        &self,
        issuer: &Issuer,
        claims: &Claims<'a>,
        asked: Asked,
        now_us: Option<i64>,
    ) -> Result<(), Detail> {
        if !issuer.verified_by_gateway && !issuer.opaque {
            return of_one(claims, issuer, self.arena);
        }
        let asked = asked.of(issuer);
        judge_claims(claims, issuer, asked, now_us, self.fingerprint(), self.arena)
    }

    /// A token whose facts are at hand and that the host vouches for. Under another policy than they were read for, and
    /// where more is asked of its claims, they are read again.
    fn known(&self, token: &'a KnownToken, verification: &Verification<'_, '_>) -> Kind<'a, Token<'a>> {
        let place = token.place(verification.policy).filter(|place| {
            let issuer = self.config.issuers.get(*place);
            issuer.is_some_and(|issuer| !issuer.verified_by_gateway && !issuer.opaque)
        });
        match place {
            Some(issuer) => Kind::Valid(Token {
                issuer,
                claims: Claims::Known(token),
            }),
            None => self.told(token.issuer(), token.claims(), Asked::ALL, verification.now_us),
        }
    }
}

fn place_of<'c>(issuer: &str, config: &'c Config) -> Option<(usize, &'c Issuer)> {
    let mut issuers = config.issuers.iter().enumerate();
    issuers.find(|(_, own)| own.name == issuer)
}

/// The issuer of a token among some, by its `iss`: one whose tokens can be verified or were to be by the gateway.
fn maker<'c, 'a>(
    mut issuers: impl Iterator<Item = (usize, &'c Issuer)>,
    token: &Compact<'a>,
    arena: &'a Arena,
) -> Option<(usize, &'c Issuer)> {
    let iss = token.claims.iss(arena)?;
    issuers.find(|(_, issuer)| !issuer.opaque && is_issuer(issuer, iss))
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
    token_at(canonical, config, by)
}
