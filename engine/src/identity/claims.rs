//! A verified token's claims, in whatever form the host has them -> typed values by declaration, and scopes with those
//! that they imply. Knows no rules; whether a token is good was settled before.

use crate::image::config::{Issuer, IssuerClaim, JsonField, Literal, Type, ValueForm};
use crate::limits;
use crate::value::json::{Item, Json, Member};
use crate::value::{Arena, Fetched, List, Value, address, order, text};
use crate::view::{Claim, KnownToken};
use portcullis_base::{Detail, instant};

/// Parts of a text, as scopes, that a list has room for before it grows.
const PARTS_USUAL: usize = 16;

/// The policy's name of the set of scopes, in claims that the host split.
const SCOPE: &str = "scope";

/// The claim that binds a token to a key or certificate (RFC 7800).
const CONFIRMATION: &[u8] = b"cnf";

/// What a token says.
#[derive(Clone, Debug)]
pub(crate) enum Claims<'a> {
    /// A JSON object, read.
    Json(Json<'a>),
    /// Split by the host, by the policy's names.
    Split(&'a [(&'a str, Claim<'a>)]),
    /// Read before.
    Known(&'a KnownToken),
}

/// How much of what an issuer's clauses ask for must be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    /// What is not said is refused; else it counts as met.
    pub(crate) whole: bool,
    /// So is a missing `iss`.
    pub(crate) issuer: bool,
    /// So is a missing `exp`, unless the issuer says `no expiry`.
    pub(crate) expiry: bool,
}

impl Asked {
    /// Of a token.
    pub(crate) const ALL: Asked = Asked {
        whole: true,
        issuer: true,
        expiry: true,
    };

    /// Of what is known of an opaque token (RFC 7662, section 2.2): who tells of it is its issuer, and tells when it ended.
    pub(crate) const INTROSPECTED: Asked = Asked {
        issuer: false,
        expiry: false,
        ..Asked::ALL
    };

    /// Of claims that a test names.
    pub(crate) const NAMED: Asked = Asked {
        whole: false,
        ..Asked::INTROSPECTED
    };

    /// As much of this as an issuer whose tokens others verify asks for.
    pub(crate) fn of(self, issuer: &Issuer) -> Asked {
        match issuer.opaque && self.whole {
            true => Asked::INTROSPECTED,
            false => self,
        }
    }
}

/// What binds a token to its holder (RFC 7800).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Confirmation<'a> {
    /// Nothing.
    Absent,
    /// `x5t#S256` alone (RFC 8705, section 3.1).
    Certificate(&'a [u8]),
    /// Anything else.
    Other,
}

impl<'a> Claims<'a> {
    /// Reads a JSON object; else what is wrong with it.
    pub(crate) fn read(claims: &'a [u8], arena: &'a Arena) -> Result<Claims<'a>, Detail> {
        if claims.len() > limits::CLAIMS_BYTES {
            return Err(Detail::TokenTooLarge);
        }
        match Json::parse_watching(claims, limits::CLAIMS_BYTES, CONFIRMATION, arena) {
            Ok((claims, _)) if claims.object().is_none() => Err(Detail::MalformedToken),
            Ok((claims, _)) if claims.has_duplicate_members() => Err(Detail::DuplicateMember),
            Ok((claims, true)) if is_bound_to_key(&claims) => Err(Detail::ProofNotSupported),
            Ok((claims, _)) => Ok(Claims::Json(claims)),
            Err(_) => Err(Detail::MalformedToken),
        }
    }

    /// A claim that the issuer declares, by the name and type that it has in the policy.
    pub(crate) fn fetch(
        &self,
        declared: &'a IssuerClaim,
        name: &str,
        ty: Type,
        arena: &'a Arena,
    ) -> Fetched<'a> {
        let sent = match self {
            Claims::Json(claims) => json_field(claims, &declared.field, ty, arena),
            Claims::Known(token) => token.claim(declared.claim, arena),
            Claims::Split(claims) => match only(claims, name) {
                Some(Ok(claim)) => Some(split_claim(claim, ty, declared.field.form, arena)),
                Some(Err(GivenTwice)) => Some(None),
                None => None,
            },
        };
        fetched(sent, &declared.field, arena)
    }

    /// The text of `iss`, as sent.
    pub(crate) fn iss(&self, arena: &'a Arena) -> Option<&'a [u8]> {
        match self {
            Claims::Json(claims) => match claims.object()?.member(b"iss") {
                Member::Once(iss) => iss.string(),
                Member::Absent | Member::Twice => None,
            },
            Claims::Known(token) => {
                // The claims were read before.
                let claims = Json::object_or_none(token.claims(), limits::CLAIMS_BYTES, arena)?;
                Claims::Json(claims).iss(arena)
            }
            Claims::Split(claims) => match only(claims, "iss") {
                Some(Ok(Claim::Text(iss))) => Some(iss.as_bytes()),
                _ => None,
            },
        }
    }

    /// Whether `iss` is there, whatever it is.
    pub(crate) fn names_issuer(&self) -> bool {
        match self {
            Claims::Json(claims) => !matches!(top(claims, b"iss"), Member::Absent),
            Claims::Known(_) => true,
            Claims::Split(claims) => only(claims, "iss").is_some(),
        }
    }

    /// `aud` as sent: a text is an array of one. An error where it is anything else.
    pub(crate) fn audiences(&self, arena: &'a Arena) -> Result<Option<&'a [&'a [u8]]>, IllTyped> {
        let one = |text: &'a [u8]| -> &'a [&'a [u8]] { arena.alloc_slice_copy(&[text]) };
        match self {
            Claims::Json(claims) => match top(claims, b"aud") {
                Member::Absent => Ok(None),
                Member::Once(item) => {
                    let found = item.string().map(one).or_else(|| item.strings());
                    found.map(Some).ok_or(IllTyped)
                }
                Member::Twice => Err(IllTyped),
            },
            Claims::Split(claims) => match only(claims, "aud") {
                None => Ok(None),
                Some(Ok(Claim::Text(text))) => Ok(Some(one(text.as_bytes()))),
                Some(Ok(Claim::Texts(texts))) if texts.len() <= limits::SET_ELEMENTS => {
                    Ok(Some(elements(texts, arena)))
                }
                Some(_) => Err(IllTyped),
            },
            // Judged when they were read.
            Claims::Known(_) => Err(IllTyped),
        }
    }

    /// A time claim as sent, µs since the epoch.
    pub(crate) fn time(&self, name: &str) -> Result<Option<i64>, Detail> {
        let time = match self {
            Claims::Json(claims) => match top(claims, name.as_bytes()) {
                Member::Absent => return Ok(None),
                Member::Once(item) => item.number().and_then(text::seconds),
                Member::Twice => None,
            },
            Claims::Split(claims) => match only(claims, name) {
                None => return Ok(None),
                Some(Ok(Claim::Int(seconds))) => seconds.checked_mul(1_000_000),
                Some(_) => None,
            },
            // Judged when they were read.
            Claims::Known(_) => None,
        };
        time.filter(|time| *time >= 0)
            .map(Some)
            .ok_or(Detail::MalformedToken)
    }

    /// `cnf` as sent.
    pub(crate) fn confirmation(&self) -> Confirmation<'a> {
        match self {
            Claims::Json(claims) => match top(claims, CONFIRMATION) {
                Member::Absent => Confirmation::Absent,
                Member::Once(cnf) => {
                    let mut members = cnf.members();
                    match (members.next(), members.next()) {
                        (Some((b"x5t#S256", thumbprint)), None) => thumbprint
                            .string()
                            .map_or(Confirmation::Other, Confirmation::Certificate),
                        _ => Confirmation::Other,
                    }
                }
                Member::Twice => Confirmation::Other,
            },
            Claims::Known(_) => Confirmation::Other,
            Claims::Split(claims) => match only(claims, "cnf") {
                None => Confirmation::Absent,
                Some(_) => Confirmation::Other,
            },
        }
    }

    /// The scopes of a token, implied ones among them.
    pub(crate) fn scopes(&self, issuer: &'a Issuer, arena: &'a Arena) -> Fetched<'a> {
        let words = |text: &'a [u8]| parts(text, b' ', false, arena);
        let given: &'a [&'a [u8]] = match self {
            Claims::Json(claims) => {
                let Member::Once(item) = walk(claims, &issuer.scopes) else {
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
                Some(Ok(Claim::Texts(texts))) if texts.len() <= limits::SET_ELEMENTS => {
                    elements(texts, arena)
                }
                Some(_) => return Fetched::ILL,
            },
        };
        if issuer.implies.is_empty() {
            return Fetched::sent(Some(Value::Set(given)));
        }
        // Each once: a hostile token repeats a scope that implies many.
        let mut scopes = List::with_capacity_in(given.len(), arena);
        scopes.extend_from_slice_copy(given);
        order::sort(&mut scopes);
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
}

/// A claim that is there and not what it must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IllTyped;

/// A member at the top.
fn top<'j, 'a>(claims: &'j Json<'a>, name: &[u8]) -> Member<'j, 'a> {
    claims
        .object()
        .map_or(Member::Absent, |claims| claims.member(name))
}

/// What was sent of a fact, or its default.
pub(crate) fn fetched<'a>(
    sent: Option<Option<Value<'a>>>,
    field: &'a JsonField,
    arena: &'a Arena,
) -> Fetched<'a> {
    match sent {
        Some(value) => Fetched::sent(value),
        None => Fetched::absent_or(field.default.as_ref().map(|default| literal(default, arena))),
    }
}

/// What stands at the end of a path; a missing member or a value without members on the way is absent.
fn walk<'j, 'a>(object: &'j Json<'a>, path: &[String]) -> Member<'j, 'a> {
    let Some(mut item) = object.object() else {
        return Member::Absent;
    };
    for step in path {
        match item.member(step.as_bytes()) {
            Member::Once(value) => item = value,
            other => return other,
        }
    }
    Member::Once(item)
}

/// Whether the token is good only beside a proof that its holder has a key (RFC 9449, section 6.1).
fn is_bound_to_key(claims: &Json<'_>) -> bool {
    let confirmation = claims.object().map(|claims| claims.member(CONFIRMATION));
    match confirmation {
        Some(Member::Once(confirmation)) => !matches!(confirmation.member(b"jkt"), Member::Absent),
        _ => false,
    }
}

/// `None` where the fact is not there, `Some(None)` where it is ill-typed or given twice.
pub(crate) fn json_field<'a>(
    object: &Json<'a>,
    field: &JsonField,
    ty: Type,
    arena: &'a Arena,
) -> Option<Option<Value<'a>>> {
    at_path(object, &field.path, ty, field.form, arena)
}

/// The same of a member by the names that lead to it, written as its type alone.
pub(crate) fn json_member<'a>(
    object: &Json<'a>,
    path: &[String],
    ty: Type,
    arena: &'a Arena,
) -> Option<Option<Value<'a>>> {
    at_path(object, path, ty, ValueForm::Plain, arena)
}

fn at_path<'a>(
    object: &Json<'a>,
    path: &[String],
    ty: Type,
    form: ValueForm,
    arena: &'a Arena,
) -> Option<Option<Value<'a>>> {
    match walk(object, path) {
        Member::Absent => None,
        Member::Once(item) => Some(typed(item, ty, form, arena)),
        Member::Twice => Some(None),
    }
}

fn split_claim<'a>(claim: &Claim<'a>, ty: Type, form: ValueForm, arena: &'a Arena) -> Option<Value<'a>> {
    match (ty, claim) {
        (Type::Bool, Claim::Bool(value)) => Some(Value::Bool(*value)),
        (Type::Int, Claim::Int(value)) => Some(Value::Int(*value)),
        (Type::Instant, Claim::Int(seconds)) => seconds.checked_mul(1_000_000).map(Value::Int),
        (Type::String, Claim::Text(text)) => Some(Value::Bytes(text.as_bytes())),
        (Type::Ip, Claim::Text(text)) => address::parse(text.as_bytes()).map(Value::Ip),
        (Type::Instant, Claim::Text(text)) => text_instant(text.as_bytes(), form),
        (Type::Set, Claim::Text(text)) if text.len() <= limits::CLAIMS_BYTES => {
            text_set(text.as_bytes(), form, arena)
        }
        (Type::Set, Claim::Texts(texts)) if texts.len() <= limits::SET_ELEMENTS => {
            Some(Value::Set(elements(texts, arena)))
        }
        _ => None,
    }
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

/// A literal of the policy as a value.
pub(crate) fn literal<'a>(literal: &'a Literal, arena: &'a Arena) -> Value<'a> {
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

/// A text as a set, where its form takes one.
pub(crate) fn text_set<'a>(text: &'a [u8], form: ValueForm, arena: &'a Arena) -> Option<Value<'a>> {
    match form {
        ValueForm::LoneString => Some(Value::Set(arena.alloc_slice_copy(&[text]))),
        ValueForm::Separated(by) => Some(Value::Set(parts(text, by, true, arena))),
        ValueForm::Plain | ValueForm::Seconds => None,
    }
}

/// A text as an instant in µs, where its form takes one.
fn text_instant<'a>(text: &[u8], form: ValueForm) -> Option<Value<'a>> {
    let plain = form == ValueForm::Plain;
    plain.then(|| instant::parse(text).ok()).flatten().map(Value::Int)
}

/// The parts of a text between a byte, without empty ones.
fn parts<'a>(text: &'a [u8], by: u8, trimmed: bool, arena: &'a Arena) -> &'a [&'a [u8]] {
    let mut parts = List::with_capacity_in(PARTS_USUAL, arena);
    let mut from = 0;
    let mut cut = |at| {
        let part = text.get(from..at).unwrap_or_default();
        let part = if trimmed { text::trim(part) } else { part };
        if !part.is_empty() {
            parts.push(part);
        }
        from = at + 1;
        Some(())
    };
    text::each_place(text, by, &mut cut);
    cut(text.len());
    parts.into_bump_slice()
}

/// JSON as a type.
fn typed<'a>(item: Item<'_, 'a>, ty: Type, form: ValueForm, arena: &'a Arena) -> Option<Value<'a>> {
    match ty {
        Type::Bool => item.bool().map(Value::Bool),
        Type::Int => item.int().map(Value::Int),
        Type::Instant => match item.string() {
            Some(text) => text_instant(text, form),
            None => text::seconds(item.number()?).map(Value::Int),
        },
        Type::String => item.string().map(Value::Bytes),
        Type::Ip => address::parse(item.string()?).map(Value::Ip),
        Type::Set => match item.string() {
            Some(text) => text_set(text, form, arena),
            None => item.strings().map(Value::Set),
        },
    }
}
