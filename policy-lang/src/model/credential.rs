//! Who may vouch for a caller, and what the host hands over (section 4).

use super::{Fact, SecretId, Type, Value};
use crate::source::Span;
use ipnet::IpNet;

use portcullis_base::json::{JsonItem, JsonKind};
use portcullis_base::list;
pub use portcullis_base::{Algorithm, CredentialKind};

impl Fact {
    /// The kind of credential that holds the fact; a table cell is in none itself, its key is.
    pub fn credential(&self) -> Option<CredentialKind> {
        match self {
            Fact::Claim(_) | Fact::Scopes => Some(CredentialKind::Token),
            Fact::KeyId | Fact::KeyField(_) => Some(CredentialKind::Key),
            Fact::Peer(_) => Some(CredentialKind::Peer),
            Fact::SignatureName => Some(CredentialKind::Signature),
            Fact::BesideClaim(id, _) => Some(CredentialKind::beside(id.index())),
            _ => None,
        }
    }

    /// The name of the host's label that it reads, itself or as the key of a table's row.
    pub fn host_label(&self) -> Option<&str> {
        match self {
            Fact::HostLabel(name) => Some(name),
            Fact::Cell { key, .. } => match key.as_ref() {
                Fact::HostLabel(name) => Some(name),
                _ => None,
            },
            _ => None,
        }
    }

    /// The name of the capture that it reads, itself or as the key of a table's row.
    pub fn capture(&self) -> Option<&str> {
        match self {
            Fact::Capture { name, .. } => Some(name),
            Fact::Cell { key, .. } => match key.as_ref() {
                Fact::Capture { name, .. } => Some(name),
                _ => None,
            },
            _ => None,
        }
    }
}

/// A claim name with its one type.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    /// Name after `token.`.
    pub name: String,
    /// Type.
    pub ty: Type,
}

/// Where a token is presented.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TokenSource {
    /// `Authorization: Bearer` or `DPoP`.
    Authorization,
    /// A header of its own (lower-case name); the value is the token.
    Header(String),
    /// A cookie.
    Cookie(String),
}

/// How a set may be written beside an array of strings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetForm {
    /// Not at all.
    Array,
    /// `set or string`: a lone string is a set of one.
    OrString,
    /// `set separated by ".."`: a text is split at this ASCII character, its parts are trimmed of spaces and tabs, and
    /// empty ones dropped.
    Separated(char),
}

/// `issuer NAME { .. }`
#[derive(Clone, Debug, PartialEq)]
pub struct Issuer {
    /// Name.
    pub name: String,
    /// Where it is declared.
    pub span: Span,
    /// `iss`: exact, or a pattern of whole path parts; no two issuers can mean one text.
    pub url: String,
    /// `url like`: each path part of `url` that is `*` stands for one of one or more unreserved characters.
    pub url_like: bool,
    /// Accepted `aud` values; empty where none is asked for.
    pub audiences: Vec<String>,
    /// Accepted algorithms, as written.
    pub algorithms: Vec<Algorithm>,
    /// JWKS file, relative to the root.
    pub keys_file: Option<String>,
    /// The key of HMAC algorithms.
    pub secret: Option<SecretId>,
    /// Clock skew allowed, µs; default 30 s, at most 300 s.
    pub leeway_us: i64,
    /// Where it is presented.
    pub source: TokenSource,
    /// `from query NAME`: where a websocket request may present it too; decoded.
    pub query: Option<String>,
    /// `verified by gateway`
    pub verified_by_gateway: bool,
    /// `scopes from PATH`: members to walk from the top of the claims, at least one; default `scope`.
    pub scopes: Vec<String>,
    /// `scope A implies B, ..`, transitively closed: each scope with all that it implies (sorted, without itself).
    pub implies: Vec<(String, Vec<String>)>,
    /// Claims of this issuer, registered ones included, sorted by name. `scope`/`scp` is not among them.
    pub claims: Vec<IssuerClaim>,
    /// `type "at+jwt"`
    pub typ: Option<String>,
    /// `max age D`, µs.
    pub max_age_us: Option<i64>,
    /// `bound to certificate`
    pub bound_to_certificate: bool,
    /// `opaque`
    pub opaque: bool,
    /// `no expiry`
    pub no_expiry: bool,
}

/// A claim as one issuer sends it.
#[derive(Clone, Debug, PartialEq)]
pub struct IssuerClaim {
    /// Name after `token.`; type in [`super::Policy::claims`].
    pub name: String,
    /// Members to walk from the top of the claims, at least one: `realm_access.roles` is two.
    pub path: Vec<String>,
    /// How a set is written; other types know [`SetForm::Array`] alone.
    pub set: SetForm,
    /// Replaces the absent claim of a present token.
    pub default: Option<Value>,
}

/// `NAME: TYPE [from PATH] [= VALUE]` of a key field.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldDecl {
    /// Name.
    pub name: String,
    /// Bool, int, string or set.
    pub ty: Type,
    /// Members to walk from the top of the fields, at least one.
    pub path: Vec<String>,
    /// How a set is written.
    pub set: SetForm,
    /// Replaces the absent field of a present credential. In [`super::Policy::key_fields`] always `None`.
    pub default: Option<Value>,
}

/// What an object of fields holds for a declared one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldFit {
    /// Nothing: its default counts, or it is absent.
    Absent,
    /// A value of its type.
    Fits,
    /// Something else: it is unknown.
    IllTyped,
}

impl FieldDecl {
    /// What `fields`, the fields of a key, hold for this one.
    pub fn fit(&self, fields: JsonItem<'_>) -> FieldFit {
        let mut value = fields;
        for step in &self.path {
            match value.member(step) {
                Some(member) => value = member,
                None => return FieldFit::Absent,
            }
        }
        let is_text = |item: JsonItem<'_>| matches!(item.kind(), Some(JsonKind::Text { .. }));
        let fits = match (self.ty, value.kind()) {
            (Type::Bool, Some(JsonKind::Bool(_))) => true,
            (Type::Int, Some(JsonKind::Number)) => list::int(value.raw()).is_some(),
            (Type::String, _) => is_text(value),
            (Type::Set, Some(JsonKind::Array)) => value.elements().all(is_text),
            (Type::Set, _) => self.set != SetForm::Array && is_text(value),
            _ => false,
        };
        if fits { FieldFit::Fits } else { FieldFit::IllTyped }
    }
}

/// `keys NAME { header "x-api-key"; file "partners.keys"; secret pepper; fields { .. } }`
#[derive(Clone, Debug, PartialEq)]
pub struct KeySet {
    /// Name.
    pub name: String,
    /// Where it is declared.
    pub span: Span,
    /// Lower-case header that carries the key, or none.
    pub header: Option<String>,
    /// Cookie that carries the key, or none.
    pub cookie: Option<String>,
    /// File of keyed hashes, relative to the root; none where the host verifies keys. Never without `secret`.
    pub file: Option<String>,
    /// The key of those hashes; never without `file`.
    pub secret: Option<SecretId>,
    /// Fields, sorted by name.
    pub fields: Vec<FieldDecl>,
}

/// `peers NAME { trust "cluster.local"; }`
#[derive(Clone, Debug, PartialEq)]
pub struct PeerSet {
    /// Name.
    pub name: String,
    /// Where it is declared.
    pub span: Span,
    /// SPIFFE trust domains, lower case, sorted: a peer belongs to the set if its SPIFFE id's domain is one.
    pub trust_domains: Vec<String>,
}

/// How an HMAC is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HmacEncoding {
    /// Hexadecimal.
    Hex,
    /// Base64.
    Base64,
}

pub use crate::ast::SignedPart;

/// `signature NAME { header ..; hmac sha256 hex prefix "sha256="; over timestamp "." body; secret ..; }`
#[derive(Clone, Debug, PartialEq)]
pub struct SignatureScheme {
    /// Name.
    pub name: String,
    /// Where it is declared.
    pub span: Span,
    /// Lower-case header that carries the signature.
    pub header: String,
    /// Encoding of the MAC.
    pub encoding: HmacEncoding,
    /// Text before the MAC.
    pub prefix: String,
    /// The keys of the MAC, any of which may have made it; at least one.
    pub secrets: Vec<SecretId>,
    /// What is signed, in order; the body is among it, and the timestamp where one is declared.
    pub over: Vec<SignedPart>,
    /// Header of the timestamp and how old it may be, µs.
    pub timestamp: Option<(String, i64)>,
}

/// `secret NAME from file "FILE";`
#[derive(Clone, Debug, PartialEq)]
pub struct Secret {
    /// Name.
    pub name: String,
    /// Where it is declared.
    pub span: Span,
    /// File of the key, relative to the policy's root.
    pub file: String,
}

/// `trust { proxies .. hops N; header ".." as NAME: TYPE; }`; empty where the policy has none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trust {
    /// Networks of trusted proxies.
    pub proxies: Vec<IpNet>,
    /// Exactly the N-th entry from the right, N ≥ 1.
    pub hops: Option<u32>,
    /// Headers that a trusted hop may set, sorted by name.
    pub headers: Vec<TrustedHeader>,
}

/// A header that becomes a fact where the socket's peer is a trusted proxy.
#[derive(Clone, Debug, PartialEq)]
pub struct TrustedHeader {
    /// Fact name, as `geo.country`.
    pub name: String,
    /// Lower-case header name.
    pub header: String,
    /// String, int, bool or ip, in its text form; or a set.
    pub ty: Type,
    /// How a set is written: always [`SetForm::Separated`].
    pub set: SetForm,
}

/// `context { NAME: TYPE [from PATH] [= VALUE]; }`
#[derive(Clone, Debug, PartialEq)]
pub struct ContextFact {
    /// Name.
    pub name: String,
    /// Bool, int, string, ip (JSON string), set or instant.
    pub ty: Type,
    /// Members to walk from the top of the context, at least one.
    pub path: Vec<String>,
    /// How a set is written.
    pub set: SetForm,
    /// Replaces an absent value, whatever credentials are there.
    pub default: Option<Value>,
}
