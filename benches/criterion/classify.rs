//! Classifiers, each in a policy of one rule beside a policy without it: what one look at a fact costs, by how much
//! the fact is compared with.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use portcullis::Worker;
use portcullis_benches::adapter::Requests;
use portcullis_benches::scale::Scale;
use portcullis_benches::setup;
use portcullis_tests::workload;
use portcullis_vectors::{Vector, parse_line};

/// A condition over something that `size` values are compared with, and a declaration for it.
type Asked = fn(usize) -> (String, String);

const KINDS: [(&str, Asked); 5] = [
    ("nothing", |_| (String::new(), String::new())),
    ("texts", |size| {
        let all: Vec<String> = (0..size).map(|i| format!("\"user-{i}\"")).collect();
        (String::new(), format!(" when token.sub in [{}]", all.join(", ")))
    }),
    ("networks", |size| {
        let all: Vec<String> = (0..size)
            .map(|i| format!("10.{}.{}.0/25", i / 256 % 256, i % 256))
            .collect();
        (
            format!("network some = {};\n", all.join(", ")),
            " when client.ip in some".into(),
        )
    }),
    ("numbers", |size| {
        let all: Vec<String> = (0..size).map(|i| format!("token.level == {}", i * 3)).collect();
        (String::new(), format!(" when {}", all.join(" or ")))
    }),
    ("globs", |size| {
        let all: Vec<String> = (0..size)
            .map(|i| format!("token.mail like \"*@team{i}.*\""))
            .collect();
        (String::new(), format!(" when {}", all.join(" or ")))
    }),
];

#[expect(
    clippy::expect_used,
    reason = "a benchmark that can not set itself up would time nothing"
)]
fn vectors(size: usize) -> Vec<Vector> {
    let one = |i: usize| {
        let n = i * 31 % size;
        parse_line(&format!(
            "{{\"id\":\"{i}\",\"request\":{{\"method\":\"GET\",\"url\":\"https://api.example.com/one\",\
             \"client_ip\":\"10.{}.{}.9\"}},\"token\":{{\"issuer\":\"corp\",\"claims\":{{\"sub\":\"user-{n}\",\
             \"level\":{},\"mail\":\"a@team{n}.example.com\"}}}}}}",
            n / 256 % 256,
            n % 256,
            n * 3
        ))
    };
    (0..100).map(one).collect::<Result<_, _>>().expect("well-formed")
}

#[expect(clippy::expect_used, reason = "as above")]
fn classifying(c: &mut Criterion) {
    let mut group = c.benchmark_group("classify");
    group.sample_size(20);
    let mut sizes = vec![10, Scale::of_process().of(500)];
    sizes.dedup(); // a test runs only the small one
    for size in sizes {
        let requests = Requests::of_vectors(&vectors(size)).expect("the vectors are requests");
        group.throughput(Throughput::Elements(requests.len() as u64));
        for (name, asked) in KINDS {
            let (declaration, condition) = asked(size);
            let text = format!(
                "gate 1;\n{declaration}issuer corp {{ url \"https://idp.example.com/\"; audience \"api\"; \
                 algorithms ES256; keys \"corp.jwks.json\"; claims {{ level: int = 0; mail: string = \"\"; }} }}\n\
                 principal caller = token from corp;\nservice api on \"api.example.com\" {{\n  \
                 allow caller to GET /one{condition};\n}}\n"
            );
            let image = setup::image(&text, &workload::files()).expect("the policy compiles");
            let snapshot = setup::snapshot(&image).expect("the image loads");
            let mut worker = Worker::default();
            let mut decide = |index| requests.allowed(&snapshot, index, &mut worker);
            assert!((0..requests.len()).all(&mut decide), "{name} of {size}");
            group.bench_function(BenchmarkId::new(name, size), |b| {
                b.iter(|| (0..requests.len()).filter(|i| decide(black_box(*i))).count())
            });
        }
    }
    group.finish();
}

criterion_group!(benches, classifying);
criterion_main!(benches);
