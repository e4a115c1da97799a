//! Steps 1 to 15, the host and the query.

use portcullis_lang::model::{Effect, Fact, HostOptions};
use serde_json::json;

use crate::world::{allow_all, decide, equals, get, policy, rule, text, why};

#[test]
fn each_bad_target_has_its_code() {
    let policy = policy(vec![allow_all()]);
    for (target, detail) in [
        ("/a%2Fb", "encoded_slash"),
        ("/a%5cb", "backslash"),
        ("/a\\b", "backslash"),
        ("/a%00", "control_or_nul"),
        ("/a b", "control_or_nul"),
        ("/a%4", "bad_percent"),
        ("/a#b", "fragment"),
        ("/caf\u{e9}", "raw_non_ascii"),
        ("/%c0%af", "bad_utf8"),
        ("/%E2%81%84", "lookalike_slash"),
        ("/%2561", "double_encoding"),
        ("/a;b", "path_parameter"),
        ("/a%3bb", "path_parameter"),
        ("/a//b", "empty_segment"),
        ("/a/../../b", "above_root"),
        ("/a./b", "trailing_dot_or_space"),
        ("/a%20", "trailing_dot_or_space"),
    ] {
        assert_eq!(
            why(&get(&policy, target)),
            format!("400 malformed {detail}"),
            "{target}"
        );
    }
    assert_eq!(
        why(&get(&policy, &"/a".repeat(129))),
        "414 malformed too_many_segments"
    );
    assert_eq!(
        why(&get(&policy, &format!("/?{}", "a&".repeat(257)))),
        "414 malformed too_many_parameters"
    );
    assert_eq!(
        why(&get(&policy, &"/".repeat(8193))),
        "414 malformed target_too_long"
    );
}

#[test]
fn the_canonical_spelling_goes_upstream_and_the_query_as_sent() {
    let policy = policy(vec![allow_all()]);
    for (target, upstream) in [
        ("/%61/%7e/%c3%a9", "/a/~/%C3%A9"),
        ("/a/./b/../c?x=%zz&+", "/a/c?x=%zz&+"),
        ("/a/..", "/"),
        ("/a/b/.", "/a/b/"),
    ] {
        assert_eq!(
            get(&policy, target).upstream_target.as_deref(),
            Some(upstream),
            "{target}"
        );
    }
}

#[test]
fn an_absolute_target_without_a_path_is_the_root() {
    let policy = policy(vec![allow_all()]);
    let request = json!({"url": null, "target": "HTTP://h?x"});
    let verdict = decide(&policy, "GET", "/", request, json!({}));
    assert_eq!(verdict.upstream_target.as_deref(), Some("/?x"));
    assert_eq!(why(&get(&policy, "?x")), "400 malformed bad_target");
}

#[test]
fn host_options_forgive_what_they_name() {
    let mut policy = policy(vec![rule(
        "s/a",
        Effect::Allow,
        "GET /a/b, GET /x/c",
        equals(Fact::Method, text("GET")),
    )]);
    policy.services[0].options = HostOptions {
        merge_slashes: true,
        encoded_slash_as_data: true,
        encoded_backslash_as_data: true,
        path_parameters_kept: true,
        method_override_kept: true,
    };
    assert_eq!(get(&policy, "//a///b").upstream_target.as_deref(), Some("/a/b"));
    assert_eq!(
        get(&policy, "/a;p=1/b;q").upstream_target.as_deref(),
        Some("/a;p=1/b;q")
    );
    assert_eq!(
        get(&policy, "/a/..;x/x/c").upstream_target.as_deref(),
        Some("/x/c")
    );
    assert_eq!(why(&get(&policy, "/a/;x/b")), "400 malformed empty_segment");
    assert_eq!(why(&get(&policy, "/a/;%3b/b")), "400 malformed path_parameter");
    assert_eq!(why(&get(&policy, "/a%2Fb")), "404 no_route -");
    let headers = json!({"headers": [["x-http-method-override", "PUT"]]});
    assert_eq!(decide(&policy, "GET", "/a/b", headers, json!({})).status, 200);
}

#[test]
fn authorities_have_one_spelling() {
    let policy = policy(vec![rule(
        "s/a",
        Effect::Allow,
        "any /**",
        equals(Fact::Host, text("h.example")),
    )]);
    for (host, expected) in [
        ("H.Example.", "200 allowed -"),
        ("h.example:443", "200 allowed -"),
        ("h.example:", "400 malformed bad_port"),
        ("h.example:0443", "400 malformed bad_port"),
        ("u@h.example", "400 malformed bad_host"),
        ("h+x.example", "400 malformed bad_host"),
        ("h_x.example", "403 no_rule -"),
        ("127.1", "400 malformed bad_host"),
        ("0x7f", "400 malformed bad_host"),
        ("::1", "400 malformed bad_host"),
        ("[0::1]", "400 malformed bad_host"),
        ("[::1]:80", "403 no_rule -"),
    ] {
        let request = json!({"url": null, "target": "/", "authority": host});
        assert_eq!(
            why(&decide(&policy, "GET", "/", request, json!({}))),
            expected,
            "{host}"
        );
    }
    for (headers, expected) in [
        (json!([["host", "h.example"]]), "200 allowed -"),
        (
            json!([["host", "h.example"], ["host", "h.example"]]),
            "400 malformed duplicate_host",
        ),
        (json!([]), "400 malformed missing_host"),
    ] {
        let request = json!({"url": null, "target": "/", "headers": headers});
        assert_eq!(why(&decide(&policy, "GET", "/", request, json!({}))), expected);
    }
    let request = json!({"url": null, "target": "http://h.example", "authority": "other"});
    assert_eq!(
        why(&decide(&policy, "GET", "/", request, json!({}))),
        "400 malformed host_mismatch"
    );
}

#[test]
fn header_names_cannot_imitate_or_vanish() {
    let policy = policy(vec![rule(
        "s/a",
        Effect::Allow,
        "any /**",
        equals(Fact::Header("x-role".into()), text("a")),
    )]);
    for (headers, expected) in [
        (json!([["X-Role", " a\t"]]), "200 allowed -"),
        (json!([["x-role", "a"], ["x-role", "a"]]), "403 no_rule -"),
        (json!([["x_role", "a"]]), "400 malformed header_collision"),
        (json!([["x_api_key", "a"]]), "400 malformed header_collision"),
        (json!([["x_other", "b"], ["x-role", "a"]]), "200 allowed -"),
        (
            json!([["connection", "close, X-Role"], ["x-role", "a"]]),
            "403 no_rule -",
        ),
        (
            json!([["connection", "x-api-key"]]),
            "400 malformed connection_drops_identity",
        ),
        (json!([["x-role", "a\u{1}"]]), "400 malformed bad_header_value"),
        (json!([["x role", "a"]]), "400 malformed bad_header_name"),
        (json!([["x-http-method", "PUT"]]), "400 malformed method_override"),
        (
            json!([["cookie", ";".repeat(200)]]),
            "431 malformed too_many_cookies",
        ),
    ] {
        let verdict = decide(&policy, "GET", "/", json!({"headers": headers}), json!({}));
        assert_eq!(why(&verdict), expected, "{headers}");
    }
}
