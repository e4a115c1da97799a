//! The host's monotonic clock -> time that does not go back, for all who share the memory. Where the clock goes back, no
//! time passes, and it goes on from there. Reads no clock itself.

use std::sync::atomic::{AtomicU64, Ordering};

/// The latest time that was seen is kept to this, µs, so that a clock that moves costs no write each time.
const STEP_US: u64 = 1_000;
/// Threads read the clock in one order and come here in another, or are held up in between, µs: no time passes for them. A
/// clock that goes back by more was set, for a thread that is taken for one would move time on for all.
const DISORDER_US: u64 = 60_000_000;
/// Time stays below this, so that states stay below 2^62.
const TIME_US_MAX: u64 = 1 << 61;

/// Two words of the memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock<'m> {
    /// The latest time seen.
    pub(super) latest: &'m AtomicU64,
    /// What is added to what a host says.
    pub(super) offset: &'m AtomicU64,
}

impl Clock<'_> {
    /// The time for this reading of the host's clock, µs.
    #[inline]
    pub(super) fn at(&self, mono_us: u64) -> u64 {
        let offset = self.offset.load(Ordering::Acquire);
        let now = mono_us.saturating_add(offset).min(TIME_US_MAX);
        let latest = self.latest.load(Ordering::Acquire);
        if now > latest.saturating_add(STEP_US) {
            self.latest.fetch_max(now, Ordering::AcqRel);
            now
        } else if now.saturating_add(DISORDER_US) >= latest {
            now.max(latest)
        } else {
            self.set_back(latest, offset, mono_us)
        }
    }

    /// The time, or the latest that was given here, whichever is later. What was given before this is not overtaken by it.
    pub(super) fn not_before(&self, now_us: u64) -> u64 {
        self.latest.fetch_max(now_us, Ordering::AcqRel).max(now_us)
    }

    /// The clock was set back: from now on it goes on from the latest time.
    #[cold]
    fn set_back(&self, latest: u64, offset: u64, mono_us: u64) -> u64 {
        let goes_on = latest.saturating_sub(mono_us);
        // Where another thread was first, it said the same.
        let _ = self
            .offset
            .compare_exchange(offset, goes_on, Ordering::AcqRel, Ordering::Acquire);
        latest
    }

    /// No earlier than any time that [`Clock::at`] has given.
    pub(super) fn horizon(&self) -> u64 {
        self.latest.load(Ordering::Acquire).saturating_add(STEP_US)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_goes_on_where_the_clock_goes_back() {
        let (latest, offset) = (AtomicU64::new(0), AtomicU64::new(0));
        let clock = Clock {
            latest: &latest,
            offset: &offset,
        };
        let hour = 3_600_000_000;
        for (reading, time) in [
            (0, 0),
            (900, 900),
            (hour, hour),
            (hour + 10, hour + 10),
            // Within the disorder of threads.
            (hour - 5, hour),
            // Set back: no time passes, and then it goes on.
            (100, hour),
            (2_000, hour + 1_900),
            // Set forward by a year and back.
            (8_760 * hour, 8_761 * hour - 100),
            (3_000, 8_761 * hour - 100),
            (5_000, 8_761 * hour + 1_900),
            (u64::MAX, TIME_US_MAX),
        ] {
            assert_eq!(clock.at(reading), time, "{reading}");
            assert!(clock.horizon() >= time);
        }
    }
}
