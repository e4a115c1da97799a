//! Signed messages: the body that is waited for, and every order of steps.

use super::*;

/// A signed message: method POST, its lines, its body in chunks.
struct Message<'m> {
    target: &'m str,
    host: &'m str,
    lines: Vec<(&'m str, String)>,
    body: Vec<&'m [u8]>,
}

fn message<'m>(target: &'m str, lines: &[(&'m str, &str)], body: &[&'m [u8]]) -> Message<'m> {
    Message {
        target,
        host: "api.example.com",
        lines: lines
            .iter()
            .map(|(name, value)| (*name, (*value).to_string()))
            .collect(),
        body: body.to_vec(),
    }
}

impl Message<'_> {
    /// What comes of it, and whether its body was asked for before the decision.
    fn send(&self, engine: &Engine, carries: Carries, now: Now) -> (bool, Reason, Option<String>) {
        let (mut worker, mut exchange) = (Worker::default(), Exchange::new());
        {
            let lines: Vec<(&[u8], &[u8])> = self
                .lines
                .iter()
                .map(|(n, v)| (n.as_bytes(), v.as_bytes()))
                .collect();
            engine.begin(
                &mut exchange,
                &mut worker,
                &view("POST", self.host, self.target, &lines),
                carries,
                NOW,
            );
        }
        let asked = !exchange.is_decided();
        if asked {
            assert!(matches!(exchange.next(), Next::ReadBody { max: 1_048_576 }));
            assert!(exchange.is_pending() && exchange.decision().effect() == Effect::Deny);
            for chunk in &self.body {
                exchange.request_body(&mut worker, chunk, false, now).unwrap();
            }
            if !exchange.is_decided() {
                exchange.request_body(&mut worker, b"", true, now).unwrap();
            }
        }
        assert!(exchange.is_decided());
        let printed = format!("{exchange:?}");
        let mut values = self.lines.iter().filter(|(_, value)| value.len() > 32);
        assert!(values.all(|(_, value)| !printed.contains(&value[8..])));
        let decision = exchange.decision();
        (asked, decision.reason(), decision.detail().map(str::to_string))
    }
}

const BODY: &[u8] = b"{\"action\": \"opened\"}";

fn github(secret: &[u8], body: &[u8]) -> String {
    format!("sha256={}", hex(&hmac(secret, body)))
}

#[test]
fn a_signature_is_that_of_the_body_by_any_of_the_secrets() {
    let engine = engine(&files());
    let allowed = (true, Reason::Allowed, None);
    let bad = (true, Reason::InvalidToken, Some("bad_signature".to_string()));
    let malformed = (
        false,
        Reason::InvalidToken,
        Some("malformed_credential".to_string()),
    );
    let good = github(OLD, BODY);
    let upper = format!("sha256={}", hex(&hmac(OLD, BODY)).to_uppercase());
    let bytes: Vec<&[u8]> = BODY.chunks(1).collect();
    let (another, second) = (github(PEPPER, BODY), github(NEW, BODY));
    for (value, body, expected) in [
        (good.as_str(), vec![BODY], &allowed),
        (&good, bytes, &allowed),
        (&good, vec![b"", &BODY[..7], b"", &BODY[7..]], &allowed),
        (&second, vec![BODY], &allowed),
        (&upper, vec![BODY], &allowed),
        (&github(NEW, b""), vec![], &allowed),
        (&github(NEW, b""), vec![b""], &allowed),
        (&github(NEW, b""), vec![BODY], &bad),
        (&good, vec![], &bad),
        (&good, vec![BODY, b" "], &bad),
        (&good, vec![&BODY[1..]], &bad),
        (&another, vec![BODY], &bad),
        (&good[..good.len() - 1], vec![BODY], &malformed),
        (&good[..good.len() - 2], vec![BODY], &malformed),
        (&format!("{good}00"), vec![BODY], &malformed),
        (&good[7..], vec![BODY], &malformed),
        (&good.replace("sha256=", "SHA256="), vec![BODY], &malformed),
        (&good.replace("sha256=", "sha256= "), vec![BODY], &malformed),
        ("sha256=", vec![BODY], &malformed),
        (&good.replace(&good[70..], "g"), vec![BODY], &malformed),
    ] {
        let sent = message("/hook", &[("x-hub", value)], &body).send(&engine, ALL, NOW);
        assert_eq!(&sent, expected, "{value} {body:?}");
    }
    // Two of them, of one scheme and of two.
    let ambiguous = (
        false,
        Reason::InvalidToken,
        Some("ambiguous_credential".to_string()),
    );
    for name in ["x-hub", "x-signature"] {
        let two = message("/hook", &[("x-hub", &good), (name, &good)], &[BODY]);
        assert_eq!(two.send(&engine, ALL, NOW), ambiguous);
    }
    let none = message("/hook", &[], &[BODY]).send(&engine, ALL, NOW);
    assert_eq!(none, (false, Reason::Unauthenticated, None));
}

#[test]
fn a_timestamp_is_signed_and_near() {
    let engine = engine(&files());
    let signed = |stamp: &str| base64(&hmac(NEW, &[b"v1:", stamp.as_bytes(), b".", BODY, b"!"].concat()));
    let send = |stamps: &[&str], value: &str, now: Now| {
        let mut lines = vec![("x-signature", value)];
        lines.extend(stamps.iter().map(|stamp| ("x-timestamp", *stamp)));
        let (_, reason, detail) = message("/shop", &lines, &[&BODY[..3], &BODY[3..]]).send(&engine, ALL, now);
        detail.unwrap_or_else(|| reason.code().to_string())
    };
    let (five, half) = (
        300,
        Now {
            wall_us: Some(NOW_S * 1_000_000 + 500_000),
            ..NOW
        },
    );
    for (offset, now, expected) in [
        (0, NOW, "allowed"),
        (five, NOW, "allowed"),
        (-five, NOW, "allowed"),
        (-five, half, "stale_signature"),
        (five + 1, NOW, "stale_signature"),
        (-five - 1, NOW, "stale_signature"),
        (i64::MAX - NOW_S, NOW, "stale_signature"),
    ] {
        let stamp = (NOW_S + offset).to_string();
        assert_eq!(send(&[&stamp], &signed(&stamp), now), expected, "{offset}");
    }
    let stamp = NOW_S.to_string();
    let good = signed(&stamp);
    let other = (NOW_S + 1).to_string();
    assert_eq!(send(&[&other], &good, NOW), "bad_signature");
    // The instant of the beginning counts where none is told later.
    assert_eq!(send(&[&stamp], &good, Now { wall_us: None, ..NOW }), "allowed");
    for stamps in [
        vec![],
        vec![stamp.as_str(), stamp.as_str()],
        vec![""],
        vec!["now"],
        vec!["-1"],
        vec!["+1700000000"],
        vec!["01700000000"],
        vec!["1700000000.5"],
        vec!["1e9"],
        vec!["9223372036854775808"],
    ] {
        assert_eq!(send(&stamps, &good, NOW), "malformed_credential", "{stamps:?}");
    }
    for value in [
        good.trim_end_matches('=').to_string(),
        format!("{good}="),
        good.replace(['+', '/'], "-").replacen(&good[..1], "_", 1),
        hex(&hmac(NEW, BODY)),
        // The same bytes in another spelling: bits behind the last byte are set.
        format!("{}{}=", &good[..42], char::from(good.as_bytes()[42] + 1)),
    ] {
        assert_eq!(send(&[&stamp], &value, NOW), "malformed_credential", "{value}");
    }
    let no_clock = Now::default();
    let (snapshot, _) = snapshot(&files());
    let found = decided(
        &snapshot,
        "/shop",
        &[("x-signature", &good), ("x-timestamp", &stamp)],
        no_clock,
    );
    assert_eq!(found, invalid("no_clock"));
}

#[test]
fn without_the_body_or_a_secret_nothing_is_verified() {
    let good = github(OLD, BODY);
    let sent = message("/hook", &[("x-hub", &good)], &[BODY]);
    let carries = Carries {
        request_body: false,
        ..ALL
    };
    let not_verified = |detail: &str| (false, Reason::InvalidToken, Some(detail.to_string()));
    assert_eq!(
        sent.send(&engine(&files()), carries, NOW),
        not_verified("not_verified")
    );
    let (snapshot, _) = snapshot(&files());
    assert_eq!(
        decided(&snapshot, "/hook", &[("x-hub", &good)], NOW),
        invalid("not_verified")
    );
    let mut less = files();
    less.remove("new.key");
    assert_eq!(sent.send(&engine(&less), ALL, NOW), (true, Reason::Allowed, None));
    less.remove("old.key");
    assert_eq!(
        sent.send(&engine(&less), ALL, NOW),
        not_verified("keys_not_loaded")
    );
    // What is refused before credentials count is not read.
    let mut elsewhere = message("/hook", &[("x-hub", &good)], &[BODY]);
    elsewhere.host = "other.example.com";
    assert_eq!(
        elsewhere.send(&engine(&files()), ALL, NOW),
        (false, Reason::NoService, None)
    );
    // Nor where another credential is invalid, unless the service lets that pass.
    let lines = [("x-hub", good.as_str()), ("x-api-key", "nobody's")];
    let both = message("/hook", &lines, &[BODY]);
    assert_eq!(
        both.send(&engine(&files()), ALL, NOW),
        not_verified("unknown_api_key")
    );
    let mut relaxed = message("/hook", &lines, &[BODY]);
    relaxed.host = "relaxed.example.com";
    assert_eq!(
        relaxed.send(&engine(&files()), ALL, NOW),
        (true, Reason::Allowed, None)
    );
    relaxed.body = vec![b"other"];
    assert_eq!(
        relaxed.send(&engine(&files()), ALL, NOW).1,
        Reason::Unauthenticated
    );
    relaxed.target = "/open";
    assert_eq!(
        relaxed.send(&engine(&files()), ALL, NOW),
        (true, Reason::Allowed, None)
    );
}

#[test]
fn a_body_that_was_read_is_judged_once_it_is_decided() {
    let (engine, mut worker) = (engine(&files()), Worker::default());
    for (length, status) in [(1_024, 200), (1_025, 413), (1_048_577, 413)] {
        let mut exchange = Exchange::new();
        let body = vec![b'x'; length];
        let signed = github(OLD, &body);
        let lines: [(&[u8], &[u8]); 2] = [(b"x-hub", signed.as_bytes()), (b"content-type", b"text/plain")];
        engine.begin(
            &mut exchange,
            &mut worker,
            &view("POST", "api.example.com", "/text", &lines),
            ALL,
            NOW,
        );
        for chunk in body.chunks(1_000) {
            if !exchange.is_decided() {
                exchange.request_body(&mut worker, chunk, false, NOW).unwrap();
            }
        }
        if !exchange.is_decided() {
            exchange.request_body(&mut worker, b"", true, NOW).unwrap();
        }
        assert_eq!(exchange.decision().status(), status, "{length}");
        assert_eq!(matches!(exchange.next(), Next::Forward(_)), status == 200);
        assert!(exchange.request_body(&mut worker, b"", true, NOW).is_err());
        exchange.clear();
    }
}

/// What a host has handed over is there again when the body has come, in whatever form it was.
#[test]
fn what_was_handed_over_waits_with_the_message() {
    let (engine, mut worker) = (engine(&files()), Worker::default());
    let claims = br#"{"sub":"u","tenant":"t1","groups":["a b","c"]}"#;
    let config = image();
    let known = KnownToken::read(&config, "corp", claims).unwrap();
    let texts = ["a b", "c"];
    let split = [
        ("sub", Claim::Text("u")),
        ("tenant", Claim::Text("t1")),
        ("groups", Claim::Texts(&texts)),
        ("x", Claim::Other),
        ("y", Claim::Bool(true)),
        ("z", Claim::Int(1)),
    ];
    let given = [
        (
            Credential::Verified {
                issuer: "corp",
                claims,
            },
            Reason::Allowed,
        ),
        (
            Credential::Named {
                issuer: "corp",
                claims,
            },
            Reason::Allowed,
        ),
        (
            Credential::Split {
                issuer: "corp",
                claims: &split,
            },
            Reason::Allowed,
        ),
        (
            Credential::Split {
                issuer: "corp",
                claims: &split[1..],
            },
            Reason::Allowed,
        ),
        (
            Credential::Split {
                issuer: "corp",
                claims: &split[..2],
            },
            Reason::NoRule,
        ),
        (Credential::Known(&known), Reason::Allowed),
        (Credential::FromHeaders, Reason::NoRule),
    ];
    let signed = github(NEW, BODY);
    let lines: [(&[u8], &[u8]); 1] = [(b"x-hub", signed.as_bytes())];
    for (credential, reason) in given {
        let mut exchange = Exchange::new();
        let request = RequestView {
            credential,
            ..view("POST", "api.example.com", "/both", &lines)
        };
        let next = engine.begin(&mut exchange, &mut worker, &request, ALL, NOW);
        assert!(matches!(next, Next::ReadBody { .. }), "{next:?}");
        exchange.request_body(&mut worker, BODY, false, NOW).unwrap();
        exchange.request_body(&mut worker, b"", true, NOW).unwrap();
        assert_eq!(exchange.decision().reason(), reason, "{:?}", request.credential);
    }
    // A signature that the host hands over is its word, and no body is read.
    let mut exchange = Exchange::new();
    let request = RequestView {
        signature: Some(SignatureFact::Verified { name: "github" }),
        ..view("POST", "api.example.com", "/hook", &lines)
    };
    let next = engine.begin(&mut exchange, &mut worker, &request, ALL, NOW);
    assert!(matches!(next, Next::Forward(_)), "{next:?}");
}

#[test]
fn a_token_is_asked_about_before_the_body_is_read() {
    let (engine, mut worker) = (engine(&files()), Worker::default());
    let signed = github(NEW, BODY);
    let lines: [(&[u8], &[u8]); 2] = [
        (b"x-hub", signed.as_bytes()),
        (b"authorization", b"Bearer opaque"),
    ];
    let request = view("POST", "api.example.com", "/both", &lines);
    let active = Introspection::Active {
        issuer: "corp",
        claims: br#"{"tenant":"t1","groups":["a b"]}"#,
    };
    let inactive = Introspection::Inactive {
        issuer: "corp",
        fault: "expired",
    };
    for (heard, reads, reason) in [
        (active, true, Reason::Allowed),
        (inactive, false, Reason::InvalidToken),
        (Introspection::Unavailable, false, Reason::InvalidToken),
    ] {
        let (mut exchange, mut worker) = (Exchange::new(), Worker::default());
        let next = engine.begin(&mut exchange, &mut worker, &request, ALL, NOW);
        assert!(matches!(next, Next::Introspect(b"opaque")), "{next:?}");
        assert!(exchange.request_body(&mut worker, BODY, false, NOW).is_err());
        let next = exchange.introspected(&mut worker, heard, NOW).unwrap();
        assert_eq!(matches!(next, Next::ReadBody { .. }), reads, "{next:?}");
        if reads {
            assert!(exchange.introspected(&mut worker, heard, NOW).is_err());
            exchange.request_body(&mut worker, BODY, false, NOW).unwrap();
            exchange.request_body(&mut worker, b"", true, NOW).unwrap();
        }
        assert_eq!(exchange.decision().reason(), reason);
    }
    // A host that asks about no token gets the verdict on one that is not verified, and reads no body for it.
    let mut exchange = Exchange::new();
    let carries = Carries {
        introspection: false,
        ..ALL
    };
    let next = engine.begin(&mut exchange, &mut worker, &request, carries, NOW);
    assert!(matches!(next, Next::Reply(_)), "{next:?}");
}

/// Steps of a host, right ones and wrong ones.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    Introspected,
    Chunk(&'static [u8]),
    /// With the end.
    Last(&'static [u8]),
    Charged,
    ResponseHead,
}

const STEPS: [Step; 7] = [
    Step::Introspected,
    Step::Chunk(b"signed"),
    Step::Chunk(b"other"),
    Step::Last(b""),
    Step::Last(b"signed"),
    Step::Charged,
    Step::ResponseHead,
];

fn step(exchange: &mut Exchange, worker: &mut Worker, step: Step) -> bool {
    let active = Introspection::Active {
        issuer: "corp",
        claims: br#"{"tenant":"t1","groups":["a b"]}"#,
    };
    match step {
        Step::Introspected => exchange.introspected(worker, active, NOW).is_ok(),
        Step::Chunk(bytes) => exchange.request_body(worker, bytes, false, NOW).is_ok(),
        Step::Last(bytes) => exchange.request_body(worker, bytes, true, NOW).is_ok(),
        Step::Charged => exchange.store_failed().is_ok(),
        Step::ResponseHead => exchange.response_head(Some(200), None).is_ok(),
    }
}

/// Follows every order of at most six steps. How many forward.
fn explore(engine: &Engine, led: &mut Vec<Step>) -> u32 {
    let signed = github(NEW, b"signed");
    let lines: [(&[u8], &[u8]); 2] = [
        (b"x-hub", signed.as_bytes()),
        (b"authorization", b"Bearer opaque"),
    ];
    let mut forwarded = 0;
    for next in STEPS {
        let (mut exchange, mut worker) = (Exchange::new(), Worker::default());
        engine.begin(
            &mut exchange,
            &mut worker,
            &view("POST", "api.example.com", "/both", &lines),
            ALL,
            NOW,
        );
        assert!(led.iter().all(|before| step(&mut exchange, &mut worker, *before)));
        if !step(&mut exchange, &mut worker, next) {
            continue;
        }
        led.push(next);
        let chunks = led.iter().filter_map(|step| match step {
            Step::Chunk(bytes) | Step::Last(bytes) => Some(*bytes),
            _ => None,
        });
        let is_signed = chunks.collect::<Vec<_>>().concat() == b"signed";
        let has_ended = led.iter().any(|step| matches!(step, Step::Last(_)));
        let is_asked = led.first() == Some(&Step::Introspected) && has_ended;
        let forwards = matches!(exchange.next(), Next::Forward(_));
        assert_eq!(forwards, is_signed && is_asked, "{led:?}");
        forwarded += u32::from(forwards);
        if led.len() < 6 {
            forwarded += explore(engine, led);
        }
        led.pop();
    }
    forwarded
}

#[test]
fn no_order_of_steps_forwards_a_message_that_is_not_signed() {
    // In one part and in two, each with and without a response's head behind it.
    assert_eq!(explore(&engine(&files()), &mut Vec::new()), 4);
}
