//! Target expressions -> methods, patterns and kinds below a base.

use super::cx::{Cx, sort_dedup};
use super::literals::Bad;
use super::names::{Kind, Node, ScopeId};
use super::paths;
use crate::ast::{self, Name, TargetExpr};
use crate::model::{Base, HostOptions, Methods, Pattern, Segment, Tail, Target, TargetKind};
use crate::source::{Span, Spanned};

/// Where targets stand.
#[derive(Clone, Copy)]
pub(super) struct Place<'t> {
    pub(super) scope: Option<ScopeId>,
    pub(super) base: &'t Base,
    pub(super) options: HostOptions,
}

fn bare_or_quoted(path: &Spanned<ast::Path>, place: Place<'_>) -> Result<Pattern, Bad> {
    paths::colon_capture(&path.node)?;
    paths::pattern(&path.node.text, place.base, place.options)
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
    ) -> Option<()> {
        let span = target.span;
        let (methods, pattern, kind) = match &target.kind {
            TargetExpr::Path(names, path) => {
                let methods = self.methods(names, outer, span);
                let pattern = self.ok(path.span, bare_or_quoted(path, place));
                (methods?, pattern?, TargetKind::Http)
            }
            TargetExpr::Routes(names, name) => {
                if self.names.find(place.scope, &name.node).is_none() && self.is_method_alone(names, name) {
                    return self.report.invalid(
                        "G0402",
                        name.span,
                        format!("`{}` has no path", name.node),
                        format!("a comma stands between targets, each with its path; the methods of one path are joined, as in `{}|POST /a`", name.node),
                    );
                }
                let entry = self.expect(place.scope, name, &[Kind::Routes])?;
                let Node::Routes(targets) = entry.node else {
                    return None;
                };
                if open.contains(&entry.span) {
                    return self.report.invalid(
                        "G0109",
                        entry.span,
                        format!("`{}` is defined by itself", entry.name),
                        "a name can not lead back to itself",
                    );
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
                return Some(());
            }
            TargetExpr::WebSocket(path) => {
                let pattern = self.ok(path.span, bare_or_quoted(path, place))?;
                (
                    Methods::Only(vec!["GET".to_owned()]),
                    pattern,
                    TargetKind::WebSocket,
                )
            }
            TargetExpr::Grpc(text) => {
                let pattern = self.ok(text.span, paths::grpc(&text.node))?;
                let below = place.base.iter().zip(&pattern.segments).all(|(b, s)| match s {
                    Segment::Literal(text) => text == b,
                    _ => true,
                });
                if !below || place.base.len() > pattern.segments.len() {
                    return self.report.invalid(
                        "G0408",
                        span,
                        "gRPC paths start at the root, outside the service's base",
                        "declare a service without `under` for it",
                    );
                }
                (Methods::Only(vec!["POST".to_owned()]), pattern, TargetKind::Grpc)
            }
            TargetExpr::NoPath(name) => {
                if !matches!(name.node.as_str(), "OPTIONS" | "CONNECT") {
                    return self.report.invalid(
                        "G0402",
                        name.span,
                        format!("`{}` has always a path", name.node),
                        "only `OPTIONS *` and `CONNECT *` have none",
                    );
                }
                if !place.base.is_empty() {
                    return self.report.invalid(
                        "G0408",
                        span,
                        "a service with a base never answers a request without a path",
                        "declare a service without `under` for it",
                    );
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
                return self.report.invalid(
                    "G0902",
                    span,
                    format!("`{}` targets are parsed, not enforced yet", kind.node),
                    "protect the path itself",
                );
            }
        };
        out.push(Target {
            methods,
            pattern,
            kind,
            span,
        });
        Some(())
    }

    fn methods(&self, names: &[Name], outer: Option<&Methods>, span: Span) -> Option<Methods> {
        match (names, outer) {
            ([], Some(outer)) => Some(outer.clone()),
            ([], None) => self.report.invalid(
                "G0402",
                span,
                "the target names no methods",
                "write them before the path, as in `GET|HEAD /x` or `any /x`",
            ),
            (_, Some(_)) => self.report.invalid(
                "G0402",
                span,
                "methods stand both in the routes and at their use",
                "write them in one place",
            ),
            ([only], None) if only.node == "any" => Some(Methods::Any),
            (names, None) => {
                let mut out = Vec::new();
                for name in names {
                    if name.node == "any" {
                        return self.report.invalid(
                            "G0402",
                            name.span,
                            "`any` stands alone",
                            "leave the other methods out",
                        );
                    }
                    self.known_method(&name.node, name.span)?;
                    if out.contains(&name.node) {
                        return self.report.invalid(
                            "G0402",
                            name.span,
                            format!("`{}` stands twice in this target", name.node),
                            "name it once",
                        );
                    }
                    out.push(name.node.clone());
                }
                sort_dedup(&mut out);
                Some(Methods::Only(out))
            }
        }
    }
}
