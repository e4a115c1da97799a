//! Rules whose obligations clash: told where one request can meet both, and only there.

use portcullis_lang::check::load_text;

const COMMON: &str = "gate 1;
issuer i { url \"https://i/\"; claims { n: int; beta: bool; } }
principal user = token from i;
network office = 10.0.0.0/8;
";

fn codes(rules: &str) -> Vec<&'static str> {
    let checked = load_text(&format!("{COMMON}service s {{ {rules} }}"));
    checked
        .diagnostics
        .iter()
        .filter(|d| d.code.starts_with('G'))
        .map(|d| d.code)
        .collect()
}

/// Two rules with the heads given, whose headers, and whose accepts, clash wherever both apply.
#[track_caller]
fn clash(heads: [&str; 2], want: bool) {
    let rules = |bodies: [&str; 2]| {
        let pairs = heads.iter().zip(bodies);
        let rules = pairs.map(|(head, body)| format!("on POST {head} {{ {body} }}"));
        rules.collect::<Vec<_>>().join(" ")
    };
    let sets = rules(["set header \"x\" \"1\";", "set header \"x\" \"2\";"]);
    let accepts = rules(["accept body { x: string; }", "accept body { y: int; }"]);
    for (rules, code) in [(sets, "G0517"), (accepts, "G0518")] {
        let found = codes(&rules);
        assert!(found.iter().all(|found| *found == code), "{rules}: {found:?}");
        assert_eq!(!found.is_empty(), want, "{rules}");
    }
}

#[test]
fn paths_tell_rules_apart_by_what_their_captures_take() {
    for (a, b, want) in [
        ("/a/count", "/a/{id}", true),
        ("/a/count", "/a/{id:int}", false),
        ("/a/7", "/a/{id:int}", true),
        ("/a/count", "/a/{id:uuid}", false),
        ("/a/count", "/a/{id:'[a-f]+'}", false),
        ("/a/bead", "/a/{id:'[a-f]+'}", true),
        ("/a/{x:uuid}", "/a/{id:int}", false),
        ("/a/{x:'a+'}", "/a/{y:'b+'}", false),
        ("/a/{x:'a+'}", "/a/{y:'[ab]+'}", true),
        ("/a/{x:'[0-9]+'}", "/a/{y:int}", true),
        ("/a/v{x:int}", "/a/{y:int}", false),
        ("/a/{x}.json", "/a/{y}.xml", false),
        ("/a/{x}.json", "/a/b{y}", true),
        ("/a/{x}:start", "/a/{y}:stop", false),
        ("/a/{x:'a+'}/**", "/a/{y:'b+'}/c", false),
        ("/a/{x:'a+'}/**", "/a/**", true),
    ] {
        clash([a, b], want);
        clash([b, a], want);
    }
}

#[test]
fn what_a_condition_asks_of_a_capture_or_the_path_counts() {
    for (a, b, want) in [
        ("/a/count", "/a/{id} unless path.id == \"count\"", false),
        (
            "/a/count",
            "/a/{id} unless path.id in [\"count\", \"sum\"]",
            false,
        ),
        ("/a/count", "/a/{id} unless path.id == \"sum\"", true),
        ("/a/count", "/a/{id} unless path.id like \"c*\"", false),
        ("/a/count", "/a/{id} when path.id matches '[0-9]+'", false),
        (
            "/a/count",
            "/a/{id} when path.id != \"count\" and request.port == 1",
            false,
        ),
        ("/a/xcount", "/a/x{id} unless path.id == \"count\"", false),
        (
            "/a/{x} when path.x like \"a*\"",
            "/a/{y} when path.y like \"b*\"",
            false,
        ),
        (
            "/a/{x} when path.x like \"a*\"",
            "/a/{y} when path.y like \"*b\"",
            true,
        ),
        (
            "/a/{x:int} when path.x < 10",
            "/a/{y:int} when path.y >= 10",
            false,
        ),
        ("/a/{x:int} when path.x < 10", "/a/{y:int} when path.y >= 9", true),
        ("/a/{x:int} when path.x == 7", "/a/8", false),
        (
            "/a/{x:uuid} when path.x == \"00000000-0000-0000-0000-00000000000a\"",
            "/a/00000000-0000-0000-0000-00000000000A",
            true,
        ),
        (
            "/a/{x:uuid} when path.x == \"00000000-0000-0000-0000-00000000000a\"",
            "/a/00000000-0000-0000-0000-00000000000b",
            false,
        ),
        ("/a/b", "/** when request.path like \"/c/**\"", false),
        ("/a/b", "/** when request.path like \"/a/**\"", true),
        ("/a/b", "/** unless request.path in [\"/a/b\", \"/a/b/\"]", false),
        ("/a/b", "/** unless request.path == \"/a/b\"", true),
        (
            "/** when request.path like \"/a/**\"",
            "/** when request.path like \"/b/**\"",
            false,
        ),
        (
            "/** when request.path like \"/a/**\"",
            "/** when request.path like \"**/b\"",
            true,
        ),
        ("/a/{x}/c when request.path like \"/a/b/*\"", "/a/d/{y}", false),
    ] {
        clash([a, b], want);
        clash([b, a], want);
    }
}

#[test]
fn two_values_of_one_fact_tell_rules_apart() {
    let header = "request.header[\"v\"]";
    for (a, b, want) in [
        (format!("{header} == \"1\""), format!("{header} == \"2\""), false),
        (
            format!("{header} == \"1\""),
            format!("{header} in [\"2\", \"3\"]"),
            false,
        ),
        (
            format!("{header} == \"a\""),
            format!("{header} == \"A\" ignore case"),
            true,
        ),
        (format!("{header} == \"1\""), format!("{header} != \"1\""), false),
        (
            format!("{header} == \"1\""),
            "request.header[\"w\"] == \"2\"".to_owned(),
            true,
        ),
        (
            format!("{header} like \"a*\""),
            format!("{header} matches 'b.*'"),
            false,
        ),
        (format!("exists {header}"), format!("{header} == \"2\""), true),
        (
            format!("not exists {header}"),
            format!("{header} == \"2\""),
            false,
        ),
        (
            format!("not exists {header} or {header} == \"1\""),
            format!("not exists {header} or {header} == \"2\""),
            true,
        ),
        ("token.n < 3".to_owned(), "token.n > 2".to_owned(), false),
        ("token.n < 3".to_owned(), "token.n in [2, 9]".to_owned(), true),
        ("token.beta".to_owned(), "token.beta == false".to_owned(), false),
        (
            "client.ip == \"192.0.2.1\"".to_owned(),
            "client.ip == \"192.0.2.2\"".to_owned(),
            false,
        ),
        (
            "client.ip == \"192.0.2.1\"".to_owned(),
            "client.ip in office".to_owned(),
            true,
        ),
        (
            "token.sub == request.sni".to_owned(),
            "token.sub == \"a\"".to_owned(),
            true,
        ),
    ] {
        clash([&format!("/a when {a}"), &format!("/a when {b}")], want);
        clash(
            [
                &format!("/a when {b} and request.port == 1"),
                &format!("/a when {a}"),
            ],
            want,
        );
    }
}

/// Rules that each ask another value of one fact are told apart without comparing every two.
#[test]
fn many_values_of_one_fact_are_quick() {
    let rules: String = (0..20_000)
        .map(|n| format!("on any /x when token.sub == \"u{n}\" {{ set request header \"x\" \"v{n}\"; }}\n"))
        .collect();
    assert!(codes(&rules).is_empty());
    let twice = "on any /x when token.sub in [\"u3\", \"w\"] { set request header \"x\" \"w\"; }";
    assert_eq!(codes(&format!("{rules}{twice}")), ["G0517"]);
}

#[test]
fn accepts_that_no_body_satisfies_are_found() {
    for (a, b, want) in [
        ("string matches 'a+'", "string matches 'b+'", true),
        ("string matches 'a+'", "string matches '[ab]+'", false),
        ("string matches 'a+'", "string in [\"b\", \"c\"]", true),
        ("string matches 'a+'", "string in [\"b\", \"aa\"]", false),
        ("string in [\"abc\"]", "string max 2", true),
        ("string in [\"abc\", \"ab\"]", "string max 2", false),
        ("int in [1, 2]", "int 3..9", true),
        ("int in [1, 3]", "int 3..9", false),
        ("int 1..2", "int 3..4", true),
        ("string", "int", true),
    ] {
        for (a, b) in [(a, b), (b, a)] {
            let rules = format!(
                "on POST /a {{ accept body {{ f: {a}; }} }} on POST /** {{ accept body {{ f: {b}; }} }}"
            );
            assert_eq!(codes(&rules) == ["G0518"], want, "{rules}: {:?}", codes(&rules));
        }
    }
}

/// Accepts of bodies in one rule are alternatives; across rules those of each media type are compared.
#[test]
fn accepts_of_several_media_types_are_compared_type_by_type() {
    let (json, other_json) = ("accept body { n: int 1..2; }", "accept body { n: int 3..4; }");
    let (form, other_form) = ("accept form { n: int 1..2; }", "accept form { n: int 3..4; }");
    let (png, csv) = ("accept type \"image/png\";", "accept type \"text/csv\";");
    let (named_json, named_form) = (
        "accept type \"application/merge-patch+json\";",
        "accept type \"application/x-www-form-urlencoded\";",
    );
    let query = "accept query { n: int 3..4; }";
    let both = |lines: &[&str]| lines.join(" ");
    for (a, b, want) in [
        (json.to_string(), form.to_string(), true),
        (png.to_string(), csv.to_string(), true),
        (both(&[json, form]), form.to_string(), false),
        (both(&[json, form]), both(&[png, json]), false),
        (both(&[json, form]), both(&[png, csv]), true),
        (both(&[json, form]), other_json.to_string(), true),
        (both(&[json, form]), both(&[other_json, form]), true),
        (both(&[json, form]), both(&[json, other_form]), true),
        (both(&[json, png]), both(&[other_form, png]), false),
        (json.to_string(), named_json.to_string(), false),
        (form.to_string(), named_form.to_string(), false),
        (form.to_string(), named_json.to_string(), true),
        (json.to_string(), query.to_string(), false),
        (both(&[json, query]), form.to_string(), true),
        (
            both(&[json, "accept query { n: int 1..2; }"]),
            query.to_string(),
            true,
        ),
    ] {
        for (a, b) in [(&a, &b), (&b, &a)] {
            let rules = format!("on POST /a {{ {a} }} on POST /** {{ {b} }}");
            assert_eq!(codes(&rules) == ["G0518"], want, "{rules}: {:?}", codes(&rules));
        }
    }
}

#[test]
fn one_rule_has_one_accept_for_each_media_type() {
    for (body, want) in [
        (
            "accept body { n: int; } accept form { n: int; } accept type \"image/png\";",
            &[][..],
        ),
        ("accept type \"image/png\"; accept type \"image/gif\";", &[]),
        ("accept body { n?: int; } accept body { n?: int; }", &["G0510"]),
        (
            "accept form { n?: int; } accept body { n: int; } accept form { m?: int; }",
            &["G0510"],
        ),
        (
            "accept type \"image/png\"; accept type \"Image/PNG\" max 1KiB;",
            &["G0510"],
        ),
        (
            "accept body { n: int; } accept type \"application/json\";",
            &["G0510"],
        ),
        (
            "accept type \"application/x-www-form-urlencoded\"; accept form { n: int; }",
            &["G0510"],
        ),
        (
            "accept query { n?: int; } accept query { n?: int; } accept body { n: int; }",
            &[],
        ),
        (
            "accept query { n: int 1..2; } accept query { n: int 3..4; }",
            &["G0518"],
        ),
    ] {
        let rules = format!("on POST /a {{ {body} }}");
        assert_eq!(codes(&rules), want, "{rules}");
    }
}

/// The message names a request that both rules match, so that an overlap which is easily missed is seen.
#[test]
fn an_example_shows_where_rules_meet() {
    let label = |rules: &str| {
        let checked = load_text(&format!("{COMMON}service s {{ {rules} }}"));
        let found = checked.diagnostics.into_iter().find(|d| d.code == "G0517");
        found.unwrap().related[0].1.clone()
    };
    let rules = "on any /** unless request.path like \"/static/**\" { set header \"x\" \"1\"; }
        on GET /static/** { set header \"x\" \"2\"; }";
    let found = label(rules);
    assert!(found.ends_with("such as `GET /static`"), "{found}");
}
