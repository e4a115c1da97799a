//! Debian's packages -> installed. Mirrors fail for moments, so everything is tried again; another program that installs
//! packages is waited for.

use std::process::Command;

use crate::step::{self, Failure};

/// A network may fail twice.
const TRIES: u32 = 3;

/// How long, in seconds, another program may hold the lock of the package database.
const LOCK_SECONDS: u32 = 600;

/// Installs packages, as root or by sudo; an error where apt does not install all of them. The list of packages is fetched again only where that fails without: it takes
/// longer than most packages.
pub fn install(packages: &[&str]) -> Result<(), Failure> {
    if !is_there("apt-get") {
        let all = packages.join(" ");
        return Err(Failure::Found(format!(
            "`apt-get` is missing: install {all} by hand"
        )));
    }
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

/// Whether a program is on the path; not all of them know `--version`.
pub fn is_there(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

fn apt_get(words: &[&str]) -> Command {
    let mut command = Command::new(if is_there("sudo") { "sudo" } else { "env" });
    let timeout = format!("DPkg::Lock::Timeout={LOCK_SECONDS}");
    command.args(["apt-get", "-o", &timeout]).args(words);
    command
}
