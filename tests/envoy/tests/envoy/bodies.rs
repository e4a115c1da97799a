//! Bodies over sockets, in HTTP/1.1 and in HTTP/2 on both sides of the plugin: what is to be redacted reaches no client,
//! and nothing of a request reaches the upstream before its accept was met.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use portcullis_tests_envoy::config::{self, Listener, Normalise};
use portcullis_tests_envoy::http::{self, Address};
use portcullis_tests_envoy::plugin;
use portcullis_tests_envoy::process::{Envoy, Folder};
use portcullis_tests_envoy::script::{self, PAUSE, Parts, Script};
use serde_json::{Value, json};

use crate::case::PLUGIN;

const POLICY: &str = r#"gate 1;
service s on "h.example" {
  allow anyone to GET /{page}, HEAD /{page} { redact response { drop secret; } set response header "x-seen" "1"; }
  allow anyone to POST /orders { accept body max 2KiB { item: string 1..20; count: int 1..9; } set request header "x-checked" "1"; }
  allow anyone to POST /loose { accept body strip unknown { item: string; } }
  allow anyone to POST /large { accept body max 8MiB { text: string; } }
  allow anyone to GET /mine/{id} { require response { owner == "u1"; } else 404; }
}
"#;

/// What no client gets.
const PLANTED: &str = "planted-7f3a";

const GOOD: &str = r#"{"item":"tea","count":2}"#;

/// An Envoy with a listener for HTTP/1.1 around the plugin, and three for HTTP/2 around another one.
struct Bodies {
    /// Ends with us.
    _envoy: Envoy,
    upstream: Script,
    /// By name.
    ways: Vec<(&'static str, Address)>,
}

/// A cluster that speaks HTTP/2 to a listener of the same Envoy, under the name that a listener has for the port.
fn to_listener(port: u16, address: &Address) -> Value {
    let Address::Unix(path) = address else {
        panic!("a socket in the file system");
    };
    let name = format!("upstream-{port}");
    let pipe = json!({"address": {"pipe": {"path": path.display().to_string()}}});
    json!({
        "name": name,
        "type": "STATIC",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [{"endpoint": pipe}]}]},
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": {"http2_protocol_options": {}},
        }},
    })
}

impl Bodies {
    fn start(answers: BTreeMap<String, Parts>) -> Bodies {
        let upstream = Script::start(answers).unwrap();
        let folder = Folder::new().unwrap();
        let policy =
            portcullis_lang::check::load_text_with(POLICY, &BTreeMap::<String, Vec<u8>>::new()).policy;
        let image = portcullis_compile::compile(&policy.unwrap()).unwrap();
        let configuration = plugin::configuration(&image, &BTreeMap::new(), &[]).to_string();
        let socket = |name: &str| Address::Unix(folder.path(&format!("{name}.sock")));
        let (plain, front, both, back) = (socket("plain"), socket("front"), socket("both"), socket("back"));
        let port = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
        let listener = |name, address, filters, upstream| {
            let listener = Listener {
                name,
                address,
                scheme: "https",
                proxy_protocol: false,
                normalise: Normalise::default(),
                filters,
                upstream,
            };
            listener.json()
        };
        let filter = |name| vec![config::wasm(name, &PLUGIN, &configuration)];
        let listeners = [
            listener("plain", &plain, filter("plain"), upstream.address()),
            listener("front", &front, vec![], port(1)),
            listener("both", &both, filter("both"), port(2)),
            listener("back", &back, vec![], upstream.address()),
        ];
        let mut all = config::envoy(&listeners, &[upstream.address()]);
        let clusters = all["static_resources"]["clusters"].as_array_mut().unwrap();
        clusters.extend([to_listener(1, &both), to_listener(2, &back)]);
        let envoy = Envoy::start(folder, &all, 2).unwrap();
        Bodies {
            _envoy: envoy,
            upstream,
            ways: vec![("HTTP/1.1", plain), ("HTTP/2", front)],
        }
    }
}

/// Everything that the client gets, the head, the body put together, and whether its end came.
struct Got {
    raw: Vec<u8>,
    status: u16,
    body: Vec<u8>,
    is_whole: bool,
}

/// Sends parts with a pause behind each but the last, and reads until the connection closes.
fn ask(address: &Address, parts: &[&[u8]], mut between: impl FnMut(usize)) -> Got {
    let mut stream = http::connect(address).unwrap();
    for (number, part) in parts.iter().enumerate() {
        if number > 0 {
            std::thread::sleep(Duration::from_millis(300));
            between(number);
        }
        if stream.write_all(part).is_err() {
            break;
        }
    }
    let mut raw = Vec::new();
    // A stream that is broken off may end in an error; what came before it counts.
    let _ = stream.read_to_end(&mut raw);
    got(raw)
}

fn got(raw: Vec<u8>) -> Got {
    let end = raw.windows(4).position(|part| part == b"\r\n\r\n");
    let (head, rest) = raw.split_at(end.map_or(raw.len(), |at| at + 4));
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|word| word.parse().ok())
        .unwrap_or(0);
    let length = head
        .split_once("content-length: ")
        .and_then(|(_, rest)| rest.split("\r\n").next()?.parse::<usize>().ok());
    let (body, is_whole) = match length {
        _ if head.contains("transfer-encoding: chunked") => {
            let (body, end) = http::unchunk(rest);
            (body, end.is_some())
        }
        Some(length) => (rest.to_vec(), rest.len() == length),
        None => (rest.to_vec(), true),
    };
    Got {
        status,
        body,
        is_whole,
        raw,
    }
}

fn get(address: &Address, method: &str, path: &str) -> Got {
    let request = format!("{method} {path} HTTP/1.1\r\nhost: h.example\r\nconnection: close\r\n\r\n");
    let got = ask(address, &[request.as_bytes()], |_| ());
    let text = String::from_utf8_lossy(&got.raw).into_owned();
    let body = String::from_utf8_lossy(&got.body);
    assert!(
        !text.contains(PLANTED) && !body.contains(PLANTED),
        "{path}: {text}"
    );
    got
}

fn head(path: &str, length: Option<usize>) -> String {
    let framing = match length {
        Some(length) => format!("content-length: {length}"),
        None => "transfer-encoding: chunked".to_string(),
    };
    format!(
        "POST {path} HTTP/1.1\r\nhost: h.example\r\ncontent-type: application/json\r\n{framing}\r\nconnection: close\r\n\r\n"
    )
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn nothing_that_is_to_be_redacted_reaches_a_client() {
    let json = "application/json";
    let user = format!(r#"{{"name":"a","secret":"{PLANTED}"}}"#);
    let html = format!("<p>{PLANTED}</p>");
    let (front, rest) = user.split_at(user.len() - 6);
    let many: String = std::iter::repeat_n(user.as_str(), 40_000)
        .collect::<Vec<_>>()
        .join(",");
    let opened = format!("[{user},{user},");
    let (before, after) = PLANTED.split_at(4);
    let event = |number: u32| format!("data: {{\"n\":{number},\"secret\":\"{PLANTED}\"}}\n\n");
    let (first, second) = (event(1), event(2));
    let whole =
        |status, media_type, more, body: &str| vec![script::whole(status, media_type, more, body.as_bytes())];
    let answers: Vec<(&str, Parts)> = vec![
        ("/length", whole("200 OK", json, "etag: \"1\"\r\n", &user)),
        ("/chunked", script::chunked(json, &[front, rest], true)),
        (
            "/split",
            script::chunked(
                json,
                &["{\"name\":\"a\",\"se", "cret\":\"", before, after, "\"}"],
                true,
            ),
        ),
        ("/large", whole("200 OK", json, "", &format!("[{many}]"))),
        (
            "/brotli",
            whole("200 OK", json, "content-encoding: br\r\n", &user),
        ),
        ("/error", whole("500 Internal Server Error", json, "", &user)),
        (
            "/page",
            whole("500 Internal Server Error", "text/html", "", &html),
        ),
        ("/lie", whole("200 OK", json, "", &html)),
        (
            "/part",
            whole(
                "206 Partial Content",
                json,
                "content-range: bytes 0-40/100\r\n",
                &user,
            ),
        ),
        (
            "/same",
            vec![b"HTTP/1.1 304 Not Modified\r\netag: \"1\"\r\nconnection: close\r\n\r\n".to_vec()],
        ),
        (
            "/none",
            vec![b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n".to_vec()],
        ),
        (
            "/events",
            script::chunked("text/event-stream", &[&first, &second], true),
        ),
        ("/cut", script::chunked(json, &[&opened, front], false)),
        ("/early", script::chunked(json, &["{\"secret\":\"plan"], false)),
        (
            "/broken",
            script::chunked(json, &[&opened, &format!("}}{PLANTED}")], true),
        ),
    ];
    let answers: BTreeMap<String, Parts> = answers
        .into_iter()
        .map(|(path, parts)| (path.to_string(), parts))
        .collect();
    let bodies = Bodies::start(answers);
    for (way, address) in &bodies.ways {
        for path in ["/length", "/chunked", "/split", "/error"] {
            let got = get(address, "GET", path);
            let text = String::from_utf8_lossy(&got.raw).into_owned();
            let status = if path == "/error" { 500 } else { 200 };
            assert_eq!((got.status, got.is_whole), (status, true), "{way} {path}: {text}");
            assert_eq!(got.body, br#"{"name":"a"}"#, "{way} {path}");
            assert!(
                text.contains("x-seen: 1") && !text.contains("etag"),
                "{way} {path}: {text}"
            );
        }
        let large = get(address, "GET", "/large");
        assert!(large.is_whole, "{way}");
        let read: Vec<Value> = serde_json::from_slice(&large.body).unwrap();
        assert_eq!(read.len(), 40_000, "{way}");
        for path in ["/page", "/lie", "/part", "/brotli"] {
            let got = get(address, "GET", path);
            let text = String::from_utf8_lossy(&got.body).into_owned();
            assert_eq!((got.status, got.is_whole), (502, true), "{way} {path}: {text}");
            assert!(text.contains("\"decision\""), "{way} {path}: {text}");
        }
        for (method, path, status) in [
            ("HEAD", "/length", 200),
            ("GET", "/same", 304),
            ("GET", "/none", 204),
        ] {
            let got = get(address, method, path);
            assert_eq!((got.status, got.body.len()), (status, 0), "{way} {method} {path}");
            let text = String::from_utf8_lossy(&got.raw).into_owned();
            assert!(!text.contains("etag"), "{way} {method} {path}: {text}");
        }
        for path in ["/cut", "/broken"] {
            let got = get(address, "GET", path);
            let text = String::from_utf8_lossy(&got.raw).into_owned();
            assert_eq!((got.status, got.is_whole), (200, false), "{way} {path}: {text}");
        }
        let early = get(address, "GET", "/early");
        let text = String::from_utf8_lossy(&early.raw).into_owned();
        assert!(early.status != 200 || !early.is_whole, "{way}: {text}");
        events(way, address);
    }
}

#[test]
fn a_coded_response_is_read_and_goes_on_without_its_coding() {
    let user = format!(r#"{{"name":"a","secret":"{PLANTED}"}}"#);
    let coded = gzip(user.as_bytes());
    let answer = script::whole("200 OK", "application/json", "content-encoding: gzip\r\n", &coded);
    let bodies = Bodies::start(BTreeMap::from([("/gzip".to_string(), vec![answer])]));
    for (way, address) in &bodies.ways {
        let coded = get(address, "GET", "/gzip");
        let text = String::from_utf8_lossy(&coded.raw).into_owned();
        assert_eq!((coded.status, coded.is_whole), (200, true), "{way}: {text}");
        assert_eq!(coded.body, br#"{"name":"a"}"#, "{way}");
        assert!(!text.contains("content-encoding"), "{way}: {text}");
    }
}

/// The first event is there before the upstream sends the second.
fn events(way: &str, address: &Address) {
    let mut stream = http::connect(address).unwrap();
    let request = b"GET /events HTTP/1.1\r\nhost: h.example\r\nconnection: close\r\n\r\n";
    stream.write_all(request).unwrap();
    let (mut raw, mut buffer, mut first) = (Vec::new(), [0; 4096], None);
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        raw.extend_from_slice(buffer.get(..count).unwrap());
        let seen = String::from_utf8_lossy(&raw).contains(r#""n":1"#);
        first = first.or(seen.then(Instant::now));
    }
    let after = first.unwrap().elapsed();
    let got = got(raw);
    let text = String::from_utf8_lossy(&got.body).into_owned();
    assert_eq!(text, "data: {\"n\":1}\n\ndata: {\"n\":2}\n\n", "{way}");
    assert!(got.is_whole, "{way}");
    assert!(
        after > PAUSE,
        "{way}: the first event came {after:?} before the end"
    );
}

/// In HTTP/1.1 and in HTTP/2 alike.
#[test]
fn nothing_of_a_request_reaches_the_upstream_before_its_accept_was_met() {
    let fine = vec![script::whole("200 OK", "text/plain", "", b"fine")];
    let answers = ["/orders", "/loose", "/large"].map(|path| (path.to_string(), fine.clone()));
    let bodies = Bodies::start(BTreeMap::from(answers));
    let upstream = &bodies.upstream;
    for (way, address) in &bodies.ways {
        // The last byte is held back.
        let (front, last) = GOOD.as_bytes().split_at(GOOD.len() - 1);
        let head_of = head("/orders", Some(GOOD.len()));
        upstream.take();
        let got = ask(address, &[head_of.as_bytes(), front, last], |_| {
            assert_eq!(upstream.take(), b"", "{way}: before the end");
        });
        assert_eq!(got.status, 200, "{way}: {}", String::from_utf8_lossy(&got.raw));
        let received = String::from_utf8_lossy(&upstream.take()).into_owned();
        assert!(received.contains("x-checked: 1"), "{way}: {received}");
        assert!(
            received.ends_with(GOOD) || received.contains(&format!("{GOOD}\r\n0")),
            "{way}: {received}"
        );

        // In chunks, none of which is the whole.
        let chunk = |text: &str| format!("{:x}\r\n{text}\r\n", text.len());
        let (a, b) = GOOD.split_at(9);
        let (a, b) = (head("/orders", None) + &chunk(a), chunk(b) + "0\r\n\r\n");
        let got = ask(address, &[a.as_bytes(), b.as_bytes()], |_| {
            assert_eq!(upstream.take(), b"", "{way}: before the end");
        });
        assert_eq!(got.status, 200, "{way}");
        assert!(!upstream.take().is_empty());

        for (body, status) in [
            (r#"{"item":"tea","count":2,"admin":true}"#, 422),
            (r#"{"item":"tea","count":0}"#, 422),
            (r#"{"item":"tea","#, 400),
            ("", 400),
        ] {
            let whole = head("/orders", Some(body.len())) + body;
            let got = ask(address, &[whole.as_bytes()], |_| ());
            let text = String::from_utf8_lossy(&got.raw).into_owned();
            assert_eq!(got.status, status, "{way} {body}: {text}");
            assert!(text.contains("application/problem+json"), "{way} {body}: {text}");
            assert_eq!(upstream.take(), b"", "{way} {body}");
        }
        // Over the accept's size, and over what Envoy holds: neither waits for the rest.
        let long = format!("{{\"item\":\"{}", "x".repeat(3_000));
        let huge = format!("{{\"text\":\"{}", "x".repeat(3 << 20));
        for (path, body) in [("/orders", &long), ("/large", &huge)] {
            let whole = head(path, None) + &chunk(body);
            let got = ask(address, &[whole.as_bytes()], |_| ());
            // A proxy on the way that is still sent bytes may close before its client has read.
            let is_closed = *way != "HTTP/1.1" && got.raw.is_empty();
            assert!(got.status == 413 || is_closed, "{way} {path}: {}", got.status);
            assert_eq!(upstream.take(), b"", "{way} {path}");
        }
        // What is stripped does not go on, and the length is that of what does.
        let body = r#"{"role":"admin","item":"tea"}"#;
        let whole = head("/loose", Some(body.len())) + body;
        assert_eq!(ask(address, &[whole.as_bytes()], |_| ()).status, 200, "{way}");
        let received = String::from_utf8_lossy(&upstream.take()).into_owned();
        assert!(
            received.contains("tea") && !received.contains("admin"),
            "{way}: {received}"
        );
        let stripped = r#"{"item":"tea"}"#;
        let framed = received.contains(&format!("content-length: {}\r\n", stripped.len()));
        assert!(framed || received.contains("chunked"), "{way}: {received}");
    }
}
