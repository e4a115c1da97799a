//! The fields of an `accept` -> a body that it takes, and one that it refuses. Knows no schemas and no policy text but the
//! paths and bounds of fields.

use std::collections::BTreeMap;

use serde_json::{Map, Number, Value, json};

use super::operation::Body;
use super::path::encode;
use super::schema::Field;

/// Elements that are made up at most; an array that demands more has no sample.
const ITEMS_MAX: usize = 16;

/// A body with its media type, and the detail code and status of its refusal, if it is refused.
pub(super) struct Sample {
    pub(super) media_type: String,
    pub(super) body: String,
    pub(super) refusal: Option<(u16, &'static str)>,
}

/// A body that is taken and one that is refused; `None` where the description says nothing of bodies or no value is easily
/// told.
pub(super) fn samples(body: &Body) -> Option<[Sample; 2]> {
    match body {
        Body::Unsaid => None,
        Body::Json(fields) => {
            let tree = Node::of(fields)?;
            let taken = if fields.is_empty() {
                json!({})
            } else {
                tree.value()?
            };
            let (refused, detail) = match &taken {
                Value::Object(members) => {
                    let mut members = members.clone();
                    members.insert(free_name(|name| tree.members.contains_key(name)), json!(1));
                    (Value::Object(members), "unknown_field")
                }
                _ => (json!({}), "wrong_type"),
            };
            let sample = |value: Value, refusal| Sample {
                media_type: "application/json".to_owned(),
                body: value.to_string(),
                refusal,
            };
            Some([sample(taken, None), sample(refused, Some((422, detail)))])
        }
        Body::Form(fields) => {
            let mut taken: Vec<String> = Vec::new();
            for field in fields.iter().filter(|field| !field.optional) {
                taken.push(pair(&unquoted(&field.path), field.shape.sample.as_deref()?));
            }
            let mut refused = taken.clone();
            refused.push(pair(
                &free_name(|name| fields.iter().any(|field| unquoted(&field.path) == name)),
                "1",
            ));
            let sample = |pairs: Vec<String>, refusal| Sample {
                media_type: "application/x-www-form-urlencoded".to_owned(),
                body: pairs.join("&"),
                refusal,
            };
            Some([sample(taken, None), sample(refused, Some((422, "unknown_field")))])
        }
        Body::Types(types) => {
            let taken = types.first()?;
            let other = ["text/plain", "image/png"]
                .into_iter()
                .find(|other| !types.iter().any(|own| own == other))?;
            let sample = |media_type: &str, refusal| Sample {
                media_type: media_type.to_owned(),
                body: "{}".to_owned(),
                refusal,
            };
            Some([sample(taken, None), sample(other, Some((415, "media_type")))])
        }
    }
}

/// A name that no field has.
fn free_name(is_taken: impl Fn(&str) -> bool) -> String {
    let mut name = "unknown".to_owned();
    while is_taken(&name) {
        name.push('_');
    }
    name
}

/// A name and its value as a form has them.
fn pair(name: &str, value: &str) -> String {
    format!("{}={}", form_encode(name), form_encode(value))
}

/// Text of a query or a form.
pub(super) fn form_encode(text: &str) -> String {
    encode(text)
        .replace('&', "%26")
        .replace('=', "%3D")
        .replace('+', "%2B")
        .replace(';', "%3B")
}

/// A step of a path as a name.
pub(super) fn unquoted(step: &str) -> String {
    let Some(inner) = step.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return step.to_owned();
    };
    let (mut name, mut escaped) = (String::new(), false);
    for c in inner.chars() {
        match c {
            '\\' if !escaped => escaped = true,
            c => {
                name.push(c);
                escaped = false;
            }
        }
    }
    name
}

/// Fields by their paths.
#[derive(Default)]
struct Node<'f> {
    field: Option<&'f Field>,
    members: BTreeMap<String, Node<'f>>,
    element: Option<Box<Node<'f>>>,
}

impl<'f> Node<'f> {
    /// `None` where a path is none that a description yields.
    fn of(fields: &'f [Field]) -> Option<Node<'f>> {
        let mut root = Node::default();
        for field in fields {
            let mut node = &mut root;
            for step in steps(&field.path)? {
                node = match step {
                    Step::Name(name) => node.members.entry(name).or_default(),
                    Step::Element => node.element.get_or_insert_default(),
                };
            }
            node.field = Some(field);
        }
        Some(root)
    }

    /// Whether it may be left out; an array may if its elements' field may.
    fn is_optional(&self) -> bool {
        match (self.field, &self.element) {
            (Some(field), _) => field.optional,
            (None, Some(element)) => element.is_optional(),
            (None, None) => false,
        }
    }

    fn value(&self) -> Option<Value> {
        if let Some(element) = &self.element {
            let (min, max) = element.items();
            let wanted = min.max(1).min(max);
            return match element.value() {
                Some(value) if wanted <= ITEMS_MAX => Some(Value::Array(vec![value; wanted])),
                _ => (min == 0).then(|| json!([])),
            };
        }
        let Some(field) = self.field.filter(|field| field.shape.kind() != "object") else {
            let mut members = Map::new();
            for (name, node) in &self.members {
                match node.value() {
                    Some(value) => drop(members.insert(name.clone(), value)),
                    None if node.is_optional() => {}
                    None => return None,
                }
            }
            return Some(Value::Object(members));
        };
        let sample = field.shape.sample.as_deref();
        match field.shape.kind() {
            "any" => Some(json!("x")),
            "bool" => Some(json!(true)),
            "int" | "number" => sample?.parse::<Number>().ok().map(Value::Number),
            _ => sample.map(|text| json!(text)),
        }
    }

    /// Least and most elements, as this element's field says.
    fn items(&self) -> (usize, usize) {
        let field = self
            .field
            .or(self.element.as_deref().and_then(|inner| inner.field));
        field.map_or((0, usize::MAX), |field| field.shape.items())
    }
}

enum Step {
    Name(String),
    Element,
}

/// A path as fields have them, taken apart.
fn steps(path: &str) -> Option<Vec<Step>> {
    let (mut steps, mut rest) = (Vec::new(), path);
    while !rest.is_empty() {
        if let Some(behind) = rest.strip_prefix("[]") {
            steps.push(Step::Element);
            rest = behind;
            continue;
        }
        rest = rest.strip_prefix('.').unwrap_or(rest);
        let end = if rest.starts_with('"') {
            closing(rest)?
        } else {
            rest.find(['.', '[']).unwrap_or(rest.len())
        };
        let (name, behind) = rest.split_at_checked(end)?;
        steps.push(Step::Name(unquoted(name)));
        rest = behind;
    }
    Some(steps)
}

/// Behind the quote that closes a quoted name.
fn closing(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            '\\' if !escaped => escaped = true,
            '"' if !escaped => return Some(at + 1),
            _ => escaped = false,
        }
    }
    None
}
