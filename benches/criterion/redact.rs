//! Redacting responses: four documents of 32 KB and of 1 MB, by the engine and by JSON libraries that parse, edit and
//! write them. All of them in turn in one run; what is compared is each one's best and median round.

#[path = "redact/libraries.rs"]
mod libraries;

use std::io::Write as _;
use std::time::Instant;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use libraries::{Library, simd_edit, sonic_edit, value_edit};
use portcullis_benches::documents::Document;
use portcullis_benches::response::Redacting;
use portcullis_benches::scale::Scale;
use portcullis_benches::setup;

/// As an HTTP server reads a body.
const CHUNK: usize = 16_384;

/// Sizes of documents, bytes, with how many times as fast as serde_json and as sonic-rs the engine is to be.
const SIZES: [(usize, f64, f64); 2] = [(32 * 1_024, 5.0, 2.5), (1_024 * 1_024, 8.0, 5.0)];

/// Rounds of a document of so many bytes.
fn rounds(bytes: usize) -> usize {
    match Scale::of_process() {
        Scale::Test => 1,
        Scale::Quick => (1 << 24) / bytes,
        Scale::Full => (1 << 27) / bytes,
    }
}

#[expect(
    clippy::expect_used,
    reason = "a benchmark that cannot set itself up would time nothing"
)]
fn redacting(gate: &str) -> Redacting {
    let image = setup::image(gate, &Default::default()).expect("the policy compiles");
    Redacting::new(setup::snapshot(&image).expect("the image loads"))
}

/// The best and the median of times, µs.
fn spread(mut times: Vec<f64>) -> (f64, f64) {
    times.sort_by(f64::total_cmp);
    let at = |index: usize| times.get(index).copied().unwrap_or_default() * 1e6;
    (at(0), at(times.len() / 2))
}

#[expect(clippy::expect_used, reason = "as above")]
fn compare(document: &Document, bars: (f64, f64)) {
    let mut libraries: [(&str, Library); 3] = [
        ("serde_json", value_edit),
        ("sonic-rs", sonic_edit),
        ("simd-json", simd_edit),
    ];
    let body = document.text.as_bytes();
    let mut engine = redacting(&document.gate());
    let mut anywhere = redacting(&document.gate_anywhere());
    let (mut out, mut expected) = (Vec::new(), Vec::new());
    value_edit(body, &document.drops, &mut expected);
    let truth: serde_json::Value = serde_json::from_slice(&expected).expect("it is JSON");
    let whole: serde_json::Value = serde_json::from_slice(body).expect("it is JSON");
    assert_ne!(truth, whole, "something is dropped");
    let same =
        |out: &[u8]| serde_json::from_slice::<serde_json::Value>(out).is_ok_and(|value| value == truth);
    for (name, edit) in &mut libraries {
        edit(body, &document.drops, &mut out);
        assert!(same(&out), "{name}");
    }
    for chunk in [CHUNK, body.len(), 7] {
        engine.redact(body, chunk, &mut out).expect("it is redacted");
        assert!(same(&out), "{} in chunks of {chunk}", document.name);
        anywhere.redact(body, chunk, &mut out).expect("it is redacted");
        assert!(same(&out), "{} anywhere in chunks of {chunk}", document.name);
    }

    let mut times: [Vec<f64>; 5] = Default::default();
    for _ in 0..rounds(body.len()) {
        let mut time = |index: usize, run: &mut dyn FnMut(&mut Vec<u8>)| {
            let start = Instant::now();
            run(&mut out);
            times[index].push(start.elapsed().as_secs_f64());
        };
        time(0, &mut |out| {
            engine.redact(body, CHUNK, out).expect("it is redacted")
        });
        time(1, &mut |out| {
            anywhere.redact(body, CHUNK, out).expect("it is redacted")
        });
        for (index, (_, edit)) in libraries.iter().enumerate() {
            time(2 + index, &mut |out| edit(body, &document.drops, out));
        }
    }
    let [engine, anywhere, serde, sonic, simd] = times.map(spread);
    let rate = |time: (f64, f64)| body.len() as f64 / time.0;
    let _ = writeln!(
        std::io::stderr(),
        "{:<14} {:>7} | engine {:>8.1} µs (median {:>8.1}) {:>5.0} MB/s | **.x {:>5.0} MB/s | serde_json {:>4.0} MB/s, {:>5.2}x \
         (bar {}) | sonic-rs {:>4.0} MB/s, {:>5.2}x (bar {}) | simd-json {:>4.0} MB/s, {:>5.2}x",
        document.name,
        body.len(),
        engine.0,
        engine.1,
        rate(engine),
        rate(anywhere),
        rate(serde),
        serde.0 / engine.0,
        bars.0,
        rate(sonic),
        sonic.0 / engine.0,
        bars.1,
        rate(simd),
        simd.0 / engine.0,
    );
}

fn ratios(_: &mut Criterion) {
    for (bytes, serde, sonic) in SIZES {
        let bytes = if Scale::of_process() == Scale::Test {
            4_096
        } else {
            bytes
        };
        for document in Document::all(bytes) {
            compare(&document, (serde, sonic));
        }
    }
}

#[expect(clippy::expect_used, reason = "as above")]
fn redact(c: &mut Criterion) {
    let mut group = c.benchmark_group("redact");
    group.sample_size(20);
    let sizes = if Scale::of_process() == Scale::Test {
        &SIZES[..1]
    } else {
        &SIZES
    };
    for (bytes, ..) in sizes {
        for document in Document::all(*bytes) {
            let body = document.text.as_bytes();
            let mut engine = redacting(&document.gate());
            let mut out = Vec::new();
            group.throughput(Throughput::Bytes(body.len() as u64));
            group.bench_function(BenchmarkId::new(document.name, bytes), |b| {
                b.iter(|| engine.redact(body, CHUNK, &mut out).expect("it is redacted"))
            });
        }
    }
    group.finish();
}

criterion_group!(benches, ratios, redact);
criterion_main!(benches);
