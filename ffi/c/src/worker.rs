//! What one thread decides with, and the exchanges it has begun. An exchange lives in its worker, so that one lock,
//! which nobody else wants, covers a call.

use std::sync::Arc;

use portcullis::decision::{Effect, Reason};
use portcullis::{Snapshot, Worker, decide, decide_explained};

use crate::engine::{self, ENGINES, Policy};
use crate::handles::{Handle, Kind, Object, Table, is_live};
use crate::kept::{Demands, Kept};
use crate::request::{self, Lists};
use crate::status::{FULL, Failure, NO_HANDLE};
use crate::types::{
    PORTCULLIS_DEMANDS_BODY, PORTCULLIS_DEMANDS_CHARGE, PORTCULLIS_DEMANDS_RESPONSE, PORTCULLIS_EXPLAIN,
    PORTCULLIS_TEST_PANIC, Request,
};

/// Exchanges that were freed and keep their buffers for the next ones, so many a worker: more than a thread usually has
/// under way at once, and little enough to lie idle after a burst.
const WARM_MAX: usize = 64;
/// The last generation that an exchange's slot is used with.
const GENERATION_MAX: u32 = u32::MAX - 2;

/// All workers of the process.
pub(crate) static WORKERS: Table<State> = Table::new(Kind::Worker);

/// What was in force when it was looked up. Counted within the worker: no other thread touches this counter.
type Pin = Arc<Arc<Snapshot>>;

/// One thread's objects.
#[derive(Debug, Default)]
pub(crate) struct State {
    own: Own,
    exchanges: Vec<Slot>,
    /// Free slots with buffers, then those without; the former are used first.
    warm: Vec<u16>,
    cold: Vec<u16>,
    /// Generations of the slots that earlier workers had here. They outlive these, so that an exchange's handle is never
    /// that of a later worker's exchange.
    past: Vec<u32>,
}

/// What ends with the worker.
#[derive(Debug, Default)]
struct Own {
    worker: Worker,
    lists: Lists,
    last: Option<Last>,
}

/// The policy of the last decision.
#[derive(Debug)]
struct Last {
    engine: u64,
    policy: Arc<Policy>,
    version: u64,
    pin: Option<Pin>,
}

#[derive(Debug, Default)]
struct Slot {
    generation: u32,
    exchange: Exchange,
}

/// One request under way: its decision, and what decided.
#[derive(Debug, Default)]
pub(crate) struct Exchange {
    pin: Option<Pin>,
    pub(crate) kept: Kept,
    /// The verdict's line, once it was asked for.
    pub(crate) line: String,
}

impl Exchange {
    /// The policy and data that decided; `None` where none was in force.
    pub(crate) fn snapshot(&self) -> Option<&Snapshot> {
        self.pin.as_ref().map(|pin| &***pin)
    }
}

impl Object for State {
    fn end(&mut self) {
        self.own = Own::default();
        (self.warm, self.cold) = (Vec::new(), Vec::new());
        let ended = std::mem::take(&mut self.exchanges);
        self.past.resize(self.past.len().max(ended.len()), 0);
        for (past, slot) in self.past.iter_mut().zip(&ended) {
            // Rounded up to the even number that no handle has.
            *past = slot
                .generation
                .saturating_add(u32::from(is_live(slot.generation)));
        }
    }
}

impl State {
    /// Decides, and gives the number of the new exchange with its contents.
    ///
    /// # Safety
    ///
    /// As of [`request::with_view`].
    #[inline]
    pub(crate) unsafe fn begin(
        &mut self,
        home: u16,
        engine: u64,
        request: &Request,
    ) -> Result<(u64, &Exchange), Failure> {
        let number = match self.warm.last() {
            Some(number) => *number,
            None => {
                let number = self.unused()?;
                self.warm.push(number);
                number
            }
        };
        let pin = self.own.pin(engine)?;
        let slot = self.exchanges.get_mut(usize::from(number)).ok_or(FULL)?;
        let Own { worker, lists, .. } = &mut self.own;
        let kept = &mut slot.exchange.kept;
        let decided = |view: &portcullis::RequestView<'_>, now| match &pin {
            None => kept.refuse(Reason::NoPolicy),
            Some(snapshot) => {
                if cfg!(debug_assertions) && request.flags & PORTCULLIS_TEST_PANIC != 0 {
                    #[expect(clippy::panic, reason = "a test asks what becomes of a defect")]
                    {
                        panic!("PORTCULLIS_TEST_PANIC");
                    }
                }
                kept.take(&decide(snapshot, view, now, worker), carried(request));
                if request.flags & PORTCULLIS_EXPLAIN != 0 && kept.effect == Effect::Deny {
                    kept.closest = decide_explained(snapshot, view, now, worker).closest;
                }
            }
        };
        // SAFETY: the caller's promise.
        unsafe { request::with_view(request, lists, decided) }?;
        // Only now is there an exchange: what failed before has made none.
        slot.exchange.pin = pin;
        slot.generation += 1;
        self.warm.pop();
        let handle = Handle {
            kind: Kind::Exchange,
            home,
            slot: number,
            generation: slot.generation,
        };
        Ok((handle.pack(), &slot.exchange))
    }

    /// A free slot without buffers: 16 bits of a handle name one.
    #[cold]
    fn unused(&mut self) -> Result<u16, Failure> {
        if let Some(number) = self.cold.pop() {
            return Ok(number);
        }
        loop {
            let number = u16::try_from(self.exchanges.len()).map_err(|_| FULL)?;
            let generation = self.past.get(usize::from(number)).copied().unwrap_or(0);
            self.exchanges.push(Slot {
                generation,
                exchange: Exchange::default(),
            });
            if generation < GENERATION_MAX {
                return Ok(number);
            }
        }
    }

    /// An exchange that this worker has begun.
    pub(crate) fn exchange(&mut self, handle: Handle) -> Result<&mut Exchange, Failure> {
        let slot = self
            .exchanges
            .get_mut(usize::from(handle.slot))
            .ok_or(NO_HANDLE)?;
        match slot.generation == handle.generation {
            true => Ok(&mut slot.exchange),
            false => Err(NO_HANDLE),
        }
    }

    /// Ends an exchange; its buffers wait for the next one. A slot whose generations are used up is not used again.
    pub(crate) fn finish(&mut self, handle: Handle) -> Result<(), Failure> {
        let slot = self
            .exchanges
            .get_mut(usize::from(handle.slot))
            .ok_or(NO_HANDLE)?;
        if slot.generation != handle.generation {
            return Err(NO_HANDLE);
        }
        slot.exchange.pin = None;
        slot.exchange.kept.clear();
        slot.exchange.line = String::new();
        slot.generation += 1;
        let is_used_up = slot.generation >= GENERATION_MAX;
        if is_used_up || self.warm.len() >= WARM_MAX {
            slot.exchange = Exchange::default();
        }
        match (is_used_up, self.warm.len() >= WARM_MAX) {
            (true, _) => {}
            (_, true) => self.cold.push(handle.slot),
            (_, false) => self.warm.push(handle.slot),
        }
        Ok(())
    }
}

/// What the host says that it carries out.
fn carried(request: &Request) -> Demands {
    let has = |bit| request.carries & bit != 0;
    Demands {
        charge: has(PORTCULLIS_DEMANDS_CHARGE),
        body: has(PORTCULLIS_DEMANDS_BODY),
        response: has(PORTCULLIS_DEMANDS_RESPONSE),
    }
}

impl Own {
    /// What is in force in an engine. Looked up anew only where there was a swap since the last decision.
    #[inline]
    fn pin(&mut self, engine: u64) -> Result<Option<Pin>, Failure> {
        if let Some(last) = &self.last
            && last.engine == engine
            && ENGINES.lives(engine)
            && last.policy.version() == last.version
        {
            return Ok(last.pin.clone());
        }
        self.look_up(engine)
    }

    #[cold]
    fn look_up(&mut self, engine: u64) -> Result<Option<Pin>, Failure> {
        // What is no longer asked for is let go even if the new one is no handle.
        self.last = None;
        let policy = engine::find(engine)?;
        // The number first: a swap in between makes the next call look again.
        let version = policy.version();
        let pin = policy.snapshot().map(Arc::new);
        self.last = Some(Last {
            engine,
            policy,
            version,
            pin: pin.clone(),
        });
        Ok(pin)
    }
}

/// The worker of an exchange's handle, and the handle taken apart.
pub(crate) fn of_exchange(exchange: u64) -> Result<(std::sync::MutexGuard<'static, State>, Handle), Failure> {
    let handle = Handle::unpack(exchange, Kind::Exchange).ok_or(NO_HANDLE)?;
    Ok((WORKERS.try_lock_slot(handle.home)?, handle))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begin(state: &mut State) -> Handle {
        let scheme = "https";
        let request = Request {
            scheme: crate::types::Text::from(scheme),
            ..Request::default()
        };
        let engine = ENGINES
            .insert(|_, object| *object = Some(Arc::default()))
            .unwrap();
        // SAFETY: the struct's one text lives here.
        let (handle, _) = unsafe { state.begin(7, engine, &request) }.unwrap();
        ENGINES.free(engine).unwrap();
        Handle::unpack(handle, Kind::Exchange).unwrap()
    }

    #[test]
    fn a_burst_leaves_few_buffers_and_a_worker_none() {
        let mut state = State::default();
        let all: Vec<Handle> = (0..3 * WARM_MAX).map(|_| begin(&mut state)).collect();
        all.iter().for_each(|handle| state.finish(*handle).unwrap());
        assert_eq!((state.warm.len(), state.cold.len()), (WARM_MAX, 2 * WARM_MAX));
        assert!(state.finish(*all.first().unwrap()).is_err());
        // What comes next has the slot with the buffers, and gives them back.
        let next = begin(&mut state);
        state.finish(next).unwrap();
        assert_eq!((state.warm.len(), state.cold.len()), (WARM_MAX, 2 * WARM_MAX));
        let live = begin(&mut state);
        state.end();
        assert!(state.exchanges.is_empty() && state.warm.is_empty() && state.exchange(live).is_err());
        // The next worker of this place: no handle of the last one is one of its own.
        let fresh: Vec<Handle> = (0..all.len()).map(|_| begin(&mut state)).collect();
        assert!(!fresh.contains(&live) && fresh.iter().all(|handle| !all.contains(handle)));
        assert!(
            all.iter()
                .chain([&next, &live])
                .all(|handle| state.exchange(*handle).is_err())
        );
    }
}
