//! Phases in every order that a gateway may call them in.

use portcullis_tests_wasm::proxy::{Action, Fault, Vm};

use serde_json::json;

use crate::support::{
    POLICY, SHIPPED, answer, answered, configuration, decisions, exchange, get, image, lines, ok, request,
    start,
};

#[test]
fn the_target_is_forwarded_as_it_was_decided_on() {
    let mut vm = start();
    for (sent, forwarded) in [
        ("/files/a/../b", "/files/b"),
        ("/files/%61%7e", "/files/a~"),
        ("/files/./x?q=%2e", "/files/x?q=%2e"),
        ("/files/plain?a=1&a=2", "/files/plain?a=1&a=2"),
    ] {
        let outcome = exchange(&mut vm, &get(sent));
        let upstream = outcome.upstream.unwrap();
        let path = upstream.iter().find(|(name, _)| name == b":path").unwrap();
        assert_eq!(String::from_utf8_lossy(&path.1), forwarded, "{sent}");
    }
    assert_eq!(answered(&mut vm, &get("/files/%2f")), (400, "malformed".into()));
}

#[test]
fn headers_are_set_and_dropped_in_both_directions() {
    let mut vm = start();
    let sent = get("/marked")
        .with_header("X-Tenant", "forged")
        .with_header("x-tenant", "forged twice")
        .with_header("x-debug", "1")
        .with_header("accept", "*/*");
    let outcome = exchange(&mut vm, &sent);
    let mut upstream = outcome.upstream.unwrap();
    upstream.retain(|(name, _)| !name.starts_with(b":"));
    assert_eq!(upstream, lines(&[("accept", "*/*"), ("x-tenant", "t1")]));
    let mut response = outcome.response;
    response.retain(|(name, _)| name != b"x-portcullis-decision");
    assert_eq!(
        response,
        lines(&[(":status", "200"), ("x-frame-options", "deny")])
    );
}

/// What the policy sets upstream never comes from the client, on other routes neither.
#[test]
fn a_header_that_the_policy_sets_is_removed_on_all_routes() {
    let mut vm = start();
    let outcome = exchange(&mut vm, &get("/open").with_header("x-tenant", "forged"));
    let upstream = outcome.upstream.unwrap();
    assert!(upstream.iter().all(|(name, _)| name != b"x-tenant"));
}

#[test]
fn w05_a_local_reply_is_sent_once_and_left_alone_in_its_own_response_phase() {
    let mut vm = start();
    let context = vm.open().unwrap();
    vm.gateway().request = get("/moved");
    for end in [false, true, false] {
        assert_eq!(vm.request_headers(context, end).unwrap(), Action::Pause);
        assert_eq!(vm.request_body(context, 3, end).unwrap(), Action::Pause);
    }
    assert_eq!(vm.gateway().replies.len(), 1);
    let reply = vm.gateway().replies[0].clone();
    assert_eq!(
        (reply.status, reply.values("location")),
        (308, vec!["https://b.example/".into()])
    );
    vm.gateway().response = reply.headers.clone();
    assert_eq!(vm.response_headers(context, false).unwrap(), Action::Continue);
    assert_eq!(vm.response_body(context, 9, true).unwrap(), Action::Continue);
    assert_eq!(vm.gateway().response, reply.headers);
    assert_eq!(vm.gateway().replies.len(), 1);
    assert_eq!(vm.gateway().count("portcullis.decisions.deny.denied_by_rule"), 1);
    vm.close(context).unwrap();
}

#[test]
fn w05_a_response_without_a_request_is_left_alone() {
    let mut vm = start();
    let context = vm.open().unwrap();
    vm.gateway().response = ok();
    assert_eq!(vm.response_headers(context, true).unwrap(), Action::Continue);
    assert_eq!(vm.response_headers(context, false).unwrap(), Action::Continue);
    assert_eq!(vm.gateway().response, ok());
    assert!(vm.gateway().replies.is_empty());
    vm.close(context).unwrap();
    let untouched = vm.open().unwrap();
    vm.close(untouched).unwrap();
}

#[test]
fn w04_bodies_and_trailers_pass_after_an_allow_and_never_before_a_decision() {
    let mut vm = start();
    for parts in [
        vec![(0, true)],
        vec![(5, false), (0, false), (7, true)],
        vec![(5, false), (0, true), (0, true)],
        vec![(5, false); 4],
    ] {
        let context = vm.open().unwrap();
        vm.gateway().request = get("/open");
        assert_eq!(
            vm.request_body(context, 1, false).unwrap(),
            Action::Pause,
            "not decided yet"
        );
        assert_eq!(
            vm.request_trailers(context).unwrap(),
            Action::Pause,
            "not decided yet"
        );
        let ends = parts.len() == 1;
        assert_eq!(vm.request_headers(context, ends).unwrap(), Action::Continue);
        for (size, end) in parts {
            assert_eq!(vm.request_body(context, size, end).unwrap(), Action::Continue);
        }
        assert_eq!(vm.request_trailers(context).unwrap(), Action::Continue);
        vm.gateway().response = ok();
        assert_eq!(vm.response_headers(context, false).unwrap(), Action::Continue);
        assert_eq!(vm.response_body(context, 0, false).unwrap(), Action::Continue);
        vm.close(context).unwrap();
    }
    assert!(vm.gateway().replies.is_empty());
}

/// An internal redirect may bring other headers under the same context: they are decided on.
#[test]
fn headers_that_come_again_are_decided_on_again() {
    let mut vm = start();
    let context = vm.open().unwrap();
    vm.gateway().request = get("/open");
    assert_eq!(vm.request_headers(context, true).unwrap(), Action::Continue);
    vm.gateway().request = get("/admin/x");
    assert_eq!(vm.request_headers(context, true).unwrap(), Action::Pause);
    assert_eq!(vm.gateway().replies.len(), 1);
    assert_eq!(vm.request_trailers(context).unwrap(), Action::Pause);
    vm.close(context).unwrap();
}

#[test]
fn w07_names_and_values_that_are_not_utf_8_are_bytes() {
    let mut vm = start();
    let value = get("/open").with_header("x-name", b"J\xf6rg".as_slice());
    let outcome = exchange(&mut vm, &value);
    assert_eq!(outcome.upstream.unwrap(), value.headers, "passed on as it came");
    for name in [b"x-\xff".as_slice(), b"\xc3\x28", b"", b"a b", b"x\0y"] {
        let asked = get("/open").with_header(name, "1");
        assert_eq!(answered(&mut vm, &asked), (400, "malformed".into()), "{name:?}");
    }
    for value in [b"a\0b".as_slice(), b"a\r\nb", b"\x1b"] {
        let asked = get("/open").with_header("x-a", value);
        assert_eq!(answered(&mut vm, &asked), (400, "malformed".into()), "{value:?}");
    }
    for line in [":method", ":path", ":scheme", ":authority"] {
        let mut asked = get("/open");
        for (name, value) in &mut asked.headers {
            if name == line.as_bytes() {
                value.push(0xff);
            }
        }
        let (status, _) = answered(&mut vm, &asked);
        // An unknown scheme is no defect of the request; it is none that a policy asks for.
        assert_eq!(status, if line == ":scheme" { 200 } else { 400 }, "{line}");
    }
}

#[test]
fn pseudo_headers_that_lack_or_come_twice_are_refused() {
    let mut vm = start();
    for line in [":method", ":path", ":authority"] {
        let mut asked = get("/open");
        asked.headers.retain(|(name, _)| name != line.as_bytes());
        assert_eq!(
            answered(&mut vm, &asked),
            (400, "malformed".into()),
            "without {line}"
        );
    }
    for (line, value) in [
        (":path", "/open"),
        (":method", "GET"),
        (":scheme", "https"),
        (":status", "200"),
    ] {
        let asked = get("/open").with_header(line, value);
        assert_eq!(
            answered(&mut vm, &asked),
            (400, "malformed".into()),
            "{line} twice"
        );
    }
    let mut asked = get("/tls");
    assert_eq!(answered(&mut vm, &asked).0, 200);
    asked.headers.retain(|(name, _)| name != b":scheme");
    assert_eq!(answered(&mut vm, &asked).0, 403, "an unknown scheme is not https");
}

/// A client that names its scheme itself does not outvote the gateway, which knows the connection.
#[test]
fn https_counts_only_where_the_gateway_does_not_say_http() {
    let mut vm = start();
    for (forwarded, status) in [
        ("https", 200),
        ("HTTPS", 200),
        ("http", 403),
        ("https, http", 403),
        ("", 403),
    ] {
        let asked = get("/tls").with_header("x-forwarded-proto", forwarded);
        assert_eq!(answered(&mut vm, &asked).0, status, "{forwarded}");
    }
}

#[test]
fn what_the_plugin_can_not_carry_out_is_refused() {
    let mut vm = start();
    assert_eq!(
        answered(&mut vm, &get("/quota")),
        (503, "store_unavailable".into())
    );
    let configuration = configuration(&image(POLICY), json!({"gateway": "nginx"}));
    let mut nginx = SHIPPED.start_in_nginx(&configuration).unwrap();
    for (method, path) in [("GET", "/redact"), ("POST", "/body")] {
        let asked = request(method, path)
            .with_header("host", "a.example")
            .with_header("content-type", "application/json")
            .with_property("request/path", path)
            .with_property("ngx/host", "a.example");
        assert_eq!(answered(&mut nginx, &asked), (500, "internal".into()), "{path}");
    }
}

#[test]
fn a_gateway_that_changes_no_headers_forwards_nothing() {
    let faults = [
        ("proxy_remove_header_map_value", "/marked"),
        ("proxy_add_header_map_value", "/marked"),
        ("proxy_replace_header_map_value", "/files/a/../b"),
    ];
    for (function, path) in faults {
        let mut vm = start();
        vm.gateway().faults.insert(function.into(), Fault::Status(2));
        assert_eq!(
            answered(&mut vm, &get(path)),
            (500, "internal".into()),
            "{function}"
        );
    }
}

#[test]
fn a_response_that_can_not_be_changed_is_replaced() {
    let mut vm = start();
    let context = vm.open().unwrap();
    vm.gateway().request = get("/marked");
    assert_eq!(vm.request_headers(context, true).unwrap(), Action::Continue);
    vm.gateway().response = ok();
    let fault = ("proxy_remove_header_map_value".to_string(), Fault::Status(2));
    vm.gateway().faults.extend([fault]);
    assert_eq!(vm.response_headers(context, true).unwrap(), Action::Pause);
    assert_eq!(vm.gateway().replies.len(), 1);
    assert_eq!(vm.gateway().replies[0].status, 500);
    // And its reply is left alone.
    assert_eq!(vm.response_headers(context, true).unwrap(), Action::Continue);
    vm.close(context).unwrap();
}

#[test]
fn without_a_reply_nothing_goes_on_all_the_same() {
    let mut vm = start();
    let fault = ("proxy_send_local_response".to_string(), Fault::Status(10));
    vm.gateway().faults.extend([fault]);
    let outcome = exchange(&mut vm, &get("/admin/x"));
    assert!(outcome.reply.is_none() && outcome.upstream.is_none());
    let log = &vm.gateway().log;
    assert!(
        log.iter()
            .any(|line| line.level == 4 && line.text.contains("no reply")),
        "{log:?}"
    );
    assert_eq!(vm.gateway().closed, [0], "nobody waits for a reply");
    let fault = ("proxy_close_stream".to_string(), Fault::Status(2));
    vm.gateway().faults.extend([fault]);
    let trap = vm.exchange(&get("/admin/x"), &ok()).unwrap_err();
    assert!(trap.to_string().contains("unreachable"), "{trap}");
}

#[test]
fn replies_carry_what_the_verdict_says() {
    let mut vm = start();
    let reply = |vm: &mut Vm, path: &str| exchange(vm, &get(path)).reply.unwrap();
    let busy = reply(&mut vm, "/busy");
    assert_eq!(
        (busy.status, busy.values("retry-after")),
        (503, vec!["600".into()])
    );
    let method = exchange(&mut vm, &request("DELETE", "/open")).reply.unwrap();
    assert_eq!((method.status, method.values("allow")), (405, vec!["GET".into()]));
    let token = reply(&mut vm, "/staff");
    assert_eq!(
        (token.status, token.values("www-authenticate")),
        (401, vec!["Bearer".into()])
    );
    let admin = reply(&mut vm, "/admin/x");
    let body = String::from_utf8(admin.body.clone()).unwrap();
    assert!(body.contains("people of ours only"), "{body}");
    assert!(!body.contains("admins"), "a rule's name: {body}");
    assert_eq!(admin.values("content-type"), ["application/problem+json"]);
}

#[test]
fn grpc_is_answered_in_its_own_status() {
    let mut vm = start();
    let call = |path: &str| request("POST", path).with_header("content-type", "application/grpc+proto");
    assert_eq!(answer(&exchange(&mut vm, &call("/shop.Orders/Get"))).0, 200);
    let reply = exchange(&mut vm, &call("/shop.Orders/Drop")).reply.unwrap();
    assert_eq!((reply.status, reply.grpc_status), (403, 7));
    assert_eq!(reply.body, b"denied_by_rule");
    assert!(reply.values("grpc-status").is_empty(), "the gateway writes it");
}

#[test]
fn the_id_ties_the_reply_to_the_log_and_is_never_the_clients() {
    let mut vm = start();
    let mut ids = std::collections::BTreeSet::new();
    for given in ["0e0c6c5e-1", "0e0c6c5e-1", "not an id", ""] {
        vm.gateway().log.clear();
        let asked = get("/admin/x").with_header("x-request-id", given);
        let reply = exchange(&mut vm, &asked).reply.unwrap();
        let id = reply.values("x-portcullis-decision").concat();
        let said = decisions(&mut vm).remove(0);
        assert_eq!((&said["id"], &said["request_id"]), (&json!(id), &json!(given)));
        assert!(id != given && ids.insert(id), "{ids:?}");
    }
}

#[test]
fn one_decision_id_reaches_the_client_whatever_the_upstream_says() {
    let mut vm = start();
    let upstream = lines(&[
        (":status", "200"),
        ("x-portcullis-decision", "forged"),
        ("X-Portcullis-Decision", "forged twice"),
    ]);
    let outcome = vm.exchange(&get("/open"), &upstream).unwrap();
    let id = decisions(&mut vm).pop().unwrap()["id"].clone();
    let id = id.as_str().unwrap();
    assert_eq!(
        outcome.response,
        lines(&[(":status", "200"), ("x-portcullis-decision", id)])
    );
}
