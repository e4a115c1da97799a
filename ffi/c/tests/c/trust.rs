//! Sealed images through the exported functions: from the first trusted key on, nothing else loads.

use std::ffi::c_char;

use portcullis::image::seal::{Seal, public_key, sign};
use portcullis_c::exports::*;
use portcullis_c::status::*;
use portcullis_c::types;

const SECRET: [u8; 32] = [7; 32];

fn image() -> Vec<u8> {
    let checked = portcullis_lang::check::load_text("gate 1; service s { allow anyone to GET /a; }");
    portcullis_compile::compile(&checked.policy.unwrap()).unwrap()
}

fn sealed(serial: u64, audience: &str) -> Vec<u8> {
    let seal = Seal {
        key_id: "k1",
        audience,
        serial,
        not_after_us: Some(77),
        smoke: b"{}",
    };
    sign(&SECRET, &seal, &image()).unwrap()
}

/// An engine by its exported functions.
struct Engine(u64);

impl Engine {
    fn new() -> Engine {
        let mut engine = 0;
        // SAFETY: a variable of ours.
        let code = unsafe { portcullis_engine_new(&raw mut engine, std::ptr::null_mut()) };
        assert_eq!(code, PORTCULLIS_OK);
        Engine(engine)
    }

    fn load(&self, image: &[u8]) -> i32 {
        // SAFETY: pointer and length of a slice.
        unsafe { portcullis_engine_load(self.0, image.as_ptr().cast(), image.len(), std::ptr::null_mut()) }
    }

    fn trust(&self, id: &str, key: &[u8]) -> i32 {
        // SAFETY: pointers and lengths of slices.
        unsafe {
            let id_ptr = id.as_ptr().cast::<c_char>();
            portcullis_engine_trust_key(
                self.0,
                id_ptr,
                id.len(),
                key.as_ptr(),
                key.len(),
                std::ptr::null_mut(),
            )
        }
    }

    fn seal(&self) -> (i32, types::Seal) {
        let mut seal = types::Seal::default();
        // SAFETY: a variable of ours.
        (unsafe { portcullis_engine_seal(self.0, &raw mut seal) }, seal)
    }

    /// Whether `GET /a` is allowed at a time.
    fn allows_at(&self, now_us: i64) -> bool {
        let request = types::Request {
            method: types::Text::from("GET"),
            scheme: types::Text::from("https"),
            authority: types::Text::from("h"),
            target: types::Text::from("/a"),
            flags: types::PORTCULLIS_HAS_WALL_CLOCK,
            wall_us: now_us,
            ..types::Request::default()
        };
        let (mut worker, mut exchange) = (0, 0);
        let (none, no_verdict) = (std::ptr::null_mut(), std::ptr::null_mut());
        // SAFETY: variables of ours, texts that live for ever, and null where it is allowed.
        let effect = unsafe {
            assert_eq!(portcullis_worker_new(&raw mut worker, none), PORTCULLIS_OK);
            portcullis_exchange_begin(
                self.0,
                worker,
                &raw const request,
                &raw mut exchange,
                no_verdict,
                none,
            )
        };
        assert_eq!(portcullis_exchange_free(exchange), PORTCULLIS_OK);
        assert_eq!(portcullis_worker_free(worker), PORTCULLIS_OK);
        effect == PORTCULLIS_ALLOW
    }
}

#[test]
fn where_a_key_is_trusted_only_its_images_load() {
    let engine = Engine::new();
    assert_eq!(engine.seal().0, PORTCULLIS_E_NONE);
    assert_eq!(engine.load(&image()), PORTCULLIS_OK);
    assert_eq!(engine.seal().0, PORTCULLIS_E_NONE);
    let key = public_key(&SECRET).to_bytes();
    assert_eq!(engine.trust("k 1", &key), PORTCULLIS_E_KEY);
    assert_eq!(engine.trust("k1", &key[1..]), PORTCULLIS_E_KEY);
    assert_eq!(engine.trust("k1", &key), PORTCULLIS_OK);
    // SAFETY: pointer and length of a text.
    let code =
        unsafe { portcullis_engine_trust_audience(engine.0, c"shop".as_ptr(), 4, std::ptr::null_mut()) };
    assert_eq!(code, PORTCULLIS_OK);
    assert_eq!(engine.load(&image()), PORTCULLIS_E_IMAGE, "unsealed");
    assert_eq!(engine.load(&sealed(5, "")), PORTCULLIS_E_IMAGE, "for nobody");
    assert_eq!(engine.load(&sealed(5, "shop")), PORTCULLIS_OK);
    assert_eq!(engine.load(&sealed(4, "shop")), PORTCULLIS_E_IMAGE, "a replay");
    let (code, seal) = engine.seal();
    assert_eq!((code, seal.serial, seal.not_after_us), (PORTCULLIS_OK, 5, 77));
    assert_eq!(seal.smoke_bytes, 2);
    // A program with the struct of an earlier version gets what that had.
    let mut older = types::Seal {
        struct_size: std::mem::offset_of!(types::Seal, smoke_bytes),
        smoke_bytes: 99,
        ..types::Seal::default()
    };
    // SAFETY: a variable of ours.
    let code = unsafe { portcullis_engine_seal(engine.0, &raw mut older) };
    assert_eq!((code, older.serial, older.smoke_bytes), (PORTCULLIS_OK, 5, 99));
    let text = b"gate 1; service s { allow anyone to GET /a; }";
    // SAFETY: pointers and lengths of slices.
    let code = unsafe {
        let ptr = text.as_ptr().cast::<c_char>();
        portcullis_engine_load_text(engine.0, c"p".as_ptr(), 1, ptr, text.len(), std::ptr::null_mut())
    };
    assert_eq!(code, PORTCULLIS_E_IMAGE, "text is never sealed");
    assert_eq!(portcullis_engine_free(engine.0), PORTCULLIS_OK);

    // Another process with the stored mark, which comes before the image.
    let engine = Engine::new();
    assert_eq!(engine.trust("k1", &key), PORTCULLIS_OK);
    // SAFETY: pointers and lengths of slices.
    unsafe {
        let none = std::ptr::null_mut();
        let mark = |len| portcullis_engine_trust_mark(engine.0, 6, seal.digest.as_ptr(), len, none);
        assert_eq!(mark(31), PORTCULLIS_E_KEY);
        assert_eq!(mark(32), PORTCULLIS_OK);
        let lower = portcullis_engine_trust_mark(engine.0, 1, seal.digest.as_ptr(), 32, none);
        assert_eq!(
            lower, PORTCULLIS_OK,
            "and changes nothing, as the next load shows"
        );
    }
    assert_eq!(engine.load(&sealed(5, "")), PORTCULLIS_E_IMAGE);
    assert_eq!(engine.load(&sealed(7, "")), PORTCULLIS_OK);
    assert_eq!(portcullis_engine_free(engine.0), PORTCULLIS_OK);
}

#[test]
fn r05_seals_end_for_whoever_says_the_time() {
    const END: i64 = 77;
    let key = public_key(&SECRET).to_bytes();
    let time = |engine: &Engine, now_us| {
        // SAFETY: null is allowed.
        unsafe { portcullis_engine_trust_time(engine.0, now_us, std::ptr::null_mut()) }
    };
    let engine = Engine::new();
    assert_eq!(engine.trust("k1", &key), PORTCULLIS_OK);
    assert_eq!(engine.load(&sealed(1, "")), PORTCULLIS_OK);
    assert!(engine.allows_at(END) && engine.allows_at(END + 1), "it goes on");
    assert_eq!(time(&engine, END + 1), PORTCULLIS_OK);
    assert_eq!(engine.load(&sealed(2, "")), PORTCULLIS_E_IMAGE, "ended");
    assert!(engine.allows_at(END + 1), "what was loaded before stays");
    assert_eq!(time(&engine, END), PORTCULLIS_OK);
    assert_eq!(engine.load(&sealed(2, "")), PORTCULLIS_OK);
    assert!(engine.allows_at(END) && !engine.allows_at(END + 1));
    assert_eq!(portcullis_engine_free(engine.0), PORTCULLIS_OK);
    assert_eq!(time(&engine, END), PORTCULLIS_E_HANDLE);
}
