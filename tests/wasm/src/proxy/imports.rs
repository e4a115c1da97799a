//! The functions that a gateway offers to a plugin, as far as ours calls them. Every other import of the module is a
//! trap, so a test fails where it is called.

use wasmtime::{Caller, Linker};

use super::gateway::{Edit, Fault, Gateway, LogLine, Reply, deserialize, serialize};
use super::nginx::{Phase, Property};
use super::signatures;
use crate::HostError;

const OK: u32 = 0;
const NOT_FOUND: u32 = 1;
const BAD_ARGUMENT: u32 = 2;
const INTERNAL_FAILURE: u32 = 10;

type Called<'c> = Caller<'c, Gateway>;
type Answer = wasmtime::Result<u32>;

/// Offers everything.
pub(super) fn link(linker: &mut Linker<Gateway>) -> Result<(), HostError> {
    linker.func_wrap("env", "proxy_log", log)?;
    linker.func_wrap("env", "proxy_get_current_time_nanoseconds", now)?;
    linker.func_wrap("env", "proxy_get_buffer_bytes", get_buffer)?;
    linker.func_wrap("env", "proxy_set_buffer_bytes", set_buffer)?;
    linker.func_wrap("env", "proxy_get_header_map_pairs", get_pairs)?;
    linker.func_wrap("env", "proxy_remove_header_map_value", remove)?;
    linker.func_wrap("env", "proxy_add_header_map_value", add)?;
    linker.func_wrap("env", "proxy_replace_header_map_value", replace)?;
    linker.func_wrap("env", "proxy_get_property", get_property)?;
    linker.func_wrap("env", "proxy_send_local_response", send_local_response)?;
    linker.func_wrap("env", "proxy_close_stream", close_stream)?;
    linker.func_wrap("env", "proxy_define_metric", define_metric)?;
    linker.func_wrap("env", "proxy_increment_metric", increment_metric)?;
    linker.func_wrap("env", "proxy_call_foreign_function", call_foreign_function)?;
    let wasi = "wasi_snapshot_preview1";
    linker.func_wrap(wasi, "random_get", |mut caller: Called<'_>, at: u32, len: u32| {
        let bytes: Vec<u8> = (0..len)
            .map(|i| (i as u8).wrapping_mul(37).wrapping_add(11))
            .collect();
        put(&mut caller, at, &bytes)
    })?;
    linker.func_wrap(wasi, "environ_get", |_: Called<'_>, _: u32, _: u32| 0_u32)?;
    linker.func_wrap(
        wasi,
        "environ_sizes_get",
        |mut caller: Called<'_>, count: u32, size: u32| {
            put(&mut caller, count, &[0; 4])?;
            put(&mut caller, size, &[0; 4])
        },
    )?;
    Ok(())
}

fn log(mut caller: Called<'_>, level: u32, at: u32, len: u32) -> Answer {
    note(&mut caller, "log");
    let bytes = get(&mut caller, at, len)?;
    // A gateway's log is text; what is not is a fault of the plugin.
    let text = String::from_utf8(bytes).map_err(|e| wasmtime::Error::msg(e.to_string()))?;
    caller.data_mut().log.push(LogLine { level, text });
    Ok(OK)
}

/// Keeps what was called.
fn note(caller: &mut Called<'_>, call: impl Into<String>) {
    caller.data_mut().calls.push(call.into());
}

fn now(mut caller: Called<'_>, at: u32) -> Answer {
    note(&mut caller, "get_current_time_nanoseconds");
    match caller.data().request.now_ns {
        Some(now) => put(&mut caller, at, &now.to_le_bytes()),
        None => Ok(INTERNAL_FAILURE),
    }
}

fn get_buffer(mut caller: Called<'_>, buffer: u32, start: u32, max: u32, at: u32, len: u32) -> Answer {
    note(&mut caller, "get_buffer_bytes");
    let gateway = caller.data();
    let all = match (buffer, &gateway.bodies) {
        (0, [Some(body), _]) | (1, [_, Some(body)]) => body,
        (0 | 1, _) => return Ok(NOT_FOUND),
        (7, _) => &gateway.configuration,
        _ => return Ok(BAD_ARGUMENT),
    };
    let start = (start as usize).min(all.len());
    let end = start.saturating_add(max as usize).min(all.len());
    let part = all.get(start..end).unwrap_or_default().to_vec();
    give(&mut caller, "proxy_get_buffer_bytes", Some(part), at, len)
}

/// As Envoy does: before all of it, in the place of all of it, or behind it.
fn set_buffer(mut caller: Called<'_>, buffer: u32, start: u32, replaced: u32, at: u32, len: u32) -> Answer {
    note(&mut caller, "set_buffer_bytes");
    let bytes = get(&mut caller, at, len)?;
    if let Some(Fault::Status(status)) = caller.data().fault("proxy_set_buffer_bytes") {
        return Ok(status);
    }
    let [request, response] = &mut caller.data_mut().bodies;
    let body = match buffer {
        0 => request.as_mut(),
        1 => response.as_mut(),
        _ => None,
    };
    let Some(body) = body else {
        return Ok(BAD_ARGUMENT);
    };
    let (start, replaced) = (start as usize, replaced as usize);
    match (start, replaced) {
        (0, 0) => drop(body.splice(0..0, bytes)),
        (0, _) if replaced >= body.len() => *body = bytes,
        _ if start >= body.len() => body.extend(bytes),
        _ => return Ok(BAD_ARGUMENT),
    }
    Ok(OK)
}

fn get_pairs(mut caller: Called<'_>, map: u32, at: u32, len: u32) -> Answer {
    note(&mut caller, "get_header_map_pairs");
    let pairs = caller.data_mut().shown(map).map(|lines| serialize(&lines));
    give(&mut caller, "proxy_get_header_map_pairs", pairs, at, len)
}

fn remove(mut caller: Called<'_>, map: u32, name: u32, name_len: u32) -> Answer {
    let name = get(&mut caller, name, name_len)?;
    change(
        &mut caller,
        "proxy_remove_header_map_value",
        map,
        Edit::Remove(name),
    )
}

fn add(mut caller: Called<'_>, map: u32, name: u32, name_len: u32, value: u32, value_len: u32) -> Answer {
    let name = get(&mut caller, name, name_len)?;
    let value = get(&mut caller, value, value_len)?;
    let edit = Edit::Add(name, value);
    change(&mut caller, "proxy_add_header_map_value", map, edit)
}

fn replace(mut caller: Called<'_>, map: u32, name: u32, name_len: u32, value: u32, value_len: u32) -> Answer {
    let name = get(&mut caller, name, name_len)?;
    let value = get(&mut caller, value, value_len)?;
    let edit = Edit::Replace(name, value);
    change(&mut caller, "proxy_replace_header_map_value", map, edit)
}

fn change(caller: &mut Called<'_>, function: &str, map: u32, edit: Edit) -> Answer {
    note(caller, function.trim_start_matches("proxy_"));
    if let Some(Fault::Status(status)) = caller.data().fault(function) {
        return Ok(status);
    }
    match caller.data_mut().edit(map, edit) {
        Some(()) => Ok(OK),
        None => Ok(BAD_ARGUMENT),
    }
}

fn get_property(mut caller: Called<'_>, path: u32, path_len: u32, at: u32, len: u32) -> Answer {
    let path = get(&mut caller, path, path_len)?;
    let path = String::from_utf8_lossy(&path).replace('\0', "/");
    note(&mut caller, format!("get_property {path}"));
    let gateway = caller.data_mut();
    let value = match &mut gateway.nginx {
        Some(nginx) => match nginx.property(&path, &gateway.request) {
            Property::Value(value) => value,
            Property::Crash => {
                nginx.crashed = true;
                return Err(wasmtime::Error::msg(format!("segmentation fault: {path}")));
            }
        },
        None => {
            let value = gateway.request.properties.get(&path);
            value.or_else(|| gateway.plugin.get(&path)).cloned()
        }
    };
    let gateway = caller.data();
    let one = format!("proxy_get_property/{path}");
    let function = match gateway.fault(&one) {
        Some(_) => one.as_str(),
        None => "proxy_get_property",
    };
    give(&mut caller, function, value, at, len)
}

#[expect(clippy::too_many_arguments, reason = "the ABI has that many")]
fn send_local_response(
    mut caller: Called<'_>,
    status: u32,
    _details: u32,
    _details_len: u32,
    body: u32,
    body_len: u32,
    headers: u32,
    headers_len: u32,
    grpc_status: i32,
) -> Answer {
    note(&mut caller, "send_local_response");
    let mut body = get(&mut caller, body, body_len)?;
    let headers = get(&mut caller, headers, headers_len)?;
    if let Some(nginx) = &caller.data().nginx {
        if nginx.phase != Phase::Request {
            return Ok(INTERNAL_FAILURE);
        }
        if !body.is_empty() {
            body.push(b'\n');
        }
    }
    let Some(headers) = deserialize(&headers) else {
        return Ok(BAD_ARGUMENT);
    };
    if let Some(Fault::Status(status)) = caller.data().fault("proxy_send_local_response") {
        return Ok(status);
    }
    caller.data_mut().replies.push(Reply {
        status,
        headers,
        body,
        grpc_status,
    });
    Ok(OK)
}

fn close_stream(mut caller: Called<'_>, stream: u32) -> Answer {
    note(&mut caller, "close_stream");
    if caller.data().nginx.is_some() {
        return Err(wasmtime::Error::msg("proxy_close_stream is not implemented"));
    }
    if let Some(Fault::Status(status)) = caller.data().fault("proxy_close_stream") {
        return Ok(status);
    }
    caller.data_mut().closed.push(stream);
    Ok(OK)
}

fn define_metric(mut caller: Called<'_>, kind: u32, name: u32, name_len: u32, at: u32) -> Answer {
    note(&mut caller, "define_metric");
    let name = get(&mut caller, name, name_len)?;
    if kind != 0 {
        return Ok(BAD_ARGUMENT);
    }
    if let Some(Fault::Status(status)) = caller.data().fault("proxy_define_metric") {
        return Ok(status);
    }
    let counters = &mut caller.data_mut().counters;
    counters.push(String::from_utf8_lossy(&name).into_owned());
    let number = counters.len() as u32;
    put(&mut caller, at, &number.to_le_bytes())
}

fn increment_metric(mut caller: Called<'_>, number: u32, offset: i64) -> Answer {
    note(&mut caller, "increment_metric");
    let gateway = caller.data_mut();
    let Some(name) = number
        .checked_sub(1)
        .and_then(|i| gateway.counters.get(i as usize))
    else {
        return Ok(NOT_FOUND);
    };
    *gateway.counts.entry(name.clone()).or_default() += offset;
    Ok(OK)
}

fn call_foreign_function(
    mut caller: Called<'_>,
    name: u32,
    name_len: u32,
    arguments: u32,
    arguments_len: u32,
    at: u32,
    len: u32,
) -> Answer {
    let name = String::from_utf8_lossy(&get(&mut caller, name, name_len)?).into_owned();
    note(&mut caller, format!("call_foreign_function {name}"));
    let arguments = get(&mut caller, arguments, arguments_len)?;
    if name != "verify_signature" || !caller.data().verifies_signatures {
        return Ok(NOT_FOUND);
    }
    match signatures::verify(&arguments) {
        Some(result) => give(&mut caller, "proxy_call_foreign_function", Some(result), at, len),
        None => Ok(BAD_ARGUMENT),
    }
}

/// Bytes into memory that the plugin allocates, as the ABI has it; `None` is "not found".
fn give(caller: &mut Called<'_>, function: &str, bytes: Option<Vec<u8>>, at: u32, len: u32) -> Answer {
    let (status, bytes) = match (caller.data().fault(function), bytes) {
        (Some(Fault::Status(status)), _) => return Ok(status),
        (Some(Fault::StatusWithBytes(status)), bytes) => (status, bytes.unwrap_or_default()),
        (Some(Fault::Null), _) => {
            put(caller, at, &[0; 4])?;
            return put(caller, len, &7_u32.to_le_bytes());
        }
        (Some(Fault::Garbage), _) => (OK, vec![0xff; 37]),
        (None, Some(bytes)) => (OK, bytes),
        (None, None) => return Ok(NOT_FOUND),
    };
    let allocate = caller
        .get_export("proxy_on_memory_allocate")
        .and_then(wasmtime::Extern::into_func)
        .ok_or_else(|| wasmtime::Error::msg("no proxy_on_memory_allocate"))?;
    let allocate = allocate.typed::<u32, u32>(&*caller)?;
    let data = allocate.call(&mut *caller, bytes.len() as u32)?;
    put(caller, data, &bytes)?;
    put(caller, at, &data.to_le_bytes())?;
    put(caller, len, &(bytes.len() as u32).to_le_bytes())?;
    Ok(status)
}

fn memory(caller: &mut Called<'_>) -> wasmtime::Result<wasmtime::Memory> {
    caller
        .get_export("memory")
        .and_then(wasmtime::Extern::into_memory)
        .ok_or_else(|| wasmtime::Error::msg("no memory"))
}

fn get(caller: &mut Called<'_>, at: u32, len: u32) -> wasmtime::Result<Vec<u8>> {
    let mut bytes = vec![0; len as usize];
    memory(caller)?.read(&*caller, at as usize, &mut bytes)?;
    Ok(bytes)
}

fn put(caller: &mut Called<'_>, at: u32, bytes: &[u8]) -> Answer {
    memory(caller)?.write(&mut *caller, at as usize, bytes)?;
    Ok(OK)
}
