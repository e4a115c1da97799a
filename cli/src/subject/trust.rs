//! Options of trust + a file -> an image that may be used. Every verb that reads an image reads it here, so that
//! the seal is judged in each of them; without `--trust` they all say that nobody has vouched for it.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::{IMAGE_BYTES_MAX, smoke};
use clap::ValueEnum;
use portcullis::image::{HighWater, TrustError, seal};
use portcullis::{Data, Image, LoadError, Trust, TrustedKeys};

use crate::error::{CliError, read_limited, shown};
use crate::output::{BAD, DOUBT, Output, clean, hex, instant_text, paint};
use crate::{keys, write};

/// Largest state file, bytes.
const STATE_BYTES_MAX: u64 = 4_096;

/// Whose images are taken.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Trust")]
pub struct TrustArgs {
    /// Take only images sealed with a key of this file (`ed25519 ID BASE64`, one a line).
    #[arg(long, value_name = "KEYFILE")]
    pub trust: Option<PathBuf>,
    /// For whom images must be sealed; without it, only images sealed for no audience are taken.
    #[arg(long, value_name = "TEXT", requires = "trust")]
    pub audience: Option<String>,
    /// Remember the last accepted serial in this file, and refuse older ones.
    #[arg(long, value_name = "FILE", requires = "trust")]
    pub state: Option<PathBuf>,
    /// Take an image that is older than the last accepted one; it becomes the last accepted one.
    #[arg(long, requires = "trust")]
    pub allow_rollback: bool,
    /// What becomes of an image whose seal has ended.
    #[arg(long, value_enum, value_name = "WHAT", default_value_t, requires = "trust")]
    pub when_expired: WhenExpired,
}

/// `--when-expired`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum WhenExpired {
    /// Use it, and say so.
    #[default]
    Keep,
    /// Refuse it.
    Deny,
}

/// An image whose seal was judged, and that was not yet put to its smoke cases.
pub struct Admitted {
    /// The image.
    pub image: Image,
    /// The same without its seal, for the smoke cases: they speak of the policy and not of when it ends.
    bare: Option<Image>,
    /// The mark before.
    before: Option<HighWater>,
}

impl TrustArgs {
    /// Policy text bears no seal, so it is refused where one is demanded.
    pub fn takes_text(&self, path: &Path) -> Result<(), CliError> {
        match self.trust {
            None => Ok(()),
            Some(_) => Err(CliError::file(
                path,
                "policy text is not sealed, and `--trust` takes sealed images only",
            )),
        }
    }

    /// Reads an image, once, and judges its seal.
    pub fn admit(&self, path: &Path, output: &mut Output) -> Result<Admitted, CliError> {
        let bytes = read_limited(path, IMAGE_BYTES_MAX)?;
        let refused = |source: LoadError| CliError::image(path, source);
        let Some(key_file) = &self.trust else {
            let image = Image::load(&bytes, &Trust::Unsigned).map_err(refused)?;
            output.note(format_args!(
                "{}: {}: no `--trust` was given, so nobody has vouched for this image",
                paint(DOUBT, "UNVERIFIED"),
                clean(&shown(path))
            ))?;
            return Ok(Admitted {
                image,
                bare: None,
                before: None,
            });
        };
        let before = self.state.as_deref().map(read_state).transpose()?.flatten();
        let now_us = jiff::Timestamp::now().as_microsecond();
        let trust = Trust::Keys(TrustedKeys {
            keys: keys::read_public(key_file)?,
            audience: self.audience.clone().unwrap_or_default(),
            high_water: before,
            now_us: Some(now_us),
            allow_rollback: self.allow_rollback,
            when_expired: match self.when_expired {
                WhenExpired::Keep => portcullis::image::WhenExpired::Keep,
                WhenExpired::Deny => portcullis::image::WhenExpired::Deny,
            },
        });
        let image = Image::load(&bytes, &trust).map_err(refused)?;
        if let (Some(true), Some(seal)) = (image.expired(Some(now_us)), image.seal()) {
            let end = seal.not_after_us.map(instant_text).unwrap_or_default();
            output.note(format_args!(
                "{}: {}: its seal ended at {end}, and it is used all the same",
                paint(BAD, "EXPIRED"),
                clean(&shown(path))
            ))?;
        }
        let smokes = image.seal().is_some_and(|seal| !seal.smoke.is_empty());
        let bare = match seal::open(&bytes) {
            Ok(sealed) if smokes => Some(Image::load(sealed.image, &Trust::Unsigned).map_err(refused)?),
            _ => None,
        };
        Ok(Admitted { image, bare, before })
    }

    /// Runs the smoke cases of an admitted image with the data it will have, and moves the mark. After that the
    /// image may be used.
    pub fn activate(
        &self,
        path: &Path,
        admitted: Admitted,
        data: &Data,
        output: &mut Output,
    ) -> Result<Image, CliError> {
        let Admitted { image, bare, before } = admitted;
        let Some(seal) = image.seal() else {
            return Ok(image);
        };
        if let Some(bare) = bare {
            smoke::run(path, bare, data.clone(), &seal.smoke)?;
        }
        if let Some(before) = before.filter(|before| seal.mark.serial < before.serial) {
            output.note(format_args!(
                "{}: {}: serial {} takes the place of {}",
                paint(DOUBT, "ROLLBACK"),
                clean(&shown(path)),
                seal.mark.serial,
                before.serial
            ))?;
        }
        if let Some(state) = &self.state
            && before != Some(seal.mark)
        {
            // Another process may have accepted a newer image meanwhile; its mark is not lowered by accident.
            let since = read_state(state)?;
            if !self.allow_rollback
                && let Some(since) = since.filter(|since| since.serial > seal.mark.serial)
            {
                let older = LoadError::Untrusted(TrustError::Older {
                    serial: seal.mark.serial,
                    mark: since.serial,
                });
                return Err(CliError::image(path, older));
            }
            let line = format!("{} sha256:{}\n", seal.mark.serial, hex(&seal.mark.digest));
            write::replace(state, line.as_bytes())?;
        }
        Ok(image)
    }
}

/// The mark in a state file: serial and digest on one line. No file is no mark; a file that cannot be read as one
/// is an error, for a mark that is lost lets old images in.
fn read_state(path: &Path) -> Result<Option<HighWater>, CliError> {
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        _ => {}
    }
    let bytes = read_limited(path, STATE_BYTES_MAX)?;
    let mark = || {
        let (serial, digest) = std::str::from_utf8(&bytes).ok()?.trim_end().split_once(' ')?;
        let digest = digest
            .strip_prefix("sha256:")
            .filter(|hex| hex.is_ascii() && hex.len() == 64)?;
        let mut bytes = [0; 32];
        for (i, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(digest.get(2 * i..2 * i + 2)?, 16).ok()?;
        }
        Some(HighWater {
            serial: serial.parse().ok()?,
            digest: bytes,
        })
    };
    match mark() {
        Some(mark) => Ok(Some(mark)),
        None => Err(CliError::file(
            path,
            "this is no state of `--state`: one line, `SERIAL sha256:DIGEST`",
        )),
    }
}
