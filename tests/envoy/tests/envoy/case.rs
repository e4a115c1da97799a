//! A corpus case in the crate and as a listener of Envoy; one vector through both, and every difference as a line.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_tests::bridge::Subject;
use portcullis_tests::corpus::CorpusCase;
use portcullis_tests::handed_over::handed_over;
use portcullis_tests_envoy::carry::{self, Lanes};
use portcullis_tests_envoy::config::{self, Listener, Normalise};
use portcullis_tests_envoy::http::{self, Address};
use portcullis_tests_envoy::tls::{Hello, Identities};
use portcullis_tests_envoy::upstream::Upstream;
use portcullis_tests_envoy::{plugin, seen};
use portcullis_vectors::{Vector, Verdict};
use serde_json::Value;
use xtask::wasm::{self, Plugin};

use crate::verdict::{Expected, carried_out, differences, summary};

/// The plugin as it is shipped.
pub(crate) static PLUGIN: LazyLock<std::path::PathBuf> =
    LazyLock::new(|| wasm::ship(Plugin::Images).unwrap());

/// A policy on both sides.
pub(crate) struct Case {
    /// Name of the case and of its listener.
    pub(crate) name: String,
    subject: Subject,
    /// How tokens and contexts travel.
    pub(crate) lanes: Lanes,
    /// Of the plugin.
    pub(crate) configuration: Value,
    /// Where the listener is.
    address: Address,
    /// The listener that speaks TLS, where a vector is about that, and the certificates for it.
    secure: Option<(Address, Identities)>,
    scheme: &'static str,
}

/// What became of one vector.
pub(crate) enum Outcome {
    /// No request says it.
    NotCarried(&'static str),
    /// Envoy answered before any filter.
    RefusedByEnvoy,
    /// The plugin decided as the crate does on what reached it; whether that is what it says of the vector as sent.
    Decided(Changed),
}

/// Whether Envoy's treatment of the request changed the verdict: effect, status, reason, detail, rule of both.
pub(crate) type Changed = Option<(String, String)>;

impl Case {
    /// Compiles a case; its socket lies in `folder`.
    pub(crate) fn new(case: &CorpusCase, scheme: &'static str, folder: &Path) -> Case {
        let policy = case.check().policy.unwrap();
        let image = portcullis_compile::compile(&policy).unwrap();
        let asked = RefCell::new(BTreeMap::new());
        let subject = Subject::load(&image, &case.files).unwrap();
        // Only what the policy reads travels with it.
        portcullis::Data::load(subject.image().config(), &|name| {
            let bytes = case.files.get(name).cloned()?;
            asked.borrow_mut().insert(name.to_string(), bytes.clone());
            Some(bytes)
        });
        let issuers = &subject.image().config().issuers;
        let lanes = Lanes::of(&case.vectors, &|issuer| {
            issuers.iter().any(|own| own.name == issuer)
        });
        let configuration = plugin::configuration(&image, &asked.into_inner(), &lanes.issuers);
        let name = format!("{}:{scheme}", case.name);
        let file = name.replace(['/', ':'], "-");
        let secure = case.vectors.iter().any(carry::over_tls).then(|| {
            let socket = folder.join(format!("{file}.tls"));
            // Each case's certificates have the same names.
            let own = folder.join(format!("{file}.certificates"));
            std::fs::create_dir_all(&own).unwrap();
            let identities = Identities::of(&own, case.vectors.iter()).unwrap();
            (
                Address::Tls(Hello {
                    socket,
                    sni: None,
                    identity: None,
                }),
                identities,
            )
        });
        Case {
            subject,
            lanes,
            configuration,
            address: Address::Unix(folder.join(format!("{file}.sock"))),
            secure,
            scheme,
            name,
        }
    }

    /// Its listeners.
    pub(crate) fn listeners(&self, normalise: Normalise, upstream: &Upstream) -> Vec<Value> {
        let mut filters = vec![config::probe()];
        if !self.lanes.members.is_empty() {
            filters.insert(0, config::context(&self.lanes.members));
        }
        if !self.lanes.issuers.is_empty() {
            filters.insert(0, config::jwt_authn(self.lanes.issuers.len()));
        }
        filters.push(config::wasm(&self.name, &PLUGIN, &self.configuration.to_string()));
        let listener = Listener {
            name: &self.name,
            address: &self.address,
            scheme: self.scheme,
            proxy_protocol: true,
            normalise,
            filters,
            upstream: upstream.address(),
        };
        let mut listeners = vec![listener.json()];
        if let Some((address, identities)) = &self.secure {
            let name = format!("{}-tls", self.name);
            let secure = Listener {
                name: &name,
                address,
                proxy_protocol: false,
                ..listener
            };
            listeners.push(secure.over_tls(identities.transport_socket().unwrap()));
        }
        listeners
    }

    /// Where a vector goes, and as whom.
    fn way(&self, vector: &Vector) -> Option<Address> {
        match &self.secure {
            Some((Address::Tls(hello), identities)) if carry::over_tls(vector) => {
                let peer = vector.request.peer.as_ref();
                let identity = peer
                    .map(|peer| identities.identity(peer).ok_or(()))
                    .transpose()
                    .ok()?;
                Some(Address::Tls(Hello {
                    sni: vector.request.sni.clone(),
                    identity,
                    ..hello.clone()
                }))
            }
            _ => Some(self.address.clone()),
        }
    }

    /// The crate's verdict at this moment.
    pub(crate) fn verdict(&self, vector: &Vector) -> Verdict {
        let now = jiff::Timestamp::from_microsecond(jiff::Timestamp::now().as_microsecond());
        let now = now.ok().map(|now| now.to_string());
        let line = self
            .subject
            .line(&Vector {
                now,
                ..vector.clone()
            })
            .unwrap();
        serde_json::from_str(&line).unwrap()
    }

    /// Sends a vector through Envoy and compares.
    pub(crate) fn run(
        &self,
        vector: &Vector,
        upstream: &Upstream,
        lines: &mut Vec<Expected>,
    ) -> Result<Outcome, Vec<String>> {
        let vector = &carry::with_body(&handed_over(vector, self.subject.image().config()));
        let carried = match carry::bytes(vector, &self.lanes) {
            Ok(carried) => carried,
            Err(why) => return Ok(Outcome::NotCarried(why)),
        };
        let sent = self.verdict(vector);
        let checks = sent.response.as_ref().and_then(|plan| plan.require.as_ref());
        if checks.is_some_and(|checks| !checks.is_empty()) {
            return Ok(Outcome::NotCarried(
                "the tests' upstream has one answer to what is checked",
            ));
        }
        let handed = carry::as_handed_over(vector);
        if summary(&self.verdict(&handed)) != summary(&sent) {
            return Ok(Outcome::NotCarried(
                "a number or a repeated member that a protobuf Struct does not keep",
            ));
        }
        let Some(address) = self.way(vector) else {
            return Ok(Outcome::NotCarried("a certificate that the tests can not make"));
        };
        upstream.take();
        let reply = http::exchange(&address, &carried.bytes, carried.head)
            .map_err(|error| vec![error.to_string()])?;
        let received = upstream.take();
        let Some(asked) = seen::vector(&handed, &reply).map_err(|error| vec![error.to_string()])? else {
            let mut wrong = Vec::new();
            if !received.is_empty() {
                wrong.push(
                    "Envoy answered by itself, and the request reached the upstream all the same".into(),
                );
            }
            return if wrong.is_empty() {
                Ok(Outcome::RefusedByEnvoy)
            } else {
                Err(wrong)
            };
        };
        let verdict = self.verdict(&asked);
        let (before, after) = (summary(&sent), summary(&verdict));
        // Quotas are charged before a body is judged.
        let open = self.verdict(&carry::without_body(&asked));
        let is_charged = open.effect == "allow" && !open.quotas.is_empty();
        let verdict = carried_out(if is_charged { open } else { verdict });
        let mut wrong = differences(&verdict, &reply, &received);
        for request in &received {
            // What went on, asked once more, goes on as it is: there is no second reading of it.
            let target = request.message.target();
            let mut again = asked.clone();
            again.request.target_base64 = Some(STANDARD.encode(&target));
            let again = self.verdict(&again);
            if again.effect != "allow" || again.upstream_target.map(String::into_bytes) != Some(target) {
                wrong.push("what reached the upstream has another verdict than what was asked".into());
            }
        }
        if !wrong.is_empty() {
            return Err(wrong);
        }
        lines.push(Expected::of(
            format!("{} {}", self.name, vector.id),
            &verdict,
            &asked,
            &reply,
        ));
        Ok(Outcome::Decided((before != after).then_some((before, after))))
    }
}
