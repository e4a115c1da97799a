//! What a decision touches does not grow with the number of rules: the engine, built to count, reads hardly more
//! words of the image for a hundred thousand rules than for ten.

#![expect(clippy::unwrap_used, reason = "a test that can not set itself up fails")]

use std::net::IpAddr;

use portcullis::{Credential, Data, Image, Now, RequestView, Snapshot, Worker, decide};
use portcullis_tests::bridge::Subject;
use portcullis_tests::rng::Rng;
use portcullis_tests::workload::{self, Headers, RawRequest, Workload};
use portcullis_tests::{generate, oracle};

/// The most words that one of the workload's decisions touched. Each decision must be right.
fn most_words(rules: usize) -> u64 {
    let work = Workload::new(rules);
    let checked = portcullis_lang::check::load_text_with(&work.gate(), &workload::files());
    let policy = checked
        .policy
        .unwrap_or_else(|| panic!("{:?}", checked.diagnostics));
    let image = Image::load(
        &portcullis_compile::compile(&policy).unwrap(),
        &portcullis::Trust::Unsigned,
    )
    .unwrap();
    let data = Data::empty(image.config());
    let snapshot = Snapshot::new(image, data);
    let mut worker = Worker::default();
    let mut most = 0;
    for (index, request) in work.requests.iter().enumerate() {
        let raw = RawRequest::of(index, request, Headers::None);
        let view = RequestView {
            method: raw.method.as_bytes(),
            authority: Some(raw.authority.as_bytes()),
            target: raw.target.as_bytes(),
            socket_peer: Some(IpAddr::V4(raw.address)),
            credential: Credential::Verified {
                issuer: raw.issuer,
                claims: raw.claims_json.as_bytes(),
            },
            ..RequestView::default()
        };
        let before = worker.words_touched();
        let allowed = decide(&snapshot, &view, Now::default(), &mut worker).effect
            == portcullis::decision::Effect::Allow;
        assert_eq!(
            allowed, work.truth[index],
            "{rules} rules, request {index}: {raw:?}"
        );
        most = most.max(worker.words_touched() - before);
    }
    most
}

/// Ten rules have no path below a tenant and no rule beside another on a route, so their longest way is shorter by three
/// segments and some nodes, whatever the number of rules; a hundred have all that a hundred thousand have.
#[test]
fn words_touched_do_not_grow_with_rules() {
    let (few, all_shapes) = (most_words(10), most_words(100));
    assert!(few > 20, "the engine was not built to count: {few}");
    println!("10 rules: {few} words, 100 rules: {all_shapes}");
    for rules in [1_000, 10_000, 100_000] {
        let many = most_words(rules);
        println!("{rules} rules: {many} words");
        assert!(
            many * 10 <= all_shapes * 13,
            "{rules} rules: {many} words, a hundred rules: {all_shapes}"
        );
        assert!(
            many * 10 <= few * 18,
            "{rules} rules: {many} words, ten rules: {few}"
        );
    }
}

#[test]
fn no_decision_reads_more_than_inspect_says() {
    let seed = 3;
    let mut worker = Worker::default();
    let mut nearest = 0;
    for index in 0..150 {
        let mut rng = Rng::part(seed, index);
        let generated = generate::policy(&mut rng);
        let policy = oracle::checked(&generated.text(), &generated.files).unwrap();
        let options = portcullis_compile::CompileOptions {
            symbols: false,
            ..Default::default()
        };
        let image = portcullis_compile::compile_with(&policy, &options).unwrap();
        let subject = Subject::load(&image, &generated.files).unwrap();
        let bound = portcullis_compile::inspect(subject.image()).words_max;
        let requests = generate::Requests::new(&policy, &generated.files);
        for request in 0..40 {
            let vector = requests.next(&mut rng, request.to_string());
            let before = worker.words_touched();
            subject.line_with(&vector, &mut worker).unwrap();
            let words = worker.words_touched() - before;
            assert!(
                words <= bound,
                "seed {seed}, policy {index}: {words} words of at most {bound}"
            );
            nearest = nearest.max(words * 10_000 / bound);
        }
    }
    assert!(nearest > 0, "the bound says nothing");
}
