//! image + key --sign--> sealed image; sealed bytes --[`open`]--> [`Sealed`], whose signature is still to be checked.
//! One blob: what is said of the image and the image itself lie under one Ed25519 signature, so nothing can be
//! swapped beside it. The magic is the domain separator: a key that signs other things signs no image by accident.
//!
//! Knows no clock, no randomness and not whom to believe; that is [`trust`](super::trust).

use ed25519_dalek::{Signature, VerifyingKey};
use sha2::{Digest, Sha256};

use crate::limits;

/// First bytes of a sealed image.
pub const MAGIC: [u8; 24] = *b"portcullis-sealed-image\0";
/// Version of the seal's layout; that of the image inside is its own.
pub const SEAL_VERSION: u32 = 1;
/// The one algorithm: Ed25519 as RFC 8032 has it, over the bytes themselves.
pub const ED25519: u32 = 1;
/// Bytes before the key id.
pub const HEAD: usize = 72;
/// Bytes of the signature at the end.
pub const SIGNATURE: usize = 64;

/// Largest serial: exact in every JSON reader.
pub const SERIAL_MAX: u64 = (1 << 53) - 1;

/// The seal ends at an instant.
const NOT_AFTER: u32 = 1;
/// Smoke cases lie before the image.
const SMOKE: u32 = 2;

// Lengths of texts are stored in 32 bits.
const _: () = assert!(limits::SMOKE_BYTES < u32::MAX as usize);

/// What a seal says. It is signed together with the image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seal<'a> {
    /// Name of the key: letters, digits, `.`, `_` and `-`.
    pub key_id: &'a str,
    /// For whom the image is, a tenant or a fleet; empty where that is not told apart. Printable ASCII.
    pub audience: &'a str,
    /// Rises with every image that is sealed for an audience; at least 1.
    pub serial: u64,
    /// Last instant at which the image is current, µs since the epoch.
    pub not_after_us: Option<i64>,
    /// Cases that must hold before the image goes into force, in a form that the host knows; none if empty.
    pub smoke: &'a [u8],
}

/// Bytes that are no seal of ours, or fields that no seal may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Does not begin with [`MAGIC`].
    #[error("this is not a sealed image: it does not start with its magic bytes")]
    Magic,
    /// Written by another version.
    #[error("the seal has version {0}, this engine reads {SEAL_VERSION}: seal the image again")]
    Version(u32),
    /// Signed in another way.
    #[error("the seal's signature algorithm is number {0}, and only {ED25519} (Ed25519) is taken")]
    Algorithm(u32),
    /// Asks for what this engine does not know.
    #[error("the seal requires features that this engine does not know (bits {0:#x}): update the engine")]
    Features(u32),
    /// The lengths do not add up to that of the bytes.
    #[error(
        "the seal says it is {said} bytes long and {is} are there: it was cut off or something was appended"
    )]
    Length {
        /// By the lengths in it.
        said: u64,
        /// As given.
        is: u64,
    },
    /// The name of a key.
    #[error("a key id has 1 to {max} letters, digits, `.`, `_` or `-`", max = limits::KEY_ID_BYTES)]
    KeyId,
    /// The audience.
    #[error("an audience is at most {max} bytes of printable ASCII without spaces", max = limits::AUDIENCE_BYTES)]
    Audience,
    /// The serial.
    #[error("a serial lies between 1 and {max}", max = SERIAL_MAX)]
    Serial,
    /// A field whose feature is off is not empty, or the other way round.
    #[error("the seal's fields contradict its feature bits")]
    Contradiction,
    /// Too many smoke cases.
    #[error("the smoke cases are {0} bytes long, and {max} are allowed", max = limits::SMOKE_BYTES)]
    Smoke(u64),
}

/// A public key that signatures can be checked with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

/// 32 bytes that are no public key, or one under which anybody can sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("these 32 bytes are no usable Ed25519 public key")]
pub struct BadKey;

impl PublicKey {
    /// Of the 32 bytes of RFC 8032. Keys of small order are refused, for signatures under them mean
    /// nothing, and so is a second spelling of a key.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<PublicKey, BadKey> {
        let key = VerifyingKey::from_bytes(bytes).map_err(|_| BadKey)?;
        if key.is_weak() || key.to_edwards().compress().as_bytes() != bytes {
            Err(BadKey)
        } else {
            Ok(PublicKey(key))
        }
    }

    /// The 32 bytes.
    pub fn to_bytes(&self) -> [u8; 32] {
        self.0.to_bytes()
    }
}

/// A sealed image taken apart: well-formed, but nobody has vouched for it yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed<'b> {
    /// What the seal says.
    pub seal: Seal<'b>,
    /// The image inside, unchecked.
    pub image: &'b [u8],
    signed: &'b [u8],
    signature: [u8; SIGNATURE],
}

impl Sealed<'_> {
    /// Whether the holder of this key signed all of it. Strict: one message and key have no second signature.
    pub fn is_signed_by(&self, key: &PublicKey) -> bool {
        let signature = Signature::from_bytes(&self.signature);
        key.0.verify_strict(self.signed, &signature).is_ok()
    }

    /// SHA-256 of what is signed: the seal's own name, other than the image's digest.
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.signed).into()
    }
}

/// Whether bytes claim to be a sealed image.
pub fn is_sealed(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC)
}

/// Whether a text may name a key.
pub fn is_key_id(text: &str) -> bool {
    let named = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'-');
    (1..=limits::KEY_ID_BYTES).contains(&text.len()) && text.bytes().all(named)
}

/// Takes sealed bytes apart, in constant time but for the texts. There is one spelling of every seal.
pub fn open(bytes: &[u8]) -> Result<Sealed<'_>, SealError> {
    if !is_sealed(bytes) {
        return Err(SealError::Magic);
    }
    let is = bytes.len() as u64;
    let cut = |said: u64| SealError::Length { said, is };
    let (head, rest) = bytes
        .split_at_checked(HEAD)
        .ok_or(cut((HEAD + SIGNATURE) as u64))?;
    let mut fields = Fields(head.get(MAGIC.len()..).unwrap_or_default());
    let version = fields.u32();
    if version != SEAL_VERSION {
        return Err(SealError::Version(version));
    }
    let algorithm = fields.u32();
    if algorithm != ED25519 {
        return Err(SealError::Algorithm(algorithm));
    }
    let features = fields.u32();
    let unknown = features & !(NOT_AFTER | SMOKE);
    if unknown != 0 {
        return Err(SealError::Features(unknown));
    }
    let (key_id_len, audience_len, smoke_len) = (fields.u32(), fields.u32(), fields.u32());
    let (image_len, serial) = (fields.u64(), fields.u64());
    let not_after = fields.u64().cast_signed();
    let lengths: [u64; 4] = [
        key_id_len.into(),
        audience_len.into(),
        smoke_len.into(),
        image_len,
    ];
    let said = lengths.iter().fold((HEAD + SIGNATURE) as u64, |sum, len: &u64| {
        sum.saturating_add(*len)
    });
    if said != is {
        return Err(cut(said));
    }
    let (signed, signature) = bytes.split_last_chunk::<SIGNATURE>().ok_or(cut(said))?;
    // The sum is that of the bytes, so each length fits into memory.
    let mut body = rest;
    let mut take = |len: u64| {
        let (part, left) = usize::try_from(len)
            .ok()
            .and_then(|len| body.split_at_checked(len))
            .ok_or(cut(said))?;
        body = left;
        Ok::<_, SealError>(part)
    };
    let key_id = std::str::from_utf8(take(lengths[0])?).map_err(|_| SealError::KeyId)?;
    let audience = std::str::from_utf8(take(lengths[1])?).map_err(|_| SealError::Audience)?;
    let smoke = take(lengths[2])?;
    let image = take(lengths[3])?;
    let ends = features & NOT_AFTER != 0;
    if !ends && not_after != 0 || (features & SMOKE != 0) == smoke.is_empty() {
        return Err(SealError::Contradiction);
    }
    let seal = Seal {
        key_id,
        audience,
        serial,
        not_after_us: ends.then_some(not_after),
        smoke,
    };
    seal.check()?;
    Ok(Sealed {
        seal,
        image,
        signed,
        signature: *signature,
    })
}

impl Seal<'_> {
    /// The bounds of every field, the same for writing and for reading.
    fn check(&self) -> Result<(), SealError> {
        if !is_key_id(self.key_id) {
            return Err(SealError::KeyId);
        }
        let audience = self.audience.as_bytes();
        if audience.len() > limits::AUDIENCE_BYTES || !audience.iter().all(u8::is_ascii_graphic) {
            return Err(SealError::Audience);
        }
        if !(1..=SERIAL_MAX).contains(&self.serial) {
            return Err(SealError::Serial);
        }
        if self.smoke.len() > limits::SMOKE_BYTES {
            return Err(SealError::Smoke(self.smoke.len() as u64));
        }
        Ok(())
    }
}

/// Seals an image: the same key, seal and image give the same bytes. Whether the image loads is for its door to say.
pub fn sign(secret_key: &[u8; 32], seal: &Seal<'_>, image: &[u8]) -> Result<Vec<u8>, SealError> {
    use ed25519_dalek::Signer as _;
    seal.check()?;
    let features = if seal.not_after_us.is_some() { NOT_AFTER } else { 0 }
        | if seal.smoke.is_empty() { 0 } else { SMOKE };
    let mut bytes = Vec::with_capacity(HEAD + SIGNATURE + image.len() + seal.smoke.len() + 1024);
    bytes.extend_from_slice(&MAGIC);
    // The bounds were checked: each of these lengths is far below 2^32.
    let lengths = [seal.key_id.len(), seal.audience.len(), seal.smoke.len()].map(|len| len as u32);
    for field in [SEAL_VERSION, ED25519, features].iter().chain(&lengths) {
        bytes.extend_from_slice(&field.to_le_bytes());
    }
    bytes.extend_from_slice(&(image.len() as u64).to_le_bytes());
    bytes.extend_from_slice(&seal.serial.to_le_bytes());
    bytes.extend_from_slice(&seal.not_after_us.unwrap_or(0).to_le_bytes());
    for part in [
        seal.key_id.as_bytes(),
        seal.audience.as_bytes(),
        seal.smoke,
        image,
    ] {
        bytes.extend_from_slice(part);
    }
    let signature = ed25519_dalek::SigningKey::from_bytes(secret_key).sign(&bytes);
    bytes.extend_from_slice(&signature.to_bytes());
    Ok(bytes)
}

/// The public key of a secret one.
pub fn public_key(secret_key: &[u8; 32]) -> PublicKey {
    PublicKey(ed25519_dalek::SigningKey::from_bytes(secret_key).verifying_key())
}

/// Numbers of the head in turn; zero past its end, which the head's length rules out.
struct Fields<'h>(&'h [u8]);

impl Fields<'_> {
    fn u32(&mut self) -> u32 {
        let (field, rest) = self.0.split_first_chunk().unwrap_or((&[0; 4], &[][..]));
        self.0 = rest;
        u32::from_le_bytes(*field)
    }

    fn u64(&mut self) -> u64 {
        let (field, rest) = self.0.split_first_chunk().unwrap_or((&[0; 8], &[][..]));
        self.0 = rest;
        u64::from_le_bytes(*field)
    }
}
