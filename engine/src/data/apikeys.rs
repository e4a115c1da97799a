//! A file of API keys and the secret of their hashes -> keys, each found by one look-up of its keyed hash. Knows no request;
//! what a key's fields mean is for whoever declares them.

use super::buckets::Buckets;
use super::keys::SecretFile;
use super::list::seed;
use super::{Canonical, Problem};
use crate::limits;
use portcullis_base::apikeys;
use portcullis_crypto::Hash;

/// The keys of one file.
#[derive(Debug)]
pub(crate) struct ApiKeys {
    secret: SecretFile,
    buckets: Buckets,
    /// By bucket.
    entries: Box<[Entry]>,
    /// Id and fields of each.
    texts: Box<str>,
    digest: [u8; 32],
    /// Of the keys and their secret.
    generation: [u8; 32],
}

struct Entry {
    hash: [u8; 32],
    expires_us: Option<i64>,
    id: u32,
    fields: u32,
    end: u32,
}

/// Without its hash, which gives a guessable key away to whoever knows the secret.
impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entry").finish_non_exhaustive()
    }
}

/// A key that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KnownKey<'k> {
    pub(crate) id: &'k str,
    /// A JSON object; empty for none.
    pub(crate) fields: &'k str,
    /// µs since the epoch: it is good before.
    pub(crate) expires_us: Option<i64>,
}

impl ApiKeys {
    pub(super) fn read(bytes: &[u8], secret: SecretFile) -> Result<ApiKeys, (Option<usize>, Problem)> {
        let read = apikeys::read(bytes);
        let mut keys = read.map_err(|error| (Some(error.line), Problem::ApiKeys(error.fault)))?;
        // Whatever their order in the file.
        crate::value::order::sort_by_key(&mut keys, |key| key.hash);
        let mut canonical = Canonical::default();
        for key in &keys {
            canonical.text(&key.hash);
            canonical.text(key.id.as_bytes());
            canonical.text(&key.expires_us.map_or([0; 9], expiry));
            canonical.text(key.fields.unwrap_or_default().as_bytes());
        }
        let digest = canonical.finish();
        let mut generation = Canonical::default();
        generation.text(&digest);
        generation.text(secret.digest());
        let hashes: Vec<&[u8]> = keys.iter().map(|key| &key.hash[..]).collect();
        let (mut entries, mut texts) = (Vec::with_capacity(keys.len()), String::new());
        let buckets = Buckets::build(&hashes, seed(&digest), |index, _| {
            if let Some(key) = keys.get(index) {
                let id = texts.len() as u32;
                texts.push_str(&key.id);
                let fields = texts.len() as u32;
                texts.push_str(key.fields.unwrap_or_default());
                entries.push(Entry {
                    hash: key.hash,
                    expires_us: key.expires_us,
                    id,
                    fields,
                    end: texts.len() as u32,
                });
            }
            entries.len() as u32
        });
        Ok(ApiKeys {
            secret,
            buckets,
            entries: entries.into_boxed_slice(),
            texts: texts.into_boxed_str(),
            digest,
            generation: generation.finish(),
        })
    }

    /// The key of these bytes. They are hashed under the secret, so how long a look-up takes tells nothing of another key.
    pub(crate) fn find(&self, presented: &[u8]) -> Option<KnownKey<'_>> {
        if presented.len() > limits::API_KEY_BYTES {
            return None;
        }
        let mut hmac = self.secret.secret.hmac(Hash::Sha256);
        hmac.update(presented);
        let hash = hmac.clone().finish();
        let bucket = self.entries.get(self.buckets.find(&hash.as_bytes()))?;
        let entry = bucket.iter().find(|entry| hmac.clone().verify(&entry.hash))?;
        let text = |start: u32, end: u32| self.texts.get(start as usize..end as usize);
        Some(KnownKey {
            id: text(entry.id, entry.fields)?,
            fields: text(entry.fields, entry.end)?,
            expires_us: entry.expires_us,
        })
    }

    /// Of the keys alone.
    pub(super) fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// Another one for other keys or another secret. No output shows it.
    pub(super) fn generation(&self) -> [u8; 32] {
        self.generation
    }

    /// Bytes of memory.
    pub(super) fn bytes(&self) -> usize {
        self.buckets.bytes() + size_of_val(&*self.entries) + self.texts.len()
    }
}

/// Not the bytes of no expiry.
fn expiry(us: i64) -> [u8; 9] {
    let mut bytes = [1; 9];
    for (to, from) in bytes.iter_mut().zip(us.to_le_bytes()) {
        *to = from;
    }
    bytes
}
