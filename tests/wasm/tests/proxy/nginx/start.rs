//! Configurations in a worker of NGINX: what is asked for, and whose policy is in force.

use serde_json::json;

use super::{configuration, get, with};
use crate::support::{POLICY, SHIPPED, TRAP, answered, image, start as start_in_envoy};

fn only(path: &str) -> Vec<u8> {
    image(&format!("gate 1; service s {{ allow anyone to GET {path}; }}"))
}

/// The host ends the process where a name is asked for while it configures.
#[test]
fn no_property_but_the_root_id_is_asked_for_while_it_configures() {
    let good = configuration(&only("/a"), json!({}));
    let of_envoy = configuration(&only("/a"), json!({"gateway": "envoy"}));
    let broken = [
        "",
        "{",
        "{}",
        r#"{"gateway":"nginx"}"#,
        r#"{"image":"%","gateway":"nginx"}"#,
    ];
    for text in broken.into_iter().chain([good.as_str(), of_envoy.as_str()]) {
        let mut vm = SHIPPED.start_in_nginx(text).unwrap();
        let gateway = vm.gateway();
        assert!(!gateway.nginx.as_ref().unwrap().crashed, "{text}");
        let asked = gateway.calls.iter();
        let asked: Vec<&String> = asked.filter(|call| call.starts_with("get_property")).collect();
        assert!(
            asked.iter().all(|call| *call == "get_property plugin_root_id"),
            "{text}: {asked:?}"
        );
    }
    // And the name is what tells plugins apart elsewhere, so this test sees it where it is asked for.
    let asked = start_in_envoy().gateway().calls.clone();
    assert!(asked.contains(&"get_property plugin_name".into()), "{asked:?}");
}

/// Nothing tells plugins of one module apart there.
#[test]
fn a_broken_configuration_never_gets_the_policy_of_another_plugin() {
    for gateway in ["nginx", "envoy"] {
        let good = configuration(&only("/a"), json!({"gateway": gateway}));
        for broken in ["", "{}", "{", r#"{"image":"%","gateway":"nginx"}"#] {
            let mut vm = SHIPPED.start_in_nginx(&good).unwrap();
            vm.configure(broken).unwrap();
            assert_eq!(answered(&mut vm, &get("/a")).0, 503, "{gateway}: {broken}");
            vm.configure(&good).unwrap();
            if gateway == "nginx" {
                assert_eq!(answered(&mut vm, &get("/a")).0, 200);
            }
        }
    }
    // A root id that is a number is no key in Envoy either, for it could be NGINX's.
    let mut vm = SHIPPED.instantiate().unwrap();
    vm.gateway().plugin.insert("plugin_root_id".into(), b"0".to_vec());
    vm.configure(&crate::support::configuration(&only("/a"), json!({})))
        .unwrap();
    vm.configure("{}").unwrap();
    assert_eq!(answered(&mut vm, &crate::support::get("/a")).0, 503);
}

#[test]
fn a_trap_in_the_request_is_an_error_and_never_an_allow() {
    let tokens = json!({"tokens": [], "context_property": ["ngx", "portcullis_context"]});
    let configuration = configuration(&image(POLICY), tokens);
    let mut vm = TRAP.start_in_nginx(&configuration).unwrap();
    let asked = get("/open").with_header("x-portcullis-debug-trap", "1");
    let outcome = vm.exchange(&asked, &crate::support::ok()).unwrap();
    assert!(outcome.upstream.is_none());
    assert_eq!(outcome.reply.unwrap().status, 500);
}

#[test]
fn where_no_reply_can_be_sent_the_request_ends_with_an_error() {
    let mut vm = with(POLICY, json!({}));
    let fault = portcullis_tests_wasm::proxy::Fault::Status(10);
    vm.gateway()
        .faults
        .insert("proxy_send_local_response".into(), fault);
    let outcome = vm.exchange(&get("/admin/x"), &crate::support::ok()).unwrap();
    assert!(outcome.upstream.is_none());
    assert_eq!(outcome.reply.unwrap().status, 500);
}
