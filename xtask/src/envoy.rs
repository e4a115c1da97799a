//! The plugin in Envoy: put Envoy into place, or run the example that people run. Envoy's version stands in the
//! example's script alone, so that it can not differ between those who try and the tests.

use std::process::Command;

use xtask::apt;

use crate::step::{self, Failure};

const SCRIPT: &str = "ffi/proxy-wasm/examples/envoy/run.py";

/// Runs the example with these words.
pub(crate) fn run(words: &[&str]) -> Result<(), Failure> {
    python()?;
    step::run("envoy", script(words))
}

/// Envoy in a virtual environment under the target folder, and the plugin's target.
pub(crate) fn set_up() -> Result<(), Failure> {
    python()?;
    step::run("envoy", script(&["--setup"]))?;
    let mut target = Command::new("rustup");
    target
        .args(["target", "add", "wasm32-wasip1"])
        .current_dir(step::root());
    step::run("plugin's target", target)
}

fn script(words: &[&str]) -> Command {
    let mut command = Command::new("python3");
    command.arg(SCRIPT).args(words).current_dir(step::root());
    command
}

/// Debian packs `venv` apart from Python. Where it can not be installed, the script says what is missing.
fn python() -> Result<(), Failure> {
    let mut there = Command::new("python3");
    there.args(["-c", "import ensurepip, venv"]);
    if matches!(step::probe(there), Ok((true, _))) {
        return Ok(());
    }
    apt::install(&["python3", "python3-venv"])
}
