//! Deciding, compiling and loading, by size of policy: `cargo xtask bench`. Each benchmark asserts its result before
//! it is timed. Figures of one run are compared with each other, never with another machine's.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::net::IpAddr;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use portcullis::decide::Effect;
use portcullis::{Credential, Data, Image, Now, RequestView, Snapshot, Worker, decide};
use portcullis_lang::model::Policy;
use portcullis_tests::workload;

/// Sizes of policy, rules.
const SIZES: [usize; 3] = [10, 100, 1_000];

#[expect(
    clippy::panic,
    reason = "a benchmark of a policy that does not check would time nothing"
)]
fn policy(rules: usize) -> Policy {
    let files = BTreeMap::from([("corp.jwks.json".to_string(), b"{\"keys\":[]}".to_vec())]);
    let checked = portcullis_lang::check::load_text_with(&workload::policy(rules), &files);
    checked
        .policy
        .unwrap_or_else(|| panic!("{:?}", checked.diagnostics))
}

#[expect(clippy::expect_used, reason = "as above")]
fn image(rules: usize) -> Vec<u8> {
    portcullis::compile(&policy(rules)).expect("the workload compiles")
}

#[expect(clippy::expect_used, reason = "as above")]
fn snapshot(rules: usize) -> Snapshot {
    let image = Image::load(&image(rules), &portcullis::Trust::Unsigned).expect("the image loads");
    let data = Data::empty(image.config());
    Snapshot::new(image, data)
}

fn deciding(c: &mut Criterion) {
    let mut group = c.benchmark_group("decide");
    for rules in SIZES {
        let snapshot = snapshot(rules);
        let mut worker = Worker::default();
        let requests: Vec<(String, &str, String)> = (0..64)
            .map(|i| {
                let rule = i * 7919 % rules;
                let (url, method) = workload::request(rule, i);
                let target = url.trim_start_matches("https://api.example.com").to_string();
                (target, method, workload::claims(rule))
            })
            .collect();
        let views: Vec<RequestView<'_>> = requests
            .iter()
            .map(|(target, method, claims)| RequestView {
                method: method.as_bytes(),
                authority: Some(b"api.example.com"),
                target: target.as_bytes(),
                socket_peer: Some(IpAddr::from([192, 0, 2, 7])),
                credential: Credential::Verified {
                    issuer: "corp",
                    claims: claims.as_bytes(),
                },
                ..RequestView::default()
            })
            .collect();
        let allowed = views
            .iter()
            .filter(|v| decide(&snapshot, v, Now::default(), &mut worker).effect == Effect::Allow)
            .count();
        assert!(
            allowed > views.len() / 2,
            "{rules} rules: only {allowed} requests were allowed"
        );
        let mut next = views.iter().cycle();
        group.bench_function(BenchmarkId::from_parameter(rules), |b| {
            b.iter(|| {
                next.next()
                    .map(|view| decide(black_box(&snapshot), view, Now::default(), &mut worker))
            });
        });
    }
    group.finish();
}

fn compiling(c: &mut Criterion) {
    let mut group = c.benchmark_group("compile");
    group.sample_size(10);
    for rules in SIZES {
        let policy = policy(rules);
        group.bench_function(BenchmarkId::from_parameter(rules), |b| {
            b.iter(|| portcullis::compile(black_box(&policy)))
        });
    }
    group.finish();
}

fn loading(c: &mut Criterion) {
    let mut group = c.benchmark_group("load");
    for rules in SIZES {
        let image = image(rules);
        assert!(Image::load(&image, &portcullis::Trust::Unsigned).is_ok());
        group.bench_function(BenchmarkId::from_parameter(rules), |b| {
            b.iter(|| Image::load(black_box(&image), &portcullis::Trust::Unsigned))
        });
    }
    group.finish();
}

criterion_group!(benches, deciding, compiling, loading);
criterion_main!(benches);
