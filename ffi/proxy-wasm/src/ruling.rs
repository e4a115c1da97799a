//! Decision and what was sent for it -> [`Ruling`], what counters and log lines tell. Knows no gateway.

use portcullis::decision::{Effect, Reason};
use portcullis::exchange::{Exchange, Reply};

/// What became of a request, as counters and log lines tell it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruling {
    /// Effect.
    pub effect: Effect,
    /// Status of the answer, 200 where it goes on.
    pub status: u16,
    /// Why.
    pub reason: Reason,
    /// Detail code.
    pub detail: Option<String>,
    /// Id of the deciding rule.
    pub rule: Option<String>,
    /// Tags of the policy.
    pub tags: Vec<String>,
    /// Reported rules, and whether they were true (or unknown).
    pub report: Vec<(String, bool)>,
}

impl Ruling {
    /// A denial of the plugin itself.
    pub fn internal(detail: &str) -> Ruling {
        Ruling {
            effect: Effect::Deny,
            status: Reason::Internal.status(),
            reason: Reason::Internal,
            detail: Some(detail.to_string()),
            rule: None,
            tags: Vec::new(),
            report: Vec::new(),
        }
    }

    /// Of an exchange's decision, with the names that its policy has for rules.
    pub fn of(exchange: &Exchange) -> Ruling {
        let decision = exchange.decision();
        let rules = exchange.snapshot().map(|snapshot| &snapshot.image.config().rules);
        let id_of = |rule: u32| {
            let rule = rules.and_then(|rules| rules.get(rule as usize));
            rule.map_or_else(String::new, |rule| rule.id.to_string())
        };
        let report = decision.report.iter();
        Ruling {
            effect: decision.effect,
            status: decision.status,
            reason: decision.reason,
            detail: decision.detail.clone(),
            rule: decision.rule.map(id_of),
            tags: decision.tags.clone(),
            report: report.map(|(rule, certain)| (id_of(*rule), *certain)).collect(),
        }
    }

    /// As it is told of `reply`, which is what the client gets.
    pub fn replied(self, reply: &Reply<'_>) -> Ruling {
        match self.effect {
            // Nothing was forwarded, so whatever was decided, it is no allow.
            Effect::Allow => Ruling::internal("allow_without_target"),
            Effect::Deny | Effect::Answer => Ruling {
                status: reply.status,
                reason: reply.reason,
                ..self
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, reason: Reason) -> Reply<'static> {
        Reply {
            status,
            reason,
            message: None,
            headers: &[],
        }
    }

    #[test]
    fn what_is_told_is_what_is_sent() {
        let denied = Ruling::internal("x").replied(&reply(429, Reason::NoRoute));
        assert_eq!((denied.status, denied.reason), (429, Reason::NoRoute));
        assert_eq!(denied.effect, Effect::Deny);
    }

    #[test]
    fn an_allow_that_is_answered_is_told_as_a_defect() {
        let allowed = Ruling {
            effect: Effect::Allow,
            status: 200,
            reason: Reason::Allowed,
            ..Ruling::internal("x")
        };
        let told = allowed.replied(&reply(500, Reason::Internal));
        assert_eq!(told, Ruling::internal("allow_without_target"));
        assert_eq!(told.status, 500);
    }
}
