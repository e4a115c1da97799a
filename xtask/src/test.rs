//! All tests. What always runs is bounded; `--long` adds millions of random pairs and longer fuzzing.

use xtask::javascript;

use crate::canary::Which;
use crate::step::{self, Failure};
use crate::{c_tools, canary, envoy, fuzz, licences, tidy, wasm};

/// Random pairs of a long run.
const LONG_PAIRS: &str = "3000000";

/// Sets up what tests need and runs them.
pub(crate) fn run(long: bool) -> Result<(), Failure> {
    wasm::targets()?;
    wasm::wasm_opt();
    javascript::set_up();
    c_tools::set_up();
    envoy::set_up()?;
    fuzz::set_up()?;
    tidy::run()?;
    licences::run()?;
    step::cargo(
        "build tests",
        &["test", "--workspace", "--all-targets", "--locked", "--no-run"],
    )?;
    let mut tests = step::cargo_command();
    tests.args(["test", "--workspace", "--all-targets", "--locked"]);
    if long {
        let clock = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        let seed = format!("{}", clock.as_nanos() as u64);
        step::say(&format!(
            "── a fresh seed for the long run: PORTCULLIS_SEED={seed}"
        ));
        tests
            .env("PORTCULLIS_PAIRS", LONG_PAIRS)
            .env("PORTCULLIS_SEED", seed);
    }
    step::run("tests", tests)?;
    step::cargo("doc tests", &["test", "--workspace", "--doc", "--locked"])?;
    canary::run(&if long { Which::All } else { Which::InTurn })?;
    fuzz::run(if long { 300 } else { 10 })
}
