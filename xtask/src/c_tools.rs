//! What the tests of the C ABI run: compilers, interpreters and watchers from the system's packages.

use std::process::Command;

use crate::step::{self, Failure};

/// Programs and the Debian packages that they come in.
const TOOLS: [(&str, &str); 8] = [
    ("gcc", "gcc"),
    ("g++", "g++"),
    ("make", "make"),
    ("pkg-config", "pkg-config"),
    ("readelf", "binutils"),
    ("valgrind", "valgrind"),
    ("python3", "python3"),
    ("luajit", "luajit"),
];
/// Mirrors fail for moments.
const TRIES: u32 = 3;

/// Sees to it that all of them are there. Where one can not be installed, the test that needs it says so.
pub(crate) fn set_up() -> Result<(), Failure> {
    let missing: Vec<&str> = TOOLS
        .into_iter()
        .filter(|(program, _)| !is_there(program))
        .map(|(_, package)| package)
        .collect();
    if !cfg!(target_os = "linux") || missing.is_empty() {
        return Ok(());
    }
    for attempt in 1..=TRIES {
        let installed = apt_get(&["update"])
            .and_then(|()| apt_get(&["install", "-y", "--no-install-recommends", "libc6-dev"]))
            .and_then(|()| apt_get(&[&["install", "-y", "--no-install-recommends"], &missing[..]].concat()));
        if installed.is_ok() {
            return Ok(());
        }
        step::complain(&format!("C tools: attempt {attempt} of {TRIES} failed"));
    }
    step::complain(&format!(
        "missing and not installed: {}; install them by hand",
        missing.join(", ")
    ));
    Ok(())
}

fn apt_get(args: &[&str]) -> Result<(), Failure> {
    let mut command = match is_there("sudo") {
        true => Command::new("sudo"),
        false => Command::new("env"),
    };
    command.arg("apt-get").args(args);
    step::run("C tools", command)
}

/// Whether a program is on the path; not all of them know `--version`.
fn is_there(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}
