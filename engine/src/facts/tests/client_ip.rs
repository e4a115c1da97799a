//! Who is behind trusted hops.

use super::*;

#[track_caller]
fn check(hops: Option<u32>, socket: &str, headers: &[(&str, &str)], want: (bool, Option<String>)) {
    let config = Config {
        proxies: vec![net8("10.0.0.0")],
        hops,
        ..Config::default()
    };
    let headers: Vec<(&[u8], &[u8])> = headers
        .iter()
        .map(|(n, v)| (n.as_bytes(), v.as_bytes()))
        .collect();
    let view = RequestView {
        headers: &headers,
        socket_peer: socket.parse().ok(),
        ..get("/")
    };
    assert_eq!(fact(&config, &view, Source::ClientIp), want, "{headers:?}");
}

#[test]
fn the_socket_counts_unless_it_is_a_proxy() {
    check(None, "", &[], ABSENT);
    check(
        None,
        "192.0.2.1",
        &[("x-forwarded-for", "203.0.113.1")],
        sent("192.0.2.1"),
    );
    check(None, "::ffff:192.0.2.1", &[], sent("192.0.2.1"));
    check(None, "10.0.0.1", &[], sent("10.0.0.1"));
    check(Some(1), "10.0.0.1", &[], ILL);
}

#[test]
fn the_walk_stops_at_the_first_untrusted_entry() {
    let xff = |value: &'static str| [("x-forwarded-for", value)];
    check(
        None,
        "10.0.0.1",
        &xff("garbage, 203.0.113.1, 10.0.0.2"),
        sent("203.0.113.1"),
    );
    check(None, "10.0.0.1", &xff("10.0.0.3 , 10.0.0.2"), sent("10.0.0.3"));
    check(None, "::ffff:10.0.0.1", &xff("2001:db8::1"), sent("2001:db8::1"));
    for (entry, address) in [
        ("203.0.113.1:80", "203.0.113.1"),
        ("203.0.113.1:00080", "203.0.113.1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:51008", "2001:db8::1"),
        ("[::ffff:203.0.113.1]:80", "203.0.113.1"),
        ("203.0.113.1, 10.0.0.2:443", "203.0.113.1"),
    ] {
        check(None, "10.0.0.1", &[("x-forwarded-for", entry)], sent(address));
    }
    check(
        None,
        "10.0.0.1",
        &[
            ("x-forwarded-for", "198.51.100.9"),
            ("x-forwarded-for", "10.0.0.2"),
        ],
        sent("198.51.100.9"),
    );
    for bad in [
        "",
        "203.0.113.1,",
        "203.0.113.1:",
        "203.0.113.1:123456",
        "203.0.113.1:8x",
        "[203.0.113.1]",
        "[203.0.113.1]:80",
        "[2001:db8::1",
        "[2001:db8::1]80",
        "[2001:db8::1]:",
        "2001:db8::1]:80",
        "fe80::1%eth0",
        "[fe80::1%25eth0]:80",
        "\"203.0.113.1:80\"",
        "unknown",
        "203.0.113.01",
        "x, 10.0.0.2",
    ] {
        check(None, "10.0.0.1", &xff(bad), ILL);
    }
    check(
        None,
        "10.0.0.1",
        &[
            ("x-forwarded-for", "203.0.113.1"),
            ("forwarded", "for=203.0.113.1"),
        ],
        ILL,
    );
    check(
        None,
        "10.0.0.1",
        &[("x-forwarded-for", &["1.1.1.1"; 65].join(","))],
        ILL,
    );
}

#[test]
fn hops_are_counted_exactly() {
    let xff = |value: &'static str| [("x-forwarded-for", value)];
    check(
        Some(2),
        "10.0.0.1",
        &xff("9.9.9.9, 203.0.113.1, 10.0.0.2"),
        sent("203.0.113.1"),
    );
    check(Some(1), "10.0.0.1", &xff("9.9.9.9, 10.0.0.2"), sent("10.0.0.2"));
    check(Some(2), "10.0.0.1", &xff("9.9.9.9, 203.0.113.1"), ILL);
    check(Some(3), "10.0.0.1", &xff("10.0.0.3, 10.0.0.2"), ILL);
}

#[test]
fn forwarded_elements() {
    for (value, want) in [
        ("for=203.0.113.1;proto=https;by=10.0.0.1", sent("203.0.113.1")),
        ("For=\"[2001:db8::1]:8080\", for=10.0.0.2:99", sent("2001:db8::1")),
        (
            "for=9.9.9.9, for=\"203.0.113.1:1\"; host=\"a,b;c\"",
            sent("203.0.113.1"),
        ),
        ("for=unknown", ILL),
        ("for=_hidden", ILL),
        ("for=2001:db8::1", ILL),
        ("for=[203.0.113.1]", ILL),
        ("for=203.0.113.1:123456", ILL),
        ("proto=https", ILL),
        ("for=203.0.113.1;for=203.0.113.1", ILL),
        ("for=203.0.113.1,", ILL),
        ("x=\", for=203.0.113.1", ILL),
    ] {
        check(None, "10.0.0.1", &[("forwarded", value)], want);
    }
}
