//! Image -> which facts of a connection no decision of it can depend on, so that a host need not ask for them. Says
//! "reads" where it cannot tell. Knows no requests.
//!
//! What a decision looks at has a slot ([`Source`]), a variable of the graphs, or a declaration; each of the three is
//! looked through. A new kind of source does not compile until it is told here.

use crate::image::Image;
use crate::image::config::{Config, Issuer, Source};
use crate::image::layout::{VAR, dir, var};
use portcullis_base::CredentialKind;

/// Facts of the connection and the clock that decisions of a policy can depend on. The default reads nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reads {
    /// The socket's address.
    pub address: bool,
    /// The client certificate, or whether there is one. Only of one without a fault: a
    /// host that finds a fault in one hands that over whatever this says.
    pub certificate: bool,
    /// The fingerprint of a certificate without a fault: a token may be bound to one. A host that gives it hands the
    /// whole certificate over, which changes nothing else where [`Reads::certificate`] is not set.
    pub fingerprint: bool,
    /// TLS server name.
    pub sni: bool,
    /// The protocol's name.
    pub protocol: bool,
    /// The wall clock.
    pub clock: bool,
    /// Context facts.
    pub context: bool,
}

impl Reads {
    /// Of a policy.
    pub fn of(image: &Image) -> Reads {
        let config = image.config();
        let (services, bodies) = (&config.services, config.rules.bodies());
        let demands_sni =
            services.iter().any(|service| service.require_sni) || bodies.iter().any(|body| body.require_sni);
        let has_sunset = services.iter().any(|service| service.sunset_us.is_some())
            || bodies.iter().any(|body| body.sunset_us.is_some());
        // Of credentials that are verified here, or by a gateway that does not judge what an issuer asks of claims.
        let has_tokens = !config.issuers.is_empty() || !config.beside.is_empty();
        let has_expiring = config.keys.iter().any(|keys| keys.file.is_some())
            || config.signatures.iter().any(|scheme| scheme.timestamp.is_some());
        let mut reads = Reads {
            // Without `peers` no certificate is a valid credential, nor one that a principal trusts.
            certificate: !config.peers.is_empty() || asks_for_certificate(image),
            sni: demands_sni,
            fingerprint: has_tokens,
            clock: has_sunset || has_tokens || has_expiring || image.admission().is_shut(None),
            context: !config.context.is_empty(),
            ..Reads::default()
        };
        config.sources.iter().for_each(|source| reads.add(source));
        // A trusted proxy may tell of a certificate, by the address that it comes from.
        reads.address |= !config.proxies.is_empty() && (reads.certificate || reads.fingerprint);
        reads
    }

    fn add(&mut self, source: &Source) {
        match source {
            // A header is believed by the address that it comes from.
            Source::ClientIp | Source::ConnectionIp | Source::Trusted(_) => self.address = true,
            Source::PeerSpiffe | Source::PeerDns | Source::PeerSubject | Source::PeerFingerprint => {
                self.certificate = true;
            }
            Source::Sni => self.sni = true,
            Source::Protocol => self.protocol = true,
            Source::Now => self.clock = true,
            Source::Context(_) => self.context = true,
            // Of the request's own bytes.
            Source::Method
            | Source::Scheme
            | Source::Host
            | Source::HostLabel
            | Source::Port
            | Source::Path
            | Source::Query(_)
            | Source::Header(_)
            | Source::Cookie(_)
            | Source::Size
            | Source::ContentType
            | Source::Segment { .. }
            | Source::Rest { .. } => {}
            // Of credentials that are always handed over.
            Source::Claim(_)
            | Source::BesideClaim(..)
            | Source::Scopes
            | Source::KeyId
            | Source::KeyField(_)
            | Source::SignatureName => {}
            // Its key is another source.
            Source::Cell { .. } | Source::Response(..) => {}
        }
    }
}

/// Members at the top of an issuer's claims that decisions can read, sorted. What else a token says changes no decision,
/// so a host may leave it out of what it hands over, once it has seen that it can be read and that no name is there
/// twice. `cnf` is always among them: a token that is bound to a key is refused.
pub fn claims_read<'c>(config: &'c Config, issuer: &str) -> Vec<&'c str> {
    let reads = |wanted: &Source| config.sources.contains(wanted);
    let find = |own: &&Issuer| own.name == issuer;
    let beside = config.beside.iter().position(|own| find(&own));
    let found = beside.and_then(|index| config.beside.get(index));
    let Some(issuer) = found.or_else(|| config.issuers.iter().find(find)) else {
        return Vec::new();
    };
    let source = |claim| {
        beside.map_or(Source::Claim(claim), |index| {
            Source::BesideClaim(index as u32, claim)
        })
    };
    let claims = issuer.claims.iter();
    let claims = claims.filter(|claim| reads(&source(claim.claim)));
    let scopes = issuer
        .scopes
        .first()
        .filter(|_| beside.is_none() && reads(&Source::Scopes));
    let firsts = claims.filter_map(|claim| claim.field.path.first());
    let mut members: Vec<&str> = firsts.chain(scopes).map(String::as_str).collect();
    members.push("cnf");
    // Keys of quotas hold it where many texts are one issuer's.
    members.extend(issuer.url_like.then_some("iss"));
    // Where the gateway verifies, these are judged all the same.
    if issuer.verified_by_gateway {
        members.extend(["iss", "aud", "exp", "nbf", "iat"]);
    }
    members.sort_unstable();
    members.dedup();
    members
}

/// Whether some variable of the graphs asks if a certificate was presented, which no slot and no declaration tells.
/// Whether one is valid ([`var::VALID`], [`var::ANCHOR`]) is settled without `peers`.
fn asks_for_certificate(image: &Image) -> bool {
    let (first, count) = (image.word(dir::VARS), image.word(dir::VAR_COUNT));
    (0..count).any(|id| {
        let head = image.word(first.saturating_add(id.saturating_mul(VAR)));
        let (kind, of) = (head >> var::KIND_SHIFT, head & var::A_MAX);
        kind == var::PRESENTED && CredentialKind::from_index(of) == Some(CredentialKind::Peer)
    })
}
