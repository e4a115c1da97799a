//! What is believed of whom: certificates, the scheme, context, NGINX's own words, and what the client is told.

use portcullis_tests_wasm::proxy::{Request, Vm};
use serde_json::{Value, json};

use crate::support::{
    POLICY, SHIPPED, answered, configuration, decisions, exchange, get, image, metadata, start,
};

fn with(text: &str, more: Value) -> Vm {
    SHIPPED.start(&configuration(&image(text), more)).unwrap()
}

fn with_certificate(path: &str) -> Request {
    get(path)
        .with_property("connection/mtls", [1])
        .with_property("connection/dns_san_peer_certificate", "a.example")
}

#[test]
fn a_certificate_is_seen_by_a_policy_that_reads_nothing_of_it() {
    let mut vm = with(
        "gate 1; service s { allow anyone to GET /x; deny anyone to any /x when exists peer; }",
        json!({}),
    );
    assert_eq!(answered(&mut vm, &get("/x")).0, 200);
    let (status, reason) = answered(&mut vm, &with_certificate("/x"));
    assert_eq!((status, reason.as_str()), (401, "denied_by_rule"));
}

#[test]
fn a_certificate_that_nobody_says_was_validated_is_none_to_believe() {
    const FRONT: &str = "spiffe://cluster.local/ns/web/sa/front";
    let front = |path| with_certificate(path).with_property("connection/uri_san_peer_certificate", FRONT);
    let believed = json!({"certificates_validated": true});
    assert_eq!(answered(&mut with(POLICY, believed), &front("/mesh")).0, 200);
    let mut without: Value = serde_json::from_str(&configuration(&image(POLICY), json!({}))).unwrap();
    without.as_object_mut().unwrap().remove("certificates_validated");
    for path in ["/mesh", "/open"] {
        let mut vm = SHIPPED.start(&without.to_string()).unwrap();
        let (status, reason) = answered(&mut vm, &front(path));
        assert_eq!((status, reason.as_str()), (401, "invalid_token"), "{path}");
        assert_eq!(decisions(&mut vm)[0]["detail"], "certificate_not_validated");
        let warned = |line: &str| line.contains("certificates_validated");
        assert!(vm.gateway().log.iter().any(|line| warned(&line.text)));
    }
}

#[test]
fn one_of_several_dns_names_is_taken_only_where_it_is_said_to_be_all() {
    let text = r#"gate 1; peers mesh { trust "cluster.local"; }
        service s { allow anyone to GET /x when "a.example" in peer.dns; }"#;
    let ask = |more: Value| answered(&mut with(text, more), &with_certificate("/x")).0;
    assert_eq!(ask(json!({})), 401);
    assert_eq!(ask(json!({"first_dns_san": true})), 200);
}

#[test]
fn https_is_the_connections_unless_a_proxy_before_may_say_it() {
    let mut plain = get("/tls");
    plain.properties.remove("connection/tls_version");
    let empty = get("/tls").with_property("connection/tls_version", "");
    let claimed = plain.clone().with_header("x-forwarded-proto", "https");
    let mut vm = start();
    assert_eq!(answered(&mut vm, &get("/tls")).0, 200);
    for asked in [&plain, &empty, &claimed] {
        assert_eq!(answered(&mut vm, asked).0, 403, "{asked:?}");
    }
    let mut forwarded = with(POLICY, json!({"tls": "forwarded"}));
    assert_eq!(answered(&mut forwarded, &claimed).0, 200);
    let http = plain.clone().with_header("x-forwarded-proto", "http");
    assert_eq!(answered(&mut forwarded, &http).0, 403);
}

#[test]
fn context_that_can_not_be_read_is_not_absent() {
    let large = format!(r#""context":{{"region":"{}"}}"#, "x".repeat(70_000));
    let mut cases = vec![(start(), get("/open").with_property("metadata", metadata(&large)))];
    for text in ["[1]", "{", "\"text\"", "\u{0}"] {
        let more = json!({"context": null, "context_property": ["ngx", "portcullis_context"]});
        let asked = get("/open").with_property("ngx/portcullis_context", text);
        cases.push((with(POLICY, more), asked));
    }
    for (mut vm, asked) in cases {
        assert_eq!(answered(&mut vm, &asked), (500, "internal".into()));
        assert_eq!(decisions(&mut vm)[0]["detail"], "context_unreadable");
    }
}

#[test]
fn l03_the_client_is_told_no_reason_unless_the_operator_wants_it() {
    let body = |more: Value| {
        let reply = exchange(&mut with(POLICY, more), &get("/admin/x")).reply;
        serde_json::from_slice::<Value>(&reply.unwrap().body).unwrap()
    };
    assert_eq!(body(json!({"explain": false})).get("reason"), None);
    assert_eq!(body(json!({"explain": true}))["reason"], "denied_by_rule");
}
