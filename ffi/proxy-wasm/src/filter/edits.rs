//! Edits that the exchange asks for -> calls of the gateway, or what keeps them from being made.

use portcullis::exchange::{ResponseEdits, Rewrites};

use crate::facts::{Facts, Line, Rewriting};
use crate::host::{Body, Host, Map, Refused};
use crate::pairs::Pairs;
use crate::reply::DECISION_HEADER;

/// What of a request that can only be added to is not what was decided on: the detail of a refusal.
pub(super) fn obstacle(facts: &Facts<'_>, line: &Line<'_>, rewrites: &Rewrites<'_>) -> Option<&'static str> {
    let set = rewrites.set().map(|(name, _)| name);
    let mut replaced = rewrites.drop().chain(set);
    let asks = |value: &[u8]| {
        let mut options = value.split(|byte| *byte == b',');
        options.any(|option| option.trim_ascii().eq_ignore_ascii_case(b"upgrade"))
    };
    if rewrites.target.as_bytes() != line.target {
        Some("not_canonical")
    } else if replaced.any(|name| facts.values(name).next().is_some()) {
        Some("header_not_removable")
    } else if facts.values("upgrade").next().is_some() && !facts.values("connection").any(asks) {
        // Not an upgrade, so it was decided on as a plain request. Configurations that look at `$http_upgrade` alone
        // make an upgrade of it.
        Some("upgrade_without_connection")
    } else {
        None
    }
}

/// Makes the request's head what was decided on.
pub(super) fn rewrite(host: &dyn Host, line: &Line<'_>, rewrites: &Rewrites<'_>) -> Result<(), Refused> {
    // Where nothing can be removed, there is none of these.
    if line.rewriting != Rewriting::Additions {
        let set = rewrites.set().map(|(name, _)| name);
        for name in rewrites.drop().chain(set) {
            host.remove(Map::Request, name)?;
        }
    }
    // Replacing may leave a second line of the name behind.
    for (name, value) in rewrites.set() {
        host.add(Map::Request, name, value)?;
    }
    if line.rewriting == Rewriting::Path && rewrites.target.as_bytes() != line.target {
        host.replace(Map::Request, ":path", rewrites.target)?;
    }
    Ok(())
}

/// Edits the response's headers. `seen` are those that are there; without it, everything is removed that may be there.
/// What fails does not keep the rest from being done: the first failure is told.
pub(super) fn apply(
    host: &dyn Host,
    edits: &ResponseEdits<'_>,
    id: Option<&str>,
    seen: Option<&Pairs>,
) -> Result<(), Refused> {
    let is_there = |name: &str| seen.is_none_or(|seen| seen.values(name).next().is_some());
    // One line that becomes one line: removed and added it would leave an empty one behind in NGINX.
    let is_replaced = |name: &str| {
        seen.is_some_and(|seen| seen.only(name).is_some())
            && edits.add().filter(|(own, _)| *own == name).count() == 1
            && name != "vary"
    };
    let mut done = Ok(());
    for name in edits.remove() {
        if is_there(name) && !is_replaced(name) {
            done = done.and(host.remove(Map::Response, name));
        }
    }
    for (name, value) in edits.add() {
        done = done.and(match is_replaced(name) {
            true => host.replace(Map::Response, name, value),
            false => host.add(Map::Response, name, value),
        });
    }
    // With an id or without, the header is never somebody else's.
    if is_there(DECISION_HEADER) {
        done = done.and(host.remove(Map::Response, DECISION_HEADER));
    }
    match id {
        Some(id) => done.and(host.add(Map::Response, DECISION_HEADER, id)),
        None => done,
    }
}

/// Puts a body in the place of the one that came, of which the gateway holds so many bytes.
pub(super) fn replace_body(
    host: &dyn Host,
    facts: &Facts<'_>,
    held: usize,
    body: &[u8],
) -> Result<(), Refused> {
    if held == 0 && body.is_empty() {
        return Ok(());
    }
    host.set_body(Body::Request, body)?;
    if facts.values("content-length").next().is_none() {
        return Ok(());
    }
    host.replace(Map::Request, "content-length", &body.len().to_string())
}
