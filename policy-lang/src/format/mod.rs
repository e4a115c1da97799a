//! AST -> canonical text: one spelling for one tree, with every comment kept.
//!
//! The formatter knows no names and no types; it prints what the author meant even where the checker objects.
//! Expressions become words, declarations become statements and blocks of words, and these become lines.

mod layout;
mod node;
mod rule;
mod words;

use crate::ast::{FactRef, File, QuotaSpec};
use crate::source::Span;
use layout::Printer;

/// The canonical text of a file; `text` is what it was parsed from, for the places of comments and blank lines.
/// Only what the tree holds is printed: format no file that has syntax errors.
pub fn format(file: &File, text: &str) -> String {
    let mut printer = Printer::new(text, &file.comments);
    if let Some(version) = &file.version {
        let rest = text.get(version.span.end as usize..).unwrap_or("");
        let end = version.span.end + rest.find(';').map_or(0, |at| at as u32 + 1);
        let span = Span { end, ..version.span };
        printer.node(&layout::leaf(span, vec![format!("gate {}", version.node)]), 0);
    }
    for item in &file.items {
        printer.node(&node::item(item), 0);
    }
    printer.finish()
}

/// The canonical text of a fact, as a quota's key names it.
pub fn fact(fact: &FactRef) -> String {
    words::fact(fact)
}

/// The canonical one-line text of a quota without its name; the name of an inline quota.
pub fn quota_spec(quota: &QuotaSpec) -> String {
    words::quota(quota).concat().join(" ")
}
