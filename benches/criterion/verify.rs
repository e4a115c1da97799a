//! A signature of a token's length to yes or no, by algorithm: both backends, AWS-LC's own interface, and jsonwebtoken over
//! AWS-LC, in one run. Keys are prepared before, as far as each library lets them be. And floods of forged tokens through
//! whole decisions, with each backend, beside a good token that the worker keeps.

#![expect(
    clippy::expect_used,
    reason = "a benchmark that cannot set itself up would time nothing"
)]

use std::hint::black_box;

use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA256,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use jsonwebtoken::DecodingKey;
use portcullis::decision::Effect;
use portcullis::{Data, Image, Now, RequestView, Snapshot, Trust, Worker, decide};
use portcullis_base::Algorithm;
use portcullis_base::jwks::PublicKey;
use portcullis_benches::setup;
use portcullis_crypto::{Secret, backends};
use portcullis_tests::forge::{FLOOD_NOW_US, Flood};
use portcullis_tests::keys;

/// Bytes of header and claims of the benchmarks' tokens.
const MESSAGE_BYTES: usize = 600;

/// Algorithms with the names of their test keys.
const ALGORITHMS: [(Algorithm, &str); 7] = [
    (Algorithm::Es256, "es256"),
    (Algorithm::Es384, "es384"),
    (Algorithm::EdDsa, "ed25519"),
    (Algorithm::Rs256, "rsa"),
    (Algorithm::Ps256, "rsa"),
    (Algorithm::Rs256, "rsa-4096"),
    (Algorithm::Hs256, "hs256"),
];

/// AWS-LC's form of a key for one algorithm.
fn aws_lc(key: &PublicKey, algorithm: Algorithm) -> Option<ParsedPublicKey> {
    match (key, algorithm) {
        (PublicKey::Ec { x, y, .. }, Algorithm::Es256) => {
            ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, [&[4], x.as_slice(), y].concat()).ok()
        }
        (PublicKey::Ec { x, y, .. }, _) => {
            ParsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, [&[4], x.as_slice(), y].concat()).ok()
        }
        (PublicKey::Ed25519(bytes), _) => ParsedPublicKey::new(&ED25519, bytes).ok(),
        (PublicKey::Rsa { modulus, exponent }, _) => {
            let numbers = PublicKeyComponents {
                n: modulus.as_slice(),
                e: exponent.as_slice(),
            };
            let parameters = match algorithm {
                Algorithm::Ps256 => &RSA_PSS_2048_8192_SHA256,
                _ => &RSA_PKCS1_2048_8192_SHA256,
            };
            numbers.to_parsed_public_key(parameters).ok()
        }
    }
}

/// jsonwebtoken's form of a public key.
fn decoding_key(key: &PublicKey) -> Option<DecodingKey> {
    let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    match key {
        PublicKey::Ec { x, y, .. } => DecodingKey::from_ec_components(&text(x), &text(y)).ok(),
        PublicKey::Ed25519(bytes) => DecodingKey::from_ed_components(&text(bytes)).ok(),
        PublicKey::Rsa { modulus, exponent } => Some(DecodingKey::from_rsa_raw_components(modulus, exponent)),
    }
}

fn verifying(c: &mut Criterion) {
    let message = [b'm'; MESSAGE_BYTES];
    let mut group = c.benchmark_group("verify");
    group.sample_size(20);
    for (algorithm, name) in ALGORITHMS {
        let key = keys::signing(name).expect("a test key");
        let signature = key.sign(algorithm, &message).expect("a key of the algorithm");
        let text = URL_SAFE_NO_PAD.encode(&signature);
        let foreign: jsonwebtoken::Algorithm = algorithm.code().parse().expect("both know it");
        let case = |who: &str| BenchmarkId::new(format!("{}/{name}", algorithm.code()), who);
        if let Some(secret) = key.secret() {
            let own =
                |secret: &Secret| secret.verify_hs(algorithm, black_box(&message), black_box(&signature));
            assert!(own(secret));
            group.bench_function(case("portable"), |b| b.iter(|| own(secret)));
        }
        let decoding = match key.public_key() {
            Some(public) => {
                for (backend, prepares) in backends() {
                    let verifier = prepares.prepare(&public).expect("a sound key");
                    let own = || verifier.verify(algorithm, black_box(&message), black_box(&signature));
                    assert!(own());
                    group.bench_function(case(backend), |b| b.iter(own));
                }
                let parsed = aws_lc(&public, algorithm).expect("a sound key");
                let raw = || {
                    parsed
                        .verify_sig(black_box(&message), black_box(&signature))
                        .is_ok()
                };
                assert!(raw());
                group.bench_function(case("aws-lc-rs"), |b| b.iter(raw));
                decoding_key(&public)
            }
            None => keys::secret_bytes(name)
                .ok()
                .and_then(|bytes| DecodingKey::from_secret(&bytes).ok()),
        };
        let decoding = decoding.expect("a key of jsonwebtoken");
        let other =
            || jsonwebtoken::crypto::verify(black_box(&text), black_box(&message), &decoding, foreign);
        assert!(other().is_ok_and(|good| good));
        group.bench_function(case("jsonwebtoken"), |b| b.iter(other));
    }
    group.finish();
}

fn flooding(c: &mut Criterion) {
    let now = Now {
        wall_us: Some(FLOOD_NOW_US),
        mono_us: 0,
    };
    let mut group = c.benchmark_group("flood");
    group.sample_size(20);
    for flood in Flood::all() {
        let image = setup::image(&flood.gate, &flood.files).expect("a policy without errors");
        for (backend, prepares) in backends() {
            let image = Image::load(&image, &Trust::Unsigned).expect("an image");
            let files = |name: &str| flood.files.get(name).cloned();
            let (data, errors) = Data::default().reload_with(image.config(), &files, *prepares);
            assert!(errors.is_empty(), "{errors:?}");
            let snapshot = Snapshot::new(image, data);
            for wave in &flood.waves {
                let lines: Vec<[(&[u8], &[u8]); 1]> = wave
                    .headers
                    .iter()
                    .map(|value| [(b"authorization".as_slice(), value.as_bytes())])
                    .collect();
                let views: Vec<RequestView<'_>> = lines
                    .iter()
                    .map(|lines| RequestView {
                        method: b"GET",
                        authority: Some(b"h"),
                        target: b"/a",
                        headers: lines,
                        ..RequestView::default()
                    })
                    .collect();
                let mut worker = Worker::with_seed(7);
                let mut allows = |view| decide(&snapshot, view, now, &mut worker).effect == Effect::Allow;
                for view in &views {
                    assert_eq!(allows(view), wave.allowed, "{}", wave.name);
                }
                let mut index = 0;
                let case = BenchmarkId::new(format!("{}/{backend}", flood.algorithm), wave.name);
                group.bench_function(case, |b| {
                    b.iter(|| {
                        index = (index + 1) % views.len();
                        allows(black_box(&views[index]))
                    });
                });
            }
        }
    }
    group.finish();
}

criterion_group!(benches, verifying, flooding);
criterion_main!(benches);
