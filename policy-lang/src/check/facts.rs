//! Dotted names -> facts with their types (section 2).
//!
//! Knows namespaces and declarations; nothing of operators.

use super::cx::{Captures, Cx, Env};
use super::literals::{self, header_name};
use super::names::{Kind, RESERVED};
use crate::ast::{FactPart, FactRef, OperandExpr};
use crate::model::{BesideId, Fact, PeerFact, TableId, Type};

/// Facts of the request that a name alone means.
static REQUEST: [(&str, Fact); 9] = [
    ("method", Fact::Method),
    ("scheme", Fact::Scheme),
    ("host", Fact::Host),
    ("port", Fact::Port),
    ("path", Fact::Path),
    ("size", Fact::Size),
    ("content_type", Fact::ContentType),
    ("protocol", Fact::Protocol),
    ("sni", Fact::Sni),
];

/// What of the request is named by the author.
const PARTS: [&str; 3] = ["query", "header", "cookie"];

static PEER: [(&str, Fact); 4] = [
    ("spiffe", Fact::Peer(PeerFact::Spiffe)),
    ("dns", Fact::Peer(PeerFact::Dns)),
    ("subject", Fact::Peer(PeerFact::Subject)),
    ("fingerprint", Fact::Peer(PeerFact::Fingerprint)),
];

/// The names of a reference as far as they are plain.
pub(super) fn plain(fact: &FactRef) -> Vec<&str> {
    fact.parts
        .iter()
        .map_while(|p| match p {
            FactPart::Name(name) => Some(name.node.as_str()),
            _ => None,
        })
        .collect()
}

/// The single name that a reference is, if it is one.
pub(super) fn single(fact: &FactRef) -> Option<&crate::ast::Name> {
    match fact.parts.as_slice() {
        [FactPart::Name(name)] => Some(name),
        _ => None,
    }
}

/// The path of a field of the response, where such fields can be named: `response.a.b`, or a name that is neither
/// a namespace nor declared.
fn response_field(cx: &Cx<'_>, env: Env<'_>, reference: &FactRef) -> Option<Vec<String>> {
    let names = plain(reference);
    let path = match names.split_first() {
        Some((&"response", rest)) => rest,
        Some((first, _)) if RESERVED.contains(first) || cx.names.find(env.scope, first).is_some() => &[],
        _ => names.as_slice(),
    };
    let whole = names.join(".");
    let trusted = cx.policy.trust.headers.iter().any(|h| h.name == whole);
    let field = env.response && names.len() == reference.parts.len() && !path.is_empty() && !trusted;
    field.then(|| path.iter().map(|name| (*name).to_owned()).collect())
}

fn replaced_help(name: &str) -> String {
    format!("set the header under a name of its own, as in `set request header \"{name}-checked\" ..;`")
}

impl Cx<'_> {
    /// A fact and its type; what is wrong is reported.
    pub(super) fn fact(&self, env: Env<'_>, reference: &FactRef) -> Option<(Fact, Type)> {
        let fact = self.resolve(env, reference)?;
        if let Some((why, help)) = self.never_known(&fact) {
            let message = format!("`{}` is always absent: {why}", self.policy.show(&fact));
            self.report.warning("W0011", reference.span, message, help);
        }
        let ty = self.policy.type_of(&fact);
        Some((fact, ty))
    }

    /// Why a fact of the request is never known, and the way out: it is a header that the policy sets, or a parameter that
    /// presents tokens.
    pub(super) fn never_known(&self, fact: &Fact) -> Option<(&'static str, String)> {
        match fact {
            Fact::Query(name) if self.policy.presents_token(name) => Some((
                "the parameter presents a token",
                "ask what the token says, as in `token.sub`, or whether there is one: `exists token`"
                    .to_owned(),
            )),
            _ => self.replaced(fact).map(|name| {
                let why =
                    "the policy sets this header, and what a client sends under its name is removed first";
                (why, replaced_help(name))
            }),
        }
    }

    /// The name of a header that the policy sets on requests, if the fact is such a header.
    fn replaced<'f>(&self, fact: &'f Fact) -> Option<&'f str> {
        match fact {
            Fact::Header(name) if self.set_headers.contains(name) => Some(name),
            _ => None,
        }
    }

    /// The fact that `exists` asks for; that of a header which the policy sets would be false for ever.
    pub(super) fn sent(&self, env: Env<'_>, reference: &FactRef) -> Option<Fact> {
        if let Some(path) = response_field(self, env, reference) {
            let ty = Type::String;
            return Some(Fact::Response { path, ty });
        }
        let fact = self.resolve(env, reference)?;
        if let Fact::Query(name) = &fact
            && self.policy.presents_token(name)
        {
            return self.report.invalid(
                "G0617",
                reference.span,
                format!("`request.query.{name}` presents a token and is never known"),
                "ask `exists token`",
            );
        }
        match self.replaced(&fact) {
            None => Some(fact),
            Some(name) => self.report.invalid(
                "G0519",
                reference.span,
                format!("`exists request.header[\"{name}\"]` is never true: the policy sets this header, and what a client sends under its name is removed first"),
                replaced_help(name),
            ),
        }
    }

    /// As [`Cx::fact`]; a field of the response is taken to be of the type that its test wants.
    pub(super) fn fact_as(&self, env: Env<'_>, reference: &FactRef, wanted: Type) -> Option<(Fact, Type)> {
        match response_field(self, env, reference) {
            Some(path) => Some((Fact::Response { path, ty: wanted }, wanted)),
            None => self.fact(env, reference),
        }
    }

    /// As [`Cx::fact`]; a field of the response is taken to be of the type of what it is compared with.
    pub(super) fn fact_beside(
        &self,
        env: Env<'_>,
        reference: &FactRef,
        other: &OperandExpr,
    ) -> Option<(Fact, Type)> {
        let field = |reference| response_field(self, env, reference).is_some();
        let wanted = match other {
            _ if !field(reference) => return self.fact(env, reference),
            OperandExpr::Literal(literal) => literals::natural_type(&literal.node),
            OperandExpr::Fact(other) if !field(other) => Some(self.fact(env, other)?.1),
            OperandExpr::Fact(_) => None,
        };
        match wanted {
            Some(wanted) => self.fact_as(env, reference, wanted),
            None => self.report.invalid(
                "G0201",
                reference.span,
                "the type of this field is not known",
                "compare a field of the response with a literal or a fact of the request",
            ),
        }
    }

    fn resolve(&self, env: Env<'_>, reference: &FactRef) -> Option<Fact> {
        let names = plain(reference);
        let rest = reference.parts.get(1..).unwrap_or_default();
        match names.first().copied() {
            Some("request") => self.request(reference, rest),
            Some("path") => self.capture(env, reference, &names),
            Some("host") => self.host_label(env, reference, &names),
            Some("client") => self.only(reference, &names, &[("ip", Fact::ClientIp)]),
            Some("connection") => self.only(reference, &names, &[("ip", Fact::ConnectionIp)]),
            Some("signature") => self.only(reference, &names, &[("name", Fact::SignatureName)]),
            Some("peer") => self.only(reference, &names, &PEER),
            Some("token") => {
                let own = (!self.policy.issuers.is_empty()).then_some(("scope", Fact::Scopes));
                let issuers = &self.policy.issuers;
                let has = |name: &str| issuers.iter().any(|i| i.claims.iter().any(|c| c.name == name));
                let claims = self.policy.claims.iter().map(|c| c.name.as_str());
                let claims = claims.filter(|name| has(name));
                self.member(reference, &names, "claim", own.as_slice(), claims, Fact::Claim)
            }
            Some("key") => {
                let own = (!self.policy.keys.is_empty()).then_some(("id", Fact::KeyId));
                let fields = self.policy.key_fields.iter().map(|f| f.name.as_str());
                let what = "field of an API key";
                self.member(reference, &names, what, own.as_slice(), fields, Fact::KeyField)
            }
            Some("context") => {
                let declared = self.policy.context.iter().map(|f| f.name.as_str());
                self.member(reference, &names, "context fact", &[], declared, Fact::Context)
            }
            Some("now") if reference.parts.len() == 1 => Some(Fact::Now),
            Some("body" | "response") => self.report.invalid(
                "G0901",
                reference.span,
                "facts of bodies are parsed, not enforced yet",
                "use `accept body` or `require response { .. }`",
            ),
            _ => self.declared(env, reference, &names),
        }
    }

    fn wrong(&self, reference: &FactRef, help: impl Into<String>) -> Option<Fact> {
        self.report
            .invalid("G0104", reference.span, "there is no such fact", help)
    }

    fn request(&self, reference: &FactRef, rest: &[FactPart]) -> Option<Fact> {
        let Some(FactPart::Name(name)) = rest.first() else {
            return self.wrong(
                reference,
                "write `request.method`, `request.header[\"name\"]` and the like",
            );
        };
        let simple = REQUEST.iter().find(|f| f.0 == name.node).map(|f| f.1.clone());
        if simple.is_none() && !PARTS.contains(&name.node.as_str()) {
            let known = REQUEST.iter().map(|f| f.0).chain(PARTS);
            self.report
                .undeclared(name.span, &name.node, "fact of the request", known);
            return None;
        }
        match (simple, name.node.as_str(), rest.get(1..).unwrap_or_default()) {
            (Some(fact), _, []) => Some(fact),
            (None, "query", [FactPart::Name(n) | FactPart::Index(n)]) => Some(Fact::Query(n.node.clone())),
            (None, "header", [FactPart::Index(n)]) => self.ok(n.span, header_name(&n.node)).map(Fact::Header),
            (None, "cookie", [FactPart::Index(n)]) => {
                let odd = |b: u8| b <= b' ' || b >= 0x7f || matches!(b, b';' | b'=' | b',');
                if n.node.is_empty() || n.node.bytes().any(odd) {
                    return self.report.invalid(
                        "G0310",
                        n.span,
                        format!("`{}` is not a cookie's name", n.node),
                        "use letters, digits, `-` and `_`",
                    );
                }
                Some(Fact::Cookie(n.node.clone()))
            }
            _ => self.wrong(
                reference,
                "write `request.query.NAME`, `request.header[\"name\"]` or `request.cookie[\"name\"]`",
            ),
        }
    }

    fn only(&self, reference: &FactRef, names: &[&str], facts: &[(&str, Fact)]) -> Option<Fact> {
        self.member(reference, names, "fact", facts, std::iter::empty(), Fact::Claim)
    }

    /// A fact of a namespace: one of its `own`, or what `make` makes of a `declared` name.
    fn member<'n>(
        &self,
        reference: &FactRef,
        names: &[&str],
        what: &str,
        own: &[(&'n str, Fact)],
        declared: impl Iterator<Item = &'n str> + Clone,
        make: impl FnOnce(String) -> Fact,
    ) -> Option<Fact> {
        let (&[_, name], true) = (names, reference.parts.len() == 2) else {
            return self.wrong(reference, "write a namespace and one name, as in `token.sub`");
        };
        if let Some((_, fact)) = own.iter().find(|f| f.0 == name) {
            return Some(fact.clone());
        }
        if declared.clone().any(|d| d == name) {
            return Some(make(name.to_owned()));
        }
        let known = declared.chain(own.iter().map(|f| f.0));
        self.report.undeclared(reference.span, name, what, known);
        None
    }

    fn capture(&self, env: Env<'_>, reference: &FactRef, names: &[&str]) -> Option<Fact> {
        let (&[_, name], true) = (names, reference.parts.len() == 2) else {
            return self.wrong(reference, "write `path.NAME` for the capture `{NAME}`");
        };
        let name = name.to_owned();
        let targets = match env.captures {
            Captures::Any => {
                return Some(Fact::Capture {
                    name,
                    ty: Type::String,
                });
            }
            Captures::None => {
                return self.report.invalid(
                    "G0409",
                    reference.span,
                    format!("there is no target here that could capture `{name}`"),
                    "captures belong to the rule whose target has them",
                );
            }
            Captures::Targets(targets) => targets,
        };
        let mut found = None;
        for target in targets {
            let Some((_, ty)) = target.pattern.captures().into_iter().find(|c| c.0 == name) else {
                self.report.error_at_both(
                    "G0409",
                    reference.span,
                    format!("a target of this rule has no capture `{name}`"),
                    (target.span, "this target"),
                    "every target of the rule must capture it",
                );
                return None;
            };
            if found.is_some_and(|t| t != ty) {
                self.report.error_at_both(
                    "G0410",
                    reference.span,
                    format!("the targets of this rule capture `{name}` with different types"),
                    (target.span, "this target differs"),
                    "give it one type, or split the rule",
                );
                return None;
            }
            found = Some(ty);
        }
        found.map(|ty| Fact::Capture { name, ty })
    }

    fn host_label(&self, env: Env<'_>, reference: &FactRef, names: &[&str]) -> Option<Fact> {
        let (&[_, name], true) = (names, reference.parts.len() == 2) else {
            return self.wrong(
                reference,
                "write `host.NAME` for the label `{NAME}` of the service's hosts, or `request.host`",
            );
        };
        if env.host.has(name) {
            return Some(Fact::HostLabel(name.to_owned()));
        }
        self.report.invalid(
            "G0409",
            reference.span,
            format!("`host.{name}` is known only in a service all of whose hosts capture `{name}`"),
            format!("write every host of the service as in `service shop on \"{{{name}}}.example.com\"`"),
        )
    }

    /// The issuer with `beside` of a name.
    pub(super) fn beside_named(&self, env: Env<'_>, name: &str) -> Option<BesideId> {
        let entry = self.names.find(env.scope, name)?;
        (entry.kind == Kind::Beside).then_some(BesideId(entry.index))
    }

    /// Table cells, claims of issuers with `beside`, and names from `trust`.
    fn declared(&self, env: Env<'_>, reference: &FactRef, names: &[&str]) -> Option<Fact> {
        if let [
            FactPart::Name(table),
            FactPart::IndexFact(key),
            FactPart::Name(column),
        ] = reference.parts.as_slice()
        {
            let entry = self.expect(env.scope, table, &[Kind::Table])?;
            let declared = self.policy.tables.get(entry.index as usize)?;
            // Key facts are not cells themselves: the nesting ends here.
            if matches!(key.parts.get(1), Some(FactPart::IndexFact(_))) {
                return self.wrong(key, "a table is looked up by a plain fact");
            }
            let (key_fact, ty) = self.fact(env, key)?;
            if ty != Type::String {
                self.mismatch(key.span, ty, Type::String);
                return None;
            }
            if !declared.columns.iter().any(|c| c.0 == column.node) {
                let known = declared.columns.iter().map(|c| c.0.as_str());
                self.report.undeclared(column.span, &column.node, "column", known);
                return None;
            }
            let table = TableId(entry.index);
            return Some(Fact::Cell {
                table,
                key: Box::new(key_fact),
                column: column.node.clone(),
            });
        }
        if let Some(id) = names.first().and_then(|name| self.beside_named(env, name)) {
            let issuer = self.policy.beside.get(id.index());
            let claims = issuer.into_iter().flat_map(|issuer| &issuer.claims);
            let claims = claims.map(|claim| claim.name.as_str());
            let what = "claim of this issuer";
            return self.member(reference, names, what, &[], claims, |name| {
                Fact::BesideClaim(id, name)
            });
        }
        let whole = names.join(".");
        if names.len() == reference.parts.len() && self.policy.trust.headers.iter().any(|h| h.name == whole) {
            return Some(Fact::Trusted(whole));
        }
        let trusted = self.policy.trust.headers.iter().map(|h| h.name.as_str());
        let known = trusted
            .chain(self.names.all(env.scope).map(|e| e.name))
            .chain(RESERVED);
        self.report
            .undeclared(reference.span, &whole, "fact or name", known);
        None
    }
}
