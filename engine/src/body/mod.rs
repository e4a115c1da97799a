//! Bodies: the bytes of a message in, what may go on out. Requests are judged by what is accepted, responses redacted.
//! Knows no exchange and no host.

pub(crate) mod accept;
pub mod coding;
pub(crate) mod media;
pub(crate) mod redact;

use portcullis_base::Detail;

/// A body that cannot be read, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.code())]
pub struct Unreadable(pub Detail);

/// Where the bytes go that may go on.
pub trait Sink {
    /// Takes some of them, in order.
    fn write(&mut self, bytes: &[u8]);
}

impl Sink for Vec<u8> {
    fn write(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}
