//! `N per DURATION burst B`: (state, now, cost) -> answer and new state, by the generic cell rate algorithm (ATM Forum
//! Traffic Management 4.1, section 4.4.2, in its virtual scheduling form) in integer microseconds. Knows no clock, no key
//! and no store.
//!
//! The state is the instant at which the bucket has refilled completely. A unit of cost takes the emission interval
//! `ceil(DURATION / N)` of it, so in any window `w` at most `B + w / ceil(DURATION / N) <= B + N * w / DURATION` units pass.

use super::Answer;

/// Longest time that a bucket can take to refill, µs (142 years): instants since the epoch stay below 2^53, which a store that
/// counts in floating-point numbers holds exactly.
pub const REFILL_US_MAX: u64 = 1 << 52;

/// The parameters of one bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Time in which one unit refills, µs, at least 1.
    emission_us: u64,
    /// Time in which the whole bucket refills, µs.
    capacity_us: u64,
    /// As much of any state counts, µs, at least the capacity.
    ceiling_us: u64,
}

impl Rate {
    /// A bucket of `burst` units that refills at `limit` units per `period_us`. 0 counts as 1 in each, and a bucket holds no
    /// more than refills in [`REFILL_US_MAX`].
    pub fn new(limit: u64, period_us: u64, burst: u64) -> Rate {
        let emission_us = period_us.clamp(1, REFILL_US_MAX).div_ceil(limit.max(1));
        let capacity_us = burst.clamp(1, REFILL_US_MAX / emission_us) * emission_us;
        Rate {
            emission_us,
            capacity_us,
            ceiling_us: capacity_us,
        }
    }

    /// Where the limit is a fact, one bucket is charged under several capacities, and this, µs, is the largest of them.
    /// What is spent under one of them stays spent under another.
    #[must_use]
    pub fn with_ceiling(self, ceiling_us: u64) -> Rate {
        Rate {
            ceiling_us: ceiling_us.clamp(self.capacity_us, REFILL_US_MAX),
            ..self
        }
    }

    /// Time in which one unit refills, µs.
    pub fn emission_us(&self) -> u64 {
        self.emission_us
    }

    /// Time in which the whole bucket refills, µs.
    pub fn capacity_us(&self) -> u64 {
        self.capacity_us
    }

    /// The highest state that counts at an instant.
    pub(super) fn highest(&self, now_us: u64) -> u64 {
        now_us.saturating_add(self.ceiling_us)
    }

    /// Charges `cost` units, or none and says how things stand where it is 0. Where it can never fit, `reset_us` is the
    /// time in which the bucket refills.
    #[inline]
    pub fn charge(&self, state: u64, now_us: u64, cost: u64) -> Answer {
        // What a reload with a smaller burst or a clock that went back leaves beyond the ceiling counts as the ceiling.
        let used = state.saturating_sub(now_us).min(self.ceiling_us);
        let free = self.capacity_us.saturating_sub(used);
        let need = cost.checked_mul(self.emission_us);
        match need {
            Some(need) if need <= free || need == 0 => Answer {
                admitted: true,
                state: now_us.saturating_add(used + need),
                remaining: (free - need) / self.emission_us,
                reset_us: used + need,
            },
            _ => Answer {
                admitted: false,
                state: if used == self.ceiling_us {
                    now_us.saturating_add(used)
                } else {
                    state
                },
                remaining: free / self.emission_us,
                reset_us: match need {
                    Some(need) if need <= self.capacity_us => used + need - self.capacity_us,
                    _ => self.capacity_us,
                },
            },
        }
    }

    /// Takes back a charge of `need_us` that was admitted, and after which the state was `charged`. `horizon_us` is no
    /// earlier than any instant at which others have charged since: what has refilled by then is no longer there to be taken
    /// back.
    pub(super) fn refund(state: u64, charged: u64, need_us: u64, horizon_us: u64) -> u64 {
        if state == charged || charged > horizon_us {
            state.saturating_sub(need_us)
        } else {
            state
        }
    }
}

/// Whether a bucket has refilled completely, and some time ago.
pub(super) fn is_idle(state: u64, now_us: u64) -> bool {
    state < now_us
}
