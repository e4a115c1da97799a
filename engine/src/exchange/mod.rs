//! One proxied request, sans-I/O: snapshot and request --begin--> [`Exchange`], which asks its host step by step for
//! what deciding cannot do ([`Next`]) and is answered, until it says forward or reply.
//!
//! Invariant: there is no way to [`Next::Forward`] past a question that was not answered in its favour. An answer
//! to a question that was not asked changes nothing. This module knows no sockets, stores, clocks or gateways.
//!
//! What the engine enforces itself so far ends at the verdict. Bodies are judged by the host against
//! [`OwnedDecision::request_body`] ([`Next::ReadBody`]), and the response plan travels to the host with
//! [`Rewrites`]: a host that cannot carry it out must not forward. A refusal after an allow (429, 503, a body)
//! carries the headers that the engine itself had put there, not those of the rules, for the allow no longer grants.

#[cfg(test)]
mod tests;

use std::sync::{Arc, PoisonError, RwLock};

use crate::data::DataError;
use crate::decide::{Now, OwnedCharge, OwnedDecision, OwnedResponsePlan, Snapshot, Worker, decide};
use crate::decision::{Effect, Reason};
use crate::image::{Image, LoadError, Trust, TrustError};
use crate::obligations::grpc_status;
use crate::view::RequestView;
use portcullis_base::media::is_grpc;

/// The policy in force, shared by all threads. Without one, everything is denied.
#[derive(Debug, Default)]
pub struct Engine {
    current: RwLock<Option<Arc<Snapshot>>>,
}

impl Engine {
    /// No policy yet: a closed gate.
    pub fn new() -> Engine {
        Engine::default()
    }

    /// Puts a snapshot in force. Exchanges under way keep the one they began with. Where a sealed image is in force,
    /// an unsealed one and one of an older serial are refused, unless the new one was loaded with rollback allowed.
    pub fn swap(&self, snapshot: Arc<Snapshot>) -> Result<(), TrustError> {
        // A poisoned lock still holds a whole snapshot: nothing is left half-written by replacing an Arc.
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(in_force) = current.as_ref() {
            snapshot
                .image
                .admission()
                .may_follow(in_force.image.admission())?;
        }
        *current = Some(snapshot);
        Ok(())
    }

    /// Builds a snapshot and puts it in force. A bad image leaves the last good one there; a bad data file leaves the
    /// last good one that the new policy declares alike, and is told. One thread loads: of two loads at once the later one
    /// may keep what was in force before the earlier.
    pub fn load(
        &self,
        image: &[u8],
        trust: &Trust,
        files: &dyn Fn(&str) -> Option<Vec<u8>>,
    ) -> Result<Vec<DataError>, LoadError> {
        let image = Image::load(image, trust)?;
        let before = self.snapshot().map(|snapshot| Arc::clone(&snapshot.data));
        let (data, errors) = before.unwrap_or_default().reload(image.config(), files);
        self.swap(Arc::new(Snapshot::new(image, data)))?;
        Ok(errors)
    }

    /// What is in force; the lock is held for the copy of one pointer.
    pub fn snapshot(&self) -> Option<Arc<Snapshot>> {
        self.current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Begins an exchange under what is in force, or a denial where nothing is.
    pub fn begin(&self, worker: &mut Worker, request: &RequestView<'_>, now: Now) -> Exchange {
        match self.snapshot() {
            Some(snapshot) => Exchange::begin(worker, snapshot, request, now),
            None => Exchange::closed(),
        }
    }
}

/// What the host does next.
#[derive(Debug, PartialEq, Eq)]
pub enum Next<'e> {
    /// Charge all of these quotas or none, then call [`Exchange::charged`].
    Charge(&'e [OwnedCharge]),
    /// Read the request's body up to this many bytes and judge it against [`OwnedDecision::request_body`], then call
    /// [`Exchange::body`].
    ReadBody {
        /// Bytes.
        max: u64,
    },
    /// Send the request upstream.
    Forward(Rewrites<'e>),
    /// Answer the client; nothing goes upstream.
    Reply(Reply<'e>),
}

/// How the exchange changes on its way. Drops come before sets.
#[derive(Debug, PartialEq, Eq)]
pub struct Rewrites<'e> {
    /// Target to forward.
    pub target: &'e str,
    /// Request headers to remove.
    pub request_drop: &'e [String],
    /// Request headers to set.
    pub request_set: &'e [(String, String)],
    /// Response headers to remove.
    pub response_drop: &'e [String],
    /// Response headers to set.
    pub response_set: &'e [(String, String)],
    /// What happens to the response's body.
    pub response: Option<&'e OwnedResponsePlan>,
}

/// An answer of the gateway itself. It tells the client nothing of the policy but what the policy says aloud.
#[derive(Debug, PartialEq, Eq)]
pub struct Reply<'e> {
    /// HTTP status.
    pub status: u16,
    /// Why.
    pub reason: Reason,
    /// `because` of the deciding deny.
    pub message: Option<&'e str>,
    /// Headers.
    pub headers: &'e [(String, String)],
}

/// What became of the charges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChargeOutcome {
    /// All were charged.
    Admitted,
    /// None was: a bucket is empty.
    Refused {
        /// The longest wait.
        retry_after_s: u64,
    },
    /// The store could not tell, and the quota's policy for that is to deny.
    StoreFailed,
}

/// What the body turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyOutcome {
    /// As accepted.
    Accepted,
    /// Not readable in its media type.
    Syntax,
    /// Not of an accepted shape.
    Shape,
    /// Over the limit.
    TooLarge,
    /// Of no accepted media type.
    MediaType,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Charge,
    ReadBody,
    Done,
}

/// One request under way. Owns its snapshot and its decision; borrows nothing of the request.
#[derive(Debug)]
pub struct Exchange {
    snapshot: Option<Arc<Snapshot>>,
    decision: OwnedDecision,
    step: Step,
    grpc: bool,
}

impl Exchange {
    /// Decides.
    pub fn begin(
        worker: &mut Worker,
        snapshot: Arc<Snapshot>,
        request: &RequestView<'_>,
        now: Now,
    ) -> Exchange {
        let decision = decide(&snapshot, request, now, worker).to_owned();
        // Only what is refused after its decision is answered here; a denial says itself how.
        let asks = !decision.quotas.is_empty() || decision.request_body.is_some();
        let grpc = asks && speaks_grpc(request);
        Exchange::of(Some(snapshot), decision, grpc)
    }

    /// Denies: no policy is loaded.
    pub fn closed() -> Exchange {
        let decision = OwnedDecision {
            status: Reason::NoPolicy.status(),
            ..OwnedDecision::default()
        };
        Exchange::of(None, decision, false)
    }

    fn of(snapshot: Option<Arc<Snapshot>>, decision: OwnedDecision, grpc: bool) -> Exchange {
        let mut exchange = Exchange {
            snapshot,
            decision,
            step: Step::Charge,
            grpc,
        };
        if exchange.decision.quotas.is_empty() {
            exchange.after_charge();
        }
        exchange
    }

    /// The verdict as it stands; a refused charge or body has changed it.
    pub fn decision(&self) -> &OwnedDecision {
        &self.decision
    }

    /// The verdict, for a host that needs nothing else any more.
    pub fn into_decision(self) -> OwnedDecision {
        self.decision
    }

    /// The policy and data that decided, `None` where there were none.
    pub fn snapshot(&self) -> Option<&Arc<Snapshot>> {
        self.snapshot.as_ref()
    }

    /// What to do now. Asking twice gives the same answer.
    pub fn next(&self) -> Next<'_> {
        let decision = &self.decision;
        match (
            self.step,
            decision.effect,
            &decision.upstream_target,
            &decision.request_body,
        ) {
            (Step::Charge, ..) => Next::Charge(&decision.quotas),
            (Step::ReadBody, _, _, Some(body)) => Next::ReadBody { max: body.max_bytes },
            (Step::Done, Effect::Allow, Some(target), _) => Next::Forward(Rewrites {
                target,
                request_drop: &decision.request_drop,
                request_set: &decision.request_set,
                response_drop: &decision.response_drop,
                response_set: &decision.response_set,
                response: decision.response.as_ref(),
            }),
            // An allow without a target is a defect of ours and stays closed.
            (_, Effect::Allow, ..) => Next::Reply(Reply {
                status: Reason::Internal.status(),
                reason: Reason::Internal,
                message: None,
                headers: &[],
            }),
            (_, Effect::Deny | Effect::Answer, ..) => Next::Reply(Reply {
                status: decision.status,
                reason: decision.reason,
                message: decision.message.as_deref(),
                headers: &decision.response_set,
            }),
        }
    }

    /// The host's answer to [`Next::Charge`]. A denial that is charged stays the denial it is.
    pub fn charged(&mut self, outcome: ChargeOutcome) {
        if self.step != Step::Charge {
            return;
        }
        match outcome {
            _ if self.decision.effect == Effect::Deny => self.step = Step::Done,
            ChargeOutcome::Admitted => self.after_charge(),
            ChargeOutcome::Refused { retry_after_s } => {
                let retry_after = Some(("retry-after".to_string(), retry_after_s.to_string()));
                self.refuse(Reason::QuotaExceeded, Reason::QuotaExceeded.status(), retry_after);
            }
            ChargeOutcome::StoreFailed => {
                self.refuse(Reason::StoreUnavailable, Reason::StoreUnavailable.status(), None);
            }
        }
    }

    /// The host's answer to [`Next::ReadBody`].
    pub fn body(&mut self, outcome: BodyOutcome) {
        if self.step != Step::ReadBody {
            return;
        }
        match outcome {
            BodyOutcome::Accepted => self.step = Step::Done,
            BodyOutcome::Syntax => self.refuse(Reason::BodyRefused, 400, None),
            BodyOutcome::Shape => self.refuse(Reason::BodyRefused, Reason::BodyRefused.status(), None),
            BodyOutcome::TooLarge => self.refuse(Reason::TooLarge, Reason::TooLarge.status(), None),
            BodyOutcome::MediaType => {
                self.refuse(
                    Reason::UnsupportedMediaType,
                    Reason::UnsupportedMediaType.status(),
                    None,
                );
            }
        }
    }

    fn after_charge(&mut self) {
        let waits = self.decision.effect == Effect::Allow && self.decision.request_body.is_some();
        self.step = if waits { Step::ReadBody } else { Step::Done };
    }

    fn refuse(&mut self, reason: Reason, status: u16, first: Option<(String, String)>) {
        let before = std::mem::take(&mut self.decision);
        let kept = before
            .response_set
            .into_iter()
            .filter(|(name, _)| of_the_engine(name));
        let grpc = self
            .grpc
            .then(|| ("grpc-status".to_string(), grpc_status(status).to_string()));
        self.decision = OwnedDecision {
            effect: Effect::Deny,
            status,
            reason,
            report: before.report,
            response_set: first.into_iter().chain(kept).chain(grpc).collect(),
            ..OwnedDecision::default()
        };
        self.step = Step::Done;
    }
}

/// Headers that an allow carries for the service's sake, not for a rule's.
fn of_the_engine(name: &str) -> bool {
    matches!(
        name,
        "sunset" | "access-control-allow-origin" | "access-control-allow-credentials" | "vary"
    )
}

/// One content type, and it is gRPC's.
fn speaks_grpc(request: &RequestView<'_>) -> bool {
    let mut types = request
        .headers
        .iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case(b"content-type"));
    types.next().is_some_and(|(_, value)| is_grpc(value)) && types.next().is_none()
}
