//! Values that outlive the request they came with. Knows no claims.

use super::{Arena, Value, order};
use std::net::IpAddr;

/// A value that outlives its request.
#[derive(Clone, Debug)]
pub(crate) enum OwnedValue {
    Bool(bool),
    Int(i64),
    Bytes(Box<[u8]>),
    Ip(IpAddr),
    Set(Box<[Box<[u8]>]>),
}

impl OwnedValue {
    /// A copy; a set sorted, each element once.
    pub(crate) fn of(value: Value<'_>) -> OwnedValue {
        match value {
            Value::Bool(value) => OwnedValue::Bool(value),
            Value::Int(value) => OwnedValue::Int(value),
            Value::Bytes(value) => OwnedValue::Bytes(value.into()),
            Value::Ip(value) => OwnedValue::Ip(value),
            Value::Set(elements) => {
                let mut sorted = elements.to_vec();
                order::sort(&mut sorted);
                sorted.dedup();
                OwnedValue::Set(sorted.into_iter().map(Box::from).collect())
            }
        }
    }

    /// Bytes of memory beside its own place, about.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            OwnedValue::Bool(_) | OwnedValue::Int(_) | OwnedValue::Ip(_) => 0,
            OwnedValue::Bytes(bytes) => bytes.len(),
            OwnedValue::Set(elements) => elements.iter().map(|e| ELEMENT_BYTES + e.len()).sum(),
        }
    }

    /// Borrowed again.
    pub(crate) fn value<'a>(&'a self, arena: &'a Arena) -> Value<'a> {
        match self {
            OwnedValue::Bool(value) => Value::Bool(*value),
            OwnedValue::Int(value) => Value::Int(*value),
            OwnedValue::Bytes(value) => Value::Bytes(value),
            OwnedValue::Ip(value) => Value::Ip(*value),
            OwnedValue::Set(elements) => {
                Value::Set(arena.alloc_slice_fill_iter(elements.iter().map(|element| &**element)))
            }
        }
    }
}

/// What an element of a set takes beside its text: a fat pointer and an allocation.
const ELEMENT_BYTES: usize = 48;
