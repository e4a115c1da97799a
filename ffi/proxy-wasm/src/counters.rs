//! Decisions -> the gateway's counters, one for each effect and reason: a closed set, so that no request can make a
//! new one (`portcullis.decisions.deny.no_rule`, `portcullis.shadow.deny.no_rule`,
//! `portcullis.configurations.refused`).

use std::cell::RefCell;
use std::collections::BTreeMap;

use portcullis::decide::{Effect, Reason};

use crate::host::Host;

/// Numbers of the counters that the gateway knows, by name.
#[derive(Debug, Default)]
pub struct Counters {
    numbers: RefCell<BTreeMap<String, u32>>,
}

/// Name of an effect, as verdicts have it.
pub fn effect_name(effect: Effect) -> &'static str {
    match effect {
        Effect::Deny => "deny",
        Effect::Allow => "allow",
        Effect::Answer => "answer",
    }
}

fn decision_name(effect: Effect, reason: Reason, shadow: bool) -> String {
    let kind = if shadow { "shadow" } else { "decisions" };
    format!("portcullis.{kind}.{}.{}", effect_name(effect), reason.code())
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
            self.number(host, decision_name(effect_of(*reason), *reason, shadow));
        }
        for outcome in ["loaded", "refused"] {
            self.number(host, configuration_name(outcome));
        }
    }

    /// Counts a decision.
    pub fn decision(&self, host: &dyn Host, effect: Effect, reason: Reason, shadow: bool) {
        self.count(host, decision_name(effect, reason, shadow));
    }

    /// Counts a configuration, `loaded` or `refused`.
    pub fn configuration(&self, host: &dyn Host, outcome: &str) {
        self.count(host, configuration_name(outcome));
    }

    fn count(&self, host: &dyn Host, name: String) {
        if let Some(number) = self.number(host, name) {
            host.count(number);
        }
    }

    fn number(&self, host: &dyn Host, name: String) -> Option<u32> {
        let mut numbers = self.numbers.try_borrow_mut().ok()?;
        if let Some(number) = numbers.get(&name) {
            return Some(*number);
        }
        let number = host.define_counter(&name)?;
        numbers.insert(name, number);
        Some(number)
    }
}

fn configuration_name(outcome: &str) -> String {
    format!("portcullis.configurations.{outcome}")
}
