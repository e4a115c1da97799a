//! This engine, the floors and other policy engines on the same requests, in one process and one run.
//!
//! `workload -> evaluators -> rows -> table, bars, record`. Progress goes to standard error, the tables to standard
//! output. A row that does not agree with the truth everywhere is void, and the run ends with 1.

mod alone;
mod bars;
mod cedar;
mod chart;
mod date;
mod enforcer;
mod evaluator;
mod expressions;
mod heap;
mod measure;
mod ours;
mod record;
mod rego;
mod router;

use std::path::PathBuf;
use std::process::ExitCode;

use portcullis_benches::adapter::{Handing, Requests};
use portcullis_benches::floor::{self, Floor};
use portcullis_tests::workload::{Headers, RawRequest, Workload};

use evaluator::Evaluator;
use measure::{Lane, Row};

const HELP: &str = "\
This engine, floors and other policy engines on the same requests.

Usage: portcullis-peers [OPTION VALUE]..

  --rules 10,100,1000   sizes of policies (10 to 100,000 by default)
  --seconds 1.0         about how long each row is timed, over all rounds
  --only NAME,NAME      rows whose name holds one of these
  --record FOLDER       write DATE.md, DATE.json and DATE.svg

Example: cargo run --release -- --rules 1000 --only engine,floor
";

struct Options {
    rules: Vec<usize>,
    seconds: f64,
    only: Vec<String>,
    record: Option<PathBuf>,
}

fn options() -> Option<Options> {
    let mut options = Options {
        rules: vec![10, 100, 1_000, 10_000, 100_000],
        seconds: 1.0,
        only: Vec::new(),
        record: None,
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next()?;
        match word.as_str() {
            "--rules" => options.rules = value.split(',').map(|n| n.parse().ok()).collect::<Option<_>>()?,
            "--seconds" => options.seconds = value.parse().ok()?,
            "--only" => options.only = value.split(',').map(str::to_string).collect(),
            "--record" => options.record = Some(value.into()),
            _ => return None,
        }
    }
    Some(options)
}

fn main() -> ExitCode {
    let Some(options) = options() else {
        eprint!("{HELP}");
        return ExitCode::from(2);
    };
    let mut run = Run {
        options: &options,
        lanes: Vec::new(),
    };
    for rules in &options.rules {
        eprintln!("{rules} rules: making requests and working out the truth");
        run.size(Box::leak(Box::new(Workload::new(*rules))));
    }
    let rows = run.rows();
    let alone = match options.only.is_empty() {
        true => alone::measure(&options.rules, options.seconds),
        false => alone::Alone::default(),
    };
    println!("{}", record::tables(&rows));
    println!("{}", record::by_itself(&alone));
    println!("{}", bars::table(&rows, &alone));
    if let Some(folder) = &options.record {
        if let Err(error) = record::write(folder, &rows, &alone) {
            eprintln!("the record was not written: {error}");
            return ExitCode::FAILURE;
        }
    }
    match rows.iter().find(|row| !row.holds()) {
        Some(void) => {
            eprintln!(
                "{} at {} rules decides otherwise: {:?}",
                void.name, void.rules, void.agrees
            );
            ExitCode::FAILURE
        }
        None => ExitCode::SUCCESS,
    }
}

struct Run<'o> {
    options: &'o Options,
    lanes: Vec<Box<dyn Lane>>,
}

impl Run<'_> {
    /// Times all rows in turn, some rounds.
    fn rows(mut self) -> Vec<Row> {
        for round in 0..measure::ROUNDS {
            eprintln!("round {} of {}", round + 1, measure::ROUNDS);
            for lane in &mut self.lanes {
                lane.round(self.options.seconds / f64::from(measure::ROUNDS));
            }
        }
        self.lanes.iter().map(|lane| lane.row()).collect()
    }

    /// All rows of one size.
    fn size(&mut self, work: &'static Workload) {
        let raw: Vec<RawRequest> = (0..)
            .zip(&work.requests)
            .map(|(index, request)| RawRequest::of(index, request, Headers::None))
            .collect();
        let raw: &'static [RawRequest] = raw.leak();
        for handing in floor::Handing::ALL {
            let load = || ours::HandWritten {
                floor: Floor::new(work, raw),
                handing,
            };
            self.row(work, handing.name(), true, load);
        }
        self.row(work, "matchit/route only", false, || ours::Routing {
            work,
            router: router::Router::new(work),
        });
        // Tokens that are known are known under a policy that is loaded; the load that is timed is another one.
        let loaded = ours::Engine::snapshot(work);
        let engine = Handing::ALL.map(|handing| (handing.name(), handing, handing.headers()));
        for (name, handing, headers) in
            engine
                .into_iter()
                .chain([("engine/json+headers", Handing::Json, Headers::Usual)])
        {
            let requests = Requests::new(work, handing, headers, &loaded).unwrap();
            self.row(work, name, true, || ours::Engine::load(work, requests));
        }
        if work.rules.len() <= 10_000 {
            self.row(work, "cedar/scan", true, || {
                cedar::Cedar::load(work, cedar::Mode::Scan)
            });
        }
        self.row(work, "cedar/sliced", true, || {
            cedar::Cedar::load(work, cedar::Mode::Sliced)
        });
        self.row(work, "regorus/data vm", true, || rego::Rego::load(work));
        self.row(work, "cel/routed", true, || expressions::Cel::load(work));
        if work.rules.len() <= 10_000 {
            self.row(work, "casbin/keyMatch2", true, || enforcer::Casbin::load(work));
        }
    }

    fn row<E: Evaluator + 'static>(
        &mut self,
        work: &'static Workload,
        name: &str,
        judged: bool,
        load: impl FnOnce() -> E,
    ) {
        let only = &self.options.only;
        if !only.is_empty() && !only.iter().any(|part| name.contains(part)) {
            return;
        }
        eprintln!("{} rules: {name}", work.rules.len());
        self.lanes
            .push(measure::lane(work, name, judged, self.options.seconds, load));
    }
}
