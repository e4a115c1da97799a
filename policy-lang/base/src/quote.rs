//! A text -> a string literal of the policy language or of JSON. What a reader would not see is escaped, so a literal
//! stays on one line and shows what is in it, wherever it is pasted.

use core::fmt::{self, Display, Write};

use crate::invisible::is_invisible;

/// A text that is displayed as a string literal of the policy language, with its quotes; the parser reads it back.
#[derive(Clone, Copy, Debug)]
pub struct GateString<'t>(pub &'t str);

impl Display for GateString<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        quoted(self.0, f, is_invisible, |c, f| {
            write!(f, "\\u{{{:x}}}", u32::from(c))
        })
    }
}

/// A text that is displayed as a string of JSON (RFC 8259, section 7), with its quotes; a reader of JSON gets the same
/// text back.
#[derive(Clone, Copy, Debug)]
pub struct JsonString<'t>(pub &'t str);

impl Display for JsonString<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        quoted(self.0, f, is_invisible, json_escape)
    }
}

/// As [`JsonString`], in printable ASCII alone.
#[derive(Clone, Copy, Debug)]
pub struct AsciiJsonString<'t>(pub &'t str);

impl Display for AsciiJsonString<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        quoted(self.0, f, |c| !matches!(c, ' '..='~'), json_escape)
    }
}

fn json_escape(c: char, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match c {
        '\u{8}' => f.write_str("\\b"),
        '\u{c}' => f.write_str("\\f"),
        c => c
            .encode_utf16(&mut [0; 2])
            .iter()
            .try_for_each(|unit| write!(f, "\\u{unit:04x}")),
    }
}

/// What both languages have in common; `escape` writes any other character that `is_escaped`. What stands between
/// escapes is written at once.
fn quoted(
    text: &str,
    f: &mut fmt::Formatter<'_>,
    is_escaped: impl Fn(char) -> bool,
    escape: impl Fn(char, &mut fmt::Formatter<'_>) -> fmt::Result,
) -> fmt::Result {
    f.write_char('"')?;
    let mut rest = text;
    while let Some((at, c)) = rest
        .char_indices()
        .find(|(_, c)| matches!(c, '"' | '\\') || is_escaped(*c))
    {
        f.write_str(rest.get(..at).unwrap_or_default())?;
        match c {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            c => escape(c, f)?,
        }
        rest = rest.get(at + c.len_utf8()..).unwrap_or_default();
    }
    f.write_str(rest)?;
    f.write_char('"')
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::string::ToString;

    use super::{AsciiJsonString, GateString, JsonString};

    #[test]
    fn nothing_invisible_stays_raw() {
        let text = "a\"\\\n\r\t\u{8}\u{1b}é😀\u{202e}\u{e0041}z";
        assert_eq!(
            GateString(text).to_string(),
            r#""a\"\\\n\r\t\u{8}\u{1b}é😀\u{202e}\u{e0041}z""#
        );
        assert_eq!(
            JsonString(text).to_string(),
            r#""a\"\\\n\r\t\b\u001bé😀\u202e\udb40\udc41z""#
        );
        assert_eq!(
            AsciiJsonString(text).to_string(),
            r#""a\"\\\n\r\t\b\u001b\u00e9\ud83d\ude00\u202e\udb40\udc41z""#
        );
        assert_eq!(JsonString("").to_string(), "\"\"");
    }
}
