//! A presented token -> its claims, by checks in one order, the cheap ones before the signature. Each check is a function
//! of its own, so that whoever explains a refusal runs the same ones. Knows no rules, no cache and no place in a request.
//!
//! The form is JWS compact serialization (RFC 7515, section 3.1), the claims are those of RFC 7519, and RFC 8725 is heeded:
//! the key decides the algorithm, nothing in the token names a key to fetch, and every text has one reading.

use super::claims::{Asked, Claims, Confirmation};
use crate::data::keys::{TokenKey, TokenKeys, is_same};
use crate::image::config::{Issuer, media_type};
use crate::limits;
use crate::value::json::{Json, Member};
use crate::value::{Arena, List};
use portcullis_base::{Algorithm, Detail, base64url};

/// A token, taken apart. Nothing of it is believed.
#[derive(Clone, Debug)]
pub(crate) struct Compact<'a> {
    header: Json<'a>,
    /// The claims' text.
    pub(crate) text: &'a [u8],
    pub(crate) claims: Claims<'a>,
    /// Header and claims as they are signed.
    signed: &'a [u8],
    signature: &'a [u8],
}

impl<'a> Compact<'a> {
    /// Takes a token apart: three parts, each in the one spelling of its bytes, two of them JSON objects of which no member
    /// is given twice.
    pub(crate) fn read(token: &'a [u8], arena: &'a Arena) -> Result<Compact<'a>, Detail> {
        if token.len() > limits::TOKEN_BYTES {
            return Err(Detail::TokenTooLarge);
        }
        let mut parts = token.split(|byte| *byte == b'.');
        let (Some(header), Some(claims), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Detail::MalformedToken);
        };
        let signed = token.get(..header.len() + 1 + claims.len()).unwrap_or_default();
        let (header, text) = (bytes(header, arena)?, bytes(claims, arena)?);
        let signature = bytes(signature, arena)?;
        Ok(Compact {
            header: object(header, arena)?,
            claims: Claims::Json(object(text, arena)?),
            text,
            signed,
            signature,
        })
    }

    /// A text of the header; `Ok(None)` where there is none, an error where it is no text.
    fn text(&self, name: &[u8]) -> Result<Option<&'a [u8]>, Detail> {
        match self.header.object().map(|header| header.member(name)) {
            None | Some(Member::Absent) => Ok(None),
            Some(Member::Once(item)) => item.string().map(Some).ok_or(Detail::MalformedToken),
            Some(Member::Twice) => Err(Detail::MalformedToken),
        }
    }

    fn has(&self, name: &[u8]) -> bool {
        let header = self.header.object();
        header.is_some_and(|header| !matches!(header.member(name), Member::Absent))
    }

    /// Whether the header can be read and asks for nothing that is not done here.
    pub(crate) fn header(&self) -> Result<(), Detail> {
        if self.text(b"alg")?.is_none() {
            return Err(Detail::MalformedToken);
        }
        // Nothing that must be understood is (RFC 7515, section 4.1.11; RFC 7797).
        if self.has(b"crit") || self.has(b"b64") {
            return Err(Detail::CriticalHeader);
        }
        if self.text(b"cty")?.is_some_and(is_jwt) {
            return Err(Detail::NestedToken);
        }
        self.text(b"kid").map(drop)
    }

    /// `alg`, where it is one that is verified here.
    fn algorithm(&self) -> Option<Algorithm> {
        let name = std::str::from_utf8(self.text(b"alg").ok()??).ok()?;
        Algorithm::from_code(name).filter(|algorithm| *algorithm != Algorithm::Es512)
    }
}

/// The bytes of a part; there are some.
fn bytes<'a>(part: &[u8], arena: &'a Arena) -> Result<&'a [u8], Detail> {
    let mut decoded = List::with_capacity_in(part.len() / 4 * 3 + 2, arena);
    match base64url::decode_with(part, |bytes| decoded.extend_from_slice_copy(bytes)) {
        Some(()) if !decoded.is_empty() => Ok(decoded.into_bump_slice()),
        _ => Err(Detail::MalformedToken),
    }
}

fn object<'a>(text: &'a [u8], arena: &'a Arena) -> Result<Json<'a>, Detail> {
    let json = Json::parse(text, limits::CLAIMS_BYTES, arena).map_err(|_| Detail::MalformedToken)?;
    match json.object() {
        None => Err(Detail::MalformedToken),
        Some(_) if json.has_duplicate_members() => Err(Detail::DuplicateMember),
        Some(_) => Ok(json),
    }
}

/// A token before an issuer that may have made it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trial<'t, 'a> {
    pub(crate) token: &'t Compact<'a>,
    pub(crate) issuer: &'t Issuer,
    /// What was loaded of the issuer's keys.
    pub(crate) keys: Option<&'t TokenKeys>,
    /// µs since the epoch.
    pub(crate) now_us: Option<i64>,
    /// SHA-256 fingerprint of the connection's certificate, in hexadecimal.
    pub(crate) fingerprint: Option<&'t [u8]>,
    pub(crate) arena: &'a Arena,
}

/// A step of the trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// The header can be read and asks for nothing that is not done here: `crit`, `b64`, a nested token.
    Header,
    /// `iss` is the issuer's.
    Issuer,
    /// `alg` is one that the issuer uses.
    Algorithm,
    /// `typ` is what the issuer's clause `type` says.
    Type,
    /// A key of the issuer fits: by `kid`, or the only one.
    Key,
    /// `aud` names one of the issuer's audiences.
    Audience,
    /// `exp`, `nbf` and `iat` hold now.
    Times,
    /// The certificate of `cnf` is the connection's.
    Binding,
    /// The key made the signature.
    Signature,
}

impl Check {
    /// All of them, in the order in which they are made.
    pub const ALL: [Check; 9] = [
        Check::Header,
        Check::Issuer,
        Check::Algorithm,
        Check::Type,
        Check::Key,
        Check::Audience,
        Check::Times,
        Check::Binding,
        Check::Signature,
    ];

    /// Its name, for output.
    pub fn code(self) -> &'static str {
        match self {
            Check::Header => "header",
            Check::Issuer => "issuer",
            Check::Algorithm => "algorithm",
            Check::Type => "type",
            Check::Key => "key",
            Check::Audience => "audience",
            Check::Times => "times",
            Check::Binding => "binding",
            Check::Signature => "signature",
        }
    }

    /// Makes it.
    pub(crate) fn make(self, trial: &Trial<'_, '_>) -> Result<(), Detail> {
        match self {
            Check::Header => trial.token.header(),
            Check::Issuer => issuer(trial),
            Check::Algorithm => algorithm(trial).map(drop),
            Check::Type => typ(trial),
            Check::Key => key(trial),
            Check::Audience => audience(&trial.token.claims, trial.issuer, Asked::ALL, trial.arena),
            Check::Times => times(&trial.token.claims, trial.issuer, Asked::ALL, trial.now_us).map(drop),
            Check::Binding => binding(&trial.token.claims, trial.issuer, Asked::ALL, trial.fingerprint),
            Check::Signature => signature(trial),
        }
    }
}

fn is_jwt(cty: &[u8]) -> bool {
    std::str::from_utf8(cty).is_ok_and(|cty| media_type(cty) == "jwt")
}

fn issuer(trial: &Trial<'_, '_>) -> Result<(), Detail> {
    let iss = trial.token.claims.iss(trial.arena);
    let is_own = iss.is_some_and(|iss| is_issuer(trial.issuer, iss));
    if is_own {
        Ok(())
    } else {
        Err(Detail::UnknownIssuer)
    }
}

/// Whether a text of `iss` is the issuer's.
pub(crate) fn is_issuer(issuer: &Issuer, iss: &[u8]) -> bool {
    if !issuer.url_like {
        return issuer.url.as_bytes() == iss;
    }
    let mut parts = iss.split(|byte| *byte == b'/');
    let mut own = issuer.url.split('/');
    let is_part = |part: &[u8]| !part.is_empty() && part.iter().all(|byte| is_unreserved(*byte));
    own.by_ref().all(|own| match (own, parts.next()) {
        (_, None) => false,
        ("*", Some(part)) => is_part(part),
        (own, Some(part)) => own.as_bytes() == part,
    }) && parts.next().is_none()
}

/// RFC 3986, section 2.3.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

fn algorithm(trial: &Trial<'_, '_>) -> Result<Algorithm, Detail> {
    let own = &trial.issuer.algorithms;
    let found = trial.token.algorithm().filter(|algorithm| match own.is_empty() {
        true => !algorithm.is_symmetric(),
        false => own.iter().any(|own| is_same(*own, *algorithm)),
    });
    found.ok_or(Detail::AlgorithmNotAllowed)
}

fn typ(trial: &Trial<'_, '_>) -> Result<(), Detail> {
    let Some(wanted) = &trial.issuer.typ else {
        return Ok(());
    };
    let typ = trial.token.text(b"typ").ok().flatten();
    let typ = typ.and_then(|typ| std::str::from_utf8(typ).ok());
    match typ.is_some_and(|typ| media_type(typ) == *wanted) {
        true => Ok(()),
        false => Err(Detail::WrongType),
    }
}

/// What verifies the token.
enum Found<'t> {
    Public(&'t TokenKey),
    Secret(&'t portcullis_crypto::Secret),
}

fn key_of<'t>(trial: &Trial<'t, '_>) -> Result<Found<'t>, Detail> {
    let algorithm = algorithm(trial)?;
    match trial.keys {
        None => Err(Detail::KeysNotLoaded),
        Some(TokenKeys::Secret(own)) if algorithm.is_symmetric() => Ok(Found::Secret(&own.secret)),
        Some(TokenKeys::Secret(_)) => Err(Detail::UnknownKey),
        Some(TokenKeys::Public(keys, _)) => {
            let found = TokenKeys::find(keys, algorithm, trial.token.text(b"kid")?);
            found.map(Found::Public).ok_or(Detail::UnknownKey)
        }
    }
}

fn key(trial: &Trial<'_, '_>) -> Result<(), Detail> {
    key_of(trial).map(drop)
}

/// Some of `aud` is an audience of the issuer (RFC 7519, section 4.1.3).
pub(crate) fn audience(
    claims: &Claims<'_>,
    issuer: &Issuer,
    asked: Asked,
    arena: &Arena,
) -> Result<(), Detail> {
    if issuer.audiences.is_empty() {
        return Ok(());
    }
    let is_own = |aud: &&[u8]| issuer.audiences.iter().any(|own| own.as_bytes() == *aud);
    match claims.audiences(arena) {
        Ok(None) if !asked.whole => Ok(()),
        Ok(Some(found)) if found.iter().any(is_own) => Ok(()),
        _ => Err(Detail::WrongAudience),
    }
}

/// From when on, and until when, a token is good, µs since the epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Validity {
    pub(crate) starts_us: Option<i64>,
    pub(crate) ends_us: Option<i64>,
}

/// The times of a token, with the issuer's leeway at both ends, and its own end among them.
fn times_of(claims: &Claims<'_>, issuer: &Issuer, asked: Asked) -> Result<(Validity, Option<i64>), Detail> {
    let (exp, nbf, iat) = (claims.time("exp")?, claims.time("nbf")?, claims.time("iat")?);
    if exp.is_none() && asked.whole && asked.expiry && !issuer.no_expiry {
        return Err(Detail::NoExpiry);
    }
    let leeway = issuer.leeway_us;
    let end = exp.map(|exp| exp.saturating_add(leeway));
    let oldest = iat.zip(issuer.max_age_us);
    let oldest = oldest.map(|(iat, age)| iat.saturating_add(age).saturating_add(leeway));
    let validity = Validity {
        starts_us: nbf.max(iat).map(|start| start.saturating_sub(leeway)),
        ends_us: match (end, oldest) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        },
    };
    Ok((validity, end))
}

/// Whether a token is good now as far as its times go, and how long.
pub(crate) fn times(
    claims: &Claims<'_>,
    issuer: &Issuer,
    asked: Asked,
    now_us: Option<i64>,
) -> Result<Validity, Detail> {
    let (validity, end) = times_of(claims, issuer, asked)?;
    if validity != Validity::default() {
        let now = now_us.ok_or(Detail::NoClock)?;
        if end.is_some_and(|end| now >= end) {
            return Err(Detail::Expired);
        }
        if validity.starts_us.is_some_and(|start| now < start) {
            return Err(Detail::NotYetValid);
        }
        if validity.ends_us.is_some_and(|end| now >= end) {
            return Err(Detail::TooOld);
        }
    }
    has_age(claims, issuer, asked)?;
    Ok(validity)
}

/// An issuer that asks how old a token is wants to be told.
fn has_age(claims: &Claims<'_>, issuer: &Issuer, asked: Asked) -> Result<(), Detail> {
    match issuer.max_age_us.is_some() && asked.whole && claims.time("iat")?.is_none() {
        true => Err(Detail::TooOld),
        false => Ok(()),
    }
}

/// A token that names a certificate is good on its connection alone (RFC 8705, section 3.1); one that names a key, only
/// beside a proof (RFC 7800), which is not verified here.
pub(crate) fn binding(
    claims: &Claims<'_>,
    issuer: &Issuer,
    asked: Asked,
    fingerprint: Option<&[u8]>,
) -> Result<(), Detail> {
    match claims.confirmation() {
        Confirmation::Absent if issuer.bound_to_certificate && asked.whole => {
            Err(Detail::CertificateMismatch)
        }
        Confirmation::Absent => Ok(()),
        Confirmation::Other => Err(Detail::ProofNotSupported),
        Confirmation::Certificate(thumbprint) => match is_thumbprint(thumbprint, fingerprint) {
            true => Ok(()),
            false => Err(Detail::CertificateMismatch),
        },
    }
}

/// Whether `x5t#S256` is of the certificate with this fingerprint.
pub(crate) fn is_thumbprint(thumbprint: &[u8], fingerprint: Option<&[u8]>) -> bool {
    let (Some(bytes), Some(hex)) = (base64url::decode(thumbprint), fingerprint) else {
        return false;
    };
    let digit = |byte: u8| char::from(byte).to_digit(16);
    bytes.len() == 32
        && hex.len() == 64
        && bytes.iter().zip(hex.chunks(2)).all(|(byte, pair)| match pair {
            [high, low] => {
                digit(*high).zip(digit(*low)) == Some((u32::from(byte >> 4), u32::from(byte & 15)))
            }
            _ => false,
        })
}

fn signature(trial: &Trial<'_, '_>) -> Result<(), Detail> {
    let algorithm = algorithm(trial)?;
    let (signed, signature) = (trial.token.signed, trial.token.signature);
    let is_good = match key_of(trial)? {
        Found::Public(key) => key.verify(algorithm, signed, signature),
        Found::Secret(secret) => secret.verify_hs(algorithm, signed, signature),
    };
    if is_good {
        Ok(())
    } else {
        Err(Detail::BadSignature)
    }
}

/// What the host hands over of a token that it or the gateway verified, but for what the issuer's clauses ask of the claims:
/// whose they are, for whom, when, and on which connection.
pub(crate) fn judge_claims<'a>(
    claims: &Claims<'a>,
    issuer: &Issuer,
    asked: Asked,
    now_us: Option<i64>,
    fingerprint: Option<&[u8]>,
    arena: &'a Arena,
) -> Result<(), Detail> {
    own_and_for_us(claims, issuer, asked, arena)?;
    times(claims, issuer, asked, now_us)?;
    binding(claims, issuer, asked, fingerprint)
}

/// The same of claims that are kept and judged by their times whenever they are used, on any connection.
pub(crate) fn judge_kept<'a>(
    claims: &Claims<'a>,
    issuer: &Issuer,
    asked: Asked,
    arena: &'a Arena,
) -> Result<Validity, Detail> {
    own_and_for_us(claims, issuer, asked, arena)?;
    let (validity, _) = times_of(claims, issuer, asked)?;
    has_age(claims, issuer, asked)?;
    binding(claims, issuer, asked, None)?;
    Ok(validity)
}

/// Whether `iss`, where claims that somebody else verified have it, is one of the texts that the issuer's `url like` means:
/// an issuer behind another would share its name and its quotas.
pub(crate) fn of_one<'a>(claims: &Claims<'a>, issuer: &Issuer, arena: &'a Arena) -> Result<(), Detail> {
    match claims.iss(arena) {
        Some(iss) if is_issuer(issuer, iss) => Ok(()),
        None if !claims.names_issuer() => Ok(()),
        _ => Err(Detail::UnknownIssuer),
    }
}

fn own_and_for_us<'a>(
    claims: &Claims<'a>,
    issuer: &Issuer,
    asked: Asked,
    arena: &'a Arena,
) -> Result<(), Detail> {
    match claims.iss(arena) {
        Some(iss) if is_issuer(issuer, iss) => {}
        None if !(claims.names_issuer() || asked.whole && asked.issuer) => {}
        _ => return Err(Detail::UnknownIssuer),
    }
    audience(claims, issuer, asked, arena)
}
