//! What binds -> the merged obligations of a verdict: redaction, accepted bodies, response checks, tags
//! (section 7). Strictest wins, whatever the order.

use std::collections::{BTreeMap, BTreeSet};

use portcullis_lang::model::{
    Accept, AcceptKind, HeaderAction, HeaderDirection, Limit, Many, Mask, Policy, Redaction, RedactionOp,
    Rule, RuleId,
};
use portcullis_vectors::{RequestBody, Response};
use serde_json::{Value, json};

use crate::Trace;
use crate::condition::View;
use crate::quotas::is_rate;

/// What an accept without a size takes.
const MAX_BYTES_DEFAULT: u64 = 1_048_576;

/// A granting allow, or a standing rule whose condition is not false.
#[derive(Clone)]
pub(crate) struct Binding<'c> {
    pub(crate) id: RuleId,
    pub(crate) rule: &'c Rule,
    pub(crate) view: View<'c>,
    /// The condition is true, not only unknown: set headers and tags bind too.
    pub(crate) sure: bool,
}

impl Binding<'_> {
    /// Whether any of its obligations binds.
    pub(crate) fn binds_anything(&self) -> bool {
        let all = &self.rule.obligations;
        let is_drop = |action: &HeaderAction| matches!(action, HeaderAction::Drop);
        if self.sure {
            return !all.is_empty();
        }
        !all.limits.is_empty()
            || !all.redact.is_empty()
            || !all.accept.is_empty()
            || !all.require_response.is_empty()
            || !all.require.is_empty()
            || all.sunset_us.is_some()
            || all.headers.iter().any(|op| is_drop(&op.action))
    }

    /// Whether it has a response header or a tag.
    pub(crate) fn speaks(&self) -> bool {
        let all = &self.rule.obligations;
        !all.tags.is_empty()
            || all
                .headers
                .iter()
                .any(|op| op.direction == HeaderDirection::Response)
    }
}

/// Tags, sorted.
pub(crate) fn tags(bindings: &[Binding<'_>]) -> Vec<String> {
    let sure = bindings.iter().filter(|binding| binding.sure);
    let tags: BTreeSet<String> = sure
        .flat_map(|binding| binding.rule.obligations.tags.iter().cloned())
        .collect();
    tags.into_iter().collect()
}

/// Accepts of bodies in one rule are alternatives: the one for the request's media type, given as `Some(None)` where its
/// Content-Type is none, or all of them where the request names no type (`None`). One alone is for every request: whoever
/// reads the body sees its type. `Err`: the rule has none for the type.
fn alternatives<'r>(rule: &'r Rule, content_type: Option<Option<&str>>) -> Result<Vec<&'r Accept>, ()> {
    let accepts: Vec<&Accept> = rule
        .obligations
        .accept
        .iter()
        .filter(|accept| accept.kind != AcceptKind::Query)
        .collect();
    match content_type {
        Some(named) if accepts.len() > 1 => {
            let takes = |accept: &&&Accept| named.is_some_and(|named| accept.kind.takes(named));
            let chosen: Vec<&Accept> = accepts.iter().filter(takes).copied().collect();
            if chosen.is_empty() { Err(()) } else { Ok(chosen) }
        }
        _ => Ok(accepts),
    }
}

/// `request_body`; `None` where no accept of a body binds. `Err` where a rule that binds has accepts, and none for the
/// request's media type.
pub(crate) fn request_body(
    bindings: &[Binding<'_>],
    content_type: Option<Option<&str>>,
    trace: &mut Trace,
) -> Result<Option<RequestBody>, ()> {
    let mut all: Vec<&Accept> = Vec::new();
    let mut body = RequestBody {
        accept: Vec::new(),
        max_bytes: u64::MAX,
        unknown: "refuse".to_string(),
    };
    for binding in bindings {
        let accepts = alternatives(binding.rule, content_type);
        let bodies = binding.rule.obligations.accept.iter();
        if bodies.filter(|accept| accept.kind != AcceptKind::Query).count() > 1 {
            let name = match (&accepts, content_type) {
                (Err(()), _) => "no alternative of the type",
                (Ok(_), Some(_)) => "alternative by type",
                (Ok(_), None) => "alternatives without a type",
            };
            trace.obligation(name, 1);
        }
        let accepts = accepts?;
        if !accepts.is_empty() && body.accept.last() != Some(&binding.rule.id) {
            body.accept.push(binding.rule.id.clone());
        }
        all.extend(accepts);
    }
    for accept in &all {
        body.max_bytes = body.max_bytes.min(accept.max_bytes.unwrap_or(MAX_BYTES_DEFAULT));
    }
    // A named type has no fields, so it says nothing of unknown ones.
    all.retain(|accept| !matches!(accept.kind, AcceptKind::Media(_)));
    if !all.is_empty() && all.iter().all(|accept| accept.strip_unknown) {
        body.unknown = "strip".to_string();
    }
    Ok((!body.accept.is_empty()).then_some(body))
}

/// `response`; `None` where nothing of it binds.
pub(crate) fn response(bindings: &[Binding<'_>]) -> Option<Response> {
    let redact = redactions(
        bindings
            .iter()
            .flat_map(|binding| &binding.rule.obligations.redact),
    );
    let mut require: Vec<(RuleId, &str, u16)> = Vec::new();
    for binding in bindings {
        let checks = &binding.rule.obligations.require_response;
        require.extend(
            checks
                .iter()
                .map(|check| (binding.id, binding.rule.id.as_str(), check.status)),
        );
    }
    require.sort_unstable();
    let require: Vec<Value> = require
        .iter()
        .map(|(_, id, status)| json!({"rule": id, "else": status}))
        .collect();
    let require = (!require.is_empty()).then_some(require);
    (!redact.is_empty() || require.is_some()).then_some(Response { redact, require })
}

fn redactions<'r>(all: impl Iterator<Item = &'r Redaction>) -> Vec<Value> {
    let mut only: BTreeSet<&Vec<String>> = BTreeSet::new();
    let mut ops: BTreeMap<&str, RedactionOp> = BTreeMap::new();
    for redaction in all {
        match redaction {
            Redaction::Only(paths) => {
                only.insert(paths);
            }
            Redaction::Op { path, op } => {
                let merged = match ops.get(path.as_str()) {
                    Some(earlier) => stricter(earlier, op),
                    None => op.clone(),
                };
                ops.insert(path, merged);
            }
        }
    }
    let lists = only
        .into_iter()
        .map(|paths| json!({"op": "only", "paths": paths}));
    lists
        .chain(ops.into_iter().map(|(path, op)| operation(path, &op)))
        .collect()
}

/// The stronger of two operations on one path; of equal strength, what leaves less.
fn stricter(a: &RedactionOp, b: &RedactionOp) -> RedactionOp {
    let strength = |op: &RedactionOp| match op {
        RedactionOp::Drop => 5,
        RedactionOp::Replace(_) => 4,
        RedactionOp::Hash => 3,
        RedactionOp::Mask(_) => 2,
        RedactionOp::Truncate(_) => 1,
    };
    match (a, b) {
        (RedactionOp::Replace(x), RedactionOp::Replace(y)) if x != y => RedactionOp::Drop,
        (RedactionOp::Mask(x), RedactionOp::Mask(y)) => RedactionOp::Mask(match (x, y) {
            (Mask::First(m), Mask::First(n)) => Mask::First(*m.min(n)),
            (Mask::Last(m), Mask::Last(n)) => Mask::Last(*m.min(n)),
            _ => Mask::All,
        }),
        (RedactionOp::Truncate(x), RedactionOp::Truncate(y)) => RedactionOp::Truncate(*x.min(y)),
        _ if strength(a) >= strength(b) => a.clone(),
        _ => b.clone(),
    }
}

fn operation(path: &str, op: &RedactionOp) -> Value {
    match op {
        RedactionOp::Drop => json!({"op": "drop", "path": path}),
        RedactionOp::Replace(text) => json!({"op": "replace", "path": path, "with": text}),
        RedactionOp::Hash => json!({"op": "hash", "path": path}),
        RedactionOp::Mask(Mask::All) => json!({"op": "mask", "path": path}),
        RedactionOp::Mask(Mask::First(n)) => json!({"op": "mask", "path": path, "keep_first": n}),
        RedactionOp::Mask(Mask::Last(n)) => json!({"op": "mask", "path": path, "keep_last": n}),
        RedactionOp::Truncate(n) => json!({"op": "truncate", "path": path, "to": n}),
    }
}

/// Counts what bound on an allow.
pub(crate) fn trace(policy: &Policy, bindings: &[Binding<'_>], default: Option<&Limit>, trace: &mut Trace) {
    let has_rate = bindings
        .iter()
        .flat_map(|b| &b.rule.obligations.limits)
        .any(|limit| is_rate(policy, limit));
    trace.obligation("default limit", usize::from(default.is_some() && !has_rate));
    for binding in bindings {
        let all = &binding.rule.obligations;
        trace.obligation("limit", all.limits.len());
        let quotas = all
            .limits
            .iter()
            .filter_map(|l| policy.quotas.get(l.quota.index()));
        let by_capture = quotas.filter(|q| q.facts().any(|fact| fact.capture().is_some()));
        trace.obligation("limit by capture", by_capture.count());
        trace.obligation("redact", all.redact.len());
        trace.obligation("require response", all.require_response.len());
        for accept in &all.accept {
            let kind = match accept.kind {
                AcceptKind::Body => "accept body",
                AcceptKind::Query => "accept query",
                AcceptKind::Form => "accept form",
                AcceptKind::Media(_) => "accept type",
            };
            trace.obligation(kind, 1);
            let lists = accept.fields.iter().filter(|f| f.many == Many::Given);
            trace.obligation("accept repeated names", lists.count());
            let split = accept
                .fields
                .iter()
                .filter(|f| matches!(f.many, Many::Separated(_)));
            trace.obligation("accept split texts", split.count());
        }
        for op in &all.headers {
            match op.action {
                HeaderAction::Drop => trace.obligation("drop header", 1),
                HeaderAction::Set(_) => trace.obligation("set header", usize::from(binding.sure)),
            }
        }
        trace.obligation("tag", if binding.sure { all.tags.len() } else { 0 });
    }
}

/// Counts what a denial or an answer carried.
pub(crate) fn trace_carried(sure: &[Binding<'_>], charges: usize, trace: &mut Trace) {
    trace.obligation("limit", charges);
    for binding in sure {
        let all = &binding.rule.obligations;
        trace.obligation("tag", all.tags.len());
        for op in all
            .headers
            .iter()
            .filter(|op| op.direction == HeaderDirection::Response)
        {
            let kind = if op.action == HeaderAction::Drop {
                "drop header"
            } else {
                "set header"
            };
            trace.obligation(kind, 1);
        }
    }
}
