//! `at most N in flight`: (state, now, cost) -> answer and new state. What is in flight holds a lease, so that what never
//! ends because its process died does not count for ever. Knows no clock, no key and no store.
//!
//! Time is cut into terms of a lease's length, and the state counts what began in this term and what began in the one
//! before. So a lease lasts for one term at least and two at most, and no list of leases has to be kept.

use super::Answer;

/// Shortest time that what is not ended counts as in flight, µs; it counts for at most twice as long. An exchange that
/// takes longer is no longer counted.
pub const LEASE_US: u64 = 3_600_000_000;
/// The largest number in flight; a larger limit counts as this.
pub const IN_FLIGHT_MAX: u64 = (1 << COUNT_BITS) - 1;
/// What a refused one waits before it asks again, µs: nothing tells when something in flight ends.
const RETRY_US: u64 = 1_000_000;

const COUNT_BITS: u32 = 17;
const TURN_BITS: u32 = 8;
const TERM_BITS: u32 = 19;

/// The fields that a state packs into one word, the term uppermost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Flights {
    term: u64,
    /// Some of this key's are counted by the bucket that keys share, since there was no room for one of its own.
    shares: bool,
    /// Another one after each charge, so that a state that is left and come back to is told apart.
    turn: u64,
    this_term: u64,
    last_term: u64,
}

impl Flights {
    fn of(state: u64) -> Flights {
        Flights {
            last_term: state & IN_FLIGHT_MAX,
            this_term: (state >> COUNT_BITS) & IN_FLIGHT_MAX,
            turn: (state >> (2 * COUNT_BITS)) & ((1 << TURN_BITS) - 1),
            shares: (state >> (2 * COUNT_BITS + TURN_BITS)) & 1 == 1,
            term: (state >> (2 * COUNT_BITS + TURN_BITS + 1)) & ((1 << TERM_BITS) - 1),
        }
    }

    fn state(self) -> u64 {
        let Flights {
            term,
            shares,
            turn,
            this_term,
            last_term,
        } = self;
        (term << (2 * COUNT_BITS + TURN_BITS + 1))
            | (u64::from(shares) << (2 * COUNT_BITS + TURN_BITS))
            | ((turn & ((1 << TURN_BITS) - 1)) << (2 * COUNT_BITS))
            | (this_term << COUNT_BITS)
            | last_term
    }

    /// As of now: what began before the last term is no longer counted.
    fn at(self, now_us: u64) -> Flights {
        let term = term(now_us);
        let (this_term, last_term) = match term.saturating_sub(self.term) {
            0 => (self.this_term, self.last_term),
            1 => (0, self.this_term),
            _ => (0, 0),
        };
        Flights {
            term: term.max(self.term),
            this_term,
            last_term,
            ..self
        }
    }

    fn count(self) -> u64 {
        self.this_term + self.last_term
    }
}

fn term(now_us: u64) -> u64 {
    (now_us / LEASE_US).min((1 << TERM_BITS) - 1)
}

/// How many are in flight.
pub fn count(state: u64, now_us: u64) -> u64 {
    Flights::of(state).at(now_us).count()
}

/// The state of a new key, of which the bucket that keys share may count earlier ones. `turn` differs from that of what
/// had its slot before.
pub(super) fn beginning(turn: u64, shares: bool) -> u64 {
    Flights {
        shares,
        turn,
        ..Flights::default()
    }
    .state()
}

/// Whether what the shared bucket counts has to be looked at.
pub(super) fn shares(state: u64) -> bool {
    Flights::of(state).shares
}

/// Begins `cost` of at most `limit` in flight, or none and says how things stand where it is 0. `shared` are counted by
/// the bucket that keys share, where some of this key's may be.
pub fn begin(state: u64, now_us: u64, limit: u64, cost: u64, shared: u64) -> Answer {
    let mut flights = Flights::of(state).at(now_us);
    flights.shares &= shared > 0;
    let others = if flights.shares { shared } else { 0 };
    let free = limit
        .min(IN_FLIGHT_MAX)
        .saturating_sub(flights.count())
        .saturating_sub(others);
    let admitted = cost <= free;
    if admitted && cost > 0 {
        flights.this_term += cost;
        flights.turn += 1;
    }
    Answer {
        admitted,
        state: flights.state(),
        remaining: free - if admitted { cost } else { 0 },
        reset_us: if admitted { 0 } else { RETRY_US },
    }
}

/// Ends `cost` of them that began at `begun_us`, unless their lease is over.
pub fn end(state: u64, begun_us: u64, cost: u64) -> u64 {
    let mut flights = Flights::of(state);
    match flights.term.saturating_sub(term(begun_us)) {
        0 => flights.this_term = flights.this_term.saturating_sub(cost),
        1 => flights.last_term = flights.last_term.saturating_sub(cost),
        _ => {}
    }
    flights.state()
}

/// Whether nothing is in flight.
pub(super) fn is_idle(state: u64, now_us: u64) -> bool {
    count(state, now_us) == 0
}
