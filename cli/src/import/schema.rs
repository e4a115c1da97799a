//! JSON Schema -> the lines of an `accept`.
//!
//! A schema becomes a flat list of fields with their types and bounds. Whatever the language has no word for becomes
//! `any` with a note, or a tighter rule than the schema's; never a looser one without a note.

use serde_json::Value;

use super::ImportError;
use super::document::{Documents, Place, is_true, text_of, texts_of};
use super::text::{pattern, quote};
use portcullis_base::invisible::is_invisible;

/// Levels of objects and arrays that are written out.
const DEPTH_MAX: usize = 8;
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
    /// The fields of a whole JSON body; `false` where it is free-form.
    pub(super) fn body(&mut self, schema: &Value, place: &Place) -> Result<bool, ImportError> {
        self.value(schema, place, String::new(), false, &mut Vec::new())?;
        let whole = self
            .out
            .iter()
            .any(|f| f.path.is_empty() && f.shape.ty != "object");
        self.out.retain(|f| !f.path.is_empty());
        self.out.sort();
        self.out.dedup_by(|a, b| a.path == b.path);
        Ok(!whole && !self.out.is_empty())
    }

    /// A query or form field: flat, no null, no numbers with a fraction.
    pub(super) fn flat(
        &mut self,
        name: &str,
        schema: &Value,
        required: bool,
        place: &Place,
    ) -> Result<(), ImportError> {
        let Some(path) = step(name) else {
            self.notes.push(format!(
                "{place}: the name {} can not be written; requests with it are refused",
                quote(name)
            ));
            return Ok(());
        };
        let (mut schema, at) = self.docs.follow(schema, place)?;
        if text_of(&schema, "type") == "array" {
            self.notes.push(format!(
                "{place}: queries and forms are flat; one value is taken, a repeated one is refused"
            ));
            schema = match schema.get("items") {
                // A list in one value, `a,b`: its elements' bounds are not the value's.
                Some(_) if schema.get("explode") == Some(&Value::Bool(false)) => Value::Null,
                Some(items) => self.docs.follow(items, &at.at("items"))?.0,
                None => Value::Null,
            };
        }
        let mut shape = self.shape(&schema, place);
        if !matches!(shape.ty, "bool" | "int" | "string" | "ip" | "instant") {
            if shape.ty != "number" {
                self.notes
                    .push(format!("{place}: `{}` is taken as any text", name.escape_debug()));
            }
            shape = Shape {
                sample: Some("1".to_owned()),
                ..Shape::of("string")
            };
        }
        shape.nullable = false;
        self.push(path, !required, shape);
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
        // A remote or broken reference inside a body costs its author one field, not the whole import.
        let (schema, place) = match self.docs.follow(schema, place) {
            Ok(found) => found,
            Err(error) => {
                self.notes.push(format!("{error}; anything is taken there"));
                self.push(path, optional, Shape::of("any"));
                return Ok(());
            }
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
        let Some(schema) = self.one_of_several(schema, place)? else {
            self.push_any(path, optional, format!("{place}: several schemas for one value"));
            return Ok(());
        };
        let shape = self.shape(&schema, place);
        let open = matches!(
            schema.get("additionalProperties"),
            Some(Value::Bool(true) | Value::Object(_))
        );
        match (shape.ty, schema.get("properties").and_then(Value::as_object)) {
            ("object", Some(properties)) if !open && !properties.is_empty() => {
                let required = texts_of(&schema, "required");
                self.push(path.clone(), optional, shape);
                for (name, property) in properties {
                    let at = place.at("properties").at(name);
                    if is_true(property, "readOnly") {
                        continue;
                    }
                    match step(name) {
                        Some(step) => {
                            let below = if path.is_empty() {
                                step
                            } else {
                                format!("{path}.{step}")
                            };
                            self.value(property, &at, below, !required.contains(&name.as_str()), above)?;
                        }
                        None => self.notes.push(format!(
                            "{at}: the name can not be written; bodies with it are refused"
                        )),
                    }
                }
            }
            ("object", _) => {
                if schema.get("additionalProperties") == Some(&Value::Bool(false)) {
                    let limits = " keys 0".to_owned();
                    self.push(path, optional, Shape { limits, ..shape });
                } else {
                    self.push_any(path, optional, format!("{place}: a free-form object"));
                }
            }
            ("array", _) => {
                let number = |key: &str| schema.get(key).and_then(Value::as_u64);
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
        self.notes.push(format!("{why}; anything is taken at `{path}`"));
        self.push(path, optional, Shape::of("any"));
    }

    /// Merges `allOf` of objects, takes `T` of `T or null`; `None` where a choice is left.
    fn one_of_several(&mut self, schema: &Value, place: &Place) -> Result<Option<Value>, ImportError> {
        for key in ["oneOf", "anyOf"] {
            let Some(choices) = schema.get(key).and_then(Value::as_array) else {
                continue;
            };
            let is_null = |c: &Value| text_of(c, "type") == "null";
            let others: Vec<(usize, &Value)> =
                choices.iter().enumerate().filter(|(_, c)| !is_null(c)).collect();
            let [(i, only)] = others.as_slice() else {
                return Ok(None);
            };
            let (mut only, _) = self.docs.follow(only, &place.at(key).at(&i.to_string()))?;
            if let (Some(only), true) = (only.as_object_mut(), choices.len() > 1) {
                only.insert("nullable".to_owned(), Value::Bool(true));
            }
            return Ok(Some(only));
        }
        let Some(parts) = schema.get("allOf").and_then(Value::as_array) else {
            return Ok(Some(schema.clone()));
        };
        let mut merged = schema.as_object().cloned().unwrap_or_default();
        merged.remove("allOf");
        let (mut properties, mut required) = (serde_json::Map::new(), Vec::new());
        let mut take = |part: &serde_json::Map<String, Value>| {
            let below = part.get("properties").and_then(Value::as_object);
            properties.extend(below.cloned().unwrap_or_default());
            let names = part.get("required").and_then(Value::as_array);
            required.extend(names.cloned().unwrap_or_default());
        };
        take(&merged);
        for (i, part) in parts.iter().enumerate() {
            let (part, _) = self.docs.follow(part, &place.at("allOf").at(&i.to_string()))?;
            let object = matches!(part.get("type").and_then(Value::as_str), None | Some("object"));
            let Some(part) = part
                .as_object()
                .filter(|p| object && !["allOf", "oneOf", "anyOf"].iter().any(|k| p.contains_key(*k)))
            else {
                return Ok((parts.len() == 1 && merged.get("properties").is_none()).then_some(part));
            };
            take(part);
        }
        merged.insert("type".to_owned(), Value::String("object".to_owned()));
        merged.insert("properties".to_owned(), Value::Object(properties));
        merged.insert("required".to_owned(), Value::Array(required));
        Ok(Some(Value::Object(merged)))
    }

    /// Type and bounds of one value, without what lies below it.
    fn shape(&mut self, schema: &Value, place: &Place) -> Shape {
        let mut nullable = is_true(schema, "nullable");
        let mut types: Vec<&str> = match schema.get("type") {
            Some(Value::String(ty)) => vec![ty.as_str()],
            Some(Value::Array(types)) => types.iter().filter_map(Value::as_str).collect(),
            _ if schema.get("properties").is_some() => vec!["object"],
            _ => Vec::new(),
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
        let choices = match (schema.get("enum"), schema.get("const")) {
            (Some(Value::Array(choices)), _) => choices.clone(),
            (_, Some(only)) => vec![only.clone()],
            _ => Vec::new(),
        };
        match ty {
            "string" => self.string(schema, &choices, place, &mut shape),
            "int" | "number" => number(schema, &choices, &mut shape),
            "bool" => shape.sample = Some("true".to_owned()),
            "ip" => shape.sample = Some("192.0.2.1".to_owned()),
            "instant" => shape.sample = Some("2026-01-01T00:00:00Z".to_owned()),
            _ => {}
        }
        shape
    }

    fn string(&mut self, schema: &Value, choices: &[Value], place: &Place, shape: &mut Shape) {
        let texts: Vec<&str> = choices.iter().filter_map(Value::as_str).collect();
        if !texts.is_empty() {
            shape.limits = format!(
                " in [{}]",
                texts.iter().map(|t| quote(t)).collect::<Vec<_>>().join(", ")
            );
            shape.sample = texts.first().map(|t| (*t).to_owned());
            return;
        }
        shape.sample = Some("x".to_owned());
        let number = |key: &str| schema.get(key).and_then(Value::as_u64);
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

fn number(schema: &Value, choices: &[Value], shape: &mut Shape) {
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
    let bound = |key: &str, exclusive: &str, inward: i64| -> Option<String> {
        let (value, out) = match (schema.get(exclusive), schema.get(key)) {
            (Some(Value::Bool(true)), Some(value)) => (value, true),
            (Some(value @ Value::Number(_)), _) => (value, true),
            (_, Some(value)) => (value, false),
            _ => return None,
        };
        match value.as_i64() {
            Some(n) if out && shape.ty == "int" => n.checked_add(inward).map(|n| n.to_string()),
            Some(n) => Some(n.to_string()),
            None => {
                let text = value.to_string();
                let plain = text.bytes().all(|b| b.is_ascii_digit() || b == b'.' || b == b'-');
                (plain && shape.ty == "number" && !text.ends_with(".0")).then_some(text)
            }
        }
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
