//! Plugins, built once for all tests, and the policies and requests that most of them use.

use std::io::Write as _;
use std::sync::LazyLock;

use base64::Engine as _;
use portcullis_tests::handed_over::handed_over;
use portcullis_tests_wasm::proxy::{Outcome, Pairs, Plugin, Request, Vm, request_of};
use serde_json::{Value, json};
use xtask::wasm::{self, Plugin as Build};

/// 2026-11-23T12:00:00Z
pub(crate) const NOON_NS: u64 = 1_795_435_200_000_000_000;

/// Bytes of the plugin that ships.
pub(crate) static SHIPPED_BYTES: LazyLock<Vec<u8>> =
    LazyLock::new(|| std::fs::read(wasm::ship(Build::Images).unwrap()).unwrap());

/// The plugin that ships.
pub(crate) static SHIPPED: LazyLock<Plugin> = LazyLock::new(|| Plugin::of(&SHIPPED_BYTES).unwrap());

/// Bytes of the plugin with the compiler and the trap.
pub(crate) static TRAP_BYTES: LazyLock<Vec<u8>> =
    LazyLock::new(|| std::fs::read(wasm::build(Build::Trap).unwrap()).unwrap());

/// The plugin with the compiler and the trap.
pub(crate) static TRAP: LazyLock<Plugin> = LazyLock::new(|| Plugin::of(&TRAP_BYTES).unwrap());

/// A policy with something of everything that headers and facts of a gateway decide.
pub(crate) const POLICY: &str = r#"gate 1;
issuer corp { url "https://id.example.com/"; audience "a"; verified by gateway; claims { tenant: string; level: int = 0; } }
peers cluster { trust "cluster.local"; }
network nearby = 192.0.2.0/24;
context { region: string; risk: int; }
principal staff = token from corp;
principal front = peer from cluster and peer.spiffe == "spiffe://cluster.local/ns/web/sa/front";
service s on "a.example" {
  allow anyone to GET /open, GET /files/{rest:**} as open;
  allow staff to GET /staff when token.level >= 3 as staff_only;
  allow front to GET /mesh as mesh;
  allow anyone to GET /near when client.ip in nearby as near;
  allow anyone to GET /region when context.region == "eu" and context.risk < 5 as region;
  allow anyone to GET /sni when request.sni == "a.example" as by_sni;
  allow anyone to GET /h2 when request.protocol == "HTTP/2" as by_protocol;
  allow anyone to GET /today when now < 2027-01-01T00:00:00Z as in_time;
  allow anyone to GET /tls when request.scheme == "https" as by_scheme;
  allow anyone to GET /quota { limit 5 per 1m by client.ip; }
  allow anyone to POST /body { accept body { a: string; } }
  allow anyone to GET /redact { redact response { drop secret; } }
  allow anyone to GET /marked as marked {
    set request header "x-tenant" "t1"; drop request header "x-debug";
    set response header "x-frame-options" "deny"; drop response header "server"; tag "marked";
  }
  deny anyone to any /admin/** because "people of ours only" respond 403 as admins;
  deny anyone to any /moved respond 308 to "https://b.example/" as moved;
  deny anyone to any /busy respond 503 retry after 10m as busy;
  allow anyone to grpc shop.Orders/Get as grpc_get;
  deny anyone to grpc shop.Orders/Drop as grpc_drop;
  report deny anyone to any /** when context.risk > 80 as risky;
}
"#;

/// [`POLICY`]; its issuer is that of most tests.
static POLICY_IMAGE: LazyLock<portcullis::Image> =
    LazyLock::new(|| portcullis::Image::load(&image(POLICY), &portcullis::Trust::Unsigned).unwrap());

/// An image of a policy.
pub(crate) fn image(text: &str) -> Vec<u8> {
    let checked = portcullis_lang::check::load_text(text);
    portcullis_compile::compile(
        &checked
            .policy
            .unwrap_or_else(|| panic!("{:?}", checked.diagnostics)),
    )
    .unwrap()
}

/// Base64.
pub(crate) fn base64(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// Gzip, as small as it gets.
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A configuration with an image, claims of its issuers, and what else is said.
pub(crate) fn configuration(image: &[u8], more: Value) -> String {
    let loaded = portcullis::Image::load(image, &portcullis::Trust::Unsigned);
    let issuers = loaded
        .map(|image| image.config().issuers.clone())
        .unwrap_or_default();
    let tokens = issuers
        .iter()
        .map(|issuer| json!({"issuer": issuer.name, "payload": issuer.name}));
    let mut all = json!({
        "image": base64(image),
        "tokens": tokens.collect::<Vec<_>>(),
        "context": "context",
        "certificates_validated": true,
        "log": "all",
        "explain": true,
    });
    if let (Some(all), Value::Object(more)) = (all.as_object_mut(), more) {
        all.extend(more);
    }
    all.to_string()
}

/// [`POLICY`] in a fresh VM.
pub(crate) fn start() -> Vm {
    SHIPPED.start(&configuration(&image(POLICY), json!({}))).unwrap()
}

/// A request as a good gateway has it.
pub(crate) fn request(method: &str, path: &str) -> Request {
    Request {
        now_ns: Some(NOON_NS),
        ..Request::default()
    }
    .with_header(":method", method)
    .with_header(":path", path)
    .with_header(":scheme", "https")
    .with_header(":authority", "a.example")
    .with_property("source/address", "192.0.2.7:4711")
    .with_property("connection/mtls", [0])
    .with_property("connection/tls_version", "TLSv1.3")
    .with_property("request/protocol", "HTTP/1.1")
}

/// A GET.
pub(crate) fn get(path: &str) -> Request {
    request("GET", path)
}

/// Header lines from texts.
pub(crate) fn lines(lines: &[(&str, &str)]) -> Pairs {
    let bytes = |text: &&str| text.as_bytes().to_vec();
    lines
        .iter()
        .map(|(name, value)| (bytes(name), bytes(value)))
        .collect()
}

/// Metadata as Envoy has it, of a vector's `token` and `context`.
pub(crate) fn metadata(members: &str) -> Vec<u8> {
    let line =
        format!(r#"{{"id":"v","request":{{"method":"GET","url":"https://a.example/open"}},{members}}}"#);
    let vector: portcullis_vectors::Vector = portcullis_vectors::parse_line(&line).unwrap();
    let vector = handed_over(&vector, POLICY_IMAGE.config());
    request_of(&vector, None).unwrap().properties["metadata"].clone()
}

/// An upstream's response.
pub(crate) fn ok() -> Pairs {
    lines(&[
        (":status", "200"),
        ("server", "upstream"),
        ("x-frame-options", "sameorigin"),
    ])
}

/// Decides under the policy in force.
pub(crate) fn exchange(vm: &mut Vm, request: &Request) -> Outcome {
    vm.exchange(request, &ok()).unwrap()
}

/// Status and reason of a refusal; 200 and `allowed` where it went on.
pub(crate) fn answer(outcome: &Outcome) -> (u32, String) {
    match &outcome.reply {
        None => {
            assert!(outcome.upstream.is_some(), "neither answered nor sent on");
            (200, "allowed".to_string())
        }
        Some(reply) => {
            assert!(outcome.upstream.is_none(), "answered and sent on");
            let body: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
            (
                reply.status,
                body["reason"].as_str().unwrap_or_default().to_string(),
            )
        }
    }
}

/// As [`answer`], of a request in a VM.
pub(crate) fn answered(vm: &mut Vm, request: &Request) -> (u32, String) {
    answer(&exchange(vm, request))
}

/// The decisions in the gateway's log, in order.
pub(crate) fn decisions(vm: &mut Vm) -> Vec<Value> {
    let log = vm.gateway().log.iter();
    log.filter_map(|line| serde_json::from_str(&line.text).ok())
        .collect()
}
