//! Decisions -> the gateway's counters, one for each effect and reason: a closed set, so that no request can make a
//! new one (`portcullis.decisions.deny.no_rule`, `portcullis.shadow.deny.no_rule`,
//! `portcullis.configurations.refused`).

use std::cell::Cell;

use portcullis::decision::{Effect, Reason};

use crate::host::Host;

/// Counters of one effect.
const REASONS: usize = Reason::ALL.len();
/// Counters of one kind of decision: those carried out, and those of shadow mode.
const KIND: usize = 3 * REASONS;

/// A counter's number at the gateway, once it is known there.
type Number = Cell<Option<u32>>;

/// All counters.
#[derive(Debug)]
pub struct Counters {
    decisions: [Number; 2 * KIND],
    configurations: [Number; 2],
}

/// What became of a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is in force.
    Loaded,
    /// It is not.
    Refused,
}

impl Default for Counters {
    fn default() -> Counters {
        Counters {
            decisions: [const { Cell::new(None) }; 2 * KIND],
            configurations: [const { Cell::new(None) }; 2],
        }
    }
}

/// Name of an effect, as verdicts have it.
pub fn effect_name(effect: Effect) -> &'static str {
    match effect {
        Effect::Deny => "deny",
        Effect::Allow => "allow",
        Effect::Answer => "answer",
    }
}

impl Counters {
    /// Makes all counters known, once: some gateways take new ones only while they configure.
    pub fn define(&self, host: &dyn Host, shadow: bool) {
        let effect_of = |reason: Reason| match reason {
            Reason::Allowed => Effect::Allow,
            Reason::Preflight => Effect::Answer,
            _ => Effect::Deny,
        };
        for reason in Reason::ALL {
            self.of_decision(host, effect_of(*reason), *reason, shadow);
        }
        for outcome in [Outcome::Loaded, Outcome::Refused] {
            self.of_configuration(host, outcome);
        }
    }

    /// Counts a decision.
    pub fn decision(&self, host: &dyn Host, effect: Effect, reason: Reason, shadow: bool) {
        if let Some(number) = self.of_decision(host, effect, reason, shadow) {
            host.count(number);
        }
    }

    /// Counts a configuration.
    pub fn configuration(&self, host: &dyn Host, outcome: Outcome) {
        if let Some(number) = self.of_configuration(host, outcome) {
            host.count(number);
        }
    }

    fn of_decision(&self, host: &dyn Host, effect: Effect, reason: Reason, shadow: bool) -> Option<u32> {
        let effects = match effect {
            Effect::Deny => 0,
            Effect::Allow => REASONS,
            Effect::Answer => 2 * REASONS,
        };
        // `Reason::ALL` has them in the order of their declaration.
        let at = usize::from(shadow) * KIND + effects + reason as usize;
        known(host, self.decisions.get(at)?, || {
            let kind = if shadow { "shadow" } else { "decisions" };
            format!("portcullis.{kind}.{}.{}", effect_name(effect), reason.code())
        })
    }

    fn of_configuration(&self, host: &dyn Host, outcome: Outcome) -> Option<u32> {
        let (at, name) = match outcome {
            Outcome::Loaded => (0, "loaded"),
            Outcome::Refused => (1, "refused"),
        };
        known(host, self.configurations.get(at)?, || {
            format!("portcullis.configurations.{name}")
        })
    }
}

/// A counter's number; the gateway gets to know its name the first time.
fn known(host: &dyn Host, number: &Number, name: impl FnOnce() -> String) -> Option<u32> {
    if number.get().is_none() {
        number.set(host.define_counter(&name()));
    }
    number.get()
}
