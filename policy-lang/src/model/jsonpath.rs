//! JSON path text <-> steps. One reading for the checker, the compiler and whoever matches values by hand; knows no JSON
//! and no policy.

use std::fmt;

/// A step of a JSON path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum JsonStep {
    /// `name`, `"odd name"`: the member of this name.
    Member(String),
    /// `*`: one member or element.
    Any,
    /// `**`: zero or more steps through objects and arrays.
    Deep,
    /// `[]`: one element.
    Each,
    /// `[3]`: the element at this index, from 0.
    Index(u32),
}

/// Why a text is no JSON path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonPathFault {
    /// It has no step.
    Empty,
    /// `[` without `]`.
    Bracket,
    /// An index that is no u32 in its one spelling.
    Index,
    /// Two steps without a `.` between them.
    Dot,
    /// A step that is empty, or has a character that is written in quotes.
    Step,
    /// `**.**`, which says no more than `**`.
    DeepTwice,
}

impl fmt::Display for JsonPathFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            JsonPathFault::Empty => "it is empty",
            JsonPathFault::Bracket => "a bracket is not closed",
            JsonPathFault::Index => "an index is not a canonical number",
            JsonPathFault::Dot => "a `.` is missing",
            JsonPathFault::Step => "a step is empty or has an odd character",
            JsonPathFault::DeepTwice => "`**` twice in a row says no more than once",
        })
    }
}

impl std::error::Error for JsonPathFault {}

/// The steps of a path, at least one.
///
/// # Errors
///
/// The text is no path: [`JsonPathFault`].
pub fn json_steps(text: &str) -> Result<Vec<JsonStep>, JsonPathFault> {
    let mut out = Vec::new();
    let mut rest = text;
    let mut start = true;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('[') {
            let (index, after) = after.split_once(']').ok_or(JsonPathFault::Bracket)?;
            if index.is_empty() {
                out.push(JsonStep::Each);
            } else {
                match index.parse::<u32>() {
                    Ok(n) if n.to_string() == index => out.push(JsonStep::Index(n)),
                    _ => return Err(JsonPathFault::Index),
                }
            }
            rest = after;
            start = false;
            continue;
        }
        if !start {
            rest = rest.strip_prefix('.').ok_or(JsonPathFault::Dot)?;
        }
        start = false;
        let (step, after) = step(rest).ok_or(JsonPathFault::Step)?;
        if step == JsonStep::Deep && out.last() == Some(&JsonStep::Deep) {
            return Err(JsonPathFault::DeepTwice);
        }
        out.push(step);
        rest = after;
    }
    if out.is_empty() {
        return Err(JsonPathFault::Empty);
    }
    Ok(out)
}

fn step(rest: &str) -> Option<(JsonStep, &str)> {
    if let Some(after) = rest.strip_prefix("**") {
        return Some((JsonStep::Deep, after));
    }
    if let Some(after) = rest.strip_prefix('*') {
        return Some((JsonStep::Any, after));
    }
    if let Some(quoted) = rest.strip_prefix('"') {
        let mut name = String::new();
        let mut chars = quoted.char_indices();
        while let Some((i, c)) = chars.next() {
            match c {
                '"' => return Some((JsonStep::Member(name), quoted.get(i + 1..)?)),
                '\\' => name.push(chars.next().map(|(_, c)| c).filter(|c| matches!(c, '"' | '\\'))?),
                c => name.push(c),
            }
        }
        return None;
    }
    let end = rest.find(['.', '[']).unwrap_or(rest.len());
    let (name, after) = rest.split_at(end);
    (!name.is_empty() && name.chars().all(plain)).then(|| (JsonStep::Member(name.to_owned()), after))
}

fn plain(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '$' | '@')
}

/// The one spelling of a path.
pub fn json_path(steps: &[JsonStep]) -> String {
    let mut out = String::new();
    for step in steps {
        if !out.is_empty() && !matches!(step, JsonStep::Each | JsonStep::Index(_)) {
            out.push('.');
        }
        match step {
            JsonStep::Member(name) if !name.is_empty() && name.chars().all(plain) => out.push_str(name),
            JsonStep::Member(name) => {
                out.push('"');
                for c in name.chars() {
                    if matches!(c, '"' | '\\') {
                        out.push('\\');
                    }
                    out.push(c);
                }
                out.push('"');
            }
            JsonStep::Any => out.push('*'),
            JsonStep::Deep => out.push_str("**"),
            JsonStep::Each => out.push_str("[]"),
            JsonStep::Index(n) => out.push_str(&format!("[{n}]")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_one_spelling_and_a_text_that_is_none_says_why() {
        for text in [
            "a.b",
            "items[].price",
            "items[0]",
            "*.x",
            "**.ssn",
            "\"odd key\".x",
            "[][3].\"a\\\"b\"",
        ] {
            let steps = json_steps(text).unwrap_or_default();
            assert_eq!(json_path(&steps), text);
        }
        assert_eq!(json_steps("\"a\""), Ok(vec![JsonStep::Member("a".into())]));
        for (text, fault) in [
            ("", JsonPathFault::Empty),
            ("a[", JsonPathFault::Bracket),
            ("a[01]", JsonPathFault::Index),
            ("a[4294967296]", JsonPathFault::Index),
            ("a[]b", JsonPathFault::Dot),
            ("a..b", JsonPathFault::Step),
            ("a b", JsonPathFault::Step),
            ("\"a", JsonPathFault::Step),
            ("**.**", JsonPathFault::DeepTwice),
        ] {
            assert_eq!(json_steps(text), Err(fault), "{text}");
        }
    }
}
