//! What one thread decides with, and the exchanges it has begun. An exchange lives in its worker, so that one lock,
//! which nobody else wants, covers a call.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use portcullis::{Carries, Exchange, Worker};

use crate::engine::{self, ENGINES, Policy};
use crate::handles::{Handle, Kind, Object, Table, is_live};
use crate::request::{self, Lists};
use crate::status::{FULL, Failure, NO_HANDLE};
use crate::types::{
    PORTCULLIS_CARRIES_INTROSPECTION, PORTCULLIS_DEMANDS_BODY, PORTCULLIS_DEMANDS_CHARGE,
    PORTCULLIS_DEMANDS_RESPONSE, PORTCULLIS_EXPLAIN, PORTCULLIS_TEST_PANIC, Request,
};

/// Exchanges that were freed and keep their buffers for the next ones, so many a worker: more than a thread usually has
/// under way at once, and little enough to lie idle after a burst.
const WARM_MAX: usize = 64;
/// Bytes that a freed exchange keeps room for of a response's body.
const BODY_KEEP_MAX: usize = 1 << 16;
/// The last generation that an exchange's slot is used with.
const GENERATION_MAX: u32 = u32::MAX - 2;

/// All workers of the process.
pub(crate) static WORKERS: Table<State> = Table::new(Kind::Worker);

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

/// The engine of the last decision: its handle and what is behind it.
#[derive(Debug)]
struct Last {
    engine: u64,
    policy: Arc<Policy>,
}

#[derive(Debug, Default)]
struct Slot {
    generation: u32,
    under_way: UnderWay,
}

/// One exchange of the engine, and the texts of it that a caller was given.
#[derive(Debug, Default)]
pub(crate) struct UnderWay {
    pub(crate) exchange: Exchange,
    /// The verdict's line, once it was asked for.
    pub(crate) line: String,
    /// What the last part of a response's body became.
    pub(crate) body: Vec<u8>,
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
        self.own.take(engine)?;
        let slot = self.exchanges.get_mut(usize::from(number)).ok_or(FULL)?;
        let Own { worker, lists, last } = &mut self.own;
        let policy = &last.as_ref().ok_or(NO_HANDLE)?.policy;
        let exchange = &mut slot.under_way.exchange;
        exchange.explain_denials(request.flags & PORTCULLIS_EXPLAIN != 0);
        let begin = |view: &portcullis::RequestView<'_>, now| {
            if cfg!(debug_assertions) && request.flags & PORTCULLIS_TEST_PANIC != 0 {
                #[expect(clippy::panic, reason = "a test asks what becomes of a defect")]
                {
                    panic!("PORTCULLIS_TEST_PANIC");
                }
            }
            policy
                .engine()
                .begin(exchange, worker, view, carried(request), now);
        };
        // SAFETY: the caller's promise.
        unsafe { request::with_view(request, lists, begin) }?;
        // Only now is there an exchange: what failed before has made none.
        slot.generation += 1;
        self.warm.pop();
        let handle = Handle {
            kind: Kind::Exchange,
            home,
            slot: number,
            generation: slot.generation,
        };
        Ok((handle.pack(), &slot.under_way.exchange))
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
                under_way: UnderWay::default(),
            });
            if generation < GENERATION_MAX {
                return Ok(number);
            }
        }
    }

    /// An exchange that this worker has begun.
    pub(crate) fn exchange(&mut self, handle: Handle) -> Result<&mut UnderWay, Failure> {
        self.exchange_and_worker(handle).map(|(under_way, _)| under_way)
    }

    /// The same, with what it decides by.
    pub(crate) fn exchange_and_worker(
        &mut self,
        handle: Handle,
    ) -> Result<(&mut UnderWay, &mut Worker), Failure> {
        let slot = live(&mut self.exchanges, handle)?;
        Ok((&mut slot.under_way, &mut self.own.worker))
    }

    /// An exchange and the lists that header lines are read into.
    pub(crate) fn exchange_and_lists(
        &mut self,
        handle: Handle,
    ) -> Result<(&mut UnderWay, &mut Lists), Failure> {
        let slot = live(&mut self.exchanges, handle)?;
        Ok((&mut slot.under_way, &mut self.own.lists))
    }

    /// Ends an exchange; its buffers wait for the next one. A slot whose generations are used up is not used again.
    pub(crate) fn finish(&mut self, handle: Handle) -> Result<(), Failure> {
        let slot = live(&mut self.exchanges, handle)?;
        slot.under_way.exchange.clear();
        slot.under_way.line = String::new();
        slot.under_way.body.clear();
        slot.under_way.body.shrink_to(BODY_KEEP_MAX);
        slot.generation += 1;
        let is_used_up = slot.generation >= GENERATION_MAX;
        if is_used_up || self.warm.len() >= WARM_MAX {
            slot.under_way = UnderWay::default();
        }
        match (is_used_up, self.warm.len() >= WARM_MAX) {
            (true, _) => {}
            (_, true) => self.cold.push(handle.slot),
            (_, false) => self.warm.push(handle.slot),
        }
        Ok(())
    }
}

/// The slot of an exchange that is under way.
fn live(exchanges: &mut [Slot], handle: Handle) -> Result<&mut Slot, Failure> {
    exchanges
        .get_mut(usize::from(handle.slot))
        .filter(|slot| slot.generation == handle.generation)
        .ok_or(NO_HANDLE)
}

/// What the host says that it carries out.
fn carried(request: &Request) -> Carries {
    let has = |bit| request.carries & bit != 0;
    Carries {
        introspection: has(PORTCULLIS_CARRIES_INTROSPECTION),
        charges: has(PORTCULLIS_DEMANDS_CHARGE),
        request_body: has(PORTCULLIS_DEMANDS_BODY),
        response_body: has(PORTCULLIS_DEMANDS_RESPONSE),
    }
}

impl Own {
    /// Sees to it that the last engine is the one of a handle.
    #[inline]
    fn take(&mut self, engine: u64) -> Result<(), Failure> {
        match &self.last {
            Some(last) if last.engine == engine && ENGINES.lives(engine) => Ok(()),
            _ => self.look_up(engine),
        }
    }

    #[cold]
    fn look_up(&mut self, engine: u64) -> Result<(), Failure> {
        // What is no longer asked for is let go even if the new one is no handle.
        self.last = None;
        self.worker.forget_policy();
        let policy = engine::find(engine)?;
        self.last = Some(Last { engine, policy });
        Ok(())
    }
}

/// The worker of an exchange's handle, and the handle taken apart.
// In the module a copy in each export would be a hundredth of it.
#[cfg_attr(not(target_family = "wasm"), inline)]
pub(crate) fn of_exchange(exchange: u64) -> Result<(std::sync::MutexGuard<'static, State>, Handle), Failure> {
    let handle = Handle::unpack(exchange, Kind::Exchange).ok_or(NO_HANDLE)?;
    Ok((WORKERS.try_lock_slot(handle.home)?, handle))
}
