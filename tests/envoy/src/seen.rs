//! What the probe in front of the plugin saw -> the vector that the plugin was asked. Comparing with the crate on this
//! vector leaves nothing to guess of what Envoy does to a request on its way.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_vectors::{Bytes, Request, Vector};

use crate::HostError;
use crate::config::SEEN_HEADER;
use crate::http::Message;

/// The vector as it reached the plugin; `None`: Envoy answered before any filter. What no header says (claims,
/// context, body) is the sent vector's.
pub fn vector(sent: &Vector, reply: &Message) -> Result<Option<Vector>, HostError> {
    let Some(text) = reply.header(SEEN_HEADER) else {
        return Ok(None);
    };
    let wrong = |what: &str| HostError::Http(format!("the probe's {what} cannot be read: {text}"));
    let mut parts = text.split(',');
    let remote = parts.next().and_then(unhex).ok_or_else(|| wrong("address"))?;
    let mut request = Request {
        client_ip: address(&String::from_utf8_lossy(&remote)),
        sni: sent.request.sni.clone(),
        peer: sent.request.peer.clone(),
        body: sent.request.body.clone(),
        body_base64: sent.request.body_base64.clone(),
        ..Request::default()
    };
    for part in parts {
        let (name, value) = part.split_once(':').ok_or_else(|| wrong("header"))?;
        let name = unhex(name).ok_or_else(|| wrong("name"))?;
        let value = unhex(value).ok_or_else(|| wrong("value"))?;
        let name = String::from_utf8_lossy(&name).into_owned();
        let text = || String::from_utf8_lossy(&value).into_owned();
        match name.as_str() {
            ":method" => request.method = text(),
            ":scheme" => request.scheme = Some(text()),
            ":authority" => request.authority = Some(text()),
            ":path" => request.target_base64 = Some(STANDARD.encode(&value)),
            _ => request.headers.push((name, Bytes(value))),
        }
    }
    if request.target_base64.is_none() {
        // Envoy keeps the target of CONNECT as the authority alone; of any other request an absent one is empty.
        let connect = request.method == "CONNECT";
        let target = request.authority.clone().filter(|_| connect).unwrap_or_default();
        request.target_base64 = Some(STANDARD.encode(target));
    }
    Ok(Some(Vector {
        request,
        now: None,
        upstream: None,
        expect: None,
        sequence: Vec::new(),
        // It came in a header.
        bearer: None,
        ..sent.clone()
    }))
}

/// `203.0.113.7:4000`, `[2001:db8::1]:4000` or the path of a socket.
fn address(text: &str) -> Option<String> {
    let socket: std::net::SocketAddr = text.parse().ok()?;
    Some(socket.ip().to_string())
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text.chars().map(|c| c.to_digit(16).map(|d| d as u8)).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
    Some(digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}
