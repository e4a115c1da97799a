//! The names of members that came before in a response -> where they led, for names come again and again. Names are compared
//! whole, so that no chosen name leads elsewhere. Knows no JSON.

use super::{PathState, PathSteps};

/// Names that are kept, a power of two.
const SLOTS: usize = 64;

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    first: u64,
    last: u64,
    /// One more than the name's length; 0 where there is none.
    length: u32,
    state: PathState,
    member: PathState,
}

/// Where names led.
#[derive(Debug)]
pub(super) struct Members {
    slots: [Slot; SLOTS],
}

impl Default for Members {
    fn default() -> Members {
        Members {
            slots: [Slot::default(); SLOTS],
        }
    }
}

impl Members {
    pub(super) fn clear(&mut self) {
        self.slots.fill(Slot::default());
    }

    /// As [`PathSteps::member`].
    #[inline]
    pub(super) fn member<P: PathSteps>(&mut self, paths: P, state: PathState, name: &[u8]) -> PathState {
        let Some((first, last, length)) = whole(name) else {
            return paths.member(state, name);
        };
        let mixed = (first ^ last.rotate_left(29) ^ u64::from(state.0)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let Some(slot) = self.slots.get_mut((mixed >> 58) as usize % SLOTS) else {
            return paths.member(state, name);
        };
        if (slot.first, slot.last, slot.length, slot.state) != (first, last, length, state) {
            *slot = Slot {
                first,
                last,
                length,
                state,
                member: paths.member(state, name),
            };
        }
        slot.member
    }
}

/// All of a name of at most 16 bytes: its first and last ones, and one more than how many.
#[inline]
fn whole(name: &[u8]) -> Option<(u64, u64, u32)> {
    let (first, last) = match name.len() {
        0..4 => (name.iter().fold(0, |all, byte| all << 8 | u64::from(*byte)), 0),
        4..8 => (
            u32::from_le_bytes(*name.first_chunk()?).into(),
            u32::from_le_bytes(*name.last_chunk()?).into(),
        ),
        8..=16 => (
            u64::from_le_bytes(*name.first_chunk()?),
            u64::from_le_bytes(*name.last_chunk()?),
        ),
        _ => return None,
    };
    Some((first, last, name.len() as u32 + 1))
}
