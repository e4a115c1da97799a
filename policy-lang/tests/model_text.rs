//! Conditions of the model as Gate text: what is shown reads back as the same condition.

use std::collections::BTreeMap;

use portcullis_lang::check::{Checked, load_text_with};
use portcullis_lang::model::{Cond, Fact, Policy, Type};

/// A policy with one rule, whose `when` and response check are given.
fn check(when: &str, response: &str) -> Checked {
    let text = format!(
        "gate 1;
        issuer corp {{ url \"https://idp.example/\"; audience \"a\"; algorithms ES256; claims {{ mfa: bool; }} }}
        keys partners {{ header \"x-key\"; fields {{ plan: string; }} }}
        peers mesh {{ trust \"mesh.example\"; }}
        secret hook from file \"hook.secret\";
        signature hub {{ header \"x-hub\"; hmac sha256 hex; over body; secret hook; }}
        trust {{ proxies 10.0.0.0/8; header \"x-c\" as geo.country: string; }}
        context {{ risk: int; at: instant; addr: ip; }}
        network office = 10.0.0.0/8;
        hours business = mon..fri 08:00..18:00 in \"Europe/Berlin\";
        list banned: string from \"banned.txt\";
        table plans from \"plans.json\" {{ rpm: int; }}
        condition calm = context.risk < 5;
        service s {{
          on any /u/{{id}} when {when} {{ require response {{ {response}; }} else 404; }}
        }}"
    );
    let files = [
        ("hook.secret", "0123456789abcdef"),
        ("banned.txt", ""),
        ("plans.json", "{}"),
    ];
    let files: BTreeMap<String, Vec<u8>> = files
        .map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec()))
        .into();
    load_text_with(&text, &files)
}

fn policy(when: &str, response: &str) -> Policy {
    let checked = check(when, response);
    checked
        .policy
        .unwrap_or_else(|| panic!("{when}; {response}: {:?}", checked.diagnostics))
}

const CONDITIONS: [&str; 26] = [
    "token from corp and key from partners",
    "peer from mesh or signed by hub",
    "not (token.mfa or exists token.sub) and exists token",
    "request.method == \"GET\"",
    "request.header[\"x-a\"] == \"a \\\"b\\\" \\\\c\" ignore case",
    "request.cookie[\"c\"] != request.query.q",
    "request.port >= 443 and request.size < 5",
    "path.id in [\"a\", \"b\"]",
    "client.ip in office",
    "connection.ip == \"10.0.0.1\"",
    "context.addr == \"2001:db8::1\"",
    "now in business",
    "now < 2030-01-01T00:00:00Z",
    "context.at == 2030-01-01T00:00:00.5Z",
    "token.sub in banned",
    "key.id == \"k\" and key.plan == \"p\"",
    "peer.spiffe like \"spiffe://*\"",
    "\"d\" in peer.dns",
    "peer.subject == peer.fingerprint",
    "signature.name == \"hub\"",
    "token.scope has any [\"a\"]",
    "token.amr has all [\"a\", \"b\"]",
    "token.sub matches '[a-z]+'",
    "token.sub in 12.5% of \"canary\"",
    "geo.country == \"DE\"",
    "plans[token.sub].rpm > 5",
];

#[test]
fn shown_conditions_read_back() {
    for text in CONDITIONS {
        let first = policy(text, "ok");
        let shown = first.show(&first.rules[0].condition).to_string();
        let second = policy(&shown, "ok");
        assert_eq!(first.rules[0].condition, second.rules[0].condition, "{shown}");
    }
}

fn response(policy: &Policy) -> &Cond {
    &policy.rules[0].obligations.require_response[0].condition
}

#[test]
fn a_field_of_the_response_has_the_type_its_test_asks_for() {
    let types = [
        ("owner.id == token.sub", Type::String),
        ("token.sub == owner.id", Type::String),
        ("response.owner.id > 3", Type::Int),
        ("owner.id in [1, 2]", Type::Int),
        ("owner.id in banned", Type::String),
        ("owner.id in office", Type::Ip),
        ("owner.id", Type::Bool),
        ("exists owner.id", Type::String),
        ("\"a\" in owner.id", Type::Set),
        ("owner.id has any [\"a\"]", Type::Set),
        ("owner.id like \"a*\"", Type::String),
        ("owner.id < now", Type::Instant),
    ];
    for (text, ty) in types {
        let policy = policy("exists token", text);
        let mut found = Vec::new();
        response(&policy).for_each_atom(&mut |atom| {
            atom.for_each_fact(&mut |fact| {
                if let Fact::Response { path, ty } = fact {
                    found.push((path.join("."), *ty));
                }
            });
        });
        assert_eq!(found, [("owner.id".to_owned(), ty)], "{text}");
        let shown = policy.show(response(&policy)).to_string();
        let again = self::policy("exists token", &shown);
        assert_eq!(response(&policy), response(&again), "{shown}");
    }
}

#[test]
fn declared_names_are_no_fields_of_the_response() {
    let policy = policy("exists token", "calm");
    let shown = policy.show(response(&policy)).to_string();
    assert_eq!(shown, "context.risk < 5");
}

#[test]
fn a_field_of_unknown_type_is_an_error() {
    for text in ["owner == holder", "owner == 1.5", "owner < 30s"] {
        let checked = check("exists token", text);
        assert!(checked.policy.is_none(), "{text}");
        assert_eq!(checked.diagnostics[0].code, "G0201", "{text}");
    }
    let outside = check("owner == \"a\"", "ok");
    assert_eq!(outside.diagnostics[0].code, "G0102");
}
