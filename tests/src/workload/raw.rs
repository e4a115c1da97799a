//! A request -> the bytes a gateway has: header lines, the claims as JSON text, a bearer. Knows no evaluator.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::requests::Request;
use super::{ISSUER, ROLES_CLAIM};

/// Which header lines a request has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Headers {
    /// None, as other engines are given none.
    None,
    /// Those of an ordinary client of an API.
    Usual,
    /// Those, and the token in `authorization`.
    Bearer,
}

/// The claims of a token, split as other engines are given them.
#[derive(Clone, Debug)]
pub struct Claims {
    /// `scope`.
    pub scopes: Vec<String>,
    /// `roles`.
    pub roles: Vec<String>,
    /// `sub` and eight more.
    pub texts: Vec<(String, String)>,
}

/// A request as bytes.
#[derive(Clone, Debug)]
pub struct RawRequest {
    /// Method.
    pub method: &'static str,
    /// Authority.
    pub authority: String,
    /// Target.
    pub target: String,
    /// Header lines.
    pub headers: Vec<(String, String)>,
    /// The socket's address.
    pub address: std::net::Ipv4Addr,
    /// Issuer's name in the policy.
    pub issuer: &'static str,
    /// Claims, split.
    pub claims: Claims,
    /// The same as JSON text.
    pub claims_json: String,
    /// The token they came in: header, claims and signature.
    pub bearer: String,
}

impl RawRequest {
    /// Request `index` of a workload.
    pub fn of(index: usize, request: &Request, headers: Headers) -> RawRequest {
        let mut texts = vec![("sub".to_string(), request.subject.clone())];
        texts.extend(request.claims.iter().cloned());
        let claims_json = claims_json(request);
        let bearer = bearer(&claims_json);
        RawRequest {
            method: request.method,
            authority: request.host.clone(),
            target: request.path.clone(),
            headers: lines(index, request, headers, &bearer),
            address: request.address,
            issuer: ISSUER,
            claims: Claims {
                scopes: request.scopes.clone(),
                roles: request.roles.clone(),
                texts,
            },
            claims_json,
            bearer,
        }
    }
}

fn lines(index: usize, request: &Request, headers: Headers, bearer: &str) -> Vec<(String, String)> {
    let mut lines: Vec<(&str, String)> = Vec::new();
    if headers != Headers::None {
        lines.push(("user-agent", "orders-client/4.2.1 (linux; x86_64)".into()));
        lines.push(("accept", "application/json".into()));
        lines.push(("accept-encoding", "gzip, deflate, br".into()));
        lines.push((
            "x-request-id",
            format!("0b5e77c1-5f0e-4a5c-9c3b-{:012x}", 0x9e37_79b9_u64 * index as u64),
        ));
        if matches!(request.method, "POST" | "PUT" | "PATCH") {
            lines.push(("content-type", "application/json".into()));
            lines.push(("content-length", format!("{}", 200 + index)));
        }
    }
    if headers == Headers::Bearer {
        lines.push(("authorization", format!("Bearer {bearer}")));
    }
    lines
        .into_iter()
        .map(|(name, value)| (name.to_string(), value))
        .collect()
}

/// Twelve claims, in the order in which an identity provider writes them.
fn claims_json(request: &Request) -> String {
    let claim = |name: &str| {
        let found = request.claims.iter().find(|(own, _)| own == name);
        found.map_or("", |(_, value)| value.as_str())
    };
    let roles: Vec<String> = request.roles.iter().map(|role| format!("\"{role}\"")).collect();
    format!(
        "{{\"iss\":\"{}\",\"sub\":\"{}\",\"aud\":\"{}\",\"exp\":1999999999,\"azp\":\"{}\",\"acr\":\"{}\",\
         \"scope\":\"{}\",\"{ROLES_CLAIM}\":[{}],\"tenant\":\"{}\",\"plan\":\"{}\",\"email\":\"{}\",\"locale\":\"{}\"}}",
        claim("iss"),
        request.subject,
        claim("aud"),
        claim("azp"),
        claim("acr"),
        request.scopes.join(" "),
        roles.join(","),
        claim("tenant"),
        claim("plan"),
        claim("email"),
        claim("locale"),
    )
}

/// A token of the usual form. Its signature is a row of bytes: hosts verify, benchmarks do not.
fn bearer(claims: &str) -> String {
    let header = URL_SAFE_NO_PAD.encode(br#"{"alg":"ES256","typ":"at+jwt","kid":"2026-11"}"#);
    let body = URL_SAFE_NO_PAD.encode(claims);
    let sum = claims
        .bytes()
        .fold(7u8, |sum, b| sum.wrapping_mul(31).wrapping_add(b));
    let signature: Vec<u8> = (0..64u8).map(|i| i.wrapping_mul(37) ^ sum).collect();
    format!("{header}.{body}.{}", URL_SAFE_NO_PAD.encode(signature))
}
