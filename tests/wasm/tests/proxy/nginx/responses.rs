//! Responses in NGINX: what is not there is not touched, and nothing can be refused any more.

use portcullis_tests_wasm::proxy::{Fault, Vm};
use serde_json::json;

use super::{get, with};
use crate::support::lines;

const TEXT: &str = r#"gate 1; service s {
    allow anyone to GET /a { set response header "cache-control" "no-store"; set response header "x-own" "1";
        drop response header "link"; drop response header "server"; }
    deny anyone to GET /shut; }"#;

fn start() -> Vm {
    with(TEXT, json!({"tokens": [], "log": "none"}))
}

#[test]
fn a_header_is_replaced_or_added_and_no_empty_line_is_made() {
    let mut vm = start();
    let mut after = |upstream: &[(&str, &str)]| vm.exchange(&get("/a"), &lines(upstream)).unwrap().response;
    assert_eq!(
        after(&[(":status", "200")]),
        lines(&[(":status", "200"), ("cache-control", "no-store"), ("x-own", "1")])
    );
    assert_eq!(
        after(&[
            ("Cache-Control", "public"),
            ("server", "upstream"),
            ("X-Portcullis-Decision", "forged"),
            ("x-own", "0"),
            ("x-other", "1"),
        ]),
        lines(&[("Cache-Control", "no-store"), ("x-own", "1"), ("x-other", "1")])
    );
    // Two lines of one name cannot be replaced by one; what the removal of `link` leaves, the host makes.
    assert_eq!(
        after(&[("x-own", "0"), ("X-Own", "2"), ("link", "</a>")]),
        lines(&[("link", ""), ("cache-control", "no-store"), ("x-own", "1")])
    );
}

#[test]
fn a_response_that_cannot_be_changed_passes_and_is_told() {
    for (function, upstream) in [
        ("proxy_remove_header_map_value", ("server", "upstream")),
        ("proxy_add_header_map_value", ("x-other", "1")),
        ("proxy_replace_header_map_value", ("x-own", "0")),
    ] {
        let mut vm = start();
        vm.gateway().faults.insert(function.into(), Fault::Status(2));
        let outcome = vm.exchange(&get("/a"), &lines(&[upstream])).unwrap();
        assert!(
            outcome.reply.is_none() && outcome.upstream.is_some(),
            "{function}"
        );
        let gateway = vm.gateway();
        let tried = |call: &&str| gateway.calls.iter().any(|own| own == call);
        assert!(
            !["send_local_response", "close_stream"].iter().any(tried),
            "{function}"
        );
        let told = |line: &str| line.contains("response was not rewritten");
        assert!(
            gateway.log.iter().any(|line| line.level == 4 && told(&line.text)),
            "{function}"
        );
        // What can be done is done.
        let own = outcome
            .response
            .iter()
            .any(|line| line == &(b"x-own".to_vec(), b"1".to_vec()));
        assert_eq!(own, function == "proxy_remove_header_map_value", "{function}");
    }
}

/// A reply passes the response phase of the filter that sent it, with a newline behind its body.
#[test]
fn a_reply_is_left_alone() {
    let mut vm = start();
    let reply = vm.exchange(&get("/shut"), &lines(&[])).unwrap().reply.unwrap();
    assert_eq!(reply.status, 403);
    assert_eq!(reply.body.last(), Some(&b'\n'));
    let body: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(body["status"], 403);
    assert_eq!(
        vm.gateway()
            .calls
            .iter()
            .filter(|call| call.contains("header_map_value"))
            .count(),
        0
    );
}
