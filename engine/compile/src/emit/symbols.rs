//! Explanations of entries, with their texts.

use std::collections::{BTreeMap, HashMap};

use super::nodes::Nodes;
use crate::entries::{Entries, Explanation};
use crate::vars::Vars;
use portcullis::image::layout::lack;
use portcullis::image::symbols::Symbols;

/// The section of symbols.
pub(super) fn section(plan: &Entries, vars: &Vars, nodes: &Nodes, entries: &[u32]) -> Vec<u8> {
    let mut texts: Vec<String> = Vec::new();
    let mut text_index: HashMap<u32, u32> = HashMap::new();
    let mut text = |kind: u32, index: u32| {
        let is_fact = kind & ((1 << lack::KIND_BITS) - 1) == lack::FACT;
        if kind != lack::SCOPE && kind != lack::CONDITION && !is_fact {
            return 0;
        }
        *text_index.entry(index).or_insert_with(|| {
            texts.push(plan.texts[index as usize].clone());
            texts.len() as u32 - 1
        })
    };
    let mut body = Body::default();
    let mut lists: BTreeMap<u32, (Vec<u32>, Vec<u32>)> = BTreeMap::new();
    // Entries in one place have the same explanations.
    for (of, at) in plan.entries.iter().zip(entries) {
        if of.closest.is_empty() || lists.contains_key(at) {
            continue;
        }
        let record = |(rule, parts): &Explanation| {
            let mut record = vec![*rule, parts.len() as u32];
            for (kind, index, root) in parts.iter() {
                record.extend([*kind, text(*kind, *index), nodes.reference(*root)]);
            }
            body.shared(record)
        };
        let list = of.closest.iter().map(record).collect();
        let roots = of
            .closest
            .iter()
            .flat_map(|e| e.1.iter())
            .map(|part| part.2)
            .collect();
        lists.insert(*at, (vars.subs_of(roots), list));
    }
    let records_end = Symbols::RECORDS + body.words.len() as u32;
    body.known.clear();
    let mut index = Vec::with_capacity(lists.len());
    for (at, (subs, list)) in lists {
        let head = std::iter::once(subs.len() as u32).chain(subs);
        let words = head.chain(std::iter::once(list.len() as u32)).chain(list);
        index.push((at, body.shared(words.collect())));
    }
    Symbols::section(&index, &body.words, records_end, &texts)
}

/// Records of which equal ones are written once.
#[derive(Default)]
struct Body {
    words: Vec<u32>,
    known: HashMap<Vec<u32>, u32>,
}

impl Body {
    fn shared(&mut self, words: Vec<u32>) -> u32 {
        let at = Symbols::RECORDS + self.words.len() as u32;
        *self.known.entry(words).or_insert_with_key(|words| {
            self.words.extend(words);
            at
        })
    }
}
