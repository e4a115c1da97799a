//! Table file, a JSON object of row objects -> rows of typed cells. A cell of another type, or anything given twice,
//! rejects the file; members that the policy does not declare are not read.

use super::buckets::Buckets;
use super::list::seed;
use super::{Canonical, Problem};
use crate::image::config::Type;
use crate::limits;
use crate::value::json::{Item, Json, Member};
use crate::value::{Arena, Value};

/// Rows, each found by one look-up: twelve bytes for each beside its key, sixteen for each cell beside its text.
#[derive(Clone, Debug)]
pub(super) struct Table {
    buckets: Buckets,
    /// Keys by bucket.
    keys: Box<[Slice]>,
    /// Of the row of the first key, then of the next, each by column.
    cells: Box<[Cell]>,
    columns: usize,
    /// Keys and texts.
    pool: Box<[u8]>,
    digest: [u8; 32],
}

/// A part of the pool.
#[derive(Clone, Copy, Debug)]
struct Slice {
    start: u32,
    length: u32,
}

#[derive(Clone, Copy, Debug)]
enum Cell {
    /// The row has none.
    Absent,
    Bool(bool),
    Int(i64),
    Text(Slice),
}

/// A row as it is read.
struct Row<'j> {
    key: &'j [u8],
    cells: Vec<Option<Read<'j>>>,
}

/// A cell as it is read.
enum Read<'j> {
    Bool(bool),
    Int(i64),
    Text(&'j [u8]),
}

impl Table {
    pub(super) fn cell(&self, key: &[u8], column: u32) -> Option<Value<'_>> {
        let column = usize::try_from(column).ok().filter(|at| *at < self.columns)?;
        let bucket = self.buckets.find(&key);
        let within = self.keys.get(bucket.clone())?;
        let row = bucket.start + within.iter().position(|slice| self.text(*slice) == key)?;
        match *self.cells.get(row * self.columns + column)? {
            Cell::Absent => None,
            Cell::Bool(value) => Some(Value::Bool(value)),
            Cell::Int(value) => Some(Value::Int(value)),
            Cell::Text(slice) => Some(Value::Bytes(self.text(slice))),
        }
    }

    /// SHA-256 of the declared columns and the sorted rows.
    pub(super) fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// Bytes of memory.
    pub(super) fn bytes(&self) -> usize {
        self.buckets.bytes() + size_of_val(&*self.keys) + size_of_val(&*self.cells) + self.pool.len()
    }

    fn text(&self, slice: Slice) -> &[u8] {
        let start = slice.start as usize;
        self.pool
            .get(start..start + slice.length as usize)
            .unwrap_or_default()
    }

    /// `rows` are sorted by key.
    fn new(rows: &[Row<'_>], columns: &[(String, Type)]) -> Table {
        let digest = digest(rows, columns);
        let wanted: Vec<&[u8]> = rows.iter().map(|row| row.key).collect();
        let (mut pool, mut keys, mut cells) = (Vec::new(), Vec::with_capacity(rows.len()), Vec::new());
        let buckets = Buckets::build(&wanted, seed(&digest), |at, key| {
            keys.push(keep(&mut pool, key));
            for cell in rows.get(at).map_or(&[][..], |row| row.cells.as_slice()) {
                cells.push(match cell {
                    None => Cell::Absent,
                    Some(Read::Bool(value)) => Cell::Bool(*value),
                    Some(Read::Int(value)) => Cell::Int(*value),
                    Some(Read::Text(text)) => Cell::Text(keep(&mut pool, text)),
                });
            }
            keys.len() as u32
        });
        Table {
            buckets,
            keys: keys.into_boxed_slice(),
            cells: cells.into_boxed_slice(),
            columns: columns.len(),
            pool: pool.into_boxed_slice(),
            digest,
        }
    }
}

// Decoding JSON makes no text longer, and the file's bound fits the pool's positions.
const _: () = assert!(limits::TABLE_BYTES < u32::MAX as usize);

fn keep(pool: &mut Vec<u8>, text: &[u8]) -> Slice {
    let start = pool.len() as u32;
    pool.extend_from_slice(text);
    Slice {
        start,
        length: text.len() as u32,
    }
}

fn digest(rows: &[Row<'_>], columns: &[(String, Type)]) -> [u8; 32] {
    let mut hash = Canonical::default();
    hash.count(columns.len());
    columns.iter().for_each(|(name, _)| hash.text(name.as_bytes()));
    hash.count(rows.len());
    for row in rows {
        hash.text(row.key);
        for cell in &row.cells {
            match cell {
                None => hash.count(0),
                Some(Read::Bool(value)) => hash.count(1 + usize::from(*value)),
                Some(Read::Int(value)) => {
                    hash.count(3);
                    hash.text(&value.to_le_bytes());
                }
                Some(Read::Text(text)) => {
                    hash.count(4);
                    hash.text(text);
                }
            }
        }
    }
    hash.finish()
}

/// Reads a file.
pub(super) fn read(bytes: &[u8], columns: &[(String, Type)]) -> Result<Table, Problem> {
    if bytes.len() > limits::TABLE_BYTES {
        return Err(Problem::too_large(limits::TABLE_BYTES, "bytes"));
    }
    let arena = Arena::new();
    let json = Json::parse(bytes, limits::TABLE_BYTES, &arena)?;
    let object = json.object().ok_or(Problem::NotRows)?;
    if json.has_duplicate_members() {
        return Err(Problem::Twice);
    }
    let mut rows = Vec::new();
    for (key, row) in object.members() {
        if !row.is_object() {
            return Err(Problem::NotRows);
        }
        let cells = columns
            .iter()
            .map(|(name, ty)| cell(key, row, name, *ty))
            .collect::<Result<_, _>>()?;
        rows.push(Row { key, cells });
    }
    crate::value::order::sort_by(&mut rows, |a, b| a.key.cmp(b.key));
    Ok(Table::new(&rows, columns))
}

fn cell<'j>(key: &[u8], row: Item<'_, 'j>, name: &str, ty: Type) -> Result<Option<Read<'j>>, Problem> {
    let item = match row.member(name.as_bytes()) {
        Member::Absent => return Ok(None),
        Member::Twice => return Err(Problem::Twice),
        Member::Once(item) => item,
    };
    let (value, wanted) = match ty {
        Type::Bool => (item.bool().map(Read::Bool), "a bool"),
        Type::Int => (item.int().map(Read::Int), "an integer"),
        Type::String => (item.string().map(Read::Text), "a string"),
        Type::Ip | Type::Set | Type::Instant => (None, "a string, an integer or a bool"),
    };
    match value {
        Some(value) => Ok(Some(value)),
        None => Err(Problem::Cell {
            row: String::from_utf8_lossy(key).into_owned(),
            column: name.to_string(),
            wanted,
        }),
    }
}
