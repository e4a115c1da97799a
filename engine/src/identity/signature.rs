//! Request and the host's word -> the scheme of a signed message. Knows no rules.

use super::Kind;
use super::presented::{Presented, Shape};
use crate::image::config::{Config, Signature};
use crate::request::Canonical;
use crate::view::{RequestView, SignatureFact};
use portcullis_base::Detail;

/// The signature of a request.
pub(super) fn signature<'a>(
    view: &'a RequestView<'a>,
    canonical: &Canonical<'_>,
    config: &Config,
) -> Kind<'a, usize> {
    let mut presented = Presented::No;
    for (at, scheme) in config.signatures.iter().enumerate() {
        if !config
            .signatures
            .iter()
            .take(at)
            .any(|other| other.header == scheme.header)
        {
            presented = presented.and(
                canonical
                    .headers
                    .all(&scheme.header)
                    .map(|value| Shape::of(!value.is_empty())),
            );
        }
    }
    let is_presented = matches!(presented, Presented::Once);
    if let Some(verdict) = presented.verdict(view.signature.is_some()) {
        return verdict;
    }
    let find = |wanted: &str| config.signatures.iter().position(|scheme| scheme.name == wanted);
    let is_own = |scheme: &Signature| canonical.headers.all(&scheme.header).next().is_some();
    match &view.signature {
        None => Kind::Absent,
        Some(SignatureFact::Verified { name }) => match find(name) {
            Some(index) if is_presented && !config.signatures.get(index).is_some_and(is_own) => {
                Kind::Invalid(Detail::AmbiguousCredential.code())
            }
            Some(index) => Kind::Valid(index),
            None => Kind::Invalid(Detail::UnknownSignature.code()),
        },
        Some(SignatureFact::Invalid { fault, .. }) => Kind::Invalid(fault),
    }
}
