//! The engine -> figures that are about it alone: compiling by size of policy, loading, bytes of an image, and how far
//! decisions spread by shape. Each is compared with another of the same run.

use std::hint::black_box;
use std::time::Instant;

use portcullis::{Image, Trust, Worker};
use portcullis_compile::CompileOptions;
use portcullis_benches::adapter::Requests;
use portcullis_benches::setup;
use portcullis_benches::shapes::{self, Shape};
use portcullis_benches::spread::{self, Spread};
use portcullis_lang::parse::parse;
use portcullis_lang::source::FileId;
use portcullis_tests::workload::{self, Workload};
use serde::Serialize;

/// How often each size is compiled and loaded, and each shape decided, in turn; the best counts.
const ROUNDS: u32 = 3;

/// The workload's policy at one size.
#[derive(Clone, Debug, Serialize)]
pub struct Compiled {
    pub rules: usize,
    /// Text to image, the best of some runs.
    pub compile_ms: f64,
    /// Of it, parsing alone.
    pub parse_ms: f64,
    /// Reading and validating the image with its symbols, the best of some runs.
    pub load_ms: f64,
    /// Bytes of the image without symbols.
    pub image_bytes: usize,
}

/// A shape: how long its decisions take.
#[derive(Clone, Debug, Serialize)]
pub struct Shaped {
    pub name: String,
    pub median_ns: f64,
    pub p99_ns: f64,
}

/// All of them.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Alone {
    pub compiled: Vec<Compiled>,
    pub shapes: Vec<Shaped>,
}

/// Measures policies of these sizes, and the shapes.
pub fn measure(rules: &[usize], seconds: f64) -> Alone {
    let mut alone = Alone::default();
    eprintln!("compiling and loading");
    let mut all: Vec<(Source, Compiled)> = rules.iter().map(|rules| source(*rules)).collect();
    for _ in 0..ROUNDS {
        all.iter_mut().for_each(|(source, of)| again(source, of));
    }
    alone.compiled = all.into_iter().map(|(_, of)| of).collect();
    let all = [
        shapes::subjects(10),
        shapes::subjects(10_000),
        shapes::networks(1_000),
        shapes::globs(500),
        shapes::few_facts(10).ok(),
        shapes::few_facts(10_000).ok(),
        shapes::deep(60).ok(),
        shapes::github().ok(),
    ];
    for round in 0..ROUNDS {
        for (at, shape) in all.iter().enumerate() {
            let shape = shape.as_ref().unwrap();
            let Spread { median_ns, p99_ns } = shaped(shape, seconds);
            if round == 0 {
                eprintln!("{}", shape.name);
                alone.shapes.push(Shaped {
                    name: shape.name.clone(),
                    median_ns,
                    p99_ns,
                });
            }
            let best = &mut alone.shapes[at];
            best.median_ns = best.median_ns.min(median_ns);
            best.p99_ns = best.p99_ns.min(p99_ns);
        }
    }
    alone
}

/// A policy's text and image.
struct Source {
    text: String,
    image: Vec<u8>,
}

fn source(rules: usize) -> (Source, Compiled) {
    let files = workload::files();
    let text = Workload::with_requests(rules, 1).gate();
    let image = setup::image(&text, &files).unwrap();
    let stripped = CompileOptions {
        symbols: false,
        ..CompileOptions::default()
    };
    let model = setup::model(&text, &files).unwrap();
    let compiled = Compiled {
        rules,
        compile_ms: f64::MAX,
        parse_ms: f64::MAX,
        load_ms: f64::MAX,
        image_bytes: portcullis_compile::compile_with(&model, &stripped).unwrap().len(),
    };
    (Source { text, image }, compiled)
}

/// Once more; the best counts.
fn again(source: &Source, of: &mut Compiled) {
    fn time<T>(best: &mut f64, run: impl FnOnce() -> T) {
        let start = Instant::now();
        black_box(run());
        *best = best.min(start.elapsed().as_secs_f64() * 1e3);
    }
    let files = workload::files();
    time(&mut of.compile_ms, || {
        setup::image(black_box(&source.text), &files)
    });
    time(&mut of.parse_ms, || parse(FileId(0), black_box(&source.text)));
    time(&mut of.load_ms, || {
        Image::load(black_box(&source.image), &Trust::Unsigned)
    });
}

fn shaped(shape: &Shape, seconds: f64) -> Spread {
    let snapshot = setup::snapshot(&setup::shape_image(shape).unwrap()).unwrap();
    let requests = Requests::of_vectors(&shape.case.vectors).unwrap();
    let mut worker = Worker::default();
    let mut decide = |index| requests.allowed(&snapshot, index, &mut worker);
    let allowed = (0..requests.len()).filter(|index| decide(*index)).count();
    assert_eq!(allowed, shape.allowed, "{}", shape.name);
    spread::measure(requests.len(), seconds * 2.0, |index| {
        black_box(decide(index));
    })
}
