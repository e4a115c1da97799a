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
mod tests;
