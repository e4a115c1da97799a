//! Redactions that bind -> one list: distinct `only` lists first, then the strongest operation per path, by path.
//! Knows no JSON; paths are texts in canonical spelling, so equal paths are equal texts.

use std::collections::{BTreeMap, BTreeSet};

use crate::canary::canary;
use crate::image::config::{Redaction, RedactionOp};

/// Merges; the outcome does not depend on the order.
pub(super) fn merge<'r>(redactions: impl Iterator<Item = &'r Redaction>) -> Vec<Redaction> {
    let mut lists: BTreeSet<&Vec<String>> = BTreeSet::new();
    let mut operations: BTreeMap<&str, RedactionOp> = BTreeMap::new();
    for redaction in redactions {
        match redaction {
            Redaction::Only(paths) => {
                lists.insert(paths);
            }
            Redaction::Op(path, op) => {
                let merged = match operations.remove(path.as_str()) {
                    Some(before) => stricter(before, op.clone()),
                    None => op.clone(),
                };
                operations.insert(path, merged);
            }
        }
    }
    let operations = operations
        .into_iter()
        .map(|(path, op)| Redaction::Op(path.to_string(), op));
    lists
        .into_iter()
        .cloned()
        .map(Redaction::Only)
        .chain(operations)
        .collect()
}

fn stricter(a: RedactionOp, b: RedactionOp) -> RedactionOp {
    use RedactionOp::{Drop, Mask, Replace, Truncate};
    match (a, b) {
        (Replace(x), Replace(y)) if x != y => Drop,
        (Mask { first: x, keep: k }, Mask { first: y, keep: l }) => {
            let keep = if x == y { k.min(l) } else { 0 };
            let merged = Mask {
                first: x && keep > 0,
                keep,
            };
            canary!(MaskLast, Mask { first: y, keep: l }, merged)
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
        use RedactionOp::{Drop, Hash, Mask, Replace, Truncate};
        let first = |keep| Mask { first: true, keep };
        let last = |keep| Mask { first: false, keep };
        for (a, b, merged) in [
            (Drop, Hash, Drop),
            (Replace("x".into()), Hash, Replace("x".into())),
            (Replace("x".into()), Replace("y".into()), Drop),
            (Replace("x".into()), Replace("x".into()), Replace("x".into())),
            (Hash, last(4), Hash),
            (last(4), last(2), last(2)),
            (first(4), first(2), first(2)),
            (first(4), last(4), last(0)),
            (first(4), last(0), last(0)),
            (Truncate(3), Truncate(9), Truncate(3)),
            (last(0), Truncate(1), last(0)),
        ] {
            assert_eq!(stricter(a.clone(), b.clone()), merged, "{a:?} {b:?}");
            assert_eq!(stricter(b.clone(), a.clone()), merged, "{b:?} {a:?}");
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
        assert_eq!(
            merge(given.iter()),
            [only(&["x"]), only(&["x", "y"]), op("a"), op("b")]
        );
    }
}
