//! Facts with their states: absent, ill-typed (or given twice), known; and whether anything was sent, which is all
//! that `exists` asks. Sections 2 and 4. Evaluates no condition.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use portcullis_lang::model::{Fact, PeerFact, Policy, ScopesClaim, Type, Value};
use portcullis_vectors::Vector;

use crate::client_ip::{client_ip, is_trusted};
use crate::credentials::Credentials;
use crate::data::Data;
use crate::json::{self, Json};
use crate::normalise::{Canonical, is_token, trim};

/// A value at run time; strings are bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Datum {
    Bool(bool),
    Int(i64),
    Text(Vec<u8>),
    Ip(IpAddr),
    Set(BTreeSet<Vec<u8>>),
    Instant(i64),
    Duration(i64),
}

/// What is known of a fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Absent,
    /// Of another type, or given twice where one was expected.
    IllTyped,
    Known(Datum),
}

/// A fact looked up: its state after defaults, and what `exists` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) state: State,
    pub(crate) sent: bool,
}

impl Found {
    pub(crate) fn absent() -> Found {
        Found {
            state: State::Absent,
            sent: false,
        }
    }

    pub(crate) fn ill_typed() -> Found {
        Found {
            state: State::IllTyped,
            sent: true,
        }
    }

    pub(crate) fn known(datum: Datum) -> Found {
        Found {
            state: State::Known(datum),
            sent: true,
        }
    }

    fn text(text: &str) -> Found {
        Found::known(Datum::Text(text.as_bytes().to_vec()))
    }

    /// Sent; known where it could be read as its type.
    fn typed(datum: Option<Datum>) -> Found {
        datum.map_or_else(Found::ill_typed, Found::known)
    }

    /// A default replaces an absent value only, and `exists` does not see it.
    fn or_default(self, default: Option<&Value>) -> Found {
        match (&self.state, default) {
            (State::Absent, Some(value)) => Found {
                state: State::Known(Datum::from(value)),
                sent: self.sent,
            },
            _ => self,
        }
    }

    /// None, one, or (unknown) several values where one is expected.
    fn of_one(values: &[&[u8]], read: impl Fn(&[u8]) -> Option<Datum>) -> Found {
        match values {
            [] => Found::absent(),
            [one] => Found::typed(read(one)),
            _ => Found::ill_typed(),
        }
    }
}

impl From<&Value> for Datum {
    fn from(value: &Value) -> Datum {
        match value {
            Value::Bool(b) => Datum::Bool(*b),
            Value::Int(i) => Datum::Int(*i),
            Value::String(text) => Datum::Text(text.clone().into_bytes()),
            Value::Ip(ip) => Datum::Ip(*ip),
            Value::Set(items) => Datum::Set(items.iter().map(|item| item.clone().into_bytes()).collect()),
            Value::Instant(us) => Datum::Instant(*us),
            Value::Duration(us) => Datum::Duration(*us),
        }
    }
}

impl Datum {
    /// The text form of a header or a list's line.
    pub(crate) fn from_text(text: &[u8], ty: Type) -> Option<Datum> {
        let utf8 = || std::str::from_utf8(text).ok();
        match ty {
            Type::String => Some(Datum::Text(text.to_vec())),
            Type::Int => parse_int(utf8()?).map(Datum::Int),
            Type::Ip => parse_ip(utf8()?).map(Datum::Ip),
            Type::Bool => match text {
                b"true" => Some(Datum::Bool(true)),
                b"false" => Some(Datum::Bool(false)),
                _ => None,
            },
            Type::Set | Type::Instant | Type::Duration => None,
        }
    }

    /// The JSON form of a claim, a key's field, a context member or a table's cell.
    pub(crate) fn from_json(json: &Json, ty: Type) -> Option<Datum> {
        match (ty, json) {
            (Type::Bool, Json::Bool(b)) => Some(Datum::Bool(*b)),
            (Type::Int, Json::Number(text)) => parse_int(text).map(Datum::Int),
            (Type::Instant, Json::Number(text)) => {
                parse_int(text)?.checked_mul(1_000_000).map(Datum::Instant)
            }
            (Type::String, Json::String(text)) => Some(Datum::Text(text.clone().into_bytes())),
            (Type::Ip, Json::String(text)) => parse_ip(text).map(Datum::Ip),
            (Type::Set, Json::Array(items)) => items
                .iter()
                .map(|item| match item {
                    Json::String(text) => Some(text.clone().into_bytes()),
                    _ => None,
                })
                .collect::<Option<BTreeSet<_>>>()
                .map(Datum::Set),
            _ => None,
        }
    }

    /// As a header or a sample sees it; sets and times have none.
    pub(crate) fn to_text(&self) -> Option<Vec<u8>> {
        match self {
            Datum::Bool(b) => Some(b.to_string().into_bytes()),
            Datum::Int(i) => Some(i.to_string().into_bytes()),
            Datum::Text(text) => Some(text.clone()),
            Datum::Ip(ip) => Some(ip.to_string().into_bytes()),
            Datum::Set(_) | Datum::Instant(_) | Datum::Duration(_) => None,
        }
    }
}

/// `-?(0|[1-9][0-9]*)` in i64.
pub(crate) fn parse_int(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let canonical = digits == "0"
        || (!digits.starts_with('0') && !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()));
    text.parse().ok().filter(|_| canonical)
}

/// Four canonical decimals or RFC 4291 text without a zone; IPv4-mapped ones become IPv4.
pub(crate) fn parse_ip(text: &str) -> Option<IpAddr> {
    let v4 = text.parse::<Ipv4Addr>().ok().map(IpAddr::V4);
    v4.or_else(|| {
        text.parse::<Ipv6Addr>()
            .ok()
            .map(|v6| IpAddr::V6(v6).to_canonical())
    })
}

/// All values of a cookie: parts without `=` are none, and nothing is unquoted.
pub(crate) fn cookies(request: &Canonical, name: &str) -> Vec<Vec<u8>> {
    let parts = request
        .header("cookie")
        .flat_map(|line| line.split(|b| *b == b';'))
        .map(trim);
    parts
        .filter_map(|part| {
            let equals = part.iter().position(|b| *b == b'=')?;
            (part.get(..equals)? == name.as_bytes())
                .then(|| part.get(equals + 1..).unwrap_or_default().to_vec())
        })
        .collect()
}

/// Captures of one rule's own targets, by name.
pub(crate) type Captures = BTreeMap<String, Found>;

/// What the host handed over as context.
enum Context {
    Members(Vec<(String, Json)>),
    /// No JSON object: every fact is ill-typed, yet nothing was sent.
    Unreadable,
}

/// Everything a condition can ask about one request.
pub(crate) struct World<'a> {
    policy: &'a Policy,
    data: &'a Data,
    request: &'a Canonical,
    vector: &'a Vector,
    /// States of the four kinds.
    pub(crate) credentials: Credentials,
    context: Context,
    socket: Option<IpAddr>,
    client: Found,
    /// The host's instant, µs.
    pub(crate) now: Option<i64>,
}

impl<'a> World<'a> {
    pub(crate) fn new(
        policy: &'a Policy,
        data: &'a Data,
        request: &'a Canonical,
        vector: &'a Vector,
    ) -> World<'a> {
        let socket = vector.request.client_ip.as_deref().and_then(parse_ip);
        World {
            policy,
            data,
            request,
            vector,
            credentials: Credentials::of(policy, request, vector),
            context: context(vector),
            socket,
            client: client_ip(&policy.trust, request, socket),
            now: vector.now.as_deref().and_then(crate::hours::parse_instant),
        }
    }

    /// Looks a fact up.
    pub(crate) fn fact(&self, fact: &Fact, captures: &Captures) -> Found {
        let request = self.request;
        match fact {
            Fact::Method => Found::text(&request.method),
            Fact::Scheme => Found::text(&request.scheme),
            Fact::Host => Found::text(&request.host),
            Fact::Port => Found::known(Datum::Int(i64::from(request.port))),
            Fact::Path => request
                .path
                .as_ref()
                .map_or_else(Found::absent, |path| Found::text(&path.canonical)),
            Fact::Query(name) => self.query(name),
            Fact::Header(name) => self.header(name, |value| Some(Datum::Text(value.to_vec()))),
            Fact::Cookie(name) => match cookies(request, name).as_slice() {
                [] => Found::absent(),
                [one] => Found::known(Datum::Text(one.clone())),
                _ => Found::ill_typed(),
            },
            Fact::Size => self.header("content-length", |value| {
                let text = std::str::from_utf8(value).ok()?;
                parse_int(text).filter(|_| !text.starts_with('-')).map(Datum::Int)
            }),
            Fact::ContentType => self.header("content-type", |value| media_type(value).map(Datum::Text)),
            Fact::Protocol => self
                .vector
                .request
                .protocol
                .as_deref()
                .map_or_else(Found::absent, Found::text),
            Fact::Sni => {
                let sni = self
                    .vector
                    .request
                    .sni
                    .as_ref()
                    .map(|sni| sni.to_ascii_lowercase());
                sni.map_or_else(Found::absent, |sni| Found::text(&sni))
            }
            Fact::Capture { name, .. } => captures.get(name).cloned().unwrap_or_else(Found::absent),
            Fact::ClientIp => self.client.clone(),
            Fact::ConnectionIp => self
                .socket
                .map_or_else(Found::absent, |ip| Found::known(Datum::Ip(ip))),
            Fact::Claim(name) => self.claim(name),
            Fact::Scopes => self.scopes(),
            Fact::KeyId => match self.credentials.key.valid() {
                Some(key) => key.id.as_deref().map_or_else(Found::absent, Found::text),
                None => Found::absent(),
            },
            Fact::KeyField(name) => self.key_field(name),
            Fact::Peer(part) => self.peer(*part),
            Fact::SignatureName => {
                let scheme = self
                    .credentials
                    .signature
                    .valid()
                    .and_then(|i| self.policy.signatures.get(*i));
                scheme.map_or_else(Found::absent, |scheme| Found::text(&scheme.name))
            }
            Fact::Context(name) => self.context_fact(name),
            Fact::Trusted(name) => self.trusted(name),
            Fact::Cell { table, key, column } => {
                let State::Known(Datum::Text(key)) = self.fact(key, captures).state else {
                    return Found::absent();
                };
                let row = std::str::from_utf8(&key)
                    .ok()
                    .and_then(|key| self.data.table(*table)?.get(key));
                let cell = row.and_then(|row| row.get(column));
                cell.map_or_else(Found::absent, |cell| Found::known(cell.clone()))
            }
            // There is no response while a request is decided.
            Fact::Response { .. } => Found::absent(),
            Fact::Now => self
                .now
                .map_or_else(Found::absent, |now| Found::known(Datum::Instant(now))),
        }
    }

    /// The datum of a fact that is known.
    pub(crate) fn known(&self, fact: &Fact, captures: &Captures) -> Option<Datum> {
        match self.fact(fact, captures).state {
            State::Known(datum) => Some(datum),
            State::Absent | State::IllTyped => None,
        }
    }

    /// `request.content_type` is one of gRPC.
    pub(crate) fn is_grpc(&self) -> bool {
        let content_type = self.known(&Fact::ContentType, &Captures::new());
        matches!(content_type, Some(Datum::Text(text)) if text.starts_with(b"application/grpc"))
    }

    fn header(&self, name: &str, read: impl Fn(&[u8]) -> Option<Datum>) -> Found {
        Found::of_one(&self.request.header(name).collect::<Vec<_>>(), read)
    }

    fn query(&self, name: &str) -> Found {
        let named = |p: &&crate::normalise::Parameter| p.name.as_deref() == Some(name.as_bytes());
        let mut given = self.request.parameters.iter().filter(named);
        match (given.next(), given.next()) {
            (None, _) => Found::absent(),
            (Some(one), None) => Found::typed(one.value.clone().map(Datum::Text)),
            (Some(_), Some(_)) => Found::ill_typed(),
        }
    }

    fn claim(&self, name: &str) -> Found {
        let Some(token) = self.credentials.token.valid() else {
            return Found::absent();
        };
        let issuer = self.policy.issuers.get(token.issuer);
        let Some(claim) = issuer.and_then(|issuer| issuer.claims.iter().find(|c| c.name == name)) else {
            return Found::absent();
        };
        let found = match walk(&token.claims, &claim.path) {
            None => Found::absent(),
            Some(json) => {
                let ty = self.policy.type_of(&Fact::Claim(name.to_string()));
                let lone = match json {
                    Json::String(text) if ty == Type::Set && claim.or_string => {
                        Some(Datum::Set([text.clone().into_bytes()].into()))
                    }
                    _ => None,
                };
                Found::typed(lone.or_else(|| Datum::from_json(json, ty)))
            }
        };
        found.or_default(claim.default.as_ref())
    }

    fn scopes(&self) -> Found {
        let Some(token) = self.credentials.token.valid() else {
            return Found::absent();
        };
        let Some(issuer) = self.policy.issuers.get(token.issuer) else {
            return Found::absent();
        };
        let name = match issuer.scopes {
            ScopesClaim::Scope => "scope",
            ScopesClaim::Scp => "scp",
        };
        let Some((_, json)) = token.claims.iter().find(|(member, _)| member == name) else {
            return Found::absent();
        };
        let sent = match json {
            Json::String(text) => {
                let parts = text.split(' ').filter(|part| !part.is_empty());
                Some(parts.map(|part| part.as_bytes().to_vec()).collect())
            }
            other => match Datum::from_json(other, Type::Set) {
                Some(Datum::Set(items)) => Some(items),
                _ => None,
            },
        };
        let widened = sent.map(|mut scopes: BTreeSet<Vec<u8>>| {
            for (scope, implied) in &issuer.implies {
                if scopes.contains(scope.as_bytes()) {
                    scopes.extend(implied.iter().map(|s| s.clone().into_bytes()));
                }
            }
            Datum::Set(scopes)
        });
        Found::typed(widened)
    }

    fn key_field(&self, name: &str) -> Found {
        let Some(key) = self.credentials.key.valid() else {
            return Found::absent();
        };
        let set = self.policy.keys.get(key.set);
        let Some(field) = set.and_then(|set| set.fields.iter().find(|field| field.name == name)) else {
            return Found::absent();
        };
        let sent = key.fields.iter().find(|(member, _)| member == name);
        let found = sent.map_or_else(Found::absent, |(_, json)| {
            Found::typed(Datum::from_json(json, field.ty))
        });
        found.or_default(field.default.as_ref())
    }

    fn peer(&self, part: PeerFact) -> Found {
        let Some(peer) = self.credentials.peer.valid() else {
            return Found::absent();
        };
        let certificate = &peer.certificate;
        let text = match part {
            PeerFact::Spiffe => &certificate.spiffe,
            PeerFact::Subject => &certificate.subject,
            PeerFact::Fingerprint => &certificate.fingerprint,
            PeerFact::Dns if certificate.dns.is_empty() => return Found::absent(),
            PeerFact::Dns => {
                let names = certificate
                    .dns
                    .iter()
                    .map(|name| name.clone().into_bytes())
                    .collect();
                return Found::known(Datum::Set(names));
            }
        };
        text.as_deref().map_or_else(Found::absent, Found::text)
    }

    fn context_fact(&self, name: &str) -> Found {
        let Some(declared) = self.policy.context.iter().find(|fact| fact.name == name) else {
            return Found::absent();
        };
        let Context::Members(members) = &self.context else {
            return Found {
                state: State::IllTyped,
                sent: false,
            };
        };
        let mut given = members.iter().filter(|(member, _)| member == name);
        match (given.next(), given.next()) {
            (None, _) => Found::absent().or_default(declared.default.as_ref()),
            (Some((_, json)), None) => Found::typed(Datum::from_json(json, declared.ty)),
            (Some(_), Some(_)) => Found::ill_typed(),
        }
    }

    fn trusted(&self, name: &str) -> Found {
        let trust = &self.policy.trust;
        let from_trusted_hop = self.socket.is_some_and(|socket| is_trusted(trust, socket));
        match trust.headers.iter().find(|header| header.name == name) {
            Some(header) if from_trusted_hop => {
                self.header(&header.header, |value| Datum::from_text(value, header.ty))
            }
            _ => Found::absent(),
        }
    }
}

fn context(vector: &Vector) -> Context {
    let Some(text) = &vector.context else {
        return Context::Members(Vec::new());
    };
    match json::parse(text.get().as_bytes()) {
        Ok(Json::Object(members)) if text.get().len() <= 65_536 => Context::Members(members),
        _ => Context::Unreadable,
    }
}

/// Walks objects; a missing member or a non-object on the way is absent.
fn walk<'j>(claims: &'j [(String, Json)], path: &[String]) -> Option<&'j Json> {
    let (first, rest) = path.split_first()?;
    let mut at = claims
        .iter()
        .find(|(name, _)| name == first)
        .map(|(_, json)| json)?;
    for step in rest {
        let Json::Object(members) = at else { return None };
        at = members
            .iter()
            .find(|(name, _)| name == step)
            .map(|(_, json)| json)?;
    }
    Some(at)
}

/// The essence in lower case.
fn media_type(value: &[u8]) -> Option<Vec<u8>> {
    let essence = trim(value.split(|b| *b == b';').next()?).to_ascii_lowercase();
    let slash = essence.iter().position(|b| *b == b'/')?;
    (is_token(essence.get(..slash)?) && is_token(essence.get(slash + 1..)?)).then_some(essence)
}
