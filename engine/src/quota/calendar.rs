//! `N per calendar day|week|month in "ZONE"`: (state, wall clock, cost) -> answer and new state. The zone comes as
//! transitions, so no time-zone data is needed here. Knows no clock, no key and no store.
//!
//! A period starts at its first existing local instant, and goes on where local time is set back past its start. The state
//! is the period, by the day on which the next one starts, and what is used of it.

use super::Answer;
use portcullis_base::instant::{date_of_days, days_of_date, weekday_of_days};

const DAY_S: i64 = 86_400;
const SECOND_US: i64 = 1_000_000;
/// No zone is further from UTC.
const OFFSET_S_MAX: i64 = 2 * DAY_S;
/// Bits of a state that hold what is used; those above hold the day.
const USED_BITS: u32 = 45;
/// The largest limit of a calendar period; a larger one counts as this.
pub const CALENDAR_LIMIT_MAX: u64 = (1 << USED_BITS) - 1;
/// The last day that a state holds, in days since the epoch: in the year 2328.
const DAY_MAX: i64 = (1 << 17) - 1;

/// What a calendar period is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CalendarUnit {
    /// From a local midnight to the next.
    Day,
    /// Seven days, from Monday (ISO 8601).
    Week,
    /// From the first of a month to that of the next.
    Month,
}

/// One period, in seconds since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CalendarPeriod {
    /// Its first instant that exists in the zone.
    pub start_s: i64,
    /// The first instant of the next one.
    pub end_s: i64,
    /// The local date on which the next one starts, in days since the epoch.
    next_day: i64,
}

/// Periods of one kind in one zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Calendar<'z> {
    unit: CalendarUnit,
    offsets: &'z [(i64, i32)],
}

impl<'z> Calendar<'z> {
    /// In a zone of these offsets: from this instant on, in whole seconds since the epoch, so many seconds east of UTC;
    /// sorted, the first from `i64::MIN`. None means UTC.
    pub fn new(unit: CalendarUnit, offsets: &'z [(i64, i32)]) -> Calendar<'z> {
        Calendar { unit, offsets }
    }

    /// The period that an instant lies in, µs since the epoch.
    pub fn period(&self, wall_us: i64) -> CalendarPeriod {
        let now_s = wall_us.div_euclid(SECOND_US);
        let today = (now_s + self.offset_s(now_s)).div_euclid(DAY_S);
        let mut first = self.first_day(today);
        let mut period = self.period_from(first);
        // Where local time was set back past a midnight, the next period has begun already.
        while period.end_s <= now_s {
            first = period.next_day;
            period = self.period_from(first);
        }
        period
    }

    fn period_from(&self, first_day: i64) -> CalendarPeriod {
        let next_day = self.next_first_day(first_day);
        CalendarPeriod {
            start_s: self.first_instant_s(first_day),
            end_s: self.first_instant_s(next_day),
            next_day,
        }
    }

    /// The first day of the period that has a day.
    fn first_day(&self, day: i64) -> i64 {
        match self.unit {
            CalendarUnit::Day => day,
            CalendarUnit::Week => day - weekday_of_days(day),
            CalendarUnit::Month => {
                let (year, month, _) = date_of_days(day);
                days_of_date(year, month, 1)
            }
        }
    }

    fn next_first_day(&self, first_day: i64) -> i64 {
        match self.unit {
            CalendarUnit::Day => first_day + 1,
            CalendarUnit::Week => first_day + 7,
            // No month has more than 31 days or fewer than 28.
            CalendarUnit::Month => self.first_day(first_day + 31),
        }
    }

    fn offset_s(&self, at_s: i64) -> i64 {
        let after = self.offsets.partition_point(|(from, _)| *from <= at_s);
        let offset = after.checked_sub(1).and_then(|at| self.offsets.get(at));
        offset.map_or(0, |(_, offset)| i64::from(*offset))
    }

    /// The first instant whose local time is no earlier than a day's midnight.
    fn first_instant_s(&self, day: i64) -> i64 {
        let midnight_s = day * DAY_S;
        let near_s = midnight_s - OFFSET_S_MAX;
        let after = self.offsets.partition_point(|(from, _)| *from <= near_s);
        let mut at = after.saturating_sub(1);
        while let Some((from_s, offset_s)) = self.offsets.get(at) {
            let until_s = self.offsets.get(at + 1).map_or(i64::MAX, |(until_s, _)| *until_s);
            let start_s = (midnight_s - i64::from(*offset_s)).max(*from_s);
            if start_s < until_s {
                return start_s;
            }
            at += 1;
        }
        midnight_s
    }

    /// Charges `cost` units of `limit`, or none and says how things stand where it is 0. A clock that goes back is as if no
    /// time passed up to a period's length; what it went back beyond that stays used in the earlier period.
    pub fn charge(&self, state: u64, wall_us: i64, limit: u64, cost: u64) -> Answer {
        let mut period = self.period(wall_us);
        let limit = limit.min(CALENDAR_LIMIT_MAX);
        let (day, mut used) = parts(state);
        if day < day_of(&period) {
            used = 0;
        } else if day > day_of(&period) {
            let next = self.period_from(period.next_day);
            if day == day_of(&next) {
                period = next;
            }
        }
        let free = limit.saturating_sub(used);
        let admitted = cost <= free;
        let spent = if admitted { cost } else { 0 };
        let end_us = period.end_s.saturating_mul(SECOND_US);
        Answer {
            admitted,
            state: (day_of(&period) << USED_BITS) | (used + spent),
            remaining: free - spent,
            reset_us: u64::try_from(end_us.saturating_sub(wall_us)).unwrap_or(0),
        }
    }
}

fn day_of(period: &CalendarPeriod) -> u64 {
    period.next_day.clamp(0, DAY_MAX) as u64
}

/// The day on which the next period starts, and what is used of this one.
fn parts(state: u64) -> (u64, u64) {
    (state >> USED_BITS, state & CALENDAR_LIMIT_MAX)
}

/// Takes back a charge of `cost` after which the state was `charged`, unless its period is over.
pub(super) fn refund(state: u64, charged: u64, cost: u64) -> u64 {
    let (day, used) = parts(state);
    if day == parts(charged).0 {
        (day << USED_BITS) | used.saturating_sub(cost)
    } else {
        state
    }
}

/// Whether a period is over in every zone. Without a wall clock none is.
pub(super) fn is_idle(state: u64, wall_us: Option<i64>) -> bool {
    let today = wall_us.map_or(0, |wall_us| wall_us.div_euclid(SECOND_US * DAY_S));
    // No zone is two days behind UTC.
    parts(state).0 as i64 + 2 < today
}
