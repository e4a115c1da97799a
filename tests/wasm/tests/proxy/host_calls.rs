//! What a request costs: each call into the gateway. Every one is written down here, so that one more is seen.

use portcullis_tests_wasm::proxy::{Request, Vm};
use serde_json::{Value, json};

use crate::support::{
    SHIPPED, answered, configuration, decisions, exchange, get, image, lines, metadata, ok,
};

/// What every allowed request takes: its header lines, its counter, and that no upstream speaks in our name.
const LINES: &str = "get_header_map_pairs";
const COUNT: &str = "increment_metric";
const UNSAID: &str = "remove_header_map_value";

const ISSUER: &str = r#"issuer corp { url "https://id.example.com/"; audience "a"; verified by gateway; }
    principal staff = token from corp;"#;

/// A policy with one more declaration and one more clause, as an operator configures it: denials are logged.
fn with(declarations: &str, clauses: &str, more: Value) -> Vm {
    let text = format!("gate 1; {declarations} service s {{ allow anyone to GET /open; {clauses} }}");
    let mut all = json!({"log": "denied"});
    if let (Value::Object(all), Value::Object(more)) = (&mut all, more) {
        all.extend(more);
    }
    SHIPPED.start(&configuration(&image(&text), all)).unwrap()
}

/// A request of which a gateway knows everything.
fn complete() -> Request {
    let claims = r#""token":{"issuer":"corp","claims":{"sub":"u"}},"context":{"region":"eu"}"#;
    get("/open")
        .with_property("connection/requested_server_name", "a.example")
        .with_property("metadata", metadata(claims))
}

/// The calls of an allowed request.
fn calls(vm: &mut Vm) -> Vec<String> {
    assert_eq!(answered(vm, &complete()).0, 200);
    vm.gateway().calls.clone()
}

#[test]
fn a_policy_that_asks_nothing_takes_three_calls() {
    let mut vm = with("", "", json!({"tls": "forwarded"}));
    assert_eq!(calls(&mut vm), [LINES, COUNT, UNSAID]);
    // The connection is asked about where a client says https, for then the answer may matter.
    let mut vm = with("", "", json!({}));
    let tls = "get_property connection/tls_version";
    assert_eq!(calls(&mut vm), [LINES, tls, COUNT, UNSAID]);
    let mut plain = complete();
    plain.headers.retain(|(name, _)| name != b":scheme");
    let plain = plain.with_header(":scheme", "http");
    assert_eq!(answered(&mut vm, &plain).0, 200);
    assert_eq!(vm.gateway().calls, [LINES, COUNT, UNSAID]);
}

/// Tokens end, and where certificates are validated one may be bound to the connection's.
#[test]
fn a_policy_of_tokens_and_networks_takes_four_more() {
    let mut vm = with(
        &format!("{ISSUER} network nearby = 192.0.2.0/24;"),
        "allow staff to GET /near when client.ip in nearby;",
        json!({"tls": "forwarded"}),
    );
    let (address, claims) = ("get_property source/address", "get_property metadata");
    let (certificate, clock) = ("get_property connection/mtls", "get_current_time_nanoseconds");
    assert_eq!(
        calls(&mut vm),
        [LINES, address, certificate, claims, clock, COUNT, UNSAID]
    );
    let mut vm = with(
        ISSUER,
        "",
        json!({"tls": "forwarded", "certificates_validated": false}),
    );
    assert_eq!(calls(&mut vm), [LINES, claims, clock, COUNT, UNSAID]);
}

#[test]
fn a_fact_is_asked_for_where_a_policy_reads_it_and_nowhere_else() {
    let mesh = r#"peers mesh { trust "cluster.local"; }"#;
    for (declarations, clause, call) in [
        (
            "",
            "deny anyone to any /x when now < 2020-01-01T00:00:00Z;",
            "get_current_time_nanoseconds",
        ),
        ("", "sunset 2036-01-01T00:00:00Z;", "get_current_time_nanoseconds"),
        (
            "",
            "deny anyone to any /x when exists peer;",
            "get_property connection/mtls",
        ),
        (mesh, "", "get_property connection/mtls"),
        (
            "",
            "deny anyone to any /x when request.sni == \"b\";",
            "get_property connection/requested_server_name",
        ),
        (
            "",
            "deny anyone to any /x when request.protocol == \"HTTP/2\";",
            "get_property request/protocol",
        ),
        ("context { region: string; }", "", "get_property metadata"),
    ] {
        let mut vm = with(declarations, clause, json!({"tls": "forwarded"}));
        let asked = calls(&mut vm).into_iter();
        // Sunsets are told in headers of the response.
        let asked: Vec<String> = asked.filter(|call| !call.contains("header_map_value")).collect();
        assert_eq!(asked, [LINES, call, COUNT], "{declarations} {clause}");
    }
}

/// An id leads to a log line. Where there is none the header is not there, and never an upstream's.
#[test]
fn an_allowed_response_names_its_decision_where_that_is_logged() {
    let upstream = lines(&[(":status", "200"), ("X-Portcullis-Decision", "forged")]);
    for (log, named) in [("all", true), ("denied", false), ("none", false)] {
        let mut vm = with("", "", json!({"log": log}));
        vm.gateway().log.clear();
        let outcome = vm.exchange(&complete(), &upstream).unwrap();
        let logged = decisions(&mut vm);
        let mut expected = lines(&[(":status", "200")]);
        if named {
            let id = logged[0]["id"].as_str().unwrap();
            expected.extend(lines(&[("x-portcullis-decision", id)]));
        }
        assert_eq!(outcome.response, expected, "{log}");
        assert_eq!(logged.len(), usize::from(named), "{log}");
        // A reply of our own always has one.
        let reply = exchange(&mut vm, &get("/nowhere")).reply.unwrap();
        assert_eq!(reply.values("x-portcullis-decision").len(), 1, "{log}");
    }
    let mut shadow = with("", "", json!({"log": "all", "shadow": true}));
    assert_eq!(
        shadow.exchange(&complete(), &upstream).unwrap().response,
        upstream
    );
    assert_eq!(shadow.exchange(&complete(), &ok()).unwrap().response, ok());
}

/// Decided on again, a request has another decision, and so another id.
#[test]
fn what_is_decided_on_again_has_another_id() {
    let mut vm = with("", "", json!({"log": "all"}));
    let context = vm.open().unwrap();
    vm.gateway().log.clear();
    for path in ["/open", "/open", "/nowhere"] {
        vm.gateway().request = get(path);
        vm.request_headers(context, true).unwrap();
    }
    let said = decisions(&mut vm);
    let mut ids: Vec<&str> = said.iter().filter_map(|line| line["id"].as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 3, "{said:?}");
    vm.close(context).unwrap();
}
