//! Globs and regexes -> one automaton with our own tables, so that the evaluator links no regex crate.
//!
//! regex-automata determinises all patterns of a set together; its automaton is then walked state by state into byte
//! classes, transitions and accept classes. An accept class is a set of patterns that match together; class 0 is none.

mod sequence;

use std::collections::{BTreeMap, HashMap};

use regex_automata::dfa::{Automaton, StartKind, dense};
use regex_automata::util::primitives::StateID;
use regex_automata::{Anchored, MatchKind, util::start, util::syntax};

use sequence::Sequence;

/// Memory that determinising one set may take, bytes: a policy that needs more is refused, not awaited.
const DETERMINISE_BYTES_MAX: usize = 4 << 20;

/// What a set of several patterns may take, bytes: at least this, which stays in a core's cache ..
const GROUP_BYTES_MIN: usize = 64 << 10;
/// .. and this much a byte of its patterns, as patterns need that differ early. Patterns that multiply each other's states
/// are split into groups soon, so n of them cost n automata at worst and not 2^n states.
const GROUP_BYTES_PER_BYTE: usize = 512;

/// Patterns that the first group is tried with.
const GROUP_PATTERNS: usize = 32;
/// States for each byte of a group's patterns up to which a larger group is tried. Patterns that differ early have one at
/// most; with more, states multiply already.
const STATES_PER_BYTE_GROWN: usize = 2;

/// An automaton as tables; state 0 is dead.
#[derive(Clone, Debug)]
pub struct Table {
    classes: Vec<u8>,
    class_count: u32,
    transitions: Vec<u32>,
    start: u32,
    accept: Vec<u32>,
    /// Accept class -> indices of the patterns that match; entry 0 is empty.
    pub sets: Vec<Vec<usize>>,
}

/// A set that is too large to determinise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooLarge;

impl Table {
    /// Builds the automaton of regexes that must match whole texts; `.` is any byte, Unicode off.
    pub(super) fn build(patterns: &[String]) -> Result<Table, TooLarge> {
        Table::within(patterns, DETERMINISE_BYTES_MAX)
    }

    fn within(patterns: &[String], bytes_max: usize) -> Result<Table, TooLarge> {
        let sequences: Option<Vec<Sequence>> = patterns.iter().map(|p| Sequence::of(p)).collect();
        match sequences.and_then(|sequences| sequence::table(&sequences, bytes_max)) {
            Some(Ok(table)) => Ok(table),
            Some(Err(TooLarge)) if patterns.len() > 1 => Err(TooLarge),
            _ => Table::determinised(patterns, bytes_max),
        }
    }

    /// By regex-automata, which takes every regex.
    fn determinised(patterns: &[String], bytes_max: usize) -> Result<Table, TooLarge> {
        let anchored: Vec<String> = patterns.iter().map(|p| format!(r"(?:{p})\z")).collect();
        let dfa = dense::Builder::new()
            .configure(
                dense::Config::new()
                    .match_kind(MatchKind::All)
                    .start_kind(StartKind::Anchored)
                    .dfa_size_limit(Some(bytes_max))
                    .determinize_size_limit(Some(bytes_max)),
            )
            .syntax(
                syntax::Config::new()
                    .unicode(false)
                    .utf8(false)
                    .dot_matches_new_line(true),
            )
            .thompson(
                regex_automata::nfa::thompson::Config::new()
                    .utf8(false)
                    .nfa_size_limit(Some(DETERMINISE_BYTES_MAX)),
            )
            .build_many(&anchored)
            .map_err(|_| TooLarge)?;
        Ok(Table::walk(&dfa))
    }

    fn walk(dfa: &dense::DFA<Vec<u32>>) -> Table {
        let classes: Vec<u8> = (0..=255u8).map(|b| dfa.byte_classes().get(b)).collect();
        let class_count = classes.iter().copied().max().map_or(1, |c| u32::from(c) + 1);
        let mut example = vec![0u8; class_count as usize];
        (0..=255u8)
            .rev()
            .for_each(|b| example[usize::from(classes[usize::from(b)])] = b);
        let mut table = Table {
            classes,
            class_count,
            transitions: vec![0; class_count as usize],
            start: 0,
            accept: vec![0],
            sets: vec![Vec::new()],
        };
        let Ok(first) = dfa.start_state(&start::Config::new().anchored(Anchored::Yes)) else {
            return table;
        };
        let mut ids: HashMap<StateID, u32> = HashMap::new();
        let mut sets: BTreeMap<Vec<usize>, u32> = BTreeMap::from([(Vec::new(), 0)]);
        let mut queue = vec![first];
        let mut discover = |id: StateID, queue: &mut Vec<StateID>| {
            if dfa.is_dead_state(id) || dfa.is_quit_state(id) {
                return 0;
            }
            let next = ids.len() as u32 + 1;
            *ids.entry(id).or_insert_with(|| {
                queue.push(id);
                next
            })
        };
        queue.clear();
        table.start = discover(first, &mut queue);
        let mut at = 0;
        while at < queue.len() {
            let id = queue[at];
            at += 1;
            for byte in &example {
                let next = discover(dfa.next_state(id, *byte), &mut queue);
                table.transitions.push(next);
            }
            let end = dfa.next_eoi_state(id);
            let mut set = Vec::new();
            if dfa.is_match_state(end) {
                set.extend((0..dfa.match_len(end)).map(|i| dfa.match_pattern(end, i).as_usize()));
                set.sort_unstable();
                set.dedup();
            }
            let next = sets.len() as u32;
            let class = *sets.entry(set.clone()).or_insert_with(|| {
                table.sets.push(set);
                next
            });
            table.accept.push(class);
        }
        table
    }

    /// The accept class of a whole text; the same walk as the evaluator's.
    pub(super) fn run(&self, text: &[u8]) -> u32 {
        let mut state = self.start;
        for byte in text {
            let class = u32::from(self.classes[usize::from(*byte)]);
            state = self.transitions[(state * self.class_count + class) as usize];
        }
        self.accept[state as usize]
    }

    /// As words of the image.
    pub(super) fn words(&self) -> Vec<u32> {
        let mut words = vec![self.accept.len() as u32, self.class_count, self.start];
        words.extend(
            self.classes
                .chunks_exact(4)
                .map(|c| u32::from_le_bytes([c[0], c[1], c[2], c[3]])),
        );
        words.extend(&self.transitions);
        words.extend(&self.accept);
        words
    }
}

/// Splits a set of regexes into groups that determinise together.
/// The error is the index of a pattern that is too large on its own.
pub(super) fn group(patterns: &[String]) -> Result<Vec<(Vec<usize>, Table)>, usize> {
    Ok(grouped(patterns)?.groups)
}

struct Groups {
    groups: Vec<(Vec<usize>, Table)>,
    /// Bytes that determinising took, those that were given up included, at most. For tests.
    spent: usize,
}

/// Grows each group from few patterns, twofold while it fits: a set that does not fit costs its whole limit, so none is
/// tried that is much larger than those that are kept. The next group starts at the size of the last.
fn grouped(patterns: &[String]) -> Result<Groups, usize> {
    let mut out = Groups {
        groups: Vec::new(),
        spent: 0,
    };
    let (mut at, mut size) = (0, GROUP_PATTERNS);
    while at < patterns.len() {
        let left = patterns.len() - at;
        let mut shrunk = false;
        let mut fits: Option<(usize, Table)> = None;
        size = size.min(left);
        loop {
            let texts = &patterns[at..at + size];
            let bytes_max = group_bytes(texts);
            let table = Table::within(texts, bytes_max);
            out.spent += table.as_ref().map_or(bytes_max, |t| 4 * t.transitions.len());
            match table {
                Ok(table) => {
                    let multiply = table.accept.len() > STATES_PER_BYTE_GROWN * length(texts);
                    fits = Some((size, table));
                    if size == left || shrunk || multiply {
                        break;
                    }
                    size = (2 * size).min(left);
                }
                Err(TooLarge) if fits.is_some() => break,
                Err(TooLarge) if size == 1 => return Err(at),
                Err(TooLarge) => {
                    shrunk = true;
                    size /= 2;
                }
            }
        }
        let Some((count, table)) = fits else { break };
        out.groups.push(((at..at + count).collect(), table));
        at += count;
        size = count;
    }
    Ok(out)
}

fn length(patterns: &[String]) -> usize {
    patterns.iter().map(String::len).sum()
}

/// What determinising a group may take, bytes.
fn group_bytes(patterns: &[String]) -> usize {
    if patterns.len() == 1 {
        return DETERMINISE_BYTES_MAX;
    }
    let scaled = length(patterns)
        .saturating_mul(GROUP_BYTES_PER_BYTE)
        .max(GROUP_BYTES_MIN);
    scaled.min(DETERMINISE_BYTES_MAX)
}

/// A literal as a regex of bytes.
pub(super) fn escape(text: &str) -> String {
    text.bytes()
        .map(|b| {
            if b.is_ascii_alphanumeric() {
                char::from(b).to_string()
            } else {
                format!("\\x{b:02X}")
            }
        })
        .collect()
}

/// `like` as a regex: `*` any bytes but `/`, `**` any bytes, `\*` a star, `\\` a backslash.
pub(super) fn glob(glob: &str) -> String {
    let mut out = String::new();
    let mut rest = glob;
    while let Some(c) = rest.chars().next() {
        let (piece, len) = match c {
            '*' if rest.starts_with("**") => (".*".to_string(), 2),
            '*' => ("[^/]*".to_string(), 1),
            '\\' => match rest[1..].chars().next() {
                Some(next) => (escape(&rest[1..1 + next.len_utf8()]), 1 + next.len_utf8()),
                None => (escape("\\"), 1),
            },
            other => (escape(&rest[..other.len_utf8()]), other.len_utf8()),
        };
        out.push_str(&piece);
        rest = &rest[len..];
    }
    out
}

/// Equality that folds ASCII case.
pub(super) fn ignoring_case(text: &str) -> String {
    format!("(?i-u:{})", escape(text))
}

/// Canonical decimal within i64.
pub(super) fn int() -> String {
    format!(
        "(?:0|{}|-(?:{}))",
        up_to("9223372036854775807"),
        up_to("9223372036854775808")
    )
}

/// Canonical positive decimals up to a limit, as alternatives by the first digit that is smaller.
fn up_to(limit: &str) -> String {
    let mut parts = vec![format!("[1-9][0-9]{{0,{}}}", limit.len() - 2), limit.to_string()];
    for (i, digit) in limit.bytes().enumerate() {
        let low = if i == 0 { b'1' } else { b'0' };
        if digit > low {
            let rest = limit.len() - i - 1;
            parts.push(format!(
                "{}[{}-{}][0-9]{{{rest}}}",
                &limit[..i],
                char::from(low),
                char::from(digit - 1)
            ));
        }
    }
    format!("(?:{})", parts.join("|"))
}

/// 8-4-4-4-12 hexadecimal digits.
pub(super) const UUID: &str = "[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}";

#[cfg(test)]
mod tests {
    use super::*;

    /// Globs that can all match in any combination, so that their automata multiply.
    fn hard(count: usize) -> Vec<String> {
        (0..count).map(|i| glob(&format!("**/{i}/*"))).collect()
    }

    /// Bytes for 1,000 of them, a bit more than their tables have.
    const SPENT_MAX: usize = 4 << 20;

    /// Work, not time: what fails is paid for too.
    #[test]
    fn grouping_patterns_that_multiply_takes_work_in_proportion_to_them() {
        let [few, many] = [500, 1_000].map(|count| grouped(&hard(count)).unwrap());
        assert!(many.spent <= SPENT_MAX, "{} bytes", many.spent);
        assert!(
            many.spent <= few.spent * 5 / 2,
            "{} and {}",
            few.spent,
            many.spent
        );
    }

    #[test]
    fn groups_hold_every_pattern_once_in_order_and_match_what_it_matches() {
        let mut patterns = hard(100);
        patterns.extend((0..1_000).map(|i| glob(&format!("exactly-{i}"))));
        patterns.extend(hard(50).iter().map(|p| format!("x{p}")));
        let groups = group(&patterns).unwrap();
        let members: Vec<usize> = groups.iter().flat_map(|g| g.0.clone()).collect();
        assert_eq!(members, (0..patterns.len()).collect::<Vec<_>>());
        for (text, pattern) in [("a/7/b", 7), ("exactly-999", 1_099), ("x/49/", 1_149)] {
            let matched = groups.iter().flat_map(|(members, table)| {
                let set = &table.sets[table.run(text.as_bytes()) as usize];
                set.iter().map(|m| members[*m])
            });
            assert!(matched.collect::<Vec<_>>().contains(&pattern), "{text}");
        }
        // Those that multiply do not keep those that do not from sharing an automaton.
        assert!(groups.len() < 60, "{} groups", groups.len());
    }

    /// Two ways to one automaton: what it accepts of every text of a few bytes that the patterns tell apart.
    #[test]
    fn sequences_are_determinised_as_regexes_are() {
        let sets: [&[&str]; 9] = [
            &["**", "*", "", "/"],
            &["a", "a*", "*a", "**a", "a**", "a*b", "a/*", "*/a"],
            &["**/a/*", "**/b/*", "**/a/**", "a/**/b", "**a**b**"],
            &["\\*", "\\\\", "a\\*b", "*\\**"],
            &["a**b*a", "**ab*", "*/*", "/**/*a"],
            &["***", "****a", "* *"],
            &["b/a", "b*", "b"],
            &[
                "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa*b",
                "**b",
            ],
            &["\u{e9}*", "*\u{e9}", "a\u{e9}"],
        ];
        let mut globs: Vec<Vec<String>> = sets
            .iter()
            .map(|set| set.iter().map(|text| glob(text)).collect())
            .collect();
        globs.push(
            ["[ab]+", "(?:a|b)/*", "a(b)c*", "(?i-u:aB)", "[^/]+b"]
                .map(String::from)
                .to_vec(),
        );
        globs.push(hard(12));
        let bytes = [b'a', b'b', b'B', b'/', b'*', b'\\', b'1', 0xc3, 0xa9, b'\n'];
        let mut texts = vec![Vec::new()];
        for length in 0..5 {
            let longer = texts.iter().filter(|t| t.len() == length);
            let longer = longer.flat_map(|t| bytes.map(|byte| [t.as_slice(), &[byte]].concat()));
            texts.extend(longer.collect::<Vec<_>>());
        }
        texts.extend([62, 63, 64].map(|n| [vec![b'a'; n], b"/b".to_vec()].concat()));
        texts.extend([62, 63, 64].map(|n| [vec![b'a'; n], b"cb".to_vec()].concat()));
        for patterns in &globs {
            let sequences: Vec<Sequence> = patterns.iter().map(|p| Sequence::of(p).unwrap()).collect();
            let ours = sequence::table(&sequences, DETERMINISE_BYTES_MAX)
                .unwrap()
                .unwrap();
            let theirs = Table::determinised(patterns, DETERMINISE_BYTES_MAX).unwrap();
            assert!(ours.accept.len() <= theirs.accept.len(), "{patterns:?}");
            for text in &texts {
                let [ours, theirs] = [&ours, &theirs].map(|table| &table.sets[table.run(text) as usize]);
                assert_eq!(ours, theirs, "{patterns:?} {text:?}");
            }
        }
    }

    #[test]
    fn regexes_of_another_form_and_long_sets_are_no_sequences() {
        for regex in ["a|bc", "a?", "a{2,3}", "(?:ab)*", "a{2,}", "^a", "\\ba"] {
            assert_eq!(Sequence::of(regex), None, "{regex}");
        }
        let long: Vec<Sequence> = (0..40).map(|_| Sequence::of(&"a".repeat(40)).unwrap()).collect();
        assert!(sequence::table(&long, DETERMINISE_BYTES_MAX).is_none());
        let few: Vec<Sequence> = hard(20).iter().map(|p| Sequence::of(p).unwrap()).collect();
        assert!(matches!(sequence::table(&few, 1 << 10), Some(Err(TooLarge))));
    }

    #[test]
    fn a_pattern_that_is_too_large_alone_is_named() {
        let mut patterns = hard(40);
        patterns.insert(17, "(?:.*a.{40}){3}b".to_owned());
        assert_eq!(group(&patterns).err(), Some(17));
    }
}
