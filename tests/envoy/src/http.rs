//! Bytes of HTTP/1.1 messages, as they are: sending them raw, and cutting a reply or a request out of a stream.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use crate::HostError;
use crate::tls;

/// How long an answer may take before a test fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// A message's head and body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// The first line.
    pub first: Vec<u8>,
    /// Header lines in order: the name in lower case, the value without white space around it.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body, chunks put together.
    pub body: Vec<u8>,
}

impl Message {
    /// All values of a header.
    pub fn all(&self, name: &str) -> Vec<&[u8]> {
        let own = self.headers.iter().filter(|(own, _)| own == name);
        own.map(|(_, value)| value.as_slice()).collect()
    }

    /// The first value of a header, as text.
    pub fn header(&self, name: &str) -> Option<String> {
        let value = self.all(name).first().copied()?;
        Some(String::from_utf8_lossy(value).into_owned())
    }

    /// A reply's status; 0 where there is none.
    pub fn status(&self) -> u16 {
        let text = String::from_utf8_lossy(&self.first);
        let status = text.split(' ').nth(1).and_then(|word| word.parse().ok());
        status.unwrap_or(0)
    }

    /// A request's target, the bytes between the first and the last space.
    pub fn target(&self) -> Vec<u8> {
        let words: Vec<&[u8]> = self.first.split(|b| *b == b' ').collect();
        words
            .get(1..words.len().saturating_sub(1))
            .unwrap_or_default()
            .join(&b' ')
    }
}

/// Where a listener is.
#[derive(Clone, Debug)]
pub enum Address {
    /// A socket in the file system: such a connection has no IP address unless a PROXY line gives one.
    Unix(PathBuf),
    /// A loopback port.
    Tcp(SocketAddr),
    /// TLS on a socket in the file system.
    Tls(tls::Hello),
}

/// Any byte stream.
pub trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

/// Opens a connection.
pub fn connect(address: &Address) -> Result<Box<dyn Stream>, HostError> {
    let what = || format!("{address:?}");
    Ok(match address {
        Address::Unix(path) => {
            let stream = UnixStream::connect(path).map_err(HostError::io(what()))?;
            stream
                .set_read_timeout(Some(PATIENCE))
                .map_err(HostError::io(what()))?;
            Box::new(stream)
        }
        Address::Tls(hello) => Box::new(tls::connect(hello)?),
        Address::Tcp(address) => {
            let stream = TcpStream::connect_timeout(address, PATIENCE).map_err(HostError::io(what()))?;
            stream
                .set_read_timeout(Some(PATIENCE))
                .map_err(HostError::io(what()))?;
            stream.set_nodelay(true).map_err(HostError::io(what()))?;
            Box::new(stream)
        }
    })
}

/// Sends bytes on a connection of their own and reads one reply. A peer that closes while we still send has
/// answered: what it sent counts.
pub fn exchange(address: &Address, bytes: &[u8], head: bool) -> Result<Message, HostError> {
    let mut stream = connect(address)?;
    let _ = stream.write_all(bytes);
    let _ = stream.flush();
    Incoming::new(stream)
        .reply(head)?
        .ok_or_else(|| HostError::Http("closed without an answer".into()))
}

/// A stream from which messages are cut one after another.
pub struct Incoming<S> {
    stream: S,
    kept: Vec<u8>,
}

impl<S: Read> Incoming<S> {
    /// Of a connection.
    pub fn new(stream: S) -> Incoming<S> {
        Incoming {
            stream,
            kept: Vec::new(),
        }
    }

    /// The stream, to write on.
    pub fn stream(&mut self) -> &mut S {
        &mut self.stream
    }

    /// The next reply; `None` where the peer closed before one began. `head`: it answers a HEAD request.
    pub fn reply(&mut self, head: bool) -> Result<Option<Message>, HostError> {
        let Some((_, mut message)) = self.head()? else {
            return Ok(None);
        };
        let status = message.status();
        let bare = head || status < 200 || status == 204 || status == 304;
        if bare {
            return Ok(Some(message));
        }
        let framed =
            message.header("content-length").is_some() || message.header("transfer-encoding").is_some();
        if framed {
            message.body = self.body(&message)?.1;
        }
        Ok(Some(message))
    }

    /// The next request, with its bytes as they came.
    pub fn request(&mut self) -> Result<Option<(Vec<u8>, Message)>, HostError> {
        let Some((mut raw, mut message)) = self.head()? else {
            return Ok(None);
        };
        let (bytes, body) = self.body(&message)?;
        raw.extend(bytes);
        message.body = body;
        Ok(Some((raw, message)))
    }

    fn head(&mut self) -> Result<Option<(Vec<u8>, Message)>, HostError> {
        loop {
            if let Some(end) = find(&self.kept, b"\r\n\r\n") {
                let raw: Vec<u8> = self.kept.drain(..end + 4).collect();
                let message = parse(&raw);
                return Ok(Some((raw, message)));
            }
            if !self.more()? {
                return match self.kept.is_empty() {
                    true => Ok(None),
                    false => Err(HostError::Http(String::from_utf8_lossy(&self.kept).into_owned())),
                };
            }
        }
    }

    /// The body as it came, and put together.
    fn body(&mut self, message: &Message) -> Result<(Vec<u8>, Vec<u8>), HostError> {
        if message
            .header("transfer-encoding")
            .is_some_and(|v| v.contains("chunked"))
        {
            loop {
                let (body, end) = unchunk(&self.kept);
                if let Some(end) = end {
                    return Ok((self.kept.drain(..end).collect(), body));
                }
                if !self.more()? {
                    return Err(HostError::Http("a chunked body ends early".into()));
                }
            }
        }
        let length = message
            .header("content-length")
            .and_then(|v| v.parse::<usize>().ok())
            .unwrap_or(0);
        while self.kept.len() < length {
            if !self.more()? {
                return Err(HostError::Http("a body ends early".into()));
            }
        }
        let body: Vec<u8> = self.kept.drain(..length).collect();
        Ok((body.clone(), body))
    }

    fn more(&mut self) -> Result<bool, HostError> {
        let mut buffer = [0; 65_536];
        match self.stream.read(&mut buffer) {
            Ok(0) => Ok(false),
            Ok(count) => {
                self.kept
                    .extend_from_slice(buffer.get(..count).unwrap_or_default());
                Ok(true)
            }
            // The peer refused the rest of what we sent: whatever it said before is its answer.
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => Ok(false),
            Err(error) => Err(HostError::io("read")(error)),
        }
    }
}

fn parse(head: &[u8]) -> Message {
    let mut lines = head
        .strip_suffix(b"\r\n\r\n")
        .unwrap_or(head)
        .split(|b| *b == b'\n');
    let mut message = Message {
        first: cut(lines.next().unwrap_or_default()),
        ..Message::default()
    };
    for line in lines {
        let line = cut(line);
        let colon = line
            .iter()
            .skip(1)
            .position(|b| *b == b':')
            .map_or(line.len(), |at| at + 1);
        let name = String::from_utf8_lossy(line.get(..colon).unwrap_or_default()).to_ascii_lowercase();
        let value = line.get(colon + 1..).unwrap_or_default().trim_ascii().to_vec();
        message.headers.push((name, value));
    }
    message
}

fn cut(line: &[u8]) -> Vec<u8> {
    line.strip_suffix(b"\r").unwrap_or(line).to_vec()
}

/// The chunks so far put together, and where the body ends if it does.
pub fn unchunk(bytes: &[u8]) -> (Vec<u8>, Option<usize>) {
    let (mut body, mut at) = (Vec::new(), 0);
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        let Some(line) = find(rest, b"\r\n") else {
            return (body, None);
        };
        let size = String::from_utf8_lossy(rest.get(..line).unwrap_or_default())
            .trim()
            .to_string();
        let Ok(size) = usize::from_str_radix(&size, 16) else {
            return (body, None);
        };
        let start = at + line + 2;
        let Some(chunk) = bytes.get(start..start + size) else {
            return (body, None);
        };
        body.extend_from_slice(chunk);
        at = start + size + 2;
        if size == 0 {
            return (body, (at <= bytes.len()).then_some(at));
        }
    }
}

/// Where `needle` begins.
pub(crate) fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len()).position(|window| window == needle)
}
