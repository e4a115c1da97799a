//! The example for NGINX: its policy through the plugin, its configuration against the policy, its script.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use portcullis_tests::corpus;
use portcullis_tests_wasm::proxy::{DIRECTIVE_BYTES_MAX, Vm};
use serde_json::json;

use super::{configuration, get, of_hosts};
use crate::support::{SHIPPED, answered, base64, exchange, gzip, image, lines};

fn folder() -> PathBuf {
    corpus::root().join("ffi/proxy-wasm/examples/nginx")
}

fn read(name: &str) -> String {
    std::fs::read_to_string(folder().join(name)).unwrap()
}

fn decided(vm: &mut Vm) {
    let of_shop = |path| of_hosts(get(path), "127.0.0.1:8080", "127.0.0.1");
    let catalogue = exchange(vm, &of_shop("/catalogue/42"));
    let mut upstream = catalogue.upstream.unwrap();
    upstream.retain(|(name, _)| name.starts_with(b"x-"));
    assert_eq!(upstream, lines(&[("x-decided-by", "portcullis")]));
    assert!(
        catalogue
            .response
            .contains(&lines(&[("x-frame-options", "deny")])[0])
    );
    let forged = of_shop("/catalogue/42").with_header("x-decided-by", "forged");
    assert_eq!(answered(vm, &forged).0, 400);
    assert_eq!(answered(vm, &of_shop("/orders/7")).0, 403);
    let office = of_shop("/orders/7").with_property("source/address", "10.20.3.4");
    assert_eq!(answered(vm, &office).0, 200);
    assert_eq!(answered(vm, &of_shop("/internal/users")).0, 403);
    let upgrade = |path| of_shop(path).with_header("Upgrade", "websocket");
    assert_eq!(answered(vm, &upgrade("/catalogue")).0, 400);
    let named = upgrade("/prices").with_header("Connection", "Upgrade");
    assert_eq!(answered(vm, &named).0, 200);
    assert_eq!(
        answered(vm, &of_hosts(get("/catalogue"), "127.0.0.1", "admin.example")).0,
        400
    );
}

#[test]
fn its_policy_demands_nothing_that_the_plugin_cannot_carry_out() {
    let image = image(&read("policy.gate"));
    decided(&mut SHIPPED.start_in_nginx(&configuration(&image, json!({}))).unwrap());
    let loaded = portcullis::Image::load(&image, &portcullis::Trust::Unsigned).unwrap();
    let config = loaded.config();
    assert!(config.quotas.is_empty() && config.issuers.is_empty() && config.keys.is_empty());
    let packed = json!({"image_gzip": base64(&gzip(&image)), "gateway": "nginx"}).to_string();
    assert!(packed.len() <= DIRECTIVE_BYTES_MAX, "{}", packed.len());
}

/// Names in `set request header "NAME"` and `drop request header "NAME"` are those that the configuration clears.
#[test]
fn its_configuration_clears_what_the_policy_sets_or_drops() {
    let names = |text: &str, before: &str| -> Vec<String> {
        let parts = text.split(before).skip(1);
        let names = parts.filter_map(|rest| rest.trim_start().strip_prefix('"')?.split('"').next());
        names.map(str::to_string).collect()
    };
    let mut touched = names(&read("policy.gate"), "request header");
    touched.sort_unstable();
    let configuration = read("nginx.conf");
    let (_, cleared) = configuration.split_once("ipairs({").unwrap();
    let (cleared, _) = cleared.split_once("})").unwrap();
    let cleared: Vec<&str> = cleared.split('"').skip(1).step_by(2).collect();
    assert_eq!(cleared, touched);
    assert!(!cleared.is_empty());
}

/// Directives that were seen to lead past the gate, and lines without which something else is forwarded than was
/// decided on.
#[test]
fn its_configuration_is_the_one_that_was_seen_to_hold() {
    let configuration = read("nginx.conf");
    let code = configuration
        .lines()
        .map(|line| line.split('#').next().unwrap().trim());
    let code: Vec<&str> = code.filter(|line| !line.is_empty()).collect();
    for never in [
        "rewrite ",
        "if ",
        "if(",
        "satisfy",
        "error_page",
        "try_files",
        "proxy_cache",
        "proxy_wasm portcullis",
        "wasm_postpone_access",
        "$host",
    ] {
        assert!(!code.iter().any(|line| line.contains(never)), "{never}");
    }
    for line in [
        "rewrite_by_lua_block {",
        "assert(require(\"resty.wasmx.proxy_wasm\").attach(portcullis))",
        "proxy_set_header Host $http_host;",
        "proxy_set_header Upgrade $portcullis_upgrade;",
        "proxy_set_header Connection $portcullis_connection;",
        "proxy_pass http://backend;",
        "map $http_connection $portcullis_asks {",
        "map \"$portcullis_asks $http_upgrade\" $portcullis_upgrade {",
    ] {
        assert!(code.contains(&line), "{line}");
    }
    let locations = code.iter().filter(|line| line.starts_with("location ")).count();
    let blocks = code
        .iter()
        .filter(|line| line.starts_with("rewrite_by_lua_block"))
        .count();
    assert_eq!((locations, blocks), (1, 1), "each location has the gate");
}

/// Stand-ins for `portcullis` and `nginx`, which write down how they are called; one of them may fail.
fn reloaded(folder: &Path, failing: &str) -> (bool, Vec<String>) {
    let log = folder.join("calls");
    let _ = std::fs::remove_file(&log);
    for name in ["portcullis", "nginx"] {
        let text = format!(
            "#!/bin/sh\necho {name} \"$@\" >>'{log}'\ncase \"{name} $*\" in *\"{failing}\"*) exit 1;; esac\n\
             if [ \"$1\" = compile ]; then cp '{folder}/made.image' \"$5\"; fi\n",
            log = log.display(),
            folder = folder.display(),
        );
        let program = folder.join("bin").join(name);
        std::fs::write(&program, text).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let path = format!(
        "{}:{}",
        folder.join("bin").display(),
        std::env::var("PATH").unwrap()
    );
    let output = Command::new("sh")
        .arg(self::folder().join("reload.sh"))
        .arg("a.gate")
        .arg(folder)
        .env("PATH", path)
        .output()
        .unwrap();
    let calls = std::fs::read_to_string(log).unwrap_or_default();
    let place = format!("{}/", folder.display());
    let calls = calls.lines().map(|line| line.replace(&place, ""));
    let calls = calls.map(|line| line.replace(place.trim_end_matches('/'), "."));
    (output.status.success(), calls.collect())
}

#[test]
fn its_script_looks_at_everything_before_it_reloads() {
    const CALLS: [&str; 5] = [
        "portcullis check a.gate",
        "portcullis compile --strip-symbols a.gate -o portcullis.image",
        "portcullis inspect portcullis.image",
        "nginx -p . -c nginx.conf -t",
        "nginx -p . -c nginx.conf -s reload",
    ];
    let folder = std::env::temp_dir().join(format!("portcullis-nginx-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("bin")).unwrap();
    std::fs::write(folder.join("made.image"), image(&read("policy.gate"))).unwrap();
    std::fs::write(folder.join("portcullis.json"), "old").unwrap();
    let in_force = || std::fs::read_to_string(folder.join("portcullis.json")).unwrap();
    let module = folder.join("portcullis_proxy.opt.wasm");
    // Without the module's file the master process would end.
    assert_eq!(
        reloaded(&folder, "nothing"),
        (false, CALLS[..3].iter().map(|call| call.to_string()).collect())
    );
    std::fs::write(&module, "module").unwrap();
    for (at, failing) in ["check", "compile", "inspect", "conf -t"].into_iter().enumerate() {
        let (good, calls) = reloaded(&folder, failing);
        assert!(!good, "{failing}");
        assert_eq!(calls, CALLS[..=at], "{failing}");
        assert_eq!(in_force(), "old", "{failing}");
    }
    assert_eq!(
        reloaded(&folder, "nothing"),
        (true, CALLS.map(String::from).to_vec())
    );
    decided(&mut SHIPPED.start_in_nginx(&in_force()).unwrap());
    std::fs::remove_dir_all(&folder).unwrap();
}
