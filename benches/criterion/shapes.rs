//! Deciding where merging rules is hard, and by the policy of a real API. One iteration is all requests of a shape.

use std::hint::black_box;
use std::io::Write as _;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use portcullis::Worker;
use portcullis_benches::adapter::Requests;
use portcullis_benches::scale::Scale;
use portcullis_benches::shapes::{self, Shape};
use portcullis_benches::{setup, spread};

#[expect(
    clippy::expect_used,
    reason = "a benchmark that can not set itself up would time nothing"
)]
fn shape(c: &mut Criterion, name: &str, shape: &Shape) {
    let image = setup::shape_image(shape).expect("the shape compiles");
    let snapshot = setup::snapshot(&image).expect("the image loads");
    let requests = Requests::of_vectors(&shape.case.vectors).expect("the vectors are requests");
    let mut worker = Worker::default();
    let mut decide = |index| requests.allowed(&snapshot, index, &mut worker);
    let allowed = (0..requests.len()).filter(|i| decide(*i)).count();
    assert_eq!(allowed, shape.allowed, "{}", shape.name);
    let mut group = c.benchmark_group(name);
    group.sample_size(20);
    group.throughput(Throughput::Elements(requests.len() as u64));
    group.bench_function(BenchmarkId::from_parameter(&shape.name), |b| {
        b.iter(|| (0..requests.len()).filter(|i| decide(black_box(*i))).count())
    });
    group.finish();
    if Scale::of_process() != Scale::Test {
        let spread = spread::measure(requests.len(), 5.0, |index| {
            black_box(decide(index));
        });
        let _ = writeln!(
            std::io::stderr(),
            "{name}/{}: median {:.0} ns, p99 {:.0} ns, {:.1} times the median; image {} bytes",
            shape.name,
            spread.median_ns,
            spread.p99_ns,
            spread.p99_ns / spread.median_ns,
            image.len()
        );
    }
}

#[expect(clippy::expect_used, reason = "as above")]
fn shapes(c: &mut Criterion) {
    let scale = Scale::of_process();
    let mut all = vec![
        shapes::subjects(10),
        shapes::subjects(scale.of(10_000)),
        shapes::networks(scale.of(1_000)),
        shapes::globs(scale.of(500)),
    ];
    if scale == Scale::Test {
        all.remove(0); // the same as the next
    }
    for one in all {
        shape(c, "shapes", &one.expect("the shape's requests are well-formed"));
    }
    for one in [
        shapes::few_facts(10),
        shapes::few_facts(scale.of(10_000)),
        shapes::deep(scale.of(60)),
    ] {
        shape(c, "shapes", &one.expect("the shape compiles"));
    }
    shape(c, "github", &shapes::github().expect("the policy is in the tree"));
}

criterion_group!(benches, shapes);
criterion_main!(benches);
