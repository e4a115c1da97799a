//! Secrets, API keys and a private key of the corpus are marked, and nothing that an engine says of them shows the mark:
//! neither diagnostics, images, errors of files, verdicts and judgements, nor what a debugger prints of any of it. Other
//! hosts print what they say as the crate does, and the run of all tests searches what every suite prints.
#![allow(clippy::unwrap_used, reason = "a test")]

use portcullis::{Carries, Data, Engine, Exchange, Image, Snapshot, Trust, Worker, judge_token};
use portcullis_bridge::OwnedRequest;
use portcullis_tests::{corpus, counts};

/// What the run of all tests looks for (`xtask/src/test.rs`), and what marks the secrets of the example policies.
const MARKS: [&str; 2] = ["PLANTED-", "a made up secret of the example"];

fn is_marked(bytes: &[u8]) -> bool {
    MARKS
        .iter()
        .any(|mark| bytes.windows(mark.len()).any(|part| part == mark.as_bytes()))
}

/// Where the mark was found.
#[derive(Default)]
struct Leaks {
    searched: u64,
    found: Vec<String>,
}

impl Leaks {
    fn search(&mut self, place: &str, said: impl AsRef<[u8]>) {
        self.searched += 1;
        let said = said.as_ref();
        // A secret printed as bytes is one as well.
        let as_bytes = MARKS.map(|mark| format!("{:?}", mark.as_bytes()));
        let as_bytes = as_bytes.map(|list| list.trim_matches(['[', ']']).to_string());
        let is_listed = as_bytes
            .iter()
            .any(|list| said.windows(list.len()).any(|part| part == list.as_bytes()));
        if is_marked(said) || is_listed {
            self.found.push(place.to_string());
        }
    }
}

#[test]
fn no_output_shows_a_secret() {
    let mut leaks = Leaks::default();
    let (mut files, mut headers) = (0, 0);
    for case in corpus::cases().unwrap() {
        files += case.files.values().filter(|bytes| is_marked(bytes)).count();
        let checked = case.check();
        let at = |what: &str| format!("{}: {what}", case.name);
        leaks.search(&at("diagnostics"), format!("{:?}", checked.diagnostics));
        let Some(policy) = checked.policy else {
            continue;
        };
        let bytes = portcullis_compile::compile(&policy).unwrap();
        leaks.search(&at("image"), &bytes);
        let image = Image::load(&bytes, &Trust::Unsigned).unwrap();
        let (data, errors) = Data::load(image.config(), &|name| case.files.get(name).cloned());
        leaks.search(&at("errors of files"), format!("{errors:?}"));
        let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
        leaks.search(&at("errors of files"), errors.join("\n"));
        // Each file cut short, so that it is bad in some way.
        let (_, errors) = Data::load(image.config(), &|name| {
            let bytes = case.files.get(name)?;
            Some(bytes[..bytes.len().min(15)].to_vec())
        });
        let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
        leaks.search(&at("errors of short files"), errors.join("\n"));
        let snapshot = Snapshot::new(image, data);
        leaks.search(&at("snapshot"), format!("{snapshot:?}"));
        let engine = Engine::from(snapshot.clone());
        let (mut worker, carries) = (
            Worker::with_seed(7),
            Carries {
                request_body: true,
                charges: true,
                response_body: true,
                introspection: true,
            },
        );
        for vector in &case.vectors {
            let request = OwnedRequest::from_vector(vector).unwrap();
            let at = |what: &str| format!("{}: {what}", vector.id);
            let mut exchange = Exchange::new();
            exchange.explain_denials(true);
            request.with_view(|view| {
                engine.begin(&mut exchange, &mut worker, view, carries, request.now());
            });
            leaks.search(&at("an exchange that has begun"), format!("{exchange:?}"));
            request.hand_over_body(&mut exchange, &mut worker);
            leaks.search(&at("exchange"), format!("{exchange:?}"));
            leaks.search(&at("verdict"), exchange.to_json(&vector.id));
            for (_, value) in &vector.request.headers {
                headers += usize::from(is_marked(&value.0));
                let judged = judge_token(&snapshot, &value.0, request.now(), None);
                leaks.search(&at("judgement"), format!("{judged:?}"));
            }
        }
        leaks.search(&at("worker"), format!("{worker:?}"));
    }
    assert!(leaks.found.is_empty(), "{}", leaks.found.join("\n"));
    assert!(files >= 30, "only {files} files are marked");
    assert!(headers >= 12, "only {headers} requests show something marked");
    counts::executed("planted_outputs", leaks.searched).unwrap();
}
