//! A request -> one run of bytes with pointers among them, as a C program would have it in its memory. It is laid out
//! from 0 on, and moved to wherever the module has room for it.

use portcullis_vectors::Vector;

use crate::HostError;
use crate::layout::{HEADER_SIZE, TEXT_SIZE, beside, certificate, request};

const HAS_WALL_CLOCK: u32 = 1;
const EXPLAIN: u32 = 2;
const VERIFIED: u32 = 1;
const INVALID: u32 = 2;
/// Charges, bodies and responses: the tests look at what is demanded and let it be.
const ALL_DEMANDS: u32 = 7;
/// Alignment of everything that holds more than bytes.
const ALIGN: usize = 8;

/// A request struct at 0, and all that it points to.
#[derive(Clone, Debug)]
pub struct Frame {
    bytes: Vec<u8>,
    /// Where in the bytes pointers are.
    pointers: Vec<u32>,
}

impl Default for Frame {
    fn default() -> Frame {
        let mut frame = Frame {
            bytes: Vec::new(),
            pointers: Vec::new(),
        };
        let at = frame.reserve(request::SIZE);
        frame.number(at, request::SIZE);
        frame
    }
}

impl Frame {
    /// How many bytes.
    pub fn size(&self) -> u32 {
        self.bytes.len() as u32
    }

    /// The bytes as they are at an address, which must be a multiple of 8.
    pub fn at(&self, base: u32) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        for pointer in &self.pointers {
            if let Some(word) = bytes.get_mut(*pointer as usize..*pointer as usize + 4) {
                let to = u32::from_le_bytes([word[0], word[1], word[2], word[3]]);
                word.copy_from_slice(&to.wrapping_add(base).to_le_bytes());
            }
        }
        bytes
    }

    /// Zeroed bytes at a multiple of 8; where they are.
    fn reserve(&mut self, len: u32) -> u32 {
        let at = self.bytes.len().next_multiple_of(ALIGN);
        self.bytes.resize(at + len as usize, 0);
        at as u32
    }

    fn put(&mut self, at: u32, bytes: &[u8]) {
        let at = at as usize;
        if let Some(place) = self.bytes.get_mut(at..at + bytes.len()) {
            place.copy_from_slice(bytes);
        }
    }

    /// A 32-bit number.
    pub fn number(&mut self, at: u32, number: u32) {
        self.put(at, &number.to_le_bytes());
    }

    fn point(&mut self, at: u32, to: u32) {
        self.number(at, to);
        self.pointers.push(at);
    }

    /// A text that is there, if perhaps empty.
    pub fn text(&mut self, at: u32, text: impl AsRef<[u8]>) {
        let text = text.as_ref();
        self.point(at, self.bytes.len() as u32);
        self.number(at + 4, text.len() as u32);
        self.bytes.extend_from_slice(text);
    }

    fn maybe(&mut self, at: u32, text: Option<impl AsRef<[u8]>>) {
        if let Some(text) = text {
            self.text(at, text);
        }
    }

    /// The request's header lines.
    pub fn headers<'h>(&mut self, lines: &[(&'h [u8], &'h [u8])]) {
        let list = self.reserve(lines.len() as u32 * HEADER_SIZE);
        self.point(request::HEADERS, list);
        self.number(request::HEADERS + 4, lines.len() as u32);
        for (at, (name, value)) in (list..).step_by(HEADER_SIZE as usize).zip(lines) {
            self.text(at, name);
            self.text(at + TEXT_SIZE, value);
        }
    }

    /// A verified token's claims, as JSON.
    pub fn claims(&mut self, issuer: &str, claims: &str) {
        self.number(request::TOKEN, VERIFIED);
        self.text(request::TOKEN_ISSUER, issuer);
        self.text(request::TOKEN_CLAIMS, claims);
    }

    /// The wall clock, µs since 1970.
    pub fn wall_clock(&mut self, now_us: i64) {
        let [a, b, c, d, ..] = self.bytes[request::FLAGS as usize..] else {
            return;
        };
        let flags = u32::from_le_bytes([a, b, c, d]);
        self.number(request::FLAGS, flags | HAS_WALL_CLOCK);
        self.put(request::WALL_US, &now_us.to_le_bytes());
    }

    /// Of a vector, to be explained; `now_us` is its instant.
    pub fn of(vector: &Vector, now_us: Option<i64>) -> Result<Frame, HostError> {
        let mut frame = Frame::default();
        let sent = &vector.request;
        let target = sent.target_bytes().map_err(|problem| HostError::Vector {
            id: vector.id.clone(),
            problem,
        })?;
        frame.number(request::FLAGS, EXPLAIN);
        frame.number(request::CARRIES, ALL_DEMANDS);
        frame.text(request::METHOD, &sent.method);
        frame.text(request::TARGET, target);
        frame.text(request::SCHEME, sent.scheme_text());
        frame.maybe(request::AUTHORITY, sent.authority_text());
        let bearer = vector.bearer.as_ref().map(|bearer| format!("Bearer {bearer}"));
        let mut lines: Vec<(&[u8], &[u8])> = sent
            .headers
            .iter()
            .map(|(name, value)| (name.as_bytes(), value.0.as_slice()))
            .collect();
        lines.extend(
            bearer
                .iter()
                .map(|value| (b"authorization".as_slice(), value.as_bytes())),
        );
        frame.headers(&lines);
        frame.maybe(request::PEER_TEXT, sent.client_ip.as_ref());
        frame.maybe(request::SNI, sent.sni.as_ref());
        frame.maybe(request::PROTOCOL, sent.protocol.as_ref());
        frame.maybe(
            request::CONTEXT,
            vector.context.as_ref().map(|context| context.get()),
        );
        if let Some(now_us) = now_us {
            frame.wall_clock(now_us);
        }
        frame.certificate(vector);
        frame.credentials(vector);
        frame.beside(vector);
        Ok(frame)
    }

    fn certificate(&mut self, vector: &Vector) {
        let Some(peer) = &vector.request.peer else {
            return;
        };
        let at = self.reserve(certificate::SIZE);
        self.point(request::CERTIFICATE, at);
        self.number(at, certificate::SIZE);
        self.maybe(at + certificate::SPIFFE, peer.spiffe.as_ref());
        self.maybe(at + certificate::SUBJECT, peer.subject.as_ref());
        self.maybe(at + certificate::FINGERPRINT, peer.fingerprint.as_ref());
        self.maybe(at + certificate::FAULT, peer.invalid.as_ref());
        let state = if peer.invalid.is_some() { INVALID } else { VERIFIED };
        self.number(at + certificate::STATE, state);
        let names = self.reserve(peer.dns.len() as u32 * TEXT_SIZE);
        self.point(at + certificate::DNS, names);
        self.number(at + certificate::DNS + 4, peer.dns.len() as u32);
        for (at, name) in (names..).step_by(TEXT_SIZE as usize).zip(&peer.dns) {
            self.text(at, name);
        }
    }

    fn beside(&mut self, vector: &Vector) {
        let list = self.reserve(vector.beside.len() as u32 * beside::SIZE);
        self.point(request::BESIDE, list);
        self.number(request::BESIDE + 4, vector.beside.len() as u32);
        for (at, (issuer, token)) in (list..).step_by(beside::SIZE as usize).zip(&vector.beside) {
            self.text(at + beside::ISSUER, issuer);
            self.maybe(at + beside::FAULT, token.invalid.as_ref());
            let claims = token.claims.as_ref().filter(|_| token.invalid.is_none());
            self.maybe(at + beside::CLAIMS, claims.map(|claims| claims.get()));
            let state = if token.invalid.is_some() {
                INVALID
            } else {
                VERIFIED
            };
            self.number(at + beside::STATE, state);
        }
    }

    fn credentials(&mut self, vector: &Vector) {
        if let Some(token) = &vector.token {
            match &token.invalid {
                Some(fault) => {
                    self.number(request::TOKEN, INVALID);
                    self.text(request::TOKEN_ISSUER, &token.issuer);
                    self.text(request::TOKEN_FAULT, fault);
                }
                None => {
                    let claims = token.claims.as_ref().map_or("", |claims| claims.get());
                    self.claims(&token.issuer, claims);
                }
            }
        }
        if let Some(key) = &vector.key {
            self.text(request::KEY_SET, &key.keys);
            match &key.invalid {
                Some(fault) => {
                    self.number(request::KEY, INVALID);
                    self.text(request::KEY_FAULT, fault);
                }
                None => {
                    self.number(request::KEY, VERIFIED);
                    self.text(request::KEY_ID, key.id.as_deref().unwrap_or_default());
                    self.maybe(
                        request::KEY_FIELDS,
                        key.fields.as_ref().map(|fields| fields.get()),
                    );
                }
            }
        }
        if let Some(signature) = &vector.signature {
            let kind = if signature.invalid.is_some() {
                INVALID
            } else {
                VERIFIED
            };
            self.number(request::SIGNATURE, kind);
            self.text(request::SIGNATURE_NAME, &signature.name);
            self.maybe(request::SIGNATURE_FAULT, signature.invalid.as_ref());
        }
    }
}
