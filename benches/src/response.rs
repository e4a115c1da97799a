//! A response's body -> what the client gets of it, by the engine as a host drives it: one exchange a body.

use portcullis::exchange::{End, OutOfOrder};
use portcullis::{Carries, Engine, Exchange, Next, Now, RequestView, ResponseNext, Snapshot, Worker};

/// An engine, a worker and an exchange that are used again.
pub struct Redacting {
    engine: Engine,
    worker: Worker,
    exchange: Exchange,
}

const CARRIES: Carries = Carries {
    introspection: false,
    charges: false,
    request_body: false,
    response_body: true,
};

/// Why a body did not go through.
#[derive(Debug, thiserror::Error)]
pub enum RedactingError {
    /// The exchange was driven in another order than it is made for.
    #[error(transparent)]
    Order(#[from] OutOfOrder),
    /// The body was refused or let through as it came.
    #[error("the body was not redacted to its end")]
    NotRedacted,
}

impl Redacting {
    /// Decides by a snapshot, whose policy redacts responses to `GET /d` of `api.example.com`.
    pub fn new(snapshot: Snapshot) -> Redacting {
        Redacting {
            engine: Engine::from(snapshot),
            worker: Worker::default(),
            exchange: Exchange::new(),
        }
    }

    /// One exchange: a request is decided, and its response's body handed over in chunks of so many bytes. `out` is
    /// cleared first.
    pub fn redact(&mut self, body: &[u8], chunk: usize, out: &mut Vec<u8>) -> Result<(), RedactingError> {
        out.clear();
        let view = RequestView {
            method: b"GET",
            authority: Some(b"api.example.com"),
            target: b"/d",
            socket_peer: Some([192, 0, 2, 1].into()),
            ..RequestView::default()
        };
        let (exchange, worker) = (&mut self.exchange, &mut self.worker);
        self.engine
            .begin(exchange, worker, &view, CARRIES, Now::default());
        if !matches!(exchange.next(), Next::Forward(_)) {
            return Err(RedactingError::NotRedacted);
        }
        let headers: &[(&[u8], &[u8])] = &[(b"content-type", b"application/json")];
        let head = exchange.response_head(Some(200), Some(headers))?;
        if !matches!(head, ResponseNext::Stream(_)) {
            return Err(RedactingError::NotRedacted);
        }
        let mut chunks = body.chunks(chunk).peekable();
        while let Some(chunk) = chunks.next() {
            let is_last = chunks.peek().is_none();
            let next = exchange.response_body(worker, chunk, is_last, out)?;
            if matches!(next, ResponseNext::Replace(_) | ResponseNext::Reset) {
                return Err(RedactingError::NotRedacted);
            }
        }
        exchange.finish(End::Completed, Now::default())?;
        Ok(())
    }
}
