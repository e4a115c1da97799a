//! Redactions of several rules merge to the strongest, in either order.

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
