//! Rules -> Gate text: one service for each host, one rule a line, networks by name. Knows nothing of requests.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::rules::{Condition, Route, Rule};
use super::{role_name, scope_name};

/// The issuer's name in the policy.
pub const ISSUER: &str = "corp";
/// The claim that holds roles.
pub const ROLES_CLAIM: &str = "roles";
/// The file of the issuer's keys; none is needed where the host verifies.
pub const KEYS_FILE: &str = "corp.jwks.json";

/// The files beside the policy.
pub fn files() -> BTreeMap<String, Vec<u8>> {
    BTreeMap::from([(KEYS_FILE.to_string(), b"{\"keys\":[]}".to_vec())])
}

pub(super) fn text(rules: &[Rule], routes: &[Route]) -> String {
    let mut text = format!(
        "gate 1;\n\
         issuer {ISSUER} {{ url \"https://idp.example.com/\"; audience \"api\"; algorithms ES256; \
         keys \"{KEYS_FILE}\"; claims {{ {ROLES_CLAIM}: set = []; }} }}\n\
         principal caller = token from {ISSUER};\n"
    );
    for (index, rule) in rules.iter().enumerate() {
        if let Condition::Networks(networks) = &rule.condition {
            let networks: Vec<String> = networks.iter().map(|n| n.text()).collect();
            let _ = writeln!(text, "network net{index} = {};", networks.join(", "));
        }
    }
    let mut services: BTreeMap<&str, Vec<(usize, &Rule)>> = BTreeMap::new();
    for (index, rule) in rules.iter().enumerate() {
        services.entry(&rule.host).or_default().push((index, rule));
    }
    for (number, (host, rules)) in services.into_iter().enumerate() {
        let _ = writeln!(text, "service api{number} on \"{host}\" {{");
        for (index, rule) in rules {
            let _ = writeln!(text, "  {};", line(index, rule, &routes[rule.route]));
        }
        text.push_str("}\n");
    }
    text
}

fn line(index: usize, rule: &Rule, route: &Route) -> String {
    let head = if rule.allow { "allow caller" } else { "deny anyone" };
    let mut line = format!("{head} to {} {}", route.method, route.template());
    if !rule.scopes.is_empty() {
        let _ = write!(line, " with scope {}", quoted(&rule.scopes, scope_name));
    }
    match &rule.condition {
        Condition::None => {}
        Condition::Networks(_) => {
            let _ = write!(line, " when client.ip in net{index}");
        }
        Condition::Roles(roles) => {
            let _ = write!(
                line,
                " when token.{ROLES_CLAIM} has any [{}]",
                quoted(roles, role_name)
            );
        }
    }
    line
}

fn quoted(ids: &[usize], name: fn(usize) -> String) -> String {
    let names: Vec<String> = ids.iter().map(|id| format!("\"{}\"", name(*id))).collect();
    names.join(", ")
}
