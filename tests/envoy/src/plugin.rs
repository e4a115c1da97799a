//! An image and its files -> the plugin's configuration. The plugin's file is built by `xtask::wasm`, as it ships.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::config::CONTEXT;

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
        // Vectors speak of https over sockets without TLS, and of all DNS names of a certificate, which Envoy validates.
        "tls": "forwarded",
        "certificates_validated": true,
        "first_dns_san": true,
    })
}
