//! Files beside the policy -> [`Data`]: sorted lists and tables, looked up by binary search. A file is taken whole or
//! not at all, and what was never loaded is unknown. Knows no rules; reads no disk.

mod list;
mod table;

#[cfg(test)]
mod tests;

use crate::front::Value;
use crate::image::config::Config;
use list::List;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use table::Table;
use thiserror::Error;

/// A file that was not taken.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{file}{}: {problem}", line.map(|n| format!(":{n}")).unwrap_or_default())]
pub struct DataError {
    /// As the policy names it.
    pub file: String,
    /// Line, from 1, where there is one.
    pub line: Option<usize>,
    /// What is wrong.
    pub problem: Problem,
}

/// What is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Problem {
    /// Not there.
    #[error("the file is missing")]
    Missing,
    /// Past a limit.
    #[error("more than {max} {unit}")]
    TooLarge {
        /// Limit.
        max: usize,
        /// What is counted.
        unit: &'static str,
    },
    /// A list line that is not of the list's type.
    #[error("the line is not {0}")]
    NotOfType(&'static str),
    /// A table that is no JSON.
    #[error("{0}")]
    Json(#[from] crate::front::json::JsonFault),
    /// A table that is no object of objects.
    #[error("not a JSON object of objects")]
    NotRows,
    /// A member twice, at any depth.
    #[error("a row or a member of one is given twice")]
    Twice,
    /// A cell of another type.
    #[error("column `{column}` of row `{row}` is not {wanted}")]
    Cell {
        /// Row.
        row: String,
        /// Column.
        column: String,
        /// Type, in words.
        wanted: &'static str,
    },
}

/// Snapshot of all lists and tables.
#[derive(Clone, Debug, Default)]
pub struct Data {
    lists: Vec<Option<Arc<List>>>,
    tables: Vec<Option<Arc<Table>>>,
    digest: [u8; 32],
}

impl Data {
    /// Nothing is loaded: every look-up is unknown.
    pub fn empty(config: &Config) -> Data {
        Data::of(
            config,
            vec![None; config.lists.len()],
            vec![None; config.tables.len()],
        )
    }

    /// Loads every file that the policy names; what is bad stays unloaded.
    pub fn load(config: &Config, files: &dyn Fn(&str) -> Option<Vec<u8>>) -> (Data, Vec<DataError>) {
        Data::empty(config).reload(config, files)
    }

    /// Loads again; where a file is missing or bad, the last good one stays.
    pub fn reload(&self, config: &Config, files: &dyn Fn(&str) -> Option<Vec<u8>>) -> (Data, Vec<DataError>) {
        let mut errors = Vec::new();
        let (mut lists, mut tables) = (self.lists.clone(), self.tables.clone());
        lists.resize(config.lists.len(), None);
        tables.resize(config.tables.len(), None);
        for (slot, declared) in lists.iter_mut().zip(&config.lists) {
            replace(slot, &declared.file, files, &mut errors, |bytes| {
                list::read(bytes, declared.ty)
            });
        }
        for (slot, declared) in tables.iter_mut().zip(&config.tables) {
            replace(slot, &declared.file, files, &mut errors, |bytes| {
                table::read(bytes, &declared.columns).map_err(|problem| (None, problem))
            });
        }
        (Data::of(config, lists, tables), errors)
    }

    /// Whether a list holds the value; `None` where it was never loaded or holds another type.
    pub fn list_contains(&self, list: u32, value: &Value<'_>) -> Option<bool> {
        self.lists.get(list as usize)?.as_ref()?.contains(value)
    }

    /// `table[key].column`; `None` where row or column are absent, or the table was never loaded.
    pub fn cell(&self, table: u32, key: &[u8], column: u32) -> Option<Value<'_>> {
        self.tables.get(table as usize)?.as_ref()?.cell(key, column)
    }

    /// SHA-256 of what the lists and tables mean, whatever the order and spelling in their files.
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }

    fn of(config: &Config, lists: Vec<Option<Arc<List>>>, tables: Vec<Option<Arc<Table>>>) -> Data {
        let mut hash = Canonical(Sha256::new());
        for (list, declared) in lists.iter().zip(&config.lists) {
            hash.text(b"list");
            hash.text(declared.name.as_bytes());
            hash.count(usize::from(list.is_some()));
            if let Some(list) = list {
                list.digest(&mut hash);
            }
        }
        for (table, declared) in tables.iter().zip(&config.tables) {
            hash.text(b"table");
            hash.text(declared.name.as_bytes());
            hash.count(usize::from(table.is_some()));
            if let Some(table) = table {
                table.digest(&mut hash, &declared.columns);
            }
        }
        Data {
            lists,
            tables,
            digest: hash.0.finalize().into(),
        }
    }
}

/// Puts what a file holds into its slot, or tells why not.
fn replace<T>(
    slot: &mut Option<Arc<T>>,
    file: &str,
    files: &dyn Fn(&str) -> Option<Vec<u8>>,
    errors: &mut Vec<DataError>,
    read: impl FnOnce(&[u8]) -> Result<T, (Option<usize>, Problem)>,
) {
    let read = files(file)
        .ok_or((None, Problem::Missing))
        .and_then(|bytes| read(&bytes));
    match read {
        Ok(loaded) => *slot = Some(Arc::new(loaded)),
        Err((line, problem)) => errors.push(DataError {
            file: file.to_string(),
            line,
            problem,
        }),
    }
}

/// A hash of length-prefixed parts, so that no two contents write the same bytes.
struct Canonical(Sha256);

impl Canonical {
    fn text(&mut self, text: &[u8]) {
        self.count(text.len());
        self.0.update(text);
    }

    fn count(&mut self, count: usize) {
        self.0.update((count as u64).to_le_bytes());
    }
}
