//! (image, data, request, now) --> [`Decision`]: the order of section 6 of the language, and nothing else.
//!
//! Pure: no clock, no I/O, no recursion; steps are bounded by the image. Invariant: no rule is looked at here that
//! the route did not select, and a rule's condition is never interpreted: what it says is in the graph.

mod bitmap;
mod classify;
mod decision;
mod route;
mod walk;

use std::cell::Cell;

pub(crate) use bitmap::BLOCK_WORDS;
pub use decision::{Charge, Closest, Decision, Effect, Lack, Reason, RequestBody, ResponsePlan};

use crate::data::Data;
use crate::front::{self, Canonical, Credentials, Facts};
use crate::image::Image;
use crate::image::config::{Config, HostOptions, RuleIndex};
use crate::image::layout::{dir, fallback, lack};
use crate::oblige::{self, Binding};
use crate::request::RequestView;
use route::Found;
use walk::Walk;

/// One policy with its data: what one decision sees.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The compiled policy.
    pub image: Image,
    /// Lists and tables.
    pub data: Data,
}

/// The instant of a decision, given by the host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Wall clock, µs since the epoch, for expiry and calendars; `None`: every comparison on `now` is unknown.
    pub wall_us: Option<i64>,
    /// Monotonic clock, µs, for refill.
    pub mono_us: u64,
}

/// Scratch of one thread. Reusing it saves allocations and changes no decision.
#[derive(Debug, Default)]
pub struct Worker {
    classes: Vec<(u32, u32)>,
    epoch: u32,
    touched: Cell<u64>,
}

impl Worker {
    /// Image words read since the worker was made; 0 unless the engine was built to count.
    pub fn words_touched(&self) -> u64 {
        self.touched.get()
    }
}

/// How many allows an explanation names at most.
const CLOSEST_MAX: usize = 3;

/// Decides one request. Total: whatever the bytes are, there is a decision.
pub fn decide(s: &Snapshot, r: &RequestView<'_>, now: Now, w: &mut Worker) -> Decision {
    let config = s.image.config();
    w.start(&s.image);
    let Worker {
        classes,
        epoch,
        touched,
    } = w;
    let view = s.image.view(touched);

    let mut group = None;
    let canonical = front::normalise(r, config, &mut |host| {
        group = route::host_group(view, host);
        group.map_or_else(HostOptions::default, |g| route::host_options(view, g))
    });
    let canonical = match canonical {
        Ok(canonical) => canonical,
        Err(malformed) => {
            return Decision {
                status: malformed.status,
                reason: Reason::Malformed,
                detail: Some(malformed.detail.to_string()),
                ..Decision::default()
            };
        }
    };
    let Some(found) = group.and_then(|g| route::find(view, g, &canonical, config.has_grpc)) else {
        return refusal(Reason::NoService);
    };
    let credentials = Credentials::read(r, &canonical, config);
    let facts = Facts::new(config, &s.data, r, &canonical, &credentials, now.wall_us);
    let walk = Walk::new(
        view,
        config,
        &s.data,
        &facts,
        &credentials,
        classes,
        *epoch,
        found.entry,
    );
    let matches = |pattern: u32, text: &[u8]| walk::matches(view, pattern, text);
    let (canonical, credentials, facts) = (&canonical, &credentials, &facts);
    Case {
        config,
        canonical,
        credentials,
        facts,
        walk,
        matches: &matches,
        found,
        sni: r.sni,
        now,
    }
    .decide()
}

/// A denial with its reason's default status.
fn refusal(reason: Reason) -> Decision {
    Decision {
        status: reason.status(),
        reason,
        ..Decision::default()
    }
}

/// One request of a known service.
struct Case<'c> {
    config: &'c Config,
    canonical: &'c Canonical<'c>,
    credentials: &'c Credentials<'c>,
    facts: &'c Facts<'c>,
    walk: Walk<'c>,
    matches: &'c dyn Fn(u32, &[u8]) -> bool,
    found: Found,
    sni: Option<&'c [u8]>,
    now: Now,
}

impl Case<'_> {
    fn decide(mut self) -> Decision {
        let standing = self.walk.standing();
        let report = self.walk.reports();
        let granting = Vec::new();
        let mut decision = match self.refused(&standing) {
            Some(mut refused) => {
                oblige::refuse(&self.binding(&granting, &standing), &mut refused);
                refused
            }
            None => self.answered(&standing),
        };
        decision.report = report;
        decision
    }

    fn binding<'b>(&'b self, granting: &'b [RuleIndex], standing: &'b [(RuleIndex, bool)]) -> Binding<'b> {
        Binding {
            config: self.config,
            service: self.found.service,
            facts: self.facts,
            canonical: self.canonical,
            credentials: self.credentials,
            sni: self.sni,
            now_us: self.now.wall_us,
            granting,
            standing,
            match_pattern: self.matches,
        }
    }

    /// What refuses before an allow is looked for, and the lack of one. A preflight is not among them.
    fn refused(&mut self, standing: &[(RuleIndex, bool)]) -> Option<Decision> {
        let service = self.config.services.get(self.found.service as usize)?;
        if let Some(detail) = oblige::transport(&self.binding(&[], standing)) {
            return Some(Decision {
                detail: Some(detail.to_string()),
                ..refusal(Reason::TransportRefused)
            });
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
            return Some(Decision {
                detail: Some(detail),
                response_set: vec![authenticate(challenge)],
                ..refusal(Reason::InvalidToken)
            });
        }
        if let Some(denied) = self.denied() {
            return Some(denied);
        }
        if oblige::sunset(&self.binding(&[], standing)) == oblige::Sunset::Gone {
            return Some(refusal(Reason::Gone));
        }
        if self.walk.grant() == 0 {
            Some(self.ungranted())
        } else {
            None
        }
    }

    fn preflight(&self) -> Option<&crate::image::config::Cors> {
        let cors = self
            .config
            .services
            .get(self.found.service as usize)?
            .cors
            .as_ref()?;
        oblige::is_preflight(self.canonical, cors).then_some(cors)
    }

    /// A preflight's answer, or an allow with what binds.
    fn answered(&mut self, standing: &[(RuleIndex, bool)]) -> Decision {
        if let Some(cors) = self.preflight() {
            let mut decision = Decision {
                effect: Effect::Answer,
                status: Reason::Preflight.status(),
                reason: Reason::Preflight,
                ..Decision::default()
            };
            oblige::preflight(&self.binding(&[], standing), cors, &mut decision);
            return decision;
        }
        let deciding = self.walk.grant();
        let granting = self.walk.granting(deciding.saturating_sub(1));
        let mut decision = Decision {
            effect: Effect::Allow,
            status: Reason::Allowed.status(),
            reason: Reason::Allowed,
            rule: deciding.checked_sub(1),
            ..Decision::default()
        };
        oblige::allow(&self.binding(&granting, standing), &mut decision);
        decision
    }

    /// The deciding deny, if one applies.
    fn denied(&mut self) -> Option<Decision> {
        let leaf = self.walk.deny();
        let (rule, status) = self.walk.head(leaf.checked_sub(1)?)?;
        let Some(of) = self.config.rules.get(rule as usize) else {
            return Some(refusal(Reason::Internal));
        };
        let mut decision = Decision {
            status: status as u16,
            reason: Reason::DeniedByRule,
            message: of.message.clone(),
            rule: Some(rule),
            ..Decision::default()
        };
        if status == 401 {
            decision.response_set.extend(challenges(of.kinds));
        }
        if let Some(seconds) = of.retry_after_s {
            decision
                .response_set
                .push(("retry-after".into(), seconds.to_string()));
        }
        if let Some(location) = &of.location {
            decision.response_set.push(("location".into(), location.clone()));
        }
        Some(decision)
    }

    /// No allow applies: 404, 405 or the first class that exists.
    fn ungranted(&mut self) -> Decision {
        match self.walk.fallback() {
            fallback::NO_ROUTE => refusal(Reason::NoRoute),
            fallback::METHOD => {
                let allow = self
                    .config
                    .texts
                    .get(self.walk.allow_text() as usize)
                    .cloned()
                    .unwrap_or_default();
                Decision {
                    response_set: vec![("allow".into(), allow)],
                    ..refusal(Reason::MethodNotAllowed)
                }
            }
            _ => {
                let mut decision = self.lacking();
                decision.closest = self.closest();
                decision
            }
        }
    }

    fn lacking(&mut self) -> Decision {
        if let Some(rule) = self.walk.lacks_age().checked_sub(1) {
            let mut text = String::from("Bearer error=\"insufficient_user_authentication\"");
            let of = self.config.rules.get(rule as usize);
            let (acr, age) = self.walk.lacked_acr_and_age(rule);
            if let Some(wanted) = of.and_then(|r| r.acr.as_ref()).filter(|_| acr) {
                text.push_str(&format!(", acr_values=\"{wanted}\""));
            }
            if let Some(wanted) = of.and_then(|r| r.max_age_us).filter(|_| age) {
                text.push_str(&format!(", max_age=\"{}\"", wanted / 1_000_000));
            }
            return Decision {
                response_set: vec![authenticate(&text)],
                ..refusal(Reason::InsufficientUserAuthentication)
            };
        }
        if let Some(rule) = self.walk.lacks_scope().checked_sub(1) {
            let scopes = self
                .config
                .rules
                .get(rule as usize)
                .map(|r| r.scopes.join(" "))
                .unwrap_or_default();
            let text = format!("Bearer error=\"insufficient_scope\", scope=\"{scopes}\"");
            return Decision {
                response_set: vec![authenticate(&text)],
                ..refusal(Reason::InsufficientScope)
            };
        }
        let kinds = self.walk.kinds();
        if kinds != 0 && !(0..4).any(|kind| kinds & (1 << kind) != 0 && self.credentials.valid(kind)) {
            return Decision {
                response_set: challenges(kinds).collect(),
                ..refusal(Reason::Unauthenticated)
            };
        }
        refusal(Reason::NoRule)
    }

    /// The cold walk: what each allow of the entry lacked.
    fn closest(&mut self) -> Vec<Closest> {
        let mut all: Vec<Closest> = Vec::new();
        for (rule, parts) in self.walk.explanations() {
            let of = self.config.rules.get(rule as usize);
            let lacks = parts
                .into_iter()
                .filter_map(|(kind, text)| {
                    let text = || self.config.texts.get(text as usize).cloned().unwrap_or_default();
                    match kind {
                        lack::SCOPE => Some(Lack::Scope(text())),
                        lack::ACR => of.and_then(|r| r.acr.clone()).map(Lack::Acr),
                        lack::AGE => of
                            .and_then(|r| r.max_age_us)
                            .map(|us| Lack::MaxAge(us / 1_000_000)),
                        _ => Some(Lack::Condition(text())),
                    }
                })
                .collect();
            all.push(Closest { rule, lacks });
        }
        all.sort_by_key(|c| (c.lacks.len(), c.rule));
        all.dedup_by_key(|c| c.rule);
        all.truncate(CLOSEST_MAX);
        all
    }
}

fn authenticate(challenge: &str) -> (String, String) {
    ("www-authenticate".into(), challenge.into())
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
fn challenges(kinds: u8) -> impl Iterator<Item = (String, String)> {
    (0..4)
        .filter(move |kind| kinds & (1 << kind) != 0)
        .map(|kind| authenticate(challenge(kind)))
}

impl Worker {
    /// Forgets the last decision's classes without touching them.
    fn start(&mut self, image: &Image) {
        self.epoch = self.epoch.wrapping_add(1);
        let vars = image.directory(dir::VAR_COUNT) as usize;
        if self.epoch == 0 || self.classes.len() != vars {
            self.classes.clear();
            self.classes.resize(vars, (0, 0));
            self.epoch = 1;
        }
    }
}
