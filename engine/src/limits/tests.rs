//! The limits are documented as they are.

use super::*;
use std::fmt::Write;

/// `UPDATE_DOCS=1 cargo test` writes the page anew.
#[test]
fn the_docs_show_these_limits() {
    let mut page = String::from(
        "# Limits\n\nWritten from the engine's `limits` module.\nPast a limit a request is refused with the code, or \
         the fact or file is treated as the code says.\n\n| limit | number | unit | past it | reason |\n\
         | --- | --- | --- | --- | --- |\n",
    );
    for Limit {
        name,
        max,
        unit,
        reason,
        code,
    } in ALL
    {
        writeln!(page, "| {name} | {max} | {unit} | `{code}` | {reason} |").unwrap();
    }
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/limits.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(file, &page).unwrap();
    }
    assert_eq!(std::fs::read_to_string(file).unwrap(), page);
}

#[test]
fn every_limit_has_a_name_of_its_own_and_says_why() {
    for (i, limit) in ALL.iter().enumerate() {
        assert!(
            limit.max > 0 && !limit.reason.is_empty() && !limit.code.is_empty(),
            "{limit:?}"
        );
        assert!(ALL[..i].iter().all(|other| other.name != limit.name), "{limit:?}");
    }
}
