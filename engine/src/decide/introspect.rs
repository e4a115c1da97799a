//! A request -> what its host should find out before it is decided: about an opaque token, or the body that is signed.
//! Decides nothing.

use super::evaluation::Evaluation;
use super::{Now, Snapshot, Worker};
use crate::identity::{SignedMessage, presented_opaque_token};
use crate::view::RequestView;
use portcullis_base::{CredentialKind, Detail};

/// The one token of the request that is not verified, where an issuer of opaque tokens looks. None for a request
/// that has no canonical form or no service.
pub(crate) fn opaque_token<'d>(
    s: &'d Snapshot,
    r: &'d RequestView<'d>,
    now: Now,
    w: &'d mut Worker,
) -> Option<&'d [u8]> {
    w.start(&s.image);
    let evaluation = Evaluation::begin(s, r, now, w).ok()?;
    let not_verified = (CredentialKind::Token, Detail::NotVerified.code());
    if evaluation.credentials.first_invalid() != Some(not_verified) {
        return None;
    }
    presented_opaque_token(evaluation.canonical, s.image.config())
}

/// The signed message of the request, where all but its body is good and the verdict may depend on it: nothing else is
/// wrong with the request's credentials before it, or its service lets such pass.
pub(crate) fn signed_message(
    s: &Snapshot,
    r: &RequestView<'_>,
    now: Now,
    w: &mut Worker,
) -> Option<SignedMessage> {
    w.start(&s.image);
    let evaluation = Evaluation::begin(s, r, now, w).ok()?;
    let not_verified = Detail::NotVerified.code();
    let is_first = evaluation.credentials.first_invalid() == Some((CredentialKind::Signature, not_verified));
    let is_passed_over =
        evaluation.is_anonymous() && evaluation.credentials.signature_fault() == Some(not_verified);
    if r.signature.is_some() || !(is_first || is_passed_over) {
        return None;
    }
    Some(SignedMessage::new(
        evaluation.canonical,
        s.image.config(),
        s.data.keys(),
    ))
}
