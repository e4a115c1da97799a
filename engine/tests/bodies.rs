//! Whole exchanges with bodies: what goes upstream, what the client gets, and that nothing goes on that was not judged.

#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]

use std::collections::BTreeMap;
use std::io::Write as _;

use portcullis::decision::Reason;
use portcullis::exchange::{ChargeOutcome, End};
use portcullis::{
    Carries, Data, Engine, Exchange, Image, Next, Now, RequestView, ResponseNext, Snapshot, Trust, Worker,
};

const POLICY: &str = r#"gate 1;
secret salt from file "salt.key";
redaction key salt;
context { me: string; }
quota few = 5 per 1m by client.ip;
service api on "api.example.com" {
  allow anyone to POST /notes { accept body max 1KiB { name: string max 9; tags[]?: string; } }
  allow anyone to PUT /notes { accept body max 1KiB strip unknown { name: string; } limit few; }
  allow anyone to POST /images { accept type "image/png" max 1KiB; }
  allow anyone to POST /forms { accept form max 1KiB { name: string; n?: int 1..9; } }
  allow anyone to POST /both { accept body max 1KiB { a: int; } accept form max 1KiB { a: int; } }
  allow anyone to GET|HEAD /users/**;
  on any /users/** { redact response { drop **.ssn; mask card keep last 4; hash email; } }
  allow anyone to GET /own;
  on GET /own { require response { owner == context.me; } else 404; redact response { drop ssn; } }
  allow anyone to GET /open;
}
"#;

const ALL: Carries = Carries {
    introspection: false,
    charges: true,
    request_body: true,
    response_body: true,
};

fn engine() -> Engine {
    let files = |name: &str| (name == "salt.key").then(|| b"0123456789abcdef-salt".to_vec());
    let beside = BTreeMap::from([("salt.key".to_string(), files("salt.key").unwrap())]);
    let policy = [("p.gate".to_string(), POLICY.as_bytes().to_vec())];
    let checked = portcullis_lang::check::load(&policy, &beside);
    let policy = checked
        .policy
        .unwrap_or_else(|| panic!("{:?}", checked.diagnostics));
    let image = Image::load(&portcullis_compile::compile(&policy).unwrap(), &Trust::Unsigned).unwrap();
    let (data, errors) = Data::load(image.config(), &files);
    assert!(errors.is_empty(), "{errors:?}");
    Engine::from(Snapshot::new(image, data))
}

type Lines<'a> = &'a [(&'a [u8], &'a [u8])];

const JSON: Lines<'static> = &[(b"content-type", b"application/json")];

struct Host {
    engine: Engine,
    worker: Worker,
    exchange: Exchange,
}

/// What came of a request: its body upstream (`None`: as it came), or status, reason, detail and pointer of a refusal.
type Sent = Result<Option<String>, (u16, Reason, String, String)>;

impl Host {
    fn new() -> Host {
        Host {
            engine: engine(),
            worker: Worker::default(),
            exchange: Exchange::new(),
        }
    }

    fn begin(&mut self, method: &str, target: &str, headers: Lines<'_>, carries: Carries) {
        let view = RequestView {
            method: method.as_bytes(),
            authority: Some(b"api.example.com"),
            target: target.as_bytes(),
            headers,
            socket_peer: Some([192, 0, 2, 1].into()),
            context: br#"{"me":"u1"}"#,
            ..RequestView::default()
        };
        let now = Now::default();
        self.engine
            .begin(&mut self.exchange, &mut self.worker, &view, carries, now);
        if let Next::Charge(charges) = self.exchange.next() {
            let admitted = ChargeOutcome {
                admitted: true,
                remaining: 1,
                reset_us: 1,
            };
            let outcomes = vec![admitted; charges.iter().len()];
            self.exchange.charged(outcomes.into_iter()).unwrap();
        }
    }

    fn send(&mut self, method: &str, target: &str, headers: Lines<'_>, parts: &[&str]) -> Sent {
        self.begin(method, target, headers, ALL);
        for (index, part) in parts.iter().enumerate() {
            if !matches!(self.exchange.next(), Next::ReadBody { .. }) {
                break;
            }
            let end = index + 1 == parts.len();
            self.exchange
                .request_body(&mut self.worker, part.as_bytes(), end, Now::default())
                .unwrap();
        }
        match self.exchange.next() {
            Next::Forward(rewrites) => Ok(rewrites
                .body
                .map(|body| String::from_utf8(body.to_vec()).unwrap())),
            Next::Reply(reply) => {
                let problem = reply.problem.unwrap_or("{}");
                let member = |name: &str| {
                    let start = problem
                        .find(&format!("\"{name}\":\""))
                        .map(|at| at + name.len() + 4);
                    let text = start.and_then(|start| problem.get(start..)).unwrap_or_default();
                    text.split('"').next().unwrap_or_default().to_string()
                };
                Err((reply.status, reply.reason, member("code"), member("pointer")))
            }
            other => panic!("{other:?}"),
        }
    }

    /// What the client gets: the body, or the status of the reply in its place; `None` where the stream was broken off.
    fn answer(&mut self, status: u16, headers: Lines<'_>, parts: &[&[u8]]) -> Option<Result<Vec<u8>, u16>> {
        let mut sent = Vec::new();
        match self.exchange.response_head(Some(status), Some(headers)).unwrap() {
            ResponseNext::Pass(_) => return Some(Ok(parts.concat())),
            ResponseNext::Replace(reply) => return Some(Err(reply.status)),
            ResponseNext::Stream(_) => {}
            ResponseNext::Reset => panic!("nothing was sent"),
        }
        for (index, part) in parts.iter().enumerate() {
            let (end, mut out) = (index + 1 == parts.len(), Vec::new());
            let next = self
                .exchange
                .response_body(&mut self.worker, part, end, &mut out)
                .unwrap();
            match next {
                ResponseNext::Stream(_) => assert!(!end),
                ResponseNext::Pass(_) => assert!(end),
                ResponseNext::Replace(reply) => return Some(Err(reply.status)),
                ResponseNext::Reset => return None,
            }
            sent.extend_from_slice(&out);
        }
        Some(Ok(sent))
    }

    fn users(&mut self, status: u16, headers: Lines<'_>, parts: &[&[u8]]) -> Option<Result<Vec<u8>, u16>> {
        self.begin("GET", "/users/1", &[], ALL);
        self.answer(status, headers, parts)
    }
}

fn refused(status: u16, reason: Reason, code: &str, pointer: &str) -> Sent {
    Err((status, reason, code.to_string(), pointer.to_string()))
}

#[test]
fn a_body_is_judged_whole_wherever_it_is_cut() {
    let mut host = Host::new();
    for parts in [
        &[r#"{"name": "a"}"#][..],
        &["", "{", "\"name\"", ": \"a\"}", ""],
        &[r#"{"name":"a","tags":["x",""#, r#"y"]}"#],
    ] {
        assert_eq!(host.send("POST", "/notes", JSON, parts), Ok(None), "{parts:?}");
    }
    for (body, expected) in [
        (
            r#"{"name":"a","is_admin":true}"#,
            refused(422, Reason::BodyRefused, "unknown_field", "/is_admin"),
        ),
        (
            r#"{"tags":[]}"#,
            refused(422, Reason::BodyRefused, "missing_field", "/name"),
        ),
        (
            r#"{"name":"a","tags":["x",2]}"#,
            refused(422, Reason::BodyRefused, "wrong_type", "/tags/1"),
        ),
        (
            r#"{"name":"0123456789"}"#,
            refused(422, Reason::BodyRefused, "out_of_range", "/name"),
        ),
        (
            r#"{"name":"a"} x"#,
            refused(400, Reason::BodyRefused, "not_json", ""),
        ),
        ("", refused(400, Reason::BodyRefused, "not_json", "")),
    ] {
        assert_eq!(host.send("POST", "/notes", JSON, &[body]), expected, "{body}");
    }
}

#[test]
fn a_body_over_its_limit_is_refused_with_its_first_byte_too_many_or_by_its_length() {
    let mut host = Host::new();
    let long = "x".repeat(1_025);
    let too_large = refused(413, Reason::TooLarge, "body_too_large", "");
    assert_eq!(host.send("POST", "/notes", JSON, &[&long]), too_large);
    assert_eq!(
        host.send("POST", "/notes", JSON, &[&long[..1_024], "x"]),
        too_large
    );
    let told: Lines<'_> = &[
        (b"content-type", b"application/json"),
        (b"Content-Length", b"1025"),
    ];
    assert_eq!(host.send("POST", "/notes", told, &["{}"]), too_large);
    let png: Lines<'_> = &[(b"content-type", b"image/png")];
    assert_eq!(
        host.send("POST", "/images", png, &[&long[..1_000], &long[..24]]),
        Ok(None)
    );
    assert_eq!(
        host.send("POST", "/images", png, &[&long[..1_000], &long[..25]]),
        too_large
    );
}

#[test]
fn c10_a_body_is_not_asked_for_where_its_request_is_refused() {
    let mut host = Host::new();
    let expecting: Lines<'_> = &[
        (b"content-type", b"application/json"),
        (b"content-length", b"12"),
        (b"expect", b"100-continue"),
    ];
    host.begin("DELETE", "/notes", expecting, ALL);
    assert!(matches!(host.exchange.next(), Next::Reply(reply) if reply.status == 405));
    let late = host
        .exchange
        .request_body(&mut host.worker, b"{\"name\":\"n\"}", true, Now::default());
    assert!(late.is_err(), "nothing reads what comes all the same");
    host.begin("POST", "/notes", expecting, ALL);
    assert!(matches!(host.exchange.next(), Next::ReadBody { .. }));
}

#[test]
fn what_is_stripped_does_not_go_upstream() {
    let mut host = Host::new();
    let sent = host.send(
        "PUT",
        "/notes",
        JSON,
        &[r#"{"is_admin":true, "name": "a\u0062"}"#],
    );
    assert_eq!(sent, Ok(Some(r#"{"name":"a\u0062"}"#.to_string())));
    // The next request has nothing of it.
    assert_eq!(host.send("POST", "/notes", JSON, &[r#"{"name":"b"}"#]), Ok(None));
    let Next::Forward(rewrites) = host.exchange.next() else {
        panic!("forwarded");
    };
    assert_eq!((rewrites.set().len(), rewrites.drop().len()), (0, 0));
}

#[test]
fn types_and_codings_are_read_strictly() {
    let mut host = Host::new();
    let send = |host: &mut Host, target: &str, headers: Lines<'_>, body: &str| {
        host.send("POST", target, headers, &[body])
            .map_err(|(status, ..)| status)
    };
    let typed = |value: &'static str| [(&b"content-type"[..], value.as_bytes())];
    let note = r#"{"name":"a"}"#;
    for (value, expected) in [
        ("application/json; charset=utf-8", Ok(None)),
        ("application/vnd.x+json", Ok(None)),
        ("application/json; charset=utf-7", Err(415)),
        ("text/plain", Err(415)),
        ("application/json, text/plain", Err(415)),
    ] {
        assert_eq!(
            send(&mut host, "/notes", &typed(value), note),
            expected,
            "{value}"
        );
    }
    assert_eq!(send(&mut host, "/notes", &[], note), Err(415));
    let coded: Lines<'_> = &[
        (b"content-type", b"application/json"),
        (b"content-encoding", b"gzip"),
    ];
    assert_eq!(send(&mut host, "/notes", coded, note), Err(415));
    let form = typed("application/x-www-form-urlencoded");
    assert_eq!(send(&mut host, "/forms", &form, "name=a+b&n=9"), Ok(None));
    assert_eq!(send(&mut host, "/forms", &form, "name=a&n=10"), Err(422));
    assert_eq!(send(&mut host, "/forms", &form, "name=a&name=b"), Err(422));
    assert_eq!(send(&mut host, "/both", &form, "a=1"), Ok(None));
    assert_eq!(send(&mut host, "/both", JSON, r#"{"a":1}"#), Ok(None));
    assert_eq!(send(&mut host, "/both", JSON, "a=1"), Err(400));
}

const USER: &[u8] =
    br#"{"ssn": "1", "card": "1234567", "n": [{"ssn":{"a":[1]}, "b": 1.50}], "email": "a@example.com"}"#;

fn redacted() -> Vec<u8> {
    let mut host = Host::new();
    host.users(200, JSON, &[USER]).unwrap().unwrap()
}

#[test]
fn a_response_is_redacted_alike_wherever_it_is_cut() {
    let whole = String::from_utf8(redacted()).unwrap();
    assert!(
        whole.contains(r#""card": "***4567""#) && whole.contains(r#""b": 1.50"#),
        "{whole}"
    );
    assert!(
        !whole.contains("ssn") && !whole.contains("example.com"),
        "{whole}"
    );
    let mut host = Host::new();
    for at in 0..=USER.len() {
        let (a, b) = USER.split_at(at);
        let sent = host.users(if at % 2 == 0 { 200 } else { 500 }, JSON, &[a, b]);
        assert_eq!(sent, Some(Ok(whole.clone().into_bytes())), "cut at {at}");
    }
    let bytes: Vec<&[u8]> = USER.chunks(1).collect();
    assert_eq!(host.users(200, JSON, &bytes), Some(Ok(whole.into_bytes())));
}

#[test]
fn a_coded_response_is_decoded_and_redacted() {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(USER).unwrap();
    let packed = encoder.finish().unwrap();
    let headers: Lines<'_> = &[
        (b"content-type", b"application/json"),
        (b"content-encoding", b"gzip"),
    ];
    let mut host = Host::new();
    let parts: Vec<&[u8]> = packed.chunks(7).collect();
    assert_eq!(host.users(200, headers, &parts), Some(Ok(redacted())));
    let edits = host.exchange.response_edits().unwrap();
    assert!(edits.remove().any(|name| name == "content-encoding"));
    let cut = &packed[..packed.len() - 1];
    assert!(matches!(host.users(200, headers, &[cut]), None | Some(Err(502))));
    let other: Lines<'_> = &[
        (b"content-type", b"application/json"),
        (b"content-encoding", b"br"),
    ];
    assert_eq!(host.users(200, other, &[USER]), Some(Err(502)));
}

#[test]
fn what_cannot_be_read_never_leaves() {
    let mut host = Host::new();
    let html: Lines<'_> = &[(b"content-type", b"text/html")];
    for (status, headers, body) in [
        (500, html, &b"<html>ssn</html>"[..]),
        (200, &[][..], USER),
        (206, JSON, USER),
        (101, JSON, USER),
        (200, JSON, b"<html>"),
        (200, JSON, b"{\"ssn\":\"1\""),
        (200, JSON, b"{\"a\":1}x"),
    ] {
        let answer = host.users(status, headers, &[body]);
        assert_eq!(answer, Some(Err(502)), "{}", String::from_utf8_lossy(body));
        let record = host.exchange.finish(End::Completed, Now::default()).unwrap();
        assert_eq!(record.decision.reason(), Reason::ResponseUnreadable);
        assert_eq!(record.status, Some(502));
    }
    // Once a part was sent, the client must see that it is not the whole.
    let long = format!("[{}", r#"{"a":"0123456789"},"#.repeat(2_000));
    assert_eq!(host.users(200, JSON, &[long.as_bytes(), b"x"]), None);
    assert!(
        host.exchange
            .response_body(&mut host.worker, b"{}", true, &mut Vec::new())
            .is_err()
    );
    let record = host.exchange.finish(End::Completed, Now::default()).unwrap();
    assert_eq!((record.end, record.status), (End::Aborted, None));
}

#[test]
fn what_has_no_body_passes_without_its_old_headers() {
    let mut host = Host::new();
    let headers: Lines<'_> = &[(b"ETag", b"\"1\""), (b"content-length", b"9"), (b"x-kept", b"1")];
    for (method, status) in [("GET", 204), ("GET", 304), ("HEAD", 200)] {
        host.begin(method, "/users/1", &[], ALL);
        let ResponseNext::Pass(edits) = host.exchange.response_head(Some(status), Some(headers)).unwrap()
        else {
            panic!("{method} {status}");
        };
        assert!(edits.remove().eq(["content-length", "etag"]), "{method} {status}");
    }
    let empty: Lines<'_> = &[(b"content-length", b"0")];
    assert_eq!(host.users(200, empty, &[]), Some(Ok(Vec::new())));
    assert_eq!(host.users(200, JSON, &[b""]), Some(Ok(Vec::new())));
}

#[test]
fn a_plan_asks_for_the_whole_without_a_coding() {
    let mut host = Host::new();
    host.begin("GET", "/users/1", &[], ALL);
    let Next::Forward(rewrites) = host.exchange.next() else {
        panic!("forwarded");
    };
    assert!(rewrites.set().eq([("accept-encoding", "identity")]));
    assert!(rewrites.drop().eq(["accept-encoding", "if-range", "range"]));
    let none = Carries {
        response_body: false,
        ..ALL
    };
    host.begin("GET", "/users/1", &[], none);
    assert!(matches!(host.exchange.next(), Next::Reply(reply) if reply.reason == Reason::Internal));
}

#[test]
fn conditions_on_a_response_hold_it_back() {
    let mut host = Host::new();
    let own = |host: &mut Host, parts: &[&[u8]]| {
        host.begin("GET", "/own", &[], ALL);
        host.answer(200, JSON, parts)
    };
    let sent = own(&mut host, &[br#"{"owner":"u1","ss"#, br#"n":"1","a":2}"#]);
    assert_eq!(sent, Some(Ok(br#"{"owner":"u1","a":2}"#.to_vec())));
    for other in [
        &br#"{"owner":"u2"}"#[..],
        br#"{}"#,
        br#"{"owner":null}"#,
        br#"{"owner":1}"#,
        br#"{"owner":"u1","owner":"u1"}"#,
        br#"[{"owner":"u1"}]"#,
    ] {
        let answer = own(&mut host, &[other]);
        assert_eq!(answer, Some(Err(404)), "{}", String::from_utf8_lossy(other));
    }
    assert_eq!(own(&mut host, &[b"nothing"]), Some(Err(502)));
    let large = format!(r#"{{"owner":"u1","a":"{}"}}"#, "x".repeat(1 << 20));
    assert_eq!(own(&mut host, &[large.as_bytes()]), Some(Err(502)));
}
