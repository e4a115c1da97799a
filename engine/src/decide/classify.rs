//! A variable and the request's facts -> a class: the only place where a decision looks at a value.
//! Each variable is classified at most once per decision, and only when a node asks.

use portcullis_base::CredentialKind;
use portcullis_base::instant::weekday_of_days;
use std::net::IpAddr;

use crate::data::Data;
use crate::facts::Facts;
use crate::identity::Credentials;
use crate::image::config::{Config, Hours};
use crate::image::ids::{ClassId, Slot};
use crate::image::layout::{ELEMENT, SET, dir, op, var};
use crate::image::tables::{Map, View, find_range, find_range4, find_text, find_threshold, run_dfa};
use crate::value::Value;
use sha2::{Digest, Sha256};

use super::scratch::Memory;

/// What a classification may look at.
#[derive(Clone, Copy)]
pub(super) struct Sight<'d> {
    pub(super) view: View<'d>,
    pub(super) config: &'d Config,
    pub(super) data: &'d Data,
    pub(super) facts: &'d Facts<'d>,
    pub(super) credentials: &'d Credentials<'d>,
}

/// The class of the variable whose record stands at `at`. [`var::SUB`] is not classified here.
pub(super) fn classify<'d>(s: Sight<'d>, memory: &mut Memory<'_>, sets: &mut [Set<'d>], at: u32) -> ClassId {
    let (head, b) = (s.view.word(at), s.view.word(at + 1));
    let (kind, a) = (head >> var::KIND_SHIFT, head & var::A_MAX);
    let value = |slot: u32| s.facts.fetch(Slot(slot)).value;
    // Validated to be a kind.
    let of_kind =
        |is: &dyn Fn(CredentialKind) -> bool| ClassId::of(CredentialKind::from_index(a).is_some_and(is));
    match kind {
        var::TEXT => match value(a) {
            Some(Value::Bytes(text)) => find_text(s.view, b, text).map_or(ClassId::FALSE, ClassId),
            _ => ClassId::UNKNOWN,
        },
        var::NUMBER => match value(a) {
            Some(Value::Int(n)) => ClassId(find_threshold(s.view, b, n)),
            _ => ClassId::UNKNOWN,
        },
        var::PATTERN => match value(a) {
            Some(Value::Bytes(text)) => ClassId(1 + run_dfa(s.view, b, text)),
            _ => ClassId::UNKNOWN,
        },
        var::SOME_PATTERN => match value(a) {
            Some(Value::Set(set)) => ClassId::of(set.iter().any(|text| run_dfa(s.view, b, text) != 0)),
            _ => ClassId::UNKNOWN,
        },
        var::ADDRESS => match value(a) {
            Some(Value::Ip(ip)) => ClassId(find_range(s.view, b, address(ip))),
            _ => ClassId::UNKNOWN,
        },
        var::ADDRESS4 => match value(a) {
            Some(Value::Ip(IpAddr::V4(v4))) => ClassId(find_range4(s.view, b, v4.into())),
            // Mapped addresses were turned into IPv4 where they came in.
            Some(Value::Ip(IpAddr::V6(_))) => ClassId::FALSE,
            _ => ClassId::UNKNOWN,
        },
        var::ELEMENT => element(s, memory, sets, a, b),
        var::KNOWN => ClassId(u32::from(value(a).is_some())),
        var::BOOL => match value(a) {
            Some(Value::Bool(b)) => ClassId::of(b),
            _ => ClassId::UNKNOWN,
        },
        var::EXISTS => ClassId::of(s.facts.fetch(Slot(a)).sent),
        var::ANCHOR => of_kind(&|kind| s.credentials.anchor(kind, b)),
        var::PRESENTED => of_kind(&|kind| s.credentials.presented(kind)),
        var::VALID => of_kind(&|kind| s.credentials.valid(kind)),
        var::COMPARE => match (value(a), value(b >> 4)) {
            (Some(left), Some(right)) => compare(&left, &right, b >> 1 & 7, b & 1 != 0),
            _ => ClassId::UNKNOWN,
        },
        var::CONTAINS => match (value(a), value(b)) {
            (Some(Value::Set(set)), Some(Value::Bytes(element))) => ClassId::of(contains(set, element)),
            _ => ClassId::UNKNOWN,
        },
        var::LIST => match value(a) {
            Some(value) => s
                .data
                .list_contains(b, &value)
                .map_or(ClassId::UNKNOWN, ClassId::of),
            None => ClassId::UNKNOWN,
        },
        var::HOURS => match (value(a), s.config.hours.get(b as usize)) {
            (Some(Value::Int(now_us)), Some(hours)) => ClassId::of(in_hours(hours, now_us)),
            _ => ClassId::UNKNOWN,
        },
        var::SAMPLE => match value(a).map(|value| s.facts.text(&value)) {
            Some(text) => {
                let p = |i: u32| s.view.word(b + i);
                let below = u64::from(p(2)) | u64::from(p(3)) << 32;
                ClassId::of(p(4) != 0 || sample(s.view.text(p(0), p(1)), text) < below)
            }
            None => ClassId::UNKNOWN,
        },
        var::AGE => match (value(a), value(s.view.word(b))) {
            (Some(Value::Int(auth_time)), Some(Value::Int(now))) => {
                let max = (u64::from(s.view.word(b + 1)) | u64::from(s.view.word(b + 2)) << 32) as i64;
                ClassId::of(now.saturating_sub(auth_time) <= max)
            }
            _ => ClassId::FALSE,
        },
        _ => ClassId::UNKNOWN,
    }
}

/// Questions about a set that are answered by comparing; with more of them it pays to look through the set once.
pub(crate) const COMPARED_MAX: u32 = 3;

/// What is known of a set so far.
#[derive(Clone, Copy)]
pub(super) enum Set<'d> {
    /// Nobody has asked.
    New,
    /// It is unknown.
    Unknown,
    /// Its elements, and how many questions they have answered.
    Compared(&'d [&'d [u8]], u32),
    /// Its elements are marked in the scratch.
    Marked,
}

/// Whether a set holds an element. The first few questions compare; the next looks through the set once and answers
/// all others.
fn element<'d>(s: Sight<'d>, memory: &mut Memory<'_>, sets: &mut [Set<'d>], set: u32, bit: u32) -> ClassId {
    let Some(state) = sets.get_mut(set as usize) else {
        return ClassId::UNKNOWN;
    };
    let record = || s.view.word(dir::SETS) + set * SET;
    if let Set::New = state {
        *state = match s.facts.fetch(Slot(s.view.word(record()))).value {
            Some(Value::Set(elements)) => Set::Compared(elements, 0),
            _ => Set::Unknown,
        };
    }
    match *state {
        Set::New | Set::Unknown => return ClassId::UNKNOWN,
        Set::Compared(elements, asked) if asked < COMPARED_MAX => {
            *state = Set::Compared(elements, asked + 1);
            let at = s.view.word(dir::ELEMENTS) + bit * ELEMENT;
            let wanted = s.view.text(s.view.word(at), s.view.word(at + 1));
            return ClassId::of(contains(elements, wanted));
        }
        Set::Compared(elements, _) => {
            let map = Map::open(s.view, s.view.word(record() + 1));
            for element in elements {
                if let Some(bit) = map.find(s.view, 0, element) {
                    memory.add(bit);
                }
            }
            *state = Set::Marked;
        }
        Set::Marked => {}
    }
    ClassId::of(memory.has(bit))
}

fn contains(set: &[&[u8]], element: &[u8]) -> bool {
    set.contains(&element)
}

/// IPv4 as IPv4-mapped number, so that both families share one order without touching each other.
fn address(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().into(),
        IpAddr::V6(v6) => v6.into(),
    }
}

fn compare(left: &Value<'_>, right: &Value<'_>, operator: u32, ignore_case: bool) -> ClassId {
    let order = match (left, right) {
        (Value::Bytes(a), Value::Bytes(b)) if ignore_case => {
            return ClassId::of(a.eq_ignore_ascii_case(b) == (operator == op::EQ));
        }
        (Value::Bytes(a), Value::Bytes(b)) => a.cmp(b),
        (Value::Int(a), Value::Int(b)) => a.cmp(b),
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Ip(a), Value::Ip(b)) => a.cmp(b),
        _ => return ClassId::UNKNOWN,
    };
    ClassId::of(match operator {
        op::EQ => order.is_eq(),
        op::NE => order.is_ne(),
        op::LT => order.is_lt(),
        op::LE => order.is_le(),
        op::GT => order.is_gt(),
        _ => order.is_ge(),
    })
}

/// First 8 bytes, big-endian, of SHA-256(name, 0x00, text).
fn sample(name: &[u8], text: &[u8]) -> u64 {
    let digest: [u8; 32] = Sha256::new()
        .chain_update(name)
        .chain_update([0])
        .chain_update(text)
        .finalize()
        .into();
    digest[..8].try_into().map_or(u64::MAX, u64::from_be_bytes)
}

/// Whether an instant lies in one of the stretches, by the zone's offset at that instant.
fn in_hours(hours: &Hours, now_us: i64) -> bool {
    let seconds = now_us.div_euclid(1_000_000);
    let at = hours.offsets.partition_point(|(from, _)| *from <= seconds);
    let offset = at
        .checked_sub(1)
        .and_then(|i| hours.offsets.get(i))
        .map_or(0, |o| i64::from(o.1));
    let local = seconds.saturating_add(offset);
    let minute = (local.rem_euclid(86_400) / 60) as u16;
    let today = weekday_of_days(local.div_euclid(86_400));
    let yesterday = (today + 6).rem_euclid(7);
    hours.spans.iter().any(|(days, start, end)| {
        let on = |day: i64| days & (1 << day) != 0;
        if start < end {
            on(today) && *start <= minute && minute < *end
        } else {
            (on(today) && minute >= *start) || (on(yesterday) && minute < *end)
        }
    })
}
