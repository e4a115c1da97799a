//! Configurations good and bad, one after the other in the same VM.

use portcullis::image::seal::{Seal, public_key, sign};
use portcullis_tests_wasm::proxy::{DIRECTIVE_BYTES_MAX, Request, Vm};
use serde_json::{Value, json};

use crate::support::{
    NOON_NS, POLICY, SHIPPED, TRAP, answered, base64, configuration, decisions, exchange, get, gzip, image,
    start,
};

const SECRET: [u8; 32] = [7; 32];

/// A policy that allows one path to everybody.
fn only(path: &str) -> Vec<u8> {
    image(&format!(
        "gate 1; service s {{ allow anyone to GET {path} as one; }}"
    ))
}

fn errors(vm: &mut Vm) -> Vec<String> {
    let errors = vm.gateway().log.iter().filter(|line| line.level == 4);
    errors.map(|line| line.text.clone()).collect()
}

/// Bytes that pack to some twentieth of their size.
fn dense(bytes: usize) -> Vec<u8> {
    let mut state = 1u32;
    let noise = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    });
    let noise: Vec<u8> = noise.take(bytes / 32 + 1).collect();
    let repeated = noise.chunks(2_048).flat_map(|block| block.repeat(32));
    repeated.take(bytes).collect()
}

/// Bad configurations, and a word of what is said about each.
fn bad() -> Vec<(String, &'static str)> {
    let good = base64(&only("/a"));
    let mut broken = only("/a");
    broken[90] ^= 1;
    let packed = gzip(&only("/a"));
    let large = dense((24 << 20) + 1);
    let gz = |packed: &[u8]| json!({"image_gzip": base64(packed)}).to_string();
    let with = |more: Value| configuration(&only("/a"), more);
    let property = |path: Value| json!({"image": good, "context_property": path}).to_string();
    vec![
        (String::new(), "no configuration"),
        (" \n".into(), "no configuration"),
        ("{".into(), "EOF"),
        ("[]".into(), "expected struct"),
        ("{}".into(), "one of"),
        (format!(r#"{{"image":"{good}","image":"{good}"}}"#), "duplicate"),
        (json!({"image": good, "policy": "gate 1;"}).to_string(), "one of"),
        (
            json!({"image": good, "image_gzip": base64(&packed)}).to_string(),
            "one of",
        ),
        (json!({"image": "%%%"}).to_string(), "base64"),
        (
            json!({"image_gzip": "%%%"}).to_string(),
            "`image_gzip` is not base64",
        ),
        (
            json!({"image_gzip": good}).to_string(),
            "is no gzip, or is damaged",
        ),
        (gz(&packed[..packed.len() - 1]), "is no gzip, or is damaged"),
        (gz(&[&packed[..], &[0]].concat()), "is no gzip, or is damaged"),
        (gz(&gzip(&broken)), "digest"),
        (gz(&gzip(&large)), "more than 25165824 bytes"),
        (gz(&gzip(&vec![0; 24 << 20])), "more than a hundred times"),
        (json!({"image": ""}).to_string(), "bytes long"),
        (json!({"image": base64(&broken)}).to_string(), "digest"),
        (json!({"image": good, "imago": 1}).to_string(), "imago"),
        (with(json!({"data": {"a.txt": "?"}})), "data.a.txt"),
        (with(json!({"log": "some"})), "some"),
        (with(json!({"shadow": "yes"})), "boolean"),
        (with(json!({"tokens": [{"issuer": "x"}]})), "payload"),
        (
            with(json!({"tokens": [{"issuer": "x", "payload": "p", "property": ["q"]}]})),
            "payload",
        ),
        (
            with(json!({"tokens": vec![json!({"issuer": "x", "payload": "p"}); 17]})),
            "more than 16",
        ),
        (with(json!({"context_property": ["a"]})), "context"),
        (
            with(json!({"tokens": [{"issuer": "x", "payload": "p"}]})),
            "not declare",
        ),
        (with(json!({"tls": "maybe"})), "maybe"),
        (with(json!({"gateway": "apache"})), "apache"),
        (property(json!([])), "no property path"),
        (
            property(json!(["request", "headers", "x-claims"])),
            "no property path",
        ),
        (property(json!(["request.headers.x-claims"])), "no property path"),
        (
            property(json!(["request\u{0}headers", "x-claims"])),
            "no property path",
        ),
        (property(json!(["response", "headers", "x"])), "no property path"),
        (property(json!(["ngx", "http_x_claims"])), "no property path"),
        (property(json!(["NGX", "http_x_claims"])), "no property path"),
        (property(json!(["ngx", "content_type"])), "`portcullis_`"),
        (property(json!(["ngx", "Portcullis_x"])), "no property path"),
        (property(json!(["ngx", "portcullis_x", "y"])), "no property path"),
        (property(json!(["ngx"])), "no property path"),
        (
            property(json!(["Connection", "requested_server_name"])),
            "no property path",
        ),
        (property(json!(["metadata", ""])), "no property path"),
        (
            with(json!({"tokens": [{"issuer": "x", "property": ["request", "path"]}]})),
            "no property path",
        ),
        (with(json!({"trust": {"keys": {}}})), "not sealed"),
        (with(json!({"trust": {"keys": {"k1": "AAAA"}}})), "k1"),
        (with(json!({"trust": {"keys": {}, "serial": 3}})), "serial"),
        (
            with(json!({"trust": {"keys": {}, "when_expired": "never"}})),
            "never",
        ),
        (json!({"policy": "gate 1;"}).to_string(), "images"),
        (
            json!({"policy": "gate 1;", "trust": {"keys": {}}}).to_string(),
            "seal",
        ),
        (
            format!("{}{}", with(json!({})), " ".repeat(32 << 20)),
            "longer than",
        ),
    ]
}

#[test]
fn w02_without_a_good_configuration_everything_is_denied() {
    for (configuration, word) in bad() {
        let mut vm = SHIPPED.start(&configuration).unwrap();
        let said = errors(&mut vm);
        assert!(said.len() == 1 && said[0].contains(word), "{word}: {said:?}");
        assert!(said[0].contains("everything is denied"), "{said:?}");
        let outcome = exchange(&mut vm, &get("/a"));
        assert!(outcome.upstream.is_none(), "{word}");
        assert_eq!(answered(&mut vm, &get("/a")).0, 503, "{word}");
        assert_eq!(vm.gateway().count("portcullis.decisions.deny.no_policy"), 2);
        assert_eq!(vm.gateway().count("portcullis.configurations.refused"), 1);
    }
}

#[test]
fn a_bad_configuration_keeps_the_last_good_one_whole() {
    let good = configuration(&only("/a"), json!({}));
    let mut vm = SHIPPED.start(&good).unwrap();
    for (configuration, word) in bad() {
        vm.gateway().log.clear();
        vm.configure(&configuration).unwrap();
        let said = errors(&mut vm);
        assert!(
            said.len() == 1 && said[0].contains("last good policy stays"),
            "{word}: {said:?}"
        );
        assert_eq!(answered(&mut vm, &get("/a")).0, 200, "{word}");
        assert_eq!(answered(&mut vm, &get("/b")).0, 404, "{word}");
        assert_eq!(decisions(&mut vm).len(), 2, "the options stay too");
    }
    vm.configure(&configuration(&only("/b"), json!({}))).unwrap();
    assert_eq!(answered(&mut vm, &get("/a")).0, 404);
    assert_eq!(answered(&mut vm, &get("/b")).0, 200);
}

/// A directive of NGINX takes no longer configuration, and images have long runs of zeros.
#[test]
fn a_packed_image_of_twenty_rules_fits_a_directive() {
    let rules =
        (0..20).map(|n| format!("allow anyone to GET /shop/{n}/{{item}}, POST /orders/{n} as rule{n};"));
    let text = format!(
        "gate 1; service s on \"a.example\" {{ {} }}",
        rules.collect::<String>()
    );
    let checked = portcullis_lang::check::load_text(&text).policy.unwrap();
    let options = portcullis_compile::CompileOptions {
        symbols: false,
        ..Default::default()
    };
    let image = portcullis_compile::compile_with(&checked, &options).unwrap();
    let packed = json!({"image_gzip": base64(&gzip(&image)), "gateway": "nginx"}).to_string();
    let plain = json!({"image": base64(&image), "gateway": "nginx"}).to_string();
    println!("{} bytes packed, {} plain", packed.len(), plain.len());
    assert!(packed.len() <= DIRECTIVE_BYTES_MAX && plain.len() > DIRECTIVE_BYTES_MAX);
    let mut vm = SHIPPED.start_in_nginx(&packed).unwrap();
    for (path, status) in [("/shop/19/x", 200), ("/shop/20/x", 404)] {
        assert_eq!(answered(&mut vm, &crate::nginx::get(path)).0, status, "{path}");
    }
    let mut vm = SHIPPED
        .start(&json!({"image_gzip": base64(&gzip(&image))}).to_string())
        .unwrap();
    assert_eq!(answered(&mut vm, &get("/shop/19/x")).0, 200);
}

#[test]
fn plugins_of_one_vm_do_not_inherit_each_other() {
    let named = |vm: &mut Vm, name: &str| {
        vm.gateway().plugin.insert("plugin_name".into(), name.into());
    };
    let mut vm = SHIPPED.instantiate().unwrap();
    named(&mut vm, "one");
    vm.configure(&configuration(&only("/a"), json!({}))).unwrap();
    named(&mut vm, "two");
    vm.configure("{}").unwrap();
    assert_eq!(answered(&mut vm, &get("/a")).0, 503);
    named(&mut vm, "one");
    vm.configure("{}").unwrap();
    assert_eq!(answered(&mut vm, &get("/a")).0, 200);
}

/// An exchange is decided and answered by the policy that it began under.
#[test]
fn an_exchange_keeps_its_policy() {
    let mut vm = SHIPPED.start(&configuration(&only("/a"), json!({}))).unwrap();
    let early = vm.open().unwrap();
    vm.configure(&configuration(&only("/b"), json!({}))).unwrap();
    vm.gateway().request = get("/a");
    let action = vm.request_headers(early, true).unwrap();
    assert_eq!(action, portcullis_tests_wasm::proxy::Action::Continue);
    vm.close(early).unwrap();
    assert_eq!(answered(&mut vm, &get("/a")).0, 404);
}

#[test]
fn an_issuer_without_claims_is_told() {
    let mut vm = SHIPPED
        .start(&configuration(&image(POLICY), json!({"tokens": []})))
        .unwrap();
    let log = &vm.gateway().log;
    let told =
        |line: &&portcullis_tests_wasm::proxy::LogLine| line.level == 3 && line.text.contains("\"corp\"");
    assert_eq!(log.iter().filter(told).count(), 1, "{log:?}");
}

#[test]
fn shadow_mode_tells_everything_and_changes_nothing() {
    let mut vm = SHIPPED
        .start(&configuration(&image(POLICY), json!({"shadow": true})))
        .unwrap();
    for (path, effect, reason) in [
        ("/admin/x", "deny", "denied_by_rule"),
        ("/files/a/../b", "allow", "allowed"),
        ("/marked", "allow", "allowed"),
        ("/quota", "deny", "store_unavailable"),
        ("/redact", "allow", "allowed"),
        ("/files/%2f", "deny", "malformed"),
    ] {
        let counter = format!("portcullis.shadow.{effect}.{reason}");
        let before = vm.gateway().count(&counter);
        vm.gateway().log.clear();
        let request = get(path).with_header("x-tenant", "kept");
        let outcome = exchange(&mut vm, &request);
        assert_eq!(outcome.upstream, Some(request.headers), "{path}");
        assert_eq!(outcome.response, crate::support::ok(), "{path}");
        assert!(outcome.reply.is_none());
        assert_eq!(vm.gateway().count(&counter), before + 1, "{path}");
        let said = decisions(&mut vm);
        assert_eq!((said.len(), &said[0]["shadow"]), (1, &json!(true)), "{path}");
        assert_eq!(said[0]["portcullis"], effect, "{path}");
    }
    let enforced = vm
        .gateway()
        .counts
        .keys()
        .filter(|name| name.starts_with("portcullis.decisions"));
    assert_eq!(enforced.count(), 0);
    // A configuration that is none can not ask for shadow mode.
    let mut closed = SHIPPED.start(r#"{"shadow":true}"#).unwrap();
    assert_eq!(answered(&mut closed, &get("/a")).0, 503);
}

#[test]
fn every_reason_has_one_counter_and_each_decision_counts_once() {
    let mut vm = start();
    for path in ["/open", "/open", "/admin/x", "/nowhere", "/staff"] {
        exchange(&mut vm, &get(path));
    }
    for (name, count) in [
        ("allow.allowed", 2),
        ("deny.denied_by_rule", 1),
        ("deny.no_route", 1),
        ("deny.unauthenticated", 1),
    ] {
        assert_eq!(
            vm.gateway().count(&format!("portcullis.decisions.{name}")),
            count,
            "{name}"
        );
    }
    let names = vm.gateway().counters.clone();
    assert_eq!(names.len(), portcullis::decision::Reason::ALL.len() + 2);
    vm.configure(&configuration(&only("/a"), json!({}))).unwrap();
    exchange(&mut vm, &get("/a"));
    assert_eq!(vm.gateway().counters, names, "nothing is made known twice");
}

#[test]
fn the_log_is_as_loud_as_configured() {
    for (log, count) in [("all", 2), ("denied", 1), ("none", 0)] {
        let mut vm = SHIPPED
            .start(&configuration(&image(POLICY), json!({"log": log})))
            .unwrap();
        exchange(&mut vm, &get("/open"));
        exchange(&mut vm, &get("/admin/x"));
        assert_eq!(decisions(&mut vm).len(), count, "{log}");
    }
}

#[test]
fn only_sealed_images_that_may_follow_are_taken() {
    let sealed = |path: &str, serial: u64| {
        let seal = Seal {
            key_id: "k1",
            audience: "edge",
            serial,
            not_after_us: None,
            smoke: b"",
        };
        sign(&SECRET, &seal, &only(path)).unwrap()
    };
    let key = base64(&public_key(&SECRET).to_bytes());
    let trust = json!({"trust": {"keys": {"k1": key}, "audience": "edge"}});
    let mut vm = SHIPPED
        .start(&configuration(&sealed("/five", 5), trust.clone()))
        .unwrap();
    assert_eq!(answered(&mut vm, &get("/five")).0, 200);
    for (image, why) in [
        (sealed("/four", 4), "older"),
        (sealed("/other", 5), "same serial"),
        (only("/bare"), "unsealed"),
    ] {
        vm.configure(&configuration(&image, trust.clone())).unwrap();
        assert_eq!(answered(&mut vm, &get("/five")).0, 200, "{why}");
    }
    // Leaving the keys out does not let an unsealed one in.
    vm.configure(&configuration(&only("/bare"), json!({}))).unwrap();
    assert_eq!(answered(&mut vm, &get("/bare")).0, 404);
    vm.configure(&configuration(&sealed("/six", 6), trust)).unwrap();
    assert_eq!(answered(&mut vm, &get("/six")).0, 200);
    let mark = json!({"trust": {"keys": {"k1": key}, "audience": "edge", "serial": 9,
        "digest": format!("sha256:{}", "0".repeat(64))}});
    let mut fresh = SHIPPED.start(&configuration(&sealed("/six", 6), mark)).unwrap();
    assert_eq!(
        answered(&mut fresh, &get("/six")).0,
        503,
        "an older one than the mark"
    );
}

#[test]
fn r05_past_the_end_of_a_seal_the_policy_stays_or_goes_as_configured() {
    const END_US: i64 = NOON_NS as i64 / 1_000 + 60_000_000;
    let seal = Seal {
        key_id: "k1",
        audience: "",
        serial: 1,
        not_after_us: Some(END_US),
        smoke: b"{}",
    };
    let image = sign(&SECRET, &seal, &only("/a")).unwrap();
    let key = base64(&public_key(&SECRET).to_bytes());
    let later = |mut request: Request| {
        request.now_ns = Some((END_US as u64 + 1) * 1_000);
        request
    };
    for (when_expired, after) in [("keep", 200), ("deny", 503)] {
        let trust = json!({"trust": {"keys": {"k1": key}, "when_expired": when_expired}});
        let mut vm = SHIPPED.start("").unwrap();
        vm.gateway().request.now_ns = Some(NOON_NS);
        vm.configure(&configuration(&image, trust)).unwrap();
        let told = |vm: &mut Vm, what: &str| vm.gateway().log.iter().any(|line| line.text.contains(what));
        assert!(told(&mut vm, "smoke cases are not run") && told(&mut vm, &END_US.to_string()));
        assert_eq!(
            answered(&mut vm, &get("/a")).0,
            200,
            "{when_expired}, before the end"
        );
        assert_eq!(
            answered(&mut vm, &later(get("/a"))).0,
            after,
            "{when_expired}, past it"
        );
    }
}

#[test]
fn a_bad_data_file_leaves_the_last_good_one() {
    let text = r#"gate 1; list banned: ip from "banned.txt";
        service s { allow anyone to GET /a; deny anyone to any /** when client.ip in banned; }"#;
    let files = std::collections::BTreeMap::from([("banned.txt".to_string(), Vec::new())]);
    let gate = [("policy.gate".to_string(), text.as_bytes().to_vec())];
    let image =
        portcullis_compile::compile(&portcullis_lang::check::load(&gate, &files).policy.unwrap()).unwrap();
    let with = |list: &str| configuration(&image, json!({"data": {"banned.txt": base64(list.as_bytes())}}));
    let mut vm = SHIPPED.start(&with("nonsense\n")).unwrap();
    assert_eq!(answered(&mut vm, &get("/a")).0, 403, "never loaded is unknown");
    assert!(
        vm.gateway()
            .log
            .iter()
            .any(|line| line.level == 3 && line.text.contains("banned.txt"))
    );
    vm.configure(&with("203.0.113.9\n")).unwrap();
    assert_eq!(answered(&mut vm, &get("/a")).0, 200);
    vm.configure(&with("192.0.2.7\nnonsense\n")).unwrap();
    assert_eq!(answered(&mut vm, &get("/a")).0, 200, "the last good list stays");
    vm.configure(&with("192.0.2.7\n")).unwrap();
    assert_eq!(answered(&mut vm, &get("/a")).0, 403);
}

#[test]
fn text_is_taken_by_the_build_with_the_compiler() {
    let text =
        json!({"policy": POLICY, "tokens": [{"issuer": "corp", "payload": "corp"}], "context": "context"});
    let mut vm = TRAP.start(&text.to_string()).unwrap();
    assert_eq!(answered(&mut vm, &get("/open")).0, 200);
    assert_eq!(answered(&mut vm, &get("/admin/x")).0, 403);
    vm.configure(&json!({"policy": "gate 1; service s { allow nobody to GET /a; }"}).to_string())
        .unwrap();
    let said = errors(&mut vm);
    assert!(said.len() == 1 && said[0].contains("`policy`: G"), "{said:?}");
    assert_eq!(
        answered(&mut vm, &get("/open")).0,
        200,
        "the last good policy stays"
    );
}
