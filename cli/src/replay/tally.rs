//! Judgements -> counts by rule, by route and by what was missing, as tables or JSON.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::judge::{Judgement, Outcome};
use crate::error::CliError;
use crate::output::{BAD, DOUBT, GOOD, Output, STRONG, clean_line, count, paint, table};

/// Lines with the same outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Certainly allowed.
    pub(super) allowed: u64,
    /// Certainly denied.
    pub(super) denied: u64,
    /// Neither.
    pub(super) cannot_tell: u64,
}

impl Counts {
    fn add(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Allowed { .. } => self.allowed += 1,
            Outcome::Denied { .. } => self.denied += 1,
            Outcome::CannotTell { .. } => self.cannot_tell += 1,
        }
    }

    fn total(self) -> u64 {
        self.allowed + self.denied + self.cannot_tell
    }
}

/// Broken lines that are shown, not only counted.
const BROKEN_SHOWN: usize = 3;

/// The counts of a replay.
#[derive(Debug, Default)]
pub(super) struct Tally {
    all: Counts,
    rules: BTreeMap<String, Counts>,
    routes: BTreeMap<String, Counts>,
    because: BTreeMap<String, u64>,
    broken: u64,
    first_broken: Vec<(String, String)>,
}

impl Tally {
    /// Counts a line.
    pub(super) fn add(&mut self, judgement: &Judgement) {
        let Judgement { outcome, route } = judgement;
        let rule = match outcome {
            Outcome::Allowed { rule } | Outcome::CannotTell { rule, .. } => rule,
            Outcome::Denied { by } => by,
        };
        self.all.add(outcome);
        self.rules.entry(rule.clone()).or_default().add(outcome);
        self.routes.entry(route.clone()).or_default().add(outcome);
        if let Outcome::CannotTell { because, .. } = outcome {
            for fact in because {
                *self.because.entry(fact.clone()).or_default() += 1;
            }
        }
    }

    /// Counts a broken line.
    pub(super) fn broken(&mut self, place: String, problem: String) {
        self.broken += 1;
        if self.first_broken.len() < BROKEN_SHOWN {
            self.first_broken.push((place, problem));
        }
    }

    /// Lines judged.
    pub(super) fn counts(&self) -> Counts {
        self.all
    }

    /// Broken lines.
    pub(super) fn broken_lines(&self) -> u64 {
        self.broken
    }

    /// One JSON object.
    pub(super) fn to_json(&self) -> Value {
        let rows = |map: &BTreeMap<String, Counts>, name: &str| -> Vec<Value> {
            sorted(map)
                .into_iter()
                .map(|(key, c)| {
                    json!({name: key, "allowed": c.allowed, "denied": c.denied, "cannot_tell": c.cannot_tell})
                })
                .collect()
        };
        let because: Vec<Value> = self
            .reasons()
            .into_iter()
            .map(|(fact, lines)| json!({"not_logged": fact, "lines": lines}))
            .collect();
        let broken: Vec<Value> = self
            .first_broken
            .iter()
            .map(|(place, why)| json!({"line": place, "problem": why}))
            .collect();
        json!({
            "lines": self.all.total() + self.broken,
            "allowed": self.all.allowed,
            "denied": self.all.denied,
            "cannot_tell": self.all.cannot_tell,
            "broken": self.broken,
            "first_broken": broken,
            "rules": rows(&self.rules, "rule"),
            "routes": rows(&self.routes, "route"),
            "because": because,
        })
    }

    /// Tables for people, at most `top` rows each.
    pub(super) fn show(&self, top: usize, output: &mut Output) -> Result<(), CliError> {
        let all = self.all;
        output.say(format_args!(
            "{}: {} allowed, {} denied, {} cannot tell",
            count(all.total(), "line"),
            paint(GOOD, all.allowed),
            paint(BAD, all.denied),
            paint(DOUBT, all.cannot_tell),
        ))?;
        for (title, map) in [("by rule", &self.rules), ("by route", &self.routes)] {
            let mut rows = table(&[title, "allowed", "denied", "cannot tell"]);
            for (name, c) in sorted(map).into_iter().take(top) {
                rows.add_row([
                    clean_line(name),
                    c.allowed.to_string(),
                    c.denied.to_string(),
                    c.cannot_tell.to_string(),
                ]);
            }
            output.say(format_args!("\n{}", rows.trim_fmt()))?;
            self.more(map.len(), top, output)?;
        }
        if !self.because.is_empty() {
            let mut rows = table(&["cannot tell because this was not logged", "lines"]);
            for (fact, lines) in self.reasons().into_iter().take(top) {
                rows.add_row([clean_line(fact), lines.to_string()]);
            }
            output.say(format_args!("\n{}", rows.trim_fmt()))?;
            self.more(self.because.len(), top, output)?;
        }
        Ok(())
    }

    /// Broken lines, beside the answer.
    pub(super) fn show_broken(&self, output: &mut Output) -> Result<(), CliError> {
        if self.broken == 0 {
            return Ok(());
        }
        let label = paint(DOUBT, "skipped");
        output.note(format_args!("{label}: {}", count(self.broken, "broken line")))?;
        for (place, problem) in &self.first_broken {
            output.note(format_args!("  {}: {}", clean_line(place), clean_line(problem)))?;
        }
        Ok(())
    }

    fn more(&self, rows: usize, top: usize, output: &mut Output) -> Result<(), CliError> {
        if rows > top {
            output.say(format_args!(
                "{} more; `--top {rows}` shows them",
                paint(STRONG, rows - top)
            ))?;
        }
        Ok(())
    }

    fn reasons(&self) -> Vec<(&str, u64)> {
        let mut rows: Vec<(&str, u64)> = self.because.iter().map(|(fact, n)| (fact.as_str(), *n)).collect();
        rows.sort_by_key(|row| std::cmp::Reverse(row.1));
        rows
    }
}

/// Most lines first, then by name.
fn sorted(map: &BTreeMap<String, Counts>) -> Vec<(&str, Counts)> {
    let mut rows: Vec<(&str, Counts)> = map.iter().map(|(name, c)| (name.as_str(), *c)).collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.1.total()));
    rows
}
