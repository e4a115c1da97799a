//! Charges of a decision --this node's store--> answers, and the headers that tell the client. What is shared by nodes stays
//! for the host. Does no arithmetic.

use std::fmt::Write as _;
use std::sync::Arc;

use super::{ChargeOutcome, Exchange, Next, OutOfOrder, Stage};
use crate::decide::Now;
use crate::decision::{Charge, Decision, Effect, OwnedDecision, Reason};
use crate::image::config::{Amount, Config, Period, Quota, StoreFailure};
use crate::quota::{
    Answer, Calendar, CalendarUnit, Demand, Instant, Ledger, Measure, QuotaNumber, QuotaStore, Rate,
    StoreUnavailable,
};

/// Largest integer of a structured field (RFC 9651, section 3.3.1).
const FIELD_INTEGER_MAX: u64 = 999_999_999_999_999;
const SECOND_US: u64 = 1_000_000;
/// Sets the number of a quota that is tried out apart from that of the same one in force.
const TRIED: u64 = 0x7472_6965_6420_6f75;

impl Exchange {
    /// Charges what is this node's, if that is the next step.
    #[inline]
    pub(super) fn charge_here(&mut self, now: Now) {
        if self.steps.stage() == Stage::Charge && self.local.is_on() {
            self.charge_by_store(self.carries.charges, now);
        }
    }

    fn charge_by_store(&mut self, has_host: bool, now: Now) {
        let Some(pin) = self.pin.take() else {
            return;
        };
        let charged = self
            .local
            .charge(pin.image.config(), &self.decision, has_host, now);
        self.pin = Some(pin);
        let refusal = match charged {
            Ok(Charged::ByHost) => return,
            // A denial is charged as far as it can be.
            Ok(Charged::HostIsNext) if has_host => return,
            Ok(Charged::HostIsNext) if self.decision.effect() != Effect::Deny => {
                Some((Reason::StoreUnavailable, None))
            }
            Ok(Charged::Admitted | Charged::HostIsNext) => None,
            Ok(Charged::Refused) => Some(self.quota_exceeded()),
            Err(_) => Some((Reason::StoreUnavailable, None)),
        };
        let _ = self.settle_charges(refusal);
    }

    /// What refuses where some charge was not admitted. Where by now all would be, since others were taken back meanwhile, the
    /// client is told the shortest wait.
    fn quota_exceeded(&self) -> (Reason, Option<u64>) {
        let wait_us = self.local.longest_wait_us();
        (Reason::QuotaExceeded, Some(seconds(wait_us.unwrap_or_default())))
    }

    /// The host's answer to [`Next::Charge`]: one outcome each, in the order of [`Charges::iter`]. A denial that is charged
    /// stays the denial it is. Where some outcome is missing, nothing is granted (500).
    pub fn charged(&mut self, outcomes: impl Iterator<Item = ChargeOutcome>) -> Result<Next<'_>, OutOfOrder> {
        let due = self.local.asked().unwrap_or(self.decision.quotas().len());
        let (mut told, mut longest_us) = (0, None);
        // One more than are due is one too many.
        for outcome in outcomes.take(due + 1) {
            told += 1;
            self.local.hear(outcome);
            if !outcome.admitted {
                longest_us = longest_us.max(Some(outcome.reset_us));
            }
        }
        if told != due {
            return self.after_charges(Some((Reason::Internal, None)));
        }
        // A client that comes back too early would be refused again.
        let seconds = longest_us.map(seconds);
        self.after_charges(seconds.map(|seconds| (Reason::QuotaExceeded, Some(seconds))))
    }

    /// The host's other answer to [`Next::Charge`]: the store could not tell, and the quota's policy for that is to deny.
    /// Where the engine has a store of its own, each quota's `on store failure` decides.
    pub fn store_failed(&mut self) -> Result<Next<'_>, OutOfOrder> {
        self.steps.expect(Stage::Charge)?;
        if self.local.is_on() {
            self.local.take_back();
            self.charge_by_store(false, self.begun);
            self.judge_known_body();
            return Ok(self.next());
        }
        self.after_charges(Some((Reason::StoreUnavailable, None)))
    }

    fn after_charges(&mut self, refusal: Option<(Reason, Option<u64>)>) -> Result<Next<'_>, OutOfOrder> {
        self.settle_charges(refusal)?;
        self.judge_known_body();
        Ok(self.next())
    }

    /// The charges are made, or refused and taken back. A denial that is charged stays the denial it is.
    fn settle_charges(&mut self, refusal: Option<(Reason, Option<u64>)>) -> Result<(), OutOfOrder> {
        self.steps.expect(Stage::Charge)?;
        let is_charged = refusal.is_none();
        let refusal = refusal.filter(|_| self.decision.effect() != Effect::Deny);
        self.steps.charged(refusal.is_none())?;
        if self.local.is_on() {
            let config = self.pin.as_ref().map(|pin| pin.image.config());
            if is_charged {
                self.local.settle();
            } else if self.local.take_back()
                && let Some(config) = config
            {
                self.local.look_again(config, &self.decision, self.begun);
            }
            // With `Retry-After` there is one time to come back at, and no field says another.
            let times = match refusal {
                Some((_, Some(_))) => Times::OfRefused,
                _ => Times::OfAll,
            };
            if let Some(config) = config {
                let now = self.begun;
                self.local
                    .write_fields(config, &self.decision, now, times, &mut self.rate_limit);
            }
        }
        if let Some((reason, retry_after_s)) = refusal {
            self.refuse(reason, reason.status(), retry_after_s);
        }
        if self.local.is_on() {
            let RateLimitFields { policy, limit } = &self.rate_limit;
            self.decision.add_own_line("ratelimit-policy", policy);
            self.decision.add_own_line("ratelimit", limit);
        }
        Ok(())
    }
}

/// Who charges a quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Charger {
    /// This node's store.
    Here,
    /// The host, for nodes share it.
    Host,
    /// Neither: there is no shared store, and its author wrote `on store failure allow`.
    Neither,
}

/// What an exchange charges by itself.
#[derive(Debug, Default)]
pub(super) struct LocalCharges {
    store: Option<Arc<QuotaStore>>,
    ledger: Ledger,
    /// In the order of the decision's charges, once they were charged here; `None` while the host is asked.
    answers: Vec<Option<Answer>>,
    /// No charge of the decision needs a host that charges.
    holds_all: bool,
    /// The host's store answers for what nodes share.
    has_host: bool,
    /// Quotas tried out that would have refused, as indices into the image's.
    exceeded: Vec<u32>,
}

impl LocalCharges {
    /// Charges by this store from now on. Costs no atomic where it is the one of before.
    #[inline]
    pub(super) fn attach(&mut self, store: Option<&Arc<QuotaStore>>) {
        if self.store.as_ref().map(Arc::as_ptr) != store.map(Arc::as_ptr) {
            self.end();
            self.store = store.cloned();
        }
    }

    /// This node's store.
    #[inline]
    pub(super) fn store(&self) -> Option<&QuotaStore> {
        self.store.as_deref()
    }

    /// Whether the engine charges what no other node shares.
    #[inline]
    pub(super) fn is_on(&self) -> bool {
        self.store.is_some()
    }

    /// Looks whether a decision's charges need a host.
    #[inline]
    pub(super) fn look_at(&mut self, config: &Config, decision: &Decision<'_>) {
        self.holds_all = self.is_on()
            && decision
                .quotas
                .iter()
                .all(|charge| charger(config, charge, false) != Charger::Host);
    }

    /// Charges what reported rules try out, each by itself, in buckets of their own.
    #[cold]
    pub(super) fn try_out(&mut self, config: &Config, decision: &Decision<'_>, now: Now) {
        let Some(store) = &self.store else {
            return;
        };
        for charge in decision.tried() {
            let Some(quota) = config.quotas.get(charge.quota as usize) else {
                continue;
            };
            let is_charged = decision.effect == Effect::Allow || quota.counting_denied;
            if !is_charged || matches!(quota.period, Period::InFlight) {
                continue;
            }
            let demand = Demand {
                key: store.hash(QuotaNumber(quota.charging.number ^ TRIED), charge.key.as_bytes()),
                measure: measure(quota, charge.limit),
                cost: charge.cost,
            };
            let answer = store.charge_alone(&demand, instant(now));
            if answer.is_ok_and(|answer| !answer.admitted) {
                self.exceeded.push(charge.quota);
            }
        }
    }

    /// Quotas tried out that would have refused.
    pub(super) fn exceeded(&self) -> &[u32] {
        &self.exceeded
    }

    /// Whether no charge of the decision needs a host.
    #[inline]
    pub(super) fn holds_all(&self) -> bool {
        self.holds_all
    }

    /// Charges all of a decision's quotas that are this node's, or none. `has_host`: the host's store answers for the others.
    pub(super) fn charge(
        &mut self,
        config: &Config,
        decision: &OwnedDecision,
        has_host: bool,
        now: Now,
    ) -> Result<Charged, StoreUnavailable> {
        let Some(store) = &self.store else {
            return Ok(Charged::ByHost);
        };
        let own = decision
            .quotas()
            .filter(|charge| charger(config, charge, has_host) == Charger::Here);
        let demands = Counted {
            left: own.clone().count(),
            inner: own.filter_map(|charge| demand(config, store, &charge)),
        };
        self.answers.clear();
        self.has_host = has_host;
        let admitted = store.charge_tentatively(demands, instant(now), &mut self.ledger)?;
        let mut own = self.ledger.answers().iter();
        let mut asks_host = false;
        for charge in decision.quotas() {
            let charger = charger(config, &charge, has_host);
            asks_host |= charger == Charger::Host;
            self.answers.push(match charger {
                Charger::Here => own.next().copied(),
                Charger::Host | Charger::Neither => None,
            });
        }
        Ok(match (admitted, asks_host) {
            (false, _) => Charged::Refused,
            (true, true) => Charged::HostIsNext,
            (true, false) => Charged::Admitted,
        })
    }

    /// How many outcomes the host owes, if it was asked for some of the charges only.
    pub(super) fn asked(&self) -> Option<usize> {
        let asked = self.answers.iter().filter(|answer| answer.is_none()).count();
        (!self.answers.is_empty()).then_some(asked)
    }

    /// One of the host's outcomes, in the order of the charges.
    pub(super) fn hear(&mut self, outcome: ChargeOutcome) {
        let next = self.answers.iter_mut().find(|answer| answer.is_none());
        if let Some(answer) = next {
            *answer = Some(Answer {
                admitted: outcome.admitted,
                state: 0,
                remaining: outcome.remaining,
                reset_us: outcome.reset_us,
            });
        }
    }

    /// The longest wait of what was refused, µs.
    pub(super) fn longest_wait_us(&self) -> Option<u64> {
        let refused = self.answers.iter().flatten().filter(|answer| !answer.admitted);
        refused.map(|answer| answer.reset_us).max()
    }

    /// All are charged, and stay so.
    pub(super) fn settle(&mut self) {
        if let Some(store) = &self.store {
            store.settle(&mut self.ledger);
        }
    }

    /// Takes back what is not settled, and ends what is in flight; whether there was any.
    pub(super) fn take_back(&mut self) -> bool {
        let has_any = self.ledger.is_in_flight();
        if let Some(store) = &self.store {
            store.end(&mut self.ledger);
        }
        has_any
    }

    /// Once charges were taken back the client is told how their buckets stand without them.
    #[cold]
    fn look_again(&mut self, config: &Config, decision: &OwnedDecision, now: Now) {
        let Some(store) = &self.store else {
            return;
        };
        for (charge, answer) in decision.quotas().zip(&mut self.answers) {
            let is_here = charger(config, &charge, self.has_host) == Charger::Here;
            if let Some(answer) = answer.as_mut().filter(|_| is_here)
                && let Some(demand) = demand(config, store, &charge)
                && let Ok(stands) = store.peek(&demand, instant(now))
            {
                (answer.remaining, answer.reset_us) = (stands.remaining, stands.reset_us);
            }
        }
    }

    /// The exchange is over: ends what is in flight, takes back what was never settled, and forgets the charges.
    #[inline]
    pub(super) fn end(&mut self) {
        self.exceeded.clear();
        if !self.answers.is_empty() {
            self.take_back();
            self.answers.clear();
        }
    }

    /// Writes the fields for all answers. Before the decision is refused, for then it knows its charges no more.
    pub(super) fn write_fields(
        &self,
        config: &Config,
        decision: &OwnedDecision,
        now: Now,
        times: Times,
        fields: &mut RateLimitFields,
    ) {
        fields.policy.clear();
        fields.limit.clear();
        for (charge, answer) in decision.quotas().zip(&self.answers) {
            if let (Some(answer), Some(quota)) = (answer, config.quotas.get(charge.quota as usize)) {
                fields.add(quota, &charge, answer, now, times);
            }
        }
    }
}

impl Drop for LocalCharges {
    /// An exchange that is dropped was aborted.
    fn drop(&mut self) {
        self.end();
    }
}

/// What became of charges here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Charged {
    /// There is no store here.
    ByHost,
    /// All are charged.
    Admitted,
    /// This node's are charged, and the host charges the others.
    HostIsNext,
    /// None is charged.
    Refused,
}

/// A charge as this node's store takes it.
fn demand<'c>(config: &'c Config, store: &QuotaStore, charge: &Charge<'_>) -> Option<Demand<'c>> {
    let quota = config.quotas.get(charge.quota as usize)?;
    Some(Demand {
        key: store.hash(QuotaNumber(quota.charging.number), charge.key.as_bytes()),
        measure: measure(quota, charge.limit),
        cost: charge.cost,
    })
}

/// Who charges. `has_host`: the host's store answers.
fn charger(config: &Config, charge: &Charge<'_>, has_host: bool) -> Charger {
    let charging = config
        .quotas
        .get(charge.quota as usize)
        .map(|quota| &quota.charging);
    match charging.map(|charging| (charging.shared, charging.on_store_failure)) {
        Some((true, StoreFailure::Allow)) if !has_host => Charger::Neither,
        Some((true, StoreFailure::Deny)) if !has_host => Charger::Host,
        Some((true, _)) if has_host => Charger::Host,
        _ => Charger::Here,
    }
}

/// Whether the host is asked to charge, beside this node's store.
pub(super) fn is_for_host(config: &Config, charge: &Charge<'_>) -> bool {
    charger(config, charge, true) == Charger::Host
}

/// An iterator whose length is known.
#[derive(Clone)]
pub(super) struct Counted<I> {
    pub(super) inner: I,
    pub(super) left: usize,
}

impl<I: Iterator> Iterator for Counted<I> {
    type Item = I::Item;

    fn next(&mut self) -> Option<I::Item> {
        let next = self.inner.next();
        self.left -= usize::from(next.is_some() && self.left > 0);
        next
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<I: Iterator> ExactSizeIterator for Counted<I> {}

/// The instant of a charge.
pub(super) fn instant(now: Now) -> Instant {
    Instant {
        mono_us: now.mono_us,
        wall_us: now.wall_us,
    }
}

/// How a quota counts under a limit.
fn measure(quota: &Quota, limit: u64) -> Measure<'_> {
    match &quota.period {
        Period::Rate(period_us, burst) => {
            let period_us = period_us.unsigned_abs();
            let rate = Rate::new(limit, period_us, burst.unwrap_or(limit));
            // Where the limit is a fact, one key may come under several, and what it spent under one stays spent.
            Measure::Rate(match (&quota.limit, burst) {
                (Amount::Fixed(_), _) => rate,
                (Amount::Fact(_, at_most), None) => {
                    rate.with_ceiling(period_us.saturating_add(at_most.unwrap_or(u64::MAX)))
                }
                (Amount::Fact(..), Some(burst)) => rate.with_ceiling(period_us.saturating_mul(*burst)),
            })
        }
        Period::Calendar(unit, _) => Measure::Calendar(calendar(quota, unit), limit),
        Period::InFlight => Measure::InFlight(limit),
    }
}

fn calendar<'q>(quota: &'q Quota, unit: &str) -> Calendar<'q> {
    let unit = match unit {
        "day" => CalendarUnit::Day,
        "week" => CalendarUnit::Week,
        _ => CalendarUnit::Month,
    };
    Calendar::new(unit, &quota.charging.offsets)
}

/// Of which quotas the fields say `t`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Times {
    /// Of all that have one.
    OfAll,
    /// Of those that refused.
    OfRefused,
}

/// The two fields, in the making. Their memory is used again.
#[derive(Debug, Default)]
pub(super) struct RateLimitFields {
    pub(super) policy: String,
    pub(super) limit: String,
}

impl RateLimitFields {
    fn add(&mut self, quota: &Quota, charge: &Charge<'_>, answer: &Answer, now: Now, times: Times) {
        let window_s = match &quota.period {
            Period::Rate(period_us, _) => Some(seconds(period_us.unsigned_abs())),
            Period::Calendar(unit, _) => now.wall_us.map(|wall_us| {
                let period = calendar(quota, unit).period(wall_us);
                period.end_s.abs_diff(period.start_s)
            }),
            Period::InFlight => None,
        };
        // The client asks again as soon as `t` says, so it is the wait where one was refused.
        let reset_s = match (&quota.period, times) {
            (Period::InFlight, _) | (_, Times::OfRefused) if answer.admitted => None,
            _ => Some(seconds(answer.reset_us)),
        };
        for text in [&mut self.policy, &mut self.limit] {
            if !text.is_empty() {
                text.push_str(", ");
            }
            push_name(text, &quota.name);
        }
        // Writing into a text does not fail.
        let _ = write!(self.policy, ";q={}", charge.limit.min(FIELD_INTEGER_MAX));
        match window_s {
            Some(window_s) => {
                let _ = write!(self.policy, ";w={window_s}");
            }
            None if quota.period == Period::InFlight => {
                self.policy.push_str(";qu=\"concurrent-requests\"");
            }
            None => {}
        }
        let _ = write!(self.limit, ";r={}", answer.remaining.min(FIELD_INTEGER_MAX));
        if let Some(reset_s) = reset_s {
            let _ = write!(self.limit, ";t={reset_s}");
        }
    }
}

/// Whole seconds, rounded up, as `Retry-After` has them: at least 1.
pub(super) fn seconds(us: u64) -> u64 {
    us.div_ceil(SECOND_US).clamp(1, FIELD_INTEGER_MAX)
}

/// A quota's name as a string of a structured field. What an inline limit says is the policy's business: it is named by
/// its number alone.
fn push_name(text: &mut String, name: &str) {
    let (owner, inline) = name.split_once("/inline:").unwrap_or((name, ""));
    text.push('"');
    for c in owner.chars().filter(|c| matches!(c, ' '..='~')) {
        if matches!(c, '"' | '\\') {
            text.push('\\');
        }
        text.push(c);
    }
    if !inline.is_empty() {
        let amount = inline
            .split(' ')
            .find(|word| word.bytes().all(|b| b.is_ascii_digit()));
        let _ = write!(text, "/inline-{}", amount.unwrap_or("fact"));
    }
    text.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_strings_of_structured_fields_and_say_nothing_of_keys() {
        for (name, field) in [
            ("per_user", r#""per_user""#),
            ("orders/per_user", r#""orders/per_user""#),
            ("orders/inline:5 per 1m by token.sub", r#""orders/inline-5""#),
            ("o/inline:at most 3 in flight by client.ip", r#""o/inline-3""#),
            ("o/inline:key.n at most 60 per 1m by key.id", r#""o/inline-60""#),
            ("a\"\\\u{fc}", r#""a\"\\""#),
        ] {
            let mut text = String::new();
            push_name(&mut text, name);
            assert_eq!(text, field);
        }
    }
}
