//! `servers`, or `host` and `basePath` -> the hosts and bases of services.
//!
//! Knows URLs, nothing of operations.

use std::collections::BTreeMap;

use serde_json::Value;

use super::ImportError;
use super::document::{Place, decode, text_of};
use super::path::encode;

/// Hosts that share a base.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Site {
    /// Empty: any host.
    pub(super) hosts: Vec<String>,
    /// `""`, or `/v1`.
    pub(super) base: String,
}

/// The sites of a document, sorted by base; at least one.
pub(super) fn sites(root: &Value, notes: &mut Vec<String>) -> Result<Vec<Site>, ImportError> {
    let place = Place::root();
    let mut urls = Vec::new();
    if root.get("swagger").is_some() {
        let host = text_of(root, "host");
        let base = text_of(root, "basePath");
        let base = if base.is_empty() || base.starts_with('/') {
            base.to_owned()
        } else {
            format!("/{base}")
        };
        urls.push((
            if host.is_empty() {
                base
            } else {
                format!("https://{host}{base}")
            },
            place.at("host"),
        ));
    } else if let Some(servers) = root.get("servers").and_then(Value::as_array) {
        for (i, server) in servers.iter().enumerate() {
            let place = place.at("servers").at(&i.to_string());
            let Some(url) = server.get("url").and_then(Value::as_str) else {
                return Err(place.error("a server has a `url`"));
            };
            urls.push((filled(url, server.get("variables")), place.at("url")));
        }
    }
    let mut by_base: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut any_host = Vec::new();
    for (url, place) in urls {
        let (host, base) = split(&url).map_err(|p| place.error(format!("{p} in `{url}`")))?;
        match host {
            Some(host) => {
                let hosts = by_base.entry(base).or_default();
                if !hosts.contains(&host) {
                    hosts.push(host);
                }
            }
            None => any_host.push(base),
        }
    }
    if by_base.is_empty() {
        any_host.sort();
        any_host.dedup();
        by_base.extend(any_host.into_iter().map(|base| (base, Vec::new())));
    } else if !any_host.is_empty() {
        notes.push("servers without a host are left out beside those with one".to_owned());
    }
    let mut sites: Vec<Site> = by_base
        .into_iter()
        .map(|(base, hosts)| Site { hosts, base })
        .collect();
    if sites.is_empty() {
        notes.push("no server is named: the service answers for every host".to_owned());
        sites.push(Site::default());
    }
    Ok(sites)
}

/// Puts the defaults of variables in.
fn filled(url: &str, variables: Option<&Value>) -> String {
    let mut url = url.to_owned();
    for (name, variable) in variables.and_then(Value::as_object).into_iter().flatten() {
        if let Some(default) = variable.get("default").and_then(Value::as_str) {
            url = url.replace(&format!("{{{name}}}"), default);
        }
    }
    url
}

fn split(url: &str) -> Result<(Option<String>, String), String> {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    let (host, path) = match url
        .split_once("://")
        .map(|(_, rest)| rest)
        .or_else(|| url.strip_prefix("//"))
    {
        Some(rest) => {
            let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            let host = authority.rsplit('@').next().unwrap_or_default();
            let host = match (host.starts_with('['), host.rsplit_once(':')) {
                (true, _) => host.split_inclusive(']').next().unwrap_or(host),
                (false, Some((host, _))) => host,
                (false, None) => host,
            };
            let odd = |c: char| !(c.is_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']'));
            if host.is_empty() || host.contains(odd) {
                return Err(format!("`{}` is not a host", host.escape_debug()));
            }
            (Some(host.to_lowercase()), path)
        }
        None => (None, url),
    };
    let mut base = String::new();
    for part in path.split('/').filter(|p| !p.is_empty() && *p != ".") {
        let part = decode(part).ok_or("a base is percent-encoded text")?;
        if part == ".."
            || part.contains(['/', '\\', ';', '{', '}', '%'])
            || part.contains(char::is_control)
            || part.ends_with(['.', ' '])
        {
            return Err("no base can be made of the path".to_owned());
        }
        base.push('/');
        base.push_str(&encode(&part));
    }
    Ok((host, base))
}
