//! [`OwnedDecision`] -> the one line of JSON that every host gives, byte for byte. Members and their order are those of
//! the format of requests and verdicts; nothing is decided here.

mod json;
#[cfg(test)]
mod tests;

use crate::decide::{Closest, Explanation, Lack};
use crate::decision::{BodyDemand, Change, Charge, Effect, OwnedDecision, RedactStep, ResponseDemand};
use crate::image::config::{Config, Period};
use crate::image::ids::RuleId;
use json::Writer;

/// The line, without a newline. All members are there, `null` where nothing is to say.
pub fn to_json(
    config: &Config,
    decision: &OwnedDecision,
    explanation: &Explanation,
    id: &str,
    policy_digest: &[u8; 32],
    data_digest: &[u8; 32],
) -> String {
    let mut w = Writer::new();
    w.object(|w| {
        w.member("id").string(id);
        w.member("effect").string(match decision.effect() {
            Effect::Deny => "deny",
            Effect::Allow => "allow",
            Effect::Answer => "answer",
        });
        w.member("status").number(decision.status().into());
        w.member("reason").string(decision.reason().code());
        w.member("detail").string_or_null(decision.detail());
        w.member("message").string_or_null(decision.message());
        w.member("rule")
            .string_or_null(decision.rule().map(|rule| id_of(config, rule)));
        w.member("rules")
            .array(decision.rules(), |w, rule| w.string(id_of(config, *rule)));
        w.member("closest")
            .array(&explanation.closest, |w, close| closest(w, config, close));
        w.member("quotas")
            .array(decision.quotas(), |w, charge| quota(w, config, &charge));
        w.member("request_body");
        match decision.request_body() {
            Some(body) => request_body(w, config, body),
            None => w.null(),
        }
        w.member("response");
        match decision.response() {
            Some(plan) => response(w, config, plan),
            None => w.null(),
        }
        w.member("headers").object(|w| {
            w.member("request_set").array(decision.request_set(), pair);
            w.member("request_drop")
                .array(decision.request_drop(), |w, name| w.string(name));
            w.member("response_set").array(decision.response_set(), pair);
            w.member("response_drop")
                .array(decision.response_drop(), |w, name| w.string(name));
        });
        w.member("upstream_target")
            .string_or_null(decision.upstream_target());
        w.member("tags").array(decision.tags(), |w, tag| w.string(tag));
        w.member("report").array(decision.report(), |w, (rule, is_true)| {
            w.object(|w| {
                w.member("rule").string(id_of(config, *rule));
                w.member("value")
                    .string(if *is_true { "true" } else { "unknown" });
            });
        });
        w.member("policy").string(&digest(policy_digest));
        w.member("data").string(&digest(data_digest));
    });
    w.finish()
}

/// Rule indices come from this very config; a foreign one has no id.
fn id_of(config: &Config, rule: RuleId) -> &str {
    config.rules.get(rule.index()).map_or("", |rule| rule.id)
}

fn pair(w: &mut Writer, (name, value): (&str, &str)) {
    w.array([name, value], |w, text| w.string(text));
}

fn closest(w: &mut Writer, config: &Config, close: &Closest) {
    w.object(|w| {
        w.member("rule").string(id_of(config, close.rule));
        w.member("lacks").array(&close.lacks, |w, lack| {
            w.object(|w| match lack {
                Lack::Scope(scope) => w.member("scope").string(scope),
                Lack::Acr(acr) => w.member("acr").string(acr),
                Lack::MaxAge(seconds) => w.member("max_age").number(*seconds),
                Lack::Condition(text) => w.member("condition").string(text),
                Lack::Fact(fact, unknown) => {
                    w.member("fact").string(fact);
                    w.member("is").string(unknown.code());
                }
            });
        });
    });
}

fn quota(w: &mut Writer, config: &Config, charge: &Charge<'_>) {
    let quota = config.quotas.get(charge.quota as usize);
    w.object(|w| {
        w.member("name").string(quota.map_or("", |quota| &quota.name));
        w.member("key").string(charge.key);
        w.member("cost").unsigned(charge.cost);
        w.member("limit").unsigned(charge.limit);
        match quota.map(|quota| &quota.period) {
            Some(Period::Rate(period_us, burst)) => {
                w.member("period_us").number(*period_us);
                w.member("burst").unsigned(burst.unwrap_or(charge.limit));
            }
            Some(Period::Calendar(unit, zone)) => {
                w.member("calendar").string(unit);
                w.member("zone").string(zone);
            }
            Some(Period::InFlight) => w.member("in_flight").boolean(true),
            None => {}
        }
    });
}

fn request_body(w: &mut Writer, config: &Config, body: BodyDemand<'_>) {
    w.object(|w| {
        w.member("accept")
            .array(body.accept, |w, rule| w.string(id_of(config, *rule)));
        w.member("max_bytes").unsigned(body.max_bytes);
        w.member("unknown")
            .string(if body.strip_unknown { "strip" } else { "refuse" });
    });
}

fn response(w: &mut Writer, config: &Config, plan: ResponseDemand<'_>) {
    w.object(|w| {
        w.member("redact").array(plan.redact(), redaction);
        w.member("require");
        if plan.require().is_empty() {
            return w.null();
        }
        w.array(plan.require(), |w, (rule, status)| {
            w.object(|w| {
                w.member("else").number((*status).into());
                w.member("rule").string(id_of(config, *rule));
            });
        });
    });
}

/// Members in alphabetical order, as a generic JSON value prints them.
fn redaction(w: &mut Writer, step: RedactStep<'_>) {
    w.object(|w| match step {
        RedactStep::Only(paths) => {
            w.member("op").string("only");
            w.member("paths").array(paths, |w, path| w.string(path));
        }
        RedactStep::Op(path, change) => {
            if let Change::Mask { first, keep } = change
                && keep > 0
            {
                w.member(if first { "keep_first" } else { "keep_last" })
                    .number(keep.into());
            }
            w.member("op").string(match change {
                Change::Drop => "drop",
                Change::Replace(_) => "replace",
                Change::Hash => "hash",
                Change::Mask { .. } => "mask",
                Change::Truncate(_) => "truncate",
            });
            w.member("path").string(path);
            match change {
                Change::Replace(text) => w.member("with").string(text),
                Change::Truncate(to) => w.member("to").number(to.into()),
                Change::Drop | Change::Hash | Change::Mask { .. } => {}
            }
        }
    });
}

/// `sha256:` and 64 hexadecimal digits.
pub fn digest(bytes: &[u8; 32]) -> String {
    let mut text = String::with_capacity(71);
    text.push_str("sha256:");
    for nibble in bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]) {
        let first = if nibble < 10 { b'0' } else { b'a' - 10 };
        text.push(char::from(first + nibble));
    }
    text
}
