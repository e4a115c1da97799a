//! The pass over the text.

use super::escape::unicode;
use super::marks::{Marks, hash};
use super::{DEPTH_MAX, Expected, JsonFault, JsonKind, JsonNode, JsonTape};

/// What a pass gave.
#[derive(Clone, Debug)]
pub struct JsonScan<T> {
    /// The nodes, that of the whole text first.
    pub tape: T,
    /// Some object may have a member twice: names were met whose marks were met before, or that were not marked. If
    /// not, none has.
    pub suspect: bool,
    /// The names of the outermost object; none of a text that is no object.
    pub names: Marks,
}

/// Validates a text of at most `max_bytes` and puts its nodes on a tape, which is empty.
///
/// # Errors
///
/// The first [`JsonFault`] in the order of the text; bytes that are not UTF-8 come first.
pub fn scan<T: JsonTape>(text: &[u8], max_bytes: usize, tape: T) -> Result<JsonScan<T>, JsonFault> {
    // Offsets have 32 bits.
    if text.len() > max_bytes || u32::try_from(text.len()).is_err() {
        return Err(JsonFault::TooLarge(max_bytes));
    }
    // Most are ASCII, which is quicker to see.
    if !text.is_ascii()
        && let Err(fault) = core::str::from_utf8(text)
    {
        return Err(JsonFault::Syntax(fault.valid_up_to(), Expected::Utf8));
    }
    let mut scanner = Scanner {
        text,
        at: 0,
        tape,
        open: [0; DEPTH_MAX],
        depth: 0,
        in_object: false,
        odd: text
            .iter()
            .fold(false, |odd, b| odd | (*b == b'\\') | (*b < 0x20)),
        marks: Marks::default(),
        suspect: false,
    };
    match scanner.document() {
        Ok(()) => Ok(JsonScan {
            tape: scanner.tape,
            suspect: scanner.suspect,
            names: scanner.marks,
        }),
        Err(Stop::Syntax(expected)) => Err(JsonFault::Syntax(scanner.at, expected)),
        Err(Stop::TooDeep) => Err(JsonFault::TooDeep(scanner.at)),
    }
}

/// By byte: whether it ends a run in a string, as the quote, the backslash and controls do.
static STOPS: [bool; 256] = {
    let mut stops = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        #[expect(
            clippy::indexing_slicing,
            reason = "evaluated by the compiler, within the bound of the loop"
        )]
        {
            stops[byte] = byte < 0x20 || byte == b'"' as usize || byte == b'\\' as usize;
        }
        byte += 1;
    }
    stops
};

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
    let stops = |byte: &u8| STOPS.get(usize::from(*byte)) == Some(&true);
    text.len() - rest.len() + rest.iter().position(stops).unwrap_or(rest.len())
}

enum Stop {
    Syntax(Expected),
    TooDeep,
}

struct Scanner<'t, T> {
    text: &'t [u8],
    at: usize,
    tape: T,
    /// Open containers, innermost last.
    open: [u32; DEPTH_MAX],
    depth: usize,
    /// The innermost open container is an object.
    in_object: bool,
    /// There is a backslash or a control somewhere, so strings have to be looked at for them.
    odd: bool,
    /// A bit for each name of the outermost object, by its hash: two names that share none are not the same.
    marks: Marks,
    suspect: bool,
}

impl<T: JsonTape> Scanner<'_, T> {
    fn document(&mut self) -> Result<(), Stop> {
        loop {
            self.space();
            let open = match self.peek().ok_or(Stop::Syntax(Expected::Value))? {
                b'"' => {
                    self.string(false)?;
                    false
                }
                b'{' => self.open(JsonKind::Object)?,
                b'[' => self.open(JsonKind::Array)?,
                b't' => self.word(b"true", JsonKind::Bool(true))?,
                b'f' => self.word(b"false", JsonKind::Bool(false))?,
                b'n' => self.word(b"null", JsonKind::Null)?,
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
                        Err(Stop::Syntax(Expected::End))
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
                    _ if self.in_object => return Err(Stop::Syntax(Expected::MemberEnd)),
                    _ => return Err(Stop::Syntax(Expected::ElementEnd)),
                }
            }
        }
    }

    /// A member's name and its colon.
    fn name(&mut self) -> Result<(), Stop> {
        if self.peek() != Some(b'"') {
            return Err(Stop::Syntax(Expected::Name));
        }
        self.string(true)?;
        self.space();
        self.take(b":", Expected::Colon)
    }

    /// Opens a container and, where it holds something, goes to its first value; whether it does.
    fn open(&mut self, kind: JsonKind) -> Result<bool, Stop> {
        let index = self.tape.len();
        let Some(place) = self.open.get_mut(self.depth) else {
            return Err(Stop::TooDeep);
        };
        *place = index as u32;
        self.depth += 1;
        self.in_object = kind == JsonKind::Object;
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
        let next = self.tape.len() as u32;
        if let Some(node) = self.innermost().and_then(|index| self.tape.get_mut(index)) {
            node.next = next;
        }
        self.depth = self.depth.saturating_sub(1);
        let outer = self.innermost().and_then(|index| self.tape.get_mut(index));
        self.in_object = outer.is_some_and(|node| node.kind == JsonKind::Object);
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
                            self.at += unicode(digits).ok_or(Stop::Syntax(Expected::Escape))?.1;
                        }
                        _ => return Err(Stop::Syntax(Expected::Escape)),
                    }
                    self.at += 1;
                }
                _ => return Err(Stop::Syntax(Expected::Text)),
            }
        }
        let mut next = self.tape.len() as u32 + 1;
        if is_name {
            let raw = self.text.get(start..self.at).unwrap_or_default();
            next = if plain {
                hash(raw)
            } else {
                self.tape.hash_escaped(raw)
            };
            // Names of inner objects are not marked: two objects may well hold the same.
            self.suspect |= self.depth != 1 || !self.marks.is_new(next);
        }
        self.tape.push(JsonNode {
            kind: JsonKind::Text { plain },
            start: start as u32,
            end: self.at as u32,
            next,
        });
        self.at += 1;
        Ok(())
    }

    fn word(&mut self, word: &[u8], kind: JsonKind) -> Result<bool, Stop> {
        let start = self.at;
        self.take(word, Expected::Value)?;
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
            _ => self.digits(if self.at == start {
                Expected::Value
            } else {
                Expected::Digit
            })?,
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits(Expected::Digit)?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits(Expected::Digit)?;
        }
        self.push(JsonKind::Number, start, self.at);
        Ok(false)
    }

    fn digits(&mut self, expected: Expected) -> Result<(), Stop> {
        let start = self.at;
        while self.peek().is_some_and(|b| b.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == start {
            Err(Stop::Syntax(expected))
        } else {
            Ok(())
        }
    }

    fn take(&mut self, word: &[u8], expected: Expected) -> Result<(), Stop> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        if rest.starts_with(word) {
            self.at += word.len();
            Ok(())
        } else {
            Err(Stop::Syntax(expected))
        }
    }

    fn push(&mut self, kind: JsonKind, start: usize, end: usize) {
        let next = self.tape.len() as u32 + 1;
        self.tape.push(JsonNode {
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

#[cfg(test)]
mod tests {
    extern crate std;
    use std::vec::Vec;

    use super::super::{DEPTH_MAX, Expected, JsonFault, JsonKind, JsonNode};
    use super::scan;

    fn fault(text: &str) -> Option<JsonFault> {
        scan(text.as_bytes(), 1_000, Vec::<JsonNode>::new()).err()
    }

    #[test]
    fn nodes_say_where_they_stand() {
        let scanned = scan(br#"{"a\n": [1, "x"], "b": true}"#, 1_000, Vec::<JsonNode>::new()).unwrap();
        let seen: Vec<_> = scanned.tape.iter().map(|n| (n.kind, n.start, n.end)).collect();
        let text = |plain| JsonKind::Text { plain };
        assert_eq!(
            seen,
            [
                (JsonKind::Object, 0, 0),
                (text(false), 2, 5),
                (JsonKind::Array, 8, 8),
                (JsonKind::Number, 9, 10),
                (text(true), 13, 14),
                (text(true), 19, 20),
                (JsonKind::Bool(true), 23, 27),
            ]
        );
        assert_eq!(scanned.tape[2].next, 5);
        assert!(!scanned.suspect);
    }

    #[test]
    fn faults_say_where_and_what_was_expected() {
        for (text, at, expected) in [
            ("", 0, Expected::Value),
            ("[1,]", 3, Expected::Value),
            ("{1:2}", 1, Expected::Name),
            (r#"{"a" 1}"#, 5, Expected::Colon),
            (r#"{"a":1 "b"}"#, 7, Expected::MemberEnd),
            ("[1 2]", 3, Expected::ElementEnd),
            ("1 2", 2, Expected::End),
            ("\"a\n\"", 2, Expected::Text),
            ("\"a", 2, Expected::Text),
            (r#""\x""#, 2, Expected::Escape),
            (r#""\ud800""#, 2, Expected::Escape),
            ("1.", 2, Expected::Digit),
            ("-", 1, Expected::Digit),
        ] {
            assert_eq!(fault(text), Some(JsonFault::Syntax(at, expected)), "{text}");
        }
        let bad = scan(b"\"\xff\"", 1_000, Vec::<JsonNode>::new()).err();
        assert_eq!(bad, Some(JsonFault::Syntax(1, Expected::Utf8)));
        let deep = "[".repeat(DEPTH_MAX + 1);
        assert_eq!(fault(&deep), Some(JsonFault::TooDeep(DEPTH_MAX)));
        assert_eq!(fault(&" ".repeat(1_001)), Some(JsonFault::TooLarge(1_000)));
    }
}
