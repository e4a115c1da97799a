//! Variables and their tables.

use std::collections::BTreeMap;

use super::Writer;
use super::nodes::Nodes;
use crate::CompileError;
use crate::lower::Leaf;
use crate::vars::{Var, Vars};
use portcullis::image::ids::Slot;
use portcullis::image::layout::{self, dir, var};
use portcullis::image::tables::IN_TURN;

/// Elements of each set that is tested, with their bits.
#[derive(Default)]
struct Sets<'v> {
    bits: BTreeMap<Slot, BTreeMap<&'v str, u32>>,
}

impl<'v> Sets<'v> {
    fn of(vars: &'v Vars) -> Sets<'v> {
        let mut sets = Sets::default();
        for of in &vars.vars {
            if let Var::Plain(Leaf::Element(slot, text)) = of {
                sets.bits.entry(*slot).or_default().insert(text, 0);
            }
        }
        let elements = sets.bits.values_mut().flat_map(BTreeMap::values_mut);
        elements.zip(0..).for_each(|(own, bit)| *own = bit);
        sets
    }

    /// Index of the set and the element's bit.
    fn element(&self, slot: Slot, text: &str) -> (u32, u32) {
        let set = self.bits.keys().position(|own| *own == slot).unwrap_or(0);
        let bit = self.bits.get(&slot).and_then(|bits| bits.get(text));
        (set as u32, bit.copied().unwrap_or(0))
    }
}

impl Writer {
    pub(super) fn classifiers(&mut self, vars: &Vars, nodes: &Nodes) -> Result<(), CompileError> {
        let sets = Sets::of(vars);
        let mut records = Vec::with_capacity(vars.vars.len() * layout::VAR as usize);
        for of in &vars.vars {
            let (kind, a, b) = self.classifier(of, nodes, &sets)?;
            if a > var::A_MAX || kind == var::COMPARE && b >> 4 > var::A_MAX {
                return Err(CompileError::ImageTooLarge);
            }
            records.extend([kind << var::KIND_SHIFT | a, b]);
        }
        let mut set_records = Vec::new();
        for (slot, bits) in &sets.bits {
            let entries = bits.iter().map(|(text, bit)| (0, text.as_bytes(), *bit));
            set_records.extend([slot.0, self.text_table(entries)?]);
        }
        self.records(dir::VARS, dir::VAR_COUNT, &records, layout::VAR);
        self.records(dir::SETS, dir::SET_COUNT, &set_records, layout::SET);
        let texts: Vec<u32> = sets
            .bits
            .values()
            .flat_map(BTreeMap::keys)
            .flat_map(|text| {
                let (offset, len) = self.text(text.as_bytes());
                [offset, len]
            })
            .collect();
        self.records(dir::ELEMENTS, dir::BITS, &texts, layout::ELEMENT);
        Ok(())
    }

    /// Kind and parameters.
    fn classifier(
        &mut self,
        of: &Var,
        nodes: &Nodes,
        sets: &Sets<'_>,
    ) -> Result<(u32, u32, u32), CompileError> {
        let halves = |n: u64| [n as u32, (n >> 32) as u32];
        Ok(match of {
            Var::Text(slot, values) => {
                let entries = values.iter().zip(2..).map(|(v, class)| (0, v.as_bytes(), class));
                (var::TEXT, slot.0, self.text_table(entries)?)
            }
            Var::Number(slot, thresholds) => {
                let mut table = vec![thresholds.len() as u32];
                table.extend(thresholds.iter().flat_map(|n| halves(*n as u64)));
                (var::NUMBER, slot.0, self.shared(table))
            }
            Var::Pattern(slot, table) => (var::PATTERN, slot.0, self.shared(table.words())),
            Var::SomePattern(slot, table) => (var::SOME_PATTERN, slot.0, self.shared(table.words())),
            Var::Address(slot, ranges) => match ranges4(ranges) {
                Some(table) => (var::ADDRESS4, slot.0, self.shared(table)),
                None => {
                    let mut table = vec![ranges.len() as u32];
                    for (start, class) in ranges {
                        table.extend((0..4).map(|k| (start >> (32 * k)) as u32));
                        table.push(*class);
                    }
                    (var::ADDRESS, slot.0, self.shared(table))
                }
            },
            Var::Sub(root) => (var::SUB, 0, nodes.reference_if_written(*root)),
            Var::Plain(leaf) => match leaf {
                Leaf::Element(slot, text) => {
                    let (set, bit) = sets.element(*slot, text);
                    (var::ELEMENT, set, bit)
                }
                Leaf::Known(slot) => (var::KNOWN, slot.0, 0),
                Leaf::Bool(slot) => (var::BOOL, slot.0, 0),
                Leaf::Exists(slot) => (var::EXISTS, slot.0, 0),
                Leaf::Anchor(kind, index) => (var::ANCHOR, *kind as u32, *index),
                Leaf::Presented(kind) => (var::PRESENTED, *kind as u32, 0),
                Leaf::Valid(kind) => (var::VALID, *kind as u32, 0),
                Leaf::Compare(left, right, op, fold) => {
                    (var::COMPARE, left.0, right.0 << 4 | op << 1 | u32::from(*fold))
                }
                Leaf::Contains(set, element) => (var::CONTAINS, set.0, element.0),
                Leaf::List(slot, list) => (var::LIST, slot.0, *list),
                Leaf::Hours(slot, hours) => (var::HOURS, slot.0, *hours),
                Leaf::Sample(slot, name, below) => {
                    let (at, len) = self.text(name.as_bytes());
                    let [low, high] = halves(*below as u64);
                    let whole = u32::from(*below > u128::from(u64::MAX));
                    (var::SAMPLE, slot.0, self.shared(vec![at, len, low, high, whole]))
                }
                Leaf::Age(auth_time, now, us) => {
                    let [low, high] = halves(*us as u64);
                    (var::AGE, auth_time.0, self.shared(vec![now.0, low, high]))
                }
                // These became variables of their own kinds above.
                Leaf::TextIn(slot, _)
                | Leaf::Matches(slot, _)
                | Leaf::SomeMatches(slot, _)
                | Leaf::Number(slot, ..)
                | Leaf::NumberIn(slot, _)
                | Leaf::Address(slot, _) => (var::KNOWN, slot.0, 0),
            },
        })
    }
}

/// Ranges that name IPv4 addresses only; any other address is then of class 1, as one before the first range is.
fn ranges4(ranges: &[(u128, u32)]) -> Option<Vec<u32>> {
    let first = u128::from(std::net::Ipv4Addr::UNSPECIFIED.to_ipv6_mapped());
    let after = first + (1 << 32);
    let (mut starts, mut classes) = (Vec::new(), Vec::new());
    for (start, class) in ranges {
        if *start == after && *class == 1 {
            continue;
        }
        if *start < first || *start >= after {
            return None;
        }
        starts.push((start - first) as u32);
        classes.push(*class);
    }
    // Where the last range reaches the last IPv4 address, it must end there.
    if ranges.last().is_some_and(|last| last.1 != 1) {
        return None;
    }
    let in_turn = classes
        .iter()
        .zip([2, 1].into_iter().cycle())
        .all(|(class, turn)| *class == turn);
    let mut table = vec![starts.len() as u32 | if in_turn { IN_TURN } else { 0 }];
    table.extend(starts);
    if !in_turn {
        table.extend(classes);
    }
    Some(table)
}
