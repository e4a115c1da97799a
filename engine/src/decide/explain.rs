//! A denial -> the allows that came closest and what each lacked: a second, cold walk that allocates, for people.
//! Decides nothing.

use super::evaluation::Evaluation;
use super::{Now, Snapshot, Worker};
use crate::decision::{Effect, OwnedDecision, Reason};
use crate::facts::Unknown;
use crate::image::ids::RuleId;
use crate::image::layout::lack;
use crate::view::RequestView;

/// How many allows an explanation names at most.
const CLOSEST_MAX: usize = 3;

/// Why no allow granted. The default says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Explanation {
    /// Closest allows, the closest first; none where an allow was not what lacked, or the image has no symbols.
    pub closest: Vec<Closest>,
}

/// An allow that came close.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closest {
    /// The allow.
    pub rule: RuleId,
    /// What it lacked.
    pub lacks: Vec<Lack>,
}

/// What an allow lacked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lack {
    /// A scope.
    Scope(String),
    /// An authentication context class.
    Acr(String),
    /// A younger authentication, seconds.
    MaxAge(i64),
    /// A part of its condition, as text. Behind it stand the facts of it that are unknown; with none, it is false.
    Condition(String),
    /// A fact that the condition before it reads, as text, and why it is unknown.
    Fact(String, Unknown),
}

/// Decides, keeps the decision, and explains it: what a verdict line shows.
pub fn decide_explained(
    s: &Snapshot,
    r: &RequestView<'_>,
    now: Now,
    w: &mut Worker,
) -> (OwnedDecision, Explanation) {
    let decision = super::decide(s, r, now, w).to_owned();
    let explanation = explain(&decision, s, r, now, w);
    (decision, explanation)
}

/// Of a denial for want of an allow, which allows came closest. Walks the rules of the entry again and allocates.
pub fn explain(
    decision: &OwnedDecision,
    s: &Snapshot,
    r: &RequestView<'_>,
    now: Now,
    w: &mut Worker,
) -> Explanation {
    let for_want_of_an_allow = matches!(
        decision.reason(),
        Reason::NoRule
            | Reason::Unauthenticated
            | Reason::InsufficientScope
            | Reason::InsufficientUserAuthentication
    );
    if decision.effect() != Effect::Deny || !for_want_of_an_allow || !s.image.has_symbols() {
        return Explanation::default();
    }
    w.start(&s.image);
    let evaluation = Evaluation::begin(s, r, now, w);
    Explanation {
        closest: evaluation.map_or_else(|_| Vec::new(), |mut evaluation| evaluation.closest()),
    }
}

impl Evaluation<'_> {
    fn closest(&mut self) -> Vec<Closest> {
        let Some(symbols) = self.symbols else {
            return Vec::new();
        };
        let mut all: Vec<Closest> = Vec::new();
        let config = self.config;
        self.walk.explanations(symbols, |rule, parts| {
            let of = config.rules.get(rule.index());
            let lacks = parts
                .into_iter()
                .filter_map(|(kind, text)| {
                    let text = || symbols.text(text).to_string();
                    let unknown = match kind >> lack::KIND_BITS {
                        0 => Unknown::Absent,
                        1 => Unknown::IllTyped,
                        _ => Unknown::Twice,
                    };
                    match kind & ((1 << lack::KIND_BITS) - 1) {
                        lack::SCOPE => Some(Lack::Scope(text())),
                        lack::ACR => of.and_then(|r| r.acr).map(|acr| Lack::Acr(acr.into())),
                        lack::AGE => of
                            .and_then(|r| r.max_age_us)
                            .map(|us| Lack::MaxAge(us / 1_000_000)),
                        lack::FACT => Some(Lack::Fact(text(), unknown)),
                        _ => Some(Lack::Condition(text())),
                    }
                })
                .collect();
            let lacks_of = |closest: &Closest| {
                let lacks = closest.lacks.iter();
                lacks.filter(|lack| !matches!(lack, Lack::Fact(..))).count()
            };
            let rank = |closest: &Closest| (lacks_of(closest), closest.rule);
            let closest = Closest { rule, lacks };
            let at = all.partition_point(|before| rank(before) <= rank(&closest));
            all.insert(at, closest);
            // A route may have ten thousand allows; only those that may stay are kept.
            if all.len() > KEPT_MAX {
                keep_closest(&mut all);
            }
        });
        keep_closest(&mut all);
        all
    }
}

/// Allows that are held at once while the closest are looked for.
const KEPT_MAX: usize = 64;

fn keep_closest(all: &mut Vec<Closest>) {
    all.dedup_by_key(|c| c.rule);
    all.truncate(CLOSEST_MAX);
}
