//! Every fuzz target is built and run for some seconds, so that none rots. Needs a nightly compiler and cargo-fuzz.

use std::process::Command;

use crate::needs;
use crate::step::{self, Failure};

/// Pinned: a fuzz run must mean the same tomorrow.
const CARGO_FUZZ: &str = "0.13.2";

/// Up to here a run is the bounded one of every change.
const SHORT_SECONDS: u32 = 10;

/// Whether there is a nightly compiler.
pub(crate) fn has_nightly() -> bool {
    matches!(step::probe(nightly(&["--version"])), Ok((true, _)))
}

/// Installs it, by rustup.
pub(crate) fn install_nightly() -> Result<(), Failure> {
    let mut install = Command::new("rustup");
    install.args(["toolchain", "install", "nightly", "--profile", "minimal"]);
    step::run("nightly compiler", install)
}

/// Whether there is cargo-fuzz.
pub(crate) fn has_cargo_fuzz() -> bool {
    matches!(step::probe(nightly(&["fuzz", "--version"])), Ok((true, _)))
}

/// Builds it from its sources. It starts other programs and waits for them: no need to optimise it.
pub(crate) fn install_cargo_fuzz() -> Result<(), Failure> {
    let words = [
        "install",
        "--debug",
        "--locked",
        "--version",
        CARGO_FUZZ,
        "cargo-fuzz",
    ];
    step::run("install cargo-fuzz", nightly(&words))
}

fn nightly(args: &[&str]) -> Command {
    let mut command = Command::new("rustup");
    command
        .args(["run", "nightly", "cargo"])
        .args(args)
        .current_dir(step::root());
    command
}

/// Builds and runs all targets.
pub(crate) fn run(seconds: u32) -> Result<(), Failure> {
    needs::provide(&["nightly", "cargo-fuzz"])?;
    let nightly = |args: &[&str]| {
        let mut command = nightly(args);
        command.current_dir(step::root().join("tests/fuzz"));
        if seconds <= SHORT_SECONDS {
            // Seconds of fuzzing do not pay for minutes of optimising.
            command
                .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1")
                .env("CARGO_PROFILE_RELEASE_DEBUG", "0");
        }
        command
    };
    // The sanitizer looks for what unsafe code does wrong, of which there is a line in the engine; it doubles the build.
    let sanitizer = if seconds <= SHORT_SECONDS {
        "none"
    } else {
        "address"
    };
    let build = ["fuzz", "build", "--fuzz-dir", ".", "--sanitizer", sanitizer];
    step::run("fuzz build", nightly(&build))?;
    let (_, listed) = step::probe(nightly(&["fuzz", "list", "--fuzz-dir", "."]))?;
    let targets: Vec<&str> = listed
        .lines()
        .map(str::trim)
        .filter(|l| !l.is_empty() && !l.contains(' '))
        .collect();
    if targets.is_empty() {
        return Err(Failure::Found("no fuzz target was listed".into()));
    }
    for target in targets {
        let time = format!("-max_total_time={seconds}");
        // The short run of every change draws the same inputs each time; a long one explores.
        let seed = if seconds <= SHORT_SECONDS {
            "-seed=1"
        } else {
            "-seed=0"
        };
        let flags = [
            "fuzz",
            "run",
            "--fuzz-dir",
            ".",
            "--sanitizer",
            sanitizer,
            target,
            "--",
            &time,
            seed,
            "-rss_limit_mb=4096",
            "-timeout=20",
        ];
        step::run(&format!("fuzz {target}"), nightly(&flags))?;
    }
    Ok(())
}
