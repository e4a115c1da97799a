//! The module that ships: how large it is, what it asks of a gateway, and what must not be in it.

use crate::support::{POLICY, SHIPPED, SHIPPED_BYTES, TRAP, TRAP_BYTES, answered, configuration, get, image};
use serde_json::json;
use xtask::{step, wasm};

/// Largest module that ships, bytes. Verifying tokens takes 190,000 of them, bodies and their codings 150,000, quotas
/// 30,000. The design means 1,100,000.
const SHIPPED_MAX: usize = 1_030_000;

/// What may be imported: Envoy has all of it. NGINX's proxy-wasm host lets a module refer to what it does not have, and
/// traps where that is called. The SDK refers to most of these, and the plugin calls few.
const OFFERED: [&str; 40] = [
    "env.proxy_add_header_map_value",
    "env.proxy_call_foreign_function",
    "env.proxy_close_stream",
    "env.proxy_continue_stream",
    "env.proxy_define_metric",
    "env.proxy_dequeue_shared_queue",
    "env.proxy_done",
    "env.proxy_enqueue_shared_queue",
    "env.proxy_get_buffer_bytes",
    "env.proxy_get_current_time_nanoseconds",
    "env.proxy_get_header_map_pairs",
    "env.proxy_get_header_map_value",
    "env.proxy_get_property",
    "env.proxy_get_shared_data",
    "env.proxy_get_status",
    "env.proxy_grpc_call",
    "env.proxy_grpc_cancel",
    "env.proxy_grpc_close",
    "env.proxy_grpc_send",
    "env.proxy_grpc_stream",
    "env.proxy_http_call",
    "env.proxy_increment_metric",
    "env.proxy_log",
    "env.proxy_register_shared_queue",
    "env.proxy_remove_header_map_value",
    "env.proxy_replace_header_map_value",
    "env.proxy_resolve_shared_queue",
    "env.proxy_send_local_response",
    "env.proxy_set_buffer_bytes",
    "env.proxy_set_effective_context",
    "env.proxy_set_header_map_pairs",
    "env.proxy_set_property",
    "env.proxy_set_shared_data",
    "env.proxy_set_tick_period_milliseconds",
    "wasi_snapshot_preview1.clock_time_get",
    "wasi_snapshot_preview1.environ_get",
    "wasi_snapshot_preview1.environ_sizes_get",
    "wasi_snapshot_preview1.fd_write",
    "wasi_snapshot_preview1.proc_exit",
    "wasi_snapshot_preview1.random_get",
];

/// Of these what NGINX's host does not have.
const NOT_IN_NGINX: [&str; 8] = [
    "proxy_close_stream",
    "proxy_done",
    "proxy_grpc_call",
    "proxy_grpc_cancel",
    "proxy_grpc_close",
    "proxy_grpc_send",
    "proxy_grpc_stream",
    "proxy_resolve_shared_queue",
];

/// The one file of the plugin that calls a gateway.
const HOST_CALLS: &str = include_str!("../../../../ffi/proxy-wasm/src/hostcalls.rs");

const TRAP_HEADER: &str = "x-portcullis-debug-trap";

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|part| part == text.as_bytes())
}

#[test]
fn the_module_is_small() {
    let size = SHIPPED_BYTES.len();
    println!("the plugin that ships has {size} bytes");
    assert!(size <= SHIPPED_MAX, "{size} bytes, at most {SHIPPED_MAX}");
}

#[test]
fn the_module_does_not_say_who_built_it() {
    for place in [wasm::sources(), step::root()] {
        let place = place.display().to_string();
        assert!(!contains(&SHIPPED_BYTES, &place), "{place}");
    }
}

#[test]
fn w10_the_module_asks_for_what_every_gateway_has() {
    for plugin in [&SHIPPED, &TRAP] {
        let foreign: Vec<String> = plugin
            .imports()
            .into_iter()
            .filter(|name| !OFFERED.contains(&name.as_str()))
            .collect();
        assert!(foreign.is_empty(), "{foreign:?}");
    }
    let (_, declared) = HOST_CALLS.split_once("unsafe extern \"C\" {").unwrap();
    let (declared, _) = declared.split_once("\n}").unwrap();
    let called = declared.lines().filter_map(|line| {
        let (_, rest) = line.split_once("fn ")?;
        rest.split_once('(').map(|(name, _)| name)
    });
    let called: Vec<&str> = called.collect();
    assert!(
        called.len() >= 10 && called.contains(&"proxy_send_local_response"),
        "{called:?}"
    );
    let lacking: Vec<&&str> = called.iter().filter(|name| NOT_IN_NGINX.contains(name)).collect();
    // Where no answer can be sent the stream is closed, and a trap there closes it too.
    assert_eq!(lacking, [&"proxy_close_stream"]);
    let exports = SHIPPED.exports();
    for name in [
        "_initialize",
        "memory",
        "proxy_abi_version_0_2_1",
        "proxy_on_configure",
        "proxy_on_context_create",
        "proxy_on_memory_allocate",
        "proxy_on_request_headers",
        "proxy_on_response_headers",
    ] {
        assert!(exports.iter().any(|own| own == name), "{name}");
    }
}

#[test]
fn w01_the_trap_is_in_no_module_that_ships() {
    assert!(contains(&TRAP_BYTES, TRAP_HEADER));
    assert!(!contains(&SHIPPED_BYTES, TRAP_HEADER));
    let mut vm = SHIPPED.start(&configuration(&image(POLICY), json!({}))).unwrap();
    assert_eq!(
        answered(&mut vm, &get("/open").with_header(TRAP_HEADER, "1")).0,
        200
    );
}

#[test]
fn w01_a_trap_is_an_error_to_the_gateway_and_a_new_instance_serves() {
    let start = || TRAP.start(&configuration(&image(POLICY), json!({}))).unwrap();
    let mut vm = start();
    assert_eq!(answered(&mut vm, &get("/open")).0, 200);
    let trap = get("/open").with_header(TRAP_HEADER, "1");
    let error = vm.exchange(&trap, &crate::support::ok()).unwrap_err();
    assert!(error.to_string().contains("unreachable"), "{error}");
    let mut fresh = start();
    assert_eq!(answered(&mut fresh, &get("/open")).0, 200);
    assert_eq!(answered(&mut fresh, &get("/admin/x")).0, 403);
}
