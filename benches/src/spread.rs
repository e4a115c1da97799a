//! Calls -> the median and the 99th percentile over requests. Each request counts by the best of several visits, so
//! that slow requests show and a busy machine does not.

use std::time::Instant;

/// Time per decision over requests, ns.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spread {
    /// Half of the requests are quicker.
    pub median_ns: f64,
    /// One of a hundred is slower.
    pub p99_ns: f64,
}

/// Visits of a request, and calls of a visit, by what one call takes: the clock is coarse beside a quick decision,
/// and a slow one needs no patience to be seen.
fn effort(call_s: f64) -> (u32, u32) {
    match call_s {
        call_s if call_s < 20e-6 => (15, 32),
        call_s if call_s < 1e-3 => (10, 1),
        _ => (3, 1),
    }
}

/// Over `requests` requests, or as many of them, ten at least, as about so many seconds allow.
pub fn measure(requests: usize, seconds: f64, mut decide: impl FnMut(usize)) -> Spread {
    let mut timed = |index: usize, calls: u32| {
        let start = Instant::now();
        for _ in 0..calls {
            decide(index);
        }
        start.elapsed().as_secs_f64() / f64::from(calls)
    };
    let few = requests.min(10);
    let estimate = (0..few).map(|index| timed(index, 1)).sum::<f64>() / few.max(1) as f64;
    let (visits, calls) = effort(estimate);
    let affordable = seconds / (estimate * f64::from(visits * calls)).max(1e-9);
    let mut best = vec![f64::MAX; requests.min((affordable as usize).max(10))];
    for _ in 0..visits {
        for (index, best) in best.iter_mut().enumerate() {
            *best = best.min(timed(index, calls) * 1e9);
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
