//! Every regex of the policy, compiled once: anchored at both ends, Unicode off, `.` is any byte.

use std::collections::BTreeMap;

use portcullis_lang::model::{Atom, CaptureKind, Policy, Segment};
use regex::bytes::{Regex, RegexBuilder};

/// Compiled regexes by their text.
pub(crate) struct Patterns(BTreeMap<String, Option<Regex>>);

impl Patterns {
    pub(crate) fn compile(policy: &Policy) -> Patterns {
        let mut texts: Vec<&str> = Vec::new();
        for rule in &policy.rules {
            rule.condition.for_each_atom(&mut |atom| {
                if let Atom::Matches { regex, .. } = atom {
                    texts.push(regex);
                }
            });
            for segment in rule.targets.iter().flat_map(|target| &target.pattern.segments) {
                if let Segment::Capture {
                    kind: CaptureKind::Regex(regex),
                    ..
                } = segment
                {
                    texts.push(regex);
                }
            }
            let fields = rule.obligations.accept.iter().flat_map(|accept| &accept.fields);
            texts.extend(fields.filter_map(|field| field.bounds.matches.as_deref()));
        }
        Patterns(
            texts
                .into_iter()
                .map(|text| (text.to_string(), anchored(text)))
                .collect(),
        )
    }

    /// `None` for a regex that does not compile, which the checker does not let through.
    pub(crate) fn is_match(&self, regex: &str, text: &[u8]) -> Option<bool> {
        Some(self.0.get(regex)?.as_ref()?.is_match(text))
    }
}

fn anchored(text: &str) -> Option<Regex> {
    RegexBuilder::new(&format!(r"\A(?s-u:{text})\z"))
        .unicode(false)
        .dot_matches_new_line(true)
        .size_limit(64 << 20)
        .build()
        .ok()
}
