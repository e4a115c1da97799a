//! Each step on the way to a verdict: an evaluated case -> it may go on, or the refusal (section 6). Their order is
//! the business of [`crate::decide`].
#![expect(
    clippy::result_large_err,
    reason = "a box would buy speed, which nobody asks of the reference"
)]

use portcullis_base::{Detail, Reason};
use std::collections::BTreeSet;

use portcullis_lang::model::{
    Accept, AcceptKind, CredentialKind, Effect, Fact, Policy, Rule, RuleId, Service, ServiceId, Transport,
};
use portcullis_vectors::{RequestBody, Vector};

use crate::body::{Head, Judge};
use crate::condition::{Truth, View};
use crate::decide::challenge;
use crate::facts::{Captures, Datum, State, World};
use crate::normalise::Canonical;
use crate::obligations::Binding;
use crate::quotas::UnknownQuota;
use crate::target::{Asked, offered};
use crate::{Reference, Trace, cors, forwarded_certificate, obligations, query_accept};

/// A rule whose target matches, with its condition's value.
pub(crate) struct Evaluated<'a> {
    pub(crate) id: RuleId,
    pub(crate) rule: &'a Rule,
    pub(crate) captures: Captures,
    pub(crate) truth: Truth,
}

/// Why not.
#[derive(Clone, Debug, Default)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) reason: Reason,
    pub(crate) detail: Option<String>,
    pub(crate) message: Option<String>,
    pub(crate) rule: Option<RuleId>,
    /// `www-authenticate` lines.
    pub(crate) challenges: Vec<String>,
    /// `Allow` of a 405.
    pub(crate) allow: Option<String>,
    pub(crate) retry_after_s: Option<u64>,
    pub(crate) location: Option<String>,
}

impl Refusal {
    pub(crate) fn new(status: u16, reason: Reason) -> Refusal {
        Refusal {
            status,
            reason,
            ..Refusal::default()
        }
    }

    fn challenged(self, kinds: impl IntoIterator<Item = CredentialKind>) -> Refusal {
        let mut challenges: Vec<String> = Vec::new();
        for kind in kinds {
            let text = challenge(kind).to_string();
            if !challenges.contains(&text) {
                challenges.push(text);
            }
        }
        Refusal { challenges, ..self }
    }
}

impl From<UnknownQuota> for Refusal {
    fn from(unknown: UnknownQuota) -> Refusal {
        let refusal = Refusal::new(
            if unknown.kind.is_some() { 401 } else { 403 },
            Reason::QuotaKeyUnknown,
        );
        Refusal {
            detail: Some(unknown.quota),
            ..refusal.challenged(unknown.kind)
        }
    }
}

/// A request that a service answers, with all of the rules whose target matches evaluated; sorted by id.
pub(crate) struct Case<'a> {
    pub(crate) reference: &'a Reference<'a>,
    pub(crate) request: &'a Canonical,
    pub(crate) world: &'a World<'a>,
    pub(crate) service_id: ServiceId,
    pub(crate) service: &'a Service,
    pub(crate) asked: Asked<'a>,
    pub(crate) rules: Vec<Evaluated<'a>>,
}

impl<'a> Case<'a> {
    pub(crate) fn policy(&self) -> &'a Policy {
        self.reference.policy
    }

    /// Headers of the request by which a trusted hop would tell of the caller, and which none has sent.
    pub(crate) fn told_from_outside(&self) -> Vec<String> {
        if self.world.is_from_trusted_hop() {
            return Vec::new();
        }
        let trusted = self
            .policy()
            .trust
            .headers
            .iter()
            .map(|header| header.header.clone());
        let names = trusted.chain([forwarded_certificate::HEADER.to_string()]);
        names.filter(|name| self.request.names.contains(name)).collect()
    }

    fn view<'c>(&'c self, evaluated: &'c Evaluated<'a>) -> View<'c> {
        View {
            reference: self.reference,
            world: self.world,
            captures: &evaluated.captures,
        }
    }

    fn enforced(&self, effect: Effect) -> impl Iterator<Item = &Evaluated<'a>> {
        self.rules
            .iter()
            .filter(move |e| e.rule.effect == effect && !e.rule.report)
    }

    /// Standing rules that bind: their condition is true or unknown.
    pub(crate) fn standing(&self) -> Vec<Binding<'_>> {
        let binding = self.enforced(Effect::On).filter(|e| e.truth != Truth::False);
        binding
            .map(|e| Binding {
                id: e.id,
                rule: e.rule,
                view: self.view(e),
                sure: e.truth == Truth::True,
            })
            .collect()
    }

    /// The granting allows and the standing rules; sorted by rule.
    pub(crate) fn bindings<'c>(&'c self, granting: &[&'c Evaluated<'a>]) -> Vec<Binding<'c>> {
        let mut all = self.standing();
        let grants = granting.iter().map(|e| Binding {
            id: e.id,
            rule: e.rule,
            view: self.view(e),
            sure: true,
        });
        all.extend(grants);
        all.sort_by_key(|binding| binding.id);
        all
    }

    /// The smallest id among granting allows.
    pub(crate) fn smallest(&self, granting: &[&Evaluated<'a>]) -> Result<RuleId, Refusal> {
        granting
            .iter()
            .map(|e| e.id)
            .min()
            .ok_or(Refusal::new(403, Reason::NoRule))
    }

    /// `require tls`, `require sni == host` of the service, the guards and standing rules.
    pub(crate) fn transport(&self, trace: &mut Trace) -> Result<(), Refusal> {
        let standing = self.standing();
        let demands = standing
            .iter()
            .flat_map(|binding| &binding.rule.obligations.require)
            .chain(&self.service.require)
            .chain(self.policy().guards.iter().flat_map(|guard| &guard.require));
        let demands: Vec<Transport> = demands.copied().collect();
        trace.obligation("require transport", demands.len());
        let sni = self
            .world
            .known(&portcullis_lang::model::Fact::Sni, &Captures::new());
        let host = self
            .request
            .host
            .clone()
            .map(|host| Datum::Text(host.into_bytes()));
        let detail = if demands.contains(&Transport::Tls) && self.request.scheme != "https" {
            Detail::Tls
        } else if demands.contains(&Transport::SniIsHost) && (host.is_none() || sni != host) {
            Detail::Sni
        } else {
            return Ok(());
        };
        Err(Refusal {
            detail: Some(detail.code().to_string()),
            ..Refusal::new(403, Reason::TransportRefused)
        })
    }

    pub(crate) fn is_preflight(&self) -> bool {
        cors::is_preflight(self.service, self.request)
    }

    /// An invalid credential refuses before any rule, unless the service relaxes that.
    pub(crate) fn credentials(&self) -> Result<(), Refusal> {
        if self.service.invalid_credentials_anonymous {
            return Ok(());
        }
        let Some((kind, detail)) = self.world.credentials.first_invalid() else {
            return Ok(());
        };
        let challenge = match kind {
            CredentialKind::Token
            | CredentialKind::Beside1
            | CredentialKind::Beside2
            | CredentialKind::Beside3 => "Bearer error=\"invalid_token\"".to_string(),
            other => challenge(other).to_string(),
        };
        let refusal = Refusal::new(401, Reason::InvalidToken);
        Err(Refusal {
            detail: Some(detail.to_string()),
            challenges: vec![challenge],
            ..refusal
        })
    }

    /// The deciding deny: true before unknown, the largest status, the smaller answer, the smaller id.
    pub(crate) fn denies(&self) -> Result<(), Refusal> {
        let applying = self.enforced(Effect::Deny).filter(|e| e.truth != Truth::False);
        let deciding = applying.map(|e| (e, self.denial(e))).min_by_key(|(e, refusal)| {
            let answer = (
                refusal.location.clone(),
                refusal.retry_after_s,
                refusal.message.clone(),
            );
            (std::cmp::Reverse((e.truth, refusal.status)), answer, e.id)
        });
        deciding.map_or(Ok(()), |(_, refusal)| Err(refusal))
    }

    fn denial(&self, evaluated: &Evaluated<'a>) -> Refusal {
        let rule = evaluated.rule;
        let kinds = rule.credentials();
        let answer = match &rule.respond {
            Some(respond) => Refusal {
                location: respond.location.clone(),
                retry_after_s: respond.retry_after_s,
                ..Refusal::new(respond.status, Reason::DeniedByRule)
            },
            None if self.lacks_credentials(&kinds) => {
                Refusal::new(401, Reason::DeniedByRule).challenged(kinds)
            }
            None => Refusal::new(403, Reason::DeniedByRule),
        };
        Refusal {
            rule: Some(evaluated.id),
            message: rule.because.clone(),
            ..answer
        }
    }

    /// Credentials are read, and none of these kinds is valid.
    fn lacks_credentials(&self, kinds: &[CredentialKind]) -> bool {
        !kinds.is_empty() && !kinds.iter().any(|kind| self.world.credentials.is_valid(*kind))
    }

    /// The earliest sunset that binds.
    pub(crate) fn sunset(&self) -> Option<i64> {
        let standing = self.standing();
        let rules = standing
            .iter()
            .filter_map(|binding| binding.rule.obligations.sunset_us);
        rules.chain(self.service.sunset_us).min()
    }

    pub(crate) fn is_gone(&self) -> bool {
        matches!((self.sunset(), self.world.now), (Some(sunset), Some(now)) if now >= sunset)
    }

    pub(crate) fn gone(&self, trace: &mut Trace) -> Result<(), Refusal> {
        trace.obligation("sunset", usize::from(self.sunset().is_some()));
        if self.is_gone() {
            Err(Refusal::new(410, Reason::Gone))
        } else {
            Ok(())
        }
    }

    /// The allows that grant, or why none does.
    pub(crate) fn granting(&self) -> Result<Vec<&Evaluated<'a>>, Refusal> {
        let candidates: Vec<&Evaluated<'a>> = self.enforced(Effect::Allow).collect();
        let granting: Vec<&Evaluated<'a>> = candidates
            .iter()
            .copied()
            .filter(|e| {
                let (view, with) = (self.view(e), &e.rule.requires);
                e.truth == Truth::True && view.has_scopes(with) && view.has_acr(with) && view.has_age(with)
            })
            .collect();
        if granting.is_empty() {
            Err(self.no_allow(&candidates))
        } else {
            Ok(granting)
        }
    }

    /// `candidates` are the allows whose whole target matches.
    fn no_allow(&self, candidates: &[&Evaluated<'a>]) -> Refusal {
        if candidates.is_empty() {
            return self.no_target();
        }
        let (mut lack_age, mut lack_scope) = (Vec::new(), Vec::new());
        let has_token = self.world.credentials.is_valid(CredentialKind::Token);
        for evaluated in candidates.iter().filter(|e| has_token && e.truth == Truth::True) {
            let (view, with) = (self.view(evaluated), &evaluated.rule.requires);
            match (view.has_scopes(with), view.has_acr(with) && view.has_age(with)) {
                (true, false) => lack_age.push(evaluated),
                (false, true) => lack_scope.push(evaluated),
                _ => {}
            }
        }
        if let Some(smallest) = lack_age.iter().min_by_key(|e| e.id) {
            let (view, with) = (self.view(smallest), &smallest.rule.requires);
            let mut text = "Bearer error=\"insufficient_user_authentication\"".to_string();
            if let Some(acr) = with.acr.as_ref().filter(|_| !view.has_acr(with)) {
                text.push_str(&format!(", acr_values=\"{acr}\""));
            }
            if let Some(max) = with.max_age_us.filter(|_| !view.has_age(with)) {
                text.push_str(&format!(", max_age=\"{}\"", max / 1_000_000));
            }
            return Refusal {
                challenges: vec![text],
                ..Refusal::new(401, Reason::InsufficientUserAuthentication)
            };
        }
        let scopes = lack_scope.iter().map(|e| {
            let with = &e.rule.requires;
            (
                !self.view(e).has_scopes_like(with),
                with.scopes.len(),
                with.scopes.join(" "),
            )
        });
        if let Some((unmet_glob, _, scopes)) = scopes.min() {
            let mut text = "Bearer error=\"insufficient_scope\"".to_string();
            if !unmet_glob {
                text.push_str(&format!(", scope=\"{scopes}\""));
            }
            return Refusal {
                challenges: vec![text],
                ..Refusal::new(403, Reason::InsufficientScope)
            };
        }
        let kinds: BTreeSet<CredentialKind> = candidates.iter().flat_map(|e| e.rule.credentials()).collect();
        let kinds: Vec<CredentialKind> = kinds.into_iter().collect();
        if self.lacks_credentials(&kinds) {
            return Refusal::new(401, Reason::Unauthenticated).challenged(kinds);
        }
        Refusal::new(403, Reason::NoRule)
    }

    /// No allow's whole target matches: 404, 405 or 403.
    fn no_target(&self) -> Refusal {
        let allows = self.policy().rules.iter().filter(|rule| {
            rule.effect == Effect::Allow
                && rule.owner == portcullis_lang::model::Owner::Service(self.service_id)
        });
        let mut methods = BTreeSet::new();
        let targets = allows.flat_map(|rule| &rule.targets);
        for target in targets.filter(|target| self.asked.by_path(Effect::Allow, target).is_some()) {
            offered(target, &mut methods);
        }
        if methods.is_empty() || self.request.path.is_none() {
            return Refusal::new(404, Reason::NoRoute);
        }
        if methods.contains(&self.request.method) {
            return Refusal::new(403, Reason::NoRule);
        }
        let allow = methods.into_iter().collect::<Vec<_>>().join(", ");
        Refusal {
            allow: Some(allow),
            ..Refusal::new(405, Reason::MethodNotAllowed)
        }
    }

    /// The target to forward, after all `accept query` that bind.
    pub(crate) fn query(&self, bindings: &[Binding<'_>]) -> Result<String, Refusal> {
        let Some(path) = &self.request.path else {
            return Ok(self.request.target.clone());
        };
        let accepts: Vec<_> = bindings
            .iter()
            .flat_map(|binding| &binding.rule.obligations.accept)
            .filter(|accept| accept.kind == AcceptKind::Query)
            .collect();
        let query = query_accept::accepted(self.policy(), &accepts, self.request, &self.reference.patterns);
        let query = query.map_err(|(status, detail)| Refusal {
            detail: Some(detail.code().to_string()),
            ..Refusal::new(status, Reason::QueryRefused)
        })?;
        Ok(path.upstream.clone() + &query.map(|query| format!("?{query}")).unwrap_or_default())
    }

    /// What is demanded of the body. Of several accepts of one rule that for the request's type counts.
    pub(crate) fn request_body(
        &self,
        bindings: &[Binding<'_>],
        trace: &mut Trace,
    ) -> Result<Option<RequestBody>, Refusal> {
        let content_type = match self.world.fact(&Fact::ContentType, &Captures::new()).state {
            State::Absent => None,
            State::Known(Datum::Text(named)) => Some(String::from_utf8(named).ok()),
            State::Known(_) | State::IllTyped => Some(None),
        };
        let named = content_type.as_ref().map(Option::as_deref);
        obligations::request_body(bindings, named, trace)
            .map_err(|()| Refusal::new(415, Reason::UnsupportedMediaType))
    }

    /// The judge of a body under the accepts that are demanded, of each rule those for the type that the head names.
    pub(crate) fn body_judge<'b>(&'b self, demand: &'b RequestBody, vector: &Vector) -> Judge<'b> {
        let headers: Vec<(String, Vec<u8>)> = vector
            .request
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), value.0.clone()))
            .collect();
        let head = Head::of(&headers);
        let demanded = self
            .rules
            .iter()
            .filter(|evaluated| demand.accept.contains(&evaluated.rule.id));
        let accepts = demanded.flat_map(|evaluated| {
            let all = evaluated.rule.obligations.accept.iter();
            let bodies: Vec<&Accept> = all.filter(|accept| accept.kind != AcceptKind::Query).collect();
            let is_alone = bodies.len() == 1;
            let takes = |accept: &&Accept| is_alone || head.takes(&accept.kind);
            bodies.into_iter().filter(takes).collect::<Vec<_>>()
        });
        Judge {
            accepts: accepts.collect(),
            demand,
            patterns: &self.reference.patterns,
            head,
        }
    }
}
