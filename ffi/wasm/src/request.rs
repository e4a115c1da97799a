//! What setters collected -> [`RequestView`]. Adds nothing and cleans nothing.

use std::net::IpAddr;

use portcullis::{Credential, KeyFact, Now, PeerCert, RequestView, SignatureFact};

/// A credential's outcome: its JSON, or why it failed.
pub(crate) type Outcome = Result<Vec<u8>, String>;

/// One request under construction.
#[derive(Debug, Default)]
pub(crate) struct Request {
    pub(crate) id: String,
    pub(crate) method: Vec<u8>,
    pub(crate) scheme: Vec<u8>,
    pub(crate) authority: Option<Vec<u8>>,
    pub(crate) target: Vec<u8>,
    pub(crate) headers: Vec<(Vec<u8>, Vec<u8>)>,
    pub(crate) socket_peer: Option<IpAddr>,
    pub(crate) peer: Option<Peer>,
    pub(crate) sni: Option<Vec<u8>>,
    pub(crate) protocol: Vec<u8>,
    pub(crate) token: Option<(String, Outcome)>,
    pub(crate) key: Option<(String, String, Outcome)>,
    pub(crate) signature: Option<(String, Option<String>)>,
    pub(crate) context: Vec<u8>,
    pub(crate) now_us: Option<i64>,
}

/// A client certificate.
#[derive(Debug, Default)]
pub(crate) struct Peer {
    pub(crate) spiffe: Option<Vec<u8>>,
    pub(crate) dns: Vec<Vec<u8>>,
    pub(crate) subject: Option<Vec<u8>>,
    pub(crate) fingerprint: Option<Vec<u8>>,
    pub(crate) fault: Option<String>,
}

impl Request {
    pub(crate) fn now(&self) -> Now {
        Now {
            wall_us: self.now_us,
            mono_us: 0,
        }
    }

    pub(crate) fn with_view<R>(&self, f: impl FnOnce(&RequestView<'_>) -> R) -> R {
        let headers: Vec<(&[u8], &[u8])> = self
            .headers
            .iter()
            .map(|(name, value)| (name.as_slice(), value.as_slice()))
            .collect();
        f(&RequestView {
            method: &self.method,
            scheme: &self.scheme,
            authority: self.authority.as_deref(),
            target: &self.target,
            headers: &headers,
            socket_peer: self.socket_peer,
            certificate: self.peer.as_ref().map(|peer| PeerCert {
                spiffe: peer.spiffe.as_deref(),
                dns: peer.dns.iter().map(Vec::as_slice).collect(),
                subject: peer.subject.as_deref(),
                fingerprint: peer.fingerprint.as_deref(),
                fault: peer.fault.as_deref(),
            }),
            sni: self.sni.as_deref(),
            protocol: &self.protocol,
            credential: match &self.token {
                None => Credential::Absent,
                Some((issuer, Ok(claims))) => Credential::Verified { issuer, claims },
                Some((issuer, Err(fault))) => Credential::Invalid { issuer, fault },
            },
            key: self.key.as_ref().map(|(keys, id, outcome)| match outcome {
                Ok(fields) => KeyFact::Verified { keys, id, fields },
                Err(fault) => KeyFact::Invalid { keys, fault },
            }),
            signature: self.signature.as_ref().map(|(name, fault)| match fault {
                None => SignatureFact::Verified { name },
                Some(fault) => SignatureFact::Invalid { name, fault },
            }),
            context: &self.context,
        })
    }
}
