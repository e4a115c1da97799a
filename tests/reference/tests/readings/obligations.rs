//! How what binds is merged.

use portcullis_lang::model::{
    Accept, AcceptKind, AcceptedField, AcceptedType, Amount, Bounds, Cond, Effect, Fact, HeaderAction,
    HeaderDirection, HeaderOp, HeaderValue, KeyFact, KeyPart, Limit, Mask, Period, Quota, QuotaId, Redaction,
    RedactionOp, Rule, StoreFailure, Value,
};
use serde_json::json;

use crate::world::{SPAN, allow_all, decide, equals, get, policy, rule, why};

fn standing(id: &str, condition: Cond) -> Rule {
    rule(id, Effect::On, "any /**", condition)
}

fn unknown() -> Cond {
    equals(Fact::Context("n".into()), Value::Int(1))
}

fn quota(name: &str, facts: Vec<(Fact, Option<u8>)>, counting_denied: bool) -> Quota {
    let facts = facts.into_iter().map(|(fact, prefix)| KeyFact {
        text: match &fact {
            Fact::Claim(name) => format!("token.{name}"),
            _ => "client.ip".to_string(),
        },
        fact,
        prefix,
    });
    Quota {
        name: name.to_string(),
        span: SPAN,
        limit: Amount::Fixed(10),
        period: Period::Rate {
            period_us: 1_000_000,
            burst: None,
        },
        by: vec![KeyPart {
            facts: facts.collect(),
        }],
        cost: Amount::Fixed(1),
        shared: false,
        on_store_failure: StoreFailure::Deny,
        counting_denied,
    }
}

fn limit(index: u32, cost: Option<u64>) -> Limit {
    Limit {
        quota: QuotaId(index),
        cost: cost.map(Amount::Fixed),
    }
}

#[test]
fn charges_are_made_once_at_the_largest_cost_and_denials_keep_only_counting_ones() {
    let mut first = standing("s/q1", unknown());
    first.obligations.limits = vec![limit(0, Some(3)), limit(1, None)];
    let mut second = standing("s/q2", Cond::True);
    second.obligations.limits = vec![limit(0, Some(2))];
    let mut policy = policy(vec![allow_all(), first, second]);
    policy.quotas = vec![
        quota("ip", vec![(Fact::ClientIp, None)], false),
        quota("net", vec![(Fact::ClientIp, Some(48))], true),
    ];
    let request = json!({"client_ip": "2001:db8:1:2:3::9"});
    let verdict = decide(&policy, "GET", "/", request.clone(), json!({}));
    let charges: Vec<_> = verdict
        .quotas
        .iter()
        .map(|q| (q.key.as_str(), q.cost, q.burst))
        .collect();
    assert_eq!(
        charges,
        [
            ("client.ip:17:2001:db8:1:2::/64", 3, Some(10)),
            ("client.ip:15:2001:db8:1::/48", 1, Some(10))
        ]
    );
    assert_eq!(verdict.rules, ["s/q1", "s/q2"]);

    policy
        .rules
        .push(rule("s/z", Effect::Deny, "any /**", Cond::True));
    let denied = decide(&policy, "GET", "/", request, json!({}));
    assert_eq!(
        (denied.quotas.len(), denied.quotas[0].name.as_str(), denied.rules),
        (1, "net", vec!["s/q1".into()])
    );
}

#[test]
fn an_unknown_quota_key_refuses_and_token_keys_hold_the_issuer() {
    let mut allow = allow_all();
    allow.obligations.limits = vec![limit(0, None)];
    let mut policy = policy(vec![allow]);
    policy.quotas = vec![quota("user", vec![(Fact::Claim("sub".into()), None)], false)];
    assert_eq!(why(&get(&policy, "/")), "401 quota_key_unknown user");
    let token = |claims| json!({"token": {"issuer": "corp", "claims": claims}});
    assert_eq!(
        why(&decide(&policy, "GET", "/", json!({}), token(json!({})))),
        "403 quota_key_unknown user"
    );
    let known = decide(&policy, "GET", "/", json!({}), token(json!({"sub": "a\\\u{0}"})));
    assert_eq!(known.quotas[0].key, "token.iss:4:corp,token.sub:3:a\\\0");
}

#[test]
fn headers_need_true_and_clashes_are_dropped() {
    let set = |name: &str, value: &str| HeaderOp {
        direction: HeaderDirection::Response,
        name: name.to_string(),
        action: HeaderAction::Set(HeaderValue::Literal(value.to_string())),
    };
    let mut sure = standing("s/h1", Cond::True);
    sure.obligations.headers = vec![set("x-a", "1"), set("x-b", "1")];
    sure.obligations.tags = vec!["t".to_string()];
    let mut clash = standing("s/h2", Cond::True);
    clash.obligations.headers = vec![set("x-b", "2")];
    let mut unsure = standing("s/h3", unknown());
    unsure.obligations.headers = vec![set("x-c", "1")];
    let verdict = get(&policy(vec![allow_all(), sure, clash, unsure]), "/");
    assert_eq!(
        verdict.headers.response_set,
        [("x-a".to_string(), "1".to_string())]
    );
    assert_eq!(verdict.headers.response_drop, ["x-b"]);
    assert_eq!(
        (verdict.rules, verdict.tags),
        (vec!["s/h1".to_string(), "s/h2".into()], vec!["t".to_string()])
    );
}

#[test]
fn the_strongest_redaction_of_a_path_wins() {
    let op = |path: &str, op| Redaction::Op {
        path: path.to_string(),
        op,
    };
    let mut first = standing("s/r1", unknown());
    first.obligations.redact = vec![
        op("a", RedactionOp::Mask(Mask::First(4))),
        op("b", RedactionOp::Replace("x".into())),
        op("c", RedactionOp::Truncate(9)),
    ];
    let mut second = standing("s/r2", Cond::True);
    second.obligations.redact = vec![
        op("a", RedactionOp::Mask(Mask::Last(4))),
        op("b", RedactionOp::Replace("y".into())),
        op("c", RedactionOp::Truncate(3)),
        Redaction::Only(vec!["a".to_string()]),
    ];
    let response = get(&policy(vec![allow_all(), first, second]), "/")
        .response
        .unwrap();
    let expected = json!([
        {"op": "only", "paths": ["a"]},
        {"op": "mask", "path": "a"},
        {"op": "drop", "path": "b"},
        {"op": "truncate", "path": "c", "to": 3},
    ]);
    assert_eq!(json!(response.redact), expected);
}

#[test]
fn a_query_is_a_closed_world() {
    let field = AcceptedField {
        many: portcullis_lang::model::Many::One,
        path: "n".to_string(),
        optional: false,
        ty: AcceptedType::Int,
        nullable: false,
        bounds: Bounds {
            max: Some("9".to_string()),
            ..Bounds::default()
        },
    };
    let accept = |strip_unknown| Accept {
        kind: AcceptKind::Query,
        max_bytes: None,
        depth: None,
        strip_unknown,
        fields: vec![field.clone()],
    };
    let policy = |strip| {
        let mut allow = allow_all();
        allow.obligations.accept = vec![accept(strip)];
        policy(vec![allow])
    };
    for (target, expected) in [
        ("/?n=9", "200 allowed -"),
        ("/?n=10", "422 query_refused query_shape"),
        ("/", "422 query_refused query_shape"),
        ("/?n=1&n=1", "422 query_refused query_shape"),
        ("/?n=1&x=1", "422 query_refused query_shape"),
        ("/?n=%zz", "400 query_refused query_syntax"),
    ] {
        assert_eq!(why(&get(&policy(false), target)), expected, "{target}");
    }
    assert_eq!(
        get(&policy(true), "/?x=1&n=1").upstream_target.as_deref(),
        Some("/?n=1")
    );
}
