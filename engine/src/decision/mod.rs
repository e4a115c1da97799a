//! The outcome of one decision, as data; `verdict` writes it down, hosts act on it.

use crate::image::config::RuleIndex;

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

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $status:literal;)*) => {
        /// Why; a closed set, each with its default status.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
        pub enum Reason { $($(#[$doc])* $name),* }
        impl Reason {
            /// All reasons.
            pub const ALL: &'static [Reason] = &[$(Reason::$name),*];
            /// The code of the format.
            pub fn code(self) -> &'static str {
                match self { $(Reason::$name => $text),* }
            }
            /// The status it has unless the policy says otherwise.
            pub fn status(self) -> u16 {
                match self { $(Reason::$name => $status),* }
            }
        }
    };
}

reasons! {
    /// Granted.
    Allowed = "allowed", 200;
    /// A preflight answered.
    Preflight = "preflight", 204;
    /// A deny applied.
    DeniedByRule = "denied_by_rule", 403;
    /// No allow applied.
    NoRule = "no_rule", 403;
    /// No service for this host and path.
    NoService = "no_service", 404;
    /// No allow's pattern matches.
    NoRoute = "no_route", 404;
    /// No allow has the method.
    MethodNotAllowed = "method_not_allowed", 405;
    /// Past its sunset.
    Gone = "gone", 410;
    /// A credential is needed.
    Unauthenticated = "unauthenticated", 401;
    /// A credential failed.
    InvalidToken = "invalid_token", 401;
    /// Only scopes lacked.
    InsufficientScope = "insufficient_scope", 403;
    /// Only acr or age lacked.
    InsufficientUserAuthentication = "insufficient_user_authentication", 401;
    /// Too many.
    QuotaExceeded = "quota_exceeded", 429;
    /// A quota's key, cost or limit is unknown.
    QuotaKeyUnknown = "quota_key_unknown", 403;
    /// Under a penalty.
    Blocked = "blocked", 403;
    /// The query is not what the policy accepts.
    QueryRefused = "query_refused", 422;
    /// The body is not what the policy accepts.
    BodyRefused = "body_refused", 422;
    /// The body's media type is not accepted.
    UnsupportedMediaType = "unsupported_media_type", 415;
    /// The body is too large.
    TooLarge = "too_large", 413;
    /// The response failed its check.
    ResponseRefused = "response_refused", 502;
    /// The response could not be read.
    ResponseUnreadable = "response_unreadable", 502;
    /// TLS or SNI not as demanded.
    TransportRefused = "transport_refused", 403;
    /// Not one canonical request.
    Malformed = "malformed", 400;
    /// A quota's store failed.
    StoreUnavailable = "store_unavailable", 503;
    /// No policy is loaded.
    #[default]
    NoPolicy = "no_policy", 503;
    /// A defect of ours.
    Internal = "internal", 500;
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

/// What a request's body must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestBody<'d> {
    /// Rules whose accepts bind, sorted.
    pub accept: &'d [RuleIndex],
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
    pub require: &'d [(RuleIndex, u16)],
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
    /// Detail code.
    pub detail: Option<&'d str>,
    /// `because` of the deciding deny.
    pub message: Option<&'d str>,
    /// Deciding rule.
    pub rule: Option<RuleIndex>,
    /// Rules whose obligations bind, sorted.
    pub rules: &'d [RuleIndex],
    /// Charges, sorted by quota (which is by name).
    pub quotas: &'d [Charge<'d>],
    /// Body demands.
    pub request_body: Option<RequestBody<'d>>,
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
    /// Reported rules: (rule, true; else unknown), sorted.
    pub report: &'d [(RuleIndex, bool)],
}
