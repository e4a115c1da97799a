//! The workspace's sources -> the module's bytes. Built inside the test run, so that no test passes on yesterday's
//! module; cargo's fingerprints make it quick where nothing changed.

use std::path::PathBuf;
use std::process::Command;

use crate::HostError;

/// Builds the module as it is shipped and gives its bytes.
pub fn build() -> Result<Vec<u8>, HostError> {
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    // A directory of its own: the cargo that runs the tests may hold the lock of the other.
    let target = target.join("wasm-module");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| env!("CARGO").into());
    let output = Command::new(cargo)
        .current_dir(&root)
        .args(["build", "--package", "portcullis-wasm", "--profile", "wasm"])
        .args(["--target", "wasm32-unknown-unknown", "--target-dir"])
        .arg(&target)
        .output()
        .map_err(|e| HostError::Build(e.to_string()))?;
    if !output.status.success() {
        return Err(HostError::Build(
            String::from_utf8_lossy(&output.stderr).into_owned(),
        ));
    }
    let file = target.join("wasm32-unknown-unknown/wasm/portcullis_wasm.wasm");
    std::fs::read(&file).map_err(|e| HostError::Build(format!("{}: {e}", file.display())))
}
