//! The regexes of a policy -> whether an automaton holds each of them, before the policy is compiled; and the rule of one
//! that none holds. Knows no requests.

use std::collections::BTreeSet;

use portcullis_lang::model::{Atom, Policy, Rule};

use crate::pattern::Table;
use crate::{CompileError, paths, routes};

/// A shorter regex without counted repetitions has no large automaton: it has a position for a byte at most, and two
/// to the power of so many states.
const SMALL_BYTES: usize = 16;

/// Whether the paths, redaction paths and regexes of a policy can be compiled: what [`crate::compile`] says of them, without the rest of
/// its work.
///
/// # Errors
///
/// [`CompileError::PathPatternsTooLarge`], [`CompileError::RoutesTooAmbiguous`], [`CompileError::RedactionPathsTooLarge`]
/// and [`CompileError::PatternTooLarge`], which have a place: [`CompileError::diagnostic`].
pub fn check_patterns(policy: &Policy) -> Result<(), CompileError> {
    routes::check(policy)?;
    paths::check(policy)?;
    let mut fine: BTreeSet<&str> = BTreeSet::new();
    for rule in &policy.rules {
        let mut broken = None;
        for_each_regex(rule, &mut |regex| {
            let is_small = regex.len() <= SMALL_BYTES && !regex.contains('{');
            if is_small || broken.is_some() || !fine.insert(regex) {
                return;
            }
            if Table::build(&[regex.to_owned()]).is_err() {
                broken = Some(regex);
            }
        });
        if let Some(regex) = broken {
            return Err(CompileError::PatternTooLarge {
                pattern: regex.to_owned(),
                span: Some(rule.span),
            });
        }
    }
    Ok(())
}

/// The error with the place of the first rule that has its regex.
pub(super) fn at_its_rule(policy: &Policy, error: CompileError) -> CompileError {
    let CompileError::PatternTooLarge { pattern, span: None } = error else {
        return error;
    };
    let rule = policy.rules.iter().find(|rule| {
        let mut found = false;
        for_each_regex(rule, &mut |regex| found |= regex == pattern);
        found
    });
    CompileError::PatternTooLarge {
        span: rule.map(|rule| rule.span),
        pattern,
    }
}

/// The regexes of a rule's conditions, and of the parameters that it accepts.
fn for_each_regex<'p>(rule: &'p Rule, f: &mut dyn FnMut(&'p str)) {
    let mut of_atom = |atom: &'p Atom| {
        if let Atom::Matches { regex, .. } = atom {
            f(regex);
        }
    };
    rule.condition.for_each_atom(&mut of_atom);
    for required in &rule.obligations.require_response {
        required.condition.for_each_atom(&mut of_atom);
    }
    let accepted = rule.obligations.accept.iter().flat_map(|accept| &accept.fields);
    accepted
        .filter_map(|field| field.bounds.matches.as_deref())
        .for_each(f);
}
