//! Rules -> heads and blocks of words.

use super::layout::{Node, block, grouped, leaf};
use super::words::*;
use crate::ast::*;
use crate::source::{Span, Spanned};

fn requirement(r: &Requirement) -> Words {
    match r {
        Requirement::Scope(items) => led("scope", texts(items)),
        Requirement::ScopeLike(t) => vec![format!("scope like {}", quote(&t.node))],
        Requirement::Acr(t) => vec![format!("acr {}", quote(&t.node))],
        Requirement::MaxAge(d) => vec![format!("max age {}", d.text)],
    }
}

/// `limit NAME [cost ..]`
pub(super) fn limit(prefix: &str, name: &Name, cost: &Option<Spanned<AmountExpr>>) -> Words {
    let mut words = vec![format!("{prefix} {}", name.node)];
    words.extend(cost.iter().map(|c| format!("cost {}", amount(&c.node))));
    words
}

pub(super) fn mark(m: &Mark) -> String {
    match m {
        Mark::Public => "public".to_owned(),
        Mark::Deprecated => "deprecated".to_owned(),
        Mark::Sunset(at) => format!("sunset {}", at.node),
        Mark::RequireTls => "require tls".to_owned(),
        Mark::RequireSniIsHost => "require sni == host".to_owned(),
    }
}

/// A rule.
pub(super) fn rule(r: &Rule, span: Span) -> Node {
    let report = if r.report { "report " } else { "" };
    let verb = match r.verb.node {
        Verb::Allow => format!("{report}allow {} to", names(&r.principals, " or ")),
        Verb::Deny => format!("{report}deny {} to", names(&r.principals, " or ")),
        Verb::On => format!("{report}on"),
    };
    let mut head = vec![led(&verb, list(&r.targets, target))];
    if !r.with.is_empty() {
        head.push(led("with", list(&r.with, |w| requirement(&w.node))));
    }
    head.extend(r.when.iter().map(|e| led("when", expr(e))));
    head.extend(r.unless.iter().map(|e| led("unless", expr(e))));
    head.extend(
        r.because
            .iter()
            .map(|t| vec![format!("because {}", quote(&t.node))]),
    );
    if let Some(respond) = &r.respond {
        let mut text = format!("respond {}", respond.node.status.node);
        if let Some(d) = &respond.node.retry_after {
            text.push_str(&format!(" retry after {}", d.node.text));
        }
        if let Some(to) = &respond.node.to {
            text.push_str(&format!(" to {}", quote(&to.node)));
        }
        head.push(vec![text]);
    }
    head.extend(r.name.iter().map(|n| vec![format!("as {}", n.node)]));
    match &r.body {
        None => grouped(span, head),
        Some(lines) => block(span, r.head.end, head, lines, body_line),
    }
}

fn body_line(line: &Spanned<BodyLine>) -> Node {
    let span = line.span;
    let words = match &line.node {
        BodyLine::Limit(name, cost) => limit("limit", name, cost),
        BodyLine::LimitInline(spec) => led("limit", quota(spec).concat()),
        BodyLine::Redact(lines) => {
            let head = vec![vec!["redact response".to_owned()]];
            return block(span, span.start, head, lines, redact_line);
        }
        BodyLine::Accept(spec) => return accept(spec, span),
        BodyLine::RequireResponse(condition, status) => {
            let mut words = led("require response {", expr(condition));
            glue(&mut words, ";");
            words.push(format!("}} else {}", status.node));
            words
        }
        BodyLine::Header {
            set,
            direction,
            name,
            value,
        } => {
            let verb = if *set { "set" } else { "drop" };
            let direction = direction
                .as_ref()
                .map_or_else(String::new, |d| format!(" {}", d.node));
            let mut words = vec![format!("{verb}{direction} header {}", quote(&name.node))];
            match value {
                Some(OperandExpr::Fact(f)) => words.push(fact(f)),
                Some(OperandExpr::Literal(l)) => words.extend(literal(&l.node)),
                None => {}
            }
            words
        }
        BodyLine::Tag(t) => vec![format!("tag {}", quote(&t.node))],
        BodyLine::Mark(m) => vec![mark(m)],
    };
    leaf(span, words)
}

fn redact_line(line: &Spanned<RedactLine>) -> Node {
    let words = match &line.node {
        RedactLine::Drop(paths) => led("drop", plain(paths)),
        RedactLine::Hash(paths) => led("hash", plain(paths)),
        RedactLine::Replace(path, text) => vec![format!("replace {} with {}", path.node, quote(&text.node))],
        RedactLine::Mask(path, None) => vec![format!("mask {}", path.node)],
        RedactLine::Mask(path, Some((end, n))) => {
            vec![format!("mask {} keep {} {}", path.node, end.node, n.node)]
        }
        RedactLine::Truncate(path, n) => vec![format!("truncate {} to {}", path.node, n.node)],
        RedactLine::Only(paths) => {
            let mut words = led("only {", paths.iter().map(|p| format!("{};", p.node)).collect());
            words.push("}".to_owned());
            return Node {
                span: line.span,
                head: vec![words],
                block: None,
            };
        }
    };
    leaf(line.span, words)
}

fn accept(spec: &AcceptSpec, span: Span) -> Node {
    let mut words = vec![format!("accept {}", spec.kind.node)];
    let mut after = spec.kind.span.end;
    if let Some(media) = &spec.media {
        glue(&mut words, &format!(" {}", quote(&media.node)));
    }
    if let Some(max) = &spec.max {
        after = after.max(max.span.end);
        words.push(format!("max {}", max.node.text));
    }
    if let Some(depth) = &spec.depth {
        after = after.max(depth.span.end);
        words.push(format!("depth {}", depth.node));
    }
    words.extend(spec.strip_unknown.then(|| "strip unknown".to_owned()));
    if spec.media.is_some() {
        return leaf(span, words);
    }
    block(span, after, vec![words], &spec.fields, accept_field)
}

fn accept_field(field: &AcceptField) -> Node {
    let optional = if field.optional { "?" } else { "" };
    let null = if field.nullable { " or null" } else { "" };
    let mut words = vec![format!("{}{optional}: {}{null}", field.path.node, field.ty.node)];
    for limit in &field.limits {
        match &limit.node {
            FieldLimit::Range(a, b) => words.push(format!("{a}..{b}")),
            FieldLimit::Min(n) => words.push(format!("min {n}")),
            FieldLimit::Max(n) => words.push(format!("max {n}")),
            FieldLimit::In(items) => words.extend(led("in", literals(items))),
            FieldLimit::Matches(regex) => words.push(format!("matches '{}'", regex.node)),
            FieldLimit::Items(a, b) => words.push(format!("items {}..{}", a.node, b.node)),
            FieldLimit::Keys(n) => words.push(format!("keys {}", n.node)),
            FieldLimit::Separated(text) => words.push(format!("separated by {}", quote(&text.node))),
        }
    }
    leaf(field.span, words)
}
