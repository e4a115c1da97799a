//! The plugin in NGINX, whose proxy-wasm host does less than it says: what passes there is what was decided on.

mod corpus;
mod example;
mod requests;
mod responses;
mod start;

use portcullis_tests_wasm::proxy::{Request, Vm, nginx_property};
use serde_json::{Value, json};

use crate::support::{NOON_NS, SHIPPED, base64, image};

/// A configuration for NGINX with an image.
pub(crate) fn configuration(image: &[u8], more: Value) -> String {
    let mut all = json!({
        "image": base64(image),
        "gateway": "nginx",
        "tokens": [],
        "log": "all",
        "explain": true,
    });
    if let (Some(all), Value::Object(more)) = (all.as_object_mut(), more) {
        all.extend(more);
    }
    all.to_string()
}

/// The support policy as NGINX has it.
fn with(text: &str, more: Value) -> Vm {
    let found = json!({
        "tokens": [{"issuer": "corp", "property": nginx_property("corp")}],
        "context_property": nginx_property("context"),
    });
    let (mut all, more) = (found, more);
    if let (Some(all), Value::Object(more)) = (all.as_object_mut(), more) {
        all.extend(more);
    }
    SHIPPED.start_in_nginx(&configuration(&image(text), all)).unwrap()
}

/// A request as NGINX has it.
pub(crate) fn request(method: &str, target: &str) -> Request {
    Request {
        now_ns: Some(NOON_NS),
        ..Request::default()
    }
    .with_header(":method", method)
    .with_header(":scheme", "https")
    .with_header(":path", "/decoded")
    .with_header(":authority", "server.example")
    .with_header("Host", "a.example")
    .with_property("ngx/host", "a.example")
    .with_property("request/path", target)
    .with_property("request/protocol", "HTTP/1.1")
    .with_property("source/address", "192.0.2.7")
    .with_property("connection/mtls", "false")
    .with_property("connection/tls_version", "TLSv1.3")
}

/// A GET.
pub(crate) fn get(target: &str) -> Request {
    request("GET", target)
}

/// The request with another Host header, and the host that NGINX goes by.
fn of_hosts(mut request: Request, given: &str, taken: &str) -> Request {
    for (name, value) in &mut request.headers {
        if name == b"Host" {
            *value = given.as_bytes().to_vec();
        }
    }
    request.with_property("ngx/host", taken)
}
