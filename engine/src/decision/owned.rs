//! [`Decision`] -> [`OwnedDecision`]: a decision that outlives its request, in one buffer of text and spans of it. One
//! that is used again allocates nothing once it has grown. For whoever waits (an exchange, a log, a verdict line).
//! Knows no snapshot: rules and quotas stay indices.

use super::{BodyDemand, Change, Charge, Decision, Effect, Reason, Redact};
use crate::image::ids::RuleId;

/// Bytes of text that a decision keeps room for between uses: what honest decisions need, many times over.
const TEXT_KEEP_MAX: usize = 1 << 14;
/// Elements of a list that a decision keeps room for between uses.
const LIST_KEEP_MAX: usize = 1 << 9;

/// A part of the buffer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Span {
    start: usize,
    end: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ChargeSpan {
    quota: u32,
    key: Span,
    cost: u64,
    limit: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RedactSpan {
    /// A part of `only_paths`.
    Only {
        start: usize,
        end: usize,
    },
    Drop(Span),
    Replace(Span, Span),
    Hash(Span),
    Mask {
        path: Span,
        first: bool,
        keep: u32,
    },
    Truncate(Span, u32),
}

/// A decision by itself. Its accessors are the members of [`Decision`]. The default denies: no policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnedDecision {
    effect: Effect,
    status: u16,
    reason: Reason,
    detail: Option<Span>,
    message: Option<Span>,
    rule: Option<RuleId>,
    rules: Vec<RuleId>,
    quotas: Vec<ChargeSpan>,
    /// Largest size in bytes, and whether unknown fields are stripped.
    body: Option<(u64, bool)>,
    accept: Vec<RuleId>,
    /// The service whose paths the plan's are.
    response_plan: Option<u32>,
    redact: Vec<RedactSpan>,
    only_paths: Vec<Span>,
    require: Vec<(RuleId, u16)>,
    request_set: Vec<(Span, Span)>,
    request_drop: Vec<Span>,
    response_set: Vec<(Span, Span)>,
    response_drop: Vec<Span>,
    upstream_target: Option<Span>,
    tags: Vec<Span>,
    report: Vec<(RuleId, bool)>,
    /// Whether any list holds something: most decisions leave them all as they were.
    has_lists: bool,
    text: String,
}

/// Texts of a decision.
#[derive(Clone, Debug, Default)]
pub struct Texts<'a> {
    text: &'a str,
    spans: std::slice::Iter<'a, Span>,
}

impl<'a> Iterator for Texts<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        self.spans.next().map(|span| part(self.text, *span))
    }

    fn nth(&mut self, n: usize) -> Option<&'a str> {
        self.spans.nth(n).map(|span| part(self.text, *span))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.spans.size_hint()
    }
}

impl ExactSizeIterator for Texts<'_> {}

/// Header lines of a decision: name in lower case, value.
#[derive(Clone, Debug, Default)]
pub struct HeaderLines<'a> {
    text: &'a str,
    spans: std::slice::Iter<'a, (Span, Span)>,
}

impl<'a> Iterator for HeaderLines<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<(&'a str, &'a str)> {
        let (name, value) = self.spans.next()?;
        Some((part(self.text, *name), part(self.text, *value)))
    }

    fn nth(&mut self, n: usize) -> Option<(&'a str, &'a str)> {
        let (name, value) = self.spans.nth(n)?;
        Some((part(self.text, *name), part(self.text, *value)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.spans.size_hint()
    }
}

impl ExactSizeIterator for HeaderLines<'_> {}

/// One redaction of a response plan.
#[derive(Clone, Debug)]
pub enum RedactStep<'a> {
    /// Only these paths stay; sorted.
    Only(Texts<'a>),
    /// What is done at a path.
    Op(&'a str, Change<'a>),
}

/// What happens to the response.
#[derive(Clone, Copy, Debug)]
pub struct ResponseDemand<'a> {
    decision: &'a OwnedDecision,
}

impl<'a> ResponseDemand<'a> {
    /// Merged: `only` lists first, then operations by path.
    pub fn redact(&self) -> impl Iterator<Item = RedactStep<'a>> + use<'a> {
        let decision = self.decision;
        let text = |span| part(&decision.text, span);
        decision.redact.iter().map(move |step| match *step {
            RedactSpan::Only { start, end } => RedactStep::Only(Texts {
                text: &decision.text,
                spans: decision.only_paths.get(start..end).unwrap_or_default().iter(),
            }),
            RedactSpan::Drop(path) => RedactStep::Op(text(path), Change::Drop),
            RedactSpan::Replace(path, with) => RedactStep::Op(text(path), Change::Replace(text(with))),
            RedactSpan::Hash(path) => RedactStep::Op(text(path), Change::Hash),
            RedactSpan::Mask { path, first, keep } => {
                RedactStep::Op(text(path), Change::Mask { first, keep })
            }
            RedactSpan::Truncate(path, to) => RedactStep::Op(text(path), Change::Truncate(to)),
        })
    }

    /// The service whose rules it comes from: an index into the image's.
    pub fn service(&self) -> u32 {
        self.decision.response_plan.unwrap_or_default()
    }

    /// (rule, HTTP status of its else), sorted.
    pub fn require(&self) -> &'a [(RuleId, u16)] {
        &self.decision.require
    }
}

impl OwnedDecision {
    /// Effect.
    #[inline]
    pub fn effect(&self) -> Effect {
        self.effect
    }

    /// HTTP status.
    #[inline]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Reason.
    #[inline]
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// Detail code.
    #[inline]
    pub fn detail(&self) -> Option<&str> {
        self.detail.map(|span| self.text(span))
    }

    /// `because` of the deciding deny.
    #[inline]
    pub fn message(&self) -> Option<&str> {
        self.message.map(|span| self.text(span))
    }

    /// Deciding rule.
    #[inline]
    pub fn rule(&self) -> Option<RuleId> {
        self.rule
    }

    /// Rules whose obligations bind, sorted.
    #[inline]
    pub fn rules(&self) -> &[RuleId] {
        &self.rules
    }

    /// Charges, sorted by quota (which is by name).
    #[inline]
    pub fn quotas(&self) -> impl ExactSizeIterator<Item = Charge<'_>> + Clone {
        self.quotas.iter().map(|charge| Charge {
            quota: charge.quota,
            key: self.text(charge.key),
            cost: charge.cost,
            limit: charge.limit,
        })
    }

    /// Demands on the request's body.
    #[inline]
    pub fn request_body(&self) -> Option<BodyDemand<'_>> {
        let (max_bytes, strip_unknown) = self.body?;
        Some(BodyDemand {
            accept: &self.accept,
            max_bytes,
            strip_unknown,
        })
    }

    /// Response plan.
    #[inline]
    pub fn response(&self) -> Option<ResponseDemand<'_>> {
        self.response_plan.map(|_| ResponseDemand { decision: self })
    }

    /// Headers to set upstream, by name.
    #[inline]
    pub fn request_set(&self) -> HeaderLines<'_> {
        self.lines(&self.request_set)
    }

    /// Headers to remove before it goes upstream, sorted.
    #[inline]
    pub fn request_drop(&self) -> Texts<'_> {
        self.texts(&self.request_drop)
    }

    /// Headers to set on the reply: the engine's own first, then the policy's by name.
    #[inline]
    pub fn response_set(&self) -> HeaderLines<'_> {
        self.lines(&self.response_set)
    }

    /// Headers to remove from the reply, sorted.
    #[inline]
    pub fn response_drop(&self) -> Texts<'_> {
        self.texts(&self.response_drop)
    }

    /// Target to forward, on an allow (ASCII).
    #[inline]
    pub fn upstream_target(&self) -> Option<&str> {
        self.upstream_target.map(|span| self.text(span))
    }

    /// Sorted, unique.
    #[inline]
    pub fn tags(&self) -> Texts<'_> {
        self.texts(&self.tags)
    }

    /// Reported rules: (rule, true; else unknown), sorted.
    #[inline]
    pub fn report(&self) -> &[(RuleId, bool)] {
        &self.report
    }

    #[inline]
    fn text(&self, span: Span) -> &str {
        part(&self.text, span)
    }

    #[inline]
    fn texts<'a>(&'a self, spans: &'a [Span]) -> Texts<'a> {
        Texts {
            text: &self.text,
            spans: spans.iter(),
        }
    }

    #[inline]
    fn lines<'a>(&'a self, spans: &'a [(Span, Span)]) -> HeaderLines<'a> {
        HeaderLines {
            text: &self.text,
            spans: spans.iter(),
        }
    }

    fn add(&mut self, text: &str) -> Span {
        let start = self.text.len();
        self.text.push_str(text);
        Span {
            start,
            end: self.text.len(),
        }
    }

    /// Becomes a copy of a decision. The effect is written last.
    pub fn copy_from(&mut self, decision: &Decision<'_>) {
        self.clear();
        self.status = decision.status;
        self.reason = decision.reason;
        self.rule = decision.rule;
        self.detail = decision.detail.map(|text| self.add(text));
        self.message = decision.message.map(|text| self.add(text));
        self.upstream_target = decision.upstream_target.map(|text| self.add(text));
        if !is_bare(decision) {
            self.has_lists = true;
            self.copy_obligations(decision);
        }
        self.effect = decision.effect;
    }

    fn copy_obligations(&mut self, decision: &Decision<'_>) {
        self.rules.extend_from_slice(decision.rules);
        self.report.extend_from_slice(decision.report());
        for charge in decision.quotas {
            let key = self.add(charge.key);
            self.quotas.push(ChargeSpan {
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
        if let Some(plan) = decision.response {
            self.response_plan = Some(decision.service);
            self.require.extend_from_slice(plan.require);
            plan.redact.iter().for_each(|step| self.add_redaction(step));
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
    }

    fn add_redaction(&mut self, step: &Redact<'_>) {
        let step = match step {
            Redact::Only(paths) => {
                let start = self.only_paths.len();
                for path in *paths {
                    let path = self.add(path);
                    self.only_paths.push(path);
                }
                RedactSpan::Only {
                    start,
                    end: self.only_paths.len(),
                }
            }
            Redact::Op(path, change) => {
                let path = self.add(path);
                match *change {
                    Change::Drop => RedactSpan::Drop(path),
                    Change::Replace(with) => RedactSpan::Replace(path, self.add(with)),
                    Change::Hash => RedactSpan::Hash(path),
                    Change::Mask { first, keep } => RedactSpan::Mask { path, first, keep },
                    Change::Truncate(to) => RedactSpan::Truncate(path, to),
                }
            }
        };
        self.redact.push(step);
    }

    /// Becomes a denial with nothing else in it.
    pub(crate) fn deny(&mut self, reason: Reason, detail: Option<&str>) {
        self.clear();
        self.status = reason.status();
        self.reason = reason;
        self.detail = detail.map(|text| self.add(text));
    }

    /// Becomes a denial after an allow: reports stay, and those headers of the reply that `keeps` says; `first` comes
    /// before them and `last` after them.
    pub(crate) fn revoke(
        &mut self,
        reason: Reason,
        status: u16,
        keeps: impl Fn(&str) -> bool,
        first: Option<(&str, u64)>,
        last: Option<(&str, u64)>,
    ) {
        let text = std::mem::take(&mut self.text);
        self.response_set.retain(|(name, _)| keeps(part(&text, *name)));
        self.text = text;
        let first = first.map(|line| self.add_line(line));
        let last = last.map(|line| self.add_line(line));
        if let Some(first) = first {
            self.response_set.insert(0, first);
        }
        self.response_set.extend(last);
        self.has_lists = true;
        (self.effect, self.status, self.reason) = (Effect::Deny, status, reason);
        self.forget_grant();
    }

    /// Adds a header to the reply, unless it is empty or the policy says something of it itself.
    pub(crate) fn add_own_line(&mut self, name: &str, value: &str) {
        let is_told =
            self.response_set().any(|(own, _)| own == name) || self.response_drop().any(|own| own == name);
        if !is_told && !value.is_empty() {
            let line = (self.add(name), self.add(value));
            self.response_set.push(line);
            self.has_lists = true;
        }
    }

    /// Says of a denial what exactly was refused.
    pub(crate) fn set_detail(&mut self, detail: &str) {
        self.detail = Some(self.add(detail));
    }

    fn add_line(&mut self, (name, value): (&str, u64)) -> (Span, Span) {
        let name = self.add(name);
        let start = self.text.len();
        // Writing into a text does not fail.
        let _ = std::fmt::Write::write_fmt(&mut self.text, format_args!("{value}"));
        let end = self.text.len();
        (name, Span { start, end })
    }

    /// Forgets the decision: what is left denies, with reason `internal`. Buffers stay unless they have grown beyond
    /// what is usual.
    pub(crate) fn clear(&mut self) {
        self.effect = Effect::Deny;
        self.status = Reason::Internal.status();
        self.reason = Reason::Internal;
        (self.detail, self.message, self.upstream_target, self.rule) = (None, None, None, None);
        if self.has_lists {
            self.forget_grant();
            empty(&mut self.response_set);
            empty(&mut self.report);
            self.has_lists = false;
        }
        self.text.clear();
        if self.text.capacity() > TEXT_KEEP_MAX {
            self.text = String::new();
        }
    }

    /// Forgets everything but effect, status, reason, the reply's headers and the reports.
    fn forget_grant(&mut self) {
        (self.detail, self.message, self.upstream_target) = (None, None, None);
        (self.rule, self.body, self.response_plan) = (None, None, None);
        empty(&mut self.rules);
        empty(&mut self.quotas);
        empty(&mut self.accept);
        empty(&mut self.redact);
        empty(&mut self.only_paths);
        empty(&mut self.require);
        empty(&mut self.request_set);
        empty(&mut self.request_drop);
        empty(&mut self.response_drop);
        empty(&mut self.tags);
    }
}

impl Decision<'_> {
    /// Copies everything out of worker, request and snapshot.
    pub fn to_owned(&self) -> OwnedDecision {
        let mut owned = OwnedDecision::default();
        owned.copy_from(self);
        owned
    }
}

#[inline]
fn part(text: &str, span: Span) -> &str {
    text.get(span.start..span.end).unwrap_or("")
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
        && decision.report().is_empty()
}

fn empty<T>(list: &mut Vec<T>) {
    if list.capacity() > LIST_KEEP_MAX {
        *list = Vec::new();
    }
    list.clear();
}
