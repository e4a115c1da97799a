//! A vector -> what NGINX's proxy-wasm host would have of that request: header lines as they came, variables, JSON of
//! claims and context in variables. What it cannot have is told ([`Unfit`]).

use std::net::IpAddr;

use portcullis_vectors::Vector;

use super::gateway::Request;
use super::vector::Unfit;

/// `:authority` there, and `$host` of a request without a host: the name of the server.
const SERVER_NAME: &str = "server.example";

/// The property under which a configuration must look for claims of an issuer, or for `context`.
pub fn nginx_property(name: &str) -> [String; 2] {
    ["ngx".to_string(), format!("portcullis_{name}")]
}

/// The request of a vector. An authority beside a Host header, and the one of an absolute target, are those of the
/// request line.
pub fn nginx_request_of(vector: &Vector, now_us: Option<i64>) -> Result<Request, Unfit> {
    if vector.key.is_some() || vector.signature.is_some() || !vector.beside.is_empty() {
        return Err(Unfit::KeyOrSignature);
    }
    let given = &vector.request;
    if given.peer.is_some() {
        return Err(Unfit::Certificate);
    }
    let now_ns = match now_us.map(u64::try_from) {
        None => None,
        Some(Ok(now)) if now > 0 => Some(now * 1_000),
        Some(_) => return Err(Unfit::Clock),
    };
    let scheme = given.scheme_text();
    let target = given.target_bytes().map_err(|_| Unfit::Malformed)?;
    let (of_target, path) = split(&target).ok_or(Unfit::Target)?;
    let is_host = |name: &str| name.eq_ignore_ascii_case("host");
    let host = given.headers.iter().find(|(name, _)| is_host(name));
    let host = host.map(|(_, value)| value.0.as_slice());
    let authority = given.authority_text().map(str::as_bytes);
    // Without a host it takes requests of HTTP/1.0 alone, and of an absolute one it does not tell the plugin.
    let needs_none = given.protocol.as_deref() == Some("HTTP/1.0") && of_target.is_none();
    if given.method == "CONNECT" || (host.is_none() && authority.is_none() && !needs_none) {
        return Err(Unfit::Target);
    }
    let of_line = of_target.or(authority.filter(|_| host.is_some()));
    let mut request = Request {
        now_ns,
        ..Request::default()
    }
    .with_header(":method", given.method.as_bytes())
    .with_header(":path", "/decoded")
    .with_header(":scheme", scheme.clone().into_bytes())
    .with_header(":authority", SERVER_NAME)
    .with_property("request/path", path)
    .with_property("connection/mtls", "false")
    .with_property("ngx/host", variable(of_line.or(host).or(authority)));
    if scheme == "https" {
        request = request.with_property("connection/tls_version", "TLSv1.3");
    }
    if let (None, Some(authority)) = (host, authority) {
        request = request.with_header("Host", authority);
    }
    for (name, value) in &given.headers {
        if name.eq_ignore_ascii_case("x-forwarded-proto") {
            return Err(Unfit::ForwardedProto);
        }
        request = request.with_header(name.as_bytes(), value.0.clone());
    }
    if let Some(bearer) = &vector.bearer {
        request = request.with_header("authorization", format!("Bearer {bearer}"));
    }
    if let Some(address) = &given.client_ip {
        let address: IpAddr = address.parse().map_err(|_| Unfit::Malformed)?;
        request = request
            .with_property("source/address", address.to_string())
            .with_property("ngx/remote_addr", address.to_string());
    }
    if let Some(sni) = &given.sni {
        request = request.with_property("connection/requested_server_name", sni.as_bytes());
    }
    match given.protocol.as_deref() {
        Some(name @ ("HTTP/2" | "HTTP/3")) => {
            request = request.with_property("request/protocol", format!("{name}.0"));
        }
        Some(name) => request = request.with_property("request/protocol", name),
        None => {}
    }
    handed_over(vector, request)
}

/// The authority of an absolute target, and what NGINX calls `$request_uri`.
fn split(target: &[u8]) -> Option<(Option<&[u8]>, &[u8])> {
    if target.starts_with(b"/") {
        return Some((None, target));
    }
    let scheme = ["http://", "https://"].iter().find(|scheme| {
        let head = target.get(..scheme.len());
        head.is_some_and(|head| head.eq_ignore_ascii_case(scheme.as_bytes()))
    })?;
    let rest = target.get(scheme.len()..)?;
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#'));
    let (authority, path) = rest.split_at(end.unwrap_or(rest.len()));
    // What is no host in an absolute target NGINX refuses itself.
    let is_of_host = |byte: &u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(byte);
    let path = if path.is_empty() { b"/" } else { path };
    authority
        .iter()
        .all(is_of_host)
        .then_some((Some(authority), path))
}

/// `$host`: lower case, without a port and without the last dot.
fn variable(authority: Option<&[u8]>) -> Vec<u8> {
    let authority = authority.unwrap_or(SERVER_NAME.as_bytes()).to_ascii_lowercase();
    let port = match authority.iter().rposition(|byte| *byte == b':') {
        Some(colon) if !authority.ends_with(b"]") => colon,
        _ => authority.len(),
    };
    let host = authority.get(..port).unwrap_or_default();
    host.strip_suffix(b".").unwrap_or(host).to_vec()
}

/// Claims and context, as JSON in variables.
fn handed_over(vector: &Vector, mut request: Request) -> Result<Request, Unfit> {
    let mut hand_over = |name: &str, json: &str| {
        let path = nginx_property(name).join("/");
        request.properties.insert(path, json.as_bytes().to_vec());
    };
    if let Some(token) = &vector.token {
        if token.invalid.is_some() {
            return Err(Unfit::Failed);
        }
        hand_over(&token.issuer, token.claims.as_ref().ok_or(Unfit::Json)?.get());
    }
    if let Some(context) = &vector.context {
        hand_over("context", context.get());
    }
    Ok(request)
}
