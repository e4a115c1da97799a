//! The workload's rules -> Envoy's RBAC filter, as its documents recommend: one filter that denies, one that allows,
//! a policy for each rule, cheap tests first.

use portcullis_tests::workload::{Condition, ROLES_CLAIM, Rule, Workload, role_name, scope_name};
use portcullis_tests_envoy::config::typed;
use serde_json::{Map, Value, json};

use crate::variants::{CLAIMS_KEY, CLAIMS_NAMESPACE};

/// Both filters.
pub(crate) fn filters(work: &Workload) -> Vec<Value> {
    vec![filter(work, "DENY"), filter(work, "ALLOW")]
}

fn filter(work: &Workload, action: &str) -> Value {
    let rules = work
        .rules
        .iter()
        .enumerate()
        .filter(|(_, rule)| rule.allow == (action == "ALLOW"));
    let policies: Map<String, Value> = rules
        .map(|(number, rule)| (format!("rule-{number:04}"), policy(rule)))
        .collect();
    typed(
        "envoy.filters.http.rbac",
        "envoy.extensions.filters.http.rbac.v3.RBAC",
        json!({"rules": {"action": action, "policies": policies}}),
    )
}

fn policy(rule: &Rule) -> Value {
    let exact = |name: &str, value: &str| json!({"header": {"name": name, "string_match": {"exact": value}}});
    let permission = json!({"and_rules": {"rules": [
        exact(":authority", &rule.host),
        exact(":method", rule.method),
        {"url_path": {"path": path(rule)}},
    ]}});
    let mut ids: Vec<Value> = rule
        .scopes
        .iter()
        .map(|scope| claim("scope", &scope_name(*scope)))
        .collect();
    match &rule.condition {
        Condition::None => {}
        Condition::Networks(networks) => {
            let any = networks.iter().map(|network| {
                let address = std::net::Ipv4Addr::from(network.net).to_string();
                json!({"remote_ip": {"address_prefix": address, "prefix_len": network.len}})
            });
            ids.push(json!({"or_ids": {"ids": any.collect::<Vec<_>>()}}));
        }
        Condition::Roles(roles) => {
            let any = roles.iter().map(|role| claim(ROLES_CLAIM, &role_name(*role)));
            ids.push(json!({"or_ids": {"ids": any.collect::<Vec<_>>()}}));
        }
    }
    if ids.is_empty() {
        ids.push(json!({"any": true}));
    }
    json!({"permissions": [permission], "principals": [{"and_ids": {"ids": ids}}]})
}

/// An exact path where there is no parameter, else a regular expression, which this filter runs on RE2.
fn path(rule: &Rule) -> Value {
    let literal: Option<Vec<&str>> = rule.segments.iter().map(Option::as_deref).collect();
    match literal {
        Some(segments) => json!({"exact": format!("/{}", segments.join("/"))}),
        None => {
            let segments: Vec<String> = rule
                .segments
                .iter()
                .map(|segment| {
                    segment
                        .as_deref()
                        .map_or("[^/]+".into(), |text| text.replace('.', "\\."))
                })
                .collect();
            json!({"safe_regex": {"regex": format!("/{}", segments.join("/"))}})
        }
    }
}

fn claim(name: &str, value: &str) -> Value {
    json!({"sourced_metadata": {"metadata_matcher": {
        "filter": CLAIMS_NAMESPACE,
        "path": [{"key": CLAIMS_KEY}, {"key": name}],
        "value": {"list_match": {"one_of": {"string_match": {"exact": value}}}},
    }}})
}
