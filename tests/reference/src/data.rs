//! Side files -> lists and tables. One bad line rejects the whole file, which then counts as never loaded.
//! Knows nothing of requests.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;
use portcullis_lang::model::{ListId, Policy, TableId, Type};

use crate::facts::{Datum, parse_ip};
use crate::json::{self, Json};

/// Most bytes of a line.
const LINE_BYTES_MAX: usize = 1_024;

/// A list's values.
pub(crate) enum Values {
    Plain(BTreeSet<Datum>),
    Networks(Vec<IpNet>),
}

impl Values {
    /// Whether it holds a value, or a network of an address.
    pub(crate) fn contains(&self, value: &Datum) -> bool {
        match (self, value) {
            (Values::Plain(values), value) => values.contains(value),
            (Values::Networks(nets), Datum::Ip(address)) => nets.iter().any(|net| net.contains(address)),
            (Values::Networks(_), _) => false,
        }
    }
}

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
                .map(|l| files.get(&l.file).and_then(|f| list(f, l.ty, l.networks)))
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

fn list(file: &[u8], ty: Type, networks: bool) -> Option<Values> {
    let text = std::str::from_utf8(file).ok()?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.split('\n').any(|line| line.len() > LINE_BYTES_MAX) {
        return None;
    }
    let lines = text.split('\n').map(value).filter(|line| !line.is_empty());
    if networks {
        return lines.map(network).collect::<Option<_>>().map(Values::Networks);
    }
    lines
        .map(|line| Datum::from_text(line.as_bytes(), ty).filter(|_| !line.contains(char::is_control)))
        .collect::<Option<_>>()
        .map(Values::Plain)
}

/// A line without its comment and the blanks around what is left.
fn value(line: &str) -> &str {
    let comment = [" #", "\t#"].iter().filter_map(|start| line.find(start)).min();
    let line = match comment {
        _ if line.starts_with('#') => "",
        Some(at) => &line[..at],
        None => line,
    };
    line.trim_matches([' ', '\t', '\r'])
}

/// A network without host bits; an address is a network of one.
fn network(line: &str) -> Option<IpNet> {
    if !line.contains('/') {
        return parse_ip(line).map(IpNet::from);
    }
    let net: IpNet = line.parse().ok()?;
    let is_mapped = matches!(net.network(), IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some());
    let is_canonical = line
        .split_once('/')
        .is_some_and(|(_, length)| length == net.prefix_len().to_string());
    (net == net.trunc() && !is_mapped && is_canonical).then_some(net)
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
