//! The text of a token + the issuers that are read where it stands -> the issuer and the claims, or the first check that
//! fails. Strict compact JWS (RFC 7515, section 7.1) with the advice of RFC 8725.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use portcullis_base::Detail;
use portcullis_lang::model::{Algorithm, Issuer};

use super::Circumstances;
use super::claims::{self, LeftOut, claim};
use super::key_set::{Jwk, PublicKey};
use super::keys::IssuerKeys;
use crate::json::{self, Json};

/// Most bytes of a token.
const TOKEN_BYTES_MAX: usize = 16_384;

type Members = Vec<(String, Json)>;

/// An issuer that is read at the token's place.
pub(crate) struct Reader<'p> {
    /// Its position among the declarations.
    pub(crate) index: usize,
    pub(crate) issuer: &'p Issuer,
    pub(crate) keys: &'p IssuerKeys,
}

/// The parts of a compact token.
struct Parts {
    header: Members,
    claims: Members,
    /// What is signed: the first two parts and the dot between.
    signed: String,
    /// Base64url.
    signature: String,
}

/// What a header says that is judged.
struct Header {
    algorithm: String,
    kid: Option<String>,
}

/// The issuer's position and the claims of a token that passes all checks.
pub(crate) fn verify(
    token: &[u8],
    readers: &[Reader<'_>],
    circumstances: &Circumstances<'_>,
) -> Result<(usize, Members), Detail> {
    size(token)?;
    let parts = split(token);
    let reader = parts
        .as_ref()
        .ok()
        .and_then(|parts| issuer(&parts.claims, readers));
    if reader.is_none() && readers.iter().any(|reader| reader.issuer.opaque) {
        // an issuer of opaque tokens is to be asked about whatever is no token of another issuer, and was not
        return Err(Detail::NotVerified);
    }
    let parts = parts?;
    let header = header(&parts.header)?;
    let Some(reader) = reader else {
        return Err(no_issuer(&parts.claims, readers));
    };
    let algorithm = algorithm(&header, reader.issuer)?;
    typ(&parts.header, reader.issuer)?;
    let key = key(&header, algorithm, reader.keys)?;
    claims::judge(&parts.claims, reader.issuer, circumstances, LeftOut::Fails)?;
    signature(&parts, algorithm, &key)?;
    Ok((reader.index, parts.claims))
}

fn size(token: &[u8]) -> Result<(), Detail> {
    if token.len() > TOKEN_BYTES_MAX {
        return Err(Detail::TokenTooLarge);
    }
    Ok(())
}

/// Three parts that are not empty, in strict base64url; the first two are JSON objects without a member twice.
fn split(token: &[u8]) -> Result<Parts, Detail> {
    let text = std::str::from_utf8(token).map_err(|_| Detail::MalformedToken)?;
    let parts: Vec<&str> = text.split('.').collect();
    let [header, payload, signature] = parts[..] else {
        return Err(Detail::MalformedToken);
    };
    if header.is_empty() || payload.is_empty() || signature.is_empty() {
        return Err(Detail::MalformedToken);
    }
    let header_json = object(header)?;
    let payload_json = object(payload)?;
    bytes(signature)?;
    let members = |json: Json| match json {
        json if json.has_duplicates() => Err(Detail::DuplicateMember),
        Json::Object(members) => Ok(members),
        _ => Err(Detail::MalformedToken),
    };
    Ok(Parts {
        header: members(header_json)?,
        claims: members(payload_json)?,
        signed: format!("{header}.{payload}"),
        signature: signature.to_string(),
    })
}

/// No padding, no other alphabet, no spare bits.
fn bytes(part: &str) -> Result<Vec<u8>, Detail> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| Detail::MalformedToken)
}

fn object(part: &str) -> Result<Json, Detail> {
    match json::parse(&bytes(part)?) {
        Ok(object @ Json::Object(_)) => Ok(object),
        _ => Err(Detail::MalformedToken),
    }
}

/// `jku`, `x5u`, `jwk`, `x5c` and `x5t` choose no key and are not looked at.
fn header(header: &Members) -> Result<Header, Detail> {
    let Some(Json::String(algorithm)) = claim(header, "alg") else {
        return Err(Detail::MalformedToken);
    };
    if claim(header, "crit").is_some() || claim(header, "b64").is_some() {
        return Err(Detail::CriticalHeader);
    }
    if let Some(Json::String(content)) = claim(header, "cty")
        && is_media_type(content, "JWT")
    {
        return Err(Detail::NestedToken);
    }
    let kid = match claim(header, "kid") {
        None => None,
        Some(Json::String(kid)) => Some(kid.clone()),
        Some(_) => return Err(Detail::MalformedToken),
    };
    Ok(Header {
        algorithm: algorithm.clone(),
        kid,
    })
}

/// RFC 7515, section 4.1.9: `application/` may be left out; types ignore case.
fn is_media_type(one: &str, other: &str) -> bool {
    let short = |text: &str| {
        let lower = text.to_ascii_lowercase();
        lower.strip_prefix("application/").unwrap_or(&lower).to_string()
    };
    short(one) == short(other)
}

/// The issuer whose `url` the token's `iss` is, of those that are verified here.
fn issuer<'r, 'p>(claims: &Members, readers: &'r [Reader<'p>]) -> Option<&'r Reader<'p>> {
    let is_ordinary = |reader: &&Reader<'_>| !reader.issuer.opaque && !reader.issuer.verified_by_gateway;
    readers
        .iter()
        .filter(is_ordinary)
        .find(|reader| is_of(claims, reader.issuer))
}

fn is_of(claims: &Members, issuer: &Issuer) -> bool {
    matches!(claim(claims, "iss"), Some(Json::String(iss)) if claims::is_url_of(issuer, iss))
}

/// The gateway's part of its own issuers' tokens is not done here.
fn no_issuer(claims: &Members, readers: &[Reader<'_>]) -> Detail {
    let mut of_gateways = readers.iter().filter(|reader| reader.issuer.verified_by_gateway);
    if of_gateways.any(|reader| is_of(claims, reader.issuer)) {
        Detail::NotVerified
    } else {
        Detail::UnknownIssuer
    }
}

/// Without the clause an issuer takes every algorithm but those whose key is a secret.
fn algorithm(header: &Header, issuer: &Issuer) -> Result<Algorithm, Detail> {
    let algorithm = Algorithm::from_code(&header.algorithm).ok_or(Detail::AlgorithmNotAllowed)?;
    let is_allowed = match issuer.algorithms.as_slice() {
        [] => !algorithm.is_symmetric(),
        listed => listed.iter().any(|other| is_same(*other, algorithm)),
    };
    if is_allowed && algorithm != Algorithm::Es512 {
        Ok(algorithm)
    } else {
        Err(Detail::AlgorithmNotAllowed)
    }
}

/// `EdDSA` and `Ed25519` are two names (RFC 9864).
fn is_same(one: Algorithm, other: Algorithm) -> bool {
    let short = |algorithm| match algorithm {
        Algorithm::EdDsa => Algorithm::Ed25519,
        algorithm => algorithm,
    };
    short(one) == short(other)
}

fn typ(header: &Members, issuer: &Issuer) -> Result<(), Detail> {
    let Some(wanted) = &issuer.typ else { return Ok(()) };
    match claim(header, "typ") {
        Some(Json::String(typ)) if is_media_type(typ, wanted) => Ok(()),
        _ => Err(Detail::WrongType),
    }
}

/// The one key of the issuer that the header means.
fn key(header: &Header, algorithm: Algorithm, keys: &IssuerKeys) -> Result<DecodingKey, Detail> {
    match keys {
        IssuerKeys::None => Err(Detail::KeysNotLoaded),
        IssuerKeys::Secret(secret) => DecodingKey::from_secret(secret).map_err(|_| Detail::KeysNotLoaded),
        IssuerKeys::Public(keys) => {
            let named: Vec<&Jwk> = keys
                .iter()
                .filter(|key| header.kid.is_none() || key.kid == header.kid)
                .filter(|key| is_for(key, algorithm))
                .collect();
            match named[..] {
                [one] => decoding_key(&one.key),
                _ => Err(Detail::UnknownKey),
            }
        }
    }
}

fn is_for(key: &Jwk, algorithm: Algorithm) -> bool {
    use Algorithm::{Ed25519, EdDsa, Es256, Es384, Ps256, Ps384, Ps512, Rs256, Rs384, Rs512};
    let type_fits = match &key.key {
        PublicKey::Rsa { .. } => matches!(algorithm, Rs256 | Rs384 | Rs512 | Ps256 | Ps384 | Ps512),
        PublicKey::P256 { .. } => algorithm == Es256,
        PublicKey::P384 { .. } => algorithm == Es384,
        PublicKey::Ed25519(_) => matches!(algorithm, EdDsa | Ed25519),
    };
    let own_fits = key
        .alg
        .as_deref()
        .is_none_or(|own| Algorithm::from_code(own).is_some_and(|own| is_same(own, algorithm)));
    type_fits && own_fits
}

fn decoding_key(key: &PublicKey) -> Result<DecodingKey, Detail> {
    let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    match key {
        PublicKey::Rsa { modulus, exponent } => Ok(DecodingKey::from_rsa_raw_components(modulus, exponent)),
        PublicKey::P256 { x, y } | PublicKey::P384 { x, y } => {
            DecodingKey::from_ec_components(&text(x), &text(y))
        }
        PublicKey::Ed25519(bytes) => DecodingKey::from_ed_components(&text(bytes)),
    }
    .map_err(|_| Detail::UnknownKey)
}

fn signature(parts: &Parts, algorithm: Algorithm, key: &DecodingKey) -> Result<(), Detail> {
    let algorithm = match algorithm {
        Algorithm::Es256 => jsonwebtoken::Algorithm::ES256,
        Algorithm::Es384 => jsonwebtoken::Algorithm::ES384,
        Algorithm::Ed25519 | Algorithm::EdDsa => jsonwebtoken::Algorithm::EdDSA,
        Algorithm::Hs256 => jsonwebtoken::Algorithm::HS256,
        Algorithm::Hs384 => jsonwebtoken::Algorithm::HS384,
        Algorithm::Hs512 => jsonwebtoken::Algorithm::HS512,
        Algorithm::Ps256 => jsonwebtoken::Algorithm::PS256,
        Algorithm::Ps384 => jsonwebtoken::Algorithm::PS384,
        Algorithm::Ps512 => jsonwebtoken::Algorithm::PS512,
        Algorithm::Rs256 => jsonwebtoken::Algorithm::RS256,
        Algorithm::Rs384 => jsonwebtoken::Algorithm::RS384,
        Algorithm::Rs512 => jsonwebtoken::Algorithm::RS512,
        Algorithm::Es512 => return Err(Detail::AlgorithmNotAllowed),
    };
    match jsonwebtoken::crypto::verify(&parts.signature, parts.signed.as_bytes(), key, algorithm) {
        Ok(true) => Ok(()),
        _ => Err(Detail::BadSignature),
    }
}
