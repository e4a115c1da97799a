//! Head of a verdict -> whole verdict: what binds with it. Quotas, headers, redaction, demands on bodies and
//! queries, CORS, sunset and transport, merged so that the strictest wins, whatever the order (section 7).
//!
//! Invariant: this module decides nothing about rules. Who granted and which standing rules are true or unknown
//! is handed in as a [`Binding`]; it knows no graph, no route and no policy syntax.

// verdict -> headers of the engine's own
mod cors;
mod grpc;

// rules that bind -> one demand each
mod body;
mod headers;
mod query;
mod quotas;
mod redact;

#[cfg(test)]
mod tests;

use crate::decision::{Charge, Decision, Effect, PenaltyKey, ResponsePlan, Set};
use crate::facts::Facts;
use crate::identity::Credentials;
use crate::image::config::{Config, Cors, Rule, Service};
use crate::image::ids::RuleId;
use crate::image::tables::View;
use crate::request::Canonical;
use crate::value::{Arena, List};
use portcullis_base::instant::HttpDate;
use portcullis_base::{Detail, Reason};

pub(crate) use cors::is_preflight;
pub(crate) use grpc::status as grpc_status;
pub(crate) use headers::from_outside;
pub(crate) use query::{GivenParam, canonical_int, canonical_ip, field_fits};

/// A decision in the making, which its maker lends: it is large, and stays where it is. Its reply's headers are still
/// being collected, and are in it once it is finished.
#[must_use]
pub(crate) struct Draft<'m, 'b> {
    /// All but `response_set`.
    pub decision: &'m mut Decision<'b>,
    /// Headers to set on the reply, in order.
    pub response_set: List<'b, Set<'b>>,
}

impl<'m, 'b> Draft<'m, 'b> {
    /// A draft of a head, which has no headers yet.
    pub(crate) fn new(head: &'m mut Decision<'b>, arena: &'b Arena) -> Draft<'m, 'b> {
        Draft {
            decision: head,
            response_set: List::new_in(arena),
        }
    }

    /// Makes a fresh draft a denial for a reason, with the reason's status.
    pub(crate) fn refuse(&mut self, reason: Reason) {
        self.decision.effect = Effect::Deny;
        self.decision.status = reason.status();
        self.decision.reason = reason;
    }

    /// Makes a fresh draft an allow by a rule.
    pub(crate) fn allow(&mut self, rule: RuleId) {
        self.decision.effect = Effect::Allow;
        self.decision.status = Reason::Allowed.status();
        self.decision.reason = Reason::Allowed;
        self.decision.rule = Some(rule);
    }

    /// The decision has its headers now.
    pub(crate) fn finish(self) {
        self.decision.response_set = self.response_set.into_bump_slice();
    }
}

/// Who grants, what stands, and the request they are about.
pub(crate) struct Binding<'b> {
    /// Declarations of the image.
    pub config: &'b Config,
    /// Index into [`Config::services`].
    pub service: u32,
    /// Facts of the request.
    pub facts: &'b Facts<'b>,
    /// Where lists and texts of the decision go.
    pub arena: &'b Arena,
    /// The request, normalised.
    pub canonical: &'b Canonical<'b>,
    /// Its credentials.
    pub credentials: &'b Credentials<'b>,
    /// TLS server name as the host gave it.
    pub sni: Option<&'b [u8]>,
    /// µs since the epoch, if the host gave it.
    pub now_us: Option<i64>,
    /// Allows that granted, sorted.
    pub granting: &'b [RuleId],
    /// `on` rules whose condition is true (true) or unknown (false), sorted; reported ones are not among them.
    pub standing: &'b [(RuleId, bool)],
    /// Tables of the image, for [`crate::image::config::QueryField::matches`].
    pub view: View<'b>,
}

/// A rule that binds.
#[derive(Clone, Copy)]
struct Bound<'b> {
    index: RuleId,
    rule: Rule<'b>,
    /// Granting, or standing and true: its `set` and `tag` bind too.
    certain: bool,
}

impl<'b> Binding<'b> {
    fn service(&self) -> Option<&'b Service> {
        self.config.services.get(self.service as usize)
    }

    fn standing_rules(&self) -> impl Iterator<Item = Bound<'b>> + use<'b> {
        let config = self.config;
        self.standing.iter().filter_map(move |&(index, certain)| {
            config
                .rules
                .get(index.index())
                .map(|rule| Bound { index, rule, certain })
        })
    }

    /// Granting allows and standing rules, by rule id.
    fn all_rules(&self) -> List<'b, Bound<'b>> {
        let config = self.config;
        let granting = self.granting.iter().filter_map(move |&index| {
            config.rules.get(index.index()).map(|rule| Bound {
                index,
                rule,
                certain: true,
            })
        });
        let mut rules = List::new_in(self.arena);
        rules.extend(granting.chain(self.standing_rules()));
        if !self.standing.is_empty() {
            crate::value::order::sort_by_key(&mut rules, |bound| (bound.index, !bound.certain));
        }
        rules
    }

    fn list<T>(&self, items: impl Iterator<Item = T>) -> List<'b, T> {
        let mut list = List::new_in(self.arena);
        list.extend(items);
        list
    }
}

/// Where a request stands in the life of what it asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sunset {
    /// No sunset binds.
    None,
    /// The earliest one that binds lies ahead (or the host gave no `now`): µs since the epoch.
    Before(i64),
    /// Past one.
    Gone,
}

/// The sunset of the service and of the standing rules that bind.
pub(crate) fn sunset(b: &Binding) -> Sunset {
    let of_service = b.service().and_then(|service| service.sunset_us);
    let earliest = b
        .standing_rules()
        .filter_map(|bound| bound.rule.body.sunset_us)
        .chain(of_service)
        .min();
    match (earliest, b.now_us) {
        (None, _) => Sunset::None,
        (Some(end), Some(now)) if now >= end => Sunset::Gone,
        (Some(end), _) => Sunset::Before(end),
    }
}

/// The detail code of the first demand on the connection that is not met.
pub(crate) fn transport(b: &Binding) -> Option<Detail> {
    let of_service = b
        .service()
        .map_or((false, false), |s| (s.require_tls, s.require_sni));
    let (tls, sni) = b.standing_rules().fold(of_service, |(tls, sni), bound| {
        (
            tls || bound.rule.body.require_tls,
            sni || bound.rule.body.require_sni,
        )
    });
    let host = b.canonical.host.as_bytes();
    let is_host = |name: &[u8]| !host.is_empty() && name.eq_ignore_ascii_case(host);
    if tls && b.canonical.scheme != "https" {
        Some(Detail::Tls)
    } else if sni && !b.sni.is_some_and(is_host) {
        Some(Detail::Sni)
    } else {
        None
    }
}

/// Whether a service demands nothing of the connection and ends at no instant.
pub(crate) fn is_bare(service: &Service) -> bool {
    !service.require_tls && !service.require_sni && service.sunset_us.is_none()
}

/// Whether an allow under which no rule obliges to anything comes out bare: the service adds nothing, and no header
/// has to be removed from the request.
pub(crate) fn nothing(config: &Config, service: u32) -> bool {
    config.request_headers_set.is_empty()
        && config
            .services
            .get(service as usize)
            .is_some_and(|s| s.default_limit.is_none() && s.sunset_us.is_none() && s.cors.is_none())
}

/// After an allow granted (the caller set effect, status, reason and rule): a query, a media type or a quota
/// that cannot be keyed may still refuse; else everything that binds is filled in.
pub(crate) fn allow<'b>(b: &Binding<'b>, draft: &mut Draft<'_, 'b>) {
    let rules = b.all_rules();
    let target = match query::judge(b, &rules) {
        Ok(target) => target,
        Err(refusal) => {
            deny(
                draft,
                Reason::QueryRefused,
                refusal.status,
                Some(refusal.detail.code()),
            );
            return refuse(b, draft);
        }
    };
    let Ok(request_body) = body::demand(b, &rules) else {
        let reason = Reason::UnsupportedMediaType;
        deny(draft, reason, reason.status(), None);
        return refuse(b, draft);
    };
    match quotas::on_allow(b, &rules) {
        Ok(charges) => draft.decision.quotas = charges.into_bump_slice(),
        Err(unknown) => return refuse_quota(b, unknown, draft),
    }
    let binding = rules.iter().filter(|bound| binds_on_allow(bound));
    draft.decision.rules = b.list(binding.map(|bound| bound.index)).into_bump_slice();
    draft.decision.request_body = request_body;
    draft.decision.response = response_plan(b, &rules);
    if draft.decision.response.is_some() {
        draft.decision.service = b.service;
    }
    draft.decision.tags = tags(b, rules.iter().filter(|bound| bound.certain));
    draft.decision.upstream_target = Some(target);
    own_headers(b, draft);
    headers::request(b, &rules, draft.decision);
    headers::response(b, rules.iter(), draft);
}

/// What the limits of reported rules would charge.
#[cold]
pub(crate) fn tried<'b>(b: &Binding<'b>, reported: &[(RuleId, bool)]) -> &'b [Charge<'b>] {
    let bound = reported.iter().filter_map(|&(index, certain)| {
        let rule = b.config.rules.get(index.index())?;
        Some(Bound { index, rule, certain })
    });
    let bound = b.list(bound);
    quotas::tried(b, &bound).into_bump_slice()
}

/// Whom the penalties of the service count and block.
#[cold]
pub(crate) fn penalties<'b>(b: &Binding<'b>) -> &'b [PenaltyKey<'b>] {
    quotas::penalties(b).into_bump_slice()
}

/// After a denial within a service (the caller set the head; `response_set` may already hold challenges,
/// `allow`, `retry-after` and `location`, in this order): what standing rules carry on denials.
pub(crate) fn refuse<'b>(b: &Binding<'b>, draft: &mut Draft<'_, 'b>) {
    let standing = b.list(b.standing_rules());
    let charged = quotas::on_denial(b, &standing);
    let service = b.config.services.get(b.service as usize);
    if let Some(url) = service.and_then(|service| service.resource_metadata.as_deref()) {
        for (name, value) in &mut draft.response_set {
            if *name == "www-authenticate" && value.starts_with("Bearer") {
                let comma = if value.len() > "Bearer".len() { "," } else { "" };
                *value = text(
                    b.arena,
                    format_args!("{value}{comma} resource_metadata=\"{url}\""),
                );
            }
        }
    }
    own_headers(b, draft);
    carry_after_own(b, &standing, charged, draft);
}

/// Answers a preflight: before rules, under the quotas of the standing rules.
pub(crate) fn preflight<'b>(b: &Binding<'b>, cors: &'b Cors, draft: &mut Draft<'_, 'b>) {
    let standing = b.list(b.standing_rules());
    let charged = match quotas::on_preflight(b, &standing) {
        Ok(charged) => charged,
        Err(unknown) => return refuse_quota(b, unknown, draft),
    };
    draft.decision.effect = Effect::Answer;
    draft.decision.reason = Reason::Preflight;
    draft.decision.status = Reason::Preflight.status();
    own_sunset(b, draft);
    cors::answer(b, cors, &mut draft.response_set);
    carry_after_own(b, &standing, charged, draft);
}

/// What a denial or an answer carries after the engine's own headers: charges, tags, response headers, and the rules
/// they come from.
fn carry_after_own<'b>(
    b: &Binding<'b>,
    standing: &[Bound<'b>],
    charged: quotas::Charged<'b>,
    draft: &mut Draft<'_, 'b>,
) {
    let certain = || standing.iter().filter(|bound| bound.certain);
    headers::response(b, certain(), draft);
    draft.decision.tags = tags(b, certain());
    let carrying = standing.iter().filter(|bound| {
        let body = &bound.rule.body;
        let shows = !body.tags.is_empty() || body.headers.iter().any(|op| !op.request);
        (bound.certain && shows) || charged.by_rules.contains(&bound.index)
    });
    draft.decision.rules = b.list(carrying.map(|bound| bound.index)).into_bump_slice();
    draft.decision.quotas = charged.charges.into_bump_slice();
}

fn refuse_quota<'b>(b: &Binding<'b>, unknown: quotas::Unknown<'b>, draft: &mut Draft<'_, 'b>) {
    let status = if unknown.kind.is_some() {
        401
    } else {
        Reason::QuotaKeyUnknown.status()
    };
    deny(draft, Reason::QuotaKeyUnknown, status, Some(unknown.quota));
    let challenge = unknown.kind.map(|kind| ("www-authenticate", kind.challenge()));
    draft.response_set.extend(challenge);
    refuse(b, draft);
}

/// Makes a denial of a decision that so far was something else.
fn deny<'b>(draft: &mut Draft<'_, 'b>, reason: Reason, status: u16, detail: Option<&'b str>) {
    *draft.decision = Decision {
        effect: Effect::Deny,
        status,
        reason,
        detail,
        ..Decision::default()
    };
    draft.response_set.clear();
}

/// Headers of the engine itself that any verdict of a service may carry; the caller's come before them.
fn own_headers<'b>(b: &Binding<'b>, draft: &mut Draft<'_, 'b>) {
    own_sunset(b, draft);
    if let Some(cors) = b.service().and_then(|service| service.cors.as_ref()) {
        cors::actual(b.canonical, cors, &mut draft.response_set);
    }
    if draft.decision.effect == Effect::Deny && b.canonical.is_grpc() {
        let status = text(b.arena, format_args!("{}", grpc::status(draft.decision.status)));
        draft.response_set.push(("grpc-status", status));
    }
}

fn own_sunset<'b>(b: &Binding<'b>, draft: &mut Draft<'_, 'b>) {
    if let Sunset::Before(end) = sunset(b) {
        let date = text(b.arena, format_args!("{}", HttpDate(end)));
        draft.response_set.push(("sunset", date));
    }
}

/// A text written into the arena.
pub(crate) fn text<'b>(arena: &'b Arena, parts: std::fmt::Arguments<'_>) -> &'b str {
    let mut text = crate::value::Text::new_in(arena);
    // Writing into a text does not fail.
    let _ = std::fmt::Write::write_fmt(&mut text, parts);
    text.into_bump_str()
}

/// Whether a rule obliges anything on this allow. A granting allow does where it has a body; a standing rule
/// of unknown condition does not by its sets and tags.
fn binds_on_allow(bound: &Bound) -> bool {
    let body = &bound.rule.body;
    let certain = bound.certain;
    !body.limits.is_empty()
        || !body.redact.is_empty()
        || !body.accept.is_empty()
        || !body.accept_query.is_empty()
        || !body.require_response.is_empty()
        || body.headers.iter().any(|op| certain || op.value.is_none())
        || (certain && !body.tags.is_empty())
        || body.require_tls
        || body.require_sni
        || body.sunset_us.is_some()
}

fn tags<'b>(
    b: &Binding<'b>,
    certain: impl Iterator<Item = impl std::ops::Deref<Target = Bound<'b>>>,
) -> &'b [&'b str] {
    let mut tags = b.list(certain.flat_map(|bound| bound.rule.body.tags.iter().map(String::as_str)));
    crate::value::order::sort(&mut tags);
    tags.dedup();
    tags.into_bump_slice()
}

fn response_plan<'b>(b: &Binding<'b>, rules: &[Bound<'b>]) -> Option<ResponsePlan<'b>> {
    let redact = redact::merge(rules.iter().flat_map(|bound| &bound.rule.body.redact), b.arena);
    let statuses = |bound: &Bound<'b>| {
        let index = bound.index;
        bound
            .rule
            .body
            .require_response
            .iter()
            .map(move |check| (index, check.status))
    };
    let require = b.list(rules.iter().flat_map(statuses)).into_bump_slice();
    (!redact.is_empty() || !require.is_empty()).then_some(ResponsePlan { redact, require })
}
