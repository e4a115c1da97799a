//! Text -> tokens, comments and the complaints that need no grammar.
//!
//! One linear pass that knows strings, regexes, paths and comments well enough not to be fooled by what stands
//! in them. It bounds nesting before anything recursive runs. It knows no statements.

use crate::diagnostic::Diagnostic;
use crate::source::{FileId, Span, Spanned};
use portcullis_base::invisible::is_invisible;

/// Braces, parentheses and brackets may nest this deep, and so many `not` may be open at one place: far beyond
/// what a reader follows, far below what the stack of a small host bears.
pub(crate) const DEPTH_MAX: usize = 64;

/// A load shows this many complaints; the rest is noise.
pub(crate) const DIAGNOSTICS_MAX: usize = 100;

/// What a token is, as far as cutting needs to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Word,
    Path,
    String,
    Regex,
    Open(u8),
    Close(u8),
    Semi,
    Comma,
    Sign,
}

/// A piece of text between white space and comments.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) start: u32,
    pub(super) end: u32,
}

/// What the pass found.
pub(super) struct Scan {
    pub(super) tokens: Vec<Token>,
    pub(super) comments: Vec<Spanned<String>>,
    pub(super) diagnostics: Vec<Diagnostic>,
    /// Parsing may not go on: nested too deeply.
    pub(super) fatal: bool,
    /// Some brace has no partner: a declaration may have swallowed the next one.
    pub(super) unbalanced: bool,
}

/// What no policy may hold raw: a reader would miss it or be misled (Trojan Source). A carriage return may stand
/// before a line feed.
fn is_forbidden(c: char) -> bool {
    !matches!(c, '\t' | '\n' | '\r') && is_invisible(c)
}

struct Opener {
    byte: u8,
    at: u32,
    nots: usize,
}

struct Scanner<'t> {
    file: FileId,
    text: &'t str,
    bytes: &'t [u8],
    at: usize,
    out: Scan,
    stack: Vec<Opener>,
    nots: usize,
    nots_open: usize,
}

/// Reads the whole text.
pub(super) fn scan(file: FileId, text: &str) -> Scan {
    let out = Scan {
        tokens: Vec::new(),
        comments: Vec::new(),
        diagnostics: Vec::new(),
        fatal: false,
        unbalanced: false,
    };
    let mut scanner = Scanner {
        file,
        text,
        bytes: text.as_bytes(),
        at: 0,
        out,
        stack: Vec::new(),
        nots: 0,
        nots_open: 0,
    };
    scanner.forbidden();
    scanner.run();
    scanner.out
}

impl Scanner<'_> {
    fn span(&self, start: usize, end: usize) -> Span {
        Span {
            file: self.file,
            start: start as u32,
            end: end as u32,
        }
    }

    fn complain(&mut self, diagnostic: Diagnostic) {
        if self.out.diagnostics.len() < DIAGNOSTICS_MAX {
            self.out.diagnostics.push(diagnostic);
        }
    }

    fn forbidden(&mut self) {
        // Printed ASCII is never forbidden: most texts are passed over byte by byte.
        let odd = |b: &u8| !matches!(*b, b' '..=b'~' | b'\n' | b'\t');
        let mut chars = self.text.char_indices();
        if !self.bytes.iter().any(odd) {
            chars = "".char_indices();
        }
        for (i, c) in chars {
            let span = self.span(i, i + c.len_utf8());
            let diagnostic = if c == '\r' && self.bytes.get(i + 1) != Some(&b'\n') {
                Diagnostic::error("G0002", span, "a carriage return that no line feed follows")
                    .label("shown as the end of a line, which it is not")
                    .help("end the line with a line feed; inside a string write `\\r`")
            } else if is_forbidden(c) {
                Diagnostic::error(
                    "G0002",
                    span,
                    format!("forbidden character U+{:04X}", u32::from(c)),
                )
                .label("invisible, or changes the order of what is shown")
                .help("remove it; inside a string write it as `\\u{..}`")
            } else {
                continue;
            };
            self.complain(diagnostic);
            if self.out.diagnostics.len() >= DIAGNOSTICS_MAX {
                break;
            }
        }
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.bytes.get(self.at + ahead).copied()
    }

    fn push(&mut self, kind: Kind, start: usize) {
        self.out.tokens.push(Token {
            kind,
            start: start as u32,
            end: self.at as u32,
        });
    }

    fn run(&mut self) {
        while let Some(byte) = self.peek(0) {
            let start = self.at;
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' => self.at += 1,
                b'#' => self.comment(),
                b'"' | b'\'' => {
                    self.quoted(byte);
                    self.push(if byte == b'"' { Kind::String } else { Kind::Regex }, start);
                    self.nots = 0;
                }
                b'/' if self.starts_path() => {
                    self.path();
                    self.push(Kind::Path, start);
                    self.nots = 0;
                }
                b'(' | b'[' | b'{' => {
                    self.at += 1;
                    self.push(Kind::Open(byte), start);
                    self.open(byte, start);
                }
                b')' | b']' | b'}' => {
                    self.at += 1;
                    self.push(Kind::Close(byte), start);
                    self.close(byte, start);
                }
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' => {
                    while self
                        .peek(0)
                        .is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_')
                    {
                        self.at += 1;
                    }
                    self.push(Kind::Word, start);
                    self.count_not(start);
                }
                _ => {
                    self.at += self
                        .text
                        .get(start..)
                        .and_then(|t| t.chars().next())
                        .map_or(1, char::len_utf8);
                    let kind = match byte {
                        b';' => Kind::Semi,
                        b',' => Kind::Comma,
                        _ => Kind::Sign,
                    };
                    self.push(kind, start);
                    self.nots = 0;
                }
            }
            if self.out.fatal {
                return;
            }
        }
        for opener in std::mem::take(&mut self.stack) {
            self.unclosed(&opener);
        }
    }

    fn comment(&mut self) {
        let start = self.at;
        let rest = self.text.get(start..).unwrap_or("");
        let length = rest.find('\n').unwrap_or(rest.len());
        let comment = rest.get(..length).unwrap_or("").trim_end();
        self.at += length;
        let span = self.span(start, start + comment.len());
        self.out.comments.push(Spanned {
            node: comment.to_owned(),
            span,
        });
    }

    /// A string or a regex; both end on their line.
    fn quoted(&mut self, quote: u8) {
        let start = self.at;
        self.at += 1;
        loop {
            match self.peek(0) {
                None | Some(b'\n') => {
                    let what = if quote == b'"' { "string" } else { "regex" };
                    let span = self.span(start, self.at);
                    self.complain(
                        Diagnostic::error("G0006", span, format!("unterminated {what}"))
                            .label("starts here and is still open at the end of the line")
                            .help(match quote {
                                b'"' => "close it with `\"`; a line break in a string is written `\\n`",
                                _ => "close it with `'`; a quote in a regex is written `\\x27`",
                            }),
                    );
                    return;
                }
                Some(b'\\') if quote == b'"' && self.peek(1) != Some(b'\n') => {
                    self.at += 1;
                    let rest = self.text.get(self.at..).unwrap_or("");
                    self.at += rest.chars().next().map_or(0, char::len_utf8);
                }
                Some(byte) => {
                    self.at += 1;
                    if byte == quote {
                        return;
                    }
                }
            }
        }
    }

    /// A slash starts a path unless it stands inside a word: `10.0.0.0/8`, `shop.Orders/Get`, `client.ip/48`.
    fn starts_path(&self) -> bool {
        let before = self.at.checked_sub(1).and_then(|i| self.bytes.get(i)).copied();
        !before.is_some_and(|b| {
            b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b':' | b'*' | b')' | b']')
        })
    }

    fn path(&mut self) {
        self.at += 1;
        while let Some(byte) = self.peek(0) {
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' | b',' | b';' | b'"' | b'\'' | b'|' | b'}' => return,
                b'{' => {
                    let open = self.at;
                    if !self.capture() {
                        self.at = open;
                        let span = self.span(open, open + 1);
                        self.complain(
                            Diagnostic::error("G0012", span, "unterminated capture in a path")
                                .label("a `{` right after a path starts a capture")
                                .help(
                                    "close the capture with `}`, or write a space before the `{` of a body",
                                ),
                        );
                        return;
                    }
                }
                _ => self.at += 1,
            }
        }
    }

    fn capture(&mut self) -> bool {
        self.at += 1;
        let mut in_regex = false;
        while let Some(byte) = self.peek(0) {
            match byte {
                b'\n' => return false,
                b'\'' => in_regex = !in_regex,
                _ if in_regex => {}
                b'}' => {
                    self.at += 1;
                    return true;
                }
                b' ' | b'\t' | b'\r' | b',' | b';' | b'"' | b'|' | b'{' => return false,
                _ => {}
            }
            self.at += 1;
        }
        false
    }

    fn count_not(&mut self, start: usize) {
        let chained = self.text.get(start..self.at) == Some("not");
        self.nots = if chained { self.nots + 1 } else { 0 };
        if self.nots + self.nots_open > DEPTH_MAX {
            self.too_deep(start, "`not`");
        }
    }

    fn too_deep(&mut self, start: usize, what: &str) {
        self.out.fatal = true;
        let span = self.span(start, self.at);
        let complaint = Diagnostic::error("G0004", span, format!("{what} nested too deeply"))
            .label(format!("more than {DEPTH_MAX} levels"))
            .help("give the inner part a name of its own with `condition NAME = ..;`");
        self.out.diagnostics.truncate(DIAGNOSTICS_MAX - 1);
        self.out.diagnostics.push(complaint);
    }

    fn open(&mut self, byte: u8, start: usize) {
        let nots = std::mem::take(&mut self.nots);
        self.nots_open += nots;
        self.stack.push(Opener {
            byte,
            at: start as u32,
            nots,
        });
        if self.stack.len() > DEPTH_MAX {
            self.too_deep(start, "brackets");
        }
    }

    fn close(&mut self, byte: u8, start: usize) {
        self.nots = 0;
        let wanted = match byte {
            b')' => b'(',
            b']' => b'[',
            _ => b'{',
        };
        let Some(depth) = self.stack.iter().rposition(|o| o.byte == wanted) else {
            self.out.unbalanced |= byte == b'}';
            let span = self.span(start, start + 1);
            let sign = char::from(byte);
            self.complain(
                Diagnostic::error("G0011", span, format!("unexpected `{sign}`"))
                    .label("nothing is open here")
                    .help(format!(
                        "remove it, or add the missing `{}` before it",
                        char::from(wanted)
                    )),
            );
            return;
        };
        // A `}` ends what stands in it; a `)` in a block that is still open belongs to nobody.
        for opener in self.stack.split_off(depth).into_iter().rev() {
            self.nots_open -= opener.nots;
            if opener.byte != wanted {
                self.unclosed(&opener);
            }
        }
    }

    fn unclosed(&mut self, opener: &Opener) {
        self.out.unbalanced |= opener.byte == b'{';
        let at = opener.at as usize;
        let close = match opener.byte {
            b'(' => ')',
            b'[' => ']',
            _ => '}',
        };
        let span = self.span(at, at + 1);
        self.complain(
            Diagnostic::error("G0010", span, format!("unclosed `{}`", char::from(opener.byte)))
                .label("opened here and never closed")
                .help(format!("add the missing `{close}`")),
        );
    }
}

/// The doc comment of what starts at `offset`: the `##` lines right above it, markers stripped, plain comments
/// among them skipped; a blank line ends it.
pub(super) fn doc_before(text: &str, comments: &[Spanned<String>], offset: u32) -> Option<String> {
    let mut lines = Vec::new();
    let mut below = offset as usize;
    let count = comments.partition_point(|c| c.span.start < offset);
    for comment in comments.get(..count).unwrap_or(&[]).iter().rev() {
        let gap = text.get(comment.span.end as usize..below).unwrap_or("x");
        // From the end: the statement before this one is near, the comment may be far.
        if !gap.trim_end().is_empty() || gap.bytes().filter(|b| *b == b'\n').count() != 1 {
            break;
        }
        let line = text
            .get(..comment.span.start as usize)
            .and_then(|t| t.rsplit('\n').next());
        if !line.is_some_and(|line| line.trim().is_empty()) {
            break;
        }
        below = comment.span.start as usize;
        if is_doc(&comment.node) {
            let line = comment.node.get(2..).unwrap_or("");
            lines.push(line.strip_prefix(' ').unwrap_or(line));
        }
    }
    lines.reverse();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

/// `##`, but not the rulers `###..`.
pub(crate) fn is_doc(comment: &str) -> bool {
    comment.starts_with("##") && !comment.starts_with("###")
}
