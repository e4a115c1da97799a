//! The whole corpus through the plugin in NGINX, as far as that host can carry it: what the crate decides happens, or
//! the request is refused because NGINX would not make it what was decided on.

use portcullis_tests::{corpus, counts};
use portcullis_tests_wasm::proxy::{Pairs, Request, Vm, nginx_property, nginx_request_of};
use portcullis_vectors::{Vector, Verdict};
use serde_json::json;

use crate::corpus::{Host, expected, logged, replied, run, without_id};
use crate::support::{SHIPPED, decisions, lines};

#[test]
fn crate_and_plugin_do_the_same_or_nothing() {
    let in_nginx = Host {
        start: |configuration| SHIPPED.start_in_nginx(configuration).unwrap(),
        place: |issuer| json!({"issuer": issuer, "property": nginx_property(issuer)}),
        more: json!({"gateway": "nginx", "context_property": nginx_property("context")}),
        request_of: nginx_request_of,
        compare,
        bodies: false,
    };
    let (compared, unfit) = run(&in_nginx);
    println!("{compared} vectors compared, unfit: {unfit:?}");
    println!("{} responses not run", corpus::with_upstream().unwrap());
    counts::executed("proxy_nginx_vectors", compared).unwrap();
}

/// Why an allowed request is refused in NGINX, written down a second time: the detail.
fn obstacle(request: &Request, verdict: &Verdict) -> Option<&'static str> {
    let values = |name: &str| -> Vec<String> {
        let own = request.headers.iter();
        let own = own.filter(|(given, _)| given.eq_ignore_ascii_case(name.as_bytes()));
        own.map(|(_, value)| String::from_utf8_lossy(value).to_ascii_lowercase())
            .collect()
    };
    let headers = &verdict.headers;
    let mut touched = headers.request_set.iter().map(|pair| &pair.0);
    let target = verdict.upstream_target.as_ref().unwrap();
    if target.as_bytes() != request.properties["request/path"] {
        Some("not_canonical")
    } else if touched.any(|name| !values(name).is_empty())
        || headers.request_drop.iter().any(|name| !values(name).is_empty())
    {
        Some("header_not_removable")
    } else if !values("upgrade").is_empty()
        && !values("connection")
            .iter()
            .any(|value| value.split(',').any(|option| option.trim() == "upgrade"))
    {
        Some("upgrade_without_connection")
    } else {
        None
    }
}

fn compare(name: &str, vm: &mut Vm, _: &Vector, request: &Request, verdict: &Verdict) {
    let (mut status, mut reason) = expected(verdict, false);
    let own = reason == verdict.reason;
    let mut detail = None;
    if request.headers.len() >= 96 {
        detail = Some("headers_may_be_truncated");
    } else if (status, reason) == (200, "allowed") {
        detail = obstacle(request, verdict);
    }
    if detail.is_some() {
        (status, reason) = (400, "malformed");
    }
    let mut target = request.properties["request/path"].clone();
    if detail == Some("headers_may_be_truncated") {
        // Nothing of such a request is read.
        target.clear();
    }
    for response in responses(verdict) {
        vm.gateway().log.clear();
        let mut outcome = vm.exchange(request, &response).unwrap();
        match &mut outcome.reply {
            None => {
                assert_eq!((status, reason), (200, "allowed"), "{name}: it went on");
                assert_eq!(outcome.upstream, Some(upstream(request, verdict)), "{name}");
                let left = sorted(without_id(&outcome));
                assert_eq!(left, sorted(after(&response, verdict)), "{name}");
            }
            Some(reply) => {
                assert!(outcome.upstream.is_none(), "{name}: answered and sent on");
                assert_eq!(reply.status, u32::from(status), "{name} {reason}");
                // The host puts a newline behind each body.
                assert!(matches!(reply.body.pop(), None | Some(b'\n')), "{name}");
                if own && detail.is_none() {
                    replied(name, &outcome, verdict);
                }
            }
        }
        assert!(!vm.gateway().calls.contains(&"close_stream".into()), "{name}");
        if let Some(detail) = detail {
            assert_eq!(decisions(vm)[0]["detail"], detail, "{name}");
        }
        let own = own && detail.is_none();
        logged(name, vm, &target, (status, reason), own.then_some(verdict));
    }
}

/// Responses of an upstream: with every header that the policy touches, and with none of them.
fn responses(verdict: &Verdict) -> [Pairs; 2] {
    let without = lines(&[(":status", "200"), ("x-kept", "1"), ("vary", "accept")]);
    let mut with = without.clone();
    let headers = &verdict.headers;
    let touched = headers.response_set.iter().map(|pair| &pair.0);
    for name in touched
        .chain(&headers.response_drop)
        .filter(|name| *name != "vary")
    {
        with.push((name.to_uppercase().into_bytes(), b"upstream".to_vec()));
    }
    [with, without]
}

/// Nothing that came is taken away; what the policy sets stands behind it.
fn upstream(request: &Request, verdict: &Verdict) -> Pairs {
    let mut all = request.headers.clone();
    let set = verdict.headers.request_set.iter();
    all.extend(set.map(|pair| (pair.0.clone().into_bytes(), pair.1.clone().into_bytes())));
    all
}

/// The response as the client gets it. Of two headers a removal leaves an empty line, so it is only removed where it
/// was there; and once the host has changed `server`, there is none.
fn after(response: &Pairs, verdict: &Verdict) -> Pairs {
    let headers = &verdict.headers;
    let is_there = |name: &str| {
        let mut own = response.iter();
        own.any(|(own, _)| own.eq_ignore_ascii_case(name.as_bytes()))
    };
    let mut all = response.clone();
    for name in &headers.response_drop {
        all.retain(|(own, _)| !own.eq_ignore_ascii_case(name.as_bytes()));
        if is_there(name) && ["cache-control", "link"].contains(&name.as_str()) {
            all.push((name.clone().into_bytes(), Vec::new()));
        }
    }
    for pair in &headers.response_set {
        if pair.0 != "vary" {
            all.retain(|(own, _)| !own.eq_ignore_ascii_case(pair.0.as_bytes()));
        }
        if pair.0 != "server" || !is_there("server") {
            all.push((pair.0.clone().into_bytes(), pair.1.clone().into_bytes()));
        }
    }
    all
}

fn sorted(mut lines: Pairs) -> Pairs {
    for (name, _) in &mut lines {
        name.make_ascii_lowercase();
    }
    lines.sort();
    lines
}
