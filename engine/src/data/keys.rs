//! Key sets and secrets beside the policy -> [`Keys`], which verify what callers present. Knows no tokens, no requests and
//! no rules.

use super::apikeys::ApiKeys;
use super::{Canonical, DataError, Problem, Slot, read};
use crate::image::config::{Config, Issuer, IssuerKeys, KeySet};
use crate::limits;
use portcullis_base::Algorithm;
use portcullis_base::jwks::{self, Curve, PublicKey};
use portcullis_base::secret;
use portcullis_crypto::{Backend, Secret, Verifier};
use sha2::{Digest, Sha256};

/// What verifies the credentials that a policy declares, by the place of each declaration.
#[derive(Clone, Debug, Default)]
pub(crate) struct Keys {
    issuers: Vec<Slot<IssuerKeys, TokenKeys>>,
    beside: Vec<Slot<IssuerKeys, TokenKeys>>,
    api_keys: Vec<Slot<KeyFiles, ApiKeys>>,
    signatures: Vec<Vec<Slot<String, SecretFile>>>,
    redaction: Option<Slot<String, SecretFile>>,
    generation: [u8; 32],
}

/// [`KeySet::file`].
type KeyFiles = Option<(String, String)>;

/// What verifies the tokens of an issuer.
#[derive(Debug)]
pub(crate) enum TokenKeys {
    /// Public keys.
    Public(Vec<TokenKey>, [u8; 32]),
    /// A secret of HMAC algorithms.
    Secret(SecretFile),
}

/// A secret with the digest of its file, which no output shows.
#[derive(Debug)]
pub(crate) struct SecretFile {
    pub(crate) secret: Secret,
    digest: [u8; 32],
}

impl SecretFile {
    pub(super) fn digest(&self) -> &[u8; 32] {
        &self.digest
    }
}

/// One public key.
#[derive(Debug)]
pub(crate) struct TokenKey {
    kid: Option<String>,
    alg: Option<String>,
    kind: KeyKind,
    verifier: Box<dyn Verifier>,
}

/// Which algorithms a key can be for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KeyKind {
    Rsa,
    P256,
    P384,
    Ed25519,
}

impl KeyKind {
    /// Of a key that some algorithm here is for.
    fn of(key: &PublicKey) -> Option<KeyKind> {
        match key {
            PublicKey::Rsa { .. } => Some(KeyKind::Rsa),
            PublicKey::Ed25519(_) => Some(KeyKind::Ed25519),
            PublicKey::Ec { curve, .. } => match curve {
                Curve::P256 => Some(KeyKind::P256),
                Curve::P384 => Some(KeyKind::P384),
                Curve::P521 => None,
            },
        }
    }

    fn is_for(self, algorithm: Algorithm) -> bool {
        use Algorithm::*;
        match self {
            KeyKind::Rsa => matches!(algorithm, Rs256 | Rs384 | Rs512 | Ps256 | Ps384 | Ps512),
            KeyKind::P256 => algorithm == Es256,
            KeyKind::P384 => algorithm == Es384,
            KeyKind::Ed25519 => matches!(algorithm, EdDsa | Ed25519),
        }
    }
}

/// Whether two names mean one algorithm: RFC 9864 gives EdDSA with Ed25519 a name of its own.
pub(crate) fn is_same(a: Algorithm, b: Algorithm) -> bool {
    let of = |algorithm| match algorithm {
        Algorithm::EdDsa => Algorithm::Ed25519,
        other => other,
    };
    of(a) == of(b)
}

impl TokenKey {
    fn is_for(&self, algorithm: Algorithm) -> bool {
        let own = |name: &str| Algorithm::from_code(name).is_some_and(|own| is_same(own, algorithm));
        self.kind.is_for(algorithm) && self.alg.as_deref().is_none_or(own)
    }

    /// Whether the key made the signature of the message.
    pub(crate) fn verify(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        self.verifier.verify(algorithm, message, signature)
    }
}

impl TokenKeys {
    /// The key that a token names, or where it names none the only one that its algorithm can mean.
    pub(crate) fn find<'k>(
        keys: &'k [TokenKey],
        algorithm: Algorithm,
        kid: Option<&[u8]>,
    ) -> Option<&'k TokenKey> {
        let named =
            |key: &&TokenKey| kid.is_none_or(|kid| key.kid.as_deref().map(str::as_bytes) == Some(kid));
        let mut fitting = keys.iter().filter(named).filter(|key| key.is_for(algorithm));
        let found = fitting.next();
        found.filter(|_| fitting.next().is_none())
    }

    /// Whether it is no secret of fewer bytes than these.
    fn fits(&self, least: usize) -> bool {
        match self {
            TokenKeys::Public(..) => true,
            TokenKeys::Secret(own) => own.secret.len() >= least,
        }
    }

    fn digest(&self) -> [u8; 32] {
        match self {
            TokenKeys::Public(_, digest) => *digest,
            TokenKeys::Secret(secret) => secret.digest,
        }
    }
}

impl Keys {
    /// Of a policy without credentials.
    #[cfg(test)]
    pub(crate) const NONE: Keys = Keys {
        issuers: Vec::new(),
        beside: Vec::new(),
        api_keys: Vec::new(),
        signatures: Vec::new(),
        redaction: None,
        generation: [0; 32],
    };

    /// Loads again; where a file is missing or bad, the last good one stays, if it is that of a declaration alike.
    pub(super) fn reload(
        &self,
        config: &Config,
        files: &dyn Fn(&str) -> Option<Vec<u8>>,
        backend: &dyn Backend,
        errors: &mut Vec<DataError>,
    ) -> Keys {
        let mut of = |issuers: &[Issuer]| -> Vec<Slot<IssuerKeys, TokenKeys>> {
            issuers
                .iter()
                .map(|issuer| self.token_keys(issuer, files, backend, errors))
                .collect()
        };
        let (issuers, beside) = (of(&config.issuers), of(&config.beside));
        let sets = config.keys.iter();
        let api_keys = sets.map(|set| self.api_keys_of(set, files, errors)).collect();
        let mut secret_of = |file: &String| {
            let last = self.signatures.iter().flatten().chain(&self.redaction);
            let mut slot = Slot::last_of(last, file);
            let read = read(file, files, |bytes| secret(bytes, limits::SECRET_BYTES_MIN));
            slot.take(read, |secret| secret.digest, errors);
            slot
        };
        let signatures = config
            .signatures
            .iter()
            .map(|scheme| scheme.secrets.iter().map(&mut secret_of).collect())
            .collect();
        let redaction = config.redaction_key.as_ref().map(secret_of);
        Keys {
            generation: [0; 32],
            issuers,
            beside,
            api_keys,
            signatures,
            redaction,
        }
        .counted()
    }

    /// Nothing is loaded: every credential is not verified.
    pub(super) fn empty(config: &Config) -> Keys {
        let of = |issuers: &[Issuer]| issuers.iter().map(|issuer| Slot::empty(&issuer.keys)).collect();
        let secrets =
            |scheme: &crate::image::config::Signature| scheme.secrets.iter().map(Slot::empty).collect();
        Keys {
            generation: [0; 32],
            issuers: of(&config.issuers),
            beside: of(&config.beside),
            api_keys: config.keys.iter().map(|set| Slot::empty(&set.file)).collect(),
            signatures: config.signatures.iter().map(secrets).collect(),
            redaction: config.redaction_key.as_ref().map(Slot::empty),
        }
    }

    fn token_keys(
        &self,
        issuer: &Issuer,
        files: &dyn Fn(&str) -> Option<Vec<u8>>,
        backend: &dyn Backend,
        errors: &mut Vec<DataError>,
    ) -> Slot<IssuerKeys, TokenKeys> {
        let declared = &issuer.keys;
        let algorithms = issuer.algorithms.iter();
        let least = algorithms.map(|algorithm| algorithm.secret_bytes_min()).max();
        let least = least.unwrap_or_default().max(limits::TOKEN_SECRET_BYTES_MIN);
        let mut slot = Slot::last_of(self.issuers.iter().chain(&self.beside), declared);
        // One that was long enough for the algorithms before is not one for these.
        slot.held = slot.held.filter(|held| held.fits(least));
        let read = match declared {
            // Nothing would be verified with them.
            _ if !cfg!(feature = "jwt") => return slot,
            IssuerKeys::None => return slot,
            IssuerKeys::File(file) => read(file, files, |bytes| key_set(bytes, backend)),
            IssuerKeys::Secret(file) => {
                read(file, files, |bytes| secret(bytes, least).map(TokenKeys::Secret))
            }
        };
        slot.take(read, TokenKeys::digest, errors);
        slot
    }

    fn api_keys_of(
        &self,
        declared: &KeySet,
        files: &dyn Fn(&str) -> Option<Vec<u8>>,
        errors: &mut Vec<DataError>,
    ) -> Slot<KeyFiles, ApiKeys> {
        let mut slot = Slot::last_of(&self.api_keys, &declared.file);
        if let Some((file, secret_file)) = &declared.file {
            let under = read(secret_file, files, |bytes| {
                secret(bytes, limits::SECRET_BYTES_MIN)
            });
            let keys = under.and_then(|secret| read(file, files, |bytes| ApiKeys::read(bytes, secret)));
            slot.take(keys, ApiKeys::generation, errors);
        }
        slot
    }

    /// API keys are looked up each time, so no token that was verified before depends on them; nor does any on the
    /// redaction key.
    fn counted(mut self) -> Keys {
        let mut hash = Sha256::new();
        let mut part = |digest: Option<[u8; 32]>| {
            hash.update([u8::from(digest.is_some())]);
            hash.update(digest.unwrap_or_default());
        };
        for slot in self.issuers.iter().chain(&self.beside) {
            part(slot.held.as_ref().map(|held| held.digest()));
        }
        for slot in self.signatures.iter().flatten() {
            part(slot.held.as_ref().map(|held| held.digest));
        }
        self.generation = hash.finalize().into();
        self
    }

    /// Another one for other keys or secrets. No output shows it.
    pub(crate) fn generation(&self) -> &[u8; 32] {
        &self.generation
    }

    /// What verifies the tokens of the issuer at a place; `None` where nothing was loaded.
    pub(crate) fn issuer(&self, place: usize) -> Option<&TokenKeys> {
        self.issuers.get(place)?.held.as_deref()
    }

    /// The same of a `beside` issuer.
    pub(crate) fn beside(&self, place: usize) -> Option<&TokenKeys> {
        self.beside.get(place)?.held.as_deref()
    }

    /// The API keys of the set at a place; `None` where nothing was loaded.
    pub(crate) fn api_keys(&self, place: usize) -> Option<&ApiKeys> {
        self.api_keys.get(place)?.held.as_deref()
    }

    /// Bytes of memory that API keys take.
    pub(super) fn bytes(&self) -> usize {
        let held = self.api_keys.iter().filter_map(|slot| slot.held.as_ref());
        held.map(|keys| keys.bytes()).sum()
    }

    /// The secrets of the signature scheme at a place that were loaded.
    pub(crate) fn secrets(&self, place: usize) -> impl Iterator<Item = &Secret> {
        let slots = self.signatures.get(place).into_iter().flatten();
        slots.filter_map(|slot| slot.held.as_ref().map(|held| &held.secret))
    }

    /// The secret that `hash` redacts with; `None` where the policy declares none, or none was loaded.
    pub(crate) fn redaction(&self) -> Option<&Secret> {
        self.redaction.as_ref()?.held.as_ref().map(|held| &held.secret)
    }

    /// What of the keys is public, into the digest of the data.
    pub(super) fn digest_into(&self, hash: &mut Canonical) {
        for slot in self.issuers.iter().chain(&self.beside) {
            if let (IssuerKeys::File(file), Some(TokenKeys::Public(_, digest))) =
                (&slot.declared, slot.held.as_deref())
            {
                hash.part(b"keys", file, Some(*digest));
            }
        }
        for slot in &self.api_keys {
            if let (Some((file, _)), Some(keys)) = (&slot.declared, &slot.held) {
                hash.part(b"API keys", file, Some(keys.digest()));
            }
        }
    }
}

fn key_set(bytes: &[u8], backend: &dyn Backend) -> Result<TokenKeys, (Option<usize>, Problem)> {
    let line = |at: usize| {
        let before = bytes.get(..at).unwrap_or_default();
        1 + before.iter().filter(|byte| **byte == b'\n').count()
    };
    let set = jwks::read(bytes).map_err(|error| (Some(line(error.at)), Problem::KeySet(error.fault)))?;
    let mut keys = Vec::with_capacity(set.keys.len());
    let mut hash = Canonical::default();
    for (n, jwk) in (1..).zip(set.keys) {
        let Some(kind) = KeyKind::of(&jwk.key) else {
            continue;
        };
        let verifier = backend
            .prepare(&jwk.key)
            .map_err(|fault| (None, Problem::Key(n, fault)))?;
        hash.text(jwk.kid.as_deref().unwrap_or_default().as_bytes());
        hash.text(jwk.alg.as_deref().unwrap_or_default().as_bytes());
        match &jwk.key {
            PublicKey::Rsa { modulus, exponent } => {
                hash.text(modulus);
                hash.text(exponent);
            }
            PublicKey::Ec { x, y, .. } => {
                hash.text(x);
                hash.text(y);
            }
            PublicKey::Ed25519(point) => hash.text(point),
        }
        keys.push(TokenKey {
            kid: jwk.kid,
            alg: jwk.alg,
            kind,
            verifier,
        });
    }
    Ok(TokenKeys::Public(keys, hash.finish()))
}

fn secret(bytes: &[u8], min: usize) -> Result<SecretFile, (Option<usize>, Problem)> {
    let bytes = secret::read(bytes, min).map_err(|fault| (None, Problem::Secret(fault)))?;
    Ok(SecretFile {
        secret: Secret::new(bytes),
        digest: Sha256::digest(bytes).into(),
    })
}
