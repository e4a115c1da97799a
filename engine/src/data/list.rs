//! List file -> a set of values of one type, or the networks of an address. One bad line rejects the file.

use super::buckets::{Buckets, Key};
use super::{Canonical, Problem};
use crate::image::config::Type;
use crate::limits;
use crate::value::{Value, address};
use portcullis_base::list::{self, ListFault};

/// A set of values, each found by one look-up.
#[derive(Clone, Debug)]
pub(super) struct List {
    values: Values,
    digest: [u8; 32],
}

#[derive(Clone, Debug)]
enum Values {
    Text(Texts),
    Int(Numbers<i64>),
    /// IPv4 as IPv4-mapped.
    Ip(Numbers<u128>),
    /// Inclusive ranges of addresses, sorted, none touching the next.
    Networks(Box<[(u128, u128)]>),
}

/// Many short texts in one allocation: six bytes for each beside its own.
#[derive(Clone, Debug)]
struct Texts {
    buckets: Buckets,
    /// By bucket, each after its length.
    pool: Box<[u8]>,
}

/// Four bytes for each number beside its own.
#[derive(Clone, Debug)]
struct Numbers<T> {
    buckets: Buckets,
    /// By bucket.
    values: Box<[T]>,
}

// Lengths are stored in 16 bits, positions in 32.
const _: () = assert!(limits::LIST_LINE_BYTES <= u16::MAX as usize);
const _: () = assert!(limits::LIST_BYTES + 2 * limits::LIST_LINES < u32::MAX as usize);

impl Texts {
    fn new(texts: &[&[u8]], seed: u64) -> Texts {
        let bytes = texts.iter().map(|text| 2 + text.len()).sum();
        let mut pool = Vec::with_capacity(bytes);
        let buckets = Buckets::build(texts, seed, |_, text| {
            pool.extend_from_slice(&(text.len() as u16).to_le_bytes());
            pool.extend_from_slice(text);
            pool.len() as u32
        });
        Texts {
            buckets,
            pool: pool.into_boxed_slice(),
        }
    }

    fn contains(&self, wanted: &[u8]) -> bool {
        // Nothing longer is in a list, and hashing it would cost what an attacker likes.
        if wanted.len() > limits::LIST_LINE_BYTES {
            return false;
        }
        let mut rest = self.pool.get(self.buckets.find(&wanted)).unwrap_or_default();
        while let Some((length, after)) = rest.split_first_chunk() {
            let length = usize::from(u16::from_le_bytes(*length));
            let Some((text, after)) = after.split_at_checked(length) else {
                return false;
            };
            if text == wanted {
                return true;
            }
            rest = after;
        }
        false
    }
}

impl<T: Key + Copy + PartialEq> Numbers<T> {
    fn new(numbers: &[T], seed: u64) -> Numbers<T> {
        let mut values = Vec::with_capacity(numbers.len());
        let buckets = Buckets::build(numbers, seed, |_, number| {
            values.push(*number);
            values.len() as u32
        });
        Numbers {
            buckets,
            values: values.into_boxed_slice(),
        }
    }

    fn contains(&self, wanted: T) -> bool {
        let bucket = self.values.get(self.buckets.find(&wanted));
        bucket.is_some_and(|bucket| bucket.contains(&wanted))
    }
}

impl List {
    /// `None` for a value of another type.
    pub(super) fn contains(&self, value: &Value<'_>) -> Option<bool> {
        match (&self.values, value) {
            (Values::Text(texts), Value::Bytes(wanted)) => Some(texts.contains(wanted)),
            (Values::Int(numbers), Value::Int(wanted)) => Some(numbers.contains(*wanted)),
            (Values::Ip(numbers), Value::Ip(wanted)) => {
                Some(numbers.contains(address::number(address::unmapped(*wanted))))
            }
            (Values::Networks(ranges), Value::Ip(wanted)) => {
                Some(address::in_ranges(ranges, address::unmapped(*wanted)))
            }
            _ => None,
        }
    }

    /// SHA-256 of the sorted values.
    pub(super) fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// Bytes of memory.
    pub(super) fn bytes(&self) -> usize {
        match &self.values {
            Values::Text(texts) => texts.buckets.bytes() + texts.pool.len(),
            Values::Int(numbers) => numbers.buckets.bytes() + size_of_val(&*numbers.values),
            Values::Ip(numbers) => numbers.buckets.bytes() + size_of_val(&*numbers.values),
            Values::Networks(ranges) => size_of_val(&**ranges),
        }
    }
}

/// Reads a file, of networks or of values of a type; an error names its line, from 1.
pub(super) fn read(bytes: &[u8], ty: Type, is_networks: bool) -> Result<List, (Option<usize>, Problem)> {
    let (values, digest) = match ty {
        Type::Int => {
            let numbers = values(bytes, "an integer", list::int)?;
            let digest = digest(b"int", &numbers, |hash, n| hash.text(&n.to_le_bytes()));
            (Values::Int(Numbers::new(&numbers, seed(&digest))), digest)
        }
        Type::Ip if is_networks => networks(bytes)?,
        Type::Ip => {
            let numbers = values(bytes, "an address", |line| {
                list::address(line).map(address::number)
            })?;
            let digest = digest(b"ip", &numbers, |hash, n| hash.text(&n.to_le_bytes()));
            (Values::Ip(Numbers::new(&numbers, seed(&digest))), digest)
        }
        Type::String => {
            let texts = values(bytes, "text", |line| list::text(line).map(str::as_bytes))?;
            let digest = digest(b"string", &texts, |hash, text| hash.text(text));
            (Values::Text(Texts::new(&texts, seed(&digest))), digest)
        }
        Type::Bool | Type::Set | Type::Instant => {
            return Err((None, Problem::NotOfType("a string, an integer or an address")));
        }
    };
    Ok(List { values, digest })
}

/// Networks as ranges; those that overlap or touch are one.
fn networks(bytes: &[u8]) -> Result<(Values, [u8; 32]), (Option<usize>, Problem)> {
    let mut ranges = Vec::new();
    each(bytes, "a network", &mut |line| {
        let network = list::network(line);
        ranges.extend(
            network
                .into_iter()
                .flat_map(|(start, length)| address::ranges(start, length)),
        );
        network.is_some()
    })?;
    crate::value::order::sort(&mut ranges);
    ranges.dedup_by(|next, last| {
        let touches = next.0 <= last.1.saturating_add(1);
        if touches {
            last.1 = last.1.max(next.1);
        }
        touches
    });
    let digest = digest(b"network", &ranges, |hash, (first, last)| {
        hash.text(&first.to_le_bytes());
        hash.text(&last.to_le_bytes());
    });
    Ok((Values::Networks(ranges.into_boxed_slice()), digest))
}

fn digest<T>(ty: &[u8], values: &[T], each: impl Fn(&mut Canonical, &T)) -> [u8; 32] {
    let mut hash = Canonical::default();
    hash.text(ty);
    hash.count(values.len());
    values.iter().for_each(|value| each(&mut hash, value));
    hash.finish()
}

/// A hash seed that no value alone decides.
pub(super) fn seed(digest: &[u8; 32]) -> u64 {
    digest.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

/// All values, sorted, each once.
fn values<'b, T: Ord>(
    bytes: &'b [u8],
    wanted: &'static str,
    read: impl Fn(&'b [u8]) -> Option<T>,
) -> Result<Vec<T>, (Option<usize>, Problem)> {
    let mut values = Vec::new();
    each(bytes, wanted, &mut |line| {
        read(line).map(|value| values.push(value)).is_some()
    })?;
    crate::value::order::sort(&mut values);
    values.dedup();
    Ok(values)
}

/// Calls `add` for each line with something on it, which says whether that is a value.
fn each<'b>(
    bytes: &'b [u8],
    wanted: &'static str,
    add: &mut dyn FnMut(&'b [u8]) -> bool,
) -> Result<(), (Option<usize>, Problem)> {
    list::read(bytes, add).map_err(|(line, fault)| {
        let problem = match fault {
            ListFault::Bytes => Problem::too_large(limits::LIST_BYTES, "bytes"),
            ListFault::Lines => Problem::too_large(limits::LIST_LINES, "lines"),
            ListFault::LineBytes => Problem::too_large(limits::LIST_LINE_BYTES, "bytes in a line"),
            ListFault::Value => Problem::NotOfType(wanted),
        };
        (line, problem)
    })
}
