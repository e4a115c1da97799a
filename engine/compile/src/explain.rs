//! Conditions of the model -> text in Gate's spelling, for explanations. One line, names as declared.

use portcullis_lang::model::{Anchor, Atom, Comparison, Cond, Fact, Operand, PeerFact, Policy, Value};

/// The text of a condition.
pub(super) fn text(policy: &Policy, cond: &Cond) -> String {
    match cond {
        Cond::True => "anyone".into(),
        Cond::Not(inner) => match inner.as_ref() {
            Cond::All(_) | Cond::Any(_) => format!("not ({})", text(policy, inner)),
            _ => format!("not {}", text(policy, inner)),
        },
        Cond::All(parts) => join(policy, parts, " and "),
        Cond::Any(parts) => join(policy, parts, " or "),
        Cond::Atom(atom) => atom_text(policy, atom),
    }
}

fn join(policy: &Policy, parts: &[Cond], with: &str) -> String {
    let part = |cond: &Cond| match cond {
        Cond::All(_) | Cond::Any(_) => format!("({})", text(policy, cond)),
        _ => text(policy, cond),
    };
    parts.iter().map(part).collect::<Vec<_>>().join(with)
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn list(values: impl Iterator<Item = String>) -> String {
    format!("[{}]", values.collect::<Vec<_>>().join(", "))
}

fn value_text(value: &Value) -> String {
    match value {
        Value::Bool(v) => v.to_string(),
        Value::Int(v) => v.to_string(),
        Value::String(v) => quoted(v),
        Value::Ip(v) => v.to_string(),
        Value::Set(v) => list(v.iter().map(|e| quoted(e))),
        Value::Instant(us) => jiff::Timestamp::from_microsecond(*us)
            .map_or_else(|_| us.to_string(), |instant| instant.to_string()),
        Value::Duration(us) => format!("{}s", us / 1_000_000),
    }
}

fn operand_text(policy: &Policy, operand: &Operand) -> String {
    match operand {
        Operand::Value(value) => value_text(value),
        Operand::Fact(fact) => fact_text(policy, fact),
    }
}

fn atom_text(policy: &Policy, atom: &Atom) -> String {
    let fact = |f: &Fact| fact_text(policy, f);
    let name = |found: Option<&String>| found.cloned().unwrap_or_default();
    match atom {
        Atom::Anchor(Anchor::Token(id)) => format!(
            "token from {}",
            name(policy.issuers.get(id.index()).map(|x| &x.name))
        ),
        Atom::Anchor(Anchor::Key(id)) => {
            format!("key from {}", name(policy.keys.get(id.index()).map(|x| &x.name)))
        }
        Atom::Anchor(Anchor::Peer(id)) => format!(
            "peer from {}",
            name(policy.peers.get(id.index()).map(|x| &x.name))
        ),
        Atom::Anchor(Anchor::Signed(id)) => format!(
            "signed by {}",
            name(policy.signatures.get(id.index()).map(|x| &x.name))
        ),
        Atom::Presented(kind) => format!("exists {}", kind.code()),
        Atom::Exists(f) => format!("exists {}", fact(f)),
        Atom::IsTrue(f) => fact(f),
        Atom::Compare {
            left,
            op,
            right,
            ignore_case,
        } => {
            let op = match op {
                Comparison::Equal => "==",
                Comparison::NotEqual => "!=",
                Comparison::Less => "<",
                Comparison::LessOrEqual => "<=",
                Comparison::Greater => ">",
                Comparison::GreaterOrEqual => ">=",
            };
            let fold = if *ignore_case { " ignore case" } else { "" };
            format!("{} {op} {}{fold}", fact(left), operand_text(policy, right))
        }
        Atom::OneOf { fact: f, values } => format!("{} in {}", fact(f), list(values.iter().map(value_text))),
        Atom::InList { fact: f, list } => format!(
            "{} in {}",
            fact(f),
            name(policy.lists.get(list.index()).map(|x| &x.name))
        ),
        Atom::InNetwork { fact: f, network } => {
            format!(
                "{} in {}",
                fact(f),
                name(policy.networks.get(network.index()).map(|x| &x.name))
            )
        }
        Atom::InHours { hours } => format!(
            "now in {}",
            name(policy.hours.get(hours.index()).map(|x| &x.name))
        ),
        Atom::Contains { set, element } => format!("{} in {}", operand_text(policy, element), fact(set)),
        Atom::HasAny { set, values } => {
            format!("{} has any {}", fact(set), list(values.iter().map(|v| quoted(v))))
        }
        Atom::HasAll { set, values } => {
            format!("{} has all {}", fact(set), list(values.iter().map(|v| quoted(v))))
        }
        Atom::Like { fact: f, glob } => format!("{} like {}", fact(f), quoted(glob)),
        Atom::Matches { fact: f, regex } => format!("{} matches '{regex}'", fact(f)),
        Atom::Sample { fact: f, name, below } => {
            let percent = *below as f64 / (u64::MAX as f64 + 1.0) * 100.0;
            format!(
                "{} in {}% of {}",
                fact(f),
                (percent * 1e6).round() / 1e6,
                quoted(name)
            )
        }
    }
}

fn fact_text(policy: &Policy, fact: &Fact) -> String {
    match fact {
        Fact::Method => "request.method".into(),
        Fact::Scheme => "request.scheme".into(),
        Fact::Host => "request.host".into(),
        Fact::Port => "request.port".into(),
        Fact::Path => "request.path".into(),
        Fact::Query(name) => format!("request.query.{name}"),
        Fact::Header(name) => format!("request.header[{}]", quoted(name)),
        Fact::Cookie(name) => format!("request.cookie[{}]", quoted(name)),
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
            format!("{table}[{}].{column}", fact_text(policy, key))
        }
        Fact::Now => "now".into(),
    }
}
