//! A JSON log line -> [`Entry`], by the field names that NGINX recipes, Envoy, Caddy, Traefik and ECS use.

use serde_json::Value;

use super::line::{Entry, header, protocol, request_line, time_us};

const METHOD: &[&str] = &[
    "method",
    "request_method",
    "http_method",
    "verb",
    "requestmethod",
    "request.method",
    "http.request.method",
    "httprequest.requestmethod",
];
const LINE: &[&str] = &["request", "request_line", "requestline"];
const TARGET: &[&str] = &[
    "request_uri",
    "requesturi",
    "target",
    "x-envoy-original-path",
    "requestpath",
    "request.uri",
    "request.url",
    "url.original",
    "httprequest.requesturl",
    "url",
];
/// Names under which some write the path alone.
const PATH: &[&str] = &["path", "uri", "url.path", "http.request.path"];
const QUERY: &[&str] = &["args", "query_string", "query", "url.query"];
const HOST: &[&str] = &[
    "http_host",
    "authority",
    ":authority",
    "request.host",
    "requesthost",
    "host",
    "vhost",
    "url.domain",
];
const SCHEME: &[&str] = &["scheme", "url.scheme", "request_scheme", "requestscheme"];
const CLIENT: &[&str] = &[
    "remote_addr",
    "client_ip",
    "clientip",
    "remote_ip",
    "clienthost",
    "request.client_ip",
    "request.remote_ip",
    "downstream_remote_address",
    "client.ip",
    "source.ip",
    "remote_host",
    "httprequest.remoteip",
];
const TIME: &[&str] = &[
    "time_iso8601",
    "@timestamp",
    "timestamp",
    "start_time",
    "time_local",
    "startutc",
    "msec",
    "ts",
    "time",
    "datetime",
];
const STATUS: &[&str] = &[
    "status",
    "response_code",
    "status_code",
    "downstreamstatus",
    "http.response.status_code",
    "httprequest.status",
];
const PROTOCOL: &[&str] = &[
    "server_protocol",
    "protocol",
    "requestprotocol",
    "request.proto",
    "http_version",
];
const HEADERS: &[(&str, &[&str])] = &[
    (
        "user-agent",
        &[
            "http_user_agent",
            "user_agent",
            "user-agent",
            "useragent",
            "agent",
            "user_agent.original",
            "httprequest.useragent",
        ],
    ),
    (
        "referer",
        &[
            "http_referer",
            "referer",
            "referrer",
            "http.request.referrer",
            "httprequest.referer",
        ],
    ),
    (
        "content-type",
        &[
            "http_content_type",
            "content_type",
            "content-type",
            "http.request.mime_type",
        ],
    ),
];
/// Prefix of objects that hold whole request headers.
const HEADER_OBJECT: &str = "request.headers.";
/// Objects are looked into this deep.
const DEPTH_MAX: usize = 4;

/// Reads a line.
pub(super) fn parse(line: &[u8]) -> Result<Entry, String> {
    let value: Value = serde_json::from_slice(line).map_err(|e| format!("it is no JSON: {e}"))?;
    let fields = flatten(&value);
    let find = |names: &[&str]| {
        names
            .iter()
            .find_map(|name| fields.iter().find(|(n, _)| n == name).map(|f| f.1))
    };
    let text = |names: &[&str]| find(names).and_then(scalar);

    let mut entry = Entry::default();
    if let Some(line) = text(LINE) {
        request_line(line.as_bytes(), &mut entry)?;
        entry.query_logged = true;
    }
    if let Some(method) = text(METHOD) {
        entry.method = method.into_bytes();
    }
    let whole = text(TARGET);
    if let Some(target) = whole.clone().or_else(|| text(PATH)) {
        let (scheme, host, target) = split_url(&target);
        entry.scheme = scheme;
        entry.host = host;
        entry.query_logged = whole.is_some() || target.contains('?');
        entry.target = target.into_bytes();
        if let Some(query) = text(QUERY).filter(|_| !entry.query_logged || whole.is_some()) {
            let query = query.trim_start_matches('?');
            if !query.is_empty() && query != "-" && !entry.target.contains(&b'?') {
                entry.target.push(b'?');
                entry.target.extend_from_slice(query.as_bytes());
            }
            entry.query_logged = true;
        }
    }
    if entry.method.is_empty() || entry.target.is_empty() {
        return Err("it has no field that names a method and a target".to_string());
    }
    entry.host = text(HOST).filter(|h| h != "-").or(entry.host);
    entry.scheme = text(SCHEME).map(|s| s.to_ascii_lowercase()).or(entry.scheme);
    entry.client_ip = text(CLIENT).and_then(|t| address(&t));
    entry.time_us = find(TIME).and_then(instant);
    entry.status = text(STATUS).and_then(|t| t.parse().ok());
    entry.protocol = text(PROTOCOL).as_deref().and_then(protocol).or(entry.protocol);
    for (name, names) in HEADERS {
        if let Some(value) = text(names) {
            header(&mut entry, name, value.into_bytes());
        }
    }
    for (name, value) in &fields {
        let Some(name) = name.strip_prefix(HEADER_OBJECT) else {
            continue;
        };
        if let Some(value) = scalar(value)
            && !entry.headers.iter().any(|(n, _)| n == name)
        {
            header(&mut entry, name, value.into_bytes());
        }
    }
    Ok(entry)
}

/// Every member with its dotted lower-case name; arrays of one element are that element.
fn flatten(value: &Value) -> Vec<(String, &Value)> {
    let mut fields = Vec::new();
    let mut open = vec![(String::new(), value, 0)];
    while let Some((name, value, depth)) = open.pop() {
        match value {
            Value::Object(members) if depth < DEPTH_MAX => {
                for (member, value) in members {
                    let member = member.to_ascii_lowercase();
                    let name = if name.is_empty() {
                        member
                    } else {
                        format!("{name}.{member}")
                    };
                    open.push((name, value, depth + 1));
                }
            }
            Value::Array(items) => {
                if let [item] = items.as_slice() {
                    fields.push((name, item));
                }
            }
            _ => fields.push((name, value)),
        }
    }
    fields
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// `https://h/x?y` is all three; anything else is a target.
fn split_url(text: &str) -> (Option<String>, Option<String>, String) {
    let lower = text.get(..8).unwrap_or(text).to_ascii_lowercase();
    let Some((scheme, rest)) = text.split_once("://").filter(|_| lower.starts_with("http")) else {
        return (None, None, text.to_string());
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let target = if rest[end..].starts_with('/') {
        rest[end..].to_string()
    } else {
        format!("/{}", &rest[end..])
    };
    (
        Some(scheme.to_ascii_lowercase()),
        Some(rest[..end].to_string()),
        target,
    )
}

/// An address, with or without a port.
fn address(text: &str) -> Option<std::net::IpAddr> {
    text.parse()
        .ok()
        .or_else(|| text.parse::<std::net::SocketAddr>().ok().map(|a| a.ip()))
}

/// An RFC 3339 or log instant, or seconds or milliseconds since the epoch.
fn instant(value: &Value) -> Option<i64> {
    const LARGEST_SECONDS: f64 = 1e11;
    let text = scalar(value)?;
    time_us(&text).or_else(|| {
        let number: f64 = text.parse().ok()?;
        let seconds = if number.abs() > LARGEST_SECONDS {
            number / 1e3
        } else {
            number
        };
        (seconds.abs() < LARGEST_SECONDS).then_some((seconds * 1e6) as i64)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_field_names() {
        let nginx = br#"{"time_iso8601": "2026-11-23T12:00:00+01:00", "remote_addr": "192.0.2.1", "request": "GET /a?b HTTP/2.0", "status": "200", "http_user_agent": "x"}"#;
        let entry = parse(nginx).unwrap();
        assert_eq!(
            (entry.target.as_slice(), entry.query_logged),
            (b"/a?b".as_slice(), true)
        );
        assert_eq!(
            (entry.protocol.as_deref(), entry.status),
            (Some("HTTP/2"), Some(200))
        );
        let caddy = br#"{"ts": 1700000000.5, "request": {"remote_ip": "::1", "method": "PUT", "host": "h", "uri": "/x", "headers": {"User-Agent": ["y"]}}}"#;
        let entry = parse(caddy).unwrap();
        assert_eq!(
            (entry.host.as_deref(), entry.time_us),
            (Some("h"), Some(1_700_000_000_500_000))
        );
        assert_eq!(entry.headers, [("user-agent".to_string(), b"y".to_vec())]);
        let path_only = parse(br#"{"method": "GET", "path": "/x"}"#).unwrap();
        assert!(!path_only.query_logged);
        let joined = parse(br#"{"method": "GET", "uri": "/x", "args": "a=1"}"#).unwrap();
        assert_eq!(
            (joined.target.as_slice(), joined.query_logged),
            (b"/x?a=1".as_slice(), true)
        );
        let url = parse(br#"{"method": "GET", "url": "https://h:8443?q"}"#).unwrap();
        assert_eq!(
            (url.host.as_deref(), url.target.as_slice()),
            (Some("h:8443"), b"/?q".as_slice())
        );
    }

    #[test]
    fn what_names_no_request_is_broken() {
        assert!(parse(b"{}").is_err());
        assert!(parse(b"{\"method\": \"GET\"").is_err());
    }
}
