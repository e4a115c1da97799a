//! What a condition can ask about, and the values it can be.

use super::{BesideId, TableId};
use std::net::IpAddr;

/// The type of a fact or value (section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Type {
    /// `true`, `false`
    Bool,
    /// `i64`
    Int,
    /// Bytes, compared bytewise; mostly UTF-8.
    String,
    /// An address, IPv4-mapped ones already unmapped.
    Ip,
    /// A set of strings.
    Set,
    /// Microseconds since 1970-01-01T00:00:00Z.
    Instant,
    /// Microseconds.
    Duration,
}

/// A literal of the policy.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    /// Bool.
    Bool(bool),
    /// Int.
    Int(i64),
    /// String.
    String(String),
    /// Address.
    Ip(IpAddr),
    /// Set; sorted, unique.
    Set(Vec<String>),
    /// Instant, µs since the epoch.
    Instant(i64),
    /// Duration, µs.
    Duration(i64),
}

impl Value {
    /// Its type.
    pub fn ty(&self) -> Type {
        match self {
            Value::Bool(_) => Type::Bool,
            Value::Int(_) => Type::Int,
            Value::String(_) => Type::String,
            Value::Ip(_) => Type::Ip,
            Value::Set(_) => Type::Set,
            Value::Instant(_) => Type::Instant,
            Value::Duration(_) => Type::Duration,
        }
    }
}

/// A fact about a request (section 2).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fact {
    /// `request.method`: the exact token.
    Method,
    /// `request.scheme`: `http` or `https`, lower case.
    Scheme,
    /// `request.host`: normalised, without port. Absent where an HTTP/1.0 request names none.
    Host,
    /// `request.port`: given, else the scheme's default.
    Port,
    /// `request.path`: the decoded segments joined by `/`, within which `/`, `\` and `%` stay triples.
    Path,
    /// `request.query.NAME`, decoded.
    Query(String),
    /// `request.header["name"]`, lower-case name; white space around the value trimmed. Absent where the policy sets
    /// that header on requests ([`super::Policy::request_headers_set`]).
    Header(String),
    /// `request.cookie["n"]`.
    Cookie(String),
    /// `request.size`: the Content-Length.
    Size,
    /// `request.content_type`: `type/subtype` in lower case, without parameters.
    ContentType,
    /// `request.protocol`: as the host names it, `HTTP/1.1`.
    Protocol,
    /// `request.sni`: lower case.
    Sni,
    /// `host.NAME`: the first label of the host, in a service all of whose hosts capture it by this name.
    HostLabel(String),
    /// `path.NAME`: a capture of the rule's own target.
    Capture {
        /// Name.
        name: String,
        /// Int for `{id:int}`, else string. In every target of the rule the same.
        ty: Type,
    },
    /// `client.ip` (section 4).
    ClientIp,
    /// `connection.ip`: the socket's address.
    ConnectionIp,
    /// `token.NAME`, a registered or declared claim.
    Claim(String),
    /// `ISSUER.NAME`, a registered or declared claim of an issuer with `beside`.
    BesideClaim(BesideId, String),
    /// `token.scope`: the set, implied scopes included.
    Scopes,
    /// `key.id`
    KeyId,
    /// `key.NAME`
    KeyField(String),
    /// `peer.*`
    Peer(PeerFact),
    /// `signature.name`
    SignatureName,
    /// `context.NAME`
    Context(String),
    /// A name declared in `trust`, as `geo.country`.
    Trusted(String),
    /// `table[key].column`
    Cell {
        /// The table.
        table: TableId,
        /// String fact that names the row.
        key: Box<Fact>,
        /// Column.
        column: String,
    },
    /// `response.NAME` or a bare name in `require response`: a field of the response's JSON body. Never in the
    /// condition of a rule; absent as long as there is no response.
    Response {
        /// Members from the top of the body, at least one.
        path: Vec<String>,
        /// The type that the test asks for; string where `exists` asks for any value.
        ty: Type,
    },
    /// `now`
    Now,
}

/// A part of the peer's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PeerFact {
    /// `peer.spiffe`
    Spiffe,
    /// `peer.dns`, a set.
    Dns,
    /// `peer.subject`
    Subject,
    /// `peer.fingerprint`
    Fingerprint,
}
