//! The arithmetic of rates against an exact model in fractions.

use crate::for_seeds;
use portcullis::quota::{REFILL_US_MAX, Rate};

/// A bucket of tokens that refills evenly, exactly: what it holds is counted in `1 / period` of a unit.
struct Exact {
    limit: u128,
    period: u128,
    burst: u128,
    held: u128,
    at: u64,
}

impl Exact {
    fn new(limit: u64, period: u64, burst: u64) -> Exact {
        let (limit, period, burst) = (limit.into(), period.into(), burst.into());
        Exact {
            limit,
            period,
            burst,
            held: burst * period,
            at: 0,
        }
    }

    fn refill(&mut self, now: u64) {
        let refilled = u128::from(now - self.at) * self.limit;
        self.held = (self.held + refilled).min(self.burst * self.period);
        self.at = now;
    }

    fn charge(&mut self, cost: u64) -> bool {
        let need = u128::from(cost) * self.period;
        let fits = need <= self.held;
        if fits {
            self.held -= need;
        }
        fits
    }
}

#[test]
fn never_more_than_the_exact_bucket_and_never_more_than_the_bound() {
    for_seeds(400, |seed, rng| {
        let period = 1_000_000 + rng.any_size(34_560_000_000_000 - 1_000_000);
        let (limit, burst) = (rng.any_size(1 << 53), rng.any_size(1 << 53));
        let (limit, burst) = if rng.below(2) == 0 {
            (limit.min(1000), burst.min(50))
        } else {
            (limit, burst)
        };
        let (rate, mut exact) = (Rate::new(limit, period, burst), Exact::new(limit, period, burst));
        let divides = period.is_multiple_of(limit)
            && u128::from(burst) * u128::from(rate.emission_us()) < u128::from(REFILL_US_MAX);
        let (mut state, mut now) = (0, rng.below(1 << 40));
        exact.at = now;
        let mut admitted: Vec<(u64, u64)> = Vec::new();
        for step in 0..300 {
            now += match rng.below(4) {
                0 => 0,
                1 => rng.any_size(rate.capacity_us().min(1 << 50)),
                _ => rng.below(rate.emission_us().saturating_mul(2).min(1 << 50)),
            };
            let cost = if rng.below(3) == 0 {
                rng.any_size(burst + burst / 2)
            } else {
                1
            };
            exact.refill(now);
            let answer = rate.charge(state, now, cost);
            let context =
                format!("seed {seed}, step {step}: {cost} at {now} of {limit} per {period} burst {burst}");
            if answer.admitted {
                assert!(exact.charge(cost), "the exact bucket has less: {context}");
                admitted.push((now, cost));
            } else if divides {
                assert!(!exact.charge(cost), "the exact bucket has more: {context}");
            }
            state = answer.state;
        }
        for from in 0..admitted.len() {
            let mut sum = 0u128;
            for (at, cost) in &admitted[from..] {
                sum += u128::from(*cost);
                let window = u128::from(at - admitted[from].0);
                // sum <= B + N * w / P, without dividing.
                assert!(
                    sum * u128::from(period)
                        <= u128::from(burst) * u128::from(period) + u128::from(limit) * window,
                    "seed {seed}: {sum} in {window} of {limit} per {period} burst {burst}"
                );
            }
        }
    });
}

#[test]
fn the_wait_is_true_and_so_is_what_remains() {
    for_seeds(2_000, |seed, rng| {
        let (period, limit) = (1_000_000 + rng.any_size(1 << 44), rng.any_size(1 << 53));
        let burst = rng.any_size(1 << 53);
        let rate = Rate::new(limit, period, burst);
        let holds = rate.capacity_us() / rate.emission_us();
        let now = rng.below(1 << 50);
        // At most full, somewhere between, or what a larger bucket left.
        let state = now + rng.below(rate.capacity_us() + rate.capacity_us() / 4);
        let cost = rng.any_size(holds);
        let answer = rate.charge(state, now, cost);
        let context = format!("seed {seed}: {cost} of {limit} per {period} burst {burst}, {state} at {now}");
        if !answer.admitted {
            let then = now + answer.reset_us;
            assert!(
                answer.reset_us > 0 && rate.charge(answer.state, then, cost).admitted,
                "{context}"
            );
            assert!(!rate.charge(answer.state, then - 1, cost).admitted, "{context}");
        } else {
            let then = now + answer.reset_us;
            assert!(rate.charge(answer.state, then, holds).admitted, "{context}");
            assert!(!rate.charge(answer.state, then - 1, holds).admitted, "{context}");
        }
        let left = answer.remaining;
        assert!(
            rate.charge(answer.state, now, left).admitted,
            "{context}: {left} are left"
        );
        assert!(
            !rate.charge(answer.state, now, left + 1).admitted,
            "{context}: no more than {left} are left"
        );
        assert_eq!(rate.charge(answer.state, now, 0).remaining, left, "{context}");
    });
}

#[test]
fn the_edges_of_the_numbers() {
    let largest = 1 << 53;
    for limit in [1, 2, 999_999, 1_000_000, 1_000_001, largest, u64::MAX] {
        for period in [0, 1, 1_000_000, 34_560_000_000_000, u64::MAX] {
            for burst in [0, 1, largest, u64::MAX] {
                let rate = Rate::new(limit, period, burst);
                assert!(rate.emission_us() >= 1 && rate.capacity_us() <= REFILL_US_MAX);
                for now in [0, 1, 1 << 53, (1 << 62) - (1 << 60) - 1] {
                    for cost in [0, 1, burst, largest, u64::MAX] {
                        for state in [0, now, now + rate.capacity_us(), (1 << 62) - 1] {
                            let answer = rate.charge(state, now, cost);
                            assert!(answer.state < 1 << 62, "{rate:?} {state} {now} {cost}");
                            let fits = cost
                                .checked_mul(rate.emission_us())
                                .is_some_and(|need| need <= rate.capacity_us());
                            assert!(
                                fits || !answer.admitted,
                                "more than the bucket holds is never admitted"
                            );
                            assert!(
                                state > now || fits == answer.admitted,
                                "a full bucket admits what it holds"
                            );
                        }
                    }
                }
            }
        }
    }
    assert_eq!(Rate::new(3, 1_000_000, 3).emission_us(), 333_334, "rounded up");
}

/// A reload with another limit keeps what was spent; a key that is charged under several limits gains nothing by it.
#[test]
fn what_is_spent_stays_spent_under_another_limit() {
    let minute = 60_000_000;
    let (small, large) = (Rate::new(10, minute, 10), Rate::new(1000, minute, 1000));
    let half = (0..5).fold(0, |state, _| small.charge(state, 0, 1).state);
    assert_eq!(large.charge(half, 0, 0).remaining, 500, "half of it, as before");
    let all = large.charge(half, 0, 500).state;
    assert!(!small.charge(all, 0, 1).admitted);

    // A burst that shrinks: what lies beyond it is not waited for, unless the larger bucket is in use still.
    let (wide, narrow) = (Rate::new(60, minute, 600), Rate::new(60, minute, 6));
    let spent = wide.charge(0, 0, 600).state;
    assert_eq!(narrow.charge(spent, 0, 1).reset_us, 1_000_000);
    let one_of_both = narrow.with_ceiling(wide.capacity_us());
    let refused = one_of_both.charge(spent, 0, 1);
    assert_eq!((refused.state, refused.reset_us), (spent, 595_000_000));
    assert!(
        !wide.charge(refused.state, 0, 1).admitted,
        "asking under the narrow one gives nothing back"
    );
}

/// Q01: a monotonic clock that jumps costs at most one bucket.
#[test]
fn q01_a_clock_that_jumps() {
    let rate = Rate::new(10, 1_000_000, 10);
    let spent = rate.charge(0, 3_600_000_000, 10).state;
    // Back by an hour: no more than the bucket is waited for.
    let refused = rate.charge(spent, 0, 1);
    assert!(!refused.admitted && refused.reset_us <= rate.capacity_us());
    assert!(rate.charge(refused.state, refused.reset_us, 1).admitted);
    // Forward by a year: one bucket, not a year's worth.
    let later = rate.charge(spent, 31_536_000_000_000, 0);
    assert_eq!(later.remaining, 10);
}
