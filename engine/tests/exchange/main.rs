//! Whole exchanges of real policies: an opaque token is asked about before the decision, several wait on one worker at
//! once, and a policy that is swapped meanwhile changes none that has begun.

#![expect(clippy::unwrap_used, reason = "a test that can not set itself up fails")]

mod quotas;

use std::sync::Arc;

use portcullis::decision::{Effect, Reason};
use portcullis::exchange::{ChargeOutcome, End, Introspection};
use portcullis::{
    Carries, Credential, Data, Engine, Exchange, Image, Next, Now, RequestView, ResponseNext, Snapshot,
    Trust, Worker, decide,
};

const POLICY: &str = r#"gate 1;
issuer corp { url "https://idp.example.com/"; audience "a"; opaque; claims { tenant: string; } }
principal customer = token from corp;
quota fair = 5 per 1m by token.sub;
service orders on "api.example.com" {
  allow customer to GET /orders/{tenant} when token.tenant == path.tenant { set response header "x-tenant" token.tenant; }
  allow customer to POST /orders/{tenant} when token.tenant == path.tenant { limit fair; accept type "text/plain" max 1KiB; redact response { drop a; } }
  allow anyone to GET /open;
}
"#;

const ALL: Carries = Carries {
    introspection: true,
    charges: true,
    request_body: true,
    response_body: true,
};

fn snapshot(policy: &str) -> Snapshot {
    let checked = portcullis_lang::check::load_text(policy);
    let policy = checked
        .policy
        .unwrap_or_else(|| panic!("{:?}", checked.diagnostics));
    let image = Image::load(&portcullis_compile::compile(&policy).unwrap(), &Trust::Unsigned).unwrap();
    let data = Data::empty(image.config());
    Snapshot::new(image, data)
}

fn engine(policy: &str) -> Engine {
    let engine = Engine::new();
    engine.swap(Arc::new(snapshot(policy))).unwrap();
    engine
}

type Lines<'a> = [(&'a [u8], &'a [u8])];

fn view<'a>(method: &'a str, target: &'a str, headers: &'a Lines<'a>) -> RequestView<'a> {
    RequestView {
        method: method.as_bytes(),
        authority: Some(b"api.example.com"),
        target: target.as_bytes(),
        headers,
        credential: Credential::FromHeaders,
        ..RequestView::default()
    }
}

const NOW: Now = Now {
    wall_us: Some(1_000_000),
    mono_us: 0,
};

/// Begins with a request that is gone afterwards, so that whatever is read later is the exchange's own.
fn begin<'e>(
    engine: &Engine,
    exchange: &'e mut Exchange,
    worker: &mut Worker,
    (method, target, token): (&str, &str, &str),
    carries: Carries,
) -> Next<'e> {
    let bearer = format!("Bearer {token}");
    let lines: [(&[u8], &[u8]); 2] = [
        (b"authorization", bearer.as_bytes()),
        (b"content-type", b"text/plain"),
    ];
    engine.begin(exchange, worker, &view(method, target, &lines), carries, NOW)
}

fn claims(sub: &str, tenant: &str) -> String {
    format!(r#"{{"iss":"https://idp.example.com/","aud":"a","sub":"{sub}","tenant":"{tenant}","exp":1000}}"#)
}

#[test]
fn an_opaque_token_is_asked_about_and_decides() {
    let (engine, mut worker, mut exchange) = (engine(POLICY), Worker::default(), Exchange::new());
    let asked = ("GET", "/orders/t1", "opaque.token");
    let good = claims("u1", "t1");
    for (heard, effect, reason, detail) in [
        (
            Introspection::Active {
                issuer: "corp",
                claims: good.as_bytes(),
            },
            Effect::Allow,
            Reason::Allowed,
            None,
        ),
        (
            Introspection::Active {
                issuer: "corp",
                claims: br#"{"sub":"u1","tenant":"t2","aud":["b","a"]}"#,
            },
            Effect::Deny,
            Reason::NoRule,
            None,
        ),
        (
            Introspection::Active {
                issuer: "corp",
                claims: br#"{"sub":"u1","tenant":"t1","aud":"b"}"#,
            },
            Effect::Deny,
            Reason::InvalidToken,
            Some("wrong_audience"),
        ),
        (
            Introspection::Active {
                issuer: "corp",
                claims: br#"{"sub":"u1","tenant":"t1","aud":"a","exp":-30}"#,
            },
            Effect::Deny,
            Reason::InvalidToken,
            Some("malformed_token"),
        ),
        (
            Introspection::Active {
                issuer: "nobody",
                claims: b"{}",
            },
            Effect::Deny,
            Reason::InvalidToken,
            Some("unknown_issuer"),
        ),
        (
            Introspection::Inactive {
                issuer: "corp",
                fault: "expired",
            },
            Effect::Deny,
            Reason::InvalidToken,
            Some("expired"),
        ),
        (
            Introspection::Unavailable,
            Effect::Deny,
            Reason::InvalidToken,
            Some("not_verified"),
        ),
    ] {
        // Another worker would know the token.
        worker.forget_tokens();
        let next = begin(&engine, &mut exchange, &mut worker, asked, ALL);
        assert!(matches!(next, Next::Introspect(b"opaque.token")), "{next:?}");
        assert!(exchange.is_pending() && exchange.decision().effect() == Effect::Deny);
        let forwards = matches!(
            exchange.introspected(&mut worker, heard, NOW).unwrap(),
            Next::Forward(_)
        );
        let decision = exchange.decision();
        assert_eq!(
            (decision.effect(), decision.reason(), decision.detail()),
            (effect, reason, detail)
        );
        assert_eq!(forwards, effect == Effect::Allow);
        assert!(exchange.introspected(&mut worker, heard, NOW).is_err());
    }
}

#[test]
fn what_is_known_of_an_opaque_token_is_kept_for_a_minute_and_never_past_its_end() {
    let policy = POLICY.replace("opaque;", "opaque; leeway 0s;");
    for (exp, kept_s) in [(1_000_000, 60), (20, 20)] {
        let (engine, mut worker, mut exchange) = (engine(&policy), Worker::default(), Exchange::new());
        let claims = format!(r#"{{"sub":"u1","tenant":"t1","aud":"a","exp":{exp}}}"#);
        let lines: [(&[u8], &[u8]); 1] = [(b"authorization", b"Bearer opaque.token")];
        let mut at = |second: i64| {
            let now = Now {
                wall_us: Some(second * 1_000_000),
                mono_us: 0,
            };
            let view = view("GET", "/orders/t1", &lines);
            let asks = matches!(
                engine.begin(&mut exchange, &mut worker, &view, ALL, now),
                Next::Introspect(_)
            );
            if asks {
                let heard = Introspection::Active {
                    issuer: "corp",
                    claims: claims.as_bytes(),
                };
                exchange.introspected(&mut worker, heard, now).unwrap();
            }
            (asks, exchange.decision().effect())
        };
        assert_eq!(at(0), (true, Effect::Allow));
        assert_eq!(at(kept_s - 1), (false, Effect::Allow));
        let (asks, effect) = at(kept_s);
        assert!(asks);
        assert_eq!(effect == Effect::Allow, exp > kept_s);
    }
}

#[test]
fn an_answer_counts_for_opaque_issuers_alone() {
    let other = r#"issuer other { url "https://other.example.com/"; audience "a"; verified by gateway; }
principal guest = token from other;"#;
    let policy = POLICY.replace("principal customer", &format!("{other}\nprincipal customer"));
    let policy = policy.replace("allow anyone to GET /open", "allow guest to GET /open");
    let (engine, mut worker, mut exchange) = (engine(&policy), Worker::default(), Exchange::new());
    begin(
        &engine,
        &mut exchange,
        &mut worker,
        ("GET", "/open", "s3cret"),
        ALL,
    );
    let bytes = format!("{:?}", b"s3cret");
    let printed = format!("{exchange:?}");
    assert!(!printed.contains("s3cret") && !printed.contains(bytes.trim_matches(['[', ']'])));
    let heard = Introspection::Active {
        issuer: "other",
        claims: br#"{"sub":"root"}"#,
    };
    exchange.introspected(&mut worker, heard, NOW).unwrap();
    let decision = exchange.decision();
    assert_eq!(
        (decision.effect(), decision.detail()),
        (Effect::Deny, Some("unknown_issuer"))
    );
}

#[test]
fn a_step_without_a_clock_goes_by_the_time_of_the_beginning() {
    let policy = POLICY.replace("  allow anyone", "  sunset 1970-01-01T00:00:00Z;\n  allow anyone");
    let (engine, mut worker, mut exchange) = (engine(&policy), Worker::default(), Exchange::new());
    let asked = ("GET", "/orders/t1", "t");
    begin(&engine, &mut exchange, &mut worker, asked, ALL);
    let claims = claims("u1", "t1");
    let heard = Introspection::Active {
        issuer: "corp",
        claims: claims.as_bytes(),
    };
    exchange.introspected(&mut worker, heard, Now::default()).unwrap();
    assert_eq!(exchange.decision().reason(), Reason::Gone);
}

#[test]
fn only_what_the_decision_may_depend_on_is_asked_about() {
    let (engine, mut worker, mut exchange) = (engine(POLICY), Worker::default(), Exchange::new());
    let none = Carries {
        introspection: false,
        ..ALL
    };
    // A host that does not ask gets what `decide` says.
    begin(
        &engine,
        &mut exchange,
        &mut worker,
        ("GET", "/orders/t1", "x"),
        none,
    );
    let snapshot = snapshot(POLICY);
    let lines: [(&[u8], &[u8]); 2] = [(b"authorization", b"Bearer x"), (b"content-type", b"text/plain")];
    let decided = decide(&snapshot, &view("GET", "/orders/t1", &lines), NOW, &mut worker).to_owned();
    assert_eq!(exchange.decision(), &decided);
    assert_eq!(decided.detail(), Some("not_verified"));
    for asked in [
        ("GET", "/orders/%zz", "x"),
        ("GET", "/orders/t1", "not one token"),
    ] {
        let next = begin(&engine, &mut exchange, &mut worker, asked, ALL);
        assert!(matches!(next, Next::Reply(_)), "{asked:?} {next:?}");
    }
    let no_token = engine.begin(&mut exchange, &mut worker, &view("GET", "/open", &[]), ALL, NOW);
    assert!(matches!(no_token, Next::Forward(_)), "{no_token:?}");
    let plain = self::engine(&POLICY.replace("opaque;", "verified by gateway;"));
    let next = begin(
        &plain,
        &mut exchange,
        &mut worker,
        ("GET", "/orders/t1", "x"),
        ALL,
    );
    assert!(matches!(next, Next::Reply(_)), "{next:?}");
}

/// Every way in which two exchanges of one worker can take turns gives each the verdict that it has alone.
#[test]
fn two_waiting_exchanges_on_one_worker_do_not_meet() {
    let engine = engine(POLICY);
    let mut worker = Worker::default();
    for mine_first in [true, false] {
        worker.forget_tokens();
        let (mut one, mut two, mut third) = (Exchange::new(), Exchange::new(), Exchange::new());
        begin(&engine, &mut one, &mut worker, ("GET", "/orders/t1", "one"), ALL);
        begin(&engine, &mut two, &mut worker, ("POST", "/orders/t2", "two"), ALL);
        // Other requests are decided meanwhile, and the policy is another one.
        let next = engine.begin(&mut third, &mut worker, &view("GET", "/open", &[]), ALL, NOW);
        assert!(matches!(next, Next::Forward(_)), "{next:?}");
        engine.swap(Arc::new(snapshot("gate 1;"))).unwrap();
        let next = engine.begin(&mut third, &mut worker, &view("GET", "/open", &[]), ALL, NOW);
        assert!(matches!(next, Next::Reply(_)), "{next:?}");
        assert!(
            matches!(one.next(), Next::Introspect(b"one")) && matches!(two.next(), Next::Introspect(b"two"))
        );
        let (c1, c2) = (claims("u1", "t1"), claims("u2", "t2"));
        let answer = |exchange: &mut Exchange, worker: &mut Worker, claims: &str| {
            let active = Introspection::Active {
                issuer: "corp",
                claims: claims.as_bytes(),
            };
            exchange.introspected(worker, active, NOW).unwrap();
        };
        if mine_first {
            answer(&mut one, &mut worker, &c1);
            answer(&mut two, &mut worker, &c2);
        } else {
            answer(&mut two, &mut worker, &c2);
            answer(&mut one, &mut worker, &c1);
        }
        assert!(matches!(one.next(), Next::Forward(rewrites) if rewrites.target == "/orders/t1"));
        assert!(one.decision().response_set().eq([("x-tenant", "t1")]));
        assert!(
            matches!(two.next(), Next::Charge(charges) if charges.iter().map(|c| c.key).eq(["token.iss:4:corp,token.sub:2:u2"]))
        );
        engine.swap(Arc::new(snapshot(POLICY))).unwrap();
    }
}

#[test]
fn every_step_of_one_exchange_and_then_the_next_in_the_same_buffers() {
    let (engine, mut worker, mut exchange) = (engine(POLICY), Worker::default(), Exchange::new());
    for _ in 0..2 {
        worker.forget_tokens();
        begin(
            &engine,
            &mut exchange,
            &mut worker,
            ("POST", "/orders/t1", "x"),
            ALL,
        );
        let claims = claims("u1", "t1");
        let active = Introspection::Active {
            issuer: "corp",
            claims: claims.as_bytes(),
        };
        let next = exchange.introspected(&mut worker, active, NOW).unwrap();
        assert!(matches!(next, Next::Charge(_)), "{next:?}");
        let admitted = ChargeOutcome {
            admitted: true,
            remaining: 4,
            reset_us: 12_000_000,
        };
        let next = exchange.charged([admitted].into_iter()).unwrap();
        assert!(matches!(next, Next::ReadBody { max: 1_024 }), "{next:?}");
        exchange.request_body(&mut worker, b"hello", false, NOW).unwrap();
        let next = exchange.request_body(&mut worker, b"", true, NOW).unwrap();
        let Next::Forward(rewrites) = next else {
            panic!("{next:?}")
        };
        assert!(
            rewrites.body.is_none() && rewrites.set().any(|line| line == ("accept-encoding", "identity"))
        );
        let next = exchange.response_head(Some(200), Some(JSON_LINES)).unwrap();
        assert!(matches!(next, ResponseNext::Stream(_)), "{next:?}");
        let mut out = Vec::new();
        let next = exchange
            .response_body(&mut worker, b"{\"a\":1,", false, &mut out)
            .unwrap();
        assert!(matches!(next, ResponseNext::Stream(_)), "{next:?}");
        let next = exchange
            .response_body(&mut worker, b"\"b\":2}", true, &mut out)
            .unwrap();
        assert!(matches!(next, ResponseNext::Pass(_)), "{next:?}");
        assert_eq!(out, b"{\"b\":2}");
        let record = exchange.finish(End::Completed, NOW).unwrap();
        assert_eq!((record.status, record.end), (Some(200), End::Completed));
        assert!(
            exchange.snapshot().is_some(),
            "its rules have names until it is cleared"
        );
        exchange.clear();
        assert!(exchange.snapshot().is_none() && exchange.decision().effect() == Effect::Deny);
    }
    // A host that carries less is refused at the beginning of what it cannot carry out.
    for lacks in [
        Carries {
            charges: false,
            ..ALL
        },
        Carries {
            request_body: false,
            ..ALL
        },
        Carries {
            response_body: false,
            ..ALL
        },
    ] {
        worker.forget_tokens();
        begin(
            &engine,
            &mut exchange,
            &mut worker,
            ("POST", "/orders/t1", "x"),
            lacks,
        );
        let claims = claims("u1", "t1");
        let active = Introspection::Active {
            issuer: "corp",
            claims: claims.as_bytes(),
        };
        let next = exchange.introspected(&mut worker, active, NOW).unwrap();
        assert!(
            matches!(&next, Next::Reply(reply) if reply.status == 500),
            "{next:?}"
        );
        assert_eq!(exchange.decision().detail(), Some("demands_not_carried"));
    }
}

/// A call of the host, with what it says.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Call {
    Introspected(bool),
    Charged(bool),
    Chunk,
    Body(bool),
    ResponseHead,
    ResponseChunk,
    ResponseBody(bool),
    Failed,
    Finish,
}

const CALLS: [Call; 13] = [
    Call::Introspected(true),
    Call::Introspected(false),
    Call::Charged(true),
    Call::Charged(false),
    Call::Chunk,
    Call::Body(true),
    Call::Body(false),
    Call::ResponseHead,
    Call::ResponseChunk,
    Call::ResponseBody(true),
    Call::ResponseBody(false),
    Call::Failed,
    Call::Finish,
];

/// A type of which each line is a whole text.
const JSON_LINES: &Lines<'static> = &[(b"content-type", b"application/x-ndjson")];

/// What came of a call that was due.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Came {
    /// Of the request, or the response goes on.
    Done,
    Passed,
    Replaced,
    Reset,
}

impl Came {
    fn of(next: &ResponseNext<'_>) -> Came {
        match next {
            ResponseNext::Stream(_) => Came::Done,
            ResponseNext::Pass(_) => Came::Passed,
            ResponseNext::Replace(_) => Came::Replaced,
            ResponseNext::Reset => Came::Reset,
        }
    }
}

/// What came of it, or nothing where the call was not due.
fn call(exchange: &mut Exchange, worker: &mut Worker, call: Call) -> Option<Came> {
    let claims = claims("u1", "t1");
    let heard = |good| match good {
        true => Introspection::Active {
            issuer: "corp",
            claims: claims.as_bytes(),
        },
        false => Introspection::Inactive {
            issuer: "corp",
            fault: "expired",
        },
    };
    let charge = |admitted| ChargeOutcome {
        admitted,
        remaining: 0,
        reset_us: 1,
    };
    // More than are accepted.
    let body: fn(bool) -> &'static [u8] = |good| if good { b"" } else { &[b'x'; 1_025] };
    let response: fn(bool) -> &'static [u8] = |good| if good { b"{\"a\":2}" } else { b"{\"a\"" };
    let mut out = Vec::new();
    let is_due = match call {
        Call::Introspected(good) => exchange.introspected(worker, heard(good), NOW).is_ok(),
        Call::Charged(good) => exchange.charged([charge(good)].into_iter()).is_ok(),
        Call::Chunk => exchange.request_body(worker, &[b'x'; 600], false, NOW).is_ok(),
        Call::Body(good) => exchange.request_body(worker, body(good), true, NOW).is_ok(),
        Call::ResponseHead => {
            let next = exchange.response_head(Some(200), Some(JSON_LINES));
            return next.ok().map(|next| Came::of(&next));
        }
        Call::ResponseChunk => {
            let next = exchange.response_body(worker, b"{\"a\":1,\"b\":2}\n", false, &mut out);
            let came = next.ok().map(|next| Came::of(&next));
            assert!(came.is_none() || out == b"{\"b\":2}\n");
            return came;
        }
        Call::ResponseBody(good) => {
            let next = exchange.response_body(worker, response(good), true, &mut out);
            return next.ok().map(|next| Came::of(&next));
        }
        Call::Failed => exchange.failed(Reason::Internal, "not_rewritten").is_ok(),
        Call::Finish => exchange.finish(End::Completed, NOW).is_ok(),
    };
    is_due.then_some(Came::Done)
}

fn state(exchange: &Exchange) -> String {
    let passes = exchange.response_edits().is_ok();
    format!("{:?} {:?} {passes}", exchange.next(), exchange.decision())
}

/// Every order of calls from where these have led; between any two of them the worker decides something else.
fn explore(engine: &Engine, worker: &mut Worker, led: &mut Vec<Call>, seen: &mut [u32; 2]) {
    for next in CALLS {
        // Each time the token is asked about.
        worker.forget_tokens();
        let (mut exchange, mut other) = (Exchange::new(), Exchange::new());
        begin(engine, &mut exchange, worker, ("POST", "/orders/t1", "x"), ALL);
        for before in led.iter() {
            begin(engine, &mut other, worker, ("GET", "/orders/t2", "y"), ALL);
            assert!(call(&mut exchange, worker, *before).is_some(), "{led:?}");
        }
        let before = state(&exchange);
        let came = call(&mut exchange, worker, next);
        let asked = [Call::Introspected(true), Call::Charged(true), Call::Body(true)];
        led.push(next);
        let mut answered = led.iter().filter(|call| **call != Call::Chunk);
        let favourable = asked.iter().all(|call| answered.next() == Some(call));
        let over = led.iter().filter(|call| **call == Call::Chunk).count() > 1;
        let sent = led.iter().filter(|call| **call == Call::ResponseChunk).count();
        if let Some(came) = came {
            let forwards = matches!(exchange.next(), Next::Forward(_));
            assert!(!forwards || (favourable && !over), "{led:?}");
            assert_eq!(came == Came::Passed, next == Call::ResponseBody(true), "{led:?}");
            let breaks = next == Call::ResponseBody(false);
            assert_eq!(came == Came::Reset, breaks && sent > 0, "{led:?}");
            assert_eq!(came == Came::Replaced, breaks && sent == 0, "{led:?}");
            seen[0] += u32::from(forwards);
            seen[1] += u32::from(came == Came::Passed);
            // A response has parts without end.
            if sent < 3 {
                explore(engine, worker, led, seen);
            }
        } else {
            assert_eq!(state(&exchange), before, "{led:?}");
        }
        led.pop();
    }
}

#[test]
fn no_order_of_calls_forwards_past_an_open_question() {
    let (engine, mut seen) = (engine(POLICY), [0; 2]);
    explore(&engine, &mut Worker::default(), &mut Vec::new(), &mut seen);
    let [forwarded, passed] = seen;
    // With and without a part of the request's body before its end, each with none to two parts of the response's.
    assert_eq!(passed, 6);
    assert!(forwarded >= 6, "{seen:?}");
}
