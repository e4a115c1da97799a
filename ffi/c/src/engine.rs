//! A policy in force for all threads, and how another one takes its place: image, file or text in, a snapshot out.
//!
//! Loading is slow, locks out other loading, and swaps at the very end: what fails leaves what was in force.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use portcullis::image::seal::{PublicKey, is_key_id};
use portcullis::image::{HighWater, SealInfo, WhenExpired};
use portcullis::{Engine, Snapshot, Trust, TrustedKeys};

use crate::handles::{Kind, Object, Table};
use crate::status::{
    FULL, Failure, NO_HANDLE, PORTCULLIS_E_DATA, PORTCULLIS_E_IMAGE, PORTCULLIS_E_IO, PORTCULLIS_E_KEY,
};

/// Most keys trusted at once: far more than one that is in use and one that follows it.
const TRUSTED_KEYS_MAX: usize = 1_024;
/// Most files beside the policies of one engine: far more lists, tables and imports than a policy has.
const FILES_MAX: usize = 4_096;
/// Largest file of a policy that is read from disk, bytes: an image and its seal.
#[cfg(not(all(target_arch = "wasm32", target_os = "unknown")))]
const FILE_BYTES_MAX: u64 = portcullis::image::IMAGE_BYTES_MAX as u64 + (1 << 22);

const NO_KEY: Failure = Failure::new(
    PORTCULLIS_E_KEY,
    "not a key id with an Ed25519 public key of 32 bytes, or not a digest of 32 bytes",
);

/// All engines of the process.
pub(crate) static ENGINES: Table<Option<Arc<Policy>>> = Table::new(Kind::Engine);

impl Object for Option<Arc<Policy>> {
    fn end(&mut self) {
        *self = None;
    }
}

/// The object behind a handle, for this call and no longer than it takes.
pub(crate) fn find(engine: u64) -> Result<Arc<Policy>, Failure> {
    ENGINES.lock(engine)?.clone().ok_or(NO_HANDLE)
}

/// What is in force.
#[derive(Debug, Default)]
pub(crate) struct Policy {
    engine: Engine,
    control: Mutex<Control>,
}

/// What the next load goes by.
#[derive(Debug, Default)]
pub(crate) struct Control {
    trusted: TrustedKeys,
    /// A key, an audience or a mark was named: from then on no unsealed image loads.
    asks_for_seals: bool,
    /// Lists, tables and imports, by the names that policies give them.
    files: BTreeMap<String, Vec<u8>>,
    /// What the policy in force reads and did not get, sorted by the same names: as it was loaded, or handed over since.
    data_errors: Vec<(String, String)>,
}

impl Control {
    /// What there is to say of a file from now on.
    fn tell(&mut self, file: &str, told: Option<String>) {
        let known = self
            .data_errors
            .binary_search_by(|(known, _)| known.as_str().cmp(file));
        if let Ok(at) = known {
            self.data_errors.remove(at);
        }
        if let (Ok(at) | Err(at), Some(told)) = (known, told) {
            self.data_errors.insert(at, (file.to_string(), told));
        }
    }
}

impl Policy {
    /// What begins exchanges.
    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// What is in force, if anything is.
    pub(crate) fn snapshot(&self) -> Option<Arc<Snapshot>> {
        self.engine.snapshot()
    }

    /// A call that panicked left nothing half-done here: every change is one assignment or insertion, and those that
    /// ask for more trust come first.
    fn control(&self) -> MutexGuard<'_, Control> {
        self.control.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts an image in force. Lists and tables that it shares with the one before stay loaded.
    pub(crate) fn load(&self, image: &[u8]) -> Result<(), Failure> {
        let mut control = self.control();
        self.load_with(&mut control, image)
    }

    fn load_with(&self, control: &mut Control, image: &[u8]) -> Result<(), Failure> {
        let trust = match control.asks_for_seals {
            false => Trust::Unsigned,
            true => Trust::Keys(control.trusted.clone()),
        };
        // Held, so that it is not dropped while others wait for the new one.
        let _before = self.snapshot();
        let files = |name: &str| control.files.get(name).cloned();
        let loaded = self.engine.load(image, &trust, &files);
        let errors = loaded.map_err(|e| Failure::told(PORTCULLIS_E_IMAGE, e.to_string()))?;
        control.trusted.high_water = self.seal(|seal| seal.mark).or(control.trusted.high_water);
        control.data_errors.clear();
        // Of a file that several lists read, the last is told.
        for error in &errors {
            control.tell(&error.file, Some(error.to_string()));
        }
        Ok(())
    }

    /// Callers hold the snapshot before, so that it is not dropped while others wait for the new one.
    fn swap(&self, snapshot: Snapshot) -> Result<(), Failure> {
        self.engine
            .swap(Arc::new(snapshot))
            .map_err(|e| Failure::told(PORTCULLIS_E_IMAGE, e.to_string()))
    }

    /// Puts the image in a file in force.
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    pub(crate) fn load_file(&self, _path: &str) -> Result<(), Failure> {
        Err(Failure::new(PORTCULLIS_E_IO, "a WASM module has no files"))
    }

    /// Puts the image in a file in force.
    #[cfg(not(all(target_arch = "wasm32", target_os = "unknown")))]
    pub(crate) fn load_file(&self, path: &str) -> Result<(), Failure> {
        let told = |e: std::io::Error| Failure::told(PORTCULLIS_E_IO, format!("{path}: {e}"));
        let file = std::fs::File::open(path).map_err(told)?;
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut std::io::Read::take(file, FILE_BYTES_MAX + 1), &mut bytes)
            .map_err(told)?;
        if bytes.len() as u64 > FILE_BYTES_MAX {
            let text = format!("{path}: larger than {FILE_BYTES_MAX} bytes");
            return Err(Failure::told(PORTCULLIS_E_IO, text));
        }
        self.load(&bytes)
    }

    /// Compiles policy text and puts it in force.
    #[cfg(feature = "compile")]
    pub(crate) fn load_text(&self, name: &str, text: &[u8]) -> Result<(), Failure> {
        use crate::status::PORTCULLIS_E_POLICY;

        let mut control = self.control();
        let sources = [(name.to_string(), text.to_vec())];
        let checked = portcullis_lang::check::load(&sources, &control.files);
        let policy = checked.policy.ok_or_else(|| {
            let shown = portcullis_lang::render::render(&checked.diagnostics, &checked.sources, false);
            Failure::told(PORTCULLIS_E_POLICY, shown)
        })?;
        let image = portcullis_compile::compile(&policy)
            .map_err(|e| Failure::told(PORTCULLIS_E_POLICY, e.to_string()))?;
        self.load_with(&mut control, &image)
    }

    /// Takes a list, table or import. One that the policy in force reads is put in force if it is good, and changes
    /// nothing if it is not; any other waits for the next policy.
    pub(crate) fn data(&self, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        let mut control = self.control();
        if !control.files.contains_key(name) && control.files.len() >= FILES_MAX {
            return Err(FULL);
        }
        // Kept even if the policy in force can not read it: the next one may.
        control.files.insert(name.to_string(), bytes.to_vec());
        if let Some(before) = self.snapshot() {
            // API keys are read with their secret: whichever comes, the other is the one that was handed over before.
            let is_pair = |other: &str| {
                let mut pairs = before
                    .image
                    .config()
                    .keys
                    .iter()
                    .filter_map(|set| set.file.as_ref());
                pairs.any(|(keys, secret)| {
                    (keys == name && secret == other) || (secret == name && keys == other)
                })
            };
            let file = |file: &str| match file == name || is_pair(file) {
                true => control.files.get(file).cloned(),
                false => None,
            };
            let (data, errors) = before.data.reload(before.image.config(), &file);
            if let Some(error) = errors.iter().find(|error| error.file == name) {
                let told = error.to_string();
                control.tell(name, Some(told.clone()));
                return Err(Failure::told(PORTCULLIS_E_DATA, told));
            }
            self.swap(Snapshot::new(before.image.clone(), data))?;
            control.tell(name, None);
        }
        Ok(())
    }

    /// Fails with what the policy in force reads and did not get, one a line.
    pub(crate) fn data_errors(&self) -> Result<(), Failure> {
        let control = self.control();
        if control.data_errors.is_empty() {
            return Ok(());
        }
        let lines: Vec<&str> = control
            .data_errors
            .iter()
            .map(|(_, told)| told.as_str())
            .collect();
        Err(Failure::told(PORTCULLIS_E_DATA, lines.join("\n")))
    }

    /// Trusts a key from now on.
    pub(crate) fn trust_key(&self, id: &str, key: &[u8]) -> Result<(), Failure> {
        let mut control = self.control();
        let key = key
            .try_into()
            .ok()
            .and_then(|key| PublicKey::from_bytes(key).ok())
            .filter(|_| is_key_id(id))
            .ok_or(NO_KEY)?;
        if control.trusted.keys.len() >= TRUSTED_KEYS_MAX {
            return Err(FULL);
        }
        control.asks_for_seals = true;
        control.trusted.keys.push((id.to_string(), key));
        Ok(())
    }

    /// Names the audience of this host.
    pub(crate) fn trust_audience(&self, audience: &str) -> Result<(), Failure> {
        let mut control = self.control();
        control.asks_for_seals = true;
        control.trusted.audience = audience.to_string();
        Ok(())
    }

    /// Takes over the mark that the host has stored, unless the one that is known is as high or higher.
    pub(crate) fn trust_mark(&self, serial: u64, digest: &[u8]) -> Result<(), Failure> {
        let mut control = self.control();
        let digest = digest.try_into().map_err(|_| NO_KEY)?;
        control.asks_for_seals = true;
        let known = control.trusted.high_water;
        if known.is_none_or(|known| known.serial < serial) {
            control.trusted.high_water = Some(HighWater { serial, digest });
        }
        Ok(())
    }

    /// From now on seals end, and this is the time at which the next image is looked at.
    pub(crate) fn trust_time(&self, now_us: i64) -> Result<(), Failure> {
        let mut control = self.control();
        control.trusted.now_us = Some(now_us);
        control.trusted.when_expired = WhenExpired::Deny;
        Ok(())
    }

    /// What `read` makes of the seal of the policy in force, if a trusted key has vouched for it.
    pub(crate) fn seal<T>(&self, read: impl FnOnce(&SealInfo) -> T) -> Option<T> {
        self.snapshot()?.image.seal().map(read)
    }
}
