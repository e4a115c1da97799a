//! Tokens -> statements: where one ends and the next begins, so that each is parsed on its own and one mistake
//! does not hide the next. Knows braces, `;` and first words, nothing of what stands between.

use std::ops::Range;

use super::Rule;
use super::scan::{Kind, Token};

/// Where a statement stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    /// At the top of a file.
    Top,
    /// In a service or a guard.
    Service,
    /// In a test.
    Test,
    /// In a proof.
    Prove,
}

/// What stands at the start of a statement: the first word and the rule that reads it.
pub(super) fn starters(level: Level) -> &'static [(&'static str, Rule)] {
    match level {
        Level::Top => &[
            ("condition", Rule::condition_decl),
            ("context", Rule::context),
            ("gate", Rule::gate),
            ("guard", Rule::guard_head),
            ("hours", Rule::hours),
            ("import", Rule::import),
            ("issuer", Rule::issuer),
            ("keys", Rule::keys),
            ("list", Rule::list),
            ("methods", Rule::methods_decl),
            ("network", Rule::network),
            ("peers", Rule::peers),
            ("persona", Rule::persona),
            ("principal", Rule::principal),
            ("prove", Rule::prove_head),
            ("quota", Rule::quota),
            ("redaction", Rule::redaction),
            ("routes", Rule::routes),
            ("secret", Rule::secret),
            ("service", Rule::service_head),
            ("signature", Rule::signature),
            ("table", Rule::table),
            ("test", Rule::test_head),
            ("trust", Rule::trust),
        ],
        Level::Service => &[
            ("allow", Rule::rule_statement),
            ("block", Rule::block),
            ("condition", Rule::condition_decl),
            ("cors", Rule::cors),
            ("default", Rule::default_limit),
            ("deny", Rule::rule_statement),
            ("deprecated", Rule::mark_statement),
            ("encoded", Rule::encoded_data),
            ("endpoint", Rule::endpoint),
            ("invalid", Rule::invalid_anonymous),
            ("merge", Rule::merge_slashes),
            ("method", Rule::method_override),
            ("on", Rule::rule_statement),
            ("openapi", Rule::openapi),
            ("path", Rule::path_parameters),
            ("principal", Rule::principal),
            ("public", Rule::mark_statement),
            ("quota", Rule::quota),
            ("report", Rule::rule_statement),
            ("require", Rule::mark_statement),
            ("resource", Rule::resource_metadata),
            ("routes", Rule::routes),
            ("sunset", Rule::mark_statement),
            ("trailing", Rule::trailing_slash),
        ],
        Level::Test => &[("expect", Rule::expect), ("given", Rule::given)],
        Level::Prove => &[
            ("always", Rule::proof),
            ("never", Rule::proof),
            ("only", Rule::proof),
        ],
    }
}

/// The rule of a first word.
pub(super) fn rule_of(level: Level, word: &str) -> Option<Rule> {
    starters(level)
        .iter()
        .find(|(w, _)| *w == word)
        .map(|(_, rule)| *rule)
}

/// Tokens with their text.
#[derive(Clone, Copy)]
pub(super) struct Stream<'t> {
    pub(super) text: &'t str,
    pub(super) tokens: &'t [Token],
}

impl<'t> Stream<'t> {
    pub(super) fn get(&self, index: usize) -> Option<Token> {
        self.tokens.get(index).copied()
    }

    pub(super) fn str(&self, token: Token) -> &'t str {
        self.text
            .get(token.start as usize..token.end as usize)
            .unwrap_or("")
    }

    pub(super) fn word(&self, index: usize) -> &'t str {
        self.get(index).map_or("", |t| self.str(t))
    }

    fn kind(&self, index: usize) -> Option<Kind> {
        self.get(index).map(|t| t.kind)
    }

    /// The first token at or after a byte.
    pub(super) fn at(&self, offset: u32) -> Option<Token> {
        self.get(self.tokens.partition_point(|t| t.end <= offset))
    }

    fn leads_line(&self, index: usize) -> bool {
        let before = index
            .checked_sub(1)
            .and_then(|i| self.get(i))
            .map_or(0, |t| t.end);
        let here = self.get(index).map_or(before, |t| t.start);
        self.text
            .get(before as usize..here as usize)
            .is_some_and(|gap| gap.contains('\n'))
    }

    /// Statements of a range. `unbalanced`: braces cannot be trusted, so a declaration that starts in the first
    /// column ends what is open.
    pub(super) fn cut(&self, range: Range<usize>, level: Level, unbalanced: bool) -> Vec<Range<usize>> {
        let mut out = Vec::new();
        let mut start = range.start;
        let mut depth = 0usize;
        for i in range.clone() {
            let Some(token) = self.get(i) else { break };
            match token.kind {
                Kind::Word if unbalanced && level == Level::Top && i > start && depth > 0 => {
                    let column_one = token.start == 0
                        || self.text.as_bytes().get(token.start as usize - 1) == Some(&b'\n');
                    if column_one && rule_of(level, self.str(token)).is_some() {
                        out.push(start..i);
                        start = i;
                        depth = 0;
                    }
                }
                Kind::Open(b'{') => depth += 1,
                Kind::Close(b'}') if depth == 0 => {
                    if i > start {
                        out.push(start..i);
                    }
                    start = i + 1;
                }
                Kind::Close(b'}') => {
                    depth -= 1;
                    if depth == 0 && !self.goes_on(start, i) {
                        out.push(start..i + 1);
                        start = i + 1;
                    }
                }
                Kind::Semi if depth == 0 => {
                    out.push(start..i + 1);
                    start = i + 1;
                }
                _ => {}
            }
        }
        if start < range.end {
            out.push(start..range.end);
        }
        out
    }

    /// Whether the statement that starts at `start` goes on after the `}` at `brace`: those with `=`, `given`
    /// and an `else` end with `;`.
    fn goes_on(&self, start: usize, brace: usize) -> bool {
        let by_semicolon = matches!(
            self.word(start),
            "principal" | "condition" | "quota" | "routes" | "network" | "hours" | "persona" | "given"
        );
        match self.kind(brace + 1) {
            Some(Kind::Semi | Kind::Comma) => by_semicolon,
            _ => self.word(brace + 1) == "else",
        }
    }

    /// Cuts a statement that did not parse where a line starts like another statement: its `;` was forgotten.
    pub(super) fn recut(&self, range: Range<usize>, level: Level) -> Vec<Range<usize>> {
        let mut out = Vec::new();
        let mut start = range.start;
        let mut depth = 0usize;
        for i in range.clone() {
            match self.kind(i) {
                Some(Kind::Open(b'{')) => depth += 1,
                Some(Kind::Close(b'}')) => depth = depth.saturating_sub(1),
                Some(Kind::Word)
                    if i > start
                        && depth == 0
                        && self.leads_line(i)
                        && rule_of(level, self.word(i)).is_some()
                        && self.opens_statement(i) =>
                {
                    out.push(start..i);
                    start = i;
                }
                _ => {}
            }
        }
        out.push(start..range.end);
        out
    }

    fn opens_statement(&self, index: usize) -> bool {
        let follows = matches!(
            self.kind(index + 1),
            Some(Kind::Word | Kind::String | Kind::Path | Kind::Open(b'{'))
        );
        follows && self.word(index + 1) != "store"
    }

    /// The tokens between the first `{` of a statement and its partner, and the index of that `{`.
    pub(super) fn block(&self, range: &Range<usize>) -> Option<(usize, Range<usize>)> {
        let open = range.clone().find(|i| self.kind(*i) == Some(Kind::Open(b'{')))?;
        let mut depth = 0usize;
        for i in open..range.end {
            match self.kind(i) {
                Some(Kind::Open(b'{')) => depth += 1,
                Some(Kind::Close(b'}')) => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 {
                return Some((open, open + 1..i));
            }
        }
        Some((open, open + 1..range.end))
    }
}
