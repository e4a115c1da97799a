//! (image, data, request, now) --> [`Decision`]: the order of section 6 of the language, and nothing else.
//!
//! Pure: no clock, no I/O, no recursion; steps are bounded by the image. Invariant: no rule is looked at here that
//! the route did not select, and a rule's condition is never interpreted: what it says is in the graph.

mod bitmap;
mod classify;
mod explain;
mod owned;
mod route;
mod scratch;
mod walk;

use std::sync::Arc;

pub use explain::decide_explained;
pub use owned::{Closest, Lack, OwnedCharge, OwnedDecision, OwnedRequestBody, OwnedResponsePlan};

use crate::data::Data;
use crate::decision::{Decision, Set};
use crate::facts::Facts;
use crate::identity::{Credentials, Seen, TokenCache};
use crate::image::Image;
use crate::image::config::{Config, HostOptions, RuleIndex};
use crate::image::layout::fallback;
use crate::image::symbols::Symbols;
use crate::image::tables::View;
use crate::obligations::{self, Binding, Draft};
use crate::request::{Canonical, Head, Malformed};
use crate::value::Arena;
use crate::view::{KnownToken, RequestView};
use portcullis_base::{CredentialKind, CredentialKinds, Detail, Reason};
use route::Found;
use scratch::Scratch;
use walk::Walk;

/// One policy with its data: what one decision sees. Either is replaced without the other.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The compiled policy.
    pub image: Arc<Image>,
    /// Lists and tables.
    pub data: Arc<Data>,
}

impl Snapshot {
    /// Of a policy and its data.
    pub fn new(image: impl Into<Arc<Image>>, data: impl Into<Arc<Data>>) -> Snapshot {
        Snapshot {
            image: image.into(),
            data: data.into(),
        }
    }
}

/// The instant of a decision, given by the host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Wall clock, µs since the epoch, for expiry and calendars; `None`: every comparison on `now` is unknown.
    pub wall_us: Option<i64>,
    /// Monotonic clock, µs, for refill.
    pub mono_us: u64,
}

/// Scratch of one thread. Reusing it saves allocations and changes no decision: once its arena has grown to what
/// requests need, deciding allocates nothing.
#[derive(Debug, Default)]
pub struct Worker {
    scratch: Scratch,
    arena: Arena,
    tokens: TokenCache,
}

/// Bytes that a worker keeps between decisions: what one honest request needs, many times over. A request that needed
/// more gives them back.
const ARENA_KEEP_MAX: usize = 1 << 18;

impl Worker {
    /// A worker whose token cache hashes under a seed, which should be random and the host's own.
    pub fn with_seed(seed: u64) -> Worker {
        Worker {
            tokens: TokenCache::new(seed),
            ..Worker::default()
        }
    }

    /// Keeps a token that the host has verified, so that [`crate::Credential::FromHeaders`] finds it by its bearer: under
    /// the same policy, up to its `exp` or what [`KnownToken::until`] says. Until then nobody looks at keys, revocation
    /// or age again, so whoever needs that sooner ends the token earlier or calls [`Worker::forget_tokens`].
    pub fn remember(&mut self, bearer: &[u8], token: KnownToken) {
        self.tokens.insert(bearer, token);
    }

    /// Forgets all tokens.
    pub fn forget_tokens(&mut self) {
        self.tokens.clear();
    }

    /// Image words read since the worker was made; 0 unless the engine was built to count.
    pub fn words_touched(&self) -> u64 {
        self.scratch.touched.get()
    }

    /// Forgets the last decision.
    fn start(&mut self, image: &Image) {
        if self.arena.allocated_bytes() > ARENA_KEEP_MAX {
            self.arena = Arena::new();
        } else {
            self.arena.reset();
        }
        self.scratch.start(image);
    }
}

/// Decides one request. Total: whatever the bytes are, there is a decision. It borrows from all it was made of, so a
/// worker holds one at a time.
pub fn decide<'d>(s: &'d Snapshot, r: &'d RequestView<'d>, now: Now, w: &'d mut Worker) -> Decision<'d> {
    if s.image.admission().is_shut(now.wall_us) {
        return refusal(Reason::NoPolicy);
    }
    // Written in place: it is large, and each hand that it went through would copy it.
    let mut decision = Decision::default();
    w.start(&s.image);
    let Worker {
        scratch,
        arena,
        tokens,
    } = w;
    let met = with_case(s, r, now, (scratch, arena, tokens), |case| {
        case.decide(&mut decision)
    });
    if let Err(turned) = met {
        turned.away(&mut decision);
    }
    decision
}

/// Turned away before any rule: no canonical form, or no service.
#[derive(Clone, Copy, Debug)]
struct Turned {
    status: u16,
    reason: Reason,
    detail: Option<Detail>,
}

impl Turned {
    fn away(self, decision: &mut Decision<'_>) {
        decision.status = self.status;
        decision.reason = self.reason;
        decision.detail = self.detail.map(Detail::code);
    }
}

impl From<Malformed> for Turned {
    fn from(malformed: Malformed) -> Turned {
        Turned {
            status: malformed.status,
            reason: Reason::Malformed,
            detail: Some(malformed.detail),
        }
    }
}

/// Brings a request to the graphs of its entry, and runs `f` there; a request without a canonical form or a service
/// is turned away before.
fn with_case<'d, T>(
    s: &'d Snapshot,
    r: &'d RequestView<'d>,
    now: Now,
    (scratch, arena, tokens): (&'d mut Scratch, &'d Arena, &'d mut TokenCache),
    f: impl FnOnce(&mut Case<'_, 'd>) -> T,
) -> Result<T, Turned> {
    let config = s.image.config();
    let (memory, touched) = scratch.split();
    let view = s.image.view(touched);

    let head = Head::read(r, config, arena)?;
    let group = route::host_group(view, head.host());
    let options = group.map_or_else(HostOptions::default, |g| route::host_options(view, g));
    let canonical = head.normalise(options)?;
    let found = group
        .and_then(|g| route::find(view, g, canonical, config.has_grpc))
        .ok_or(Turned {
            status: Reason::NoService.status(),
            reason: Reason::NoService,
            detail: None,
        })?;
    let seen = Seen {
        tokens: Some(tokens),
        policy: s.image.digest_ref(),
        now_us: now.wall_us,
    };
    let credentials = &*arena.alloc(Credentials::read(r, canonical, config, seen, arena));
    let facts = &*arena.alloc(Facts::new(
        config,
        &s.data,
        r,
        canonical,
        credentials,
        now.wall_us,
        arena,
    ));
    let walk = Walk::new(
        view,
        config,
        &s.data,
        facts,
        credentials,
        memory,
        arena,
        found.entry,
    );
    Ok(f(&mut Case {
        config,
        symbols: s.image.symbols(),
        arena,
        canonical,
        credentials,
        facts,
        walk,
        view,
        found,
        sni: r.sni,
        now,
    }))
}

/// A denial with its reason's default status.
fn refusal<'d>(reason: Reason) -> Decision<'d> {
    Decision {
        status: reason.status(),
        reason,
        ..Decision::default()
    }
}

/// One request of a known service.
struct Case<'c, 'd> {
    config: &'d Config,
    symbols: Option<&'d Symbols>,
    arena: &'d Arena,
    canonical: &'d Canonical<'d>,
    credentials: &'d Credentials<'d>,
    facts: &'d Facts<'d>,
    walk: Walk<'c, 'd>,
    view: View<'d>,
    found: Found,
    sni: Option<&'d [u8]>,
    now: Now,
}

type Standing<'d> = &'d [(RuleIndex, bool)];

impl<'d> Case<'_, 'd> {
    /// Decides into a decision that says nothing yet.
    fn decide(&mut self, decision: &mut Decision<'d>) {
        let standing = self.walk.standing(self.arena);
        let mut draft = Draft::new(decision, self.arena);
        draft.decision.report = self.walk.reports(self.arena);
        if self.refused(standing, &mut draft) {
            obligations::refuse(&self.binding(&[], standing), &mut draft);
        } else if !self.walk.obliges() && obligations::nothing(self.config, self.found.service) {
            // Most allows oblige to nothing.
            draft.allow(self.walk.grant().checked_sub(1));
            draft.decision.upstream_target = Some(self.canonical.upstream_target());
        } else {
            self.answer(standing, &mut draft);
        }
        draft.finish();
    }

    fn binding(&self, granting: &'d [RuleIndex], standing: Standing<'d>) -> Binding<'d> {
        Binding {
            config: self.config,
            service: self.found.service,
            facts: self.facts,
            arena: self.arena,
            canonical: self.canonical,
            credentials: self.credentials,
            sni: self.sni,
            now_us: self.now.wall_us,
            granting,
            standing,
            view: self.view,
        }
    }

    /// What refuses before an allow is looked for, and the lack of one; whether anything does. A preflight is not
    /// among them.
    fn refused(&mut self, standing: Standing<'d>, draft: &mut Draft<'_, 'd>) -> bool {
        let Some(service) = self.config.services.get(self.found.service as usize) else {
            // Nothing that a compiler of ours writes routes to no service; it denies all the same.
            draft.refuse(Reason::Internal);
            return true;
        };
        // Most services demand nothing of the connection and have no sunset, and nothing stands over most entries.
        let bare = standing.is_empty() && obligations::is_bare(service);
        if !bare && let Some(detail) = obligations::transport(&self.binding(&[], standing)) {
            draft.refuse(Reason::TransportRefused);
            draft.decision.detail = Some(detail.code());
            return true;
        }
        if self.preflight().is_some() {
            return false;
        }
        if !service.anonymous
            && let Some((kind, detail)) = self.credentials.first_invalid()
        {
            let challenge = match kind {
                CredentialKind::Token => "Bearer error=\"invalid_token\"",
                _ => kind.challenge(),
            };
            draft.refuse(Reason::InvalidToken);
            draft.decision.detail = Some(detail);
            draft.response_set.push(authenticate(challenge));
            return true;
        }
        if self.denied(draft) {
            return true;
        }
        if !bare && obligations::sunset(&self.binding(&[], standing)) == obligations::Sunset::Gone {
            draft.refuse(Reason::Gone);
            return true;
        }
        match self.walk.grant().checked_sub(1) {
            None => self.ungranted(draft),
            Some(rule) if (rule as usize) < self.config.rules.len() => return false,
            // Likewise nothing grants by no rule.
            Some(_) => draft.refuse(Reason::Internal),
        }
        true
    }

    fn preflight(&self) -> Option<&'d crate::image::config::Cors> {
        let cors = self
            .config
            .services
            .get(self.found.service as usize)?
            .cors
            .as_ref()?;
        obligations::is_preflight(self.canonical, cors).then_some(cors)
    }

    /// A preflight's answer, or an allow with what binds.
    fn answer(&mut self, standing: Standing<'d>, draft: &mut Draft<'_, 'd>) {
        if let Some(cors) = self.preflight() {
            return obligations::preflight(&self.binding(&[], standing), cors, draft);
        }
        let deciding = self.walk.grant();
        let granting = self.walk.granting(deciding.saturating_sub(1), self.arena);
        draft.allow(deciding.checked_sub(1));
        obligations::allow(&self.binding(granting, standing), draft);
    }

    /// The deciding deny, if one applies.
    fn denied(&mut self, draft: &mut Draft<'_, 'd>) -> bool {
        let Some(leaf) = self.walk.deny().checked_sub(1) else {
            return false;
        };
        let head = self.walk.head(leaf);
        let of = head.and_then(|(rule, status)| Some((rule, status, self.config.rules.get(rule as usize)?)));
        // No compiler of ours makes a deny whose head nobody knows; it denies all the same.
        let Some((rule, status, of)) = of else {
            draft.refuse(Reason::Internal);
            return true;
        };
        draft.refuse(Reason::DeniedByRule);
        draft.decision.status = status as u16;
        draft.decision.message = of.message;
        draft.decision.rule = Some(rule);
        if status == 401 {
            draft.response_set.extend(challenges(of.kinds));
        }
        if let Some(seconds) = of.retry_after_s {
            let seconds = obligations::text(self.arena, format_args!("{seconds}"));
            draft.response_set.push(("retry-after", seconds));
        }
        if let Some(location) = of.location {
            draft.response_set.push(("location", location));
        }
        true
    }

    /// No allow applies: 404, 405 or the first class that exists.
    fn ungranted(&mut self, draft: &mut Draft<'_, 'd>) {
        match self.walk.fallback() {
            fallback::NO_ROUTE => draft.refuse(Reason::NoRoute),
            fallback::METHOD => {
                let allow = self.config.texts.get(self.walk.allow_text() as usize);
                draft.refuse(Reason::MethodNotAllowed);
                draft
                    .response_set
                    .push(("allow", allow.map_or("", String::as_str)));
            }
            _ => self.lacking(draft),
        }
    }

    fn lacking(&mut self, draft: &mut Draft<'_, 'd>) {
        if let Some(rule) = self.walk.lacks_age().checked_sub(1) {
            let of = self.config.rules.get(rule as usize);
            let (acr, age) = self.walk.lacked_acr_and_age(rule);
            let acr = of.and_then(|r| r.acr).filter(|_| acr);
            let age = of.and_then(|r| r.max_age_us).filter(|_| age);
            let text = obligations::text(
                self.arena,
                format_args!(
                    "Bearer error=\"insufficient_user_authentication\"{}{}",
                    std::fmt::from_fn(|f| acr.map_or(Ok(()), |acr| write!(f, ", acr_values=\"{acr}\""))),
                    std::fmt::from_fn(|f| age.map_or(Ok(()), |us| write!(
                        f,
                        ", max_age=\"{}\"",
                        us / 1_000_000
                    ))),
                ),
            );
            draft.refuse(Reason::InsufficientUserAuthentication);
            draft.response_set.push(authenticate(text));
            return;
        }
        if let Some(rule) = self.walk.lacks_scope().checked_sub(1) {
            let scopes = self.config.rules.get(rule as usize).map_or("", |r| r.scopes);
            let text = obligations::text(
                self.arena,
                format_args!("Bearer error=\"insufficient_scope\", scope=\"{scopes}\""),
            );
            draft.refuse(Reason::InsufficientScope);
            draft.response_set.push(authenticate(text));
            return;
        }
        let kinds = self.walk.kinds();
        if !kinds.is_empty() && !kinds.iter().any(|kind| self.credentials.valid(kind)) {
            draft.refuse(Reason::Unauthenticated);
            draft.response_set.extend(challenges(kinds));
            return;
        }
        draft.refuse(Reason::NoRule);
    }
}

fn authenticate(challenge: &str) -> Set<'_> {
    ("www-authenticate", challenge)
}

/// One challenge a kind, in the order of kinds.
fn challenges<'c>(kinds: CredentialKinds) -> impl Iterator<Item = Set<'c>> {
    kinds.iter().map(|kind| authenticate(kind.challenge()))
}
