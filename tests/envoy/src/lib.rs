//! Vectors -> bytes on a socket -> a real Envoy with the plugin -> an upstream that keeps what reached it.
//!
//! ```text
//! carry:    a vector -> request bytes as spelled, or why no HTTP/1.1 request to this Envoy can say it
//! process:  a configuration -> a running Envoy, its ports, statistics, memory and log; ends with its owner
//! config:   policy, listener options -> Envoy's configuration
//! plugin:   image and side files -> the plugin's configuration
//! seen:     what a probe in front of the plugin saw -> the vector that the plugin was asked
//! tls:      what a vector says of the connection -> a certificate, and a connection that shows it
//! script:   connections -> written responses part by part, and every byte that came
//! upstream: connections -> the exact bytes of each request that came through
//! ```
//!
//! The client is a socket: no library may clean up a hostile spelling on its way. Holds no policy logic.

pub mod carry;
pub mod config;
pub mod http;
pub mod plugin;
pub mod process;
pub mod script;
pub mod seen;
pub mod tls;
pub mod token;
pub mod upstream;
pub mod wire;

/// What can go wrong around Envoy; a denial is not among it.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// A file, a socket or a process.
    #[error("{what}: {source}")]
    Io {
        /// Which.
        what: String,
        /// Cause.
        source: std::io::Error,
    },
    /// Something that must be there is not.
    #[error("{0}")]
    Missing(String),
    /// Envoy ended or did not become ready; with its log.
    #[error("Envoy {problem}\n{log}")]
    Envoy {
        /// What happened.
        problem: String,
        /// The end of its log.
        log: String,
    },
    /// Bytes that are no HTTP.
    #[error("not HTTP: {0}")]
    Http(String),
}

impl HostError {
    /// Of an I/O error; for `map_err`.
    pub fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> HostError {
        let what = what.into();
        move |source| HostError::Io { what, source }
    }
}
