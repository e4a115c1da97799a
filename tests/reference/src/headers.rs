//! Header operations of all that binds -> what is set and what is dropped (section 7): drop beats set, and two
//! different values are no value.

use std::collections::{BTreeMap, BTreeSet};

use portcullis_lang::model::{HeaderAction, HeaderDirection, HeaderValue};

use crate::normalise::trim;
use crate::obligations::Binding;

/// One direction, merged.
pub(crate) struct Merged {
    pub(crate) set: BTreeMap<String, String>,
    pub(crate) drop: BTreeSet<String>,
}

/// Sets need a condition that is true, drops do not.
pub(crate) fn merge(direction: HeaderDirection, bindings: &[Binding<'_>]) -> Merged {
    let mut drop = BTreeSet::new();
    let mut values: BTreeMap<String, BTreeSet<Option<String>>> = BTreeMap::new();
    for binding in bindings {
        for op in binding
            .rule
            .obligations
            .headers
            .iter()
            .filter(|op| op.direction == direction)
        {
            match &op.action {
                HeaderAction::Drop => {
                    drop.insert(op.name.clone());
                }
                HeaderAction::Set(value) if binding.sure => {
                    values
                        .entry(op.name.clone())
                        .or_default()
                        .insert(text(value, binding));
                }
                HeaderAction::Set(_) => {}
            }
        }
    }
    let mut set = BTreeMap::new();
    for (name, values) in values {
        let mut values = values.into_iter();
        match (values.next().flatten(), values.next()) {
            (Some(value), None) if !drop.contains(&name) => {
                set.insert(name, value);
            }
            _ => {
                drop.insert(name);
            }
        }
    }
    Merged { set, drop }
}

/// `None` where it is unknown or no header could hold it.
fn text(value: &HeaderValue, binding: &Binding<'_>) -> Option<String> {
    let bytes = match value {
        HeaderValue::Literal(text) => text.clone().into_bytes(),
        HeaderValue::Fact(fact) => binding.view.world.known(fact, binding.view.captures)?.to_text()?,
    };
    if bytes.iter().any(|b| (*b < 0x20 && *b != b'\t') || *b == 0x7f) {
        return None;
    }
    String::from_utf8(trim(&bytes).to_vec()).ok()
}
