//! Decimal texts of JSON, with exponents -> their order, exact at any length.

use std::cmp::Ordering;

/// A decimal text, taken apart: digits without zeros at either end, and the power of ten of the first one.
struct Decimal<'t> {
    is_negative: bool,
    whole: &'t [u8],
    fraction: &'t [u8],
    /// Of the first digit that is not zero; `None` for zero.
    power: Option<i128>,
}

impl<'t> Decimal<'t> {
    /// Of a number of JSON.
    fn read(text: &'t [u8]) -> Decimal<'t> {
        let (is_negative, text) = match text.strip_prefix(b"-") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let at = text.iter().position(|byte| matches!(byte, b'e' | b'E'));
        let (digits, exponent) = match at {
            Some(at) => text.split_at_checked(at).unwrap_or((text, b"")),
            None => (text, &b""[..]),
        };
        let point = digits
            .iter()
            .position(|byte| *byte == b'.')
            .unwrap_or(digits.len());
        let (whole, fraction) = digits.split_at_checked(point).unwrap_or((digits, b""));
        let fraction = fraction.strip_prefix(b".").unwrap_or(fraction);
        let zeros = whole
            .iter()
            .chain(fraction)
            .take_while(|byte| **byte == b'0')
            .count();
        let is_zero = zeros == whole.len() + fraction.len();
        let power = whole.len() as i128 - 1 - zeros as i128 + exponent_of(exponent);
        Decimal {
            is_negative: is_negative && !is_zero,
            whole,
            fraction,
            power: (!is_zero).then_some(power),
        }
    }

    /// Digits from the first that is not zero on; behind the last one zeros without end.
    fn digits(&self) -> impl Iterator<Item = u8> {
        let digits = self.whole.iter().chain(self.fraction).copied();
        digits.skip_while(|byte| *byte == b'0')
    }

    fn magnitude(&self, other: &Decimal<'_>) -> Ordering {
        let powers = self.power.cmp(&other.power);
        if powers.is_ne() || self.power.is_none() {
            return powers;
        }
        let (mut a, mut b) = (self.digits(), other.digits());
        loop {
            let (x, y) = (a.next(), b.next());
            if x.is_none() && y.is_none() {
                return Ordering::Equal;
            }
            let order = x.unwrap_or(b'0').cmp(&y.unwrap_or(b'0'));
            if order.is_ne() {
                return order;
            }
        }
    }
}

/// The number behind an `e`; one of more than 30 digits is as far away as any.
fn exponent_of(text: &[u8]) -> i128 {
    let text = text.get(1..).unwrap_or_default();
    let (is_negative, digits) = match text.split_first() {
        Some((b'-', rest)) => (true, rest),
        Some((b'+', rest)) => (false, rest),
        _ => (false, text),
    };
    let value = digits.iter().fold(0i128, |value, digit| {
        let next = value * 10 + i128::from(digit.saturating_sub(b'0'));
        next.min(1 << 100)
    });
    if is_negative { -value } else { value }
}

/// The order of two numbers of JSON.
pub(super) fn compare(a: &[u8], b: &[u8]) -> Ordering {
    let (a, b) = (Decimal::read(a), Decimal::read(b));
    match (a.is_negative, b.is_negative) {
        (false, false) => a.magnitude(&b),
        (true, true) => b.magnitude(&a),
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
    }
}

#[cfg(test)]
#[test]
fn numbers_are_compared_exactly() {
    let sorted = [
        "-1E400",
        "-10.01",
        "-10",
        "-1",
        "-0.1",
        "-1e-400",
        "0",
        "1e-99999999999999999999999999999999999",
        "0.1e-400",
        "0.1",
        "0.10000000000000000000000000001",
        "1",
        "1.5",
        "9.99",
        "10",
        "1.2e2",
        "123456789012345678901234567890",
        "123456789012345678901234567891",
        "1E400",
    ];
    for (i, a) in sorted.iter().enumerate() {
        for (j, b) in sorted.iter().enumerate() {
            assert_eq!(compare(a.as_bytes(), b.as_bytes()), i.cmp(&j), "{a} {b}");
        }
    }
    for (a, b) in [
        ("0", "-0"),
        ("0", "0e5"),
        ("100", "1e2"),
        ("1.50", "15e-1"),
        ("0.010", "1E-2"),
    ] {
        assert_eq!(compare(a.as_bytes(), b.as_bytes()), Ordering::Equal, "{a} {b}");
    }
}
