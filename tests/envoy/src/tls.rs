//! Certificates that say what a vector's peer is, and connections that show them. The handshake is `openssl s_client`'s,
//! through which bytes pass as they are.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use portcullis_vectors::{PeerCert, Vector};
use serde_json::{Value, json};

use crate::HostError;
use crate::config::typed;

/// Names the server's own certificate.
const SERVER: &str = "server";

/// Certificates, each its own issuer and with its key, in a folder.
#[derive(Clone, Debug)]
pub struct Identities {
    folder: PathBuf,
    by_name: BTreeMap<String, String>,
}

/// What a client says before its first byte of HTTP.
#[derive(Clone, Debug)]
pub struct Hello {
    /// The listener's socket.
    pub socket: PathBuf,
    /// Server name.
    pub sni: Option<String>,
    /// Certificate and key.
    pub identity: Option<(PathBuf, PathBuf)>,
}

impl Identities {
    /// The server's, and one for each peer of these vectors.
    pub fn of<'v>(folder: &Path, vectors: impl Iterator<Item = &'v Vector>) -> Result<Identities, HostError> {
        let mut identities = Identities {
            folder: folder.to_path_buf(),
            by_name: BTreeMap::new(),
        };
        identities.issue("DNS:server.test")?;
        for peer in vectors.filter_map(|vector| vector.request.peer.as_ref()) {
            if let Some(names) = names(peer) {
                identities.issue(&names)?;
            }
        }
        Ok(identities)
    }

    fn issue(&mut self, names: &str) -> Result<(), HostError> {
        if self.by_name.contains_key(names) {
            return Ok(());
        }
        let file = match self.by_name.len() {
            0 => SERVER.to_string(),
            number => format!("peer-{number}"),
        };
        let (certificate, key) = self.paths(&file);
        let output = Command::new("openssl")
            .args([
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-nodes",
            ])
            .args([
                "-subj",
                "/",
                "-days",
                "30",
                "-addext",
                &format!("subjectAltName={names}"),
                "-keyout",
            ])
            .arg(&key)
            .arg("-out")
            .arg(&certificate)
            .output()
            .map_err(HostError::io("openssl"))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(HostError::Missing(format!("openssl made no certificate: {said}")));
        }
        self.by_name.insert(names.to_string(), file);
        Ok(())
    }

    fn paths(&self, file: &str) -> (PathBuf, PathBuf) {
        let path = |end: &str| self.folder.join(format!("{file}.{end}"));
        (path("crt"), path("key"))
    }

    /// The certificate that says what a peer is; `None` where we made none that could.
    pub fn identity(&self, peer: &PeerCert) -> Option<(PathBuf, PathBuf)> {
        let file = self.by_name.get(&names(peer)?)?;
        Some(self.paths(file))
    }

    /// A listener's side of TLS: asks for a certificate, takes ours, and goes on without one.
    pub fn transport_socket(&self) -> Result<Value, HostError> {
        let mut trusted = String::new();
        for file in self.by_name.values() {
            let (certificate, _) = self.paths(file);
            trusted += &std::fs::read_to_string(&certificate).map_err(HostError::io(file))?;
        }
        let (certificate, key) = self.paths(SERVER);
        Ok(typed(
            "envoy.transport_sockets.tls",
            "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
            json!({
                "require_client_certificate": false,
                "common_tls_context": {
                    "tls_certificates": [{
                        "certificate_chain": {"filename": certificate.display().to_string()},
                        "private_key": {"filename": key.display().to_string()},
                    }],
                    "validation_context": {"trusted_ca": {"inline_string": trusted}},
                },
            }),
        ))
    }
}

/// The alternative names of a peer's certificate; `None` where a certificate of ours can not say what it is.
fn names(peer: &PeerCert) -> Option<String> {
    if peer.subject.is_some() || peer.fingerprint.is_some() || peer.invalid.is_some() {
        return None;
    }
    let uri = peer.spiffe.iter().map(|id| format!("URI:{id}"));
    let names: Vec<String> = uri
        .chain(peer.dns.iter().map(|name| format!("DNS:{name}")))
        .collect();
    (!names.is_empty()).then(|| names.join(","))
}

/// A connection through `openssl s_client`. The process ends with it.
pub struct Connection {
    child: Child,
    input: Option<ChildStdin>,
    output: Option<ChildStdout>,
}

/// Shakes hands.
pub fn connect(hello: &Hello) -> Result<Connection, HostError> {
    let mut command = Command::new("openssl");
    command.args(["s_client", "-quiet", "-unix"]).arg(&hello.socket);
    match &hello.sni {
        Some(name) => command.args(["-servername", name]),
        None => command.arg("-noservername"),
    };
    if let Some((certificate, key)) = &hello.identity {
        command.arg("-cert").arg(certificate).arg("-key").arg(key);
    }
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut child = command.spawn().map_err(HostError::io("openssl"))?;
    let (input, output) = (child.stdin.take(), child.stdout.take());
    Ok(Connection { child, input, output })
}

impl Read for Connection {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.output.as_mut().map_or(Ok(0), |output| output.read(buffer))
    }
}

impl Write for Connection {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.input.as_mut().map_or(Ok(0), |input| input.write(bytes))
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.input.as_mut().map_or(Ok(()), Write::flush)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
