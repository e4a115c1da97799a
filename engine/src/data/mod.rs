//! Files beside the policy -> [`Data`]: lists and tables, each value found by one look-up, and keys. A file is taken whole
//! or not at all, and what was never loaded is unknown or verifies nothing. Knows no rules; reads no disk.

pub(crate) mod apikeys;
mod buckets;
pub(crate) mod keys;
mod list;
mod table;

#[cfg(test)]
mod tests;

use crate::image::config::{Config, ListDecl, TableDecl};
use crate::value::Value;
use keys::Keys;
use list::List;
use portcullis_crypto::Backend;
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
    Json(#[from] crate::value::json::JsonFault),
    /// A table that is no object of objects.
    #[error("not a JSON object of objects")]
    NotRows,
    /// A member twice, at any depth.
    #[error("a row or a member of one is given twice")]
    Twice,
    /// Not a key set.
    #[error("{0}")]
    KeySet(portcullis_base::jwks::JwksFault),
    /// Not a file of API keys.
    #[error("{0}")]
    ApiKeys(portcullis_base::apikeys::ApiKeysFault),
    /// A key that cannot verify anything, counted from 1.
    #[error("key {0}: {1}")]
    Key(usize, portcullis_crypto::KeyFault),
    /// Not a secret.
    #[error("{0}")]
    Secret(portcullis_base::secret::SecretFault),
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

impl Problem {
    fn too_large(max: usize, unit: &'static str) -> Problem {
        Problem::TooLarge { max, unit }
    }
}

/// Snapshot of all lists, tables and keys. Cloning shares them, and so does reloading where nothing changed.
#[derive(Clone, Debug, Default)]
pub struct Data {
    lists: Vec<Slot<ListDecl, List>>,
    tables: Vec<Slot<TableDecl, Table>>,
    keys: Keys,
    digest: [u8; 32],
}

/// What the policy declares, and what was last good.
#[derive(Debug)]
struct Slot<D, T> {
    declared: D,
    held: Option<Arc<T>>,
}

impl<D: Clone, T> Clone for Slot<D, T> {
    fn clone(&self) -> Slot<D, T> {
        Slot {
            declared: self.declared.clone(),
            held: self.held.clone(),
        }
    }
}

impl Data {
    /// Nothing is loaded: every look-up is unknown.
    pub fn empty(config: &Config) -> Data {
        let nothing = Data::default();
        let lists = config.lists.iter().map(|list| nothing.last_list(list)).collect();
        let tables = config
            .tables
            .iter()
            .map(|table| nothing.last_table(table))
            .collect();
        Data::of(lists, tables, Keys::empty(config))
    }

    /// Loads every file that the policy names; what is bad stays unloaded.
    pub fn load(config: &Config, files: &dyn Fn(&str) -> Option<Vec<u8>>) -> (Data, Vec<DataError>) {
        Data::default().reload(config, files)
    }

    /// Loads again, for the same policy or another; where a file is missing or bad, the last good one stays, if it is
    /// that of a list or table declared alike. What the policy does not name any more is let go.
    pub fn reload(&self, config: &Config, files: &dyn Fn(&str) -> Option<Vec<u8>>) -> (Data, Vec<DataError>) {
        self.reload_with(config, files, portcullis_crypto::backend())
    }

    /// The same with another implementation of the signature algorithms than the build's own.
    pub fn reload_with(
        &self,
        config: &Config,
        files: &dyn Fn(&str) -> Option<Vec<u8>>,
        backend: &dyn Backend,
    ) -> (Data, Vec<DataError>) {
        let mut errors = Vec::new();
        let lists = config.lists.iter().map(|declared| {
            let mut slot = self.last_list(declared);
            let read = read(&declared.file, files, |bytes| {
                list::read(bytes, declared.ty, declared.networks)
            });
            slot.take(read, List::digest, &mut errors);
            slot
        });
        let lists = lists.collect();
        let tables = config.tables.iter().map(|declared| {
            let mut slot = self.last_table(declared);
            let read = read(&declared.file, files, |bytes| {
                table::read(bytes, &declared.columns).map_err(|problem| (None, problem))
            });
            slot.take(read, Table::digest, &mut errors);
            slot
        });
        let tables = tables.collect();
        let keys = self.keys.reload(config, files, backend, &mut errors);
        (Data::of(lists, tables, keys), errors)
    }

    /// The last good list of a declaration. Its age has no part in what it means.
    fn last_list(&self, declared: &ListDecl) -> Slot<ListDecl, List> {
        let same = |a: &ListDecl| a.name == declared.name && a.file == declared.file && a.ty == declared.ty;
        Slot {
            held: Slot::last(&self.lists, same),
            declared: declared.clone(),
        }
    }

    fn last_table(&self, declared: &TableDecl) -> Slot<TableDecl, Table> {
        let same = |a: &TableDecl| {
            a.name == declared.name && a.file == declared.file && a.columns == declared.columns
        };
        Slot {
            held: Slot::last(&self.tables, same),
            declared: declared.clone(),
        }
    }

    /// Whether a list holds the value; `None` where it was never loaded or holds another type.
    pub fn list_contains(&self, list: u32, value: &Value<'_>) -> Option<bool> {
        self.lists.get(list as usize)?.held.as_ref()?.contains(value)
    }

    /// `table[key].column`; `None` where row or column are absent, or the table was never loaded.
    pub fn cell(&self, table: u32, key: &[u8], column: u32) -> Option<Value<'_>> {
        self.tables.get(table as usize)?.held.as_ref()?.cell(key, column)
    }

    /// SHA-256 of what the lists, tables, public keys and API keys mean, whatever the order and spelling in the files of lists
    /// and tables and the order of API keys. No secret is in it.
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// Bytes of memory that the lists, tables and API keys take, those that other snapshots share included: for a list six
    /// for each text beside its own, twelve for an integer, twenty for an address; for an API key 68 beside its id and
    /// fields.
    pub fn bytes(&self) -> usize {
        let lists = self.lists.iter().filter_map(|slot| slot.held.as_ref());
        let tables = self.tables.iter().filter_map(|slot| slot.held.as_ref());
        lists.map(|list| list.bytes()).sum::<usize>()
            + tables.map(|table| table.bytes()).sum::<usize>()
            + self.keys.bytes()
    }

    /// What verifies credentials.
    pub(crate) fn keys(&self) -> &Keys {
        &self.keys
    }

    fn of(lists: Vec<Slot<ListDecl, List>>, tables: Vec<Slot<TableDecl, Table>>, keys: Keys) -> Data {
        let mut hash = Canonical::default();
        for slot in &lists {
            let digest = slot.held.as_ref().map(|list| list.digest());
            hash.part(b"list", &slot.declared.name, digest);
        }
        for slot in &tables {
            let digest = slot.held.as_ref().map(|table| table.digest());
            hash.part(b"table", &slot.declared.name, digest);
        }
        keys.digest_into(&mut hash);
        Data {
            lists,
            tables,
            keys,
            digest: hash.finish(),
        }
    }
}

impl<D, T> Slot<D, T> {
    /// Nothing is held.
    fn empty(declared: &D) -> Slot<D, T>
    where
        D: Clone,
    {
        Slot {
            declared: declared.clone(),
            held: None,
        }
    }

    /// With what one of the slots holds for the same declaration.
    fn last_of<'s>(slots: impl IntoIterator<Item = &'s Slot<D, T>>, declared: &D) -> Slot<D, T>
    where
        D: Clone + PartialEq + 's,
        T: 's,
    {
        let last = slots.into_iter().find(|slot| slot.declared == *declared);
        Slot {
            declared: declared.clone(),
            held: last.and_then(|slot| slot.held.clone()),
        }
    }

    fn last(slots: &[Slot<D, T>], same: impl Fn(&D) -> bool) -> Option<Arc<T>> {
        slots.iter().find(|slot| same(&slot.declared))?.held.clone()
    }

    /// Takes what was read, unless it means what is held already; a failure leaves what is held.
    fn take(
        &mut self,
        read: Result<T, DataError>,
        digest: impl Fn(&T) -> [u8; 32],
        errors: &mut Vec<DataError>,
    ) {
        match read {
            Ok(read) => {
                if self
                    .held
                    .as_ref()
                    .is_none_or(|held| digest(held) != digest(&read))
                {
                    self.held = Some(Arc::new(read));
                }
            }
            Err(error) => errors.push(error),
        }
    }
}

/// What a file holds, or why it is not taken.
fn read<T>(
    file: &str,
    files: &dyn Fn(&str) -> Option<Vec<u8>>,
    read: impl FnOnce(&[u8]) -> Result<T, (Option<usize>, Problem)>,
) -> Result<T, DataError> {
    files(file)
        .ok_or((None, Problem::Missing))
        .and_then(|bytes| read(&bytes))
        .map_err(|(line, problem)| DataError {
            file: file.to_string(),
            line,
            problem,
        })
}

/// A hash of length-prefixed parts, so that no two contents write the same bytes.
#[derive(Default)]
struct Canonical(Sha256);

impl Canonical {
    fn text(&mut self, text: &[u8]) {
        self.count(text.len());
        self.0.update(text);
    }

    fn count(&mut self, count: usize) {
        self.0.update((count as u64).to_le_bytes());
    }

    /// A list or table by its digest, if it is loaded.
    fn part(&mut self, kind: &[u8], name: &str, digest: Option<[u8; 32]>) {
        self.text(kind);
        self.text(name.as_bytes());
        self.text(digest.as_ref().map_or(&[][..], |digest| &digest[..]));
    }

    fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}
