//! What hosts do wrong: handles that are none, pointers to nowhere, structs of no size. An error each, the verdict
//! denies, and the next good call is served.

use portcullis_tests_wasm::layout::request;
use portcullis_tests_wasm::{Frame, HostError, Loaded};

use crate::support::{ALLOW, DENY, E_ARGUMENT, E_HANDLE, E_IMAGE, IMAGES, PENDING, POLICY, image_of, vector};

fn module() -> Loaded {
    IMAGES
        .load(&image_of(POLICY), [("banned.txt", b"203.0.113.9\n".as_slice())])
        .unwrap()
}

/// Where a good request lies; its buffer is kept.
fn good(module: &mut Loaded) -> u32 {
    let (at, effect) = module.begin(&Frame::of(&vector(), None).unwrap()).unwrap();
    // Its quota is to be charged yet.
    assert_eq!(effect, PENDING);
    at as u32
}

fn end(module: &mut Loaded) {
    let (exchange, ..) = module.outs().unwrap();
    assert_eq!(
        module
            .raw::<_, i32>("portcullis_exchange_free", exchange)
            .unwrap(),
        0
    );
}

/// A request with a member overwritten.
fn with(module: &mut Loaded, member: u32, bytes: &[u8]) -> i32 {
    let at = good(module);
    end(module);
    module.write(at + member, bytes).unwrap();
    let effect = module.begin_at(at).unwrap();
    module.take_back(at as i32).unwrap();
    let (exchange, told, error) = module.outs().unwrap();
    if effect < 0 {
        assert_eq!((exchange, told), (0, DENY));
        assert_ne!(error, 0);
        assert_eq!(module.raw::<_, i32>("portcullis_error_free", error).unwrap(), 0);
    } else {
        end(module);
    }
    effect
}

#[test]
fn handles_that_are_none_are_errors() {
    let mut module = module();
    let at = good(&mut module);
    let (engine, worker) = module.handles();
    let (exchange, ..) = module.outs().unwrap();
    let good = module.begin_params(at);
    let wrong = [
        (0, worker),
        (engine, 0),
        (worker, engine),
        (engine + 1, worker),
        (engine, worker + (1 << 32)),
        (engine, exchange),
        (-1, worker),
        (engine, i64::MIN),
    ];
    for (engine, worker) in wrong {
        let params = (engine, worker, good.2, good.3, good.4, good.5);
        assert_eq!(
            module.raw::<_, i32>("portcullis_exchange_begin", params).unwrap(),
            E_HANDLE,
            "{engine:x} {worker:x}"
        );
        let (made, told, error) = module.outs().unwrap();
        assert_eq!((made, told), (0, DENY));
        assert_eq!(
            module.raw::<_, i32>("portcullis_error_code", error).unwrap(),
            E_HANDLE
        );
        assert_eq!(module.raw::<_, i32>("portcullis_error_free", error).unwrap(), 0);
        assert_eq!(
            module.raw::<_, i32>("portcullis_error_free", error).unwrap(),
            E_HANDLE
        );
    }
    for (export, handle) in [
        ("portcullis_exchange_free", exchange),
        ("portcullis_worker_free", worker),
        ("portcullis_engine_free", engine),
    ] {
        assert_eq!(module.raw::<_, i32>(export, handle).unwrap(), 0, "{export}");
        assert_eq!(
            module.raw::<_, i32>(export, handle).unwrap(),
            E_HANDLE,
            "{export}"
        );
    }
    assert_eq!(
        module
            .raw::<_, i32>("portcullis_exchange_effect", exchange)
            .unwrap(),
        E_HANDLE
    );
    assert!(matches!(
        module.decide(&vector(), None),
        Err(HostError::Call { status, .. }) if status == i64::from(E_HANDLE)
    ));
}

#[test]
fn pointers_past_the_end_of_memory_are_errors() {
    let mut module = module();
    // What these calls need has been allocated before.
    assert_eq!(with(&mut module, request::FLAGS, &[0; 4]), PENDING);
    let end = module.memory_size();
    let word = |a: u32, b: u32| [a.to_le_bytes(), b.to_le_bytes()].concat();
    let wild = [
        (end - 1, 2),
        (end, 1),
        (end - 4, u32::MAX),
        (u32::MAX, 1),
        (8, end),
        (0, 1),
        (1 << 31, 1 << 31),
    ];
    for (at, len) in wild {
        for member in [
            request::METHOD,
            request::TARGET,
            request::HEADERS,
            request::AUTHORITY,
            request::CONTEXT,
            request::SNI,
        ] {
            let code = with(&mut module, member, &word(at, len));
            assert_eq!(code, E_ARGUMENT, "{member}: {at:x} {len:x}");
        }
    }
    for at in [4, end - 4, end, end + 4, u32::MAX - 3] {
        let code = with(&mut module, request::CERTIFICATE, &at.to_le_bytes());
        assert_eq!(code, E_ARGUMENT, "{at:x}");
    }
    // A header line that lies well, and points to where nothing does.
    let line = module.alloc(16).unwrap();
    module.write(line, &[word(end, 9), word(0, 0)].concat()).unwrap();
    assert_eq!(with(&mut module, request::HEADERS, &word(line, 1)), E_ARGUMENT);

    let at = good(&mut module);
    let (engine, worker, _, exchange, verdict, error) = module.begin_params(at);
    for wild in [0, 4, end as i32 - 8, end as i32, -8] {
        let params = (engine, worker, wild, exchange, verdict, error);
        // 0 is no request, 4 is misaligned, the others lie outside or have no size.
        assert_eq!(
            module.raw::<_, i32>("portcullis_exchange_begin", params).unwrap(),
            E_ARGUMENT
        );
        let (made, told, object) = module.outs().unwrap();
        assert_eq!((made, told), (0, DENY));
        assert_eq!(module.raw::<_, i32>("portcullis_error_free", object).unwrap(), 0);
    }
    let places = [
        (0, verdict, error),
        (end as i32 - 4, verdict, error),
        (exchange, end as i32 - 4, error),
        (exchange, -8, error),
        (exchange, verdict, end as i32),
    ];
    for (exchange, verdict, error) in places {
        let params = (engine, worker, at as i32, exchange, verdict, error);
        assert_eq!(
            module.raw::<_, i32>("portcullis_exchange_begin", params).unwrap(),
            E_ARGUMENT
        );
    }
    let image = (engine, end as i32 - 4, 4096, 0);
    assert_eq!(
        module.raw::<_, i32>("portcullis_engine_load", image).unwrap(),
        E_ARGUMENT
    );
    assert_eq!(module.decide(&vector(), None).unwrap().effect, ALLOW);
}

#[test]
fn structs_of_no_size_and_members_of_no_kind_are_errors() {
    let mut module = module();
    for size in [0u32, 4, 32, 199, 4104, u32::MAX] {
        assert_eq!(with(&mut module, 0, &size.to_le_bytes()), E_ARGUMENT, "{size}");
    }
    for (member, number) in [
        (request::FLAGS, 0x8000_0000u32),
        (request::FLAGS, 4),
        (request::TOKEN, 4),
        (request::KEY, 3),
        (request::SIGNATURE, 3),
    ] {
        assert_eq!(
            with(&mut module, member, &number.to_le_bytes()),
            E_ARGUMENT,
            "{member}"
        );
    }
    // An older host's struct ends earlier and carries nothing: what demands nothing is the same, what does is not.
    assert_eq!(with(&mut module, 0, &176u32.to_le_bytes()), DENY);
}

#[test]
fn buffers_are_given_back_once() {
    let mut module = module();
    let at = module.alloc(10).unwrap() as i32;
    let codes = [at + 8, 64, -1, at, at, 0].map(|at| module.raw::<_, i32>("portcullis_free", at).unwrap());
    assert_eq!(codes, [E_ARGUMENT, E_ARGUMENT, E_ARGUMENT, 0, E_ARGUMENT, 0]);
    for len in [0, -1, i32::MAX] {
        assert_eq!(module.raw::<_, i32>("portcullis_alloc", len).unwrap(), 0, "{len}");
    }
    assert_eq!(module.decide(&vector(), None).unwrap().effect, ALLOW);
}

#[test]
fn a_bad_image_leaves_what_was_in_force() {
    let mut module = module();
    let mut image = image_of(POLICY);
    image[100] ^= 1;
    for bad in [image.as_slice(), b"", &[0; 64]] {
        assert!(matches!(
            module.load(bad),
            Err(HostError::Call { status, .. }) if status == i64::from(E_IMAGE)
        ));
        assert_eq!(module.decide(&vector(), None).unwrap().effect, ALLOW);
    }
    let mut empty = IMAGES.start().unwrap();
    let decided = empty.decide(&vector(), None).unwrap();
    assert_eq!((decided.effect, decided.reason.as_str()), (DENY, "no_policy"));
}
