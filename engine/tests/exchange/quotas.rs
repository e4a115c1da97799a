//! Quotas that hold: an engine with a store of its own charges by itself, answers 429 with the fields of rate limits, ends
//! what is in flight, and keeps what was spent over a reload.

use std::collections::BTreeMap;
use std::sync::Arc;

use portcullis::decision::{Effect, Reason};
use portcullis::exchange::{ChargeOutcome, End};
use portcullis::quota::{QuotaStore, Seed};
use portcullis::{Carries, Engine, Exchange, Next, Now, RequestView, ResponseNext, Worker};

use super::snapshot;

const SECOND: u64 = 1_000_000;
const NOTHING: Carries = Carries {
    introspection: false,
    charges: false,
    request_body: false,
    response_body: false,
};
const CHARGES: Carries = Carries {
    charges: true,
    ..NOTHING
};

/// A gateway of one thread.
struct Gateway {
    engine: Engine,
    worker: Worker,
    carries: Carries,
    bearer: Option<&'static str>,
}

/// What became of one request.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    status: u16,
    reason: Reason,
    headers: BTreeMap<String, String>,
}

impl Gateway {
    fn new(policy: &str) -> Gateway {
        let engine = Engine::new().with_quotas(QuotaStore::new(1_000, Seed::new([5; 16])));
        engine.swap(Arc::new(snapshot(policy))).unwrap();
        Gateway {
            engine,
            worker: Worker::default(),
            carries: NOTHING,
            bearer: None,
        }
    }

    fn begin<'e>(&mut self, exchange: &'e mut Exchange, (client, path): (&str, &str), us: u64) -> Next<'e> {
        let lines: Vec<(&[u8], &[u8])> = self
            .bearer
            .iter()
            .map(|text| (&b"authorization"[..], text.as_bytes()))
            .collect();
        let view = RequestView {
            headers: &lines,
            method: b"GET",
            authority: Some(b"api.example.com"),
            target: path.as_bytes(),
            socket_peer: Some(client.parse().unwrap()),
            ..RequestView::default()
        };
        self.engine
            .begin(exchange, &mut self.worker, &view, self.carries, at(us))
    }

    /// One request from its beginning to its end, answered 200 by the upstream if it is forwarded.
    fn ask(&mut self, who: (&str, &str), us: u64) -> Answer {
        let mut exchange = Exchange::new();
        self.begin(&mut exchange, who, us);
        answer(&mut exchange, us)
    }
}

fn at(us: u64) -> Now {
    Now {
        wall_us: Some(us as i64),
        mono_us: us,
    }
}

fn answer(exchange: &mut Exchange, us: u64) -> Answer {
    let lines = |lines: portcullis::decision::HeaderLines<'_>| {
        lines
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .collect()
    };
    let (status, headers) = match exchange.next() {
        Next::Reply(reply) => (reply.status, lines(reply.headers)),
        Next::Forward(_) => match exchange.response_head(Some(200), None).unwrap() {
            ResponseNext::Pass(edits) => (200, lines(edits.add())),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    };
    let reason = exchange.finish(End::Completed, at(us)).unwrap().decision.reason();
    Answer {
        status,
        reason,
        headers,
    }
}

fn policy(rules: &str) -> String {
    format!("gate 1;\nservice s on \"api.example.com\" {{ allow anyone to GET /a/**; {rules} }}")
}

const ONE: (&str, &str) = ("192.0.2.1", "/a/x");
const OTHER: (&str, &str) = ("192.0.2.2", "/a/x");

#[test]
fn a_rate_is_held_and_the_fields_tell_it() {
    let mut gateway = Gateway::new(&policy("on GET /a/** { limit 2 per 10s burst 3 by client.ip; }"));
    for left in [2, 1, 0] {
        let allowed = gateway.ask(ONE, SECOND);
        assert_eq!(allowed.status, 200);
        assert_eq!(allowed.headers["ratelimit-policy"], r#""s/inline-2";q=2;w=10"#);
        assert_eq!(
            allowed.headers["ratelimit"],
            format!(r#""s/inline-2";r={left};t={}"#, 5 * (3 - left))
        );
        assert!(!allowed.headers.contains_key("retry-after"));
    }
    let refused = gateway.ask(ONE, SECOND);
    assert_eq!((refused.status, refused.reason), (429, Reason::QuotaExceeded));
    assert_eq!(refused.headers["retry-after"], "5");
    assert_eq!(refused.headers["ratelimit"], r#""s/inline-2";r=0;t=5"#);
    assert_eq!(gateway.ask(OTHER, SECOND).status, 200, "another key");
    // One microsecond too early, and then.
    assert_eq!(gateway.ask(ONE, 6 * SECOND - 1).status, 429);
    assert_eq!(gateway.ask(ONE, 6 * SECOND).status, 200);
}

/// Q10: who is denied is not charged, but by what counts denied requests.
#[test]
fn q10_denied_requests_are_not_charged() {
    let mut gateway = Gateway::new(&policy(
        "on GET /** { limit 1 per 1h by client.ip; } \
         on GET /b { limit 2 per 1h by client.ip counting denied; }",
    ));
    for left in [1, 0, 0] {
        let denied = gateway.ask((ONE.0, "/b"), SECOND);
        assert_eq!(
            (denied.status, denied.reason),
            (404, Reason::NoRoute),
            "it stays the denial it is"
        );
        assert!(
            denied.headers["ratelimit"].starts_with(&format!(r#""s/inline-2";r={left};"#)),
            "{denied:?}"
        );
    }
    assert_eq!(gateway.ask(ONE, SECOND).status, 200);
    assert_eq!(gateway.ask(ONE, SECOND).status, 429);
}

#[test]
fn all_of_a_requests_quotas_are_charged_or_none() {
    let mut gateway = Gateway::new(&policy(
        "on GET /a/** { limit 5 per 1h by client.ip; } on GET /a/x { limit 1 per 1m by client.ip; }",
    ));
    assert_eq!(gateway.ask(ONE, SECOND).status, 200);
    for _ in 0..10 {
        let refused = gateway.ask(ONE, SECOND);
        assert_eq!(refused.headers["retry-after"], "60");
        assert_eq!(
            refused.headers["ratelimit"],
            r#""s/inline-1";r=0;t=60, "s/inline-5";r=4"#
        );
    }
    for left in [3, 2, 1, 0] {
        let field = &gateway.ask((ONE.0, "/a/y"), SECOND).headers["ratelimit"];
        assert!(
            field.starts_with(&format!(r#""s/inline-5";r={left};"#)),
            "{field}"
        );
    }
}

#[test]
fn what_is_in_flight_ends_with_its_exchange_however_that_ends() {
    let mut gateway = Gateway::new(&policy(
        "on GET /a/** { limit at most 2 in flight by client.ip; }",
    ));
    let (mut first, mut second) = (Exchange::new(), Exchange::new());
    assert!(matches!(gateway.begin(&mut first, ONE, SECOND), Next::Forward(_)));
    assert!(matches!(
        gateway.begin(&mut second, ONE, SECOND),
        Next::Forward(_)
    ));
    let refused = gateway.ask(ONE, SECOND);
    assert_eq!(
        (refused.status, refused.headers["ratelimit"].as_str()),
        (429, r#""s/inline-2";r=0;t=1"#)
    );
    // Finished; dropped; begun again; cleared.
    assert_eq!(
        answer(&mut first, SECOND).headers["ratelimit"],
        r#""s/inline-2";r=1"#
    );
    assert!(matches!(gateway.begin(&mut first, ONE, SECOND), Next::Forward(_)));
    assert_eq!(gateway.ask(ONE, SECOND).status, 429);
    drop(second);
    assert_eq!(gateway.ask(ONE, SECOND).status, 200);
    assert!(matches!(gateway.begin(&mut first, ONE, SECOND), Next::Forward(_)));
    let mut third = Exchange::new();
    assert!(
        matches!(gateway.begin(&mut third, ONE, SECOND), Next::Forward(_)),
        "one was given back"
    );
    assert_eq!(gateway.ask(ONE, SECOND).status, 429);
    third.clear();
    assert_eq!(gateway.ask(ONE, SECOND).status, 200);
}

/// Q11: a reload with another limit keeps what was spent.
#[test]
fn q11_a_reload_keeps_what_was_spent() {
    let limited = |limit: u32| {
        policy("on GET /a/** { limit per_ip; }") + &format!("\nquota per_ip = {limit} per 1h by client.ip;")
    };
    let mut gateway = Gateway::new(&limited(4));
    for _ in 0..4 {
        assert_eq!(gateway.ask(ONE, SECOND).status, 200);
    }
    for limit in [4, 2, 40] {
        gateway.engine.swap(Arc::new(snapshot(&limited(limit)))).unwrap();
        assert_eq!(gateway.ask(ONE, SECOND).status, 429, "{limit}");
        assert_eq!(gateway.ask(OTHER, SECOND).status, 200);
    }
    assert_eq!(
        gateway.ask(ONE, SECOND + 90 * SECOND).status,
        200,
        "40 an hour are one in 90 s"
    );
}

#[test]
fn a_calendar_month_ends_where_it_does_in_its_zone() {
    let mut gateway = Gateway::new(&policy(
        "on GET /a/** { limit 1 per calendar month in \"Europe/Berlin\" by client.ip; }",
    ));
    // 2026-11-30T22:59:59Z is 23:59:59 in Berlin.
    let end = 1_796_079_600 * SECOND;
    let allowed = gateway.ask(ONE, end - SECOND);
    assert_eq!(
        allowed.headers["ratelimit-policy"],
        format!(r#""s/inline-1";q=1;w={}"#, 30 * 86_400)
    );
    assert_eq!(allowed.headers["ratelimit"], r#""s/inline-1";r=0;t=1"#);
    assert_eq!(gateway.ask(ONE, end - 1).headers["retry-after"], "1");
    assert_eq!(gateway.ask(ONE, end).status, 200);
    assert_eq!(gateway.ask(ONE, end + 40).status, 429);
}

const SHARED: &str = "on GET /a/** { limit mine; limit ours; }";

fn shared(failure: &str) -> String {
    policy(SHARED)
        + &format!(
            "\nquota mine = 3 per 1h by client.ip;\nquota ours = 2 per 1h by client.ip shared on store failure {failure};"
        )
}

#[test]
fn what_nodes_share_is_the_hosts_and_is_charged_after_ours() {
    let mut gateway = Gateway::new(&shared("deny"));
    gateway.carries = CHARGES;
    let outcome = |admitted| ChargeOutcome {
        admitted,
        remaining: 1,
        reset_us: 7 * SECOND,
    };
    let mut exchange = Exchange::new();
    for (admitted, status, ours) in [(false, 429, 3), (true, 200, 2), (false, 429, 2)] {
        let next = gateway.begin(&mut exchange, ONE, SECOND);
        let Next::Charge(charges) = next else {
            panic!("{next:?}")
        };
        assert_eq!(charges.iter().len(), 1);
        assert_eq!(charges.iter().map(|charge| charge.limit).collect::<Vec<_>>(), [2]);
        exchange.charged([outcome(admitted)].into_iter()).unwrap();
        let answer = answer(&mut exchange, SECOND);
        assert_eq!(answer.status, status);
        let field = &answer.headers["ratelimit"];
        assert!(field.ends_with(r#""ours";r=1;t=7"#), "{field}");
        let left = gateway.engine.quotas().unwrap().used(portcullis::quota::Instant {
            mono_us: 2 * SECOND,
            wall_us: None,
        });
        assert_eq!(
            left.0,
            usize::from(ours == 2),
            "what the host refused is taken back"
        );
    }
    // Too few or too many outcomes grant nothing.
    gateway.begin(&mut exchange, ONE, SECOND);
    exchange.charged([outcome(true); 2].into_iter()).unwrap();
    assert_eq!(answer(&mut exchange, SECOND).status, 500);
}

/// Q06: the shared store is down, or the host has none.
#[test]
fn q06_where_the_shared_store_fails_the_author_decides() {
    for (failure, statuses) in [
        ("allow", [200, 200, 200, 429]),
        ("local", [200, 200, 429, 429]),
        ("deny", [503; 4]),
    ] {
        let mut gateway = Gateway::new(&shared(failure));
        gateway.carries = CHARGES;
        let mut exchange = Exchange::new();
        let seen = statuses.map(|_| {
            gateway.begin(&mut exchange, ONE, SECOND);
            // Not where this node's own refused before.
            let _ = exchange.store_failed();
            answer(&mut exchange, SECOND).status
        });
        assert_eq!(seen, statuses, "{failure}");
        // A host that carries no charges.
        let mut gateway = Gateway::new(&shared(failure));
        let seen = statuses.map(|_| gateway.ask(ONE, SECOND).status);
        assert_eq!(
            seen,
            statuses.map(|status| if status == 503 { 500 } else { status }),
            "{failure}"
        );
    }
}

/// Without a store everything is the host's, as ever.
#[test]
fn a_host_may_keep_its_own_store() {
    let engine = Engine::new();
    engine.swap(Arc::new(snapshot(&shared("local")))).unwrap();
    let mut gateway = Gateway {
        engine,
        worker: Worker::default(),
        carries: CHARGES,
        bearer: None,
    };
    let mut exchange = Exchange::new();
    let next = gateway.begin(&mut exchange, ONE, SECOND);
    assert!(matches!(next, Next::Charge(charges) if charges.iter().len() == 2));
    gateway.carries = NOTHING;
    gateway.begin(&mut exchange, ONE, SECOND);
    assert_eq!(exchange.decision().effect(), Effect::Deny);
}

/// Penalties: counted by what a request was denied for or answered with, and blocked for as long as the policy says.
#[test]
fn who_is_denied_too_often_is_blocked_for_a_while() {
    let mut gateway = Gateway::new(&policy(
        "block by client.ip for 15m when denied more than 3 per 1m;",
    ));
    let wrong = (ONE.0, "/b");
    for _ in 0..3 {
        assert_eq!(gateway.ask(wrong, SECOND).reason, Reason::NoRoute);
        assert_eq!(gateway.ask(ONE, SECOND).status, 200);
    }
    assert_eq!(
        gateway.ask(wrong, SECOND).reason,
        Reason::NoRoute,
        "the one too many"
    );
    let blocked = gateway.ask(ONE, SECOND);
    assert_eq!((blocked.status, blocked.reason), (403, Reason::Blocked));
    assert_eq!(blocked.headers["retry-after"], "900");
    assert_eq!(gateway.ask(OTHER, SECOND).status, 200, "no other");
    // What it refuses does not prolong it.
    for minute in 1..15 {
        let blocked = gateway.ask(wrong, SECOND + 60 * minute * SECOND);
        assert_eq!(blocked.headers["retry-after"], (900 - 60 * minute).to_string());
    }
    assert_eq!(gateway.ask(ONE, 901 * SECOND - 1).reason, Reason::Blocked);
    assert_eq!(gateway.ask(ONE, 901 * SECOND).status, 200);
    assert_eq!(gateway.ask(wrong, 901 * SECOND).reason, Reason::NoRoute);
}

/// Two on one key count and block each by itself, as of a short time and a long one.
#[test]
fn two_penalties_of_one_service_do_not_share_what_they_count() {
    let mut gateway = Gateway::new(&policy(
        "block by client.ip for 1m when denied more than 3 per 1m; \
         block by client.ip for 1h when denied more than 6 per 1h;",
    ));
    let wrong = (ONE.0, "/b");
    let blocked = |gateway: &mut Gateway, us| gateway.ask(ONE, us).headers.get("retry-after").cloned();
    for _ in 0..3 {
        assert_eq!(gateway.ask(wrong, SECOND).reason, Reason::NoRoute);
        assert_eq!(blocked(&mut gateway, SECOND), None);
    }
    assert_eq!(gateway.ask(wrong, SECOND).reason, Reason::NoRoute);
    assert_eq!(blocked(&mut gateway, SECOND).as_deref(), Some("60"));
    // Four of the six are counted, and a tenth of one has refilled.
    for _ in 0..2 {
        assert_eq!(gateway.ask(wrong, 61 * SECOND).reason, Reason::NoRoute);
        assert_eq!(blocked(&mut gateway, 61 * SECOND), None);
    }
    assert_eq!(gateway.ask(wrong, 61 * SECOND).reason, Reason::NoRoute);
    assert_eq!(blocked(&mut gateway, 61 * SECOND).as_deref(), Some("3600"));
}

/// What the shared store refuses is taken back here, and the client is told how it stands then.
#[test]
fn the_field_of_what_was_taken_back_tells_what_is_left() {
    let mut gateway = Gateway::new(&shared("deny"));
    gateway.carries = CHARGES;
    let mut exchange = Exchange::new();
    gateway.begin(&mut exchange, ONE, SECOND);
    let refused = ChargeOutcome {
        admitted: false,
        remaining: 0,
        reset_us: 7 * SECOND,
    };
    exchange.charged([refused].into_iter()).unwrap();
    let told = answer(&mut exchange, SECOND);
    assert_eq!(
        (
            told.status,
            told.headers["retry-after"].as_str(),
            told.headers["ratelimit"].as_str()
        ),
        (429, "7", r#""mine";r=3, "ours";r=0;t=7"#)
    );
    gateway.begin(&mut exchange, ONE, SECOND);
    exchange.store_failed().unwrap();
    let told = answer(&mut exchange, SECOND);
    assert_eq!(
        (told.status, told.headers["ratelimit"].as_str()),
        (503, r#""mine";r=3;t=1"#)
    );
}

#[test]
fn the_status_of_the_upstream_can_be_counted_and_a_guard_counts_for_all() {
    let text = "gate 1;\nguard g { block by client.ip for 1m when answered 200 more than 2 per 1h; }\n\
        service s on \"api.example.com\" { allow anyone to GET /a/**; }";
    let mut gateway = Gateway::new(text);
    for _ in 0..5 {
        assert_eq!(
            gateway.ask((ONE.0, "/b"), SECOND).reason,
            Reason::NoRoute,
            "a denial is no answer of the upstream"
        );
    }
    for _ in 0..3 {
        assert_eq!(gateway.ask(ONE, SECOND).status, 200);
    }
    assert_eq!(gateway.ask(ONE, SECOND).reason, Reason::Blocked);
}

/// A 429 is no denial that counts, or a client that asks too often would block itself.
#[test]
fn who_asks_too_often_is_not_blocked_for_it() {
    let mut gateway = Gateway::new(&policy(
        "on GET /a/** { limit 1 per 1h by client.ip; } block by client.ip for 15m when denied more than 1 per 1m;",
    ));
    assert_eq!(gateway.ask(ONE, SECOND).status, 200);
    for _ in 0..10 {
        assert_eq!(gateway.ask(ONE, SECOND).reason, Reason::QuotaExceeded);
    }
}

/// Who is blocked by its address costs no verifying, and who cannot be verified is not blocked by what it claims to be.
#[test]
fn a_block_on_an_address_comes_before_credentials_and_one_on_a_caller_after() {
    let text = "gate 1;\n\
        issuer corp { url \"https://idp.example.com/\"; audience \"a\"; opaque; }\n\
        principal customer = token from corp;\n\
        service s on \"api.example.com\" { allow customer to GET /a/**; \
        block by token.sub else client.ip for 1m when denied more than 1 per 1h; \
        block by client.ip for 15m when denied more than 2 per 1h; }";
    let mut gateway = Gateway::new(text);
    gateway.bearer = Some("Bearer e30.e30.e30");
    for reason in [
        Reason::InvalidToken,
        Reason::InvalidToken,
        Reason::InvalidToken,
        Reason::Blocked,
    ] {
        assert_eq!(gateway.ask(ONE, SECOND).reason, reason);
    }
    assert_eq!(gateway.ask(ONE, SECOND).headers["retry-after"], "900");
    // Nor is anybody asked about a token of who is blocked.
    gateway.bearer = Some("Bearer opaque.token");
    gateway.carries.introspection = true;
    let mut exchange = Exchange::new();
    assert!(matches!(
        gateway.begin(&mut exchange, OTHER, SECOND),
        Next::Introspect(_)
    ));
    assert_eq!(gateway.ask(ONE, SECOND).reason, Reason::Blocked);
    gateway.bearer = None;
    assert_eq!(gateway.ask(OTHER, SECOND).reason, Reason::Unauthenticated);
}

/// A step without a clock is no clock that was set back, after which time would be counted twice.
#[test]
fn an_end_without_a_clock_refills_nothing() {
    let text = policy(
        "on GET /a/** { limit 1 per 1h by client.ip; } block by client.ip for 1m when denied more than 9 per 1m;",
    );
    let mut gateway = Gateway::new(&text);
    let hours = 10 * 3_600 * SECOND;
    assert_eq!(gateway.ask(ONE, hours).status, 200);
    let mut exchange = Exchange::new();
    gateway.begin(&mut exchange, (ONE.0, "/b"), hours);
    let record = exchange.finish(End::Completed, Now::default()).unwrap();
    assert_eq!(
        (record.decision.reason(), record.duration_us),
        (Reason::NoRoute, 0)
    );
    assert_eq!(gateway.ask(ONE, hours + SECOND).status, 429);
}

/// `report on .. { limit Q; }`: tried out in buckets of its own, and refuses nothing.
#[test]
fn a_reported_limit_is_tried_out_and_refuses_nothing() {
    let text = policy("report on GET /** { limit tried; } on GET /a/y { limit tried; }")
        + "\nquota tried = 2 per 1h by client.ip;";
    let mut gateway = Gateway::new(&text);
    let mut exchange = Exchange::new();
    for (path, exceeded) in [
        ("/a/x", 0),
        // A denied request is not charged.
        ("/b", 0),
        ("/a/x", 0),
        ("/a/x", 1),
        ("/a/x", 1),
    ] {
        gateway.begin(&mut exchange, (ONE.0, path), SECOND);
        assert_eq!(
            exchange.tried_and_exceeded().collect::<Vec<_>>(),
            vec!["tried"; exceeded],
            "{path}"
        );
        let answer = answer(&mut exchange, SECOND);
        assert_eq!(answer.status, if path == "/b" { 404 } else { 200 });
        assert!(!answer.headers.contains_key("ratelimit"));
    }
    // The limit in force has its own bucket, which is full.
    assert_eq!(
        gateway.ask((ONE.0, "/a/y"), SECOND).headers["ratelimit"],
        r#""tried";r=1;t=1800"#
    );
}

/// Q05: no two lists of values are one key, whatever is in them.
#[test]
fn q05_keys_cannot_imitate_each_other() {
    let text = policy("on GET /a/** { limit pair; }")
        + "\nquota pair = 1 per 1h by request.query.x, request.query.y;";
    let mut gateway = Gateway::new(&text);
    let huge = format!("/a/x?x={}&y=z", "k".repeat(4_000));
    for target in [
        "/a/x?x=a%7Cb&y=c",
        "/a/x?x=a&y=b%7Cc",
        "/a/x?x=a,request.query.y:1:b&y=c",
        "/a/x?x=a&y=b",
        "/a/x?x=A&y=b",
        huge.as_str(),
    ] {
        assert_eq!(gateway.ask((ONE.0, target), SECOND).status, 200, "{target}");
        assert_eq!(gateway.ask((ONE.0, target), SECOND).status, 429, "{target}");
    }
}

/// Q08 and Q09: engines of one process share a store and so its buckets; what is not kept is gone with the process.
#[test]
fn q08_a_store_outlives_engines_and_nothing_else_does() {
    let text = policy("on GET /a/** { limit 1 per 1h by client.ip; }");
    let store = Arc::new(QuotaStore::new(100, Seed::new([6; 16])));
    for status in [200, 429, 429] {
        let mut gateway = Gateway::new(&text);
        gateway.engine = Engine::new().with_quotas(Arc::clone(&store));
        gateway.engine.swap(Arc::new(snapshot(&text))).unwrap();
        assert_eq!(gateway.ask(ONE, SECOND).status, status);
    }
    assert_eq!(Gateway::new(&text).ask(ONE, SECOND).status, 200, "another store");
}
