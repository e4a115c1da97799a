//! Facts and credentials -> the names people know them by.

use std::collections::BTreeSet;

use portcullis_lang::model::{Anchor, Atom, Fact, PeerFact, Policy, Rule};

use portcullis_compile::approximate::Open;

/// Whether a credential on the request was good.
pub(super) const VALIDITY: &str = "whether a credential was presented that failed";

/// The name of a fact as the language writes it.
pub(super) fn fact(policy: &Policy, fact: &Fact) -> String {
    // A table's key may itself be a cell; the names nest as deep as the policy wrote them.
    match fact {
        Fact::Method => "request.method".into(),
        Fact::Scheme => "request.scheme".into(),
        Fact::Host => "request.host".into(),
        Fact::Port => "request.port".into(),
        Fact::Path => "request.path".into(),
        Fact::Query(name) => format!("request.query.{name}"),
        Fact::Header(name) => format!("request.header[\"{name}\"]"),
        Fact::Cookie(name) => format!("request.cookie[\"{name}\"]"),
        Fact::Size => "request.size".into(),
        Fact::ContentType => "request.content_type".into(),
        Fact::Protocol => "request.protocol".into(),
        Fact::Sni => "request.sni".into(),
        Fact::Capture { name, .. } => format!("path.{name}"),
        Fact::ClientIp => "client.ip".into(),
        Fact::ConnectionIp => "connection.ip".into(),
        Fact::Claim(name) => format!("token.{name}"),
        Fact::Scopes => "token.scope".into(),
        Fact::KeyId => "key.id".into(),
        Fact::KeyField(name) => format!("key.{name}"),
        Fact::Peer(PeerFact::Spiffe) => "peer.spiffe".into(),
        Fact::Peer(PeerFact::Dns) => "peer.dns".into(),
        Fact::Peer(PeerFact::Subject) => "peer.subject".into(),
        Fact::Peer(PeerFact::Fingerprint) => "peer.fingerprint".into(),
        Fact::SignatureName => "signature.name".into(),
        Fact::Context(name) => format!("context.{name}"),
        Fact::Trusted(name) => name.clone(),
        Fact::Cell { table, key, column } => {
            let table = policy.tables.get(table.index()).map_or("", |t| t.name.as_str());
            format!("{table}[{}].{column}", self::fact(policy, key))
        }
        Fact::Now => "now".into(),
    }
}

/// What a rule's head reads of what is open.
pub(super) fn open_in(policy: &Policy, rule: &Rule, open: &Open<'_>, into: &mut BTreeSet<String>) {
    rule.condition.for_each_atom(&mut |atom| {
        if !open.atom(atom) {
            return;
        }
        match atom {
            Atom::Anchor(anchor) => drop(into.insert(anchor_name(policy, *anchor))),
            Atom::Presented(kind) => drop(into.insert(kind.code().to_string())),
            _ => atom.for_each_fact(&mut |f| {
                if (open.fact)(f) {
                    into.insert(fact(policy, f));
                }
            }),
        }
    });
    if open.credentials && !rule.requires.scopes.is_empty() {
        into.insert("token.scope".to_string());
    }
    if open.credentials && rule.requires.acr.is_some() {
        into.insert("token.acr".to_string());
    }
    if open.credentials && rule.requires.max_age_us.is_some() {
        into.insert("token.auth_time".to_string());
    }
}

fn anchor_name(policy: &Policy, anchor: Anchor) -> String {
    let name = match anchor {
        Anchor::Token(id) => policy.issuers.get(id.index()).map(|d| ("token from", &d.name)),
        Anchor::Key(id) => policy.keys.get(id.index()).map(|d| ("key from", &d.name)),
        Anchor::Peer(id) => policy.peers.get(id.index()).map(|d| ("peer from", &d.name)),
        Anchor::Signed(id) => policy.signatures.get(id.index()).map(|d| ("signed by", &d.name)),
    };
    name.map_or_else(
        || anchor.kind().code().to_string(),
        |(verb, name)| format!("{verb} {name}"),
    )
}
