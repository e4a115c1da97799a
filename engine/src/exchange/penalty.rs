//! Penalties: who was denied or answered too often --this node's store--> who is blocked. What is counted is a bucket of as
//! many as are borne, which refills in the time that they are borne in; who finds it empty is blocked. Does no arithmetic.

use super::charge::{instant, seconds};
use crate::decide::Now;
use crate::decision::{Decision, Effect, OwnedDecision, PenaltyKey, Reason};
use crate::image::config::{Config, Penalty};
use crate::quota::{Demand, KeyHash, Measure, QuotaNumber, QuotaStore, Rate};

/// Whom the penalties of an exchange count.
#[derive(Debug, Default)]
pub(super) struct Penalties {
    /// Index into the image's penalties; the key of what is counted, and that of who is blocked.
    keys: Vec<(u32, KeyHash, KeyHash)>,
}

impl Penalties {
    #[inline]
    pub(super) fn clear(&mut self) {
        self.keys.clear();
    }

    /// The longest time that a penalty on addresses still blocks, in whole seconds.
    pub(super) fn look_up_addresses(
        &mut self,
        store: &QuotaStore,
        config: &Config,
        keys: &[PenaltyKey<'_>],
        now: Now,
    ) -> Option<u64> {
        self.look_up_where(store, config, keys, now, |penalty| penalty.by_address)
    }

    /// The longest time that another penalty still blocks, in whole seconds. It says nothing where an earlier refusal
    /// decided: who is not verified is not who it seems.
    pub(super) fn look_up(
        &mut self,
        store: &QuotaStore,
        config: &Config,
        decision: &Decision<'_>,
        now: Now,
    ) -> Option<u64> {
        let is_early = decision.is_preflight()
            || matches!(decision.reason, Reason::TransportRefused | Reason::InvalidToken);
        let keys = decision.penalties();
        self.look_up_where(store, config, keys, now, |penalty| {
            !penalty.by_address && !is_early
        })
    }

    /// Keeps the keys, and looks some of them up.
    fn look_up_where(
        &mut self,
        store: &QuotaStore,
        config: &Config,
        keys: &[PenaltyKey<'_>],
        now: Now,
        is_asked: impl Fn(&Penalty) -> bool,
    ) -> Option<u64> {
        self.clear();
        let mut longest = None;
        for own in keys {
            let Some(penalty) = config.penalties.get(own.penalty as usize) else {
                continue;
            };
            let hash = |number| store.hash(QuotaNumber(number), own.key.as_bytes());
            let (counter, blocked) = (hash(penalty.counter), hash(penalty.blocked));
            self.keys.push((own.penalty, counter, blocked));
            // A store that cannot tell blocks no one: that opens no gate which the policy shuts.
            if is_asked(penalty)
                && let Ok(answer) = store.peek(&block(penalty, blocked), instant(now))
                && !answer.admitted
            {
                longest = longest.max(Some(seconds(answer.reset_us)));
            }
        }
        longest
    }

    /// Counts how the exchange ended. A block is not prolonged while it lasts.
    pub(super) fn count(
        &mut self,
        store: &QuotaStore,
        config: &Config,
        decision: &OwnedDecision,
        answered: Option<u16>,
        now: Now,
    ) {
        let is_denied = decision.effect() == Effect::Deny
            && !matches!(
                decision.reason(),
                Reason::Blocked | Reason::QuotaExceeded | Reason::NoPolicy | Reason::Internal
            );
        for (index, counter, blocked) in self.keys.drain(..) {
            let Some(penalty) = config.penalties.get(index as usize) else {
                continue;
            };
            let counts = match penalty.answered {
                None => is_denied,
                status => status == answered,
            };
            if !counts {
                continue;
            }
            let one = Demand {
                key: counter,
                measure: Measure::Rate(Rate::new(penalty.more_than, penalty.per_us, penalty.more_than)),
                cost: 1,
            };
            let charged = store.charge_alone(&one, instant(now));
            if charged.is_ok_and(|answer| !answer.admitted) {
                // Where the store cannot tell, the next one that is counted blocks.
                let _ = store.charge_alone(&block(penalty, blocked), instant(now));
            }
        }
    }
}

/// A block as a bucket of one: it is taken for as long as the block lasts.
fn block(penalty: &Penalty, key: KeyHash) -> Demand<'static> {
    Demand {
        key,
        measure: Measure::Rate(Rate::new(1, penalty.for_us, 1)),
        cost: 1,
    }
}
