//! Opening hours: an instant -> whether the local wall clock of the zone shows a minute inside.

use jiff::{Timestamp, tz::TimeZone};
use portcullis_lang::model::{Hours, HoursId, HoursSpan, Policy};

/// The zones of the policy's hours, by the hours' index.
pub(crate) struct Zones(Vec<Option<TimeZone>>);

impl Zones {
    pub(crate) fn load(policy: &Policy) -> Zones {
        Zones(
            policy
                .hours
                .iter()
                .map(|hours| TimeZone::get(&hours.zone).ok())
                .collect(),
        )
    }

    /// `None` (unknown) for an unknown zone or an instant no calendar holds.
    pub(crate) fn contains(&self, policy: &Policy, id: HoursId, now_us: i64) -> Option<bool> {
        let zone = self.0.get(id.index())?.clone()?;
        let hours: &Hours = policy.hours.get(id.index())?;
        let local = Timestamp::from_microsecond(now_us).ok()?.to_zoned_datetime(zone);
        let day = u32::from(local.weekday().to_monday_zero_offset().unsigned_abs());
        let minute = u16::from(local.hour().unsigned_abs()) * 60 + u16::from(local.minute().unsigned_abs());
        Some(hours.spans.iter().any(|span| inside(*span, day, minute)))
    }
}

/// A stretch that crosses midnight belongs to the day it starts.
fn inside(span: HoursSpan, day: u32, minute: u16) -> bool {
    let starts_on = |day: u32| span.days & (1 << day) != 0;
    let yesterday = (day + 6) % 7;
    if span.start < span.end {
        starts_on(day) && span.start <= minute && minute < span.end
    } else {
        (starts_on(day) && span.start <= minute) || (starts_on(yesterday) && minute < span.end)
    }
}

/// As the language writes instants: upper-case marks, no leap second, at most six digits of a fraction, an offset.
pub(crate) fn parse_strict(text: &str) -> Option<i64> {
    const SHAPE: &str = "(?-u)^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-5][0-9]([.][0-9]{1,6})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$";
    let shape = regex::Regex::new(SHAPE).ok()?;
    parse_instant(text).filter(|_| text.is_ascii() && shape.is_match(text))
}

/// RFC 3339 text with an offset -> µs, rounded down.
pub(crate) fn parse_instant(text: &str) -> Option<i64> {
    let at: Timestamp = text.parse().ok()?;
    i64::try_from(at.as_nanosecond().div_euclid(1000)).ok()
}

/// µs -> `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110); an instant out of the calendar gives nothing.
pub(crate) fn http_date(at_us: i64) -> Option<String> {
    let at = Timestamp::from_microsecond(at_us).ok()?;
    Some(at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string())
}
