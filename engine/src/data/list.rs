//! List file -> sorted values of one type. One value a line; blank lines and `#` comments are skipped; one bad line
//! rejects the file.

use super::{Canonical, Problem};
use crate::front::{Value, address, text};
use crate::image::config::Type;
use crate::limits;

/// Sorted values.
#[derive(Clone, Debug)]
pub(super) enum List {
    Text(Texts),
    Int(Vec<i64>),
    /// IPv4 as IPv4-mapped.
    Ip(Vec<u128>),
}

/// Many short texts in one allocation.
#[derive(Clone, Debug, Default)]
pub(super) struct Texts {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Texts {
    fn get(&self, index: usize) -> &[u8] {
        let start = index
            .checked_sub(1)
            .and_then(|before| self.ends.get(before))
            .copied()
            .unwrap_or(0);
        self.ends
            .get(index)
            .and_then(|end| self.bytes.get(start..*end))
            .unwrap_or_default()
    }

    fn contains(&self, wanted: &[u8]) -> bool {
        let (mut low, mut high) = (0, self.ends.len());
        while low < high {
            let middle = low + (high - low) / 2;
            match self.get(middle).cmp(wanted) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Equal => return true,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        false
    }
}

impl List {
    /// `None` for a value of another type.
    pub(super) fn contains(&self, value: &Value<'_>) -> Option<bool> {
        match (self, value) {
            (List::Text(texts), Value::Bytes(wanted)) => Some(texts.contains(wanted)),
            (List::Int(numbers), Value::Int(wanted)) => Some(numbers.binary_search(wanted).is_ok()),
            (List::Ip(numbers), Value::Ip(wanted)) => Some(
                numbers
                    .binary_search(&address::number(address::unmapped(*wanted)))
                    .is_ok(),
            ),
            _ => None,
        }
    }

    pub(super) fn digest(&self, hash: &mut Canonical) {
        match self {
            List::Text(texts) => {
                hash.count(texts.ends.len());
                (0..texts.ends.len()).for_each(|index| hash.text(texts.get(index)));
            }
            List::Int(numbers) => {
                hash.count(numbers.len());
                numbers.iter().for_each(|number| hash.text(&number.to_le_bytes()));
            }
            List::Ip(numbers) => {
                hash.count(numbers.len());
                numbers.iter().for_each(|number| hash.text(&number.to_le_bytes()));
            }
        }
    }
}

/// Reads a file; an error names its line, from 1.
pub(super) fn read(bytes: &[u8], ty: Type) -> Result<List, (Option<usize>, Problem)> {
    match ty {
        Type::Int => Ok(List::Int(values(bytes, "an integer", text::int)?)),
        Type::Ip => Ok(List::Ip(values(bytes, "an address", |line| {
            address::parse(line).map(address::number)
        })?)),
        Type::String => {
            let lines = values(bytes, "UTF-8 text", |line| {
                std::str::from_utf8(line).is_ok().then_some(line)
            })?;
            let mut texts = Texts::default();
            for line in lines {
                texts.bytes.extend_from_slice(line);
                texts.ends.push(texts.bytes.len());
            }
            Ok(List::Text(texts))
        }
        Type::Bool | Type::Set | Type::Instant => {
            Err((None, Problem::NotOfType("a string, an integer or an address")))
        }
    }
}

/// All values, sorted, each once.
fn values<'b, T: Ord>(
    bytes: &'b [u8],
    wanted: &'static str,
    read: impl Fn(&'b [u8]) -> Option<T>,
) -> Result<Vec<T>, (Option<usize>, Problem)> {
    let mut values = Vec::new();
    for (number, line) in (1..).zip(bytes.split(|b| *b == b'\n')) {
        if number > limits::LIST_LINES + 1 || number > limits::LIST_LINES && !line.is_empty() {
            return Err((
                Some(number),
                Problem::TooLarge {
                    max: limits::LIST_LINES,
                    unit: "lines",
                },
            ));
        }
        if line.len() > limits::LIST_LINE_BYTES {
            return Err((
                Some(number),
                Problem::TooLarge {
                    max: limits::LIST_LINE_BYTES,
                    unit: "bytes in a line",
                },
            ));
        }
        let line = line.trim_ascii();
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        values.push(read(line).ok_or((Some(number), Problem::NotOfType(wanted)))?);
    }
    values.sort_unstable();
    values.dedup();
    Ok(values)
}
