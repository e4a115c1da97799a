//! Engines: the policy in force, for all threads.

use std::ffi::{c_char, c_void};
use std::mem::offset_of;
use std::sync::Arc;

use portcullis::image::SealInfo;

use crate::engine::{ENGINES, Policy, find};
use crate::guard::{coded, freed, guard};
use crate::memory::{Out, SizedOut, collide, slice, text, zero};
use crate::status::{Failure, NONE, PORTCULLIS_OK, TWICE};
use crate::types::{Seal, Text};

/// Smallest seal: everything but the smoke cases.
const SEAL_BYTES_MIN: usize = offset_of!(Seal, smoke_bytes);

/// Makes an engine without a policy: until one is loaded everything is denied with `no_policy`.
///
/// Ownership: the caller's; give it to `portcullis_engine_free`. Threads: any. `engine` is set to 0 first. `error` may
/// be null. Errors: `PORTCULLIS_E_ARGUMENT`, `PORTCULLIS_E_FULL` (16,384 live).
///
/// # Safety
///
/// `engine` and `error` must be null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn portcullis_engine_new(engine: *mut u64, error: *mut u64) -> i32 {
    // SAFETY: the caller's promise.
    unsafe { zero(engine) };
    let make = || {
        if collide([engine.addr(), error.addr()]) {
            return Err(TWICE);
        }
        // SAFETY: the caller's promise.
        let out = unsafe { Out::new(engine) }?;
        out.put(ENGINES.insert(|_, object| *object = Some(Arc::new(Policy::default())))?);
        Ok(PORTCULLIS_OK)
    };
    // SAFETY: the caller's promise.
    unsafe { guard(error, make) }
}

/// Frees an engine. Exchanges that it has begun stay valid. 0 is no engine, and freeing it is no error.
///
/// Threads: any, also while others decide: they get `PORTCULLIS_E_HANDLE` from then on.
/// Errors: `PORTCULLIS_E_HANDLE`, `PORTCULLIS_E_BUSY` (try again).
#[unsafe(no_mangle)]
pub extern "C" fn portcullis_engine_free(engine: u64) -> i32 {
    freed(&ENGINES, engine)
}

/// Puts a compiled policy in force, in one step for all threads: whoever decides meanwhile decides by the old one or
/// the new one. Whatever fails leaves the last good one in force. Lists and tables that both declare stay loaded. A list or
/// table that is missing or bad does not keep a policy from being loaded: what reads it is unknown, and
/// `portcullis_engine_data_errors` tells.
///
/// Ownership: `image` is copied. Threads: any; loads of one engine wait for each other. `error` may be null.
/// Errors: `PORTCULLIS_E_ARGUMENT`, `PORTCULLIS_E_HANDLE`, `PORTCULLIS_E_IMAGE`.
///
/// # Safety
///
/// `image` must be readable for `image_len` bytes; `error` null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn portcullis_engine_load(
    engine: u64,
    image: *const c_void,
    image_len: usize,
    error: *mut u64,
) -> i32 {
    let load = || {
        // SAFETY: the caller's promise.
        let image = unsafe { slice(image.cast::<u8>(), image_len) }?;
        done(find(engine)?.load(image))
    };
    // SAFETY: the caller's promise.
    unsafe { guard(error, load) }
}

/// As `portcullis_engine_load`, of an image in a file, which is read once.
///
/// Ownership: `path` is read during the call; UTF-8, no NUL needed. Threads: any. `error` may be null.
/// Errors: those of `portcullis_engine_load`, `PORTCULLIS_E_IO`, `PORTCULLIS_E_TEXT`.
///
/// # Safety
///
/// `path` must be readable for `path_len` bytes; `error` null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn portcullis_engine_load_file(
    engine: u64,
    path: *const c_char,
    path_len: usize,
    error: *mut u64,
) -> i32 {
    let load = || {
        // SAFETY: the caller's promise.
        let path = unsafe { utf8(path, path_len) }?;
        done(find(engine)?.load_file(path))
    };
    // SAFETY: the caller's promise.
    unsafe { guard(error, load) }
}

/// As `portcullis_engine_load`, of policy text, which is checked and compiled first. What it imports or reads is handed
/// over before, by `portcullis_engine_data`. `name` is the file's name in rule ids and messages, as `policy.gate`.
///
/// Ownership: `name` and `text` are copied. Threads: any. `error` may be null; its text shows every error of the policy.
/// Errors: those of `portcullis_engine_load`, `PORTCULLIS_E_POLICY`, `PORTCULLIS_E_TEXT`, and
/// `PORTCULLIS_E_UNSUPPORTED` where `portcullis_has_compiler` is 0. A policy sealed for trust can not be text: where
/// keys are trusted this fails.
///
/// # Safety
///
/// `name` and `text` must be readable for their lengths; `error` null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn portcullis_engine_load_text(
    engine: u64,
    name: *const c_char,
    name_len: usize,
    text: *const c_char,
    text_len: usize,
    error: *mut u64,
) -> i32 {
    let load = || {
        // SAFETY: the caller's promise.
        let (name, text) = unsafe { (utf8(name, name_len)?, slice(text.cast::<u8>(), text_len)?) };
        let policy = find(engine)?;
        #[cfg(feature = "compile")]
        return done(policy.load_text(name, text));
        #[cfg(not(feature = "compile"))]
        {
            let _ = (policy, name, text);
            Err(Failure::new(
                crate::status::PORTCULLIS_E_UNSUPPORTED,
                "this library was built without the compiler: compile the policy ahead of time and load the image",
            ))
        }
    };
    // SAFETY: the caller's promise.
    unsafe { guard(error, load) }
}

/// Hands over a list, a table, a key set, API keys, a secret, or a file that policy text imports, by the name that the
/// policy gives it. Where the policy in force reads it, it is put in force in one step for all threads; a bad one leaves
/// the last good one, so that a key set that was fetched is handed over as it came. It is kept for the policies that are loaded later, also where the one in force can not read it (`PORTCULLIS_E_DATA`).
///
/// Ownership: `name` and `bytes` are copied. Threads: any. `error` may be null.
/// Errors: `PORTCULLIS_E_ARGUMENT`, `PORTCULLIS_E_HANDLE`, `PORTCULLIS_E_TEXT`, `PORTCULLIS_E_DATA`,
/// `PORTCULLIS_E_FULL` (4,096 files).
///
/// # Safety
///
/// `name` and `bytes` must be readable for their lengths; `error` null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn portcullis_engine_data(
    engine: u64,
    name: *const c_char,
    name_len: usize,
    bytes: *const c_void,
    bytes_len: usize,
    error: *mut u64,
) -> i32 {
    let take = || {
        // SAFETY: the caller's promise.
        let (name, bytes) = unsafe { (utf8(name, name_len)?, slice(bytes.cast::<u8>(), bytes_len)?) };
        done(find(engine)?.data(name, bytes))
    };
    // SAFETY: the caller's promise.
    unsafe { guard(error, take) }
}

/// Whether the policy in force got every list, table, key set and secret that it reads: those that were missing or bad when it was
/// loaded, and bad ones that were handed over since, are an error whose text names one a line. Ask after each load.
///
/// Threads: any. `error` may be null. Errors: `PORTCULLIS_E_ARGUMENT`, `PORTCULLIS_E_HANDLE`, `PORTCULLIS_E_DATA`.
///
/// # Safety
///
/// `error` must be null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn portcullis_engine_data_errors(engine: u64, error: *mut u64) -> i32 {
    // SAFETY: the caller's promise.
    unsafe { guard(error, || done(find(engine)?.data_errors())) }
}

/// Trusts a key: its id, and its 32 bytes as RFC 8032 has them. From the first call of this or of the next two functions
/// on, only images load that a trusted key has sealed, and none that is older than the last one loaded.
///
/// Ownership: both are copied. Threads: any. `error` may be null.
/// Errors: `PORTCULLIS_E_ARGUMENT`, `PORTCULLIS_E_HANDLE`, `PORTCULLIS_E_TEXT`, `PORTCULLIS_E_KEY`,
/// `PORTCULLIS_E_FULL` (1,024 keys).
///
/// # Safety
///
/// `id` and `key` must be readable for their lengths; `error` null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn portcullis_engine_trust_key(
    engine: u64,
    id: *const c_char,
    id_len: usize,
    key: *const u8,
    key_len: usize,
    error: *mut u64,
) -> i32 {
    let trust = || {
        // SAFETY: the caller's promise.
        let (id, key) = unsafe { (utf8(id, id_len)?, slice(key, key_len)?) };
        done(find(engine)?.trust_key(id, key))
    };
    // SAFETY: the caller's promise.
    unsafe { guard(error, trust) }
}

/// Names the audience for which images must be sealed.
///
/// Ownership: `audience` is copied. Threads: any. `error` may be null.
/// Errors: `PORTCULLIS_E_ARGUMENT`, `PORTCULLIS_E_HANDLE`, `PORTCULLIS_E_TEXT`.
///
/// # Safety
///
/// `audience` must be readable for its length; `error` null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn portcullis_engine_trust_audience(
    engine: u64,
    audience: *const c_char,
    audience_len: usize,
    error: *mut u64,
) -> i32 {
    let trust = || {
        // SAFETY: the caller's promise.
        let audience = unsafe { utf8(audience, audience_len) }?;
        done(find(engine)?.trust_audience(audience))
    };
    // SAFETY: the caller's promise.
    unsafe { guard(error, trust) }
}

/// Hands over the stored serial and seal digest (32 bytes) of the last accepted image: no older one loads. A mark that
/// is as high or higher stays: no call lowers it.
///
/// Ownership: `digest` is copied. Threads: any. `error` may be null.
/// Errors: `PORTCULLIS_E_ARGUMENT`, `PORTCULLIS_E_HANDLE`, `PORTCULLIS_E_KEY`.
///
/// # Safety
///
/// `digest` must be readable for its length; `error` null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn portcullis_engine_trust_mark(
    engine: u64,
    serial: u64,
    digest: *const u8,
    digest_len: usize,
    error: *mut u64,
) -> i32 {
    let trust = || {
        // SAFETY: the caller's promise.
        let digest = unsafe { slice(digest, digest_len) }?;
        done(find(engine)?.trust_mark(serial, digest))
    };
    // SAFETY: the caller's promise.
    unsafe { guard(error, trust) }
}

/// Says what time it is, microseconds since 1970-01-01T00:00:00Z, and that the seals of trusted keys end: from now on an image whose seal
/// has ended at that time is refused, and one that is loaded from now on and ends while it is in force denies everything
/// (`no_policy`), by the time that comes with each request; a request without one counts as past the end. Without this
/// call a policy goes on past the end of its seal. Call it again before each load: the engine has no clock.
///
/// Threads: any. `error` may be null. Errors: `PORTCULLIS_E_HANDLE`.
///
/// # Safety
///
/// `error` must be null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn portcullis_engine_trust_time(engine: u64, now_us: i64, error: *mut u64) -> i32 {
    // SAFETY: the caller's promise.
    unsafe { guard(error, || done(find(engine)?.trust_time(now_us))) }
}

/// What the seal of the policy in force says: store its serial and digest for `portcullis_engine_trust_mark`, and raise
/// the alarm when its last instant nears. The engine has no clock.
///
/// Ownership: `seal` is the caller's, with its `struct_size` set. Threads: any.
/// Errors: `PORTCULLIS_E_ARGUMENT`, `PORTCULLIS_E_HANDLE`, `PORTCULLIS_E_NONE` (no trusted key has vouched for it); then
/// the rest of `seal` is zero.
///
/// # Safety
///
/// `seal` must be null, or writable for as many bytes as its first member says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn portcullis_engine_seal(engine: u64, seal: *mut Seal) -> i32 {
    coded(|| {
        // SAFETY: the caller's promise.
        let out = unsafe { SizedOut::new(seal, SEAL_BYTES_MIN) }?;
        out.put(&Seal::default());
        let read = |sealed: &SealInfo| Seal {
            serial: sealed.mark.serial,
            not_after_us: sealed.not_after_us.unwrap_or(i64::MAX),
            digest: sealed.mark.digest,
            smoke_bytes: sealed.smoke.len() as u64,
            ..Seal::default()
        };
        out.put(&find(engine)?.seal(read).ok_or(NONE)?);
        Ok(PORTCULLIS_OK)
    })
}

/// The digest of the policy in force: 32 bytes, those of the verdict's line.
///
/// Ownership: `digest` is the caller's, 32 bytes. Threads: any.
/// Errors: `PORTCULLIS_E_ARGUMENT`, `PORTCULLIS_E_HANDLE`, `PORTCULLIS_E_NONE` (no policy is in force); then `digest` is
/// zero.
///
/// # Safety
///
/// `digest` must be null or writable for 32 bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn portcullis_engine_digest(engine: u64, digest: *mut u8) -> i32 {
    coded(|| {
        // SAFETY: the caller's promise.
        let out = unsafe { Out::new(digest.cast::<[u8; 32]>()) }?;
        out.put([0; 32]);
        out.put(find(engine)?.snapshot().ok_or(NONE)?.image.digest());
        Ok(PORTCULLIS_OK)
    })
}

fn done(outcome: Result<(), Failure>) -> Result<i32, Failure> {
    outcome.map(|()| PORTCULLIS_OK)
}

/// # Safety
///
/// `ptr` must be readable for `len` bytes.
unsafe fn utf8<'a>(ptr: *const c_char, len: usize) -> Result<&'a str, Failure> {
    // SAFETY: the caller's promise.
    unsafe { text(Text { ptr, len }) }
}
