//! `cargo xtask VERB`: what people and CI run. Each verb sets up what it needs and prints how long each step took.
//! Knows the commands of this workspace and nothing of policies.

mod bench;
mod canary;
mod demo;
mod envoy;
mod fuzz;
mod licences;
mod needs;
mod test;
mod tidy;

use std::process::ExitCode;

use xtask::step::{self, Failure};
use xtask::wasm;

const HELP: &str = "\
Chores of the Portcullis workspace.

Usage: cargo xtask VERB

Verbs:
  demo            compile the GitHub policy, decide requests, explain a denial, replay an access log
  test [OPTION..] say what is missing, install it, and pass all tests
                  --no-install  installs nothing; what needs a missing program is skipped, and named at the end
                  --quick       minutes: no WASM modules, Envoy, C programs, instruction counts, benchmarks, doc
                                tests, fuzzing or planted bugs; installs nothing
                  --long        with millions of random pairs, all planted bugs and longer fuzzing
  canary [NAME..] plant the bugs of tests/canary in a copy of the tree, one at a time: a test must catch each
  fuzz [SECONDS]  build every fuzz target and run it (10 seconds each)
  licences        check that every dependency's licence is on the list of deny.toml
  tidy            check the tree's own habits: module heads, file lengths, no stubs, no ignored tests
  module          build the WASM modules as they ship, and say where they are
  plugin          build the proxy-wasm plugins as they ship, and say where they are
  bench [ARG..]   benchmarks; `bench --help` says which
  envoy [ARG..]   Envoy with the plugin in front of an upstream; `envoy --help` says more
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        [] | ["help" | "--help" | "-h"] => {
            step::say(HELP);
            return ExitCode::SUCCESS;
        }
        ["demo"] => demo::run(),
        ["test", options @ ..] => test::run(options),
        ["canary"] => canary::run(&canary::Which::All),
        ["canary", names @ ..] => canary::run(&canary::Which::Named(names)),
        ["fuzz"] => fuzz::run(10),
        ["fuzz", seconds] => seconds.parse().map_err(|_| Failure::Usage).and_then(fuzz::run),
        ["licences"] => licences::run(),
        ["tidy"] => tidy::run(),
        ["module"] => needs::provide(&wasm::NEEDS).and_then(|()| wasm::modules()),
        ["plugin"] => needs::provide(&wasm::NEEDS).and_then(|()| wasm::plugins()),
        ["bench", rest @ ..] => bench::run(rest),
        ["envoy", rest @ ..] => envoy::run(rest),
        _ => Err(Failure::Usage),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            step::complain(&failure.to_string());
            if matches!(failure, Failure::Usage) {
                step::complain(HELP);
            }
            ExitCode::from(if matches!(failure, Failure::Usage) { 2 } else { 1 })
        }
    }
}
