//! A vector -> the bytes that a client sends, hostile spellings as they are; or why no request to this Envoy says it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_vectors::Vector;

use crate::config::{CONTEXT_HEADER, TOKEN_HEADER};
use crate::token;
use crate::wire;

/// What one listener takes from its requests' test headers; numbers are places in these lists.
#[derive(Clone, Debug, Default)]
pub struct Lanes {
    /// Issuers of verified tokens.
    pub issuers: Vec<String>,
    /// Members of contexts.
    pub members: Vec<String>,
}

impl Lanes {
    /// What the vectors of a policy need; no configuration names an issuer that the policy does not `declare`.
    pub fn of(vectors: &[Vector], declared: &dyn Fn(&str) -> bool) -> Lanes {
        let mut lanes = Lanes::default();
        for vector in vectors {
            if let Some(token) = &vector.token
                && declared(&token.issuer)
                && !lanes.issuers.contains(&token.issuer)
            {
                lanes.issuers.push(token.issuer.clone());
            }
            let context = vector
                .context
                .as_ref()
                .and_then(|text| wire::as_struct(text.get()));
            for (name, _) in context.as_ref().and_then(|v| v.as_object()).into_iter().flatten() {
                if !lanes.members.contains(name) {
                    lanes.members.push(name.clone());
                }
            }
        }
        lanes
    }
}

/// Bytes of a request.
#[derive(Clone, Debug)]
pub struct Carried {
    /// With the PROXY line in front.
    pub bytes: Vec<u8>,
    /// Whether the reply has no body for the method's sake.
    pub head: bool,
}

/// Why not.
pub type Why = &'static str;

/// The bytes of a vector.
pub fn bytes(vector: &Vector, lanes: &Lanes) -> Result<Carried, Why> {
    let request = &vector.request;
    if !vector.beside.is_empty() {
        return Err("the plugin takes over no second token");
    }
    if vector.key.is_some() || vector.signature.is_some() {
        return Err("Envoy verifies no API keys or signatures for the plugin");
    }
    let is_told = |(name, _): &(String, _)| name.eq_ignore_ascii_case("x-forwarded-client-cert");
    if request.headers.iter().any(is_told) {
        return Err("Envoy writes `x-forwarded-client-cert` itself");
    }
    if request.headers.iter().any(|(name, _)| name.starts_with(':')) {
        return Err("a pseudo-header is no header line of HTTP/1.1");
    }
    if request.protocol.as_deref() == Some("HTTP/1.0") {
        return Err("the tests speak HTTP/1.1");
    }
    if matches!(
        request.client_ip.as_deref(),
        Some("0.0.0.0" | "255.255.255.255" | "::")
    ) {
        return Err("Envoy takes no connection from an address that no peer has");
    }
    let mut bytes = match over_tls(vector) {
        false => proxy_line(request.client_ip.as_deref()).into_bytes(),
        true if request.client_ip.is_some() => {
            return Err("an address and a certificate on one test connection");
        }
        true => Vec::new(),
    };
    bytes.extend(request.method.as_bytes());
    bytes.push(b' ');
    bytes.extend(request.target_bytes().map_err(|_| "the vector has no target")?);
    bytes.extend(b" HTTP/1.1\r\n");
    let mut line = |name: &str, value: &[u8]| {
        bytes.extend(name.as_bytes());
        bytes.extend(b": ");
        bytes.extend(value);
        bytes.extend(b"\r\n");
    };
    if let Some(authority) = request.authority_text() {
        line("Host", authority.as_bytes());
    }
    for (name, value) in &request.headers {
        line(name, &value.0);
    }
    if let Some(bearer) = &vector.bearer {
        line("authorization", format!("Bearer {bearer}").as_bytes());
    }
    if let Some(token) = &vector.token {
        let claims = match (&token.invalid, &token.claims) {
            (Some(_), _) => return Err("a token that fails is refused by `jwt_authn` itself"),
            (None, None) => return Err("a token without claims is refused by `jwt_authn` itself"),
            (None, Some(claims)) => claims.get(),
        };
        let place = lanes.issuers.iter().position(|own| *own == token.issuer);
        let place = place.ok_or("no plugin has claims of an issuer that is not the policy's")?;
        line(&format!("{TOKEN_HEADER}{place}"), token::sign(claims).as_bytes());
    }
    if let Some(context) = &vector.context {
        let context = wire::as_struct(context.get()).ok_or("a context that is no object")?;
        for (name, value) in context.as_object().into_iter().flatten() {
            let place = lanes.members.iter().position(|own| own == name);
            let place = place.ok_or("no listener for the member")?;
            let value = STANDARD.encode(wire::encode(value));
            line(&format!("{CONTEXT_HEADER}{place}"), value.as_bytes());
        }
    }
    let body = request.body_bytes().map_err(|_| "the vector has no body")?;
    let body = body.unwrap_or_default();
    if !body.is_empty() && header(vector, "content-length").is_none() {
        if header(vector, "transfer-encoding").is_some() {
            return Err("a body in a coding of its own");
        }
        line("content-length", body.len().to_string().as_bytes());
    }
    bytes.extend(b"\r\n");
    bytes.extend(body);
    Ok(Carried {
        bytes,
        head: request.method == "HEAD",
    })
}

fn header<'v>(vector: &'v Vector, name: &str) -> Option<&'v [u8]> {
    let mut lines = vector.request.headers.iter();
    let line = lines.find(|(own, _)| own.eq_ignore_ascii_case(name));
    line.map(|(_, value)| value.0.as_slice())
}

/// The vector as it is sent: a request on a socket has a body, if an empty one. Where a vector says only how long it is,
/// any bytes will do.
pub fn with_body(vector: &Vector) -> Vector {
    let mut vector = vector.clone();
    if vector.request.body.is_none() && vector.request.body_base64.is_none() {
        let length = header(&vector, "content-length");
        let length = length.and_then(|value| std::str::from_utf8(value).ok()?.parse::<usize>().ok());
        vector.request.body = Some("x".repeat(length.unwrap_or(0).min(1_000)));
    }
    vector
}

/// The vector without its body, which is then not judged.
pub fn without_body(vector: &Vector) -> Vector {
    let mut vector = vector.clone();
    (vector.request.body, vector.request.body_base64) = (None, None);
    vector
}

/// Whether a vector speaks of a TLS connection.
pub fn over_tls(vector: &Vector) -> bool {
    vector.request.sni.is_some() || vector.request.peer.is_some()
}

/// Version 1 of the PROXY protocol: whose request it is, or that nobody knows.
fn proxy_line(address: Option<&str>) -> String {
    match address {
        None => "PROXY UNKNOWN\r\n".into(),
        Some(address) if address.contains(':') => format!("PROXY TCP6 {address} ::1 4000 443\r\n"),
        Some(address) => format!("PROXY TCP4 {address} 127.0.0.1 4000 443\r\n"),
    }
}

/// The vector as tokens and contexts arrive: as protobuf structs, each member once, numbers as doubles.
pub fn as_handed_over(vector: &Vector) -> Vector {
    let mut vector = vector.clone();
    let again = |text: &str| {
        let text = wire::as_struct(text)?.to_string();
        serde_json::value::RawValue::from_string(text).ok()
    };
    if let Some(claims) = vector.token.as_mut().and_then(|token| token.claims.as_mut())
        && let Some(text) = again(claims.get())
    {
        *claims = text;
    }
    if let Some(context) = vector.context.as_mut()
        && let Some(text) = again(context.get())
    {
        *context = text;
    }
    vector
}
