//! JSON text -> a flat tape of nodes, each with its place in the text, in one pass. Validates all of RFC 8259, refuses
//! lone surrogates, bounds depth by an explicit stack, and notices members that may be given twice. Who reads brings the
//! tape, so the engine's lies in an arena; escapes are decoded when somebody asks. Knows no claims and no tables.

mod escape;
mod item;
mod marks;
mod scan;

use core::fmt;

pub use escape::unescape;
pub use item::JsonItem;
pub use marks::{Marks, hash};
pub use scan::{JsonScan, scan};

/// Containers that may be open at once.
pub const DEPTH_MAX: usize = 64;

/// Why a text is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonFault {
    /// More bytes than the caller's bound, which it names.
    TooLarge(usize),
    /// Not JSON: at a byte, where something else was expected.
    Syntax(usize, Expected),
    /// More than [`DEPTH_MAX`] open containers, at a byte.
    TooDeep(usize),
}

impl JsonFault {
    /// The byte where it was noticed; 0 for a text that is too large.
    pub fn offset(self) -> usize {
        match self {
            JsonFault::TooLarge(_) => 0,
            JsonFault::Syntax(at, _) | JsonFault::TooDeep(at) => at,
        }
    }
}

impl fmt::Display for JsonFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JsonFault::TooLarge(max) => write!(f, "more than {max} bytes"),
            JsonFault::Syntax(at, expected) => write!(f, "not JSON at byte {at}: expected {expected}"),
            JsonFault::TooDeep(at) => write!(f, "nested deeper than {DEPTH_MAX} at byte {at}"),
        }
    }
}

impl core::error::Error for JsonFault {}

/// What would have been JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// A text that is UTF-8.
    Utf8,
    /// A value.
    Value,
    /// A member's name.
    Name,
    /// The `:` behind a name.
    Colon,
    /// Another member or the end of the object.
    MemberEnd,
    /// Another element or the end of the array.
    ElementEnd,
    /// The end of the text.
    End,
    /// More of a string: it is not closed, or holds a raw control character.
    Text,
    /// An escape of JSON, and no lone surrogate.
    Escape,
    /// A digit of a number.
    Digit,
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Expected::Utf8 => "UTF-8",
            Expected::Value => "a value",
            Expected::Name => "a member's name in quotes",
            Expected::Colon => "`:`",
            Expected::MemberEnd => "`,` or `}`",
            Expected::ElementEnd => "`,` or `]`",
            Expected::End => "nothing after the value",
            Expected::Text => "the rest of the string, without control characters",
            Expected::Escape => "an escape of JSON; surrogates come in pairs",
            Expected::Digit => "a digit",
        })
    }
}

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonKind {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number, not read.
    Number,
    /// A string or a member's name.
    Text {
        /// It holds no escapes.
        plain: bool,
    },
    /// An array.
    Array,
    /// An object.
    Object,
}

/// A value, or a member's name, which stands right before the member's value.
#[derive(Clone, Copy, Debug)]
pub struct JsonNode {
    /// What it is.
    pub kind: JsonKind,
    /// First byte: of a text, after its quote; of a container, its bracket.
    pub start: u32,
    /// One past the last byte of a scalar, of a text without its quote.
    pub end: u32,
    /// Index of the first node that is not inside; of a member's name, which holds nothing, the [`hash`] of the name.
    pub next: u32,
}

/// Where nodes are kept, in order.
pub trait JsonTape {
    /// How many there are.
    fn len(&self) -> usize;
    /// Whether there is none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Adds one.
    fn push(&mut self, node: JsonNode);
    /// The one at an index.
    fn get_mut(&mut self, index: usize) -> Option<&mut JsonNode>;
    /// The [`hash`] of a name that holds escapes, decoded.
    fn hash_escaped(&self, raw: &[u8]) -> u32;
}

impl JsonTape for alloc::vec::Vec<JsonNode> {
    fn len(&self) -> usize {
        self.len()
    }

    fn push(&mut self, node: JsonNode) {
        self.push(node);
    }

    fn get_mut(&mut self, index: usize) -> Option<&mut JsonNode> {
        <[JsonNode]>::get_mut(self, index)
    }

    fn hash_escaped(&self, raw: &[u8]) -> u32 {
        let mut name = alloc::vec::Vec::new();
        unescape(raw, |part| name.extend_from_slice(part));
        hash(&name)
    }
}
