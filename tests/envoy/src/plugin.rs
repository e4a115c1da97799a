//! The workspace's sources -> the plugin's file, built inside the test run; an image and its files -> the plugin's
//! configuration.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::HostError;
use crate::config::CONTEXT;
use crate::process::target;

/// Builds the plugin as it is shipped, with these features beside.
pub fn build(features: &[&str]) -> Result<PathBuf, HostError> {
    let package = "portcullis-proxy";
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| env!("CARGO").into());
    // A directory of its own: the cargo that runs the tests may hold the lock of the other.
    let folder = target().join("wasm-module");
    let output = Command::new(cargo)
        .current_dir(portcullis_tests::corpus::root())
        .args(["build", "--locked", "--package", package, "--profile", "wasm"])
        .args([
            "--target",
            "wasm32-wasip1",
            "--features",
            &features.join(","),
            "--target-dir",
        ])
        .arg(&folder)
        .output()
        .map_err(HostError::io("cargo"))?;
    if !output.status.success() {
        let output = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(HostError::Build {
            package: package.into(),
            output,
        });
    }
    // Builds with other features write to the same place: each gets a file of its own.
    let built = folder.join("wasm32-wasip1/wasm/portcullis_proxy.wasm");
    let name = ["portcullis-proxy", &features.join("-")].join(if features.is_empty() { "" } else { "-" });
    let own = target().join("envoy").join(format!("{name}.wasm"));
    std::fs::create_dir_all(target().join("envoy")).map_err(HostError::io("target/envoy"))?;
    std::fs::copy(&built, &own).map_err(HostError::io(built.display().to_string()))?;
    Ok(own)
}

/// The plugin's configuration: an image, the files beside the policy, and where facts come from.
pub fn configuration(image: &[u8], files: &BTreeMap<String, Vec<u8>>, issuers: &[String]) -> Value {
    let data: serde_json::Map<String, Value> = files
        .iter()
        .map(|(name, bytes)| (name.clone(), json!(STANDARD.encode(bytes))))
        .collect();
    let tokens: Vec<Value> = issuers
        .iter()
        .enumerate()
        .map(|(number, issuer)| json!({"issuer": issuer, "payload": format!("issuer-{number}")}))
        .collect();
    json!({
        "image": STANDARD.encode(image),
        "data": data,
        "tokens": tokens,
        "context": CONTEXT,
        "log": "all",
    })
}
