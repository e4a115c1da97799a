//! Operations -> one request each that must be allowed, in the format of vectors.
//!
//! What is expected comes from the description (which operation a path means, who may call it), not from an engine.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::gate::alternatives;
use super::operation::Operation;
use super::overlap::Overlap;
use super::path::{Part, Segment, encode, matches, sample};
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
        let mut granting: Vec<String> = Vec::new();
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
        let mut line = serde_json::Map::new();
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
        out.push_str(&Value::Object(line).to_string());
        out.push('\n');
    }
    out
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
            encode_query(field.path.trim_matches('"')),
            encode_query(field.shape.sample.as_deref()?)
        ));
    }
    let query = if query.is_empty() {
        String::new()
    } else {
        format!("?{}", query.join("&"))
    };
    Some((format!("https://{host}{base}{path}{query}"), segments))
}

fn encode_query(text: &str) -> String {
    encode(text)
        .replace('&', "%26")
        .replace('=', "%3D")
        .replace('+', "%2B")
        .replace(';', "%3B")
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
