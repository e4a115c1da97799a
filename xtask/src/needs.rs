//! What chores use beyond cargo -> what of it is missing, the commands that install it, and the suites that are skipped
//! without it. Knows no suite's content.

use std::collections::BTreeMap;

use xtask::{apt, javascript, wasm};

use crate::step::{self, Failure};
use crate::{envoy, fuzz};

/// A program, toolchain or file.
pub(crate) struct Need {
    /// What people call it.
    name: &'static str,
    source: Source,
    /// Test targets (`module`), modules of theirs (`module::node`), or `fuzz`.
    suites: &'static [&'static str],
}

enum Source {
    /// One of these programs is enough. Debian's package holds the first.
    Package(&'static [&'static str], &'static str),
    Other {
        is_there: fn() -> bool,
        install: fn() -> Result<(), Failure>,
        /// For people who do it by hand.
        command: &'static str,
    },
}

const fn program(
    name: &'static str,
    programs: &'static [&'static str],
    package: &'static str,
    suites: &'static [&'static str],
) -> Need {
    Need {
        name,
        source: Source::Package(programs, package),
        suites,
    }
}

/// What the tests use, in the order in which it is installed: Envoy is put into place by Python.
static NEEDS: [Need; 17] = [
    program(
        "wasm-opt",
        &["wasm-opt"],
        "binaryen",
        &["module", "proxy", "envoy"],
    ),
    program("node", &javascript::NODES, "nodejs", &["module::node"]),
    program(
        "browser",
        &javascript::BROWSERS,
        "chromium-headless-shell",
        &["module::browser"],
    ),
    program("gcc", &["gcc"], "gcc", &["c"]),
    program("g++", &["g++"], "g++", &["c"]),
    program("make", &["make"], "make", &["c::install"]),
    program("pkg-config", &["pkg-config"], "pkg-config", &["c::install"]),
    program("readelf", &["readelf"], "binutils", &["c::install"]),
    program("luajit", &["luajit"], "luajit", &["c::install"]),
    program("python3", &["python3"], "python3", &["c::install", "envoy"]),
    program("valgrind", &["valgrind"], "valgrind", &["c", "instructions"]),
    program("openssl", &["openssl"], "openssl", &["envoy"]),
    Need {
        name: "python3-venv",
        source: Source::Other {
            is_there: envoy::has_venv,
            install: || apt::install(&["python3-venv"]),
            command: "apt-get install python3-venv",
        },
        suites: &["envoy"],
    },
    Need {
        name: "wasm-targets",
        source: Source::Other {
            is_there: wasm::has_targets,
            install: wasm::add_targets,
            command: "rustup target add wasm32-unknown-unknown wasm32-wasip1, or else Debian's rustc-web",
        },
        suites: &["module", "proxy", "envoy"],
    },
    Need {
        name: "envoy",
        source: Source::Other {
            is_there: envoy::is_there,
            install: envoy::install,
            command: "cargo xtask envoy --setup, by pip into the target folder",
        },
        suites: &["envoy"],
    },
    Need {
        name: "nightly",
        source: Source::Other {
            is_there: fuzz::has_nightly,
            install: fuzz::install_nightly,
            command: "rustup toolchain install nightly --profile minimal",
        },
        suites: &["fuzz"],
    },
    Need {
        name: "cargo-fuzz",
        source: Source::Other {
            is_there: fuzz::has_cargo_fuzz,
            install: fuzz::install_cargo_fuzz,
            command: "cargo +nightly install cargo-fuzz",
        },
        suites: &["fuzz"],
    },
];

/// What may be installed, and what follows where something is missing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Rules {
    /// Install what is missing.
    pub(crate) install: bool,
    /// Something missing ends the run, for nobody reads what was skipped.
    pub(crate) strict: bool,
}

/// The suites that cannot run, each with what is missing.
pub(crate) type Skipped = BTreeMap<&'static str, Vec<&'static str>>;

/// Sees to all that tests use.
pub(crate) fn of_tests(rules: Rules) -> Result<Skipped, Failure> {
    let needs: Vec<&Need> = NEEDS.iter().collect();
    let missing = provided(&needs, rules)?;
    if !missing.is_empty() {
        let text = without(&missing);
        if rules.strict {
            return Err(Failure::Found(text));
        }
        step::complain(&text);
    }
    Ok(skipped(&missing))
}

/// Sees to what a chore uses, by name. What cannot be had is an error.
pub(crate) fn provide(names: &[&str]) -> Result<(), Failure> {
    let needs: Vec<&Need> = NEEDS.iter().filter(|need| names.contains(&need.name)).collect();
    if needs.len() != names.len() {
        return Err(Failure::Found(format!(
            "one of {names:?} is not in the list of needs"
        )));
    }
    let (install, strict) = (true, true);
    let missing = provided(&needs, Rules { install, strict })?;
    match missing.is_empty() {
        true => Ok(()),
        false => Err(Failure::Found(without(&missing))),
    }
}

/// Says what is missing, installs it where that is allowed, and returns what is missing then.
fn provided<'n>(needs: &[&'n Need], rules: Rules) -> Result<Vec<&'n Need>, Failure> {
    let missing = missing(needs, &Need::is_there);
    if missing.is_empty() {
        return Ok(missing);
    }
    step::say(&announced(&missing, rules));
    if !rules.install {
        return Ok(missing);
    }
    let packages: Vec<&str> = missing.iter().filter_map(|need| need.package()).collect();
    if !packages.is_empty() && apt::install(&packages).is_err() && packages.len() > 1 {
        // One that does not exist here must not keep out the others.
        packages.iter().for_each(|package| drop(apt::install(&[package])));
    }
    for need in &missing {
        // A package may have brought it along.
        if let Source::Other { install, .. } = &need.source
            && !need.is_there()
            && let Err(failure) = install()
        {
            step::complain(&failure.to_string());
        }
    }
    Ok(self::missing(&missing, &Need::is_there))
}

impl Need {
    fn is_there(&self) -> bool {
        match &self.source {
            Source::Package(programs, _) => programs.iter().any(|program| apt::is_there(program)),
            Source::Other { is_there, .. } => is_there(),
        }
    }

    fn package(&self) -> Option<&'static str> {
        match self.source {
            Source::Package(_, package) => Some(package),
            Source::Other { .. } => None,
        }
    }

    /// The command that installs it.
    fn command(&self) -> String {
        match self.source {
            Source::Package(_, package) => format!("apt-get install {package}"),
            Source::Other { command, .. } => command.into(),
        }
    }
}

fn missing<'n>(needs: &[&'n Need], is_there: &dyn Fn(&Need) -> bool) -> Vec<&'n Need> {
    needs.iter().filter(|need| !is_there(need)).copied().collect()
}

/// All suites that need something.
#[cfg(test)]
pub(crate) fn suites() -> Vec<&'static str> {
    NEEDS.iter().flat_map(|need| need.suites).copied().collect()
}

fn skipped(missing: &[&Need]) -> Skipped {
    let mut skipped = Skipped::new();
    for need in missing {
        for suite in need.suites {
            skipped.entry(suite).or_default().push(need.name);
        }
    }
    skipped
}

/// One line a suite; also the last lines of a run.
pub(crate) fn lines(skipped: &Skipped) -> String {
    let line = |(suite, missing): (&&str, &Vec<&str>)| format!("\n   {suite}: no {}", missing.join(", no "));
    skipped.iter().map(line).collect()
}

/// What is said before anything is installed.
fn announced(missing: &[&Need], rules: Rules) -> String {
    let commands: String = missing
        .iter()
        .map(|need| format!("\n   {}: {}", need.name, need.command()))
        .collect();
    let (what, end) = match (rules.install, rules.strict) {
        (false, _) => ("is missing and not installed", String::new()),
        (true, true) => ("will be installed", "\nWhat cannot be had ends the run.".into()),
        (true, false) => {
            let suites = lines(&skipped(missing));
            let end = format!("\n`cargo xtask test --no-install` installs nothing and skips:{suites}");
            ("will be installed", end)
        }
    };
    format!("── set-up: this {what}:{commands}{end}")
}

/// What is said where something could not be had.
fn without(missing: &[&Need]) -> String {
    let names: Vec<&str> = missing.iter().map(|need| need.name).collect();
    format!(
        "set-up: {} is missing, which these need:{}",
        names.join(", "),
        lines(&skipped(missing))
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn without_programs(names: &[&str]) -> Vec<&'static Need> {
        missing(&NEEDS.iter().collect::<Vec<_>>(), &|need| {
            !names.contains(&need.name)
        })
    }

    #[test]
    fn what_is_missing_is_announced_with_its_command() {
        assert!(without_programs(&[]).is_empty());
        let missing = without_programs(&["luajit", "nightly"]);
        let text = |install, strict| announced(&missing, Rules { install, strict });
        let commands = "\n   luajit: apt-get install luajit\n   nightly: rustup toolchain install nightly";
        let (asked, strict, by_hand) = (text(true, false), text(true, true), text(false, false));
        assert!(
            asked.contains(&format!("will be installed:{commands}")),
            "{asked}"
        );
        let suites =
            "--no-install` installs nothing and skips:\n   c::install: no luajit\n   fuzz: no nightly";
        assert!(asked.ends_with(suites), "{asked}");
        assert!(
            strict.contains(commands) && strict.ends_with("ends the run."),
            "{strict}"
        );
        assert!(
            by_hand.contains(&format!("not installed:{commands}")),
            "{by_hand}"
        );
    }

    #[test]
    fn a_suite_is_skipped_once_and_says_all_that_it_lacks() {
        let missing = without_programs(&["wasm-opt", "openssl"]);
        let skipped = skipped(&missing);
        assert_eq!(
            skipped.keys().copied().collect::<Vec<_>>(),
            ["envoy", "module", "proxy"]
        );
        assert!(lines(&skipped).contains("envoy: no wasm-opt, no openssl\n"));
        assert!(super::without(&missing).starts_with("set-up: wasm-opt, openssl is missing"));
    }
}
