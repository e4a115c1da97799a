//! Image to snapshot: reading and validating, by size of policy. Compare with `compile` of the same run.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use portcullis::{Image, Trust};
use portcullis_benches::scale::Scale;
use portcullis_benches::{setup, shapes};
use portcullis_tests::workload::{self, Workload};

#[expect(
    clippy::expect_used,
    reason = "a benchmark that can not set itself up would time nothing"
)]
fn loading(c: &mut Criterion) {
    let mut images: Vec<(String, Vec<u8>)> = Vec::new();
    for rules in Scale::of_process().rules() {
        let text = Workload::with_requests(*rules, 1).gate();
        let image = setup::image(&text, &workload::files()).expect("the workload compiles");
        images.push((rules.to_string(), image));
    }
    let github = shapes::github().expect("the policy is in the tree");
    images.push(("github".into(), setup::shape_image(&github).expect("it compiles")));
    let mut group = c.benchmark_group("load");
    group.sample_size(10);
    for (name, image) in &images {
        assert!(Image::load(image, &Trust::Unsigned).is_ok());
        group.throughput(Throughput::Bytes(image.len() as u64));
        group.bench_function(BenchmarkId::from_parameter(name), |b| {
            b.iter(|| Image::load(black_box(image), &Trust::Unsigned))
        });
    }
    group.finish();
}

criterion_group!(benches, loading);
criterion_main!(benches);
