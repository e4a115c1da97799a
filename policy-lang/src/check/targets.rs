//! Target expressions -> methods, patterns and kinds below a base.

use super::cx::Cx;
use super::literals::method;
use super::names::{Kind, Node, ScopeId};
use super::paths;
use crate::ast::{self, Name, TargetExpr};
use crate::model::{Base, HostOptions, Methods, Pattern, Segment, Tail, Target, TargetKind};
use crate::source::Span;

/// Where targets stand.
#[derive(Clone, Copy)]
pub(super) struct Place<'t> {
    pub(super) scope: Option<ScopeId>,
    pub(super) base: &'t Base,
    pub(super) options: HostOptions,
}

impl Cx<'_> {
    /// All targets of a rule or proof; what is wrong is reported and left out.
    pub(super) fn targets(&self, place: Place<'_>, targets: &[ast::Target]) -> Vec<Target> {
        let mut out = Vec::new();
        for target in targets {
            self.target(place, target, None, &mut Vec::new(), &mut out);
        }
        out
    }

    /// `outer` are the methods of the use of a `routes` name; `open` the names being expanded.
    fn target(
        &self,
        place: Place<'_>,
        target: &ast::Target,
        outer: Option<&Methods>,
        open: &mut Vec<Span>,
        out: &mut Vec<Target>,
    ) {
        let span = target.span;
        let (methods, pattern, kind) = match &target.kind {
            TargetExpr::Path(names, path) => {
                let methods = self.methods(names, outer, span);
                let kept = place.options.encoded_slash_as_data;
                let pattern = self.ok(path.span, paths::pattern(&path.node.text, place.base, kept));
                let (Some(methods), Some(pattern)) = (methods, pattern) else {
                    return;
                };
                (methods, pattern, TargetKind::Http)
            }
            TargetExpr::Routes(names, name) => {
                let Some(entry) = self
                    .names
                    .expect(&self.report, place.scope, name, &[Kind::Routes])
                else {
                    return;
                };
                let Node::Routes(targets) = entry.node else { return };
                if open.contains(&entry.span) {
                    self.report.error(
                        "G0109",
                        entry.span,
                        format!("`{}` is defined by itself", entry.name),
                        "a name can not lead back to itself",
                    );
                    return;
                }
                let own = if names.is_empty() {
                    None
                } else {
                    self.methods(names, outer, span)
                };
                open.push(entry.span);
                let place = Place {
                    scope: entry.scope,
                    ..place
                };
                for inner in targets {
                    self.target(place, inner, own.as_ref().or(outer), open, out);
                }
                open.pop();
                return;
            }
            TargetExpr::WebSocket(path) => {
                let kept = place.options.encoded_slash_as_data;
                let Some(pattern) = self.ok(path.span, paths::pattern(&path.node.text, place.base, kept))
                else {
                    return;
                };
                (
                    Methods::Only(vec!["GET".to_owned()]),
                    pattern,
                    TargetKind::WebSocket,
                )
            }
            TargetExpr::Grpc(text) => {
                let Some(pattern) = self.ok(text.span, paths::grpc(&text.node)) else {
                    return;
                };
                let below = place.base.iter().zip(&pattern.segments).all(|(b, s)| match s {
                    Segment::Literal(text) => text == b,
                    _ => true,
                });
                if !below || place.base.len() > pattern.segments.len() {
                    self.report.error(
                        "G0408",
                        span,
                        "gRPC paths start at the root, outside the service's base",
                        "declare a service without `under` for it",
                    );
                    return;
                }
                (Methods::Only(vec!["POST".to_owned()]), pattern, TargetKind::Grpc)
            }
            TargetExpr::NoPath(name) => {
                if !matches!(name.node.as_str(), "OPTIONS" | "CONNECT") {
                    self.report.error(
                        "G0402",
                        name.span,
                        format!("`{}` has always a path", name.node),
                        "only `OPTIONS *` and `CONNECT *` have none",
                    );
                    return;
                }
                if !place.base.is_empty() {
                    self.report.error(
                        "G0408",
                        span,
                        "a service with a base never answers a request without a path",
                        "declare a service without `under` for it",
                    );
                    return;
                }
                let pattern = Pattern {
                    segments: Vec::new(),
                    tail: Tail::None,
                };
                (
                    Methods::Only(vec![name.node.clone()]),
                    pattern,
                    TargetKind::NoPath,
                )
            }
            TargetExpr::Operation(kind, _) => {
                self.report.error(
                    "G0902",
                    span,
                    format!("`{}` targets are parsed, not enforced yet", kind.node),
                    "protect the path itself",
                );
                return;
            }
        };
        out.push(Target {
            methods,
            pattern,
            kind,
            span,
        });
    }

    fn methods(&self, names: &[Name], outer: Option<&Methods>, span: Span) -> Option<Methods> {
        match (names, outer) {
            ([], Some(outer)) => Some(outer.clone()),
            ([], None) => {
                self.report.error(
                    "G0402",
                    span,
                    "the target names no methods",
                    "write them before the path, as in `GET|HEAD /x` or `any /x`",
                );
                None
            }
            (_, Some(_)) => {
                self.report.error(
                    "G0402",
                    span,
                    "methods stand both in the routes and at their use",
                    "write them in one place",
                );
                None
            }
            ([only], None) if only.node == "any" => Some(Methods::Any),
            (names, None) => {
                let mut out = Vec::new();
                for name in names {
                    if name.node == "any" {
                        self.report.error(
                            "G0402",
                            name.span,
                            "`any` stands alone",
                            "leave the other methods out",
                        );
                        return None;
                    }
                    self.ok(name.span, method(&name.node))?;
                    out.push(name.node.clone());
                }
                out.sort();
                out.dedup();
                Some(Methods::Only(out))
            }
        }
    }
}
