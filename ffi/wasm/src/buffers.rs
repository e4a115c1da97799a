//! Pointers and lengths from the host -> bytes. The one place that reads memory by its address.
//!
//! Invariant: only what lies inside a live buffer of this table is ever read, so a wrong number from the host is an
//! error and never a read of other memory.

use std::collections::BTreeMap;

/// Largest single buffer: an image of the largest size, or a large table.
const BUFFER_BYTES_MAX: usize = 1 << 30;

/// Buffers that the host may write into: address, length.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    live: BTreeMap<usize, usize>,
}

impl Memory {
    /// A zeroed buffer; 0 where there is none to give.
    pub(crate) fn alloc(&mut self, len: usize) -> usize {
        if len == 0 || len > BUFFER_BYTES_MAX {
            return 0;
        }
        let mut buffer = Vec::new();
        if buffer.try_reserve_exact(len).is_err() {
            return 0;
        }
        buffer.resize(len, 0u8);
        let address = Box::into_raw(buffer.into_boxed_slice())
            .cast::<u8>()
            .expose_provenance();
        self.live.insert(address, len);
        address
    }

    /// Gives a buffer back; false where it is none of ours.
    pub(crate) fn free(&mut self, address: usize) -> bool {
        let Some(len) = self.live.remove(&address) else {
            return false;
        };
        let start = std::ptr::with_exposed_provenance_mut::<u8>(address);
        // SAFETY: `alloc` made this very address from a `Box<[u8]>` of `len` bytes and exposed it; it was in the
        // table, so it was not freed since, and now that it is out of it nobody will free it again.
        drop(unsafe { Box::from_raw(std::ptr::slice_from_raw_parts_mut(start, len)) });
        true
    }

    /// A copy of bytes inside one live buffer; no bytes may lie anywhere.
    pub(crate) fn read(&self, address: usize, len: usize) -> Option<Vec<u8>> {
        if len == 0 {
            return Some(Vec::new());
        }
        let (start, size) = self.live.range(..=address).next_back()?;
        let offset = address - start;
        if offset.checked_add(len)? > *size {
            return None;
        }
        let first = std::ptr::with_exposed_provenance::<u8>(address);
        // SAFETY: the range lies inside a live buffer (just checked) whose bytes `alloc` initialised and whose
        // provenance it exposed. The host writes only between calls, and the borrow ends in this statement.
        Some(unsafe { std::slice::from_raw_parts(first, len) }.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_live_buffers_are_read() {
        let mut memory = Memory::default();
        let a = memory.alloc(8);
        assert_eq!(memory.read(a, 8), Some(vec![0; 8]));
        assert_eq!(memory.read(a + 3, 5), Some(vec![0; 5]));
        assert_eq!(memory.read(0, 0), Some(vec![]));
        for (address, len) in [
            (a, 9),
            (a + 3, 6),
            (a + 8, 1),
            (0, 1),
            (a - 1, 1),
            (a, usize::MAX),
            (usize::MAX, 2),
        ] {
            assert_eq!(memory.read(address, len), None, "{len}");
        }
        assert!(memory.free(a) && !memory.free(a) && !memory.free(0));
        assert_eq!(memory.read(a, 1), None);
        assert_eq!((memory.alloc(0), memory.alloc(usize::MAX)), (0, 0));
    }
}
