//! How many cases each suite must have run at least (`expected-counts.toml`): a suite that silently runs nothing
//! fails. `PORTCULLIS_COUNTS` names a folder in which each suite records its number.

use std::path::Path;

const EXPECTED: &str = include_str!("../expected-counts.toml");

/// The least number of cases of a suite.
pub fn expected(suite: &str) -> Option<u64> {
    EXPECTED.lines().find_map(|line| {
        let (name, number) = line.split_once('=')?;
        (name.trim() == suite).then(|| number.trim().replace('_', "").parse().ok())?
    })
}

/// Records what ran; an error where it is too little, or the suite is unknown.
pub fn executed(suite: &str, cases: u64) -> Result<(), String> {
    if let Some(folder) = std::env::var_os("PORTCULLIS_COUNTS") {
        let folder = Path::new(&folder);
        std::fs::create_dir_all(folder).map_err(|e| e.to_string())?;
        std::fs::write(folder.join(suite), format!("{cases}\n")).map_err(|e| e.to_string())?;
    }
    match expected(suite) {
        None => Err(format!("suite `{suite}` is not in tests/expected-counts.toml")),
        Some(least) if cases < least => Err(format!(
            "suite `{suite}` ran {cases} cases, expected at least {least}"
        )),
        Some(_) => Ok(()),
    }
}
