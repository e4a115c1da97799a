//! Foreign text -> names, strings, regexes and comments of the language, so that nothing in a document can end the
//! place it was put in.

use portcullis_base::{invisible::is_invisible, quote::GateString};
use std::collections::BTreeSet;

use portcullis_lang::parse::RESERVED;

/// First words of facts: no declaration may take them.
const FACTS: [&str; 14] = [
    "anyone",
    "body",
    "client",
    "connection",
    "context",
    "host",
    "key",
    "now",
    "path",
    "peer",
    "request",
    "response",
    "signature",
    "token",
];
/// Longest name made of foreign text.
const NAME_CHARS_MAX: usize = 64;
/// Longest comment made of foreign text.
const COMMENT_CHARS_MAX: usize = 160;

/// Names handed out once each.
#[derive(Default)]
pub(super) struct Names(BTreeSet<String>);

impl Names {
    /// `text` as a name, with a number behind it where it is taken.
    pub(super) fn take(&mut self, text: &str, fallback: &str) -> String {
        let name = word(text, fallback);
        let mut candidate = name.clone();
        let mut n = 2u32;
        while !self.0.insert(candidate.clone()) {
            candidate = format!("{name}_{n}");
            n = n.saturating_add(1);
        }
        candidate
    }
}

/// Letters, digits and single `_`, a letter first, and no word of the language.
pub(super) fn word(text: &str, fallback: &str) -> String {
    let mut out = String::new();
    for c in text.chars().take(NAME_CHARS_MAX) {
        if c.is_ascii_alphanumeric() {
            out.push(c);
        } else if !out.ends_with('_') && !out.is_empty() {
            out.push('_');
        }
    }
    let out = out.trim_end_matches('_');
    if out.is_empty() {
        return fallback.to_owned();
    }
    if out.starts_with(|c: char| c.is_ascii_digit()) || RESERVED.contains(&out) || FACTS.contains(&out) {
        return format!("{fallback}_{out}");
    }
    out.to_owned()
}

/// A string literal.
pub(super) fn quote(text: &str) -> String {
    GateString(text).to_string()
}

/// `"a", "b"`
pub(super) fn quoted<'t>(texts: impl IntoIterator<Item = &'t String>) -> String {
    texts.into_iter().map(|t| quote(t)).collect::<Vec<_>>().join(", ")
}

/// One line that can stand behind `#`.
pub(super) fn comment(text: &str) -> String {
    let mut flat = line(text);
    if flat.chars().count() > COMMENT_CHARS_MAX {
        flat = flat.chars().take(COMMENT_CHARS_MAX).collect::<String>() + " ..";
    }
    flat
}

/// Text on one line, without characters that steer a terminal.
pub(super) fn line(text: &str) -> String {
    let flat: String = text
        .chars()
        .map(|c| if is_invisible(c) { ' ' } else { c })
        .collect();
    flat.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Literal text in a glob.
pub(super) fn glob(text: &str) -> String {
    text.replace('\\', "\\\\").replace('*', "\\*")
}

/// Literal text in a regex; a quote cannot be written raw.
pub(super) fn regex_literal(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '\'' => out.push_str("\\x27"),
            c if c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '/' | '=' | '@' | '!') => out.push(c),
            c if c.is_ascii_punctuation() => out.extend(['\\', c]),
            c if c.is_ascii() => out.push_str(&format!("\\x{:02X}", u32::from(c))),
            // Regexes are over bytes, so a character outside ASCII is its bytes.
            c => c
                .encode_utf8(&mut [0; 4])
                .bytes()
                .for_each(|b| out.push_str(&format!("\\x{b:02X}"))),
        }
    }
    out
}

/// A `pattern` of JSON Schema as an anchored regex of ours, `None` where the dialect has no such regex.
pub(super) fn pattern(text: &str) -> Option<String> {
    if text.chars().any(is_invisible) || !text.is_ascii() {
        return None;
    }
    let after = text.strip_prefix('^');
    let inner = after.unwrap_or(text);
    let ends = inner.ends_with('$') && !inner.ends_with("\\$");
    let core = if ends {
        inner.strip_suffix('$').unwrap_or(inner)
    } else {
        inner
    };
    if (after.is_some() || ends) && alternates_at_top(core) {
        return None;
    }
    let mut regex = core.replace('\'', "\\x27").replace("\\/", "/");
    if after.is_none() || !ends {
        let (before, behind) = (
            if after.is_none() { ".*" } else { "" },
            if ends { "" } else { ".*" },
        );
        regex = format!("{before}(?:{regex}){behind}");
    }
    speaks(&regex).then_some(regex)
}

/// `^a|b$` anchors each side on its own; whether it is of that form.
fn alternates_at_top(regex: &str) -> bool {
    let (mut depth, mut class, mut escaped) = (0i32, false, false);
    for c in regex.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            ']' => class = false,
            _ if class => {}
            '[' => class = true,
            '(' => depth += 1,
            ')' => depth -= 1,
            '|' if depth == 0 => return true,
            _ => {}
        }
    }
    false
}

/// Whether the language takes the regex: it is asked, so that there is one answer.
fn speaks(regex: &str) -> bool {
    checks(&format!(
        "service s {{ allow anyone to GET /a when request.host matches '{regex}'; }}"
    ))
}

/// Whether the checker takes a policy of these declarations.
pub(super) fn checks(declarations: &str) -> bool {
    let policy = format!("gate 1;\n{declarations}\n");
    portcullis_lang::check::load_text(&policy).policy.is_some()
}
