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
pub mod known;
mod marks;
pub mod path;
pub mod query;
pub mod target;
pub mod text;

#[cfg(test)]
mod tests;

pub use credentials::{Credentials, State};
pub use facts::{Facts, Fetched, Value};
pub use headers::{ContentType, Header, Lines, Upgrade};
pub use query::Param;

use crate::image::config::{Config, HostOptions};
use crate::limits;
use crate::request::RequestView;
use std::cell::OnceCell;
use target::RawForm;
use thiserror::Error;

/// Where a decision writes what the request does not hold as bytes. Emptied, not freed, before the next decision.
pub type Arena = bumpalo::Bump;
/// A list that grows in the arena.
pub(crate) type List<'a, T> = bumpalo::collections::Vec<'a, T>;
/// A text that grows in the arena.
pub(crate) type Text<'a> = bumpalo::collections::String<'a>;

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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form<'a> {
    /// A path.
    Path {
        /// Canonical spelling, ASCII.
        path: &'a [u8],
        /// Decoded segments, without the empty last one.
        segments: &'a [&'a [u8]],
        /// The path ends in `/`; `/` itself is no segments and a trailing slash.
        trailing_slash: bool,
    },
    /// `OPTIONS *`, or CONNECT with an authority.
    NoPath {
        /// As sent.
        target: &'a str,
    },
}

/// A request in its one spelling.
#[derive(Clone, Debug)]
pub struct Canonical<'a> {
    /// Exact token.
    pub method: &'a [u8],
    /// `http`, `https`, or whatever else the host said, in lower case.
    pub scheme: &'a str,
    /// Lower case, without port and trailing dot; IPv6 in brackets.
    pub host: &'a str,
    /// As given, else the scheme's.
    pub port: u16,
    /// Path or none.
    pub form: Form<'a>,
    /// Which upgrade it asks for.
    pub upgrade: Upgrade,
    /// Essence of the media type.
    pub content_type: ContentType<'a>,
    /// All header lines in order.
    pub headers: Lines<'a>,
    /// After the first `?`, as sent.
    pub query: Option<&'a [u8]>,
    /// Decoded query parameters, once somebody has asked for them.
    params: OnceCell<&'a [Param<'a>]>,
    /// The path to forward where it is not the form's: with path parameters.
    forwarded: Option<&'a [u8]>,
    /// Path and query as sent, where they are canonical.
    sent: Option<&'a [u8]>,
    arena: &'a Arena,
}

/// One request -> its canonical form. `options` is asked once, with the normalised host.
pub fn normalise<'a>(
    view: &'a RequestView<'a>,
    config: &Config,
    arena: &'a Arena,
    options: &mut dyn FnMut(&str) -> HostOptions,
) -> Result<&'a Canonical<'a>, Malformed> {
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
    let lines = headers::read(view.headers, config, arena)?;
    headers::check_cookies(&lines)?;
    let scheme = match view.scheme {
        b"" | b"https" => "https",
        given => text::lower(text::lossy(given, arena), arena),
    };
    let authority = authority::of_request(view, &lines, scheme, arena)?;
    let raw = target::form(view, &lines, authority, scheme, arena)?;
    let options = options(authority.host);
    if !options.method_override_kept && lines.overrides_method() {
        return Err(Malformed::bad("method_override"));
    }
    let canonical = arena.alloc(Canonical {
        method: view.method,
        scheme,
        host: authority.host,
        port: authority.port,
        form: Form::NoPath { target: "" },
        upgrade: Upgrade::None,
        content_type: headers::content_type(&lines, arena),
        headers: lines,
        query: None,
        params: OnceCell::new(),
        forwarded: None,
        sent: None,
        arena,
    });
    match raw {
        RawForm::NoPath(sent) => {
            canonical.form = Form::NoPath {
                target: text::lossy(sent, arena),
            };
        }
        RawForm::Path(sent) => {
            // What is plain holds no `?`, so then there is no query.
            let (path, query) = match path::plain(sent, arena) {
                Some(path) => (path, None),
                None => {
                    let (raw_path, query) = query::split(sent);
                    let path = match path::plain(raw_path, arena) {
                        Some(path) => {
                            path::check_query(query)?;
                            path
                        }
                        None => {
                            path::check_bytes(raw_path, query, options)?;
                            path::canonical(raw_path, options, arena)?
                        }
                    };
                    (path, query)
                }
            };
            canonical.form = path.form;
            canonical.forwarded = path.forwarded;
            canonical.sent = path.as_sent.then_some(sent);
            canonical.query = query;
        }
    }
    if let Some(query) = canonical.query {
        query::check(query)?;
    }
    canonical.upgrade = headers::upgrade(
        view.method,
        &canonical.headers,
        matches!(canonical.form, Form::Path { .. }),
    );
    Ok(canonical)
}

impl<'a> Canonical<'a> {
    /// Whether the body says it is gRPC.
    pub fn is_grpc(&self) -> bool {
        matches!(&self.content_type, ContentType::Known(essence) if essence.starts_with("application/grpc"))
    }

    /// The target to forward: path, `?` and the query as sent; without a path, as sent.
    pub fn upstream_target(&self) -> &'a str {
        if let Some(sent) = self.sent {
            return text::lossy(sent, self.arena);
        }
        let path = match self.form {
            Form::NoPath { target } => return target,
            Form::Path { path, .. } => self.forwarded.unwrap_or(path),
        };
        match self.query {
            None => text::lossy(path, self.arena),
            Some(query) => {
                let mut target = Text::with_capacity_in(path.len() + 1 + query.len(), self.arena);
                target.push_str(text::lossy(path, self.arena));
                target.push('?');
                target.push_str(text::lossy(query, self.arena));
                target.into_bump_str()
            }
        }
    }

    /// Decoded query parameters in order.
    pub fn params(&self) -> &'a [Param<'a>] {
        self.params
            .get_or_init(|| query::params(self.query.unwrap_or_default(), self.arena))
    }

    /// Values of a header (lower-case name) that facts may see, in order.
    pub fn header_values<'s>(&self, name: &'s str) -> impl Iterator<Item = &'a [u8]> + use<'s, 'a> {
        self.headers.visible(name)
    }

    /// Values of a cookie, in order. Nothing can hide a Cookie header.
    pub fn cookie_values<'s>(&self, name: &'s str) -> impl Iterator<Item = &'a [u8]> + use<'s, 'a> {
        self.headers
            .framing(headers::name::COOKIE, "cookie")
            .flat_map(move |line| headers::cookies(line, name))
    }
}
