//! The scanner takes RFC 8259 and nothing else.

use super::{Json, JsonFault, Member};
use crate::value::Arena;

fn parses(text: &str) -> bool {
    Json::parse(text.as_bytes(), 65_536, &Arena::new()).is_ok()
}

#[test]
fn grammar() {
    for good in [
        "{}",
        " [ ] ",
        "null",
        "[1,-0,2.5e+3,1E9]",
        r#"{"a":{"b":[true,false,null,"\u00e9\n\/"]}}"#,
    ] {
        assert!(parses(good), "{good}");
    }
    for bad in [
        "",
        " ",
        "{",
        "[1,]",
        "[,1]",
        "{,}",
        r#"{"a":1,}"#,
        r#"{"a" 1}"#,
        "{1:2}",
        "[1 2]",
        "01",
        "-",
        "+1",
        "1.",
        ".5",
        "1e",
        "nul",
        "True",
        "'a'",
        r#""\x""#,
        r#""\u12g4""#,
        r#""\u12""#,
        "\"\t\"",
        "\"a",
        "[}",
        "{]",
        "1 2",
        "\u{feff}{}",
        "NaN",
    ] {
        assert!(!parses(bad), "{bad}");
    }
    assert!(Json::parse(b"\"\xff\"", 100, &Arena::new()).is_err());
    assert!(matches!(
        Json::parse(b"[1, 2]", 5, &Arena::new()),
        Err(JsonFault::TooLarge(5))
    ));
}

#[test]
fn depth_is_bounded_and_not_by_the_stack() {
    assert!(parses(&format!("{}{}", "[".repeat(64), "]".repeat(64))));
    let deep = "[".repeat(65);
    assert!(matches!(
        Json::parse(deep.as_bytes(), 100, &Arena::new()),
        Err(JsonFault::TooDeep(64))
    ));
}

#[test]
fn members_are_found_by_decoded_name() {
    let arena = Arena::new();
    let text = br#"{"a":[{"x":1},2],"\u0062":"\ud83d\ude00\t","c":1,"c":2}"#;
    let json = Json::parse(text, 100, &arena).unwrap();
    let root = json.object().unwrap();
    let Member::Once(b) = root.member(b"b") else {
        panic!("b")
    };
    assert_eq!(b.string(), Some("\u{1f600}\t".as_bytes()));
    assert!(matches!(root.member(b"c"), Member::Twice));
    assert!(matches!(root.member(b"x"), Member::Absent));
    assert!(json.has_duplicate_members());
}

#[test]
fn duplicates_are_found_at_every_level() {
    for (text, want) in [
        (r#"{"a":{"a":{"a":1}}}"#, false),
        (r#"[{"a":1},{"a":1}]"#, false),
        (r#"{"a":[{"b":1,"\u0062":2}]}"#, true),
    ] {
        assert_eq!(
            Json::parse(text.as_bytes(), 100, &Arena::new())
                .unwrap()
                .has_duplicate_members(),
            want,
            "{text}"
        );
    }
}

#[test]
fn lone_surrogates_are_no_text() {
    for bad in [
        r#""\ud800""#,
        r#""\udc00x""#,
        r#""\ud800\u0041""#,
        r#"{"\ud800":1}"#,
        r#""\ud83d\ud83d""#,
    ] {
        assert!(!parses(bad), "{bad}");
    }
    assert!(parses(r#""\ud83d\ude00""#));
}
