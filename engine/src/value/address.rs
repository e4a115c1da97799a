//! Text -> addresses, and addresses -> numbers that ranges hold. Knows no networks by name.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Four canonical decimals, or RFC 4291 text without a zone; an IPv4-mapped address is unmapped.
pub(crate) fn parse(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?;
    if text.contains(':') {
        return text.parse::<Ipv6Addr>().ok().map(|v6| unmapped(IpAddr::V6(v6)));
    }
    let v4: Ipv4Addr = text.parse().ok()?;
    super::text::is_spelled(v4, text).then_some(IpAddr::V4(v4))
}

/// An IPv4-mapped IPv6 address is the IPv4 address.
pub(crate) fn unmapped(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

/// The address as a number; IPv4 as IPv4-mapped.
pub(crate) fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().into(),
        IpAddr::V6(v6) => v6.into(),
    }
}

/// Whether sorted, disjoint, inclusive ranges hold the address.
pub(crate) fn in_ranges(ranges: &[(u128, u128)], address: IpAddr) -> bool {
    let number = number(address);
    let after = ranges.partition_point(|(first, _)| *first <= number);
    after
        .checked_sub(1)
        .and_then(|at| ranges.get(at))
        .is_some_and(|(_, last)| number <= *last)
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
