//! Diagnostics -> text for people (rustc's look) and JSON for tools. The only module that knows the renderer.

use portcullis_base::quote::JsonString;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use crate::diagnostic::{Diagnostic, Severity};
use crate::source::{Sources, Span};

/// All complaints, one after the other, with the marked lines; `color`: with terminal escapes.
pub fn render(diagnostics: &[Diagnostic], sources: &Sources, color: bool) -> String {
    let renderer = if color {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    let mut out = String::new();
    for diagnostic in diagnostics {
        let level = match diagnostic.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let mut group: Group<'_> = level
            .primary_title(diagnostic.message.as_str())
            .id(diagnostic.code)
            .element(snippet(diagnostic, sources, diagnostic.span.file));
        let mut files: Vec<_> = diagnostic.related.iter().map(|(span, _)| span.file).collect();
        files.sort_unstable();
        files.dedup();
        for file in files.into_iter().filter(|f| *f != diagnostic.span.file) {
            group = group.element(snippet(diagnostic, sources, file));
        }
        if let Some(help) = &diagnostic.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        out.push_str(&renderer.render(&[group]));
        out.push_str("\n\n");
    }
    out
}

type Marked<'a> = Snippet<'a, annotate_snippets::Annotation<'a>>;

/// The marks of a complaint in one file. The renderer sees only the lines around them: it reads all that it is given,
/// and a large policy may have a thousand warnings.
fn snippet<'a>(d: &'a Diagnostic, sources: &'a Sources, file: crate::source::FileId) -> Marked<'a> {
    let text = sources.text(file);
    let related = || d.related.iter().filter(|(span, _)| span.file == file);
    let own = (d.span.file == file).then_some(d.span);
    let spans = own.into_iter().chain(related().map(|(span, _)| *span));
    let ranges: Vec<_> = spans.map(|span| range(text, span)).collect();
    let start = ranges.iter().map(|r| r.start).min().unwrap_or_default();
    let end = ranges.iter().map(|r| r.end).max().unwrap_or_default();
    let (line, window) = sources.lines_around(file, start, end);
    let shown = text.get(window.clone()).unwrap_or_default();
    let within = |span| {
        let Range { start, end } = range(text, span);
        start - window.start..end - window.start
    };
    let mut snippet = Snippet::source(shown).line_start(line).path(sources.name(file));
    if d.span.file == file {
        let mark = AnnotationKind::Primary.span(within(d.span));
        snippet = snippet.annotation(mark.label(d.label.as_str()));
    }
    for (span, label) in related() {
        let mark = AnnotationKind::Context.span(within(*span));
        snippet = snippet.annotation(mark.label(label.as_str()));
    }
    snippet
}

/// A span that surely lies in the text, on character boundaries.
fn range(text: &str, span: Span) -> Range<usize> {
    let inside = |at: u32| text.floor_char_boundary((at as usize).min(text.len()));
    let start = inside(span.start);
    start..inside(span.end).max(start)
}

/// One complaint as one line of JSON, without the line break.
pub fn to_json(d: &Diagnostic, sources: &Sources) -> String {
    let (line, column) = sources.line_column(d.span.file, d.span.start);
    let (end_line, end_column) = sources.line_column(d.span.file, d.span.end);
    let severity = match d.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let help = d.help.as_deref().map_or_else(|| "null".to_owned(), quote);
    let (code, message, label) = (quote(d.code), quote(&d.message), quote(&d.label));
    let file = quote(sources.name(d.span.file));
    format!(
        "{{\"code\":{code},\"severity\":\"{severity}\",\"message\":{message},\"file\":{file},\"line\":{line},\
         \"column\":{column},\"end_line\":{end_line},\"end_column\":{end_column},\"label\":{label},\"help\":{help}}}"
    )
}

fn quote(text: &str) -> String {
    JsonString(text).to_string()
}
