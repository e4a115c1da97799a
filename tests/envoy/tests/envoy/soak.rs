//! Memory over many requests and many configurations: what a request or a configuration leaves behind would show.

use std::collections::BTreeMap;

use crate::case::PLUGIN;
use crate::gateway::{Gateway, VMS, open};

const REQUESTS: usize = 50_000;
const CONFIGURATIONS: usize = 50;
/// Rounds after which pools, caches and heaps have their size.
const WARM: usize = 10;
/// How much more Envoy may hold after 40,000 further requests and 40 further configurations, bytes. A tenth of a
/// megabyte was seen. A leak of 105 bytes a request, or of 105 KB a configuration, which is less than a VM keeps of
/// either, does not pass.
const BOUND: u64 = 4 << 20;

#[test]
fn w03_memory_is_flat_over_requests_and_configurations() {
    let configurations = [open("/a"), open("/b")];
    let mut gateway = Gateway::start(&PLUGIN, &configurations[0]);
    gateway.wait("configurations.loaded", VMS);
    let each = REQUESTS / CONFIGURATIONS;
    let mut resident = Vec::new();
    for round in 1..=CONFIGURATIONS {
        gateway.configure(&configurations[round % 2]);
        gateway.wait("configurations.loaded", (round as u64 + 1) * VMS);
        let (open, closed) = if round % 2 == 0 {
            ("/a", "/b")
        } else {
            ("/b", "/a")
        };
        assert_eq!(
            gateway.many(open, each * 7 / 10),
            BTreeMap::from([(200, each * 7 / 10)]),
            "round {round}"
        );
        assert_eq!(
            gateway.many(closed, each * 3 / 10),
            BTreeMap::from([(404, each * 3 / 10)]),
            "round {round}"
        );
        resident.push(gateway.envoy.resident().unwrap());
    }
    println!("resident: {resident:?}");
    let (warm, last) = (resident[WARM - 1], resident[CONFIGURATIONS - 1]);
    let mib: Vec<u64> = resident.iter().map(|bytes| bytes >> 20).collect();
    assert!(
        last <= warm + BOUND,
        "{warm} bytes grew to {last}; MiB by round: {mib:?}"
    );
    assert_eq!(
        gateway.upstream.count() as usize,
        CONFIGURATIONS * (each * 7 / 10)
    );
}
