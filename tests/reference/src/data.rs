//! Side files -> lists and tables. One bad line rejects the whole file, which then counts as never loaded.
//! Knows nothing of requests.

use std::collections::{BTreeMap, BTreeSet};

use portcullis_lang::model::{ListId, Policy, TableId, Type};

use crate::facts::Datum;
use crate::json::{self, Json};

/// A list's values.
type Values = BTreeSet<Datum>;
/// A table's cells by row and column.
type Rows = BTreeMap<String, BTreeMap<String, Datum>>;

/// What is loaded, by the index of the declaration.
pub(crate) struct Data {
    lists: Vec<Option<Values>>,
    tables: Vec<Option<Rows>>,
}

impl Data {
    pub(crate) fn load(policy: &Policy, files: &BTreeMap<String, Vec<u8>>) -> Data {
        Data {
            lists: policy
                .lists
                .iter()
                .map(|l| files.get(&l.file).and_then(|f| list(f, l.ty)))
                .collect(),
            tables: policy
                .tables
                .iter()
                .map(|t| files.get(&t.file).and_then(|f| table(f, &t.columns)))
                .collect(),
        }
    }

    /// `None` where the list was never loaded.
    pub(crate) fn list(&self, id: ListId) -> Option<&Values> {
        self.lists.get(id.index())?.as_ref()
    }

    /// `None` where the table was never loaded.
    pub(crate) fn table(&self, id: TableId) -> Option<&Rows> {
        self.tables.get(id.index())?.as_ref()
    }
}

fn list(file: &[u8], ty: Type) -> Option<Values> {
    let text = std::str::from_utf8(file).ok()?;
    text.lines()
        .map(|line| line.trim_matches([' ', '\t', '\r']))
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| Datum::from_text(line.as_bytes(), ty))
        .collect()
}

fn table(file: &[u8], columns: &[(String, Type)]) -> Option<Rows> {
    let document = json::parse(file).ok()?;
    if document.has_duplicates() {
        return None;
    }
    let Json::Object(rows) = document else { return None };
    let mut out = Rows::new();
    for (name, row) in rows {
        let Json::Object(cells) = row else { return None };
        let mut known = BTreeMap::new();
        for (column, cell) in cells {
            if let Some((_, ty)) = columns.iter().find(|(name, _)| *name == column) {
                known.insert(column, Datum::from_json(&cell, *ty)?);
            }
        }
        out.insert(name, known);
    }
    Some(out)
}
