//! The words of `cargo xtask test` -> the set-up and the tests that they ask for. What always runs is bounded. Which
//! suites there are is cargo's answer; what they need is in [`needs`].

use std::collections::BTreeMap;

use crate::canary::{self, Which};
use crate::needs::{self, Rules, Skipped};
use crate::step::{self, Failure};
use crate::{fuzz, licences, tidy};

/// Random pairs of a long run.
const LONG_PAIRS: &str = "3000000";

/// How every secret begins that tests plant: keys, tokens and secrets that no output may hold.
const PLANTED: &str = "PLANTED-";

/// What a quick run leaves out: what builds other code than the workspace's own tests, and what measures.
const NOT_QUICK: [&str; 6] = ["c", "envoy", "fuzz", "instructions", "module", "proxy"];

#[derive(Debug, Default, PartialEq, Eq)]
struct Options {
    long: bool,
    quick: bool,
    no_install: bool,
}

/// Sets up what tests need and runs them.
pub(crate) fn run(words: &[&str]) -> Result<(), Failure> {
    let options = Options::parse(words)?;
    let is_strict = std::env::var_os("CI").is_some_and(|value| value == "true");
    let skipped = if options.quick {
        NOT_QUICK.map(|suite| (suite, Vec::new())).into()
    } else {
        needs::of_tests(Rules {
            install: !options.no_install,
            strict: is_strict,
        })?
    };
    tidy::run()?;
    licences::run()?;
    let selection = Selection::of(&targets()?, &skipped, options.quick);
    let mut build = step::cargo_command();
    build
        .args(["test", "--workspace", "--locked", "--no-run"])
        .args(selection.built());
    step::run("build tests", build)?;
    let long = options.long.then(|| {
        let now = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
        let seed = format!("{}", now.as_nanos() as u64);
        step::say(&format!("── a new seed for the long run: PORTCULLIS_SEED={seed}"));
        [
            ("PORTCULLIS_PAIRS", LONG_PAIRS.to_string()),
            ("PORTCULLIS_SEED", seed),
        ]
    });
    for words in selection.runs() {
        let mut tests = step::cargo_command();
        tests.args(["test", "--workspace", "--locked"]).args(words);
        tests.envs(long.iter().flatten().map(|(name, value)| (name, value)));
        if is_strict {
            // What passing tests print is searched too.
            tests.env("RUST_TEST_NOCAPTURE", "1");
        }
        step::run_searched("tests", tests, PLANTED)?;
    }
    if options.quick {
        step::say(&format!(
            "── a quick run: {} and benchmarks, doc tests and planted bugs are left out",
            NOT_QUICK.join(", ")
        ));
        return Ok(());
    }
    step::cargo("doc tests", &["test", "--workspace", "--doc", "--locked"])?;
    // With tests the compiler would come along, which wants the engine whole.
    let engine = [
        "check",
        "--package",
        "portcullis",
        "--no-default-features",
        "--locked",
    ];
    step::cargo("engine without tokens", &engine)?;
    canary::run(&if options.long { Which::All } else { Which::InTurn })?;
    if !skipped.contains_key("fuzz") {
        fuzz::run(if options.long { 300 } else { 10 })?;
    }
    if !skipped.is_empty() {
        step::say(&format!("── SKIPPED:{}", needs::lines(&skipped)));
    }
    Ok(())
}

impl Options {
    fn parse(words: &[&str]) -> Result<Options, Failure> {
        let mut options = Options::default();
        for word in words {
            match *word {
                "--long" => options.long = true,
                "--quick" => options.quick = true,
                "--no-install" => options.no_install = true,
                _ => return Err(Failure::Usage),
            }
        }
        if options.long && options.quick {
            return Err(Failure::Usage);
        }
        Ok(options)
    }
}

/// What of the workspace is tested. All packages are always named, so that their dependencies have the same features
/// and nothing is built a second time.
#[derive(Debug, PartialEq, Eq)]
struct Selection {
    /// Words of cargo for the targets that run as a whole.
    whole: Vec<String>,
    /// Test targets of which some modules are skipped.
    parts: BTreeMap<String, Vec<String>>,
}

impl Selection {
    fn of(targets: &[String], skipped: &Skipped, quick: bool) -> Selection {
        let mut parts: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (target, module) in skipped.keys().filter_map(|suite| suite.split_once("::")) {
            if !skipped.contains_key(target) {
                parts
                    .entry(target.into())
                    .or_default()
                    .push(format!("{module}::"));
            }
        }
        if skipped.is_empty() {
            let whole = vec!["--all-targets".into()];
            return Selection { whole, parts };
        }
        let mut whole: Vec<String> = ["--lib", "--bins"].map(String::from).into();
        if !quick {
            whole.extend(["--examples", "--benches"].map(String::from));
        }
        for target in targets {
            if !skipped.contains_key(target.as_str()) && !parts.contains_key(target) {
                whole.extend(["--test".into(), target.clone()]);
            }
        }
        Selection { whole, parts }
    }

    /// Words of the cargo that builds all of it.
    fn built(&self) -> Vec<String> {
        let parts = self
            .parts
            .keys()
            .flat_map(|target| ["--test".to_string(), target.clone()]);
        self.whole.iter().cloned().chain(parts).collect()
    }

    /// Words of each cargo that runs some of it.
    fn runs(&self) -> Vec<Vec<String>> {
        let parts = self.parts.iter().map(|(target, modules)| {
            let mut words: Vec<String> = ["--test", target, "--"].map(String::from).into();
            words.extend(
                modules
                    .iter()
                    .flat_map(|module| ["--skip".to_string(), module.clone()]),
            );
            words
        });
        std::iter::once(self.whole.clone()).chain(parts).collect()
    }
}

/// The names of all test targets.
fn targets() -> Result<Vec<String>, Failure> {
    let metadata = step::metadata(&["--no-deps"])?;
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let targets = packages.flat_map(|package| package["targets"].as_array().into_iter().flatten());
    let tests = targets.filter(|target| target["kind"][0] == "test");
    let mut names: Vec<String> = tests
        .filter_map(|test| Some(test["name"].as_str()?.to_string()))
        .collect();
    names.sort();
    names.dedup();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selected(skipped: &[&'static str]) -> Selection {
        let targets = ["c", "corpus", "module"].map(String::from);
        let skipped = skipped.iter().map(|suite| (*suite, vec!["it"])).collect();
        Selection::of(&targets, &skipped, false)
    }

    fn joined(words: &[String]) -> String {
        words.join(" ")
    }

    #[test]
    fn where_nothing_is_missing_everything_runs() {
        let all = selected(&[]);
        assert_eq!(all.runs(), [["--all-targets"]]);
        assert_eq!(all.built(), ["--all-targets"]);
    }

    #[test]
    fn a_suite_is_left_out_whole_or_by_its_modules() {
        let some = selected(&["c", "c::install", "fuzz", "module::browser", "module::node"]);
        let whole = "--lib --bins --examples --benches --test corpus";
        let part = "--test module -- --skip browser:: --skip node::";
        assert_eq!(
            some.runs().iter().map(|run| joined(run)).collect::<Vec<_>>(),
            [whole, part]
        );
        assert_eq!(joined(&some.built()), format!("{whole} --test module"));
    }

    /// A name that no target has would skip nothing.
    #[test]
    fn skipped_suites_exist() {
        let targets = targets().unwrap();
        for suite in needs::suites().into_iter().chain(NOT_QUICK) {
            let target = suite.split("::").next().unwrap();
            assert!(
                target == "fuzz" || targets.iter().any(|name| name == target),
                "{suite}"
            );
        }
    }

    #[test]
    fn options_are_known_and_do_not_contradict() {
        let options = Options::parse(&["--long", "--no-install"]).unwrap();
        assert!(options.long && options.no_install && !options.quick);
        assert!(Options::parse(&["--long", "--quick"]).is_err());
        assert!(Options::parse(&["--fast"]).is_err());
    }
}
