//! Calls of the gateway that fail in every way: a property that can not be read is an absent one, and what can not
//! be absent denies.

use portcullis_tests_wasm::proxy::{Fault, Request};

use crate::support::{NOON_NS, answered, get, metadata, start};

/// The ways in which a call gives nothing.
fn nothing() -> Vec<Fault> {
    let mut faults: Vec<Fault> = (1..=13).chain([99, u32::MAX]).map(Fault::Status).collect();
    faults.extend([Fault::Null, Fault::StatusWithBytes(1), Fault::StatusWithBytes(10)]);
    faults
}

/// Whether a fault says that there is no such property. Any other one may hide claims or context.
fn is_absence(fault: Fault) -> bool {
    matches!(fault, Fault::Status(1) | Fault::StatusWithBytes(1))
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
    request.with_property("metadata", facts())
}

/// Context, and a token's claims.
fn facts() -> Vec<u8> {
    metadata(r#""context":{"region":"eu","risk":3},"token":{"issuer":"corp","claims":{"sub":"u","level":3}}"#)
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
            let unreadable = property == "metadata" && !is_absence(fault);
            let expected = match unreadable {
                true => (500, "internal".to_string()),
                false => expected.clone(),
            };
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
        for (path, status) in [("/open", 200), ("/near", 403), ("/admin/x", 403)] {
            let expected = if is_absence(fault) { status } else { 500 };
            assert_eq!(answered(&mut vm, &complete(path)).0, expected, "{path} {fault:?}");
        }
    }
}

#[test]
fn w06_bytes_that_mean_nothing_are_never_a_fact() {
    for (path, property, _, _, without) in HANGING {
        let mut vm = start();
        let fault = (format!("proxy_get_property/{property}"), Fault::Garbage);
        vm.gateway().faults.extend([fault]);
        let (status, reason) = answered(&mut vm, &complete(path));
        // What stands for context and can not be read is not none.
        let expected = if property == "metadata" { 500 } else { without };
        assert_eq!(status, expected, "{property}: {reason}");
    }
}

#[test]
fn addresses_are_taken_only_where_they_are_plain() {
    let mut vm = start();
    for (address, status) in [
        ("192.0.2.7:1", 200),
        ("192.0.2.7", 200),
        // Out of `x-forwarded-for`, as Envoy tells such an address.
        ("192.0.2.7:0", 403),
        ("[::ffff:192.0.2.7]:0", 403),
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
    for fault in faults {
        let mut vm = start();
        vm.gateway()
            .faults
            .insert("proxy_get_header_map_pairs".into(), fault);
        let (status, _) = answered(&mut vm, &get("/open"));
        assert_eq!(status, 500, "{fault:?}");
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
        let claims = metadata(&format!(r#""token":{{"issuer":"corp","claims":{claims}}}"#));
        get("/staff").with_property("metadata", claims)
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
    let verified = get("/staff").with_property("metadata", facts());
    assert_eq!(answered(&mut vm, &bearer(verified)).0, 200);
}
