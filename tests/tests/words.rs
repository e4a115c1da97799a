//! What a decision touches does not grow with the number of routes: the engine, built to count, reads as many words
//! of the image for ten rules as for a hundred thousand.

#![expect(clippy::unwrap_used, reason = "a test that can not set itself up fails")]

use std::collections::BTreeMap;
use std::net::IpAddr;

use portcullis::{Credential, Data, Image, Now, RequestView, Snapshot, Worker, decide};
use portcullis_tests::bridge::Subject;
use portcullis_tests::rng::Rng;
use portcullis_tests::{generate, oracle, workload};

/// The most words that one decision touched, and how many of the decisions allowed.
fn most_words(rules: usize) -> (u64, u32) {
    let files = BTreeMap::from([("corp.jwks.json".to_string(), b"{\"keys\":[]}".to_vec())]);
    let checked = portcullis_lang::check::load_text_with(&workload::policy(rules), &files);
    let policy = checked
        .policy
        .unwrap_or_else(|| panic!("{:?}", checked.diagnostics));
    let image = Image::load(&portcullis::compile(&policy).unwrap()).unwrap();
    let data = Data::empty(image.config());
    let snapshot = Snapshot { image, data };
    let mut worker = Worker::default();
    let (mut most, mut allowed) = (0, 0);
    for step in 0..500 {
        let rule = step * 7919 % rules;
        let (url, method) = workload::request(rule, step);
        let claims = workload::claims(rule);
        let target = url.trim_start_matches("https://api.example.com");
        let view = RequestView {
            method: method.as_bytes(),
            authority: Some(b"api.example.com"),
            target: target.as_bytes(),
            socket_peer: Some(IpAddr::from([192, 0, 2, 7])),
            credential: Credential::Verified {
                issuer: "corp",
                claims: claims.as_bytes(),
            },
            ..RequestView::default()
        };
        let before = worker.words_touched();
        let decision = decide(&snapshot, &view, Now::default(), &mut worker);
        most = most.max(worker.words_touched() - before);
        allowed += u32::from(decision.effect == portcullis::decide::Effect::Allow);
    }
    (most, allowed)
}

#[test]
fn words_touched_do_not_grow_with_routes() {
    grows_not(&[100, 1_000, 10_000]);
}

#[test]
#[ignore = "checking a policy of a hundred thousand rules takes minutes"]
fn words_touched_do_not_grow_to_a_hundred_thousand_rules() {
    grows_not(&[100_000]);
}

fn grows_not(sizes: &[usize]) {
    portcullis_tests::canary::plant().unwrap();
    let (few, _) = most_words(10);
    assert!(few > 20, "the engine was not built to count: {few}");
    for rules in sizes {
        let (many, allowed) = most_words(*rules);
        assert!(
            allowed > 200,
            "{rules} rules: only {allowed} of 500 requests were allowed"
        );
        assert!(
            many * 10 <= few * 13,
            "{rules} rules: {many} words, ten rules: {few}"
        );
    }
}

#[test]
fn no_decision_reads_more_than_inspect_says() {
    portcullis_tests::canary::plant().unwrap();
    let seed = 3;
    let mut worker = Worker::default();
    let mut nearest = 0;
    for index in 0..60 {
        let mut rng = Rng::part(seed, index);
        let generated = generate::policy(&mut rng);
        let policy = oracle::checked(&generated.text(), &generated.files).unwrap();
        let options = portcullis::CompileOptions { symbols: false };
        let image = portcullis::compile_with(&policy, &options).unwrap();
        let bound = Image::load(&image).unwrap().inspect().words_max;
        let subject = Subject::load(&image, &generated.files).unwrap();
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
            nearest = nearest.max(words * 1_000 / bound);
        }
    }
    assert!(nearest > 0, "the bound says nothing");
}
