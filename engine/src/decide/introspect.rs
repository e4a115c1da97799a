//! A request -> the opaque token that its host should ask about before it is decided. Decides nothing.

use super::evaluation::Evaluation;
use super::{Now, Snapshot, Worker};
use crate::identity::presented_opaque_token;
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
