//! What a token claims -> whether its issuer's audience, times and certificate are met. Knows no signatures.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_base::Detail;
use portcullis_lang::model::Issuer;

use super::Circumstances;
use crate::json::Json;

/// What becomes of a claim that the token does not have.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum LeftOut {
    /// It fails where the issuer asks for it.
    Fails,
    /// It counts as met, as in the claims that a vector hands over for `verified by gateway` and `opaque`.
    IsMet,
}

/// The value of a claim at the top of the token.
pub(crate) fn claim<'j>(claims: &'j [(String, Json)], name: &str) -> Option<&'j Json> {
    claims
        .iter()
        .find(|(other, _)| other == name)
        .map(|(_, json)| json)
}

/// Whether an issuer's `url` means a text: bytewise, or by `url like`, where `*` is one part of unreserved characters.
pub(crate) fn is_url_of(issuer: &Issuer, text: &str) -> bool {
    if !issuer.url_like {
        return issuer.url == text;
    }
    let pattern: Vec<&str> = issuer.url.split('/').collect();
    let parts: Vec<&str> = text.split('/').collect();
    let fits = |(pattern, part): (&&str, &&str)| match *pattern {
        "*" => !part.is_empty() && part.bytes().all(is_unreserved),
        literal => literal == *part,
    };
    pattern.len() == parts.len() && pattern.iter().zip(&parts).all(fits)
}

/// RFC 3986, section 2.3.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

/// All checks of claims, in their order.
pub(crate) fn judge(
    claims: &[(String, Json)],
    issuer: &Issuer,
    circumstances: &Circumstances<'_>,
    left_out: LeftOut,
) -> Result<(), Detail> {
    audience(claims, issuer, left_out)?;
    times(claims, issuer, circumstances.now, left_out)?;
    confirmation(claims, issuer, circumstances.fingerprint, left_out)
}

fn audience(claims: &[(String, Json)], issuer: &Issuer, left_out: LeftOut) -> Result<(), Detail> {
    if issuer.audiences.is_empty() {
        return Ok(());
    }
    let is_ours = |json: &Json| matches!(json, Json::String(text) if issuer.audiences.contains(text));
    let is_text = |json: &Json| matches!(json, Json::String(_));
    let met = match claim(claims, "aud") {
        None => left_out == LeftOut::IsMet,
        Some(Json::Array(items)) => items.iter().all(is_text) && items.iter().any(is_ours),
        Some(json) => is_ours(json),
    };
    if met { Ok(()) } else { Err(Detail::WrongAudience) }
}

fn times(
    claims: &[(String, Json)],
    issuer: &Issuer,
    now: Option<i64>,
    left_out: LeftOut,
) -> Result<(), Detail> {
    let exp = time(claims, "exp")?;
    let nbf = time(claims, "nbf")?;
    let iat = time(claims, "iat")?;
    if exp.is_none() && !issuer.no_expiry && left_out == LeftOut::Fails {
        return Err(Detail::NoExpiry);
    }
    let leeway = i128::from(issuer.leeway_us);
    let judged = [exp, nbf, iat].iter().any(Option::is_some);
    let now = match now {
        Some(now) => i128::from(now),
        None if judged => return Err(Detail::NoClock),
        None => 0,
    };
    if exp.is_some_and(|exp| now >= exp + leeway) {
        return Err(Detail::Expired);
    }
    if nbf.is_some_and(|nbf| now < nbf - leeway) || iat.is_some_and(|iat| iat > now + leeway) {
        return Err(Detail::NotYetValid);
    }
    if let Some(max_age) = issuer.max_age_us {
        let is_young = match iat {
            Some(iat) => now < iat + i128::from(max_age) + leeway,
            None => left_out == LeftOut::IsMet,
        };
        if !is_young {
            return Err(Detail::TooOld);
        }
    }
    Ok(())
}

/// A claim in µs: an exact decimal number of seconds without exponent, not negative, rounded down; as µs it fits i64.
fn time(claims: &[(String, Json)], name: &str) -> Result<Option<i128>, Detail> {
    match claim(claims, name) {
        None => Ok(None),
        Some(Json::Number(text)) => micros(text).map(Some).ok_or(Detail::MalformedToken),
        Some(_) => Err(Detail::MalformedToken),
    }
}

/// The text is a number of JSON, so that a sign and digits need no look.
fn micros(text: &str) -> Option<i128> {
    if text.contains(['e', 'E']) {
        return None;
    }
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_zero = digits.bytes().all(|byte| byte == b'0' || byte == b'.');
    if sign < 0 && !is_zero {
        return None;
    }
    let six: String = fraction.chars().chain("000000".chars()).take(6).collect();
    let micros = i128::from(whole.parse::<i64>().ok()?) * 1_000_000 + six.parse::<i128>().ok()?;
    (micros <= i128::from(i64::MAX)).then_some(micros)
}

/// `cnf` (RFC 7800): a certificate's fingerprint alone is compared (RFC 8705, section 3.1); proofs of another key, whatever
/// stands beside them, are not verified.
fn confirmation(
    claims: &[(String, Json)],
    issuer: &Issuer,
    fingerprint: Option<&str>,
    left_out: LeftOut,
) -> Result<(), Detail> {
    let members = match claim(claims, "cnf") {
        None if issuer.bound_to_certificate && left_out == LeftOut::Fails => {
            return Err(Detail::CertificateMismatch);
        }
        None => return Ok(()),
        Some(Json::Object(members)) => members,
        Some(_) => return Err(Detail::ProofNotSupported),
    };
    let [(name, Json::String(thumbprint))] = members.as_slice() else {
        return Err(Detail::ProofNotSupported);
    };
    if name != "x5t#S256" {
        return Err(Detail::ProofNotSupported);
    }
    let own = fingerprint
        .and_then(from_hex)
        .map(|bytes| URL_SAFE_NO_PAD.encode(bytes));
    if own.as_ref() == Some(thumbprint) {
        Ok(())
    } else {
        Err(Detail::CertificateMismatch)
    }
}

/// The 32 bytes of a fingerprint in hexadecimal.
fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u32>> = text.chars().map(|c| c.to_digit(16)).collect();
    let digits = digits.filter(|digits| digits.len() == 64)?;
    digits
        .chunks(2)
        .map(|pair| u8::try_from(pair.iter().fold(0, |sum, digit| sum * 16 + digit)).ok())
        .collect()
}
