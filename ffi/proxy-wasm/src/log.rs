//! A ruling -> one log line of JSON. Printable ASCII only. No header's value but the request's id, no query, no claim
//! and no body is ever in it: the path up to the query, and what the policy's author wrote.

use crate::counters::effect_name;
use crate::ruling::Ruling;
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
    /// What was ruled.
    pub ruling: &'l Ruling,
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
        let path = self.target.split(|byte| matches!(byte, b'?' | b'#')).next();
        out.push_str("{\"portcullis\":");
        quote(&mut out, effect_name(self.ruling.effect).as_bytes(), TEXT_MAX);
        member(&mut out, "id", Some(self.id.as_bytes()));
        bounded(&mut out, "request_id", self.request_id, REQUEST_ID_MAX);
        out.push_str(&format!(",\"status\":{}", self.ruling.status));
        member(&mut out, "reason", Some(self.ruling.reason.code().as_bytes()));
        member(
            &mut out,
            "detail",
            self.ruling.detail.as_deref().map(str::as_bytes),
        );
        member(&mut out, "rule", self.ruling.rule.as_deref().map(str::as_bytes));
        member(&mut out, "method", Some(self.method));
        member(&mut out, "path", path);
        list(&mut out, "tags", self.ruling.tags.iter().map(|tag| (tag, None)));
        let reports = self.ruling.report.iter();
        list(
            &mut out,
            "report",
            reports.map(|(rule, certain)| (rule, Some(if *certain { "true" } else { "unknown" }))),
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
fn list<'l>(out: &mut String, name: &str, items: impl Iterator<Item = (&'l String, Option<&'l str>)>) {
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
