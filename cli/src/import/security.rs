//! `security` and its schemes -> principals with the scopes they need, and the declarations behind them.
//!
//! Knows credentials, nothing of paths. A scheme the language has no credential for makes no principal, so that the
//! operation stays shut until its author decides.

use std::collections::BTreeMap;

use serde_json::Value;

use super::ImportError;
use super::document::{Documents, Place, text_of};
use super::text::{Names, quote, quoted};

/// Who may call, and with which scopes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Grant {
    /// Name of a principal, or `anyone`.
    pub(super) principal: String,
    /// All of them are needed; sorted.
    pub(super) scopes: Vec<String>,
}

impl Grant {
    /// Nobody in particular.
    pub(super) fn anyone() -> Grant {
        Grant {
            principal: "anyone".to_owned(),
            scopes: Vec::new(),
        }
    }
}

/// What a scheme became.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Credential {
    Issuer(String),
    Keys(String),
    Peers(String),
}

/// The declarations of one import.
pub(super) struct Security {
    /// Issuer URL to write instead of placeholders.
    issuer_url: Option<String>,
    implies: Vec<(String, Vec<String>)>,
    /// Scheme -> what it became; `None` where the language has nothing like it.
    schemes: BTreeMap<String, Option<Credential>>,
    /// Principal -> its credentials.
    pub(super) principals: BTreeMap<String, Vec<Credential>>,
    by_schemes: BTreeMap<Vec<String>, Option<String>>,
    declarations: BTreeMap<String, String>,
    /// Placeholder files, name and text.
    pub(super) files: BTreeMap<String, String>,
}

impl Security {
    pub(super) fn new(issuer_url: Option<String>, implies: Vec<(String, Vec<String>)>) -> Security {
        Security {
            issuer_url,
            implies,
            schemes: BTreeMap::new(),
            principals: BTreeMap::new(),
            by_schemes: BTreeMap::new(),
            declarations: BTreeMap::new(),
            files: BTreeMap::new(),
        }
    }

    /// The declarations, sorted by name, principals last.
    pub(super) fn print(&self) -> String {
        let mut out: String = self.declarations.values().cloned().collect();
        for (name, credentials) in &self.principals {
            let anchors: Vec<String> = credentials
                .iter()
                .map(|c| match c {
                    Credential::Issuer(name) => format!("token from {name}"),
                    Credential::Keys(name) => format!("key from {name}"),
                    Credential::Peers(name) => format!("peer from {name}"),
                })
                .collect();
            out.push_str(&format!("principal {name} = {};\n", anchors.join(" and ")));
        }
        out
    }

    /// The grants of a `security` value: one for each alternative that the language can say. What cannot be read
    /// grants nothing, and is named in a note.
    pub(super) fn grants(
        &mut self,
        docs: &mut Documents<'_>,
        root: &Value,
        names: &mut Names,
        (security, place): (&Value, &Place),
        notes: &mut Vec<String>,
    ) -> Result<Vec<Grant>, ImportError> {
        let Some(alternatives) = security.as_array() else {
            notes.push(format!("{place}: `security` is not a list; nothing is granted"));
            return Ok(Vec::new());
        };
        if alternatives.is_empty() {
            return Ok(vec![Grant::anyone()]);
        }
        let mut out = Vec::new();
        for (i, alternative) in alternatives.iter().enumerate() {
            let place = place.at(&i.to_string());
            match self.alternative(docs, root, names, (alternative, &place), notes)? {
                Ok(grant) => out.push(grant),
                Err(why) => notes.push(format!("{place}: {why}; the alternative is left out")),
            }
        }
        out.sort();
        out.dedup();
        Ok(out)
    }

    /// One alternative: a principal with all its schemes and scopes, or why there is none.
    fn alternative(
        &mut self,
        docs: &mut Documents<'_>,
        root: &Value,
        names: &mut Names,
        (alternative, place): (&Value, &Place),
        notes: &mut Vec<String>,
    ) -> Result<Result<Grant, String>, ImportError> {
        let Some(schemes) = alternative.as_object() else {
            return Ok(Err("a requirement is an object".to_owned()));
        };
        let mut scopes: Vec<String> = Vec::new();
        for (scheme, wanted) in schemes {
            if let Err(error) = self.scheme(docs, root, names, scheme, &place.at(scheme), notes) {
                if error.is_limit() {
                    return Err(error);
                }
                self.schemes.insert(scheme.clone(), None);
                notes.push(error.to_string());
            }
            let texts: Option<Vec<&str>> = wanted
                .as_array()
                .and_then(|w| w.iter().map(Value::as_str).collect());
            let Some(texts) = texts else {
                return Ok(Err(format!(
                    "the scopes of `{}` are not a list of texts",
                    scheme.escape_debug()
                )));
            };
            match self.schemes.get(scheme) {
                Some(Some(Credential::Issuer(_))) => scopes.extend(texts.into_iter().map(str::to_owned)),
                Some(Some(_)) if !texts.is_empty() => {
                    return Ok(Err(format!(
                        "`{}` carries no scopes, and some are asked for",
                        scheme.escape_debug()
                    )));
                }
                _ => {}
            }
        }
        let odd = |s: &&String| {
            s.is_empty()
                || !s
                    .bytes()
                    .all(|b| (0x21..0x7f).contains(&b) && b != b'"' && b != b'\\')
        };
        if let Some(odd) = scopes.iter().find(odd) {
            return Ok(Err(format!("`{}` cannot be a scope", odd.escape_debug())));
        }
        scopes.sort();
        scopes.dedup();
        let schemes: Vec<String> = schemes.keys().cloned().collect();
        Ok(self
            .principal(names, &schemes)
            .map(|principal| Grant { principal, scopes })
            .ok_or_else(|| format!("no principal can be made of {}", quoted(&schemes))))
    }

    /// A principal of an issuer that no scheme declares, for documents that say who may call in prose only.
    pub(super) fn users(&mut self, names: &mut Names, service: &str) -> String {
        let key = vec![String::new()];
        if let Some(Some(known)) = self.by_schemes.get(&key) {
            return known.clone();
        }
        let name = names.take(&format!("{service}_users"), "users");
        self.issuer(
            &name,
            "No scheme is declared; these are the callers' tokens.",
            None,
        );
        self.schemes.insert(String::new(), Some(Credential::Issuer(name)));
        self.principal(names, &key).unwrap_or_else(|| "anyone".to_owned())
    }

    fn principal(&mut self, names: &mut Names, schemes: &[String]) -> Option<String> {
        if schemes.is_empty() {
            return Some("anyone".to_owned());
        }
        if let Some(known) = self.by_schemes.get(schemes) {
            return known.clone();
        }
        let credentials: Option<Vec<Credential>> = schemes
            .iter()
            .map(|s| self.schemes.get(s).cloned().flatten())
            .collect();
        let kind = |c: &Credential| std::mem::discriminant(c);
        let principal = credentials
            // One of each kind may come on one request, two of one kind may not.
            .filter(|c| {
                c.iter()
                    .enumerate()
                    .all(|(i, a)| c.iter().skip(i + 1).all(|b| kind(a) != kind(b)))
            })
            .map(|credentials| {
                let name = credentials
                    .iter()
                    .map(|c| match c {
                        Credential::Issuer(name) | Credential::Keys(name) | Credential::Peers(name) => {
                            name.as_str()
                        }
                    })
                    .collect::<Vec<_>>()
                    .join("_and_");
                let name = names.take(&format!("{name}_caller"), "caller");
                self.principals.insert(name.clone(), credentials);
                name
            });
        self.by_schemes.insert(schemes.to_vec(), principal.clone());
        principal
    }

    fn scheme(
        &mut self,
        docs: &mut Documents<'_>,
        root: &Value,
        names: &mut Names,
        name: &str,
        used: &Place,
        notes: &mut Vec<String>,
    ) -> Result<(), ImportError> {
        if self.schemes.contains_key(name) {
            return Ok(());
        }
        let holder = if root.get("swagger").is_some() {
            Place::root().at("securityDefinitions")
        } else {
            Place::root().at("components").at("securitySchemes")
        };
        // The name is data in a reference too: what would be undone there is escaped.
        let target = format!("#{}", holder.at(name).pointer).replace('%', "%25");
        let reference = Value::Object([("$ref".to_owned(), Value::String(target))].into_iter().collect());
        let (scheme, place) = docs.follow(&reference, &Place::root()).map_err(|error| {
            if error.is_limit() {
                return error;
            }
            used.error(format!(
                "no security scheme `{}` can be read: {error}",
                name.escape_debug()
            ))
        })?;
        let word = |key: &str| text_of(&scheme, key);
        let id = names.take(name, "scheme");
        let what = format!(
            "The scheme {} of the document.",
            quote(&super::text::comment(name))
        );
        let credential = match (
            word("type"),
            word("scheme").to_ascii_lowercase().as_str(),
            word("in"),
        ) {
            ("oauth2", ..) => Some(self.issuer(&id, &what, None)),
            ("openIdConnect", ..) => {
                let url = word("openIdConnectUrl").trim_end_matches(".well-known/openid-configuration");
                Some(self.issuer(&id, &what, Some(url).filter(|u| !u.is_empty())))
            }
            ("http", "bearer", _) => Some(self.issuer(&id, &what, None)),
            ("apiKey", _, at @ ("header" | "cookie")) => {
                self.declarations.insert(
                    id.clone(),
                    format!(
                        "## {what} The host verifies them, as long as no `file` and `secret` are named.\nkeys {id} {{ {at} {}; }}\n\n",
                        quote(word("name"))
                    ),
                );
                Some(Credential::Keys(id.clone()))
            }
            ("mutualTLS", ..) => {
                self.declarations.insert(
                    id.clone(),
                    format!("## {what}\npeers {id} {{ trust \"example.com\"; }}\n\n"),
                );
                Some(Credential::Peers(id.clone()))
            }
            (kind, scheme, at) => {
                let kind = [kind, scheme, at]
                    .into_iter()
                    .filter(|w| !w.is_empty())
                    .collect::<Vec<_>>()
                    .join(" ");
                notes.push(format!(
                    "{place}: the language has no credential like `{}`",
                    kind.escape_debug()
                ));
                None
            }
        };
        self.schemes.insert(name.to_owned(), credential);
        Ok(())
    }

    fn issuer(&mut self, id: &str, what: &str, url: Option<&str>) -> Credential {
        let url = match (&self.issuer_url, url) {
            // Issuer URLs are unique, so only one issuer gets the given one.
            (Some(given), _) if !self.declarations.values().any(|d| d.contains(&quote(given))) => {
                given.clone()
            }
            (_, Some(url)) if !self.declarations.values().any(|d| d.contains(&quote(url))) => url.to_owned(),
            _ => format!(
                "https://{}.example.com/",
                id.to_ascii_lowercase().replace('_', "-")
            ),
        };
        let implies: String = self
            .implies
            .iter()
            .map(|(scope, implied)| format!("  scope {} implies {};\n", quote(scope), quoted(implied)))
            .collect();
        self.declarations.insert(
            id.to_owned(),
            format!(
                "## {what} Put the provider's own URL, audience and keys here.\nissuer {id} {{\n  url {};\n  algorithms ES256, RS256;\n  keys \"{id}.jwks.json\";\n{implies}}}\n\n",
                quote(&url)
            ),
        );
        self.files
            .insert(format!("{id}.jwks.json"), super::NO_KEYS.to_owned());
        Credential::Issuer(id.to_owned())
    }
}
