//! A harness that can not fail proves nothing: the engine is built with planted bugs, one at a time, and the tests
//! that always run must catch each.

use crate::step::{self, Failure};

/// Random pairs of one canary run: enough for each bug to show, few enough for all of them to be quick.
const PAIRS: &str = "90000";

/// Builds the engine so that a bug can be planted.
const FEATURE: &str = "portcullis-tests/canary";

/// Plants every bug in turn.
pub(crate) fn run() -> Result<(), Failure> {
    // The quick one first: it catches most.
    let suites = ["--test", "corpus", "--test", "differential"];
    // The whole workspace, so that dependencies have the features that they have in all other tests and are not built
    // once more.
    let base = ["test", "--workspace", "--features", FEATURE, "--locked"];
    step::cargo("canary build", &[&base[..], &suites, &["--no-run"]].concat())?;
    let names = names()?;
    if names.len() < 12 {
        return Err(Failure::Found(format!(
            "only {} bugs are planted, at least 12 are asked for",
            names.len()
        )));
    }
    let without = caught(&base, &suites, None)?;
    if without {
        return Err(Failure::Found(
            "canary: the suites fail without a planted bug".into(),
        ));
    }
    let mut missed = Vec::new();
    for name in &names {
        let found = caught(&base, &suites, Some(name))?;
        step::say(&format!("   {name}: {}", if found { "caught" } else { "MISSED" }));
        if !found {
            missed.push(name.clone());
        }
    }
    if missed.is_empty() {
        step::say(&format!(
            "── canary: all {} planted bugs were caught",
            names.len()
        ));
        Ok(())
    } else {
        Err(Failure::Found(format!(
            "canary: no test caught {}",
            missed.join(", ")
        )))
    }
}

/// The names of all bugs, from the test binary that knows them.
fn names() -> Result<Vec<String>, Failure> {
    let mut command = step::cargo_command();
    command.args([
        "run",
        "--quiet",
        "--features",
        FEATURE,
        "--locked",
        "--bin",
        "canary-names",
    ]);
    let (ok, text) = step::probe(command)?;
    if !ok {
        return Err(Failure::Found(format!(
            "canary: the names of the bugs could not be read:\n{text}"
        )));
    }
    Ok(text
        .lines()
        .map(str::trim)
        .filter(|l| !l.is_empty() && l.chars().all(|c| c.is_alphanumeric() || c == '-'))
        .map(str::to_string)
        .collect())
}

/// Whether a suite fails with the bug planted.
fn caught(base: &[&str], suites: &[&str], bug: Option<&str>) -> Result<bool, Failure> {
    for suite in suites.chunks(2) {
        let mut command = step::cargo_command();
        command.args(base).args(suite).env("PORTCULLIS_PAIRS", PAIRS);
        if let Some(bug) = bug {
            command.env("PORTCULLIS_CANARY", bug);
        }
        let (passed, text) = step::probe(command)?;
        if !passed {
            if bug.is_none() {
                step::complain(&text);
            }
            return Ok(true);
        }
    }
    Ok(false)
}
