//! What comes through the door where a seal is demanded. Names begin with the row of the hostile catalogue that the
//! test is about.

#![expect(clippy::unwrap_used, reason = "a test that can not set itself up fails")]

use std::sync::Arc;

use portcullis::decision::{Effect, Reason};
use portcullis::image::seal::{
    self, HEAD, PublicKey, SERIAL_MAX, SIGNATURE, Seal, SealError, public_key, sign,
};
use portcullis::image::{HighWater, TrustError, WhenExpired};
use portcullis::{
    Data, Engine, Image, LoadError, Now, RequestView, Snapshot, Trust, TrustedKeys, Worker, decide,
};

const SECRET: [u8; 32] = [7; 32];
const OTHER: [u8; 32] = [8; 32];
const END: i64 = 1_000_000;

fn policy(text: &str) -> Vec<u8> {
    let checked = portcullis_lang::check::load_text(text);
    portcullis_compile::compile(&checked.policy.unwrap()).unwrap()
}

fn image() -> Vec<u8> {
    policy("gate 1; service s { allow anyone to GET /a; }")
}

fn plain() -> Seal<'static> {
    Seal {
        key_id: "k1",
        audience: "shop",
        serial: 5,
        not_after_us: None,
        smoke: b"",
    }
}

fn sealed(seal: &Seal<'_>) -> Vec<u8> {
    sign(&SECRET, seal, &image()).unwrap()
}

fn trusted() -> TrustedKeys {
    TrustedKeys {
        keys: vec![("k1".to_string(), public_key(&SECRET))],
        audience: "shop".to_string(),
        ..TrustedKeys::default()
    }
}

fn load(bytes: &[u8], trusted: TrustedKeys) -> Result<Image, LoadError> {
    Image::load(bytes, &Trust::Keys(trusted))
}

#[track_caller]
fn refused(bytes: &[u8], trusted: TrustedKeys) -> TrustError {
    match load(bytes, trusted) {
        Err(LoadError::Untrusted(error)) => error,
        other => panic!("{other:?}"),
    }
}

/// Changes bytes and signs anew, as the key's holder could.
fn resigned(mut bytes: Vec<u8>, change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    use ed25519_dalek::Signer as _;
    bytes.truncate(bytes.len() - SIGNATURE);
    change(&mut bytes);
    let signature = ed25519_dalek::SigningKey::from_bytes(&SECRET).sign(&bytes);
    bytes.extend_from_slice(&signature.to_bytes());
    bytes
}

fn effect(image: Image, wall_us: Option<i64>) -> (Effect, Reason) {
    let data = Data::empty(image.config());
    let view = RequestView {
        method: b"GET",
        authority: Some(b"h"),
        target: b"/a",
        ..RequestView::default()
    };
    let now = Now { wall_us, mono_us: 0 };
    let snapshot = Snapshot::new(image, data);
    let mut worker = Worker::default();
    let decision = decide(&snapshot, &view, now, &mut worker);
    (decision.effect, decision.reason)
}

#[test]
fn a_sealed_image_loads_and_keeps_its_seal() {
    let seal = Seal {
        not_after_us: Some(END),
        smoke: b"{}",
        ..plain()
    };
    let bytes = sealed(&seal);
    assert_eq!(bytes, sealed(&seal), "the same in, the same out");
    let loaded = load(&bytes, trusted()).unwrap();
    let info = loaded.seal().unwrap();
    assert_eq!((info.key_id.as_str(), info.audience.as_str()), ("k1", "shop"));
    assert_eq!((info.mark.serial, info.not_after_us), (5, Some(END)));
    assert_eq!(info.smoke, b"{}");
    assert_eq!(
        loaded.digest(),
        Image::load(&image(), &Trust::Unsigned).unwrap().digest()
    );
    assert_eq!(effect(loaded, None), (Effect::Allow, Reason::Allowed));
    // What development takes without a key is not believed.
    assert!(Image::load(&bytes, &Trust::Unsigned).unwrap().seal().is_none());
}

#[test]
fn r02_truncated_and_longer_seals_are_refused() {
    let bytes = sealed(&plain());
    for len in 0..bytes.len() {
        assert!(load(&bytes[..len], trusted()).is_err(), "{len} bytes were taken");
        assert!(
            Image::load(&bytes[..len], &Trust::Unsigned).is_err(),
            "{len} bytes were taken"
        );
    }
    for more in [1, 63, 64, 65, bytes.len()] {
        let mut longer = bytes.clone();
        longer.resize(bytes.len() + more, 0);
        assert!(matches!(
            load(&longer, trusted()),
            Err(LoadError::Seal(SealError::Length { .. }))
        ));
    }
}

#[test]
fn r02_every_flipped_bit_of_the_seal_is_refused() {
    let bytes = sealed(&Seal {
        not_after_us: Some(END),
        smoke: b"{}",
        ..plain()
    });
    for bit in 0..bytes.len() * 8 {
        let mut damaged = bytes.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert!(load(&damaged, trusted()).is_err(), "bit {bit} was not missed");
    }
}

#[test]
fn r02_lying_lengths_are_refused_before_anything_is_read() {
    for at in [36, 40, 44] {
        for len in [1_u32, 3, 0x7fff_ffff, u32::MAX] {
            let bytes = resigned(sealed(&plain()), |b| {
                b[at..at + 4].copy_from_slice(&len.to_le_bytes())
            });
            assert!(load(&bytes, trusted()).is_err(), "{len} at {at}");
        }
    }
    for len in [0_u64, 1, 1 << 32, 1 << 63, u64::MAX] {
        let bytes = resigned(sealed(&plain()), |b| {
            b[48..56].copy_from_slice(&len.to_le_bytes())
        });
        assert!(load(&bytes, trusted()).is_err(), "{len}");
    }
    // One part's byte is another's: the sum is right, the texts are not.
    let shifted = resigned(sealed(&plain()), |b| (b[36], b[40]) = (b[36] + 1, b[40] - 1));
    assert!(matches!(refused(&shifted, trusted()), TrustError::UnknownKey { key_id } if key_id == "k1s"));
}

/// A good signature over a bad image helps it nothing.
#[test]
fn r02_the_image_inside_is_checked_like_any_other() {
    let whole = image();
    for bad in [&b""[..], &whole[..whole.len() - 1], &sealed(&plain())] {
        let bytes = sign(&SECRET, &plain(), bad).unwrap();
        assert!(load(&bytes, trusted()).is_err());
        assert!(Image::load(&bytes, &Trust::Unsigned).is_err());
    }
}

#[test]
fn r03_other_versions_and_unknown_features_are_refused_even_if_signed() {
    let change = |at: usize, to: u32| {
        let bytes = resigned(sealed(&plain()), |b| {
            b[at..at + 4].copy_from_slice(&to.to_le_bytes())
        });
        load(&bytes, trusted()).unwrap_err()
    };
    for version in [0, 2, u32::MAX] {
        let error = change(24, version);
        assert_eq!(error, LoadError::Seal(SealError::Version(version)));
        assert!(error.to_string().contains("seal the image again"));
    }
    for bit in 2..32 {
        assert_eq!(
            change(32, 1 << bit),
            LoadError::Seal(SealError::Features(1 << bit))
        );
    }
    // Known bits that the fields do not bear out.
    assert_eq!(change(32, 2), LoadError::Seal(SealError::Contradiction));
    let stray = resigned(sealed(&plain()), |b| b[64] = 1);
    assert_eq!(
        load(&stray, trusted()).unwrap_err(),
        LoadError::Seal(SealError::Contradiction)
    );
    // The image inside has a version of its own.
    let newer = resigned(sealed(&plain()), |b| b[HEAD + 2 + 4 + 40] += 1);
    assert!(matches!(load(&newer, trusted()), Err(LoadError::Version(_))));
}

fn mark(bytes: &[u8]) -> HighWater {
    load(bytes, trusted()).unwrap().seal().unwrap().mark
}

#[test]
fn r04_an_older_serial_is_a_replay() {
    let [old, new] = [5, 6].map(|serial| sealed(&Seal { serial, ..plain() }));
    let after = |bytes: &[u8]| TrustedKeys {
        high_water: Some(mark(bytes)),
        ..trusted()
    };
    assert!(load(&new, after(&old)).is_ok());
    assert!(load(&new, after(&new)).is_ok(), "a restart loads the same again");
    assert_eq!(
        refused(&old, after(&new)),
        TrustError::Older { serial: 5, mark: 6 }
    );
    let rollback = TrustedKeys {
        allow_rollback: true,
        ..after(&new)
    };
    assert!(load(&old, rollback).is_ok());
}

#[test]
fn r04_one_serial_is_one_image() {
    let bytes = sealed(&plain());
    let after = TrustedKeys {
        high_water: Some(mark(&bytes)),
        ..trusted()
    };
    let twin = sign(&SECRET, &plain(), &policy("gate 1;")).unwrap();
    assert_eq!(
        refused(&twin, after.clone()),
        TrustError::SameSerial { serial: 5 }
    );
    let longer = sealed(&Seal {
        not_after_us: Some(END),
        ..plain()
    });
    assert_eq!(refused(&longer, after), TrustError::SameSerial { serial: 5 });
}

#[test]
fn r04_the_engine_keeps_what_is_in_force_against_older_and_unsealed_images() {
    let engine = Engine::new();
    let put = |bytes: &[u8], trust: &Trust| engine.load(bytes, trust, &|_| None).map(|_| ());
    let keys = Trust::Keys(trusted());
    let serial = || {
        engine
            .snapshot()
            .unwrap()
            .image
            .seal()
            .map(|seal| seal.mark.serial)
    };
    let [five, six] = [5, 6].map(|serial| sealed(&Seal { serial, ..plain() }));
    put(&image(), &Trust::Unsigned).unwrap();
    put(&six, &keys).unwrap();
    // No mark was handed over: the image in force is one.
    let error = put(&five, &keys).unwrap_err();
    assert_eq!(
        error,
        LoadError::Untrusted(TrustError::Older { serial: 5, mark: 6 })
    );
    let error = put(&image(), &Trust::Unsigned).unwrap_err();
    assert_eq!(error, LoadError::Untrusted(TrustError::Unsigned));
    let twin = sign(&SECRET, &Seal { serial: 6, ..plain() }, &policy("gate 1;")).unwrap();
    assert!(put(&twin, &keys).is_err());
    let older = Image::load(&five, &keys).unwrap();
    let data = Data::empty(older.config());
    assert!(engine.swap(Arc::new(Snapshot::new(older, data))).is_err());
    assert_eq!(serial(), Some(6));
    put(&six, &keys).unwrap();
    let rollback = Trust::Keys(TrustedKeys {
        allow_rollback: true,
        ..trusted()
    });
    put(&five, &rollback).unwrap();
    assert_eq!(serial(), Some(5));
}

#[test]
fn r05_an_ended_seal_is_kept_with_an_alarm_or_denied() {
    let bytes = sealed(&Seal {
        not_after_us: Some(END),
        ..plain()
    });
    let at = |now_us: Option<i64>, when_expired| TrustedKeys {
        now_us,
        when_expired,
        ..trusted()
    };
    let (keep, deny) = (WhenExpired::Keep, WhenExpired::Deny);
    let allowed = (Effect::Allow, Reason::Allowed);
    let shut = (Effect::Deny, Reason::NoPolicy);
    for now in [None, Some(END), Some(END + 1)] {
        let image = load(&bytes, at(now, keep)).unwrap();
        assert_eq!(image.expired(now), now.map(|now| now > END));
        assert_eq!(effect(image, Some(END + 1)), allowed);
    }
    assert_eq!(
        refused(&bytes, at(Some(END + 1), deny)),
        TrustError::Expired { not_after_us: END }
    );
    assert_eq!(refused(&bytes, at(None, deny)), TrustError::NoTime);
    let in_time = load(&bytes, at(Some(END), deny)).unwrap();
    assert_eq!(effect(in_time.clone(), Some(END)), allowed);
    // It ends while in force.
    assert_eq!(effect(in_time.clone(), Some(END + 1)), shut);
    assert_eq!(effect(in_time, None), shut);
    // A seal without an end needs no time.
    let endless = load(&sealed(&plain()), at(None, deny)).unwrap();
    assert_eq!(endless.expired(None), Some(false));
    assert_eq!(effect(endless, None), allowed);
}

#[test]
fn r06_unsealed_bytes_are_refused_where_a_seal_is_demanded() {
    assert_eq!(refused(&image(), trusted()), TrustError::Unsigned);
    assert_eq!(refused(&image(), TrustedKeys::default()), TrustError::Unsigned);
    assert_eq!(refused(b"", trusted()), TrustError::Unsigned);
    // The image taken out of its seal is an unsealed image.
    let bytes = sealed(&plain());
    let inside = seal::open(&bytes).unwrap().image.to_vec();
    assert_eq!(refused(&inside, trusted()), TrustError::Unsigned);
    let mut beside = image();
    beside.extend_from_slice(&bytes);
    assert_eq!(refused(&beside, trusted()), TrustError::Unsigned);
}

#[test]
fn r06_no_other_algorithm_is_taken() {
    for algorithm in [0, 2, 3, u32::MAX] {
        let bytes = resigned(sealed(&plain()), |b| {
            b[28..32].copy_from_slice(&algorithm.to_le_bytes())
        });
        let error = load(&bytes, trusted()).unwrap_err();
        assert_eq!(error, LoadError::Seal(SealError::Algorithm(algorithm)));
    }
}

#[test]
fn r06_the_named_key_and_no_other_must_have_signed() {
    let bytes = sign(&OTHER, &plain(), &image()).unwrap();
    let both = TrustedKeys {
        keys: vec![
            ("k1".to_string(), public_key(&SECRET)),
            ("k2".to_string(), public_key(&OTHER)),
        ],
        ..trusted()
    };
    // Signed by a trusted key under another's name.
    assert_eq!(
        refused(&bytes, both.clone()),
        TrustError::Signature { key_id: "k1".into() }
    );
    let named = sign(
        &OTHER,
        &Seal {
            key_id: "k2",
            ..plain()
        },
        &image(),
    )
    .unwrap();
    assert!(load(&named, both).is_ok());
    assert_eq!(
        refused(&named, trusted()),
        TrustError::UnknownKey { key_id: "k2".into() }
    );
    // The zero signature, and one over the image alone.
    let mut zero = sealed(&plain());
    let at = zero.len() - SIGNATURE;
    zero[at..].fill(0);
    assert_eq!(
        refused(&zero, trusted()),
        TrustError::Signature { key_id: "k1".into() }
    );
    use ed25519_dalek::Signer as _;
    let alone = ed25519_dalek::SigningKey::from_bytes(&SECRET).sign(&image());
    zero[at..].copy_from_slice(&alone.to_bytes());
    assert_eq!(
        refused(&zero, trusted()),
        TrustError::Signature { key_id: "k1".into() }
    );
}

/// The neutral point: signatures under it hold for anything.
#[test]
fn r06_weak_keys_are_no_keys() {
    let mut neutral = [0; 32];
    neutral[0] = 1;
    assert!(PublicKey::from_bytes(&neutral).is_err());
    assert!(PublicKey::from_bytes(&[0; 32]).is_err());
    assert!(PublicKey::from_bytes(&[0xff; 32]).is_err());
}

#[test]
fn r06_another_tenants_image_is_refused() {
    let audience = |audience: &str| TrustedKeys {
        audience: audience.to_string(),
        ..trusted()
    };
    let bytes = sealed(&plain());
    for wanted in ["shop2", "sho", "SHOP", "other"] {
        assert!(matches!(
            refused(&bytes, audience(wanted)),
            TrustError::Audience { .. }
        ));
    }
    let error = refused(&bytes, audience("")).to_string();
    assert!(
        error.contains("`shop`") && error.contains("no audience"),
        "{error}"
    );
    let general = sealed(&Seal {
        audience: "",
        ..plain()
    });
    assert!(load(&general, audience("")).is_ok());
    assert!(matches!(
        refused(&general, trusted()),
        TrustError::Audience { .. }
    ));
}

#[test]
fn r06_what_no_seal_may_say_is_not_signed() {
    let long = "k".repeat(65);
    for key_id in ["", "a b", "a\n", "é", long.as_str()] {
        assert_eq!(
            sign(&SECRET, &Seal { key_id, ..plain() }, b"").unwrap_err(),
            SealError::KeyId
        );
    }
    let long = "a".repeat(256);
    for audience in ["a b", "\u{202e}", "a\0", long.as_str()] {
        assert_eq!(
            sign(&SECRET, &Seal { audience, ..plain() }, b"").unwrap_err(),
            SealError::Audience
        );
    }
    for serial in [0, SERIAL_MAX + 1, u64::MAX] {
        assert_eq!(
            sign(&SECRET, &Seal { serial, ..plain() }, b"").unwrap_err(),
            SealError::Serial
        );
    }
    let smoke = vec![b' '; portcullis::limits::SMOKE_BYTES + 1];
    let big = Seal {
        smoke: &smoke,
        ..plain()
    };
    assert!(matches!(
        sign(&SECRET, &big, b"").unwrap_err(),
        SealError::Smoke(_)
    ));
}

#[test]
fn r09_a_policy_without_rules_denies_everything() {
    for text in [
        "gate 1;",
        "gate 1; service s { }",
        "gate 1; service s on \"h\" { }",
    ] {
        let bytes = sign(&SECRET, &plain(), &policy(text)).unwrap();
        assert_eq!(
            effect(load(&bytes, trusted()).unwrap(), None).0,
            Effect::Deny,
            "{text}"
        );
    }
    assert!(load(&sign(&SECRET, &plain(), b"").unwrap(), trusted()).is_err());
    assert!(Image::load(b"", &Trust::Unsigned).is_err());
}
