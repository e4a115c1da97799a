//! Pages about the language against its code: every diagnostic has an entry whose sample shows it, and the table of
//! limits is the code's (`UPDATE_DOCS=1` writes it anew). Knows Markdown as headings and fences.

use portcullis_lang::Files;
use portcullis_lang::check::{self, limits};
use portcullis_lang::parse;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;

fn page(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../docs")
        .join(name)
}

/// The entries of the page of diagnostics: heading and text.
fn entries(text: &str) -> Vec<(&str, &str)> {
    text.split("\n### ")
        .skip(1)
        .filter_map(|entry| entry.split_once('\n'))
        .collect()
}

/// The sample of an entry: the word behind `gate`, and the text.
fn sample(entry: &str) -> Option<(&str, &str)> {
    let (_, rest) = entry.split_once("```gate ")?;
    let (info, rest) = rest.split_once('\n')?;
    Some((info, rest.split_once("\n```")?.0))
}

/// The files that samples name.
struct SideFiles;

impl Files for SideFiles {
    fn read(&self, name: &str) -> Option<Vec<u8>> {
        match name {
            "plans.json" => Some(b"{}".to_vec()),
            "partners.keys" => Some(Vec::new()),
            "empty.key" => Some(b"\n".to_vec()),
            "i.jwks.json" => Some(b"{\"keys\":[]}".to_vec()),
            "hook.key" => Some(vec![b'k'; 32]),
            "revoked.txt" => Some(b"x\n".to_vec()),
            _ => None,
        }
    }
}

#[test]
fn every_diagnostic_has_its_entry_in_order() {
    let text = std::fs::read_to_string(page("diagnostics.md")).unwrap();
    let headings: Vec<&str> = entries(&text).into_iter().map(|entry| entry.0).collect();
    let codes: Vec<String> = parse::CODES
        .iter()
        .chain(check::CODES)
        .map(|(code, what)| format!("{code}: {what}"))
        .collect();
    assert_eq!(headings, codes);
    for (code, name) in check::LINTS {
        let entry = entries(&text)
            .into_iter()
            .find(|e| e.0.starts_with(code))
            .unwrap();
        assert!(
            entry.1.contains(&format!("`{name}`")),
            "{code} is called `{name}`"
        );
    }
}

#[test]
fn every_sample_of_a_diagnostic_shows_it() {
    let text = std::fs::read_to_string(page("diagnostics.md")).unwrap();
    let mut wrong = Vec::new();
    let mut samples = 0;
    for (heading, entry) in entries(&text) {
        let Some((info, sample)) = sample(entry) else {
            continue;
        };
        samples += 1;
        let code = heading.split(':').next().unwrap_or("");
        let bytes = format!("{sample}\n").into_bytes();
        let checked = check::load(&[("policy.gate".to_owned(), bytes)], &SideFiles);
        let found: BTreeSet<&str> = checked.diagnostics.iter().map(|d| d.code).collect();
        let is_error = !code.starts_with('W');
        let marked = if is_error {
            info == format!("error={code}")
        } else {
            info == "warning"
        };
        if !marked || !found.contains(code) || checked.policy.is_some() == is_error {
            wrong.push(format!("{heading} ({info}): {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(samples >= 80, "only {samples} diagnostics have a sample");
}

#[test]
fn the_table_of_limits_is_the_codes() {
    let seconds = |us: i64| us.unsigned_abs() / 1_000_000;
    let many = "bounds what a reader must remember";
    let rows: [(&str, u64, &str, &str, &str); 13] = [
        (
            "file",
            parse::FILE_BYTES_MAX as u64,
            "bytes",
            "G0003",
            "policies are read by people",
        ),
        (
            "files",
            limits::MAX_FILES as u64,
            "files",
            "G0805",
            "bounds what imports pull in",
        ),
        (
            "condition depth",
            limits::MAX_CONDITION_DEPTH as u64,
            "levels",
            "G0801",
            "names expanded",
        ),
        (
            "condition size",
            limits::MAX_CONDITION_ATOMS as u64,
            "atoms",
            "G0802",
            "names expanded",
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
            "repetitions written out",
        ),
        (
            "regex groups",
            u64::from(limits::MAX_REGEX_NESTING),
            "levels",
            "G0803",
            many,
        ),
        (
            "path pattern",
            limits::MAX_SEGMENTS as u64,
            "segments",
            "G0804",
            "longer requests are refused",
        ),
        (
            "data file",
            limits::MAX_JSON_DEPTH as u64,
            "levels",
            "G0611",
            many,
        ),
        (
            "quota amount",
            limits::MAX_AMOUNT,
            "units",
            "G0303",
            "2^53 is exact in every JSON reader",
        ),
        (
            "shortest period",
            seconds(limits::MIN_PERIOD_US),
            "s",
            "G0513",
            "shorter ones are bursts",
        ),
        (
            "longest period",
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
            "clocks drift less",
        ),
    ];
    let mut table = format!(
        "# Limits of policies\n\nWritten from the language's `limits` module; those of requests stand in \
         [limits.md](limits.md).\nPast a limit the policy does not compile, with the code as its error.\n\
         Nested brackets and chains of `not` are bounded too (`G0004`), and one load shows at most {} errors.\n\n\
         | limit | number | unit | past it | reason |\n| --- | --- | --- | --- | --- |\n",
        limits::MAX_ERRORS
    );
    for (name, number, unit, code, reason) in rows {
        assert!(
            parse::CODES.iter().chain(check::CODES).any(|c| c.0 == code),
            "{code}"
        );
        let _ = writeln!(table, "| {name} | {number} | {unit} | `{code}` | {reason} |");
    }
    let file = page("policy-limits.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&file, &table).unwrap();
    }
    assert_eq!(std::fs::read_to_string(file).unwrap(), table);
}
