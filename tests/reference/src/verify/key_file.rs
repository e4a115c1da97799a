//! A file of API keys, one JSON object a line -> its keys, or nothing where one line cannot be taken. Knows no secret.

use super::claims::claim;
use crate::json::{self, Json};

/// Most bytes of a line.
const LINE_BYTES_MAX: usize = 16 * 1_024;
/// Most bytes of an id.
const ID_BYTES_MAX: usize = 128;

/// An API key as its file has it.
pub(crate) struct ApiKey {
    pub(crate) id: String,
    /// HMAC-SHA-256 of the key under the set's secret.
    pub(crate) hash: Vec<u8>,
    /// µs since the epoch.
    pub(crate) expires: Option<i64>,
    pub(crate) fields: Vec<(String, Json)>,
}

pub(crate) fn read(bytes: &[u8]) -> Option<Vec<ApiKey>> {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut keys: Vec<ApiKey> = Vec::new();
    for line in text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii) {
        if line.is_empty() {
            continue;
        }
        let key = key(line)?;
        if keys
            .iter()
            .any(|other| other.id == key.id || other.hash == key.hash)
        {
            return None;
        }
        keys.push(key);
    }
    Some(keys)
}

fn key(line: &[u8]) -> Option<ApiKey> {
    if line.len() > LINE_BYTES_MAX {
        return None;
    }
    let object = json::parse(line).ok().filter(|object| !object.has_duplicates())?;
    let Json::Object(members) = object else {
        return None;
    };
    let is_known = |name: &str| ["id", "hash", "expires", "fields"].contains(&name);
    if !members.iter().all(|(name, _)| is_known(name)) {
        return None;
    }
    let (Some(Json::String(id)), Some(Json::String(hash))) = (claim(&members, "id"), claim(&members, "hash"))
    else {
        return None;
    };
    if id.is_empty() || id.len() > ID_BYTES_MAX || id.chars().any(char::is_control) {
        return None;
    }
    let expires = match claim(&members, "expires") {
        None => None,
        Some(Json::String(text)) => Some(crate::hours::parse_strict(text)?),
        Some(_) => return None,
    };
    let fields = match claim(&members, "fields") {
        None => Vec::new(),
        Some(Json::Object(fields)) => fields.clone(),
        Some(_) => return None,
    };
    Some(ApiKey {
        id: id.clone(),
        hash: lower_hex(hash)?,
        expires,
        fields,
    })
}

/// 64 digits in lower case.
fn lower_hex(text: &str) -> Option<Vec<u8>> {
    let is_lower = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    if text.len() != 64 || !is_lower {
        return None;
    }
    let digit = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).ok();
    (0..64).step_by(2).map(digit).collect()
}
