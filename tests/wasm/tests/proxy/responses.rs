//! Bodies of responses under a plan: what reaches the client is what the engine puts out, and nothing else.

use portcullis_tests_wasm::proxy::{Body, Event, Fault, Pairs, Request, Streamed, Streams, Vm};
use serde_json::{Value, json};

use crate::support::{SHIPPED, configuration, get, image, lines, request};

const POLICY: &str = r#"gate 1;
service s on "a.example" {
  allow anyone to GET /users, HEAD /users {
    redact response { drop secret; }
    set response header "x-frame-options" "deny"; drop response header "server";
  }
  allow anyone to GET /mine { require response { owner == "u1"; } else 404; }
  allow anyone to GET /open;
}
"#;

/// What no client gets.
const PLANTED: &str = "planted-7f3a";

/// Sizes that a body is cut into.
const SIZES: [usize; 4] = [1, 3, 50, 1 << 16];

fn start_with(more: Value) -> Vm {
    SHIPPED.start(&configuration(&image(POLICY), more)).unwrap()
}

fn start() -> Vm {
    start_with(json!({}))
}

fn head(status: &str, media_type: &str) -> Pairs {
    lines(&[
        (":status", status),
        ("content-type", media_type),
        ("content-length", "4711"),
        ("etag", "\"1\""),
        ("server", "upstream"),
        ("x-kept", "1"),
    ])
}

fn answer(vm: &mut Vm, asked: &Request, head: &Pairs, body: &Body) -> Streamed {
    vm.stream(Streams::default(), asked, &Body::default(), head, body)
        .unwrap()
}

/// Nothing planted in anything that the client got.
fn hides(streamed: &Streamed) {
    let all = format!("{:?} {:?}", streamed.client, streamed.reply);
    let bytes = Streamed::bytes(&streamed.client);
    let text = String::from_utf8_lossy(&bytes);
    assert!(!text.contains(PLANTED) && !all.contains(PLANTED), "{text} {all}");
}

fn users() -> String {
    let user = |number: u32| format!(r#"{{"name":"user {number}","secret":"{PLANTED}"}}"#);
    let users: Vec<String> = (0..50).map(user).collect();
    format!("[{}]", users.join(","))
}

#[test]
fn a_response_is_redacted_however_it_is_cut() {
    let mut vm = start();
    for size in SIZES {
        let body = Body::in_parts(users().as_bytes(), size);
        let streamed = answer(&mut vm, &get("/users"), &head("200", "application/json"), &body);
        hides(&streamed);
        let bytes = Streamed::bytes(&streamed.client);
        let read: Vec<Value> = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(read.len(), 50);
        assert_eq!(read[7], json!({"name": "user 7"}));
        assert_eq!(streamed.client.last(), Some(&Event::End));
        let value = |name: &str| Streamed::values(&streamed.client, name);
        assert_eq!(
            (value(":status"), value("x-kept")),
            (vec!["200".into()], vec!["1".into()])
        );
        assert_eq!(value("x-frame-options"), ["deny"]);
        for name in ["content-length", "etag", "server"] {
            assert!(value(name).is_empty(), "{name}");
        }
        if size == 50 {
            let parts = streamed
                .client
                .iter()
                .filter(|event| matches!(event, Event::Part(_)));
            assert!(parts.count() > 10, "it was held back");
        }
        let upstream = |name: &str| Streamed::values(&streamed.upstream, name);
        assert!(upstream("range").is_empty());
    }
}

#[test]
fn what_cannot_be_read_is_replaced_before_any_of_it_is_sent() {
    let mut vm = start();
    let json = "application/json";
    let object = format!(r#"{{"secret":"{PLANTED}"}}"#);
    let html = format!("<p>{PLANTED}</p>");
    for (status, media_type, body) in [
        ("200", "text/html", html.as_str()),
        ("500", "text/html", html.as_str()),
        ("206", json, object.as_str()),
        ("101", json, object.as_str()),
        ("200", json, html.as_str()),
        ("200", "application/json; charset=latin1", object.as_str()),
    ] {
        for size in SIZES {
            let body = Body::in_parts(body.as_bytes(), size);
            let streamed = answer(&mut vm, &get("/users"), &head(status, media_type), &body);
            hides(&streamed);
            let Some(reply) = &streamed.reply else {
                panic!("{status} {media_type} {size}: {:?}", streamed.client);
            };
            assert_eq!(reply.status, 502, "{status} {media_type} {size}");
            let problem: Value = serde_json::from_slice(&reply.body).unwrap();
            assert_eq!(problem["reason"], "response_unreadable");
            assert_eq!(Streamed::values(&streamed.client, ":status"), ["502"]);
        }
    }
    let coded = [head("200", json), lines(&[("content-encoding", "br")])].concat();
    let streamed = answer(
        &mut vm,
        &get("/users"),
        &coded,
        &Body::in_parts(object.as_bytes(), 9),
    );
    assert_eq!(streamed.reply.unwrap().status, 502);
}

#[test]
fn what_breaks_behind_the_first_bytes_ends_the_stream() {
    let mut vm = start();
    let sound = users();
    let (front, _) = sound.split_at(sound.len() / 2);
    for end in [format!("}}{PLANTED}"), String::new()] {
        let broken = format!("{front}{end}");
        let body = Body::in_parts(broken.as_bytes(), 40);
        let streamed = answer(&mut vm, &get("/users"), &head("200", "application/json"), &body);
        hides(&streamed);
        assert_eq!(streamed.client.last(), Some(&Event::Reset), "{end}");
        assert_eq!(Streamed::values(&streamed.client, ":status"), ["200"]);
        assert_eq!(vm.gateway().closed, [0]);
        let denied = vm
            .gateway()
            .count("portcullis.decisions.deny.response_unreadable");
        assert!(denied > 0, "it is counted");
    }
    let cut = Body {
        is_cut: true,
        ..Body::in_parts(front.as_bytes(), 40)
    };
    let streamed = answer(&mut vm, &get("/users"), &head("200", "application/json"), &cut);
    hides(&streamed);
    assert_eq!(streamed.client.last(), Some(&Event::Reset));
}

#[test]
fn a_response_without_a_body_passes_and_one_that_has_one_all_the_same_does_not() {
    let mut vm = start();
    let bare = lines(&[(":status", "200"), ("content-type", "application/json")]);
    for (asked, given) in [
        (request("HEAD", "/users"), head("200", "application/json")),
        (get("/users"), head("304", "text/html")),
        (get("/users"), head("204", "text/html")),
        (get("/users"), bare),
        (
            get("/users"),
            lines(&[(":status", "404"), ("content-length", "0")]),
        ),
        (get("/users"), lines(&[(":status", "404")])),
    ] {
        let streamed = answer(&mut vm, &asked, &given, &Body::default());
        assert_eq!(streamed.reply, None, "{given:?}");
        assert_eq!(streamed.client.len(), 2, "{given:?}");
        assert_eq!(streamed.client.last(), Some(&Event::End));
        assert_eq!(Streamed::values(&streamed.client, "x-frame-options"), ["deny"]);
    }
    for status in ["304", "204", "205"] {
        let body = Body::in_parts(PLANTED.as_bytes(), 5);
        let streamed = answer(&mut vm, &get("/users"), &head(status, "application/json"), &body);
        hides(&streamed);
        assert_eq!(Streamed::bytes(&streamed.client), b"", "{status}");
        assert_eq!(streamed.client.last(), Some(&Event::Reset), "{status}");
    }
}

/// Each event leaves when it came, and the head with the first.
#[test]
fn events_leave_as_they_come() {
    let mut vm = start();
    let event = |number: u32| format!("id: {number}\ndata: {{\"n\":{number},\"secret\":\"{PLANTED}\"}}\n\n");
    let parts: Vec<Vec<u8>> = (0..5).map(|number| event(number).into_bytes()).collect();
    let body = Body {
        parts,
        ..Body::default()
    };
    let streamed = answer(&mut vm, &get("/users"), &head("200", "text/event-stream"), &body);
    hides(&streamed);
    let parts: Vec<_> = streamed
        .client
        .iter()
        .filter_map(|event| match event {
            Event::Part(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
            _ => None,
        })
        .collect();
    assert_eq!(parts.len(), 5, "{parts:?}");
    for (number, part) in parts.iter().enumerate() {
        assert!(part.contains(&format!("{{\"n\":{number}}}")), "{part}");
    }
}

#[test]
fn trailers_end_a_response_and_none_of_the_policys_names_is_in_them() {
    let mut vm = start();
    let trailers = lines(&[("server", "upstream"), ("etag", "1"), ("x-sum", "9")]);
    for body in [users(), "[]".to_string(), "7".to_string(), String::new()] {
        for size in SIZES {
            let parts = Body {
                trailers: Some(trailers.clone()),
                ..Body::in_parts(body.as_bytes(), size)
            };
            let streamed = answer(&mut vm, &get("/users"), &head("200", "application/json"), &parts);
            hides(&streamed);
            let left = Event::Trailers(lines(&[("x-sum", "9")]));
            assert!(
                streamed.client.contains(&left),
                "{body} {size}: {:?}",
                streamed.client
            );
            if !body.is_empty() {
                serde_json::from_slice::<Value>(&Streamed::bytes(&streamed.client)).unwrap();
            }
        }
    }
    let cut = Body {
        trailers: Some(trailers),
        ..Body::in_parts(format!("[{{\"secret\":\"{PLANTED}").as_bytes(), 4)
    };
    let streamed = answer(&mut vm, &get("/users"), &head("200", "application/json"), &cut);
    hides(&streamed);
    assert_ne!(streamed.client.last(), Some(&Event::End));
}

#[test]
fn a_condition_is_checked_before_anything_leaves() {
    let mut vm = start();
    for (owner, status) in [("u1", "200"), ("u2", "404")] {
        let text = format!(r#"{{"owner":"{owner}","text":"hello"}}"#);
        for size in SIZES {
            let body = Body::in_parts(text.as_bytes(), size);
            let streamed = answer(&mut vm, &get("/mine"), &head("200", "application/json"), &body);
            assert_eq!(Streamed::values(&streamed.client, ":status"), [status]);
            let is_there = Streamed::bytes(&streamed.client)
                .windows(5)
                .any(|part| part == b"hello");
            assert_eq!(is_there, status == "200");
        }
    }
}

#[test]
fn a_gateway_that_gives_or_takes_no_bytes_sends_none_on() {
    let json = head("200", "application/json");
    for (function, fault) in [
        ("proxy_get_buffer_bytes", Fault::Status(2)),
        ("proxy_get_buffer_bytes", Fault::Null),
        ("proxy_get_buffer_bytes", Fault::Garbage),
        ("proxy_set_buffer_bytes", Fault::Status(2)),
        ("proxy_add_header_map_value", Fault::Status(2)),
    ] {
        let mut vm = start();
        vm.gateway().faults.insert(function.into(), fault);
        let streamed = answer(
            &mut vm,
            &get("/users"),
            &json,
            &Body::in_parts(users().as_bytes(), 60),
        );
        hides(&streamed);
        let status = Streamed::values(&streamed.client, ":status");
        assert_eq!(status, ["500"], "{function} {fault:?}");
    }
}

/// Of responses that no plan is waiting for nothing is held or looked at.
#[test]
fn other_responses_stream_untouched() {
    let mut vm = start();
    let body = Body::in_parts(PLANTED.as_bytes(), 3);
    let streamed = answer(&mut vm, &get("/open"), &head("200", "text/html"), &body);
    let parts = streamed
        .client
        .iter()
        .filter(|event| matches!(event, Event::Part(_)));
    assert_eq!(parts.count(), PLANTED.len().div_ceil(3));
    let bodies = vm.gateway().calls.iter().filter(|call| call.contains("buffer"));
    assert_eq!(bodies.count(), 0);
    let mut shadow = start_with(json!({"shadow": true}));
    let streamed = answer(&mut shadow, &get("/users"), &head("200", "text/html"), &body);
    assert_eq!(Streamed::bytes(&streamed.client), PLANTED.as_bytes());
    assert_eq!(streamed.reply, None);
}
