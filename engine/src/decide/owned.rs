//! [`Decision`] -> [`OwnedDecision`]: a decision that outlives its request, with the explanation of a denial. For
//! whoever waits (an exchange, a log, a verdict line); deciding itself keeps nothing.

use crate::decision::{Change, Charge, Decision, Effect, Reason, Redact, RequestBody, ResponsePlan, Set};
use crate::image::config::{Redaction, RedactionOp, RuleIndex};

/// One quota charge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedCharge {
    /// Index into the image's quotas.
    pub quota: u32,
    /// Composite key as decision 0001 writes it.
    pub key: String,
    /// Cost, at least 1.
    pub cost: u64,
    /// Limit in force, at least 1.
    pub limit: u64,
}

/// What a request's body must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedRequestBody {
    /// Rules whose accepts bind, sorted.
    pub accept: Vec<RuleIndex>,
    /// Smallest limit, bytes.
    pub max_bytes: u64,
    /// Unknown fields are stripped, not refused.
    pub strip_unknown: bool,
}

/// What happens to the response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnedResponsePlan {
    /// Merged: `only` lists first, then operations by path.
    pub redact: Vec<Redaction>,
    /// (rule, status of its else), sorted.
    pub require: Vec<(RuleIndex, u16)>,
}

/// An allow that came close.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closest {
    /// The allow.
    pub rule: RuleIndex,
    /// What it lacked.
    pub lacks: Vec<Lack>,
}

/// What an allow lacked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lack {
    /// A scope.
    Scope(String),
    /// An authentication context class.
    Acr(String),
    /// A younger authentication, seconds.
    MaxAge(i64),
    /// A part of its condition, as text.
    Condition(String),
}

/// A decision by itself. Members are those of [`Decision`], and `closest`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnedDecision {
    /// Effect.
    pub effect: Effect,
    /// HTTP status.
    pub status: u16,
    /// Reason.
    pub reason: Reason,
    /// Detail code.
    pub detail: Option<String>,
    /// `because` of the deciding deny.
    pub message: Option<String>,
    /// Deciding rule.
    pub rule: Option<RuleIndex>,
    /// Rules whose obligations bind, sorted.
    pub rules: Vec<RuleIndex>,
    /// Closest allows on a denial; empty unless somebody explained it.
    pub closest: Vec<Closest>,
    /// Charges, sorted by quota (which is by name).
    pub quotas: Vec<OwnedCharge>,
    /// Body demands.
    pub request_body: Option<OwnedRequestBody>,
    /// Response plan.
    pub response: Option<OwnedResponsePlan>,
    /// Headers to set upstream, by name.
    pub request_set: Vec<(String, String)>,
    /// Headers to remove before it goes upstream, sorted.
    pub request_drop: Vec<String>,
    /// Headers to set on the reply: ours first, then the policy's by name.
    pub response_set: Vec<(String, String)>,
    /// Headers to remove from the reply, sorted.
    pub response_drop: Vec<String>,
    /// Target to forward, on an allow (ASCII).
    pub upstream_target: Option<String>,
    /// Sorted, unique.
    pub tags: Vec<String>,
    /// Reported rules: (rule, true; else unknown), sorted.
    pub report: Vec<(RuleIndex, bool)>,
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_string()).collect()
}

fn sets(sets: &[Set<'_>]) -> Vec<(String, String)> {
    sets.iter()
        .map(|(name, value)| ((*name).to_string(), (*value).to_string()))
        .collect()
}

impl Decision<'_> {
    /// Copies everything out of worker, request and snapshot. `closest` is not part of a decision and stays empty.
    pub fn to_owned(&self) -> OwnedDecision {
        let charge = |charge: &Charge<'_>| OwnedCharge {
            quota: charge.quota,
            key: charge.key.to_string(),
            cost: charge.cost,
            limit: charge.limit,
        };
        let body = |body: RequestBody<'_>| OwnedRequestBody {
            accept: body.accept.to_vec(),
            max_bytes: body.max_bytes,
            strip_unknown: body.strip_unknown,
        };
        let plan = |plan: ResponsePlan<'_>| OwnedResponsePlan {
            redact: plan.redact.iter().map(redaction).collect(),
            require: plan.require.to_vec(),
        };
        OwnedDecision {
            effect: self.effect,
            status: self.status,
            reason: self.reason,
            detail: self.detail.map(str::to_string),
            message: self.message.map(str::to_string),
            rule: self.rule,
            rules: self.rules.to_vec(),
            closest: Vec::new(),
            quotas: self.quotas.iter().map(charge).collect(),
            request_body: self.request_body.map(body),
            response: self.response.map(plan),
            request_set: sets(self.request_set),
            request_drop: texts(self.request_drop),
            response_set: sets(self.response_set),
            response_drop: texts(self.response_drop),
            upstream_target: self.upstream_target.map(str::to_string),
            tags: texts(self.tags),
            report: self.report.to_vec(),
        }
    }
}

fn redaction(redact: &Redact<'_>) -> Redaction {
    match redact {
        Redact::Only(paths) => Redaction::Only(paths.to_vec()),
        Redact::Op(path, change) => Redaction::Op(
            (*path).to_string(),
            match *change {
                Change::Drop => RedactionOp::Drop,
                Change::Replace(with) => RedactionOp::Replace(with.to_string()),
                Change::Hash => RedactionOp::Hash,
                Change::Mask { first, keep } => RedactionOp::Mask { first, keep },
                Change::Truncate(n) => RedactionOp::Truncate(n),
            },
        ),
    }
}
