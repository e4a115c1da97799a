//! Programs that a chore needs -> Debian's packages, installed where they are missing. Mirrors fail for moments, so
//! everything is tried again.

use std::process::Command;

use crate::step::{self, Failure};

/// A network may fail twice.
const TRIES: u32 = 3;

/// Installs packages, as root or by sudo. The list of packages is fetched anew only where that fails without: it takes
/// longer than most packages.
pub fn install(packages: &[&str]) -> Result<(), Failure> {
    let mut last = Ok(());
    for attempt in 0..TRIES {
        if attempt > 0 {
            let _ = step::run("lists of packages", apt_get(&["update"]));
        }
        let words = [&["install", "-y", "--no-install-recommends"], packages].concat();
        last = step::run(&format!("install {}", packages.join(" ")), apt_get(&words));
        if last.is_ok() {
            break;
        }
    }
    last
}

/// Sees to it that programs are there, each with the package that it comes in. Where one can not be installed, it says
/// which, and the test that needs it fails by its name.
pub fn programs(wanted: &[(&str, &str)]) {
    let missing: Vec<&str> = wanted
        .iter()
        .filter(|(program, _)| !is_there(program))
        .map(|(_, package)| *package)
        .collect();
    if !missing.is_empty() && cfg!(target_os = "linux") && install(&missing).is_err() {
        let all = missing.join(" ");
        step::complain(&format!(
            "missing and not installed: `apt-get install {all}` by hand"
        ));
    }
}

/// Whether a program is on the path; not all of them know `--version`.
pub fn is_there(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

fn apt_get(words: &[&str]) -> Command {
    let mut command = Command::new(if is_there("sudo") { "sudo" } else { "env" });
    command.arg("apt-get").args(words);
    command
}
