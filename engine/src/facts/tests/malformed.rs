//! Every code of a malformed request, and the order in which they are found.

use super::*;
use crate::request::Upgrade;

#[track_caller]
fn check(view: RequestView<'_>, want: (u16, &'static str)) {
    let config = Config {
        named_headers: vec!["x-api-key".into()],
        identity_headers: vec!["x-api-key".into()],
        ..Config::default()
    };
    let arena = Arena::new();
    let got = normalise(&view, &config, &arena, HostOptions::default()).err();
    assert_eq!(got.map(|m| (m.status, m.detail.code())), Some(want), "{view:?}");
}

#[track_caller]
fn check_headers(headers: &[(&[u8], &[u8])], want: (u16, &'static str)) {
    check(RequestView { headers, ..get("/") }, want);
}

#[test]
fn sizes() {
    check_headers(&[(&b"a"[..], &b"b"[..]); 101], (431, "too_many_headers"));
    check_headers(&[(b"a", &[b'x'; 65_536])], (431, "headers_too_large"));
    check(
        RequestView {
            method: &[b'A'; 33],
            ..get("/")
        },
        (400, "bad_method"),
    );
    check(get(&format!("/{}", "a".repeat(8_192))), (414, "target_too_long"));
    check_headers(
        &[(b"cookie", ";".repeat(200).as_bytes())],
        (431, "too_many_cookies"),
    );
    check(get(&"/a".repeat(129)), (414, "too_many_segments"));
    check(
        get(&format!("/?{}", "a&".repeat(257))),
        (414, "too_many_parameters"),
    );
    assert!(outcome(&get(&"/a".repeat(128)), HostOptions::default()).is_ok());
    assert!(outcome(&get(&format!("/?{}", "a&&".repeat(256))), HostOptions::default()).is_ok());
}

#[test]
fn methods_and_header_lines() {
    for method in ["", "GE T", "GET\r", "G\u{e9}T"] {
        check(
            RequestView {
                method: method.as_bytes(),
                ..get("/")
            },
            (400, "bad_method"),
        );
    }
    for name in ["", "a b", "a:", ":method", "\u{e9}"] {
        check_headers(&[(name.as_bytes(), b"v")], (400, "bad_header_name"));
    }
    for value in [&b"a\0"[..], b"a\r\nb: c", b"\x7f"] {
        check_headers(&[(b"a", value)], (400, "bad_header_value"));
    }
    assert!(
        normalise(
            &RequestView {
                headers: &[(b"a", b"\tx\xff")],
                ..get("/")
            },
            &Config::default(),
            &Arena::new(),
            HostOptions::default()
        )
        .is_ok()
    );
}

#[test]
fn underscores_and_connection() {
    for name in ["x_api_key", "X_Forwarded-For", "x-forwarded_for"] {
        check_headers(&[(name.as_bytes(), b"v")], (400, "header_collision"));
    }
    check_headers(&[(b"a-b", b"1"), (b"a_b", b"2")], (400, "header_collision"));
    for option in [
        "X-Api-Key",
        "close, Authorization",
        "cookie",
        "forwarded",
        "x-forwarded-for",
    ] {
        check_headers(
            &[(b"connection", option.as_bytes())],
            (400, "connection_drops_identity"),
        );
    }
    let headers: &[(&[u8], &[u8])] = &[(b"a_b", b"1"), (b"Connection", b" X-Hop , "), (b"x-hop", b"1")];
    let view = RequestView { headers, ..get("/") };
    let arena = Arena::new();
    let canonical = normalise(&view, &Config::default(), &arena, HostOptions::default()).unwrap();
    assert_eq!(canonical.header_values("a_b").count(), 1);
    assert_eq!(canonical.header_values("x-hop").count(), 0);
}

#[test]
fn authorities() {
    let host = |authority: &'static str| RequestView {
        authority: Some(authority.as_bytes()),
        ..get("/")
    };
    let label = "a".repeat(64);
    let long = format!("{}.com", vec!["a".repeat(60); 5].join("."));
    for bad in [
        "",
        ".",
        "a..b",
        "a.b..",
        "user@a.com",
        "user:pw@a.com",
        "a%2ecom",
        "a+b.com",
        "-a.com",
        "a-.com",
        "b\u{fc}.de",
        "1.2.3",
        "01.2.3.4",
        "1.2.3.256",
        "0x7f.1",
        "a.0x7f",
        "a.12",
        "::1",
        "[::1",
        "[::1]x",
        "[2001:DB8::1]",
        "[2001:db8:0::1]",
        "[fe80::1%25eth0]",
        &label,
        &long,
    ] {
        check(
            RequestView {
                authority: Some(bad.as_bytes()),
                ..get("/")
            },
            (400, "bad_host"),
        );
    }
    for bad in [
        "a.com:",
        "a.com:0",
        "a.com:080",
        "a.com:65536",
        "a.com:+80",
        "[::1]:",
    ] {
        check(host(bad), (400, "bad_port"));
    }
    check(
        RequestView {
            authority: None,
            ..get("/")
        },
        (400, "missing_host"),
    );
    let two: &[(&[u8], &[u8])] = &[(b"host", b"a.com"), (b"host", b"a.com")];
    check_headers(two, (400, "duplicate_host"));
    check_headers(&[(b"host", b"other.example.com")], (400, "host_mismatch"));
    check_headers(&[(b"host", b"api.example.com:80")], (400, "host_mismatch"));
    check(get("https://other.example.com/"), (400, "host_mismatch"));
    for (authority, want) in [
        ("API.Example.com.", "api.example.com"),
        ("[::ffff:1.2.3.4]:80", "[::ffff:1.2.3.4]"),
        ("0xa.com", "0xa.com"),
    ] {
        let view = host(authority);
        let arena = Arena::new();
        let canonical = normalise(&view, &Config::default(), &arena, HostOptions::default()).unwrap();
        assert_eq!(canonical.host, want);
    }
}

#[test]
fn targets_and_overrides() {
    for target in [
        "",
        "*",
        "a",
        "?x",
        "api.example.com:443",
        "ftp://api.example.com/",
    ] {
        check(get(target), (400, "bad_target"));
    }
    let connect = |target| RequestView {
        method: b"CONNECT",
        ..get(target)
    };
    for target in [
        "/",
        "api.example.com",
        "api.example.com:80",
        "*",
        "https://api.example.com/",
    ] {
        check(connect(target), (400, "bad_target"));
    }
    for header in ["X-HTTP-Method-Override", "x-http-method", "x-method-override"] {
        check_headers(&[(header.as_bytes(), b"PUT")], (400, "method_override"));
    }
    let plain = HostOptions::default();
    assert_eq!(
        outcome(&connect("api.example.com:443"), plain).as_deref(),
        Ok("api.example.com:443")
    );
    assert_eq!(
        outcome(
            &RequestView {
                method: b"OPTIONS",
                ..get("*")
            },
            plain
        )
        .as_deref(),
        Ok("*")
    );
    let absolute = RequestView {
        authority: None,
        ..get("HTTP://api.example.com?x=1")
    };
    assert_eq!(outcome(&absolute, plain).as_deref(), Ok("/?x=1"));
}

#[test]
fn upgrades() {
    let seen = |method: &'static [u8], headers: &[(&[u8], &[u8])]| {
        let view = RequestView {
            method,
            headers,
            protocol: if method == b"CONNECT" {
                b"HTTP/2"
            } else {
                b"HTTP/1.1"
            },
            ..get("/")
        };
        let arena = Arena::new();
        let canonical = normalise(&view, &Config::default(), &arena, HostOptions::default()).unwrap();
        let method = match canonical.upgrade {
            Upgrade::WebSocket => b"GET",
            Upgrade::None | Upgrade::Other => method,
        };
        assert_eq!(canonical.method, method);
        canonical.upgrade
    };
    let asks: [(&[u8], &[u8]); 2] = [
        (b"Connection", b"keep-alive, Upgrade"),
        (b"Upgrade", b"WebSocket"),
    ];
    assert_eq!(seen(b"GET", &asks), Upgrade::WebSocket);
    assert_eq!(seen(b"POST", &asks), Upgrade::Other);
    assert_eq!(seen(b"GET", &[asks[0], (b"upgrade", b"h2c")]), Upgrade::Other);
    assert_eq!(seen(b"GET", &[asks[0], asks[1], asks[1]]), Upgrade::Other);
    assert_eq!(seen(b"GET", &asks[1..]), Upgrade::None);
    assert_eq!(
        seen(b"CONNECT", &[(b":protocol", b"websocket")]),
        Upgrade::WebSocket
    );
    assert_eq!(
        seen(b"CONNECT", &[(b":protocol", b"connect-udp")]),
        Upgrade::Other
    );
    let extended: (&[u8], &[u8]) = (b":protocol", b"websocket");
    assert_eq!(seen(b"CONNECT", &[extended, extended]), Upgrade::Other);
    assert_eq!(seen(b"CONNECT", &[extended, asks[0], asks[1]]), Upgrade::Other);
}

#[test]
fn the_first_check_decides() {
    let headers: &[(&[u8], &[u8])] = &[(b"bad name", b"v"), (b"host", b"a"), (b"host", b"b")];
    check(
        RequestView {
            method: b"",
            headers,
            ..get("//")
        },
        (400, "bad_method"),
    );
    check(RequestView { headers, ..get("//") }, (400, "bad_header_name"));
    check(
        RequestView {
            headers: &headers[1..],
            ..get("//")
        },
        (400, "duplicate_host"),
    );
    check(get("/a;b//%zz"), (400, "bad_percent"));
    check(get("/../%e9"), (400, "bad_utf8"));
    check(get("/x./../.."), (400, "above_root"));
}
