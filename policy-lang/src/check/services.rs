//! Services and guards with everything in them but what compares several rules.

use super::cx::{Captures, Cx, Env, sort_dedup};
use super::literals::{header_name, instant, is_token};
use super::obligations::Marks;
use super::origins::origin;
use super::quotas::PendingLimit;
use super::rules::{OwnerCx, PendingRule};
use super::sources::Parsed;
use super::targets::Place;
use super::{hosts, paths};
use crate::ast::{BlockSpec, CorsClause, Decl, Mark, Name, Path, Statement, Text};
use crate::model::{
    Base, Cors, Guard, GuardId, HostOptions, HostPattern, Owner, Penalty, PenaltyTrigger, Service, ServiceId,
};
use crate::source::{Span, Spanned};
use std::collections::{BTreeMap, BTreeSet};

/// A service before quota ids are known.
struct PendingService {
    service: Service,
    default_limit: Option<PendingLimit>,
}

impl Cx<'_> {
    /// All services, guards and their rules, then quotas in the order of names.
    pub(super) fn services(&mut self, files: &[Parsed]) {
        let mut services = Vec::new();
        let mut guards = Vec::new();
        let mut rules = Vec::new();
        let mut lines = BTreeSet::new();
        for item in files.iter().flat_map(|f| &f.file.items) {
            match &item.decl {
                // A duplicate name was reported; the first declaration is the service.
                Decl::Service {
                    name,
                    hosts,
                    base,
                    body,
                } if self.is_first(name) => {
                    services.push(self.service(name, hosts, base.as_ref(), body, &mut rules, &mut lines));
                }
                Decl::Guard(name, body) if self.is_first(name) => {
                    guards.push(self.guard(name, body, &mut rules, &mut lines));
                }
                _ => {}
            }
        }
        self.policy.quotas = std::mem::take(&mut *self.quotas.borrow_mut())
            .into_values()
            .collect();
        services.sort_by(|a, b| a.service.name.cmp(&b.service.name));
        guards.sort_by(|a, b| a.name.cmp(&b.name));
        for pending in services {
            let mut service = pending.service;
            service.default_limit = pending.default_limit.and_then(|l| self.settle(&l));
            self.policy.services.push(service);
        }
        self.policy.guards = guards;
        self.order_rules(rules);
    }

    fn is_first(&self, name: &Name) -> bool {
        self.names
            .find(None, &name.node)
            .is_some_and(|e| e.span == name.span)
    }

    fn id(&self, name: &Name) -> u32 {
        self.names.find(None, &name.node).map_or(0, |e| e.index)
    }

    fn service(
        &self,
        name: &Name,
        host_texts: &[Text],
        base: Option<&Spanned<Path>>,
        body: &[Spanned<Statement>],
        rules: &mut Vec<PendingRule>,
        lines: &mut BTreeSet<(u32, u32)>,
    ) -> PendingService {
        let mut host_patterns: BTreeSet<HostPattern> = BTreeSet::new();
        let mut labels: BTreeSet<Option<String>> = BTreeSet::new();
        for text in host_texts {
            let host = self.ok(text.span, hosts::captured(&text.node));
            let host = host.map(|(host, label)| {
                labels.insert(label);
                host
            });
            if host.is_some_and(|host| !host_patterns.insert(host)) {
                self.report.error(
                    "G0101",
                    text.span,
                    format!("`{}` is named twice", text.node),
                    "keep one of them",
                );
            }
        }
        if host_texts.is_empty() {
            host_patterns.insert(HostPattern::Any);
        }
        let base: Base = base
            .and_then(|b| {
                self.ok(
                    b.span,
                    paths::colon_capture(&b.node).and_then(|()| paths::base(&b.node.text)),
                )
            })
            .unwrap_or_default();
        let host_label = labels.pop_first().flatten().filter(|_| labels.is_empty());
        let has = |wanted: &Statement| body.iter().any(|s| s.node == *wanted);
        let options = HostOptions {
            merge_slashes: has(&Statement::MergeSlashes),
            encoded_slash_as_data: has(&Statement::EncodedSlashAsData),
            encoded_backslash_as_data: has(&Statement::EncodedBackslashAsData),
            path_parameters_kept: has(&Statement::PathParametersKept),
            method_override_kept: has(&Statement::MethodOverrideKept),
        };
        let mut service = Service {
            name: name.node.clone(),
            span: name.span,
            hosts: host_patterns.into_iter().collect(),
            host_label: host_label.clone(),
            base: base.clone(),
            options,
            invalid_credentials_anonymous: has(&Statement::InvalidCredentialsAnonymous),
            trailing_slash_ignored: has(&Statement::TrailingSlashIgnored),
            require: Vec::new(),
            sunset_us: None,
            default_limit: None,
            cors: None,
            resource_metadata: None,
            openapi: None,
            penalties: Vec::new(),
            public: false,
            deprecated: false,
        };
        let scope = self.names.scope(&name.node);
        let mut owner = OwnerCx {
            name: &name.node,
            owner: Owner::Service(ServiceId(self.id(name))),
            place: Place {
                scope,
                base: &base,
                options,
            },
            host_label: host_label.as_deref(),
            rule_names: BTreeMap::new(),
        };
        let env = Env::new(scope, Captures::None).on(host_label.as_deref());
        let (mut default_limit, mut marks) = (None, Marks::default());
        for Spanned { node, span } in body {
            match node {
                Statement::Rule(rule) => rules.extend(self.rule(&mut owner, rule, lines)),
                Statement::DefaultLimit(quota, cost) => {
                    let limit = self.limit(env, quota, cost.as_ref());
                    self.once(&mut default_limit, limit, *span, "default limit");
                }
                Statement::OpenApi(file, enforce) => {
                    if *enforce {
                        self.report.error(
                            "G0903",
                            *span,
                            "`openapi .. enforce` is parsed, not enforced yet",
                            "leave `enforce` out",
                        );
                    }
                    let found = self.data_file(file).map(|f| f.0).unwrap_or_default();
                    self.once(&mut service.openapi, found, *span, "openapi");
                }
                Statement::ResourceMetadata(url) => {
                    let plain = |b: u8| b.is_ascii_graphic() && !b"\"\\#".contains(&b);
                    if url.node.strip_prefix("https://").is_none_or(str::is_empty)
                        || !url.node.bytes().all(plain)
                    {
                        self.report.error(
                            "G0602",
                            url.span,
                            format!("`{}` is not an https URL", url.node),
                            "write `resource metadata \"https://api.example.com/.well-known/oauth-protected-resource\";`",
                        );
                    }
                    self.once(
                        &mut service.resource_metadata,
                        url.node.clone(),
                        *span,
                        "resource metadata",
                    );
                }
                Statement::Endpoint(kind, _) => self.report.error(
                    "G0902",
                    *span,
                    format!("`endpoint {}` is parsed, not enforced yet", kind.node),
                    "protect the path itself",
                ),
                Statement::Cors(clauses) => {
                    self.once(&mut service.cors, self.cors(clauses, *span), *span, "cors")
                }
                Statement::Block(block) => service.penalties.extend(self.penalty(env, block, *span)),
                Statement::Mark(mark) => {
                    self.mark(
                        mark,
                        &mut marks,
                        &mut service.require,
                        &mut service.sunset_us,
                        *span,
                    );
                }
                Statement::Local(_)
                | Statement::InvalidCredentialsAnonymous
                | Statement::TrailingSlashIgnored
                | Statement::MergeSlashes
                | Statement::EncodedSlashAsData
                | Statement::EncodedBackslashAsData
                | Statement::PathParametersKept
                | Statement::MethodOverrideKept => {}
            }
        }
        sort_dedup(&mut service.require);
        service.public = marks.public;
        service.deprecated = marks.deprecated;
        PendingService {
            service,
            default_limit: default_limit.flatten(),
        }
    }

    fn guard(
        &self,
        name: &Name,
        body: &[Spanned<Statement>],
        rules: &mut Vec<PendingRule>,
        lines: &mut BTreeSet<(u32, u32)>,
    ) -> Guard {
        let mut guard = Guard {
            name: name.node.clone(),
            span: name.span,
            require: Vec::new(),
            penalties: Vec::new(),
        };
        let scope = self.names.scope(&name.node);
        let root = Base::new();
        let mut owner = OwnerCx {
            name: &name.node,
            owner: Owner::Guard(GuardId(self.id(name))),
            place: Place {
                scope,
                base: &root,
                options: HostOptions::default(),
            },
            host_label: None,
            rule_names: BTreeMap::new(),
        };
        let env = Env::new(scope, Captures::None);
        for Spanned { node, span } in body {
            match node {
                Statement::Rule(rule) => rules.extend(self.rule(&mut owner, rule, lines)),
                Statement::Block(block) => guard.penalties.extend(self.penalty(env, block, *span)),
                Statement::Mark(mark @ (Mark::RequireTls | Mark::RequireSniIsHost)) => {
                    self.mark(mark, &mut Marks::default(), &mut guard.require, &mut None, *span);
                }
                Statement::Local(_) => {}
                Statement::Mark(Mark::Sunset(text)) => {
                    self.ok(text.span, instant(&text.node));
                    self.service_only(*span);
                }
                _ => self.service_only(*span),
            }
        }
        sort_dedup(&mut guard.require);
        guard
    }

    fn service_only(&self, span: Span) {
        self.report.error(
            "G0503",
            span,
            "this stands in services, not in guards",
            "a guard holds denies, `on`, `block` and `require`",
        );
    }

    fn penalty(&self, env: Env<'_>, block: &BlockSpec, span: Span) -> Option<Penalty> {
        let by = self.key(env, &block.by)?;
        let for_us = self.period(&block.for_)?;
        let per_us = self.period(&block.per)?;
        let trigger = match &block.answered {
            None => PenaltyTrigger::Denied,
            Some(status) if (100..=599).contains(&status.node) => {
                PenaltyTrigger::Answered(status.node as u16)
            }
            Some(status) => {
                return self.report.invalid(
                    "G0505",
                    status.span,
                    format!("{} is not a status", status.node),
                    "write one in 100 ..= 599",
                );
            }
        };
        Some(Penalty {
            span,
            by,
            for_us,
            trigger,
            more_than: block.more_than.node,
            per_us,
        })
    }

    fn cors(&self, clauses: &[Spanned<CorsClause>], span: Span) -> Cors {
        let mut cors = Cors::default();
        let mut named = false;
        for Spanned { node: clause, span } in clauses {
            match clause {
                CorsClause::Origins(texts) => {
                    for text in texts {
                        named = true;
                        if text.node == "*" {
                            cors.any_origin = true;
                        } else if self.ok(text.span, origin(&text.node)).is_some() {
                            cors.origins.push(text.node.clone());
                        }
                    }
                    if cors.any_origin && !cors.origins.is_empty() {
                        self.report.error(
                            "G0515",
                            *span,
                            "`*` allows every origin, and so the others in the list say nothing",
                            "write `origins \"*\";`, or list origins alone",
                        );
                    }
                }
                CorsClause::Methods(names) => {
                    for name in names {
                        if name.node == "*" {
                            self.report.error(
                                "G0515",
                                name.span,
                                format!("`{}` is not the name of one method", name.node),
                                "list the methods that scripts may use, as in `methods GET, POST;`",
                            );
                        } else {
                            self.known_method(&name.node, name.span);
                        }
                        cors.methods.push(name.node.clone());
                    }
                }
                CorsClause::Headers(texts) => {
                    for text in texts {
                        if text.node == "*" || !is_token(&text.node) {
                            self.report.error(
                                "G0515",
                                text.span,
                                format!("`{}` is not the name of one header", text.node),
                                "list the headers that scripts may send, as in `headers \"content-type\";`",
                            );
                        } else {
                            cors.headers.extend(self.ok(text.span, header_name(&text.node)));
                        }
                    }
                }
                CorsClause::Credentials => cors.credentials = true,
                CorsClause::MaxAge(age) => {
                    let us = self
                        .ok(age.span, super::literals::duration(&age.node))
                        .unwrap_or_default();
                    if us % 1_000_000 != 0 {
                        self.report.error(
                            "G0515",
                            age.span,
                            "`max age` of CORS counts whole seconds",
                            "round it",
                        );
                    }
                    cors.max_age_s = u64::try_from(us / 1_000_000).ok();
                }
            }
        }
        if cors.any_origin && cors.credentials {
            self.report.error(
                "G0516",
                span,
                "any origin with credentials hands every site the caller's session",
                "name the origins, or leave `credentials` out",
            );
        }
        if !named {
            self.report.error(
                "G0515",
                span,
                "`cors` names no origins",
                "add `origins \"https://app.example.com\";`",
            );
        }
        sort_dedup(&mut cors.origins);
        sort_dedup(&mut cors.methods);
        sort_dedup(&mut cors.headers);
        cors
    }
}
