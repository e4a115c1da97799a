//! Table file, a JSON object of row objects -> sorted rows of typed cells. A cell of another type, or anything given
//! twice, rejects the file; members that the policy does not declare are not read.

use super::{Canonical, Problem};
use crate::front::Value;
use crate::front::json::{Item, Json, Member};
use crate::image::config::Type;
use crate::limits;
use std::borrow::Cow;

/// Rows sorted by key; cells by column.
#[derive(Clone, Debug)]
pub(super) struct Table {
    rows: Vec<(Box<[u8]>, Cells)>,
}

/// By column; `None` where the row has none.
type Cells = Box<[Option<Value<'static>>]>;

impl Table {
    pub(super) fn cell(&self, key: &[u8], column: u32) -> Option<Value<'_>> {
        let at = self
            .rows
            .binary_search_by(|(row, _)| row.as_ref().cmp(key))
            .ok()?;
        match self.rows.get(at)?.1.get(column as usize)?.as_ref()? {
            Value::Bytes(text) => Some(Value::Bytes(Cow::Borrowed(text))),
            scalar => Some(scalar.clone()),
        }
    }

    pub(super) fn digest(&self, hash: &mut Canonical, columns: &[(String, Type)]) {
        hash.count(columns.len());
        columns.iter().for_each(|(name, _)| hash.text(name.as_bytes()));
        hash.count(self.rows.len());
        for (key, cells) in &self.rows {
            hash.text(key);
            for cell in cells {
                match cell {
                    None => hash.count(0),
                    Some(value) => {
                        hash.count(1);
                        hash.text(&crate::front::facts::text(value).unwrap_or_default());
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
    let json = Json::parse(bytes, limits::TABLE_BYTES)?;
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
            .map(|(name, ty)| cell(&key, row, name, *ty))
            .collect::<Result<_, _>>()?;
        rows.push((Box::from(key.as_ref()), cells));
    }
    rows.sort_by(|(a, _): &(Box<[u8]>, Cells), (b, _)| a.cmp(b));
    Ok(Table { rows })
}

fn cell(key: &[u8], row: Item<'_, '_>, name: &str, ty: Type) -> Result<Option<Value<'static>>, Problem> {
    let item = match row.member(name.as_bytes()) {
        Member::Absent => return Ok(None),
        Member::Twice => return Err(Problem::Twice),
        Member::Once(item) => item,
    };
    let (value, wanted) = match ty {
        Type::Bool => (item.bool().map(Value::Bool), "a bool"),
        Type::Int => (item.int().map(Value::Int), "an integer"),
        Type::String => (
            item.string()
                .map(|text| Value::Bytes(Cow::Owned(text.into_owned()))),
            "a string",
        ),
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
