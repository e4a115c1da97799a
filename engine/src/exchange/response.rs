//! A response of the upstream -> what the client gets of it. The policy's edits of its head are computed here; its body
//! is the host's so far.

use super::{Exchange, OutOfOrder, Reply, Stage};
use crate::decision::{HeaderLines, OwnedDecision, Reason, ResponseDemand};

/// What the host does with a response.
#[derive(Debug)]
pub enum ResponseNext<'e> {
    /// Send it on, with these edits of its head. Its body is as it came, or as the plan has made it.
    Pass(ResponseEdits<'e>),
    /// Hold it back, carry out the plan on its body, then call [`Exchange::response_body`].
    CarryOut(ResponseDemand<'e>),
    /// Send this instead of it.
    Replace(Reply<'e>),
}

/// How the head of a response changes. Removals come before additions.
#[derive(Clone, Copy, Debug)]
pub struct ResponseEdits<'e> {
    decision: &'e OwnedDecision,
    /// Header lines of the response, where the host has shown them.
    seen: Option<&'e [(&'e [u8], &'e [u8])]>,
}

impl<'e> ResponseEdits<'e> {
    /// Names to remove, in lower case; where the host has shown the response's headers, only such as are among them.
    pub fn remove(&self) -> impl Iterator<Item = &'e str> + use<'e> {
        // What the upstream varies by still holds.
        let set = self.decision.response_set().map(|(name, _)| name);
        let replaced = set.filter(|name| *name != "vary");
        let seen = self.seen;
        let is_there = move |name: &&str| {
            seen.is_none_or(|lines| {
                lines
                    .iter()
                    .any(|(own, _)| own.eq_ignore_ascii_case(name.as_bytes()))
            })
        };
        self.decision.response_drop().chain(replaced).filter(is_there)
    }

    /// Lines to add.
    pub fn add(&self) -> HeaderLines<'e> {
        self.decision.response_set()
    }
}

/// What became of a response's body under its plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseOutcome {
    /// The plan was carried out.
    CarriedOut,
    /// The body is not what the plan requires; with the status of that requirement's `else`.
    Refused {
        /// HTTP status.
        status: u16,
    },
    /// The body could not be read.
    Unreadable,
}

impl Exchange {
    /// The head of the upstream's response is there: its HTTP status and its header lines, where the host has them at
    /// hand.
    pub fn response_head<'e>(
        &'e mut self,
        status: Option<u16>,
        headers: Option<&'e [(&'e [u8], &'e [u8])]>,
    ) -> Result<ResponseNext<'e>, OutOfOrder> {
        self.steps.response_head()?;
        self.upstream_status = status;
        Ok(self.response_next(headers))
    }

    /// The host's answer to [`ResponseNext::CarryOut`].
    pub fn response_body(&mut self, outcome: ResponseOutcome) -> Result<ResponseNext<'_>, OutOfOrder> {
        let refusal = match outcome {
            ResponseOutcome::CarriedOut => None,
            ResponseOutcome::Refused { status } => Some((Reason::ResponseRefused, status)),
            ResponseOutcome::Unreadable => {
                Some((Reason::ResponseUnreadable, Reason::ResponseUnreadable.status()))
            }
        };
        self.steps.response_body(refusal.is_none())?;
        if let Some((reason, status)) = refusal {
            self.refuse(reason, status, None);
        }
        Ok(self.response_next(None))
    }

    fn response_next<'e>(&'e self, seen: Option<&'e [(&'e [u8], &'e [u8])]>) -> ResponseNext<'e> {
        match (self.steps.stage(), self.decision.response()) {
            (Stage::ResponseBody, Some(plan)) => ResponseNext::CarryOut(plan),
            (Stage::Respond, _) => ResponseNext::Pass(ResponseEdits {
                decision: &self.decision,
                seen,
            }),
            _ => ResponseNext::Replace(self.reply()),
        }
    }

    /// The edits of [`ResponseNext::Pass`] again, with all names to remove.
    pub fn response_edits(&self) -> Result<ResponseEdits<'_>, OutOfOrder> {
        self.steps.expect(Stage::Respond)?;
        Ok(ResponseEdits {
            decision: &self.decision,
            seen: None,
        })
    }

    /// Names to remove from the response's trailers: those that the policy removes or alone writes.
    pub fn response_trailers(&self) -> Result<impl Iterator<Item = &str>, OutOfOrder> {
        self.steps.expect(Stage::Respond)?;
        let set = self.decision.response_set().map(|(name, _)| name);
        Ok(self.decision.response_drop().chain(set))
    }
}
