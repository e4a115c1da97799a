//! A worker that is warm decides without the allocator: every row of the workload, the GitHub policy, and the shapes.

#![expect(clippy::unwrap_used, reason = "a step that is not due fails its test")]

use portcullis::exchange::{ChargeOutcome, End, Introspection};
use portcullis::{
    Carries, Credential, Engine, Exchange, Next, Now, RequestView, ResponseNext, Snapshot, Worker,
};
use portcullis_benches::adapter::{Handing, Host, NOW, Requests};
use portcullis_benches::caller::{Caller, Prepared};
use portcullis_benches::{setup, shapes};
use portcullis_tests::workload::{self, Headers, Workload};

/// Decides everything once, then counts while it is decided again.
#[track_caller]
fn check(name: &str, snapshot: &Snapshot, requests: &Requests) {
    let mut worker = requests.worker();
    let mut all = || {
        (0..requests.len())
            .filter(|index| requests.allowed(snapshot, *index, &mut worker))
            .count()
    };
    let allowed = all();
    assert!(allowed > 0, "{name}: nothing is allowed");
    let mut again = 0;
    let counted = allocation_counter::measure(|| again = all());
    assert_eq!(again, allowed, "{name}: a warm worker decides otherwise");
    assert_eq!(
        counted.count_total,
        0,
        "{name}: {} allocations of {} bytes in {} decisions",
        counted.count_total,
        counted.bytes_total,
        requests.len()
    );
}

#[test]
fn the_counter_counts() {
    let counted = allocation_counter::measure(|| drop(std::hint::black_box(Box::new(7u64))));
    assert_eq!(counted.count_total, 1);
}

#[test]
fn the_workload_is_decided_without_the_allocator() {
    let work = Workload::new(100);
    let image = setup::image(&work.gate(), &workload::files()).unwrap();
    let snapshot = setup::snapshot(&image).unwrap();
    let mut rows = 0;
    for handing in Handing::ALL {
        for headers in [handing.headers(), Headers::Usual] {
            // A bearer is found in headers only.
            if handing == Handing::Bearer && headers == Headers::Usual {
                continue;
            }
            let requests = Requests::new(&work, handing, headers, &snapshot).unwrap();
            check(handing.name(), &snapshot, &requests);
            rows += 1;
        }
    }
    assert!(rows >= 7, "only {rows} rows");
}

#[test]
fn shapes_and_the_github_policy_are_decided_without_the_allocator() {
    let all = [
        shapes::subjects(100).unwrap(),
        shapes::networks(100).unwrap(),
        shapes::globs(50).unwrap(),
        shapes::few_facts(200).unwrap(),
        shapes::deep(10).unwrap(),
        shapes::github().unwrap(),
    ];
    for shape in all {
        let snapshot = setup::snapshot(&setup::shape_image(&shape).unwrap()).unwrap();
        let requests = Requests::of_vectors(&shape.case.vectors).unwrap();
        check(&shape.name, &snapshot, &requests);
    }
}

#[test]
fn exchanges_of_the_workload_begin_without_the_allocator() {
    let work = Workload::new(100);
    let image = setup::image(&work.gate(), &workload::files()).unwrap();
    let snapshot = setup::snapshot(&image).unwrap();
    for handing in Handing::ALL {
        let requests = Requests::new(&work, handing, handing.headers(), &snapshot).unwrap();
        let mut host = Host::new(snapshot.clone(), &requests);
        let mut all = || {
            (0..requests.len())
                .filter(|index| host.allowed(&requests, *index))
                .count()
        };
        let allowed = all();
        assert!(allowed > 0 && allowed < requests.len());
        let mut again = 0;
        let counted = allocation_counter::measure(|| again = all());
        assert_eq!((again, counted.count_total), (allowed, 0), "{}", handing.name());
    }
}

/// Every step that there is: an opaque token, a quota, a body, a response under a plan.
const EVERY_STEP: &str = r#"gate 1;
issuer corp { url "https://idp.example.com/"; audience "a"; opaque; claims { tenant: string; } }
principal customer = token from corp;
quota fair = 5 per 1m by token.sub;
service orders on "api.example.com" {
  allow customer to POST /orders/{tenant} when token.tenant == path.tenant {
    limit fair; accept type "text/plain" max 1KiB; redact response { drop a; mask b keep last 4; }
    set request header "x-tenant" token.tenant; set response header "x-tenant" token.tenant;
    drop response header "server"; tag "t";
  }
}
"#;
const CLAIMS: &[u8] = br#"{"iss":"https://idp.example.com/","aud":"a","sub":"u1","tenant":"t1"}"#;

/// Without a clock what is known of an opaque token is not kept, so it is asked about each time.
const NO_CLOCK: Now = Now {
    wall_us: None,
    mono_us: 0,
};

fn order() -> RequestView<'static> {
    RequestView {
        method: b"POST",
        authority: Some(b"api.example.com"),
        target: b"/orders/t1",
        headers: &[
            (b"authorization", b"Bearer opaque.token"),
            (b"content-type", b"text/plain"),
        ],
        credential: Credential::FromHeaders,
        ..RequestView::default()
    }
}

/// Drives one exchange through all its steps, or to a refused charge.
fn drive(engine: &Engine, exchange: &mut Exchange, worker: &mut Worker, out: &mut Vec<u8>, admitted: bool) {
    let carries = Carries {
        introspection: true,
        charges: true,
        request_body: true,
        response_body: true,
    };
    let next = engine.begin(exchange, worker, &order(), carries, NO_CLOCK);
    assert!(matches!(next, Next::Introspect(b"opaque.token")));
    let active = Introspection::Active {
        issuer: "corp",
        claims: CLAIMS,
    };
    assert!(matches!(
        exchange.introspected(worker, active, NO_CLOCK),
        Ok(Next::Charge(_))
    ));
    let outcome = ChargeOutcome {
        admitted,
        remaining: 0,
        reset_us: 1,
    };
    let next = exchange.charged([outcome].into_iter());
    if !admitted {
        assert!(matches!(next, Ok(Next::Reply(reply)) if reply.status == 429));
        exchange.finish(End::Completed, NO_CLOCK).unwrap();
        return;
    }
    assert!(matches!(next, Ok(Next::ReadBody { .. })));
    exchange.request_body(worker, b"hello", false, NO_CLOCK).unwrap();
    let next = exchange.request_body(worker, &[], true, NO_CLOCK);
    assert!(matches!(next, Ok(Next::Forward(_))));
    let head: &[(&[u8], &[u8])] = &[(b"Server", b"x"), (b"content-type", b"application/json")];
    let next = exchange.response_head(Some(200), Some(head));
    assert!(matches!(next, Ok(ResponseNext::Stream(edits)) if edits.remove().count() == 1));
    out.clear();
    for (chunk, end) in [
        (r#"{"a":[1],"b":"0123"#, false),
        (r#"456789","c":tr"#, false),
        ("ue}", true),
    ] {
        let next = exchange.response_body(worker, chunk.as_bytes(), end, out);
        assert_eq!(matches!(next, Ok(ResponseNext::Pass(_))), end);
    }
    assert_eq!(out, br#"{"b":"******6789","c":true}"#);
    exchange.finish(End::Completed, NO_CLOCK).unwrap();
}

#[test]
fn no_step_of_a_warm_exchange_needs_the_allocator() {
    let snapshot = setup::snapshot(&setup::image(EVERY_STEP, &workload::files()).unwrap()).unwrap();
    let (engine, mut exchange, mut worker) = (Engine::from(snapshot), Exchange::new(), Worker::default());
    let mut out = Vec::new();
    let mut both = || {
        drive(&engine, &mut exchange, &mut worker, &mut out, true);
        drive(&engine, &mut exchange, &mut worker, &mut out, false);
    };
    both();
    both();
    assert_eq!(allocation_counter::measure(both).count_total, 0);
}

/// The same by the functions that C programs call.
#[test]
fn no_step_of_the_c_abi_needs_the_allocator() {
    let image = setup::image(EVERY_STEP, &workload::files()).unwrap();
    let (order, mut caller) = (order(), Caller::new(&image).unwrap());
    let order = Prepared::of(&order, NO_CLOCK).unwrap();
    let mut both = || {
        (
            caller.carried_out(&order, "corp", CLAIMS, true),
            caller.carried_out(&order, "corp", CLAIMS, false),
        )
    };
    assert_eq!(both(), (true, false));
    assert_eq!(both(), (true, false));
    let mut again = (false, true);
    let counted = allocation_counter::measure(|| again = both());
    assert_eq!((again, counted.count_total), ((true, false), 0));
}

/// An exchange that is freed leaves its buffers to the next one.
#[test]
fn the_c_abi_decides_without_the_allocator() {
    let work = Workload::new(100);
    let image = setup::image(&work.gate(), &workload::files()).unwrap();
    let snapshot = setup::snapshot(&image).unwrap();
    let requests = Requests::new(&work, Handing::Json, Headers::Usual, &snapshot).unwrap();
    let prepared: Vec<Prepared<'_>> = requests
        .views()
        .iter()
        .map(|view| Prepared::of(view, NOW).unwrap())
        .collect();
    let mut caller = Caller::new(&image).unwrap();
    let mut all = || prepared.iter().filter(|request| caller.allowed(request)).count();
    let allowed = all();
    assert!(allowed > 0 && allowed < prepared.len());
    let mut again = 0;
    let counted = allocation_counter::measure(|| again = all());
    assert_eq!((again, counted.count_total), (allowed, 0));
}
