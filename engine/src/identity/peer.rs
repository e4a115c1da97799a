//! The host's word -> the client certificate, and which `peers` claim it. Knows no rules.

use super::{Kind, Peer};
use crate::image::config::Config;
use crate::value::{Arena, List};
use crate::view::RequestView;

/// The certificate of a request.
pub(super) fn peer<'a>(view: &'a RequestView<'a>, config: &Config, arena: &'a Arena) -> Kind<'a, Peer<'a>> {
    let Some(certificate) = &view.certificate else {
        return Kind::Absent;
    };
    if let Some(fault) = certificate.fault {
        return Kind::Invalid(fault);
    }
    let domain = certificate.spiffe.and_then(trust_domain);
    let claims = |domains: &Vec<String>| domains.iter().any(|d| Some(d.as_bytes()) == domain);
    let mut claimed_by = List::new_in(arena);
    claimed_by.extend(
        (0..)
            .zip(&config.peers)
            .filter(|(_, domains)| claims(domains))
            .map(|(index, _)| index),
    );
    Kind::Valid(Peer {
        certificate,
        claimed_by: claimed_by.into_bump_slice(),
    })
}

/// `spiffe://DOMAIN/..`; SPIFFE writes it in lower case, and another spelling is another domain.
fn trust_domain(spiffe: &[u8]) -> Option<&[u8]> {
    spiffe.strip_prefix(b"spiffe://")?.split(|b| *b == b'/').next()
}
