//! Trailers carry no name that the policy alone writes, or drops.

use portcullis_tests_wasm::proxy::{Action, Context, Fault, Vm};

use crate::support::{get, lines, ok, start};

/// An exchange that was allowed, with trailers in both directions.
fn allowed(vm: &mut Vm) -> Context {
    let context = vm.open().unwrap();
    vm.gateway().request = get("/marked");
    assert_eq!(vm.request_headers(context, false).unwrap(), Action::Continue);
    vm.gateway().response = ok();
    vm.gateway().request_trailers = Some(lines(&[("X-Tenant", "forged"), ("x-debug", "1"), ("x-sum", "9")]));
    vm.gateway().response_trailers = Some(lines(&[
        ("server", "upstream"),
        ("x-frame-options", "none"),
        ("X-Portcullis-Decision", "forged"),
        ("grpc-status", "0"),
    ]));
    context
}

/// The same, and the response's headers are sent.
fn answered(vm: &mut Vm) -> Context {
    let context = allowed(vm);
    assert_eq!(vm.response_headers(context, false).unwrap(), Action::Continue);
    context
}

#[test]
fn what_the_policy_sets_or_drops_is_in_no_trailer_and_no_forged_id_either() {
    let mut vm = start();
    let context = allowed(&mut vm);
    assert_eq!(vm.request_trailers(context).unwrap(), Action::Continue);
    assert_eq!(vm.response_headers(context, false).unwrap(), Action::Continue);
    assert_eq!(vm.response_trailers(context).unwrap(), Action::Continue);
    let gateway = vm.gateway();
    assert_eq!(gateway.request_trailers, Some(lines(&[("x-sum", "9")])));
    assert_eq!(gateway.response_trailers, Some(lines(&[("grpc-status", "0")])));
    vm.close(context).unwrap();
}

#[test]
fn a_gateway_without_trailers_is_fine_and_one_that_keeps_them_is_not() {
    let remove = "proxy_remove_header_map_value".to_string();
    for status in [1, 2] {
        let mut vm = start();
        let context = answered(&mut vm);
        vm.gateway().faults.insert(remove.clone(), Fault::Status(status));
        assert_eq!(vm.request_trailers(context).unwrap(), Action::Continue);
        assert_eq!(vm.response_trailers(context).unwrap(), Action::Continue);
        assert!(vm.gateway().replies.is_empty() && vm.gateway().closed.is_empty());
    }
    let mut vm = start();
    let context = answered(&mut vm);
    vm.gateway().faults.insert(remove.clone(), Fault::Status(10));
    assert_eq!(vm.response_trailers(context).unwrap(), Action::Pause);
    assert_eq!(vm.gateway().closed, [0], "its headers are sent already");
    let mut vm = start();
    let context = allowed(&mut vm);
    vm.gateway().faults.insert(remove, Fault::Status(10));
    assert_eq!(vm.request_trailers(context).unwrap(), Action::Pause);
    assert_eq!(vm.gateway().replies[0].status, 500);
}
