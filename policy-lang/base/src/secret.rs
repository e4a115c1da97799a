//! The file of a secret -> its bytes. The checker and whoever loads a secret read it here, so both take the same files.
//! Knows neither what the bytes are for nor any algorithm.

use core::fmt;

/// Bytes of a secret: longer keys of an HMAC are hashed first (RFC 2104, section 2) and gain nothing.
pub const BYTES_MAX: usize = 4_096;

/// Fewest bytes of a secret that messages are signed with, or that API keys are hashed under.
pub const BYTES_MIN: usize = 16;

/// Why a file is no secret. No fault holds a byte of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretFault {
    /// Nothing, or line ends alone.
    Empty,
    /// More than [`BYTES_MAX`] bytes.
    TooLong,
    /// Fewer bytes than its use demands: so many, and how many it has.
    TooShort {
        /// The demand.
        min: usize,
        /// What is there.
        found: usize,
    },
}

impl fmt::Display for SecretFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SecretFault::Empty => f.write_str("the file of the secret is empty"),
            SecretFault::TooLong => write!(f, "the secret has more than {BYTES_MAX} bytes"),
            SecretFault::TooShort { min, found } => {
                write!(f, "the secret has {found} bytes, and {min} are the least")
            }
        }
    }
}

impl core::error::Error for SecretFault {}

/// The bytes of a secret: the file's, without the line ends behind them, which editors and `echo` leave.
///
/// # Errors
///
/// [`SecretFault::Empty`] and [`SecretFault::TooLong`]; with a demand of `min` bytes [`SecretFault::TooShort`] too, as
/// for HS256 with 32 (RFC 7518, section 3.2: a key of the size of the hash or larger).
pub fn read(bytes: &[u8], min: usize) -> Result<&[u8], SecretFault> {
    let mut secret = bytes;
    while let [rest @ .., b'\n' | b'\r'] = secret {
        secret = rest;
    }
    match secret.len() {
        0 => Err(SecretFault::Empty),
        found if found > BYTES_MAX => Err(SecretFault::TooLong),
        found if found < min => Err(SecretFault::TooShort { min, found }),
        _ => Ok(secret),
    }
}

#[cfg(test)]
mod tests {
    use super::{BYTES_MAX, SecretFault, read};

    #[test]
    fn line_ends_behind_a_secret_are_no_part_of_it() {
        assert_eq!(read(b"a b\r\n\n", 0), Ok(&b"a b"[..]));
        assert_eq!(read(b"\na\n ", 0), Ok(&b"\na\n "[..]));
        assert_eq!(read(b"\r\n", 0), Err(SecretFault::Empty));
        assert_eq!(read(&[b'x'; BYTES_MAX + 1], 0), Err(SecretFault::TooLong));
        assert_eq!(read(b"abc\n", 4), Err(SecretFault::TooShort { min: 4, found: 3 }));
        assert_eq!(read(b"abcd", 4), Ok(&b"abcd"[..]));
    }
}
