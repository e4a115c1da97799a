//! image bytes --load--> [`Image`]: the one door. What passes it is whole (SHA-256 over all bytes), of this format
//! version, and every offset in it was checked once, in linear time; after that nothing fails and nothing panics.
//! Knows nothing of requests.

pub mod config;
pub mod inspect;
pub(crate) mod layout;
pub(crate) mod tables;
mod validate;
mod validate_bitmap;
pub(crate) mod wire;

use sha2::{Digest, Sha256};

use config::Config;
pub use inspect::Inspection;
pub use layout::FORMAT_VERSION;
use wire::Wire as _;

/// Largest image, bytes: offsets are 32 bits wide and words are counted in them.
pub const IMAGE_BYTES_MAX: usize = 1 << 31;

/// A loaded policy. `Send + Sync`, immutable.
#[derive(Clone, Debug)]
pub struct Image {
    digest: [u8; 32],
    config: Config,
    words: Vec<u32>,
    bytes: Vec<u8>,
    sections: [(u32, usize); 3],
}

/// Bytes that are no image of ours. The last good image stays in force: loading makes a new value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// Shorter than a header, or longer than [`IMAGE_BYTES_MAX`].
    #[error("an image is between {HEADER} and {IMAGE_BYTES_MAX} bytes long, this is {0}", HEADER = layout::HEADER)]
    Length(usize),
    /// Not an image.
    #[error("this is not a Portcullis image: it does not start with its magic bytes")]
    Magic,
    /// Written by another version.
    #[error("the image has format version {0}, this engine reads {FORMAT_VERSION}: compile the policy again")]
    Version(u32),
    /// The length in the header is not that of the bytes.
    #[error("the image says it is {said} bytes long and is {is}: it was cut off or something was appended")]
    Truncated {
        /// In the header.
        said: u64,
        /// As given.
        is: u64,
    },
    /// A bit is not what it was.
    #[error("the image's digest does not match its bytes: it was damaged")]
    Digest,
    /// The section table.
    #[error("the image's section table is not as format version {FORMAT_VERSION} writes it")]
    Sections,
    /// The config section.
    #[error(transparent)]
    Config(#[from] wire::WireError),
    /// An offset, index or bound.
    #[error("the image's {what} at word {at} points outside its bounds")]
    Bounds {
        /// Which structure.
        what: &'static str,
        /// Word.
        at: u32,
    },
}

impl Image {
    /// Checks and loads an image: linear in its length, no I/O.
    pub fn load(image: &[u8]) -> Result<Image, LoadError> {
        if image.len() < layout::HEADER || image.len() > IMAGE_BYTES_MAX {
            return Err(LoadError::Length(image.len()));
        }
        let u32_at = |at: usize| {
            image
                .get(at..at + 4)
                .and_then(|b| b.try_into().ok())
                .map_or(0, u32::from_le_bytes)
        };
        let u64_at = |at: usize| {
            image
                .get(at..at + 8)
                .and_then(|b| b.try_into().ok())
                .map_or(0, u64::from_le_bytes)
        };
        if image[..8] != layout::MAGIC {
            return Err(LoadError::Magic);
        }
        if u32_at(40) != FORMAT_VERSION {
            return Err(LoadError::Version(u32_at(40)));
        }
        if u64_at(48) != image.len() as u64 {
            return Err(LoadError::Truncated {
                said: u64_at(48),
                is: image.len() as u64,
            });
        }
        let digest = digest_of(image);
        if image[layout::DIGEST_AT..layout::DIGEST_AT + 32] != digest {
            return Err(LoadError::Digest);
        }
        let count = u32_at(44) as usize;
        if count != layout::SECTIONS.len() {
            return Err(LoadError::Sections);
        }
        let mut parts: [&[u8]; 3] = [&[]; 3];
        let mut expected = (layout::HEADER + count * layout::SECTION) as u64;
        for (i, (part, id)) in parts.iter_mut().zip(layout::SECTIONS).enumerate() {
            let at = layout::HEADER + i * layout::SECTION;
            let (offset, len) = (u64_at(at + 8), u64_at(at + 16));
            let end = offset.checked_add(len).ok_or(LoadError::Sections)?;
            // Sections follow each other without gaps, so no byte escapes the checks below.
            if u32_at(at) != id || offset != expected || end > image.len() as u64 {
                return Err(LoadError::Sections);
            }
            *part = &image[offset as usize..end as usize];
            expected = end;
        }
        if expected != image.len() as u64 || !parts[1].len().is_multiple_of(4) {
            return Err(LoadError::Sections);
        }
        let mut cursor = wire::Cursor::new(parts[0]);
        let config = Config::read(&mut cursor)?;
        if !cursor.at_end() {
            return Err(LoadError::Sections);
        }
        let words = parts[1]
            .chunks_exact(4)
            .map(|chunk| chunk.try_into().map_or(0, u32::from_le_bytes))
            .collect::<Vec<u32>>();
        validate::validate(&config, &words, parts[2])?;
        let sections = [
            (layout::CONFIG, parts[0].len()),
            (layout::WORDS, parts[1].len()),
            (layout::BYTES, parts[2].len()),
        ];
        Ok(Image {
            digest,
            config,
            words,
            bytes: parts[2].to_vec(),
            sections,
        })
    }

    /// SHA-256 of the image (its own digest field read as zero).
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// Declarations beside the graphs.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Sizes, counts, worst-case steps, the graph.
    pub fn inspect(&self) -> Inspection {
        inspect::inspect(self)
    }

    pub(crate) fn directory(&self, word: u32) -> u32 {
        self.words.get(word as usize).copied().unwrap_or(0)
    }

    pub(crate) fn view<'i>(&'i self, touched: &'i std::cell::Cell<u64>) -> tables::View<'i> {
        tables::View {
            words: &self.words,
            bytes: &self.bytes,
            touched,
        }
    }
}

/// The digest as it stands in an image.
fn digest_of(image: &[u8]) -> [u8; 32] {
    let mut sha = Sha256::new();
    sha.update(&image[..layout::DIGEST_AT]);
    sha.update([0u8; 32]);
    sha.update(&image[layout::DIGEST_AT + 32..]);
    sha.finalize().into()
}

/// Puts the sections together. Deterministic.
#[cfg(feature = "compile")]
pub(crate) fn assemble(config: &Config, words: &[u32], bytes: &[u8]) -> Vec<u8> {
    let mut wire = Vec::new();
    config.write(&mut wire);
    let word_bytes: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
    let parts: [&[u8]; 3] = [&wire, &word_bytes, bytes];
    let start = layout::HEADER + parts.len() * layout::SECTION;
    let total = start + parts.iter().map(|p| p.len()).sum::<usize>();
    let mut image = Vec::with_capacity(total);
    image.extend_from_slice(&layout::MAGIC);
    image.extend_from_slice(&[0; 32]);
    image.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
    image.extend_from_slice(&(parts.len() as u32).to_le_bytes());
    image.extend_from_slice(&(total as u64).to_le_bytes());
    let mut offset = start as u64;
    for (part, id) in parts.iter().zip(layout::SECTIONS) {
        image.extend_from_slice(&id.to_le_bytes());
        image.extend_from_slice(&0u32.to_le_bytes());
        image.extend_from_slice(&offset.to_le_bytes());
        image.extend_from_slice(&(part.len() as u64).to_le_bytes());
        offset += part.len() as u64;
    }
    parts.iter().for_each(|part| image.extend_from_slice(part));
    let digest = digest_of(&image);
    image[layout::DIGEST_AT..layout::DIGEST_AT + 32].copy_from_slice(&digest);
    image
}
