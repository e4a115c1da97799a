//! Text to image, by size of policy, and how much of it is parsing and checking.

use std::hint::black_box;
use std::io::Write as _;
use std::time::Instant;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use portcullis_benches::scale::Scale;
use portcullis_benches::{setup, shapes};
use portcullis_lang::source::FileId;
use portcullis_tests::workload::{self, Workload};

#[expect(
    clippy::expect_used,
    reason = "a benchmark that can not set itself up would time nothing"
)]
fn compiling(c: &mut Criterion) {
    let scale = Scale::of_process();
    let files = workload::files();
    let mut group = c.benchmark_group("compile");
    group.sample_size(10);
    for rules in scale.rules() {
        let text = Workload::with_requests(*rules, 1).gate();
        let image = setup::image(&text, &files).expect("the workload compiles");
        assert!(setup::snapshot(&image).is_ok());
        group.throughput(Throughput::Elements(*rules as u64));
        group.bench_function(BenchmarkId::new("text to image", rules), |b| {
            b.iter(|| setup::image(black_box(&text), &files))
        });
        if scale != Scale::Test {
            shares(*rules, &text, image.len());
        }
    }
    let github = shapes::github().expect("the policy is in the tree");
    group.throughput(Throughput::Elements(608));
    group.bench_function("github", |b| b.iter(|| setup::shape_image(black_box(&github))));
    group.finish();
}

/// Each phase once: parse, parse and check, and the rest.
#[expect(clippy::expect_used, reason = "as above")]
fn shares(rules: usize, text: &str, bytes: usize) {
    let start = Instant::now();
    black_box(portcullis_lang::parse::parse(FileId(0), text));
    let parse = start.elapsed().as_secs_f64();
    let start = Instant::now();
    let model = setup::model(text, &workload::files()).expect("it compiled before");
    let checked = start.elapsed().as_secs_f64();
    let start = Instant::now();
    black_box(portcullis_compile::compile(&model)).expect("it compiled before");
    let emitted = start.elapsed().as_secs_f64();
    let share = |part: f64| 100.0 * part / (checked + emitted);
    let _ = writeln!(
        std::io::stderr(),
        "compile/{rules}: {:.1} ms, of it parsing {:.0} %, checking {:.0} %, model to image {:.0} %; {:.0} bytes a rule",
        1e3 * (checked + emitted),
        share(parse),
        share(checked - parse),
        share(emitted),
        bytes as f64 / rules as f64
    );
}

/// How many times as long globs may take as the same texts by `==`.
const GLOBS_TIMES_MAX: f64 = 10.0;

/// Globs beside literals, each the fastest of five in turn, so that both met the same machine.
#[expect(clippy::expect_used, reason = "as above")]
fn globs(_: &mut Criterion) {
    let [literals, globs] = [false, true].map(|globs| shapes::one_fact(1_000, globs));
    let mut fastest = [f64::INFINITY; 2];
    for _ in 0..5 {
        for (text, fastest) in [&literals, &globs].into_iter().zip(&mut fastest) {
            let start = Instant::now();
            black_box(setup::image(black_box(text), &Default::default())).expect("the shape compiles");
            *fastest = start.elapsed().as_secs_f64().min(*fastest);
        }
    }
    let times = fastest[1] / fastest[0];
    let _ = writeln!(
        std::io::stderr(),
        "compile/globs: 1,000 literals {:.0} ms, 1,000 globs {:.0} ms, {times:.1} times",
        1e3 * fastest[0],
        1e3 * fastest[1]
    );
    assert!(
        Scale::of_process() == Scale::Test || times <= GLOBS_TIMES_MAX,
        "globs take {times:.1} times as long as literals"
    );
}

criterion_group!(benches, compiling, globs);
criterion_main!(benches);
