//! Names -> whether one may have come twice: a bit for each name by its hash. Two names that share no bit differ; those
//! that share one must be compared. Knows no JSON.

/// Words of marks: enough that the dozen names of a token seldom share a bit.
const WORDS: usize = 16;

/// The names of one object.
#[derive(Clone, Copy, Debug, Default)]
pub struct Marks([u64; WORDS]);

impl Marks {
    /// Marks a name by its hash; whether no name before had its bit.
    #[inline]
    pub(super) fn is_new(&mut self, hash: u32) -> bool {
        let bit = 1 << (hash & 63);
        match self.0.get_mut((hash >> 6) as usize % WORDS) {
            Some(word) if *word & bit == 0 => {
                *word |= bit;
                true
            }
            _ => false,
        }
    }

    /// Whether a name may be among them; if not, it is not.
    #[inline]
    pub fn may_hold(&self, name: &[u8]) -> bool {
        let hash = hash(name);
        let word = self.0.get((hash >> 6) as usize % WORDS);
        word.is_some_and(|word| word >> (hash & 63) & 1 == 1)
    }
}

/// A hash of names that only sorts out which of them to compare; collisions cost time and never an answer.
#[inline]
pub fn hash(name: &[u8]) -> u32 {
    let ends = match (name.first_chunk::<4>(), name.last_chunk::<4>()) {
        (Some(first), Some(last)) => {
            u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << 32
        }
        _ => name.iter().fold(0, |ends, byte| ends << 8 | u64::from(*byte)),
    };
    ((ends ^ name.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u32
}
