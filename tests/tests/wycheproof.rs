//! Project Wycheproof's JSON Web Signatures through every backend: those that it calls valid verify, the others do not,
//! and what we judge otherwise is listed with its reason. Then the same faults in tokens, through whole decisions with
//! every backend; the other hosts have these as `hostile/wycheproof` of the corpus.
//!
//! The first is about keys and signatures. Of a token only the compact form is taken apart, and `alg` held against the key's
//! own, as RFC 8725 (section 3.1) asks: without that a key verifies what was signed under another algorithm.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis::{Check, Data, Image, Now, Snapshot, Trust, Worker, decide, judge_token};
use portcullis_base::{Algorithm, jwks};
use portcullis_bridge::OwnedRequest;
use portcullis_crypto::{Backend, Secret, backends};
use portcullis_tests::wycheproof::{JwsGroup, json_web_signatures};
use portcullis_tests::{counts, forge};
use serde_json::Value;

/// What we judge otherwise than Wycheproof.
const DEVIATIONS: [(u32, &str); 8] = [
    (
        346,
        "refused: the key's own `alg` is PS256 and the token's PS384; a key is for one algorithm",
    ),
    (347, "refused: P-521 is not supported"),
    (350, "refused: as 346"),
    (351, "refused: P-521 is not supported"),
    (
        367,
        "accepted: the text is that of 357, which is valid; the padding that it is about is not in the file",
    ),
    (370, "accepted: as 367"),
    (
        372,
        "refused: a character outside of base64url in the header, which 357 signs without it",
    ),
    (
        373,
        "refused: a character outside of base64url in the payload, as 372",
    ),
];

/// What a token is verified with.
enum Key {
    Public(Option<String>, Box<dyn portcullis_crypto::Verifier>),
    Secret(Option<String>, Secret),
}

impl Key {
    /// `None` where no key of the set is for signatures or of a supported kind.
    fn new(backend: &dyn Backend, group: &JwsGroup) -> Option<Key> {
        if group.key["kty"] == "oct" {
            let bytes = URL_SAFE_NO_PAD.decode(group.key["k"].as_str()?).ok()?;
            let alg = group.key["alg"].as_str().map(str::to_string);
            return Some(Key::Secret(alg, Secret::new(&bytes)));
        }
        let key = jwks::read(group.key_set().as_bytes()).ok()?.keys.pop()?;
        Some(Key::Public(key.alg, backend.prepare(&key.key).ok()?))
    }

    fn verify(&self, jws: &str) -> Option<bool> {
        let (input, signature) = jws.rsplit_once('.')?;
        let (header, payload) = input.split_once('.')?;
        let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).ok()?).ok()?;
        URL_SAFE_NO_PAD.decode(payload).ok()?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        let algorithm = Algorithm::from_code(header["alg"].as_str()?)?;
        let (Key::Public(own, _) | Key::Secret(own, _)) = self;
        if own.as_ref().is_some_and(|own| own != algorithm.code()) {
            return None;
        }
        Some(match self {
            Key::Public(_, verifier) => verifier.verify(algorithm, input.as_bytes(), &signature),
            Key::Secret(_, secret) => secret.verify_hs(algorithm, input.as_bytes(), &signature),
        })
    }
}

#[test]
fn all_vectors_through_every_backend() {
    assert!(backends().len() == 2 || !cfg!(feature = "native-crypto"));
    for (name, backend) in backends() {
        let mut deviations = BTreeMap::from(DEVIATIONS);
        let (mut ran, mut wrong) = (0, Vec::new());
        for group in json_web_signatures().unwrap() {
            let key = Key::new(*backend, &group);
            for vector in &group.vectors {
                ran += 1;
                let good = key.as_ref().and_then(|key| key.verify(&vector.jws)) == Some(true);
                let expected = vector.is_valid() != deviations.remove(&vector.id).is_some();
                if good != expected {
                    wrong.push(format!(
                        "{} {} {}: {good}",
                        group.comment, vector.id, vector.comment
                    ));
                }
            }
        }
        assert!(wrong.is_empty(), "{name}:\n{}", wrong.join("\n"));
        assert!(deviations.is_empty(), "not of this file: {deviations:?}");
        counts::executed("wycheproof_jws", ran).unwrap();
    }
}

/// The one token that a vector's header line carries.
fn bearer(vector: &portcullis_vectors::Vector) -> &[u8] {
    let line = &vector.request.headers[0].1.0;
    line.strip_prefix(b"Bearer ").unwrap_or_default()
}

#[test]
fn their_faults_in_tokens_through_decisions_with_every_backend() {
    let made = forge::transplanted().unwrap();
    let files: BTreeMap<String, Vec<u8>> = made.files.into_iter().collect();
    let checked = portcullis_lang::check::load_text_with(&made.gate, &files);
    let policy = checked
        .policy
        .unwrap_or_else(|| panic!("{:#?}", checked.diagnostics));
    let image = portcullis_compile::compile(&policy).unwrap();
    for (name, backend) in backends() {
        let image = Image::load(&image, &Trust::Unsigned).unwrap();
        let (data, errors) =
            Data::default().reload_with(image.config(), &|name| files.get(name).cloned(), *backend);
        assert!(errors.is_empty(), "{errors:?}");
        let snapshot = Snapshot::new(image, data);
        let (mut worker, mut wrong, mut by_signature) = (Worker::with_seed(7), Vec::new(), 0);
        for vector in &made.vectors {
            let request = OwnedRequest::from_vector(vector).unwrap();
            let expected = serde_json::to_value(vector.expect.as_ref().unwrap()).unwrap();
            let is_good = expected["effect"] == "allow";
            let found = request.with_view(|view| {
                let decision = decide(&snapshot, view, Now::default(), &mut worker);
                decision.detail.map_or(Value::Null, Value::from)
            });
            if found != expected["detail"] {
                wrong.push(format!("{}: {found}, not {}", vector.id, expected["detail"]));
            }
            // The signature is looked at, and alone decides.
            let judged = judge_token(&snapshot, bearer(vector), Now::default(), None);
            let first = judged
                .issuers
                .iter()
                .find(|issuer| {
                    issuer
                        .checks
                        .iter()
                        .any(|(check, result)| *check == Check::Issuer && result.is_ok())
                })
                .and_then(|issuer| issuer.checks.iter().find(|(_, result)| result.is_err()));
            let is_signature = first.is_some_and(|(check, _)| *check == Check::Signature);
            assert_eq!(
                is_signature,
                expected["detail"] == "bad_signature",
                "{}",
                vector.id
            );
            by_signature += usize::from(is_signature || is_good);
        }
        assert!(wrong.is_empty(), "{name}:\n{}", wrong.join("\n"));
        assert!(by_signature >= 336, "{by_signature}");
    }
    let mut named: Vec<u32> = made.deviations.iter().map(|(id, _)| *id).collect();
    assert_eq!(named, DEVIATIONS.map(|(id, _)| id));
    named.extend(made.not_transplanted.iter().map(|(id, _)| *id));
    let ids: Vec<&str> = made.vectors.iter().map(|vector| vector.id.as_str()).collect();
    for id in named {
        assert!(ids.contains(&format!("jws-{id}").as_str()), "{id}");
    }
    counts::executed("wycheproof_tokens", made.vectors.len() as u64).unwrap();
}
