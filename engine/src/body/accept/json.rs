//! A JSON body and the shapes of the accepts that bind -> accepted, rewritten without what is stripped, or refused at
//! the first offending place in the order of the text.

use std::borrow::Cow;

use super::{BodyRefusal, Judged, number, push_step};
use crate::image::config::{AcceptBody, ShapePart, ShapeType};
use crate::image::tables::{View, matches};
use crate::obligations::{canonical_int, canonical_ip};
use portcullis_base::json::{JsonFault, JsonKind, JsonNode, scan, unescape};
use portcullis_base::{Detail, instant};

pub(super) fn judge(
    accepts: &[&AcceptBody],
    strip_unknown: bool,
    view: View<'_>,
    body: &[u8],
    out: &mut Vec<u8>,
) -> Result<Judged, BodyRefusal> {
    let scanned = scan(body, body.len(), Vec::new()).map_err(|fault| match fault {
        JsonFault::TooLarge(_) => BodyRefusal::too_large(),
        JsonFault::Syntax(..) => BodyRefusal::syntax(Detail::NotJson),
        JsonFault::TooDeep(_) => BodyRefusal::syntax(Detail::TooDeep),
    })?;
    let tape = Tape {
        text: body,
        nodes: &scanned.tape,
    };
    if scanned.suspect
        && let Some(name) = tape.first_duplicate()
    {
        return Err(BodyRefusal::syntax(Detail::DuplicateMember).at(tape.pointer(name)));
    }
    let depth = accepts.iter().filter_map(|accept| accept.depth).min();
    if depth.is_some_and(|max| tape.depth() > max as usize) {
        return Err(BodyRefusal::syntax(Detail::TooDeep));
    }
    let mut stripped = vec![false; if strip_unknown { tape.nodes.len() } else { 0 }];
    let faults = accepts.iter().filter_map(|accept| {
        let mut walk = Walk {
            tape,
            shape: &accept.shape,
            view,
            stripped: &mut stripped,
            open: Vec::new(),
            seen: Vec::new(),
        };
        walk.run().err()
    });
    if let Some(fault) = faults.min_by_key(|fault| fault.order) {
        let mut pointer = tape.pointer(fault.node);
        if let Some(name) = &fault.missing {
            push_step(&mut pointer, name);
        }
        return Err(BodyRefusal::shape(fault.detail, pointer));
    }
    if !stripped.contains(&true) {
        return Ok(Judged::AsItCame);
    }
    tape.write(&stripped, out);
    Ok(Judged::Rewritten)
}

/// A body's nodes; a member's name stands right before its value.
#[derive(Clone, Copy)]
struct Tape<'t> {
    text: &'t [u8],
    nodes: &'t [JsonNode],
}

impl<'t> Tape<'t> {
    fn kind(self, node: usize) -> Option<JsonKind> {
        self.nodes.get(node).map(|node| node.kind)
    }

    fn is_object(self, node: usize) -> bool {
        self.kind(node) == Some(JsonKind::Object)
    }

    fn is_container(self, node: usize) -> bool {
        matches!(self.kind(node), Some(JsonKind::Object | JsonKind::Array))
    }

    /// The first node that is not inside of a value.
    fn next(self, node: usize) -> usize {
        self.nodes
            .get(node)
            .map_or(self.nodes.len(), |node| node.next as usize)
    }

    fn raw(self, node: usize) -> &'t [u8] {
        let range = self
            .nodes
            .get(node)
            .map(|node| node.start as usize..node.end as usize);
        range.and_then(|range| self.text.get(range)).unwrap_or_default()
    }

    /// A string or a name, decoded.
    fn string(self, node: usize) -> Cow<'t, [u8]> {
        match self.kind(node) {
            Some(JsonKind::Text { plain: false }) => {
                let mut decoded = Vec::new();
                unescape(self.raw(node), |part| decoded.extend_from_slice(part));
                Cow::Owned(decoded)
            }
            _ => Cow::Borrowed(self.raw(node)),
        }
    }

    fn depth(self) -> usize {
        let (mut ends, mut deepest) = (Vec::new(), 0);
        for node in 0..self.nodes.len() {
            while ends.last() == Some(&node) {
                ends.pop();
            }
            if self.is_container(node) {
                ends.push(self.next(node));
                deepest = deepest.max(ends.len());
            }
        }
        deepest
    }

    /// The first name, in the order of the text, that its object had before.
    fn first_duplicate(self) -> Option<usize> {
        let objects = (0..self.nodes.len()).filter(|node| self.is_object(*node));
        objects.filter_map(|object| self.duplicate_of(object)).min()
    }

    fn duplicate_of(self, object: usize) -> Option<usize> {
        let (mut name, end) = (object + 1, self.next(object));
        let mut names = Vec::new();
        while name < end {
            names.push((self.string(name), name));
            name = self.next(name + 1);
        }
        names.sort_unstable();
        let pairs = names.windows(2).filter_map(|pair| match pair {
            [(a, _), (b, later)] if a == b => Some(*later),
            _ => None,
        });
        pairs.min()
    }

    /// Where a value stands, or the value of a name.
    fn pointer(self, target: usize) -> String {
        let (mut pointer, mut container) = (String::new(), 0);
        while self.is_container(container) && container < target {
            let is_object = self.is_object(container);
            let (mut value, mut index) = (container + 1, 0u64);
            loop {
                let name = value;
                value += usize::from(is_object);
                if target < self.next(value) || self.next(value) >= self.nodes.len() {
                    if is_object {
                        push_step(&mut pointer, &String::from_utf8_lossy(&self.string(name)));
                    } else {
                        push_step(&mut pointer, &index.to_string());
                    }
                    break;
                }
                (value, index) = (self.next(value), index + 1);
            }
            container = value;
        }
        pointer
    }

    /// Writes the body without the members whose names are marked.
    fn write(self, stripped: &[bool], out: &mut Vec<u8>) {
        // Where a container ends, and what closes it.
        let mut open: Vec<(usize, u8)> = Vec::new();
        let mut node = 0;
        while node < self.nodes.len() {
            close(&mut open, node, out);
            if stripped.get(node) == Some(&true) {
                node = self.next(node + 1);
                continue;
            }
            if !matches!(out.last(), None | Some(b'{' | b'[')) {
                out.push(b',');
            }
            if matches!(open.last(), Some((_, b'}'))) {
                self.write_scalar(node, out);
                out.push(b':');
                node += 1;
            }
            match self.kind(node) {
                Some(JsonKind::Object) => {
                    out.push(b'{');
                    open.push((self.next(node), b'}'));
                }
                Some(JsonKind::Array) => {
                    out.push(b'[');
                    open.push((self.next(node), b']'));
                }
                _ => self.write_scalar(node, out),
            }
            node += 1;
        }
        close(&mut open, node, out);
    }

    fn write_scalar(self, node: usize, out: &mut Vec<u8>) {
        let quote: &[u8] = match self.kind(node) {
            Some(JsonKind::Text { .. }) => b"\"",
            _ => b"",
        };
        for part in [quote, self.raw(node), quote] {
            out.extend_from_slice(part);
        }
    }
}

fn close(open: &mut Vec<(usize, u8)>, node: usize, out: &mut Vec<u8>) {
    while let Some((end, bracket)) = open.last().copied()
        && end == node
    {
        out.push(bracket);
        open.pop();
    }
}

/// What does not fit.
struct Fault {
    detail: Detail,
    /// The value or name.
    node: usize,
    /// The member of it that is missing.
    missing: Option<String>,
    /// Its place in the order of the text.
    order: usize,
}

/// A container whose inside is being walked.
struct Open {
    node: usize,
    end: usize,
    /// `None` where anything may stand inside.
    part: Option<usize>,
    is_object: bool,
    count: u64,
    /// Where its marks begin in [`Walk::seen`].
    seen: usize,
}

/// One accept's shape over a body.
struct Walk<'w> {
    tape: Tape<'w>,
    shape: &'w [ShapePart],
    view: View<'w>,
    /// By node of a name; empty where nothing is stripped.
    stripped: &'w mut [bool],
    open: Vec<Open>,
    /// For each open object with members, which of them were there.
    seen: Vec<bool>,
}

impl Walk<'_> {
    fn run(&mut self) -> Result<(), Fault> {
        let count = self.tape.nodes.len();
        self.value(0, Some(0))?;
        let mut node = 1;
        loop {
            while self.open.last().is_some_and(|open| open.end == node) {
                self.close()?;
            }
            if node >= count {
                return Ok(());
            }
            node = self.member(node)?;
        }
    }

    fn part(&self, part: Option<usize>) -> Option<&ShapePart> {
        self.shape.get(part?)
    }

    /// A member or element that begins at a node; the node to go on with.
    fn member(&mut self, node: usize) -> Result<usize, Fault> {
        let Some(open) = self.open.last_mut() else {
            return Ok(self.tape.nodes.len());
        };
        open.count += 1;
        let (is_object, seen) = (open.is_object, open.seen);
        let within = open.part.and_then(|part| self.shape.get(part));
        if !is_object {
            let element = within.map(|part| part.element as usize);
            self.value(node, element)?;
            return Ok(node + 1);
        }
        let part = match within.filter(|part| !part.open).map(|part| &part.members) {
            None => None,
            Some(members) => {
                let name = self.tape.string(node);
                let found = members.binary_search_by(|(own, _)| own.as_bytes().cmp(&name));
                match found.ok().and_then(|index| Some((index, members.get(index)?))) {
                    Some((index, (_, part))) => {
                        if let Some(mark) = self.seen.get_mut(seen + index) {
                            *mark = true;
                        }
                        Some(*part as usize)
                    }
                    None => {
                        let Some(mark) = self.stripped.get_mut(node) else {
                            return Err(fault(Detail::UnknownField, node));
                        };
                        *mark = true;
                        return Ok(self.tape.next(node + 1));
                    }
                }
            }
        };
        self.value(node + 1, part)?;
        Ok(node + 2)
    }

    /// A value; a container is opened.
    fn value(&mut self, node: usize, part: Option<usize>) -> Result<(), Fault> {
        let part = part.filter(|part| {
            self.shape
                .get(*part)
                .is_some_and(|part| part.ty != ShapeType::Any)
        });
        let Some(kind) = self.tape.kind(node) else {
            return Ok(());
        };
        if let Some(shape) = self.part(part) {
            let fits = match (shape.ty, kind) {
                (_, JsonKind::Null) => shape.nullable,
                (ShapeType::Object, JsonKind::Object) | (ShapeType::Array, JsonKind::Array) => true,
                (ShapeType::Bool, JsonKind::Bool(_)) => true,
                (ShapeType::Int | ShapeType::Number, JsonKind::Number) => {
                    number_fits(shape, self.tape.raw(node)).map_err(|detail| fault(detail, node))?;
                    true
                }
                (ShapeType::String | ShapeType::Ip | ShapeType::Instant, JsonKind::Text { .. }) => {
                    let text = self.tape.string(node);
                    text_fits(shape, &text, self.view).map_err(|detail| fault(detail, node))?;
                    true
                }
                _ => false,
            };
            if !fits {
                return Err(fault(Detail::WrongType, node));
            }
        }
        if self.tape.is_container(node) {
            let seen = self.seen.len();
            let members = self.part(part).map_or(0, |part| part.members.len());
            self.seen.resize(seen + members, false);
            self.open.push(Open {
                node,
                end: self.tape.next(node),
                part,
                is_object: kind == JsonKind::Object,
                count: 0,
                seen,
            });
        }
        Ok(())
    }

    /// The innermost container ends.
    fn close(&mut self) -> Result<(), Fault> {
        let Some(open) = self.open.pop() else {
            return Ok(());
        };
        let seen = self.seen.split_off(open.seen.min(self.seen.len()));
        let Some(part) = self.part(open.part) else {
            return Ok(());
        };
        let at_end = |detail, missing: Option<&String>| Fault {
            detail,
            node: open.node,
            missing: missing.cloned(),
            order: 2 * open.end,
        };
        let is_missing = |(name, part): &(String, u32), seen: &bool| {
            let is_optional = self.shape.get(*part as usize).is_some_and(|part| part.optional);
            (!seen && !is_optional).then(|| name.clone())
        };
        let missing = part
            .members
            .iter()
            .zip(&seen)
            .find_map(|(member, seen)| is_missing(member, seen));
        if let Some(name) = missing {
            return Err(at_end(Detail::MissingField, Some(&name)));
        }
        if open.is_object && part.keys.is_some_and(|most| open.count > most) {
            return Err(at_end(Detail::TooManyKeys, None));
        }
        let is_outside = |(least, most): (u64, u64)| !(least..=most).contains(&open.count);
        if !open.is_object && part.items.is_some_and(is_outside) {
            return Err(at_end(Detail::WrongCount, None));
        }
        Ok(())
    }
}

/// A value or name that does not fit comes before what is missing at the end of an object that it closes.
fn fault(detail: Detail, node: usize) -> Fault {
    Fault {
        detail,
        node,
        missing: None,
        order: 2 * node + 1,
    }
}

fn is_listed(part: &ShapePart, is_it: impl Fn(&String) -> bool) -> Result<(), Detail> {
    match &part.one_of {
        Some(texts) if !texts.iter().any(is_it) => Err(Detail::NotInList),
        _ => Ok(()),
    }
}

fn number_fits(part: &ShapePart, raw: &[u8]) -> Result<(), Detail> {
    if part.ty == ShapeType::Int {
        let text = std::str::from_utf8(raw).unwrap_or_default();
        if text != "-0" && canonical_int(text).is_none() {
            return Err(Detail::WrongType);
        }
    }
    let is_below = |min: &String| number::compare(raw, min.as_bytes()).is_lt();
    let is_above = |max: &String| number::compare(raw, max.as_bytes()).is_gt();
    if part.min.as_ref().is_some_and(is_below) || part.max.as_ref().is_some_and(is_above) {
        return Err(Detail::OutOfRange);
    }
    is_listed(part, |own| number::compare(raw, own.as_bytes()).is_eq())
}

fn text_fits(part: &ShapePart, text: &[u8], view: View<'_>) -> Result<(), Detail> {
    let text = std::str::from_utf8(text).map_err(|_| Detail::WrongType)?;
    let is_of_type = match part.ty {
        ShapeType::Ip => canonical_ip(text),
        ShapeType::Instant => instant::parse(text.as_bytes()).is_ok(),
        _ => true,
    };
    if !is_of_type {
        return Err(Detail::WrongType);
    }
    if part.min.is_some() || part.max.is_some() {
        let length = text.chars().count().to_string();
        let order = |bound: &String| number::compare(length.as_bytes(), bound.as_bytes());
        if part.min.as_ref().is_some_and(|min| order(min).is_lt())
            || part.max.as_ref().is_some_and(|max| order(max).is_gt())
        {
            return Err(Detail::OutOfRange);
        }
    }
    is_listed(part, |own| own == text)?;
    match part.matches {
        Some(table) if !matches(view, table, text.as_bytes()) => Err(Detail::NoMatch),
        _ => Ok(()),
    }
}
