//! Addresses and networks -> numbers and ranges of them: IPv4 addresses are numbered as IPv4-mapped ones, so one order
//! holds both families. Knows no texts.

use core::net::IpAddr;

/// The address as a number; IPv4 as IPv4-mapped.
pub fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().into(),
        IpAddr::V6(v6) => v6.into(),
    }
}

/// IPv4-mapped addresses, which are IPv4 and in no IPv6 network.
const IPV4: (u128, u128) = (0xffff_0000_0000, 0xffff_ffff_ffff);

/// The inclusive ranges of a network without host bits: two of one around all of IPv4.
pub fn ranges(address: IpAddr, length: u8) -> impl Iterator<Item = (u128, u128)> {
    let width = if address.is_ipv4() { 32 } else { 128 };
    let host = width - u32::from(length).min(width);
    let first = number(address);
    let last = first | u128::MAX.checked_shr(128 - host).unwrap_or(0);
    let around = address.is_ipv6() && first <= IPV4.0 && last >= IPV4.1;
    let (one, other) = if around {
        ((first, IPV4.0 - 1), Some((IPV4.1 + 1, last)))
    } else {
        ((first, last), None)
    };
    core::iter::once(one).chain(other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn an_ipv6_network_holds_no_ipv4_address() {
        let of = |address: &str, length| ranges(address.parse().unwrap(), length).collect::<Vec<_>>();
        let v4 = number("192.0.2.1".parse().unwrap());
        for (address, length, parts) in [("::", 0, 2), ("::", 80, 2), ("::", 97, 1), ("2001:db8::", 32, 1)] {
            let ranges = of(address, length);
            assert_eq!(ranges.len(), parts, "{address}/{length}");
            assert!(ranges.iter().all(|(first, last)| !(*first..=*last).contains(&v4)));
        }
        assert_eq!(of("192.0.2.0", 24), [(v4 - 1, v4 + 254)]);
        assert_eq!(of("0.0.0.0", 0), [IPV4]);
        assert_eq!(of("2001:db8::1", 128).first().map(|r| r.0 == r.1), Some(true));
    }
}
