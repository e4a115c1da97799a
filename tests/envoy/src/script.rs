//! An upstream that answers a target with written bytes, part by part, and closes; it keeps every byte that reaches it, of
//! requests that never end too.

use std::collections::BTreeMap;
use std::io::{Read, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::HostError;
use crate::http::Incoming;

/// Bytes of a response in the parts that they are sent in.
pub type Parts = Vec<Vec<u8>>;

/// Between two parts.
pub const PAUSE: Duration = Duration::from_millis(150);

/// A server on a loopback port. Its threads end with the process.
#[derive(Debug)]
pub struct Script {
    address: SocketAddr,
    received: Arc<Mutex<Vec<u8>>>,
}

impl Script {
    /// Starts it, with a response for each target; any other one is closed without.
    pub fn start(answers: BTreeMap<String, Parts>) -> Result<Script, HostError> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(HostError::io("upstream"))?;
        let address = listener.local_addr().map_err(HostError::io("upstream"))?;
        let received = Arc::new(Mutex::new(Vec::new()));
        let (shared, answers) = (received.clone(), Arc::new(answers));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (received, answers) = (shared.clone(), answers.clone());
                std::thread::spawn(move || serve(stream, received, &answers));
            }
        });
        Ok(Script { address, received })
    }

    /// Its port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Every byte that came since the last call.
    pub fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.received.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A stream of which everything that is read is kept.
struct Kept {
    stream: TcpStream,
    received: Arc<Mutex<Vec<u8>>>,
}

impl Read for Kept {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.stream.read(buffer)?;
        let mut received = self.received.lock().unwrap_or_else(PoisonError::into_inner);
        received.extend_from_slice(buffer.get(..count).unwrap_or_default());
        Ok(count)
    }
}

fn serve(stream: TcpStream, received: Arc<Mutex<Vec<u8>>>, answers: &BTreeMap<String, Parts>) {
    let _ = stream.set_nodelay(true);
    let mut incoming = Incoming::new(Kept { stream, received });
    let Ok(Some((_, message))) = incoming.request() else {
        return;
    };
    let target = String::from_utf8_lossy(&message.target()).into_owned();
    let stream = &mut incoming.stream().stream;
    for (number, part) in answers.get(&target).into_iter().flatten().enumerate() {
        if number > 0 {
            std::thread::sleep(PAUSE);
        }
        if stream.write_all(part).is_err() {
            return;
        }
    }
}

/// A response with its length.
pub fn whole(status: &str, media_type: &str, more: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {media_type}\r\n{more}content-length: {length}\r\nconnection: close\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

/// A chunked response, each part a chunk; it ends where `ends`.
pub fn chunked(media_type: &str, chunks: &[&str], ends: bool) -> Parts {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: {media_type}\r\ntransfer-encoding: chunked\r\n\r\n");
    let mut parts = vec![head.into_bytes()];
    let chunk = |text: &&str| format!("{:x}\r\n{text}\r\n", text.len()).into_bytes();
    parts.extend(chunks.iter().map(chunk));
    if ends {
        parts.push(b"0\r\n\r\n".to_vec());
    }
    parts
}
