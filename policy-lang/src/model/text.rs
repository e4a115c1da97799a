//! Facts, conditions and values of the model -> Gate text on one line, with names as they are declared. For
//! explanations and reports; the formatter prints trees, not the model.

use std::fmt::{self, Display, Formatter};

use super::{Anchor, Atom, Comparison, Cond, CredentialKind, Fact, Operand, PeerFact, Policy, Value};
use portcullis_base::quote::GateString;

/// A part of a policy that can be written as Gate text.
pub trait GateText {
    /// Writes the text; names are those that `policy` declares.
    fn write(&self, policy: &Policy, f: &mut Formatter<'_>) -> fmt::Result;
}

/// A part of a policy with the policy that declares its names. See [`Policy::show`].
#[derive(Clone, Copy, Debug)]
pub struct Shown<'p, T> {
    policy: &'p Policy,
    part: &'p T,
}

impl<T: GateText> Display for Shown<'_, T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.part.write(self.policy, f)
    }
}

impl Policy {
    /// A fact, condition, test, anchor or value of this policy as Gate text on one line.
    pub fn show<'p, T: GateText>(&'p self, part: &'p T) -> Shown<'p, T> {
        Shown { policy: self, part }
    }

    /// What `exists` asks for a kind of credential by.
    pub fn kind_name(&self, kind: CredentialKind) -> &str {
        let beside = kind.beside_index().and_then(|index| self.beside.get(index));
        beside.map_or(kind.code(), |issuer| &issuer.name)
    }

    fn name_of(&self, anchor: Anchor) -> Option<&String> {
        match anchor {
            Anchor::Token(id) => self.issuers.get(id.index()).map(|d| &d.name),
            Anchor::Key(id) => self.keys.get(id.index()).map(|d| &d.name),
            Anchor::Peer(id) => self.peers.get(id.index()).map(|d| &d.name),
            Anchor::Signed(id) => self.signatures.get(id.index()).map(|d| &d.name),
            Anchor::Beside(id) => self.beside.get(id.index()).map(|d| &d.name),
        }
    }
}

/// A declared name; ids come from the policy itself, so it is always found.
fn name(found: Option<&String>) -> &str {
    found.map_or("", String::as_str)
}

fn separated<T>(
    f: &mut Formatter<'_>,
    items: &[T],
    between: &str,
    mut write: impl FnMut(&T, &mut Formatter<'_>) -> fmt::Result,
) -> fmt::Result {
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            f.write_str(between)?;
        }
        write(item, f)?;
    }
    Ok(())
}

fn strings(f: &mut Formatter<'_>, items: &[String]) -> fmt::Result {
    f.write_str("[")?;
    separated(f, items, ", ", |text, f| write!(f, "{}", GateString(text)))?;
    f.write_str("]")
}

impl GateText for Cond {
    fn write(&self, policy: &Policy, f: &mut Formatter<'_>) -> fmt::Result {
        let part = |cond: &Cond, f: &mut Formatter<'_>| match cond {
            Cond::All(_) | Cond::Any(_) => write!(f, "({})", policy.show(cond)),
            _ => cond.write(policy, f),
        };
        match self {
            Cond::True => f.write_str("anyone"),
            Cond::Not(inner) => {
                f.write_str("not ")?;
                part(inner, f)
            }
            Cond::All(parts) => separated(f, parts, " and ", part),
            Cond::Any(parts) => separated(f, parts, " or ", part),
            Cond::Atom(atom) => atom.write(policy, f),
        }
    }
}

impl GateText for Anchor {
    fn write(&self, policy: &Policy, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Anchor::Signed(_) => f.write_str("signed by")?,
            _ => write!(f, "{} from", self.kind().code())?,
        }
        write!(f, " {}", name(policy.name_of(*self)))
    }
}

impl GateText for Atom {
    fn write(&self, policy: &Policy, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Atom::Anchor(anchor) => anchor.write(policy, f),
            Atom::Presented(kind) => write!(f, "exists {}", policy.kind_name(*kind)),
            Atom::Exists(fact) => write!(f, "exists {}", policy.show(fact)),
            Atom::IsTrue(fact) => fact.write(policy, f),
            Atom::Compare {
                left,
                op,
                right,
                ignore_case,
            } => {
                write!(f, "{} {op} {}", policy.show(left), policy.show(right))?;
                f.write_str(if *ignore_case { " ignore case" } else { "" })
            }
            Atom::OneOf { fact, values } => {
                write!(f, "{} in [", policy.show(fact))?;
                separated(f, values, ", ", |value, f| value.write(policy, f))?;
                f.write_str("]")
            }
            Atom::InList { fact, list } => {
                let list = policy.lists.get(list.index()).map(|d| &d.name);
                write!(f, "{} in {}", policy.show(fact), name(list))
            }
            Atom::InNetwork { fact, network } => {
                let network = policy.networks.get(network.index()).map(|d| &d.name);
                write!(f, "{} in {}", policy.show(fact), name(network))
            }
            Atom::InHours { hours } => {
                let hours = policy.hours.get(hours.index()).map(|d| &d.name);
                write!(f, "now in {}", name(hours))
            }
            Atom::Contains { set, element } => {
                write!(f, "{} in {}", policy.show(element), policy.show(set))
            }
            Atom::HasAny { set, values } => {
                write!(f, "{} has any ", policy.show(set))?;
                strings(f, values)
            }
            Atom::HasAll { set, values } => {
                write!(f, "{} has all ", policy.show(set))?;
                strings(f, values)
            }
            Atom::Like { fact, glob } => write!(f, "{} like {}", policy.show(fact), GateString(glob)),
            Atom::Matches { fact, regex } => write!(f, "{} matches '{regex}'", policy.show(fact)),
            Atom::Sample { fact, name, below } => {
                let percent = *below as f64 / (u64::MAX as f64 + 1.0) * 100.0;
                let percent = (percent * 1e6).round() / 1e6;
                write!(f, "{} in {percent}% of {}", policy.show(fact), GateString(name))
            }
        }
    }
}

impl Display for Comparison {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Comparison::Equal => "==",
            Comparison::NotEqual => "!=",
            Comparison::Less => "<",
            Comparison::LessOrEqual => "<=",
            Comparison::Greater => ">",
            Comparison::GreaterOrEqual => ">=",
        })
    }
}

impl GateText for Operand {
    fn write(&self, policy: &Policy, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Operand::Value(value) => value.write(policy, f),
            Operand::Fact(fact) => fact.write(policy, f),
        }
    }
}

impl GateText for Value {
    fn write(&self, _: &Policy, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Value::Bool(v) => write!(f, "{v}"),
            Value::Int(v) => write!(f, "{v}"),
            Value::String(v) => write!(f, "{}", GateString(v)),
            Value::Ip(v) => write!(f, "\"{v}\""),
            Value::Set(v) => strings(f, v),
            Value::Instant(us) => match jiff::Timestamp::from_microsecond(*us) {
                Ok(instant) => write!(f, "{instant}"),
                Err(_) => write!(f, "{us}"),
            },
            Value::Duration(us) if us % 1_000_000 == 0 => write!(f, "{}s", us / 1_000_000),
            Value::Duration(us) => write!(f, "{}ms", us / 1_000),
        }
    }
}

impl GateText for Fact {
    fn write(&self, policy: &Policy, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Fact::Method => f.write_str("request.method"),
            Fact::Scheme => f.write_str("request.scheme"),
            Fact::Host => f.write_str("request.host"),
            Fact::Port => f.write_str("request.port"),
            Fact::Path => f.write_str("request.path"),
            Fact::Query(name) => write!(f, "request.query.{name}"),
            Fact::Header(name) => write!(f, "request.header[{}]", GateString(name)),
            Fact::Cookie(name) => write!(f, "request.cookie[{}]", GateString(name)),
            Fact::Size => f.write_str("request.size"),
            Fact::ContentType => f.write_str("request.content_type"),
            Fact::Protocol => f.write_str("request.protocol"),
            Fact::Sni => f.write_str("request.sni"),
            Fact::HostLabel(name) => write!(f, "host.{name}"),
            Fact::Capture { name, .. } => write!(f, "path.{name}"),
            Fact::ClientIp => f.write_str("client.ip"),
            Fact::ConnectionIp => f.write_str("connection.ip"),
            Fact::Claim(name) => write!(f, "token.{name}"),
            Fact::Scopes => f.write_str("token.scope"),
            Fact::BesideClaim(id, claim) => {
                write!(
                    f,
                    "{}.{claim}",
                    name(policy.beside.get(id.index()).map(|d| &d.name))
                )
            }
            Fact::KeyId => f.write_str("key.id"),
            Fact::KeyField(name) => write!(f, "key.{name}"),
            Fact::Peer(PeerFact::Spiffe) => f.write_str("peer.spiffe"),
            Fact::Peer(PeerFact::Dns) => f.write_str("peer.dns"),
            Fact::Peer(PeerFact::Subject) => f.write_str("peer.subject"),
            Fact::Peer(PeerFact::Fingerprint) => f.write_str("peer.fingerprint"),
            Fact::SignatureName => f.write_str("signature.name"),
            Fact::Context(name) => write!(f, "context.{name}"),
            Fact::Trusted(name) => f.write_str(name),
            Fact::Cell { table, key, column } => {
                let table = policy.tables.get(table.index()).map(|d| &d.name);
                write!(f, "{}[{}].{column}", name(table), policy.show(key.as_ref()))
            }
            Fact::Response { path, .. } => write!(f, "response.{}", path.join(".")),
            Fact::Now => f.write_str("now"),
        }
    }
}
