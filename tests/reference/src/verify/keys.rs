//! Files beside the policy -> the keys of its issuers, and secrets. A file that is missing or cannot be taken counts as
//! never loaded. Knows no credentials.

use std::collections::BTreeMap;

use portcullis_lang::model::{Algorithm, Issuer, KeySet, Policy, SecretId};

use super::key_file::{self, ApiKey};
use super::key_set::{self, Jwk};

/// Fewest bytes of an issuer's secret, as many as the largest hash of its algorithms (RFC 7518, section 3.2): shorter ones
/// are guessed.
fn issuer_secret_bytes_min(issuer: &Issuer) -> usize {
    let bytes = |algorithm: &Algorithm| match algorithm {
        Algorithm::Hs512 => 64,
        Algorithm::Hs384 => 48,
        _ => 32,
    };
    issuer.algorithms.iter().map(bytes).max().unwrap_or(32)
}

/// Fewest bytes of any other secret.
const SECRET_BYTES_MIN: usize = 16;

/// What verifies an issuer's tokens.
pub(crate) enum IssuerKeys {
    /// Never loaded.
    None,
    Public(Vec<Jwk>),
    Secret(Vec<u8>),
}

/// A set's API keys.
pub(crate) struct ApiKeys {
    pub(crate) secret: Vec<u8>,
    pub(crate) keys: Vec<ApiKey>,
}

/// All that is loaded, by the index of the declaration.
pub(crate) struct Keys {
    pub(crate) issuers: Vec<IssuerKeys>,
    pub(crate) beside: Vec<IssuerKeys>,
    /// By key set; `None` where file or secret is not loaded.
    pub(crate) api: Vec<Option<ApiKeys>>,
    /// By signature scheme; empty where none of its secrets is loaded.
    pub(crate) signatures: Vec<Vec<Vec<u8>>>,
}

impl Keys {
    pub(crate) fn load(policy: &Policy, files: &BTreeMap<String, Vec<u8>>) -> Keys {
        let secret = |id: &SecretId| {
            policy
                .secrets
                .get(id.index())
                .and_then(|s| secret(files, &s.file))
        };
        let of_issuer = |issuer: &Issuer| match (&issuer.keys_file, &issuer.secret) {
            (Some(file), _) => files
                .get(file)
                .and_then(|bytes| key_set::read(bytes))
                .map_or(IssuerKeys::None, IssuerKeys::Public),
            (None, Some(id)) => secret(id)
                .filter(|bytes| bytes.len() >= issuer_secret_bytes_min(issuer))
                .map_or(IssuerKeys::None, IssuerKeys::Secret),
            (None, None) => IssuerKeys::None,
        };
        let of_set = |set: &KeySet| {
            let bytes = files.get(set.file.as_ref()?)?;
            Some(ApiKeys {
                secret: secret(set.secret.as_ref()?)?,
                keys: key_file::read(bytes)?,
            })
        };
        let of_scheme = |ids: &Vec<SecretId>| ids.iter().filter_map(secret).collect();
        Keys {
            issuers: policy.issuers.iter().map(of_issuer).collect(),
            beside: policy.beside.iter().map(of_issuer).collect(),
            api: policy.keys.iter().map(of_set).collect(),
            signatures: policy.signatures.iter().map(|s| of_scheme(&s.secrets)).collect(),
        }
    }
}

/// A secret is its file's bytes without the line ends after them.
fn secret(files: &BTreeMap<String, Vec<u8>>, file: &str) -> Option<Vec<u8>> {
    let mut bytes = files.get(file)?.as_slice();
    while let [rest @ .., b'\n' | b'\r'] = bytes {
        bytes = rest;
    }
    (bytes.len() >= SECRET_BYTES_MIN).then(|| bytes.to_vec())
}
