//! (image, log line) -> judgement. An image has no conditions to bend: certain is only what no rule's condition
//! can change, that a request is malformed or has no service, route or method.

use std::collections::BTreeSet;

use portcullis::decision::{Effect, Reason};
use portcullis::{Now, RequestView};

use super::judge::{Judgement, Outcome, decider};
use super::line::Entry;
use crate::error::CliError;
use crate::subject::Subject;

/// Judges a line by routes alone.
pub(super) fn judge(subject: &mut Subject, entry: &Entry, host: Option<&str>) -> Result<Judgement, CliError> {
    let Some(host) = entry.host.as_deref().or(host) else {
        return Err(CliError::Usage(
            "the log does not say to which host its requests went: name it with `--host`".to_string(),
        ));
    };
    // Headers that were not logged and can change what matches: upgrades, gRPC, preflights.
    let alternatives: [&[(&[u8], &[u8])]; 4] = [
        &[],
        &[(b"connection", b"upgrade"), (b"upgrade", b"websocket")],
        &[(b"content-type", b"application/grpc")],
        &[
            (b"origin", b"https://origin.invalid"),
            (b"access-control-request-method", b"GET"),
        ],
    ];
    let mut first = None;
    for headers in alternatives {
        let request = RequestView {
            method: &entry.method,
            authority: Some(host.as_bytes()),
            target: &entry.target,
            headers,
            socket_peer: entry.client_ip,
            ..RequestView::default()
        };
        let exchange = subject.decide(
            &request,
            Now {
                wall_us: entry.time_us,
                mono_us: 0,
            },
        );
        let by_route = matches!(
            exchange.decision().reason(),
            Reason::Malformed | Reason::NoService | Reason::NoRoute | Reason::MethodNotAllowed
        );
        if exchange.decision().effect() != Effect::Deny || !by_route {
            let because = BTreeSet::from(["conditions (an image was given, not its policy)".to_string()]);
            let outcome = Outcome::CannotTell {
                rule: "some rule".to_string(),
                because,
            };
            return Ok(Judgement {
                outcome,
                route: "some rule".to_string(),
            });
        }
        first.get_or_insert_with(|| decider(&exchange));
    }
    let by = first.unwrap_or_default();
    Ok(Judgement {
        outcome: Outcome::Denied { by: by.clone() },
        route: by,
    })
}
