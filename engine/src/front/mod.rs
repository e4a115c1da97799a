//! request bytes --normalise--> [`Canonical`] --> [`credentials::Credentials`] --> [`facts::Facts`]
//!
//! One request has one spelling, or it is [`Malformed`]; what is decided on is what goes upstream. The order of
//! checks is fixed (decision 0001), so that every evaluator gives the same code. Knows no rules and no routes.

pub mod address;
pub mod authority;
pub mod client_ip;
pub mod credentials;
pub mod facts;
pub mod headers;
pub mod instant;
pub mod json;
pub mod path;
pub mod query;
pub mod target;
pub mod text;

#[cfg(test)]
mod tests;

pub use credentials::{Credentials, State};
pub use facts::{Facts, Fetched, Value};
pub use headers::{ContentType, Header, Upgrade};
pub use query::Param;

use crate::image::config::{Config, HostOptions};
use crate::limits;
use crate::request::RequestView;
use authority::Authority;
use std::borrow::Cow;
use target::RawForm;
use thiserror::Error;

/// A request that has no canonical form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{status} {detail}")]
pub struct Malformed {
    /// 400, 414 or 431.
    pub status: u16,
    /// Detail code.
    pub detail: &'static str,
}

impl Malformed {
    /// A 400.
    pub(crate) const fn bad(detail: &'static str) -> Malformed {
        Malformed { status: 400, detail }
    }
}

/// What the target names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Form<'a> {
    /// A path.
    Path {
        /// Canonical spelling.
        path: String,
        /// Decoded segments, without the empty last one.
        segments: Vec<Cow<'a, [u8]>>,
        /// The path ends in `/`; `/` itself is no segments and a trailing slash.
        trailing_slash: bool,
    },
    /// `OPTIONS *`, or CONNECT with an authority.
    NoPath {
        /// As sent.
        target: String,
    },
}

/// A request in its one spelling.
#[derive(Clone, Debug)]
pub struct Canonical<'a> {
    /// Exact token.
    pub method: &'a [u8],
    /// `http`, `https`, or whatever else the host said, in lower case.
    pub scheme: String,
    /// Lower case, without port and trailing dot; IPv6 in brackets.
    pub host: String,
    /// As given, else the scheme's.
    pub port: u16,
    /// Path or none.
    pub form: Form<'a>,
    /// Which upgrade it asks for.
    pub upgrade: Upgrade,
    /// Essence of the media type.
    pub content_type: ContentType,
    /// All header lines in order.
    pub headers: Vec<Header<'a>>,
    /// After the first `?`, as sent.
    pub query: Option<&'a [u8]>,
    /// Decoded query parameters in order.
    pub params: Vec<Param<'a>>,
    /// The path to forward where it is not the form's: with path parameters.
    forwarded: Option<String>,
}

/// One request -> its canonical form. `options` is asked once, with the normalised host.
pub fn normalise<'a>(
    view: &'a RequestView<'a>,
    config: &Config,
    options: &mut dyn FnMut(&str) -> HostOptions,
) -> Result<Canonical<'a>, Malformed> {
    headers::check_sizes(view.headers)?;
    if view.method.len() > limits::METHOD_BYTES || !text::is_token(view.method) {
        return Err(Malformed::bad("bad_method"));
    }
    if view.target.len() > limits::TARGET_BYTES {
        return Err(Malformed {
            status: 414,
            detail: "target_too_long",
        });
    }
    let mut lines = headers::read(view.headers)?;
    headers::check_collisions(&lines, config)?;
    headers::hide_connection_options(&mut lines, config)?;
    headers::check_cookies(&lines)?;
    let scheme = text::lower(if view.scheme.is_empty() {
        b"https"
    } else {
        view.scheme
    });
    let Authority { host, port } = authority::of_request(view, &lines, &scheme)?;
    let raw = target::form(view, &lines, &host, port, &scheme)?;
    let options = options(&host);
    if !options.method_override_kept && headers::overrides_method(&lines) {
        return Err(Malformed::bad("method_override"));
    }
    let (form, forwarded, query) = match raw {
        RawForm::NoPath(sent) => (
            Form::NoPath {
                target: text::lossy(sent),
            },
            None,
            None,
        ),
        RawForm::Path(sent) => {
            let (raw_path, query) = query::split(sent);
            path::check_bytes(raw_path, query, options)?;
            let path = path::canonical(raw_path, options)?;
            (path.form, path.forwarded, query)
        }
    };
    let params = query::params(query.unwrap_or_default())?;
    let upgrade = headers::upgrade(view.method, &lines, matches!(form, Form::Path { .. }));
    let content_type = headers::content_type(&lines);
    Ok(Canonical {
        method: view.method,
        scheme,
        host,
        port,
        form,
        upgrade,
        content_type,
        headers: lines,
        query,
        params,
        forwarded,
    })
}

impl<'a> Canonical<'a> {
    /// Whether the body says it is gRPC.
    pub fn is_grpc(&self) -> bool {
        matches!(&self.content_type, ContentType::Known(essence) if essence.starts_with("application/grpc"))
    }

    /// The target to forward: path, `?` and the query as sent; without a path, as sent.
    pub fn upstream_target(&self) -> String {
        let path = match &self.form {
            Form::NoPath { target } => return target.clone(),
            Form::Path { path, .. } => self.forwarded.as_ref().unwrap_or(path),
        };
        match self.query {
            None => path.clone(),
            Some(query) => format!("{path}?{}", text::lossy(query)),
        }
    }

    /// Values of a header (lower-case name) that facts may see, in order.
    pub fn header_values<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'a [u8]> + use<'s, 'a> {
        headers::visible(&self.headers, name)
    }

    /// Values of a cookie, in order. Nothing can hide a Cookie header.
    pub fn cookie_values<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'a [u8]> + use<'s, 'a> {
        self.header_values("cookie")
            .flat_map(move |line| headers::cookies(line, name))
    }
}
