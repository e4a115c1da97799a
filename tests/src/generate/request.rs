//! Requests aimed at the rules of a checked policy: targets filled in, conditions met or nearly met.

use std::collections::BTreeMap;

use portcullis_lang::model::{
    ANY_ALLOW_METHODS, AcceptKind, CaptureKind, Effect, HostPattern, Methods, Owner, Pattern, Policy, Rule,
    Segment, Service, Tail, Target, TargetKind, TokenSource, Value,
};
use portcullis_vectors::{PeerCert, Signature, Vector};
use serde_json::json;

use super::body::give_body;
use super::draft::{Draft, encode};
use super::mutate::{mutate, preflight};
use super::present::present;
use super::present_key::{present_key, sign_message};
use super::satisfy::{Aim, instant};
use crate::rng::Rng;

/// A source of requests for one policy.
pub struct Requests<'p> {
    policy: &'p Policy,
    files: &'p BTreeMap<String, Vec<u8>>,
    aim: Aim<'p>,
}

const UUIDS: &[&str] = &[
    "123e4567-e89b-12d3-a456-426614174000",
    "123E4567-E89B-12D3-A456-426614174000",
];

impl<'p> Requests<'p> {
    /// Of a policy and its side files.
    pub fn new(policy: &'p Policy, files: &'p BTreeMap<String, Vec<u8>>) -> Requests<'p> {
        Requests {
            policy,
            files,
            aim: Aim { policy, files },
        }
    }

    /// The next request.
    pub fn next(&self, rng: &mut Rng, id: String) -> Vector {
        let mut draft = Draft {
            method: "GET".to_string(),
            scheme: if rng.chance(94) { "https" } else { "http" }.to_string(),
            authority: "api.example.com".to_string(),
            path: "/".to_string(),
            client_ip: Some(
                rng.pick(&["192.0.2.1", "10.0.0.9", "203.0.113.9", "2001:db8::1"])
                    .to_string(),
            ),
            ..Draft::default()
        };
        if rng.chance(93) {
            draft.now = Some(instant(1_795_435_200_000_000 + rng.below(100_000_000) as i64));
        }
        self.sni(&mut draft, rng);
        let effect = match rng.below(100) {
            0..=82 => Effect::Allow,
            83..=91 => Effect::Deny,
            _ => Effect::On,
        };
        let rules: Vec<&Rule> = self.policy.rules.iter().filter(|r| r.effect == effect).collect();
        let Some(rule) = rules
            .get(rng.below(rules.len()))
            .copied()
            .or(self.policy.rules.first())
        else {
            return draft.vector(id);
        };
        let service = match rule.owner {
            Owner::Service(id) => self.policy.services.get(id.index()),
            Owner::Guard(_) => self.policy.services.get(rng.below(self.policy.services.len())),
        };
        draft.authority = service.map(|s| host(s, rng)).unwrap_or_default();
        if rng.chance(70) {
            draft.sni = Some(draft.authority.clone());
        }
        self.facts(&mut draft, rule, rng);
        self.credentials(&mut draft, rng);
        if let Some(target) = rule.targets.get(rng.below(rule.targets.len())) {
            aim_target(&mut draft, target, service, rng);
        }
        preflight(&mut draft, service, rng);
        mutate(&mut draft, self.policy, rng);
        present(&mut draft, self.policy, self.files, rng);
        present_key(&mut draft, self.policy, rng);
        sign_message(&mut draft, self.policy, self.files, rng);
        give_body(&mut draft, self.policy, rng);
        draft.vector(id)
    }

    fn sni(&self, draft: &mut Draft, rng: &mut Rng) {
        draft.protocol = rng
            .pick(&[None, Some("HTTP/1.1"), Some("HTTP/2")])
            .map(str::to_string);
    }

    fn facts(&self, draft: &mut Draft, rule: &Rule, rng: &mut Rng) {
        // what would deny comes first, so that the rule aimed at has the last word
        for other in self
            .policy
            .rules
            .iter()
            .filter(|r| r.effect == Effect::Deny && !r.report)
        {
            let same = other.owner == rule.owner || matches!(other.owner, Owner::Guard(_));
            if same && rng.chance(88) {
                self.aim.at(draft, &other.condition, false, rng);
            }
        }
        for other in self.policy.rules.iter().filter(|r| r.effect == Effect::On) {
            if other.owner == rule.owner && rng.chance(40) {
                self.aim.at(draft, &other.condition, rng.chance(60), rng);
            }
        }
        if rule.requires.acr.is_some() || rule.requires.max_age_us.is_some() {
            let acr = rule.requires.acr.clone().unwrap_or_else(|| "gold".to_string());
            let acr = if rng.chance(70) { acr } else { "silver".to_string() };
            self.aim.set(
                draft,
                &portcullis_lang::model::Fact::Claim("acr".to_string()),
                Some(Value::String(acr)),
                rng,
            );
            let now = draft
                .now
                .as_deref()
                .and_then(|t| t.parse::<jiff::Timestamp>().ok());
            let age = rng.pick(&[0, 100, 299, 300, 301, 900]);
            draft.claims.insert(
                "auth_time".to_string(),
                json!(now.map_or(0, |n| n.as_second()) - age),
            );
        }
        self.aim.at(draft, &rule.condition, rng.chance(96), rng);
        let shaped = |r: &Rule| r.obligations.accept.iter().any(|a| a.kind == AcceptKind::Query);
        if shaped(rule) && rng.chance(60) {
            let query = rng.pick(&[
                "page=3&q=ab",
                "page=3",
                "role=t1",
                "page=0",
                "page=x",
                "zz=1&page=2",
                "q=a&q=b",
                "page=%zz",
                "tag=a&tag=b",
                "tag=a&tag=b&tag=c",
                "tag=long",
                "tag%5B%5D=a",
                "tag[]=a&tag[]=b",
                "ids=1,2",
                "ids=1%2C2%2C3",
                "ids=1,,2",
                "ids=",
                "ids=1&ids=2",
                "ids=12,3",
            ]);
            draft.raw_query = Some(query.to_string());
        }
        let bodies = |r: &Rule| {
            let accepts = r.obligations.accept.iter();
            accepts.filter(|a| a.kind != AcceptKind::Query).count()
        };
        if self.policy.rules.iter().any(|r| bodies(r) > 1)
            && rng.chance(70)
            && draft.header("content-type").is_none()
        {
            let named = rng.pick(&[
                "application/json",
                "application/json; charset=utf-8",
                "application/merge-patch+json",
                "application/x-www-form-urlencoded",
                "Application/X-WWW-Form-URLencoded",
                "image/png",
                "text/csv ; header=present",
                "text/plain",
                "application/jsonx",
                "json",
            ]);
            draft.set_header("content-type", named);
        }
        if !(rule.requires.scopes.is_empty() && rule.requires.scope_globs.is_empty()) {
            let keep = if rng.chance(70) {
                rule.requires.scopes.len()
            } else {
                0
            };
            let scopes = rule
                .requires
                .scopes
                .iter()
                .take(keep)
                .cloned()
                .chain(["other".to_string()])
                .chain(
                    rng.some(&["ready", "a:b", "r/e"], 0)
                        .into_iter()
                        .map(str::to_string),
                )
                .collect();
            self.aim.scopes(draft, Some(Value::Set(scopes)));
        }
    }

    /// What real callers carry beside what the rule asks for.
    fn credentials(&self, draft: &mut Draft, rng: &mut Rng) {
        if draft.issuer.is_none() && rng.chance(25) {
            draft.issuer = self
                .policy
                .issuers
                .get(rng.below(self.policy.issuers.len()))
                .map(|i| i.name.clone());
        }
        if draft.issuer.is_some() && rng.chance(85) {
            for (name, value) in [("sub", "u1"), ("jti", "j1")] {
                draft.claims.entry(name).or_insert_with(|| json!(value));
            }
            draft.claims.entry("exp").or_insert_with(|| json!(1_895_435_200));
            if rng.chance(30) {
                let iss = format!("https://idp0.example.com/{}/v2.0", rng.pick(&["t1", "t2"]));
                draft.claims.entry("iss").or_insert_with(|| json!(iss));
            }
        }
        if draft.key.is_none() && rng.chance(12) {
            draft.key = self.policy.keys.first().map(|k| k.name.clone());
            draft.key_id = rng.pick(&["u1", "k-17"]).to_string();
        }
        if draft.peer.is_none() && rng.chance(8) {
            let spiffe = rng
                .pick(&["spiffe://example.com/ns/billing/sa/a", "spiffe://other.org/x"])
                .to_string();
            draft.peer = Some(PeerCert {
                spiffe: Some(spiffe),
                ..PeerCert::default()
            });
        }
        if draft.signature.is_none() && rng.chance(5) && !self.policy.signatures.is_empty() {
            draft.signature = Some(Signature {
                name: "hook".to_string(),
                invalid: None,
            });
        }
        for issuer in &self.policy.beside {
            if rng.chance(50) {
                let token = match rng.chance(2) {
                    true => Err("expired".to_string()),
                    false => {
                        let mut claims = serde_json::Map::new();
                        claims.insert("sub".to_string(), json!("zz"));
                        claims.insert("user".to_string(), json!({"email": "zz"}));
                        claims.insert("floor".to_string(), json!(7));
                        Ok(claims)
                    }
                };
                draft.beside.entry(issuer.name.clone()).or_insert(token);
            }
            if rng.chance(2) {
                let value = rng.pick(&["a.b.c", "a.b.c", "a.b.c", "a b", ""]);
                match &issuer.source {
                    TokenSource::Header(name) => {
                        draft.headers.push((name.clone(), value.as_bytes().to_vec()))
                    }
                    TokenSource::Cookie(name) => draft.cookies.push((name.clone(), value.to_string())),
                    TokenSource::Authorization => {}
                }
            }
        }
        match rng.below(100) {
            0 | 1 => draft.token_fault = Some("expired".to_string()),
            2 => draft.key_fault = Some("unknown_key".to_string()),
            3 => draft.issuer = Some("nobody".to_string()),
            4 => draft.issuer = None,
            _ => {}
        }
    }
}

/// A host that a service answers.
fn host(service: &Service, rng: &mut Rng) -> String {
    match service.hosts.get(rng.below(service.hosts.len())) {
        Some(HostPattern::Exact(host)) => host.clone(),
        Some(HostPattern::OneLabel(suffix)) => format!("{}.{suffix}", rng.pick(&["www", "b2"])),
        Some(HostPattern::Labels(suffix)) => format!("{}.{suffix}", rng.pick(&["a.b", "c", "x.y.z"])),
        _ => rng
            .pick(&["other.test", "192.0.2.80", "[2001:db8::80]", "localhost"])
            .to_string(),
    }
}

fn aim_target(draft: &mut Draft, target: &Target, service: Option<&Service>, rng: &mut Rng) {
    draft.method = match &target.methods {
        Methods::Any => rng.pick(&ANY_ALLOW_METHODS).to_string(),
        Methods::Only(methods) => rng.pick(methods),
    };
    draft.path = path(&target.pattern, service, draft, rng);
    match target.kind {
        // What covers GET covers websockets too.
        TargetKind::Http if draft.method == "GET" && rng.chance(1) => websocket(draft, rng),
        TargetKind::Http => {}
        TargetKind::WebSocket => websocket(draft, rng),
        TargetKind::Grpc => draft.set_header(
            "content-type",
            rng.pick(&["application/grpc", "application/grpc+proto", "text/plain"]),
        ),
        TargetKind::NoPath if draft.method == "CONNECT" => {
            draft.authority = format!("{}:443", draft.authority.split(':').next().unwrap_or_default());
            draft.path = draft.authority.clone();
        }
        TargetKind::NoPath => draft.path = "*".to_string(),
    }
}

/// In either version of HTTP, now and then with a second protocol.
fn websocket(draft: &mut Draft, rng: &mut Rng) {
    if rng.chance(40) {
        let name = rng.pick(&["access_token", "access_token", "q"]);
        let value = rng.pick(&["a.b.c", "a.b.c", "a.b.c", "a b", ""]);
        draft.query.push((name.to_string(), value.to_string()));
    }
    let extended = rng.chance(50);
    if extended {
        draft.method = "CONNECT".to_string();
        draft.protocol = Some("HTTP/2".to_string());
        draft.set_header(
            ":protocol",
            rng.pick(&["websocket", "websocket", "websocket", "WebSocket", "connect-udp"]),
        );
    }
    if !extended || rng.chance(5) {
        draft.set_header("connection", "keep-alive, Upgrade");
        draft.set_header("upgrade", rng.pick(&["websocket", "WebSocket"]));
    }
}

fn path(pattern: &Pattern, service: Option<&Service>, draft: &Draft, rng: &mut Rng) -> String {
    let mut text = String::new();
    for segment in &pattern.segments {
        text.push('/');
        text += &match segment {
            Segment::Literal(literal) => encode(literal.as_bytes()),
            Segment::Any => rng.pick(&["anything", "orders", "x"]).to_string(),
            Segment::Capture {
                name,
                prefix,
                suffix,
                kind,
            } => {
                let value = draft
                    .captures
                    .get(name)
                    .filter(|v| !v.is_empty() && !v.contains('\n'))
                    .cloned();
                let value = value.unwrap_or_else(|| captured(kind, rng));
                format!(
                    "{}{}{}",
                    encode(prefix.as_bytes()),
                    encode(value.as_bytes()),
                    encode(suffix.as_bytes())
                )
            }
        };
    }
    match &pattern.tail {
        Tail::None => {}
        Tail::Slash => text.push('/'),
        Tail::Rest(name) => {
            let value = name
                .as_ref()
                .and_then(|n| draft.captures.get(n))
                .filter(|v| !v.contains('\n'));
            match (value, rng.below(5)) {
                (Some(value), _) => text += &format!("/{}", encode(value.as_bytes())),
                (None, 0) => {}
                (None, 1) => text.push('/'),
                (None, 2) => text += "/orders/t1",
                (None, 3) => text += "/users/u1/",
                (None, _) => text += "/orders",
            }
            let base = service.map(|s| s.base.clone()).unwrap_or_default();
            // a guard's pattern is from the root: go below the base, or another service answers
            if pattern.segments.is_empty() && !base.is_empty() && rng.chance(70) {
                let base: String = base
                    .iter()
                    .map(|s| format!("/{}", encode(s.as_bytes())))
                    .collect();
                text = base + &text;
            }
        }
    }
    if text.is_empty() { "/".to_string() } else { text }
}

fn captured(kind: &CaptureKind, rng: &mut Rng) -> String {
    match kind {
        CaptureKind::Text => rng.pick(&["t1", "42", "a b", "\u{e9}"]).to_string(),
        CaptureKind::Int => rng
            .pick(&["0", "42", "-7", "007", "9223372036854775808", "80"])
            .to_string(),
        CaptureKind::Uuid => rng.pick(UUIDS).to_string(),
        CaptureKind::Regex(_) => rng.pick(&["t1", "abc9", "abcd9", "t1\u{e9}"]).to_string(),
    }
}
