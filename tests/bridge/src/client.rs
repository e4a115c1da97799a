//! An exchange that was decided, and the upstream's response of its vector -> what the client gets, as a host that carries
//! everything sends it. Decides nothing.

use portcullis::exchange::{ChargeOutcome, OutOfOrder, Reply, ResponseEdits};
use portcullis::{Exchange, Next, ResponseNext, Worker};
use portcullis_vectors::{Received, Upstream};

use crate::OwnedRequest;

/// What the upstream answers.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    status: u16,
    headers: Vec<(String, Vec<u8>)>,
    parts: Vec<Vec<u8>>,
}

impl Answer {
    pub(crate) fn from_upstream(upstream: &Upstream) -> Result<Answer, String> {
        upstream.check()?;
        let headers = upstream.headers.iter();
        Ok(Answer {
            status: upstream.status,
            headers: headers
                .map(|(name, value)| (name.clone(), value.0.clone()))
                .collect(),
            parts: upstream.body_parts()?,
        })
    }
}

/// Charges are admitted, as of a store that has room.
pub(crate) fn admit(exchange: &mut Exchange) {
    if let Next::Charge(charges) = exchange.next() {
        let admitted = ChargeOutcome {
            admitted: true,
            remaining: 0,
            reset_us: 0,
        };
        let quotas = charges.iter().len();
        // The step is due, as the exchange says.
        let _ = exchange.charged(std::iter::repeat_n(admitted, quotas));
    }
}

impl OwnedRequest {
    /// Whether the vector says what the upstream answers.
    pub fn has_upstream(&self) -> bool {
        self.answer.is_some()
    }

    /// The verdict line of an exchange to which the body was handed over; where the vector has an upstream, with the member
    /// `client` behind all others. An error is a fault of the vector.
    pub fn line(&self, exchange: &mut Exchange, worker: &mut Worker, id: &str) -> Result<String, String> {
        let mut line = exchange.to_json(id);
        if let Some(received) = self.client(exchange, worker)? {
            if line.pop() != Some('}') {
                return Err("the verdict is no object".to_string());
            }
            line.push_str(&format!(",\"client\":{}}}", received.to_json()));
        }
        Ok(line)
    }

    /// What the client gets, `None` where the vector does not say what the upstream answers. Quotas admit the request. An
    /// error is a fault of the vector: an `accept` binds, and there is no body.
    pub fn client(&self, exchange: &mut Exchange, worker: &mut Worker) -> Result<Option<Received>, String> {
        let Some(answer) = &self.answer else {
            return Ok(None);
        };
        let parts = answer.parts.iter().map(Vec::as_slice).collect();
        self.client_of_parts(answer, parts, exchange, worker).map(Some)
    }

    /// The same with the body cut into parts of so many bytes.
    pub fn client_in_parts(
        &self,
        size: usize,
        exchange: &mut Exchange,
        worker: &mut Worker,
    ) -> Result<Option<Received>, String> {
        let Some(answer) = &self.answer else {
            return Ok(None);
        };
        let whole = answer.parts.concat();
        let parts = whole.chunks(size.max(1)).collect();
        self.client_of_parts(answer, parts, exchange, worker).map(Some)
    }

    fn client_of_parts(
        &self,
        answer: &Answer,
        parts: Vec<&[u8]>,
        exchange: &mut Exchange,
        worker: &mut Worker,
    ) -> Result<Received, String> {
        admit(exchange);
        match exchange.next() {
            Next::Forward(_) => {}
            Next::Reply(reply) => {
                let reply = replied(&reply);
                return Ok(with_cause(reply, exchange));
            }
            Next::ReadBody { .. } => {
                return Err("the request has no `body`, and an `accept` binds: give it one".to_string());
            }
            Next::Charge(_) | Next::Introspect(_) => return Err(OutOfOrder.to_string()),
        }
        let received = responded(answer, parts, exchange, worker).map_err(|error| error.to_string())?;
        Ok(with_cause(received, exchange))
    }
}

/// The response, as far as it goes.
fn responded(
    answer: &Answer,
    parts: Vec<&[u8]>,
    exchange: &mut Exchange,
    worker: &mut Worker,
) -> Result<Received, OutOfOrder> {
    let lines: Vec<(&[u8], &[u8])> = answer
        .headers
        .iter()
        .map(|(name, value)| (name.as_bytes(), value.as_slice()))
        .collect();
    let has_plan = exchange.decision().response().is_some();
    let mut received = match exchange.response_head(Some(answer.status), Some(&lines))? {
        ResponseNext::Replace(reply) => return Ok(replied(&reply)),
        ResponseNext::Pass(edits) => {
            let mut received = edited(answer, &edits);
            // Under a plan that is one without a body.
            let body = if has_plan { Vec::new() } else { parts.concat() };
            received.body = Some(body);
            return Ok(received);
        }
        ResponseNext::Stream(edits) => edited(answer, &edits),
        ResponseNext::Reset => Received {
            reset: true,
            ..Received::default()
        },
    };
    let mut sent = Vec::new();
    let mut rest = parts.as_slice();
    while !received.reset {
        let (part, is_end) = match rest {
            [] => (&[][..], true),
            [last] => (*last, true),
            [part, ..] => (*part, false),
        };
        rest = rest.get(1..).unwrap_or_default();
        let mut out = Vec::new();
        match exchange.response_body(worker, part, is_end, &mut out)? {
            ResponseNext::Stream(_) => sent.extend_from_slice(&out),
            ResponseNext::Pass(_) => {
                sent.extend_from_slice(&out);
                break;
            }
            ResponseNext::Replace(reply) => return Ok(replied(&reply)),
            ResponseNext::Reset => received.reset = true,
        }
    }
    received.body = Some(sent);
    Ok(received)
}

/// The head of the response with its edits.
fn edited(answer: &Answer, edits: &ResponseEdits<'_>) -> Received {
    let mut headers = answer.headers.clone();
    for name in edits.remove() {
        headers.retain(|(own, _)| !own.eq_ignore_ascii_case(name));
    }
    headers.extend(
        edits
            .add()
            .map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())),
    );
    Received {
        status: answer.status,
        headers,
        ..Received::default()
    }
}

/// A reply without its body, which every host words for itself.
fn replied(reply: &Reply<'_>) -> Received {
    let headers = reply.headers.clone();
    Received {
        status: reply.status,
        headers: headers
            .map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()))
            .collect(),
        ..Received::default()
    }
}

/// With the reason and detail of the verdict as it stands then.
fn with_cause(received: Received, exchange: &Exchange) -> Received {
    let decision = exchange.decision();
    Received {
        reason: decision.reason().code().to_string(),
        detail: decision.detail().map(str::to_string),
        ..received
    }
}
