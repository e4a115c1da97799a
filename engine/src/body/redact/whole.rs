//! Bytes of a JSON text -> how far its whole tokens reach, where all of them are in one chunk and nothing is to be done with
//! them. Checks all that [`super::text_scan`] checks, many bytes at once where they are alike.
//!
//! Invariant: what is behind a position that is returned was not looked at for good. A token that is cut, and one that is
//! none, is left to the scan by single bytes, which keeps its state or says what is wrong.

use super::nest::Nest;
use super::text_scan::At;

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// Eight bytes, the first one lowest.
#[inline]
fn word(bytes: &[u8], index: usize) -> Option<u64> {
    let bytes = bytes.get(index..)?.first_chunk::<8>()?;
    Some(u64::from_le_bytes(*bytes))
}

/// Goes on inside a container that no path reaches, from an index and what is expected there, up to its end, to a token
/// that is not whole or to one that is wrong. The container is the one behind `floor` others; its own end is not taken.
pub(super) fn skip_inside(
    bytes: &[u8],
    mut index: usize,
    mut at: At,
    nest: &mut Nest,
    floor: usize,
) -> (usize, At) {
    if !at.is_between_tokens() {
        return (index, at);
    }
    let mut in_object = nest.in_object();
    loop {
        index = after_space(bytes, index);
        let Some(byte) = bytes.get(index) else {
            return (index, at);
        };
        let closes = match (at, byte) {
            (At::Value | At::FirstElement, b'{' | b'[') => {
                in_object = *byte == b'{';
                if !nest.open(in_object) {
                    return (index, at);
                }
                at = if in_object {
                    At::FirstName
                } else {
                    At::FirstElement
                };
                false
            }
            (At::FirstElement, b']') | (At::FirstName, b'}') => true,
            (At::Value | At::FirstElement, _) => {
                let Some(end) = scalar_end(bytes, index, *byte) else {
                    return (index, at);
                };
                (index, at) = (end, At::AfterValue);
                continue;
            }
            (At::FirstName | At::Name, b'"') => {
                let Some(end) = string_end(bytes, index + 1) else {
                    return (index, at);
                };
                (index, at) = (after_space(bytes, end), At::Colon);
                if bytes.get(index) != Some(&b':') {
                    return (index, at);
                }
                at = At::Value;
                false
            }
            (At::Colon, b':') => {
                at = At::Value;
                false
            }
            (At::AfterValue, b',') => {
                at = if in_object { At::Name } else { At::Value };
                false
            }
            (At::AfterValue, b'}') if in_object => true,
            (At::AfterValue, b']') if !in_object => true,
            _ => return (index, at),
        };
        if closes {
            if nest.depth() <= floor + 1 {
                return (index, at);
            }
            nest.close();
            (in_object, at) = (nest.in_object(), At::AfterValue);
        }
        index += 1;
    }
}

/// Behind white space.
#[inline]
pub(super) fn after_space(bytes: &[u8], mut index: usize) -> usize {
    const SPACES: u64 = ONES * b' ' as u64;
    loop {
        match bytes.get(index) {
            Some(b' ') => match word(bytes, index) {
                Some(word) if word == SPACES => index += 8,
                Some(word) => index += ((word ^ SPACES).trailing_zeros() / 8) as usize,
                None => index += 1,
            },
            Some(b'\n' | b'\r' | b'\t') => index += 1,
            _ => return index,
        }
    }
}

/// Behind a string, a number or a word that begins at an index with a byte.
#[inline]
pub(super) fn scalar_end(bytes: &[u8], index: usize, first: u8) -> Option<usize> {
    match first {
        b'"' => string_end(bytes, index + 1),
        b't' => word_end(bytes, index, b"true"),
        b'f' => word_end(bytes, index, b"false"),
        b'n' => word_end(bytes, index, b"null"),
        _ => number_end(bytes, index),
    }
}

fn word_end(bytes: &[u8], index: usize, word: &[u8]) -> Option<usize> {
    let end = index + word.len();
    (bytes.get(index..end)? == word).then_some(end)
}

/// Behind the quote that ends a string; the index is behind the one that begins it.
#[inline]
pub(super) fn string_end(bytes: &[u8], mut index: usize) -> Option<usize> {
    loop {
        index += plain_bytes(bytes.get(index..)?);
        loop {
            match bytes.get(index)? {
                b'"' => return Some(index + 1),
                b'\\' => index += escape_bytes(bytes.get(index + 1..)?)? + 1,
                0x80.. => index += character_bytes(bytes.get(index..)?)?,
                0..0x20 => return None,
                _ => break,
            }
        }
    }
}

/// How many bytes an escape has behind its backslash. Surrogates need not be paired.
#[inline]
fn escape_bytes(bytes: &[u8]) -> Option<usize> {
    match bytes {
        [b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => Some(1),
        [b'u', a, b, c, d, ..] => [a, b, c, d]
            .iter()
            .all(|byte| byte.is_ascii_hexdigit())
            .then_some(5),
        _ => None,
    }
}

/// How many bytes a character that is not ASCII has (RFC 3629, section 4).
#[inline]
fn character_bytes(bytes: &[u8]) -> Option<usize> {
    match bytes {
        [0xc2..=0xdf, 0x80..=0xbf, ..] => Some(2),
        [0xe1..=0xec | 0xee | 0xef, 0x80..=0xbf, 0x80..=0xbf, ..]
        | [0xe0, 0xa0..=0xbf, 0x80..=0xbf, ..]
        | [0xed, 0x80..=0x9f, 0x80..=0xbf, ..] => Some(3),
        [0xf0, 0x90..=0xbf, 0x80..=0xbf, 0x80..=0xbf, ..]
        | [0xf1..=0xf3, 0x80..=0xbf, 0x80..=0xbf, 0x80..=0xbf, ..]
        | [0xf4, 0x80..=0x8f, 0x80..=0xbf, 0x80..=0xbf, ..] => Some(4),
        _ => None,
    }
}

/// Behind a number (RFC 8259, section 6); `None` too where the bytes end with it, for more of it may come.
#[inline]
fn number_end(bytes: &[u8], mut index: usize) -> Option<usize> {
    if bytes.get(index) == Some(&b'-') {
        index += 1;
    }
    index = match bytes.get(index)? {
        b'0' => index + 1,
        b'1'..=b'9' => after_digits(bytes, index + 1),
        _ => return None,
    };
    if bytes.get(index)? == &b'.' {
        index = some_digits(bytes, index + 1)?;
    }
    if matches!(bytes.get(index)?, b'e' | b'E') {
        index += 1;
        if matches!(bytes.get(index)?, b'+' | b'-') {
            index += 1;
        }
        index = some_digits(bytes, index)?;
    }
    bytes.get(index).map(|_| index)
}

/// Behind one or more digits.
#[inline]
fn some_digits(bytes: &[u8], index: usize) -> Option<usize> {
    bytes
        .get(index)?
        .is_ascii_digit()
        .then(|| after_digits(bytes, index + 1))
}

/// Behind digits, if any.
#[inline]
fn after_digits(bytes: &[u8], mut index: usize) -> usize {
    while let Some(word) = word(bytes, index) {
        // 0 to 9 stay below 0x80; what is carried from one that does not only reaches bytes behind it.
        let digits = word ^ (ONES * u64::from(b'0'));
        let others = (digits.wrapping_add(ONES * 0x76) | digits) & HIGHS;
        if others != 0 {
            return index + (others.trailing_zeros() / 8) as usize;
        }
        index += 8;
    }
    while bytes.get(index).is_some_and(u8::is_ascii_digit) {
        index += 1;
    }
    index
}

/// How many bytes at the start are ASCII of a string without escapes.
#[inline]
pub(super) fn plain_bytes(bytes: &[u8]) -> usize {
    let mut index = 0;
    while let Some(word) = word(bytes, index) {
        let stops = string_stops(word);
        if stops != 0 {
            return index + (stops.trailing_zeros() / 8) as usize;
        }
        index += 8;
        if index % 64 == 32 {
            index += plain_blocks(bytes.get(index..).unwrap_or_default());
        }
    }
    let rest = bytes.get(index..).unwrap_or_default().iter();
    index
        + rest
            .take_while(|byte| (0x20..0x80).contains(*byte) && !matches!(byte, b'"' | b'\\'))
            .count()
}

/// The highest bit of each byte that is a quote, a backslash, a control or not ASCII; bits above the lowest one that is set
/// mean nothing.
#[inline]
fn string_stops(word: u64) -> u64 {
    // A byte that is zero borrows from the one above; one that is not ASCII stops anyway, so that borrowing is all that the
    // highest bits show.
    let zero = |word: u64| word.wrapping_sub(ONES);
    let quote = zero(word ^ (ONES * u64::from(b'"')));
    let backslash = zero(word ^ (ONES * u64::from(b'\\')));
    let control = word.wrapping_sub(ONES * 0x20);
    (quote | backslash | control | word) & HIGHS
}

/// As [`plain_bytes`], in blocks of 64 that hold nothing else. Written for the compiler to make vectors of: as signed numbers
/// controls and what is not ASCII are below 0x20.
fn plain_blocks(bytes: &[u8]) -> usize {
    let (blocks, _) = bytes.as_chunks::<64>();
    let is_plain = |block: &&[u8; 64]| {
        let stop = |byte: &u8| ((*byte as i8) < 0x20) | (*byte == b'"') | (*byte == b'\\');
        !block.iter().fold(false, |found, byte| found | stop(byte))
    };
    64 * blocks.iter().take_while(is_plain).count()
}
