//! Bytes of anybody -> JSON text that is safe to print: printable ASCII only, so that no control character, no
//! terminal escape and no direction mark reaches a log. Knows nothing of what the text says.

use portcullis_base::quote::AsciiJsonString;
use std::fmt::Write as _;

/// Appends a JSON string; bytes that are not UTF-8 become U+FFFD, and what is past `max` characters is cut.
pub fn quote(out: &mut String, bytes: &[u8], max: usize) {
    // A character has at most four bytes, so no more than these are looked at.
    let looked_at = bytes.get(..max.saturating_mul(4)).unwrap_or(bytes);
    let text = String::from_utf8_lossy(looked_at);
    let end = text.char_indices().nth(max).map_or(text.len(), |(end, _)| end);
    // Writing into a text does not fail.
    let _ = write!(out, "{}", AsciiJsonString(text.get(..end).unwrap_or_default()));
}

/// Appends a JSON string that a JSON reader turns back into the very same text. Only what must be is escaped, in one
/// spelling: claims have a limit in bytes, so the spelling can decide.
pub fn quote_exactly(out: &mut String, text: &str) {
    out.push('"');
    // What is to be escaped is ASCII, so what stands between is whole characters, and is copied at once.
    let mut from = 0;
    for (at, byte) in text.bytes().enumerate() {
        let escaped = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            0..b' ' => "",
            _ => continue,
        };
        out.push_str(text.get(from..at).unwrap_or_default());
        out.push_str(escaped);
        if escaped.is_empty() {
            let _ = write!(out, "\\u{byte:04x}");
        }
        from = at + 1;
    }
    out.push_str(text.get(from..).unwrap_or_default());
    out.push('"');
}

#[cfg(test)]
mod tests;
