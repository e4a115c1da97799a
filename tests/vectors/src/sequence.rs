//! The moments of a vector that sends its request more than once.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::verdict::Expect;

/// One more time that the request is sent.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Moment {
    /// When, from the beginning of the sequence; no earlier than the one before.
    pub at: Offset,
    /// Another socket's address than the request's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_ip: Option<String>,
    /// Any subset of the verdict.
    pub expect: Expect,
}

/// A time, µs: `0s`, `1500ms`, `250us`, `1m`, `2h`, `30d`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Offset(pub u64);

/// Units, each in µs.
const UNITS: [(&str, u64); 6] = [
    ("us", 1),
    ("ms", 1_000),
    ("s", 1_000_000),
    ("m", 60_000_000),
    ("h", 3_600_000_000),
    ("d", 86_400_000_000),
];

impl Offset {
    fn parse(text: &str) -> Option<Offset> {
        let end = text.find(|c: char| !c.is_ascii_digit())?;
        let (number, unit) = text.split_at(end);
        let (_, us) = UNITS.into_iter().find(|(name, _)| *name == unit)?;
        number.parse::<u64>().ok()?.checked_mul(us).map(Offset)
    }
}

impl<'de> Deserialize<'de> for Offset {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Offset, D::Error> {
        let text = String::deserialize(d)?;
        Offset::parse(&text).ok_or_else(|| {
            serde::de::Error::custom(format!(
                "`{text}` is no time: write a number and us, ms, s, m, h or d"
            ))
        })
    }
}

impl Serialize for Offset {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&format!("{}us", self.0))
    }
}

/// Whether the moments come one after another.
pub(crate) fn check(moments: &[Moment]) -> Result<(), String> {
    if moments.iter().map(|moment| moment.at).is_sorted() {
        Ok(())
    } else {
        Err("`sequence`: each `at` is no earlier than the one before".to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_numbers_with_units() {
        for (text, us) in [
            ("0s", Some(0)),
            ("1500ms", Some(1_500_000)),
            ("7us", Some(7)),
            ("2m", Some(120_000_000)),
            ("1h", Some(3_600_000_000)),
            ("30d", Some(2_592_000_000_000)),
            ("1", None),
            ("s", None),
            ("-1s", None),
            ("1.5s", None),
            ("1w", None),
            ("99999999999999999999s", None),
            ("999999999999999d", None),
        ] {
            assert_eq!(Offset::parse(text), us.map(Offset), "{text}");
        }
    }

    #[test]
    fn moments_are_in_order() {
        let moment = |at| Moment {
            at: Offset(at),
            client_ip: None,
            expect: Expect::default(),
        };
        assert!(check(&[moment(0), moment(5), moment(5)]).is_ok());
        assert!(check(&[moment(5), moment(4)]).is_err());
    }
}
