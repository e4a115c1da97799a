//! Exchanges: one request under way, and its verdict.

use std::ffi::c_char;
use std::mem::{MaybeUninit, offset_of};

use crate::guard::{coded, guard};
use crate::handles::{Handle, Kind};
use crate::memory::{Out, SizedOut, collide, text, zero};
use crate::status::{NO_HANDLE, PORTCULLIS_DENY, PORTCULLIS_OK, TWICE};
use crate::types::{Header, Quota, Request, Text, Verdict};
use crate::verdict;
use crate::worker::{WORKERS, of_exchange};

/// Smallest verdict: effect, status and reason.
const VERDICT_BYTES_MIN: usize = offset_of!(Verdict, detail);
/// Smallest quota: everything but what tells its period.
const QUOTA_BYTES_MIN: usize = offset_of!(Quota, period_us);

/// Begins an exchange by the policy that is in force in the engine now. Returns `PORTCULLIS_ALLOW`, `PORTCULLIS_ANSWER`,
/// `PORTCULLIS_DENY`, `PORTCULLIS_PENDING` where the host has to do something first (`portcullis_exchange_next`), or an
/// error, which is negative: whoever compares with `PORTCULLIS_ALLOW` alone keeps the gate shut on everything else.
///
/// `exchange` receives the exchange, and 0 on an error. `verdict` may be null; else its `struct_size` is set by the
/// caller, and it is filled: on an error with a denial of status 500 and reason `internal`. One whose `struct_size` is
/// that of no version stays untouched, and the call fails. `error` may be null. Before anything else 0 is put in
/// `exchange` and `PORTCULLIS_DENY` in the verdict's effect, which is written again last. One address in two places is an
/// error.
///
/// An allow is granted only where the request's `carries` covers what it demands.
///
/// Ownership: everything that `request` points to is read during the call and not kept. The exchange is the caller's;
/// give it to `portcullis_exchange_free`. Lifetime: the texts in `verdict` are valid until the next step of the
/// exchange, or until it or its worker is freed. Swapping or freeing the engine does not touch them.
/// Threads: the worker's; the engine may be used by others meanwhile.
/// Errors: `PORTCULLIS_E_ARGUMENT`, `PORTCULLIS_E_HANDLE`, `PORTCULLIS_E_BUSY`, `PORTCULLIS_E_POISONED`,
/// `PORTCULLIS_E_TEXT`, `PORTCULLIS_E_ADDRESS`, `PORTCULLIS_E_FULL` (65,536 exchanges of one worker), and
/// `PORTCULLIS_E_INTERNAL`, which poisons the worker and its exchanges.
///
/// # Safety
///
/// `request` must be null or a struct as large as its first member says, whose pointers are readable for their lengths;
/// `verdict` null, or writable for as many bytes as its first member says; `exchange` and `error` null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn portcullis_exchange_begin(
    engine: u64,
    worker: u64,
    request: *const Request,
    exchange: *mut u64,
    verdict: *mut Verdict,
    error: *mut u64,
) -> i32 {
    // The verdict before the handle: where one lies upon the other, the verdict's size is still there.
    // SAFETY: the caller's promise.
    unsafe {
        shut(verdict);
        zero(exchange);
    }
    let begin = || {
        if collide([request.addr(), exchange.addr(), verdict.addr(), error.addr()]) {
            return Err(TWICE);
        }
        // SAFETY: the caller's promise.
        let out = unsafe { Out::new(exchange) }?;
        let told = match verdict.is_null() {
            true => None,
            // SAFETY: the caller's promise.
            false => Some(unsafe { SizedOut::new(verdict, VERDICT_BYTES_MIN) }?),
        };
        let mut room = MaybeUninit::uninit();
        // SAFETY: the caller's promise.
        let request = unsafe { crate::request::read(request, &mut room) }?;
        let home = Handle::unpack(worker, Kind::Worker).ok_or(NO_HANDLE)?.slot;
        let mut state = WORKERS.try_lock(worker)?;
        // SAFETY: the caller's promise.
        let (handle, begun) = unsafe { state.begin(home, engine, request) }?;
        out.put(handle);
        let effect = verdict::effect(begun);
        if let Some(told) = told {
            told.put(&verdict::verdict(begun));
            told.put_effect(effect);
        }
        Ok(effect)
    };
    // SAFETY: the caller's promise.
    let effect = unsafe { guard(error, begin) };
    if effect < 0 {
        // SAFETY: the caller's promise.
        unsafe { tell_defect(verdict) };
    }
    effect
}

/// Denies in a verdict that is yet to be filled.
///
/// # Safety
///
/// `verdict` must be null, or writable for as many bytes as its first member says.
#[inline]
unsafe fn shut(verdict: *mut Verdict) {
    // SAFETY: the caller's promise.
    if let Ok(told) = unsafe { SizedOut::new(verdict, VERDICT_BYTES_MIN) } {
        told.put_effect(PORTCULLIS_DENY);
    }
}

/// What a verdict says where there is none: a denial.
///
/// # Safety
///
/// `verdict` must be null, or writable for as many bytes as its first member says.
#[cold]
unsafe fn tell_defect(verdict: *mut Verdict) {
    // SAFETY: the caller's promise.
    if let Ok(told) = unsafe { SizedOut::new(verdict, VERDICT_BYTES_MIN) } {
        told.put(&verdict::defect());
    }
}

/// Lets go of an exchange. One that is not finished was aborted. 0 is no exchange, and freeing it is no error.
///
/// Threads: the worker's. Errors: `PORTCULLIS_E_HANDLE`, `PORTCULLIS_E_BUSY`, `PORTCULLIS_E_POISONED` (free the worker).
#[unsafe(no_mangle)]
pub extern "C" fn portcullis_exchange_free(exchange: u64) -> i32 {
    coded(|| {
        if exchange != 0 {
            let (mut state, handle) = of_exchange(exchange)?;
            state.finish(handle)?;
        }
        Ok(PORTCULLIS_OK)
    })
}

/// The effect as it stands: `PORTCULLIS_ALLOW`, `PORTCULLIS_ANSWER`, `PORTCULLIS_DENY`, `PORTCULLIS_PENDING`, or an error,
/// which is negative. It is the request's alone: that a plan holds back a response, the response's steps say.
///
/// Threads: the worker's. Errors: `PORTCULLIS_E_HANDLE`, `PORTCULLIS_E_BUSY`, `PORTCULLIS_E_POISONED`.
#[unsafe(no_mangle)]
pub extern "C" fn portcullis_exchange_effect(exchange: u64) -> i32 {
    coded(|| {
        let (mut state, handle) = of_exchange(exchange)?;
        Ok(verdict::effect(&state.exchange(handle)?.exchange))
    })
}

/// The verdict as it stands. Of an exchange that waits for a token or a body before it is decided, a denial.
///
/// Ownership: `verdict` is the caller's, with its `struct_size` set; its texts are the exchange's. Lifetime: until the
/// next step of the exchange, or until it or its worker is freed. Threads: the worker's.
/// Errors: `PORTCULLIS_E_ARGUMENT`, `PORTCULLIS_E_HANDLE`, `PORTCULLIS_E_BUSY`, `PORTCULLIS_E_POISONED`; then `verdict`
/// holds a denial of status 500 and reason `internal`.
///
/// # Safety
///
/// `verdict` must be null, or writable for as many bytes as its first member says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn portcullis_exchange_verdict(exchange: u64, verdict: *mut Verdict) -> i32 {
    coded(|| {
        // SAFETY: the caller's promise.
        let out = unsafe { SizedOut::new(verdict, VERDICT_BYTES_MIN) }?;
        out.put(&verdict::defect());
        let (mut state, handle) = of_exchange(exchange)?;
        let exchange = &state.exchange(handle)?.exchange;
        out.put(&verdict::verdict_now(exchange));
        out.put_effect(verdict::effect(exchange));
        Ok(PORTCULLIS_OK)
    })
}

/// One element of a list of texts (`PORTCULLIS_LIST_..`); the verdict says how many there are, and of the lists that it does
/// not count the last is followed by `PORTCULLIS_E_NONE`.
///
/// Ownership: the exchange's. Lifetime: until the next step of the exchange, or until it or its worker is freed.
/// Threads: the worker's.
/// Errors: `PORTCULLIS_E_ARGUMENT`, `PORTCULLIS_E_HANDLE`, `PORTCULLIS_E_BUSY`, `PORTCULLIS_E_POISONED`,
/// `PORTCULLIS_E_NONE` (past the end), `PORTCULLIS_E_ORDER` (a list that is not to be carried out yet); then `text` is absent.
///
/// # Safety
///
/// `text` must be null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn portcullis_exchange_text(
    exchange: u64,
    list: u32,
    index: usize,
    text: *mut Text,
) -> i32 {
    coded(|| {
        // SAFETY: the caller's promise.
        let out = unsafe { Out::new(text) }?;
        out.put(Text::default());
        let (mut state, handle) = of_exchange(exchange)?;
        out.put(verdict::text(&state.exchange(handle)?.exchange, list, index)?);
        Ok(PORTCULLIS_OK)
    })
}

/// One element of a list of headers (`PORTCULLIS_LIST_REQUEST_SET`, `PORTCULLIS_LIST_RESPONSE_SET`).
///
/// Ownership, lifetime, threads and errors: as of `portcullis_exchange_text`.
///
/// # Safety
///
/// `header` must be null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn portcullis_exchange_header(
    exchange: u64,
    list: u32,
    index: usize,
    header: *mut Header,
) -> i32 {
    coded(|| {
        // SAFETY: the caller's promise.
        let out = unsafe { Out::new(header) }?;
        out.put(Header::default());
        let (mut state, handle) = of_exchange(exchange)?;
        out.put(verdict::header(&state.exchange(handle)?.exchange, list, index)?);
        Ok(PORTCULLIS_OK)
    })
}

/// One quota to charge.
///
/// Ownership: `quota` is the caller's, with its `struct_size` set; its texts are the exchange's. Lifetime, threads and
/// errors: as of `portcullis_exchange_text`.
///
/// # Safety
///
/// `quota` must be null, or writable for as many bytes as its first member says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn portcullis_exchange_quota(exchange: u64, index: usize, quota: *mut Quota) -> i32 {
    coded(|| {
        // SAFETY: the caller's promise.
        let out = unsafe { SizedOut::new(quota, QUOTA_BYTES_MIN) }?;
        out.put(&Quota::default());
        let (mut state, handle) = of_exchange(exchange)?;
        out.put(&verdict::quota(&state.exchange(handle)?.exchange, index)?);
        Ok(PORTCULLIS_OK)
    })
}

/// The verdict as one line of JSON without a newline, with everything that the verdict says: the same bytes in every
/// host. `id` is put in its `id`. Allocates; for logs and tests.
///
/// Ownership: `id` (UTF-8; null with length 0 is empty) is copied; `line` is the exchange's. Lifetime: until the
/// exchange, or its worker, is freed, or the next call of this function for this exchange. Threads: the worker's.
/// Errors: `PORTCULLIS_E_ARGUMENT`, `PORTCULLIS_E_TEXT`, `PORTCULLIS_E_HANDLE`, `PORTCULLIS_E_BUSY`,
/// `PORTCULLIS_E_POISONED`, `PORTCULLIS_E_INTERNAL` (poisons the worker and its exchanges); then `line` is absent.
///
/// # Safety
///
/// `id` must be readable for its length; `line` null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn portcullis_exchange_json(
    exchange: u64,
    id: *const c_char,
    id_len: usize,
    line: *mut Text,
) -> i32 {
    coded(|| {
        // SAFETY: the caller's promise.
        let out = unsafe { Out::new(line) }?;
        out.put(Text::default());
        // SAFETY: the caller's promise.
        let id = unsafe { text(Text { ptr: id, len: id_len }) }?;
        let (mut state, handle) = of_exchange(exchange)?;
        out.put(verdict::line(state.exchange(handle)?, id));
        Ok(PORTCULLIS_OK)
    })
}
