//! Calls -> the median and the 99th percentile over requests. Each request counts by the best of several visits, so
//! that slow requests show and a busy machine does not.

use std::time::Instant;

/// Visits of each request.
const VISITS: u32 = 15;
/// Calls of one visit: the clock is coarse beside a decision.
const CALLS: u32 = 32;

/// Time per decision over requests, ns.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spread {
    /// Half of the requests are quicker.
    pub median_ns: f64,
    /// One of a hundred is slower.
    pub p99_ns: f64,
}

/// Over `requests` requests.
pub fn measure(requests: usize, mut decide: impl FnMut(usize)) -> Spread {
    let mut best = vec![f64::MAX; requests];
    for _ in 0..VISITS {
        for (index, best) in best.iter_mut().enumerate() {
            let start = Instant::now();
            for _ in 0..CALLS {
                decide(index);
            }
            *best = best.min(start.elapsed().as_nanos() as f64 / f64::from(CALLS));
        }
    }
    of(best)
}

fn of(mut times: Vec<f64>) -> Spread {
    times.sort_by(f64::total_cmp);
    let at = |share: usize| times.get(times.len() * share / 100).copied().unwrap_or_default();
    Spread {
        median_ns: at(50),
        p99_ns: at(99),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_slow_request_in_fifty_is_the_p99() {
        let mut times = vec![100.0; 98];
        times.extend([900.0, 900.0]);
        let spread = of(times);
        assert_eq!((spread.median_ns, spread.p99_ns), (100.0, 900.0));
        assert_eq!(of(Vec::new()), Spread::default());
    }
}
