//! Request, the host's word and secrets -> the scheme of a signed message. What is presented and not handed over is verified
//! while its body goes by ([`SignedMessage`]); until then it is not. Knows no rules.

use super::Kind;
use super::presented::{Presented, Shape};
use crate::data::keys::Keys;
use crate::image::config::{Config, Signature, SignedPart};
use crate::request::Canonical;
use crate::view::{RequestView, SignatureFact};
use portcullis_base::{Detail, base64url};
use portcullis_crypto::{Hash, Hmac};

/// Bytes of an HMAC-SHA-256.
const MAC_BYTES: usize = 32;

/// The signature of a request. Without the body all but the MAC is judged.
#[inline(never)]
pub(super) fn signature<'a>(
    view: &'a RequestView<'a>,
    canonical: &Canonical<'_>,
    config: &Config,
    (keys, now_us): (&Keys, Option<i64>),
) -> Kind<'a, usize> {
    let presented = presented(canonical, config);
    let is_presented = matches!(presented, Presented::Once);
    if is_presented && view.signature.is_none() {
        return Kind::Invalid(
            SignedMessage::new(canonical, config, keys)
                .without_body(config, now_us)
                .code(),
        );
    }
    if let Some(verdict) = presented.verdict(view.signature.is_some()) {
        return verdict;
    }
    let is_own = |index: usize| {
        let scheme = config.signatures.get(index);
        scheme.is_some_and(|scheme| at_place(canonical, scheme).is_some())
    };
    let find = |wanted: &str| config.signatures.iter().position(|scheme| scheme.name == wanted);
    match &view.signature {
        None => Kind::Absent,
        Some(SignatureFact::Verified { name }) => match find(name) {
            Some(index) if is_presented && !is_own(index) => {
                Kind::Invalid(Detail::AmbiguousCredential.code())
            }
            Some(index) => Kind::Valid(index),
            None => Kind::Invalid(Detail::UnknownSignature.code()),
        },
        Some(SignatureFact::Invalid { fault, .. }) => Kind::Invalid(fault),
    }
}

/// How often signatures are presented; several schemes may look at one header, which presents one.
fn presented(canonical: &Canonical<'_>, config: &Config) -> Presented {
    let mut presented = Presented::No;
    for (at, scheme) in config.signatures.iter().enumerate() {
        let mut before = config.signatures.iter().take(at);
        if !before.any(|other| other.header == scheme.header) {
            let values = canonical.headers.all(&scheme.header);
            presented = presented.and(values.map(|value| Shape::of(!value.is_empty())));
        }
    }
    presented
}

fn at_place<'a>(canonical: &Canonical<'a>, scheme: &Signature) -> Option<&'a [u8]> {
    canonical.headers.all(&scheme.header).next()
}

/// A message with a signature whose body is yet to come, before each scheme that looks at that header.
pub(crate) struct SignedMessage {
    /// Place of the scheme; what its secrets make of the message, or why none of them is asked.
    schemes: Vec<(usize, Result<Attempt, Detail>)>,
}

/// Whoever prints an exchange prints no credential.
impl std::fmt::Debug for SignedMessage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SignedMessage").finish_non_exhaustive()
    }
}

/// The MACs of one scheme in the making.
struct Attempt {
    presented: [u8; MAC_BYTES],
    timestamp: Option<Timestamp>,
    /// One for each secret.
    macs: Vec<Hmac>,
}

struct Timestamp {
    written: Vec<u8>,
    /// Since the epoch.
    seconds: i64,
}

impl SignedMessage {
    /// Of a request that presents one signature. The MACs are fed up to the body.
    pub(crate) fn new(canonical: &Canonical<'_>, config: &Config, keys: &Keys) -> SignedMessage {
        let schemes = config
            .signatures
            .iter()
            .enumerate()
            .filter_map(|(place, scheme)| {
                let value = at_place(canonical, scheme)?;
                Some((place, Attempt::new(value, canonical, scheme, keys, place)))
            });
        SignedMessage {
            schemes: schemes.collect(),
        }
    }

    /// Why it is not good even with the right body; else that it is not verified.
    fn without_body(&self, config: &Config, now_us: Option<i64>) -> Detail {
        let mut first = None;
        for (place, attempt) in &self.schemes {
            let within = config.signatures.get(*place).and_then(window);
            match attempt {
                Ok(attempt) => match attempt.in_time(within, now_us) {
                    Ok(()) => return Detail::NotVerified,
                    Err(detail) => first = first.or(Some(detail)),
                },
                Err(detail) => first = first.or(Some(*detail)),
            }
        }
        first.unwrap_or(Detail::NotVerified)
    }

    /// The next bytes of the body.
    pub(crate) fn update(&mut self, body: &[u8]) {
        let attempts = self
            .schemes
            .iter_mut()
            .filter_map(|(_, attempt)| attempt.as_mut().ok());
        for mac in attempts.flat_map(|attempt| &mut attempt.macs) {
            mac.update(body);
        }
    }

    /// The place of the scheme by which the whole message is signed, where it is signed in time; else the place of the first
    /// that looked there, and why not.
    pub(crate) fn finish(self, config: &Config, now_us: Option<i64>) -> Result<usize, (usize, Detail)> {
        let mut first = None;
        for (place, attempt) in self.schemes {
            let judged = match (attempt, config.signatures.get(place)) {
                (Ok(attempt), Some(scheme)) => attempt
                    .in_time(window(scheme), now_us)
                    .and_then(|()| attempt.finish(scheme)),
                (Err(detail), _) => Err(detail),
                (Ok(_), None) => Err(Detail::NotVerified),
            };
            match judged {
                Ok(()) => return Ok(place),
                Err(detail) => first = first.or(Some((place, detail))),
            }
        }
        Err(first.unwrap_or((0, Detail::NotVerified)))
    }
}

/// How far the timestamp may be from now, µs.
fn window(scheme: &Signature) -> Option<i64> {
    scheme.timestamp.as_ref().map(|(_, within_us)| *within_us)
}

impl Attempt {
    /// The form of what is presented is judged first, then whether a secret is there.
    fn new(
        value: &[u8],
        canonical: &Canonical<'_>,
        scheme: &Signature,
        keys: &Keys,
        place: usize,
    ) -> Result<Attempt, Detail> {
        let presented = mac(value, scheme).ok_or(Detail::MalformedCredential)?;
        let timestamp = match &scheme.timestamp {
            None => None,
            Some((header, _)) => {
                let mut lines = canonical.headers.all(header);
                let (first, second) = (lines.next(), lines.next());
                let only = first.filter(|_| second.is_none());
                Some(only.and_then(timestamp).ok_or(Detail::MalformedCredential)?)
            }
        };
        let mut attempt = Attempt {
            presented,
            timestamp,
            macs: keys
                .secrets(place)
                .map(|secret| secret.hmac(Hash::Sha256))
                .collect(),
        };
        if attempt.macs.is_empty() {
            return Err(Detail::KeysNotLoaded);
        }
        let before = scheme.over.iter().take_while(|part| **part != SignedPart::Body);
        attempt.feed(before);
        Ok(attempt)
    }

    fn feed<'s>(&mut self, parts: impl Iterator<Item = &'s SignedPart>) {
        for part in parts {
            let bytes = match part {
                SignedPart::Text(text) => text.as_bytes(),
                SignedPart::Timestamp => self.timestamp.as_ref().map_or(&[][..], |stamp| &stamp.written),
                // It goes by itself.
                SignedPart::Body => &[],
            };
            for mac in &mut self.macs {
                mac.update(bytes);
            }
        }
    }

    fn in_time(&self, within_us: Option<i64>, now_us: Option<i64>) -> Result<(), Detail> {
        let (Some(within), Some(stamp)) = (within_us, &self.timestamp) else {
            return Ok(());
        };
        let now = now_us.ok_or(Detail::NoClock)?;
        let distance = (i128::from(now) - i128::from(stamp.seconds) * 1_000_000).unsigned_abs();
        if distance <= u128::from(within.unsigned_abs()) {
            Ok(())
        } else {
            Err(Detail::StaleSignature)
        }
    }

    fn finish(mut self, scheme: &Signature) -> Result<(), Detail> {
        let after = scheme.over.iter().skip_while(|part| **part != SignedPart::Body);
        self.feed(after);
        let presented = self.presented;
        match self.macs.into_iter().any(|mac| mac.verify(&presented)) {
            true => Ok(()),
            false => Err(Detail::BadSignature),
        }
    }
}

/// The bytes behind the prefix: 64 digits in either case, or base64 with its padding.
fn mac(value: &[u8], scheme: &Signature) -> Option<[u8; MAC_BYTES]> {
    let written = value.strip_prefix(scheme.prefix.as_bytes())?;
    if scheme.base64 {
        let digits = written.strip_suffix(b"=").filter(|digits| digits.len() == 43)?;
        let url: Option<Vec<u8>> = digits.iter().map(|byte| url_digit(*byte)).collect();
        return base64url::decode(&url?)?.try_into().ok();
    }
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let mut bytes = [0; MAC_BYTES];
    if written.len() != 2 * MAC_BYTES {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(written.chunks(2)) {
        let [high, low] = pair else { return None };
        *byte = (digit(*high)? << 4 | digit(*low)?) as u8;
    }
    Some(bytes)
}

/// A digit of base64 as base64url writes it (RFC 4648, section 5).
fn url_digit(byte: u8) -> Option<u8> {
    match byte {
        b'+' => Some(b'-'),
        b'/' => Some(b'_'),
        b'-' | b'_' => None,
        other => Some(other),
    }
}

/// Seconds since the epoch, in decimal without leading zeros.
fn timestamp(written: &[u8]) -> Option<Timestamp> {
    let is_canonical = written == b"0" || !written.starts_with(b"0");
    if !is_canonical || !written.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(Timestamp {
        seconds: std::str::from_utf8(written).ok()?.parse().ok()?,
        written: written.to_vec(),
    })
}
