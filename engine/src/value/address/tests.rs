//! Addresses have one spelling.

use super::*;
use std::net::Ipv4Addr;

#[test]
fn addresses_have_canonical_decimals_and_no_zone() {
    assert_eq!(parse(b"192.0.2.1"), Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))));
    assert_eq!(parse(b"::ffff:192.0.2.1"), parse(b"192.0.2.1"));
    assert_eq!(parse(b"::FFFF:c000:201"), parse(b"192.0.2.1"));
    for bad in [
        "192.0.2.01",
        "192.0.2",
        "0x7f.1",
        "fe80::1%eth0",
        "[::1]",
        "192.0.2.1:80",
        "",
        " ::1",
    ] {
        assert_eq!(parse(bad.as_bytes()), None, "{bad}");
    }
}

#[test]
fn ranges_are_inclusive() {
    let n = |text: &str| number(parse(text.as_bytes()).unwrap());
    let ranges = [
        (n("10.0.0.0"), n("10.255.255.255")),
        (n("2001:db8::"), n("2001:db8::ff")),
    ];
    let within = |text: &str| in_ranges(&ranges, parse(text.as_bytes()).unwrap());
    assert!(within("10.0.0.0") && within("10.255.255.255") && within("2001:db8::ff"));
    assert!(!within("9.255.255.255") && !within("11.0.0.0") && !within("2001:db8::100"));
}
