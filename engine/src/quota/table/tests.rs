//! Slots are given away only where they are idle, a lock that is left is taken over, and what was half done is undone.

use super::*;
use crate::quota::QuotaNumber;

const SEED: Seed = Seed::from_words(1, 2);

/// Sets the state, and says what it was.
struct Set(u64);

impl Change for Set {
    type Says = u64;
    fn at(&self, _: u64) -> Set {
        Set(self.0)
    }
    fn of(&self, value: u64, _: u64) -> (u64, u64) {
        (self.0, value)
    }
    fn is_kept(&self, _: &u64) -> bool {
        true
    }
}

fn at(now_us: u64) -> Time {
    Time {
        now_us,
        wall_us: None,
    }
}

fn key(n: u64) -> KeyHash {
    KeyHash::new(SEED, QuotaNumber(9), &n.to_le_bytes())
}

fn set(table: &Table, n: u64, until: u64, now: u64) -> Option<Place> {
    table.change(&key(n), Kind::Rate, at(now), &Set(until)).unwrap().1
}

fn get(table: &Table, n: u64) -> u64 {
    struct Get;
    impl Change for Get {
        type Says = u64;
        fn at(&self, _: u64) -> Get {
            Get
        }
        fn of(&self, value: u64, _: u64) -> (u64, u64) {
            (value, value)
        }
        fn is_kept(&self, _: &u64) -> bool {
            false
        }
    }
    table.peek(&key(n), Kind::Rate, &Get).unwrap()
}

#[test]
fn only_idle_slots_are_given_away_and_then_keys_share_one_bucket() {
    // One set, so that every key contends for it.
    let table = Table::new(1, SEED);
    for n in 0..SLOTS as u64 {
        assert!(
            matches!(set(&table, n, 1_000 + n, 0), Some(Place::Own { .. })),
            "{n}"
        );
    }
    let shared = set(&table, 500, 7_777, 999);
    assert!(matches!(shared, Some(Place::Shared { .. })), "{shared:?}");
    assert_eq!(set(&table, 501, 8_888, 999), shared, "all that have no slot");
    for n in 0..SLOTS as u64 {
        assert_eq!(get(&table, n), 1_000 + n, "no slot in use was given away");
    }
    assert_eq!(table.used(at(999)), (SLOTS, SLOTS));
    // The first is idle now; who gets its slot begins with what the shared bucket holds.
    let Some(place @ Place::Own { .. }) = set(&table, 500, 9_999, 1_001) else {
        panic!("a slot was idle")
    };
    assert_eq!(set(&table, 500, 9_999, 1_001), Some(place), "and keeps it");
    assert_eq!(get(&table, 0), 8_888, "the first is a new key again");
    assert_eq!(table.used(at(1_001)), (SLOTS, SLOTS));
}

#[test]
fn a_lock_that_is_left_is_taken_over_and_what_was_half_done_is_undone() {
    let table = Table::new(1, SEED);
    let first = key(1);
    let lock = SetLock::take(&table, 0, at(5_000_000)).unwrap();
    // A process dies while it gives a slot away.
    let home = Table::slots_of(&first).next().unwrap();
    let slot = table.slot(0, home);
    assert!(slot.swap(0, lock.busy()));
    slot.tag.store(tag(&first), Ordering::Release);
    let held = lock.held;
    std::mem::forget(lock);
    // Shortly after, this cannot be told: it may be slow.
    assert_eq!(SetLock::take(&table, 0, at(5_900_000)).err(), Some(Unavailable));
    assert!(
        table
            .change(&first, Kind::Rate, at(5_900_000), &Set(9_000_000))
            .is_err()
    );
    // A second later the next one takes the lock over, and the slot is given away again.
    assert!(set(&table, 1, 8_000_000, 6_500_000).is_some());
    assert_eq!(get(&table, 1), 8_000_000);
    assert_eq!(table.used(at(6_500_000)).0, 1);
    // The slow one finds its ticket gone.
    let slow = SetLock {
        lock: table.lock(0),
        held,
    };
    assert!(!slow.is_held() && !slot.swap(slow.busy(), Kind::Rate.word(1)));
    drop(slow);
    assert_eq!(
        table.lock(0).load(Ordering::Acquire) >> TICKET_BITS,
        0,
        "and frees nothing"
    );
    assert!(set(&table, 1, 9_000_000, 6_500_000).is_some());
    assert_eq!(get(&table, 1), 9_000_000);
}

#[test]
fn processes_share_memory_at_any_address() {
    let lines = |keys: usize| -> &'static [Line] {
        Box::leak(
            (0..lines_for(keys))
                .map(|_| Line::default())
                .collect::<Box<[_]>>(),
        )
    };
    let memory = lines(100);
    assert!(Table::attach(memory).is_none(), "there is none yet");
    let one = Table::format_in(memory, SEED).unwrap();
    let other = Table::attach(memory).unwrap();
    assert!(other.seed() == SEED);
    set(&one, 1, 50, 0);
    assert_eq!(get(&other, 1), 50);
    // The same words elsewhere are the same table.
    let moved = lines(100);
    for (from, to) in memory
        .iter()
        .flat_map(|l| &l.0)
        .zip(moved.iter().flat_map(|l| &l.0))
    {
        to.store(from.load(Ordering::Relaxed), Ordering::Relaxed);
    }
    assert_eq!(get(&Table::attach(moved).unwrap(), 1), 50);
    assert!(
        Table::format_in(&memory[..SHARED_LINES], SEED).is_none(),
        "too small"
    );
}
