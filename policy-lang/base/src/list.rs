//! A list file -> its values, one a line. The checker and whoever loads a list read it here, so both take the same
//! files. Knows no policy.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Bytes of a list file: bounds memory.
pub const BYTES_MAX: usize = 1_024 * 1_024 * 1_024;
/// Lines of a list file: bounds memory.
pub const LINES_MAX: usize = 10_000_000;
/// Bytes of one line, its comment included: one value, not a document.
pub const LINE_BYTES_MAX: usize = 1_024;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Why a file is no list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListFault {
    /// More than [`BYTES_MAX`] bytes.
    Bytes,
    /// More than [`LINES_MAX`] lines.
    Lines,
    /// A line of more than [`LINE_BYTES_MAX`] bytes.
    LineBytes,
    /// What stands on a line is no value.
    Value,
}

/// Calls `add` with what stands on each line, which says whether that is a value. A leading byte order mark is skipped,
/// and so are blank lines; `#` at the start of a line or after a blank starts a comment; blanks around a value and a
/// carriage return at its end are no part of it.
///
/// # Errors
///
/// The first fault, with its line, from 1, where there is one.
pub fn read<'b>(
    bytes: &'b [u8],
    add: &mut dyn FnMut(&'b [u8]) -> bool,
) -> Result<(), (Option<usize>, ListFault)> {
    if bytes.len() > BYTES_MAX {
        return Err((None, ListFault::Bytes));
    }
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    for (number, line) in (1..).zip(bytes.split(|b| *b == b'\n')) {
        if number > LINES_MAX + 1 || number > LINES_MAX && !line.is_empty() {
            return Err((Some(number), ListFault::Lines));
        }
        if line.len() > LINE_BYTES_MAX {
            return Err((Some(number), ListFault::LineBytes));
        }
        let value = value(line);
        if !value.is_empty() && !add(value) {
            return Err((Some(number), ListFault::Value));
        }
    }
    Ok(())
}

fn value(line: &[u8]) -> &[u8] {
    let is_blank = |b: &u8| matches!(b, b' ' | b'\t' | b'\r');
    let mut starts = true;
    let mut end = line.len();
    for (at, b) in line.iter().enumerate() {
        if *b == b'#' && starts {
            end = at;
            break;
        }
        starts = matches!(b, b' ' | b'\t');
    }
    let mut value = line.get(..end).unwrap_or_default();
    while let Some((_, rest)) = value.split_last().filter(|(last, _)| is_blank(last)) {
        value = rest;
    }
    while let Some((_, rest)) = value.split_first().filter(|(first, _)| is_blank(first)) {
        value = rest;
    }
    value
}

/// A text: UTF-8 without control characters.
pub fn text(value: &[u8]) -> Option<&str> {
    let text = core::str::from_utf8(value).ok()?;
    (!text.chars().any(char::is_control)).then_some(text)
}

/// `-?(0|[1-9][0-9]*)` that fits 64 bits.
pub fn int(value: &[u8]) -> Option<i64> {
    let digits = value.strip_prefix(b"-").unwrap_or(value);
    let is_decimal = matches!(digits, [b'0'] | [b'1'..=b'9', ..]) && digits.iter().all(u8::is_ascii_digit);
    if !is_decimal {
        return None;
    }
    core::str::from_utf8(value).ok()?.parse().ok()
}

/// Four canonical decimals, or RFC 4291 text without a zone; an IPv4-mapped address is unmapped.
pub fn address(value: &[u8]) -> Option<IpAddr> {
    let text = core::str::from_utf8(value).ok()?;
    if text.contains(':') {
        return text
            .parse::<Ipv6Addr>()
            .ok()
            .map(|v6| IpAddr::V6(v6).to_canonical());
    }
    // The parser of the standard library takes canonical decimals alone.
    text.parse::<Ipv4Addr>().ok().map(IpAddr::V4)
}

/// `ADDRESS` or `ADDRESS/LENGTH` without host bits, as its address and length in bits. An IPv4-mapped network is none.
pub fn network(value: &[u8]) -> Option<(IpAddr, u8)> {
    let Some(slash) = value.iter().position(|b| *b == b'/') else {
        let address = address(value)?;
        return Some((address, width(address)));
    };
    let text = core::str::from_utf8(value.get(..slash)?).ok()?;
    let address: IpAddr = text.parse().ok()?;
    let length = int(value.get(slash + 1..)?).and_then(|n| u8::try_from(n).ok())?;
    let host_bits = u32::from(width(address).checked_sub(length)?);
    let bits = match address {
        IpAddr::V4(v4) => u128::from(u32::from(v4)),
        IpAddr::V6(v6) => u128::from(v6),
    };
    let is_mapped = address.to_canonical() != address;
    (!is_mapped && bits.trailing_zeros().min(128) >= host_bits).then_some((address, length))
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn lines(file: &[u8]) -> Result<Vec<&[u8]>, (Option<usize>, ListFault)> {
        let mut out = Vec::new();
        read(file, &mut |value| {
            out.push(value);
            value != b"bad"
        })
        .map(|()| out)
    }

    #[test]
    fn lines_are_values_without_comments_blanks_and_marks() {
        let file = b"\xEF\xBB\xBFfirst\r\n\t a b \t# why\n#c\n  # d\na#b\n\n\xEF\xBB\xBFx\n";
        let want: [&[u8]; 4] = [b"first", b"a b", b"a#b", b"\xEF\xBB\xBFx"];
        assert_eq!(lines(file).unwrap(), want);
        assert_eq!(lines(b"").unwrap().len(), 0);
        assert_eq!(lines(b"a\nbad # x\n"), Err((Some(2), ListFault::Value)));
        let long = [
            b"#".repeat(LINE_BYTES_MAX),
            b"\n".to_vec(),
            b"x".repeat(LINE_BYTES_MAX + 1),
        ]
        .concat();
        assert_eq!(lines(&long), Err((Some(2), ListFault::LineBytes)));
    }

    #[test]
    fn networks_have_a_length_and_no_host_bits() {
        let v4 = |text: &str, length| Some((text.parse().unwrap(), length));
        for (line, want) in [
            ("198.51.100.0/24", v4("198.51.100.0", 24)),
            ("198.51.100.7", v4("198.51.100.7", 32)),
            ("0.0.0.0/0", v4("0.0.0.0", 0)),
            ("2001:db8::/32", v4("2001:db8::", 32)),
            ("2001:DB8::1", v4("2001:db8::1", 128)),
            ("::/0", v4("::", 0)),
            ("::ffff:192.0.2.1", v4("192.0.2.1", 32)),
            ("198.51.100.7/24", None),
            ("2001:db8::1/32", None),
            ("198.51.100.0/33", None),
            ("198.51.100.0/024", None),
            ("198.51.100.0/", None),
            ("198.51.100/24", None),
            ("010.0.0.0/8", None),
            ("::ffff:10.0.0.0/104", None),
            ("fe80::1%eth0", None),
        ] {
            assert_eq!(network(line.as_bytes()), want, "{line}");
        }
    }
}
