//! Slots of the policy -> typed values of this request. A value that is absent, ill-typed, or given twice is unknown;
//! what `exists` sees is told apart. Knows no rules and no operators.

use super::client_ip::{self, ClientIp};
use super::credentials::{Credentials, object_or_none};
use super::headers::ContentType;
use super::json::{Item, Json, Member};
use super::{Canonical, Form, address, text};
use crate::canary::canary;
use crate::data::Data;
use crate::image::config::{Config, Literal, SegmentKind, Slot, Source, Type};
use crate::limits;
use crate::request::RequestView;
use std::borrow::Cow;
use std::net::IpAddr;

/// A known value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// Bool.
    Bool(bool),
    /// Int, or instant in µs.
    Int(i64),
    /// String.
    Bytes(Cow<'a, [u8]>),
    /// Address, never IPv4-mapped.
    Ip(IpAddr),
    /// Sorted, each element once.
    Set(Vec<Cow<'a, [u8]>>),
}

/// A fact, fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
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

    fn default(default: Option<&'a Literal>) -> Fetched<'a> {
        Fetched {
            sent: false,
            value: default.map(literal),
        }
    }
}

/// The text form that quota keys, headers and samples use.
pub fn text(value: &Value<'_>) -> Option<Vec<u8>> {
    Some(match value {
        Value::Bool(value) => value.to_string().into_bytes(),
        Value::Int(value) => value.to_string().into_bytes(),
        Value::Bytes(value) => value.to_vec(),
        Value::Ip(value) => value.to_string().into_bytes(),
        Value::Set(elements) => elements.join(&b' '),
    })
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
    client_ip: ClientIp,
    socket: Option<IpAddr>,
    /// `None` where it is no JSON object: then all its facts are ill-typed.
    context: Option<Json<'a>>,
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
    ) -> Facts<'a> {
        let client_ip = client_ip::find(config, view.socket_peer, canonical);
        let socket = view.socket_peer.map(address::unmapped);
        let context = object_or_none(view.context, limits::CONTEXT_BYTES);
        Facts {
            config,
            data,
            view,
            canonical,
            credentials,
            now_us,
            client_ip,
            socket,
            context,
        }
    }

    /// [`text()`], for those who hold facts.
    pub fn text(value: &Value<'_>) -> Option<Vec<u8>> {
        text(value)
    }

    /// The fact of a slot; a slot that is none is absent.
    pub fn fetch(&self, slot: Slot) -> Fetched<'a> {
        // Cells may be keyed by cells; slots fall, so this ends.
        let mut cells = Vec::new();
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
            let key = fetched.value.as_ref().and_then(text);
            fetched = Fetched::present(key.and_then(|key| self.data.cell(table, &key, column)));
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
                Form::Path { path, .. } => bytes(Some(path.as_bytes())),
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
            Source::Sni => Fetched::present(
                self.view
                    .sni
                    .map(|name| Value::Bytes(Cow::Owned(name.to_ascii_lowercase()))),
            ),
            Source::Segment {
                index,
                prefix,
                suffix,
                kind,
            } => self.segment(*index, *prefix, *suffix, *kind),
            Source::Rest { index } => self.rest(*index),
            Source::ClientIp => match self.client_ip {
                ClientIp::Absent => Fetched::ABSENT,
                ClientIp::Ill => Fetched::ILL,
                ClientIp::Known(address) => Fetched::sent(Some(Value::Ip(address))),
            },
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
                Fetched::present(names.map(|dns| set(dns.iter().map(|name| Cow::Borrowed(*name)).collect())))
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
            .params
            .iter()
            .filter(|param| param.name.as_deref() == Some(name.as_bytes()));
        let value =
            |param: &'a super::query::Param<'a>| Some(Value::Bytes(Cow::Borrowed(param.value.as_deref()?)));
        once(named, value)
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
            SegmentKind::Uuid => Some(Value::Bytes(Cow::Owned(captured.to_ascii_lowercase()))),
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
        let mut rest = below.join(&b'/');
        if *trailing_slash && !below.is_empty() {
            rest.push(b'/');
        }
        Fetched::sent(Some(Value::Bytes(Cow::Owned(rest))))
    }

    fn segments(&self) -> &'a [Cow<'a, [u8]>] {
        match &self.canonical.form {
            Form::Path { segments, .. } => segments,
            Form::NoPath { .. } => &[],
        }
    }

    fn claim(&self, claim: u32) -> Fetched<'a> {
        let Some(token) = self.credentials.token() else {
            return Fetched::ABSENT;
        };
        let (Some(issuer), Some((_, ty))) = (
            self.config.issuers.get(token.issuer),
            self.config.claims.get(claim as usize),
        ) else {
            return Fetched::ABSENT;
        };
        let Some(declared) = issuer.claims.iter().find(|declared| declared.claim == claim) else {
            return Fetched::ABSENT;
        };
        let mut item = token.claims.object();
        for step in &declared.path {
            item = item.and_then(|object| match object.member(step.as_bytes()) {
                Member::Once(value) => Some(value),
                // The whole token is refused where a member is given twice.
                Member::Absent | Member::Twice => None,
            });
        }
        match item {
            Some(item) => {
                let sent = Fetched::sent(typed(item, *ty, declared.or_string));
                canary!(
                    DefaultIllTyped,
                    if sent.value.is_some() {
                        sent
                    } else {
                        Fetched::default(declared.default.as_ref())
                    },
                    sent
                )
            }
            None => Fetched::default(declared.default.as_ref()),
        }
    }

    fn scopes(&self) -> Fetched<'a> {
        let Some(token) = self.credentials.token() else {
            return Fetched::ABSENT;
        };
        let Some(issuer) = self.config.issuers.get(token.issuer) else {
            return Fetched::ABSENT;
        };
        let member = token
            .claims
            .object()
            .map(|claims| claims.member(issuer.scopes_member.as_bytes()));
        let Some(Member::Once(item)) = member else {
            return Fetched::ABSENT;
        };
        let given = match (item.string(), item.strings()) {
            (Some(Cow::Borrowed(text)), _) => split_scopes(text).map(Cow::Borrowed).collect(),
            (Some(Cow::Owned(text)), _) => split_scopes(&text)
                .map(|scope| Cow::Owned(scope.to_vec()))
                .collect(),
            (None, Some(scopes)) => scopes,
            (None, None) => return Fetched::ILL,
        };
        let mut scopes = given.clone();
        for scope in &given {
            let found = issuer
                .implies
                .binary_search_by(|(from, _)| from.as_bytes().cmp(scope));
            if let Some((_, implied)) = found.ok().and_then(|at| issuer.implies.get(at)) {
                scopes.extend(implied.iter().map(|scope| Cow::Borrowed(scope.as_bytes())));
            }
        }
        Fetched::sent(Some(set(scopes)))
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
        handed_over(Some(&key.fields), name, *ty, default.as_ref())
    }

    fn context(&self, index: u32) -> Fetched<'a> {
        match self.config.context.get(index as usize) {
            Some(fact) => handed_over(self.context.as_ref(), &fact.name, fact.ty, fact.default.as_ref()),
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
    Some(Value::Bytes(Cow::Borrowed(text)))
}

fn bytes(text: Option<&[u8]>) -> Fetched<'_> {
    Fetched::present(text.and_then(string))
}

fn set(mut elements: Vec<Cow<'_, [u8]>>) -> Value<'_> {
    elements.sort_unstable();
    elements.dedup();
    Value::Set(elements)
}

fn split_scopes(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|b| *b == b' ').filter(|scope| !scope.is_empty())
}

fn literal(literal: &Literal) -> Value<'_> {
    match literal {
        Literal::Bool(value) => Value::Bool(*value),
        Literal::Int(value) => Value::Int(*value),
        Literal::String(value) => Value::Bytes(Cow::Borrowed(value.as_bytes())),
        Literal::Ip(value) => Value::Ip(*value),
        Literal::Set(elements) => set(elements
            .iter()
            .map(|element| Cow::Borrowed(element.as_bytes()))
            .collect()),
    }
}

/// A member of an object that the host handed over; no object is ill-typed, and `exists` false.
fn handed_over<'a>(
    object: Option<&Json<'a>>,
    name: &str,
    ty: Type,
    default: Option<&'a Literal>,
) -> Fetched<'a> {
    let Some(object) = object.and_then(Json::object) else {
        return Fetched::ABSENT;
    };
    match object.member(name.as_bytes()) {
        Member::Absent => Fetched::default(default),
        Member::Once(item) => Fetched::sent(typed(item, ty, false)),
        Member::Twice => Fetched::ILL,
    }
}

/// JSON as a type. Instants are whole seconds.
fn typed<'a>(item: Item<'_, 'a>, ty: Type, or_string: bool) -> Option<Value<'a>> {
    match ty {
        Type::Bool => item.bool().map(Value::Bool),
        Type::Int => item.int().map(Value::Int),
        Type::Instant => item
            .int()
            .and_then(|seconds| seconds.checked_mul(1_000_000))
            .map(Value::Int),
        Type::String => item.string().map(Value::Bytes),
        Type::Ip => address::parse(&item.string()?).map(Value::Ip),
        Type::Set => match item.string() {
            Some(lone) if or_string => Some(set(vec![lone])),
            _ => item.strings().map(set),
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
