//! request bytes --[`Head::read`]--> head with its host --[`Head::normalise`]--> [`Canonical`]
//!
//! One request has one spelling, or it is [`Malformed`]; what is decided on is what goes upstream. The order of
//! checks is fixed (decision 0001), so that every evaluator gives the same code. In between, the caller finds the
//! host's options. Knows no rules and no routes.

pub(crate) mod authority;
pub(crate) mod headers;
pub(crate) mod hop;
mod path;
mod query;
mod target;

pub(crate) use headers::{ContentType, Lines, Upgrade};
pub(crate) use query::Param;

use crate::image::config::{Config, HostOptions};
use crate::limits;
use crate::value::{Arena, Text, text};
use crate::view::RequestView;
use authority::Authority;
use headers::name;
use portcullis_base::{Detail, media};
use std::cell::OnceCell;
use target::RawForm;
use thiserror::Error;

/// A request that has no canonical form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{status} {detail}")]
pub(crate) struct Malformed {
    /// 400, 414 or 431.
    pub status: u16,
    /// What exactly.
    pub detail: Detail,
}

impl Malformed {
    /// A 400.
    pub(crate) const fn bad(detail: Detail) -> Malformed {
        Malformed { status: 400, detail }
    }
}

/// What the target names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form<'a> {
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
pub(crate) struct Canonical<'a> {
    /// Exact token; GET where an extended CONNECT asks for a websocket.
    pub method: &'a [u8],
    /// `http`, `https`, or whatever else the host said, in lower case.
    pub scheme: &'a str,
    /// Lower case, without port and trailing dot; IPv6 in brackets. Empty where an HTTP/1.0 request names none.
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

/// What is known of a request before its path is looked at.
#[derive(Clone, Debug)]
pub(crate) struct Head<'a> {
    view: &'a RequestView<'a>,
    lines: Lines<'a>,
    scheme: &'a str,
    authority: Authority<'a>,
    target: RawForm<'a>,
    arena: &'a Arena,
}

impl<'a> Head<'a> {
    /// Checks sizes, method, header lines, authority and the target's form.
    pub(crate) fn read(
        view: &'a RequestView<'a>,
        config: &Config,
        arena: &'a Arena,
    ) -> Result<Head<'a>, Malformed> {
        headers::check_sizes(view.headers)?;
        if view.method.len() > limits::METHOD_BYTES || !text::is_token(view.method) {
            return Err(Malformed::bad(Detail::BadMethod));
        }
        if view.target.len() > limits::TARGET_BYTES {
            return Err(Malformed {
                status: 414,
                detail: Detail::TargetTooLong,
            });
        }
        let lines = headers::read(view.headers, config, arena)?;
        headers::check_cookies(&lines)?;
        let scheme = match view.scheme {
            b"" | b"https" => "https",
            given => text::lower(text::lossy(given, arena), arena),
        };
        let authority = authority::of_request(view, &lines, scheme, arena)?;
        let target = target::form(view, &lines, authority, scheme, arena)?;
        Ok(Head {
            view,
            lines,
            scheme,
            authority,
            target,
            arena,
        })
    }

    /// The normalised host, by which services and their options are found.
    pub(crate) fn host(&self) -> &'a str {
        self.authority.host
    }

    /// The canonical form under the options of the host.
    pub(crate) fn normalise(self, options: HostOptions) -> Result<&'a Canonical<'a>, Malformed> {
        let Head {
            view,
            lines,
            scheme,
            authority,
            target,
            arena,
        } = self;
        if !options.method_override_kept && lines.overrides_method() {
            return Err(Malformed::bad(Detail::MethodOverride));
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
        match target {
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
        if canonical.headers.has(name::PROTOCOL | name::CONNECTION) {
            let has_path = matches!(canonical.form, Form::Path { .. });
            canonical.upgrade = headers::upgrade(view.method, &canonical.headers, has_path);
            // The same request in every version of HTTP; upstream gets the method that was sent.
            if canonical.upgrade == Upgrade::WebSocket {
                canonical.method = b"GET";
            }
        }
        Ok(canonical)
    }
}

impl<'a> Canonical<'a> {
    /// Whether the body says it is gRPC.
    pub(crate) fn is_grpc(&self) -> bool {
        matches!(&self.content_type, ContentType::Known(essence) if media::is_grpc(essence.as_bytes()))
    }

    /// The target to forward: path, `?` and the query as sent; without a path, as sent.
    pub(crate) fn upstream_target(&self) -> &'a str {
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

    /// `request.path`: the decoded segments, joined.
    pub(crate) fn decoded_path(&self) -> Option<&'a [u8]> {
        match self.form {
            Form::NoPath { .. } => None,
            // What is canonical as sent holds no triple.
            Form::Path { path, .. } if self.sent.is_some() => Some(path),
            Form::Path {
                segments,
                trailing_slash,
                ..
            } => Some(path::decoded(segments, trailing_slash, self.arena)),
        }
    }

    /// Decoded query parameters in order.
    pub(crate) fn params(&self) -> &'a [Param<'a>] {
        self.params
            .get_or_init(|| query::params(self.query.unwrap_or_default(), self.arena))
    }

    /// Values of a header (lower-case name) that facts may see, in order.
    pub(crate) fn header_values<'s>(&self, name: &'s str) -> impl Iterator<Item = &'a [u8]> + use<'s, 'a> {
        self.headers.visible(name)
    }

    /// Values of a cookie, in order. Nothing can hide a Cookie header.
    pub(crate) fn cookie_values<'s>(&self, name: &'s str) -> impl Iterator<Item = &'a [u8]> + use<'s, 'a> {
        self.headers
            .framing(headers::name::COOKIE, "cookie")
            .flat_map(move |line| headers::cookies(line, name))
    }
}
