//! Pairs -> AST. One function for each kind of node; each takes the pair of its rule.
//!
//! `None` means that the pair does not hold what the grammar promises or that a complaint was made; nothing
//! here panics. This module knows no comments but through [`Build::doc`], and resolves no names.

mod decl;
mod rule;
mod suite;

mod term;

use pest::iterators::{Pair, Pairs};

pub(super) use suite::{proof_line, test_line};

use super::Rule;
use super::scan::doc_before;
use crate::ast::*;
use crate::diagnostic::Diagnostic;
use crate::source::{FileId, Span, Spanned};

/// Children of a pair without words and signs.
pub(super) struct Kids<'i>(std::iter::Peekable<Pairs<'i, Rule>>);

impl<'i> Kids<'i> {
    fn skip(&mut self) {
        // Words and signs are declared first in the grammar, so they are the smallest rules.
        while self
            .0
            .next_if(|p| p.as_rule() <= Rule::p_star || p.as_rule() == Rule::EOI)
            .is_some()
        {}
    }

    fn peek(&mut self) -> Option<Rule> {
        self.skip();
        self.0.peek().map(Pair::as_rule)
    }

    fn opt(&mut self, rule: Rule) -> Option<Pair<'i, Rule>> {
        self.skip();
        self.0.next_if(|p| p.as_rule() == rule)
    }
}

impl<'i> Iterator for Kids<'i> {
    type Item = Pair<'i, Rule>;

    fn next(&mut self) -> Option<Pair<'i, Rule>> {
        self.skip();
        self.0.next()
    }
}

/// The children of a pair.
pub(super) fn kids(pair: Pair<'_, Rule>) -> Kids<'_> {
    Kids(pair.into_inner().peekable())
}

/// The rule of a pair's only child, and the children of that.
fn inner(pair: Pair<'_, Rule>) -> Option<(Rule, Kids<'_>)> {
    let inner = kids(pair).next()?;
    Some((inner.as_rule(), kids(inner)))
}

/// What may be missing, built; `None` where it is there and cannot be built.
fn maybe<'i, T>(
    pair: Option<Pair<'i, Rule>>,
    build: impl FnOnce(Pair<'i, Rule>) -> Option<T>,
) -> Option<Option<T>> {
    pair.map_or(Some(None), |pair| build(pair).map(Some))
}

/// What building needs to know of the file.
pub(super) struct Build<'t> {
    pub(super) file: FileId,
    /// Where the parsed statement starts in the file.
    pub(super) base: u32,
    pub(super) text: &'t str,
    pub(super) comments: &'t [Spanned<String>],
    pub(super) diagnostics: Vec<Diagnostic>,
}

impl Build<'_> {
    fn span(&self, pair: &Pair<'_, Rule>) -> Span {
        let span = pair.as_span();
        // Non-atomic rules may end in white space that belongs to an optional part that never came.
        let end = span.start() + pair.as_str().trim_end().len();
        Span {
            file: self.file,
            start: self.base + span.start() as u32,
            end: self.base + end as u32,
        }
    }

    fn doc(&self, span: Span) -> Option<String> {
        doc_before(self.text, self.comments, span.start)
    }

    fn complain(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    fn twice(&mut self, span: Span, what: &str) {
        self.complain(
            Diagnostic::error("G0013", span, format!("{what} is given twice"))
                .label("once is enough")
                .help("keep one of them"),
        );
    }

    fn spanned<T>(&self, pair: &Pair<'_, Rule>, node: T) -> Spanned<T> {
        Spanned {
            node,
            span: self.span(pair),
        }
    }

    fn raw(&self, pair: &Pair<'_, Rule>) -> Spanned<String> {
        self.spanned(pair, pair.as_str().to_owned())
    }

    /// Every child, built; one that fails is left out.
    fn each<T>(
        &mut self,
        pair: Pair<'_, Rule>,
        build: impl Fn(&mut Self, Pair<'_, Rule>) -> Option<T>,
    ) -> Vec<T> {
        kids(pair).filter_map(|kid| build(self, kid)).collect()
    }

    /// Every child, built, with its span.
    fn each_spanned<T>(
        &mut self,
        pair: Kids<'_>,
        build: impl Fn(&mut Self, Pair<'_, Rule>) -> Option<T>,
    ) -> Vec<Spanned<T>> {
        pair.filter_map(|kid| {
            let span = self.span(&kid);
            build(self, kid).map(|node| Spanned { node, span })
        })
        .collect()
    }
}

/// The pairs of one parsed statement.
pub(super) type Statements<'i> = Pair<'i, Rule>;

/// A statement of a service or guard.
pub(super) fn statement(b: &mut Build<'_>, pair: Statements<'_>) -> Option<Spanned<Statement>> {
    let span = b.span(&pair);
    let node = match pair.as_rule() {
        Rule::rule_statement => Statement::Rule(Box::new(b.rule(pair)?)),
        Rule::principal | Rule::condition_decl | Rule::quota | Rule::routes => {
            Statement::Local(Box::new(declaration(b, pair)?))
        }
        Rule::default_limit => {
            let (name, cost) = b.limit_named(kids(pair).next()?)?;
            Statement::DefaultLimit(name, cost)
        }
        Rule::openapi => {
            let mut k = kids(pair);
            Statement::OpenApi(b.text(k.next()?)?, k.opt(Rule::enforce).is_some())
        }
        Rule::endpoint => {
            let mut k = kids(pair);
            let kind = b.raw(&k.next()?);
            Statement::Endpoint(kind, joined(k))
        }
        Rule::cors => {
            let clauses = b.each_spanned(kids(pair), Build::cors_clause);
            Statement::Cors(clauses)
        }
        Rule::block => Statement::Block(b.block(pair)?),
        Rule::mark_statement => Statement::Mark(b.mark(kids(pair).next()?)?),
        Rule::invalid_anonymous => Statement::InvalidCredentialsAnonymous,
        Rule::trailing_slash => Statement::TrailingSlashIgnored,
        Rule::resource_metadata => Statement::ResourceMetadata(b.text(kids(pair).next()?)?),
        Rule::merge_slashes => Statement::MergeSlashes,
        Rule::encoded_data => match kids(pair).next()?.as_rule() {
            Rule::encoded_backslash => Statement::EncodedBackslashAsData,
            _ => Statement::EncodedSlashAsData,
        },
        Rule::path_parameters => Statement::PathParametersKept,
        Rule::method_override => Statement::MethodOverrideKept,
        _ => return None,
    };
    Some(Spanned { node, span })
}

/// The number of `gate N;`
pub(super) fn version(b: &mut Build<'_>, pair: Statements<'_>) -> Option<Spanned<u32>> {
    b.count(kids(pair).next()?)
}

/// A declaration without statements of its own.
pub(super) fn declaration(b: &mut Build<'_>, pair: Statements<'_>) -> Option<Item> {
    let span = b.span(&pair);
    let doc = b.doc(span);
    let decl = b.declaration(pair)?;
    Some(Item { doc, span, decl })
}

/// Raw pieces of text, one space apart; a comma or `;` sticks to what stands before it.
fn joined(kids: Kids<'_>) -> String {
    let mut out = String::new();
    flatten(kids, &mut out, true);
    out
}

fn flatten(kids: Kids<'_>, out: &mut String, blocks: bool) {
    for kid in kids {
        if kid.as_rule() == Rule::raw_block && blocks {
            // Blocks of raw text do not nest in the grammar.
            flatten(self::kids(kid), out, false);
            continue;
        }
        if !out.is_empty() && kid.as_rule() != Rule::raw_sign {
            out.push(' ');
        }
        out.push_str(kid.as_str());
    }
}
