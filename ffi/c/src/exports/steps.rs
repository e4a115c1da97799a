//! The steps of an exchange after its beginning. Each drives the engine's exchange and says what it stands at; a step that
//! is not due changes nothing.

use std::ffi::c_char;
use std::mem::{MaybeUninit, offset_of};

use portcullis::exchange::{ChargeOutcome, End, Introspection as Heard};
use portcullis::{Exchange, Next as Step, Now, OutOfOrder, ResponseNext, Worker};

use crate::guard::coded;
use crate::memory::{Out, SizedOut, bytes, sized, slice, text};
use crate::request;
use crate::status::{
    Failure, ORDER, PORTCULLIS_ALLOW, PORTCULLIS_DENY, PORTCULLIS_E_ARGUMENT, PORTCULLIS_OK,
    PORTCULLIS_PENDING, PORTCULLIS_RESET, TWICE,
};
use crate::types::{
    Charged, Clock, Header, Introspection, Next, PORTCULLIS_ABSENT, PORTCULLIS_END_ABORTED,
    PORTCULLIS_END_COMPLETED, PORTCULLIS_HAS_WALL_CLOCK, PORTCULLIS_INVALID, PORTCULLIS_STEP_CHARGE,
    PORTCULLIS_STEP_FORWARD, PORTCULLIS_STEP_INTROSPECT, PORTCULLIS_STEP_READ_BODY, PORTCULLIS_STEP_REPLY,
    PORTCULLIS_VERIFIED, Record, Text,
};
use crate::verdict;
use crate::worker::{UnderWay, of_exchange};

/// Smallest step: its kind.
const NEXT_BYTES_MIN: usize = offset_of!(Next, max_bytes);
const CLOCK_BYTES_MIN: usize = size_of::<Clock>();
const INTROSPECTION_BYTES_MIN: usize = size_of::<Introspection>();
/// Smallest record: status and end.
const RECORD_BYTES_MIN: usize = offset_of!(Record, duration_us);

const OUTCOME: Failure = Failure::new(
    PORTCULLIS_E_ARGUMENT,
    "an outcome, status or flag that this library does not know, or what is reserved is filled",
);

/// Runs a step of an exchange with the worker that it decides by.
fn step(
    exchange: u64,
    run: impl FnOnce(&mut Exchange, &mut Worker) -> Result<i32, OutOfOrder>,
) -> Result<i32, Failure> {
    let (mut state, handle) = of_exchange(exchange)?;
    let (under_way, worker) = state.exchange_and_worker(handle)?;
    run(&mut under_way.exchange, worker).map_err(|OutOfOrder| ORDER)
}

/// The same of a step before the request goes on.
fn request_step(
    exchange: u64,
    run: impl FnOnce(&mut Exchange, &mut Worker) -> Result<(), OutOfOrder>,
) -> Result<i32, Failure> {
    step(exchange, |exchange, worker| {
        run(exchange, worker)?;
        Ok(verdict::effect(exchange))
    })
}

/// What a response step says.
fn of_response(next: &ResponseNext<'_>) -> i32 {
    match next {
        ResponseNext::Pass(_) => PORTCULLIS_ALLOW,
        ResponseNext::Stream(_) => PORTCULLIS_PENDING,
        ResponseNext::Replace(_) => PORTCULLIS_DENY,
        ResponseNext::Reset => PORTCULLIS_RESET,
    }
}

/// The instant in a struct of the caller; none where there is no struct.
///
/// # Safety
///
/// Unless null or misaligned, `clock` must point to a struct that begins with its size and is as large.
unsafe fn now(clock: *const Clock) -> Result<Now, Failure> {
    if clock.is_null() {
        return Ok(Now::default());
    }
    let mut room = MaybeUninit::uninit();
    // SAFETY: the caller's promise.
    let clock = unsafe { sized(clock, CLOCK_BYTES_MIN, &mut room) }?;
    if clock.flags & !PORTCULLIS_HAS_WALL_CLOCK != 0 || clock.reserved != 0 {
        return Err(OUTCOME);
    }
    Ok(Now {
        wall_us: (clock.flags != 0).then_some(clock.wall_us),
        mono_us: clock.mono_us,
    })
}

/// What the host does next with the request. Asking twice gives the same answer.
///
/// Ownership: `next` is the caller's, with its `struct_size` set; its text is the exchange's. Lifetime: until the next step
/// of the exchange. Threads: the worker's.
/// Errors: `PORTCULLIS_E_ARGUMENT`, `PORTCULLIS_E_HANDLE`, `PORTCULLIS_E_BUSY`, `PORTCULLIS_E_POISONED`; then `next` says
/// `PORTCULLIS_STEP_REPLY`.
///
/// # Safety
///
/// `next` must be null, or writable for as many bytes as its first member says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn portcullis_exchange_next(exchange: u64, next: *mut Next) -> i32 {
    coded(|| {
        // SAFETY: the caller's promise.
        let out = unsafe { SizedOut::new(next, NEXT_BYTES_MIN) }?;
        out.put(&Next::default());
        let (mut state, handle) = of_exchange(exchange)?;
        let mut told = Next::default();
        match state.exchange(handle)?.exchange.next() {
            Step::Introspect(token) => {
                told.step = PORTCULLIS_STEP_INTROSPECT;
                told.token = Text::from(token);
            }
            Step::ReadBody { max } => {
                told.step = PORTCULLIS_STEP_READ_BODY;
                told.max_bytes = max;
            }
            Step::Charge(_) => told.step = PORTCULLIS_STEP_CHARGE,
            Step::Forward(rewrites) => {
                told.step = PORTCULLIS_STEP_FORWARD;
                told.replaces_body = rewrites.body.is_some().into();
                told.body = rewrites.body.map_or_else(Text::default, Text::from);
            }
            Step::Reply(_) => told.step = PORTCULLIS_STEP_REPLY,
        }
        out.put(&told);
        Ok(PORTCULLIS_OK)
    })
}

/// Answers `PORTCULLIS_STEP_INTROSPECT` and decides. Returns what `portcullis_exchange_begin` returns. `clock` may be null:
/// no clock is known.
///
/// Ownership: everything that is pointed to is read during the call and not kept. Threads: the worker's.
/// Errors: `PORTCULLIS_E_ORDER` (not due), `PORTCULLIS_E_ARGUMENT`, `PORTCULLIS_E_TEXT`, `PORTCULLIS_E_HANDLE`,
/// `PORTCULLIS_E_BUSY`, `PORTCULLIS_E_POISONED`; then nothing has changed.
///
/// # Safety
///
/// `heard` and `clock` must be null or structs as large as their first members say, whose pointers are readable for their
/// lengths.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn portcullis_exchange_introspected(
    exchange: u64,
    heard: *const Introspection,
    clock: *const Clock,
) -> i32 {
    coded(|| {
        let mut room = MaybeUninit::uninit();
        // SAFETY: the caller's promise.
        let heard = unsafe { sized(heard, INTROSPECTION_BYTES_MIN, &mut room) }?;
        if heard.reserved != 0 {
            return Err(OUTCOME);
        }
        // SAFETY: the caller's promise, of the clock and of each of the texts.
        let (now, heard) = unsafe {
            let heard = match heard.state {
                PORTCULLIS_ABSENT => Heard::Unavailable,
                PORTCULLIS_VERIFIED => Heard::Active {
                    issuer: text(heard.issuer)?,
                    claims: bytes(heard.claims)?,
                },
                PORTCULLIS_INVALID => Heard::Inactive {
                    issuer: text(heard.issuer)?,
                    fault: text(heard.fault)?,
                },
                _ => return Err(OUTCOME),
            };
            (now(clock)?, heard)
        };
        request_step(exchange, |exchange, worker| {
            exchange.introspected(worker, heard, now).map(drop)
        })
    })
}

/// Answers `PORTCULLIS_STEP_CHARGE`: one outcome for each quota, in their order. Null with length 0 says that the store
/// could not tell, which refuses (503). Returns what `portcullis_exchange_begin` returns.
///
/// Ownership: `outcomes` is read during the call and not kept. Threads: the worker's.
/// Errors: `PORTCULLIS_E_ORDER` (not due), `PORTCULLIS_E_ARGUMENT`, `PORTCULLIS_E_HANDLE`, `PORTCULLIS_E_BUSY`,
/// `PORTCULLIS_E_POISONED`; then nothing has changed.
///
/// # Safety
///
/// `outcomes` must be readable for `len` elements.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn portcullis_exchange_charged(
    exchange: u64,
    outcomes: *const Charged,
    len: usize,
) -> i32 {
    coded(|| {
        // SAFETY: the caller's promise.
        let outcomes = unsafe { slice(outcomes, len) }?;
        if outcomes.iter().any(|one| one.admitted > 1 || one.reserved != 0) {
            return Err(OUTCOME);
        }
        let charged = outcomes.iter().map(|one| ChargeOutcome {
            admitted: one.admitted == 1,
            remaining: one.remaining,
            reset_us: one.reset_us,
        });
        request_step(exchange, |exchange, _| match outcomes {
            [] => exchange.store_failed().map(drop),
            _ => exchange.charged(charged).map(drop),
        })
    })
}

/// A part of the request's body, for `PORTCULLIS_STEP_READ_BODY`: any number of bytes. The engine keeps what it judges, and
/// the host keeps what it sends upstream. More bytes than are accepted refuse at once (413). Returns what
/// `portcullis_exchange_begin` returns: `PORTCULLIS_PENDING` where more of the body may come.
///
/// Ownership: `data` is read during the call and not kept. Threads: the worker's.
/// Errors: `PORTCULLIS_E_ORDER` (not due), `PORTCULLIS_E_ARGUMENT`, `PORTCULLIS_E_HANDLE`, `PORTCULLIS_E_BUSY`,
/// `PORTCULLIS_E_POISONED`; then nothing has changed.
///
/// # Safety
///
/// `data` must be readable for its length.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn portcullis_exchange_body(exchange: u64, data: *const c_char, len: usize) -> i32 {
    coded(|| {
        // SAFETY: the caller's promise.
        let data = unsafe { bytes(Text { ptr: data, len }) }?;
        request_step(exchange, |exchange, worker| {
            exchange
                .request_body(worker, data, false, Now::default())
                .map(drop)
        })
    })
}

/// The request's body has ended, and all of it was handed over: now it is judged. Returns what `portcullis_exchange_begin`
/// returns; where the body is refused, `portcullis_exchange_verdict` says by which status and has a `problem` for the
/// client. `clock` may be null: no clock is known.
///
/// Threads: the worker's.
/// Errors: `PORTCULLIS_E_ORDER` (not due), `PORTCULLIS_E_ARGUMENT`, `PORTCULLIS_E_HANDLE`, `PORTCULLIS_E_BUSY`,
/// `PORTCULLIS_E_POISONED`; then nothing has changed.
///
/// # Safety
///
/// `clock` must be null or a struct as large as its first member says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn portcullis_exchange_body_end(exchange: u64, clock: *const Clock) -> i32 {
    coded(|| {
        // SAFETY: the caller's promise.
        let now = unsafe { now(clock) }?;
        request_step(exchange, |exchange, worker| {
            exchange.request_body(worker, &[], true, now).map(drop)
        })
    })
}

/// The head of the upstream's response is there: its HTTP status, or 0 where it is not known, and its header lines. Returns
///
/// - `PORTCULLIS_ALLOW` where the response may pass once the names of `PORTCULLIS_LIST_RESPONSE_REMOVE` are removed and
///   the headers of `PORTCULLIS_LIST_RESPONSE_SET` are added;
/// - `PORTCULLIS_PENDING` where its body is to be handed over (`portcullis_exchange_response_body`); its head changes in
///   the same way, and is held back until there is something to send behind it;
/// - `PORTCULLIS_DENY` where a plan cannot read it: the verdict's reply takes its place.
///
/// A host that carries no response's body may leave out the headers: null with length 0.
///
/// Ownership: `headers` and what they point to is read during the call and not kept. Threads: the worker's.
/// Errors: `PORTCULLIS_E_ORDER` (not due), `PORTCULLIS_E_ARGUMENT` (no HTTP status), `PORTCULLIS_E_HANDLE`,
/// `PORTCULLIS_E_BUSY`, `PORTCULLIS_E_POISONED`; then nothing has changed.
///
/// # Safety
///
/// `headers` must be readable for `headers_len` elements, and what they point to for their lengths.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn portcullis_exchange_response_head(
    exchange: u64,
    status: u32,
    headers: *const Header,
    headers_len: usize,
) -> i32 {
    coded(|| {
        let status = match status {
            0 => None,
            status => Some(http_status(status)?),
        };
        let (mut state, handle) = of_exchange(exchange)?;
        let (under_way, lists) = state.exchange_and_lists(handle)?;
        let head = |lines: &[(&[u8], &[u8])]| {
            let next = under_way.exchange.response_head(status, Some(lines));
            next.map(|next| of_response(&next)).map_err(|OutOfOrder| ORDER)
        };
        // SAFETY: the caller's promise.
        unsafe { request::with_lines(headers, headers_len, lists, head) }?
    })
}

/// A part of the body of a response under a plan, any number of bytes; `end` is 1 with the last one, else 0. `out` gets the
/// bytes to send in its place, maybe none. Returns
///
/// - `PORTCULLIS_PENDING`: send `out` and go on with the next part;
/// - `PORTCULLIS_ALLOW`: the end; send `out`, and the response is whole;
/// - `PORTCULLIS_DENY`: nothing was sent so far: the verdict's reply takes the place of the response;
/// - `PORTCULLIS_RESET`: a part of it was sent, and it cannot go on: break the stream off.
///
/// Ownership: `data` is read during the call and not kept, and must not be a text of this exchange; `out` is the
/// exchange's. Lifetime: until the next call of this function for the exchange, or until it or its worker is freed.
/// Threads: the worker's.
/// Errors: `PORTCULLIS_E_ORDER` (not due), `PORTCULLIS_E_ARGUMENT`, `PORTCULLIS_E_HANDLE`, `PORTCULLIS_E_BUSY`,
/// `PORTCULLIS_E_POISONED`; then nothing has changed, and `out` is absent.
///
/// # Safety
///
/// `data` must be readable for its length, and `out` null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn portcullis_exchange_response_body(
    exchange: u64,
    data: *const c_char,
    len: usize,
    end: u32,
    out: *mut Text,
) -> i32 {
    coded(|| {
        // SAFETY: the caller's promise.
        let out = unsafe { Out::new(out) }?;
        out.put(Text::default());
        if end > 1 {
            return Err(OUTCOME);
        }
        // SAFETY: the caller's promise.
        let data = unsafe { bytes(Text { ptr: data, len }) }?;
        let (mut state, handle) = of_exchange(exchange)?;
        let (under_way, worker) = state.exchange_and_worker(handle)?;
        let UnderWay { exchange, body, .. } = under_way;
        if overlap(data, body) {
            return Err(TWICE);
        }
        body.clear();
        let next = exchange.response_body(worker, data, end == 1, body);
        let told = next.map(|next| of_response(&next)).map_err(|OutOfOrder| ORDER)?;
        if told == PORTCULLIS_PENDING || told == PORTCULLIS_ALLOW {
            out.put(Text::from(body.as_slice()));
        } else {
            // What was put out of a refused response is not to be sent.
            body.clear();
        }
        Ok(told)
    })
}

/// Whether bytes lie where a buffer has room.
fn overlap(data: &[u8], buffer: &Vec<u8>) -> bool {
    let (from, room) = (data.as_ptr().addr(), buffer.as_ptr().addr());
    !data.is_empty() && from < room + buffer.capacity() && room < from + data.len()
}

fn http_status(status: u32) -> Result<u16, Failure> {
    let status = u16::try_from(status).map_err(|_| OUTCOME)?;
    if (100..1_000).contains(&status) {
        Ok(status)
    } else {
        Err(OUTCOME)
    }
}

/// What was allowed cannot be carried out: the gateway has not rewritten the request or the response. The verdict is then
/// a denial of status 500, reason `internal`, with this detail code. Returns `PORTCULLIS_DENY`.
///
/// Ownership: `detail` (UTF-8) is copied. Threads: the worker's.
/// Errors: `PORTCULLIS_E_ORDER` (nothing was allowed), `PORTCULLIS_E_ARGUMENT`, `PORTCULLIS_E_TEXT`,
/// `PORTCULLIS_E_HANDLE`, `PORTCULLIS_E_BUSY`, `PORTCULLIS_E_POISONED`; then nothing has changed.
///
/// # Safety
///
/// `detail` must be readable for its length.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn portcullis_exchange_failed(exchange: u64, detail: *const c_char, len: usize) -> i32 {
    coded(|| {
        // SAFETY: the caller's promise.
        let detail = unsafe { text(Text { ptr: detail, len }) }?;
        // It may be one of the exchange's own, which this step forgets.
        let detail = detail.to_owned();
        request_step(exchange, |exchange, _| {
            exchange
                .failed(portcullis::decision::Reason::Internal, &detail)
                .map(drop)
        })
    })
}

/// Ends an exchange (`PORTCULLIS_END_..`). Its verdict can be read until it is freed; no step is due any more. `clock` and
/// `record` may be null.
///
/// Ownership: `record` is the caller's, with its `struct_size` set. Threads: the worker's.
/// Errors: `PORTCULLIS_E_ORDER` (ended before), `PORTCULLIS_E_ARGUMENT`, `PORTCULLIS_E_HANDLE`, `PORTCULLIS_E_BUSY`,
/// `PORTCULLIS_E_POISONED`; then nothing has changed.
///
/// # Safety
///
/// `clock` must be null or a struct as large as its first member says; `record` null, or writable for as many bytes as its
/// first member says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn portcullis_exchange_finish(
    exchange: u64,
    end: u32,
    clock: *const Clock,
    record: *mut Record,
) -> i32 {
    coded(|| {
        let end = match end {
            PORTCULLIS_END_COMPLETED => End::Completed,
            PORTCULLIS_END_ABORTED => End::Aborted,
            _ => return Err(OUTCOME),
        };
        // SAFETY: the caller's promise.
        let now = unsafe { now(clock) }?;
        let out = match record.is_null() {
            true => None,
            // SAFETY: the caller's promise.
            false => Some(unsafe { SizedOut::new(record, RECORD_BYTES_MIN) }?),
        };
        step(exchange, |exchange, _| {
            let record = exchange.finish(end, now)?;
            if let Some(out) = out {
                out.put(&Record {
                    status: record.status.unwrap_or_default().into(),
                    end: match record.end {
                        End::Completed => PORTCULLIS_END_COMPLETED,
                        End::Aborted => PORTCULLIS_END_ABORTED,
                    },
                    duration_us: record.duration_us,
                    keys_to_fetch: record.keys_to_fetch.map_or_else(Text::default, Text::from),
                    ..Record::default()
                });
            }
            Ok(PORTCULLIS_OK)
        })
    })
}
