//! Rules: a head that decides and a body that obliges.

use super::{Cond, CredentialKind, GuardId, Obligations, ServiceId, Type};
use crate::source::Span;

/// The methods that `any` means in an allow (section 5), sorted.
pub const ANY_ALLOW_METHODS: [&str; 7] = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];

/// What a rule does (XACML: its effect).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effect {
    /// Grants where its condition is true.
    Allow,
    /// Refuses where its condition is true or unknown.
    Deny,
    /// Obliges where its condition is true or unknown (headers and tags: true).
    On,
}

/// Where a rule stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Owner {
    /// In a service: its targets are already base + path.
    Service(ServiceId),
    /// In a guard: its targets are from the root, it takes part in every service.
    Guard(GuardId),
}

/// One rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// `service/x`, `file:line` or `file:line:column` (section 6).
    pub id: String,
    /// The head, for messages.
    pub span: Span,
    /// Service or guard.
    pub owner: Owner,
    /// Allow, deny or on.
    pub effect: Effect,
    /// `report`: evaluated and reported, not enforced. Never on an allow.
    pub report: bool,
    /// At least one.
    pub targets: Vec<Target>,
    /// principals and `when` and not `unless`.
    pub condition: Cond,
    /// Kinds of credential that principals, `when` and `unless` name, whoever they name beside them: `anyone` makes a
    /// condition that does not show them. Sorted, unique.
    pub reads: Vec<CredentialKind>,
    /// `with ..`; empty for deny and on.
    pub requires: Requires,
    /// `respond ..` of a deny.
    pub respond: Option<Respond>,
    /// `because ".."` of a deny: the verdict's message.
    pub because: Option<String>,
    /// What binds with it; empty for deny.
    pub obligations: Obligations,
    /// Mark without effect on decisions.
    pub public: bool,
    /// Mark without effect on decisions.
    pub deprecated: bool,
}

impl Rule {
    /// The kinds of credential that the rule's principals, condition or `with` read; sorted, unique.
    pub fn credentials(&self) -> Vec<CredentialKind> {
        let mut kinds = self.reads.clone();
        self.condition
            .for_each_atom(&mut |atom| kinds.extend(atom.credentials()));
        if !self.requires.is_empty() {
            kinds.push(CredentialKind::Token);
        }
        kinds.sort();
        kinds.dedup();
        kinds
    }
}

/// `with scope S {, S} | scope like S | acr S | max age DURATION`: never unknown; false without a valid token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requires {
    /// All of these scopes; sorted, unique.
    pub scopes: Vec<String>,
    /// For each of these globs some scope that matches it; sorted, unique.
    pub scope_globs: Vec<String>,
    /// `token.acr` is exactly this.
    pub acr: Option<String>,
    /// `token.auth_time` is there and `now - auth_time <= max_age_us`.
    pub max_age_us: Option<i64>,
}

impl Requires {
    /// Whether nothing is required.
    pub fn is_empty(&self) -> bool {
        self.scopes.is_empty()
            && self.scope_globs.is_empty()
            && self.acr.is_none()
            && self.max_age_us.is_none()
    }
}

/// `respond STATUS [retry after D] | respond 301|302|303|307|308 to ".."`
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Respond {
    /// 400..=599; with a location 301, 302, 303, 307 or 308.
    pub status: u16,
    /// Where a redirect leads.
    pub location: Option<String>,
    /// Retry-After in whole seconds, rounded up.
    pub retry_after_s: Option<u64>,
}

/// Methods, pattern and kind of exchange that a rule is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Methods as written.
    pub methods: Methods,
    /// Base + path.
    pub pattern: Pattern,
    /// Kind.
    pub kind: TargetKind,
    /// For messages.
    pub span: Span,
}

/// Methods as written; what `any` covers and that GET covers HEAD depends on the effect (section 5).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Methods {
    /// `any`
    Any,
    /// Exact tokens; sorted, unique.
    Only(Vec<String>),
}

/// What kind of exchange a target names. Only an allow must name it; denies and `on` cover by path and method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TargetKind {
    /// A plain request.
    Http,
    /// `websocket PATH`: methods are `Only(["GET"])`; the request asks to upgrade to `websocket`.
    WebSocket,
    /// `grpc S/M`: methods are `Only(["POST"])`, pattern from the root; an allow needs `application/grpc*`.
    Grpc,
    /// `OPTIONS *` and `CONNECT *`: asterisk or authority form; the pattern is empty and unused.
    NoPath,
}

/// A path pattern from the root, all segments fully decoded.
///
/// `/` is no segments and [`Tail::Slash`]; `/a` is one and [`Tail::None`]; `/a/` one and `Slash`;
/// `/a/**` one and [`Tail::Rest`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pattern {
    /// Whole segments before the tail.
    pub segments: Vec<Segment>,
    /// How it ends.
    pub tail: Tail,
}

/// How a pattern ends.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tail {
    /// Exactly the segments. In denies and `on` a trailing slash is covered too.
    None,
    /// The segments and a trailing slash.
    Slash,
    /// `/**` or `/{rest:**}`: the segments, with or without a slash, and everything below.
    /// The capture holds the rest without its leading slash, `""` for none.
    Rest(Option<String>),
}

/// One segment of a pattern. Never matches an empty segment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Segment {
    /// Exactly these bytes.
    Literal(String),
    /// `*`
    Any,
    /// `prefix{name:kind}suffix`; what is captured is not empty.
    Capture {
        /// Name.
        name: String,
        /// Literal text before, maybe empty.
        prefix: String,
        /// Literal text after, maybe empty.
        suffix: String,
        /// What may be captured.
        kind: CaptureKind,
    },
}

/// What a capture accepts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CaptureKind {
    /// Any non-empty text.
    Text,
    /// `-?(0|[1-9][0-9]*)` within i64; `-0` is not canonical.
    Int,
    /// 8-4-4-4-12 hexadecimal digits of either case; the captured value is in lower case.
    Uuid,
    /// An anchored regex over the captured bytes, as in [`super::Atom::Matches`].
    Regex(String),
}

impl CaptureKind {
    /// The type of the captured fact.
    pub fn ty(&self) -> Type {
        match self {
            CaptureKind::Int => Type::Int,
            _ => Type::String,
        }
    }
}

impl Pattern {
    /// Names of its captures, in order.
    pub fn captures(&self) -> Vec<(&str, Type)> {
        let mut out: Vec<(&str, Type)> = self
            .segments
            .iter()
            .filter_map(|s| match s {
                Segment::Capture { name, kind, .. } => Some((name.as_str(), kind.ty())),
                _ => None,
            })
            .collect();
        if let Tail::Rest(Some(name)) = &self.tail {
            out.push((name, Type::String));
        }
        out
    }
}
