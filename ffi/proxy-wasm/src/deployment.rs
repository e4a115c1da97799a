//! A configuration -> [`Deployment`]: a policy in force with the options it came with. One that fails at any step
//! leaves the last good one there, whole; without one the gate stays shut. Knows no requests.

use std::rc::Rc;
use std::sync::Arc;

use portcullis::image::config::{Config as PolicyConfig, Issuer, IssuerKeys};
use portcullis::verdict::digest;
use portcullis::{Engine, Image, LoadError, Snapshot, Trust};
use portcullis::{Reads, claims_read};
use portcullis_crypto::{Backend, Portable};

use crate::config::{CONFIG_BYTES_MAX, Config, ConfigError, Kind, Options, Source};
use crate::counters::Outcome;
use crate::host::{Host, Level};
use crate::shared::Shared;
use crate::verifier::Gateways;

/// Policies remembered in one VM, by plugin: a gateway configures a plugin anew before it lets the old go, and a VM
/// serves a handful of plugins.
pub const KEPT_MAX: usize = 8;

/// Why a configuration was not put in force.
#[derive(Debug, thiserror::Error)]
pub enum DeployError {
    /// The configuration itself.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The image.
    #[error("`image`: {0}")]
    Image(#[from] LoadError),
    /// Another image may not follow the one in force.
    #[error("`image`: {0}")]
    Rollback(#[from] portcullis::image::TrustError),
    /// The text.
    #[error("`policy`: {0}")]
    Policy(String),
    /// Text in a build without the compiler.
    #[error("`policy`: this build takes only images; compile the text, or use the build with the compiler")]
    NoCompiler,
}

/// A policy in force.
#[derive(Debug, Default)]
pub struct Deployment {
    /// Holds the policy; without one it denies.
    pub engine: Engine,
    /// What came with it.
    pub options: Options,
    /// What the policy reads of the connection: the gateway is not asked for anything else.
    pub reads: Reads,
    /// Digest of the policy as log lines show it; empty without one.
    pub digest: String,
}

/// The last good deployment of each plugin of this VM, the most recent last.
#[derive(Debug, Default)]
pub struct Kept(Vec<(Vec<u8>, Rc<Deployment>)>);

impl Kept {
    fn last(&self, plugin: &[u8]) -> Option<Rc<Deployment>> {
        let found = self.0.iter().find(|(name, _)| name == plugin);
        found.map(|(_, deployment)| Rc::clone(deployment))
    }

    /// The plugin whose policy was forgotten for it, if one was.
    fn keep(&mut self, plugin: &[u8], deployment: &Rc<Deployment>) -> Option<Vec<u8>> {
        self.0.retain(|(name, _)| name != plugin);
        let forgotten = (self.0.len() >= KEPT_MAX).then(|| self.0.remove(0).0);
        self.0.push((plugin.to_vec(), Rc::clone(deployment)));
        forgotten
    }
}

/// Reads the plugin's configuration and puts it in force, or stays with the last good one, and says which.
pub fn configure(host: &dyn Host, shared: &Shared) -> Rc<Deployment> {
    // The policy of the last request is not to stay in memory beside the old one and the new one.
    if let Ok(mut worker) = shared.worker.try_borrow_mut() {
        worker.forget_policy();
    }
    let now_us = host.now_us();
    let config = match host.configuration(CONFIG_BYTES_MAX) {
        Some(bytes) => Config::read(&bytes, now_us),
        None => Err(ConfigError::Missing),
    };
    let plugin = match &config {
        Ok(config) if config.options.gateway == Kind::Nginx => None,
        _ => plugin_name(host),
    };
    let kept = shared.kept.try_borrow().ok();
    let last = kept.and_then(|kept| kept.last(plugin.as_deref()?));
    let deployed = config
        .map_err(DeployError::from)
        .and_then(|config| deploy(host, config, last.as_deref(), now_us));
    let (outcome, deployment) = match deployed {
        Ok(deployment) => {
            let deployment = Rc::new(deployment);
            let forgotten = match (shared.kept.try_borrow_mut(), &plugin) {
                (Ok(mut kept), Some(plugin)) => kept.keep(plugin, &deployment),
                _ => None,
            };
            if let Some(name) = forgotten {
                let mut line =
                    String::from("portcullis: too many plugins in this VM, last good policy forgotten of ");
                crate::text::quote(&mut line, &name, crate::log::TEXT_MAX);
                host.log(Level::Warn, &line);
            }
            host.log(
                Level::Info,
                &format!("portcullis: policy {} is in force", deployment.digest),
            );
            (Outcome::Loaded, deployment)
        }
        Err(error) => {
            let (stays, deployment) = match last {
                Some(last) => ("the last good policy stays in force", last),
                None => ("everything is denied", Rc::new(Deployment::default())),
            };
            let mut line = String::from("portcullis: configuration refused, ");
            line.push_str(stays);
            line.push_str(": ");
            crate::text::quote(&mut line, error.to_string().as_bytes(), crate::log::TEXT_MAX);
            host.log(Level::Error, &line);
            (Outcome::Refused, deployment)
        }
    };
    shared.counters.define(host, deployment.options.shadow);
    shared.counters.configuration(host, outcome);
    deployment
}

/// What tells the plugins of a VM apart; `None` where nothing does, and then no policy is kept for a later
/// configuration: it could be another plugin's.
///
/// NGINX's host says `0` as the root id of every plugin. Asked for the name while it configures, it ends the whole
/// process with a segmentation fault, so where the root id is a number the name is not asked for.
fn plugin_name(host: &dyn Host) -> Option<Vec<u8>> {
    let mut name = host.property("plugin_root_id").unwrap_or_default();
    if !name.is_empty() && name.iter().all(u8::is_ascii_digit) {
        return None;
    }
    name.push(0);
    name.extend(host.property("plugin_name").unwrap_or_default());
    Some(name)
}

fn deploy(
    host: &dyn Host,
    mut config: Config,
    last: Option<&Deployment>,
    now_us: Option<i64>,
) -> Result<Deployment, DeployError> {
    let image = match &config.source {
        Source::Image(bytes) => {
            let trust = config.trust.clone().map_or(Trust::Unsigned, Trust::Keys);
            Image::load(bytes, &trust)?
        }
        Source::Text(text) => Image::load(&compile(text, &config.data)?, &Trust::Unsigned)?,
    };
    issuers(host, &config.options, image.config())?;
    for token in &mut config.options.tokens {
        let members = claims_read(image.config(), &token.issuer).into_iter();
        token.members = Some(members.map(str::to_string).collect());
    }
    let in_force = last.and_then(|last| last.engine.snapshot());
    // A bad file leaves the last good one of its name, as a reload of data does everywhere.
    let before = in_force.as_ref().map(|snapshot| Arc::clone(&snapshot.data));
    let files = |name: &str| config.data.get(name).cloned();
    let gateways = host
        .verify_signature()
        // NGINX's host has functions of its own.
        .filter(|_| config.options.gateway == Kind::Envoy)
        .map(Gateways::new);
    let backend: &dyn Backend = gateways.as_ref().map_or(&Portable, |gateways| gateways);
    let before = before.unwrap_or_default();
    let (data, errors) = before.reload_with(image.config(), &files, backend);
    for error in errors {
        let mut line = String::from("portcullis: data not taken: ");
        crate::text::quote(&mut line, error.to_string().as_bytes(), crate::log::TEXT_MAX);
        host.log(Level::Warn, &line);
    }
    let reads = Reads::of(&image);
    let digest = digest(&image.digest());
    let engine = Engine::new();
    if let Some(in_force) = in_force {
        engine.swap(in_force)?;
    }
    let snapshot = Arc::new(Snapshot::new(image, data));
    engine.swap(Arc::clone(&snapshot))?;
    seal(host, &snapshot.image, now_us);
    if reads.certificate && !config.options.certificates_validated {
        host.log(
            Level::Warn,
            "portcullis: client certificates are not believed without `certificates_validated`",
        );
    }
    Ok(Deployment {
        engine,
        options: config.options,
        reads,
        digest,
    })
}

/// Issuers of the configuration must be the policy's; one of the policy's whose tokens the plugin does not verify, and that
/// has no claims handed over, is told, for its tokens are refused.
fn issuers(host: &dyn Host, options: &Options, policy: &PolicyConfig) -> Result<(), ConfigError> {
    let declared = |name: &str| policy.issuers.iter().any(|issuer| issuer.name == name);
    if let Some(token) = options.tokens.iter().find(|token| !declared(&token.issuer)) {
        return Err(ConfigError::Issuer(token.issuer.clone()));
    }
    let handed_over = |name: &str| options.tokens.iter().any(|token| token.issuer == name);
    let is_refused = |issuer: &&Issuer| issuer.keys == IssuerKeys::None && !handed_over(&issuer.name);
    for issuer in policy.issuers.iter().filter(is_refused) {
        let mut line = String::from("portcullis: no entry of `tokens` has claims of issuer ");
        crate::text::quote(&mut line, issuer.name.as_bytes(), crate::log::TEXT_MAX);
        line.push_str(", so that its tokens are refused");
        host.log(Level::Warn, &line);
    }
    Ok(())
}

/// Tells what operators must know of a seal: cases that nobody runs here, and its end.
fn seal(host: &dyn Host, image: &Image, now_us: Option<i64>) {
    let Some(seal) = image.seal() else { return };
    if !seal.smoke.is_empty() {
        host.log(
            Level::Warn,
            "portcullis: the seal's smoke cases are not run here; `portcullis image verify` runs them",
        );
    }
    if let Some(end) = seal.not_after_us {
        let (level, tense) = match image.expired(now_us) {
            Some(false) => (Level::Info, "ends"),
            _ => (Level::Warn, "has ended, or nobody knows the time: it ends"),
        };
        host.log(
            level,
            &format!("portcullis: the policy's seal {tense} at {end} µs since the epoch"),
        );
    }
}

type Files = std::collections::BTreeMap<String, Vec<u8>>;

#[cfg(feature = "compile")]
fn compile(text: &[u8], files: &Files) -> Result<Vec<u8>, DeployError> {
    use portcullis_lang::diagnostic::Severity;
    let gate = [("policy.gate".to_string(), text.to_vec())];
    let checked = portcullis_lang::check::load(&gate, files);
    let first = checked
        .diagnostics
        .iter()
        .find(|diagnostic| diagnostic.severity == Severity::Error);
    let said = first.map(|first| format!("{} {}", first.code, first.message));
    match (checked.policy, said) {
        (Some(policy), None) => {
            portcullis_compile::compile(&policy).map_err(|error| DeployError::Policy(error.to_string()))
        }
        (_, said) => Err(DeployError::Policy(said.unwrap_or_default())),
    }
}

#[cfg(not(feature = "compile"))]
fn compile(_: &[u8], _: &Files) -> Result<Vec<u8>, DeployError> {
    Err(DeployError::NoCompiler)
}
