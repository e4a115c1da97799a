//! One operation of a description -> what its rules say.
//!
//! Knows parameters, bodies and who may call; nothing of other operations and nothing of policy text.

use serde_json::Value;

use super::document::{Documents, Place, is_true, list_of, text_of, texts_of};
use super::path::{Template, template};
use super::schema::{Field, Fields};
use super::security::{Grant, Security};
use super::text::{Names, quote};
use super::{ImportError, Options, scopes};

/// The methods of a path item, in the order of the rules.
pub(super) const METHODS: [&str; 8] = [
    "get", "head", "post", "put", "patch", "delete", "options", "trace",
];

/// An operation, ready to be written.
#[derive(Clone, Debug)]
pub(super) struct Operation {
    /// Upper case.
    pub(super) method: String,
    /// As the description has it.
    pub(super) path: String,
    pub(super) template: Template,
    /// Unique rule name.
    pub(super) name: String,
    pub(super) summary: String,
    pub(super) deprecated: bool,
    /// Who may call; empty: nobody yet.
    pub(super) grants: Vec<Grant>,
    /// Scopes that the prose names, with the sentence; `None` where prose was not asked.
    pub(super) prose: Option<Vec<(String, String)>>,
    /// Fields of the query, `None` where the description has none.
    pub(super) query: Option<Vec<Field>>,
    pub(super) body: Body,
}

/// What a body must be.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Body {
    #[default]
    Unsaid,
    Json(Vec<Field>),
    Form(Vec<Field>),
    Types(Vec<String>),
}

/// What all operations share.
pub(super) struct Reader<'r, 'a> {
    pub(super) docs: &'r mut Documents<'a>,
    pub(super) root: &'r Value,
    pub(super) options: &'r Options,
    pub(super) security: &'r mut Security,
    /// Names of declarations.
    pub(super) globals: &'r mut Names,
    /// Names of rules.
    pub(super) rules: &'r mut Names,
    pub(super) service: &'r str,
    pub(super) notes: &'r mut Vec<String>,
}

impl<'a> Reader<'_, 'a> {
    /// All operations, sorted by path and method.
    pub(super) fn all(&mut self) -> Result<Vec<Operation>, ImportError> {
        let root = self.root;
        let place = Place::root().at("paths");
        let paths = match root.get("paths") {
            Some(Value::Object(paths)) => paths,
            // A 3.1 document may hold webhooks or components only.
            None if root.get("openapi").is_some() => return Ok(Vec::new()),
            _ => return Err(place.error("`paths` is an object")),
        };
        let mut out = Vec::new();
        for (path, item) in paths.iter().filter(|(path, _)| !path.starts_with("x-")) {
            let (item, place) = self.docs.follow(item, &place.at(path))?;
            for method in METHODS {
                if let Some(operation) = item.get(method) {
                    if !operation.is_object() {
                        return Err(place.at(method).error("an operation is an object"));
                    }
                    out.extend(self.operation(method, path, (&item, &place), operation)?);
                }
            }
        }
        Ok(out)
    }

    fn operation(
        &mut self,
        method: &str,
        path: &str,
        (item, item_place): (&Value, &Place),
        operation: &Value,
    ) -> Result<Option<Operation>, ImportError> {
        let place = &item_place.at(method);
        let parameters = self.parameters((item, item_place), (operation, place))?;
        let schemas: Vec<(String, Value)> = parameters
            .iter()
            .filter(|(p, _)| text_of(p, "in") == "path")
            .filter_map(|(p, at)| {
                let schema = p.get("schema").unwrap_or(p);
                let schema = self.docs.follow(schema, at).map(|s| s.0).ok()?;
                Some((p.get("name")?.as_str()?.to_owned(), schema))
            })
            .collect();
        let mut notes = Vec::new();
        let find = |name: &str| schemas.iter().find(|(n, _)| n == name).map(|(_, s)| s.clone());
        let template = match template(path, &find, &mut notes) {
            Ok(template) => template,
            Err(problem) => {
                self.notes
                    .push(format!("{place}: no rule can be made: {problem}"));
                return Ok(None);
            }
        };
        self.notes
            .extend(notes.into_iter().map(|n| format!("{place}: {n}")));
        if operation.get("servers").is_some() || item.get("servers").is_some() {
            self.notes.push(format!(
                "{place}: it has servers of its own; the rule stands in the document's service"
            ));
        }
        let text = |key: &str| text_of(operation, key);
        let summary = [text("summary"), text("description")]
            .into_iter()
            .find(|t| !t.trim().is_empty())
            .unwrap_or("");
        let id = match text("operationId") {
            "" => format!("{method} {path}"),
            id => id.to_owned(),
        };
        let name = self.rules.take(&id, "op");
        let prose = self
            .options
            .scopes_from_descriptions
            .then(|| scopes::named(text("description")));
        let grants = self.grants(operation, prose.as_deref(), place)?;
        let body = self.body(operation, &parameters, place)?;
        Ok(Some(Operation {
            method: method.to_ascii_uppercase(),
            path: path.to_owned(),
            template,
            name,
            summary: summary.to_owned(),
            deprecated: is_true(operation, "deprecated"),
            grants,
            prose,
            query: self.query(&parameters)?,
            body,
        }))
    }

    /// The parameters of the path item and of the operation, the latter winning.
    fn parameters(
        &mut self,
        item: (&Value, &Place),
        operation: (&Value, &Place),
    ) -> Result<Vec<(Value, Place)>, ImportError> {
        let mut out: Vec<(Value, Place)> = Vec::new();
        for (holder, place) in [item, operation] {
            for (i, parameter) in list_of(holder, "parameters").iter().enumerate() {
                let at = place.at("parameters").at(&i.to_string());
                let (parameter, at) = self.docs.follow(parameter, &at)?;
                let key = |p: &Value| (p.get("name").cloned(), p.get("in").cloned());
                out.retain(|(p, _)| key(p) != key(&parameter));
                out.push((parameter, at));
            }
        }
        Ok(out)
    }

    fn grants(
        &mut self,
        operation: &Value,
        prose: Option<&[(String, String)]>,
        place: &Place,
    ) -> Result<Vec<Grant>, ImportError> {
        let (security, place) = match (operation.get("security"), self.root.get("security")) {
            (Some(own), _) => (own.clone(), place.at("security")),
            (None, Some(shared)) => (shared.clone(), Place::root().at("security")),
            (None, None) => {
                let Some(prose) = prose else {
                    return Ok(vec![Grant::anyone()]);
                };
                let principal = self.security.users(self.globals, self.service);
                let needed = self
                    .options
                    .weakest(prose.iter().map(|(s, _)| s.clone()).collect());
                if needed.is_empty() {
                    return Ok(vec![Grant {
                        principal,
                        scopes: Vec::new(),
                    }]);
                }
                return Ok(needed
                    .into_iter()
                    .map(|s| Grant {
                        principal: principal.clone(),
                        scopes: vec![s],
                    })
                    .collect());
            }
        };
        self.security
            .grants(self.docs, self.root, self.globals, &security, &place, self.notes)
    }

    fn query(&mut self, parameters: &[(Value, Place)]) -> Result<Option<Vec<Field>>, ImportError> {
        let mut fields = self.fields();
        for (parameter, place) in parameters {
            if text_of(parameter, "in") != "query" {
                continue;
            }
            let Some(name) = parameter.get("name").and_then(Value::as_str) else {
                return Err(place.error("a parameter has a `name`"));
            };
            if text_of(parameter, "style") == "deepObject" {
                fields.notes.push(format!(
                    "{place}: `{}` is spread over names that are not known; no query is checked",
                    name.escape_debug()
                ));
                return Ok(None);
            }
            let schema = parameter.get("schema").unwrap_or(parameter);
            let required = is_true(parameter, "required");
            fields.flat(name, schema, required, place)?;
        }
        let mut out = fields.out;
        out.sort();
        out.dedup_by(|a, b| a.path == b.path);
        Ok((!out.is_empty()).then_some(out))
    }

    fn fields(&mut self) -> Fields<'_, 'a> {
        Fields {
            docs: self.docs,
            notes: self.notes,
            out: Vec::new(),
        }
    }

    fn body(
        &mut self,
        operation: &Value,
        parameters: &[(Value, Place)],
        place: &Place,
    ) -> Result<Body, ImportError> {
        if self.root.get("swagger").is_some() {
            return self.swagger_body(operation, parameters, place);
        }
        let Some(body) = operation.get("requestBody") else {
            return Ok(Body::Unsaid);
        };
        let (body, place) = self.docs.follow(body, &place.at("requestBody"))?;
        let Some(content) = body.get("content").and_then(Value::as_object) else {
            return Ok(Body::Unsaid);
        };
        let schema_of = |media: &str| content.get(media).and_then(|m| m.get("schema"));
        let types: Vec<&String> = content.keys().collect();
        let at = |media: &str| place.at("content").at(media).at("schema");
        if let Some(media) = types.iter().find(|t| is_json(t)) {
            if types.len() > 1 {
                self.notes.push(format!(
                    "{place}: several types of body; JSON is taken, the others are refused"
                ));
            }
            return self.json(schema_of(media), &at(media));
        }
        if let (Some(media), 1) = (
            types
                .iter()
                .find(|t| essence(t) == "application/x-www-form-urlencoded"),
            types.len(),
        ) {
            let Some(schema) = schema_of(media) else {
                return Ok(Body::Types(vec![essence(media)]));
            };
            let (schema, at) = self.docs.follow(schema, &at(media))?;
            let required = texts_of(&schema, "required");
            let mut fields = self.fields();
            for (name, property) in schema
                .get("properties")
                .and_then(Value::as_object)
                .into_iter()
                .flatten()
            {
                fields.flat(
                    name,
                    property,
                    required.contains(&name.as_str()),
                    &at.at("properties").at(name),
                )?;
            }
            return Ok(form(fields.out));
        }
        Ok(self.types(types.iter().map(|t| t.as_str()), &place))
    }

    fn swagger_body(
        &mut self,
        operation: &Value,
        parameters: &[(Value, Place)],
        place: &Place,
    ) -> Result<Body, ImportError> {
        let consumes: Vec<String> = operation
            .get("consumes")
            .or_else(|| self.root.get("consumes"))
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|t| t.as_str().map(essence))
            .collect();
        let is_in = |p: &Value, what: &str| p.get("in").and_then(Value::as_str) == Some(what);
        if let Some((parameter, at)) = parameters.iter().find(|(p, _)| is_in(p, "body")) {
            if consumes.is_empty() || consumes.iter().any(|t| is_json(t)) {
                return self.json(parameter.get("schema"), &at.at("schema"));
            }
            return Ok(self.types(consumes.iter().map(String::as_str), place));
        }
        let fields: Vec<&(Value, Place)> = parameters.iter().filter(|(p, _)| is_in(p, "formData")).collect();
        if fields.is_empty() {
            return Ok(Body::Unsaid);
        }
        let file = fields.iter().any(|(p, _)| text_of(p, "type") == "file");
        if file || consumes.iter().any(|t| t == "multipart/form-data") {
            return Ok(Body::Types(vec!["multipart/form-data".to_owned()]));
        }
        let mut out = self.fields();
        for (parameter, at) in fields {
            let name = text_of(parameter, "name");
            out.flat(name, parameter, is_true(parameter, "required"), at)?;
        }
        Ok(form(out.out))
    }

    fn json(&mut self, schema: Option<&Value>, place: &Place) -> Result<Body, ImportError> {
        let free = Body::Types(vec!["application/json".to_owned()]);
        let Some(schema) = schema else { return Ok(free) };
        let mut fields = self.fields();
        if fields.body(schema, place)? {
            return Ok(Body::Json(fields.out));
        }
        self.notes.push(format!(
            "{place}: the body is free-form; only its type is checked"
        ));
        Ok(free)
    }

    fn types<'t>(&mut self, types: impl Iterator<Item = &'t str>, place: &Place) -> Body {
        let mut out: Vec<String> = Vec::new();
        for media in types {
            let media = essence(media);
            let token = |t: &str| {
                !t.is_empty()
                    && t.bytes()
                        .all(|b| b.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&b))
            };
            if media.split_once('/').is_some_and(|(a, b)| token(a) && token(b)) {
                out.push(media);
            } else {
                self.notes.push(format!(
                    "{place}: {} is no one type of body; it is not checked",
                    quote(&media)
                ));
                return Body::Unsaid;
            }
        }
        out.sort();
        out.dedup();
        if out.len() > 1 {
            self.notes
                .push(format!("{place}: several types of body; none is checked"));
            return Body::Unsaid;
        }
        if out.is_empty() {
            Body::Unsaid
        } else {
            Body::Types(out)
        }
    }
}

fn form(mut fields: Vec<Field>) -> Body {
    fields.sort();
    fields.dedup_by(|a, b| a.path == b.path);
    if fields.is_empty() {
        return Body::Types(vec!["application/x-www-form-urlencoded".to_owned()]);
    }
    Body::Form(fields)
}

fn essence(media: &str) -> String {
    media
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase()
}

fn is_json(media: &str) -> bool {
    let essence = essence(media);
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}
