//! A verdict -> the texts under which `expect .. with ..` may name what it obliges to, one spelling or more each.

use portcullis_base::quote::GateString;
use portcullis_vectors::Verdict;
use serde_json::Value;

/// What binds, as the language writes it: each with its spellings, the usual one first.
pub fn of(verdict: &Verdict) -> Vec<Vec<String>> {
    let mut texts = Vec::new();
    if let Some(response) = &verdict.response {
        texts.extend(
            response
                .redact
                .iter()
                .filter_map(redaction)
                .map(|text| vec![text]),
        );
        for require in response.require.iter().flatten() {
            if let Some(status) = require.get("else").and_then(Value::as_u64) {
                texts.push(vec![format!("require response else {status}")]);
            }
        }
    }
    for quota in &verdict.quotas {
        let name = quota
            .name
            .split_once("/inline:")
            .map_or(quota.name.as_str(), |(_, text)| text);
        texts.push(vec![
            format!("limit {name}"),
            format!("limit {name} cost {}", quota.cost),
            format!("limit {}", quota.name),
        ]);
    }
    if let Some(body) = &verdict.request_body {
        texts.push(vec![
            "accept body".to_string(),
            format!("accept body max {}", body.max_bytes),
        ]);
    }
    // Without a direction a header operation is about the response.
    let both = |text: String| vec![format!("response {text}"), text];
    let set = |name: &str, value: &str| format!("header {} {}", quote(name), quote(value));
    let drop = |name: &str| format!("header {}", quote(name));
    let verb = |verb: &str, texts: Vec<String>| texts.iter().map(|t| format!("{verb} {t}")).collect();
    let headers = &verdict.headers;
    texts.extend(
        headers
            .response_set
            .iter()
            .map(|(n, v)| verb("set", both(set(n, v)))),
    );
    texts.extend(
        headers
            .request_set
            .iter()
            .map(|(n, v)| vec![format!("set request {}", set(n, v))]),
    );
    texts.extend(headers.response_drop.iter().map(|n| verb("drop", both(drop(n)))));
    texts.extend(
        headers
            .request_drop
            .iter()
            .map(|n| vec![format!("drop request {}", drop(n))]),
    );
    texts.extend(verdict.tags.iter().map(|tag| vec![format!("tag {}", quote(tag))]));
    texts
}

/// Whether an expected text is among those that bind; white space outside of strings does not count.
pub fn binds(expected: &str, texts: &[Vec<String>]) -> bool {
    let expected = words(expected);
    texts.iter().flatten().any(|text| words(text) == expected)
}

/// The usual spellings.
pub fn usual(texts: &[Vec<String>]) -> impl Iterator<Item = &str> {
    texts
        .iter()
        .filter_map(|spellings| spellings.first())
        .map(String::as_str)
}

fn redaction(op: &Value) -> Option<String> {
    let text = |member: &str| op.get(member).and_then(Value::as_str);
    let number = |member: &str| op.get(member).and_then(Value::as_u64);
    let path = text("path").unwrap_or_default();
    Some(match text("op")? {
        "replace" => format!("replace {path} with {}", quote(text("with")?)),
        "mask" => match (number("keep_first"), number("keep_last")) {
            (Some(n), _) => format!("mask {path} keep first {n}"),
            (_, Some(n)) => format!("mask {path} keep last {n}"),
            _ => format!("mask {path}"),
        },
        "truncate" => format!("truncate {path} to {}", number("to")?),
        "only" => {
            let paths: Vec<&str> = op
                .get("paths")?
                .as_array()?
                .iter()
                .filter_map(Value::as_str)
                .collect();
            format!("only {{ {} }}", paths.join(", "))
        }
        op => format!("{op} {path}"),
    })
}

fn quote(text: &str) -> String {
    GateString(text).to_string()
}

/// Words and quoted strings.
fn words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let (mut quoted, mut escaped) = (false, false);
    for c in text.chars() {
        if c.is_whitespace() && !quoted {
            words.push(String::new());
            continue;
        }
        if c == '"' && !escaped {
            quoted = !quoted;
        }
        escaped = c == '\\' && !escaped;
        if let Some(word) = words.last_mut() {
            word.push(c);
        }
    }
    words.retain(|w| !w.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redactions_read_as_the_language_writes_them() {
        let op = serde_json::json!({"op": "mask", "path": "card.number", "keep_last": 4});
        assert_eq!(redaction(&op).as_deref(), Some("mask card.number keep last 4"));
        let texts = vec![vec!["tag \"a  b\"".to_string()]];
        assert!(binds("tag   \"a  b\"", &texts) && !binds("tag \"a b\"", &texts));
    }
}
