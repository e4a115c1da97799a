//! An exchange -> one log line of JSON. Printable ASCII only. No header's value but the request's id, no query, no claim
//! and no body is ever in it: the path up to the query, and what the policy's author wrote.

use portcullis::Exchange;
use portcullis::image::ids::RuleId;

use crate::counters::effect_name;
use crate::text::quote;

/// Longest text of a line that comes from outside, characters; enough to recognise a request by.
pub const TEXT_MAX: usize = 256;

/// Longest request id, characters: a UUID has 36.
const REQUEST_ID_MAX: usize = 64;

/// The line of a decision.
pub struct Line<'l> {
    /// Id of the decision.
    pub id: &'l str,
    /// `x-request-id`, whoever wrote it.
    pub request_id: Option<&'l [u8]>,
    /// What was decided.
    pub exchange: &'l Exchange,
    /// Method as sent.
    pub method: &'l [u8],
    /// Target as sent; the query is cut off here.
    pub target: &'l [u8],
    /// Digest of the policy.
    pub policy: &'l str,
    /// Nothing was carried out.
    pub shadow: bool,
}

impl Line<'_> {
    /// The line, without a newline.
    pub fn text(&self) -> String {
        let mut out = String::with_capacity(384);
        let decision = self.exchange.decision();
        let id_of = |rule: RuleId| self.exchange.rule_id(rule);
        let path = self.target.split(|byte| matches!(byte, b'?' | b'#')).next();
        out.push_str("{\"portcullis\":");
        quote(&mut out, effect_name(decision.effect()).as_bytes(), TEXT_MAX);
        member(&mut out, "id", Some(self.id.as_bytes()));
        bounded(&mut out, "request_id", self.request_id, REQUEST_ID_MAX);
        out.push_str(&format!(",\"status\":{}", decision.status()));
        member(&mut out, "reason", Some(decision.reason().code().as_bytes()));
        member(&mut out, "detail", decision.detail().map(str::as_bytes));
        member(
            &mut out,
            "rule",
            decision.rule().map(|rule| id_of(rule).as_bytes()),
        );
        member(&mut out, "method", Some(self.method));
        member(&mut out, "path", path);
        list(&mut out, "tags", decision.tags().map(|tag| (tag, None)));
        let reports = decision.report().iter();
        list(
            &mut out,
            "report",
            reports.map(|(rule, certain)| (id_of(*rule), Some(if *certain { "true" } else { "unknown" }))),
        );
        member(&mut out, "policy", Some(self.policy.as_bytes()));
        out.push_str(if self.shadow {
            ",\"shadow\":true}"
        } else {
            ",\"shadow\":false}"
        });
        out
    }
}

fn member(out: &mut String, name: &str, value: Option<&[u8]>) {
    bounded(out, name, value, TEXT_MAX);
}

fn bounded(out: &mut String, name: &str, value: Option<&[u8]>, max: usize) {
    out.push_str(",\"");
    out.push_str(name);
    out.push_str("\":");
    match value {
        Some(value) => quote(out, value, max),
        None => out.push_str("null"),
    }
}

/// Texts, or rules with their value as in verdicts.
fn list<'l>(out: &mut String, name: &str, items: impl Iterator<Item = (&'l str, Option<&'l str>)>) {
    out.push_str(",\"");
    out.push_str(name);
    out.push_str("\":[");
    for (at, (text, value)) in items.enumerate() {
        if at > 0 {
            out.push(',');
        }
        match value {
            None => quote(out, text.as_bytes(), TEXT_MAX),
            Some(value) => {
                out.push_str("{\"rule\":");
                quote(out, text.as_bytes(), TEXT_MAX);
                out.push_str(",\"value\":");
                quote(out, value.as_bytes(), TEXT_MAX);
                out.push('}');
            }
        }
    }
    out.push(']');
}
