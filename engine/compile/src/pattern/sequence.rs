//! Patterns that are sequences of byte classes, each once or any number of times, as globs are -> their automaton.
//!
//! Subset construction over bits: a bit a position in each pattern, so that a step is a few operations on words for all
//! patterns at once (Shift-And: Baeza-Yates and Gonnet 1992). Sets of globs multiply each other's states, and a general
//! construction walks a list of positions for each state and class.

use std::collections::{BTreeMap, HashMap};

use regex_syntax::hir::{Class, Hir, HirKind};

use super::{Table, TooLarge};

/// Words of a state: sets of more positions differ early or are split, and lists of positions are shorter then.
const WORDS_MAX: usize = 16;
/// What a state takes beside its set and its transitions, about.
const STATE_BYTES: usize = 64;
const BITS: usize = u64::BITS as usize;
const BYTE_VALUES: usize = 256;

/// Bytes, a bit each.
type Bytes = [u64; BYTE_VALUES / BITS];

/// One part of a sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Part {
    bytes: Bytes,
    /// Any number of times, not once.
    repeated: bool,
}

/// A pattern in parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sequence(Vec<Part>);

fn has(bytes: &Bytes, byte: usize) -> bool {
    bytes
        .get(byte / BITS)
        .is_some_and(|word| word >> (byte % BITS) & 1 == 1)
}

/// The bytes of a class or of a literal of one byte.
fn bytes_of(hir: &Hir) -> Option<Bytes> {
    let mut out = Bytes::default();
    let mut add = |byte: u8| out[usize::from(byte) / BITS] |= 1 << (usize::from(byte) % BITS);
    match hir.kind() {
        HirKind::Class(Class::Bytes(class)) => {
            class
                .iter()
                .for_each(|range| (range.start()..=range.end()).for_each(&mut add));
        }
        // Of one byte each, as in `(?:a|b)`.
        HirKind::Class(Class::Unicode(class)) if class.is_ascii() => {
            let ranges = class.iter().map(|range| (range.start(), range.end()));
            ranges.for_each(|(start, end)| (start..=end).for_each(|c| add(c as u8)));
        }
        HirKind::Literal(literal) => match *literal.0 {
            [byte] => add(byte),
            _ => return None,
        },
        _ => return None,
    }
    Some(out)
}

impl Sequence {
    /// `None` where it is a regex of another form.
    pub(super) fn of(regex: &str) -> Option<Sequence> {
        let mut parser = regex_syntax::ParserBuilder::new()
            .unicode(false)
            .utf8(false)
            .dot_matches_new_line(true)
            .build();
        let hir = parser.parse(regex).ok()?;
        let mut parts = Vec::new();
        let mut todo = vec![&hir];
        while let Some(next) = todo.pop() {
            match next.kind() {
                HirKind::Empty => {}
                HirKind::Capture(capture) => todo.push(&capture.sub),
                HirKind::Concat(subs) => todo.extend(subs.iter().rev()),
                HirKind::Repetition(repetition) if repetition.max.is_none() && repetition.min <= 1 => {
                    let bytes = bytes_of(&repetition.sub)?;
                    let once = Part {
                        bytes,
                        repeated: false,
                    };
                    parts.extend((repetition.min == 1).then_some(once));
                    parts.push(Part {
                        bytes,
                        repeated: true,
                    });
                }
                HirKind::Literal(literal) => parts.extend(literal.0.iter().map(|byte| {
                    let mut bytes = Bytes::default();
                    bytes[usize::from(*byte) / BITS] |= 1 << (usize::from(*byte) % BITS);
                    Part {
                        bytes,
                        repeated: false,
                    }
                })),
                HirKind::Class(_) => parts.push(Part {
                    bytes: bytes_of(next)?,
                    repeated: false,
                }),
                _ => return None,
            }
        }
        Some(Sequence(parts))
    }
}

/// A set of positions.
type Set = Vec<u64>;

/// What each class of bytes does to a set of positions.
struct Steps {
    /// By byte.
    classes: Vec<u8>,
    /// By class: positions whose part takes it once, and those whose part takes it any number of times.
    taken: Vec<[Set; 2]>,
    /// Positions whose part may be left out.
    repeated: Set,
    /// The position behind all parts, by pattern.
    ends: Vec<usize>,
    start: Set,
}

fn put(set: &mut Set, position: usize) {
    if let Some(word) = set.get_mut(position / BITS) {
        *word |= 1 << (position % BITS);
    }
}

impl Steps {
    /// `None` where the positions are too many for sets of words.
    fn of(sequences: &[Sequence]) -> Option<Steps> {
        let positions: usize = sequences.iter().map(|sequence| sequence.0.len() + 1).sum();
        let words = positions.div_ceil(BITS);
        if words > WORDS_MAX {
            return None;
        }
        // Bytes that the same parts take are one class; classes are numbered by their first byte.
        let mut parts: Vec<&Bytes> = sequences
            .iter()
            .flat_map(|s| s.0.iter().map(|p| &p.bytes))
            .collect();
        parts.sort_unstable();
        parts.dedup();
        let mut known: BTreeMap<Vec<bool>, u8> = BTreeMap::new();
        let mut examples = Vec::new();
        let classes = (0..BYTE_VALUES).map(|byte| {
            let taken_by: Vec<bool> = parts.iter().map(|bytes| has(bytes, byte)).collect();
            let next = known.len() as u8;
            *known.entry(taken_by).or_insert_with(|| {
                examples.push(byte);
                next
            })
        });
        let classes: Vec<u8> = classes.collect();
        let none = vec![0; words];
        let mut steps = Steps {
            classes,
            taken: vec![[none.clone(), none.clone()]; examples.len()],
            repeated: none.clone(),
            ends: Vec::new(),
            start: none,
        };
        let mut position = 0;
        for sequence in sequences {
            put(&mut steps.start, position);
            for part in &sequence.0 {
                for (taken, example) in steps.taken.iter_mut().zip(&examples) {
                    if has(&part.bytes, *example) {
                        put(&mut taken[usize::from(part.repeated)], position);
                    }
                }
                if part.repeated {
                    put(&mut steps.repeated, position);
                }
                position += 1;
            }
            steps.ends.push(position);
            position += 1;
        }
        let mut start = std::mem::take(&mut steps.start);
        steps.close(&mut start);
        steps.start = start;
        Some(steps)
    }

    /// Adds the positions behind parts that may be left out.
    fn close(&self, set: &mut Set) {
        loop {
            let (mut carry, mut changed) = (0, false);
            for (word, repeated) in set.iter_mut().zip(&self.repeated) {
                let left_out = *word & repeated;
                let next = *word | left_out << 1 | carry;
                carry = left_out >> (BITS - 1);
                changed |= next != *word;
                *word = next;
            }
            if !changed {
                return;
            }
        }
    }

    /// The positions after a byte of the class.
    fn step(&self, from: &[u64], [once, repeated]: &[Set; 2], to: &mut Set) {
        to.clear();
        let mut carry = 0;
        for ((word, once), repeated) in from.iter().zip(once).zip(repeated) {
            let passed = word & once;
            to.push(word & repeated | passed << 1 | carry);
            carry = passed >> (BITS - 1);
        }
        self.close(to);
    }
}

/// The automaton of the sequences, made within so many bytes. `None` where the
/// positions are too many for sets of words.
pub(super) fn table(sequences: &[Sequence], bytes_max: usize) -> Option<Result<Table, TooLarge>> {
    let steps = Steps::of(sequences)?;
    let (words, class_count) = (steps.start.len(), steps.taken.len());
    let states_max = bytes_max
        / (words * size_of::<u64>() + class_count.next_power_of_two() * size_of::<u32>() + STATE_BYTES);
    let mut table = Table {
        classes: steps.classes.clone(),
        class_count: class_count as u32,
        transitions: vec![0; class_count],
        start: 1,
        accept: vec![0],
        sets: vec![Vec::new()],
    };
    // State 0 is dead: the empty set.
    let mut states: Vec<Set> = vec![vec![0; words], steps.start.clone()];
    let mut known: HashMap<Set, u32> = states.iter().cloned().zip(0..).collect();
    let mut sets: BTreeMap<Vec<usize>, u32> = BTreeMap::from([(Vec::new(), 0)]);
    let mut next: Set = Vec::with_capacity(words);
    let mut at = 1;
    while let Some(state) = states.get(at).cloned() {
        at += 1;
        for taken in &steps.taken {
            steps.step(&state, taken, &mut next);
            let to = match known.get(&next) {
                Some(to) => *to,
                None => {
                    if states.len() > states_max {
                        return Some(Err(TooLarge));
                    }
                    let to = states.len() as u32;
                    states.push(next.clone());
                    known.insert(next.clone(), to);
                    to
                }
            };
            table.transitions.push(to);
        }
        let is_end = |end: &usize| {
            state
                .get(end / BITS)
                .is_some_and(|word| word >> (end % BITS) & 1 == 1)
        };
        let ends = steps.ends.iter().enumerate().filter(|(_, end)| is_end(end));
        let set: Vec<usize> = ends.map(|(pattern, _)| pattern).collect();
        let new = sets.len() as u32;
        let class = *sets.entry(set.clone()).or_insert_with(|| {
            table.sets.push(set);
            new
        });
        table.accept.push(class);
    }
    Some(Ok(table))
}
