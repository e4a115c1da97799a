//! Escapes of validated strings -> what they stand for.

/// Decodes a string that [`super::scan`] has passed, given without its quotes; `push` gets the parts in order.
pub fn unescape(raw: &[u8], mut push: impl FnMut(&[u8])) {
    let mut rest = raw;
    while let Some(at) = rest.iter().position(|byte| *byte == b'\\') {
        let (before, escape) = rest.split_at_checked(at).unwrap_or_default();
        push(before);
        let [_, kind, after @ ..] = escape else { return };
        rest = after;
        match kind {
            b'b' => push(&[8]),
            b'f' => push(&[12]),
            b'n' => push(b"\n"),
            b'r' => push(b"\r"),
            b't' => push(b"\t"),
            b'u' => {
                if let Some((c, length)) = unicode(after) {
                    push(c.encode_utf8(&mut [0; 4]).as_bytes());
                    rest = after.get(length..).unwrap_or_default();
                }
            }
            itself => push(&[*itself]),
        }
    }
    push(rest);
}

/// The character whose `\u` escape goes on with `digits`, and how many bytes of them it takes. A lone surrogate is
/// none.
pub(super) fn unicode(digits: &[u8]) -> Option<(char, usize)> {
    let unit = hex4(digits)?;
    if !(0xd800..0xdc00).contains(&unit) {
        return Some((char::from_u32(unit)?, 4));
    }
    let low = digits.get(4..)?.strip_prefix(b"\\u").and_then(hex4)?;
    let offset = low.checked_sub(0xdc00).filter(|offset| *offset < 0x400)?;
    Some((char::from_u32(0x1_0000 + ((unit - 0xd800) << 10) + offset)?, 10))
}

fn hex4(text: &[u8]) -> Option<u32> {
    let digits = text.get(..4)?.iter();
    digits
        .copied()
        .try_fold(0, |n, digit| Some(n << 4 | char::from(digit).to_digit(16)?))
}
