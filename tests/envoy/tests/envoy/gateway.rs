//! A small policy in an Envoy whose plugin can be configured anew while it runs.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use portcullis_tests_envoy::config::{self, Listener, Normalise};
use portcullis_tests_envoy::http::{self, Address, Incoming};
use portcullis_tests_envoy::plugin;
use portcullis_tests_envoy::process::{Envoy, Folder};
use portcullis_tests_envoy::upstream::Upstream;

/// How long a change may take to be in force.
const PATIENCE: Duration = Duration::from_secs(30);

/// Threads of Envoy that take requests.
pub(crate) const WORKERS: u32 = 2;

/// VMs that a configuration reaches: one a worker, and the one that they are copied from.
pub(crate) const VMS: u64 = WORKERS as u64 + 1;

const NAME: &str = "portcullis";
const FILE: &str = "plugin.json";

/// An Envoy, its upstream and its one listener.
pub(crate) struct Gateway {
    pub(crate) envoy: Envoy,
    pub(crate) upstream: Upstream,
    address: Address,
    module: std::path::PathBuf,
    version: u32,
}

/// The plugin's configuration with a policy that lets everybody GET this path.
pub(crate) fn open(path: &str) -> String {
    let text = format!("gate 1;\nservice s on \"h.example\" {{ allow anyone to GET {path}; }}\n");
    let policy = portcullis_lang::check::load_text_with(&text, &BTreeMap::<String, Vec<u8>>::new()).policy;
    let image = portcullis_compile::compile(&policy.unwrap()).unwrap();
    let mut configuration = plugin::configuration(&image, &BTreeMap::new(), &[]);
    configuration["log"] = "none".into();
    configuration.to_string()
}

impl Gateway {
    /// Starts with a configuration.
    pub(crate) fn start(module: &Path, configuration: &str) -> Gateway {
        let upstream = Upstream::start(false).unwrap();
        let folder = Folder::new().unwrap();
        let address = Address::Unix(folder.path("gateway.sock"));
        let response =
            config::discovery_response(NAME, "0", config::wasm_plugin(NAME, module, configuration));
        let file = folder.replace(FILE, &response).unwrap();
        let listener = Listener {
            name: "gateway",
            address: &address,
            scheme: "https",
            proxy_protocol: false,
            normalise: Normalise::default(),
            filters: vec![config::discovered(NAME, &file, &folder.path(""))],
            upstream: upstream.address(),
        };
        let config = config::envoy(&[listener.json()], &[upstream.address()]);
        let envoy = Envoy::start(folder, &config, WORKERS).unwrap();
        Gateway {
            envoy,
            upstream,
            address,
            module: module.to_path_buf(),
            version: 0,
        }
    }

    /// Hands Envoy another configuration, by a file that takes the old one's place.
    pub(crate) fn configure(&mut self, configuration: &str) {
        self.version += 1;
        let plugin = config::wasm_plugin(NAME, &self.module, configuration);
        let response = config::discovery_response(NAME, &self.version.to_string(), plugin);
        self.envoy.folder().replace(FILE, &response).unwrap();
    }

    /// One of the plugin's counters.
    pub(crate) fn counter(&self, name: &str) -> u64 {
        self.envoy
            .stat(&format!("wasmcustom.portcullis.{name}"))
            .unwrap()
            .unwrap_or(0)
    }

    /// Waits until a counter has come this far.
    pub(crate) fn wait(&self, name: &str, count: u64) {
        let start = Instant::now();
        while self.counter(name) < count {
            let log = || self.envoy.log().unwrap();
            assert!(
                start.elapsed() < PATIENCE,
                "{name} is {}, not {count}\n{}",
                self.counter(name),
                log()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The status of a GET on a connection of its own; `extra` are whole header lines.
    pub(crate) fn get(&self, path: &str, extra: &str) -> u16 {
        let request = format!("GET {path} HTTP/1.1\r\nhost: h.example\r\n{extra}\r\n");
        http::exchange(&self.address, request.as_bytes(), false)
            .unwrap()
            .status()
    }

    /// Sends many GETs down a few connections that stay open; how many got which status. One at a time on each: Envoy
    /// closes a connection where it answers a request behind which another one waits.
    pub(crate) fn many(&self, path: &str, count: usize) -> BTreeMap<u16, usize> {
        const CONNECTIONS: usize = 4;
        let request = format!("GET {path} HTTP/1.1\r\nhost: h.example\r\n\r\n");
        let one = || {
            let mut incoming = Incoming::new(http::connect(&self.address).unwrap());
            let statuses = (0..count / CONNECTIONS).map(|_| {
                incoming.stream().write_all(request.as_bytes()).unwrap();
                incoming.reply(false).unwrap().unwrap().status()
            });
            statuses.collect::<Vec<u16>>()
        };
        let statuses: Vec<Vec<u16>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..CONNECTIONS).map(|_| scope.spawn(one)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        statuses
            .into_iter()
            .flatten()
            .fold(BTreeMap::new(), |mut counts, status| {
                *counts.entry(status).or_default() += 1;
                counts
            })
    }
}
