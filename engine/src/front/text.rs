//! Bytes -> the small lexical forms of HTTP: tokens, trimmed values, decoded triples, canonical integers. Knows no
//! headers and no facts.

use std::borrow::Cow;

/// One byte of an RFC 9110 token.
pub fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// A non-empty RFC 9110 token.
pub fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().copied().all(is_token_byte)
}

/// Without spaces and tabs at both ends.
pub fn trim(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

/// Bytes as text, in lower case.
pub fn lower(text: &[u8]) -> String {
    lossy(text).to_ascii_lowercase()
}

/// Bytes as text; what is ASCII by an earlier check stays as it is.
pub fn lossy(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}

/// At the first `byte`: what stands before and after it.
pub fn split_once(text: &[u8], byte: u8) -> Option<(&[u8], &[u8])> {
    let at = text.iter().position(|b| *b == byte)?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

/// A byte that RFC 3986 calls unreserved.
pub fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

fn hex(byte: u8) -> Option<u8> {
    (byte as char)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

/// The byte that a triple at the start of `text` stands for.
pub fn triple(text: &[u8]) -> Option<u8> {
    match text {
        [b'%', high, low, ..] => Some(hex(*high)? << 4 | hex(*low)?),
        _ => None,
    }
}

/// Decodes every triple once; `None` where a `%` starts none. With `plus`, `+` is a space.
pub fn decode(text: &[u8], plus: bool) -> Option<Cow<'_, [u8]>> {
    if !text.iter().any(|b| *b == b'%' || plus && *b == b'+') {
        return Some(Cow::Borrowed(text));
    }
    let mut out = Vec::with_capacity(text.len());
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
    Some(Cow::Owned(out))
}

/// JSON's integer, `-?(0|[1-9][0-9]*)`, in i64.
pub fn int(text: &[u8]) -> Option<i64> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    if !is_decimal(digits) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// `0|[1-9][0-9]*`
pub fn is_decimal(digits: &[u8]) -> bool {
    matches!(digits, [b'0'] | [b'1'..=b'9', ..]) && digits.iter().all(u8::is_ascii_digit)
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
    fn triples_are_decoded_once() {
        assert_eq!(decode(b"a%2541+", false).as_deref(), Some(&b"a%41+"[..]));
        assert_eq!(decode(b"a+b", true).as_deref(), Some(&b"a b"[..]));
        assert_eq!(decode(b"a%4", false), None);
        assert_eq!(trim(b" \ta b\t "), b"a b");
    }
}
