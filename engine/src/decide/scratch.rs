//! What one decision remembers while it walks: classes of variables and elements of sets. Kept between decisions, so
//! that none allocates; forgotten by a new epoch, so that none clears. Knows nothing of what is remembered.

use std::cell::Cell;

use crate::image::Image;
use crate::image::ids::{ClassId, VarId};
use crate::image::layout::dir;

/// Scratch for the walks of one image.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    epoch: u32,
    /// (epoch, class) by variable.
    classes: Vec<(u32, ClassId)>,
    /// Epoch in which the element was last there, by bit.
    bits: Vec<u32>,
    pub(super) touched: Cell<u64>,
}

impl Scratch {
    /// Forgets the last decision without touching what it remembered.
    pub(super) fn start(&mut self, image: &Image) {
        let len = |word| image.word(word) as usize;
        let (vars, bits) = (len(dir::VAR_COUNT), len(dir::BITS));
        self.epoch = self.epoch.wrapping_add(1);
        let fits = self.classes.len() == vars && self.bits.len() == bits;
        if self.epoch == 0 || !fits {
            self.epoch = 1;
            self.classes.clear();
            self.classes.resize(vars, (0, ClassId::UNKNOWN));
            self.bits.clear();
            self.bits.resize(bits, 0);
        }
    }

    /// The parts that a walk changes, and the count of words that a view changes.
    pub(super) fn split(&mut self) -> (Memory<'_>, &Cell<u64>) {
        let memory = Memory {
            epoch: self.epoch,
            classes: &mut self.classes,
            bits: &mut self.bits,
        };
        (memory, &self.touched)
    }
}

/// What a walk remembers.
pub(super) struct Memory<'s> {
    epoch: u32,
    classes: &'s mut [(u32, ClassId)],
    bits: &'s mut [u32],
}

impl Memory<'_> {
    /// The class of a variable, if it was looked at.
    #[inline]
    pub(super) fn class(&self, var: VarId) -> Option<ClassId> {
        match self.classes.get(var.0 as usize) {
            Some((epoch, class)) if *epoch == self.epoch => Some(*class),
            _ => None,
        }
    }

    #[inline]
    pub(super) fn remember(&mut self, var: VarId, class: ClassId) {
        if let Some(slot) = self.classes.get_mut(var.0 as usize) {
            *slot = (self.epoch, class);
        }
    }

    /// Whether an element is there.
    #[inline]
    pub(super) fn has(&self, bit: u32) -> bool {
        self.bits.get(bit as usize) == Some(&self.epoch)
    }

    #[inline]
    pub(super) fn add(&mut self, bit: u32) {
        if let Some(slot) = self.bits.get_mut(bit as usize) {
            *slot = self.epoch;
        }
    }
}
