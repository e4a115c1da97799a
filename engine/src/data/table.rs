//! Table file, a JSON object of row objects -> sorted rows of typed cells. A cell of another type, or anything given
//! twice, rejects the file; members that the policy does not declare are not read.

use super::{Canonical, Problem};
use crate::front::json::{Item, Json, Member};
use crate::front::{Arena, Value};
use crate::image::config::Type;
use crate::limits;

/// Rows sorted by key; cells by column.
#[derive(Clone, Debug)]
pub(super) struct Table {
    rows: Vec<(Box<[u8]>, Cells)>,
}

/// By column; `None` where the row has none.
type Cells = Box<[Option<Cell>]>;

/// A value that the table keeps.
#[derive(Clone, Debug)]
enum Cell {
    Bool(bool),
    Int(i64),
    Text(Box<[u8]>),
}

impl Cell {
    fn value(&self) -> Value<'_> {
        match self {
            Cell::Bool(value) => Value::Bool(*value),
            Cell::Int(value) => Value::Int(*value),
            Cell::Text(text) => Value::Bytes(text),
        }
    }
}

impl Table {
    pub(super) fn cell(&self, key: &[u8], column: u32) -> Option<Value<'_>> {
        let at = self
            .rows
            .binary_search_by(|(row, _)| row.as_ref().cmp(key))
            .ok()?;
        self.rows
            .get(at)?
            .1
            .get(column as usize)?
            .as_ref()
            .map(Cell::value)
    }

    pub(super) fn digest(&self, hash: &mut Canonical, columns: &[(String, Type)]) {
        hash.count(columns.len());
        columns.iter().for_each(|(name, _)| hash.text(name.as_bytes()));
        hash.count(self.rows.len());
        let arena = Arena::new();
        for (key, cells) in &self.rows {
            hash.text(key);
            for cell in cells {
                match cell {
                    None => hash.count(0),
                    Some(value) => {
                        hash.count(1);
                        hash.text(crate::front::facts::text(&value.value(), &arena));
                    }
                }
            }
        }
    }
}

/// Reads a file.
pub(super) fn read(bytes: &[u8], columns: &[(String, Type)]) -> Result<Table, Problem> {
    if bytes.len() > limits::TABLE_BYTES {
        return Err(Problem::TooLarge {
            max: limits::TABLE_BYTES,
            unit: "bytes",
        });
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
        rows.push((Box::from(key), cells));
    }
    rows.sort_by(|(a, _): &(Box<[u8]>, Cells), (b, _)| a.cmp(b));
    Ok(Table { rows })
}

fn cell(key: &[u8], row: Item<'_, '_>, name: &str, ty: Type) -> Result<Option<Cell>, Problem> {
    let item = match row.member(name.as_bytes()) {
        Member::Absent => return Ok(None),
        Member::Twice => return Err(Problem::Twice),
        Member::Once(item) => item,
    };
    let (value, wanted) = match ty {
        Type::Bool => (item.bool().map(Cell::Bool), "a bool"),
        Type::Int => (item.int().map(Cell::Int), "an integer"),
        Type::String => (item.string().map(|text| Cell::Text(text.into())), "a string"),
        Type::Ip | Type::Set | Type::Instant => (None, "a string, an integer or a bool"),
    };
    match value {
        Some(value) => Ok(Some(value)),
        None => Err(Problem::Cell {
            row: shown(key),
            column: name.to_string(),
            wanted,
        }),
    }
}

fn shown(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}
