//! The gateway's functions (proxy-wasm ABI 0.2.1) -> [`Host`]. The one file with raw calls.
//!
//! The SDK has wrappers, but they panic on a name that is not UTF-8 and on a status they do not know, and read a
//! status as a Rust enum whatever its number is. Here a status is a number, bytes are bytes, and nothing panics.

use crate::host::{Body, Host, Level, LocalReply, Map, Refused};
use crate::pairs::{self, Pairs};
use crate::verifier::VerifySignature;

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_log(level: u32, message: *const u8, message_len: usize) -> u32;
    fn proxy_get_current_time_nanoseconds(time: *mut u64) -> u32;
    fn proxy_get_buffer_bytes(
        buffer: u32,
        start: usize,
        max: usize,
        data: *mut *mut u8,
        len: *mut usize,
    ) -> u32;
    fn proxy_set_buffer_bytes(buffer: u32, start: usize, replaced: usize, data: *const u8, len: usize)
    -> u32;
    fn proxy_get_header_map_pairs(map: u32, data: *mut *mut u8, len: *mut usize) -> u32;
    fn proxy_remove_header_map_value(map: u32, name: *const u8, name_len: usize) -> u32;
    fn proxy_add_header_map_value(
        map: u32,
        name: *const u8,
        name_len: usize,
        value: *const u8,
        value_len: usize,
    ) -> u32;
    fn proxy_replace_header_map_value(
        map: u32,
        name: *const u8,
        name_len: usize,
        value: *const u8,
        value_len: usize,
    ) -> u32;
    fn proxy_get_property(path: *const u8, path_len: usize, data: *mut *mut u8, len: *mut usize) -> u32;
    fn proxy_call_foreign_function(
        name: *const u8,
        name_len: usize,
        arguments: *const u8,
        arguments_len: usize,
        data: *mut *mut u8,
        len: *mut usize,
    ) -> u32;
    fn proxy_send_local_response(
        status: u32,
        details: *const u8,
        details_len: usize,
        body: *const u8,
        body_len: usize,
        headers: *const u8,
        headers_len: usize,
        grpc_status: i32,
    ) -> u32;
    fn proxy_close_stream(stream: u32) -> u32;
    fn proxy_define_metric(kind: u32, name: *const u8, name_len: usize, id: *mut u32) -> u32;
    fn proxy_increment_metric(id: u32, offset: i64) -> u32;
}

const OK: u32 = 0;
const NOT_FOUND: u32 = 1;
const BAD_ARGUMENT: u32 = 2;
/// What is said of bytes that are promised and not given; no status of the ABI.
const NO_BYTES: u32 = u32::MAX;
/// Envoy's function of that name.
const VERIFY_SIGNATURE: &[u8] = b"verify_signature";
const REQUEST_STREAM: u32 = 0;
const PLUGIN_CONFIGURATION: u32 = 7;
const COUNTER: u32 = 0;
const NO_GRPC: i32 = -1;
/// What Envoy's access log says of a local reply; no spaces.
const DETAILS: &[u8] = b"portcullis_refused";

/// The gateway that runs this module.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gateway;

fn number(map: Map) -> u32 {
    match map {
        Map::Request => 0,
        Map::RequestTrailers => 1,
        Map::Response => 2,
        Map::ResponseTrailers => 3,
    }
}

fn buffer(body: Body) -> u32 {
    match body {
        Body::Request => 0,
        Body::Response => 1,
    }
}

fn done(status: u32) -> Result<(), Refused> {
    match status {
        OK => Ok(()),
        other => Err(Refused(other)),
    }
}

/// Calls a function that gives bytes, and takes them over.
fn bytes(call: impl FnOnce(*mut *mut u8, *mut usize) -> u32) -> Result<Vec<u8>, Refused> {
    let mut data = std::ptr::null_mut();
    let mut len = 0;
    let status = call(&raw mut data, &raw mut len);
    // Taken over even if the status is bad: what was allocated would leak else.
    let taken = if data.is_null() || len == 0 {
        Vec::new()
    } else {
        // SAFETY: the ABI says that `data` is a buffer of `len` bytes which the gateway has had allocated by
        // `proxy_on_memory_allocate(len)` for this call, has filled, and leaves to us. That function is the SDK's: a
        // boxed slice of exactly `len` bytes by the global allocator, so capacity and layout are those given here.
        unsafe { Vec::from_raw_parts(data, len, len) }
    };
    let promised = if data.is_null() { len } else { 0 };
    match (status, promised) {
        (OK, 0) => Ok(taken),
        (OK, _) => Err(Refused(NO_BYTES)),
        (other, _) => Err(Refused(other)),
    }
}

fn verify_signature(arguments: &[u8]) -> Result<Vec<u8>, Refused> {
    // SAFETY: name and arguments are live bytes of these lengths, the rest as in `Gateway::headers`.
    bytes(|data, len| unsafe {
        proxy_call_foreign_function(
            VERIFY_SIGNATURE.as_ptr(),
            VERIFY_SIGNATURE.len(),
            arguments.as_ptr(),
            arguments.len(),
            data,
            len,
        )
    })
}

impl Host for Gateway {
    fn headers(&self, map: Map) -> Option<Pairs> {
        let map = number(map);
        // SAFETY: both pointers are to live locals of `bytes`, which the gateway writes.
        let read = bytes(|data, len| unsafe { proxy_get_header_map_pairs(map, data, len) });
        Pairs::read(read.ok()?)
    }

    fn look_up(&self, path: &str) -> Result<Option<Vec<u8>>, Refused> {
        // SAFETY: the path is a live text of that length, the rest as in `headers`.
        match bytes(|data, len| unsafe { proxy_get_property(path.as_ptr(), path.len(), data, len) }) {
            Err(Refused(NOT_FOUND)) => Ok(None),
            other => other.map(Some),
        }
    }

    fn configuration(&self, max: usize) -> Option<Vec<u8>> {
        let max = max.saturating_add(1);
        // SAFETY: as in `headers`.
        bytes(|data, len| unsafe { proxy_get_buffer_bytes(PLUGIN_CONFIGURATION, 0, max, data, len) }).ok()
    }

    fn now_us(&self) -> Option<i64> {
        let mut nanoseconds = 0;
        // SAFETY: the pointer is to a live local of eight bytes.
        let status = unsafe { proxy_get_current_time_nanoseconds(&raw mut nanoseconds) };
        (status == OK && nanoseconds > 0)
            .then(|| i64::try_from(nanoseconds / 1_000).ok())
            .flatten()
    }

    fn verify_signature(&self) -> Option<VerifySignature> {
        Some(verify_signature)
    }

    fn remove(&self, map: Map, name: &str) -> Result<(), Refused> {
        // SAFETY: the name is a live text of that length.
        let status = unsafe { proxy_remove_header_map_value(number(map), name.as_ptr(), name.len()) };
        match (status, map) {
            (NOT_FOUND, _) => Ok(()),
            // Where there are no trailers, there is nothing to remove.
            (BAD_ARGUMENT, Map::RequestTrailers | Map::ResponseTrailers) => Ok(()),
            (other, _) => done(other),
        }
    }

    fn add(&self, map: Map, name: &str, value: &str) -> Result<(), Refused> {
        // SAFETY: name and value are live texts of these lengths.
        done(unsafe {
            proxy_add_header_map_value(
                number(map),
                name.as_ptr(),
                name.len(),
                value.as_ptr(),
                value.len(),
            )
        })
    }

    fn replace(&self, map: Map, name: &str, value: &str) -> Result<(), Refused> {
        // SAFETY: name and value are live texts of these lengths.
        done(unsafe {
            proxy_replace_header_map_value(
                number(map),
                name.as_ptr(),
                name.len(),
                value.as_ptr(),
                value.len(),
            )
        })
    }

    fn body(&self, body: Body, start: usize, end: usize) -> Result<Vec<u8>, Refused> {
        let (buffer, wanted) = (buffer(body), end.saturating_sub(start));
        if wanted == 0 {
            return Ok(Vec::new());
        }
        // SAFETY: as in `headers`.
        let taken = bytes(|data, len| unsafe { proxy_get_buffer_bytes(buffer, start, wanted, data, len) })?;
        if taken.len() == wanted {
            Ok(taken)
        } else {
            Err(Refused(NO_BYTES))
        }
    }

    fn set_body(&self, body: Body, bytes: &[u8]) -> Result<(), Refused> {
        // From 0, and more than there can be: all of it is replaced.
        // SAFETY: the bytes are live and of that length.
        done(unsafe { proxy_set_buffer_bytes(buffer(body), 0, usize::MAX, bytes.as_ptr(), bytes.len()) })
    }

    fn reply(&self, reply: &LocalReply<'_>) -> Result<(), Refused> {
        let lines = reply.headers.iter();
        let headers = pairs::write(lines.map(|(name, value)| (name.as_bytes(), value.as_bytes())));
        // SAFETY: details, body and headers are live bytes of these lengths.
        done(unsafe {
            proxy_send_local_response(
                reply.status.into(),
                DETAILS.as_ptr(),
                DETAILS.len(),
                reply.body.as_ptr(),
                reply.body.len(),
                headers.as_ptr(),
                headers.len(),
                reply.grpc_status.map_or(NO_GRPC, i32::from),
            )
        })
    }

    fn close(&self) {
        // SAFETY: no pointers.
        if unsafe { proxy_close_stream(REQUEST_STREAM) } != OK {
            core::arch::wasm32::unreachable();
        }
    }

    fn log(&self, level: Level, line: &str) {
        let level = match level {
            Level::Info => 2,
            Level::Warn => 3,
            Level::Error => 4,
        };
        // SAFETY: the line is a live text of that length. A log that cannot be written changes nothing.
        let _ = unsafe { proxy_log(level, line.as_ptr(), line.len()) };
    }

    fn define_counter(&self, name: &str) -> Option<u32> {
        let mut id = 0;
        // SAFETY: the name is a live text of that length, and the pointer is to a live local of four bytes.
        let status = unsafe { proxy_define_metric(COUNTER, name.as_ptr(), name.len(), &raw mut id) };
        (status == OK).then_some(id)
    }

    fn count(&self, counter: u32) {
        // SAFETY: no pointers. A counter that does not count changes nothing.
        let _ = unsafe { proxy_increment_metric(counter, 1) };
    }
}
