//! A header, claims and a key -> a compact token (RFC 7515, section 7.1), as it should be or broken in one way.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};

use super::key::Key;

/// What is signed. Header and claims are JSON texts and stay as they are, duplicates and all.
#[derive(Clone, Debug)]
pub struct Token {
    /// JSON text of the header.
    pub header: String,
    /// JSON text of the claims.
    pub claims: String,
    /// Who signs.
    pub key: Key,
    /// What is signed with, whatever the header says.
    pub algorithm: String,
}

/// The three parts of a token, not yet encoded.
#[derive(Clone, Debug)]
pub struct Compact {
    /// Bytes of the header.
    pub header: Vec<u8>,
    /// Bytes of the claims.
    pub claims: Vec<u8>,
    /// Bytes of the signature.
    pub signature: Vec<u8>,
}

impl Token {
    /// With the key's own algorithm, and a header that says so.
    pub fn new(key: &Key, kid: Option<&str>, claims: &str) -> Token {
        let algorithm = key.algorithm();
        let kid = kid.map(|kid| format!(",\"kid\":\"{kid}\"")).unwrap_or_default();
        Token {
            header: format!("{{\"alg\":\"{algorithm}\"{kid}}}"),
            claims: claims.to_string(),
            key: key.clone(),
            algorithm: algorithm.to_string(),
        }
    }

    /// With another header.
    pub fn header(self, header: &str) -> Token {
        Token {
            header: header.to_string(),
            ..self
        }
    }

    /// Signed with this algorithm of the key.
    pub fn algorithm(self, algorithm: &str) -> Token {
        Token {
            algorithm: algorithm.to_string(),
            ..self
        }
    }

    /// What the signature covers.
    pub fn message(&self) -> Vec<u8> {
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        format!("{}.{}", part(&self.header), part(&self.claims)).into_bytes()
    }

    /// Signed.
    pub fn sign(&self) -> Compact {
        self.with_signature(self.key.sign(&self.algorithm, &self.message()))
    }

    /// With these bytes as its signature.
    pub fn with_signature(&self, signature: Vec<u8>) -> Compact {
        Compact {
            header: self.header.clone().into_bytes(),
            claims: self.claims.clone().into_bytes(),
            signature,
        }
    }

    /// Signed, as a text.
    pub fn text(&self) -> String {
        self.sign().text()
    }

    /// Signed and broken.
    pub fn broken(&self, fault: Fault) -> String {
        let signed = self.sign();
        let parts =
            [&signed.header, &signed.claims, &signed.signature].map(|part| URL_SAFE_NO_PAD.encode(part));
        let [header, claims, signature] = &parts;
        let with_header = |from: &str, to: &str| Token {
            header: self.header.replacen(from, to, 1),
            ..self.clone()
        };
        let alg = |name: &str| {
            let own = format!("\"alg\":\"{}\"", self.algorithm);
            with_header(&own, &format!("\"alg\":\"{name}\""))
        };
        match fault {
            Fault::NoSignature => format!("{header}.{claims}."),
            Fault::TwoParts => format!("{header}.{claims}"),
            Fault::FourParts => format!("{}.{signature}", signed.text()),
            Fault::FiveParts => format!("{header}..{claims}.{signature}.{signature}"),
            Fault::TrailingDot => format!("{}.", signed.text()),
            Fault::Padded => format!("{header}.{claims}.{}", URL_SAFE.encode(&signed.signature)),
            Fault::StandardAlphabet => {
                format!(
                    "{header}.{claims}.{}",
                    STANDARD.encode(&signed.signature).trim_end_matches('=')
                )
            }
            Fault::SpareBits => format!("{header}.{claims}.{}", with_spare_bit(signature)),
            Fault::ClaimsNotSigned => {
                let claims = self.claims.replacen('{', "{\"admin\":true,", 1);
                format!("{header}.{}.{signature}", URL_SAFE_NO_PAD.encode(claims))
            }
            Fault::HeaderNotSigned => {
                let other = self.header.replacen('{', "{\"x\":1,", 1);
                format!("{}.{claims}.{signature}", URL_SAFE_NO_PAD.encode(other))
            }
            Fault::LastByte => Compact {
                signature: match signed.signature.split_last() {
                    Some((last, rest)) => [rest, &[last ^ 1]].concat(),
                    None => vec![1],
                },
                ..signed
            }
            .text(),
            Fault::Zeros => Compact {
                signature: vec![0; signed.signature.len()],
                ..signed
            }
            .text(),
            Fault::Short => Compact {
                signature: signed.signature[..signed.signature.len() / 2].to_vec(),
                ..signed
            }
            .text(),
            Fault::AlgNone => alg("none").text(),
            Fault::AlgConfused => {
                let confused = alg("HS256");
                let key = Key::Secret(self.key.public_bytes());
                confused
                    .with_signature(key.sign("HS256", &confused.message()))
                    .text()
            }
            Fault::Critical => with_header("{", "{\"crit\":[\"exp\"],").text(),
            Fault::NotEncoded => with_header("{", "{\"b64\":false,").text(),
            Fault::Nested => with_header("{", "{\"cty\":\"JWT\",").text(),
            Fault::KidTwice => with_header("{", "{\"kid\":\"a\",\"kid\":\"b\",").text(),
            Fault::UnknownKid => Token {
                header: format!("{{\"alg\":\"{}\",\"kid\":\"../../dev/null\"}}", self.algorithm),
                ..self.clone()
            }
            .text(),
            Fault::OtherKey => {
                let key = match &self.key {
                    Key::P256(_) => Key::P256("mallory"),
                    Key::P384(_) => Key::P384("mallory"),
                    Key::Ed25519(_) => Key::Ed25519("mallory"),
                    Key::Rsa(_) => Key::Rsa("other"),
                    Key::Secret(_) => Key::Secret(b"secret".repeat(8)),
                };
                Token { key, ..self.clone() }.text()
            }
        }
    }
}

/// Sets a bit past the last byte, where the length leaves one; else cuts a character off, so that bits are missing.
fn with_spare_bit(text: &str) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (rest, last) = text.split_at(text.len() - 1);
    let digit = ALPHABET.iter().position(|c| last.as_bytes() == [*c]).unwrap_or(0);
    match text.len() % 4 {
        0 => rest[..rest.len() - 2].to_string(),
        _ => format!("{rest}{}", char::from(ALPHABET[digit | 1])),
    }
}

impl Compact {
    /// The parts in base64url, joined by dots.
    pub fn text(&self) -> String {
        [&self.header, &self.claims, &self.signature]
            .map(|part| URL_SAFE_NO_PAD.encode(part))
            .join(".")
    }
}

/// A way to break any token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// `a.b.`
    NoSignature,
    /// `a.b`
    TwoParts,
    /// `a.b.c.c`
    FourParts,
    /// `a..b.c.c`, as an encrypted token.
    FiveParts,
    /// `a.b.c.`
    TrailingDot,
    /// `=` behind the signature, where its length has any.
    Padded,
    /// `+` and `/` in the signature, where it has any.
    StandardAlphabet,
    /// A bit behind the signature's last byte.
    SpareBits,
    /// Claims that were added later.
    ClaimsNotSigned,
    /// A header that was changed later.
    HeaderNotSigned,
    /// The signature's last byte is another.
    LastByte,
    /// The signature is zeros (CVE-2022-21449).
    Zeros,
    /// Half a signature.
    Short,
    /// `none`, signed all the same.
    AlgNone,
    /// HS256 with the public key as secret (CVE-2016-10555).
    AlgConfused,
    /// `crit`
    Critical,
    /// `b64`
    NotEncoded,
    /// `cty`
    Nested,
    /// A member of the header stands twice.
    KidTwice,
    /// A `kid` that looks like a path.
    UnknownKid,
    /// Signed by somebody else.
    OtherKey,
}

impl Fault {
    /// All of them.
    pub const ALL: [Fault; 21] = [
        Fault::NoSignature,
        Fault::TwoParts,
        Fault::FourParts,
        Fault::FiveParts,
        Fault::TrailingDot,
        Fault::Padded,
        Fault::StandardAlphabet,
        Fault::SpareBits,
        Fault::ClaimsNotSigned,
        Fault::HeaderNotSigned,
        Fault::LastByte,
        Fault::Zeros,
        Fault::Short,
        Fault::AlgNone,
        Fault::AlgConfused,
        Fault::Critical,
        Fault::NotEncoded,
        Fault::Nested,
        Fault::KidTwice,
        Fault::UnknownKid,
        Fault::OtherKey,
    ];
}
