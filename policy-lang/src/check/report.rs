//! Collected complaints: deduplicated, suppressed where the author said so, sorted, capped.

use super::limits::MAX_ERRORS;
use crate::ast::File;
use crate::diagnostic::{Diagnostic, Severity};
use crate::source::{Sources, Span};
use std::cell::RefCell;
use std::collections::HashSet;

/// A sink for diagnostics. Interior mutability keeps the checker's passes free to borrow the model they read.
#[derive(Default)]
pub(super) struct Report {
    list: RefCell<Vec<Diagnostic>>,
}

impl Report {
    /// An error with its way out.
    pub(super) fn error(
        &self,
        code: &'static str,
        span: Span,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.push(Diagnostic::error(code, span, message).help(help));
    }

    /// A warning with its way out.
    pub(super) fn warning(
        &self,
        code: &'static str,
        span: Span,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.push(Diagnostic::warning(code, span, message).help(help));
    }

    /// Any diagnostic.
    pub(super) fn push(&self, diagnostic: Diagnostic) {
        self.list.borrow_mut().push(diagnostic);
    }

    /// How many were reported so far; two equal counts around a step mean that it had nothing to say.
    pub(super) fn count(&self) -> usize {
        self.list.borrow().len()
    }

    /// The final list, and whether an error is in it.
    pub(super) fn finish(self, sources: &Sources, files: &[File]) -> (Vec<Diagnostic>, bool) {
        let mut list = self.list.into_inner();
        let mut seen = HashSet::new();
        list.retain(|d| seen.insert((d.code, d.span, d.message.clone())));
        let suppressed = suppressions(sources, files);
        list.retain(|d| {
            d.severity == Severity::Error || {
                let (line, _) = sources.line_column(d.span.file, d.span.start);
                let lint = super::LINTS.iter().find(|l| l.0 == d.code).map_or("", |l| l.1);
                !suppressed.iter().any(|(file, at, name)| {
                    *file == d.span.file && at + 1 == line && (name == lint || name == d.code)
                })
            }
        });
        let key = |d: &Diagnostic| (sources.name(d.span.file).to_owned(), d.span.start, d.code);
        list.sort_by_cached_key(key);
        let failed = list.iter().any(|d| d.severity == Severity::Error);
        let mut errors = 0;
        list.retain(|d| {
            errors += usize::from(d.severity == Severity::Error);
            d.severity != Severity::Error || errors <= MAX_ERRORS
        });
        (list, failed)
    }
}

/// Every `# allow LINT: reason`, by file and line. A reason is part of it: without one nothing is suppressed.
fn suppressions(sources: &Sources, files: &[File]) -> Vec<(crate::source::FileId, u32, String)> {
    let mut out = Vec::new();
    for comment in files.iter().flat_map(|f| &f.comments) {
        let text = comment.node.trim_start_matches('#').trim();
        let Some((name, reason)) = text.strip_prefix("allow ").and_then(|rest| rest.split_once(':')) else {
            continue;
        };
        if !reason.trim().is_empty() {
            let (line, _) = sources.line_column(comment.span.file, comment.span.start);
            out.push((comment.span.file, line, name.trim().to_owned()));
        }
    }
    out
}
