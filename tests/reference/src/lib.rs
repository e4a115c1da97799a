//! policy model + side files --new--> [`Reference`]; request vector --decide--> verdict
//!
//! The reference evaluator: slow, obvious, three-valued and order-independent. It reads the language's text
//! (sections 3 to 8, and decision 0001) as literally as code can, one module a section, and is the oracle that
//! every optimisation of the engine is compared with. It shares nothing with the engine but the checked model
//! and the vector format; it must never depend on the crate `portcullis`.
//!
//! It has no memory: penalties never block and every bucket is full, so `blocked` and `quota_exceeded` do not
//! come out of it. Digests and `closest` stay empty.

// raw request -> canonical request (section 8)
mod normalise;

// bytes -> JSON that keeps duplicates; side files -> lists and tables
mod data;
mod json;

// canonical request -> service, matching targets and captures (section 5)
mod service;
mod target;

// keys, and what is presented -> what it says, or why it fails (section 4)
mod verify;

// who vouches for the caller, and every fact with its state (sections 2 to 4)
mod client_ip;
mod credentials;
mod facts;
mod forwarded_certificate;

// facts -> true, false, unknown (section 3)
mod condition;
mod glob;
mod hours;
mod patterns;

// what binds -> merged obligations (section 7)
mod cors;
mod headers;
mod obligations;
mod query_accept;
mod quotas;

// what is accepted of a request's body (section 7)
mod body;

// everything above, in the order of section 6
mod decide;
mod steps;

use std::collections::BTreeMap;

use portcullis_lang::model::Policy;
use portcullis_vectors::{Vector, Verdict};

/// A policy with its side files, ready to decide.
pub struct Reference<'p> {
    policy: &'p Policy,
    data: data::Data,
    keys: verify::keys::Keys,
    patterns: patterns::Patterns,
    zones: hours::Zones,
    names: normalise::HeaderNames,
}

/// What one decision evaluated, for the statistics of differential runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// Atoms that were unknown.
    pub unknown_atoms: u64,
    /// Atoms evaluated.
    pub atoms: u64,
    /// Evaluations by operator; an atom may count under two names (`==` and `ignore case`).
    pub operators: BTreeMap<&'static str, u64>,
    /// Obligations that bound, by kind.
    pub obligations: BTreeMap<&'static str, u64>,
}

impl Trace {
    fn operator(&mut self, name: &'static str) {
        *self.operators.entry(name).or_default() += 1;
    }

    fn obligation(&mut self, name: &'static str, count: usize) {
        if count > 0 {
            *self.obligations.entry(name).or_default() += count as u64;
        }
    }
}

impl<'p> Reference<'p> {
    /// Prepares a policy; `data` holds the side files by root-relative name: lists, tables, key sets and secrets. One
    /// whose file is missing or has one bad line counts as never loaded.
    pub fn new(policy: &'p Policy, data: &BTreeMap<String, Vec<u8>>) -> Reference<'p> {
        Reference {
            policy,
            data: data::Data::load(policy, data),
            keys: verify::keys::Keys::load(policy, data),
            patterns: patterns::Patterns::compile(policy),
            zones: hours::Zones::load(policy),
            names: normalise::HeaderNames::of(policy),
        }
    }

    /// The verdict on one request.
    pub fn decide(&self, vector: &Vector) -> Verdict {
        self.decide_traced(vector).0
    }

    /// The verdict, with what was evaluated on the way.
    pub fn decide_traced(&self, vector: &Vector) -> (Verdict, Trace) {
        let mut trace = Trace::default();
        let verdict = decide::verdict(self, vector, &mut trace);
        (verdict, trace)
    }
}
