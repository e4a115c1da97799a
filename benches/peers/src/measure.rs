//! An evaluator -> one row: does it agree with the truth, how long does a decision take, what does it allocate, and
//! what do two threads bring.
//!
//! A machine is quick and slow by turns. So all rows of all sizes are kept ready and timed in rounds, a little of each
//! in turn, and a row counts by its best round: rows that are compared have met the same machine.

use std::hint::black_box;
use std::time::{Duration, Instant};

use portcullis_benches::spread;
use portcullis_tests::workload::Workload;
use serde::Serialize;

use crate::evaluator::Evaluator;
use crate::heap;

/// Rounds over all rows: as many chances to meet the machine at its best.
pub const ROUNDS: u32 = 15;

/// One engine, used in one way, at one size of policy.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    pub name: String,
    pub rules: usize,
    /// Policy text or data to something that decides.
    pub load_ms: f64,
    /// What stays on the heap.
    pub heap_bytes: i64,
    /// Mean of a pass over the requests: the best pass of all.
    pub best_ns: f64,
    /// The median pass of the best round.
    pub median_ns: f64,
    /// Over requests, each at its best; of the best round.
    pub p99_ns: f64,
    pub allocations: f64,
    /// Decisions a second of two threads by those of one, each at its best.
    pub two_threads: f64,
    /// Decisions that equal the truth, of those that were compared; `None` where the row decides nothing.
    pub agrees: Option<(usize, usize)>,
}

impl Row {
    /// Whether the row means anything.
    pub fn holds(&self) -> bool {
        self.agrees.is_none_or(|(right, of)| right == of)
    }
}

/// A row that is being measured.
pub trait Lane {
    /// Times decisions for about so many seconds.
    fn round(&mut self, seconds: f64);
    /// What came out.
    fn row(&self) -> Row;
}

struct Timed<E: Evaluator + 'static> {
    evaluator: &'static E,
    state: E::State<'static>,
    requests: usize,
    row: Row,
    /// Decisions a second of one thread and of two, at best.
    rates: [f64; 2],
}

/// Loads an evaluator and compares its answers with the truth, for about so many seconds. It stays loaded to the end.
pub fn lane<E: Evaluator + 'static>(
    work: &'static Workload,
    name: &str,
    judged: bool,
    seconds: f64,
    load: impl FnOnce() -> E,
) -> Box<dyn Lane> {
    let before = heap::live();
    let start = Instant::now();
    let evaluator = load();
    let load_ms = start.elapsed().as_secs_f64() * 1e3;
    let heap_bytes = heap::live() - before;
    let evaluator: &'static E = Box::leak(Box::new(evaluator));
    let mut state = evaluator.state();

    let start = Instant::now();
    let (mut compared, mut right) = (0, 0);
    for (index, truth) in work.truth.iter().enumerate() {
        right += usize::from(evaluator.allowed(&mut state, index) == *truth);
        compared += 1;
        if start.elapsed().as_secs_f64() > seconds * 6.0 && compared >= 30 {
            break;
        }
    }
    let estimate = start.elapsed().as_secs_f64() / compared as f64;
    let requests = ((seconds / 5.0 / estimate) as usize).clamp(10, work.requests.len());
    black_box(pass(evaluator, &mut state, requests));
    let calls = heap::calls();
    black_box(pass(evaluator, &mut state, requests));
    let allocations = (heap::calls() - calls) as f64 / requests as f64;
    Box::new(Timed {
        evaluator,
        state,
        requests,
        row: Row {
            name: name.to_string(),
            rules: work.rules.len(),
            load_ms,
            heap_bytes,
            best_ns: f64::MAX,
            median_ns: f64::MAX,
            p99_ns: f64::MAX,
            allocations,
            two_threads: 0.0,
            agrees: judged.then_some((right, compared)),
        },
        rates: [0.0; 2],
    })
}

impl<E: Evaluator + 'static> Lane for Timed<E> {
    fn round(&mut self, seconds: f64) {
        let (evaluator, requests) = (self.evaluator, self.requests);
        let mut passes = Vec::new();
        let start = Instant::now();
        while passes.len() < 3 || (start.elapsed().as_secs_f64() < seconds && passes.len() < 4_000) {
            let pass_start = Instant::now();
            black_box(pass(evaluator, &mut self.state, requests));
            passes.push(pass_start.elapsed().as_secs_f64() * 1e9 / requests as f64);
        }
        passes.sort_by(f64::total_cmp);
        let spread = spread::measure(requests, seconds * 2.0, |index| {
            black_box(evaluator.allowed(&mut self.state, index));
        });
        let row = &mut self.row;
        row.best_ns = row.best_ns.min(passes[0]);
        row.median_ns = row.median_ns.min(passes[passes.len() / 2]);
        row.p99_ns = row.p99_ns.min(spread.p99_ns);
        for (threads, best) in (1..).zip(&mut self.rates) {
            *best = best.max(rate(evaluator, requests, threads, seconds));
        }
        row.two_threads = self.rates[1] / self.rates[0];
    }

    fn row(&self) -> Row {
        self.row.clone()
    }
}

#[inline(never)]
fn pass<'a, E: Evaluator>(evaluator: &'a E, state: &mut E::State<'a>, requests: usize) -> usize {
    (0..requests)
        .filter(|index| evaluator.allowed(state, black_box(*index)))
        .count()
}

/// Decisions a second of so many threads.
fn rate<E: Evaluator>(evaluator: &E, requests: usize, threads: usize, seconds: f64) -> f64 {
    let go = std::sync::Barrier::new(threads);
    let run = || {
        let mut state = evaluator.state();
        let few = requests.min(100);
        black_box(pass(evaluator, &mut state, few));
        go.wait();
        let start = Instant::now();
        let mut done = 0;
        while start.elapsed() < Duration::from_secs_f64(seconds) {
            black_box(pass(evaluator, &mut state, few));
            done += few;
        }
        done as f64 / start.elapsed().as_secs_f64()
    };
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        all.into_iter().map(|thread| thread.join().unwrap()).sum()
    })
}
