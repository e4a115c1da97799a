//! What every pass of the checker shares: the names, the model so far, the complaints.

use super::literals::{self, Bad, type_word};
use super::names::{Entry, Kind, Names, ScopeId};
use super::report::Report;
use super::sources::{NameError, Parsed, resolve};
use crate::ast::{Decl, Literal, Name, Text};
use crate::model::{Policy, Quota, Target, Type, Value};
use crate::source::{Files, Sources, Span, Spanned};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

/// Shared state. Passes fill `policy` from the facts' declarations down to rules and tests.
pub(super) struct Cx<'a> {
    pub(super) sources: &'a Sources,
    pub(super) files: &'a dyn Files,
    pub(super) report: Report,
    pub(super) names: Names<'a>,
    pub(super) policy: Policy,
    /// Names of services and guards by scope.
    pub(super) scope_names: Vec<String>,
    /// Quotas by their model name; sorted into the policy at the end.
    pub(super) quotas: RefCell<BTreeMap<String, Quota>>,
    /// Spans of the named conditions and principals that are defined by themselves.
    pub(super) cyclic: BTreeSet<Span>,
    /// Spans of the named conditions and principals that some rule expanded.
    pub(super) used: RefCell<BTreeSet<Span>>,
    /// Request headers that some rule sets, in lower case: what came in under these names is no fact.
    pub(super) set_headers: BTreeSet<String>,
}

/// Which captures `path.NAME` can mean.
#[derive(Clone, Copy)]
pub(super) enum Captures<'t> {
    /// A declaration that no rule uses: any, with a type that is not known.
    Any,
    /// No target is near.
    None,
    /// Those that all these targets have.
    Targets(&'t [Target]),
}

/// What `host.NAME` can mean.
#[derive(Clone, Copy)]
pub(super) enum HostLabel<'t> {
    /// A declaration that no rule uses: any.
    Any,
    /// There is no service, or not all of its hosts capture a label by one name.
    None,
    /// The name by which all hosts of the service capture their first label.
    Named(&'t str),
}

impl<'t> HostLabel<'t> {
    /// Of a service that captures a label, or of one that does not.
    pub(super) fn of(name: Option<&'t str>) -> HostLabel<'t> {
        name.map_or(HostLabel::None, HostLabel::Named)
    }

    /// Whether `host.NAME` is known.
    pub(super) fn has(self, name: &str) -> bool {
        match self {
            HostLabel::Any => true,
            HostLabel::None => false,
            HostLabel::Named(own) => own == name,
        }
    }
}

/// Where a name or fact stands.
#[derive(Clone, Copy)]
pub(super) struct Env<'t> {
    pub(super) scope: Option<ScopeId>,
    pub(super) captures: Captures<'t>,
    pub(super) host: HostLabel<'t>,
    /// Whether names may be fields of the response.
    pub(super) response: bool,
}

impl<'t> Env<'t> {
    /// Where names are facts of the request, outside of services.
    pub(super) fn new(scope: Option<ScopeId>, captures: Captures<'t>) -> Env<'t> {
        let host = match captures {
            Captures::Any => HostLabel::Any,
            Captures::None | Captures::Targets(_) => HostLabel::None,
        };
        Env {
            scope,
            captures,
            host,
            response: false,
        }
    }

    /// The same in a service whose hosts capture this label.
    pub(super) fn on(self, label: Option<&'t str>) -> Env<'t> {
        Env {
            host: HostLabel::of(label),
            ..self
        }
    }
}

impl<'a> Cx<'a> {
    /// An empty model over the names of some files.
    pub(super) fn new(
        sources: &'a Sources,
        files: &'a dyn Files,
        report: Report,
        names: Names<'a>,
        parsed: &[Parsed],
    ) -> Cx<'a> {
        let scope_names = parsed
            .iter()
            .flat_map(|f| &f.file.items)
            .filter_map(|item| match &item.decl {
                Decl::Service { name, .. } | Decl::Guard(name, _) => Some(name.node.clone()),
                _ => None,
            })
            .collect();
        Cx {
            sources,
            files,
            report,
            names,
            policy: Policy::default(),
            scope_names,
            quotas: RefCell::default(),
            cyclic: BTreeSet::new(),
            used: RefCell::default(),
            set_headers: super::obligations::set_request_headers(parsed),
        }
    }
}

impl<'a> Cx<'a> {
    /// A name that must be declared, as one of some kinds.
    pub(super) fn expect(&self, scope: Option<ScopeId>, name: &Name, kinds: &[Kind]) -> Option<Entry<'a>> {
        self.names.expect(&self.report, scope, name, kinds)
    }

    /// `G0101`, for members of one declaration.
    pub(super) fn declared_twice(&self, name: &Name) {
        self.report.error(
            "G0101",
            name.span,
            format!("`{}` is declared twice", name.node),
            "keep one of them",
        );
    }

    /// The value, or its complaint reported.
    pub(super) fn ok<T>(&self, span: Span, result: Result<T, Bad>) -> Option<T> {
        self.report.ok(span, result)
    }

    /// A literal as a value of a type.
    pub(super) fn value(&self, literal: &Spanned<Literal>, ty: Type) -> Option<Value> {
        self.ok(literal.span, literals::value(&literal.node, ty))
    }

    /// `G0201`
    pub(super) fn mismatch(&self, span: Span, found: Type, wanted: Type) {
        let (found, wanted) = (type_word(found), type_word(wanted));
        self.report.error(
            "G0201",
            span,
            format!("this is of the type `{found}`, but `{wanted}` is wanted"),
            "only values of one type compare",
        );
    }

    /// A data file's name relative to the root and its bytes; missing is an error.
    pub(super) fn data_file(&self, name: &Text) -> Option<(String, Vec<u8>)> {
        let from = self.sources.name(name.span.file);
        let resolved = match resolve(from, &name.node) {
            Ok(resolved) => resolved,
            Err(error) => {
                let message = match error {
                    NameError::Outside => format!("`{}` lies outside the policy's root", name.node),
                    NameError::Odd => format!("`{}` is not a relative file name", name.node),
                };
                return self.report.invalid(
                    "G0608",
                    name.span,
                    message,
                    "name a file of the policy's own folder",
                );
            }
        };
        match self.files.read(&resolved) {
            Some(bytes) => Some((resolved, bytes)),
            None => match self.files.problem(&resolved) {
                Some(problem) => self.report.invalid(
                    "G0631",
                    name.span,
                    format!("`{resolved}` cannot be read: {problem}"),
                    "name a file below the policy's folder",
                ),
                None => self.report.invalid(
                    "G0610",
                    name.span,
                    format!("there is no file `{resolved}`"),
                    "names are relative to the declaring file",
                ),
            },
        }
    }

    /// A clause that may stand once.
    pub(super) fn once<T>(&self, slot: &mut Option<T>, value: T, span: Span, what: &str) {
        if slot.is_some() {
            self.report.error(
                "G0601",
                span,
                format!("`{what}` is said twice"),
                "keep one of them",
            );
        } else {
            *slot = Some(value);
        }
    }
}

/// Sorts what is a set.
pub(super) fn sort_dedup<T: Ord>(list: &mut Vec<T>) {
    list.sort();
    list.dedup();
}

/// Sorts declarations by name. Duplicates were reported by the namespace, which kept the first; the stable sort and
/// dedup do too.
macro_rules! by_name {
    ($policy:expr; $($field:ident),*) => {$(
        $policy.$field.sort_by(|a, b| a.name.cmp(&b.name));
        $policy.$field.dedup_by(|b, a| a.name == b.name);
    )*};
}
pub(super) use by_name;
