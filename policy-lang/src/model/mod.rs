//! The checked policy: every name resolved, every literal canonical, every type right.
//!
//! It can not be printed back to its author (the AST can); it is what both evaluators read. Nothing here
//! evaluates. Order is meaning-free and canonical: [`Policy::rules`] is sorted by rule id as section 6 of the
//! language orders ids, so comparing two [`RuleId`]s compares ids; all other vectors are sorted by name.

mod condition;
mod credential;
mod fact;
mod jsonpath;
mod obligation;
mod rule;
mod service;
mod suite;
mod text;

pub use condition::{Anchor, Atom, Comparison, Cond, Operand};
pub use credential::{
    Algorithm, Claim, ContextFact, CredentialKind, FieldDecl, FieldFit, HmacEncoding, Issuer, IssuerClaim,
    KeySet, PeerSet, Secret, SetForm, SignatureScheme, SignedPart, TokenSource, Trust, TrustedHeader,
};
pub use fact::{Fact, PeerFact, Type, Value};
pub use jsonpath::{JsonPathFault, JsonStep, json_path, json_steps};
pub use obligation::{
    Accept, AcceptKind, AcceptedField, AcceptedType, Amount, Bounds, CalendarUnit, HeaderAction,
    HeaderDirection, HeaderOp, HeaderValue, KeyFact, KeyPart, Limit, Many, Mask, Obligations, Period, Quota,
    Redaction, RedactionOp, RequireResponse, StoreFailure, Transport,
};
pub use rule::{
    ANY_ALLOW_METHODS, CaptureKind, Effect, Methods, Owner, Pattern, Requires, Respond, Rule, Segment, Tail,
    Target, TargetKind,
};
pub use service::{Base, Cors, Guard, HostOptions, HostPattern, Penalty, PenaltyTrigger, Service};
pub use suite::{Expectation, ExpectedEffect, Given, Proof, ProofForm, TestBlock, TestRequest};
pub use text::{GateText, Shown};

use crate::source::Span;

macro_rules! index {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u32);
        impl $name {
            /// As a vector index.
            pub fn index(self) -> usize {
                self.0 as usize
            }
        }
    )*};
}

index! {
    /// Index into [`Policy::issuers`].
    IssuerId,
    /// Index into [`Policy::beside`].
    BesideId,
    /// Index into [`Policy::keys`].
    KeySetId,
    /// Index into [`Policy::peers`].
    PeerSetId,
    /// Index into [`Policy::signatures`].
    SignatureId,
    /// Index into [`Policy::secrets`].
    SecretId,
    /// Index into [`Policy::networks`].
    NetworkId,
    /// Index into [`Policy::hours`].
    HoursId,
    /// Index into [`Policy::lists`].
    ListId,
    /// Index into [`Policy::tables`].
    TableId,
    /// Index into [`Policy::quotas`].
    QuotaId,
    /// Index into [`Policy::services`].
    ServiceId,
    /// Index into [`Policy::guards`].
    GuardId,
    /// Index into [`Policy::rules`]; smaller is the smaller rule id.
    RuleId,
}

/// A whole policy, checked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Policy {
    /// Token issuers.
    pub issuers: Vec<Issuer>,
    /// Issuers with `beside`, at most [`CredentialKind::BESIDE_MAX`]: each reads a header or cookie that no other
    /// issuer reads, and has neither scopes nor a URL that is a pattern.
    pub beside: Vec<Issuer>,
    /// Every claim that some issuer declares (registered ones included), each with its one type.
    pub claims: Vec<Claim>,
    /// API key sets.
    pub keys: Vec<KeySet>,
    /// Every API key field that some key set declares, each with its one type.
    pub key_fields: Vec<FieldDecl>,
    /// Workload identities by mutual TLS.
    pub peers: Vec<PeerSet>,
    /// Signed webhooks.
    pub signatures: Vec<SignatureScheme>,
    /// Keys in files beside the policy.
    pub secrets: Vec<Secret>,
    /// `redaction key NAME;`: the key of `hash`; without one, `hash` drops.
    pub redaction_key: Option<SecretId>,
    /// Trusted proxies and the headers they may set.
    pub trust: Trust,
    /// Facts the host may hand over.
    pub context: Vec<ContextFact>,
    /// Named networks.
    pub networks: Vec<Network>,
    /// Named opening hours.
    pub hours: Vec<Hours>,
    /// Lists beside the policy.
    pub lists: Vec<List>,
    /// Tables beside the policy.
    pub tables: Vec<Table>,
    /// Quotas, named and inline; sorted by [`Quota::name`].
    pub quotas: Vec<Quota>,
    /// Services.
    pub services: Vec<Service>,
    /// Guards over all services.
    pub guards: Vec<Guard>,
    /// All rules of services and guards, sorted by id.
    pub rules: Vec<Rule>,
    /// `test` blocks in file order.
    pub tests: Vec<TestBlock>,
    /// `prove` blocks in file order.
    pub proofs: Vec<Proof>,
    /// Methods that are declared beside the registered ones; sorted, unique.
    pub methods: Vec<String>,
    /// Lower-case names of every request header that any rule of the policy sets, sorted, unique: each is
    /// removed from what came in, on all routes (section 4).
    pub request_headers_set: Vec<String>,
}

/// `network NAME = ..;`
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    /// Name.
    pub name: String,
    /// Where it is declared.
    pub span: Span,
    /// No host bits, IPv4-mapped prefixes already refused; sorted.
    pub nets: Vec<ipnet::IpNet>,
}

/// `hours NAME = mon..fri 08:00..18:00 in "Europe/Berlin";`
#[derive(Clone, Debug, PartialEq)]
pub struct Hours {
    /// Name.
    pub name: String,
    /// Where it is declared.
    pub span: Span,
    /// IANA name, known to the bundled time zone database.
    pub zone: String,
    /// The instant is inside where any of these holds.
    pub spans: Vec<HoursSpan>,
}

/// One stretch of hours, repeated on each of its days. `end <= start` crosses midnight; such a stretch belongs
/// to the day on which it starts. `00:00..24:00` is `0..1440`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HoursSpan {
    /// Bit 0 is Monday, bit 6 Sunday: the days on which it starts.
    pub days: u8,
    /// First minute of the local day, 0..=1439.
    pub start: u16,
    /// One past the last minute of the local day, 0..=1440.
    pub end: u16,
}

/// `list NAME: TYPE from "FILE" [max age D];` one value a line, `#` comments, blank lines skipped.
#[derive(Clone, Debug, PartialEq)]
pub struct List {
    /// Name.
    pub name: String,
    /// Where it is declared.
    pub span: Span,
    /// [`Type::String`], [`Type::Int`] or [`Type::Ip`]: what is looked for in it.
    pub ty: Type,
    /// `network`: each line is a network, or an address, and holds addresses.
    pub networks: bool,
    /// File, relative to the policy's root.
    pub file: String,
    /// Older data is as if never loaded, µs.
    pub max_age_us: Option<i64>,
}

/// `table NAME from "FILE" { COLUMN: TYPE; .. }`: a JSON object of rows, each an object of columns.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// Name.
    pub name: String,
    /// Where it is declared.
    pub span: Span,
    /// File, relative to the policy's root.
    pub file: String,
    /// Columns sorted by name; string, int or bool.
    pub columns: Vec<(String, Type)>,
    /// Older data is as if never loaded, µs.
    pub max_age_us: Option<i64>,
}

impl Policy {
    /// Whether a query parameter of this decoded name presents tokens of some issuer (`from query`).
    pub fn presents_token(&self, parameter: &str) -> bool {
        self.issuers
            .iter()
            .any(|issuer| issuer.query.as_deref() == Some(parameter))
    }

    /// Whether anything depends on the client's certificate: `peers`, `bound to certificate`, `exists peer`, a fact of
    /// `peer`. What a trusted hop says of it in a header is identity then.
    pub fn reads_certificate(&self) -> bool {
        let issuers = self.issuers.iter().chain(&self.beside);
        let is_peer = |fact: &Fact| {
            let mut fact = fact;
            while let Fact::Cell { key, .. } = fact {
                fact = key;
            }
            fact.credential() == Some(CredentialKind::Peer)
        };
        let in_rule = |rule: &Rule| {
            let obligations = &rule.obligations;
            let costs = obligations
                .limits
                .iter()
                .filter_map(|limit| limit.cost.as_ref()?.fact());
            let mut written = obligations
                .headers
                .iter()
                .filter_map(|header| match &header.action {
                    HeaderAction::Set(HeaderValue::Fact(fact)) => Some(fact),
                    _ => None,
                });
            rule.credentials().contains(&CredentialKind::Peer)
                || written.any(is_peer)
                || costs.into_iter().any(is_peer)
        };
        !self.peers.is_empty()
            || issuers.into_iter().any(|issuer| issuer.bound_to_certificate)
            || self.rules.iter().any(in_rule)
            || self.quotas.iter().flat_map(Quota::facts).any(is_peer)
    }

    /// The rule of an id. Rule ids come from this policy, so the index is in range.
    #[expect(clippy::indexing_slicing, reason = "an id comes from this policy")]
    pub fn rule(&self, id: RuleId) -> &Rule {
        &self.rules[id.index()]
    }

    /// The declared type of a fact.
    pub fn type_of(&self, fact: &Fact) -> Type {
        match fact {
            Fact::Method
            | Fact::Scheme
            | Fact::Host
            | Fact::Path
            | Fact::Query(_)
            | Fact::Header(_)
            | Fact::Cookie(_)
            | Fact::ContentType
            | Fact::Protocol
            | Fact::Sni
            | Fact::HostLabel(_)
            | Fact::KeyId
            | Fact::SignatureName => Type::String,
            Fact::Port | Fact::Size => Type::Int,
            Fact::Capture { ty, .. } | Fact::Response { ty, .. } => *ty,
            Fact::ClientIp | Fact::ConnectionIp => Type::Ip,
            Fact::Scopes => Type::Set,
            Fact::Peer(PeerFact::Dns) => Type::Set,
            Fact::Peer(_) => Type::String,
            Fact::Now => Type::Instant,
            Fact::Claim(name) | Fact::BesideClaim(_, name) => {
                named(name, self.claims.iter().map(|c| (&c.name, c.ty)))
            }
            Fact::KeyField(name) => named(name, self.key_fields.iter().map(|f| (&f.name, f.ty))),
            Fact::Context(name) => named(name, self.context.iter().map(|f| (&f.name, f.ty))),
            Fact::Trusted(name) => named(name, self.trust.headers.iter().map(|h| (&h.name, h.ty))),
            Fact::Cell { table, column, .. } => self
                .tables
                .get(table.index())
                .and_then(|t| t.columns.iter().find(|c| c.0 == *column))
                .map_or(Type::String, |c| c.1),
        }
    }
}

/// The type of a name among declarations; a string where nothing declares it.
fn named<'p>(name: &String, mut declared: impl Iterator<Item = (&'p String, Type)>) -> Type {
    declared.find(|d| d.0 == name).map_or(Type::String, |d| d.1)
}
