//! An entry and a node -> their parts: the one place that knows how heads are packed, for walk, validator and
//! inspection alike. Total: whatever the words are, reading ends and says where the record ends.

use super::layout::{KINDS, entry, fallback, node};
use portcullis_base::CredentialKinds;

/// An entry's head, read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Entry {
    /// [`fallback`]
    pub fallback: u32,
    /// Text of the Allow header, where the fallback is a method's.
    pub allow: u32,
    /// Credential kinds that its allows read.
    pub kinds: CredentialKinds,
    /// What leaf 1 means in labelled arrays.
    label: u32,
    labelled: u32,
    /// Offset of the offsets of its filters, 0 for none.
    pub filters: u32,
    /// First item and count of each array.
    arrays: [(u32, u32); entry::ARRAYS],
    /// One past the last word. Saturates where counts lie.
    pub end: u32,
}

impl Entry {
    /// Reads the head of the entry at an offset.
    #[inline]
    pub fn read(at: u32, word: impl Fn(u32) -> u32) -> Entry {
        let head = word(at);
        let mut out = Entry {
            fallback: head >> entry::FALLBACK_SHIFT & 3,
            kinds: CredentialKinds::from_bits((head >> entry::KINDS_SHIFT & 127) as u8),
            labelled: head >> entry::LABELLED_SHIFT & 15,
            ..Entry::default()
        };
        let mut next = at.saturating_add(1);
        if out.fallback == fallback::METHOD {
            out.allow = word(next);
            next = next.saturating_add(1);
        }
        if out.labelled != 0 {
            out.label = word(next);
            next = next.saturating_add(1);
        }
        if head >> entry::FILTERED_SHIFT & 1 != 0 {
            out.filters = word(next);
            next = next.saturating_add(1);
        }
        let counted = head >> entry::COUNTED_SHIFT;
        let mut left = head >> entry::PRESENT_SHIFT & ((1 << entry::ARRAYS) - 1);
        while left != 0 {
            let array = left.trailing_zeros() as usize;
            left &= left - 1;
            let mut count = 1;
            if counted >> array & 1 != 0 {
                count = word(next);
                next = next.saturating_add(1);
            }
            if let (Some(slot), Some(size)) = (out.arrays.get_mut(array), entry::ITEM.get(array)) {
                *slot = (next, count);
                next = next.saturating_add(count.saturating_mul(*size));
            }
        }
        out.end = next;
        out
    }

    /// Offset of the first item of an array, and how many there are.
    #[inline]
    pub fn array(&self, array: usize) -> (u32, u32) {
        self.arrays.get(array).copied().unwrap_or((0, 0))
    }

    /// What a leaf of an array's graph means.
    #[inline]
    pub fn meaning(&self, array: usize, leaf: u32) -> u32 {
        if leaf != 0 && self.labelled << entry::DENY >> array & 1 != 0 {
            self.label
        } else {
            leaf
        }
    }
}

/// A node's shape.
#[derive(Clone, Copy, Debug)]
pub struct Node {
    /// The variable whose class is looked at.
    pub var: u32,
    /// One of the forms of [`node`].
    pub form: u32,
    class: u32,
    at: u32,
    /// Arms but for the default.
    pub count: u32,
    /// One past the last word. Saturates where the count lies.
    pub end: u32,
}

impl Node {
    /// Reads the node at an offset.
    pub fn read(at: u32, word: impl Fn(u32) -> u32) -> Node {
        let head = word(at);
        let form = head >> node::FORM_SHIFT;
        let (count, len) = match form {
            node::FALL => (1, 2),
            node::TWO => (1, 3),
            form => {
                let count = word(at.saturating_add(1));
                let width = if form == node::SPARSE { 2 } else { 1 };
                (count, count.saturating_mul(width).saturating_add(3))
            }
        };
        Node {
            var: head & node::VAR_MAX,
            form,
            class: head >> node::CLASS_SHIFT & node::CLASS_MAX,
            at,
            count,
            end: at.saturating_add(len),
        }
    }

    /// Offset of the default child; none where it is leaf 0.
    pub fn default(&self) -> Option<u32> {
        (self.form != node::FALL).then_some(self.at + 2)
    }

    /// Class and offset of the child of each arm.
    pub fn arms<W: Fn(u32) -> u32>(self, word: W) -> impl Iterator<Item = (u32, u32)> {
        (0..self.count).map(move |i| match self.form {
            node::FALL | node::TWO => (self.class, self.at + 1),
            node::SPARSE => (word(self.at + 3 + i), self.at + 3 + self.count + i),
            _ => (i, self.at + 3 + i),
        })
    }
}

/// Words of a shape after its count: one half word for each kind of exchange and method, all others last.
pub fn shape_words(methods: u32) -> u32 {
    (methods.saturating_add(1)).saturating_mul(KINDS).div_ceil(2)
}
