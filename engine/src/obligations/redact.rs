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
mod tests {
    use super::*;

    #[test]
    fn the_strongest_wins_in_either_order() {
        use Change::{Drop, Hash, Mask, Replace, Truncate};
        let first = |keep| Mask { first: true, keep };
        let last = |keep| Mask { first: false, keep };
        for (a, b, merged) in [
            (Drop, Hash, Drop),
            (Replace("x"), Hash, Replace("x")),
            (Replace("x"), Replace("y"), Drop),
            (Replace("x"), Replace("x"), Replace("x")),
            (Hash, last(4), Hash),
            (last(4), last(2), last(2)),
            (first(4), first(2), first(2)),
            (first(4), last(4), last(0)),
            (first(4), last(0), last(0)),
            (Truncate(3), Truncate(9), Truncate(3)),
            (last(0), Truncate(1), last(0)),
        ] {
            assert_eq!(stricter(a, b), merged, "{a:?} {b:?}");
            assert_eq!(stricter(b, a), merged, "{b:?} {a:?}");
        }
    }

    #[test]
    fn only_lists_come_first_and_once() {
        let only = |paths: &[&str]| Redaction::Only(paths.iter().map(|p| p.to_string()).collect());
        let op = |path: &str| Redaction::Op(path.into(), RedactionOp::Drop);
        let given = [
            op("b"),
            only(&["x", "y"]),
            op("a"),
            only(&["x"]),
            only(&["x", "y"]),
            op("b"),
        ];
        let arena = Arena::new();
        assert_eq!(
            merge(given.iter(), &arena),
            [
                Redact::Only(&["x".to_string()]),
                Redact::Only(&["x".to_string(), "y".to_string()]),
                Redact::Op("a", Change::Drop),
                Redact::Op("b", Change::Drop)
            ]
        );
    }
}
