//! Operations -> requests in the format of vectors: one each that must be allowed, and where there is a body to be judged, one
//! whose body must be refused.
//!
//! What is expected comes from the description (which operation a path means, who may call it), not from an engine.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::gate::alternatives;
use super::operation::{Body, Operation};
use super::overlap::Overlap;
use super::path::{Part, Segment, encode, matches, sample};
use super::sample::{form_encode, samples, unquoted};
use super::security::{Credential, Security};
use super::servers::Site;

/// The lines for one service, for those operations that are not `made` yet; the notes say which have none.
pub(super) fn generate(
    service: &str,
    site: &Site,
    operations: &[Operation],
    overlaps: &[Overlap],
    security: &Security,
    made: &mut BTreeSet<String>,
    notes: &mut Vec<String>,
) -> String {
    let host = site.hosts.first().map_or("api.example.com", String::as_str);
    let mut scopes: Vec<&str> = operations
        .iter()
        .flat_map(|o| &o.grants)
        .flat_map(|g| &g.scopes)
        .map(String::as_str)
        .collect();
    scopes.sort_unstable();
    scopes.dedup();
    let scopes = scopes.join(" ");
    let mut out = String::new();
    for operation in operations {
        if !made.insert(operation.name.clone()) {
            continue;
        }
        let Some((url, segments)) = request(host, &site.base, operation) else {
            notes.push(format!(
                "{} {}: no request could be made up",
                operation.method, operation.path
            ));
            continue;
        };
        let Some(principal) = operation.grants.first().map(|g| g.principal.as_str()) else {
            continue;
        };
        let credentials = security
            .principals
            .get(principal)
            .map(Vec::as_slice)
            .unwrap_or_default();
        // All rules that grant, by the description: those whose template fits and is not left out there.
        let (mut granting, mut others): (Vec<String>, usize) = (Vec::new(), 0);
        for (other, overlap) in operations.iter().zip(overlaps) {
            let fits = other.method == operation.method
                && !overlap.shut
                && matches(&other.template.segments, &segments)
                && !overlap
                    .left_out
                    .iter()
                    .any(|c| left_out(&other.template.segments, &segments, c));
            if fits {
                let open = |p: &str| p == principal || p == "anyone";
                let is_other = other.name != operation.name;
                others += usize::from(is_other && other.grants.iter().any(|g| open(&g.principal)));
                granting.extend(
                    alternatives(other)
                        .into_iter()
                        .filter(|(_, g)| g.iter().any(|g| open(&g.principal)))
                        .map(|(n, _)| n),
                );
            }
        }
        granting.sort();
        let Some(rule) = granting.first() else { continue };
        let mut line = Map::new();
        let mut put = |key: &str, value: Value| line.insert(key.to_owned(), value);
        put("id", json!(operation.name));
        let mut sent = json!({"method": operation.method, "url": url});
        for credential in credentials {
            match credential {
                Credential::Issuer(name) => {
                    put(
                        "token",
                        json!({"issuer": name, "claims": {"sub": "u1", "scope": scopes}}),
                    );
                }
                Credential::Keys(name) => {
                    put("key", json!({"keys": name, "id": "k1", "fields": {}}));
                }
                Credential::Peers(_) => {
                    if let Some(sent) = sent.as_object_mut() {
                        sent.insert(
                            "peer".to_owned(),
                            json!({"spiffe": "spiffe://example.com/ns/default/sa/caller"}),
                        );
                    }
                }
            }
        }
        put("request", sent);
        put(
            "expect",
            json!({"effect": "allow", "rule": format!("{service}/{rule}")}),
        );
        // Of several rules every accept binds, and what all of them take is not known here.
        let bodies = samples(&operation.body).filter(|_| others == 0);
        if bodies.is_none() {
            say(&mut out, line);
            if operation.body != Body::Unsaid {
                notes.push(format!(
                    "{} {}: no body could be made up",
                    operation.method, operation.path
                ));
            }
            continue;
        }
        for sample in bodies.into_iter().flatten() {
            let mut line = line.clone();
            if let Some(Value::Object(request)) = line.get_mut("request") {
                request.insert("headers".to_owned(), json!([["content-type", sample.media_type]]));
                request.insert("body".to_owned(), json!(sample.body));
            }
            if let Some((status, detail)) = sample.refusal {
                // Two underscores cannot come from a document, so the id is free.
                line.insert("id".to_owned(), json!(format!("{}__refused", operation.name)));
                line.insert(
                    "expect".to_owned(),
                    json!({"effect": "deny", "status": status, "detail": detail}),
                );
            }
            say(&mut out, line);
        }
    }
    out
}

fn say(out: &mut String, line: Map<String, Value>) {
    out.push_str(&Value::Object(line).to_string());
    out.push('\n');
}

/// A URL for the operation, and the decoded segments of its path below the base.
fn request(host: &str, base: &str, operation: &Operation) -> Option<(String, Vec<String>)> {
    let mut segments = Vec::new();
    for segment in &operation.template.segments {
        segments.push(match segment {
            Segment::Literal(text) => text.clone(),
            Segment::Capture {
                prefix,
                name,
                kind,
                suffix,
            } => format!("{prefix}{}{suffix}", sample(name, kind)?),
        });
    }
    let path: String = segments.iter().map(|s| format!("/{}", encode(s))).collect();
    let mut query = Vec::new();
    for field in operation.query.iter().flatten().filter(|f| !f.optional) {
        query.push(format!(
            "{}={}",
            form_encode(&unquoted(&field.path)),
            form_encode(field.shape.sample.as_deref()?)
        ));
    }
    let query = if query.is_empty() {
        String::new()
    } else {
        format!("?{}", query.join("&"))
    };
    Some((format!("https://{host}{base}{path}{query}"), segments))
}

fn left_out(template: &[Segment], request: &[String], conjunction: &[(String, Part)]) -> bool {
    conjunction.iter().all(|(wanted, part)| {
        template.iter().zip(request).any(|(segment, sent)| match segment {
            Segment::Capture {
                name, prefix, suffix, ..
            } => {
                let value = sent
                    .strip_prefix(prefix.as_str())
                    .and_then(|v| v.strip_suffix(suffix.as_str()));
                name == wanted
                    && value.is_some_and(|value| match part {
                        Part::Text(text) => value == text,
                        Part::Affixes(before, behind) => value
                            .strip_prefix(before.as_str())
                            .is_some_and(|v| v.ends_with(behind.as_str())),
                        // What else it matches is not known here; such a request is not made up.
                        Part::Regex(_, example) => example.as_deref() == Some(value),
                    })
            }
            Segment::Literal(_) => false,
        })
    })
}
