//! Why a request is refused -> head of the denial, with the headers that belong to its reason. Decides nothing.

use super::evaluation::Evaluation;
use crate::decision::{Decision, Set};
use crate::image::ids::RuleId;
use crate::obligations::{self, Draft};
use crate::request::Malformed;
use portcullis_base::{CredentialKind, CredentialKinds, Detail, Reason};

/// Refused before any rule of a service: no canonical form, or no service.
#[derive(Clone, Copy, Debug)]
pub(super) struct Early {
    status: u16,
    reason: Reason,
    detail: Option<Detail>,
}

impl Early {
    pub(super) const NO_SERVICE: Early = Early {
        status: Reason::NoService.status(),
        reason: Reason::NoService,
        detail: None,
    };

    pub(super) fn write(self, decision: &mut Decision<'_>) {
        decision.status = self.status;
        decision.reason = self.reason;
        decision.detail = self.detail.map(Detail::code);
    }
}

impl From<Malformed> for Early {
    fn from(malformed: Malformed) -> Early {
        Early {
            status: malformed.status,
            reason: Reason::Malformed,
            detail: Some(malformed.detail),
        }
    }
}

/// What the steps of section 6 refuse with.
#[derive(Clone, Copy, Debug)]
pub(super) enum Refusal<'d> {
    /// The image is not one of our compiler's.
    Internal,
    /// A reason that says all there is to say.
    Plain(Reason),
    /// A demand on the connection is not met.
    Transport(Detail),
    /// The first credential that failed, and its detail code.
    InvalidCredential(CredentialKind, &'d str),
    /// By the head of a deny, an index into the image's.
    Denied(u32),
    /// Past a sunset.
    Gone,
    /// No allow has the method; an index into the image's texts for the Allow header.
    Method(u32),
    /// This allow lacks nothing but acr or age.
    Authentication(RuleId),
    /// This allow lacks nothing but scopes.
    Scope(RuleId),
    /// The allows read credentials of these kinds, and no valid one is there.
    Unauthenticated(CredentialKinds),
}

impl<'d> Refusal<'d> {
    /// Writes the denial's head; standing obligations come after.
    pub(super) fn write(self, evaluation: &mut Evaluation<'d>, draft: &mut Draft<'_, 'd>) {
        match self {
            Refusal::Internal => draft.refuse(Reason::Internal),
            Refusal::Plain(reason) => draft.refuse(reason),
            Refusal::Gone => draft.refuse(Reason::Gone),
            Refusal::Transport(detail) => {
                draft.refuse(Reason::TransportRefused);
                draft.decision.detail = Some(detail.code());
            }
            Refusal::InvalidCredential(kind, detail) => {
                draft.refuse(Reason::InvalidToken);
                draft.decision.detail = Some(detail);
                draft.response_set.push(authenticate(match kind {
                    CredentialKind::Key | CredentialKind::Peer | CredentialKind::Signature => {
                        kind.challenge()
                    }
                    _ => "Bearer error=\"invalid_token\"",
                }));
            }
            Refusal::Denied(head) => denied(head, evaluation, draft),
            Refusal::Method(text) => {
                let allow = evaluation.config.texts.get(text as usize);
                draft.refuse(Reason::MethodNotAllowed);
                draft
                    .response_set
                    .push(("allow", allow.map_or("", String::as_str)));
            }
            Refusal::Authentication(rule) => authentication(rule, evaluation, draft),
            Refusal::Scope(rule) => {
                let scopes = evaluation.config.rules.get(rule.index()).map_or("", |r| r.scopes);
                // Not where a glob is not met: no scope can be named then.
                let text = if scopes.is_empty() {
                    "Bearer error=\"insufficient_scope\""
                } else {
                    obligations::text(
                        evaluation.arena,
                        format_args!("Bearer error=\"insufficient_scope\", scope=\"{scopes}\""),
                    )
                };
                draft.refuse(Reason::InsufficientScope);
                draft.response_set.push(authenticate(text));
            }
            Refusal::Unauthenticated(kinds) => {
                draft.refuse(Reason::Unauthenticated);
                draft.response_set.extend(challenges(kinds));
            }
        }
    }
}

/// The deciding deny, with its answer.
fn denied<'d>(head: u32, evaluation: &mut Evaluation<'d>, draft: &mut Draft<'_, 'd>) {
    let config = evaluation.config;
    let known = evaluation.walk.head(head);
    let known = known.and_then(|(rule, status)| Some((rule, status, config.rules.get(rule.index())?)));
    // No compiler of ours makes a deny whose head is not there; it denies all the same.
    let Some((index, status, rule)) = known else {
        return draft.refuse(Reason::Internal);
    };
    draft.refuse(Reason::DeniedByRule);
    draft.decision.status = status as u16;
    draft.decision.message = rule.message;
    draft.decision.rule = Some(index);
    if status == 401 {
        draft.response_set.extend(challenges(rule.kinds));
    }
    if let Some(seconds) = rule.retry_after_s {
        let seconds = obligations::text(evaluation.arena, format_args!("{seconds}"));
        draft.response_set.push(("retry-after", seconds));
    }
    if let Some(location) = rule.location {
        draft.response_set.push(("location", location));
    }
}

/// RFC 9470: what the token should have been obtained with.
fn authentication<'d>(index: RuleId, evaluation: &mut Evaluation<'d>, draft: &mut Draft<'_, 'd>) {
    let rule = evaluation.config.rules.get(index.index());
    let (acr, age) = evaluation.walk.lacked_acr_and_age(index);
    let acr = rule.and_then(|r| r.acr).filter(|_| acr);
    let age = rule.and_then(|r| r.max_age_us).filter(|_| age);
    let text = obligations::text(
        evaluation.arena,
        format_args!(
            "Bearer error=\"insufficient_user_authentication\"{}{}",
            std::fmt::from_fn(|f| acr.map_or(Ok(()), |acr| write!(f, ", acr_values=\"{acr}\""))),
            std::fmt::from_fn(|f| age.map_or(Ok(()), |us| write!(f, ", max_age=\"{}\"", us / 1_000_000))),
        ),
    );
    draft.refuse(Reason::InsufficientUserAuthentication);
    draft.response_set.push(authenticate(text));
}

fn authenticate(challenge: &str) -> Set<'_> {
    ("www-authenticate", challenge)
}

/// The challenges of the kinds, in their order, each once.
fn challenges<'c>(kinds: CredentialKinds) -> impl Iterator<Item = Set<'c>> {
    kinds
        .challenges()
        .map(|challenge| -> Set<'c> { authenticate(challenge) })
}
