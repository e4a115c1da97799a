//! Instant in µs -> IMF-fixdate (RFC 9110, section 5.6.7). Own arithmetic: no clock, no zone, no dependency.

const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// `Sun, 06 Nov 1994 08:49:37 GMT`; parts of a second are cut off.
pub(crate) fn imf_fixdate(instant_us: i64) -> impl std::fmt::Display {
    let seconds = instant_us.div_euclid(1_000_000);
    let day = seconds.div_euclid(86_400);
    let of_day = seconds.rem_euclid(86_400);
    let (year, month, date) = civil(day);
    // The epoch was a Thursday. Both remainders are within their tables.
    let weekday = DAYS[day.rem_euclid(7) as usize];
    let month = MONTHS[month as usize];
    let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    std::fmt::from_fn(move |f| {
        write!(
            f,
            "{weekday}, {date:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT"
        )
    })
}

/// Days since the epoch -> year, month from 0, day of month from 1, in the proleptic Gregorian calendar. Years
/// are counted from March, so that the leap day ends a year.
fn civil(day: i64) -> (i64, i64, i64) {
    let shifted = day + 719_468; // days since 0000-03-01
    let era = shifted.div_euclid(146_097); // 400 years
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * of_year + 2) / 153;
    let date = of_year - (153 * march_month + 2) / 5 + 1;
    let month = (march_month + 2) % 12;
    let year = era * 400 + year_of_era + i64::from(month < 2);
    (year, month, date)
}

#[cfg(test)]
mod tests {
    use super::imf_fixdate;

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
            assert_eq!(imf_fixdate(seconds * 1_000_000).to_string(), text);
        }
        assert!(imf_fixdate(i64::MAX).to_string().ends_with("GMT"));
        assert!(imf_fixdate(i64::MIN).to_string().ends_with("GMT"));
    }
}
