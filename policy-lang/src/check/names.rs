//! One namespace over all declarations of all files, and the local ones of each service and guard.
//!
//! Knows who declares which name; nothing of what the declarations say.

use super::report::Report;
use super::sources::Parsed;
use crate::ast::{Decl, Expr, IssuerClause, Name, Persona, QuotaSpec, Statement, Target};
use crate::source::{Span, Spanned};
use std::collections::BTreeMap;

/// What a name was declared as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Issuer,
    /// An issuer with the clause `beside`.
    Beside,
    Keys,
    Peers,
    Signature,
    Secret,
    Network,
    Hours,
    List,
    Table,
    Principal,
    Condition,
    Quota,
    Routes,
    Guard,
    Service,
    Persona,
}

impl Kind {
    /// As the author writes it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Kind::Issuer => "issuer",
            Kind::Beside => "issuer with `beside`",
            Kind::Keys => "keys",
            Kind::Peers => "peers",
            Kind::Signature => "signature",
            Kind::Secret => "secret",
            Kind::Network => "network",
            Kind::Hours => "hours",
            Kind::List => "list",
            Kind::Table => "table",
            Kind::Principal => "principal",
            Kind::Condition => "condition",
            Kind::Quota => "quota",
            Kind::Routes => "routes",
            Kind::Guard => "guard",
            Kind::Service => "service",
            Kind::Persona => "persona",
        }
    }
}

/// The tree behind a name, where names refer to it.
#[derive(Clone, Copy)]
pub(super) enum Node<'a> {
    Other,
    Cond(&'a Expr),
    Quota(&'a QuotaSpec),
    Routes(&'a [Target]),
    Persona(&'a Spanned<Persona>),
}

/// A service or guard, as a place for local names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ScopeId(pub(super) usize);

/// A declared name.
#[derive(Clone, Copy)]
pub(super) struct Entry<'a> {
    pub(super) kind: Kind,
    pub(super) name: &'a str,
    pub(super) span: Span,
    pub(super) node: Node<'a>,
    pub(super) scope: Option<ScopeId>,
    /// Position among the global names of this kind in name order: the index in the model.
    pub(super) index: u32,
}

/// All names.
#[derive(Default)]
pub(super) struct Names<'a> {
    globals: BTreeMap<&'a str, Entry<'a>>,
    locals: Vec<BTreeMap<&'a str, Entry<'a>>>,
    scopes: BTreeMap<&'a str, ScopeId>,
}

/// First words of facts, and `anyone`: no declaration may take them.
pub(super) const RESERVED: [&str; 14] = [
    "anyone",
    "body",
    "client",
    "connection",
    "context",
    "host",
    "key",
    "now",
    "path",
    "peer",
    "request",
    "response",
    "signature",
    "token",
];

impl<'a> Names<'a> {
    /// Collects every declaration of every file.
    pub(super) fn collect(files: &'a [Parsed], report: &Report) -> Names<'a> {
        let mut names = Names::default();
        for item in files.iter().flat_map(|f| &f.file.items) {
            if let Some((kind, name, node)) = declared(&item.decl) {
                names.declare(report, None, kind, name, node);
            }
        }
        for item in files.iter().flat_map(|f| &f.file.items) {
            let (Decl::Service { name, body, .. } | Decl::Guard(name, body)) = &item.decl else {
                continue;
            };
            // A duplicate service keeps the scope of the first: its names were reported with it.
            let scope = ScopeId(names.locals.len());
            names.scopes.entry(&name.node).or_insert(scope);
            names.locals.push(BTreeMap::new());
            for statement in body {
                let Statement::Local(local) = &statement.node else {
                    continue;
                };
                match declared(&local.decl) {
                    Some((kind, name, node))
                        if matches!(kind, Kind::Principal | Kind::Condition | Kind::Quota | Kind::Routes) =>
                    {
                        names.declare(report, Some(scope), kind, name, node);
                    }
                    _ => report.error(
                        "G0105",
                        local.span,
                        "this can not be declared inside a service or guard",
                        "principals, conditions, quotas and routes can be local; move the rest to the top of the file",
                    ),
                }
            }
        }
        let mut next: BTreeMap<Kind, u32> = BTreeMap::new();
        for entry in names.globals.values_mut() {
            let counter = next.entry(entry.kind).or_default();
            entry.index = *counter;
            *counter += 1;
        }
        names
    }

    fn declare(
        &mut self,
        report: &Report,
        scope: Option<ScopeId>,
        kind: Kind,
        name: &'a Name,
        node: Node<'a>,
    ) {
        if RESERVED.contains(&name.node.as_str()) {
            report.error(
                "G0106",
                name.span,
                format!("`{}` is a name of the language", name.node),
                "choose another name",
            );
            return;
        }
        let earlier = self.globals.get(name.node.as_str()).or_else(|| {
            scope
                .and_then(|s| self.locals.get(s.0))
                .and_then(|l| l.get(name.node.as_str()))
        });
        if let Some(earlier) = earlier {
            let message = if scope.is_some() && earlier.scope.is_none() {
                format!("`{}` shadows a {} of that name", name.node, earlier.kind.word())
            } else {
                format!("`{}` is declared twice", name.node)
            };
            let label = format!("declared here, as {}", earlier.kind.word());
            let help = "all declarations share one namespace; rename one of them";
            report.error_at_both("G0101", name.span, message, (earlier.span, &label), help);
            return;
        }
        let entry = Entry {
            kind,
            name: &name.node,
            span: name.span,
            node,
            scope,
            index: 0,
        };
        match scope {
            None => {
                self.globals.insert(&name.node, entry);
            }
            Some(s) => {
                if let Some(local) = self.locals.get_mut(s.0) {
                    local.insert(&name.node, entry);
                }
            }
        }
    }

    /// The scope of a service or guard.
    pub(super) fn scope(&self, name: &str) -> Option<ScopeId> {
        self.scopes.get(name).copied()
    }

    /// A name as seen from a scope.
    pub(super) fn find(&self, scope: Option<ScopeId>, name: &str) -> Option<Entry<'a>> {
        scope
            .and_then(|s| self.locals.get(s.0))
            .and_then(|l| l.get(name))
            .or_else(|| self.globals.get(name))
            .copied()
    }

    /// A name that must be declared, as one of some kinds.
    pub(super) fn expect(
        &self,
        report: &Report,
        scope: Option<ScopeId>,
        name: &Name,
        kinds: &[Kind],
    ) -> Option<Entry<'a>> {
        let wanted = || kinds.iter().map(|k| k.word()).collect::<Vec<_>>().join(" or ");
        match self.find(scope, &name.node) {
            Some(entry) if kinds.contains(&entry.kind) => Some(entry),
            Some(entry) => {
                let wanted = wanted();
                report.error_at_both(
                    "G0103",
                    name.span,
                    format!(
                        "`{}` is declared as {}, but {wanted} is wanted here",
                        name.node,
                        entry.kind.word()
                    ),
                    (entry.span, "declared here"),
                    format!("name a declared {wanted}"),
                );
                None
            }
            None => {
                let known = self
                    .all(scope)
                    .filter(|e| kinds.contains(&e.kind))
                    .map(|e| e.name);
                report.undeclared(name.span, &name.node, &wanted(), known);
                None
            }
        }
    }

    /// Everything that a scope sees.
    pub(super) fn all(&self, scope: Option<ScopeId>) -> impl Iterator<Item = &Entry<'a>> {
        let local = scope
            .and_then(|s| self.locals.get(s.0))
            .into_iter()
            .flat_map(|l| l.values());
        self.globals.values().chain(local)
    }

    /// Every entry there is, local ones included.
    pub(super) fn everywhere(&self) -> impl Iterator<Item = &Entry<'a>> {
        self.globals
            .values()
            .chain(self.locals.iter().flat_map(|l| l.values()))
    }
}

/// Whether an issuer's tokens come beside others.
pub(super) fn is_beside(clauses: &[Spanned<IssuerClause>]) -> bool {
    clauses.iter().any(|clause| clause.node == IssuerClause::Beside)
}

fn declared(decl: &Decl) -> Option<(Kind, &Name, Node<'_>)> {
    Some(match decl {
        Decl::Issuer(name, clauses) if is_beside(clauses) => (Kind::Beside, name, Node::Other),
        Decl::Issuer(name, _) => (Kind::Issuer, name, Node::Other),
        Decl::Keys(name, _) => (Kind::Keys, name, Node::Other),
        Decl::Peers(name, _) => (Kind::Peers, name, Node::Other),
        Decl::Signature(name, _) => (Kind::Signature, name, Node::Other),
        Decl::Secret(name, _) => (Kind::Secret, name, Node::Other),
        Decl::Network(name, _) => (Kind::Network, name, Node::Other),
        Decl::Hours(name, _, _) => (Kind::Hours, name, Node::Other),
        Decl::List(name, ..) => (Kind::List, name, Node::Other),
        Decl::Table(name, ..) => (Kind::Table, name, Node::Other),
        Decl::Principal(name, expr) => (Kind::Principal, name, Node::Cond(expr)),
        Decl::Condition(name, expr) => (Kind::Condition, name, Node::Cond(expr)),
        Decl::Quota(name, spec) => (Kind::Quota, name, Node::Quota(spec)),
        Decl::Routes(name, targets) => (Kind::Routes, name, Node::Routes(targets)),
        Decl::Guard(name, _) => (Kind::Guard, name, Node::Other),
        Decl::Service { name, .. } => (Kind::Service, name, Node::Other),
        Decl::Persona(name, persona) => (Kind::Persona, name, Node::Persona(persona)),
        Decl::Import(_)
        | Decl::RedactionKey(_)
        | Decl::Methods(_)
        | Decl::Trust(_)
        | Decl::Context(_)
        | Decl::Test(..)
        | Decl::Prove(..) => return None,
    })
}
