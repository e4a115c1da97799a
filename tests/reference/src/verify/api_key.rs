//! A presented API key + the sets that are read where it stands -> the set and the entry that it is, or the first check
//! that fails. Knows no headers.

use portcullis_base::Detail;
use portcullis_lang::model::KeySet;

use super::hmac_sha256;
use super::key_file::ApiKey;
use super::keys::ApiKeys;

/// Most bytes of a key that is looked up.
const KEY_BYTES_MAX: usize = 1_024;

/// A set that is read at the key's place.
pub(crate) struct Reader<'p> {
    /// Its position among the declarations.
    pub(crate) index: usize,
    pub(crate) set: &'p KeySet,
    pub(crate) keys: Option<&'p ApiKeys>,
}

/// The first set that knows the key decides; if none does, the first says why.
pub(crate) fn verify<'p>(
    key: &[u8],
    readers: &[Reader<'p>],
    now: Option<i64>,
) -> Result<(usize, &'p ApiKey), Detail> {
    for reader in readers {
        if let Some(entry) = reader.keys.and_then(|keys| find(key, keys)) {
            lasts(entry, now)?;
            return Ok((reader.index, entry));
        }
    }
    match readers.first() {
        None => Err(Detail::NotVerified),
        // hashes that only the host has
        Some(first) if first.set.file.is_none() => Err(Detail::NotVerified),
        Some(first) if first.keys.is_none() => Err(Detail::KeysNotLoaded),
        Some(_) => Err(Detail::UnknownApiKey),
    }
}

fn find<'k>(key: &[u8], keys: &'k ApiKeys) -> Option<&'k ApiKey> {
    let hash = hmac_sha256(&keys.secret, key).filter(|_| key.len() <= KEY_BYTES_MAX)?;
    keys.keys.iter().find(|entry| entry.hash == hash)
}

fn lasts(entry: &ApiKey, now: Option<i64>) -> Result<(), Detail> {
    match (entry.expires, now) {
        (None, _) => Ok(()),
        (Some(_), None) => Err(Detail::NoClock),
        (Some(expires), Some(now)) if now >= expires => Err(Detail::Expired),
        (Some(_), Some(_)) => Ok(()),
    }
}
