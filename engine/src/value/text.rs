//! Bytes -> the small lexical forms of HTTP: tokens, trimmed values, decoded triples, canonical integers. Knows no
//! headers and no facts. What is not already there as bytes of the request is written into the decision's arena.

use super::Arena;
use std::fmt::Write as _;

/// Bits of [`CLASS`]: what a byte may be.
pub(crate) mod class {
    /// Part of an RFC 9110 token.
    pub(crate) const TOKEN: u16 = 1;
    /// An upper-case letter.
    pub(crate) const UPPER: u16 = 2;
    /// What a header value may hold: anything but controls, and the tab.
    pub(crate) const VALUE: u16 = 4;
    /// Means only itself in a path: visible ASCII but `%`, `\`, `#`, `;` and `?`.
    pub(crate) const PLAIN: u16 = 8;
    /// Letter, digit, hyphen or underscore: what a label of a host name is made of.
    pub(crate) const LABEL: u16 = 16;
    /// RFC 3986's unreserved.
    pub(crate) const UNRESERVED: u16 = 32;
    /// A decimal digit.
    pub(crate) const DIGIT: u16 = 64;
    /// A label's byte or the dot between labels.
    pub(crate) const HOST: u16 = 256;
    /// What a token in a header is made of, but for the `=` at its end (RFC 9110's token68).
    pub(crate) const TOKEN68: u16 = 1_024;
    /// A header name with it may look like another one.
    pub(crate) const UNDERSCORE: u16 = 512;
}

/// The classes of every byte: one look-up instead of a chain of comparisons.
static CLASS: [u16; 256] = {
    let mut table = [0; 256];
    let mut byte = 0usize;
    while byte < 256 {
        let b = byte as u8;
        let mut bits = 0;
        let symbol = matches!(
            b,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        );
        if b.is_ascii_alphanumeric() || symbol {
            bits |= class::TOKEN;
        }
        if b.is_ascii_uppercase() {
            bits |= class::UPPER;
        }
        if b >= 0x20 && b != 0x7f || b == b'\t' {
            bits |= class::VALUE;
        }
        if b.is_ascii_graphic() && !matches!(b, b'%' | b'\\' | b'#' | b';' | b'?' | b'/') {
            bits |= class::PLAIN;
        }
        if b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_') {
            bits |= class::LABEL;
        }
        if b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~') {
            bits |= class::UNRESERVED;
        }
        if b.is_ascii_digit() {
            bits |= class::DIGIT;
        }
        if bits & class::LABEL != 0 || b == b'.' {
            bits |= class::HOST;
        }
        if b == b'/' {
            bits |= class::PLAIN;
        }
        if b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~' | b'+' | b'/') {
            bits |= class::TOKEN68;
        }
        if b == b'_' {
            bits |= class::UNDERSCORE;
        }
        #[expect(
            clippy::indexing_slicing,
            reason = "evaluated by the compiler, within the bound of the loop"
        )]
        {
            table[byte] = bits;
        }
        byte += 1;
    }
    table
};

/// The classes of a byte.
#[inline]
pub(crate) fn classes(byte: u8) -> u16 {
    CLASS.get(usize::from(byte)).copied().unwrap_or(0)
}

/// Whether every byte has a class.
#[inline]
fn all_are(class: u16, text: &[u8]) -> bool {
    text.iter().fold(class, |all, byte| all & classes(*byte)) != 0
}

/// Whether every byte is of a class, looked at by comparisons alone, sixteen bytes at a time: compilers turn that into
/// vector instructions, which cost less than a look-up for each byte. Short texts and targets without vectors look up.
/// `is` must say of each byte what its class says.
#[inline(always)]
fn all_in_blocks(class: u16, text: &[u8], is: impl Fn(u8) -> bool) -> bool {
    const BLOCK: usize = 16;
    const VECTORS: bool = !cfg!(target_family = "wasm") || cfg!(target_feature = "simd128");
    let (Some(last), true) = (text.last_chunk::<BLOCK>(), VECTORS) else {
        return all_are(class, text);
    };
    let mut others = [0; BLOCK];
    let (blocks, _) = text.as_chunks::<BLOCK>();
    // The last block overlaps the one before.
    for block in blocks.iter().chain([last]) {
        for (other, byte) in others.iter_mut().zip(block) {
            *other |= u8::from(!is(*byte));
        }
    }
    others == [0; BLOCK]
}

/// Whether every byte means only itself in a path ([`class::PLAIN`]).
pub(crate) fn is_plain(text: &[u8]) -> bool {
    all_in_blocks(class::PLAIN, text, |byte| {
        let named = (byte == b'%') | (byte == b'\\') | (byte == b'#') | (byte == b';') | (byte == b'?');
        !named & (byte.wrapping_sub(b'!') <= b'~' - b'!')
    })
}

/// Whether every byte may be in a token68 before its padding ([`class::TOKEN68`]).
pub(crate) fn is_token68(text: &[u8]) -> bool {
    all_in_blocks(class::TOKEN68, text, |byte| {
        let letter = (byte | 0x20).wrapping_sub(b'a') <= b'z' - b'a';
        // `-`, `.`, `/` and the digits stand side by side.
        let from_hyphen_to_nine = byte.wrapping_sub(b'-') <= b'9' - b'-';
        letter | from_hyphen_to_nine | (byte == b'+') | (byte == b'_') | (byte == b'~')
    })
}

/// One byte of an RFC 9110 token.
pub(crate) fn is_token_byte(byte: u8) -> bool {
    classes(byte) & class::TOKEN != 0
}

/// A non-empty RFC 9110 token.
pub(crate) fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|byte| is_token_byte(*byte))
}

/// Whether a header value holds a control other than the tab.
pub(crate) fn has_control(value: &[u8]) -> bool {
    !all_in_blocks(class::VALUE, value, |byte| {
        ((byte >= 0x20) | (byte == b'\t')) & (byte != 0x7f)
    })
}

/// Without spaces and tabs at both ends.
#[inline]
pub(crate) fn trim(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

/// Text in lower case; what has no upper case stays where it is.
pub(crate) fn lower<'a>(text: &'a str, arena: &'a Arena) -> &'a str {
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        let copy = arena.alloc_str(text);
        copy.make_ascii_lowercase();
        copy
    } else {
        text
    }
}

/// Bytes as text; what is ASCII by an earlier check stays as it is and where it is.
pub(crate) fn lossy<'a>(text: &'a [u8], arena: &'a Arena) -> &'a str {
    match std::str::from_utf8(text) {
        Ok(text) => text,
        Err(_) => arena.alloc_str(&String::from_utf8_lossy(text)),
    }
}

/// At the first `byte`: what stands before and after it.
pub(crate) fn split_once(text: &[u8], byte: u8) -> Option<(&[u8], &[u8])> {
    let at = text.iter().position(|b| *b == byte)?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

/// Calls `f` with every place of a byte, in order, until it gives `None`; looks at eight bytes at a time.
#[inline]
pub(crate) fn each_place(text: &[u8], byte: u8, mut f: impl FnMut(usize) -> Option<()>) -> Option<()> {
    const LOWS: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    let wanted = 0x0101_0101_0101_0101 * u64::from(byte);
    let (words, rest) = text.as_chunks::<8>();
    for (at, word) in words.iter().enumerate() {
        let other = u64::from_le_bytes(*word) ^ wanted;
        // The high bit of each byte that is zero now, and of no other: no carry leaves its byte.
        let mut hits = !(((other & LOWS) + LOWS) | other | LOWS);
        while hits != 0 {
            f(at * 8 + hits.trailing_zeros() as usize / 8)?;
            hits &= hits - 1;
        }
    }
    for (at, given) in (words.len() * 8..).zip(rest) {
        if *given == byte {
            f(at)?;
        }
    }
    Some(())
}

/// A byte that RFC 3986 calls unreserved.
pub(crate) fn is_unreserved(byte: u8) -> bool {
    classes(byte) & class::UNRESERVED != 0
}

fn hex(byte: u8) -> Option<u8> {
    (byte as char)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

/// The byte that a triple at the start of `text` stands for.
pub(crate) fn triple(text: &[u8]) -> Option<u8> {
    match text {
        [b'%', high, low, ..] => Some(hex(*high)? << 4 | hex(*low)?),
        _ => None,
    }
}

/// Decodes every triple once; `None` where a `%` starts none. With `plus`, `+` is a space.
pub(crate) fn decode<'a>(text: &'a [u8], plus: bool, arena: &'a Arena) -> Option<&'a [u8]> {
    if !text.iter().any(|b| *b == b'%' || plus && *b == b'+') {
        return Some(text);
    }
    let mut out = super::List::with_capacity_in(text.len(), arena);
    let mut rest = text;
    while let [byte, tail @ ..] = rest {
        if *byte == b'%' {
            out.push(triple(rest)?);
            rest = rest.get(3..)?;
        } else {
            out.push(if plus && *byte == b'+' { b' ' } else { *byte });
            rest = tail;
        }
    }
    Some(out.into_bump_slice())
}

/// JSON's integer, `-?(0|[1-9][0-9]*)`, in i64.
pub(crate) use portcullis_base::list::int;

/// A number of seconds, exact and without exponent, in µs; what is left of a µs is rounded down.
pub(crate) fn seconds(text: &[u8]) -> Option<i64> {
    let (whole, fraction) = split_once(text, b'.').unwrap_or((text, b""));
    let mut us = int(whole)?.checked_mul(1_000_000)?;
    let is_negative = whole.first() == Some(&b'-');
    let (mut scale, mut rest) = (1_000_000, false);
    for digit in fraction {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit <= 9)?;
        scale /= 10;
        rest |= scale == 0 && digit != 0;
        let part = i64::from(digit) * scale;
        us = us.checked_add(if is_negative { -part } else { part })?;
    }
    if is_negative && rest {
        us.checked_sub(1)
    } else {
        Some(us)
    }
}

/// `0|[1-9][0-9]*`
pub(crate) fn is_decimal(digits: &[u8]) -> bool {
    matches!(digits, [b'0'] | [b'1'..=b'9', ..]) && digits.iter().all(u8::is_ascii_digit)
}

/// Whether a value is written exactly so; without writing it anywhere.
pub(crate) fn is_spelled(value: impl std::fmt::Display, text: &str) -> bool {
    struct Rest<'t>(&'t str);
    impl std::fmt::Write for Rest<'_> {
        fn write_str(&mut self, part: &str) -> std::fmt::Result {
            self.0 = self.0.strip_prefix(part).ok_or(std::fmt::Error)?;
            Ok(())
        }
    }
    let mut rest = Rest(text);
    write!(rest, "{value}").is_ok() && rest.0.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_have_one_spelling() {
        assert_eq!(int(b"-0"), Some(0));
        assert_eq!(int(b"9223372036854775807"), Some(i64::MAX));
        for bad in [
            &b"9223372036854775808"[..],
            b"",
            b"-",
            b"+1",
            b"01",
            b"1.0",
            b"1e3",
            b" 1",
        ] {
            assert_eq!(int(bad), None);
        }
    }

    #[test]
    fn comparing_says_what_the_classes_say_wherever_a_byte_stands() {
        type Looked = fn(&[u8]) -> bool;
        let looks: [(u16, Looked); 3] = [
            (class::PLAIN, is_plain),
            (class::TOKEN68, is_token68),
            (class::VALUE, |value| !has_control(value)),
        ];
        for (class, look) in looks {
            assert!(look(b""));
            for len in [1, 15, 16, 17, 40] {
                for (at, byte) in (0..len).flat_map(|at| (0..=255).map(move |byte| (at, byte))) {
                    let mut text = vec![b'a'; len];
                    text[at] = byte;
                    assert_eq!(look(&text), classes(byte) & class != 0, "{byte} at {at} of {len}");
                }
            }
        }
    }

    #[test]
    fn places_are_those_of_the_byte() {
        let text = b"/ab//c/\xaf.0/............/";
        let mut found = Vec::new();
        let all = each_place(text, b'/', |at| {
            found.push(at);
            (found.len() < 7).then_some(())
        });
        assert_eq!((found, all), (vec![0, 3, 4, 6, 10, 23], Some(())));
        assert_eq!(each_place(text, b'/', |_| None), None);
    }

    #[test]
    fn triples_are_decoded_once() {
        let arena = Arena::new();
        assert_eq!(decode(b"a%2541+", false, &arena), Some(&b"a%41+"[..]));
        assert_eq!(decode(b"a+b", true, &arena), Some(&b"a b"[..]));
        assert_eq!(decode(b"a%4", false, &arena), None);
        assert_eq!(trim(b" \ta b\t "), b"a b");
    }
}
