//! A vector -> the engine's own request structure. What the vector says, and nothing that it does not.

use std::net::IpAddr;

use portcullis::{Credential, KeyFact, Now, PeerCert, RequestView, SignatureFact};
use portcullis_vectors::{Token, Vector};

/// A request with its own bytes, of which [`OwnedRequest::view`] lends out.
#[derive(Debug)]
pub struct OwnedRequest<'v> {
    vector: &'v Vector,
    target: Vec<u8>,
    scheme: String,
    headers: Vec<(Vec<u8>, Vec<u8>)>,
    socket_peer: Option<IpAddr>,
    /// When it is decided.
    pub now: Now,
}

/// Everything a view borrows that has no place of its own in [`OwnedRequest`].
#[derive(Debug)]
pub struct HeaderLines<'o>(Vec<(&'o [u8], &'o [u8])>);

impl<'v> OwnedRequest<'v> {
    /// Reads a vector; the error names the member that could not be read.
    pub fn from_vector(vector: &'v Vector) -> Result<OwnedRequest<'v>, String> {
        let request = &vector.request;
        let mut headers: Vec<(Vec<u8>, Vec<u8>)> = request
            .headers
            .iter()
            .map(|(n, v)| (n.clone().into_bytes(), v.0.clone()))
            .collect();
        if let Some(bearer) = &vector.bearer {
            headers.push((b"authorization".to_vec(), format!("Bearer {bearer}").into_bytes()));
        }
        let socket_peer = match &request.client_ip {
            Some(text) => Some(
                text.parse()
                    .map_err(|_| format!("`client_ip`: `{text}` is no address"))?,
            ),
            None => None,
        };
        let wall_us = match &vector.now {
            Some(text) => Some(instant_us(text).ok_or(format!("`now`: `{text}` is no RFC 3339 instant"))?),
            None => None,
        };
        Ok(OwnedRequest {
            vector,
            target: request.target_bytes()?,
            scheme: request.scheme_text(),
            headers,
            socket_peer,
            now: Now { wall_us, mono_us: 0 },
        })
    }

    /// The header lines, borrowed.
    pub fn lines(&self) -> HeaderLines<'_> {
        HeaderLines(
            self.headers
                .iter()
                .map(|(n, v)| (n.as_slice(), v.as_slice()))
                .collect(),
        )
    }

    /// What the engine reads.
    pub fn view<'o>(&'o self, lines: &'o HeaderLines<'o>) -> RequestView<'o> {
        let request = &self.vector.request;
        RequestView {
            method: request.method.as_bytes(),
            scheme: self.scheme.as_bytes(),
            authority: request.authority_text().map(str::as_bytes),
            target: &self.target,
            headers: &lines.0,
            socket_peer: self.socket_peer,
            certificate: request.peer.as_ref().map(|peer| PeerCert {
                spiffe: peer.spiffe.as_deref().map(str::as_bytes),
                dns: peer.dns.iter().map(String::as_bytes).collect(),
                subject: peer.subject.as_deref().map(str::as_bytes),
                fingerprint: peer.fingerprint.as_deref().map(str::as_bytes),
                fault: peer.invalid.as_deref(),
            }),
            sni: request.sni.as_deref().map(str::as_bytes),
            protocol: request.protocol.as_deref().unwrap_or_default().as_bytes(),
            credential: self.vector.token.as_ref().map_or(Credential::Absent, credential),
            key: self.vector.key.as_ref().map(|key| match &key.invalid {
                Some(fault) => KeyFact::Invalid {
                    keys: &key.keys,
                    fault,
                },
                None => KeyFact::Verified {
                    keys: &key.keys,
                    id: key.id.as_deref().unwrap_or_default(),
                    fields: key
                        .fields
                        .as_deref()
                        .map(|f| f.get())
                        .unwrap_or_default()
                        .as_bytes(),
                },
            }),
            signature: self
                .vector
                .signature
                .as_ref()
                .map(|signature| match &signature.invalid {
                    Some(fault) => SignatureFact::Invalid {
                        name: &signature.name,
                        fault,
                    },
                    None => SignatureFact::Verified {
                        name: &signature.name,
                    },
                }),
            context: self
                .vector
                .context
                .as_deref()
                .map(|c| c.get())
                .unwrap_or_default()
                .as_bytes(),
        }
    }
}

fn credential(token: &Token) -> Credential<'_> {
    match &token.invalid {
        Some(fault) => Credential::Invalid {
            issuer: &token.issuer,
            fault,
        },
        None => Credential::Verified {
            issuer: &token.issuer,
            claims: token.claims.as_deref().map_or("{}", |c| c.get()).as_bytes(),
        },
    }
}

/// An RFC 3339 instant with an offset, in µs.
pub fn instant_us(text: &str) -> Option<i64> {
    text.parse::<jiff::Timestamp>().ok().map(|t| t.as_microsecond())
}

/// µs -> RFC 3339 in UTC.
pub fn instant_text(us: i64) -> String {
    jiff::Timestamp::from_microsecond(us)
        .map(|t| t.to_string())
        .unwrap_or_else(|_| format!("{us} µs"))
}
