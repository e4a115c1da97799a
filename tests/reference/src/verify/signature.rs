//! The header of a signed message, its timestamp and its body -> whether one of the scheme's secrets made its MAC.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_base::Detail;
use portcullis_lang::model::{HmacEncoding, SignatureScheme, SignedPart};

use super::hmac_sha256;

/// What is presented.
pub(crate) struct Message<'a> {
    /// The signature's header.
    pub(crate) value: &'a [u8],
    /// All lines of the timestamp's header.
    pub(crate) timestamps: Vec<&'a [u8]>,
    pub(crate) body: &'a [u8],
}

/// Checks in order: the form of both headers, that a secret is there, the window, the MAC.
pub(crate) fn verify(
    scheme: &SignatureScheme,
    secrets: &[Vec<u8>],
    message: &Message<'_>,
    now: Option<i64>,
) -> Result<(), Detail> {
    let presented = mac(scheme, message.value)?;
    let timestamp = timestamp(scheme, message)?;
    if secrets.is_empty() {
        return Err(Detail::KeysNotLoaded);
    }
    window(scheme, timestamp, now)?;
    let signed = signed(scheme, message);
    if secrets
        .iter()
        .any(|secret| hmac_sha256(secret, &signed).as_ref() == Some(&presented))
    {
        Ok(())
    } else {
        Err(Detail::BadSignature)
    }
}

/// The 32 bytes behind the prefix.
fn mac(scheme: &SignatureScheme, value: &[u8]) -> Result<Vec<u8>, Detail> {
    let text = value
        .strip_prefix(scheme.prefix.as_bytes())
        .and_then(|rest| std::str::from_utf8(rest).ok());
    let bytes = text.and_then(|text| match scheme.encoding {
        HmacEncoding::Hex => hex(text),
        HmacEncoding::Base64 => STANDARD.decode(text).ok(),
    });
    bytes
        .filter(|bytes| bytes.len() == 32)
        .ok_or(Detail::MalformedCredential)
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u32>> = text.chars().map(|c| c.to_digit(16)).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
    digits
        .chunks(2)
        .map(|pair| u8::try_from(pair.iter().fold(0, |sum, digit| sum * 16 + digit)).ok())
        .collect()
}

/// Seconds since the epoch, where the scheme has a timestamp.
fn timestamp(scheme: &SignatureScheme, message: &Message<'_>) -> Result<Option<i64>, Detail> {
    if scheme.timestamp.is_none() {
        return Ok(None);
    }
    let [line] = message.timestamps[..] else {
        return Err(Detail::MalformedCredential);
    };
    let is_canonical = line == b"0" || (line.iter().all(u8::is_ascii_digit) && !line.starts_with(b"0"));
    let seconds = std::str::from_utf8(line).ok().and_then(|text| text.parse().ok());
    match seconds {
        Some(seconds) if is_canonical => Ok(Some(seconds)),
        _ => Err(Detail::MalformedCredential),
    }
}

fn window(scheme: &SignatureScheme, timestamp: Option<i64>, now: Option<i64>) -> Result<(), Detail> {
    let (Some((_, within)), Some(timestamp)) = (&scheme.timestamp, timestamp) else {
        return Ok(());
    };
    let now = i128::from(now.ok_or(Detail::NoClock)?);
    let distance = (now - i128::from(timestamp) * 1_000_000).abs();
    if distance <= i128::from(*within) {
        Ok(())
    } else {
        Err(Detail::StaleSignature)
    }
}

/// What `over` lists, one after the other.
fn signed(scheme: &SignatureScheme, message: &Message<'_>) -> Vec<u8> {
    let mut signed = Vec::new();
    for part in &scheme.over {
        match part {
            SignedPart::Text(text) => signed.extend_from_slice(text.as_bytes()),
            SignedPart::Timestamp => signed.extend(message.timestamps.concat()),
            SignedPart::Body => signed.extend_from_slice(message.body),
        }
    }
    signed
}
