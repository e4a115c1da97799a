//! One proxied request and its response, sans-I/O: a request and what its host carries out --begin--> [`Exchange`], which
//! says step by step what the host does next ([`Next`], [`ResponseNext`]) until it is finished ([`Record`]).
//!
//! Invariant: there is no way to [`Next::Forward`] past a question that was not answered in its favour, nor to
//! [`ResponseNext::Pass`] past a response plan that was not carried out. A step that is not due is an error and changes
//! nothing. This module knows no sockets, stores, clocks or gateways.
//!
//! The host hands over bodies and holds them back; the engine judges them. A refusal after an allow (429, 503, a body)
//! carries the headers that the engine itself had put there, not those of the rules, for the allow no longer grants.

mod charge;
mod penalty;
mod protocol;
mod request_body;
mod response;
mod steps;
#[cfg(test)]
mod tests;
mod waiting;

pub use protocol::{Carries, ChargeOutcome, Charges, End, Introspection, Next, Record, Reply, Rewrites};
pub use response::{ResponseEdits, ResponseNext};
pub use steps::OutOfOrder;

use crate::decide::{
    Explanation, Now, Pin, Snapshot, Worker, address_penalties, decide, explain, opaque_token, signed_message,
};
use crate::decision::{Decision, Effect, HeaderLines, OwnedDecision, Reason};
use crate::identity::{SignedMessage, StaleKeysOf};
use crate::image::config::{Config, IssuerKeys};
use crate::image::ids::RuleId;
use crate::obligations::grpc_status;
use crate::quota::QuotaStore;
use crate::verdict::to_json;
use crate::view::{Credential, RequestView};
use charge::{LocalCharges, RateLimitFields};
use penalty::Penalties;
use portcullis_base::Detail;
use portcullis_base::media::is_grpc;
use request_body::RequestBody;
use response::ResponseBody;
use std::sync::Arc;
use steps::{Due, Stage, Steps, Waits};
use waiting::WaitingRequest;

/// One request under way and its response. Owns its snapshot and its decision, and borrows nothing of the request. Its
/// buffers are used again by the next [`crate::Engine::begin`], and then no step allocates.
#[derive(Debug, Default)]
pub struct Exchange {
    pin: Option<Pin>,
    decision: OwnedDecision,
    steps: Steps,
    carries: Carries,
    /// The request is gRPC, for refusals after the decision.
    grpc: bool,
    /// The method is HEAD, whose response has no body.
    is_head: bool,
    waiting: WaitingRequest,
    /// Something was copied there.
    is_copied: bool,
    body: RequestBody,
    /// A message whose body is handed over before it is decided.
    signed: Option<SignedMessage>,
    response: ResponseBody,
    /// When it began.
    begun: Now,
    /// HTTP status of the upstream.
    upstream_status: Option<u16>,
    explains: bool,
    explanation: Explanation,
    stale_keys: Option<StaleKeysOf>,
    local: LocalCharges,
    rate_limit: RateLimitFields,
    penalties: Penalties,
}

impl Exchange {
    /// An exchange that is not begun.
    pub fn new() -> Exchange {
        Exchange::default()
    }

    /// From the next decision on, says why no allow granted where none did ([`Exchange::explanation`]). Costs
    /// allocations and a second walk on a denial.
    pub fn explain_denials(&mut self, explains: bool) {
        self.explains = explains;
    }

    /// From now on charges by this store what nodes do not share; `None` leaves it to the host.
    #[inline]
    pub(crate) fn charge_by(&mut self, store: Option<&Arc<QuotaStore>>) {
        self.local.attach(store);
    }

    /// Begins, or begins anew, under a snapshot.
    #[inline]
    pub(crate) fn begin(
        &mut self,
        pin: Option<Pin>,
        worker: &mut Worker,
        request: &RequestView<'_>,
        carries: Carries,
        now: Now,
    ) -> Next<'_> {
        // One that was cleared has nothing to forget.
        if self.steps.stage() != Stage::Idle {
            self.reset();
        }
        self.carries = carries;
        self.begun = now;
        match &pin {
            None => {
                self.steps = Steps::begin(Waits::default());
                self.decision.deny(Reason::NoPolicy, None);
                self.decided(Due::default());
            }
            Some(snapshot) => {
                let reads_body = carries.request_body && !snapshot.image.config().signatures.is_empty();
                let waits = if carries.introspection || reads_body {
                    self.waits(snapshot, worker, request, now)
                } else {
                    Waits::default()
                };
                self.steps = Steps::begin(waits);
                if self.steps.waited() {
                    self.decision.clear();
                } else {
                    self.decide(snapshot, worker, request, now);
                }
            }
        }
        self.pin = pin;
        self.charge_here(now);
        self.judge_known_body();
        self.next()
    }

    /// Lets go of policy and decision: what is left denies, and keeps its buffers for the next exchange.
    #[inline]
    pub fn clear(&mut self) {
        self.reset();
        self.decision.clear();
    }

    /// Forgets the exchange before, but for its decision.
    #[inline]
    fn reset(&mut self) {
        self.pin = None;
        self.local.end();
        self.penalties.clear();
        self.grpc = false;
        self.is_head = false;
        self.stale_keys = None;
        self.upstream_status = None;
        if !self.explanation.closest.is_empty() {
            self.explanation = Explanation::default();
        }
        if self.is_copied {
            self.waiting.clear();
            self.signed = None;
            self.is_copied = false;
        }
        if self.steps.waited() || self.steps.has_bodies() {
            self.body.clear();
            self.response.clear();
        }
        self.steps = Steps::default();
    }

    /// What the decision may depend on and the host finds out first; then the request is kept. What is refused before
    /// credentials count, and a preflight, needs nothing.
    #[cold]
    fn waits(
        &mut self,
        snapshot: &Snapshot,
        worker: &mut Worker,
        request: &RequestView<'_>,
        now: Now,
    ) -> Waits {
        let config = snapshot.image.config();
        let asks = self.carries.introspection
            && matches!(request.credential, Credential::FromHeaders)
            && config.issuers.iter().any(|issuer| issuer.opaque);
        let is_signed = self.carries.request_body
            && request.signature.is_none()
            && config.signatures.iter().any(|scheme| {
                let mut names = request.headers.iter().map(|(name, _)| name);
                names.any(|name| name.eq_ignore_ascii_case(scheme.header.as_bytes()))
            });
        // Who is blocked by its address has nothing verified.
        if !asks && !is_signed || self.blocked_address(snapshot, worker, request, now).is_some() {
            return Waits::default();
        }
        let reason = decide(snapshot, request, now, worker).reason;
        let is_final = matches!(
            reason,
            Reason::NoPolicy
                | Reason::Malformed
                | Reason::NoService
                | Reason::TransportRefused
                | Reason::Preflight
                | Reason::Internal
        );
        if is_final {
            return Waits::default();
        }
        if asks && let Some(token) = opaque_token(snapshot, request, now, worker) {
            self.copy(request, token);
            return Waits {
                introspection: true,
                body: false,
            };
        }
        if is_signed {
            self.signed = signed_message(snapshot, request, now, worker);
        }
        if self.signed.is_some() {
            self.copy(request, &[]);
        }
        Waits {
            introspection: false,
            body: self.signed.is_some(),
        }
    }

    fn copy(&mut self, request: &RequestView<'_>, token: &[u8]) {
        self.waiting.copy_from(request, token);
        self.is_copied = true;
    }

    /// Decides, when everything is known that the decision depends on.
    #[inline]
    fn decide(&mut self, snapshot: &Snapshot, worker: &mut Worker, request: &RequestView<'_>, now: Now) {
        let config = snapshot.image.config();
        let has_penalties = !config.penalties.is_empty() && self.local.is_on();
        if has_penalties && let Some(seconds) = self.blocked_address(snapshot, worker, request, now) {
            return self.block(seconds, request);
        }
        let decision = decide(snapshot, request, now, worker);
        if has_penalties
            && let Some(store) = self.local.store()
            && let Some(seconds) = self.penalties.look_up(store, config, &decision, now)
        {
            return self.block(seconds, request);
        }
        self.local.look_at(config, &decision);
        if !decision.tried().is_empty() {
            self.local.try_out(config, &decision, now);
        }
        let due = self.due(&decision);
        // Only what is refused after its decision is answered here; a denial says itself how.
        let can_refuse = due.is_ok_and(|due| due.charge || due.body || due.response);
        self.grpc = can_refuse && speaks_grpc(request);
        if let Ok(due) = due
            && (due.body || due.response)
        {
            self.keep(request, due, &decision);
        }
        self.settle(due, &decision);
        if let Some(stale) = worker.take_stale_keys() {
            self.stale_keys = Some(stale);
        }
        if self.explains {
            self.explanation = explain(&self.decision, snapshot, request, now, worker);
        }
    }

    /// Whether a penalty blocks the request's address, and for how many seconds: before anything is verified.
    #[cold]
    fn blocked_address(
        &mut self,
        snapshot: &Snapshot,
        worker: &mut Worker,
        request: &RequestView<'_>,
        now: Now,
    ) -> Option<u64> {
        let config = snapshot.image.config();
        let store = self.local.store()?;
        let by_address = config.penalties.iter().any(|penalty| penalty.by_address);
        let keys = by_address.then(|| address_penalties(snapshot, request, now, worker))?;
        self.penalties.look_up_addresses(store, config, keys, now)
    }

    /// Refuses who is blocked.
    #[cold]
    fn block(&mut self, seconds: u64, request: &RequestView<'_>) {
        self.grpc = speaks_grpc(request);
        self.decision.deny(Reason::Blocked, None);
        self.refuse(Reason::Blocked, Reason::Blocked.status(), Some(seconds));
        self.decided(Due::default());
    }

    /// Keeps of a request what its bodies are judged by.
    #[cold]
    fn keep(&mut self, request: &RequestView<'_>, due: Due, decision: &Decision<'_>) {
        self.is_head = request.method == b"HEAD";
        if due.body {
            self.body.keep_head(request.headers);
        }
        let checks = decision.response.is_some_and(|plan| !plan.require.is_empty());
        // A request that has waited is there already.
        if due.response && checks && !self.is_copied {
            self.copy(request, &[]);
        }
    }

    /// Keeps the decision, or a denial in its place of which nothing else is left: what it granted shows nowhere.
    #[inline]
    fn settle(&mut self, due: Result<Due, Option<&'static str>>, decision: &Decision<'_>) {
        match due {
            Ok(_) => self.decision.copy_from(decision),
            Err(detail) => self.decision.deny(Reason::Internal, detail),
        }
        self.decided(due.unwrap_or_default());
    }

    /// What the decision asks the host to do; the detail code of a denial where an allow asks for what the host does not
    /// carry out.
    #[inline]
    fn due(&self, decision: &Decision<'_>) -> Result<Due, Option<&'static str>> {
        let (carries, is_allow) = (self.carries, decision.effect == Effect::Allow);
        let demands = Due {
            effect: decision.effect,
            charge: !decision.quotas.is_empty(),
            body: is_allow && decision.request_body.is_some(),
            response: is_allow && decision.response.is_some(),
        };
        let charges = carries.charges || self.local.holds_all();
        let is_carried = (charges || !demands.charge)
            && (carries.request_body || !demands.body)
            && (carries.response_body || !demands.response);
        if is_allow && !is_carried {
            return Err(Some(Detail::DemandsNotCarried.code()));
        }
        if is_allow && decision.upstream_target.is_none() {
            // An allow without a target is a defect of ours and stays closed.
            return Err(None);
        }
        Ok(Due {
            charge: demands.charge && (charges || self.local.is_on()),
            ..demands
        })
    }

    #[inline]
    fn decided(&mut self, due: Due) {
        // Called where the engine's turn is, and nowhere else; a step that is not due would leave it without a forward.
        let _ = self.steps.decided(due);
    }

    /// The verdict as it stands: of an exchange that waits for its decision a denial, and changed by a refused charge,
    /// body or response.
    #[inline]
    pub fn decision(&self) -> &OwnedDecision {
        &self.decision
    }

    /// Names of the quotas that reported rules try out and that would have refused this request, if the engine has a store.
    /// They count in buckets of their own what would be charged; what is in flight is not tried out.
    pub fn tried_and_exceeded(&self) -> impl Iterator<Item = &str> {
        let quotas = self.snapshot().map(|snapshot| &snapshot.image.config().quotas);
        let exceeded = self.local.exceeded().iter();
        exceeded.filter_map(move |index| quotas?.get(*index as usize).map(|quota| quota.name.as_str()))
    }

    /// Why no allow granted, where [`Exchange::explain_denials`] asked for it.
    pub fn explanation(&self) -> &Explanation {
        &self.explanation
    }

    /// The policy and data that decide, `None` where there are none.
    #[inline]
    pub fn snapshot(&self) -> Option<&Snapshot> {
        self.pin.as_ref().map(|pin| &***pin)
    }

    /// Id of a rule that the decision names.
    #[inline]
    pub fn rule_id(&self, rule: RuleId) -> &str {
        let rules = self.snapshot().map(|snapshot| &snapshot.image.config().rules);
        rules.and_then(|rules| rules.id(rule.index())).unwrap_or_default()
    }

    /// The verdict as it stands and its explanation as the one line of JSON, the same bytes in every host.
    pub fn to_json(&self, id: &str) -> String {
        let (decision, explanation) = (&self.decision, &self.explanation);
        match self.snapshot() {
            Some(Snapshot { image, data }) => {
                let digests = (&image.digest(), &data.digest());
                to_json(image.config(), decision, explanation, id, digests.0, digests.1)
            }
            // Without a policy there is nothing whose digest could be told.
            None => to_json(&Config::default(), decision, explanation, id, &[0; 32], &[0; 32]),
        }
    }

    /// Whether the exchange waits for its host before the request is forwarded or replied to.
    #[inline]
    pub fn is_pending(&self) -> bool {
        matches!(
            self.steps.stage(),
            Stage::Introspect | Stage::BodyBefore | Stage::Decide | Stage::Charge | Stage::Body
        )
    }

    /// Whether [`Exchange::decision`] is the policy's: not before what it depends on is known.
    #[inline]
    pub fn is_decided(&self) -> bool {
        !matches!(
            self.steps.stage(),
            Stage::Idle | Stage::Introspect | Stage::BodyBefore | Stage::Decide
        )
    }

    /// What becomes of the request, as the last step said. Of an exchange that is not under way, a reply of status 500.
    // A host which does not look at it pays nothing for it, but in the module, where size counts.
    #[cfg_attr(not(target_family = "wasm"), inline(always))]
    pub fn next(&self) -> Next<'_> {
        let decision = &self.decision;
        match (self.steps.stage(), decision.upstream_target()) {
            (Stage::Introspect, _) => Next::Introspect(self.waiting.token()),
            (Stage::BodyBefore | Stage::Body, _) => Next::ReadBody {
                max: self.body_bytes_max(),
            },
            (Stage::Charge, _) => Next::Charge(Charges {
                decision,
                shared_of: self.shared_of(),
            }),
            (Stage::Forward | Stage::ResponseBody | Stage::Respond, Some(target)) => {
                Next::Forward(Rewrites {
                    target,
                    body: self.body.rewritten(),
                    decision,
                })
            }
            (Stage::Reply, _) => Next::Reply(self.reply()),
            (Stage::Idle | Stage::Decide | Stage::Reset | Stage::Ended, _)
            | (Stage::Forward | Stage::ResponseBody | Stage::Respond, None) => Next::Reply(Reply {
                status: Reason::Internal.status(),
                reason: Reason::Internal,
                message: None,
                headers: HeaderLines::default(),
                problem: None,
            }),
        }
    }

    #[inline]
    fn reply(&self) -> Reply<'_> {
        Reply {
            status: self.decision.status(),
            reason: self.decision.reason(),
            message: self.decision.message(),
            headers: self.decision.response_set(),
            problem: self.body.problem(),
        }
    }

    /// The host's answer to [`Next::Introspect`]. An issuer whose tokens are not opaque vouches for none by an answer.
    pub fn introspected(
        &mut self,
        worker: &mut Worker,
        heard: Introspection<'_>,
        now: Now,
    ) -> Result<Next<'_>, OutOfOrder> {
        self.steps.expect(Stage::Introspect)?;
        match heard {
            Introspection::Active { issuer, .. } if !self.is_opaque(issuer) => {
                self.waiting.invalid_token(issuer, Detail::UnknownIssuer.code());
            }
            Introspection::Active { issuer, claims } => self.waiting.verified_token(issuer, claims),
            Introspection::Inactive { issuer, fault } => self.waiting.invalid_token(issuer, fault),
            Introspection::Unavailable => {}
        }
        if self.carries.request_body
            && let Some(pin) = self.pin.clone()
        {
            let now = self.at(now);
            let signed = self
                .waiting
                .with_view(|request| signed_message(&pin, request, now, worker));
            self.signed = signed;
        }
        self.steps.introspected(self.signed.is_some())?;
        self.decide_waiting(worker, now);
        Ok(self.next())
    }

    fn is_opaque(&self, issuer: &str) -> bool {
        let issuers = self
            .snapshot()
            .map(|snapshot| snapshot.image.config().issuers.iter());
        issuers.is_some_and(|mut issuers| issuers.any(|own| own.opaque && own.name == issuer))
    }

    /// The instant of a step. A host that tells no time now has told it before: else what ends at an instant would not end,
    /// and the store would take the clock for one that was set back.
    fn at(&self, now: Now) -> Now {
        Now {
            wall_us: now.wall_us.or(self.begun.wall_us),
            mono_us: now.mono_us.max(self.begun.mono_us),
        }
    }

    /// The body was handed over whole: whether it is what was signed is part of what is decided on.
    fn judge_signature(&mut self, now: Now) {
        let now = self.at(now);
        let (Some(signed), Some(pin)) = (self.signed.take(), &self.pin) else {
            return;
        };
        let config = pin.image.config();
        let (place, fault) = match signed.finish(config, now.wall_us) {
            Ok(place) => (place, None),
            Err((place, detail)) => (place, Some(detail.code())),
        };
        let scheme = config.signatures.get(place);
        let name = scheme.map_or("", |scheme| scheme.name.as_str());
        self.waiting.signature(name, fault);
    }

    /// Decides a request that has waited, if that is the next step.
    fn decide_waiting(&mut self, worker: &mut Worker, now: Now) {
        if self.steps.stage() != Stage::Decide {
            return;
        }
        let Some(pin) = self.pin.take() else {
            self.decision.deny(Reason::NoPolicy, None);
            return self.decided(Due::default());
        };
        let now = self.at(now);
        let mut waiting = std::mem::take(&mut self.waiting);
        waiting.with_view(|request| self.decide(&pin, worker, request, now));
        self.waiting = waiting;
        self.pin = Some(pin);
        self.charge_here(now);
        self.judge_known_body();
    }

    /// Where only some charges are the host's, what tells which.
    fn shared_of(&self) -> Option<&Config> {
        let snapshot = self.snapshot().filter(|_| self.local.is_on())?;
        Some(snapshot.image.config())
    }

    /// Begins an exchange that is over at once: its host could not read the request, so there is nothing to decide on. The
    /// client gets the reply, a denial for this reason with this detail code.
    pub fn reject(&mut self, reason: Reason, detail: &str) -> Next<'_> {
        self.reset();
        self.steps = Steps::begin(Waits::default());
        self.decision.deny(reason, Some(detail));
        self.decided(Due::default());
        self.next()
    }

    /// Refuses what cannot be carried out after all: the gateway did not rewrite the request or the response. The client
    /// is to get the reply, a denial for this reason with this detail code.
    pub fn failed(&mut self, reason: Reason, detail: &str) -> Result<Next<'_>, OutOfOrder> {
        self.steps.failed()?;
        self.decision.deny(reason, Some(detail));
        Ok(self.next())
    }

    /// Names that the policy alone writes upstream: what is to be removed from the request's trailers.
    pub fn request_trailers(&self) -> Result<impl Iterator<Item = &str>, OutOfOrder> {
        self.expect_forwarded()?;
        let set = self.decision.request_set().map(|(name, _)| name);
        Ok(self.decision.request_drop().chain(set))
    }

    fn expect_forwarded(&self) -> Result<(), OutOfOrder> {
        match self.steps.stage() {
            Stage::Forward | Stage::ResponseBody | Stage::Respond => Ok(()),
            _ => Err(OutOfOrder),
        }
    }

    /// Ends the exchange: what still waits for a step of its request is denied. Dropped, cleared or begun again without
    /// it, an exchange was aborted. What it says of its decision
    /// can be read until then, and so long it keeps its policy.
    pub fn finish(&mut self, end: End, now: Now) -> Result<Record<'_>, OutOfOrder> {
        let stage = self.steps.stage();
        self.steps.finish()?;
        if matches!(stage, Stage::Charge | Stage::Body) && self.decision.effect() != Effect::Deny {
            self.refuse(Reason::Internal, Reason::Internal.status(), None);
        }
        self.local.end();
        let at = self.at(now);
        if let (Some(store), Some(pin)) = (self.local.store(), &self.pin) {
            let answered = self.upstream_status;
            self.penalties
                .count(store, pin.image.config(), &self.decision, answered, at);
        }
        let (status, end) = match stage {
            Stage::Reply => (Some(self.decision.status()), end),
            Stage::Respond => (self.upstream_status, end),
            Stage::Reset => (self.upstream_status, End::Aborted),
            _ => (None, End::Aborted),
        };
        Ok(Record {
            decision: &self.decision,
            status: status.filter(|_| end == End::Completed),
            duration_us: now.mono_us.saturating_sub(self.begun.mono_us),
            end,
            keys_to_fetch: self.keys_to_fetch(),
        })
    }

    fn keys_to_fetch(&self) -> Option<&str> {
        let of = self.stale_keys?;
        let config = self.snapshot()?.image.config();
        let issuers = if of.beside {
            &config.beside
        } else {
            &config.issuers
        };
        match &issuers.get(of.place)?.keys {
            IssuerKeys::File(file) => Some(file),
            IssuerKeys::None | IssuerKeys::Secret(_) => None,
        }
    }

    /// Denies what was allowed.
    fn refuse(&mut self, reason: Reason, status: u16, retry_after_s: Option<u64>) {
        self.decision.revoke(
            reason,
            status,
            of_the_engine,
            retry_after_s.map(|seconds| ("retry-after", seconds)),
            self.grpc.then(|| ("grpc-status", grpc_status(status).into())),
        );
    }
}

/// Headers that an allow carries for the service's sake, not for a rule's.
fn of_the_engine(name: &str) -> bool {
    matches!(
        name,
        "sunset"
            | "access-control-allow-origin"
            | "access-control-allow-credentials"
            | "vary"
            | "ratelimit-policy"
            | "ratelimit"
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
