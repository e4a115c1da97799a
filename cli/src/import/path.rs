//! A path template of a description -> a path of the language, and what can be said about where two of them meet.
//!
//! Knows templates and parameters' schemas, nothing of operations.

use std::cmp::Ordering;

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
    /// Several parameters with text between them: the regex, and an example.
    Joined(String, String),
}

/// What an integer is in a path.
const INT: &str = "(?:0|-?[1-9][0-9]*)";
/// What a UUID is in a path.
const UUID: &str = "[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}";

/// A piece of a segment as the description has it.
enum Piece<'t> {
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
            parts.push(Piece::Text(before));
        }
        parts.push(Piece::Parameter(name));
        rest = after;
    }
    if !rest.is_empty() {
        parts.push(Piece::Text(rest));
    }
    match parts.as_slice() {
        [] => Ok(Segment::Literal(String::new())),
        [Piece::Text(text)] => literal(text, true).map(Segment::Literal),
        [Piece::Parameter(name)] => Ok(capture("", name, "", schema, names, notes)),
        [Piece::Text(prefix), Piece::Parameter(name)] => {
            Ok(capture(&literal(prefix, false)?, name, "", schema, names, notes))
        }
        [Piece::Parameter(name), Piece::Text(suffix)] => {
            Ok(capture("", name, &literal(suffix, true)?, schema, names, notes))
        }
        [Piece::Text(prefix), Piece::Parameter(name), Piece::Text(suffix)] => Ok(capture(
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
        if ["allOf", "oneOf", "anyOf", "not", "enum", "const"]
            .iter()
            .any(|k| schema.get(*k).is_some())
        {
            notes.push(format!(
                "what `{}` may hold is not taken over; any text is taken",
                parameter.escape_debug()
            ));
        }
        return Kind::Text;
    };
    match pattern(text) {
        Some(regex) => Kind::Regex(regex, None),
        None => {
            notes.push(format!(
                "the pattern of `{}` is no regex of the language; any text is taken",
                parameter.escape_debug()
            ));
            Kind::Text
        }
    }
}

/// Several parameters in one segment become one capture with a regex.
fn joined(
    parts: &[Piece<'_>],
    schema: &dyn Fn(&str) -> Option<Value>,
    names: &mut Names,
) -> Result<Segment, String> {
    let (mut regex, mut example, mut name) = (String::new(), String::new(), Vec::new());
    for part in parts {
        match part {
            Piece::Text(text) => {
                let text = literal(text, false)?;
                regex.push_str(&regex_literal(&text));
                example.push_str(&text);
            }
            Piece::Parameter(parameter) => {
                let kind = schema(parameter).map_or(Kind::Text, |s| kind(parameter, &s, &mut Vec::new()));
                regex.push_str(&match &kind {
                    Kind::Text => ".+".to_owned(),
                    Kind::Int => INT.to_owned(),
                    Kind::Uuid => UUID.to_owned(),
                    Kind::Regex(regex, _) | Kind::Joined(regex, _) => format!("(?:{regex})"),
                });
                example.push_str(&sample(parameter, &kind).unwrap_or_else(|| "x".to_owned()));
                name.push(*parameter);
            }
        }
    }
    Ok(Segment::Capture {
        prefix: String::new(),
        name: names.take(&name.join("_"), "p"),
        kind: Kind::Joined(regex, example),
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
                Kind::Regex(regex, _) | Kind::Joined(regex, _) => format!(":'{regex}'"),
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
        Kind::Joined(_, example) => Some(example.clone()),
    }
}

/// What another template says of one capture of this one.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Part {
    /// It is this text.
    Text(String),
    /// It starts and ends so.
    Affixes(String, String),
    /// It matches a regex; and an example.
    Regex(String, Option<String>),
}

/// Which of two templates is meant where both fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meant {
    /// This one: it is more concrete in some segment, and in none less.
    This,
    /// The other one.
    Other,
    /// A description does not say.
    Either,
}

/// How another template meets this one.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Meeting {
    pub(super) meant: Meant,
    /// Those paths of this template that the other one takes too, by this one's captures: all of these hold there.
    /// It may say more paths than the other one takes, never fewer; empty: all of them.
    pub(super) common: Vec<(String, Part)>,
}

/// How `other` meets `this`; `None` where no path is in both, as far as literals and types tell.
///
/// A description finds the template by its text, whatever the parameters' schemas say: so types count only where two
/// templates are the same but for them.
pub(super) fn meet(this: &[Segment], other: &[Segment]) -> Option<Meeting> {
    if this.len() != other.len() {
        return None;
    }
    let (mut by_text, mut by_type) = (Compared::default(), Compared::default());
    for (a, b) in this.iter().zip(other) {
        match (a, b) {
            (Segment::Literal(x), Segment::Literal(y)) if x == y => {}
            (Segment::Literal(_), Segment::Literal(_)) => return None,
            (Segment::Capture { name, kind, .. }, Segment::Literal(text)) => {
                let value = taken(a, text)?;
                // A UUID is compared in lower case.
                let value = if *kind == Kind::Uuid {
                    value.to_lowercase()
                } else {
                    value
                };
                by_text.common.push((name.clone(), Part::Text(value)));
                by_text.less = true;
            }
            (Segment::Literal(text), Segment::Capture { .. }) => {
                taken(b, text)?;
                by_text.more = true;
            }
            (
                Segment::Capture {
                    prefix,
                    name,
                    kind,
                    suffix,
                },
                Segment::Capture {
                    prefix: p,
                    kind: k,
                    suffix: s,
                    ..
                },
            ) => {
                let (ours, theirs) = ((prefix, kind, suffix), (p, k, s));
                let compared = if is_plain(ours) && is_plain(theirs) {
                    &mut by_type
                } else {
                    &mut by_text
                };
                compared.rank(ours, theirs);
                let part = both(ours, theirs)?;
                compared.common.extend(part.map(|part| (name.clone(), part)));
            }
        }
    }
    let found = if by_text.less || by_text.more {
        by_text
    } else {
        by_type
    };
    let meant = match (found.less, found.more) {
        (true, false) => Meant::Other,
        (false, true) => Meant::This,
        _ => Meant::Either,
    };
    let common = found.common;
    Some(Meeting { meant, common })
}

/// Two templates, as far as they were compared.
#[derive(Default)]
struct Compared {
    common: Vec<(String, Part)>,
    /// Some segment of this template is less concrete than the other's.
    less: bool,
    /// Some is more concrete.
    more: bool,
}

impl Compared {
    fn rank(&mut self, this: Affixed<'_>, other: Affixed<'_>) {
        // The longer text around a parameter is the more concrete one.
        let within = |a: Affixed<'_>, b: Affixed<'_>| {
            a.1 == b.1 && b.0.starts_with(a.0.as_str()) && b.2.ends_with(a.2.as_str())
        };
        let (less, more) = match rank(this).cmp(&rank(other)) {
            _ if this == other => (false, false),
            Ordering::Less => (true, false),
            Ordering::Greater => (false, true),
            Ordering::Equal if within(this, other) => (true, false),
            Ordering::Equal if within(other, this) => (false, true),
            // Which is meant of two that differ in the same way is not known.
            Ordering::Equal => (true, true),
        };
        self.less |= less;
        self.more |= more;
    }
}

type Affixed<'s> = (&'s String, &'s Kind, &'s String);

/// Whether the segment is one parameter and no text.
fn is_plain((prefix, kind, suffix): Affixed<'_>) -> bool {
    prefix.is_empty() && suffix.is_empty() && !matches!(kind, Kind::Joined(..))
}

/// The more concrete, the larger.
fn rank((prefix, kind, suffix): Affixed<'_>) -> u8 {
    match kind {
        Kind::Joined(..) => 3,
        _ if !prefix.is_empty() || !suffix.is_empty() => 3,
        Kind::Regex(..) => 2,
        Kind::Int | Kind::Uuid => 1,
        Kind::Text => 0,
    }
}

/// What the second capture says of the first one's value: `None` where they never meet, `Some(None)` where nothing can
/// be said of it.
fn both((prefix, kind, suffix): Affixed<'_>, (p, k, s): Affixed<'_>) -> Option<Option<Part>> {
    let apart = |a: bool, b: bool| !a && !b;
    if apart(prefix.starts_with(p.as_str()), p.starts_with(prefix.as_str()))
        || apart(suffix.ends_with(s.as_str()), s.ends_with(suffix.as_str()))
    {
        return None;
    }
    let rest = p
        .strip_prefix(prefix.as_str())
        .zip(s.strip_suffix(suffix.as_str()));
    let foreign = |text: &str| match kind {
        Kind::Int => text.contains(|c: char| !c.is_ascii_digit() && c != '-'),
        Kind::Uuid => text.contains(|c: char| !c.is_ascii_hexdigit() && c != '-'),
        Kind::Text | Kind::Regex(..) | Kind::Joined(..) => false,
    };
    let is_text = matches!(kind, Kind::Text | Kind::Regex(..) | Kind::Joined(..));
    match rest {
        Some(("", "")) => match (kind, k) {
            (a, b) if a == b => Some(None),
            (Kind::Int, Kind::Uuid) | (Kind::Uuid, Kind::Int) => None,
            (_, other) if is_text => Some(regex(other).map(|(r, e)| Part::Regex(r, e))),
            _ => Some(None),
        },
        Some((before, behind)) if foreign(before) || foreign(behind) => None,
        Some((before, behind)) if is_text => Some(Some(Part::Affixes(before.to_owned(), behind.to_owned()))),
        _ => Some(None),
    }
}

/// The regex of a capture that does not take everything, with an example.
fn regex(kind: &Kind) -> Option<(String, Option<String>)> {
    match kind {
        Kind::Text => None,
        Kind::Int => Some((INT.to_owned(), sample("", kind))),
        Kind::Uuid => Some((UUID.to_owned(), sample("", kind))),
        Kind::Regex(regex, example) => Some((regex.clone(), example.clone())),
        Kind::Joined(regex, example) => Some((regex.clone(), Some(example.clone()))),
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
        Kind::Text | Kind::Regex(..) | Kind::Joined(..) => !value.is_empty(),
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
                kind: Kind::Regex(_, Some(example)) | Kind::Joined(_, example),
                prefix,
                suffix,
                ..
            } => *text == format!("{prefix}{example}{suffix}"),
            capture => taken(capture, text).is_some(),
        })
}
