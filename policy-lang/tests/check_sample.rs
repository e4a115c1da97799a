//! The sample of the language's first section checks clean and means what its author reads.

use portcullis_lang::check::{Checked, load, load_text_with};
use portcullis_lang::model::{Effect, Period, Policy, Tail};
use std::collections::BTreeMap;

const SAMPLE: &str = include_str!("check/sample.gate");

fn files() -> BTreeMap<String, Vec<u8>> {
    [
        ("corp.jwks.json", "{\"keys\":[]}"),
        ("partners.keys", ""),
        ("pepper.key", "0123456789abcdef"),
        ("salt.key", "a"),
        ("revoked.txt", "# none yet\n\nabc\n"),
        ("plans.json", "{\"pro\": {\"rpm\": 600}}"),
        ("orders.openapi.json", "{}"),
    ]
    .map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec()))
    .into()
}

fn sample() -> Policy {
    let checked = load_text_with(SAMPLE, &files());
    assert!(checked.diagnostics.is_empty(), "{:#?}", checked.diagnostics);
    checked.policy.unwrap_or_default()
}

#[test]
fn checks_clean_with_ids_in_order() {
    let ids: Vec<String> = sample().rules.into_iter().map(|r| r.id).collect();
    let expected = [
        "company/revoked_token",
        "orders/refund_guard",
        "policy.gate:30",
        "policy.gate:35",
        "policy.gate:37",
        "policy.gate:42",
        "policy.gate:44",
        "policy.gate:45",
        "policy.gate:46",
        "policy.gate:48",
        "policy.gate:53",
        "policy.gate:54",
    ];
    assert_eq!(ids, expected);
}

#[test]
fn services_quotas_and_targets_are_resolved() {
    let policy = sample();
    assert_eq!(policy.services[0].base, ["v1"]);
    let quotas: Vec<&str> = policy.quotas.iter().map(|q| q.name.as_str()).collect();
    assert_eq!(quotas, ["per_ip", "per_plan", "per_user"]);
    assert_eq!(
        policy.quotas[0].period,
        Period::Rate {
            period_us: 1_000_000,
            burst: Some(40)
        }
    );
    let refund = policy
        .rules
        .iter()
        .find(|r| r.id == "orders/refund_guard")
        .unwrap();
    assert_eq!(refund.effect, Effect::Deny);
    assert_eq!(refund.targets[0].pattern.segments.len(), 4);
    assert_eq!(refund.targets[0].pattern.tail, Tail::None);
}

#[test]
fn tests_and_proofs_are_resolved() {
    let policy = sample();
    let expectations = &policy.tests[0].expectations;
    let given = &expectations[0].given;
    let claims = r#"{"sub":"u1","tier":"pro","tenant":"t1","scope":"orders:read"}"#;
    assert_eq!(given.token, Some(("corp".to_owned(), claims.to_owned())));
    assert_eq!(given.context.as_deref(), Some(r#"{"order_tenant":"t1"}"#));
    assert_eq!(expectations[0].with, ["drop **.ssn"]);
    assert_eq!(expectations[1].by.as_deref(), Some("orders/refund_guard"));
    assert_eq!(policy.proofs[0].forms.len(), 1);
}

#[test]
fn the_order_of_files_is_meaning_free() {
    let a = (
        "a.gate".to_owned(),
        b"gate 1; condition x = request.port == 1;".to_vec(),
    );
    let b = (
        "b.gate".to_owned(),
        b"gate 1; service s { deny anyone to any /** when x; } import \"a.gate\";".to_vec(),
    );
    let text = |c: Checked| format!("{:?} {:?}", c.policy, c.diagnostics);
    assert_eq!(text(load(&[a.clone(), b.clone()], &())), text(load(&[b, a], &())));
}
