//! Quotas: their arithmetic against exact models, and the store of one node under many threads.

#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]

use std::cell::Cell;

mod calendar;
mod in_flight;
mod rate;
mod store;

/// A seed -> numbers (splitmix64).
struct Rng(Cell<u64>);

impl Rng {
    fn new(seed: u64) -> Rng {
        Rng(Cell::new(seed))
    }

    fn next(&self) -> u64 {
        self.0.set(self.0.get().wrapping_add(0x9E37_79B9_7F4A_7C15));
        let mut z = self.0.get();
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// `0..n`, or 0.
    fn below(&self, n: u64) -> u64 {
        self.next().checked_rem(n).unwrap_or(0)
    }

    /// Of any size up to `max`, small ones as often as large ones.
    fn any_size(&self, max: u64) -> u64 {
        let bits = 64 - max.leading_zeros();
        let shift = self.below(u64::from(bits)) as u32;
        (self.below(max) >> shift).max(1)
    }
}

/// Runs a test for seeds, the one of `PORTCULLIS_SEED` alone where that is set; each failure names its seed.
fn for_seeds(count: u64, test: impl Fn(u64, &Rng)) {
    let chosen = std::env::var("PORTCULLIS_SEED")
        .ok()
        .map(|text| text.parse::<u64>().unwrap());
    for seed in chosen.map_or(0..count, |seed| seed..seed + 1) {
        test(seed, &Rng::new(seed));
    }
}
