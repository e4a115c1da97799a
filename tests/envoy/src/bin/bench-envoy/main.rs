//! What a decision costs in Envoy: processor time per request of the same Envoy without a filter, with the three-call
//! hello filter, with the plugin, and with Envoy's own RBAC filter made from the same rules.
//!
//! All of them get the same requests, have the same claims handed over by the same filter in front, and must answer
//! as the truth says before anything is counted. Run by `cargo xtask bench --envoy`.

#![expect(clippy::print_stdout, reason = "its output is what it is for")]

mod measure;
mod rbac;
mod record;
mod variants;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use portcullis_tests::workload::Workload;
use xtask::wasm::{self, Plugin};

/// Rules of the workload.
const RULES: usize = 1_000;
/// Times that all variants run in turn: as many chances to meet the machine at its best.
const ROUNDS: usize = 20;
/// Requests of a variant in all rounds together.
const REQUESTS: usize = 100_000;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            println!("bench-envoy: {problem}");
            ExitCode::FAILURE
        }
    }
}

/// `--hello FILE`, the built hello filter; `--plugin FILE`, a plugin instead of the one that is built here;
/// `--record FOLDER`; `--requests COUNT`.
fn run() -> Result<(), String> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let option = |name: &str| {
        let at = words.iter().position(|word| word == name)?;
        words.get(at + 1).cloned()
    };
    let hello = PathBuf::from(option("--hello").ok_or("--hello FILE is missing")?);
    let requests = match option("--requests") {
        None => REQUESTS,
        Some(text) => text.parse().map_err(|_| format!("`{text}` is no count"))?,
    };
    let module = match option("--plugin") {
        Some(file) => PathBuf::from(file),
        None => wasm::ship(Plugin::Images).map_err(|error| error.to_string())?,
    };
    let work = Workload::new(RULES);
    let mut variants = variants::start(&work, &hello, &module)?;
    for variant in &mut variants {
        variant.check(&work)?;
    }
    let before = measure::load();
    let rounds = measure::rounds(&mut variants, &work, ROUNDS, requests / ROUNDS)?;
    let result = record::Outcome::of(&variants, &rounds, requests, [before, measure::load()]);
    println!("{}", result.markdown());
    if let Some(folder) = option("--record") {
        result
            .write(Path::new(&folder))
            .map_err(|error| error.to_string())?;
    }
    Ok(())
}
