//! Bodies of allows and `on` -> obligations.

use super::accept::{accept, alternative};
use super::cx::{Cx, Env, sort_dedup};
use super::jsonpath;
use super::literals::{header_name, header_value, instant, type_word};
use super::quotas::PendingLimit;
use super::sources::Parsed;
use crate::ast::{
    AcceptField, AcceptSpec, BodyLine, Decl, Literal, Mark, OperandExpr, RedactLine, Statement,
};
use crate::model::{
    Accept, AcceptKind, Effect, HeaderAction, HeaderDirection, HeaderOp, HeaderValue, Mask, Obligations,
    Redaction, RedactionOp, RequireResponse, Transport, Type,
};
use crate::source::{Span, Spanned};
use std::collections::BTreeSet;

/// Headers that frame a message or name its host: a policy that set them would make two messages of one.
const FRAMING: [&str; 9] = [
    "connection",
    "content-length",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "proxy-connection",
];

/// The request headers that some body sets, in lower case. Conditions are read before the model of the bodies is
/// there, so the trees are asked.
pub(super) fn set_request_headers(parsed: &[Parsed]) -> BTreeSet<String> {
    let items = parsed.iter().flat_map(|file| &file.file.items);
    let statements = items.flat_map(|item| match &item.decl {
        Decl::Service { body, .. } | Decl::Guard(_, body) => body.as_slice(),
        _ => &[],
    });
    let lines = statements.flat_map(|statement| match &statement.node {
        Statement::Rule(rule) => rule.body.as_deref().unwrap_or_default(),
        _ => &[],
    });
    lines
        .filter_map(|line| match &line.node {
            BodyLine::Header {
                set: true,
                direction: Some(direction),
                name,
                ..
            } if direction.node == "request" => Some(name.node.to_ascii_lowercase()),
            _ => None,
        })
        .collect()
}

/// Marks of a rule.
#[derive(Default)]
pub(super) struct Marks {
    pub(super) public: bool,
    pub(super) deprecated: bool,
}

impl Cx<'_> {
    /// A parameter that presents a token is passed over by `accept query`: what a field says of it never counts.
    fn token_parameters(&self, spec: &AcceptSpec, accept: &Accept) {
        if accept.kind != AcceptKind::Query {
            return;
        }
        for field in accept
            .fields
            .iter()
            .filter(|field| self.policy.presents_token(&field.path))
        {
            let is_written = |written: &&AcceptField| written.path.node.trim_matches('"') == field.path;
            let written = spec.fields.iter().find(is_written);
            self.report.error(
                "G0617",
                written.map_or(spec.kind.span, |written| written.path.span),
                format!(
                    "`{}` presents a token, and `accept query` passes it over",
                    field.path
                ),
                "remove the field",
            );
        }
    }

    /// The lines of one body.
    #[allow(clippy::too_many_arguments)] // three outputs that the rule owns apart
    pub(super) fn body(
        &self,
        env: Env<'_>,
        owner: &str,
        effect: Effect,
        body: &[Spanned<BodyLine>],
        out: &mut Obligations,
        limits: &mut Vec<PendingLimit>,
        marks: &mut Marks,
    ) {
        let mut named = BTreeSet::new();
        for Spanned { node: line, span } in body {
            let span = *span;
            match line {
                BodyLine::Limit(name, cost) => {
                    if let Some(limit) = self.limit(env, name, cost.as_ref()) {
                        self.add_limit(&mut named, limits, limit, span);
                    }
                }
                BodyLine::LimitInline(spec) => {
                    if let Some(limit) = self.inline_limit(env, owner, spec) {
                        self.add_limit(&mut named, limits, limit, span);
                    }
                }
                BodyLine::Redact(lines) => lines.iter().for_each(|l| self.redact(l, &mut out.redact)),
                BodyLine::Accept(spec) => {
                    if let Some(accept) = accept(&self.report, spec) {
                        self.token_parameters(spec, &accept);
                        alternative(&self.report, &out.accept, &accept, span);
                        out.accept.push(accept);
                    }
                }
                BodyLine::RequireResponse(expr, status) => {
                    if !(400..=599).contains(&status.node) {
                        self.report.error(
                            "G0505",
                            status.span,
                            format!("{} can not stand after `else`", status.node),
                            "write a status in 400 ..= 599",
                        );
                    }
                    let env = Env {
                        response: true,
                        ..env
                    };
                    if let Some(condition) = self.condition(env, expr) {
                        out.require_response.push(RequireResponse {
                            condition,
                            status: status.node as u16,
                        });
                    }
                }
                BodyLine::Header {
                    set,
                    direction,
                    name,
                    value,
                } => {
                    let value = value.as_ref().filter(|_| *set);
                    if let Some(op) = self.header(env, span, *set, direction.as_ref(), name, value) {
                        out.headers.push(op);
                    }
                }
                BodyLine::Tag(text) => out.tags.push(text.node.clone()),
                BodyLine::Mark(mark) => {
                    if effect == Effect::Allow {
                        self.report.error(
                            "G0506",
                            span,
                            "this is a clause of services and `on`",
                            "write it there",
                        );
                    }
                    self.mark(mark, marks, &mut out.require, &mut out.sunset_us, span);
                }
            }
        }
        sort_dedup(&mut out.redact);
        sort_dedup(&mut out.headers);
        sort_dedup(&mut out.tags);
        sort_dedup(&mut out.require);
    }

    fn add_limit(
        &self,
        named: &mut BTreeSet<String>,
        limits: &mut Vec<PendingLimit>,
        limit: PendingLimit,
        span: Span,
    ) {
        if !named.insert(limit.quota.clone()) {
            self.report.error(
                "G0511",
                span,
                format!("`{}` limits this rule twice", limit.quota),
                "keep one of them",
            );
        } else {
            limits.push(limit);
        }
    }

    /// `public` and the like, of services and `on`.
    pub(super) fn mark(
        &self,
        mark: &Mark,
        marks: &mut Marks,
        require: &mut Vec<Transport>,
        sunset: &mut Option<i64>,
        span: Span,
    ) {
        match mark {
            Mark::Public => marks.public = true,
            Mark::Deprecated => marks.deprecated = true,
            Mark::Sunset(text) => {
                if let Some(us) = self.ok(text.span, instant(&text.node)) {
                    self.once(sunset, us, span, "sunset");
                }
            }
            Mark::RequireTls => require.push(Transport::Tls),
            Mark::RequireSniIsHost => require.push(Transport::SniIsHost),
        }
    }

    fn redact(&self, line: &Spanned<RedactLine>, out: &mut Vec<Redaction>) {
        let mut op = |path: &Spanned<String>, op: RedactionOp| {
            if let Some(path) = self.ok(path.span, jsonpath::canonical(&path.node)) {
                out.push(Redaction::Op { path, op });
            }
        };
        match &line.node {
            RedactLine::Drop(paths) => paths.iter().for_each(|p| op(p, RedactionOp::Drop)),
            RedactLine::Hash(paths) => paths.iter().for_each(|p| op(p, RedactionOp::Hash)),
            RedactLine::Replace(path, text) => op(path, RedactionOp::Replace(text.node.clone())),
            RedactLine::Truncate(path, to) => op(path, RedactionOp::Truncate(to.node)),
            RedactLine::Mask(path, None) => op(path, RedactionOp::Mask(Mask::All)),
            RedactLine::Mask(path, Some((end, n))) => match (end.node.as_str(), n.node) {
                (_, 0) => self.report.error(
                    "G0508",
                    n.span,
                    "keeping nothing is a whole mask",
                    "leave `keep` out",
                ),
                ("first", n) => op(path, RedactionOp::Mask(Mask::First(n))),
                ("last", n) => op(path, RedactionOp::Mask(Mask::Last(n))),
                _ => self
                    .report
                    .error("G0508", end.span, "masks keep an end", "write `first` or `last`"),
            },
            RedactLine::Only(paths) => {
                let canonical = paths
                    .iter()
                    .filter_map(|p| self.ok(p.span, jsonpath::canonical(&p.node)));
                let mut paths: Vec<String> = canonical.collect();
                sort_dedup(&mut paths);
                out.push(Redaction::Only(paths));
            }
        }
    }

    fn header(
        &self,
        env: Env<'_>,
        span: Span,
        set: bool,
        direction: Option<&crate::ast::Name>,
        name: &crate::ast::Text,
        value: Option<&OperandExpr>,
    ) -> Option<HeaderOp> {
        let direction = match direction.map(|d| d.node.as_str()) {
            Some("request") => HeaderDirection::Request,
            _ => HeaderDirection::Response,
        };
        let header = self.ok(name.span, header_name(&name.node))?;
        if FRAMING.contains(&header.as_str()) {
            return self.report.invalid(
                "G0509",
                name.span,
                format!("`{header}` belongs to the transport"),
                "leave it to the host",
            );
        }
        let action = match (set, value) {
            (false, _) => HeaderAction::Drop,
            (true, Some(OperandExpr::Literal(literal))) => match &literal.node {
                Literal::String(text) => {
                    self.ok(literal.span, header_value(text))?;
                    HeaderAction::Set(HeaderValue::Literal(text.clone()))
                }
                _ => {
                    return self.report.invalid(
                        "G0201",
                        literal.span,
                        "a header's value is a string",
                        "write it in double quotes",
                    );
                }
            },
            (true, Some(OperandExpr::Fact(reference))) => {
                let (fact, ty) = self.fact(env, reference)?;
                if !matches!(ty, Type::String | Type::Int | Type::Bool | Type::Ip) {
                    return self.report.invalid(
                        "G0202",
                        reference.span,
                        format!("a {} is no header value", type_word(ty)),
                        "use a string, int, bool or ip",
                    );
                }
                HeaderAction::Set(HeaderValue::Fact(fact))
            }
            (true, None) => {
                return self
                    .report
                    .invalid("G0502", span, "`set` needs a value", "add one");
            }
        };
        Some(HeaderOp {
            direction,
            name: header,
            action,
        })
    }
}
