//! [`CompileError`] -> a diagnostic at its place in the policy, where it has one. Knows no sources and no renderer.

use portcullis_lang::Diagnostic;
use portcullis_lang::model::Effect;

use super::CompileError;

/// Code of patterns that need too large an automaton.
const PATTERNS: &str = "G0806";

impl CompileError {
    /// The error at its place, as the checker shows its own; `None` for errors that belong to no place of the text.
    pub fn diagnostic(&self) -> Option<Diagnostic> {
        match self {
            CompileError::PathPatternsTooLarge {
                span,
                pattern,
                others,
                effect,
                capture,
                ..
            } => {
                let diagnostic = Diagnostic::error(PATTERNS, *span, path_patterns(pattern, *others));
                Some(diagnostic.help(way_out(*others, *effect, capture.as_ref())))
            }
            CompileError::RoutesTooAmbiguous { span, .. } => Some(
                Diagnostic::error(PATTERNS, *span, self.to_string())
                    .help("write literal segments in place of `*` and captures before the last segment"),
            ),
            CompileError::RedactionPathsTooLarge { span, .. } => Some(
                Diagnostic::error(PATTERNS, *span, self.to_string())
                    .help("write the members in place of `*` and `**` before the last step of the path"),
            ),
            CompileError::PatternTooLarge { span, .. } => Some(
                Diagnostic::error(PATTERNS, (*span)?, self.to_string())
                    .help("bound the repetitions of the regex lower, or test the text by `like`"),
            ),
            _ => None,
        }
    }
}

/// What is wrong with captures of one segment.
pub(super) fn path_patterns(pattern: &str, others: usize) -> String {
    match others {
        0 => format!("the path pattern `{pattern}` needs too large an automaton"),
        1 => format!(
            "the path pattern `{pattern}` and one other of its segment need too large an automaton together"
        ),
        _ => format!(
            "the path pattern `{pattern}` and {others} others of its segment need too large an automaton together"
        ),
    }
}

/// What is wrong with the redaction paths of a service.
pub(super) fn redaction_paths(path: &str, others: usize) -> String {
    match others {
        0 => format!("the redaction path `{path}` needs too large an automaton"),
        1 => format!("the redaction path `{path}` and one other need too large an automaton together"),
        _ => format!("the redaction path `{path}` and {others} others need too large an automaton together"),
    }
}

fn way_out(others: usize, effect: Effect, capture: Option<&(String, String)>) -> String {
    let Some((name, regex)) = capture else {
        return "give fewer rules a capture with text before or after it in this segment".to_owned();
    };
    if others == 0 {
        return "bound the repetitions of the regex lower".to_owned();
    }
    let mut help = format!(
        "write `{{{name}}}` in the path, and test the regex in the condition: `when path.{name} matches '{regex}'`"
    );
    if effect == Effect::Allow {
        help.push_str("; a request that no such allow matches is then answered with 403 and not with 404");
    }
    help
}
