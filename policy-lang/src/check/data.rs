//! Networks, hours, lists and tables; the shape of the files beside the policy.

use super::cx::{Cx, by_name, sort_dedup};
use super::json::{Item, Json};
use super::literals::{self, clock, network, type_word, zone};
use super::sources::Parsed;
use crate::ast::{Decl, Duration, FieldDecl, HoursRange, Name, Text, TypeName};
use crate::model::{Hours, HoursSpan, List, Network, Table, Type};
use crate::source::{Span, Spanned};
use portcullis_base::list::{self, ListFault};

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

impl Cx<'_> {
    /// All data declarations, each vector sorted by name.
    pub(super) fn data(&mut self, files: &[Parsed]) {
        for item in files.iter().flat_map(|f| &f.file.items) {
            match &item.decl {
                Decl::Network(name, nets) => {
                    let mut nets: Vec<_> = nets
                        .iter()
                        .filter_map(|n| self.ok(n.span, network(&n.node)))
                        .collect();
                    sort_dedup(&mut nets);
                    self.policy.networks.push(Network {
                        name: name.node.clone(),
                        span: name.span,
                        nets,
                    });
                }
                Decl::Hours(name, ranges, zone_name) => {
                    self.ok(zone_name.span, zone(&zone_name.node));
                    let spans = ranges.iter().filter_map(|r| self.hours(r)).collect();
                    let zone = zone_name.node.clone();
                    self.policy.hours.push(Hours {
                        name: name.node.clone(),
                        span: name.span,
                        zone,
                        spans,
                    });
                }
                Decl::List(name, ty, file, max_age) => {
                    let list = self.list(name, ty, file, max_age.as_ref());
                    self.policy.lists.push(list);
                }
                Decl::Table(name, file, max_age, columns) => {
                    let table = self.table(name, file, max_age.as_ref(), columns);
                    self.policy.tables.push(table);
                }
                _ => {}
            }
        }
        by_name!(self.policy; networks, hours, lists, tables);
    }

    fn hours(&self, range: &Spanned<HoursRange>) -> Option<HoursSpan> {
        let day = |name: &str| {
            let found = DAYS.iter().position(|d| *d == name);
            if found.is_none() {
                self.report.error(
                    "G0315",
                    range.span,
                    format!("`{name}` is not a day"),
                    "days are mon tue wed thu fri sat sun",
                );
            }
            found
        };
        let mut days = 0u8;
        for (first, last) in &range.node.days {
            let first = day(first)?;
            let last = last.as_deref().map_or(Some(first), day)?;
            let mut at = first;
            days |= 1 << at;
            while at != last {
                at = (at + 1) % 7;
                days |= 1 << at;
            }
        }
        let start = self.ok(range.span, clock(&range.node.start, 1439))?;
        let end = self.ok(range.span, clock(&range.node.end, 1440))?;
        if start == end {
            let at = &range.node.start;
            return self.report.invalid(
                "G0315",
                range.span,
                format!("`{at}..{at}` ends when it begins, so it is no time at all or the whole day"),
                "write `00:00..24:00` for the whole day, or leave the range out",
            );
        }
        Some(HoursSpan { days, start, end })
    }

    /// A type out of those that a place allows; `G0204` else.
    pub(super) fn type_of(&self, ty: &Spanned<TypeName>, allowed: &[Type]) -> Option<Type> {
        if let TypeName::Word(word) = &ty.node
            && let Some(found) = allowed.iter().find(|t| type_word(**t) == word)
        {
            return Some(*found);
        }
        let words: Vec<&str> = allowed.iter().map(|t| type_word(*t)).collect();
        self.report.invalid(
            "G0204",
            ty.span,
            "this type can not stand here",
            format!("write one of {}", words.join(", ")),
        )
    }

    /// `max age`, µs.
    pub(super) fn max_age(&self, max_age: Option<&Spanned<Duration>>) -> Option<i64> {
        let age = max_age?;
        let us = self.ok(age.span, literals::duration(&age.node))?;
        if us == 0 {
            self.report.error(
                "G0316",
                age.span,
                "an age of nothing is always exceeded",
                "write a longer one",
            );
        }
        Some(us)
    }

    fn list(
        &self,
        name: &Name,
        ty: &Spanned<TypeName>,
        file: &Text,
        max_age: Option<&Spanned<Duration>>,
    ) -> List {
        let networks = ty.node == TypeName::Word("network".to_owned());
        let ty = match networks {
            true => Type::Ip,
            false => self.list_type(ty),
        };
        let read = self.data_file(file);
        if let Some((path, bytes)) = &read {
            self.lines(file.span, path, bytes, ty, networks);
        }
        List {
            name: name.node.clone(),
            span: name.span,
            ty,
            networks,
            file: read.map_or_else(|| file.node.clone(), |r| r.0),
            max_age_us: self.max_age(max_age),
        }
    }

    fn list_type(&self, ty: &Spanned<TypeName>) -> Type {
        let allowed = [Type::String, Type::Int, Type::Ip];
        if matches!(&ty.node, TypeName::Word(word) if allowed.iter().any(|t| type_word(*t) == word)) {
            return self.type_of(ty, &allowed).unwrap_or(Type::String);
        }
        self.report.error(
            "G0204",
            ty.span,
            "a list cannot have this type",
            "write one of `string`, `int`, `ip`, `network`",
        );
        Type::String
    }

    /// The lines of a list, read as whoever loads it reads them.
    fn lines(&self, span: Span, path: &str, bytes: &[u8], ty: Type, networks: bool) {
        let mut refused = None;
        let read = list::read(bytes, &mut |line| {
            let fine = match ty {
                Type::Int => list::int(line).is_some(),
                Type::Ip if networks => list::network(line).is_some(),
                Type::Ip => list::address(line).is_some(),
                _ => list::text(line).is_some(),
            };
            if !fine {
                refused = Some(String::from_utf8_lossy(line).into_owned());
            }
            fine
        });
        let Err((line, fault)) = read else { return };
        let what = match fault {
            ListFault::Bytes => format!("the file has more than {} bytes", list::BYTES_MAX),
            ListFault::Lines => format!("the file has more than {} lines", list::LINES_MAX),
            ListFault::LineBytes => format!("the line has more than {} bytes", list::LINE_BYTES_MAX),
            ListFault::Value => refused.map_or_else(String::new, |value| no_value(&value, ty, networks)),
        };
        let line = line.map_or(1, |line| u32::try_from(line).unwrap_or(u32::MAX));
        self.bad_data(span, path, line, &what);
    }

    fn table(
        &self,
        name: &Name,
        file: &Text,
        max_age: Option<&Spanned<Duration>>,
        fields: &[FieldDecl],
    ) -> Table {
        let mut columns: Vec<(String, Type)> = Vec::new();
        for field in fields {
            if columns.iter().any(|c| c.0 == field.name.node) {
                self.declared_twice(&field.name);
                continue;
            }
            if field.from.is_some() || field.default.is_some() {
                self.report.error(
                    "G0602",
                    field.span,
                    "columns have neither paths nor defaults",
                    "put the value into the table",
                );
            }
            let ty = self.type_of(&field.ty, &[Type::String, Type::Int, Type::Bool]);
            columns.push((field.name.node.clone(), ty.unwrap_or(Type::String)));
        }
        columns.sort();
        let read = self.data_file(file);
        if let Some((path, bytes)) = &read
            && let Some(text) = self.utf8(file.span, path, bytes)
        {
            match Json::read(text) {
                Ok(rows) => self.rows(file.span, path, rows.root(), &columns),
                Err(error) => self.bad_data(file.span, path, error.line, &error.what),
            }
        }
        Table {
            name: name.node.clone(),
            span: name.span,
            file: read.map_or_else(|| file.node.clone(), |r| r.0),
            columns,
            max_age_us: self.max_age(max_age),
        }
    }

    fn rows(&self, span: Span, path: &str, rows: Item<'_>, columns: &[(String, Type)]) {
        let Some(rows) = rows.members() else {
            return self.bad_data(span, path, 1, "a table is a JSON object of rows");
        };
        for (row, place, cells) in rows {
            let Some(cells) = cells.members() else {
                return self.bad_data(span, path, place.line(), &format!("row `{row}` is not an object"));
            };
            for (cell, place, value) in cells {
                let fits = match columns.iter().find(|c| c.0 == *cell).map(|c| c.1) {
                    None => true,
                    Some(Type::Int) => value.number().is_some_and(|n| literals::int(n).is_ok()),
                    Some(Type::Bool) => value.is_bool(),
                    Some(_) => value.is_text(),
                };
                if !fits {
                    return self.bad_data(
                        span,
                        path,
                        place.line(),
                        &format!("`{cell}` of row `{row}` has another type"),
                    );
                }
            }
        }
    }

    fn utf8<'b>(&self, span: Span, path: &str, bytes: &'b [u8]) -> Option<&'b str> {
        let text = std::str::from_utf8(bytes).ok();
        if text.is_none() {
            self.bad_data(span, path, 1, "the file is not UTF-8");
        }
        text
    }

    fn bad_data(&self, span: Span, path: &str, line: u32, what: &str) {
        self.report.error(
            "G0611",
            span,
            format!("{path}:{line}: {what}"),
            "one bad line rejects the whole file; mend it",
        );
    }
}

/// Why a line of a list holds no value of its type.
fn no_value(value: &str, ty: Type, networks: bool) -> String {
    match ty {
        Type::Int => format!("`{value}` is not an integer of 64 bits"),
        Type::Ip if networks => match network(value) {
            Err(bad) => format!("{}; {}", bad.message, bad.help),
            Ok(_) => format!("`{value}` is not a network"),
        },
        Type::Ip if list::network(value.as_bytes()).is_some() => {
            format!("`{value}` is a network; a list of networks has the type `network` and not `ip`")
        }
        Type::Ip => format!("`{value}` is not an address"),
        _ => format!("`{value}` is not UTF-8 text without control characters"),
    }
}
