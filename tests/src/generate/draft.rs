//! A request in the making: facts as they would be sent, before they are written down as a vector.

use std::collections::BTreeMap;

use portcullis_vectors::{BesideToken, Bytes, KeyCredential, PeerCert, Request, Signature, Token, Vector};
use serde_json::{Map, Value as Json};

/// What will be sent.
#[derive(Clone, Debug, Default)]
pub(super) struct Draft {
    pub(super) method: String,
    pub(super) scheme: String,
    pub(super) authority: String,
    /// Raw path, from `/`, or the whole target where there is none.
    pub(super) path: String,
    pub(super) query: Vec<(String, String)>,
    pub(super) raw_query: Option<String>,
    pub(super) headers: Vec<(String, Vec<u8>)>,
    pub(super) cookies: Vec<(String, String)>,
    pub(super) issuer: Option<String>,
    pub(super) claims: Map<String, Json>,
    /// Replaces the claims' text.
    pub(super) raw_claims: Option<String>,
    pub(super) token_fault: Option<String>,
    pub(super) key: Option<String>,
    pub(super) key_id: String,
    pub(super) key_fault: Option<String>,
    pub(super) fields: Map<String, Json>,
    pub(super) peer: Option<PeerCert>,
    pub(super) signature: Option<Signature>,
    /// Claims, or the fault, of tokens by `beside` issuer.
    pub(super) beside: BTreeMap<String, Result<Map<String, Json>, String>>,
    pub(super) context: Map<String, Json>,
    pub(super) raw_context: Option<String>,
    pub(super) no_context: bool,
    pub(super) client_ip: Option<String>,
    pub(super) sni: Option<String>,
    pub(super) protocol: Option<String>,
    pub(super) now: Option<String>,
    pub(super) body: Option<String>,
    /// Captured values by name, percent-encoded where the path is built.
    pub(super) captures: BTreeMap<String, String>,
}

impl Draft {
    pub(super) fn set_header(&mut self, name: &str, value: &str) {
        self.headers.retain(|(n, _)| n != name);
        self.headers.push((name.to_string(), value.as_bytes().to_vec()));
    }

    pub(super) fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, v)| v.as_slice())
    }

    /// The token's claims as JSON.
    pub(super) fn claims_text(&self) -> String {
        self.raw_claims
            .clone()
            .unwrap_or_else(|| text(self.claims.clone()))
    }

    /// Written down.
    pub(super) fn vector(self, id: String) -> Vector {
        let claims = self.claims_text();
        let mut headers: Vec<(String, Bytes)> = self
            .headers
            .into_iter()
            .map(|(name, value)| (name, Bytes(value)))
            .collect();
        if !self.cookies.is_empty() {
            let text: Vec<String> = self.cookies.iter().map(|(n, v)| format!("{n}={v}")).collect();
            headers.push(("cookie".to_string(), Bytes::from(text.join("; ").as_str())));
        }
        let mut target = self.path;
        let query = self.raw_query.or_else(|| {
            let pairs: Vec<String> = self
                .query
                .iter()
                .map(|(n, v)| format!("{n}={}", encode(v.as_bytes())))
                .collect();
            (!pairs.is_empty()).then(|| pairs.join("&"))
        });
        if let Some(query) = query {
            target = format!("{target}?{query}");
        }
        let context = self
            .raw_context
            .or_else(|| (!self.no_context).then(|| text(self.context)));
        Vector {
            id,
            request: Request {
                method: self.method,
                target: Some(target),
                authority: Some(self.authority).filter(|a| a != "-"),
                scheme: Some(self.scheme),
                headers,
                client_ip: self.client_ip,
                peer: self.peer,
                sni: self.sni,
                protocol: self.protocol,
                body: self.body,
                ..Request::default()
            },
            token: self.issuer.map(|issuer| Token {
                issuer,
                claims: match self.token_fault {
                    Some(_) => None,
                    None => raw(&claims),
                },
                invalid: self.token_fault,
            }),
            key: self.key.map(|keys| KeyCredential {
                keys,
                id: self.key_fault.is_none().then_some(self.key_id),
                fields: if self.key_fault.is_none() {
                    raw(&text(self.fields))
                } else {
                    None
                },
                invalid: self.key_fault,
            }),
            signature: self.signature,
            beside: self
                .beside
                .into_iter()
                .map(|(issuer, token)| {
                    let token = match token {
                        Ok(claims) => BesideToken {
                            claims: raw(&text(claims)),
                            invalid: None,
                        },
                        Err(fault) => BesideToken {
                            claims: None,
                            invalid: Some(fault),
                        },
                    };
                    (issuer, token)
                })
                .collect(),
            bearer: None,
            context: context.and_then(|text| raw(&text)),
            now: self.now,
            upstream: None,
            expect: None,
            sequence: Vec::new(),
        }
    }
}

/// Marks a string that stands for a number with just these digits, which a parsed number would lose.
pub(super) const NUMBER: &str = "number:";

/// An object as JSON, marked numbers in their own digits.
fn text(object: Map<String, Json>) -> String {
    let whole = Json::Object(object).to_string();
    let mark = format!("\"{NUMBER}");
    let mut parts = whole.split(&mark);
    let mut out = parts.next().unwrap_or_default().to_string();
    for part in parts {
        let (number, rest) = part.split_once('"').unwrap_or((part, ""));
        out.push_str(number);
        out.push_str(rest);
    }
    out
}

/// JSON text as it stands; `None` where it is none.
pub(super) fn raw(text: &str) -> Option<Box<serde_json::value::RawValue>> {
    serde_json::value::RawValue::from_string(text.to_string()).ok()
}

/// Percent-encodes everything but unreserved bytes and a few that need none.
pub(super) fn encode(bytes: &[u8]) -> String {
    bytes
        .iter()
        .map(|b| match b {
            b'a'..=b'z'
            | b'A'..=b'Z'
            | b'0'..=b'9'
            | b'-'
            | b'.'
            | b'_'
            | b'~'
            | b':'
            | b'@'
            | b'$'
            | b'!'
            | b'/' => char::from(*b).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}
