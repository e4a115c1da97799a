//! Slots of the policy -> typed values of this request. A value that is absent, ill-typed, or given twice is unknown;
//! what `exists` sees is told apart. Knows no rules and no operators.

use super::client_ip::{self, ClientIp};
use super::credentials::{Claims, Credentials, object_or_none};
use super::headers::ContentType;
use super::json::{Item, Json, Member};
use super::{Arena, Canonical, Form, List, Text, address, text};
use crate::data::Data;
use crate::image::config::{Config, Issuer, IssuerClaim, Literal, SegmentKind, Slot, Source, Type};
use crate::limits;
use crate::request::{Claim, RequestView};
use std::cell::OnceCell;
use std::fmt::Write as _;
use std::net::IpAddr;

/// A known value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// Bool.
    Bool(bool),
    /// Int, or instant in µs.
    Int(i64),
    /// String.
    Bytes(&'a [u8]),
    /// Address, never IPv4-mapped.
    Ip(IpAddr),
    /// In any order; an element may stand there more than once.
    Set(&'a [&'a [u8]]),
}

/// A fact, fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fetched<'a> {
    /// What `exists` sees: any value was sent, good or not; defaults are not sent.
    pub sent: bool,
    /// `None` is unknown.
    pub value: Option<Value<'a>>,
}

impl<'a> Fetched<'a> {
    const ABSENT: Fetched<'a> = Fetched {
        sent: false,
        value: None,
    };
    const ILL: Fetched<'a> = Fetched {
        sent: true,
        value: None,
    };

    fn sent(value: Option<Value<'a>>) -> Fetched<'a> {
        Fetched { sent: true, value }
    }

    /// Absent where there is none.
    fn present(value: Option<Value<'a>>) -> Fetched<'a> {
        Fetched {
            sent: value.is_some(),
            value,
        }
    }

    fn default(default: Option<&'a Literal>, arena: &'a Arena) -> Fetched<'a> {
        Fetched {
            sent: false,
            value: default.map(|default| literal(default, arena)),
        }
    }
}

/// The text form that quota keys, headers and samples use; a set's elements sorted, each once.
pub fn text<'a>(value: &Value<'a>, arena: &'a Arena) -> &'a [u8] {
    let written = |value: &dyn std::fmt::Display| {
        let mut text = Text::new_in(arena);
        // Writing into a text does not fail.
        let _ = write!(text, "{value}");
        text.into_bump_str().as_bytes()
    };
    match value {
        Value::Bool(true) => b"true",
        Value::Bool(false) => b"false",
        Value::Int(value) => written(value),
        Value::Bytes(value) => value,
        Value::Ip(value) => written(value),
        Value::Set(elements) => {
            let mut sorted = List::new_in(arena);
            sorted.extend_from_slice_copy(elements);
            crate::order::sort(&mut sorted);
            sorted.dedup();
            join(&sorted, b' ', arena)
        }
    }
}

fn join<'a>(parts: &[&[u8]], separator: u8, arena: &'a Arena) -> &'a [u8] {
    let mut joined = List::new_in(arena);
    for (at, part) in parts.iter().enumerate() {
        if at > 0 {
            joined.push(separator);
        }
        joined.extend_from_slice_copy(part);
    }
    joined.into_bump_slice()
}

/// All facts of one request.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    config: &'a Config,
    data: &'a Data,
    view: &'a RequestView<'a>,
    canonical: &'a Canonical<'a>,
    credentials: &'a Credentials<'a>,
    now_us: Option<i64>,
    arena: &'a Arena,
    socket: Option<IpAddr>,
    /// Once somebody has asked.
    client_ip: OnceCell<ClientIp>,
    /// Once somebody has asked; `None` where it is no JSON object: then all its facts are ill-typed.
    context: OnceCell<Option<Json<'a>>>,
}

impl<'a> Facts<'a> {
    /// Reads nothing twice: what several facts need is prepared here.
    pub fn new(
        config: &'a Config,
        data: &'a Data,
        view: &'a RequestView<'a>,
        canonical: &'a Canonical<'a>,
        credentials: &'a Credentials<'a>,
        now_us: Option<i64>,
        arena: &'a Arena,
    ) -> Facts<'a> {
        Facts {
            config,
            data,
            view,
            canonical,
            credentials,
            now_us,
            arena,
            socket: view.socket_peer.map(address::unmapped),
            client_ip: OnceCell::new(),
            context: OnceCell::new(),
        }
    }

    /// Where its values may be written.
    pub fn arena(&self) -> &'a Arena {
        self.arena
    }

    /// [`text()`], for those who hold facts.
    pub fn text(&self, value: &Value<'a>) -> &'a [u8] {
        text(value, self.arena)
    }

    /// The fact of a slot; a slot that is none is absent.
    pub fn fetch(&self, slot: Slot) -> Fetched<'a> {
        match self.config.sources.get(slot as usize) {
            None => Fetched::ABSENT,
            Some(Source::Cell { .. }) => self.cell(slot),
            Some(source) => self.plain(source),
        }
    }

    /// Cells may be keyed by cells; slots fall, so both ways end.
    fn cell(&self, slot: Slot) -> Fetched<'a> {
        let mut cells = List::new_in(self.arena);
        let mut at = slot;
        while let Some(Source::Cell { table, key, column }) = self.config.sources.get(at as usize) {
            if *key >= at {
                return Fetched::ABSENT;
            }
            cells.push((*table, *column));
            at = *key;
        }
        let Some(source) = self.config.sources.get(at as usize) else {
            return Fetched::ABSENT;
        };
        let mut fetched = self.plain(source);
        for (table, column) in cells.into_iter().rev() {
            let key = fetched.value.as_ref().map(|key| self.text(key));
            fetched = Fetched::present(key.and_then(|key| self.data.cell(table, key, column)));
        }
        fetched
    }

    fn plain(&self, source: &'a Source) -> Fetched<'a> {
        match source {
            Source::Method => bytes(Some(self.canonical.method)),
            Source::Scheme => bytes(Some(self.canonical.scheme.as_bytes())),
            Source::Host => bytes(Some(self.canonical.host.as_bytes())),
            Source::Port => Fetched::sent(Some(Value::Int(self.canonical.port.into()))),
            Source::Path => match &self.canonical.form {
                Form::Path { path, .. } => bytes(Some(path)),
                Form::NoPath { .. } => Fetched::ABSENT,
            },
            Source::Query(name) => self.query(name),
            Source::Header(name) => once(self.canonical.header_values(name), string),
            Source::Cookie(name) => once(self.canonical.cookie_values(name), string),
            Source::Size => once(self.canonical.header_values("content-length"), |length| {
                text::is_decimal(length)
                    .then(|| text::int(length))
                    .flatten()
                    .map(Value::Int)
            }),
            Source::ContentType => match &self.canonical.content_type {
                ContentType::Absent => Fetched::ABSENT,
                ContentType::Ill => Fetched::ILL,
                ContentType::Known(essence) => bytes(Some(essence.as_bytes())),
            },
            Source::Protocol => bytes(Some(self.view.protocol).filter(|protocol| !protocol.is_empty())),
            Source::Sni => Fetched::present(self.view.sni.map(|name| self.lower(name))),
            Source::Segment {
                index,
                prefix,
                suffix,
                kind,
            } => self.segment(*index, *prefix, *suffix, *kind),
            Source::Rest { index } => self.rest(*index),
            Source::ClientIp => {
                let client_ip = self.client_ip.get_or_init(|| {
                    client_ip::find(self.config, self.view.socket_peer, self.canonical, self.arena)
                });
                match client_ip {
                    ClientIp::Absent => Fetched::ABSENT,
                    ClientIp::Ill => Fetched::ILL,
                    ClientIp::Known(address) => Fetched::sent(Some(Value::Ip(*address))),
                }
            }
            Source::ConnectionIp => Fetched::present(self.socket.map(Value::Ip)),
            Source::Claim(claim) => self.claim(*claim),
            Source::Scopes => self.scopes(),
            Source::KeyId => bytes(self.credentials.key().map(|key| key.id.as_bytes())),
            Source::KeyField(field) => self.key_field(*field),
            Source::PeerSpiffe => bytes(self.credentials.peer().and_then(|peer| peer.certificate.spiffe)),
            Source::PeerDns => {
                let names = self
                    .credentials
                    .peer()
                    .map(|peer| &peer.certificate.dns)
                    .filter(|dns| !dns.is_empty());
                match names {
                    Some(names) if names.len() > limits::SET_ELEMENTS => Fetched::ILL,
                    names => Fetched::present(names.map(|dns| Value::Set(dns))),
                }
            }
            Source::PeerSubject => bytes(self.credentials.peer().and_then(|peer| peer.certificate.subject)),
            Source::PeerFingerprint => bytes(
                self.credentials
                    .peer()
                    .and_then(|peer| peer.certificate.fingerprint),
            ),
            Source::SignatureName => {
                let name = self
                    .credentials
                    .signature()
                    .and_then(|index| self.config.signatures.get(index));
                bytes(name.map(|(name, _)| name.as_bytes()))
            }
            Source::Context(index) => self.context(*index),
            Source::Trusted(index) => self.trusted(*index),
            // Resolved by `fetch`.
            Source::Cell { .. } => Fetched::ABSENT,
            Source::Now => Fetched::present(self.now_us.map(Value::Int)),
        }
    }

    fn query(&self, name: &str) -> Fetched<'a> {
        let canonical = self.canonical;
        let named = canonical
            .params()
            .iter()
            .filter(|param| param.name == Some(name.as_bytes()));
        once(named, |param| Some(Value::Bytes(param.value?)))
    }

    fn segment(&self, index: u32, prefix: u32, suffix: u32, kind: SegmentKind) -> Fetched<'a> {
        let Some(segment) = self.segments().get(index as usize) else {
            return Fetched::ABSENT;
        };
        let end = segment.len().checked_sub(suffix as usize);
        let Some(captured) = end.and_then(|end| segment.get(prefix as usize..end)) else {
            return Fetched::ABSENT;
        };
        Fetched::sent(match kind {
            SegmentKind::Text => string(captured),
            SegmentKind::Int => text::int(captured).map(Value::Int),
            SegmentKind::Uuid => Some(self.lower(captured)),
        })
    }

    fn rest(&self, index: u32) -> Fetched<'a> {
        let Form::Path {
            segments,
            trailing_slash,
            ..
        } = &self.canonical.form
        else {
            return Fetched::ABSENT;
        };
        let below = segments.get(index as usize..).unwrap_or_default();
        let mut rest = List::new_in(self.arena);
        for (at, segment) in below.iter().enumerate() {
            if at > 0 {
                rest.push(b'/');
            }
            rest.extend_from_slice_copy(segment);
        }
        if *trailing_slash && !below.is_empty() {
            rest.push(b'/');
        }
        Fetched::sent(Some(Value::Bytes(rest.into_bump_slice())))
    }

    fn lower(&self, bytes: &'a [u8]) -> Value<'a> {
        if !bytes.iter().any(u8::is_ascii_uppercase) {
            return Value::Bytes(bytes);
        }
        let copy = self.arena.alloc_slice_copy(bytes);
        copy.make_ascii_lowercase();
        Value::Bytes(copy)
    }

    fn segments(&self) -> &'a [&'a [u8]] {
        match &self.canonical.form {
            Form::Path { segments, .. } => segments,
            Form::NoPath { .. } => &[],
        }
    }

    fn claim(&self, claim: u32) -> Fetched<'a> {
        let Some(token) = self.credentials.token() else {
            return Fetched::ABSENT;
        };
        let (Some(issuer), Some((name, ty))) = (
            self.config.issuers.get(token.issuer),
            self.config.claims.get(claim as usize),
        ) else {
            return Fetched::ABSENT;
        };
        let Some(declared) = issuer.claims.iter().find(|declared| declared.claim == claim) else {
            return Fetched::ABSENT;
        };
        let sent = match &token.claims {
            Claims::Json(claims) => json_claim(claims, declared, *ty, self.arena),
            Claims::Known(token) => token.claim(claim, self.arena),
            Claims::Split(claims) => match only(claims, name) {
                Some(Ok(claim)) => Some(self.split_claim(claim, *ty, declared.or_string)),
                Some(Err(GivenTwice)) => Some(None),
                None => None,
            },
        };
        let default = || Fetched::default(declared.default.as_ref(), self.arena);
        match sent {
            Some(value) => Fetched::sent(value),
            None => default(),
        }
    }

    fn split_claim(&self, claim: &Claim<'a>, ty: Type, or_string: bool) -> Option<Value<'a>> {
        match (ty, claim) {
            (Type::Bool, Claim::Bool(value)) => Some(Value::Bool(*value)),
            (Type::Int, Claim::Int(value)) => Some(Value::Int(*value)),
            (Type::Instant, Claim::Int(seconds)) => seconds.checked_mul(1_000_000).map(Value::Int),
            (Type::String, Claim::Text(text)) => Some(Value::Bytes(text.as_bytes())),
            (Type::Ip, Claim::Text(text)) => address::parse(text.as_bytes()).map(Value::Ip),
            (Type::Set, Claim::Text(lone)) if or_string => Some(self.lone(lone.as_bytes())),
            (Type::Set, Claim::Texts(texts)) if texts.len() <= limits::SET_ELEMENTS => {
                Some(Value::Set(elements(texts, self.arena)))
            }
            _ => None,
        }
    }

    fn lone(&self, element: &'a [u8]) -> Value<'a> {
        Value::Set(self.arena.alloc_slice_copy(&[element]))
    }

    fn scopes(&self) -> Fetched<'a> {
        let Some(token) = self.credentials.token() else {
            return Fetched::ABSENT;
        };
        match self.config.issuers.get(token.issuer) {
            Some(issuer) => scopes(&token.claims, issuer, self.arena),
            None => Fetched::ABSENT,
        }
    }

    fn key_field(&self, field: u32) -> Fetched<'a> {
        let Some(key) = self.credentials.key() else {
            return Fetched::ABSENT;
        };
        let declared = self
            .config
            .keys
            .get(key.keys)
            .map(|keys| keys.fields.as_slice())
            .unwrap_or_default();
        let (Some((_, default)), Some((name, ty))) = (
            declared.iter().find(|(declared, _)| *declared == field),
            self.config.key_fields.get(field as usize),
        ) else {
            return Fetched::ABSENT;
        };
        self.handed_over(Some(&key.fields), name, *ty, default.as_ref())
    }

    fn context(&self, index: u32) -> Fetched<'a> {
        match self.config.context.get(index as usize) {
            Some(fact) => {
                let context = self
                    .context
                    .get_or_init(|| object_or_none(self.view.context, limits::CONTEXT_BYTES, self.arena));
                self.handed_over(context.as_ref(), &fact.name, fact.ty, fact.default.as_ref())
            }
            None => Fetched::ABSENT,
        }
    }

    fn trusted(&self, index: u32) -> Fetched<'a> {
        let trusted_hop = self
            .socket
            .is_some_and(|socket| address::is_proxy(self.config, socket));
        match self.config.trusted.get(index as usize) {
            Some((name, ty)) if trusted_hop => once(self.canonical.header_values(name), |value| {
                header_value(value, *ty)
            }),
            _ => Fetched::ABSENT,
        }
    }

    /// A member of an object that the host handed over; no object is ill-typed, and `exists` false.
    fn handed_over(
        &self,
        object: Option<&Json<'a>>,
        name: &str,
        ty: Type,
        default: Option<&'a Literal>,
    ) -> Fetched<'a> {
        let Some(object) = object.and_then(Json::object) else {
            return Fetched::ABSENT;
        };
        match object.member(name.as_bytes()) {
            Member::Absent => Fetched::default(default, self.arena),
            Member::Once(item) => Fetched::sent(typed(item, ty, false, self.arena)),
            Member::Twice => Fetched::ILL,
        }
    }
}

/// Scopes that a token has room for before its list grows.
const SCOPES_USUAL: usize = 16;

/// The policy's name of the set of scopes, in claims that the host split.
const SCOPE: &str = "scope";

/// `None` where the claim is not there, `Some(None)` where it is ill-typed.
pub(super) fn json_claim<'a>(
    claims: &Json<'a>,
    declared: &IssuerClaim,
    ty: Type,
    arena: &'a Arena,
) -> Option<Option<Value<'a>>> {
    let mut item = claims.object();
    for step in &declared.path {
        item = item.and_then(|object| match object.member(step.as_bytes()) {
            Member::Once(value) => Some(value),
            // The whole token is refused where a member is given twice.
            Member::Absent | Member::Twice => None,
        });
    }
    item.map(|item| typed(item, ty, declared.or_string, arena))
}

/// The scopes of a token, implied ones among them.
pub(super) fn scopes<'a>(claims: &Claims<'a>, issuer: &'a Issuer, arena: &'a Arena) -> Fetched<'a> {
    let words = |text: &'a [u8]| {
        let mut scopes = List::with_capacity_in(SCOPES_USUAL, arena);
        let mut from = 0;
        let mut cut = |at| {
            scopes.extend(text.get(from..at).filter(|scope| !scope.is_empty()));
            from = at + 1;
            Some(())
        };
        text::each_place(text, b' ', &mut cut);
        cut(text.len());
        scopes.into_bump_slice() as &[_]
    };
    let given: &'a [&'a [u8]] = match claims {
        Claims::Json(claims) => {
            let member = claims
                .object()
                .map(|claims| claims.member(issuer.scopes_member.as_bytes()));
            let Some(Member::Once(item)) = member else {
                return Fetched::ABSENT;
            };
            match (item.string(), item.strings()) {
                (Some(text), _) => words(text),
                (None, Some(scopes)) => scopes,
                (None, None) => return Fetched::ILL,
            }
        }
        Claims::Known(token) => {
            return match token.scopes(arena) {
                Some(value) => Fetched::sent(value),
                None => Fetched::ABSENT,
            };
        }
        Claims::Split(claims) => match only(claims, SCOPE) {
            None => return Fetched::ABSENT,
            Some(Ok(Claim::Text(text))) if text.len() <= limits::CLAIMS_BYTES => words(text.as_bytes()),
            Some(Ok(Claim::Texts(texts))) if texts.len() <= limits::SET_ELEMENTS => elements(texts, arena),
            Some(_) => return Fetched::ILL,
        },
    };
    if issuer.implies.is_empty() {
        return Fetched::sent(Some(Value::Set(given)));
    }
    // Each once: a hostile token repeats a scope that implies many.
    let mut scopes = List::with_capacity_in(given.len(), arena);
    scopes.extend_from_slice_copy(given);
    crate::order::sort(&mut scopes);
    scopes.dedup();
    for at in 0..scopes.len() {
        let Some(scope) = scopes.get(at).copied() else {
            break;
        };
        let found = issuer
            .implies
            .binary_search_by(|(from, _)| from.as_bytes().cmp(scope));
        if let Some((_, implied)) = found.ok().and_then(|at| issuer.implies.get(at)) {
            scopes.extend(implied.iter().map(|scope| scope.as_bytes()));
        }
    }
    Fetched::sent(Some(Value::Set(scopes.into_bump_slice())))
}

fn elements<'a>(texts: &[&'a str], arena: &'a Arena) -> &'a [&'a [u8]] {
    arena.alloc_slice_fill_iter(texts.iter().map(|text| text.as_bytes()))
}

/// One name, several values.
struct GivenTwice;

/// The claim of a name, where it is given once.
fn only<'c, 'a>(claims: &'c [(&'a str, Claim<'a>)], name: &str) -> Option<Result<&'c Claim<'a>, GivenTwice>> {
    let mut found = claims.iter().filter(|(given, _)| *given == name);
    match (found.next(), found.next()) {
        (None, _) => None,
        (Some((_, claim)), None) => Some(Ok(claim)),
        (Some(_), Some(_)) => Some(Err(GivenTwice)),
    }
}

/// A fact that may come once.
fn once<'a, T>(mut given: impl Iterator<Item = T>, read: impl FnOnce(T) -> Option<Value<'a>>) -> Fetched<'a> {
    match (given.next(), given.next()) {
        (None, _) => Fetched::ABSENT,
        (Some(only), None) => Fetched::sent(read(only)),
        (Some(_), Some(_)) => Fetched::ILL,
    }
}

fn string(text: &[u8]) -> Option<Value<'_>> {
    Some(Value::Bytes(text))
}

fn bytes(text: Option<&[u8]>) -> Fetched<'_> {
    Fetched::present(text.and_then(string))
}

fn literal<'a>(literal: &'a Literal, arena: &'a Arena) -> Value<'a> {
    match literal {
        Literal::Bool(value) => Value::Bool(*value),
        Literal::Int(value) => Value::Int(*value),
        Literal::String(value) => Value::Bytes(value.as_bytes()),
        Literal::Ip(value) => Value::Ip(*value),
        Literal::Set(elements) => {
            Value::Set(arena.alloc_slice_fill_iter(elements.iter().map(|element| element.as_bytes())))
        }
    }
}

/// JSON as a type. Instants are whole seconds.
fn typed<'a>(item: Item<'_, 'a>, ty: Type, or_string: bool, arena: &'a Arena) -> Option<Value<'a>> {
    match ty {
        Type::Bool => item.bool().map(Value::Bool),
        Type::Int => item.int().map(Value::Int),
        Type::Instant => item
            .int()
            .and_then(|seconds| seconds.checked_mul(1_000_000))
            .map(Value::Int),
        Type::String => item.string().map(Value::Bytes),
        Type::Ip => address::parse(item.string()?).map(Value::Ip),
        Type::Set => match item.string() {
            Some(lone) if or_string => Some(Value::Set(arena.alloc_slice_copy(&[lone]))),
            _ => item.strings().map(Value::Set),
        },
    }
}

/// A trusted header's text as a type; headers carry no sets and no instants.
fn header_value(value: &[u8], ty: Type) -> Option<Value<'_>> {
    match ty {
        Type::Bool => match value {
            b"true" => Some(Value::Bool(true)),
            b"false" => Some(Value::Bool(false)),
            _ => None,
        },
        Type::Int => text::int(value).map(Value::Int),
        Type::String => string(value),
        Type::Ip => address::parse(value).map(Value::Ip),
        Type::Set | Type::Instant => None,
    }
}
