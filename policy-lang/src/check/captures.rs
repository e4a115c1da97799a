//! Captures that the body of a rule reads -> one place in all of the rule's targets. Obligations bind to a rule and not
//! to one of its targets, so a name must mean the same part of the path in each of them. Knows no conditions: these are
//! asked of each target on its own.

use super::cx::Cx;
use super::quotas::PendingLimit;
use crate::model::{
    CaptureKind, Fact, HeaderAction, HeaderValue, Obligations, Pattern, Segment, Tail, Target,
};
use crate::source::Span;
use std::collections::BTreeSet;

/// Names of captures that a body reads.
#[derive(Default)]
pub(super) struct Kept(BTreeSet<String>);

impl Kept {
    /// Takes in what a fact reads.
    pub(super) fn note(&mut self, fact: &Fact) {
        self.0.extend(fact.capture().map(str::to_owned));
    }
}

/// Where a capture stands and what is made of its text.
#[derive(PartialEq, Eq)]
enum Place {
    /// Segment, bytes before and after, and whether it is an int or a UUID.
    Segment(usize, usize, usize, bool, bool),
    Rest(usize),
}

fn place(pattern: &Pattern, wanted: &str) -> Option<Place> {
    let segment = pattern.segments.iter().enumerate().find_map(|(i, s)| match s {
        Segment::Capture {
            name,
            prefix,
            suffix,
            kind,
        } if name == wanted => Some(Place::Segment(
            i,
            prefix.len(),
            suffix.len(),
            *kind == CaptureKind::Int,
            *kind == CaptureKind::Uuid,
        )),
        _ => None,
    });
    let rest = matches!(&pattern.tail, Tail::Rest(Some(name)) if name == wanted);
    segment.or(rest.then_some(Place::Rest(pattern.segments.len())))
}

impl Cx<'_> {
    /// `G0410` where the targets of a rule differ in what its body reads.
    pub(super) fn captures_agree(
        &self,
        at: Span,
        targets: &[Target],
        body: &Obligations,
        limits: &[PendingLimit],
    ) {
        let [first, others @ ..] = targets else { return };
        if others.is_empty() {
            return;
        }
        let mut kept = Kept::default();
        for header in &body.headers {
            if let HeaderAction::Set(HeaderValue::Fact(fact)) = &header.action {
                kept.note(fact);
            }
        }
        limits.iter().for_each(|limit| self.captures_of(limit, &mut kept));
        for name in &kept.0 {
            let wanted = place(&first.pattern, name);
            if let Some(other) = others.iter().find(|t| place(&t.pattern, name) != wanted) {
                self.report.error_at_both(
                    "G0410",
                    at,
                    format!("the body reads `path.{name}`, which is another part of the path in each target"),
                    (other.span, "this target differs from the first"),
                    "write one rule for each target",
                );
            }
        }
    }
}
