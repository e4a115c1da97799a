//! What comes through the image's door: whole images of this version, and nothing else. Damage that a digest would
//! hide is let through with a fresh digest: it is refused or decides without a panic, never hangs.

#![expect(clippy::unwrap_used, reason = "a test that can not set itself up fails")]

use std::collections::BTreeMap;

use portcullis::decision::Effect;
use portcullis::image::assemble;
use portcullis::image::config::Config;
use portcullis::image::paths::PathSteps;
use portcullis::{Data, Engine, Image, LoadError, Now, RequestView, Snapshot, Trust, Worker, decide};
use portcullis_compile::{CompileOptions, compile_with};
use sha2::{Digest, Sha256};

const POLICY: &str = r#"gate 1;
issuer corp { url "https://idp.example.com/"; audience "a"; algorithms ES256; keys "k.json"; claims { tenant: string; } }
network office = 10.20.0.0/16, 2001:db8::/32;
hours business = mon..fri 08:00..18:00 in "Europe/Berlin";
principal customer = token from corp;
service orders on "api.example.com", "*.example.org" under "/v1" {
  allow customer to GET /orders/{order:int} with scope "orders:read" when token.tenant == request.header["x-tenant"];
  allow customer to GET /files/v{n:'[0-9]+'}/** when request.header["x-kind"] like "a*b" and client.ip in office;
  deny anyone to any /orders/** when request.size > 100 and not now in business as large;
  on any /** { set response header "x-a" "b"; limit 5 per 1m by client.ip; redact response { drop **.ssn, items[3].x; only { id, items[] } } }
}
"#;

fn image() -> Vec<u8> {
    image_with(&CompileOptions::default())
}

fn image_with(options: &CompileOptions) -> Vec<u8> {
    let files = BTreeMap::from([("k.json".to_string(), b"{\"keys\":[]}".to_vec())]);
    let checked = portcullis_lang::check::load_text_with(POLICY, &files);
    let policy = checked
        .policy
        .unwrap_or_else(|| panic!("{:?}", checked.diagnostics));
    compile_with(&policy, options).unwrap()
}

/// Walks the redaction paths of the first service.
fn walks(image: &Image) {
    let paths = image.paths(0);
    let mut state = paths.root();
    for name in [&b"items"[..], b"ssn", b"other", b"id"] {
        for next in [
            paths.member(state, name),
            paths.any_member(state),
            paths.element(state, 3),
            paths.element(state, u64::MAX),
        ] {
            assert!((next.0 as usize) < paths.states());
            for list in [PathSteps::accepts, PathSteps::live] {
                list(paths, next, &mut |path| {
                    assert!((path.0 as usize) < image.config().paths.len());
                });
            }
        }
        state = paths.member(state, name);
    }
}

/// Writes the digest anew, as an attacker without a signature to forge would.
fn with_digest(mut image: Vec<u8>) -> Vec<u8> {
    if image.len() >= 40 {
        image[8..40].fill(0);
        let digest = Sha256::digest(&image);
        image[8..40].copy_from_slice(&digest);
    }
    image
}

fn decides(image: Image) {
    walks(&image);
    let data = Data::empty(image.config());
    let snapshot = Snapshot::new(image, data);
    let mut worker = Worker::default();
    for target in ["/v1/orders/42", "/v1/files/v7/a/b", "/v1", "/", "*"] {
        let view = RequestView {
            method: b"GET",
            authority: Some(b"api.example.com"),
            target: target.as_bytes(),
            ..RequestView::default()
        };
        let _ = decide(
            &snapshot,
            &view,
            Now {
                wall_us: Some(0),
                mono_us: 0,
            },
            &mut worker,
        );
    }
}

#[test]
fn an_image_is_the_same_for_the_same_policy_and_says_its_digest() {
    let bytes = image();
    assert_eq!(bytes, image());
    let loaded = Image::load(&bytes, &Trust::Unsigned).unwrap();
    assert_eq!(loaded.digest()[..], bytes[8..40]);
    decides(loaded);
}

#[test]
fn every_truncation_and_every_appended_byte_is_refused() {
    let bytes = image();
    for len in 0..bytes.len() {
        assert!(
            Image::load(&bytes[..len], &Trust::Unsigned).is_err(),
            "{len} bytes were taken"
        );
    }
    let mut longer = bytes;
    longer.push(0);
    assert!(matches!(
        Image::load(&longer, &Trust::Unsigned),
        Err(LoadError::Truncated { .. })
    ));
}

#[test]
fn every_flipped_bit_is_refused() {
    let bytes = image();
    let flipped = |bits: std::ops::Range<usize>| {
        for bit in bits {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(
                Image::load(&damaged, &Trust::Unsigned).is_err(),
                "bit {bit} was not missed"
            );
        }
    };
    let half = bytes.len() * 4;
    std::thread::scope(|scope| {
        scope.spawn(|| flipped(0..half));
        flipped(half..bytes.len() * 8);
    });
}

#[test]
fn another_version_says_what_to_do() {
    let mut bytes = image();
    bytes[40] = 9;
    let error = Image::load(&with_digest(bytes), &Trust::Unsigned).unwrap_err();
    assert_eq!(error, LoadError::Version(9));
    assert!(error.to_string().contains("compile the policy again"));
}

/// A policy of one service and one allow, compiled by the engine that wrote format version 1.
const VERSION_1: &[u8] = include_bytes!("fixtures/version-1.image");

/// The same, by the engine that wrote format version 2.
const VERSION_2: &[u8] = include_bytes!("fixtures/version-2.image");

/// The same, by the engine that wrote format version 3.
const VERSION_3: &[u8] = include_bytes!("fixtures/version-3.image");

/// The same, by the engine that wrote format version 5.
const VERSION_5: &[u8] = include_bytes!("fixtures/version-5.image");

/// The same, by the engine that wrote format version 6.
const VERSION_6: &[u8] = include_bytes!("fixtures/version-6.image");

#[test]
fn images_of_old_versions_are_refused_by_their_version() {
    for (image, version) in [
        (VERSION_1, 1),
        (VERSION_2, 2),
        (VERSION_3, 3),
        (VERSION_5, 5),
        (VERSION_6, 6),
    ] {
        assert_eq!(
            Image::load(image, &Trust::Unsigned).unwrap_err(),
            LoadError::Version(version)
        );
    }
}

#[test]
fn an_image_that_requires_what_no_engine_has_is_refused_by_its_name() {
    let config = Config {
        requires: vec!["telepathy".to_string()],
        ..Config::default()
    };
    let image = assemble(&config, &[], &[], None);
    let refused = Image::load(&image, &Trust::Unsigned).unwrap_err();
    assert_eq!(refused, LoadError::Requires("telepathy".to_string()));
    assert!(refused.to_string().contains("`telepathy`"));
}

#[test]
fn an_image_without_symbols_decides_and_only_explains_nothing() {
    let (with, without) = (
        image(),
        image_with(&CompileOptions {
            symbols: false,
            ..Default::default()
        }),
    );
    assert!(without.len() < with.len());
    let decision = |bytes: &[u8]| {
        let image = Image::load(bytes, &Trust::Unsigned).unwrap();
        let data = Data::empty(image.config());
        let view = RequestView {
            method: b"GET",
            authority: Some(b"api.example.com"),
            target: b"/v1/files/v7/a/b",
            ..RequestView::default()
        };
        portcullis::decide_explained(
            &Snapshot::new(image, data),
            &view,
            Now::default(),
            &mut Worker::default(),
        )
    };
    let ((decided, explained), (bare, unexplained)) = (decision(&with), decision(&without));
    assert!(!explained.closest.is_empty() && unexplained.closest.is_empty());
    assert_eq!(decided, bare);
    let image = Image::load(&without, &Trust::Unsigned).unwrap();
    assert!(!image.has_symbols());
    decides(image);
    for len in 0..without.len() {
        assert!(
            Image::load(&without[..len], &Trust::Unsigned).is_err(),
            "{len} bytes were taken"
        );
    }
}

/// Damage behind a right digest: offsets, counts and tags go wrong in every way one word can.
#[test]
fn damage_behind_a_fresh_digest_is_refused_or_harmless() {
    let bytes = image();
    let (mut refused, mut taken) = (0, 0);
    for at in (56..bytes.len()).step_by(3) {
        for value in [0x00, 0x7f, 0x80, 0xff] {
            let mut damaged = bytes.clone();
            damaged[at] = value;
            match Image::load(&with_digest(damaged), &Trust::Unsigned) {
                Err(_) => refused += 1,
                Ok(image) => {
                    taken += 1;
                    decides(image);
                }
            }
        }
    }
    assert!(
        refused > 1_000 && taken > 1_000,
        "{refused} refused, {taken} taken"
    );
}

#[test]
fn a_bad_reload_keeps_the_last_good_data() {
    const WITH_LIST: &str = "gate 1; list banned: ip from \"banned.txt\"; service s { allow anyone to GET /a; \
                             deny anyone to any /** when client.ip in banned; }";
    let files = BTreeMap::from([("banned.txt".to_string(), Vec::new())]);
    let checked = portcullis_lang::check::load_text_with(WITH_LIST, &files);
    let bytes = portcullis_compile::compile(&checked.policy.unwrap()).unwrap();
    let engine = Engine::new();
    let load = |list: Option<&str>| {
        let files = |_: &str| list.map(|text| text.as_bytes().to_vec());
        let errors = engine.load(&bytes, &Trust::Unsigned, &files).unwrap();
        let snapshot = engine.snapshot().unwrap();
        let view = RequestView {
            method: b"GET",
            authority: Some(b"s"),
            target: b"/a",
            socket_peer: Some([192, 0, 2, 1].into()),
            ..RequestView::default()
        };
        let mut worker = Worker::default();
        let effect = decide(&snapshot, &view, Now::default(), &mut worker).effect;
        (errors.len(), effect)
    };
    assert_eq!(load(None), (1, Effect::Deny), "never loaded is unknown");
    assert_eq!(load(Some("203.0.113.9\n")), (0, Effect::Allow));
    assert_eq!(load(Some("nonsense\n")), (1, Effect::Allow), "the last good one");
    assert_eq!(load(None), (1, Effect::Allow), "the last good one");
    assert_eq!(load(Some("192.0.2.1\n")), (0, Effect::Deny));
}
