//! Objects <-> 64-bit handles. Slots live as long as the process, so that a handle of an object that was freed finds a
//! newer generation and not somebody else's memory. Knows nothing of what it holds.
//!
//! A call locks the slot of the handle it is given and no other; making and freeing share a list of spare slots.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};

use crate::status::{BUSY, FULL, Failure, NO_HANDLE, POISONED};

/// What a handle stands for. A handle of one kind is no handle of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Engine = 0,
    Worker = 1,
    Exchange = 2,
    Error = 3,
}

/// A handle taken apart: kind (2 bits), the worker of an exchange or else [`NO_HOME`] (14), slot (16), generation (32). A
/// live generation is odd, so no handle is 0; and none is a small number, or an address of today's machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Handle {
    pub(crate) kind: Kind,
    pub(crate) home: u16,
    pub(crate) slot: u16,
    pub(crate) generation: u32,
}

impl Handle {
    pub(crate) fn pack(self) -> u64 {
        (self.kind as u64) << 62
            | u64::from(self.home) << 48
            | u64::from(self.slot) << 32
            | u64::from(self.generation)
    }

    /// `None` where the number is of another kind, or never was a handle.
    pub(crate) fn unpack(number: u64, kind: Kind) -> Option<Handle> {
        let handle = Handle {
            kind,
            home: (number >> 48) as u16 & (SLOTS_MAX - 1) as u16,
            slot: (number >> 32) as u16,
            generation: number as u32,
        };
        (handle.pack() == number && is_live(handle.generation)).then_some(handle)
    }
}

pub(crate) fn is_live(generation: u32) -> bool {
    generation % 2 == 1
}

/// Largest number of objects of a kind that live at once: 14 bits of a handle name the worker of an exchange.
pub(crate) const SLOTS_MAX: usize = 1 << 14;
/// In place of a worker, in handles of what belongs to none.
pub(crate) const NO_HOME: u16 = 0x2e97;
/// Slots that are made at once.
const CHUNK: usize = 128;

/// What a slot holds between an object's beginning and its end.
pub(crate) trait Object: Default {
    /// Lets go of everything that must not outlive the handle.
    fn end(&mut self);
}

/// A slot: the generation says whether an object lives in it.
#[derive(Debug, Default)]
pub(crate) struct Slot<T> {
    generation: AtomicU32,
    object: Mutex<T>,
}

impl<T> Slot<T> {
    /// Fails where the object of a generation does not live here any more.
    fn holds(&self, generation: u32) -> Result<(), Failure> {
        if self.generation.load(Ordering::Acquire) == generation {
            Ok(())
        } else {
            Err(NO_HANDLE)
        }
    }
}

/// Objects of one kind.
pub(crate) struct Table<T> {
    kind: Kind,
    chunks: [OnceLock<Box<[Slot<T>]>>; SLOTS_MAX / CHUNK],
    spare: Mutex<Spare>,
}

struct Spare {
    /// Slots that were never used begin here.
    next: usize,
    freed: Vec<u16>,
}

impl<T: Object> Table<T> {
    pub(crate) const fn new(kind: Kind) -> Table<T> {
        Table {
            kind,
            chunks: [const { OnceLock::new() }; SLOTS_MAX / CHUNK],
            spare: Mutex::new(Spare {
                next: 0,
                freed: Vec::new(),
            }),
        }
    }

    fn slot(&self, index: usize) -> Option<&Slot<T>> {
        self.chunks.get(index / CHUNK)?.get()?.get(index % CHUNK)
    }

    /// A new object's handle. `begin` is given the slot's number and what an earlier object left in the slot.
    pub(crate) fn insert(&self, begin: impl FnOnce(u16, &mut T)) -> Result<u64, Failure> {
        let index = self.spare_slot()?;
        let chunk = self.chunks.get(usize::from(index) / CHUNK).ok_or(FULL)?;
        let chunk = chunk.get_or_init(|| (0..CHUNK).map(|_| Slot::default()).collect());
        let slot = chunk.get(usize::from(index) % CHUNK).ok_or(FULL)?;
        let mut object = slot.object.lock().unwrap_or_else(PoisonError::into_inner);
        begin(index, &mut object);
        let generation = slot.generation.load(Ordering::Relaxed).wrapping_add(1);
        slot.generation.store(generation, Ordering::Release);
        let handle = Handle {
            kind: self.kind,
            home: NO_HOME,
            slot: index,
            generation,
        };
        Ok(handle.pack())
    }

    fn spare_slot(&self) -> Result<u16, Failure> {
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(index) = spare.freed.pop() {
            return Ok(index);
        }
        let index = spare.next;
        if index >= SLOTS_MAX {
            return Err(FULL);
        }
        spare.next += 1;
        u16::try_from(index).map_err(|_| FULL)
    }

    /// The object for one call of the only thread that uses it: another thread in a call with it is an error.
    pub(crate) fn try_lock(&self, handle: u64) -> Result<MutexGuard<'_, T>, Failure> {
        let (slot, generation) = self.find(handle)?;
        let object = match slot.object.try_lock() {
            Ok(object) => object,
            Err(TryLockError::WouldBlock) => return Err(BUSY),
            Err(TryLockError::Poisoned(_)) => return Err(slot.holds(generation).err().unwrap_or(POISONED)),
        };
        slot.holds(generation)?;
        Ok(object)
    }

    /// The object of a slot by number, whatever its generation; for exchanges, which are checked by their own.
    pub(crate) fn try_lock_slot(&self, index: u16) -> Result<MutexGuard<'_, T>, Failure> {
        let slot = self.slot(usize::from(index)).ok_or(NO_HANDLE)?;
        match slot.object.try_lock() {
            Ok(object) => Ok(object),
            Err(TryLockError::WouldBlock) => Err(BUSY),
            Err(TryLockError::Poisoned(_)) => Err(POISONED),
        }
    }

    /// The object for a moment, for any thread; waits for the others.
    pub(crate) fn lock(&self, handle: u64) -> Result<MutexGuard<'_, T>, Failure> {
        let (slot, generation) = self.find(handle)?;
        let object = slot.object.lock().map_err(|_| POISONED)?;
        slot.holds(generation)?;
        Ok(object)
    }

    /// Whether the object still lives. Reads one word that only making and freeing write.
    pub(crate) fn lives(&self, handle: u64) -> bool {
        self.find(handle).is_ok()
    }

    /// Ends an object. A slot whose generations are used up is not used again.
    pub(crate) fn free(&self, handle: u64) -> Result<(), Failure> {
        let (slot, generation) = self.find(handle)?;
        let mut object = match slot.object.try_lock() {
            Ok(object) => object,
            Err(TryLockError::WouldBlock) => return Err(BUSY),
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
        };
        slot.holds(generation)?;
        // From here on the handle is dead, even if ending the object should fail.
        slot.generation
            .store(generation.wrapping_add(1), Ordering::Release);
        object.end();
        drop(object);
        slot.object.clear_poison();
        if generation < u32::MAX - 1 {
            let index = (handle >> 32) as u16;
            let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
            spare.freed.push(index);
        }
        Ok(())
    }

    fn find(&self, handle: u64) -> Result<(&Slot<T>, u32), Failure> {
        let handle = Handle::unpack(handle, self.kind)
            .filter(|handle| handle.home == NO_HOME)
            .ok_or(NO_HANDLE)?;
        let slot = self.slot(usize::from(handle.slot)).ok_or(NO_HANDLE)?;
        slot.holds(handle.generation)?;
        Ok((slot, handle.generation))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Object for u8 {
        fn end(&mut self) {
            *self = 0;
        }
    }

    #[test]
    fn a_freed_handle_is_not_another_object() {
        let table: Table<u8> = Table::new(Kind::Worker);
        let a = table.insert(|_, object| *object = 1).unwrap();
        assert!(a != 0 && *table.try_lock(a).unwrap() == 1);
        table.free(a).unwrap();
        let b = table.insert(|_, object| *object = 2).unwrap();
        assert!(table.try_lock(a).is_err() && table.free(a).is_err() && !table.lives(a));
        assert_eq!(*table.try_lock(b).unwrap(), 2);
        for foreign in [0, 1, u64::MAX, b ^ 1 << 62, b ^ 1 << 48, b ^ 1 << 32, b + 1] {
            assert!(table.try_lock(foreign).is_err(), "{foreign:x}");
        }
    }

    #[test]
    fn two_at_once_are_told_and_a_panic_poisons() {
        let table: Table<u8> = Table::new(Kind::Engine);
        let handle = table.insert(|_, _| ()).unwrap();
        assert!(handle >> 48 != 0, "{handle:x} is small");
        let held = table.try_lock(handle).unwrap();
        assert_eq!(table.try_lock(handle).map(|_| ()).unwrap_err().code, BUSY.code);
        assert_eq!(table.free(handle).unwrap_err().code, BUSY.code);
        drop(held);
        let panicked = std::panic::catch_unwind(|| {
            let _held = table.try_lock(handle).unwrap();
            panic!("a defect");
        });
        assert!(panicked.is_err());
        assert_eq!(
            table.try_lock(handle).map(|_| ()).unwrap_err().code,
            POISONED.code
        );
        table.free(handle).unwrap();
        let next = table.insert(|_, _| ()).unwrap();
        assert!(table.try_lock(next).is_ok() && table.try_lock(handle).is_err());
    }

    #[test]
    fn there_is_an_end_to_slots() {
        let table: Table<u8> = Table::new(Kind::Error);
        let handles: Vec<u64> = (0..SLOTS_MAX).map(|_| table.insert(|_, _| ()).unwrap()).collect();
        assert_eq!(table.insert(|_, _| ()).unwrap_err().code, FULL.code);
        handles.iter().for_each(|handle| table.free(*handle).unwrap());
        assert!(table.insert(|_, _| ()).is_ok());
    }
}
