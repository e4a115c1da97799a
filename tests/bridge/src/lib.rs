//! A vector -> the engine's own request structure. The mapping adds nothing and cleans nothing: what a vector says is
//! what a host would hand over. Knows no policies.

mod client;

use std::net::IpAddr;

use client::{Answer, admit};
use portcullis::view::{BesideToken, Credential, KeyFact, PeerCert, RequestView, SignatureFact};
use portcullis::{Exchange, Next, Now, Worker};
use portcullis_base::instant;
use portcullis_vectors::Vector;

/// A request with its bytes, so that a view can borrow them.
#[derive(Clone, Debug, Default)]
pub struct OwnedRequest {
    method: Vec<u8>,
    scheme: Vec<u8>,
    authority: Option<Vec<u8>>,
    target: Vec<u8>,
    headers: Vec<(Vec<u8>, Vec<u8>)>,
    socket_peer: Option<IpAddr>,
    peer: Option<portcullis_vectors::PeerCert>,
    sni: Option<Vec<u8>>,
    protocol: Vec<u8>,
    token: Option<Handed>,
    key: Option<(Handed, String)>,
    signature: Option<Handed>,
    beside: Vec<Handed>,
    context: Vec<u8>,
    body: Option<Vec<u8>>,
    answer: Option<Answer>,
    now: Now,
}

/// A credential's origin, and its JSON or why it failed.
#[derive(Clone, Debug)]
struct Handed {
    name: String,
    outcome: Result<Vec<u8>, String>,
}

impl OwnedRequest {
    /// Of a vector. An error is a fault of the vector, not of the request in it.
    pub fn from_vector(vector: &Vector) -> Result<OwnedRequest, String> {
        let request = &vector.request;
        let mut headers: Vec<(Vec<u8>, Vec<u8>)> = request
            .headers
            .iter()
            .map(|(name, value)| (name.clone().into_bytes(), value.0.clone()))
            .collect();
        if let Some(bearer) = &vector.bearer {
            headers.push((b"authorization".to_vec(), format!("Bearer {bearer}").into_bytes()));
        }
        let socket_peer = match &request.client_ip {
            None => None,
            Some(text) => Some(text.parse().map_err(|e| format!("`client_ip`: {e}"))?),
        };
        Ok(OwnedRequest {
            now: now_of(vector)?,
            method: request.method.clone().into_bytes(),
            scheme: request.scheme_text().into_bytes(),
            authority: request.authority_text().map(|text| text.as_bytes().to_vec()),
            target: request.target_bytes()?,
            headers,
            socket_peer,
            peer: request.peer.clone(),
            sni: request.sni.clone().map(String::into_bytes),
            protocol: request.protocol.clone().unwrap_or_default().into_bytes(),
            token: vector.token.as_ref().map(|token| Handed {
                name: token.issuer.clone(),
                outcome: outcome(&token.invalid, token.claims.as_ref().map(|c| c.get()), ""),
            }),
            key: vector.key.as_ref().map(|key| {
                let outcome = outcome(&key.invalid, key.fields.as_ref().map(|f| f.get()), "");
                (
                    Handed {
                        name: key.keys.clone(),
                        outcome,
                    },
                    key.id.clone().unwrap_or_default(),
                )
            }),
            signature: vector.signature.as_ref().map(|signature| Handed {
                name: signature.name.clone(),
                outcome: outcome(&signature.invalid, None, ""),
            }),
            beside: vector
                .beside
                .iter()
                .map(|(issuer, token)| Handed {
                    name: issuer.clone(),
                    outcome: outcome(&token.invalid, token.claims.as_ref().map(|c| c.get()), ""),
                })
                .collect(),
            context: vector
                .context
                .as_ref()
                .map(|c| c.get().as_bytes().to_vec())
                .unwrap_or_default(),
            body: request.body_bytes()?,
            answer: vector.upstream.as_ref().map(Answer::from_upstream).transpose()?,
        })
    }

    /// Hands the body over to an exchange that asks for it. To be called once it has begun. A vector that has a body has its
    /// quotas charged in its favour before; the body of one that has none is not judged, but where the decision depends on
    /// it, it is empty.
    pub fn hand_over_body(&self, exchange: &mut Exchange, worker: &mut Worker) {
        if !exchange.is_decided() && matches!(exchange.next(), Next::ReadBody { .. }) {
            let body = self.body.as_deref().unwrap_or_default();
            let _ = exchange.request_body(worker, body, true, self.now);
        }
        let Some(body) = &self.body else {
            return;
        };
        admit(exchange);
        if matches!(exchange.next(), Next::ReadBody { .. }) {
            let _ = exchange.request_body(worker, body, true, self.now);
        }
    }

    /// The body, where the vector has one.
    pub fn body(&self) -> Option<&[u8]> {
        self.body.as_deref()
    }

    /// When it is decided.
    pub fn now(&self) -> Now {
        self.now
    }

    /// The same request at another time.
    pub fn at(self, now: Now) -> OwnedRequest {
        OwnedRequest { now, ..self }
    }

    /// Calls `f` with the borrowed header lines; the view needs them as a slice of pairs.
    pub fn with_view<T>(&self, f: impl FnOnce(&RequestView<'_>) -> T) -> T {
        let headers = self.header_lines();
        f(&self.view(&headers, &self.beside_tokens()))
    }

    /// The header lines, for [`OwnedRequest::view`].
    pub fn header_lines(&self) -> Vec<(&[u8], &[u8])> {
        self.headers
            .iter()
            .map(|(name, value)| (name.as_slice(), value.as_slice()))
            .collect()
    }

    /// The tokens of `beside` issuers, for [`OwnedRequest::view`].
    pub fn beside_tokens(&self) -> Vec<BesideToken<'_>> {
        self.beside
            .iter()
            .map(|handed| BesideToken {
                issuer: &handed.name,
                claims: match &handed.outcome {
                    Ok(claims) => Ok(claims),
                    Err(fault) => Err(fault),
                },
            })
            .collect()
    }

    /// The view over the lines of [`OwnedRequest::header_lines`] and [`OwnedRequest::beside_tokens`].
    pub fn view<'a>(
        &'a self,
        headers: &'a [(&'a [u8], &'a [u8])],
        beside: &'a [BesideToken<'a>],
    ) -> RequestView<'a> {
        RequestView {
            method: &self.method,
            scheme: &self.scheme,
            authority: self.authority.as_deref(),
            target: &self.target,
            headers,
            socket_peer: self.socket_peer,
            certificate: self.peer.as_ref().map(certificate),
            sni: self.sni.as_deref(),
            protocol: &self.protocol,
            credential: match &self.token {
                None => Credential::FromHeaders,
                Some(Handed {
                    name,
                    outcome: Ok(claims),
                }) => Credential::Named { issuer: name, claims },
                Some(Handed {
                    name,
                    outcome: Err(fault),
                }) => Credential::Invalid { issuer: name, fault },
            },
            key: self.key.as_ref().map(|(handed, id)| match &handed.outcome {
                Ok(fields) => KeyFact::Verified {
                    keys: &handed.name,
                    id,
                    fields,
                },
                Err(fault) => KeyFact::Invalid {
                    keys: &handed.name,
                    fault,
                },
            }),
            signature: self.signature.as_ref().map(|handed| match &handed.outcome {
                Ok(_) => SignatureFact::Verified { name: &handed.name },
                Err(fault) => SignatureFact::Invalid {
                    name: &handed.name,
                    fault,
                },
            }),
            beside,
            context: &self.context,
        }
    }
}

fn outcome(invalid: &Option<String>, json: Option<&str>, none: &str) -> Result<Vec<u8>, String> {
    match invalid {
        Some(fault) => Err(fault.clone()),
        None => Ok(json.unwrap_or(none).as_bytes().to_vec()),
    }
}

fn certificate(peer: &portcullis_vectors::PeerCert) -> PeerCert<'_> {
    PeerCert {
        spiffe: peer.spiffe.as_deref().map(str::as_bytes),
        dns: peer.dns.iter().map(String::as_bytes).collect(),
        subject: peer.subject.as_deref().map(str::as_bytes),
        fingerprint: peer.fingerprint.as_deref().map(str::as_bytes),
        fault: peer.invalid.as_deref(),
    }
}

/// The instant at which a vector is decided; no wall clock where it names none. An error is a fault of the vector.
pub fn now_of(vector: &Vector) -> Result<Now, String> {
    let wall_us = match &vector.now {
        None => None,
        Some(text) => {
            let instant = instant::parse(text.as_bytes());
            Some(instant.map_err(|_| format!("`now`: `{text}` is no RFC 3339 instant"))?)
        }
    };
    Ok(Now { wall_us, mono_us: 0 })
}
