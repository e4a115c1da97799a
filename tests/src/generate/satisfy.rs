//! Makes a condition true or false on a draft by setting facts, often by one step beside the border. Best effort:
//! two atoms may want different values of one fact, and then the later one wins.

use std::collections::BTreeMap;

use ipnet::IpNet;
use portcullis_lang::model::{
    Anchor, Atom, Comparison, Cond, CredentialKind, Fact, Operand, PeerFact, Policy, SetForm, Type, Value,
};
use portcullis_vectors::{PeerCert, Signature};
use serde_json::{Map, Value as Json, json};

use super::draft::{Draft, NUMBER};
use crate::rng::Rng;

const WORDS: &[&str] = &["t1", "t2", "gold", "free", "u1", "staff"];
const NOWS: &[i64] = &[
    1_795_435_200,
    1_795_435_199,
    1_795_478_400,
    1_795_390_000,
    1_780_293_600,
];

/// Aims at conditions of one policy.
pub(super) struct Aim<'p> {
    pub(super) policy: &'p Policy,
    pub(super) files: &'p BTreeMap<String, Vec<u8>>,
}

impl Aim<'_> {
    /// Makes `cond` come out as `want`, as far as it goes.
    pub(super) fn at(&self, draft: &mut Draft, cond: &Cond, want: bool, rng: &mut Rng) {
        match cond {
            Cond::True => {}
            Cond::Not(inner) => self.at(draft, inner, !want, rng),
            Cond::All(parts) if want => parts.iter().for_each(|part| self.at(draft, part, true, rng)),
            Cond::Any(parts) if !want => parts.iter().for_each(|part| self.at(draft, part, false, rng)),
            Cond::All(parts) | Cond::Any(parts) => {
                if let Some(part) = parts.get(rng.below(parts.len())) {
                    self.at(draft, part, want, rng);
                }
            }
            Cond::Atom(atom) => self.atom(draft, atom, want, rng),
        }
    }

    fn atom(&self, draft: &mut Draft, atom: &Atom, want: bool, rng: &mut Rng) {
        match atom {
            Atom::Anchor(anchor) => self.anchor(draft, *anchor, want),
            Atom::Presented(kind) => self.presented(draft, *kind, want),
            Atom::Exists(fact) if want => {
                let value = self.any_value(fact, rng);
                self.set(draft, fact, Some(value), rng);
            }
            Atom::Exists(fact) => self.set(draft, fact, None, rng),
            Atom::IsTrue(fact) => self.set(draft, fact, Some(Value::Bool(want)), rng),
            Atom::Compare {
                left,
                op,
                right,
                ignore_case,
            } => match right {
                Operand::Value(value) => {
                    let value = near(value, *op, want, *ignore_case, rng);
                    self.set(draft, left, Some(value), rng);
                }
                Operand::Fact(other) => {
                    let value = self.any_value(left, rng);
                    let theirs = near(&value, flip(*op), want, *ignore_case, rng);
                    self.set(draft, left, Some(value), rng);
                    self.set(draft, other, Some(theirs), rng);
                }
            },
            Atom::OneOf { fact, values } => {
                let value = values.get(rng.below(values.len())).filter(|_| want).cloned();
                let value = value.unwrap_or_else(|| match self.policy.type_of(fact) {
                    Type::Int => Value::Int(-77),
                    _ => Value::String("none-of-them".to_string()),
                });
                self.set(draft, fact, Some(value), rng);
            }
            Atom::InList { fact, list } => self.in_list(draft, fact, list.index(), want, rng),
            Atom::InNetwork { fact, network } => {
                let nets = self
                    .policy
                    .networks
                    .get(network.index())
                    .map(|n| n.nets.clone())
                    .unwrap_or_default();
                let address = nets.get(rng.below(nets.len())).map(|net| edge(net, want, rng));
                let address = address.unwrap_or_else(|| "192.0.2.9".to_string());
                self.set(draft, fact, address.parse().ok().map(Value::Ip), rng);
            }
            Atom::InHours { .. } => draft.now = Some(instant(NOWS[rng.below(NOWS.len())] * 1_000_000)),
            Atom::Contains { set, element } => match element {
                Operand::Value(Value::String(text)) => {
                    let text = if want { text.clone() } else { format!("{text}x") };
                    self.set(draft, set, Some(Value::Set(vec!["more".to_string(), text])), rng);
                }
                Operand::Value(_) => {}
                Operand::Fact(fact) => {
                    let word = rng.pick(WORDS).to_string();
                    let inside = if want { word.clone() } else { format!("{word}x") };
                    self.set(draft, fact, Some(Value::String(word)), rng);
                    self.set(draft, set, Some(Value::Set(vec![inside])), rng);
                }
            },
            Atom::HasAny { set, values } => {
                let value = if want {
                    values.iter().take(1).cloned().collect()
                } else {
                    vec!["zz".to_string()]
                };
                self.set(draft, set, Some(Value::Set(value)), rng);
            }
            Atom::HasAll { set, values } => {
                let keep = if want {
                    values.len()
                } else {
                    values.len().saturating_sub(1)
                };
                self.set(
                    draft,
                    set,
                    Some(Value::Set(values.iter().take(keep).cloned().collect())),
                    rng,
                );
            }
            Atom::Like { fact, glob } => {
                let text = glob
                    .replace("\\*", "\u{1}")
                    .replace("**", "a/b")
                    .replace('*', "x")
                    .replace('\u{1}', "*");
                let text = if want { text } else { format!("-{text}") };
                self.set(draft, fact, Some(Value::String(text)), rng);
            }
            Atom::Matches { fact, regex } => {
                let fit = match regex.as_str() {
                    ".*\\.example\\.com" => "a.example.com",
                    "/v1/.*" => "/v1/x",
                    "g.*" => "gold",
                    _ => "t1",
                };
                let text = if want {
                    fit.to_string()
                } else {
                    format!("{fit}\n-")
                };
                self.set(draft, fact, Some(Value::String(text)), rng);
            }
            Atom::Sample { fact, .. } => {
                let value = match self.any_value(fact, rng) {
                    Value::String(_) => Value::String(format!("s{}", rng.below(1000))),
                    other => other,
                };
                self.set(draft, fact, Some(value), rng);
            }
        }
    }

    fn anchor(&self, draft: &mut Draft, anchor: Anchor, want: bool) {
        match anchor {
            Anchor::Token(id) => {
                let name = self.policy.issuers.get(id.index()).map(|i| i.name.clone());
                if want {
                    draft.issuer = name;
                } else if draft.issuer == name {
                    draft.issuer = None;
                }
            }
            Anchor::Beside(id) => {
                if let Some(issuer) = self.policy.beside.get(id.index()) {
                    if want {
                        let token = draft.beside.entry(issuer.name.clone());
                        token.or_insert_with(|| Ok(Default::default()));
                    } else {
                        draft.beside.remove(&issuer.name);
                    }
                }
            }
            Anchor::Key(id) => {
                draft.key = self
                    .policy
                    .keys
                    .get(id.index())
                    .map(|k| k.name.clone())
                    .filter(|_| want);
                draft.key_id = "u1".to_string();
            }
            Anchor::Peer(_) if want => {
                let peer = draft.peer.get_or_insert_with(PeerCert::default);
                if peer.spiffe.is_none() {
                    peer.spiffe = Some("spiffe://example.com/ns/web/sa/front".to_string());
                }
            }
            Anchor::Peer(_) => draft.peer = None,
            Anchor::Signed(id) => {
                let name = self
                    .policy
                    .signatures
                    .get(id.index())
                    .map(|s| s.name.clone())
                    .filter(|_| want);
                draft.signature = name.map(|name| Signature { name, invalid: None });
            }
        }
    }

    fn presented(&self, draft: &mut Draft, kind: CredentialKind, want: bool) {
        use portcullis_lang::model::{BesideId, IssuerId, KeySetId, PeerSetId, SignatureId};
        match kind {
            CredentialKind::Token if !want => draft.issuer = None,
            CredentialKind::Token => self.anchor(draft, Anchor::Token(IssuerId(0)), true),
            CredentialKind::Key => self.anchor(draft, Anchor::Key(KeySetId(0)), want),
            CredentialKind::Peer => self.anchor(draft, Anchor::Peer(PeerSetId(0)), want),
            CredentialKind::Signature => self.anchor(draft, Anchor::Signed(SignatureId(0)), want),
            CredentialKind::Beside1 => self.anchor(draft, Anchor::Beside(BesideId(0)), want),
            CredentialKind::Beside2 => self.anchor(draft, Anchor::Beside(BesideId(1)), want),
            CredentialKind::Beside3 => self.anchor(draft, Anchor::Beside(BesideId(2)), want),
        }
    }

    fn in_list(&self, draft: &mut Draft, fact: &Fact, list: usize, want: bool, rng: &mut Rng) {
        let Some(list) = self.policy.lists.get(list) else {
            return;
        };
        let text = self
            .files
            .get(&list.file)
            .map(|b| String::from_utf8_lossy(b).into_owned())
            .unwrap_or_default();
        let lines: Vec<&str> = text
            .lines()
            .map(|l| {
                l.split(['#', '/'])
                    .next()
                    .unwrap_or_default()
                    .trim_matches(['\u{feff}', ' '])
            })
            .filter(|l| !l.is_empty())
            .collect();
        let line = if want { rng.pick(&lines) } else { "" };
        let value = match self.policy.type_of(fact) {
            Type::Int => Value::Int(line.parse().unwrap_or(-77)),
            Type::Ip => line
                .parse()
                .map_or_else(|_| Value::Ip([192, 0, 2, 77].into()), Value::Ip),
            _ => Value::String(if line.is_empty() {
                "unlisted".to_string()
            } else {
                line.to_string()
            }),
        };
        self.set(draft, fact, Some(value), rng);
    }

    fn any_value(&self, fact: &Fact, rng: &mut Rng) -> Value {
        match self.policy.type_of(fact) {
            Type::Bool => Value::Bool(rng.chance(50)),
            Type::Int => Value::Int(rng.pick(&[0, 1, 2, 5, 80])),
            Type::Ip => Value::Ip([10, 20, 0, 1].into()),
            Type::Set => Value::Set(rng.some(WORDS, 1).iter().map(|w| w.to_string()).collect()),
            Type::Instant | Type::Duration => Value::Instant(NOWS[rng.below(NOWS.len())] * 1_000_000),
            Type::String => Value::String(rng.pick(WORDS).to_string()),
        }
    }

    /// Sets or removes one fact.
    pub(super) fn set(&self, draft: &mut Draft, fact: &Fact, value: Option<Value>, rng: &mut Rng) {
        let text = value.as_ref().map(plain);
        match fact {
            Fact::Method | Fact::Path => {}
            Fact::Scheme => {
                draft.scheme = text
                    .filter(|t| t == "http")
                    .unwrap_or_else(|| "https".to_string())
            }
            Fact::Host => {}
            Fact::HostLabel(_) => {
                let rest = draft.authority.split_once('.').map(|(_, rest)| rest.to_string());
                let label = text.filter(|t| !t.is_empty() && t.bytes().all(|b| b.is_ascii_alphanumeric()));
                if let (Some(rest), Some(label)) = (rest, label) {
                    draft.authority = format!("{label}.{rest}");
                }
            }
            Fact::Port => {
                let host = draft.authority.split(':').next().unwrap_or_default().to_string();
                let port = text.filter(|p| p.parse::<u16>().is_ok_and(|p| p > 0));
                draft.authority = port.map_or(host.clone(), |port| format!("{host}:{port}"));
            }
            Fact::Query(name) => {
                draft.query.retain(|(n, _)| n != name);
                draft.query.extend(text.map(|t| (name.clone(), t)));
            }
            Fact::Header(name) => header(draft, name, text),
            Fact::Cookie(name) => {
                draft.cookies.retain(|(n, _)| n != name);
                draft.cookies.extend(text.map(|t| (name.clone(), t)));
            }
            Fact::Size => header(draft, "content-length", text.filter(|t| !t.starts_with('-'))),
            Fact::ContentType => header(draft, "content-type", text.filter(|t| t.contains('/'))),
            Fact::Protocol => draft.protocol = text,
            Fact::Sni => draft.sni = text,
            Fact::Capture { name, .. } => {
                draft.captures.remove(name);
                draft.captures.extend(text.map(|t| (name.clone(), t)));
            }
            Fact::ClientIp | Fact::ConnectionIp => draft.client_ip = text,
            Fact::Claim(name) => self.claim(draft, name, value, rng),
            Fact::BesideClaim(id, name) => {
                let Some(issuer) = self.policy.beside.get(id.index()) else {
                    return;
                };
                if value.is_none() && !draft.beside.contains_key(&issuer.name) {
                    return;
                }
                self.anchor(draft, Anchor::Beside(*id), true);
                let claim = issuer.claims.iter().find(|claim| claim.name == *name);
                if let (Some(claim), Some(Ok(claims))) = (claim, draft.beside.get_mut(&issuer.name)) {
                    let value = value.map(|value| written(value, claim.set, name == "exp", rng));
                    member(claims, &claim.path, value);
                }
            }
            Fact::Scopes => self.scopes(draft, value),
            Fact::KeyId | Fact::KeyField(_) if draft.key.is_none() && value.is_none() => {}
            Fact::KeyId => {
                self.presented(draft, CredentialKind::Key, true);
                draft.key_id = text.unwrap_or_default();
            }
            Fact::KeyField(name) => {
                if draft.key.is_none() {
                    self.presented(draft, CredentialKind::Key, true);
                }
                let keys = self
                    .policy
                    .keys
                    .iter()
                    .filter(|keys| Some(&keys.name) == draft.key.as_ref());
                let field = keys
                    .flat_map(|keys| &keys.fields)
                    .find(|field| field.name == *name);
                if let Some(field) = field {
                    let value = value.map(|value| written(value, field.set, false, rng));
                    member(&mut draft.fields, &field.path, value);
                }
            }
            Fact::Peer(part) => {
                let peer = draft.peer.get_or_insert_with(PeerCert::default);
                match (part, value) {
                    (PeerFact::Spiffe, _) => peer.spiffe = text,
                    (PeerFact::Subject, _) => peer.subject = text,
                    (PeerFact::Fingerprint, _) => peer.fingerprint = text,
                    (PeerFact::Dns, Some(Value::Set(names))) => peer.dns = names,
                    (PeerFact::Dns, _) => peer.dns.clear(),
                }
            }
            Fact::SignatureName => {
                draft.signature = text.map(|name| Signature { name, invalid: None });
            }
            Fact::Context(name) => {
                if let Some(fact) = self.policy.context.iter().find(|fact| fact.name == *name) {
                    let value = value.map(|value| written(value, fact.set, false, rng));
                    member(&mut draft.context, &fact.path, value);
                }
            }
            Fact::Trusted(name) => {
                if let Some(trusted) = self.policy.trust.headers.iter().find(|h| h.name == *name) {
                    let text = match (value, trusted.set) {
                        (Some(Value::Set(items)), SetForm::Separated(by)) => Some(separated(&items, by, rng)),
                        _ => text,
                    };
                    header(draft, &trusted.header, text);
                    if rng.chance(80) {
                        draft.client_ip = Some("10.0.0.9".to_string());
                    }
                }
            }
            Fact::Cell { key, .. } => {
                let row = rng.pick(&["gold", "free", "t1", "none"]).to_string();
                self.set(draft, key, Some(Value::String(row)), rng);
            }
            // No condition of a rule reads the response.
            Fact::Response { .. } => {}
            Fact::Now => {
                draft.now = match value {
                    Some(Value::Instant(us)) => Some(instant(us)),
                    _ => None,
                }
            }
        }
    }

    fn claim(&self, draft: &mut Draft, name: &str, value: Option<Value>, rng: &mut Rng) {
        let has = |issuer: &str| {
            self.policy
                .issuers
                .iter()
                .find(|i| i.name == issuer && i.claims.iter().any(|c| c.name == name))
        };
        let mut issuer = draft.issuer.as_deref().and_then(has);
        if issuer.is_none() && value.is_some() {
            issuer = self
                .policy
                .issuers
                .iter()
                .find(|i| i.claims.iter().any(|c| c.name == name));
            draft.issuer = issuer.map(|i| i.name.clone()).or(draft.issuer.take());
        }
        if let Some(claim) = issuer.and_then(|i| i.claims.iter().find(|c| c.name == name)) {
            let seconds = ["exp", "nbf", "iat", "auth_time"].contains(&name);
            let value = value.map(|value| written(value, claim.set, seconds, rng));
            member(&mut draft.claims, &claim.path, value);
        }
    }

    /// Sets the scopes as text in the claim that the issuer names.
    pub(super) fn scopes(&self, draft: &mut Draft, value: Option<Value>) {
        if draft.issuer.is_none() && value.is_some() {
            draft.issuer = self.policy.issuers.first().map(|i| i.name.clone());
        }
        let issuer = self
            .policy
            .issuers
            .iter()
            .find(|i| Some(&i.name) == draft.issuer.as_ref());
        let Some(issuer) = issuer else { return };
        let scopes = value.and_then(|value| match value {
            Value::Set(scopes) => Some(json!(scopes.join(" "))),
            _ => None,
        });
        member(&mut draft.claims, &issuer.scopes, scopes);
    }
}

fn header(draft: &mut Draft, name: &str, value: Option<String>) {
    match value {
        Some(value) => draft.set_header(name, &value.replace('\n', " ")),
        None => draft.headers.retain(|(n, _)| n != name),
    }
}

/// Sets a member by path, making objects on the way.
fn member(map: &mut Map<String, Json>, path: &[String], value: Option<Json>) {
    match (path, value) {
        ([name], Some(value)) => drop(map.insert(name.clone(), value)),
        ([name], None) => drop(map.remove(name)),
        ([name, rest @ ..], value) => {
            let inner = map.entry(name.clone()).or_insert_with(|| json!({}));
            if let Json::Object(inner) = inner {
                member(inner, rest, value);
            }
        }
        ([], _) => {}
    }
}

/// A value as one of the forms of JSON that it may have; `seconds`: never a text for an instant.
fn written(value: Value, set: SetForm, seconds: bool, rng: &mut Rng) -> Json {
    match (&value, set) {
        (Value::Bool(b), _) => json!(b),
        (Value::Int(n), _) => json!(n),
        (Value::Instant(us) | Value::Duration(us), _) => match rng.below(8) {
            0 if !seconds || rng.chance(10) => json!(instant(*us)),
            1 => number(&format!("{}.{:06}", us / 1_000_000, us % 1_000_000)),
            2 => number(&format!(
                "{}{}",
                us / 1_000_000,
                rng.pick(&[".0000009", ".9999999", "e0", ".5"])
            )),
            _ => json!(us / 1_000_000),
        },
        (Value::Set(items), SetForm::Separated(by)) if rng.chance(75) => json!(separated(items, by, rng)),
        (Value::Set(items), _) => json!(items),
        (other, _) => json!(plain(other)),
    }
}

/// A number that is written as it stands here: [`super::draft::text`] takes the mark off.
fn number(text: &str) -> Json {
    json!(format!("{NUMBER}{text}"))
}

fn separated(items: &[String], by: char, rng: &mut Rng) -> String {
    let between = rng.pick(&["X", " X ", "X\t", "XX"]).replace('X', &by.to_string());
    items.join(&between)
}

fn plain(value: &Value) -> String {
    match value {
        Value::Bool(b) => b.to_string(),
        Value::Int(n) => n.to_string(),
        Value::String(text) => text.clone(),
        Value::Ip(ip) => ip.to_string(),
        Value::Set(items) => items.join(" "),
        Value::Instant(us) | Value::Duration(us) => us.to_string(),
    }
}

/// RFC 3339 of µs.
pub(super) fn instant(us: i64) -> String {
    jiff::Timestamp::from_microsecond(us)
        .map(|t| t.to_string())
        .unwrap_or_default()
}

/// `op` with its sides swapped.
fn flip(op: Comparison) -> Comparison {
    match op {
        Comparison::Less => Comparison::Greater,
        Comparison::LessOrEqual => Comparison::GreaterOrEqual,
        Comparison::Greater => Comparison::Less,
        Comparison::GreaterOrEqual => Comparison::LessOrEqual,
        same => same,
    }
}

/// A value that makes `value op right` come out as wanted, close to the border.
fn near(right: &Value, op: Comparison, want: bool, ignore_case: bool, rng: &mut Rng) -> Value {
    let step = match (op, want) {
        (Comparison::Equal, true) | (Comparison::NotEqual, false) => 0,
        (Comparison::Equal, false) | (Comparison::NotEqual, true) => 1,
        (Comparison::Less, true) | (Comparison::GreaterOrEqual, false) => -1,
        (Comparison::Greater, true) | (Comparison::LessOrEqual, false) => 1,
        (Comparison::LessOrEqual, true) | (Comparison::Greater, false) => -i64::from(rng.chance(40)),
        (Comparison::GreaterOrEqual, true) | (Comparison::Less, false) => i64::from(rng.chance(40)),
    };
    match right {
        Value::Int(n) => Value::Int(n.saturating_add(step)),
        Value::Instant(us) => Value::Instant(us.saturating_add(step * 1_000_000)),
        Value::Bool(b) => Value::Bool(*b ^ (step != 0)),
        Value::String(text) if step != 0 => Value::String(format!("{text}z")),
        Value::String(text) if ignore_case => Value::String(
            text.chars()
                .map(|c| {
                    if rng.chance(50) {
                        c.to_ascii_uppercase()
                    } else {
                        c.to_ascii_lowercase()
                    }
                })
                .collect(),
        ),
        Value::Ip(_) if step != 0 => Value::Ip([192, 0, 2, 66].into()),
        other => other.clone(),
    }
}

/// The first or last address of a network, or the next one outside it.
fn edge(net: &IpNet, inside: bool, rng: &mut Rng) -> String {
    match net {
        IpNet::V4(net) => {
            let (low, high) = (u32::from(net.network()), u32::from(net.broadcast()));
            let bits = match (inside, rng.chance(50)) {
                (true, true) => low,
                (true, false) => high,
                (false, true) => high.wrapping_add(1),
                (false, false) => low.wrapping_sub(1),
            };
            std::net::Ipv4Addr::from(bits).to_string()
        }
        IpNet::V6(net) => {
            let (low, high) = (u128::from(net.network()), u128::from(net.broadcast()));
            let bits = match (inside, rng.chance(50)) {
                (true, true) => low,
                (true, false) => high,
                (false, true) => high.wrapping_add(1),
                (false, false) => low.wrapping_sub(1),
            };
            std::net::Ipv6Addr::from(bits).to_string()
        }
    }
}
