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

    /// The grants of a `security` value: one for each alternative that the language can say.
    pub(super) fn grants(
        &mut self,
        docs: &mut Documents<'_>,
        root: &Value,
        names: &mut Names,
        security: &Value,
        place: &Place,
        notes: &mut Vec<String>,
    ) -> Result<Vec<Grant>, ImportError> {
        let Some(alternatives) = security.as_array() else {
            return Err(place.error("`security` is a list"));
        };
        if alternatives.is_empty() {
            return Ok(vec![Grant::anyone()]);
        }
        let mut out = Vec::new();
        for (i, alternative) in alternatives.iter().enumerate() {
            let place = place.at(&i.to_string());
            let Some(schemes) = alternative.as_object() else {
                return Err(place.error("a requirement is an object"));
            };
            let mut scopes: Vec<String> = Vec::new();
            for (scheme, wanted) in schemes {
                self.scheme(docs, root, names, scheme, &place.at(scheme), notes)?;
                if matches!(self.schemes.get(scheme), Some(Some(Credential::Issuer(_)))) {
                    let wanted = wanted.as_array().into_iter().flatten().filter_map(Value::as_str);
                    scopes.extend(wanted.map(str::to_owned));
                }
            }
            if let Some(odd) = scopes.iter().find(|s| {
                s.is_empty()
                    || !s
                        .bytes()
                        .all(|b| (0x21..0x7f).contains(&b) && b != b'"' && b != b'\\')
            }) {
                notes.push(format!(
                    "`{}` at {place} can not be a scope; the alternative is left out",
                    odd.escape_debug()
                ));
                continue;
            }
            scopes.sort();
            scopes.dedup();
            let schemes: Vec<String> = schemes.keys().cloned().collect();
            match self.principal(names, &schemes) {
                Some(principal) => out.push(Grant { principal, scopes }),
                None => notes.push(format!(
                    "{place}: no principal can be made of {}; the alternative is left out",
                    quoted(&schemes)
                )),
            }
        }
        out.sort();
        out.dedup();
        Ok(out)
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
        let (holder, place) = if root.get("swagger").is_some() {
            (
                root.get("securityDefinitions"),
                Place::root().at("securityDefinitions"),
            )
        } else {
            (
                root.pointer("/components/securitySchemes"),
                Place::root().at("components").at("securitySchemes"),
            )
        };
        let Some(scheme) = holder.and_then(|h| h.get(name)) else {
            return Err(used.error(format!(
                "no security scheme `{}` is declared",
                name.escape_debug()
            )));
        };
        let (scheme, place) = docs.follow(scheme, &place.at(name))?;
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
                        "## {what}\nkeys {id} {{ {at} {}; file \"{id}.keys.json\"; }}\n\n",
                        quote(word("name"))
                    ),
                );
                self.files
                    .insert(format!("{id}.keys.json"), "{\"keys\": []}\n".to_owned());
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
            .insert(format!("{id}.jwks.json"), "{\"keys\": []}\n".to_owned());
        Credential::Issuer(id.to_owned())
    }
}
