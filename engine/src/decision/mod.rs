//! The outcome of one decision, as data; `verdict` writes it down, hosts act on it.

mod owned;

pub use owned::{HeaderLines, OwnedDecision, RedactStep, ResponseDemand, Texts};

use crate::image::ids::RuleId;
pub use portcullis_base::{CredentialKind, CredentialKinds, Detail, Reason};

/// What becomes of the request. Deny is 0: whoever forgets to ask gets a closed gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Effect {
    /// Refused.
    #[default]
    Deny,
    /// Granted.
    Allow,
    /// Answered by the gateway itself (a CORS preflight).
    Answer,
}

/// One quota charge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charge<'d> {
    /// Index into the image's quotas.
    pub quota: u32,
    /// Composite key as decision 0001 writes it.
    pub key: &'d str,
    /// Cost, at least 1.
    pub cost: u64,
    /// Limit in force, at least 1.
    pub limit: u64,
}

/// Whom a penalty counts and blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PenaltyKey<'d> {
    /// Index into the image's penalties.
    pub penalty: u32,
    /// Composite key, as that of a charge.
    pub key: &'d str,
}

/// What a request's body must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyDemand<'d> {
    /// Rules whose accepts bind, sorted.
    pub accept: &'d [RuleId],
    /// Smallest limit, bytes.
    pub max_bytes: u64,
    /// Unknown fields are stripped, not refused.
    pub strip_unknown: bool,
}

/// What happens to the response.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResponsePlan<'d> {
    /// Merged: `only` lists first, then operations by path.
    pub redact: &'d [Redact<'d>],
    /// (rule, status of its else), sorted.
    pub require: &'d [(RuleId, u16)],
}

/// One redaction that binds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redact<'d> {
    /// Only these paths stay; sorted.
    Only(&'d [String]),
    /// What is done at a path.
    Op(&'d str, Change<'d>),
}

/// What is done to a value, strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change<'d> {
    /// Gone.
    Drop,
    /// Replaced.
    Replace(&'d str),
    /// Hashed.
    Hash,
    /// Masked; `keep` characters of one end stay.
    Mask {
        /// Which end; false with 0.
        first: bool,
        /// How many; 0 masks all.
        keep: u32,
    },
    /// Truncated.
    Truncate(u32),
}

/// A header to set: name, value.
pub type Set<'d> = (&'d str, &'d str);

/// A decision: ids, and views into the snapshot, the request and the worker that made it, so nothing is copied that
/// nobody asked for. [`Decision::to_owned`] keeps it. `Default` is the closed gate: deny, `no_policy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Decision<'d> {
    /// Effect.
    pub effect: Effect,
    /// HTTP status.
    pub status: u16,
    /// Reason.
    pub reason: Reason,
    /// What exactly: the code of a [`portcullis_base::Detail`], what a host said of an invalid credential, or a quota's name.
    pub detail: Option<&'d str>,
    /// `because` of the deciding deny.
    pub message: Option<&'d str>,
    /// The service whose rules `response` comes from, an index into the image's; else 0.
    pub service: u32,
    /// Deciding rule.
    pub rule: Option<RuleId>,
    /// Rules whose obligations bind, sorted.
    pub rules: &'d [RuleId],
    /// Charges, sorted by quota (which is by name).
    pub quotas: &'d [Charge<'d>],
    /// Body demands.
    pub request_body: Option<BodyDemand<'d>>,
    /// Response plan.
    pub response: Option<ResponsePlan<'d>>,
    /// Headers to set upstream, by name.
    pub request_set: &'d [Set<'d>],
    /// Headers to remove before it goes upstream, sorted.
    pub request_drop: &'d [&'d str],
    /// Headers to set on the reply: ours first, then the policy's by name.
    pub response_set: &'d [Set<'d>],
    /// Headers to remove from the reply, sorted.
    pub response_drop: &'d [&'d str],
    /// Target to forward, on an allow (ASCII).
    pub upstream_target: Option<&'d str>,
    /// Sorted, unique.
    pub tags: &'d [&'d str],
    /// What few policies have, out of the way of all others.
    pub beside: Option<&'d Beside<'d>>,
}

impl<'d> Decision<'d> {
    /// Reported rules: (rule, true; else unknown), sorted.
    pub fn report(&self) -> &'d [(RuleId, bool)] {
        self.beside.map_or(&[], |beside| beside.report)
    }

    /// Charges of reported rules, which are tried out: they bind nothing. Sorted as `quotas`.
    pub fn tried(&self) -> &'d [Charge<'d>] {
        self.beside.map_or(&[], |beside| beside.tried)
    }

    /// Whether the request is a CORS preflight, be it answered or refused by its quotas. Told only where there are penalties.
    pub fn is_preflight(&self) -> bool {
        self.beside.is_some_and(|beside| beside.is_preflight)
    }

    /// Penalties of the service whose keys are known. They decide nothing here: who is blocked, the exchange looks up.
    pub fn penalties(&self) -> &'d [PenaltyKey<'d>] {
        self.beside.map_or(&[], |beside| beside.penalties)
    }
}

/// What a decision says beside its verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Beside<'d> {
    /// As [`Decision::report`].
    pub report: &'d [(RuleId, bool)],
    /// As [`Decision::tried`].
    pub tried: &'d [Charge<'d>],
    /// As [`Decision::penalties`].
    pub penalties: &'d [PenaltyKey<'d>],
    /// As [`Decision::is_preflight`].
    pub is_preflight: bool,
}
