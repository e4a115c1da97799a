//! image bytes --load--> [`Image`]: the one door. What passes it is whole (SHA-256 over all bytes), of this format
//! version, and every offset in it was checked once, in linear time; after that nothing fails and nothing panics.
//! Knows nothing of requests.

// what stands where, for those who write images or look into them
mod accepts;
pub mod config;
pub mod entry;
pub mod hash;
pub mod ids;
pub mod layout;
pub mod paths;
mod rules;
pub mod symbols;
pub mod tables;
mod wire;

// whom to trust
pub mod seal;
mod trust;

// bytes -> image
mod validate;

use sha2::{Digest, Sha256};

use config::Config;
pub use layout::FORMAT_VERSION;
use trust::Admission;
pub use trust::{HighWater, SealInfo, Trust, TrustError, TrustedKeys, WhenExpired};
use wire::Wire as _;

/// Largest image, bytes: offsets are 32 bits wide and words are counted in them.
pub const IMAGE_BYTES_MAX: usize = 1 << 31;
/// Nodes on the longest ways through all graphs of one entry, together: what one decision may walk. Ten thousand rules
/// with conditions of 256 tests on one route stay below; more would be a decision of tens of milliseconds.
pub const ENTRY_STEPS_MAX: u64 = 1 << 22;

/// Features that this build has, by the names that images require them under.
const FEATURES: &[&str] = &[];

/// A loaded policy. `Send + Sync`, immutable.
#[derive(Clone, Debug)]
pub struct Image {
    digest: [u8; 32],
    config: Config,
    words: Vec<u32>,
    bytes: Vec<u8>,
    symbols: Option<symbols::Symbols>,
    sections: Vec<(u32, usize)>,
    admission: Admission,
}

/// Bytes that are no image of ours. The last good image stays in force: loading makes a new value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// The bytes of a seal.
    #[error(transparent)]
    Seal(#[from] seal::SealError),
    /// The seal is not one to be trusted here, or there is none.
    #[error(transparent)]
    Untrusted(#[from] TrustError),
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
    /// A feature that the policy needs and this build of the engine lacks.
    #[error("the image requires the feature `{0}`, which this engine was built without")]
    Requires(String),
    /// An offset, index or bound.
    #[error("the image's {what} at word {at} points outside its bounds")]
    Bounds {
        /// Which structure.
        what: &'static str,
        /// Word.
        at: u32,
    },
    /// More than [`ENTRY_STEPS_MAX`] steps.
    #[error("deciding at the entry of word {at} could take {steps} steps; {ENTRY_STEPS_MAX} are allowed")]
    Steps {
        /// Word of the entry.
        at: u32,
        /// Nodes on the longest ways through all of its graphs.
        steps: u64,
    },
}

impl Image {
    /// Checks and loads an image, sealed or not, as far as it is to be trusted: linear in its length, no I/O. The
    /// seal is judged before a byte of the image is read.
    pub fn load(bytes: &[u8], trust: &Trust) -> Result<Image, LoadError> {
        let (bare, admission) = trust::admit(bytes, trust)?;
        let mut image = Image::read(bare)?;
        image.admission = admission;
        Ok(image)
    }

    /// An image without a seal.
    fn read(image: &[u8]) -> Result<Image, LoadError> {
        if image.len() < layout::HEADER || image.len() > IMAGE_BYTES_MAX {
            return Err(LoadError::Length(image.len()));
        }
        let u32_at = |at: usize| u32::from_le_bytes(bytes_at(image, at));
        let u64_at = |at: usize| u64::from_le_bytes(bytes_at(image, at));
        if !image.starts_with(&layout::MAGIC) {
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
        if image.get(DIGEST) != Some(&digest[..]) {
            return Err(LoadError::Digest);
        }
        // Symbols are last and may be missing.
        let count = u32_at(44) as usize;
        if count != layout::SECTIONS.len() && count != layout::SECTIONS.len() - 1 {
            return Err(LoadError::Sections);
        }
        let mut parts: [&[u8]; layout::SECTIONS.len()] = [&[]; layout::SECTIONS.len()];
        let mut sections = Vec::with_capacity(count);
        let mut expected = (layout::HEADER + count * layout::SECTION) as u64;
        for (i, (part, id)) in parts.iter_mut().zip(layout::SECTIONS).take(count).enumerate() {
            let at = layout::HEADER + i * layout::SECTION;
            let (offset, len) = (u64_at(at + 8), u64_at(at + 16));
            let end = offset.checked_add(len).ok_or(LoadError::Sections)?;
            // Sections follow each other without gaps, so no byte escapes the checks below.
            if u32_at(at) != id || offset != expected {
                return Err(LoadError::Sections);
            }
            *part = image
                .get(offset as usize..end as usize)
                .filter(|_| end <= image.len() as u64)
                .ok_or(LoadError::Sections)?;
            sections.push((id, part.len()));
            expected = end;
        }
        let [config, rules, words, bytes, symbols] = parts;
        if expected != image.len() as u64 || !words.len().is_multiple_of(4) {
            return Err(LoadError::Sections);
        }
        let mut cursor = wire::Cursor::new(config);
        let mut config = Config::read(&mut cursor)?;
        if !cursor.at_end() {
            return Err(LoadError::Sections);
        }
        let lacking = |name: &&String| !FEATURES.contains(&name.as_str());
        if let Some(name) = config.requires.iter().find(lacking) {
            return Err(LoadError::Requires(name.clone()));
        }
        config.rules.fill(rules)?;
        let words = to_words(words);
        let symbols = (count == layout::SECTIONS.len()).then_some(symbols);
        let symbols = validate::validate(&config, &words, bytes, symbols)?;
        Ok(Image {
            digest,
            config,
            words,
            bytes: bytes.to_vec(),
            symbols,
            sections,
            admission: Admission::default(),
        })
    }

    /// SHA-256 of the image (its own digest field read as zero).
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// What its seal says, where a trusted key has vouched for it.
    pub fn seal(&self) -> Option<&SealInfo> {
        self.admission.seal.as_ref()
    }

    /// Whether the seal has ended: the alarm of whoever keeps such an image in force. Without a time nobody knows.
    pub fn expired(&self, now_us: Option<i64>) -> Option<bool> {
        self.admission.expired(now_us)
    }

    pub(crate) fn admission(&self) -> &Admission {
        &self.admission
    }

    pub(crate) fn digest_ref(&self) -> &[u8; 32] {
        &self.digest
    }

    /// Declarations beside the graphs.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Whether the image can say what an allow lacked.
    pub fn has_symbols(&self) -> bool {
        self.symbols.is_some()
    }

    pub(crate) fn symbols(&self) -> Option<&symbols::Symbols> {
        self.symbols.as_ref()
    }

    /// Section ids and their lengths in bytes, in order.
    pub fn sections(&self) -> &[(u32, usize)] {
        &self.sections
    }

    /// The words of routes, graphs and tables; [`layout`] says what stands where.
    pub fn words(&self) -> &[u32] {
        &self.words
    }

    /// The pool of bytes that words point into.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The word at an offset; 0 past the end.
    pub fn word(&self, at: u32) -> u32 {
        self.words.get(at as usize).copied().unwrap_or(0)
    }

    pub(crate) fn view<'i>(&'i self, touched: &'i std::cell::Cell<u64>) -> tables::View<'i> {
        tables::View {
            words: &self.words,
            bytes: &self.bytes,
            touched,
        }
    }
}

/// Where the digest stands.
const DIGEST: std::ops::Range<usize> = layout::DIGEST_AT..layout::DIGEST_AT + 32;

/// So many bytes from a place on; zero where they are not there.
fn bytes_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let found = bytes.get(at..).and_then(|rest| rest.first_chunk());
    found.copied().unwrap_or([0; N])
}

/// Words of bytes, aligned; a rest of less than a word is left out.
fn to_words(bytes: &[u8]) -> Vec<u32> {
    bytes
        .chunks_exact(4)
        .map(|chunk| chunk.try_into().map_or(0, u32::from_le_bytes))
        .collect()
}

/// The digest as it stands in an image.
fn digest_of(image: &[u8]) -> [u8; 32] {
    let mut sha = Sha256::new();
    sha.update(image.get(..DIGEST.start).unwrap_or_default());
    sha.update([0u8; 32]);
    sha.update(image.get(DIGEST.end..).unwrap_or_default());
    sha.finalize().into()
}

/// Puts the sections together. Deterministic.
pub fn assemble(config: &Config, words: &[u32], bytes: &[u8], symbols: Option<&[u8]>) -> Vec<u8> {
    let mut wire = Vec::new();
    config.write(&mut wire);
    let rules = config.rules.section();
    let words: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
    let mut parts: Vec<&[u8]> = vec![&wire, &rules, &words, bytes];
    parts.extend(symbols);
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
    if let Some(place) = image.get_mut(DIGEST) {
        place.copy_from_slice(&digest);
    }
    image
}
