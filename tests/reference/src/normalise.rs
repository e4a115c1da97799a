//! Raw request -> [`Canonical`], or the first check it fails (section 8, and the fifteen steps of decision 0001,
//! in their order). Knows no rules: only which headers the policy names and what options the host has.

mod host;
mod names;
mod path;
mod query;

use portcullis_base::Detail;
use std::collections::BTreeSet;

use portcullis_lang::model::HostOptions;
use portcullis_vectors::Vector;

use host::{Authority, parse_authority};
pub(crate) use names::HeaderNames;
pub(crate) use path::Path;
pub(crate) use query::{Parameter, parameters};

/// A refusal before any rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed {
    pub(crate) status: u16,
    pub(crate) detail: Detail,
}

fn bad(detail: Detail) -> Malformed {
    Malformed { status: 400, detail }
}

/// What the request asks to become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Upgrade {
    No,
    WebSocket,
    Other,
}

/// The one spelling of a request.
pub(crate) struct Canonical {
    /// What rules see; upstream gets what was sent.
    pub(crate) method: String,
    pub(crate) scheme: String,
    /// `None` for an HTTP/1.0 request that names none.
    pub(crate) host: Option<String>,
    pub(crate) port: u16,
    /// Lower-case names and trimmed values in order, without those that `Connection` names.
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    /// Names of all headers in lower case, also of those.
    pub(crate) names: BTreeSet<String>,
    /// `None` for `*` and the authority form.
    pub(crate) path: Option<Path>,
    pub(crate) parameters: Vec<Parameter>,
    /// The query as sent, after the `?`.
    pub(crate) query: Option<String>,
    /// The target as sent, for those without a path.
    pub(crate) target: String,
    pub(crate) upgrade: Upgrade,
}

impl Canonical {
    /// All values of a header.
    pub(crate) fn header<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        values(&self.headers, name)
    }

    /// The value of a header that came exactly once.
    pub(crate) fn single_header(&self, name: &str) -> Option<&[u8]> {
        single(&self.headers, name)
    }
}

type Lines = Vec<(String, Vec<u8>)>;

fn values<'a>(lines: &'a Lines, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    lines
        .iter()
        .filter(move |(n, _)| n == name)
        .map(|(_, value)| value.as_slice())
}

fn single<'a>(lines: &'a Lines, name: &str) -> Option<&'a [u8]> {
    let mut all = lines.iter().filter(|(n, _)| n == name);
    let (_, first) = all.next()?;
    all.next().is_none().then_some(first.as_slice())
}

/// Space and tab off both ends.
pub(crate) fn trim(bytes: &[u8]) -> &[u8] {
    let is_space = |b: &u8| *b == b' ' || *b == b'\t';
    let start = bytes.iter().position(|b| !is_space(b)).unwrap_or(bytes.len());
    let end = bytes.iter().rposition(|b| !is_space(b)).map_or(start, |i| i + 1);
    bytes.get(start..end).unwrap_or_default()
}

/// A character of an RFC 9110 token.
pub(crate) fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// An RFC 9110 token.
pub(crate) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|b| is_token_byte(*b))
}

/// All steps; `options_of` gives the options of the host pattern that a host selects.
pub(crate) fn normalise(
    vector: &Vector,
    names: &HeaderNames,
    options_of: &dyn Fn(Option<&str>) -> HostOptions,
) -> Result<Canonical, Malformed> {
    let request = &vector.request;
    let mut raw: Vec<(&str, Vec<u8>)> = request
        .headers
        .iter()
        .map(|(n, v)| (n.as_str(), v.0.clone()))
        .collect();
    if let Some(bearer) = &vector.bearer {
        raw.push(("authorization", format!("Bearer {bearer}").into_bytes()));
    }
    if raw.len() > 100 {
        return Err(Malformed {
            status: 431,
            detail: Detail::TooManyHeaders,
        });
    }
    if raw
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum::<usize>()
        > 65_536
    {
        return Err(Malformed {
            status: 431,
            detail: Detail::HeadersTooLarge,
        });
    }
    if request.method.len() > 32 || !is_token(request.method.as_bytes()) {
        return Err(bad(Detail::BadMethod));
    }
    let target = request.target_bytes().map_err(|_| bad(Detail::BadTarget))?;
    if target.len() > 8192 {
        return Err(Malformed {
            status: 414,
            detail: Detail::TargetTooLong,
        });
    }
    let lines = header_lines(&raw)?;
    check_collisions(&lines, names)?;
    let hop_by_hop = connection_elements(&lines);
    if hop_by_hop.iter().any(|name| names.is_identity(name)) {
        return Err(bad(Detail::ConnectionDropsIdentity));
    }
    if values(&lines, "cookie")
        .map(|v| v.split(|b| *b == b';').count())
        .sum::<usize>()
        > 200
    {
        return Err(Malformed {
            status: 431,
            detail: Detail::TooManyCookies,
        });
    }

    let scheme = request.scheme_text();
    let given = authority_of(request.authority_text(), &lines, &scheme)?;
    // HTTP/1.0 knows requests without a host
    let needs_host = request.protocol.as_deref() != Some("HTTP/1.0");
    let (authority, form) = target_form(request, &target, given, &lines, &scheme)?;
    if authority.is_none() && needs_host {
        return Err(bad(Detail::MissingHost));
    }
    let form = form?;
    let options = options_of(authority.as_ref().map(|authority| authority.host.as_str()));
    let overrides = ["x-http-method-override", "x-http-method", "x-method-override"];
    if !options.method_override_kept && lines.iter().any(|(name, _)| overrides.contains(&name.as_str())) {
        return Err(bad(Detail::MethodOverride));
    }

    let (path, query) = match &form {
        Form::NoPath => (None, None),
        Form::Path(target) => {
            let end = target.iter().position(|b| *b == b'?').unwrap_or(target.len());
            path::check_bytes(target, end, options)?;
            let path = path::parse(target.get(..end).unwrap_or_default(), options)?;
            (
                Some(path),
                target
                    .get(end + 1..)
                    .map(|q| String::from_utf8_lossy(q).into_owned()),
            )
        }
    };
    let parameters = parameters(query.as_deref().unwrap_or_default());
    if parameters.len() > 256 {
        return Err(Malformed {
            status: 414,
            detail: Detail::TooManyParameters,
        });
    }

    let upgrade = upgrade(&request.method, &lines, &hop_by_hop, path.is_some());
    Ok(Canonical {
        // a websocket is a GET with an upgrade in every version of HTTP
        method: match upgrade {
            Upgrade::WebSocket => "GET".to_string(),
            Upgrade::No | Upgrade::Other => request.method.clone(),
        },
        upgrade,
        port: authority
            .as_ref()
            .and_then(|authority| authority.port)
            .unwrap_or(default_port(&scheme)),
        host: authority.map(|authority| authority.host),
        scheme,
        names: lines.iter().map(|(name, _)| name.clone()).collect(),
        headers: lines
            .into_iter()
            .filter(|(name, _)| !hop_by_hop.contains(name))
            .collect(),
        path,
        parameters,
        query,
        target: String::from_utf8_lossy(&target).into_owned(),
    })
}

fn header_lines(raw: &[(&str, Vec<u8>)]) -> Result<Lines, Malformed> {
    let mut lines = Vec::new();
    for (name, value) in raw {
        let name = name.to_ascii_lowercase();
        if name != ":protocol" && !is_token(name.as_bytes()) {
            return Err(bad(Detail::BadHeaderName));
        }
        if value.iter().any(|b| (*b < 0x20 && *b != b'\t') || *b == 0x7f) {
            return Err(bad(Detail::BadHeaderValue));
        }
        lines.push((name, trim(value).to_vec()));
    }
    Ok(lines)
}

/// A name with `_` that some hop would read as another name.
fn check_collisions(lines: &Lines, names: &HeaderNames) -> Result<(), Malformed> {
    for (name, _) in lines.iter().filter(|(name, _)| name.contains('_')) {
        let mapped = name.replace('_', "-");
        if names.is_named(&mapped) || lines.iter().any(|(other, _)| *other == mapped) {
            return Err(bad(Detail::HeaderCollision));
        }
    }
    Ok(())
}

fn connection_elements(lines: &Lines) -> BTreeSet<String> {
    values(lines, "connection")
        .flat_map(|value| value.split(|b| *b == b','))
        .map(|element| String::from_utf8_lossy(trim(element)).to_ascii_lowercase())
        .collect()
}

fn default_port(scheme: &str) -> u16 {
    if scheme == "http" { 80 } else { 443 }
}

fn same_authority(a: &Authority, b: &Authority, scheme: &str) -> bool {
    let port = |authority: &Authority| authority.port.unwrap_or(default_port(scheme));
    a.host == b.host && port(a) == port(b)
}

/// The authority of the view or of the Host header; `None` where neither is there.
fn authority_of(view: Option<&str>, lines: &Lines, scheme: &str) -> Result<Option<Authority>, Malformed> {
    if values(lines, "host").count() > 1 {
        return Err(bad(Detail::DuplicateHost));
    }
    let view = view
        .map(|text| parse_authority(text.as_bytes()))
        .transpose()
        .map_err(bad)?;
    let host = values(lines, "host")
        .next()
        .map(parse_authority)
        .transpose()
        .map_err(bad)?;
    match (view, host) {
        (Some(view), Some(host)) if !same_authority(&view, &host, scheme) => Err(bad(Detail::HostMismatch)),
        (view, host) => Ok(view.or(host)),
    }
}

enum Form {
    NoPath,
    /// Path and query.
    Path(Vec<u8>),
}

/// The authority that counts and the target's form, or why it has none: that a host is missing comes before it.
fn target_form(
    request: &portcullis_vectors::Request,
    target: &[u8],
    given: Option<Authority>,
    lines: &Lines,
    scheme: &str,
) -> Result<(Option<Authority>, Result<Form, Malformed>), Malformed> {
    let method = request.method.as_str();
    // HTTP/1 has no pseudo-headers
    let is_http1 = request
        .protocol
        .as_deref()
        .is_some_and(|p| p.starts_with("HTTP/1"));
    let is_extended = !is_http1 && values(lines, ":protocol").next().is_some();
    if let Some((authority, rest)) = absolute_form(target) {
        if method == "CONNECT" && !is_extended {
            return Err(bad(Detail::BadTarget));
        }
        let named = parse_authority(authority);
        let authority = match (given, named) {
            (None, named) => named.map_err(bad)?,
            (Some(given), Ok(named)) if same_authority(&given, &named, scheme) => given,
            (Some(_), _) => return Err(bad(Detail::HostMismatch)),
        };
        let slash: &[u8] = if rest.starts_with(b"/") { b"" } else { b"/" };
        return Ok((Some(authority), Ok(Form::Path([slash, rest].concat()))));
    }
    let bad_target = Err(bad(Detail::BadTarget));
    let form = if target == b"*" {
        if method == "OPTIONS" {
            Ok(Form::NoPath)
        } else {
            bad_target
        }
    } else {
        let is_own = |t: &Authority| given.as_ref().is_some_and(|own| same_authority(t, own, scheme));
        let is_authority =
            method == "CONNECT" && parse_authority(target).is_ok_and(|t| t.port.is_some() && is_own(&t));
        let is_plain = method != "CONNECT" || is_extended;
        if is_authority {
            Ok(Form::NoPath)
        } else if is_plain && target.starts_with(b"/") {
            Ok(Form::Path(target.to_vec()))
        } else {
            bad_target
        }
    };
    Ok((given, form))
}

/// `http://authority` and the rest from the first `/`, `?` or `#`.
fn absolute_form(target: &[u8]) -> Option<(&[u8], &[u8])> {
    let prefix = ["http://", "https://"].into_iter().find(|prefix| {
        target
            .get(..prefix.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()))
    })?;
    let rest = target.get(prefix.len()..)?;
    let end = rest.iter().position(|b| b"/?#".contains(b)).unwrap_or(rest.len());
    rest.split_at_checked(end)
}

fn upgrade(method: &str, lines: &Lines, connection: &BTreeSet<String>, has_path: bool) -> Upgrade {
    let named_websocket =
        |header: &str| single(lines, header).is_some_and(|value| value.eq_ignore_ascii_case(b"websocket"));
    let extended = method == "CONNECT" && has_path && values(lines, ":protocol").next().is_some();
    let classic = connection.contains("upgrade") && values(lines, "upgrade").next().is_some();
    let is_websocket = match (extended, classic) {
        (false, false) => return Upgrade::No,
        (true, false) => named_websocket(":protocol"),
        (false, true) => method == "GET" && named_websocket("upgrade"),
        // two protocols are asked for
        (true, true) => false,
    };
    if is_websocket {
        Upgrade::WebSocket
    } else {
        Upgrade::Other
    }
}
