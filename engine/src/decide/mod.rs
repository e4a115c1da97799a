//! (image, data, request, now) --> [`Decision`]: the order of section 6 of the language, and nothing else.
//!
//! Pure: no clock, no I/O, no recursion; steps are bounded by the image. Invariant: no rule is looked at here that
//! the route did not select, and a rule's condition is never interpreted: what it says is in the graph.

mod bitmap;
mod classify;
mod decision;
mod explain;
mod owned;
mod route;
mod scratch;
mod walk;

use std::cell::Cell;
use std::sync::Arc;

pub(crate) use bitmap::BLOCK_WORDS;
pub use decision::{Change, Charge, Decision, Effect, Reason, Redact, RequestBody, ResponsePlan, Set};
pub use explain::decide_explained;
pub use owned::{Closest, Lack, OwnedCharge, OwnedDecision, OwnedRequestBody, OwnedResponsePlan};

use crate::data::Data;
use crate::front::credentials::Seen;
use crate::front::known::{KnownToken, TokenCache};
use crate::front::{self, Arena, Canonical, Credentials, Facts};
use crate::image::Image;
use crate::image::config::{Config, HostOptions, RuleIndex};
use crate::image::layout::fallback;
use crate::image::symbols::Symbols;
use crate::oblige::{self, Binding, Draft};
use crate::request::RequestView;
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
    w.start(&s.image);
    let Worker {
        scratch,
        arena,
        tokens,
    } = w;
    with_case(s, r, now, (scratch, arena, tokens), |case| case.decide()).unwrap_or_else(|head| head)
}

/// Brings a request to the graphs of its entry, and runs `f` there; a request without a canonical form or a service
/// has its verdict before.
#[expect(
    clippy::result_large_err,
    reason = "both are decisions, and a box would be an allocation"
)]
fn with_case<'d, T>(
    s: &'d Snapshot,
    r: &'d RequestView<'d>,
    now: Now,
    (scratch, arena, tokens): (&mut Scratch, &'d Arena, &'d mut TokenCache),
    f: impl FnOnce(&mut Case<'_, 'd>) -> T,
) -> Result<T, Decision<'d>> {
    let config = s.image.config();
    let (memory, touched) = scratch.split();
    let view = s.image.view(touched);

    let mut group = None;
    let canonical = front::normalise(r, config, arena, &mut |host| {
        group = route::host_group(view, host);
        group.map_or_else(HostOptions::default, |g| route::host_options(view, g))
    });
    let canonical = canonical.map_err(|malformed| Decision {
        status: malformed.status,
        reason: Reason::Malformed,
        detail: Some(malformed.detail),
        ..Decision::default()
    })?;
    let found = group
        .and_then(|g| route::find(view, g, canonical, config.has_grpc))
        .ok_or(refusal(Reason::NoService))?;
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
    let image = &s.image;
    let matches: &'d dyn Fn(u32, &[u8]) -> bool =
        arena.alloc(|pattern: u32, text: &[u8]| walk::matches(image.view(&Cell::new(0)), pattern, text));
    Ok(f(&mut Case {
        config,
        symbols: s.image.symbols(),
        arena,
        canonical,
        credentials,
        facts,
        walk,
        matches,
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
    matches: &'d dyn Fn(u32, &[u8]) -> bool,
    found: Found,
    sni: Option<&'d [u8]>,
    now: Now,
}

type Standing<'d> = &'d [(RuleIndex, bool)];

impl<'d> Case<'_, 'd> {
    fn decide(&mut self) -> Decision<'d> {
        let standing = self.walk.standing(self.arena);
        let report = self.walk.reports(self.arena);
        let mut draft = match self.refused(standing) {
            Some(mut refused) => {
                oblige::refuse(&self.binding(&[], standing), &mut refused);
                refused
            }
            // Most allows oblige to nothing.
            None if !self.walk.obliges() && oblige::nothing(self.config, self.found.service) => {
                return Decision {
                    effect: Effect::Allow,
                    status: Reason::Allowed.status(),
                    reason: Reason::Allowed,
                    rule: self.walk.grant().checked_sub(1),
                    upstream_target: Some(self.canonical.upstream_target()),
                    report,
                    ..Decision::default()
                };
            }
            None => self.answered(standing),
        };
        draft.decision.report = report;
        draft.finish()
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
            match_pattern: self.matches,
        }
    }

    fn draft(&self, head: Decision<'d>) -> Draft<'d> {
        Draft::new(head, self.arena)
    }

    /// What refuses before an allow is looked for, and the lack of one. A preflight is not among them.
    fn refused(&mut self, standing: Standing<'d>) -> Option<Draft<'d>> {
        let service = self.config.services.get(self.found.service as usize)?;
        // Most services demand nothing of the connection and have no sunset, and nothing stands over most entries.
        let bare = standing.is_empty() && oblige::is_bare(service);
        if !bare && let Some(detail) = oblige::transport(&self.binding(&[], standing)) {
            return Some(self.draft(Decision {
                detail: Some(detail),
                ..refusal(Reason::TransportRefused)
            }));
        }
        if self.preflight().is_some() {
            return None;
        }
        if !service.anonymous
            && let Some((kind, detail)) = self.credentials.first_invalid()
        {
            let challenge = match kind {
                0 => "Bearer error=\"invalid_token\"",
                _ => challenge(kind),
            };
            let mut draft = self.draft(Decision {
                detail: Some(detail),
                ..refusal(Reason::InvalidToken)
            });
            draft.response_set.push(authenticate(challenge));
            return Some(draft);
        }
        if let Some(denied) = self.denied() {
            return Some(denied);
        }
        if !bare && oblige::sunset(&self.binding(&[], standing)) == oblige::Sunset::Gone {
            return Some(self.draft(refusal(Reason::Gone)));
        }
        match self.walk.grant().checked_sub(1) {
            None => Some(self.ungranted()),
            Some(rule) if (rule as usize) < self.config.rules.len() => None,
            // Likewise a grant by a rule that is none.
            Some(_) => Some(self.draft(refusal(Reason::Internal))),
        }
    }

    fn preflight(&self) -> Option<&'d crate::image::config::Cors> {
        let cors = self
            .config
            .services
            .get(self.found.service as usize)?
            .cors
            .as_ref()?;
        oblige::is_preflight(self.canonical, cors).then_some(cors)
    }

    /// A preflight's answer, or an allow with what binds.
    fn answered(&mut self, standing: Standing<'d>) -> Draft<'d> {
        if let Some(cors) = self.preflight() {
            let mut draft = self.draft(Decision {
                effect: Effect::Answer,
                status: Reason::Preflight.status(),
                reason: Reason::Preflight,
                ..Decision::default()
            });
            oblige::preflight(&self.binding(&[], standing), cors, &mut draft);
            return draft;
        }
        let deciding = self.walk.grant();
        let granting = self.walk.granting(deciding.saturating_sub(1), self.arena);
        let mut draft = self.draft(Decision {
            effect: Effect::Allow,
            status: Reason::Allowed.status(),
            reason: Reason::Allowed,
            rule: deciding.checked_sub(1),
            ..Decision::default()
        });
        oblige::allow(&self.binding(granting, standing), &mut draft);
        draft
    }

    /// The deciding deny, if one applies.
    fn denied(&mut self) -> Option<Draft<'d>> {
        let leaf = self.walk.deny();
        let head = self.walk.head(leaf.checked_sub(1)?);
        let of = head.and_then(|(rule, status)| Some((rule, status, self.config.rules.get(rule as usize)?)));
        // No compiler of ours makes a deny whose head nobody knows; it denies all the same.
        let Some((rule, status, of)) = of else {
            return Some(self.draft(refusal(Reason::Internal)));
        };
        let mut draft = self.draft(Decision {
            status: status as u16,
            reason: Reason::DeniedByRule,
            message: of.message,
            rule: Some(rule),
            ..Decision::default()
        });
        if status == 401 {
            draft.response_set.extend(challenges(of.kinds));
        }
        if let Some(seconds) = of.retry_after_s {
            let seconds = oblige::text(self.arena, format_args!("{seconds}"));
            draft.response_set.push(("retry-after", seconds));
        }
        if let Some(location) = of.location {
            draft.response_set.push(("location", location));
        }
        Some(draft)
    }

    /// No allow applies: 404, 405 or the first class that exists.
    fn ungranted(&mut self) -> Draft<'d> {
        match self.walk.fallback() {
            fallback::NO_ROUTE => self.draft(refusal(Reason::NoRoute)),
            fallback::METHOD => {
                let allow = self.config.texts.get(self.walk.allow_text() as usize);
                let mut draft = self.draft(refusal(Reason::MethodNotAllowed));
                draft
                    .response_set
                    .push(("allow", allow.map_or("", String::as_str)));
                draft
            }
            _ => self.lacking(),
        }
    }

    fn lacking(&mut self) -> Draft<'d> {
        if let Some(rule) = self.walk.lacks_age().checked_sub(1) {
            let of = self.config.rules.get(rule as usize);
            let (acr, age) = self.walk.lacked_acr_and_age(rule);
            let acr = of.and_then(|r| r.acr).filter(|_| acr);
            let age = of.and_then(|r| r.max_age_us).filter(|_| age);
            let text = oblige::text(
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
            let mut draft = self.draft(refusal(Reason::InsufficientUserAuthentication));
            draft.response_set.push(authenticate(text));
            return draft;
        }
        if let Some(rule) = self.walk.lacks_scope().checked_sub(1) {
            let scopes = self.config.rules.get(rule as usize).map_or("", |r| r.scopes);
            let text = oblige::text(
                self.arena,
                format_args!("Bearer error=\"insufficient_scope\", scope=\"{scopes}\""),
            );
            let mut draft = self.draft(refusal(Reason::InsufficientScope));
            draft.response_set.push(authenticate(text));
            return draft;
        }
        let kinds = self.walk.kinds();
        if kinds != 0 && !(0..4).any(|kind| kinds & (1 << kind) != 0 && self.credentials.valid(kind)) {
            let mut draft = self.draft(refusal(Reason::Unauthenticated));
            draft.response_set.extend(challenges(kinds));
            return draft;
        }
        self.draft(refusal(Reason::NoRule))
    }
}

fn authenticate(challenge: &str) -> Set<'_> {
    ("www-authenticate", challenge)
}

fn challenge(kind: u8) -> &'static str {
    match kind {
        0 => "Bearer",
        1 => "ApiKey",
        2 => "Certificate",
        _ => "Signature",
    }
}

/// One challenge a kind (a bit each), in the order of kinds.
fn challenges<'c>(kinds: u8) -> impl Iterator<Item = Set<'c>> {
    (0..4)
        .filter(move |kind| kinds & (1 << kind) != 0)
        .map(|kind| authenticate(challenge(kind)))
}
