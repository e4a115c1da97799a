//! The characters of one value -> its hash, its mask, or its beginning, as a JSON string. Holds no more of it than what is
//! kept.

use super::plan::Operation;
use super::string::Piece;
use crate::body::Sink;
use portcullis_crypto::{Hash, Hmac, Secret};

/// Hexadecimal digits of a hash that stand in a value's place.
const HASH_DIGITS: usize = 32;

/// A value under way whose text is changed.
#[derive(Debug, Default)]
pub(super) struct ValueText {
    operation: Option<Operation>,
    hmac: Option<Hmac>,
    /// How many characters there were.
    count: u64,
    /// Those that are kept; of the last ones, as many as are kept of the end or a few more.
    kept: Vec<char>,
    has_lone_surrogate: bool,
}

/// Elements that are kept room for.
const KEPT_MAX: usize = 4_096;

impl ValueText {
    pub(super) fn begin(&mut self, operation: Operation, key: Option<&Secret>) {
        self.kept.clear();
        self.kept.shrink_to(KEPT_MAX);
        (self.count, self.has_lone_surrogate) = (0, false);
        self.hmac = match operation {
            Operation::Hash => key.map(|key| key.hmac(Hash::Sha256)),
            _ => None,
        };
        self.operation = Some(operation);
    }

    pub(super) fn push(&mut self, piece: Piece) {
        let Piece::Char(char) = piece else {
            self.has_lone_surrogate = true;
            return;
        };
        self.count += 1;
        match self.operation {
            Some(Operation::Hash) => {
                if let Some(hmac) = &mut self.hmac {
                    hmac.update(char.encode_utf8(&mut [0; 4]).as_bytes());
                }
            }
            Some(Operation::Mask { first: true, keep } | Operation::Truncate(keep))
                if self.kept.len() < keep as usize =>
            {
                self.kept.push(char);
            }
            Some(Operation::Mask { first: false, keep }) if keep > 0 => {
                let keep = keep as usize;
                if self.kept.len() >= keep.saturating_mul(2) {
                    self.kept.drain(..self.kept.len() - keep + 1);
                }
                self.kept.push(char);
            }
            _ => {}
        }
    }

    /// Writes what stands in the value's place; whether there is anything: what holds a lone surrogate, or cannot be hashed,
    /// is dropped. `before` is written first.
    pub(super) fn end(&mut self, before: &[u8], out: &mut dyn Sink) -> bool {
        let Some(operation) = self.operation.take() else {
            return false;
        };
        if self.has_lone_surrogate {
            return false;
        }
        match operation {
            Operation::Drop | Operation::Replace { .. } => return false,
            Operation::Hash => {
                let Some(hmac) = self.hmac.take() else {
                    return false;
                };
                out.write(before);
                out.write(b"\"");
                let tag = hmac.finish();
                for byte in tag.as_bytes().iter().take(HASH_DIGITS / 2) {
                    let digit =
                        |nibble: u8| char::from_digit(u32::from(nibble), 16).map_or(b'0', |c| c as u8);
                    out.write(&[digit(byte >> 4), digit(byte & 0xf)]);
                }
            }
            Operation::Mask { first, keep } => {
                out.write(before);
                out.write(b"\"");
                let keep = if self.count <= u64::from(keep) {
                    0
                } else {
                    keep as usize
                };
                if first {
                    self.write_kept(0, keep, out);
                }
                write_stars(self.count - keep as u64, out);
                if !first {
                    self.write_kept(self.kept.len().saturating_sub(keep), keep, out);
                }
            }
            Operation::Truncate(_) => {
                out.write(before);
                out.write(b"\"");
                self.write_kept(0, self.kept.len(), out);
            }
        }
        out.write(b"\"");
        true
    }

    fn write_kept(&self, from: usize, count: usize, out: &mut dyn Sink) {
        for char in self.kept.iter().skip(from).take(count) {
            write_char(*char, out);
        }
    }
}

fn write_stars(mut count: u64, out: &mut dyn Sink) {
    const STARS: [u8; 64] = [b'*'; 64];
    while count > 0 {
        let part = count.min(STARS.len() as u64);
        out.write(STARS.get(..part as usize).unwrap_or_default());
        count -= part;
    }
}

/// A character of a JSON string.
fn write_char(char: char, out: &mut dyn Sink) {
    match char {
        '"' => out.write(b"\\\""),
        '\\' => out.write(b"\\\\"),
        '\0'..' ' => {
            let digit = |nibble: u32| char::from_digit(nibble, 16).map_or(b'0', |c| c as u8);
            let code = u32::from(char);
            out.write(&[b'\\', b'u', b'0', b'0', digit(code >> 4), digit(code & 0xf)]);
        }
        char => out.write(char.encode_utf8(&mut [0; 4]).as_bytes()),
    }
}

/// A text as a JSON string.
pub(super) fn write_string(text: &str, out: &mut dyn Sink) {
    out.write(b"\"");
    text.chars().for_each(|char| write_char(char, out));
    out.write(b"\"");
}
