//! The file of API keys, one JSON object a line -> ids, keyed hashes, ends and fields. The checker, the command and
//! whoever loads the file read it here, so all take the same files. Knows no key itself, no secret and no policy.

use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::instant;
use crate::json::{self, JsonFault, JsonItem, JsonKind, JsonNode};

/// Bytes of a file: about a million keys.
pub const BYTES_MAX: usize = 256 * 1_024 * 1_024;
/// Keys of a file: bounds memory.
pub const KEYS_MAX: usize = 1_000_000;
/// Bytes of one line: fields are a handful of values, not a document.
pub const LINE_BYTES_MAX: usize = 16 * 1_024;
/// Bytes of an id, which goes into quota keys and logs.
pub const ID_BYTES_MAX: usize = 128;

/// One key of a file.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey<'b> {
    /// Line of the file, from 1.
    pub line: usize,
    /// `id`: 1 to [`ID_BYTES_MAX`] bytes without control characters; no two keys of a file have the same.
    pub id: String,
    /// `hash`: HMAC-SHA-256 of the key's bytes under the set's secret; no two keys of a file have the same.
    pub hash: [u8; 32],
    /// `expires`, µs since the epoch: the key is valid before it.
    pub expires_us: Option<i64>,
    /// `fields`: the text of a JSON object in which no member stands twice.
    pub fields: Option<&'b str>,
}

impl fmt::Debug for ApiKey<'_> {
    /// Without the hash: with a guessable secret it gives a guessable key away.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKey")
            .field("line", &self.line)
            .field("id", &self.id)
            .field("expires_us", &self.expires_us)
            .finish_non_exhaustive()
    }
}

/// Why a file is not taken, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKeysError {
    /// Line of the file, from 1.
    pub line: usize,
    /// What it is about.
    pub fault: ApiKeysFault,
}

/// Why a file is not taken. No fault holds a hash, nor what stands in a line's place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApiKeysFault {
    /// More than [`BYTES_MAX`] bytes.
    Bytes,
    /// More than [`KEYS_MAX`] keys.
    Keys,
    /// A line of more than [`LINE_BYTES_MAX`] bytes.
    LineBytes,
    /// A line that is not JSON.
    Json(JsonFault),
    /// A line that is no object.
    NotAnObject,
    /// A member that no key has.
    Member(String),
    /// A member that stands twice in one object.
    MemberTwice(String),
    /// No `id`, or one that is no text of 1 to [`ID_BYTES_MAX`] bytes without control characters.
    Id,
    /// No `hash`, or one that is not 64 digits of lower-case hexadecimal.
    Hash,
    /// `expires` is no instant with an offset.
    Expires,
    /// `fields` is no object.
    Fields,
    /// An earlier key has this id.
    SameId(String),
    /// An earlier key has this hash.
    SameHash,
}

impl fmt::Display for ApiKeysFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ApiKeysFault::Bytes => write!(f, "the file has more than {BYTES_MAX} bytes"),
            ApiKeysFault::Keys => write!(f, "the file has more than {KEYS_MAX} keys"),
            ApiKeysFault::LineBytes => write!(f, "the line has more than {LINE_BYTES_MAX} bytes"),
            ApiKeysFault::Json(fault) => fault.fmt(f),
            ApiKeysFault::NotAnObject => f.write_str("the line is not an object"),
            // A longer one may be a key that stands where a name should.
            ApiKeysFault::Member(name) if name.len() <= 16 => write!(f, "an API key has no member {name:?}"),
            ApiKeysFault::Member(_) => f.write_str("there is a member that no API key has"),
            ApiKeysFault::MemberTwice(_) => f.write_str("a member stands twice"),
            ApiKeysFault::Id => write!(
                f,
                "there is no valid `id`: a text of 1 to {ID_BYTES_MAX} bytes without control characters"
            ),
            ApiKeysFault::Hash => {
                f.write_str("there is no valid `hash`: 64 digits of hexadecimal in lower case")
            }
            ApiKeysFault::Expires => {
                f.write_str("`expires` is no instant with an offset, as \"2027-01-01T00:00:00Z\"")
            }
            ApiKeysFault::Fields => f.write_str("`fields` is not an object"),
            ApiKeysFault::SameId(id) => write!(f, "an earlier key has the id {id:?}"),
            ApiKeysFault::SameHash => f.write_str("an earlier key has this hash"),
        }
    }
}

impl core::error::Error for ApiKeysFault {}

/// The keys of a file, in its order. A leading byte order mark and blank lines are skipped.
///
/// # Errors
///
/// The first [`ApiKeysFault`], with its line: one bad line rejects the file.
pub fn read(bytes: &[u8]) -> Result<Vec<ApiKey<'_>>, ApiKeysError> {
    let at = |line| move |fault| ApiKeysError { line, fault };
    if bytes.len() > BYTES_MAX {
        return Err(at(1)(ApiKeysFault::Bytes));
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut keys: Vec<ApiKey<'_>> = Vec::new();
    let (mut ids, mut hashes) = (BTreeSet::new(), BTreeSet::new());
    for (line, text) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
        let text = text.trim_ascii();
        if text.is_empty() {
            continue;
        }
        let key = key(line, text).map_err(at(line))?;
        if keys.len() == KEYS_MAX {
            return Err(at(line)(ApiKeysFault::Keys));
        }
        if !ids.insert(key.id.clone()) {
            return Err(at(line)(ApiKeysFault::SameId(key.id)));
        }
        if !hashes.insert(key.hash) {
            return Err(at(line)(ApiKeysFault::SameHash));
        }
        keys.push(key);
    }
    Ok(keys)
}

fn key(line: usize, text: &[u8]) -> Result<ApiKey<'_>, ApiKeysFault> {
    if text.len() > LINE_BYTES_MAX {
        return Err(ApiKeysFault::LineBytes);
    }
    let scanned = json::scan(text, LINE_BYTES_MAX, Vec::new()).map_err(ApiKeysFault::Json)?;
    let nodes: Vec<JsonNode> = scanned.tape;
    let root = JsonItem::root(text, &nodes);
    if root.kind() != Some(JsonKind::Object) {
        return Err(ApiKeysFault::NotAnObject);
    }
    if scanned.suspect
        && let Some(name) = root.member_twice()
    {
        return Err(ApiKeysFault::MemberTwice(name));
    }
    let (mut id, mut hash, mut expires_us, mut fields) = (None, None, None, None);
    for (name, value) in root.members() {
        match name.as_str() {
            "id" => id = value.string().filter(|id| is_id(id)),
            "hash" => hash = value.string().and_then(|hash| digest(hash.as_bytes())),
            "expires" => {
                let text = value.string().ok_or(ApiKeysFault::Expires)?;
                let end = instant::parse(text.as_bytes()).map_err(|_| ApiKeysFault::Expires)?;
                expires_us = Some(end);
            }
            "fields" if value.kind() == Some(JsonKind::Object) => {
                let range = value.offset()..value.offset() + value.raw().len();
                fields = text.get(range).and_then(|text| core::str::from_utf8(text).ok());
            }
            "fields" => return Err(ApiKeysFault::Fields),
            _ => return Err(ApiKeysFault::Member(name)),
        }
    }
    Ok(ApiKey {
        line,
        id: id.ok_or(ApiKeysFault::Id)?,
        hash: hash.ok_or(ApiKeysFault::Hash)?,
        expires_us,
        fields,
    })
}

/// Whether a text can be the id of a key.
pub fn is_id(text: &str) -> bool {
    (1..=ID_BYTES_MAX).contains(&text.len()) && !text.chars().any(char::is_control)
}

/// 64 digits of lower-case hexadecimal.
fn digest(text: &[u8]) -> Option<[u8; 32]> {
    let mut out = [0; 32];
    if text.len() != 2 * out.len() {
        return None;
    }
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    for (byte, pair) in out.iter_mut().zip(text.chunks_exact(2)) {
        let [high, low] = pair else { return None };
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::format;
    use std::string::{String, ToString};

    use super::{ApiKeysError, ApiKeysFault, ID_BYTES_MAX, LINE_BYTES_MAX, read};

    fn hash(digit: &str) -> String {
        digit.repeat(64)
    }

    fn error(text: &str) -> ApiKeysError {
        read(text.as_bytes()).unwrap_err()
    }

    fn fault(more: &str) -> ApiKeysFault {
        error(&format!(r#"{{"id":"a","hash":"{}"{more}}}"#, hash("0"))).fault
    }

    #[test]
    fn keys_are_read_line_by_line() {
        let text = format!(
            "\u{feff}{{\"id\": \"k-17\", \"hash\": \"{}\", \"expires\": \"1970-01-01T01:00:01+01:00\", \"fields\": {{\"plan\": \"free\"}}}}\r\n\n  {{\"hash\":\"{}\",\"id\":\"\u{e9}\"}}",
            hash("0f"),
            hash("1")
        )
        .replace(&hash("0f"), &hash("f"));
        let keys = read(text.as_bytes()).unwrap();
        assert_eq!(keys.len(), 2);
        assert_eq!((keys[0].line, keys[0].id.as_str()), (1, "k-17"));
        assert_eq!(keys[0].hash, [0xff; 32]);
        assert_eq!(keys[0].expires_us, Some(1_000_000));
        assert_eq!(keys[0].fields, Some("{\"plan\": \"free\"}"));
        assert_eq!((keys[1].line, keys[1].id.as_str()), (3, "\u{e9}"));
        assert_eq!((keys[1].expires_us, keys[1].fields), (None, None));
        assert_eq!(read(b" \n").unwrap(), []);
        assert!(!format!("{keys:?}").contains("255"), "no hash is printed");
    }

    #[test]
    fn one_bad_line_rejects_the_file() {
        let good = format!(r#"{{"id":"a","hash":"{}"}}"#, hash("0"));
        for (second, wanted) in [
            (good.clone(), ApiKeysFault::SameId("a".into())),
            (good.replace("\"a\"", "\"b\""), ApiKeysFault::SameHash),
            ("[]".into(), ApiKeysFault::NotAnObject),
            ("{}".into(), ApiKeysFault::Id),
            (" ".repeat(LINE_BYTES_MAX) + "x", error("x").fault),
            ("\"".repeat(LINE_BYTES_MAX + 1), ApiKeysFault::LineBytes),
        ] {
            let found = error(&format!("{good}\n{second}\n"));
            assert_eq!((found.line, found.fault), (2, wanted), "{second:.40}");
        }
        assert!(matches!(error("pk_not_json").fault, ApiKeysFault::Json(_)));
    }

    #[test]
    fn members_are_exactly_those_of_a_key() {
        assert_eq!(fault(r#","key":"x""#), ApiKeysFault::Member("key".into()));
        assert_eq!(fault(r#","\u0069d":"b""#), ApiKeysFault::MemberTwice("id".into()));
        assert_eq!(
            fault(r#","fields":{"a":{"b":1,"b":2}}"#),
            ApiKeysFault::MemberTwice("b".into())
        );
        for value in ["null", "1", "\"2027-01-01\"", "\"2027-01-01T00:00:00\""] {
            assert_eq!(fault(&format!(",\"expires\":{value}")), ApiKeysFault::Expires);
        }
        for value in ["null", "[]", "\"a\""] {
            assert_eq!(fault(&format!(",\"fields\":{value}")), ApiKeysFault::Fields);
        }
        for id in [
            "\"\"",
            "1",
            "null",
            "\"a\\n\"",
            &format!("\"{}\"", "a".repeat(ID_BYTES_MAX + 1)),
        ] {
            let text = format!(r#"{{"id":{id},"hash":"{}"}}"#, hash("0"));
            assert_eq!(error(&text).fault, ApiKeysFault::Id, "{id}");
        }
        for wrong in [
            hash("A"),
            hash("0") + "0",
            hash("g"),
            String::new(),
            "00".to_string(),
        ] {
            let text = format!(r#"{{"id":"a","hash":"{wrong}"}}"#);
            assert_eq!(error(&text).fault, ApiKeysFault::Hash, "{wrong}");
        }
    }
}
