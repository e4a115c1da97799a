//! The small things that everything above is made of: memory of one decision, values, and the lexical forms of text.
//! Knows no requests, no policies and no images.

pub(crate) mod address;
pub(crate) mod json;
pub(crate) mod order;
mod owned;
pub(crate) mod text;

pub(crate) use owned::OwnedValue;

use std::fmt::Write as _;
use std::net::IpAddr;

/// Where a decision writes what the request does not hold as bytes. Emptied, not freed, before the next decision.
pub(crate) type Arena = bumpalo::Bump;
/// A list that grows in the arena.
pub(crate) type List<'a, T> = bumpalo::collections::Vec<'a, T>;
/// A text that grows in the arena.
pub(crate) type Text<'a> = bumpalo::collections::String<'a>;

/// A known value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// Bool.
    Bool(bool),
    /// Int, or instant in µs.
    Int(i64),
    /// String.
    Bytes(&'a [u8]),
    /// Address, never IPv4-mapped.
    Ip(IpAddr),
    /// In any order; an element may stand there more than once.
    Set(&'a [&'a [u8]]),
}

/// A fact, fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fetched<'a> {
    /// What `exists` sees: any value was sent, good or not; defaults are not sent.
    pub sent: bool,
    /// `None` is unknown.
    pub value: Option<Value<'a>>,
}

impl<'a> Fetched<'a> {
    pub(crate) const ABSENT: Fetched<'a> = Fetched {
        sent: false,
        value: None,
    };
    pub(crate) const ILL: Fetched<'a> = Fetched {
        sent: true,
        value: None,
    };

    pub(crate) fn sent(value: Option<Value<'a>>) -> Fetched<'a> {
        Fetched { sent: true, value }
    }

    /// Absent where there is none.
    pub(crate) fn present(value: Option<Value<'a>>) -> Fetched<'a> {
        Fetched {
            sent: value.is_some(),
            value,
        }
    }

    /// Not sent, with what a default makes of that.
    pub(crate) fn absent_or(default: Option<Value<'a>>) -> Fetched<'a> {
        Fetched {
            sent: false,
            value: default,
        }
    }
}

impl<'a> Value<'a> {
    /// The text form that quota keys, headers and samples use; a set's elements sorted, each once.
    pub fn text(&self, arena: &'a Arena) -> &'a [u8] {
        let written = |value: &dyn std::fmt::Display| {
            let mut text = Text::new_in(arena);
            // Writing into a text does not fail.
            let _ = write!(text, "{value}");
            text.into_bump_str().as_bytes()
        };
        match self {
            Value::Bool(true) => b"true",
            Value::Bool(false) => b"false",
            Value::Int(value) => written(value),
            Value::Bytes(value) => value,
            Value::Ip(value) => written(value),
            Value::Set(elements) => {
                let mut sorted = List::new_in(arena);
                sorted.extend_from_slice_copy(elements);
                order::sort(&mut sorted);
                sorted.dedup();
                join(&sorted, b' ', arena)
            }
        }
    }
}

fn join<'a>(parts: &[&[u8]], separator: u8, arena: &'a Arena) -> &'a [u8] {
    let mut joined = List::new_in(arena);
    for (at, part) in parts.iter().enumerate() {
        if at > 0 {
            joined.push(separator);
        }
        joined.extend_from_slice_copy(part);
    }
    joined.into_bump_slice()
}
