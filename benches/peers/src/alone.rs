//! The engine -> figures that are about it alone: compiling by size of policy, loading, bytes of an image, and how far
//! decisions spread by shape. Each is compared with another of the same run.

use std::hint::black_box;
use std::time::Instant;

use portcullis::{CompileOptions, Image, Trust, Worker};
use portcullis_benches::adapter::Requests;
use portcullis_benches::setup;
use portcullis_benches::shapes::{self, Shape};
use portcullis_benches::spread::{self, Spread};
use portcullis_tests::workload::{self, Workload};
use serde::Serialize;

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
    for &rules in rules {
        eprintln!("{rules} rules: compiling and loading");
        alone.compiled.push(compiled(rules));
    }
    let all = [
        shapes::subjects(10),
        shapes::subjects(10_000),
        shapes::networks(1_000),
        shapes::globs(500),
        shapes::deep(60).ok(),
        shapes::github().ok(),
    ];
    for shape in all {
        let shape = shape.unwrap();
        eprintln!("{}", shape.name);
        let spread = shaped(&shape, seconds);
        alone.shapes.push(Shaped {
            name: shape.name,
            median_ns: spread.median_ns,
            p99_ns: spread.p99_ns,
        });
    }
    alone
}

/// The best of three, in ms.
fn best<T>(mut run: impl FnMut() -> T) -> f64 {
    let times = (0..3).map(|_| {
        let start = Instant::now();
        black_box(run());
        start.elapsed().as_secs_f64() * 1e3
    });
    times.fold(f64::MAX, f64::min)
}

fn compiled(rules: usize) -> Compiled {
    let files = workload::files();
    let text = Workload::with_requests(rules, 1).gate();
    let image = setup::image(&text, &files).unwrap();
    let stripped = CompileOptions {
        symbols: false,
        ..CompileOptions::default()
    };
    Compiled {
        rules,
        compile_ms: best(|| setup::image(black_box(&text), &files)),
        parse_ms: best(|| {
            portcullis_lang::parse::parse(portcullis_lang::source::FileId(0), black_box(&text))
        }),
        load_ms: best(|| Image::load(black_box(&image), &Trust::Unsigned)),
        image_bytes: portcullis::compile_with(&setup::model(&text, &files).unwrap(), &stripped)
            .unwrap()
            .len(),
    }
}

fn shaped(shape: &Shape, seconds: f64) -> Spread {
    let snapshot = setup::snapshot(&setup::shape_image(shape).unwrap()).unwrap();
    let requests = Requests::of_vectors(&shape.case.vectors).unwrap();
    let mut worker = Worker::default();
    let mut decide = |index| requests.allowed(&snapshot, index, &mut worker);
    let allowed = (0..requests.len()).filter(|index| decide(*index)).count();
    assert_eq!(allowed, shape.allowed, "{}", shape.name);
    spread::measure(requests.len(), seconds * 4.0, |index| {
        black_box(decide(index));
    })
}
