//! The steps of an exchange, from made-up decisions under a policy of one rule: what each answer does to the verdict, and
//! that no refusal forwards.

use super::*;
use std::sync::Arc;

use crate::decision::Charge;
use crate::decision::{Beside, BodyDemand as Demand, Change, Redact, ResponsePlan};

/// Its rule's accept and redaction are those of [`allowed`].
const POLICY: &str = r#"gate 1;
service s {
  allow anyone to POST /a { accept type "text/plain" max 7; redact response { drop a; } }
}
"#;
const PLAIN: HeadLines = &[(b"content-type", b"text/plain")];
const JSON: HeadLines = &[(b"content-type", b"application/json")];

type HeadLines = &'static [(&'static [u8], &'static [u8])];

const ALL: Carries = Carries {
    introspection: true,
    charges: true,
    request_body: true,
    response_body: true,
};

const REPORTED: Beside<'_> = Beside {
    report: &[(RuleId(0), true)],
    tried: &[],
    penalties: &[],
    is_preflight: false,
};

fn allowed() -> Decision<'static> {
    Decision {
        effect: Effect::Allow,
        status: 200,
        reason: Reason::Allowed,
        rule: Some(RuleId(0)),
        quotas: &[
            Charge {
                quota: 0,
                key: "k",
                cost: 1,
                limit: 1,
            },
            Charge {
                quota: 1,
                key: "l",
                cost: 1,
                limit: 1,
            },
        ],
        request_body: Some(Demand {
            accept: &[RuleId(0)],
            max_bytes: 7,
            strip_unknown: false,
        }),
        response: Some(ResponsePlan {
            redact: &[Redact::Op("a", Change::Drop)],
            require: &[],
        }),
        request_drop: &["x-d"],
        request_set: &[("x-s", "1")],
        response_drop: &["server"],
        response_set: &[("vary", "origin"), ("x-rule", "1")],
        upstream_target: Some("/a"),
        beside: Some(&REPORTED),
        ..Decision::default()
    }
}

/// An exchange that has come to a decision.
fn decided(decision: &Decision<'_>, carries: Carries, grpc: bool) -> Exchange {
    let policy = portcullis_lang::check::load_text(POLICY).policy.unwrap();
    let image = portcullis_compile::compile(&policy).unwrap();
    let image = crate::Image::load(&image, &crate::Trust::Unsigned).unwrap();
    let data = crate::Data::empty(image.config());
    let mut exchange = Exchange {
        pin: Some(Arc::new(Arc::new(Snapshot::new(image, data)))),
        carries,
        steps: Steps::begin(Waits::default()),
        grpc,
        ..Exchange::default()
    };
    exchange.body.keep_head(PLAIN);
    exchange.settle(exchange.due(decision), decision);
    exchange
}

fn bare() -> Decision<'static> {
    Decision {
        quotas: &[],
        request_body: None,
        response: None,
        ..allowed()
    }
}

fn reply(exchange: &Exchange) -> (u16, Reason, Vec<(&str, &str)>) {
    match exchange.next() {
        Next::Reply(reply) => (reply.status, reply.reason, reply.headers.collect()),
        other => panic!("{other:?}"),
    }
}

const fn outcome(admitted: bool, reset_us: u64) -> ChargeOutcome {
    ChargeOutcome {
        admitted,
        remaining: 0,
        reset_us,
    }
}

/// What became of the charges.
#[derive(Clone, Copy)]
enum Charged {
    Outcomes(&'static [ChargeOutcome]),
    StoreFailed,
}

const ADMITTED: Charged = Charged::Outcomes(&[outcome(true, 0), outcome(true, 9_000_000)]);

fn charge(exchange: &mut Exchange, charged: Charged) -> Result<Next<'_>, OutOfOrder> {
    match charged {
        Charged::Outcomes(outcomes) => exchange.charged(outcomes.iter().copied()),
        Charged::StoreFailed => exchange.store_failed(),
    }
}

#[test]
fn questions_come_in_order_and_then_it_forwards() {
    let (mut worker, now) = (Worker::default(), Now::default());
    let mut exchange = decided(&allowed(), ALL, false);
    assert!(exchange.request_body(&mut worker, b"", true, now).is_err());
    assert!(exchange.is_pending() && exchange.request_trailers().is_err());
    assert!(matches!(exchange.next(), Next::Charge(charges) if charges.iter().map(|c| c.key).eq(["k", "l"])));
    let next = charge(&mut exchange, ADMITTED).unwrap();
    assert!(matches!(next, Next::ReadBody { max: 7 }), "{next:?}");
    assert!(charge(&mut exchange, Charged::StoreFailed).is_err());
    for chunk in [&b"seve"[..], b"", b"n b"] {
        let next = exchange.request_body(&mut worker, chunk, false, now).unwrap();
        assert!(matches!(next, Next::ReadBody { max: 7 }), "{next:?}");
    }
    let next = exchange.request_body(&mut worker, b"", true, now).unwrap();
    let Next::Forward(rewrites) = next else {
        panic!("{next:?}")
    };
    assert_eq!(rewrites.target, "/a");
    assert!(rewrites.body.is_none(), "it goes as it came");
    // Nothing can be read of a response but all of it as it is.
    assert!(
        rewrites
            .drop()
            .eq(["x-d", "accept-encoding", "if-range", "range"])
    );
    assert_eq!((rewrites.drop().len(), rewrites.set().len()), (4, 2));
    assert!(rewrites.set().eq([("x-s", "1"), ("accept-encoding", "identity")]));
    assert!(!exchange.is_pending() && exchange.request_trailers().unwrap().eq(["x-d", "x-s"]));

    let plain = decided(&bare(), ALL, false);
    let Next::Forward(rewrites) = plain.next() else {
        panic!("{plain:?}")
    };
    assert!(rewrites.drop().eq(["x-d"]) && rewrites.set().eq([("x-s", "1")]));
}

#[test]
fn a_response_passes_when_its_plan_was_carried_out() {
    let (mut worker, mut out) = (Worker::default(), Vec::new());
    let mut exchange = decided(&plan_of_all(), ALL, false);
    assert!(
        exchange
            .response_body(&mut worker, b"{}", true, &mut out)
            .is_err()
    );
    let lines: [(&[u8], &[u8]); 5] = [
        (b"Server", b"x"),
        (b"Vary", b"accept"),
        (b"Content-Length", b"13"),
        (b"ETag", b"\"1\""),
        (b"Content-Type", b"application/json"),
    ];
    let next = exchange.response_head(Some(200), Some(&lines)).unwrap();
    let ResponseNext::Stream(edits) = next else {
        panic!("{next:?}")
    };
    assert!(
        edits.remove().eq(["server", "content-length", "etag"]),
        "the upstream's vary stays, and what tells of the bytes that came does not"
    );
    assert!(edits.add().eq([("vary", "origin"), ("x-rule", "1")]));
    assert!(exchange.response_head(Some(200), None).is_err());
    for (chunk, is_end) in [(&b"{\"a\":"[..], false), (b"1,\"b", false), (b"\":2}", true)] {
        let next = exchange
            .response_body(&mut worker, chunk, is_end, &mut out)
            .unwrap();
        assert_eq!(matches!(next, ResponseNext::Pass(_)), is_end, "{next:?}");
        assert_eq!(matches!(next, ResponseNext::Stream(_)), !is_end);
    }
    assert_eq!(out, b"{\"b\":2}");
    assert!(exchange.response_body(&mut worker, b"", true, &mut out).is_err());
    let trailers: Vec<&str> = exchange.response_trailers().unwrap().collect();
    assert_eq!(trailers[..3], ["server", "vary", "x-rule"]);
    assert!(trailers.contains(&"digest"));

    // With the response's lines at hand, only what is there is removed.
    let mut exchange = decided(&bare(), Carries::default(), false);
    let next = exchange.response_head(Some(200), Some(&lines)).unwrap();
    let ResponseNext::Pass(edits) = next else {
        panic!("{next:?}")
    };
    assert!(edits.remove().eq(["server"]));
}

#[test]
fn a_response_that_a_plan_cannot_read_is_replaced() {
    const HTML: HeadLines = &[(b"content-type", b"text/html")];
    const CODED: HeadLines = &[
        (b"content-type", b"application/json"),
        (b"content-encoding", b"br"),
    ];
    let heads: [(u16, Option<HeadLines>, &str); 6] = [
        (101, Some(JSON), "switching_protocols"),
        (206, Some(JSON), "partial_content"),
        (200, Some(HTML), "media_type"),
        (404, Some(HTML), "media_type"),
        (200, Some(CODED), "content_coding"),
        (200, None, "media_type"),
    ];
    for (status, lines, detail) in heads {
        let mut exchange = decided(&plan_of_all(), ALL, false);
        let next = exchange.response_head(Some(status), lines).unwrap();
        assert!(
            matches!(&next, ResponseNext::Replace(reply) if (reply.status, reply.reason) == (502, Reason::ResponseUnreadable)),
            "{status} {next:?}"
        );
        assert_eq!(exchange.decision().detail(), Some(detail));
        assert!(exchange.response_edits().is_err() && exchange.response_trailers().is_err());
        let record = exchange.finish(End::Completed, Now::default()).unwrap();
        assert_eq!(
            (record.status, record.decision.effect()),
            (Some(502), Effect::Deny)
        );
    }
    // Where no body is, none is read.
    const EMPTY: HeadLines = &[(b"content-type", b"text/html"), (b"content-length", b"0")];
    for (status, lines, is_head) in [
        (204, HTML, false),
        (304, CODED, false),
        (200, HTML, true),
        (200, EMPTY, false),
    ] {
        let mut exchange = decided(&plan_of_all(), ALL, false);
        exchange.is_head = is_head;
        let next = exchange.response_head(Some(status), Some(lines)).unwrap();
        assert!(matches!(next, ResponseNext::Pass(_)), "{status} {next:?}");
    }
}

#[test]
fn a_response_that_breaks_is_replaced_before_its_first_byte_and_reset_after_it() {
    let mut worker = Worker::default();
    let long = format!("{{\"b\":\"{}\"", "x".repeat(100_000));
    for (first, rest, is_reset) in [
        (long.as_bytes(), &b",]"[..], true),
        (b"{", b"\"a\" 1}", false),
        (b"", b"<p>", false),
    ] {
        let (mut exchange, mut out) = (decided(&plan_of_all(), ALL, false), Vec::new());
        exchange.response_head(Some(200), Some(JSON)).unwrap();
        let next = exchange
            .response_body(&mut worker, first, false, &mut out)
            .unwrap();
        assert!(matches!(next, ResponseNext::Stream(_)), "{next:?}");
        let is_sent = !out.is_empty();
        assert!(is_sent || !is_reset);
        let next = exchange.response_body(&mut worker, rest, true, &mut out).unwrap();
        match next {
            ResponseNext::Reset => assert!(is_sent),
            ResponseNext::Replace(reply) => {
                assert!(!is_sent);
                assert_eq!((reply.status, reply.reason), (502, Reason::ResponseUnreadable));
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(exchange.decision().detail(), Some("not_json"));
        assert!(exchange.response_body(&mut worker, b"", true, &mut out).is_err());
        assert!(exchange.failed(Reason::Internal, "late").is_err() || !is_sent);
        let record = exchange.finish(End::Completed, Now::default()).unwrap();
        let expected = if is_sent {
            (None, End::Aborted)
        } else {
            (Some(502), End::Completed)
        };
        assert_eq!((record.status, record.end), expected);
    }
}

fn plan_of_all() -> Decision<'static> {
    Decision {
        response: allowed().response,
        ..bare()
    }
}

#[test]
fn refusals_reply() {
    let refused = const { Charged::Outcomes(&[outcome(false, 2_000_001), outcome(false, 1)]) };
    let too_few = const { Charged::Outcomes(&[outcome(true, 0)]) };
    let vary = ("vary", "origin");
    for (charged, expected) in [
        (
            refused,
            (
                429,
                Reason::QuotaExceeded,
                vec![("retry-after", "3"), vary, ("grpc-status", "8")],
            ),
        ),
        (
            Charged::StoreFailed,
            (503, Reason::StoreUnavailable, vec![vary, ("grpc-status", "14")]),
        ),
        (too_few, (500, Reason::Internal, vec![vary, ("grpc-status", "2")])),
    ] {
        let mut exchange = decided(&allowed(), ALL, true);
        charge(&mut exchange, charged).unwrap();
        assert_eq!(reply(&exchange), expected);
        assert!(charge(&mut exchange, ADMITTED).is_err());
        assert_eq!(reply(&exchange), expected);
        let decision = exchange.decision();
        assert!(decision.quotas().len() == 0 && decision.upstream_target().is_none());
        assert!(decision.rule().is_none() && decision.response().is_none() && decision.report().len() == 1);
    }
    let (mut worker, now) = (Worker::default(), Now::default());
    for grpc in [false, true] {
        for (parts, is_end) in [(&[&b"eight by"[..]][..], false), (&[b"eight", b" by"], true)] {
            let mut exchange = decided(&allowed(), ALL, grpc);
            charge(&mut exchange, ADMITTED).unwrap();
            for part in parts {
                exchange
                    .request_body(&mut worker, part, is_end && *part == b" by", now)
                    .unwrap();
            }
            let expected = if grpc {
                vec![vary, ("grpc-status", "3")]
            } else {
                vec![vary]
            };
            assert_eq!(reply(&exchange), (413, Reason::TooLarge, expected));
            assert!(exchange.request_body(&mut worker, b"", true, now).is_err());
            let Next::Reply(reply) = exchange.next() else {
                panic!("{exchange:?}")
            };
            // A gRPC client reads no problem.
            assert_eq!(
                reply.problem.is_some_and(|text| text.contains("\"status\":413")),
                !grpc
            );
        }
    }
}

#[test]
fn a_charged_denial_stays_what_it_is() {
    let denied = Decision {
        effect: Effect::Deny,
        status: 403,
        reason: Reason::NoRule,
        ..allowed()
    };
    for charged in [ADMITTED, Charged::Outcomes(&[]), Charged::StoreFailed] {
        let mut exchange = decided(&denied, ALL, false);
        assert!(matches!(exchange.next(), Next::Charge(_)));
        charge(&mut exchange, charged).unwrap();
        assert_eq!((reply(&exchange).0, reply(&exchange).1), (403, Reason::NoRule));
    }
    let exchange = decided(&denied, Carries::default(), false);
    assert_eq!(
        reply(&exchange).1,
        Reason::NoRule,
        "it stands without being charged"
    );
}

#[test]
fn an_allow_that_demands_what_is_not_carried_is_refused() {
    let none = Carries::default();
    for (demand, carried) in [
        (
            Decision {
                quotas: allowed().quotas,
                ..bare()
            },
            Carries {
                charges: true,
                ..none
            },
        ),
        (
            Decision {
                request_body: allowed().request_body,
                ..bare()
            },
            Carries {
                request_body: true,
                ..none
            },
        ),
        (
            Decision {
                response: allowed().response,
                ..bare()
            },
            Carries {
                response_body: true,
                ..none
            },
        ),
    ] {
        let all_others = Carries {
            charges: !carried.charges,
            request_body: !carried.request_body,
            response_body: !carried.response_body,
            introspection: true,
        };
        let exchange = decided(&demand, all_others, false);
        assert_eq!(reply(&exchange), (500, Reason::Internal, vec![]));
        assert_eq!(exchange.decision().detail(), Some("demands_not_carried"));
        assert!(!matches!(decided(&demand, carried, false).next(), Next::Reply(_)));
    }
    assert!(matches!(decided(&bare(), none, false).next(), Next::Forward(_)));
}

#[test]
fn what_cannot_be_carried_out_is_taken_back() {
    let mut exchange = decided(&bare(), ALL, false);
    exchange.response_head(Some(200), None).unwrap();
    exchange
        .failed(Reason::Internal, "response_not_rewritten")
        .unwrap();
    assert_eq!(reply(&exchange), (500, Reason::Internal, vec![]));
    assert_eq!(exchange.decision().detail(), Some("response_not_rewritten"));
    assert!(exchange.failed(Reason::Internal, "again").is_err() && exchange.response_trailers().is_err());
}

#[test]
fn a_request_that_cannot_be_read_is_replied_to() {
    let mut exchange = decided(&allowed(), ALL, true);
    exchange.reject(Reason::Internal, "property_unreadable");
    assert_eq!(reply(&exchange), (500, Reason::Internal, vec![]));
    assert_eq!(exchange.decision().detail(), Some("property_unreadable"));
    assert!(!exchange.is_pending() && charge(&mut exchange, ADMITTED).is_err());
}

#[test]
fn the_record_tells_what_the_client_got() {
    let at = |mono_us| Now {
        wall_us: None,
        mono_us,
    };
    let mut exchange = decided(&bare(), ALL, false);
    exchange.begun.mono_us = 5;
    exchange.response_head(Some(404), None).unwrap();
    let record = exchange.finish(End::Completed, at(9)).unwrap();
    assert_eq!(
        (record.status, record.end, record.duration_us),
        (Some(404), End::Completed, 4)
    );
    assert_eq!(record.decision.reason(), Reason::Allowed);
    assert!(
        exchange.finish(End::Completed, at(9)).is_err() && exchange.response_head(Some(200), None).is_err()
    );
    assert_eq!(reply(&exchange).1, Reason::Internal);

    let mut exchange = decided(&allowed(), ALL, false);
    let record = exchange.finish(End::Completed, at(0)).unwrap();
    assert_eq!(
        (record.status, record.end),
        (None, End::Aborted),
        "a charge was still due"
    );
    assert_eq!(
        exchange.decision().effect(),
        Effect::Deny,
        "and nothing was granted"
    );
}

#[test]
fn without_a_policy_the_gate_is_shut() {
    let engine = crate::Engine::new();
    let (mut exchange, mut worker) = (Exchange::new(), Worker::default());
    engine.begin(
        &mut exchange,
        &mut worker,
        &RequestView::default(),
        ALL,
        Now::default(),
    );
    assert_eq!(reply(&exchange), (503, Reason::NoPolicy, vec![]));
    assert!(
        engine
            .load(b"no image", &crate::Trust::Unsigned, &|_| None)
            .is_err()
            && engine.snapshot().is_none()
    );
    exchange.finish(End::Completed, Now::default()).unwrap();
}

#[test]
fn an_allow_without_a_target_stays_closed() {
    let broken = Decision {
        upstream_target: None,
        ..bare()
    };
    assert_eq!(reply(&decided(&broken, ALL, false)).1, Reason::Internal);
}
