//! The steps of an exchange that a verb carries out, and what it shows of one that was refused. Reads no files and judges no
//! bodies: what becomes of one, the engine says.

use std::io::Read as _;

use portcullis::decision::Effect;
use portcullis::exchange::{ChargeOutcome, OutOfOrder};
use portcullis::{Exchange, Next};
use serde_json::{Value, json};

use crate::error::{CliError, Exit, standard_input};
use crate::output::{BAD, Output, clean_line, paint};

/// Bytes that are read at a time.
const CHUNK_BYTES: usize = 1 << 16;

/// Where a request stands once its quotas are charged in its favour.
pub enum Stand {
    /// Its body is asked for.
    ReadsBody,
    /// It goes upstream.
    Forwards,
    /// It was answered.
    Replied,
}

/// A step was due, as the exchange said, and is not: a defect of ours.
pub fn out_of_order(error: OutOfOrder) -> CliError {
    CliError::Usage(error.to_string())
}

/// Charges what is due, and says where the request stands then.
pub fn charge(exchange: &mut Exchange) -> Result<Stand, CliError> {
    if let Next::Charge(charges) = exchange.next() {
        let admitted = ChargeOutcome {
            admitted: true,
            remaining: 0,
            reset_us: 0,
        };
        let quotas = charges.iter().len();
        exchange
            .charged(std::iter::repeat_n(admitted, quotas))
            .map_err(out_of_order)?;
    }
    Ok(match exchange.next() {
        Next::ReadBody { .. } => Stand::ReadsBody,
        Next::Forward(_) => Stand::Forwards,
        // Nothing else is carried.
        Next::Reply(_) | Next::Charge(_) | Next::Introspect(_) => Stand::Replied,
    })
}

/// Reads standard input part by part; `take` says whether it wants more. The last part is empty.
pub fn each_part(mut take: impl FnMut(&[u8]) -> Result<bool, CliError>) -> Result<(), CliError> {
    let (mut input, mut chunk) = (std::io::stdin().lock(), vec![0; CHUNK_BYTES]);
    loop {
        let read = match input.read(&mut chunk) {
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(CliError::file(&standard_input(), error)),
        };
        let part = chunk.get(..read).unwrap_or_default();
        if !take(part)? || part.is_empty() {
            return Ok(());
        }
    }
}

/// Says why an exchange was refused or answered: by status, reason, detail and, of a body, the first offending place.
pub fn refused(exchange: &Exchange, json: bool, output: &mut Output) -> Result<Exit, CliError> {
    let decision = exchange.decision();
    let problem: Option<Value> = match exchange.next() {
        Next::Reply(reply) => reply.problem.and_then(|text| serde_json::from_str(text).ok()),
        _ => None,
    };
    let (status, reason, detail) = (decision.status(), decision.reason().code(), decision.detail());
    let (effect, label) = match decision.effect() {
        Effect::Answer => ("answer", "answered"),
        Effect::Deny | Effect::Allow => ("deny", "refused"),
    };
    if json {
        output.note(json!({
            "effect": effect, "status": status, "reason": reason, "detail": detail,
            "problem": problem,
        }))?;
        return Ok(Exit::Findings);
    }
    let mut line = format!("{}: {status} {reason}", paint(BAD, label));
    if let Some(detail) = detail {
        line.push_str(&format!(": {}", clean_line(detail)));
    }
    let pointer = problem
        .as_ref()
        .and_then(|problem| problem.get("pointer")?.as_str());
    match pointer {
        None => {}
        Some("") => line.push_str(" of the whole body"),
        Some(pointer) => line.push_str(&format!(" at {}", clean_line(pointer))),
    }
    output.note(line)?;
    Ok(Exit::Findings)
}
