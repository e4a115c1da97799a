//! bytes and what the host trusts --[`admit`]--> the bare image inside, and what is remembered of its seal.
//!
//! Every loader passes here, and every answer but one is an error of its own. Where a seal is asked for, bytes
//! without one are refused: there is no falling back. The host brings the keys, the audience, the time and the mark
//! of the last image it accepted; nothing here stores them. Knows nothing of what an image holds.

use super::LoadError;
use super::seal::{self, PublicKey};

/// Whose images a loader takes.
#[derive(Clone, Debug)]
pub enum Trust {
    /// Everybody's, for development and for images that never left the process. A seal is opened, and not believed:
    /// [`Image::seal`](super::Image::seal) is `None`.
    Unsigned,
    /// Only what one of these keys has sealed.
    Keys(TrustedKeys),
}

/// What a host demands of a seal. The default trusts no key.
#[derive(Clone, Debug, Default)]
pub struct TrustedKeys {
    /// Public keys by id. A seal names its key, and no other key is tried.
    pub keys: Vec<(String, PublicKey)>,
    /// For whom this host loads images; the seal must say the same, and nothing where this is empty.
    pub audience: String,
    /// The last image that this host accepted, from wherever it stores that.
    pub high_water: Option<HighWater>,
    /// The time, µs since the epoch, where the host has a clock.
    pub now_us: Option<i64>,
    /// Takes an image that is older than the mark; for an operator who says so and means it.
    pub allow_rollback: bool,
    /// What becomes of an image whose seal has ended.
    pub when_expired: WhenExpired,
}

/// The mark of the last accepted image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HighWater {
    /// Its serial.
    pub serial: u64,
    /// The digest of its seal.
    pub digest: [u8; 32],
}

/// What becomes of an image past the end of its seal. Either way [`Image::expired`](super::Image::expired) tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenExpired {
    /// It loads and decides on: whoever holds back updates gains an old policy, not an outage.
    #[default]
    Keep,
    /// It is refused, and one that ends while in force denies everything from then on. Without a time it counts as
    /// ended.
    Deny,
}

/// What a trusted seal says, for hosts that store the mark and watch the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealInfo {
    /// The key that signed.
    pub key_id: String,
    /// For whom.
    pub audience: String,
    /// Serial and digest, as the next load wants to see them.
    pub mark: HighWater,
    /// Last instant, µs since the epoch.
    pub not_after_us: Option<i64>,
    /// Cases that the host runs before the image goes into force; empty if there are none.
    pub smoke: Vec<u8>,
}

/// Why well-formed bytes are not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// No seal where one is demanded.
    #[error("the image is not sealed, and only images that a trusted key has sealed are taken here")]
    Unsigned,
    /// A key that is not on the list.
    #[error("the image is sealed with the key `{key_id}`, which is not a trusted one")]
    UnknownKey {
        /// By its id.
        key_id: String,
    },
    /// Not what the key's holder signed.
    #[error(
        "the signature of the key `{key_id}` does not match: the image was altered, or another key signed it"
    )]
    Signature {
        /// By its id.
        key_id: String,
    },
    /// Somebody else's.
    #[error("the image is sealed for {} and this is {}", shown(.sealed), shown(.wanted))]
    Audience {
        /// In the seal.
        sealed: String,
        /// Of the host.
        wanted: String,
    },
    /// A replay.
    #[error(
        "the image has serial {serial}, and serial {mark} was already accepted: an older image is not taken again"
    )]
    Older {
        /// In the seal.
        serial: u64,
        /// The mark.
        mark: u64,
    },
    /// Two images under one number.
    #[error("another image with serial {serial} was already accepted: two images must not share a serial")]
    SameSerial {
        /// Of both.
        serial: u64,
    },
    /// Past its end.
    #[error("the image's seal has ended (at {not_after_us} µs since the epoch): a newer image is needed")]
    Expired {
        /// Its last instant.
        not_after_us: i64,
    },
    /// Nobody can tell whether it has ended.
    #[error("the image's seal ends some time, and no time was given to judge that by")]
    NoTime,
}

fn shown(audience: &str) -> String {
    match audience {
        "" => "no audience".to_string(),
        named => format!("the audience `{named}`"),
    }
}

/// How an image came in, for as long as it is in force.
#[derive(Clone, Debug, Default)]
pub(crate) struct Admission {
    pub(super) seal: Option<SealInfo>,
    allow_rollback: bool,
    when_expired: WhenExpired,
}

impl Admission {
    pub(super) fn expired(&self, now_us: Option<i64>) -> Option<bool> {
        let Some(end) = self.seal.as_ref().and_then(|seal| seal.not_after_us) else {
            return Some(false);
        };
        now_us.map(|now| now > end)
    }

    /// Whether the image may no longer decide anything.
    pub(crate) fn is_shut(&self, now_us: Option<i64>) -> bool {
        self.when_expired == WhenExpired::Deny && self.expired(now_us) != Some(false)
    }

    /// Whether an image may take the place of the one in force.
    pub(crate) fn may_follow(&self, in_force: &Admission) -> Result<(), TrustError> {
        match (&self.seal, &in_force.seal) {
            (_, None) => Ok(()),
            // Once sealed, always sealed: an unsealed image in its place is the oldest replay of all.
            (None, Some(_)) => Err(TrustError::Unsigned),
            (Some(_), Some(_)) if self.allow_rollback => Ok(()),
            (Some(new), Some(old)) => follows(new.mark, old.mark),
        }
    }
}

fn follows(new: HighWater, mark: HighWater) -> Result<(), TrustError> {
    match new.serial.cmp(&mark.serial) {
        std::cmp::Ordering::Less => Err(TrustError::Older {
            serial: new.serial,
            mark: mark.serial,
        }),
        std::cmp::Ordering::Equal if new.digest != mark.digest => {
            Err(TrustError::SameSerial { serial: new.serial })
        }
        _ => Ok(()),
    }
}

/// The bare image, if the bytes are to be trusted. What a seal says is judged only after its signature.
pub(super) fn admit<'b>(bytes: &'b [u8], trust: &Trust) -> Result<(&'b [u8], Admission), LoadError> {
    let sealed = seal::is_sealed(bytes).then(|| seal::open(bytes)).transpose()?;
    let (sealed, trusted) = match (sealed, trust) {
        (None, Trust::Unsigned) => return Ok((bytes, Admission::default())),
        (Some(sealed), Trust::Unsigned) => return Ok((sealed.image, Admission::default())),
        (None, Trust::Keys(_)) => return Err(TrustError::Unsigned.into()),
        (Some(sealed), Trust::Keys(trusted)) => (sealed, trusted),
    };
    let key_id = || sealed.seal.key_id.to_string();
    let mut named = trusted
        .keys
        .iter()
        .filter(|(id, _)| id == sealed.seal.key_id)
        .peekable();
    if named.peek().is_none() {
        return Err(TrustError::UnknownKey { key_id: key_id() }.into());
    }
    if !named.any(|(_, key)| sealed.is_signed_by(key)) {
        return Err(TrustError::Signature { key_id: key_id() }.into());
    }
    if sealed.seal.audience != trusted.audience {
        return Err(TrustError::Audience {
            sealed: sealed.seal.audience.to_string(),
            wanted: trusted.audience.clone(),
        }
        .into());
    }
    let mark = HighWater {
        serial: sealed.seal.serial,
        digest: sealed.digest(),
    };
    if let Some(accepted) = trusted.high_water.filter(|_| !trusted.allow_rollback) {
        follows(mark, accepted)?;
    }
    let admission = Admission {
        seal: Some(SealInfo {
            key_id: key_id(),
            audience: sealed.seal.audience.to_string(),
            mark,
            not_after_us: sealed.seal.not_after_us,
            smoke: sealed.seal.smoke.to_vec(),
        }),
        allow_rollback: trusted.allow_rollback,
        when_expired: trusted.when_expired,
    };
    if let Some(not_after_us) = sealed
        .seal
        .not_after_us
        .filter(|_| admission.is_shut(trusted.now_us))
    {
        return Err(match trusted.now_us {
            Some(_) => TrustError::Expired { not_after_us },
            None => TrustError::NoTime,
        }
        .into());
    }
    Ok((sealed.image, admission))
}
