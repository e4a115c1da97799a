//! The bytes of a JSON string between its quotes, cut anywhere -> its characters, or only whether they are a string
//! (RFC 8259, section 7; RFC 3629). A lone surrogate is part of a string and no character.

use super::whole::plain_bytes;
use crate::body::Unreadable;
use portcullis_base::Detail;

/// A part of a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Char(char),
    LoneSurrogate,
}

/// Where in a string the next byte stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum At {
    #[default]
    Plain,
    /// Behind a backslash.
    Escape,
    /// In the digits of `\u`: how many were read, and what they are.
    Digits(u8, u16),
    /// In a character of several bytes: how many are left, the bits so far, and the bounds of the next byte.
    Utf8 { left: u8, bits: u32, low: u8, high: u8 },
}

/// A string under way.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct StringScan {
    at: At,
    /// A high surrogate that waits for its low one.
    high: Option<u16>,
}

const NOT_JSON: Unreadable = Unreadable(Detail::NotJson);

impl StringScan {
    /// Takes bytes up to the closing quote: how many of them belong to the string, the quote counted, and whether it was
    /// there. `take` gets the characters.
    pub(super) fn push(
        &mut self,
        bytes: &[u8],
        take: &mut dyn FnMut(Piece) -> Result<(), Unreadable>,
    ) -> Result<(usize, bool), Unreadable> {
        for (index, byte) in bytes.iter().enumerate() {
            if self.at == At::Plain && *byte == b'"' {
                self.lone(take)?;
                return Ok((index + 1, true));
            }
            self.byte(*byte, take)?;
        }
        Ok((bytes.len(), false))
    }

    /// As [`StringScan::push`], for strings whose characters do not matter.
    pub(super) fn skip(&mut self, bytes: &[u8]) -> Result<(usize, bool), Unreadable> {
        let mut index = 0;
        loop {
            if self.at == At::Plain {
                index += plain_bytes(bytes.get(index..).unwrap_or_default());
            }
            let Some(byte) = bytes.get(index) else {
                return Ok((bytes.len(), false));
            };
            index += 1;
            if self.at == At::Plain && *byte == b'"' {
                self.high = None;
                return Ok((index, true));
            }
            self.byte(*byte, &mut |_| Ok(()))?;
        }
    }

    fn lone(&mut self, take: &mut dyn FnMut(Piece) -> Result<(), Unreadable>) -> Result<(), Unreadable> {
        if self.high.take().is_some() {
            take(Piece::LoneSurrogate)?;
        }
        Ok(())
    }

    fn char(
        &mut self,
        code: u32,
        take: &mut dyn FnMut(Piece) -> Result<(), Unreadable>,
    ) -> Result<(), Unreadable> {
        self.at = At::Plain;
        self.lone(take)?;
        take(char::from_u32(code).map_or(Piece::LoneSurrogate, Piece::Char))
    }

    fn byte(
        &mut self,
        byte: u8,
        take: &mut dyn FnMut(Piece) -> Result<(), Unreadable>,
    ) -> Result<(), Unreadable> {
        match self.at {
            At::Plain => match byte {
                b'\\' => self.at = At::Escape,
                0..0x20 => return Err(NOT_JSON),
                0x20..0x80 => self.char(u32::from(byte), take)?,
                _ => self.at = utf8(byte).ok_or(NOT_JSON)?,
            },
            At::Escape => {
                let code = match byte {
                    b'"' | b'\\' | b'/' => byte,
                    b'b' => 8,
                    b'f' => 12,
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'u' => {
                        self.at = At::Digits(0, 0);
                        return Ok(());
                    }
                    _ => return Err(NOT_JSON),
                };
                self.char(u32::from(code), take)?;
            }
            At::Digits(count, unit) => {
                let digit = char::from(byte).to_digit(16).ok_or(NOT_JSON)?;
                let unit = unit << 4 | digit as u16;
                if count < 3 {
                    self.at = At::Digits(count + 1, unit);
                    return Ok(());
                }
                self.unit(unit, take)?;
            }
            At::Utf8 {
                left,
                bits,
                low,
                high,
            } => {
                if !(low..=high).contains(&byte) {
                    return Err(NOT_JSON);
                }
                let bits = bits << 6 | u32::from(byte & 0x3f);
                match left {
                    1 => self.char(bits, take)?,
                    _ => {
                        self.at = At::Utf8 {
                            left: left - 1,
                            bits,
                            low: 0x80,
                            high: 0xbf,
                        };
                    }
                }
            }
        }
        Ok(())
    }

    /// A UTF-16 code unit of an escape.
    fn unit(
        &mut self,
        unit: u16,
        take: &mut dyn FnMut(Piece) -> Result<(), Unreadable>,
    ) -> Result<(), Unreadable> {
        match (self.high, unit) {
            (Some(high), 0xdc00..=0xdfff) => {
                self.high = None;
                let code = 0x1_0000 + ((u32::from(high) - 0xd800) << 10) + (u32::from(unit) - 0xdc00);
                self.char(code, take)
            }
            (_, 0xd800..=0xdbff) => {
                self.lone(take)?;
                self.high = Some(unit);
                self.at = At::Plain;
                Ok(())
            }
            _ => self.char(u32::from(unit), take),
        }
    }
}

/// How a character of several bytes begins (RFC 3629, section 4).
fn utf8(first: u8) -> Option<At> {
    let (left, bits, low, high) = match first {
        0xc2..=0xdf => (1, first & 0x1f, 0x80, 0xbf),
        0xe0 => (2, 0, 0xa0, 0xbf),
        0xe1..=0xec | 0xee | 0xef => (2, first & 0xf, 0x80, 0xbf),
        0xed => (2, 0xd, 0x80, 0x9f),
        0xf0 => (3, 0, 0x90, 0xbf),
        0xf1..=0xf3 => (3, first & 7, 0x80, 0xbf),
        0xf4 => (3, 4, 0x80, 0x8f),
        _ => return None,
    };
    Some(At::Utf8 {
        left,
        bits: u32::from(bits),
        low,
        high,
    })
}
