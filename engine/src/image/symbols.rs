//! What only people need: for each entry its allows with the parts that can be lacking, and the texts of these parts.
//! A section of its own, so that an image can do without and a decision never has it in its cache.

use super::LoadError;
use super::layout::lack;

/// Words before the records: entries, one past the records, one past the lists, texts.
const HEAD: u32 = 4;
/// Words of a part: kind, text, root.
pub const PART: u32 = 3;

/// The section, read. Empty where the image has none.
#[derive(Clone, Debug, Default)]
pub struct Symbols {
    words: Vec<u32>,
    pool: String,
}

/// An allow with its parts.
#[derive(Clone, Copy, Debug)]
pub struct Explanation<'s> {
    /// Index of the allow.
    pub rule: u32,
    /// [`PART`] words each.
    pub parts: &'s [u32],
}

impl Symbols {
    fn word(&self, at: u32) -> u32 {
        self.words.get(at as usize).copied().unwrap_or(0)
    }

    fn slice(&self, at: u32, len: u32) -> &[u32] {
        let start = at as usize;
        self.words
            .get(start..start.saturating_add(len as usize))
            .unwrap_or(&[])
    }

    fn ends(&self) -> u32 {
        self.word(2) + 2 * self.word(0)
    }

    /// A text, by index.
    pub fn text(&self, index: u32) -> &str {
        if index >= self.word(3) {
            return "";
        }
        let ends = self.ends();
        let before = index.checked_sub(1).map_or(0, |i| self.word(ends + i));
        self.pool
            .get(before as usize..self.word(ends + index) as usize)
            .unwrap_or("")
    }

    /// Sub-conditions to evaluate first, and the explanations, of the entry at an offset of the hot words.
    pub fn of(&self, entry: u32) -> (&[u32], impl Iterator<Item = Explanation<'_>>) {
        let index = self.slice(self.word(2), 2 * self.word(0));
        let found = super::tables::partition(self.word(0), |i| {
            index.get(2 * i as usize).is_some_and(|at| *at < entry)
        }) as usize;
        let list = match index.get(2 * found..2 * found + 2) {
            Some(&[at, list]) if at == entry => list,
            _ => 0,
        };
        let (subs, offsets) = match list {
            0 => (0, 0),
            list => (self.word(list), self.word(list + 1 + self.word(list))),
        };
        let explanations = self.slice(list + 2 + subs, offsets).iter().map(|at| Explanation {
            rule: self.word(*at),
            parts: self.slice(*at + 2, PART * self.word(*at + 1)),
        });
        (self.slice(list + 1, subs), explanations)
    }

    /// The section: records, lists, index of entries, ends of texts, pool. Offsets count from the section's start.
    pub fn section(entries: &[(u32, u32)], body: &[u32], records_end: u32, texts: &[String]) -> Vec<u8> {
        let lists_end = HEAD + body.len() as u32;
        let head = [entries.len() as u32, records_end, lists_end, texts.len() as u32];
        let mut words: Vec<u32> = head.into_iter().chain(body.iter().copied()).collect();
        words.extend(entries.iter().flat_map(|(at, list)| [*at, *list]));
        let mut end = 0;
        words.extend(texts.iter().map(|text| {
            end += text.len() as u32;
            end
        }));
        let mut out: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
        texts
            .iter()
            .for_each(|text| out.extend_from_slice(text.as_bytes()));
        out
    }

    /// Where records begin.
    pub const RECORDS: u32 = HEAD;

    /// Reads the section and checks all of it but roots and sub-conditions, which `root` and `sub` check.
    pub(super) fn read(
        section: &[u8],
        (rules, slots): (u32, u32),
        root: &dyn Fn(u32) -> bool,
        sub: &dyn Fn(u32) -> bool,
        entry: &dyn Fn(u32) -> bool,
    ) -> Result<Symbols, LoadError> {
        let bad = |at: u32| LoadError::Bounds { what: "symbols", at };
        let head = section.get(..4 * HEAD as usize).ok_or_else(|| bad(0))?;
        let head = super::to_words(head);
        let &[entries, records_end, lists_end, texts] = head.as_slice() else {
            return Err(bad(0));
        };
        let len = entries
            .checked_mul(2)
            .and_then(|n| n.checked_add(lists_end)?.checked_add(texts))
            .filter(|_| HEAD <= records_end && records_end <= lists_end)
            .ok_or_else(|| bad(0))?;
        let bytes = (len as usize).checked_mul(4);
        let (words, pool) = bytes
            .and_then(|len| section.split_at_checked(len))
            .ok_or_else(|| bad(0))?;
        let pool = String::from_utf8(pool.to_vec()).map_err(|_| bad(len))?;
        let symbols = Symbols {
            words: super::to_words(words),
            pool,
        };
        let w = |at: u32| symbols.word(at);

        let mut before = 0;
        for at in symbols.ends()..len {
            let fits = before <= w(at) && symbols.pool.is_char_boundary(w(at) as usize);
            before = if fits { w(at) } else { return Err(bad(at)) };
        }
        if before as usize != symbols.pool.len() {
            return Err(bad(len));
        }
        let mut records = vec![false; (records_end - HEAD) as usize];
        let mut at = HEAD;
        while at < records_end {
            mark(&mut records, at - HEAD);
            let next = w(at + 1)
                .checked_mul(PART)
                .and_then(|n| n.checked_add(at)?.checked_add(2));
            let next = next
                .filter(|n| *n <= records_end && w(at) < rules)
                .ok_or_else(|| bad(at))?;
            for part in (at + 2..next).step_by(PART as usize) {
                let (kind, slot) = (w(part) & ((1 << lack::KIND_BITS) - 1), w(part) >> lack::KIND_BITS);
                let texted = matches!(kind, lack::SCOPE | lack::CONDITION | lack::FACT);
                let bad_slot = slot != 0 && (kind != lack::FACT || slot >= slots);
                if texted && w(part + 1) >= texts || bad_slot || !root(w(part + 2)) {
                    return Err(bad(part));
                }
            }
            at = next;
        }
        let mut lists = vec![false; (lists_end - records_end) as usize];
        while at < lists_end {
            mark(&mut lists, at - records_end);
            let middle = w(at)
                .checked_add(at + 1)
                .filter(|n| *n < lists_end)
                .ok_or_else(|| bad(at))?;
            let next = w(middle)
                .checked_add(middle + 1)
                .filter(|n| *n <= lists_end)
                .ok_or_else(|| bad(at))?;
            let known = |at: &u32| at.checked_sub(HEAD).and_then(|i| records.get(i as usize)) == Some(&true);
            if !symbols.slice(at + 1, w(at)).iter().all(|id| sub(*id))
                || !symbols.slice(middle + 1, w(middle)).iter().all(known)
            {
                return Err(bad(at));
            }
            at = next;
        }
        let mut before = None;
        for pair in symbols.slice(lists_end, 2 * entries).chunks_exact(2) {
            let &[of, list] = pair else {
                return Err(bad(lists_end));
            };
            let known = list.checked_sub(records_end).and_then(|i| lists.get(i as usize)) == Some(&true);
            if !known || !entry(of) || before >= Some(of) {
                return Err(bad(lists_end));
            }
            before = Some(of);
        }
        Ok(symbols)
    }
}

fn mark(marks: &mut [bool], at: u32) {
    if let Some(mark) = marks.get_mut(at as usize) {
        *mark = true;
    }
}
