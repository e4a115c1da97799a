//! Bytes -> a file, whole or not at all: written beside it, synced, renamed over it; or a new one.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::error::CliError;

/// Replaces a file. Its permissions stay; a reader sees the old or the new content, never a part.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    // A symbolic link stays one: what it points to is replaced.
    let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    let name = path
        .file_name()
        .ok_or_else(|| CliError::file(path, "this is no file name"))?;
    let mut beside = std::ffi::OsString::from(".");
    beside.push(name);
    beside.push(format!(".{}.tmp", std::process::id()));
    let beside = path.with_file_name(beside);
    let written = write_new(&beside, path, bytes).and_then(|()| fs::rename(&beside, path));
    written.map_err(|error| {
        let _ = fs::remove_file(&beside);
        CliError::file(path, error)
    })
}

fn write_new(beside: &Path, old: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = fs::File::create(beside)?;
    if let Ok(meta) = fs::metadata(old) {
        if meta.is_dir() {
            return Err(std::io::Error::other("this is a folder"));
        }
        file.set_permissions(meta.permissions())?;
    }
    file.write_all(bytes)?;
    file.sync_all()
}

/// A new file with these permissions (where there are such); one that is there, or a link, is left alone.
pub fn create(path: &Path, bytes: &[u8], mode: u32) -> Result<(), CliError> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    #[cfg(not(unix))]
    let _ = mode;
    options
        .open(path)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .map_err(|e| CliError::file(path, e))
}

/// The name with something behind it, whatever it ends with.
pub fn suffixed(name: &Path, suffix: &str) -> PathBuf {
    let mut whole = name.as_os_str().to_os_string();
    whole.push(suffix);
    PathBuf::from(whole)
}
