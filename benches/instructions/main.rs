//! Rules -> decisions under a counter of instructions.
//!
//! `write RULES IMAGE` compiles the workload of so many rules. `rows` names the rows: floors and the engine.
//! `count RULES IMAGE ROW` decides all requests, once to compare with the truth and once in `measured_pass`, and
//! prints how many there were. Callgrind counts the second time:
//!
//! ```text
//! valgrind --tool=callgrind --toggle-collect='*measured_pass*' instructions count 1000 IMAGE engine/json
//! ```
//!
//! The test of the same name runs all rows and asserts the bars.

use std::hint::black_box;
use std::io::Write as _;
use std::process::ExitCode;

use portcullis_benches::adapter::{Handing, Host, NOW, Requests};
use portcullis_benches::caller::{Caller, Prepared};
use portcullis_benches::{floor, setup};
use portcullis_tests::workload::{self, Headers, RawRequest, Workload};

type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let result = match args.as_slice() {
        ["write", rules, image] => rules
            .parse()
            .map_err(Failure::from)
            .and_then(|rules| write(rules, image)),
        ["rows"] => rows(),
        ["count", rules, image, row] => rules
            .parse()
            .map_err(Failure::from)
            .and_then(|rules| count(rules, image, row)),
        _ => Err("usage: instructions rows | write RULES IMAGE | count RULES IMAGE ROW".into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let _ = writeln!(std::io::stderr(), "{failure}");
            ExitCode::FAILURE
        }
    }
}

fn write(rules: usize, path: &str) -> Result<(), Failure> {
    let image = setup::image(&Workload::new(rules).gate(), &workload::files())?;
    Ok(std::fs::write(path, image)?)
}

/// The engine's rows: how the token comes, and which header lines.
fn engine_rows() -> impl Iterator<Item = (String, Handing, Headers)> {
    Handing::ALL
        .into_iter()
        .map(|handing| (handing.name().to_string(), handing, handing.headers()))
        .chain([("engine/json+headers".to_string(), Handing::Json, Headers::Usual)])
}

/// The row of a host that decides through the C ABI; the token comes as JSON.
const C_ABI: &str = "c/json";

/// Rows of a host that begins and finishes exchanges.
const EXCHANGES: [(&str, Handing); 2] = [
    ("exchange/json", Handing::Json),
    ("exchange/split", Handing::Split),
];

fn rows() -> Result<(), Failure> {
    let floors = floor::Handing::ALL.into_iter().map(|h| h.name().to_string());
    let engine = engine_rows().map(|(name, ..)| name);
    let exchanges = EXCHANGES.iter().map(|(name, _)| (*name).to_string());
    for name in floors.chain(engine).chain(exchanges).chain([C_ABI.to_string()]) {
        writeln!(std::io::stdout(), "{name}")?;
    }
    Ok(())
}

fn count(rules: usize, path: &str, name: &str) -> Result<(), Failure> {
    let work = Workload::new(rules);
    if let Some(handing) = floor::Handing::ALL.into_iter().find(|h| h.name() == name) {
        let raw: Vec<RawRequest> = (0..)
            .zip(&work.requests)
            .map(|(index, request)| RawRequest::of(index, request, Headers::None))
            .collect();
        let floor = floor::Floor::new(&work, &raw);
        return run(&work, |index| floor.allowed(handing, index));
    }
    if name == C_ABI {
        return count_c(&work, &std::fs::read(path)?);
    }
    if let Some((_, handing)) = EXCHANGES.into_iter().find(|(n, _)| *n == name) {
        let snapshot = setup::snapshot(&std::fs::read(path)?)?;
        let requests = Requests::new(&work, handing, handing.headers(), &snapshot)?;
        let mut host = Host::new(snapshot, &requests);
        return run(&work, |index| host.allowed(&requests, index));
    }
    let unknown = || format!("no row `{name}`; `instructions rows` names them");
    let (_, handing, headers) = engine_rows().find(|(n, ..)| n == name).ok_or_else(unknown)?;
    let snapshot = setup::snapshot(&std::fs::read(path)?)?;
    let requests = Requests::new(&work, handing, headers, &snapshot)?;
    let mut worker = requests.worker();
    run(&work, |index| requests.allowed(&snapshot, index, &mut worker))
}

/// As the row of the engine, through the functions that C programs call: the same requests, each in its struct.
fn count_c(work: &Workload, image: &[u8]) -> Result<(), Failure> {
    let (handing, snapshot) = (Handing::Json, setup::snapshot(image)?);
    let requests = Requests::new(work, handing, handing.headers(), &snapshot)?;
    let prepared: Option<Vec<Prepared<'_>>> = requests
        .views()
        .iter()
        .map(|view| Prepared::of(view, NOW))
        .collect();
    let prepared = prepared.ok_or("a request that no struct can say")?;
    let mut caller = Caller::new(image).map_err(|code| format!("the C ABI answers {code}"))?;
    run(work, |index| {
        prepared.get(index).is_some_and(|request| caller.allowed(request))
    })
}

/// Warms up and compares with the truth, then decides everything once more under the counter.
fn run(work: &Workload, mut allowed: impl FnMut(usize) -> bool) -> Result<(), Failure> {
    for (index, truth) in work.truth.iter().enumerate() {
        if allowed(index) != *truth {
            return Err(format!("request {index} is decided wrongly, expected {truth}").into());
        }
    }
    let decisions = work.requests.len();
    measured_pass(decisions, &mut allowed);
    writeln!(std::io::stdout(), "{decisions}")?;
    Ok(())
}

/// Callgrind finds this by its name.
#[inline(never)]
fn measured_pass(decisions: usize, allowed: &mut impl FnMut(usize) -> bool) {
    for index in 0..decisions {
        black_box(allowed(black_box(index)));
    }
}
