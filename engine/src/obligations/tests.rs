//! What binds, from hand-made rules and real requests: one scene, one question a test.

use portcullis_base::CredentialKind;
use std::net::IpAddr;

use super::*;
use crate::data::Data;
use crate::decision::{HeaderLines, OwnedDecision};
use crate::image::config::{
    AcceptBody, AcceptKind, AcceptQuery, Amount, Body, ContextFact, HeaderOp, HeaderValue, HostOptions,
    JsonField, KeyFact, Limit, Period, QueryField, QueryType, Quota, RuleDecl, Rules, Source, Type,
    ValueForm,
};
use crate::image::ids::Slot;
use crate::request::Head;
use crate::view::RequestView;

const IP: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

/// A request and a policy of one service, with knobs for what a test is about.
struct Scene<'s> {
    config: Config,
    target: &'s [u8],
    method: &'s [u8],
    headers: Vec<(&'s [u8], &'s [u8])>,
    context: &'s [u8],
    sni: Option<&'s [u8]>,
    now_us: Option<i64>,
    granting: Vec<RuleId>,
    standing: Vec<(RuleId, bool)>,
}

fn rule(id: &str, body: Body) -> RuleDecl {
    RuleDecl {
        id: id.into(),
        body,
        ..RuleDecl::default()
    }
}

/// Slots: 0 `connection.ip`, 1 `context.n` (int), 2 `key.id`, 3 `context.s` (string).
fn rules(rules: &[u32]) -> Vec<RuleId> {
    rules.iter().copied().map(RuleId).collect()
}

fn reported(rules: &[(u32, bool)]) -> Vec<(RuleId, bool)> {
    rules
        .iter()
        .map(|(rule, certain)| (RuleId(*rule), *certain))
        .collect()
}

fn scene<'s>(bodies: Vec<Body>, granting: &[u32], standing: &[(u32, bool)]) -> Scene<'s> {
    let fact = |name: &str, ty| ContextFact {
        name: name.into(),
        ty,
        field: JsonField {
            path: vec![name.into()],
            form: ValueForm::Plain,
            default: None,
        },
    };
    let service = Service {
        name: "s".into(),
        anonymous: false,
        require_tls: false,
        require_sni: false,
        sunset_us: None,
        default_limit: None,
        cors: None,
        resource_metadata: None,
    };
    let config = Config {
        sources: vec![
            Source::ConnectionIp,
            Source::Context(0),
            Source::KeyId,
            Source::Context(1),
        ],
        context: vec![fact("n", Type::Int), fact("s", Type::String)],
        services: vec![service],
        rules: Rules::of(
            bodies
                .into_iter()
                .enumerate()
                .map(|(i, body)| rule(&format!("p.gate:{i}"), body))
                .collect(),
        ),
        ..Config::default()
    };
    Scene {
        config,
        target: b"/a?x=1",
        method: b"GET",
        headers: Vec::new(),
        context: b"",
        sni: None,
        now_us: None,
        granting: rules(granting),
        standing: reported(standing),
    }
}

impl Scene<'_> {
    fn with<R>(&self, f: impl for<'b> FnOnce(&Binding<'b>) -> R) -> R {
        let arena = &Arena::new();
        let view = RequestView {
            method: self.method,
            authority: Some(b"a.example"),
            target: self.target,
            headers: &self.headers,
            socket_peer: Some(IP),
            sni: self.sni,
            context: self.context,
            ..RequestView::default()
        };
        let touched = std::cell::Cell::new(0);
        let head = Head::read(&view, &self.config, arena).expect("a head");
        let canonical = head.normalise(HostOptions::default()).expect("canonical");
        let credentials = Credentials::read(
            &view,
            canonical,
            &self.config,
            crate::identity::Verification::nothing(),
            arena,
        );
        let data = Data::empty(&self.config);
        let facts = Facts::new(
            &self.config,
            &data,
            &view,
            canonical,
            &credentials,
            self.now_us,
            arena,
        );
        f(&Binding {
            config: &self.config,
            service: 0,
            facts: &facts,
            arena,
            canonical,
            credentials: &credentials,
            sni: self.sni,
            now_us: self.now_us,
            granting: &self.granting,
            standing: &self.standing,
            view: View {
                words: &[],
                bytes: &[],
                touched: &touched,
            },
        })
    }

    fn allow(&self) -> OwnedDecision {
        let head = Decision {
            effect: Effect::Allow,
            status: 200,
            reason: Reason::Allowed,
            rule: self.granting.first().copied(),
            ..Decision::default()
        };
        self.with(|b| {
            let mut decision = head;
            let mut draft = Draft::new(&mut decision, b.arena);
            allow(b, &mut draft);
            draft.finish();
            decision.to_owned()
        })
    }

    fn refuse(&self, status: u16) -> OwnedDecision {
        let head = Decision {
            status,
            reason: Reason::NoRule,
            ..Decision::default()
        };
        self.with(|b| {
            let mut decision = head;
            let mut draft = Draft::new(&mut decision, b.arena);
            refuse(b, &mut draft);
            draft.finish();
            decision.to_owned()
        })
    }

    fn service(&mut self) -> &mut Service {
        &mut self.config.services[0]
    }
}

fn quota(name: &str, by: &[(u32, Option<CredentialKind>)]) -> Quota {
    let fact = |&(slot, kind): &(u32, Option<CredentialKind>)| KeyFact {
        text: format!("fact{slot}"),
        slot: Slot(slot),
        prefix: None,
        kind,
    };
    Quota {
        name: name.into(),
        limit: Amount::Fixed(10),
        period: Period::Rate(1_000_000, None),
        by: vec![by.iter().map(fact).collect()],
        cost: Amount::Fixed(1),
        limit_kind: None,
        cost_kind: None,
        counting_denied: false,
        charging: Default::default(),
    }
}

fn limits(uses: &[(u32, Option<Amount>)]) -> Body {
    let limit = |(quota, cost): &(u32, Option<Amount>)| Limit {
        quota: *quota,
        cost: cost.clone(),
        cost_kind: None,
    };
    Body {
        limits: uses.iter().map(limit).collect(),
        ..Body::default()
    }
}

fn header(name: &str, value: Option<HeaderValue>) -> HeaderOp {
    HeaderOp {
        request: false,
        name: name.into(),
        value,
    }
}

fn literal(text: &str) -> Option<HeaderValue> {
    Some(HeaderValue::Literal(text.into()))
}

fn headers_of(ops: Vec<HeaderOp>) -> Body {
    Body {
        headers: ops,
        ..Body::default()
    }
}

fn names(headers: HeaderLines<'_>) -> Vec<&str> {
    headers.map(|(name, _)| name).collect()
}

#[test]
fn a_quota_is_charged_once_at_its_largest_cost() {
    let bodies = vec![
        limits(&[(0, Some(Amount::Fixed(3)))]),
        limits(&[(0, None)]),
        Body::default(),
    ];
    let mut scene = scene(bodies, &[0, 2], &[(1, false)]);
    scene.config.quotas = vec![quota("q", &[(0, None)])];
    let decision = scene.allow();
    assert_eq!(
        decision.quotas().collect::<Vec<_>>(),
        [crate::decision::Charge {
            quota: 0,
            key: "fact0:9:192.0.2.1",
            cost: 3,
            limit: 10
        }]
    );
    assert_eq!(
        decision.rules(),
        rules(&[0, 1]),
        "an allow without a body obliges nothing"
    );
    assert_eq!(decision.upstream_target(), Some("/a?x=1"));
}

#[test]
fn the_default_limit_binds_where_no_rate_does() {
    let mut scene = scene(vec![limits(&[(0, None)])], &[0], &[]);
    scene.config.quotas = vec![quota("a", &[(0, None)]), quota("b", &[(0, None)])];
    scene.service().default_limit = Some(Limit {
        quota: 1,
        cost: None,
        cost_kind: None,
    });
    let charged = |scene: &Scene| scene.allow().quotas().map(|c| c.quota).collect::<Vec<_>>();
    assert_eq!(charged(&scene), [0]);
    scene.config.quotas[0].period = Period::InFlight;
    assert_eq!(charged(&scene), [0, 1]);
}

#[test]
fn an_unknown_quota_refuses_and_asks_for_the_credential_that_would_tell() {
    let mut scene = scene(vec![limits(&[(1, None), (0, None)])], &[0], &[]);
    scene.config.quotas = vec![
        quota("a", &[(2, Some(CredentialKind::Key)), (1, None)]),
        quota("b", &[(1, None)]),
    ];
    let decision = scene.allow();
    assert_eq!(
        (decision.status(), decision.reason()),
        (401, Reason::QuotaKeyUnknown)
    );
    assert_eq!(decision.detail(), Some("a"));
    assert!(decision.response_set().eq([("www-authenticate", "ApiKey")]));
    assert_eq!(decision.rule(), None);
    scene.context = br#"{"n": 7}"#;
    assert_eq!(
        scene
            .allow()
            .quotas()
            .map(|c| c.key.to_string())
            .collect::<Vec<_>>(),
        ["fact1:1:7", "fact1:1:7"]
    );
    scene.config.quotas[1].cost = Amount::Fact(Slot(1), None);
    scene.context = br#"{"n": 0}"#;
    let decision = scene.allow();
    assert_eq!(
        (decision.status(), decision.detail()),
        (403, Some("b")),
        "a cost below 1 is unknown"
    );
}

#[test]
fn a_denial_carries_what_stands_for_certain_and_what_counts_denials() {
    let mut counting = limits(&[(0, None), (1, None), (2, None)]);
    counting.tags = vec!["t".into()];
    let bodies = vec![
        headers_of(vec![header("x-a", literal("1")), header("x-b", None)]),
        counting,
        headers_of(vec![header("x-c", literal("1"))]),
    ];
    let mut scene = scene(bodies, &[], &[(0, true), (1, false), (2, false)]);
    scene.config.quotas = vec![
        quota("a", &[(0, None)]),
        quota("b", &[(0, None)]),
        quota("c", &[(1, None)]),
    ];
    scene.config.quotas[0].counting_denied = true;
    scene.config.quotas[2].counting_denied = true;
    scene.config.request_headers_set = vec!["x-user".into()];
    let decision = scene.refuse(403);
    assert_eq!(
        decision.quotas().map(|c| c.quota).collect::<Vec<_>>(),
        [0],
        "c cannot be keyed"
    );
    assert_eq!(names(decision.response_set()), ["x-a"]);
    assert!(decision.response_drop().eq(["x-b"]));
    assert_eq!(
        (decision.rules(), decision.tags().len()),
        (rules(&[0, 1]).as_slice(), 0)
    );
    assert_eq!(decision.request_drop().len(), 0);
}

#[test]
fn drop_beats_set_and_clashes_drop() {
    let fact = |slot| Some(HeaderValue::Fact(Slot(slot)));
    let bodies = vec![
        headers_of(vec![
            header("a", literal(" same\t")),
            header("b", literal("1")),
            header("c", literal("1")),
            header("d", fact(3)),
            header("e", fact(1)),
        ]),
        headers_of(vec![
            header("a", literal("same")),
            header("b", literal("2")),
            header("f", fact(0)),
        ]),
        headers_of(vec![header("c", None), header("g", literal("1"))]),
    ];
    let mut scene = scene(bodies, &[0, 1], &[(2, false)]);
    scene.context = b"{\"s\": \"line\\nbreak\"}";
    let decision = scene.allow();
    assert!(decision.response_set().eq([("a", "same"), ("f", "192.0.2.1")]));
    assert!(
        decision.response_drop().eq(["b", "c", "d", "e"]),
        "a set of an unknown rule does not bind"
    );
}

#[test]
fn request_headers_that_the_policy_sets_are_removed_first() {
    let op = |name: &str, value| HeaderOp {
        request: true,
        name: name.into(),
        value,
    };
    let mut scene = scene(
        vec![headers_of(vec![op("x-a", literal("1")), op("z", None)])],
        &[0],
        &[],
    );
    scene.config.request_headers_set = vec!["x-a".into(), "x-b".into()];
    let decision = scene.allow();
    assert_eq!(names(decision.request_set()), ["x-a"]);
    assert!(decision.request_drop().eq(["x-b", "z"]));
}

#[test]
fn our_own_headers_come_first_and_stay() {
    let cors = Cors {
        one_label: Vec::new(),
        origins: vec!["https://b.example".into()],
        any_origin: false,
        methods: "GET, POST".into(),
        headers: "x-h".into(),
        credentials: true,
        max_age_s: Some(600),
    };
    let body = headers_of(vec![header("a", literal("1")), header("vary", literal("accept"))]);
    let mut scene = scene(vec![body], &[], &[(0, true)]);
    scene.service().cors = Some(cors.clone());
    scene.service().sunset_us = Some(1_798_761_600_000_000);
    scene.headers = vec![
        (b"Origin", b"https://b.example"),
        (b"content-type", b"application/grpc+proto"),
    ];
    let decision = scene.refuse(403);
    let own = [
        "sunset",
        "access-control-allow-origin",
        "access-control-allow-credentials",
        "vary",
        "grpc-status",
        "a",
    ];
    assert_eq!(names(decision.response_set()), own);
    assert!(decision.response_set().any(|line| line == ("vary", "origin")));

    scene.method = b"OPTIONS";
    scene.headers = vec![
        (b"origin", b"https://b.example"),
        (b"access-control-request-method", b"PUT"),
    ];
    assert!(scene.with(|b| is_preflight(b.canonical, &cors)));
    let answer = |scene: &Scene| {
        let decision = scene.with(|b| {
            let mut decision = Decision::default();
            let mut draft = Draft::new(&mut decision, b.arena);
            let cors = b.service().and_then(|service| service.cors.as_ref());
            preflight(b, cors.expect("set above"), &mut draft);
            draft.finish();
            decision.to_owned()
        });
        assert_eq!((decision.effect(), decision.status()), (Effect::Answer, 204));
        decision
    };
    let full = [
        "sunset",
        "access-control-allow-origin",
        "access-control-allow-methods",
        "access-control-allow-headers",
        "access-control-allow-credentials",
        "access-control-max-age",
        "vary",
        "a",
    ];
    assert_eq!(names(answer(&scene).response_set()), full);
    scene.headers[0].1 = b"https://evil.example";
    assert_eq!(
        names(answer(&scene).response_set()),
        ["sunset", "vary", "a"],
        "a foreign origin learns nothing"
    );
}

#[test]
fn sunset_and_transport() {
    let body = |end| Body {
        sunset_us: Some(end),
        require_sni: true,
        ..Body::default()
    };
    let mut scene = scene(vec![body(50), body(70)], &[], &[(0, false), (1, true)]);
    scene.service().sunset_us = Some(60);
    let at = |scene: &mut Scene, now| {
        scene.now_us = now;
        scene.with(sunset)
    };
    assert_eq!(at(&mut scene, None), Sunset::Before(50));
    assert_eq!(at(&mut scene, Some(49)), Sunset::Before(50));
    assert_eq!(at(&mut scene, Some(50)), Sunset::Gone);
    assert_eq!(scene.with(transport), Some(Detail::Sni));
    scene.sni = Some(b"A.example");
    assert_eq!(scene.with(transport), None);
}

#[test]
fn bodies_take_the_smallest_limit() {
    let accept = |max_bytes, strip_unknown, media| AcceptBody {
        max_bytes,
        strip_unknown,
        kind: if media {
            AcceptKind::Type("image/png".into())
        } else {
            AcceptKind::Json
        },
        depth: None,
        shape: Vec::new(),
        fields: Vec::new(),
    };
    let body = |accept| Body {
        accept,
        ..Body::default()
    };
    let bodies = vec![
        body(vec![accept(None, true, false)]),
        body(vec![accept(Some(9), false, true)]),
        Body::default(),
    ];
    let decision = scene(bodies, &[0, 2], &[(1, false)]).allow();
    let demand = decision.request_body().expect("a demand");
    assert_eq!(
        (demand.accept, demand.max_bytes, demand.strip_unknown),
        (rules(&[0, 1]).as_slice(), 9, true)
    );
}

#[test]
fn of_several_accepts_the_one_for_the_media_type_counts() {
    let accept = |max_bytes, strip_unknown, kind| AcceptBody {
        max_bytes: Some(max_bytes),
        strip_unknown,
        kind,
        depth: None,
        shape: Vec::new(),
        fields: Vec::new(),
    };
    let alternatives = Body {
        accept: vec![
            accept(7, true, AcceptKind::Json),
            accept(8, false, AcceptKind::Form),
            accept(9, false, AcceptKind::Type("image/png".into())),
        ],
        ..Body::default()
    };
    let demand = |content_type: Option<&'static [u8]>| {
        let mut scene = scene(vec![alternatives.clone()], &[0], &[]);
        scene
            .headers
            .extend(content_type.map(|value| (&b"content-type"[..], value)));
        let decision = scene.allow();
        let body = decision.request_body();
        (
            decision.status(),
            body.map(|body| (body.max_bytes, body.strip_unknown)),
        )
    };
    for (content_type, expected) in [
        (Some(&b"application/json; charset=utf-8"[..]), Some((7, true))),
        (Some(b"application/merge-patch+json"), Some((7, true))),
        (Some(b"application/x-www-form-urlencoded"), Some((8, false))),
        (Some(b"IMAGE/PNG"), Some((9, false))),
        (None, Some((7, false))),
        (Some(b"text/plain"), None),
        (Some(b"application/jsonx"), None),
        (Some(b"json"), None),
        (Some(b""), None),
    ] {
        let status = if expected.is_some() { 200 } else { 415 };
        assert_eq!(demand(content_type), (status, expected), "{content_type:?}");
    }
}

#[test]
fn queries_are_a_closed_world() {
    let accepts = |strip_unknown| Body {
        accept_query: vec![AcceptQuery {
            strip_unknown,
            fields: vec![QueryField {
                separator: None,
                name: "x".into(),
                optional: false,
                items: None,
                ty: QueryType::Int,
                min: None,
                max: Some(5),
                one_of: None,
                matches: None,
            }],
        }],
        ..Body::default()
    };
    let outcome = |target: &'static [u8], strip: bool| {
        let mut scene = scene(vec![accepts(strip)], &[0], &[]);
        scene.target = target;
        let decision = scene.allow();
        (decision.status(), decision.upstream_target().map(str::to_string))
    };
    let forwarded = |target: &str| (200, Some(target.to_string()));
    assert_eq!(outcome(b"/a?x=1", false), forwarded("/a?x=1"));
    assert_eq!(outcome(b"/a?x=1&y=2", false), (422, None));
    assert_eq!(outcome(b"/a?y=2&x=%31&&z", true), forwarded("/a?x=%31"));
    assert_eq!(outcome(b"/a?x=6", true), (422, None));
    assert_eq!(outcome(b"/a?x=1&x=1", true), (422, None));
    assert_eq!(outcome(b"/a", true), (422, None));
    assert_eq!(outcome(b"/a?x=1&y=%ff", true), (400, None));
    assert_eq!(outcome(b"/a?x=1&%zz=1", true), (400, None));
}
