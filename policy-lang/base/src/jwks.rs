//! The text of a JSON Web Key Set (RFC 7517) -> the public keys in it, or what the text is instead. Keys of kinds that
//! are not supported, or that are not for signatures, are skipped (section 5 of the RFC). Verifies nothing, and copies
//! no private member.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::base64url;
use crate::json::{self, JsonFault, JsonItem, JsonKind, JsonNode};

/// Largest text of a key set, bytes: about a thousand RSA keys.
pub const JWKS_BYTES_MAX: usize = 1 << 20;

/// Fewest bits of an RSA modulus (RFC 7518, section 3.3).
pub const RSA_BITS_MIN: usize = 2048;
/// Most bits of an RSA modulus: larger ones cost a verifier more than a token is worth.
pub const RSA_BITS_MAX: usize = 8192;

/// The public keys of a set, in its order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeySet {
    /// Keys that signatures can be verified with.
    pub keys: Vec<Jwk>,
    /// How many keys were skipped: of another kind or curve, or not for signatures.
    pub skipped: usize,
}

/// One public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jwk {
    /// `kid`; no two keys of a set have the same.
    pub kid: Option<String>,
    /// `alg`, as written: the only algorithm that the key is for.
    pub alg: Option<String>,
    /// The key itself.
    pub key: PublicKey,
}

/// The numbers of a public key, big-endian.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublicKey {
    /// `RSA`: a modulus of [`RSA_BITS_MIN`] to [`RSA_BITS_MAX`] bits without leading zeros, and its exponent.
    Rsa {
        /// `n`
        modulus: Vec<u8>,
        /// `e`, 1 to 8 bytes, odd, at least 3.
        exponent: Vec<u8>,
    },
    /// `EC`: coordinates of the curve's length. That they are a point of the curve is not looked at.
    Ec {
        /// `crv`
        curve: Curve,
        /// `x`
        x: Vec<u8>,
        /// `y`
        y: Vec<u8>,
    },
    /// `OKP` with `Ed25519`: 32 bytes.
    Ed25519(Vec<u8>),
}

/// Curves of `EC` keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Curve {
    /// `P-256`
    P256,
    /// `P-384`
    P384,
    /// `P-521`
    P521,
}

impl Curve {
    /// Bytes of a coordinate.
    pub fn length(self) -> usize {
        match self {
            Curve::P256 => 32,
            Curve::P384 => 48,
            Curve::P521 => 66,
        }
    }
}

/// Why a text is not taken, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JwksError {
    /// Byte of the text.
    pub at: usize,
    /// What it is about.
    pub fault: JwksFault,
}

/// Why a text is not taken. Keys are counted from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JwksFault {
    /// Nothing, or white space.
    Empty,
    /// A page of HTML, as servers answer errors.
    Html,
    /// PEM text.
    Pem,
    /// Not JSON.
    Json(JsonFault),
    /// The provider's discovery document, with the address of its key set.
    Discovery(String),
    /// One key, without the set around it.
    LoneKey,
    /// An array of keys, without the object around it.
    BareArray,
    /// Certificates by key id.
    Certificates,
    /// JSON of some other kind: no object with an array `keys`.
    NoKeys,
    /// An element of `keys` is no object.
    NotAKey(usize),
    /// A private key.
    Private(usize),
    /// A shared secret.
    Secret(usize),
    /// Two keys with one `kid`.
    SameKid(String),
    /// A member of a key stands twice.
    MemberTwice(usize, String),
    /// A member that a key of this kind needs is missing or cannot be read.
    Member(usize, &'static str),
    /// An RSA modulus of too few or too many bits.
    RsaBits(usize, usize),
}

impl fmt::Display for JwksFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JwksFault::Empty => f.write_str("the file is empty"),
            JwksFault::Html => f.write_str("this is an HTML page"),
            JwksFault::Pem => f.write_str("this is PEM text"),
            JwksFault::Json(fault) => fault.fmt(f),
            JwksFault::Discovery(_) => f.write_str("this is a discovery document of a provider"),
            JwksFault::LoneKey => f.write_str("this is a single key"),
            JwksFault::BareArray => f.write_str("this is an array"),
            JwksFault::Certificates => f.write_str("these are certificates by key id"),
            JwksFault::NoKeys => f.write_str("there is no array `keys`"),
            JwksFault::NotAKey(n) => write!(f, "key {n} is not an object"),
            JwksFault::Private(n) => write!(f, "key {n} is a private key"),
            JwksFault::Secret(n) => write!(f, "key {n} is a shared secret"),
            JwksFault::SameKid(kid) => write!(f, "two keys have the `kid` {kid:?}"),
            JwksFault::MemberTwice(n, name) => write!(f, "key {n} has the member {name:?} twice"),
            JwksFault::Member(n, name) => write!(f, "key {n} has no valid member `{name}`"),
            JwksFault::RsaBits(n, bits) => write!(f, "key {n} is an RSA key of {bits} bits"),
        }
    }
}

impl core::error::Error for JwksFault {}

/// Reads a key set of at most [`JWKS_BYTES_MAX`] bytes; a byte order mark before it is skipped.
///
/// # Errors
///
/// The first [`JwksFault`] in the order of the text, with its place.
pub fn read(bytes: &[u8]) -> Result<KeySet, JwksError> {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let skipped = bytes.len() - text.len();
    read_text(text).map_err(|error| JwksError {
        at: error.at + skipped,
        ..error
    })
}

fn read_text(text: &[u8]) -> Result<KeySet, JwksError> {
    let fault = |at, fault| Err(JwksError { at, fault });
    let start = text.trim_ascii_start();
    if start.is_empty() {
        return fault(0, JwksFault::Empty);
    }
    if start.starts_with(b"<") {
        return fault(0, JwksFault::Html);
    }
    if start.starts_with(b"-----BEGIN") {
        return fault(0, JwksFault::Pem);
    }
    let scanned = json::scan(text, JWKS_BYTES_MAX, Vec::new()).map_err(|fault| JwksError {
        at: fault.offset(),
        fault: JwksFault::Json(fault),
    })?;
    let nodes: Vec<JsonNode> = scanned.tape;
    let root = JsonItem::root(text, &nodes);
    let Some(keys) = root
        .member("keys")
        .filter(|keys| keys.kind() == Some(JsonKind::Array))
    else {
        return fault(0, other(root));
    };
    let mut set = KeySet::default();
    for (n, item) in (1..).zip(keys.elements()) {
        match key(n, item).map_err(|fault| JwksError {
            at: item.offset(),
            fault,
        })? {
            Some(key) => {
                if let Some(kid) = &key.kid
                    && set.keys.iter().any(|other| other.kid.as_ref() == Some(kid))
                {
                    return fault(item.offset(), JwksFault::SameKid(kid.clone()));
                }
                set.keys.push(key);
            }
            None => set.skipped += 1,
        }
    }
    Ok(set)
}

/// What a JSON text without `keys` is.
fn other(root: JsonItem<'_>) -> JwksFault {
    if root.kind() == Some(JsonKind::Array) {
        return JwksFault::BareArray;
    }
    if root.member("kty").is_some() {
        return match root.member("d") {
            Some(_) => JwksFault::Private(1),
            None => JwksFault::LoneKey,
        };
    }
    if let Some(uri) = root.member("jwks_uri").and_then(JsonItem::string) {
        return JwksFault::Discovery(uri);
    }
    let certificate = |(_, value): (String, JsonItem<'_>)| {
        value.string().is_some_and(|text| text.starts_with("-----BEGIN"))
    };
    if root.members().any(certificate) {
        return JwksFault::Certificates;
    }
    JwksFault::NoKeys
}

/// One key; `None` for one that is skipped.
fn key(n: usize, item: JsonItem<'_>) -> Result<Option<Jwk>, JwksFault> {
    if item.kind() != Some(JsonKind::Object) {
        return Err(JwksFault::NotAKey(n));
    }
    let names: Vec<String> = item.members().map(|(name, _)| name).collect();
    for (at, name) in names.iter().enumerate() {
        if names.iter().take(at).any(|earlier| earlier == name) {
            return Err(JwksFault::MemberTwice(n, name.clone()));
        }
    }
    let text = |name| item.member(name).and_then(JsonItem::string);
    let kty = text("kty").ok_or(JwksFault::Member(n, "kty"))?;
    match kty.as_str() {
        "RSA" | "EC" | "OKP" if item.member("d").is_some() => return Err(JwksFault::Private(n)),
        "oct" => return Err(JwksFault::Secret(n)),
        _ => {}
    }
    let signs = text("use").is_none_or(|usage| usage == "sig")
        && item.member("key_ops").is_none_or(|ops| {
            let mut ops = ops.elements();
            ops.any(|op| op.string().as_deref() == Some("verify"))
        });
    let bytes = |name: &'static str| {
        let decoded = text(name).and_then(|text| base64url::decode(text.as_bytes()));
        decoded.ok_or(JwksFault::Member(n, name))
    };
    let exactly = |name: &'static str, length: usize| {
        let bytes = bytes(name)?;
        if bytes.len() == length {
            Ok(bytes)
        } else {
            Err(JwksFault::Member(n, name))
        }
    };
    let crv = text("crv");
    let key = match (kty.as_str(), crv.as_deref()) {
        _ if !signs => return Ok(None),
        ("RSA", _) => rsa(n, bytes("n")?, bytes("e")?)?,
        ("EC", Some(name)) => {
            let curve = match name {
                "P-256" => Curve::P256,
                "P-384" => Curve::P384,
                "P-521" => Curve::P521,
                _ => return Ok(None),
            };
            PublicKey::Ec {
                curve,
                x: exactly("x", curve.length())?,
                y: exactly("y", curve.length())?,
            }
        }
        ("OKP", Some("Ed25519")) => PublicKey::Ed25519(exactly("x", 32)?),
        ("EC" | "OKP", None) => return Err(JwksFault::Member(n, "crv")),
        _ => return Ok(None),
    };
    Ok(Some(Jwk {
        kid: match item.member("kid") {
            Some(kid) => Some(kid.string().ok_or(JwksFault::Member(n, "kid"))?),
            None => None,
        },
        alg: text("alg"),
        key,
    }))
}

fn rsa(n: usize, modulus: Vec<u8>, exponent: Vec<u8>) -> Result<PublicKey, JwksFault> {
    // RFC 7518 (section 6.3.1.1) leaves no leading zero, but some write one.
    let zeros = modulus.iter().take_while(|byte| **byte == 0).count();
    let modulus: Vec<u8> = modulus.into_iter().skip(zeros).collect();
    let top = modulus.first().map_or(0, |byte| byte.leading_zeros() as usize);
    let bits = modulus.len() * 8 - top;
    if !(RSA_BITS_MIN..=RSA_BITS_MAX).contains(&bits) {
        return Err(JwksFault::RsaBits(n, bits));
    }
    let odd = exponent.last().is_some_and(|byte| byte & 1 == 1);
    let one = exponent.iter().rev().skip(1).all(|byte| *byte == 0) && exponent.last() == Some(&1);
    if !odd || one || exponent.len() > 8 {
        return Err(JwksFault::Member(n, "e"));
    }
    Ok(PublicKey::Rsa { modulus, exponent })
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::format;
    use std::string::String;

    use super::{Curve, JwksFault, PublicKey, read};

    const X: &str = "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4";
    const Y: &str = "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM";

    fn ec(more: &str) -> String {
        format!(r#"{{"kty":"EC","crv":"P-256","x":"{X}","y":"{Y}"{more}}}"#)
    }

    fn set(keys: &[&str]) -> String {
        format!(r#"{{"keys":[{}]}}"#, keys.join(","))
    }

    fn fault(text: &str) -> JwksFault {
        read(text.as_bytes()).unwrap_err().fault
    }

    #[test]
    fn keys_are_read_and_unknown_ones_skipped() {
        let okp = format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{X}","kid":"o","alg":"EdDSA"}}"#);
        // 256 bytes of 0xff.
        let rsa = format!(r#"{{"kty":"RSA","n":"{}w","e":"AQAB"}}"#, "_".repeat(341));
        let text = set(&[
            &ec(r#","kid":"a","use":"sig""#),
            &okp,
            &rsa,
            r#"{"kty":"AKP","alg":"ML-DSA-44","pub":"AA"}"#,
            r#"{"kty":"EC","crv":"secp256k1","x":"AA","y":"AA"}"#,
            &ec(r#","use":"enc""#),
            &ec(r#","key_ops":["encrypt"]"#),
        ]);
        let found = read(format!("\u{feff}{text}").as_bytes()).unwrap();
        assert_eq!(found.skipped, 4);
        assert_eq!(found.keys.len(), 3);
        assert_eq!(found.keys[0].kid.as_deref(), Some("a"));
        assert!(matches!(&found.keys[0].key, PublicKey::Ec { curve: Curve::P256, x, .. } if x[0] == 0x30));
        assert_eq!(found.keys[1].alg.as_deref(), Some("EdDSA"));
        assert!(matches!(&found.keys[2].key, PublicKey::Rsa { exponent, .. } if *exponent == [1, 0, 1]));
        assert_eq!(read(br#"{"keys": []}"#).unwrap().keys, []);
    }

    #[test]
    fn what_is_no_key_set_is_named() {
        assert_eq!(fault(" \n"), JwksFault::Empty);
        assert_eq!(fault("<!doctype html><h1>502</h1>"), JwksFault::Html);
        assert_eq!(fault("-----BEGIN PUBLIC KEY-----"), JwksFault::Pem);
        assert_eq!(
            fault(r#"{"issuer":"https://a/","jwks_uri":"https:\/\/a/jwks"}"#),
            JwksFault::Discovery("https://a/jwks".into())
        );
        assert_eq!(fault(&ec("")), JwksFault::LoneKey);
        assert_eq!(fault(&ec(r#","d":"AA""#)), JwksFault::Private(1));
        assert_eq!(fault(r#"[{"kty":"EC"}]"#), JwksFault::BareArray);
        assert_eq!(
            fault(r#"{"a":"-----BEGIN CERTIFICATE-----"}"#),
            JwksFault::Certificates
        );
        assert_eq!(fault(r#"{"error":"not found"}"#), JwksFault::NoKeys);
        assert_eq!(fault(r#"{"keys":{}}"#), JwksFault::NoKeys);
        assert!(matches!(fault(r#"{"keys":["#), JwksFault::Json(_)));
    }

    #[test]
    fn keys_that_are_none_are_named() {
        assert_eq!(fault(&set(&["1"])), JwksFault::NotAKey(1));
        assert_eq!(
            fault(&set(&[&ec(""), &ec(r#","d":"AA""#)])),
            JwksFault::Private(2)
        );
        assert_eq!(fault(&set(&[r#"{"kty":"oct","k":"AA"}"#])), JwksFault::Secret(1));
        let twice = set(&[&ec(r#","kid":"a""#), &ec(r#","kid":"\u0061""#)]);
        assert_eq!(fault(&twice), JwksFault::SameKid("a".into()));
        assert_eq!(
            fault(&set(&[&ec(r#","x":"AA""#)])),
            JwksFault::MemberTwice(1, "x".into())
        );
        assert_eq!(fault(&set(&[r#"{"kid":"a"}"#])), JwksFault::Member(1, "kty"));
        assert_eq!(fault(&set(&[r#"{"kty":"EC"}"#])), JwksFault::Member(1, "crv"));
        for (x, y) in [("AA", Y), (X, "AA"), ("=", Y), (&format!("{X}="), Y), (X, "!")] {
            let text = set(&[&format!(r#"{{"kty":"EC","crv":"P-256","x":"{x}","y":"{y}"}}"#)]);
            assert!(matches!(fault(&text), JwksFault::Member(1, "x" | "y")), "{text}");
        }
        assert_eq!(
            fault(&set(&[r#"{"kty":"RSA","n":"_w","e":"AQAB"}"#])),
            JwksFault::RsaBits(1, 8)
        );
        let two = set(&[&ec(""), &ec("")]);
        assert_eq!(read(two.as_bytes()).unwrap().keys.len(), 2);
        let error = read(set(&["{}", "1"]).as_bytes()).unwrap_err();
        assert_eq!(error.at, 9);
    }
}
