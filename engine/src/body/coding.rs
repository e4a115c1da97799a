//! A coded body (gzip or deflate; RFC 9110, section 8.4.1), cut anywhere -> the bytes inside, as they come. Memory is that of
//! one window; how much may come out for what went in is bounded. Knows no media types.

use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::{TINFL_FLAG_HAS_MORE_INPUT, TINFL_FLAG_PARSE_ZLIB_HEADER};
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};
use portcullis_base::Detail;

use super::Unreadable;
use crate::limits::{CODED_BODY_BYTES_FREE, CODED_BODY_RATIO};

/// Bytes that a back reference may reach over (RFC 1951, section 2).
const WINDOW_BYTES: usize = 1 << 15;

/// How a body is coded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Coding {
    /// Not at all.
    #[default]
    Identity,
    /// Members of gzip (RFC 1952), one or more.
    Gzip,
    /// A zlib stream (RFC 1950).
    Deflate,
}

/// Bits of a member's flags (RFC 1952, section 2.3.1). FTEXT changes nothing.
mod flag {
    pub(super) const HEADER_CHECKSUM: u8 = 2;
    pub(super) const EXTRA: u8 = 4;
    pub(super) const NAME: u8 = 8;
    pub(super) const COMMENT: u8 = 16;
    pub(super) const RESERVED: u8 = 0b1110_0000;
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// The fixed head of a member; so many bytes were read.
    Head(usize),
    /// The length of the extra field; the bytes of it that were read.
    ExtraLength(Option<u8>),
    /// So many bytes of the extra field.
    Extra(u16),
    Name,
    Comment,
    /// So many bytes of the head's checksum.
    HeadChecksum(u8),
    Deflated,
    /// Checksum and length of what was inside, little-endian; so many bytes were read.
    Trailer(usize),
    /// Another member, or the end.
    Between,
    /// Nothing.
    End,
}

/// One coded body under way. Its buffers are used again.
pub struct Decoder {
    coding: Coding,
    part: Part,
    flags: u8,
    inflate: Box<DecompressorOxide>,
    window: Vec<u8>,
    /// Where in the window the next byte goes.
    at: usize,
    checksum: u32,
    length: u32,
    trailer: [u8; 8],
    read: u64,
    written: u64,
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (coding, part) = (self.coding, self.part);
        f.debug_struct("Decoder")
            .field("coding", &coding)
            .field("part", &part)
            .finish_non_exhaustive()
    }
}

impl Decoder {
    /// A decoder at the beginning of a body that is coded so.
    pub fn new(coding: Coding) -> Decoder {
        let mut decoder = Decoder {
            coding,
            part: Part::End,
            flags: 0,
            inflate: Box::default(),
            window: vec![0; WINDOW_BYTES],
            at: 0,
            checksum: !0,
            length: 0,
            trailer: [0; 8],
            read: 0,
            written: 0,
        };
        decoder.begin(coding);
        decoder
    }

    /// Begins another body.
    pub fn begin(&mut self, coding: Coding) {
        (self.coding, self.read, self.written, self.at) = (coding, 0, 0, 0);
        self.begin_member();
        self.part = match coding {
            Coding::Gzip => Part::Head(0),
            Coding::Deflate => Part::Deflated,
            Coding::Identity => Part::End,
        };
    }

    fn begin_member(&mut self) {
        self.inflate.init();
        (self.flags, self.checksum, self.length) = (0, !0, 0);
        self.part = Part::Head(0);
    }

    /// A part of the coded body; `take` gets what is inside, in parts.
    ///
    /// # Errors
    ///
    /// What `take` says; [`Detail::ContentCoding`] for what is damaged, or has something behind its end;
    /// [`Detail::TooLarge`] for what comes to more than [`CODED_BODY_RATIO`] times its coded size.
    pub fn push<E: From<Unreadable>>(
        &mut self,
        mut coded: &[u8],
        take: &mut dyn FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        self.read = self.read.saturating_add(coded.len() as u64);
        loop {
            if self.part == Part::Deflated {
                coded = self.inflate(coded, take)?;
                if self.part == Part::Deflated {
                    return Ok(());
                }
            }
            let Some((byte, rest)) = coded.split_first() else {
                return Ok(());
            };
            self.part = self.frame(*byte).ok_or(Unreadable(Detail::ContentCoding))?;
            coded = rest;
        }
    }

    /// The coded body has ended.
    ///
    /// # Errors
    ///
    /// [`Detail::CutShort`] where it has not.
    pub fn end(&self) -> Result<(), Unreadable> {
        match self.part {
            Part::Between | Part::End => Ok(()),
            _ => Err(Unreadable(Detail::CutShort)),
        }
    }

    /// Inflates; what is left of the input where the deflated data ends.
    fn inflate<'c, E: From<Unreadable>>(
        &mut self,
        mut coded: &'c [u8],
        take: &mut dyn FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<&'c [u8], E> {
        let zlib = match self.coding {
            Coding::Deflate => TINFL_FLAG_PARSE_ZLIB_HEADER,
            Coding::Gzip | Coding::Identity => 0,
        };
        loop {
            let flags = zlib | TINFL_FLAG_HAS_MORE_INPUT;
            let (status, read, written) =
                decompress(&mut self.inflate, coded, &mut self.window, self.at, flags);
            coded = coded.get(read..).unwrap_or_default();
            let end = self.at + written;
            let bytes = self.window.get(self.at..end).unwrap_or_default();
            self.at = end % WINDOW_BYTES;
            self.written = self.written.saturating_add(written as u64);
            if self.written > CODED_BODY_BYTES_FREE.max(self.read.saturating_mul(CODED_BODY_RATIO)) {
                return Err(Unreadable(Detail::TooLarge).into());
            }
            if self.coding == Coding::Gzip {
                self.checksum = crc32(self.checksum, bytes);
                self.length = self.length.wrapping_add(written as u32);
            }
            if !bytes.is_empty() {
                take(bytes)?;
            }
            match status {
                TINFLStatus::Done => {
                    self.part = match self.coding {
                        Coding::Gzip => Part::Trailer(0),
                        Coding::Deflate | Coding::Identity => Part::End,
                    };
                    return Ok(coded);
                }
                TINFLStatus::HasMoreOutput => {}
                TINFLStatus::NeedsMoreInput => return Ok(coded),
                _ => return Err(Unreadable(Detail::ContentCoding).into()),
            }
        }
    }

    /// A byte of the frame around what is deflated -> what comes next; `None` where it cannot be there.
    fn frame(&mut self, byte: u8) -> Option<Part> {
        const HEAD_BYTES: usize = 10;
        Some(match self.part {
            Part::Between => {
                self.begin_member();
                return self.frame(byte);
            }
            Part::Head(at) => {
                let fits = match at {
                    0 => byte == 0x1f,
                    1 => byte == 0x8b,
                    2 => byte == 8,
                    3 => byte & flag::RESERVED == 0,
                    // Time, and two bytes about the compressor.
                    _ => true,
                };
                if at == 3 {
                    self.flags = byte;
                }
                match at + 1 {
                    _ if !fits => return None,
                    HEAD_BYTES => self.after_head(flag::EXTRA),
                    next => Part::Head(next),
                }
            }
            Part::ExtraLength(None) => Part::ExtraLength(Some(byte)),
            Part::ExtraLength(Some(low)) => match u16::from_le_bytes([low, byte]) {
                0 => self.after_head(flag::NAME),
                length => Part::Extra(length),
            },
            Part::Extra(1) => self.after_head(flag::NAME),
            Part::Extra(left) => Part::Extra(left.checked_sub(1)?),
            Part::Name if byte == 0 => self.after_head(flag::COMMENT),
            Part::Comment if byte == 0 => self.after_head(flag::HEADER_CHECKSUM),
            Part::Name | Part::Comment => self.part,
            Part::HeadChecksum(0) => Part::HeadChecksum(1),
            Part::HeadChecksum(_) => Part::Deflated,
            Part::Trailer(at) => {
                *self.trailer.get_mut(at)? = byte;
                match at + 1 {
                    8 if self.is_intact() => Part::Between,
                    8 => return None,
                    next => Part::Trailer(next),
                }
            }
            Part::Deflated | Part::End => return None,
        })
    }

    /// What comes next in a head from the field of a flag on, in their order.
    fn after_head(&self, from: u8) -> Part {
        let fields = [
            (flag::EXTRA, Part::ExtraLength(None)),
            (flag::NAME, Part::Name),
            (flag::COMMENT, Part::Comment),
            (flag::HEADER_CHECKSUM, Part::HeadChecksum(0)),
        ];
        let from = fields
            .iter()
            .position(|(flag, _)| *flag == from)
            .unwrap_or_default();
        let left = fields.iter().skip(from);
        left.copied()
            .find(|(flag, _)| self.flags & flag != 0)
            .map_or(Part::Deflated, |(_, part)| part)
    }

    fn is_intact(&self) -> bool {
        let [a, b, c, d, e, f, g, h] = self.trailer;
        u32::from_le_bytes([a, b, c, d]) == !self.checksum && u32::from_le_bytes([e, f, g, h]) == self.length
    }
}

/// The checksum of RFC 1952, section 8, over more bytes; begins and ends complemented.
fn crc32(checksum: u32, bytes: &[u8]) -> u32 {
    #[expect(clippy::indexing_slicing, reason = "the compiler evaluates it")]
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut byte = 0;
        while byte < 256 {
            let (mut crc, mut bit) = (byte as u32, 0);
            while bit < 8 {
                crc = (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
                bit += 1;
            }
            table[byte] = crc;
            byte += 1;
        }
        table
    };
    bytes.iter().fold(checksum, |crc, byte| {
        let index = usize::from(crc as u8 ^ byte);
        crc >> 8 ^ TABLE.get(index).copied().unwrap_or_default()
    })
}

#[cfg(test)]
mod tests;
