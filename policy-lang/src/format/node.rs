//! Declarations and statements -> statements and blocks of words. Knows spellings, no widths.

use super::layout::{Node, block, grouped, leaf};
use super::words::*;
use crate::ast::*;
use crate::source::{Span, Spanned};

/// A head of two words and its items in braces.
fn named<T>(span: Span, word: &str, name: &Name, items: &[T], print: fn(&T) -> Node) -> Node {
    let head = one(format!("{word} {}", name.node));
    block(span, name.span.end, vec![head], items, print)
}

/// A head of one word and its items in braces.
fn bare<T>(span: Span, word: &str, items: &[T], print: fn(&T) -> Node) -> Node {
    block(span, span.start, vec![one(word.to_owned())], items, print)
}

/// A title in quotes and lines below each other.
fn titled<T>(span: Span, word: &str, title: &Text, items: &[T], print: fn(&T) -> Node) -> Node {
    let head = one(format!("{word} {}", quote(&title.node)));
    open(block(span, title.span.end, vec![head], items, print))
}

fn open(mut node: Node) -> Node {
    if let Some(block) = &mut node.block {
        block.open = true;
    }
    node
}

fn one(text: String) -> Words {
    vec![text]
}

fn type_name(ty: &TypeName) -> String {
    match ty {
        TypeName::Word(word) => word.clone(),
        TypeName::SetOrString => "set or string".to_owned(),
        TypeName::SetSeparated(by) => format!("set separated by {}", quote(by)),
    }
}

fn member_path(path: &MemberPath) -> String {
    let step = |name: &Name| {
        if is_word(&name.node) {
            name.node.clone()
        } else {
            quote(&name.node)
        }
    };
    path.iter().map(step).collect::<Vec<_>>().join(".")
}

fn age(age: &Option<Spanned<Duration>>) -> String {
    age.as_ref()
        .map_or_else(String::new, |d| format!(" max age {}", d.node.text))
}

fn field(f: &FieldDecl) -> Node {
    let mut words = vec![format!("{}: {}", f.name.node, type_name(&f.ty.node))];
    words.extend(
        f.from
            .iter()
            .map(|path| format!("from {}", member_path(&path.node))),
    );
    if let Some(value) = &f.default {
        words.extend(led("=", literal(&value.node)));
    }
    leaf(f.span, words)
}

/// A declaration.
pub(super) fn item(item: &Item) -> Node {
    let span = item.span;
    match &item.decl {
        Decl::Import(file) => leaf(span, one(format!("import {}", quote(&file.node)))),
        Decl::Issuer(name, clauses) => named(span, "issuer", name, clauses, issuer_clause),
        Decl::Keys(name, clauses) => named(span, "keys", name, clauses, keys_clause),
        Decl::Peers(name, domains) => {
            let place = domains.first().map_or(name.span, |first| first.span);
            let place = Span {
                end: domains.last().map_or(place.end, |last| last.span.end),
                ..place
            };
            let trusted = (place, prefixed("trust", texts(domains)));
            named(span, "peers", name, &[trusted], |(place, words)| {
                leaf(*place, words.clone())
            })
        }
        Decl::Signature(name, clauses) => named(span, "signature", name, clauses, signature_clause),
        Decl::Secret(name, file) => leaf(
            span,
            one(format!("secret {} from file {}", name.node, quote(&file.node))),
        ),
        Decl::Methods(names) => leaf(span, prefixed("methods", plain(names))),
        Decl::RedactionKey(name) => leaf(span, one(format!("redaction key {}", name.node))),
        Decl::Trust(clauses) => bare(span, "trust", clauses, trust_clause),
        Decl::Context(items) => bare(span, "context", items, field),
        Decl::Network(name, nets) => leaf(span, prefixed(&format!("network {} =", name.node), plain(nets))),
        Decl::Hours(name, ranges, zone) => {
            let mut words = prefixed(
                &format!("hours {} =", name.node),
                list(ranges, |r| one(hours(&r.node))),
            );
            words.push(format!("in {}", quote(&zone.node)));
            leaf(span, words)
        }
        Decl::List(name, ty, file, max) => {
            let ty = type_name(&ty.node);
            leaf(
                span,
                one(format!(
                    "list {}: {ty} from {}{}",
                    name.node,
                    quote(&file.node),
                    age(max)
                )),
            )
        }
        Decl::Table(name, file, max, columns) => {
            let after = max.as_ref().map_or(file.span.end, |d| d.span.end);
            let head = one(format!(
                "table {} from {}{}",
                name.node,
                quote(&file.node),
                age(max)
            ));
            block(span, after, vec![head], columns, field)
        }
        Decl::Principal(name, e) => leaf(span, prefixed(&format!("principal {} =", name.node), expr(e))),
        Decl::Condition(name, e) => leaf(span, prefixed(&format!("condition {} =", name.node), expr(e))),
        Decl::Quota(name, spec) => {
            let mut groups = quota(spec);
            if let Some(first) = groups.first_mut() {
                *first = prefixed(&format!("quota {} =", name.node), std::mem::take(first));
            }
            grouped(span, groups)
        }
        Decl::Routes(name, items) => leaf(
            span,
            prefixed(&format!("routes {} =", name.node), list(items, target)),
        ),
        Decl::Guard(name, body) => open(named(span, "guard", name, body, statement)),
        Decl::Service {
            name,
            hosts,
            base,
            body,
        } => {
            let mut head = one(format!("service {}", name.node));
            let mut after = name.span.end;
            if let Some(last) = hosts.last() {
                after = last.span.end;
                head.extend(led("on", texts(hosts)));
            }
            if let Some(base) = base {
                after = base.span.end;
                head.push(format!("under {}", path(&base.node)));
            }
            open(block(span, after, vec![head], body, statement))
        }
        Decl::Persona(name, persona) => {
            let p = &persona.node;
            let head = one(format!(
                "persona {} = {} from {}",
                name.node, p.kind.node, p.from.node
            ));
            let mut node = block(span, p.from.span.end, vec![head], &p.members, member);
            if let Some(block) = &mut node.block {
                block.tail = ";";
            }
            node
        }
        Decl::Test(name, lines) => titled(span, "test", name, lines, test_line),
        Decl::Prove(name, lines) => titled(span, "prove", name, lines, proof_line),
    }
}

fn hours(range: &HoursRange) -> String {
    let day = |(from, to): &(String, Option<String>)| match to {
        Some(to) => format!("{from}..{to}"),
        None => from.clone(),
    };
    let days: Vec<String> = range.days.iter().map(day).collect();
    format!("{} {}..{}", days.join(", "), range.start, range.end)
}

fn issuer_clause(clause: &Spanned<IssuerClause>) -> Node {
    let span = clause.span;
    let words = match &clause.node {
        IssuerClause::Url(t) => one(format!("url {}", quote(&t.node))),
        IssuerClause::UrlLike(t) => one(format!("url like {}", quote(&t.node))),
        IssuerClause::FromQuery(t) => one(format!("from query {}", quote(&t.node))),
        IssuerClause::Secret(n) => one(format!("secret {}", n.node)),
        IssuerClause::Audience(items) => prefixed("audience", texts(items)),
        IssuerClause::Algorithms(items) => prefixed("algorithms", plain(items)),
        IssuerClause::Keys(t) => one(format!("keys {}", quote(&t.node))),
        IssuerClause::Leeway(d) => one(format!("leeway {}", d.node.text)),
        IssuerClause::FromHeader(t) => one(format!("from header {}", quote(&t.node))),
        IssuerClause::FromCookie(t) => one(format!("from cookie {}", quote(&t.node))),
        IssuerClause::VerifiedByGateway => one("verified by gateway".to_owned()),
        IssuerClause::ScopesFrom(path) => one(format!("scopes from {}", member_path(path))),
        IssuerClause::Implies(t, items) => {
            prefixed(&format!("scope {} implies", quote(&t.node)), texts(items))
        }
        IssuerClause::Claims(items) => return bare(span, "claims", items, field),
        IssuerClause::Type(t) => one(format!("type {}", quote(&t.node))),
        IssuerClause::MaxAge(d) => one(format!("max age {}", d.node.text)),
        IssuerClause::BoundToCertificate => one("bound to certificate".to_owned()),
        IssuerClause::Opaque => one("opaque".to_owned()),
        IssuerClause::NoExpiry => one("no expiry".to_owned()),
        IssuerClause::Beside => one("beside".to_owned()),
    };
    leaf(span, words)
}

fn keys_clause(clause: &Spanned<KeysClause>) -> Node {
    let span = clause.span;
    match &clause.node {
        KeysClause::Header(t) => leaf(span, one(format!("header {}", quote(&t.node)))),
        KeysClause::Cookie(t) => leaf(span, one(format!("cookie {}", quote(&t.node)))),
        KeysClause::File(t) => leaf(span, one(format!("file {}", quote(&t.node)))),
        KeysClause::Secret(n) => leaf(span, one(format!("secret {}", n.node))),
        KeysClause::Fields(items) => bare(span, "fields", items, field),
    }
}

fn signature_clause(clause: &Spanned<SignatureClause>) -> Node {
    let text = match &clause.node {
        SignatureClause::Header(t) => format!("header {}", quote(&t.node)),
        SignatureClause::Hmac {
            hash,
            encoding,
            prefix,
        } => {
            let prefix = prefix
                .as_ref()
                .map_or_else(String::new, |p| format!(" prefix {}", quote(&p.node)));
            format!("hmac {} {}{prefix}", hash.node, encoding.node)
        }
        SignatureClause::Over(parts) => {
            let part = |part: &Spanned<SignedPart>| match &part.node {
                SignedPart::Timestamp => "timestamp".to_owned(),
                SignedPart::Body => "body".to_owned(),
                SignedPart::Text(text) => quote(text),
            };
            format!("over {}", parts.iter().map(part).collect::<Vec<_>>().join(" "))
        }
        SignatureClause::Secret(names) => format!("secret {}", plain(names).join(" ")),
        SignatureClause::Timestamp(t, d) => {
            format!("timestamp header {} within {}", quote(&t.node), d.node.text)
        }
    };
    leaf(clause.span, one(text))
}

fn trust_clause(clause: &Spanned<TrustClause>) -> Node {
    let words = match &clause.node {
        TrustClause::Proxies(nets, hops) => {
            let mut words = prefixed("proxies", plain(nets));
            words.extend(hops.iter().map(|h| format!("hops {}", h.node)));
            words
        }
        TrustClause::Header(header, name, ty) => one(format!(
            "header {} as {}: {}",
            quote(&header.node),
            name.node,
            type_name(&ty.node)
        )),
    };
    leaf(clause.span, words)
}

type Member = (Name, Vec<Spanned<Literal>>);

fn member((name, values): &Member) -> Node {
    let end = values.last().map_or(name.span, |v| v.span).end;
    leaf(
        Span { end, ..name.span },
        prefixed(&name.node, list(values, |v| literal(&v.node))),
    )
}

fn members(items: &[Member]) -> String {
    let mut out = "{".to_owned();
    for (name, values) in items {
        out.push_str(&format!(
            " {} {};",
            name.node,
            list(values, |v| literal(&v.node)).join(" ")
        ));
    }
    out.push_str(" }");
    out
}

fn statement(s: &Spanned<Statement>) -> Node {
    let span = s.span;
    match &s.node {
        Statement::Local(local) => item(local),
        Statement::Rule(rule) => super::rule::rule(rule, span),
        Statement::DefaultLimit(name, cost) => leaf(span, super::rule::limit("default limit", name, cost)),
        Statement::OpenApi(file, enforce) => {
            let enforce = if *enforce { " enforce" } else { "" };
            leaf(span, one(format!("openapi {}{enforce}", quote(&file.node))))
        }
        Statement::Endpoint(kind, rest) => {
            let text = format!("endpoint {} {rest}", kind.node);
            // Raw text in braces ends with a brace of its own word; a capture's brace is part of a path.
            if rest.ends_with(" }") {
                Node {
                    span,
                    head: vec![one(text)],
                    block: None,
                }
            } else {
                leaf(span, one(text))
            }
        }
        Statement::Cors(clauses) => bare(span, "cors", clauses, cors_clause),
        Statement::Block(spec) => {
            let trigger = match &spec.answered {
                Some(status) => format!("answered {}", status.node),
                None => "denied".to_owned(),
            };
            let mut words = led("block by", keys(&spec.by));
            words.push(format!("for {}", spec.for_.node.text));
            let (more, per) = (spec.more_than.node, &spec.per.node.text);
            words.push(format!("when {trigger} more than {more} per {per}"));
            leaf(span, words)
        }
        Statement::Mark(m) => leaf(span, one(super::rule::mark(m))),
        Statement::InvalidCredentialsAnonymous => leaf(span, one("invalid credentials anonymous".to_owned())),
        Statement::TrailingSlashIgnored => leaf(span, one("trailing slash ignored".to_owned())),
        Statement::ResourceMetadata(url) => {
            leaf(span, one(format!("resource metadata {}", quote(&url.node))))
        }
        Statement::MergeSlashes => leaf(span, one("merge slashes".to_owned())),
        Statement::EncodedSlashAsData => leaf(span, one("encoded slash as data".to_owned())),
        Statement::EncodedBackslashAsData => leaf(span, one("encoded backslash as data".to_owned())),
        Statement::PathParametersKept => leaf(span, one("path parameters kept".to_owned())),
        Statement::MethodOverrideKept => leaf(span, one("method override kept".to_owned())),
    }
}

fn cors_clause(clause: &Spanned<CorsClause>) -> Node {
    let words = match &clause.node {
        CorsClause::Origins(items) => prefixed("origins", texts(items)),
        CorsClause::Methods(items) => prefixed("methods", plain(items)),
        CorsClause::Headers(items) => prefixed("headers", texts(items)),
        CorsClause::Credentials => one("credentials".to_owned()),
        CorsClause::MaxAge(d) => one(format!("max age {}", d.node.text)),
    };
    leaf(clause.span, words)
}

fn given(part: &GivenPart) -> String {
    match part {
        GivenPart::Persona(name) => name.node.clone(),
        GivenPart::Context(items) => format!("context {}", members(items)),
        GivenPart::ClientIp(t) => format!("client.ip {}", quote(&t.node)),
        GivenPart::Now(t) => format!("now {}", t.node),
        GivenPart::Header(n, v) => format!("header {} {}", quote(&n.node), quote(&v.node)),
        GivenPart::Body(t) => format!("body {}", quote(&t.node)),
        GivenPart::Credential(p) => format!("{} from {} {}", p.kind.node, p.from.node, members(&p.members)),
    }
}

fn test_line(line: &Spanned<TestLine>) -> Node {
    let words = match &line.node {
        TestLine::Given(parts) => prefixed("given", list(parts, |p| one(given(&p.node)))),
        TestLine::Expect(e) => {
            let mut words = one(format!("expect {}", e.effect.node));
            words.extend(e.status.iter().map(|s| s.node.to_string()));
            words.extend(e.reason.iter().map(|r| r.node.clone()));
            words.push(format!("{} {}", e.method.node, quote(&e.url.node)));
            if let Some(by) = &e.by {
                let bare = by
                    .node
                    .split_once('/')
                    .map_or_else(|| is_word(&by.node), |(a, b)| is_word(a) && is_word(b));
                words.push(format!(
                    "by {}",
                    if bare { by.node.clone() } else { quote(&by.node) }
                ));
            }
            if !e.with.is_empty() {
                words.extend(led("with", plain(&e.with)));
            }
            words
        }
    };
    leaf(line.span, words)
}

fn proof_line(line: &Spanned<ProofLine>) -> Node {
    let targets = |words: &str, items: &[Target]| led(words, list(items, target));
    let (mut words, service, condition) = match &line.node {
        ProofLine::NeverAllow(items, service, when) => {
            let condition = when.as_ref().map(|e| led("when", expr(e)));
            (targets("never allow", items), service, condition)
        }
        ProofLine::AlwaysAllow(items, service, when) => (
            targets("always allow", items),
            service,
            Some(led("when", expr(when))),
        ),
        ProofLine::Only(principals, items, service) => {
            let head = format!("only {} may", names(principals, " or "));
            (prefixed(&head, list(items, target)), service, None)
        }
        ProofLine::AlwaysDrop(path, items, service, unless) => {
            let condition = unless.as_ref().map(|e| led("unless", expr(e)));
            let head = format!("always drop {} on", path.node);
            (targets(&head, items), service, condition)
        }
        ProofLine::AlwaysLimit(items, service) => (targets("always limit", items), service, None),
    };
    words.extend(service.iter().map(|s| format!("on {}", s.node)));
    words.extend(condition.into_iter().flatten());
    leaf(line.span, words)
}
