//! Header operations that bind -> what to set and what to drop, in each direction. Drop beats set; a set whose
//! value is unknown, unfit for a header line, or not the one another rule sets, is a drop.

use super::{Binding, Bound, Draft};
use crate::decision::Decision;
use crate::facts::Facts;
use crate::image::config::{Config, FORWARDED_CERTIFICATE, HeaderValue};
use crate::request::Canonical;
use crate::request::headers::name;
use crate::value::{Arena, List};

/// Name, and what to set it to; `None`: drop. Sorted by name, each once.
type Plan<'b> = List<'b, (&'b str, Option<&'b str>)>;

/// Towards the upstream. A header that the policy sets anywhere is first removed from what came in.
pub(super) fn request<'b>(b: &Binding<'b>, rules: &[Bound<'b>], decision: &mut Decision<'b>) {
    let replaced = &b.config.request_headers_set;
    let plan = plan(b, rules.iter(), true);
    let outside = from_outside(b.config, b.canonical, b.facts, b.arena);
    if plan.is_empty() && replaced.is_empty() && outside.is_empty() {
        return;
    }
    let is_set = |name: &str| plan.iter().any(|(own, value)| *own == name && value.is_some());
    let dropped = plan.iter().filter(|(_, value)| value.is_none());
    let mut drop = b.list(
        replaced
            .iter()
            .map(String::as_str)
            .chain(outside.iter().copied())
            .filter(|name| !is_set(name))
            .chain(dropped.map(|(name, _)| *name)),
    );
    crate::value::order::sort(&mut drop);
    drop.dedup();
    decision.request_drop = drop.into_bump_slice();
    let set = plan.iter().filter_map(|(name, value)| Some((*name, (*value)?)));
    decision.request_set = b.list(set).into_bump_slice();
}

/// Headers of the request by which a trusted hop tells of the caller and which none has written: the upstream is not to
/// believe them either. Sorted, each once.
#[inline]
pub(crate) fn from_outside<'b>(
    config: &'b Config,
    canonical: &Canonical<'_>,
    facts: &Facts<'_>,
    arena: &'b Arena,
) -> &'b [&'b str] {
    if config.trusted.is_empty() && !canonical.headers.has(name::CERTIFICATE) {
        return &[];
    }
    told_from_outside(config, canonical, facts, arena)
}

#[cold]
fn told_from_outside<'b>(
    config: &'b Config,
    canonical: &Canonical<'_>,
    facts: &Facts<'_>,
    arena: &'b Arena,
) -> &'b [&'b str] {
    if facts.is_from_trusted_hop() {
        return &[];
    }
    let trusted = config.trusted.iter().map(|(name, ..)| name.as_str());
    let mut names = List::new_in(arena);
    names.extend(
        trusted
            .chain([FORWARDED_CERTIFICATE])
            .filter(|name| canonical.headers.all(name).next().is_some()),
    );
    crate::value::order::sort(&mut names);
    names.dedup();
    names.into_bump_slice()
}

/// Towards the client, after the engine's own headers, which stay where the policy sets the same name.
pub(super) fn response<'b: 'r, 'r>(
    b: &Binding<'b>,
    rules: impl Iterator<Item = &'r Bound<'b>>,
    draft: &mut Draft<'_, 'b>,
) {
    let own = draft.response_set.len();
    let mut drop = List::new_in(b.arena);
    for (name, value) in plan(b, rules, false) {
        let is_ours = |(ours, _): &(&str, &str)| *ours == name;
        match value {
            None => drop.push(name),
            Some(_) if draft.response_set.iter().take(own).any(is_ours) => {}
            Some(value) => draft.response_set.push((name, value)),
        }
    }
    draft.decision.response_drop = drop.into_bump_slice();
}

fn plan<'b: 'r, 'r>(b: &Binding<'b>, rules: impl Iterator<Item = &'r Bound<'b>>, request: bool) -> Plan<'b> {
    let mut plan: Plan<'b> = List::new_in(b.arena);
    for bound in rules {
        for op in bound.rule.body.headers.iter().filter(|op| op.request == request) {
            let value = match &op.value {
                None => None,
                Some(_) if !bound.certain => continue,
                Some(value) => text(b, value),
            };
            match plan.iter_mut().find(|(name, _)| *name == op.name) {
                Some((_, before)) if *before != value => {
                    *before = None;
                }
                Some(_) => {}
                None => plan.push((&op.name, value)),
            }
        }
    }
    crate::value::order::sort(&mut plan);
    plan
}

/// The trimmed text, where it can stand in a header line.
fn text<'b>(b: &Binding<'b>, value: &'b HeaderValue) -> Option<&'b str> {
    let text = match value {
        HeaderValue::Literal(text) => text,
        HeaderValue::Fact(slot) => {
            let value = b.facts.fetch(*slot).value?;
            std::str::from_utf8(b.facts.text(&value)).ok()?
        }
    };
    let text = text.trim_matches([' ', '\t']);
    let fit = text
        .bytes()
        .all(|byte| byte == b'\t' || (byte >= 0x20 && byte != 0x7f));
    fit.then_some(text)
}
