//! The order of the verdict, its reasons and its headers.

use portcullis_lang::model::{
    Anchor, Atom, Cond, Cors, Effect, Fact, IssuerId, Requires, Respond, TargetKind, Transport, Value,
};
use serde_json::json;

use crate::world::{allow_all, decide, equals, get, policy, rule, service, why};

fn header(verdict: &portcullis_vectors::Verdict, name: &str) -> Option<String> {
    verdict
        .headers
        .response_set
        .iter()
        .find(|(n, _)| n == name)
        .map(|(_, value)| value.clone())
}

fn customer() -> Cond {
    Cond::Atom(Atom::Anchor(Anchor::Token(IssuerId(0))))
}

#[test]
fn allows_are_narrow_and_denies_are_wide() {
    let narrow = policy(vec![rule("s/a", Effect::Allow, "GET /a", Cond::True)]);
    assert_eq!(get(&narrow, "/a").status, 200);
    assert_eq!(why(&get(&narrow, "/a/")), "404 no_route -");
    let head = decide(&narrow, "HEAD", "/a", json!({}), json!({}));
    assert_eq!(
        (head.status, header(&head, "allow").as_deref()),
        (405, Some("GET"))
    );
    let wide = policy(vec![
        allow_all(),
        rule("s/no", Effect::Deny, "GET /a", Cond::True),
    ]);
    for (method, path, status) in [("HEAD", "/a/", 403), ("POST", "/a", 200), ("GET", "/a/b", 200)] {
        assert_eq!(
            decide(&wide, method, path, json!({}), json!({})).status,
            status,
            "{method} {path}"
        );
    }
}

#[test]
fn without_an_allow_the_first_class_that_exists_answers() {
    let mut with_scope = rule("s/scope", Effect::Allow, "GET /a", customer());
    with_scope.requires.scopes = vec!["r".to_string()];
    let scoped = policy(vec![with_scope]);
    let anonymous = get(&scoped, "/a");
    assert_eq!(why(&anonymous), "401 unauthenticated -");
    assert_eq!(header(&anonymous, "www-authenticate").as_deref(), Some("Bearer"));
    let token = |claims| json!({"token": {"issuer": "corp", "claims": claims}});
    let lacking = decide(&scoped, "GET", "/a", json!({}), token(json!({"scope": "x  y"})));
    assert_eq!(why(&lacking), "403 insufficient_scope -");
    let challenge = header(&lacking, "www-authenticate");
    assert_eq!(
        challenge.as_deref(),
        Some("Bearer error=\"insufficient_scope\", scope=\"r\"")
    );
    assert_eq!(
        decide(&scoped, "GET", "/a", json!({}), token(json!({"scope": "w"}))).status,
        200
    );

    let mut fresh = rule("s/fresh", Effect::Allow, "GET /a", customer());
    fresh.requires = Requires {
        acr: Some("2".to_string()),
        max_age_us: Some(300_000_000),
        ..Requires::default()
    };
    let claims = token(json!({"acr": "2", "auth_time": 1}));
    let stale = decide(&policy(vec![fresh]), "GET", "/a", json!({}), claims);
    let challenge = header(&stale, "www-authenticate");
    assert_eq!(
        challenge.as_deref(),
        Some("Bearer error=\"insufficient_user_authentication\", max_age=\"300\"")
    );
}

#[test]
fn the_deciding_deny_is_true_before_unknown_then_the_largest_status() {
    let deny = |id: &str, status, condition| {
        let mut rule = rule(id, Effect::Deny, "any /**", condition);
        rule.respond = Some(Respond {
            status,
            location: None,
            retry_after_s: Some(9),
        });
        rule
    };
    let unknown = equals(Fact::Context("n".into()), Value::Int(1));
    let policy = policy(vec![
        allow_all(),
        deny("s/a", 404, Cond::True),
        deny("s/b", 503, Cond::True),
        deny("s/c", 599, unknown),
        rule("s/d", Effect::Deny, "any /**", Cond::True),
    ]);
    let verdict = get(&policy, "/");
    assert_eq!((verdict.status, verdict.rule.as_deref()), (503, Some("s/b")));
    assert_eq!(header(&verdict, "retry-after").as_deref(), Some("9"));
}

#[test]
fn a_deny_that_reads_a_missing_credential_challenges() {
    let policy = policy(vec![
        allow_all(),
        rule("s/d", Effect::Deny, "any /**", customer().negate()),
    ]);
    let verdict = get(&policy, "/");
    assert_eq!(why(&verdict), "401 denied_by_rule -");
    assert_eq!(header(&verdict, "www-authenticate").as_deref(), Some("Bearer"));
}

#[test]
fn reported_rules_only_report() {
    let mut reported = rule(
        "s/r",
        Effect::Deny,
        "any /**",
        equals(Fact::Context("n".into()), Value::Int(1)),
    );
    reported.report = true;
    let verdict = get(&policy(vec![allow_all(), reported]), "/");
    assert_eq!(
        (verdict.status, verdict.report[0].value.as_str()),
        (200, "unknown")
    );
}

#[test]
fn transport_comes_before_credentials_and_sunset_after_denies() {
    let mut strict = policy(vec![allow_all()]);
    strict.services[0].require = vec![Transport::Tls, Transport::SniIsHost];
    strict.services[0].sunset_us = Some(1_000_000);
    let bad_token = json!({"token": {"issuer": "corp", "invalid": "x"}});
    assert_eq!(
        why(&decide(&strict, "GET", "/", json!({}), bad_token)),
        "403 transport_refused sni"
    );
    let sni = json!({"sni": "H"});
    let late = decide(
        &strict,
        "GET",
        "/",
        sni.clone(),
        json!({"now": "1970-01-01T00:00:01Z"}),
    );
    assert_eq!(
        (why(&late).as_str(), header(&late, "sunset")),
        ("410 gone -", None)
    );
    let unknown = decide(&strict, "GET", "/", sni, json!({}));
    assert_eq!(
        header(&unknown, "sunset").as_deref(),
        Some("Thu, 01 Jan 1970 00:00:01 GMT")
    );
}

#[test]
fn a_preflight_is_answered_before_rules() {
    let mut policy = policy(vec![rule("s/no", Effect::Deny, "any /**", Cond::True)]);
    policy.services[0].cors = Some(Cors {
        origins: vec!["https://app".to_string()],
        any_origin: false,
        methods: vec!["GET".to_string(), "PUT".to_string()],
        headers: Vec::new(),
        credentials: true,
        max_age_s: Some(600),
    });
    let ask = |origin: &str| {
        let headers = json!([["origin", origin], ["access-control-request-method", "PUT"]]);
        decide(&policy, "OPTIONS", "/", json!({"headers": headers}), json!({}))
    };
    let own = ask("https://app");
    assert_eq!(
        (own.effect.as_str(), own.status, own.headers.response_set.len()),
        ("answer", 204, 5)
    );
    assert_eq!(
        header(&own, "access-control-allow-methods").as_deref(),
        Some("GET, PUT")
    );
    let foreign = ask("https://evil");
    assert_eq!(
        foreign.headers.response_set,
        [("vary".to_string(), "origin".to_string())]
    );
}

#[test]
fn upgrades_and_requests_without_a_path_must_be_named() {
    let mut socket = rule("s/ws", Effect::Allow, "GET /ws", Cond::True);
    socket.targets[0].kind = TargetKind::WebSocket;
    let mut policy = policy(vec![allow_all(), socket]);
    let upgrade = |to: &str| json!({"headers": [["connection", "Upgrade"], ["upgrade", to]]});
    assert_eq!(
        decide(&policy, "GET", "/ws", upgrade("WebSocket"), json!({}))
            .rule
            .as_deref(),
        Some("s/ws")
    );
    assert_eq!(
        why(&decide(&policy, "GET", "/ws", upgrade("h2c"), json!({}))),
        "403 no_rule -"
    );
    let star = json!({"url": null, "target": "*", "authority": "h"});
    assert_eq!(
        why(&decide(&policy, "OPTIONS", "/", star.clone(), json!({}))),
        "404 no_route -"
    );
    policy
        .rules
        .push(rule("s/z", Effect::Deny, "any /**", Cond::True));
    assert_eq!(
        why(&decide(&policy, "OPTIONS", "/", star.clone(), json!({}))),
        "403 denied_by_rule -"
    );
    policy.services = vec![service("s", &["v1"])];
    assert_eq!(
        why(&decide(&policy, "OPTIONS", "/", star, json!({}))),
        "404 no_service -"
    );
}

#[test]
fn grpc_denials_speak_grpc() {
    let policy = policy(vec![rule("s/a", Effect::Allow, "GET /a", Cond::True)]);
    let request = json!({"headers": [["content-type", "application/grpc+proto; x=y"]]});
    let verdict = decide(&policy, "POST", "/b", request, json!({}));
    assert_eq!(
        (verdict.status, header(&verdict, "grpc-status").as_deref()),
        (404, Some("12"))
    );
}
