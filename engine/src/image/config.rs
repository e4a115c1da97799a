//! What an image holds beside its graphs: declarations that facts, credentials and obligations need. Decoded once
//! at load from the image's config section, then read-only. Plain data: no policy syntax, no spans.

mod quotas;

pub use quotas::{Charging, Penalty, StoreFailure};

use super::ids::Slot;
use portcullis_base::{Algorithm, CredentialKind};
use std::net::IpAddr;

pub use super::accepts::{AcceptBody, AcceptKind, AcceptQuery, QueryField, QueryType, ShapePart, ShapeType};
pub use super::rules::{Answer, Profile, Rule, RuleDecl, Rules};

/// Everything that is not a graph.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// Features that an engine must have to enforce the policy, sorted: without one of them it refuses the image.
    pub requires: Vec<String>,
    /// Facts the policy reads.
    pub sources: Vec<Source>,
    /// Issuers, as the model orders them.
    pub issuers: Vec<Issuer>,
    /// Issuers whose tokens come beside others, each a kind of its own: the first is of [`CredentialKind::Beside1`].
    pub beside: Vec<Issuer>,
    /// Claim names with their types; [`Source::Claim`] indexes it.
    pub claims: Vec<(String, Type)>,
    /// Key sets.
    pub keys: Vec<KeySet>,
    /// Key fields with their types; [`Source::KeyField`] indexes it.
    pub key_fields: Vec<(String, Type)>,
    /// Trust domains (lower case) of each `peers`.
    pub peers: Vec<Vec<String>>,
    /// Signature schemes.
    pub signatures: Vec<Signature>,
    /// Trusted proxies as inclusive ranges of addresses (IPv4 as IPv4-mapped numbers), sorted, disjoint.
    pub proxies: Vec<(u128, u128)>,
    /// `hops N`
    pub hops: Option<u32>,
    /// Trusted headers: lower-case header, type, and how a set is written; [`Source::Trusted`] indexes it.
    pub trusted: Vec<(String, Type, ValueForm)>,
    /// Context facts; [`Source::Context`] indexes it.
    pub context: Vec<ContextFact>,
    /// Lower-case header names that the policy names anywhere, sorted (decision 0001, step 5).
    pub named_headers: Vec<String>,
    /// Lower-case header names that carry identity, sorted (decision 0001, step 6). [`FORWARDED_CERTIFICATE`] is among them
    /// where the policy reads the client's certificate, and only then it is read.
    pub identity_headers: Vec<String>,
    /// Request headers that the policy sets anywhere, sorted.
    pub request_headers_set: Vec<String>,
    /// Lists: file, type, max age.
    pub lists: Vec<ListDecl>,
    /// Tables.
    pub tables: Vec<TableDecl>,
    /// Opening hours.
    pub hours: Vec<Hours>,
    /// Quotas, sorted by name.
    pub quotas: Vec<Quota>,
    /// Penalties, those of services first.
    pub penalties: Vec<Penalty>,
    /// Services.
    pub services: Vec<Service>,
    /// Rules, sorted by id.
    pub rules: Rules,
    /// Whether any target is gRPC, so that entries differ by `request.content_type`.
    pub has_grpc: bool,
    /// Texts of Allow headers.
    pub texts: Vec<String>,
    /// Paths of all redactions in canonical spelling, sorted, unique; [`super::paths::PathId`] indexes it.
    pub paths: Vec<String>,
    /// File of the secret that `hash` redacts with; without one it drops.
    pub redaction_key: Option<String>,
}

/// The header in which a proxy tells the certificate of its client, in lower case.
pub const FORWARDED_CERTIFICATE: &str = "x-forwarded-client-cert";

/// Types of facts, as in the language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Type {
    /// true, false
    Bool,
    /// i64
    Int,
    /// Bytes.
    String,
    /// Address.
    Ip,
    /// Set of strings.
    Set,
    /// µs.
    Instant,
}

/// Where a fact comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// `request.method`
    Method,
    /// `request.scheme`
    Scheme,
    /// `request.host`
    Host,
    /// `request.port`
    Port,
    /// `request.path`
    Path,
    /// `request.query.NAME`
    Query(String),
    /// `request.header[..]`, lower case.
    Header(String),
    /// `request.cookie[..]`
    Cookie(String),
    /// `request.size`
    Size,
    /// `request.content_type`
    ContentType,
    /// `request.protocol`
    Protocol,
    /// `request.sni`
    Sni,
    /// `host.NAME`: the host up to its first dot.
    HostLabel,
    /// A capture: the decoded segment at `index` (0 is the first after the leading slash) without `prefix` bytes at
    /// its start and `suffix` bytes at its end. The route that asks for it has matched, so it is there.
    Segment {
        /// Segment.
        index: u32,
        /// Bytes of literal text before.
        prefix: u32,
        /// Bytes of literal text after.
        suffix: u32,
        /// How to read it.
        kind: SegmentKind,
    },
    /// A rest capture: decoded segments from `index` on, joined by `/`, a trailing slash kept; `""` for none.
    Rest {
        /// First segment.
        index: u32,
    },
    /// `client.ip`
    ClientIp,
    /// `connection.ip`
    ConnectionIp,
    /// `token.NAME`
    Claim(u32),
    /// `token.scope`
    Scopes,
    /// `key.id`
    KeyId,
    /// `key.NAME`
    KeyField(u32),
    /// `peer.spiffe`
    PeerSpiffe,
    /// `peer.dns`
    PeerDns,
    /// `peer.subject`
    PeerSubject,
    /// `peer.fingerprint`
    PeerFingerprint,
    /// `signature.name`
    SignatureName,
    /// `ISSUER.NAME` of an issuer in [`Config::beside`]: its index, and one into [`Config::claims`].
    BesideClaim(u32, u32),
    /// `context.NAME`
    Context(u32),
    /// A trusted header's fact.
    Trusted(u32),
    /// `table[key].column`
    Cell {
        /// Table.
        table: u32,
        /// Fact that names the row; its slot is smaller than this one's.
        key: Slot,
        /// Column index in the table.
        column: u32,
    },
    /// `now`
    Now,
    /// A member of the response, by the names that lead to it, and the type that its test wants. Known only while a response
    /// is checked.
    Response(Vec<String>, Type),
}

/// How a captured segment is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SegmentKind {
    /// Bytes.
    Text,
    /// i64.
    Int,
    /// Lower-cased bytes.
    Uuid,
}

/// A default.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    /// Bool.
    Bool(bool),
    /// Int, or instant in µs.
    Int(i64),
    /// String.
    String(String),
    /// Address.
    Ip(IpAddr),
    /// Sorted set.
    Set(Vec<String>),
}

/// Where a token is presented.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum TokenPlace {
    /// Authorization: Bearer or DPoP.
    #[default]
    Authorization,
    /// A header of its own, lower case.
    Header(String),
    /// A cookie.
    Cookie(String),
}

/// An issuer at run time. The default is one whose tokens nothing verifies.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Issuer {
    /// Name.
    pub name: String,
    /// `iss`
    pub url: String,
    /// Several texts of `iss` are this issuer's.
    pub url_like: bool,
    /// Where it is presented.
    pub place: TokenPlace,
    /// The query parameter in which a websocket request may present it too, decoded.
    pub query: Option<String>,
    /// Members to walk to the scopes.
    pub scopes: Vec<String>,
    /// Each scope with what it implies, sorted by scope.
    pub implies: Vec<(String, Vec<String>)>,
    /// Claims it sends.
    pub claims: Vec<IssuerClaim>,
    /// Its tokens are asked about, not verified by keys.
    pub opaque: bool,
    /// The gateway verifies its tokens and hands over their claims.
    pub verified_by_gateway: bool,
    /// What verifies its tokens.
    pub keys: IssuerKeys,
    /// Accepted `alg`; empty: any whose key is public.
    pub algorithms: Vec<Algorithm>,
    /// Accepted `aud`; empty: it is not asked for.
    pub audiences: Vec<String>,
    /// Accepted `typ`, as [`media_type`] writes it.
    pub typ: Option<String>,
    /// Clock skew allowed, µs.
    pub leeway_us: i64,
    /// Oldest accepted token, µs after its `iat`.
    pub max_age_us: Option<i64>,
    /// Each token names the certificate that it is good with.
    pub bound_to_certificate: bool,
    /// A token without `exp` is good.
    pub no_expiry: bool,
}

/// What verifies an issuer's tokens: a file beside the policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum IssuerKeys {
    /// Nothing: the gateway verifies them, or they are asked about.
    #[default]
    None,
    /// A JSON Web Key Set (RFC 7517, section 5).
    File(String),
    /// The file of a secret.
    Secret(String),
}

/// A `typ` as it is compared: in lower case, without `application/` (RFC 7515, section 4.1.9).
pub fn media_type(typ: &str) -> String {
    let mut typ = typ.to_ascii_lowercase();
    if let Some(short) = typ.strip_prefix("application/") {
        typ = short.to_owned();
    }
    typ
}

/// A claim of an issuer.
#[derive(Clone, Debug, PartialEq)]
pub struct IssuerClaim {
    /// Index into [`Config::claims`].
    pub claim: u32,
    /// Where it stands.
    pub field: JsonField,
}

/// Where a declared fact stands in an object that the host hands over, and how it is read.
#[derive(Clone, Debug, PartialEq)]
pub struct JsonField {
    /// Members to walk.
    pub path: Vec<String>,
    /// How it may be written.
    pub form: ValueForm,
    /// Default.
    pub default: Option<Literal>,
}

/// How a value may be written beside the plain form of its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueForm {
    /// As its type: an array of strings, a text or a number of seconds for an instant.
    Plain,
    /// A lone string is a set of one.
    LoneString,
    /// A text is the set of its parts between this byte, trimmed, empty ones dropped.
    Separated(u8),
    /// An instant is a number of seconds, never a text.
    Seconds,
}

/// A key set at run time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KeySet {
    /// Name.
    pub name: String,
    /// Header, lower case.
    pub header: Option<String>,
    /// Cookie.
    pub cookie: Option<String>,
    /// File of keyed hashes, and file of the secret that they were made under.
    pub file: Option<(String, String)>,
    /// Fields: index into [`Config::key_fields`], where it stands.
    pub fields: Vec<(u32, JsonField)>,
}

/// A scheme of signed messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signature {
    /// Name.
    pub name: String,
    /// Lower-case header that carries the signature.
    pub header: String,
    /// Text before the MAC.
    pub prefix: String,
    /// The MAC is written in base64, else in hexadecimal.
    pub base64: bool,
    /// What is signed, in order.
    pub over: Vec<SignedPart>,
    /// Files of the secrets, any of which may have made the MAC.
    pub secrets: Vec<String>,
    /// Lower-case header of the timestamp and how far it may be from now, µs.
    pub timestamp: Option<(String, i64)>,
}

/// A part of what is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignedPart {
    /// The value of the timestamp's header, as sent.
    Timestamp,
    /// The body.
    Body,
    /// A text.
    Text(String),
}

/// A context fact.
#[derive(Clone, Debug, PartialEq)]
pub struct ContextFact {
    /// Name.
    pub name: String,
    /// Type.
    pub ty: Type,
    /// Where it stands.
    pub field: JsonField,
}

/// A list beside the policy.
#[derive(Clone, Debug, PartialEq)]
pub struct ListDecl {
    /// Name.
    pub name: String,
    /// File, relative to the policy's root.
    pub file: String,
    /// String, int or ip.
    pub ty: Type,
    /// Its lines are networks, of addresses.
    pub networks: bool,
    /// µs.
    pub max_age_us: Option<i64>,
}

/// A table beside the policy.
#[derive(Clone, Debug, PartialEq)]
pub struct TableDecl {
    /// Name.
    pub name: String,
    /// File, relative to the policy's root.
    pub file: String,
    /// Columns, sorted by name: string, int or bool.
    pub columns: Vec<(String, Type)>,
    /// µs.
    pub max_age_us: Option<i64>,
}

/// Opening hours with their zone as transitions.
#[derive(Clone, Debug, PartialEq)]
pub struct Hours {
    /// (from this instant on in whole seconds, offset in seconds east of UTC), sorted; the first is `i64::MIN`.
    pub offsets: Vec<(i64, i32)>,
    /// (days bit mask, start minute, end minute); end <= start crosses midnight.
    pub spans: Vec<(u8, u16, u16)>,
}

/// A number that may be a fact.
#[derive(Clone, Debug, PartialEq)]
pub enum Amount {
    /// Literal.
    Fixed(u64),
    /// Int fact with an optional ceiling.
    Fact(Slot, Option<u64>),
}

/// How a quota counts.
#[derive(Clone, Debug, PartialEq)]
pub enum Period {
    /// GCRA: period in µs, declared burst.
    Rate(i64, Option<u64>),
    /// Calendar: unit, zone.
    Calendar(String, String),
    /// At most N in flight.
    InFlight,
}

/// One alternative of a key part.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyFact {
    /// As it is written: the name of the part in a key.
    pub text: String,
    /// Fact.
    pub slot: Slot,
    /// `/N` for addresses.
    pub prefix: Option<u8>,
    /// Of the credential that the fact belongs to, if to one.
    pub kind: Option<CredentialKind>,
}

/// A quota.
#[derive(Clone, Debug, PartialEq)]
pub struct Quota {
    /// Name.
    pub name: String,
    /// N.
    pub limit: Amount,
    /// Period.
    pub period: Period,
    /// Key parts, each with its alternatives.
    pub by: Vec<Vec<KeyFact>>,
    /// Default cost.
    pub cost: Amount,
    /// Credential kind of a fact limit or fact cost (`kind` as in [`KeyFact`]); of a table cell: its key's.
    pub limit_kind: Option<CredentialKind>,
    /// Likewise for the default cost.
    pub cost_kind: Option<CredentialKind>,
    /// Counts denied requests.
    pub counting_denied: bool,
    /// Where and how it is charged.
    pub charging: Charging,
}

/// A use of a quota.
#[derive(Clone, Debug, PartialEq)]
pub struct Limit {
    /// Index into [`Config::quotas`].
    pub quota: u32,
    /// Cost here.
    pub cost: Option<Amount>,
    /// Credential kind of a fact cost here.
    pub cost_kind: Option<CredentialKind>,
}

/// CORS.
#[derive(Clone, Debug, PartialEq)]
pub struct Cors {
    /// Before and behind the one label of an origin that is a pattern.
    pub one_label: Vec<(String, String)>,
    /// Sorted exact origins.
    pub origins: Vec<String>,
    /// `*`
    pub any_origin: bool,
    /// Joined by `, `.
    pub methods: String,
    /// Joined by `, `; may be empty.
    pub headers: String,
    /// Credentials.
    pub credentials: bool,
    /// Seconds.
    pub max_age_s: Option<u64>,
}

/// Normalisation options of a host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostOptions {
    /// Empty segments are removed.
    pub merge_slashes: bool,
    /// `%2F` is data.
    pub encoded_slash_as_data: bool,
    /// `%5C` is data.
    pub encoded_backslash_as_data: bool,
    /// `;` parameters are cut off for matching.
    pub path_parameters_kept: bool,
    /// Override headers pass.
    pub method_override_kept: bool,
}

/// A service at run time. What of its guards binds at service level is folded in.
#[derive(Clone, Debug, PartialEq)]
pub struct Service {
    /// Name.
    pub name: String,
    /// `invalid credentials anonymous`
    pub anonymous: bool,
    /// `require tls` of the service or any guard.
    pub require_tls: bool,
    /// `require sni == host` of the service or any guard.
    pub require_sni: bool,
    /// µs.
    pub sunset_us: Option<i64>,
    /// Default limit.
    pub default_limit: Option<Limit>,
    /// CORS.
    pub cors: Option<Cors>,
    /// `resource_metadata` of its Bearer challenges.
    pub resource_metadata: Option<String>,
}

/// Obligations of a rule.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Body {
    /// Charges.
    pub limits: Vec<Limit>,
    /// Redactions.
    pub redact: Vec<Redaction>,
    /// Accepts of bodies, forms and media types. Several are alternatives, for one media type each.
    pub accept: Vec<AcceptBody>,
    /// Accepts of queries.
    pub accept_query: Vec<AcceptQuery>,
    /// `require response .. else`
    pub require_response: Vec<ResponseCheck>,
    /// Header operations.
    pub headers: Vec<HeaderOp>,
    /// Tags.
    pub tags: Vec<String>,
    /// `require tls`
    pub require_tls: bool,
    /// `require sni == host`
    pub require_sni: bool,
    /// µs.
    pub sunset_us: Option<i64>,
}

/// A condition on a response.
#[derive(Clone, Debug, PartialEq)]
pub struct ResponseCheck {
    /// HTTP status of its `else`.
    pub status: u16,
    /// Sub-conditions to evaluate, in ascending order; the last is the condition itself.
    pub subs: Vec<u32>,
    /// Whether it holds where there is none.
    pub holds: bool,
}

/// A redaction.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Redaction {
    /// `only`: sorted paths.
    Only(Vec<String>),
    /// Path, operation.
    Op(String, RedactionOp),
}

/// Redaction operations, strongest first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RedactionOp {
    /// Gone.
    Drop,
    /// Replaced.
    Replace(String),
    /// Hashed.
    Hash,
    /// Masked; `keep` characters of one end stay.
    Mask {
        /// Which end, `None` with 0.
        first: bool,
        /// How many; 0 masks all (then `first` is false).
        keep: u32,
    },
    /// Truncated.
    Truncate(u32),
}

/// A header operation.
#[derive(Clone, Debug, PartialEq)]
pub struct HeaderOp {
    /// Towards the upstream (else the client).
    pub request: bool,
    /// Lower-case name.
    pub name: String,
    /// Value; `None` drops.
    pub value: Option<HeaderValue>,
}

/// A header value.
#[derive(Clone, Debug, PartialEq)]
pub enum HeaderValue {
    /// Literal.
    Literal(String),
    /// A fact's text.
    Fact(Slot),
}
