//! The bytes of one JSON text, cut anywhere -> what of them stays. A byte is kept, held back until it is known whether it
//! stays, or left out; kept ones are put out in as few parts as they came in.
//!
//! A container inside of which nothing can apply is quiet: its bytes are checked and share its fate, and no path is walked.

use super::members::Members;
use super::nest::Nest;
use super::plan::{Action, Operation};
use super::string::{Piece, StringScan};
use super::value::{ValueText, write_string};
use super::whole::{after_space, plain_bytes, scalar_end, skip_inside};
use super::{Context, PathState, PathSteps};
use crate::body::Unreadable;
use crate::limits::{BODY_HELD_BYTES, BODY_NAME_BYTES};
use portcullis_base::Detail;

const NOT_JSON: Unreadable = Unreadable(Detail::NotJson);

/// What may come next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum At {
    #[default]
    Value,
    FirstElement,
    FirstName,
    Name,
    InName,
    Colon,
    InString,
    InNumber(Number),
    /// In `true`, `false` or `null`: what is left of it.
    InWord(&'static [u8]),
    AfterValue,
    Done,
}

impl At {
    /// White space may come next, or a token begin.
    pub(super) fn is_between_tokens(self) -> bool {
        !matches!(self, At::InName | At::InString | At::InNumber(_) | At::InWord(_))
    }
}

/// Where in a number the next byte stands (RFC 8259, section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Number {
    Minus,
    Zero,
    Digits,
    Point,
    Fraction,
    E,
    Sign,
    Exponent,
}

impl Number {
    fn first(byte: u8) -> Option<Number> {
        match byte {
            b'-' => Some(Number::Minus),
            b'0' => Some(Number::Zero),
            b'1'..=b'9' => Some(Number::Digits),
            _ => None,
        }
    }

    /// `None` where the byte is not part of the number.
    fn next(self, byte: u8) -> Option<Number> {
        use Number::{Digits, E, Exponent, Fraction, Minus, Point, Sign, Zero};
        match (self, byte) {
            (Minus, b'0') => Some(Zero),
            (Minus, b'1'..=b'9') | (Digits, b'0'..=b'9') => Some(Digits),
            (Zero | Digits, b'.') => Some(Point),
            (Point | Fraction, b'0'..=b'9') => Some(Fraction),
            (Zero | Digits | Fraction, b'e' | b'E') => Some(E),
            (E, b'+' | b'-') => Some(Sign),
            (E | Sign | Exponent, b'0'..=b'9') => Some(Exponent),
            _ => None,
        }
    }

    fn is_whole(self) -> bool {
        matches!(
            self,
            Number::Zero | Number::Digits | Number::Fraction | Number::Exponent
        )
    }
}

/// A container whose members are looked at.
#[derive(Clone, Copy, Debug)]
struct Frame {
    state: PathState,
    /// `only` lists of which no path has ended yet.
    open_lists: u64,
    /// Of the element that comes next.
    index: u64,
    is_object: bool,
    /// A member or element of it was put out.
    has_output: bool,
}

/// What becomes of the value under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Fate {
    #[default]
    Stays,
    Goes,
    /// Something stands in its place already.
    Replaced,
    /// Its text is being changed.
    Changes,
}

/// What is known of a value at its first byte.
enum Verdict {
    Stays,
    /// It stays if it is a container, with what is left of it.
    Walk(PathState, u64),
    Goes,
    Apply(Operation),
}

/// How far a chunk was put out.
#[derive(Clone, Copy)]
struct Cut<'c> {
    chunk: &'c [u8],
    /// Where bytes begin that are kept and not yet put out.
    from: usize,
    /// Where bytes begin that are held back.
    hold: Option<usize>,
}

impl<'c> Cut<'c> {
    fn bytes(&self, from: usize, to: usize) -> &'c [u8] {
        self.chunk.get(from..to).unwrap_or_default()
    }
}

/// One text under way.
#[derive(Debug, Default)]
pub(super) struct TextScan {
    at: At,
    nest: Nest,
    /// Those that are looked at: the outermost ones.
    frames: Vec<Frame>,
    fate: Fate,
    /// Bytes are left out.
    skips: bool,
    /// Bytes are held back.
    holds: bool,
    /// Those of earlier chunks.
    held: Vec<u8>,
    string: StringScan,
    /// Of a name that is cut or has escapes: what came of it.
    name: Vec<u8>,
    name_is_odd: bool,
    /// Where the member stands whose name came last.
    member: PathState,
    members: Members,
    value: ValueText,
}

impl TextScan {
    pub(super) fn begin(&mut self) {
        (self.at, self.fate) = (At::Value, Fate::Stays);
        self.nest.clear();
        (self.skips, self.holds) = (false, false);
        self.frames.clear();
        self.held.clear();
        self.string = StringScan::default();
    }

    /// Another response begins: names may lead elsewhere.
    pub(super) fn forget_names(&mut self) {
        self.members.clear();
    }

    /// In a string or a name, where a line may not end.
    pub(super) fn is_in_string(&self) -> bool {
        matches!(self.at, At::InString | At::InName)
    }

    /// Whether nothing but white space has come.
    pub(super) fn is_blank(&self) -> bool {
        self.at == At::Value && self.nest.depth() == 0
    }

    pub(super) fn push<P: PathSteps>(
        &mut self,
        context: &mut Context<'_, P>,
        chunk: &[u8],
    ) -> Result<(), Unreadable> {
        let mut cut = Cut {
            chunk,
            from: 0,
            hold: self.holds.then_some(0),
        };
        let mut index = 0;
        while let Some(byte) = chunk.get(index) {
            let before = (index, self.at);
            if self.is_quiet() {
                (index, self.at) = skip_inside(chunk, index, self.at, &mut self.nest, self.frames.len());
                if before != (index, self.at) {
                    continue;
                }
            }
            index = self.step(context, &mut cut, index, *byte)?;
        }
        self.leave_chunk(context, &cut)
    }

    /// The text has ended.
    pub(super) fn end<P: PathSteps>(&mut self, context: &mut Context<'_, P>) -> Result<(), Unreadable> {
        if let At::InNumber(number) = self.at
            && number.is_whole()
        {
            let mut cut = Cut {
                chunk: &[],
                from: 0,
                hold: None,
            };
            self.end_value(context, &mut cut, 0);
        }
        match self.at {
            At::Done => Ok(()),
            _ => Err(Unreadable(Detail::CutShort)),
        }
    }

    fn leave_chunk<P: PathSteps>(
        &mut self,
        context: &mut Context<'_, P>,
        cut: &Cut<'_>,
    ) -> Result<(), Unreadable> {
        self.holds = cut.hold.is_some();
        if self.skips {
            return Ok(());
        }
        let end = cut.chunk.len();
        let kept = cut.bytes(cut.from, cut.hold.unwrap_or(end));
        if !kept.is_empty() {
            context.out.write(kept);
        }
        match cut.hold {
            Some(hold) => self.hold_back(cut.bytes(hold, end)),
            None => Ok(()),
        }
    }

    fn hold_back(&mut self, bytes: &[u8]) -> Result<(), Unreadable> {
        if self.held.len() + bytes.len() > BODY_HELD_BYTES {
            return Err(Unreadable(Detail::NameTooLong));
        }
        self.held.extend_from_slice(bytes);
        Ok(())
    }

    fn is_quiet(&self) -> bool {
        self.nest.depth() > self.frames.len()
    }

    /// Takes one byte, or more of what it begins; the index of the next one.
    #[inline]
    fn step<P: PathSteps>(
        &mut self,
        context: &mut Context<'_, P>,
        cut: &mut Cut<'_>,
        index: usize,
        byte: u8,
    ) -> Result<usize, Unreadable> {
        match self.at {
            At::InString => return self.string(context, cut, index),
            At::InName => return self.name(context, cut, index),
            At::InNumber(number) => {
                if let Some(number) = number.next(byte) {
                    self.at = At::InNumber(number);
                    self.change(byte);
                    return Ok(index + 1);
                }
                if !number.is_whole() {
                    return Err(NOT_JSON);
                }
                self.end_value(context, cut, index);
                return Ok(index);
            }
            At::InWord(rest) => {
                let Some((expected, rest)) = rest.split_first() else {
                    return Err(NOT_JSON);
                };
                if byte != *expected {
                    return Err(NOT_JSON);
                }
                self.change(byte);
                self.at = At::InWord(rest);
                if rest.is_empty() {
                    self.end_value(context, cut, index + 1);
                }
                return Ok(index + 1);
            }
            _ if matches!(byte, b' ' | b'\t' | b'\n' | b'\r') => return Ok(after_space(cut.chunk, index)),
            At::Value => return self.begin_value(context, cut, index, byte),
            At::FirstElement if byte == b']' => self.close(context, cut, index),
            At::FirstElement => return self.begin_value(context, cut, index, byte),
            At::FirstName if byte == b'}' => self.close(context, cut, index),
            At::FirstName | At::Name if byte == b'"' => return self.begin_member(context, cut, index),
            At::Colon if byte == b':' => self.at = At::Value,
            At::AfterValue => return self.after_value(context, cut, index, byte),
            At::FirstName | At::Name | At::Colon | At::Done => return Err(NOT_JSON),
        }
        Ok(index + 1)
    }

    /// A byte of a number or a word whose text is being changed.
    fn change(&mut self, byte: u8) {
        if self.fate == Fate::Changes {
            self.value.push(Piece::Char(char::from(byte)));
        }
    }

    fn string<P: PathSteps>(
        &mut self,
        context: &mut Context<'_, P>,
        cut: &mut Cut<'_>,
        index: usize,
    ) -> Result<usize, Unreadable> {
        let bytes = cut.bytes(index, cut.chunk.len());
        let (taken, is_closed) = if self.fate == Fate::Changes && !self.is_quiet() {
            let value = &mut self.value;
            self.string.push(bytes, &mut |piece| {
                value.push(piece);
                Ok(())
            })?
        } else {
            self.string.skip(bytes)?
        };
        if is_closed {
            self.end_value(context, cut, index + taken);
        }
        Ok(index + taken)
    }

    fn name<P: PathSteps>(
        &mut self,
        context: &Context<'_, P>,
        cut: &Cut<'_>,
        index: usize,
    ) -> Result<usize, Unreadable> {
        let bytes = cut.bytes(index, cut.chunk.len());
        let (taken, is_closed) = if self.is_quiet() {
            self.string.skip(bytes)?
        } else {
            let (name, is_odd) = (&mut self.name, &mut self.name_is_odd);
            self.string.push(bytes, &mut |piece| {
                match piece {
                    Piece::Char(char) => name.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes()),
                    Piece::LoneSurrogate => *is_odd = true,
                }
                if name.len() > BODY_NAME_BYTES {
                    return Err(Unreadable(Detail::NameTooLong));
                }
                Ok(())
            })?
        };
        if is_closed {
            self.at = At::Colon;
            if !self.is_quiet()
                && let Some(frame) = self.frames.last()
            {
                self.member = if self.name_is_odd {
                    context.paths.any_member(frame.state)
                } else {
                    self.members.member(context.paths, frame.state, &self.name)
                };
            }
        }
        Ok(index + taken)
    }

    /// A name, and, where it is in the chunk too, what is behind it and how the value begins.
    fn begin_member<P: PathSteps>(
        &mut self,
        context: &mut Context<'_, P>,
        cut: &mut Cut<'_>,
        index: usize,
    ) -> Result<usize, Unreadable> {
        let index = self.begin_name(context, cut, index);
        if self.at != At::Colon {
            return Ok(index);
        }
        let colon = after_space(cut.chunk, index);
        if cut.chunk.get(colon) != Some(&b':') {
            return Ok(colon);
        }
        self.at = At::Value;
        let index = after_space(cut.chunk, colon + 1);
        match cut.chunk.get(index) {
            Some(byte) => self.begin_value(context, cut, index, *byte),
            None => Ok(index),
        }
    }

    /// The index behind the name, or behind its first byte where it is cut or has escapes.
    fn begin_name<P: PathSteps>(
        &mut self,
        context: &Context<'_, P>,
        cut: &mut Cut<'_>,
        index: usize,
    ) -> usize {
        if !self.is_quiet() {
            self.hold_from(cut, index);
            let rest = cut.bytes(index + 1, cut.chunk.len());
            let plain = plain_bytes(rest);
            if let (Some((name, [b'"', ..])), Some(frame)) =
                (rest.split_at_checked(plain), self.frames.last())
                && plain <= BODY_NAME_BYTES
            {
                self.member = self.members.member(context.paths, frame.state, name);
                self.at = At::Colon;
                return index + plain + 2;
            }
            self.name.clear();
            self.name_is_odd = false;
        }
        (self.at, self.string) = (At::InName, StringScan::default());
        index + 1
    }

    /// From here on bytes are held back, unless they are already.
    fn hold_from(&mut self, cut: &mut Cut<'_>, index: usize) {
        if self.skips {
            (self.skips, cut.from) = (false, index);
        }
        cut.hold = cut.hold.or(Some(index));
    }

    fn begin_value<P: PathSteps>(
        &mut self,
        context: &mut Context<'_, P>,
        cut: &mut Cut<'_>,
        index: usize,
        byte: u8,
    ) -> Result<usize, Unreadable> {
        let is_container = matches!(byte, b'{' | b'[');
        let walks = if self.is_quiet() {
            None
        } else {
            self.judge(context, cut, index, is_container)?
        };
        if !is_container
            && (self.fate != Fate::Changes || self.is_quiet())
            && let Some(end) = scalar_end(cut.chunk, index, byte)
        {
            self.end_value(context, cut, end);
            return Ok(end);
        }
        match byte {
            b'{' | b'[' => {
                let is_object = byte == b'{';
                if !self.nest.open(is_object) {
                    return Err(Unreadable(Detail::TooDeep));
                }
                self.at = if is_object {
                    At::FirstName
                } else {
                    At::FirstElement
                };
                if let Some((state, open_lists)) = walks {
                    self.frames.push(Frame {
                        state,
                        open_lists,
                        index: 0,
                        is_object,
                        has_output: false,
                    });
                }
            }
            b'"' => (self.at, self.string) = (At::InString, StringScan::default()),
            b't' => self.begin_word(b"rue", byte),
            b'f' => self.begin_word(b"alse", byte),
            b'n' => self.begin_word(b"ull", byte),
            _ => {
                self.at = At::InNumber(Number::first(byte).ok_or(NOT_JSON)?);
                self.change_first(byte);
            }
        }
        Ok(index + 1)
    }

    fn begin_word(&mut self, rest: &'static [u8], first: u8) {
        self.at = At::InWord(rest);
        self.change_first(first);
    }

    fn change_first(&mut self, byte: u8) {
        if !self.is_quiet() {
            self.change(byte);
        }
    }

    /// Decides on a value that is looked at; the state and open lists of a container whose members are looked at too.
    fn judge<P: PathSteps>(
        &mut self,
        context: &mut Context<'_, P>,
        cut: &mut Cut<'_>,
        index: usize,
        is_container: bool,
    ) -> Result<Option<(PathState, u64)>, Unreadable> {
        if self.frames.last().is_some_and(|frame| !frame.is_object) {
            self.hold_from(cut, index);
        }
        let verdict = self.verdict(context, is_container);
        let mut walks = None;
        self.fate = match verdict {
            Verdict::Stays => Fate::Stays,
            Verdict::Walk(state, open_lists) => {
                walks = Some((state, open_lists));
                Fate::Stays
            }
            Verdict::Goes => Fate::Goes,
            Verdict::Apply(Operation::Replace { .. }) => Fate::Replaced,
            Verdict::Apply(_) => Fate::Changes,
        };
        match verdict {
            Verdict::Stays | Verdict::Walk(..) => self.keep(context, cut),
            Verdict::Goes => {
                self.put_out(context, cut, index);
                self.held.clear();
                if self.frames.is_empty() {
                    context.out.write(b"null");
                    self.fate = Fate::Replaced;
                }
                self.skips = true;
            }
            Verdict::Apply(Operation::Replace { start, end }) => {
                self.keep(context, cut);
                self.put_out(context, cut, index);
                write_string(context.plan.text(start, end), context.out);
                self.skips = true;
            }
            Verdict::Apply(operation) => {
                let hold = cut.hold;
                self.put_out(context, cut, index);
                if let Some(hold) = hold {
                    self.hold_back(cut.bytes(hold, index))?;
                }
                self.skips = true;
                self.value.begin(operation, context.key);
            }
        }
        Ok(walks)
    }

    fn verdict<P: PathSteps>(&self, context: &mut Context<'_, P>, is_container: bool) -> Verdict {
        let paths = context.paths;
        let (state, open_lists) = match self.frames.last() {
            None => (paths.root(), context.plan.all_lists()),
            Some(frame) if !frame.is_object => (paths.element(frame.state, frame.index), frame.open_lists),
            Some(frame) => (self.member, frame.open_lists),
        };
        let Action {
            reached,
            reachable,
            operation,
            goes_on,
        } = context.plan.action(paths, state);
        let open_lists = open_lists & !reached;
        if open_lists != 0 && !(is_container && reachable & open_lists == open_lists) {
            return Verdict::Goes;
        }
        match operation {
            Some(Operation::Drop) => Verdict::Goes,
            Some(Operation::Replace { .. }) => operation.map_or(Verdict::Goes, Verdict::Apply),
            Some(operation) if !is_container => Verdict::Apply(operation),
            Some(_) => Verdict::Goes,
            None if is_container && (goes_on || open_lists != 0) => Verdict::Walk(state, open_lists),
            None => Verdict::Stays,
        }
    }

    /// What was held back stays.
    fn keep<P: PathSteps>(&mut self, context: &mut Context<'_, P>, cut: &mut Cut<'_>) {
        if !self.held.is_empty() {
            context.out.write(&self.held);
            self.held.clear();
        }
        cut.hold = None;
        if let Some(frame) = self.frames.last_mut() {
            frame.has_output = true;
        }
    }

    /// Puts out what is kept before an index; what is held back in this chunk is let go of.
    fn put_out<P: PathSteps>(&mut self, context: &mut Context<'_, P>, cut: &mut Cut<'_>, index: usize) {
        let kept = cut.bytes(cut.from, cut.hold.unwrap_or(index));
        if !kept.is_empty() {
            context.out.write(kept);
        }
        (cut.from, cut.hold) = (index, None);
    }

    /// A value has ended before an index.
    fn end_value<P: PathSteps>(&mut self, context: &mut Context<'_, P>, cut: &mut Cut<'_>, index: usize) {
        self.at = if self.nest.depth() == 0 {
            At::Done
        } else {
            At::AfterValue
        };
        if self.is_quiet() {
            return;
        }
        match self.fate {
            Fate::Stays | Fate::Goes => {}
            Fate::Replaced => (self.skips, cut.from) = (false, index),
            Fate::Changes => {
                let mut is_there = self.value.end(&self.held, context.out);
                self.held.clear();
                if !is_there && self.frames.is_empty() {
                    context.out.write(b"null");
                    is_there = true;
                }
                if is_there {
                    (self.skips, cut.from) = (false, index);
                    if let Some(frame) = self.frames.last_mut() {
                        frame.has_output = true;
                    }
                }
            }
        }
        self.fate = Fate::Stays;
    }

    fn after_value<P: PathSteps>(
        &mut self,
        context: &mut Context<'_, P>,
        cut: &mut Cut<'_>,
        index: usize,
        byte: u8,
    ) -> Result<usize, Unreadable> {
        let is_object = self.nest.in_object();
        match byte {
            b',' => self.at = if is_object { At::Name } else { At::Value },
            b'}' if is_object => {
                self.close(context, cut, index);
                return Ok(index + 1);
            }
            b']' if !is_object => {
                self.close(context, cut, index);
                return Ok(index + 1);
            }
            _ => return Err(NOT_JSON),
        }
        if self.is_quiet() {
            return Ok(index + 1);
        }
        if let Some(frame) = self.frames.last_mut() {
            frame.index += 1;
            // Behind what was left out, a comma stays if there is something before it.
            if frame.has_output {
                self.hold_from(cut, index);
            }
        }
        let next = after_space(cut.chunk, index + 1);
        match cut.chunk.get(next) {
            Some(b'"') if is_object => self.begin_member(context, cut, next),
            _ => Ok(next),
        }
    }

    /// The innermost container is closed by the byte of an index.
    fn close<P: PathSteps>(&mut self, context: &mut Context<'_, P>, cut: &mut Cut<'_>, index: usize) {
        if !self.is_quiet() {
            self.frames.pop();
            if self.skips {
                (self.skips, cut.from) = (false, index);
            }
            self.fate = Fate::Stays;
        }
        self.nest.close();
        self.end_value(context, cut, index + 1);
    }
}
