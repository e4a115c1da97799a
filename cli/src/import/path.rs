//! A path template of a description -> a path of the language, and what can be said about where two of them meet.
//!
//! Knows templates and parameters' schemas, nothing of operations.

use serde_json::Value;

use super::document::{decode, text_of};
use super::text::{Names, pattern, regex_literal};

/// A template as the language has it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Template {
    /// Ready to stand in a rule.
    pub(super) text: String,
    /// Its segments; a last empty literal is a trailing slash.
    pub(super) segments: Vec<Segment>,
}

/// One segment, decoded.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Segment {
    /// Exactly this.
    Literal(String),
    /// A capture between affixes.
    Capture {
        prefix: String,
        name: String,
        kind: Kind,
        suffix: String,
    },
}

/// What a capture takes.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    Text,
    Int,
    Uuid,
    /// The regex, and an example where one can be made.
    Regex(String, Option<String>),
}

/// A part of a segment as the description has it.
enum Part<'t> {
    Text(&'t str),
    Parameter(&'t str),
}

/// Reads a template. `schema` gives a path parameter's schema. The notes say what could not be taken over.
pub(super) fn template(
    path: &str,
    schema: &dyn Fn(&str) -> Option<Value>,
    notes: &mut Vec<String>,
) -> Result<Template, String> {
    let below = path.strip_prefix('/').ok_or("a path starts with `/`")?;
    let mut names = Names::default();
    let mut segments = Vec::new();
    let parts = split(below)?;
    let last = parts.len().saturating_sub(1);
    for (i, part) in parts.iter().enumerate() {
        if part.is_empty() && i < last {
            return Err("no request has an empty segment inside its path".to_owned());
        }
        segments.push(segment(part, schema, &mut names, notes)?);
    }
    let text = segments.iter().map(|s| format!("/{}", print(s))).collect();
    Ok(Template { text, segments })
}

/// Splits at `/` outside braces: some put regexes or slashes into them.
fn split(below: &str) -> Result<Vec<&str>, String> {
    let (mut parts, mut start, mut depth) = (Vec::new(), 0, 0u32);
    for (i, c) in below.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => {
                depth = depth
                    .checked_sub(1)
                    .ok_or("a brace is closed that was not opened")?
            }
            '/' if depth == 0 => {
                parts.push(below.get(start..i).unwrap_or_default());
                start = i + 1;
            }
            _ => {}
        }
        if depth > 1 {
            return Err("braces within braces".to_owned());
        }
    }
    if depth > 0 {
        return Err("a brace is not closed".to_owned());
    }
    parts.push(below.get(start..).unwrap_or_default());
    Ok(parts)
}

fn segment(
    text: &str,
    schema: &dyn Fn(&str) -> Option<Value>,
    names: &mut Names,
    notes: &mut Vec<String>,
) -> Result<Segment, String> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').ok_or("a brace is not closed")?;
        if !before.is_empty() {
            parts.push(Part::Text(before));
        }
        parts.push(Part::Parameter(name));
        rest = after;
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest));
    }
    match parts.as_slice() {
        [] => Ok(Segment::Literal(String::new())),
        [Part::Text(text)] => literal(text, true).map(Segment::Literal),
        [Part::Parameter(name)] => Ok(capture("", name, "", schema, names, notes)),
        [Part::Text(prefix), Part::Parameter(name)] => {
            Ok(capture(&literal(prefix, false)?, name, "", schema, names, notes))
        }
        [Part::Parameter(name), Part::Text(suffix)] => {
            Ok(capture("", name, &literal(suffix, true)?, schema, names, notes))
        }
        [Part::Text(prefix), Part::Parameter(name), Part::Text(suffix)] => Ok(capture(
            &literal(prefix, false)?,
            name,
            &literal(suffix, true)?,
            schema,
            names,
            notes,
        )),
        many => joined(many, schema, names),
    }
}

fn capture(
    prefix: &str,
    parameter: &str,
    suffix: &str,
    schema: &dyn Fn(&str) -> Option<Value>,
    names: &mut Names,
    notes: &mut Vec<String>,
) -> Segment {
    let kind = schema(parameter).map_or(Kind::Text, |s| kind(parameter, &s, notes));
    Segment::Capture {
        prefix: prefix.to_owned(),
        name: names.take(parameter, "p"),
        kind,
        suffix: suffix.to_owned(),
    }
}

fn kind(parameter: &str, schema: &Value, notes: &mut Vec<String>) -> Kind {
    let word = |key: &str| text_of(schema, key);
    match (word("type"), word("format")) {
        ("integer", _) => return Kind::Int,
        ("string", "uuid") => return Kind::Uuid,
        _ => {}
    }
    let choices: Option<Vec<&str>> = schema
        .get("enum")
        .and_then(Value::as_array)
        .and_then(|e| e.iter().map(Value::as_str).collect());
    if let Some(choices) = choices.filter(|c| !c.is_empty()) {
        let regex = choices
            .iter()
            .map(|c| regex_literal(c))
            .collect::<Vec<_>>()
            .join("|");
        return Kind::Regex(regex, choices.first().map(|c| (*c).to_owned()));
    }
    let Some(text) = schema.get("pattern").and_then(Value::as_str) else {
        return Kind::Text;
    };
    match pattern(text) {
        Some(regex) => Kind::Regex(regex, None),
        None => {
            notes.push(format!(
                "the pattern of `{parameter}` is no regex of the language; any text is taken"
            ));
            Kind::Text
        }
    }
}

/// Several parameters in one segment become one capture with a regex.
fn joined(
    parts: &[Part<'_>],
    schema: &dyn Fn(&str) -> Option<Value>,
    names: &mut Names,
) -> Result<Segment, String> {
    let (mut regex, mut example, mut name) = (String::new(), String::new(), Vec::new());
    for part in parts {
        match part {
            Part::Text(text) => {
                let text = literal(text, false)?;
                regex.push_str(&regex_literal(&text));
                example.push_str(&text);
            }
            Part::Parameter(parameter) => {
                let kind = schema(parameter).map_or(Kind::Text, |s| kind(parameter, &s, &mut Vec::new()));
                regex.push_str(&match &kind {
                    Kind::Text => ".+".to_owned(),
                    Kind::Int => "(?:0|-?[1-9][0-9]*)".to_owned(),
                    Kind::Uuid => "[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}".to_owned(),
                    Kind::Regex(regex, _) => format!("(?:{regex})"),
                });
                example.push_str(&sample(parameter, &kind).unwrap_or_else(|| "x".to_owned()));
                name.push(*parameter);
            }
        }
    }
    Ok(Segment::Capture {
        prefix: String::new(),
        name: names.take(&name.join("_"), "p"),
        kind: Kind::Regex(regex, Some(example)),
        suffix: String::new(),
    })
}

/// Literal text of a segment, decoded; an error where no normalised request can have it.
fn literal(text: &str, ends: bool) -> Result<String, String> {
    let decoded = decode(text).ok_or_else(|| format!("`{text}` is not percent-encoded text"))?;
    if text.contains(['?', '#']) {
        return Err("a path has no query and no fragment".to_owned());
    }
    let never =
        |c: char| c.is_control() || matches!(c, '/' | '\\' | ';' | '\u{2044}' | '\u{2215}' | '\u{ff0f}');
    let twice = decoded.contains('%') && decode(&decoded).is_none_or(|d| d != decoded);
    if decoded.contains(never) || twice || (ends && decoded.ends_with(['.', ' '])) {
        return Err(format!(
            "requests with `{}` in their path are malformed",
            decoded.escape_debug()
        ));
    }
    Ok(decoded)
}

/// A segment as it stands in policy text.
fn print(segment: &Segment) -> String {
    match segment {
        Segment::Literal(text) => encode(text),
        Segment::Capture {
            prefix,
            name,
            kind,
            suffix,
        } => {
            let kind = match kind {
                Kind::Text => String::new(),
                Kind::Int => ":int".to_owned(),
                Kind::Uuid => ":uuid".to_owned(),
                Kind::Regex(regex, _) => format!(":'{regex}'"),
            };
            format!("{}{{{name}{kind}}}{}", encode(prefix), encode(suffix))
        }
    }
}

/// The canonical spelling of decoded text.
pub(super) fn encode(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte <= b' ' || byte >= 0x7f || b"%\"'#?\\{}*|,".contains(&byte) {
            out.push_str(&format!("%{byte:02X}"));
        } else {
            out.push(char::from(byte));
        }
    }
    out
}

/// A value for a parameter, `None` where a regex gives no hint.
pub(super) fn sample(name: &str, kind: &Kind) -> Option<String> {
    match kind {
        Kind::Text => Some(format!("{}-1", name.replace('_', "-"))),
        Kind::Int => Some("1".to_owned()),
        Kind::Uuid => Some("6f1c1f0e-6b1f-4a34-9c51-0f5d0b8f6a10".to_owned()),
        Kind::Regex(_, example) => example.clone(),
    }
}

/// How two templates of one method meet.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Meeting {
    /// No path is in both, as far as literals and types tell.
    Apart,
    /// The other one is this one with literals for captures, and what is left is no wider: each such capture's name,
    /// and the literal. Leaving these literals out may leave out more than the other one takes, never less.
    Inside(Vec<(String, Kind, String)>),
    /// Some paths may be in both.
    Crossing,
}

/// How `other` meets `this`.
pub(super) fn meet(this: &[Segment], other: &[Segment]) -> Meeting {
    if this.len() != other.len() {
        return Meeting::Apart;
    }
    let (mut inside, mut crossing) = (Vec::new(), false);
    for (a, b) in this.iter().zip(other) {
        match (a, b) {
            (Segment::Literal(x), Segment::Literal(y)) if x == y => {}
            (Segment::Literal(_), Segment::Literal(_)) => return Meeting::Apart,
            (Segment::Capture { name, kind, .. }, Segment::Literal(text)) => match taken(a, text) {
                Some(value) => inside.push((name.clone(), kind.clone(), value)),
                None => return Meeting::Apart,
            },
            (Segment::Literal(text), Segment::Capture { .. }) => match taken(b, text) {
                Some(_) => crossing = true,
                None => return Meeting::Apart,
            },
            (
                Segment::Capture {
                    prefix, kind, suffix, ..
                },
                Segment::Capture {
                    prefix: p,
                    kind: k,
                    suffix: s,
                    ..
                },
            ) => {
                let takes_all = prefix.is_empty() && suffix.is_empty() && *kind == Kind::Text;
                if !takes_all && (prefix != p || suffix != s || kind != k) {
                    crossing = true;
                }
            }
        }
    }
    match (crossing, inside.is_empty()) {
        (false, false) => Meeting::Inside(inside),
        _ => Meeting::Crossing,
    }
}

/// What a capture holds where the segment is `text`, `None` where it does not match. A regex is taken to match.
fn taken(capture: &Segment, text: &str) -> Option<String> {
    let Segment::Capture {
        prefix, kind, suffix, ..
    } = capture
    else {
        return None;
    };
    let value = text
        .strip_prefix(prefix.as_str())?
        .strip_suffix(suffix.as_str())?;
    let fits = match kind {
        Kind::Text | Kind::Regex(..) => !value.is_empty(),
        Kind::Int => value.parse::<i64>().is_ok_and(|n| n.to_string() == value),
        Kind::Uuid => value.len() == 36,
    };
    fits.then(|| value.to_owned())
}

/// Whether decoded segments of a request match; a regex is taken to match its own example only.
pub(super) fn matches(template: &[Segment], request: &[String]) -> bool {
    template.len() == request.len()
        && template.iter().zip(request).all(|(segment, text)| match segment {
            Segment::Literal(literal) => literal == text,
            Segment::Capture {
                kind: Kind::Regex(_, Some(example)),
                prefix,
                suffix,
                ..
            } => *text == format!("{prefix}{example}{suffix}"),
            capture => taken(capture, text).is_some(),
        })
}
