//! The plugin in Envoy: put Envoy into place, or run the example that people run. Envoy's version stands in the
//! example's script alone, so that it can not differ between those who try and the tests.

use std::process::Command;

use xtask::apt;

use crate::step::{self, Failure};

const SCRIPT: &str = "ffi/proxy-wasm/examples/envoy/run.py";

/// Runs the example with these words.
pub(crate) fn run(words: &[&str]) -> Result<(), Failure> {
    python();
    step::run("envoy", script(words))
}

/// Envoy in a virtual environment under the target folder, and `openssl`, by which tests speak TLS.
pub(crate) fn set_up() -> Result<(), Failure> {
    python();
    apt::programs(&[("openssl", "openssl")]);
    step::run("envoy", script(&["--setup"]))
}

fn script(words: &[&str]) -> Command {
    let mut command = Command::new("python3");
    command.arg(SCRIPT).args(words).current_dir(step::root());
    command
}

/// Debian packs `venv` apart from Python. Where it can not be installed, the script says what is missing.
fn python() {
    if !there("python3", &["-c", "import ensurepip, venv"])
        && apt::install(&["python3", "python3-venv"]).is_err()
    {
        step::complain("python3-venv was not installed");
    }
}

fn there(program: &str, args: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(args);
    matches!(step::probe(command), Ok((true, _)))
}
