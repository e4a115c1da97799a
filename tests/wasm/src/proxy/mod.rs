//! The proxy-wasm plugin in wasmtime: a gateway that plays the phases of ABI 0.2.1 and nothing more, so that tests
//! see what a real one would: which headers go upstream, which reply is sent, what is counted and logged. It is Envoy,
//! or NGINX with what its host was seen to do otherwise.
//!
//! ```text
//! bytes --Plugin--> compiled module --Vm--> an instance with a configured plugin --exchange--> Outcome
//!                                                                                 --stream----> what both sides got
//! vector --vector, nginx_vector--> Request: header lines, properties, metadata, clock
//! ```
//!
//! Holds no policy logic and cleans nothing up.

mod gateway;
mod imports;
mod nginx;
mod nginx_vector;
mod protobuf;
mod signatures;
mod stream;
mod vector;
mod vm;

pub use gateway::{Fault, Gateway, LogLine, Pairs, Reply, Request};
pub use nginx::{DIRECTIVE_BYTES_MAX, Nginx};
pub use nginx_vector::{nginx_property, nginx_request_of};
pub use stream::{Body, Event, Streamed, Streams};
pub use vector::{Unfit, request_of};
pub use vm::{Action, Context, Outcome, Plugin, Vm};
