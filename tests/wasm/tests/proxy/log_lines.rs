//! What reaches the gateway's log: one line a decision, printable whatever the client sends, and no secret.

use portcullis_tests_wasm::proxy::Request;

use crate::support::{decisions, exchange, get, lines, metadata, request, start};

const CANARY: &str = "canary-7Zq1";

#[test]
fn l01_whatever_the_client_sends_a_line_is_printable_json() {
    let mut vm = start();
    let hostile = [
        "\r\n{\"portcullis\":\"allow\"}",
        "\u{1b}[2J",
        "\"}",
        "\u{2028}\u{202e}",
        "\u{0}",
        "é😀",
    ];
    for text in hostile {
        for asked in [
            request(&format!("GET{text}"), "/open"),
            get(&format!("/open{text}")),
            get("/open").with_header("x-request-id", text),
            get("/open").with_header(text, text),
            get("/open").with_header("user-agent", text),
        ] {
            vm.gateway().log.clear();
            exchange(&mut vm, &asked);
            let log = vm.gateway().log.clone();
            assert_eq!(log.len(), 1, "{asked:?}");
            let line = &log[0].text;
            assert!(line.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{line}");
            assert_eq!(decisions(&mut vm).len(), 1, "{line}");
        }
    }
    let long = get(&format!("/{}", "x".repeat(1 << 20)));
    vm.gateway().log.clear();
    exchange(&mut vm, &long);
    assert!(vm.gateway().log[0].text.len() < 2_000);
}

#[test]
fn l02_no_value_of_a_header_query_claim_or_reply_is_logged() {
    let mut vm = start();
    let claims = format!(r#"{{"sub":"{CANARY}","tenant":"{CANARY}","level":3}}"#);
    let context = format!(r#"{{"region":"{CANARY}","risk":99}}"#);
    let facts = metadata(&format!(
        r#""token":{{"issuer":"corp","claims":{claims}}},"context":{context}"#
    ));
    for path in ["/open", "/admin/x", "/files/%2f", "/nowhere", "/staff", "/region"] {
        let asked: Request = get(&format!("{path}?token={CANARY}"))
            .with_header("authorization", format!("Bearer {CANARY}.b.c"))
            .with_header("cookie", format!("session={CANARY}"))
            .with_header("x-api-key", CANARY)
            .with_property("connection/requested_server_name", CANARY)
            .with_property("connection/subject_peer_certificate", CANARY)
            .with_property("connection/mtls", [1])
            .with_property("metadata", facts.clone());
        let response = lines(&[(":status", "200"), ("set-cookie", CANARY)]);
        vm.gateway().log.clear();
        let outcome = vm.exchange(&asked, &response).unwrap();
        let log = format!("{:?}", vm.gateway().log);
        assert!(log.contains(path) && !log.contains(CANARY), "{log}");
        // The claims were read: this is what they are worth.
        let wanted = if ["/open", "/staff"].contains(&path) {
            "allow"
        } else {
            "deny"
        };
        assert_eq!(decisions(&mut vm)[0]["portcullis"], wanted, "{path}");
        let reply = format!(
            "{:?}",
            outcome
                .reply
                .map(|reply| (reply.headers, String::from_utf8(reply.body)))
        );
        assert!(!reply.contains(CANARY), "{reply}");
    }
}

#[test]
fn a_line_says_what_was_decided() {
    let mut vm = start();
    exchange(&mut vm, &get("/marked?a=b").with_header("x-request-id", "r-1"));
    let said = decisions(&mut vm).remove(0);
    let policy = said["policy"].as_str().unwrap();
    let id = said["id"].as_str().unwrap();
    assert_ne!(id, "r-1");
    assert!(policy.starts_with("sha256:") && policy.len() == 71, "{policy}");
    assert_eq!(
        said,
        serde_json::json!({"portcullis": "allow", "id": id, "request_id": "r-1", "status": 200, "reason": "allowed", "detail": null,
            "rule": "s/marked", "method": "GET", "path": "/marked", "tags": ["marked"],
            "report": [{"rule": "s/risky", "value": "unknown"}], "policy": policy, "shadow": false})
    );
}
