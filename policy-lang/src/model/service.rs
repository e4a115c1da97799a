//! Services and guards.

use super::{KeyPart, Transport};
use crate::source::Span;

/// A host pattern; lower case, A-labels.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HostPattern {
    /// This host: LDH name, IPv4 in four decimals, or IPv6 in brackets as RFC 5952 writes it.
    Exact(String),
    /// `*.SUFFIX`: exactly one label before it.
    OneLabel(String),
    /// `**.SUFFIX`: one or more labels before it.
    Labels(String),
    /// No `on`.
    Any,
}

/// Literal, decoded segments of `under /v1/x`; empty for the root.
pub type Base = Vec<String>;

/// Normalisation options; services of one host pattern agree (the checker saw to it).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostOptions {
    /// `merge slashes;`
    pub merge_slashes: bool,
    /// `encoded slash as data;`
    pub encoded_slash_as_data: bool,
    /// `encoded backslash as data;`
    pub encoded_backslash_as_data: bool,
    /// `path parameters kept;`
    pub path_parameters_kept: bool,
    /// `method override kept;`
    pub method_override_kept: bool,
}

/// `service NAME [on HOST, ..] [under BASE] { .. }`
#[derive(Clone, Debug, PartialEq)]
pub struct Service {
    /// Name.
    pub name: String,
    /// Where it is declared.
    pub span: Span,
    /// At least one, sorted.
    pub hosts: Vec<HostPattern>,
    /// What all of its hosts capture of their first label: `tenant` of `"{tenant}.example.com"`. To the choice of a
    /// service such a host is [`HostPattern::OneLabel`].
    pub host_label: Option<String>,
    /// Base path.
    pub base: Base,
    /// Options of its hosts.
    pub options: HostOptions,
    /// `invalid credentials anonymous;`
    pub invalid_credentials_anonymous: bool,
    /// `trailing slash ignored;`
    pub trailing_slash_ignored: bool,
    /// `require tls;` and `require sni == host;` of the whole service; sorted, unique.
    pub require: Vec<Transport>,
    /// `sunset INSTANT;` of the whole service, µs.
    pub sunset_us: Option<i64>,
    /// `default limit Q;`
    pub default_limit: Option<super::Limit>,
    /// `cors { .. }`
    pub cors: Option<Cors>,
    /// `resource metadata "..";`, an https URL: a parameter of its Bearer challenges (RFC 9728, section 5.1).
    pub resource_metadata: Option<String>,
    /// `openapi FILE;`, relative to the root.
    pub openapi: Option<String>,
    /// `block by ..`
    pub penalties: Vec<Penalty>,
    /// Mark.
    pub public: bool,
    /// Mark.
    pub deprecated: bool,
}

/// `guard NAME { .. }`
#[derive(Clone, Debug, PartialEq)]
pub struct Guard {
    /// Name.
    pub name: String,
    /// Where it is declared.
    pub span: Span,
    /// `require ..` over everything; sorted, unique.
    pub require: Vec<Transport>,
    /// `block by ..`
    pub penalties: Vec<Penalty>,
}

/// `cors { origins ..; methods ..; headers ..; credentials; max age 10m; }` (Fetch standard, CORS protocol)
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cors {
    /// Serialised origins, sorted; the first label of a host may be `*`, which is any one label of lower-case LDH and
    /// `_`. Empty with `any_origin`.
    pub origins: Vec<String>,
    /// `origins "*"`; never together with `credentials`.
    pub any_origin: bool,
    /// Methods, sorted.
    pub methods: Vec<String>,
    /// Request header names, lower case, sorted.
    pub headers: Vec<String>,
    /// `credentials;`
    pub credentials: bool,
    /// `max age`, whole seconds.
    pub max_age_s: Option<u64>,
}

/// `block by KEYS for D when ..;`
#[derive(Clone, Debug, PartialEq)]
pub struct Penalty {
    /// Where.
    pub span: Span,
    /// Key.
    pub by: Vec<KeyPart>,
    /// How long, µs.
    pub for_us: i64,
    /// What triggers it.
    pub trigger: PenaltyTrigger,
    /// More than this many ..
    pub more_than: u64,
    /// .. per this long, µs.
    pub per_us: i64,
}

/// What a penalty counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PenaltyTrigger {
    /// `when denied`
    Denied,
    /// `when answered STATUS`
    Answered(u16),
}
