//! Path canonicalisation: our codes, the options, and the published cases of another proxy.

use super::*;
use crate::value::json::{Item, Json, Member};

const PLAIN: HostOptions = HostOptions {
    merge_slashes: false,
    encoded_slash_as_data: false,
    encoded_backslash_as_data: false,
    path_parameters_kept: false,
    method_override_kept: false,
};
const MERGE: HostOptions = HostOptions {
    merge_slashes: true,
    ..PLAIN
};
const DATA: HostOptions = HostOptions {
    encoded_slash_as_data: true,
    ..PLAIN
};
const BACKSLASH: HostOptions = HostOptions {
    encoded_backslash_as_data: true,
    ..PLAIN
};
const BOTH: HostOptions = HostOptions {
    encoded_slash_as_data: true,
    ..BACKSLASH
};
const KEPT: HostOptions = HostOptions {
    path_parameters_kept: true,
    ..BOTH
};
const PARAMETERS: HostOptions = HostOptions {
    path_parameters_kept: true,
    ..PLAIN
};

#[track_caller]
fn check(target: &str, options: HostOptions, want: Result<&str, &'static str>) {
    assert_eq!(
        outcome(&get(target), options).as_deref().map_err(|code| *code),
        want,
        "{target}"
    );
}

#[test]
fn refused_spellings() {
    for (target, code) in [
        ("/a b", "control_or_nul"),
        ("/a\0", "control_or_nul"),
        ("/a\x7f", "control_or_nul"),
        ("/?a b", "control_or_nul"),
        ("/a%00", "control_or_nul"),
        ("/a%1F", "control_or_nul"),
        ("/a%7f", "control_or_nul"),
        ("/\u{e9}", "raw_non_ascii"),
        ("/?\u{e9}", "raw_non_ascii"),
        ("/\u{2215}", "raw_non_ascii"),
        ("/a#b", "fragment"),
        ("/?a#b", "fragment"),
        ("/a\\b", "backslash"),
        ("/a%5cb", "backslash"),
        ("/a%", "bad_percent"),
        ("/a%4", "bad_percent"),
        ("/a%4g", "bad_percent"),
        ("/a%2Fb", "encoded_slash"),
        ("//", "empty_segment"),
        ("/a//b", "empty_segment"),
        ("/%c0%af", "bad_utf8"),
        ("/%ff", "bad_utf8"),
        ("/%E2%81%84", "lookalike_slash"),
        ("/%E2%88%95", "lookalike_slash"),
        ("/%EF%BC%8F", "lookalike_slash"),
        ("/%2541", "double_encoding"),
        ("/%25%34%31", "double_encoding"),
        ("/a;b", "path_parameter"),
        ("/a%3Bb", "path_parameter"),
        ("/..", "above_root"),
        ("/a/../..", "above_root"),
        ("/%2e%2E/a", "above_root"),
        ("/a.", "trailing_dot_or_space"),
        ("/a%20", "trailing_dot_or_space"),
        ("/.../b", "trailing_dot_or_space"),
    ] {
        check(target, PLAIN, Err(code));
    }
}

#[test]
fn one_spelling() {
    for (target, want) in [
        ("/", "/"),
        ("/a/b", "/a/b"),
        ("/a/b/", "/a/b/"),
        ("/%7euser/%c3%a9", "/~user/%C3%A9"),
        ("/a/./b/../c", "/a/c"),
        ("/a/.", "/a/"),
        ("/a/b/..", "/a/"),
        ("/a/..", "/"),
        ("/a/%2e%2e/b", "/b"),
        ("/a%25", "/a%25"),
        ("/a?", "/a?"),
        ("/a?b=%2f..%zz\\", "/a?b=%2f..%zz\\"),
        ("/.well-known/x", "/.well-known/x"),
    ] {
        check(target, PLAIN, Ok(want));
    }
}

#[test]
fn options_of_a_host() {
    check("//a///b//", MERGE, Ok("/a/b/"));
    check("//..", MERGE, Err("above_root"));
    check("/a%2fb", DATA, Ok("/a%2Fb"));
    check("/a%5cb", DATA, Err("backslash"));
    check("/a%5cb%5C..c", BACKSLASH, Ok("/a%5Cb%5C..c"));
    check("/a\\b", BACKSLASH, Err("backslash"));
    check("/a%2fb", BACKSLASH, Err("encoded_slash"));
    for dots in ["..%2fb", "b%2F..", "b%2f%2e%2e%2fc", ".%2fb", "%2f."] {
        check(&format!("/a/{dots}/c"), DATA, Err("encoded_slash"));
        check(&format!("/a/{dots}"), DATA, Err("encoded_slash"));
        let dots = dots.replace("%2f", "%5c").replace("%2F", "%5C");
        check(&format!("/a/{dots}/c"), BACKSLASH, Err("backslash"));
    }
    check("/a/b%5c..%2fc", BOTH, Err("backslash"));
    check("/a/b%2f..%5cc", BOTH, Err("encoded_slash"));
    check("/a/b%2f...%5cc", BOTH, Ok("/a/b%2F...%5Cc"));
    check("/a/x%2f..;p/b", KEPT, Err("encoded_slash"));
    check("/a/x;p%2f../b", KEPT, Err("encoded_slash"));
    check("/a;x=%7e%c3%a9/b;y?q", PARAMETERS, Ok("/a;x=~%C3%A9/b;y?q"));
    check("/a/..;x/b", PARAMETERS, Ok("/b"));
    check("/a%3bx", PARAMETERS, Err("path_parameter"));
    check("/a;%3bx", PARAMETERS, Err("path_parameter"));
    check("/a;%ff", PARAMETERS, Err("bad_utf8"));
    check("/;x/b", PARAMETERS, Err("empty_segment"));
    check(
        "/;x/b",
        HostOptions {
            merge_slashes: true,
            ..PARAMETERS
        },
        Err("empty_segment"),
    );
    check("/a/;x", PARAMETERS, Ok("/a/;x"));
    check("/a.;x", PARAMETERS, Err("trailing_dot_or_space"));
    let arena = Arena::new();
    let view = get("/a;x/b;y");
    let canonical = normalise(&view, &Config::default(), &arena, PARAMETERS).unwrap();
    assert!(matches!(canonical.form, Form::Path { path, .. } if path == b"/a/b"));
    let view = get("/a%2fb");
    let canonical = normalise(&view, &Config::default(), &arena, DATA).unwrap();
    assert!(matches!(canonical.form, Form::Path { segments, .. } if segments == [&b"a/b"[..]]));
}

/// Pairs of a list of the corpus.
fn pairs(list: Item<'_, '_>) -> Vec<(String, String)> {
    let text = |text: &[u8]| String::from_utf8(text.to_vec()).unwrap();
    list.elements()
        .unwrap()
        .map(|pair| pair.strings().unwrap())
        .map(|pair| (text(pair[0]), text(pair[1])))
        .collect()
}

fn member<'j, 'a>(object: Item<'j, 'a>, path: &[&str]) -> Item<'j, 'a> {
    path.iter()
        .fold(object, |object, name| match object.member(name.as_bytes()) {
            Member::Once(item) => item,
            other => panic!("{name}: {other:?}"),
        })
}

#[test]
fn where_a_published_case_is_not_refused_it_has_the_published_spelling() {
    let corpus = include_bytes!("../../../../tests/corpus/paths/cases.json");
    let arena = Arena::new();
    let json = Json::parse(corpus, corpus.len(), &arena).unwrap();
    let root = json.object().unwrap();
    for (path, options, at_least) in [
        (&["legacy_normalize", "cases"][..], PLAIN, 10),
        (&["merge_slashes"], MERGE, 9),
        (
            &[
                "uhv",
                "default (keep encoded slashes, merge slashes, upper-case hex, decode unreserved)",
            ],
            MERGE,
            8,
        ),
        (&["uhv", "skip_merging_slashes"], PLAIN, 0),
        (&["uhv", "decode_slashes_no_merge"], PLAIN, 0),
        (&["uhv", "redirect_on_encoded_slash"], PLAIN, 0),
        (&["uhv", "malformed_allowed"], PLAIN, 0),
    ] {
        let mut accepted = 0;
        for (given, want) in pairs(member(root, path)) {
            if let Ok(got) = outcome(&get(&given), options) {
                assert_eq!(got, want, "{given}");
                accepted += 1;
            }
        }
        assert!(accepted >= at_least, "{path:?}: {accepted}");
    }
    for path in [
        &["legacy_normalize", "reject"][..],
        &["uhv", "reject_always"],
        &["uhv", "reject_on_encoded_slash"],
    ] {
        for given in member(root, path).strings().unwrap() {
            assert!(outcome(&get(std::str::from_utf8(given).unwrap()), PLAIN).is_err());
        }
    }
    for given in member(root, &["strip_query_and_fragment_to", "/abc"])
        .strings()
        .unwrap()
    {
        let given = std::str::from_utf8(given).unwrap();
        if let Ok(got) = outcome(&get(given), PLAIN) {
            assert_eq!(got.split('?').next(), Some("/abc"), "{given}");
        }
    }
}
