//! Words of `cargo xtask bench` -> benchmark runs, in turn. Knows where the benchmarks are and nothing of what they
//! measure.

use crate::needs;
use crate::step::{self, Failure};

const HELP: &str = "\
Benchmarks: by time, by instructions, and beside other engines.

Usage: cargo xtask bench [OPTION..] [NAME..]

Options:
  --quick         stop at 1,000 rules and measure for a shorter time
  --instructions  count instructions per decision under valgrind, and hold them against the bars
  --peers         run other engines and the floors on the same requests (builds them: minutes)
  --envoy         processor time per request in Envoy: no filter, hello filter, plugin, Envoy's RBAC filter
  --wasm          the module in wasmtime beside the crate, 1,000 rules (builds wasmtime: minutes)
  --record        with --peers or --envoy: write benches/record/DATE[-envoy].md, .json and .svg

Without --instructions, --peers, --envoy and --wasm criterion runs; names choose among its benchmarks.

Examples:
  cargo xtask bench --quick
  cargo xtask bench decide/engine
  cargo xtask bench --instructions
  cargo xtask bench --peers --record
  cargo xtask bench --envoy
  cargo xtask bench --wasm
";

/// Runs what the words ask for.
pub(crate) fn run(words: &[&str]) -> Result<(), Failure> {
    if words.iter().any(|word| matches!(*word, "--help" | "-h")) {
        step::say(HELP);
        return Ok(());
    }
    let known = [
        "--quick",
        "--instructions",
        "--peers",
        "--envoy",
        "--wasm",
        "--record",
    ];
    if let Some(unknown) = words
        .iter()
        .find(|word| word.starts_with("--") && !known.contains(word))
    {
        step::complain(&format!(
            "`{unknown}` is no option of `cargo xtask bench`\n\n{HELP}"
        ));
        return Err(Failure::Usage);
    }
    let asks = |option: &str| words.contains(&option);
    let (quick, instructions) = (asks("--quick"), asks("--instructions"));
    let (record, envoy, wasm) = (asks("--record"), asks("--envoy"), asks("--wasm"));
    let peers = asks("--peers") || record && !envoy;
    if instructions {
        self::instructions()?;
    }
    if peers {
        self::peers(quick, record)?;
    }
    if envoy {
        self::envoy(quick, record)?;
    }
    if wasm {
        self::wasm()?;
    }
    if !instructions && !peers && !envoy && !wasm {
        let names: Vec<&str> = words
            .iter()
            .filter(|word| !word.starts_with("--"))
            .copied()
            .collect();
        criterion(quick, &names)?;
    }
    Ok(())
}

/// One name at a time: criterion takes a single filter.
fn criterion(quick: bool, names: &[&str]) -> Result<(), Failure> {
    let filters = if names.is_empty() {
        vec![None]
    } else {
        names.iter().map(Some).collect()
    };
    for filter in filters {
        let mut command = step::cargo_command();
        command.args(["bench", "--locked", "-p", "portcullis-benches", "--benches", "--"]);
        command.args(filter);
        if quick {
            command.env("PORTCULLIS_BENCH_QUICK", "1");
            command.args(["--warm-up-time", "0.5", "--measurement-time", "1"]);
        }
        step::run("criterion", command)?;
    }
    Ok(())
}

fn wasm() -> Result<(), Failure> {
    needs::provide(&xtask::wasm::NEEDS)?;
    let words = [
        "bench",
        "--locked",
        "-p",
        "portcullis-tests-wasm",
        "--bench",
        "decide",
    ];
    step::cargo("wasm", &words)
}

fn instructions() -> Result<(), Failure> {
    if cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        needs::provide(&["valgrind"])?;
    }
    step::cargo(
        "instructions",
        &[
            "test",
            "--locked",
            "-p",
            "portcullis-benches",
            "--test",
            "instructions",
            "--",
            "--nocapture",
        ],
    )
}

/// The other engines are a workspace of their own, with their own lock.
fn peers(quick: bool, record: bool) -> Result<(), Failure> {
    let mut command = step::cargo_command();
    command.args([
        "run",
        "--release",
        "--locked",
        "--manifest-path",
        "benches/peers/Cargo.toml",
        "--",
    ]);
    if quick {
        command.args(["--rules", "10,100,1000", "--seconds", "0.1"]);
    }
    if record {
        command.args(["--record", "benches/record"]);
    }
    step::run("peers", command)
}

/// The hello filter is a workspace of its own: it is built for this alone.
fn envoy(quick: bool, record: bool) -> Result<(), Failure> {
    needs::provide(&[
        "wasm-opt",
        "wasm-targets",
        "python3",
        "python3-venv",
        "openssl",
        "envoy",
    ])?;
    let folder = step::target().join("hello");
    let mut hello = step::cargo_command();
    hello.args([
        "build",
        "--release",
        "--locked",
        "--manifest-path",
        "benches/hello/Cargo.toml",
    ]);
    hello
        .args(["--target", "wasm32-wasip1", "--target-dir"])
        .arg(&folder);
    step::run("hello filter", hello)?;
    let mut command = step::cargo_command();
    command.args([
        "run",
        "--locked",
        "-p",
        "portcullis-tests-envoy",
        "--bin",
        "bench-envoy",
        "--",
        "--hello",
    ]);
    command.arg(folder.join("wasm32-wasip1/release/portcullis_hello.wasm"));
    if quick {
        command.args(["--requests", "20000"]);
    }
    if record {
        command.args(["--record", "benches/record"]);
    }
    step::run("envoy", command)
}
