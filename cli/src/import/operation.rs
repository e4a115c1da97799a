//! One operation of a description -> what its rules say.
//!
//! Knows parameters, bodies and who may call; nothing of other operations and nothing of policy text. An operation
//! that cannot be read as a whole is kept without grants, so that no wider template grants what is its.

use serde_json::Value;

use super::document::{CHAIN_MAX, Documents, Place, circle, is_true, list_of, text_of};
use super::path::{Template, template};
use super::schema::{Field, Fields, Whole};
use super::security::{Grant, Security};
use super::servers::{self, Site};
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
    /// Where it is served, where that is not where the document is.
    pub(super) sites: Option<Vec<Site>>,
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
    /// Where the document is served.
    pub(super) sites: &'r [Site],
}

/// A value with the place it stands at.
type Placed = (Value, Place);

/// Members that bind nothing, so that they may stand beside a reference to an operation.
fn is_remark(member: &str) -> bool {
    matches!(member, "summary" | "description" | "tags" | "operationId") || member.starts_with("x-")
}

impl<'a> Reader<'_, 'a> {
    /// All operations, sorted by path and method.
    pub(super) fn all(&mut self) -> Result<Vec<Operation>, ImportError> {
        let place = Place::root().at("paths");
        let (paths, place) = match self.root.get("paths") {
            // A 3.1 document may hold webhooks or components only.
            None if self.root.get("openapi").is_some() => return Ok(Vec::new()),
            None => return Err(place.error("`paths` is an object")),
            Some(paths) => match self.docs.follow(paths, &place) {
                Ok(found) => found,
                Err(error) if error.is_limit() => return Err(error),
                Err(error) => {
                    self.notes.push(format!("{error}; nothing is granted"));
                    return Ok(Vec::new());
                }
            },
        };
        let Some(paths) = paths.as_object() else {
            return Err(place.error("`paths` is an object"));
        };
        let mut out = Vec::new();
        for (path, item) in paths.iter().filter(|(path, _)| !path.starts_with("x-")) {
            let place = place.at(path);
            let Some(items) = self.items(item, &place)? else {
                // Which methods it has is not known, so no wider template may grant any.
                for method in METHODS {
                    out.extend(self.ungranted(method, path, &place));
                }
                continue;
            };
            for (item, place) in &items {
                let known =
                    |k: &str| METHODS.contains(&k) || matches!(k, "parameters" | "servers") || is_remark(k);
                let members = item.as_object().into_iter().flatten();
                for (odd, _) in members.filter(|(k, _)| !known(k)) {
                    self.notes
                        .push(format!("{}: it is not taken over", place.at(odd)));
                }
            }
            for method in METHODS {
                let mut having = items.iter().filter_map(|(i, p)| Some((i.get(method)?, p)));
                let Some((operation, at)) = having.next() else {
                    continue;
                };
                let at = at.at(method);
                if having.next().is_some() {
                    self.notes.push(format!(
                        "{at}: the operation stands beside a reference to another one; it is not granted"
                    ));
                    out.extend(self.ungranted(method, path, &at));
                    continue;
                }
                out.extend(self.operation(method, path, &items, (operation, &at))?);
            }
        }
        Ok(out)
    }

    /// A path item and what its reference points at, the innermost first; `None` where it cannot be read.
    fn items(&mut self, item: &Value, place: &Place) -> Result<Option<Vec<Placed>>, ImportError> {
        let outer = place;
        let (mut item, mut place) = (item.clone(), place.clone());
        let mut out = Vec::new();
        for _ in 0..CHAIN_MAX {
            if !item.is_object() {
                let error = place.error("a path item is an object");
                self.notes.push(format!("{error}; nothing of {outer} is granted"));
                return Ok(None);
            }
            let next = match self.docs.step(&item, &place) {
                Ok(next) => next,
                Err(error) if error.is_limit() => return Err(error),
                Err(error) => {
                    self.notes.push(format!("{error}; nothing of {outer} is granted"));
                    return Ok(None);
                }
            };
            if let Some(members) = item.as_object_mut() {
                members.remove("$ref");
            }
            out.push((item, place));
            match next {
                Some(found) => (item, place) = found,
                None => {
                    out.reverse();
                    return Ok(Some(out));
                }
            }
        }
        let error = circle(outer);
        self.notes
            .push(format!("{error}; nothing of the path is granted"));
        Ok(None)
    }

    /// An operation behind its reference; `None` where it cannot be read.
    fn described(&mut self, operation: &Value, place: &Place) -> Result<Option<Placed>, ImportError> {
        let beside = operation
            .as_object()
            .filter(|o| o.contains_key("$ref"))
            .is_some_and(|o| o.keys().any(|k| k != "$ref" && !is_remark(k)));
        let why = match self.docs.follow(operation, place) {
            Err(error) if error.is_limit() => return Err(error),
            Err(error) => error.to_string(),
            Ok(_) if beside => format!("{place}: a reference to an operation stands beside a description"),
            Ok((found, _)) if !found.is_object() => format!("{place}: an operation is an object"),
            Ok(found) => return Ok(Some(found)),
        };
        self.notes
            .push(format!("{why}; the operation at {place} is not granted"));
        Ok(None)
    }

    /// An operation that keeps its template from others and that no rule grants.
    fn ungranted(&mut self, method: &str, path: &str, place: &Place) -> Option<Operation> {
        let mut notes = Vec::new();
        let template = match template(path, &|_| None, &mut notes) {
            Ok(template) => template,
            Err(problem) => {
                self.notes
                    .push(format!("{place}: no rule can be made: {problem}"));
                return None;
            }
        };
        Some(Operation {
            method: method.to_ascii_uppercase(),
            path: path.to_owned(),
            template,
            name: self.rules.take(&format!("{method} {path}"), "op"),
            summary: String::new(),
            deprecated: false,
            grants: Vec::new(),
            prose: None,
            query: None,
            body: Body::Unsaid,
            sites: None,
        })
    }

    fn operation(
        &mut self,
        method: &str,
        path: &str,
        items: &[Placed],
        (operation, place): (&Value, &Place),
    ) -> Result<Option<Operation>, ImportError> {
        let Some((operation, place)) = self.described(operation, place)? else {
            return Ok(self.ungranted(method, path, place));
        };
        let (operation, place) = (&operation, &place);
        let mut holders: Vec<(&Value, &Place)> = items.iter().map(|(i, p)| (i, p)).collect();
        holders.push((operation, place));
        let (Some(parameters), Some(sites)) = (self.parameters(&holders)?, self.served(&holders)) else {
            return Ok(self.ungranted(method, path, place));
        };
        let mut schemas: Vec<(String, Value)> = Vec::new();
        for (parameter, at) in parameters.iter().filter(|(p, _)| text_of(p, "in") == "path") {
            let (schema, at) = match parameter.get("schema") {
                Some(schema) => (schema, at.at("schema")),
                None => (parameter, at.clone()),
            };
            match self.docs.follow(schema, &at) {
                Ok((schema, _)) => schemas.push((text_of(parameter, "name").to_owned(), schema)),
                Err(error) if error.is_limit() => return Err(error),
                Err(error) => {
                    self.notes.push(format!("{error}; the operation is not granted"));
                    return Ok(self.ungranted(method, path, place));
                }
            }
        }
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
        let mut grants = self.grants(operation, prose.as_deref(), place)?;
        let body = self.body(operation, &parameters, place)?;
        let query = self.query(&parameters)?;
        let (body, query) = match (body, query) {
            (Some(body), Some(query)) => (body, query),
            _ => {
                self.notes.push(format!(
                    "{place}: what it takes cannot be read; the operation is not granted"
                ));
                grants.clear();
                (Body::Unsaid, None)
            }
        };
        Ok(Some(Operation {
            method: method.to_ascii_uppercase(),
            path: path.to_owned(),
            template,
            name,
            summary: summary.to_owned(),
            deprecated: is_true(operation, "deprecated"),
            grants,
            prose,
            query,
            body,
            sites,
        }))
    }

    /// The parameters of the path items and of the operation, the latter winning; `None` where one cannot be read.
    fn parameters(&mut self, holders: &[(&Value, &Place)]) -> Result<Option<Vec<Placed>>, ImportError> {
        let mut out: Vec<Placed> = Vec::new();
        for (holder, place) in holders {
            let at = place.at("parameters");
            if holder.get("parameters").is_some_and(|p| !p.is_array()) {
                self.notes.push(format!(
                    "{at}: `parameters` is not a list; the operation is not granted"
                ));
                return Ok(None);
            }
            let mut own: Vec<Placed> = Vec::new();
            for (i, parameter) in list_of(holder, "parameters").iter().enumerate() {
                let at = at.at(&i.to_string());
                let why = match self.docs.follow(parameter, &at) {
                    Err(error) if error.is_limit() => return Err(error),
                    Err(error) => error.to_string(),
                    Ok((parameter, at)) => {
                        let same = |p: &Value| {
                            p.get("name") == parameter.get("name") && p.get("in") == parameter.get("in")
                        };
                        let twice = own.iter().any(|(p, _)| same(p));
                        if parameter.get("name").is_some_and(Value::is_string) && !twice {
                            out.retain(|(p, _)| !same(p));
                            own.push((parameter, at));
                            continue;
                        }
                        let what = if twice {
                            "stands there twice"
                        } else {
                            "has a `name`"
                        };
                        format!("{at}: a parameter {what}")
                    }
                };
                self.notes
                    .push(format!("{why}; the operation with {at} is not granted"));
                return Ok(None);
            }
            out.extend(own);
        }
        for (parameter, at) in &out {
            let name = text_of(parameter, "name").to_ascii_lowercase();
            // By OpenAPI the first three say nothing as parameters; the last one every body has.
            let said = matches!(
                name.as_str(),
                "accept" | "authorization" | "content-type" | "content-length"
            );
            if matches!(text_of(parameter, "in"), "header" | "cookie")
                && is_true(parameter, "required")
                && !said
            {
                self.notes.push(format!(
                    "{at}: the {} `{}` is not asked for",
                    text_of(parameter, "in"),
                    text_of(parameter, "name").escape_debug()
                ));
            }
        }
        Ok(Some(out))
    }

    /// The sites of the innermost holder that names any: `Some(None)` is the document's, `None` what cannot be read.
    fn served(&mut self, holders: &[(&Value, &Place)]) -> Option<Option<Vec<Site>>> {
        let own = holders.iter().rev().find(|(h, _)| {
            h.get("servers")
                .is_some_and(|s| s.as_array().is_none_or(|s| !s.is_empty()))
        });
        let Some((holder, place)) = own else {
            return Some(None);
        };
        let before = self.notes.len();
        let sites = servers::listed(holder, place, self.notes);
        let anywhere = |sites: &[Site]| sites.iter().any(|s| s.hosts.is_empty());
        if sites.is_empty() || self.notes.len() > before || (anywhere(&sites) && !anywhere(self.sites)) {
            self.notes.push(format!(
                "{}: where it is served is not known; the operation is not granted",
                place.at("servers")
            ));
            return None;
        }
        Some(Some(sites))
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
        self.security.grants(
            self.docs,
            self.root,
            self.globals,
            (&security, &place),
            self.notes,
        )
    }

    /// The fields of the query; `None` where it cannot be read.
    fn query(&mut self, parameters: &[Placed]) -> Result<Option<Option<Vec<Field>>>, ImportError> {
        let mut fields = self.fields();
        let mut any = false;
        for (parameter, place) in parameters {
            if text_of(parameter, "in") != "query" {
                continue;
            }
            any = true;
            let name = text_of(parameter, "name");
            if text_of(parameter, "style") == "deepObject" {
                fields.notes.push(format!(
                    "{place}: `{}` is spread over names that are not known; no query is checked",
                    name.escape_debug()
                ));
                return Ok(Some(None));
            }
            let required = is_true(parameter, "required");
            match parameter.get("schema") {
                Some(schema) => {
                    let at = place.at("schema");
                    fields.flat(name, (schema, &at), required, parameter)?;
                }
                None => fields.flat(name, (parameter, place), required, parameter)?,
            }
        }
        if fields.shut {
            return Ok(None);
        }
        let mut out = fields.out;
        out.sort();
        out.dedup_by(|a, b| a.path == b.path);
        Ok(Some(any.then_some(out)))
    }

    fn fields(&mut self) -> Fields<'_, 'a> {
        Fields {
            docs: self.docs,
            notes: self.notes,
            out: Vec::new(),
            shut: false,
        }
    }

    /// What the body must be; `None` where it cannot be read.
    fn body(
        &mut self,
        operation: &Value,
        parameters: &[Placed],
        place: &Place,
    ) -> Result<Option<Body>, ImportError> {
        if self.root.get("swagger").is_some() {
            return self.swagger_body(operation, parameters, place);
        }
        let Some(body) = operation.get("requestBody") else {
            return Ok(Some(Body::Unsaid));
        };
        let place = place.at("requestBody");
        let (body, place) = match self.docs.follow(body, &place) {
            Ok(found) => found,
            Err(error) if error.is_limit() => return Err(error),
            Err(error) => {
                self.notes.push(error.to_string());
                return Ok(None);
            }
        };
        let Some(content) = body.get("content").and_then(Value::as_object) else {
            self.notes
                .push(format!("{place}: a body without `content` is not checked"));
            return Ok(Some(Body::Unsaid));
        };
        let mut media = Vec::new();
        for (name, described) in content {
            let at = place.at("content").at(name);
            match self.docs.follow(described, &at) {
                Ok((described, at)) => media.push((name.as_str(), described, at)),
                Err(error) if error.is_limit() => return Err(error),
                Err(error) => {
                    self.notes.push(error.to_string());
                    return Ok(None);
                }
            }
        }
        if let Some((_, described, at)) = media.iter().find(|(t, ..)| is_json(t)) {
            if media.len() > 1 {
                self.notes.push(format!(
                    "{place}: several types of body; JSON is taken, the others are refused"
                ));
            }
            return self.json(described.get("schema"), &at.at("schema"));
        }
        match media.as_slice() {
            [(name, described, at)] if essence(name) == "application/x-www-form-urlencoded" => {
                match described.get("schema") {
                    Some(schema) => self.form(schema, &at.at("schema"), described.get("encoding")),
                    None => Ok(Some(Body::Types(vec![essence(name)]))),
                }
            }
            _ => Ok(Some(self.types(media.iter().map(|(t, ..)| *t), &place))),
        }
    }

    fn form(
        &mut self,
        schema: &Value,
        place: &Place,
        encoding: Option<&Value>,
    ) -> Result<Option<Body>, ImportError> {
        let mut fields = self.fields();
        let Some((required, properties)) = fields.properties(schema, place)? else {
            return Ok(if fields.shut { None } else { Some(free_form()) });
        };
        for (name, property, at) in &properties {
            let how = encoding.and_then(|e| e.get(name)).unwrap_or(&Value::Null);
            fields.flat(name, (property, at), required.contains(name), how)?;
        }
        let (shut, out) = (fields.shut, fields.out);
        Ok((!shut).then(|| form(out, !properties.is_empty())))
    }

    fn swagger_body(
        &mut self,
        operation: &Value,
        parameters: &[Placed],
        place: &Place,
    ) -> Result<Option<Body>, ImportError> {
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
            return Ok(Some(self.types(consumes.iter().map(String::as_str), place)));
        }
        let fields: Vec<&Placed> = parameters.iter().filter(|(p, _)| is_in(p, "formData")).collect();
        if fields.is_empty() {
            return Ok(Some(Body::Unsaid));
        }
        let file = fields.iter().any(|(p, _)| text_of(p, "type") == "file");
        if file || consumes.iter().any(|t| t == "multipart/form-data") {
            return Ok(Some(Body::Types(vec!["multipart/form-data".to_owned()])));
        }
        let mut out = self.fields();
        for (parameter, at) in fields {
            let name = text_of(parameter, "name");
            out.flat(name, (parameter, at), is_true(parameter, "required"), parameter)?;
        }
        let (shut, out) = (out.shut, out.out);
        Ok((!shut).then(|| form(out, true)))
    }

    fn json(&mut self, schema: Option<&Value>, place: &Place) -> Result<Option<Body>, ImportError> {
        let free = Body::Types(vec!["application/json".to_owned()]);
        let Some(schema) = schema else {
            return Ok(Some(free));
        };
        let mut fields = self.fields();
        let whole = fields.body(schema, place)?;
        let (shut, out) = (fields.shut, fields.out);
        if shut {
            return Ok(None);
        }
        if whole == Whole::Closed {
            return Ok(Some(Body::Json(out)));
        }
        self.notes.push(format!(
            "{place}: the body is free-form; only its type is checked"
        ));
        Ok(Some(free))
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

/// A form of fields; `closed` where the description names any, though none may be left.
fn form(mut fields: Vec<Field>, closed: bool) -> Body {
    fields.sort();
    fields.dedup_by(|a, b| a.path == b.path);
    if fields.is_empty() && !closed {
        return free_form();
    }
    Body::Form(fields)
}

fn free_form() -> Body {
    Body::Types(vec!["application/x-www-form-urlencoded".to_owned()])
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
