//! The offline part of cargo-deny: every package of the lock file has a licence of deny.toml's list, and comes from
//! the registry or this tree. Where cargo-deny is installed it runs too.

use std::collections::{BTreeMap, BTreeSet};

use crate::step::{self, Failure};

/// Checks all dependencies.
pub(crate) fn run() -> Result<(), Failure> {
    let path = step::root().join("deny.toml");
    let list = std::fs::read_to_string(&path).map_err(|source| Failure::Io {
        path: "deny.toml".into(),
        source,
    })?;
    let (allowed, exceptions) = (allowed(&list), exceptions(&list));
    let metadata = step::metadata(&[])?;
    let packages = metadata["packages"].as_array().cloned().unwrap_or_default();
    let mut wrong = Vec::new();
    for package in &packages {
        let name = package["name"].as_str().unwrap_or("?");
        let licence = package["license"].as_str().unwrap_or("");
        let excepted = exceptions.get(name);
        if !satisfied(licence, &allowed) && !excepted.is_some_and(|more| satisfied(licence, more)) {
            wrong.push(format!("{name}: licence `{licence}` is not on the list"));
        }
        if package["source"]
            .as_str()
            .is_some_and(|s| !s.starts_with("registry+"))
        {
            wrong.push(format!("{name}: comes from {}", package["source"]));
        }
    }
    if packages.len() < 10 {
        wrong.push(format!("cargo metadata names only {} packages", packages.len()));
    }
    if !wrong.is_empty() {
        return Err(Failure::Found(format!("licences:\n  {}", wrong.join("\n  "))));
    }
    step::say(&format!(
        "── licences: {} packages, each with a licence of deny.toml",
        packages.len()
    ));
    let mut version = step::cargo_command();
    version.args(["deny", "--version"]);
    if step::probe(version)?.0 {
        return step::cargo(
            "cargo-deny",
            &["deny", "--offline", "check", "licenses", "bans", "sources"],
        );
    }
    Ok(())
}

/// The strings of `allow = [..]`.
fn allowed(text: &str) -> BTreeSet<String> {
    let list = text
        .split_once("allow = [")
        .and_then(|(_, rest)| rest.split_once(']'))
        .map_or("", |(list, _)| list);
    list.split('"').skip(1).step_by(2).map(str::to_string).collect()
}

/// The lines `{ crate = "..", allow = ["..", ..] }`: licences that one package alone may have.
fn exceptions(text: &str) -> BTreeMap<String, BTreeSet<String>> {
    text.lines()
        .filter_map(|line| line.trim().strip_prefix("{ crate = \""))
        .filter_map(|rest| rest.split_once('"'))
        .map(|(name, rest)| (name.to_string(), allowed(rest)))
        .collect()
}

/// SPDX expressions as they occur: alternatives by `OR` or `/`, of conjunctions by `AND`, parentheses around either.
fn satisfied(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let text = expression.replace('/', " OR ");
    let conjunctions = split_outside(&text, " AND ");
    conjunctions.iter().all(|part| {
        let part = part.trim();
        let inner = part
            .strip_prefix('(')
            .and_then(|p| p.strip_suffix(')'))
            .unwrap_or(part);
        if inner != part || inner.contains(" AND ") {
            return satisfied(inner, allowed);
        }
        inner.split(" OR ").any(|one| allowed.contains(one.trim()))
    })
}

/// Splits where no parenthesis is open.
fn split_outside<'t>(text: &'t str, separator: &str) -> Vec<&'t str> {
    let (mut parts, mut start, mut depth) = (Vec::new(), 0, 0i32);
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ if depth == 0 && text[at..].starts_with(separator) => {
                parts.push(&text[start..at]);
                start = at + separator.len();
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_read_as_spdx_means_them() {
        let allowed = BTreeSet::from(["MIT".to_string(), "Unicode-3.0".to_string()]);
        assert!(satisfied("MIT OR Apache-2.0", &allowed));
        assert!(satisfied("MIT/Apache-2.0", &allowed));
        assert!(satisfied("(MIT OR Apache-2.0) AND Unicode-3.0", &allowed));
        assert!(!satisfied("Apache-2.0 AND MIT", &allowed));
        assert!(!satisfied("", &allowed));
    }

    #[test]
    fn an_exception_is_for_one_package() {
        let list = "allow = [\n    \"MIT\",\n]\nexceptions = [\n    { crate = \"tool\", allow = [\"MPL-2.0\"] },\n]\n";
        assert_eq!(allowed(list), BTreeSet::from(["MIT".to_string()]));
        let only = BTreeSet::from(["MPL-2.0".to_string()]);
        assert_eq!(exceptions(list), BTreeMap::from([("tool".to_string(), only)]));
    }
}
