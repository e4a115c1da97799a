//! Bytes of a file -> one JSON value: JSON, YAML and either of them gzipped, each within limits.
//!
//! The only module that knows which YAML library is used. Knows nothing of OpenAPI.

use std::io::Read as _;

use serde_json::Value;

use super::ImportError;

/// Longest document taken, in bytes after unpacking: the largest public descriptions have about 15 MiB.
pub const DOCUMENT_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// All documents beside the first one, in bytes as they lie there.
pub const DOCUMENTS_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Nodes of a YAML document; aliases count where they are used.
const YAML_NODES_MAX: usize = 4_000_000;

/// Reads one document; `name` decides nothing but the error's text and whether `.gz` is taken off.
pub fn document(name: &str, bytes: &[u8]) -> Result<Value, ImportError> {
    let lower = name.to_ascii_lowercase();
    let unpacked;
    let bytes = if lower.ends_with(".gz") {
        unpacked = unpack(name, bytes)?;
        unpacked.as_slice()
    } else {
        bytes
    };
    if bytes.len() as u64 > DOCUMENT_BYTES_MAX {
        return Err(ImportError::file(
            name,
            format!("longer than {DOCUMENT_BYTES_MAX} bytes"),
        ));
    }
    let text = std::str::from_utf8(bytes).map_err(|e| ImportError::file(name, format!("not UTF-8: {e}")))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if lower.trim_end_matches(".gz").ends_with(".json") || text.trim_start().starts_with('{') {
        return serde_json::from_str(text).map_err(|e| ImportError::file(name, format!("not JSON: {e}")));
    }
    yaml(name, text)
}

fn unpack(name: &str, bytes: &[u8]) -> Result<Vec<u8>, ImportError> {
    let mut out = Vec::new();
    flate2::read::MultiGzDecoder::new(bytes)
        .take(DOCUMENT_BYTES_MAX + 1)
        .read_to_end(&mut out)
        .map_err(|e| ImportError::file(name, format!("not gzip: {e}")))?;
    Ok(out)
}

fn yaml(name: &str, text: &str) -> Result<Value, ImportError> {
    let mut options = serde_saphyr::Options::default();
    if let Some(budget) = &mut options.budget {
        budget.max_nodes = YAML_NODES_MAX;
        budget.max_events = YAML_NODES_MAX.saturating_mul(2);
    }
    serde_saphyr::from_str_with_options(text, options).map_err(|e| {
        let text = e.to_string();
        ImportError::file(
            name,
            format!("not YAML: {}", text.lines().next().unwrap_or_default()),
        )
    })
}
