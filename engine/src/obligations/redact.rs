//! Redactions that bind -> one list: distinct `only` lists first, then the strongest operation per path, by path.
//! Knows no JSON; paths are texts in canonical spelling, so equal paths are equal texts.

use crate::decision::{Change, Redact};
use crate::image::config::{Redaction, RedactionOp};
use crate::value::{Arena, List};

/// Merges; the outcome does not depend on the order.
pub(super) fn merge<'r>(
    redactions: impl Iterator<Item = &'r Redaction>,
    arena: &'r Arena,
) -> &'r [Redact<'r>] {
    let mut lists: List<'r, &'r [String]> = List::new_in(arena);
    let mut operations: List<'r, (&'r str, Change<'r>)> = List::new_in(arena);
    for redaction in redactions {
        match redaction {
            Redaction::Only(paths) => lists.push(paths),
            Redaction::Op(path, op) => operations.push((path, change(op))),
        }
    }
    crate::value::order::sort(&mut lists);
    lists.dedup();
    crate::value::order::sort(&mut operations);
    let mut merged = List::with_capacity_in(lists.len() + operations.len(), arena);
    merged.extend(lists.into_iter().map(Redact::Only));
    for same in operations.chunk_by(|a, b| a.0 == b.0) {
        let strictest = same.iter().map(|(_, change)| *change).reduce(stricter);
        merged.extend(
            same.first()
                .zip(strictest)
                .map(|((path, _), change)| Redact::Op(path, change)),
        );
    }
    merged.into_bump_slice()
}

fn change(op: &RedactionOp) -> Change<'_> {
    match op {
        RedactionOp::Drop => Change::Drop,
        RedactionOp::Replace(with) => Change::Replace(with),
        RedactionOp::Hash => Change::Hash,
        RedactionOp::Mask { first, keep } => Change::Mask {
            first: *first,
            keep: *keep,
        },
        RedactionOp::Truncate(n) => Change::Truncate(*n),
    }
}

fn stricter<'r>(a: Change<'r>, b: Change<'r>) -> Change<'r> {
    use Change::{Drop, Mask, Replace, Truncate};
    match (a, b) {
        (Replace(x), Replace(y)) if x != y => Drop,
        (Mask { first: x, keep: k }, Mask { first: y, keep: l }) => {
            let keep = if x == y { k.min(l) } else { 0 };
            Mask {
                first: x && keep > 0,
                keep,
            }
        }
        (Truncate(x), Truncate(y)) => Truncate(x.min(y)),
        // The order of the variants is their strength.
        (a, b) => a.min(b),
    }
}

#[cfg(test)]
mod tests;
