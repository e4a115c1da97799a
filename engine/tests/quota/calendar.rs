//! Calendar periods against jiff, which has the whole time-zone database, and their counts.

use crate::for_seeds;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{Timestamp, civil};
use portcullis::quota::{CALENDAR_LIMIT_MAX, Calendar, CalendarUnit};

const UNITS: [CalendarUnit; 3] = [CalendarUnit::Day, CalendarUnit::Week, CalendarUnit::Month];

fn zone(name: &str) -> TimeZone {
    TimeZoneDatabase::bundled().get(name).unwrap()
}

fn offsets(zone: &TimeZone) -> Vec<(i64, i32)> {
    let mut offsets = vec![(i64::MIN, zone.to_offset(Timestamp::MIN).seconds())];
    let end = Timestamp::from_second(4_000_000_000).unwrap();
    for transition in zone.following(Timestamp::MIN).take_while(|t| t.timestamp() < end) {
        offsets.push((transition.timestamp().as_second(), transition.offset().seconds()));
    }
    offsets
}

fn first_day(unit: CalendarUnit, date: civil::Date) -> civil::Date {
    match unit {
        CalendarUnit::Day => date,
        CalendarUnit::Week => {
            date.saturating_sub(jiff::Span::new().days(date.weekday().to_monday_zero_offset()))
        }
        CalendarUnit::Month => date.first_of_month(),
    }
}

fn next(unit: CalendarUnit, date: civil::Date) -> civil::Date {
    date.saturating_add(match unit {
        CalendarUnit::Day => jiff::Span::new().days(1),
        CalendarUnit::Week => jiff::Span::new().weeks(1),
        CalendarUnit::Month => jiff::Span::new().months(1),
    })
}

/// The first instant whose local date is no earlier than this one, by looking at every instant a zone changes at.
fn starts(zone: &TimeZone, date: civil::Date) -> i64 {
    let midnight = date.at(0, 0, 0, 0);
    let near = TimeZone::UTC.to_timestamp(midnight).unwrap().as_second() - 3 * 86_400;
    let near = Timestamp::from_second(near).unwrap();
    let end = near.as_second() + 6 * 86_400;
    let changes = zone.following(near).map(|t| t.timestamp().as_second());
    let mut starts: Vec<i64> = changes.take_while(|at| *at < end).collect();
    starts.push(near.as_second());
    starts.sort_unstable();
    let mut found = Vec::new();
    for (at, from) in starts.iter().enumerate() {
        let until = starts.get(at + 1).copied().unwrap_or(end);
        let offset = i64::from(zone.to_offset(Timestamp::from_second(*from).unwrap()).seconds());
        let local = TimeZone::UTC.to_timestamp(midnight).unwrap().as_second() - offset;
        if local.max(*from) < until {
            found.push(local.max(*from));
        }
    }
    found.into_iter().min().unwrap()
}

#[test]
fn periods_are_those_of_the_time_zone_database() {
    let zones = [
        "UTC",
        "Europe/Berlin",
        "America/Sao_Paulo",
        "America/Havana",
        "Pacific/Apia",
        "Asia/Kathmandu",
        "Africa/Casablanca",
        "America/New_York",
        "Asia/Beirut",
        "Antarctica/Troll",
        "Australia/Lord_Howe",
        "America/Scoresbysund",
    ];
    for name in zones {
        let zone = zone(name);
        let offsets = offsets(&zone);
        for_seeds(150, |seed, rng| {
            let changes: Vec<i64> = offsets
                .iter()
                .map(|(from, _)| *from)
                .filter(|from| *from > 0)
                .collect();
            // Where a zone changes, on the days about, or anywhere between 1970 and 2090.
            let near = changes.get(rng.below(changes.len() as u64) as usize).copied();
            let at_s = match (near, rng.below(3)) {
                (Some(near), 0) => near + rng.below(7_200) as i64 - 3_600,
                (Some(near), 1) => near + rng.below(6 * 86_400) as i64 - 3 * 86_400,
                _ => rng.below(3_800_000_000) as i64,
            };
            for unit in UNITS {
                let period = Calendar::new(unit, &offsets).period(at_s * 1_000_000 + 999_999);
                let local = Timestamp::from_second(at_s)
                    .unwrap()
                    .to_zoned_datetime(zone.clone())
                    .date();
                let mut first = first_day(unit, local);
                while starts(&zone, next(unit, first)) <= at_s {
                    first = next(unit, first);
                }
                let expected = (starts(&zone, first), starts(&zone, next(unit, first)));
                assert_eq!(
                    (period.start_s, period.end_s),
                    expected,
                    "seed {seed}: {unit:?} in {name} at {at_s}"
                );
                assert!(
                    period.start_s <= at_s && at_s < period.end_s,
                    "seed {seed}: {unit:?} in {name} at {at_s}"
                );
            }
        });
    }
}

#[test]
fn a_period_starts_at_its_first_existing_instant() {
    let period = |unit, name: &str, at: &str| {
        let offsets = offsets(&zone(name));
        let at: Timestamp = at.parse().unwrap();
        let period = Calendar::new(unit, &offsets).period(at.as_microsecond());
        [period.start_s, period.end_s].map(|s| Timestamp::from_second(s).unwrap().to_string())
    };
    let day = CalendarUnit::Day;
    // The clocks went from 00:00 to 01:00.
    let sao_paulo = period(day, "America/Sao_Paulo", "2018-11-04T12:00:00Z");
    assert_eq!(sao_paulo, ["2018-11-04T03:00:00Z", "2018-11-05T02:00:00Z"]);
    // They went back from 00:00 to 23:00: the day goes on for 25 hours.
    let beirut = period(day, "Asia/Beirut", "2021-10-30T20:30:00Z");
    assert_eq!(beirut, ["2021-10-29T21:00:00Z", "2021-10-30T22:00:00Z"]);
    // They went back from 01:00 to 00:00: the day has begun once.
    let havana = period(day, "America/Havana", "2021-11-07T04:30:00Z");
    assert_eq!(havana, ["2021-11-07T04:00:00Z", "2021-11-08T05:00:00Z"]);
    // 30 December 2011 does not exist there.
    let apia = period(day, "Pacific/Apia", "2011-12-30T10:00:00Z");
    assert_eq!(apia, ["2011-12-30T10:00:00Z", "2011-12-31T10:00:00Z"]);
    let week = period(CalendarUnit::Week, "UTC", "2026-12-01T00:00:00Z");
    assert_eq!(week, ["2026-11-30T00:00:00Z", "2026-12-07T00:00:00Z"]);
    let month = period(CalendarUnit::Month, "UTC", "2024-02-29T23:59:59Z");
    assert_eq!(month, ["2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z"]);
}

#[test]
fn counts_are_exact_and_the_wait_is_true() {
    let offsets = offsets(&zone("Europe/Berlin"));
    for_seeds(300, |seed, rng| {
        let unit = UNITS[rng.below(3) as usize];
        let (calendar, limit) = (Calendar::new(unit, &offsets), rng.any_size(1 << 46));
        let mut now = rng.below(3_000_000_000) as i64 * 1_000_000;
        let (mut state, mut used, mut end) = (0, 0, 0);
        for _ in 0..100 {
            now += rng.below((10 * 86_400_000_000) >> rng.below(40)) as i64;
            let period = calendar.period(now);
            if period.end_s != end {
                (used, end) = (0, period.end_s);
            }
            let cost = rng.any_size(limit + limit / 4);
            let answer = calendar.charge(state, now, limit, cost);
            let fits = used + cost <= limit.min(CALENDAR_LIMIT_MAX);
            assert_eq!(answer.admitted, fits, "seed {seed}");
            used += if fits { cost } else { 0 };
            assert_eq!(
                answer.remaining,
                limit.min(CALENDAR_LIMIT_MAX) - used,
                "seed {seed}"
            );
            assert!(answer.state < 1 << 62);
            let then = now + answer.reset_us as i64;
            assert_eq!(then, end * 1_000_000, "seed {seed}");
            let before = calendar.charge(answer.state, then - 1, limit, cost);
            assert_eq!(
                before.admitted,
                used + cost <= limit.min(CALENDAR_LIMIT_MAX),
                "seed {seed}"
            );
            assert_eq!(
                calendar.charge(answer.state, then, limit, cost).admitted,
                cost <= limit.min(CALENDAR_LIMIT_MAX)
            );
            state = answer.state;
        }
    });
}

/// Q01: a wall clock that goes back gives nothing back, and one that was far ahead locks no period for long.
#[test]
fn q01_a_wall_clock_that_jumps() {
    let (calendar, day) = (Calendar::new(CalendarUnit::Day, &[]), 86_400_000_000);
    let noon = 20_000 * day + day / 2;
    let spent = calendar.charge(0, noon, 3, 3).state;
    let back = calendar.charge(spent, noon - day, 3, 1);
    assert!(!back.admitted, "the day before is the same day still");
    assert_eq!(back.reset_us as i64, day + day / 2);
    assert!(calendar.charge(back.state, noon + day / 2, 3, 3).admitted);
    let far_ahead = calendar.charge(0, noon + 365 * day, 3, 3).state;
    let again = calendar.charge(far_ahead, noon, 3, 1);
    assert!(!again.admitted, "what was spent is spent");
    assert!(
        calendar.charge(again.state, noon + day, 3, 3).admitted,
        "and tomorrow is another day"
    );
}
