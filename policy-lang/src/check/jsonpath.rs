//! JSON path text -> steps and the canonical spelling.

use super::literals::{Bad, bad};

/// A step of a JSON path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// `name`, `"odd name"`
    Member(String),
    /// `*`
    Any,
    /// `**`
    Deep,
    /// `[]`
    Each,
    /// `[3]`
    Index(u32),
}

/// The steps of a path.
pub(super) fn steps(text: &str) -> Result<Vec<Step>, Bad> {
    let wrong = |why: &str| {
        bad(
            "G0507",
            format!("`{text}` is not a JSON path: {why}"),
            "write `a.b`, `items[].price`, `items[0]`, `*.x`, `**.ssn` or `\"odd key\".x`",
        )
    };
    let mut out = Vec::new();
    let mut rest = text;
    let mut start = true;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('[') {
            let Some((index, after)) = after.split_once(']') else {
                return wrong("a bracket is not closed");
            };
            if index.is_empty() {
                out.push(Step::Each);
            } else {
                match index.parse::<u32>() {
                    Ok(n) if n.to_string() == index => out.push(Step::Index(n)),
                    _ => return wrong("an index is not a canonical number"),
                }
            }
            rest = after;
            start = false;
            continue;
        }
        if !start {
            let Some(after) = rest.strip_prefix('.') else {
                return wrong("a `.` is missing");
            };
            rest = after;
        }
        start = false;
        let (step, after) = match step(rest) {
            Some(found) => found,
            None => return wrong("a step is empty or has an odd character"),
        };
        if step == Step::Deep && out.last() == Some(&Step::Deep) {
            return wrong("`**` twice in a row says no more than once");
        }
        out.push(step);
        rest = after;
    }
    if out.is_empty() {
        wrong("it is empty")
    } else {
        Ok(out)
    }
}

fn step(rest: &str) -> Option<(Step, &str)> {
    if let Some(after) = rest.strip_prefix("**") {
        return Some((Step::Deep, after));
    }
    if let Some(after) = rest.strip_prefix('*') {
        return Some((Step::Any, after));
    }
    if let Some(quoted) = rest.strip_prefix('"') {
        let mut name = String::new();
        let mut chars = quoted.char_indices();
        while let Some((i, c)) = chars.next() {
            match c {
                '"' => return Some((Step::Member(name), quoted.get(i + 1..)?)),
                '\\' => name.push(chars.next().map(|(_, c)| c).filter(|c| matches!(c, '"' | '\\'))?),
                c => name.push(c),
            }
        }
        return None;
    }
    let end = rest.find(['.', '[']).unwrap_or(rest.len());
    let (name, after) = rest.split_at(end);
    (!name.is_empty() && name.chars().all(plain)).then(|| (Step::Member(name.to_owned()), after))
}

fn plain(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '$' | '@')
}

/// The one spelling of a path.
pub(super) fn print(steps: &[Step]) -> String {
    let mut out = String::new();
    for step in steps {
        if !out.is_empty() && !matches!(step, Step::Each | Step::Index(_)) {
            out.push('.');
        }
        match step {
            Step::Member(name) if !name.is_empty() && name.chars().all(plain) => out.push_str(name),
            Step::Member(name) => {
                out.push('"');
                for c in name.chars() {
                    if matches!(c, '"' | '\\') {
                        out.push('\\');
                    }
                    out.push(c);
                }
                out.push('"');
            }
            Step::Any => out.push('*'),
            Step::Deep => out.push_str("**"),
            Step::Each => out.push_str("[]"),
            Step::Index(n) => out.push_str(&format!("[{n}]")),
        }
    }
    out
}

/// The canonical spelling of a path as written.
pub(super) fn canonical(text: &str) -> Result<String, Bad> {
    steps(text).map(|s| print(&s))
}
