//! Deciding, by size of policy and by the way the token comes; the floors beside it. One iteration is all 1,000
//! requests of the workload. Figures of one run are compared with each other, never with another machine's.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use portcullis_benches::adapter::{Handing, Requests};
use portcullis_benches::floor::{self, Floor};
use portcullis_benches::scale::Scale;
use portcullis_benches::setup;
use portcullis_tests::workload::{self, Headers, RawRequest, Workload};

#[expect(
    clippy::expect_used,
    reason = "a benchmark that can not set itself up would time nothing"
)]
fn deciding(c: &mut Criterion) {
    let mut group = c.benchmark_group("decide");
    group.sample_size(20);
    for rules in Scale::of_process().rules() {
        let work = Workload::new(*rules);
        let all = work.requests.len();
        group.throughput(Throughput::Elements(all as u64));
        let raw: Vec<RawRequest> = (0..)
            .zip(&work.requests)
            .map(|(index, request)| RawRequest::of(index, request, Headers::None))
            .collect();
        let floor = Floor::new(&work, &raw);
        for handing in floor::Handing::ALL {
            let decide = |index| floor.allowed(handing, index);
            assert_eq!((0..all).map(decide).collect::<Vec<_>>(), work.truth);
            group.bench_function(BenchmarkId::new(handing.name(), rules), |b| {
                b.iter(|| (0..all).filter(|i| decide(black_box(*i))).count())
            });
        }
        let image = setup::image(&work.gate(), &workload::files()).expect("the workload compiles");
        let snapshot = setup::snapshot(&image).expect("the image loads");
        let usual = Handing::ALL.map(|handing| (handing.name(), handing, handing.headers()));
        let with_headers = [("engine/json+headers", Handing::Json, Headers::Usual)];
        for (name, handing, headers) in usual.into_iter().chain(with_headers) {
            let requests =
                Requests::new(&work, handing, headers, &snapshot).expect("the claims are in order");
            let mut worker = requests.worker();
            let mut decide = |index| requests.allowed(&snapshot, index, &mut worker);
            assert_eq!((0..all).map(&mut decide).collect::<Vec<_>>(), work.truth);
            group.bench_function(BenchmarkId::new(name, rules), |b| {
                b.iter(|| (0..all).filter(|i| decide(black_box(*i))).count())
            });
        }
    }
    group.finish();
}

criterion_group!(benches, deciding);
criterion_main!(benches);
