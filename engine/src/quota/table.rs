//! Hashed keys -> words of their states, in memory of fixed size that holds offsets and no pointers, so that it may lie on
//! the heap or be shared by processes. All access is atomic, and nothing is allocated after the table was made. Knows the
//! kinds of states only as far as to say which are idle.
//!
//! A key has its slot in one set, wherever there was room when it first came. A slot is a tag, which says whose it is, and
//! a state. Whoever charges reads the state, then the tag, then swaps the state for the new one if it is still the same.
//!
//! Invariants, which make that right:
//! - No state comes back: an idle one is of the past, and what is charged after it is not. (What is in flight has no time;
//!   its states are numbered, and one comes back after 256 others.) So if a state is the one that was read, the slot was not
//!   given away in between.
//! - Only who holds the lock of a set gives slots of it away, and only idle ones. So a key never has two slots, and is
//!   charged to the shared bucket only while it has none.
//!
//! A process may die while it holds a lock. Then the lock is taken over after [`LOCK_US`], and what was half done is undone.
//! Who was not dead but slow finds its ticket gone and starts again.

use std::sync::atomic::{AtomicU64, Ordering, fence};

use super::clock::Clock;
use super::hash::{KeyHash, Seed};
use super::{calendar, in_flight, rate};

/// Words of one cache line.
const LINE_WORDS: usize = 8;

/// Memory of a table: a cache line.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub struct Line([AtomicU64; LINE_WORDS]);

/// Lines of a set.
const SET_LINES: usize = 16;
/// Slots of a set: its first two words are the lock and unused.
const SLOTS: usize = SET_LINES * LINE_WORDS / 2 - 1;
/// Keys that a set is meant for: sets are filled by chance, and one with more than its slots shares a bucket.
const SET_KEYS: usize = 44;
/// Buckets that the keys of a quota share, by their sets: where one set is full, keys of few others are concerned.
const STRIPES: u32 = 16;
/// Lines of shared buckets.
const SHARED_LINES: usize = 256;
/// Shared buckets: for 64 quotas that all have more keys than there is room for.
const SHARED_SLOTS: usize = SHARED_LINES * LINE_WORDS / 2;
const HEADER_LINES: usize = 1;

/// First word of the memory: a table of this layout.
const MAGIC: u64 = u64::from_le_bytes(*b"PCQUOTA\x01");

/// Words of the header.
mod header {
    pub(super) const MAGIC: usize = 0;
    pub(super) const SEED: usize = 1;
    pub(super) const LATEST: usize = 3;
    pub(super) const OFFSET: usize = 4;
}

/// A lock is taken over after this time, µs: a million times what holding it takes.
const LOCK_US: u64 = 1_000_000;
/// Times that a thread looks at a lock, or at a slot that is being given away, before it gives up.
const PATIENCE: u32 = 1 << 11;
/// Times that a charge starts again because its slot was given away meanwhile.
const TRIES: u32 = 64;
/// After so many looks it lets other threads run.
const BUSY_LOOKS: u32 = 64;

/// A slot that was never used.
const NEVER: u64 = 0;
/// Slots whose giving away was undone: one or the other, so that the tag changes each time.
const UNDONE: [u64; 2] = [1, 2];
/// The smallest tag of a key.
const TAG_MIN: u64 = 3;

/// How a state is to be read. In the uppermost bits of its word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Rate = 1,
    Calendar = 2,
    InFlight = 3,
}

const KIND_SHIFT: u32 = 62;
const VALUE_MASK: u64 = (1 << KIND_SHIFT) - 1;

#[derive(Clone, Copy, Debug)]
pub(super) struct Time {
    pub(super) now_us: u64,
    pub(super) wall_us: Option<i64>,
}

impl Kind {
    fn word(self, value: u64) -> u64 {
        ((self as u64) << KIND_SHIFT) | (value & VALUE_MASK)
    }
}

/// Whether a slot with this state can be given away and no key loses what it spent. One that is being given away is not idle.
fn is_idle(word: u64, time: Time) -> bool {
    let value = word & VALUE_MASK;
    match word >> KIND_SHIFT {
        1 => rate::is_idle(value, time.now_us),
        2 => calendar::is_idle(value, time.wall_us),
        3 => in_flight::is_idle(value, time.now_us),
        _ => false,
    }
}

/// A key's bucket: one of its own, or one that keys of its quota share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Own { set: u32, slot: u32 },
    Shared { slot: u32 },
}

/// A table or a lock that somebody else holds for too long, or no room for another shared bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unavailable;

/// Why a slot was not changed.
enum Unchanged {
    /// It is another key's by now.
    Moved,
    /// It has been given away for too long.
    Stuck,
}

/// What a charge makes of a state: the new one, and what it says of it.
pub(super) trait Change: Sized {
    type Says;
    /// The same at another time, µs.
    fn at(&self, now_us: u64) -> Self;
    /// `shared` is what the quota's shared bucket holds; 0 where it is not asked for.
    fn of(&self, value: u64, shared: u64) -> (u64, Self::Says);
    /// Whether the new state is worth a slot.
    fn is_kept(&self, says: &Self::Says) -> bool;
}

/// What a change says, and where and when, µs, it was made; of a key that has no slot and needs none, nowhere.
pub(super) type Done<C> = (<C as Change>::Says, Option<Place>, u64);

#[derive(Debug)]
enum Memory {
    Own(Box<[Line]>),
    Lent(&'static [Line]),
}

#[derive(Debug)]
pub(super) struct Table {
    memory: Memory,
    seed: Seed,
    sets: u64,
}

/// Lines that a table for so many keys takes.
pub(super) fn lines_for(keys: usize) -> usize {
    HEADER_LINES + SHARED_LINES + keys.div_ceil(SET_KEYS).max(1).saturating_mul(SET_LINES)
}

impl Table {
    /// An empty table on the heap.
    pub(super) fn new(keys: usize, seed: Seed) -> Table {
        let lines: Box<[Line]> = (0..lines_for(keys)).map(|_| Line::default()).collect();
        let table = Table {
            sets: sets(lines.len()),
            memory: Memory::Own(lines),
            seed,
        };
        table.format();
        table
    }

    /// An empty table in memory that is all zero.
    pub(super) fn format_in(lines: &'static [Line], seed: Seed) -> Option<Table> {
        let table = Table {
            sets: sets(lines.len()),
            memory: Memory::Lent(lines),
            seed,
        };
        (table.sets > 0).then(|| {
            table.format();
            table
        })
    }

    /// The table that [`Table::format_in`] has made in this memory.
    pub(super) fn attach(lines: &'static [Line]) -> Option<Table> {
        let word = |word: usize| Some(lines.first()?.0.get(word)?.load(Ordering::Acquire));
        let seed = Seed::from_words(word(header::SEED)?, word(header::SEED + 1)?);
        let sets = sets(lines.len());
        (word(header::MAGIC)? == MAGIC && sets > 0).then_some(Table {
            memory: Memory::Lent(lines),
            seed,
            sets,
        })
    }

    fn format(&self) {
        let [k0, k1] = self.seed.words();
        for (word, value) in [(header::SEED, k0), (header::SEED + 1, k1), (header::MAGIC, MAGIC)] {
            self.word(0, word).store(value, Ordering::Release);
        }
    }

    pub(super) fn seed(&self) -> Seed {
        self.seed
    }

    pub(super) fn clock(&self) -> Clock<'_> {
        Clock {
            latest: self.word(0, header::LATEST),
            offset: self.word(0, header::OFFSET),
        }
    }

    #[inline]
    fn lines(&self) -> &[Line] {
        match &self.memory {
            Memory::Own(lines) => lines,
            Memory::Lent(lines) => lines,
        }
    }

    /// A word of the lines from `line` on.
    #[inline]
    fn word(&self, line: usize, word: usize) -> &AtomicU64 {
        static NONE: AtomicU64 = AtomicU64::new(0);
        let line = self.lines().get(line + word / LINE_WORDS);
        // The memory has as many lines as the sets ask for, so there is no other case.
        line.and_then(|line| line.0.get(word % LINE_WORDS))
            .unwrap_or(&NONE)
    }

    #[inline]
    fn slot(&self, set: u32, slot: u32) -> Slot<'_> {
        let first = HEADER_LINES + SHARED_LINES + set as usize * SET_LINES;
        let word = 2 + 2 * slot as usize;
        Slot {
            tag: self.word(first, word),
            state: self.word(first, word + 1),
        }
    }

    fn shared_slot(&self, slot: u32) -> Slot<'_> {
        let word = 2 * slot as usize;
        Slot {
            tag: self.word(HEADER_LINES, word),
            state: self.word(HEADER_LINES, word + 1),
        }
    }

    fn lock(&self, set: u32) -> &AtomicU64 {
        self.word(HEADER_LINES + SHARED_LINES + set as usize * SET_LINES, 0)
    }

    #[inline]
    fn set_of(&self, key: &KeyHash) -> u32 {
        (((key.place >> 32) * self.sets) >> 32) as u32
    }

    /// The slots of a key's set, in the order in which it looks for its own.
    #[inline]
    fn slots_of(key: &KeyHash) -> impl Iterator<Item = u32> + use<> {
        let home = (((key.place & 0xffff_ffff) * SLOTS as u64) >> 32) as u32;
        (home..SLOTS as u32).chain(0..home)
    }

    /// The slot of a key, if it has one.
    #[inline]
    fn find(&self, key: &KeyHash) -> Option<(u32, u32)> {
        let (set, own) = (self.set_of(key), tag(key));
        for slot in Self::slots_of(key) {
            match self.slot(set, slot).tag.load(Ordering::Acquire) {
                found if found == own => return Some((set, slot)),
                NEVER => return None,
                _ => {}
            }
        }
        None
    }

    /// Changes the state of a key's bucket. A key that comes for the first time gets a slot if the change is worth one.
    #[inline]
    pub(super) fn change<C: Change>(
        &self,
        key: &KeyHash,
        kind: Kind,
        time: Time,
        change: &C,
    ) -> Result<Done<C>, Unavailable> {
        for _ in 0..TRIES {
            let done = match self.find(key) {
                Some((set, slot)) => self
                    .change_slot(self.slot(set, slot), tag(key), kind, key, change)
                    .map(|says| (says, Some(Place::Own { set, slot }), time.now_us)),
                None => self.change_new(key, kind, time, change)?,
            };
            match done {
                Ok(done) => return Ok(done),
                Err(Unchanged::Moved) => {}
                // Whoever gives it away may have died.
                Err(Unchanged::Stuck) => drop(SetLock::take(self, self.set_of(key), time)?),
            }
        }
        Err(Unavailable)
    }

    /// What a change would say, and changes nothing.
    pub(super) fn peek<C: Change>(
        &self,
        key: &KeyHash,
        kind: Kind,
        change: &C,
    ) -> Result<C::Says, Unavailable> {
        for _ in 0..TRIES {
            let (value, slot) = match self.find(key) {
                None => (self.value_of_new(key, kind, 0), None),
                Some((set, slot)) => {
                    let slot = self.slot(set, slot);
                    let word = slot.settled()?;
                    (word & VALUE_MASK, Some(slot))
                }
            };
            if slot.is_none_or(|slot| slot.tag.load(Ordering::Acquire) == tag(key)) {
                return Ok(change.of(value, self.shared_of(kind, key, value)).1);
            }
        }
        Err(Unavailable)
    }

    #[inline]
    fn change_slot<C: Change>(
        &self,
        slot: Slot<'_>,
        tag: u64,
        kind: Kind,
        key: &KeyHash,
        change: &C,
    ) -> Result<C::Says, Unchanged> {
        loop {
            // The state before the tag: a slot that was given away after the tag was read has another state.
            let word = slot.settled().map_err(|_| Unchanged::Stuck)?;
            if slot.tag.load(Ordering::Acquire) != tag {
                return Err(Unchanged::Moved);
            }
            let value = word & VALUE_MASK;
            let (new, says) = change.of(value, self.shared_of(kind, key, value));
            if slot.swap(word, kind.word(new)) {
                return Ok(says);
            }
        }
    }

    /// What the shared bucket of a key holds, where a state depends on it.
    #[inline]
    fn shared_of(&self, kind: Kind, key: &KeyHash, value: u64) -> u64 {
        if kind == Kind::InFlight && in_flight::shares(value) {
            self.shared_value(key)
        } else {
            0
        }
    }

    fn shared_value(&self, key: &KeyHash) -> u64 {
        self.find_shared(key).map_or(0, |slot| {
            self.shared_slot(slot).state.load(Ordering::Acquire) & VALUE_MASK
        })
    }

    /// The state that a key begins with. Some of what it spent may be counted by the shared bucket, so it is as if all of
    /// that was spent by it.
    fn value_of_new(&self, key: &KeyHash, kind: Kind, ticket: u64) -> u64 {
        let shared = self.shared_value(key);
        match kind {
            Kind::InFlight => in_flight::beginning(ticket, shared != 0),
            Kind::Rate | Kind::Calendar => shared,
        }
    }

    /// Changes the state of a key that has no slot.
    #[cold]
    fn change_new<C: Change>(
        &self,
        key: &KeyHash,
        kind: Kind,
        time: Time,
        change: &C,
    ) -> Result<Result<Done<C>, Unchanged>, Unavailable> {
        let set = self.set_of(key);
        let lock = SetLock::take(self, set, time)?;
        if self.find(key).is_some() {
            return Ok(Err(Unchanged::Moved));
        }
        // A slot of this key may have been given away as idle since this time was read; before that it was not idle.
        let time = Time {
            now_us: self.clock().not_before(time.now_us),
            ..time
        };
        let change = &change.at(time.now_us);
        let value = self.value_of_new(key, kind, lock.held);
        let (new, says) = change.of(value, self.shared_of(kind, key, value));
        if !change.is_kept(&says) {
            return Ok(Ok((says, None, time.now_us)));
        }
        for slot in Self::slots_of(key) {
            let found = self.slot(set, slot);
            let owner = found.tag.load(Ordering::Acquire);
            let word = found.state.load(Ordering::Acquire);
            if owner != NEVER && !is_idle(word, time) {
                continue;
            }
            let busy = lock.busy();
            if !found.swap(word, busy) {
                // Its owner came back.
                continue;
            }
            // Either who takes this lock over sees the slot that is being given away, or this sees that it is over.
            fence(Ordering::SeqCst);
            let is_given = lock.is_held()
                && found
                    .tag
                    .compare_exchange(owner, tag(key), Ordering::AcqRel, Ordering::Acquire)
                    .is_ok();
            if !is_given {
                found.swap(busy, word);
                return Ok(Err(Unchanged::Moved));
            }
            return Ok(if found.swap(busy, kind.word(new)) {
                Ok((says, Some(Place::Own { set, slot }), time.now_us))
            } else {
                Err(Unchanged::Moved)
            });
        }
        let slot = self.shared_for(key).ok_or(Unavailable)?;
        if !lock.is_held() {
            return Ok(Err(Unchanged::Moved));
        }
        let changed = self.change_slot(self.shared_slot(slot), self.shared_tag(key), kind, key, change);
        Ok(changed.map(|says| (says, Some(Place::Shared { slot }), time.now_us)))
    }

    fn find_shared(&self, key: &KeyHash) -> Option<u32> {
        let own = self.shared_tag(key);
        for slot in shared_slots_of(own) {
            match self.shared_slot(slot).tag.load(Ordering::Acquire) {
                found if found == own => return Some(slot),
                NEVER => return None,
                _ => {}
            }
        }
        None
    }

    /// The bucket that a key shares, from now on; it is never given away.
    fn shared_for(&self, key: &KeyHash) -> Option<u32> {
        let own = self.shared_tag(key);
        shared_slots_of(own).find(|slot| {
            let taken =
                self.shared_slot(*slot)
                    .tag
                    .compare_exchange(NEVER, own, Ordering::AcqRel, Ordering::Acquire);
            taken.map_or_else(|found| found == own, |_| true)
        })
    }

    /// All keys of one quota in one set share one bucket.
    fn shared_tag(&self, key: &KeyHash) -> u64 {
        let stripe = u64::from(self.set_of(key) % STRIPES);
        let spread = (stripe + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (key.quota.0 ^ spread).max(TAG_MIN)
    }

    /// Changes the state of a bucket that was charged, if it is still this key's.
    pub(super) fn change_at<C: Change>(&self, place: Place, key: &KeyHash, kind: Kind, change: &C) {
        let (slot, tag) = match place {
            Place::Own { set, slot } => (self.slot(set, slot), tag(key)),
            Place::Shared { slot } => (self.shared_slot(slot), self.shared_tag(key)),
        };
        // Where it is not, what was charged has long been over.
        let _ = self.change_slot(slot, tag, kind, key, change);
    }

    /// How many slots are not idle, and how many there are.
    pub(super) fn used(&self, time: Time) -> (usize, usize) {
        let slots = (0..self.sets as u32).flat_map(|set| (0..SLOTS as u32).map(move |slot| (set, slot)));
        let words = slots.map(|(set, slot)| self.slot(set, slot).state.load(Ordering::Relaxed));
        let used = words.filter(|word| *word != 0 && !is_idle(*word, time)).count();
        (used, self.sets as usize * SLOTS)
    }
}

fn sets(lines: usize) -> u64 {
    let sets = lines.saturating_sub(HEADER_LINES + SHARED_LINES) / SET_LINES;
    u64::from(u32::try_from(sets).unwrap_or(u32::MAX))
}

fn tag(key: &KeyHash) -> u64 {
    key.tag.max(TAG_MIN)
}

fn shared_slots_of(tag: u64) -> impl Iterator<Item = u32> {
    let home = (tag % SHARED_SLOTS as u64) as u32;
    (home..SHARED_SLOTS as u32).chain(0..home)
}

#[derive(Clone, Copy)]
struct Slot<'t> {
    tag: &'t AtomicU64,
    state: &'t AtomicU64,
}

impl Slot<'_> {
    /// The state, once it is not being given away. A slot that was never used has state 0.
    #[inline]
    fn settled(&self) -> Result<u64, Unavailable> {
        let word = self.state.load(Ordering::Acquire);
        if is_busy(word) { self.wait() } else { Ok(word) }
    }

    #[cold]
    fn wait(&self) -> Result<u64, Unavailable> {
        for look in 0..PATIENCE {
            let word = self.state.load(Ordering::Acquire);
            if !is_busy(word) {
                return Ok(word);
            }
            relax(look);
        }
        Err(Unavailable)
    }

    #[inline]
    fn swap(&self, old: u64, new: u64) -> bool {
        (old == new && !is_busy(old))
            || self
                .state
                .compare_exchange(old, new, Ordering::AcqRel, Ordering::Acquire)
                .is_ok()
    }
}

/// A word of no kind, which is not that of a slot never used.
fn is_busy(word: u64) -> bool {
    word >> KIND_SHIFT == 0 && word != 0
}

/// A module in a gateway has one thread, and no gateway offers it to yield.
fn relax(look: u32) {
    if look < BUSY_LOOKS || cfg!(target_family = "wasm") {
        std::hint::spin_loop();
    } else {
        std::thread::yield_now();
    }
}

/// The right to give slots of one set away. The word is the time at which it was taken, in ms and 0 while it is free, above
/// a ticket that rises with each taking.
struct SetLock<'t> {
    lock: &'t AtomicU64,
    held: u64,
}

const TICKET_BITS: u32 = 20;

impl<'t> SetLock<'t> {
    fn take(table: &'t Table, set: u32, time: Time) -> Result<SetLock<'t>, Unavailable> {
        let lock = table.lock(set);
        let ms = time.now_us / 1_000 + 1;
        for look in 0..PATIENCE {
            let word = lock.load(Ordering::Acquire);
            let taken_ms = word >> TICKET_BITS;
            let is_left = taken_ms != 0 && ms > taken_ms.saturating_add(LOCK_US / 1_000);
            if taken_ms != 0 && !is_left {
                relax(look);
                continue;
            }
            let ticket = (word + 1) & ((1 << TICKET_BITS) - 1);
            let held = (ms << TICKET_BITS) | ticket;
            if lock
                .compare_exchange(word, held, Ordering::AcqRel, Ordering::Acquire)
                .is_ok()
            {
                let taken = SetLock { lock, held };
                if is_left {
                    undo(table, set, taken.busy());
                }
                return Ok(taken);
            }
        }
        Err(Unavailable)
    }

    /// A state that says that a slot is being given away, another one for each taking.
    fn busy(&self) -> u64 {
        self.held & VALUE_MASK
    }

    fn is_held(&self) -> bool {
        self.lock.load(Ordering::SeqCst) == self.held
    }
}

impl Drop for SetLock<'_> {
    fn drop(&mut self) {
        let free = self.held & ((1 << TICKET_BITS) - 1);
        // Where it was taken over, it is not ours to free.
        let _ = self
            .lock
            .compare_exchange(self.held, free, Ordering::AcqRel, Ordering::Acquire);
    }
}

/// What a holder left half done: slots that were being given away belong to no key. They are taken first, by a word of our own, so
/// that a holder who is slow and not dead has either finished by then or finds that it was undone.
#[cold]
fn undo(table: &Table, set: u32, busy: u64) {
    fence(Ordering::SeqCst);
    for slot in 0..SLOTS as u32 {
        let slot = table.slot(set, slot);
        let word = slot.state.load(Ordering::SeqCst);
        if is_busy(word) && slot.swap(word, busy) {
            let [undone, again] = UNDONE;
            let is_undone = slot.tag.load(Ordering::Acquire) == undone;
            slot.tag
                .store(if is_undone { again } else { undone }, Ordering::Release);
            slot.swap(busy, Kind::Rate.word(0));
        }
    }
}

#[cfg(test)]
mod tests;
