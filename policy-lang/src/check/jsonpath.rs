//! JSON path text -> steps and the canonical spelling, or a diagnostic.

use super::literals::{Bad, bad};
use crate::model::{JsonStep, json_path, json_steps};

/// The steps of a path.
pub(super) fn steps(text: &str) -> Result<Vec<JsonStep>, Bad> {
    json_steps(text).or_else(|why| {
        bad(
            "G0507",
            format!("`{text}` is not a JSON path: {why}"),
            "write `a.b`, `items[].price`, `items[0]`, `*.x`, `**.ssn` or `\"odd key\".x`",
        )
    })
}

/// The canonical spelling of a path as written.
pub(super) fn canonical(text: &str) -> Result<String, Bad> {
    steps(text).map(|steps| json_path(&steps))
}
