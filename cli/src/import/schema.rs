//! JSON Schema -> the lines of an `accept`.
//!
//! A schema becomes a flat list of fields with their types and bounds. Whatever the language has no word for becomes
//! `any` with a note, or a tighter rule than the schema's; never a looser one without a note. What stands behind a
//! reference that leads nowhere is refused: its field is left out, and where the field is demanded the whole is
//! [`Fields::shut`].

use serde_json::Value;

use super::ImportError;
use super::compose::{Plain, Properties, is_remark};
use super::document::{Documents, Place, is_true, list_of, text_of, texts_of};
use super::text::{pattern, quote};
use portcullis_base::invisible::is_invisible;

/// Levels of objects and arrays that are written out.
pub(super) const DEPTH_MAX: usize = 8;
/// Fields of one body.
const FIELDS_MAX: usize = 400;

/// One line of an `accept`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Field {
    /// JSON path, or the one name of a query or form field, as written.
    pub(super) path: String,
    pub(super) optional: bool,
    pub(super) shape: Shape,
}

impl Field {
    pub(super) fn print(&self) -> String {
        let optional = if self.optional { "?" } else { "" };
        let Shape {
            ty, nullable, limits, ..
        } = &self.shape;
        let null = if *nullable { " or null" } else { "" };
        format!("{}{optional}: {ty}{null}{limits};", self.path)
    }
}

/// Collects the fields of one body.
pub(super) struct Fields<'d, 'a> {
    pub(super) docs: &'d mut Documents<'a>,
    pub(super) notes: &'d mut Vec<String>,
    pub(super) out: Vec<Field>,
    /// Set where a demanded field could not be read, so that nothing may pass.
    pub(super) shut: bool,
}

/// What is known of a whole body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whole {
    /// The fields say it all.
    Closed,
    /// Anything is taken.
    Free,
}

/// What a schema says of one value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Shape {
    /// One word.
    ty: &'static str,
    nullable: bool,
    /// Bounds as written, each with a leading space.
    limits: String,
    /// A value it takes, where one is easily told: for generated requests.
    pub(super) sample: Option<String>,
}

impl Shape {
    /// Its type, one word.
    pub(super) fn kind(&self) -> &'static str {
        self.ty
    }

    /// Least and most elements of the array that holds it.
    pub(super) fn items(&self) -> (usize, usize) {
        let bounds = self.limits.rsplit_once(" items ").map(|(_, bounds)| bounds);
        let bounds = bounds.and_then(|bounds| bounds.split_once(".."));
        let parsed = bounds.and_then(|(min, max)| Some((min.parse().ok()?, max.parse().ok()?)));
        parsed.unwrap_or((0, usize::MAX))
    }

    fn of(ty: &'static str) -> Shape {
        Shape {
            ty,
            nullable: false,
            limits: String::new(),
            sample: None,
        }
    }
}

/// A name as a step of a JSON path; `None` where none can say it.
pub(super) fn step(name: &str) -> Option<String> {
    let mut bytes = name.bytes();
    let plain = bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if plain {
        return Some(name.to_owned());
    }
    let sayable = !name.is_empty() && !name.contains(|c: char| is_invisible(c) || c.is_whitespace());
    sayable.then(|| format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\"")))
}

impl Fields<'_, '_> {
    /// The fields of a whole JSON body.
    pub(super) fn body(&mut self, schema: &Value, place: &Place) -> Result<Whole, ImportError> {
        self.value(schema, place, String::new(), false, &mut Vec::new())?;
        let free = self
            .out
            .iter()
            .any(|f| f.path.is_empty() && f.shape.ty != "object");
        self.out.retain(|f| !f.path.is_empty());
        self.out.sort();
        self.out.dedup_by(|a, b| a.path == b.path);
        Ok(if free { Whole::Free } else { Whole::Closed })
    }

    /// A query or form field: flat, no null, no numbers with a fraction. `holder` says how a list is sent.
    pub(super) fn flat(
        &mut self,
        name: &str,
        (schema, place): (&Value, &Place),
        required: bool,
        holder: &Value,
    ) -> Result<(), ImportError> {
        let Some(path) = step(name) else {
            self.notes.push(format!(
                "{place}: the name {} cannot be written; requests with it are refused",
                quote(name)
            ));
            self.shut |= required;
            return Ok(());
        };
        let found = match self.plain(schema, place, &mut Vec::new()) {
            Ok(found) => found,
            Err(error) => return self.left_out(error, !required),
        };
        let mut schema = found.map_or(Value::Null, |p| p.schema);
        if text_of(&schema, "type") == "array" {
            let joined = text_of(holder, "style").ends_with("Delimited")
                || holder.get("explode") == Some(&Value::Bool(false))
                || matches!(
                    text_of(holder, "collectionFormat"),
                    "csv" | "ssv" | "tsv" | "pipes"
                )
                || (text_of(holder, "type") == "array" && holder.get("collectionFormat").is_none());
            self.notes.push(format!(
                "{place}: queries and forms are flat; one value is taken, a repeated one is refused{}",
                if joined {
                    ", and the elements of a list in one value are not checked"
                } else {
                    ""
                }
            ));
            schema = match schema.get("items") {
                // A list in one value, `a,b`: its elements' bounds are not the value's.
                Some(items) if !joined => {
                    let items = items.clone();
                    match self.plain(&items, &place.at("items"), &mut Vec::new()) {
                        Ok(found) => found.map_or(Value::Null, |p| p.schema),
                        Err(error) => return self.left_out(error, !required),
                    }
                }
                _ => Value::Null,
            };
        }
        let mut shape = self.shape(&schema, place);
        if !matches!(shape.ty, "bool" | "int" | "string" | "ip" | "instant") {
            self.notes
                .push(format!("{place}: `{}` is taken as any text", name.escape_debug()));
            shape = Shape {
                sample: Some("1".to_owned()),
                ..Shape::of("string")
            };
        }
        shape.nullable = false;
        self.push(path, !required, shape);
        Ok(())
    }

    /// The names that a form demands, and its fields; `None` where it is free-form.
    pub(super) fn properties(
        &mut self,
        schema: &Value,
        place: &Place,
    ) -> Result<Option<(Vec<String>, Properties)>, ImportError> {
        match self.plain(schema, place, &mut Vec::new()) {
            Ok(Some(plain)) => {
                let required = texts_of(&plain.schema, "required");
                let required = required.into_iter().map(str::to_owned).collect();
                Ok(Some((required, plain.properties)))
            }
            Ok(None) => {
                self.notes.push(format!(
                    "{place}: several schemas for one form; only its type is checked"
                ));
                Ok(None)
            }
            Err(error) => self.left_out(error, false).map(|()| None),
        }
    }

    /// What a broken reference costs: the field is not known, so that it is refused.
    fn left_out(&mut self, error: ImportError, optional: bool) -> Result<(), ImportError> {
        if error.is_limit() {
            return Err(error);
        }
        self.notes.push(format!("{error}; what stands there is refused"));
        self.shut |= !optional;
        Ok(())
    }

    fn value(
        &mut self,
        schema: &Value,
        place: &Place,
        path: String,
        optional: bool,
        above: &mut Vec<Place>,
    ) -> Result<(), ImportError> {
        let (schema, place) = match self.behind(schema, place) {
            Ok(found) => found,
            Err(error) => return self.left_out(error, optional),
        };
        if above.contains(&place) || above.len() >= DEPTH_MAX || self.out.len() >= FIELDS_MAX {
            let why = format!("{place}: too deep, too large or within itself");
            self.push_any(path, optional, why);
            return Ok(());
        }
        above.push(place.clone());
        let result = self.walk(&schema, &place, path, optional, above);
        above.pop();
        result
    }

    fn walk(
        &mut self,
        schema: &Value,
        place: &Place,
        path: String,
        optional: bool,
        above: &mut Vec<Place>,
    ) -> Result<(), ImportError> {
        let plain = match self.plain(schema, place, &mut Vec::new()) {
            Ok(Some(plain)) => plain,
            Ok(None) => {
                self.push_any(path, optional, format!("{place}: several schemas for one value"));
                return Ok(());
            }
            Err(error) => return self.left_out(error, optional),
        };
        let Plain {
            schema,
            place,
            properties,
        } = &plain;
        let shape = self.shape(schema, place);
        let open = matches!(
            schema.get("additionalProperties"),
            Some(Value::Bool(true) | Value::Object(_))
        );
        match shape.ty {
            "object" if !open && !properties.is_empty() => {
                let required = texts_of(schema, "required");
                let from = self.out.len();
                self.push(path.clone(), optional, shape);
                for (name, property, at) in properties {
                    if is_true(property, "readOnly") {
                        continue;
                    }
                    let demanded = required.contains(&name.as_str());
                    match step(name) {
                        Some(step) => {
                            let below = if path.is_empty() {
                                step
                            } else {
                                format!("{path}.{step}")
                            };
                            self.value(property, at, below, !demanded, above)?;
                        }
                        None => {
                            self.notes.push(format!(
                                "{at}: the name cannot be written; bodies with it are refused"
                            ));
                            self.shut |= demanded;
                        }
                    }
                }
                // Without a field below it, an object would be taken with any members.
                let alone = self.out.len() == from.saturating_add(1);
                if let Some(holder) = self.out.get_mut(from).filter(|_| alone) {
                    holder.shape.limits = " keys 0".to_owned();
                }
            }
            "object" => {
                if schema.get("additionalProperties") == Some(&Value::Bool(false)) {
                    let limits = " keys 0".to_owned();
                    self.push(path, optional, Shape { limits, ..shape });
                } else {
                    self.push_any(path, optional, format!("{place}: a free-form object"));
                }
            }
            "array" => {
                let number = |key: &str| schema.get(key).and_then(whole);
                let items = match (number("minItems"), number("maxItems")) {
                    (None, None) => String::new(),
                    (min, Some(max)) => format!(" items {}..{}", min.unwrap_or(0).min(max), max),
                    (Some(min), None) => format!(" items {min}..{}", min.max(1_000_000)),
                };
                let from = self.out.len();
                let below = schema.get("items").cloned().unwrap_or(Value::Bool(true));
                self.value(&below, &place.at("items"), format!("{path}[]"), optional, above)?;
                if let Some(first) = self.out.get_mut(from) {
                    first.shape.limits.push_str(&items);
                }
            }
            "any" => {
                if is_remark(schema) {
                    self.push(path, optional, shape);
                } else {
                    self.push_any(path, optional, format!("{place}: a schema without one type"));
                }
            }
            _ => self.push(path, optional, shape),
        }
        Ok(())
    }

    fn push(&mut self, path: String, optional: bool, shape: Shape) {
        self.out.push(Field {
            path,
            optional,
            shape,
        });
    }

    /// A field that takes anything, and why.
    fn push_any(&mut self, path: String, optional: bool, why: String) {
        // A whole body that is free has a note of its own.
        if !path.is_empty() {
            self.notes.push(format!("{why}; anything is taken at `{path}`"));
        }
        self.push(path, optional, Shape::of("any"));
    }

    /// Type and bounds of one value, without what lies below it.
    fn shape(&mut self, schema: &Value, place: &Place) -> Shape {
        let mut nullable = is_true(schema, "nullable");
        let mut types: Vec<&str> = match schema.get("type") {
            Some(Value::String(ty)) => vec![ty.as_str()],
            Some(Value::Array(types)) => types.iter().filter_map(Value::as_str).collect(),
            _ if schema.get("properties").is_some() => vec!["object"],
            _ => type_of_enum(schema),
        };
        if types.contains(&"null") {
            nullable = true;
            types.retain(|t| *t != "null");
        }
        let format = text_of(schema, "format");
        let ty = match (types.as_slice(), format) {
            (["string"], "ipv4" | "ipv6" | "ip") => "ip",
            (["string"], "date-time") => "instant",
            (["string"] | ["file"], _) => "string",
            (["integer"], _) => "int",
            (["number"], _) => "number",
            (["boolean"], _) => "bool",
            (["object"], _) => "object",
            (["array"], _) => "array",
            _ => return Shape::of("any"),
        };
        let mut shape = Shape {
            nullable,
            ..Shape::of(ty)
        };
        let mut choices = match (schema.get("enum"), schema.get("const")) {
            (Some(Value::Array(choices)), _) => choices.clone(),
            (_, Some(only)) => vec![only.clone()],
            _ => Vec::new(),
        };
        choices.retain(|c| !c.is_null());
        let mut lost = Vec::new();
        match ty {
            "string" => self.string(schema, &choices, place, &mut shape),
            "int" | "number" => number(schema, &choices, &mut shape, &mut lost),
            "bool" => shape.sample = Some("true".to_owned()),
            "ip" => shape.sample = Some("192.0.2.1".to_owned()),
            "instant" => shape.sample = Some("2026-01-01T00:00:00Z".to_owned()),
            _ => {}
        }
        lost.extend(LOST.iter().copied().filter(|key| schema.get(*key).is_some()));
        if !choices.is_empty() && !shape.limits.starts_with(" in [") {
            lost.push("enum");
        }
        if !lost.is_empty() {
            self.notes
                .push(format!("{place}: not checked: {}", lost.join(", ")));
        }
        shape
    }

    fn string(&mut self, schema: &Value, choices: &[Value], place: &Place, shape: &mut Shape) {
        let texts: Vec<&str> = choices.iter().filter_map(Value::as_str).collect();
        if !texts.is_empty() && texts.len() == choices.len() {
            shape.limits = format!(
                " in [{}]",
                texts.iter().map(|t| quote(t)).collect::<Vec<_>>().join(", ")
            );
            shape.sample = texts.first().map(|t| (*t).to_owned());
            return;
        }
        shape.sample = Some("x".to_owned());
        let number = |key: &str| schema.get(key).and_then(whole);
        let (min, max) = (number("minLength").filter(|n| *n > 0), number("maxLength"));
        if let Some(min) = min {
            shape.sample = usize::try_from(min)
                .ok()
                .filter(|n| *n <= 256)
                .map(|n| "x".repeat(n));
        }
        shape.limits = range(
            min.map(|n| n.to_string()),
            max.filter(|m| min.is_none_or(|n| n <= *m)).map(|n| n.to_string()),
        );
        if let Some(text) = schema.get("pattern").and_then(Value::as_str) {
            shape.sample = None;
            match pattern(text) {
                Some(regex) => shape.limits.push_str(&format!(" matches '{regex}'")),
                None => self.notes.push(format!(
                    "{place}: the pattern is no regex of the language; it is left out"
                )),
            }
        }
    }
}

/// Keywords that have no word in the language wherever they stand.
const LOST: [&str; 8] = [
    "contains",
    "if",
    "minProperties",
    "maxProperties",
    "multipleOf",
    "not",
    "patternProperties",
    "uniqueItems",
];

/// The type that an `enum` or `const` implies where none is given.
fn type_of_enum(schema: &Value) -> Vec<&'static str> {
    let only = schema.get("const").map(std::slice::from_ref);
    let choices = only.unwrap_or_else(|| list_of(schema, "enum"));
    match choices.first() {
        Some(Value::String(_)) if choices.iter().all(Value::is_string) => vec!["string"],
        Some(Value::Number(_)) if choices.iter().all(|c| c.as_i64().is_some()) => vec!["integer"],
        _ => Vec::new(),
    }
}

/// A whole number, also where it is written with a fraction of zero.
fn integer(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| {
        let text = value.as_f64().filter(|n| n.fract() == 0.0)?.to_string();
        text.parse().ok()
    })
}

fn whole(value: &Value) -> Option<u64> {
    integer(value).and_then(|n| u64::try_from(n).ok())
}

fn number(schema: &Value, choices: &[Value], shape: &mut Shape, lost: &mut Vec<&'static str>) {
    let integers: Vec<String> = choices
        .iter()
        .filter_map(Value::as_i64)
        .map(|n| n.to_string())
        .collect();
    if !integers.is_empty() && integers.len() == choices.len() {
        shape.sample = integers.first().cloned();
        shape.limits = format!(" in [{}]", integers.join(", "));
        return;
    }
    // 3.0 marks a bound as exclusive by a boolean beside it, 3.1 has a bound of its own.
    let mut bound = |key: &'static str, exclusive: &'static str, inward: i64| -> Option<String> {
        let (value, out) = match (schema.get(exclusive), schema.get(key)) {
            (Some(Value::Bool(true)), Some(value)) => (value, true),
            (Some(value @ Value::Number(_)), _) => (value, true),
            (_, Some(value)) => (value, false),
            _ => return None,
        };
        if out && shape.ty == "number" {
            lost.push(exclusive);
        }
        let text = match integer(value) {
            Some(n) if out && shape.ty == "int" => n.checked_add(inward).map(|n| n.to_string()),
            Some(n) => Some(n.to_string()),
            None => {
                let text = value.to_string();
                let plain = text.bytes().all(|b| b.is_ascii_digit() || b == b'.' || b == b'-');
                (plain && shape.ty == "number" && !text.ends_with(".0")).then_some(text)
            }
        };
        if text.is_none() {
            lost.push(key);
        }
        text
    };
    let (min, max) = (
        bound("minimum", "exclusiveMinimum", 1),
        bound("maximum", "exclusiveMaximum", -1),
    );
    shape.sample = min
        .clone()
        .or_else(|| max.clone())
        .or_else(|| Some("1".to_owned()));
    let ordered = match (&min, &max) {
        (Some(a), Some(b)) => a.parse::<f64>().ok() <= b.parse::<f64>().ok(),
        _ => true,
    };
    if ordered {
        shape.limits = range(min, max);
    } else {
        lost.push("minimum and maximum");
    }
}

fn range(min: Option<String>, max: Option<String>) -> String {
    match (min, max) {
        (Some(min), Some(max)) => format!(" {min}..{max}"),
        (Some(min), None) => format!(" min {min}"),
        (None, Some(max)) => format!(" max {max}"),
        (None, None) => String::new(),
    }
}
