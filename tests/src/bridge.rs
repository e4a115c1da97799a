//! A vector -> the engine's own request structure, and a compiled policy -> verdict lines. The mapping adds
//! nothing and cleans nothing: what a vector says is what a host would hand over.

use std::collections::BTreeMap;
use std::net::IpAddr;

use portcullis::view::{Credential, KeyFact, PeerCert, RequestView, SignatureFact};
use portcullis::{Carries, Data, Engine, Exchange, Image, Now, Snapshot, Worker};
use portcullis_compile::{CompileOptions, Form};
use portcullis_lang::model::Policy;
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
    context: Vec<u8>,
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
                outcome: outcome(&token.invalid, token.claims.as_ref().map(|c| c.get()), "{}"),
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
            context: vector
                .context
                .as_ref()
                .map(|c| c.get().as_bytes().to_vec())
                .unwrap_or_default(),
        })
    }

    /// Calls `f` with the borrowed header lines; the view needs them as a slice of pairs.
    pub fn with_view<T>(&self, f: impl FnOnce(&RequestView<'_>) -> T) -> T {
        let headers = self.header_lines();
        f(&self.view(&headers))
    }

    /// The header lines, for [`OwnedRequest::view`].
    pub fn header_lines(&self) -> Vec<(&[u8], &[u8])> {
        self.headers
            .iter()
            .map(|(name, value)| (name.as_slice(), value.as_slice()))
            .collect()
    }

    /// The view over the lines of [`OwnedRequest::header_lines`].
    pub fn view<'a>(&'a self, headers: &'a [(&'a [u8], &'a [u8])]) -> RequestView<'a> {
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
                None => Credential::Absent,
                Some(Handed {
                    name,
                    outcome: Ok(claims),
                }) => Credential::Verified { issuer: name, claims },
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

/// The instant of a vector; `None` where it names none or no instant.
pub fn now_of(vector: &Vector) -> Now {
    let wall_us = vector
        .now
        .as_deref()
        .and_then(|text| text.parse::<jiff::Timestamp>().ok())
        .map(jiff::Timestamp::as_microsecond);
    Now { wall_us, mono_us: 0 }
}

/// A policy in the engine: compiled to an image, loaded through the image's door, with its data.
pub struct Subject {
    snapshot: Snapshot,
    engine: Engine,
}

/// A verdict line tells what an allow asks for, so a host of lines carries out everything; but it asks nobody about a
/// token.
const CARRIES: Carries = Carries {
    introspection: false,
    charges: true,
    request_body: true,
    response_body: true,
};

impl Subject {
    /// Compiles and loads; `files` are lists and tables by name.
    pub fn compile(policy: &Policy, files: &BTreeMap<String, Vec<u8>>) -> Result<Subject, String> {
        Subject::compile_as(policy, files, Form::Auto)
    }

    /// As [`Subject::compile`], with entries in one form.
    pub fn compile_as(
        policy: &Policy,
        files: &BTreeMap<String, Vec<u8>>,
        form: Form,
    ) -> Result<Subject, String> {
        let bytes = portcullis_compile::compile_with(
            policy,
            &CompileOptions {
                form,
                ..CompileOptions::default()
            },
        )
        .map_err(|e| format!("compile: {e}"))?;
        Subject::load(&bytes, files)
    }

    /// The image's digest, as a verdict line writes it.
    pub fn digest(&self) -> String {
        let digest = self.snapshot.image.digest();
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The image.
    pub fn image(&self) -> &Image {
        &self.snapshot.image
    }

    /// Of an image.
    pub fn load(image: &[u8], files: &BTreeMap<String, Vec<u8>>) -> Result<Subject, String> {
        let image = Image::load(image, &portcullis::Trust::Unsigned).map_err(|e| format!("load: {e}"))?;
        let (data, _) = Data::load(image.config(), &|name| files.get(name).cloned());
        let snapshot = Snapshot::new(image, data);
        Ok(Subject {
            engine: Engine::from(snapshot.clone()),
            snapshot,
        })
    }

    /// The verdict line of a vector.
    pub fn line(&self, vector: &Vector) -> Result<String, String> {
        self.line_with(vector, &mut Worker::default())
    }

    /// As [`Subject::line`] with a worker that is used again and again.
    pub fn line_with(&self, vector: &Vector, worker: &mut Worker) -> Result<String, String> {
        let request = OwnedRequest::from_vector(vector)?;
        let mut exchange = Exchange::new();
        exchange.explain_denials(true);
        request.with_view(|view| {
            self.engine
                .begin(&mut exchange, worker, view, CARRIES, now_of(vector));
        });
        Ok(exchange.to_json(&vector.id))
    }
}
