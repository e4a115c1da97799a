//! The host's word, else a trusted hop's -> the client certificate, and which `peers` claim it. Knows no rules.

use super::certificate::{Certificate, last_element};
use super::{Kind, Peer};
use crate::image::config::{Config, FORWARDED_CERTIFICATE};
use crate::request::headers::name;
use crate::request::{Canonical, hop};
use crate::value::{Arena, List};
use crate::view::RequestView;
use portcullis_base::Detail;

/// The certificate of a request.
pub(super) fn peer<'a>(
    view: &'a RequestView<'a>,
    canonical: &Canonical<'a>,
    config: &Config,
    arena: &'a Arena,
) -> Kind<'a, Peer<'a>> {
    let certificate = match &view.certificate {
        Some(certificate) => match certificate.fault {
            Some(fault) => return Kind::Invalid(fault),
            None => Certificate::HandedOver(certificate),
        },
        None if !canonical.headers.has(name::CERTIFICATE) => return Kind::Absent,
        None => match forwarded(view, canonical, config, arena) {
            Kind::Valid(certificate) => certificate,
            Kind::Absent => return Kind::Absent,
            Kind::Invalid(fault) => return Kind::Invalid(fault),
        },
    };
    let domain = certificate.spiffe().and_then(trust_domain);
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

/// What a trusted proxy says of its client's certificate; what others say is nothing.
#[cold]
fn forwarded<'a>(
    view: &RequestView<'_>,
    canonical: &Canonical<'a>,
    config: &Config,
    arena: &'a Arena,
) -> Kind<'a, Certificate<'a>> {
    let is_read = config
        .identity_headers
        .iter()
        .any(|name| name == FORWARDED_CERTIFICATE);
    let is_trusted = view
        .socket_peer
        .is_some_and(|socket| hop::is_proxy(config, socket));
    if !is_read || !is_trusted {
        return Kind::Absent;
    }
    let mut lines = canonical.headers.all(FORWARDED_CERTIFICATE);
    let line = match (lines.next(), lines.next()) {
        (Some(only), None) => last_element(only, arena),
        _ => None,
    };
    match line {
        Some(certificate) => Kind::Valid(Certificate::Forwarded(arena.alloc(certificate))),
        None => Kind::Invalid(Detail::MalformedCertificate.code()),
    }
}

/// `spiffe://DOMAIN/..`; SPIFFE writes it in lower case, and another spelling is another domain.
fn trust_domain(spiffe: &[u8]) -> Option<&[u8]> {
    spiffe.strip_prefix(b"spiffe://")?.split(|b| *b == b'/').next()
}
