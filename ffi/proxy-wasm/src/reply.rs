//! A refusal -> the answer that the client gets: status, the decision's headers, its id, and a short problem document
//! (RFC 9457). It says what the policy says aloud (`because`); rules, details and facts stay in the log, and so does
//! the reason unless the operator wants clients to know it.

use portcullis::decision::{HeaderLines, Reason};

use crate::host::LocalReply;
use crate::text::quote;

/// The header that carries the decision's id to the client.
pub const DECISION_HEADER: &str = "x-portcullis-decision";

/// Longest message of a policy that is sent, characters.
const MESSAGE_MAX: usize = 1_024;

/// What is answered.
pub struct Refusal<'r> {
    /// HTTP status.
    pub status: u16,
    /// Why.
    pub reason: Reason,
    /// `because` of the deciding rule.
    pub message: Option<&'r str>,
    /// Headers of the decision.
    pub headers: HeaderLines<'r>,
    /// Id of the decision.
    pub id: &'r str,
    /// Tell the reason's code.
    pub explain: bool,
    /// The engine's own problem document, a JSON object with a member at least.
    pub problem: Option<&'r str>,
}

impl Refusal<'_> {
    /// Hands the answer to `send`, for it borrows what is written here.
    pub fn send<T>(&self, send: impl FnOnce(&LocalReply<'_>) -> T) -> T {
        // Where the engine answers in gRPC it says so by this header; a gateway writes it itself.
        let grpc_status = self
            .headers
            .clone()
            .find(|(name, _)| *name == "grpc-status")
            .and_then(|(_, value)| value.parse().ok());
        let has_body = grpc_status.is_none() && self.status != 204 && self.status != 304;
        let body = match grpc_status {
            Some(_) => self.message.unwrap_or(self.short()).to_string(),
            None if has_body => self.problem(),
            None => String::new(),
        };
        let mut headers = Vec::with_capacity(self.headers.len() + 2);
        // Of these there is one line each, and it is about this answer: its id, and the type of the body written here.
        let is_ours = |name: &str| {
            name == DECISION_HEADER || (name == "content-type" && (has_body || grpc_status.is_some()))
        };
        let own = self.headers.clone();
        headers.extend(own.filter(|(name, _)| *name != "grpc-status" && !is_ours(name)));
        headers.push((DECISION_HEADER, self.id));
        if has_body {
            headers.push(("content-type", "application/problem+json"));
        }
        send(&LocalReply {
            status: self.status,
            headers,
            body: body.as_bytes(),
            grpc_status,
        })
    }

    fn short(&self) -> &'static str {
        if self.explain {
            self.reason.code()
        } else {
            title(self.status)
        }
    }

    fn problem(&self) -> String {
        let mut out = match self.problem.and_then(|own| own.strip_suffix('}')) {
            Some(members) => members.to_string(),
            None => {
                let title = title(self.status);
                format!(
                    "{{\"type\":\"about:blank\",\"title\":\"{title}\",\"status\":{}",
                    self.status
                )
            }
        };
        if let Some(message) = self.message {
            out.push_str(",\"detail\":");
            quote(&mut out, message.as_bytes(), MESSAGE_MAX);
        }
        if self.explain {
            out.push_str(",\"reason\":");
            quote(&mut out, self.reason.code().as_bytes(), MESSAGE_MAX);
        }
        out.push_str(",\"decision\":");
        quote(&mut out, self.id.as_bytes(), MESSAGE_MAX);
        out.push('}');
        out
    }
}

/// The status in words, of those that the engine and policies answer with most.
fn title(status: u16) -> &'static str {
    match status {
        200..=299 => "OK",
        300..=399 => "Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        410 => "Gone",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        422 => "Unprocessable Content",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        451 => "Unavailable For Legal Reasons",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ if status >= 500 => "Failed",
        _ => "Refused",
    }
}

#[cfg(test)]
mod tests {
    use portcullis::Decision;

    use super::*;

    fn sent(
        headers: &[(&str, &str)],
        explain: bool,
        problem: Option<&str>,
    ) -> (Vec<(String, String)>, String) {
        let decision = Decision {
            response_set: headers,
            ..Decision::default()
        };
        let decision = decision.to_owned();
        let refusal = Refusal {
            status: 403,
            reason: Reason::DeniedByRule,
            message: None,
            headers: decision.response_set(),
            id: "i",
            explain,
            problem,
        };
        refusal.send(|reply| {
            let lines = reply.headers.iter();
            let lines = lines.map(|(name, value)| (name.to_string(), value.to_string()));
            (lines.collect(), String::from_utf8_lossy(reply.body).into_owned())
        })
    }

    #[test]
    fn id_and_type_of_the_body_are_one_line_each() {
        let pair = |name: &str, value: &str| (name.to_string(), value.to_string());
        let set = [
            ("content-type", "text/html"),
            ("x-a", "1"),
            (DECISION_HEADER, "forged"),
        ];
        let wanted = [
            pair("x-a", "1"),
            pair(DECISION_HEADER, "i"),
            pair("content-type", "application/problem+json"),
        ];
        assert_eq!(sent(&set, false, None).0, wanted);
    }

    #[test]
    fn the_reason_is_told_only_where_the_operator_wants_it() {
        assert!(!sent(&[], false, None).1.contains("reason"));
        assert!(sent(&[], true, None).1.contains("\"reason\":\"denied_by_rule\""));
    }
    #[test]
    fn a_document_of_the_engine_keeps_its_members() {
        let own = r#"{"title":"Bad Request","status":400,"code":"not_json","pointer":""}"#;
        assert_eq!(
            sent(&[], true, Some(own)).1,
            r#"{"title":"Bad Request","status":400,"code":"not_json","pointer":"","reason":"denied_by_rule","decision":"i"}"#
        );
    }
}
