//! What a test asks for -> Envoy's configuration. Everything that a client sends is let through to the plugin, however
//! odd, so that the plugin is what is tested; what Envoy refuses all the same it refuses by its codec.

use std::net::SocketAddr;
use std::path::Path;

use serde_json::{Value, json};

use crate::http::Address;
use crate::tls::Hello;

/// The dynamic metadata namespace of context facts.
pub const CONTEXT: &str = "portcullis.context";
/// Header that carries the token of issuer number `n`: `x-test-token-n`. Taken away before the plugin.
pub const TOKEN_HEADER: &str = "x-test-token-";
/// Header that carries context member number `n`. Taken away before the plugin.
pub const CONTEXT_HEADER: &str = "x-test-context-";
/// Reply header by which the probe in front of the plugin tells what it saw.
pub const SEEN_HEADER: &str = "x-test-seen";

/// How Envoy treats a path before any filter.
#[derive(Clone, Copy, Debug, Default)]
pub struct Normalise {
    /// `normalize_path`.
    pub path: bool,
    /// `merge_slashes`.
    pub slashes: bool,
    /// `path_with_escaped_slashes_action`; empty: Envoy's default.
    pub escaped: &'static str,
}

/// A listener with filters in front of the upstream.
#[derive(Clone, Debug)]
pub struct Listener<'a> {
    /// Name, also of its statistics.
    pub name: &'a str,
    /// Where; a TCP address asks for a free loopback port.
    pub address: &'a Address,
    /// Scheme that requests have: the sockets of these tests speak clear text.
    pub scheme: &'a str,
    /// Whether a connection begins with a PROXY line.
    pub proxy_protocol: bool,
    /// Path settings.
    pub normalise: Normalise,
    /// Filters in turn, without the router.
    pub filters: Vec<Value>,
    /// Where requests go.
    pub upstream: SocketAddr,
}

impl Listener<'_> {
    /// As Envoy reads it.
    pub fn json(&self) -> Value {
        let address = match self.address {
            Address::Unix(path) | Address::Tls(Hello { socket: path, .. }) => {
                json!({"pipe": {"path": path.display().to_string()}})
            }
            Address::Tcp(_) => json!({"socket_address": {"address": "127.0.0.1", "port_value": 0}}),
        };
        let mut listener = json!({
            "name": self.name,
            "address": address,
            "filter_chains": [{"filters": [{"name": "http", "typed_config": self.manager()}]}],
        });
        if self.proxy_protocol {
            listener["listener_filters"] = json!([typed(
                "envoy.filters.listener.proxy_protocol",
                "envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol",
                json!({}),
            )]);
        }
        listener
    }

    /// The same behind TLS. The inspector is what makes the server name known to filters.
    pub fn over_tls(&self, transport_socket: Value) -> Value {
        let mut listener = self.json();
        listener["filter_chains"][0]["transport_socket"] = transport_socket;
        listener["listener_filters"] = json!([typed(
            "envoy.filters.listener.tls_inspector",
            "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector",
            json!({}),
        )]);
        listener
    }

    fn manager(&self) -> Value {
        let mut filters = self.filters.clone();
        filters.push(typed(
            "envoy.filters.http.router",
            "envoy.extensions.filters.http.router.v3.Router",
            json!({}),
        ));
        let cluster = cluster_name(self.upstream);
        let mut manager = json!({
            "@type": of("envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"),
            "stat_prefix": self.name,
            // The address of the connection is the client's, not the one that a header claims.
            "use_remote_address": true,
            "skip_xff_append": true,
            "generate_request_id": false,
            "server_header_transformation": "PASS_THROUGH",
            "scheme_header_transformation": {"scheme_to_overwrite": self.scheme},
            "max_request_headers_kb": 8192,
            "common_http_protocol_options": {
                "max_headers_count": 10_000,
                "headers_with_underscores_action": "ALLOW",
            },
            "http_protocol_options": {"allow_custom_methods": true},
            "normalize_path": self.normalise.path,
            "merge_slashes": self.normalise.slashes,
            "upgrade_configs": [{"upgrade_type": "websocket"}, {"upgrade_type": "CONNECT"}],
            "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [
                {"match": {"connect_matcher": {}}, "route": {"cluster": cluster}},
                {"match": {"prefix": ""}, "route": {"cluster": cluster}},
            ]}]},
            "http_filters": filters,
        });
        if !self.normalise.escaped.is_empty() {
            manager["path_with_escaped_slashes_action"] = json!(self.normalise.escaped);
        }
        manager
    }
}

/// Everything: listeners, and a cluster for each of their upstreams.
pub fn envoy(listeners: &[Value], upstreams: &[SocketAddr]) -> Value {
    let cluster = |address: &SocketAddr| {
        let name = cluster_name(*address);
        let socket = json!({"address": address.ip().to_string(), "port_value": address.port()});
        json!({
            "name": name,
            "type": "STATIC",
            "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [
                {"endpoint": {"address": {"socket_address": socket}}},
            ]}]},
        })
    };
    json!({
        "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}},
        "static_resources": {
            "listeners": listeners,
            "clusters": upstreams.iter().map(cluster).collect::<Vec<_>>(),
        },
        "overload_manager": {"resource_monitors": [typed(
            "envoy.resource_monitors.global_downstream_max_connections",
            "envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
            json!({"max_active_downstream_connections": 1000}),
        )]},
    })
}

fn cluster_name(upstream: SocketAddr) -> String {
    format!("upstream-{}", upstream.port())
}

/// The plugin, or any WASM filter. A trap costs the one request and a fresh start, never an open gate.
pub fn wasm(name: &str, module: &Path, configuration: &str) -> Value {
    typed(
        name,
        WASM,
        json!({"config": wasm_plugin(name, module, configuration)}),
    )
}

/// The message of a WASM filter.
pub const WASM: &str = "envoy.extensions.filters.http.wasm.v3.Wasm";

/// Its `config`.
pub fn wasm_plugin(name: &str, module: &Path, configuration: &str) -> Value {
    json!({
        "name": name,
        "failure_policy": "FAIL_RELOAD",
        // Bodies are handed over while a head is held.
        "allow_on_headers_stop_iteration": true,
        "reload_config": {"backoff": {"base_interval": "0.05s", "max_interval": "0.1s"}},
        "configuration": {"@type": "type.googleapis.com/google.protobuf.StringValue", "value": configuration},
        "vm_config": {
            "vm_id": "portcullis",
            "runtime": "envoy.wasm.runtime.v8",
            "code": {"local": {"filename": module.display().to_string()}},
        },
    })
}

/// A filter whose configuration is looked up by name in a file, which a rename replaces.
pub fn discovered(name: &str, file: &Path, folder: &Path) -> Value {
    json!({"name": name, "config_discovery": {
        "config_source": {"resource_api_version": "V3", "path_config_source": {
            "path": file.display().to_string(),
            "watched_directory": {"path": folder.display().to_string()},
        }},
        "type_urls": [of(WASM)],
    }})
}

/// The text of such a file.
pub fn discovery_response(name: &str, version: &str, plugin: Value) -> String {
    let resource = json!({
        "@type": of("envoy.config.core.v3.TypedExtensionConfig"),
        "name": name,
        "typed_config": {"@type": of(WASM), "config": plugin},
    });
    json!({"version_info": version, "resources": [resource]}).to_string()
}

/// Verifies the tokens of these issuers, each from a header of its own, and hands the claims over by issuer's number.
pub fn jwt_authn(issuers: usize) -> Value {
    let name = |number: usize| format!("issuer-{number}");
    let provider = |number: usize| {
        let provider = json!({
            "local_jwks": {"inline_string": crate::token::key_set().to_string()},
            "from_headers": [{"name": format!("{TOKEN_HEADER}{number}")}],
            "payload_in_metadata": name(number),
            // Vectors have times of their own.
            "clock_skew_seconds": 1_000_000_000,
        });
        (name(number), provider)
    };
    let providers: serde_json::Map<String, Value> = (0..issuers).map(provider).collect();
    let mut any: Vec<Value> = (0..issuers)
        .map(|number| json!({"provider_name": name(number)}))
        .collect();
    any.push(json!({"allow_missing": {}}));
    typed(
        "envoy.filters.http.jwt_authn",
        "envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
        json!({
            "providers": providers,
            "rules": [{"match": {"prefix": ""}, "requires": {"requires_any": {"requirements": any}}}],
        }),
    )
}

/// Puts context members, each from a header of its own, into the namespace that the plugin reads.
pub fn context(members: &[String]) -> Value {
    let rule = |(number, member): (usize, &String)| {
        json!({
            "header": format!("{CONTEXT_HEADER}{number}"),
            "on_header_present": {
                "metadata_namespace": CONTEXT,
                "key": member,
                "type": "PROTOBUF_VALUE",
                "encode": "BASE64",
            },
            "remove": true,
        })
    };
    typed(
        "envoy.filters.http.header_to_metadata",
        "envoy.extensions.filters.http.header_to_metadata.v3.Config",
        json!({"request_rules": members.iter().enumerate().map(rule).collect::<Vec<_>>()}),
    )
}

/// Tells, in a reply header, what reaches the filter after it. It changes nothing that the request has.
pub fn probe() -> Value {
    let source = format!(
        r#"
local function hex(text)
  return (text:gsub(".", function(c) return string.format("%02x", c:byte()) end))
end
function envoy_on_request(handle)
  local seen = {{ hex(handle:streamInfo():downstreamRemoteAddress()) }}
  for name, value in pairs(handle:headers()) do
    seen[#seen + 1] = hex(name) .. ":" .. hex(value)
  end
  handle:streamInfo():dynamicMetadata():set("test", "seen", table.concat(seen, ","))
end
function envoy_on_response(handle)
  local test = handle:streamInfo():dynamicMetadata():get("test")
  if test then handle:headers():replace("{SEEN_HEADER}", test["seen"]) end
end
"#
    );
    typed(
        "envoy.filters.http.lua",
        "envoy.extensions.filters.http.lua.v3.Lua",
        json!({"default_source_code": {"inline_string": source}}),
    )
}

/// A named extension with its message.
pub fn typed(name: &str, message: &str, mut body: Value) -> Value {
    body["@type"] = json!(of(message));
    json!({"name": name, "typed_config": body})
}

fn of(message: &str) -> String {
    format!("type.googleapis.com/{message}")
}
