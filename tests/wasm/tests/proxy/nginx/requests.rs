//! Requests in NGINX: what goes upstream is what was decided on, or nothing does.

use portcullis_tests_wasm::proxy::{Request, Vm};
use serde_json::json;

use super::{get, of_hosts, request, with};
use crate::support::{POLICY, answered, decisions, exchange, lines};

/// Status, and the detail in the log.
fn detailed(vm: &mut Vm, request: &Request) -> (u32, String) {
    vm.gateway().log.clear();
    let (status, _) = answered(vm, request);
    let said = decisions(vm).remove(0);
    (status, said["detail"].as_str().unwrap_or_default().to_string())
}

fn refused(detail: &str) -> (u32, String) {
    (400, detail.to_string())
}

fn passed() -> (u32, String) {
    (200, String::new())
}

#[test]
fn the_target_is_what_the_client_sent_and_is_never_replaced() {
    let mut vm = with(POLICY, json!({}));
    let plain = get("/files/x?a=b");
    assert_eq!(exchange(&mut vm, &plain).upstream, Some(plain.headers));
    for target in ["/files/a/../b", "/files/%61", "/files/x/./y"] {
        assert_eq!(
            detailed(&mut vm, &get(target)),
            refused("not_canonical"),
            "{target}"
        );
    }
    assert_eq!(answered(&mut vm, &get("/admin/x")).0, 403);
    for (property, path) in [("request/path", "/open"), ("ngx/host", "/open")] {
        for value in [None, Some("")] {
            let mut silent = get(path);
            silent.properties.remove(property);
            if let Some(value) = value {
                silent = silent.with_property(property, value);
            }
            let said = detailed(&mut vm, &silent);
            assert_eq!(said, (500, "target_unreadable".into()), "{property}");
        }
    }
}

/// The server and `$host` are those of an absolute target, and the policy decides on the Host header.
#[test]
fn p17_a_target_with_another_host_than_the_header_is_refused() {
    let mut vm = with(POLICY, json!({}));
    for (given, taken, expected) in [
        ("a.example", "a.example", passed()),
        ("A.example", "a.example", passed()),
        ("a.example.", "a.example", passed()),
        ("a.example:8443", "a.example", passed()),
        ("a.example", "admin.example", refused("host_mismatch")),
        ("a.example:8443", "admin.example", refused("host_mismatch")),
        ("a.example", "a.example.b.example", refused("host_mismatch")),
        ("admin.example", "a.example", refused("host_mismatch")),
        ("a.example:x", "a.example", refused("bad_port")),
    ] {
        let asked = of_hosts(get("/open"), given, taken);
        assert_eq!(detailed(&mut vm, &asked), expected, "{given} {taken}");
    }
    let mut any = with(
        "gate 1; service s { allow anyone to GET /open; }",
        json!({"tokens": []}),
    );
    for (given, taken, expected) in [
        ("[2001:db8::1]:8080", "[2001:db8::1]", passed()),
        ("[2001:db8::1]", "[2001:db8::1]", passed()),
        ("[2001:db8::1]", "[2001:db8::2]", refused("host_mismatch")),
        ("192.0.2.1:80", "192.0.2.1", passed()),
    ] {
        let asked = of_hosts(get("/open"), given, taken);
        assert_eq!(detailed(&mut any, &asked), expected, "{given} {taken}");
    }
    let twice = get("/open").with_header("host", "a.example");
    assert_eq!(detailed(&mut vm, &twice), refused("duplicate_host"));
    let mut none = get("/open");
    none.headers.retain(|(name, _)| name != b"Host");
    assert_eq!(detailed(&mut vm, &none).0, 400);
}

/// Lines that came stay, whatever the host says of their removal.
#[test]
fn a_request_with_a_header_that_the_policy_sets_or_drops_is_refused() {
    let mut vm = with(POLICY, json!({}));
    let own = |request: Request| {
        let mut upstream = exchange(&mut with(POLICY, json!({})), &request).upstream.unwrap();
        upstream.retain(|(name, _)| !name.starts_with(b":") && name != b"Host");
        upstream
    };
    assert_eq!(own(get("/marked")), lines(&[("x-tenant", "t1")]));
    assert_eq!(own(get("/open")), lines(&[]));
    let refused = refused("header_not_removable");
    // What the policy sets anywhere never comes from a client; what a rule drops is dropped where it applies.
    for (path, name, expected) in [
        ("/marked", "x-tenant", &refused),
        ("/marked", "X-Tenant", &refused),
        ("/marked", "x-debug", &refused),
        ("/open", "x-tenant", &refused),
        ("/open", "x-debug", &passed()),
        ("/marked", "x-other", &passed()),
    ] {
        for value in ["forged", "t1", ""] {
            let asked = get(path).with_header(name, value);
            assert_eq!(&detailed(&mut vm, &asked), expected, "{path} {name}");
        }
    }
    let denied = get("/admin/x").with_header("x-tenant", "forged");
    assert_eq!(answered(&mut vm, &denied).0, 403);
}

/// Why: as Envoy is treated, a forged line goes upstream before the policy's own, or in its place.
#[test]
fn the_host_of_this_test_sends_forged_lines_upstream_where_they_are_not_refused() {
    const TEXT: &str = r#"gate 1; service s { allow anyone to GET /a {
        set request header "x-tenant" "t1"; set request header "x-real-ip" "192.0.2.9"; } }"#;
    let mut vm = with(TEXT, json!({"gateway": "envoy", "tokens": []}));
    let asked = crate::support::get("/a")
        .with_header("x-tenant", "forged")
        .with_header("x-real-ip", "forged");
    let mut upstream = exchange(&mut vm, &asked).upstream.unwrap();
    upstream.retain(|(name, _)| name.starts_with(b"x-"));
    assert_eq!(
        upstream,
        lines(&[
            ("x-tenant", "forged"),
            ("x-real-ip", "forged"),
            ("x-tenant", "t1")
        ])
    );
}

/// What is past the 96th line is not handed over, and nothing says so.
#[test]
fn lines_that_may_be_truncated_are_refused() {
    const TEXT: &str = r#"gate 1; service s { allow anyone to GET /a;
        deny anyone to any /** when exists request.header["x-blocked"]; }"#;
    let mut vm = with(TEXT, json!({"tokens": []}));
    for (lines, expected) in [
        (95, (403, String::new())),
        (96, refused("headers_may_be_truncated")),
        (97, refused("headers_may_be_truncated")),
        (500, refused("headers_may_be_truncated")),
    ] {
        let mut asked = get("/a");
        while asked.headers.len() < lines - 1 {
            let name = format!("x-{}", asked.headers.len());
            asked = asked.with_header(name, "1");
        }
        let full = asked.clone().with_header("x-more", "1");
        asked = asked.with_header("x-blocked", "1");
        assert_eq!(detailed(&mut vm, &asked), expected, "{lines} lines");
        let twin = if lines == 95 { passed() } else { expected };
        assert_eq!(detailed(&mut vm, &full), twin, "{lines} lines");
    }
}

/// The usual configuration makes an upgrade of it, which was decided on as a plain request.
#[test]
fn an_upgrade_that_connection_does_not_name_is_refused() {
    const TEXT: &str = "gate 1; service s { allow anyone to GET /a; allow anyone to websocket /w; }";
    let mut vm = with(TEXT, json!({"tokens": []}));
    for (path, connection, expected) in [
        ("/a", None, refused("upgrade_without_connection")),
        ("/a", Some("close"), refused("upgrade_without_connection")),
        (
            "/a",
            Some("upgraded, x-upgrade"),
            refused("upgrade_without_connection"),
        ),
        ("/w", Some("keep-alive, Upgrade"), passed()),
    ] {
        let mut asked = get(path)
            .with_header("upgrade", "websocket")
            .with_header("sec-websocket-version", "13")
            .with_header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
        if let Some(connection) = connection {
            asked = asked.with_header("Connection", connection);
        }
        assert_eq!(detailed(&mut vm, &asked), expected, "{path} {connection:?}");
    }
    let named = get("/a")
        .with_header("connection", "upgrade")
        .with_header("upgrade", "websocket");
    assert_ne!(
        answered(&mut vm, &named).0,
        200,
        "an upgrade is not granted there"
    );
}

#[test]
fn facts_have_one_spelling() {
    let mut vm = with(POLICY, json!({"certificates_validated": true}));
    for (protocol, status) in [
        ("HTTP/2.0", 200),
        ("HTTP/2", 200),
        ("HTTP/1.1", 403),
        ("HTTP/20", 403),
    ] {
        let asked = get("/h2").with_property("request/protocol", protocol);
        assert_eq!(answered(&mut vm, &asked).0, status, "{protocol}");
    }
    for (address, variable, status) in [
        ("192.0.2.7", "192.0.2.7", 200),
        ("203.0.113.7", "203.0.113.7", 403),
        ("2001:db8::1", "2001:db8::1", 403),
    ] {
        let asked = get("/near")
            .with_property("source/address", address)
            .with_property("ngx/remote_addr", variable);
        assert_eq!(answered(&mut vm, &asked).0, status, "{address}");
    }
    // The host says that there is a certificate, and nothing of whose it is.
    let certificate = get("/mesh").with_property("connection/mtls", "true");
    assert_eq!(answered(&mut vm, &certificate).0, 401);
    let corp = r#""iss":"https://id.example.com/","aud":"a","exp":4102444800"#;
    for (claims, status) in [
        (format!(r#"{{{corp},"level":3}}"#), 200),
        (format!(r#"{{{corp},"level":2}}"#), 403),
        (r#"{"level":3}"#.into(), 401),
        ("{".into(), 401),
    ] {
        let asked = get("/staff").with_property("ngx/portcullis_corp", claims.as_bytes());
        assert_eq!(answered(&mut vm, &asked).0, status, "{claims}");
    }
}

/// Shadow mode tells what would be refused, and changes nothing.
#[test]
fn shadow_mode_tells_of_requests_that_nginx_cannot_make_what_was_decided_on() {
    let mut vm = with(POLICY, json!({"shadow": true}));
    for asked in [
        get("/files/a/../b"),
        get("/marked").with_header("x-tenant", "forged"),
        request("GET", "/open").with_header("upgrade", "x"),
    ] {
        vm.gateway().log.clear();
        let outcome = exchange(&mut vm, &asked);
        assert_eq!(outcome.upstream, Some(asked.headers));
        let said = decisions(&mut vm).remove(0);
        assert_eq!(
            (&said["portcullis"], &said["shadow"]),
            (&json!("deny"), &json!(true))
        );
    }
}
