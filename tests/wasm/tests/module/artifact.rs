//! The module: how large it is, what it asks of its host, which is nothing, and what it offers.

use crate::support::{E_IO, E_UNSUPPORTED, IMAGES, IMAGES_FILE, POLICY, TEXT};
use portcullis_tests_wasm::HostError;
use xtask::{step, wasm};

/// Largest module that ships, bytes. The design means 400,000 before signatures and bodies, 700,000 with tokens, whose
/// verification takes 190,000, and 900,000 with bodies.
const SHIPPED_MAX: u64 = 900_000;

/// Functions of the header, buffers, and what linkers add.
const EXPORTS: [&str; 42] = [
    "__data_end",
    "__heap_base",
    "memory",
    "portcullis_abi_version",
    "portcullis_alloc",
    "portcullis_engine_data",
    "portcullis_engine_data_errors",
    "portcullis_engine_digest",
    "portcullis_engine_free",
    "portcullis_engine_load",
    "portcullis_engine_load_file",
    "portcullis_engine_load_text",
    "portcullis_engine_new",
    "portcullis_engine_seal",
    "portcullis_engine_trust_audience",
    "portcullis_engine_trust_key",
    "portcullis_engine_trust_mark",
    "portcullis_engine_trust_time",
    "portcullis_error_code",
    "portcullis_error_free",
    "portcullis_error_text",
    "portcullis_exchange_begin",
    "portcullis_exchange_body",
    "portcullis_exchange_body_end",
    "portcullis_exchange_charged",
    "portcullis_exchange_effect",
    "portcullis_exchange_failed",
    "portcullis_exchange_finish",
    "portcullis_exchange_free",
    "portcullis_exchange_header",
    "portcullis_exchange_introspected",
    "portcullis_exchange_json",
    "portcullis_exchange_next",
    "portcullis_exchange_quota",
    "portcullis_exchange_response_body",
    "portcullis_exchange_response_head",
    "portcullis_exchange_text",
    "portcullis_exchange_verdict",
    "portcullis_free",
    "portcullis_has_compiler",
    "portcullis_version",
    "portcullis_worker_free",
];

#[test]
fn the_module_is_small() {
    let size = std::fs::metadata(&*IMAGES_FILE).unwrap().len();
    println!("the module that ships has {size} bytes");
    assert!(size <= SHIPPED_MAX, "{size} bytes, at most {SHIPPED_MAX}");
}

#[test]
fn the_module_does_not_say_who_built_it() {
    let module = std::fs::read(&*IMAGES_FILE).unwrap();
    for place in [wasm::sources(), step::root()] {
        let place = place.display().to_string();
        let mut parts = module.windows(place.len());
        assert!(!parts.any(|part| part == place.as_bytes()), "{place}");
    }
}

/// That nothing is imported is asserted where modules are loaded, of both.
#[test]
fn the_header_is_what_the_modules_export() {
    let mut expected: Vec<&str> = EXPORTS.to_vec();
    expected.push("portcullis_worker_new");
    assert_eq!(IMAGES.exports(), expected);
    assert_eq!(TEXT.exports(), expected);
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../ffi/c/include/portcullis.h");
    let header = std::fs::read_to_string(root).unwrap();
    for name in expected.iter().filter(|name| name.starts_with("portcullis_")) {
        let is_own = ["portcullis_alloc", "portcullis_free"].contains(name);
        assert!(is_own || header.contains(&format!("{name}(")), "{name}");
    }
}

#[test]
fn what_a_module_can_not_do_it_says() {
    for (module, has_compiler) in [(&IMAGES, 0), (&TEXT, 1)] {
        let mut module = module.start().unwrap();
        assert_eq!(
            module.raw::<_, i32>("portcullis_has_compiler", ()).unwrap(),
            has_compiler
        );
        assert_eq!(module.raw::<_, i32>("portcullis_abi_version", ()).unwrap(), 2);
        let at: i32 = module.raw("portcullis_version", ()).unwrap();
        let version = module.read(at as u32, 6).unwrap();
        assert_eq!(version, concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes());
        // There are no files in a module.
        let (path, len) = module.put(b"policy.image").unwrap();
        let params = (module.handles().0, path, len, 0);
        assert_eq!(
            module
                .raw::<_, i32>("portcullis_engine_load_file", params)
                .unwrap(),
            E_IO
        );
    }
    let refused = IMAGES
        .start()
        .unwrap()
        .load_text("policy.gate", POLICY.as_bytes());
    let Err(HostError::Call { status, text, .. }) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(status, i64::from(E_UNSUPPORTED));
    assert!(text.contains("without the compiler"), "{text}");
}
