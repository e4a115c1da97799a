//! Texts of instants -> µs since the epoch, and back into HTTP dates; days since the epoch and their dates in the
//! proleptic Gregorian calendar. No clock and no time zones.

use core::fmt;

/// µs in a second.
const SECOND_US: i64 = 1_000_000;
/// Seconds in a day.
const DAY_S: i64 = 86_400;

/// Why a text is no instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstantFault {
    /// Not the shape that [`parse`] takes.
    Syntax,
    /// No such month, day, hour, minute or second, or an offset of 24 hours or more.
    Range,
}

/// An RFC 3339 text in the one shape that policies and requests may write: `T` and `Z` in upper case, an offset that is
/// there, a fraction of one to six digits at most, no leap second. Returns µs since the epoch; years are 0000 to 9999.
pub fn parse(text: &[u8]) -> Result<i64, InstantFault> {
    let (head, tail) = text.split_at_checked(19).ok_or(InstantFault::Syntax)?;
    let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if marks.iter().any(|(at, mark)| head.get(*at) != Some(mark)) {
        return Err(InstantFault::Syntax);
    }
    let field = |from: usize, to: usize| number(head.get(from..to).unwrap_or_default());
    let (year, month, day) = (field(0, 4)?, field(5, 7)?, field(8, 10)?);
    let (hour, minute, second) = (field(11, 13)?, field(14, 16)?, field(17, 19)?);
    let (fraction_us, zone) = fraction(tail)?;
    let (sign, hours_east, minutes_east) = offset(zone)?;
    let is_day = (1..=12).contains(&month) && (1..=days_in_month(year, month)).contains(&day);
    if !is_day || hour > 23 || minute > 59 || second > 59 || hours_east > 23 || minutes_east > 59 {
        return Err(InstantFault::Range);
    }
    let east = sign * (hours_east * 3_600 + minutes_east * 60);
    let seconds = days_of_date(year, month, day) * DAY_S + hour * 3_600 + minute * 60 + second - east;
    Ok(seconds * SECOND_US + fraction_us)
}

/// Few enough digits that nothing overflows.
fn number(digits: &[u8]) -> Result<i64, InstantFault> {
    digits.iter().try_fold(0, |n, digit| match digit {
        b'0'..=b'9' => Ok(n * 10 + i64::from(digit - b'0')),
        _ => Err(InstantFault::Syntax),
    })
}

/// Fraction in µs, and the zone after it.
fn fraction(tail: &[u8]) -> Result<(i64, &[u8]), InstantFault> {
    let Some(rest) = tail.strip_prefix(b".") else {
        return Ok((0, tail));
    };
    let end = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    let (digits, zone) = rest.split_at_checked(end).unwrap_or_default();
    if !(1..=6).contains(&end) {
        return Err(InstantFault::Syntax);
    }
    let scale = (end..6).fold(1, |scale, _| scale * 10);
    Ok((number(digits)? * scale, zone))
}

/// Sign, hours and minutes east of UTC.
fn offset(zone: &[u8]) -> Result<(i64, i64, i64), InstantFault> {
    let (sign, rest) = match zone {
        b"Z" => return Ok((1, 0, 0)),
        [b'+', rest @ ..] => (1, rest),
        [b'-', rest @ ..] => (-1, rest),
        _ => return Err(InstantFault::Syntax),
    };
    match rest {
        [h1, h2, b':', m1, m2] => Ok((sign, number(&[*h1, *h2])?, number(&[*m1, *m2])?)),
        _ => Err(InstantFault::Syntax),
    }
}

fn days_in_month(year: i64, month: i64) -> i64 {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// A date (month and day from 1) -> days since the epoch. Years are counted from March, so that the leap day ends one.
pub fn days_of_date(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year - 719_468
}

/// Days since the epoch -> year, month and day of the month, both from 1.
pub fn date_of_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468; // days since 0000-03-01
    let era = shifted.div_euclid(146_097); // 400 years
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march_month + 2) / 5 + 1;
    let month = (march_month + 2) % 12 + 1;
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day)
}

/// Days since the epoch -> day of the week, 0 for Monday to 6 for Sunday.
pub fn weekday_of_days(days: i64) -> i64 {
    // The epoch was a Thursday.
    (days + 3).rem_euclid(7)
}

/// An instant in µs since the epoch that is displayed as an IMF-fixdate (RFC 9110, section 5.6.7), as in
/// `Sun, 06 Nov 1994 08:49:37 GMT`; parts of a second are cut off.
#[derive(Clone, Copy, Debug)]
pub struct HttpDate(pub i64);

impl fmt::Display for HttpDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
        const MONTHS: [&str; 12] = [
            "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
        ];
        let seconds = self.0.div_euclid(SECOND_US);
        let (days, of_day) = (seconds.div_euclid(DAY_S), seconds.rem_euclid(DAY_S));
        let (year, month, day) = date_of_days(days);
        let name = |names: &[&'static str], at: i64| {
            usize::try_from(at)
                .ok()
                .and_then(|at| names.get(at).copied())
                .unwrap_or_default()
        };
        let (weekday, month) = (name(&DAYS, weekday_of_days(days)), name(&MONTHS, month - 1));
        let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
        write!(
            f,
            "{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT"
        )
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::string::ToString;

    use super::*;

    #[test]
    fn instants_need_an_offset_and_a_real_day() {
        let (syntax, range) = (Err(InstantFault::Syntax), Err(InstantFault::Range));
        for (text, want) in [
            ("1970-01-01T00:00:00Z", Ok(0)),
            ("1969-12-31T23:59:59.999999Z", Ok(-1)),
            ("2000-02-29T12:00:00.5+01:00", Ok(951_822_000_500_000)),
            ("2026-11-23T12:00:00-00:30", Ok(1_795_437_000_000_000)),
            ("0000-01-01T00:00:00Z", Ok(-62_167_219_200_000_000)),
            ("9999-12-31T23:59:59.999999Z", Ok(253_402_300_799_999_999)),
            ("2026-11-23T12:00:00", syntax),
            ("2026-02-29T00:00:00Z", range),
            ("2026-13-01T00:00:00Z", range),
            ("2026-11-23t12:00:00Z", syntax),
            ("2026-11-23T12:00:60Z", range),
            ("2026-11-23T12:00:00.Z", syntax),
            ("2026-11-23T12:00:00.1234567Z", syntax),
            ("2026-11-23T12:00:00+0100", syntax),
            ("2026-11-23T12:00:00+24:00", range),
        ] {
            assert_eq!(parse(text.as_bytes()), want, "{text}");
        }
    }

    #[test]
    fn dates_of_every_shape() {
        for (seconds, text) in [
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (-1, "Wed, 31 Dec 1969 23:59:59 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (951_868_800, "Wed, 01 Mar 2000 00:00:00 GMT"),
            (1_798_761_600, "Fri, 01 Jan 2027 00:00:00 GMT"),
            (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
        ] {
            assert_eq!(HttpDate(seconds * SECOND_US).to_string(), text);
        }
        assert!(HttpDate(i64::MAX).to_string().ends_with("GMT"));
        assert!(HttpDate(i64::MIN).to_string().ends_with("GMT"));
    }

    #[test]
    fn days_and_dates_are_inverse() {
        for days in (-800_000..3_000_000).step_by(97) {
            let (year, month, day) = date_of_days(days);
            assert_eq!(days_of_date(year, month, day), days);
        }
    }
}
