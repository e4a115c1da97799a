//! The whole corpus through the plugin, as far as a gateway can carry it: what the crate decides is what happens to
//! the request, the reply, the response and the log.

use std::collections::{BTreeMap, BTreeSet};

use portcullis_bridge::now_of;
use portcullis_tests::bridge::Subject;
use portcullis_tests::handed_over::handed_over;
use portcullis_tests::{corpus, counts};
use portcullis_tests_wasm::proxy::{
    Body, Event, Outcome, Pairs, Request, Streamed, Streams, Unfit, Vm, request_of,
};
use portcullis_vectors::{Vector, Verdict};
use serde_json::{Value, json};

use crate::support::{SHIPPED, base64, lines};

#[test]
fn crate_and_plugin_do_the_same() {
    let in_envoy = Host {
        start: |configuration| SHIPPED.start(configuration).unwrap(),
        place: |issuer| json!({"issuer": issuer, "payload": issuer}),
        more: json!({"context": "context"}),
        request_of,
        compare,
        bodies: true,
    };
    let (compared, unfit) = run(&in_envoy);
    println!("{compared} vectors compared, unfit: {unfit:?}");
    counts::executed("proxy_vectors", compared).unwrap();
}

#[test]
fn crate_and_plugin_give_the_client_the_same() {
    let (mut compared, mut unfit) = (0, 0);
    for case in corpus::cases().unwrap() {
        if case.refused || case.vectors.iter().all(|vector| vector.upstream.is_none()) {
            continue;
        }
        let image = portcullis_compile::compile(&case.check().policy.unwrap()).unwrap();
        let subject = Subject::load(&image, &case.files).unwrap();
        let config = subject.image().config();
        let declared = |issuer: &str| config.issuers.iter().any(|own| own.name == issuer);
        let in_envoy = Host {
            start: |configuration| SHIPPED.start(configuration).unwrap(),
            place: |issuer| json!({"issuer": issuer, "payload": issuer}),
            more: json!({"context": "context"}),
            request_of,
            compare,
            bodies: true,
        };
        let mut vm = (in_envoy.start)(&configuration(&in_envoy, &case, &image, &declared));
        for vector in case.vectors.iter().filter(|vector| vector.upstream.is_some()) {
            let vector = &handed_over(vector, config);
            let verdict: Verdict = serde_json::from_str(&subject.line(vector).unwrap()).unwrap();
            // Charges need a store, which this gateway has not.
            let request = request_of(vector, now_of(vector).unwrap().wall_us);
            match request {
                Ok(request) if verdict.quotas.is_empty() => {
                    responds(&case.name, &mut vm, vector, &request, &subject);
                    compared += 1;
                }
                _ => unfit += 1,
            }
        }
    }
    println!("{compared} responses compared, {unfit} not");
    counts::executed("proxy_responses", compared).unwrap();
}

/// What the client gets of the response in a vector, from the crate and from the plugin.
fn responds(case: &str, vm: &mut Vm, vector: &Vector, request: &Request, subject: &Subject) {
    let name = format!("{case} {}", vector.id);
    let upstream = vector.upstream.as_ref().unwrap();
    let received = subject.client(vector, None).unwrap().unwrap();
    let mut head = lines(&[(":status", &upstream.status.to_string())]);
    let own = upstream.headers.iter();
    head.extend(own.map(|(name, value)| (name.clone().into_bytes(), value.0.clone())));
    let sent = Body::in_parts(&vector.request.body_bytes().unwrap().unwrap_or_default(), 11);
    let answered = Body {
        parts: upstream.body_parts().unwrap(),
        ..Body::default()
    };
    let streamed = vm
        .stream(Streams::default(), request, &sent, &head, &answered)
        .unwrap();
    let Some(body) = &received.body else {
        let reply = streamed.reply.as_ref().map(|reply| reply.status);
        assert_eq!(reply, Some(u32::from(received.status)), "{name}");
        return;
    };
    let status = Streamed::values(&streamed.client, ":status");
    assert_eq!(status, [received.status.to_string()], "{name}");
    assert_eq!(&Streamed::bytes(&streamed.client), body, "{name}");
    let is_reset = streamed.client.contains(&Event::Reset);
    assert_eq!(is_reset, received.reset, "{name}");
    let Some(Event::Head(own)) = streamed.client.first() else {
        panic!("{name}: no head");
    };
    let lower = |name: &[u8]| String::from_utf8_lossy(name).to_ascii_lowercase();
    let mut own: Vec<(String, Vec<u8>)> = own
        .iter()
        .map(|(name, value)| (lower(name), value.clone()))
        .filter(|(name, _)| name != ":status" && name != "x-portcullis-decision")
        .collect();
    let wanted = received.headers.iter();
    let mut wanted: Vec<(String, Vec<u8>)> = wanted
        .map(|(name, value)| (name.to_ascii_lowercase(), value.clone()))
        .collect();
    own.sort();
    wanted.sort();
    assert_eq!(own, wanted, "{name}");
}

/// A gateway that the corpus is run through.
pub(crate) struct Host {
    /// A plugin with this configuration in it.
    pub(crate) start: fn(&str) -> Vm,
    /// Where claims of an issuer are found, for the configuration.
    pub(crate) place: fn(&str) -> Value,
    /// What the configuration says beside that.
    pub(crate) more: Value,
    /// What the gateway has of a vector.
    pub(crate) request_of: fn(&Vector, Option<i64>) -> Result<Request, Unfit>,
    /// Asks the plugin, and compares what it does with the verdict.
    pub(crate) compare: fn(&str, &mut Vm, &Vector, &Request, &Verdict),
    /// It hands bodies over.
    pub(crate) bodies: bool,
}

/// Every vector of the corpus that the gateway can have; how many these are, and how many it cannot have.
pub(crate) fn run(host: &Host) -> (u64, BTreeMap<Unfit, u64>) {
    let mut compared = 0;
    let mut unfit = BTreeMap::new();
    for case in corpus::cases().unwrap() {
        if case.refused {
            continue;
        }
        let image = portcullis_compile::compile(&case.check().policy.unwrap()).unwrap();
        let subject = Subject::load(&image, &case.files).unwrap();
        let declared = |issuer: &str| {
            subject
                .image()
                .config()
                .issuers
                .iter()
                .any(|own| own.name == issuer)
        };
        let mut vm = (host.start)(&configuration(host, &case, &image, &declared));
        for vector in &case.vectors {
            let vector = &handed_over(vector, subject.image().config());
            if vector
                .token
                .as_ref()
                .is_some_and(|token| !declared(&token.issuer))
            {
                *unfit.entry(Unfit::Undeclared).or_insert(0) += 1;
                continue;
            }
            let mut vector = std::borrow::Cow::Borrowed(vector);
            if subject.reads_body_first(&vector).unwrap() {
                if !host.bodies {
                    *unfit.entry(Unfit::SignedBody).or_insert(0) += 1;
                    continue;
                }
                if vector.request.body_bytes().unwrap().is_none() {
                    vector.to_mut().request.body = Some(String::new());
                }
            }
            let vector = &*vector;
            let request = match (host.request_of)(vector, now_of(vector).unwrap().wall_us) {
                Ok(request) => request,
                Err(reason) => {
                    *unfit.entry(reason).or_insert(0) += 1;
                    continue;
                }
            };
            let line = subject.line(vector).unwrap();
            let mut verdict: Verdict = serde_json::from_str(&line).unwrap();
            let is_told = !host.bodies && verdict.reason == "too_large";
            let has_body = vector.request.body_bytes().unwrap().is_some();
            if verdict.effect == "deny" && (has_body || is_told) {
                // Quotas are charged before a body is judged.
                let mut open = vector.clone();
                if is_told {
                    let headers = &mut open.request.headers;
                    headers.retain(|(name, _)| !name.eq_ignore_ascii_case("content-length"));
                }
                (open.request.body, open.request.body_base64) = (None, None);
                let open: Verdict = serde_json::from_str(&subject.line(&open).unwrap()).unwrap();
                // A gateway that hands over no bodies knows of none.
                if open.effect == "allow" && !(host.bodies && open.quotas.is_empty()) {
                    verdict = open;
                }
            }
            (host.compare)(
                &format!("{} {}", case.name, vector.id),
                &mut vm,
                vector,
                &request,
                &verdict,
            );
            compared += 1;
        }
    }
    (compared, unfit)
}

fn configuration(
    host: &Host,
    case: &corpus::CorpusCase,
    image: &[u8],
    declared: &dyn Fn(&str) -> bool,
) -> String {
    let issuers: BTreeSet<&str> = case
        .vectors
        .iter()
        .filter_map(|vector| vector.token.as_ref())
        .map(|token| token.issuer.as_str())
        .filter(|issuer| declared(issuer))
        .collect();
    let tokens: Vec<Value> = issuers.iter().map(|issuer| (host.place)(issuer)).collect();
    let data: BTreeMap<&str, String> = case
        .files
        .iter()
        .map(|(name, bytes)| (name.as_str(), base64(bytes)))
        .collect();
    let mut all = json!({"image": base64(image), "data": data, "tokens": tokens, "log": "all",
        "certificates_validated": true, "first_dns_san": true, "explain": true});
    if let (Some(all), Value::Object(more)) = (all.as_object_mut(), host.more.clone()) {
        all.extend(more);
    }
    all.to_string()
}

/// What a plugin without quota store, and without `bodies`, makes of a verdict: its status and reason.
pub(crate) fn expected(verdict: &Verdict, bodies: bool) -> (u16, &str) {
    match verdict.effect.as_str() {
        "allow" if !bodies && (verdict.request_body.is_some() || verdict.response.is_some()) => {
            (500, "internal")
        }
        "allow" | "answer" if !verdict.quotas.is_empty() => (503, "store_unavailable"),
        _ => (verdict.status, &verdict.reason),
    }
}

/// What becomes of a vector's request. Its response has no body, which no plan changes.
fn exchanged(name: &str, vm: &mut Vm, vector: &Vector, request: &Request, response: &Pairs) -> Outcome {
    let Some(body) = vector.request.body_bytes().unwrap() else {
        return vm.exchange(request, response).unwrap();
    };
    // Not one of the sizes that anything is aligned to.
    let parts = Body::in_parts(&body, 11);
    let none = Body::default();
    let streamed = vm
        .stream(Streams::default(), request, &parts, response, &none)
        .unwrap();
    let head = |events: &[Event]| match events.first() {
        Some(Event::Head(lines)) => Some(lines.clone()),
        _ => None,
    };
    let upstream = head(&streamed.upstream);
    if upstream.is_some() {
        let length = Streamed::values(&streamed.upstream, "content-length");
        let sent = Streamed::bytes(&streamed.upstream);
        let is_stripped = sent != body && length == [sent.len().to_string()];
        assert!(
            sent == body || is_stripped || length.is_empty(),
            "{name}: another body"
        );
    }
    Outcome {
        upstream,
        reply: streamed.reply,
        response: head(&streamed.client).unwrap_or_default(),
    }
}

/// A request whose body is to be judged, and of which nothing is known, waits for it.
fn waits(name: &str, vm: &mut Vm, request: &Request) {
    let endless = Body {
        is_cut: true,
        ..Body::default()
    };
    let streamed = vm
        .stream(Streams::default(), request, &endless, &Pairs::new(), &endless)
        .unwrap();
    assert_eq!((streamed.upstream, streamed.reply), (vec![], None), "{name}");
}

fn compare(name: &str, vm: &mut Vm, vector: &Vector, request: &Request, verdict: &Verdict) {
    let mut response = lines(&[(":status", "200"), ("x-kept", "1"), ("vary", "accept")]);
    let headers = &verdict.headers;
    let touched = headers.response_set.iter().map(|pair| &pair.0);
    for header in touched.chain(&headers.response_drop) {
        response.push((header.to_uppercase().into_bytes(), b"upstream".to_vec()));
    }
    vm.gateway().log.clear();
    let (status, reason) = expected(verdict, true);
    let is_open = vector.request.body.is_none() && vector.request.body_base64.is_none();
    if is_open && verdict.request_body.is_some() && status == 200 {
        return waits(name, vm, request);
    }
    let outcome = exchanged(name, vm, vector, request, &response);
    let own = reason == verdict.reason;
    match &outcome.reply {
        None => {
            assert_eq!((status, reason), (200, "allowed"), "{name}: it went on");
            let sent = outcome.upstream.as_ref().map(without_length);
            assert_eq!(sent, Some(without_length(&upstream(request, verdict))), "{name}");
            assert_eq!(without_id(&outcome), after(&response, verdict), "{name}");
        }
        Some(reply) => {
            assert!(outcome.upstream.is_none(), "{name}: answered and sent on");
            assert_eq!(reply.status, u32::from(status), "{name} {reason}");
            if own {
                replied(name, &outcome, verdict);
            }
        }
    }
    let target = vector.request.target_bytes().unwrap();
    logged(name, vm, &target, (status, reason), own.then_some(verdict));
}

/// Lines but for the length, which is compared with the body.
fn without_length(lines: &Pairs) -> Pairs {
    let mut lines = lines.clone();
    lines.retain(|(name, _)| !name.eq_ignore_ascii_case(b"content-length"));
    lines
}

/// The request as the verdict wants it upstream, written down a second time.
fn upstream(request: &Request, verdict: &Verdict) -> Pairs {
    let mut headers = verdict.headers.clone();
    if verdict.response.is_some() {
        let names = ["accept-encoding", "if-range", "range"];
        headers.request_drop.extend(names.map(String::from));
        headers
            .request_set
            .push(("accept-encoding".into(), "identity".into()));
    }
    let is = |name: &[u8], other: &str| name.eq_ignore_ascii_case(other.as_bytes());
    let mut lines = request.headers.clone();
    lines.retain(|(name, _)| {
        let set = headers.request_set.iter().map(|pair| &pair.0);
        !headers
            .request_drop
            .iter()
            .chain(set)
            .any(|other| is(name, other))
    });
    for pair in &headers.request_set {
        lines.push((pair.0.clone().into_bytes(), pair.1.clone().into_bytes()));
    }
    let target = verdict.upstream_target.clone().unwrap();
    for (name, value) in &mut lines {
        if name == b":path" {
            *value = target.clone().into_bytes();
        }
    }
    lines
}

fn after(response: &Pairs, verdict: &Verdict) -> Pairs {
    let headers = &verdict.headers;
    let mut lines = response.clone();
    let set = headers.response_set.iter().map(|pair| &pair.0);
    for gone in headers
        .response_drop
        .iter()
        .chain(set.filter(|name| *name != "vary"))
    {
        lines.retain(|(name, _)| !name.eq_ignore_ascii_case(gone.as_bytes()));
    }
    for pair in &headers.response_set {
        lines.push((pair.0.clone().into_bytes(), pair.1.clone().into_bytes()));
    }
    lines
}

/// The response without the decision's id, which must be there.
pub(crate) fn without_id(outcome: &Outcome) -> Pairs {
    let mut lines = outcome.response.clone();
    let before = lines.len();
    lines.retain(|(name, _)| name != b"x-portcullis-decision");
    assert_eq!(lines.len() + 1, before, "one decision id");
    lines
}

/// A reply carries the verdict's headers in order, its id, and a problem document that says no more than it may.
pub(crate) fn replied(name: &str, outcome: &Outcome, verdict: &Verdict) {
    let reply = outcome.reply.as_ref().unwrap();
    let text = |bytes: &Vec<u8>| String::from_utf8(bytes.clone()).unwrap();
    let mut sent: Vec<(String, String)> = reply
        .headers
        .iter()
        .map(|(name, value)| (text(name), text(value)))
        .collect();
    let mut wanted = Vec::new();
    let mut grpc = -1;
    for pair in &verdict.headers.response_set {
        match pair.0.as_str() {
            "grpc-status" => grpc = pair.1.parse().unwrap(),
            _ => wanted.push((pair.0.clone(), pair.1.clone())),
        }
    }
    assert_eq!(reply.grpc_status, grpc, "{name}");
    let rest = sent.split_off(wanted.len());
    assert_eq!(sent, wanted, "{name}");
    assert_eq!(rest[0].0, "x-portcullis-decision", "{name}");
    if grpc >= 0 {
        let message = verdict.message.as_ref().unwrap_or(&verdict.reason);
        assert_eq!(&text(&reply.body), message, "{name}");
    } else if verdict.status == 204 {
        assert!(reply.body.is_empty(), "{name}");
    } else {
        assert_eq!(
            rest[1],
            ("content-type".into(), "application/problem+json".into())
        );
        let body: Value = serde_json::from_slice(&reply.body).unwrap();
        let mut members = vec!["decision", "reason", "status", "title"];
        match body.get("code") {
            // A body that was refused.
            Some(_) => members.extend(["code", "pointer"]),
            None => members.push("type"),
        }
        members.extend(verdict.message.as_ref().map(|_| "detail"));
        members.sort_unstable();
        let own: Vec<&String> = body.as_object().unwrap().keys().collect();
        assert_eq!(own, members, "{name}");
        assert_eq!(body["status"], verdict.status, "{name}");
        assert_eq!(body["reason"], verdict.reason.as_str(), "{name}");
        assert_eq!(body["detail"].as_str(), verdict.message.as_deref(), "{name}");
        assert_eq!(body["decision"], rest[0].1.as_str(), "{name}");
    }
}

/// The one line in the log is about this request. Where the verdict is `own` it says it.
pub(crate) fn logged(
    name: &str,
    vm: &mut Vm,
    target: &[u8],
    (status, reason): (u16, &str),
    own: Option<&Verdict>,
) {
    let mut log = std::mem::take(&mut vm.gateway().log);
    // Told once a minute, whatever callers send.
    log.retain(|line| {
        !line
            .text
            .starts_with("portcullis: a token names a key that is not loaded")
    });
    let [line] = log.as_slice() else {
        panic!("{name}: {log:?}");
    };
    assert!(line.text.bytes().all(|b| (b' '..=b'~').contains(&b)), "{name}");
    let said: Value = serde_json::from_str(&line.text).unwrap();
    assert_eq!(said["status"], status, "{name}");
    assert_eq!(said["reason"], reason, "{name}");
    let path = String::from_utf8_lossy(target);
    let path: String = path.split(['?', '#']).next().unwrap().chars().take(256).collect();
    let logged: String = said["path"]
        .as_str()
        .unwrap()
        .chars()
        .take(path.chars().count())
        .collect();
    // A character cut in two at the limit may show once more.
    assert_eq!(logged, path, "{name}");
    let Some(verdict) = own else {
        assert_eq!(said["portcullis"], "deny", "{name}");
        return;
    };
    assert_eq!(said["portcullis"], verdict.effect.as_str(), "{name}");
    assert_eq!(said["rule"].as_str(), verdict.rule.as_deref(), "{name}");
    assert_eq!(said["detail"].as_str(), verdict.detail.as_deref(), "{name}");
    assert_eq!(said["policy"], verdict.policy.as_str(), "{name}");
    assert_eq!(said["tags"], json!(verdict.tags), "{name}");
    let reports: Vec<Value> = verdict
        .report
        .iter()
        .map(|report| json!({"rule": report.rule, "value": report.value}))
        .collect();
    assert_eq!(said["report"], Value::Array(reports), "{name}");
}
