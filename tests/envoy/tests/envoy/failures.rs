//! What goes wrong in the plugin, and what Envoy then lets through: nothing.

use std::time::{Duration, Instant};

use xtask::wasm::{self, Plugin};

use crate::case::PLUGIN;
use crate::gateway::{Gateway, VMS, open};

const TRAP: &str = "x-portcullis-debug-trap: 1\r\n";

#[test]
fn w01_a_trap_is_503_and_the_plugin_starts_again() {
    let module = wasm::build(Plugin::Trap).unwrap();
    let gateway = Gateway::start(&module, &open("/open"));
    assert_eq!(gateway.get("/open", ""), 200);
    for _ in 0..3 {
        let reached = gateway.upstream.count();
        assert_eq!(gateway.get("/open", TRAP), 503);
        assert_eq!(
            gateway.upstream.count(),
            reached,
            "a request that trapped went on"
        );
        // Its worker's VM is dead for a moment; meanwhile the worker denies, and the other one serves. So many in a row
        // are served by both.
        let (start, mut served) = (Instant::now(), 0);
        while served < 20 {
            assert!(
                start.elapsed() < Duration::from_secs(30),
                "the plugin did not start again"
            );
            match gateway.get("/open", "") {
                200 => served += 1,
                503 => {
                    served = 0;
                    std::thread::sleep(Duration::from_millis(5));
                }
                other => panic!("{other}"),
            }
            let status = gateway.get("/closed", "");
            assert!(status == 404 || status == 503, "{status}");
        }
    }
}

#[test]
fn w02_a_bad_configuration_denies_or_keeps_the_last_good_one() {
    let mut gateway = Gateway::start(&PLUGIN, "{\"image\": \"bm8gaW1hZ2U=\"}");
    gateway.wait("configurations.refused", VMS);
    for _ in 0..8 {
        assert_eq!(
            gateway.get("/open", ""),
            503,
            "without a policy everything is denied"
        );
    }
    gateway.configure(&open("/open"));
    gateway.wait("configurations.loaded", VMS);
    let holds = |gateway: &Gateway| {
        for _ in 0..8 {
            assert_eq!(gateway.get("/open", ""), 200);
            assert_eq!(gateway.get("/closed", ""), 404);
        }
    };
    holds(&gateway);
    let truncated = open("/closed").replace("\"log\"", "\"lag\"");
    for (count, bad) in (2..).zip(["", "{}", "{\"image\": \"AAAA\"}", &truncated]) {
        gateway.configure(bad);
        gateway.wait("configurations.refused", count * VMS);
        holds(&gateway);
    }
    gateway.configure(&open("/closed"));
    gateway.wait("configurations.loaded", 2 * VMS);
    assert_eq!((gateway.get("/open", ""), gateway.get("/closed", "")), (404, 200));
}
