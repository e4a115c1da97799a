//! Charges of one verdict --all of them or none--> who is admitted. The buckets are those of one node: of one process, or
//! of all processes that share the memory.
//!
//! Charges are made in the order in which they come. Where one is refused, those before it are taken back in the reverse
//! order. Others may be refused meanwhile; none is admitted for it.

use super::clock::Clock;
use super::hash::{KeyHash, QuotaNumber, Seed};
use super::table::{Change, Kind, Line, Place, Table, Time, lines_for};
use super::{Answer, Calendar, Rate, calendar, in_flight};

/// What a quota measures, with its parameters for one request.
#[derive(Clone, Copy, Debug)]
pub enum Measure<'z> {
    /// `N per DURATION`.
    Rate(Rate),
    /// `N per calendar ..`: the periods, and N.
    Calendar(Calendar<'z>, u64),
    /// `at most N in flight`.
    InFlight(u64),
}

/// One charge of a request: so many units of one quota, for one key.
#[derive(Clone, Copy, Debug)]
pub struct Demand<'z> {
    /// The key of this quota.
    pub key: KeyHash,
    /// What is counted, under the limit in force for this request.
    pub measure: Measure<'z>,
    /// Units, at least 1.
    pub cost: u64,
}

/// The instant of a charge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Instant {
    /// Monotonic clock, µs.
    pub mono_us: u64,
    /// Wall clock, µs since the epoch; without it calendar quotas cannot be charged.
    pub wall_us: Option<i64>,
}

/// The store cannot tell: it has no wall clock for a calendar quota, its memory is held by a process that died less than a
/// second ago, or more quotas share buckets than there is room for. Nothing was charged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the quota store cannot tell")]
pub struct StoreUnavailable;

/// What was charged, so that it can be taken back or ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Receipt {
    key: KeyHash,
    kind: Kind,
    place: Place,
    cost: u64,
    at_us: u64,
    /// The state after it.
    state: u64,
}

/// What became of the charges of one verdict. Its memory is used again.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    answers: Vec<Answer>,
    receipts: Vec<Receipt>,
}

impl Ledger {
    /// The answers, in the order of the charges. Where all are admitted, all were charged, else none.
    pub fn answers(&self) -> &[Answer] {
        &self.answers
    }

    /// Whether something was charged that is to be ended.
    pub fn is_in_flight(&self) -> bool {
        !self.receipts.is_empty()
    }

    fn clear(&mut self) {
        self.answers.clear();
        self.receipts.clear();
    }
}

/// The buckets of one node. All methods may be called by many threads at once; none blocks for long and none allocates.
#[derive(Debug)]
pub struct QuotaStore {
    table: Table,
}

impl QuotaStore {
    /// An empty one on the heap, for about so many keys at once: 24 bytes for each. More keys share
    /// buckets, 16 a quota.
    pub fn new(keys: usize, seed: Seed) -> QuotaStore {
        QuotaStore {
            table: Table::new(keys, seed),
        }
    }

    /// Lines of memory for so many keys, 64 bytes each.
    pub fn lines_for(keys: usize) -> usize {
        lines_for(keys)
    }

    /// An empty one in memory that is all zero, which processes share at any address; `None` where it is too small.
    pub fn format_in(memory: &'static [Line], seed: Seed) -> Option<QuotaStore> {
        Table::format_in(memory, seed).map(|table| QuotaStore { table })
    }

    /// The one that [`QuotaStore::format_in`] made in this memory, with its seed; `None` where there is none.
    pub fn attach(memory: &'static [Line]) -> Option<QuotaStore> {
        Table::attach(memory).map(|table| QuotaStore { table })
    }

    /// The hash of a quota's key, by this store's seed.
    #[inline]
    pub fn hash(&self, quota: QuotaNumber, key: &[u8]) -> KeyHash {
        KeyHash::new(self.table.seed(), quota, key)
    }

    /// Charges all or none. What is in flight is to be ended by [`QuotaStore::end`].
    pub fn charge<'z>(
        &self,
        demands: impl ExactSizeIterator<Item = Demand<'z>> + Clone,
        at: Instant,
        ledger: &mut Ledger,
    ) -> Result<bool, StoreUnavailable> {
        let admitted = self.charge_tentatively(demands, at, ledger)?;
        self.settle(ledger);
        Ok(admitted)
    }

    /// Charges all or none. Until [`QuotaStore::settle`], [`QuotaStore::end`] takes all of it back.
    pub fn charge_tentatively<'z>(
        &self,
        demands: impl ExactSizeIterator<Item = Demand<'z>> + Clone,
        at: Instant,
        ledger: &mut Ledger,
    ) -> Result<bool, StoreUnavailable> {
        ledger.clear();
        let time = self.time(at);
        // One alone is charged at once. Of several most refusals are seen before any is charged.
        if demands.len() > 1 && !self.all_fit(demands.clone(), time)? {
            self.look(demands, time, ledger)?;
            return Ok(false);
        }
        for demand in demands.clone() {
            let charged = self.charge_one(&demand, time);
            let is_admitted = match charged {
                Ok((answer, receipt)) => {
                    ledger.answers.push(answer);
                    ledger.receipts.extend(receipt);
                    answer.admitted
                }
                Err(StoreUnavailable) => false,
            };
            if !is_admitted {
                self.take_back(ledger);
                charged?;
                if demands.len() > 1 {
                    self.look(demands, time, ledger)?;
                }
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// What was charged stays charged; only what is in flight is still to be ended.
    pub fn settle(&self, ledger: &mut Ledger) {
        ledger.receipts.retain(|receipt| receipt.kind == Kind::InFlight);
    }

    /// Ends what is in flight of a ledger's charges, and takes back all of them if they were not settled.
    pub fn end(&self, ledger: &mut Ledger) {
        self.take_back(ledger);
    }

    /// One charge: from a hashed key to its answer.
    #[inline]
    pub fn charge_alone(&self, demand: &Demand<'_>, at: Instant) -> Result<Answer, StoreUnavailable> {
        self.charge_one(demand, self.time(at)).map(|(answer, _)| answer)
    }

    /// How things stand: `remaining` and `reset_us` as they are, and whether the cost would be admitted.
    pub fn peek(&self, demand: &Demand<'_>, at: Instant) -> Result<Answer, StoreUnavailable> {
        self.look_at(demand, self.time(at))
    }

    /// How many buckets are in use, and how many there are.
    pub fn used(&self, at: Instant) -> (usize, usize) {
        self.table.used(self.time(at))
    }

    #[inline]
    fn time(&self, at: Instant) -> Time {
        Time {
            now_us: self.table.clock().at(at.mono_us),
            wall_us: at.wall_us,
        }
    }

    #[inline]
    fn charge_one(
        &self,
        demand: &Demand<'_>,
        time: Time,
    ) -> Result<(Answer, Option<Receipt>), StoreUnavailable> {
        let kind = kind(&demand.measure);
        let change = Charge::new(demand, demand.cost, time, self.table.clock())?;
        let changed = self.table.change(&demand.key, kind, time, &change);
        let (answer, place, at_us) = changed.map_err(|_| StoreUnavailable)?;
        let receipt = place.filter(|_| answer.admitted).map(|place| Receipt {
            key: demand.key,
            kind,
            place,
            cost: match demand.measure {
                // What is taken back is time.
                Measure::Rate(rate) => demand.cost.saturating_mul(rate.emission_us()),
                Measure::Calendar(..) | Measure::InFlight(_) => demand.cost,
            },
            at_us,
            state: answer.state,
        });
        Ok((answer, receipt))
    }

    fn all_fit<'z>(
        &self,
        mut demands: impl Iterator<Item = Demand<'z>>,
        time: Time,
    ) -> Result<bool, StoreUnavailable> {
        demands.try_fold(true, |fits, demand| {
            Ok(fits && self.answer(&demand, demand.cost, time)?.admitted)
        })
    }

    /// The answers where nothing is charged.
    fn look<'z>(
        &self,
        demands: impl Iterator<Item = Demand<'z>>,
        time: Time,
        ledger: &mut Ledger,
    ) -> Result<(), StoreUnavailable> {
        ledger.clear();
        for demand in demands {
            ledger.answers.push(self.look_at(&demand, time)?);
        }
        Ok(())
    }

    fn look_at(&self, demand: &Demand<'_>, time: Time) -> Result<Answer, StoreUnavailable> {
        let answer = self.answer(demand, demand.cost, time)?;
        if answer.admitted {
            self.answer(demand, 0, time)
        } else {
            Ok(answer)
        }
    }

    fn answer(&self, demand: &Demand<'_>, cost: u64, time: Time) -> Result<Answer, StoreUnavailable> {
        let change = Charge::new(demand, cost, time, self.table.clock())?;
        let says = self.table.peek(&demand.key, kind(&demand.measure), &change);
        says.map_err(|_| StoreUnavailable)
    }

    fn take_back(&self, ledger: &mut Ledger) {
        while let Some(receipt) = ledger.receipts.pop() {
            let change = TakeBack {
                receipt,
                table: &self.table,
            };
            self.table
                .change_at(receipt.place, &receipt.key, receipt.kind, &change);
        }
    }
}

fn kind(measure: &Measure<'_>) -> Kind {
    match measure {
        Measure::Rate(_) => Kind::Rate,
        Measure::Calendar(..) => Kind::Calendar,
        Measure::InFlight(_) => Kind::InFlight,
    }
}

/// A charge as a change of a state.
struct Charge<'d> {
    measure: &'d Measure<'d>,
    cost: u64,
    now_us: u64,
    wall_us: i64,
    clock: Clock<'d>,
}

impl<'d> Charge<'d> {
    #[inline]
    fn new(
        demand: &'d Demand<'_>,
        cost: u64,
        time: Time,
        clock: Clock<'d>,
    ) -> Result<Charge<'d>, StoreUnavailable> {
        let wall_us = match (&demand.measure, time.wall_us) {
            (Measure::Calendar(..), None) => return Err(StoreUnavailable),
            (_, wall_us) => wall_us.unwrap_or_default(),
        };
        Ok(Charge {
            measure: &demand.measure,
            cost,
            now_us: time.now_us,
            wall_us,
            clock,
        })
    }
}

impl Change for Charge<'_> {
    type Says = Answer;

    fn at(&self, now_us: u64) -> Self {
        Charge { now_us, ..*self }
    }

    #[inline]
    fn of(&self, value: u64, shared: u64) -> (u64, Answer) {
        let answer = match self.measure {
            Measure::Rate(rate) => {
                let answer = rate.charge(value, self.now_us, self.cost);
                // A thread that was held up must not bring down what others have charged since.
                let state = if answer.admitted {
                    answer.state
                } else {
                    value.min(rate.highest(self.clock.horizon()))
                };
                Answer { state, ..answer }
            }
            Measure::Calendar(calendar, limit) => calendar.charge(value, self.wall_us, *limit, self.cost),
            Measure::InFlight(limit) => {
                let shared = in_flight::count(shared, self.now_us);
                in_flight::begin(value, self.now_us, *limit, self.cost, shared)
            }
        };
        (answer.state, answer)
    }

    #[inline]
    fn is_kept(&self, answer: &Answer) -> bool {
        answer.admitted && self.cost > 0
    }
}

/// Taking a charge back as a change of a state.
struct TakeBack<'t> {
    receipt: Receipt,
    table: &'t Table,
}

impl Change for TakeBack<'_> {
    type Says = ();

    fn at(&self, _: u64) -> Self {
        TakeBack { ..*self }
    }

    fn of(&self, value: u64, _: u64) -> (u64, ()) {
        let Receipt {
            cost, state, at_us, ..
        } = self.receipt;
        let taken = match self.receipt.kind {
            Kind::Rate => Rate::refund(value, state, cost, self.table.clock().horizon()),
            Kind::Calendar => calendar::refund(value, state, cost),
            Kind::InFlight => in_flight::end(value, at_us, cost),
        };
        (taken, ())
    }

    fn is_kept(&self, (): &()) -> bool {
        false
    }
}
