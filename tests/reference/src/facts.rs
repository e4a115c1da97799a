//! Facts with their states: absent, ill-typed (or given twice), known; and whether anything was sent, which is all
//! that `exists` asks. Sections 2 and 4. Evaluates no condition.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use portcullis_lang::model::{Fact, Issuer, PeerFact, Policy, SetForm, Type, Value};
use portcullis_vectors::Vector;

use crate::client_ip::{client_ip, is_trusted};
use crate::credentials::{Credentials, TokenFacts};
use crate::data::Data;
use crate::json::{self, Json};
use crate::normalise::{Canonical, is_token, trim};
use crate::verify::keys::Keys;

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

    /// The JSON form of a claim, a key's field or a context member, whose sets may be written as texts.
    fn from_json_as(json: &Json, ty: Type, set: SetForm) -> Option<Datum> {
        match json {
            Json::String(text) if ty == Type::Set => Datum::set_from_text(text.as_bytes(), set),
            _ => Datum::from_json(json, ty),
        }
    }

    fn set_from_text(text: &[u8], set: SetForm) -> Option<Datum> {
        match set {
            SetForm::Array => None,
            SetForm::OrString => Some(Datum::Set([text.to_vec()].into())),
            SetForm::Separated(by) => {
                let parts = text.split(|byte| char::from(*byte) == by).map(trim);
                let parts = parts.filter(|part| !part.is_empty());
                Some(Datum::Set(parts.map(<[u8]>::to_vec).collect()))
            }
        }
    }

    /// The JSON form of a table's cell, or of a fact whose sets are arrays.
    pub(crate) fn from_json(json: &Json, ty: Type) -> Option<Datum> {
        match (ty, json) {
            (Type::Bool, Json::Bool(b)) => Some(Datum::Bool(*b)),
            (Type::Int, Json::Number(text)) => parse_int(text).map(Datum::Int),
            (Type::Instant, Json::Number(text)) => seconds(text).map(Datum::Instant),
            (Type::Instant, Json::String(text)) => crate::hours::parse_strict(text).map(Datum::Instant),
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

/// An exact decimal number of seconds without exponent, in µs, rounded down.
fn seconds(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if text.contains(['e', 'E']) {
        return None;
    }
    let micros = format!("{fraction:0<6}");
    let (micros, rest) = micros.split_at(6);
    let total = i128::from(parse_int(whole)?).abs() * 1_000_000 + micros.parse::<i128>().ok()?;
    let total = match (whole.starts_with('-'), rest.bytes().any(|digit| digit != b'0')) {
        (false, _) => total,
        (true, false) => -total,
        (true, true) => -total - 1,
    };
    i64::try_from(total).ok()
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
    /// States of the kinds.
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
        keys: &Keys,
        request: &'a Canonical,
        vector: &'a Vector,
        is_body_read: bool,
    ) -> World<'a> {
        let now = vector.now.as_deref().and_then(crate::hours::parse_instant);
        let socket = vector.request.client_ip.as_deref().and_then(parse_ip);
        World {
            policy,
            data,
            request,
            vector,
            credentials: Credentials::of(policy, keys, request, vector, now, is_body_read),
            context: context(vector),
            socket,
            client: client_ip(&policy.trust, request, socket),
            now,
        }
    }

    /// Looks a fact up.
    pub(crate) fn fact(&self, fact: &Fact, captures: &Captures) -> Found {
        let request = self.request;
        match fact {
            Fact::Method => Found::text(&request.method),
            Fact::Scheme => Found::text(&request.scheme),
            Fact::Host => request.host.as_deref().map_or_else(Found::absent, Found::text),
            Fact::HostLabel(_) => {
                let label = request.host.as_deref().and_then(|host| host.split('.').next());
                label.map_or_else(Found::absent, Found::text)
            }
            Fact::Port => Found::known(Datum::Int(i64::from(request.port))),
            Fact::Path => request
                .path
                .as_ref()
                .map_or_else(Found::absent, |path| Found::text(&path.text)),
            // it presents tokens and is never a fact
            Fact::Query(name) if self.policy.presents_token(name) => Found::absent(),
            Fact::Query(name) => self.query(name),
            // what the policy sets is removed from what came in
            Fact::Header(name) if self.policy.request_headers_set.contains(name) => Found::absent(),
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
            Fact::Claim(name) => {
                let token = self.credentials.token.valid();
                self.claim(token, &self.policy.issuers, name)
            }
            Fact::BesideClaim(id, name) => {
                let token = self.credentials.beside.get(id.index());
                self.claim(token.and_then(|token| token.valid()), &self.policy.beside, name)
            }
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

    fn claim(&self, token: Option<&TokenFacts>, issuers: &[Issuer], name: &str) -> Found {
        let Some(token) = token else {
            return Found::absent();
        };
        let issuer = issuers.get(token.issuer);
        let Some(claim) = issuer.and_then(|issuer| issuer.claims.iter().find(|c| c.name == name)) else {
            return Found::absent();
        };
        let ty = self.policy.type_of(&Fact::Claim(name.to_string()));
        let seconds_only = ["exp", "nbf", "iat", "auth_time"].contains(&name);
        let found = match walk(&token.claims, &claim.path) {
            Walked::One(Json::String(_)) if seconds_only => Found::ill_typed(),
            walked => walked.read(ty, claim.set),
        };
        found.or_default(claim.default.as_ref())
    }

    /// `iss` as the token says it.
    pub(crate) fn sent_issuer(&self) -> Option<String> {
        let token = self.credentials.token.valid()?;
        token.claims.iter().find_map(|(name, json)| match json {
            Json::String(text) if name == "iss" => Some(text.clone()),
            _ => None,
        })
    }

    fn scopes(&self) -> Found {
        let Some(token) = self.credentials.token.valid() else {
            return Found::absent();
        };
        let Some(issuer) = self.policy.issuers.get(token.issuer) else {
            return Found::absent();
        };
        let Walked::One(json) = walk(&token.claims, &issuer.scopes) else {
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
        let found = walk(&key.fields, &field.path).read(field.ty, field.set);
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
        let found = walk(members, &declared.path).read(declared.ty, declared.set);
        found.or_default(declared.default.as_ref())
    }

    /// Whether a trusted proxy sent the request.
    pub(crate) fn is_from_trusted_hop(&self) -> bool {
        self.socket
            .is_some_and(|socket| is_trusted(&self.policy.trust, socket))
    }

    fn trusted(&self, name: &str) -> Found {
        let trust = &self.policy.trust;
        let from_trusted_hop = self.is_from_trusted_hop();
        match trust.headers.iter().find(|header| header.name == name) {
            Some(header) if from_trusted_hop => self.header(&header.header, |value| match header.ty {
                Type::Set => Datum::set_from_text(value, header.set),
                ty => Datum::from_text(value, ty),
            }),
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

/// What stands at the end of a path of members.
enum Walked<'j> {
    Nothing,
    One(&'j Json),
    /// Some member of the path is given twice.
    Twice,
}

impl Walked<'_> {
    fn read(&self, ty: Type, set: SetForm) -> Found {
        match self {
            Walked::Nothing => Found::absent(),
            Walked::One(json) => Found::typed(Datum::from_json_as(json, ty, set)),
            Walked::Twice => Found::ill_typed(),
        }
    }
}

/// Walks objects; a missing member or a non-object on the way is absent.
fn walk<'j>(object: &'j [(String, Json)], path: &[String]) -> Walked<'j> {
    let Some((first, rest)) = path.split_first() else {
        return Walked::Nothing;
    };
    let mut given = object.iter().filter(|(name, _)| name == first);
    match (given.next(), given.next()) {
        (None, _) => Walked::Nothing,
        (Some(_), Some(_)) => Walked::Twice,
        (Some((_, json)), None) if rest.is_empty() => Walked::One(json),
        (Some((_, Json::Object(members))), None) => walk(members, rest),
        (Some(_), None) => Walked::Nothing,
    }
}

/// The essence in lower case.
fn media_type(value: &[u8]) -> Option<Vec<u8>> {
    let essence = trim(value.split(|b| *b == b';').next()?).to_ascii_lowercase();
    let slash = essence.iter().position(|b| *b == b'/')?;
    (is_token(essence.get(..slash)?) && is_token(essence.get(slash + 1..)?)).then_some(essence)
}
