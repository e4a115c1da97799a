//! The plugin in Envoy: put Envoy into place, or run the example that people run. Envoy's version stands in the
//! example's script alone, so that it cannot differ between those who try and the tests.

use std::process::Command;

use crate::needs;
use crate::step::{self, Failure};

const SCRIPT: &str = "ffi/proxy-wasm/examples/envoy/run.py";

/// Runs the example with these words.
pub(crate) fn run(words: &[&str]) -> Result<(), Failure> {
    needs::provide(&["python3", "python3-venv"])?;
    step::run("envoy", script(words))
}

/// Puts Envoy into a virtual environment under the target folder.
pub(crate) fn install() -> Result<(), Failure> {
    step::run("envoy", script(&["--setup"]))
}

/// Whether that was done.
pub(crate) fn is_there() -> bool {
    matches!(step::probe(script(&["--is-set-up"])), Ok((true, _)))
}

/// Debian packs `venv` apart from Python.
pub(crate) fn has_venv() -> bool {
    let mut command = Command::new("python3");
    command.args(["-c", "import ensurepip, venv"]);
    matches!(step::probe(command), Ok((true, _)))
}

fn script(words: &[&str]) -> Command {
    let mut command = Command::new("python3");
    command.arg(SCRIPT).args(words).current_dir(step::root());
    command
}
