//! JSON numbers in their exact order, whatever their exponents.

use std::cmp::Ordering;

/// How a number compares with another one; both as JSON writes them.
pub(super) fn compare(a: &str, b: &str) -> Ordering {
    let (a, b) = (Decimal::read(a), Decimal::read(b));
    match (a.sign(), b.sign()) {
        (1, 1) => a.size(&b),
        (-1, -1) => b.size(&a),
        (a, b) => a.cmp(&b),
    }
}

/// 0.DIGITS times ten to the power; no zero at either end of the digits.
struct Decimal {
    is_negative: bool,
    digits: String,
    power: i128,
}

impl Decimal {
    fn read(text: &str) -> Decimal {
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = format!("{}{fraction}", whole.trim_start_matches('-'));
        let leading = all.len() - all.trim_start_matches('0').len();
        let power = (all.len() - fraction.len()) as i128 - leading as i128;
        Decimal {
            is_negative: text.starts_with('-'),
            digits: all.trim_matches('0').to_string(),
            power: power.saturating_add(read_exponent(exponent)),
        }
    }

    fn sign(&self) -> i8 {
        match (self.digits.is_empty(), self.is_negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        }
    }

    /// Without the sign; neither is 0.
    fn size(&self, other: &Decimal) -> Ordering {
        // Digits without a zero at the end compare as texts do: what is longer is more.
        self.power
            .cmp(&other.power)
            .then_with(|| self.digits.cmp(&other.digits))
    }
}

/// An exponent of more digits than can be counted is beyond every other.
fn read_exponent(text: &str) -> i128 {
    let beyond = i128::MAX / 2;
    match text.strip_prefix('-') {
        Some(rest) => -rest.parse::<i128>().unwrap_or(beyond),
        None => text.trim_start_matches('+').parse().unwrap_or(beyond),
    }
}

#[test]
fn numbers_compare_exactly() {
    let rising = [
        "-1e400",
        "-10",
        "-1.5",
        "-1e-400",
        "0",
        "1e-400",
        "0.1",
        "0.10000000000000000001",
        "1",
        "9",
        "10",
        "1e400",
    ];
    for (i, a) in rising.iter().enumerate() {
        for (j, b) in rising.iter().enumerate() {
            assert_eq!(compare(a, b), i.cmp(&j), "{a} {b}");
        }
    }
    for (a, b) in [
        ("1.0", "1"),
        ("-0", "0"),
        ("1E+2", "100"),
        ("0.01e2", "1"),
        ("0e99", "-0.0"),
    ] {
        assert_eq!(compare(a, b), Ordering::Equal, "{a} {b}");
    }
}
