//! Slots of the policy -> typed values of this request. A value that is absent, ill-typed, or given twice is unknown;
//! what `exists` sees is told apart. Knows no rules and no operators.

mod client_ip;
mod reads;
#[cfg(test)]
mod tests;

pub use reads::{Reads, claims_read};

use crate::data::Data;
use crate::identity::claims::{fetched, json_field, json_member, text_set};
use crate::identity::{Credentials, Token};
use crate::image::config::{Config, Issuer, JsonField, SegmentKind, Source, Type, ValueForm};
use crate::image::ids::Slot;
use crate::limits;
use crate::request::{Canonical, ContentType, Form, Param, hop};
use crate::value::json::Json;
use crate::value::{Arena, Fetched, List, Value, address, text};
use crate::view::RequestView;
use client_ip::ClientIp;
use std::cell::OnceCell;
use std::net::IpAddr;

/// Why a fact is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Unknown {
    /// Nothing was sent, and there is no default.
    Absent,
    /// Something was sent that is no value of the fact's type.
    IllTyped,
    /// More than one value was sent where one is expected.
    Twice,
}

impl Unknown {
    /// As verdicts write it.
    pub fn code(self) -> &'static str {
        match self {
            Unknown::Absent => "absent",
            Unknown::IllTyped => "ill_typed",
            Unknown::Twice => "twice",
        }
    }
}

/// All facts of one request.
#[derive(Clone, Debug)]
pub(crate) struct Facts<'a> {
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
    /// While a response is checked.
    response: Option<&'a Json<'a>>,
}

impl<'a> Facts<'a> {
    /// Reads nothing twice: what several facts need is prepared here.
    pub(crate) fn new(
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
            response: None,
        }
    }

    /// The same with the members of a response.
    pub(crate) fn with_response(self, response: &'a Json<'a>) -> Facts<'a> {
        Facts {
            response: Some(response),
            ..self
        }
    }

    /// [`Value::text`], for those who hold facts.
    pub(crate) fn text(&self, value: &Value<'a>) -> &'a [u8] {
        value.text(self.arena)
    }

    /// The fact of a slot; a slot that is none is absent.
    pub(crate) fn fetch(&self, slot: Slot) -> Fetched<'a> {
        match self.config.sources.get(slot.index()) {
            None => Fetched::ABSENT,
            Some(Source::Cell { .. }) => self.cell(slot),
            Some(source) => self.plain(source),
        }
    }

    /// Why the fact of a slot is unknown, if it is. For explanations.
    #[cold]
    pub(crate) fn unknown(&self, slot: Slot) -> Option<Unknown> {
        let fetched = self.fetch(slot);
        if fetched.value.is_some() {
            return None;
        }
        if !fetched.sent {
            return Some(Unknown::Absent);
        }
        let header = |name: &str| self.canonical.header_values(name).nth(1).is_some();
        let twice = match self.config.sources.get(slot.index()) {
            Some(Source::Header(name)) => header(name),
            Some(Source::Cookie(name)) => self.canonical.cookie_values(name).nth(1).is_some(),
            Some(Source::Query(name)) => self.given(name).nth(1).is_some(),
            Some(Source::Size) => header("content-length"),
            Some(Source::Trusted(index)) => {
                let trusted = self.config.trusted.get(*index as usize);
                trusted.is_some_and(|(name, ..)| header(name))
            }
            _ => false,
        };
        Some(if twice { Unknown::Twice } else { Unknown::IllTyped })
    }

    /// Cells may be keyed by cells; slots fall, so both ways end.
    fn cell(&self, slot: Slot) -> Fetched<'a> {
        let mut cells = List::new_in(self.arena);
        let mut at = slot;
        while let Some(Source::Cell { table, key, column }) = self.config.sources.get(at.index()) {
            if *key >= at {
                return Fetched::ABSENT;
            }
            cells.push((*table, *column));
            at = *key;
        }
        let Some(source) = self.config.sources.get(at.index()) else {
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
            Source::Host => bytes(Some(self.canonical.host.as_bytes()).filter(|host| !host.is_empty())),
            Source::HostLabel => bytes(self.canonical.host.split('.').next().map(str::as_bytes)),
            Source::Port => Fetched::sent(Some(Value::Int(self.canonical.port.into()))),
            Source::Path => bytes(self.canonical.decoded_path()),
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
            Source::Claim(claim) => self.claim(self.credentials.token(), &self.config.issuers, *claim),
            Source::BesideClaim(issuer, claim) => {
                let token = self.credentials.beside(*issuer as usize);
                self.claim(token, &self.config.beside, *claim)
            }
            Source::Scopes => self.scopes(),
            Source::KeyId => bytes(self.credentials.key().map(|key| key.id.as_bytes())),
            Source::KeyField(field) => self.key_field(*field),
            Source::PeerSpiffe => bytes(self.credentials.peer().and_then(|peer| peer.certificate.spiffe())),
            Source::PeerDns => {
                let names = self
                    .credentials
                    .peer()
                    .map(|peer| peer.certificate.dns())
                    .filter(|dns| !dns.is_empty());
                match names {
                    Some(names) if names.len() > limits::SET_ELEMENTS => Fetched::ILL,
                    names => Fetched::present(names.map(Value::Set)),
                }
            }
            Source::PeerSubject => bytes(
                self.credentials
                    .peer()
                    .and_then(|peer| peer.certificate.subject()),
            ),
            Source::PeerFingerprint => bytes(
                self.credentials
                    .peer()
                    .and_then(|peer| peer.certificate.fingerprint()),
            ),
            Source::SignatureName => {
                let name = self
                    .credentials
                    .signature()
                    .and_then(|index| self.config.signatures.get(index));
                bytes(name.map(|scheme| scheme.name.as_bytes()))
            }
            Source::Context(index) => self.context(*index),
            Source::Trusted(index) => self.trusted(*index),
            // Resolved by `fetch`.
            Source::Cell { .. } => Fetched::ABSENT,
            Source::Now => Fetched::present(self.now_us.map(Value::Int)),
            Source::Response(path, ty) => {
                let member = self
                    .response
                    .and_then(|json| json_member(json, path, *ty, self.arena));
                member.map_or(Fetched::ABSENT, Fetched::sent)
            }
        }
    }

    fn query(&self, name: &str) -> Fetched<'a> {
        once(self.given(name), |param| Some(Value::Bytes(param.value?)))
    }

    /// The parameters of a name.
    fn given(&self, name: &str) -> impl Iterator<Item = &'a Param<'a>> {
        let params = self.canonical.params().iter();
        params.filter(move |param| param.name == Some(name.as_bytes()))
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

    fn claim(&self, token: Option<&Token<'a>>, issuers: &'a [Issuer], claim: u32) -> Fetched<'a> {
        let Some(token) = token else {
            return Fetched::ABSENT;
        };
        let (Some(issuer), Some((name, ty))) =
            (issuers.get(token.issuer), self.config.claims.get(claim as usize))
        else {
            return Fetched::ABSENT;
        };
        match issuer.claims.iter().find(|declared| declared.claim == claim) {
            Some(declared) => token.claims.fetch(declared, name, *ty, self.arena),
            None => Fetched::ABSENT,
        }
    }

    fn scopes(&self) -> Fetched<'a> {
        let Some(token) = self.credentials.token() else {
            return Fetched::ABSENT;
        };
        match self.config.issuers.get(token.issuer) {
            Some(issuer) => token.claims.scopes(issuer, self.arena),
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
        let (Some((_, place)), Some((_, ty))) = (
            declared.iter().find(|(declared, _)| *declared == field),
            self.config.key_fields.get(field as usize),
        ) else {
            return Fetched::ABSENT;
        };
        self.handed_over(Some(&key.fields), place, *ty)
    }

    fn context(&self, index: u32) -> Fetched<'a> {
        match self.config.context.get(index as usize) {
            Some(fact) => {
                let context = self.context.get_or_init(|| {
                    Json::object_or_none(self.view.context, limits::CONTEXT_BYTES, self.arena)
                });
                self.handed_over(context.as_ref(), &fact.field, fact.ty)
            }
            None => Fetched::ABSENT,
        }
    }

    fn trusted(&self, index: u32) -> Fetched<'a> {
        let trusted_hop = self.is_from_trusted_hop();
        match self.config.trusted.get(index as usize) {
            Some((name, ty, form)) if trusted_hop => once(self.canonical.header_values(name), |value| {
                header_value(value, *ty, *form, self.arena)
            }),
            _ => Fetched::ABSENT,
        }
    }

    /// Whether a trusted proxy sent the request.
    pub(crate) fn is_from_trusted_hop(&self) -> bool {
        self.socket
            .is_some_and(|socket| hop::is_proxy(self.config, socket))
    }

    /// A member of an object that the host handed over; no object is ill-typed, and `exists` false.
    fn handed_over(&self, object: Option<&Json<'a>>, field: &'a JsonField, ty: Type) -> Fetched<'a> {
        match object {
            Some(object) => fetched(json_field(object, field, ty, self.arena), field, self.arena),
            None => Fetched::ABSENT,
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
    Some(Value::Bytes(text))
}

fn bytes(text: Option<&[u8]>) -> Fetched<'_> {
    Fetched::present(text.and_then(string))
}

/// A trusted header's text as a type; headers carry no instants.
fn header_value<'a>(value: &'a [u8], ty: Type, form: ValueForm, arena: &'a Arena) -> Option<Value<'a>> {
    match ty {
        Type::Bool => match value {
            b"true" => Some(Value::Bool(true)),
            b"false" => Some(Value::Bool(false)),
            _ => None,
        },
        Type::Int => text::int(value).map(Value::Int),
        Type::String => string(value),
        Type::Ip => address::parse(value).map(Value::Ip),
        Type::Set => text_set(value, form, arena),
        Type::Instant => None,
    }
}
