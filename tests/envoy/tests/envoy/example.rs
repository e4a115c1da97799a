//! The example, started as people start it: what it prints is true, and it leaves nothing running.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use portcullis_tests::corpus;
use portcullis_tests_envoy::http::{self, Address, Message};
use portcullis_tests_envoy::process::target;
use serde_json::{Value, json};

use crate::case::PLUGIN;

const SCRIPT: &str = "ffi/proxy-wasm/examples/envoy/run.py";

/// `curl -i http://127.0.0.1:4000/a --path-as-is -H 'a: b' --json 'c'`, byte for byte as curl would send it.
fn curl(line: &str) -> (SocketAddr, Message) {
    let url = line
        .split(' ')
        .find_map(|word| word.strip_prefix("http://"))
        .unwrap();
    let (authority, path) = url.split_once('/').unwrap();
    let address: SocketAddr = authority.parse().unwrap();
    let header = line
        .split_once("-H '")
        .and_then(|(_, rest)| rest.split('\'').next());
    let header = header.map(|header| format!("{header}\r\n")).unwrap_or_default();
    let json = line
        .split_once("--json '")
        .and_then(|(_, rest)| rest.split('\'').next());
    let (method, framing) = match json {
        None => ("GET", "accept: */*\r\n".to_string()),
        Some(json) => {
            let length = json.len();
            let framing = format!(
                "content-type: application/json\r\naccept: application/json\r\ncontent-length: {length}\r\n"
            );
            ("POST", framing)
        }
    };
    let body = json.unwrap_or_default();
    let request = format!("{method} /{path} HTTP/1.1\r\nhost: {authority}\r\n{header}{framing}\r\n{body}");
    (
        address,
        http::exchange(&Address::Tcp(address), request.as_bytes(), false).unwrap(),
    )
}

#[test]
fn the_example_does_what_it_prints_and_ends_cleanly() {
    let mut command = Command::new("python3");
    command
        .current_dir(corpus::root())
        .arg(SCRIPT)
        .arg("--plugin")
        .arg(&*PLUGIN);
    // Built with the workspace's tests; alone, the script builds it.
    let built = target().join("debug/portcullis");
    if built.exists() {
        command.arg("--portcullis").arg(built);
    }
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut lines, mut output) = (Vec::new(), BufReader::new(child.stdout.take().unwrap()).lines());
    for line in output.by_ref() {
        lines.push(line.unwrap().trim().to_string());
        if lines.last().is_some_and(|line| line.starts_with("Ctrl-C")) {
            break;
        }
    }
    let curls: Vec<&String> = lines.iter().filter(|line| line.starts_with("curl ")).collect();
    assert_eq!(curls.len(), 5, "{lines:?}");
    let (address, allowed) = curl(curls[0]);
    assert_eq!(allowed.status(), 200);
    assert_eq!(allowed.header("cache-control").as_deref(), Some("no-store"));
    let body: Value = serde_json::from_slice(&allowed.body).unwrap();
    assert_eq!(
        body,
        json!({"upstream saw": "GET /orders/7", "of": "alice", "decided by": "portcullis", "body": "",
            "card": "************1111"})
    );
    let (_, ordered) = curl(curls[1]);
    assert_eq!(ordered.status(), 200);
    let body: Value = serde_json::from_slice(&ordered.body).unwrap();
    assert_eq!(body["body"], r#"{"item":"tea","count":2}"#);
    let (_, refused) = curl(curls[2]);
    assert_eq!(refused.status(), 422);
    let problem: Value = serde_json::from_slice(&refused.body).unwrap();
    assert_eq!(
        (&problem["code"], &problem["pointer"]),
        (&json!("unknown_field"), &json!("/price"))
    );
    assert_eq!(curl(curls[3]).1.status(), 401);
    let (_, denied) = curl(curls[4]);
    let body = String::from_utf8_lossy(&denied.body).into_owned();
    assert_eq!(denied.status(), 403, "{body}");
    assert!(body.contains("not for visitors"), "{body}");
    // Ctrl-C, to the one process that we started.
    let pid = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-INT", &pid])
            .status()
            .unwrap()
            .success()
    );
    assert!(child.wait().unwrap().success());
    assert_eq!(output.count(), 0, "it has more to say");
    let gone = std::net::TcpStream::connect(address);
    assert!(gone.is_err(), "Envoy is still there");
}
