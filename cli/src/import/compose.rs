//! `$ref`, `allOf`, `oneOf` and `anyOf` -> one schema, its properties each with the file they stand in.
//!
//! Knows how schemas are put together, nothing of types and bounds. What can be neither merged nor chosen is left to
//! the caller as a choice; what cannot be opened is an error, or an alternative less.

use serde_json::Value;

use super::ImportError;
use super::document::{Place, is_true, list_of, text_of};
use super::schema::{DEPTH_MAX, Fields};

/// Properties, each with the place it stands at, which may lie in another file than its object's.
pub(super) type Properties = Vec<(String, Value, Place)>;

/// A schema behind its references, with its `allOf` merged and its one choice taken.
pub(super) struct Plain {
    pub(super) schema: Value,
    pub(super) place: Place,
    pub(super) properties: Properties,
}

impl Plain {
    fn new(schema: Value, place: Place) -> Plain {
        let properties = schema
            .get("properties")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .map(|(name, property)| (name.clone(), property.clone(), place.at("properties").at(name)))
            .collect();
        Plain {
            schema,
            place,
            properties,
        }
    }

    fn or_null(mut self) -> Plain {
        if let Some(schema) = self.schema.as_object_mut() {
            schema.insert("nullable".to_owned(), Value::Bool(true));
        }
        self
    }
}

/// Members of a schema that bind no value.
const REMARKS: [&str; 14] = [
    "$comment",
    "$id",
    "$schema",
    "default",
    "deprecated",
    "description",
    "discriminator",
    "example",
    "examples",
    "externalDocs",
    "nullable",
    "readOnly",
    "title",
    "writeOnly",
];

/// Whether a schema says nothing about values.
pub(super) fn is_remark(schema: &Value) -> bool {
    schema.as_object().is_none_or(|members| {
        members
            .keys()
            .all(|k| REMARKS.contains(&k.as_str()) || k == "xml" || k.starts_with("x-"))
    })
}

impl Fields<'_, '_> {
    /// What a schema's reference points at; a note where something stands beside it that would bind too.
    pub(super) fn behind(&mut self, schema: &Value, place: &Place) -> Result<(Value, Place), ImportError> {
        if schema.get("$ref").is_some() {
            let mut rest = schema.clone();
            if let Some(rest) = rest.as_object_mut() {
                rest.remove("$ref");
            }
            if !is_remark(&rest) {
                self.notes.push(format!(
                    "{place}: what stands beside the reference is not taken over"
                ));
            }
        }
        self.docs.follow(schema, place)
    }

    /// A schema behind its references, its `allOf` merged and `T` taken of `T or null`; `None` where a choice is left.
    pub(super) fn plain(
        &mut self,
        schema: &Value,
        place: &Place,
        above: &mut Vec<Place>,
    ) -> Result<Option<Plain>, ImportError> {
        let (schema, place) = self.behind(schema, place)?;
        if above.contains(&place) || above.len() >= DEPTH_MAX {
            return Ok(None);
        }
        above.push(place.clone());
        let found = if ["oneOf", "anyOf"].iter().any(|k| schema.get(*k).is_some()) {
            self.chosen(&schema, &place, above)
        } else if schema.get("allOf").is_some() {
            self.merged(schema, place, above)
        } else {
            Ok(Some(Plain::new(schema, place)))
        };
        above.pop();
        found
    }

    /// The one schema of a `oneOf` or `anyOf` that is left beside `null` and what cannot be opened.
    fn chosen(
        &mut self,
        schema: &Value,
        place: &Place,
        above: &mut Vec<Place>,
    ) -> Result<Option<Plain>, ImportError> {
        let mut rest = schema.clone();
        let mut null = is_true(schema, "nullable");
        let (mut open, mut broken) = (Vec::new(), None);
        for key in ["oneOf", "anyOf"] {
            for (i, choice) in list_of(schema, key).iter().enumerate() {
                if text_of(choice, "type") == "null" {
                    null = true;
                    continue;
                }
                match self.plain(choice, &place.at(key).at(&i.to_string()), above) {
                    Ok(found) => open.push(found),
                    Err(error) if error.is_limit() => return Err(error),
                    Err(error) => {
                        self.notes.push(format!("{error}; this alternative is refused"));
                        broken = Some(error);
                    }
                }
            }
            if let Some(rest) = rest.as_object_mut() {
                rest.remove(key);
            }
        }
        let only = match (open.pop(), broken) {
            (Some(only), _) if open.is_empty() => only,
            (Some(_), _) => return Ok(None),
            (None, Some(error)) => return Err(error),
            (None, None) => return Ok(None),
        };
        // What stands beside the choice binds too, and nothing here can join the two.
        if !is_remark(&rest) {
            return Ok(None);
        }
        Ok(only.map(|only| if null { only.or_null() } else { only }))
    }

    /// The objects of an `allOf` as one; or the one part that says anything.
    fn merged(
        &mut self,
        mut schema: Value,
        place: Place,
        above: &mut Vec<Place>,
    ) -> Result<Option<Plain>, ImportError> {
        let null = is_true(&schema, "nullable");
        let parts = schema
            .as_object_mut()
            .and_then(|s| s.remove("allOf"))
            .and_then(|parts| parts.as_array().cloned())
            .unwrap_or_default();
        let mut found = Vec::new();
        if !is_remark(&schema) {
            found.push(Plain::new(schema.clone(), place.clone()));
        }
        for (i, part) in parts.iter().enumerate() {
            match self.plain(part, &place.at("allOf").at(&i.to_string()), above)? {
                Some(part) if is_remark(&part.schema) => {}
                Some(part) => found.push(part),
                None => return Ok(None),
            }
        }
        if found.len() < 2 {
            let only = found.pop().unwrap_or_else(|| Plain::new(schema, place));
            return Ok(Some(if null { only.or_null() } else { only }));
        }
        let is_object = |p: &Plain| match p.schema.get("type") {
            None => p.schema.get("properties").is_some() || p.schema.get("required").is_some(),
            Some(ty) => ty == "object",
        };
        if !found.iter().all(is_object) {
            return Ok(None);
        }
        let (mut required, mut properties) = (Vec::new(), Properties::new());
        for part in found {
            required.extend(list_of(&part.schema, "required").iter().cloned());
            for (name, property, at) in part.properties {
                if let Some(given) = properties.iter_mut().find(|(n, ..)| *n == name) {
                    if given.1 != property {
                        self.notes.push(format!(
                            "{at}: `{}` is described more than once; this description counts",
                            name.escape_debug()
                        ));
                    }
                    *given = (name, property, at);
                } else {
                    properties.push((name, property, at));
                }
            }
        }
        let mut merged = schema.as_object().cloned().unwrap_or_default();
        merged.insert("type".to_owned(), Value::String("object".to_owned()));
        merged.insert("required".to_owned(), Value::Array(required));
        Ok(Some(Plain {
            schema: Value::Object(merged),
            place,
            properties,
        }))
    }
}
