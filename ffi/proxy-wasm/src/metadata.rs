//! Envoy's dynamic metadata -> JSON texts of the values asked for. Input is the protobuf message
//! `envoy.config.core.v3.Metadata`, which the property `metadata` gives serialised.
//!
//! Deeper paths of that property would be shorter, but Envoy serialises what lies below as untyped pairs, where a
//! number and a text of eight bytes are the same: a claim of the wrong type would not be seen. Bounded: one pass, no
//! recursion, [`DEPTH_MAX`] levels. Knows nothing of tokens.

use std::fmt::Write as _;

use crate::protobuf::{Bad, Field, field};
use crate::text::quote_exactly;

/// Longest metadata that is read, bytes: several tokens of the largest size that the engine reads.
pub const METADATA_BYTES_MAX: usize = 1 << 20;

/// Deepest nesting of values: what the engine's own JSON reader takes.
pub const DEPTH_MAX: usize = portcullis::limits::JSON_DEPTH;

/// What a look-up found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// No such value.
    Absent,
    /// Its JSON text.
    Json(String),
    /// The bytes are not what they should be, or past a limit. Never the same as absent.
    Unreadable,
}

/// Longest value of which members are left out, bytes. Its text is at most six times as long (a control character), and
/// eight times are allowed, so what is left out never was what made it too long.
pub const TRIMMED_BYTES_MAX: usize = portcullis::limits::CLAIMS_BYTES / 8;

/// All of a namespace, as a JSON object.
pub fn namespace(metadata: &[u8], namespace: &str) -> Found {
    match filter_metadata(metadata, namespace) {
        Ok(None) => Found::Absent,
        Ok(Some(fields)) => rendered(Value::Object(fields), fields.len(), None),
        Err(Bad) => Found::Unreadable,
    }
}

/// One value of a namespace. Of an object, members that are not among `read` may be left out (`None` reads all); they are
/// looked through all the same, and what cannot be read in them makes the whole unreadable. That no name comes twice in
/// them is not looked at: Envoy serialises a map, which holds each name once.
pub fn value(metadata: &[u8], namespace: &str, key: &str, read: Option<&[String]>) -> Found {
    let value = || {
        let Some(fields) = filter_metadata(metadata, namespace)? else {
            return Ok(None);
        };
        entry(fields, key)
    };
    match value() {
        Ok(None) => Found::Absent,
        Ok(Some(message)) => match Value::read(message) {
            Ok(value) => {
                let kept = read.filter(|_| message.len() <= TRIMMED_BYTES_MAX);
                rendered(value, message.len(), kept)
            }
            Err(Bad) => Found::Unreadable,
        },
        Err(Bad) => Found::Unreadable,
    }
}

/// The struct of a namespace: field 1 of `Metadata` is a map.
fn filter_metadata<'a>(metadata: &'a [u8], namespace: &str) -> Result<Option<&'a [u8]>, Bad> {
    if metadata.len() > METADATA_BYTES_MAX {
        return Err(Bad);
    }
    entry(metadata, namespace)
}

/// The value under a key of the map that is field 1 of a message. Twice the same key is no map.
fn entry<'a>(message: &'a [u8], key: &str) -> Result<Option<&'a [u8]>, Bad> {
    let mut rest = message;
    let mut found = None;
    while let Some((number, content)) = field(&mut rest)? {
        let (1, Field::Bytes(content)) = (number, content) else {
            continue;
        };
        let (name, value) = key_and_value(content)?;
        if name == key.as_bytes() && found.replace(value).is_some() {
            return Err(Bad);
        }
    }
    Ok(found)
}

/// Field 1 and 2 of a map's entry; what is not there is empty.
fn key_and_value(mut entry: &[u8]) -> Result<(&[u8], &[u8]), Bad> {
    let (mut key, mut value) = (None, None);
    while let Some((number, content)) = field(&mut entry)? {
        let place = match number {
            1 => &mut key,
            2 => &mut value,
            _ => continue,
        };
        let Field::Bytes(bytes) = content else {
            return Err(Bad);
        };
        if place.replace(bytes).is_some() {
            return Err(Bad);
        }
    }
    Ok((key.unwrap_or_default(), value.unwrap_or_default()))
}

/// A `google.protobuf.Value`; messages inside are not read yet.
#[derive(Clone, Copy)]
enum Value<'a> {
    Null,
    Number(f64),
    Text(&'a str),
    Bool(bool),
    /// A `Struct`.
    Object(&'a [u8]),
    /// A `ListValue`.
    Array(&'a [u8]),
}

impl<'a> Value<'a> {
    fn read(mut message: &'a [u8]) -> Result<Value<'a>, Bad> {
        let mut read = None;
        while let Some((number, content)) = field(&mut message)? {
            let value = match (number, content) {
                (1, Field::Varint(_)) => Value::Null,
                (2, Field::Fixed64(bits)) => Value::Number(f64::from_bits(bits)),
                (3, Field::Bytes(text)) => Value::Text(std::str::from_utf8(text).map_err(|_| Bad)?),
                (4, Field::Varint(bit)) => Value::Bool(bit != 0),
                (5, Field::Bytes(fields)) => Value::Object(fields),
                (6, Field::Bytes(values)) => Value::Array(values),
                (1..=6, _) => return Err(Bad),
                _ => continue,
            };
            if read.replace(value).is_some() {
                return Err(Bad);
            }
        }
        read.ok_or(Bad)
    }
}

/// An object or array whose members are being written.
struct Open<'a> {
    rest: &'a [u8],
    is_object: bool,
    first: bool,
}

/// `len` is that of the message, and its text is seldom longer.
fn rendered(value: Value<'_>, len: usize, kept: Option<&[String]>) -> Found {
    let mut text = Text {
        out: String::with_capacity(len),
        open: Vec::new(),
        kept,
        skips: false,
    };
    match text.render(value) {
        Ok(()) => Found::Json(text.out),
        Err(Bad) => Found::Unreadable,
    }
}

/// JSON text that is being written.
struct Text<'a, 'k> {
    out: String,
    open: Vec<Open<'a>>,
    /// Members of the outermost object that are written; `None` is all.
    kept: Option<&'k [String]>,
    /// Inside of a member that is not written.
    skips: bool,
}

impl<'a> Text<'a, '_> {
    fn render(&mut self, value: Value<'a>) -> Result<(), Bad> {
        self.write(value)?;
        loop {
            let is_outermost = self.open.len() == 1;
            let Some(top) = self.open.last_mut() else {
                return Ok(());
            };
            // Back at the top, whatever was left out is over, its closing brace too.
            if is_outermost {
                self.skips = false;
            }
            let Some((number, content)) = field(&mut top.rest)? else {
                let end = if top.is_object { '}' } else { ']' };
                self.open.pop();
                self.push(end);
                continue;
            };
            let (1, Field::Bytes(content)) = (number, content) else {
                return Err(Bad);
            };
            let (name, value) = if top.is_object {
                let (name, value) = key_and_value(content)?;
                (Some(std::str::from_utf8(name).map_err(|_| Bad)?), value)
            } else {
                (None, content)
            };
            if let (true, Some(name), Some(kept)) = (is_outermost, name, self.kept) {
                self.skips = !kept.iter().any(|kept| kept == name);
            }
            if !self.skips {
                if !std::mem::take(&mut top.first) {
                    self.out.push(',');
                }
                if let Some(name) = name {
                    quote_exactly(&mut self.out, name);
                    self.out.push(':');
                }
            }
            self.write(Value::read(value)?)?;
        }
    }

    fn push(&mut self, c: char) {
        if !self.skips {
            self.out.push(c);
        }
    }

    /// Writes a scalar, or the start of an object or array.
    fn write(&mut self, value: Value<'a>) -> Result<(), Bad> {
        match value {
            Value::Object(fields) => return self.open(fields, true),
            Value::Array(values) => return self.open(values, false),
            _ if self.skips => {}
            Value::Null => self.out.push_str("null"),
            Value::Bool(value) => self.out.push_str(if value { "true" } else { "false" }),
            Value::Number(value) => number(value, &mut self.out),
            Value::Text(text) => quote_exactly(&mut self.out, text),
        }
        Ok(())
    }

    fn open(&mut self, rest: &'a [u8], is_object: bool) -> Result<(), Bad> {
        if self.open.len() >= DEPTH_MAX {
            return Err(Bad);
        }
        self.push(if is_object { '{' } else { '[' });
        self.open.push(Open {
            rest,
            is_object,
            first: true,
        });
        Ok(())
    }
}

/// An integer is written as one where the double holds it exactly, and a fraction to the microsecond, as instants are
/// read. Everything else is written with an exponent: no policy can read one, and what may have been rounded must not
/// pass for the number that it was.
fn number(value: f64, out: &mut String) {
    const EXACT: f64 = 9_007_199_254_740_992.0; // 2^53
    if value.trunc() == value && value.abs() < EXACT {
        // Writing into a text does not fail.
        let _ = write!(out, "{}", value as i64);
    } else if value.abs() < EXACT {
        let (whole, sign) = (value.abs().trunc(), if value < 0.0 { "-" } else { "" });
        let us = (value.abs() - whole) * 1e6;
        let _ = write!(out, "{sign}{}.{:06}", whole as i64, us as u32);
    } else {
        out.push_str("1e0");
    }
}

#[cfg(test)]
#[expect(
    clippy::indexing_slicing,
    reason = "a test that cuts where it should not fails"
)]
#[path = "tests/metadata.rs"]
mod tests;
