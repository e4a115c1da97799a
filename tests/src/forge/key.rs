//! A key's name -> the key itself, its JWK, and its signatures, which are the same each time. Knows no tokens.

#![expect(clippy::expect_used, reason = "keys of tests are as they are")]

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use crypto_bigint::modular::{BoxedMontyForm, BoxedMontyParams};
use crypto_bigint::{BoxedUint, Odd};
use ed25519_dalek::Signer as _;
use hmac::Hmac;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256, Sha384, Sha512};

/// Bytes of an RSA modulus.
const RSA_BYTES: usize = 256;

/// A key that signs in tests and nowhere else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    /// P-256, by a name.
    P256(&'static str),
    /// P-384, by a name.
    P384(&'static str),
    /// Ed25519, by a name.
    Ed25519(&'static str),
    /// RSA of 2048 bits, by a name of `rsa.txt`.
    Rsa(&'static str),
    /// A secret.
    Secret(Vec<u8>),
}

/// 32 bytes of a name, which are a scalar of every curve here.
fn seed(name: &str) -> [u8; 32] {
    Sha256::digest(format!("portcullis test key {name}")).into()
}

fn p256(name: &str) -> p256::ecdsa::SigningKey {
    p256::ecdsa::SigningKey::from_slice(&seed(name)).expect("a hash is below the order")
}

fn p384(name: &str) -> p384::ecdsa::SigningKey {
    let scalar = [&[0; 16][..], &seed(name)].concat();
    p384::ecdsa::SigningKey::from_slice(&scalar).expect("a short number is below the order")
}

/// Modulus and private exponent.
fn rsa(name: &str) -> (Vec<u8>, Vec<u8>) {
    let line = include_str!("rsa.txt")
        .lines()
        .find(|line| line.split(' ').next() == Some(name));
    let mut numbers = line
        .expect("the key is in the file")
        .split(' ')
        .skip(1)
        .map(from_hex);
    let mut next = || numbers.next().expect("a line has two numbers");
    (next(), next())
}

fn from_hex(text: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).expect("digits");
    (0..text.len()).step_by(2).map(digit).collect()
}

impl Key {
    /// As a member of a key set, with what is given of `kid` and `alg`.
    pub fn jwk(&self, kid: Option<&str>, alg: Option<&str>) -> Value {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let mut jwk = match self {
            Key::P256(name) => {
                let point = p256(name).verifying_key().to_sec1_point(false);
                let (x, y) = point.as_bytes()[1..].split_at(32);
                json!({"kty": "EC", "crv": "P-256", "x": text(x), "y": text(y)})
            }
            Key::P384(name) => {
                let point = p384(name).verifying_key().to_sec1_point(false);
                let (x, y) = point.as_bytes()[1..].split_at(48);
                json!({"kty": "EC", "crv": "P-384", "x": text(x), "y": text(y)})
            }
            Key::Ed25519(_) => json!({"kty": "OKP", "crv": "Ed25519", "x": text(&self.public_bytes())}),
            Key::Rsa(_) => json!({"kty": "RSA", "n": text(&self.public_bytes()), "e": "AQAB"}),
            Key::Secret(bytes) => json!({"kty": "oct", "k": text(bytes)}),
        };
        for (name, value) in [("kid", kid), ("alg", alg)] {
            if let Some(value) = value {
                jwk[name] = json!(value);
            }
        }
        jwk
    }

    /// What everybody may know, in the bytes that an attacker takes for a secret: the point, the modulus, the secret.
    pub fn public_bytes(&self) -> Vec<u8> {
        match self {
            Key::P256(name) => p256(name)
                .verifying_key()
                .to_sec1_point(false)
                .as_bytes()
                .to_vec(),
            Key::P384(name) => p384(name)
                .verifying_key()
                .to_sec1_point(false)
                .as_bytes()
                .to_vec(),
            Key::Ed25519(name) => ed25519_dalek::SigningKey::from_bytes(&seed(name))
                .verifying_key()
                .to_bytes()
                .to_vec(),
            Key::Rsa(name) => rsa(name).0,
            Key::Secret(bytes) => bytes.clone(),
        }
    }

    /// The algorithm it signs with where nothing else is asked for.
    pub fn algorithm(&self) -> &'static str {
        match self {
            Key::P256(_) => "ES256",
            Key::P384(_) => "ES384",
            Key::Ed25519(_) => "EdDSA",
            Key::Rsa(_) => "RS256",
            Key::Secret(_) => "HS256",
        }
    }

    /// The signature of a message in JOSE's form. An algorithm that is not for the key signs as [`Key::algorithm`] does.
    pub fn sign(&self, algorithm: &str, message: &[u8]) -> Vec<u8> {
        match (self, algorithm) {
            (Key::P256(name), _) => {
                let signature: p256::ecdsa::Signature = p256(name).sign(message);
                signature.to_bytes().to_vec()
            }
            (Key::P384(name), _) => {
                let signature: p384::ecdsa::Signature = p384(name).sign(message);
                signature.to_bytes().to_vec()
            }
            (Key::Ed25519(name), _) => ed25519_dalek::SigningKey::from_bytes(&seed(name))
                .sign(message)
                .to_bytes()
                .to_vec(),
            (Key::Rsa(name), "PS256" | "PS384" | "PS512") => rsa_private(name, &pss(message, 32)),
            (Key::Rsa(name), _) => rsa_private(name, &pkcs1(&digest_info(algorithm, message))),
            (Key::Secret(bytes), "HS384") => mac::<Hmac<Sha384>>(bytes, message),
            (Key::Secret(bytes), "HS512") => mac::<Hmac<Sha512>>(bytes, message),
            (Key::Secret(bytes), _) => mac::<Hmac<Sha256>>(bytes, message),
        }
    }

    /// The other signature of the same message that ECDSA has: with the order less `s`.
    pub fn sign_with_other_s(name: &'static str, message: &[u8]) -> Vec<u8> {
        let signature: p256::ecdsa::Signature = p256(name).sign(message);
        let (r, s) = signature.split_scalars();
        let other = p256::ecdsa::Signature::from_scalars(*r, -*s).expect("no scalar is zero");
        other.to_bytes().to_vec()
    }
}

/// The order of Ed25519's group (RFC 8032, section 5.1), little-endian.
const ED25519_ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

/// The same Ed25519 signature with the order added to `S`, which RFC 8032 (section 5.1.7) refuses.
pub(super) fn with_order_added(signature: &[u8]) -> Vec<u8> {
    let (r, s) = signature.split_at(32);
    let mut carry = 0;
    let sum = s.iter().zip(ED25519_ORDER).map(|(digit, order)| {
        carry += u32::from(*digit) + u32::from(order);
        let byte = carry.to_le_bytes()[0];
        carry >>= 8;
        byte
    });
    let sum: Vec<u8> = sum.collect();
    [r, &sum].concat()
}

/// The DER form of an ECDSA signature (RFC 3279, section 2.2.3) of P-256.
pub(super) fn der(signature: &[u8]) -> Vec<u8> {
    let (r, s) = signature.split_at(32);
    let integer = |bytes: &[u8]| {
        let start = bytes.iter().position(|byte| *byte != 0).unwrap_or(31);
        let zero: &[u8] = if bytes[start] > 0x7f { &[0] } else { &[] };
        let body = [zero, &bytes[start..]].concat();
        [&[2, u8::try_from(body.len()).expect("32 bytes")][..], &body].concat()
    };
    let body = [integer(r), integer(s)].concat();
    [&[0x30, u8::try_from(body.len()).expect("70 bytes")][..], &body].concat()
}

pub(super) fn mac<M: hmac::Mac + hmac::KeyInit>(secret: &[u8], message: &[u8]) -> Vec<u8> {
    let mut mac = <M as hmac::KeyInit>::new_from_slice(secret).expect("HMAC takes any length");
    mac.update(message);
    mac.finalize().into_bytes().to_vec()
}

/// HMAC-SHA-256 in hexadecimal, as webhooks and files of API keys write it.
pub fn hmac_hex(secret: &[u8], message: &[u8]) -> String {
    mac::<Hmac<Sha256>>(secret, message)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// RFC 8017, section 5.2.1: a whole block to its signature.
pub(super) fn rsa_private(name: &str, block: &[u8]) -> Vec<u8> {
    let (modulus, exponent) = rsa(name);
    rsa_power(&modulus, &exponent, block)
}

/// A block to the power of an exponent, of which either is one of the key's: RFC 8017, sections 5.1 and 5.2.
pub(super) fn rsa_power(modulus: &[u8], exponent: &[u8], block: &[u8]) -> Vec<u8> {
    let number = |bytes: &[u8]| BoxedUint::from_be_slice_vartime(bytes);
    let params = BoxedMontyParams::new_vartime(Odd::new(number(modulus)).expect("a modulus is odd"));
    let signature = BoxedMontyForm::new(number(block), &params)
        .pow(&number(exponent))
        .retrieve();
    let bytes = signature.to_be_bytes();
    bytes[bytes.len() - RSA_BYTES..].to_vec()
}

/// RFC 8017, section 9.2, note 1: the hash behind its name in DER.
fn digest_info(algorithm: &str, message: &[u8]) -> Vec<u8> {
    let (id, hash) = match algorithm {
        "RS384" => (2, Sha384::digest(message).to_vec()),
        "RS512" => (3, Sha512::digest(message).to_vec()),
        _ => (1, Sha256::digest(message).to_vec()),
    };
    let length = u8::try_from(hash.len()).expect("a hash is short");
    let head = [
        0x30,
        17 + length,
        0x30,
        13,
        6,
        9,
        0x60,
        0x86,
        0x48,
        1,
        0x65,
        3,
        4,
        2,
        id,
        5,
        0,
        4,
        length,
    ];
    [&head[..], &hash].concat()
}

/// The hash behind its name without the NULL that RFC 8017 asks for.
pub(super) fn digest_info_without_null(message: &[u8]) -> Vec<u8> {
    let head = [
        0x30, 47, 0x30, 11, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1, 4, 32,
    ];
    [&head[..], &Sha256::digest(message)].concat()
}

/// RFC 8017, section 9.2: the block of a `DigestInfo`.
pub(super) fn pkcs1(info: &[u8]) -> Vec<u8> {
    let padding = vec![0xff; RSA_BYTES - 3 - info.len()];
    [&[0, 1][..], &padding, &[0], info].concat()
}

/// A block with little padding, and bytes behind the `DigestInfo` (CVE-2006-4339).
pub(super) fn pkcs1_with_garbage(message: &[u8]) -> Vec<u8> {
    let start = [&[0, 1][..], &[0xff; 8], &[0], &digest_info("RS256", message)].concat();
    let garbage = vec![0x5a; RSA_BYTES - start.len()];
    [start, garbage].concat()
}

/// RFC 8017, section 9.1.1, with SHA-256 and a salt of so many bytes that is always the same.
pub(super) fn pss(message: &[u8], salt_length: usize) -> Vec<u8> {
    let salt = vec![0x2a; salt_length];
    let hash = Sha256::digest([&[0; 8][..], &Sha256::digest(message), &salt].concat());
    let mut masked = vec![0; RSA_BYTES - 33 - 1 - salt_length];
    masked.push(1);
    masked.extend(&salt);
    let mask = (0u32..).flat_map(|count| Sha256::digest([&hash[..], &count.to_be_bytes()].concat()));
    masked.iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
    masked[0] &= 0x7f;
    [&masked[..], &hash, &[0xbc]].concat()
}
