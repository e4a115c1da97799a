//! A line of a vector file -> [`Vector`]. Unknown members are errors with their name.

use std::collections::BTreeMap;

use base64::Engine as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::response::Upstream;
use crate::sequence::{self, Moment};
use crate::verdict::Expect;

/// One case. Claims, key fields and context stay JSON text: what is in them is the policy's business,
/// duplicates included.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Vector {
    /// Name, unique in its file.
    pub id: String,
    /// What the client sent.
    pub request: Request,
    /// A token that somebody verified, or that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Token>,
    /// An API key that somebody verified, or that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<KeyCredential>,
    /// A verified signature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<Signature>,
    /// Tokens of `beside` issuers, by the issuers' names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub beside: BTreeMap<String, BesideToken>,
    /// Short for an Authorization header to be verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bearer: Option<String>,
    /// Facts the host hands over, a JSON object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<Box<RawValue>>,
    /// RFC 3339 instant with an offset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub now: Option<String>,
    /// What the upstream answers, where the request reaches it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream: Option<Upstream>,
    /// Any subset of the verdict, and of what the client gets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<Expect>,
    /// The request is sent at each of these times in turn, and quotas and penalties are counted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sequence: Vec<Moment>,
}

/// The raw request.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// Method, as sent.
    pub method: String,
    /// `scheme://authority` and then the target byte for byte.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The target, where a URL could not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The target, where text could not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_base64: Option<String>,
    /// Authority beside `target`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authority: Option<String>,
    /// Scheme beside `target`; `https` where none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheme: Option<String>,
    /// Header lines in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, Bytes)>,
    /// The socket's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_ip: Option<String>,
    /// The verified client certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<PeerCert>,
    /// TLS server name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sni: Option<String>,
    /// `HTTP/1.1`, `HTTP/2`, ..
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    /// Body text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// Body bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_base64: Option<String>,
}

/// Bytes: a JSON string, or `{"base64": ".."}` where text could not say them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

impl From<&str> for Bytes {
    fn from(text: &str) -> Bytes {
        Bytes(text.as_bytes().to_vec())
    }
}

#[derive(Deserialize, Serialize)]
#[serde(untagged)]
enum BytesForm {
    Text(String),
    Base64 { base64: String },
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Bytes, D::Error> {
        match BytesForm::deserialize(d)? {
            BytesForm::Text(text) => Ok(Bytes(text.into_bytes())),
            BytesForm::Base64 { base64 } => of_base64("base64", &base64)
                .map(Bytes)
                .map_err(serde::de::Error::custom),
        }
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(&self.0) {
            Ok(text) => s.serialize_str(text),
            Err(_) => BytesForm::Base64 {
                base64: to_base64(&self.0),
            }
            .serialize(s),
        }
    }
}

/// Bytes of a member's base64 text; an error names the member.
pub(crate) fn of_base64(member: &str, text: &str) -> Result<Vec<u8>, String> {
    base64::engine::general_purpose::STANDARD
        .decode(text)
        .map_err(|e| format!("`{member}`: {e}"))
}

pub(crate) fn to_base64(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// `{"issuer": "corp", "claims": {..}}` or `{"issuer": "corp", "invalid": "expired"}`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// Issuer name in the policy.
    pub issuer: String,
    /// JSON text of the claims.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claims: Option<Box<RawValue>>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invalid: Option<String>,
}

/// `{"claims": {..}}` or `{"invalid": "expired"}`
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct BesideToken {
    /// JSON text of the claims.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claims: Option<Box<RawValue>>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invalid: Option<String>,
}

/// `{"keys": "partners", "id": "k-17", "fields": {"plan": "free"}}` or `"invalid": ".."`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct KeyCredential {
    /// Key set name in the policy.
    pub keys: String,
    /// Key id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// JSON text of the fields.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fields: Option<Box<RawValue>>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invalid: Option<String>,
}

/// `{"name": "github"}` or `"invalid": ".."`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Signature {
    /// Signature scheme name in the policy.
    pub name: String,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invalid: Option<String>,
}

/// Parts of a verified client certificate.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PeerCert {
    /// SPIFFE id, a URI SAN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spiffe: Option<String>,
    /// DNS SANs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dns: Vec<String>,
    /// Subject DN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// SHA-256 of the certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invalid: Option<String>,
}

/// A line that is no vector.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct VectorError {
    /// 1-based.
    pub line: usize,
    /// What is wrong, with the member's name.
    pub problem: String,
}

impl Request {
    /// The raw target's bytes: of `target_base64`, `target` or `url` (after the authority; empty for `http://h`).
    pub fn target_bytes(&self) -> Result<Vec<u8>, String> {
        if let Some(text) = &self.target_base64 {
            return of_base64("target_base64", text);
        }
        if let Some(target) = &self.target {
            return Ok(target.clone().into_bytes());
        }
        let (_, _, target) = self.split_url()?;
        Ok(if target.is_empty() {
            b"/".to_vec()
        } else {
            target.as_bytes().to_vec()
        })
    }

    /// Authority as sent, if any.
    pub fn authority_text(&self) -> Option<&str> {
        self.authority
            .as_deref()
            .or_else(|| self.split_url().ok().map(|(_, authority, _)| authority))
    }

    /// Scheme, lower case; `https` where none is named.
    pub fn scheme_text(&self) -> String {
        self.scheme
            .clone()
            .or_else(|| self.split_url().ok().map(|(scheme, _, _)| scheme.to_string()))
            .unwrap_or_else(|| "https".to_string())
            .to_ascii_lowercase()
    }

    /// `body` or `body_base64`.
    pub fn body_bytes(&self) -> Result<Option<Vec<u8>>, String> {
        match (&self.body, &self.body_base64) {
            (Some(text), _) => Ok(Some(text.clone().into_bytes())),
            (None, Some(text)) => of_base64("body_base64", text).map(Some),
            (None, None) => Ok(None),
        }
    }

    fn split_url(&self) -> Result<(&str, &str, &str), String> {
        let url = self
            .url
            .as_deref()
            .ok_or("`request` needs `url`, `target` or `target_base64`")?;
        let (scheme, rest) = url.split_once("://").ok_or("`url` needs a scheme")?;
        let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
        Ok((scheme, &rest[..end], &rest[end..]))
    }
}

/// Parses one line.
pub fn parse_line(text: &str) -> Result<Vector, String> {
    let vector: Vector = serde_json::from_str(text).map_err(|e| e.to_string())?;
    vector.request.target_bytes()?;
    vector.request.body_bytes()?;
    if let Some(upstream) = &vector.upstream {
        upstream.check()?;
    }
    sequence::check(&vector.sequence)?;
    let expects_client = vector
        .expect
        .as_ref()
        .is_some_and(|expect| expect.0.contains_key("client"));
    if expects_client && vector.upstream.is_none() {
        return Err("`expect.client` needs `upstream`: what the upstream answers".to_string());
    }
    Ok(vector)
}

/// Parses a file; blank lines and lines that start with `#` or `//` are skipped. One result a line, with its
/// 1-based number.
pub fn parse_lines(text: &str) -> Vec<(usize, Result<Vector, VectorError>)> {
    text.lines()
        .enumerate()
        .map(|(i, line)| (i + 1, line.trim()))
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#') && !line.starts_with("//"))
        .map(|(line, text)| {
            (
                line,
                parse_line(text).map_err(|problem| VectorError { line, problem }),
            )
        })
        .collect()
}
