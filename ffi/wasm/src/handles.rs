//! Objects <-> 64-bit handles: the slot in the low half, its generation in the high half. 0 is never a handle.

/// Largest number of objects of a kind that live at once.
const LIVE_MAX: usize = 1 << 16;

/// Objects of one kind.
#[derive(Debug)]
pub(crate) struct Handles<T> {
    slots: Vec<(u32, Option<T>)>,
    free: Vec<u32>,
}

impl<T> Default for Handles<T> {
    fn default() -> Handles<T> {
        Handles {
            slots: Vec::new(),
            free: Vec::new(),
        }
    }
}

impl<T> Handles<T> {
    /// A new handle; 0 where too many live.
    pub(crate) fn insert(&mut self, object: T) -> u64 {
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None if self.slots.len() < LIVE_MAX => {
                self.slots.push((1, None));
                self.slots.len() as u32 - 1
            }
            None => return 0,
        };
        match self.slots.get_mut(slot as usize) {
            Some((generation, held)) => {
                *held = Some(object);
                u64::from(*generation) << 32 | u64::from(slot)
            }
            None => 0,
        }
    }

    /// The object, unless it was removed.
    pub(crate) fn get(&self, handle: u64) -> Option<&T> {
        let (generation, held) = self.slots.get(handle as u32 as usize)?;
        held.as_ref().filter(|_| u64::from(*generation) == handle >> 32)
    }

    /// As [`Handles::get`], to change it.
    pub(crate) fn get_mut(&mut self, handle: u64) -> Option<&mut T> {
        let (generation, held) = self.slots.get_mut(handle as u32 as usize)?;
        held.as_mut().filter(|_| u64::from(*generation) == handle >> 32)
    }

    /// Ends a handle for good: a slot whose generations are used up is not used again.
    pub(crate) fn remove(&mut self, handle: u64) -> Option<T> {
        let slot = handle as u32;
        let (generation, held) = self.slots.get_mut(slot as usize)?;
        if u64::from(*generation) != handle >> 32 {
            return None;
        }
        let object = held.take()?;
        if let Some(next) = generation.checked_add(1) {
            *generation = next;
            self.free.push(slot);
        }
        Some(object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_freed_handle_is_not_another_object() {
        let mut handles = Handles::default();
        let a = handles.insert("a");
        assert_ne!(a, 0);
        assert_eq!(handles.remove(a), Some("a"));
        let b = handles.insert("b");
        assert_eq!((handles.get(a), handles.get(b)), (None, Some(&"b")));
        assert!(handles.get_mut(a).is_none() && handles.remove(a).is_none());
        assert!(handles.get(0).is_none() && handles.get(u64::MAX).is_none());
    }
}
