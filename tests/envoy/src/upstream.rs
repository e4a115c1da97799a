//! Connections from Envoy -> the exact bytes of each request that came through, each answered 200 with a fixed JSON text.

use std::io::Write as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::HostError;
use crate::http::{Incoming, Message};

/// What every request is answered.
pub const BODY: &str = "\"upstream\"\n";

/// A request that reached the upstream.
#[derive(Clone, Debug)]
pub struct Received {
    /// Every byte of it.
    pub raw: Vec<u8>,
    /// Taken apart.
    pub message: Message,
}

/// A server on a loopback port. Its threads end with the process.
#[derive(Debug)]
pub struct Upstream {
    address: SocketAddr,
    kept: Arc<Mutex<Vec<Received>>>,
    count: Arc<AtomicU64>,
}

impl Upstream {
    /// Starts it. `keep`: whether requests are kept or only counted.
    pub fn start(keep: bool) -> Result<Upstream, HostError> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(HostError::io("upstream"))?;
        let address = listener.local_addr().map_err(HostError::io("upstream"))?;
        let kept = Arc::new(Mutex::new(Vec::new()));
        let count = Arc::new(AtomicU64::new(0));
        let (shared, counter) = (kept.clone(), count.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (kept, count) = (shared.clone(), counter.clone());
                std::thread::spawn(move || serve(stream, keep, &kept, &count));
            }
        });
        Ok(Upstream { address, kept, count })
    }

    /// Its port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What came since the last call.
    pub fn take(&self) -> Vec<Received> {
        std::mem::take(&mut self.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// How many requests came in all.
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::SeqCst)
    }
}

fn serve(stream: TcpStream, keep: bool, kept: &Mutex<Vec<Received>>, count: &AtomicU64) {
    let _ = stream.set_nodelay(true);
    let mut incoming = Incoming::new(stream);
    while let Ok(Some((raw, message))) = incoming.request() {
        count.fetch_add(1, Ordering::SeqCst);
        let upgrade = message.header("upgrade");
        let connect = message.first.starts_with(b"CONNECT ");
        let head = message.first.starts_with(b"HEAD ");
        if keep {
            let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.push(Received { raw, message });
        }
        let reply = match upgrade {
            Some(protocol) => format!(
                "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: {protocol}\r\n\r\n"
            ),
            None if connect => "HTTP/1.1 200 OK\r\n\r\n".to_string(),
            None => {
                let body = if head { "" } else { BODY };
                let length = BODY.len();
                format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
                )
            }
        };
        let tunnel = connect || reply.starts_with("HTTP/1.1 101");
        if incoming.stream().write_all(reply.as_bytes()).is_err() || tunnel {
            return;
        }
    }
}
