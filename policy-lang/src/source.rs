//! Where text comes from and where in it something stands.

use std::collections::BTreeMap;
use std::ops::Range;

/// A source file of one load: an index into [`Sources`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub u32);

/// A range of bytes in one file; `start <= end`, both on character boundaries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The file.
    pub file: FileId,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// The smallest span that covers both; `other` must stand in the same file.
    pub fn to(self, other: Span) -> Span {
        Span {
            file: self.file,
            start: self.start.min(other.start),
            end: self.end.max(other.end),
        }
    }
}

/// Anything with a place in the text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Spanned<T> {
    /// What stands there.
    pub node: T,
    /// Where.
    pub span: Span,
}

/// The files of one load, by [`FileId`]. Names are relative to the policy's root, `/`-separated.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    files: Vec<Source>,
}

#[derive(Clone, Debug)]
struct Source {
    name: String,
    text: String,
    lines: Lines,
}

impl Sources {
    /// Adds a file and gives it an id.
    pub fn add(&mut self, name: impl Into<String>, text: impl Into<String>) -> FileId {
        let id = FileId(u32::try_from(self.files.len()).unwrap_or(u32::MAX));
        let text = text.into();
        self.files.push(Source {
            name: name.into(),
            lines: Lines::of(&text),
            text,
        });
        id
    }

    /// The file's name, `""` for an unknown id.
    pub fn name(&self, file: FileId) -> &str {
        self.files.get(file.0 as usize).map_or("", |f| f.name.as_str())
    }

    /// The file's text, `""` for an unknown id.
    pub fn text(&self, file: FileId) -> &str {
        self.files.get(file.0 as usize).map_or("", |f| f.text.as_str())
    }

    /// 1-based line and column (in characters) of a byte offset.
    pub fn line_column(&self, file: FileId, offset: u32) -> (u32, u32) {
        self.files
            .get(file.0 as usize)
            .map_or((1, 1), |f| f.lines.place(&f.text, offset))
    }

    /// `FILE:LINE` of where a span starts.
    pub fn place(&self, span: Span) -> String {
        let (line, _) = self.line_column(span.file, span.start);
        format!("{}:{line}", self.name(span.file))
    }

    /// Whole lines around a range of bytes, with one more on either side: the number of the first, from 1, and where
    /// in the text they stand.
    pub(crate) fn lines_around(&self, file: FileId, start: usize, end: usize) -> (usize, Range<usize>) {
        self.files
            .get(file.0 as usize)
            .map_or((1, 0..0), |f| f.lines.around(&f.text, start, end))
    }

    /// All file ids with their names and texts, in order.
    pub fn iter(&self) -> impl Iterator<Item = (FileId, &str, &str)> {
        self.files
            .iter()
            .enumerate()
            .map(|(i, f)| (FileId(i as u32), f.name.as_str(), f.text.as_str()))
    }
}

/// Characters are counted once in blocks of this many bytes.
const BLOCK: usize = 256;

/// Where the lines of a text start, and how many characters stand before each block of it: every rule asks for its
/// line, so a place must cost the same at the end of a text as at its start, also where it is all one line.
#[derive(Clone, Debug, Default)]
struct Lines {
    starts: Vec<u32>,
    chars: Vec<u32>,
}

impl Lines {
    fn of(text: &str) -> Lines {
        let breaks = text.bytes().enumerate().filter(|(_, b)| *b == b'\n');
        let starts = std::iter::once(0).chain(breaks.map(|(at, _)| at as u32 + 1));
        // One more than there are blocks: the end of the text may be the start of none.
        let mut chars = vec![0];
        let mut before = 0;
        for block in text.as_bytes().chunks(BLOCK) {
            before += characters(block);
            chars.push(before);
        }
        Lines {
            starts: starts.collect(),
            chars,
        }
    }

    /// 1-based line and column of an offset; one that lies nowhere is the end of the text.
    fn place(&self, text: &str, offset: u32) -> (u32, u32) {
        let offset = match text.is_char_boundary(offset as usize) {
            true => offset as usize,
            false => text.len(),
        };
        let line = self.line(offset);
        let start = line.checked_sub(1).and_then(|at| self.starts.get(at));
        let start = start.map_or(0, |at| *at as usize);
        let column = self.chars_before(text, offset) - self.chars_before(text, start) + 1;
        (line as u32, column)
    }

    /// How many lines start at or before an offset.
    fn line(&self, offset: usize) -> usize {
        self.starts.partition_point(|start| *start as usize <= offset)
    }

    fn around(&self, text: &str, start: usize, end: usize) -> (usize, Range<usize>) {
        let first = self.line(start).saturating_sub(2);
        let from = self.starts.get(first).map_or(0, |at| *at as usize);
        let to = self.starts.get(self.line(end) + 1);
        (first + 1, from..to.map_or(text.len(), |at| *at as usize))
    }

    fn chars_before(&self, text: &str, offset: usize) -> u32 {
        let block = offset / BLOCK;
        let rest = text.as_bytes().get(block * BLOCK..offset).unwrap_or_default();
        self.chars.get(block).copied().unwrap_or_default() + characters(rest)
    }
}

/// Characters that start in some bytes of UTF-8.
fn characters(bytes: &[u8]) -> u32 {
    bytes.iter().filter(|b| **b & 0xc0 != 0x80).count() as u32
}

/// The files a policy may name: gate files it imports, and data files beside it. The caller does the I/O.
pub trait Files {
    /// The bytes of a file by its name relative to the policy's root (`/`-separated, no `.` or `..`),
    /// `None` where there is none or it lies outside the root.
    fn read(&self, name: &str) -> Option<Vec<u8>>;

    /// Why a file that is there was not read; `None` where there is none.
    fn problem(&self, _name: &str) -> Option<String> {
        None
    }
}

/// Files in memory, for tests and for callers that hold text already.
impl Files for BTreeMap<String, Vec<u8>> {
    fn read(&self, name: &str) -> Option<Vec<u8>> {
        self.get(name).cloned()
    }
}

/// No files at all.
impl Files for () {
    fn read(&self, _: &str) -> Option<Vec<u8>> {
        None
    }
}
