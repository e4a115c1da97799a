//! The steps of an exchange, from made-up decisions: order of questions, and that no refusal forwards.

use super::*;
use crate::decide::OwnedRequestBody;

fn allowed() -> OwnedDecision {
    OwnedDecision {
        effect: Effect::Allow,
        status: 200,
        reason: Reason::Allowed,
        quotas: vec![OwnedCharge {
            quota: 0,
            key: "k".into(),
            cost: 1,
            limit: 1,
        }],
        request_body: Some(OwnedRequestBody {
            accept: vec![0],
            max_bytes: 7,
            strip_unknown: false,
        }),
        response_set: vec![("vary".into(), "origin".into()), ("x-rule".into(), "1".into())],
        upstream_target: Some("/a".into()),
        ..OwnedDecision::default()
    }
}

fn reply(exchange: &Exchange) -> (u16, Reason, Vec<&str>) {
    match exchange.next() {
        Next::Reply(reply) => (
            reply.status,
            reply.reason,
            reply.headers.iter().map(|(name, _)| name.as_str()).collect(),
        ),
        other => panic!("{other:?}"),
    }
}

#[test]
fn questions_come_in_order_and_then_it_forwards() {
    let mut exchange = Exchange::of(None, allowed(), false);
    exchange.body(BodyOutcome::Accepted); // not asked yet
    assert!(matches!(exchange.next(), Next::Charge([charge]) if charge.key == "k"));
    exchange.charged(ChargeOutcome::Admitted);
    assert_eq!(exchange.next(), Next::ReadBody { max: 7 });
    exchange.charged(ChargeOutcome::StoreFailed); // no longer asked
    exchange.body(BodyOutcome::Accepted);
    assert!(matches!(exchange.next(), Next::Forward(rewrites) if rewrites.target == "/a"));
}

#[test]
fn refusals_reply() {
    for (outcome, expected) in [
        (
            ChargeOutcome::Refused { retry_after_s: 3 },
            (
                429,
                Reason::QuotaExceeded,
                vec!["retry-after", "vary", "grpc-status"],
            ),
        ),
        (
            ChargeOutcome::StoreFailed,
            (503, Reason::StoreUnavailable, vec!["vary", "grpc-status"]),
        ),
    ] {
        let mut exchange = Exchange::of(None, allowed(), true);
        exchange.charged(outcome);
        assert_eq!(reply(&exchange), expected);
        exchange.charged(ChargeOutcome::Admitted);
        assert_eq!(reply(&exchange), expected);
        assert!(exchange.decision().quotas.is_empty() && exchange.decision().upstream_target.is_none());
    }
    for (outcome, status) in [
        (BodyOutcome::Syntax, 400),
        (BodyOutcome::Shape, 422),
        (BodyOutcome::TooLarge, 413),
        (BodyOutcome::MediaType, 415),
    ] {
        let mut exchange = Exchange::of(None, allowed(), false);
        exchange.charged(ChargeOutcome::Admitted);
        exchange.body(outcome);
        assert_eq!(reply(&exchange).0, status);
    }
}

#[test]
fn a_charged_denial_stays_what_it_is() {
    let denied = OwnedDecision {
        effect: Effect::Deny,
        status: 403,
        reason: Reason::NoRule,
        ..allowed()
    };
    for outcome in [
        ChargeOutcome::Admitted,
        ChargeOutcome::Refused { retry_after_s: 1 },
        ChargeOutcome::StoreFailed,
    ] {
        let mut exchange = Exchange::of(None, denied.clone(), false);
        assert!(matches!(exchange.next(), Next::Charge(_)));
        exchange.charged(outcome);
        assert_eq!((reply(&exchange).0, reply(&exchange).1), (403, Reason::NoRule));
    }
}

#[test]
fn without_a_policy_the_gate_is_shut() {
    let engine = Engine::new();
    let exchange = engine.begin(&mut Worker::default(), &RequestView::default(), Now::default());
    assert_eq!(reply(&exchange), (503, Reason::NoPolicy, vec![]));
    assert!(engine.load(b"no image", &Trust::Unsigned, &|_| None).is_err() && engine.snapshot().is_none());
}

#[test]
fn an_allow_without_a_target_stays_closed() {
    let broken = OwnedDecision {
        upstream_target: None,
        quotas: vec![],
        request_body: None,
        ..allowed()
    };
    assert_eq!(reply(&Exchange::of(None, broken, false)).1, Reason::Internal);
}
