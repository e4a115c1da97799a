//! A borrowed decision -> the exchange's own copy. Texts go into one buffer, so that an exchange that is used again
//! allocates nothing; only a response plan and an explanation do, which few decisions have. Knows no C, but what a host
//! must carry out of an allow: an allow that demands more is not taken over.

use portcullis::Decision;
use portcullis::decide::{Closest, OwnedCharge, OwnedDecision, OwnedRequestBody, OwnedResponsePlan};
use portcullis::decision::{Effect, Reason};
use portcullis::image::config::RuleIndex;

/// Bytes of text that an exchange keeps between decisions: what honest decisions need, many times over.
const TEXT_KEEP_MAX: usize = 1 << 14;
/// Detail code of an allow whose demands the host does not carry out.
const NOT_CARRIED: &str = portcullis::decision::Detail::DemandsNotCarried.code();
/// Elements of a list that an exchange keeps room for between decisions.
const LIST_KEEP_MAX: usize = 1 << 9;

/// What an allow demands of its host, or what a host carries out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Demands {
    pub(crate) charge: bool,
    pub(crate) body: bool,
    pub(crate) response: bool,
}

impl Demands {
    fn of(decision: &Decision<'_>) -> Demands {
        Demands {
            charge: !decision.quotas.is_empty(),
            body: decision.request_body.is_some(),
            response: decision.response.is_some(),
        }
    }

    fn covers(self, other: Demands) -> bool {
        (self.charge || !other.charge) && (self.body || !other.body) && (self.response || !other.response)
    }
}

/// A part of the buffer.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Span {
    start: usize,
    end: usize,
}

/// One quota charge.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Charge {
    pub(crate) quota: u32,
    pub(crate) key: Span,
    pub(crate) cost: u64,
    pub(crate) limit: u64,
}

/// The copy. Members are those of [`Decision`], with the two kinds of reports apart. The default denies.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    pub(crate) effect: Effect,
    pub(crate) status: u16,
    pub(crate) reason: Reason,
    pub(crate) detail: Option<Span>,
    pub(crate) message: Option<Span>,
    pub(crate) rule: Option<RuleIndex>,
    pub(crate) rules: Vec<RuleIndex>,
    pub(crate) quotas: Vec<Charge>,
    /// Largest size, and whether unknown fields are stripped.
    pub(crate) body: Option<(u64, bool)>,
    pub(crate) accept: Vec<RuleIndex>,
    pub(crate) response: Option<OwnedResponsePlan>,
    pub(crate) request_set: Vec<(Span, Span)>,
    pub(crate) request_drop: Vec<Span>,
    pub(crate) response_set: Vec<(Span, Span)>,
    pub(crate) response_drop: Vec<Span>,
    pub(crate) upstream_target: Option<Span>,
    pub(crate) tags: Vec<Span>,
    pub(crate) report_true: Vec<RuleIndex>,
    pub(crate) report_unknown: Vec<RuleIndex>,
    pub(crate) closest: Vec<Closest>,
    text: String,
}

impl Kept {
    /// A text of this copy.
    pub(crate) fn text(&self, span: Span) -> &str {
        self.text.get(span.start..span.end).unwrap_or("")
    }

    fn add(&mut self, text: &str) -> Span {
        let start = self.text.len();
        self.text.push_str(text);
        Span {
            start,
            end: self.text.len(),
        }
    }

    /// Takes a decision's place; the copy must be clear. The effect comes last. An allow that demands what the host does
    /// not carry out becomes a denial of which nothing else is left: what it granted shows nowhere.
    pub(crate) fn take(&mut self, decision: &Decision<'_>, carried: Demands) {
        if decision.effect == Effect::Allow && !carried.covers(Demands::of(decision)) {
            self.refuse(Reason::Internal);
            self.detail = Some(self.add(NOT_CARRIED));
            return;
        }
        self.status = decision.status;
        self.reason = decision.reason;
        self.rule = decision.rule;
        self.detail = decision.detail.map(|text| self.add(text));
        self.message = decision.message.map(|text| self.add(text));
        self.upstream_target = decision.upstream_target.map(|text| self.add(text));
        if !is_bare(decision) {
            self.take_obligations(decision);
        }
        self.effect = decision.effect;
    }

    fn take_obligations(&mut self, decision: &Decision<'_>) {
        self.rules.extend_from_slice(decision.rules);
        for charge in decision.quotas {
            let key = self.add(charge.key);
            self.quotas.push(Charge {
                quota: charge.quota,
                key,
                cost: charge.cost,
                limit: charge.limit,
            });
        }
        if let Some(body) = decision.request_body {
            self.body = Some((body.max_bytes, body.strip_unknown));
            self.accept.extend_from_slice(body.accept);
        }
        if decision.response.is_some() {
            let only = Decision {
                response: decision.response,
                ..Decision::default()
            };
            self.response = only.to_owned().response;
        }
        for (name, value) in decision.request_set {
            let line = (self.add(name), self.add(value));
            self.request_set.push(line);
        }
        for (name, value) in decision.response_set {
            let line = (self.add(name), self.add(value));
            self.response_set.push(line);
        }
        for name in decision.request_drop {
            let name = self.add(name);
            self.request_drop.push(name);
        }
        for name in decision.response_drop {
            let name = self.add(name);
            self.response_drop.push(name);
        }
        for tag in decision.tags {
            let tag = self.add(tag);
            self.tags.push(tag);
        }
        for (rule, is_true) in decision.report {
            match is_true {
                true => self.report_true.push(*rule),
                false => self.report_unknown.push(*rule),
            }
        }
    }

    /// Denies, with a reason's own status; the copy must be clear.
    pub(crate) fn refuse(&mut self, reason: Reason) {
        self.status = reason.status();
        self.reason = reason;
    }

    /// Forgets the decision: what is left denies. Buffers stay unless they have grown beyond what is usual.
    pub(crate) fn clear(&mut self) {
        self.effect = Effect::Deny;
        self.status = Reason::Internal.status();
        self.reason = Reason::Internal;
        (self.detail, self.message, self.upstream_target) = (None, None, None);
        (self.rule, self.body, self.response) = (None, None, None);
        empty(&mut self.rules);
        empty(&mut self.quotas);
        empty(&mut self.accept);
        empty(&mut self.request_set);
        empty(&mut self.request_drop);
        empty(&mut self.response_set);
        empty(&mut self.response_drop);
        empty(&mut self.tags);
        empty(&mut self.report_true);
        empty(&mut self.report_unknown);
        empty(&mut self.closest);
        self.text.clear();
        if self.text.capacity() > TEXT_KEEP_MAX {
            self.text = String::new();
        }
    }

    /// The decision by itself, for the verdict's line.
    pub(crate) fn to_owned(&self) -> OwnedDecision {
        let text = |span: &Span| self.text(*span).to_string();
        let texts = |spans: &[Span]| spans.iter().map(text).collect();
        let lines = |lines: &[(Span, Span)]| lines.iter().map(|(a, b)| (text(a), text(b))).collect();
        let charge = |charge: &Charge| OwnedCharge {
            quota: charge.quota,
            key: text(&charge.key),
            cost: charge.cost,
            limit: charge.limit,
        };
        let body = |(max_bytes, strip_unknown)| OwnedRequestBody {
            accept: self.accept.clone(),
            max_bytes,
            strip_unknown,
        };
        let mut report: Vec<(RuleIndex, bool)> = self.report_true.iter().map(|rule| (*rule, true)).collect();
        // Both are sorted, and the second is short.
        for rule in &self.report_unknown {
            let at = report.partition_point(|(before, _)| before < rule);
            report.insert(at, (*rule, false));
        }
        OwnedDecision {
            effect: self.effect,
            status: self.status,
            reason: self.reason,
            detail: self.detail.as_ref().map(text),
            message: self.message.as_ref().map(text),
            rule: self.rule,
            rules: self.rules.clone(),
            closest: self.closest.clone(),
            quotas: self.quotas.iter().map(charge).collect(),
            request_body: self.body.map(body),
            response: self.response.clone(),
            request_set: lines(&self.request_set),
            request_drop: texts(&self.request_drop),
            response_set: lines(&self.response_set),
            response_drop: texts(&self.response_drop),
            upstream_target: self.upstream_target.as_ref().map(text),
            tags: texts(&self.tags),
            report,
        }
    }
}

/// Whether nothing binds, as with most decisions.
fn is_bare(decision: &Decision<'_>) -> bool {
    decision.rules.is_empty()
        && decision.quotas.is_empty()
        && decision.request_body.is_none()
        && decision.response.is_none()
        && decision.request_set.is_empty()
        && decision.request_drop.is_empty()
        && decision.response_set.is_empty()
        && decision.response_drop.is_empty()
        && decision.tags.is_empty()
        && decision.report.is_empty()
}

fn empty<T>(list: &mut Vec<T>) {
    if list.capacity() > LIST_KEEP_MAX {
        *list = Vec::new();
    }
    list.clear();
}
