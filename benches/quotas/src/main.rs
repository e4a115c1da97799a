//! One charge of a quota, by this engine's store and by governor, in turns in one run: the median of the rounds, ns, and the
//! ratio. Each answer is looked at: all are admitted.
//!
//! Governor reads a clock in each check and this engine is handed the time, so governor is measured with a clock that costs
//! nothing too.

use std::hint::black_box;
use std::num::NonZeroU32;
use std::time::Instant as Clock;

use governor::clock::FakeRelativeClock;
use governor::{Quota, RateLimiter};
use portcullis::quota::{Demand, Instant, KeyHash, Measure, QuotaNumber, QuotaStore, Rate, Seed};

const ROUNDS: usize = 9;
const CHARGES: usize = 1_000_000;
const KEYS: usize = 100_000;
/// Never used up.
const PER_SECOND: u32 = 1_000_000_000;

/// ns a charge.
fn measure(mut charge: impl FnMut(usize) -> bool) -> f64 {
    let start = Clock::now();
    let admitted = (0..CHARGES).filter(|at| black_box(charge(*at))).count();
    let taken = start.elapsed();
    assert_eq!(admitted, CHARGES, "all are admitted");
    taken.as_nanos() as f64 / CHARGES as f64
}

fn median(mut of: Vec<f64>) -> f64 {
    of.sort_by(f64::total_cmp);
    of[of.len() / 2]
}

/// Alternates two, and prints their medians.
fn row(name: &str, mut ours: impl FnMut(usize) -> bool, mut theirs: impl FnMut(usize) -> bool) {
    let (mut a, mut b) = (Vec::new(), Vec::new());
    measure(&mut ours);
    measure(&mut theirs);
    for _ in 0..ROUNDS {
        a.push(measure(&mut ours));
        b.push(measure(&mut theirs));
    }
    let (a, b) = (median(a), median(b));
    println!("{name:<44} {a:>8.1} {b:>8.1} {:>6.2}", a / b);
}

fn main() {
    let limit = NonZeroU32::new(PER_SECOND).expect("more than 0");
    let quota = Quota::per_second(limit);
    let number = QuotaNumber::of("bench", "1000000 us");
    let rate = Rate::new(1_000_000, 1_000_000, u64::from(PER_SECOND));
    let store = QuotaStore::new(2 * KEYS, Seed::new([7; 16]));
    let demand = |key: KeyHash| Demand {
        key,
        measure: Measure::Rate(rate),
        cost: 1,
    };
    let texts: Vec<String> = (0..KEYS)
        .map(|n| format!("token.iss:4:corp,token.sub:6:{n:06}"))
        .collect();
    let hashes: Vec<KeyHash> = texts
        .iter()
        .map(|text| store.hash(number, text.as_bytes()))
        .collect();
    // Another key each time, none near the one before.
    let next = |at: usize| (at * 7_919) % KEYS;
    let now = |at: usize| Instant {
        mono_us: 1_000_000 + at as u64 / 16,
        wall_us: None,
    };
    let ours = |key: KeyHash, at: usize| {
        store
            .charge_alone(&demand(key), now(at))
            .is_ok_and(|a| a.admitted)
    };

    println!(
        "{:<44} {:>8} {:>8} {:>6}",
        "ns a charge, median of 9 rounds", "ours", "governor", "ratio"
    );
    let direct = RateLimiter::direct(quota);
    row(
        "hot key, governor direct",
        |at| ours(hashes[0], at),
        |_| direct.check().is_ok(),
    );
    let still = RateLimiter::direct_with_clock(quota, FakeRelativeClock::default());
    row(
        "hot key, governor direct without a clock",
        |at| ours(hashes[0], at),
        |_| still.check().is_ok(),
    );
    let keyed = RateLimiter::<String, _, _>::keyed(quota);
    row(
        "100,000 keys, hashed here; governor keyed",
        |at| ours(hashes[next(at)], at),
        |at| keyed.check_key(&texts[next(at)]).is_ok(),
    );
    row(
        "100,000 keys, with hashing; governor keyed",
        |at| ours(store.hash(number, texts[next(at)].as_bytes()), at),
        |at| keyed.check_key(&texts[next(at)]).is_ok(),
    );
    let hash = |at: usize| {
        black_box(store.hash(number, texts[at % 64].as_bytes()));
        true
    };
    let hash = median((0..ROUNDS).map(|_| measure(hash)).collect());
    println!("{:<44} {hash:>8.1}", "hashing a key of 35 bytes");

    let (keys, lines) = (10_000_000, QuotaStore::lines_for(10_000_000));
    println!(
        "memory for {keys} keys: {:.1} MiB",
        lines as f64 * 64.0 / f64::from(1 << 20)
    );
}
