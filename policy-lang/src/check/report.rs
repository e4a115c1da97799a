//! Collected complaints: deduplicated, suppressed where the author said so, sorted, capped.

use super::limits::{MAX_ERRORS, MAX_SUGGESTION_CELLS};
use super::literals::Bad;
use crate::ast::File;
use crate::diagnostic::{Diagnostic, Severity};
use crate::source::{FileId, Sources, Span};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashSet};

/// A sink for diagnostics. Interior mutability keeps the checker's passes free to borrow the model they read.
#[derive(Default)]
pub(super) struct Report {
    list: RefCell<Vec<Diagnostic>>,
    /// Spent of [`MAX_SUGGESTION_CELLS`].
    compared: Cell<usize>,
    /// Names whose declaration is in error: it is not true that nothing declares them.
    spoilt: RefCell<BTreeSet<String>>,
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

    /// An error with its way out, where the result is nothing.
    pub(super) fn invalid<T>(
        &self,
        code: &'static str,
        span: Span,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Option<T> {
        self.error(code, span, message, help);
        None
    }

    /// The value, or what is wrong with its text reported.
    pub(super) fn ok<T>(&self, span: Span, result: Result<T, Bad>) -> Option<T> {
        result.map_or_else(|bad| self.invalid(bad.code, span, bad.message, bad.help), Some)
    }

    /// An error with its way out and another place that belongs to it.
    pub(super) fn error_at_both(
        &self,
        code: &'static str,
        span: Span,
        message: impl Into<String>,
        (other, label): (Span, &str),
        help: impl Into<String>,
    ) {
        self.push(
            Diagnostic::error(code, span, message)
                .related(other, label)
                .help(help),
        );
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

    /// How far two names are apart; `None` once looking for misspelt names has cost enough.
    pub(super) fn distance(&self, a: &str, b: &str) -> Option<usize> {
        let spent = self
            .compared
            .get()
            .saturating_add(a.len().saturating_mul(b.len()));
        if spent > MAX_SUGGESTION_CELLS {
            return None;
        }
        self.compared.set(spent);
        Some(strsim::damerau_levenshtein(a, b))
    }

    /// Says that the declaration of a name is in error, so that [`Report::undeclared`] does not report its uses too.
    pub(super) fn spoil(&self, name: &str) {
        self.spoilt.borrow_mut().insert(name.to_owned());
    }

    /// `G0102` with the nearest known name, unless a declaration of the name is in error.
    pub(super) fn undeclared<'n>(
        &self,
        span: Span,
        name: &str,
        what: &str,
        known: impl IntoIterator<Item = &'n str>,
    ) {
        if self.spoilt.borrow().contains(name) {
            return;
        }
        let near = |known: &&str| {
            // Lengths alone tell most names apart, for nothing.
            name.len().abs_diff(known.len()) <= 1 + known.len() / 3 || !(name.is_ascii() && known.is_ascii())
        };
        let nearest = known
            .into_iter()
            .filter(near)
            .filter_map(|k| self.distance(name, k).map(|distance| (distance, k)))
            .filter(|(distance, k)| *distance <= 1 + k.len() / 3)
            .min();
        let help = match nearest {
            Some((_, nearest)) => format!("did you mean `{nearest}`?"),
            None => "declare it, or name one that is declared".to_owned(),
        };
        self.error("G0102", span, format!("no {what} is called `{name}`"), help);
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
                let here = |name| suppressed.contains(&(d.span.file, line - 1, name));
                !here(lint) && !here(d.code)
            }
        });
        let key = |d: &Diagnostic| (sources.name(d.span.file), d.span.start, d.code);
        list.sort_by(|a, b| key(a).cmp(&key(b)));
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
fn suppressions<'f>(sources: &Sources, files: &'f [File]) -> HashSet<(FileId, u32, &'f str)> {
    let mut out = HashSet::new();
    for comment in files.iter().flat_map(|f| &f.comments) {
        let text = comment.node.trim_start_matches('#').trim();
        let Some((name, reason)) = text.strip_prefix("allow ").and_then(|rest| rest.split_once(':')) else {
            continue;
        };
        if !reason.trim().is_empty() {
            let (line, _) = sources.line_column(comment.span.file, comment.span.start);
            out.insert((comment.span.file, line, name.trim()));
        }
    }
    out
}
