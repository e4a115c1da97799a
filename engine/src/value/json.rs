//! JSON text -> a flat tape of nodes that facts are read from by path, in one pass. Validates all of RFC 8259 and
//! refuses lone surrogates, keeps an explicit stack of bounded depth, and notices members given twice. Knows no claims
//! and no context.

use super::marks::{Marks, hash};
use super::text::{self, class};
use super::{Arena, List};
use crate::limits;
use thiserror::Error;

#[cfg(test)]
mod tests;

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
    /// First node that is not inside; of a member's name, which holds nothing, the hash of the name.
    next: u32,
}

/// A validated document.
#[derive(Clone, Debug)]
pub(crate) struct Json<'a> {
    text: &'a [u8],
    nodes: &'a [Node],
    /// Some member may be given twice: names were met whose marks were met before, or that were not marked.
    suspect: bool,
    arena: &'a Arena,
}

/// A value of a document.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Item<'j, 'a> {
    json: &'j Json<'a>,
    index: usize,
}

/// What an object holds under a name.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Member<'j, 'a> {
    /// Nothing.
    Absent,
    /// One value.
    Once(Item<'j, 'a>),
    /// Several.
    Twice,
}

impl<'a> Json<'a> {
    /// Reads an object; no text is `{}`, and what is no object is `None`.
    pub(crate) fn object_or_none(text: &'a [u8], max_bytes: usize, arena: &'a Arena) -> Option<Json<'a>> {
        let text = if text.is_empty() { b"{}" } else { text };
        Json::parse(text, max_bytes, arena)
            .ok()
            .filter(|json| json.object().is_some())
    }

    /// Validates `text` of at most `max_bytes`.
    pub(crate) fn parse(text: &'a [u8], max_bytes: usize, arena: &'a Arena) -> Result<Json<'a>, JsonFault> {
        // Offsets have 32 bits.
        if text.len() > max_bytes || u32::try_from(text.len()).is_err() {
            return Err(JsonFault::TooLarge(max_bytes));
        }
        // Most are ASCII, which is quicker to see.
        if !text.is_ascii()
            && let Err(fault) = std::str::from_utf8(text)
        {
            return Err(JsonFault::Syntax(fault.valid_up_to()));
        }
        let mut scanner = Scanner {
            text,
            at: 0,
            // About one node for eight bytes; a denser text lets it grow.
            nodes: List::with_capacity_in(text.len() / 8 + 2, arena),
            open: [0; limits::JSON_DEPTH],
            depth: 0,
            in_object: false,
            odd: text
                .iter()
                .fold(false, |odd, b| odd | (*b == b'\\') | (*b < 0x20)),
            marks: Marks::default(),
            suspect: false,
            arena,
        };
        match scanner.document() {
            Ok(()) => Ok(Json {
                text,
                nodes: scanner.nodes.into_bump_slice(),
                suspect: scanner.suspect,
                arena,
            }),
            Err(Stop::Syntax) => Err(JsonFault::Syntax(scanner.at)),
            Err(Stop::TooDeep) => Err(JsonFault::TooDeep(scanner.at)),
        }
    }

    /// The document's value, if it is an object.
    pub(crate) fn object(&self) -> Option<Item<'_, 'a>> {
        let root = Item { json: self, index: 0 };
        (root.node()?.kind == Kind::Object).then_some(root)
    }

    /// Whether any object has a member name twice (escapes decoded).
    pub(crate) fn has_duplicate_members(&self) -> bool {
        self.suspect
            && self.nodes.iter().enumerate().any(|(index, node)| {
                let object = Item { json: self, index };
                node.kind == Kind::Object && object.has_member_twice()
            })
    }

    fn string(&self, node: &Node) -> Option<&'a [u8]> {
        match node.kind {
            Kind::Text { plain: true } => Some(self.slice(node)),
            Kind::Text { plain: false } => Some(unescape(self.slice(node), self.arena)),
            _ => None,
        }
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

    fn at(self, index: usize) -> Item<'j, 'a> {
        Item {
            json: self.json,
            index,
        }
    }

    /// Names of an object's members, in order; each value stands right behind its name. None of anything else.
    fn names(self) -> impl Iterator<Item = (&'j Node, Item<'j, 'a>)> {
        let (mut at, end) = match self.node() {
            Some(node) if node.kind == Kind::Object => (self.index + 1, node.next as usize),
            _ => (0, 0),
        };
        std::iter::from_fn(move || {
            if at >= end {
                return None;
            }
            let name = self.json.nodes.get(at)?;
            let value = self.at(at + 1);
            at = value.node()?.next as usize;
            Some((name, value))
        })
    }

    /// Members of an object in order; none of anything else.
    pub(crate) fn members(self) -> impl Iterator<Item = (&'a [u8], Item<'j, 'a>)> {
        self.names()
            .filter_map(move |(name, value)| Some((self.json.string(name)?, value)))
    }

    /// What is under a name.
    pub(crate) fn member(self, name: &[u8]) -> Member<'j, 'a> {
        let hash = hash(name);
        let mut found = self
            .names()
            .filter(|(given, _)| given.next == hash && self.json.string(given) == Some(name));
        match (found.next(), found.next()) {
            (None, _) => Member::Absent,
            (Some((_, value)), None) => Member::Once(value),
            (Some(_), Some(_)) => Member::Twice,
        }
    }

    fn has_member_twice(self) -> bool {
        let mut first = [0; PAIRWISE_MAX];
        let mut count = 0;
        for (name, _) in self.names() {
            let Some(place) = first.get_mut(count) else {
                return self.has_member_twice_sorted();
            };
            *place = name.next;
            count += 1;
        }
        let hashes = first.get(..count).unwrap_or_default();
        let equal = |(at, hash): (usize, &u32)| hashes.get(..at).is_some_and(|h| h.contains(hash));
        // Equal hashes are as good as never honest; then the names decide.
        hashes.iter().enumerate().any(equal) && self.has_member_twice_sorted()
    }

    fn has_member_twice_sorted(self) -> bool {
        let mut names = List::new_in(self.json.arena);
        names.extend(self.members().map(|(name, _)| name));
        crate::value::order::sort(&mut names);
        names.windows(2).any(|pair| matches!(pair, [a, b] if a == b))
    }

    /// Whether it is an object.
    pub(crate) fn is_object(self) -> bool {
        self.is(Kind::Object)
    }

    /// A bool.
    pub(crate) fn bool(self) -> Option<bool> {
        match self.node()?.kind {
            Kind::Bool(value) => Some(value),
            _ => None,
        }
    }

    /// An integer without fraction and exponent, in i64.
    pub(crate) fn int(self) -> Option<i64> {
        match self.is(Kind::Number) {
            true => text::int(self.json.slice(self.node()?)),
            false => None,
        }
    }

    /// A string.
    pub(crate) fn string(self) -> Option<&'a [u8]> {
        self.json.string(self.node()?)
    }

    /// Elements of an array in order; `None` for anything else.
    pub(crate) fn elements(self) -> Option<impl Iterator<Item = Item<'j, 'a>>> {
        let node = self.node().filter(|node| node.kind == Kind::Array)?;
        let (mut at, end) = (self.index + 1, node.next as usize);
        Some(std::iter::from_fn(move || {
            let element = (at < end).then(|| self.at(at))?;
            at = element.node()?.next as usize;
            Some(element)
        }))
    }

    /// An array of nothing but strings.
    pub(crate) fn strings(self) -> Option<&'a [&'a [u8]]> {
        let inside = self
            .node()
            .map_or(0, |node| (node.next as usize).saturating_sub(self.index));
        // At most so many elements as nodes.
        let mut strings = List::with_capacity_in(inside, self.json.arena);
        for element in self.elements()? {
            strings.push(element.string()?);
        }
        Some(strings.into_bump_slice())
    }
}

/// Bytes up to the first that ends a run in a string, eight at a time: the quote, and in an odd text the backslash and
/// controls.
#[inline]
fn plain_run(text: &[u8], odd: bool) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    // The lowest high bit of each is right; those above it may follow from a borrow.
    let below = |word: u64, bound: u64| word.wrapping_sub(ONES * bound) & !word & HIGHS;
    let equal = |word: u64, byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
    let mut rest = text;
    while let Some((word, after)) = rest.split_first_chunk::<8>() {
        let word = u64::from_le_bytes(*word);
        let mut stops = equal(word, b'"');
        if odd {
            stops |= below(word, 0x20) | equal(word, b'\\');
        }
        if stops != 0 {
            return text.len() - rest.len() + stops.trailing_zeros() as usize / 8;
        }
        rest = after;
    }
    let stops = |byte: &u8| text::classes(*byte) & class::JSON_STOP != 0;
    text.len() - rest.len() + rest.iter().position(stops).unwrap_or(rest.len())
}

/// Members up to which comparing each with each costs less than sorting them.
const PAIRWISE_MAX: usize = 24;

/// Decodes escapes of validated text.
fn unescape<'a>(raw: &'a [u8], arena: &'a Arena) -> &'a [u8] {
    let (mut out, mut rest) = (List::with_capacity_in(raw.len(), arena), raw);
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
                    out.extend_from_slice_copy(c.encode_utf8(&mut [0; 4]).as_bytes());
                    rest = after.get(length..).unwrap_or_default();
                }
            }
            itself => out.push(*itself),
        }
    }
    out.into_bump_slice()
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

struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
    nodes: List<'a, Node>,
    /// Open containers, innermost last.
    open: [u32; limits::JSON_DEPTH],
    depth: usize,
    /// The innermost open container is an object.
    in_object: bool,
    /// There is a backslash or a control somewhere, so strings have to be looked at for them.
    odd: bool,
    /// A bit for each name of the outermost object, by its hash: two names that share none are not the same.
    marks: Marks,
    suspect: bool,
    arena: &'a Arena,
}

impl Scanner<'_> {
    fn document(&mut self) -> Result<(), Stop> {
        loop {
            self.space();
            let open = match self.peek().ok_or(Stop::Syntax)? {
                b'"' => {
                    self.string(false)?;
                    false
                }
                b'{' => self.open(Kind::Object)?,
                b'[' => self.open(Kind::Array)?,
                b't' => self.word(b"true", Kind::Bool(true))?,
                b'f' => self.word(b"false", Kind::Bool(false))?,
                b'n' => self.word(b"null", Kind::Null)?,
                _ => self.number()?,
            };
            if open {
                continue;
            }
            loop {
                self.space();
                if self.depth == 0 {
                    return if self.at == self.text.len() {
                        Ok(())
                    } else {
                        Err(Stop::Syntax)
                    };
                }
                match self.peek() {
                    Some(b',') if self.in_object => {
                        self.at += 1;
                        self.space();
                        self.name()?;
                        break;
                    }
                    Some(b',') => {
                        self.at += 1;
                        break;
                    }
                    Some(b'}') if self.in_object => self.close(),
                    Some(b']') if !self.in_object => self.close(),
                    _ => return Err(Stop::Syntax),
                }
            }
        }
    }

    /// A member's name and its colon.
    fn name(&mut self) -> Result<(), Stop> {
        if self.peek() != Some(b'"') {
            return Err(Stop::Syntax);
        }
        self.string(true)?;
        self.space();
        self.take(b":")
    }

    /// Opens a container and, where it holds something, goes to its first value; whether it does.
    fn open(&mut self, kind: Kind) -> Result<bool, Stop> {
        let index = self.nodes.len();
        let Some(place) = self.open.get_mut(self.depth) else {
            return Err(Stop::TooDeep);
        };
        *place = index as u32;
        self.depth += 1;
        self.in_object = kind == Kind::Object;
        self.push(kind, self.at, self.at);
        self.at += 1;
        self.space();
        match self.peek() {
            Some(b'}') if self.in_object => {
                self.close();
                Ok(false)
            }
            Some(b']') if !self.in_object => {
                self.close();
                Ok(false)
            }
            _ if self.in_object => self.name().map(|()| true),
            _ => Ok(true),
        }
    }

    fn innermost(&self) -> Option<usize> {
        let last = self.depth.checked_sub(1)?;
        self.open.get(last).map(|index| *index as usize)
    }

    fn close(&mut self) {
        self.at += 1;
        let next = self.nodes.len() as u32;
        if let Some(node) = self.innermost().and_then(|index| self.nodes.get_mut(index)) {
            node.next = next;
        }
        self.depth = self.depth.saturating_sub(1);
        let outer = self.innermost().and_then(|index| self.nodes.get(index));
        self.in_object = outer.is_some_and(|node| node.kind == Kind::Object);
    }

    /// A text, from its quote on.
    fn string(&mut self, is_name: bool) -> Result<(), Stop> {
        self.at += 1;
        let (start, mut plain) = (self.at, true);
        loop {
            let rest = self.text.get(self.at..).unwrap_or_default();
            let run = plain_run(rest, self.odd);
            self.at += run;
            match rest.get(run) {
                Some(b'"') => break,
                Some(b'\\') => {
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
                    self.at += 1;
                }
                _ => return Err(Stop::Syntax),
            }
        }
        let mut next = self.nodes.len() as u32 + 1;
        if is_name {
            let raw = self.text.get(start..self.at).unwrap_or_default();
            next = hash(if plain { raw } else { unescape(raw, self.arena) });
            // Names of inner objects are not marked: two objects may well hold the same.
            self.suspect |= self.depth != 1 || !self.marks.is_new(next);
        }
        self.nodes.push(Node {
            kind: Kind::Text { plain },
            start: start as u32,
            end: self.at as u32,
            next,
        });
        self.at += 1;
        Ok(())
    }

    fn word(&mut self, word: &[u8], kind: Kind) -> Result<bool, Stop> {
        let start = self.at;
        self.take(word)?;
        self.push(kind, start, self.at);
        Ok(false)
    }

    fn number(&mut self) -> Result<bool, Stop> {
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
        Ok(false)
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
        while let Some(byte @ ..=b' ') = self.peek() {
            if !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                return;
            }
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }
}
