//! Open containers of a JSON text -> whether the innermost one is an object. A bit each.

use crate::limits::BODY_DEPTH;

/// The containers that are open.
#[derive(Debug, Default)]
pub(super) struct Nest {
    depth: usize,
    /// A bit each: it is an object.
    objects: [u64; BODY_DEPTH / 64],
}

impl Nest {
    pub(super) fn clear(&mut self) {
        self.depth = 0;
    }

    pub(super) fn depth(&self) -> usize {
        self.depth
    }

    /// Whether there was room for one more.
    #[inline]
    pub(super) fn open(&mut self, is_object: bool) -> bool {
        let Some(word) = self.objects.get_mut(self.depth / 64) else {
            return false;
        };
        let bit = 1 << (self.depth % 64);
        *word = if is_object { *word | bit } else { *word & !bit };
        self.depth += 1;
        true
    }

    #[inline]
    pub(super) fn close(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }

    #[inline]
    pub(super) fn in_object(&self) -> bool {
        let open = self.depth.saturating_sub(1);
        let word = self.objects.get(open / 64).copied().unwrap_or_default();
        self.depth > 0 && word >> (open % 64) & 1 == 1
    }
}
