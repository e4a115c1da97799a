//! An exchange -> the structs and the line of its verdict. Nothing is copied but the line; nothing is decided.

use portcullis::decision::{Effect, Reason};
use portcullis::image::config::{Config, Period, RuleIndex};
use portcullis::verdict::to_json;

use crate::kept::{Kept, Span};
use crate::status::{
    Failure, NONE, PORTCULLIS_ALLOW, PORTCULLIS_ANSWER, PORTCULLIS_DENY, PORTCULLIS_E_ARGUMENT,
};
use crate::types::{
    Header, PORTCULLIS_DEMANDS_BODY, PORTCULLIS_DEMANDS_CHARGE, PORTCULLIS_DEMANDS_RESPONSE,
    PORTCULLIS_LIST_ACCEPT, PORTCULLIS_LIST_REPORT_TRUE, PORTCULLIS_LIST_REPORT_UNKNOWN,
    PORTCULLIS_LIST_REQUEST_DROP, PORTCULLIS_LIST_REQUEST_SET, PORTCULLIS_LIST_RESPONSE_DROP,
    PORTCULLIS_LIST_RESPONSE_SET, PORTCULLIS_LIST_RULES, PORTCULLIS_LIST_TAGS, PORTCULLIS_PERIOD_CALENDAR,
    PORTCULLIS_PERIOD_IN_FLIGHT, PORTCULLIS_PERIOD_RATE, Quota, Text, Verdict,
};
use crate::worker::Exchange;

const NO_LIST: Failure = Failure::new(
    PORTCULLIS_E_ARGUMENT,
    "a list that this library does not know, or one of the other kind",
);

/// The number of an effect.
pub(crate) fn number(effect: Effect) -> i32 {
    match effect {
        Effect::Deny => PORTCULLIS_DENY,
        Effect::Allow => PORTCULLIS_ALLOW,
        Effect::Answer => PORTCULLIS_ANSWER,
    }
}

/// What a call says that could not decide.
pub(crate) fn defect() -> Verdict {
    Verdict {
        effect: PORTCULLIS_DENY,
        status: Reason::Internal.status().into(),
        reason: Text::from(Reason::Internal.code()),
        ..Verdict::default()
    }
}

/// The struct of an exchange's verdict, with a denial as its effect: the effect is written last.
#[inline]
pub(crate) fn verdict(exchange: &Exchange) -> Verdict {
    let kept = &exchange.kept;
    let text = |span: Option<Span>| span.map_or_else(Text::default, |span| Text::from(kept.text(span)));
    let demand = |wanted: bool, bit: u32| if wanted { bit } else { 0 };
    let (body_max_bytes, strips) = kept.body.unwrap_or_default();
    Verdict {
        struct_size: size_of::<Verdict>(),
        effect: PORTCULLIS_DENY,
        status: kept.status.into(),
        reason: Text::from(kept.reason.code()),
        detail: text(kept.detail),
        message: text(kept.message),
        rule: kept
            .rule
            .map_or_else(Text::default, |rule| rule_id(exchange, rule)),
        upstream_target: text(kept.upstream_target),
        demands: demand(!kept.quotas.is_empty(), PORTCULLIS_DEMANDS_CHARGE)
            | demand(kept.body.is_some(), PORTCULLIS_DEMANDS_BODY)
            | demand(kept.response.is_some(), PORTCULLIS_DEMANDS_RESPONSE),
        body_strips_unknown: strips.into(),
        body_max_bytes,
        rules_len: kept.rules.len(),
        tags_len: kept.tags.len(),
        request_set_len: kept.request_set.len(),
        request_drop_len: kept.request_drop.len(),
        response_set_len: kept.response_set.len(),
        response_drop_len: kept.response_drop.len(),
        accept_len: kept.accept.len(),
        report_true_len: kept.report_true.len(),
        report_unknown_len: kept.report_unknown.len(),
        quotas_len: kept.quotas.len(),
    }
}

/// A rule's id, which the image holds.
fn rule_id(exchange: &Exchange, rule: RuleIndex) -> Text {
    let rule = exchange
        .snapshot()
        .and_then(|snapshot| snapshot.image.config().rules.get(rule as usize));
    rule.map_or_else(Text::default, |rule| Text::from(rule.id))
}

/// An element of a list of texts.
pub(crate) fn text(exchange: &Exchange, list: u32, index: usize) -> Result<Text, Failure> {
    let kept = &exchange.kept;
    let name = |names: &[Span]| names.get(index).map(|span| Text::from(kept.text(*span)));
    let rule = |rules: &[RuleIndex]| rules.get(index).map(|rule| rule_id(exchange, *rule));
    match list {
        PORTCULLIS_LIST_RULES => rule(&kept.rules),
        PORTCULLIS_LIST_TAGS => name(&kept.tags),
        PORTCULLIS_LIST_REQUEST_DROP => name(&kept.request_drop),
        PORTCULLIS_LIST_RESPONSE_DROP => name(&kept.response_drop),
        PORTCULLIS_LIST_ACCEPT => rule(&kept.accept),
        PORTCULLIS_LIST_REPORT_TRUE => rule(&kept.report_true),
        PORTCULLIS_LIST_REPORT_UNKNOWN => rule(&kept.report_unknown),
        _ => return Err(NO_LIST),
    }
    .ok_or(NONE)
}

/// An element of a list of headers.
pub(crate) fn header(exchange: &Exchange, list: u32, index: usize) -> Result<Header, Failure> {
    let kept: &Kept = &exchange.kept;
    let lines = match list {
        PORTCULLIS_LIST_REQUEST_SET => &kept.request_set,
        PORTCULLIS_LIST_RESPONSE_SET => &kept.response_set,
        _ => return Err(NO_LIST),
    };
    let (name, value) = lines.get(index).ok_or(NONE)?;
    Ok(Header {
        name: Text::from(kept.text(*name)),
        value: Text::from(kept.text(*value)),
    })
}

/// A quota to charge.
pub(crate) fn quota(exchange: &Exchange, index: usize) -> Result<Quota, Failure> {
    let charge = exchange.kept.quotas.get(index).ok_or(NONE)?;
    let snapshot = exchange.snapshot().ok_or(NONE)?;
    let declared = snapshot
        .image
        .config()
        .quotas
        .get(charge.quota as usize)
        .ok_or(NONE)?;
    let mut quota = Quota {
        name: Text::from(declared.name.as_str()),
        key: Text::from(exchange.kept.text(charge.key)),
        cost: charge.cost,
        limit: charge.limit,
        ..Quota::default()
    };
    match &declared.period {
        Period::Rate(period_us, burst) => {
            quota.period = PORTCULLIS_PERIOD_RATE;
            quota.period_us = period_us.unsigned_abs();
            quota.burst = burst.unwrap_or(charge.limit);
        }
        Period::Calendar(unit, zone) => {
            quota.period = PORTCULLIS_PERIOD_CALENDAR;
            quota.unit = Text::from(unit.as_str());
            quota.zone = Text::from(zone.as_str());
        }
        Period::InFlight => quota.period = PORTCULLIS_PERIOD_IN_FLIGHT,
    }
    Ok(quota)
}

/// Writes the verdict's line, which the exchange keeps.
pub(crate) fn line(exchange: &mut Exchange, id: &str) -> Text {
    let decision = exchange.kept.to_owned();
    exchange.line = match exchange.snapshot() {
        Some(snapshot) => to_json(
            snapshot.image.config(),
            &decision,
            id,
            &snapshot.image.digest(),
            &snapshot.data.digest(),
        ),
        // Without a policy there is nothing whose digest could be told.
        None => to_json(&Config::default(), &decision, id, &[0; 32], &[0; 32]),
    };
    Text::from(exchange.line.as_str())
}
