//! A packed image (gzip, RFC 1952) -> the bytes inside, bounded. Knows nothing of images.

use portcullis::body::Unreadable;
use portcullis::body::coding::{Coding, Decoder};
use portcullis_base::Detail;

/// Why bytes were not unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GzipError {
    /// No gzip, cut off, or its length or checksum is wrong.
    #[error("is no gzip, or is damaged")]
    Damaged,
    /// Larger than the caller takes.
    #[error("unpacks to more than {max} bytes")]
    TooLarge {
        /// The caller's limit, bytes.
        max: usize,
    },
    /// Larger than anything that is packed honestly.
    #[error("unpacks to more than a hundred times its size")]
    TooDense,
}

impl From<Unreadable> for GzipError {
    fn from(Unreadable(detail): Unreadable) -> GzipError {
        match detail {
            Detail::TooLarge => GzipError::TooDense,
            _ => GzipError::Damaged,
        }
    }
}

/// The bytes inside of `packed`, at most `max`. Whatever `packed` says, no more than twice `max` bytes are allocated, and
/// nothing may stand behind its end.
pub fn unpack(packed: &[u8], max: usize) -> Result<Vec<u8>, GzipError> {
    let (mut decoder, mut bytes) = (Decoder::new(Coding::Gzip), Vec::new());
    decoder.push(packed, &mut |part: &[u8]| {
        if bytes.len() + part.len() > max {
            return Err(GzipError::TooLarge { max });
        }
        bytes.extend_from_slice(part);
        Ok(())
    })?;
    decoder.end()?;
    Ok(bytes)
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
    fn up_to_the_limit_and_nothing_else() {
        let text: Vec<u8> = (0..500_u32).flat_map(u32::to_le_bytes).collect();
        let good = packed(&text, flate2::GzBuilder::new());
        assert_eq!(unpack(&good, text.len()), Ok(text.clone()));
        let small = text.len() - 1;
        assert_eq!(unpack(&good, small), Err(GzipError::TooLarge { max: small }));
        let cut = good.get(..good.len() - 1).unwrap();
        assert_eq!(unpack(cut, text.len()), Err(GzipError::Damaged));
        assert_eq!(
            unpack(&[&good[..], b"x"].concat(), 5_000),
            Err(GzipError::Damaged)
        );
        assert_eq!(unpack(b"PCULLIS\0", 5_000), Err(GzipError::Damaged));
    }

    #[test]
    fn a_bomb_costs_no_more_than_the_limit() {
        let bomb = packed(&vec![0; 32 << 20], flate2::GzBuilder::new());
        let counted = allocation_counter::measure(|| assert!(unpack(&bomb, 1 << 20).is_err()));
        assert!(counted.bytes_max < 3 << 20, "{counted:?}");
        assert_eq!(unpack(&bomb, 32 << 20), Err(GzipError::TooDense));
    }
}
