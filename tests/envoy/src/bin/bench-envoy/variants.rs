//! The workload -> one Envoy for each way to answer it, all alike but for the filter in question.

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_tests::workload::{self, Headers, ISSUER, RawRequest, Workload};
use portcullis_tests_envoy::config::{self, Listener, Normalise};
use portcullis_tests_envoy::http::{self, Address};
use portcullis_tests_envoy::process::{Envoy, Folder};
use portcullis_tests_envoy::upstream::Upstream;
use portcullis_tests_envoy::{plugin, wire};
use serde_json::{Value, json};

use crate::rbac;

/// Where verified claims stand, as Envoy's own JWT filter puts them.
pub(crate) const CLAIMS_NAMESPACE: &str = "envoy.filters.http.jwt_authn";
/// The key of the one issuer.
pub(crate) const CLAIMS_KEY: &str = "issuer-0";
/// The header that brings the claims of a request; taken away by the filter in front.
const CLAIMS_HEADER: &str = "x-claims";

/// How a variant answers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answers {
    /// Lets everything pass.
    All,
    /// As the truth says.
    Truth,
}

/// A running Envoy.
pub(crate) struct Variant {
    /// Row of the record.
    pub(crate) name: &'static str,
    /// What is in it.
    pub(crate) about: &'static str,
    answers: Answers,
    pub(crate) envoy: Envoy,
    pub(crate) address: Address,
}

/// Starts all of them.
pub(crate) fn start(work: &Workload, hello: &Path, module: &Path) -> Result<Vec<Variant>, String> {
    let configured = |text: &str, issuers: &[String]| -> Result<String, String> {
        let files = workload::files();
        let policy = portcullis_lang::check::load_text_with(text, &files).policy;
        let policy = policy.ok_or("the workload's policy does not check")?;
        let image = portcullis_compile::compile(&policy).map_err(|error| error.to_string())?;
        let mut configuration = plugin::configuration(&image, &BTreeMap::new(), issuers);
        configuration["log"] = json!("none");
        Ok(configuration.to_string())
    };
    // The client stands in a header that the connection's other end, the benchmark, is trusted with.
    let text = work
        .gate()
        .replacen("gate 1;\n", "gate 1;\ntrust { proxies 127.0.0.0/8; }\n", 1);
    let rules = configured(&text, &[ISSUER.to_string()])?;
    let open = configured(&open_text(work), &[])?;
    let upstream = Upstream::start(false).map_err(|error| error.to_string())?;
    let start = |name: &'static str, about, answers, filters: Vec<Value>| -> Result<Variant, String> {
        // The plugin reads the header itself, by what the policy trusts; Envoy's own filter has Envoy read it.
        let hops = u32::from(!name.starts_with("plugin"));
        let (envoy, address) = launch(&upstream, filters, hops)?;
        Ok(Variant {
            name,
            about,
            answers,
            envoy,
            address,
        })
    };
    let hello = config::wasm("hello", hello, "");
    Ok(vec![
        start(
            "no filter",
            "the claims' filter and the router alone",
            Answers::All,
            vec![],
        )?,
        start(
            "hello",
            "a WASM filter with three host calls",
            Answers::All,
            vec![hello],
        )?,
        start(
            "plugin, open",
            "the plugin with a policy that asks nothing: what its own host calls cost",
            Answers::All,
            vec![config::wasm("open", module, &open)],
        )?,
        start(
            "plugin",
            "the plugin with the workload's rules",
            Answers::Truth,
            vec![config::wasm("plugin", module, &rules)],
        )?,
        start(
            "RBAC",
            "Envoy's own filter with the same rules",
            Answers::Truth,
            rbac::filters(work),
        )?,
    ])
}

/// Every host and every path.
fn open_text(work: &Workload) -> String {
    let mut hosts: Vec<String> = work
        .requests
        .iter()
        .map(|request| format!("\"{}\"", request.host))
        .collect();
    hosts.sort();
    hosts.dedup();
    format!(
        "gate 1;\nservice open on {} {{ allow anyone to any /**; }}\n",
        hosts.join(", ")
    )
}

fn launch(upstream: &Upstream, mut filters: Vec<Value>, hops: u32) -> Result<(Envoy, Address), String> {
    let folder = Folder::new().map_err(|error| error.to_string())?;
    filters.insert(0, claims_filter());
    let any = Address::Tcp(([127, 0, 0, 1], 0).into());
    let listener = Listener {
        name: "bench",
        address: &any,
        scheme: "https",
        proxy_protocol: false,
        normalise: Normalise::default(),
        filters,
        upstream: upstream.address(),
    };
    let mut listener = listener.json();
    // The client's address comes in a header: connections stay open while clients change.
    listener["filter_chains"][0]["filters"][0]["typed_config"]["xff_num_trusted_hops"] = json!(hops);
    let config = config::envoy(&[listener], &[upstream.address()]);
    let envoy = Envoy::start(folder, &config, 1).map_err(|error| error.to_string())?;
    let address = Address::Tcp(envoy.port("bench").map_err(|error| error.to_string())?);
    Ok((envoy, address))
}

/// Puts a request's claims where Envoy's JWT filter would; verifying a signature would cost every variant far more
/// than what is compared.
fn claims_filter() -> Value {
    config::typed(
        "envoy.filters.http.header_to_metadata",
        "envoy.extensions.filters.http.header_to_metadata.v3.Config",
        json!({"request_rules": [{
            "header": CLAIMS_HEADER,
            "on_header_present": {
                "metadata_namespace": CLAIMS_NAMESPACE,
                "key": CLAIMS_KEY,
                "type": "PROTOBUF_VALUE",
                "encode": "BASE64",
            },
            "remove": true,
        }]}),
    )
}

/// Every request of the workload as bytes.
pub(crate) fn requests(work: &Workload) -> Vec<Vec<u8>> {
    let requests = work.requests.iter().enumerate();
    requests
        .map(|(index, request)| {
            let raw = RawRequest::of(index, request, Headers::Usual);
            let mut claims = wire::as_struct(&raw.claims_json).unwrap_or_default();
            // As Envoy's JWT filter hands them over where its RBAC filter is to read them.
            claims["scope"] = json!(request.scopes);
            let mut text = format!(
                "{} {} HTTP/1.1\r\nhost: {}\r\n",
                raw.method, raw.target, raw.authority
            );
            for (name, value) in raw.headers.iter().filter(|(name, _)| name != "content-length") {
                text += &format!("{name}: {value}\r\n");
            }
            text += &format!("x-forwarded-for: {}\r\n", raw.address);
            text += &format!("{CLAIMS_HEADER}: {}\r\n", STANDARD.encode(wire::encode(&claims)));
            if matches!(raw.method, "POST" | "PUT" | "PATCH") {
                text += "content-length: 0\r\n";
            }
            (text + "\r\n").into_bytes()
        })
        .collect()
}

impl Variant {
    /// Every answer, against the truth.
    pub(crate) fn check(&mut self, work: &Workload) -> Result<(), String> {
        for (index, (bytes, truth)) in requests(work).iter().zip(&work.truth).enumerate() {
            let reply = http::exchange(&self.address, bytes, false).map_err(|error| error.to_string())?;
            let allowed = *truth || self.answers == Answers::All;
            if (reply.status() == 200) != allowed {
                let line = String::from_utf8_lossy(bytes);
                let log = self.envoy.log().unwrap_or_default();
                return Err(format!(
                    "{}: request {index} is answered {}, allowed: {allowed}\n{line}\n{log}",
                    self.name,
                    reply.status()
                ));
            }
        }
        Ok(())
    }
}
