//! Facts, their states, and credentials.

use portcullis_lang::model::{
    Anchor, Atom, Cond, CredentialKind, Effect, Fact, IssuerId, SetForm, Trust, TrustedHeader, Type, Value,
};
use serde_json::json;

use crate::world::{allow_all, decide, equals, get, policy, rule, text, why};

fn denied_if(condition: Cond) -> portcullis_lang::model::Policy {
    policy(vec![
        allow_all(),
        rule("s/no", Effect::Deny, "any /**", condition),
    ])
}

#[test]
fn an_unknown_fact_opens_no_gate_negated_or_not() {
    let condition = equals(Fact::Context("n".into()), Value::Int(1));
    let both = policy(vec![
        rule("s/a", Effect::Allow, "any /**", condition.clone()),
        rule("s/b", Effect::Allow, "any /**", condition.clone().negate()),
    ]);
    assert_eq!(why(&get(&both, "/")), "403 no_rule -");
    assert_eq!(
        get(&denied_if(condition.clone()), "/").rule.as_deref(),
        Some("s/no")
    );
    let known = |n| json!({"context": {"n": n}});
    assert_eq!(
        decide(&both, "GET", "/", json!({}), known(1)).rule.as_deref(),
        Some("s/a")
    );
    assert_eq!(
        decide(&both, "GET", "/", json!({}), known(2)).rule.as_deref(),
        Some("s/b")
    );
    assert_eq!(
        decide(&denied_if(condition), "GET", "/", json!({}), known(2)).status,
        200
    );
}

#[test]
fn null_was_sent_and_is_no_default() {
    let off = Fact::Context("off".into());
    assert_eq!(
        get(&denied_if(Cond::Atom(Atom::IsTrue(off.clone()))), "/").status,
        200
    );
    let null = json!({"context": {"off": null}});
    assert_eq!(
        decide(
            &denied_if(Cond::Atom(Atom::IsTrue(off.clone()))),
            "GET",
            "/",
            json!({}),
            null.clone()
        )
        .status,
        403
    );
    let exists = denied_if(Cond::Atom(Atom::Exists(off)));
    assert_eq!(get(&exists, "/").status, 200);
    assert_eq!(decide(&exists, "GET", "/", json!({}), null).status, 403);
}

#[test]
fn a_presented_credential_is_never_absent() {
    let policy = policy(vec![allow_all()]);
    for (headers, more, expected) in [
        (json!([["authorization", "Basic x"]]), json!({}), "200 allowed -"),
        (
            json!([["authorization", "Bearer x"]]),
            json!({}),
            "401 invalid_token malformed_token",
        ),
        (
            json!([["authorization", "bearer  x"]]),
            json!({}),
            "401 invalid_token malformed_credential",
        ),
        (
            json!([["authorization", "Bearer a, Bearer b"]]),
            json!({}),
            "401 invalid_token ambiguous_credential",
        ),
        (
            json!([["authorization", "DPoP a"]]),
            json!({"token": {"issuer": "corp", "claims": {}}}),
            "401 invalid_token proof_not_supported",
        ),
        (
            json!([]),
            json!({"token": {"issuer": "corp", "claims": {"cnf": {"jkt": "x"}}}}),
            "401 invalid_token proof_not_supported",
        ),
        (
            json!([]),
            json!({"bearer": "x"}),
            "401 invalid_token malformed_token",
        ),
        (
            json!([]),
            json!({"token": {"issuer": "corp", "invalid": "expired"}}),
            "401 invalid_token expired",
        ),
        (
            json!([]),
            json!({"token": {"issuer": "x", "claims": {}}}),
            "401 invalid_token unknown_issuer",
        ),
        (
            json!([]),
            json!({"token": {"issuer": "corp", "claims": []}}),
            "401 invalid_token malformed_token",
        ),
        (
            json!([["x-api-key", ""]]),
            json!({}),
            "401 invalid_token malformed_credential",
        ),
        (
            json!([["x-api-key", "k"], ["x-api-key", "k"]]),
            json!({}),
            "401 invalid_token ambiguous_credential",
        ),
        (
            json!([]),
            json!({"key": {"keys": "x", "id": "k"}}),
            "401 invalid_token unknown_keys",
        ),
    ] {
        let verdict = decide(&policy, "GET", "/", json!({"headers": headers}), more);
        assert_eq!(why(&verdict), expected, "{headers}");
    }
}

#[test]
fn duplicates_in_claims_are_invalid_at_any_depth() {
    let line = r#"{"id":"v","request":{"method":"GET","url":"https://h/"},"token":{"issuer":"corp","claims":{"a":[{"b":1,"\u0062":2}]}}}"#;
    let policy = policy(vec![allow_all()]);
    let vector = portcullis_vectors::parse_line(line).unwrap();
    let verdict =
        portcullis_reference::Reference::new(&policy, &std::collections::BTreeMap::new()).decide(&vector);
    assert_eq!(why(&verdict), "401 invalid_token duplicate_member");
    let challenge = (
        "www-authenticate".to_string(),
        "Bearer error=\"invalid_token\"".to_string(),
    );
    assert_eq!(verdict.headers.response_set, [challenge]);
}

#[test]
fn invalid_credentials_may_count_as_anonymous() {
    let anchor = Cond::Atom(Atom::Anchor(Anchor::Token(IssuerId(0))));
    let presented = Cond::Atom(Atom::Presented(CredentialKind::Token));
    let mut policy = policy(vec![rule(
        "s/a",
        Effect::Allow,
        "any /**",
        Cond::all([presented, anchor.negate()]),
    )]);
    policy.services[0].invalid_credentials_anonymous = true;
    let invalid = json!({"token": {"issuer": "corp", "invalid": "expired"}});
    assert_eq!(decide(&policy, "GET", "/", json!({}), invalid).status, 200);
    assert_eq!(get(&policy, "/").status, 401);
}

#[test]
fn the_client_is_found_behind_trusted_proxies_only() {
    let ip = |text: &str| Value::Ip(text.parse().unwrap());
    let mut policy = policy(vec![rule(
        "s/a",
        Effect::Allow,
        "any /**",
        equals(Fact::ClientIp, ip("203.0.113.7")),
    )]);
    policy.trust = Trust {
        proxies: vec!["10.0.0.0/8".parse().unwrap()],
        hops: None,
        headers: Vec::new(),
    };
    let status = |policy: &_, socket: &str, headers| {
        decide(
            policy,
            "GET",
            "/",
            json!({"client_ip": socket, "headers": headers}),
            json!({}),
        )
        .status
    };
    assert_eq!(
        status(&policy, "203.0.113.7", json!([["x-forwarded-for", "1.1.1.1"]])),
        200
    );
    assert_eq!(
        status(
            &policy,
            "::ffff:10.0.0.1",
            json!([["x-forwarded-for", "x, 203.0.113.7, 10.1.1.1"]])
        ),
        200
    );
    assert_eq!(
        status(
            &policy,
            "10.0.0.1",
            json!([["x-forwarded-for", "203.0.113.7, x"]])
        ),
        403
    );
    assert_eq!(
        status(
            &policy,
            "10.0.0.1",
            json!([["forwarded", "for=\"203.0.113.7:80\";proto=https"]])
        ),
        200
    );
    assert_eq!(
        status(
            &policy,
            "10.0.0.1",
            json!([
                ["forwarded", "for=203.0.113.7"],
                ["x-forwarded-for", "203.0.113.7"]
            ])
        ),
        403
    );
    policy.trust.hops = Some(2);
    assert_eq!(
        status(
            &policy,
            "10.0.0.1",
            json!([["x-forwarded-for", "203.0.113.7, 10.9.9.9"]])
        ),
        200
    );
    assert_eq!(
        status(
            &policy,
            "10.0.0.1",
            json!([["x-forwarded-for", "203.0.113.7, 9.9.9.9"]])
        ),
        403
    );
    assert_eq!(
        status(&policy, "10.0.0.1", json!([["x-forwarded-for", "203.0.113.7"]])),
        403
    );
}

#[test]
fn a_trusted_header_needs_a_trusted_socket() {
    let mut policy = policy(vec![rule(
        "s/a",
        Effect::Allow,
        "any /**",
        equals(Fact::Trusted("geo".into()), text("DE")),
    )]);
    let header = TrustedHeader {
        name: "geo".into(),
        header: "x-geo".into(),
        ty: Type::String,
        set: SetForm::Array,
    };
    policy.trust = Trust {
        proxies: vec!["10.0.0.0/8".parse().unwrap()],
        hops: None,
        headers: vec![header],
    };
    for (socket, expected) in [("10.0.0.1", 200), ("11.0.0.1", 403)] {
        let request = json!({"client_ip": socket, "headers": [["x-geo", "DE"]]});
        assert_eq!(decide(&policy, "GET", "/", request, json!({})).status, expected);
    }
}

#[test]
fn a_rule_with_two_targets_is_as_two_rules() {
    let capture = Fact::Capture {
        name: "x".into(),
        ty: Type::String,
    };
    let policy = policy(vec![rule(
        "s/a",
        Effect::Allow,
        "GET /{x}/*, GET /*/{x}",
        equals(capture, text("a")),
    )]);
    assert_eq!(get(&policy, "/a/b").status, 200);
    assert_eq!(get(&policy, "/b/a").status, 200);
    assert_eq!(get(&policy, "/b/b").status, 403);
}
