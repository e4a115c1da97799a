//! R07: from the first trusted key on only images load that it has sealed.

use portcullis::image::seal::{Seal, public_key, sign};
use portcullis_tests_wasm::HostError;

use crate::support::{ALLOW, E_IMAGE, IMAGES, POLICY, TEXT, image_of, vector};

const SECRET: [u8; 32] = [7; 32];

fn sealed(serial: u64) -> Vec<u8> {
    let seal = Seal {
        key_id: "k1",
        audience: "",
        serial,
        not_after_us: None,
        smoke: b"",
    };
    sign(&SECRET, &seal, &image_of(POLICY)).unwrap()
}

fn refused(outcome: Result<(), HostError>) {
    assert!(
        matches!(outcome, Err(HostError::Call { status, .. }) if status == i64::from(E_IMAGE)),
        "{outcome:?}"
    );
}

#[test]
fn r07_where_a_key_is_trusted_only_its_images_load() {
    let mut module = IMAGES.start().unwrap();
    module.load(&image_of(POLICY)).unwrap();
    module
        .named(
            "portcullis_engine_trust_key",
            "k1",
            &public_key(&SECRET).to_bytes(),
        )
        .unwrap();
    refused(module.load(&image_of(POLICY)));
    module.load(&sealed(5)).unwrap();
    refused(module.load(&sealed(4)));
    let mut forged = sealed(6);
    let last = forged.len() - 1;
    forged[last] ^= 1;
    refused(module.load(&forged));
    module.data("banned.txt", b"203.0.113.9\n").unwrap();
    assert_eq!(module.decide(&vector(), None).unwrap().effect, ALLOW);
    let seal = module.alloc(56).unwrap();
    module.write(seal, &56u32.to_le_bytes()).unwrap();
    let params = (module.handles().0, seal as i32);
    assert_eq!(module.raw::<_, i32>("portcullis_engine_seal", params).unwrap(), 0);
    assert_eq!(module.read(seal + 8, 8).unwrap(), 5u64.to_le_bytes());
}

#[test]
fn r07_text_is_never_sealed() {
    let mut module = TEXT.start().unwrap();
    module.data("banned.txt", b"").unwrap();
    module.load_text("policy.gate", POLICY.as_bytes()).unwrap();
    module
        .named(
            "portcullis_engine_trust_key",
            "k1",
            &public_key(&SECRET).to_bytes(),
        )
        .unwrap();
    refused(module.load_text("policy.gate", POLICY.as_bytes()));
}
