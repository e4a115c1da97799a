//! Header operations that bind -> what to set and what to drop, in each direction. Drop beats set; a set whose
//! value is unknown, unfit for a header line, or not the one another rule sets, is a drop.

use std::collections::{BTreeMap, BTreeSet};

use super::{Binding, Bound};
use crate::canary::canary;
use crate::decide::Decision;
use crate::front::facts::Facts;
use crate::image::config::HeaderValue;

/// `Some`: set to it; `None`: drop.
type Plan<'n> = BTreeMap<&'n str, Option<String>>;

/// Towards the upstream. A header that the policy sets anywhere is first removed from what came in.
pub(super) fn request(b: &Binding, rules: &[Bound], decision: &mut Decision) {
    let plan = plan(b, rules, true);
    let dropped = plan
        .iter()
        .filter(|(_, value)| value.is_none())
        .map(|(name, _)| *name);
    let replaced = b.config.request_headers_set.iter().map(String::as_str);
    let drop: BTreeSet<&str> = replaced
        .filter(|name| !matches!(plan.get(name), Some(Some(_))))
        .chain(dropped)
        .collect();
    decision.request_drop = drop.into_iter().map(str::to_string).collect();
    decision.request_set = plan
        .into_iter()
        .filter_map(|(name, value)| value.map(|v| (name.to_string(), v)))
        .collect();
}

/// Towards the client, after the engine's own headers, which stay where the policy sets the same name.
pub(super) fn response(b: &Binding, rules: &[Bound], decision: &mut Decision) {
    let own = decision.response_set.len();
    for (name, value) in plan(b, rules, false) {
        match value {
            None => decision.response_drop.push(name.to_string()),
            Some(_)
                if decision
                    .response_set
                    .iter()
                    .take(own)
                    .any(|(ours, _)| ours == name) => {}
            Some(value) => decision.response_set.push((name.to_string(), value)),
        }
    }
}

fn plan<'n>(b: &Binding, rules: &[Bound<'n>], request: bool) -> Plan<'n> {
    let mut plan = Plan::new();
    for bound in rules {
        for op in bound.rule.body.headers.iter().filter(|op| op.request == request) {
            let value = match &op.value {
                None => None,
                Some(_) if !bound.certain => continue,
                Some(value) => text(b.facts, value),
            };
            plan.entry(&op.name)
                .and_modify(|before| {
                    if *before != value {
                        *before = canary!(SetBeatsDrop, before.take().or(value.clone()), None);
                    }
                })
                .or_insert(value);
        }
    }
    plan
}

/// The trimmed text, where it can stand in a header line.
fn text(facts: &Facts, value: &HeaderValue) -> Option<String> {
    let text = match value {
        HeaderValue::Literal(text) => text.clone(),
        HeaderValue::Fact(slot) => {
            let bytes = crate::front::facts::text(facts.fetch(*slot).value.as_ref()?)?;
            String::from_utf8(bytes).ok()?
        }
    };
    let text = text.trim_matches([' ', '\t']);
    let fit = text
        .bytes()
        .all(|byte| byte == b'\t' || (byte >= 0x20 && byte != 0x7f));
    fit.then(|| text.to_string())
}
