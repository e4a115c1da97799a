//! text --scan--> tokens --cut--> statements --pest--> pairs --build--> AST, and diagnostics on the way
//!
//! Each statement is parsed on its own, so a file with five mistakes shows five. Nothing here resolves a name or
//! judges a value; pest does not show in the API. What has no bound in the text has one here: size, nesting,
//! and the number of complaints.

mod build;
mod complain;
mod cut;
mod scan;

use std::ops::Range;

use pest::Parser;
use portcullis_grammar::{Gate, Rule};

use crate::ast::{Decl, File, Item};
use crate::diagnostic::Diagnostic;
use crate::source::{FileId, Span, Spanned};

use build::Build;
use cut::{Level, Stream};
use scan::Scan;

pub(crate) use scan::{DIAGNOSTICS_MAX, is_doc};

/// A file may be this large, in bytes.
pub const FILE_BYTES_MAX: usize = 16 << 20;

/// The version of the language that this crate reads.
pub const LANGUAGE_VERSION: u32 = 1;

/// Words that cannot name a declaration. After a `.`, in JSON paths and as a field's name any word is a name.
pub const RESERVED: &[&str] = &[
    "allow", "and", "any", "anyone", "as", "because", "by", "deny", "else", "exists", "false", "from", "has",
    "in", "like", "matches", "not", "on", "or", "report", "respond", "signed", "to", "true", "under",
    "unless", "when", "with",
];

/// The codes of this stage, each with what it says.
pub const CODES: &[(&str, &str)] = &[
    ("G0001", "the file is not UTF-8"),
    ("G0002", "a character that is invisible or reorders what is shown"),
    ("G0003", "the file is too large"),
    ("G0004", "brackets or `not` nested too deeply"),
    ("G0005", "syntax: something else was expected here"),
    (
        "G0006",
        "a string or regex that is still open at the end of its line",
    ),
    ("G0007", "an unknown escape in a string"),
    ("G0008", "the file does not start with `gate 1;`"),
    ("G0009", "a version of the language that is not supported"),
    ("G0010", "a bracket that is never closed"),
    ("G0011", "a closing bracket that nothing opened"),
    ("G0012", "a capture in a path that is never closed"),
    ("G0013", "a clause that is given twice"),
    ("G0014", "a clause that this kind of rule does not have"),
    ("G0015", "a number that is out of range or not in plain digits"),
    ("G0016", "more mistakes than are shown"),
];

/// What became of a file: always a tree, and what is wrong with the text.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed {
    /// The tree; what could not be read is missing from it.
    pub file: File,
    /// Complaints in the order of the text, at most a hundred.
    pub diagnostics: Vec<Diagnostic>,
}

/// Bytes -> text, without a byte order mark. Bytes that are not UTF-8 are replaced and complained about; spans
/// are those of the text returned. Characters that are forbidden in policies are found by [`parse`].
pub fn decode(file: FileId, bytes: &[u8]) -> (String, Vec<Diagnostic>) {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut text = String::with_capacity(bytes.len());
    let mut diagnostics = Vec::new();
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        if chunk.invalid().is_empty() {
            continue;
        }
        let start = text.len() as u32;
        text.push(char::REPLACEMENT_CHARACTER);
        if diagnostics.len() < DIAGNOSTICS_MAX {
            let span = Span {
                file,
                start,
                end: text.len() as u32,
            };
            let hex: Vec<String> = chunk.invalid().iter().map(|b| format!("{b:02x}")).collect();
            diagnostics.push(
                Diagnostic::error("G0001", span, format!("not UTF-8: bytes {}", hex.join(" ")))
                    .label("not a character")
                    .help("save the file as UTF-8"),
            );
        }
    }
    (text, diagnostics)
}

/// Reads one file. Never fails: what cannot be read is missing from the tree and named in the complaints.
pub fn parse(file: FileId, text: &str) -> Parsed {
    if text.len() > FILE_BYTES_MAX {
        let message = format!("the file has {} bytes, more than {FILE_BYTES_MAX}", text.len());
        let complaint = Diagnostic::error(
            "G0003",
            Span {
                file,
                start: 0,
                end: 0,
            },
            message,
        )
        .help("split it into several files; data belongs into lists and tables");
        return Parsed {
            file: File::default(),
            diagnostics: vec![complaint],
        };
    }
    let Scan {
        tokens,
        comments,
        diagnostics,
        fatal,
        unbalanced,
    } = scan::scan(file, text);
    let stream = Stream {
        text,
        tokens: &tokens,
    };
    let scanned = diagnostics.iter().map(|d| d.span).collect();
    let mut reader = Reader {
        file,
        stream,
        comments: &comments,
        scanned,
        diagnostics,
        version: None,
    };
    let items = if fatal {
        Vec::new()
    } else {
        reader.file(unbalanced)
    };
    let version = reader.version.take();
    let diagnostics = reader.finish();
    Parsed {
        file: File {
            version,
            items,
            comments,
        },
        diagnostics,
    }
}

struct Reader<'t> {
    file: FileId,
    stream: Stream<'t>,
    comments: &'t [Spanned<String>],
    /// Where the scan has complained: a parse error there would only repeat it.
    scanned: Vec<Span>,
    diagnostics: Vec<Diagnostic>,
    version: Option<Spanned<u32>>,
}

impl<'t> Reader<'t> {
    fn file(&mut self, unbalanced: bool) -> Vec<Item> {
        let mut items = Vec::new();
        let all = 0..self.stream.tokens.len();
        let chunks = self.stream.cut(all, Level::Top, unbalanced);
        if chunks.first().is_none_or(|c| self.stream.word(c.start) != "gate") {
            let end = self.stream.get(0).map_or(0, |t| t.end);
            let span = Span {
                file: self.file,
                start: self.stream.get(0).map_or(0, |t| t.start),
                end,
            };
            self.diagnostics.push(
                Diagnostic::error("G0008", span, "the file does not start with `gate 1;`")
                    .label("before this")
                    .help("write `gate 1;` as the first statement: it names the version of the language"),
            );
        }
        for (index, chunk) in chunks.into_iter().enumerate() {
            self.top(chunk, index == 0, true, &mut items);
        }
        items
    }

    /// A declaration; where it does not parse and `recut` allows, once more in pieces.
    fn top(&mut self, chunk: Range<usize>, first: bool, recut: bool, items: &mut Vec<Item>) {
        if self.full() {
            return;
        }
        let word = self.stream.word(chunk.start);
        if let "service" | "guard" | "test" | "prove" = word {
            items.extend(self.block(chunk));
            return;
        }
        if word == "gate" {
            self.gate(chunk, first);
            return;
        }
        match self.statement(Level::Top, chunk.clone(), build::declaration) {
            Ok(item) => items.extend(item),
            Err(complaint) => {
                let pieces = if recut {
                    self.stream.recut(chunk, Level::Top)
                } else {
                    Vec::new()
                };
                if pieces.len() > 1 {
                    for piece in pieces {
                        self.top(piece, false, false, items);
                    }
                } else {
                    self.diagnostics.extend(complaint.map(|c| *c));
                }
            }
        }
    }

    fn gate(&mut self, chunk: Range<usize>, first: bool) {
        let span = self.span(&chunk);
        let version = self.statement(Level::Top, chunk, build::version);
        let version = match version {
            Ok(version) => version,
            Err(complaint) => {
                self.diagnostics.extend(complaint.map(|c| *c));
                return;
            }
        };
        if !first {
            self.diagnostics.push(
                Diagnostic::error("G0013", span, "`gate 1;` stands once, at the start of the file")
                    .help("remove it"),
            );
            return;
        }
        if let Some(v) = version.as_ref().filter(|v| v.node != LANGUAGE_VERSION) {
            self.diagnostics.push(
                Diagnostic::error(
                    "G0009",
                    v.span,
                    format!("version {} of the language is not supported", v.node),
                )
                .help(format!("write `gate {LANGUAGE_VERSION};`")),
            );
        }
        self.version = version;
    }

    /// A service, guard, test or proof: its head and its statements, each on its own.
    fn block(&mut self, chunk: Range<usize>) -> Option<Item> {
        let whole = self.span(&chunk);
        let (open, inside) = match self.stream.block(&chunk) {
            Some(block) => block,
            None => (chunk.end, chunk.end..chunk.end),
        };
        let head = self.statement(Level::Top, chunk.start..open, build::declaration);
        let mut item = match head {
            Ok(item) => item,
            Err(complaint) => {
                self.diagnostics.extend(complaint.map(|c| *c));
                None
            }
        };
        if open == chunk.end {
            let span = Span {
                start: whole.end.saturating_sub(1),
                ..whole
            };
            self.diagnostics.push(
                Diagnostic::error("G0005", span, "expected `{` before the statement ends")
                    .label("the statement ends here")
                    .help("write its statements in braces"),
            );
        }
        let word = self.stream.word(chunk.start);
        let mut decl = item.as_mut().map(|item| {
            item.span = whole;
            &mut item.decl
        });
        match word {
            "test" => {
                let lines = self.lines(Level::Test, inside, build::test_line);
                if let Some(Decl::Test(_, body)) = decl.as_mut() {
                    *body = lines;
                }
            }
            "prove" => {
                let lines = self.lines(Level::Prove, inside, build::proof_line);
                if let Some(Decl::Prove(_, body)) = decl.as_mut() {
                    *body = lines;
                }
            }
            _ => {
                let lines = self.lines(Level::Service, inside, build::statement);
                if let Some(Decl::Service { body, .. } | Decl::Guard(_, body)) = decl.as_mut() {
                    *body = lines;
                }
            }
        }
        item
    }

    fn lines<T>(&mut self, level: Level, inside: Range<usize>, build: Builder<T>) -> Vec<T> {
        let mut out = Vec::new();
        for chunk in self.stream.cut(inside, level, false) {
            if self.full() {
                break;
            }
            match self.statement(level, chunk.clone(), build) {
                Ok(line) => out.extend(line),
                Err(complaint) => {
                    let pieces = self.stream.recut(chunk, level);
                    if pieces.len() == 1 {
                        self.diagnostics.extend(complaint.map(|c| *c));
                        continue;
                    }
                    for piece in pieces {
                        if self.full() {
                            break;
                        }
                        match self.statement(level, piece, build) {
                            Ok(line) => out.extend(line),
                            Err(complaint) => self.diagnostics.extend(complaint.map(|c| *c)),
                        }
                    }
                }
            }
        }
        out
    }

    /// One statement through the grammar and the builder. `Err` holds the diagnostic, unless the scan has made it.
    fn statement<T>(
        &mut self,
        level: Level,
        chunk: Range<usize>,
        build: Builder<T>,
    ) -> Result<Option<T>, Option<Box<Diagnostic>>> {
        let whole = self.span(&chunk);
        let known = self
            .scanned
            .iter()
            .any(|s| s.start >= whole.start && s.start < whole.end.max(whole.start + 1));
        let text = self
            .stream
            .text
            .get(whole.start as usize..whole.end as usize)
            .unwrap_or("");
        let word = self.stream.word(chunk.start);
        let Some(rule) = cut::rule_of(level, word) else {
            let end = self.stream.get(chunk.start).map_or(whole.start, |t| t.end);
            let complaint = complain::unknown(level, word, self.file, whole.start, end);
            return Err((!known).then(|| Box::new(complaint)));
        };
        let pair = match Gate::parse(rule, text) {
            Ok(mut pairs) => pairs.next(),
            Err(error) => {
                return Err((!known).then(|| Box::new(complain::syntax(&error, self.stream, whole))));
            }
        };
        let mut b = Build {
            file: self.file,
            base: whole.start,
            text: self.stream.text,
            comments: self.comments,
            diagnostics: Vec::new(),
        };
        let built = pair.and_then(|pair| build(&mut b, pair));
        if built.is_none() && b.diagnostics.is_empty() {
            // The grammar and the builder disagree; a statement must never vanish in silence.
            b.diagnostics
                .push(Diagnostic::error("G0005", whole, "this statement cannot be read"));
        }
        self.diagnostics.append(&mut b.diagnostics);
        Ok(built)
    }

    fn span(&self, chunk: &Range<usize>) -> Span {
        let start = self.stream.get(chunk.start).map_or(0, |t| t.start);
        let last = chunk.end.checked_sub(1).and_then(|i| self.stream.get(i));
        Span {
            file: self.file,
            start,
            end: last.map_or(start, |t| t.end),
        }
    }

    fn full(&self) -> bool {
        self.diagnostics.len() > DIAGNOSTICS_MAX
    }

    fn finish(self) -> Vec<Diagnostic> {
        let mut diagnostics = self.diagnostics;
        diagnostics.sort_by_key(|d| d.span.start);
        if diagnostics.len() > DIAGNOSTICS_MAX {
            diagnostics.truncate(DIAGNOSTICS_MAX - 1);
            let span = diagnostics.last().map_or(
                Span {
                    file: self.file,
                    start: 0,
                    end: 0,
                },
                |d| d.span,
            );
            diagnostics.push(
                Diagnostic::error("G0016", span, "there are more mistakes than are shown")
                    .help("correct the first ones and check again"),
            );
        }
        diagnostics
    }
}

/// Builds a node from the pair of its statement.
type Builder<T> = fn(&mut Build<'_>, pest::iterators::Pair<'_, Rule>) -> Option<T>;
