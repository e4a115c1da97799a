//! Messages written by hand, byte for byte.

use super::*;

/// A field of wire type 2.
fn bytes(number: u8, content: &[u8]) -> Vec<u8> {
    assert!(content.len() < 128 * 128);
    let (low, high) = (content.len() & 0x7f, content.len() >> 7);
    let mut out = vec![number << 3 | 2];
    match high {
        0 => out.push(low as u8),
        _ => out.extend([low as u8 | 0x80, high as u8]),
    }
    out.extend(content);
    out
}

fn entry_of(key: &str, value: &[u8]) -> Vec<u8> {
    bytes(1, &[bytes(1, key.as_bytes()), bytes(2, value)].concat())
}

fn number_of(value: f64) -> Vec<u8> {
    [&[0x11][..], &value.to_le_bytes()].concat()
}

/// Metadata with one value under `n` and `k`.
fn holding(value: &[u8]) -> Vec<u8> {
    entry_of("n", &entry_of("k", value))
}

fn json(value: &[u8]) -> Found {
    keeping(value, &["a", ""])
}

fn keeping(value: &[u8], names: &[&str]) -> Found {
    let names: Vec<String> = names.iter().map(|name| name.to_string()).collect();
    super::value(&holding(value), "n", "k", Some(&names))
}

fn is(value: &[u8], text: &str) {
    assert_eq!(json(value), Found::Json(text.to_string()));
}

#[test]
fn every_kind_of_value_is_written() {
    is(&[0x08, 0], "null");
    is(&[0x20, 1], "true");
    is(&[0x20, 0], "false");
    is(&bytes(3, "a\"é\n".as_bytes()), "\"a\\\"é\\u000a\"");
    is(&bytes(5, &[]), "{}");
    is(&bytes(6, &[]), "[]");
    let list = [
        bytes(1, &[0x20, 1]),
        bytes(1, &bytes(6, &[])),
        bytes(1, &[0x08, 0]),
    ]
    .concat();
    is(&bytes(6, &list), "[true,[],null]");
    let object = [entry_of("a", &bytes(6, &list)), entry_of("", &[0x08, 0])].concat();
    is(&bytes(5, &object), r#"{"a":[true,[],null],"":null}"#);
    assert_eq!(
        namespace(&holding(&[0x20, 1]), "n"),
        Found::Json(r#"{"k":true}"#.into())
    );
}

#[test]
fn integers_are_integers_only_where_a_double_is_exact() {
    for (value, text) in [
        (0.0, "0"),
        (-0.0, "0"),
        (-7.0, "-7"),
        (9_007_199_254_740_991.0, "9007199254740991"),
        (9_007_199_254_740_992.0, "1e0"),
        (-1e300, "1e0"),
        (1.25, "1.250000"),
        (-1_795_435_200.75, "-1795435200.750000"),
        (f64::NAN, "1e0"),
        (f64::INFINITY, "1e0"),
    ] {
        is(&number_of(value), text);
    }
}

#[test]
fn absent_is_told_from_unreadable() {
    let good = holding(&[0x20, 1]);
    assert_eq!(value(&good, "n", "other", None), Found::Absent);
    assert_eq!(value(&good, "other", "k", None), Found::Absent);
    assert_eq!(namespace(&[], "n"), Found::Absent);
    assert_eq!(namespace(&good, "other"), Found::Absent);
    let twice = [good.clone(), good.clone()].concat();
    assert_eq!(value(&twice, "n", "k", None), Found::Unreadable);
    assert_eq!(json(&[]), Found::Unreadable, "a value that is none");
    assert_eq!(json(&[0x20, 1, 0x20, 0]), Found::Unreadable, "two values");
    assert_eq!(json(&bytes(3, b"\xff")), Found::Unreadable, "no text");
    assert_eq!(json(&[0x1a, 0x7f, b'a']), Found::Unreadable, "past the end");
    assert_eq!(json(&[0x18, 1]), Found::Unreadable, "a text that is a number");
}

#[test]
fn cut_anywhere_it_is_never_another_value() {
    let whole = holding(&bytes(5, &entry_of("a", &bytes(3, b"text"))));
    for at in 1..whole.len() {
        let cut = value(&whole[..at], "n", "k", None);
        assert_eq!(cut, Found::Unreadable, "at {at}");
    }
}

#[test]
fn nesting_and_size_are_bounded() {
    let nested = |depth: usize| {
        let mut value = vec![0x08, 0];
        for _ in 0..depth {
            value = bytes(6, &bytes(1, &value));
        }
        json(&value)
    };
    assert!(matches!(nested(DEPTH_MAX), Found::Json(_)));
    assert_eq!(nested(DEPTH_MAX + 1), Found::Unreadable);
    assert_eq!(
        namespace(&vec![0; METADATA_BYTES_MAX + 1], "n"),
        Found::Unreadable
    );
}

#[test]
fn numbers_without_an_end_are_refused() {
    assert_eq!(namespace(&[0xff; 12], "n"), Found::Unreadable);
    assert_eq!(
        namespace(
            &[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
            "n"
        ),
        Found::Unreadable
    );
    assert_eq!(
        namespace(&[0x0b, 0x0c], "n"),
        Found::Unreadable,
        "groups are no metadata"
    );
}

#[test]
fn members_that_nobody_reads_are_left_out_and_looked_through() {
    let inner = bytes(5, &entry_of("a", &bytes(6, &bytes(1, &[0x20, 1]))));
    let object = [
        entry_of("x", &inner),
        entry_of("a", &inner),
        entry_of("y", &bytes(3, b"text")),
        entry_of("b", &number_of(1.0)),
        entry_of("z", &[0x08, 0]),
    ]
    .concat();
    let object = bytes(5, &object);
    for (kept, text) in [
        (&["a", "b"][..], r#"{"a":{"a":[true]},"b":1}"#),
        (&["b"][..], r#"{"b":1}"#),
        (&["x", "none"][..], r#"{"x":{"a":[true]}}"#),
        (&[][..], "{}"),
    ] {
        assert_eq!(keeping(&object, kept), Found::Json(text.into()), "{kept:?}");
    }
    // Only of objects, and only at the top.
    assert_eq!(
        keeping(&bytes(6, &bytes(1, &object)), &["b"]),
        Found::Json(r#"[{"x":{"a":[true]},"a":{"a":[true]},"y":"text","b":1,"z":null}]"#.into())
    );
    for bad in [
        bytes(3, b"\xff"),
        bytes(5, &entry_of("a", &[0x18, 1])),
        bytes(6, &bytes(1, &[])),
        bytes(5, &bytes(1, &bytes(1, b"\xff"))),
    ] {
        let object = bytes(5, &[entry_of("b", &[0x08, 0]), entry_of("x", &bad)].concat());
        assert_eq!(keeping(&object, &["b"]), Found::Unreadable, "{bad:?}");
    }
    let mut deep = vec![0x08, 0];
    for _ in 0..DEPTH_MAX {
        deep = bytes(6, &bytes(1, &deep));
    }
    assert_eq!(keeping(&bytes(5, &entry_of("x", &deep)), &[]), Found::Unreadable);
}

#[test]
fn what_may_be_too_long_is_written_whole() {
    let text = "x".repeat(TRIMMED_BYTES_MAX - 20);
    let object = |more: usize| {
        let text = format!("{text}{}", "x".repeat(more));
        bytes(5, &entry_of("x", &bytes(3, text.as_bytes())))
    };
    assert_eq!(keeping(&object(0), &[]), Found::Json("{}".into()));
    let Found::Json(whole) = keeping(&object(20), &[]) else {
        panic!("unreadable");
    };
    assert!(whole.len() > TRIMMED_BYTES_MAX);
}
