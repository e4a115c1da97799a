//! A request that waits for its decision -> a copy of it in a buffer that is used again, and the same request from
//! there. Changes nothing of what a host handed over and knows no policy.
//!
//! Where a token is asked about, its place in the copy is empty, and the answer takes it; so with the signature of a message
//! whose body is yet to come.

use std::net::IpAddr;
use std::ops::Range;

use crate::view::{
    BesideToken, Claim, Credential, KeyFact, KnownToken, PeerCert, RequestView, SignatureFact,
};

/// Bytes that are kept between requests: what an honest request needs.
const BYTES_KEEP_MAX: usize = 1 << 15;

/// Elements of a list that are kept room for between requests: more than header lines may be.
const LIST_KEEP_MAX: usize = 256;

type Part = Range<usize>;
type Line<'a> = (&'a [u8], &'a [u8]);

/// The copy. Texts are parts of one buffer.
#[derive(Default)]
pub(super) struct WaitingRequest {
    bytes: Vec<u8>,
    /// The opaque token that is asked about. Apart, so that an answer which repeats it copies from other memory.
    token: Vec<u8>,
    method: Part,
    scheme: Part,
    authority: Option<Part>,
    target: Part,
    headers: Vec<(Part, Part)>,
    socket_peer: Option<IpAddr>,
    certificate: Option<Certificate>,
    dns: Vec<Part>,
    sni: Option<Part>,
    protocol: Part,
    credential: Token,
    key: Option<Key>,
    signature: Option<(Part, Option<Part>)>,
    beside: Vec<(Part, Result<Part, Part>)>,
    context: Part,
    /// Always empty: room for the lists of a view.
    lines: Vec<Line<'static>>,
    names: Vec<&'static [u8]>,
}

/// Whoever prints an exchange prints no credential.
impl std::fmt::Debug for WaitingRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WaitingRequest").finish_non_exhaustive()
    }
}

/// All of a certificate but its DNS names.
struct Certificate {
    spiffe: Option<Part>,
    subject: Option<Part>,
    fingerprint: Option<Part>,
    fault: Option<Part>,
}

#[derive(Default)]
enum Token {
    /// The host handed none over.
    #[default]
    FromHeaders,
    Verified(Part, Part),
    Named(Part, Part),
    Split(Part, Vec<(Part, SplitClaim)>),
    Known(Box<KnownToken>),
    Invalid(Part, Part),
}

/// [`Claim`]
enum SplitClaim {
    Other,
    Bool(bool),
    Int(i64),
    Text(Part),
    Texts(Vec<Part>),
}

enum Key {
    Verified { keys: Part, id: Part, fields: Part },
    Invalid { keys: Part, fault: Part },
}

impl WaitingRequest {
    /// Copies a request, and apart from it the token that is asked about, if one is.
    pub(super) fn copy_from(&mut self, r: &RequestView<'_>, token: &[u8]) {
        self.clear();
        self.token.extend_from_slice(token);
        self.method = self.add(r.method);
        self.scheme = self.add(r.scheme);
        self.authority = r.authority.map(|bytes| self.add(bytes));
        self.target = self.add(r.target);
        for (name, value) in r.headers {
            let line = (self.add(name), self.add(value));
            self.headers.push(line);
        }
        self.socket_peer = r.socket_peer;
        if let Some(certificate) = &r.certificate {
            for name in &certificate.dns {
                let name = self.add(name);
                self.dns.push(name);
            }
            self.certificate = Some(Certificate {
                spiffe: certificate.spiffe.map(|bytes| self.add(bytes)),
                subject: certificate.subject.map(|bytes| self.add(bytes)),
                fingerprint: certificate.fingerprint.map(|bytes| self.add(bytes)),
                fault: certificate.fault.map(|fault| self.add(fault.as_bytes())),
            });
        }
        self.sni = r.sni.map(|bytes| self.add(bytes));
        self.protocol = self.add(r.protocol);
        self.key = r.key.as_ref().map(|key| match key {
            KeyFact::Verified { keys, id, fields } => Key::Verified {
                keys: self.add(keys.as_bytes()),
                id: self.add(id.as_bytes()),
                fields: self.add(fields),
            },
            KeyFact::Invalid { keys, fault } => Key::Invalid {
                keys: self.add(keys.as_bytes()),
                fault: self.add(fault.as_bytes()),
            },
        });
        self.signature = r.signature.as_ref().map(|signature| match signature {
            SignatureFact::Verified { name } => (self.add(name.as_bytes()), None),
            SignatureFact::Invalid { name, fault } => {
                (self.add(name.as_bytes()), Some(self.add(fault.as_bytes())))
            }
        });
        for token in r.beside {
            let claims = match token.claims {
                Ok(claims) => Ok(self.add(claims)),
                Err(fault) => Err(self.add(fault.as_bytes())),
            };
            let issuer = self.add(token.issuer.as_bytes());
            self.beside.push((issuer, claims));
        }
        self.context = self.add(r.context);
        self.credential = match &r.credential {
            Credential::FromHeaders => Token::FromHeaders,
            Credential::Verified { issuer, claims } => {
                Token::Verified(self.add(issuer.as_bytes()), self.add(claims))
            }
            Credential::Named { issuer, claims } => {
                Token::Named(self.add(issuer.as_bytes()), self.add(claims))
            }
            Credential::Split { issuer, claims } => {
                let issuer = self.add(issuer.as_bytes());
                let claims = claims
                    .iter()
                    .map(|(name, claim)| (self.add(name.as_bytes()), self.add_claim(claim)));
                Token::Split(issuer, claims.collect())
            }
            Credential::Known(token) => Token::Known(Box::new((*token).clone())),
            Credential::Invalid { issuer, fault } => {
                Token::Invalid(self.add(issuer.as_bytes()), self.add(fault.as_bytes()))
            }
        };
    }

    fn add_claim(&mut self, claim: &Claim<'_>) -> SplitClaim {
        match claim {
            Claim::Other => SplitClaim::Other,
            Claim::Bool(value) => SplitClaim::Bool(*value),
            Claim::Int(value) => SplitClaim::Int(*value),
            Claim::Text(text) => SplitClaim::Text(self.add(text.as_bytes())),
            Claim::Texts(texts) => {
                SplitClaim::Texts(texts.iter().map(|text| self.add(text.as_bytes())).collect())
            }
        }
    }

    /// The token that is asked about.
    pub(super) fn token(&self) -> &[u8] {
        &self.token
    }

    /// The host has verified the token: the issuer's name in the policy, and the claims as a JSON object.
    pub(super) fn verified_token(&mut self, issuer: &str, claims: &[u8]) {
        self.credential = Token::Verified(self.add(issuer.as_bytes()), self.add(claims));
    }

    /// The signature of the message was verified by the scheme of this name in the policy, or is not good.
    pub(super) fn signature(&mut self, name: &str, fault: Option<&str>) {
        self.signature = Some((
            self.add(name.as_bytes()),
            fault.map(|fault| self.add(fault.as_bytes())),
        ));
    }

    /// The token is not good.
    pub(super) fn invalid_token(&mut self, issuer: &str, fault: &str) {
        self.credential = Token::Invalid(self.add(issuer.as_bytes()), self.add(fault.as_bytes()));
    }

    fn add(&mut self, bytes: &[u8]) -> Part {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        start..self.bytes.len()
    }

    /// Forgets the request.
    pub(super) fn clear(&mut self) {
        for buffer in [&mut self.bytes, &mut self.token] {
            buffer.clear();
            if buffer.capacity() > BYTES_KEEP_MAX {
                *buffer = Vec::new();
            }
        }
        empty(&mut self.headers);
        empty(&mut self.dns);
        empty(&mut self.beside);
        if self.lines.capacity().max(self.names.capacity()) > LIST_KEEP_MAX {
            (self.lines, self.names) = (Vec::new(), Vec::new());
        }
        self.credential = Token::FromHeaders;
        (self.certificate, self.key, self.signature) = (None, None, None);
    }

    /// Calls `f` with the request.
    pub(super) fn with_view<R>(&mut self, f: impl FnOnce(&RequestView<'_>) -> R) -> R {
        let (lines, names) = (std::mem::take(&mut self.lines), std::mem::take(&mut self.names));
        let (result, lines, names) = self.with_lists(lines, names, f);
        (self.lines, self.names) = (lines, names);
        result
    }

    fn with_lists<'w, R>(
        &'w self,
        lines: Vec<Line<'static>>,
        names: Vec<&'static [u8]>,
        f: impl FnOnce(&RequestView<'_>) -> R,
    ) -> (R, Vec<Line<'static>>, Vec<&'static [u8]>) {
        let mut lines: Vec<Line<'w>> = lines;
        lines.extend(
            self.headers
                .iter()
                .map(|(name, value)| (self.part(name), self.part(value))),
        );
        let mut names: Vec<&'w [u8]> = names;
        let maybe = |part: &Option<Part>| part.as_ref().map(|part| self.part(part));
        let certificate = self.certificate.as_ref().map(|certificate| {
            names.extend(self.dns.iter().map(|name| self.part(name)));
            PeerCert {
                spiffe: maybe(&certificate.spiffe),
                dns: std::mem::take(&mut names),
                subject: maybe(&certificate.subject),
                fingerprint: maybe(&certificate.fingerprint),
                fault: certificate.fault.as_ref().map(|fault| self.text(fault)),
            }
        });
        let beside = self.beside.iter().map(|(issuer, claims)| BesideToken {
            issuer: self.text(issuer),
            claims: match claims {
                Ok(claims) => Ok(self.part(claims)),
                Err(fault) => Err(self.text(fault)),
            },
        });
        let beside: Vec<BesideToken<'_>> = beside.collect();
        let split: &[(Part, SplitClaim)] = match &self.credential {
            Token::Split(_, claims) => claims,
            _ => &[],
        };
        let texts = split.iter().map(|(_, claim)| match claim {
            SplitClaim::Texts(texts) => texts.iter().map(|text| self.text(text)).collect(),
            _ => Vec::new(),
        });
        let texts: Vec<Vec<&str>> = texts.collect();
        let claims = split.iter().zip(&texts).map(|((name, claim), texts)| {
            let claim = match claim {
                SplitClaim::Other => Claim::Other,
                SplitClaim::Bool(value) => Claim::Bool(*value),
                SplitClaim::Int(value) => Claim::Int(*value),
                SplitClaim::Text(text) => Claim::Text(self.text(text)),
                SplitClaim::Texts(_) => Claim::Texts(texts),
            };
            (self.text(name), claim)
        });
        let claims: Vec<(&str, Claim<'_>)> = claims.collect();
        let mut view = RequestView {
            method: self.part(&self.method),
            scheme: self.part(&self.scheme),
            authority: maybe(&self.authority),
            target: self.part(&self.target),
            headers: &lines,
            socket_peer: self.socket_peer,
            certificate,
            sni: maybe(&self.sni),
            protocol: self.part(&self.protocol),
            credential: match &self.credential {
                Token::FromHeaders => Credential::FromHeaders,
                Token::Verified(issuer, claims) => Credential::Verified {
                    issuer: self.text(issuer),
                    claims: self.part(claims),
                },
                Token::Named(issuer, claims) => Credential::Named {
                    issuer: self.text(issuer),
                    claims: self.part(claims),
                },
                Token::Split(issuer, _) => Credential::Split {
                    issuer: self.text(issuer),
                    claims: &claims,
                },
                Token::Known(token) => Credential::Known(token),
                Token::Invalid(issuer, fault) => Credential::Invalid {
                    issuer: self.text(issuer),
                    fault: self.text(fault),
                },
            },
            key: self.key.as_ref().map(|key| match key {
                Key::Verified { keys, id, fields } => KeyFact::Verified {
                    keys: self.text(keys),
                    id: self.text(id),
                    fields: self.part(fields),
                },
                Key::Invalid { keys, fault } => KeyFact::Invalid {
                    keys: self.text(keys),
                    fault: self.text(fault),
                },
            }),
            signature: self.signature.as_ref().map(|(name, fault)| match fault {
                None => SignatureFact::Verified {
                    name: self.text(name),
                },
                Some(fault) => SignatureFact::Invalid {
                    name: self.text(name),
                    fault: self.text(fault),
                },
            }),
            beside: &beside,
            context: self.part(&self.context),
        };
        let result = f(&view);
        let names = view
            .certificate
            .take()
            .map_or(names, |certificate| certificate.dns);
        const NOTHING: &[u8] = &[];
        let names = recycled(names, |_| NOTHING);
        (result, recycled(lines, |_| (NOTHING, NOTHING)), names)
    }

    fn part(&self, part: &Part) -> &[u8] {
        self.bytes.get(part.clone()).unwrap_or_default()
    }

    /// A part that was a text.
    fn text(&self, part: &Part) -> &str {
        std::str::from_utf8(self.part(part)).unwrap_or_default()
    }
}

/// The memory of a list without its elements: collecting an empty list that is mapped into one of the same layout takes
/// it over. The list is empty, so `nothing` is never called.
fn recycled<A, B>(mut list: Vec<A>, nothing: impl FnMut(A) -> B) -> Vec<B> {
    list.clear();
    list.into_iter().map(nothing).collect()
}

fn empty<T>(list: &mut Vec<T>) {
    list.clear();
    if list.capacity() > LIST_KEEP_MAX {
        *list = Vec::new();
    }
}
