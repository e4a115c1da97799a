//! Numbers of an image, each of its own type: what counts one thing is not taken for what counts another.

use super::layout::LEAF;

/// A rule: an index into [`super::config::Config::rules`]; smaller is the smaller id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleId(pub u32);

impl RuleId {
    /// As an index.
    #[inline]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A fact that the policy reads: an index into [`super::config::Config::sources`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(pub u32);

impl Slot {
    /// As an index.
    #[inline]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A variable of the graphs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VarId(pub u32);

/// A class of a variable's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClassId(pub u32);

impl ClassId {
    /// The fact is unknown.
    pub const UNKNOWN: ClassId = ClassId(0);
    /// False, or a value that no literal names.
    pub const FALSE: ClassId = ClassId(1);
    /// True.
    pub const TRUE: ClassId = ClassId(2);

    /// Of a test whose fact is known.
    #[inline]
    pub fn of(holds: bool) -> ClassId {
        if holds { ClassId::TRUE } else { ClassId::FALSE }
    }
}

/// A root or an edge of a graph: the word offset of a node, or a leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeRef(pub u32);

impl NodeRef {
    /// The leaf's value, else none.
    #[inline]
    pub fn leaf(self) -> Option<u32> {
        (self.0 & LEAF != 0).then_some(self.0 & !LEAF)
    }
}
