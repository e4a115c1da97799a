//! What a gateway holds: header lines, properties, a configuration, a clock; and what the plugin did to it. Plain
//! data; the functions that the plugin calls are in `imports`.

use std::collections::BTreeMap;

use super::nginx::Nginx;

/// Name and value of each line, in order.
pub type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

/// One request as the gateway has it.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Header lines, pseudo-headers included.
    pub headers: Pairs,
    /// Properties by path, segments joined by `/`.
    pub properties: BTreeMap<String, Vec<u8>>,
    /// Nanoseconds since the epoch; `None` is a clock that fails.
    pub now_ns: Option<u64>,
}

impl Request {
    /// With one more header line.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Request {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// With a property.
    #[must_use]
    pub fn with_property(mut self, path: &str, value: impl Into<Vec<u8>>) -> Request {
        self.properties.insert(path.to_string(), value.into());
        self
    }
}

/// What a call of the gateway does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Says this status and gives nothing.
    Status(u32),
    /// Says this status and gives bytes all the same.
    StatusWithBytes(u32),
    /// Says that all is well, and gives a null pointer.
    Null,
    /// Gives bytes that mean nothing.
    Garbage,
}

/// A local reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status.
    pub status: u32,
    /// Header lines.
    pub headers: Pairs,
    /// Body.
    pub body: Vec<u8>,
    /// Status of gRPC, or -1.
    pub grpc_status: i32,
}

impl Reply {
    /// All values of a header.
    pub fn values(&self, name: &str) -> Vec<String> {
        self.headers
            .iter()
            .filter(|(given, _)| given == name.as_bytes())
            .map(|(_, value)| String::from_utf8_lossy(value).into_owned())
            .collect()
    }
}

/// A change of header lines.
pub(super) enum Edit {
    /// Without the lines of a name.
    Remove(Vec<u8>),
    /// With one more line.
    Add(Vec<u8>, Vec<u8>),
    /// With another value of the line of a name.
    Replace(Vec<u8>, Vec<u8>),
}

/// A log line and its level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// 2 info, 3 warn, 4 error.
    pub level: u32,
    /// Text.
    pub text: String,
}

/// The gateway's side of one VM.
#[derive(Debug, Default)]
pub struct Gateway {
    /// It is NGINX, and behaves like it; `None` is Envoy.
    pub nginx: Option<Nginx>,
    /// The exchange that calls are about.
    pub request: Request,
    /// Response header lines.
    pub response: Pairs,
    /// Request trailers; `None` where there are none.
    pub request_trailers: Option<Pairs>,
    /// Response trailers.
    pub response_trailers: Option<Pairs>,
    /// What is held of the request's and the response's body; `None` where none is at hand.
    pub bodies: [Option<Vec<u8>>; 2],
    /// Streams that the plugin closed.
    pub closed: Vec<u32>,
    /// Configuration of the plugin.
    pub configuration: Vec<u8>,
    /// Properties of the plugin itself.
    pub plugin: BTreeMap<String, Vec<u8>>,
    /// Faults of calls, by the name of the function; `proxy_get_property/PATH` for one property.
    pub faults: BTreeMap<String, Fault>,
    /// Replies sent for the exchange.
    pub replies: Vec<Reply>,
    /// Everything logged.
    pub log: Vec<LogLine>,
    /// Names of counters, by number.
    pub counters: Vec<String>,
    /// Their values.
    pub counts: BTreeMap<String, i64>,
    /// It has Envoy's function `verify_signature`.
    pub verifies_signatures: bool,
    /// Functions that the plugin called since the exchange began, without `proxy_`; a property with its path.
    pub calls: Vec<String>,
}

impl Gateway {
    /// The fault of a function, if it has one.
    pub(super) fn fault(&self, function: &str) -> Option<Fault> {
        self.faults.get(function).copied()
    }

    /// Header lines as the plugin sees them.
    pub(super) fn shown(&mut self, map: u32) -> Option<Pairs> {
        match (&self.nginx, map) {
            (Some(nginx), 0) => Some(nginx.shown(&self.request.headers)),
            _ => self.lines(map).cloned(),
        }
    }

    /// Changes header lines; `None` where there are none to change.
    pub(super) fn edit(&mut self, map: u32, edit: Edit) -> Option<()> {
        match (&mut self.nginx, map) {
            (Some(nginx), 0) => return nginx.edit_request(&mut self.request.headers, edit),
            (Some(nginx), 2) => return nginx.edit_response(&mut self.response, edit),
            (Some(_), _) => return None,
            (None, _) => {}
        }
        let lines = self.lines(map)?;
        match edit {
            Edit::Remove(name) => lines.retain(|(own, _)| !own.eq_ignore_ascii_case(&name)),
            Edit::Add(name, value) => lines.push((name, value)),
            // As Envoy does: the first line of the name gets the value, a second one stays.
            Edit::Replace(name, value) => {
                match lines.iter_mut().find(|(own, _)| own.eq_ignore_ascii_case(&name)) {
                    Some((_, own)) => *own = value,
                    None => lines.push((name, value)),
                }
            }
        }
        Some(())
    }

    fn lines(&mut self, map: u32) -> Option<&mut Pairs> {
        match map {
            0 => Some(&mut self.request.headers),
            1 => self.request_trailers.as_mut(),
            2 => Some(&mut self.response),
            3 => self.response_trailers.as_mut(),
            _ => None,
        }
    }

    /// Value of a counter; 0 where it was never counted.
    pub fn count(&self, name: &str) -> i64 {
        self.counts.get(name).copied().unwrap_or_default()
    }
}

pub(super) fn serialize(pairs: &Pairs) -> Vec<u8> {
    let mut out = (pairs.len() as u32).to_le_bytes().to_vec();
    for (name, value) in pairs {
        out.extend((name.len() as u32).to_le_bytes());
        out.extend((value.len() as u32).to_le_bytes());
    }
    for part in pairs.iter().flat_map(|(name, value)| [name, value]) {
        out.extend(part);
        out.push(0);
    }
    out
}

pub(super) fn deserialize(bytes: &[u8]) -> Option<Pairs> {
    if bytes.is_empty() {
        return Some(Pairs::new());
    }
    let number = |at: usize| {
        let four = bytes.get(at..at + 4)?;
        Some(u32::from_le_bytes(four.try_into().ok()?) as usize)
    };
    let count = number(0)?;
    let mut at = 4 + 8 * count;
    let mut part = |len: usize| {
        let part = bytes.get(at..at + len)?.to_vec();
        at += len + 1;
        Some(part)
    };
    (0..count)
        .map(|i| Some((part(number(4 + 8 * i)?)?, part(number(8 + 8 * i)?)?)))
        .collect()
}
