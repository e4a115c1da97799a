//! Decision and what its host carries out -> which step of an exchange is due. A small value: it computes nothing and
//! holds no bytes.
//!
//! Invariant: [`Stage::Forward`] is reached only by an allow of which every question was answered in its favour, and
//! [`Stage::Respond`] only by a response whose plan was carried out. A step that is not due changes nothing.

#[cfg(test)]
mod tests;

use crate::decision::Effect;

/// A step that is not due. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this step of the exchange is not due")]
pub struct OutOfOrder;

/// What an exchange waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Stage {
    /// Not begun.
    #[default]
    Idle,
    /// What is known of an opaque token.
    Introspect,
    /// The request's body, which the decision depends on.
    BodyBefore,
    /// The engine's own decision; no host sees this stage.
    Decide,
    /// Quotas.
    Charge,
    /// The request's body, which the allow demands something of.
    Body,
    /// The request goes upstream, and its response's head comes.
    Forward,
    /// The response's body, under a plan.
    ResponseBody,
    /// The response goes to the client.
    Respond,
    /// The client is answered by the gateway.
    Reply,
    /// The response broke off after a part of it went to the client.
    Reset,
    /// Finished.
    Ended,
}

/// What has to be known before the decision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Waits {
    pub(super) introspection: bool,
    pub(super) body: bool,
}

/// What a decision asks its host to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) effect: Effect,
    pub(super) charge: bool,
    pub(super) body: bool,
    pub(super) response: bool,
}

/// What the head of a response says of its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ResponseHead {
    /// It has none: nothing is left for a plan.
    NoBody,
    /// It has one that a plan can read.
    HasBody,
    /// It has one that no plan can read.
    Unreadable,
}

/// How the body of a response under a plan ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyEnd {
    /// As the plan asks.
    CarriedOut,
    /// Refused before any of it was sent.
    Refused,
    /// Refused after a part of it was sent.
    BrokenOff,
}

/// Where an exchange stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Steps {
    stage: Stage,
    waits: Waits,
    due: Due,
}

impl Steps {
    /// The first step.
    pub(super) fn begin(waits: Waits) -> Steps {
        let mut steps = Steps {
            stage: Stage::Idle,
            waits,
            due: Due::default(),
        };
        steps.stage = if waits.introspection {
            Stage::Introspect
        } else {
            steps.before_decision()
        };
        steps
    }

    #[inline]
    pub(super) fn stage(&self) -> Stage {
        self.stage
    }

    /// Whether something had to be known before the decision.
    pub(super) fn waited(&self) -> bool {
        self.waits != Waits::default()
    }

    /// Fails unless the exchange waits for this.
    pub(super) fn expect(&self, stage: Stage) -> Result<(), OutOfOrder> {
        if self.stage == stage {
            Ok(())
        } else {
            Err(OutOfOrder)
        }
    }

    fn before_decision(&self) -> Stage {
        if self.waits.body {
            Stage::BodyBefore
        } else {
            Stage::Decide
        }
    }

    /// The host has asked about the token. Whatever it heard is part of what is decided on; only now it shows whether the
    /// body is too.
    pub(super) fn introspected(&mut self, body: bool) -> Result<(), OutOfOrder> {
        self.expect(Stage::Introspect)?;
        self.waits.body = body;
        self.stage = self.before_decision();
        Ok(())
    }

    /// The engine has decided.
    pub(super) fn decided(&mut self, due: Due) -> Result<(), OutOfOrder> {
        self.expect(Stage::Decide)?;
        self.due = due;
        self.stage = if due.charge {
            Stage::Charge
        } else {
            self.after_charge()
        };
        Ok(())
    }

    fn after_charge(&self) -> Stage {
        match (self.due.effect, self.due.body) {
            (Effect::Deny | Effect::Answer, _) => Stage::Reply,
            (Effect::Allow, true) => Stage::Body,
            (Effect::Allow, false) => Stage::Forward,
        }
    }

    /// All quotas were charged, or not.
    pub(super) fn charged(&mut self, admitted: bool) -> Result<(), OutOfOrder> {
        self.expect(Stage::Charge)?;
        self.stage = if admitted {
            self.after_charge()
        } else {
            Stage::Reply
        };
        Ok(())
    }

    /// Whether a part of the request's body may come now.
    pub(super) fn expects_body(&self) -> Result<(), OutOfOrder> {
        self.expect(Stage::BodyBefore).or(self.expect(Stage::Body))
    }

    /// The request's body is what it must be, or not.
    pub(super) fn body(&mut self, accepted: bool) -> Result<(), OutOfOrder> {
        self.expects_body()?;
        self.stage = match (self.stage, accepted) {
            (_, false) => Stage::Reply,
            (Stage::BodyBefore, true) => Stage::Decide,
            (_, true) => Stage::Forward,
        };
        Ok(())
    }

    /// Whether a response waits for a plan.
    pub(super) fn has_response_plan(&self) -> bool {
        self.due.response
    }

    /// Whether a body was to be judged.
    #[inline]
    pub(super) fn has_bodies(&self) -> bool {
        self.due.body || self.due.response
    }

    /// The response's head has come.
    pub(super) fn response_head(&mut self, head: ResponseHead) -> Result<(), OutOfOrder> {
        self.expect(Stage::Forward)?;
        self.stage = match (head, self.due.response) {
            (ResponseHead::Unreadable, true) => Stage::Reply,
            (ResponseHead::HasBody, true) => Stage::ResponseBody,
            (ResponseHead::NoBody, _) | (_, false) => Stage::Respond,
        };
        Ok(())
    }

    /// The response's body has ended as its plan asks, or cannot go on; then a part of it may have been sent.
    pub(super) fn response_body(&mut self, end: BodyEnd) -> Result<(), OutOfOrder> {
        self.expect(Stage::ResponseBody)?;
        self.stage = match end {
            BodyEnd::CarriedOut => Stage::Respond,
            BodyEnd::Refused => Stage::Reply,
            BodyEnd::BrokenOff => Stage::Reset,
        };
        Ok(())
    }

    /// Something that went on can no longer go on.
    pub(super) fn failed(&mut self) -> Result<(), OutOfOrder> {
        match self.stage {
            Stage::Forward | Stage::ResponseBody | Stage::Respond => {
                self.stage = Stage::Reply;
                Ok(())
            }
            _ => Err(OutOfOrder),
        }
    }

    /// The exchange is over, at whatever step it is.
    pub(super) fn finish(&mut self) -> Result<(), OutOfOrder> {
        match self.stage {
            Stage::Idle | Stage::Ended => Err(OutOfOrder),
            _ => {
                self.stage = Stage::Ended;
                Ok(())
            }
        }
    }
}
