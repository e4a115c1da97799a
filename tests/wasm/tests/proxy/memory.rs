//! A VM's memory never shrinks, so nothing may grow with requests or configurations.

use portcullis_tests::counts;
use portcullis_tests_wasm::proxy::{Body, Request, Streams, Vm};
use serde_json::json;

use crate::support::{POLICY, SHIPPED, configuration, get, image, lines, ok, request};

const REQUESTS: u64 = 20_000;
const CONFIGURATIONS: u64 = 50;

/// Requests of every kind of end.
fn mixture() -> Vec<Request> {
    let long = "x".repeat(6_000);
    vec![
        get("/open"),
        get("/files/a/../b?q=1"),
        get("/marked").with_header("x-tenant", "forged"),
        get("/admin/x"),
        get("/nowhere"),
        get("/files/%2f"),
        get("/quota"),
        get("/open").with_header("x-long", long.clone()),
        get(&format!("/files/{long}")),
        get("/staff").with_property("metadata", vec![0xff; 5_000]),
        get("/near").with_header("authorization", "Bearer a.b.c"),
    ]
}

fn serve(vm: &mut Vm, requests: u64) {
    let mixture = mixture();
    let response = ok();
    for request in mixture.iter().cycle().take(requests as usize) {
        vm.exchange(request, &response).unwrap();
        vm.gateway().log.clear();
    }
}

#[test]
fn w03_memory_is_flat_over_requests() {
    let mut vm = SHIPPED.start(&configuration(&image(POLICY), json!({}))).unwrap();
    serve(&mut vm, 500);
    let before = vm.memory_bytes();
    serve(&mut vm, REQUESTS);
    assert_eq!(vm.memory_bytes(), before);
    counts::executed("proxy_memory_requests", REQUESTS).unwrap();
}

#[test]
fn w03_memory_is_flat_over_configurations_good_and_bad() {
    let rules: String = (0..2_000)
        .map(|i| format!("allow anyone to GET /r{i}/{{id}};\n"))
        .collect();
    let large = image(&format!("gate 1; service s on \"a.example\" {{ {rules} }}"));
    let configurations = [
        configuration(&large, json!({})),
        "{}".to_string(),
        configuration(&image(POLICY), json!({"shadow": true})),
        configuration(&large[..large.len() - 1], json!({})),
    ];
    let mut vm = SHIPPED.start(&configurations[0]).unwrap();
    let round = |vm: &mut Vm, count: u64| {
        for text in configurations.iter().cycle().take(count as usize) {
            vm.configure(text).unwrap();
            serve(vm, 20);
        }
    };
    round(&mut vm, 8);
    let before = vm.memory_bytes();
    round(&mut vm, CONFIGURATIONS);
    assert_eq!(vm.memory_bytes(), before);
    assert!(before < 16 << 20, "{before} bytes");
}

/// Bodies of every length, accepted, refused, redacted, broken off.
#[test]
fn w03_memory_is_flat_over_bodies() {
    let mut vm = SHIPPED.start(&configuration(&image(POLICY), json!({}))).unwrap();
    let mut serve = |count: usize| {
        for number in 0..count {
            let text = "x".repeat(number * 7_919 % 60_000);
            let end = if number % 3 == 0 { "" } else { "\"}" };
            let body = Body::in_parts(format!("{{\"a\":\"{text}{end}").as_bytes(), 4_096);
            let asked = request("POST", "/body").with_header("content-type", "application/json");
            let none = Body::default();
            vm.stream(Streams::default(), &asked, &body, &ok(), &none)
                .unwrap();
            let head = lines(&[(":status", "200"), ("content-type", "application/json")]);
            vm.stream(Streams::default(), &get("/redact"), &none, &head, &body)
                .unwrap();
            vm.gateway().log.clear();
        }
        vm.memory_bytes()
    };
    let before = serve(200);
    assert_eq!(serve(2_000), before);
}

#[test]
fn w03_contexts_that_never_see_a_request_leave_nothing_behind() {
    let mut vm = SHIPPED.start(&configuration(&image(POLICY), json!({}))).unwrap();
    let mut open_and_close = |count: u32| {
        for _ in 0..count {
            let context = vm.open().unwrap();
            vm.gateway().response = lines(&[(":status", "400")]);
            vm.response_headers(context, true).unwrap();
            vm.close(context).unwrap();
        }
        vm.memory_bytes()
    };
    let before = open_and_close(100);
    assert_eq!(open_and_close(5_000), before);
}
