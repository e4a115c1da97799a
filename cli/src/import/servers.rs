//! `servers`, or `host` and `basePath` -> the hosts and bases of services.
//!
//! Knows URLs, nothing of operations.

use std::collections::BTreeMap;

use serde_json::Value;

use super::document::{Place, decode, list_of, text_of};
use super::path::encode;
use super::text::{checks, quote};

/// Hosts that share a base.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Site {
    /// Empty: any host.
    pub(super) hosts: Vec<String>,
    /// `""`, or `/v1`.
    pub(super) base: String,
}

/// The sites of a document, sorted by base; at least one.
pub(super) fn sites(root: &Value, notes: &mut Vec<String>) -> Vec<Site> {
    let mut sites = listed(root, &Place::root(), notes);
    if sites.is_empty() {
        notes.push("no server is named: the service answers for every host".to_owned());
        sites.push(Site::default());
    }
    if sites.iter().any(|s| !s.hosts.is_empty()) && sites.iter().any(|s| s.hosts.is_empty()) {
        notes.push("servers without a host are left out beside those with one".to_owned());
        sites.retain(|s| !s.hosts.is_empty());
    }
    sites
}

/// The sites that a document, a path item or an operation names, sorted by base. A note for each that cannot be one.
pub(super) fn listed(holder: &Value, place: &Place, notes: &mut Vec<String>) -> Vec<Site> {
    let mut urls = Vec::new();
    if holder.get("swagger").is_some() {
        let host = text_of(holder, "host");
        let base = text_of(holder, "basePath");
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
    } else {
        let at = place.at("servers");
        if holder.get("servers").is_some_and(|s| !s.is_array()) {
            notes.push(format!("{at}: `servers` is not a list"));
        }
        for (i, server) in list_of(holder, "servers").iter().enumerate() {
            let at = at.at(&i.to_string());
            match server.get("url").and_then(Value::as_str) {
                Some(url) => urls.push((filled(url, server.get("variables")), at.at("url"))),
                None => notes.push(format!("{at}: a server has a `url`; it is left out")),
            }
        }
    }
    let mut by_base: BTreeMap<(String, bool), Vec<String>> = BTreeMap::new();
    for (url, place) in urls {
        match split(&url) {
            Ok((host, base)) => {
                let hosts = by_base.entry((base, host.is_some())).or_default();
                if let Some(host) = host.filter(|h| !hosts.contains(h)) {
                    hosts.push(host);
                }
            }
            Err(problem) => notes.push(format!(
                "{place}: {problem} in `{}`; the server is left out",
                url.escape_debug()
            )),
        }
    }
    by_base
        .into_iter()
        .map(|((base, _), hosts)| Site { hosts, base })
        .collect()
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
            let host = host.to_lowercase();
            if host.is_empty() || !checks(&format!("service s on {} {{}}", quote(&host))) {
                return Err(format!("`{}` is not a host", host.escape_debug()));
            }
            (Some(host), path)
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
    if !checks(&format!(
        "service s under {} {{}}",
        if base.is_empty() { "/" } else { &base }
    )) {
        return Err("no base can be made of the path".to_owned());
    }
    Ok((host, base))
}
