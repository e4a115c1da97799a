//! What one thread decides with, and the exchanges it has begun. An exchange lives in its worker, so that one lock,
//! which nobody else wants, covers a call.

use std::sync::Arc;

use portcullis::decide::Reason;
use portcullis::{Snapshot, Worker, decide, decide_explained};

use crate::engine::{self, ENGINES, Policy};
use crate::handles::{Handle, Kind, Object, Table, is_live};
use crate::kept::Kept;
use crate::request::{self, Lists};
use crate::status::{FULL, Failure, NO_HANDLE};
use crate::types::{PORTCULLIS_EXPLAIN, PORTCULLIS_TEST_PANIC, Request};

/// Largest number of exchanges of one worker that are under way at once: 16 bits of a handle name one.
const EXCHANGES_MAX: usize = 1 << 16;

/// All workers of the process.
pub(crate) static WORKERS: Table<State> = Table::new(Kind::Worker);

/// What was in force when it was looked up. Counted within the worker: no other thread touches this counter.
type Pin = Arc<Arc<Snapshot>>;

/// One thread's objects.
#[derive(Debug, Default)]
pub(crate) struct State {
    own: Own,
    /// Outlives the worker, so that an exchange's handle is never that of a later worker's exchange.
    exchanges: Vec<Slot>,
    spare: Vec<u16>,
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
        for (number, slot) in (0..).zip(&mut self.exchanges) {
            if is_live(slot.generation) {
                end(slot, number, &mut self.spare);
            }
            slot.exchange = Exchange::default();
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
        let number = match self.spare.last() {
            Some(number) => *number,
            None => {
                let number = u16::try_from(self.exchanges.len()).map_err(|_| FULL)?;
                self.exchanges.push(Slot::default());
                self.spare.push(number);
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
                kept.take(&decide(snapshot, view, now, worker));
                if request.flags & PORTCULLIS_EXPLAIN != 0 {
                    kept.closest = decide_explained(snapshot, view, now, worker).closest;
                }
            }
        };
        // SAFETY: the caller's promise.
        unsafe { request::with_view(request, lists, decided) }?;
        // Only now is there an exchange: what failed before has made none.
        slot.exchange.pin = pin;
        slot.generation += 1;
        self.spare.pop();
        let handle = Handle {
            kind: Kind::Exchange,
            home,
            slot: number,
            generation: slot.generation,
        };
        Ok((handle.pack(), &slot.exchange))
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

    /// Ends an exchange; its buffers wait for the next one.
    pub(crate) fn finish(&mut self, handle: Handle) -> Result<(), Failure> {
        let slot = self
            .exchanges
            .get_mut(usize::from(handle.slot))
            .ok_or(NO_HANDLE)?;
        if slot.generation != handle.generation {
            return Err(NO_HANDLE);
        }
        end(slot, handle.slot, &mut self.spare);
        Ok(())
    }
}

/// A slot whose generations are used up is not used again.
fn end(slot: &mut Slot, number: u16, spare: &mut Vec<u16>) {
    slot.exchange.pin = None;
    slot.exchange.kept.clear();
    slot.exchange.line = String::new();
    slot.generation = slot.generation.wrapping_add(1);
    match slot.generation < u32::MAX - 1 {
        true => spare.push(number),
        false => slot.exchange = Exchange::default(),
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

const _: () = assert!(EXCHANGES_MAX == u16::MAX as usize + 1);

/// The worker of an exchange's handle, and the handle taken apart.
pub(crate) fn of_exchange(exchange: u64) -> Result<(std::sync::MutexGuard<'static, State>, Handle), Failure> {
    let handle = Handle::unpack(exchange, Kind::Exchange).ok_or(NO_HANDLE)?;
    Ok((WORKERS.try_lock_slot(handle.home)?, handle))
}
