//! Bodies of requests: nothing goes upstream, no head and no byte, before the accept that binds was met.

use portcullis_tests_wasm::proxy::{Body, Event, Fault, Pairs, Request, Streamed, Streams, Vm};
use serde_json::{Value, json};

use crate::support::{SHIPPED, configuration, decisions, image, lines, request};

const POLICY: &str = r#"gate 1;
service s on "a.example" {
  allow anyone to POST /orders {
    accept body max 1KiB { item: string 1..20; count: int 1..9; note?: string; }
    set request header "x-checked" "1"; drop request header "x-debug";
  }
  allow anyone to POST /loose { accept body strip unknown { item: string; } }
  allow anyone to POST /form { accept form { q: string 1..5; } }
  allow anyone to POST /open;
}
"#;

const GOOD: &str = r#"{"item":"tea","count":2}"#;

/// Sizes that a body is cut into.
const SIZES: [usize; 4] = [1, 3, 7, 1 << 16];

fn start_with(more: Value) -> Vm {
    SHIPPED.start(&configuration(&image(POLICY), more)).unwrap()
}

fn start() -> Vm {
    start_with(json!({}))
}

fn post(path: &str, body: &str) -> Request {
    request("POST", path)
        .with_header("content-type", "application/json")
        .with_header("content-length", body.len().to_string())
        .with_header("x-debug", "1")
        .with_header("x-checked", "forged")
}

fn ok() -> Pairs {
    lines(&[(":status", "200")])
}

fn send(vm: &mut Vm, request: &Request, body: &Body) -> Streamed {
    vm.stream(Streams::default(), request, body, &ok(), &Body::default())
        .unwrap()
}

/// Status and problem document of a refusal, before which nothing went upstream.
fn refusal(streamed: &Streamed) -> (u32, Value) {
    assert_eq!(streamed.upstream, [], "something went upstream");
    let reply = streamed.reply.as_ref().unwrap();
    assert_eq!(reply.values("content-type"), ["application/problem+json"]);
    assert_eq!(Streamed::bytes(&streamed.client), reply.body);
    (reply.status, serde_json::from_slice(&reply.body).unwrap())
}

#[test]
fn a_body_goes_on_as_it_came_and_all_at_once() {
    let mut vm = start();
    for size in SIZES {
        let streamed = send(
            &mut vm,
            &post("/orders", GOOD),
            &Body::in_parts(GOOD.as_bytes(), size),
        );
        let [Event::Head(head), Event::Part(body), Event::End] = streamed.upstream.as_slice() else {
            panic!("{size}: {:?}", streamed.upstream);
        };
        assert_eq!(body, GOOD.as_bytes());
        let own = |name: &str| {
            let own = head.iter().filter(|(own, _)| own == name.as_bytes());
            own.map(|(_, value)| value.clone()).collect::<Vec<_>>()
        };
        assert_eq!(own("x-checked"), [b"1"]);
        assert!(own("x-debug").is_empty());
        assert_eq!(own("content-length"), [GOOD.len().to_string().into_bytes()]);
        assert_eq!(streamed.client.last(), Some(&Event::End));
    }
    assert_eq!(
        vm.gateway().count("portcullis.decisions.allow.allowed"),
        SIZES.len() as i64
    );
}

#[test]
fn a_body_that_is_not_accepted_is_refused_and_goes_nowhere() {
    let mut vm = start();
    let long = format!(
        r#"{{"item":"tea","count":2,"note":"{}"}}"#,
        "secret-1 ".repeat(200)
    );
    for (body, status, code) in [
        (r#"{"item":"tea","count":2"#, 400, "not_json"),
        ("", 400, "not_json"),
        (
            r#"{"item":"tea","item":"secret-1","count":2}"#,
            400,
            "duplicate_member",
        ),
        (
            r#"{"item":"tea","count":2,"admin":"secret-1"}"#,
            422,
            "unknown_field",
        ),
        (r#"{"item":"tea"}"#, 422, "missing_field"),
        (r#"{"item":"tea","count":"secret-1"}"#, 422, "wrong_type"),
        (r#"{"item":"tea","count":10}"#, 422, "out_of_range"),
        (long.as_str(), 413, "body_too_large"),
    ] {
        for size in SIZES {
            let streamed = send(
                &mut vm,
                &post("/orders", body),
                &Body::in_parts(body.as_bytes(), size),
            );
            let (given, problem) = refusal(&streamed);
            assert_eq!((given, problem["code"].as_str()), (status, Some(code)), "{body}");
            assert!(!problem.to_string().contains("secret-1"), "{problem}");
            assert!(problem["decision"].is_string(), "{problem}");
        }
    }
    let mut text = post("/orders", GOOD);
    text.headers.retain(|(name, _)| name != b"content-type");
    let streamed = send(&mut vm, &text, &Body::in_parts(GOOD.as_bytes(), 5));
    assert_eq!(refusal(&streamed).0, 415);
}

/// One line of the log and one count for a request, whatever its body comes in.
#[test]
fn a_refused_body_is_one_decision() {
    let mut vm = start();
    vm.gateway().log.clear();
    let body = r#"{"item":"tea","count":0}"#;
    send(
        &mut vm,
        &post("/orders", body),
        &Body::in_parts(body.as_bytes(), 2),
    );
    let said = decisions(&mut vm);
    assert_eq!(said.len(), 1, "{said:?}");
    assert_eq!(
        (&said[0]["status"], &said[0]["detail"], &said[0]["path"]),
        (&json!(422), &json!("out_of_range"), &json!("/orders"))
    );
}

#[test]
fn what_is_stripped_does_not_go_on_and_the_length_is_right() {
    let mut vm = start();
    let body = r#"{"role":"admin","item":"tea"}"#;
    for size in SIZES {
        let streamed = send(
            &mut vm,
            &post("/loose", body),
            &Body::in_parts(body.as_bytes(), size),
        );
        let sent = Streamed::bytes(&streamed.upstream);
        assert_eq!(
            serde_json::from_slice::<Value>(&sent).unwrap(),
            json!({"item": "tea"})
        );
        assert_eq!(
            Streamed::values(&streamed.upstream, "content-length"),
            [sent.len().to_string()]
        );
    }
    // A body without a length has none afterwards.
    let mut chunked = post("/loose", body);
    chunked.headers.retain(|(name, _)| name != b"content-length");
    let streamed = send(&mut vm, &chunked, &Body::in_parts(body.as_bytes(), 4));
    assert!(Streamed::values(&streamed.upstream, "content-length").is_empty());
}

#[test]
fn trailers_end_a_body() {
    let mut vm = start();
    for (body, goes_on) in [(GOOD, true), (r#"{"item":"#, false)] {
        let parts = Body {
            trailers: Some(lines(&[("x-checked", "forged"), ("x-sum", "9")])),
            ..Body::in_parts(body.as_bytes(), 4)
        };
        let streamed = send(&mut vm, &post("/orders", body), &parts);
        if goes_on {
            let trailers = Event::Trailers(lines(&[("x-sum", "9")]));
            assert!(streamed.upstream.contains(&trailers), "{:?}", streamed.upstream);
            assert_eq!(Streamed::bytes(&streamed.upstream), body.as_bytes());
        } else {
            assert_eq!(refusal(&streamed).0, 400);
        }
    }
    let stripped = Body {
        trailers: Some(Pairs::new()),
        ..Body::in_parts(br#"{"item":"tea","role":"admin"}"#, 4)
    };
    let streamed = send(&mut vm, &post("/loose", ""), &stripped);
    assert!(
        !String::from_utf8(Streamed::bytes(&streamed.upstream))
            .unwrap()
            .contains("role")
    );
}

#[test]
fn a_form_is_judged_and_a_body_without_an_accept_streams() {
    let mut vm = start();
    for (body, status) in [("q=tea", 200), ("q=much+too+long", 422), ("q=%zz", 400)] {
        let mut asked = post("/form", body);
        asked.headers.retain(|(name, _)| name != b"content-type");
        let asked = asked.with_header("content-type", "application/x-www-form-urlencoded");
        let streamed = send(&mut vm, &asked, &Body::in_parts(body.as_bytes(), 2));
        match status {
            200 => assert_eq!(Streamed::bytes(&streamed.upstream), body.as_bytes()),
            _ => assert_eq!(refusal(&streamed).0, status, "{body}"),
        }
    }
    let streamed = send(&mut vm, &post("/open", GOOD), &Body::in_parts(GOOD.as_bytes(), 4));
    let parts = streamed
        .upstream
        .iter()
        .filter(|event| matches!(event, Event::Part(_)));
    assert_eq!(parts.count(), GOOD.len().div_ceil(4), "it was held");
}

#[test]
fn what_a_gateway_holds_no_longer_it_refuses_by_itself() {
    let mut vm = start();
    let streams = Streams {
        held_max: 20,
        ..Streams::default()
    };
    let body = Body::in_parts(GOOD.as_bytes(), 8);
    let streamed = vm
        .stream(streams, &post("/orders", GOOD), &body, &ok(), &Body::default())
        .unwrap();
    assert_eq!(streamed.upstream, []);
    assert_eq!(Streamed::values(&streamed.client, ":status"), ["413"]);
    assert_eq!(streamed.reply, None, "it is Envoy's own");
}

/// Envoy as it comes: nothing goes on, and the log says what is missing.
#[test]
fn a_gateway_that_hands_over_no_body_sends_nothing_on() {
    let mut vm = start();
    let streams = Streams {
        hands_over: false,
        ..Streams::default()
    };
    let body = Body::in_parts(GOOD.as_bytes(), 8);
    let streamed = vm
        .stream(streams, &post("/orders", GOOD), &body, &ok(), &Body::default())
        .unwrap();
    assert_eq!((streamed.upstream, streamed.client), (vec![], vec![]));
    let log = &vm.gateway().log;
    let setting = "allow_on_headers_stop_iteration";
    assert!(
        log.iter()
            .any(|line| line.level == 3 && line.text.contains(setting)),
        "{log:?}"
    );
}

#[test]
fn a_gateway_that_gives_or_takes_no_bytes_forwards_nothing() {
    let body = r#"{"role":"admin","item":"tea"}"#;
    for (function, fault) in [
        ("proxy_get_buffer_bytes", Fault::Status(2)),
        ("proxy_get_buffer_bytes", Fault::Null),
        ("proxy_get_buffer_bytes", Fault::Garbage),
        ("proxy_set_buffer_bytes", Fault::Status(2)),
        ("proxy_remove_header_map_value", Fault::Status(2)),
        ("proxy_replace_header_map_value", Fault::Status(2)),
    ] {
        let mut vm = start();
        vm.gateway().faults.insert(function.into(), fault);
        let (path, sent) = match function {
            "proxy_remove_header_map_value" => ("/orders", GOOD),
            _ => ("/loose", body),
        };
        let streamed = send(&mut vm, &post(path, sent), &Body::in_parts(sent.as_bytes(), 9));
        assert_eq!(refusal(&streamed).0, 500, "{function} {fault:?}");
    }
}

#[test]
fn shadow_mode_judges_and_lets_pass() {
    let mut vm = start_with(json!({"shadow": true}));
    for (body, status, reason) in [
        (GOOD, 200, "allowed"),
        (r#"{"item":"tea","count":0}"#, 422, "body_refused"),
    ] {
        vm.gateway().log.clear();
        let streamed = send(
            &mut vm,
            &post("/orders", body),
            &Body::in_parts(body.as_bytes(), 5),
        );
        assert_eq!(Streamed::bytes(&streamed.upstream), body.as_bytes());
        assert_eq!(Streamed::values(&streamed.upstream, "x-checked"), ["forged"]);
        assert_eq!(streamed.reply, None);
        let said = decisions(&mut vm);
        assert_eq!(said.len(), 1, "{said:?}");
        assert_eq!(
            (&said[0]["status"], &said[0]["reason"]),
            (&json!(status), &json!(reason))
        );
    }
}
