//! Pages that repeat what the code says: diagnostics and limits. `UPDATE_DOCS=1` writes the latter anew.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use portcullis_lang::check::{self, limits};
use portcullis_lang::parse;

use crate::markdown::fences;
use crate::root;

#[test]
fn the_page_of_diagnostics_has_each_code_once_in_order() {
    let page = std::fs::read_to_string(root().join("docs/diagnostics.md")).unwrap();
    let headings: Vec<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("### "))
        .collect();
    let codes: Vec<String> = parse::CODES
        .iter()
        .chain(check::CODES)
        .map(|(code, what)| format!("{code}: {what}"))
        .collect();
    let missing: Vec<&String> = codes.iter().filter(|c| !headings.contains(&c.as_str())).collect();
    let stale: Vec<&&str> = headings
        .iter()
        .filter(|h| !codes.iter().any(|c| c == *h))
        .collect();
    assert!(
        missing.is_empty() && stale.is_empty(),
        "missing: {missing:#?}\nnot in the code: {stale:#?}"
    );
    assert_eq!(headings, codes, "in the order of the code");
}

#[test]
fn each_entry_of_a_warning_names_it_as_comments_do() {
    let page = std::fs::read_to_string(root().join("docs/diagnostics.md")).unwrap();
    for (code, name) in check::LINTS {
        let entry = page
            .split("### ")
            .find(|entry| entry.starts_with(code))
            .unwrap_or("");
        assert!(entry.contains(&format!("`{name}`")), "{code} is called `{name}`");
    }
}

#[test]
fn most_diagnostics_are_shown_by_a_sample() {
    let page = std::fs::read_to_string(root().join("docs/diagnostics.md")).unwrap();
    let fences = fences(&page);
    let shown: BTreeSet<&str> = fences
        .iter()
        .filter_map(|f| f.attribute("error").or_else(|| f.attribute("warning")))
        .collect();
    assert!(shown.len() >= 80, "{} codes have a sample", shown.len());
}

#[test]
fn the_page_of_policy_limits_is_that_of_the_code() {
    let rows: [(&str, u64, &str, &str, &str); 13] = [
        (
            "file",
            parse::FILE_BYTES_MAX as u64,
            "bytes",
            "G0003",
            "a policy is text that people read",
        ),
        (
            "files",
            limits::MAX_FILES as u64,
            "files",
            "G0805",
            "bounds what imports can pull in",
        ),
        (
            "condition depth",
            limits::MAX_CONDITION_DEPTH as u64,
            "levels",
            "G0801",
            "named conditions expanded",
        ),
        (
            "condition size",
            limits::MAX_CONDITION_ATOMS as u64,
            "atoms",
            "G0802",
            "named conditions expanded",
        ),
        (
            "regex",
            limits::MAX_REGEX_BYTES as u64,
            "bytes",
            "G0803",
            "as written",
        ),
        (
            "regex steps",
            limits::MAX_REGEX_STEPS,
            "steps",
            "G0803",
            "with its repetitions written out",
        ),
        (
            "regex groups",
            u64::from(limits::MAX_REGEX_NESTING),
            "levels",
            "G0803",
            "bounds what a reader must remember",
        ),
        (
            "path pattern",
            limits::MAX_SEGMENTS as u64,
            "segments",
            "G0804",
            "longer requests are refused anyway",
        ),
        (
            "data file",
            limits::MAX_JSON_DEPTH as u64,
            "levels",
            "G0611",
            "bounds what a reader must remember",
        ),
        (
            "quota amount",
            limits::MAX_AMOUNT,
            "",
            "G0303",
            "2^53 is exact in every JSON reader",
        ),
        (
            "quota period, shortest",
            seconds(limits::MIN_PERIOD_US),
            "s",
            "G0513",
            "shorter ones are bursts",
        ),
        (
            "quota period, longest",
            seconds(limits::MAX_PERIOD_US),
            "s",
            "G0513",
            "400 days",
        ),
        (
            "leeway",
            seconds(limits::MAX_LEEWAY_US),
            "s",
            "G0607",
            "more than clocks drift is a longer token",
        ),
    ];
    let mut page = String::from(
        "# Limits of policies\n\nWritten from the language's `limits` module; those of requests stand in \
         [limits.md](limits.md).\nPast a limit the policy does not compile, with the code as its error.\nNested \
         brackets and chains of `not` are bounded too (`G0004`), and one load shows at most ",
    );
    let _ = writeln!(
        page,
        "{} errors.\n\n| limit | number | unit | past it | reason |\n| --- | --- | --- | --- | --- |",
        limits::MAX_ERRORS
    );
    for (name, number, unit, code, reason) in rows {
        assert!(
            parse::CODES.iter().chain(check::CODES).any(|c| c.0 == code),
            "{code}"
        );
        let _ = writeln!(page, "| {name} | {number} | {unit} | `{code}` | {reason} |");
    }
    let file = root().join("docs/policy-limits.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&file, &page).unwrap();
    }
    assert_eq!(std::fs::read_to_string(file).unwrap(), page);
}

fn seconds(us: i64) -> u64 {
    us.unsigned_abs() / 1_000_000
}
