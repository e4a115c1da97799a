//! What the plugin asks of a gateway, as a trait, so that everything else runs without one. Knows no ABI.

use crate::pairs::Pairs;
use crate::verifier::VerifySignature;

/// What the ABI has between the segments of a property's path.
pub const JOINT: &str = "\0";

/// Which header lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Map {
    /// Of the request, pseudo-headers included.
    Request,
    /// Of the response.
    Response,
    /// Behind the request's body.
    RequestTrailers,
    /// Behind the response's body.
    ResponseTrailers,
}

/// Which body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// Of the request.
    Request,
    /// Of the response.
    Response,
}

/// How loud a log line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// A decision, a configuration taken.
    Info,
    /// Something is not as configured.
    Warn,
    /// A configuration was refused.
    Error,
}

/// The gateway did not do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the gateway refused with status {0}")]
pub struct Refused(pub u32);

/// An answer in the upstream's place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalReply<'r> {
    /// HTTP status.
    pub status: u16,
    /// Header lines in order.
    pub headers: Vec<(&'r str, &'r str)>,
    /// Body; of a gRPC answer, its message.
    pub body: &'r [u8],
    /// Status of a gRPC answer; `None` where the request is none.
    pub grpc_status: Option<u8>,
}

/// A gateway. Whatever it cannot say is `None`, never a guess.
pub trait Host {
    /// Header lines in order.
    fn headers(&self, map: Map) -> Option<Pairs>;
    /// A property by its path, the segments joined by [`JOINT`]; `Ok(None)` where there is none, and an error is one
    /// that may be there.
    fn look_up(&self, path: &str) -> Result<Option<Vec<u8>>, Refused>;
    /// A property by its path; absent and unreadable are the same.
    fn property(&self, path: &str) -> Option<Vec<u8>> {
        self.look_up(path).ok().flatten()
    }
    /// The plugin's configuration, at most `max` bytes and one more, so that a longer one shows.
    fn configuration(&self, max: usize) -> Option<Vec<u8>>;
    /// Wall clock, µs since the epoch.
    fn now_us(&self) -> Option<i64>;
    /// Envoy's function for signatures, where the gateway may have it.
    fn verify_signature(&self) -> Option<VerifySignature> {
        None
    }
    /// Removes all lines of a name; fine where there is none.
    fn remove(&self, map: Map, name: &str) -> Result<(), Refused>;
    /// Adds a line.
    fn add(&self, map: Map, name: &str, value: &str) -> Result<(), Refused>;
    /// Gives the one line of a name another value.
    fn replace(&self, map: Map, name: &str, value: &str) -> Result<(), Refused>;
    /// Bytes of a body that the gateway holds: those behind the first `start`, up to `end`.
    fn body(&self, body: Body, start: usize, end: usize) -> Result<Vec<u8>, Refused>;
    /// Puts bytes in the place of all that the gateway holds of a body.
    fn set_body(&self, body: Body, bytes: &[u8]) -> Result<(), Refused>;
    /// Answers the client; nothing goes upstream.
    fn reply(&self, reply: &LocalReply<'_>) -> Result<(), Refused>;
    /// Ends the exchange without an answer, or in the middle of one. Does not come back where that fails.
    fn close(&self);
    /// Writes a line into the gateway's log.
    fn log(&self, level: Level, line: &str);
    /// Makes a counter known; its number.
    fn define_counter(&self, name: &str) -> Option<u32>;
    /// Adds one to a counter.
    fn count(&self, counter: u32);
}
