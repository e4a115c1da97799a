//! The same policy as graphs alone, as rule bitmaps alone, and as the compiler would choose: the same verdict lines,
//! and those of the reference. Random policies have short lists; the second half decides lists of several words.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

use std::collections::BTreeMap;

use portcullis_tests::adversarial::{self, Shape};
use portcullis_tests::counts;
use portcullis_tests::generate::{self, Requests};
use portcullis_tests::oracle::{self, Pair};
use portcullis_tests::rng::Rng;

/// The seed of every run.
const SEED: u64 = 0x666f_726d_7300_0001;
const POLICIES: u64 = 200;
const REQUESTS: u64 = 40;

#[test]
fn random_policies_decide_the_same_in_every_form() {
    let mut decided = 0;
    for index in 0..POLICIES {
        let mut rng = Rng::part(SEED, index);
        let generated = generate::policy(&mut rng);
        let policy = oracle::checked(&generated.text(), &generated.files).unwrap();
        let mut pair = Pair::new(&policy, &generated.files).unwrap();
        pair.in_all_forms(&policy, &generated.files).unwrap();
        let requests = Requests::new(&policy, &generated.files);
        for request in 0..REQUESTS {
            let vector = requests.next(&mut rng, format!("{index}-{request}"));
            if let Err(difference) = pair.decide(&vector) {
                panic!(
                    "seed {SEED:#x}, policy {index}, request {request}:\n{difference}{}{}",
                    generated.text(),
                    serde_json::to_string(&vector).unwrap()
                );
            }
            // Graphs, bitmaps and the file.
            decided += 3;
        }
    }
    counts::executed("forms_pairs", decided).unwrap();
}

#[test]
fn long_lists_decide_the_same_in_every_form() {
    let shapes = [
        adversarial::subjects(150),
        adversarial::few_facts(300),
        adversarial::few_facts_denied(300),
        adversarial::bodies(200),
        adversarial::networks(120),
        adversarial::globs(40),
        adversarial::thresholds(300),
        adversarial::elements(150),
    ];
    let mut decided = 0;
    for Shape { name, text, .. } in shapes {
        let policy = oracle::checked(&text, &BTreeMap::new()).unwrap();
        let mut pair = Pair::new(&policy, &BTreeMap::new()).unwrap();
        pair.in_all_forms(&policy, &BTreeMap::new()).unwrap();
        for vector in adversarial::requests(SEED, 100) {
            if let Err(difference) = pair.decide(&vector) {
                panic!("{name}:\n{difference}{}", serde_json::to_string(&vector).unwrap());
            }
            decided += 3;
        }
    }
    counts::executed("forms_shapes", decided).unwrap();
}
