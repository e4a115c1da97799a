//! Base64url text -> bytes, as tokens and their keys write them. Knows neither.

use alloc::vec::Vec;

/// Decodes base64url without padding (RFC 7515, section 2). `None` for another character, a length that no bytes have, and
/// bits past the last byte that are not zero: bytes have one spelling.
pub fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3 + 2);
    decode_with(text, |bytes| out.extend_from_slice(bytes))?;
    Some(out)
}

/// The same, one to three bytes after the other; what was handed over before a fault means nothing.
pub fn decode_with(text: &[u8], mut each: impl FnMut(&[u8])) -> Option<()> {
    for chunk in text.chunks(4) {
        let mut word = 0u32;
        for byte in chunk {
            word = word << 6 | u32::from(digit(*byte)?);
        }
        let (count, spare) = match chunk.len() {
            4 => (3, 0),
            3 => (2, 2),
            2 => (1, 4),
            _ => return None,
        };
        if word & ((1 << spare) - 1) != 0 {
            return None;
        }
        let bytes = (word >> spare).to_be_bytes();
        each(bytes.get(4 - count..)?);
    }
    Some(())
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'-' => Some(62),
        b'_' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn bytes_have_one_spelling() {
        assert_eq!(decode(b"").as_deref(), Some(&[][..]));
        assert_eq!(decode(b"-_8").as_deref(), Some(&[0xfb, 0xff][..]));
        assert_eq!(decode(b"AAEC").as_deref(), Some(&[0, 1, 2][..]));
        for text in ["A", "AAAAA", "-_9", "AB", "AA==", "+/8", "AA A", "A\n"] {
            assert_eq!(decode(text.as_bytes()), None, "{text}");
        }
    }
}
