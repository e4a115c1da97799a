//! Literals, globs and regexes -> automata over bytes -> whether one text satisfies a formula over several of them.
//!
//! Answers are exact or `None`: automata and searches are bounded, and what is past a bound is not decided. Knows no
//! facts and no rules.

use regex_syntax::hir::{Class, Hir, HirKind};
use std::collections::HashSet;

/// States of one automaton at most.
const STATES_MAX: usize = 4096;

/// States visited by one search at most, summed over its automata.
const VISITS_MAX: usize = 50_000;

/// A set of texts, as an automaton with one accepting state.
#[derive(Clone, Debug)]
pub(super) struct Texts {
    states: Vec<State>,
    /// Where texts end so far; parts are appended here.
    end: u32,
}

#[derive(Clone, Debug, Default)]
struct State {
    /// Inclusive ranges of bytes, each with the state it leads to.
    edges: Vec<(u8, u8, u32)>,
    /// States reached without a byte.
    free: Vec<u32>,
}

impl Texts {
    /// The empty text alone. The methods below append to every text of the set.
    pub(super) fn empty() -> Texts {
        Texts {
            states: vec![State::default()],
            end: 0,
        }
    }

    /// Exactly these bytes; ASCII letters in either case with `fold`.
    pub(super) fn literal(mut self, bytes: &[u8], fold: bool) -> Option<Texts> {
        for byte in bytes {
            let next = self.state()?;
            let from = self.end;
            self.edge(from, *byte, *byte, next);
            if fold && byte.is_ascii_alphabetic() {
                self.edge(from, byte ^ 0x20, byte ^ 0x20, next);
            }
            self.end = next;
        }
        Some(self)
    }

    /// Any bytes but one.
    pub(super) fn without(mut self, byte: u8, at_least_one: bool) -> Option<Texts> {
        let before = self.end;
        let inside = self.state()?;
        for from in [before, inside] {
            if let Some(below) = byte.checked_sub(1) {
                self.edge(from, 0, below, inside);
            }
            if let Some(above) = byte.checked_add(1) {
                self.edge(from, above, 0xff, inside);
            }
        }
        self.end = inside;
        if at_least_one {
            Some(self)
        } else {
            self.or_from(before)
        }
    }

    /// Any bytes.
    pub(super) fn anything(mut self, at_least_one: bool) -> Option<Texts> {
        let before = self.end;
        let inside = self.state()?;
        self.edge(before, 0, 0xff, inside);
        self.edge(inside, 0, 0xff, inside);
        self.end = inside;
        if at_least_one {
            Some(self)
        } else {
            self.or_from(before)
        }
    }

    /// What `part` appends, or nothing.
    pub(super) fn maybe(self, part: impl FnOnce(Texts) -> Option<Texts>) -> Option<Texts> {
        let before = self.end;
        part(self)?.or_from(before)
    }

    /// The texts of a glob.
    pub(super) fn glob(mut self, glob: &str) -> Option<Texts> {
        let mut rest = glob.as_bytes();
        while let Some((byte, after)) = rest.split_first() {
            rest = after;
            self = match (byte, after) {
                (b'*', [b'*', after @ ..]) => {
                    rest = after;
                    self.anything(false)?
                }
                (b'*', _) => self.without(b'/', false)?,
                (b'\\', [escaped, after @ ..]) => {
                    rest = after;
                    self.literal(&[*escaped], false)?
                }
                (other, _) => self.literal(&[*other], false)?,
            };
        }
        Some(self)
    }

    /// The texts of a regex, by the syntax and flags of the language.
    pub(super) fn regex(mut self, regex: &str) -> Option<Texts> {
        let hir = super::literals::regex_parser().parse(regex).ok()?;
        self.end = self.hir(&hir, self.end)?;
        Some(self)
    }

    /// One of these texts.
    pub(super) fn one_of(mut self, texts: &[String], fold: bool) -> Option<Texts> {
        let before = self.end;
        let mut ends = Vec::new();
        for text in texts {
            self.end = before;
            self = self.literal(text.as_bytes(), fold)?;
            ends.push(self.end);
        }
        let end = self.state()?;
        ends.into_iter().for_each(|last| self.free(last, end));
        self.end = end;
        Some(self)
    }

    /// Whether a text is one of them.
    pub(super) fn holds(&self, text: &[u8]) -> bool {
        let start = self.closure(vec![0]);
        let states = text.iter().fold(start, |states, byte| self.step(&states, *byte));
        states.binary_search(&self.end).is_ok()
    }

    /// Whether a byte occurs in some text, as far as edges tell.
    pub(super) fn mentions(&self, byte: u8) -> bool {
        let edges = self.states.iter().flat_map(|state| &state.edges);
        edges
            .into_iter()
            .any(|(low, high, _)| (*low..=*high).contains(&byte))
    }

    fn state(&mut self) -> Option<u32> {
        let next = u32::try_from(self.states.len()).ok()?;
        self.states.push(State::default());
        (self.states.len() <= STATES_MAX).then_some(next)
    }

    fn edge(&mut self, from: u32, low: u8, high: u8, to: u32) {
        if let Some(state) = self.states.get_mut(from as usize) {
            state.edges.push((low, high, to));
        }
    }

    fn free(&mut self, from: u32, to: u32) {
        if let Some(state) = self.states.get_mut(from as usize) {
            state.free.push(to);
        }
    }

    /// Ends where it ends, and where it ended before.
    fn or_from(mut self, before: u32) -> Option<Texts> {
        let end = self.state()?;
        self.free(before, end);
        self.free(self.end, end);
        self.end = end;
        Some(self)
    }

    /// Appends an expression behind a state; where it ends. Recursion is bounded by the parser's nesting limit.
    fn hir(&mut self, hir: &Hir, from: u32) -> Option<u32> {
        match hir.kind() {
            HirKind::Empty => Some(from),
            HirKind::Look(_) => None,
            HirKind::Literal(literal) => literal.0.iter().try_fold(from, |from, byte| {
                let next = self.state()?;
                self.edge(from, *byte, *byte, next);
                Some(next)
            }),
            HirKind::Class(class) => {
                let bytes = match class {
                    Class::Bytes(bytes) => bytes.clone(),
                    Class::Unicode(unicode) => unicode.to_byte_class()?,
                };
                let next = self.state()?;
                for range in bytes.ranges() {
                    self.edge(from, range.start(), range.end(), next);
                }
                Some(next)
            }
            HirKind::Capture(capture) => self.hir(&capture.sub, from),
            HirKind::Concat(parts) => parts.iter().try_fold(from, |from, part| self.hir(part, from)),
            HirKind::Alternation(parts) => {
                let end = self.state()?;
                for part in parts {
                    let start = self.state()?;
                    self.free(from, start);
                    let last = self.hir(part, start)?;
                    self.free(last, end);
                }
                Some(end)
            }
            HirKind::Repetition(repetition) => {
                let mut at = from;
                for _ in 0..repetition.min {
                    at = self.hir(&repetition.sub, at)?;
                }
                let end = self.state()?;
                let Some(max) = repetition.max else {
                    // `end` is the head of the loop too.
                    self.free(at, end);
                    let last = self.hir(&repetition.sub, end)?;
                    self.free(last, end);
                    return Some(end);
                };
                for _ in repetition.min..max {
                    self.free(at, end);
                    let start = self.state()?;
                    self.free(at, start);
                    at = self.hir(&repetition.sub, start)?;
                }
                self.free(at, end);
                Some(end)
            }
        }
    }

    /// Adds what is reached without a byte, sorted.
    fn closure(&self, mut states: Vec<u32>) -> Vec<u32> {
        let mut seen: HashSet<u32> = states.iter().copied().collect();
        let mut at = 0;
        while let Some(state) = states.get(at).and_then(|s| self.states.get(*s as usize)) {
            at += 1;
            for next in &state.free {
                if seen.insert(*next) {
                    states.push(*next);
                }
            }
        }
        states.sort_unstable();
        states.dedup();
        states
    }

    fn step(&self, states: &[u32], byte: u8) -> Vec<u32> {
        let edges = states.iter().filter_map(|s| self.states.get(*s as usize));
        let edges = edges.flat_map(|state| &state.edges);
        let next = edges
            .filter(|(low, high, _)| (*low..=*high).contains(&byte))
            .map(|edge| edge.2);
        self.closure(next.collect())
    }
}

/// Whether some text satisfies a formula over its membership in each set. `None` where looking for it costs too much.
pub(super) fn some_text(sets: &[Texts], holds: impl Fn(&[bool]) -> bool) -> Option<bool> {
    shortest(sets, holds).map(|found| found.is_some())
}

/// A shortest text that satisfies a formula over its membership in each set, if there is one. `None` where looking for
/// it costs too much.
pub(super) fn shortest(sets: &[Texts], holds: impl Fn(&[bool]) -> bool) -> Option<Option<Vec<u8>>> {
    let bytes = representatives(sets);
    let start: Vec<Vec<u32>> = sets.iter().map(|set| set.closure(vec![0])).collect();
    let mut seen = HashSet::from([start.clone()]);
    // Each with the index of the one before it and the byte between; those before `at` are done.
    let mut found: Vec<(Vec<Vec<u32>>, usize, u8)> = vec![(start, 0, 0)];
    let (mut at, mut visits) = (0, 0);
    while let Some((node, ..)) = found.get(at) {
        let inside: Vec<bool> = sets
            .iter()
            .zip(node)
            .map(|(set, states)| states.binary_search(&set.end).is_ok())
            .collect();
        if holds(&inside) {
            return Some(Some(spelled(&found, at)));
        }
        let mut next = Vec::new();
        for byte in &bytes {
            visits += 1 + node.iter().map(Vec::len).sum::<usize>();
            if visits > VISITS_MAX {
                return None;
            }
            let step = sets.iter().zip(node).map(|(set, states)| set.step(states, *byte));
            let step: Vec<Vec<u32>> = step.collect();
            if seen.insert(step.clone()) {
                next.push((step, at, *byte));
            }
        }
        found.append(&mut next);
        at += 1;
    }
    Some(None)
}

/// The bytes that lead to a node.
fn spelled(found: &[(Vec<Vec<u32>>, usize, u8)], mut at: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Some((_, before, byte)) = found.get(at).filter(|_| at > 0) {
        bytes.push(*byte);
        at = *before;
    }
    bytes.reverse();
    bytes
}

/// One byte of each range of bytes that no automaton tells apart.
fn representatives(sets: &[Texts]) -> Vec<u8> {
    let mut starts = [false; 256];
    let mut mark = |byte: u8| {
        if let Some(start) = starts.get_mut(usize::from(byte)) {
            *start = true;
        }
    };
    mark(0);
    for (low, high, _) in sets.iter().flat_map(|set| &set.states).flat_map(|s| &s.edges) {
        mark(*low);
        high.checked_add(1).into_iter().for_each(&mut mark);
    }
    // Of each range a letter or digit where it has one, and these first: what is found is read by people.
    let worth = |byte: u8| 2 * u8::from(byte.is_ascii_alphanumeric()) + u8::from(byte.is_ascii_graphic());
    let mut ranges: Vec<u8> = Vec::new();
    for byte in 0..=0xff_u8 {
        match ranges.last_mut() {
            Some(last) if starts.get(usize::from(byte)) != Some(&true) => {
                if worth(byte) > worth(*last) {
                    *last = byte;
                }
            }
            _ => ranges.push(byte),
        }
    }
    ranges.sort_by_key(|byte| std::cmp::Reverse(worth(*byte)));
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    fn regex(text: &str) -> Texts {
        Texts::empty().regex(text).unwrap()
    }

    fn meet(a: &str, b: &str) -> bool {
        some_text(&[regex(a), regex(b)], |inside| inside == [true, true]).unwrap()
    }

    #[test]
    fn regexes_meet_where_one_text_matches_both() {
        for (a, b, want) in [
            ("a+", "b+", false),
            ("a*", "b*", true),
            ("[a-f]{2,3}", ".f.", true),
            ("[a-f]{2,3}", ".g.", false),
            ("(?:ab|cd)+", "abcd", true),
            ("(?:ab|cd)+", "abc", false),
            ("(?i)abc", "ABC", true),
            ("x{3}", "x{4,}", false),
            ("(?:a?){3}", "aaa", true),
            (".*@corp\\.example", ".*@other\\.example", false),
        ] {
            assert_eq!(meet(a, b), want, "{a} {b}");
            assert_eq!(meet(b, a), want, "{b} {a}");
        }
    }

    #[test]
    fn a_shortest_text_is_a_readable_one() {
        let sets = [
            regex("/a(?:/.*)?"),
            Texts::empty().glob("/a/**").unwrap(),
            regex("/a/.+"),
        ];
        let text = |holds: fn(&[bool]) -> bool| shortest(&sets, holds).unwrap();
        assert_eq!(
            text(|inside| inside == [true, false, false]),
            Some(b"/a".to_vec())
        );
        assert_eq!(
            text(|inside| inside == [true, true, false]),
            Some(b"/a/".to_vec())
        );
        assert_eq!(
            text(|inside| inside == [true, true, true]),
            Some(b"/a/0".to_vec())
        );
        assert_eq!(text(|inside| inside == [false, true, true]), None);
    }

    #[test]
    fn globs_are_those_of_the_language() {
        let texts = [r"a\*", "a*", "**/x", ""];
        let words = ["a*", "ab", "a/x", "/x", "", "a"];
        let inside = |glob: &str, word: &str| {
            let sets = [
                Texts::empty().glob(glob).unwrap(),
                Texts::empty().literal(word.as_bytes(), false).unwrap(),
            ];
            some_text(&sets, |inside| inside == [true, true]).unwrap()
        };
        let found: Vec<Vec<&str>> = texts
            .iter()
            .map(|glob| words.into_iter().filter(|word| inside(glob, word)).collect())
            .collect();
        assert_eq!(
            found,
            [vec!["a*"], vec!["a*", "ab", "a"], vec!["a/x", "/x"], vec![""]]
        );
    }

    #[test]
    fn what_costs_too_much_is_not_decided() {
        assert!(Texts::empty().regex("a{5000}").is_none());
        let sets = [regex(".*a.{14}"), regex(".*b.{15}")];
        assert_eq!(some_text(&sets, |inside| inside.len() > 2), None);
    }
}
