//! A verdict -> what a gateway that carries it out must have done: the reply, what reached the upstream, the log line.

use std::collections::BTreeMap;

use portcullis_tests_envoy::http::Message;
use portcullis_tests_envoy::upstream::Received;
use portcullis_vectors::{Headers, Vector, Verdict};
use serde_json::{Value, json};

/// The header by which the plugin names its decision.
const DECISION: &str = "x-portcullis-decision";

/// What a verdict says in short.
pub(crate) fn summary(v: &Verdict) -> String {
    let detail = v.detail.as_deref().unwrap_or("-");
    let rule = v.rule.as_deref().unwrap_or("-");
    format!("{} {} {} {detail} {rule}", v.effect, v.status, v.reason)
}

/// The verdict as the plugin can carry it out: it has no store for quotas, and an allow that asks for one is none.
pub(crate) fn carried_out(v: Verdict) -> Verdict {
    if v.effect != "allow" {
        return v;
    }
    let refused = |status, reason: &str| Verdict {
        id: v.id.clone(),
        effect: "deny".into(),
        status,
        reason: reason.into(),
        policy: v.policy.clone(),
        ..Verdict::default()
    };
    if !v.quotas.is_empty() {
        // The headers that the engine itself puts there stay.
        let own = [
            "sunset",
            "access-control-allow-origin",
            "access-control-allow-credentials",
            "vary",
        ];
        let set = v
            .headers
            .response_set
            .iter()
            .filter(|(name, _)| own.contains(&name.as_str()));
        let headers = Headers {
            response_set: set.cloned().collect(),
            ..Headers::default()
        };
        let refused = refused(503, "store_unavailable");
        return Verdict {
            headers,
            report: v.report.clone(),
            ..refused
        };
    }
    v
}

/// Every way in which the reply and what reached the upstream are not the verdict.
pub(crate) fn differences(verdict: &Verdict, reply: &Message, received: &[Received]) -> Vec<String> {
    let mut wrong = Vec::new();
    let allow = verdict.effect == "allow";
    let upgraded = received
        .first()
        .is_some_and(|r| r.message.header("upgrade").is_some());
    let grpc = !allow
        && verdict
            .headers
            .response_set
            .iter()
            .any(|(name, _)| name == "grpc-status");
    let status = match (allow, upgraded) {
        (true, true) => 101,
        (true, false) => 200,
        // gRPC has its own status, in a header of a reply that is always 200.
        (false, _) if grpc => 200,
        (false, _) => verdict.status,
    };
    if reply.status() != status {
        wrong.push(format!(
            "status {}, not {status}: {}",
            reply.status(),
            summary(verdict)
        ));
    }
    let reached = usize::from(allow);
    if received.len() != reached {
        wrong.push(format!(
            "{} requests reached the upstream, not {reached}",
            received.len()
        ));
    }
    if reply.all(DECISION).len() != 1 {
        wrong.push("the reply names no decision".into());
    }
    headers(
        &mut wrong,
        "reply",
        reply,
        &verdict.headers.response_set,
        &verdict.headers.response_drop,
    );
    for request in received {
        let target = request.message.target();
        if Some(target.as_slice()) != verdict.upstream_target.as_ref().map(|t| t.as_bytes()) {
            let target = String::from_utf8_lossy(&target).into_owned();
            wrong.push(format!(
                "upstream target {target:?}, not {:?}",
                verdict.upstream_target
            ));
        }
        headers(
            &mut wrong,
            "upstream",
            &request.message,
            &verdict.headers.request_set,
            &verdict.headers.request_drop,
        );
    }
    wrong
}

fn headers(
    wrong: &mut Vec<String>,
    side: &str,
    message: &Message,
    set: &[(String, String)],
    drop: &[String],
) {
    for (name, _) in set {
        let values: Vec<&[u8]> = set
            .iter()
            .filter(|(own, _)| own == name)
            .map(|(_, value)| value.as_bytes())
            .collect();
        if message.all(name) != values {
            let found: Vec<_> = message
                .all(name)
                .into_iter()
                .map(String::from_utf8_lossy)
                .collect();
            let values: Vec<_> = values.into_iter().map(String::from_utf8_lossy).collect();
            wrong.push(format!("{side} header {name}: {found:?}, not {values:?}"));
        }
    }
    for name in drop.iter().filter(|name| !message.all(name).is_empty()) {
        wrong.push(format!("{side} header {name} was not dropped"));
    }
}

/// The line that the plugin must have logged.
pub(crate) struct Expected {
    id: String,
    decision: String,
    line: Value,
}

impl Expected {
    /// Of a verdict that was carried out on a request.
    pub(crate) fn of(id: String, v: &Verdict, asked: &Vector, reply: &Message) -> Expected {
        let decision = reply.header(DECISION).unwrap_or_default();
        let target = asked.request.target_bytes().unwrap_or_default();
        let path = target
            .split(|b| matches!(b, b'?' | b'#'))
            .next()
            .unwrap_or_default();
        let path: String = String::from_utf8_lossy(path).chars().take(256).collect();
        let mut ids = asked
            .request
            .headers
            .iter()
            .filter(|(name, _)| name.eq_ignore_ascii_case("x-request-id"));
        let request_id = ids.next().filter(|_| ids.next().is_none());
        let request_id = request_id.map(|(_, value)| String::from_utf8_lossy(&value.0).into_owned());
        let line = json!({
            "portcullis": v.effect, "id": decision, "request_id": request_id, "status": v.status, "reason": v.reason, "detail": v.detail,
            "rule": v.rule, "method": asked.request.method, "path": path, "tags": v.tags, "report": v.report,
            "policy": v.policy, "shadow": false,
        });
        Expected { id, decision, line }
    }
}

/// Which expected lines a log does not have, or has otherwise.
pub(crate) fn unlogged(expected: &[Expected], log: &str) -> Vec<String> {
    let mut lines: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for line in log.lines() {
        let json = line.find("{\"portcullis\":").and_then(|at| line.get(at..));
        if let Some(value) = json.and_then(|json| serde_json::from_str::<Value>(json).ok()) {
            let id = value["id"].as_str().unwrap_or_default().to_string();
            lines.entry(id).or_default().push(value);
        }
    }
    let missing = expected.iter().filter_map(|expected| {
        let found = lines.get(&expected.decision).cloned().unwrap_or_default();
        (found != [expected.line.clone()])
            .then(|| format!("{}: {found:?}, not {}", expected.id, expected.line))
    });
    missing.collect()
}
