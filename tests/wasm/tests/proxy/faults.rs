//! Calls of the gateway that fail in every way: a property that can not be read is an absent one, and what can not
//! be absent denies.

use portcullis_tests_wasm::proxy::{Fault, Request, request_of};
use portcullis_vectors::{Vector, parse_line};

use crate::support::{NOON_NS, answered, get, start};

/// The ways in which a call gives nothing.
fn nothing() -> Vec<Fault> {
    let mut faults: Vec<Fault> = (1..=13).chain([99, u32::MAX]).map(Fault::Status).collect();
    faults.extend([Fault::Null, Fault::StatusWithBytes(1), Fault::StatusWithBytes(10)]);
    faults
}

/// Properties, each with a request that hangs on it: path, property, its value, status with and without it.
const HANGING: [(&str, &str, &[u8], u32, u32); 6] = [
    ("/near", "source/address", b"192.0.2.7:4711", 200, 403),
    ("/mesh", "connection/mtls", &[1], 200, 401),
    (
        "/mesh",
        "connection/uri_san_peer_certificate",
        b"spiffe://cluster.local/ns/web/sa/front",
        200,
        401,
    ),
    ("/sni", "connection/requested_server_name", b"a.example", 200, 403),
    ("/h2", "request/protocol", b"HTTP/2", 200, 403),
    ("/region", "metadata", &[], 200, 403),
];

fn complete(path: &str) -> Request {
    let mut request = get(path);
    for (_, property, value, ..) in HANGING.iter().filter(|row| row.1 != "metadata") {
        request = request.with_property(property, *value);
    }
    let metadata = facts().properties["metadata"].clone();
    request.with_property("metadata", metadata)
}

/// A request with metadata as Envoy has it: context, and a token's claims.
fn facts() -> Request {
    vector(r#""context":{"region":"eu","risk":3},"token":{"issuer":"corp","claims":{"sub":"u","level":3}}"#)
}

fn vector(more: &str) -> Request {
    let line = format!(r#"{{"id":"v","request":{{"method":"GET","url":"https://a.example/open"}},{more}}}"#);
    let vector: Vector = parse_line(&line).unwrap();
    request_of(&vector, None).unwrap()
}

#[test]
fn w06_a_property_that_can_not_be_read_is_absent() {
    for (path, property, _, with, without) in HANGING {
        let mut vm = start();
        assert_eq!(
            answered(&mut vm, &complete(path)).0,
            with,
            "{path} with {property}"
        );
        let mut missing = complete(path);
        missing.properties.remove(property);
        let expected = answered(&mut vm, &missing);
        assert_eq!(expected.0, without, "{path} without {property}");
        for fault in nothing() {
            vm.gateway()
                .faults
                .insert(format!("proxy_get_property/{property}"), fault);
            assert_eq!(
                answered(&mut vm, &complete(path)),
                expected,
                "{property} {fault:?}"
            );
        }
        vm.gateway().faults.clear();
        assert_eq!(answered(&mut vm, &complete(path)).0, with, "{path} afterwards");
    }
}

#[test]
fn w06_no_property_at_all_leaves_what_headers_decide() {
    for fault in nothing() {
        let mut vm = start();
        vm.gateway().faults.insert("proxy_get_property".into(), fault);
        assert_eq!(answered(&mut vm, &complete("/open")).0, 200, "{fault:?}");
        assert_eq!(answered(&mut vm, &complete("/near")).0, 403, "{fault:?}");
        assert_eq!(answered(&mut vm, &complete("/admin/x")).0, 403, "{fault:?}");
    }
}

#[test]
fn w06_bytes_that_mean_nothing_are_never_a_fact() {
    for (path, property, _, _, without) in HANGING {
        let mut vm = start();
        let fault = (format!("proxy_get_property/{property}"), Fault::Garbage);
        vm.gateway().faults.extend([fault]);
        let (status, reason) = answered(&mut vm, &complete(path));
        // What stands for a credential and can not be read is an invalid one, not none.
        let expected = if property == "metadata" { 401 } else { without };
        assert_eq!(status, expected, "{property}: {reason}");
    }
}

#[test]
fn addresses_are_taken_only_where_they_are_plain() {
    let mut vm = start();
    for (address, status) in [
        ("192.0.2.7:1", 200),
        ("192.0.2.7", 200),
        ("[::ffff:192.0.2.7]:80", 200),
        ("[2001:db8::1]:80", 403),
        ("::ffff:192.0.2.7:80", 403),
        ("192.0.2.7:99999", 403),
        ("192.0.2.7 ", 403),
        ("/run/pipe", 403),
        ("envoy_internal_address://x", 403),
        ("", 403),
    ] {
        let request = get("/near").with_property("source/address", address);
        assert_eq!(answered(&mut vm, &request).0, status, "{address}");
    }
    let mut nginx = get("/near").with_property("ngx/remote_addr", "192.0.2.9");
    assert_eq!(
        answered(
            &mut vm,
            &nginx.clone().with_property("source/address", "203.0.113.1:9")
        )
        .0,
        403
    );
    nginx.properties.remove("source/address");
    assert_eq!(answered(&mut vm, &nginx).0, 200);
}

#[test]
fn w06_header_lines_that_can_not_be_read_deny() {
    let mut faults = nothing();
    faults.push(Fault::Garbage);
    // Envoy says that all is well where there are no lines, which is no request.
    for fault in faults {
        let mut vm = start();
        vm.gateway()
            .faults
            .insert("proxy_get_header_map_pairs".into(), fault);
        let (status, _) = answered(&mut vm, &get("/open"));
        assert_eq!(status, if fault == Fault::Null { 400 } else { 500 }, "{fault:?}");
    }
}

#[test]
fn without_a_clock_now_is_unknown() {
    let mut vm = start();
    assert_eq!(answered(&mut vm, &get("/today")).0, 200);
    for now_ns in [None, Some(0), Some(NOON_NS * 5)] {
        let request = Request {
            now_ns,
            ..get("/today")
        };
        assert_eq!(answered(&mut vm, &request).0, 403, "{now_ns:?}");
    }
}

#[test]
fn claims_keep_their_types_through_metadata() {
    let mut vm = start();
    let staff = |claims: &str| {
        let metadata = vector(&format!(r#""token":{{"issuer":"corp","claims":{claims}}}"#));
        get("/staff").with_property("metadata", metadata.properties["metadata"].clone())
    };
    for (claims, status) in [
        (r#"{"sub":"u","level":3}"#, 200),
        (r#"{"sub":"u","level":2}"#, 403),
        (r#"{"sub":"u","level":3.5}"#, 403),
        (r#"{"sub":"u","level":"3"}"#, 403),
        (r#"{"sub":"u","level":[4]}"#, 403),
        (r#"{"sub":"u","level":null}"#, 403),
        // The eight bytes of the double 3.0, as a text.
        (
            "{\"sub\":\"u\",\"level\":\"\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\\u0008@\"}",
            403,
        ),
        ("[1]", 401),
        (r#""text""#, 401),
    ] {
        assert_eq!(answered(&mut vm, &staff(claims)).0, status, "{claims}");
    }
}

#[test]
fn a_bearer_that_nobody_verified_is_refused() {
    let mut vm = start();
    let bearer = |request: Request| request.with_header("authorization", "Bearer a.b.c");
    assert_eq!(
        answered(&mut vm, &bearer(get("/open"))),
        (401, "invalid_token".into())
    );
    let verified = get("/staff").with_property("metadata", facts().properties["metadata"].clone());
    assert_eq!(answered(&mut vm, &bearer(verified)).0, 200);
}
