//! An exchange -> the structs and the line of its verdict. Nothing is copied but the line; nothing is decided.

use portcullis::decision::{Effect, Reason};
use portcullis::image::config::Period;
use portcullis::image::ids::RuleId;
use portcullis::{Exchange, Next};

use crate::status::{
    Failure, NONE, ORDER, PORTCULLIS_ALLOW, PORTCULLIS_ANSWER, PORTCULLIS_DENY, PORTCULLIS_E_ARGUMENT,
    PORTCULLIS_PENDING,
};
use crate::types::{
    Header, PORTCULLIS_DEMANDS_BODY, PORTCULLIS_DEMANDS_CHARGE, PORTCULLIS_DEMANDS_RESPONSE,
    PORTCULLIS_LIST_ACCEPT, PORTCULLIS_LIST_REPORT_TRUE, PORTCULLIS_LIST_REPORT_UNKNOWN,
    PORTCULLIS_LIST_REQUEST_DROP, PORTCULLIS_LIST_REQUEST_SET, PORTCULLIS_LIST_REQUEST_TRAILERS,
    PORTCULLIS_LIST_RESPONSE_DROP, PORTCULLIS_LIST_RESPONSE_REMOVE, PORTCULLIS_LIST_RESPONSE_SET,
    PORTCULLIS_LIST_RESPONSE_TRAILERS, PORTCULLIS_LIST_RULES, PORTCULLIS_LIST_TAGS,
    PORTCULLIS_PERIOD_CALENDAR, PORTCULLIS_PERIOD_IN_FLIGHT, PORTCULLIS_PERIOD_RATE, Quota, Text, Verdict,
};
use crate::worker::UnderWay;

const NO_LIST: Failure = Failure::new(
    PORTCULLIS_E_ARGUMENT,
    "a list that this library does not know, or one of the other kind",
);

/// What an exchange says now: pending, or the effect.
pub(crate) fn effect(exchange: &Exchange) -> i32 {
    match exchange.decision().effect() {
        _ if exchange.is_pending() => PORTCULLIS_PENDING,
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
    let decision = exchange.decision();
    let text = |text: Option<&str>| text.map_or_else(Text::default, Text::from);
    let demand = |wanted: bool, bit: u32| if wanted { bit } else { 0 };
    let body = decision.request_body();
    let has_plan = decision.response().is_some();
    let (request_set_len, request_drop_len) = if has_plan || body.is_some() {
        forwarded_lens(exchange)
    } else {
        (decision.request_set().len(), decision.request_drop().len())
    };
    let report_true_len = decision.report().iter().filter(|(_, is_true)| *is_true).count();
    Verdict {
        struct_size: size_of::<Verdict>(),
        effect: PORTCULLIS_DENY,
        status: decision.status().into(),
        reason: Text::from(decision.reason().code()),
        detail: text(decision.detail()),
        message: text(decision.message()),
        rule: text(decision.rule().map(|rule| exchange.rule_id(rule))),
        upstream_target: text(decision.upstream_target()),
        demands: demand(decision.quotas().len() > 0, PORTCULLIS_DEMANDS_CHARGE)
            | demand(body.is_some(), PORTCULLIS_DEMANDS_BODY)
            | demand(has_plan, PORTCULLIS_DEMANDS_RESPONSE),
        body_strips_unknown: body.is_some_and(|body| body.strip_unknown).into(),
        body_max_bytes: body.map_or(0, |body| body.max_bytes),
        rules_len: decision.rules().len(),
        tags_len: decision.tags().len(),
        request_set_len,
        request_drop_len,
        response_set_len: decision.response_set().len(),
        response_drop_len: decision.response_drop().len(),
        accept_len: body.map_or(0, |body| body.accept.len()),
        report_true_len,
        report_unknown_len: decision.report().len() - report_true_len,
        quotas_len: decision.quotas().len(),
        problem: Text::default(),
    }
}

/// The same of an exchange under way, which may have refused a body.
pub(crate) fn verdict_now(exchange: &Exchange) -> Verdict {
    let problem = match exchange.next() {
        Next::Reply(reply) => reply.problem.map_or_else(Text::default, Text::from),
        _ => Text::default(),
    };
    Verdict {
        problem,
        ..verdict(exchange)
    }
}

/// Lengths of the lists of request headers to set and to drop where a response waits for a plan, or a body may have been
/// rewritten.
#[cold]
fn forwarded_lens(exchange: &Exchange) -> (usize, usize) {
    match exchange.next() {
        Next::Forward(rewrites) => (rewrites.set().len(), rewrites.drop().len()),
        _ => {
            let decision = exchange.decision();
            (decision.request_set().len(), decision.request_drop().len())
        }
    }
}

/// An element of a list of texts.
pub(crate) fn text(exchange: &Exchange, list: u32, index: usize) -> Result<Text, Failure> {
    let decision = exchange.decision();
    let name = |mut names: portcullis::decision::Texts<'_>| names.nth(index).map(Text::from);
    let rule = |rule: Option<RuleId>| rule.map(|rule| Text::from(exchange.rule_id(rule)));
    let reported = |wanted: bool| {
        let mut rules = decision.report().iter().filter(|(_, is_true)| *is_true == wanted);
        rule(rules.nth(index).map(|(rule, _)| *rule))
    };
    match list {
        PORTCULLIS_LIST_RULES => rule(decision.rules().get(index).copied()),
        PORTCULLIS_LIST_TAGS => name(decision.tags()),
        PORTCULLIS_LIST_REQUEST_DROP => match exchange.next() {
            Next::Forward(rewrites) => rewrites.drop().nth(index).map(Text::from),
            _ => name(decision.request_drop()),
        },
        PORTCULLIS_LIST_RESPONSE_DROP => name(decision.response_drop()),
        PORTCULLIS_LIST_ACCEPT => {
            let body = decision.request_body();
            rule(body.and_then(|body| body.accept.get(index).copied()))
        }
        PORTCULLIS_LIST_REPORT_TRUE => reported(true),
        PORTCULLIS_LIST_REPORT_UNKNOWN => reported(false),
        PORTCULLIS_LIST_RESPONSE_REMOVE => {
            let edits = exchange.response_edits().map_err(|_| ORDER)?;
            edits.remove().nth(index).map(Text::from)
        }
        PORTCULLIS_LIST_REQUEST_TRAILERS => {
            let mut names = exchange.request_trailers().map_err(|_| ORDER)?;
            names.nth(index).map(Text::from)
        }
        PORTCULLIS_LIST_RESPONSE_TRAILERS => {
            let mut names = exchange.response_trailers().map_err(|_| ORDER)?;
            names.nth(index).map(Text::from)
        }
        _ => return Err(NO_LIST),
    }
    .ok_or(NONE)
}

/// An element of a list of headers.
pub(crate) fn header(exchange: &Exchange, list: u32, index: usize) -> Result<Header, Failure> {
    let line = match (list, exchange.next()) {
        (PORTCULLIS_LIST_REQUEST_SET, Next::Forward(rewrites)) => rewrites.set().nth(index),
        (PORTCULLIS_LIST_REQUEST_SET, _) => exchange.decision().request_set().nth(index),
        (PORTCULLIS_LIST_RESPONSE_SET, _) => exchange.decision().response_set().nth(index),
        _ => return Err(NO_LIST),
    };
    let (name, value) = line.ok_or(NONE)?;
    Ok(Header {
        name: Text::from(name),
        value: Text::from(value),
    })
}

/// A quota to charge.
pub(crate) fn quota(exchange: &Exchange, index: usize) -> Result<Quota, Failure> {
    let charge = exchange.decision().quotas().nth(index).ok_or(NONE)?;
    let snapshot = exchange.snapshot().ok_or(NONE)?;
    let declared = snapshot
        .image
        .config()
        .quotas
        .get(charge.quota as usize)
        .ok_or(NONE)?;
    let mut quota = Quota {
        name: Text::from(declared.name.as_str()),
        key: Text::from(charge.key),
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

/// Writes the verdict's line, which is kept beside its exchange.
pub(crate) fn line(under_way: &mut UnderWay, id: &str) -> Text {
    under_way.line = under_way.exchange.to_json(id);
    Text::from(under_way.line.as_str())
}
