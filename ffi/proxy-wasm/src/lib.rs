//! Phases of a proxied exchange -> calls of the engine -> what the gateway does. A proxy-wasm plugin (ABI 0.2.1) for
//! Envoy and for NGINX's proxy-wasm host.
//!
//! ```text
//! configuration --config--> what an operator wrote --deployment--> policy in force
//! request       --facts---> RequestView --filter--> the engine's exchange: forward with rewrites, or a local reply
//! its body      ----------> filter: held until the exchange has judged it
//! response      ----------> filter: the exchange's edits of its headers, and its body as the exchange puts it out
//! ```
//!
//! All but two modules are plain Rust over the [`host::Host`] trait and run in native tests. `hostcalls` is the one
//! file that talks to a gateway, `plugin` hands the SDK's callbacks on; both exist for wasm32 only.
//!
//! Closed by default: without a policy, with a fact that cannot be read where one is needed, with an obligation that
//! the plugin cannot carry out, the answer is a denial. A panic is a trap, and the gateway must deny on a trap (see
//! the README). This crate holds no policy logic and never reads a header as text before it knows that it is one.

// what a gateway can be asked
pub mod host;
pub mod pairs;

// configuration -> policy in force
pub mod config;
pub mod deployment;
pub mod gzip;
pub mod verifier;

// request -> facts
pub mod facts;
pub mod metadata;
mod protobuf;

// facts -> what the gateway does, counts and logs
pub mod counters;
pub mod filter;
pub mod ids;
pub mod log;
pub mod reply;
pub mod text;

// what all requests of a VM share
pub mod shared;

// the gateway
#[cfg(target_arch = "wasm32")]
mod hostcalls;
#[cfg(target_arch = "wasm32")]
mod plugin;
