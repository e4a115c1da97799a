//! What is in flight, against a list of all that began.

use crate::for_seeds;
use portcullis::quota::in_flight::{IN_FLIGHT_MAX, LEASE_US, begin, count, end};

#[test]
fn counts_what_began_and_did_not_end() {
    for_seeds(300, |seed, rng| {
        let limit = rng.any_size(200);
        let mut now = rng.below(1 << 50);
        let mut state = 0;
        let mut flights: Vec<(u64, u64)> = Vec::new();
        for _ in 0..200 {
            now += rng.below(LEASE_US >> rng.below(20));
            let running = |flights: &[(u64, u64)], lease: u64| -> u64 {
                flights
                    .iter()
                    .filter(|(begun, _)| now - begun < lease)
                    .map(|(_, cost)| cost)
                    .sum()
            };
            if rng.below(3) == 0 && !flights.is_empty() {
                let (begun, cost) = flights.swap_remove(rng.below(flights.len() as u64) as usize);
                state = end(state, begun, cost);
            } else {
                let cost = rng.any_size(limit + 1);
                let answer = begin(state, now, limit, cost, 0);
                if answer.admitted {
                    assert!(
                        running(&flights, LEASE_US) + cost <= limit,
                        "seed {seed}: over the limit"
                    );
                    flights.push((now, cost));
                } else {
                    assert!(
                        running(&flights, 2 * LEASE_US) + cost > limit,
                        "seed {seed}: leases last too long"
                    );
                }
                state = answer.state;
            }
            assert!(state < 1 << 62);
            assert!(count(state, now) >= running(&flights, LEASE_US), "seed {seed}");
        }
        flights
            .iter()
            .for_each(|(begun, cost)| state = end(state, *begun, *cost));
        assert_eq!(count(state, now), 0, "seed {seed}: all ended");
    });
}

#[test]
fn the_limit_has_a_ceiling_and_a_lease_an_end() {
    let full = begin(0, 0, u64::MAX, IN_FLIGHT_MAX, 0);
    assert!(full.admitted && !begin(full.state, 0, u64::MAX, 1, 0).admitted);
    assert!(!begin(full.state, 2 * LEASE_US - 1, 1, 1, 0).admitted);
    assert!(begin(full.state, 2 * LEASE_US, 1, 1, 0).admitted);
    assert_eq!(end(full.state, 5 * LEASE_US, 0), full.state);
}
