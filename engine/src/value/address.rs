//! Addresses and ranges of their numbers. Knows no networks by name.

use std::net::IpAddr;

pub(crate) use portcullis_base::address::{number, ranges};
pub(crate) use portcullis_base::list::address as parse;

/// An IPv4-mapped IPv6 address is the IPv4 address.
pub(crate) fn unmapped(address: IpAddr) -> IpAddr {
    address.to_canonical()
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
