//! One request of a known service -> its decision: the order of section 6 of the language, and nothing else. What each
//! step refuses with is written by [`super::refusal`].

use super::refusal::{Early, Refusal};
use super::route::{self, Found};
use super::walk::Walk;
use super::{Now, Snapshot, Worker};
use crate::decision::{Beside, Decision, PenaltyKey, Reason};
use crate::facts::Facts;
use crate::identity::{Credentials, Verification};
use crate::image::config::{Config, Cors, HostOptions, Service};
use crate::image::ids::RuleId;
use crate::image::layout::fallback;
use crate::image::symbols::Symbols;
use crate::image::tables::View;
use crate::obligations::{self, Binding, Draft, Sunset};
use crate::request::{Canonical, Head};
use crate::value::Arena;
use crate::value::json::Json;
use crate::view::RequestView;
use portcullis_base::CredentialKind;

/// Standing rules that bind, and whether each is certain or unknown.
type Standing<'d> = &'d [(RuleId, bool)];

/// How it ends where nothing refuses.
enum Outcome<'d> {
    Preflight(&'d Cors),
    Granted(RuleId),
}

/// One request at its entry.
pub(super) struct Evaluation<'d> {
    pub(super) config: &'d Config,
    pub(super) symbols: Option<&'d Symbols>,
    pub(super) arena: &'d Arena,
    pub(super) credentials: &'d Credentials<'d>,
    pub(super) walk: Walk<'d>,
    pub(super) canonical: &'d Canonical<'d>,
    facts: &'d Facts<'d>,
    view: View<'d>,
    found: Found,
    sni: Option<&'d [u8]>,
    now: Now,
}

impl<'d> Evaluation<'d> {
    /// Brings a request to its entry, unless it has no canonical form or no service. The worker was started.
    #[inline]
    pub(super) fn begin(
        s: &'d Snapshot,
        r: &'d RequestView<'d>,
        now: Now,
        w: &'d mut Worker,
    ) -> Result<Evaluation<'d>, Early> {
        Evaluation::begin_with(s, r, now, w, true)
    }

    /// Likewise; `verifies`: credentials are looked at, else it is as if there were none.
    #[inline]
    fn begin_with(
        s: &'d Snapshot,
        r: &'d RequestView<'d>,
        now: Now,
        w: &'d mut Worker,
        verifies: bool,
    ) -> Result<Evaluation<'d>, Early> {
        let Worker {
            scratch,
            arena,
            tokens,
            ..
        } = w;
        let arena = &*arena;
        let config = s.image.config();
        let (memory, touched) = scratch.split();
        let view = s.image.view(touched);

        let head = Head::read(r, config, arena)?;
        let group = route::host_group(view, head.host());
        let options = group.map_or_else(HostOptions::default, |group| route::host_options(view, group));
        let canonical = head.normalise(options)?;
        let found = group.and_then(|group| route::find(view, group, canonical, config.has_grpc));
        let found = found.ok_or(Early::NO_SERVICE)?;
        let verification = Verification {
            tokens: Some(tokens),
            policy: s.image.digest_ref(),
            keys: s.data.keys(),
            now_us: now.wall_us,
        };
        let credentials: &Credentials<'d> = if verifies {
            arena.alloc(Credentials::read(r, canonical, config, verification, arena))
        } else {
            &Credentials::NONE
        };
        let facts = Facts::new(config, &s.data, r, canonical, credentials, now.wall_us, arena);
        let facts = &*arena.alloc(facts);
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
        Ok(Evaluation {
            config,
            symbols: s.image.symbols(),
            arena,
            credentials,
            walk,
            canonical,
            facts,
            view,
            found,
            sni: r.sni,
            now,
        })
    }

    /// The penalties of a request's service that its addresses are enough for, before anything is verified.
    #[cold]
    pub(super) fn address_penalties(
        s: &'d Snapshot,
        r: &'d RequestView<'d>,
        now: Now,
        w: &'d mut Worker,
    ) -> &'d [PenaltyKey<'d>] {
        let evaluation = Evaluation::begin_with(s, r, now, w, false);
        evaluation.map_or(&[], |evaluation| {
            obligations::penalties(&evaluation.binding(&[], &[]))
        })
    }

    /// Adds the members of a response to the facts of its request.
    #[cold]
    pub(super) fn add_response(&mut self, response: Json<'d>) {
        let response = &*self.arena.alloc(response);
        let facts = &*self.arena.alloc(self.facts.clone().with_response(response));
        self.facts = facts;
        self.walk.set_facts(facts);
    }

    /// Decides into a decision that says nothing yet.
    #[inline]
    pub(super) fn decide(&mut self, decision: &mut Decision<'d>) {
        let standing = self.walk.standing(self.arena);
        let mut draft = Draft::new(decision, self.arena);
        let outcome = self.in_order(standing);
        let is_preflight = matches!(outcome, Ok(Outcome::Preflight(_)));
        match outcome {
            Ok(Outcome::Granted(rule)) => self.allow(rule, standing, &mut draft),
            Ok(Outcome::Preflight(cors)) => {
                obligations::preflight(&self.binding(&[], standing), cors, &mut draft);
            }
            Err(refusal) => {
                refusal.write(self, &mut draft);
                obligations::refuse(&self.binding(&[], standing), &mut draft);
            }
        }
        let report = self.walk.reports(self.arena);
        if !report.is_empty() || !self.config.penalties.is_empty() {
            let beside = self.beside(standing, report, is_preflight);
            draft.decision.beside = Some(beside);
        }
        draft.finish();
    }

    #[cold]
    fn beside(
        &self,
        standing: Standing<'d>,
        report: &'d [(RuleId, bool)],
        is_preflight: bool,
    ) -> &'d Beside<'d> {
        let binding = self.binding(&[], standing);
        self.arena.alloc(Beside {
            report,
            tried: obligations::tried(&binding, report),
            penalties: obligations::penalties(&binding),
            is_preflight,
        })
    }

    /// The first refusal decides.
    #[inline]
    fn in_order(&mut self, standing: Standing<'d>) -> Result<Outcome<'d>, Refusal<'d>> {
        let service = self.service()?;
        self.transport(service, standing)?;
        if let Some(cors) = self.preflight(service) {
            return Ok(Outcome::Preflight(cors));
        }
        self.valid_credentials(service)?;
        self.denies()?;
        self.sunset(service, standing)?;
        self.grant().map(Outcome::Granted)
    }

    /// Whether the service lets invalid credentials pass as none.
    pub(super) fn is_anonymous(&self) -> bool {
        self.service().is_ok_and(|service| service.anonymous)
    }

    fn service(&self) -> Result<&'d Service, Refusal<'d>> {
        let service = self.config.services.get(self.found.service as usize);
        // Nothing that a compiler of ours writes routes to no service; it denies all the same.
        service.ok_or(Refusal::Internal)
    }

    fn transport(&self, service: &Service, standing: Standing<'d>) -> Result<(), Refusal<'d>> {
        if self.is_bare(service, standing) {
            return Ok(());
        }
        let unmet = obligations::transport(&self.binding(&[], standing));
        unmet.map_or(Ok(()), |detail| Err(Refusal::Transport(detail)))
    }

    fn preflight(&self, service: &'d Service) -> Option<&'d Cors> {
        let cors = service.cors.as_ref()?;
        obligations::is_preflight(self.canonical, cors).then_some(cors)
    }

    fn valid_credentials(&self, service: &Service) -> Result<(), Refusal<'d>> {
        match self.credentials.first_invalid() {
            Some((kind, detail)) if !service.anonymous => Err(Refusal::InvalidCredential(kind, detail)),
            _ => Ok(()),
        }
    }

    fn denies(&mut self) -> Result<(), Refusal<'d>> {
        self.walk.deny().map_or(Ok(()), |head| Err(Refusal::Denied(head)))
    }

    fn sunset(&self, service: &Service, standing: Standing<'d>) -> Result<(), Refusal<'d>> {
        let is_gone = !self.is_bare(service, standing)
            && obligations::sunset(&self.binding(&[], standing)) == Sunset::Gone;
        if is_gone { Err(Refusal::Gone) } else { Ok(()) }
    }

    /// The deciding allow, else what the lack of one answers: 404, 405 or the first class that exists.
    fn grant(&mut self) -> Result<RuleId, Refusal<'d>> {
        match self.walk.grant() {
            Some(rule) if rule.index() < self.config.rules.len() => Ok(rule),
            // Likewise nothing grants by no rule.
            Some(_) => Err(Refusal::Internal),
            None => Err(self.ungranted()),
        }
    }

    fn ungranted(&mut self) -> Refusal<'d> {
        match self.walk.fallback() {
            fallback::NO_ROUTE => return Refusal::Plain(Reason::NoRoute),
            fallback::METHOD => return Refusal::Method(self.walk.allow_text()),
            _ => {}
        }
        // A caller without a valid token lacks the token, and not what it would have to say.
        if self.credentials.valid(CredentialKind::Token) {
            if let Some(rule) = self.walk.lacks_age() {
                return Refusal::Authentication(rule);
            }
            if let Some(rule) = self.walk.lacks_scope() {
                return Refusal::Scope(rule);
            }
        }
        let kinds = self.walk.kinds();
        let has_one = kinds.iter().any(|kind| self.credentials.valid(kind));
        if kinds.is_empty() || has_one {
            Refusal::Plain(Reason::NoRule)
        } else {
            Refusal::Unauthenticated(kinds)
        }
    }

    /// An allow with what binds; most oblige to nothing.
    fn allow(&mut self, rule: RuleId, standing: Standing<'d>, draft: &mut Draft<'_, 'd>) {
        draft.allow(rule);
        if !self.walk.obliges() && obligations::nothing(self.config, self.found.service) {
            draft.decision.upstream_target = Some(self.canonical.upstream_target());
            draft.decision.request_drop =
                obligations::from_outside(self.config, self.canonical, self.facts, self.arena);
            return;
        }
        let granting = self.walk.granting(rule, self.arena);
        obligations::allow(&self.binding(granting, standing), draft);
    }

    /// Whether nothing is demanded of the connection and nothing ends: so with most services and entries.
    fn is_bare(&self, service: &Service, standing: Standing<'d>) -> bool {
        standing.is_empty() && obligations::is_bare(service)
    }

    fn binding(&self, granting: &'d [RuleId], standing: Standing<'d>) -> Binding<'d> {
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
}
