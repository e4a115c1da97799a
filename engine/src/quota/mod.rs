//! Charges --arithmetic over hashed keys in fixed memory--> who is admitted, what is left, and when to come again.
//!
//! The arithmetic ([`Rate`], [`Calendar`], [`in_flight`]) is pure: (state, now, cost) -> [`Answer`]. A [`QuotaStore`] holds
//! the states of one node. `docs/quotas.md` says what is guaranteed. Knows no requests, no policies and no images, reads no
//! clock and draws no random numbers: its seed comes from the host.

// keys -> 128 bits
mod hash;

// state, now, cost -> answer
mod calendar;
pub mod in_flight;
mod rate;

// all of a verdict's charges or none, in fixed memory
mod clock;
mod store;
mod table;

pub use calendar::{CALENDAR_LIMIT_MAX, Calendar, CalendarPeriod, CalendarUnit};
pub use hash::{KeyHash, QuotaNumber, Seed};
pub use rate::{REFILL_US_MAX, Rate};
pub use store::{Demand, Instant, Ledger, Measure, QuotaStore, StoreUnavailable};
pub use table::Line;

/// What one bucket answers to one charge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// There was enough left.
    pub admitted: bool,
    /// The state to keep, below 2^62.
    pub state: u64,
    /// What is left, in units of cost: after the charge, or without it where it was refused.
    pub remaining: u64,
    /// Where refused, time until the same charge is admitted if nothing else is; else until nothing is used. µs.
    pub reset_us: u64,
}
