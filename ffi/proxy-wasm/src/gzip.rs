//! One member of gzip (RFC 1952) -> the bytes inside, bounded. Knows nothing of images.
//!
//! `miniz_oxide` inflates (RFC 1951); a crate that reads the frame as well costs the module 40 KB more.

use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};

/// Why bytes were not unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GzipError {
    /// No gzip, cut off, or its length or checksum is wrong.
    #[error("is not one member of gzip, or is damaged")]
    Damaged,
    /// Larger than the caller takes.
    #[error("unpacks to more than {max} bytes")]
    TooLarge {
        /// The caller's limit, bytes.
        max: usize,
    },
}

/// Bits of the header's flags (RFC 1952, section 2.3.1); those above are reserved, and FTEXT changes nothing.
mod flag {
    pub(super) const HEADER_CHECKSUM: u8 = 2;
    pub(super) const EXTRA: u8 = 4;
    pub(super) const NAME: u8 = 8;
    pub(super) const COMMENT: u8 = 16;
    pub(super) const RESERVED: u8 = 0b1110_0000;
}

/// The bytes inside of `packed`, at most `max`. Whatever `packed` says, no more than `max` bytes are allocated, and none
/// may stand behind its end.
pub fn unpack(packed: &[u8], max: usize) -> Result<Vec<u8>, GzipError> {
    let read = || {
        let rest = after_header(packed)?;
        // Checksum and length of what is inside, 32 bits each, little-endian.
        let (deflated, trailer) = rest.split_at_checked(rest.len().checked_sub(8)?)?;
        let (checksum, length) = trailer.split_first_chunk::<4>()?;
        let length = u32::from_le_bytes(*length.first_chunk()?);
        Some((
            deflated,
            u32::from_le_bytes(*checksum),
            usize::try_from(length).ok()?,
        ))
    };
    let (deflated, checksum, length) = read().ok_or(GzipError::Damaged)?;
    if length > max {
        return Err(GzipError::TooLarge { max });
    }
    let mut bytes = vec![0; length];
    let done = decompress(
        &mut DecompressorOxide::new(),
        deflated,
        &mut bytes,
        0,
        TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF,
    );
    match done == (TINFLStatus::Done, deflated.len(), length) && crc32(&bytes) == checksum {
        true => Ok(bytes),
        false => Err(GzipError::Damaged),
    }
}

/// What follows the header.
fn after_header(packed: &[u8]) -> Option<&[u8]> {
    // Magic, method deflate, flags, time, and two bytes about the compressor.
    let (fixed, mut rest) = packed.split_first_chunk::<10>()?;
    let [0x1f, 0x8b, 8, flags, ..] = *fixed else {
        return None;
    };
    if flags & flag::RESERVED != 0 {
        return None;
    }
    if flags & flag::EXTRA != 0 {
        let (length, after) = rest.split_first_chunk()?;
        rest = after.get(usize::from(u16::from_le_bytes(*length))..)?;
    }
    for text in [flag::NAME, flag::COMMENT] {
        if flags & text != 0 {
            let end = rest.iter().position(|byte| *byte == 0)?;
            rest = rest.get(end + 1..)?;
        }
    }
    if flags & flag::HEADER_CHECKSUM != 0 {
        rest = rest.get(2..)?;
    }
    Some(rest)
}

/// The checksum of RFC 1952, section 8, bit by bit: an image is unpacked once.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _: u32| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
    let byte = |crc: u32, byte: &u8| (0..8).fold(crc ^ u32::from(*byte), step);
    !bytes.iter().fold(!0, byte)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn packed(bytes: &[u8], builder: flate2::GzBuilder) -> Vec<u8> {
        let mut encoder = builder.write(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn one_whole_member_up_to_the_limit_and_nothing_else() {
        let text: Vec<u8> = (0..500_u32).flat_map(u32::to_le_bytes).collect();
        let good = packed(&text, flate2::GzBuilder::new());
        assert_eq!(unpack(&good, text.len()), Ok(text.clone()));
        let small = text.len() - 1;
        assert_eq!(unpack(&good, small), Err(GzipError::TooLarge { max: small }));
        let is_refused = |bytes: &[u8]| unpack(bytes, text.len()).is_err();
        for end in 0..good.len() {
            assert!(is_refused(good.get(..end).unwrap()), "cut at {end}");
        }
        assert!(is_refused(&[good.as_slice(), b"x"].concat()));
        assert!(unpack(&[good.as_slice(), &good].concat(), 1 << 20).is_err());
        // Time and compressor in bytes 4 to 9 say nothing of what is inside, nor does the lowest flag.
        for at in (0..good.len()).filter(|at| !(4..10).contains(at)) {
            for bit in (0..8).filter(|bit| (at, *bit) != (3, 0)) {
                let mut bad = good.clone();
                *bad.get_mut(at).unwrap() ^= 1 << bit;
                // Bits that fill up the last byte of what is deflated mean nothing.
                let is_filling = at + 9 == good.len() && unpack(&bad, text.len()).as_ref() == Ok(&text);
                assert!(is_filling || is_refused(&bad), "byte {at}, bit {bit}");
            }
        }
    }

    #[test]
    fn a_header_may_say_more() {
        let builder = flate2::GzBuilder::new()
            .filename("shop.image")
            .comment("a")
            .extra([1, 2, 3])
            .mtime(7);
        let good = packed(b"text", builder);
        assert_eq!(unpack(&good, 4), Ok(b"text".to_vec()));
        assert_eq!(unpack(&packed(b"", flate2::GzBuilder::new()), 0), Ok(Vec::new()));
    }

    #[test]
    fn a_bomb_costs_no_more_than_the_limit() {
        let mut bomb = packed(&vec![0; 32 << 20], flate2::GzBuilder::new());
        let is_refused = |bomb: &[u8]| {
            let counted = allocation_counter::measure(|| assert!(unpack(bomb, 1 << 20).is_err()));
            assert!(counted.bytes_max < 2 << 20, "{counted:?}");
        };
        is_refused(&bomb);
        // And one that lies about what is inside.
        let length = bomb.len() - 4;
        bomb.get_mut(length..)
            .unwrap()
            .copy_from_slice(&1_000_000_u32.to_le_bytes());
        is_refused(&bomb);
    }
}
