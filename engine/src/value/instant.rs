//! RFC 3339 text -> µs since the epoch. The offset is required, a leap second is none, and fractions have at most six
//! digits: the shape that policies may write too.

/// `2026-12-31T00:00:00Z`, `2026-12-31T00:00:00.5+01:00`.
pub(crate) fn parse(text: &[u8]) -> Option<i64> {
    let (head, tail) = text.split_at_checked(19)?;
    let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if marks.iter().any(|(at, mark)| head.get(*at) != Some(mark)) {
        return None;
    }
    let field = |from: usize, to: usize| number(head.get(from..to)?);
    let (year, month, day) = (field(0, 4)?, field(5, 7)?, field(8, 10)?);
    let (hour, minute, second) = (field(11, 13)?, field(14, 16)?, field(17, 19)?);
    if day < 1 || day > days_in_month(year, month)? || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let (fraction_us, zone) = fraction(tail)?;
    let seconds =
        days_since_epoch(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second - offset(zone)?;
    Some(seconds * 1_000_000 + fraction_us)
}

/// Up to six digits, so that nothing overflows.
fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |n, digit| {
        digit.is_ascii_digit().then(|| n * 10 + i64::from(digit - b'0'))
    })
}

/// Fraction in µs, and the zone after it.
fn fraction(tail: &[u8]) -> Option<(i64, &[u8])> {
    let Some(rest) = tail.strip_prefix(b".") else {
        return Some((0, tail));
    };
    let end = rest.iter().position(|b| !b.is_ascii_digit())?;
    if !(1..=6).contains(&end) {
        return None;
    }
    let (digits, zone) = rest.split_at_checked(end)?;
    let scale = (end..6).fold(1, |scale, _| scale * 10);
    Some((number(digits)? * scale, zone))
}

/// Seconds east of UTC.
fn offset(zone: &[u8]) -> Option<i64> {
    let (sign, rest) = match zone {
        b"Z" => return Some(0),
        [b'+', rest @ ..] => (1, rest),
        [b'-', rest @ ..] => (-1, rest),
        _ => return None,
    };
    let [h1, h2, b':', m1, m2] = rest else { return None };
    let (hours, minutes) = (number(&[*h1, *h2])?, number(&[*m1, *m2])?);
    (hours <= 23 && minutes <= 59).then_some(sign * (hours * 3_600 + minutes * 60))
}

fn days_in_month(year: i64, month: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => Some(31),
        4 | 6 | 9 | 11 => Some(30),
        2 => Some(28 + i64::from(leap)),
        _ => None,
    }
}

/// Proleptic Gregorian calendar; the year is counted from March, so that the leap day ends it.
fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_need_an_offset_and_a_real_day() {
        for (text, want) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("1969-12-31T23:59:59.999999Z", Some(-1)),
            ("2000-02-29T12:00:00.5+01:00", Some(951_822_000_500_000)),
            ("2026-11-23T12:00:00-00:30", Some(1_795_437_000_000_000)),
            ("0000-01-01T00:00:00Z", Some(-62_167_219_200_000_000)),
            ("2026-11-23T12:00:00", None),
            ("2026-02-29T00:00:00Z", None),
            ("2026-11-23t12:00:00Z", None),
            ("2026-11-23T12:00:60Z", None),
            ("2026-11-23T12:00:00.Z", None),
            ("2026-11-23T12:00:00.1234567Z", None),
            ("2026-11-23T12:00:00+0100", None),
            ("2026-11-23T12:00:00+24:00", None),
        ] {
            assert_eq!(parse(text.as_bytes()), want, "{text}");
        }
    }
}
