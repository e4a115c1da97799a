//! One request, from raw bytes to its verdict, in the order of section 6. Each step stands in [`crate::steps`];
//! here is only their order, and what a verdict carries once it is settled.
#![expect(
    clippy::result_large_err,
    reason = "a box would buy speed, which nobody asks of the reference"
)]

use portcullis_base::{Detail, Reason};
use portcullis_lang::model::{CredentialKind, Effect, HeaderDirection, Owner, RuleId};
use portcullis_vectors::{Headers, QuotaCharge, Report, RequestBody, Vector, Verdict};

use crate::condition::{Truth, View};
use crate::facts::World;
use crate::normalise::normalise;
use crate::obligations::Binding;
use crate::steps::{Case, Evaluated, Refusal};
use crate::target::Asked;
use crate::{Reference, Trace, cors, headers, hours, obligations, quotas, service};

/// How it ends where nothing refuses.
enum Outcome<'c> {
    Preflight(Vec<QuotaCharge>),
    Granted {
        rule: RuleId,
        bindings: Vec<Binding<'c>>,
        upstream_target: String,
        request_body: Option<RequestBody>,
        quotas: Vec<QuotaCharge>,
    },
}

/// The order of the verdict (section 6): the first refusal decides. What needs a memory is not here: `blocked`
/// would come after the service, and 429 after the quota keys. Bodies come last, see [`judge_body`].
fn in_order<'c>(case: &'c Case<'c>, trace: &mut Trace) -> Result<Outcome<'c>, Refusal> {
    case.transport(trace)?;
    if case.is_preflight() {
        let charges = quotas::charges(case.policy(), &case.standing(), None)?;
        return Ok(Outcome::Preflight(charges));
    }
    case.credentials()?;
    case.denies()?;
    case.gone(trace)?;
    let granting = case.granting()?;
    let rule = case.smallest(&granting)?;
    let bindings = case.bindings(&granting);
    let upstream_target = case.query(&bindings)?;
    let request_body = case.request_body(&bindings, trace)?;
    let quotas = quotas::charges(case.policy(), &bindings, case.service.default_limit.as_ref())?;
    Ok(Outcome::Granted {
        rule,
        bindings,
        upstream_target,
        request_body,
        quotas,
    })
}

/// The verdict on a vector. The body of a signed message is read where the verdict may depend on it: nothing refuses the
/// request before credentials count, and no other credential does (docs/semantics.md, signatures).
pub(crate) fn verdict(reference: &Reference<'_>, vector: &Vector, trace: &mut Trace) -> Verdict {
    let (verdict, waits) = decided(reference, vector, false, trace);
    if !waits {
        return verdict;
    }
    *trace = Trace::default();
    decided(reference, vector, true, trace).0
}

/// The verdict with or without the body of a signed message, and whether the body is wanted for it.
fn decided(
    reference: &Reference<'_>,
    vector: &Vector,
    is_body_read: bool,
    trace: &mut Trace,
) -> (Verdict, bool) {
    let policy = reference.policy;
    let plain = |status: u16, reason: Reason, detail: Option<Detail>| Verdict {
        id: vector.id.clone(),
        effect: "deny".to_string(),
        status,
        reason: reason.code().to_string(),
        detail: detail.map(|detail| detail.code().to_string()),
        ..Verdict::default()
    };
    let request = match normalise(vector, &reference.names, &|host| service::options(policy, host)) {
        Ok(request) => request,
        Err(malformed) => {
            let verdict = plain(malformed.status, Reason::Malformed, Some(malformed.detail));
            return (verdict, false);
        }
    };
    let service =
        service::select(policy, &request).and_then(|id| Some((id, policy.services.get(id.index())?)));
    let Some((service_id, service)) = service else {
        return (plain(404, Reason::NoService, None), false);
    };
    let world = World::new(
        policy,
        &reference.data,
        &reference.keys,
        &request,
        vector,
        is_body_read,
    );
    let asked = Asked {
        request: &request,
        patterns: &reference.patterns,
        is_grpc: world.is_grpc(),
        trailing_slash_ignored: service.trailing_slash_ignored,
    };

    let mut rules = Vec::new();
    for (rule, id) in policy.rules.iter().zip(0..) {
        if matches!(rule.owner, Owner::Service(owner) if owner != service_id) {
            continue;
        }
        let matches = asked.matches(rule.effect, &rule.targets);
        if let Some(captures) = Asked::merged(&matches) {
            let truth = matches.iter().fold(Truth::False, |so_far, captures| {
                let view = View {
                    reference,
                    world: &world,
                    captures,
                };
                so_far.max(view.evaluate(&rule.condition, trace))
            });
            rules.push(Evaluated {
                id: RuleId(id),
                rule,
                captures,
                truth,
            });
        }
    }
    let case = Case {
        reference,
        request: &request,
        world: &world,
        service_id,
        service,
        asked,
        rules,
    };
    let mut verdict = match in_order(&case, trace) {
        Ok(Outcome::Granted {
            rule,
            bindings,
            upstream_target,
            request_body,
            quotas,
        }) => {
            let judged = request_body.as_ref().map_or(Ok(()), |demand| {
                judge_body(&case, demand, vector, is_body_read, quotas.is_empty())
            });
            match judged {
                Ok(()) => {
                    let mut verdict = granted(&case, rule, &bindings, trace);
                    verdict.upstream_target = Some(upstream_target);
                    verdict.request_body = request_body;
                    verdict.quotas = quotas;
                    verdict
                }
                Err(refusal) => revoked(&case, &refusal),
            }
        }
        Ok(Outcome::Preflight(charges)) => {
            let mut verdict = Verdict {
                effect: "answer".to_string(),
                status: 204,
                ..Verdict::default()
            };
            verdict.reason = Reason::Preflight.code().to_string();
            verdict.quotas = charges;
            carry_standing(&case, &mut verdict, None, trace);
            verdict
        }
        Err(refusal) => refused(&case, refusal, trace),
    };
    verdict.id.clone_from(&vector.id);
    verdict.report = report(&case);
    let is_final = [Reason::TransportRefused, Reason::Preflight]
        .iter()
        .any(|reason| verdict.reason == reason.code());
    let credentials = &world.credentials;
    let waits = !is_body_read
        && !is_final
        && vector.signature.is_none()
        && credentials.waits_for_body(service.invalid_credentials_anonymous);
    (verdict, waits)
}

fn granted(case: &Case<'_>, rule: RuleId, bindings: &[Binding<'_>], trace: &mut Trace) -> Verdict {
    let policy = case.policy();
    obligations::trace(policy, bindings, case.service.default_limit.as_ref(), trace);
    let request = headers::merge(HeaderDirection::Request, bindings);
    let response = headers::merge(HeaderDirection::Response, bindings);
    let mut request_drop = request.drop;
    // what the policy sets anywhere is never taken from the client
    request_drop.extend(
        policy
            .request_headers_set
            .iter()
            .filter(|n| !request.set.contains_key(*n))
            .cloned(),
    );
    request_drop.extend(
        case.told_from_outside()
            .into_iter()
            .filter(|name| !request.set.contains_key(name)),
    );
    Verdict {
        effect: "allow".to_string(),
        status: 200,
        reason: Reason::Allowed.code().to_string(),
        rule: Some(policy.rule(rule).id.clone()),
        rules: bindings
            .iter()
            .filter(|b| b.binds_anything())
            .map(|b| b.rule.id.clone())
            .collect(),
        response: obligations::response(bindings),
        headers: Headers {
            request_set: request.set.into_iter().collect(),
            request_drop: request_drop.into_iter().collect(),
            response_set: with_ours(own_headers(case, None), response.set),
            response_drop: response.drop.into_iter().collect(),
        },
        tags: obligations::tags(bindings),
        ..Verdict::default()
    }
}

/// A body is judged once it was read: where the vector gives one, and where the decision depended on it. Charges come
/// first, and a vector without a body stops before them.
fn judge_body(
    case: &Case<'_>,
    demand: &RequestBody,
    vector: &Vector,
    is_body_read: bool,
    is_charged: bool,
) -> Result<(), Refusal> {
    // Vectors are read with their bodies.
    let body = vector.request.body_bytes().unwrap_or_default();
    if body.is_none() && !is_charged {
        return Ok(());
    }
    let judge = case.body_judge(demand, vector);
    judge.told()?;
    match body {
        Some(body) => judge.body(&body),
        None if is_body_read => judge.body(b""),
        None => Ok(()),
    }
}

/// Refused after it was allowed: of what the rules said only the reports stay, of the headers the service's own.
fn revoked(case: &Case<'_>, refusal: &Refusal) -> Verdict {
    let mut response_set = own_headers(case, None);
    response_set.retain(|(name, _)| {
        matches!(
            name.as_str(),
            "sunset" | "access-control-allow-origin" | "access-control-allow-credentials" | "vary"
        )
    });
    if case.asked.is_grpc {
        let status = grpc_status(refusal.status).to_string();
        response_set.push(("grpc-status".to_string(), status));
    }
    Verdict {
        effect: "deny".to_string(),
        status: refusal.status,
        reason: refusal.reason.code().to_string(),
        detail: refusal.detail.clone(),
        headers: Headers {
            response_set,
            ..Headers::default()
        },
        ..Verdict::default()
    }
}

fn refused(case: &Case<'_>, refusal: Refusal, trace: &mut Trace) -> Verdict {
    let counting: Vec<Binding<'_>> = case.standing();
    let mut verdict = Verdict {
        effect: "deny".to_string(),
        status: refusal.status,
        reason: refusal.reason.code().to_string(),
        detail: refusal.detail.clone(),
        message: refusal.message.clone(),
        rule: refusal.rule.map(|id| case.policy().rule(id).id.clone()),
        quotas: quotas::counting_denied(case.policy(), &counting),
        ..Verdict::default()
    };
    carry_standing(case, &mut verdict, Some(&refusal), trace);
    verdict
}

/// What a denial or an answer carries of the standing rules: response headers and tags where the condition is
/// true, and the charges that are already in the verdict.
fn carry_standing(case: &Case<'_>, verdict: &mut Verdict, refusal: Option<&Refusal>, trace: &mut Trace) {
    let standing = case.standing();
    let sure: Vec<Binding<'_>> = standing.iter().filter(|binding| binding.sure).cloned().collect();
    let response = headers::merge(HeaderDirection::Response, &sure);
    let mut ours = own_headers(case, refusal);
    if let Some(refusal) = refusal.filter(|_| case.asked.is_grpc) {
        ours.push(("grpc-status".to_string(), grpc_status(refusal.status).to_string()));
    }
    verdict.headers.response_set = with_ours(ours, response.set);
    verdict.headers.response_drop = response.drop.into_iter().collect();
    verdict.tags = obligations::tags(&sure);
    let charged = |binding: &Binding<'_>| {
        let limits = &binding.rule.obligations.limits;
        limits.iter().any(|limit| {
            let quota = case.policy().quotas.get(limit.quota.index());
            quota.is_some_and(|quota| verdict.quotas.iter().any(|charge| charge.name == quota.name))
        })
    };
    let carried = |binding: &&Binding<'_>| charged(binding) || (binding.sure && binding.speaks());
    verdict.rules = standing
        .iter()
        .filter(carried)
        .map(|binding| binding.rule.id.clone())
        .collect();
    obligations::trace_carried(&sure, verdict.quotas.len(), trace);
}

/// The engine's own response headers in their order.
fn own_headers(case: &Case<'_>, refusal: Option<&Refusal>) -> Vec<(String, String)> {
    let mut ours = Vec::new();
    let mut push = |name: &str, value: String| ours.push((name.to_string(), value));
    if let Some(refusal) = refusal {
        for challenge in &refusal.challenges {
            push(
                "www-authenticate",
                with_metadata(challenge, case.service.resource_metadata.as_deref()),
            );
        }
        if let Some(allow) = &refusal.allow {
            push("allow", allow.clone());
        }
        if let Some(seconds) = refusal.retry_after_s {
            push("retry-after", seconds.to_string());
        }
        if let Some(location) = &refusal.location {
            push("location", location.clone());
        }
    }
    if let Some(date) = case
        .sunset()
        .filter(|_| !case.is_gone())
        .and_then(hours::http_date)
    {
        push("sunset", date);
    }
    let answered = refusal.is_none() && case.is_preflight();
    ours.extend(cors::headers(case.service, case.request, answered));
    ours
}

/// Ours first, and no rule replaces one of them.
fn with_ours(
    ours: Vec<(String, String)>,
    policy: std::collections::BTreeMap<String, String>,
) -> Vec<(String, String)> {
    let names: Vec<String> = ours.iter().map(|(name, _)| name.clone()).collect();
    ours.into_iter()
        .chain(policy.into_iter().filter(|(name, _)| !names.contains(name)))
        .collect()
}

fn report(case: &Case<'_>) -> Vec<Report> {
    let reported = case
        .rules
        .iter()
        .filter(|e| e.rule.report && e.rule.effect != Effect::Allow);
    reported
        .filter_map(|evaluated| {
            let value = match evaluated.truth {
                Truth::True => "true",
                Truth::Unknown => "unknown",
                Truth::False => return None,
            };
            Some(Report {
                rule: evaluated.rule.id.clone(),
                value: value.to_string(),
            })
        })
        .collect()
}

fn grpc_status(status: u16) -> u8 {
    match status {
        400 | 422 | 413 => 3,
        401 => 16,
        403 | 410 => 7,
        404 | 405 => 12,
        429 => 8,
        503 => 14,
        _ => 2,
    }
}

/// RFC 9728, section 5.1.
fn with_metadata(challenge: &str, url: Option<&str>) -> String {
    match (challenge, url) {
        ("Bearer", Some(url)) => format!("Bearer resource_metadata=\"{url}\""),
        (challenge, Some(url)) if challenge.starts_with("Bearer ") => {
            format!("{challenge}, resource_metadata=\"{url}\"")
        }
        _ => challenge.to_string(),
    }
}

/// How a kind is asked for.
pub(crate) fn challenge(kind: CredentialKind) -> &'static str {
    match kind {
        CredentialKind::Token
        | CredentialKind::Beside1
        | CredentialKind::Beside2
        | CredentialKind::Beside3 => "Bearer",
        CredentialKind::Key => "ApiKey",
        CredentialKind::Peer => "Certificate",
        CredentialKind::Signature => "Signature",
    }
}
