//! Facts and credentials -> the names people know them by.

use std::collections::BTreeSet;

use portcullis_lang::model::{Atom, Policy, Rule};

use portcullis_compile::approximate::Open;

/// Whether a credential on the request was good.
pub(super) const VALIDITY: &str = "whether a credential was presented that failed";

/// What a rule's head reads of what is open.
pub(super) fn open_in(policy: &Policy, rule: &Rule, open: &Open<'_>, into: &mut BTreeSet<String>) {
    rule.condition.for_each_atom(&mut |atom| {
        if !open.atom(atom) {
            return;
        }
        match atom {
            Atom::Anchor(anchor) => drop(into.insert(policy.show(anchor).to_string())),
            Atom::Presented(kind) => drop(into.insert(policy.kind_name(*kind).to_string())),
            _ => atom.for_each_fact(&mut |f| {
                if (open.fact)(f) {
                    into.insert(policy.show(f).to_string());
                }
            }),
        }
    });
    if open.credentials && !(rule.requires.scopes.is_empty() && rule.requires.scope_globs.is_empty()) {
        into.insert("token.scope".to_string());
    }
    if open.credentials && rule.requires.acr.is_some() {
        into.insert("token.acr".to_string());
    }
    if open.credentials && rule.requires.max_age_us.is_some() {
        into.insert("token.auth_time".to_string());
    }
}
