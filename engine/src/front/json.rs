//! JSON text -> a flat tape of nodes that facts are read from by path. Validates all of RFC 8259 and refuses lone
//! surrogates, keeps an explicit stack of bounded depth, and notices members given twice. Knows no claims and no context.

use super::text;
use crate::limits;
use std::borrow::Cow;
use thiserror::Error;

/// Why text is not a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum JsonFault {
    /// Past the caller's bound.
    #[error("more than {0} bytes")]
    TooLarge(usize),
    /// Not JSON.
    #[error("not JSON at byte {0}")]
    Syntax(usize),
    /// Past [`limits::JSON_DEPTH`].
    #[error("nested deeper than {max} at byte {0}", max = limits::JSON_DEPTH)]
    TooDeep(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Null,
    Bool(bool),
    Number,
    /// `plain`: no escapes.
    Text {
        plain: bool,
    },
    Array,
    Object,
}

/// A value; a member's name is a text node right before its value.
#[derive(Clone, Copy, Debug)]
struct Node {
    kind: Kind,
    /// Of scalars; text without its quotes.
    start: u32,
    end: u32,
    /// First node that is not inside.
    next: u32,
}

/// A validated document.
#[derive(Clone, Debug)]
pub struct Json<'a> {
    text: &'a [u8],
    nodes: Vec<Node>,
}

/// A value of a document.
#[derive(Clone, Copy, Debug)]
pub struct Item<'j, 'a> {
    json: &'j Json<'a>,
    index: usize,
}

/// What an object holds under a name.
#[derive(Clone, Copy, Debug)]
pub enum Member<'j, 'a> {
    /// Nothing.
    Absent,
    /// One value.
    Once(Item<'j, 'a>),
    /// Several.
    Twice,
}

impl<'a> Json<'a> {
    /// Validates `text` of at most `max_bytes`.
    pub fn parse(text: &'a [u8], max_bytes: usize) -> Result<Json<'a>, JsonFault> {
        // Offsets have 32 bits.
        if text.len() > max_bytes || u32::try_from(text.len()).is_err() {
            return Err(JsonFault::TooLarge(max_bytes));
        }
        if let Err(fault) = std::str::from_utf8(text) {
            return Err(JsonFault::Syntax(fault.valid_up_to()));
        }
        let mut scanner = Scanner {
            text,
            at: 0,
            nodes: Vec::new(),
            open: Vec::new(),
        };
        match scanner.document() {
            Ok(()) => Ok(Json {
                text,
                nodes: scanner.nodes,
            }),
            Err(Stop::Syntax) => Err(JsonFault::Syntax(scanner.at)),
            Err(Stop::TooDeep) => Err(JsonFault::TooDeep(scanner.at)),
        }
    }

    /// The document's value, if it is an object.
    pub fn object(&self) -> Option<Item<'_, 'a>> {
        let root = Item { json: self, index: 0 };
        (root.node()?.kind == Kind::Object).then_some(root)
    }

    /// Whether any object has a member name twice (escapes decoded).
    pub fn has_duplicate_members(&self) -> bool {
        let mut names: Vec<(usize, Cow<'_, [u8]>)> = Vec::new();
        for (index, node) in self.nodes.iter().enumerate() {
            if node.kind == Kind::Object {
                let object = Item { json: self, index };
                names.extend(object.members().map(|(name, _)| (index, name)));
            }
        }
        names.sort_unstable();
        names.windows(2).any(|pair| matches!(pair, [a, b] if a == b))
    }

    fn slice(&self, node: &Node) -> &'a [u8] {
        self.text
            .get(node.start as usize..node.end as usize)
            .unwrap_or_default()
    }
}

impl<'j, 'a> Item<'j, 'a> {
    fn node(&self) -> Option<&'j Node> {
        self.json.nodes.get(self.index)
    }

    fn is(&self, kind: Kind) -> bool {
        self.node().is_some_and(|node| node.kind == kind)
    }

    /// Nodes right inside, names included.
    fn inside(self) -> impl Iterator<Item = Item<'j, 'a>> {
        let end = self.node().map_or(0, |node| node.next as usize);
        let at = move |index: usize| {
            (index < end).then_some(Item {
                json: self.json,
                index,
            })
        };
        std::iter::successors(at(self.index + 1), move |item| at(item.node()?.next as usize))
    }

    /// Members of an object in order; none of anything else.
    pub fn members(self) -> impl Iterator<Item = (Cow<'a, [u8]>, Item<'j, 'a>)> {
        let mut inside = self.is(Kind::Object).then(|| self.inside()).into_iter().flatten();
        std::iter::from_fn(move || {
            let (name, value) = (inside.next()?, inside.next()?);
            Some((name.string()?, value))
        })
    }

    /// What is under a name.
    pub fn member(self, name: &[u8]) -> Member<'j, 'a> {
        let mut found = self.members().filter(|(given, _)| given.as_ref() == name);
        match (found.next(), found.next()) {
            (None, _) => Member::Absent,
            (Some((_, value)), None) => Member::Once(value),
            (Some(_), Some(_)) => Member::Twice,
        }
    }

    /// Whether it is an object.
    pub fn is_object(self) -> bool {
        self.is(Kind::Object)
    }

    /// A bool.
    pub fn bool(self) -> Option<bool> {
        match self.node()?.kind {
            Kind::Bool(value) => Some(value),
            _ => None,
        }
    }

    /// An integer without fraction and exponent, in i64.
    pub fn int(self) -> Option<i64> {
        match self.is(Kind::Number) {
            true => text::int(self.json.slice(self.node()?)),
            false => None,
        }
    }

    /// A string.
    pub fn string(self) -> Option<Cow<'a, [u8]>> {
        let node = self.node()?;
        match node.kind {
            Kind::Text { plain: true } => Some(Cow::Borrowed(self.json.slice(node))),
            Kind::Text { plain: false } => Some(unescape(self.json.slice(node))),
            _ => None,
        }
    }

    /// Elements of an array in order; `None` for anything else.
    pub fn elements(self) -> Option<impl Iterator<Item = Item<'j, 'a>>> {
        self.is(Kind::Array).then(|| self.inside())
    }

    /// An array of nothing but strings.
    pub fn strings(self) -> Option<Vec<Cow<'a, [u8]>>> {
        self.elements()?.map(Item::string).collect()
    }
}

/// Decodes escapes of validated text.
fn unescape(raw: &[u8]) -> Cow<'_, [u8]> {
    if !raw.contains(&b'\\') {
        return Cow::Borrowed(raw);
    }
    let (mut out, mut rest) = (Vec::with_capacity(raw.len()), raw);
    while let [byte, tail @ ..] = rest {
        let ([b'\\', escape, after @ ..], b'\\') = (rest, byte) else {
            out.push(*byte);
            rest = tail;
            continue;
        };
        rest = after;
        match escape {
            b'b' => out.push(8),
            b'f' => out.push(12),
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'u' => {
                if let Some((c, length)) = unicode(after) {
                    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                    rest = after.get(length..).unwrap_or_default();
                }
            }
            itself => out.push(*itself),
        }
    }
    Cow::Owned(out)
}

/// The character whose `\u` escape goes on with `digits`, and how many bytes of them it takes. A lone surrogate is
/// none.
fn unicode(digits: &[u8]) -> Option<(char, usize)> {
    let unit = hex4(digits)?;
    if !(0xd800..0xdc00).contains(&unit) {
        return Some((char::from_u32(unit)?, 4));
    }
    let low = digits.get(4..)?.strip_prefix(b"\\u").and_then(hex4)?;
    let offset = low.checked_sub(0xdc00).filter(|offset| *offset < 0x400)?;
    Some((char::from_u32(0x1_0000 + ((unit - 0xd800) << 10) + offset)?, 10))
}

fn hex4(text: &[u8]) -> Option<u32> {
    let digits = text.get(..4)?.iter();
    digits
        .copied()
        .try_fold(0, |n, digit| Some(n << 4 | char::from(digit).to_digit(16)?))
}

enum Stop {
    Syntax,
    TooDeep,
}

/// What the grammar expects.
enum Expect {
    Value,
    Name,
    After,
}

struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
    nodes: Vec<Node>,
    /// Open containers, innermost last.
    open: Vec<usize>,
}

impl Scanner<'_> {
    fn document(&mut self) -> Result<(), Stop> {
        let mut expect = Expect::Value;
        loop {
            self.space();
            expect = match expect {
                Expect::Value => self.value()?,
                Expect::Name => {
                    if self.peek() != Some(b'"') {
                        return Err(Stop::Syntax);
                    }
                    self.string()?;
                    self.space();
                    self.take(b":")?;
                    Expect::Value
                }
                Expect::After => {
                    let Some(open) = self.open.last().copied() else {
                        return if self.at == self.text.len() {
                            Ok(())
                        } else {
                            Err(Stop::Syntax)
                        };
                    };
                    let in_object = self.nodes.get(open).is_some_and(|node| node.kind == Kind::Object);
                    match (self.peek(), in_object) {
                        (Some(b','), _) => {
                            self.at += 1;
                            if in_object { Expect::Name } else { Expect::Value }
                        }
                        (Some(b'}'), true) | (Some(b']'), false) => self.close(open),
                        _ => return Err(Stop::Syntax),
                    }
                }
            };
        }
    }

    fn value(&mut self) -> Result<Expect, Stop> {
        match self.peek().ok_or(Stop::Syntax)? {
            b'{' => return self.container(Kind::Object, b'}', Expect::Name),
            b'[' => return self.container(Kind::Array, b']', Expect::Value),
            b'"' => self.string()?,
            b't' => self.word(b"true", Kind::Bool(true))?,
            b'f' => self.word(b"false", Kind::Bool(false))?,
            b'n' => self.word(b"null", Kind::Null)?,
            _ => self.number()?,
        }
        Ok(Expect::After)
    }

    fn container(&mut self, kind: Kind, end: u8, first: Expect) -> Result<Expect, Stop> {
        if self.open.len() >= limits::JSON_DEPTH {
            return Err(Stop::TooDeep);
        }
        let index = self.nodes.len();
        self.push(kind, self.at, self.at);
        self.open.push(index);
        self.at += 1;
        self.space();
        Ok(if self.peek() == Some(end) {
            self.close(index)
        } else {
            first
        })
    }

    fn close(&mut self, index: usize) -> Expect {
        self.at += 1;
        self.open.pop();
        let next = self.nodes.len() as u32;
        if let Some(node) = self.nodes.get_mut(index) {
            node.next = next;
        }
        Expect::After
    }

    fn string(&mut self) -> Result<(), Stop> {
        self.at += 1;
        let (start, mut plain) = (self.at, true);
        loop {
            match self.peek().ok_or(Stop::Syntax)? {
                b'"' => break,
                0..0x20 => return Err(Stop::Syntax),
                b'\\' => {
                    plain = false;
                    self.at += 1;
                    match self.peek() {
                        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {}
                        Some(b'u') => {
                            let digits = self.text.get(self.at + 1..).unwrap_or_default();
                            self.at += unicode(digits).ok_or(Stop::Syntax)?.1;
                        }
                        _ => return Err(Stop::Syntax),
                    }
                }
                _ => {}
            }
            self.at += 1;
        }
        self.push(Kind::Text { plain }, start, self.at);
        self.at += 1;
        Ok(())
    }

    fn word(&mut self, word: &[u8], kind: Kind) -> Result<(), Stop> {
        let start = self.at;
        self.take(word)?;
        self.push(kind, start, self.at);
        Ok(())
    }

    fn number(&mut self) -> Result<(), Stop> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            _ => self.digits()?,
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        self.push(Kind::Number, start, self.at);
        Ok(())
    }

    fn digits(&mut self) -> Result<(), Stop> {
        let start = self.at;
        while self.peek().is_some_and(|b| b.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == start {
            Err(Stop::Syntax)
        } else {
            Ok(())
        }
    }

    fn take(&mut self, word: &[u8]) -> Result<(), Stop> {
        match self
            .text
            .get(self.at..)
            .is_some_and(|rest| rest.starts_with(word))
        {
            true => {
                self.at += word.len();
                Ok(())
            }
            false => Err(Stop::Syntax),
        }
    }

    fn push(&mut self, kind: Kind, start: usize, end: usize) {
        let next = self.nodes.len() as u32 + 1;
        self.nodes.push(Node {
            kind,
            start: start as u32,
            end: end as u32,
            next,
        });
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }
}
