//! The store of one node: many threads never get more than the bound, all of a verdict's charges are made or none, and
//! floods of keys neither open a gate nor close it for who was there before.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::for_seeds;
use portcullis::quota::{
    Calendar, CalendarUnit, Demand, Instant, Ledger, Measure, QuotaNumber, QuotaStore, Rate, Seed,
};

const SECOND: u64 = 1_000_000;

fn at(mono_us: u64) -> Instant {
    Instant {
        mono_us,
        wall_us: Some(mono_us as i64),
    }
}

fn store(keys: usize) -> QuotaStore {
    QuotaStore::new(keys, Seed::new([3; 16]))
}

fn quota(n: u64) -> QuotaNumber {
    QuotaNumber::of(&format!("q{n}"), "test")
}

fn demand<'z>(store: &QuotaStore, n: u64, key: u64, measure: Measure<'z>) -> Demand<'z> {
    Demand {
        key: store.hash(quota(n), &key.to_le_bytes()),
        measure,
        cost: 1,
    }
}

fn charge(store: &QuotaStore, demands: &[Demand<'_>], now: u64, ledger: &mut Ledger) -> bool {
    store.charge(demands.iter().copied(), at(now), ledger).unwrap()
}

/// A charge that was admitted: the earliest and the latest time it can have been made at, and its cost.
type Admitted = (u64, u64, u64);

/// Holds what was admitted of one key against the bound, in every window.
fn assert_bound(admitted: &mut [Admitted], rate: Rate, context: &str) {
    admitted.sort_unstable();
    for from in 0..admitted.len() {
        let (mut sum, mut until) = (0, 0);
        for (_, latest, cost) in &admitted[from..] {
            sum += cost * rate.emission_us();
            until = until.max(*latest);
            let window = until - admitted[from].0;
            assert!(
                sum <= rate.capacity_us() + window,
                "{context}: {sum} µs in {window}"
            );
        }
    }
}

/// Q09: threads on few keys and little memory, so that slots are given away all the time.
#[test]
fn q09_threads_never_get_more_than_the_bound() {
    for_seeds(6, |seed, rng| {
        let store = store(1 + rng.below(2) as usize * 500);
        let rates: Vec<Rate> = (0..3)
            .map(|_| Rate::new(1 + rng.below(50), SECOND, 1 + rng.below(20)))
            .collect();
        let time = AtomicU64::new(SECOND);
        let logs: Vec<HashMap<(u64, u64), Vec<Admitted>>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|thread| {
                    let (store, rates, time) = (&store, &rates, &time);
                    scope.spawn(move || {
                        let rng = crate::Rng::new(seed * 100 + thread);
                        let (mut log, mut ledger) = (HashMap::new(), Ledger::default());
                        for _ in 0..20_000 {
                            let now = time.fetch_add(rng.below(40), Ordering::SeqCst);
                            let mut demands = Vec::new();
                            for (n, rate) in rates.iter().enumerate() {
                                if rng.below(2) == 0 {
                                    let key = rng.below(if n == 0 { 4 } else { 150 });
                                    let cost = 1 + rng.below(2);
                                    let one = demand(store, n as u64, key, Measure::Rate(*rate));
                                    demands.push(((n as u64, key), Demand { cost, ..one }));
                                }
                            }
                            let list: Vec<_> = demands.iter().map(|(_, demand)| *demand).collect();
                            let all = store.charge(list.iter().copied(), at(now), &mut ledger);
                            if all == Ok(true) {
                                // A thread that was held up charges at the time of the others.
                                let latest = time.load(Ordering::SeqCst);
                                for (key, demand) in demands {
                                    log.entry(key)
                                        .or_insert_with(Vec::new)
                                        .push((now, latest, demand.cost));
                                }
                            }
                        }
                        log
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let mut of_key: HashMap<(u64, u64), Vec<Admitted>> = HashMap::new();
        for (key, admitted) in logs.into_iter().flatten() {
            of_key.entry(key).or_default().extend(admitted);
        }
        assert!(
            of_key.values().map(Vec::len).sum::<usize>() > 100,
            "seed {seed}: something was admitted"
        );
        for ((n, key), mut admitted) in of_key {
            assert_bound(
                &mut admitted,
                rates[n as usize],
                &format!("seed {seed}, quota {n}, key {key}"),
            );
        }
    });
}

/// Q09, of what is in flight: never more than the limit at any moment, whoever ends what.
#[test]
fn q09_threads_never_have_more_in_flight_than_the_limit() {
    let (store, limit) = (store(1), 5);
    let running: Vec<AtomicU64> = (0..200).map(|_| AtomicU64::new(0)).collect();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (store, running) = (&store, &running);
            scope.spawn(move || {
                let rng = crate::Rng::new(thread);
                let mut open: Vec<(usize, Ledger)> = Vec::new();
                for _ in 0..20_000 {
                    if open.len() > 30 || (!open.is_empty() && rng.below(2) == 0) {
                        let (key, mut ledger) = open.swap_remove(rng.below(open.len() as u64) as usize);
                        running[key].fetch_sub(1, Ordering::SeqCst);
                        store.end(&mut ledger);
                    } else {
                        let key = rng.below(200) as usize;
                        let one = demand(store, 0, key as u64, Measure::InFlight(limit));
                        let mut ledger = Ledger::default();
                        if store.charge([one].into_iter(), at(SECOND), &mut ledger) == Ok(true) {
                            assert!(running[key].fetch_add(1, Ordering::SeqCst) < limit, "key {key}");
                            open.push((key, ledger));
                        }
                    }
                }
                for (key, mut ledger) in open {
                    running[key].fetch_sub(1, Ordering::SeqCst);
                    store.end(&mut ledger);
                }
            });
        }
    });
    for key in 0..200 {
        let left = store
            .peek(&demand(&store, 0, key, Measure::InFlight(limit)), at(SECOND))
            .unwrap();
        assert_eq!(left.remaining, limit, "key {key}: all ended");
    }
}

#[test]
fn all_are_charged_or_none() {
    let (store, mut ledger) = (store(100), Ledger::default());
    let wide = Measure::Rate(Rate::new(10, SECOND, 10));
    let narrow = Measure::Rate(Rate::new(2, SECOND, 2));
    let day = Measure::Calendar(Calendar::new(CalendarUnit::Day, &[]), 10);
    let flight = Measure::InFlight(10);
    let demands = [
        demand(&store, 0, 1, day),
        demand(&store, 1, 1, flight),
        demand(&store, 2, 1, wide),
        demand(&store, 3, 1, narrow),
    ];
    for left in [1, 0] {
        assert!(charge(&store, &demands, SECOND, &mut ledger));
        assert!(ledger.is_in_flight());
        let remaining: Vec<u64> = ledger.answers().iter().map(|answer| answer.remaining).collect();
        assert_eq!(remaining, [left + 8, left + 8, left + 8, left]);
    }
    for _ in 0..3 {
        assert!(!charge(&store, &demands, SECOND, &mut ledger));
        assert!(!ledger.is_in_flight());
        let answers = ledger.answers();
        assert_eq!(
            answers.iter().map(|a| a.admitted).collect::<Vec<_>>(),
            [true, true, true, false]
        );
        assert_eq!(
            answers.iter().map(|a| a.remaining).collect::<Vec<_>>(),
            [8, 8, 8, 0],
            "nothing was charged"
        );
        assert_eq!(answers[3].reset_us, SECOND / 2);
    }
    // Without a wall clock a calendar cannot be charged, and nothing else is.
    let blind = Instant {
        mono_us: 2 * SECOND,
        wall_us: None,
    };
    let order = [demands[2], demands[0]];
    assert!(store.charge(order.iter().copied(), blind, &mut ledger).is_err());
    assert_eq!(store.peek(&demands[2], at(2 * SECOND)).unwrap().remaining, 10);
}

/// Q03 and Q04: more keys than there is room for. Who has spent something keeps its bucket, and new keys share one.
#[test]
fn q03_q04_a_flood_of_keys() {
    // Ten sets, so that each has a shared bucket of its own.
    let store = store(440);
    let measure = Measure::Rate(Rate::new(10, 3_600 * SECOND, 10));
    let victim = demand(&store, 0, u64::MAX, measure);
    for _ in 0..9 {
        assert!(store.charge_alone(&victim, at(SECOND)).unwrap().admitted);
    }
    let mut admitted = 0;
    for key in 0..20_000 {
        let one = demand(&store, 0, key, measure);
        admitted += usize::from(store.charge_alone(&one, at(SECOND)).unwrap().admitted);
    }
    let (used, slots) = store.used(at(SECOND));
    assert_eq!((used, slots), (630, 630), "the table is full");
    assert_eq!(
        admitted,
        629 + 10 * 10,
        "one for each slot, and what the shared buckets hold"
    );
    // Not forgotten, and not refused either.
    assert!(store.charge_alone(&victim, at(SECOND)).unwrap().admitted);
    assert!(!store.charge_alone(&victim, at(SECOND)).unwrap().admitted);
    // A key that was refused comes back when there is room: it may have spent what the shared bucket counts.
    let later = at(SECOND + 3_600 * SECOND / 10 + 2);
    let again = store
        .charge_alone(&demand(&store, 0, 19_999, measure), later)
        .unwrap();
    assert!(again.admitted && again.remaining == 0, "{again:?}");
}

/// Q11: a reload with another limit keeps what was spent, and one with another period or kind is another quota.
#[test]
fn q11_a_reload_keeps_what_was_spent() {
    let store = store(100);
    let rate = |limit| Measure::Rate(Rate::new(limit, 60 * SECOND, limit));
    for _ in 0..10 {
        assert!(
            store
                .charge_alone(&demand(&store, 0, 1, rate(10)), at(SECOND))
                .unwrap()
                .admitted
        );
    }
    for limit in [10, 5, 100] {
        assert!(
            !store
                .charge_alone(&demand(&store, 0, 1, rate(limit)), at(SECOND))
                .unwrap()
                .admitted
        );
    }
    let refilled = at(SECOND + 600_000);
    assert!(
        store
            .charge_alone(&demand(&store, 0, 1, rate(100)), refilled)
            .unwrap()
            .admitted,
        "a larger limit refills sooner"
    );
    assert_ne!(QuotaNumber::of("q", "60s"), QuotaNumber::of("q", "3600s"));
}

/// Q01: the host's clock goes back by an hour. No time passes, and then it does again.
#[test]
fn q01_the_monotonic_clock_goes_back() {
    let store = store(100);
    let measure = Measure::Rate(Rate::new(10, SECOND, 10));
    let (one, other) = (demand(&store, 0, 1, measure), demand(&store, 0, 2, measure));
    let hour = 3_600 * SECOND;
    for _ in 0..10 {
        assert!(store.charge_alone(&one, at(hour)).unwrap().admitted);
    }
    assert!(!store.charge_alone(&one, at(5)).unwrap().admitted);
    assert!(
        store.charge_alone(&other, at(5)).unwrap().admitted,
        "who spent nothing is not refused"
    );
    assert!(!store.charge_alone(&one, at(SECOND / 10 + 4)).unwrap().admitted);
    assert!(store.charge_alone(&one, at(SECOND / 10 + 5)).unwrap().admitted);
}

/// Q02: costs and limits at the edges.
#[test]
fn q02_costs_at_the_edges() {
    let store = store(100);
    let rate = Measure::Rate(Rate::new(10, SECOND, 10));
    let one = demand(&store, 0, 1, rate);
    for cost in [11, 1 << 53, u64::MAX] {
        let answer = store.charge_alone(&Demand { cost, ..one }, at(SECOND)).unwrap();
        assert_eq!(
            (answer.admitted, answer.remaining, answer.reset_us),
            (false, 10, SECOND),
            "{cost}"
        );
    }
    assert_eq!(
        store.used(at(SECOND)).0,
        0,
        "a key that is refused at once takes no room"
    );
    assert!(
        store
            .charge_alone(&Demand { cost: 10, ..one }, at(SECOND))
            .unwrap()
            .admitted
    );
}

#[test]
fn a_bucket_is_taken_from_the_calendar_only_once_its_period_is_over_everywhere() {
    let store = store(1);
    let day = 86_400 * SECOND;
    let measure = Measure::Calendar(Calendar::new(CalendarUnit::Day, &[]), 3);
    for key in 0..100 {
        store
            .charge_alone(&demand(&store, 0, key, measure), at(day))
            .unwrap();
    }
    let (used, slots) = store.used(at(2 * day - 1));
    assert_eq!(used, slots);
    assert_eq!(store.used(at(6 * day)).0, 0);
}
